//! The sums of a node's rows by feature and bin, on which [`boost`](super::boost) searches splits.
//!
//! A small node has rows in few bins, so only filled bins are visited. The others are exactly 0, so that
//! the sums, and with them the trees, are the same as if every bin were added.

use super::bins::Binned;

/// The smallest gain of a split.
const LEAST_GAIN: f32 = 1e-6;
/// Words of a set of bins, with a bit for each.
const WORDS: usize = 4;

/// A loop without an iterator: those are not inlined in the profile of the tests, where they would take three
/// quarters of the time to train.
macro_rules! counted {
    ($at:ident < $count:expr, $body:expr) => {
        let mut $at = 0;
        while $at < $count {
            $body;
            $at += 1;
        }
    };
}

/// Sums over rows: gradients of `S` classes or projections, and their curvature, of each class or in all.
#[derive(Clone, Copy)]
pub(super) struct Sums<const S: usize, const H: usize> {
    pub(super) slopes: [f32; S],
    pub(super) curvatures: [f32; H],
    pub(super) rows: f32,
}

impl<const S: usize, const H: usize> Sums<S, H> {
    pub(super) const NONE: Self = Self { slopes: [0.0; S], curvatures: [0.0; H], rows: 0.0 };

    #[inline(always)]
    fn add(&mut self, other: &Self) {
        counted!(at < S, self.slopes[at] += other.slopes[at]);
        counted!(at < H, self.curvatures[at] += other.curvatures[at]);
        self.rows += other.rows;
    }

    #[inline(always)]
    pub(super) fn subtract(&mut self, other: &Self) {
        counted!(at < S, self.slopes[at] -= other.slopes[at]);
        counted!(at < H, self.curvatures[at] -= other.curvatures[at]);
        self.rows -= other.rows;
    }

    pub(super) fn of<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut total = Self::NONE;
        all.into_iter().for_each(|sums| total.add(sums));
        total
    }

    /// Loss reduction of a Newton step.
    #[inline(always)]
    fn score(&self, ridge: f32) -> f32 {
        let mut score = 0.0;
        if H == 1 {
            counted!(at < S, score += self.slopes[at] * self.slopes[at]);
            return score / (positive(self.curvatures[0]) + ridge);
        }
        // Divided before they are added, so that several divisions are one instruction.
        let mut parts = self.slopes;
        counted!(at < H, {
            parts[at] = parts[at] * parts[at] / (positive(self.curvatures[at]) + ridge);
        });
        counted!(at < H, score += parts[at]);
        score
    }
}

#[inline(always)]
fn positive(number: f32) -> f32 {
    if number > 0.0 { number } else { 0.0 }
}

/// The features that a tree may split on, and where each one's bins begin.
pub(super) struct Columns {
    features: Vec<usize>,
    starts: Vec<usize>,
}

impl Columns {
    pub(super) fn new(features: Vec<usize>, binned: &Binned) -> Self {
        let mut starts = vec![0];
        for feature in &features {
            starts.push(starts.last().unwrap_or(&0) + binned.count(*feature));
        }
        Self { features, starts }
    }

    /// Each feature with where its bins begin.
    fn iter(&self) -> impl Iterator<Item = (usize, usize)> {
        self.features.iter().copied().zip(self.starts.iter().copied())
    }
}

/// A split of a node.
pub(super) struct Split {
    pub(super) gain: f32,
    pub(super) feature: usize,
    pub(super) bin: usize,
}

/// A set of a feature's bins.
#[derive(Clone, Copy, Default)]
struct Bins([u64; WORDS]);

impl Bins {
    fn insert(&mut self, bin: u8) {
        self.0[usize::from(bin / 64)] |= 1 << (bin % 64);
    }

    /// The bins, ascending.
    const fn iter(&self) -> Remaining {
        Remaining(self.0)
    }
}

/// Bins that were not visited yet.
struct Remaining([u64; WORDS]);

impl Iterator for Remaining {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        counted!(at < WORDS, {
            let word = self.0[at];
            if word != 0 {
                self.0[at] = word & (word - 1);
                return Some(at * 64 + word.trailing_zeros() as usize);
            }
        });
        None
    }
}

/// The sums of every bin of a tree's features.
#[derive(Default)]
pub(super) struct Histogram<const S: usize, const H: usize> {
    /// 0 except in filled bins.
    sums: Vec<Sums<S, H>>,
    /// The filled bins of each feature. After a subtraction they may be empty, but for what rounding left.
    filled: Vec<Bins>,
}

