//! `recon train`: trains a model on labelled differences, registers it, and may make it the
//! champion.

use std::collections::BTreeMap;

use serde_json::json;

use crate::attribute::model::{Model, Settings, Tried, sampled};
use crate::coding::hex;
use crate::diagnostic::{Code, Problem, Problems};
use crate::pipeline::machine::{basis, read_model, sha256};
use crate::pipeline::{Plan, Session};
use crate::store::{Evidence, NewModel, Promotion, RunRow};

use super::cases::{Case, Cases, Source};
use super::measure::{Measured, Measurement, claims, measure};

/// When a candidate becomes the champion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Promote {
    /// If it is better on the same held-out differences, or there is no champion yet.
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug)]
pub struct TrainRequest<'a> {
    /// Source of the labels.
    pub source: Source<'a>,
    /// The labelled run; for decisions `None` means all runs.
    pub run: Option<&'a RunRow>,
    /// Features not to learn from; see [`Settings::without`].
    pub without: &'a [String],
    /// The random seed.
    pub seed: u64,
    pub promote: Promote,
    /// The user who trains.
    pub person: &'a str,
}

#[derive(Clone, Debug)]
pub struct Trained {
    pub version: u64,
    pub promoted: bool,
    /// Why it was promoted or not.
    pub why: String,
    /// The previous champion.
    pub champion: Option<u64>,
    /// Differences it was trained on, by reason.
    pub by_reason: BTreeMap<String, u64>,
    /// All labelled differences.
    pub labelled: u64,
    /// Held-out differences.
    pub held_out: u64,
    /// Labels without a difference plus differences without a label.
    pub unmatched: u64,
    /// Measured on the held-out differences.
    pub measured: Measured,
    /// The previous champion on the same differences.
    pub champion_measured: Option<Measured>,
    /// The chosen calibration.
    pub calibration: &'static str,
    /// The learners that were tried, the chosen one first.
    pub tried: Vec<Tried>,
    /// SHA-256 of the training set.
    pub training_hash: String,
    /// SHA-256 of the model.
    pub sha256: String,
    /// Size of the model.
    pub bytes: u64,
    /// Seconds to try the learners.
    pub seconds: f64,
    pub warnings: Vec<Problem>,
}

/// Trains and registers a model, and promotes it as `request.promote` demands.
pub fn train(
    session: Session<'_>,
    plan: &Plan,
    request: &TrainRequest<'_>,
) -> Result<Trained, Problems> {
    let store = session.store;
    let cases = Cases::gather(session, plan, request.source, request.run)?;
    let unmatched = cases.unused_labels + cases.unlabelled;
    let known: Vec<&Case> = cases.cases.iter().filter(|case| !cases.is_held_out(case)).collect();
    if known.is_empty() {
        let mut problems = vec![nothing(&cases, request.source)];
        problems.extend(cases.warnings.iter().cloned());
        return Err(Problems(problems));
    }
    let encoder = cases.encoder(&known);
    let reasons: Vec<usize> = known.iter().map(|case| case.label).collect();
    let taught: Vec<&Case> = sampled(&reasons).into_iter().map(|at| known[at]).collect();
    let mut set = cases.training_set(&taught, &encoder);
    let held_out = cases.cases.iter().filter(|case| cases.is_held_out(case));
    held_out.for_each(|case| set.hold_out(cases.label(case)));
    let mut settings = Settings::default();
    settings.forest.seed = request.seed;
    settings.without = request.without.to_vec();
    let begun = std::time::Instant::now();
    let trained = Model::train(
        &set,
        encoder,
        &plan.layout,
        &settings,
        plan.options.threads,
        session.progress,
    );
    session.progress.finish();
    let seconds = begun.elapsed().as_secs_f64();
    let (model, mut warnings) = trained?;
    warnings.extend(cases.warnings.iter().cloned());
    let fresh = |case: &Case| cases.is_held_out(case);
    let held_out = cases.cases.len() - known.len();
    // Rule precision is learned on the training set and measured on the rest.
    let claims = claims(&cases, known.iter().copied());
    let candidate = measure(&cases, &fresh, Some(&model), &claims, unmatched);

    let champion = store.champion(&plan.job)?;
    let before = match &champion {
        None => None,
        Some(row) => match read_model(store, row, &plan.layout) {
            Ok(model) => Some(measure(&cases, &fresh, Some(&model), &claims, unmatched)),
            Err(problem) => {
                warnings.push(Problem { class: crate::diagnostic::Class::Warning, ..problem });
                None
            }
        },
    };
    let verdict = judge(
        request.promote,
        champion.as_ref().map(|row| row.version),
        &candidate,
        before.as_ref(),
    );
    let Measurement { measured, evidence, .. } = candidate;
    let bytes = model.to_bytes()?;
    let training = model.training();
    let (training_hash, hash) = (hex(training.hash), sha256(&bytes));
    let now = (session.now)();
    let size = bytes.len() as u64;
    let version = store.add_model(&NewModel {
        job: plan.job.clone(),
        created: now,
        created_by: request.person.to_owned(),
        training_hash: training_hash.clone(),
        trained_on: cases.runs.iter().map(|run| run.id).collect(),
        features: model.features().into_iter().collect(),
        parameters: model.parameters(),
        metrics: json!({
            "held_out": measured,
            "out_of_bag": training.out_of_bag,
            "by_reason": training.by_reason,
            "learner": model.learner(),
            "learners": model.tried(),
            "calibration": model.calibration(),
            "calibrations": training.calibrations,
        }),
        sha256: hash.clone(),
        bytes,
    })?;
    if verdict.promoted {
        store.promote(&Promotion {
            version,
            replaced: None,
            rollback: false,
            at: now,
            by: request.person.to_owned(),
            why: verdict.why.clone(),
        })?;
        let basis = basis(plan, Some(&version.to_string()));
        store.add_evidence(
            &plan.job,
            &Evidence { measured: now, basis, evidence: evidence.to_json() },
        )?;
    }
    Ok(Trained {
        version,
        promoted: verdict.promoted,
        why: verdict.why,
        champion: champion.map(|row| row.version),
        by_reason: training.by_reason.clone(),
        labelled: cases.cases.len() as u64,
        held_out: held_out as u64,
        unmatched,
        measured,
        champion_measured: before.map(|before| before.measured),
        calibration: model.calibration(),
        tried: model.tried().to_vec(),
        training_hash,
        sha256: hash,
        bytes: size,
        seconds,
        warnings,
    })
}

