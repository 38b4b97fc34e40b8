//! JSON: an object on each line, or an array of objects, also one within a larger document.
//!
//! Nothing is built of a document: the cutting thread finds where objects end, and the parser of one
//! walks it along the columns' paths. Numbers keep the digits that they are written with.

mod cut;
mod walk;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use encoding_rs::Encoding;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use cut::{Elements, elements, enter, value_end};
use walk::JsonParser;

use super::blocks::{Records, TextBlocks, Window};
use super::csv;
use super::input::{Input, Inputs};
use super::kind::{Kind, OpenContext, Opening, Pieces};
use super::{KindSpec, SourcePlan};
use crate::diagnostic::{Code, Problem, SpecProblem};
use crate::domain::OneOrMany;

pub use cut::pointer_of;

/// The options of `read: { json: … }`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonSpec {
    /// The file, relative to `recon.yaml`, or a list of files; each may be a glob. `.gz`, `.zst` and
    /// `.zip` are read as they are; `-` is standard input.
    pub path: OneOrMany,
    /// Where the array of records is, as a JSON pointer such as `/data/orders`. Default the top: an
    /// array, or an object on each line.
    pub records: Option<String>,
    /// A WHATWG encoding label such as `utf-16le`. Default UTF-8, with or without BOM.
    pub encoding: Option<String>,
    /// Texts that mean null, besides null and a name that is missing. Default the empty text;
    /// replaces the default.
    pub null_values: Option<Vec<String>>,
}

/// How JSON is read, with everything decided.
#[derive(Clone, Debug)]
struct JsonPlan {
    encoding: &'static Encoding,
    /// The parts of the pointer.
    records: Vec<String>,
}

impl KindSpec for JsonSpec {
    fn resolve(&self, base: &Path) -> Result<SourcePlan, Vec<SpecProblem>> {
        let mut problems = Vec::new();
        let inputs = Inputs::resolve(&self.path, base).map_err(|problem| problems.push(problem));
        let encoding = csv::encoding_of(self.encoding.as_deref(), &mut problems);
        let pointer = self.records.as_deref().unwrap_or_default();
        if !pointer.is_empty() && !pointer.starts_with('/') {
            let message = format!("`{pointer}` is no JSON pointer: it does not begin with `/`");
            let parts = pointer.replace('.', "/");
            let problem = Problem::new(Code::BadPointer, message)
                .help(format!("write `/{parts}` for what is under these names"));
            problems.push(SpecProblem::new(["records"], problem));
        }
        let (Ok(inputs), true) = (inputs, problems.is_empty()) else { return Err(problems) };
        let parts = pointer.split('/').skip(1);
        let records = parts.map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
        let plan = JsonPlan { encoding, records };
        Ok(SourcePlan::new(inputs, self.null_values.as_ref(), plan))
    }
}

impl Kind for JsonPlan {
    fn open(&self, input: &Input, ask: &OpenContext<'_>) -> Result<Opening, Problem> {
        let mut window = Window::open(input, self.encoding, Records::Lines, ask.limits)?;
        let size = window.size();
        let mut whole = window.look()?;
        let is_lines = self.records.is_empty() && first_line_is_object(window.text());
        if !is_lines {
            enter(&mut window, &self.records)?;
            whole = window.look()?;
        }
        let columns = match ask.columns {
            Some(columns) => columns.to_vec(),
            None => {
                let sample = window.text();
                let found = if is_lines {
                    Discovered::of(&mut sample.split(|byte| *byte == b'\n'))
                } else {
                    Discovered::of(&mut elements(sample))
                };
                if let Some(pointer) = found.records_below(ask).filter(|_| is_lines && whole) {
                    let message = "the file is one object, and nothing that is mapped is in it";
                    return Err(Problem::new(Code::NoRecords, message)
                        .in_file(&input.name)
                        .help(format!("its records are in an array: set `records: {pointer}`")));
                }
                found.columns(ask, whole && ask.alone)
            }
        };
        let parser =
            Arc::new(JsonParser::new(self.encoding, &columns, ask.wanted, is_lines, input));
        let pieces: Box<dyn Pieces> = if is_lines {
            Box::new(TextBlocks::new(window, 0))
        } else {
            let parser = Arc::clone(&parser);
            Box::new(Elements { window, parser, depth: self.records.len(), is_done: false })
        };
        Ok(Opening { columns, size, pieces, parser })
    }

