//! Moves a writer's log into the file while the writer goes on: a checkpoint waits for the disk, and
//! waiting is all it does.
//!
//! The log begins anew only when all of it has been moved and nothing was added meanwhile. So the writer
//! stops now and then until that is so; otherwise the log would become as large as the file. So
//! the end of the command has little to move and to delete.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};
use rusqlite::Connection;

use crate::database::sqlite as database;

/// Bytes of rows between two checkpoints. Rows take up more in the log than their bytes.
const BYTES_APART: usize = 8 << 20;
/// After this many checkpoints the writer waits, so that the log starts over.
const BEFORE_RESTART: u32 = 2;
/// Bytes of rows that are worth a checkpoint of their own shortly before the last one.
const BYTES_BEFORE_LAST: usize = 1 << 20;

/// A thread with a connection of its own, which ends with the writer.
#[derive(Debug)]
pub(super) struct Checkpoints {
    path: PathBuf,
    worker: Option<Worker>,
    /// Bytes written since the last checkpoint was asked for.
    bytes: usize,
    asked: u32,
    done: u32,
}

#[derive(Debug)]
struct Worker {
    requests: Sender<()>,
    results: Receiver<Result<(), rusqlite::Error>>,
    thread: JoinHandle<()>,
}

impl Checkpoints {
    /// For the file at `path`; the thread begins with the first checkpoint.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), worker: None, bytes: 0, asked: 0, done: 0 }
    }

    /// Whether the writer, which may be in a transaction until then, waits when it has written so many bytes more.
    pub(super) const fn waits_after(&self, bytes: usize) -> bool {
        self.bytes + bytes >= BYTES_APART && self.asked >= BEFORE_RESTART
    }

    /// Counts bytes that were written by `connection`, which is in no transaction if [`Self::waits_after`] them.
    pub(super) fn written(
        &mut self,
        connection: &Connection,
        bytes: usize,
    ) -> Result<(), rusqlite::Error> {
        self.bytes += bytes;
        if self.bytes < BYTES_APART {
            return Ok(());
        }
        if self.asked < BEFORE_RESTART {
            return self.ask();
        }
        self.bytes = 0;
        self.wait()?;
        checkpoint(connection)
    }

    /// Asks for a checkpoint if the last one, for which the whole command waits, would have much to do.
    pub(super) fn before_last(&mut self) -> Result<(), rusqlite::Error> {
        if self.worker.is_some() && self.bytes >= BYTES_BEFORE_LAST { self.ask() } else { Ok(()) }
    }

    fn ask(&mut self) -> Result<(), rusqlite::Error> {
        self.bytes = 0;
        self.asked += 1;
        let worker = match &mut self.worker {
            Some(worker) => worker,
            none => none.insert(Worker::start(&self.path)?),
        };
        // A worker that is gone has left its error behind.
        let _ = worker.requests.send(());
        while let Ok(result) = worker.results.try_recv() {
            self.done += 1;
            result?;
        }
        Ok(())
    }

    /// Waits until everything asked for is done.
    pub(super) fn wait(&mut self) -> Result<(), rusqlite::Error> {
        if let Some(worker) = &self.worker {
            while self.done < self.asked {
                let Ok(result) = worker.results.recv() else { break };
                self.done += 1;
                result?;
            }
        }
        (self.asked, self.done) = (0, 0);
        Ok(())
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        if let Some(Worker { requests, results, thread }) = self.worker.take() {
            drop((requests, results));
            // It panics only where SQLite does.
            let _ = thread.join();
        }
    }
}

impl Worker {
    fn start(path: &Path) -> Result<Self, rusqlite::Error> {
        let connection = database::direct(path, false)?;
        let (requests, requested) = unbounded();
        let (send_result, results) = unbounded();
        let thread = std::thread::Builder::new().spawn(move || {
            for () in requested {
                if send_result.send(checkpoint(&connection)).is_err() {
                    break;
                }
            }
        });
        let thread = thread.map_err(|error| {
            let no_memory = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOMEM);
            let said = crate::threads::not_started(&error).message;
            rusqlite::Error::SqliteFailure(no_memory, Some(said))
        })?;
        Ok(Self { requests, results, thread })
    }
}

/// Moves the part of the log that has no readers into the file, without waiting.
pub(super) fn checkpoint(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_stays_small_while_the_file_grows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        let connection = database::direct(&path, true).unwrap();
        connection.execute_batch("PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (x)").unwrap();
        let mut checkpoints = Checkpoints::new(&path);
        let row = vec![7u8; 1 << 20];
        for _ in 0..300 {
            connection.execute("INSERT INTO t VALUES (?1)", [&row]).unwrap();
            checkpoints.written(&connection, row.len()).unwrap();
        }
        checkpoints.wait().unwrap();
        drop(checkpoints);
        let size = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().len();
        assert!(size("log.db") > 100 << 20);
        let most = BYTES_APART as u64 * u64::from(BEFORE_RESTART + 3);
        assert!(size("log.db-wal") < most, "{}", size("log.db-wal"));
    }
}
