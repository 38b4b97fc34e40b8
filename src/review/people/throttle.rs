//! Slows down password guessing: attempts are counted by account and by address, and each exhausted window
//! doubles the next.
//!
//! Accounts are never locked permanently: an attacker could lock anybody out. Attempts during the wait are
//! refused without counting, so that the wait always ends.

use std::net::IpAddr;

use crate::coding::hex;
use crate::diagnostic::Problem;
use crate::domain::Instant;
use crate::store::people::LoginAttempts;
use crate::store::transact::Transaction;

use super::secret::digest;

/// Attempts on one account within a window.
const PER_ACCOUNT: i64 = 5;
/// Attempts from one address within a window.
const PER_ADDRESS: i64 = 10;
/// The first window, in seconds; each one that is used up doubles the next.
const WINDOW: i64 = 60;
/// How often it doubles.
const MOST_STRIKES: i64 = 3;
/// Counts older than this are forgotten, in seconds.
const FORGOTTEN: i64 = 24 * 3_600;

/// The key by which attempts are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    key: String,
    limit: i64,
}

/// The account of a login, whether there is one or not: both are refused alike.
pub(super) fn account(login_key: &str) -> Subject {
    Subject { key: subject("account", login_key), limit: PER_ACCOUNT }
}

/// An address; of IPv6 the 64 bits that one household or host has.
pub(super) fn address(address: IpAddr) -> Subject {
    let network = match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
    };
    Subject { key: subject("address", &network), limit: PER_ADDRESS }
}

fn subject(kind: &str, name: &str) -> String {
    hex(digest(&format!("{kind}\0{name}")))
}

fn until(count: &LoginAttempts) -> Instant {
    let window = WINDOW << count.strikes.clamp(0, MOST_STRIKES);
    Instant::new(count.since.seconds() + window, count.since.nanoseconds())
}

/// Counts one attempt against every subject; or, if one of them has to wait, against none, and
/// gives the seconds to wait.
///
/// # Errors
/// Errors of the store.
pub(super) fn attempt(
    tx: &mut dyn Transaction,
    subjects: &[Subject],
    now: Instant,
) -> Result<Option<u64>, Problem> {
    LoginAttempts::forget_before(tx, Instant::new(now.seconds() - FORGOTTEN, 0))?;
    let mut counts = Vec::with_capacity(subjects.len());
    // In one order, so that two that come together never wait for each other.
    let mut subjects: Vec<&Subject> = subjects.iter().collect();
    subjects.sort_by(|left, right| left.key.cmp(&right.key));
    for subject in subjects {
        let mut count = LoginAttempts::of(tx, &subject.key, now)?;
        if now < until(&count) && count.attempts >= subject.limit {
            let left = until(&count).seconds() - now.seconds();
            return Ok(Some(u64::try_from(left).unwrap_or_default().max(1)));
        }
        if now >= until(&count) || now < count.since {
            // A window that was not used up forgives the ones before.
            let used_up = count.attempts >= subject.limit;
            let strikes = if used_up { (count.strikes + 1).min(MOST_STRIKES) } else { 0 };
            count = LoginAttempts { since: now, attempts: 0, strikes };
        }
        counts.push((subject, count));
    }
    for (subject, count) in counts {
        LoginAttempts { attempts: count.attempts + 1, ..count }.store(tx, &subject.key)?;
    }
    Ok(None)
}

/// A success: the account's count is forgotten, the address's is one less. It is not forgotten: who
/// has one account must not thereby get to try others.
///
/// # Errors
/// Errors of the store.
pub(super) fn succeeded(
    tx: &mut dyn Transaction,
    account: &Subject,
    address: Option<&Subject>,
) -> Result<(), Problem> {
    LoginAttempts::forget(tx, &account.key)?;
    if let Some(address) = address {
        LoginAttempts::take_back(tx, &address.key)?;
    }
    Ok(())
}
