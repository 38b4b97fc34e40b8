//! Sources: an extract as a stream of blocks of whole records, which any thread can parse.
//!
//! One file per kind. A source knows bytes, encodings and layout of the file; it does not know what
//! a cell means. It never drops a row in silence.
//!
//! One thread calls [`Blocks::next_block`], which is cheap; others turn the blocks into rows, each
//! with its own clone of the [`BlockParser`]. What they find does not depend on where the blocks
//! were cut.

mod blocks;
pub mod columns;
pub mod csv;
mod dialect;
mod file;
mod fill;
mod opened;
mod parse;
pub mod sample;
pub mod statement;
mod text;

#[cfg(test)]
mod tests;

use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

pub use blocks::{Block, Blocks, Limits};
pub use file::SourceDigest;
pub use fill::{Carried, Fill, Filled};
pub use opened::Opened;
pub use parse::{BlockParser, RawRow, Unusable};

use crate::diagnostic::{Problem, SpecProblem};

/// How a source is read. The kind is a key, so that every complaint keeps its exact line.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum ReadSpec {
    /// A delimited text file.
    Csv(csv::CsvSpec),
}

impl ReadSpec {
    /// What is meant; relative paths are relative to the folder `base`.
    ///
    /// # Errors
    /// Every problem of the piece.
    pub fn resolve(&self, base: &Path) -> Result<SourcePlan, Vec<SpecProblem>> {
        match self {
            Self::Csv(spec) => spec
                .resolve(base)
                .map(SourcePlan::Csv)
                .map_err(|problems| problems.into_iter().map(|each| each.under("csv")).collect()),
        }
    }
}

/// How a source is read, with everything decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourcePlan {
    /// A delimited text file.
    Csv(csv::CsvPlan),
}

impl SourcePlan {
    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Csv(plan) => &plan.path,
        }
    }

    /// The cells that mean null.
    pub fn null_values(&self) -> &[String] {
        match self {
            Self::Csv(plan) => &plan.null_values,
        }
    }

    /// Opens the source and reads its header.
    ///
    /// # Errors
    /// It can't be read, or has no header.
    pub fn open(&self) -> Result<Opened, Problem> {
        self.open_with(Limits::default())
    }

    /// Opens the source with other limits than the usual ones. They never change what is read.
    ///
    /// # Errors
    /// It can't be read, or has no header.
    pub fn open_with(&self, limits: Limits) -> Result<Opened, Problem> {
        match self {
            Self::Csv(plan) => Opened::open(plan, limits),
        }
    }
}

/// A record of a source, on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRecord {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The cells as they are: not as many as there are columns if the row is a ragged one.
    pub cells: Vec<String>,
}

/// The row that begins on line `line` of the file, also one that is rejected, with its empty cells
/// filled. None if no row begins there.
///
/// # Errors
/// The file can't be read.
pub fn read_record(
    plan: &SourcePlan,
    line: u64,
    fill: &Fill,
) -> Result<Option<RawRecord>, Problem> {
    match plan {
        SourcePlan::Csv(plan) => opened::read_record(plan, line, fill),
    }
}
