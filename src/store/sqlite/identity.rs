//! Checks that the store's file is still the one that was opened.
//!
//! A file that was deleted or replaced stays open under its old connections: writes to it would be lost without an
//! error. So the file at the path is compared with the one that was opened, before and after each transaction.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::diagnostic::{Code, Problem};
use crate::store::trail_end::replaced;

/// A file as the system knows it: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Number(u64, u64);

impl Number {
    fn of(metadata: &Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }
}

/// The file that was opened.
#[derive(Debug)]
pub(super) struct Identity {
    path: PathBuf,
    number: Number,
    /// The log at the end of the newest transaction.
    log: Mutex<Option<Number>>,
    /// Keeps the inode from being given to another file. Opened as a mere path: closing any other
    /// descriptor of the file would give back all locks that SQLite holds on it.
    #[cfg(target_os = "linux")]
    _pin: Option<rustix::fd::OwnedFd>,
}

impl Identity {
    /// The identity of the file that is at this path now.
    pub(super) fn of(path: &Path) -> Result<Self, Problem> {
        #[cfg(target_os = "linux")]
        let pin = {
            use rustix::fs::{Mode, OFlags, open};
            open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()
        };
        let metadata = std::fs::metadata(path).map_err(|error| gone(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            number: Number::of(&metadata),
            log: Mutex::default(),
            #[cfg(target_os = "linux")]
            _pin: pin,
        })
    }

    /// Makes sure that the same file is still there.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let metadata = std::fs::metadata(&self.path).map_err(|error| gone(&self.path, &error))?;
        if Number::of(&metadata) == self.number {
            return Ok(());
        }
        Err(replaced("another file is where the store was").in_file(&self.path))
    }

    /// Makes sure that the same file is still there, and the log of the newest transaction: connections that have
    /// both open would go on reading a deleted file.
    pub(super) fn check_all(&self) -> Result<(), Problem> {
        self.check()?;
        let known = *self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_some() { Log(known).check(&self.path) } else { Ok(()) }
    }

    /// Remembers the log of a transaction that has ended.
    pub(super) fn remember(&self, log: &Log) {
        *self.log.lock().unwrap_or_else(PoisonError::into_inner) = log.0;
    }

    /// The reason why a transaction failed. A new connection takes a log that is gone for damage, or for a disk
    /// that can't be read.
    pub(super) fn reason(&self, problem: Problem) -> Problem {
        let known = *self.log.lock().unwrap_or_else(PoisonError::into_inner);
        match Log(known).check(&self.path) {
            Err(replaced) if known.is_some() => replaced,
            _ => problem,
        }
    }
}

fn gone(path: &Path, error: &std::io::Error) -> Problem {
    if error.kind() == ErrorKind::NotFound {
        return replaced("the store's file was deleted or moved").in_file(path);
    }
    Problem::new(Code::StoreFailed, format!("the store's file can't be looked at: {error}"))
        .in_file(path)
        .help("check the permissions of its folder, and its disk")
}

/// The log beside the file, which holds the newest transactions. While a connection has it open it
/// stays the same file.
#[derive(Debug, Default)]
pub(super) struct Log(Option<Number>);

impl Log {
    /// Makes sure, within a transaction, that the log is the one of the transactions before.
    pub(super) fn check(&mut self, store: &Path) -> Result<(), Problem> {
        let mut path = store.as_os_str().to_owned();
        path.push("-wal");
        let found = std::fs::metadata(&path).ok().map(|metadata| Number::of(&metadata));
        match (self.0, found) {
            (None, found) => self.0 = found,
            (Some(known), Some(found)) if known == found => {}
            _ => return Err(replaced("the store's log was deleted or replaced").in_file(path)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_moved_deleted_or_replaced_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let (path, aside) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&path, "one").unwrap();
        let identity = Identity::of(&path).unwrap();
        std::fs::write(&path, "two").unwrap();
        identity.check().unwrap();
        std::fs::rename(&path, &aside).unwrap();
        assert_eq!(identity.check().unwrap_err().code, Code::StoreReplaced);
        std::fs::copy(&aside, &path).unwrap();
        assert_eq!(identity.check().unwrap_err().code, Code::StoreReplaced);
        std::fs::rename(&aside, &path).unwrap();
        identity.check().unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "one").unwrap();
        assert_eq!(identity.check().unwrap_err().code, Code::StoreReplaced);
        assert_eq!(Identity::of(&aside).unwrap_err().code, Code::StoreReplaced);
    }

    #[test]
    fn the_log_is_the_one_of_the_first_transaction() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("a.db");
        let log = folder.path().join("a.db-wal");
        std::fs::write(&log, "").unwrap();
        let mut known = Log::default();
        known.check(&store).unwrap();
        known.check(&store).unwrap();
        std::fs::rename(&log, folder.path().join("aside")).unwrap();
        assert_eq!(known.check(&store).unwrap_err().code, Code::StoreReplaced);
    }
}
