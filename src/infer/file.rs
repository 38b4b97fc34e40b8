//! Infers how a file is read: encoding, delimiter, quote, comments, lines before the header, and
//! whether there is a header. Every guess is tried by reading the file.

use std::collections::VecDeque;
use std::path::Path;

use serde::Serialize;

use super::footer::{self, Doubt, Footer};
use super::foreign;
use super::headings::Headings;
use super::kinds::KindGuess;
use super::names;
use super::profile::Profiler;
use super::reading::{Trial, first};
use super::records::{Records, cells};
use super::rows::{READ_AT_MOST, RepeatedHeader};
use crate::diagnostic::{Code, Problem};
use crate::domain::{Kind, Written};
use crate::source::csv::CsvSpec;
use crate::source::sample::{Sample, is_plausible, read_sample};
use crate::source::{Limits, ReadSpec, SourcePlan};

/// How much of a file is sampled to infer its form.
const LOOKED_AT: usize = 256 * 1024;

/// How many records are sampled to find the header.
const RECORDS: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Guess<T> {
    pub value: T,
    /// From 0 to 1.
    pub confidence: f64,
    pub why: String,
}

impl<T> Guess<T> {
    pub fn new(value: T, confidence: f64, why: impl Into<String>) -> Self {
        Self { value, confidence, why: why.into() }
    }
}

/// How a file is read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FileForm {
    /// Its kind, if it is no delimited text: the other fields are then meaningless.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<KindGuess>,
    /// Encoding label.
    pub encoding: Guess<String>,
    pub delimiter: Guess<char>,
    pub quote: char,
    /// The first character of comment lines.
    pub comment: Option<Guess<char>>,
    /// Lines before the rows, or before their header.
    pub skip_rows: Guess<u64>,
    /// Lines before the header, or before the rows if there is none.
    #[serde(skip)]
    pub preamble: u64,
    pub header: Guess<bool>,
    /// Column names, if the file has no usable header.
    pub columns: Option<Vec<String>>,
    /// Why `columns` replaces an existing header.
    pub columns_why: String,
    /// Rows after the data: totals and trailers.
    pub skip_footer: Guess<u64>,
    /// Why rows may have extra empty fields, if they may.
    pub ignore_empty_extras: Option<String>,
    /// Why rows may lack fields at their end, if they may.
    pub pad_short_rows: Option<String>,
    /// A header repeated between rows.
    pub repeated_header: Option<RepeatedHeader>,
    /// Cells that mean null.
    pub null_values: Vec<String>,
    /// Possible non-data rows that are read as data.
    #[serde(skip)]
    pub notes: Vec<String>,
}

impl FileForm {
    pub fn has_names(&self) -> bool {
        self.header.value || !self.columns_why.is_empty()
    }

    /// How to read the file; `init` only looks at it, so its bytes are not digested.
    pub fn plan(&self, path: &Path) -> Result<SourcePlan, Problem> {
        if let Some(kind) = &self.kind {
            return Ok(kind.plan(path, &self.null_values)?.without_digests());
        }
        let spec = CsvSpec {
            path: path.to_string_lossy().into_owned().into(),
            delimiter: Some(self.delimiter.value.to_string()),
            quote: Some(self.quote.to_string()),
            encoding: Some(self.encoding.value.clone()),
            header: Some(Written(self.header.value)),
            columns: self.columns.clone(),
            skip_rows: Some(Written(self.skip_rows.value)),
            skip_footer: (self.skip_footer.value > 0).then_some(Written(self.skip_footer.value)),
            ignore_empty_extras: self.ignore_empty_extras.as_ref().map(|_| Written(true)),
            pad_short_rows: self.pad_short_rows.as_ref().map(|_| Written(true)),
            comment: self.comment.as_ref().map(|comment| comment.value.to_string()),
            null_values: Some(self.null_values.clone()),
            trailer: None,
        };
        ReadSpec::Csv(spec)
            .resolve(Path::new(""))
            .map(SourcePlan::without_digests)
            .map_err(|problems| first(problems.into_iter().map(|each| each.problem)))
    }
}

const DELIMITERS: [char; 4] = [',', ';', '\t', '|'];

const COMMENTS: [char; 4] = ['#', '*', '%', '!'];

