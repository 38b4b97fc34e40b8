//! Quality figures of attributions, for `recon evaluate`.
//!
//! The scored prediction is the best guess, whatever its status. All figures cover labelled
//! differences; without any, they are 0.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Bins of the reliability table and of the expected calibration error.
const BINS: usize = 15;
/// Precisions for which coverage is reported.
const PRECISIONS: [f64; 2] = [0.99, 0.995];
/// Log loss clamps probabilities to this: one confident mistake must not make it infinite.
const LEAST_PROBABILITY: f64 = 1e-12;

/// The figures of one set of labelled differences.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Labelled differences scored.
    pub n: u64,
    /// The share of right guesses.
    pub accuracy: f64,
    /// The mean F1 of the reasons that occur as label or guess.
    pub macro_f1: f64,
    /// Expected calibration error of the winner's probability, 15 equal bins.
    pub ece: f64,
    /// Mean −ln of the label's probability.
    pub log_loss: f64,
    /// Mean squared distance of the probabilities from the label's, summed over the reasons.
    pub brier: f64,
    /// For each precision, the largest share that can be accepted at it, most confident first.
    pub coverage_at: BTreeMap<String, f64>,
    /// Every reason that occurs as label or guess.
    pub per_reason: BTreeMap<String, ReasonMetrics>,
    pub confusion: Confusion,
    /// Claimed against measured confidence.
    pub reliability: Vec<ReliabilityBin>,
    /// Labels that matched no difference, and differences without a label.
    pub unmatched: u64,
}

/// The figures of one reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReasonMetrics {
    /// Right guesses of this reason ÷ its guesses; 0 without any.
    pub precision: f64,
    /// Right guesses ÷ differences of this reason; 0 without any.
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// How many differences have this reason.
    pub support: u64,
    /// Number of times it was predicted.
    pub predicted: u64,
}

/// `counts[label][guess]`, both in the order of `reasons`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Confusion {
    pub reasons: Vec<String>,
    /// One row per label.
    pub counts: Vec<Vec<u64>>,
}

/// The guesses in one confidence bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// The lowest confidence of the bin.
    pub from: f64,
    /// The highest, exclusive except for 1.
    pub to: f64,
    pub n: u64,
    pub confidence: f64,
    /// The share of right guesses.
    pub accuracy: f64,
}

#[derive(Clone, Debug)]
pub struct Evaluator {
    reasons: Vec<String>,
    counts: Vec<Vec<u64>>,
    guesses: Vec<(f64, bool)>,
    log_loss: f64,
    brier: f64,
}

impl Evaluator {
    /// For labels and guesses among `reasons`, including UNKNOWN if it can be guessed.
    pub fn new(reasons: &[String]) -> Self {
        let counts = vec![vec![0; reasons.len()]; reasons.len()];
        Self { reasons: reasons.to_vec(), counts, guesses: Vec::new(), log_loss: 0.0, brier: 0.0 }
    }

    /// Scores one difference by a probability for each reason; the guess is the first maximum.
    /// Ignored if the number of probabilities is wrong.
    pub fn add(&mut self, label: usize, probabilities: &[f32]) {
        let guess = winner(probabilities);
        if label >= self.reasons.len() || probabilities.len() != self.reasons.len() {
            return;
        }
        self.count(label, guess, f64::from(probabilities[guess]));
        self.log_loss -= f64::from(probabilities[label]).max(LEAST_PROBABILITY).ln();
        self.brier += probabilities
            .iter()
            .enumerate()
            .map(|(at, p)| (f64::from(*p) - f64::from(u8::from(at == label))).powi(2))
            .sum::<f64>();
    }

    /// Scores one difference by a guess and its confidence, as rules give them; the remaining
    /// probability is spread evenly over the other reasons.
    pub fn add_guess(&mut self, label: usize, guess: usize, confidence: f64) {
        let reasons = self.reasons.len();
        if label >= reasons || guess >= reasons {
            return;
        }
        let confidence = confidence.clamp(0.0, 1.0);
        let others = (reasons - 1).max(1) as f64;
        let other = (1.0 - confidence) / others;
        self.count(label, guess, confidence);
        let right = label == guess;
        let of_label = if right { confidence } else { other };
        self.log_loss -= of_label.max(LEAST_PROBABILITY).ln();
        self.brier += if right {
            (1.0 - confidence).powi(2) + others * other * other
        } else {
            confidence.powi(2) + (1.0 - other).powi(2) + (others - 1.0) * other * other
        };
    }

    fn count(&mut self, label: usize, guess: usize, confidence: f64) {
        self.counts[label][guess] += 1;
        self.guesses.push((confidence, label == guess));
    }

    /// The figures. `unmatched` counts labels without a difference and differences without a label.
    pub fn finish(self, unmatched: u64) -> Evaluation {
        let n = self.guesses.len() as u64;
        let whole = n.max(1) as f64;
        let reliability = reliability(&self.guesses);
        let ece = reliability
            .iter()
            .map(|bin| bin.n as f64 / whole * (bin.confidence - bin.accuracy).abs())
            .sum();
        let occurring: Vec<usize> = (0..self.reasons.len())
            .filter(|at| {
                self.counts[*at].iter().any(|n| *n > 0)
                    || self.counts.iter().any(|row| row[*at] > 0)
            })
            .collect();
        let per_reason: BTreeMap<String, ReasonMetrics> =
            occurring.iter().map(|at| (self.reasons[*at].clone(), self.reason(*at))).collect();
        let f1: f64 = per_reason.values().map(|reason| reason.f1).sum();
        let guesses = &self.guesses;
        Evaluation {
            n,
            accuracy: guesses.iter().filter(|(_, right)| *right).count() as f64 / whole,
            macro_f1: f1 / per_reason.len().max(1) as f64,
            ece,
            log_loss: self.log_loss / whole,
            brier: self.brier / whole,
            coverage_at: PRECISIONS
                .iter()
                .map(|at| (at.to_string(), coverage_at(guesses, *at)))
                .collect(),
            confusion: Confusion {
                reasons: occurring.iter().map(|at| self.reasons[*at].clone()).collect(),
                counts: occurring
                    .iter()
                    .map(|label| {
                        occurring.iter().map(|guess| self.counts[*label][*guess]).collect()
                    })
                    .collect(),
            },
            per_reason,
            reliability,
            unmatched,
        }
    }

