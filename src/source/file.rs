//! The bytes of a source's file: digested as they are on disk, decompressed if they need it.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::input::Input;
use super::kind::InputRead;
use crate::coding::hex;
use crate::diagnostic::{Code, Problem, nearest};

/// A reader that can show its beginning before it is read.
struct Peekable<R> {
    head: Vec<u8>,
    reader: R,
}

impl<R: Read> Peekable<R> {
    fn new(reader: R) -> Self {
        Self { head: Vec::new(), reader }
    }

    /// The next `count` bytes, or fewer at the end.
    fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        let missing = count.saturating_sub(self.head.len());
        (&mut self.reader).take(missing as u64).read_to_end(&mut self.head)?;
        Ok(&self.head)
    }
}

impl<R: Read> Read for Peekable<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.head.is_empty() {
            return self.reader.read(out);
        }
        let length = self.head.len().min(out.len());
        out[..length].copy_from_slice(&self.head[..length]);
        self.head.drain(..length);
        Ok(length)
    }
}

/// The bytes on disk, digested as they pass, if the input is to be digested.
struct Digesting {
    reader: Box<dyn Read + Send>,
    digest: Option<Sha256>,
    read: u64,
}

impl Digesting {
    /// A piece of the file is digested while it is still in the processor's cache.
    const PIECE: usize = 256 * 1024;
}

impl Read for Digesting {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = out.len().min(Self::PIECE);
        let length = self.reader.read(&mut out[..length])?;
        if let Some(digest) = &mut self.digest {
            digest.update(&out[..length]);
        }
        self.read += length as u64;
        Ok(length)
    }
}

type Raw = Peekable<Digesting>;

enum Content {
    Plain(Raw),
    Gzip(Box<MultiGzDecoder<Raw>>),
    Zstd(zstd::Decoder<'static, io::BufReader<Raw>>),
}

impl Read for Content {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(raw) => raw.read(out),
            Self::Gzip(decoder) => decoder.read(out),
            Self::Zstd(decoder) => decoder.read(out),
        }
    }
}

/// Size and time of a file: one of them changes with every write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    /// Of a plain file.
    pub fn of(metadata: &Metadata) -> Option<Self> {
        let stamp = Self { size: metadata.len(), modified: metadata.modified().ok() };
        metadata.is_file().then_some(stamp)
    }
}

/// A file being read. Its content decides whether it is decompressed, not its name.
pub(super) struct SourceFile {
    path: PathBuf,
    size: u64,
    /// The file, and its state when it was opened; `None` for anything but a plain file.
    watched: Option<(File, Option<Stamp>)>,
    content: Peekable<Content>,
}

impl SourceFile {
    /// Opens an input that is text.
    ///
    /// # Errors
    /// It can't be opened, is a folder, or holds something that is not text.
    pub fn open_text(input: &Input) -> Result<Self, Problem> {
        Self::open_if(input, |head| match not_text(head) {
            None => Ok(()),
            Some((what, help)) => {
                let problem =
                    Problem::new(Code::SourceNotText, format!("this is {what}, not text"));
                Err(problem.in_file(&input.name).help(help))
            }
        })
    }

    /// Opens an input of any kind.
    ///
    /// # Errors
    /// It can't be opened, or is a folder.
    pub fn open(input: &Input) -> Result<Self, Problem> {
        Self::open_if(input, |_| Ok(()))
    }

    fn open_if(
        input: &Input,
        check: impl FnOnce(&[u8]) -> Result<(), Problem>,
    ) -> Result<Self, Problem> {
        let opened = input.open()?;
        let digest = input.is_digested.then(Sha256::new);
        let reader = Digesting { reader: opened.reader, digest, read: 0 };
        let mut raw = Peekable::new(reader);
        let failed = |error: io::Error| unreadable(&input.name, 0, &error);
        let head = raw.peek(64).map_err(failed)?;
        check(head)?;
        let content = match head {
            [0x1f, 0x8b, ..] => Content::Gzip(Box::new(MultiGzDecoder::new(raw))),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Content::Zstd(zstd::Decoder::new(raw).map_err(failed)?)
            }
            _ => Content::Plain(raw),
        };
        Ok(Self {
            path: input.name.clone(),
            size: opened.size,
            watched: opened.file,
            content: Peekable::new(content),
        })
    }

    /// The file, as the person would name it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The size on disk when the file was opened, in bytes; 0 for anything but a plain file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// True if the content is as on disk, uncompressed.
    pub fn is_plain(&self) -> bool {
        matches!(self.content.reader, Content::Plain(_))
    }

    /// How many bytes have been read from the disk.
    pub fn bytes_read(&mut self) -> u64 {
        self.raw().reader.read
    }

    /// The next `count` bytes of the content, or fewer at the end; they are not consumed.
    pub fn peek(&mut self, count: usize) -> Result<&[u8], Problem> {
        match self.content.peek(count) {
            Ok(_) => Ok(&self.content.head),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Reads some of the content; 0 bytes at its end only.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, Problem> {
        loop {
            match self.content.read(out) {
                Ok(length) => return Ok(length),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(&error)),
            }
        }
    }

    /// Reads on to the end of the file and gives its size, and its digest if it has one.
    ///
    /// # Errors
    /// The file can't be read to its end, or it was written to in the meantime, so that the rows may be of different
    /// states.
    pub fn finish(mut self) -> Result<InputRead, Problem> {
        if let Err(error) = io::copy(&mut self.raw().reader, &mut io::sink()) {
            return Err(self.failed(&error));
        }
        if let Some((file, before)) = &self.watched {
            let now = file.metadata().ok().as_ref().and_then(Stamp::of);
            if *before != now {
                return Err(changed(&self.path, *before, now));
            }
        }
        let raw = &mut self.raw().reader;
        let sha256 = raw.digest.take().map_or_else(String::new, |digest| hex(digest.finalize()));
        Ok(InputRead { bytes: raw.read, sha256, ..InputRead::default() })
    }

    /// All of the content, which may not be larger than `limit`.
    ///
    /// # Errors
    /// It can't be read to its end, or is larger.
    pub fn read_all(&mut self, limit: u64) -> Result<Vec<u8>, Problem> {
        let mut bytes = Vec::new();
        let read = (&mut self.content).take(limit.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|error| self.failed(&error))?;
        if bytes.len() as u64 > limit {
            let message = format!("the file has more than {} MiB", limit >> 20);
            return Err(Problem::new(Code::SourceTooLarge, message).in_file(&self.path));
        }
        Ok(bytes)
    }

    fn raw(&mut self) -> &mut Raw {
        match &mut self.content.reader {
            Content::Plain(raw) => raw,
            Content::Gzip(decoder) => decoder.get_mut(),
            Content::Zstd(decoder) => decoder.get_mut().get_mut(),
        }
    }

    fn failed(&mut self, error: &io::Error) -> Problem {
        let compression = match self.content.reader {
            Content::Plain(_) => None,
            Content::Gzip(_) => Some("gzip"),
            Content::Zstd(_) => Some("zstd"),
        };
        let at = self.bytes_read();
        let problem = unreadable(&self.path, at, error);
        match compression {
            // An error of the operating system is not the decompressor's.
            Some(name) if error.raw_os_error().is_none() => problem
                .help(format!("the {name} data is damaged or incomplete; fetch the file again")),
            _ => problem,
        }
    }
}

