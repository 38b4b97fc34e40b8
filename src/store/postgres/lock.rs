//! The lock on a job's date: a session advisory lock on a connection of its own, which dies with
//! its process.

use std::time::{Duration, Instant};

use ::postgres::Client;

use super::time_text;
use crate::database::postgres::Connector;
use crate::diagnostic::Problem;
use crate::domain::{Date, Progress};
use crate::store::{RunLock, stored};

/// Holds the lock until it is dropped.
pub(super) struct SessionLock {
    /// Closing it gives the lock back.
    _client: Client,
}

impl RunLock for SessionLock {}

/// The lock number of a job's date. Two of them are almost never equal, and would then only make one wait for the
/// other.
pub(super) fn key(job: &str, batch_date: Date) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = stored::lock_name(job, batch_date);
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Takes the lock, waiting at most `timeout`.
pub(super) fn take(
    connector: &Connector,
    job: &str,
    batch_date: Date,
    timeout: Duration,
    progress: &dyn Progress,
) -> Result<SessionLock, Problem> {
    let began = Instant::now();
    let key = key(job, batch_date);
    let mut client = connector.connect()?;
    loop {
        let taken: bool = client
            .query_one("SELECT pg_try_advisory_lock($1)", &[&key])
            .and_then(|row| row.try_get(0))
            .map_err(|error| connector.problem(&error))?;
        if taken {
            return Ok(SessionLock { _client: client });
        }
        if progress.interrupted() {
            return Err(Problem::interrupted());
        }
        if began.elapsed() >= timeout {
            let holder = holder(&mut client, key).map_err(|error| connector.problem(&error))?;
            return Err(stored::locked(job, batch_date, &holder, timeout.as_secs()));
        }
        std::thread::sleep(timeout.saturating_sub(began.elapsed()).min(Duration::from_millis(100)));
    }
}

/// The holder of the lock: its connection's name contains process and host.
fn holder(client: &mut Client, key: i64) -> Result<String, ::postgres::Error> {
    let row = client.query_opt(
        concat!(
            "SELECT coalesce(nullif(a.application_name, ''), 'another program'), l.pid, ",
            time_text!("a.backend_start"),
            " FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
             WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
             AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
             AND (l.classid::bigint << 32 | l.objid::bigint) = $1"
        ),
        &[&key],
    )?;
    let Some(row) = row else { return Ok("a session that has just ended".to_owned()) };
    let (name, session): (String, i32) = (row.try_get(0)?, row.try_get(1)?);
    let since = row.try_get::<_, Option<String>>(2)?;
    let since = since.map(|time| format!(", since {time}")).unwrap_or_default();
    Ok(format!("{name} (PostgreSQL session {session}{since})"))
}
