//! Grows the trees of gradient boosting: multi-class log loss, with all classes in one tree.
//!
//! Each round grows one tree on the gradients of the log loss; its leaves hold one Newton step for
//! every class (Friedman, "Greedy function approximation", Annals of Statistics 29, 2001; Chen and
//! Guestrin, "XGBoost", KDD 2016). Features are cut into at most 255 bins, so that a split is found by
//! adding up bins instead of sorting rows, and the leaf that gains most is split next (Ke et al.,
//! "LightGBM", NIPS 2017). With more than six classes and many rows, splits are searched on random
//! projections of the gradients (Iosipoi and Vakhrushev, "SketchBoost", NeurIPS 2022); leaves always use
//! every class.
//!
//! How many rounds are worth it is found by cross-validation. The calibration is fitted to its
//! judgements: each row's by trees that saw neither the row nor its record.
//!
//! All sums are taken in row order, and threads share folds but never a sum, so the trees are the
//! same at any thread count.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use super::bins::Binned;
use super::histogram::{Columns, Histogram, Split, Sums};
use super::train::Labelled;
use super::{StoredStepTree, StoredSteps, softmax};
use crate::diagnostic::Problem;
use crate::domain::Progress;
use crate::domain::progress::Unit;

/// Projections of the gradients that a split is searched on.
const LANES: usize = 6;
/// With no more rows than this, and no more classes than [`MOST_CLASSES`], splits are searched on every
/// class, each with its own curvature. On bank scenarios (`benches/kinds`) that is worth a hundredth of macro F1.
const FEW_ROWS: usize = 2_000;
const MOST_CLASSES: usize = 32;
/// With no more rows than this, several models of different rows and features are boosted, and their margins averaged: the
/// trees that few rows grow owe much to chance. On bank scenarios that is worth 0.005 of macro F1 and of accuracy.
const ROWS_OF_SEVERAL_MODELS: usize = 1_500;
const SEVERAL_MODELS: usize = 3;
/// The gain in log loss per row that is worth more rounds.
const WORTHWHILE: f64 = 2e-4;
/// The largest Newton step, before it is shortened.
const LONGEST_STEP: f64 = 4.0;

/// Parameters of gradient boosting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Boosting {
    /// The most rounds, each of which grows a tree.
    pub rounds: usize,
    /// Rounds between two looks at the cross-validated loss; it ends when two looks show no gain.
    pub stride: usize,
    /// The share of the Newton step that is taken.
    pub step: f64,
    /// Maximum leaves per tree.
    pub leaves: usize,
    /// Minimum rows per leaf.
    pub rows_per_leaf: usize,
    /// Added to the curvature, so that steps of few rows are short.
    pub ridge: f64,
    /// The share of rows each tree sees, and the most of them.
    pub rows: f64,
    pub rows_per_tree: usize,
    /// The share of features each tree may split on.
    pub features: f64,
    /// Folds of the cross-validation.
    pub folds: usize,
    /// With more rows than this, only one fold is judged.
    pub rows_in_all_folds: usize,
}

impl Default for Boosting {
    fn default() -> Self {
        Self {
            rounds: 400,
            stride: 20,
            step: 0.1,
            leaves: 31,
            rows_per_leaf: 5,
            ridge: 1.0,
            rows: 0.8,
            rows_per_tree: 40_000,
            features: 0.5,
            folds: 5,
            rows_in_all_folds: 40_000,
        }
    }
}

/// With this many rows for each leaf, trees of few rows are small.
const ROWS_PER_LEAF_OF_A_TREE: usize = 200;
/// The smallest trees.
const FEWEST_LEAVES: usize = 16;
/// The share of features that a tree of few rows may split on.
const FEATURES_OF_FEW_ROWS: f64 = 0.3;

impl Boosting {
    /// With smaller and more different trees for few rows, which large ones memorize.
    #[must_use]
    pub fn fitting(&self, rows: usize) -> Self {
        let leaves = (rows / ROWS_PER_LEAF_OF_A_TREE).max(FEWEST_LEAVES).min(self.leaves);
        let features =
            if rows > FEW_ROWS { self.features } else { self.features.min(FEATURES_OF_FEW_ROWS) };
        Self { leaves, features, ..self.clone() }
    }
}

