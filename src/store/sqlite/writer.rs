//! Writes the rows of one command into SQLite.
//!
//! Rows are appended in transactions that take turns with other writers and show only when
//! [`Writer::finish`] moves the run to its next stage. What would change rows that show already
//! (attributing again) waits in a temporary table for that one transaction.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use crossbeam_channel::bounded;
use foldhash::{HashMap, HashMapExt as _};
use rusqlite::{CachedStatement, Connection, params};

use super::Spare;
use super::bound::Bound;
use super::checkpoint::{Checkpoints, checkpoint};
use super::identity::Identity;
use super::runs::{find_key, trim};
use super::slices::Slices;
use super::transact::SqliteTransaction;
use super::unlogged::{Unlogged, commit};
use super::waiting::Waiting;
use crate::database::sqlite as database;
use crate::diagnostic::{Code, Problem};
use crate::domain::{AssignedBy, RunId, RunStatus, Stage, Status};
use crate::store::breaks::Breaks;
use crate::store::chunk::Chunks;
use crate::store::layout::{Listing, MAX_RECORDS, id_range};
use crate::store::machine_results::MachineResults;
use crate::store::publication::{self, CodedAttribution, Gathered, Publication};
use crate::store::runs::RunKey;
use crate::store::{
    AttributionRow, Batch, DecisionRow, DifferenceRow, FinishRun, Published, Text, Writer,
    difference_number, stored,
};
use crate::threads;

/// How many rows of records may wait to be inserted.
const ROWS_AHEAD: usize = 64;

/// The approximate size of a difference in the log, index entries included.
const DIFFERENCE_BYTES: usize = 160;

/// A writer on a connection of its own, which has the file as main.
pub(super) struct SqliteWriter {
    connection: Connection,
    /// Gets the connection at the end.
    spare: Arc<Spare>,
    path: PathBuf,
    identity: Arc<Identity>,
    run: RunId,
    key: RunKey,
    /// The base of row numbers.
    base: i64,
    turns: Slices,
    unlogged: Unlogged,
    checkpoints: Checkpoints,
    reasons: HashMap<String, (i64, bool)>,
    assigners: HashMap<String, i64>,
    signatures: HashMap<String, i64>,
    /// The ids of the present batch's names, for each difference or decision.
    ids: Vec<Option<Ids>>,
    chunks: Chunks,
    /// Rows written by this writer.
    written: publication::Written,
    listing: Listing,
    rejected: i64,
    results: MachineResults,
    /// Of a command that writes differences.
    breaks: Option<Breaks>,
}

/// The numbers of an attribution's reason, of who gives it, and of its signature.
#[derive(Clone, Copy, Debug)]
struct Ids {
    reason: i64,
    functional: bool,
    assigner: i64,
    signature: Option<i64>,
}

impl SqliteWriter {
    pub(super) fn open(
        path: &Path,
        identity: Arc<Identity>,
        (connection, spare, unlogged): (Connection, Arc<Spare>, Unlogged),
        run: RunId,
    ) -> Result<Self, Problem> {
        identity.check()?;
        let problem = |error: rusqlite::Error| database::problem(path, &error);
        // Another thread moves the log into the file.
        connection
            .execute_batch(
                "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 33554432; \
                 PRAGMA cache_size = -16384; PRAGMA temp_store = FILE;",
            )
            .map_err(problem)?;
        connection.set_prepared_statement_cache_capacity(64);
        let key = find_key(&connection, run)?;
        let reasons = connection
            .prepare("SELECT code, reason_id, is_functional FROM reason_codes")
            .and_then(|mut statement| {
                let reason =
                    |row: &rusqlite::Row<'_>| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)));
                statement.query_map([], reason)?.collect::<Result<_, _>>()
            })
            .map_err(problem)?;
        if key.stage == Some(Stage::Attributed) {
            connection
                .execute_batch(
                    "DROP TABLE IF EXISTS temp.staged_decisions; CREATE TEMP TABLE staged_decisions (id INTEGER PRIMARY KEY, reason_id, \
                     functional, confidence, status, assigner_id, explanation, signature_id);",
                )
                .map_err(problem)?;
        }
        let breaks = match key.stage {
            None | Some(Stage::Ingested) => {
                let mut tx = SqliteTransaction::direct(path, &connection);
                Some(Breaks::open(&mut tx, key.run_no)?)
            }
            Some(Stage::Compared | Stage::Attributed) => None,
        };
        Ok(Self {
            connection,
            spare,
            path: path.to_owned(),
            identity,
            run,
            key,
            base: id_range(key.run_no).0,
            turns: Slices::seeing(Waiting::at(path)),
            unlogged,
            checkpoints: Checkpoints::new(path),
            reasons,
            assigners: HashMap::new(),
            signatures: HashMap::new(),
            ids: Vec::new(),
            chunks: Chunks::default(),
            written: publication::Written::default(),
            listing: Listing::new(),
            rejected: 0,
            results: MachineResults::default(),
            breaks,
        })
    }

