//! The PostgreSQL store, in the schema `recon`.
//!
//! Each run's records and differences are partitions of their own. A command writes them in
//! one transaction, by binary `COPY` into tables that are attached when it ends: so nothing of an
//! unfinished command shows, and nothing of it remains if its process dies.

mod copy;
mod examine;
mod lock;
mod pipe;
mod prune;
mod query;
mod runs;
mod transact;
mod writer;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant as Moment};

use ::postgres::Client;

use super::trail_end::TrailEnd;
use super::{
    Opening, PruneOrder, PruneOutcome, QueryLimits, RowSink, RunLock, Store, TableColumn, Writer,
    migrate,
};
use crate::database::postgres::{Connector, POOL_TIMEOUT, PostgresPool};
use crate::database::{PostgresUrl, patience};
use crate::diagnostic::{Code, Problem};
use crate::domain::{Date, Progress, RunId};

type Pooled = r2d2::PooledConnection<Connector>;

/// A moment as text of the form that [`super::stored::time_text`] writes. Sessions are in UTC.
macro_rules! time_text {
    ($column:literal) => {
        concat!("to_char(", $column, ", 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
    };
}
use time_text;

/// Held while migrations are applied; a number of recon's own.
const MIGRATION_LOCK: i64 = 0x7265_636f_6e6d_6967;

/// For so long after a connection could not be had, others are waited for only shortly.
const AWAY: Duration = Duration::from_secs(2);
/// Timeout of a quick look.
const GLANCE: Duration = Duration::from_millis(150);

pub struct PostgresStore {
    shown: String,
    connector: Connector,
    pool: PostgresPool,
    trail_end: TrailEnd,
    /// Time of the last failure to get a connection; `None` after a success.
    failed: Mutex<Option<Moment>>,
}

impl PostgresStore {
    /// Opens the database; see [`super::open`].
    ///
    /// # Errors
    /// As [`super::open`].
    pub fn open(url: &PostgresUrl, opening: Opening) -> Result<Self, Problem> {
        let connector = Connector::new(url)?;
        // A first connection reports errors at once; a pool would try for its whole timeout.
        let mut client = connector.connect()?;
        let store = Self {
            shown: url.to_string(),
            pool: connector.pool()?,
            connector,
            trail_end: TrailEnd::default(),
            failed: Mutex::default(),
        };
        let missing = store.missing_migrations(&mut client)?;
        match opening {
            Opening::Existing if missing.len() == migrate::POSTGRES.len() => {
                return Err(Problem::new(
                    Code::StoreMissing,
                    format!("{} holds no store yet", store.shown),
                )
                .help("`recon run` makes it; or name another with --store"));
            }
            Opening::Existing if !missing.is_empty() => return Err(migrate::outdated(missing)),
            Opening::Create if !missing.is_empty() => drop(store.migrate()?),
            _ => {}
        }
        Ok(store)
    }

    fn connection(&self) -> Result<Pooled, Problem> {
        let failed = || self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut time = patience::left(POOL_TIMEOUT);
        // While the database is away, requests that follow each other need not all wait in full.
        if patience::is_limited() && failed().is_some_and(|failed| failed.elapsed() < AWAY) {
            time = time.min(GLANCE);
        }
        if patience::is_limited() && !self.connector.answers() {
            let message = format!("{} does not answer", self.shown);
            return Err(Problem::new(Code::StoreUnreachable, message)
                .help("check that the server is up and not stopped"));
        }
        let got = self.pool.get_timeout(time);
        *failed() = got.is_err().then(Moment::now);
        if let Ok(connection) = &got {
            connection.show();
        }
        got.map_err(|error| {
            Problem::new(
                Code::StoreUnreachable,
                format!("no connection to {}: {error}", self.shown),
            )
            .help("check that the server is up and has connections left")
        })
    }

    fn problem(&self, error: &::postgres::Error) -> Problem {
        self.connector.problem(error)
    }

    fn missing_migrations(
        &self,
        client: &mut impl ::postgres::GenericClient,
    ) -> Result<&'static [migrate::Migration], Problem> {
        let problem = |error| self.problem(&error);
        let exists: bool = client
            .query_one("SELECT to_regclass('recon.schema_migrations') IS NOT NULL", &[])
            .and_then(|row| row.try_get(0))
            .map_err(problem)?;
        if !exists {
            return Ok(migrate::POSTGRES);
        }
        let rows = client
            .query(
                "SELECT version, name, checksum FROM recon.schema_migrations ORDER BY version",
                &[],
            )
            .map_err(problem)?;
        let applied = rows
            .iter()
            .map(|row| {
                Ok(migrate::Applied {
                    version: row.try_get(0)?,
                    name: row.try_get(1)?,
                    checksum: row.try_get(2)?,
                })
            })
            .collect::<Result<Vec<_>, ::postgres::Error>>()
            .map_err(problem)?;
        migrate::pending(migrate::POSTGRES, &applied)
    }

    fn apply_migrations(&self, client: &mut Client) -> Result<Vec<String>, Problem> {
        let problem = |error: ::postgres::Error| self.problem(&error);
        let mut transaction = client.transaction().map_err(problem)?;
        let missing = self.missing_migrations(&mut transaction)?;
        let mut apply = || -> Result<(), ::postgres::Error> {
            if missing.is_empty() {
                return Ok(());
            }
            transaction.batch_execute(
                "CREATE SCHEMA IF NOT EXISTS recon; \
                 CREATE TABLE IF NOT EXISTS recon.schema_migrations (\
                     version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, \
                     applied_at timestamptz NOT NULL, program_version text NOT NULL)",
            )?;
            for migration in missing {
                transaction.batch_execute(migration.sql)?;
                transaction.execute(
                    "INSERT INTO recon.schema_migrations VALUES ($1, $2, $3, now(), $4)",
                    &[
                        &migration.version,
                        &migration.name,
                        &migration.checksum(),
                        &env!("CARGO_PKG_VERSION"),
                    ],
                )?;
            }
            Ok(())
        };
        apply().map_err(problem)?;
        transaction.commit().map_err(problem)?;
        Ok(missing.iter().map(migrate::Migration::full_name).collect())
    }
}

