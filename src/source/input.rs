//! The inputs of a source: files by name, list or glob, members of archives, standard input, or
//! nothing that has a name (a query).

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::DeflateDecoder;

use super::file::{Stamp, not_opened, unreadable};
use crate::diagnostic::{Code, Problem, SpecProblem};
use crate::domain::OneOrMany;

/// The most files of a source. Each takes a tenth of a millisecond and a few kilobytes.
const MAX_FILES: usize = 20_000;
/// The largest list of members of an archive, in bytes.
const MAX_DIRECTORY: u64 = 16 << 20;

/// Where a source's rows come from, with everything decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Inputs {
    Files(Vec<PathBuf>),
    Stdin,
    /// Something without files, by this name.
    Named(String),
}

/// How standard input is named in a path.
const STDIN: &str = "-";
/// The name of standard input in places.
const STDIN_NAME: &str = "standard input";

impl Inputs {
    /// The inputs of `paths`, relative to the folder `base`.
    ///
    /// # Errors
    /// An empty path, an empty list, or standard input beside files.
    pub fn resolve(paths: &OneOrMany, base: &Path) -> Result<Self, SpecProblem> {
        let wrong = |code, message: &str, help: Option<&str>| {
            let problem = Problem::new(code, message);
            let problem = match help {
                Some(help) => problem.help(help),
                None => problem,
            };
            SpecProblem::new(["path"], problem)
        };
        match paths.0.as_slice() {
            [] => Err(wrong(Code::EmptyPath, "`path` is an empty list", None)),
            [one] if one == STDIN => Ok(Self::Stdin),
            all if all.iter().any(String::is_empty) => {
                Err(wrong(Code::EmptyPath, "`path` is empty", None))
            }
            all if all.iter().any(|path| path == STDIN) => Err(wrong(
                Code::StdinInList,
                "standard input, `-`, is one of several paths",
                Some("standard input is a source of its own: write `path: \"-\"`"),
            )),
            all => Ok(Self::Files(all.iter().map(|path| base.join(path)).collect())),
        }
    }

    /// The name of the source in messages.
    pub fn name(&self) -> PathBuf {
        match self {
            Self::Files(paths) => match paths.as_slice() {
                [one] => one.clone(),
                [first, ..] => {
                    PathBuf::from(format!("{} and {} more", first.display(), paths.len() - 1))
                }
                [] => PathBuf::new(),
            },
            Self::Stdin => STDIN_NAME.into(),
            Self::Named(name) => name.into(),
        }
    }

    /// True if other files may match on another day: a glob, or a list.
    pub fn may_vary(&self) -> bool {
        let is_glob = |path: &PathBuf| is_glob(path.as_os_str());
        matches!(self, Self::Files(paths) if paths.len() > 1 || paths.iter().any(is_glob))
    }

    /// Every input there is now, in the order in which they are read.
    ///
    /// # Errors
    /// A file or a folder that can't be read, a glob that matches nothing, an archive that can't be taken
    /// apart.
    pub fn list(&self) -> Result<Vec<Input>, Problem> {
        let paths = match self {
            Self::Stdin => {
                return Ok(vec![Input {
                    name: STDIN_NAME.into(),
                    origin: Origin::Stdin,
                    is_digested: true,
                }]);
            }
            Self::Named(name) => {
                return Ok(vec![Input {
                    name: name.into(),
                    origin: Origin::Nothing,
                    is_digested: true,
                }]);
            }
            Self::Files(paths) => paths,
        };
        let mut files = Vec::new();
        for path in paths {
            files.extend(expand(path)?);
        }
        if files.len() > 1 {
            files.sort_unstable_by(|a, b| {
                a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes())
            });
            files.dedup();
            // One file may have several names: `in/a.csv`, `./in/a.csv`, a link.
            let is_one_folder = files.windows(2).all(|two| two[0].parent() == two[1].parent());
            if !is_one_folder || files.iter().any(|path| path.is_symlink()) {
                let mut seen = HashSet::new();
                files.retain(|path| {
                    seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone()))
                });
            }
        }
        let mut inputs = Vec::with_capacity(files.len());
        for path in files {
            match Archive::of(&path)? {
                Some(archive) => inputs.extend(archive.members(&path)?),
                None => inputs.push(Input { name: path, origin: Origin::File, is_digested: true }),
            }
        }
        at_most(inputs.len(), "the source", &self.name())?;
        Ok(inputs)
    }
}