    /// Looks up the numbers of the batch's texts; new assigners and signatures get theirs.
    fn resolve(&mut self, batch: &Batch) -> Result<(), Problem> {
        self.ids.clear();
        let given = batch.differences.iter().map(|difference| difference.attribution);
        let decided = batch.decisions.iter().map(|decision| Some(decision.attribution));
        for attribution in given.chain(decided) {
            let Some(attribution) = attribution else {
                self.ids.push(None);
                continue;
            };
            let code = batch.text(attribution.reason);
            let Some(&(reason, functional)) = self.reasons.get(code) else {
                return Err(stored::unknown_reason(code));
            };
            let name = batch.text(attribution.assigned_by);
            let assigner = match self.assigners.get(name) {
                Some(id) => *id,
                None => {
                    let id = self.assigner_id(name).map_err(|error| self.problem(&error))?;
                    self.assigners.insert(name.to_owned(), id);
                    id
                }
            };
            let mut signature = None;
            if let Some((key, label)) = attribution.signature {
                let key = batch.text(key);
                signature = self.signatures.get(key).copied();
                if signature.is_none() {
                    let id = self.signature_id(key, batch.text(label));
                    let id = id.map_err(|error| self.problem(&error))?;
                    self.signatures.insert(key.to_owned(), id);
                    signature = Some(id);
                }
            }
            self.ids.push(Some(Ids { reason, functional, assigner, signature }));
        }
        Ok(())
    }

    fn signature_id(&self, signature: &str, label: &str) -> Result<i64, rusqlite::Error> {
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO signatures (signature, label) VALUES (?1, ?2)")?
            .execute([signature, label])?;
        self.connection
            .prepare_cached("SELECT signature_id FROM signatures WHERE signature = ?1")?
            .query_row([signature], |row| row.get(0))
    }

