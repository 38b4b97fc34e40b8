//! `recon evaluate`: measures rules, model and both on labelled differences, and compares recent
//! differences with the training data.

use crate::attribute::Sure;
use crate::attribute::drift::{Agreement, DriftReport};
use crate::attribute::features::{COUNT, Extractor};
use crate::attribute::model::Model;
use crate::attribute::risk::Policy;
use crate::diagnostic::{Code, Problem, Problems};
use crate::domain::progress::Unit;
use crate::domain::{PerSide, RunId};
use crate::pipeline::machine::{basis, known_claims, read_model, run_context, sentences};
use crate::pipeline::walk::walk;
use crate::pipeline::{Plan, Session, stored_outcome};
use crate::store::{Evidence, ModelRow, RunRow};

use super::cases::{Also, Case, Cases, Source, check};
use super::measure::{Measured, Measurement, measure};

/// Maximum number of recent differences compared with the training set.
const MOST_RECENT: u64 = 200_000;

#[derive(Clone, Copy, Debug)]
pub struct EvaluateRequest<'a> {
    /// Source of the labels.
    pub source: Source<'a>,
    /// The labelled run; for decisions `None` means all runs.
    pub run: Option<&'a RunRow>,
    /// `None` means the champion, if any.
    pub model: Option<u64>,
    /// Save the result as the evidence of `accept_risk`.
    pub keep: bool,
}

#[derive(Clone, Debug)]
pub struct Evaluated {
    /// The model's version.
    pub version: Option<u64>,
    /// Runs with labels.
    pub runs: Vec<RunId>,
    pub measured: Measured,
    /// Labels that matched no difference.
    pub unused_labels: u64,
    /// Differences without a label.
    pub unlabelled: u64,
    /// Labelled differences not scored because the model was trained on them.
    pub trained_on: u64,
    /// The thresholds that this evidence allows under the job's `accept_risk`, and a description.
    pub policy: Option<(Policy, Vec<String>)>,
    /// The result was saved as the evidence of `accept_risk`.
    pub kept: bool,
    pub warnings: Vec<Problem>,
}

/// Measures rules, model and both.
pub fn evaluate(
    session: Session<'_>,
    plan: &Plan,
    request: &EvaluateRequest<'_>,
) -> Result<Evaluated, Problems> {
    let row = which_model(session, plan, request.model)?;
    let model = row.as_ref().map(|row| read_model(session.store, row, &plan.layout)).transpose()?;
    let cases = Cases::gather(session, plan, request.source, request.run)?;
    if cases.cases.is_empty() {
        let (message, help) = cases.only_unknown(request.source).unwrap_or_else(|| match request.source {
            Source::File(_) => (
                format!(
                    "no label matches a difference of the run: {} labels and {} differences are \
                     unmatched",
                    cases.unused_labels, cases.unlabelled
                ),
                "labels name records by their canonical keys; is this the right --run?",
            ),
            Source::Decided(_) => (
                "there are no decisions to measure against".to_owned(),
                "give --labels FILE, or decide differences in the review",
            ),
        });
        return Err(Problem::new(Code::EvaluateEmpty, message).help(help).into());
    }
    let fresh = |case: &Case| !model.as_ref().is_some_and(|model| model.has_seen(case.identity));
    let trained_on = cases.cases.iter().filter(|case| !fresh(case)).count() as u64;
    let unmatched = cases.unused_labels + cases.unlabelled;
    let known = known_claims(session.store, plan)?;
    let Measurement { measured, evidence, .. } =
        measure(&cases, &fresh, model.as_ref(), &known, unmatched);
    let mut warnings = cases.warnings.clone();
    if measured.combined.n == 0 {
        warnings.push(
            Problem::new(
                Code::EvaluateTrainedOn,
                "the model was trained on all of these differences, so none can be scored",
            )
            .help("evaluate on a run that it has not seen"),
        );
    }
    let policy = match plan.attribution.acceptance.sure {
        Sure::From(_) => None,
        Sure::Within(budget) => {
            let policy = evidence.choose(budget);
            let words = sentences(&policy);
            Some((policy, words))
        }
    };
    if request.keep {
        let version = row.as_ref().map(|row| row.version.to_string());
        session.store.add_evidence(
            &plan.job,
            &Evidence {
                measured: (session.now)(),
                basis: basis(plan, version.as_deref()),
                evidence: evidence.to_json(),
            },
        )?;
    }
    Ok(Evaluated {
        version: row.as_ref().map(|row| row.version),
        runs: cases.runs.iter().map(|run| run.id).collect(),
        measured,
        unused_labels: cases.unused_labels,
        unlabelled: cases.unlabelled,
        trained_on,
        policy,
        kept: request.keep,
        warnings,
    })
}

