//! What is read back from PostgreSQL.

use ::postgres::{Error, IsolationLevel, Row, Transaction};

use super::PostgresStore;
use super::runs::{RunKey, find_key};
use crate::diagnostic::Problem;
use crate::domain::gate::Gate;
use crate::domain::{DiffType, RunId, Severity, Side, Stage, Status};
use crate::store::batch::{difference_range, field_of, record_of};
use crate::store::run::{AttributionCount, StoredAttribution, StoredDifference, StoredRecord};
use crate::store::{OwnedRecord, RejectedRow, chunk, stored};

/// The columns of a difference, as [`difference`] reads them.
const DIFFERENCE: &str = "d.number, d.diff_type, d.severity, d.value_a, d.value_b, c.code, \
     d.confidence, d.status, w.name, d.is_locked, w.is_person, d.explanation";
/// Rows of records that are read at once.
const CHUNKS_AT_ONCE: i64 = 64;
/// What the columns come from.
const DIFFERENCE_JOINS: &str = "LEFT JOIN reason_codes c ON c.reason_id = d.reason_id \
     LEFT JOIN assigners w ON w.assigner_id = d.assigner_id";

/// What goes wrong while reading: the store, or what the caller does with a row.
enum Failure {
    Postgres(Error),
    Problem(Problem),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

fn code<T>(
    column: &str,
    row: &Row,
    at: usize,
    from_code: impl Fn(u8) -> Option<T>,
) -> Result<T, Failure> {
    Ok(stored::read_code(column, row.try_get::<_, i16>(at)?.into(), from_code)?)
}

/// A row of records: its number and its text.
fn chunk(row: &Row) -> Result<(u64, &str), Failure> {
    Ok((row.try_get::<_, i64>(0)?.cast_unsigned(), row.try_get(1)?))
}

fn difference_number(row: &Row) -> Result<u64, Error> {
    row.try_get::<_, i64>(0).map(i64::cast_unsigned)
}

fn difference(row: &Row, stage: Option<Stage>) -> Result<StoredDifference<'_>, Failure> {
    let number = difference_number(row)?;
    let reason: Option<&str> =
        if stage == Some(Stage::Attributed) { row.try_get(5)? } else { None };
    let attribution = match reason {
        None => None,
        Some(reason) => {
            let status = code("status", row, 7, Status::from_code)?;
            Some(StoredAttribution {
                reason,
                confidence: row.try_get(6)?,
                status,
                assigned_by: row.try_get::<_, Option<&str>>(8)?.unwrap_or_default(),
                held_by_people: stored::held_by_people(status, row.try_get(9)?, row.try_get(10)?),
                explanation: row.try_get(11)?,
            })
        }
    };
    Ok(StoredDifference {
        number,
        field: field_of(number),
        diff_type: code("diff_type", row, 1, DiffType::from_code)?,
        severity: code("severity", row, 2, Severity::from_code)?,
        value_a: row.try_get(3)?,
        value_b: row.try_get(4)?,
        attribution,
    })
}

/// The records from one row of records to another that have differences, where only those show.
fn broken(
    transaction: &mut Transaction<'_>,
    run: RunKey,
    chunks: (u64, u64),
) -> Result<Option<Vec<u64>>, Failure> {
    if run.keep_all || run.stage == Some(Stage::Ingested) {
        return Ok(None);
    }
    let sql = format!(
        "SELECT DISTINCT number >> 10 FROM difference_rows \
         WHERE run_no = {} AND number BETWEEN $1 AND $2 ORDER BY 1",
        run.run_no
    );
    let (low, high) = difference_numbers(chunks);
    let rows = transaction.query(&sql, &[&low, &high])?;
    Ok(Some(rows.iter().map(difference_number).collect::<Result<_, _>>()?))
}

/// The numbers that differences of these rows of records have: from, to.
fn difference_numbers((first, last): (u64, u64)) -> (i64, i64) {
    let (low, _) = difference_range(chunk::first_of(first));
    let (_, high) = difference_range(chunk::first_of(last) + chunk::RECORDS - 1);
    (low.cast_signed(), high.cast_signed())
}

