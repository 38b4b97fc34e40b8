//! Rows as read: cells of bytes, before any meaning; and rows that could not take part.

use crate::diagnostic::Code;

/// One row as read from a source: its cells as bytes, verified to be UTF-8.
pub trait RawCells {
    /// The number of cells.
    fn len(&self) -> usize;

    /// The cell of column `index`; empty when there is none.
    fn cell(&self, index: usize) -> &[u8];

    /// Whether the source says that the cell of column `index` is null; its text is then empty. Cells
    /// whose text means null are another matter.
    fn is_null(&self, index: usize) -> bool {
        let _ = index;
        false
    }

    /// Whether the row has no cells.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl RawCells for [&str] {
    fn len(&self) -> usize {
        <[&str]>::len(self)
    }

    fn cell(&self, index: usize) -> &[u8] {
        self.get(index).map_or(&[], |text| text.as_bytes())
    }
}

/// Why a row takes no part: it is recorded with its place, never dropped in silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What kind of mistake, a code of the error catalogue such as `RAGGED_ROW`.
    pub code: Code,
    /// The line on which the row begins, from 1.
    pub line: u64,
    /// Where it is besides its line, as [`super::place`] packs it.
    pub offset: u64,
    /// What is wrong, with column and value, in one sentence.
    pub message: String,
    /// The row as written, at most [`Rejection::MAX_TEXT`] bytes of it.
    pub text: String,
    /// The row's key as a reference, if it could be read.
    pub key: Option<String>,
}

impl Rejection {
    /// How much of a rejected row is kept, in bytes.
    pub const MAX_TEXT: usize = 4096;

    /// `bytes` as text of at most [`Rejection::MAX_TEXT`] bytes; what is not UTF-8 is replaced.
    pub fn clip(bytes: &[u8]) -> String {
        let clipped = &bytes[..bytes.len().min(Self::MAX_TEXT)];
        let mut text = String::from_utf8_lossy(clipped).into_owned();
        while text.len() > Self::MAX_TEXT {
            text.pop();
        }
        text
    }
}
