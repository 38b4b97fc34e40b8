//! Files named by the user: regular ones, of bounded size.
//!
//! Every setting that names a file (a script, a lookup, a calendar, labels, checkpoints, passwords, `recon.yaml`
//! itself) opens it here. A pipe or a device could keep recon waiting for ever, or never end; a file that is far too
//! large is a mistake. Sources are read elsewhere: they are streams of any size.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The size of `recon.yaml`, of a script, a calendar, a key, or a password file.
pub const SMALL: u64 = 4 << 20;
/// The size of a lookup: in memory its texts take many times as much.
pub const LOOKUP: u64 = 16 << 20;
/// The size of a file of checkpoints.
pub const LARGE: u64 = 64 << 20;
/// The size of a file of labels: some million rows.
pub const LABELS: u64 = 512 << 20;

/// Opens a regular file for reading.
///
/// # Errors
/// The system's error, and anything that is not a regular file.
pub fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // Opening a pipe would block until it has a writer.
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
    }
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        return Ok(file);
    }
    let what = if metadata.is_dir() { "a folder" } else { "a pipe or a device" };
    Err(io::Error::other(format!("it is {what}, not a regular file")))
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// As [`open`], and a larger file.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let size = file.metadata()?.len();
    let too_large =
        || io::Error::other(format!("it is larger than the {} MiB that it may have", limit >> 20));
    if size > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    // A file may grow while it is read, and some have no size.
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes) }
}

pub type Texts = BTreeMap<PathBuf, String>;

/// Treatment of texts that a configuration names when they move to another machine.
enum Travel {
    /// Every text that is read is kept.
    Packing(Texts),
    /// These texts are the only ones there are.
    Arrived(Texts),
}

static TRAVEL: Mutex<Option<Travel>> = Mutex::new(None);

/// Calls `work`, and gives the texts that it has read.
pub fn packing<T>(work: impl FnOnce() -> T) -> (T, Texts) {
    let travel = || TRAVEL.lock().unwrap_or_else(PoisonError::into_inner);
    *travel() = Some(Travel::Packing(Texts::new()));
    let done = work();
    match travel().take() {
        Some(Travel::Packing(texts)) => (done, texts),
        _ => (done, Texts::new()),
    }
}

/// From now on only these texts are read, never the disk: they came from another machine.
pub fn arrived(texts: Texts) {
    *TRAVEL.lock().unwrap_or_else(PoisonError::into_inner) = Some(Travel::Arrived(texts));
}

/// Reads a regular file of at most `limit` bytes as text in UTF-8.
///
/// # Errors
/// As [`read`], and anything else than UTF-8, or the character NUL.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    let mut travel = TRAVEL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(Travel::Arrived(texts)) = &*travel {
        let text = texts.get(path).cloned();
        return text.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the job lacks it"));
    }
    let text = String::from_utf8(read(path, limit)?)
        .ok()
        .filter(|text| !text.contains('\0'))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is not text in UTF-8"))?;
    if let Some(Travel::Packing(texts)) = &mut *travel {
        texts.insert(path.to_owned(), text.clone());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_bounded_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        assert!(read(&path, 4).unwrap_err().to_string().contains("larger"));
        for no_text in [0xff, 0] {
            std::fs::write(&path, [no_text]).unwrap();
            assert!(read_text(&path, 5).unwrap_err().to_string().contains("UTF-8"));
        }
        assert!(read(folder.path(), 5).unwrap_err().to_string().contains("a folder"));
        assert_eq!(
            read(&folder.path().join("none"), 5).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_or_a_device_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        for path in [pipe.as_path(), Path::new("/dev/zero"), Path::new("/dev/null")] {
            let said = read(path, SMALL).unwrap_err().to_string();
            assert!(said.contains("a pipe or a device"), "{said}");
        }
    }
}