    fn reason(&self, at: usize) -> ReasonMetrics {
        let right = self.counts[at][at] as f64;
        let support: u64 = self.counts[at].iter().sum();
        let predicted: u64 = self.counts.iter().map(|row| row[at]).sum();
        let precision = right / predicted.max(1) as f64;
        let recall = right / support.max(1) as f64;
        let f1 = if right > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 };
        ReasonMetrics { precision, recall, f1, support, predicted }
    }
}

/// The index of the first maximum.
pub fn winner(probabilities: &[f32]) -> usize {
    let mut best = 0;
    for (at, probability) in probabilities.iter().enumerate() {
        if *probability > probabilities[best] {
            best = at;
        }
    }
    best
}

fn reliability(guesses: &[(f64, bool)]) -> Vec<ReliabilityBin> {
    let mut sums = [(0u64, 0.0f64, 0u64); BINS];
    for (confidence, right) in guesses {
        // Confidences are within 0..=1, so the index is too.
        let at = ((confidence * BINS as f64) as usize).min(BINS - 1);
        sums[at].0 += 1;
        sums[at].1 += confidence;
        sums[at].2 += u64::from(*right);
    }
    let bin = |(at, (n, confidence, right)): (usize, (u64, f64, u64))| ReliabilityBin {
        from: at as f64 / BINS as f64,
        to: (at + 1) as f64 / BINS as f64,
        n,
        confidence: confidence / n.max(1) as f64,
        accuracy: right as f64 / n.max(1) as f64,
    };
    sums.into_iter().enumerate().map(bin).collect()
}

/// The largest share of guesses, most confident first and equal confidences together, of which at
/// least `precision` are right.
pub fn coverage_at(guesses: &[(f64, bool)], precision: f64) -> f64 {
    let mut ranked = guesses.to_vec();
    ranked.sort_by(|left, right| right.0.total_cmp(&left.0));
    let (mut seen, mut right, mut best) = (0usize, 0usize, 0usize);
    for group in ranked.chunk_by(|left, right| left.0 == right.0) {
        seen += group.len();
        right += group.iter().filter(|(_, right)| *right).count();
        if right as f64 >= precision * seen as f64 {
            best = seen;
        }
    }
    best as f64 / guesses.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|at| format!("R{at}")).collect()
    }

    #[test]
    fn figures_match_a_hand_computed_table() {
        let mut evaluator = Evaluator::new(&names(3));
        evaluator.add(0, &[0.8, 0.2, 0.0]);
        evaluator.add(0, &[0.4, 0.6, 0.0]);
        evaluator.add(1, &[0.0, 1.0, 0.0]);
        let result = evaluator.finish(7);
        assert_eq!((result.n, result.unmatched), (3, 7));
        assert!((result.accuracy - 2.0 / 3.0).abs() < 1e-9);
        // F1 of both reasons is 2/3; the third does not occur.
        assert!((result.macro_f1 - 2.0 / 3.0).abs() < 1e-9);
        assert!((result.log_loss - (-(0.8f64.ln()) - 0.4f64.ln()) / 3.0).abs() < 1e-6);
        assert!((result.brier - (0.08 + 0.72) / 3.0).abs() < 1e-6);
        // |0.8-1|, |0.6-0|, |1-1|, each a third.
        assert!((result.ece - 0.8 / 3.0).abs() < 1e-6);
        assert_eq!(result.confusion.counts, [[1, 1], [0, 1]]);
        assert_eq!(result.per_reason["R1"].precision, 0.5);
        assert!((result.coverage_at["0.99"] - 2.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn without_labels_every_figure_is_zero() {
        let result = Evaluator::new(&names(2)).finish(0);
        assert_eq!((result.n, result.accuracy, result.ece, result.macro_f1), (0, 0.0, 0.0, 0.0));
        assert_eq!(result.coverage_at["0.995"], 0.0);
    }

    #[test]
    fn equal_confidences_are_accepted_together() {
        let guesses = [(0.9, true), (0.9, false), (0.8, true)];
        assert_eq!(coverage_at(&guesses, 1.0), 0.0);
        assert_eq!(coverage_at(&guesses, 0.6), 1.0);
    }

    proptest! {
        #[test]
        fn a_guess_alone_scores_as_its_even_spread(label in 0usize..4, guess in 0usize..4, confidence in 0.3f64..1.0) {
            let mut spread = vec![((1.0 - confidence) / 3.0) as f32; 4];
            spread[guess] = confidence as f32;
            let (mut left, mut right) = (Evaluator::new(&names(4)), Evaluator::new(&names(4)));
            left.add(label, &spread);
            right.add_guess(label, guess, confidence);
            let (left, right) = (left.finish(0), right.finish(0));
            prop_assert!((left.brier - right.brier).abs() < 1e-5);
            prop_assert!((left.log_loss - right.log_loss).abs() < 1e-4);
            prop_assert_eq!(left.confusion, right.confusion);
        }
    }
}
