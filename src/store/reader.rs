//! Reads stored runs: records, differences, rejected rows and counts.

use std::collections::BTreeMap;

use super::batch::{difference_range, field_of, record_of};
use super::layout::items_of_chunks;
use super::review::{at_numbers, place_parameters};
use super::rows::parameters;
use super::run::{
    AttributionCount, Counts, Decided, StoredAttribution, StoredDifference, StoredRecord,
};
use super::runs::{self, RunKey};
use super::transact::{Dialect, SqlRow, Transaction};
use super::{OwnedRecord, RejectedRow, SqlValue, chunk, stored};
use crate::diagnostic::Problem;
use crate::domain::gate::Gate;
use crate::domain::place::WITHIN_BITS;
use crate::domain::{DiffType, Matched, RunId, Severity, Side, Stage, Status};

/// Differences that are read at once by their numbers.
const NUMBERS_AT_ONCE: usize = 1_000;

/// A difference's columns and tables, as [`difference`] reads them.
pub(super) fn select_differences(dialect: Dialect) -> String {
    format!(
        "SELECT {}, d.diff_type, d.severity, d.value_a, d.value_b, c.code, d.confidence, d.status, \
         w.name, d.is_locked, w.is_person, d.explanation, d.functional \
         FROM recon.difference_rows d \
         LEFT JOIN recon.reason_codes c ON c.reason_id = d.reason_id \
         LEFT JOIN recon.assigners w ON w.assigner_id = d.assigner_id",
        dialect.number("d")
    )
}

pub(super) fn difference(
    row: &SqlRow,
    stage: Option<Stage>,
) -> Result<StoredDifference<'_>, Problem> {
    let number = row.count(0)?.cast_unsigned();
    // Before its stage is reached, an attribution was left by an interrupted command.
    let reason = if stage == Some(Stage::Attributed) { row.str(5)? } else { None };
    let attribution = match reason {
        None => None,
        Some(reason) => {
            let status = stored::read_code("status", row.count(7)?, Status::from_code)?;
            Some(StoredAttribution {
                reason,
                confidence: row.real(6)?.unwrap_or_default(),
                status,
                assigned_by: row.str(8)?.unwrap_or_default(),
                held_by_people: stored::held_by_people(status, row.boolean(9)?, row.boolean(10)?),
                explanation: row.str(11)?,
            })
        }
    };
    Ok(StoredDifference {
        number,
        field: field_of(number),
        diff_type: stored::read_code("diff_type", row.count(1)?, DiffType::from_code)?,
        severity: stored::read_code("severity", row.count(2)?, Severity::from_code)?,
        value_a: row.str(3)?,
        value_b: row.str(4)?,
        attribution,
    })
}

/// The records of these rows that have differences, where only those show.
pub(super) fn broken(
    tx: &mut dyn Transaction,
    run: RunKey,
    (first, last): (i64, i64),
) -> Result<Option<Vec<u64>>, Problem> {
    if run.keep_all || run.stage == Some(Stage::Ingested) {
        return Ok(None);
    }
    let dialect = tx.dialect();
    let (low, high) = items_of_chunks(first, last);
    let sql = format!(
        "SELECT {} FROM recon.difference_rows d WHERE {} ORDER BY {}",
        dialect.number("d"),
        dialect.between("d", run.run_no, low, high),
        dialect.order("d", "")
    );
    let mut records = tx.list(&sql, &[], |row| Ok(record_of(row.count(0)?.cast_unsigned())))?;
    records.dedup();
    Ok(Some(records))
}

/// A row of records: its number and its text.
pub(super) fn chunk_row(row: &SqlRow) -> Result<(u64, &str), Problem> {
    Ok((row.count(0)?.cast_unsigned(), row.str(1)?.unwrap_or_default()))
}

