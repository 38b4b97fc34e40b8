//! The first run of a new store, written into the file without a log.
//!
//! With a log, all pages are written twice: a third of the time of a run. Without one, they go into the file at each
//! commit, and only the few that were there before are kept in a journal meanwhile. Nobody else may have the file open
//! then, and the writer waits for the disk only when the run ends: if the machine fails, nothing but an unfinished run is in
//! the file. As soon as another program opens the store, it turns the log on ([`turn_log_on`]), and the run goes on with it.

use std::fs::File;
use std::mem::ManuallyDrop;
use std::path::Path;

use rusqlite::{Connection, ErrorCode};

use super::waiting::Waiting;
use crate::database::sqlite as database;

/// Whether a writer writes without a log.
#[derive(Debug, Default)]
pub(super) enum Unlogged {
    #[default]
    No,
    /// After so many bytes more: a short run does not pay for turning the log off and on.
    Soon(usize),
    Yes(Ahead),
}

/// Has the disk take what is written while the run goes on, so that little is left to wait for at its end.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Never closed: closing any handle of a file gives back all locks that the process has on it, those of SQLite too.
    file: Option<ManuallyDrop<File>>,
    /// The bytes that the disk was told of.
    told: u64,
}

/// How many new bytes the disk is told of at a time.
const TOLD_AT_ONCE: u64 = 4 << 20;

impl Ahead {
    /// A file that can't be opened is written at the end only.
    fn of(path: &Path) -> Self {
        Self { file: File::open(path).ok().map(ManuallyDrop::new), told: 0 }
    }