fn nothing(cases: &Cases<'_>, source: Source<'_>) -> Problem {
    if let Some((message, help)) = cases.only_unknown(source) {
        return Problem::new(Code::TrainingEmpty, message).help(help);
    }
    let (message, help) = match source {
        Source::File(_) => (
            format!(
                "no label matches a difference of the run: {} labels and {} differences are unmatched",
                cases.unused_labels, cases.unlabelled
            ),
            "labels name records by their canonical keys, and fields by their canonical names; is \
             this the right --run?",
        ),
        Source::Decided(_) => (
            "there are no decisions to learn from".to_owned(),
            match source {
                Source::Decided(also) if also.rules => {
                    "decide differences in the review, or give --labels FILE"
                }
                _ => {
                    "decide differences in the review, give --labels FILE, or learn from reasons that rules gave: \
                     --include rules"
                }
            },
        ),
    };
    Problem::new(Code::TrainingEmpty, message).help(help)
}

struct Verdict {
    promoted: bool,
    why: String,
}

/// A candidate is better if its log loss is lower by more than twice the standard error of the
/// difference. Log loss is the one figure that counts both the guess and its confidence, and the
/// margin keeps chance from changing the champion.
fn judge(
    promote: Promote,
    champion: Option<u64>,
    candidate: &Measurement,
    before: Option<&Measurement>,
) -> Verdict {
    let verdict = |promoted, why: String| Verdict { promoted, why };
    let Some(version) = champion else {
        return match promote {
            Promote::Never => verdict(false, "--promote never".to_owned()),
            _ => verdict(true, "there was no champion".to_owned()),
        };
    };
    let Some(before) = before else {
        let why = format!("champion {version} can no longer be used");
        return verdict(promote != Promote::Never, why);
    };
    let (Some(new), Some(old)) = (&candidate.measured.model, &before.measured.model) else {
        return verdict(false, "nothing was measured".to_owned());
    };
    let (gain, error) = gain(&before.losses, &candidate.losses);
    let better = new.n > 1 && gain > 2.0 * error;
    let compared = format!(
        "log loss {:.4} against {:.4} of champion {version} (lower by {gain:.4} ± {:.4}), macro F1 \
         {:.4} against {:.4}, accuracy {:.4} against {:.4}, on the same {} held-out differences",
        new.log_loss,
        old.log_loss,
        2.0 * error,
        new.macro_f1,
        old.macro_f1,
        new.accuracy,
        old.accuracy,
        new.n
    );
    verdict(promote == Promote::Always || (promote == Promote::Auto && better), compared)
}

/// The mean improvement of the losses, and its standard error.
fn gain(before: &[f64], after: &[f64]) -> (f64, f64) {
    let count = before.len().max(1) as f64;
    let gains = || before.iter().zip(after).map(|(before, after)| before - after);
    let mean = gains().sum::<f64>() / count;
    let variance = gains().map(|gain| (gain - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    (mean, (variance / count).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_comes_with_its_standard_error() {
        let (mean, error) = gain(&[1.0, 2.0, 3.0, 4.0], &[0.5, 1.5, 2.5, 3.5]);
        assert_eq!((mean, error), (0.5, 0.0));
        let (mean, error) = gain(&[1.0, 0.0], &[0.0, 1.0]);
        assert!(mean.abs() < 1e-12 && error > 0.9);
        assert_eq!(gain(&[], &[]), (0.0, 0.0));
    }
}