impl FileForm {
    /// Infers the form of the file at `path`.
    pub fn of(path: &Path, profiler: &mut Profiler) -> Result<Self, Problem> {
        if let Some(kind) = KindGuess::of(path)? {
            return Ok(Self::of_kind(kind));
        }
        let sample = read_sample(path, LOOKED_AT)?;
        let (encoding, text) = encoding_of(&sample);
        foreign::check(path, &text)?;
        let comments = COMMENTS
            .into_iter()
            .filter(|mark| text.lines().skip(1).any(|line| line.starts_with(*mark)));
        let comments: Vec<Option<char>> = std::iter::once(None).chain(comments.map(Some)).collect();
        let quotes: &[char] = if text.contains('\'') { &['"', '\''] } else { &['"'] };
        let said = said_delimiter(&text);
        let delimiters = DELIMITERS.into_iter().filter(|each| said.is_none_or(|it| it == *each));
        let mut best: Option<(f64, Self, Records)> = None;
        for delimiter in delimiters {
            for quote in quotes {
                for comment in &comments {
                    let form = Self {
                        kind: None,
                        encoding: encoding.clone(),
                        delimiter: Guess::new(delimiter, 0.0, ""),
                        quote: *quote,
                        comment: comment.map(|mark| Guess::new(mark, 0.0, "")),
                        skip_rows: Guess::new(0, 0.0, ""),
                        preamble: 0,
                        header: Guess::new(false, 0.0, ""),
                        columns: None,
                        columns_why: String::new(),
                        skip_footer: Guess::new(0, 0.99, ""),
                        ignore_empty_extras: None,
                        pad_short_rows: None,
                        repeated_header: None,
                        notes: Vec::new(),
                        null_values: vec![String::new()],
                    };
                    let Some(records) = form.records(path)? else { continue };
                    // An unusual form must explain something.
                    let unusual = f64::from(u8::from(*quote != '"') + u8::from(comment.is_some()));
                    let score = records.score() - unusual * 0.002;
                    if best.as_ref().is_none_or(|(known, ..)| score > *known) {
                        best = Some((score, form, records));
                    }
                }
            }
        }
        let Some((_, mut form, mut records)) = best else {
            let message = "the file has no rows, so nothing can be inferred";
            return Err(Problem::new(Code::NoHeader, message).in_file(path));
        };
        let doubt = form.guess_footer(path, &mut records)?;
        let headings = Headings::of(&mut records, profiler);
        form.explain(&records, said.is_some());
        form.guess_header(&records, profiler);
        form.find_repeated_header(&records);
        form.guess_widths(&records, doubt);
        form.name_columns(&records, headings.below);
        form.notes.extend(headings.notes);
        form.doubt_width(&records);
        Ok(form)
    }

    /// The form of a file that names its columns itself.
    fn of_kind(kind: KindGuess) -> Self {
        Self {
            encoding: Guess::new("utf-8".to_owned(), 1.0, kind.why),
            delimiter: Guess::new(',', 1.0, kind.why),
            quote: '"',
            comment: None,
            skip_rows: Guess::new(0, 1.0, kind.why),
            preamble: 0,
            header: Guess::new(kind.has_names(), 1.0, kind.why),
            columns: None,
            columns_why: String::new(),
            skip_footer: Guess::new(0, 1.0, kind.why),
            ignore_empty_extras: None,
            pad_short_rows: None,
            repeated_header: None,
            null_values: vec![String::new()],
            notes: Vec::new(),
            kind: Some(kind),
        }
    }

    /// The first records as this form reads them.
    fn records(&self, path: &Path) -> Result<Option<Records>, Problem> {
        let limits = Limits { block: LOOKED_AT, ..Limits::default() };
        let (mut rows, mut broken) = (Vec::new(), Vec::new());
        let opened = match self.plan(path)?.open_with(limits, &[]) {
            Ok(opened) => opened,
            // Another form may be able to read the file.
            Err(problem) if matches!(problem.code, Code::NoHeader | Code::BadHeader) => {
                return Ok(None);
            }
            Err(problem) => return Err(problem),
        };
        let (mut blocks, mut parser) = opened.blocks();
        let Ok(Some(block)) = blocks.next_block() else { return Ok(None) };
        parser.parse(&block, &mut |row| {
            if rows.len() < RECORDS {
                match row {
                    Ok(row) => rows.push((row.line, cells(&row))),
                    Err(unusable) => {
                        if !unusable.is_ragged() {
                            broken.push(unusable.rejection.line);
                        }
                        match &unusable.row {
                            Some(row) => rows.push((row.line, cells(row))),
                            None => rows.push((unusable.rejection.line, Vec::new())),
                        }
                    }
                }
            }
        });
        Ok(Records::of(rows).map(|records| Records { broken, ..records }))
    }

