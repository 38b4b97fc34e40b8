//! Runs and reason codes: the statements that are the same on both backends.

use super::layout::MAX_RUN_NO;
use super::rows::{self, parameters};
use super::stored::{self, damaged, read_stage};
use super::transact::{Dialect, SqlRow, Transaction};
use super::{NewRun, RunFilter, RunRow, SqlValue, read_layout, read_time, time_text};
use crate::diagnostic::Problem;
use crate::domain::attribution::UNKNOWN;
use crate::domain::run::IdClass;
use crate::domain::{Date, ReasonCode, RunId, RunStatus, Stage};

/// The parts of a run that reading its rows needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunKey {
    /// Its number, by which its rows are found.
    pub run_no: i64,
    pub stage: Option<Stage>,
    pub keep_all: bool,
}

pub(super) fn key(tx: &mut dyn Transaction, run: RunId) -> Result<RunKey, Problem> {
    let sql = "SELECT run_no, stage, keep_all FROM recon.recon_runs WHERE run_id = $1";
    let found = tx.find(sql, &parameters![run.to_string()], |row| {
        Ok(RunKey {
            run_no: row.count(0)?,
            stage: read_stage(row.text(1)?.as_deref())?,
            keep_all: row.boolean(2)?,
        })
    })?;
    found.ok_or_else(|| stored::no_such_run(run))
}

const SELECT: &str = "SELECT run_id, job, source_system_a, source_system_b, batch_date, start_time, \
     end_time, status, stage, superseded_by, total_records, total_differences, layout, key_length, \
     keep_all, metadata FROM recon.recon_runs";

fn read(row: &SqlRow) -> Result<RunRow, Problem> {
    let id = |text: &str| text.parse::<RunId>().map_err(|_| damaged("run_id", text));
    let (date, status) = (row.required(4)?, row.required(7)?);
    Ok(RunRow {
        id: id(&row.required(0)?)?,
        job: row.required(1)?,
        system_a: row.required(2)?,
        system_b: row.required(3)?,
        batch_date: date.parse().map_err(|_| damaged("batch_date", &date))?,
        started: read_time(&row.required(5)?)?,
        ended: row.text(6)?.as_deref().map(read_time).transpose()?,
        status: RunStatus::from_name(&status).ok_or_else(|| damaged("status", &status))?,
        stage: read_stage(row.text(8)?.as_deref())?,
        superseded_by: row.text(9)?.as_deref().map(id).transpose()?,
        total_records: row.count(10)?.cast_unsigned(),
        total_differences: row.count(11)?.cast_unsigned(),
        layout: read_layout(&row.required(12)?, row.count(13)?)?,
        keep_all: row.boolean(14)?,
        metadata: serde_json::from_str(&row.required(15)?)
            .map_err(|error| damaged("metadata", &error.to_string()))?,
    })
}

pub(super) fn find(tx: &mut dyn Transaction, run: RunId) -> Result<Option<RunRow>, Problem> {
    tx.find(&format!("{SELECT} WHERE run_id = $1"), &parameters![run.to_string()], read)
}

pub(super) fn list(tx: &mut dyn Transaction, filter: &RunFilter) -> Result<Vec<RunRow>, Problem> {
    let mut values: Vec<SqlValue> = Vec::new();
    let mut conditions = vec!["1 = 1".to_owned()];
    let mut and = |condition: &str, value: Option<String>| {
        if let Some(value) = value {
            values.push(value.into());
            conditions.push(condition.replace("$?", &format!("${}", values.len())));
        }
    };
    and("job = $?", filter.job.clone());
    and("batch_date = $?", filter.batch_date.map(|date| date.to_string()));
    let prefix = filter.id_prefix.as_ref().map(|prefix| prefix.to_ascii_lowercase());
    let length = prefix.as_ref().map_or(0, |prefix| prefix.chars().count());
    and(&format!("substr(replace(CAST(run_id AS text), '-', ''), 1, {length}) = $?"), prefix);
    if filter.not_failed {
        conditions.push("status <> 'FAILED'".to_owned());
    }
    let limit = filter.limit.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default();
    let sql = format!(
        "{SELECT} WHERE {} ORDER BY start_time DESC, run_no DESC{limit}",
        conditions.join(" AND ")
    );
    tx.list(&sql, &values, read)
}

const CURRENT: &str = "job = $1 AND stage = 'ATTRIBUTED' AND superseded_by IS NULL";

/// The current run of a job's date.
pub(super) fn current(
    tx: &mut dyn Transaction,
    job: &str,
    date: Date,
) -> Result<Option<RunRow>, Problem> {
    let sql = format!("{SELECT} WHERE {CURRENT} AND batch_date = $2");
    tx.find(&sql, &parameters![job, date.to_string()], read)
}

/// The current run of the job's newest date before this one.
pub(super) fn previous(
    tx: &mut dyn Transaction,
    job: &str,
    date: Date,
) -> Result<Option<RunRow>, Problem> {
    let sql = format!(
        "{SELECT} WHERE {CURRENT} AND batch_date < $2 ORDER BY batch_date DESC, run_no DESC LIMIT 1"
    );
    tx.find(&sql, &parameters![job, date.to_string()], read)
}

/// The dates after this one that have a current run of the job.
pub(super) fn later_dates(
    tx: &mut dyn Transaction,
    job: &str,
    date: Date,
) -> Result<Vec<Date>, Problem> {
    let sql = format!(
        "SELECT batch_date FROM recon.recon_runs WHERE {CURRENT} AND batch_date > $2 \
         ORDER BY batch_date"
    );
    tx.list(&sql, &parameters![job, date.to_string()], |row| {
        let date = row.required(0)?;
        date.parse().map_err(|_| damaged("batch_date", &date))
    })
}

