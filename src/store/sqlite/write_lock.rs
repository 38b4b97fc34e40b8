//! The write lock of a SQLite store. SQLite has one writer at a time; threads wait here, in the process, instead of
//! polling the file.
//!
//! Each wait has a deadline. If the store is slow (another program keeps it locked, say) only a few threads go on
//! waiting, so that the others are free for requests that do not write.

use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::identity::Log;
use crate::database::patience;
use crate::diagnostic::{Code, Problem};

/// Timeout of a wait without a deadline.
const PATIENCE: Duration = Duration::from_secs(10);
/// A write that takes longer than this makes the store a slow one.
const SLOW: Duration = Duration::from_millis(400);
/// Most threads that wait for a slow store.
const MOST_WHILE_SLOW: usize = 4;
/// Interval at which waiting threads check for a slow store.
const LOOK: Duration = Duration::from_millis(50);

/// The connection for decisions.
#[derive(Debug)]
pub(super) struct WriteConnection {
    pub(super) connection: Connection,
    /// The log that the connection has open.
    pub(super) log: Log,
}

#[derive(Debug, Default)]
struct State {
    /// The connection while it is free; opened on first use.
    held: Option<WriteConnection>,
    /// Start of the present write.
    began: Option<Instant>,
    waiting: usize,
}

#[derive(Debug, Default)]
pub(super) struct WriteLock {
    state: Mutex<State>,
    ended: Condvar,
}

/// The held lock.
pub(super) struct WriteGuard<'t> {
    lock: &'t WriteLock,
    /// A connection left here is reused by the next writer.
    pub(super) held: Option<WriteConnection>,
}

impl WriteLock {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the lock.
    ///
    /// # Errors
    /// None came in time.
    pub(super) fn take(&self, store: &Path) -> Result<WriteGuard<'_>, Problem> {
        let until = Instant::now() + patience::left(PATIENCE);
        let mut state = self.state();
        state.waiting += 1;
        let taken = loop {
            let Some(began) = state.began else { break true };
            let left = until.saturating_duration_since(Instant::now());
            let slow = began.elapsed() >= SLOW && state.waiting > MOST_WHILE_SLOW;
            if left.is_zero() || slow && patience::is_limited() {
                break false;
            }
            let waited = self.ended.wait_timeout(state, left.min(LOOK));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        state.waiting -= 1;
        if !taken {
            return Err(Problem::new(Code::StoreBusy, "too many wait to write to the store")
                .in_file(store)
                .help("try again in a moment; another program may keep the store locked"));
        }
        state.began = Some(Instant::now());
        Ok(WriteGuard { lock: self, held: state.held.take() })
    }
}

impl Drop for WriteGuard<'_> {
    fn drop(&mut self) {
        let mut state = self.lock.state();
        state.held = self.held.take();
        state.began = None;
        drop(state);
        self.lock.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_store_lets_only_a_few_wait() {
        let lock = WriteLock::default();
        let store = Path::new("a.db");
        let held = lock.take(store).unwrap();
        let began = Instant::now();
        let outcomes: Vec<bool> = std::thread::scope(|scope| {
            let wait = || {
                patience::within(Duration::from_secs(2), || {
                    (lock.take(store).is_ok(), began.elapsed())
                })
            };
            let threads: Vec<_> = (0..20).map(|_| scope.spawn(wait)).collect();
            std::thread::sleep(Duration::from_millis(1_000));
            assert_eq!(lock.state().waiting, MOST_WHILE_SLOW);
            drop(held);
            threads.into_iter().map(|thread| thread.join().unwrap().0).collect()
        });
        assert_eq!(outcomes.iter().filter(|taken| **taken).count(), MOST_WHILE_SLOW);
    }

    #[test]
    fn while_writes_are_short_every_thread_gets_the_lock() {
        let lock = WriteLock::default();
        std::thread::scope(|scope| {
            let wait = || {
                patience::within(Duration::from_secs(60), || {
                    let _turn = lock.take(Path::new("a.db")).unwrap();
                    std::thread::sleep(Duration::from_millis(2));
                });
            };
            let threads: Vec<_> = (0..100).map(|_| scope.spawn(wait)).collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
    }
}
