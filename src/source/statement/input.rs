//! Text in lines: counted, bounded, and UTF-8 or an error.

use std::io::{self, BufRead, BufReader, Read};

use crate::diagnostic::{Code, Place, Problem};

/// The longest line, and the longest piece of XML between two tags. No bank writes as much; a file
/// made to fill the memory does.
pub(super) const LONGEST: usize = 1024 * 1024;

/// The problem behind an error of reading: the source's own, if it has one.
pub(super) fn unread(error: &io::Error, line: u64) -> Problem {
    let own = error.get_ref().and_then(|inner| inner.downcast_ref::<Problem>());
    own.cloned().unwrap_or_else(|| {
        Problem::new(Code::SourceUnreadable, format!("reading failed: {error}"))
            .at(Place { line, ..Place::default() })
    })
}

/// Text that does not decode.
pub(super) fn undecodable(line: u64) -> Problem {
    Problem::new(Code::WrongEncoding, "this line is not text in the encoding of the file")
        .at(Place { line, ..Place::default() })
        .help("set `encoding:` to that of the file, such as windows-1252 or iso-8859-15")
}

/// The lines of a text, without their ends.
pub(super) struct Lines<'r> {
    reader: BufReader<Box<dyn Read + Send + 'r>>,
    buffer: Vec<u8>,
    /// Where the next line begins in the buffer; behind its end if all of it was given.
    next: usize,
    number: u64,
}

impl<'r> Lines<'r> {
    pub fn new(reader: impl Read + Send + 'r) -> Self {
        Self { reader: BufReader::new(Box::new(reader)), buffer: Vec::new(), next: 1, number: 0 }
    }

    /// The number of the line that was given last, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next line, without its end; `None` at the end.
    pub fn next(&mut self) -> Result<Option<&str>, Problem> {
        let line = self.number + 1;
        if self.next > self.buffer.len() {
            self.buffer.clear();
            let taken = (&mut self.reader)
                .take(LONGEST as u64 + 1)
                .read_until(b'\n', &mut self.buffer)
                .map_err(|error| unread(&error, line))?;
            if taken == 0 {
                self.next = 1;
                return Ok(None);
            }
            if taken > LONGEST {
                self.number = line;
                return Err(super::malformed(line, "this line is longer than 1 MiB"));
            }
            let is_end = |byte: &u8| matches!(*byte, b'\r' | b'\n' | 0x1a | 0);
            let ends = self.buffer.iter().rev().take_while(|byte| is_end(byte)).count();
            self.buffer.truncate(self.buffer.len() - ends);
            self.next = 0;
        }
        self.number = line;
        // A carriage return alone ends a line too.
        let rest = &self.buffer[self.next..];
        let rest = &rest[..memchr::memchr(b'\r', rest).unwrap_or(rest.len())];
        self.next += rest.len() + 1;
        Ok(Some(std::str::from_utf8(rest).map_err(|_| undecodable(line))?))
    }
}

/// Counts lines as they are read, and fails when more than [`LONGEST`] bytes pass between two calls of
/// [`refill`](Self::refill).
pub(super) struct Counted<'r> {
    reader: BufReader<Box<dyn Read + Send + 'r>>,
    line: u64,
    left: usize,
}

impl<'r> Counted<'r> {
    pub fn new(reader: impl Read + Send + 'r) -> Self {
        Self { reader: BufReader::new(Box::new(reader)), line: 1, left: LONGEST }
    }

    /// The line at hand, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    pub fn refill(&mut self) {
        self.left = LONGEST;
    }
}

impl Read for Counted<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(out.len());
        out[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Counted<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(io::Error::other(
                super::malformed(self.line, "more than 1 MiB of text without a tag")
                    .help("this is no statement that a bank has written"),
            ));
        }
        let available = self.reader.fill_buf()?;
        Ok(&available[..available.len().min(self.left)])
    }

    fn consume(&mut self, amount: usize) {
        let taken = self.reader.buffer().get(..amount).unwrap_or_default();
        self.line += memchr::memchr_iter(b'\n', taken).count() as u64;
        self.left = self.left.saturating_sub(amount);
        self.reader.consume(amount);
    }
}
