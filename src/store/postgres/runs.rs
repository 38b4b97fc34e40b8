//! Runs and reason codes in PostgreSQL: beginning, failing, repairing, listing.

use ::postgres::types::Json;
use ::postgres::{Error, GenericClient, Row};

use super::transact::PostgresTransaction;
use super::{PostgresStore, lock, time_text};
use crate::diagnostic::Problem;
use crate::domain::attribution::UNKNOWN;
use crate::domain::run::IdClass;
use crate::domain::{Date, ReasonCode, RunId, RunStatus, Stage};
use crate::store::transact::Transaction as _;
use crate::store::{NewRun, RunFilter, RunRow, publication, stored};

/// What the store itself needs to know of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunKey {
    /// Its number, by which its rows are found.
    pub run_no: i32,
    /// How far it got.
    pub stage: Option<Stage>,
    /// Whether matched records are kept.
    pub keep_all: bool,
}

/// Finds a run.
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

const RUN_COLUMNS: &str = concat!(
    "run_id::text, job, source_system_a, source_system_b, batch_date::text, ",
    time_text!("start_time"),
    ", ",
    time_text!("end_time"),
    ", status, stage, superseded_by::text, total_records, total_differences, layout::text, \
     key_length::bigint, keep_all, metadata::text"
);

fn read_run(row: &Row) -> Result<stored::RunFields, Error> {
    Ok(stored::RunFields {
        id: row.try_get(0)?,
        job: row.try_get(1)?,
        system_a: row.try_get(2)?,
        system_b: row.try_get(3)?,
        batch_date: row.try_get(4)?,
        started: row.try_get(5)?,
        ended: row.try_get(6)?,
        status: row.try_get(7)?,
        stage: row.try_get(8)?,
        superseded_by: row.try_get(9)?,
        total_records: row.try_get(10)?,
        total_differences: row.try_get(11)?,
        layout: row.try_get(12)?,
        key_length: row.try_get(13)?,
        keep_all: row.try_get(14)?,
        metadata: row.try_get(15)?,
    })
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
    pub(super) fn sync_codes(&self, job: &str, codes: &[ReasonCode]) -> Result<(), Problem> {
        let mut connection = self.connection()?;
        let mut sync = || -> Result<(), Error> {
            let mut transaction = connection.transaction()?;
            // Two programs that do this at once would wait for each other's rows crosswise.
            transaction.batch_execute("LOCK TABLE reason_codes IN SHARE ROW EXCLUSIVE MODE")?;
            let names: Vec<&str> = codes.iter().map(|code| code.code.as_str()).collect();
            transaction.execute("DELETE FROM job_reason_codes WHERE job = $1", &[&job])?;
            transaction.execute(
                "INSERT INTO job_reason_codes SELECT DISTINCT $1, code FROM unnest($2::text[]) code",
                &[&job, &names],
            )?;
            transaction.execute(
                "UPDATE reason_codes SET is_active = false WHERE origin = 'file' \
                 AND code <> $1 AND is_active AND code NOT IN (SELECT code FROM job_reason_codes)",
                &[&UNKNOWN],
            )?;
            for code in codes {
                transaction.execute(
                    "INSERT INTO reason_codes AS c (code, description, is_functional) \
                     VALUES ($1, $2, $3) ON CONFLICT (code) DO UPDATE SET \
                     description = excluded.description, is_functional = excluded.is_functional, \
                     is_active = true WHERE c.origin = 'file'",
                    &[&code.code, &&*stored::clean(&code.description), &code.functional],
                )?;
            }
            transaction.commit()
        };
        sync().map_err(|error| self.problem(&error))
    }

    pub(super) fn insert_run(&self, run: &NewRun) -> Result<(), Problem> {
        stored::check_fields(&run.layout)?;
        self.connection()?
            .execute(
                "INSERT INTO recon_runs (run_id, job, source_system_a, source_system_b, \
                 batch_date, start_time, status, metadata, layout, key_length, record_prefix, \
                 difference_prefix, attribution_prefix, keep_all) \
                 VALUES ($1, $2, $3, $4, $5::text::date, $6::text::timestamptz, $7, $8, $9, $10, \
                 $11, $12, $13, $14)",
                &[
                    &run.id.0,
                    &&*stored::clean(&run.job),
                    &&*stored::clean(&run.system_a),
                    &&*stored::clean(&run.system_b),
                    &run.batch_date.to_string(),
                    &stored::time_text(run.started),
                    &RunStatus::Running.name(),
                    &Json(&*stored::clean_json(&run.metadata)),
                    &Json(&*stored::clean_json(&stored::layout_json(&run.layout))),
                    &i32::try_from(run.layout.key_len()).unwrap_or(i32::MAX),
                    &run.id.prefix(IdClass::Record),
                    &run.id.prefix(IdClass::Difference),
                    &run.id.prefix(IdClass::Attribution),
                    &run.keep_all,
                ],
            )
            .map_err(|error| self.problem(&error))?;
        Ok(())
    }

    pub(super) fn set_running(&self, run: RunId) -> Result<(), Problem> {
        let changed = self
            .connection()?
            .execute(
                "UPDATE recon_runs SET status = $2 WHERE run_id = $1",
                &[&run.0, &RunStatus::Running.name()],
            )
            .map_err(|error| self.problem(&error))?;
        if changed == 0 { Err(stored::no_such_run(run)) } else { Ok(()) }
    }

    /// The rows of the unfinished command went with the transaction of its writer. What earlier commands
    /// published stays, and the audit trail knows how it ended: so it tells that this one failed.
    pub(super) fn give_up(&self, run: RunId, reason: &str) -> Result<(), Problem> {
        let problem = |error: &Error| self.problem(error);
        let reason = stored::clean(reason);
        let mut connection = self.connection()?;
        let key = find_key(&mut *connection, run, problem)?;
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
            let mut tx = PostgresTransaction { problem: &problem, client: &mut transaction };
            let rows = tx.query("SELECT now()", &[])?;
            let now = rows.first().map(|row| row.required(0)).transpose()?.unwrap_or_default();
            let now = stored::read_time(&now)?;
            publication::append_failure(&mut tx, key.run_no.into(), &reason, now)?;
        }
        transaction.commit().map_err(|error| problem(&error))
    }

    /// Marks the RUNNING runs of dead processes FAILED and ends what they left half done: of all
    /// jobs' dates whose lock is free, or of the one whose lock the caller holds.
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
        let Some(found) = self.find_run(run)? else { return Ok(None) };
        if found.status == RunStatus::Running {
            self.give_up(run, "its process ended without finishing")?;
            return Ok(Some(run));
        }
        let mut connection = self.connection()?;
        let key = find_key(&mut *connection, run, |error| self.problem(error))?;
        trim(&mut *connection, key.run_no).map_err(|error| self.problem(&error))?;
        Ok(None)
    }

    pub(super) fn find_run(&self, run: RunId) -> Result<Option<RunRow>, Problem> {
        let row = self
            .connection()?
            .query_opt(
                &format!("SELECT {RUN_COLUMNS} FROM recon_runs WHERE run_id = $1"),
                &[&run.0],
            )
            .map_err(|error| self.problem(&error))?;
        row.map(|row| read_run(&row).map_err(|error| self.problem(&error))?.read()).transpose()
    }

    pub(super) fn list_runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, Problem> {
        let rows = self
            .connection()?
            .query(
                &format!(
                    "SELECT {RUN_COLUMNS} FROM recon_runs WHERE ($1::text IS NULL OR job = $1) \
                     AND ($2::text IS NULL OR batch_date = $2::text::date) \
                     AND (NOT $3 OR status <> 'FAILED') \
                     AND ($5::text IS NULL OR starts_with(replace(run_id::text, '-', ''), $5)) \
                     ORDER BY recon_runs.start_time DESC, run_no DESC LIMIT $4"
                ),
                &[
                    &filter.job,
                    &filter.batch_date.map(|date| date.to_string()),
                    &filter.not_failed,
                    &filter.limit.and_then(|limit| i64::try_from(limit).ok()),
                    &filter.id_prefix,
                ],
            )
            .map_err(|error| self.problem(&error))?;
        rows.iter().map(|row| read_run(row).map_err(|error| self.problem(&error))?.read()).collect()
    }
}
