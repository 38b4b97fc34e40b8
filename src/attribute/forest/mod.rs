//! The compiled forest: flat arrays that attribute a million differences per second.
//!
//! [`train`] grows trees with smartcore and [`boost`] by gradient boosting; both are compiled into this form. A node
//! is eight bytes, siblings are adjacent, and a leaf points at itself, so that several rows walk down one tree in
//! step without a branch to mispredict. Every node has a number for each class: in a random forest the distribution
//! of the training rows that reached it, in a boosted one the mean step of these rows' margins. At the leaves they
//! are the prediction, and along the way its explanation ([`explain`]).
//!
//! This module knows nothing about differences: rows of numbers in, class distributions out.

mod bins;
pub mod boost;
pub mod explain;
mod histogram;
pub mod train;

use serde::{Deserialize, Serialize};

use crate::diagnostic::{Code, Problem};

/// How many rows walk down a tree together: enough to hide memory latency. Measured: 8 are a third
/// slower, 32 no faster.
const LANES: usize = 16;
/// How many rows visit one tree before the next tree is fetched: tree and rows fit the L2 cache.
const BLOCK: usize = 256;

/// How many trees a single row walks down together.
const TOGETHER: usize = 8;

/// One step: right if the feature is greater than the threshold, else left. A leaf's threshold is
/// infinite and its left child is itself.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Node {
    threshold: f32,
    feature: u16,
    left: u16,
}

impl Node {
    const fn is_leaf(self, at: usize) -> bool {
        self.left as usize == at
    }
}

/// Sixteen probabilities in one cache line: a distribution of up to sixteen classes costs one
/// memory access and four vector additions.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
struct Line([f32; LINE]);

const LINE: usize = 16;

impl Line {
    const ZERO: Self = Self([0.0; LINE]);
}

#[derive(Clone, Debug, PartialEq)]
struct Tree {
    nodes: Vec<Node>,
    /// The class that the library's own tree names at each node; empty in a boosted tree.
    votes: Vec<u16>,
    /// Each node's numbers for the classes, in the same number of lines per node.
    values: Vec<Line>,
}

impl Tree {
    fn leaf_of(&self, row: &[f32]) -> usize {
        let mut at = 0;
        loop {
            let node = self.nodes[at];
            if node.is_leaf(at) {
                return at;
            }
            at = usize::from(node.left)
                + usize::from(row[usize::from(node.feature)] > node.threshold);
        }
    }

