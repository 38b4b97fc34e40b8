//! Sessions: what a browser is given for a password. The cookie's secret half is kept as SHA-256.
//!
//! A session ends after 30 minutes without use, after 12 hours, when its person logs out,
//! is disabled, or gets other roles or another password.

use crate::diagnostic::Problem;
use crate::domain::Instant;
use crate::store::people;
pub use crate::store::people::OpenSession;
use crate::store::transact::{self, Transact, Transaction};

use super::principal::principal;
use super::secret::{Pair, Random, digest, is_secret};
use super::{AuthMethod, Principal};

/// Seconds without use after which a session has ended.
pub const IDLE: i64 = 30 * 60;
/// Maximum lifetime in seconds.
pub const LONGEST: i64 = 12 * 3_600;
/// Seconds between two notes of its last use: not every request writes.
const GRAIN: i64 = 60;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub principal: Principal,
    /// End of the session unless it is used.
    pub idle_until: Instant,
    /// End of the session even if it is used.
    pub until: Instant,
}

/// Origin of a session.
#[derive(Clone, Copy, Debug, Default)]
pub struct From<'a> {
    pub address: Option<&'a str>,
    /// The client, as it names itself.
    pub user_agent: Option<&'a str>,
}

/// Opens a session and gives the text of its cookie: always a new one, whatever cookie came.
///
/// # Errors
/// Errors of the store.
pub(super) fn open(
    tx: &mut dyn Transaction,
    login_key: &str,
    person_id: &str,
    from: From<'_>,
    now: Instant,
    random: Random<'_>,
) -> Result<Pair, Problem> {
    people::end_sessions_before(tx, Instant::new(now.seconds() - LONGEST, 0))?;
    let pair = Pair::new(random)?;
    let user_agent = from.user_agent.map(|text| text.chars().take(200).collect::<String>());
    let session = people::NewSession {
        id: &pair.id,
        secret_hash: &digest(&pair.secret),
        key: login_key,
        person_id,
        address: from.address,
        user_agent: user_agent.as_deref(),
    };
    session.add(tx, now)?;
    Ok(pair)
}

/// The session of a cookie, if it is valid.
///
/// # Errors
/// Errors of the store.
pub fn authenticate(
    store: &dyn Transact,
    cookie: &str,
    now: Instant,
) -> Result<Option<Session>, Problem> {
    let Some(pair) = Pair::parse(cookie) else { return Ok(None) };
    let found = transact::read(store, |tx| {
        let Some(row) = people::session(tx, &pair.id)? else { return Ok(None) };
        if !is_secret(&pair.secret, &row.secret_hash) {
            return Ok(None);
        }
        let principal = principal(row.person, AuthMethod::Session(pair.id.clone()));
        Ok(principal.map(|principal| (principal, row.created, row.used)))
    })?;
    let Some((principal, created, used)) = found else { return Ok(None) };
    let after = |instant: Instant, seconds| {
        Instant::new(instant.seconds() + seconds, instant.nanoseconds())
    };
    let until = after(created, LONGEST);
    if now >= until || now >= after(used, IDLE) {
        transact::write_if_free(store, |tx| close_in(tx, &pair))?;
        return Ok(None);
    }
    if now >= after(used, GRAIN) {
        transact::write_if_free(store, |tx| people::touch_session(tx, &pair.id, now))?;
    }
    Ok(Some(Session { principal, idle_until: after(now.max(used), IDLE).min(until), until }))
}

/// A person's open sessions, the last used first.
///
/// # Errors
/// Errors of the store.
pub fn list(
    store: &dyn Transact,
    person_id: &str,
    now: Instant,
) -> Result<Vec<OpenSession>, Problem> {
    let since = |seconds| Instant::new(now.seconds() - seconds, now.nanoseconds());
    transact::read(store, |tx| people::sessions_of(tx, person_id, since(LONGEST), since(IDLE)))
}

/// Ends a session of a person.
///
/// # Errors
/// Errors of the store.
pub fn end(store: &dyn Transact, person_id: &str, id: &str) -> Result<(), Problem> {
    transact::write(store, |tx| people::end_session_of(tx, person_id, id))
}

/// Ends the session of a cookie, if it opens one.
///
/// # Errors
/// Errors of the store.
pub fn close(store: &dyn Transact, cookie: &str) -> Result<(), Problem> {
    match Pair::parse(cookie) {
        None => Ok(()),
        Some(pair) => transact::write(store, |tx| close_in(tx, &pair)),
    }
}

/// Ends the session of a cookie within a transaction. Who knows only its public half can't.
pub(super) fn close_in(tx: &mut dyn Transaction, pair: &Pair) -> Result<(), Problem> {
    people::end_session(tx, &pair.id, &digest(&pair.secret))
}
