//! Steps that keep or remove kinds of characters.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

use super::step::Flow;

/// Whether this is punctuation in the Unicode sense (general category P: `.`, `-`, `&`, `/`; but
/// not `+`, `$` or `|`, which are symbols).
pub(super) fn is_punctuation(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_punctuation()
            && !matches!(character, '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~');
    }
    character.general_category_group() == GeneralCategoryGroup::Punctuation
}

fn is_digit(character: char) -> bool {
    character.is_ascii_digit()
        || (!character.is_ascii() && character.general_category() == GeneralCategory::DecimalNumber)
}

pub(super) fn strip_punctuation<'a>(text: &'a str, out: &mut String) -> Flow<'a> {
    keep(text, out, |character| !is_punctuation(character))
}

pub(super) fn digits_only<'a>(text: &'a str, out: &mut String) -> Flow<'a> {
    keep(text, out, is_digit)
}

pub(super) fn letters_only<'a>(text: &'a str, out: &mut String) -> Flow<'a> {
    keep_letters(text, out, char::is_alphabetic)
}

pub(super) fn alphanumeric_only<'a>(text: &'a str, out: &mut String) -> Flow<'a> {
    keep_letters(text, out, char::is_alphanumeric)
}

/// Whether this is a combining mark of the letter before it.
pub(super) fn is_mark(character: char) -> bool {
    !character.is_ascii() && is_combining_mark(character)
}

/// The letters that `keeps` keeps, with their marks, composed: one letter is one, however it was typed.
fn keep_letters<'a>(text: &'a str, out: &mut String, keeps: impl Fn(char) -> bool) -> Flow<'a> {
    if text.is_ascii() {
        return keep(text, out, keeps);
    }
    out.extend(with_marks(text.chars(), keeps).nfc());
    Flow::Written
}

/// The characters that `keeps` keeps, each with the marks that follow it.
pub(super) fn with_marks(
    characters: impl Iterator<Item = char>,
    keeps: impl Fn(char) -> bool,
) -> impl Iterator<Item = char> {
    let mut is_kept = false;
    characters.filter(move |character| {
        if !is_mark(*character) {
            is_kept = keeps(*character);
        }
        is_kept
    })
}

pub(super) fn strip_invisible<'a>(text: &'a str, out: &mut String) -> Flow<'a> {
    keep(text, out, |character| !is_invisible(character))
}

/// Whether a character is invisible: controls and format characters, except tab and line breaks,
/// which are spaces, and the visible signs of the Arabic and Kaithi scripts.
fn is_invisible(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' | ' '..='~' => false,
        '\u{600}'..='\u{605}'
        | '\u{6dd}'
        | '\u{70f}'
        | '\u{890}'
        | '\u{891}'
        | '\u{8e2}'
        | '\u{110bd}'
        | '\u{110cd}' => false,
        '\u{34f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => true,
        other => {
            matches!(other.general_category(), GeneralCategory::Control | GeneralCategory::Format)
        }
    }
}

/// The characters that `keeps` keeps; no buffer is touched if those are all.
fn keep<'a>(text: &'a str, out: &mut String, keeps: impl Fn(char) -> bool) -> Flow<'a> {
    let Some((at, _)) = text.char_indices().find(|(_, character)| !keeps(*character)) else {
        return Flow::Part(text);
    };
    let (kept, rest) = text.split_at(at);
    out.push_str(kept);
    out.extend(rest.chars().filter(|character| keeps(*character)));
    Flow::Written
}

#[cfg(test)]
mod tests {
    use super::super::step::{apply_all, steps};
    use super::*;

    #[test]
    fn kinds_are_those_of_unicode() {
        for (chain, text, expected) in [
            ("[strip_punctuation]", "a.b-c—d«e»_+$", "abcde+$"),
            ("[strip_punctuation]", "..", ""),
            ("[digits_only]", "a1½²٣-4", "1٣4"),
            ("[letters_only]", "Åb-1中", "Åb中"),
            ("[alphanumeric_only]", "a b/1", "ab1"),
            ("[alphanumeric_only]", "ab1", "ab1"),
            ("[alphanumeric_only]", "Cafe\u{301} .\u{301}1", "Café1"),
            ("[letters_only]", "e\u{301}1\u{301}क्षि", "éक्षि"),
            ("[strip_punctuation]", "e\u{301}.", "e\u{301}"),
            ("[strip_invisible]", "\u{feff}A\u{200b}C\u{ad}M\u{200e}E\u{a0}1\t", "ACME\u{a0}1\t"),
            ("[strip_invisible]", "e\u{301}", "e\u{301}"),
        ] {
            assert_eq!(apply_all(&steps(chain), text).unwrap(), expected, "{chain} {text:?}");
        }
    }

    #[test]
    fn the_short_way_for_ascii_agrees_with_the_tables() {
        for byte in 0..128u8 {
            let character = char::from(byte);
            let group = character.general_category_group();
            assert_eq!(is_punctuation(character), group == GeneralCategoryGroup::Punctuation);
        }
    }
}
