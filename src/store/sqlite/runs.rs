//! Runs in SQLite: failing and repairing them.

use std::collections::HashSet;

use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension as _, params};

use super::SqliteStore;
use super::lock::{self, Attempt};
use super::prune::PRUNING;
use super::slices::{Slices, delete_in_slices};
use super::transact::SqliteTransaction;
use crate::database::sqlite as database;
use crate::diagnostic::{Code, Problem};
use crate::domain::{Date, Instant, RunId, RunStatus, Stage};
use crate::store::batch::{difference_range, record_of};
use crate::store::layout::{MAX_NUMBER, id_range};
use crate::store::runs::RunKey;
use crate::store::{chunk, publication, stored};

pub(super) fn find_key(connection: &Connection, run: RunId) -> Result<RunKey, Problem> {
    let found = connection
        .query_row(
            "SELECT run_no, stage, keep_all FROM recon_runs WHERE run_id = ?1",
            [run.to_string()],
            |row| Ok((row.get(0)?, row.get::<_, Option<String>>(1)?, row.get(2)?)),
        )
        .optional()
        .map_err(|error| Problem::new(Code::StoreFailed, format!("the store failed ({error})")))?;
    let (run_no, stage, keep_all) = found.ok_or_else(|| stored::no_such_run(run))?;
    Ok(RunKey { run_no, stage: stored::read_stage(stage.as_deref())?, keep_all })
}

/// Deletes the rows of the unfinished command of a run. A command that attributes leaves none: its rows are invisible
/// before its stage and are written anew by the next one.
fn discard_unfinished(connection: &Connection, run: RunKey) -> Result<(), rusqlite::Error> {
    let tables: &[&str] = match run.stage {
        None => {
            &["record_rows", "difference_rows", "reject_rows", "break_states", "break_partners"]
        }
        Some(Stage::Ingested) => &["difference_rows", "break_states", "break_partners"],
        Some(Stage::Compared | Stage::Attributed) => &[],
    };
    tables
        .iter()
        .try_for_each(|table| delete_in_slices(connection, table, id_range(run.run_no), "1"))
}

/// Deletes the matched records of a run that keeps breaks only; they do not show any more. Does no
/// harm if it is repeated.
pub(super) fn trim(connection: &Connection, run_no: i64) -> Result<(), rusqlite::Error> {
    rewrite_chunks(connection, &mut Slices::default(), run_no, |_, _| Ok(()))?;
    connection.execute("UPDATE recon_runs SET trim_pending = 0 WHERE run_no = ?1", [run_no])?;
    Ok(())
}

/// Keeps of a run's records those that have differences, after `first` has seen the range of rowids
/// that the differences of a row of records have.
pub(super) fn rewrite_chunks(
    connection: &Connection,
    turns: &mut Slices,
    run_no: i64,
    mut first: impl FnMut(i64, i64) -> Result<(), rusqlite::Error>,
) -> Result<(), rusqlite::Error> {
    let (base, last) = id_range(run_no);
    let chunks: i64 = connection.query_row(
        "SELECT coalesce(max(id), ?1) - ?1 FROM record_rows WHERE id BETWEEN ?1 AND ?2",
        (base, last),
        |row| row.get(0),
    )?;
    turns.begin(connection)?;
    for chunk in 0..=chunks {
        let record = chunk::first_of(chunk.cast_unsigned());
        let (low, _) = difference_range(record);
        let (_, high) = difference_range(record + chunk::RECORDS - 1);
        let (low, high) = (base | low.cast_signed(), base | high.cast_signed());
        first(low, high)?;
        keep_broken(connection, base, chunk, (low, high))?;
        turns.check(connection)?;
    }
    turns.end(connection)
}

