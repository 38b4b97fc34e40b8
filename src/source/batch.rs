//! Rows of a source that is no lines of text: a producer puts cell after cell into a batch.

use super::dialect::{Fields, Span};
use super::kind::{Fault, Piece, RawRow, RowParser, Sink};
use super::unreadable::unreadable_cell;
use crate::diagnostic::Code;

/// Some rows, one after the other. All their text lies in one buffer.
#[derive(Debug, Default)]
pub(super) struct RowBatch {
    text: Vec<u8>,
    spans: Vec<Span>,
    rows: Vec<BatchRow>,
}

#[derive(Debug)]
struct BatchRow {
    line: u64,
    offset: u64,
    written: Span,
    end: usize,
    fault: Option<Box<Fault>>,
}

impl RowBatch {
    /// A batch is handed on when it has about this many bytes.
    const FULL: usize = 512 * 1024;

    pub fn is_full(&self) -> bool {
        self.len() >= Self::FULL
    }

    /// Its size in bytes, about.
    pub fn len(&self) -> usize {
        self.text.len() + self.spans.len() * 8 + self.rows.len() * 16
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds a cell to the row at hand.
    pub fn cell(&mut self, text: impl AsRef<[u8]>) {
        self.cell_if(|out| {
            out.extend_from_slice(text.as_ref());
            true
        });
    }

    /// Adds the cell that `write` appends, or a null if it returns false.
    pub fn cell_if(&mut self, write: impl FnOnce(&mut Vec<u8>) -> bool) {
        let start = self.text.len();
        match write(&mut self.text) {
            true => self.spans.push(Span::scratch(start, self.text.len())),
            false => self.null(),
        }
    }

    /// Adds a cell that is null, whatever `null_values` says.
    pub fn null(&mut self) {
        self.spans.push(Span::NULL);
    }

    /// Ends the row at hand. `place` is its line, and its place within the input besides
    /// ([`crate::domain::place::in_part`]).
    pub fn end_row(&mut self, place: (u64, u64)) {
        self.end(place, &[], None);
    }

    /// Ends the row at hand, which was `written` like this and can't take part.
    pub fn reject_row(
        &mut self,
        place: (u64, u64),
        written: &[u8],
        code: Code,
        message: impl Into<String>,
    ) {
        let start = self.rows.last().map_or(0, |row| row.end);
        let known = self.spans.len() - start;
        let fault = Fault { code, message: message.into(), known };
        self.end(place, written, Some(Box::new(fault)));
    }

    fn end(&mut self, (line, offset): (u64, u64), written: &[u8], fault: Option<Box<Fault>>) {
        let start = self.text.len();
        self.text.extend_from_slice(written);
        let written = Span::scratch(start, self.text.len());
        self.rows.push(BatchRow { line, offset, written, end: self.spans.len(), fault });
    }
}

/// Gives the rows of batches.
pub(super) struct BatchParser {
    columns: Vec<String>,
}

impl BatchParser {
    /// For rows of these columns.
    pub fn new(columns: &[String]) -> Self {
        Self { columns: columns.to_vec() }
    }
}

impl RowParser for BatchParser {
    fn rows(&self, piece: &Piece, _: &mut Fields, each: &mut Sink<'_>) {
        let Piece::Rows(batch) = piece else { return };
        // All at once is checked much faster than cell by cell.
        let is_suspicious =
            std::str::from_utf8(&batch.text).is_err() || memchr::memchr(0, &batch.text).is_some();
        let mut start = 0;
        for row in &batch.rows {
            let raw = RawRow {
                line: row.line,
                offset: row.offset,
                written: row.written.of(&[], &batch.text),
                scratch: &batch.text,
                spans: batch.spans.get(start..row.end).unwrap_or_default(),
            };
            start = row.end;
            let fault = row.fault.as_deref().cloned();
            let unreadable = || is_suspicious.then(|| unreadable_cell(&self.columns, &raw, None));
            let fault = fault.or_else(|| unreadable().flatten());
            each(raw, fault);
        }
    }
}
