//! Runs in PostgreSQL: failing and repairing them.

use ::postgres::{Error, GenericClient};

use super::transact::PostgresTransaction;
use super::{PostgresStore, lock};
use crate::diagnostic::Problem;
use crate::domain::{Date, RunId, RunStatus, Stage};
use crate::store::transact::Transaction as _;
use crate::store::{publication, stored};

/// The part of a run that the store itself uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunKey {
    /// Its number, by which its rows are found.
    pub run_no: i32,
    /// How far it got.
    pub stage: Option<Stage>,
    pub keep_all: bool,
}

pub(super) fn find_key(
    client: &mut impl GenericClient,
    run: RunId,
    problem: impl Fn(&Error) -> Problem,
) -> Result<RunKey, Problem> {
    let row = client
        .query_opt("SELECT run_no, stage, keep_all FROM recon_runs WHERE run_id = $1", &[&run.0])
        .map_err(|error| problem(&error))?
        .ok_or_else(|| stored::no_such_run(run))?;
    let read = || Ok((row.try_get(0)?, row.try_get::<_, Option<&str>>(1)?, row.try_get(2)?));
    let (run_no, stage, keep_all) = read().map_err(|error| problem(&error))?;
    Ok(RunKey { run_no, stage: stored::read_stage(stage)?, keep_all })
}

/// Deletes the matched records of a run that keeps breaks only; they do not show any more.
pub(super) fn trim(client: &mut impl GenericClient, run_no: i32) -> Result<(), Error> {
    keep_broken(client, run_no)?;
    client.execute("UPDATE recon_runs SET trim_pending = false WHERE run_no = $1", &[&run_no])?;
    // Gives the space back; a role that does not own the table leaves that to the server.
    client.batch_execute(&format!("VACUUM (ANALYZE) record_rows_{run_no}"))
}

/// Keeps of a run's records those that have differences.
pub(super) fn keep_broken(client: &mut impl GenericClient, run_no: i32) -> Result<(), Error> {
    client.batch_execute(&format!(
        "UPDATE record_rows x SET records = ( \
             SELECT '[' || string_agg(CASE WHEN EXISTS ( \
                 SELECT FROM difference_rows d WHERE d.run_no = {run_no} \
                 AND d.number BETWEEN (x.number * 64 + e.at) << 10 \
                     AND ((x.number * 64 + e.at) << 10) + 1023) \
                 THEN e.value::text ELSE 'null' END, ',' ORDER BY e.at) || ']' \
             FROM json_array_elements(x.records::json) WITH ORDINALITY e (value, at)) \
         WHERE x.run_no = {run_no} AND EXISTS ( \
             SELECT FROM difference_rows d WHERE d.run_no = {run_no} \
             AND d.number BETWEEN (x.number * 64 + 1) << 10 \
                 AND ((x.number * 64 + 64) << 10) + 1023); \
         DELETE FROM record_rows x WHERE x.run_no = {run_no} AND NOT EXISTS ( \
             SELECT FROM difference_rows d WHERE d.run_no = {run_no} \
             AND d.number BETWEEN (x.number * 64 + 1) << 10 \
                 AND ((x.number * 64 + 64) << 10) + 1023)"
    ))
}

impl PostgresStore {
    /// The rows of the unfinished command went with the transaction of its writer. Results that earlier commands
    /// published stay, and the audit trail has the end of the run: so it also records that this command failed.
    pub(super) fn give_up(&self, run: RunId, reason: &str) -> Result<(), Problem> {
        let problem = |error: &Error| self.problem(error);
        let reason = stored::clean(reason);
        let mut connection = self.connection()?;
        let key = find_key(&mut **connection, run, problem)?;
        let mut transaction = connection.transaction().map_err(|error| problem(&error))?;
        transaction
            .execute(
                "UPDATE recon_runs SET status = $2, end_time = now(), \
                 metadata = metadata || jsonb_build_object('failure', $3::text) \
                 WHERE run_no = $1",
                &[&key.run_no, &RunStatus::Failed.name(), &&*reason],
            )
            .map_err(|error| problem(&error))?;
        if key.stage.is_some() {
            let mut tx =
                PostgresTransaction { problem: &problem, client: &mut transaction, plans: None };
            let rows = tx.query("SELECT now()", &[])?;
            let now = rows.first().map(|row| row.required(0)).transpose()?.unwrap_or_default();
            let now = stored::read_time(&now)?;
            publication::append_failure(&mut tx, key.run_no.into(), &reason, now)?;
        }
        transaction.commit().map_err(|error| problem(&error))
    }

    /// Marks the RUNNING runs of dead processes FAILED and completes their half-done work: of all jobs' dates whose
    /// lock is free, or of the one whose lock the caller holds.
    pub(super) fn repair_runs(&self, ours: Option<(&str, Date)>) -> Result<Vec<RunId>, Problem> {
        let problem = |error: Error| self.problem(&error);
        let (job, date) = ours.map(|(job, date)| (job, date.to_string())).unzip();
        let mut connection = self.connection()?;
        let candidates = connection
            .query(
                "SELECT run_id, job, batch_date::text FROM recon_runs \
                 WHERE (status = 'RUNNING' OR trim_pending) AND ($1::text IS NULL OR job = $1) \
                 AND ($2::text IS NULL OR batch_date = $2::text::date) ORDER BY run_no",
                &[&job, &date],
            )
            .map_err(problem)?;
        let mut repaired = Vec::new();
        for row in candidates {
            let read = || Ok((row.try_get(0)?, row.try_get::<_, String>(1)?, row.try_get(2)?));
            let (id, job, date): (_, _, String) = read().map_err(problem)?;
            let run = RunId(id);
            let key =
                lock::key(&job, date.parse().map_err(|_| stored::damaged("batch_date", &date))?);
            if ours.is_some() {
                repaired.extend(self.repair_run(run)?);
                continue;
            }
            let taken: bool = connection
                .query_one("SELECT pg_try_advisory_lock($1)", &[&key])
                .and_then(|row| row.try_get(0))
                .map_err(problem)?;
            if taken {
                let done = self.repair_run(run);
                // Given back before a failure is reported: the pool keeps the session.
                connection.execute("SELECT pg_advisory_unlock($1)", &[&key]).map_err(problem)?;
                repaired.extend(done?);
            }
        }
        Ok(repaired)
    }

    /// Repairs a run whose lock is held by the caller. It may have ended since it was listed.
    fn repair_run(&self, run: RunId) -> Result<Option<RunId>, Problem> {
        let Some(found) = crate::store::Store::run(self, run)? else { return Ok(None) };
        if found.status == RunStatus::Running {
            self.give_up(run, "its process ended without finishing")?;
            return Ok(Some(run));
        }
        let mut connection = self.connection()?;
        let key = find_key(&mut **connection, run, |error| self.problem(error))?;
        trim(&mut **connection, key.run_no).map_err(|error| self.problem(&error))?;
        Ok(None)
    }
}
