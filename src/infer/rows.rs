//! The rows of a file as a run would read them, with a computed column, and without repetitions of the header.

use serde::Serialize;

use super::joint::Joint;
use crate::diagnostic::Problem;
use crate::domain::RawCells;
use crate::source::{RawRow, SourcePlan};

/// A header repeated between rows, as on each page of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepeatedHeader {
    /// The column that distinguishes such a row from data.
    pub column: String,
    /// The header's text in that column.
    pub text: String,
    /// The first line where it is repeated.
    pub line: u64,
    /// Number of repetitions in the sample.
    pub times: usize,
    /// The position of the column, from 0.
    #[serde(skip)]
    pub at: usize,
    #[serde(skip)]
    pub cells: Vec<String>,
}

impl RepeatedHeader {
    /// Whether `where` excludes the row.
    fn leaves_out(&self, row: &RawRow<'_>) -> bool {
        self.at < row.len() && row.cell(self.at) == self.text.as_bytes()
    }

    fn is(&self, row: &RawRow<'_>) -> bool {
        row.len() == self.cells.len()
            && self.cells.iter().enumerate().all(|(at, cell)| row.cell(at) == cell.as_bytes())
    }

    pub fn why(&self) -> String {
        match self.times {
            1 => format!("line {} repeats the header", self.line),
            times => format!("the header is repeated {times} times, first on line {}", self.line),
        }
    }
}

pub struct FileRows {
    pub plan: SourcePlan,
    /// A computed column; it follows the file's columns.
    pub joint: Option<Joint>,
    /// A repeated header; such rows are excluded.
    pub repeated_header: Option<RepeatedHeader>,
}

/// A row, with the computed column.
pub struct SeenRow<'r> {
    raw: &'r RawRow<'r>,
    joint: Option<&'r str>,
}

impl RawCells for SeenRow<'_> {
    fn len(&self) -> usize {
        self.raw.len() + usize::from(self.joint.is_some())
    }

    fn cell(&self, index: usize) -> &[u8] {
        match self.joint {
            Some(joint) if index == self.raw.len() => joint.as_bytes(),
            _ => self.raw.cell(index),
        }
    }
}

/// How much of a file is read to inspect its values.
pub const READ_AT_MOST: u64 = 512 * 1024 * 1024;

/// Part of a file that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    pub rows: u64,
    /// Rows that would be rejected.
    pub unusable: u64,
    /// Rows other than the header with its text in the distinguishing column.
    pub like_header: u64,
    /// The whole file was read.
    pub whole: bool,
}

impl FileRows {
    /// Passes every row to `each`, up to [`READ_AT_MOST`] bytes.
    pub fn each(&self, each: impl FnMut(&SeenRow<'_>)) -> Result<Reach, Problem> {
        self.first(usize::MAX, each)
    }

    /// Stops after the block in which `rows` are reached.
    pub fn first(&self, rows: usize, mut each: impl FnMut(&SeenRow<'_>)) -> Result<Reach, Problem> {
        let (mut blocks, mut parser) = self.plan.open(&[])?.blocks();
        let (mut reach, mut bytes) = (Reach { whole: true, ..Reach::default() }, 0);
        let repeated = self.repeated_header.as_ref();
        while let Some(block) = blocks.next_block()? {
            if bytes > READ_AT_MOST || reach.rows >= rows as u64 {
                reach.whole = false;
                break;
            }
            bytes += block.len() as u64;
            parser.parse(&block, &mut |row| match row {
                Ok(row) if repeated.is_some_and(|header| header.is(&row)) => {}
                Ok(row) => {
                    reach.rows += 1;
                    reach.like_header +=
                        u64::from(repeated.is_some_and(|header| header.leaves_out(&row)));
                    let joint = self.joint.as_ref().map(|joint| joint.text(&row));
                    each(&SeenRow { raw: &row, joint: joint.as_deref() });
                }
                Err(unusable) => {
                    let is_header = |row: &RawRow<'_>| repeated.is_some_and(|it| it.is(row));
                    reach.unusable += u64::from(!unusable.row.as_ref().is_some_and(is_header));
                }
            });
        }
        Ok(reach)
    }
}
