//! Writes the rows of one command into SQLite.
//!
//! Rows are appended in transactions that take turns with other writers and show only when
//! [`Writer::finish`] moves the run to its next stage. What would change rows that show already
//! (attributing again) waits in a temporary table for that one transaction.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::id_range;
use super::runs::{RunKey, find_key, trim};
use super::turns::Turns;
use crate::database::sqlite as database;
use crate::diagnostic::Problem;
use crate::domain::{AssignedBy, FieldRef, RunId, RunStatus, Stage, Status};
use crate::store::{
    AttributionRow, Batch, DecisionRow, DifferenceRow, FinishRun, RecordRow, Text, Writer, stored,
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
    reasons: HashMap<String, i64>,
    assigners: HashMap<String, i64>,
    rejected: i64,
}

impl SqliteWriter {
    pub(super) fn open(path: &Path, run: RunId) -> Result<Self, Problem> {
        let problem = |error: rusqlite::Error| database::problem(path, &error);
        let connection = database::direct(path, false).map_err(problem)?;
        // Checkpoints wait for the disk: one for each 32 MiB of log is enough.
        connection
            .execute_batch(
                "PRAGMA wal_autocheckpoint = 4096; PRAGMA journal_size_limit = 33554432; \
                 PRAGMA cache_size = -65536; PRAGMA temp_store = FILE;",
            )
            .map_err(problem)?;
        connection.set_prepared_statement_cache_capacity(64);
        let key = find_key(&connection, run)?;
        let reasons = connection
            .prepare("SELECT code, reason_id FROM reason_codes")
            .and_then(|mut statement| {
                statement.query_map([], |row| row.try_into())?.collect::<Result<_, _>>()
            })
            .map_err(problem)?;
        if key.stage == Some(Stage::Attributed) {
            connection
                .execute_batch(
                    "CREATE TEMP TABLE staged_decisions (id INTEGER PRIMARY KEY, reason_id, \
                     confidence, status, assigner_id, explanation); \
                     CREATE TEMP TABLE touched_records (id INTEGER PRIMARY KEY);",
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
            rejected: 0,
        })
    }

    fn reason_id(&self, batch: &Batch, reason: Text) -> Result<i64, Problem> {
        let code = batch.text(reason);
        self.reasons.get(code).copied().ok_or_else(|| stored::unknown_reason(code))
    }

    /// Learns the numbers of all assigners and checks all reasons that the batch names.
    fn resolve(&mut self, batch: &Batch) -> Result<(), Problem> {
        let given = batch.differences.iter().filter_map(|difference| difference.attribution);
        let decided = batch.decisions.iter().map(|decision| decision.attribution);
        for attribution in given.chain(decided) {
            self.reason_id(batch, attribution.reason)?;
            let name = batch.text(attribution.assigned_by);
            if !self.assigners.contains_key(name) {
                let id = self.assigner_id(name).map_err(|error| self.problem(&error))?;
                self.assigners.insert(name.to_owned(), id);
            }
        }
        Ok(())
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
        let names = Names { reasons: &self.reasons, assigners: &self.assigners, batch };
        if self.key.stage == Some(Stage::Attributed) {
            return stage_decisions(connection, base, &names);
        }
        turns.begin(connection)?;
        insert_records(connection, turns, base, batch)?;
        insert_differences(connection, turns, base, &names)?;
        let mut broken = connection.prepare_cached("INSERT INTO break_rows (id) VALUES (?1)")?;
        turns.each(connection, &batch.broken, |number| {
            broken.execute([base | number.cast_signed()]).map(drop)
        })?;
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
    fn publish(&self, outcome: &FinishRun) -> Result<usize, rusqlite::Error> {
        let ended = stored::time_text(outcome.ended);
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
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
            // The newest attributed run of a job's date is current. This is the place where the
            // decisions that people made on the superseded run are carried to the current one.
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
        }
        self.connection.execute_batch(if updated == 1 { "COMMIT" } else { "ROLLBACK" })?;
        if updated == 1 && trims {
            trim(&self.connection, self.key.run_no)?;
        }
        Ok(updated)
    }
}