/// Keeps of a row of records those that have one of the differences of this range.
fn keep_broken(
    connection: &Connection,
    base: i64,
    chunk: i64,
    differences: (i64, i64),
) -> Result<(), rusqlite::Error> {
    let broken: HashSet<u64> = connection
        .prepare_cached("SELECT id FROM difference_rows WHERE id BETWEEN ?1 AND ?2")?
        .query_map(differences, |row| row.get::<_, i64>(0))?
        .map(|id| id.map(|id| record_of((id & MAX_NUMBER).cast_unsigned())))
        .collect::<Result<_, _>>()?;
    let id = base | chunk;
    if broken.is_empty() {
        connection.prepare_cached("DELETE FROM record_rows WHERE id = ?1")?.execute([id])?;
        return Ok(());
    }
    let text: Option<String> = connection
        .prepare_cached("SELECT records FROM record_rows WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    let Some(text) = text else { return Ok(()) };
    // SQLite would take each entry apart and write it anew.
    let kept = chunk::only(chunk.cast_unsigned(), &text, |record| broken.contains(&record))
        .map_err(|damage| Error::FromSqlConversionFailure(0, Type::Text, Box::new(damage)))?;
    if let Some(kept) = kept.filter(|kept| *kept != text) {
        connection
            .prepare_cached("UPDATE record_rows SET records = ?2 WHERE id = ?1")?
            .execute(params![id, kept])?;
    }
    Ok(())
}

impl SqliteStore {
    /// A connection that has the file as main. Whoever is done with it may [`keep`](super::Spare::keep) it.
    pub(super) fn direct(&self) -> Result<Connection, Problem> {
        match self.spare.take() {
            Some(connection) => Ok(connection),
            // A first run pauses for it; see `unlogged`.
            None => {
                let opened = self.waiting.while_seen(|| database::direct(&self.path, false));
                opened.map_err(|error| self.problem(&error))
            }
        }
    }

    pub(super) fn give_up(&self, run: RunId, reason: &str) -> Result<(), Problem> {
        let connection = self.direct()?;
        let key = find_key(&connection, run)?;
        let reason = stored::clean(reason);
        let failed = |connection: &Connection| {
            connection.execute(
                "UPDATE recon_runs SET status = ?2, \
                 end_time = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'), \
                 metadata = json_set(metadata, '$.failure', ?3) WHERE run_no = ?1",
                params![key.run_no, RunStatus::Failed.name(), reason],
            )
        };
        discard_unfinished(&connection, key).map_err(|error| self.problem(&error))?;
        if key.stage.is_none() {
            failed(&connection).map_err(|error| self.problem(&error))?;
            self.spare.keep(connection);
            return Ok(());
        }
        // Results that earlier commands published stay, and the audit trail has the end of the run: so it also
        // records that this command failed.
        connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| self.problem(&error))?;
        let told = failed(&connection).map_err(|error| self.problem(&error)).and_then(|_| {
            let mut tx = SqliteTransaction::direct(&self.path, &connection);
            publication::append_failure(&mut tx, key.run_no, &reason, self.now()?)
        });
        let end = if told.is_ok() { "COMMIT" } else { "ROLLBACK" };
        connection.execute_batch(end).map_err(|error| self.problem(&error))?;
        self.spare.keep(connection);
        told
    }

    /// The time, as the store's clock has it.
    pub(super) fn now(&self) -> Result<Instant, Problem> {
        let sql = "SELECT strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')";
        let text: String = self.look(|connection, _| {
            connection.query_row(sql, [], |row| row.get(0)).map_err(|error| self.problem(&error))
        })?;
        stored::read_time(&text)
    }

    /// Marks the RUNNING runs of dead processes FAILED and completes their half-done work: of all jobs' dates whose
    /// lock is free, or of the one whose lock the caller holds.
    pub(super) fn repair_runs(&self, ours: Option<(&str, Date)>) -> Result<Vec<RunId>, Problem> {
        let problem = |error: rusqlite::Error| self.problem(&error);
        let (job, date) = ours.map(|(job, date)| (job, date.to_string())).unzip();
        type Candidate = (String, String, String, bool, i64);
        self.identity.check()?;
        let candidates: Vec<Candidate> = self.look(|connection, _| {
            let mut statement = connection
                .prepare(
                    "SELECT run_id, job, batch_date, status = 'RUNNING', trim_pending FROM recon_runs \
                     WHERE (status = 'RUNNING' OR trim_pending <> 0) \
                     AND (?1 IS NULL OR job = ?1) AND (?2 IS NULL OR batch_date = ?2) \
                     ORDER BY run_no",
                )
                .map_err(problem)?;
            statement
                .query_map(params![job, date], |row| row.try_into())
                .and_then(Iterator::collect)
                .map_err(problem)
        })?;
        let mut repaired = Vec::new();
        for (id, job, date, running, pending) in candidates {
            let run: RunId = id.parse().map_err(|_| stored::damaged("run_id", &id))?;
            let date: Date = date.parse().map_err(|_| stored::damaged("batch_date", &date))?;
            let _lock = match ours {
                Some(_) => None,
                None => match lock::try_take(&self.path, &job, date)? {
                    Attempt::Taken(lock) => Some(lock),
                    Attempt::HeldBy(_) => continue,
                },
            };
            if running {
                self.give_up(run, "its process ended without finishing")?;
                repaired.push(run);
            } else if pending == PRUNING {
                self.resume_pruning(run, self.now()?)?;
            } else {
                let connection = self.direct()?;
                trim(&connection, find_key(&connection, run)?.run_no).map_err(problem)?;
            }
        }
        Ok(repaired)
    }
}
