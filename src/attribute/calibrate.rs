//! Calibration: maps the trees' votes to probabilities.
//!
//! A forest's shares are scores, not probabilities. Several mappings are fitted to shares of rows that
//! the trees did not see, and compared by cross-validated log loss; the best is kept:
//!
//! * temperature scaling, one number (Guo et al., "On calibration of modern neural networks",
//!   ICML 2017), on the logarithms of the shares;
//! * Platt scaling, one against the rest, two numbers a reason (Platt 1999, with the targets and
//!   the Newton method of Lin, Lin and Weng, "A note on Platt's probabilistic outputs", 2007);
//! * isotonic regression, one against the rest, a monotone curve a reason (Zadrozny and Elkan,
//!   "Transforming classifier scores into accurate multiclass probability estimates", KDD 2002);
//! * beta calibration, one against the rest, three numbers a reason (Kull, Silva Filho and Flach, "Beta
//!   calibration", AISTATS 2017);
//! * vector scaling, a slope and one offset a reason, on the logarithms of the shares (Guo et al.).
//!
//! Those against the rest are normalized to add up to 1.

use serde::{Deserialize, Serialize};

use crate::diagnostic::{Code, Problem};

const FOLDS: usize = 5;
/// Maximum rows for the comparison; the winner is fitted to all.
const MAX_COMPARED: usize = 10_000;
/// Added to shares before taking logarithms: a tenth of one vote of a hundred trees.
const SMOOTHING: f64 = 1e-3;
/// The smallest share that beta calibration and vector scaling tell from 0.
const LEAST_SHARE: f64 = 1e-6;
/// Slope of an isotonic block, as a share of its probability's variance.
const TILT: f32 = 0.01;
/// Strength of vector scaling's pull to the shares, in rows.
const HOLD: f64 = 5.0;

/// A fitted mapping from shares to probabilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Calibration {
    /// Shares to the power of `1 / temperature`, normalized.
    Temperature {
        /// Above 1 lowers confidence, below 1 raises it.
        temperature: f64,
    },
    /// For each reason, `1 / (1 + exp(-(slope × logit + offset)))`.
    Platt {
        /// Slope and offset of each reason.
        lines: Vec<(f64, f64)>,
    },
    /// For each reason, straight lines between points.
    Isotonic {
        /// Share and probability, both ascending.
        curves: Vec<Vec<(f32, f32)>>,
    },
    /// For each reason, `1 / (1 + exp(-(a × ln share − b × ln(1 − share) + c)))`.
    Beta {
        /// `a`, `b` and `c` of each reason; neither `a` nor `b` is negative.
        curves: Vec<(f64, f64, f64)>,
    },
    /// The softmax of `slope × ln share + offset`.
    Vector { slope: f64, offsets: Vec<f64> },
}

/// The chosen calibration and the comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// The one with the lowest log loss, fitted to all rows.
    pub calibration: Calibration,
    /// Name and cross-validated log loss of every candidate.
    pub compared: Vec<(&'static str, f64)>,
}

#[derive(Clone, Copy)]
enum Method {
    Temperature,
    Platt,
    Isotonic,
    Beta,
    Vector,
}

impl Method {
    const fn of(calibration: &Calibration) -> Self {
        match calibration {
            Calibration::Temperature { .. } => Self::Temperature,
            Calibration::Platt { .. } => Self::Platt,
            Calibration::Isotonic { .. } => Self::Isotonic,
            Calibration::Beta { .. } => Self::Beta,
            Calibration::Vector { .. } => Self::Vector,
        }
    }

    const ALL: [Self; 5] =
        [Self::Temperature, Self::Platt, Self::Isotonic, Self::Beta, Self::Vector];

    const fn name(self) -> &'static str {
        match self {
            Self::Temperature => "temperature",
            Self::Platt => "platt",
            Self::Isotonic => "isotonic",
            Self::Beta => "beta",
            Self::Vector => "vector",
        }
    }

    fn fit(self, data: &Shares<'_>, rows: &[usize]) -> Calibration {
        match self {
            Self::Temperature => Calibration::Temperature { temperature: temperature(data, rows) },
            Self::Platt => Calibration::Platt {
                lines: (0..data.classes).map(|class| platt(data, rows, class)).collect(),
            },
            Self::Isotonic => Calibration::Isotonic {
                curves: (0..data.classes).map(|class| isotonic(data, rows, class)).collect(),
            },
            Self::Beta => Calibration::Beta {
                curves: (0..data.classes).map(|class| beta(data, rows, class)).collect(),
            },
            Self::Vector => vector(data, rows),
        }
    }
}

