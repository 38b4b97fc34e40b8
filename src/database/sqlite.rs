//! Connections to an SQLite file.
//!
//! A working connection has an empty main database in memory and the file attached as `recon`, so
//! that `recon.recon_runs` is the same text on every backend. Migrations and writers open the file
//! as main: qualified DDL does not work across an attachment.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::{Access as Permission, access};

use super::patience;
use crate::coding::escape_path;
use crate::diagnostic::{Code, Problem};

/// A working connection of a pool.
pub type Pooled = r2d2::PooledConnection<SqliteManager>;

/// A pool of working connections.
pub struct SqlitePool {
    pool: r2d2::Pool<SqliteManager>,
    path: PathBuf,
    failure: Failure,
}

/// Why the last connection could not be opened; r2d2 itself keeps only a text.
type Failure = Arc<Mutex<Option<Problem>>>;

impl SqlitePool {
    /// A connection. While all are in use or the file is locked, it waits; any other obstacle to a new one (memory,
    /// open files, a missing file) does not pass by waiting.
    ///
    /// # Errors
    /// The obstacle.
    pub fn get(&self) -> Result<Pooled, Problem> {
        let until = Instant::now() + patience::left(POOL_TIMEOUT);
        self.last().take();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.pool.get_timeout(left.min(LOOK)) {
                Ok(connection) => return Ok(connection),
                Err(_) => match self.last().take() {
                    Some(problem) if problem.code != Code::StoreBusy => return Err(problem),
                    _ if left > LOOK => {}
                    Some(problem) => return Err(problem),
                    None => {
                        let message = "no connection to the store is free";
                        let help = "try again when the other commands on this store are done";
                        return Err(Problem::new(Code::StoreBusy, message)
                            .in_file(&self.path)
                            .help(help));
                    }
                },
            }
        }
    }

    fn last(&self) -> MutexGuard<'_, Option<Problem>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a connection of a pool is waited for where no deadline says otherwise.
const POOL_TIMEOUT: Duration = Duration::from_secs(30);
/// Interval at which a wait for a connection looks for the cause.
const LOOK: Duration = Duration::from_millis(500);
/// How long a connection waits for a lock on the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens working connections for a pool.
pub struct SqliteManager {
    path: PathBuf,
    failure: Failure,
}

impl r2d2::ManageConnection for SqliteManager {
    type Connection = Connection;
    type Error = rusqlite::Error;

    fn connect(&self) -> Result<Connection, rusqlite::Error> {
        attached(&self.path, Access::Read).inspect_err(|error| {
            let problem = problem(&self.path, error);
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
        })
    }

    fn is_valid(&self, connection: &mut Connection) -> Result<(), rusqlite::Error> {
        connection.execute_batch("")
    }

    fn has_broken(&self, _: &mut Connection) -> bool {
        false
    }
}

/// The access of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    Read,
    /// Read and write.
    Write,
}

/// A pool of connections that can't write to the file at `path`, which was opened before: a pool that can't open a file
/// retries until its timeout.
///
/// # Errors
/// Too few threads may be started.
pub fn readers(path: &Path) -> Result<SqlitePool, Problem> {
    crate::threads::probe()?;
    let failure = Failure::default();
    let path = path.to_owned();
    let pool = r2d2::Pool::builder()
        .max_size(32)
        .min_idle(Some(0))
        .test_on_check_out(false)
        .build_unchecked(SqliteManager { path: path.clone(), failure: failure.clone() });
    Ok(SqlitePool { pool, path, failure })
}