    fn assigner_id(&self, name: &str) -> Result<i64, rusqlite::Error> {
        let person = matches!(AssignedBy::parse(name), AssignedBy::Person(_));
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO assigners (name, is_person) VALUES (?1, ?2)")?
            .execute(params![name, person])?;
        self.connection
            .prepare_cached("SELECT assigner_id FROM assigners WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
    }

    fn problem(&self, error: &rusqlite::Error) -> Problem {
        database::problem(&self.path, error)
    }

    fn failed(&self, failure: Failure) -> Problem {
        match failure {
            Failure::Sqlite(error) => self.problem(&error),
            Failure::Problem(problem) => problem,
        }
    }

    /// Writes a batch; with `more`, the transaction may stay open for the next.
    fn write_batch(&mut self, batch: &Batch, more: bool) -> Result<(), Problem> {
        let written = self.identity.check().and_then(|()| {
            self.resolve(batch)?;
            if self.chunks.records() + batch.record_count() >= MAX_RECORDS {
                return Err(stored::too_many("record"));
            }
            self.write_rows(batch, more).map_err(|failure| self.failed(failure))
        });
        // The slice is rolled back, and the command fails as a whole.
        if written.is_err() && !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        // A file that is gone says more than an error of SQLite that comes of it.
        written.map_err(|problem| self.identity.check().err().unwrap_or(problem))
    }

    fn write_rows(&mut self, batch: &Batch, more: bool) -> Result<(), Failure> {
        let (connection, turns, base) = (&self.connection, &mut self.turns, self.base);
        let named = Named { ids: &self.ids, batch };
        if self.key.stage == Some(Stage::Attributed) {
            return Ok(stage_decisions(connection, base, named)?);
        }
        if !turns.is_begun() {
            turns.begin(connection)?;
        }
        let log_is_on = self.unlogged.is_over(connection)?;
        let mut bytes = DIFFERENCE_BYTES * (batch.differences.len() + batch.decisions.len());
        let (chunks, results, reasons) = (&mut self.chunks, &mut self.results, &self.reasons);
        let (written, listing) = (&mut self.written, &mut self.listing);
        let breaks = &mut self.breaks;
        // This thread waits for SQLite; another makes rows of the records, and digests of all.
        std::thread::scope(|scope| -> Result<(), Failure> {
            let (sender, rows) = bounded::<(u64, String)>(ROWS_AHEAD);
            let functional = |code: &str| reasons.get(code).map(|(_, functional)| *functional);
            let take = move || results.take_while_stored(batch, chunks, sender, functional);
            threads::start(scope, take)?;
            let mut insert = insert_chunk(connection)?;
            for (chunk, text) in rows {
                bytes += text.len();
                insert.execute((base | chunk.cast_signed(), text))?;
                turns.check(connection)?;
            }
            let written = (written, listing);
            Ok(insert_differences(connection, turns, base, named, written, breaks)?)
        })?;
        let breaks = &mut self.breaks;
        if let Some(breaks) = breaks {
            breaks.take_partners(&batch.partners);
            breaks.flush(&mut SqliteTransaction::direct(&self.path, connection), false)?;
        }
        decide(connection, turns, base, named)?;
        let mut rejected = connection.prepare_cached(
            "INSERT INTO reject_rows (id, side, line, place, code, message, text, key) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        let count = &mut self.rejected;
        turns.each(connection, &batch.rejected, |row| {
            *count += 1;
            rejected
                .execute(params![
                    base | *count,
                    row.side.name(),
                    row.line.cast_signed(),
                    row.offset.cast_signed(),
                    stored::clean(&row.code),
                    stored::clean(&row.message),
                    stored::clean(&row.text),
                    row.key.as_deref().map(stored::clean)
                ])
                .map(drop)
        })?;
        let is_due = self.unlogged.is_due(bytes);
        if more && !log_is_on && !is_due && !self.checkpoints.waits_after(bytes) {
            turns.check(connection)?;
        } else {
            turns.end(connection)?;
        }
        if log_is_on {
            self.unlogged.end(connection)?;
        } else if is_due {
            self.unlogged.begin(connection, &self.path)?;
        }
        if self.unlogged.is_on() {
            self.unlogged.written();
            return Ok(());
        }
        Ok(self.checkpoints.written(connection, bytes)?)
    }

    /// Moves the run to its new stage, and with it everything that was written.
    fn publish(&mut self, outcome: &FinishRun) -> Result<(usize, u64), Problem> {
        // Until the run is visible, its items don't change: so they are counted here, if they have not been counted
        // while they were written, and those that are the same as in the run before are found, while others write.
        let prepared = match self.key.stage {
            Some(Stage::Attributed) => Prepared::Again,
            _ => self.prepare(outcome)?,
        };
        let published = self.publish_prepared(outcome, prepared);
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        let (updated, carried) = published.map_err(|failure| self.failed(failure))?;
        if updated == 1 && self.trims(outcome) {
            self.after_publishing(trim(&self.connection, self.key.run_no))?;
        }
        Ok((updated, carried))
    }

    /// The run is published, and in the log: where the disk has no room for the rest, the next command does that.
    fn after_publishing(&self, done: Result<(), rusqlite::Error>) -> Result<(), Problem> {
        match done.map_err(|error| self.problem(&error)) {
            Err(problem) if problem.code == Code::DiskFull => Ok(()),
            done => done,
        }
    }

    fn prepare(&mut self, outcome: &FinishRun) -> Result<Prepared, Problem> {
        self.flush().map_err(|error| self.problem(&error))?;
        let run_no = self.key.run_no;
        let gathered = Gathered {
            results: std::mem::take(&mut self.results),
            before: self.key.stage,
            trims: self.trims(outcome),
        };
        let counts = self.key.stage.is_none().then(|| std::mem::take(&mut self.written.items));
        let mut tx = SqliteTransaction::direct(&self.path, &self.connection);
        if outcome.stage >= Stage::Compared
            && let Some(breaks) = &mut self.breaks
        {
            breaks.flush(&mut tx, true)?;
        }
        Ok(if outcome.stage < Stage::Attributed {
            Prepared::Stage(Box::new(gathered.complete(&mut tx, publication::ITEMS, run_no)?))
        } else {
            let first = Publication::first(&mut tx, publication::ITEMS, run_no, gathered, counts)?;
            Prepared::Attributed(Box::new(first))
        })
    }

    /// True if matched records are deleted when the command has ended.
    fn trims(&self, outcome: &FinishRun) -> bool {
        !self.key.keep_all
            && self.key.stage == Some(Stage::Ingested)
            && outcome.stage >= Stage::Compared
    }

    /// Writes the last records.
    fn flush(&mut self) -> Result<(), rusqlite::Error> {
        let mut insert = insert_chunk(&self.connection)?;
        let (base, results) = (self.base, &mut self.results);
        self.chunks.flush(|chunk, text| {
            results.take_records(chunk, &text);
            insert.execute((base | chunk.cast_signed(), text)).map(drop)
        })
    }

    fn publish_prepared(
        &mut self,
        outcome: &FinishRun,
        prepared: Prepared,
    ) -> Result<(usize, u64), Failure> {
        let mut carried = 0;
        let ended = stored::time_text(outcome.ended);
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        if self.key.stage == Some(Stage::Attributed) {
            apply_decisions(&self.connection, &ended)?;
        }
        let reached = |stage: Stage| (outcome.stage >= stage).then_some(ended.as_str());
        let trims = self.trims(outcome);
        let updated = self.connection.execute(
            "UPDATE recon_runs SET status = ?2, stage = ?3, end_time = ?4, total_records = ?5, \
             total_differences = ?6, metadata = ?7, ingested_at = coalesce(ingested_at, ?8), \
             compared_at = coalesce(compared_at, ?9), \
             attributed_at = coalesce(attributed_at, ?10), trim_pending = trim_pending OR ?11, \
             unlisted = coalesce(?13, unlisted) WHERE run_no = ?1 AND status = ?12",
            params![
                self.key.run_no,
                outcome.status.name(),
                outcome.stage.name(),
                ended,
                outcome.total_records.cast_signed(),
                outcome.total_differences.cast_signed(),
                stored::clean_json(&outcome.metadata).to_string(),
                reached(Stage::Ingested),
                reached(Stage::Compared),
                reached(Stage::Attributed),
                trims,
                RunStatus::Running.name(),
                self.breaks.as_ref().map(|_| self.listing.is_unlisted()),
            ],
        )?;
        if updated == 1 && outcome.stage == Stage::Attributed {
            // The newest attributed run of a job's date is current.
            self.connection.execute(
                "UPDATE recon_runs AS r SET superseded_by = nullif(( \
                     SELECT n.run_id FROM recon_runs n \
                     WHERE n.job = r.job AND n.batch_date = r.batch_date \
                       AND n.stage = 'ATTRIBUTED' \
                     ORDER BY n.start_time DESC, n.run_no DESC LIMIT 1), r.run_id) \
                 WHERE stage = 'ATTRIBUTED' AND (job, batch_date) = \
                     (SELECT job, batch_date FROM recon_runs WHERE run_no = ?1)",
                [self.key.run_no],
            )?;
            let mut tx = SqliteTransaction::direct(&self.path, &self.connection);
            let run_no = self.key.run_no;
            let publication = match prepared {
                Prepared::Attributed(publication) => *publication,
                Prepared::Stage(_) | Prepared::Again => Publication::again(&mut tx, run_no)?,
            };
            let breaks = self.breaks.take();
            carried = publication.complete(&mut tx, run_no, breaks, outcome.ended)?;
        } else if updated == 1
            && let Prepared::Stage(gathered) = prepared
        {
            let mut tx = SqliteTransaction::direct(&self.path, &self.connection);
            gathered.append(&mut tx, self.key.run_no, outcome.ended)?;
        }
        match updated {
            1 => commit(&self.connection)?,
            _ => self.connection.execute_batch("ROLLBACK")?,
        }
        Ok((updated, carried))
    }
}

/// Work done before the write lock is taken.
enum Prepared {
    /// The command does not attribute.
    Stage(Box<Gathered>),
    /// The run is attributed for the first time.
    Attributed(Box<Publication>),
    /// It is attributed again: people decide about it, so there is nothing to prepare.
    Again,
}

/// Errors while a run is published.
enum Failure {
    Sqlite(rusqlite::Error),
    Problem(Problem),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl Writer for SqliteWriter {
    fn write(&mut self, batch: &Batch) -> Result<(), Problem> {
        // An empty one may have to end a transaction.
        if batch.is_empty() && !self.turns.is_begun() {
            return Ok(());
        }
        self.write_batch(batch, false)
    }

    fn write_before_another(&mut self, batch: &Batch) -> Result<(), Problem> {
        if batch.is_empty() { Ok(()) } else { self.write_batch(batch, true) }
    }

    fn finish(mut self: Box<Self>, outcome: &FinishRun) -> Result<Published, Problem> {
        self.identity.check()?;
        let ready =
            self.unlogged.end(&self.connection).and_then(|()| self.checkpoints.before_last());
        ready.map_err(|error| self.problem(&error))?;
        let (updated, carried) = self.publish(outcome)?;
        // A run in a file that is gone meanwhile is gone too.
        self.identity.check()?;
        if updated == 0 {
            return Err(stored::lost_run(self.run));
        }
        // No reviewer waits for this: it moves the log into the file without a write lock.
        let moved = self.checkpoints.wait().and_then(|()| checkpoint(&self.connection));
        self.after_publishing(moved)?;
        let is_whole = self.key.stage.is_none() && outcome.stage == Stage::Attributed;
        let counts = (is_whole && carried == 0)
            .then(|| self.written.counts(outcome.total_records, &self.reasons, &self.assigners));
        self.spare.keep(self.connection);
        Ok(Published { counts, carried })
    }
}

/// A batch with the numbers of its texts.
#[derive(Clone, Copy)]
struct Named<'a> {
    ids: &'a [Option<Ids>],
    batch: &'a Batch,
}

impl Named<'_> {
    fn text(&self, text: Option<Text>) -> Option<&str> {
        text.map(|text| self.batch.text(text))
    }

    /// Binds a difference, its decision, its break, the break's first date, and whether it is in no index.
    fn bind_difference(
        &self,
        bound: &mut Bound<'_>,
        first: usize,
        base: i64,
        (row, ids): (&DifferenceRow, Option<Ids>),
        (known, unlisted): (Option<(i64, i32)>, bool),
    ) -> Result<(), rusqlite::Error> {
        let number = difference_number(row.record, row.field);
        bound.integer(first, Some(base | number.cast_signed()))?;
        bound.integer(first + 1, Some(row.diff_type.code().into()))?;
        bound.integer(first + 2, Some(row.severity.code().into()))?;
        bound.text(first + 3, self.text(row.value_a))?;
        bound.text(first + 4, self.text(row.value_b))?;
        bound.real(first + 5, row.amount_abs)?;
        self.bind(bound, first + 6, ids, row.attribution.as_ref())?;
        bound.integer(first + 13, known.map(|(key, _)| key))?;
        bound.integer(first + 14, known.map(|(_, since)| since.into()))?;
        bound.integer(first + 15, unlisted.then_some(1))
    }

    /// Binds reason, functional, confidence, status, assigner, explanation and signature, in this
    /// order, from parameter `first` on.
    fn bind(
        &self,
        bound: &mut Bound<'_>,
        first: usize,
        ids: Option<Ids>,
        given: Option<&AttributionRow>,
    ) -> Result<(), rusqlite::Error> {
        bound.integer(first, ids.map(|ids| ids.reason))?;
        bound.integer(first + 1, ids.map(|ids| ids.functional.into()))?;
        bound.real(first + 2, given.map(|given| given.confidence.get()))?;
        bound.integer(first + 3, given.map(|given| given.status.code().into()))?;
        bound.integer(first + 4, ids.map(|ids| ids.assigner))?;
        bound.text(first + 5, given.and_then(|given| self.text(given.explanation)))?;
        bound.integer(first + 6, ids.and_then(|ids| ids.signature))
    }

    /// The decisions with the numbers of their texts.
    fn decisions(&self) -> impl Iterator<Item = (&DecisionRow, Option<Ids>)> {
        let ids = self.ids.iter().copied().skip(self.batch.differences.len());
        self.batch.decisions.iter().zip(ids)
    }
}

fn insert_chunk(connection: &Connection) -> Result<CachedStatement<'_>, rusqlite::Error> {
    connection.prepare_cached("INSERT INTO record_rows (id, records) VALUES (?1, ?2)")
}