struct Shares<'a> {
    shares: &'a [f32],
    labels: &'a [u16],
    classes: usize,
}

impl<'a> Shares<'a> {
    fn row(&self, at: usize) -> &'a [f32] {
        &self.shares[at * self.classes..(at + 1) * self.classes]
    }

    fn log_loss(&self, calibration: &Calibration, rows: &[usize]) -> f64 {
        let mut out = vec![0.0; self.classes];
        let sum: f64 = rows
            .iter()
            .map(|row| {
                calibration.apply(self.row(*row), &mut out);
                -f64::from(out[usize::from(self.labels[*row])]).max(1e-12).ln()
            })
            .sum();
        sum / rows.len().max(1) as f64
    }
}

/// Compares the methods on `rows` (the rows that have out-of-bag shares) and fits the best.
///
/// # Errors
/// `calibration-too-few` when there are fewer rows than folds.
pub fn choose(
    shares: &[f32],
    labels: &[u16],
    classes: usize,
    rows: &[usize],
    seed: u64,
) -> Result<Chosen, Problem> {
    if rows.len() < FOLDS * 2 {
        return Err(Problem::new(
            Code::CalibrationTooFew,
            format!(
                "{} labelled differences are too few to calibrate on: {} are needed",
                rows.len(),
                FOLDS * 2
            ),
        ));
    }
    let data = Shares { shares, labels, classes };
    let mut shuffled = rows.to_vec();
    fastrand::Rng::with_seed(seed).shuffle(&mut shuffled);
    shuffled.truncate(MAX_COMPARED);
    let fold_of = |fold: usize, inside: bool| -> Vec<usize> {
        let kept = |(at, _): &(usize, &usize)| (at % FOLDS == fold) == inside;
        shuffled.iter().enumerate().filter(kept).map(|(_, row)| *row).collect()
    };
    let compared: Vec<(Method, f64)> = Method::ALL
        .into_iter()
        .map(|method| {
            let losses = (0..FOLDS).map(|fold| {
                data.log_loss(&method.fit(&data, &fold_of(fold, false)), &fold_of(fold, true))
            });
            (method, losses.sum::<f64>() / FOLDS as f64)
        })
        .collect();
    let best = compared.iter().min_by(|left, right| left.1.total_cmp(&right.1));
    let method = best.map_or(Method::Temperature, |(method, _)| *method);
    Ok(Chosen {
        calibration: method.fit(&data, rows),
        compared: compared.into_iter().map(|(method, loss)| (method.name(), loss)).collect(),
    })
}

/// The probabilities of `rows`, each from a calibration of the same method fitted without the row's
/// fold, so that no row influences its own confidence. Acceptance and evaluation use these.
pub fn out_of_fold(
    calibration: &Calibration,
    shares: &[f32],
    labels: &[u16],
    classes: usize,
    rows: &[usize],
    seed: u64,
) -> Vec<f32> {
    let data = Shares { shares, labels, classes };
    let mut order: Vec<usize> = (0..rows.len()).collect();
    fastrand::Rng::with_seed(seed).shuffle(&mut order);
    let mut probabilities = vec![0.0; rows.len() * classes];
    for fold in 0..FOLDS {
        let others = order.iter().enumerate().filter(|(at, _)| at % FOLDS != fold);
        let others: Vec<usize> = others.map(|(_, at)| rows[*at]).collect();
        let fitted = Method::of(calibration).fit(&data, &others);
        for at in order.iter().skip(fold).step_by(FOLDS) {
            fitted.apply(data.row(rows[*at]), &mut probabilities[at * classes..(at + 1) * classes]);
        }
    }
    probabilities
}

