//! Places limit concurrent requests. Clients who are logged in come first, and a few places are
//! reserved for them, so that a flood of anonymous requests does not delay them.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::server::lane::Limits;

/// Interval of checking whether a waiting client has gone.
const POLL: Duration = Duration::from_millis(100);

#[derive(Default)]
struct State {
    taken: usize,
    /// Waiting clients: anonymous, logged in.
    waiting: [usize; 2],
}

/// The places of a lane.
pub struct Places {
    limits: Limits,
    state: Mutex<State>,
    freed: [Condvar; 2],
}

/// Freed when dropped.
pub struct Place<'a>(&'a Places);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlace {
    Full,
    Gone,
}

impl Places {
    pub fn new(limits: Limits) -> Self {
        Self { limits, state: Mutex::default(), freed: Default::default() }
    }

    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_free(&self, state: &State, known: bool) -> bool {
        let [_, known_waiting] = state.waiting;
        let most = self.limits.places - if known { 0 } else { self.limits.reserved };
        state.taken < most && (known || known_waiting == 0)
    }

    /// Takes a place, or waits for one. `known`: the client is logged in; `gone`: it has
    /// disconnected.
    pub fn take(&self, known: bool, gone: impl Fn() -> bool) -> Result<Place<'_>, NoPlace> {
        let until = Instant::now() + self.limits.place_time;
        let mut state = self.state();
        if !self.is_free(&state, known) {
            let [strangers, others] = state.waiting;
            // Anonymous clients count against all who wait, logged-in clients only against their
            // own.
            if (if known { others } else { strangers + others }) >= self.limits.waiting {
                return Err(NoPlace::Full);
            }
            let at = usize::from(known);
            let count = |state: &mut State, up: bool| {
                if let Some(waiting) = state.waiting.get_mut(at) {
                    *waiting = if up { *waiting + 1 } else { waiting.saturating_sub(1) };
                }
            };
            count(&mut state, true);
            let [strangers, others] = &self.freed;
            let freed = if known { others } else { strangers };
            let outcome = loop {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break Err(NoPlace::Full);
                }
                let waited = freed.wait_timeout(state, left.min(POLL));
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                // Logged-in clients that wait as well must not block this one.
                let free = if known {
                    state.taken < self.limits.places
                } else {
                    self.is_free(&state, false)
                };
                if free {
                    break Ok(());
                }
                if gone() {
                    break Err(NoPlace::Gone);
                }
            };
            count(&mut state, false);
            outcome?;
        }
        state.taken += 1;
        drop(state);
        Ok(Place(self))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.taken = state.taken.saturating_sub(1);
        let [_, known_waiting] = state.waiting;
        drop(state);
        let [strangers, others] = &self.0.freed;
        if known_waiting > 0 { others.notify_one() } else { strangers.notify_one() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::lane::Lane;

    fn places() -> Places {
        let place_time = Duration::from_millis(300);
        Places::new(Limits {
            places: 3,
            reserved: 1,
            waiting: 2,
            place_time,
            ..Lane::Work.limits(3)
        })
    }

    #[test]
    fn the_last_places_are_reserved_for_logged_in_clients() {
        let places = places();
        let stranger = || places.take(false, || false).map(drop);
        let (first, _second) =
            (places.take(false, || false).unwrap(), places.take(false, || false).unwrap());
        assert_eq!(stranger(), Err(NoPlace::Full));
        let third = places.take(true, || false).unwrap();
        assert_eq!(places.take(true, || false).map(drop), Err(NoPlace::Full));
        drop(third);
        drop(first);
        assert_eq!(stranger(), Ok(()));
    }

    #[test]
    fn logged_in_clients_come_first_and_gone_clients_leave_the_line() {
        let places = places();
        let held: Vec<_> = (0..3).map(|_| places.take(true, || false).unwrap()).collect();
        assert_eq!(places.take(true, || true).map(drop), Err(NoPlace::Gone));
        std::thread::scope(|scope| {
            let known = scope.spawn(|| places.take(true, || false).map(drop));
            while places.state().waiting != [0, 1] {
                std::thread::yield_now();
            }
            let first = places.take(false, || false).map(drop);
            assert_eq!(first, Err(NoPlace::Full));
            assert_eq!(known.join().unwrap(), Err(NoPlace::Full));
        });
        drop(held);
        assert_eq!(places.state().taken, 0);
    }

    #[test]
    fn the_waiting_line_is_bounded() {
        let places = places();
        let _held: Vec<_> = (0..3).map(|_| places.take(true, || false).unwrap()).collect();
        std::thread::scope(|scope| {
            let waiting: Vec<_> =
                (0..2).map(|_| scope.spawn(|| places.take(false, || false).map(drop))).collect();
            while places.state().waiting != [2, 0] {
                std::thread::yield_now();
            }
            let began = Instant::now();
            assert_eq!(places.take(false, || false).map(drop), Err(NoPlace::Full));
            assert!(began.elapsed() < Duration::from_millis(200));
            for thread in waiting {
                assert_eq!(thread.join().unwrap(), Err(NoPlace::Full));
            }
        });
    }
}
