//! Deletes old runs from SQLite in slices, so that writers wait only briefly. A run is marked
//! first; if the process is killed, the next command finds the mark and finishes.

use rusqlite::{Connection, ToSql, params};

use super::SqliteStore;
use super::lock::{self, Attempt};
use super::runs::rewrite_chunks;
use super::slices::{Slices, delete_in_slices};
use crate::database::sqlite as database;
use crate::diagnostic::Problem;
use crate::domain::run::IdClass;
use crate::domain::{Instant, RunId};
use crate::store::audit::By;
use crate::store::layout::{NUMBER_BITS, id_range};
use crate::store::rows::parameters;
use crate::store::transact::Dialect;
use crate::store::{
    PruneOrder, PruneOutcome, Pruned, breaks, prune, publication, stored, transact,
};

/// Condition on difference_rows d: people decided it or hold it in a proposal. ?3 is the prefix of the run's
/// attributions.
fn touched() -> String {
    let (run_no, number) = (Dialect::Sqlite.run_no("d"), Dialect::Sqlite.number("d"));
    format!(
        "(d.is_locked = 1 OR d.status IN (2, 4) \
     OR EXISTS (SELECT 1 FROM audit_samples s WHERE s.run_no = {run_no} \
         AND s.number = {number} AND s.outcome IS NOT NULL) \
     OR EXISTS (SELECT 1 FROM assigners w WHERE w.assigner_id = d.assigner_id AND w.is_person = 1) \
     OR EXISTS (SELECT 1 FROM audit_trail t \
         WHERE t.attribution_id = ?3 || printf('%012x', {number})))"
    )
}

/// The value of `trim_pending` of a run that is being pruned.
pub(super) const PRUNING: i64 = 2;

impl SqliteStore {
    pub(super) fn prune_runs(&self, order: &PruneOrder) -> Result<PruneOutcome, Problem> {
        let problem = |error: rusqlite::Error| self.problem(&error);
        let connection = database::direct(&self.path, false).map_err(problem)?;
        // All of them, or the one of this number if it is still among them.
        let chosen = |run_no: Option<i64>| -> Result<Vec<(i64, Pruned)>, Problem> {
            let found = candidates(
                &connection,
                "start_time < ?1 AND metadata ->> '$.pruned_at' IS NULL \
                 AND (?2 IS NULL OR job = ?2) AND (?3 OR NOT is_current) \
                 AND (?4 IS NULL OR run_no = ?4)",
                params![stored::time_text(order.before), order.job, order.current, run_no],
            );
            found.map_err(problem)?.into_iter().map(Candidate::read).collect()
        };
        let candidates = chosen(None)?;
        let resting = prune::resting(self, candidates.iter().map(|(_, run)| run))?;
        let mut runs = Vec::new();
        for (run_no, mut pruned) in candidates {
            if resting.contains(&pruned.run) {
                continue;
            }
            let _lock = match lock::try_take(&self.path, &pruned.job, pruned.batch_date)? {
                Attempt::Taken(lock) => lock,
                Attempt::HeldBy(_) => continue,
            };
            // A command may have ended on it meanwhile, and made it current.
            if chosen(Some(run_no))? != [(run_no, pruned.clone())] {
                continue;
            }
            pruned.kept = count_kept(&connection, run_no, &pruned).map_err(problem)?;
            if !order.dry_run {
                begin(&connection, run_no, &pruned, order).map_err(problem)?;
                self.finish_pruning(&connection, run_no, &pruned, &order.by, order.now)?;
            }
            runs.push(pruned);
        }
        let mut unshrunk = None;
        if order.vacuum && !order.dry_run {
            // The log is emptied too: it contains the deleted rows once more.
            let shrunk = connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
            unshrunk = shrunk.map_err(problem).err();
        }
        let free: i64 = connection
            .query_row(
                "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size",
                [],
                |row| row.get(0),
            )
            .map_err(problem)?;
        let resting = resting.len() as u64;
        Ok(PruneOutcome { runs, resting, reusable: Some(free.cast_unsigned()), unshrunk })
    }

