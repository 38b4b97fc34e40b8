//! Makes invisible and confusable characters visible.
//!
//! For text shown to users only. CSV, JSON and the store keep every byte.

use std::borrow::Cow;

use crate::domain::unseen::escaped;
pub use crate::domain::unseen::{is_unseen, visible};

/// A single value. Like [`visible`], and also escapes leading, trailing and repeated spaces.
pub fn value(text: &str) -> Cow<'_, str> {
    escaped(text, |at, character| is_unseen(character) || is_odd_space(text, at, character))
}

/// Two differing values side by side. Like [`value`], and also escapes the causes of their likeness: combining
/// accents, full-width forms, and letters of a different alphabet than the rest of the value.
pub fn pair<'t>(a: &'t str, b: &'t str) -> (Cow<'t, str>, Cow<'t, str>) {
    (distinct(a), distinct(b))
}

fn distinct(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return value(text);
    }
    let scripts = Scripts::of(text.chars());
    escaped(text, |at, character| {
        is_unseen(character)
            || is_odd_space(text, at, character)
            || matches!(character, '\u{300}'..='\u{36f}' | '\u{ff01}'..='\u{ff5e}' | '\u{fb00}'..='\u{fb06}')
            || scripts.foreign(character).is_some()
    })
}

/// Whether the plain space at this byte is at an end of the text or follows another one.
fn is_odd_space(text: &str, at: usize, character: char) -> bool {
    character == ' '
        && (at == 0 || at + 1 == text.len() || text.as_bytes().get(at - 1) == Some(&b' '))
}

/// The alphabets of a value. A Cyrillic letter among Latin ones is deceptive; a Cyrillic word is
/// not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scripts {
    latin: usize,
    cyrillic: usize,
    greek: usize,
}

impl Scripts {
    /// Counts the letters of each alphabet.
    pub fn of(characters: impl IntoIterator<Item = char>) -> Self {
        let mut scripts = Self::default();
        for character in characters {
            match script(character) {
                Some("Latin") => scripts.latin += 1,
                Some("Cyrillic") => scripts.cyrillic += 1,
                Some("Greek") => scripts.greek += 1,
                _ => {}
            }
        }
        scripts
    }

    /// The letter's alphabet, if it is not the value's main one.
    pub fn foreign(self, character: char) -> Option<&'static str> {
        let own = script(character)?;
        let most = self.latin.max(self.cyrillic).max(self.greek);
        let count = match own {
            "Latin" => self.latin,
            "Cyrillic" => self.cyrillic,
            _ => self.greek,
        };
        (count < most || (own != "Latin" && count == self.latin)).then_some(own)
    }
}

const fn script(character: char) -> Option<&'static str> {
    match character {
        'a'..='z'
        | 'A'..='Z'
        | '\u{C0}'..='\u{D6}'
        | '\u{D8}'..='\u{F6}'
        | '\u{F8}'..='\u{24F}' => Some("Latin"),
        '\u{400}'..='\u{52F}' => Some("Cyrillic"),
        '\u{370}'..='\u{3FF}' | '\u{1F00}'..='\u{1FFF}' => Some("Greek"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn external_text_cannot_control_the_terminal() {
        assert_eq!(visible("a\u{1b}[2J\n\u{202e}é"), r"a\u{1b}[2J\n\u{202e}é");
        assert!(matches!(visible("plain é 漢"), Cow::Borrowed(_)));
    }

    #[test]
    fn invisible_characters_are_shown() {
        for (text, shown) in [
            ("ACME\u{200b} Ltd", r"ACME\u{200b} Ltd"),
            ("ACME\u{a0}Ltd", r"ACME\u{a0}Ltd"),
            ("AC\u{ad}ME", r"AC\u{ad}ME"),
            ("\u{feff}ACME\u{200e}", r"\u{feff}ACME\u{200e}"),
            ("a\u{3000}b\u{2009}c", r"a\u{3000}b\u{2009}c"),
            ("a\u{fe0f}\u{e0041}\u{34f}", r"a\u{fe0f}\u{e0041}\u{34f}"),
        ] {
            assert_eq!(visible(text), shown);
        }
        assert_eq!(visible(" a  b "), " a  b ");
        assert_eq!(value(" a  b "), r"\u{20}a \u{20}b\u{20}");
    }

    #[test]
    fn values_that_look_alike_become_distinguishable() {
        for (a, b, shown_a, shown_b) in [
            ("Cafe\u{301}", "Café", r"Cafe\u{301}", "Café"),
            ("\u{410}CME", "ACME", r"\u{410}CME", "ACME"),
            ("ＡCME", "ACME", r"\u{ff21}CME", "ACME"),
            ("ﬁrst", "first", r"\u{fb01}rst", "first"),
            ("Привет", "Privet", "Привет", "Privet"),
        ] {
            let (a, b) = pair(a, b);
            assert_eq!((a.as_ref(), b.as_ref()), (shown_a, shown_b));
        }
    }
}
