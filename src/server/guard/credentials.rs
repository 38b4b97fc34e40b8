//! Recently used credentials: a new connection that sends one waits for its first answer in the line of logged-in
//! clients. Nothing else depends on it: each request's credential is checked later. Only hashes with a secret of the
//! process are kept.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::server::http::Request;

/// How long a credential is remembered after it was last good.
const REMEMBERED: Duration = Duration::from_secs(5 * 60);
const MOST: usize = 4_096;

#[derive(Default)]
pub struct Credentials {
    secret: RandomState,
    /// Time of the last request that each was accepted for.
    used: Mutex<HashMap<u64, Instant>>,
}

/// The hash of a request's token and cookie; `None` without both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credential(Option<u64>);

impl Credentials {
    pub fn of(&self, request: &Request) -> Credential {
        let said = ["authorization", "cookie"].map(|name| request.headers.one(name));
        Credential(said.iter().any(Option::is_some).then(|| self.secret.hash_one(said)))
    }

    fn used(&self) -> MutexGuard<'_, HashMap<u64, Instant>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn knows(&self, credential: Credential, now: Instant) -> bool {
        let Some(hash) = credential.0 else { return false };
        let is_fresh = |used: &Instant| now.saturating_duration_since(*used) < REMEMBERED;
        self.used().get(&hash).is_some_and(is_fresh)
    }

    /// Remembers an accepted credential and forgets a refused one.
    pub fn note(&self, credential: Credential, is_good: bool, now: Instant) {
        let Some(hash) = credential.0 else { return };
        let mut used = self.used();
        if !is_good {
            used.remove(&hash);
            return;
        }
        if used.len() >= MOST && !used.contains_key(&hash) {
            used.clear();
        }
        used.insert(hash, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_known_while_it_is_good() {
        let credentials = Credentials::default();
        let start = Instant::now();
        let (ann, nobody) = (Credential(Some(7)), Credential(None));
        assert!(!credentials.knows(ann, start));
        credentials.note(ann, true, start);
        credentials.note(nobody, true, start);
        assert!(credentials.knows(ann, start) && !credentials.knows(nobody, start));
        assert!(!credentials.knows(ann, start + REMEMBERED));
        credentials.note(ann, false, start);
        assert!(!credentials.knows(ann, start));
    }
}