    /// Completes the pruning of a run by a killed command. The caller holds the lock of the run's job and date.
    pub(super) fn resume_pruning(&self, run: RunId, now: Instant) -> Result<(), Problem> {
        let problem = |error: rusqlite::Error| self.problem(&error);
        let connection = database::direct(&self.path, false).map_err(problem)?;
        let found =
            candidates(&connection, "run_id = ?1", params![run.to_string()]).map_err(problem)?;
        for candidate in found {
            let metadata = serde_json::from_str(&candidate.metadata).unwrap_or_default();
            let (run_no, mut pruned) = candidate.read()?;
            pruned.kept = count_kept(&connection, run_no, &pruned).map_err(problem)?;
            let by = prune::beginner(&metadata);
            self.finish_pruning(&connection, run_no, &pruned, &by, now)?;
        }
        Ok(())
    }

    /// Deletes the rows of a run, in slices, then ends with one transaction that also writes the row of the audit
    /// trail.
    fn finish_pruning(
        &self,
        connection: &Connection,
        run_no: i64,
        pruned: &Pruned,
        by: &By,
        now: Instant,
    ) -> Result<(), Problem> {
        let problem = |error: rusqlite::Error| self.problem(&error);
        delete_rows(connection, run_no, pruned).map_err(problem)?;
        let end = if pruned.kept == 0 {
            "DELETE FROM recon.recon_runs WHERE run_no = $1"
        } else {
            "UPDATE recon.recon_runs SET trim_pending = 0, \
             metadata = json_set(json_remove(metadata, '$.pruning'), '$.pruned_at', $2) \
             WHERE run_no = $1"
        };
        transact::write(self, |tx| {
            let at = stored::time_text(now);
            let both = parameters![run_no, at];
            tx.execute(end, if pruned.kept == 0 { &both[..1] } else { &both[..] })?;
            publication::append_pruned(tx, pruned, run_no, by, now)
        })
    }
}

/// A run as it is found.
struct Candidate {
    run_no: i64,
    id: String,
    job: String,
    date: String,
    is_current: bool,
    records: i64,
    differences: i64,
    metadata: String,
}

impl Candidate {
    fn read(self) -> Result<(i64, Pruned), Problem> {
        let run = self.id.parse().map_err(|_| stored::damaged("run_id", &self.id))?;
        let batch_date =
            self.date.parse().map_err(|_| stored::damaged("batch_date", &self.date))?;
        let pruned = Pruned {
            run,
            job: self.job,
            batch_date,
            is_current: self.is_current,
            records: self.records.cast_unsigned(),
            differences: self.differences.cast_unsigned(),
            kept: 0,
        };
        Ok((self.run_no, pruned))
    }
}

/// The runs of this condition, oldest first.
fn candidates(
    connection: &Connection,
    condition: &str,
    parameters: &[&dyn ToSql],
) -> Result<Vec<Candidate>, rusqlite::Error> {
    connection
        .prepare(&format!(
            "SELECT run_no, run_id, job, batch_date, \
             coalesce(stage = 'ATTRIBUTED' AND superseded_by IS NULL, 0) AS is_current, \
             total_records, total_differences, metadata FROM recon_runs WHERE {condition} \
             ORDER BY run_no"
        ))?
        .query_map(parameters, |row| {
            Ok(Candidate {
                run_no: row.get(0)?,
                id: row.get(1)?,
                job: row.get(2)?,
                date: row.get(3)?,
                is_current: row.get(4)?,
                records: row.get(5)?,
                differences: row.get(6)?,
                metadata: row.get(7)?,
            })
        })?
        .collect()
}