/// Calls `each` for the differences with these numbers, which are in order, together with their records.
pub(super) fn differences_at(
    tx: &mut dyn Transaction,
    key: RunKey,
    numbers: &[i64],
    each: &mut dyn FnMut(&StoredDifference<'_>, &StoredRecord<'_>) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let dialect = tx.dialect();
    for some in numbers.chunks(NUMBERS_AT_ONCE) {
        let at = |column: &str, table: &str, numbers: &[i64]| {
            let sql = format!(
                "{column} {table} WHERE {} ORDER BY {}",
                at_numbers(dialect),
                dialect.order("d", "")
            );
            (sql, place_parameters(dialect, key.run_no, numbers))
        };
        let (sql, places) = at(&select_differences(dialect), "", some);
        let differences = tx.query(&sql, &places)?;
        let mut chunks: Vec<i64> = some
            .iter()
            .map(|number| chunk::chunk_of(record_of(number.cast_unsigned())).cast_signed())
            .collect();
        chunks.dedup();
        let column = format!("SELECT {}, d.records", dialect.number("d"));
        let (sql, places) = at(&column, "FROM recon.record_rows d", &chunks);
        let mut left = differences.iter().peekable();
        for row in tx.query(&sql, &places)? {
            let (number, text) = chunk_row(&row)?;
            chunk::read(number, text, |record| -> Result<(), Problem> {
                while let Some(row) = left.peek() {
                    if record_of(row.count(0)?.cast_unsigned()) != record.number {
                        break;
                    }
                    each(&difference(row, key.stage)?, record)?;
                    left.next();
                }
                Ok(())
            })?;
        }
        if left.next().is_some() {
            return Err(stored::damaged("difference", "its record is missing"));
        }
    }
    Ok(())
}

/// A record of a run.
pub(super) fn record(
    tx: &mut dyn Transaction,
    run: RunId,
    number: u64,
) -> Result<Option<OwnedRecord>, Problem> {
    let key = runs::key(tx, run)?;
    let dialect = tx.dialect();
    let chunk = chunk::chunk_of(number).cast_signed();
    let sql = format!(
        "SELECT {}, d.records FROM recon.record_rows d WHERE {}",
        dialect.number("d"),
        dialect.between("d", key.run_no, chunk, chunk)
    );
    let mut found = None;
    for row in tx.query(&sql, &[])? {
        let (first, text) = chunk_row(&row)?;
        chunk::read(first, text, |record| -> Result<(), Problem> {
            if record.number == number {
                found = Some(own(tx, key, record)?);
            }
            Ok(())
        })?;
    }
    Ok(found)
}

/// The records of a run one of whose sides has this reference.
pub(super) fn records_by_reference(
    tx: &mut dyn Transaction,
    run: RunId,
    reference: &str,
) -> Result<Vec<OwnedRecord>, Problem> {
    let row = runs::find(tx, run)?.ok_or_else(|| stored::no_such_run(run))?;
    let needles = stored::needles(&row.layout, reference);
    let key = runs::key(tx, run)?;
    let mut texts = needles.to_vec();
    texts.extend(stored::changed_needles(&row.layout, reference));
    records_with(tx, key, &texts, |record| stored::has_reference(record, &needles, reference))
}