/// Calls a function with room for the classes that splits are searched on. Room for more gives the same trees,
/// but adds up numbers that are 0.
macro_rules! with_room {
    ($data:expr, $function:ident $arguments:tt) => {
        match searched_classes($data) {
            Some(..=4) => $function::<4, 4> $arguments,
            Some(..=8) => $function::<8, 8> $arguments,
            Some(..=12) => $function::<12, 12> $arguments,
            Some(..=16) => $function::<16, 16> $arguments,
            Some(_) => $function::<MOST_CLASSES, MOST_CLASSES> $arguments,
            None => $function::<LANES, 1> $arguments,
        }
    };
}

/// Result of the cross-validation.
#[derive(Clone, Debug, PartialEq)]
pub struct Crossed {
    /// The rounds with the lowest loss.
    pub rounds: usize,
    /// The distribution of each row by trees that did not see it, `classes` numbers each.
    pub probabilities: Vec<f32>,
    /// The rows that were judged, ascending.
    pub judged: Vec<usize>,
}

/// Boosts on all folds but one, for each fold, until more rounds do not help. `groups` has the record
/// of each row; rows of one record share a fold. If it is empty, each row is a record.
///
/// # Errors On interruption, or if no thread can be started.
pub fn cross(
    data: &Labelled<'_>,
    groups: &[u32],
    parameters: &Boosting,
    seed: u64,
    threads: usize,
    progress: &dyn Progress,
) -> Result<Crossed, Problem> {
    with_room!(data, cross_on(data, groups, parameters, seed, threads, progress))
}

/// How many classes splits are searched on, if not on projections.
fn searched_classes(data: &Labelled<'_>) -> Option<usize> {
    (data.labels.len() <= FEW_ROWS && data.classes <= MOST_CLASSES).then_some(data.classes)
}