impl Calibration {
    /// Its name, such as `isotonic`.
    pub const fn name(&self) -> &'static str {
        Method::of(self).name()
    }

    /// Whether there is a finite curve for each of `classes` reasons.
    pub fn fits(&self, classes: usize) -> bool {
        match self {
            Self::Temperature { temperature } => temperature.is_finite() && *temperature > 0.0,
            Self::Platt { lines } => {
                lines.len() == classes && lines.iter().all(|(a, b)| a.is_finite() && b.is_finite())
            }
            Self::Isotonic { curves } => {
                curves.len() == classes
                    && curves.iter().flatten().all(|(x, y)| x.is_finite() && *y > 0.0 && *y <= 1.0)
                    && curves.iter().all(|curve| !curve.is_empty())
            }
            Self::Beta { curves } => {
                let is_finite = |(a, b, c): &(f64, f64, f64)| (a + b + c).is_finite();
                curves.len() == classes && curves.iter().all(is_finite)
            }
            Self::Vector { slope, offsets } => {
                offsets.len() == classes && offsets.iter().chain([slope]).all(|one| one.is_finite())
            }
        }
    }

    /// The probabilities of one row's shares.
    pub fn apply(&self, shares: &[f32], out: &mut [f32]) {
        if let Self::Vector { slope, offsets } = self {
            scaled(shares, *slope, offsets, out);
            return;
        }
        for (class, (share, out)) in shares.iter().zip(out.iter_mut()).enumerate() {
            *out = match self {
                Self::Temperature { temperature } => {
                    ((f64::from(*share) + SMOOTHING).ln() / temperature).exp() as f32
                }
                Self::Platt { lines } => {
                    let (slope, offset) = lines.get(class).copied().unwrap_or((1.0, 0.0));
                    sigmoid(slope * logit(*share) + offset).max(1e-9) as f32
                }
                Self::Isotonic { curves } => {
                    curves.get(class).map_or(*share, |curve| on_curve(curve, *share))
                }
                Self::Beta { curves } => {
                    let (a, b, c) = curves.get(class).copied().unwrap_or((1.0, 1.0, 0.0));
                    let (yes, no) = logarithms(*share);
                    sigmoid(a * yes - b * no + c).max(1e-9) as f32
                }
                Self::Vector { .. } => *share,
            };
        }
        let sum: f32 = out.iter().sum();
        let even = 1.0 / shares.len().max(1) as f32;
        for out in out {
            *out = if sum > 0.0 { *out / sum } else { even };
        }
    }
}

fn logit(share: f32) -> f64 {
    let share = f64::from(share);
    ((share + SMOOTHING) / (1.0 - share + SMOOTHING)).ln()
}

fn sigmoid(value: f64) -> f64 {
    1.0 / (1.0 + (-value).exp())
}

