//! What is read back from SQLite.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::runs::{RunKey, find_key};
use super::{NUMBER_MASK, SqliteStore, id_range};
use crate::diagnostic::Problem;
use crate::domain::gate::Gate;
use crate::domain::{DiffType, FieldRef, RunId, Severity, Side, Stage, Status};
use crate::store::run::{AttributionCount, StoredAttribution, StoredDifference, StoredRecord};
use crate::store::{OwnedRecord, RecordKind, RejectedRow, stored};

/// The columns of a record, as [`record`] reads them.
const RECORD: &str = "x.id, x.kind, x.a, x.b, x.line_a, x.offset_a, x.line_b, x.offset_b, \
     x.partner_rejected";
/// Where the columns of a difference begin behind a record's.
const DIFFERENCE_AT: usize = 9;
/// The columns of a difference, as [`difference`] reads them.
const DIFFERENCE: &str = "d.id, d.field, d.diff_type, d.severity, d.value_a, d.value_b, c.code, \
     d.confidence, d.status, w.name, d.is_locked, w.is_person, d.explanation";
/// What the columns come from.
const DIFFERENCE_JOINS: &str = "LEFT JOIN reason_codes c ON c.reason_id = d.reason_id \
     LEFT JOIN assigners w ON w.assigner_id = d.assigner_id";

/// What goes wrong while reading: the store, or what the caller does with a row.
enum Failure {
    Sqlite(rusqlite::Error),
    Problem(Problem),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

fn optional_text<'a>(row: &'a Row<'_>, at: usize) -> Result<Option<&'a str>, Failure> {
    row.get_ref(at)?
        .as_str_or_null()
        .map_err(|_| stored::damaged("text", "bytes that are not UTF-8").into())
}

fn record<'a>(row: &'a Row<'_>) -> Result<StoredRecord<'a>, Failure> {
    let kind = stored::read_code("kind", row.get(1)?, RecordKind::from_code)?;
    let (a, b) = (optional_text(row, 2)?, optional_text(row, 3)?);
    Ok(StoredRecord {
        number: (row.get::<_, i64>(0)? & NUMBER_MASK).cast_unsigned(),
        kind,
        a,
        b: stored::side_b(kind, a, b),
        place_a: stored::place(row.get(4)?, row.get(5)?),
        place_b: stored::place(row.get(6)?, row.get(7)?),
        partner_rejected: row.get(8)?,
    })
}

fn difference<'a>(
    row: &'a Row<'_>,
    first: usize,
    stage: Option<Stage>,
) -> Result<StoredDifference<'a>, Failure> {
    let field = match row.get::<_, Option<u16>>(first + 1)? {
        Some(position) => FieldRef::Field(position),
        None => FieldRef::EntireRecord,
    };
    // Before its stage is reached, an attribution is what an interrupted command left.
    let reason =
        if stage == Some(Stage::Attributed) { optional_text(row, first + 6)? } else { None };
    let attribution = match reason {
        None => None,
        Some(reason) => {
            let status = stored::read_code("status", row.get(first + 8)?, Status::from_code)?;
            Some(StoredAttribution {
                reason,
                confidence: row.get(first + 7)?,
                status,
                assigned_by: optional_text(row, first + 9)?.unwrap_or_default(),
                held_by_people: stored::held_by_people(
                    status,
                    row.get(first + 10)?,
                    row.get(first + 11)?,
                ),
                explanation: optional_text(row, first + 12)?,
            })
        }
    };
    Ok(StoredDifference {
        number: (row.get::<_, i64>(first)? & NUMBER_MASK).cast_unsigned(),
        field,
        diff_type: stored::read_code("diff_type", row.get(first + 2)?, DiffType::from_code)?,
        severity: stored::read_code("severity", row.get(first + 3)?, Severity::from_code)?,
        value_a: optional_text(row, first + 4)?,
        value_b: optional_text(row, first + 5)?,
        attribution,
    })
}

/// Records that show: all, or those with differences.
fn shown(run: RunKey) -> &'static str {
    if run.keep_all || run.stage == Some(Stage::Ingested) {
        ""
    } else {
        "AND EXISTS (SELECT 1 FROM break_rows k WHERE k.id = x.id)"
    }
}

impl SqliteStore {
    /// Reads within one snapshot: run row and rows fit each other.
    fn read<T>(
        &self,
        run: RunId,
        read: impl FnOnce(&Connection, RunKey) -> Result<T, Failure>,
    ) -> Result<T, Problem> {
        let mut connection = self.connection()?;
        let transaction = connection.transaction().map_err(|error| self.problem(&error))?;
        let key = find_key(&transaction, run)?;
        read(&transaction, key).map_err(|failure| match failure {
            Failure::Sqlite(error) => self.problem(&error),
            Failure::Problem(problem) => problem,
        })
    }

