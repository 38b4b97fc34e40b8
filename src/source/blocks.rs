//! The sequential, cheap part of reading: a stream of blocks of whole records.
//!
//! One thread runs it for each source, so it does no more than find where the last record of a block ends. It never
//! parses a record.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use encoding_rs::Encoding;

use super::dialect::{self, Dialect, PieceKind, count_lines};
use super::file::SourceFile;
use super::input::Input;
use super::kind::{InputRead, Piece, Pieces};
use super::text::Text;
use crate::diagnostic::{Code, Place, Problem};

/// How much is read at once, and the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A block has about this many bytes, more if a record is larger.
    pub block: usize,
    /// A record larger than this is not one: a quote is not closed. At most 1 GiB is meant.
    pub record: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { block: 1024 * 1024, record: 64 * 1024 * 1024 }
    }
}

/// Buffers that blocks have left behind: reusing them avoids page faults.
type Pool = Arc<Mutex<Vec<Vec<u8>>>>;

/// Some whole records, one after the other, as UTF-8 unless the file breaks its promise. Its buffer
/// is used again once it has been dropped.
#[derive(Debug)]
pub(super) struct TextBlock {
    first_line: u64,
    lines: u64,
    offset: u64,
    buffer: Vec<u8>,
    end: usize,
    pool: Pool,
}

impl TextBlock {
    /// The line of the file on which it begins, from 1.
    pub fn first_line(&self) -> u64 {
        self.first_line
    }

    /// The number of line breaks in it.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Its start in the file, or in the decompressed and decoded text, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.end]
    }
}

impl TextBlock {
    /// A block of its own.
    pub fn of(bytes: Vec<u8>, first_line: u64, offset: u64) -> Self {
        let (lines, end) = (count_lines(&bytes), bytes.len());
        Self { first_line, lines, offset, buffer: bytes, end, pool: Pool::default() }
    }
}

impl Drop for TextBlock {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

/// Ends of text records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Records {
    /// As the dialect defines it.
    Delimited(Dialect),
    /// With each line.
    Lines,
}

impl Records {
    /// The length of the whole records at the beginning of `bytes`; all of them if nothing follows.
    fn last_boundary(self, bytes: &[u8], nothing_follows: bool) -> usize {
        match self {
            Self::Delimited(dialect) => dialect.last_boundary(bytes, nothing_follows),
            Self::Lines if nothing_follows => bytes.len(),
            Self::Lines => {
                // A `\r` at the very end may be the first half of a `\r\n`.
                let whole = bytes.strip_suffix(b"\r").unwrap_or(bytes);
                memchr::memrchr2(b'\n', b'\r', whole).map_or(0, |end| end + 1)
            }
        }
    }

    /// The likely cause of a record that does not end.
    fn endless(self) -> &'static str {
        match self {
            Self::Delimited(_) => {
                "a quote is probably opened and never closed; if quotes are just text in this file, \
                 set `quote` to a character that it does not use"
            }
            Self::Lines => "check that this is the right file: each line is a record",
        }
    }
}

/// The text that has been read and not yet been passed on.
pub(super) struct Window {
    text: Text,
    records: Records,
    limits: Limits,
    /// The text lies between `start` and `filled`; the rest is room for reading.
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
    at_end: bool,
    line: u64,
    offset: u64,
}

impl Window {
    /// How much is read for a start: enough for most headers.
    const FIRST: usize = 64 * 1024;
    /// A decoder needs room for a few characters.
    const LEAST: usize = 64;

    pub fn open(
        input: &Input,
        encoding: &'static Encoding,
        records: Records,
        limits: Limits,
    ) -> Result<Self, Problem> {
        let text = Text::new(SourceFile::open_text(input)?, encoding)?;
        let offset = text.first_offset();
        // A block never holds a record that is too long: whether one is does not depend on blocks.
        let record = limits.record.clamp(1, 1 << 30);
        let limits = Limits { block: limits.block.clamp(1, record), record };
        Ok(Self {
            text,
            records,
            limits,
            buffer: Vec::new(),
            start: 0,
            filled: 0,
            at_end: false,
            line: 1,
            offset,
        })
    }

    /// The file, as places name it.
    pub fn path(&mut self) -> &Path {
        self.text.file().path()
    }

    pub fn text(&self) -> &[u8] {
        &self.buffer[self.start..self.filled]
    }

    pub fn line(&self) -> u64 {
        self.line
    }

