//! Where the records and the fields of delimited text begin and end.
//!
//! The rules are those of the csv crate, and tests hold this module to it on adversarial input: a
//! quote opens a field only at the field's first byte, two quotes within are one, text after the
//! closing quote is literal (and reported: see [`PieceKind::Stray`]), and `\n`, `\r` and `\r\n` all
//! end a record. Two things differ. A comment ends where its line ends, also at a lone `\r` (the
//! crate reads on to the next `\n`, which in a file of lone `\r` is all of it). And a byte order mark
//! at the beginning of any line is no part of the first field: files that were put together have
//! one in their middle. The crate's positions are not those that a person sees either: they point
//! before skipped lines, and between `\r` and `\n`.
//!
//! The thread that cuts the stream into blocks and those that parse them run the same code, with
//! and without fields, so that they cannot disagree about where a record ends.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2, memchr3, memrchr2};

use super::marks::Marks;

/// The bytes with a meaning. All are ASCII, none is a line break, and no two are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Between fields.
    pub delimiter: u8,
    /// Around fields that contain a delimiter, a quote or a line break.
    pub quote: u8,
    /// The first byte of a line that is not data.
    pub comment: Option<u8>,
}

impl Default for Dialect {
    fn default() -> Self {
        Self { delimiter: b',', quote: b'"', comment: None }
    }
}

/// The kind of piece that begins at the start of a line outside a record.
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
    /// A record with text between a closing quote and the end of its field.
    Stray,
    /// A record with an unclosed quote.
    Unclosed,
}

/// A blank line, a comment or a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub kind: PieceKind,
    /// Its length without the line break.
    pub end: usize,
    /// Its length with the line break: where the next piece begins.
    pub next: usize,
}

/// A field of a record: the position of its text. Unescaped texts (two quotes that mean one) lie in a scratch buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Marks the positions in the scratch buffer. A record is shorter than this: `Blocks` sees to
    /// it.
    const SCRATCH: u32 = 1 << 31;

    /// A cell that is null, whatever the configuration says of empty cells.
    pub const NULL: Self = Self { start: u32::MAX, end: 0 };

    #[inline]
    pub fn is_null(self) -> bool {
        self == Self::NULL
    }

    /// The text from `start` to `end` of the record.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    /// The text from `start` to `end` of the scratch buffer.
    pub fn scratch(start: usize, end: usize) -> Self {
        Self { start: start as u32 | Self::SCRATCH, end: end as u32 }
    }

    /// The text of the field.
    #[inline]
    pub fn of<'a>(self, record: &'a [u8], scratch: &'a [u8]) -> &'a [u8] {
        let end = self.end as usize;
        if self.start & Self::SCRATCH == 0 {
            record.get(self.start as usize..end).unwrap_or_default()
        } else {
            scratch.get((self.start & !Self::SCRATCH) as usize..end).unwrap_or_default()
        }
    }
}

/// Takes the fields of a quoted record, or ignores them.
trait FieldSink {
    /// A field, or the last part of one, is written as it is meant.
    fn end(&mut self, bytes: &[u8], start: usize, end: usize);

    /// A part of a field; more of it follows.
    fn part(&mut self, part: &[u8]);

    /// The field at hand has text after its closing quote, or none that closes it.
    fn broken(&mut self);
}

impl FieldSink for () {
    fn end(&mut self, _: &[u8], _: usize, _: usize) {}
    fn part(&mut self, _: &[u8]) {}
    fn broken(&mut self) {}
}

/// The fields of a record. The buffers are used again for the next one.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    /// The fields, in order.
    pub spans: Vec<Span>,
    /// The unescaped texts.
    pub scratch: Vec<u8>,
    /// The first field whose quotes are wrong: it and all that follow may be misread.
    pub broken: Option<usize>,
    /// Bytes of `scratch` that belong to whole fields.
    whole: usize,
}

impl Fields {
    fn clear(&mut self) {
        self.spans.clear();
        self.scratch.clear();
        self.broken = None;
        self.whole = 0;
    }
}

/// A byte order mark.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// The length of the byte order mark at the beginning of a line, if there is one.
#[inline]
fn mark(line: &[u8]) -> usize {
    if line.first() == MARK.first() && line.starts_with(MARK) { MARK.len() } else { 0 }
}

impl FieldSink for Fields {
    #[inline]
    fn end(&mut self, bytes: &[u8], start: usize, end: usize) {
        if self.scratch.len() == self.whole {
            self.spans.push(Span::new(start, end));
        } else {
            self.scratch.extend_from_slice(&bytes[start..end]);
            self.spans.push(Span::scratch(self.whole, self.scratch.len()));
            self.whole = self.scratch.len();
        }
    }

