//! Temporary files for the rows that have no room in memory.
//!
//! Each process has its own folder, created for the first spilled row and removed at the end of the
//! run. The folder's lock is released when the process ends: unlocked folders are left over from
//! crashes, and the next run removes them.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::diagnostic::{Code, Problem};
use crate::domain::Side;

use super::partition::Piece;

const PREFIX: &str = "recon-spill-";
const LOCK: &str = "lock";
/// Attempts to create a folder that another process keeps removing.
const ATTEMPTS: u32 = 20;

/// The folder for spilled rows; created when first needed.
#[derive(Debug)]
pub struct SpillRoom {
    base: PathBuf,
    folder: Mutex<Option<Folder>>,
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    files: usize,
    /// Closing it gives the lock back.
    _lock: File,
}

impl SpillRoom {
    /// Spills below the folder `base`, from which it removes the folders of crashed processes.
    pub fn new(base: &Path) -> Self {
        remove_abandoned(base);
        Self { base: base.to_owned(), folder: Mutex::new(None) }
    }

    /// A new empty file.
    fn file(&self) -> Result<(PathBuf, File), Problem> {
        let mut folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        let make = |folder: &mut Option<Folder>| -> io::Result<(PathBuf, File)> {
            if folder.is_none() {
                *folder = Some(Folder::new(&self.base)?);
            }
            let Some(folder) = folder else { return Err(io::ErrorKind::NotFound.into()) };
            folder.files += 1;
            let path = folder.path.join(format!("{}.rows", folder.files));
            let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
            Ok((path, file))
        };
        make(&mut folder).map_err(|error| failed(&self.base, &error))
    }
}

impl Drop for SpillRoom {
    fn drop(&mut self) {
        let folder = self.folder.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(folder) = folder {
            // If this fails, a later run removes it.
            let _ = std::fs::remove_dir_all(&folder.path);
        }
    }
}

impl Folder {
    fn new(base: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(base)?;
        for _ in 0..ATTEMPTS {
            let name = format!("{PREFIX}{}-{}", std::process::id(), uuid::Uuid::now_v7().simple());
            let path = base.join(name);
            let mut builder = std::fs::DirBuilder::new();
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(&path)?;
            // Until it is locked another process may take it for one that a crash left, and remove it.
            let Ok(lock) = File::open(&path) else { continue };
            lock.lock()?;
            if path.is_dir() {
                return Ok(Self { path, files: 0, _lock: lock });
            }
        }
        Err(io::Error::other("other processes remove the folder again and again"))
    }
}

