//! The parallel part of reading: the rows of a block.
//!
//! A row that can't take part is given as a rejection, with its place and its text; there is no
//! row that is given as nothing.

use encoding_rs::Encoding;
use memchr::{memchr, memchr2};

use super::blocks::TextBlock;
use super::csv::CsvPlan;
use super::dialect::{Dialect, Fields, PieceKind, count_lines};
use super::kind::{Fault, Piece, RAGGED, RawRow, RowParser, Sink};
use super::unreadable::unreadable_cell;
use crate::diagnostic::Code;
use crate::domain::RawCells;

/// The code of a row with a quote that is never closed.
const UNCLOSED: Code = Code::UnclosedQuote;
/// The code of a row with a quote that neither opens nor closes a field.
const STRAY: Code = Code::StrayQuote;

/// A record as the dialect sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub kind: PieceKind,
    /// The first field whose quotes are wrong.
    broken: Option<usize>,
    spans_lines: bool,
}

/// Turns blocks of delimited text into rows.
#[derive(Clone, Debug)]
pub(super) struct CsvParser {
    dialect: Dialect,
    encoding: &'static Encoding,
    columns: Vec<String>,
    columns_from: &'static str,
    ignore_empty_extras: bool,
    pad_short_rows: bool,
}

impl RowParser for CsvParser {
    fn rows(&self, piece: &Piece, fields: &mut Fields, each: &mut Sink<'_>) {
        let Piece::Text(block) = piece else { return };
        self.block(block, fields, &mut |row, fault| each(row, fault));
    }
}

impl CsvParser {
    pub fn new(plan: &CsvPlan, columns: &[String]) -> Self {
        Self {
            dialect: plan.dialect,
            encoding: plan.encoding,
            columns: columns.to_vec(),
            columns_from: plan.header.says(),
            ignore_empty_extras: plan.ignore_empty_extras,
            pad_short_rows: plan.pad_short_rows,
        }
    }

    /// Passes on each row of the block, with its mistake, if any.
    fn block(
        &self,
        block: &TextBlock,
        fields: &mut Fields,
        each: &mut impl FnMut(RawRow<'_>, Option<Fault>),
    ) {
        // Whole blocks are checked much faster than cells; only a block that fails is looked into.
        let bytes = block.bytes();
        let suspicious = simdutf8::basic::from_utf8(bytes).is_err() || memchr(0, bytes).is_some();
        self.records(block, fields, |record, row| {
            let Record { kind, broken, spans_lines } = record;
            if spans_lines && self.is_several(kind, &row) {
                return self.line_by_line(kind, &row, suspicious, each);
            }
            let (row, fault) = match kind {
                PieceKind::Stray | PieceKind::Unclosed => {
                    (row, Some(self.wrong_quote(kind, broken)))
                }
                _ => self.judge(row, suspicious),
            };
            each(row, fault);
        });
    }

    /// The width and the text of a row.
    #[inline]
    fn judge<'r>(&self, row: RawRow<'r>, suspicious: bool) -> (RawRow<'r>, Option<Fault>) {
        if row.spans.len() != self.columns.len() {
            return self.judge_width(row, suspicious);
        }
        (row, if suspicious { self.unreadable_cell(&row) } else { None })
    }

