//! Layout of rows, on either backend.
//!
//! On SQLite a row's id is `run_no << 40 | number`, so that a run's rows lie together and are found by a range; on
//! PostgreSQL run and number are columns, and a run is a partition. Nothing outside of the store knows which.

use std::sync::atomic::{AtomicU64, Ordering};

use super::batch::{self, MAX_FIELDS, field_of, record_of};
use super::chunk;
use super::transact::Dialect;
use crate::domain::FieldRef;

/// Bits of a row id on SQLite that are the number within the run.
pub(super) const NUMBER_BITS: u32 = 40;
/// The largest number within a run.
pub(super) const MAX_NUMBER: i64 = (1 << NUMBER_BITS) - 1;
/// The largest number of a run whose row ids are positive.
pub(super) const MAX_RUN_NO: i64 = i64::MAX >> NUMBER_BITS;
/// The most records of a run: their differences are numbered by record and field.
pub(super) const MAX_RECORDS: u64 = 1 << (NUMBER_BITS - batch::FIELD_BITS);

/// A run with more differences is *unlisted*: those beyond this number are in no index for lists, and the review
/// keeps the run's items in memory. Tests lower it.
#[doc(hidden)]
pub static MOST_LISTED: AtomicU64 = AtomicU64::new(10_000);

/// Counts the differences that a writer writes.
pub(super) struct Listing {
    most: u64,
    count: u64,
}

impl Listing {
    pub fn new() -> Self {
        Self { most: MOST_LISTED.load(Ordering::Relaxed), count: 0 }
    }

    /// Counts one more, and tells whether it is in no index for lists.
    pub const fn leaves_out(&mut self) -> bool {
        self.count += 1;
        self.is_unlisted()
    }

    /// Whether there are more than are listed.
    pub const fn is_unlisted(&self) -> bool {
        self.count > self.most
    }
}

/// Where an undecided item stands in the queue on SQLite: with its run, or below 0 with the run that it left later. As
/// the indexes have it.
pub(super) const PLACE: &str = "coalesce(d.later, d.id >> 40)";
const _: () = assert!(NUMBER_BITS == 40, "PLACE and the indexes of the migrations say 40");

/// Undecided items on SQLite, as the indexes have them by their [`PLACE`].
pub(super) const UNDECIDED: &str =
    "d.status = 1 AND coalesce(d.later, 0) <= 0 AND d.unlisted IS NULL";

/// Items on SQLite that are in indexes.
pub(super) const LISTED: &str = "d.unlisted IS NULL";

/// The row id on SQLite.
pub(super) const fn row_id(run_no: i64, number: i64) -> i64 {
    run_no << NUMBER_BITS | number
}

/// The row ids of a run on SQLite: from, to.
pub(super) const fn id_range(run_no: i64) -> (i64, i64) {
    (row_id(run_no, 0), row_id(run_no, MAX_NUMBER))
}

/// Key of an item (a difference with its attribution): its run and its number within the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ItemKey {
    pub run_no: i64,
    /// The number within the run: that of the record and of the field.
    pub number: i64,
}

impl ItemKey {
    pub const fn record(self) -> i64 {
        record_of(self.number.cast_unsigned()).cast_signed()
    }

    pub const fn field(self) -> FieldRef {
        field_of(self.number.cast_unsigned())
    }

    /// The field's part of the number, which is small and the same in all records.
    pub(super) const fn slot(self) -> i64 {
        self.number & MAX_FIELDS as i64
    }
}

/// The numbers of the items of these rows of records: from, to.
pub(super) const fn items_of_chunks(first: i64, last: i64) -> (i64, i64) {
    (
        batch::difference_range(chunk::first_of(first.cast_unsigned())).0.cast_signed(),
        batch::difference_range(chunk::first_of(last.cast_unsigned() + 1) - 1).1.cast_signed(),
    )
}

/// SQL about the rows of a table of runs' rows under an alias.
impl Dialect {
    /// The number of the run of a row.
    pub(super) fn run_no(self, alias: &str) -> String {
        match self {
            Self::Sqlite => format!("({alias}.id >> {NUMBER_BITS})"),
            Self::Postgres => format!("{alias}.run_no"),
        }
    }

    /// The number of a row within its run.
    pub(super) fn number(self, alias: &str) -> String {
        match self {
            Self::Sqlite => format!("({alias}.id & {MAX_NUMBER})"),
            Self::Postgres => format!("{alias}.number"),
        }
    }

    /// Run and number of a row, as two columns.
    pub(super) fn key(self, alias: &str) -> String {
        format!("{}, {}", self.run_no(alias), self.number(alias))
    }

    /// The columns that order rows by run and number.
    pub(super) fn order(self, alias: &str, down: &str) -> String {
        match self {
            Self::Sqlite => format!("{alias}.id{down}"),
            Self::Postgres => format!("{alias}.run_no{down}, {alias}.number{down}"),
        }
    }

    /// The condition that a row of `other`, which has the columns `run_no` and `number`, is about the row of `alias`:
    /// for looking up notes about a row.
    pub(super) fn about(self, other: &str, alias: &str) -> String {
        format!(
            "{other}.run_no = {} AND {other}.number = {}",
            self.run_no(alias),
            self.number(alias)
        )
    }

    /// The same condition, for finding the row of a note.
    pub(super) fn located(self, alias: &str, other: &str) -> String {
        match self {
            Self::Sqlite => {
                format!("{alias}.id = {other}.run_no << {NUMBER_BITS} | {other}.number")
            }
            Self::Postgres => self.about(other, alias),
        }
    }

    /// The condition that a row has one of the numbers `from` to `to` of a run.
    pub(super) fn between(self, alias: &str, run_no: i64, from: i64, to: i64) -> String {
        match self {
            Self::Sqlite => {
                format!("{alias}.id BETWEEN {} AND {}", row_id(run_no, from), row_id(run_no, to))
            }
            Self::Postgres => {
                format!("{alias}.run_no = {run_no} AND {alias}.number BETWEEN {from} AND {to}")
            }
        }
    }

    /// The condition that a row is of a run.
    pub(super) fn of_run(self, alias: &str, run_no: i64) -> String {
        match self {
            Self::Sqlite => self.between(alias, run_no, 0, MAX_NUMBER),
            Self::Postgres => format!("{alias}.run_no = {run_no}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::difference_number;

    #[test]
    fn the_items_of_a_row_of_records_are_those_of_its_records() {
        for record in [1, 64, 65, 128, 1_000] {
            let number = difference_number(record, FieldRef::Field(3)).cast_signed();
            let chunk = chunk::chunk_of(record).cast_signed();
            let (from, to) = items_of_chunks(chunk, chunk);
            assert!((from..=to).contains(&number), "{record}");
            assert_eq!(ItemKey { run_no: 1, number }.record(), record.cast_signed());
        }
        assert!(!(items_of_chunks(0, 0).0..=items_of_chunks(0, 0).1).contains(&(65 << 10)));
    }
}