    fn part(&mut self, part: &[u8]) {
        self.scratch.extend_from_slice(part);
    }

    #[cold]
    fn broken(&mut self) {
        self.broken.get_or_insert(self.spans.len());
    }
}

impl Dialect {
    /// The piece at the beginning of `bytes`, which must not be empty. A piece whose `next` is the
    /// length of `bytes` may go on in what follows them, unless it ends in `\n`.
    pub fn piece(&self, bytes: &[u8]) -> Piece {
        match self.unquoted_piece(bytes) {
            Some(piece) => piece,
            None => self.quoted(bytes, &mut ()),
        }
    }

    /// The piece at the beginning of `bytes`, and the fields if it is a record.
    pub fn piece_with_fields(&self, bytes: &[u8], fields: &mut Fields) -> Piece {
        fields.clear();
        let Some(piece) = self.unquoted_piece(bytes) else {
            return self.quoted(bytes, fields);
        };
        if piece.kind == PieceKind::Plain {
            let mut start = mark(bytes);
            let skipped = start;
            for end in memchr_iter(self.delimiter, &bytes[skipped..piece.end]) {
                let end = skipped + end;
                fields.spans.push(Span::new(start, end));
                start = end + 1;
            }
            fields.spans.push(Span::new(start, piece.end));
        }
        piece
    }

