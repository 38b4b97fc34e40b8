//! Writes the rows of one command into SQLite.
//!
//! Rows are appended in transactions that take turns with other writers and show only when
//! [`Writer::finish`] moves the run to its next stage. What would change rows that show already
//! (attributing again) waits in a temporary table for that one transaction.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::{CachedStatement, Connection, Statement, params};

use super::runs::{RunKey, find_key, trim};
use super::transact::SqliteTransaction;
use super::turns::Turns;
use super::{MAX_RECORDS, id_range};
use crate::database::sqlite as database;
use crate::diagnostic::Problem;
use crate::domain::{AssignedBy, RunId, RunStatus, Stage, Status};
use crate::store::chunk::Chunks;
use crate::store::machine_results::MachineResults;
use crate::store::publication::Publication;
use crate::store::{
    AttributionRow, Batch, DecisionRow, DifferenceRow, FinishRun, Text, Writer, difference_number,
    stored,
};

/// A writer on a connection of its own, which has the file as main.
pub(super) struct SqliteWriter {
    connection: Connection,
    path: PathBuf,
    run: RunId,
    key: RunKey,
    /// What a row's number is added to.
    base: i64,
    turns: Turns,
    reasons: HashMap<String, (i64, bool)>,
    assigners: HashMap<String, i64>,
    signatures: HashMap<String, i64>,
    chunks: Chunks,
    rejected: i64,
    results: MachineResults,
}

