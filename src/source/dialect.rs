//! Where the records and the fields of delimited text begin and end.
//!
//! The rules are those of the csv crate, and tests hold this module to it on adversarial input: a
//! quote opens a field only at the field's first byte, two quotes within are one, text after the
//! closing quote is literal, and `\n`, `\r` and `\r\n` all end a record. Two things differ, both so
//! that no byte is lost in silence: a comment ends where its line ends, also at a lone `\r` (the
//! crate reads on to the next `\n`, which in a file of lone `\r` is all of it), and a byte order
//! mark that is not at the beginning of the file is data (a reader that starts anew on every block
//! would strip it). The crate's positions are not those that a person sees either: they point
//! before skipped lines, and between `\r` and `\n`.
//!
//! The thread that cuts the stream into blocks and those that parse them use the same
//! [`Dialect::piece`], so that they cannot disagree about where a record ends.

use memchr::{memchr, memchr_iter, memchr2, memchr3, memrchr2};

/// The bytes with a meaning. All are ASCII, none is a line break, and no two are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Between fields.
    pub delimiter: u8,
    /// Around fields that contain what would otherwise have a meaning.
    pub quote: u8,
    /// The first byte of a line that is not data.
    pub comment: Option<u8>,
}

impl Default for Dialect {
    fn default() -> Self {
        Self { delimiter: b',', quote: b'"', comment: None }
    }
}

/// What begins at the start of a line outside a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// Nothing but the line break.
    Blank,
    /// A line that is not data.
    Comment,
    /// A record without any quote.
    Plain,
    /// A record with a quote somewhere.
    Quoted,
    /// A record with a field whose closing quote is not there.
    Unclosed,
}

/// A blank line, a comment or a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Which of them.
    pub kind: PieceKind,
    /// Its length without the line break.
    pub end: usize,
    /// Its length with the line break: where the next piece begins.
    pub next: usize,
}

/// A field of a record: where its text is. Texts that differ from what is written (two quotes that
/// mean one) lie in a scratch buffer, which is counted on from the end of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn new(start: usize, end: usize) -> Self {
        // A record is far shorter than 4 GiB: `Blocks` sees to it.
        Self { start: start as u32, end: end as u32 }
    }

    /// The text of the field.
    pub fn of<'a>(self, record: &'a [u8], scratch: &'a [u8]) -> &'a [u8] {
        let (start, end) = (self.start as usize, self.end as usize);
        if end <= record.len() {
            record.get(start..end).unwrap_or_default()
        } else {
            scratch.get(start - record.len()..end - record.len()).unwrap_or_default()
        }
    }
}

impl Dialect {
    /// The piece at the beginning of `bytes`, which must not be empty. A piece whose `next` is the
    /// length of `bytes` may go on in what follows them, unless it ends in `\n`.
    pub fn piece(&self, bytes: &[u8]) -> Piece {
        let first = bytes.first().copied();
        if matches!(first, Some(b'\n' | b'\r')) {
            return Self::ending(PieceKind::Blank, bytes, Some(0));
        }
        if self.comment.is_some() && first == self.comment {
            return Self::ending(PieceKind::Comment, bytes, memchr2(b'\n', b'\r', bytes));
        }
        let mut kind = PieceKind::Plain;
        let mut at = 0;
        while let Some(found) = memchr3(self.quote, b'\n', b'\r', &bytes[at..]) {
            let found = at + found;
            if bytes[found] != self.quote {
                return Self::ending(kind, bytes, Some(found));
            }
            kind = PieceKind::Quoted;
            at = found + 1;
            if found == 0 || bytes[found - 1] == self.delimiter {
                // Fields that are all quoted follow each other without another search.
                loop {
                    match self.closing_quote(&bytes[at..]) {
                        Some(closing) => at += closing + 1,
                        None => return Self::ending(PieceKind::Unclosed, bytes, None),
                    }
                    if bytes.get(at) != Some(&self.delimiter)
                        || bytes.get(at + 1) != Some(&self.quote)
                    {
                        break;
                    }
                    at += 2;
                }
            }
        }
        Self::ending(kind, bytes, None)
    }

