//! Text in columns of fixed width: each line is a row, each cell some characters of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use encoding_rs::Encoding;
use schemars::JsonSchema;
use serde::Deserialize;

use super::blocks::{Records, TextBlocks, Window};
use super::columns;
use super::csv;
use super::dialect::{Fields, Span};
use super::input::{Input, Inputs};
use super::kind::{Fault, Kind, OpenContext, Opening, Piece, RawRow, RowParser, Sink};
use super::lines::{lines, text_of};
use super::trailer::{Figure, Trailer};
use super::unreadable::unreadable_cell;
use super::{KindSpec, SourcePlan};
use crate::diagnostic::{Code, PathStep, Problem, SpecProblem};
use crate::domain::{OneOrMany, Written};

/// The options of `read: { fixed: … }`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixedSpec {
    /// The file, relative to `recon.yaml`, or a list of files; each may be a glob. `.gz`, `.zst` and
    /// `.zip` are read as they are; `-` is standard input.
    pub path: OneOrMany,
    /// The columns. Spaces around a cell are padding.
    pub columns: Vec<FixedColumn>,
    /// Which lines are data. Default: all that are not empty.
    #[serde(rename = "where")]
    pub condition: Option<FixedCondition>,
    /// A last line with the number of rows and their sums.
    pub trailer: Option<FixedTrailer>,
    /// A WHATWG encoding label such as `windows-1252`. Default UTF-8, with or without BOM.
    pub encoding: Option<String>,
    /// Cells that mean null. Default the empty cell; replaces the default.
    pub null_values: Option<Vec<String>>,
}

/// A column of a fixed-width file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixedColumn {
    /// Its name, for `map`.
    pub name: String,
    /// Its first character, from 1.
    pub start: Written<u64>,
    /// Its width in characters. The last column may leave it out: it goes on to the end of the line.
    pub width: Option<Written<u64>>,
}

/// Which lines are data: those that have a text at a place.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixedCondition {
    /// The first character to compare, from 1.
    pub start: Written<u64>,
    /// Number of characters to compare.
    pub width: Written<u64>,
    /// The text that they must equal.
    pub equals: String,
}

/// The trailer of a fixed-width file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixedTrailer {
    /// How the line begins.
    pub starts_with: String,
    /// Position of the number of rows.
    pub rows: Option<FixedFigure>,
    /// Columns, and the position of their sum.
    pub sums: Option<BTreeMap<String, FixedFigure>>,
}

/// Some characters of a line.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixedFigure {
    /// The first, from 1.
    pub start: Written<u64>,
    /// Number of characters.
    pub width: Written<u64>,
}

impl FixedTrailer {
    fn resolve(&self, problems: &mut Vec<SpecProblem>) -> Option<Trailer> {
        let mut figure =
            |path: &[&str], figure: FixedFigure| match extent(*figure.start, Some(*figure.width)) {
                Ok(extent) => {
                    Some(Figure::Characters(extent.start, extent.end.unwrap_or(extent.start)))
                }
                Err((key, problem)) => {
                    let path = path.iter().copied().chain([key]);
                    problems.push(SpecProblem::new(path, problem));
                    None
                }
            };
        let rows = self.rows.and_then(|rows| figure(&["trailer", "rows"], rows));
        let sums = self.sums.iter().flatten().filter_map(|(column, at)| {
            Some((column.clone(), figure(&["trailer", "sums", column], *at)?))
        });
        let sums = sums.collect();
        if self.starts_with.is_empty() {
            problems.push(csv::no_prefix());
        }
        let starts_with = self.starts_with.clone();
        Some(Trailer { starts_with, rows, sums, numbers: Vec::new() })
    }
}

/// Some characters of a line: from, to; counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    start: usize,
    end: Option<usize>,
}

/// How a fixed-width file is read, with everything decided.
#[derive(Clone, Debug)]
struct FixedPlan {
    encoding: &'static Encoding,
    columns: Vec<String>,
    cells: Vec<Extent>,
    condition: Option<(Extent, String)>,
    /// How the trailer begins: it passes the condition.
    trailer: Option<String>,
}

/// No line is longer than this.
const LONGEST_LINE: u64 = 1 << 20;

