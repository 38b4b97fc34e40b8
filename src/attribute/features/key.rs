//! The structure of a record's key.
//!
//! Of a missing record the key is often the best clue: systems, feeds and people number what they book in ways of their
//! own. Keys themselves are not features, since none comes twice.

use std::fmt::Write as _;

use super::encode::id;
use super::{ABSENT, flag};
use crate::domain::{Cells, DifferenceContext};

/// Maximum length of a pattern, in characters.
const LONGEST: usize = 40;

#[derive(Default)]
pub(super) struct KeyFacts {
    pub length: f32,
    pub length_gap: f32,
    pub digit_share: f32,
    pub lower_case: f32,
    pub leading_zero: f32,
    pub punctuation: f32,
    pub pattern: f32,
    pub prefix: f32,
}

impl KeyFacts {
    pub(super) fn of(text: &str, mean_length: f32) -> Self {
        let length = text.chars().count() as f32;
        let digits = text.bytes().filter(u8::is_ascii_digit).count() as f32;
        let named = |name: &str| if name.is_empty() { ABSENT } else { id(name) };
        Self {
            length,
            length_gap: length - mean_length,
            digit_share: digits / length.max(1.0),
            lower_case: flag(text.chars().any(char::is_lowercase)),
            leading_zero: flag(text.starts_with('0')),
            punctuation: flag(text.chars().any(|character| !character.is_alphanumeric())),
            pattern: named(&pattern(text)),
            prefix: named(prefix(text)),
        }
    }
}

/// Writes the cells of a difference's key, side A's, else B's, one after the other.
pub(super) fn write(difference: &DifferenceContext<'_>, text: &mut String) {
    text.clear();
    let cells: Option<Cells<'_>> = difference.a.or(difference.b);
    for cell in cells.into_iter().flat_map(|cells| cells.take(difference.layout.key_len())) {
        let _ = write!(text, "{}", cell.decode(&mut [0; 36]));
    }
}

/// Which places have digits, which letters: `TRD-0042` is `AAA-9999`.
pub(super) fn pattern(text: &str) -> String {
    let class = |character: char| match character {
        _ if character.is_numeric() => '9',
        _ if character.is_lowercase() => 'a',
        _ if character.is_alphabetic() => 'A',
        other => other,
    };
    text.chars().take(LONGEST).map(class).collect()
}

/// The letters that the key begins with.
pub(super) fn prefix(text: &str) -> &str {
    let end = text.find(|character: char| !character.is_alphabetic()).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_one_system_have_one_pattern() {
        assert_eq!(pattern("TRD-0042"), "AAA-9999");
        assert_eq!(pattern("TRD-0042"), pattern("FEE-1999"));
        assert_ne!(pattern("TRD-0042"), pattern("TRD-00-42"));
        assert_eq!(pattern("ab Ü٣"), "aa A9");
        assert_eq!(pattern(&"7".repeat(100)).len(), LONGEST);
        assert_eq!(
            (prefix("TRD-0042"), prefix("0042"), prefix("ÄB"), prefix("")),
            ("TRD", "", "ÄB", "")
        );
        let (trade, fee) = (KeyFacts::of("TRD-0042", 8.0), KeyFacts::of("FEE-1999", 8.0));
        assert!(trade.pattern == fee.pattern && trade.prefix != fee.prefix);
        assert_eq!(
            (KeyFacts::of("", 8.0).pattern, KeyFacts::of("12", 8.0).prefix),
            (ABSENT, ABSENT)
        );
    }
}
