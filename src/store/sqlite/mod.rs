//! The embedded store: one SQLite file in WAL mode.
//!
//! Row ids are `run_no << 40 | number`, so that a run's rows lie together, are appended, and are
//! found by a range of rowids. A crash loses at most the running command, never an earlier one.

mod bound;
mod checkpoint;
mod identity;
mod lock;
mod prune;
mod query;
mod runs;
mod schema;
mod slices;
mod transact;
mod unlogged;
mod waiting;
mod write_lock;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use self::identity::Identity;
use self::unlogged::Unlogged;
use self::waiting::Waiting;
use self::write_lock::WriteLock;
use super::trail_end::TrailEnd;
use super::{
    Opening, PruneOrder, PruneOutcome, QueryLimits, RowSink, RunLock, Store, TableColumn, Writer,
    migrate,
};
use crate::database::sqlite::{self as database, Access, SqlitePool};
use crate::diagnostic::{Code, Problem};
use crate::domain::{Date, Progress, RunId};

use crate::database::sqlite::Pooled;

pub struct SqliteStore {
    path: PathBuf,
    /// Connections that can't write, for looking, from the first that is needed on. They are closed before those that can:
    /// the last one moves the log into the file and deletes it.
    readers: OnceLock<SqlitePool>,
    /// The connections for decisions, and the write lock.
    write_lock: WriteLock,
    spare: Arc<Spare>,
    /// Shows that a decision waits for its turn.
    waiting: Waiting,
    /// The file that was opened.
    identity: Arc<Identity>,
    /// It was made when it was opened.
    is_new: bool,
    trail_end: TrailEnd,
}

/// A connection that has the file as main, for the next one to write with: a command registers its run, writes its
/// rows and says how it ended, and reading the schema takes two milliseconds for each connection.
#[derive(Debug, Default)]
struct Spare(Mutex<Option<Connection>>);

impl Spare {
    fn take(&self) -> Option<Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep(&self, connection: Connection) {
        // One that is in a transaction is closed, which rolls it back.
        if connection.is_autocommit() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        }
    }
}

impl SqliteStore {
    /// Opens the file; see [`super::open`].
    ///
    /// # Errors
    /// As [`super::open`].
    pub fn open(path: &Path, opening: Opening) -> Result<Self, Problem> {
        let exists = path.exists();
        if !exists && opening == Opening::Existing {
            return Err(Problem::new(Code::StoreMissing, "there is no store yet")
                .in_file(path)
                .help("`recon run` makes it; or name another with --store"));
        }
        let problem = |error| database::problem(path, &error);
        let made = if exists { None } else { Some(database::create(path).map_err(problem)?) };
        let first = match &made {
            Some(_) => None,
            None => Some(database::attached(path, Access::Write).map_err(problem)?),
        };
        let waiting = Waiting::at(path);
        if let Some(first) = &first {
            unlogged::turn_log_on(first, "recon", &waiting);
        }
        let store = Self {
            path: path.to_owned(),
            readers: OnceLock::new(),
            write_lock: WriteLock::default(),
            spare: Arc::default(),
            waiting,
            identity: Arc::new(Identity::of(path)?),
            is_new: made.is_some(),
            trail_end: TrailEnd::default(),
        };
        let missing = match (&first, &made) {
            (Some(attached), _) => store.missing_migrations(attached, "recon")?,
            (_, Some(made)) => store.missing_migrations(made, "main")?,
            (None, None) => &[],
        };
        if let Some(made) = made {
            store.spare.keep(made);
        }
        match opening {
            Opening::Existing if !missing.is_empty() => return Err(migrate::outdated(missing)),
            Opening::Create if !missing.is_empty() => drop(store.migrate()?),
            _ => {}
        }
        Ok(store)
    }

    /// A connection that can't write.
    fn reader(&self) -> Result<Pooled, Problem> {
        let readers = match self.readers.get() {
            Some(readers) => readers,
            None => {
                let readers = database::readers(&self.path)?;
                self.readers.get_or_init(|| readers)
            }
        };
        readers.get()
    }

    /// Looks with a connection that can't write: meanwhile with the spare one, if there is one, which spares a short
    /// command the threads of a pool and another reading of the schema. Tells whether the file is its main database.
    fn look<T>(
        &self,
        look: impl FnOnce(&Connection, bool) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let Some(spare) = self.spare.take() else { return look(&*self.reader()?, false) };
        let may_write = |is: bool| spare.pragma_update(None, "query_only", !is);
        may_write(false).map_err(|error| self.problem(&error))?;
        let seen = look(&spare, true);
        if may_write(true).is_ok() {
            self.spare.keep(spare);
        }
        seen
    }

    fn problem(&self, error: &rusqlite::Error) -> Problem {
        database::problem(&self.path, error)
    }