    fn has_header(&self) -> bool {
        false
    }
}

fn first_line_is_object(text: &[u8]) -> bool {
    let start = text.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(text.len());
    let rest = text.get(start..).unwrap_or_default();
    let line = rest.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    // An empty file has no rows; a first line that is broken is a rejected row, not a document.
    line.is_empty()
        || line.first() != Some(&b'[')
            && (value_end(line).is_some_and(|end| line[end..].trim_ascii().is_empty())
                || line.len() == rest.len()
                || second_line_is_object(rest.get(line.len()..).unwrap_or_default()))
}

fn second_line_is_object(rest: &[u8]) -> bool {
    rest.trim_ascii_start().first() == Some(&b'{')
}

/// The paths of the values in the first records.
#[derive(Default)]
struct Discovered {
    paths: Vec<String>,
    known: HashMap<String, ()>,
    /// Where the first record has records of its own, while there is no other.
    below: Option<String>,
    records: usize,
}

/// More columns than this are not looked for; those that are mapped are there nevertheless.
const MOST_COLUMNS: usize = 1_000;
/// Number of records that are examined for columns.
const SAMPLED: usize = 1_000;

impl Discovered {
    fn of(records: &mut dyn Iterator<Item = &[u8]>) -> Self {
        let mut found = Self::default();
        for record in records.take(SAMPLED) {
            // A record may be cut off at the end of the sample.
            if let Ok(value) = serde_json::from_slice::<Value>(record)
                && value.is_object()
            {
                found.add("", &value);
                found.records += 1;
                let text = || std::str::from_utf8(record).ok();
                found.below = (found.records == 1).then(text).flatten().and_then(pointer_of);
            }
        }
        found
    }

    /// Path to the records in the only object, if it has no configured column itself.
    fn records_below(&self, ask: &OpenContext<'_>) -> Option<&String> {
        let is_here = |wanted: &String| {
            let rest = |path: &String| path.strip_prefix(wanted.as_str()).map(str::to_owned);
            self.paths.iter().filter_map(rest).any(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let is_none_here = !ask.wanted.is_empty() && !ask.wanted.iter().any(is_here);
        self.below.as_ref().filter(|_| is_none_here)
    }

    fn add(&mut self, path: &str, value: &Value) {
        let below = |name: &str| {
            let name = name.replace('.', "\\.");
            if path.is_empty() { name } else { format!("{path}.{name}") }
        };
        match value {
            Value::Object(members) if !members.is_empty() => {
                members.iter().for_each(|(name, value)| self.add(&below(name), value));
            }
            Value::Array(values) if !values.is_empty() => {
                for (at, value) in values.iter().enumerate() {
                    self.add(&below(&at.to_string()), value);
                }
            }
            _ if self.paths.len() < MOST_COLUMNS && !self.known.contains_key(path) => {
                self.known.insert(path.to_owned(), ());
                self.paths.push(path.to_owned());
            }
            _ => {}
        }
    }

    /// The columns: those found, and the configured ones if they lead to a value, or may do so in records that were
    /// not examined.
    fn columns(self, ask: &OpenContext<'_>, is_all: bool) -> Vec<String> {
        // Without records the columns are unknown: a source of 0 rows.
        let is_all = is_all && !self.paths.is_empty();
        let mut columns = self.paths;
        for wanted in ask.wanted {
            let leads = |path: &String| {
                path.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.starts_with('.'))
            };
            if !columns.contains(wanted) && (!is_all || columns.iter().any(leads)) {
                columns.push(wanted.clone());
            }
        }
        columns
    }
}

/// The names of a path; `\.` is a point within a name.
pub(super) fn parts(path: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut characters = path.chars().peekable();
    while let Some(character) = characters.next() {
        let last = parts.len() - 1;
        match character {
            '\\' if characters.next_if_eq(&'.').is_some() => parts[last].push('.'),
            '.' => parts.push(String::new()),
            other => parts[last].push(other),
        }
    }
    parts
}
