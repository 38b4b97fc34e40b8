//! `recon attribute`: gives a stored run's differences their reasons, using the current rules.

use std::time::Instant;

use crate::attribute::Attributor;
use crate::diagnostic::{Code, Problem};
use crate::domain::gate;
use crate::domain::progress::Unit;
use crate::domain::{AssignedBy, Attribution, Confidence, PerSide, RunStatus, Stage, metadata};
use crate::store::{Batch, DecisionRow, RunRow, Writer};

use super::machine::{MODEL, Sampler, prepare, run_context};
use super::open_items;
use super::recorder::push_attribution;
use super::signer::Signer;
use super::tally::Tally;
use super::walk::{Record, walk};
use super::{Finished, Plan, RunOutcome, Session, conclude, stored_outcome};

/// A batch is written once its text reaches this size.
const BATCH_TEXT: usize = 1 << 20;

/// Attributes a compared run. With `again`, re-decides automatic attributions that no user has
/// decided or holds in a proposal; without it, an attributed run stays unchanged.
pub fn attribute(
    session: Session<'_>,
    plan: &Plan,
    run: &RunRow,
    again: bool,
) -> Result<Finished, Problem> {
    let begun = Instant::now();
    if run.stage < Some(Stage::Compared) {
        let message = format!("run {} has not been compared yet", run.id);
        return Err(Problem::new(Code::NotCompared, message).help("compare it first: `recon diff`"));
    }
    if run.stage == Some(Stage::Attributed) && !again {
        let outcome = stored_outcome(session.store, run)?;
        return Ok(Finished { run: run.clone(), outcome, counts: None });
    }
    if run.layout != *plan.layout {
        let message = format!("`fields` or `key` have changed since run {} was ingested", run.id);
        return Err(Problem::new(Code::ConfigurationChanged, message)
            .help("ingest again: `recon ingest`, or `recon run`"));
    }
    session.store.repair()?;
    let _lock =
        session.store.lock(&run.job, run.batch_date, session.lock_timeout, session.progress)?;
    session.store.sync_reason_codes(&plan.job, &plan.reason_codes)?;
    session.store.resume_run(run.id)?;
    conclude(session, run.id, begun, |writer| {
        let mut outcome = attribute_stored(session, plan, run, writer)?;
        if run.stage < Some(Stage::Attributed) {
            outcome.warnings.extend(open_items::later_runs(session.store, plan)?);
        }
        let mut metadata = run.metadata.clone();
        if let Some(map) = metadata.as_object_mut() {
            map.insert("rules".to_owned(), plan.record.rules.clone());
        }
        Ok((outcome, Stage::Attributed, metadata))
    })
}

pub fn rules_changed(plan: &Plan, run: &RunRow) -> bool {
    run.stage == Some(Stage::Attributed) && run.metadata.get("rules") != Some(&plan.record.rules)
}

/// True if the champion has changed since the run was attributed.
pub fn model_changed(session: Session<'_>, plan: &Plan, run: &RunRow) -> Result<bool, Problem> {
    if run.stage != Some(Stage::Attributed) || !plan.attribution.model_enabled {
        return Ok(false);
    }
    let champion = session.store.champion(&plan.job)?.map(|row| row.version.to_string());
    let used: Option<String> = metadata::piece(&run.metadata, MODEL);
    Ok(champion != used)
}

fn attribute_stored(
    session: Session<'_>,
    plan: &Plan,
    run: &RunRow,
    writer: &mut dyn Writer,
) -> Result<RunOutcome, Problem> {
    let begun = Instant::now();
    let compared = stored_outcome(session.store, run)?;
    let mut ready = prepare(Some(session.store), plan)?;
    let systems = PerSide { a: run.system_a.clone(), b: run.system_b.clone() };
    ready.machine.run = run_context(systems, run.batch_date, &run.layout, &compared.books);
    ready.machine.held_back = compared.conventions.held_back(&run.layout, &compared.books);
    let mut work = Work {
        plan,
        attributor: Attributor::new(&plan.attribution, &ready.machine, &run.layout)?,
        tally: Tally::default(),
        batch: Batch::default(),
        sampler: Sampler::new(plan, run.batch_date),
        signer: Signer::new(plan),
    };
    session.progress.start("attributing", run.total_differences, Unit::Items);
    walk(session.store, run.id, &run.layout, &mut |record| {
        if session.progress.interrupted() {
            return Err(Problem::interrupted());
        }
        work.decide(record)?;
        session.progress.advance(record.differences.len() as u64);
        if work.batch.text_len() > BATCH_TEXT {
            writer.write(&std::mem::take(&mut work.batch))?;
            work.signer.next_batch();
        }
        Ok(())
    })?;
    writer.write(&work.batch)?;
    let (rule_errors, failures) = work.attributor.failures();
    let tally = work.tally;
    let clean = compared.books.rejected == PerSide::default() && rule_errors == 0;
    let mut seconds = compared.seconds;
    seconds.compare += begun.elapsed().as_secs_f64();
    let mut warnings = compared.warnings;
    warnings.extend(failures);
    let machine = Some(ready.record(work.sampler));
    warnings.extend(ready.warnings);
    Ok(RunOutcome {
        status: if clean { RunStatus::Completed } else { RunStatus::CompletedWithErrors },
        attributions: tally.attributions,
        gate: (compared.books.records() - tally.blocked, tally.blocked),
        rule_errors,
        warnings,
        seconds,
        machine,
        ..compared
    })
}

struct Work<'p> {
    plan: &'p Plan,
    attributor: Attributor<'p>,
    tally: Tally,
    batch: Batch,
    sampler: Sampler,
    signer: Signer<'p>,
}

impl Work<'_> {
    /// Decides the differences of a record and its gate status.
    fn decide(&mut self, record: &Record<'_>) -> Result<(), Problem> {
        let mut verdicts = Vec::with_capacity(record.differences.len());
        for difference in record.differences {
            let attribution = match &difference.attribution {
                Some(held) if held.held_by_people => Attribution {
                    reason: held.attribution.reason.clone(),
                    confidence: Confidence::new(held.attribution.confidence)
                        .unwrap_or(Confidence::ZERO),
                    status: held.attribution.status,
                    assigned_by: AssignedBy::parse(&held.attribution.assigned_by),
                    notes: Vec::new(),
                    model: None,
                },
                _ => {
                    let context = record.context(difference);
                    let decided = self.attributor.decide(&context, record.together);
                    self.attributor.stop_on_failure(self.plan.options.stop_on_rule_error)?;
                    let mut attribution = push_attribution(&mut self.batch, &decided);
                    let signed = self.signer.sign(&mut self.batch, &context, &decided.reason);
                    attribution.signature = Some(signed);
                    if self.sampler.is_on() {
                        self.sampler.look(difference.number, &attribution);
                    }
                    let number = difference.number;
                    self.batch.decisions.push(DecisionRow { number, attribution });
                    decided
                }
            };
            let functional = self.plan.attribution.is_functional(&attribution.reason);
            verdicts.push((attribution.status, functional));
            self.tally.attribution(&attribution, functional);
        }
        self.tally.gate(gate::verdict(verdicts));
        Ok(())
    }
}
