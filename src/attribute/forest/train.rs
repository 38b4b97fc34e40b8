//! Grows the forest with smartcore; the only module that uses the library.
//!
//! Each tree is a smartcore random forest of one tree, with its own seed and its own rows. That
//! makes trees independent: threads take them from a counter, and the forest is the same at any
//! thread count. smartcore scans all its rows at every node, so a tree's time grows with rows ×
//! nodes; a tree therefore sees at most [`Parameters::rows_per_tree`] rows, drawn without
//! replacement and stratified by class, of which smartcore then draws its bootstrap. (Subsampling
//! instead of full bootstraps: Bühlmann and Yu, "Analyzing bagging", Annals of Statistics 30, 2002;
//! Breiman, "Pasting small votes", Machine Learning 36, 1999.) Rare classes keep a minimum share of
//! each tree's rows, and leaves weigh them back to their share of the training data.
//!
//! The rows each tree saw are known, so out-of-bag distributions are exact: the mean over the trees
//! that never saw the row. With little data, a tree sees most rows, and a row's out-of-bag
//! distribution would come from a third of the forest: noisier than the whole forest's prediction
//! for a fresh row, so that a calibration fitted to it lowers all confidences too much. So more
//! trees are grown than kept, until about as many judge a row out of bag as will judge a fresh one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use serde::{Deserialize, Serialize};
use smartcore::ensemble::random_forest_classifier::{
    RandomForestClassifier, RandomForestClassifierParameters,
};
use smartcore::linalg::basic::matrix::DenseMatrix;

use super::{Forest, LINE, Line, Node, StoredForest, StoredTree, Tree};
use crate::diagnostic::{Code, Problem};
use crate::domain::Progress;
use crate::domain::progress::Unit;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameters {
    /// The number of trees kept.
    pub trees: u16,
    /// Maximum depth, in nodes from root to leaf.
    pub max_depth: u16,
    /// Minimum rows per leaf.
    pub min_samples_leaf: usize,
    /// Features tried per node; the square root of their number if `None`.
    pub features_per_split: Option<usize>,
    /// Maximum rows per tree, at most 32,000.
    pub rows_per_tree: usize,
    /// The random seed.
    pub seed: u64,
}

/// Node numbers are 16 bits wide; a tree of this many rows can't need more.
const MAX_ROWS_PER_TREE: usize = 32_000;
/// Minimum rows of a class in every tree, if the class has them.
const MIN_ROWS_PER_CLASS: usize = 64;
/// Marks a row that a tree has seen.
const IN_BAG: u16 = u16::MAX;

impl Default for Parameters {
    fn default() -> Self {
        Self {
            trees: 48,
            max_depth: 14,
            min_samples_leaf: 2,
            features_per_split: None,
            rows_per_tree: 2_500,
            seed: 0,
        }
    }
}

impl Parameters {
    /// How many trees are grown for this many rows: those kept, plus others that only judge rows
    /// they have not seen.
    pub fn grown(&self, rows: usize) -> usize {
        let trees = usize::from(self.trees);
        let seen = self.rows_per_tree.min(MAX_ROWS_PER_TREE) as f64 / rows.max(1) as f64;
        // A bootstrap contains 1 − 1/e of the rows it is drawn from.
        let unseen = 1.0 - seen.min(1.0) * (1.0 - (-1.0f64).exp());
        (trees as f64 / unseen).round() as usize
    }
}

/// Rows of features with their classes.
#[derive(Clone, Copy, Debug)]
pub struct Labelled<'a> {
    /// Whole rows, concatenated.
    pub rows: &'a [f32],
    /// The number of features of a row.
    pub features: usize,
    /// The class of each row, below `classes`.
    pub labels: &'a [u16],
    pub classes: usize,
    /// The weight of each row, above 0 and at most 1; empty if all are equal.
    pub weights: &'a [f32],
}

impl<'a> Labelled<'a> {
    pub(super) fn weight(&self, at: usize) -> f64 {
        self.weights.get(at).map_or(1.0, |weight| f64::from(*weight))
    }

    /// The features of one row.
    pub fn row(&self, at: usize) -> &'a [f32] {
        &self.rows[at * self.features..(at + 1) * self.features]
    }
}

