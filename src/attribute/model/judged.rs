//! A learner's judgements of rows that it did not see, calibrated by others of them.

use super::{TrainingSet, Tried};
use crate::attribute::calibrate::{self, Chosen};
use crate::attribute::metrics::{Evaluation, Evaluator};
use crate::diagnostic::Problem;

pub(super) struct Judged {
    learner: &'static str,
    pub(super) chosen: Chosen,
    /// The judged rows, ascending.
    rows: Vec<usize>,
    calibrated: Vec<f32>,
    classes: usize,
}

impl Judged {
    /// `shares` has the learner's distribution of every row of `set`, of which only those of `rows`
    /// are used.
    pub(super) fn new(
        learner: &'static str,
        rows: Vec<usize>,
        shares: &[f32],
        set: &TrainingSet,
        seed: u64,
    ) -> Result<Self, Problem> {
        let (labels, classes) = (&set.labels, set.reasons.len());
        let chosen = calibrate::choose(shares, labels, classes, &rows, seed)?;
        let calibrated =
            calibrate::out_of_fold(&chosen.calibration, shares, labels, classes, &rows, seed);
        Ok(Self { learner, chosen, rows, calibrated, classes })
    }

    /// The compared calibrations with their log loss.
    pub(super) fn compared(&self) -> Vec<(String, f64)> {
        self.chosen.compared.iter().map(|(name, loss)| ((*name).to_owned(), *loss)).collect()
    }

    pub(super) fn evaluation(&self, set: &TrainingSet) -> Evaluation {
        self.of_rows(set, |_| true)
    }

    fn of_rows(&self, set: &TrainingSet, counts: impl Fn(usize) -> bool) -> Evaluation {
        let mut evaluator = Evaluator::new(&set.reasons);
        for (row, probabilities) in self.rows.iter().zip(self.calibrated.chunks(self.classes)) {
            if counts(*row) {
                evaluator.add(usize::from(set.labels[*row]), probabilities);
            }
        }
        evaluator.finish(0)
    }

    fn tried(&self, other: &Self, set: &TrainingSet) -> Tried {
        let measured = self.of_rows(set, |row| other.rows.binary_search(&row).is_ok());
        let coverage = measured.coverage_at.get("0.99").copied().unwrap_or_default();
        Tried { learner: self.learner.to_owned(), log_loss: measured.log_loss, coverage }
    }
}

/// Both learners on the rows that both judged, the one with the lower log loss first; and whether that
/// is `second`. With equal loss the larger coverage wins, and then the first.
pub(super) fn compare(first: &Judged, second: &Judged, set: &TrainingSet) -> (Vec<Tried>, bool) {
    let (one, other) = (first.tried(second, set), second.tried(first, set));
    let order = other.log_loss.total_cmp(&one.log_loss);
    let wins = order.then(one.coverage.total_cmp(&other.coverage)).is_lt();
    (if wins { vec![other, one] } else { vec![one, other] }, wins)
}
