//! Threads, without the panic of the standard library's short form: a system that gives none is a
//! problem with advice.

use std::io;
use std::sync::mpsc;
use std::thread::{Builder, Scope, ScopedJoinHandle};

use crate::diagnostic::Problem;

/// Starts a thread that ends before its scope does.
///
/// # Errors
/// What a thread must be able to allocate, so that it can begin at all.
const ROOM: usize = 256 * 1024;
/// What must be left for everybody else.
const ROOM_LEFT: usize = 16 * 1024 * 1024;

/// Makes sure that so many threads can be had at once, each with some memory. Libraries panic where
/// they get no thread, and a program that can't allocate is aborted: both are prevented here.
///
/// # Errors
/// The system gives fewer threads, or too little memory.
pub fn room_for(count: usize) -> Result<(), Problem> {
    let (report, reports) = mpsc::channel::<bool>();
    let mut ends = Vec::new();
    let mut threads = Vec::new();
    let mut outcome = Ok(());
    for _ in 0..count {
        let (end, wait) = mpsc::channel::<()>();
        let report = report.clone();
        let work = move || {
            let mut room: Vec<u8> = Vec::new();
            let _ = report.send(room.try_reserve_exact(ROOM).is_ok());
            // It ends when all are there, or one can't be.
            let _ = wait.recv();
        };
        let started = Builder::new().name("probe".to_owned()).spawn(work);
        match started.map_err(|error| refused(&error)) {
            Ok(thread) => {
                ends.push(end);
                threads.push(thread);
                if reports.recv() != Ok(true) {
                    outcome = Err(no_memory());
                }
            }
            Err(problem) => outcome = Err(problem),
        }
        if outcome.is_err() {
            break;
        }
    }
    let mut left: Vec<u8> = Vec::new();
    if outcome.is_ok() && left.try_reserve_exact(ROOM_LEFT).is_err() {
        outcome = Err(no_memory());
    }
    drop((ends, left));
    for thread in threads {
        let _ = thread.join();
    }
    outcome
}

fn no_memory() -> Problem {
    Problem::usage("no-memory", "there is too little memory for the threads")
        .help("set `options.threads` lower, or raise the limit of memory (ulimit -v)")
}

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
    Problem::usage("no-thread", format!("the system gives no more threads: {error}")).help(
        "set `options.threads` lower, or raise the limits of processes and memory (ulimit -u, -v)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_a_few_threads() {
        assert_eq!(room_for(0), Ok(()));
        assert_eq!(room_for(8), Ok(()));
        let spawned = std::thread::scope(|scope| {
            spawn_scoped(scope, "one", || 7).map(|thread| thread.join().unwrap())
        });
        assert_eq!(spawned, Ok(7));
    }
}