/// How many differences of a run stay.
fn count_kept(
    connection: &Connection,
    run_no: i64,
    pruned: &Pruned,
) -> Result<u64, rusqlite::Error> {
    let (first, last) = id_range(run_no);
    let kept: i64 = connection.query_row(
        &format!(
            "SELECT count(*) FROM difference_rows d WHERE d.id BETWEEN ?1 AND ?2 AND {}",
            touched()
        ),
        params![first, last, pruned.run.prefix(IdClass::Attribution)],
        |row| row.get(0),
    )?;
    Ok(kept.cast_unsigned())
}

/// Marks a run, so that the next command ends a deletion that was interrupted; a run that goes altogether is
/// invisible from now on.
fn begin(
    connection: &Connection,
    run_no: i64,
    pruned: &Pruned,
    order: &PruneOrder,
) -> Result<(), rusqlite::Error> {
    let hide = if pruned.kept == 0 { ", stage = NULL, status = 'FAILED'" } else { "" };
    connection.execute(
        &format!(
            "UPDATE recon_runs SET trim_pending = {PRUNING}, \
             metadata = json_set(metadata, '$.pruning', json(?2)){hide} WHERE run_no = ?1"
        ),
        params![run_no, prune::begun(&order.by).to_string()],
    )?;
    Ok(())
}

/// Deletes the rows of a run that go. It does no harm if it is repeated.
fn delete_rows(
    connection: &Connection,
    run_no: i64,
    pruned: &Pruned,
) -> Result<(), rusqlite::Error> {
    let (first, last) = id_range(run_no);
    if pruned.kept == 0 {
        for table in ["record_rows", "difference_rows", "reject_rows"] {
            delete_in_slices(connection, table, (first, last), "1")?;
        }
        return forget(connection, run_no);
    }
    let prefix = pruned.run.prefix(IdClass::Attribution);
    let delete = format!(
        "DELETE FROM difference_rows AS d WHERE d.id BETWEEN ?1 AND ?2 AND NOT {}",
        touched()
    );
    let mut turns = Slices::default();
    // A row of records and its differences go in one transaction.
    rewrite_chunks(connection, &mut turns, run_no, |low, high| {
        connection.prepare_cached(&delete)?.execute(params![low, high, prefix]).map(drop)
    })?;
    delete_in_slices(connection, "reject_rows", (first, last), "1")?;
    forget(connection, run_no)
}

/// Adjusts the review's tables to the remaining differences: counts, unchecked blind samples, and claims. Another run
/// may get the number of a deleted run one day.
fn forget(connection: &Connection, run_no: i64) -> Result<(), rusqlite::Error> {
    let (first, last) = id_range(run_no);
    let gone = format!(
        "NOT EXISTS (SELECT 1 FROM difference_rows d WHERE d.id = x.run_no << {NUMBER_BITS} | x.number)"
    );
    let left = breaks::left(Dialect::Sqlite, "d").replace("recon.", "");
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; \
         DELETE FROM item_counts WHERE run_no = {run_no}; \
         INSERT INTO item_counts (run_no, signature_id, status, items, amount_sum) \
         SELECT {run_no}, coalesce(d.signature_id, 0), d.status, count(*), \
                coalesce(sum(d.amount_abs), 0.0) \
         FROM difference_rows d WHERE d.id BETWEEN {first} AND {last} AND d.status IS NOT NULL \
         AND (d.status <> 1 OR {left} <= 0) GROUP BY 2, 3; \
         DELETE FROM audit_samples AS x WHERE x.run_no = {run_no} AND {gone}; \
         DELETE FROM claims AS x WHERE x.run_no = {run_no} AND {gone}; \
         DELETE FROM run_figures WHERE run_no = {run_no}; \
         DELETE FROM reason_counts WHERE run_no = {run_no}; \
         DELETE FROM search_grams WHERE run_no = {run_no}; \
         DELETE FROM search_parts WHERE run_no = {run_no}; \
         DELETE FROM search_runs WHERE run_no = {run_no}; \
         COMMIT"
    ))
}
