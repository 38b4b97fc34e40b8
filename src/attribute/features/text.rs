//! Facts about two texts.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::{ABSENT, flag};
use crate::domain::words::jaro_winkler;

/// Only this many characters are compared: edit distance costs the product of the lengths.
const LONGEST: usize = 256;
/// Field lengths at which systems commonly truncate.
const LIMITS: &[usize] = &[
    8, 10, 12, 15, 16, 20, 24, 25, 30, 32, 34, 35, 40, 50, 60, 64, 70, 80, 100, 128, 140, 255, 256,
];

/// Facts about two texts; if a side has none, flags are 0 and the rest [`ABSENT`].
#[derive(Clone, Copy, Debug)]
pub(super) struct TextFacts {
    pub similarity: f32,
    pub edits: f32,
    pub edit_share: f32,
    pub prefix: f32,
    pub suffix: f32,
    pub substring: f32,
    pub same_tokens: f32,
    pub token_overlap: f32,
    pub case_only: f32,
    pub punctuation_only: f32,
    pub accents_only: f32,
    pub spaces_only: f32,
    pub same_digits: f32,
    pub transposed: f32,
    pub at_limit: f32,
    pub shorter_length: f32,
    pub length_gap: f32,
    pub empty_side: f32,
    pub digit_share: f32,
    pub common_prefix: f32,
}

impl TextFacts {
    pub(super) const NONE: Self = Self {
        similarity: ABSENT,
        edits: ABSENT,
        edit_share: ABSENT,
        prefix: 0.0,
        suffix: 0.0,
        substring: 0.0,
        same_tokens: 0.0,
        token_overlap: ABSENT,
        case_only: 0.0,
        punctuation_only: 0.0,
        accents_only: 0.0,
        spaces_only: 0.0,
        same_digits: 0.0,
        transposed: 0.0,
        at_limit: 0.0,
        shorter_length: ABSENT,
        length_gap: ABSENT,
        empty_side: 0.0,
        digit_share: ABSENT,
        common_prefix: ABSENT,
    };

    /// `longest` is the longest text of this field in the training set, in characters: a shorter
    /// side of that length may have been truncated.
    pub(super) fn of(a: &str, b: &str, longest: usize) -> Self {
        let (a, b) = (clipped(a), clipped(b));
        let (length_a, length_b) = (a.chars().count(), b.chars().count());
        let (shorter, longer) = if length_a <= length_b { (a, b) } else { (b, a) };
        let (short, long) = (length_a.min(length_b), length_a.max(length_b));
        let edits = rapidfuzz::distance::levenshtein::distance(a.chars(), b.chars());
        let inside = !shorter.is_empty() && short < long;
        let prefix = inside && longer.starts_with(shorter);
        let digits = shorter.bytes().filter(u8::is_ascii_digit).count();
        Self {
            similarity: jaro_winkler(a, b) as f32,
            edits: edits as f32,
            edit_share: if long == 0 { 0.0 } else { edits as f32 / long as f32 },
            prefix: flag(prefix),
            suffix: flag(inside && longer.ends_with(shorter)),
            substring: flag(inside && longer.contains(shorter)),
            same_tokens: flag(a != b && overlap(a, b) == 1.0),
            token_overlap: overlap(a, b),
            case_only: flag(case_only(a, b)),
            punctuation_only: flag(punctuation_only(a, b)),
            accents_only: flag(accents_only(a, b)),
            spaces_only: flag(spaces_only(a, b)),
            same_digits: flag(
                digits > 0
                    && a.bytes()
                        .filter(u8::is_ascii_digit)
                        .eq(b.bytes().filter(u8::is_ascii_digit)),
            ),
            transposed: flag(transposed(a, b)),
            at_limit: flag(prefix && (short == longest || LIMITS.contains(&short))),
            shorter_length: short as f32,
            length_gap: length_b as f32 - length_a as f32,
            empty_side: flag(short == 0),
            digit_share: if short == 0 { 0.0 } else { digits as f32 / short as f32 },
            common_prefix: a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count() as f32,
        }
    }
}

pub(super) fn clipped(text: &str) -> &str {
    text.char_indices().nth(LONGEST).map_or(text, |(end, _)| &text[..end])
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || is_combining_mark(character)
}