    /// Where the text begins in the file.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    pub fn is_whole(&self) -> bool {
        self.at_end
    }

    /// How many bytes have been read from the disk.
    pub fn bytes_read(&mut self) -> u64 {
        self.text.file().bytes_read()
    }

    /// Reads on to the end of the file and gives its digest and size.
    pub fn finish(self) -> Result<InputRead, Problem> {
        self.text.finish()
    }

    pub fn size(&mut self) -> u64 {
        self.text.file().size()
    }

    /// Reads until there are `count` bytes, or all.
    fn fill(&mut self, count: usize) -> Result<(), Problem> {
        self.buffer.copy_within(self.start..self.filled, 0);
        self.filled -= self.start;
        self.start = 0;
        while self.filled < count && !self.at_end {
            // A short file does not pay for clearing a whole block.
            let room = count.min((2 * self.filled).max(Self::FIRST)).max(self.filled + Self::LEAST);
            if self.buffer.len() < room {
                self.buffer.resize(room, 0);
            }
            let length = self.text.read(&mut self.buffer[self.filled..])?;
            self.filled += length;
            self.at_end = length == 0;
        }
        Ok(())
    }

    /// Reads more, because the text so far does not suffice.
    pub fn grow(&mut self) -> Result<(), Problem> {
        let length = self.text().len();
        if length > self.limits.record {
            return Err(self.too_long());
        }
        let first = self.limits.block.min(Self::FIRST);
        self.fill(first.max(length * 2).min(self.limits.record + 1))
    }

    fn too_long(&mut self) -> Problem {
        let problem = Problem::new(
            Code::RecordTooLong,
            format!(
                "the record that begins here goes on for more than {} bytes",
                self.limits.record
            ),
        );
        let line = self.line;
        let help = self.records.endless();
        problem.at(Place { file: self.path().to_owned(), line, ..Place::default() }).help(help)
    }

    /// The piece at the beginning, if there is one; it is not consumed.
    pub fn piece(&mut self, dialect: Dialect) -> Result<Option<dialect::Piece>, Problem> {
        self.whole(|text| dialect.piece(text))
    }

    /// Consumes a line of any content; returns whether there was one.
    pub fn skip_line(&mut self) -> Result<bool, Problem> {
        let line = self.whole(|text| {
            let end = memchr::memchr2(b'\n', b'\r', text).unwrap_or(text.len());
            let two = text[end..].starts_with(b"\r\n");
            (text.len()).min(end + 1 + usize::from(two))
        })?;
        if let Some(length) = line {
            self.consume(length);
        }
        Ok(line.is_some())
    }

    /// The result of `of` for the beginning of the text, once more text would not change it.
    pub fn whole<T: Extent>(&mut self, of: impl Fn(&[u8]) -> T) -> Result<Option<T>, Problem> {
        loop {
            if !self.text().is_empty() {
                let found = of(self.text());
                if self.at_end || found.next() < self.text().len() {
                    return Ok(Some(found));
                }
            } else if self.at_end {
                return Ok(None);
            }
            self.grow()?;
        }
    }

    /// Reads until the sample is full or the file ends; true at the end.
    pub fn look(&mut self) -> Result<bool, Problem> {
        self.fill(self.limits.block)?;
        Ok(self.at_end)
    }

    pub fn consume(&mut self, length: usize) {
        self.line += count_lines(&self.text()[..length]);
        self.offset += length as u64;
        self.start += length;
    }
}

/// Extent of a record.
pub(super) trait Extent {
    fn next(&self) -> usize;
}

impl Extent for usize {
    fn next(&self) -> usize {
        *self
    }
}

impl Extent for dialect::Piece {
    fn next(&self) -> usize {
        self.next
    }
}

/// The blocks of a text, in order.
pub(super) struct TextBlocks {
    window: Window,
    pool: Pool,
    /// Records at the end that are no data.
    footer: u64,
    /// The rest of the file is its footer.
    in_footer: bool,
}

impl TextBlocks {
    pub fn new(window: Window, footer: u64) -> Self {
        Self { window, pool: Pool::default(), footer, in_footer: false }
    }

    /// The next block; none at the end of the source.
    ///
    /// # Errors
    /// The file can't be read any further, or a record is so long that it can't be one.
    pub fn next_block(&mut self) -> Result<Option<TextBlock>, Problem> {
        let window = &mut self.window;
        if self.in_footer {
            return Ok(None);
        }
        window.fill(window.limits.block)?;
        let footer = self.footer;
        let end = loop {
            let (text, at_end) = (window.text(), window.at_end);
            let mut end = window.records.last_boundary(text, at_end);
            if let (1.., Records::Delimited(dialect)) = (footer, window.records) {
                end = before_footer(dialect, text.get(..end).unwrap_or(text), footer);
                self.in_footer = at_end;
            }
            match end {
                0 if at_end => return Ok(None),
                0 => window.grow()?,
                end => break end,
            }
        };
        let mut rest = self.pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // The buffer of a record that was unusually long is not kept.
        rest.take_if(|buffer| buffer.len() > window.limits.block.saturating_mul(4));
        let mut rest = rest.unwrap_or_default();
        let left = window.filled - end;
        if rest.len() < left {
            rest.resize(left.max(window.limits.block), 0);
        }
        rest[..left].copy_from_slice(&window.buffer[end..window.filled]);
        let buffer = std::mem::replace(&mut window.buffer, rest);
        window.filled = left;
        let block = TextBlock {
            first_line: window.line,
            lines: count_lines(&buffer[..end]),
            offset: window.offset,
            buffer,
            end,
            pool: Arc::clone(&self.pool),
        };
        window.line += block.lines;
        window.offset += end as u64;
        Ok(Some(block))
    }
}

impl Pieces for TextBlocks {
    fn next(&mut self) -> Result<Option<Piece>, Problem> {
        Ok(self.next_block()?.map(Piece::Text))
    }

    fn disk_bytes(&mut self) -> u64 {
        self.window.text.file().bytes_read()
    }

    fn finish(self: Box<Self>) -> Result<InputRead, Problem> {
        self.window.text.finish()
    }
}

/// Where the last `count` records of `text` begin, which must be whole records; 0 if it has no more.
///
/// A record that spans lines is no footer: a stray quote could hide any number of rows in it.
fn before_footer(dialect: Dialect, text: &[u8], count: u64) -> usize {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut last = std::collections::VecDeque::new();
    // Text before this is no footer.
    let mut body = 0;
    let mut at = 0;
    while at < text.len() {
        let piece = dialect.piece(&text[at..]);
        let next = at + piece.next;
        match piece.kind {
            PieceKind::Blank | PieceKind::Comment => {}
            PieceKind::Plain | PieceKind::Quoted | PieceKind::Stray
                if memchr::memchr2(b'\n', b'\r', &text[at..at + piece.end]).is_none() =>
            {
                if last.len() == count {
                    last.pop_front();
                }
                last.push_back(at);
            }
            _ => {
                last.clear();
                body = next;
            }
        }
        at = next;
    }
    last.front().filter(|_| last.len() == count).copied().unwrap_or(body)
}