impl super::Registry for PostgresStore {}

impl Store for PostgresStore {
    fn url(&self) -> String {
        self.shown.clone()
    }

    fn is_current(&self) -> Result<bool, Problem> {
        Ok(self.missing_migrations(&mut **self.connection()?)?.is_empty())
    }

    fn is_same(&self) -> Result<(), Problem> {
        super::transact::read(self, |tx| {
            self.trail_end.check(tx)?;
            self.trail_end.remember(TrailEnd::end(tx)?);
            Ok(())
        })
    }

    fn free_space(&self) -> Option<u64> {
        None
    }

    fn migrate(&self) -> Result<Vec<String>, Problem> {
        // The lock goes with the connection.
        let mut client = self.connector.connect()?;
        client
            .execute("SELECT pg_advisory_lock($1)", &[&MIGRATION_LOCK])
            .map_err(|error| self.problem(&error))?;
        self.apply_migrations(&mut client)
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
        let lock = lock::take(&self.connector, job, batch_date, timeout, progress)?;
        // We hold the lock now, so a run that is still RUNNING belongs to a dead process.
        self.repair_runs(Some((job, batch_date)))?;
        Ok(Box::new(lock))
    }

    fn fail_run(&self, run: RunId, reason: &str) -> Result<(), Problem> {
        self.give_up(run, reason)
    }

    fn writer(&self, run: RunId) -> Result<Box<dyn Writer>, Problem> {
        Ok(Box::new(writer::PostgresWriter::open(&self.connector, &self.pool, run)?))
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
        query::run(&self.connector, sql, limits, sink)
    }

    fn tables(&self) -> Result<Vec<TableColumn>, Problem> {
        query::tables(&self.connector)
    }
}