pub(in crate::attribute) fn case_only(a: &str, b: &str) -> bool {
    a != b && a.chars().flat_map(char::to_lowercase).eq(b.chars().flat_map(char::to_lowercase))
}

/// Whether only characters other than letters, digits and spaces differ.
pub(in crate::attribute) fn punctuation_only(a: &str, b: &str) -> bool {
    let kept = |character: &char| is_word(*character) || character.is_whitespace();
    a != b && !spaces_only(a, b) && a.chars().filter(kept).eq(b.chars().filter(kept))
}

pub(in crate::attribute) fn spaces_only(a: &str, b: &str) -> bool {
    let kept = |character: &char| !character.is_whitespace();
    a != b && a.chars().filter(kept).eq(b.chars().filter(kept))
}

pub(in crate::attribute) fn accents_only(a: &str, b: &str) -> bool {
    let bare = |character: &char| !is_combining_mark(*character);
    !(a.is_ascii() && b.is_ascii()) && a != b && a.nfd().filter(bare).eq(b.nfd().filter(bare))
}

/// Whether two neighboring characters are swapped.
pub(in crate::attribute) fn transposed(a: &str, b: &str) -> bool {
    let start = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let (Some(a), Some(b)) = (a.get(start..), b.get(start..)) else { return false };
    let (mut rest_a, mut rest_b) = (a.chars(), b.chars());
    let pair_a = (rest_a.next(), rest_a.next());
    let pair_b = (rest_b.next(), rest_b.next());
    pair_a.1.is_some() && pair_a == (pair_b.1, pair_b.0) && rest_a.as_str() == rest_b.as_str()
}

/// The words (in any order and case) that both have, as a share of the words of either.
pub(super) fn overlap(a: &str, b: &str) -> f32 {
    fn words(text: &str) -> impl Iterator<Item = &str> + Clone {
        text.split(|character: char| !is_word(character)).filter(|word| !word.is_empty()).take(32)
    }
    let same = |left: &str, right: &str| {
        left.chars().flat_map(char::to_lowercase).eq(right.chars().flat_map(char::to_lowercase))
    };
    let has = |text, word: &str| words(text).any(|other| same(word, other));
    let shared = words(a).filter(|word| has(b, word)).count();
    let only_b = words(b).filter(|word| !has(a, word)).count();
    let either = words(a).count() + only_b;
    if either == 0 { 0.0 } else { shared as f32 / either as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn kinds_of_text_differences_are_recognized() {
        assert!(case_only("Acme AG", "ACME ag"));
        assert!(punctuation_only("Acme, Inc.", "Acme Inc"));
        assert!(accents_only("Zürich", "Zurich"));
        assert!(spaces_only("AB 12", "AB12") && !punctuation_only("AB 12", "AB12"));
        assert!(
            transposed("Zürich", "Züirch") && !transposed("abc", "acd") && !transposed("a", "b")
        );
        let cut = TextFacts::of("Deutsche B", "Deutsche Bank AG", 99);
        assert_eq!((cut.prefix, cut.at_limit, cut.suffix), (1.0, 1.0, 0.0));
        assert_eq!(TextFacts::of("Deutsche Ba", "Deutsche Bank AG", 11).at_limit, 1.0);
        assert_eq!(TextFacts::of("Deutsche Ba", "Deutsche Bank AG", 12).at_limit, 0.0);
        assert_eq!(TextFacts::of("Smith John", "john SMITH", 0).same_tokens, 1.0);
        assert_eq!(TextFacts::of("", "x", 0).empty_side, 1.0);
        assert_eq!(TextFacts::of("kitten", "sitting", 0).edits, 3.0);
    }

    proptest! {
        #[test]
        fn any_two_texts_give_finite_mirrored_facts(a in ".{0,40}", b in ".{0,40}") {
            let (ab, ba) = (TextFacts::of(&a, &b, 20), TextFacts::of(&b, &a, 20));
            prop_assert!(ab.similarity.is_finite() && ab.token_overlap.is_finite());
            prop_assert_eq!((ab.edits, ab.prefix, ab.case_only), (ba.edits, ba.prefix, ba.case_only));
            prop_assert_eq!(ab.transposed, ba.transposed);
            prop_assert_eq!(ab.length_gap, -ba.length_gap);
        }
    }
}
