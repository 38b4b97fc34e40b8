//! The last step: the driver adds up the counts of all tasks, proves the books, and describes the run.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::super::conclusion::Findings;
use super::super::machine::{MachineRecord, Sampler};
use super::super::recorder::Depth;
use super::super::{closing_metadata, opening_metadata};
use super::counts::{Counts, State};
use super::results::RECORD_SLOTS;
use super::{In, Task};
use crate::diagnostic::{Code, Problem};
use crate::domain::run::IdClass;
use crate::domain::{Date, Instant, Layout, ReasonCode, RunId, RunStatus, Side, Stage, metadata};
use crate::store::{
    AttributionCount, Counts as StoredCounts, FinishRun, NewRun, RejectedRow, RunRow, layout_json,
    read_layout, read_time, time_text,
};

/// A run as `run.json` describes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Closed {
    /// The version of the exchange.
    pub exchange: u8,
    run_id: String,
    job: String,
    system_a: String,
    system_b: String,
    batch_date: String,
    started: String,
    ended: String,
    status: String,
    key_length: i64,
    layout: Json,
    pub(super) keep_all: bool,
    pub(super) total_records: u64,
    pub(super) total_differences: u64,
    pub(super) attributions: Vec<AttributionCount>,
    pub(super) gate: (u64, u64),
    reason_codes: Vec<(String, bool, String, bool)>,
    /// The share of accepted differences that people check blind, and the basis of acceptance.
    pub(super) blind_checks: (f64, String),
    rejected: Vec<RejectedRow>,
    /// The number of the first record of each slot.
    pub(super) first: Vec<u64>,
    metadata: Json,
}

/// Adds up the counts of the join's tasks.
///
/// # Errors
/// The books do not close, or the money does not tie.
pub fn close(
    task: Task<'_>,
    mut state: State,
    rows: &mut In<'_>,
    now: Instant,
) -> Result<(Closed, Vec<Problem>), Problem> {
    let Task { plan, spread, tag, .. } = task;
    state.counts.add(Counts::collect(tag, rows)?);
    let digests = state.digests(task);
    let ready = task.machine(&state)?;
    let State { counts, conventions } = state;
    let mut first = Vec::with_capacity(RECORD_SLOTS);
    let mut next = 1;
    for slot in 0..RECORD_SLOTS {
        first.push(next);
        let slot = u32::try_from(slot).unwrap_or_default();
        next += counts.records.get(&slot).copied().unwrap_or_default();
    }
    let rejected = Side::BOTH.into_iter().flat_map(|side| counts.rejected[side].iter().cloned());
    let rejected = rejected.collect();
    let doubtful = counts.doubtful();
    let mut tally = counts.read;
    tally.add(&counts.passes);
    tally.add(&counts.joined);
    let findings = Findings {
        tally,
        left_ambiguous: counts.left_ambiguous,
        greedy_keys: counts.greedy_keys,
        rule_failures: counts.failures,
        digests,
        doubtful,
        conventions,
        taken_warnings: Vec::new(),
        machine_warnings: ready.warnings.clone(),
    };
    let mut outcome = findings.conclude(plan, Depth::Attribute)?;
    let started = spread.started()?;
    outcome.seconds.total = now.nanoseconds_since(started).max(0) as f64 / 1e9;
    let sampler = Sampler::of(&plan.job, plan.batch_date, 0.0);
    let machine = MachineRecord { sample: None, ..ready.record(sampler) };
    let basis = machine.basis.clone();
    outcome.machine = Some(machine);
    let mut run_metadata = opening_metadata(plan);
    closing_metadata(&mut run_metadata, &outcome);
    let closed = Closed {
        exchange: crate::exchange::VERSION,
        run_id: spread.run_id()?.to_string(),
        job: plan.job.clone(),
        system_a: plan.systems.a.clone(),
        system_b: plan.systems.b.clone(),
        batch_date: plan.batch_date.to_string(),
        started: time_text(started),
        ended: time_text(now),
        status: outcome.status.name().to_owned(),
        key_length: i64::try_from(plan.layout.key_len()).unwrap_or_default(),
        layout: layout_json(&plan.layout),
        keep_all: plan.options.keep_all,
        total_records: outcome.books.records(),
        total_differences: outcome.books.differences(),
        attributions: outcome.attributions,
        gate: outcome.gate,
        reason_codes: plan
            .reason_codes
            .iter()
            .cloned()
            .map(|one| (one.code, one.functional, one.description, one.closes))
            .collect(),
        blind_checks: (plan.attribution.audit_sample, basis),
        rejected,
        first,
        metadata: run_metadata,
    };
    Ok((closed, outcome.warnings))
}