/// Predictions by the trees that never saw a row.
#[derive(Clone, Debug, PartialEq)]
pub struct OutOfBag {
    /// The mean distribution of each row, `classes` numbers each.
    pub probabilities: Vec<f32>,
    /// How many trees never saw the row; if 0, its probabilities are 0 too.
    pub trees: Vec<u16>,
}

/// A library forest in its serialized form; its own fields are private.
#[derive(Deserialize)]
struct LibraryForest {
    trees: Vec<LibraryTree>,
    samples: Option<Vec<Vec<bool>>>,
}

#[derive(Deserialize)]
struct LibraryTree {
    nodes: Vec<LibraryNode>,
    classes: Vec<u32>,
}

#[derive(Deserialize)]
struct LibraryNode {
    output: usize,
    split_feature: usize,
    split_value: Option<f64>,
    true_child: Option<usize>,
    false_child: Option<usize>,
}

type Library = RandomForestClassifier<f32, u32, DenseMatrix<f32>, Vec<u32>>;

fn failed(what: impl std::fmt::Display) -> Problem {
    Problem::new(Code::TrainingFailed, format!("growing the forest failed: {what}"))
}

/// Checks that the data can be learned from.
pub(in crate::attribute) fn check(
    data: &Labelled<'_>,
    parameters: &Parameters,
) -> Result<(), Problem> {
    let count = data.labels.len();
    if count == 0 || data.features == 0 {
        return Err(Problem::new(Code::TrainingEmpty, "no labelled differences to learn from")
            .help("decide some differences, or give --labels"));
    }
    if data.rows.len() != count * data.features {
        return Err(failed("rows and labels do not match"));
    }
    if let Some(at) = data.rows.iter().position(|value| !value.is_finite()) {
        let (row, feature) = (at / data.features, at % data.features);
        return Err(Problem::new(
            Code::TrainingNotANumber,
            format!("feature {feature} of labelled difference {row} is not a finite number"),
        ));
    }
    let first = data.labels[0];
    if data.labels.iter().all(|label| *label == first) {
        return Err(Problem::new(
            Code::TrainingOneClass,
            "all labelled differences have the same reason, so there is nothing to learn",
        )
        .help("a model needs at least two reasons; a single one is a rule"));
    }
    if data.labels.iter().any(|label| usize::from(*label) >= data.classes) {
        return Err(failed("a label names no class"));
    }
    let constant = (0..data.features)
        .all(|feature| (1..count).all(|at| data.row(at)[feature] == data.rows[feature]));
    if constant {
        return Err(Problem::new(
            Code::TrainingConstant,
            "every feature is the same for all labelled differences, so nothing distinguishes the reasons",
        ));
    }
    if parameters.trees == 0 || parameters.max_depth == 0 || parameters.rows_per_tree == 0 {
        return Err(Problem::new(
            Code::TrainingParameters,
            "trees, depth and rows must be at least 1",
        ));
    }
    Ok(())
}