/// Refuses more files than a source may have.
fn at_most(files: usize, whose: &str, path: &Path) -> Result<(), Problem> {
    if files > MAX_FILES {
        let message = format!("{whose} has {files} files, more than {MAX_FILES}");
        return Err(too_many(message, path));
    }
    Ok(())
}

fn too_many(message: String, path: &Path) -> Problem {
    let help = "put several into one, or name fewer";
    Problem::new(Code::TooManyFiles, message).in_file(path).help(help)
}

/// The files that a path means: the file of this name, else those that the glob matches.
fn expand(path: &Path) -> Result<Vec<PathBuf>, Problem> {
    if !is_glob(path.as_os_str()) || std::fs::symlink_metadata(path).is_ok() {
        return Ok(vec![path.to_owned()]);
    }
    let parts: Vec<&OsStr> = path.components().map(Component::as_os_str).collect();
    let mut files = Vec::new();
    matching(PathBuf::new(), &parts, path, &mut files)?;
    if files.is_empty() {
        return Err(Problem::new(Code::NoFiles, "no file matches this glob").in_file(path).help(
            "relative paths are relative to the file that names them; `*` never matches `/`",
        ));
    }
    Ok(files)
}

fn is_glob(text: &OsStr) -> bool {
    text.as_encoded_bytes().iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// Adds the files in `folder` that `parts` match, one part for each folder on the way. A part that is the
/// name of something there means that, whatever characters it has.
fn matching(
    folder: PathBuf,
    parts: &[&OsStr],
    path: &Path,
    files: &mut Vec<PathBuf>,
) -> Result<(), Problem> {
    let Some((first, rest)) = parts.split_first() else {
        // Folders that match are no files; a link to a file is.
        if !folder.is_dir() {
            files.push(folder);
        }
        return Ok(());
    };
    let here = folder.join(first);
    if std::fs::symlink_metadata(&here).is_ok() {
        return matching(here, rest, path, files);
    }
    if !is_glob(first) {
        return Ok(());
    }
    let is_any_depth = *first == "**";
    let first = first.to_string_lossy();
    let pattern = glob::Pattern::new(&first).map_err(|error| {
        let message =
            format!("the glob `{first}` is wrong after {} characters: {}", error.pos, error.msg);
        Problem::new(Code::BadGlob, message)
            .in_file(path)
            .help("`*`, `?`, `[a-z]` and `**` are known")
    })?;
    if is_any_depth {
        matching(folder.clone(), rest, path, files)?;
    }
    let options =
        glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
    for entry in entries(&folder)? {
        let is_match = pattern.matches_with(&entry.to_string_lossy(), options);
        let found = folder.join(&entry);
        match (is_match, is_any_depth) {
            // A link to a folder may lead back to where it is.
            (true, true) if found.is_dir() && !found.is_symlink() => {
                matching(found, parts, path, files)?;
            }
            (true, false) => matching(found, rest, path, files)?,
            _ => {}
        }
    }
    Ok(())
}

/// The names in a folder; none if it is no folder.
fn entries(folder: &Path) -> Result<Vec<OsString>, Problem> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let names = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
    names.map_err(|error: io::Error| {
        let message = format!("cannot look into the folder: {error}");
        Problem::new(Code::SourceUnreadable, message).in_file(folder)
    })
}

/// One file, member of an archive, or other thing that rows are read from.
#[derive(Clone, Debug)]
pub(super) struct Input {
    /// As places name it.
    pub name: PathBuf,
    origin: Origin,
    /// Its bytes are digested while they are read.
    pub is_digested: bool,
}

#[derive(Clone, Debug)]
enum Origin {
    File,
    Member(Box<Member>),
    Stdin,
    Nothing,
}