/// A working connection: memory as main, the file as `recon`.
///
/// # Errors SQLite's error.
pub fn attached(path: &Path, access: Access) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(":memory:", flags)?;
    let mode = match access {
        _ if is_fixed(path) => "ro&immutable=1",
        Access::Read => "ro",
        Access::Write => "rw",
    };
    connection.execute("ATTACH ?1 AS recon", [format!("{}?mode={mode}", file_uri(path))])?;
    connection.execute_batch(
        "PRAGMA recon.synchronous = NORMAL; PRAGMA foreign_keys = ON; \
         PRAGMA trusted_schema = OFF; PRAGMA recursive_triggers = ON; PRAGMA temp_store = MEMORY;",
    )?;
    wait_for_locks(&connection)?;
    // Reading something proves that it is a database.
    connection.query_row("SELECT count(*) FROM recon.sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// True if the file cannot change, such as a closed store on a read-only medium: SQLite cannot create its
/// shared-memory files there and must open it as immutable. A non-empty log means that the store was not closed.
fn is_fixed(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let is_closed = std::fs::metadata(&log).map_or(true, |log| log.len() == 0);
    path.exists() && !may(Permission::WRITE_OK, folder_of(path)) && is_closed
}

/// True if the file, or its folder, in which SQLite keeps the log, may not be written to: for its permissions, or on a
/// read-only medium.
pub fn is_read_only(path: &Path) -> bool {
    let denied = |path: &Path| path.exists() && !may(Permission::WRITE_OK, path);
    denied(path) || denied(folder_of(path))
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

fn may(permission: Permission, path: &Path) -> bool {
    access(path, permission).is_ok()
}

/// A connection with the file as main, for migrations and writers. `create` makes a missing file,
/// never a missing folder.
///
/// # Errors SQLite's error.
pub fn direct(path: &Path, create: bool) -> Result<Connection, rusqlite::Error> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if create {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let connection = Connection::open_with_flags(path, flags)?;
    wait_for_locks(&connection)?;
    if create {
        // Nothing is lost with a new file before its first transaction, which waits for the disk.
        connection.pragma_update(None, "synchronous", "OFF")?;
        // The page size takes effect while the file is empty. From 4 to 32 KiB appending records
        // measured alike; larger pages make the small updates of reviewers dearer.
        connection.pragma_update(None, "page_size", 8192)?;
    }
    turn_log_on(&connection, "main")?;
    connection.execute_batch(
        "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; \
         PRAGMA recursive_triggers = ON;",
    )?;
    Ok(connection)
}

/// Turns the log of a file on, `schema` on this connection, if it is off: the first run of a new store may be writing it
/// without one.
///
/// # Errors SQLite's error; busy where readers or a writer keep the file for too long.
pub fn turn_log_on(connection: &Connection, schema: &str) -> Result<(), rusqlite::Error> {
    let began = Instant::now();
    let sql = format!("PRAGMA {schema}.journal_mode = WAL");
    loop {
        match connection.query_row(&sql, [], |_| Ok(())) {
            // SQLite does not wait for this lock itself.
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && began.elapsed() < patience::left(BUSY_TIMEOUT) =>
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            turned => return turned,
        }
    }
}

/// Makes the file at `path` unless it is there, for its owner only. The files that SQLite puts beside it
/// get the same permissions.
///
/// # Errors SQLite's error.
pub fn create(path: &Path) -> Result<Connection, rusqlite::Error> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // On failure, SQLite gives the better error.
    let _ = options.open(path);
    direct(path, true)
}

/// A warning if other users of this machine may read or change the file or the files beside it; not
/// for a closed store on a read-only medium, which cannot be mended.
#[cfg(unix)]
pub fn exposed(path: &Path) -> Option<Problem> {
    use std::os::unix::fs::PermissionsExt as _;
    if is_fixed(path) {
        return None;
    }
    let beside = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let files =
        [path.to_owned(), beside("-wal"), beside("-shm"), beside("-journal"), beside("-locks")];
    let wide: Vec<String> = files
        .iter()
        .filter(|file| {
            std::fs::metadata(file).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
        })
        .map(|file| file.display().to_string())
        .collect();
    if wide.is_empty() {
        return None;
    }
    let message =
        "others on this machine may open the store: its files are not for their owner only";
    Some(
        Problem::new(Code::StoreExposed, message).in_file(path).help(format!(
            "chmod go= {} (run by their owner), unless that is meant",
            wide.join(" ")
        )),
    )
}

/// Elsewhere permissions are not asked for.
#[cfg(not(unix))]
pub fn exposed(_: &Path) -> Option<Problem> {
    None
}

/// Waits for locks in steps of a millisecond. SQLite's own handler backs off to steps of 100 ms and
/// would miss the short pauses between a run's transactions.
fn wait_for_locks(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.busy_handler(Some(|attempts| {
        std::thread::sleep(Duration::from_millis(1));
        let waited = Duration::from_millis(u64::try_from(attempts).unwrap_or_default());
        waited < BUSY_TIMEOUT && !patience::left(BUSY_TIMEOUT).is_zero()
    }))
}

fn file_uri(path: &Path) -> String {
    format!("file:{}", escape_path(path.as_os_str().as_encoded_bytes()))
}

pub const READ_ONLY: &str = "the store may not be written to";
pub const READ_ONLY_HELP: &str = "check the permissions of the file and of its folder";

/// Converts an error of SQLite into a problem with advice.
pub fn problem(path: &Path, error: &rusqlite::Error) -> Problem {
    let said = |message: &str| format!("{message} ({error})");
    // SQLite cannot open a file that it may read where it may not make another beside it.
    let may_read = || !path.exists() || may(Permission::READ_OK, path);
    let (code, message, help) = match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen) if may_read() && is_read_only(path) => {
            (Code::StoreReadOnly, said(READ_ONLY), READ_ONLY_HELP)
        }
        Some(ErrorCode::CannotOpen) => (
            Code::StoreMissing,
            said("the store can't be opened"),
            "check that the folder exists and may be written to, and that enough files may be open (ulimit -n); \
             or name another with --store",
        ),
        Some(ErrorCode::NotADatabase) => (
            Code::StoreCorrupt,
            said("the file is not a store"),
            "name another file with --store; this one is left as it is",
        ),
        Some(ErrorCode::DatabaseCorrupt) => (
            Code::StoreCorrupt,
            said("the store's file is damaged"),
            "restore it from a backup, or save what can be read with the `.recover` command of \
             the sqlite3 shell",
        ),
        Some(ErrorCode::DiskFull) => (
            Code::DiskFull,
            said("the disk is full"),
            "make room, or put the store elsewhere with --store; earlier runs are unharmed",
        ),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            (Code::StoreReadOnly, said(READ_ONLY), READ_ONLY_HELP)
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            Code::StoreBusy,
            said("another program keeps the store locked"),
            "wait for it, or end the program that has the file open",
        ),
        Some(ErrorCode::SystemIoFailure) => (
            Code::StoreFailed,
            said("the store's file could not be read or written"),
            "check the disk and that it isn't full; a network share is no place for a store",
        ),
        Some(ErrorCode::OutOfMemory) => (
            Code::NoMemory,
            said("there is too little memory for the store"),
            "set `options.threads` lower, or raise the limit of memory (ulimit -v)",
        ),
        _ => (Code::StoreFailed, said("the store failed"), ""),
    };
    let problem = Problem::new(code, message).in_file(path);
    if help.is_empty() { problem } else { problem.help(help) }
}
