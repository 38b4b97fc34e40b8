//! Drift: whether recent differences still resemble the training data.
//!
//! * The population stability index of every feature (Siddiqi, "Credit risk scorecards", 2006:
//!   below 0.1 stable, above 0.25 a shift), over bins fixed by the training set.
//! * Kolmogorov–Smirnov for numbers, chi-square for flags and categories. With many rows every
//!   little change is significant, so a feature counts as drifted only if the index is large
//!   enough to matter and the test, corrected for the number of features, rules out chance.
//! * Novelty: the surprise of a row, −ln of the training share of each feature's bin, summed
//!   (Goldstein and Dengel, "Histogram-based outlier score", 2012). A row more surprising than
//!   all but one in ten thousand training rows, or of an unseen field and kind, is UNKNOWN,
//!   whatever the forest says.

use serde::{Deserialize, Serialize};
use statrs::function::gamma::gamma_ur;

use super::features::{COUNT, DESCRIBED, Scale, WITHOUT_MATCH, catalogue, is_of_the_run};
use super::risk::{lower_bound, upper_bound};

/// Bins of a number's inner range.
const BINS: usize = 10;
/// Quantiles of a number kept for the Kolmogorov–Smirnov test.
const QUANTILES: usize = 512;
/// Maximum number of distinguished values of a category.
const MAX_CATEGORIES: usize = 64;
/// The share of training rows that may be as surprising as a novel one. Such rows are rare, but not unknown: with one in
/// a thousand, the model was right about all that overlapping causes made novel, and saying nothing cost accuracy.
const NOVEL_SHARE: f64 = 0.0001;
/// Index above which a shift matters.
const PSI_MATTERS: f64 = 0.1;
/// Index above which a shift alone is a reason to retrain.
const PSI_SHIFTED: f64 = 0.25;
/// Probability that any feature is called drifted by chance.
const SIGNIFICANCE: f64 = 0.01;
/// Share of novel differences that is a reason to retrain.
const NOVEL_TOO_MANY: f64 = 0.05;

/// The training distribution of a feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Reference {
    /// Upper ends of the bins, ascending; the last is the largest value seen.
    Number { least: f32, ends: Vec<f32>, counts: Vec<u64>, quantiles: Vec<f32> },
    /// Values in ascending order with their counts; `rest` counts all others.
    Category { values: Vec<(f32, u64)>, rest: u64 },
}

/// The distribution of the training set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    rows: u64,
    features: Vec<Reference>,
    /// −ln of the share of each feature and bin, the terms of a row's novelty.
    surprises: Vec<Vec<f32>>,
    /// Rows more surprising than this are novel.
    novel_above: f64,
}

/// The change of one feature.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeatureDrift {
    pub name: &'static str,
    /// Population stability index.
    pub psi: f64,
    /// `kolmogorov_smirnov` or `chi_square`.
    pub test: &'static str,
    pub statistic: f64,
    /// The probability of such a statistic by chance.
    pub p_value: f64,
    /// The shift matters and is significant.
    pub drifted: bool,
}

/// How often later human decisions agree with the model's guesses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// Guesses on differences that users decided.
    pub decided: u64,
    /// Guesses they agreed with.
    pub agreed: u64,
    /// `agreed` ÷ `decided`.
    pub rate: f64,
    /// 95 % bounds of the rate (Clopper–Pearson).
    pub lower: f64,
    /// The upper one.
    pub upper: f64,
    /// The accuracy the model was promoted with.
    pub expected: f64,
    /// Whether the rate is significantly below the expected one.
    pub worse: bool,
}

impl Agreement {
    /// Compares agreements with the accuracy measured in training.
    pub fn of(decided: u64, agreed: u64, expected: f64) -> Self {
        let agreed = agreed.min(decided);
        let wrong = decided - agreed;
        let lower = if decided == 0 { 0.0 } else { 1.0 - upper_bound(wrong, decided, 0.025) };
        let upper = if decided == 0 { 1.0 } else { 1.0 - lower_bound(wrong, decided, 0.025) };
        let rate = agreed as f64 / decided.max(1) as f64;
        Self { decided, agreed, rate, lower, upper, expected, worse: upper < expected }
    }
}

