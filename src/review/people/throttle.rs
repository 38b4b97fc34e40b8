//! Guessing passwords made slow: attempts are counted by account and by address, and who uses up a
//! window waits for longer ones.
//!
//! Nobody is ever locked out for good: that would let anybody lock anybody out. Attempts while one
//! has to wait are refused without counting, so that waiting always ends.

use std::net::IpAddr;

use crate::coding::hex;
use crate::diagnostic::Problem;
use crate::domain::Instant;
use crate::store::rows::parameters;
use crate::store::transact::Transaction;

use super::record::{moment, read_moment};
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

/// What attempts are counted by.
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
    hex(&digest(&format!("{kind}\0{name}")))
}

struct Count {
    since: Instant,
    attempts: i64,
    strikes: i64,
}

impl Count {
    fn until(&self) -> Instant {
        Instant::new(self.since.seconds() + (WINDOW << self.strikes), self.since.nanoseconds())
    }
}

/// Counts one attempt against every subject; or, if one of them has to wait, against none, and
/// gives the seconds to wait.
///
/// # Errors
/// What the store says.
pub(super) fn attempt(
    tx: &mut dyn Transaction,
    subjects: &[Subject],
    now: Instant,
) -> Result<Option<u64>, Problem> {
    let forgotten = moment(Instant::new(now.seconds() - FORGOTTEN, 0));
    tx.execute("DELETE FROM recon.login_attempts WHERE since < $1", &[forgotten.into()])?;
    let mut counts = Vec::with_capacity(subjects.len());
    // In one order, so that two that come together never wait for each other.
    let mut subjects: Vec<&Subject> = subjects.iter().collect();
    subjects.sort_by(|left, right| left.key.cmp(&right.key));
    for subject in subjects {
        // The row is there before it is read, so that the first attempts of many at once line up.
        tx.execute(
            "INSERT INTO recon.login_attempts (subject, since, attempts, strikes) \
             VALUES ($1, $2, 0, 0) ON CONFLICT (subject) DO NOTHING",
            &parameters![&subject.key, moment(now)],
        )?;
        let lock = tx.dialect().for_update();
        let sql = format!(
            "SELECT since, attempts, strikes FROM recon.login_attempts WHERE subject = $1{lock}"
        );
        let rows = tx.query(&sql, &[(&subject.key).into()])?;
        let mut count = Count { since: now, attempts: 0, strikes: 0 };
        if let Some(row) = rows.first() {
            count = Count {
                since: read_moment(&row.required(0)?)?,
                attempts: row.count(1)?,
                strikes: row.count(2)?.clamp(0, MOST_STRIKES),
            };
        }
        if now < count.until() && count.attempts >= subject.limit {
            let left = count.until().seconds() - now.seconds();
            return Ok(Some(u64::try_from(left).unwrap_or_default().max(1)));
        }
        if now >= count.until() || now < count.since {
            // A window that was not used up forgives the ones before.
            let used_up = count.attempts >= subject.limit;
            let strikes = if used_up { (count.strikes + 1).min(MOST_STRIKES) } else { 0 };
            count = Count { since: now, attempts: 0, strikes };
        }
        counts.push((subject, count));
    }
    for (subject, count) in counts {
        tx.execute(
            "UPDATE recon.login_attempts SET since = $2, attempts = $3, strikes = $4 \
             WHERE subject = $1",
            &parameters![&subject.key, moment(count.since), count.attempts + 1, count.strikes],
        )?;
    }
    Ok(None)
}

/// A success: the account's count is forgotten, the address's is one less. It is not forgotten: who
/// has one account must not thereby get to try others.
///
/// # Errors
/// What the store says.
pub(super) fn succeeded(
    tx: &mut dyn Transaction,
    account: &Subject,
    address: Option<&Subject>,
) -> Result<(), Problem> {
    let delete = "DELETE FROM recon.login_attempts WHERE subject = $1";
    tx.execute(delete, &[(&account.key).into()])?;
    if let Some(address) = address {
        let less = "UPDATE recon.login_attempts SET attempts = attempts - 1 \
                    WHERE subject = $1 AND attempts > 0";
        tx.execute(less, &[(&address.key).into()])?;
    }
    Ok(())
}
