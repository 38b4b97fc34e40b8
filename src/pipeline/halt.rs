//! Stopping a group of threads together: the first problem ends all of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::diagnostic::Problem;
use crate::domain::Progress;

/// Locks even if another thread panicked while holding it: a panic ends the process with its own
/// message, and the data behind these locks is valid at every step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first problem of a group of threads.
#[derive(Debug, Default)]
pub(super) struct Halt {
    stopped: AtomicBool,
    problem: Mutex<Option<Problem>>,
}

impl Halt {
    /// Stops the group; only the first problem is kept.
    pub fn stop(&self, problem: Problem) {
        lock(&self.problem).get_or_insert(problem);
        self.stopped.store(true, Ordering::Release);
    }

    /// True if the work must stop, because of a problem or an interruption.
    pub fn check(&self, progress: &dyn Progress) -> bool {
        if !self.stopped.load(Ordering::Acquire) && progress.interrupted() {
            self.stop(Problem::interrupted());
        }
        self.stopped.load(Ordering::Acquire)
    }

    /// The result of `work`; a failure stops the others.
    pub fn guard<T>(&self, work: Result<T, Problem>) -> Option<T> {
        match work {
            Ok(value) => Some(value),
            Err(problem) => {
                self.stop(problem);
                None
            }
        }
    }

    pub fn outcome(&self) -> Result<(), Problem> {
        lock(&self.problem).take().map_or(Ok(()), Err)
    }
}

/// Bounds how many partitions workers may be ahead of the writer.
#[derive(Debug)]
pub(super) struct Turnstile {
    done: Mutex<usize>,
    moved: Condvar,
    lead: usize,
}

impl Turnstile {
    /// At most `lead` items may be in progress.
    pub fn new(lead: usize) -> Self {
        Self { done: Mutex::new(0), moved: Condvar::new(), lead }
    }

    /// Waits until item `index` may start.
    pub fn enter(&self, index: usize) {
        let mut done = lock(&self.done);
        while index >= *done + self.lead {
            done = self.moved.wait(done).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Marks the items before `count` as done.
    pub fn advance(&self, count: usize) {
        let mut done = lock(&self.done);
        *done = count.max(*done);
        self.moved.notify_all();
    }

    /// Releases all waiting threads, because the work ends.
    pub fn open(&self) {
        self.advance(usize::MAX / 2);
    }
}