    /// The last rows of the file; empty if the file is too long to read to its end.
    fn tail(&self, path: &Path) -> Result<Vec<footer::Line>, Problem> {
        let limits = Limits { block: LOOKED_AT, ..Limits::default() };
        let (mut blocks, mut parser) = self.plan(path)?.open_with(limits, &[])?.blocks();
        // The last block may be short, so the previous one is kept too.
        let (mut before, mut last, mut bytes) = (None, None, 0);
        while let Some(block) = blocks.next_block()? {
            bytes += block.len() as u64;
            if bytes > READ_AT_MOST {
                return Ok(Vec::new());
            }
            before = last.replace(block);
        }
        let mut rows = VecDeque::new();
        for block in [before, last].into_iter().flatten() {
            parser.parse(&block, &mut |row| {
                if rows.len() > footer::LONGEST {
                    rows.pop_front();
                }
                rows.push_back(match row {
                    Ok(row) => (row.line, cells(&row)),
                    Err(unusable) => match &unusable.row {
                        Some(row) if unusable.is_ragged() => (row.line, cells(row)),
                        // Neither data nor a footer.
                        _ => (unusable.rejection.line, Vec::new()),
                    },
                });
            });
        }
        Ok(rows.into())
    }

    /// Finds a footer and removes it from the records.
    fn guess_footer(
        &mut self,
        path: &Path,
        records: &mut Records,
    ) -> Result<Option<Doubt>, Problem> {
        let Some(head) = records.rows.get(records.start) else { return Ok(None) };
        let tail = self.tail(path)?;
        let footer = Footer::of(&tail, &records.rows, head, records.width);
        if footer.rows > 0 {
            self.skip_footer = Guess::new(footer.rows, 0.95, footer.why);
            records.rows.retain(|(line, _)| *line < footer.first_line);
            records.measure();
        }
        Ok(footer.doubt)
    }

    /// Finds a header repeated between rows, and a column that distinguishes it from data.
    fn find_repeated_header(&mut self, records: &Records) {
        let Some((_, head)) = records.rows.get(records.start).filter(|_| self.header.value) else {
            return;
        };
        let rest = records.rows.get(records.start + 1..).unwrap_or_default();
        let mut again = rest.iter().filter(|(_, row)| row == head).map(|(line, _)| *line);
        let Some(line) = again.next() else { return };
        let times = 1 + again.count();
        let has = |at: usize, name: &String| {
            rest.iter().filter(|(_, row)| row.get(at) == Some(name)).count()
        };
        let column = head.iter().enumerate().take(records.width);
        let mut column =
            column.filter(|(at, name)| !name.trim().is_empty() && has(*at, name) == times);
        match column.next() {
            Some((at, text)) => {
                self.repeated_header = Some(RepeatedHeader {
                    column: text.clone(),
                    text: text.clone(),
                    line,
                    times,
                    at,
                    cells: head.clone(),
                });
            }
            None => self.notes.push(format!(
                "line {line} repeats the header and is read as data: no column reliably distinguishes \
                 it from the rows"
            )),
        }
    }

    /// Detects extra empty fields, and fields missing at the end of rows.
    fn guess_widths(&mut self, records: &Records, doubt: Option<Doubt>) {
        let is_short = doubt.as_ref().is_some_and(|doubt| doubt.is_short);
        self.find_widths(records, is_short);
        // Padded rows may end early.
        let doubt = doubt.filter(|doubt| !doubt.is_short || self.pad_short_rows.is_none());
        self.notes.extend(doubt.map(|doubt| doubt.note));
    }

