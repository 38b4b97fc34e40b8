//! Writing in slices: a writer of many rows holds SQLite's only write lock for a few milliseconds, then lets a
//! waiting reviewer have it.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::unlogged::commit;
use super::waiting::Waiting;

/// How long the lock is held at a stretch. A slice ends within a few hundred rows of this, and
/// committing takes some more milliseconds: a decision meanwhile mostly waits less than 20 ms.
const SLICE: Duration = Duration::from_millis(12);
/// How long a slice goes on at most while nobody is seen waiting: each begins by writing the last pages of
/// all tables and indexes anew. A commit takes a third as long as its slice.
const LONGEST: Duration = Duration::from_millis(36);
/// How often somebody is looked for meanwhile.
const LOOK: Duration = Duration::from_millis(2);
/// How long it is held at most without a pause, if nobody is seen waiting: other programs are not seen.
const UNSEEN: Duration = Duration::from_millis(100);
/// The pause. Waiting connections look every millisecond; see [`crate::database::sqlite`].
const PAUSE: Duration = Duration::from_millis(2);
/// Rows between two looks at the clock.
const ROWS_PER_LOOK: usize = 128;

/// Since when the lock is held or free.
#[derive(Debug, Default)]
pub(super) struct Slices {
    waiting: Waiting,
    began: Option<Instant>,
    /// When somebody was last looked for.
    looked: Option<Instant>,
    /// The lock was held for so long in this slice.
    held: Duration,
    /// And in slices since the last pause.
    unpaused: Duration,
    released: Option<Instant>,
}

impl Slices {
    /// Of a writer that pauses only for those who wait.
    pub(super) fn seeing(waiting: Waiting) -> Self {
        Self { waiting, ..Self::default() }
    }

    /// Whether to pause after a slice.
    fn is_due(&mut self) -> bool {
        self.unpaused += std::mem::take(&mut self.held);
        let is_due = self.unpaused >= UNSEEN || self.waiting.others();
        if is_due {
            self.unpaused = Duration::ZERO;
        }
        is_due
    }

    /// True within a transaction.
    pub(super) const fn is_begun(&self) -> bool {
        self.began.is_some()
    }

    /// Whether a slice that has taken so long is over.
    fn is_over(&mut self, held: Duration) -> bool {
        if held < SLICE || held >= LONGEST {
            return held >= LONGEST;
        }
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return false;
        }
        self.looked = Some(Instant::now());
        self.waiting.others()
    }

    /// Begins a transaction, after a pause if one is due.
    pub(super) fn begin(&mut self, connection: &Connection) -> Result<(), rusqlite::Error> {
        if let Some(released) = self.released {
            let idle = released.elapsed();
            if idle >= PAUSE {
                (self.held, self.unpaused) = (Duration::ZERO, Duration::ZERO);
            } else if self.held >= SLICE && self.is_due() {
                std::thread::sleep(PAUSE.saturating_sub(idle));
            }
        }
        let mut begin = connection.prepare_cached("BEGIN IMMEDIATE")?;
        self.waiting.while_seen(|| begin.raw_execute())?;
        self.began = Some(Instant::now());
        Ok(())
    }

    pub(super) fn end(&mut self, connection: &Connection) -> Result<(), rusqlite::Error> {
        commit(connection)?;
        if let Some(began) = self.began.take() {
            self.held += began.elapsed();
        }
        self.released = Some(Instant::now());
        Ok(())
    }

    /// Commits and begins again if the slice is over; called after every few rows.
    pub(super) fn check(&mut self, connection: &Connection) -> Result<(), rusqlite::Error> {
        let held = self.began.map(|began| self.held + began.elapsed());
        if held.is_some_and(|held| self.is_over(held)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_over_when_somebody_waits_or_it_is_long() {
        let place = tempfile::tempdir().unwrap();
        let store = place.path().join("a.db");
        let mut slices = Slices::seeing(Waiting::at(&store));
        assert!(!slices.is_over(SLICE / 2));
        assert!(!slices.is_over(SLICE));
        assert!(slices.is_over(LONGEST));
        Waiting::at(&store).while_seen(|| {
            assert!(!slices.is_over(SLICE / 2));
            std::thread::sleep(LOOK);
            assert!(slices.is_over(SLICE));
        });
        // Where nobody can be seen, somebody may always wait.
        assert!(Slices::default().is_over(SLICE));
    }

    #[test]
    fn a_pause_is_due_where_somebody_waits_or_might() {
        let place = tempfile::tempdir().unwrap();
        let store = place.path().join("a.db");
        let mut slices = Slices::seeing(Waiting::at(&store));
        let after_slice = |slices: &mut Slices| {
            slices.held = SLICE;
            slices.is_due()
        };
        let unpaused = UNSEEN.as_millis() / SLICE.as_millis();
        assert!((0..unpaused).all(|_| !after_slice(&mut slices)));
        assert!(after_slice(&mut slices));
        assert!(!after_slice(&mut slices));
        Waiting::at(&store).while_seen(|| assert!(after_slice(&mut slices)));
        assert!(!after_slice(&mut slices));
        // Where nobody can be seen, a pause is always due.
        assert!(after_slice(&mut Slices::default()));
    }
}