    /// The leaves of `LANES` rows, given feature by feature.
    fn leaves_of(&self, columns: &[[f32; LANES]]) -> [u32; LANES] {
        let nodes = self.nodes.as_slice();
        let mut at = [0u32; LANES];
        loop {
            let mut before = at;
            // Two steps per check whether all have arrived.
            for _ in 0..2 {
                before = at;
                for (lane, at) in at.iter_mut().enumerate() {
                    let node = nodes[*at as usize];
                    let value = columns[usize::from(node.feature)][lane];
                    *at = u32::from(node.left) + u32::from(value > node.threshold);
                }
            }
            if at == before {
                return at;
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Forest {
    trees: Vec<Tree>,
    features: usize,
    classes: usize,
    /// Lines per distribution.
    lines: usize,
    /// The margins before the first tree, if the trees hold steps instead of distributions.
    base: Option<Vec<f32>>,
}

impl Forest {
    /// The number of features of a row.
    pub const fn feature_count(&self) -> usize {
        self.features
    }

    pub const fn class_count(&self) -> usize {
        self.classes
    }

    pub fn tree_count(&self) -> usize {
        self.trees.len()
    }

    /// The number of nodes in all trees.
    pub fn node_count(&self) -> usize {
        self.trees.iter().map(|tree| tree.nodes.len()).sum()
    }

    /// The class distribution of each row: the mean of the leaves it reaches, or the softmax of their
    /// sum. `rows` has whole rows, concatenated; `out` is overwritten with
    /// [`class_count`](Self::class_count) probabilities per row.
    pub fn predict(&self, rows: &[f32], out: &mut Vec<f32>) {
        let count = rows.len() / self.features.max(1);
        out.clear();
        out.resize(count * self.classes, 0.0);
        // A block's rows, interleaved by `LANES` so that lanes at one node share a cache line.
        let mut columns = vec![[0.0f32; LANES]; BLOCK / LANES * self.features];
        let mut sums = vec![Line::ZERO; BLOCK * self.lines];
        for (block, out) in
            rows.chunks(BLOCK * self.features).zip(out.chunks_mut(BLOCK * self.classes))
        {
            let groups = (block.len() / self.features).div_ceil(LANES);
            for (at, row) in block.chunks_exact(self.features).enumerate() {
                let columns = &mut columns[at / LANES * self.features..];
                for (column, value) in columns.iter_mut().zip(row) {
                    column[at % LANES] = *value;
                }
            }
            sums.fill(Line::ZERO);
            for tree in &self.trees {
                let groups = columns.chunks_exact(self.features).take(groups);
                for (group, sums) in groups.zip(sums.chunks_exact_mut(LANES * self.lines)) {
                    let leaves = tree.leaves_of(group);
                    for (leaf, sum) in leaves.into_iter().zip(sums.chunks_exact_mut(self.lines)) {
                        add(sum, self.value(tree, leaf as usize));
                    }
                }
            }
            for (sum, out) in sums.chunks(self.lines).zip(out.chunks_mut(self.classes)) {
                self.distribution(sum, out);
            }
        }
    }

    /// Like [`predict`](Self::predict) for a single row, which walks down several trees in step.
    pub fn predict_one(&self, row: &[f32], out: &mut Vec<f32>) {
        let mut sums = vec![Line::ZERO; self.lines];
        for trees in self.trees.chunks(TOGETHER) {
            let mut at = [0u32; TOGETHER];
            loop {
                let before = at;
                for (tree, at) in trees.iter().zip(&mut at) {
                    let node = tree.nodes[*at as usize];
                    let value = row[usize::from(node.feature)];
                    *at = u32::from(node.left) + u32::from(value > node.threshold);
                }
                if at == before {
                    break;
                }
            }
            for (tree, leaf) in trees.iter().zip(at) {
                add(&mut sums, self.value(tree, leaf as usize));
            }
        }
        out.clear();
        out.resize(self.classes, 0.0);
        self.distribution(&sums, out);
    }

    /// Turns the sum of the trees' numbers into a distribution.
    fn distribution(&self, sum: &[Line], out: &mut [f32]) {
        let sum = sum.iter().flat_map(|line| &line.0);
        let Some(base) = &self.base else {
            let scale = 1.0 / self.trees.len().max(1) as f32;
            out.iter_mut().zip(sum).for_each(|(out, sum)| *out = sum * scale);
            return;
        };
        for ((out, sum), base) in out.iter_mut().zip(sum).zip(base) {
            *out = base + sum;
        }
        softmax(out);
    }

    /// The number of trees that vote for each class by the majority at their leaf. This is the
    /// library's prediction; tests use it to prove that compiling changes nothing.
    pub fn votes(&self, row: &[f32]) -> Vec<u16> {
        let mut votes = vec![0; self.classes];
        for tree in &self.trees {
            if let Some(votes) = votes.get_mut(usize::from(tree.votes[tree.leaf_of(row)])) {
                *votes += 1;
            }
        }
        votes
    }

    fn value<'a>(&self, tree: &'a Tree, node: usize) -> &'a [Line] {
        &tree.values[node * self.lines..(node + 1) * self.lines]
    }
}

fn add(sum: &mut [Line], value: &[Line]) {
    for (sum, value) in sum.iter_mut().zip(value) {
        for (sum, value) in sum.0.iter_mut().zip(value.0) {
            *sum += value;
        }
    }
}

/// Margins become probabilities.
fn softmax(margins: &mut [f32]) {
    let most = margins.iter().copied().fold(f32::MIN, f32::max);
    let mut sum = 0.0;
    for margin in margins.iter_mut() {
        *margin = (*margin - most).exp();
        sum += *margin;
    }
    margins.iter_mut().for_each(|share| *share /= sum);
}

/// The stored form: nodes, and class weights at the leaves only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredForest {
    features: u16,
    classes: u16,
    trees: Vec<StoredTree>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct StoredTree {
    /// Feature, threshold and left child of each node; a leaf is its own left child.
    nodes: Vec<(u16, f32, u16)>,
    votes: Vec<u16>,
    /// The classes and weights of each leaf, in node order.
    leaves: Vec<Vec<(u16, f32)>>,
}

impl StoredForest {
    /// Compiles the forest. Bytes from anywhere are safe: every index is checked, and children come
    /// after their parents.
    ///
    /// # Errors `model-damaged` if invalid.
    pub fn compile(&self) -> Result<Forest, Problem> {
        let classes = usize::from(self.classes);
        let lines = classes.div_ceil(LINE);
        let trees = self
            .trees
            .iter()
            .map(|tree| tree.compile(self.features, classes))
            .collect::<Option<Vec<_>>>()
            .filter(|trees| !trees.is_empty() && self.features > 0 && classes > 1)
            .ok_or_else(damaged)?;
        Ok(Forest { trees, features: usize::from(self.features), classes, lines, base: None })
    }

    /// No trees, in the place of a forest that lost against boosting.
    pub const fn none() -> Self {
        Self { features: 0, classes: 0, trees: Vec::new() }
    }
}

/// The stored form of boosted trees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredSteps {
    features: u16,
    classes: u16,
    /// The margins before the first tree.
    base: Vec<f32>,
    trees: Vec<StoredStepTree>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct StoredStepTree {
    /// As in a [`StoredTree`].
    nodes: Vec<(u16, f32, u16)>,
    /// Of each leaf, in node order: the rows that reached it, and its step for every class.
    leaves: Vec<(f32, Vec<f32>)>,
}

impl StoredSteps {
    pub fn count(&self) -> usize {
        self.trees.len()
    }

    /// Compiles the trees; bytes from anywhere are safe.
    ///
    /// # Errors `model-damaged` if invalid.
    pub fn compile(&self) -> Result<Forest, Problem> {
        let classes = usize::from(self.classes);
        let trees = self
            .trees
            .iter()
            .map(|tree| tree.compile(self.features, classes))
            .collect::<Option<Vec<_>>>()
            .filter(|trees| !trees.is_empty() && self.features > 0 && classes > 1)
            .filter(|_| self.base.len() == classes && self.base.iter().all(|base| base.is_finite()))
            .ok_or_else(damaged)?;
        Ok(Forest {
            trees,
            features: usize::from(self.features),
            classes,
            lines: classes.div_ceil(LINE),
            base: Some(self.base.clone()),
        })
    }
}

impl StoredStepTree {
    fn compile(&self, features: u16, classes: usize) -> Option<Tree> {
        let nodes = compiled(&self.nodes, features)?;
        let stride = classes.next_multiple_of(LINE);
        let mut steps = vec![0.0f64; nodes.len() * stride];
        let mut rows = vec![0.0f64; nodes.len()];
        let mut leaves = self.leaves.iter();
        for at in (0..nodes.len()).filter(|at| nodes[*at].is_leaf(*at)) {
            let (count, own) = leaves.next()?;
            let is_valid = *count >= 1.0 && count.is_finite() && own.len() == classes;
            if !is_valid || own.iter().any(|step| !step.is_finite()) {
                return None;
            }
            rows[at] = f64::from(*count);
            for (step, own) in steps[at * stride..].iter_mut().zip(own) {
                *step = f64::from(*own);
            }
        }
        // Children come after their parents. A node's step is the mean of its rows' steps.
        for at in (0..nodes.len()).rev().filter(|at| !nodes[*at].is_leaf(*at)) {
            let left = usize::from(nodes[at].left);
            rows[at] = rows[left] + rows[left + 1];
            for class in 0..classes {
                let of = |node: usize| rows[node] * steps[node * stride + class];
                steps[at * stride + class] = (of(left) + of(left + 1)) / rows[at];
            }
        }
        let line = |steps: &[f64]| Line(std::array::from_fn(|class| steps[class] as f32));
        let values = steps.chunks_exact(LINE).map(line).collect();
        leaves.next().is_none().then_some(Tree { nodes, votes: Vec::new(), values })
    }
}

fn damaged() -> Problem {
    Problem::new(Code::ModelDamaged, "the model's trees are invalid").help("retrain: recon train")
}

/// Checked nodes: every index is valid, and children come after their parents.
fn compiled(stored: &[(u16, f32, u16)], features: u16) -> Option<Vec<Node>> {
    let count = stored.len();
    if count == 0 || count > usize::from(u16::MAX) {
        return None;
    }
    let node = |(at, &(feature, threshold, left)): (usize, &(u16, f32, u16))| {
        if usize::from(left) == at {
            return Some(Node { threshold: f32::INFINITY, feature: 0, left });
        }
        let follows = usize::from(left) > at && usize::from(left) + 1 < count;
        let is_valid = follows && feature < features && threshold.is_finite();
        is_valid.then_some(Node { threshold, feature, left })
    };
    stored.iter().enumerate().map(node).collect()
}

impl StoredTree {
    fn compile(&self, features: u16, classes: usize) -> Option<Tree> {
        let nodes = compiled(&self.nodes, features)?;
        let count = nodes.len();
        let stride = classes.next_multiple_of(LINE);
        if self.votes.len() != count {
            return None;
        }
        let mut weights = vec![0.0f64; count * stride];
        let mut leaves = self.leaves.iter();
        for at in (0..count).filter(|at| nodes[*at].is_leaf(*at)) {
            for &(class, weight) in leaves.next()? {
                if usize::from(class) >= classes || !weight.is_finite() || weight < 0.0 {
                    return None;
                }
                weights[at * stride + usize::from(class)] += f64::from(weight);
            }
        }
        if leaves.next().is_some() || self.votes.iter().any(|vote| usize::from(*vote) >= classes) {
            return None;
        }
        // Children come after their parents, so one backward pass sums every subtree.
        for at in (0..count).rev() {
            if !nodes[at].is_leaf(at) {
                let left = usize::from(nodes[at].left) * stride;
                for class in 0..stride {
                    weights[at * stride + class] =
                        weights[left + class] + weights[left + stride + class];
                }
            }
        }
        let lines = stride / LINE;
        let mut values = Vec::with_capacity(count * lines);
        for (at, weights) in weights.chunks_exact(stride).enumerate() {
            let sum: f64 = weights.iter().sum();
            if sum <= 0.0 && at > 0 {
                // A node that no counted row reached gets the tree's overall distribution.
                values.extend_from_within(..lines);
                continue;
            }
            let scale = if sum > 0.0 { 1.0 / sum } else { 0.0 };
            for weights in weights.chunks_exact(LINE) {
                let mut line = Line::ZERO;
                for (value, weight) in line.0.iter_mut().zip(weights) {
                    *value = (weight * scale) as f32;
                }
                values.push(line);
            }
        }
        Some(Tree { nodes, votes: self.votes.clone(), values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stump() -> StoredForest {
        StoredForest {
            features: 2,
            classes: 2,
            trees: vec![StoredTree {
                nodes: vec![(1, 0.5, 1), (0, 0.0, 1), (0, 0.0, 2)],
                votes: vec![0, 0, 1],
                leaves: vec![vec![(0, 3.0), (1, 1.0)], vec![(1, 4.0)]],
            }],
        }
    }

    #[test]
    fn a_row_gets_the_distribution_of_its_leaf_in_a_block_of_any_size() {
        let forest = stump().compile().unwrap();
        for count in [1, LANES - 1, LANES, BLOCK, BLOCK + LANES + 1] {
            let rows: Vec<f32> = (0..count).flat_map(|at| [9.0, (at % 2) as f32]).collect();
            let mut out = Vec::new();
            forest.predict(&rows, &mut out);
            let expected: Vec<f32> = (0..count)
                .flat_map(|at| if at % 2 == 0 { [0.75, 0.25] } else { [0.0, 1.0] })
                .collect();
            assert_eq!(out, expected, "{count} rows");
            forest.predict_one(&rows[..2], &mut out);
            assert_eq!(out, expected[..2]);
        }
        assert_eq!(forest.votes(&[0.0, 0.5]), [1, 0]);
    }

    #[test]
    fn invalid_trees_are_refused() {
        let damage: [fn(&mut StoredTree); 6] = [
            |tree| tree.nodes[0].2 = 2,
            |tree| tree.nodes[0].0 = 2,
            |tree| tree.votes[1] = 2,
            |tree| tree.leaves[0][0].0 = 7,
            |tree| tree.leaves.truncate(1),
            |tree| tree.nodes[2].2 = 0,
        ];
        for (at, damage) in damage.iter().enumerate() {
            let mut forest = stump();
            damage(&mut forest.trees[0]);
            assert_eq!(forest.compile().unwrap_err().code, Code::ModelDamaged, "damage {at}");
        }
    }
}
