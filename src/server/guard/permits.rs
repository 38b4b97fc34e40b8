//! Permits limit concurrent requests. Clients who are logged in come first, and a few permits are
//! reserved for them, so that a flood of anonymous requests does not delay them. Waiting requests are
//! served in the order of arrival, so that a client without pauses never overtakes others. One
//! permit in four goes to an anonymous client, so that people can log in while a team is busy.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::server::lane::Limits;

/// Interval of checking whether a waiting client has gone.
const POLL: Duration = Duration::from_millis(100);
/// Permits that logged-in clients get before a waiting anonymous one gets one.
const FIRST: usize = 3;

#[derive(Default)]
struct State {
    taken: usize,
    /// Taken by anonymous clients.
    strangers: usize,
    /// Given to logged-in clients since anonymous ones wait.
    passed: usize,
    /// Waiting clients in order of arrival: anonymous, logged in.
    lines: [VecDeque<Arc<Condvar>>; 2],
}

impl State {
    fn waiting(&self, known: bool) -> usize {
        self.lines[usize::from(known)].len()
    }

    fn leave(&mut self, known: bool, own: &Arc<Condvar>) {
        self.lines[usize::from(known)].retain(|other| !Arc::ptr_eq(other, own));
    }
}

pub struct Permits {
    limits: Limits,
    state: Mutex<State>,
}

/// Freed when dropped.
pub struct Permit<'a> {
    permits: &'a Permits,
    known: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPermit {
    Full,
    Gone,
}

impl Permits {
    pub fn new(limits: Limits) -> Self {
        Self { limits, state: Mutex::default() }
    }

    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a permit for such a client, if it is the next of its line.
    fn is_free(&self, state: &State, known: bool) -> bool {
        let for_strangers = self.limits.permits - self.limits.reserved;
        let is_their_turn = state.passed >= FIRST && state.strangers < for_strangers;
        match (state.waiting(true) > 0, known) {
            _ if state.taken >= self.limits.permits => false,
            (_, true) => !(is_their_turn && state.waiting(false) > 0),
            (true, false) => is_their_turn,
            (false, false) => state.taken < for_strangers,
        }
    }

    fn give(&self, state: &mut State, known: bool) -> Permit<'_> {
        state.taken += 1;
        state.strangers += usize::from(!known);
        let passes = known && state.waiting(false) > 0;
        state.passed = if passes { state.passed + 1 } else { 0 };
        Permit { permits: self, known }
    }

    /// Wakes the client that is next, if there is a permit for it.
    fn wake_next(&self, state: &State) {
        for known in [true, false] {
            if let Some(next) = state.lines[usize::from(known)].front()
                && self.is_free(state, known)
            {
                next.notify_one();
                return;
            }
        }
    }

    /// Takes a permit, or waits for one. `known`: the client is logged in; `gone`: it has
    /// disconnected.
    pub fn take(&self, known: bool, gone: impl Fn() -> bool) -> Result<Permit<'_>, NoPermit> {
        let mut state = self.state();
        if state.waiting(known) == 0 && self.is_free(&state, known) {
            return Ok(self.give(&mut state, known));
        }
        // Anonymous clients count against all who wait, logged-in clients only against their
        // own.
        let before = state.waiting(true) + if known { 0 } else { state.waiting(false) };
        if before >= self.limits.waiting {
            return Err(NoPermit::Full);
        }
        let own = Arc::new(Condvar::new());
        state.lines[usize::from(known)].push_back(Arc::clone(&own));
        // A waiting client who is logged in may make it the turn of an anonymous one.
        self.wake_next(&state);
        let until = Instant::now() + self.limits.permit_time;
        let outcome = loop {
            let is_next =
                state.lines[usize::from(known)].front().is_some_and(|next| Arc::ptr_eq(next, &own));
            if is_next && self.is_free(&state, known) {
                break Ok(self.give(&mut state, known));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break Err(NoPermit::Full);
            }
            let waited = own.wait_timeout(state, left.min(POLL));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if gone() {
                break Err(NoPermit::Gone);
            }
        };
        state.leave(known, &own);
        // The leaving client may have been woken in vain, or there are more permits.
        self.wake_next(&state);
        outcome
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.permits.state();
        state.taken = state.taken.saturating_sub(1);
        state.strangers = state.strangers.saturating_sub(usize::from(!self.known));
        self.permits.wake_next(&state);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

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
            while permits.state().waiting(true) != 1 {
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
            while permits.state().waiting(false) != 2 {
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

    #[test]
    fn a_client_that_asks_again_at_once_does_not_overtake_those_who_wait() {
        let permits = permits();
        let _held: Vec<_> = (0..3).map(|_| permits.take(true, || false).unwrap()).collect();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| permits.take(true, || false));
            while permits.state().waiting(true) != 1 {
                std::thread::yield_now();
            }
            // One is given back, which the client that waits has not seen yet.
            permits.state().taken -= 1;
            assert_eq!(permits.take(true, || false).map(drop), Err(NoPermit::Full));
            assert!(waiting.join().unwrap().is_ok());
        });
    }

    #[test]
    fn clients_who_are_logged_in_leave_room_for_one_who_wants_to() {
        let permit_time = Duration::from_secs(60);
        let permits = Permits::new(Limits { waiting: 16, permit_time, ..*permits().limits() });
        let held: Vec<_> = (0..3).map(|_| permits.take(true, || false).unwrap()).collect();
        std::thread::scope(|scope| {
            let stranger = scope.spawn(|| permits.take(false, || false).map(drop));
            while permits.state().waiting(false) != 1 {
                std::thread::yield_now();
            }
            let done = AtomicBool::new(false);
            let busy = || {
                while !done.load(Ordering::SeqCst) {
                    let permit = permits.take(true, || false);
                    std::thread::sleep(Duration::from_millis(1));
                    drop(permit);
                }
            };
            std::thread::scope(|scope| {
                for _ in 0..6 {
                    scope.spawn(busy);
                }
                while permits.state().waiting(true) != 6 {
                    std::thread::yield_now();
                }
                drop(held);
                let outcome = stranger.join();
                done.store(true, Ordering::SeqCst);
                assert_eq!(outcome.unwrap(), Ok(()));
            });
        });
    }
}