/// How many differences one statement inserts: it opens the table and its indexes once for all of them, and
/// what goes to the end of an index needs no search.
const TOGETHER: usize = 32;

/// The statement that inserts this many differences. A row that fails ends the whole transaction; without `OR FAIL`,
/// SQLite would copy each page first, to take back the rows before it.
fn insert_of(rows: usize) -> String {
    const COLUMNS: &str = "id, diff_type, severity, value_a, value_b, amount_abs, reason_id, functional, \
         confidence, status, assigner_id, explanation, signature_id, break_key, since, unlisted";
    let row = format!("({})", vec!["?"; COLUMNS.split(',').count()].join(", "));
    format!("INSERT OR FAIL INTO difference_rows ({COLUMNS}) VALUES {}", vec![row; rows].join(", "))
}

fn insert_differences(
    connection: &Connection,
    turns: &mut Slices,
    base: i64,
    named: Named<'_>,
    (written, listing): (&mut publication::Written, &mut Listing),
    breaks: &mut Option<Breaks>,
) -> Result<(), rusqlite::Error> {
    static MANY: LazyLock<String> = LazyLock::new(|| insert_of(TOGETHER));
    static ONE: LazyLock<String> = LazyLock::new(|| insert_of(1));
    let mut many = Bound::prepare(connection, &MANY)?;
    let mut one = Bound::prepare(connection, &ONE)?;
    let columns = one.parameters();
    let mut bind = |insert: &mut Bound<'_>, first, (row, ids): (&DifferenceRow, _)| {
        let known = breaks.as_mut().map(|breaks| breaks.take(row));
        let unlisted = listing.leaves_out();
        named.bind_difference(insert, first, base, (row, ids), (known, unlisted))?;
        if let (Some(ids), Some(given)) = (ids, row.attribution) {
            let Ids { reason, functional, assigner, signature } = ids;
            let given =
                CodedAttribution { reason, functional, status: given.status, assigner, signature };
            written.add(row.record, given, row.amount_abs);
        }
        Ok::<_, rusqlite::Error>(())
    };
    let parts = named.batch.differences.chunks(TOGETHER).zip(named.ids.chunks(TOGETHER));
    for (rows, ids) in parts {
        let mut rows = rows.iter().zip(ids.iter().copied());
        if rows.len() == TOGETHER {
            rows.enumerate().try_for_each(|(at, row)| bind(&mut many, at * columns + 1, row))?;
            many.execute()?;
        } else {
            rows.try_for_each(|row| {
                bind(&mut one, 1, row)?;
                one.execute()
            })?;
        }
        turns.check(connection)?;
    }
    Ok(())
}

