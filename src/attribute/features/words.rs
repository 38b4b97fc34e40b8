//! Words of the record's texts: their rarity, and the codes and numbers common to both sides.
//!
//! A rare word says more about the meaning of a text than a common one. The number of records with a word comes from
//! the training set and belongs to the model. A training record does not count itself, so that its features are those
//! of a fresh record.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ABSENT, flag};

/// Maximum number of remembered words; others are as rare as new ones.
const MOST: usize = 16_384;
/// Maximum length of a side's letters and digits in which codes are looked for.
const LONGEST: usize = 1_024;
/// A code has at least this many letters and digits.
const SHORTEST_CODE: usize = 3;

/// How many records of the training set have a word.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Words {
    records: u32,
    /// Hash of a word and how many records have it, if two or more do; ascending by hash.
    counts: Vec<(u64, u32)>,
}

impl Words {
    /// 1 for a word that no other record has, 0 for one that all have. `own` is 1 for a training record.
    fn weight(&self, word: u64, own: u32) -> f32 {
        let known = self.counts.binary_search_by_key(&word, |(word, _)| *word);
        let count = known.ok().and_then(|at| self.counts.get(at)).map_or(0, |(_, count)| *count);
        // A word of one other record is not remembered.
        let others = count.saturating_sub(own).max(1);
        let records = self.records.max(2) as f32;
        1.0 - (others as f32).ln().min(records.ln()) / records.ln()
    }
}

/// Counts the records that have a word.
#[derive(Clone, Debug, Default)]
pub(super) struct Counter {
    records: u32,
    counts: BTreeMap<u64, u32>,
}

impl Counter {
    /// Adds a record: the words of both sides, each once.
    pub(super) fn add(&mut self, words: &BTreeSet<u64>) {
        self.records += 1;
        for word in words {
            *self.counts.entry(*word).or_default() += 1;
        }
    }

    pub(super) fn finish(self) -> Words {
        let mut counts: Vec<_> = self.counts.into_iter().filter(|(_, count)| *count > 1).collect();
        counts.sort_by_key(|(word, count)| (std::cmp::Reverse(*count), *word));
        counts.truncate(MOST);
        counts.sort_unstable();
        Words { records: self.records, counts }
    }
}

/// Facts about the words of two texts, or of all texts of both sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct WordFacts {
    /// Weight of the words of both ÷ weight of the words of either.
    pub overlap: f32,
    /// Weight of the words of both ÷ weight of the words of A, and of B.
    pub shares: [f32; 2],
    /// The weight of the rarest word of both.
    pub rarest: f32,
    /// The weight of all words that only A has, and only B.
    pub alone: [f32; 2],
}

impl WordFacts {
    pub(super) const NONE: Self =
        Self { overlap: ABSENT, shares: [ABSENT; 2], rarest: ABSENT, alone: [ABSENT; 2] };

    /// Of words that are sorted and occur once in each.
    pub(super) fn of(known: &Words, own: u32, sides: [&[u64]; 2]) -> Self {
        if sides.iter().any(|side| side.is_empty()) {
            return Self::NONE;
        }
        let mut rarest = 0.0f32;
        let mut both = 0.0;
        let mut alone = [0.0; 2];
        for (side, words) in sides.into_iter().enumerate() {
            for word in words {
                let weight = known.weight(*word, own);
                if sides[1 - side].binary_search(word).is_err() {
                    alone[side] += weight;
                } else if side == 0 {
                    both += weight;
                    rarest = rarest.max(weight);
                }
            }
        }
        let share = |whole: f32| if whole > 0.0 { both / whole } else { 0.0 };
        Self {
            overlap: share(both + alone[0] + alone[1]),
            shares: alone.map(|alone| share(both + alone)),
            rarest,
            alone,
        }
    }

    /// The larger share: 1 if one side has all words of the other.
    pub(super) fn contained(&self) -> f32 {
        self.shares[0].max(self.shares[1])
    }
}

/// Facts about codes, which have digits, such as model numbers and references.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CodeFacts {
    /// The share of A's codes that B's texts have, and the other way around.
    pub found: [f32; 2],
    /// The length of the longest code that the other side's texts have.
    pub longest: f32,
    /// A code of A and one of B begin with the same letters, but neither is in the other side's texts.
    pub conflict: f32,
    /// Numbers in the texts of both ÷ numbers in the texts of either.
    pub numbers: f32,
}

impl CodeFacts {
    pub(super) const NONE: Self =
        Self { found: [ABSENT; 2], longest: ABSENT, conflict: ABSENT, numbers: ABSENT };

