//! The store: runs, records, differences and attributions; one story, two backends.
//!
//! [`Store`] is the narrow trait behind which SQLite and PostgreSQL tell the same story. Each
//! command on a run is atomic: until [`Writer::finish`] has succeeded, nothing of it shows. Storage is
//! compact (numbers instead of ids, one evidence array instead of two JSON documents); the tables that
//! people query are views over it.

pub mod append_only;
pub mod audit;
mod batch;
mod break_list;
mod breaks;
mod carry;
pub mod chain;
pub(crate) mod checkpoint;
mod chunk;
mod digest;
pub mod export;
mod follow;
mod layout;
mod lots;
mod machine_results;
pub mod migrate;
mod newest_breaks;
pub(crate) mod people;
mod postgres;
mod prune;
mod publication;
mod query;
mod reader;
mod registry;
mod replay;
pub(crate) mod review;
mod rows;
pub(crate) mod run;
pub mod run_reference;
mod runs;
pub(crate) mod seal;
mod since;
mod sqlite;
mod stored;
mod trail_end;
pub mod training;
pub mod transact;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use crate::database::StoreUrl;
use crate::diagnostic::Problem;
use crate::domain::forecast::Watched;
use crate::domain::{Date, Progress, ReasonCode, RunId, Side};

pub use batch::{
    AttributionRow, Batch, DecisionRow, DifferenceRow, MAX_FIELDS, RecordKind, RecordRow,
    RejectedRow, Text, difference_number, field_of, record_of,
};
pub use break_list::{BreakFilter, COLUMNS as BREAK_COLUMNS, Event, Kind as BreakKind};
pub(crate) use lots::RECORDS as RECORDS_OF_LOT;
pub use lots::{DifferenceLot, RecordLot};
pub use newest_breaks::{NewestBreak, NewestBreaks};
pub use prune::{PruneOrder, PruneOutcome, Pruned};
pub use query::{QueryLimits, TableColumn, differences_of_reason};
pub use registry::{Evidence, ModelRow, NewModel, Promotion, Registry};
pub(crate) use stored::{layout_json, read_layout, read_time, time_text};

#[doc(hidden)]
pub use layout::MOST_LISTED;
pub use review::{LEAST_IN_MEMORY, LEAST_WALKED};
pub use run::{
    AttributionCount, Counts, Decided, FinishRun, NewRun, Published, RunFilter, RunRow,
    StoredDifference, StoredRecord,
};
pub use since::{Seen, each_difference_since};

/// A command's requirements for its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// A missing store is created, an older schema brought up to date: for commands that make runs.
    Create,
    /// The store exists and its schema is this program's: for commands that only read or review.
    Existing,
    /// As it is, created if missing; [`Store::migrate`] is the caller's.
    Unmigrated,
}

/// Opens the store at `url`.
///
/// # Errors
/// A store that is away, damaged, read-only, newer than this program, or (for
/// [`Opening::Existing`]) missing or older; each with advice.
pub fn open(url: &StoreUrl, opening: Opening) -> Result<Box<dyn Store>, Problem> {
    Ok(match url {
        StoreUrl::Sqlite(path) => Box::new(sqlite::SqliteStore::open(path, opening)?),
        StoreUrl::Postgres(url) => Box::new(postgres::PostgresStore::open(url, opening)?),
    })
}

/// A lock on a job's date; it is given back when dropped, and dies with the process.
pub trait RunLock: Send {}

/// Writes the rows of one command on one run.
pub trait Writer: Send {
    /// Writes a batch. It may hold a lock on the store for about 100 ms at a time, not longer.
    /// Records are numbered as they come, from 1 on; differences may come before their records, as
    /// long as both come.
    fn write(&mut self, batch: &Batch) -> Result<(), Problem>;

    /// The same where the next batch is there already: the lock may be kept until it is written, if nobody waits.
    fn write_before_another(&mut self, batch: &Batch) -> Result<(), Problem> {
        self.write(batch)
    }

    /// Writes buffered rows and, in one transaction, makes everything visible: stage, status, counts, and for an
    /// attributed run which run is current, with human decisions about the run before.
    fn finish(self: Box<Self>, outcome: &FinishRun) -> Result<Published, Problem>;
}

/// One cell of a query's answer.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlValue {
    Null,
    Integer(i64),
    Real(f64),
    /// True or false (PostgreSQL).
    Boolean(bool),
    /// Text, and everything that is best shown as text (uuid, timestamps in RFC 3339).
    Text(String),
    /// The text of a JSON document, every digit kept (PostgreSQL `json`, `jsonb` and `numeric`).
    Json(String),
    Blob(Vec<u8>),
}

/// Receives a query's answer row by row.
pub trait RowSink {
    /// The names of the columns, before the first row.
    fn columns(&mut self, names: &[String]) -> Result<(), Problem>;

    fn row(&mut self, values: &[SqlValue]) -> Result<(), Problem>;
}

