//! The parallel part of reading: the rows of a block.
//!
//! A row that can't take part is given as a rejection, with its place and its text; there is no
//! row that is given as nothing.

use std::sync::Arc;

use encoding_rs::{Encoding, UTF_8};
use memchr::{memchr, memchr2};

use super::blocks::Block;
use super::csv::CsvPlan;
use super::dialect::{Dialect, Fields, PieceKind, Span, count_lines};
use crate::domain::{RawCells, Rejection};

/// A row as read. Its cells are UTF-8 without NUL, as many as there are columns.
#[derive(Clone, Copy, Debug)]
pub struct RawRow<'a> {
    /// The line on which it begins, from 1.
    pub line: u64,
    /// Where it begins in the file, or in what the file is decompressed and decoded to, in bytes.
    pub offset: u64,
    written: &'a [u8],
    scratch: &'a [u8],
    spans: &'a [Span],
}

impl<'a> RawRow<'a> {
    /// The row as written, quotes and all, without its line break.
    pub fn written(&self) -> &'a [u8] {
        self.written
    }
}

impl RawCells for RawRow<'_> {
    fn len(&self) -> usize {
        self.spans.len()
    }

    #[inline]
    fn cell(&self, index: usize) -> &[u8] {
        self.spans.get(index).map_or(&[], |span| span.of(self.written, self.scratch))
    }
}

/// The code of a row with more or fewer fields than there are columns.
const RAGGED: &str = "RAGGED_ROW";

/// A row that can't take part.
#[derive(Clone, Debug)]
pub struct Unusable<'a> {
    /// Why, where, and what is written there.
    pub rejection: Rejection,
    /// Its cells, where they can be told apart: its key may be among them.
    pub row: Option<RawRow<'a>>,
}

/// Turns blocks into rows. Each worker has its own.
#[derive(Clone, Debug)]
pub struct BlockParser {
    dialect: Dialect,
    encoding: &'static Encoding,
    columns: Arc<[String]>,
    columns_from: &'static str,
    fields: Fields,
}

impl BlockParser {
    pub(super) fn new(plan: &CsvPlan, columns: Arc<[String]>) -> Self {
        Self {
            dialect: plan.dialect,
            encoding: plan.encoding,
            columns,
            columns_from: plan.header.says(),
            fields: Fields::default(),
        }
    }

    /// Gives each row of the block, or why it is rejected, to `each`, in the order of the file.
    /// Blank lines and comments are not rows.
    pub fn parse(
        &mut self,
        block: &Block,
        each: &mut impl FnMut(Result<RawRow<'_>, Unusable<'_>>),
    ) {
        // Whole blocks are checked much faster than cells; only a block that fails is looked into.
        let bytes = block.bytes();
        let suspicious = std::str::from_utf8(bytes).is_err() || memchr(0, bytes).is_some();
        self.records(block, |parser, kind, row| {
            let problem = if kind == PieceKind::Unclosed {
                Some(parser.unclosed(&row))
            } else if row.spans.len() != parser.columns.len() {
                Some(parser.ragged(row.spans.len()))
            } else if suspicious {
                parser.unreadable_cell(&row)
            } else {
                None
            };
            each(match problem {
                None => Ok(row),
                Some((code, message)) => Err(Unusable {
                    rejection: Rejection {
                        code,
                        line: row.line,
                        message,
                        text: Rejection::clip(row.written),
                        key: None,
                    },
                    row: (code == RAGGED && std::str::from_utf8(row.written).is_ok())
                        .then_some(row),
                }),
            });
        });
    }

    /// Gives each record of the block, whatever its cells are.
    pub(super) fn records(
        &mut self,
        block: &Block,
        mut each: impl FnMut(&Self, PieceKind, RawRow<'_>),
    ) {
        let mut bytes = block.bytes();
        let mut line = block.first_line();
        let mut offset = block.offset();
        let mut fields = std::mem::take(&mut self.fields);
        while !bytes.is_empty() {
            let piece = self.dialect.piece_with_fields(bytes, &mut fields);
            let (this, rest) = bytes.split_at(piece.next);
            let written = &this[..piece.end];
            if !matches!(piece.kind, PieceKind::Blank | PieceKind::Comment) {
                let Fields { spans, scratch, .. } = &fields;
                each(self, piece.kind, RawRow { line, offset, written, scratch, spans });
            }
            line += 1;
            if matches!(piece.kind, PieceKind::Quoted | PieceKind::Unclosed)
                && memchr2(b'\n', b'\r', written).is_some()
            {
                line += count_lines(written);
            }
            offset += piece.next as u64;
            bytes = rest;
        }
        self.fields = fields;
    }

    fn unclosed(&self, row: &RawRow<'_>) -> (&'static str, String) {
        let lines = count_lines(row.written.trim_ascii_end());
        let swallowed = match lines {
            0 => String::new(),
            1 => "; the line after it was read as part of it".into(),
            _ => format!("; the {lines} lines after it were read as part of it"),
        };
        let quote = char::from(self.dialect.quote);
        ("UNCLOSED_QUOTE", format!("a {quote} is opened in this row and never closed{swallowed}"))
    }

    fn ragged(&self, fields: usize) -> (&'static str, String) {
        let plural = if fields == 1 { "" } else { "s" };
        let message =
            format!("{fields} field{plural} where {} {}", self.columns_from, self.columns.len());
        (RAGGED, message)
    }

    fn unreadable_cell(&self, row: &RawRow<'_>) -> Option<(&'static str, String)> {
        self.columns.iter().enumerate().find_map(|(index, column)| {
            let cell = row.cell(index);
            if let Err(error) = std::str::from_utf8(cell) {
                let at = error.valid_up_to();
                let message = if self.encoding == UTF_8 {
                    format!(
                        "column `{column}`: byte {} (0x{:02X}) is not UTF-8; set `encoding:` if the \
                         file is in another encoding, such as windows-1252",
                        at + 1,
                        cell.get(at).copied().unwrap_or_default(),
                    )
                } else {
                    format!(
                        "column `{column}`: what follows byte {at} is not {}; check `encoding:`",
                        self.encoding.name()
                    )
                };
                return Some(("BAD_ENCODING", message));
            }
            let at = memchr(0, cell)?;
            let message = format!(
                "column `{column}`: byte {} is NUL, which a text cannot hold; check `encoding:`",
                at + 1
            );
            Some(("NUL_BYTE", message))
        })
    }
}