pub(super) fn changed(path: &Path, before: Option<Stamp>, now: Option<Stamp>) -> Problem {
    let size = |stamp: Option<Stamp>| stamp.map_or(0, |stamp| stamp.size);
    let (before, now) = (size(before), size(now));
    let how = if before == now {
        "it was written to".to_owned()
    } else {
        format!("it had {before} bytes and has {now} now")
    };
    Problem::new(Code::SourceChanged, format!("the file changed while it was read: {how}"))
        .in_file(path)
        .help("run again when it is complete; writers should write to another name and rename")
}

pub(super) fn unreadable(path: &Path, at: u64, error: &io::Error) -> Problem {
    Problem::new(Code::SourceUnreadable, format!("reading failed after byte {at}: {error}"))
        .in_file(path)
}

/// The problem of a file that can't be opened, with a file of nearly this name if there is one.
pub(super) fn not_opened(path: &Path, error: &io::Error) -> Problem {
    let problem = Problem::new(Code::SourceUnreadable, format!("cannot open the file: {error}"))
        .in_file(path);
    match error.kind() {
        io::ErrorKind::NotFound => problem.help(match neighbor(path) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "relative paths are relative to the file that names them".into(),
        }),
        io::ErrorKind::PermissionDenied => problem.help("recon needs permission to read it"),
        _ => problem,
    }
}

fn neighbor(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let names: Vec<String> = folder
        .unwrap_or(Path::new("."))
        .read_dir()
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    nearest(path.file_name()?.to_str()?, names.iter().map(String::as_str)).map(str::to_owned)
}

/// How a workbook is read.
const EXCEL: &str = "read it as such: `read: { excel: { path: … } }`";

/// True if the first member of a zip archive is one of a workbook; `head` follows its mark.
fn is_workbook(head: &[u8]) -> bool {
    let name = head.get(26..).unwrap_or_default();
    ["[Content_Types].xml", "mimetype", "_rels/", "xl/", "docProps/", "META-INF/"]
        .iter()
        .any(|first| name.starts_with(first.as_bytes()))
}

/// The format of a file that begins with `head`, if people mistake it for a CSV file, and the remedy.
fn not_text(head: &[u8]) -> Option<(&'static str, &'static str)> {
    match head {
        [b'P', b'K', 3, 4, rest @ ..] => Some(if is_workbook(rest) {
            ("an Excel or OpenDocument workbook", EXCEL)
        } else {
            ("a zip archive within another or on standard input", "unpack it first")
        }),
        [0xd0, 0xcf, 0x11, 0xe0, ..] => Some(("an Excel workbook", EXCEL)),
        [b'%', b'P', b'D', b'F', ..] => Some((
            "a PDF document",
            "ask for the same list as CSV, or copy the table into a spreadsheet and save it as CSV",
        )),
        [b'P', b'A', b'R', b'1', ..] => {
            Some(("a Parquet file", "read it as such: `read: { parquet: { path: … } }`"))
        }
        [b'O', b'R', b'C', ..] => Some(("an ORC file", "write it as CSV first")),
        [b'O', b'b', b'j', 1, ..] => Some(("an Avro file", "write it as CSV first")),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => {
            Some(("an Arrow file", "write it as CSV first"))
        }
        head if head.starts_with(b"SQLite format 3\0") => Some((
            "an SQLite database",
            "ask it: `read: { sql: { url: \"sqlite:x.db\", query: \"SELECT * FROM t\" } }`",
        )),
        [b'{', b'\\', b'r', b't', b'f', ..] => {
            Some(("an RTF document", "save the table in it as CSV"))
        }
        [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] | [b'G', b'I', b'F', b'8', ..] => {
            Some(("a picture", "ask for the same list as CSV"))
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            Some(("xz-compressed data", "unpack it, or compress it as .gz or .zst"))
        }
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => {
            Some(("bzip2-compressed data", "unpack it, or compress it as .gz or .zst"))
        }
        [b'7', b'z', 0xbc, 0xaf, ..] | [b'R', b'a', b'r', b'!', ..] => {
            Some(("an archive", "unpack it"))
        }
        _ => None,
    }
}