/// Drift, and whether to retrain.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DriftReport {
    /// Recent differences inspected.
    pub recent: u64,
    /// Differences in the training set.
    pub trained_on: u64,
    /// Every feature, largest index first.
    pub features: Vec<FeatureDrift>,
    /// Recent differences unlike anything trained on.
    pub novel: u64,
    /// `novel` ÷ `recent`.
    pub novel_rate: f64,
    /// Agreement with users, if there were decisions.
    pub agreement: Option<Agreement>,
    pub retrain: bool,
    pub why: Vec<String>,
}

impl Reference {
    fn learn(scale: Scale, mut values: Vec<f32>) -> Self {
        values.sort_by(f32::total_cmp);
        if scale != Scale::Number {
            let mut groups: Vec<(f32, u64)> = values
                .chunk_by(|a, b| a == b)
                .map(|group| (group[0], group.len() as u64))
                .collect();
            groups.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.total_cmp(&b.0)));
            let rest = groups.iter().skip(MAX_CATEGORIES).map(|(_, count)| count).sum();
            groups.truncate(MAX_CATEGORIES);
            groups.sort_by(|a, b| a.0.total_cmp(&b.0));
            return Self::Category { values: groups, rest };
        }
        let at = |part: usize, parts: usize| values[(values.len() - 1) * part / parts.max(1)];
        let mut ends: Vec<f32> = (1..=BINS).map(|bin| at(bin, BINS)).collect();
        // Inapplicable values get their own bin, instead of the low end of a wide one.
        if values[0] == super::features::ABSENT {
            ends.insert(0, super::features::ABSENT);
        }
        ends.dedup();
        let mut counts = vec![0; ends.len()];
        for value in &values {
            counts[ends.partition_point(|end| end < value)] += 1;
        }
        let kept = QUANTILES.min(values.len());
        let quantiles = (0..kept).map(|part| at(part, kept - 1)).collect();
        Self::Number { least: values[0], ends, counts, quantiles }
    }

    fn bins(&self) -> usize {
        match self {
            Self::Number { ends, .. } => ends.len() + 1,
            Self::Category { values, .. } => values.len() + 1,
        }
    }

    /// The bin of a value; the last one is for values outside the training range.
    fn bin(&self, value: f32) -> usize {
        match self {
            Self::Number { least, ends, .. } => {
                if value < *least {
                    ends.len()
                } else {
                    ends.partition_point(|end| *end < value)
                }
            }
            Self::Category { values, .. } => {
                values.binary_search_by(|(seen, _)| seen.total_cmp(&value)).unwrap_or(values.len())
            }
        }
    }

    fn count(&self, bin: usize) -> u64 {
        match self {
            Self::Number { counts, .. } => counts.get(bin).copied().unwrap_or_default(),
            Self::Category { values, rest } => values.get(bin).map_or(*rest, |(_, count)| *count),
        }
    }
}