    fn find_widths(&mut self, records: &Records, is_last_said: bool) {
        let Some((_, head)) = records.rows.get(records.start) else { return };
        let width = records.width;
        let rows = records.rows.get(records.start + 1..).unwrap_or_default();
        let rows: Vec<&footer::Line> = rows
            .iter()
            .filter(|(line, row)| row != head && !row.is_empty() && !records.broken.contains(line))
            .collect();
        let lines = |is: &dyn Fn(&[String]) -> bool| -> Vec<u64> {
            rows.iter().filter(|(_, row)| is(row)).map(|(line, _)| *line).collect()
        };
        let longer = lines(&|row| {
            row.get(width..).is_some_and(|extras| {
                !extras.is_empty() && extras.iter().all(|cell| cell.is_empty())
            })
        });
        if let Some(first) = longer.first() {
            let count = longer.len();
            self.ignore_empty_extras =
                Some(format!("{count} rows end in extra empty fields, the first on line {first}"));
        }
        let shorter = lines(&|row| row.len() < width);
        let Some(first) = shorter.first() else { return };
        // A program that drops trailing empty fields does so in all rows. A section line or a
        // truncated row looks different.
        let ends_in_value = |row: &[String]| row.last().is_some_and(|cell| !cell.trim().is_empty());
        let fits = |row: &[String]| {
            row.len() > width
                || (ends_in_value(row)
                    && row.len() * 2 >= width
                    && row.first().is_some_and(|cell| !cell.trim().is_empty()))
        };
        let count = shorter.len();
        if count > 1 && longer.is_empty() && rows.iter().all(|(_, row)| fits(row)) {
            self.pad_short_rows = Some(format!(
                "{count} rows lack fields at their end, the first on line {first}; no row ends in an empty field"
            ));
        } else if count > usize::from(is_last_said) {
            self.notes.push(format!(
                "{} fewer fields than the {width} columns, the first on line {first}, and would be rejected; \
                 `pad_short_rows: true` would read the fields as empty",
                if count == 1 { "1 row has".to_owned() } else { format!("{count} rows have") },
            ));
        }
    }

    fn explain(&mut self, records: &Records, is_said: bool) {
        let share = percent(records.consistency);
        let delimiter = self.delimiter.value;
        self.delimiter = if is_said {
            Guess::new(delimiter, 0.99, "stated in the first line")
        } else if records.width > 1 {
            let why = format!("{share} of the rows have {} fields", records.width);
            Guess::new(delimiter, records.consistency.min(0.99), why)
        } else {
            Guess::new(delimiter, 0.5, "there is only one column")
        };
        let first_line = records.rows.get(records.start).map_or(1, |(line, _)| *line);
        self.skip_rows = if first_line > 1 && (records.start > 0 || self.comment.is_none()) {
            let why = "the lines before it are not part of the table";
            Guess::new(first_line - 1, records.consistency.min(0.95), why)
        } else {
            Guess::new(0, 0.99, "the table starts on the first line")
        };
        self.preamble = self.skip_rows.value;
        if let Some(comment) = &mut self.comment {
            let why = "lines starting with it are not part of the table";
            *comment = Guess::new(comment.value, 0.9, why);
        }
    }

    /// Notes that names stand above rows of more fields: `1234,56` without quotes is two of them.
    fn doubt_width(&mut self, records: &Records) {
        let above = records.start.checked_sub(1).and_then(|at| records.rows.get(at));
        let Some((line, names)) = above.filter(|_| !self.header.value) else { return };
        let is_name = |name: &String| name.contains(char::is_alphabetic);
        if (2..records.width).contains(&names.len()) && names.iter().all(is_name) {
            self.notes.push(format!(
                "line {line} has {} names, but the rows have {} fields, so nothing says which is which: numbers such as \
                 `1234,56` without quotes are two fields; ask for quotes or another delimiter",
                names.len(),
                records.width
            ));
        }
    }

