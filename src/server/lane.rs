//! Lanes: requests of different kinds have threads of their own, so that none takes those of
//! another. Work on a slow store leaves `/health` alone, and exports leave everybody alone.

use std::time::Duration;

/// A kind of request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lane {
    /// Whether the process lives: never touches the store.
    Health,
    /// Whether it is ready, and its metrics.
    Watch,
    /// Answers of any length, written piece by piece.
    Export,
    /// Everything else.
    #[default]
    Work,
}

/// How much a lane takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Threads that answer.
    pub threads: usize,
    /// Requests that are answered, or whose answers are copied, at once.
    pub places: usize,
    /// Of these, those that only clients who are logged in can have.
    pub reserved: usize,
    /// Requests that wait for a place; the next one is refused.
    pub waiting: usize,
    /// How long a place is waited for.
    pub place_time: Duration,
    /// How long the answer may take to begin.
    pub answer_time: Duration,
}

/// Answers that are written piece by piece at once; each has a thread.
pub const STREAMS: usize = 8;
/// How long a request may wait, for a thread and for the store together.
pub const PATIENCE: Duration = Duration::from_secs(2);

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 4] = [Self::Health, Self::Watch, Self::Export, Self::Work];

    /// Its place among [`Lane::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its limits, where `threads` can be had for work.
    pub fn limits(self, threads: usize) -> Limits {
        let small = |threads| Limits {
            threads,
            places: threads,
            reserved: 0,
            waiting: 64,
            place_time: Duration::from_millis(1_500),
            answer_time: Duration::from_secs(5),
        };
        match self {
            Self::Health => small(2),
            Self::Watch => Limits { answer_time: Duration::from_millis(2_700), ..small(2) },
            Self::Export => Limits {
                places: 2 + STREAMS,
                reserved: 1,
                answer_time: Duration::from_secs(60),
                ..small(2)
            },
            Self::Work => Limits {
                threads,
                places: threads,
                reserved: threads / 4,
                waiting: 192,
                place_time: Duration::from_millis(1_500),
                answer_time: Duration::from_secs(60),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_found_by_their_number_and_leave_strangers_a_place() {
        for lane in Lane::ALL {
            assert_eq!(Lane::ALL[lane.index()], lane);
            let limits = lane.limits(4);
            assert!(limits.threads > 0 && limits.reserved < limits.places, "{lane:?}");
            // A place without a thread would be a request that waits where nobody sees it.
            let streams = if lane == Lane::Export { STREAMS } else { 0 };
            assert_eq!(limits.places, limits.threads + streams, "{lane:?}");
        }
    }
}
