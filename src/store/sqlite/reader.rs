//! What is read back from SQLite.

use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator as _;
use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use super::runs::{RunKey, find_key};
use crate::diagnostic::Problem;
use crate::domain::gate::Gate;
use crate::domain::{DiffType, RunId, Severity, Side, Stage, Status};
use crate::store::batch::{difference_range, field_of, record_of};
use crate::store::layout::{MAX_NUMBER, id_range};
use crate::store::run::{AttributionCount, StoredAttribution, StoredDifference, StoredRecord};
use crate::store::{OwnedRecord, RejectedRow, chunk, stored};

/// The columns of a difference, as [`difference`] reads them.
const DIFFERENCE: &str = "d.id, d.diff_type, d.severity, d.value_a, d.value_b, c.code, \
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

/// A row of records: its number and its text.
fn chunk<'a>(row: &'a Row<'_>) -> Result<(u64, &'a str), Failure> {
    let number = (row.get::<_, i64>(0)? & MAX_NUMBER).cast_unsigned();
    Ok((number, optional_text(row, 1)?.unwrap_or_default()))
}

fn difference<'a>(row: &'a Row<'_>, stage: Option<Stage>) -> Result<StoredDifference<'a>, Failure> {
    let number = (row.get::<_, i64>(0)? & MAX_NUMBER).cast_unsigned();
    // Before its stage is reached, an attribution is what an interrupted command left.
    let reason = if stage == Some(Stage::Attributed) { optional_text(row, 5)? } else { None };
    let attribution = match reason {
        None => None,
        Some(reason) => {
            let status = stored::read_code("status", row.get(7)?, Status::from_code)?;
            Some(StoredAttribution {
                reason,
                confidence: row.get(6)?,
                status,
                assigned_by: optional_text(row, 8)?.unwrap_or_default(),
                held_by_people: stored::held_by_people(status, row.get(9)?, row.get(10)?),
                explanation: optional_text(row, 11)?,
            })
        }
    };
    Ok(StoredDifference {
        number,
        field: field_of(number),
        diff_type: stored::read_code("diff_type", row.get(1)?, DiffType::from_code)?,
        severity: stored::read_code("severity", row.get(2)?, Severity::from_code)?,
        value_a: optional_text(row, 3)?,
        value_b: optional_text(row, 4)?,
        attribution,
    })
}

/// The rowids that differences of a row of records have: from, to.
fn difference_ids(run: RunKey, chunk: u64) -> (i64, i64) {
    let first = chunk::first_of(chunk);
    let base = id_range(run.run_no).0;
    let (low, _) = difference_range(first);
    let (_, high) = difference_range(first + chunk::RECORDS - 1);
    (base | low.cast_signed(), base | high.cast_signed())
}

/// The records of a row that have differences, where only those show.
fn broken(connection: &Connection, run: RunKey, chunk: u64) -> Result<Option<Vec<u64>>, Failure> {
    if run.keep_all || run.stage == Some(Stage::Ingested) {
        return Ok(None);
    }
    let mut statement =
        connection.prepare_cached("SELECT id FROM difference_rows WHERE id BETWEEN ?1 AND ?2")?;
    let records = statement.query_map(difference_ids(run, chunk), |row| {
        Ok(record_of((row.get::<_, i64>(0)? & MAX_NUMBER).cast_unsigned()))
    })?;
    Ok(Some(records.collect::<Result<_, _>>()?))
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
            let mut statement = connection.prepare_cached(
                "SELECT id, records FROM record_rows WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
            )?;
            let mut rows = statement.query(id_range(key.run_no))?;
            while let Some(row) = rows.next()? {
                let (number, text) = chunk(row)?;
                let broken = broken(connection, key, number)?;
                chunk::read(number, text, |record| match &broken {
                    Some(broken) if broken.binary_search(&record.number).is_err() => Ok(()),
                    _ => each(record).map_err(Failure::from),
                })?;
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
            let mut chunks = connection.prepare_cached(
                "SELECT id, records FROM record_rows WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
            )?;
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {DIFFERENCE} FROM difference_rows d {DIFFERENCE_JOINS} \
                 WHERE d.id BETWEEN ?1 AND ?2 ORDER BY d.id"
            ))?;
            let mut chunks = chunks.query(id_range(key.run_no))?;
            while let Some(row) = chunks.next()? {
                let (number, text) = chunk(row)?;
                let mut differences = statement.query(difference_ids(key, number))?;
                differences.advance()?;
                if differences.get().is_none() {
                    continue;
                }
                chunk::read(number, text, |record| -> Result<(), Failure> {
                    while let Some(row) = differences.get() {
                        let found = difference(row, key.stage)?;
                        if record_of(found.number) != record.number {
                            break;
                        }
                        each(&found, record)?;
                        differences.advance()?;
                    }
                    Ok(())
                })?;
                if differences.get().is_some() {
                    return Err(stored::damaged("difference", "its record is missing").into());
                }
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
            let mut statement = connection.prepare_cached(
                "SELECT id, records FROM record_rows WHERE id BETWEEN ?1 AND ?2 \
                 AND (instr(records, ?3) > 0 OR instr(records, ?4) > 0) ORDER BY id",
            )?;
            let [inner, only] = &starts;
            let mut rows = statement.query(params![first, last, inner, only])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let (number, text) = chunk(row)?;
                let broken = broken(connection, key, number)?;
                chunk::read(number, text, |record| -> Result<(), Failure> {
                    let hidden =
                        broken.as_ref().is_some_and(|broken| !broken.contains(&record.number));
                    if !hidden && stored::has_reference(record, &starts) {
                        found.push(own(connection, key, record)?);
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
        self.read(run, |connection, key| {
            let (first, last) = id_range(key.run_no);
            if key.stage.is_none() {
                return Ok(Vec::new());
            }
            let mut statement = connection.prepare_cached(
                "SELECT side, line, code, message, text, key, place FROM reject_rows \
                 WHERE id BETWEEN ?1 AND ?2 ORDER BY side, place >> 40, line, id LIMIT ?3",
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
                    offset: row.get::<_, i64>(6)?.cast_unsigned(),
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
                "SELECT total_records, (SELECT count(DISTINCT id >> 10) FROM difference_rows \
                 WHERE id BETWEEN ?2 AND ?3 AND (status IS NOT 3 OR functional IS NOT 1)) \
                 FROM recon_runs WHERE run_no = ?1",
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
    let base = id_range(run.run_no).0;
    let (low, high) = difference_range(record.number);
    let ids = (base | low.cast_signed(), base | high.cast_signed());
    let mut differences = Vec::new();
    let mut blocked = false;
    if run.stage >= Some(Stage::Compared) {
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {DIFFERENCE}, d.status IS 3 AND d.functional IS 1 \
             FROM difference_rows d {DIFFERENCE_JOINS} WHERE d.id BETWEEN ?1 AND ?2 ORDER BY d.id"
        ))?;
        let mut rows = statement.query(ids)?;
        while let Some(row) = rows.next()? {
            blocked |= !row.get::<_, bool>(12)?;
            differences.push(difference(row, run.stage)?.to_owned());
        }
    }
    let gate = if blocked { Gate::Blocked } else { Gate::Passed };
    let gate = (run.stage == Some(Stage::Attributed)).then_some(gate);
    Ok(record.to_owned_with(gate, differences))
}
