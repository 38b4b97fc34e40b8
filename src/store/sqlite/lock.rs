//! The lock on a job's date: an operating system's lock on a small file beside the store, which dies
//! with its process. The file's text names the holder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::waiting::{folder, make_folder};
use crate::coding::hex;
use crate::database::{host_name, sqlite as database};
use crate::diagnostic::{Code, Problem};
use crate::domain::{Date, Progress};
use crate::store::{RunLock, stored};

/// Holds the lock until it is dropped.
#[derive(Debug)]
pub(super) struct FileLock {
    /// Closing it gives the lock back.
    _file: File,
}

impl RunLock for FileLock {}

/// Takes the lock, waiting at most `timeout`.
pub(super) fn take(
    store: &Path,
    job: &str,
    batch_date: Date,
    timeout: Duration,
    progress: &dyn Progress,
) -> Result<FileLock, Problem> {
    let began = Instant::now();
    loop {
        match try_take(store, job, batch_date)? {
            Attempt::Taken(lock) => return Ok(lock),
            Attempt::HeldBy(_) if progress.interrupted() => return Err(Problem::interrupted()),
            Attempt::HeldBy(holder) if began.elapsed() >= timeout => {
                return Err(stored::locked(job, batch_date, &holder, timeout.as_secs()));
            }
            Attempt::HeldBy(_) => {
                let left = timeout.saturating_sub(began.elapsed());
                std::thread::sleep(left.min(Duration::from_millis(50)));
            }
        }
    }
}

/// The outcome of an attempt.
pub(super) enum Attempt {
    /// The lock is ours.
    Taken(FileLock),
    /// Held by this process.
    HeldBy(String),
}

/// Takes the lock if it is free.
pub(super) fn try_take(store: &Path, job: &str, batch_date: Date) -> Result<Attempt, Problem> {
    let path = path(store, job, batch_date);
    let failed = |error: std::io::Error| {
        if database::is_read_only(store) {
            let message = format!("{} (no lock beside it: {error})", database::READ_ONLY);
            return Problem::new(Code::StoreReadOnly, message)
                .in_file(store)
                .help(database::READ_ONLY_HELP);
        }
        Problem::new(Code::LockFailed, format!("the lock of the run can't be taken: {error}"))
            .in_file(&path)
            .help("check the permissions of the folder, and that it is on a local disk")
    };
    make_folder(&folder(store)).map_err(failed)?;
    // Never truncated on opening: the text is the present holder's.
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0).map_err(failed)?;
            file.rewind().map_err(failed)?;
            file.write_all(describe_process(job, batch_date).as_bytes()).map_err(failed)?;
            Ok(Attempt::Taken(FileLock { _file: file }))
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let known = file.read_to_string(&mut holder).is_ok();
            let line = holder.lines().next().unwrap_or_default();
            let holder = if known && !line.is_empty() { line } else { "another process" };
            Ok(Attempt::HeldBy(holder.to_owned()))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// `<store>-locks/<hash of job and date>.lock`: a job's name may contain characters that a file's may not.
fn path(store: &Path, job: &str, batch_date: Date) -> PathBuf {
    let name = hex(&stored::lock_name(job, batch_date)[..16]);
    folder(store).join(format!("{name}.lock"))
}

/// This process for people who wait for it: number, host, command, since when; then the job.
fn describe_process(job: &str, batch_date: Date) -> String {
    // An argument with `://` may be a URL with a password.
    let words = std::env::args()
        .skip(1)
        .map(|word| if word.contains("://") { "…".to_owned() } else { word });
    let command: Vec<String> = std::iter::once("recon".to_owned()).chain(words).take(12).collect();
    let since = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    let line = format!(
        "process {} on {} (`{}`, since {since})",
        std::process::id(),
        host_name(),
        command.join(" ").replace(['\n', '\r'], " ")
    );
    format!("{line}\njob {job}, {batch_date}\n")
}
