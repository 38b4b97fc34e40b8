//! Explains the forest's output: each feature's contribution to a probability.
//!
//! On the way from a tree's root to a leaf, the share of a class changes at every node, and the
//! change belongs to the feature that the node splits on. Root plus changes is exactly the leaf;
//! averaged over the trees, base rate plus contributions is the forest's probability. (Saabas,
//! "Interpreting random forests", 2014; Palczewska et al., "Interpreting random forest
//! classification models using a feature contribution method", arXiv:1312.1121.)
//!
//! In boosted trees the changes are of margins, which add up, while probabilities do not. A feature's
//! contribution is its change of the margins times the slope of the probability, averaged along the
//! straight line from the base rate to the prediction, so that the sum is exact again (Sundararajan, Taly
//! and Yan, "Axiomatic attribution for deep networks", ICML 2017).

use super::{Forest, LINE, Line};

/// Contributions to one class's probability.
#[derive(Clone, Debug, PartialEq)]
pub struct Contributions {
    /// The base rate: the mean share of the class at the roots.
    pub base: f64,
    /// Each feature's contribution, in row order.
    pub features: Vec<f64>,
}

impl Contributions {
    /// Base plus contributions: the forest's probability.
    pub fn sum(&self) -> f64 {
        self.base + self.features.iter().sum::<f64>()
    }
}

impl Forest {
    /// The contribution of each feature of `row` to the probability of `class`. The sum equals
    /// [`predict`](Self::predict), except for rounding.
    pub fn contributions(&self, row: &[f32], class: usize) -> Contributions {
        match &self.base {
            None => self.shares(row, class),
            Some(base) => self.margins(row, class, base),
        }
    }

    /// Calls `moved` with the feature of every step of the row's paths and the numbers before and after
    /// it, and `root` with the numbers of every root.
    fn walk<'a>(
        &'a self,
        row: &[f32],
        mut root: impl FnMut(&'a [Line]),
        mut moved: impl FnMut(usize, &'a [Line], &'a [Line]),
    ) {
        for tree in &self.trees {
            let mut at = 0;
            root(self.value(tree, at));
            while !tree.nodes[at].is_leaf(at) {
                let node = tree.nodes[at];
                let feature = usize::from(node.feature);
                let next = usize::from(node.left) + usize::from(row[feature] > node.threshold);
                moved(feature, self.value(tree, at), self.value(tree, next));
                at = next;
            }
        }
    }

    fn shares(&self, row: &[f32], class: usize) -> Contributions {
        let share = |lines: &[Line]| f64::from(lines[class / LINE].0[class % LINE]);
        let mut base = 0.0;
        let mut features = vec![0.0; self.features];
        self.walk(
            row,
            |lines| base += share(lines),
            |feature, before, after| features[feature] += share(after) - share(before),
        );
        let trees = self.trees.len() as f64;
        features.iter_mut().for_each(|feature| *feature /= trees);
        Contributions { base: base / trees, features }
    }

    fn margins(&self, row: &[f32], class: usize, base: &[f32]) -> Contributions {
        let classes = self.classes;
        let mut start: Vec<f64> = base.iter().map(|base| f64::from(*base)).collect();
        let mut moves = vec![0.0; self.features * classes];
        let of = |lines: &[Line], class: usize| f64::from(lines[class / LINE].0[class % LINE]);
        self.walk(
            row,
            |lines| (0..classes).for_each(|class| start[class] += of(lines, class)),
            |feature, before, after| {
                for (class, moved) in
                    moves[feature * classes..(feature + 1) * classes].iter_mut().enumerate()
                {
                    *moved += of(after, class) - of(before, class);
                }
            },
        );
        let mut whole = vec![0.0; classes];
        for moves in moves.chunks_exact(classes) {
            whole.iter_mut().zip(moves).for_each(|(whole, moved)| *whole += moved);
        }
        let at = |part: f64| -> Vec<f64> {
            distribution(start.iter().zip(&whole).map(|(start, whole)| start + part * whole))
        };
        // The mean slope of the probability along the straight line, in Simpson's rule.
        let mut slopes = vec![0.0; classes];
        for step in 0..=SLICES {
            let shares = at(step as f64 / SLICES as f64);
            let weight = [2.0, 4.0][step % 2] - f64::from(u8::from(step % SLICES == 0));
            for (other, slope) in slopes.iter_mut().enumerate() {
                let own = f64::from(u8::from(other == class));
                *slope += weight / (3 * SLICES) as f64 * shares[class] * (own - shares[other]);
            }
        }
        let moved_by = |moves: &[f64]| -> f64 {
            moves.iter().zip(&slopes).map(|(moved, slope)| moved * slope).sum()
        };
        let mut features: Vec<f64> = moves.chunks_exact(classes).map(moved_by).collect();
        // The rule's remainder is too small to see; it is spread so that the sum is exact.
        let (first, last) = (at(0.0)[class], at(1.0)[class]);
        let sum: f64 = features.iter().sum();
        let size: f64 = features.iter().map(|feature| feature.abs()).sum();
        if size > 0.0 {
            let left = (last - first - sum) / size;
            features.iter_mut().for_each(|feature| *feature += left * feature.abs());
        }
        Contributions { base: first, features }
    }
}

/// Slices of the line along which a boosted forest's contributions are averaged; even.
const SLICES: usize = 16;

fn distribution(margins: impl Iterator<Item = f64>) -> Vec<f64> {
    let margins: Vec<f64> = margins.collect();
    let most = margins.iter().copied().fold(f64::MIN, f64::max);
    let shares: Vec<f64> = margins.iter().map(|margin| (margin - most).exp()).collect();
    let sum: f64 = shares.iter().sum();
    shares.into_iter().map(|share| share / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::super::boost::{Boosting, boost};
    use super::super::train::tests::overlapping;
    use super::super::train::{Labelled, Parameters, grow};

    #[test]
    fn contributions_sum_to_the_probability_and_ignore_unused_features() {
        let (rows, labels) = overlapping(500, 8);
        let data = Labelled { rows: &rows, features: 5, labels: &labels, classes: 3, weights: &[] };
        let parameters =
            Parameters { trees: 20, features_per_split: Some(5), ..Parameters::default() };
        let quiet = &crate::domain::Quiet;
        let forest = grow(&data, &parameters, 2, quiet).unwrap().0.compile().unwrap();
        let boosted = boost(&data, 30, &Boosting::default(), 1, quiet).unwrap().compile().unwrap();
        for forest in [forest, boosted] {
            let mut out = Vec::new();
            forest.predict(&rows, &mut out);
            for (row, shares) in rows.chunks(5).zip(out.chunks(3)) {
                for (class, share) in shares.iter().enumerate() {
                    let why = forest.contributions(row, class);
                    assert!((why.sum() - f64::from(*share)).abs() < 1e-5);
                    assert_eq!(why.features[4], 0.0, "a constant feature can't matter");
                }
            }
        }
    }
}
