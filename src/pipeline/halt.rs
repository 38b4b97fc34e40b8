//! How threads that work together stop together: the first problem ends all of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::diagnostic::Problem;
use crate::domain::Progress;

/// The lock even if a thread panicked while it held it: a panic ends the process with its own
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
    /// Ends the work because of a problem; only the first one is kept.
    pub fn stop(&self, problem: Problem) {
        lock(&self.problem).get_or_insert(problem);
        self.stopped.store(true, Ordering::Release);
    }

    /// Whether the work is to end, because of a problem or because somebody asked for it.
    pub fn check(&self, progress: &dyn Progress) -> bool {
        if !self.stopped.load(Ordering::Acquire) && progress.interrupted() {
            self.stop(Problem::interrupted());
        }
        self.stopped.load(Ordering::Acquire)
    }

    /// The result of `work`, which stops the others if it failed.
    pub fn guard<T>(&self, work: Result<T, Problem>) -> Option<T> {
        match work {
            Ok(value) => Some(value),
            Err(problem) => {
                self.stop(problem);
                None
            }
        }
    }

    /// All is well, or the first problem.
    pub fn outcome(&self) -> Result<(), Problem> {
        lock(&self.problem).take().map_or(Ok(()), Err)
    }
}

/// Lets workers run ahead of the writer by so many partitions, and no further.
#[derive(Debug)]
pub(super) struct Turnstile {
    done: Mutex<usize>,
    moved: Condvar,
    lead: usize,
}

impl Turnstile {
    /// At most `lead` items may be under way.
    pub fn new(lead: usize) -> Self {
        Self { done: Mutex::new(0), moved: Condvar::new(), lead }
    }

    /// Waits until item `index` may begin.
    pub fn enter(&self, index: usize) {
        let mut done = lock(&self.done);
        while index >= *done + self.lead {
            done = self.moved.wait(done).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The items before `count` are done.
    pub fn advance(&self, count: usize) {
        let mut done = lock(&self.done);
        *done = count.max(*done);
        self.moved.notify_all();
    }

    /// Lets everybody through from now on, because the work ends.
    pub fn open(&self) {
        self.advance(usize::MAX / 2);
    }
}