    /// Whether the first record differs from the others as names differ from values.
    fn guess_header(&mut self, records: &Records, profiler: &mut Profiler) {
        if records.header_differs {
            let why = "the line before the rows has texts that are not repeated";
            self.header = Guess::new(true, 0.95, why);
            return;
        }
        let table = records.rows.get(records.start..).unwrap_or_default();
        let mut table = table.iter().map(|(_, row)| row).filter(|row| row.len() == records.width);
        let Some(head) = table.next() else { return };
        // A header repeated on each page is not a row.
        let body: Vec<&Vec<String>> = table.filter(|row| *row != head).collect();
        let (mut named, mut valued, mut repeated, mut nameless) = (0u32, 0u32, 0u32, 0u32);
        // Enough columns to decide; a file may have thousands.
        for (at, name) in head.iter().enumerate().take(100) {
            let name = name.trim();
            let cells = body.iter().filter_map(|row| row.get(at)).map(String::as_str);
            if cells.clone().all(|cell| cell.trim().is_empty()) && !body.is_empty() {
                continue;
            }
            nameless += u32::from(name.is_empty());
            repeated +=
                u32::from(!name.is_empty() && cells.clone().any(|cell| cell.trim() == name));
            let profile = profiler.profile(cells);
            if profile.reading.kind == Kind::Text || name.is_empty() {
                continue;
            }
            let mut is_value = false;
            Trial::of_one(std::slice::from_ref(&profile.reading))
                .text(name, |_, cell| is_value = !cell.is_unparsed());
            if is_value {
                valued += 1;
            } else {
                named += 1;
            }
        }
        let usual = head.iter().filter(|name| names::is_usual(name)).count();
        self.header = if named > valued {
            let sure = 0.99 - 0.2 * f64::from(valued.min(2)) - 0.1 * f64::from(repeated.min(2));
            Guess::new(true, sure, "the first row has different types than the rest")
        } else if valued > named {
            let sure = if named == 0 { 0.97 } else { 0.7 };
            Guess::new(false, sure, "the first row looks like the rows below it")
        } else if usual > 0 && repeated == 0 {
            Guess::new(true, 0.9, "the first row has typical column names")
        } else if body.is_empty() {
            Guess::new(true, 0.6, "there is only one row")
        } else if repeated > 0 || nameless > 0 {
            Guess::new(false, 0.6, "the first row's texts are repeated below it")
        } else {
            Guess::new(true, 0.7, "the first row's texts are not repeated below it")
        };
    }

    /// Names the columns explicitly if the header can't: its width differs from the rows', or a
    /// name is repeated, or another line stands `below` it.
    fn name_columns(&mut self, records: &Records, below: Option<String>) {
        let Some((_, head)) = records.rows.get(records.start).filter(|_| self.header.value) else {
            return;
        };
        let data = records.rows.get(records.start + 1..).unwrap_or_default();
        let has_values = |at: usize| {
            data.iter().any(|(_, row)| row.get(at).is_some_and(|cell| !cell.trim().is_empty()))
        };
        let mut names: Vec<String> = Vec::new();
        let mut twice = Vec::new();
        for at in 0..records.width {
            let name = head.get(at).map_or("", |name| name.trim());
            let is_known = |names: &[String], name: &str| names.iter().any(|known| known == name);
            let mut unique = if name.is_empty() { format!("#{}", at + 1) } else { name.to_owned() };
            if is_known(&names, &unique) {
                if !twice.contains(&name.to_owned()) {
                    twice.push(name.to_owned());
                }
                let number = (2..).find(|n| !is_known(&names, &format!("{name} ({n})")));
                unique = format!("{name} ({})", number.unwrap_or(2));
            } else if name.is_empty() && !records.header_differs && has_values(at) {
                let others = (0..records.width).filter(|other| *other != at);
                let is_alone = others
                    .filter_map(|other| head.get(other))
                    .all(|other| !other.trim().is_empty());
                if !is_alone {
                    twice.push(unique.clone());
                }
            }
            names.push(unique);
        }
        if !records.header_differs && twice.is_empty() && below.is_none() {
            return;
        }
        self.columns_why = if let Some(below) = below {
            below
        } else if records.header_differs {
            format!(
                "the header has {} fields and the rows have {}; the extra ones are empty",
                head.len(),
                records.width
            )
        } else {
            let twice: Vec<String> = twice.iter().map(|name| format!("`{name}`")).collect();
            format!("the header has {} repeated or empty", twice.join(", "))
        };
        let first = data.first().map_or(0, |(line, _)| *line);
        self.skip_rows =
            Guess::new(first.saturating_sub(1), 0.95, "the header and the lines before it");
        self.header.value = false;
        self.columns = Some(names);
    }
}

/// The delimiter named on the first line, as Excel writes and reads it: `sep=;`.
fn said_delimiter(text: &str) -> Option<char> {
    let line = text.lines().next()?.trim_matches(['"', '\u{feff}', '\r']);
    let said = line.get(..4).filter(|start| start.eq_ignore_ascii_case("sep="))?;
    let delimiter = line.get(said.len()..)?.chars().next()?;
    DELIMITERS.contains(&delimiter).then_some(delimiter)
}