/// Calls `each` with some rows of records at a time, in order.
fn each_chunks(
    transaction: &mut Transaction<'_>,
    run: RunKey,
    mut each: impl FnMut(&mut Transaction<'_>, (u64, u64), &[Row]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let statement = transaction.prepare(&format!(
        "SELECT number, records FROM record_rows WHERE run_no = {} AND number >= $1 \
         ORDER BY number LIMIT {CHUNKS_AT_ONCE}",
        run.run_no
    ))?;
    let mut next = 0i64;
    loop {
        let rows = transaction.query(&statement, &[&next])?;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
        let (first, last) = (chunk(first)?.0, chunk(last)?.0);
        each(transaction, (first, last), &rows)?;
        next = last.cast_signed() + 1;
    }
}

impl PostgresStore {
    /// Reads within one snapshot: run row and rows fit each other.
    fn read<T>(
        &self,
        run: RunId,
        read: impl FnOnce(&mut Transaction<'_>, RunKey) -> Result<T, Failure>,
    ) -> Result<T, Problem> {
        let mut connection = self.connection()?;
        let mut transaction = connection
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .map_err(|error| self.problem(&error))?;
        let key = find_key(&mut transaction, run, |error| self.problem(error))?;
        read(&mut transaction, key).map_err(|failure| match failure {
            Failure::Postgres(error) => self.problem(&error),
            Failure::Problem(problem) => problem,
        })
    }

    pub(super) fn read_records(
        &self,
        run: RunId,
        each: &mut dyn FnMut(&StoredRecord<'_>) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        self.read(run, |transaction, key| {
            each_chunks(transaction, key, |transaction, chunks, rows| {
                let broken = broken(transaction, key, chunks)?;
                for row in rows {
                    let (number, text) = chunk(row)?;
                    chunk::read(number, text, |record| match &broken {
                        Some(broken) if broken.binary_search(&record.number).is_err() => Ok(()),
                        _ => each(record).map_err(Failure::from),
                    })?;
                }
                Ok(())
            })
        })
    }

    pub(super) fn read_differences(
        &self,
        run: RunId,
        each: &mut dyn FnMut(&StoredDifference<'_>, &StoredRecord<'_>) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        self.read(run, |transaction, key| {
            if key.stage < Some(Stage::Compared) {
                return Ok(());
            }
            let statement = transaction.prepare(&format!(
                "SELECT {DIFFERENCE} FROM difference_rows d {DIFFERENCE_JOINS} \
                 WHERE d.run_no = {} AND d.number BETWEEN $1 AND $2 ORDER BY d.number",
                key.run_no
            ))?;
            each_chunks(transaction, key, |transaction, chunks, rows| {
                let (low, high) = difference_numbers(chunks);
                let differences = transaction.query(&statement, &[&low, &high])?;
                let mut left = differences.iter().peekable();
                for row in rows {
                    let (number, text) = chunk(row)?;
                    chunk::read(number, text, |record| -> Result<(), Failure> {
                        while let Some(row) = left.peek() {
                            if record_of(difference_number(row)?) != record.number {
                                break;
                            }
                            each(&difference(row, key.stage)?, record)?;
                            left.next();
                        }
                        Ok(())
                    })?;
                }
                match left.next() {
                    Some(_) => Err(stored::damaged("difference", "its record is missing").into()),
                    None => Ok(()),
                }
            })
        })
    }

    pub(super) fn find_records(
        &self,
        run: RunId,
        reference: &str,
    ) -> Result<Vec<OwnedRecord>, Problem> {
        let Some(row) = self.find_run(run)? else { return Err(stored::no_such_run(run)) };
        let Some(starts) = stored::evidence_starts(&row.layout, reference) else {
            return Ok(Vec::new());
        };
        self.read(run, |transaction, key| {
            let sql = format!(
                "SELECT number, records FROM record_rows WHERE run_no = {} \
                 AND (strpos(records, $1) > 0 OR strpos(records, $2) > 0) ORDER BY number",
                key.run_no
            );
            let [inner, only] = &starts;
            let mut found = Vec::new();
            for row in transaction.query(&sql, &[inner, only])? {
                let (number, text) = chunk(&row)?;
                let broken = broken(transaction, key, (number, number))?;
                chunk::read(number, text, |record| -> Result<(), Failure> {
                    let hidden =
                        broken.as_ref().is_some_and(|broken| !broken.contains(&record.number));
                    if !hidden && stored::has_reference(record, &starts) {
                        found.push(own(transaction, key, record)?);
                    }
                    Ok(())
                })?;
            }
            Ok(found)
        })
    }