/// Writes decisions of a run that does not show as attributed yet.
fn decide(
    connection: &Connection,
    turns: &mut Slices,
    base: i64,
    named: Named<'_>,
) -> Result<(), rusqlite::Error> {
    let mut update = Bound::prepare(
        connection,
        "UPDATE difference_rows SET reason_id = ?2, functional = ?3, confidence = ?4, \
         status = ?5, assigner_id = ?6, explanation = ?7, signature_id = ?8 WHERE id = ?1",
    )?;
    turns.each(connection, named.decisions(), |(row, ids)| {
        update.integer(1, Some(base | row.number.cast_signed()))?;
        named.bind(&mut update, 2, ids, Some(&row.attribution))?;
        update.execute()
    })
}

/// Remembers the decisions that change something. The temporary table is this connection's own:
/// other writers need not wait.
fn stage_decisions(
    connection: &Connection,
    base: i64,
    named: Named<'_>,
) -> Result<(), rusqlite::Error> {
    connection.execute_batch("BEGIN")?;
    let mut stage = Bound::prepare(
        connection,
        "INSERT OR REPLACE INTO staged_decisions SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 \
         FROM difference_rows WHERE id = ?1 AND \
         (reason_id, functional, confidence, status, assigner_id, explanation, signature_id) \
         IS NOT (?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for (row, ids) in named.decisions() {
        stage.integer(1, Some(base | row.number.cast_signed()))?;
        named.bind(&mut stage, 2, ids, Some(&row.attribution))?;
        stage.execute()?;
    }
    connection.execute_batch("COMMIT")
}

/// Applies staged decisions, except to items that people hold: they may have decided meanwhile.
fn apply_decisions(connection: &Connection, now: &str) -> Result<(), rusqlite::Error> {
    // The staged rows lead, by rowid: the table itself is large, and all writers wait for this.
    connection.execute(
        "UPDATE difference_rows AS d SET \
         (reason_id, functional, confidence, status, assigner_id, explanation, signature_id) = \
             (SELECT s.reason_id, s.functional, s.confidence, s.status, s.assigner_id, \
                     s.explanation, s.signature_id \
              FROM staged_decisions s WHERE s.id = d.id), \
         assigned_at = ?1, version = version + 1 \
         WHERE d.id IN (SELECT id FROM staged_decisions) AND d.is_locked = 0 \
         AND d.status NOT IN (?2, ?3) AND NOT EXISTS (SELECT 1 FROM assigners w \
             WHERE w.assigner_id = d.assigner_id AND w.is_person = 1)",
        params![now, Status::Pending.code(), Status::Rejected.code()],
    )?;
    Ok(())
}