impl Closed {
    /// Reads a run's description.
    ///
    /// # Errors
    /// It is malformed, or of another version.
    pub fn read(text: &str) -> Result<Self, Problem> {
        let wrong = |message: String| {
            Problem::new(Code::ResultUnreadable, format!("this is no `run.json`: {message}"))
                .help("`recon shard close` writes it")
        };
        let closed: Self = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let version = crate::exchange::VERSION;
        if closed.exchange == version {
            return Ok(closed);
        }
        Err(wrong(format!("it is of version {}, and this is version {version}", closed.exchange)))
    }

    pub fn write(&self) -> String {
        // Numbers and texts always serialize.
        serde_json::to_string(self).unwrap_or_default()
    }

    fn changed(what: &str) -> Problem {
        let message = format!("the {what} in `run.json` is invalid");
        Problem::new(Code::ResultUnreadable, message)
    }

    /// The run's id.
    ///
    /// # Errors
    /// It is malformed.
    pub fn id(&self) -> Result<RunId, Problem> {
        self.run_id.parse().map_err(|_| Self::changed("run id"))
    }

    pub(super) fn layout(&self) -> Result<Layout, Problem> {
        read_layout(&self.layout.to_string(), self.key_length)
    }

    pub(super) fn reason_codes(&self) -> Vec<ReasonCode> {
        let codes = self.reason_codes.iter().cloned();
        codes
            .map(|(code, functional, description, closes)| ReasonCode {
                code,
                functional,
                description,
                closes,
            })
            .collect()
    }

    /// The job and its business date.
    pub(super) fn of(&self) -> Result<(&str, Date), Problem> {
        let date = self.batch_date.parse().map_err(|_| Self::changed("business date"))?;
        Ok((&self.job, date))
    }

    pub(super) fn new_run(&self) -> Result<NewRun, Problem> {
        Ok(NewRun {
            id: self.id()?,
            job: self.job.clone(),
            system_a: self.system_a.clone(),
            system_b: self.system_b.clone(),
            batch_date: self.of()?.1,
            started: read_time(&self.started)?,
            layout: self.layout()?,
            keep_all: self.keep_all,
            metadata: self.metadata.clone(),
        })
    }

    pub(super) fn finish(&self) -> Result<FinishRun, Problem> {
        Ok(FinishRun {
            ended: read_time(&self.ended)?,
            status: RunStatus::from_name(&self.status).ok_or_else(|| Self::changed("status"))?,
            stage: Stage::Attributed,
            total_records: self.total_records,
            total_differences: self.total_differences,
            metadata: self.metadata.clone(),
        })
    }

    /// Run, counts and first rejected rows, for the report.
    ///
    /// # Errors
    /// The description was changed.
    pub fn for_report(&self) -> Result<(RunRow, StoredCounts, &[RejectedRow]), Problem> {
        let new = self.new_run()?;
        let finish = self.finish()?;
        let run = RunRow {
            id: new.id,
            job: new.job,
            system_a: new.system_a,
            system_b: new.system_b,
            batch_date: new.batch_date,
            started: new.started,
            ended: Some(finish.ended),
            status: finish.status,
            stage: Some(finish.stage),
            superseded_by: None,
            total_records: finish.total_records,
            total_differences: finish.total_differences,
            layout: new.layout,
            keep_all: new.keep_all,
            metadata: finish.metadata,
        };
        let counts = StoredCounts { attributions: self.attributions.clone(), gate: self.gate };
        Ok((run, counts, &self.rejected))
    }

    pub(super) fn counts(&self) -> Option<&Json> {
        self.metadata.get(metadata::COUNTS)
    }

    /// Derivation of ids from slots and positions.
    ///
    /// # Errors
    /// The run's id is invalid.
    pub fn ids(&self) -> Result<Json, Problem> {
        let run = self.id()?;
        Ok(json!({
            "run_id": self.run_id,
            "record_prefix": run.prefix(IdClass::Record),
            "difference_prefix": run.prefix(IdClass::Difference),
            "attribution_prefix": run.prefix(IdClass::Attribution),
            "first": self.first,
        }))
    }
}
