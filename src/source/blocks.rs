//! The sequential, cheap part of reading: a stream of blocks of whole records.
//!
//! One thread runs it for each source, so it does no more than find where the last record of a
//! block ends. It never looks at what a record says.

use std::sync::{Arc, Mutex, PoisonError};

use super::csv::CsvPlan;
use super::dialect::{Dialect, Piece, PieceKind, count_lines};
use super::file::{SourceDigest, SourceFile};
use super::text::Text;
use crate::diagnostic::{Code, Place, Problem};

/// How much is read at once and what is too much.
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
pub struct Block {
    sequence: u64,
    first_line: u64,
    lines: u64,
    offset: u64,
    disk_bytes: u64,
    buffer: Vec<u8>,
    end: usize,
    pool: Pool,
}

impl Block {
    /// Its place among the blocks of its source, from 0.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The line of the file on which it begins, from 1.
    pub fn first_line(&self) -> u64 {
        self.first_line
    }

    /// The number of line breaks in it.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Where it begins in the file, or in what the file is decompressed and decoded to, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many bytes have been read from the disk since the block before: for progress.
    pub fn disk_bytes(&self) -> u64 {
        self.disk_bytes
    }

    /// The text.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.end]
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

/// What has been read and not yet given on.
pub(super) struct Window {
    text: Text,
    plan: Arc<CsvPlan>,
    limits: Limits,
    /// The text is what lies between `start` and `filled`; what follows is there to be read into.
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

    pub fn open(plan: &Arc<CsvPlan>, limits: Limits) -> Result<Self, Problem> {
        let text = Text::new(SourceFile::open(&plan.path)?, plan.encoding)?;
        let offset = text.first_offset();
        // A block never holds a record that is too long: whether one is does not depend on blocks.
        let record = limits.record.clamp(1, 1 << 30);
        let limits = Limits { block: limits.block.clamp(1, record), record };
        Ok(Self {
            text,
            plan: Arc::clone(plan),
            limits,
            buffer: Vec::new(),
            start: 0,
            filled: 0,
            at_end: false,
            line: 1,
            offset,
        })
    }

    pub fn text(&self) -> &[u8] {
        &self.buffer[self.start..self.filled]
    }

    pub fn line(&self) -> u64 {
        self.line
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
            let room = count.max(self.filled + Self::LEAST);
            if self.buffer.len() < room {
                self.buffer.resize(room, 0);
            }
            let length = self.text.read(&mut self.buffer[self.filled..])?;
            self.filled += length;
            self.at_end = length == 0;
        }
        Ok(())
    }

    /// Reads more, because what there is does not suffice.
    fn grow(&mut self) -> Result<(), Problem> {
        let length = self.text().len();
        if length > self.limits.record {
            return Err(self.too_long());
        }
        let first = self.limits.block.min(Self::FIRST);
        self.fill(first.max(length * 2).min(self.limits.record + 1))
    }

    fn too_long(&self) -> Problem {
        let problem = Problem::new(
            Code::RecordTooLong,
            format!(
                "the record that begins here goes on for more than {} bytes",
                self.limits.record
            ),
        );
        let line = self.line;
        problem.at(Place { file: self.plan.path.clone(), line, ..Place::default() }).help(
            "a quote is probably opened and never closed; if quotes are just text in this file, \
             set `quote` to a character that it does not use",
        )
    }

    /// What is at the beginning, if anything is; it is not consumed.
    pub fn piece(&mut self) -> Result<Option<Piece>, Problem> {
        self.whole(|dialect, text| dialect.piece(text))
    }

    /// Consumes a line, whatever is in it; says whether there was one.
    pub fn skip_line(&mut self) -> Result<bool, Problem> {
        let line = self.whole(|_, text| {
            let end = memchr::memchr2(b'\n', b'\r', text).unwrap_or(text.len());
            let two = text[end..].starts_with(b"\r\n");
            (text.len()).min(end + 1 + usize::from(two))
        })?;
        if let Some(length) = line {
            self.consume(length);
        }
        Ok(line.is_some())
    }

    /// What `of` finds at the beginning of the text, once it is sure that it ends there.
    fn whole<T: Extent>(&mut self, of: impl Fn(Dialect, &[u8]) -> T) -> Result<Option<T>, Problem> {
        loop {
            if !self.text().is_empty() {
                let found = of(self.plan.dialect, self.text());
                if self.at_end || found.next() < self.text().len() {
                    return Ok(Some(found));
                }
            } else if self.at_end {
                return Ok(None);
            }
            self.grow()?;
        }
    }

    pub fn consume(&mut self, length: usize) {
        self.line += count_lines(&self.text()[..length]);
        self.offset += length as u64;
        self.start += length;
    }
}

/// How far what was found reaches.
trait Extent {
    fn next(&self) -> usize;
}

impl Extent for usize {
    fn next(&self) -> usize {
        *self
    }
}

impl Extent for Piece {
    fn next(&self) -> usize {
        self.next
    }
}

/// The blocks of a source, in order.
pub struct Blocks {
    window: Window,
    sequence: u64,
    disk_bytes: u64,
    pool: Pool,
    /// What is left of the file is its footer.
    in_footer: bool,
}

impl Blocks {
    pub(super) fn new(window: Window) -> Self {
        Self { window, sequence: 0, disk_bytes: 0, pool: Pool::default(), in_footer: false }
    }

    /// The next block; none at the end of the source.
    ///
    /// # Errors
    /// The file can't be read any further, or a record is so long that it can't be one.
    pub fn next_block(&mut self) -> Result<Option<Block>, Problem> {
        let window = &mut self.window;
        if self.in_footer {
            return Ok(None);
        }
        window.fill(window.limits.block)?;
        let footer = window.plan.skip_footer;
        let end = loop {
            let (text, at_end) = (window.text(), window.at_end);
            let mut end = window.plan.dialect.last_boundary(text, at_end);
            if footer > 0 {
                end = before_footer(window.plan.dialect, text.get(..end).unwrap_or(text), footer);
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
        let disk_bytes = window.text.file().bytes_read();
        let block = Block {
            sequence: self.sequence,
            first_line: window.line,
            lines: count_lines(&buffer[..end]),
            offset: window.offset,
            disk_bytes: disk_bytes - self.disk_bytes,
            buffer,
            end,
            pool: Arc::clone(&self.pool),
        };
        window.line += block.lines;
        window.offset += end as u64;
        self.sequence += 1;
        self.disk_bytes = disk_bytes;
        Ok(Some(block))
    }

    /// What has been read. If blocks are left, the file is read to its end without looking at them.
    ///
    /// # Errors
    /// The file can't be read to its end.
    pub fn finish(self) -> Result<SourceDigest, Problem> {
        self.window.text.finish()
    }
}

/// Where the last `count` records of `text` begin, which must be whole records; 0 if it has no more.
///
/// A record that spans lines is no footer: a stray quote could hide any number of rows in it.
fn before_footer(dialect: Dialect, text: &[u8], count: u64) -> usize {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut last = std::collections::VecDeque::new();
    // What is before this is no footer.
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
