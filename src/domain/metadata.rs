//! Run metadata: a JSON object that the pipeline writes at the end of a command and reports read
//! back.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Books;
use super::place::{self, SourceFile, Unit};

/// The key of the [`Books`].
pub const COUNTS: &str = "counts";
/// Present, and false, only if human decisions do not hold on the next date.
pub const CARRY_ACROSS_DATES: &str = "carry_across_dates";
/// The job's business days, where they are not Monday to Friday without holidays.
pub const CALENDAR: &str = "calendar";
/// The key of the [`Source`]s, an object with `a` and `b`.
pub const SOURCES: &str = "sources";
/// The key of the [`Seconds`].
pub const SECONDS: &str = "seconds";
/// The key of how often a rule failed.
pub const RULE_ERRORS: &str = "rule_errors";
/// The key of the [`MoneyFields`](super::MoneyFields).
pub const MONEY_FIELDS: &str = "money_fields";
/// The metadata key for the items carried from the previous date, an object; only of a job with `open_items`.
pub const OPEN_ITEMS: &str = "open_items";
/// The key of the list of [`Warning`]s.
pub const WARNINGS: &str = "warnings";

/// Facts about a source that has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Source {
    /// The system behind it.
    pub system: String,
    /// The file; for several files, the `path` of the configuration.
    pub path: String,
    /// The size on disk.
    pub bytes: u64,
    /// The SHA-256 of those bytes, in hexadecimal; of several files, that of their list as `sha256sum`
    /// writes it.
    pub sha256: String,
    /// Data rows read.
    pub rows: u64,
    /// Columns that the map does not use, in the order of the header.
    pub unused_columns: Vec<String>,
    /// The unit of a row's line number.
    #[serde(skip_serializing_if = "Unit::is_line")]
    pub unit: Unit,
    /// Each file, where there are several or their parts have names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<SourceFile>,
}

impl Source {
    /// The file that a row at this offset is of.
    pub fn file(&self, offset: u64) -> &str {
        self.files.get(place::input_of(offset)).map_or(&self.path, |file| &file.path)
    }

    /// Place of a row: `trades.csv:5`, `trades.xlsx, sheet Trades, row 17`.
    pub fn place(&self, line: u64, offset: u64) -> String {
        let file = self.file(offset);
        match self.describe(line, offset) {
            Some(words) => format!("{file}, {words}"),
            None => format!("{file}:{line}"),
        }
    }

    /// The same without the file, if it is more than the number of a line.
    pub fn describe(&self, line: u64, offset: u64) -> Option<String> {
        let file = self.files.get(place::input_of(offset));
        let has_parts = file.is_some_and(|file| !file.parts.is_empty());
        (has_parts || !self.unit.is_line()).then(|| match file {
            Some(file) => file.describe(self.unit, line, offset),
            None => place::line_words(self.unit, line),
        })
    }
}

/// Duration of the stages, in seconds. Stages overlap and use several threads, so each stage gets
/// its share of the elapsed time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seconds {
    /// From the first byte to the last commit.
    pub total: f64,
    /// Reading, normalizing and typing.
    pub read: f64,
    pub align: f64,
    /// Comparing, and attributing where one pass does both.
    pub compare: f64,
    pub store: f64,
}

impl Seconds {
    /// Scales the stages' times to the elapsed time.
    #[must_use]
    pub fn of_total(self, total: f64) -> Self {
        let spent = self.read + self.align + self.compare + self.store;
        let share = if spent > total { total / spent } else { 1.0 };
        Self {
            total,
            read: self.read * share,
            align: self.align * share,
            compare: self.compare * share,
            store: self.store * share,
        }
    }
}

/// A warning about the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// The code of the error catalogue.
    pub code: String,
    pub message: String,
    /// Place, as `file:line:column`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Warning {
    /// True for warnings that make the whole result doubtful; reports show them first.
    pub fn stands_first(&self) -> bool {
        matches!(
            self.code.as_str(),
            "no-rows" | "no-pairs" | "nothing-compared" | "same-difference"
        )
    }
}

/// The value under `key`; `None` if missing or malformed.
pub fn piece<T: DeserializeOwned>(metadata: &serde_json::Value, key: &str) -> Option<T> {
    T::deserialize(metadata.get(key)?).ok()
}

/// Serializes the books for the metadata.
pub fn books_to_json(books: &Books) -> serde_json::Value {
    // Text keys and whole numbers always serialize.
    serde_json::to_value(books).unwrap_or_default()
}

/// Reverses [`books_to_json`].
pub fn books_from_json(json: &serde_json::Value) -> Result<Books, String> {
    Books::deserialize(json).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_never_take_longer_than_the_whole() {
        let spent = Seconds { total: 0.0, read: 1.0, align: 3.0, compare: 3.0, store: 1.0 };
        let within = spent.of_total(4.0);
        assert_eq!((within.total, within.read, within.align, within.store), (4.0, 0.5, 1.5, 0.5));
        assert_eq!(spent.of_total(10.0), Seconds { total: 10.0, ..spent });
    }

    #[test]
    fn pieces_are_read_leniently_but_books_strictly() {
        let metadata = serde_json::json!({
            "counts": books_to_json(&Books { aligned: 3, ..Books::default() }),
            "sources": { "a": { "path": "a.csv" } },
            "seconds": "long",
            "warnings": [{ "code": "mixed-formats", "message": "…" }],
        });
        assert_eq!(books_from_json(&metadata[COUNTS]).unwrap().aligned, 3);
        assert!(books_from_json(&serde_json::json!({ "aligned": 3 })).is_err());
        let source: Source = piece(&metadata[SOURCES], "a").unwrap();
        assert_eq!((source.path.as_str(), source.rows), ("a.csv", 0));
        assert_eq!(piece::<Seconds>(&metadata, SECONDS), None);
        assert_eq!(piece::<Vec<Warning>>(&metadata, WARNINGS).unwrap().len(), 1);
    }
}
