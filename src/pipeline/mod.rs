//! The conductors: the order of the stages, and the plan they follow.
//!
//! `run` is one pass over the sources; `ingest`, `diff` and `attribute` are the same stages one at a
//! time, with the store between them. Both ways store the same.

mod attribute;
mod conventions;
mod diff;
mod explain;
mod halt;
mod join;
pub mod learn;
mod machine;
mod plan;
mod read;
mod reconcile;
mod recorder;
mod signer;
mod tally;
mod walk;

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::diagnostic::{Code, Problem};
use crate::domain::metadata::{self, Seconds, Source, Warning};
use crate::domain::{Books, Date, Instant, PerSide, Progress, RunId, RunStatus, Stage};
use crate::source::Opened;
use crate::store::{
    AttributionCount, Counts, FinishRun, NewRun, Published, RunFilter, RunRow, Store, Writer,
};

use conventions::{Conventions, as_warning};

pub use attribute::{attribute, model_changed, rules_changed};
pub use diff::diff;
pub use explain::{
    DifferenceExplanation, Explanation, FieldExplanation, RejectedPartner, SideExplanation, explain,
};
pub use machine::{ACCEPTANCE, MachineRecord};
pub use plan::{ConfigurationRecord, MaxRejected, Options, Plan};
pub use recorder::Depth;

/// What a command on a run works with.
#[derive(Clone, Copy)]
pub struct Session<'a> {
    /// Where runs are kept.
    pub store: &'a dyn Store,
    /// Who listens and may interrupt.
    pub progress: &'a dyn Progress,
    /// How long to wait for another run of the same job and date.
    pub lock_timeout: Duration,
    /// The time, in UTC.
    pub now: &'a dyn Fn() -> Instant,
}

/// What a command on a run found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Completed, with or without errors.
    pub status: RunStatus,
    /// The counts.
    pub books: Books,
    /// Reasons, statuses and who gave them; empty before attributing.
    pub attributions: Vec<AttributionCount>,
    /// Records that passed and that are blocked.
    pub gate: (u64, u64),
    /// How often a rule failed.
    pub rule_errors: u64,
    /// Which model was asked and what was accepted on what evidence, if this command attributed.
    pub machine: Option<MachineRecord>,
    /// What this command found that a person should look at.
    pub warnings: Vec<Problem>,
    /// What was found while reading and comparing, by this command or by an earlier one on the run.
    data_warnings: Vec<Warning>,
    /// Fields in which nearly all records differ in the same way.
    conventions: Conventions,
    /// The sources with size, SHA-256 and rows.
    pub sources: PerSide<Source>,
    /// Where the time went.
    pub seconds: Seconds,
}

/// A command that reached its end.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The run as it is stored now.
    pub run: RunRow,
    /// What was found.
    pub outcome: Outcome,
    /// How the differences stand in the store, where the command wrote all of them.
    pub counts: Option<Counts>,
}

/// Reads both sources and stores a new run: as evidence only, or compared and attributed.
pub fn pass(
    session: Session<'_>,
    plan: &Plan,
    opened: PerSide<Opened>,
    depth: Depth,
) -> Result<Finished, Problem> {
    let begun = std::time::Instant::now();
    let store = session.store;
    store.repair()?;
    let _lock = store.lock(&plan.job, plan.batch_date, session.lock_timeout, session.progress)?;
    store.sync_reason_codes(&plan.job, &plan.reason_codes)?;
    let started = (session.now)();
    let id = new_run_id(started);
    store.create_run(&NewRun {
        id,
        job: plan.job.clone(),
        system_a: plan.systems.a.clone(),
        system_b: plan.systems.b.clone(),
        batch_date: plan.batch_date,
        started,
        layout: (*plan.layout).clone(),
        keep_all: plan.options.keep_all,
        metadata: opening_metadata(plan),
    })?;
    let stage = match depth {
        Depth::Ingest => Stage::Ingested,
        Depth::Attribute => Stage::Attributed,
    };
    conclude(session, id, begun, |writer| {
        let ready = match depth {
            Depth::Ingest => machine::Ready::default(),
            Depth::Attribute => machine::ready(store, plan)?,
        };
        let outcome = reconcile::reconcile(plan, ready, opened, depth, writer, session.progress)?;
        Ok((outcome, stage, opening_metadata(plan)))
    })
}

/// Runs `work` with a writer, then finishes the run, or marks it FAILED.
fn conclude(
    session: Session<'_>,
    id: RunId,
    begun: std::time::Instant,
    work: impl FnOnce(&mut dyn Writer) -> Result<(Outcome, Stage, Json), Problem>,
) -> Result<Finished, Problem> {
    let store = session.store;
    let result = (|| {
        let mut writer = store.writer(id)?;
        let (mut outcome, stage, mut metadata) = work(&mut *writer)?;
        if session.progress.interrupted() {
            return Err(Problem::interrupted());
        }
        let finishing = std::time::Instant::now();
        // Of a run that earlier commands have worked on, with their time.
        let before = outcome.seconds.total;
        let spent = outcome.seconds;
        outcome.seconds = spent.of_total(before + begun.elapsed().as_secs_f64());
        closing_metadata(&mut metadata, &outcome);
        // Nobody sees a run's blind checks before they see the run.
        if let Some((machine, sample)) =
            outcome.machine.as_ref().and_then(|machine| Some((machine, machine.sample.as_ref()?)))
        {
            store.sample_for_audit(id, &machine.basis, sample)?;
        }
        let Published { counts, carried } = writer.finish(&FinishRun {
            ended: (session.now)(),
            status: outcome.status,
            stage,
            total_records: outcome.books.records(),
            total_differences: outcome.books.differences(),
            metadata,
        })?;
        if carried > 0 {
            // What people had decided stands in place of what the machine said.
            outcome.attributions = store.attribution_counts(id)?;
            outcome.gate = store.gate_counts(id)?;
        }
        let store = spent.store + finishing.elapsed().as_secs_f64();
        let total = before + begun.elapsed().as_secs_f64();
        outcome.seconds = Seconds { store, ..spent }.of_total(total);
        Ok((outcome, counts))
    })();
    session.progress.finish();
    match result {
        Ok((outcome, counts)) => {
            let run = store.run(id)?.ok_or_else(|| gone(id))?;
            Ok(Finished { run, outcome, counts })
        }
        Err(problem) => {
            // The problem at hand matters more than one of cleaning up; the next command repairs.
            let _ = store.fail_run(id, &problem.message);
            Err(problem)
        }
    }
}