/// The encoding, and the decoded text for inspecting line starts.
fn encoding_of(sample: &Sample) -> (Guess<String>, String) {
    let nulls = |parity: usize| {
        let bytes = sample.text.chars().enumerate();
        bytes.filter(|(at, byte)| at % 2 == parity && *byte == '\0').count()
    };
    let (even, odd) = (nulls(0), nulls(1));
    if (even + odd) * 5 > sample.text.chars().count() {
        let label = if odd >= even { "utf-16le" } else { "utf-16be" };
        let why = "every other byte is zero, and there is no byte order mark";
        return (Guess::new(label.to_owned(), 0.9, why), sample.text.replace('\0', ""));
    }
    let label = sample.encoding.as_str();
    let (confidence, why) = match label {
        "utf-8" if sample.text.is_ascii() => (0.95, "the sample is pure ASCII".to_owned()),
        "utf-8" => (0.99, "the bytes are valid UTF-8".to_owned()),
        "utf-16le" | "utf-16be" => (0.99, "it has a byte order mark".to_owned()),
        _ if !sample.rivals.is_empty() => {
            let others: Vec<String> = sample
                .rivals
                .iter()
                .take(2)
                .map(|rival| {
                    format!("`{}` would be `{}` in {}", rival.chosen, rival.other, rival.encoding)
                })
                .collect();
            (0.6, format!("uncertain: the bytes are not UTF-8; {}", others.join(", ")))
        }
        "windows-1252" if !is_plausible(&sample.text) => {
            let odd =
                sample.text.split(['\n', ',', ';', '\t', '"']).find(|text| !is_plausible(text));
            let odd: String = odd.unwrap_or_default().trim().chars().take(24).collect();
            let why = format!(
                "unknown: the bytes are not UTF-8 and form no words in a known encoding, such \
                 as `{odd}`; please check"
            );
            (0.2, why)
        }
        _ => (0.85, "the bytes are not UTF-8 and form words only in this encoding".to_owned()),
    };
    (Guess::new(label.to_owned(), confidence, why), sample.text.clone())
}

