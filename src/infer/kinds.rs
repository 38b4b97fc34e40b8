//! Files that are no delimited text: which kind they are, by their content, and the options that they
//! need.

use std::path::Path;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::foreign;
use super::reading::first;
use crate::diagnostic::{Code, Problem};
use crate::domain::RawCells as _;
use crate::source::sample::{Head, head_of, read_sample};
use crate::source::{ReadSpec, SourcePlan};

/// The kind of a file, and how sure that is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KindGuess {
    /// The key under `read`.
    pub name: &'static str,
    /// Its options beside the path, as they are written, each with its reason.
    pub options: Vec<(&'static str, String, String)>,
    /// Why.
    pub why: &'static str,
}

impl KindGuess {
    fn new(name: &'static str, why: &'static str) -> Self {
        Self { name, options: Vec::new(), why }
    }

    fn with(mut self, option: &'static str, value: impl ToString, why: impl Into<String>) -> Self {
        self.options.push((option, value.to_string(), why.into()));
        self
    }

    /// What people call this kind.
    pub fn spoken(&self) -> &'static str {
        match self.name {
            "bai2" => "BAI2",
            "camt053" => "camt (XML)",
            "excel" => "workbook",
            "json" => "JSON",
            "mt940" => "MT940",
            "parquet" => "Parquet",
            other => other,
        }
    }

    fn in_encoding(self, label: &str) -> Self {
        match label {
            "utf-8" => self,
            _ => self.with("encoding", label, "the bytes are not UTF-8"),
        }
    }

    /// The kind of the file at `path`; none if it is delimited text.
    ///
    /// # Errors
    /// It can't be read.
    pub fn of(path: &Path) -> Result<Option<Self>, Problem> {
        match head_of(path)? {
            Head::Parquet => Ok(Some(Self::new("parquet", "it begins with PAR1"))),
            Head::Workbook => Self::excel(path).map(Some),
            Head::Other => {
                let sample = read_sample(path, LOOKED_AT)?;
                let found = foreign::kind_of(&sample.text).map(|(what, _)| what);
                Ok(match found {
                    Some(foreign::JSON) => Some(Self::json(path, &sample.text)?),
                    Some(foreign::CAMT) => Some(Self::new("camt053", "it is a camt document")),
                    Some(foreign::MT940) => Some(
                        Self::new("mt940", "it has the tags of MT940")
                            .in_encoding(&sample.encoding),
                    ),
                    Some(foreign::BAI2) => Some(
                        Self::new("bai2", "it has the records of BAI2")
                            .in_encoding(&sample.encoding),
                    ),
                    _ => None,
                })
            }
        }
    }

    /// How the file is read.
    ///
    /// # Errors
    /// An option does not fit, which would be a mistake of ours.
    pub fn plan(&self, path: &Path, null_values: &[String]) -> Result<SourcePlan, Problem> {
        let mut options = serde_json::Map::new();
        options.insert("path".to_owned(), json!(path.to_string_lossy()));
        options.insert("null_values".to_owned(), json!(null_values));
        for (option, value, _) in &self.options {
            options.insert((*option).to_owned(), json!(value));
        }
        let mut read = serde_json::Map::new();
        read.insert(self.name.to_owned(), Json::Object(options));
        let read: ReadSpec = serde_json::from_value(Json::Object(read))
            .map_err(|error| Problem::new(Code::SourceNotDelimited, error.to_string()))?;
        read.resolve(Path::new(""))
            .map_err(|problems| first(problems.into_iter().map(|each| each.problem)))
    }

    /// The sheet with most rows, and the row of it that names the columns.
    fn excel(path: &Path) -> Result<Self, Problem> {
        let mut best: Option<(usize, Self)> = None;
        for number in 1..=MOST_SHEETS {
            let sheet = Self::new("excel", "it is a workbook").with("sheet", number, "");
            let unnamed = sheet.clone().with("header_row", 0, "");
            let opened = match unnamed.plan(path, &[])?.open(&[]) {
                Ok(opened) => opened,
                Err(problem) if problem.code == Code::NoSheet && number > 1 => break,
                Err(problem) if problem.code == Code::NoHeader => continue,
                Err(problem) => return Err(problem),
            };
            let (mut blocks, mut parser) = opened.blocks();
            // The line of each row, how many cells have something, and how many look like names.
            let mut rows: Vec<(u64, usize, usize)> = Vec::new();
            while let Some(block) = blocks.next_block()? {
                parser.parse(&block, &mut |row| {
                    let Ok(row) = row else { return };
                    let full = (0..row.len()).filter(|at| !row.is_null(*at));
                    let names = full.clone().filter(|at| is_name(row.cell(*at)));
                    rows.push((row.line, full.count(), names.count()));
                });
            }
            let width = rows.iter().take(HEADER_WITHIN * 2).map(|(_, full, _)| *full).max();
            let width = width.unwrap_or(0);
            let header = rows
                .iter()
                .take(HEADER_WITHIN)
                .find(|(_, full, names)| *full * 5 >= width * 4 && full == names && *full > 0);
            let why = match header {
                Some((1, ..)) => "the first row has names".to_owned(),
                Some((line, ..)) => {
                    format!("row {line} is the first that names nearly all columns")
                }
                None => "no row looks like names".to_owned(),
            };
            let line = header.map_or(0, |(line, ..)| *line);
            let count = rows.len();
            let sheet = sheet.with("header_row", line, why);
            if best.as_ref().is_none_or(|(most, _)| count > *most) {
                best = Some((count, sheet));
            }
        }
        let Some((_, mut best)) = best else {
            let message = "there are no rows in it, so nothing can be guessed";
            return Err(Problem::new(Code::NoHeader, message).in_file(path));
        };
        if let Some((_, _, why)) = best.options.first_mut() {
            "of the sheets, it has most rows".clone_into(why);
        }
        Ok(best)
    }

    /// The array with the records.
    fn json(path: &Path, text: &str) -> Result<Self, Problem> {
        let json = Self::new("json", "it begins as JSON does");
        // One object, on one line or on many, holds the records; several are the records.
        let document = serde_json::from_str::<Json>(text).ok().filter(Json::is_object);
        if let Some(pointer) = document.as_ref().and_then(pointer_of) {
            return Ok(json.with("records", pointer, "the first array of objects in it"));
        }
        json.plan(path, &[])?.open(&[]).map(|_| json)
    }
}