impl KindSpec for FixedSpec {
    fn resolve(&self, base: &Path) -> Result<SourcePlan, Vec<SpecProblem>> {
        let mut problems = Vec::new();
        let inputs = Inputs::resolve(&self.path, base).map_err(|problem| problems.push(problem));
        let encoding = csv::encoding_of(self.encoding.as_deref(), &mut problems);
        if self.columns.is_empty() {
            problems.push(SpecProblem::new(["columns"], columns::no_columns()));
        }
        let names = self.columns.iter().map(|column| column.name.as_str());
        let mut cells = Vec::new();
        for (at, column) in self.columns.iter().enumerate() {
            let mut complain = |key: &str, problem: Problem| {
                let path = [PathStep::from("columns"), at.into(), key.into()];
                problems.push(SpecProblem::new(path, problem));
            };
            if let Some(problem) = columns::repeated(names.clone(), at) {
                complain("name", problem);
            }
            if column.width.is_none() && at + 1 < self.columns.len() {
                let message = "only the last column may leave out its `width`";
                complain("name", Problem::new(Code::NoWidth, message));
            }
            match extent(*column.start, column.width.map(|width| *width)) {
                Ok(extent) => cells.push(extent),
                Err((key, problem)) => complain(key, problem),
            }
        }
        let mut condition = None;
        if let Some(spec) = &self.condition {
            match extent(*spec.start, Some(*spec.width)) {
                Ok(extent) => condition = Some((extent, spec.equals.clone())),
                Err((key, problem)) => problems.push(SpecProblem::new(["where", key], problem)),
            }
            if spec.equals.chars().count() as u64 > *spec.width {
                let message = format!("`equals` has more than {} characters", *spec.width);
                let problem = Problem::new(Code::NeverMet, message)
                    .help("no line can be data: give `width` as many characters as `equals` has");
                problems.push(SpecProblem::new(["where", "equals"], problem));
            }
        }
        let trailer = self.trailer.as_ref().and_then(|trailer| trailer.resolve(&mut problems));
        let (Ok(inputs), true) = (inputs, problems.is_empty()) else { return Err(problems) };
        let columns = self.columns.iter().map(|column| column.name.clone()).collect();
        let prefix = trailer.as_ref().map(|trailer| trailer.starts_with.clone());
        let plan = FixedPlan { encoding, columns, cells, condition, trailer: prefix };
        Ok(SourcePlan::new(inputs, self.null_values.as_ref(), plan).with_trailer(trailer))
    }
}

/// The characters that a column or a condition means; the wrong key, if one is wrong.
fn extent(start: u64, width: Option<u64>) -> Result<Extent, (&'static str, Problem)> {
    let wrong = |key: &'static str, message: String| {
        Err((key, Problem::new(Code::BadExtent, message).help("characters are counted from 1")))
    };
    if !(1..=LONGEST_LINE).contains(&start) {
        return wrong("start", format!("`start` is {start}, not 1 to {LONGEST_LINE}"));
    }
    if let Some(width) = width.filter(|width| !(1..=LONGEST_LINE).contains(width)) {
        return wrong("width", format!("`width` is {width}, not 1 to {LONGEST_LINE}"));
    }
    let position = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    Ok(Extent { start: position(start - 1), end: width.map(|width| position(start - 1 + width)) })
}

impl Kind for FixedPlan {
    fn open(&self, input: &Input, ask: &OpenContext<'_>) -> Result<Opening, Problem> {
        let mut window = Window::open(input, self.encoding, Records::Lines, ask.limits)?;
        Ok(Opening {
            columns: self.columns.clone(),
            size: window.size(),
            parser: Arc::new(self.clone()),
            pieces: Box::new(TextBlocks::new(window, 0)),
        })
    }
}

/// Where characters of a line begin and end, in bytes.
struct Measured<'l> {
    line: &'l [u8],
    /// Where each character begins, and the end of the line; empty where each is one byte.
    starts: Vec<usize>,
    /// The bytes before the first that is no character: where characters are is certain up to there.
    certain: usize,
}

impl<'l> Measured<'l> {
    fn new(line: &'l str) -> Self {
        let starts = if line.is_ascii() {
            Vec::new()
        } else {
            line.char_indices().map(|(at, _)| at).chain([line.len()]).collect()
        };
        Self { line: line.as_bytes(), starts, certain: line.len() }
    }

