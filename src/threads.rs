//! Threads that can't be started are a problem with advice, never a panic.

use std::io;
use std::sync::mpsc;
use std::thread::{Builder, Scope, ScopedJoinHandle};

use crate::diagnostic::{Code, Problem};

/// The most worker threads of a run.
pub const MOST: usize = 512;

/// The most threads that a library starts for itself.
const LIBRARY_THREADS: usize = 6;

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

/// Memory that a thread must be able to allocate to start at all.
const ROOM: usize = 256 * 1024;
/// Memory left for other processes.
const ROOM_LEFT: usize = 16 * 1024 * 1024;

/// Checks that this many threads can run at once, each with some memory. Libraries panic if they get no thread, and a
/// program that can't allocate is aborted: both are prevented here.
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
        match started.map_err(|error| not_started(&error)) {
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

/// The least address space in which every command can report a lack of memory. Below that an allocation may fail
/// anywhere, and that aborts the program.
const LEAST_SPACE: u64 = 256 << 20;

/// Makes sure that the limits of this process leave room to work.
///
/// # Errors
/// The address space is limited to less than that.
pub fn enough_memory() -> Result<(), Problem> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::As).current;
    match limit {
        Some(limit) if limit < LEAST_SPACE => Err(Problem::new(
            Code::NoMemory,
            format!("{} MiB of memory are too little for recon", limit >> 20),
        )
        .help(format!("raise the limit (ulimit -v) to {} MiB or more", LEAST_SPACE >> 20))),
        _ => Ok(()),
    }
}

fn no_memory() -> Problem {
    Problem::new(Code::NoMemory, "there is too little memory for the threads")
        .help("set `options.threads` lower, or raise the limit of memory (ulimit -v)")
}

/// Makes sure that a library which starts a few threads of its own can have them.
///
/// # Errors
/// As [`room_for`].
pub fn probe() -> Result<(), Problem> {
    room_for(LIBRARY_THREADS)
}

/// The problem of a thread that could not be started.
pub fn not_started(error: &io::Error) -> Problem {
    Problem::new(Code::NoThread, format!("a thread can't be started ({error})")).help(
        "there is too little memory, or a limit on processes: lower `options.threads`, or raise the \
         limit (ulimit -u, ulimit -v)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_a_few_threads() {
        assert_eq!(room_for(0), Ok(()));
        assert_eq!(room_for(8), Ok(()));
    }
}
