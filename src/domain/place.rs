//! The position of a row in a source: its line, and a number for the input and the offset in it.
//!
//! The number is the input's place among the source's inputs, then 40 bits that are the byte at which
//! the row begins, or, in kinds without bytes, the part (a sheet, a statement) and the entry in it.
//! So a source of one file has the offsets of that file, and stored rows stay two numbers a side.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// Bits of a place that are within its input.
pub(crate) const WITHIN_BITS: u32 = 40;
const WITHIN: u64 = (1 << WITHIN_BITS) - 1;
const ENTRY_BITS: u32 = 20;
const ENTRY: u64 = (1 << ENTRY_BITS) - 1;

/// How many inputs a source may have.
const MAX_INPUTS: usize = 1 << 20;

/// The number in the place of an input of rows that were taken over from an earlier date.
pub const CARRIED: usize = MAX_INPUTS;

/// A place within an input, as the source's number `input` from 0.
pub const fn in_input(input: u64, within: u64) -> u64 {
    // Of a file of more than a TiB the last bytes are all one place; lines still tell them apart.
    let within = if within > WITHIN { WITHIN } else { within };
    input << WITHIN_BITS | within
}

/// The place of entry `entry` (from 1; 0 for none) of part `part` (from 0) within an input.
pub const fn in_part(part: usize, entry: u64) -> u64 {
    let entry = if entry > ENTRY { ENTRY } else { entry };
    (part as u64) << ENTRY_BITS | entry
}

/// The number of the input, from 0.
pub const fn input_of(offset: u64) -> usize {
    (offset >> WITHIN_BITS) as usize
}

/// The place within the input.
pub const fn within(offset: u64) -> u64 {
    offset & WITHIN
}

/// The unit of a row's line number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    #[default]
    Line,
    /// Rows of a sheet or a table.
    Row,
    /// Rows of a query's result.
    Query,
}

impl Unit {
    pub fn is_line(&self) -> bool {
        *self == Self::Line
    }
}

/// One input of a source, as it is kept with a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceFile {
    /// The file, or the archive and its member.
    pub path: String,
    /// Its size on disk.
    pub bytes: u64,
    /// The SHA-256 of its bytes, or of its rows where it is no file.
    pub sha256: String,
    pub rows: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<String>,
}

impl SourceFile {
    /// Place of a row within its file: `line 5`, `sheet Trades, row 17`.
    pub fn describe(&self, unit: Unit, line: u64, offset: u64) -> String {
        let mut words = String::new();
        let within = within(offset);
        if let Some(part) = self.parts.get((within >> ENTRY_BITS) as usize) {
            // Writing into a String can't fail.
            let _ = write!(words, "{part}, ");
            if within & ENTRY > 0 {
                let _ = write!(words, "entry {}, ", within & ENTRY);
            }
        }
        words.push_str(&line_words(unit, line));
        words
    }
}

/// `line 5`, `row 17`, `query row 1,204`.
pub fn line_words(unit: Unit, line: u64) -> String {
    match unit {
        Unit::Line => format!("line {line}"),
        Unit::Row => format!("row {line}"),
        Unit::Query => {
            let digits = line.to_string();
            let mut grouped = String::from("query row ");
            for (at, digit) in digits.chars().enumerate() {
                if at > 0 && (digits.len() - at).is_multiple_of(3) {
                    grouped.push(',');
                }
                grouped.push(digit);
            }
            grouped
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_says_input_part_entry_and_line() {
        let offset = in_input(3, in_part(1, 4));
        assert_eq!(input_of(offset), 3);
        let parts = vec!["statement 00122".to_owned(), "statement 00123".to_owned()];
        let file = SourceFile { parts, ..SourceFile::default() };
        assert_eq!(file.describe(Unit::Line, 58, offset), "statement 00123, entry 4, line 58");
        let sheet = SourceFile { parts: vec!["sheet Trades".to_owned()], ..SourceFile::default() };
        assert_eq!(sheet.describe(Unit::Row, 17, in_part(0, 0)), "sheet Trades, row 17");
        let query = SourceFile::default();
        assert_eq!(query.describe(Unit::Query, 1_204, 0), "query row 1,204");
        assert_eq!(query.describe(Unit::Query, 1_000_000, 0), "query row 1,000,000");
        assert_eq!(query.describe(Unit::Line, 5, 4_711), "line 5");
    }

    #[test]
    fn the_first_input_has_the_offsets_of_its_file() {
        assert_eq!(in_input(0, 4_711), 4_711);
        assert_eq!(within(in_input(7, u64::MAX)), WITHIN);
        assert_eq!(input_of(in_input(7, u64::MAX)), 7);
    }
}