pub fn percent(share: f64) -> String {
    if (0.995..1.0).contains(&share) {
        return format!("{:.1} %", (share * 1_000.0).floor() / 10.0);
    }
    format!("{:.0} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(bytes: &[u8]) -> FileForm {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        std::fs::write(&path, bytes).unwrap();
        FileForm::of(&path, &mut Profiler::new()).unwrap()
    }

    #[test]
    fn the_delimiter_that_splits_rows_evenly_wins() {
        for (text, expected) in [
            ("id,name\n1,x\n2,\"y;z\"\n", ','),
            ("id;amount\n1;1,50\n2;2,50\n3;3,1\n", ';'),
            ("id;amount\n1;1,23,457.01\n2;2,46,914.02\n", ';'),
            ("id|text\n1|a, b\n2|c\n", '|'),
            ("id\ttext\n1\ta, b\n2\tc\n", '\t'),
        ] {
            let form = form(text.as_bytes());
            assert_eq!(form.delimiter.value, expected, "{text}");
            assert!(form.header.value, "{text}");
            assert_eq!((form.skip_rows.value, form.comment), (0, None), "{text}");
        }
    }

    #[test]
    fn a_preamble_and_comments_are_skipped() {
        let form =
            form(b"Statement\nMade: today; by me\n\nid;day;x\n1;2;3\n# page 2\n4;5;6\n7;8;9\n");
        assert_eq!((form.delimiter.value, form.skip_rows.value), (';', 3));
        assert_eq!(form.comment.unwrap().value, '#');
        assert!(form.header.value);
    }

    #[test]
    fn a_header_may_differ_from_the_rows_by_empty_fields() {
        for (text, names) in [
            ("Day,Text,Amount,\nPending,ROMA,5.10\n14-Nov-2020,HOME,1.85\n", "Day,Text,Amount"),
            (
                "x\n\nDay;Text;Amount\n14.11.2020;HOME;1,85;\n15.11.2020;A;2,00;\n",
                "Day,Text,Amount,#4",
            ),
        ] {
            let form = form(text.as_bytes());
            assert_eq!(form.columns.unwrap().join(","), names, "{text}");
            assert!(!form.header.value && !form.columns_why.is_empty());
            let lines = text.lines().position(|line| line.starts_with("Day")).unwrap() + 1;
            assert_eq!(form.skip_rows.value, lines as u64);
        }
    }

    /// The header ends in an empty field as the rows do; the line before it only has one field fewer.
    #[test]
    fn a_line_of_the_preamble_is_no_header() {
        let text = "Bank export\nAccount;DE12\n\nid;amount;\nT1;3,10;\nT2;6,10;\nT3;9,10;\n";
        let form = form(text.as_bytes());
        assert_eq!((form.skip_rows.value, form.header.value), (3, true));
        assert_eq!(form.columns, None);
    }

    #[test]
    fn repeated_column_names_are_numbered() {
        let form = form(b"id,amount,ccy,base,ccy\n1,2.00,EUR,2.20,USD\n2,3.00,EUR,3.30,USD\n");
        assert_eq!(form.columns.unwrap(), ["id", "amount", "ccy", "base", "ccy (2)"]);
        assert_eq!(form.skip_rows.value, 1);
    }

    #[test]
    fn the_first_line_may_name_the_delimiter() {
        for text in ["sep=;\nid;name\n1;a,b\n2;c,d\n", "\"sep=;\"\nid;name\n1;x\n"] {
            let form = form(text.as_bytes());
            assert_eq!((form.delimiter.value, form.skip_rows.value), (';', 1), "{text}");
            assert!(form.header.value);
        }
    }

    #[test]
    fn three_rows_after_a_preamble_are_a_table() {
        let bank = "\"Kontonummer:\";\"DE12 / Girokonto\";\n\n\"Von:\";\"01.01.2026\";\n\
            \"Bis:\";\"31.01.2026\";\n\"Kontostand vom 31.01.2026:\";\"1.234,56 EUR\";\n\n\
            \"Buchungstag\";\"Wertstellung\";\"Buchungstext\";\"Betrag (EUR)\";\"Referenz\";\n\
            \"02.01.2026\";\"02.01.2026\";\"Lastschrift\";\"-21,48\";\"A-1\";\n\
            \"03.01.2026\";\"03.01.2026\";\"Gutschrift\";\"1.204,00\";\"A-2\";\n\
            \"04.01.2026\";\"05.01.2026\";\"Lastschrift\";\"-5,00\";\"A-3\";\n";
        let form = form(bank.as_bytes());
        assert_eq!((form.delimiter.value, form.skip_rows.value), (';', 6));
        assert!(form.header.value, "{:?}", form.header);
        // Padded to the width of the table, as spreadsheets write it.
        let padded = "Account,123,,,\nOwner,Me,,,\nday,text,ref,amount,ccy\n\
            2026-01-02,a,R1,1.00,EUR\n2026-01-03,b,R2,2.00,EUR\n";
        let form = super::tests::form(padded.as_bytes());
        assert_eq!(form.skip_rows.value, 2);
        assert!(form.header.value);
    }

    #[test]
    fn a_repeated_header_is_a_header() {
        let form = form(b"name,city\nx,Rome\nname,city\ny,Oslo\nname,city\nz,Bonn\n");
        assert!(form.header.value, "{:?}", form.header);
    }

    #[test]
    fn a_file_may_have_no_header() {
        let form = form(b"R-1,2026-01-10,5.20\nR-2,2026-01-11,7.20\nR-3,2026-01-12,8\n");
        assert!(!form.header.value);
        assert!(form.header.confidence > 0.9);
    }

    #[test]
    fn encodings_are_detected() {
        assert_eq!(form("id,name\n1,Zürich\n".as_bytes()).encoding.value, "utf-8");
        assert_eq!(form(b"id,name\n1,Z\xfcrich\n").encoding.value, "windows-1252");
        let wide: Vec<u8> = "id,name\n1,Z\n2,Y\n".bytes().flat_map(|byte| [byte, 0]).collect();
        assert_eq!(form(&wide).encoding.value, "utf-16le");
        let mut marked = vec![0xff, 0xfe];
        marked.extend(&wide);
        assert_eq!(form(&marked).encoding.value, "utf-16le");
    }

    #[test]
    fn an_empty_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        std::fs::write(&path, "").unwrap();
        let problem = FileForm::of(&path, &mut Profiler::new()).unwrap_err();
        assert_eq!(problem.code, Code::NoHeader);
    }
}