/// Removes the folders of crashed processes, where possible.
fn remove_abandoned(base: &Path) {
    let Ok(entries) = std::fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        // Earlier versions of recon locked a file in it.
        let of_file = File::open(entry.path().join(LOCK));
        let is_held = of_file.is_ok_and(|lock| lock.try_lock().is_err());
        // Locked until it is removed, so that a process that has just created it notices.
        let folder = File::open(entry.path());
        if !is_held && folder.as_ref().is_ok_and(|folder| folder.try_lock().is_ok()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> Problem {
    let full = matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    );
    let (code, message) = if full {
        (Code::TempDiskFull, "there is no room left for temporary files")
    } else {
        (Code::TempFiles, "temporary files can't be written or read")
    };
    Problem::new(code, format!("{message} ({error})")).in_file(path).help(
        "make room, name another folder as `options.temp_dir`, or raise `options.memory_limit` so \
         that rows stay in memory",
    )
}

/// The rows of one partition that lie one after the other in a file.
#[derive(Clone, Debug)]
pub(super) struct Extent {
    path: Arc<PathBuf>,
    offset: u64,
    pub length: u64,
}

/// A file while it is written.
#[derive(Debug)]
pub(super) struct SpillFile {
    path: Arc<PathBuf>,
    out: BufWriter<File>,
    offset: u64,
}

/// Bytes before each piece: side, sequence, length.
const HEADER: usize = 13;

impl SpillFile {
    pub fn create(room: &SpillRoom) -> Result<Self, Problem> {
        let (path, file) = room.file()?;
        let out = BufWriter::with_capacity(1 << 20, file);
        Ok(Self { path: Arc::new(path), out, offset: 0 })
    }

    /// Writes pieces and returns their positions.
    pub fn write(&mut self, pieces: &[Piece]) -> Result<Extent, Problem> {
        let offset = self.offset;
        for piece in pieces {
            let mut header = [0; HEADER];
            header[0] = u8::from(piece.side == Side::B);
            header[1..9].copy_from_slice(&piece.sequence.to_le_bytes());
            let length = u32::try_from(piece.bytes.len()).unwrap_or(u32::MAX);
            header[9..].copy_from_slice(&length.to_le_bytes());
            let written =
                self.out.write_all(&header).and_then(|()| self.out.write_all(&piece.bytes));
            written.map_err(|error| failed(&self.path, &error))?;
            self.offset += (HEADER + piece.bytes.len()) as u64;
        }
        Ok(Extent { path: Arc::clone(&self.path), offset, length: self.offset - offset })
    }

    /// Hands everything to the operating system.
    pub fn flush(&mut self) -> Result<(), Problem> {
        self.out.flush().map_err(|error| failed(&self.path, &error))
    }
}

impl Extent {
    /// Calls `each` for every piece.
    pub fn read(&self, mut each: impl FnMut(Piece)) -> Result<(), Problem> {
        let mut read = || -> io::Result<()> {
            let mut file = File::open(&*self.path)?;
            file.seek(SeekFrom::Start(self.offset))?;
            let capacity = usize::try_from(self.length).unwrap_or(usize::MAX).clamp(64, 1 << 18);
            let mut input = BufReader::with_capacity(capacity, file.take(self.length));
            let mut left = self.length;
            while left > 0 {
                let mut header = [0; HEADER];
                input.read_exact(&mut header)?;
                let (mut sequence, mut length) = ([0; 8], [0; 4]);
                sequence.copy_from_slice(&header[1..9]);
                length.copy_from_slice(&header[9..]);
                let length = u32::from_le_bytes(length) as usize;
                let mut bytes = vec![0; length];
                input.read_exact(&mut bytes)?;
                each(Piece {
                    side: if header[0] == 0 { Side::A } else { Side::B },
                    sequence: u64::from_le_bytes(sequence),
                    bytes,
                });
                left = left.saturating_sub((HEADER + length) as u64);
            }
            Ok(())
        };
        read().map_err(|error| failed(&self.path, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces() -> Vec<Piece> {
        let piece = |at: u64| Piece {
            side: if at.is_multiple_of(2) { Side::A } else { Side::B },
            sequence: at,
            bytes: vec![at as u8; at as usize * 1_000],
        };
        (0..40).map(piece).collect()
    }

    #[test]
    fn pieces_come_back_and_the_folder_goes() {
        let base = tempfile::tempdir().unwrap();
        let room = SpillRoom::new(&base.path().join("deep"));
        let mut file = SpillFile::create(&room).unwrap();
        let first = file.write(&pieces()[..7]).unwrap();
        let second = file.write(&pieces()[7..]).unwrap();
        file.flush().unwrap();
        let mut back = Vec::new();
        for extent in [first, second] {
            extent.read(|piece| back.push(piece)).unwrap();
        }
        assert_eq!(back.len(), 40);
        for (back, piece) in back.iter().zip(pieces()) {
            assert_eq!((back.side, back.sequence), (piece.side, piece.sequence));
            assert_eq!(back.bytes, piece.bytes);
        }
        assert_eq!(std::fs::read_dir(base.path().join("deep")).unwrap().count(), 1);
        drop(room);
        assert_eq!(std::fs::read_dir(base.path().join("deep")).unwrap().count(), 0);
    }

    #[test]
    fn folders_of_crashed_processes_are_removed_and_live_ones_are_not() {
        let base = tempfile::tempdir().unwrap();
        let dead = SpillRoom::new(base.path());
        drop(SpillFile::create(&dead).unwrap());
        let left = dead.folder.lock().unwrap().take().unwrap().path;
        // One that was killed between making its folder and locking it.
        std::fs::create_dir(base.path().join("recon-spill-1-new")).unwrap();
        assert!(left.exists());
        let alive = SpillRoom::new(base.path());
        assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0);
        let file = SpillFile::create(&alive).unwrap();
        assert!(!left.exists());
        let other = SpillRoom::new(base.path());
        drop(SpillFile::create(&other).unwrap());
        assert!(file.path.exists());
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let path = Arc::new(PathBuf::from("/dev/full"));
        let mut file = SpillFile { path, out: BufWriter::with_capacity(16, file), offset: 0 };
        let problem = file.write(&pieces()).and_then(|_| file.flush()).unwrap_err();
        assert_eq!(problem.code, Code::TempDiskFull);
    }
}