impl Writer for SqliteWriter {
    fn write(&mut self, batch: &Batch) -> Result<(), Problem> {
        if batch.is_empty() {
            return Ok(());
        }
        self.resolve(batch)?;
        self.write_rows(batch).map_err(|error| {
            // What the slice wrote is undone with it; the command fails as a whole.
            if !self.connection.is_autocommit() {
                let _ = self.connection.execute_batch("ROLLBACK");
            }
            self.problem(&error)
        })
    }

    fn finish(self: Box<Self>, outcome: &FinishRun) -> Result<(), Problem> {
        let updated = self.publish(outcome).map_err(|error| self.problem(&error))?;
        if updated == 0 {
            return Err(stored::lost_run(self.run));
        }
        // Nobody waits for this: it moves the log into the file without a write lock.
        let checkpoint =
            self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        checkpoint.map_err(|error| self.problem(&error))
    }
}

/// What the texts of a batch stand for. Every name was resolved before.
struct Names<'a> {
    reasons: &'a HashMap<String, i64>,
    assigners: &'a HashMap<String, i64>,
    batch: &'a Batch,
}

impl Names<'_> {
    fn reason(&self, attribution: &AttributionRow) -> Option<i64> {
        self.reasons.get(self.batch.text(attribution.reason)).copied()
    }

    fn assigner(&self, attribution: &AttributionRow) -> Option<i64> {
        self.assigners.get(self.batch.text(attribution.assigned_by)).copied()
    }

    fn text(&self, text: Option<Text>) -> Option<&str> {
        text.map(|text| self.batch.text(text))
    }
}

fn insert_records(
    connection: &Connection,
    turns: &mut Turns,
    base: i64,
    batch: &Batch,
) -> Result<(), rusqlite::Error> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO record_rows (id, kind, a, b, line_a, offset_a, line_b, offset_b, \
         partner_rejected) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    let mut insert_break =
        connection.prepare_cached("INSERT INTO break_rows (id, gate) VALUES (?1, ?2)")?;
    let text = |text: Option<Text>| text.map(|text| batch.text(text));
    turns.each(connection, &batch.records, |row: &RecordRow| {
        let id = base | row.number.cast_signed();
        let (line_a, offset_a) = row.place_a.unzip();
        let (line_b, offset_b) = row.place_b.unzip();
        insert.execute(params![
            id,
            row.kind.code(),
            text(row.a),
            text(row.b),
            line_a.map(u64::cast_signed),
            offset_a.map(u64::cast_signed),
            line_b.map(u64::cast_signed),
            offset_b.map(u64::cast_signed),
            row.partner_rejected,
        ])?;
        if row.broken {
            insert_break.execute(params![id, row.gate.map(|gate| gate.code())])?;
        }
        Ok(())
    })
}

fn insert_differences(
    connection: &Connection,
    turns: &mut Turns,
    base: i64,
    names: &Names<'_>,
) -> Result<(), rusqlite::Error> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO difference_rows (id, record, field, diff_type, severity, value_a, value_b, \
         reason_id, confidence, status, assigner_id, explanation) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    turns.each(connection, &names.batch.differences, |row: &DifferenceRow| {
        let given = row.attribution.as_ref();
        insert
            .execute(params![
                base | row.number.cast_signed(),
                base | row.record.cast_signed(),
                match row.field {
                    FieldRef::EntireRecord => None,
                    FieldRef::Field(position) => Some(position),
                },
                row.diff_type.code(),
                row.severity.code(),
                names.text(row.value_a),
                names.text(row.value_b),
                given.and_then(|given| names.reason(given)),
                given.map(|given| given.confidence.get()),
                given.map(|given| given.status.code()),
                given.and_then(|given| names.assigner(given)),
                given.and_then(|given| names.text(given.explanation)),
            ])
            .map(drop)
    })
}