/// Grows and compiles a forest on `threads` threads.
///
/// # Errors If there is nothing to learn from (no rows, one class, constant features, a non-finite
/// number), and on interruption.
pub fn grow(
    data: &Labelled<'_>,
    parameters: &Parameters,
    threads: usize,
    progress: &dyn Progress,
) -> Result<(StoredForest, OutOfBag), Problem> {
    check(data, parameters)?;
    let count = data.labels.len();
    let trees = parameters.grown(count);
    progress.start("growing trees", trees as u64, Unit::Items);
    let mut by_class = vec![Vec::new(); data.classes];
    for (at, label) in data.labels.iter().enumerate() {
        by_class[usize::from(*label)].push(at);
    }
    let mut grown: Vec<Option<Grown>> = (0..trees).map(|_| None).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (send, receive) = mpsc::channel();
        for _ in 0..threads.clamp(1, trees) {
            let (send, next, by_class) = (send.clone(), &next, &by_class);
            crate::threads::start(scope, move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= trees || progress.interrupted() {
                        return;
                    }
                    if send.send((at, grow_tree(data, by_class, parameters, at as u64))).is_err() {
                        return;
                    }
                }
            })?;
        }
        drop(send);
        for (at, tree) in receive {
            grown[at] = Some(tree?);
            progress.advance(1);
        }
        Ok::<(), Problem>(())
    })?;
    if grown.iter().any(Option::is_none) {
        return Err(Problem::interrupted());
    }
    let grown: Vec<Grown> = grown.into_iter().flatten().collect();
    let kept = usize::from(parameters.trees);
    // Summed in tree order, because float addition is not associative.
    let lines = data.classes.div_ceil(LINE);
    let mut sums = vec![Line::ZERO; count * lines];
    let mut seen_by = vec![0u16; count];
    for tree in &grown {
        for (row, leaf) in tree.leaves.iter().enumerate().filter(|(_, leaf)| **leaf != IN_BAG) {
            let value = &tree.tree.values[usize::from(*leaf) * lines..];
            super::add(&mut sums[row * lines..(row + 1) * lines], value);
            seen_by[row] += 1;
        }
    }
    let mut probabilities: Vec<f32> = sums
        .chunks_exact(lines)
        .flat_map(|sum| sum.iter().flat_map(|line| line.0).take(data.classes))
        .collect();
    for (row, trees) in probabilities.chunks_mut(data.classes).zip(&seen_by) {
        row.iter_mut().for_each(|value| *value /= f32::from((*trees).max(1)));
    }
    let forest = StoredForest {
        features: u16::try_from(data.features).map_err(failed)?,
        classes: u16::try_from(data.classes).map_err(failed)?,
        trees: grown.into_iter().take(kept).map(|tree| tree.stored).collect(),
    };
    Ok((forest, OutOfBag { probabilities, trees: seen_by }))
}

/// One tree, and the leaf reached by each row it has not seen.
struct Grown {
    stored: StoredTree,
    tree: Tree,
    leaves: Vec<u16>,
}