/// The bytes of an input, as they lie there.
pub(super) struct RawInput {
    pub reader: Box<dyn Read + Send>,
    /// Their number; 0 if that is not known.
    pub size: u64,
    /// The file behind them, by which is seen that it is written to.
    pub file: Option<(File, Option<Stamp>)>,
}

impl Input {
    /// Something that is not opened here.
    pub fn nothing(name: &Path) -> Self {
        Self { name: name.to_owned(), origin: Origin::Nothing, is_digested: true }
    }

    /// A file on its own.
    pub fn file(path: &Path) -> Self {
        Self { name: path.to_owned(), origin: Origin::File, is_digested: true }
    }

    /// Opens it for reading from its beginning.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn open(&self) -> Result<RawInput, Problem> {
        let path = match &self.origin {
            Origin::Stdin => {
                return Ok(RawInput { reader: Box::new(io::stdin()), size: 0, file: None });
            }
            Origin::Nothing => {
                return Ok(RawInput { reader: Box::new(io::empty()), size: 0, file: None });
            }
            Origin::File => &self.name,
            Origin::Member(member) => &member.archive,
        };
        let mut file = File::open(path).map_err(|error| not_opened(path, &error))?;
        let metadata = file.metadata().map_err(|error| not_opened(path, &error))?;
        if metadata.is_dir() {
            return Err(Problem::new(Code::SourceUnreadable, "this is a folder, not a file")
                .in_file(path)
                .help("name its files, as in `path: folder/*.csv`"));
        }
        let stamp = Stamp::of(&metadata);
        let watched = file.try_clone().map_err(|error| not_opened(path, &error))?;
        let (reader, size): (Box<dyn Read + Send>, u64) = match &self.origin {
            Origin::Member(member) => {
                let reader = member.reader(file).map_err(|error| unreadable(path, 0, &error))?;
                (reader, member.size)
            }
            _ => {
                // A file that is read twice by one handle begins at its beginning.
                if stamp.is_some() {
                    file.rewind().map_err(|error| unreadable(path, 0, &error))?;
                }
                (Box::new(file), metadata.len())
            }
        };
        Ok(RawInput { reader, size, file: Some((watched, stamp)) })
    }

    /// The path of a plain file on disk, for kinds that read it in another order.
    pub fn plain_file(&self) -> Option<&Path> {
        matches!(self.origin, Origin::File).then_some(self.name.as_path())
    }
}

/// A member of a zip archive.
#[derive(Clone, Debug)]
struct Member {
    archive: PathBuf,
    start: u64,
    compressed: u64,
    size: u64,
    checksum: u32,
    is_deflated: bool,
}

impl Member {
    fn reader(&self, mut archive: File) -> io::Result<Box<dyn Read + Send>> {
        archive.seek(SeekFrom::Start(self.start))?;
        let raw = BufReader::new(archive).take(self.compressed);
        let content: Box<dyn Read + Send> =
            if self.is_deflated { Box::new(DeflateDecoder::new(raw)) } else { Box::new(raw) };
        Ok(Box::new(Checked {
            content,
            checksum: crc32fast::Hasher::new(),
            expected: (self.checksum, self.size),
            read: 0,
        }))
    }
}

/// The content of a member: its end is its end only if size and checksum are right.
struct Checked {
    content: Box<dyn Read + Send>,
    checksum: crc32fast::Hasher,
    expected: (u32, u64),
    read: u64,
}

impl Read for Checked {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.content.read(out)?;
        self.checksum.update(out.get(..length).unwrap_or_default());
        self.read += length as u64;
        let found = (self.checksum.clone().finalize(), self.read);
        if length == 0 && !out.is_empty() && found != self.expected {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the member is not what the archive says that it is (size and checksum)",
            ));
        }
        Ok(length)
    }
}

/// A file with a limit on the bytes read.
struct Metered {
    file: File,
    left: Arc<AtomicU64>,
}

impl Read for Metered {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(out)?;
        let left = self.left.load(Ordering::Relaxed).saturating_sub(length as u64);
        self.left.store(left, Ordering::Relaxed);
        if left == 0 { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(length) }
    }
}

