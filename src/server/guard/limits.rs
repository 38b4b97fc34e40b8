//! How much a stranger may take: bytes, headers, seconds and connections.

use std::time::Duration;

use crate::diagnostic::{Code, Problem};

/// Bytes of a request's head: the request line and all headers.
pub const HEAD_BYTES: usize = 16 * 1024;
/// Header lines of a request.
pub const HEADERS: usize = 64;
/// Bytes of a request's target.
pub const TARGET_BYTES: usize = 8 * 1024;
/// Bytes of a request's body.
pub const BODY_BYTES: usize = 1024 * 1024;
/// Requests of one connection.
pub const REQUESTS: usize = 1_000;
/// From a head's first byte to its last.
pub const HEAD_TIME: Duration = Duration::from_secs(5);
/// From a body's first byte to its last.
pub const BODY_TIME: Duration = Duration::from_secs(10);
/// For an answer, plus a second for each [`SLOWEST`] bytes of it that have gone.
pub const WRITE_TIME: Duration = Duration::from_secs(30);
/// Bytes a second that a long answer must at least go at.
pub const SLOWEST: u64 = 64 * 1024;
/// Between two requests.
pub const IDLE_TIME: Duration = Duration::from_secs(15);
/// After the last answer, for the client to take it before the connection is gone.
pub const LINGER_TIME: Duration = Duration::from_secs(1);
/// Bytes that are thrown away meanwhile.
pub const LINGER_BYTES: usize = 2 * 1024 * 1024;
/// For requests at work when the server stops.
pub const DRAIN_TIME: Duration = Duration::from_secs(10);

/// How long a new connection waits for a place before it is turned away.
pub const DOOR_TIME: Duration = Duration::from_millis(250);

/// How many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Connections in all.
    pub connections: usize,
    /// Connections of one address, unless it speaks for many.
    pub per_address: usize,
    /// Threads that the handlers work with.
    pub threads: usize,
}

/// Fewer open files than this are not enough for the store, the log and a few connections.
pub const FEWEST_FILES: u64 = 64;

impl Caps {
    /// The caps that the process can hold: a connection is one open file, a request at work three
    /// more, and the store, the listener and the rest need theirs.
    pub fn for_open_files(limit: Option<u64>, cores: usize) -> Self {
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let connections = (limit / 3).clamp(8, 256);
        Self {
            connections,
            per_address: 32.min(connections),
            threads: (cores * 4).clamp(12, 32).min((limit / 16).max(4)),
        }
    }

    /// The caps under the process's present limit of open files.
    ///
    /// # Errors
    /// The process may open too few files.
    pub fn of_process() -> Result<Self, Problem> {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        if let Some(few) = limit.filter(|limit| *limit < FEWEST_FILES) {
            let message = format!("the server may open only {few} files at once");
            return Err(Problem::new(Code::TooFewFiles, message).help(format!(
                "raise the limit (ulimit -n) to {FEWEST_FILES} or more; 1024 serve all connections"
            )));
        }
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Ok(Self::for_open_files(limit, cores))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_fit_into_the_open_files() {
        let all = Caps::for_open_files(None, 2);
        assert_eq!((all.connections, all.per_address, all.threads), (256, 32, 12));
        let few = Caps::for_open_files(Some(256), 16);
        assert_eq!((few.connections, few.threads), (85, 16));
        assert!(few.connections + 3 * few.threads < 200);
        let fewest = Caps::for_open_files(Some(FEWEST_FILES), 16);
        assert_eq!((fewest.connections, fewest.threads), (21, 4));
    }
}
