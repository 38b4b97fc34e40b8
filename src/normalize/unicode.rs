//! Unicode's own normal forms, and letters without their accents.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::step::Flow;

pub(super) fn strip_accents<'a>(text: &'a str, out: &mut String) -> Flow<'a> {
    if text.is_ascii() {
        return Flow::Part(text);
    }
    // Composed again at the end: a script whose letters are built of parts (Hangul) stays whole.
    out.extend(text.nfkd().filter(|character| !is_combining_mark(*character)).nfc());
    Flow::Written
}

pub(super) fn nfc<'a>(text: &'a str, out: &mut String) -> Flow<'a> {
    if text.is_ascii() || unicode_normalization::is_nfc(text) {
        return Flow::Part(text);
    }
    out.extend(text.nfc());
    Flow::Written
}

pub(super) fn nfkc<'a>(text: &'a str, out: &mut String) -> Flow<'a> {
    if text.is_ascii() || unicode_normalization::is_nfkc(text) {
        return Flow::Part(text);
    }
    out.extend(text.nfkc());
    Flow::Written
}

#[cfg(test)]
mod tests {
    use super::super::step::{apply_all, steps};

    #[test]
    fn forms() {
        for (chain, text, expected) in [
            ("[strip_accents]", "Ñandú Łódź", "Nandu Łodz"),
            ("[strip_accents]", "e\u{301}", "e"),
            ("[strip_accents]", "한국", "한국"),
            ("[strip_accents]", "plain", "plain"),
            ("[nfc]", "n\u{303}", "ñ"),
            ("[nfc]", "ﬁ", "ﬁ"),
            ("[nfkc]", "ﬁ\u{a0}１", "fi 1"),
        ] {
            assert_eq!(apply_all(&steps(chain), text).unwrap(), expected, "{chain} {text:?}");
        }
    }
}