fn cross_on<const S: usize, const H: usize>(
    data: &Labelled<'_>,
    groups: &[u32],
    parameters: &Boosting,
    seed: u64,
    threads: usize,
    progress: &dyn Progress,
) -> Result<Crossed, Problem> {
    let binned = Binned::new(data);
    let folds = parameters.folds.max(2);
    let fold_of =
        |row: usize| fold(groups.get(row).map_or(row as u64, |group| u64::from(*group)), folds);
    let count = data.labels.len();
    let judged_folds = if count > parameters.rows_in_all_folds { 1 } else { folds };
    let judged: Vec<usize> = (0..count).filter(|row| fold_of(*row) < judged_folds).collect();
    let models = models(data);
    let mut boosters: Vec<Mutex<Booster<'_, S, H>>> = Vec::new();
    for (fold, model) in
        (0..judged_folds).flat_map(|fold| (0..models).map(move |model| (fold, model)))
    {
        let known = (0..count).filter(|row| fold_of(*row) != fold).map(|row| row as u32).collect();
        let judged = judged.iter().copied().filter(|row| fold_of(*row) == fold).collect();
        let seed = seed_of(seed, model) ^ (fold as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        boosters.push(Mutex::new(Booster::new(data, &binned, parameters, known, judged, seed)));
    }
    progress.start("boosting", parameters.rounds as u64, Unit::Items);
    let mut best = (f64::INFINITY, 0, vec![0.0; count * data.classes]);
    let mut rounds = 0;
    while rounds < parameters.rounds {
        let stride = parameters.stride.clamp(1, parameters.rounds - rounds);
        advance(&boosters, stride, threads, progress)?;
        rounds += stride;
        let mut loss = 0.0;
        let mut probabilities = vec![0.0; count * data.classes];
        for fold in boosters.chunks(models) {
            let fold: Vec<_> = fold.iter().map(hold).collect();
            loss += judge(&fold, &mut probabilities);
        }
        progress.advance(stride as u64);
        if loss < best.0 - WORTHWHILE * judged.len() as f64 {
            best = (loss, rounds, probabilities);
        } else if rounds >= best.1 + 2 * stride {
            break;
        }
    }
    Ok(Crossed { rounds: best.1, probabilities: best.2, judged })
}

/// Boosts on all rows.
///
/// # Errors On interruption.
pub fn boost(
    data: &Labelled<'_>,
    rounds: usize,
    parameters: &Boosting,
    seed: u64,
    progress: &dyn Progress,
) -> Result<StoredSteps, Problem> {
    with_room!(data, boost_on(data, rounds, parameters, seed, progress))
}

fn boost_on<const S: usize, const H: usize>(
    data: &Labelled<'_>,
    rounds: usize,
    parameters: &Boosting,
    seed: u64,
    progress: &dyn Progress,
) -> Result<StoredSteps, Problem> {
    let binned = Binned::new(data);
    let models = models(data);
    progress.start("boosting", (rounds * models) as u64, Unit::Items);
    let mut steps = StoredSteps {
        features: data.features as u16,
        classes: data.classes as u16,
        base: Vec::new(),
        trees: Vec::new(),
    };
    for model in 0..models {
        let known = (0..data.labels.len() as u32).collect();
        let seed = seed_of(seed, model);
        let mut booster =
            Booster::<'_, S, H>::new(data, &binned, parameters, known, Vec::new(), seed);
        for _ in 0..rounds {
            if progress.interrupted() {
                return Err(Problem::interrupted());
            }
            booster.round();
            progress.advance(1);
        }
        let all = booster.trees.iter_mut().flat_map(|tree| &mut tree.leaves);
        all.flat_map(|(_, steps)| steps).for_each(|step| *step /= models as f32);
        steps.base = booster.base;
        steps.trees.append(&mut booster.trees);
    }
    Ok(steps)
}

/// How many models are boosted.
fn models(data: &Labelled<'_>) -> usize {
    if data.labels.len() > ROWS_OF_SEVERAL_MODELS { 1 } else { SEVERAL_MODELS }
}

/// The seed of one of the models; the first has the seed itself.
fn seed_of(seed: u64, model: usize) -> u64 {
    seed ^ (model as u64).wrapping_mul(0xd1b5_4a32_d192_ed03)
}

/// The fold of a record.
fn fold(group: u64, folds: usize) -> usize {
    ((group + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as usize % folds
}

fn hold<T>(booster: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    booster.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Lets every booster grow `rounds` trees.
fn advance<const S: usize, const H: usize>(
    boosters: &[Mutex<Booster<'_, S, H>>],
    rounds: usize,
    threads: usize,
    progress: &dyn Progress,
) -> Result<(), Problem> {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, boosters.len()) {
            crate::threads::start(scope, || {
                while let Some(booster) = boosters.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for _ in 0..rounds {
                        if progress.interrupted() {
                            return;
                        }
                        hold(booster).round();
                    }
                }
            })?;
        }
        Ok::<(), Problem>(())
    })?;
    if progress.interrupted() { Err(Problem::interrupted()) } else { Ok(()) }
}

/// A node that may be split.
struct Open<const S: usize, const H: usize> {
    node: usize,
    /// Its part of the tree's rows.
    rows: Range<usize>,
    total: Sums<S, H>,
    /// The sums of every feature's bins, and the best split; neither in a node that stays a leaf.
    search: Option<(Histogram<S, H>, Split)>,
}

/// Boosting in progress on some of the rows.
struct Booster<'a, const S: usize, const H: usize> {
    data: &'a Labelled<'a>,
    binned: &'a Binned,
    parameters: &'a Boosting,
    /// The rows for training, and those only for validation.
    known: Vec<u32>,
    judged: Vec<usize>,
    /// Of every row.
    margins: Vec<f32>,
    probabilities: Vec<f32>,
    gradients: Vec<Sums<S, H>>,
    base: Vec<f32>,
    trees: Vec<StoredStepTree>,
    /// Empty histograms of earlier nodes.
    spare: Vec<Histogram<S, H>>,
    random: fastrand::Rng,
}

impl<'a, const S: usize, const H: usize> Booster<'a, S, H> {
    fn new(
        data: &'a Labelled<'a>,
        binned: &'a Binned,
        parameters: &'a Boosting,
        known: Vec<u32>,
        judged: Vec<usize>,
        seed: u64,
    ) -> Self {
        let mut shares = vec![1.0f64; data.classes];
        for row in &known {
            shares[usize::from(data.labels[*row as usize])] += data.weight(*row as usize);
        }
        let sum: f64 = shares.iter().sum();
        let base: Vec<f32> = shares.iter().map(|share| (share / sum).ln() as f32).collect();
        let count = data.labels.len();
        Self {
            margins: base.iter().copied().cycle().take(count * data.classes).collect(),
            probabilities: vec![0.0; count * data.classes],
            gradients: vec![Sums::NONE; count],
            base,
            trees: Vec::new(),
            spare: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
            data,
            binned,
            parameters,
            known,
            judged,
        }
    }

    /// Grows one tree.
    fn round(&mut self) {
        let columns = self.columns();
        let mut rows = self.sample();
        self.differentiate(&rows);
        let tree = self.grow(&columns, &mut rows);
        self.add(&tree);
        self.trees.push(tree);
    }