    /// The migrations that the file, `schema` on this connection, lacks. A database of something
    /// else is refused.
    fn missing_migrations(
        &self,
        connection: &Connection,
        schema: &str,
    ) -> Result<&'static [migrate::Migration], Problem> {
        let applied = || -> Result<Option<Vec<migrate::Applied>>, rusqlite::Error> {
            let (all, ours): (i64, i64) = connection.query_row(
                &format!(
                    "SELECT count(*), coalesce(sum(name = 'schema_migrations'), 0) \
                     FROM {schema}.sqlite_schema WHERE type = 'table'"
                ),
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            if ours == 0 {
                return Ok((all == 0).then(Vec::new));
            }
            connection
                .prepare("SELECT version, name, checksum FROM schema_migrations ORDER BY version")?
                .query_map([], |row| {
                    Ok(migrate::Applied {
                        version: row.get(0)?,
                        name: row.get(1)?,
                        checksum: row.get(2)?,
                    })
                })?
                .collect::<Result<_, _>>()
                .map(Some)
        };
        match applied().map_err(|error| self.problem(&error))? {
            Some(applied) => migrate::pending(migrate::SQLITE, &applied)
                .map_err(|problem| problem.in_file(&self.path)),
            None => Err(Problem::new(Code::NotAStore, "the database belongs to another program")
                .in_file(&self.path)
                .help("name another file with --store; this one is left as it is")),
        }
    }
}

impl super::Registry for SqliteStore {}

impl Store for SqliteStore {
    fn url(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }

    fn is_current(&self) -> Result<bool, Problem> {
        Ok(self.missing_migrations(&*self.reader()?, "recon")?.is_empty())
    }

    fn exposed(&self) -> Option<Problem> {
        database::exposed(&self.path)
    }

    fn free_space(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.path).ok()?;
        disk.f_bavail.checked_mul(disk.f_frsize)
    }

    fn is_same(&self) -> Result<(), Problem> {
        super::transact::read(self, |tx| {
            self.trail_end.check(tx)?;
            self.trail_end.remember(TrailEnd::end(tx)?);
            Ok(())
        })?;
        self.identity.check_all()
    }

    fn migrate(&self) -> Result<Vec<String>, Problem> {
        let problem = |error: rusqlite::Error| self.problem(&error);
        let mut connection = self.direct()?;
        // A new file has nothing to lose, and the first run waits for the disk at its end.
        let is_new = self.missing_migrations(&connection, "main")?.len() == migrate::SQLITE.len();
        let wait = |connection: &Connection, how| {
            connection.pragma_update(None, "synchronous", how).map_err(problem)
        };
        wait(&connection, if is_new { "OFF" } else { "NORMAL" })?;
        // One transaction, so that two programs that start together do it once.
        let transaction = connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .map_err(problem)?;
        let missing = self.missing_migrations(&transaction, "main")?;
        schema::apply(&transaction, missing, migrate::SQLITE).map_err(problem)?;
        transaction.commit().map_err(problem)?;
        wait(&connection, "NORMAL")?;
        self.spare.keep(connection);
        Ok(missing.iter().map(migrate::Migration::full_name).collect())
    }

    fn repair(&self) -> Result<Vec<RunId>, Problem> {
        self.repair_runs(None)
    }

    fn lock(
        &self,
        job: &str,
        batch_date: Date,
        timeout: Duration,
        progress: &dyn Progress,
    ) -> Result<Box<dyn RunLock>, Problem> {
        let lock = lock::take(&self.path, job, batch_date, timeout, progress)?;
        // We hold the lock now, so a run that is still RUNNING belongs to a dead process.
        self.repair_runs(Some((job, batch_date)))?;
        Ok(Box::new(lock))
    }

    fn fail_run(&self, run: RunId, reason: &str) -> Result<(), Problem> {
        self.give_up(run, reason)
    }

    fn writer(&self, run: RunId) -> Result<Box<dyn Writer>, Problem> {
        let spare = Arc::clone(&self.spare);
        let identity = Arc::clone(&self.identity);
        let connection = self.direct()?;
        let unlogged = if self.is_new { Unlogged::soon() } else { Unlogged::No };
        let connection = (connection, spare, unlogged);
        Ok(Box::new(writer::SqliteWriter::open(&self.path, identity, connection, run)?))
    }

    fn prune(&self, order: &PruneOrder) -> Result<PruneOutcome, Problem> {
        self.prune_runs(order)
    }

    fn query_within(
        &self,
        sql: &str,
        limits: QueryLimits,
        sink: &mut dyn RowSink,
    ) -> Result<(), Problem> {
        query::run(&self.path, sql, limits, sink)
    }

    fn tables(&self) -> Result<Vec<TableColumn>, Problem> {
        query::tables(&self.path)
    }
}
