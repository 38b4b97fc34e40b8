//! The order of the stages, and the plan they follow.
//!
//! `run` is one pass over the sources; `ingest`, `diff` and `attribute` are the same stages one at
//! a time, with the store between them. Both store the same result.

mod attribute;
mod conclusion;
mod conventions;
mod diff;
mod explain;
mod halt;
mod join;
pub(crate) mod learn;
mod lots;
mod machine;
mod matching;
mod open_items;
mod plan;
mod read;
mod reconcile;
mod recorder;
mod settle;
pub mod shard;
mod signer;
mod tally;
mod trial;
mod walk;

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::diagnostic::{Code, Problem};
use crate::domain::calendar::Calendar;
use crate::domain::metadata::{self, Seconds, Source, Warning};
use crate::domain::{Books, Instant, PerSide, Progress, RunId, RunStatus, Stage};
use crate::source::Opened;
use crate::store::{AttributionCount, Counts, FinishRun, NewRun, Published, RunRow, Store, Writer};

use conventions::{Conventions, as_warning};

pub(crate) use attribute::{attribute, model_changed, rules_changed};
pub(crate) use diff::diff;
pub(crate) use explain::{
    DifferenceExplanation, Explanation, FieldExplanation, MatchExplanation, MemberExplanation,
    SideExplanation, explain, explain_record, words_of_rule,
};
pub(crate) use machine::ACCEPTANCE;
pub use machine::MachineRecord;
pub use open_items::CarriedRows;
pub use plan::{ConfigurationRecord, MatchPlan, MaxRejected, OpenItems, Options, Plan};
pub use recorder::Depth;
pub use trial::{TrialMatch, try_passes};

/// The surroundings of a command on a run.
#[derive(Clone, Copy)]
pub struct Session<'a> {
    /// The store of the runs.
    pub store: &'a dyn Store,
    /// Progress reporting and cancellation.
    pub progress: &'a dyn Progress,
    /// How long to wait for another run of the same job and date.
    pub lock_timeout: Duration,
    /// The clock, in UTC.
    pub now: &'a dyn Fn() -> Instant,
}

/// The result of a command on a run.
#[derive(Clone, Debug)]
pub struct RunOutcome {
    /// Completed, with or without errors.
    pub status: RunStatus,
    pub books: Books,
    /// Reasons, statuses and their sources; empty before attribution.
    pub attributions: Vec<AttributionCount>,
    /// Records that passed and records that are blocked.
    pub gate: (u64, u64),
    pub rule_errors: u64,
    /// The model used and the acceptance, if this command attributed.
    pub machine: Option<MachineRecord>,
    pub warnings: Vec<Problem>,
    /// Warnings from reading and comparing, by this command or an earlier one on the run.
    data_warnings: Vec<Warning>,
    conventions: Conventions,
    /// Rows taken over and their origin, if this command read the sources.
    open_items: Option<Json>,
    /// The sources with size, SHA-256 and rows.
    pub sources: PerSide<Source>,
    /// Where the time went.
    pub seconds: Seconds,
}

#[derive(Clone, Debug)]
pub struct Finished {
    pub run: RunRow,
    pub outcome: RunOutcome,
    /// Counts of the stored differences, if this command wrote them all.
    pub counts: Option<Counts>,
}

/// Reads both sources and stores a new run: only ingested, or also compared and attributed.
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
    let ready = match depth {
        Depth::Ingest => machine::RunMachine::default(),
        Depth::Attribute => machine::prepare(Some(store), plan)?,
    };
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
        let waiting = open_items::waiting(store, plan)?;
        let mut outcome =
            reconcile::reconcile(plan, ready, opened, waiting, depth, writer, session.progress)?;
        outcome.warnings.extend(open_items::later_runs(store, plan)?);
        Ok((outcome, stage, opening_metadata(plan)))
    })
}