    fn columns(&mut self) -> Columns {
        let mut features = self.binned.useful();
        let most = (features.len() as f64 * self.parameters.features).ceil() as usize;
        if most < features.len() {
            self.random.shuffle(&mut features);
            features.truncate(most.max(1));
            features.sort_unstable();
        }
        Columns::new(features, self.binned)
    }

    /// The rows that a tree sees, in order.
    fn sample(&mut self) -> Vec<u32> {
        let most = self.parameters.rows_per_tree as f64 / self.known.len().max(1) as f64;
        let share = self.parameters.rows.min(most);
        let random = &mut self.random;
        let rows: Vec<u32> = self.known.iter().copied().filter(|_| random.f64() < share).collect();
        if rows.is_empty() { self.known.clone() } else { rows }
    }

    /// Weights of each class in the projections; none if every class has its own sum.
    fn projection(&mut self) -> Vec<[f32; S]> {
        let classes = self.data.classes;
        if classes <= S {
            return Vec::new();
        }
        let scale = 1.0 / (S as f32).sqrt();
        let mut sign = || if self.random.bool() { scale } else { -scale };
        (0..classes).map(|_| std::array::from_fn(|_| sign())).collect()
    }

    /// Probabilities, gradients and curvature of these rows.
    fn differentiate(&mut self, rows: &[u32]) {
        let classes = self.data.classes;
        let projection = self.projection();
        for row in rows {
            let row = *row as usize;
            let part = row * classes..(row + 1) * classes;
            let shares = &mut self.probabilities[part.clone()];
            shares.copy_from_slice(&self.margins[part]);
            softmax(shares);
            let weight = self.data.weight(row) as f32;
            let label = usize::from(self.data.labels[row]);
            let mut sums = Sums::NONE;
            for (class, share) in shares.iter().enumerate() {
                let slope = (share - f32::from(u8::from(class == label))) * weight;
                match projection.get(class) {
                    None => sums.slopes[class] = slope,
                    Some(factors) => {
                        for (sum, factor) in sums.slopes.iter_mut().zip(factors) {
                            *sum += slope * factor;
                        }
                    }
                }
                sums.curvatures[class.min(H - 1)] += share * (1.0 - share) * weight;
            }
            sums.rows = 1.0;
            self.gradients[row] = sums;
        }
    }

    fn grow(&mut self, columns: &Columns, rows: &mut [u32]) -> StoredStepTree {
        let mut nodes: Vec<(u16, f32, u16)> = vec![(0, 0.0, 0)];
        let mut open = vec![self.root(columns, rows)];
        let mut closed: Vec<Open<S, H>> = Vec::new();
        while open.len() + closed.len() < self.parameters.leaves {
            let gain =
                |open: &Open<S, H>| open.search.as_ref().map_or(0.0, |(_, split)| split.gain);
            let best = (0..open.len())
                .max_by(|a, b| gain(&open[*a]).total_cmp(&gain(&open[*b])).then(b.cmp(a)));
            let Some(mut parent) = best.map(|at| open.remove(at)) else { break };
            let Some((histogram, split)) = parent.search.take() else {
                closed.push(parent);
                continue;
            };
            let column = self.binned.column(split.feature);
            let middle = parent.rows.start
                + partition(&mut rows[parent.rows.clone()], |row| {
                    usize::from(column[row as usize]) <= split.bin
                });
            let left = nodes.len();
            let cut = self.binned.cut(split.feature, split.bin);
            nodes[parent.node] = (split.feature as u16, cut, left as u16);
            nodes.extend([(0, 0.0, left as u16), (0, 0.0, left as u16 + 1)]);
            let mut children = self.children(rows, &parent, middle, left);
            // The last two stay leaves.
            if open.len() + closed.len() + 2 < self.parameters.leaves {
                self.search(columns, rows, histogram, &mut children);
            } else {
                self.put_away(columns, histogram);
            }
            open.extend(children);
        }
        closed.append(&mut open);
        closed.sort_unstable_by_key(|open| open.node);
        let leaves = closed.iter().map(|open| self.leaf(&rows[open.rows.clone()])).collect();
        for (histogram, _) in closed.into_iter().filter_map(|open| open.search) {
            self.put_away(columns, histogram);
        }
        StoredStepTree { nodes, leaves }
    }

