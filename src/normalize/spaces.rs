//! Steps about spaces, in the Unicode sense: the no-break space is one of them.

use super::step::Flow;

pub(super) fn trim<'a>(text: &'a str, _: &mut String) -> Flow<'a> {
    // Nearly every cell begins and ends with something printable.
    let is_printable = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    if is_printable(text.as_bytes().first()) && is_printable(text.as_bytes().last()) {
        return Flow::Part(text);
    }
    Flow::Part(text.trim())
}

pub(super) fn collapse_spaces<'a>(text: &'a str, out: &mut String) -> Flow<'a> {
    if text.is_ascii() {
        let mut before = 0;
        let is_tidy = text.bytes().all(|byte| {
            let tidy = byte > b' ' || (byte == b' ' && before != b' ');
            before = byte;
            tidy
        });
        if is_tidy {
            return Flow::Part(text);
        }
    }
    out.reserve(text.len());
    let mut in_spaces = false;
    for character in text.chars() {
        if !character.is_whitespace() {
            out.push(character);
        } else if !in_spaces {
            out.push(' ');
        }
        in_spaces = character.is_whitespace();
    }
    Flow::Written
}

pub(super) fn remove_spaces<'a>(text: &'a str, out: &mut String) -> Flow<'a> {
    if text.is_ascii() && text.bytes().all(|byte| byte > b' ') {
        return Flow::Part(text);
    }
    out.extend(text.chars().filter(|character| !character.is_whitespace()));
    Flow::Written
}

#[cfg(test)]
mod tests {
    use super::super::step::{apply_all, steps};

    #[test]
    fn spaces_are_those_of_unicode() {
        for (chain, text, expected) in [
            ("[trim]", "\u{a0}\t a b\u{3000}\u{2009}", "a b"),
            ("[trim]", " \u{a0}", ""),
            ("[collapse_spaces]", " a\t\tb\u{a0}c ", " a b c "),
            ("[collapse_spaces]", "a b", "a b"),
            ("[collapse_spaces]", "a\tb", "a b"),
            ("[remove_spaces]", " a\u{202f}b\tc ", "abc"),
            ("[remove_spaces]", "", ""),
        ] {
            assert_eq!(apply_all(&steps(chain), text).unwrap(), expected, "{chain} {text:?}");
        }
    }
}
