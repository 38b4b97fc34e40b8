//! The training set of a model: rows of features and the decided reasons.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::attribute::features::COUNT;
use crate::diagnostic::{Code, Problem, Problems};

/// Labels of each reason that are kept whatever their number.
const KEPT_PER_REASON: u64 = 200;

/// Maximum number of differences to train on: more cost time and memory and add little.
const MOST_ROWS: usize = 300_000;

/// The positions of the differences to train on, given their reasons by number: if there are too many, an even share,
/// and the first of each reason.
pub fn sampled(reasons: &[usize]) -> Vec<usize> {
    sampled_to(reasons, MOST_ROWS)
}

fn sampled_to(reasons: &[usize], most: usize) -> Vec<usize> {
    let share = most as f64 / reasons.len().max(1) as f64;
    let mut seen: BTreeMap<usize, u64> = BTreeMap::new();
    let is_kept = |at: &usize| {
        let seen = seen.entry(reasons[*at]).or_default();
        *seen += 1;
        let mixed = (*at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        *seen <= KEPT_PER_REASON || (mixed as f64) < share * f64::from(u32::MAX)
    };
    (0..reasons.len()).filter(is_kept).collect()
}

/// Differences with their features and decided reasons.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainingSet {
    pub(super) rows: Vec<f32>,
    pub(super) reasons: Vec<String>,
    pub(super) labels: Vec<u16>,
    /// See [`Model::has_seen`](super::Model::has_seen); empty if not needed.
    pub(super) identities: Vec<u32>,
    /// Weights, at most 1; empty if all are equal.
    pub(super) weights: Vec<f32>,
    /// The record of each difference; empty if each is of its own.
    pub(super) records: Vec<u32>,
    /// How many differences of each reason are held out; they count towards the minimum.
    held_out: BTreeMap<String, u64>,
}

/// Minimum differences of a reason in the training set itself.
const LEAST: u64 = 2;

impl TrainingSet {
    /// Adds a difference: a row of [`COUNT`] features, and its reason.
    pub fn push(&mut self, row: &[f32], reason: &str) {
        debug_assert_eq!(row.len(), COUNT);
        let at = self.reasons.iter().position(|known| known == reason).unwrap_or_else(|| {
            self.reasons.push(reason.to_owned());
            self.reasons.len() - 1
        });
        self.rows.extend_from_slice(row);
        // Training refuses more reasons than this.
        self.labels.push(u16::try_from(at).unwrap_or(u16::MAX));
    }

    /// Adds a difference that the model must recognize later
    /// ([`Model::has_seen`](super::Model::has_seen)), with a weight of at most 1 and the number of its
    /// record.
    pub fn push_known(
        &mut self,
        row: &[f32],
        reason: &str,
        identity: u32,
        weight: f32,
        record: u32,
    ) {
        if weight < 1.0 && self.weights.is_empty() {
            self.weights = vec![1.0; self.len()];
        }
        if weight < 1.0 || !self.weights.is_empty() {
            self.weights.push(weight);
        }
        self.push(row, reason);
        self.identities.push(identity);
        self.records.push(record);
    }

    /// Counts a difference that is held out.
    pub fn hold_out(&mut self, reason: &str) {
        *self.held_out.entry(reason.to_owned()).or_default() += 1;
    }

    /// The number of differences.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// The features of all differences, row after row.
    pub fn rows(&self) -> &[f32] {
        &self.rows
    }

    /// The reason of a difference.
    pub fn reason(&self, at: usize) -> Option<&str> {
        self.reasons.get(usize::from(*self.labels.get(at)?)).map(String::as_str)
    }

    /// How many differences each reason has.
    pub fn by_reason(&self) -> BTreeMap<&str, u64> {
        let mut counts = BTreeMap::new();
        for label in &self.labels {
            if let Some(reason) = self.reasons.get(usize::from(*label)) {
                *counts.entry(reason.as_str()).or_default() += 1;
            }
        }
        counts
    }

