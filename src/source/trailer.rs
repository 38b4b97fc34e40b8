//! The trailer of a file: a last line with the number of rows and their sums. If the rows disagree, the file is
//! incomplete or damaged.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::columns::{ColumnMatch, find};
use super::kind::RawRow;
use crate::diagnostic::{Code, Place, Problem};
use crate::domain::{Decimal, RawCells as _};

/// Reads a number as the configuration says that it is written.
pub type ReadNumber = Arc<dyn Fn(&[u8]) -> Option<Decimal> + Send + Sync>;

/// Where a figure stands in the trailer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    /// In this field, from 0.
    Field(usize),
    /// In these characters: from, to.
    Characters(usize, usize),
}

/// How a trailer is recognized, and where its figures are.
#[derive(Clone)]
pub(super) struct Trailer {
    pub starts_with: String,
    pub rows: Option<Figure>,
    /// The columns that are summed up, and where their sums stand.
    pub sums: Vec<(String, Figure)>,
    /// How the numbers of each of them are written.
    pub numbers: Vec<ReadNumber>,
}

impl fmt::Debug for Trailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trailer").field("starts_with", &self.starts_with).finish_non_exhaustive()
    }
}

impl Trailer {
    pub fn is(&self, row: &RawRow<'_>) -> bool {
        row.written.starts_with(self.starts_with.as_bytes())
            || row.cell(0).starts_with(self.starts_with.as_bytes())
    }

    fn read(&self, at: usize, text: &[u8]) -> Option<Decimal> {
        match self.numbers.get(at) {
            Some(read) => read(text),
            None => Decimal::parse(text).ok(),
        }
    }
}

/// The trailers and rows of a file that all threads have seen.
pub(super) struct FileCounts {
    trailer: Arc<Trailer>,
    /// The places of the summed columns in the file.
    columns: Vec<Option<usize>>,
    found: Mutex<Tally>,
}

/// Rows and trailers of a piece, or of all.
#[derive(Debug, Default)]
pub(super) struct Tally {
    rows: u64,
    last_line: u64,
    /// The lines of trailers, and the texts of their figures: rows, then sums.
    trailers: Vec<(u64, Vec<String>)>,
    /// None once a sum is too large to be counted.
    sums: Vec<Option<Decimal>>,
}

impl FileCounts {
    pub fn new(trailer: &Arc<Trailer>, columns: &[String]) -> Self {
        let place = |(column, _): &(String, Figure)| match find(columns, column) {
            ColumnMatch::At(at) => Some(at),
            _ => None,
        };
        Self {
            columns: trailer.sums.iter().map(place).collect(),
            found: Mutex::new(Tally::default()),
            trailer: Arc::clone(trailer),
        }
    }

    pub fn is_trailer(&self, row: &RawRow<'_>) -> bool {
        self.trailer.is(row)
    }

    /// Takes note of a row of data, or of the trailer.
    pub fn note(&self, row: &RawRow<'_>, tally: &mut Tally) {
        if self.is_trailer(row) {
            let figures =
                self.trailer.rows.iter().chain(self.trailer.sums.iter().map(|(_, at)| at));
            let texts = figures.map(|at| figure(row, *at)).collect();
            tally.trailers.push((row.line, texts));
            return;
        }
        tally.rows += 1;
        tally.last_line = tally.last_line.max(row.line);
        tally.sums.resize(self.columns.len(), Some(Decimal::ZERO));
        for (at, (column, sum)) in self.columns.iter().zip(&mut tally.sums).enumerate() {
            let cell = column.map(|column| row.cell(column)).unwrap_or_default();
            // A cell that is no number adds nothing; the sum shows it.
            let number = self.trailer.read(at, cell).unwrap_or(Decimal::ZERO);
            *sum = sum.and_then(|sum| sum.checked_sub(number.negated()));
        }
    }

    /// Adds the counts of a piece.
    pub fn add(&self, tally: Tally) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.rows += tally.rows;
        found.last_line = found.last_line.max(tally.last_line);
        found.trailers.extend(tally.trailers);
        found.sums.resize(self.columns.len(), Some(Decimal::ZERO));
        for (sum, more) in found.sums.iter_mut().zip(tally.sums) {
            *sum = sum.zip(more).and_then(|(sum, more)| sum.checked_sub(more.negated()));
        }
    }

    /// Compares the trailer with the rows, once all have been read.
    ///
    /// # Errors
    /// There is none, there are several or rows after it, or it disagrees with the rows.
    pub fn prove(&self, file: &Path) -> Result<(), Problem> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let prefix = &self.trailer.starts_with;
        let at = |line: u64| Place { file: file.to_owned(), line, ..Place::default() };
        let missing = |line: u64, message: String| {
            Err(Problem::new(Code::TrailerMissing, message)
                .at(at(line))
                .help("the file is incomplete, or put together of several: fetch it again"))
        };
        let [(line, figures)] = found.trailers.as_slice() else {
            return match found.trailers.as_slice() {
                [] => missing(0, format!("no line begins with `{prefix}`: the trailer is missing")),
                several => {
                    let line = several.iter().map(|(line, _)| *line).max().unwrap_or(0);
                    missing(
                        line,
                        format!(
                            "{} lines begin with `{prefix}`, one is the trailer",
                            several.len()
                        ),
                    )
                }
            };
        };
        if found.last_line > *line {
            let message = format!("rows follow the trailer, which is line {line}");
            return missing(found.last_line, message);
        }
        let mismatch = |message: String| {
            Err(Problem::new(Code::TrailerMismatch, message)
                .at(at(*line))
                .help("the file is incomplete or damaged: fetch it again"))
        };
        let mut figures = figures.iter();
        if self.trailer.rows.is_some() {
            let said = figures.next().map_or("", String::as_str).trim();
            // Counts are often padded with zeros.
            if said.parse() != Ok(found.rows) {
                return mismatch(format!(
                    "the trailer counts `{said}` rows, the file has {}",
                    found.rows
                ));
            }
        }
        for (index, ((column, _), said)) in self.trailer.sums.iter().zip(figures).enumerate() {
            let sum = found.sums.get(index).copied().unwrap_or(Some(Decimal::ZERO));
            let Some(sum) = sum else {
                return mismatch(format!("the sum of `{column}` has too many digits to be proven"));
            };
            let claimed = self.trailer.read(index, said.trim().as_bytes());
            let is_same = |claimed: Decimal| claimed.checked_sub(sum).is_some_and(Decimal::is_zero);
            if !claimed.is_some_and(is_same) {
                return mismatch(format!(
                    "the trailer says that `{column}` sums up to `{}`, its rows sum up to {sum}",
                    said.trim()
                ));
            }
        }
        Ok(())
    }
}

/// The text of a figure of the trailer.
fn figure(row: &RawRow<'_>, at: Figure) -> String {
    match at {
        Figure::Field(at) => String::from_utf8_lossy(row.cell(at)).into_owned(),
        Figure::Characters(start, end) => String::from_utf8_lossy(row.written)
            .chars()
            .skip(start)
            .take(end.saturating_sub(start))
            .collect(),
    }
}
