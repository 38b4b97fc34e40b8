//! Sources: an extract as a stream of blocks of whole records, which any thread can parse.
//!
//! One file per kind. A source knows bytes, encodings and layout of the file; it does not know what
//! a cell means. It never drops a row in silence.

pub mod csv;

use schemars::JsonSchema;
use serde::Deserialize;

/// How a source is read. The kind is a key, so that every complaint keeps its exact line.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum ReadSpec {
    /// A delimited text file.
    Csv(csv::CsvSpec),
}