    /// The SHA-256 of rows, reasons and any weights, in order.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for row in self.rows.chunks(4_096) {
            let bytes: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
            hash.update(&bytes);
        }
        for at in 0..self.len() {
            hash.update(self.reason(at).unwrap_or_default());
            hash.update([0]);
        }
        for weight in &self.weights {
            hash.update(weight.to_le_bytes());
        }
        hash.finalize().into()
    }

    /// Keeps reasons with at least `least` differences, in alphabetical order so that the model
    /// does not depend on input order; warns about each one omitted.
    pub(super) fn usable(&self, least: u64) -> Result<(Self, Vec<Problem>), Problems> {
        let counts = self.by_reason();
        let all = |reason: &str, count: u64| count + self.held_out.get(reason).unwrap_or(&0);
        let is_learned = |(reason, count): &(&&str, &u64)| {
            **count >= least.min(LEAST) && all(reason, **count) >= least
        };
        let missing: Vec<Problem> = counts
            .iter()
            .filter(|one| !is_learned(one))
            .map(|(reason, count)| too_few(reason, *count, all(reason, *count), least))
            .collect();
        let reasons: Vec<String> =
            counts.iter().filter(is_learned).map(|(reason, _)| (*reason).to_owned()).collect();
        if reasons.len() < 2 && counts.len() >= 2 {
            let mut problems = Problems(missing);
            problems.push(
                Problem::new(
                    Code::TrainingTooFew,
                    format!(
                        "{} of {} reasons have the required {least} labelled differences; a model needs two such reasons",
                        reasons.len(), counts.len(),
                    ),
                )
                .help("decide more differences, or give --labels"),
            );
            return Err(problems);
        }
        let mut kept = Self { reasons, ..Self::default() };
        for (row, at) in self.rows.chunks_exact(COUNT).zip(0..) {
            let reason = self.reason(at).unwrap_or_default();
            if let Ok(label) = kept.reasons.binary_search_by(|known| known.as_str().cmp(reason)) {
                kept.rows.extend_from_slice(row);
                kept.labels.push(label as u16);
                kept.identities.extend(self.identities.get(at));
                kept.weights.extend(self.weights.get(at));
                kept.records.extend(self.records.get(at));
            }
        }
        Ok((kept, missing))
    }
}

/// A reason is left out, because it has too few labels in all, or by chance too few to learn from.
fn too_few(reason: &str, count: u64, all: u64, least: u64) -> Problem {
    let (message, missing) = if all < least {
        let message = format!(
            "{reason} has {all} labelled differences; {least} are needed, so the model omits it"
        );
        (message, least - all)
    } else {
        let message = format!(
            "{reason} has {all} labelled differences, of which {} are held out, so the model omits it",
            all - count
        );
        (message, 1)
    };
    Problem::new(Code::TrainingFewLabels, message).help(format!("decide {missing} more"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_out_differences_count_towards_a_reason() {
        let mut set = TrainingSet::default();
        for (reason, count) in [("COMMON", 9), ("RARE", 4), ("LUCKLESS", 1), ("RARER", 3)] {
            (0..count).for_each(|_| set.push(&[0.0; COUNT], reason));
        }
        for reason in ["RARE", "LUCKLESS", "LUCKLESS", "LUCKLESS", "LUCKLESS", "RARER"] {
            set.hold_out(reason);
        }
        let (kept, missing) = set.usable(5).unwrap();
        assert_eq!(kept.reasons, ["COMMON", "RARE"]);
        let said: Vec<_> = missing.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(
            said,
            [
                "LUCKLESS has 5 labelled differences, of which 4 are held out, so the model omits it",
                "RARER has 4 labelled differences; 5 are needed, so the model omits it",
            ]
        );
    }

    #[test]
    fn of_too_many_differences_an_even_share_is_kept_and_all_of_a_rare_reason() {
        let reasons: Vec<usize> = (0..4_000).map(|at| usize::from(at % 80 == 0)).collect();
        let kept = sampled_to(&reasons, 2_000);
        let rare = kept.iter().filter(|at| reasons[**at] == 1).count();
        // 200 at first, and half of the others.
        assert!(rare == 50 && (1_950..2_300).contains(&kept.len()), "{rare} {}", kept.len());
        assert_eq!(sampled_to(&reasons, 4_000).len(), 4_000);
        assert_eq!(sampled(&reasons).len(), 4_000);
    }
}
