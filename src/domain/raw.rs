//! Rows as read: cells of bytes, before any meaning; and rows that could not take part.

use crate::diagnostic::Code;

/// One row as read from a source: its cells as bytes, verified to be UTF-8.
pub trait RawCells {
    fn len(&self) -> usize;

    /// The cell of column `index`; empty if the row is shorter.
    fn cell(&self, index: usize) -> &[u8];

    /// True if the source itself marks the cell of column `index` as null; its text is then empty. `null_values` are
    /// checked elsewhere.
    fn is_null(&self, index: usize) -> bool {
        let _ = index;
        false
    }

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

/// A rejected row. It is recorded with its position, never silently dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub code: Code,
    /// The line on which the row begins, from 1.
    pub line: u64,
    /// Position besides the line, as [`super::place`] packs it.
    pub offset: u64,
    /// The mistake with column and value, in one sentence.
    pub message: String,
    /// The row as written, at most [`Rejection::MAX_TEXT`] bytes of it.
    pub text: String,
    /// The row's key as a reference, if it could be read.
    pub key: Option<String>,
}

impl Rejection {
    /// How much of a rejected row is kept, in bytes.
    pub const MAX_TEXT: usize = 4096;

    /// `bytes` as text of at most [`Rejection::MAX_TEXT`] bytes; invalid UTF-8 is replaced.
    pub fn clip(bytes: &[u8]) -> String {
        let clipped = &bytes[..bytes.len().min(Self::MAX_TEXT)];
        let mut text = String::from_utf8_lossy(clipped).into_owned();
        while text.len() > Self::MAX_TEXT {
            text.pop();
        }
        text
    }
}