/// Runs `work` with a writer, then finishes the run or marks it FAILED.
fn conclude(
    session: Session<'_>,
    id: RunId,
    begun: std::time::Instant,
    work: impl FnOnce(&mut dyn Writer) -> Result<(RunOutcome, Stage, Json), Problem>,
) -> Result<Finished, Problem> {
    let store = session.store;
    let result = (|| {
        let mut writer = store.writer(id)?;
        let (mut outcome, stage, mut metadata) = work(&mut *writer)?;
        if session.progress.interrupted() {
            return Err(Problem::interrupted());
        }
        let finishing = std::time::Instant::now();
        // The run may already contain the time of earlier commands.
        let before = outcome.seconds.total;
        let spent = outcome.seconds;
        outcome.seconds = spent.of_total(before + begun.elapsed().as_secs_f64());
        closing_metadata(&mut metadata, &outcome);
        // An earlier command on the run may have failed.
        if let Json::Object(fields) = &mut metadata {
            fields.remove("failure");
        }
        // Blind checks must be stored before the run becomes visible.
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
            // Human decisions and proposals that came over replace the machine's.
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
            // The first error matters more than a failed cleanup; the next command repairs.
            let _ = store.fail_run(id, &problem.message);
            Err(problem)
        }
    }
}

fn gone(id: RunId) -> Problem {
    Problem::new(Code::RunGone, format!("run {id} is no longer in the store"))
}

/// Time and randomness of a UUIDv7.
fn new_run_id(started: Instant) -> RunId {
    let millis = started.seconds() * 1000 + i64::from(started.nanoseconds() / 1_000_000);
    let mut random = [0; 10];
    random.copy_from_slice(&uuid::Uuid::now_v7().as_bytes()[6..]);
    RunId::new(u64::try_from(millis).unwrap_or_default(), random)
}

fn opening_metadata(plan: &Plan) -> Json {
    let mut opening = json!({
        "program": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
        "configuration": plan.record.configuration,
        "identity": plan.record.identity,
        "rules": plan.record.rules,
        "threads": plan.options.threads,
    });
    if !plan.money.is_empty() {
        opening[metadata::MONEY_FIELDS] = json!(plan.money);
    }
    if !plan.carry_across_dates {
        opening[metadata::CARRY_ACROSS_DATES] = false.into();
    }
    if let Some(calendar) = plan.calendar().filter(|calendar| **calendar != Calendar::default()) {
        let holidays: Vec<i32> = calendar.holidays().iter().map(|day| day.days()).collect();
        opening[metadata::CALENDAR] = json!({ "week": calendar.week(), "holidays": holidays });
    }
    opening
}

fn closing_metadata(metadata: &mut Json, outcome: &RunOutcome) {
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
        if let Some(open_items) = &outcome.open_items {
            map.insert(metadata::OPEN_ITEMS.to_owned(), open_items.clone());
        }
        if let Some(machine) = &outcome.machine {
            map.insert(machine::MODEL.to_owned(), json!(machine.model));
            map.insert(ACCEPTANCE.to_owned(), machine.acceptance.clone());
        }
    }
}

/// The metadata key for warnings of reading and comparing, which re-attribution keeps.
const DATA_WARNINGS: &str = "data_warnings";

/// The books of a stored run, and its current attributions.
pub fn stored_outcome(store: &dyn Store, run: &RunRow) -> Result<RunOutcome, Problem> {
    let attributed = run.stage == Some(Stage::Attributed);
    let counts = run.metadata.get(metadata::COUNTS).unwrap_or(&Json::Null);
    let books = metadata::books_from_json(counts).map_err(|error| {
        let message = format!("can't read the counts of run {}: {error}", run.id);
        Problem::new(Code::BooksUnreadable, message)
    })?;
    let sources = run.metadata.get(metadata::SOURCES).unwrap_or(&Json::Null);
    Ok(RunOutcome {
        status: run.status,
        books,
        attributions: if attributed { store.attribution_counts(run.id)? } else { Vec::new() },
        gate: if attributed { store.gate_counts(run.id)? } else { (0, 0) },
        rule_errors: metadata::piece(&run.metadata, metadata::RULE_ERRORS).unwrap_or_default(),
        machine: None,
        warnings: Vec::new(),
        data_warnings: metadata::piece(&run.metadata, DATA_WARNINGS).unwrap_or_default(),
        conventions: Conventions::of(&run.metadata),
        open_items: None,
        sources: PerSide::of(|side| metadata::piece(sources, side.letter()).unwrap_or_default()),
        seconds: metadata::piece(&run.metadata, metadata::SECONDS).unwrap_or_default(),
    })
}