    fn ending(kind: PieceKind, bytes: &[u8], line_break: Option<usize>) -> Piece {
        match line_break {
            None => Piece { kind, end: bytes.len(), next: bytes.len() },
            Some(end) => {
                let two = bytes[end] == b'\r' && bytes.get(end + 1) == Some(&b'\n');
                Piece { kind, end, next: end + 1 + usize::from(two) }
            }
        }
    }

    /// Where the field whose text begins with `bytes` is closed.
    fn closing_quote(&self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            let found = at + memchr(self.quote, &bytes[at..])?;
            if bytes.get(found + 1) != Some(&self.quote) {
                return Some(found);
            }
            at = found + 2;
        }
    }

    /// The length of the whole pieces at the beginning of `bytes`, which begin with a piece; all of
    /// them if nothing follows.
    ///
    /// Where there is no quote, the last line break decides; so this looks for quotes first, and at
    /// the structure only of the lines that have some.
    pub fn last_boundary(&self, bytes: &[u8], nothing_follows: bool) -> usize {
        if nothing_follows {
            return bytes.len();
        }
        let mut at = 0;
        while let Some(quote) = memchr(self.quote, &bytes[at..]) {
            let start = at + after_last_line_break(&bytes[at..at + quote]);
            let piece = self.piece(&bytes[start..]);
            at = start + piece.next;
            if at == bytes.len() && bytes.last() != Some(&b'\n')
                || piece.kind == PieceKind::Unclosed
            {
                return start;
            }
        }
        // A `\r` at the very end may be the first half of a `\r\n`.
        let rest = bytes[at..].strip_suffix(b"\r").unwrap_or(&bytes[at..]);
        at + after_last_line_break(rest)
    }

    /// The fields of a record without its line break. `scratch` receives the texts that differ from
    /// what is written; it and `spans` are cleared first.
    pub fn split(
        &self,
        kind: PieceKind,
        record: &[u8],
        spans: &mut Vec<Span>,
        scratch: &mut Vec<u8>,
    ) {
        spans.clear();
        scratch.clear();
        if kind == PieceKind::Plain {
            let mut start = 0;
            for end in memchr_iter(self.delimiter, record) {
                spans.push(Span::new(start, end));
                start = end + 1;
            }
            spans.push(Span::new(start, record.len()));
            return;
        }
        let mut start = 0;
        loop {
            let end = if record.get(start) == Some(&self.quote) {
                self.push_quoted(record, start + 1, spans, scratch)
            } else {
                let end = self.field_end(record, start);
                spans.push(Span::new(start, end));
                end
            };
            if end == record.len() {
                return;
            }
            start = end + 1;
        }
    }

    /// The delimiter that ends the unquoted text at `start`, or the end of the record.
    fn field_end(&self, record: &[u8], start: usize) -> usize {
        memchr(self.delimiter, &record[start..]).map_or(record.len(), |length| start + length)
    }

    /// The field whose text begins at `start`, after its quote; returns where it ends.
    fn push_quoted(
        &self,
        record: &[u8],
        start: usize,
        spans: &mut Vec<Span>,
        scratch: &mut Vec<u8>,
    ) -> usize {
        let mut at = start;
        let rewritten = scratch.len();
        let closing = loop {
            let found = memchr(self.quote, &record[at..]).map_or(record.len(), |found| at + found);
            if record.get(found + 1) != Some(&self.quote) {
                break found;
            }
            scratch.extend_from_slice(&record[at..=found]);
            at = found + 2;
        };
        let after = (closing + 1).min(record.len());
        let end = self.field_end(record, after);
        if at == start && after == end {
            spans.push(Span::new(start, closing));
        } else {
            scratch.extend_from_slice(&record[at..closing]);
            scratch.extend_from_slice(&record[after..end]);
            spans.push(Span::new(record.len() + rewritten, record.len() + scratch.len()));
        }
        end
    }
}

/// Where the last line of `bytes` begins.
fn after_last_line_break(bytes: &[u8]) -> usize {
    memrchr2(b'\n', b'\r', bytes).map_or(0, |found| found + 1)
}

/// The number of line breaks in `bytes` as an editor counts them: `\r\n` is one.
pub fn count_lines(bytes: &[u8]) -> u64 {
    let mut lines = memchr_iter(b'\n', bytes).count();
    for carriage_return in memchr_iter(b'\r', bytes) {
        lines += usize::from(bytes.get(carriage_return + 1) != Some(&b'\n'));
    }
    lines as u64
}