    fn root(&mut self, columns: &Columns, rows: &[u32]) -> Open<S, H> {
        let gathered = self.gather(rows);
        let total = Sums::of(&gathered);
        let mut open = Open { node: 0, rows: 0..rows.len(), total, search: None };
        if self.can_be_split(&open) {
            let mut histogram = self.spare.pop().unwrap_or_default();
            histogram.fill(columns, self.binned, rows, &gathered, &total);
            self.keep(columns, histogram, &mut open);
        }
        open
    }

    /// The children of a node whose rows from `middle` on went right, the smaller one first. Only the
    /// smaller one's rows are summed; the other gets the rest of the parent's sums.
    fn children(
        &self,
        rows: &[u32],
        parent: &Open<S, H>,
        middle: usize,
        left: usize,
    ) -> [Open<S, H>; 2] {
        let sides = [parent.rows.start..middle, middle..parent.rows.end];
        let small = usize::from(sides[0].len() > sides[1].len());
        let gradients = rows[sides[small].clone()].iter().map(|row| &self.gradients[*row as usize]);
        let [mut larger, smaller] = [parent.total, Sums::of(gradients)];
        larger.subtract(&smaller);
        let open = |side: usize, total| Open {
            node: left + side,
            rows: sides[side].clone(),
            total,
            search: None,
        };
        [open(small, smaller), open(1 - small, larger)]
    }

    /// Searches the splits of two children; `histogram` is their parent's.
    fn search(
        &mut self,
        columns: &Columns,
        rows: &[u32],
        mut histogram: Histogram<S, H>,
        [smaller, larger]: &mut [Open<S, H>; 2],
    ) {
        if !self.can_be_split(larger) {
            return self.put_away(columns, histogram);
        }
        let rows = &rows[smaller.rows.clone()];
        let mut small = self.spare.pop().unwrap_or_default();
        small.fill(columns, self.binned, rows, &self.gather(rows), &smaller.total);
        histogram.subtract(columns, &small);
        self.keep(columns, histogram, larger);
        if self.can_be_split(smaller) {
            self.keep(columns, small, smaller);
        } else {
            self.put_away(columns, small);
        }
    }

    fn can_be_split(&self, open: &Open<S, H>) -> bool {
        open.rows.len() >= 2 * self.parameters.rows_per_leaf.max(1)
    }

    /// The rows' sums side by side: every feature reads them.
    fn gather(&self, rows: &[u32]) -> Vec<Sums<S, H>> {
        rows.iter().map(|row| self.gradients[*row as usize]).collect()
    }

    /// Keeps a node's histogram if it has a split.
    fn keep(&mut self, columns: &Columns, histogram: Histogram<S, H>, open: &mut Open<S, H>) {
        let least = self.parameters.rows_per_leaf.max(1) as f32;
        match histogram.best(columns, &open.total, least, self.parameters.ridge as f32) {
            Some(split) => open.search = Some((histogram, split)),
            None => self.put_away(columns, histogram),
        }
    }

    /// Puts a histogram away for another node: emptying it takes less time than a new one.
    fn put_away(&mut self, columns: &Columns, mut histogram: Histogram<S, H>) {
        histogram.clear(columns);
        self.spare.push(histogram);
    }

    /// The rows of a leaf, and its shortened Newton step for every class.
    fn leaf(&self, rows: &[u32]) -> (f32, Vec<f32>) {
        let classes = self.data.classes;
        let mut slopes = vec![0.0f64; classes];
        let mut curvatures = vec![0.0f64; classes];
        for row in rows {
            let row = *row as usize;
            let weight = self.data.weight(row);
            let label = usize::from(self.data.labels[row]);
            let shares = &self.probabilities[row * classes..(row + 1) * classes];
            for (class, share) in shares.iter().enumerate() {
                let share = f64::from(*share);
                slopes[class] += (share - f64::from(u8::from(class == label))) * weight;
                curvatures[class] += share * (1.0 - share) * weight;
            }
        }
        // The classes' margins are one too many, which would make steps too long.
        let factor = (classes as f64 - 1.0) / classes as f64;
        let steps = slopes.iter().zip(&curvatures).map(|(slope, curvature)| {
            let step = -factor * slope / (curvature + self.parameters.ridge);
            (step.clamp(-LONGEST_STEP, LONGEST_STEP) * self.parameters.step) as f32
        });
        (rows.len() as f32, steps.collect())
    }

