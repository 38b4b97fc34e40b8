//! Reads a stored run lot by lot: some neighboring rows of records, with their differences where those are wanted. The
//! store is read by one thread; any thread can take a lot apart.

use std::ops::ControlFlow;

use super::layout::{MAX_NUMBER, items_of_chunks};
use super::reader::{broken, chunk_row, difference, select_differences};
use super::run::StoredRecord;
use super::runs::{self, RunKey};
use super::transact::{Dialect, SqlRow, Transaction};
use super::{VisitDifference, chunk, record_of, stored};
use crate::diagnostic::Problem;
use crate::domain::{RunId, Stage};

/// The most rows of records in a lot.
const CHUNKS: usize = 64;
/// There are fewer where records are so wide that those rows would be longer than this together: a lot has all differences
/// of its records, up to one for each field, and several lots are in memory at a time.
const BYTES: usize = 1 << 20;

/// The most records of a lot.
pub(crate) const RECORDS: u64 = CHUNKS as u64 * chunk::RECORDS;

/// Records as they are stored.
pub struct RecordLot {
    rows: Vec<SqlRow>,
    /// The records that show, where not all do.
    shown: Option<Vec<u64>>,
}

impl RecordLot {
    /// Calls `each` for every record in the order of their numbers.
    ///
    /// # Errors
    /// Rows that can't be read, and errors of `each`.
    pub fn each(
        &self,
        each: &mut dyn FnMut(&StoredRecord<'_>) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        for row in &self.rows {
            let (number, text) = chunk_row(row)?;
            chunk::read(number, text, |record| match &self.shown {
                Some(shown) if shown.binary_search(&record.number).is_err() => Ok(()),
                _ => each(record),
            })?;
        }
        Ok(())
    }
}

/// Differences and their records as they are stored.
pub struct DifferenceLot {
    stage: Option<Stage>,
    rows: Vec<SqlRow>,
    differences: Vec<SqlRow>,
}

impl DifferenceLot {
    /// Calls `each` for every difference in the order of their numbers, until it breaks.
    ///
    /// # Errors
    /// Rows that can't be read, differences without a record, and errors of `each`.
    pub fn each(&self, each: &mut VisitDifference<'_>) -> Result<ControlFlow<()>, Problem> {
        let mut left = self.differences.iter().peekable();
        let mut flow = ControlFlow::Continue(());
        for row in &self.rows {
            let Some(next) = left.peek().filter(|_| flow.is_continue()) else { return Ok(flow) };
            let (number, text) = chunk_row(row)?;
            let (_, end) = items_of_chunks(number.cast_signed(), number.cast_signed());
            if next.count(0)? > end {
                continue;
            }
            chunk::read(number, text, |record| -> Result<(), Problem> {
                while let Some(row) = left.peek().filter(|_| flow.is_continue()) {
                    if record_of(row.count(0)?.cast_unsigned()) != record.number {
                        break;
                    }
                    flow = each(&difference(row, self.stage)?, record)?;
                    left.next();
                }
                Ok(())
            })?;
        }
        match left.next() {
            Some(_) if flow.is_continue() => {
                Err(stored::damaged("difference", "its record is missing"))
            }
            _ => Ok(flow),
        }
    }
}

/// Calls `each` with some rows of records at a time, in order, until it breaks. The first time it is one row, which tells how
/// many make a lot.
fn each_rows(
    tx: &mut dyn Transaction,
    run: RunKey,
    mut each: impl FnMut(
        &mut dyn Transaction,
        (i64, i64),
        Vec<SqlRow>,
    ) -> Result<ControlFlow<()>, Problem>,
) -> Result<(), Problem> {
    let dialect = tx.dialect();
    let (mut next, mut wanted) = (0, 1);
    loop {
        let sql = format!(
            "SELECT {}, d.records FROM recon.record_rows d WHERE {} ORDER BY {} LIMIT {wanted}",
            dialect.number("d"),
            dialect.between("d", run.run_no, next, MAX_NUMBER),
            dialect.order("d", "")
        );
        let rows = tx.query(&sql, &[])?;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
        let chunks = (first.count(0)?, last.count(0)?);
        let lengths = rows.iter().map(|row| Ok(chunk_row(row)?.1.len()));
        let bytes: usize = lengths.sum::<Result<_, Problem>>()?;
        wanted = (rows.len() * BYTES / bytes.max(1)).clamp(1, CHUNKS);
        if each(tx, chunks, rows)?.is_break() {
            return Ok(());
        }
        if dialect == Dialect::Sqlite {
            // All connections of a process share one cache. Pages that were read in passing would crowd out the roots of
            // the tables that a writer is working on.
            tx.execute("PRAGMA shrink_memory", &[])?;
        }
        next = chunks.1 + 1;
    }
}

pub(super) fn of_records(
    tx: &mut dyn Transaction,
    run: RunId,
    each: &mut dyn FnMut(RecordLot) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let key = runs::key(tx, run)?;
    each_rows(tx, key, |tx, chunks, rows| {
        each(RecordLot { rows, shown: broken(tx, key, chunks)? })?;
        Ok(ControlFlow::Continue(()))
    })
}

pub(super) fn of_differences(
    tx: &mut dyn Transaction,
    run: RunId,
    each: &mut dyn FnMut(DifferenceLot) -> Result<ControlFlow<()>, Problem>,
) -> Result<(), Problem> {
    let key = runs::key(tx, run)?;
    if key.stage < Some(Stage::Compared) {
        return Ok(());
    }
    each_rows(tx, key, |tx, chunks, rows| {
        let dialect = tx.dialect();
        let (low, high) = items_of_chunks(chunks.0, chunks.1);
        let sql = format!(
            "{} WHERE {} ORDER BY {}",
            select_differences(dialect),
            dialect.between("d", key.run_no, low, high),
            dialect.order("d", "")
        );
        each(DifferenceLot { stage: key.stage, differences: tx.query(&sql, &[])?, rows })
    })
}