fn gone(id: RunId) -> Problem {
    Problem::new(Code::RunGone, format!("run {id} is not in the store any more"))
}

/// A new run's id: its time and the randomness of a UUIDv7.
fn new_run_id(started: Instant) -> RunId {
    let millis = started.seconds() * 1000 + i64::from(started.nanoseconds() / 1_000_000);
    let mut random = [0; 10];
    random.copy_from_slice(&uuid::Uuid::now_v7().as_bytes()[6..]);
    RunId::new(u64::try_from(millis).unwrap_or_default(), random)
}

fn opening_metadata(plan: &Plan) -> Json {
    json!({
        "program": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
        "configuration": plan.record.configuration,
        "identity": plan.record.identity,
        "rules": plan.record.rules,
        "threads": plan.options.threads,
    })
}

fn closing_metadata(metadata: &mut Json, outcome: &Outcome) {
    let mut warnings = outcome.data_warnings.clone();
    let of_command = outcome.warnings.iter().map(as_warning);
    warnings.extend(of_command.filter(|warning| !outcome.data_warnings.contains(warning)));
    warnings.sort_by_key(|warning| !warning.stands_first());
    outcome.conventions.keep(metadata);
    if let Json::Object(map) = metadata {
        let sources = json!({ "a": outcome.sources.a, "b": outcome.sources.b });
        map.insert(metadata::SOURCES.to_owned(), sources);
        map.insert(metadata::COUNTS.to_owned(), metadata::books_to_json(&outcome.books));
        map.insert(metadata::WARNINGS.to_owned(), json!(warnings));
        map.insert(DATA_WARNINGS.to_owned(), json!(outcome.data_warnings));
        map.insert(metadata::SECONDS.to_owned(), json!(outcome.seconds));
        map.insert(metadata::RULE_ERRORS.to_owned(), json!(outcome.rule_errors));
        if let Some(machine) = &outcome.machine {
            map.insert(machine::MODEL.to_owned(), json!(machine.model));
            map.insert(ACCEPTANCE.to_owned(), machine.acceptance.clone());
        }
    }
}

/// The key of the warnings of reading and comparing, which attributing again does not take back.
const DATA_WARNINGS: &str = "data_warnings";

/// The run that a command without `--run` means: the job's newest that is not FAILED, of this
/// business date if one is given. One that another command is still making does not show yet.
pub fn newest_run(
    store: &dyn Store,
    job: Option<&str>,
    batch_date: Option<Date>,
) -> Result<RunRow, Problem> {
    // The newest is at work only while somebody works, so one look nearly always suffices.
    for limit in [Some(1), None] {
        let job = job.map(str::to_owned);
        let runs = store.runs(&RunFilter {
            job,
            batch_date,
            not_failed: true,
            limit,
            ..RunFilter::default()
        })?;
        if let Some(run) = runs.into_iter().find(|run| run.stage.is_some()) {
            return Ok(run);
        }
    }
    let whose = job.map_or_else(String::new, |job| format!(" of job `{job}`"));
    let when = batch_date.map_or_else(String::new, |date| format!(" for {date}"));
    Err(Problem::new(Code::NoRun, format!("the store has no finished run{whose}{when}"))
        .help("make one with `recon run`; `recon runs list` shows those there are"))
}

/// What is known of a run that is stored already: its books, and its attributions as of now.
pub fn stored_outcome(store: &dyn Store, run: &RunRow) -> Result<Outcome, Problem> {
    let attributed = run.stage == Some(Stage::Attributed);
    let counts = run.metadata.get(metadata::COUNTS).unwrap_or(&Json::Null);
    let books = metadata::books_from_json(counts).map_err(|error| {
        let message = format!("the counts of run {} can't be read: {error}", run.id);
        Problem::new(Code::BooksUnreadable, message)
    })?;
    let sources = run.metadata.get(metadata::SOURCES).unwrap_or(&Json::Null);
    Ok(Outcome {
        status: run.status,
        books,
        attributions: if attributed { store.attribution_counts(run.id)? } else { Vec::new() },
        gate: if attributed { store.gate_counts(run.id)? } else { (0, 0) },
        rule_errors: metadata::piece(&run.metadata, metadata::RULE_ERRORS).unwrap_or_default(),
        machine: None,
        warnings: Vec::new(),
        data_warnings: metadata::piece(&run.metadata, DATA_WARNINGS).unwrap_or_default(),
        conventions: Conventions::of(&run.metadata),
        sources: PerSide::of(|side| metadata::piece(sources, side.letter()).unwrap_or_default()),
        seconds: metadata::piece(&run.metadata, metadata::SECONDS).unwrap_or_default(),
    })
}
