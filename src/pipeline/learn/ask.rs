//! `recon train --ask`: the undecided differences whose labels would improve the model most.
//!
//! Differences look alike if field, kind and every yes-or-no feature are the same.

use std::collections::HashMap;
use std::path::Path;

use serde::Serialize;

use crate::attribute::features::{COUNT, Encoder, Extractor, Scale, catalogue};
use crate::attribute::model::Model;
use crate::diagnostic::{Code, Problem, Problems};
use crate::domain::progress::Unit;
use crate::domain::run::IdClass;
use crate::domain::teaching::{Alike, places};
use crate::domain::{PerSide, Stage, Status, key};
use crate::pipeline::machine::{read_model, run_context};
use crate::pipeline::walk::walk;
use crate::pipeline::{Plan, Session, stored_outcome};
use crate::store::RunRow;

use super::cases::check;
use super::labels::Labels;

/// Candidates kept of a group; more look the same.
const KEPT: usize = 64;

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

#[derive(Default)]
struct Group {
    alike: u64,
    decided: u64,
    doubt: f64,
    /// Doubt, spread number and difference; the most doubtful are kept.
    kept: Vec<(f64, u64, Asked)>,
}

impl Group {
    fn add(&mut self, doubt: f64, number: u64, asked: impl FnOnce() -> Asked) {
        self.alike += 1;
        self.doubt += doubt;
        // Among equals any will do, but neighbors often come from one batch.
        let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if self.kept.len() < KEPT * 2 {
            self.kept.push((doubt, spread, asked()));
        }
        if self.kept.len() == KEPT * 2 {
            self.tidy();
        }
    }

    fn tidy(&mut self) {
        self.kept.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        self.kept.truncate(KEPT);
    }
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
    Ok(choose(groups, count))
}

fn gather(
    session: Session<'_>,
    plan: &Plan,
    run: &RunRow,
    model: Option<&Model>,
    mut labels: Labels,
) -> Result<Vec<Group>, Problem> {
    let books = stored_outcome(session.store, run)?.books;
    let systems = PerSide { a: run.system_a.clone(), b: run.system_b.clone() };
    let context = run_context(systems, run.batch_date, &plan.layout, &books);
    let plain = Encoder::default();
    let encoder = model.map_or(&plain, Model::encoder);
    let mut extractor = Extractor::new(encoder, &context, &plan.layout);
    let mut row = vec![0.0; COUNT];
    let mut groups: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut found: Vec<Group> = Vec::new();
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
            let is_decided = given.held_by_people || record.cells().and_then(label).is_some();
            if !is_decided && given.attribution.status != Status::Unknown {
                continue;
            }
            extractor.extract(&of, record.together, &mut row);
            let at = *groups.entry(looks(of.field_name(), &row)).or_insert_with(|| {
                found.push(Group::default());
                found.len() - 1
            });
            if is_decided {
                found[at].decided += 1;
                continue;
            }
            let guess = model.map(|model| model.guess_one(&row));
            let confidence = guess.map_or(given.attribution.confidence, |guess| {
                if guess.novel { 0.0 } else { guess.confidence }
            });
            found[at].add(1.0 - confidence, difference.number, || Asked {
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
    Ok(found)
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

/// Gives the places to the differences of the groups.
fn choose(groups: Vec<Group>, count: usize) -> Vec<Asked> {
    let mut sizes = Vec::new();
    let mut waiting = Vec::new();
    for mut group in groups {
        group.tidy();
        let Group { alike, decided, doubt, kept } = group;
        sizes.push((alike, Alike { doubt, most: kept.len(), decided }));
        waiting.push(kept.into_iter());
    }
    let worth: Vec<Alike> = sizes.iter().map(|(_, worth)| *worth).collect();
    let next = |at: usize| {
        let (alike, Alike { doubt, .. }) = sizes[at];
        waiting[at].next().map(|(_, _, asked)| Asked { alike, doubt, ..asked })
    };
    places(&worth, count).into_iter().filter_map(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str, doubts: &[f64]) -> Group {
        let mut group = Group::default();
        for (at, doubt) in doubts.iter().enumerate() {
            group.add(*doubt, at as u64, || Asked {
                reference: name.to_owned(),
                field: String::new(),
                diff_type: "",
                attribution_id: at.to_string(),
                reason: String::new(),
                confidence: 1.0 - doubt,
                alike: 0,
                doubt: 0.0,
            });
        }
        group
    }

    #[test]
    fn uncertain_and_frequent_differences_are_asked_about_first() {
        let groups =
            vec![group("few", &[0.9]), group("many", &[0.2; 300]), group("sure", &[0.01, 0.3])];
        let asked = choose(groups, 70);
        let of = |name: &str| asked.iter().filter(|asked| asked.reference == name).count();
        assert_eq!((asked[0].reference.as_str(), asked[0].alike), ("many", 300));
        assert_eq!((of("few"), of("sure"), asked.len()), (1, 2, KEPT + 3));
        // Within a group the most doubtful comes first.
        let sure = asked.iter().find(|asked| asked.reference == "sure").unwrap();
        assert_eq!((sure.confidence, sure.alike), (0.7, 2));
        assert_eq!(choose(vec![group("few", &[0.9])], 0), []);
    }
}