/// The given version, or the champion if the job uses models.
fn which_model(
    session: Session<'_>,
    plan: &Plan,
    version: Option<u64>,
) -> Result<Option<ModelRow>, Problem> {
    match version {
        Some(version) => session.store.model(version)?.map(Some).ok_or_else(|| {
            Problem::new(Code::NoSuchModel, format!("the store has no model {version}"))
                .help("`recon model list` lists the models")
        }),
        None if plan.attribution.model_enabled => session.store.champion(&plan.job),
        None => Ok(None),
    }
}

/// Compares a run's differences with the model's training data, and the model's guesses with users'
/// decisions on differences it had not seen.
pub fn drift(
    session: Session<'_>,
    plan: &Plan,
    run: &RunRow,
    version: Option<u64>,
) -> Result<(u64, DriftReport), Problems> {
    check(run, plan)?;
    let row = which_model(session, plan, version)?.ok_or_else(|| {
        Problem::new(Code::NoModel, "no model to compare with").help("train one with `recon train`")
    })?;
    let model = read_model(session.store, &row, &plan.layout)?;
    let recent = recent_rows(session, plan, run, &model)?;
    let agreement = agreement(session, plan, &row, &model)?;
    Ok((row.version, model.statistics().compare(&recent, agreement)))
}

/// Features of a run's differences, evenly sampled if there are too many.
fn recent_rows(
    session: Session<'_>,
    plan: &Plan,
    run: &RunRow,
    model: &Model,
) -> Result<Vec<f32>, Problem> {
    let books = stored_outcome(session.store, run)?.books;
    let systems = PerSide { a: run.system_a.clone(), b: run.system_b.clone() };
    let context = run_context(systems, run.batch_date, &plan.layout, &books);
    let mut extractor = Extractor::new(model.encoder(), &context, &plan.layout);
    let every = run.total_differences.div_ceil(MOST_RECENT).max(1);
    let (mut rows, mut number) = (Vec::new(), 0);
    session.progress.start("reading", run.total_differences, Unit::Items);
    walk(session.store, run.id, &plan.layout, &mut |record| {
        if session.progress.interrupted() {
            return Err(Problem::interrupted());
        }
        for difference in record.differences {
            number += 1;
            if number % every == 0 {
                let at = rows.len();
                rows.resize(at + COUNT, 0.0);
                let context = record.context(difference);
                extractor.extract(&context, record.together, &mut rows[at..]);
            }
        }
        session.progress.advance(record.differences.len() as u64);
        Ok(())
    })?;
    session.progress.finish();
    Ok(rows)
}

/// How often users agreed with the model's guesses on differences outside its training set.
fn agreement(
    session: Session<'_>,
    plan: &Plan,
    row: &ModelRow,
    model: &Model,
) -> Result<Option<Agreement>, Problems> {
    let cases = Cases::gather(session, plan, Source::Decided(Also::default()), None)?;
    let fresh: Vec<&Case> =
        cases.cases.iter().filter(|case| !model.has_seen(case.identity)).collect();
    if fresh.is_empty() {
        return Ok(None);
    }
    let set = cases.fresh_set(&fresh, model.encoder());
    let agreed = model
        .guess(set.rows())
        .iter()
        .zip(&fresh)
        .filter(|(guess, case)| model.reasons()[guess.reason] == cases.label(case))
        .count();
    let expected = row
        .metrics
        .pointer("/held_out/model/accuracy")
        .and_then(serde_json::Value::as_f64)
        .unwrap_or(model.training().out_of_bag.accuracy);
    Ok(Some(Agreement::of(fresh.len() as u64, agreed as u64, expected)))
}