fn on_curve(curve: &[(f32, f32)], share: f32) -> f32 {
    let after = curve.partition_point(|(x, _)| *x <= share);
    match (after.checked_sub(1).and_then(|at| curve.get(at)), curve.get(after)) {
        (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * (share - x0) / (x1 - x0),
        (Some((_, y)), None) | (None, Some((_, y))) => *y,
        (None, None) => share,
    }
}

/// The temperature of least log loss, by golden-section search over its logarithm.
fn temperature(data: &Shares<'_>, rows: &[usize]) -> f64 {
    let loss = |ln: f64| data.log_loss(&Calibration::Temperature { temperature: ln.exp() }, rows);
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (0.05f64.ln(), 20f64.ln());
    let (mut left, mut right) = (high - golden * (high - low), low + golden * (high - low));
    let (mut at_left, mut at_right) = (loss(left), loss(right));
    for _ in 0..24 {
        if at_left <= at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - golden * (high - low);
            at_left = loss(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + golden * (high - low);
            at_right = loss(right);
        }
    }
    f64::midpoint(low, high).exp()
}

/// Slope and offset of one reason against the rest: Newton's method with step halving.
fn platt(data: &Shares<'_>, rows: &[usize], class: usize) -> (f64, f64) {
    let is = |row: usize| usize::from(data.labels[row]) == class;
    let positive = rows.iter().filter(|row| is(**row)).count() as f64;
    let negative = rows.len() as f64 - positive;
    let (high, low) = ((positive + 1.0) / (positive + 2.0), 1.0 / (negative + 2.0));
    let points: Vec<(f64, f64)> = rows
        .iter()
        .map(|row| (logit(data.row(*row)[class]), if is(*row) { high } else { low }))
        .collect();
    let loss = |slope: f64, offset: f64| -> f64 {
        points
            .iter()
            .map(|(x, target)| {
                let z = slope * x + offset;
                // ln(1 + e^z) without overflow.
                z.max(0.0) + (-z.abs()).exp().ln_1p() - target * z
            })
            .sum()
    };
    let (mut slope, mut offset) =
        (1.0, ((positive + 1.0) / (negative + 1.0)).ln().clamp(-5.0, 5.0) * 0.1);
    let mut current = loss(slope, offset);
    for _ in 0..50 {
        let (mut g0, mut g1, mut h00, mut h01, mut h11) = (0.0, 0.0, 1e-9, 0.0, 1e-9);
        for (x, target) in &points {
            let p = sigmoid(slope * x + offset);
            let weight = p * (1.0 - p);
            g0 += (p - target) * x;
            g1 += p - target;
            h00 += weight * x * x;
            h01 += weight * x;
            h11 += weight;
        }
        let determinant = h00 * h11 - h01 * h01;
        if (g0.abs() < 1e-6 && g1.abs() < 1e-6) || determinant <= 0.0 {
            break;
        }
        let step = ((h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant);
        let mut scale = 1.0;
        let next = loop {
            let candidate = (slope - scale * step.0, offset - scale * step.1);
            let at = loss(candidate.0, candidate.1);
            if at < current {
                break Some((candidate, at));
            }
            scale /= 2.0;
            if scale < 1e-8 {
                break None;
            }
        };
        let Some(((next_slope, next_offset), at)) = next else { break };
        let gained = current - at;
        (slope, offset, current) = (next_slope, next_offset, at);
        if gained < 1e-9 * rows.len() as f64 {
            break;
        }
    }
    if slope > 0.0 {
        return (slope, offset);
    }
    // If nothing distinguishes the reasons, a row's own label is missing from the trees that judge
    // it, so out-of-bag votes are anticorrelated with the truth. Fresh rows have no such bias, so
    // more votes must never lower the probability.
    let share = (positive + 1.0) / (positive + negative + 2.0);
    (0.0, (share / (1.0 - share)).ln())
}

/// The logarithms of a share and of the rest.
fn logarithms(share: f32) -> (f64, f64) {
    let share = f64::from(share).clamp(LEAST_SHARE, 1.0 - LEAST_SHARE);
    (share.ln(), (1.0 - share).ln())
}

fn scaled(shares: &[f32], slope: f64, offsets: &[f64], out: &mut [f32]) {
    let margins: Vec<f64> = shares
        .iter()
        .zip(offsets)
        .map(|(share, offset)| slope * f64::from(*share).max(LEAST_SHARE).ln() + offset)
        .collect();
    let most = margins.iter().copied().fold(f64::MIN, f64::max);
    let sum: f64 = margins.iter().map(|margin| (margin - most).exp()).sum();
    for (margin, out) in margins.iter().zip(out) {
        *out = ((margin - most).exp() / sum) as f32;
    }
}

/// Loss, gradient and curvature (row by row of the matrix) at a point.
type Slopes = (f64, Vec<f64>, Vec<f64>);

/// The lowest point of a convex loss: Newton's method with step halving.
fn lowest(mut at: Vec<f64>, loss: impl Fn(&[f64]) -> Slopes) -> Vec<f64> {
    let mut now = loss(&at);
    for _ in 0..30 {
        let Some(step) = solved(now.2.clone(), now.1.clone()) else { break };
        let mut scale = 1.0;
        let next = loop {
            let candidate: Vec<f64> =
                at.iter().zip(&step).map(|(at, step)| at - scale * step).collect();
            let slopes = loss(&candidate);
            if slopes.0 < now.0 {
                break Some((candidate, slopes));
            }
            scale /= 2.0;
            if scale < 1e-6 {
                break None;
            }
        };
        let Some((candidate, slopes)) = next else { break };
        let gained = now.0 - slopes.0;
        (at, now) = (candidate, slopes);
        if gained < 1e-6 * (1.0 + now.0.abs()) {
            break;
        }
    }
    at
}

/// Solves a positive definite system by Gaussian elimination.
fn solved(mut matrix: Vec<f64>, mut right: Vec<f64>) -> Option<Vec<f64>> {
    let size = right.len();
    for at in 0..size {
        let pivot = matrix[at * size + at];
        if pivot <= 1e-12 || !pivot.is_finite() {
            return None;
        }
        for row in at + 1..size {
            let factor = matrix[row * size + at] / pivot;
            for column in at..size {
                matrix[row * size + column] -= factor * matrix[at * size + column];
            }
            right[row] -= factor * right[at];
        }
    }
    for at in (0..size).rev() {
        let known: f64 = (at + 1..size).map(|other| matrix[at * size + other] * right[other]).sum();
        right[at] = (right[at] - known) / matrix[at * size + at];
    }
    Some(right)
}

/// The three numbers of one reason against the rest. A slope that would be negative is 0, so that more
/// votes never make a reason less likely.
fn beta(data: &Shares<'_>, rows: &[usize], class: usize) -> (f64, f64, f64) {
    let points: Vec<([f64; 3], f64)> = rows
        .iter()
        .map(|row| {
            let (yes, no) = logarithms(data.row(*row)[class]);
            ([yes, -no, 1.0], f64::from(u8::from(usize::from(data.labels[*row]) == class)))
        })
        .collect();
    let fit = |used: &[usize]| {
        lowest(vec![0.0; used.len()], |at| {
            let size = used.len();
            let mut slopes = (0.0, vec![0.0; size], vec![0.0; size * size]);
            // A weak prior keeps separable reasons finite.
            for (index, value) in at.iter().enumerate() {
                slopes.0 += 0.005 * value * value;
                slopes.1[index] += 0.01 * value;
                slopes.2[index * size + index] += 0.01;
            }
            for (terms, target) in &points {
                let z: f64 = used.iter().zip(at).map(|(term, value)| terms[*term] * value).sum();
                let p = sigmoid(z);
                slopes.0 += z.max(0.0) + (-z.abs()).exp().ln_1p() - target * z;
                for (left, term) in used.iter().enumerate() {
                    slopes.1[left] += (p - target) * terms[*term];
                    for (right, other) in used.iter().enumerate() {
                        slopes.2[left * size + right] +=
                            p * (1.0 - p) * terms[*term] * terms[*other];
                    }
                }
            }
            slopes
        })
    };
    let whole = fit(&[0, 1, 2]);
    if whole[0] >= 0.0 && whole[1] >= 0.0 {
        return (whole[0], whole[1], whole[2]);
    }
    let kept = usize::from(whole[0] < 0.0);
    let half = fit(&[kept, 2]);
    match (half[0] >= 0.0, kept) {
        (true, 0) => (half[0], 0.0, half[1]),
        (true, _) => (0.0, half[0], half[1]),
        (false, _) => (0.0, 0.0, fit(&[2])[0]),
    }
}

fn vector(data: &Shares<'_>, rows: &[usize]) -> Calibration {
    let size = data.classes + 1;
    let mut start = vec![0.0; size];
    start[0] = 1.0;
    let fitted = lowest(start, |at| {
        let mut slopes = (0.0, vec![0.0; size], vec![0.0; size * size]);
        for (index, value) in at.iter().enumerate() {
            let moved = value - f64::from(u8::from(index == 0));
            slopes.0 += 0.5 * HOLD * moved * moved;
            slopes.1[index] += HOLD * moved;
            slopes.2[index * size + index] += HOLD;
        }
        let mut out = vec![0.0; data.classes];
        for row in rows {
            let shares = data.row(*row);
            scaled(shares, at[0], &at[1..], &mut out);
            let label = usize::from(data.labels[*row]);
            slopes.0 -= f64::from(out[label]).max(1e-12).ln();
            let logs = |class: usize| f64::from(shares[class]).max(LEAST_SHARE).ln();
            let mean: f64 =
                out.iter().enumerate().map(|(class, p)| f64::from(*p) * logs(class)).sum();
            slopes.1[0] += mean - logs(label);
            for (class, p) in out.iter().enumerate() {
                let p = f64::from(*p);
                slopes.1[class + 1] += p - f64::from(u8::from(class == label));
                let mixed = p * (logs(class) - mean);
                slopes.2[0] += mixed * logs(class);
                slopes.2[class + 1] += mixed;
                slopes.2[(class + 1) * size] += mixed;
                for (other, q) in out.iter().enumerate() {
                    let own = f64::from(u8::from(class == other));
                    slopes.2[(class + 1) * size + other + 1] += p * (own - f64::from(*q));
                }
            }
        }
        slopes
    });
    // A slope of 0 or less would turn the order of the reasons around.
    if fitted[0] <= 0.0 {
        return Calibration::Vector { slope: 1.0, offsets: vec![0.0; data.classes] };
    }
    Calibration::Vector { slope: fitted[0], offsets: fitted[1..].to_vec() }
}

/// Pool-adjacent-violators. A block is nearly flat from its first share to its last, and lines join the blocks;
/// joining their middles instead would bend a wide block's values towards its neighbors. Entirely flat ones would
/// make hundreds of rows equally confident, which thresholds can only accept together.
fn isotonic(data: &Shares<'_>, rows: &[usize], class: usize) -> Vec<(f32, f32)> {
    struct Block {
        first: f32,
        last: f32,
        right: f64,
        count: f64,
    }
    let mut points: Vec<(f32, bool)> = rows
        .iter()
        .map(|row| (data.row(*row)[class], usize::from(data.labels[*row]) == class))
        .collect();
    points.sort_by(|left, right| left.0.total_cmp(&right.0));
    let mut blocks: Vec<Block> = Vec::new();
    for group in points.chunk_by(|left, right| left.0 == right.0) {
        let count = group.len() as f64;
        let right = group.iter().filter(|(_, right)| *right).count() as f64;
        blocks.push(Block { first: group[0].0, last: group[0].0, right, count });
        while let [.., before, last] = blocks.as_slice()
            && before.right * last.count >= last.right * before.count
        {
            let merged = Block {
                first: before.first,
                last: last.last,
                right: before.right + last.right,
                count: before.count + last.count,
            };
            blocks.truncate(blocks.len() - 2);
            blocks.push(merged);
        }
    }
    // A block that was always or never right has too little data for certainty: half a row of the
    // other kind is added to it.
    let mut curve: Vec<(f32, f32)> = Vec::with_capacity(blocks.len() * 2);
    let mut push = |share: f32, probability: f32| {
        let least = curve.last().map_or(0.0, |(_, before)| *before);
        curve.push((share, probability.max(least)));
    };
    for block in blocks {
        let sure = block.right == 0.0 || block.right == block.count;
        let more = f64::from(u8::from(sure));
        let probability = ((block.right + 0.5 * more) / (block.count + more)) as f32;
        if block.last > block.first {
            let tilt = TILT * probability * (1.0 - probability);
            push(block.first, probability - tilt);
            push(block.last, probability + tilt);
        } else {
            push(block.first, probability);
        }
    }
    curve
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::metrics::Evaluator;

    /// Shares with labels drawn from them after bending by `bend`.
    fn bent(count: usize, bend: fn(f64) -> f64, seed: u64) -> (Vec<f32>, Vec<u16>) {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut shares, mut labels) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let raw: [f64; 3] = std::array::from_fn(|_| random.f64().powi(3));
            let sum: f64 = raw.iter().sum();
            let raw = raw.map(|value| value / sum);
            let truth = raw.map(bend);
            let whole: f64 = truth.iter().sum();
            let mut at = random.f64() * whole;
            let label = truth
                .iter()
                .position(|p| {
                    at -= p;
                    at <= 0.0
                })
                .unwrap_or(2);
            shares.extend(raw.map(|value| value as f32));
            labels.push(label as u16);
        }
        (shares, labels)
    }

    fn ece(calibration: &Calibration, shares: &[f32], labels: &[u16]) -> f64 {
        let mut evaluator = Evaluator::new(&["A".into(), "B".into(), "C".into()]);
        let mut out = [0.0; 3];
        for (row, label) in shares.chunks(3).zip(labels) {
            calibration.apply(row, &mut out);
            assert!((out.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            evaluator.add(usize::from(*label), &out);
        }
        evaluator.finish(0).ece
    }

    #[test]
    fn miscalibrated_confidence_is_corrected_out_of_sample() {
        let bends: [fn(f64) -> f64; 3] = [|p| p.powi(2), f64::sqrt, |p| p + 0.2];
        for (at, bend) in bends.into_iter().enumerate() {
            let (shares, labels) = bent(6_000, bend, 1);
            let rows: Vec<usize> = (0..labels.len()).collect();
            let chosen = choose(&shares, &labels, 3, &rows, 0).unwrap();
            assert_eq!(chosen.compared.len(), 5);
            let kept = chosen.compared.iter().find(|(name, _)| *name == chosen.calibration.name());
            assert!(chosen.compared.iter().all(|(_, loss)| *loss >= kept.unwrap().1));
            let (fresh, truth) = bent(20_000, bend, 2);
            let raw = ece(&Calibration::Temperature { temperature: 1.0 }, &fresh, &truth);
            let straight = ece(&chosen.calibration, &fresh, &truth);
            assert!(straight < 0.02 && straight < raw, "bend {at}: {raw} -> {straight}");
        }
    }

    #[test]
    fn every_method_fits_a_known_distortion() {
        let (shares, labels) = bent(4_000, |p| p.powi(2), 3);
        let rows: Vec<usize> = (0..labels.len()).collect();
        let data = Shares { shares: &shares, labels: &labels, classes: 3 };
        // Squared and normalized is temperature one half.
        let fitted = temperature(&data, &rows);
        assert!((fitted - 0.5).abs() < 0.06, "{fitted}");
        for method in Method::ALL {
            let calibration = method.fit(&data, &rows);
            assert!(calibration.fits(3), "{}", calibration.name());
            let curve = isotonic(&data, &rows, 0);
            assert!(curve.is_sorted_by(|left, right| left.0 < right.0 && left.1 <= right.1));
        }
    }

    #[test]
    fn more_votes_never_make_a_reason_less_likely() {
        // Like out-of-bag votes for random labels: slightly against the row's own label.
        let mut random = fastrand::Rng::with_seed(8);
        let labels: Vec<u16> = (0..60).map(|at| at % 2).collect();
        let shares: Vec<f32> = labels
            .iter()
            .flat_map(|label| {
                let own = 0.35 + 0.2 * random.f32();
                if *label == 0 { [own, 1.0 - own] } else { [1.0 - own, own] }
            })
            .collect();
        let rows: Vec<usize> = (0..60).collect();
        let data = Shares { shares: &shares, labels: &labels, classes: 2 };
        for method in Method::ALL {
            let calibration = method.fit(&data, &rows);
            let (mut few, mut many) = ([0.0; 2], [0.0; 2]);
            calibration.apply(&[0.1, 0.9], &mut few);
            calibration.apply(&[0.9, 0.1], &mut many);
            assert!(many[0] >= few[0], "{}: {few:?} {many:?}", calibration.name());
        }
        let lines = Method::Platt.fit(&data, &rows);
        let mut out = [0.0; 2];
        lines.apply(&[0.9, 0.1], &mut out);
        assert!((out[0] - 0.5).abs() < 0.02, "{out:?}");
    }

    #[test]
    fn no_row_influences_its_own_confidence() {
        // Unpredictable labels: a fit that saw them looks better than it is.
        let (shares, _) = bent(400, |p| p, 5);
        let mut random = fastrand::Rng::with_seed(6);
        let labels: Vec<u16> = (0..400).map(|_| random.u16(..3)).collect();
        let rows: Vec<usize> = (0..400).collect();
        let data = Shares { shares: &shares, labels: &labels, classes: 3 };
        let seen = Method::Isotonic.fit(&data, &rows);
        let honest = out_of_fold(&seen, &shares, &labels, 3, &rows, 0);
        let loss: f64 = honest
            .chunks(3)
            .zip(&labels)
            .map(|(row, label)| -f64::from(row[usize::from(*label)]).ln() / 400.0)
            .sum();
        assert!(honest.chunks(3).all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-5));
        assert!(loss > data.log_loss(&seen, &rows) && loss > 3f64.ln() - 0.01, "{loss}");
    }

    #[test]
    fn a_reason_that_never_occurs_does_no_harm() {
        let (shares, mut labels) = bent(500, |p| p, 4);
        labels.iter_mut().for_each(|label| *label = (*label).min(1));
        let rows: Vec<usize> = (0..labels.len()).collect();
        let chosen = choose(&shares, &labels, 3, &rows, 0).unwrap();
        assert!(chosen.calibration.fits(3));
        assert!(chosen.compared.iter().all(|(_, loss)| loss.is_finite()));
        assert_eq!(
            choose(&shares, &labels, 3, &rows[..9], 0).unwrap_err().code,
            Code::CalibrationTooFew
        );
    }
}
