//! Permits limit concurrent requests. Clients who are logged in come first, and a few permits are
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

pub struct Permits {
    limits: Limits,
    state: Mutex<State>,
    freed: [Condvar; 2],
}

/// Freed when dropped.
pub struct Permit<'a>(&'a Permits);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPermit {
    Full,
    Gone,
}

impl Permits {
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
        let most = self.limits.permits - if known { 0 } else { self.limits.reserved };
        state.taken < most && (known || known_waiting == 0)
    }

    /// Takes a permit, or waits for one. `known`: the client is logged in; `gone`: it has
    /// disconnected.
    pub fn take(&self, known: bool, gone: impl Fn() -> bool) -> Result<Permit<'_>, NoPermit> {
        let until = Instant::now() + self.limits.permit_time;
        let mut state = self.state();
        if !self.is_free(&state, known) {
            let [strangers, others] = state.waiting;
            // Anonymous clients count against all who wait, logged-in clients only against their
            // own.
            if (if known { others } else { strangers + others }) >= self.limits.waiting {
                return Err(NoPermit::Full);
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
                    break Err(NoPermit::Full);
                }
                let waited = freed.wait_timeout(state, left.min(POLL));
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                // Logged-in clients that wait as well must not block this one.
                let free = if known {
                    state.taken < self.limits.permits
                } else {
                    self.is_free(&state, false)
                };
                if free {
                    break Ok(());
                }
                if gone() {
                    break Err(NoPermit::Gone);
                }
            };
            count(&mut state, false);
            outcome?;
        }
        state.taken += 1;
        drop(state);
        Ok(Permit(self))
    }
}

impl Drop for Permit<'_> {
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

    fn permits() -> Permits {
        let permit_time = Duration::from_millis(300);
        Permits::new(Limits {
            permits: 3,
            reserved: 1,
            waiting: 2,
            permit_time,
            ..Lane::Work.limits(3)
        })
    }

    #[test]
    fn the_last_permits_are_reserved_for_logged_in_clients() {
        let permits = permits();
        let stranger = || permits.take(false, || false).map(drop);
        let (first, _second) =
            (permits.take(false, || false).unwrap(), permits.take(false, || false).unwrap());
        assert_eq!(stranger(), Err(NoPermit::Full));
        let third = permits.take(true, || false).unwrap();
        assert_eq!(permits.take(true, || false).map(drop), Err(NoPermit::Full));
        drop(third);
        drop(first);
        assert_eq!(stranger(), Ok(()));
    }

    #[test]
    fn logged_in_clients_come_first_and_gone_clients_leave_the_line() {
        let permits = permits();
        let held: Vec<_> = (0..3).map(|_| permits.take(true, || false).unwrap()).collect();
        assert_eq!(permits.take(true, || true).map(drop), Err(NoPermit::Gone));
        std::thread::scope(|scope| {
            let known = scope.spawn(|| permits.take(true, || false).map(drop));
            while permits.state().waiting != [0, 1] {
                std::thread::yield_now();
            }
            let first = permits.take(false, || false).map(drop);
            assert_eq!(first, Err(NoPermit::Full));
            assert_eq!(known.join().unwrap(), Err(NoPermit::Full));
        });
        drop(held);
        assert_eq!(permits.state().taken, 0);
    }

    #[test]
    fn the_waiting_line_is_bounded() {
        let permits = permits();
        let _held: Vec<_> = (0..3).map(|_| permits.take(true, || false).unwrap()).collect();
        std::thread::scope(|scope| {
            let waiting: Vec<_> =
                (0..2).map(|_| scope.spawn(|| permits.take(false, || false).map(drop))).collect();
            while permits.state().waiting != [2, 0] {
                std::thread::yield_now();
            }
            let began = Instant::now();
            assert_eq!(permits.take(false, || false).map(drop), Err(NoPermit::Full));
            assert!(began.elapsed() < Duration::from_millis(200));
            for thread in waiting {
                assert_eq!(thread.join().unwrap(), Err(NoPermit::Full));
            }
        });
    }
}
