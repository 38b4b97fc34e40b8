//! Limits for clients: bytes, headers, seconds and connections.

use std::time::Duration;

use crate::diagnostic::{Code, Problem};

/// Request line and headers.
pub const HEAD_BYTES: usize = 16 * 1024;
pub const HEADERS: usize = 64;
pub const TARGET_BYTES: usize = 8 * 1024;
pub const BODY_BYTES: usize = 1024 * 1024;
pub const REQUESTS: usize = 1_000;
/// From a head's first byte to its last.
pub const HEAD_TIME: Duration = Duration::from_secs(5);
/// From a body's first byte to its last.
pub const BODY_TIME: Duration = Duration::from_secs(10);
/// For an answer, plus a second for each [`SLOWEST`] bytes sent.
pub const WRITE_TIME: Duration = Duration::from_secs(30);
/// Lowest rate of a long answer, in bytes per second.
pub const SLOWEST: u64 = 64 * 1024;
pub const IDLE_TIME: Duration = Duration::from_secs(15);
/// For the client to read the last answer before the connection closes.
pub const LINGER_TIME: Duration = Duration::from_secs(1);
/// Bytes discarded meanwhile.
pub const LINGER_BYTES: usize = 2 * 1024 * 1024;
/// For in-flight requests when the server stops.
pub const DRAIN_TIME: Duration = Duration::from_secs(10);

/// For a new connection to get a slot.
pub const ADMIT_TIME: Duration = Duration::from_millis(250);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    pub connections: usize,
    /// Connections per address, unless it is a proxy's.
    pub per_address: usize,
    pub threads: usize,
}

/// Open files needed for the store, the log and a few connections.
const FEWEST_FILES: u64 = 64;

impl Caps {
    /// A connection takes one open file, a request being answered three more; store, listener and
    /// log need theirs.
    fn for_open_files(limit: Option<u64>, cores: usize) -> Self {
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let connections = (limit / 3).clamp(8, 256);
        Self {
            connections,
            per_address: 32.min(connections),
            threads: (cores * 4).clamp(12, 32).min((limit / 16).max(4)),
        }
    }

    pub fn of_process() -> Result<Self, Problem> {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        if let Some(few) = limit.filter(|limit| *limit < FEWEST_FILES) {
            let message = format!("the server may only open {few} files at once");
            return Err(Problem::new(Code::TooFewFiles, message).help(format!(
                "raise the limit (ulimit -n) to {FEWEST_FILES} or more; 1024 is enough for all connections"
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
    fn caps_fit_the_limit_of_open_files() {
        let all = Caps::for_open_files(None, 2);
        assert_eq!((all.connections, all.per_address, all.threads), (256, 32, 12));
        let few = Caps::for_open_files(Some(256), 16);
        assert_eq!((few.connections, few.threads), (85, 16));
        assert!(few.connections + 3 * few.threads < 200);
        let fewest = Caps::for_open_files(Some(FEWEST_FILES), 16);
        assert_eq!((fewest.connections, fewest.threads), (21, 4));
    }
}
