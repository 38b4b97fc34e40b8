//! `recon train`: from labelled differences to a model in the registry, and perhaps to a new champion.

use std::collections::BTreeMap;

use serde_json::json;

use crate::attribute::features::catalogue;
use crate::attribute::model::{Model, Settings};
use crate::diagnostic::{Problem, Problems};
use crate::domain::progress::Unit;
use crate::pipeline::machine::{basis, hexadecimal, read_model, sha256};
use crate::pipeline::{Plan, Session};
use crate::store::{Evidence, NewModel, Promotion, RunRow};

use super::cases::{Case, Cases, Source};
use super::measure::{Measured, measure};

/// When a candidate becomes the champion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Promote {
    /// When it is better on the same held-out differences, or there is no champion yet.
    #[default]
    Auto,
    /// In any case.
    Always,
    /// In no case.
    Never,
}

/// What to train on, and how.
#[derive(Clone, Copy, Debug)]
pub struct TrainRequest<'a> {
    /// Where labels come from.
    pub source: Source<'a>,
    /// The run that they belong to; of decisions without one, all runs.
    pub run: Option<&'a RunRow>,
    /// The seed of everything.
    pub seed: u64,
    /// When the candidate becomes the champion.
    pub promote: Promote,
    /// Who trains.
    pub person: &'a str,
}

/// A trained model and what became of it.
#[derive(Clone, Debug)]
pub struct Trained {
    /// Its version.
    pub version: u64,
    /// Whether it is the champion now.
    pub promoted: bool,
    /// Why, or why not.
    pub why: String,
    /// The champion before.
    pub champion: Option<u64>,
    /// Labelled differences that it was trained on, by reason.
    pub by_reason: BTreeMap<String, u64>,
    /// Labelled differences in all.
    pub labelled: u64,
    /// Those of them that were held out.
    pub held_out: u64,
    /// Labels without a difference and differences without a label.
    pub unmatched: u64,
    /// How good it is on what was held out.
    pub measured: Measured,
    /// How good the champion before is on the same differences.
    pub champion_measured: Option<Measured>,
    /// The calibration that was kept.
    pub calibration: &'static str,
    /// SHA-256 of the training set.
    pub training_hash: String,
    /// SHA-256 of the model.
    pub sha256: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// How many seconds growing the forest took.
    pub seconds: f64,
    /// What a person should look at.
    pub warnings: Vec<Problem>,
}

/// Trains a model, keeps it, and makes it the champion where that is asked for or deserved.
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
        return Err(nothing(&cases, request.source).into());
    }
    let encoder = cases.encoder(&known);
    let set = cases.training_set(&known, &encoder);
    let mut settings = Settings::default();
    settings.forest.seed = request.seed;
    session.progress.start("growing trees", 0, Unit::Items);
    let begun = std::time::Instant::now();
    let trained = Model::train(&set, encoder, &plan.layout, &settings, plan.options.threads);
    session.progress.finish();
    let seconds = begun.elapsed().as_secs_f64();
    let (model, mut warnings) = trained?;
    warnings.extend(cases.warnings.iter().cloned());
    let fresh = |case: &Case| cases.is_held_out(case);
    let held_out = cases.cases.len() - known.len();
    let (measured, evidence) = measure(&cases, &fresh, Some(&model), unmatched);

    let champion = store.champion(&plan.job)?;
    let champion_measured = match &champion {
        None => None,
        Some(row) => match read_model(store, row, &plan.layout) {
            Ok(model) => Some(measure(&cases, &fresh, Some(&model), unmatched).0),
            Err(problem) => {
                warnings.push(Problem { class: crate::diagnostic::Class::Warning, ..problem });
                None
            }
        },
    };
    let verdict = judge(
        request.promote,
        champion.as_ref().map(|row| row.version),
        &measured,
        champion_measured.as_ref(),
    );
    let bytes = model.to_bytes()?;
    let training = model.training();
    let (training_hash, hash) = (hexadecimal(&training.hash), sha256(&bytes));
    let now = (session.now)();
    let size = bytes.len() as u64;
    let version = store.add_model(&NewModel {
        job: plan.job.clone(),
        created: now,
        created_by: request.person.to_owned(),
        training_hash: training_hash.clone(),
        trained_on: cases.runs.iter().map(|run| run.id).collect(),
        features: catalogue().iter().map(|feature| feature.name).collect(),
        parameters: json!(training.parameters),
        metrics: json!({
            "held_out": measured,
            "out_of_bag": training.out_of_bag,
            "by_reason": training.by_reason,
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
        champion_measured,
        calibration: model.calibration(),
        training_hash,
        sha256: hash,
        bytes: size,
        seconds,
        warnings,
    })
}

fn nothing(cases: &Cases<'_>, source: Source<'_>) -> Problem {
    let (message, help) = match source {
        Source::File(_) => (
            format!(
                "no label joins a difference of the run: {} labels and {} differences are left over",
                cases.unused_labels, cases.unlabelled
            ),
            "labels name records by their canonical keys, and fields by their canonical names; is \
             this the right --run?",
        ),
        Source::Decided { .. } => (
            "there are no decisions to learn from".to_owned(),
            "decide differences in the review, give --labels FILE, or learn from what rules settled: \
             --include rules",
        ),
    };
    Problem::usage("training-empty", message).help(help)
}

struct Verdict {
    promoted: bool,
    why: String,
}

/// Better is a lower log loss: of all figures it is the one that counts both what is guessed and how
/// sure.
fn judge(
    promote: Promote,
    champion: Option<u64>,
    candidate: &Measured,
    before: Option<&Measured>,
) -> Verdict {
    let verdict = |promoted, why: String| Verdict { promoted, why };
    let Some(version) = champion else {
        return match promote {
            Promote::Never => {
                verdict(false, "nobody asked for a champion (--promote never)".into())
            }
            _ => verdict(true, "there was no champion".into()),
        };
    };
    let Some(before) = before else {
        let why = format!("champion {version} can't be used any more");
        return verdict(promote != Promote::Never, why);
    };
    let (Some(new), Some(old)) = (&candidate.model, &before.model) else {
        return verdict(false, "nothing was measured".into());
    };
    let compared = format!(
        "log loss {:.4} against {:.4} of champion {version}, accuracy {:.4} against {:.4}, on the \
         same {} held-out differences",
        new.log_loss, old.log_loss, new.accuracy, old.accuracy, new.n
    );
    match promote {
        Promote::Always => verdict(true, compared),
        Promote::Never => verdict(false, compared),
        Promote::Auto => verdict(new.n > 0 && new.log_loss < old.log_loss, compared),
    }
}
