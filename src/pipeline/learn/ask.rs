//! `recon train --ask`: the undecided differences whose labels would improve the model most.
//!
//! Differences look alike if field, kind and every yes-or-no feature are the same.

mod choose;

use std::collections::HashMap;
use std::path::Path;

use choose::Groups;

use serde::Serialize;

use crate::attribute::features::{COUNT, Encoder, Extractor, Scale, catalogue};
use crate::attribute::model::Model;
use crate::diagnostic::{Code, Problem, Problems};
use crate::domain::attribution::NO_REASON;
use crate::domain::progress::Unit;
use crate::domain::run::IdClass;
use crate::domain::{PerSide, Stage, Status, key};
use crate::pipeline::machine::{read_model, run_context};
use crate::pipeline::walk::{CurrentAttribution, walk};
use crate::pipeline::{Plan, Session, stored_outcome};
use crate::store::RunRow;

use super::cases::check;
use super::labels::Labels;

/// A difference worth deciding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Asked {
    pub reference: String,
    pub field: String,
    pub diff_type: &'static str,
    pub attribution_id: String,
    /// The present reason and its confidence.
    pub reason: String,
    pub confidence: f64,
    /// Undecided differences that look like it, itself included.
    pub alike: u64,
    /// The doubt about all of them: the sum of 1 − confidence.
    pub doubt: f64,
}

/// Up to `count` undecided differences of a run, the one that teaches most first. Those that a file of `labels` names
/// count as decided.
pub fn ask(
    session: Session<'_>,
    plan: &Plan,
    run: &RunRow,
    labels: Option<&Path>,
    count: usize,
) -> Result<Vec<Asked>, Problems> {
    check(run, plan)?;
    if run.stage != Some(Stage::Attributed) {
        let message = format!("run {} has not been attributed yet", run.id);
        let problem = Problem::new(Code::NotAttributed, message);
        return Err(problem.help("attribute it first: `recon attribute`").into());
    }
    let model = match session.store.champion(&plan.job)? {
        // Without a usable model the rules' confidence is all there is.
        Some(row) => read_model(session.store, &row, &plan.layout).ok(),
        None => None,
    };
    let reasons = &plan.attribution.reasons;
    let labels = labels.map(|path| Labels::read(path, &plan.layout, reasons)).transpose()?;
    let groups = gather(session, plan, run, model.as_ref(), labels.unwrap_or_default())?;
    Ok(groups.choose(model.as_ref().map_or(&[], Model::reasons), count))
}

fn gather(
    session: Session<'_>,
    plan: &Plan,
    run: &RunRow,
    model: Option<&Model>,
    mut labels: Labels,
) -> Result<Groups, Problem> {
    let books = stored_outcome(session.store, run)?.books;
    let systems = PerSide { a: run.system_a.clone(), b: run.system_b.clone() };
    let context = run_context(systems, run.batch_date, &plan.layout, &books);
    let plain = Encoder::default();
    let encoder = model.map_or(&plain, Model::encoder);
    let mut extractor = Extractor::new(encoder, &context, &plan.layout);
    let mut row = vec![0.0; COUNT];
    let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut groups = Groups::default();
    session.progress.start("reading", run.total_differences, Unit::Items);
    walk(session.store, run.id, &plan.layout, &mut |record| {
        if session.progress.interrupted() {
            return Err(Problem::interrupted());
        }
        session.progress.advance(record.differences.len() as u64);
        for difference in record.differences {
            let Some(given) = &difference.attribution else { continue };
            let of = record.context(difference);
            let label = |cells| labels.take(cells, plan.layout.key_len(), of.field_name());
            let by_file = record.cells().and_then(label);
            let decided = by_file.or_else(|| decided_reason(given));
            if decided.is_none() && given.attribution.status != Status::Unknown {
                continue;
            }
            extractor.extract(&of, record.together, &mut row);
            let at = *places.entry(looks(of.field_name(), &row)).or_insert_with(|| groups.open());
            if let Some(reason) = decided {
                groups.decide(at, reason, &row);
                continue;
            }
            let guess = model.map(|model| model.guess_one(&row));
            let confidence = guess.map_or(given.attribution.confidence, |guess| {
                if guess.novel { 0.0 } else { guess.confidence }
            });
            groups.group(at).add(1.0 - confidence, difference.number, &row, || Asked {
                reference: record
                    .cells()
                    .map(|cells| key::reference(cells, plan.layout.key_len()))
                    .unwrap_or_default(),
                field: of.field_name().to_owned(),
                diff_type: of.diff_type.name(),
                attribution_id: run.id.derived(IdClass::Attribution, difference.number).to_string(),
                reason: given.attribution.reason.clone(),
                confidence,
                alike: 0,
                doubt: 0.0,
            });
        }
        Ok(())
    })?;
    session.progress.finish();
    Ok(groups)
}

/// The reason that users gave a difference, if they decided it.
fn decided_reason(given: &CurrentAttribution) -> Option<String> {
    let attribution = &given.attribution;
    given.held_by_people.then(|| match attribution.status {
        Status::Rejected => NO_REASON.to_owned(),
        _ => attribution.reason.clone(),
    })
}

/// The key that similar differences share.
fn looks(field: &str, row: &[f32]) -> Vec<u8> {
    let flags = catalogue()
        .iter()
        .zip(row)
        .filter(|(feature, _)| feature.scale == Scale::Flag || feature.name == "diff_type")
        .map(|(_, value)| *value as u8);
    field.bytes().chain([0xff]).chain(flags).collect()
}