/// Gets a difference with its record; breaks to get no more.
pub type VisitDifference<'a> =
    dyn FnMut(&StoredDifference<'_>, &StoredRecord<'_>) -> Result<ControlFlow<()>, Problem> + 'a;

pub trait Store: Registry + transact::Transact {
    /// The store's URL without its password, for people.
    fn url(&self) -> String;

    /// Applies the migrations that are missing, under a lock, and gives their names.
    fn migrate(&self) -> Result<Vec<String>, Problem>;

    /// True if the store has exactly the migrations of this recon.
    fn is_current(&self) -> Result<bool, Problem>;

    /// A warning if others on this machine may read or change the store's files.
    fn exposed(&self) -> Option<Problem> {
        None
    }

    /// Fails if the store was replaced: another file, or an audit trail that lacks rows seen before.
    fn is_same(&self) -> Result<(), Problem>;

    /// Free bytes where the store writes, as far as this machine can tell; `None` of a server's disk.
    fn free_space(&self) -> Option<u64>;

    /// Marks RUNNING runs whose lock is free as FAILED, deletes the rows of their last command, and
    /// gives their ids.
    fn repair(&self) -> Result<Vec<RunId>, Problem>;

    /// Takes the lock on a job's date, waiting at most `timeout`; then the problem names the holder.
    ///
    /// Runs of that job and date that are RUNNING belonged to a process that is gone, and are
    /// repaired. So a command takes the lock before it creates or resumes its run.
    fn lock(
        &self,
        job: &str,
        batch_date: Date,
        timeout: Duration,
        progress: &dyn Progress,
    ) -> Result<Box<dyn RunLock>, Problem>;

    /// Makes the codes of a job's file active: new ones are added, known ones updated unless people own
    /// them, and codes that are in no job's file any more become inactive.
    fn sync_reason_codes(&self, job: &str, codes: &[ReasonCode]) -> Result<(), Problem> {
        self.write_at_start(&mut |tx| runs::sync_reason_codes(tx, job, codes))
    }

    /// Stores a new run with status RUNNING and no stage.
    fn create_run(&self, run: &NewRun) -> Result<(), Problem> {
        self.write_at_start(&mut |tx| runs::create(tx, run))
    }

    /// Sets a stored run RUNNING again, for the next command on it.
    fn resume_run(&self, run: RunId) -> Result<(), Problem> {
        self.write_at_start(&mut |tx| runs::resume(tx, run))
    }

    /// Marks a run FAILED and deletes the rows of its unfinished command.
    fn fail_run(&self, run: RunId, reason: &str) -> Result<(), Problem>;

    /// Opens a writer for the present command on a run.
    fn writer(&self, run: RunId) -> Result<Box<dyn Writer>, Problem>;

    fn run(&self, run: RunId) -> Result<Option<RunRow>, Problem> {
        transact::read(self, |tx| runs::find(tx, run))
    }

    fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, Problem> {
        transact::read(self, |tx| runs::list(tx, filter))
    }

    /// The current run of a job's date.
    fn current_run(&self, job: &str, date: Date) -> Result<Option<RunRow>, Problem> {
        transact::read(self, |tx| runs::current(tx, job, date))
    }

    /// The current run of the job's newest date before this one.
    fn previous_run(&self, job: &str, date: Date) -> Result<Option<RunRow>, Problem> {
        transact::read(self, |tx| runs::previous(tx, job, date))
    }

    /// The dates after this one that have a current run of the job, in their order.
    fn later_dates(&self, job: &str, date: Date) -> Result<Vec<Date>, Problem> {
        transact::read(self, |tx| runs::later_dates(tx, job, date))
    }

    /// The decisions about a run's records that have differences, by their numbers.
    fn decided_records(&self, run: RunId) -> Result<BTreeMap<u64, Decided>, Problem> {
        transact::read(self, |tx| reader::decided_records(tx, run))
    }

    /// The record of a run that took over a row of this side from this record of the previous date's run.
    fn record_that_took_over(
        &self,
        run: RunId,
        side: Side,
        record: u64,
    ) -> Result<Option<OwnedRecord>, Problem> {
        transact::read(self, |tx| reader::record_that_took_over(tx, run, side, record))
    }