    /// The bytes of a text that may end a field or a record.
    pub fn marks<'t>(&self, text: &'t [u8]) -> Marks<'t> {
        Marks::new(text, [self.delimiter, self.quote, b'\n', b'\r'])
    }

    /// The piece that begins at `at`, before the end of the text, and its fields, as
    /// [`Self::piece_with_fields`] gives them. The next mark is the first from `at` on, and then the
    /// first from the end of the piece on.
    #[inline]
    pub fn piece_at(&self, at: usize, marks: &mut Marks<'_>, fields: &mut Fields) -> Piece {
        let bytes = marks.text(at);
        fields.clear();
        if let Some(piece) = self.simple(at, bytes, marks, &mut fields.spans) {
            return piece;
        }
        let piece = self.piece_with_fields(bytes, fields);
        marks.seek(at + piece.next);
        piece
    }

    /// The record at the beginning of `bytes`, if it is on one line that ends, and each of its quotes is the first or
    /// the last byte of a field. Nearly all are.
    #[inline]
    fn simple(
        &self,
        at: usize,
        bytes: &[u8],
        marks: &mut Marks<'_>,
        spans: &mut Vec<Span>,
    ) -> Option<Piece> {
        let first = bytes.first().copied();
        if first == MARK.first().copied() || (self.comment.is_some() && first == self.comment) {
            return None;
        }
        let mut kind = PieceKind::Plain;
        let mut start = 0;
        loop {
            let mut end = marks.next()? - at;
            if bytes[end] == self.quote {
                if end != start {
                    return None;
                }
                let closing = loop {
                    let within = marks.next()? - at;
                    match bytes[within] {
                        byte if byte == self.quote => break within,
                        b'\n' | b'\r' => return None,
                        _ => {}
                    }
                };
                end = marks.next()? - at;
                if end != closing + 1 || bytes[end] == self.quote {
                    return None;
                }
                kind = PieceKind::Quoted;
                spans.push(Span::new(start + 1, closing));
            } else {
                spans.push(Span::new(start, end));
            }
            if bytes[end] != self.delimiter {
                if end == 0 {
                    return None;
                }
                let piece = Self::ending(kind, bytes, Some(end));
                if piece.next > end + 1 {
                    // The second byte of the line break.
                    marks.next();
                }
                return Some(piece);
            }
            start = end + 1;
        }
    }

    /// The piece at the beginning of `bytes`, unless it is a record with a quote.
    #[inline]
    fn unquoted_piece(&self, bytes: &[u8]) -> Option<Piece> {
        let mark = mark(bytes);
        let first = bytes.get(mark).copied();
        if matches!(first, Some(b'\n' | b'\r')) {
            return Some(Self::ending(PieceKind::Blank, bytes, Some(mark)));
        }
        if first.is_none() {
            return Some(Self::ending(PieceKind::Blank, bytes, None));
        }
        if self.comment.is_some() && first == self.comment {
            let end = memchr2(b'\n', b'\r', bytes);
            return Some(Self::ending(PieceKind::Comment, bytes, end));
        }
        let end = memchr3(self.quote, b'\n', b'\r', bytes);
        let quoted = end.is_some_and(|end| bytes[end] == self.quote);
        (!quoted).then(|| Self::ending(PieceKind::Plain, bytes, end))
    }

    /// The record with a quote at the beginning of `bytes`.
    #[inline]
    fn quoted(&self, bytes: &[u8], fields: &mut impl FieldSink) -> Piece {
        let mut start = mark(bytes);
        let mut kind = PieceKind::Quoted;
        loop {
            let end = if bytes.get(start) == Some(&self.quote) {
                start += 1;
                let closing = loop {
                    let Some(found) = memchr(self.quote, &bytes[start..]) else {
                        fields.broken();
                        fields.end(bytes, start, bytes.len());
                        return Self::ending(PieceKind::Unclosed, bytes, None);
                    };
                    let found = start + found;
                    if bytes.get(found + 1) != Some(&self.quote) {
                        break found;
                    }
                    // The first of two quotes belongs to the text.
                    fields.part(&bytes[start..=found]);
                    start = found + 2;
                };
                let end = self.field_end(bytes, closing + 1);
                if end == closing + 1 {
                    fields.end(bytes, start, closing);
                } else {
                    // Blanks before the delimiter are careless; anything else is a stray quote.
                    if !bytes[closing + 1..end].iter().all(|byte| matches!(byte, b' ' | b'\t')) {
                        fields.broken();
                        kind = PieceKind::Stray;
                    }
                    fields.part(&bytes[start..closing]);
                    fields.end(bytes, closing + 1, end);
                }
                end
            } else {
                let end = self.field_end(bytes, start);
                fields.end(bytes, start, end);
                end
            };
            match bytes.get(end) {
                Some(&byte) if byte == self.delimiter => start = end + 1,
                Some(_) => return Self::ending(kind, bytes, Some(end)),
                None => return Self::ending(kind, bytes, None),
            }
        }
    }

    /// The delimiter or line break that ends the unquoted text at `start`, or the end of `bytes`.
    #[inline]
    fn field_end(&self, bytes: &[u8], start: usize) -> usize {
        // After a closing quote it is usually the very next byte.
        match bytes.get(start) {
            Some(&byte) if byte == self.delimiter || byte == b'\n' || byte == b'\r' => start,
            _ => memchr3(self.delimiter, b'\n', b'\r', &bytes[start..])
                .map_or(bytes.len(), |length| start + length),
        }
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

    /// The length of the whole pieces at the beginning of `bytes`, which begin with a piece; all of
    /// them if nothing follows.
    ///
    /// Where there is no quote, the last line break decides; so this looks for quotes first, and at
    /// the structure only of the lines that have some.
    pub fn last_boundary(&self, bytes: &[u8], nothing_follows: bool) -> usize {
        if nothing_follows {
            return bytes.len();
        }
        // `at` is outside of quotes, in the record that begins at `record`.
        let (mut record, mut at) = (0, 0);
        while let Some(quote) = memchr(self.quote, &bytes[at..]) {
            let quote = at + quote;
            record = after_last_line_break(bytes, at..quote).unwrap_or(record);
            if let Some(end) = self.well_quoted(bytes, record, quote) {
                at = end;
                continue;
            }
            let piece = self.piece(&bytes[record..]);
            at = record + piece.next;
            if at == bytes.len() && bytes.last() != Some(&b'\n')
                || piece.kind == PieceKind::Unclosed
            {
                return record;
            }
            record = at;
        }
        // A `\r` at the very end may be the first half of a `\r\n`.
        let end = bytes.len() - usize::from(bytes.ends_with(b"\r"));
        after_last_line_break(bytes, at..end.max(at)).unwrap_or(record)
    }

    /// The end of the field that this quote opens, if all is plain: it stands at the beginning of its field, and the
    /// next quote at the end, with another field or line behind it.
    fn well_quoted(&self, bytes: &[u8], record: usize, quote: usize) -> Option<usize> {
        let opens = quote == record || bytes[quote - 1] == self.delimiter;
        if !opens || self.comment.is_some() {
            return None;
        }
        let end = quote + 1 + memchr(self.quote, &bytes[quote + 1..])? + 1;
        let ends = |byte: u8| byte == self.delimiter || byte == b'\n' || byte == b'\r';
        bytes.get(end).is_some_and(|byte| ends(*byte)).then_some(end)
    }
}

/// The position after the last line break in this part of `bytes`.
fn after_last_line_break(bytes: &[u8], part: Range<usize>) -> Option<usize> {
    let start = part.start;
    memrchr2(b'\n', b'\r', &bytes[part]).map(|found| start + found + 1)
}

/// The number of line breaks in `bytes` as an editor counts them: `\r\n` is one.
pub fn count_lines(bytes: &[u8]) -> u64 {
    let mut lines = memchr_iter(b'\n', bytes).count();
    for carriage_return in memchr_iter(b'\r', bytes) {
        lines += usize::from(bytes.get(carriage_return + 1) != Some(&b'\n'));
    }
    lines as u64
}