impl Statistics {
    /// Learns the first `width` features from the rows of a training set, which must not be empty.
    pub fn learn(rows: &[f32], width: usize) -> Self {
        let column = |at: usize| rows.iter().skip(at).step_by(COUNT).copied().collect();
        let features = if rows.is_empty() {
            Vec::new()
        } else {
            catalogue()
                .iter()
                .take(width)
                .enumerate()
                .map(|(at, feature)| Reference::learn(feature.scale, column(at)))
                .collect()
        };
        let count = (rows.len() / COUNT) as u64;
        // Unseen values count half a row, so that they are surprising but not impossible.
        let share = |seen: u64| (seen as f64).max(0.5) / (count as f64 + 1.0);
        let surprises = features
            .iter()
            .map(|reference| {
                (0..reference.bins()).map(|bin| -share(reference.count(bin)).ln() as f32).collect()
            })
            .collect();
        let mut statistics = Self { rows: count, features, surprises, novel_above: f64::INFINITY };
        // Each row's surprise to the others: it does not count in its own bins.
        let of_others: Vec<Vec<f64>> = statistics
            .features
            .iter()
            .map(|reference| {
                let shares = (0..reference.bins()).map(|bin| reference.count(bin));
                shares.map(|seen| -share(seen.saturating_sub(1)).ln()).collect()
            })
            .collect();
        let mut surprises: Vec<f64> =
            rows.chunks_exact(COUNT).map(|row| statistics.total(row, &of_others)).collect();
        surprises.sort_by(f64::total_cmp);
        let rank = ((surprises.len() as f64) * (1.0 - NOVEL_SHARE)) as usize;
        if let Some(above) = surprises.get(rank).or(surprises.last()) {
            statistics.novel_above = *above;
        }
        statistics
    }

    /// Whether it covers every feature that describes a difference.
    pub fn is_complete(&self) -> bool {
        [DESCRIBED, WITHOUT_MATCH].contains(&self.features.len())
            && self.surprises.len() == self.features.len()
            && self.features.iter().zip(&self.surprises).all(|(a, b)| a.bins() == b.len())
    }

    /// How unlike the training set a row is: the sum of −ln of its bins' shares.
    fn surprise(&self, row: &[f32]) -> f64 {
        self.total(row, &self.surprises)
    }

    /// Sums the weights of a row's bins. Run-level features are left out: a run with more
    /// differences of one kind does not make them a new kind.
    fn total<T: Copy + Into<f64>>(&self, row: &[f32], weights: &[Vec<T>]) -> f64 {
        self.features
            .iter()
            .zip(row)
            .zip(weights)
            .zip(catalogue())
            .filter(|(_, feature)| !is_of_the_run(feature.name))
            .filter_map(|(((reference, value), weights), _)| weights.get(reference.bin(*value)))
            .map(|weight| (*weight).into())
            .sum()
    }

    /// Whether a row is too far from the training data.
    pub fn is_novel(&self, row: &[f32]) -> bool {
        let never_seen =
            PAIR_SHARE.is_some_and(|at| row.get(at).is_some_and(|share| *share <= 0.0));
        never_seen
            || row.iter().any(|value| !value.is_finite())
            || self.surprise(row) > self.novel_above
    }

    /// Compares recent rows with the training set.
    pub fn compare(&self, recent: &[f32], agreement: Option<Agreement>) -> DriftReport {
        let count = recent.len() / COUNT;
        let mut features: Vec<FeatureDrift> = self
            .features
            .iter()
            .zip(catalogue())
            .enumerate()
            .map(|(at, (reference, feature))| {
                let values: Vec<f32> = recent.iter().skip(at).step_by(COUNT).copied().collect();
                self.feature(reference, feature.name, values)
            })
            .collect();
        features.sort_by(|a, b| b.psi.total_cmp(&a.psi));
        let novel = recent.chunks_exact(COUNT).filter(|row| self.is_novel(row)).count();
        let novel_rate = novel as f64 / count.max(1) as f64;
        let mut why = Vec::new();
        let shifted: Vec<&str> = features
            .iter()
            .filter(|feature| feature.drifted && feature.psi >= PSI_SHIFTED)
            .map(|feature| feature.name)
            .collect();
        if let Some(first) = features.iter().find(|feature| feature.drifted && !shifted.is_empty())
        {
            let named = shifted.iter().take(5).copied().collect::<Vec<_>>().join(", ");
            why.push(format!(
                "{} of {} features shifted (stability index up to {:.2}): {named}",
                shifted.len(),
                features.len(),
                first.psi,
            ));
        }
        if novel_rate > NOVEL_TOO_MANY {
            why.push(format!(
                "{:.1} % of the recent differences are unlike anything the model was trained on",
                novel_rate * 100.0
            ));
        }
        if let Some(agreement) = agreement.filter(|agreement| agreement.worse) {
            why.push(format!(
                "users agree with {:.1} % of the guesses; {:.1} % were right in training",
                agreement.rate * 100.0,
                agreement.expected * 100.0,
            ));
        }
        DriftReport {
            recent: count as u64,
            trained_on: self.rows,
            features,
            novel: novel as u64,
            novel_rate,
            agreement,
            retrain: !why.is_empty(),
            why,
        }
    }

