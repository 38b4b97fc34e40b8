//! The interface of a kind of source: it opens inputs and gives rows in pieces.
//!
//! A kind opens one input and gives its columns, its rows in pieces, and the parser that turns a piece into rows.
//! Lists, globs, archives, places, filling down and trailers are the same for all kinds and are no part of any.
//! Pieces are cut by one thread and parsed by any.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::batch::RowBatch;
use super::blocks::{Limits, TextBlock};
use super::dialect::{Fields, Span};
use super::input::Input;
use super::statement::OpenPages;
use crate::diagnostic::{Code, Problem, SpecProblem};
use crate::domain::place::Unit;
use crate::domain::{RawCells, Rejection};

/// How an input of one kind is read, with everything decided.
pub(super) trait Kind: fmt::Debug + Send + Sync {
    /// Opens an input and reads its header.
    ///
    /// # Errors
    /// It can't be opened, or has no columns.
    fn open(&self, input: &Input, ask: &OpenContext<'_>) -> Result<Opening, Problem>;

    /// The unit of a row's `line`.
    fn unit(&self) -> Unit {
        Unit::Line
    }

    /// Whether a delimiter cuts its lines into columns.
    fn is_delimited(&self) -> bool {
        false
    }

    /// Whether `encoding` can be set.
    fn has_encoding(&self) -> bool {
        true
    }

    /// True if every input names its columns before its first row. Of other kinds, all inputs have the columns of the
    /// first.
    fn has_header(&self) -> bool {
        true
    }

    /// Checks the inputs' open pages, once all have been read; gives warnings.
    ///
    /// # Errors
    /// They can't be trusted.
    fn prove_rest(&self, _: OpenPages) -> Result<Vec<Problem>, Problem> {
        Ok(Vec::new())
    }
}

/// Complains about an `encoding` of a kind that has none.
pub(super) fn no_encoding(encoding: Option<&String>, kind: &str, problems: &mut Vec<SpecProblem>) {
    if encoding.is_some() {
        let message =
            format!("`encoding` means nothing for {kind}: it says itself how texts are kept");
        let problem = Problem::new(Code::EncodingUnused, message).help("remove it");
        problems.push(SpecProblem::new(["encoding"], problem));
    }
}

/// The circumstances in which a kind opens an input.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenContext<'a> {
    /// How much is read at once.
    pub limits: Limits,
    /// The columns that the configuration names.
    pub wanted: &'a [String],
    pub alone: bool,
    /// The columns of the inputs before, for kinds that have no header.
    pub columns: Option<&'a Arc<[String]>>,
}

pub(super) struct Opening {
    /// The names of its columns.
    pub columns: Vec<String>,
    /// Its size on disk; 0 if that is not known.
    pub size: u64,
    /// Gives its rows in pieces.
    pub pieces: Box<dyn Pieces>,
    /// Turns a piece into rows.
    pub parser: Arc<dyn RowParser>,
}

/// Some rows of an input, as they are handed from the thread that cuts to one that parses.
#[derive(Debug)]
pub(super) enum Piece {
    /// Whole records as text.
    Text(TextBlock),
    /// Rows with separate cells.
    Rows(RowBatch),
}

impl Piece {
    /// Its size in bytes, about.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(block) => block.bytes().len(),
            Self::Rows(batch) => batch.len(),
        }
    }
}

/// The rows of an input in pieces, in order. One thread at a time uses it.
pub(super) trait Pieces: Send {
    /// The next piece; none at the end.
    ///
    /// # Errors
    /// The input can't be read any further.
    fn next(&mut self) -> Result<Option<Piece>, Problem>;

    /// Takes the open pages of earlier inputs, before the first piece.
    fn go_on_with(&mut self, _: OpenPages) {}

    /// How many bytes have been read from the disk, for progress.
    fn disk_bytes(&mut self) -> u64 {
        0
    }

    /// Ends reading. If pieces are left, the input is read to its end without looking at them.
    ///
    /// # Errors
    /// The input can't be read to its end, or was changed while it was read.
    fn finish(self: Box<Self>) -> Result<InputRead, Problem>;
}