impl SqliteWriter {
    pub(super) fn open(path: &Path, run: RunId) -> Result<Self, Problem> {
        let problem = |error: rusqlite::Error| database::problem(path, &error);
        let connection = database::direct(path, false).map_err(problem)?;
        // Checkpoints wait for the disk: one for each 32 MiB of log is enough.
        connection
            .execute_batch(
                "PRAGMA wal_autocheckpoint = 4096; PRAGMA journal_size_limit = 33554432; \
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
                    "CREATE TEMP TABLE staged_decisions (id INTEGER PRIMARY KEY, reason_id, \
                     functional, confidence, status, assigner_id, explanation, signature_id);",
                )
                .map_err(problem)?;
        }
        Ok(Self {
            connection,
            path: path.to_owned(),
            run,
            key,
            base: id_range(key.run_no).0,
            turns: Turns::default(),
            reasons,
            assigners: HashMap::new(),
            signatures: HashMap::new(),
            chunks: Chunks::default(),
            rejected: 0,
            results: MachineResults::default(),
        })
    }

    /// Learns the numbers of all assigners and signatures, and checks all reasons that the batch
    /// names.
    fn resolve(&mut self, batch: &Batch) -> Result<(), Problem> {
        let given = batch.differences.iter().filter_map(|difference| difference.attribution);
        let decided = batch.decisions.iter().map(|decision| decision.attribution);
        for attribution in given.chain(decided) {
            let code = batch.text(attribution.reason);
            if !self.reasons.contains_key(code) {
                return Err(stored::unknown_reason(code));
            }
            let name = batch.text(attribution.assigned_by);
            if !self.assigners.contains_key(name) {
                let id = self.assigner_id(name).map_err(|error| self.problem(&error))?;
                self.assigners.insert(name.to_owned(), id);
            }
            let Some((signature, label)) = attribution.signature else { continue };
            let signature = batch.text(signature);
            if !self.signatures.contains_key(signature) {
                let id = self.signature_id(signature, batch.text(label));
                let id = id.map_err(|error| self.problem(&error))?;
                self.signatures.insert(signature.to_owned(), id);
            }
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

    fn write_rows(&mut self, batch: &Batch) -> Result<(), rusqlite::Error> {
        let (connection, turns, base) = (&self.connection, &mut self.turns, self.base);
        let names = Names {
            reasons: &self.reasons,
            assigners: &self.assigners,
            signatures: &self.signatures,
            batch,
        };
        if self.key.stage == Some(Stage::Attributed) {
            return stage_decisions(connection, base, &names);
        }
        turns.begin(connection)?;
        let mut insert = insert_chunk(connection)?;
        self.chunks.add(&batch.records, |chunk, text| {
            insert.execute((base | chunk.cast_signed(), text))?;
            turns.look(connection)
        })?;
        insert_differences(connection, turns, base, &names)?;
        decide(connection, turns, base, &names)?;
        let mut rejected = connection.prepare_cached(
            "INSERT INTO reject_rows (id, side, line, code, message, text, key) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        let count = &mut self.rejected;
        turns.each(connection, &batch.rejected, |row| {
            *count += 1;
            rejected
                .execute(params![
                    base | *count,
                    row.side.name(),
                    row.line.cast_signed(),
                    row.code,
                    row.message,
                    row.text,
                    row.key
                ])
                .map(drop)
        })?;
        turns.end(connection)
    }

    /// Moves the run to its new stage, and with it everything that was written.
    fn publish(&mut self, outcome: &FinishRun) -> Result<(usize, u64), Problem> {
        // Until the run shows, nobody else changes its items: so they are counted, and those that are the
        // same as in the run before are found, while others write.
        let publication = match self.key.stage {
            Some(Stage::Attributed) => None,
            _ if outcome.stage < Stage::Attributed => None,
            _ => Some(self.prepare()?),
        };
        let published = self.publish_prepared(outcome, publication);
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        let (updated, carried) = published.map_err(|failure| match failure {
            Failure::Sqlite(error) => self.problem(&error),
            Failure::Problem(problem) => problem,
        })?;
        let trims = !self.key.keep_all
            && self.key.stage == Some(Stage::Ingested)
            && outcome.stage >= Stage::Compared;
        if updated == 1 && trims {
            trim(&self.connection, self.key.run_no).map_err(|error| self.problem(&error))?;
        }
        Ok((updated, carried))
    }

    fn prepare(&mut self) -> Result<Publication, Problem> {
        self.flush().map_err(|error| self.problem(&error))?;
        let run_no = self.key.run_no;
        let results = std::mem::take(&mut self.results);
        let mut tx = SqliteTransaction::direct(&self.path, &self.connection);
        Publication::first(&mut tx, run_no, results)
    }

    /// Writes the last records.
    fn flush(&mut self) -> Result<(), rusqlite::Error> {
        let mut insert = insert_chunk(&self.connection)?;
        let base = self.base;
        self.chunks
            .flush(|chunk, text| insert.execute((base | chunk.cast_signed(), text)).map(drop))
    }

    fn publish_prepared(
        &mut self,
        outcome: &FinishRun,
        prepared: Option<Publication>,
    ) -> Result<(usize, u64), Failure> {
        let mut carried = 0;
        let ended = stored::time_text(outcome.ended);
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        self.flush()?;
        if self.key.stage == Some(Stage::Attributed) {
            apply_decisions(&self.connection, &ended)?;
        }
        let reached = |stage: Stage| (outcome.stage >= stage).then_some(ended.as_str());
        let trims = !self.key.keep_all
            && self.key.stage == Some(Stage::Ingested)
            && outcome.stage >= Stage::Compared;
        let updated = self.connection.execute(
            "UPDATE recon_runs SET status = ?2, stage = ?3, end_time = ?4, total_records = ?5, \
             total_differences = ?6, metadata = ?7, ingested_at = coalesce(ingested_at, ?8), \
             compared_at = coalesce(compared_at, ?9), \
             attributed_at = coalesce(attributed_at, ?10), trim_pending = trim_pending OR ?11 \
             WHERE run_no = ?1 AND status = ?12",
            params![
                self.key.run_no,
                outcome.status.name(),
                outcome.stage.name(),
                ended,
                outcome.total_records.cast_signed(),
                outcome.total_differences.cast_signed(),
                outcome.metadata.to_string(),
                reached(Stage::Ingested),
                reached(Stage::Compared),
                reached(Stage::Attributed),
                trims,
                RunStatus::Running.name(),
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
                Some(prepared) => prepared,
                None => Publication::again(&mut tx, run_no)?,
            };
            carried = publication.complete(&mut tx, run_no, outcome.ended)?;
        }
        self.connection.execute_batch(if updated == 1 { "COMMIT" } else { "ROLLBACK" })?;
        Ok((updated, carried))
    }
}

/// What goes wrong while a run is made visible.
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
        if batch.is_empty() {
            return Ok(());
        }
        self.resolve(batch)?;
        if self.chunks.records() + batch.record_count() >= MAX_RECORDS {
            return Err(stored::too_many("record"));
        }
        if self.key.stage != Some(Stage::Attributed) {
            self.results.take(batch);
        }
        self.write_rows(batch).map_err(|error| {
            // What the slice wrote is undone with it; the command fails as a whole.
            if !self.connection.is_autocommit() {
                let _ = self.connection.execute_batch("ROLLBACK");
            }
            self.problem(&error)
        })
    }

    fn finish(mut self: Box<Self>, outcome: &FinishRun) -> Result<u64, Problem> {
        let (updated, carried) = self.publish(outcome)?;
        if updated == 0 {
            return Err(stored::lost_run(self.run));
        }
        // Nobody waits for this: it moves the log into the file without a write lock.
        let checkpoint =
            self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        checkpoint.map_err(|error| self.problem(&error))?;
        Ok(carried)
    }
}