fn grow_tree(
    data: &Labelled<'_>,
    by_class: &[Vec<usize>],
    parameters: &Parameters,
    at: u64,
) -> Result<Grown, Problem> {
    // Any odd constant separates the trees' seeds; the golden ratio spreads them.
    let seed = parameters.seed ^ (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let thinned = thin(data, by_class, seed);
    let chosen = match &thinned {
        Some((by_class, count)) => choose(by_class, *count, parameters.rows_per_tree, seed),
        None => choose(by_class, data.labels.len(), parameters.rows_per_tree, seed),
    };
    let labels: Vec<u16> = chosen.iter().map(|row| data.labels[*row]).collect();
    let mut rows = Vec::with_capacity(chosen.len() * data.features);
    for row in &chosen {
        rows.extend_from_slice(data.row(*row));
    }
    let sample = Labelled { rows: &rows, labels: &labels, weights: &[], ..*data };
    let library = grow_library(&sample, parameters, 1, seed)?;
    let shown = show(&library)?;
    let in_bag = shown
        .samples
        .as_ref()
        .and_then(|samples| samples.first())
        .ok_or_else(|| failed("no samples"))?;
    let library_tree = shown.trees.first().ok_or_else(|| failed("no tree"))?;

    // A class drawn more often than its share counts less at the leaves.
    let mut drawn = vec![0.0f64; data.classes];
    for (label, _) in labels.iter().zip(in_bag).filter(|(_, seen)| **seen) {
        drawn[usize::from(*label)] += 1.0;
    }
    let weights: Vec<f64> = drawn
        .iter()
        .zip(by_class)
        .map(|(drawn, rows)| {
            let all: f64 = rows.iter().map(|row| data.weight(*row)).sum();
            if *drawn > 0.0 { all / drawn } else { 0.0 }
        })
        .collect();
    let mut stored = skeleton(library_tree)?;
    let walk = walkable(&stored);
    let mut at_leaf = vec![vec![0.0f64; data.classes]; stored.nodes.len()];
    let mut seen = vec![false; data.labels.len()];
    for ((row, label), _) in chosen.iter().zip(&labels).zip(in_bag).filter(|(_, seen)| **seen) {
        at_leaf[walk.leaf_of(data.row(*row))][usize::from(*label)] += weights[usize::from(*label)];
        seen[*row] = true;
    }
    for (at, weights) in at_leaf.iter().enumerate() {
        if walk.nodes[at].is_leaf(at) {
            stored.leaves.push(
                (0u16..)
                    .zip(weights)
                    .filter(|(_, weight)| **weight > 0.0)
                    .map(|(class, weight)| (class, *weight as f32))
                    .collect(),
            );
        }
    }
    let features = u16::try_from(data.features).map_err(failed)?;
    let tree =
        stored.compile(features, data.classes).ok_or_else(|| failed("a tree can't be walked"))?;
    let leaves = (0..data.labels.len())
        .map(|row| if seen[row] { IN_BAG } else { tree.leaf_of(data.row(row)) as u16 })
        .collect();
    Ok(Grown { stored, tree, leaves })
}

/// If rows are weighted, those that this tree may see: each with its weight as probability, but at
/// least [`MIN_ROWS_PER_CLASS`] of every class if it has them; and their number.
fn thin(
    data: &Labelled<'_>,
    by_class: &[Vec<usize>],
    seed: u64,
) -> Option<(Vec<Vec<usize>>, usize)> {
    if data.weights.is_empty() {
        return None;
    }
    // A different stream than the one used for drawing.
    let mut random = fastrand::Rng::with_seed(seed.rotate_left(32) ^ 0x7468_696e);
    let thinned: Vec<Vec<usize>> = by_class
        .iter()
        .map(|rows| {
            let kept: Vec<usize> =
                rows.iter().copied().filter(|row| random.f64() < data.weight(*row)).collect();
            if kept.len() >= rows.len().min(MIN_ROWS_PER_CLASS) {
                return kept;
            }
            random.choose_multiple(rows.iter().copied(), MIN_ROWS_PER_CLASS)
        })
        .collect();
    let count = thinned.iter().map(Vec::len).sum();
    Some((thinned, count))
}

/// The rows of one tree, in order: every class's share of `limit`, but at least
/// [`MIN_ROWS_PER_CLASS`] if it has them.
fn choose(by_class: &[Vec<usize>], count: usize, limit: usize, seed: u64) -> Vec<usize> {
    let limit = limit.min(MAX_ROWS_PER_TREE);
    if count <= limit {
        let mut chosen: Vec<usize> = by_class.iter().flatten().copied().collect();
        chosen.sort_unstable();
        return chosen;
    }
    let mut random = fastrand::Rng::with_seed(seed);
    let mut chosen = Vec::with_capacity(limit + by_class.len() * MIN_ROWS_PER_CLASS);
    for rows in by_class {
        let share = (rows.len() * limit).div_ceil(count).max(MIN_ROWS_PER_CLASS).min(rows.len());
        chosen.extend(random.choose_multiple(rows.iter().copied(), share));
    }
    chosen.sort_unstable();
    chosen
}

fn grow_library(
    data: &Labelled<'_>,
    parameters: &Parameters,
    trees: u16,
    seed: u64,
) -> Result<Library, Problem> {
    let count = data.labels.len();
    let mut columns = Vec::with_capacity(data.rows.len());
    for feature in 0..data.features {
        columns.extend((0..count).map(|row| data.rows[row * data.features + feature]));
    }
    let matrix = DenseMatrix::new(count, data.features, columns, true).map_err(failed)?;
    let labels: Vec<u32> = data.labels.iter().map(|label| u32::from(*label)).collect();
    let mut settings = RandomForestClassifierParameters::default()
        .with_n_trees(trees)
        .with_max_depth(parameters.max_depth)
        .with_min_samples_leaf(parameters.min_samples_leaf)
        .with_keep_samples(true)
        .with_seed(seed);
    if let Some(features) = parameters.features_per_split {
        settings = settings.with_m(features.clamp(1, data.features));
    }
    Library::fit(&matrix, &labels, settings).map_err(failed)
}

fn show(library: &Library) -> Result<LibraryForest, Problem> {
    // By value and not by text: a float must not lose its last bit.
    let value = serde_json::to_value(library).map_err(failed)?;
    serde_json::from_value(value).map_err(failed)
}

/// The library's tree without the weights of its leaves.
fn skeleton(tree: &LibraryTree) -> Result<StoredTree, Problem> {
    let mut stored = StoredTree { nodes: Vec::new(), votes: Vec::new(), leaves: Vec::new() };
    for (at, node) in tree.nodes.iter().enumerate() {
        let vote = tree.classes.get(node.output).ok_or_else(|| failed("a node names no class"))?;
        stored.votes.push(u16::try_from(*vote).map_err(failed)?);
        stored.nodes.push(match (node.true_child, node.false_child, node.split_value) {
            (Some(left), Some(right), Some(threshold)) => {
                if right != left + 1 {
                    return Err(failed("the children of a node do not stand side by side"));
                }
                // The library averages two 32-bit floats, so nothing is lost here.
                let (feature, left) = (u16::try_from(node.split_feature), u16::try_from(left));
                (feature.map_err(failed)?, threshold as f32, left.map_err(failed)?)
            }
            _ => (0, 0.0, u16::try_from(at).map_err(failed)?),
        });
    }
    Ok(stored)
}

fn walkable(tree: &StoredTree) -> Tree {
    let nodes =
        tree.nodes.iter().map(|&(feature, threshold, left)| Node { threshold, feature, left });
    Tree { nodes: nodes.collect(), votes: Vec::new(), values: Vec::new() }
}

/// A forest grown by the library in one piece, to compare predictions.
pub struct Reference(Library);

impl Reference {
    /// Grows one on all rows.
    ///
    /// # Errors As [`grow`].
    pub fn grow(data: &Labelled<'_>, parameters: &Parameters) -> Result<Self, Problem> {
        check(data, parameters)?;
        grow_library(data, parameters, parameters.trees, parameters.seed).map(Self)
    }

    /// The same forest, compiled; its leaves hold only their vote.
    ///
    /// # Errors If the library's trees have an unexpected form.
    pub fn compile(&self, features: usize, classes: usize) -> Result<Forest, Problem> {
        let mut trees = Vec::new();
        for tree in &show(&self.0)?.trees {
            let mut stored = skeleton(tree)?;
            for (at, (_, _, left)) in stored.nodes.iter().enumerate() {
                if usize::from(*left) == at {
                    stored.leaves.push(vec![(stored.votes[at], 1.0)]);
                }
            }
            trees.push(stored);
        }
        let features = u16::try_from(features).map_err(failed)?;
        let classes = u16::try_from(classes).map_err(failed)?;
        StoredForest { features, classes, trees }.compile()
    }

    /// The library's prediction for each row.
    ///
    /// # Errors If the rows have the wrong shape.
    pub fn predict(&self, rows: &[f32], features: usize) -> Result<Vec<u32>, Problem> {
        let matrix = DenseMatrix::new(rows.len() / features, features, rows.to_vec(), false)
            .map_err(failed)?;
        self.0.predict(&matrix).map_err(failed)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::Quiet;

    /// Three slightly overlapping classes: rows of five features, two of which distinguish them.
    pub(crate) fn overlapping(count: usize, seed: u64) -> (Vec<f32>, Vec<u16>) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut rows = Vec::new();
        let mut labels = Vec::new();
        for _ in 0..count {
            let label = [0, 0, 0, 1, 1, 2][random.usize(..6)];
            let center = f32::from(label);
            rows.extend([
                random.f32(),
                center + 1.5 * random.f32(),
                random.f32(),
                center * 2.0 + 3.0 * random.f32(),
                7.0,
            ]);
            labels.push(label);
        }
        (rows, labels)
    }

    fn small() -> Parameters {
        Parameters { trees: 12, rows_per_tree: 200, ..Parameters::default() }
    }

    #[test]
    fn the_same_seed_grows_the_same_forest_on_any_number_of_threads() {
        let (rows, labels) = overlapping(400, 1);
        let data = Labelled { rows: &rows, features: 5, labels: &labels, classes: 3, weights: &[] };
        let one = grow(&data, &small(), 1, &Quiet).unwrap();
        assert!(one == grow(&data, &small(), 3, &Quiet).unwrap());
        assert!(one.0 != grow(&data, &Parameters { seed: 1, ..small() }, 1, &Quiet).unwrap().0);
    }

    #[test]
    fn compiling_changes_no_vote() {
        let (rows, labels) = overlapping(300, 2);
        let data = Labelled { rows: &rows, features: 5, labels: &labels, classes: 3, weights: &[] };
        let reference = Reference::grow(&data, &small()).unwrap();
        let compiled = reference.compile(5, 3).unwrap();
        let (fresh, _) = overlapping(500, 3);
        let expected = reference.predict(&fresh, 5).unwrap();
        let mut shares = Vec::new();
        compiled.predict(&fresh, &mut shares);
        for ((row, expected), shares) in fresh.chunks(5).zip(expected).zip(shares.chunks(3)) {
            let votes = compiled.votes(row);
            let most = votes.iter().max().unwrap();
            // Ties too: both take the first.
            assert_eq!(votes.iter().position(|votes| votes == most), Some(expected as usize));
            for (share, votes) in shares.iter().zip(&votes) {
                assert!((share - f32::from(*votes) / 12.0).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn out_of_bag_distributions_are_honest_probabilities() {
        let (rows, mut labels) = overlapping(600, 4);
        let data = Labelled { rows: &rows, features: 5, labels: &labels, classes: 3, weights: &[] };
        let (forest, bag) =
            grow(&data, &Parameters { rows_per_tree: 600, ..small() }, 2, &Quiet).unwrap();
        assert!(
            bag.probabilities
                .chunks(3)
                .zip(&bag.trees)
                .all(|(row, trees)| *trees == 0 || (row.iter().sum::<f32>() - 1.0).abs() < 1e-4)
        );
        // Unpredictable labels can be memorized, but not out of bag.
        let mut random = fastrand::Rng::with_seed(5);
        labels.iter_mut().for_each(|label| *label = random.u16(..2));
        let data = Labelled { rows: &rows, features: 5, labels: &labels, classes: 2, weights: &[] };
        let (_, bag) =
            grow(&data, &Parameters { rows_per_tree: 600, ..small() }, 2, &Quiet).unwrap();
        let right = bag
            .probabilities
            .chunks(2)
            .zip(&labels)
            .filter(|(row, label)| (row[1] > row[0]) == (**label == 1));
        let share = right.count() as f64 / 600.0;
        assert!((0.4..0.6).contains(&share), "{share}");
        assert_eq!(forest.compile().unwrap().tree_count(), 12);
        // As many trees judge an unseen row as will judge a fresh one.
        let judges = bag.trees.iter().map(|trees| f64::from(*trees)).sum::<f64>() / 600.0;
        assert!((11.0..13.0).contains(&judges), "{judges}");
        assert_eq!(Parameters::default().grown(10_000_000), 48);
    }

    #[test]
    fn bulk_decided_look_alikes_do_not_dominate() {
        // Nothing distinguishes the classes, so only their frequencies remain.
        let mut random = fastrand::Rng::with_seed(6);
        let rows: Vec<f32> = (0..460).map(|_| random.f32()).collect();
        let labels: Vec<u16> = (0..460).map(|at| u16::from(at >= 400)).collect();
        let weights: Vec<f32> = (0..460).map(|at| if at >= 400 { 1.0 } else { 0.05 }).collect();
        let share = |weights: &[f32]| {
            let data = Labelled { rows: &rows, features: 1, labels: &labels, classes: 2, weights };
            let parameters = Parameters { max_depth: 2, ..small() };
            let (forest, _) = grow(&data, &parameters, 2, &Quiet).unwrap();
            let mut shares = Vec::new();
            forest.compile().unwrap().predict(&rows, &mut shares);
            shares.chunks(2).map(|row| row[1]).sum::<f32>() / 460.0
        };
        // 60 of 460, and 60 of 80.
        assert!((share(&[]) - 0.13).abs() < 0.05, "{}", share(&[]));
        assert!((share(&weights) - 0.75).abs() < 0.1, "{}", share(&weights));
    }

    #[test]
    fn unlearnable_data_is_an_error() {
        let one = |rows: &[f32], labels: &[u16]| {
            let data = Labelled { rows, features: 1, labels, classes: 2, weights: &[] };
            grow(&data, &small(), 1, &Quiet).unwrap_err().code
        };
        assert_eq!(one(&[], &[]), Code::TrainingEmpty);
        assert_eq!(one(&[1.0, 2.0], &[1, 1]), Code::TrainingOneClass);
        assert_eq!(one(&[1.0, 1.0], &[0, 1]), Code::TrainingConstant);
        assert_eq!(one(&[1.0, f32::NAN], &[0, 1]), Code::TrainingNotANumber);
    }
}
