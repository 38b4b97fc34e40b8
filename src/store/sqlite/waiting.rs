//! Whether somebody waits to write, as other processes can see it.
//!
//! SQLite does not tell the holder of its write lock that others wait for it. So those of this program hold a shared
//! lock on a small file beside the store while they wait. A writer of many rows looks there between two
//! transactions, and pauses only if there is reason to.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The file; each process and each writer has it open for itself.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    path: Option<PathBuf>,
    /// Opened on first use; none where it can't be had: then somebody may always wait.
    file: OnceLock<Option<File>>,
    /// How many threads wait by this.
    threads: Mutex<usize>,
}

impl Waiting {
    /// For the store at `path`.
    pub fn at(store: &Path) -> Self {
        Self { path: Some(folder(store).join("waiting")), ..Self::default() }
    }

    fn file(&self) -> Option<&File> {
        self.file.get_or_init(|| open(self.path.as_deref()?).ok()).as_ref()
    }

    /// Calls `begin`, which waits for the write lock, and lets others see that meanwhile.
    pub fn while_seen<T>(&self, begin: impl FnOnce() -> T) -> T {
        self.count(1);
        let begun = begin();
        self.count(-1);
        begun
    }

    /// The first thread takes the lock, the last gives it back.
    fn count(&self, change: isize) {
        let Some(file) = self.file() else { return };
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *threads;
        *threads = before.saturating_add_signed(change);
        // This fails if a writer tests the file at this moment: then it pauses at its next test or after 100 ms.
        let _ = match (before, *threads) {
            (0, 1) => file.try_lock_shared().is_ok(),
            (1, 0) => file.unlock().is_ok(),
            _ => true,
        };
    }

    /// Whether anybody else may be waiting.
    pub fn others(&self) -> bool {
        let Some(file) = self.file() else { return true };
        file.try_lock().is_err() || file.unlock().is_err()
    }
}

/// The folder of the locks beside a store.
pub(super) fn folder(store: &Path) -> PathBuf {
    let mut folder = store.as_os_str().to_owned();
    folder.push("-locks");
    folder.into()
}

/// Opens the file, and makes it and its folder for their owner only.
fn open(path: &Path) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes the folder of the locks, for its owner only.
pub(super) fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_sees_who_waits_and_only_them() {
        let place = tempfile::tempdir().unwrap();
        let store = place.path().join("a.db");
        let (writer, reviewer) = (Waiting::at(&store), Waiting::at(&store));
        assert!(!writer.others());
        reviewer.while_seen(|| {
            assert!(writer.others());
            // Of two threads that wait, the first to be done does not hide the other.
            reviewer.while_seen(|| assert!(writer.others()));
            assert!(writer.others());
        });
        assert!(!writer.others());
        assert!(Waiting::default().others());
    }
}
