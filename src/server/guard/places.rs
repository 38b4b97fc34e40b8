//! Places for requests that are answered. Clients who are logged in come first, and a few places
//! are theirs alone, so that no crowd of strangers keeps them waiting.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::server::lane::Limits;

/// How often somebody who waits is looked after: a client that has gone waits no more.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Default)]
struct State {
    taken: usize,
    /// Who waits: strangers, and those who are logged in.
    waiting: [usize; 2],
}

/// The places of a lane.
pub struct Places {
    limits: Limits,
    state: Mutex<State>,
    freed: [Condvar; 2],
}

/// A place; given back when dropped.
pub struct Place<'a>(&'a Places);

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// Too many want one.
    Full,
    /// The client has gone.
    Gone,
}

impl Places {
    /// Places, all free.
    pub fn new(limits: Limits) -> Self {
        Self { limits, state: Mutex::default(), freed: Default::default() }
    }

    /// What the lane takes.
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

    /// Takes a place, or waits for one. `known` says that the client is logged in, `gone` whether it
    /// has gone meanwhile.
    ///
    /// # Errors
    /// There was none in time, or too many wait, or the client has gone.
    pub fn take(&self, known: bool, gone: impl Fn() -> bool) -> Result<Place<'_>, NoPlace> {
        let until = Instant::now() + self.limits.place_time;
        let mut state = self.state();
        if !self.is_free(&state, known) {
            let [strangers, others] = state.waiting;
            // Whoever is logged in finds room to wait where strangers find none.
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
                let waited = freed.wait_timeout(state, left.min(LOOK));
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                // Whoever waits with us must not keep us from the place.
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
    fn the_last_places_are_for_those_who_are_logged_in() {
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
    fn who_is_logged_in_comes_first_and_who_has_gone_waits_no_more() {
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
    fn only_so_many_wait() {
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
