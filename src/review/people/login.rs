//! Logging in with a password.
//!
//! An unknown name, a wrong password, a disabled person and a login without a password are one
//! answer, after one hash of the same cost.

use std::net::IpAddr;

use crate::diagnostic::Problem;
use crate::domain::Instant;
use crate::store::review::Refused;
use crate::store::transact::{self, Transact, Transaction};
use crate::store::{people, time_text};

use super::password::{Busy, Hashing};
use super::principal::key_of;
use super::secret::{Pair, Random};
use super::{AuthMethod, Principal, principal, session, throttle};

#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The name as typed.
    pub name: &'a str,
    /// The password as typed.
    pub password: &'a str,
    /// Client address, for logins over a network.
    pub address: Option<IpAddr>,
    /// The client as it names itself.
    pub user_agent: Option<&'a str>,
    /// The session cookie that came with the attempt: it ends, and is never taken over.
    pub cookie: Option<&'a str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginResult {
    /// They are in.
    In {
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
/// Errors of the store.
pub fn login(
    store: &dyn Transact,
    hashing: &Hashing,
    attempt: &Attempt<'_>,
    now: Instant,
    random: Random<'_>,
) -> Result<LoginResult, Problem> {
    // No login is that long; the beginning is enough to count attempts.
    let name = attempt.name.chars().take(200).collect::<String>();
    let key = transact::read(store, |tx| key_of(tx, &name))?;
    let address = attempt.address.map(|address| address.to_string());
    let mut try_in = |tx: &mut dyn Transaction| {
        let person = principal::by_key(tx, &key, AuthMethod::Cli)?;
        let Some(principal) = person.filter(|person| !person.is_service) else {
            return Ok(None);
        };
        if let Some(old) = attempt.cookie.and_then(Pair::parse) {
            session::close_in(tx, &old)?;
        }
        let from = session::From { address: address.as_deref(), user_agent: attempt.user_agent };
        let pair = session::open(tx, &key, &principal.person_id, from, now, random)?;
        let method = AuthMethod::Session(pair.id.clone());
        let principal = principal::by_key(tx, &key, method)?;
        Ok(principal.map(|principal| (principal, pair.text())))
    };
    let outcome = prove(store, hashing, &key, attempt, now, &mut try_in)?;
    Ok(match outcome {
        Proved::Right(Some((principal, cookie))) => {
            LoginResult::In { principal: Box::new(principal), cookie }
        }
        Proved::Right(None) | Proved::Wrong => LoginResult::Wrong,
        Proved::Throttled(seconds) => LoginResult::Throttled(seconds),
    })
}

/// Result of checking a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proved<T> {
    /// The password was right; the result of the work.
    Right(T),
    Wrong,
    /// Too many attempts lately; how many seconds to wait.
    Throttled(u64),
}

/// Counts the attempt, checks the password outside of any transaction, and if it is right does
/// `then`, in the transaction that finds the password unchanged.
pub(super) fn prove<T>(
    store: &dyn Transact,
    hashing: &Hashing,
    key: &str,
    attempt: &Attempt<'_>,
    now: Instant,
    then: &mut dyn FnMut(&mut dyn Transaction) -> Result<T, Problem>,
) -> Result<Proved<T>, Problem> {
    let account = throttle::account(key);
    let address = attempt.address.map(throttle::address);
    let subjects: Vec<_> = std::iter::once(account.clone()).chain(address.clone()).collect();
    let (wait, hash) = transact::write(store, |tx| {
        let wait = throttle::attempt(tx, &subjects, now)?;
        Ok::<_, Problem>((wait, people::password(tx, key)?))
    })?;
    if let Some(seconds) = wait {
        return Ok(Proved::Throttled(seconds));
    }
    match hashing.verify(attempt.password, hash.as_deref()) {
        Err(Busy) => return Ok(Proved::Throttled(1)),
        Ok(false) => {
            transact::write(store, |tx| note_wrong(tx, key, attempt, now))?;
            return Ok(Proved::Wrong);
        }
        Ok(true) => {}
    }
    transact::write(store, |tx| {
        // It may have been changed while the hash was computed.
        if people::password(tx, key)? != hash {
            return Ok(Proved::Wrong);
        }
        throttle::succeeded(tx, &account, address.as_ref())?;
        then(tx).map(Proved::Right)
    })
}

/// The code of a wrong password in the security log.
const WRONG_PASSWORD: &str = "wrong-password";

/// Failed log-ins that are recorded per minute, so that guessing cannot fill the disk.
const REMEMBERED: i64 = 100;

/// Remembers a wrong password in the security log. Not the name as typed: people type passwords
/// where their name belongs.
fn note_wrong(
    tx: &mut dyn Transaction,
    key: &str,
    attempt: &Attempt<'_>,
    now: Instant,
) -> Result<(), Problem> {
    let lately = time_text(Instant::new(now.seconds() - 60, 0));
    if Refused::count_of_code(tx, WRONG_PASSWORD, &lately)? >= REMEMBERED {
        return Ok(());
    }
    let person = principal::by_key(tx, key, AuthMethod::Cli)?;
    let what =
        if person.is_some() { "a log-in failed" } else { "a log-in with an unknown name failed" };
    let person_id = person.map_or_else(|| "nobody".to_owned(), |person| person.person_id);
    let user_agent = attempt.user_agent.map(|text| text.chars().take(200).collect::<String>());
    let address = attempt.address.map(|address| address.to_string());
    let refused = Refused {
        person_id: &person_id,
        code: WRONG_PASSWORD,
        what,
        ip: address.as_deref(),
        user_agent: user_agent.as_deref(),
        ..Refused::default()
    };
    refused.log(tx, &time_text(now))
}