    /// Adds a tree's steps to the margins of all its rows.
    fn add(&mut self, tree: &StoredStepTree) {
        let classes = self.data.classes;
        let mut leaves = tree.leaves.iter();
        let nodes: Vec<(&[u8], usize, usize, &[f32])> = tree
            .nodes
            .iter()
            .enumerate()
            .map(|(at, (feature, cut, left))| {
                let (feature, left) = (usize::from(*feature), usize::from(*left));
                let column = self.binned.column(feature);
                match left == at {
                    true => (column, 0, left, leaves.next().map_or(&[][..], |leaf| &leaf.1)),
                    false => (column, self.binned.bin_of_cut(feature, *cut), left, &[][..]),
                }
            })
            .collect();
        let known = self.known.iter().map(|row| *row as usize);
        for row in known.chain(self.judged.iter().copied()) {
            let mut at = 0;
            let steps = loop {
                let (column, bin, left, steps) = nodes[at];
                if left == at {
                    break steps;
                }
                at = left + usize::from(usize::from(column[row]) > bin);
            };
            let margins = &mut self.margins[row * classes..(row + 1) * classes];
            for (margin, step) in margins.iter_mut().zip(steps) {
                *margin += step;
            }
        }
    }
}

/// Writes the distributions of a fold's judged rows by the mean margins of its models; returns their loss.
fn judge<const S: usize, const H: usize>(
    models: &[std::sync::MutexGuard<'_, Booster<'_, S, H>>],
    probabilities: &mut [f32],
) -> f64 {
    let Some(first) = models.first() else { return 0.0 };
    let (data, classes) = (first.data, first.data.classes);
    let mut loss = 0.0;
    for row in &first.judged {
        let part = row * classes..(row + 1) * classes;
        let shares = &mut probabilities[part.clone()];
        for model in models {
            for (share, margin) in shares.iter_mut().zip(&model.margins[part.clone()]) {
                *share += margin / models.len() as f32;
            }
        }
        softmax(shares);
        let share = f64::from(shares[usize::from(data.labels[*row])]);
        loss -= data.weight(*row) * share.max(1e-9).ln();
    }
    loss
}

/// Moves the rows that go left to the front and keeps the order of both; returns how many.
fn partition(rows: &mut [u32], goes_left: impl Fn(u32) -> bool) -> usize {
    let mut right = Vec::with_capacity(rows.len());
    let mut left = 0;
    for at in 0..rows.len() {
        if goes_left(rows[at]) {
            rows[left] = rows[at];
            left += 1;
        } else {
            right.push(rows[at]);
        }
    }
    rows[left..].copy_from_slice(&right);
    left
}

#[cfg(test)]
mod tests {
    use super::super::train::tests::overlapping;
    use super::*;
    use crate::domain::Quiet;

    fn small() -> Boosting {
        Boosting { rounds: 60, leaves: 8, ..Boosting::default() }
    }

    fn data<'a>(rows: &'a [f32], labels: &'a [u16], classes: usize) -> Labelled<'a> {
        Labelled { rows, features: 5, labels, classes, weights: &[] }
    }

    #[test]
    fn the_same_seed_gives_the_same_trees_on_any_number_of_threads() {
        let (rows, labels) = overlapping(500, 1);
        let data = data(&rows, &labels, 3);
        let one = cross(&data, &[], &small(), 7, 1, &Quiet).unwrap();
        assert!(one == cross(&data, &[], &small(), 7, 3, &Quiet).unwrap());
        let trees = |seed| boost(&data, 20, &small(), seed, &Quiet).unwrap();
        assert!(trees(7) == trees(7) && trees(7) != trees(8));
    }

    #[test]
    fn boosting_learns_and_its_unseen_predictions_are_honest() {
        let (rows, mut labels) = overlapping(1_500, 2);
        let loss = |crossed: &Crossed, labels: &[u16], classes: usize| {
            let of = |(row, label): (&[f32], &u16)| -f64::from(row[usize::from(*label)]).ln();
            crossed.probabilities.chunks(classes).zip(labels).map(of).sum::<f64>()
                / labels.len() as f64
        };
        let crossed = cross(&data(&rows, &labels, 3), &[], &small(), 1, 2, &Quiet).unwrap();
        assert_eq!(crossed.judged.len(), 1_500);
        let right = crossed
            .probabilities
            .chunks(3)
            .zip(&labels)
            .filter(|(row, label)| row.iter().all(|share| *share <= row[usize::from(**label)]));
        assert!(right.count() > 1_200);
        assert!(loss(&crossed, &labels, 3) < 0.45, "{}", loss(&crossed, &labels, 3));
        // Labels that nothing predicts can be memorized, but are not known to trees that did not see them.
        let mut random = fastrand::Rng::with_seed(5);
        labels.iter_mut().for_each(|label| *label = random.u16(..2));
        let crossed = cross(&data(&rows, &labels, 2), &[], &small(), 1, 2, &Quiet).unwrap();
        assert!(loss(&crossed, &labels, 2) > 0.68, "{}", loss(&crossed, &labels, 2));
    }

