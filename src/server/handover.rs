//! Requests on their way from the guard to the handlers, as the guard parsed them. tiny_http carries
//! only a request's number, so no byte that a client sent is parsed a second time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::http::Request;
use super::lane::Lane;
use crate::database::patience::Watch;

pub struct Handed {
    pub request: Request,
    pub lane: Lane,
    pub came: Instant,
    /// Set with the answer: the client is logged in.
    pub known: Arc<AtomicBool>,
    /// Watches the sessions that the request waits for.
    pub watch: Watch,
}

#[derive(Default)]
pub struct Handover {
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, Handed>>,
}

impl Handover {
    pub fn put(&self, handed: Handed) -> Ticket<'_> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.waiting().insert(number, handed);
        Ticket { handover: self, number }
    }

    /// `None` if the guard has given the request up.
    pub fn take(&self, number: u64) -> Option<Handed> {
        self.waiting().remove(&number)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, Handed>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number of a request that waits. Dropping it takes the request back.
pub struct Ticket<'a> {
    handover: &'a Handover,
    pub number: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.handover.take(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::http::Method;

    #[test]
    fn a_request_is_handed_over_once_and_not_after_it_was_given_up() {
        let handover = Handover::default();
        let handed = |path: &str| Handed {
            request: Request::new(Method::Get, path).unwrap(),
            lane: Lane::Work,
            came: Instant::now(),
            known: Arc::default(),
            watch: Watch::default(),
        };
        let (first, second) = (handover.put(handed("/a")), handover.put(handed("/b")));
        assert_eq!(handover.take(second.number).unwrap().request.path(), "/b");
        assert!(handover.take(second.number).is_none());
        let number = first.number;
        drop(first);
        assert!(handover.take(number).is_none());
    }
}
