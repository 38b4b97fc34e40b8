//! Minimum content of comments: white space, invisible characters and combining marks without a
//! letter do not count.

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory as _};

/// Minimum number of visible characters of a required comment.
pub const LEAST: usize = 5;

/// The longest comment, in characters.
pub const MOST: usize = 2_000;

/// The number of visible characters.
pub fn visible(text: &str) -> usize {
    text.chars()
        .filter(|character| {
            let seen = matches!(
                character.general_category_group(),
                GeneralCategoryGroup::Letter
                    | GeneralCategoryGroup::Number
                    | GeneralCategoryGroup::Punctuation
                    | GeneralCategoryGroup::Symbol
            );
            // Letters and symbols that are invisible: Hangul fillers, the blank Braille pattern.
            seen && !matches!(
                character,
                '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{2800}'
            )
        })
        .count()
}

/// True if the comment is long enough where one is required.
pub fn says_something(text: &str) -> bool {
    visible(text) >= LEAST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_no_comment() {
        for nothing in [
            "",
            "     ",
            "\u{a0}\u{a0}\u{a0}\u{a0}\u{a0}",
            "\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}",
            "\u{301}\u{301}\u{301}\u{301}\u{301}",
            "\u{2800}\u{2800}\u{2800}\u{2800}\u{2800}\u{3164}",
            "a\u{200d}b c\td",
            "\u{feff}abcd\u{2060}",
        ] {
            assert!(!says_something(nothing), "{nothing:?}");
        }
        for something in ["agreed", "Zürich", "四舍五入差", "12.50", "ok: x."] {
            assert!(says_something(something), "{something:?}");
        }
    }
}