impl Seek for Metered {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// A zip archive that is not a workbook.
struct Archive(zip::ZipArchive<BufReader<Metered>>);

impl Archive {
    /// The archive at `path`, if it is one.
    fn of(path: &Path) -> Result<Option<Self>, Problem> {
        let mut file = File::open(path).map_err(|error| not_opened(path, &error))?;
        let metadata = file.metadata().map_err(|error| not_opened(path, &error))?;
        // A pipe gives its bytes once.
        if !metadata.is_file() {
            return Ok(None);
        }
        let mut head = [0; 4];
        let is_zip = file.read_exact(&mut head).is_ok()
            && matches!(head, [b'P', b'K', 3, 4] | [b'P', b'K', 5, 6]);
        if !is_zip {
            return Ok(None);
        }
        let left = Arc::new(AtomicU64::new(MAX_DIRECTORY));
        let metered = Metered { file, left: Arc::clone(&left) };
        let archive = zip::ZipArchive::new(BufReader::new(metered)).map_err(|error| {
            if left.load(Ordering::Relaxed) == 0 {
                let limit = MAX_DIRECTORY >> 20;
                let message = format!("the list of this archive's files has more than {limit} MiB");
                return too_many(message, path);
            }
            Problem::new(Code::BadArchive, format!("this zip archive can't be read: {error}"))
                .in_file(path)
                .help("it is cut off or damaged; fetch the file again")
        })?;
        left.store(u64::MAX, Ordering::Relaxed);
        // Workbooks are zip archives too; they are files of their own kind.
        let is_workbook = ["[Content_Types].xml", "mimetype"]
            .iter()
            .any(|name| archive.index_for_name(name).is_some());
        Ok((!is_workbook).then_some(Self(archive)))
    }

    /// Its files, in byte order of their names.
    fn members(mut self, path: &Path) -> Result<Vec<Input>, Problem> {
        let wrong = |message: String, help: &str| {
            Problem::new(Code::BadArchive, message).in_file(path).help(help)
        };
        at_most(self.0.len(), "this zip archive", path)?;
        let mut members = Vec::new();
        for index in 0..self.0.len() {
            let member = self.0.by_index_raw(index).map_err(|error| {
                let message = format!("a member of this zip archive can't be found: {error}");
                wrong(message, "the archive is damaged; fetch it again")
            })?;
            let name = String::from_utf8_lossy(member.name_raw()).into_owned();
            let is_hidden = name.split('/').any(|part| part.starts_with('.') || part == "__MACOSX");
            if member.is_dir() || is_hidden {
                continue;
            }
            if member.encrypted() {
                let message = format!("`{name}` in this zip archive is encrypted");
                return Err(wrong(message, "unpack it with its password, and read the files"));
            }
            let is_deflated = match member.compression() {
                zip::CompressionMethod::Stored => false,
                zip::CompressionMethod::Deflated => true,
                other => {
                    let message = format!("`{name}` in this zip archive is compressed by {other}");
                    return Err(wrong(message, "unpack it, or pack it again with deflate"));
                }
            };
            let start = member.data_start().ok_or_else(|| {
                let message = format!("`{name}` in this zip archive can't be found");
                wrong(message, "the archive is damaged; fetch it again")
            })?;
            members.push(Input {
                name: format!("{}/{name}", path.display()).into(),
                origin: Origin::Member(Box::new(Member {
                    archive: path.to_owned(),
                    start,
                    compressed: member.compressed_size(),
                    size: member.size(),
                    checksum: member.crc32(),
                    is_deflated,
                })),
                is_digested: true,
            });
        }
        if members.is_empty() {
            let message = "this zip archive has no files".to_owned();
            return Err(wrong(
                message,
                "folders, `__MACOSX` and names with a leading dot do not count",
            ));
        }
        members.sort_by(|a, b| {
            a.name.as_os_str().as_encoded_bytes().cmp(b.name.as_os_str().as_encoded_bytes())
        });
        Ok(members)
    }
}
