//! Forgetting old runs in SQLite, in slices, so that nobody waits. Every slice leaves the store whole,
//! and what a crash leaves undone is done by pruning again.

use rusqlite::{Connection, params};

use super::lock::{self, Attempt};
use super::runs::rewrite_chunks;
use super::turns::{Turns, delete_in_turns};
use super::{SqliteStore, id_range};
use crate::database::sqlite as database;
use crate::diagnostic::Problem;
use crate::domain::run::IdClass;
use crate::domain::{Date, Instant, RunId};
use crate::store::{Pruned, publication, stored, transact};

/// What people have decided or hold, of difference_rows d. ?3 is the prefix of the run's attributions.
pub(super) const TOUCHED: &str = "(d.is_locked = 1 OR d.status IN (2, 4) \
     OR EXISTS (SELECT 1 FROM audit_samples s WHERE s.run_no = d.id >> 40 \
         AND s.number = d.id & 1099511627775 AND s.outcome IS NOT NULL) \
     OR EXISTS (SELECT 1 FROM assigners w WHERE w.assigner_id = d.assigner_id AND w.is_person = 1) \
     OR EXISTS (SELECT 1 FROM audit_trail t \
         WHERE t.attribution_id = ?3 || printf('%012x', d.id & 1099511627775)))";

impl SqliteStore {
    pub(super) fn prune_runs(
        &self,
        before: Instant,
        dry_run: bool,
    ) -> Result<Vec<Pruned>, Problem> {
        let problem = |error: rusqlite::Error| self.problem(&error);
        let connection = database::direct(&self.path, false).map_err(problem)?;
        type Candidate = (i64, String, String, String);
        let candidates: Vec<Candidate> = connection
            .prepare(
                "SELECT run_no, run_id, job, batch_date FROM recon_runs \
                 WHERE start_time < ?1 AND metadata ->> '$.pruned_at' IS NULL ORDER BY run_no",
            )
            .and_then(|mut statement| {
                statement.query_map([stored::time_text(before)], |row| row.try_into())?.collect()
            })
            .map_err(problem)?;
        let mut pruned = Vec::new();
        for (run_no, id, job, date) in candidates {
            let run: RunId = id.parse().map_err(|_| stored::damaged("run_id", &id))?;
            let date: Date = date.parse().map_err(|_| stored::damaged("batch_date", &date))?;
            let _lock = match lock::try_take(&self.path, &job, date)? {
                Attempt::Taken(lock) => lock,
                Attempt::HeldBy(_) => continue,
            };
            let prefix = run.prefix(IdClass::Attribution);
            let kept = prune(&connection, run_no, &prefix, dry_run).map_err(problem)?;
            if !dry_run {
                let now = self.now()?;
                transact::write(self, |tx| {
                    publication::append_pruned(tx, (&id, run_no), kept, now)
                })?;
            }
            pruned.push(Pruned { run, kept });
        }
        Ok(pruned)
    }
}

/// Prunes one run and says how many differences stay.
fn prune(
    connection: &Connection,
    run_no: i64,
    prefix: &str,
    dry_run: bool,
) -> Result<u64, rusqlite::Error> {
    let (first, last) = id_range(run_no);
    let kept: i64 = connection.query_row(
        &format!(
            "SELECT count(*) FROM difference_rows d WHERE d.id BETWEEN ?1 AND ?2 AND {TOUCHED}"
        ),
        params![first, last, prefix],
        |row| row.get(0),
    )?;
    if dry_run {
        return Ok(kept.cast_unsigned());
    }
    if kept == 0 {
        // First nothing of it shows any more.
        connection.execute(
            "UPDATE recon_runs SET stage = NULL, status = 'FAILED' WHERE run_no = ?1",
            [run_no],
        )?;
        for table in ["record_rows", "difference_rows", "reject_rows"] {
            delete_in_turns(connection, table, (first, last), "1")?;
        }
        forget(connection, run_no)?;
        connection.execute("DELETE FROM recon_runs WHERE run_no = ?1", [run_no])?;
        return Ok(0);
    }
    let delete =
        format!("DELETE FROM difference_rows AS d WHERE d.id BETWEEN ?1 AND ?2 AND NOT {TOUCHED}");
    let mut turns = Turns::default();
    // A row of records and its differences go in one transaction.
    rewrite_chunks(connection, &mut turns, run_no, |low, high| {
        connection.prepare_cached(&delete)?.execute(params![low, high, prefix]).map(drop)
    })?;
    delete_in_turns(connection, "reject_rows", (first, last), "1")?;
    forget(connection, run_no)?;
    connection.execute(
        "UPDATE recon_runs SET trim_pending = 0, metadata = json_set(metadata, '$.pruned_at', \
         strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')) WHERE run_no = ?1",
        [run_no],
    )?;
    Ok(kept.cast_unsigned())
}

/// Brings in line with the differences that are left what the review keeps beside them: counts, blind
/// samples that nobody looked at, and claims. The number of a run that is gone may be another's one day.
fn forget(connection: &Connection, run_no: i64) -> Result<(), rusqlite::Error> {
    let (first, last) = id_range(run_no);
    let gone =
        "NOT EXISTS (SELECT 1 FROM difference_rows d WHERE d.id = x.run_no << 40 | x.number)";
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; \
         DELETE FROM item_counts WHERE run_no = {run_no}; \
         INSERT INTO item_counts (run_no, signature_id, status, items, amount_sum) \
         SELECT {run_no}, coalesce(d.signature_id, 0), d.status, count(*), \
                coalesce(sum(d.amount_abs), 0.0) \
         FROM difference_rows d WHERE d.id BETWEEN {first} AND {last} AND d.status IS NOT NULL \
         GROUP BY 2, 3; \
         DELETE FROM audit_samples AS x WHERE x.run_no = {run_no} AND {gone}; \
         DELETE FROM claims AS x WHERE x.run_no = {run_no} AND {gone}; \
         COMMIT"
    ))
}