    #[cold]
    fn judge_width<'r>(&self, row: RawRow<'r>, suspicious: bool) -> (RawRow<'r>, Option<Fault>) {
        let (fields, columns) = (row.spans.len(), self.columns.len());
        let is_fine = if fields > columns {
            self.ignore_empty_extras && self.empty_extras(&row) == fields - columns
        } else {
            self.pad_short_rows
        };
        if !is_fine {
            let fault = Fault { code: RAGGED, message: self.ragged(&row), known: fields };
            return (row, Some(fault));
        }
        let row = row.first(columns);
        (row, if suspicious { self.unreadable_cell(&row) } else { None })
    }

    /// How many fields behind the last column are empty, from the end of the row.
    fn empty_extras(&self, row: &RawRow<'_>) -> usize {
        let extras = self.columns.len()..row.spans.len();
        extras.rev().take_while(|at| row.cell(*at).is_empty()).count()
    }

    /// The fault of a record whose field `broken` has wrong quotes.
    #[cold]
    fn wrong_quote(&self, kind: PieceKind, broken: Option<usize>) -> Fault {
        let quote = char::from(self.dialect.quote);
        let known = broken.unwrap_or_default();
        let field = known + 1;
        if kind == PieceKind::Unclosed {
            let message = format!("a {quote} is opened in field {field} and never closed");
            return Fault { code: UNCLOSED, message, known };
        }
        let message = format!(
            "text follows the closing {quote} of field {field}; a {quote} within a quoted field is \
             written twice"
        );
        Fault { code: STRAY, message, known }
    }

    /// True if a record over several lines is not one row, but several joined by a quote: its quotes are wrong, or
    /// each of its lines looks like a row of this file.
    fn is_several(&self, kind: PieceKind, row: &RawRow<'_>) -> bool {
        count_lines(row.written.trim_ascii_end()) > 0
            && (kind != PieceKind::Quoted || self.every_line_is_a_row(row.written))
    }

    /// True if each line of a well-formed record has as many fields as there are columns, and a first field that
    /// looks like that of the first line, with a digit in it. This tells rows joined by two stray quotes from a text
    /// of several lines: a text would have to repeat the number of delimiters in each of its lines, and begin each
    /// with something like a key.
    fn every_line_is_a_row(&self, written: &[u8]) -> bool {
        let delimiter = self.dialect.delimiter;
        let mut shape: Option<Vec<u8>> = None;
        self.columns.len() > 1
            && lines(written).all(|(_, line)| {
                let first = line.split(|byte| *byte == delimiter).next().unwrap_or_default();
                let this = shape_of(first);
                let is_key_like =
                    this.contains(&b'0') && (self.columns.len() > 2 || this.len() > 1);
                memchr::memchr_iter(delimiter, line).count() + 1 == self.columns.len()
                    && is_key_like
                    && *shape.get_or_insert_with(|| this.clone()) == this
            })
    }

    /// Reads a record that is not one row line by line: its first line is rejected, each of the
    /// others is a row of its own, or rejected for itself.
    #[cold]
    fn line_by_line(
        &self,
        kind: PieceKind,
        record: &RawRow<'_>,
        suspicious: bool,
        each: &mut impl FnMut(RawRow<'_>, Option<Fault>),
    ) {
        let mut fields = Fields::default();
        let quote = self.dialect.quote;
        let swallowed = count_lines(record.written.trim_ascii_end());
        for (number, (start, line)) in lines(record.written).enumerate() {
            if line.is_empty() {
                continue;
            }
            let piece = self.dialect.piece_with_fields(line, &mut fields);
            if matches!(piece.kind, PieceKind::Blank | PieceKind::Comment) {
                continue;
            }
            let Fields { spans, scratch, broken, .. } = &fields;
            let row = RawRow {
                line: record.line + number as u64,
                offset: record.offset + start as u64,
                written: line,
                scratch,
                spans,
            };
            // Of the first line, only the cells before its quote are certain.
            let quoted = (0..spans.len()).find(|at| row.cell(*at).contains(&quote));
            let known = broken.or(quoted).unwrap_or_default();
            let odd = memchr::memchr_iter(quote, line).count() % 2 == 1;
            let (row, fault) = if number == 0 {
                let more = match swallowed {
                    1 => "the line after it is not part of it: it is read as a row".to_owned(),
                    _ => format!(
                        "the {swallowed} lines after it are not part of it: each is read as a row"
                    ),
                };
                let (code, what) = match kind {
                    PieceKind::Unclosed => (UNCLOSED, "and never closed"),
                    _ => (STRAY, "and closed lines further down"),
                };
                let quote = char::from(quote);
                let message = format!("a {quote} is opened in this row {what}; {more}");
                (row, Some(Fault { code, message, known }))
            } else if odd && piece.kind == PieceKind::Quoted {
                let message = format!(
                    "a {} stands alone in this row, which follows a row with another one",
                    char::from(quote)
                );
                (row, Some(Fault { code: STRAY, message, known }))
            } else if matches!(piece.kind, PieceKind::Stray | PieceKind::Unclosed) {
                (row, Some(self.wrong_quote(piece.kind, *broken)))
            } else {
                self.judge(row, suspicious)
            };
            each(row, fault);
        }
    }

    /// Passes on each record of the block, with any cells.
    pub fn records(
        &self,
        block: &TextBlock,
        fields: &mut Fields,
        mut each: impl FnMut(Record, RawRow<'_>),
    ) {
        let bytes = block.bytes();
        let mut marks = self.dialect.marks(bytes);
        let mut line = block.first_line();
        let mut at = 0;
        while at < bytes.len() {
            let piece = self.dialect.piece_at(at, &mut marks, fields);
            let written = &bytes[at..at + piece.end];
            let offset = block.offset() + at as u64;
            if !matches!(piece.kind, PieceKind::Blank | PieceKind::Comment) {
                let spans_lines =
                    piece.kind != PieceKind::Plain && memchr2(b'\n', b'\r', written).is_some();
                let Fields { spans, scratch, broken, .. } = &*fields;
                let record = Record { kind: piece.kind, broken: *broken, spans_lines };
                each(record, RawRow { line, offset, written, scratch, spans });
                if spans_lines {
                    line += count_lines(written);
                }
            }
            line += 1;
            at += piece.next;
        }
    }

    fn ragged(&self, row: &RawRow<'_>) -> String {
        let (fields, columns) = (row.spans.len(), self.columns.len());
        let plural = if fields == 1 { "" } else { "s" };
        let mut message = format!("{fields} field{plural} where {} {columns}", self.columns_from);
        if fields > columns && self.empty_extras(row) == fields - columns {
            message += "; the extra ones are empty, which `ignore_empty_extras: true` allows";
        }
        let lines = count_lines(row.written);
        if lines > 0 {
            message += &format!("; a quoted field makes it go on over {} lines", lines + 1);
        }
        message
    }

    fn unreadable_cell(&self, row: &RawRow<'_>) -> Option<Fault> {
        unreadable_cell(&self.columns, row, Some(self.encoding))
    }
}

/// The lines of a record, each with where it begins in it.
fn lines(written: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let start = next?;
        let rest = written.get(start..)?;
        let length = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let line = rest.get(..length)?;
        let two = rest.get(length..)?.starts_with(b"\r\n");
        next = (length < rest.len()).then_some(start + length + 1 + usize::from(two));
        Some((start, line))
    })
    // The empty text after the last line break.
    .filter(|(start, line)| *start == 0 || *start < written.len() || !line.is_empty())
}

/// The pattern of a short text: each run of digits, letters and other characters as one.
fn shape_of(text: &[u8]) -> Vec<u8> {
    let mut shape: Vec<u8> = text
        .iter()
        .map(|byte| match byte {
            b'0'..=b'9' => b'0',
            b'a'..=b'z' => b'a',
            b'A'..=b'Z' => b'A',
            other => *other,
        })
        .collect();
    shape.dedup();
    shape
}
