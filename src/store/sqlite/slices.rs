//! Writing in slices: a writer of many rows holds SQLite's only write lock for a few milliseconds, then pauses so
//! that a waiting reviewer gets it.

use std::time::{Duration, Instant};

use rusqlite::Connection;

/// How long the lock is held at a stretch. A slice ends within a few hundred rows of this, and
/// committing takes some more milliseconds: a decision meanwhile mostly waits less than 20 ms.
const SLICE: Duration = Duration::from_millis(12);
/// The pause. Waiting connections look every millisecond; see [`crate::database::sqlite`].
const PAUSE: Duration = Duration::from_millis(2);
/// Rows between two looks at the clock.
const ROWS_PER_LOOK: usize = 128;

/// Since when the lock is held or free.
#[derive(Debug, Default)]
pub(super) struct Slices {
    began: Option<Instant>,
    /// The lock was held for so long since the last pause.
    held: Duration,
    released: Option<Instant>,
}

impl Slices {
    /// Begins a transaction, after a pause if one is due.
    pub(super) fn begin(&mut self, connection: &Connection) -> Result<(), rusqlite::Error> {
        if let Some(released) = self.released {
            let idle = released.elapsed();
            if idle >= PAUSE {
                self.held = Duration::ZERO;
            } else if self.held >= SLICE {
                std::thread::sleep(PAUSE.saturating_sub(idle));
                self.held = Duration::ZERO;
            }
        }
        connection.prepare_cached("BEGIN IMMEDIATE")?.raw_execute()?;
        self.began = Some(Instant::now());
        Ok(())
    }

    pub(super) fn end(&mut self, connection: &Connection) -> Result<(), rusqlite::Error> {
        connection.prepare_cached("COMMIT")?.raw_execute()?;
        if let Some(began) = self.began.take() {
            self.held += began.elapsed();
        }
        self.released = Some(Instant::now());
        Ok(())
    }

    /// Commits and begins again if the slice is over; called after every few rows.
    pub(super) fn check(&mut self, connection: &Connection) -> Result<(), rusqlite::Error> {
        let over = self.began.is_some_and(|began| self.held + began.elapsed() >= SLICE);
        if over {
            self.end(connection)?;
            self.begin(connection)?;
        }
        Ok(())
    }

    /// Calls `write` for each item within transactions that take turns.
    pub(super) fn each<T>(
        &mut self,
        connection: &Connection,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(T) -> Result<(), rusqlite::Error>,
    ) -> Result<(), rusqlite::Error> {
        for (at, item) in items.into_iter().enumerate() {
            write(item)?;
            if at % ROWS_PER_LOOK == ROWS_PER_LOOK - 1 {
                self.check(connection)?;
            }
        }
        self.check(connection)
    }
}

/// Deletes the rows with ids from `range.0` to `range.1` of `table` for which `condition` holds, in
/// slices, and does no harm if it is repeated.
pub(super) fn delete_in_slices(
    connection: &Connection,
    table: &str,
    range: (i64, i64),
    condition: &str,
) -> Result<(), rusqlite::Error> {
    const IDS_AT_ONCE: i64 = 4_096;
    let mut turns = Slices::default();
    let bounds = format!("SELECT min(id), max(id) FROM {table} WHERE id BETWEEN ?1 AND ?2");
    let delete = format!("DELETE FROM {table} WHERE id BETWEEN ?1 AND ?2 AND {condition}");
    let (first, last): (Option<i64>, Option<i64>) =
        connection.query_row(&bounds, range, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (Some(mut first), Some(last)) = (first, last) else { return Ok(()) };
    turns.begin(connection)?;
    while first <= last {
        let upto = last.min(first + IDS_AT_ONCE - 1);
        connection.prepare_cached(&delete)?.execute((first, upto))?;
        first = upto + 1;
        turns.check(connection)?;
    }
    turns.end(connection)
}