/// Facts about an input that has been read to its end.
#[derive(Clone, Debug, Default)]
pub(super) struct InputRead {
    /// Its size on disk.
    pub bytes: u64,
    /// SHA-256 in lower-case hexadecimal digits: of the bytes on disk, or of the rows where there are none.
    pub sha256: String,
    /// The names of its parts (sheets, statements), which the places of its rows count.
    pub parts: Vec<String>,
    pub warnings: Vec<Problem>,
    /// Bank statements that go on in another input.
    pub open_pages: OpenPages,
}

/// Receives the rows of a piece, each with its mistake, if any.
pub(super) type Sink<'a> = dyn FnMut(RawRow<'_>, Option<Fault>) + 'a;

/// Turns pieces into rows; any thread may use it.
pub(super) trait RowParser: Send + Sync {
    /// Gives each row of the piece, in order. `fields` is room that is used again.
    fn rows(&self, piece: &Piece, fields: &mut Fields, each: &mut Sink<'_>);

    /// Is asked once all pieces of the input have been parsed: gives the wanted columns that no row had,
    /// in kinds that have no header.
    ///
    /// # Errors
    /// The input as a whole can't be trusted.
    fn conclude(&self) -> Result<Vec<String>, Problem> {
        Ok(Vec::new())
    }
}

/// A row as read. Its cells are UTF-8 without NUL. A cell that it lacks at its end is empty.
#[derive(Clone, Copy, Debug)]
pub struct RawRow<'a> {
    /// The line on which it begins, from 1; the kind defines lines.
    pub line: u64,
    /// Position besides the line, as [`crate::domain::place`] packs it: its input, and its start in the decompressed
    /// and decoded text, in bytes, or its part.
    pub offset: u64,
    pub(super) written: &'a [u8],
    pub(super) scratch: &'a [u8],
    pub(super) spans: &'a [Span],
}

impl<'a> RawRow<'a> {
    /// The row as written, quotes and all, without its line break; of a kind that is no text, its cells
    /// with commas between them.
    pub fn written(&self) -> Cow<'a, [u8]> {
        if !self.written.is_empty() || self.spans.is_empty() {
            return Cow::Borrowed(self.written);
        }
        let mut text = Vec::new();
        for (at, span) in self.spans.iter().enumerate() {
            if at > 0 {
                text.push(b',');
            }
            let cell = span.of(self.written, self.scratch);
            if memchr::memchr3(b',', b'"', b'\n', cell).is_some() {
                text.push(b'"');
                text.extend(cell.iter().flat_map(|byte| {
                    std::iter::repeat_n(*byte, if *byte == b'"' { 2 } else { 1 })
                }));
                text.push(b'"');
            } else {
                text.extend_from_slice(cell);
            }
        }
        Cow::Owned(text)
    }

    /// The row with its first cells only.
    pub(super) fn first(mut self, count: usize) -> Self {
        self.spans = self.spans.get(..count).unwrap_or(self.spans);
        self
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

    #[inline]
    fn is_null(&self, index: usize) -> bool {
        self.spans.get(index).is_some_and(|span| span.is_null())
    }
}

/// The code of a row with more or fewer fields than there are columns.
pub(super) const RAGGED: Code = Code::RaggedRow;

/// A row that can't take part.
#[derive(Clone, Debug)]
pub struct Unusable<'a> {
    /// The mistake, its place, and the text there.
    pub rejection: Rejection,
    /// Its cells, as far as they can be found: its key may be among them.
    pub row: Option<RawRow<'a>>,
}

impl Unusable<'_> {
    /// True if only the number of fields is wrong.
    pub fn is_ragged(&self) -> bool {
        self.rejection.code == RAGGED
    }
}

/// The fault of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// A code of the error catalogue.
    pub code: Code,
    /// The fault in a sentence.
    pub message: String,
    /// How many of its cells, from the first, are certain.
    pub known: usize,
}