    fn feature(
        &self,
        reference: &Reference,
        name: &'static str,
        mut values: Vec<f32>,
    ) -> FeatureDrift {
        let mut counts = vec![0u64; reference.bins()];
        for value in &values {
            counts[reference.bin(*value)] += 1;
        }
        let (then, now) = (self.rows as f64, values.len() as f64);
        let psi = if values.is_empty() { 0.0 } else { psi(reference, &counts, then, now) };
        let (test, statistic, p_value) = match reference {
            Reference::Number { quantiles, .. } => {
                values.sort_by(f32::total_cmp);
                let (statistic, p_value) = kolmogorov_smirnov(quantiles, &values, then);
                ("kolmogorov_smirnov", statistic, p_value)
            }
            Reference::Category { .. } => {
                let (statistic, p_value) = chi_square(reference, &counts, then, now);
                ("chi_square", statistic, p_value)
            }
        };
        // Run-level features have one value per run: a sample of one proves nothing.
        let drifted = !is_of_the_run(name)
            && psi >= PSI_MATTERS
            && p_value < SIGNIFICANCE / self.features.len() as f64;
        FeatureDrift { name, psi, test, statistic, p_value, drifted }
    }
}

/// The position of the share of field and kind in a row.
static PAIR_SHARE: Option<usize> = {
    let mut found = None;
    let mut at = 0;
    while at < COUNT {
        if same(catalogue()[at].name, "field_and_type_share") {
            found = Some(at);
        }
        at += 1;
    }
    found
};

