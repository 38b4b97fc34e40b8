//! Lanes: each kind of request has its own threads. A slow store does not delay `/health`, exports
//! delay no other requests.

use std::time::Duration;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lane {
    /// `/health`: never touches the store.
    Health,
    /// `/ready` and `/metrics`.
    Watch,
    /// Long answers, written piece by piece.
    Export,
    #[default]
    Work,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub threads: usize,
    /// Concurrent requests, including those whose answers are being copied.
    pub permits: usize,
    /// How many of them are reserved for clients who are logged in.
    pub reserved: usize,
    /// Length of the waiting line; further requests are refused.
    pub waiting: usize,
    /// Longest wait for a permit.
    pub permit_time: Duration,
    /// Time until the first byte of the answer.
    pub answer_time: Duration,
}

/// Concurrent exports; each has a thread.
pub const STREAMS: usize = 8;
/// A request's deadline, for a thread and the store together.
pub const PATIENCE: Duration = Duration::from_secs(2);

impl Lane {
    pub const ALL: [Self; 4] = [Self::Health, Self::Watch, Self::Export, Self::Work];

    /// Position in [`Lane::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Limits when `threads` are available for work.
    pub fn limits(self, threads: usize) -> Limits {
        let small = |threads| Limits {
            threads,
            permits: threads,
            reserved: 0,
            waiting: 64,
            permit_time: Duration::from_millis(1_500),
            answer_time: Duration::from_secs(5),
        };
        match self {
            Self::Health => small(2),
            Self::Watch => Limits { answer_time: Duration::from_millis(2_700), ..small(2) },
            Self::Export => Limits {
                permits: 2 + STREAMS,
                reserved: 1,
                answer_time: Duration::from_secs(60),
                ..small(2)
            },
            Self::Work => Limits {
                threads,
                permits: threads,
                reserved: threads / 4,
                waiting: 192,
                permit_time: Duration::from_millis(1_500),
                answer_time: Duration::from_secs(60),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_have_an_index_and_permits_for_anonymous_clients() {
        for lane in Lane::ALL {
            assert_eq!(Lane::ALL[lane.index()], lane);
            let limits = lane.limits(4);
            assert!(limits.threads > 0 && limits.reserved < limits.permits, "{lane:?}");
            // A permit without a thread would hide a waiting request.
            let streams = if lane == Lane::Export { STREAMS } else { 0 };
            assert_eq!(limits.permits, limits.threads + streams, "{lane:?}");
        }
    }
}
