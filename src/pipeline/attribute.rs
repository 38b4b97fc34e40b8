//! `recon attribute`: gives a stored run's differences their reasons, using the current rules.

use std::ops::ControlFlow;
use std::time::Instant;

use crate::attribute::{Attributor, RuleFailures};
use crate::diagnostic::{Code, Problem};
use crate::domain::gate;
use crate::domain::progress::Unit;
use crate::domain::{
    AssignedBy, Attribution, Confidence, Layout, PerSide, Progress, RunStatus, Stage, metadata,
};
use crate::store::{Batch, DecisionRow, DifferenceLot, RunRow, Writer};

use super::lots::{Worker, work_in_order};
use super::machine::{MODEL, Sampler, prepare, run_context};
use super::open_items;
use super::recorder::push_attribution;
use super::signer::Signer;
use super::tally::Tally;
use super::walk::{Gathered, Record};
use super::{Finished, Plan, RunOutcome, Session, conclude, stored_outcome};

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
    let decider = || {
        Ok(Decider {
            plan,
            layout: &run.layout,
            progress: session.progress,
            attributor: Attributor::new(&plan.attribution, &ready.machine, &run.layout)?,
            tally: Tally::default(),
            gathered: Gathered::default(),
            batch: Batch::default(),
            signer: Signer::new(plan),
        })
    };
    let mut sampler = Sampler::new(plan, run.batch_date);
    session.progress.start("attributing", run.total_differences, Unit::Items);
    let decided = work_in_order(
        (session, plan, run),
        |pass_on| {
            let store = session.store;
            store.difference_lots(run.id, &mut |lot| pass_on(lot).map(ControlFlow::Continue))
        },
        decider,
        &mut |batch| sampler.look_at(batch),
        writer,
    )?;
    let mut tally = Tally::default();
    let mut failures = RuleFailures::default();
    for (of_worker, failed) in decided {
        tally.add(&of_worker);
        failures.merge(failed);
    }
    let rule_errors = failures.count();
    let clean = compared.books.rejected == PerSide::default() && rule_errors == 0;
    let mut seconds = compared.seconds;
    seconds.compare += begun.elapsed().as_secs_f64();
    let mut warnings = compared.warnings;
    warnings.extend(failures.warnings());
    let machine = Some(ready.record(sampler));
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

/// Decides the differences of lots.
struct Decider<'p> {
    plan: &'p Plan,
    layout: &'p Layout,
    progress: &'p dyn Progress,
    attributor: Attributor<'p>,
    tally: Tally,
    gathered: Gathered,
    batch: Batch,
    signer: Signer<'p>,
}

impl Worker<DifferenceLot> for Decider<'_> {
    /// The counts and the rule failures.
    type Found = (Tally, RuleFailures);

    fn work(&mut self, lot: &DifferenceLot) -> Result<Batch, Problem> {
        let mut gathered = std::mem::take(&mut self.gathered);
        let mut differences = 0;
        gathered.walk(self.layout, lot, &mut |record| {
            differences += record.differences.len() as u64;
            self.decide(record)
        })?;
        self.gathered = gathered;
        self.progress.advance(differences);
        self.signer.next_batch();
        Ok(std::mem::take(&mut self.batch))
    }

    fn finish(self) -> Self::Found {
        (self.tally, self.attributor.failures())
    }
}

impl Decider<'_> {
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
                    let values = [context.a, context.b].map(|side| context.raw(side));
                    let signed =
                        self.signer.sign(&mut self.batch, &context, values, &decided.reason);
                    attribution.signature = Some(signed);
                    let number = difference.number;
                    self.batch.decisions.push(DecisionRow { number, attribution });
                    decided
                }
            };
            let plan = &self.plan.attribution;
            let functional = self.tally.attribution(&attribution, |code| plan.is_functional(code));
            verdicts.push((attribution.status, functional));
        }
        self.tally.gate(gate::verdict(verdicts));
        Ok(())
    }
}
