//! A sample of a column's values, chosen by hash: both sides sample the same values, whatever their
//! size and order.

use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasher as _, Hash};

use foldhash::{fast, quality::FixedState};

/// Maximum number of values in a sketch.
const KEPT: usize = 4_096;

/// The values with the smallest hashes, with their counts.
#[derive(Clone, Debug, Default)]
pub struct Sketch {
    values: HashMap<u64, u64, fast::FixedState>,
    /// The hashes, the largest first.
    order: BinaryHeap<u64>,
    pub filled: u64,
    overflowed: bool,
}

/// The same number for the same value, in every run.
pub fn hash_of(value: impl Hash) -> u64 {
    // Without a seed of the process: sampling must not change between runs.
    FixedState::with_seed(0).hash_one(value)
}

impl Sketch {
    /// Adds a value that occurs `times`.
    pub fn add(&mut self, hash: u64, times: u64) {
        self.filled += times;
        // Most hashes of a large column end here.
        if self.values.len() == KEPT && self.order.peek().is_some_and(|largest| hash > *largest) {
            self.overflowed = true;
            return;
        }
        if let Some(count) = self.values.get_mut(&hash) {
            *count += times;
            return;
        }
        if self.values.len() == KEPT
            && let Some(largest) = self.order.pop()
        {
            self.values.remove(&largest);
            self.overflowed = true;
        }
        self.values.insert(hash, times);
        self.order.push(hash);
    }

    /// The share of distinct values: 1 if no value is repeated.
    pub fn uniqueness(&self) -> f64 {
        let all: u64 = self.values.values().sum();
        ratio(self.values.len() as u64, all)
    }

    /// How many distinct values are in the sketch.
    pub fn distinct(&self) -> usize {
        self.values.len()
    }

    /// The number of common values, and their share of the smaller side's values.
    pub fn overlap(&self, other: &Self) -> (u64, f64) {
        let limit = self.limit().min(other.limit());
        let within = |sketch: &Self| sketch.up_to(limit).count() as u64;
        let common = self.up_to(limit).filter(|hash| other.values.contains_key(hash));
        let common = common.count() as u64;
        (common, ratio(common, within(self).min(within(other))))
    }

    /// The share of all values that occur on both sides.
    pub fn likeness(&self, other: &Self) -> f64 {
        let limit = self.limit().min(other.limit());
        let within = |sketch: &Self| sketch.up_to(limit).count() as u64;
        let (common, _) = self.overlap(other);
        ratio(common, within(self) + within(other) - common)
    }

    /// All values up to this hash are included.
    fn limit(&self) -> u64 {
        match self.order.peek() {
            Some(largest) if self.overflowed => *largest,
            _ => u64::MAX,
        }
    }

    fn up_to(&self, limit: u64) -> impl Iterator<Item = &u64> {
        self.values.keys().filter(move |hash| **hash <= limit)
    }
}

/// `part` ÷ `whole`; 0 if `whole` is 0.
#[expect(clippy::cast_precision_loss, reason = "guesses need no exact shares")]
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
impl PartialEq for Sketch {
    fn eq(&self, other: &Self) -> bool {
        let of = |sketch: &Self| (sketch.values.clone(), sketch.filled, sketch.overflowed);
        of(self) == of(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_of_large_columns_does_not_depend_on_order() {
        let (mut a, mut b) = (Sketch::default(), Sketch::default());
        for value in 0..50_000u32 {
            a.add(hash_of(value), 1);
            b.add(hash_of(75_000 - 1 - value), 1);
        }
        let (common, share) = a.overlap(&b);
        assert!(common > 1_000);
        assert!((share - 0.5).abs() < 0.05, "{share}");
        assert!((a.uniqueness() - 1.0).abs() < f64::EPSILON);
        for value in 0..50_000u32 {
            a.add(hash_of(value), 1);
        }
        assert!((a.uniqueness() - 0.5).abs() < f64::EPSILON);
    }
}