    #[test]
    fn compiled_trees_give_the_margins_they_were_grown_with() {
        let (rows, labels) = overlapping(400, 3);
        let data = data(&rows, &labels, 3);
        let forest = boost(&data, 15, &small(), 3, &Quiet).unwrap().compile().unwrap();
        let binned = Binned::new(&data);
        let parameters = small();
        let mut margins = vec![0.0f32; 400 * 3];
        for model in 0..SEVERAL_MODELS {
            let seed = seed_of(3, model);
            let mut booster = Booster::<'_, 4, 4>::new(
                &data,
                &binned,
                &parameters,
                (0..400).collect(),
                Vec::new(),
                seed,
            );
            (0..15).for_each(|_| booster.round());
            let parts = booster.margins.iter().map(|margin| margin / SEVERAL_MODELS as f32);
            margins.iter_mut().zip(parts).for_each(|(margin, part)| *margin += part);
        }
        let mut predicted = Vec::new();
        forest.predict(&rows, &mut predicted);
        for (margins, predicted) in margins.chunks_mut(3).zip(predicted.chunks(3)) {
            softmax(margins);
            for (margin, predicted) in margins.iter().zip(predicted) {
                assert!((margin - predicted).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn a_class_of_five_rows_is_found_among_ten_others() {
        // Ten classes by one feature, and an eleventh by another.
        let mut random = fastrand::Rng::with_seed(3);
        let (mut rows, mut labels) = (Vec::new(), Vec::new());
        for at in 0..505u16 {
            let (class, is_rare) = (random.u16(..10), at >= 500);
            rows.extend([f32::from(class), if is_rare { 2.0 } else { random.f32() }]);
            rows.extend([random.f32(), random.f32(), random.f32()]);
            labels.push(if is_rare { 10 } else { class });
        }
        let data = data(&rows, &labels, 11);
        assert_eq!(searched_classes(&data), Some(11));
        let share = |steps: StoredSteps| {
            let mut shares = Vec::new();
            steps.compile().unwrap().predict(&rows[500 * 5..], &mut shares);
            shares.chunks(11).map(|shares| shares[10]).sum::<f32>() / 5.0
        };
        let every = share(boost(&data, 60, &small(), 1, &Quiet).unwrap());
        let projected = share(boost_on::<LANES, 1>(&data, 60, &small(), 1, &Quiet).unwrap());
        assert!(every > 0.4 && projected > 0.4, "{every} {projected}");
    }

    #[test]
    fn trees_of_few_rows_are_small() {
        let fitting = Boosting::default().fitting(1_000);
        assert_eq!((fitting.leaves, fitting.features), (16, 0.3));
        assert!(Boosting::default().fitting(8_000) == Boosting::default());
    }

    #[test]
    fn rows_of_one_record_share_a_fold() {
        // Labels belong to records, each with five similar rows, so only a leak could predict them.
        let mut random = fastrand::Rng::with_seed(9);
        let records: Vec<([f32; 5], u16)> =
            (0..120).map(|_| (std::array::from_fn(|_| random.f32()), random.u16(..2))).collect();
        let (mut rows, mut labels, mut groups) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (row, label)) in records.iter().enumerate() {
            for _ in 0..5 {
                rows.extend(row);
                labels.push(*label);
                groups.push(at as u32);
            }
        }
        let right = |groups: &[u32]| {
            let crossed = cross(&data(&rows, &labels, 2), groups, &small(), 1, 2, &Quiet).unwrap();
            let shares = crossed.probabilities.chunks(2).zip(&labels);
            shares.filter(|(row, label)| row[usize::from(**label)] > 0.5).count()
        };
        assert!(right(&[]) > 500 && right(&groups) < 420, "{} {}", right(&[]), right(&groups));
    }
}