/// The date from which on a job's open items stand in its runs: those are not pruned.
pub(super) fn oldest_open(tx: &mut dyn Transaction, job: &str) -> Result<Option<Date>, Problem> {
    let sql = format!(
        "SELECT metadata FROM recon.recon_runs WHERE {CURRENT} \
         ORDER BY batch_date DESC, run_no DESC LIMIT 1"
    );
    let newest = tx.find(&sql, &parameters![job], |row| row.required(0))?;
    let metadata: Option<serde_json::Value> =
        newest.and_then(|text| serde_json::from_str(&text).ok());
    let oldest = metadata.as_ref().and_then(|metadata| metadata.pointer("/open_items/oldest"));
    Ok(oldest.and_then(serde_json::Value::as_str).and_then(|date| Date::parse_iso(date.as_bytes())))
}

/// The current runs of a job that took their open items over from a run.
pub(super) fn took_over_from(
    tx: &mut dyn Transaction,
    job: &str,
    run: RunId,
) -> Result<Vec<RunId>, Problem> {
    let previous = match tx.dialect() {
        Dialect::Sqlite => "metadata ->> '$.open_items.previous.run'",
        Dialect::Postgres => "metadata #>> '{open_items,previous,run}'",
    };
    let sql = format!(
        "SELECT run_id FROM recon.recon_runs WHERE {CURRENT} AND {previous} = $2 \
         AND metadata ->> 'pruned_at' IS NULL"
    );
    tx.list(&sql, &parameters![job, run.to_string()], |row| {
        let id = row.required(0)?;
        id.parse().map_err(|_| stored::damaged("run_id", &id))
    })
}

/// Stores a new run with status RUNNING and no stage.
pub(super) fn create(tx: &mut dyn Transaction, run: &NewRun) -> Result<(), Problem> {
    stored::check_fields(&run.layout)?;
    let last = tx.count("SELECT coalesce(max(run_no), 0) FROM recon.recon_runs", &[])?;
    if last >= MAX_RUN_NO {
        return Err(stored::too_many("run"));
    }
    tx.execute(
        "INSERT INTO recon.recon_runs (run_id, job, source_system_a, source_system_b, batch_date, \
         start_time, status, metadata, layout, key_length, record_prefix, difference_prefix, \
         attribution_prefix, keep_all) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        &parameters![
            run.id.to_string(),
            &*stored::clean(&run.job),
            &*stored::clean(&run.system_a),
            &*stored::clean(&run.system_b),
            run.batch_date.to_string(),
            time_text(run.started),
            RunStatus::Running.name(),
            stored::clean_json(&run.metadata).to_string(),
            stored::clean_json(&stored::layout_json(&run.layout)).to_string(),
            run.layout.key_len(),
            run.id.prefix(IdClass::Record),
            run.id.prefix(IdClass::Difference),
            run.id.prefix(IdClass::Attribution),
            run.keep_all,
        ],
    )
    .map(drop)
}

/// Sets a stored run RUNNING again.
pub(super) fn resume(tx: &mut dyn Transaction, run: RunId) -> Result<(), Problem> {
    let sql = "UPDATE recon.recon_runs SET status = $2 WHERE run_id = $1";
    let changed = tx.execute(sql, &parameters![run.to_string(), RunStatus::Running.name()])?;
    if changed == 0 { Err(stored::no_such_run(run)) } else { Ok(()) }
}

/// Makes the codes of a job's file active, as [`super::Store::sync_reason_codes`] says.
pub(super) fn sync_reason_codes(
    tx: &mut dyn Transaction,
    job: &str,
    codes: &[ReasonCode],
) -> Result<(), Problem> {
    let dialect = tx.dialect();
    if dialect == Dialect::Postgres {
        // Two programs that do this at once would wait for each other's rows crosswise.
        tx.execute("LOCK TABLE recon.reason_codes IN SHARE ROW EXCLUSIVE MODE", &[])?;
    }
    tx.execute("DELETE FROM recon.job_reason_codes WHERE job = $1", &parameters![job])?;
    let names: std::collections::BTreeSet<&str> =
        codes.iter().map(|code| code.code.as_str()).collect();
    let names: Vec<Vec<SqlValue>> =
        names.into_iter().map(|name| parameters![job, name].to_vec()).collect();
    rows::insert(tx, &JOB_CODES, &names)?;
    tx.execute(
        "UPDATE recon.reason_codes SET is_active = $2 WHERE origin = 'file' AND code <> $1 \
         AND is_active = $3 AND code NOT IN (SELECT j.code FROM recon.job_reason_codes j)",
        &parameters![UNKNOWN, false, true],
    )?;
    for code in codes {
        tx.execute(
            "INSERT INTO recon.reason_codes AS c (code, description, is_functional, closes) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (code) DO UPDATE SET \
             description = excluded.description, is_functional = excluded.is_functional, \
             closes = excluded.closes, is_active = $5 WHERE c.origin = 'file'",
            &parameters![
                &code.code,
                &*stored::clean(&code.description),
                code.functional,
                code.closes,
                true
            ],
        )?;
    }
    Ok(())
}

const JOB_CODES: rows::Table =
    rows::Table { name: "job_reason_codes", columns: &[("job", "text"), ("code", "text")] };