/// What the texts of a batch stand for. Every name was resolved before.
struct Names<'a> {
    reasons: &'a HashMap<String, (i64, bool)>,
    assigners: &'a HashMap<String, i64>,
    signatures: &'a HashMap<String, i64>,
    batch: &'a Batch,
}

impl Names<'_> {
    fn text(&self, text: Option<Text>) -> Option<&str> {
        text.map(|text| self.batch.text(text))
    }

    /// Binds reason, functional, confidence, status, assigner, explanation and signature, in this
    /// order, from parameter `first` on.
    fn bind(
        &self,
        statement: &mut Statement<'_>,
        first: usize,
        given: Option<&AttributionRow>,
    ) -> Result<(), rusqlite::Error> {
        let reason = given.and_then(|given| self.reasons.get(self.batch.text(given.reason)));
        let assigner =
            given.and_then(|given| self.assigners.get(self.batch.text(given.assigned_by)));
        let signature = given
            .and_then(|given| given.signature)
            .and_then(|(signature, _)| self.signatures.get(self.batch.text(signature)));
        statement.raw_bind_parameter(first, reason.map(|(id, _)| id))?;
        statement.raw_bind_parameter(first + 1, reason.map(|(_, functional)| functional))?;
        statement.raw_bind_parameter(first + 2, given.map(|given| given.confidence.get()))?;
        statement.raw_bind_parameter(first + 3, given.map(|given| given.status.code()))?;
        statement.raw_bind_parameter(first + 4, assigner)?;
        let explanation = given.and_then(|given| self.text(given.explanation));
        statement.raw_bind_parameter(first + 5, explanation)?;
        statement.raw_bind_parameter(first + 6, signature)
    }
}

fn insert_chunk(connection: &Connection) -> Result<CachedStatement<'_>, rusqlite::Error> {
    connection.prepare_cached("INSERT INTO record_rows (id, records) VALUES (?1, ?2)")
}

fn insert_differences(
    connection: &Connection,
    turns: &mut Turns,
    base: i64,
    names: &Names<'_>,
) -> Result<(), rusqlite::Error> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO difference_rows (id, diff_type, severity, value_a, value_b, amount_abs, \
         reason_id, functional, confidence, status, assigner_id, explanation, signature_id) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    turns.each(connection, &names.batch.differences, |row: &DifferenceRow| {
        let number = difference_number(row.record, row.field);
        insert.raw_bind_parameter(1, base | number.cast_signed())?;
        insert.raw_bind_parameter(2, row.diff_type.code())?;
        insert.raw_bind_parameter(3, row.severity.code())?;
        insert.raw_bind_parameter(4, names.text(row.value_a))?;
        insert.raw_bind_parameter(5, names.text(row.value_b))?;
        insert.raw_bind_parameter(6, row.amount_abs)?;
        names.bind(&mut insert, 7, row.attribution.as_ref())?;
        insert.raw_execute().map(drop)
    })
}

/// Writes decisions of a run that does not show as attributed yet.
fn decide(
    connection: &Connection,
    turns: &mut Turns,
    base: i64,
    names: &Names<'_>,
) -> Result<(), rusqlite::Error> {
    let mut update = connection.prepare_cached(
        "UPDATE difference_rows SET reason_id = ?2, functional = ?3, confidence = ?4, \
         status = ?5, assigner_id = ?6, explanation = ?7, signature_id = ?8 WHERE id = ?1",
    )?;
    turns.each(connection, &names.batch.decisions, |row: &DecisionRow| {
        update.raw_bind_parameter(1, base | row.number.cast_signed())?;
        names.bind(&mut update, 2, Some(&row.attribution))?;
        update.raw_execute().map(drop)
    })
}

/// Remembers the decisions that change something. The temporary table is this connection's own:
/// nobody waits.
fn stage_decisions(
    connection: &Connection,
    base: i64,
    names: &Names<'_>,
) -> Result<(), rusqlite::Error> {
    connection.execute_batch("BEGIN")?;
    let mut stage = connection.prepare_cached(
        "INSERT OR REPLACE INTO staged_decisions SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 \
         FROM difference_rows WHERE id = ?1 AND \
         (reason_id, functional, confidence, status, assigner_id, explanation, signature_id) \
         IS NOT (?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for row in &names.batch.decisions {
        stage.raw_bind_parameter(1, base | row.number.cast_signed())?;
        names.bind(&mut stage, 2, Some(&row.attribution))?;
        stage.raw_execute()?;
    }
    connection.execute_batch("COMMIT")
}

/// Applies what is staged, except to what people hold: they may have decided meanwhile.
fn apply_decisions(connection: &Connection, now: &str) -> Result<(), rusqlite::Error> {
    // What is staged leads, by rowid: the table itself is large, and everybody waits for this.
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
