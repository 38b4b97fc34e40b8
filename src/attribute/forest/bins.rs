//! Features cut into bins, from which [`boost`](super::boost) finds splits.

use super::train::Labelled;

/// A bin's number is a byte.
const MAX_BINS: usize = 255;
/// With few rows, bins have this many rows each: finer ones cost time and teach nothing.
const ROWS_PER_BIN: usize = 16;
const MIN_BINS: usize = 32;

/// The bin of every value.
pub(super) struct Binned {
    /// Of each feature, the largest value of every bin but the last, ascending.
    cuts: Vec<Vec<f32>>,
    /// Column by column.
    bins: Vec<u8>,
    /// The most frequent bin of each feature.
    usual: Vec<u8>,
    rows: usize,
}

impl Binned {
    pub(super) fn new(data: &Labelled<'_>) -> Self {
        let rows = data.labels.len();
        let (mut cuts, mut usual) = (Vec::new(), Vec::new());
        let mut bins = Vec::with_capacity(data.rows.len());
        for feature in 0..data.features {
            let column = || data.rows.iter().skip(feature).step_by(data.features);
            let mut values: Vec<f32> = column().copied().collect();
            values.sort_unstable_by(f32::total_cmp);
            let cut = cut(&values, (rows / ROWS_PER_BIN).clamp(MIN_BINS, MAX_BINS));
            let start = bins.len();
            bins.extend(column().map(|value| cut.partition_point(|end| end < value) as u8));
            let mut seen = [0u32; MAX_BINS + 1];
            bins[start..].iter().for_each(|bin| seen[usize::from(*bin)] += 1);
            let most = (0..=cut.len()).max_by_key(|bin| seen[*bin]).unwrap_or(0);
            usual.push(most as u8);
            cuts.push(cut);
        }
        Self { cuts, bins, usual, rows }
    }

    /// The features that have more than one bin.
    pub(super) fn useful(&self) -> Vec<usize> {
        (0..self.cuts.len()).filter(|feature| !self.cuts[*feature].is_empty()).collect()
    }

    pub(super) fn column(&self, feature: usize) -> &[u8] {
        &self.bins[feature * self.rows..(feature + 1) * self.rows]
    }

    pub(super) fn count(&self, feature: usize) -> usize {
        self.cuts[feature].len() + 1
    }

    pub(super) fn usual(&self, feature: usize) -> u8 {
        self.usual[feature]
    }

    /// The largest value of a bin other than the last.
    pub(super) fn cut(&self, feature: usize, bin: usize) -> f32 {
        self.cuts[feature][bin]
    }

    /// The bin that ends with this cut.
    pub(super) fn bin_of_cut(&self, feature: usize, cut: f32) -> usize {
        self.cuts[feature].partition_point(|end| *end < cut)
    }
}

/// Cuts in the middle between neighboring values, so that bins have about as many rows each.
fn cut(sorted: &[f32], most: usize) -> Vec<f32> {
    let distinct = sorted.chunk_by(|a, b| a == b).count();
    let rows_per_bin = if distinct <= most { 0 } else { sorted.len() / most };
    let mut cuts = Vec::new();
    let mut rows = 0;
    let mut groups = sorted.chunk_by(|a, b| a == b).peekable();
    while let Some(group) = groups.next() {
        rows += group.len();
        let Some(next) = groups.peek() else { break };
        if rows > rows_per_bin && cuts.len() + 1 < most {
            let middle = f32::midpoint(group[0], next[0]);
            cuts.push(if middle < next[0] { middle } else { group[0] });
            rows = 0;
        }
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_separate_values_and_fit_a_byte() {
        let cut_all = |values: &[f32]| cut(values, MAX_BINS);
        assert_eq!(cut_all(&[1.0, 1.0, 1.0]), [0.0; 0]);
        assert_eq!(cut_all(&[0.0, 0.0, 1.0, 3.0]), [0.5, 2.0]);
        let many: Vec<f32> = (0..10_000u16).map(f32::from).collect();
        let cuts = cut_all(&many);
        assert!(cuts.len() < MAX_BINS && cuts.len() > 200, "{}", cuts.len());
        assert!(cuts.is_sorted_by(|a, b| a < b));
        // Neighboring floats have no middle between them.
        let (low, high) = (1.0f32, 1.0f32.next_up());
        assert_eq!(cut_all(&[low, high]), [low]);
        assert!(cut(&many, 40).len() < 40 && cut(&many, 40).len() > 30);
    }

    #[test]
    fn every_value_is_in_the_bin_of_its_cut() {
        let rows = [5.0, 1.0, 2.0, 1.0, 9.0, 1.0];
        let data =
            Labelled { rows: &rows, features: 2, labels: &[0, 1, 0], classes: 2, weights: &[] };
        let binned = Binned::new(&data);
        assert_eq!(binned.column(0), [1, 0, 2]);
        assert_eq!((binned.count(0), binned.count(1), binned.useful()), (3, 1, vec![0]));
        assert_eq!(binned.bin_of_cut(0, binned.cut(0, 1)), 1);
    }
}