    /// A line with bytes that are no characters. A sequence of them counts as one.
    #[cold]
    fn damaged(line: &'l [u8]) -> Self {
        let (mut starts, mut at, mut certain) = (Vec::new(), 0, line.len());
        for chunk in line.utf8_chunks() {
            starts.extend(chunk.valid().char_indices().map(|(within, _)| at + within));
            at += chunk.valid().len();
            if !chunk.invalid().is_empty() {
                certain = certain.min(at);
                starts.push(at);
                at += chunk.invalid().len();
            }
        }
        starts.push(at);
        Self { line, starts, certain }
    }

    /// The number of characters.
    fn len(&self) -> usize {
        if self.starts.is_empty() { self.line.len() } else { self.starts.len() - 1 }
    }

    /// Where the character begins.
    fn at(&self, character: usize) -> usize {
        if self.starts.is_empty() {
            character.min(self.line.len())
        } else {
            self.starts.get(character).copied().unwrap_or(self.line.len())
        }
    }

    /// The bytes of the extent, as far as the line goes.
    fn bytes(&self, extent: Extent) -> (usize, usize) {
        let end = extent.end.map_or(self.line.len(), |end| self.at(end));
        (self.at(extent.start), end)
    }
}

impl RowParser for FixedPlan {
    fn rows(&self, piece: &Piece, fields: &mut Fields, each: &mut Sink<'_>) {
        let Piece::Text(block) = piece else { return };
        for line in lines(block) {
            fields.spans.clear();
            let (measured, damage) = match text_of(&line, self.encoding) {
                Ok(text) => (Measured::new(text), None),
                Err(damage) => (Measured::damaged(line.bytes), Some(damage)),
            };
            let prefix = self.trailer.as_deref();
            let is_trailer = prefix.is_some_and(|prefix| line.bytes.starts_with(prefix.as_bytes()));
            if !is_trailer && !self.is_data(&measured) {
                continue;
            }
            let short = self.cells(&measured, &mut fields.spans);
            let row = RawRow {
                line: line.number,
                offset: line.offset,
                written: line.bytes,
                scratch: &[],
                spans: &fields.spans,
            };
            let fault = match damage {
                None => short,
                Some(damage) => Some(self.unreadable(&measured, &row, damage)),
            };
            each(row, fault);
        }
    }
}

impl FixedPlan {
    fn is_data(&self, line: &Measured<'_>) -> bool {
        self.condition.as_ref().is_none_or(|(extent, equals)| {
            let (start, end) = line.bytes(*extent);
            let is_same = |cell: &str| match equals.trim() {
                "" => cell == equals,
                // Spaces around a cell are padding.
                equals => cell.trim() == equals,
            };
            let cell = line.line.get(start..end).unwrap_or_default();
            match std::str::from_utf8(cell) {
                Ok(cell) if end <= line.certain && !cell.contains('\0') => is_same(cell),
                // A line of which nobody can tell may be data, which is never dropped in silence.
                _ => true,
            }
        })
    }

    /// The fault of a line with damage: it names the column. Cells behind bytes that are no characters may lie
    /// elsewhere than it seems, so only those before are certain.
    #[cold]
    fn unreadable(&self, line: &Measured<'_>, row: &RawRow<'_>, damage: Fault) -> Fault {
        let is_certain = |cell: &&Extent| line.at(cell.start) <= line.certain;
        let certain = self.cells.iter().take_while(is_certain).count();
        let known = certain.min(row.spans.len());
        let named = unreadable_cell(&self.columns, row, Some(self.encoding));
        Fault { known, ..named.unwrap_or(damage) }
    }

    /// Takes the cells of a line; returns a mistake, if any.
    fn cells(&self, line: &Measured<'_>, spans: &mut Vec<Span>) -> Option<Fault> {
        let length = line.len();
        for (cell, name) in self.cells.iter().zip(&self.columns) {
            if length <= cell.start {
                spans.push(Span::NULL);
                continue;
            }
            if let Some(end) = cell.end.filter(|end| length < *end) {
                let message = format!(
                    "the line ends after {length} characters, within column `{name}`, which goes to {end}"
                );
                return Some(Fault { code: Code::ShortLine, message, known: spans.len() });
            }
            let (start, end) = line.bytes(*cell);
            let text = line.line.get(start..end).unwrap_or_default();
            let is_text = |byte: &u8| *byte != b' ';
            let left = text.iter().position(is_text).unwrap_or(text.len());
            let right = text.iter().rposition(is_text).map_or(left, |last| last + 1);
            spans.push(Span::new(start + left, start + right));
        }
        None
    }
}