    pub(super) fn of(sides: &mut [Codes; 2]) -> Self {
        for side in sides.iter_mut() {
            side.tidy();
        }
        let [a, b] = &*sides;
        let missing = [a.missing_in(b), b.missing_in(a)];
        let share = |side: &Codes, missing: &[&str]| match side.codes.len() {
            0 => ABSENT,
            all => (all - missing.len()) as f32 / all as f32,
        };
        let length = |side: &Codes, missing: &[&str]| {
            let found = side.codes.iter().filter(|code| !missing.contains(&code.as_str()));
            found.map(String::len).max().unwrap_or(0)
        };
        let is_apart = missing[0].iter().any(|code| {
            let letters = leading_letters(code);
            !letters.is_empty() && missing[1].iter().any(|other| leading_letters(other) == letters)
        });
        let both = a.numbers.iter().filter(|number| b.numbers.contains(*number)).count();
        let either = a.numbers.len() + b.numbers.len() - both;
        Self {
            found: [share(a, &missing[0]), share(b, &missing[1])],
            longest: length(a, &missing[0]).max(length(b, &missing[1])) as f32,
            conflict: flag(is_apart),
            numbers: if either == 0 { ABSENT } else { both as f32 / either as f32 },
        }
    }
}

fn leading_letters(code: &str) -> &str {
    &code[..code.bytes().take_while(u8::is_ascii_alphabetic).count()]
}

/// The codes of a side's texts.
#[derive(Clone, Debug, Default)]
pub(super) struct Codes {
    codes: Vec<String>,
    numbers: Vec<String>,
    /// All ASCII letters and digits, lower-case, without anything in between.
    plain: String,
}

impl Codes {
    /// Reads a text: a code is letters and digits with hyphens, slashes, points or underscores between them.
    pub(super) fn read(&mut self, text: &str) {
        for part in text.split(|character: char| {
            !(character.is_ascii_alphanumeric() || matches!(character, '-' | '/' | '.' | '_'))
        }) {
            let code: String = part
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .map(|c| c.to_ascii_lowercase())
                .collect();
            if self.plain.len() + code.len() <= LONGEST {
                self.plain.push_str(&code);
            }
            let has_digit = code.bytes().any(|byte| byte.is_ascii_digit());
            if has_digit && code.len() >= SHORTEST_CODE {
                self.codes.push(code);
            }
        }
        // Texts of two fields must not make a code together.
        self.plain.push(' ');
        let numbers = text.split(|character: char| !character.is_ascii_digit());
        self.numbers.extend(
            numbers
                .filter(|digits| !digits.is_empty())
                .map(|digits| digits.trim_start_matches('0').to_owned()),
        );
    }

    fn tidy(&mut self) {
        for list in [&mut self.codes, &mut self.numbers] {
            list.sort_unstable();
            list.dedup();
        }
    }

    fn missing_in(&self, other: &Self) -> Vec<&str> {
        let codes = self.codes.iter().map(String::as_str);
        codes.filter(|code| !other.plain.contains(*code)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_words_weigh_more_and_a_training_record_does_not_count_itself() {
        let mut counter = Counter::default();
        for at in 0..100u64 {
            counter.add(&BTreeSet::from([1, 1_000 + at, 2_000 + at / 2]));
        }
        let words = counter.finish();
        assert_eq!(words.counts.len(), 51, "words of one record are not remembered");
        assert_eq!(
            (words.weight(1, 0), words.weight(7, 0), words.weight(1_000, 1)),
            (0.0, 1.0, 1.0)
        );
        // A word of two records is, to one of them, a word of one other.
        assert_eq!(words.weight(2_000, 1), 1.0);
        assert!(words.weight(2_000, 0) < 1.0);
        let facts = WordFacts::of(&words, 0, [&[1, 5], &[1, 5, 9]]);
        assert_eq!((facts.overlap, facts.shares, facts.rarest), (0.5, [1.0, 0.5], 1.0));
        assert_eq!((facts.alone, facts.contained()), ([0.0, 1.0], 1.0));
        assert_eq!(WordFacts::of(&words, 0, [&[], &[1]]), WordFacts::NONE);
    }

    #[test]
    fn codes_are_found_however_they_are_written() {
        let codes = |text: &str| {
            let mut codes = Codes::default();
            codes.read(text);
            codes
        };
        let of = |a: &str, b: &str| CodeFacts::of(&mut [codes(a), codes(b)]);
        let same = of("Camera DSC-90/B black", "camera dsc 90 b");
        assert_eq!((same.found, same.longest, same.conflict), ([1.0, ABSENT], 6.0, 0.0));
        let apart = of("Camera DSC-90 16 GB", "Camera DSC95, 16GB");
        assert_eq!((apart.found[0], apart.conflict, apart.numbers), (0.0, 1.0, 1.0 / 3.0));
        assert_eq!(of("Camera", "Camera").numbers, ABSENT);
    }
}