    pub(super) fn read_records(
        &self,
        run: RunId,
        each: &mut dyn FnMut(&StoredRecord<'_>) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        self.read(run, |connection, key| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {RECORD} FROM record_rows x WHERE x.id BETWEEN ?1 AND ?2 {} ORDER BY x.id",
                shown(key)
            ))?;
            let mut rows = statement.query(id_range(key.run_no))?;
            while let Some(row) = rows.next()? {
                each(&record(row)?)?;
            }
            Ok(())
        })
    }

    pub(super) fn read_differences(
        &self,
        run: RunId,
        each: &mut dyn FnMut(&StoredDifference<'_>, &StoredRecord<'_>) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        self.read(run, |connection, key| {
            if key.stage < Some(Stage::Compared) {
                return Ok(());
            }
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {RECORD}, {DIFFERENCE} FROM difference_rows d \
                 JOIN record_rows x ON x.id = d.record {DIFFERENCE_JOINS} \
                 WHERE d.record BETWEEN ?1 AND ?2 ORDER BY d.record, d.id"
            ))?;
            let mut rows = statement.query(id_range(key.run_no))?;
            while let Some(row) = rows.next()? {
                each(&difference(row, DIFFERENCE_AT, key.stage)?, &record(row)?)?;
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
        let Some(starts) = stored::evidence_starts(&row.layout, reference) else {
            return Ok(Vec::new());
        };
        self.read(run, |connection, key| {
            let (first, last) = id_range(key.run_no);
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {RECORD} FROM record_rows x WHERE x.id BETWEEN ?1 AND ?2 {} \
                 AND (substr(x.a, 1, length(?3)) IN (?3, ?4) \
                      OR substr(x.b, 1, length(?3)) IN (?3, ?4)) ORDER BY x.id",
                shown(key)
            ))?;
            let [inner, only] = &starts;
            let mut rows = statement.query(params![first, last, inner, only])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(own(connection, key, &record(row)?)?);
            }
            Ok(found)
        })
    }

    pub(super) fn read_rejected(
        &self,
        run: RunId,
        limit: usize,
    ) -> Result<Vec<RejectedRow>, Problem> {
        self.read(run, |connection, key| {
            let (first, last) = id_range(key.run_no);
            if key.stage.is_none() {
                return Ok(Vec::new());
            }
            let mut statement = connection.prepare_cached(
                "SELECT side, line, code, message, text, key FROM reject_rows \
                 WHERE id BETWEEN ?1 AND ?2 ORDER BY side, line, id LIMIT ?3",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = statement.query_map((first, last, limit), |row| {
                Ok(RejectedRow {
                    side: if row.get_ref(0)?.as_str()? == "A" { Side::A } else { Side::B },
                    line: row.get::<_, i64>(1)?.cast_unsigned(),
                    code: row.get(2)?,
                    message: row.get(3)?,
                    text: row.get(4)?,
                    key: row.get(5)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    pub(super) fn count_attributions(&self, run: RunId) -> Result<Vec<AttributionCount>, Problem> {
        self.read(run, |connection, key| {
            if key.stage != Some(Stage::Attributed) {
                return Ok(Vec::new());
            }
            let mut statement = connection.prepare_cached(
                "SELECT c.code, c.is_functional, d.status, w.name, d.count FROM ( \
                     SELECT reason_id, status, assigner_id, count(*) AS count \
                     FROM difference_rows WHERE id BETWEEN ?1 AND ?2 GROUP BY 1, 2, 3 \
                 ) d JOIN reason_codes c ON c.reason_id = d.reason_id \
                 JOIN assigners w ON w.assigner_id = d.assigner_id \
                 ORDER BY c.code, d.status, w.name",
            )?;
            let mut rows = statement.query(id_range(key.run_no))?;
            let mut counts = Vec::new();
            while let Some(row) = rows.next()? {
                counts.push(AttributionCount {
                    reason: row.get(0)?,
                    functional: row.get(1)?,
                    status: stored::read_code("status", row.get(2)?, Status::from_code)?,
                    assigned_by: row.get(3)?,
                    count: row.get::<_, i64>(4)?.cast_unsigned(),
                });
            }
            Ok(counts)
        })
    }

    pub(super) fn count_gates(&self, run: RunId) -> Result<(u64, u64), Problem> {
        self.read(run, |connection, key| {
            if key.stage != Some(Stage::Attributed) {
                return Ok((0, 0));
            }
            let (first, last) = id_range(key.run_no);
            let (all, blocked): (i64, i64) = connection.query_row(
                "SELECT total_records, (SELECT count(*) FROM break_rows \
                 WHERE id BETWEEN ?2 AND ?3 AND gate IS NOT 1) FROM recon_runs WHERE run_no = ?1",
                (key.run_no, first, last),
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            Ok(((all - blocked).max(0).cast_unsigned(), blocked.cast_unsigned()))
        })
    }
}

/// A record with its differences and its verdict.
fn own(
    connection: &Connection,
    run: RunKey,
    record: &StoredRecord<'_>,
) -> Result<OwnedRecord, Failure> {
    let id = id_range(run.run_no).0 | record.number.cast_signed();
    let gate = connection
        .prepare_cached("SELECT gate FROM break_rows WHERE id = ?1")?
        .query_row([id], |row| row.get::<_, Option<i64>>(0))
        .optional()?;
    let mut differences = Vec::new();
    if run.stage >= Some(Stage::Compared) {
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {DIFFERENCE} FROM difference_rows d {DIFFERENCE_JOINS} \
             WHERE d.record = ?1 ORDER BY d.id"
        ))?;
        let mut rows = statement.query([id])?;
        while let Some(row) = rows.next()? {
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
