//! Files that are no delimited text: which kind they are, by their content, and the options that they
//! need.

use std::path::Path;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::fixed::{self, Layout};
use super::foreign;
use super::reading::first;
use crate::database::{StoreUrl, tables};
use crate::diagnostic::{Code, Problem};
use crate::domain::{RawCells as _, Written};
use crate::source::fixed::FixedColumn;
use crate::source::json::pointer_of;
use crate::source::sample::{Head, head_of, read_sample};
use crate::source::{ReadSpec, SourcePlan};

/// The kind of a file, and how sure that is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KindGuess {
    /// The key under `read`.
    pub name: &'static str,
    /// Its options beside the path, as they are written, each with its reason.
    pub options: Vec<(&'static str, String, String)>,
    /// The columns of a file of fixed width.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    /// Confidence in the fixed-width columns, from 0 to 1.
    #[serde(skip)]
    pub confidence: f64,
    /// The database, with its password.
    #[serde(skip)]
    url: Option<String>,
    pub why: &'static str,
}

impl KindGuess {
    fn new(name: &'static str, why: &'static str) -> Self {
        Self { name, options: Vec::new(), layout: None, confidence: 1.0, url: None, why }
    }

    fn with(mut self, option: &'static str, value: impl ToString, why: impl Into<String>) -> Self {
        self.options.push((option, value.to_string(), why.into()));
        self
    }

    /// The usual name of this kind.
    pub fn spoken(&self) -> &'static str {
        match self.name {
            "bai2" => "BAI2",
            "camt053" => "camt (XML)",
            "excel" => "workbook",
            "fixed" => "fixed width",
            "json" => "JSON",
            "mt940" => "MT940",
            "parquet" => "Parquet",
            "sql" => "SQL",
            other => other,
        }
    }

    fn in_encoding(self, label: &str) -> Self {
        match label {
            "utf-8" => self,
            _ => self.with("encoding", label, "the bytes are not UTF-8"),
        }
    }

    pub fn has_names(&self) -> bool {
        let has_header =
            self.options.iter().all(|(option, value, _)| *option != "header_row" || value != "0");
        has_header && self.layout.as_ref().is_none_or(|layout| layout.names.is_some())
    }

    /// The columns of a file of fixed width, with names for those that have none.
    pub fn fixed_columns(&self, names: Option<&Vec<String>>) -> Vec<FixedColumn> {
        let Some(layout) = &self.layout else { return Vec::new() };
        let names = names.or(layout.names.as_ref());
        let column = |(number, (start, end)): (usize, &(usize, usize))| FixedColumn {
            name: names
                .and_then(|names| names.get(number).cloned())
                .unwrap_or_else(|| format!("#{}", number + 1)),
            start: Written(*start as u64 + 1),
            width: (number + 1 < layout.columns.len()).then(|| Written((end - start) as u64)),
        };
        layout.columns.iter().enumerate().map(column).collect()
    }

    /// The kind of the file at `path`, or of a URL's target; `None` if it is delimited text.
    ///
    /// # Errors
    /// It can't be read.
    pub fn of(path: &Path) -> Result<Option<Self>, Problem> {
        if let Some(url) = postgres_url(path) {
            return Self::sql(&StoreUrl::parse(&url, Path::new(""))?, url).map(Some);
        }
        match head_of(path)? {
            Head::Sqlite => {
                let url = format!("sqlite:{}", path.display());
                Self::sql(&StoreUrl::Sqlite(path.to_owned()), url).map(Some)
            }
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
                    None => Layout::of(&sample.text).map(|layout| Self {
                        confidence: fixed::confidence(&sample.text, &layout),
                        layout: Some(layout),
                        ..Self::new("fixed", "its lines have their columns at the same places")
                            .in_encoding(&sample.encoding)
                    }),
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
        match &self.url {
            Some(url) => options.insert("url".to_owned(), json!(url)),
            None => options.insert("path".to_owned(), json!(path.to_string_lossy())),
        };
        if let Some(layout) = &self.layout {
            let columns = self.fixed_columns(None).into_iter().map(|column| {
                json!({ "name": column.name, "start": (*column.start).to_string(),
                    "width": column.width.map(|width| (*width).to_string()) })
            });
            options.insert("columns".to_owned(), columns.collect());
            if let Some((start, text)) = &layout.condition {
                let condition = json!({ "start": (start + 1).to_string(), "equals": text,
                    "width": text.chars().count().to_string() });
                options.insert("where".to_owned(), condition);
            }
        }
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

    /// The table with most rows.
    fn sql(database: &StoreUrl, url: String) -> Result<Self, Problem> {
        let tables = tables::of(database)?;
        let Some(most) = tables.iter().max_by_key(|table| table.rows) else {
            let message = format!("{database} has no tables to read");
            return Err(Problem::new(Code::NothingInCommon, message)
                .help("name a database with tables that this user may read"));
        };
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        let why = match names.as_slice() {
            [_] => "its only table".to_owned(),
            names => format!("of its tables ({}) the one with most rows", names.join(", ")),
        };
        let sql = Self { url: Some(url), ..Self::new("sql", "it is a database") };
        Ok(sql.with("query", most.query(), why))
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
            // The line of each row, its number of filled cells, and of cells that may be names.
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
        let is_object =
            |line: &&str| serde_json::from_str::<Json>(line).is_ok_and(|it| it.is_object());
        let is_lines = text.lines().filter(is_object).nth(1).is_some();
        if let Some(pointer) = pointer_of(text).filter(|_| !is_lines) {
            return Ok(json.with("records", pointer, "the first array of objects in it"));
        }
        json.plan(path, &[])?.open(&[]).map(|_| json)
    }
}

/// The URL, if a path is one of PostgreSQL.
pub fn postgres_url(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    let is_url = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
    is_url.then(|| text.to_owned())
}

/// How much of a file is looked at for its kind.
const LOOKED_AT: usize = 4 * 1024 * 1024;
/// How many sheets are looked at.
const MOST_SHEETS: u64 = 20;
/// Within how many rows a header is.
const HEADER_WITHIN: usize = 30;

/// True if a cell may be the name of a column.
fn is_name(cell: &[u8]) -> bool {
    let first = cell.first();
    first.is_some_and(|byte| !byte.is_ascii_digit() && !matches!(byte, b'-' | b'+' | b'.'))
}
