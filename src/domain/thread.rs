//! Threads, without the panic of the standard library's short form: a system that gives none is a
//! problem with advice.

use std::io;
use std::thread::{Builder, Scope, ScopedJoinHandle};

use crate::diagnostic::Problem;

/// Starts a thread that ends before its scope does.
///
/// # Errors
/// The system gives no thread.
pub fn spawn_scoped<'scope, 'env, T: Send + 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, Problem> {
    let builder = Builder::new().name(name.to_owned());
    builder.spawn_scoped(scope, work).map_err(|error| refused(&error))
}

/// The system gives no thread.
pub fn refused(error: &io::Error) -> Problem {
    Problem::usage("no-thread", format!("the system gives no more threads: {error}"))
        .help("set `options.threads` lower, or raise the limits of processes and memory (ulimit -u, -v)")
}
