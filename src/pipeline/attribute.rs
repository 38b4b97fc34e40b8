//! `recon attribute`: gives the differences of a stored run their reasons, with the present rules.

use std::time::Instant;

use crate::attribute::Attributor;
use crate::diagnostic::Problem;
use crate::domain::gate;
use crate::domain::progress::Unit;
use crate::domain::{
    AssignedBy, Attribution, Confidence, DifferenceContext, RunStatus, Stage, Status,
};
use crate::store::{Batch, DecisionRow, RunRow, StoredDifference, StoredRecord, Writer};

use super::diff::decode;
use super::recorder::push_attribution;
use super::tally::Tally;
use super::{Finished, Outcome, Plan, Session, conclude, stored_outcome};

/// The text of a batch beyond which it is written.
const BATCH_TEXT: usize = 1 << 20;

/// Attributes a compared run. With `again`, re-decides all that the machine gave and no person has
/// touched or holds; without it, an attributed run stays as it is.
pub fn attribute(
    session: Session<'_>,
    plan: &Plan,
    run: &RunRow,
    again: bool,
) -> Result<Finished, Problem> {
    let begun = Instant::now();
    if run.stage < Some(Stage::Compared) {
        let message = format!("run {} has not been compared yet", run.id);
        return Err(Problem::usage("not-compared", message).help("compare it: `recon diff`"));
    }
    if run.stage == Some(Stage::Attributed) && !again {
        return Ok(Finished { run: run.clone(), outcome: stored_outcome(session.store, run)? });
    }
    if run.layout != *plan.layout {
        let message = format!("`fields` or `key` have changed since run {} was ingested", run.id);
        return Err(Problem::usage("configuration-changed", message)
            .help("ingest again: `recon ingest`, or `recon run`"));
    }
    session.store.repair()?;
    let _lock =
        session.store.lock(&run.job, run.batch_date, session.lock_timeout, session.progress)?;
    session.store.sync_reason_codes(&plan.reason_codes)?;
    session.store.resume_run(run.id)?;
    conclude(session, run.id, begun, |writer| {
        let outcome = attribute_stored(session, plan, run, writer)?;
        let mut metadata = run.metadata.clone();
        if let Some(map) = metadata.as_object_mut() {
            map.insert("rules".to_owned(), plan.record.rules.clone());
        }
        Ok((outcome, Stage::Attributed, metadata))
    })
}

/// Whether the rules have changed since the run was attributed.
pub fn rules_changed(plan: &Plan, run: &RunRow) -> bool {
    run.stage == Some(Stage::Attributed) && run.metadata.get("rules") != Some(&plan.record.rules)
}

/// The record whose differences are being looked at.
#[derive(Default)]
struct Current {
    record: u64,
    verdicts: Vec<(Status, bool)>,
}

fn attribute_stored(
    session: Session<'_>,
    plan: &Plan,
    run: &RunRow,
    writer: &mut dyn Writer,
) -> Result<Outcome, Problem> {
    let begun = Instant::now();
    let mut work = Work {
        plan,
        attributor: Attributor::new(plan.attribution.clone())?,
        tally: Tally::default(),
        batch: Batch::default(),
        current: Current::default(),
    };
    let (mut a, mut b) = (Vec::new(), Vec::new());
    session.progress.start("attributing", run.total_differences, Unit::Items);
    session.store.each_difference(run.id, &mut |difference, record| {
        if session.progress.interrupted() {
            return Err(Problem::interrupted());
        }
        let (a, b) = decode(&run.layout, record, &mut a, &mut b)?;
        work.enter(record);
        let context = DifferenceContext {
            layout: &run.layout,
            field: difference.field,
            diff_type: difference.diff_type,
            severity: difference.severity,
            a,
            b,
            partner_rejected: record.partner_rejected,
        };
        work.decide(difference, &context)?;
        session.progress.advance(1);
        if work.batch.text_len() > BATCH_TEXT {
            writer.write(&std::mem::take(&mut work.batch))?;
        }
        Ok(())
    })?;
    work.leave();
    writer.write(&work.batch)?;
    let compared = stored_outcome(session.store, run)?;
    let (rule_errors, failures) = work.attributor.failures();
    let tally = work.tally;
    let clean = compared.books.rejected == crate::domain::PerSide::default() && rule_errors == 0;
    let mut seconds = compared.seconds;
    seconds.compare += begun.elapsed().as_secs_f64();
    let mut warnings = compared.warnings;
    warnings.extend(failures);
    Ok(Outcome {
        status: if clean { RunStatus::Completed } else { RunStatus::CompletedWithErrors },
        attributions: tally.attributions,
        gate: (compared.books.records() - tally.blocked, tally.blocked),
        rule_errors,
        warnings,
        seconds,
        ..compared
    })
}

struct Work<'p> {
    plan: &'p Plan,
    attributor: Attributor,
    tally: Tally,
    batch: Batch,
    current: Current,
}

impl Work<'_> {
    fn enter(&mut self, record: &StoredRecord<'_>) {
        if record.number != self.current.record {
            self.leave();
            self.current.record = record.number;
        }
    }

    /// Gives the verdict on the record that has been looked at.
    fn leave(&mut self) {
        if !self.current.verdicts.is_empty() {
            self.tally.gate(gate::verdict(self.current.verdicts.drain(..)));
        }
    }

    fn decide(
        &mut self,
        difference: &StoredDifference<'_>,
        context: &DifferenceContext<'_>,
    ) -> Result<(), Problem> {
        let attribution = match difference.attribution {
            Some(held) if held.held_by_people => Attribution {
                reason: held.reason.to_owned(),
                confidence: Confidence::new(held.confidence).unwrap_or(Confidence::ZERO),
                status: held.status,
                assigned_by: AssignedBy::parse(held.assigned_by),
                notes: Vec::new(),
            },
            _ => {
                let decided = self.attributor.decide(context);
                if self.plan.options.stop_on_rule_error {
                    self.attributor.stop_on_failure()?;
                }
                let attribution = push_attribution(&mut self.batch, &decided);
                self.batch.decisions.push(DecisionRow { number: difference.number, attribution });
                decided
            }
        };
        let functional = self.plan.attribution.is_functional(&attribution.reason);
        self.current.verdicts.push((attribution.status, functional));
        self.tally.attribution(&attribution, functional);
        Ok(())
    }
}
