//! Sets of small numbers, such as those of a run's records: a bit for each.

use std::sync::Arc;

/// Some numbers. A copy is the same memory until one of them is changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Bits(Arc<Vec<u64>>);

impl Bits {
    pub fn has(&self, number: i64) -> bool {
        let (word, bit) = place(number);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Calls `each` with all numbers, in order, if they are no more than `most`.
    pub fn each_of_few(&self, most: usize, mut each: impl FnMut(i64)) -> Option<()> {
        let count: usize = self.0.iter().map(|word| word.count_ones() as usize).sum();
        if count > most {
            return None;
        }
        self.each(&mut each);
        Some(())
    }

    /// Calls `each` with all numbers, in order.
    pub fn each(&self, mut each: impl FnMut(i64)) {
        for (at, word) in (0..).zip(self.0.iter()).filter(|(_, word)| **word != 0) {
            (0..64).filter(|bit| word & (1 << bit) != 0).for_each(|bit| each(64 * at + bit));
        }
    }

    pub fn add_all(&mut self, other: &Self) {
        if self.0.is_empty() {
            self.0 = Arc::clone(&other.0);
            return;
        }
        let words = Arc::make_mut(&mut self.0);
        words.resize(words.len().max(other.0.len()), 0);
        words.iter_mut().zip(other.0.iter()).for_each(|(word, more)| *word |= more);
    }

    pub fn add(&mut self, number: i64) {
        let (word, bit) = place(number);
        let words = Arc::make_mut(&mut self.0);
        if words.len() <= word {
            words.resize(word + 1, 0);
        }
        if let Some(found) = words.get_mut(word) {
            *found |= bit;
        }
    }
}

impl FromIterator<i64> for Bits {
    fn from_iter<I: IntoIterator<Item = i64>>(numbers: I) -> Self {
        let mut bits = Self::default();
        numbers.into_iter().for_each(|number| bits.add(number));
        bits
    }
}

#[expect(clippy::cast_possible_truncation, reason = "numbers of records and kinds are below 2^32")]
const fn place(number: i64) -> (usize, u64) {
    (number.cast_unsigned() as usize / 64, 1 << (number % 64))
}