    pub(super) fn read_rejected(
        &self,
        run: RunId,
        limit: usize,
    ) -> Result<Vec<RejectedRow>, Problem> {
        self.read(run, |transaction, key| {
            let rows = transaction.query(
                "SELECT side, line, code, message, text, key, place FROM reject_rows \
                 WHERE run_no = $1 ORDER BY side, place >> 40, line, number LIMIT $2",
                &[&key.run_no, &i64::try_from(limit).unwrap_or(i64::MAX)],
            )?;
            rows.iter()
                .map(|row| {
                    let side = if row.try_get::<_, &str>(0)? == "A" { Side::A } else { Side::B };
                    Ok(RejectedRow {
                        side,
                        line: row.try_get::<_, i64>(1)?.cast_unsigned(),
                        code: row.try_get(2)?,
                        message: row.try_get(3)?,
                        text: row.try_get(4)?,
                        key: row.try_get(5)?,
                        offset: row.try_get::<_, i64>(6)?.cast_unsigned(),
                    })
                })
                .collect()
        })
    }

    pub(super) fn count_attributions(&self, run: RunId) -> Result<Vec<AttributionCount>, Problem> {
        self.read(run, |transaction, key| {
            if key.stage != Some(Stage::Attributed) {
                return Ok(Vec::new());
            }
            let rows = transaction.query(
                &format!(
                    "SELECT c.code, c.is_functional, d.status, w.name, d.count FROM ( \
                         SELECT reason_id, status, assigner_id, count(*) AS count \
                         FROM difference_rows WHERE run_no = {} GROUP BY 1, 2, 3 \
                     ) d JOIN reason_codes c ON c.reason_id = d.reason_id \
                     JOIN assigners w ON w.assigner_id = d.assigner_id \
                     ORDER BY c.code COLLATE \"C\", d.status, w.name COLLATE \"C\"",
                    key.run_no
                ),
                &[],
            )?;
            rows.iter()
                .map(|row| {
                    Ok(AttributionCount {
                        reason: row.try_get(0)?,
                        functional: row.try_get(1)?,
                        status: code("status", row, 2, Status::from_code)?,
                        assigned_by: row.try_get(3)?,
                        count: row.try_get::<_, i64>(4)?.cast_unsigned(),
                    })
                })
                .collect()
        })
    }

    pub(super) fn count_gates(&self, run: RunId) -> Result<(u64, u64), Problem> {
        self.read(run, |transaction, key| {
            if key.stage != Some(Stage::Attributed) {
                return Ok((0, 0));
            }
            let run_no = key.run_no;
            let row = transaction.query_one(
                &format!(
                    "SELECT total_records, (SELECT count(DISTINCT number >> 10) \
                     FROM difference_rows WHERE run_no = {run_no} \
                     AND (status IS DISTINCT FROM 3 OR functional IS NOT TRUE)) \
                     FROM recon_runs WHERE run_no = {run_no}"
                ),
                &[],
            )?;
            let (all, blocked): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            Ok(((all - blocked).max(0).cast_unsigned(), blocked.cast_unsigned()))
        })
    }
}

/// A record with its differences and its verdict.
fn own(
    transaction: &mut Transaction<'_>,
    run: RunKey,
    record: &StoredRecord<'_>,
) -> Result<OwnedRecord, Failure> {
    let (low, high) = difference_range(record.number);
    let mut differences = Vec::new();
    let mut blocked = false;
    if run.stage >= Some(Stage::Compared) {
        let rows = transaction.query(
            &format!(
                "SELECT {DIFFERENCE}, \
                 d.status IS NOT DISTINCT FROM 3 AND d.functional IS TRUE \
                 FROM difference_rows d {DIFFERENCE_JOINS} \
                 WHERE d.run_no = {} AND d.number BETWEEN $1 AND $2 ORDER BY d.number",
                run.run_no
            ),
            &[&low.cast_signed(), &high.cast_signed()],
        )?;
        for row in &rows {
            blocked |= !row.try_get::<_, bool>(12)?;
            differences.push(difference(row, run.stage)?.to_owned());
        }
    }
    let gate = if blocked { Gate::Blocked } else { Gate::Passed };
    let gate = (run.stage == Some(Stage::Attributed)).then_some(gate);
    Ok(record.to_owned_with(gate, differences))
}
