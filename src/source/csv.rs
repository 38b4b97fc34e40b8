//! Delimited text files: any delimiter, quote and encoding, plain or compressed.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::Written;

/// The options of `read: { csv: … }`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvSpec {
    /// The file, relative to `recon.yaml`; `.gz` and `.zst` are read as they are.
    pub path: String,
    /// The character between fields, one ASCII character or `\t`. Default `,`.
    pub delimiter: Option<String>,
    /// The character around fields that contain the delimiter. Default `"`.
    pub quote: Option<String>,
    /// A WHATWG encoding label such as `windows-1252`. Default UTF-8, with or without BOM.
    pub encoding: Option<String>,
    /// Whether the first row names the columns. Default `true`.
    pub header: Option<Written<bool>>,
    /// The names of the columns where there is no header row.
    pub columns: Option<Vec<String>>,
    /// Lines to skip before the header. Default 0.
    pub skip_rows: Option<Written<u64>>,
    /// Lines that begin with this character are not data.
    pub comment: Option<String>,
    /// Cells that mean null. Default the empty cell; replaces the default.
    pub null_values: Option<Vec<String>>,
}
