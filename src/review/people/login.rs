//! Logging in with a password.
//!
//! An unknown name, a wrong password, a disabled person and a login without a password are one
//! answer, after one hash of the same cost.

use std::net::IpAddr;

use crate::diagnostic::Problem;
use crate::domain::Instant;
use crate::store::rows::parameters;
use crate::store::transact::{self, Transact};

use super::name::fold;
use super::password::{Busy, Hashing};
use super::secret::{Pair, Random};
use super::{AuthMethod, Principal, principal, session, throttle};

/// What somebody tries.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The name as typed.
    pub name: &'a str,
    /// The password as typed.
    pub password: &'a str,
    /// Where they are, if they come by a network.
    pub address: Option<IpAddr>,
    /// The client as it names itself.
    pub user_agent: Option<&'a str>,
    /// The session cookie that came with the attempt: it ends, and is never taken over.
    pub cookie: Option<&'a str>,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// They are in.
    In {
        /// Who.
        principal: Box<Principal>,
        /// The value of the new session's cookie.
        cookie: String,
    },
    /// No such name, or not its password.
    Wrong,
    /// Too many attempts lately; how many seconds to wait.
    Throttled(u64),
}

/// Tries to log in.
///
/// # Errors
/// What the store says.
pub fn login(
    store: &dyn Transact,
    hashing: &Hashing,
    attempt: &Attempt<'_>,
    now: Instant,
    random: Random<'_>,
) -> Result<Outcome, Problem> {
    // Longer than any login is nobody's; the beginning is enough to count it by.
    let key = fold(&attempt.name.chars().take(200).collect::<String>());
    let account = throttle::account(&key);
    let address = attempt.address.map(throttle::address);
    let subjects: Vec<_> = std::iter::once(account.clone()).chain(address.clone()).collect();
    let (wait, hash) = transact::write(store, |tx| {
        let wait = throttle::attempt(tx, &subjects, now)?;
        let sql = "SELECT password FROM recon.logins WHERE login_key = $1";
        let rows = tx.query(sql, &[(&key).into()])?;
        let hash = rows.first().map(|row| row.text(0)).transpose()?.flatten();
        Ok::<_, Problem>((wait, hash))
    })?;
    if let Some(seconds) = wait {
        return Ok(Outcome::Throttled(seconds));
    }
    match hashing.verify(attempt.password, hash.as_deref()) {
        Err(Busy) => return Ok(Outcome::Throttled(1)),
        Ok(false) => return Ok(Outcome::Wrong),
        Ok(true) => {}
    }
    transact::write(store, |tx| {
        // What was true before the hash may have changed while it was computed.
        let sql = "SELECT password FROM recon.logins WHERE login_key = $1";
        let rows = tx.query(sql, &[(&key).into()])?;
        let same = rows.first().map(|row| row.text(0)).transpose()?.flatten() == hash;
        let person = principal::by_key(tx, &key, AuthMethod::Cli)?;
        let Some(mut principal) = person.filter(|person| same && !person.is_service) else {
            return Ok(Outcome::Wrong);
        };
        throttle::succeeded(tx, &account, address.as_ref())?;
        if let Some(old) = attempt.cookie.and_then(Pair::parse) {
            session::close_in(tx, &old)?;
        }
        let address = attempt.address.map(|address| address.to_string());
        let from = session::From { address: address.as_deref(), user_agent: attempt.user_agent };
        let pair = session::open(tx, &key, &principal.person_id, from, now, random)?;
        principal.method = AuthMethod::Session(pair.id.clone());
        Ok(Outcome::In { principal: Box::new(principal), cookie: pair.text() })
    })
}

/// Whether this is the password of a login, counted like an attempt to log in: before somebody
/// changes their password.
pub(super) fn confirms(
    store: &dyn Transact,
    hashing: &Hashing,
    key: &str,
    password: &str,
    now: Instant,
) -> Result<Outcome, Problem> {
    let account = throttle::account(key);
    let (wait, hash) = transact::write(store, |tx| {
        let wait = throttle::attempt(tx, std::slice::from_ref(&account), now)?;
        let rows =
            tx.query("SELECT password FROM recon.logins WHERE login_key = $1", &parameters![key])?;
        let hash = rows.first().map(|row| row.text(0)).transpose()?.flatten();
        Ok::<_, Problem>((wait, hash))
    })?;
    if let Some(seconds) = wait {
        return Ok(Outcome::Throttled(seconds));
    }
    match hashing.verify(password, hash.as_deref()) {
        Err(Busy) => Ok(Outcome::Throttled(1)),
        Ok(false) => Ok(Outcome::Wrong),
        Ok(true) => {
            let found = transact::write(store, |tx| {
                throttle::succeeded(tx, &account, None)?;
                principal::by_key(tx, key, AuthMethod::Cli)
            })?;
            Ok(found.map_or(Outcome::Wrong, |principal| Outcome::In {
                principal: Box::new(principal),
                cookie: String::new(),
            }))
        }
    }
}