impl<const S: usize, const H: usize> Histogram<S, H> {
    /// Adds up a node's rows, with their sums in `gathered`. The histogram must be empty.
    pub(super) fn fill(
        &mut self,
        columns: &Columns,
        binned: &Binned,
        rows: &[u32],
        gathered: &[Sums<S, H>],
        total: &Sums<S, H>,
    ) {
        let bins = columns.starts.last().copied().unwrap_or(0);
        self.sums.resize(bins.max(self.sums.len()), Sums::NONE);
        self.filled.resize(columns.features.len(), Bins::default());
        for ((feature, start), filled) in columns.iter().zip(&mut self.filled) {
            let column = binned.column(feature);
            let usual = binned.usual(feature);
            let sums = &mut self.sums[start..start + binned.count(feature)];
            for (row, added) in rows.iter().zip(gathered) {
                let bin = column[*row as usize];
                // Most values of most features are in one bin, which gets the rest of the sums.
                if bin != usual {
                    filled.insert(bin);
                    sums[usize::from(bin)].add(added);
                }
            }
            let mut rest = *total;
            filled.iter().for_each(|bin| rest.subtract(&sums[bin]));
            sums[usize::from(usual)] = rest;
            filled.insert(usual);
        }
    }

    /// Takes away the sums of a node's child, which leaves those of the other.
    pub(super) fn subtract(&mut self, columns: &Columns, child: &Self) {
        for ((_, start), filled) in columns.iter().zip(&child.filled) {
            for bin in filled.iter() {
                self.sums[start + bin].subtract(&child.sums[start + bin]);
            }
        }
    }

    /// Makes it empty.
    pub(super) fn clear(&mut self, columns: &Columns) {
        for ((_, start), filled) in columns.iter().zip(&self.filled) {
            filled.iter().for_each(|bin| self.sums[start + bin] = Sums::NONE);
        }
        self.filled.clear();
    }

    /// The split that gains most and leaves `least` rows on both sides.
    pub(super) fn best(
        &self,
        columns: &Columns,
        total: &Sums<S, H>,
        least: f32,
        ridge: f32,
    ) -> Option<Split> {
        let whole = total.score(ridge);
        let mut best: Option<Split> = None;
        let mut most = LEAST_GAIN;
        for ((feature, start), filled) in columns.iter().zip(&self.filled) {
            let mut left = Sums::NONE;
            for bin in filled.iter() {
                let sums = &self.sums[start + bin];
                left.add(sums);
                // Nor is the last bin a split, which leaves nothing.
                if total.rows - left.rows < least {
                    break;
                }
                // Sums of empty bins are not exactly 0.
                if sums.rows < 0.5 || left.rows < least {
                    continue;
                }
                let mut right = *total;
                right.subtract(&left);
                let gain = left.score(ridge) + right.score(ridge) - whole;
                if gain > most {
                    most = gain;
                    best = Some(Split { gain, feature, bin });
                }
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::super::train::Labelled;
    use super::*;

    #[test]
    fn bins_are_visited_in_order() {
        let mut bins = Bins::default();
        [200, 0, 64, 63, 254, 64].into_iter().for_each(|bin| bins.insert(bin));
        assert_eq!(bins.iter().collect::<Vec<_>>(), [0, 63, 64, 200, 254]);
    }

    /// Sums of one class.
    fn sums(slope: f32) -> Sums<1, 1> {
        Sums { slopes: [slope], curvatures: [1.0], rows: 1.0 }
    }

    #[test]
    fn a_histogram_less_a_childs_is_the_other_childs_and_one_can_be_used_again() {
        let rows: Vec<f32> = (0..40u8).flat_map(|at| [f32::from(at % 7), f32::from(at)]).collect();
        let data =
            Labelled { rows: &rows, features: 2, labels: &[0; 40], classes: 1, weights: &[] };
        let binned = Binned::new(&data);
        let columns = Columns::new(binned.useful(), &binned);
        // Whole numbers, so that sums are exact in any order.
        let all: Vec<Sums<1, 1>> = (0..40u8).map(|at| sums(f32::from(at) - 12.0)).collect();
        let fill = |histogram: &mut Histogram<1, 1>, rows: std::ops::Range<u32>| {
            let part = &all[rows.start as usize..rows.end as usize];
            let total = Sums::of(part);
            histogram.fill(&columns, &binned, &rows.collect::<Vec<_>>(), part, &total);
            total
        };
        let slopes = |histogram: &Histogram<1, 1>| -> Vec<[f32; 2]> {
            histogram.sums.iter().map(|sums| [sums.slopes[0], sums.rows]).collect()
        };
        let (mut whole, mut small, mut other) =
            (Histogram::default(), Histogram::default(), Histogram::default());
        fill(&mut whole, 0..40);
        let of_whole = slopes(&whole);
        fill(&mut small, 0..9);
        let total = fill(&mut other, 9..40);
        whole.subtract(&columns, &small);
        assert_eq!(slopes(&whole), slopes(&other));
        let split = |histogram: &Histogram<1, 1>| {
            histogram.best(&columns, &total, 5.0, 1.0).map(|split| (split.feature, split.bin))
        };
        // The second feature has the row's number.
        assert_eq!(split(&whole).map(|(feature, _)| feature), Some(1));
        assert_eq!(split(&whole), split(&other));
        assert!(other.best(&columns, &total, 16.0, 1.0).is_none());
        small.clear(&columns);
        fill(&mut small, 0..40);
        assert_eq!(slopes(&small), of_whole);
    }
}
