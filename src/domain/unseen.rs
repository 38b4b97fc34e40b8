//! Characters that a reader does not see, or sees as something else, made visible.
//!
//! For text shown to users, and for data in comments of generated files. CSV, JSON and the store keep every byte.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

/// External text on one line: controls, direction marks, zero-width characters and unusual spaces
/// become escapes such as `\u{200b}`, so that data can't move the cursor, forge a line or hide part
/// of one.
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |_, character| is_unseen(character))
}

/// Whether the character is invisible or looks like a plain space.
pub fn is_unseen(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    matches!(character, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{34f}' | '\u{fffd}')
        || matches!(
            character.general_category(),
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::PrivateUse
                | GeneralCategory::Unassigned
                | GeneralCategory::Surrogate
                | GeneralCategory::SpaceSeparator
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
        )
}

/// The text with escapes for the characters that are odd at their byte.
pub fn escaped(text: &str, is_odd: impl Fn(usize, char) -> bool) -> Cow<'_, str> {
    if !text.char_indices().any(|(at, character)| is_odd(at, character)) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for (at, character) in text.char_indices() {
        match character {
            plain if !is_odd(at, plain) => shown.push(plain),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            odd => {
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(odd));
            }
        }
    }
    Cow::Owned(shown)
}

/// The text in double quotes, as scripts and YAML read it: whatever a reader does not see is an escape of four or
/// eight digits.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        // Writing into a String can't fail.
        let _ = match (character, u32::from(character)) {
            ('"' | '\\', _) => write!(quoted, "\\{character}"),
            ('\n', _) => write!(quoted, "\\n"),
            ('\r', _) => write!(quoted, "\\r"),
            ('\t', _) => write!(quoted, "\\t"),
            (odd, code @ ..=0xffff) if is_unseen(odd) => write!(quoted, "\\u{code:04X}"),
            (odd, code) if is_unseen(odd) => write!(quoted, "\\U{code:08X}"),
            (plain, _) => write!(quoted, "{plain}"),
        };
    }
    quoted + "\""
}
