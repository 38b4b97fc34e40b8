//! What is read back from PostgreSQL.

use ::postgres::fallible_iterator::FallibleIterator as _;
use ::postgres::{Error, IsolationLevel, Row, Transaction};

use super::PostgresStore;
use super::runs::{RunKey, find_key};
use crate::diagnostic::Problem;
use crate::domain::gate::Gate;
use crate::domain::{DiffType, FieldRef, RunId, Severity, Side, Stage, Status};
use crate::store::run::{AttributionCount, StoredAttribution, StoredDifference, StoredRecord};
use crate::store::{OwnedRecord, RecordKind, RejectedRow, stored};

/// The columns of a record, as [`record`] reads them.
const RECORD: &str = "x.number, x.kind, x.a, x.b, x.line_a, x.offset_a, x.line_b, x.offset_b, \
     x.partner_rejected";
/// Where the columns of a difference begin behind a record's.
const DIFFERENCE_AT: usize = 9;
/// The columns of a difference, as [`difference`] reads them.
const DIFFERENCE: &str = "d.number, d.field, d.diff_type, d.severity, d.value_a, d.value_b, \
     c.code, d.confidence, d.status, w.name, d.is_locked, w.is_person, d.explanation";
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

fn record(row: &Row) -> Result<StoredRecord<'_>, Failure> {
    let kind = code("kind", row, 1, RecordKind::from_code)?;
    let (a, b) = (row.try_get(2)?, row.try_get(3)?);
    Ok(StoredRecord {
        number: row.try_get::<_, i64>(0)?.cast_unsigned(),
        kind,
        a,
        b: stored::side_b(kind, a, b),
        place_a: stored::place(row.try_get(4)?, row.try_get(5)?),
        place_b: stored::place(row.try_get(6)?, row.try_get(7)?),
        partner_rejected: row.try_get(8)?,
    })
}

fn difference(
    row: &Row,
    first: usize,
    stage: Option<Stage>,
) -> Result<StoredDifference<'_>, Failure> {
    let field = match row.try_get::<_, Option<i16>>(first + 1)? {
        Some(position) => FieldRef::Field(position.cast_unsigned()),
        None => FieldRef::EntireRecord,
    };
    let reason: Option<&str> =
        if stage == Some(Stage::Attributed) { row.try_get(first + 6)? } else { None };
    let attribution = match reason {
        None => None,
        Some(reason) => {
            let status = code("status", row, first + 8, Status::from_code)?;
            Some(StoredAttribution {
                reason,
                confidence: row.try_get(first + 7)?,
                status,
                assigned_by: row.try_get::<_, Option<&str>>(first + 9)?.unwrap_or_default(),
                held_by_people: stored::held_by_people(
                    status,
                    row.try_get(first + 10)?,
                    row.try_get(first + 11)?,
                ),
                explanation: row.try_get(first + 12)?,
            })
        }
    };
    Ok(StoredDifference {
        number: row.try_get::<_, i64>(first)?.cast_unsigned(),
        field,
        diff_type: code("diff_type", row, first + 2, DiffType::from_code)?,
        severity: code("severity", row, first + 3, Severity::from_code)?,
        value_a: row.try_get(first + 4)?,
        value_b: row.try_get(first + 5)?,
        attribution,
    })
}

/// Records that show: all, or those with differences.
fn shown(run: RunKey) -> String {
    if run.keep_all || run.stage == Some(Stage::Ingested) {
        String::new()
    } else {
        let run_no = run.run_no;
        format!(
            "AND EXISTS (SELECT FROM break_rows k WHERE k.run_no = {run_no} \
             AND k.number = x.number)"
        )
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
            let sql = format!(
                "SELECT {RECORD} FROM record_rows x WHERE x.run_no = {} {} ORDER BY x.number",
                key.run_no,
                shown(key)
            );
            let mut rows = transaction.query_raw(&sql, std::iter::empty::<i32>())?;
            while let Some(row) = rows.next()? {
                each(&record(&row)?)?;
            }
            Ok(())
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
            let run_no = key.run_no;
            let sql = format!(
                "SELECT {RECORD}, {DIFFERENCE} FROM difference_rows d \
                 JOIN record_rows x ON x.run_no = {run_no} AND x.number = d.record \
                 {DIFFERENCE_JOINS} WHERE d.run_no = {run_no} ORDER BY d.record, d.number"
            );
            let mut rows = transaction.query_raw(&sql, std::iter::empty::<i32>())?;
            while let Some(row) = rows.next()? {
                each(&difference(&row, DIFFERENCE_AT, key.stage)?, &record(&row)?)?;
            }
            Ok(())
        })
    }

    pub(super) fn find_records(
        &self,
        run: RunId,
        reference: &str,
    ) -> Result<Vec<OwnedRecord>, Problem> {
        let Some(row) = self.find_run(run)? else { return Err(stored::no_such_run(run)) };
        let Some([inner, only]) = stored::evidence_starts(&row.layout, reference) else {
            return Ok(Vec::new());
        };
        self.read(run, |transaction, key| {
            let sql = format!(
                "SELECT {RECORD} FROM record_rows x WHERE x.run_no = {} {} \
                 AND (starts_with(x.a, $1) OR starts_with(x.a, $2) \
                      OR starts_with(x.b, $1) OR starts_with(x.b, $2)) ORDER BY x.number",
                key.run_no,
                shown(key)
            );
            let rows = transaction.query(&sql, &[&inner, &only])?;
            rows.iter().map(|row| own(transaction, key, &record(row)?)).collect()
        })
    }

    pub(super) fn read_rejected(
        &self,
        run: RunId,
        limit: usize,
    ) -> Result<Vec<RejectedRow>, Problem> {
        self.read(run, |transaction, key| {
            let rows = transaction.query(
                "SELECT side, line, code, message, text, key FROM reject_rows \
                 WHERE run_no = $1 ORDER BY side, line, number LIMIT $2",
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
                    "SELECT total_records, (SELECT count(*) FROM break_rows \
                     WHERE run_no = {run_no} AND gate IS DISTINCT FROM 1) \
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
    let (run_no, number) = (run.run_no, record.number.cast_signed());
    let gate = transaction
        .query_opt(
            &format!("SELECT gate FROM break_rows WHERE run_no = {run_no} AND number = $1"),
            &[&number],
        )?
        .map(|row| row.try_get::<_, Option<i16>>(0))
        .transpose()?;
    let mut differences = Vec::new();
    if run.stage >= Some(Stage::Compared) {
        let rows = transaction.query(
            &format!(
                "SELECT {DIFFERENCE} FROM difference_rows d {DIFFERENCE_JOINS} \
                 WHERE d.run_no = {run_no} AND d.record = $1 ORDER BY d.number"
            ),
            &[&number],
        )?;
        for row in &rows {
            differences.push(difference(row, 0, run.stage)?.to_owned());
        }
    }
    let gate = match (run.stage, gate) {
        (Some(Stage::Attributed), Some(Some(1)) | None) => Some(Gate::Passed),
        (Some(Stage::Attributed), Some(_)) => Some(Gate::Blocked),
        _ => None,
    };
    Ok(record.to_owned_with(gate, differences))
}