/// How much of a file is looked at for its kind.
const LOOKED_AT: usize = 4 * 1024 * 1024;
/// How many sheets are looked at.
const MOST_SHEETS: u64 = 20;
/// Within how many rows a header is.
const HEADER_WITHIN: usize = 30;

/// Whether a cell may be the name of a column.
fn is_name(cell: &[u8]) -> bool {
    let first = cell.first();
    first.is_some_and(|byte| !byte.is_ascii_digit() && !matches!(byte, b'-' | b'+' | b'.'))
}

/// The pointer to the first array of objects, the nearest to the top.
fn pointer_of(document: &Json) -> Option<String> {
    let mut level = vec![(String::new(), document)];
    while !level.is_empty() {
        let is_records = |value: &Json| {
            value.as_array().is_some_and(|array| array.first().is_some_and(Json::is_object))
        };
        if let Some((pointer, _)) = level.iter().find(|(_, value)| is_records(value)) {
            return Some(pointer.clone());
        }
        let below = level.iter().filter_map(|(pointer, value)| Some((pointer, value.as_object()?)));
        level = below
            .flat_map(|(pointer, object)| {
                object.iter().map(move |(name, value)| {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    (format!("{pointer}/{name}"), value)
                })
            })
            .collect();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_array_of_objects_has_the_records() {
        let pointer = |json: Json| pointer_of(&json);
        assert_eq!(pointer(json!({ "a": [1], "b": { "c/d": [{}] } })).unwrap(), "/b/c~1d");
        assert_eq!(pointer(json!({ "a": { "x": [{}] }, "b": [{}] })).unwrap(), "/b");
        assert_eq!(pointer(json!({ "a": 1 })), None);
    }
}
