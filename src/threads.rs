//! Threads that can't be started are a problem with advice, never a panic.

use std::io;
use std::thread::{Builder, Scope, ScopedJoinHandle};

use crate::diagnostic::Problem;

/// The most worker threads of a run.
pub const MOST: usize = 512;

/// Starts a thread within a scope.
///
/// # Errors
/// The system has no room for another thread.
pub fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, Problem> {
    Builder::new().spawn_scoped(scope, work).map_err(|error| not_started(&error))
}

/// Whether a few threads can be started now. Libraries that start threads of their own panic where they
/// can't.
///
/// # Errors
/// As [`start`].
pub fn probe() -> Result<(), Problem> {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            start(scope, || ())?;
        }
        Ok(())
    })
}

/// The problem of a thread that could not be started.
pub fn not_started(error: &io::Error) -> Problem {
    Problem::store("no-thread", format!("a thread can't be started ({error})")).help(
        "there is too little memory, or a limit on processes: lower `options.threads`, or raise the \
         limit (ulimit -u, ulimit -v)",
    )
}