    #[cfg(target_os = "linux")]
    fn tell(&mut self) {
        use rustix::fs::{Advice, fadvise};
        let Some(file) = self.file.as_deref() else { return };
        let length = file.metadata().map_or(0, |file| file.len());
        let new = length.saturating_sub(self.told);
        if let Some(bytes) = std::num::NonZeroU64::new(new).filter(|_| new >= TOLD_AT_ONCE) {
            // Linux begins to write pages that are not on the disk yet. It is advice: the end of the run waits for them.
            let _ = fadvise(file, self.told, Some(bytes), Advice::DontNeed);
            self.told = length;
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn tell(&mut self) {}
}

impl Unlogged {
    /// Of a new file.
    pub(super) const fn soon() -> Self {
        Self::Soon(1 << 20)
    }

    /// Whether the log is to be turned off by [`Self::begin`] when so many bytes more are committed.
    pub(super) const fn is_due(&mut self, bytes: usize) -> bool {
        let Self::Soon(left) = self else { return false };
        *left = left.saturating_sub(bytes);
        *left == 0
    }

    /// Turns the log off on `connection`, which is in no transaction and has a new file as main, if no other one has the
    /// file open and nothing but its run is in it.
    pub(super) fn begin(
        &mut self,
        connection: &Connection,
        path: &Path,
    ) -> Result<(), rusqlite::Error> {
        *self = Self::No;
        // The run itself is registered.
        let others = "SELECT (SELECT count(*) FROM recon_runs) > 1 \
                      OR EXISTS (SELECT 1 FROM audit_trail) OR EXISTS (SELECT 1 FROM logins)";
        if connection.query_row(others, [], |row| row.get(0))? {
            return Ok(());
        }
        wait_for_disk(connection, false)?;
        if set_mode(connection, "main", "DELETE").is_ok_and(|now| now != LOG) {
            *self = Self::Yes(Ahead::of(path));
            return Ok(());
        }
        wait_for_disk(connection, true)
    }

    pub(super) const fn is_on(&self) -> bool {
        matches!(self, Self::Yes(_))
    }

    /// A batch is written.
    pub(super) fn written(&mut self) {
        if let Self::Yes(ahead) = self {
            ahead.tell();
        }
    }

    /// Whether another program has turned the log on meanwhile, as a transaction sees it.
    pub(super) fn is_over(&self, connection: &Connection) -> Result<bool, rusqlite::Error> {
        Ok(self.is_on() && mode(connection, "main")? == LOG)
    }

    /// Turns the log on again; `connection` is in no transaction. The next checkpoint waits for all that was written.
    pub(super) fn end(&mut self, connection: &Connection) -> Result<(), rusqlite::Error> {
        if std::mem::take(self).is_on() {
            turn_log_on(connection, "main", &Waiting::default());
            wait_for_disk(connection, true)?;
        }
        Ok(())
    }
}

fn wait_for_disk(connection: &Connection, waits: bool) -> Result<(), rusqlite::Error> {
    connection.pragma_update(None, "synchronous", if waits { "NORMAL" } else { "OFF" })
}

/// The name of the journal mode with a log.
const LOG: &str = "wal";

fn mode(connection: &Connection, schema: &str) -> Result<String, rusqlite::Error> {
    connection
        .prepare_cached(&format!("PRAGMA {schema}.journal_mode"))?
        .query_row([], |row| row.get(0))
}

fn set_mode(connection: &Connection, schema: &str, mode: &str) -> Result<String, rusqlite::Error> {
    connection.query_row(&format!("PRAGMA {schema}.journal_mode = {mode}"), [], |row| row.get(0))
}

/// Turns the log of a file on, `schema` on this connection, if it is off; a writer of a first run pauses for that.
pub(super) fn turn_log_on(connection: &Connection, schema: &str, waiting: &Waiting) {
    let is_off = mode(connection, schema).is_ok_and(|mode| mode != LOG);
    if is_off && !connection.is_readonly(schema).unwrap_or(true) {
        // Where a reader keeps the file for too long, the next one who opens it does it.
        let _ = waiting.while_seen(|| database::turn_log_on(connection, schema));
    }
}

/// How often a commit is tried that readers keep from the file; each time it waits for some seconds.
const TRIES: usize = 30;

/// Commits. Without a log, readers of other programs can keep it waiting.
pub(super) fn commit(connection: &Connection) -> Result<(), rusqlite::Error> {
    let mut commit = connection.prepare_cached("COMMIT")?;
    for _ in 1..TRIES {
        match commit.raw_execute() {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {}
            done => return done.map(drop),
        }
    }
    commit.raw_execute().map(drop)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn new_file(path: &Path) -> Connection {
        let made = database::create(path).unwrap();
        made.execute_batch(
            "CREATE TABLE recon_runs (run_no); INSERT INTO recon_runs VALUES (1); \
             CREATE TABLE audit_trail (seq); CREATE TABLE logins (login_key)",
        )
        .unwrap();
        made
    }

    #[test]
    fn a_first_run_has_no_log_until_another_program_opens_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let own = new_file(&path);
        let mut unlogged = Unlogged::soon();
        assert!(!unlogged.is_due(1_000) && unlogged.is_due(1 << 20));
        unlogged.begin(&own, &path).unwrap();
        assert!(unlogged.is_on());
        own.execute_batch("BEGIN IMMEDIATE; INSERT INTO recon_runs VALUES (2)").unwrap();
        assert!(!unlogged.is_over(&own).unwrap());
        // Others see what is committed, and wait to turn the log on.
        let other = database::attached(&path, database::Access::Write).unwrap();
        let runs = |connection: &Connection, sql| {
            connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!(runs(&other, "SELECT count(*) FROM recon.recon_runs"), 1);
        std::thread::scope(|scope| {
            let waits = scope.spawn(move || {
                turn_log_on(&other, "recon", &Waiting::default());
                other
            });
            std::thread::sleep(Duration::from_millis(20));
            commit(&own).unwrap();
            let other = waits.join().unwrap();
            assert_eq!(mode(&other, "recon").unwrap(), LOG);
        });
        own.execute_batch("BEGIN IMMEDIATE; INSERT INTO recon_runs VALUES (3)").unwrap();
        assert!(unlogged.is_over(&own).unwrap());
        commit(&own).unwrap();
        unlogged.end(&own).unwrap();
        assert!(!unlogged.is_on());
        assert_eq!(runs(&own, "PRAGMA synchronous"), 1);
        assert_eq!(runs(&own, "SELECT count(*) FROM recon_runs"), 3);
    }

    #[test]
    fn a_file_that_others_use_or_that_has_runs_keeps_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let own = new_file(&path);
        let begins = || {
            let mut unlogged = Unlogged::soon();
            unlogged.begin(&own, &path).unwrap();
            unlogged.is_on()
        };
        let other = database::attached(&path, database::Access::Read).unwrap();
        assert!(!begins());
        drop(other);
        assert!(begins());
        turn_log_on(&own, "main", &Waiting::at(&path));
        for other in ["recon_runs VALUES (2)", "audit_trail VALUES (1)", "logins VALUES ('ann')"] {
            own.execute_batch(&format!("INSERT INTO {other}")).unwrap();
            assert!(!begins(), "{other}");
            own.execute_batch("DELETE FROM recon_runs WHERE run_no = 2; DELETE FROM audit_trail; DELETE FROM logins")
                .unwrap();
        }
        assert_eq!(mode(&own, "main").unwrap(), LOG);
    }

    #[test]
    fn whoever_opens_the_file_to_write_waits_to_turn_the_log_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let own = new_file(&path);
        Unlogged::soon().begin(&own, &path).unwrap();
        own.execute_batch("BEGIN IMMEDIATE; INSERT INTO recon_runs VALUES (2)").unwrap();
        std::thread::scope(|scope| {
            let opens = scope.spawn(|| database::direct(&path, false));
            std::thread::sleep(Duration::from_millis(50));
            assert!(!opens.is_finished());
            commit(&own).unwrap();
            assert_eq!(mode(&opens.join().unwrap().unwrap(), "main").unwrap(), LOG);
        });
    }

    #[test]
    fn a_commit_waits_for_readers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let own = new_file(&path);
        Unlogged::soon().begin(&own, &path).unwrap();
        own.busy_timeout(Duration::from_millis(20)).unwrap();
        own.execute_batch("BEGIN IMMEDIATE; INSERT INTO recon_runs VALUES (2)").unwrap();
        let reader = database::attached(&path, database::Access::Read).unwrap();
        reader.execute_batch("BEGIN; SELECT * FROM recon.recon_runs").unwrap();
        let read = || reader.query_row("SELECT count(*) FROM recon.recon_runs", [], |_| Ok(()));
        read().unwrap();
        std::thread::scope(|scope| {
            let commits = scope.spawn(move || commit(&own));
            std::thread::sleep(Duration::from_millis(100));
            assert!(!commits.is_finished());
            reader.execute_batch("COMMIT").unwrap();
            commits.join().unwrap().unwrap();
        });
    }
}