/// Writes decisions and verdicts of a run that does not show as attributed yet.
fn decide(
    connection: &Connection,
    turns: &mut Turns,
    base: i64,
    names: &Names<'_>,
) -> Result<(), rusqlite::Error> {
    let mut update = connection.prepare_cached(
        "UPDATE difference_rows SET reason_id = ?2, confidence = ?3, status = ?4, \
         assigner_id = ?5, explanation = ?6 WHERE id = ?1",
    )?;
    turns.each(connection, &names.batch.decisions, |row: &DecisionRow| {
        let given = &row.attribution;
        update
            .execute(params![
                base | row.number.cast_signed(),
                names.reason(given),
                given.confidence.get(),
                given.status.code(),
                names.assigner(given),
                names.text(given.explanation),
            ])
            .map(drop)
    })?;
    let mut update = connection.prepare_cached("UPDATE break_rows SET gate = ?2 WHERE id = ?1")?;
    turns.each(connection, &names.batch.gates, |(number, gate)| {
        update.execute((base | number.cast_signed(), gate.code())).map(drop)
    })
}

/// Remembers the decisions that change something, and the records whose verdicts they may change.
/// The temporary tables are this connection's own: nobody waits.
fn stage_decisions(
    connection: &Connection,
    base: i64,
    names: &Names<'_>,
) -> Result<(), rusqlite::Error> {
    connection.execute_batch("BEGIN")?;
    let mut stage = connection.prepare_cached(
        "INSERT OR REPLACE INTO staged_decisions SELECT ?1, ?2, ?3, ?4, ?5, ?6 \
         FROM difference_rows WHERE id = ?1 AND \
         (reason_id, confidence, status, assigner_id, explanation) IS NOT (?2, ?3, ?4, ?5, ?6)",
    )?;
    for row in &names.batch.decisions {
        let given = &row.attribution;
        stage.execute(params![
            base | row.number.cast_signed(),
            names.reason(given),
            given.confidence.get(),
            given.status.code(),
            names.assigner(given),
            names.text(given.explanation),
        ])?;
    }
    let mut touch = connection.prepare_cached(
        "INSERT OR IGNORE INTO touched_records SELECT id FROM break_rows \
         WHERE id = ?1 AND gate IS NOT ?2",
    )?;
    for (number, gate) in &names.batch.gates {
        touch.execute((base | number.cast_signed(), gate.code()))?;
    }
    connection.execute_batch("COMMIT")
}

/// Applies what is staged, except to what people hold, and recomputes the verdicts from what then
/// stands in the table: people may have decided meanwhile.
fn apply_decisions(connection: &Connection, now: &str) -> Result<(), rusqlite::Error> {
    // What is staged leads, by rowid: the table itself is large, and everybody waits for this.
    connection.execute(
        "INSERT OR IGNORE INTO touched_records \
         SELECT d.record FROM staged_decisions s CROSS JOIN difference_rows d ON d.id = s.id",
        [],
    )?;
    connection.execute(
        "UPDATE difference_rows AS d SET \
         (reason_id, confidence, status, assigner_id, explanation) = \
             (SELECT s.reason_id, s.confidence, s.status, s.assigner_id, s.explanation \
              FROM staged_decisions s WHERE s.id = d.id), \
         assigned_at = ?1, version = version + 1 \
         WHERE d.id IN (SELECT id FROM staged_decisions) AND d.is_locked = 0 \
         AND d.status NOT IN (?2, ?3) AND NOT EXISTS (SELECT 1 FROM assigners w \
             WHERE w.assigner_id = d.assigner_id AND w.is_person = 1)",
        params![now, Status::Pending.code(), Status::Rejected.code()],
    )?;
    connection.execute(
        "UPDATE break_rows SET gate = NOT EXISTS ( \
             SELECT 1 FROM difference_rows d JOIN reason_codes c ON c.reason_id = d.reason_id \
             WHERE d.record = break_rows.id AND NOT (d.status = ?1 AND c.is_functional = 1)) \
         WHERE id IN (SELECT id FROM touched_records)",
        [Status::Accepted.code()],
    )?;
    Ok(())
}