    /// Calls `each` for every stored record of a run in the order of their numbers.
    fn each_record(
        &self,
        run: RunId,
        each: &mut dyn FnMut(&StoredRecord<'_>) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        self.record_lots(run, &mut |lot| lot.each(each))
    }

    /// The records of [`Store::each_record`] lot by lot: any thread can take a lot apart.
    fn record_lots(
        &self,
        run: RunId,
        each: &mut dyn FnMut(RecordLot) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        transact::read(self, |tx| lots::of_records(tx, run, each))
    }

    /// Calls `each` for every difference of a run together with its record, in the order of records
    /// (all differences of a record come one after the other).
    fn each_difference(
        &self,
        run: RunId,
        each: &mut dyn FnMut(&StoredDifference<'_>, &StoredRecord<'_>) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        self.differences_until(run, &mut |difference, record| {
            each(difference, record).map(ControlFlow::Continue)
        })
    }

    /// As [`Store::each_difference`], until `each` breaks.
    fn differences_until(&self, run: RunId, each: &mut VisitDifference<'_>) -> Result<(), Problem> {
        self.difference_lots(run, &mut |lot| lot.each(each))
    }

    /// The differences of [`Store::each_difference`] lot by lot, all of a record in one, until `each` breaks.
    fn difference_lots(
        &self,
        run: RunId,
        each: &mut dyn FnMut(DifferenceLot) -> Result<ControlFlow<()>, Problem>,
    ) -> Result<(), Problem> {
        transact::read(self, |tx| lots::of_differences(tx, run, each))
    }

    /// A record of a run, by its number.
    fn record(&self, run: RunId, number: u64) -> Result<Option<OwnedRecord>, Problem> {
        transact::read(self, |tx| reader::record(tx, run, number))
    }

    /// The records of a run one of whose sides has this reference.
    fn records_by_reference(
        &self,
        run: RunId,
        reference: &str,
    ) -> Result<Vec<OwnedRecord>, Problem> {
        transact::read(self, |tx| reader::records_by_reference(tx, run, reference))
    }

    /// The rejected rows of a run, in the order of side and line; at most `limit` of them.
    fn rejected(&self, run: RunId, limit: usize) -> Result<Vec<RejectedRow>, Problem> {
        transact::read(self, |tx| reader::rejected(tx, run, limit))
    }

    /// How many attributions of a run there are of each reason, status and source, as of now.
    fn attribution_counts(&self, run: RunId) -> Result<Vec<AttributionCount>, Problem> {
        transact::read(self, |tx| reader::attribution_counts(tx, run))
    }

    /// How the differences of a run stand, from figures that are kept up to date; `None` where a run has none
    /// yet.
    fn kept_counts(&self, run: RunId) -> Result<Option<Counts>, Problem> {
        transact::read(self, |tx| reader::kept_counts(tx, run))
    }

    /// Records of a run that passed and that are blocked, as of now: `(passed, blocked)`.
    fn gate_counts(&self, run: RunId) -> Result<(u64, u64), Problem> {
        transact::read(self, |tx| reader::gate_counts(tx, run))
    }

    /// Breaks, open ones first; the values of [`BREAK_COLUMNS`].
    fn breaks(&self, filter: &BreakFilter) -> Result<Vec<Vec<SqlValue>>, Problem> {
        transact::read(self, |tx| break_list::list(tx, filter))
    }

    /// The breaks of a job's newest date; of each list the first `most`, or all.
    fn newest_breaks(&self, job: &str, most: Option<usize>) -> Result<NewestBreaks, Problem> {
        transact::read(self, |tx| newest_breaks::newest(tx, job, most))
    }

    /// Observed durations of each kind's episodes, in business days.
    fn watched_breaks(
        &self,
        job: Option<&str>,
    ) -> Result<BTreeMap<BreakKind, Vec<Watched>>, Problem> {
        transact::read(self, |tx| break_list::watched(tx, job))
    }

    /// The life of the break whose last difference has this attribution.
    fn life_of_break(&self, attribution_id: &str) -> Result<Vec<Event>, Problem> {
        transact::read(self, |tx| break_list::life(tx, attribution_id))
    }

    /// Deletes old runs except the differences that people decided, hold or that the audit trail
    /// names, with their records. Runs under way are left alone. Each run has its row in the audit
    /// trail.
    fn prune(&self, order: &PruneOrder) -> Result<PruneOutcome, Problem>;

    /// Runs one read-only statement within these limits. Anything that could write, and columns that
    /// hold secrets, are refused by the store itself.
    fn query_within(
        &self,
        sql: &str,
        limits: QueryLimits,
        sink: &mut dyn RowSink,
    ) -> Result<(), Problem>;

    /// Runs one read-only statement within the usual limits; see [`Self::query_within`].
    fn query(&self, sql: &str, sink: &mut dyn RowSink) -> Result<(), Problem> {
        self.query_within(sql, QueryLimits::default(), sink)
    }

    /// The columns of every table and view, in their order, without secrets.
    fn tables(&self) -> Result<Vec<TableColumn>, Problem>;
}

#[derive(Clone, Debug, PartialEq)]
pub struct OwnedRecord {
    /// Its number within the run.
    pub number: u64,
    /// Which sides it has, and why.
    pub kind: RecordKind,
    /// The evidence array of side A.
    pub a: Option<String>,
    /// The evidence array of side B.
    pub b: Option<String>,
    /// Line and byte offset on side A.
    pub place_a: Option<(u64, u64)>,
    /// Line and byte offset on side B.
    pub place_b: Option<(u64, u64)>,
    /// How it was matched, or could have been, as the JSON of a [`Matched`](crate::domain::Matched).
    pub matched: Option<String>,
    /// The verdict, once attributed.
    pub gate: Option<crate::domain::gate::Gate>,
    pub differences: Vec<run::OwnedDifference>,
}
