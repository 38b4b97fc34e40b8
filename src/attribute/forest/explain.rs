//! Explains the forest's output: each feature's contribution to a probability.
//!
//! On the way from a tree's root to a leaf, the share of a class changes at every node, and the
//! change belongs to the feature that the node splits on. Root plus changes is exactly the leaf;
//! averaged over the trees, base rate plus contributions is the forest's probability. (Saabas,
//! "Interpreting random forests", 2014; Palczewska et al., "Interpreting random forest
//! classification models using a feature contribution method", arXiv:1312.1121.)

use super::{Forest, LINE};

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
    /// [`predict`](Self::predict), except for the rounding of its 32-bit sums.
    pub fn contributions(&self, row: &[f32], class: usize) -> Contributions {
        let mut base = 0.0;
        let mut features = vec![0.0; self.features];
        for tree in &self.trees {
            let share = |at: usize| {
                let line = &self.value(tree, at)[class / LINE];
                f64::from(line.0[class % LINE])
            };
            let mut at = 0;
            base += share(at);
            while !tree.nodes[at].is_leaf(at) {
                let node = tree.nodes[at];
                let feature = usize::from(node.feature);
                let next = usize::from(node.left) + usize::from(row[feature] > node.threshold);
                features[feature] += share(next) - share(at);
                at = next;
            }
        }
        let trees = self.trees.len() as f64;
        features.iter_mut().for_each(|feature| *feature /= trees);
        Contributions { base: base / trees, features }
    }
}

#[cfg(test)]
mod tests {
    use super::super::train::tests::overlapping;
    use super::super::train::{Labelled, Parameters, grow};

    #[test]
    fn contributions_sum_to_the_probability_and_ignore_unused_features() {
        let (rows, labels) = overlapping(500, 8);
        let data = Labelled { rows: &rows, features: 5, labels: &labels, classes: 3, weights: &[] };
        let parameters =
            Parameters { trees: 20, features_per_split: Some(5), ..Parameters::default() };
        let forest =
            grow(&data, &parameters, 2, &crate::domain::Quiet).unwrap().0.compile().unwrap();
        let mut out = Vec::new();
        forest.predict(&rows, &mut out);
        for (row, shares) in rows.chunks(5).zip(out.chunks(3)) {
            for (class, share) in shares.iter().enumerate() {
                let why = forest.contributions(row, class);
                assert!((why.sum() - f64::from(*share)).abs() < 1e-6);
                assert_eq!(why.features[4], 0.0, "a constant feature can't matter");
            }
        }
    }
}