const fn same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    let mut at = 0;
    while at < left.len() {
        if left[at] != right[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Both populations get half a row in every bin, so that an empty one does not give infinity.
fn psi(reference: &Reference, counts: &[u64], then: f64, now: f64) -> f64 {
    let bins = counts.len() as f64;
    counts
        .iter()
        .enumerate()
        .map(|(bin, count)| {
            let before = (reference.count(bin) as f64 + 0.5) / (then + 0.5 * bins);
            let after = (*count as f64 + 0.5) / (now + 0.5 * bins);
            (after - before) * (after / before).ln()
        })
        .sum()
}

/// The two-sample test against the training set's quantiles; both ascending. Quantiles determine
/// the distribution only up to one part in their number, which is subtracted from the distance.
fn kolmogorov_smirnov(quantiles: &[f32], values: &[f32], then: f64) -> (f64, f64) {
    if quantiles.is_empty() || values.is_empty() {
        return (0.0, 1.0);
    }
    let share = |sorted: &[f32], value: f32| {
        sorted.partition_point(|other| *other <= value) as f64 / sorted.len() as f64
    };
    let farthest = quantiles
        .iter()
        .chain(values)
        .map(|value| (share(quantiles, *value) - share(values, *value)).abs())
        .fold(0.0, f64::max);
    let resolution = if then > quantiles.len() as f64 { 1.0 / quantiles.len() as f64 } else { 0.0 };
    let distance = (farthest - resolution).max(0.0);
    let now = values.len() as f64;
    let root = (then * now / (then + now)).sqrt();
    // Stephens 1970, as in Press et al., "Numerical recipes", section 14.3.
    let lambda = (root + 0.12 + 0.11 / root) * distance;
    if lambda < 0.2 {
        // Towards 0 the series needs ever more terms; its sum there is 1.
        return (distance, 1.0);
    }
    let sum: f64 = (1..=100)
        .map(|k| {
            let sign = if k % 2 == 1 { 1.0 } else { -1.0 };
            sign * (-2.0 * f64::from(k * k) * lambda * lambda).exp()
        })
        .sum();
    (distance, (2.0 * sum).clamp(0.0, 1.0))
}

/// The two-sample test of homogeneity over the bins that either population has.
fn chi_square(reference: &Reference, counts: &[u64], then: f64, now: f64) -> (f64, f64) {
    let (mut statistic, mut used) = (0.0, 0u32);
    for (bin, after) in counts.iter().enumerate() {
        let (before, after) = (reference.count(bin) as f64, *after as f64);
        if before + after > 0.0 && now > 0.0 {
            let (k1, k2) = ((now / then).sqrt(), (then / now).sqrt());
            statistic += (k1 * before - k2 * after).powi(2) / (before + after);
            used += 1;
        }
    }
    if used < 2 {
        return (0.0, 1.0);
    }
    (statistic, gamma_ur(f64::from(used - 1) / 2.0, (statistic / 2.0).max(f64::MIN_POSITIVE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random rows in the shape of features: normal numbers, few flags and categories.
    fn rows(count: usize, shift: f32, seed: u64) -> Vec<f32> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut rows = Vec::new();
        for _ in 0..count {
            for feature in catalogue() {
                rows.push(match feature.scale {
                    Scale::Number => {
                        let shift = if feature.name == "delta" { shift } else { 0.0 };
                        0.5 + shift + (0..4).map(|_| random.f32()).sum::<f32>()
                    }
                    Scale::Flag => f32::from(random.u8(..4) == 0),
                    Scale::Category => f32::from(random.u8(..5)),
                });
            }
        }
        rows
    }

    #[test]
    fn only_a_shifted_feature_drifts() {
        let statistics = Statistics::learn(&rows(4_000, 0.0, 1), COUNT);
        let calm = statistics.compare(&rows(2_000, 0.0, 2), None);
        assert!(!calm.retrain && calm.features.iter().all(|feature| !feature.drifted));
        assert!(calm.novel_rate < 0.01, "{}", calm.novel_rate);
        let shifted = statistics.compare(&rows(2_000, 0.6, 3), None);
        let drifted: Vec<_> = shifted.features.iter().filter(|feature| feature.drifted).collect();
        assert_eq!(drifted.len(), 1);
        assert_eq!((drifted[0].name, shifted.features[0].name), ("delta", "delta"));
        assert!(shifted.retrain && shifted.why[0].contains("delta"));
    }

    #[test]
    fn p_values_are_uniform_without_change() {
        let (mut small, mut all) = (0, 0);
        for seed in 0..8 {
            let statistics = Statistics::learn(&rows(500, 0.0, seed), COUNT);
            let report = statistics.compare(&rows(300, 0.0, seed + 100), None);
            small += report.features.iter().filter(|feature| feature.p_value < 0.1).count();
            all += report.features.len();
        }
        let share = small as f64 / all as f64;
        assert!((0.04..0.16).contains(&share), "{share}");
    }

    #[test]
    fn unseen_values_are_novel() {
        let known = rows(2_000, 0.0, 1);
        let statistics = Statistics::learn(&known, COUNT);
        let mut row = known[..COUNT].to_vec();
        assert!(!statistics.is_novel(&row));
        row[PAIR_SHARE.unwrap()] = 0.0;
        assert!(statistics.is_novel(&row), "a field and kind never seen");
        let far: Vec<f32> = known[..COUNT].iter().map(|value| value + 50.0).collect();
        assert!(statistics.is_novel(&far));
        let mut broken = known[..COUNT].to_vec();
        broken[3] = f32::NAN;
        assert!(statistics.is_novel(&broken));
    }

    #[test]
    fn agreement_is_worse_only_if_significantly_lower() {
        assert!(!Agreement::of(20, 18, 0.95).worse);
        assert!(Agreement::of(2_000, 1_800, 0.95).worse);
        assert!(!Agreement::of(0, 0, 0.95).worse);
    }
}