/// The records of a run whose stored text contains one of these, and that are `wanted`.
fn records_with(
    tx: &mut dyn Transaction,
    key: RunKey,
    needles: &[String],
    wanted: impl Fn(&StoredRecord<'_>) -> bool,
) -> Result<Vec<OwnedRecord>, Problem> {
    let dialect = tx.dialect();
    let position = match dialect {
        Dialect::Sqlite => "instr",
        Dialect::Postgres => "strpos",
    };
    let contains = (1..=needles.len()).map(|at| format!("{position}(d.records, ${at}) > 0"));
    let sql = format!(
        "SELECT {}, d.records FROM recon.record_rows d WHERE {} AND ({}) ORDER BY {}",
        dialect.number("d"),
        dialect.of_run("d", key.run_no),
        contains.collect::<Vec<_>>().join(" OR "),
        dialect.order("d", "")
    );
    let values: Vec<SqlValue> = needles.iter().map(|needle| needle.as_str().into()).collect();
    let mut found = Vec::new();
    for row in tx.query(&sql, &values)? {
        let (number, text) = chunk_row(&row)?;
        let broken = broken(tx, key, (number.cast_signed(), number.cast_signed()))?;
        chunk::read(number, text, |record| -> Result<(), Problem> {
            let hidden = broken.as_ref().is_some_and(|broken| !broken.contains(&record.number));
            if !hidden && wanted(record) {
                found.push(own(tx, key, record)?);
            }
            Ok(())
        })?;
    }
    Ok(found)
}

/// The decisions about a run's records that have differences.
pub(super) fn decided_records(
    tx: &mut dyn Transaction,
    run: RunId,
) -> Result<BTreeMap<u64, Decided>, Problem> {
    let key = runs::key(tx, run)?;
    let dialect = tx.dialect();
    let sql = format!(
        "SELECT {}, d.status, d.functional, w.is_person, c.closes FROM recon.difference_rows d \
         LEFT JOIN recon.reason_codes c ON c.reason_id = d.reason_id \
         LEFT JOIN recon.assigners w ON w.assigner_id = d.assigner_id \
         WHERE {}",
        dialect.number("d"),
        dialect.of_run("d", key.run_no)
    );
    let mut records: BTreeMap<u64, Decided> = BTreeMap::new();
    for row in tx.query(&sql, &[])? {
        let accepted = row.integer(1)? == Some(Status::Accepted.code().into());
        let (functional, person) = (row.boolean(2)?, row.boolean(3)?);
        let record = record_of(row.count(0)?.cast_unsigned());
        let decided = records.entry(record).or_insert(Decided { settled: true, closed: false });
        decided.settled &= accepted && (functional || person);
        decided.closed |= accepted && person && row.boolean(4)?;
    }
    Ok(records)
}

/// The record of a run that took over a row from this record of the previous date's run.
pub(super) fn record_that_took_over(
    tx: &mut dyn Transaction,
    run: RunId,
    side: Side,
    record: u64,
) -> Result<Option<OwnedRecord>, Problem> {
    let key = runs::key(tx, run)?;
    let needles = [format!("\"record\":{record},")];
    let found = records_with(tx, key, &needles, |stored| {
        let matched = stored.matched.and_then(|text| serde_json::from_str::<Matched>(text).ok());
        matched.is_some_and(|matched| {
            let members = if side == Side::A { &matched.a } else { &matched.b };
            let of_members = members.iter().filter_map(|member| member.carried.as_ref());
            of_members.chain(matched.carried(side)).any(|carried| carried.record == record)
        })
    })?;
    Ok(found.into_iter().next())
}

/// A record with its differences and its verdict.
fn own(
    tx: &mut dyn Transaction,
    run: RunKey,
    record: &StoredRecord<'_>,
) -> Result<OwnedRecord, Problem> {
    let dialect = tx.dialect();
    let (low, high) = difference_range(record.number);
    let mut differences = Vec::new();
    let mut blocked = false;
    if run.stage >= Some(Stage::Compared) {
        let sql = format!(
            "{} WHERE {} ORDER BY {}",
            select_differences(dialect),
            dialect.between("d", run.run_no, low.cast_signed(), high.cast_signed()),
            dialect.order("d", "")
        );
        for row in tx.query(&sql, &[])? {
            let accepted = row.integer(7)? == Some(Status::Accepted.code().into());
            blocked |= !(accepted && row.boolean(12)?);
            differences.push(difference(&row, run.stage)?.to_owned());
        }
    }
    let gate = if blocked { Gate::Blocked } else { Gate::Passed };
    let gate = (run.stage == Some(Stage::Attributed)).then_some(gate);
    Ok(record.to_owned_with(gate, differences))
}

pub(super) fn rejected(
    tx: &mut dyn Transaction,
    run: RunId,
    limit: usize,
) -> Result<Vec<RejectedRow>, Problem> {
    let key = runs::key(tx, run)?;
    if key.stage.is_none() {
        return Ok(Vec::new());
    }
    let dialect = tx.dialect();
    let sql = format!(
        "SELECT d.side, d.line, d.code, d.message, d.text, d.key, d.place FROM recon.reject_rows d \
         WHERE {} ORDER BY d.side, d.place >> {WITHIN_BITS}, d.line, {} LIMIT {}",
        dialect.of_run("d", key.run_no),
        dialect.order("d", ""),
        i64::try_from(limit).unwrap_or(i64::MAX)
    );
    tx.list(&sql, &[], |row| {
        Ok(RejectedRow {
            side: if row.str(0)? == Some("A") { Side::A } else { Side::B },
            line: row.count(1)?.cast_unsigned(),
            code: row.required(2)?,
            message: row.required(3)?,
            text: row.required(4)?,
            key: row.text(5)?,
            offset: row.count(6)?.cast_unsigned(),
        })
    })
}

pub(super) fn attribution_counts(
    tx: &mut dyn Transaction,
    run: RunId,
) -> Result<Vec<AttributionCount>, Problem> {
    let key = runs::key(tx, run)?;
    if key.stage != Some(Stage::Attributed) {
        return Ok(Vec::new());
    }
    let table = format!(
        "(SELECT d.reason_id, d.status, d.assigner_id, count(*) AS count \
         FROM recon.difference_rows d WHERE {} GROUP BY 1, 2, 3)",
        tx.dialect().of_run("d", key.run_no)
    );
    counted(tx, &table)
}

/// Counts of a table of reasons, statuses and assigners, by their names.
fn counted(tx: &mut dyn Transaction, table: &str) -> Result<Vec<AttributionCount>, Problem> {
    let sql = format!(
        "SELECT c.code, c.is_functional, d.status, w.name, d.count FROM {table} d \
         JOIN recon.reason_codes c ON c.reason_id = d.reason_id \
         JOIN recon.assigners w ON w.assigner_id = d.assigner_id"
    );
    let mut counts = tx.list(&sql, &[], |row| {
        Ok(AttributionCount {
            reason: row.required(0)?,
            functional: row.boolean(1)?,
            status: stored::read_code("status", row.count(2)?, Status::from_code)?,
            assigned_by: row.required(3)?,
            count: row.count(4)?.cast_unsigned(),
        })
    })?;
    // Here, because no two databases order texts alike.
    counts.sort_by(|left, right| {
        let key = |count: &AttributionCount| (count.reason.clone(), count.status.code());
        key(left).cmp(&key(right)).then_with(|| left.assigned_by.cmp(&right.assigned_by))
    });
    Ok(counts)
}

/// [`attribution_counts`] and [`gate_counts`] from stored figures; `None` for runs without any.
pub(super) fn kept_counts(tx: &mut dyn Transaction, run: RunId) -> Result<Option<Counts>, Problem> {
    let sql = "SELECT r.run_no, r.total_records, f.blocked FROM recon.recon_runs r \
               JOIN recon.run_figures f ON f.run_no = r.run_no \
               WHERE r.run_id = $1 AND r.stage = 'ATTRIBUTED' AND r.superseded_by IS NULL";
    let found = tx.find(sql, &parameters![run.to_string()], |row| {
        let (all, blocked) = (row.count(1)?, row.count(2)?);
        Ok((row.count(0)?, ((all - blocked).max(0).cast_unsigned(), blocked.cast_unsigned())))
    })?;
    let Some((run_no, gate)) = found else { return Ok(None) };
    let table = format!(
        "(SELECT n.reason_id, n.status, n.assigner_id, n.items AS count \
         FROM recon.reason_counts n WHERE n.run_no = {run_no} AND n.items > 0)"
    );
    Ok(Some(Counts { attributions: counted(tx, &table)?, gate }))
}

/// Records of a run that passed and that are blocked.
pub(super) fn gate_counts(tx: &mut dyn Transaction, run: RunId) -> Result<(u64, u64), Problem> {
    let key = runs::key(tx, run)?;
    if key.stage != Some(Stage::Attributed) {
        return Ok((0, 0));
    }
    let dialect = tx.dialect();
    let sql = format!(
        "SELECT r.total_records, (SELECT count(DISTINCT {} >> {}) FROM recon.difference_rows d \
         WHERE {} AND (d.status IS NULL OR d.status <> {} OR d.functional IS NOT TRUE)) \
         FROM recon.recon_runs r WHERE r.run_no = $1",
        dialect.number("d"),
        super::batch::FIELD_BITS,
        dialect.of_run("d", key.run_no),
        Status::Accepted.code()
    );
    let counts = tx.find(&sql, &parameters![key.run_no], |row| {
        let (all, blocked) = (row.count(0)?, row.count(1)?);
        Ok(((all - blocked).max(0).cast_unsigned(), blocked.cast_unsigned()))
    })?;
    Ok(counts.unwrap_or_default())
}
