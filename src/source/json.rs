//! JSON: an object on each line, or an array of objects, also one within a larger document.
//!
//! Nothing is built of a document: the cutting thread finds where objects end, and the parser of one
//! walks it along the columns' paths. Numbers keep the digits that they are written with.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use encoding_rs::Encoding;
use memchr::memchr2;
use schemars::JsonSchema;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::blocks::{Records, TextBlock, TextBlocks, Window};
use super::csv;
use super::dialect::{Fields, Span, count_lines};
use super::input::{Input, Inputs};
use super::kind::{
    Fault, InputRead, Kind, OpenContext, Opening, Piece, Pieces, RawRow, RowParser, Sink,
};
use super::lines::{Line, lines, text_of};
use super::{KindSpec, SourcePlan};
use crate::diagnostic::{Code, Place, Problem, SpecProblem, nearest};
use crate::domain::OneOrMany;

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
        let header_line = window.line();
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
        Ok(Opening { columns, header_line, size, pieces, parser })
    }

    fn has_header(&self) -> bool {
        false
    }
}

/// Whether the first line that is not empty is an object of its own.
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

/// The length of the JSON value at the beginning of `bytes`, by its brackets and quotes; none if its end
/// is not there.
fn value_end(bytes: &[u8]) -> Option<usize> {
    match bytes.first()? {
        b'"' => string_end(bytes, 0),
        b'{' | b'[' => {
            let (mut at, mut depth) = (0, 0usize);
            loop {
                match *bytes.get(at)? {
                    b'"' => {
                        at = string_end(bytes, at)?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        _ => bytes.iter().position(|byte| {
            matches!(byte, b',' | b']' | b'}' | b':') || byte.is_ascii_whitespace()
        }),
    }
}

/// Where the string ends that begins at `at`.
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The whole elements of an array, of which `text` is what follows its bracket.
fn elements(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let is_between = |byte: &u8| byte.is_ascii_whitespace() || *byte == b',';
        at += text.get(at..)?.iter().take_while(|byte| is_between(byte)).count();
        let rest = text.get(at..)?;
        if rest.first() == Some(&b']') {
            return None;
        }
        let end = value_end(rest)?;
        at += end;
        rest.get(..end)
    })
}

fn broken(window: &mut Window, message: impl Into<String>) -> Problem {
    let line = window.line();
    let place = Place { file: window.path().to_owned(), line, ..Place::default() };
    Problem::new(Code::BadJson, message)
        .at(place)
        .help("the file is cut off, damaged or no JSON; ask for it again")
}

/// Consumes white space, and gives the byte behind it; none at the end.
fn next_byte(window: &mut Window) -> Result<Option<u8>, Problem> {
    let space = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    if let Some(length) = window.whole(space)? {
        window.consume(length);
    }
    Ok(window.text().first().copied())
}

/// Consumes a value.
fn take_value(window: &mut Window) -> Result<Vec<u8>, Problem> {
    let end = window.whole(|text| value_end(text).unwrap_or(text.len()))?.unwrap_or_default();
    let value = window.text().get(..end).unwrap_or_default().to_vec();
    if value_end(&[&value, &b" "[..]].concat()).is_none() {
        return Err(broken(window, "the JSON ends within a value"));
    }
    window.consume(end);
    Ok(value)
}

/// Consumes all up to the first element of the array that the pointer means.
fn enter(window: &mut Window, pointer: &[String]) -> Result<(), Problem> {
    let shown = |depth: usize| -> String {
        pointer[..depth].iter().map(|part| format!("/{part}")).collect()
    };
    for (depth, part) in pointer.iter().enumerate() {
        let opening = next_byte(window)?;
        if !matches!(opening, Some(b'{' | b'[')) {
            return Err(match opening {
                None => broken(window, "the JSON ends before the records"),
                Some(_) => not_there(window, &shown(depth + 1), part, &[]),
            });
        }
        window.consume(1);
        let mut names: Vec<String> = Vec::new();
        loop {
            match next_byte(window)? {
                Some(b'}' | b']') => {
                    return Err(not_there(window, &shown(depth + 1), part, &names));
                }
                Some(b',') if !names.is_empty() => {
                    window.consume(1);
                    continue;
                }
                None => return Err(broken(window, "the JSON ends before the records")),
                Some(_) => {}
            }
            let name = if opening == Some(b'[') {
                names.len().to_string()
            } else {
                let name = take_value(window)?;
                let Ok(name) = serde_json::from_slice::<String>(&name) else {
                    return Err(broken(window, "a name in quotes is missing here"));
                };
                if next_byte(window)? != Some(b':') {
                    return Err(broken(window, "a `:` is missing here"));
                }
                window.consume(1);
                next_byte(window)?;
                name
            };
            if name == *part {
                break;
            }
            take_value(window)?;
            names.push(name);
        }
    }
    match next_byte(window)? {
        Some(b'[') => {
            window.consume(1);
            Ok(())
        }
        None => Err(broken(window, "the JSON ends before the records")),
        Some(b'{') => {
            let place = Place { file: window.path().to_owned(), ..Place::default() };
            let what = if pointer.is_empty() {
                "the file".into()
            } else {
                format!("`{}`", shown(pointer.len()))
            };
            let names = names_of(window);
            Err(Problem::new(
                Code::NoRecords,
                format!("{what} is an object, not an array of records"),
            )
            .at(place)
            .help(format!("name the array with `records`; the object has {names}")))
        }
        Some(_) => {
            let help = "`records` is the JSON pointer to the array, such as `/data`";
            if pointer.is_empty() {
                return Err(broken(window, "there is no array of records").help(help));
            }
            let message = format!("`{}` is no array of records", shown(pointer.len()));
            let place =
                Place { file: window.path().to_owned(), line: window.line(), ..Place::default() };
            Err(Problem::new(Code::NoRecords, message).at(place).help(help))
        }
    }
}

/// The names of the object that begins here, as pointers, as far as they have been read.
fn names_of(window: &Window) -> String {
    let text = window.text();
    let mut names = Vec::new();
    let mut at = 1;
    while names.len() < 20 {
        let skip = |at: usize| {
            let rest = text.get(at..).unwrap_or_default();
            let between = |byte: &&u8| byte.is_ascii_whitespace() || matches!(**byte, b',' | b':');
            at + rest.iter().take_while(between).count()
        };
        at = skip(at);
        let rest = text.get(at..).unwrap_or_default();
        let Some(end) = value_end(rest).filter(|_| rest.first() == Some(&b'"')) else { break };
        if let Ok(name) = serde_json::from_slice::<String>(&rest[..end]) {
            names.push(format!("`/{name}`"));
        }
        at = skip(at + end);
        let rest = text.get(at..).unwrap_or_default();
        let Some(end) = value_end(rest) else { break };
        at += end;
    }
    if names.is_empty() { "no names".into() } else { names.join(", ") }
}

fn not_there(window: &mut Window, pointer: &str, part: &str, names: &[String]) -> Problem {
    let file = window.path().to_owned();
    let problem =
        Problem::new(Code::NoRecords, format!("the file has nothing at `{pointer}`")).in_file(file);
    let all = || names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match nearest(part, names.iter().map(String::as_str)) {
        Some(meant) => problem.help(format!("did you mean `{meant}`?")),
        None if names.is_empty() => problem.help("there is no object at this place"),
        None => problem.help(format!("there are {}", all())),
    }
}

/// The elements of an array, in pieces.
struct Elements {
    window: Window,
    parser: Arc<JsonParser>,
    /// How many objects the array is within.
    depth: usize,
    is_done: bool,
}

impl Pieces for Elements {
    fn next(&mut self) -> Result<Option<Piece>, Problem> {
        if let Some(problem) = self.parser.wrong() {
            return Err(problem);
        }
        if self.is_done {
            return Ok(None);
        }
        let mut whole = self.window.look()?;
        let taken = loop {
            let text = self.window.text();
            let (mut at, mut taken) = (0, 0);
            loop {
                at += text[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                match text.get(at) {
                    Some(b',') => at += 1,
                    Some(b']') => {
                        self.is_done = true;
                        break;
                    }
                    Some(_) => match value_end(&text[at..]) {
                        Some(end) => {
                            at += end;
                            taken = at;
                        }
                        None => break,
                    },
                    None => break,
                }
            }
            if taken > 0 || self.is_done {
                break (at, taken);
            }
            if whole {
                return Err(broken(&mut self.window, "the array of records does not end"));
            }
            self.window.grow()?;
            whole = self.window.is_whole();
        };
        let (end, length) = taken;
        let (line, offset) = (self.window.line(), self.window.offset());
        // The comma behind the last element is a part of the piece, so that two are seen.
        let bytes = self.window.text()[..if self.is_done { end } else { length }].to_vec();
        self.window.consume(bytes.len());
        if self.is_done {
            self.window.consume(1);
            self.close()?;
        }
        if length == 0 && bytes.trim_ascii().is_empty() {
            return Ok(None);
        }
        Ok(Some(Piece::Text(TextBlock::of(bytes, line, offset))))
    }

    fn disk_bytes(&mut self) -> u64 {
        self.window.bytes_read()
    }

    fn finish(self: Box<Self>) -> Result<InputRead, Problem> {
        self.window.finish()
    }
}

impl Elements {
    /// Checks that the text after the array closes what was opened before it.
    fn close(&mut self) -> Result<(), Problem> {
        let mut depth = self.depth;
        while let Some(byte) = next_byte(&mut self.window)? {
            match byte {
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    self.window.consume(1);
                }
                b',' | b':' if depth > 0 => self.window.consume(1),
                _ if depth > 0 => {
                    take_value(&mut self.window)?;
                }
                _ => return Err(broken(&mut self.window, "something follows the JSON")),
            }
        }
        if depth > 0 {
            return Err(broken(&mut self.window, "the JSON is not closed"));
        }
        Ok(())
    }
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
/// How many records are looked at for columns.
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

    /// Where the only object has records, if nothing in it is what the configuration names.
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

    /// The columns: what was found, and what the configuration names if it leads to something, or may
    /// do so in records that were not looked at.
    fn columns(self, ask: &OpenContext<'_>, is_all: bool) -> Vec<String> {
        // Of no records nothing can be told: they are a source of 0 rows.
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

/// The columns as a tree of names.
#[derive(Debug, Default)]
struct Node {
    number: usize,
    column: Option<usize>,
    children: HashMap<String, Node>,
}

impl Node {
    fn add(&mut self, path: &str, column: usize, nodes: &mut usize) {
        let mut node = self;
        for name in parts(path) {
            node = node.children.entry(name).or_insert_with(|| {
                *nodes += 1;
                Node { number: *nodes, ..Node::default() }
            });
        }
        node.column = Some(column);
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

/// Turns objects into rows.
struct JsonParser {
    encoding: &'static Encoding,
    is_lines: bool,
    file: std::path::PathBuf,
    columns: usize,
    nodes: usize,
    root: Node,
    /// The columns that are wanted, and whether a row had them.
    wanted: Vec<(usize, String, AtomicBool)>,
    /// Whether rows were rejected, and whether any was not.
    has_bad: AtomicBool,
    has_good: AtomicBool,
    /// The first problem of an element of an array, by its line.
    wrong: Mutex<Option<Problem>>,
}

impl JsonParser {
    fn new(
        encoding: &'static Encoding,
        columns: &[String],
        wanted: &[String],
        is_lines: bool,
        input: &Input,
    ) -> Self {
        let (mut root, mut nodes) = (Node::default(), 0);
        for (at, column) in columns.iter().enumerate() {
            root.add(column, at, &mut nodes);
        }
        let wanted = wanted
            .iter()
            .filter_map(|name| {
                let at = columns.iter().position(|column| column == name)?;
                Some((at, name.clone(), AtomicBool::new(false)))
            })
            .collect();
        Self {
            encoding,
            is_lines,
            file: input.name.clone(),
            columns: columns.len(),
            nodes: nodes + 1,
            root,
            wanted,
            has_bad: AtomicBool::new(false),
            has_good: AtomicBool::new(false),
            wrong: Mutex::new(None),
        }
    }

    fn wrong(&self) -> Option<Problem> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn complain(&self, line: u64, fault: &Fault) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let known = wrong.as_ref().and_then(|problem| problem.place.as_ref());
        if known.is_none_or(|place| line < place.line) {
            let place = Place { file: self.file.clone(), line, ..Place::default() };
            let problem = Problem::new(Code::BadJson, fault.message.clone());
            *wrong = Some(problem.at(place).help(
                "an array with a bad element can't be trusted; ask for the file again, or for an object on \
                 each line",
            ));
        }
    }

    /// Takes the cells of an object apart.
    fn object(&self, text: &str, fields: &mut Fields, seen: &mut Seen) -> Result<(), Fault> {
        fields.spans.clear();
        fields.spans.resize(self.columns, Span::NULL);
        fields.scratch.clear();
        seen.next();
        let mut walk = Walk { text, fields, seen, had: &self.wanted };
        let wrong = |error: &serde_json::Error| Fault {
            code: Code::BadJsonRow,
            message: in_words(error, text),
            known: 0,
        };
        if text.trim_start().starts_with('{') {
            walk.read(text, &self.root).map_err(|error| wrong(&error))
        } else {
            match serde_json::from_str::<IgnoredAny>(text) {
                Err(error) => Err(wrong(&error)),
                Ok(_) => Err(Fault {
                    code: Code::BadJsonRow,
                    message: "this is no object, so it has no columns".into(),
                    known: 0,
                }),
            }
        }
    }

    fn row(&self, line: &Line<'_>, fields: &mut Fields, seen: &mut Seen, each: &mut Sink<'_>) {
        let found = text_of(line, self.encoding);
        let fault = found.and_then(|text| self.object(text, fields, seen)).err();
        if fault.is_some() {
            fields.spans.clear();
        }
        let seen = if fault.is_some() { &self.has_bad } else { &self.has_good };
        if !seen.load(Ordering::Relaxed) {
            seen.store(true, Ordering::Relaxed);
        }
        if let Some(fault) = fault.as_ref().filter(|_| !self.is_lines) {
            self.complain(line.number, fault);
        }
        let row = RawRow {
            line: line.number,
            offset: line.offset,
            written: line.bytes,
            scratch: &fields.scratch,
            spans: &fields.spans,
        };
        each(row, fault);
    }
}

/// The message of serde_json, with the place within the row.
fn in_words(error: &serde_json::Error, text: &str) -> String {
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    if error.line() > 1 || error.column() == 0 {
        return said.to_owned();
    }
    let column = text
        .get(..error.column().saturating_sub(1))
        .map_or(error.column(), |before| before.chars().count() + 1);
    format!("{said}, at character {column}")
}

impl RowParser for JsonParser {
    fn rows(&self, piece: &Piece, fields: &mut Fields, each: &mut Sink<'_>) {
        let Piece::Text(block) = piece else { return };
        let mut seen = Seen { row: 0, rows: vec![0; self.nodes] };
        if self.is_lines {
            for line in lines(block) {
                if !line.bytes.trim_ascii().is_empty() {
                    self.row(&line, fields, &mut seen, each);
                }
            }
            return;
        }
        let (bytes, mut at, mut number) = (block.bytes(), 0, block.first_line());
        let mut is_comma_due = false;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let space = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            number += count_lines(&rest[..space]);
            at += space;
            let rest = &rest[space..];
            let Some(first) = rest.first() else { break };
            let offset = block.offset() + at as u64;
            // The comma between two pieces begins the second one.
            let is_first = at == space && offset == block.offset() + space as u64;
            if *first == b',' && (is_comma_due || is_first) {
                is_comma_due = false;
                at += 1;
                let rest = rest[1..].trim_ascii_start();
                if rest.is_empty() || rest.first() == Some(&b',') {
                    let message = "a comma with nothing behind it".to_owned();
                    self.complain(number, &Fault { code: Code::BadJsonRow, message, known: 0 });
                }
                continue;
            }
            if is_comma_due || *first == b',' {
                let message = "a comma is missing, or there is one too many".to_owned();
                self.complain(number, &Fault { code: Code::BadJsonRow, message, known: 0 });
                return;
            }
            let end = value_end(rest).unwrap_or(rest.len());
            let line = Line { number, offset, bytes: &rest[..end] };
            self.row(&line, fields, &mut seen, each);
            number += count_lines(&rest[..end]);
            at += end;
            is_comma_due = true;
        }
    }

    fn conclude(&self) -> Result<Vec<String>, Problem> {
        match self.wrong() {
            Some(problem) => Err(problem),
            // A rejected row may have had any column.
            None if self.has_bad.load(Ordering::Relaxed)
                && !self.has_good.load(Ordering::Relaxed) =>
            {
                Ok(Vec::new())
            }
            None => {
                let missing = self.wanted.iter().filter(|(.., had)| !had.load(Ordering::Relaxed));
                Ok(missing.map(|(_, name, _)| name.clone()).collect())
            }
        }
    }
}

/// Which names of the tree the object at hand has had.
struct Seen {
    row: u32,
    rows: Vec<u32>,
}

impl Seen {
    fn next(&mut self) {
        self.row += 1;
    }

    /// Whether it is the first time.
    fn is_first(&mut self, node: &Node) -> bool {
        let row = self.row;
        self.rows.get_mut(node.number).is_none_or(|seen| std::mem::replace(seen, row) != row)
    }
}

/// A walk through an object along the tree of columns.
struct Walk<'w> {
    text: &'w str,
    fields: &'w mut Fields,
    seen: &'w mut Seen,
    had: &'w [(usize, String, AtomicBool)],
}

impl Walk<'_> {
    fn read(&mut self, text: &str, node: &Node) -> Result<(), serde_json::Error> {
        let mut json = serde_json::Deserializer::from_str(text);
        Members { walk: self, node }.deserialize(&mut json)?;
        json.end()
    }

    /// Takes a value that a column or a deeper path means.
    fn take(&mut self, raw: &str, node: &Node) -> Result<(), serde_json::Error> {
        if let Some(column) = node.column {
            self.cell(raw, column)?;
        }
        if !node.children.is_empty() && matches!(raw.as_bytes().first(), Some(b'{' | b'[')) {
            self.read(raw, node)?;
        }
        Ok(())
    }

    fn cell(&mut self, raw: &str, column: usize) -> Result<(), serde_json::Error> {
        for (_, _, had) in self.had.iter().filter(|(at, ..)| *at == column) {
            if !had.load(Ordering::Relaxed) {
                had.store(true, Ordering::Relaxed);
            }
        }
        let within = |part: &str| {
            let start = part.as_ptr().addr() - self.text.as_ptr().addr();
            Span::new(start, start + part.len())
        };
        let span = match raw.as_bytes() {
            b"null" => Span::NULL,
            [b'"', inner @ .., b'"'] if memchr::memchr(b'\\', inner).is_none() => {
                within(&raw[1..raw.len() - 1])
            }
            [b'"', ..] => {
                let text: Cow<'_, str> = serde_json::from_str(raw)?;
                if text.contains('\0') {
                    return Err(serde_json::Error::custom(
                        "a text has a NUL, which no cell can hold",
                    ));
                }
                self.push(text.as_bytes())
            }
            [b'{' | b'[', ..] => {
                let compact = compact(raw);
                self.push(compact.as_bytes())
            }
            _ => within(raw),
        };
        if let Some(slot) = self.fields.spans.get_mut(column) {
            *slot = span;
        }
        Ok(())
    }

    fn push(&mut self, text: &[u8]) -> Span {
        let start = self.fields.scratch.len();
        self.fields.scratch.extend_from_slice(text);
        Span::scratch(start, self.fields.scratch.len())
    }
}

/// JSON without white space between its tokens.
fn compact(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(first) = rest.chars().next() {
        let length = if first == '"' {
            string_end(rest.as_bytes(), 0).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (part, after) = rest.split_at(length);
        if !first.is_ascii_whitespace() {
            out.push_str(part);
        }
        rest = after;
    }
    out
}

/// The members of an object or an array, walked.
struct Members<'s, 'w> {
    walk: &'s mut Walk<'w>,
    node: &'s Node,
}

impl<'de> DeserializeSeed<'de> for Members<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Members<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut others = Others::default();
        while let Some(name) = members.next_key::<Name<'de>>()? {
            let name = name.0;
            let twice = || A::Error::custom(format!("the name `{name}` is there twice"));
            match self.node.children.get(name.as_ref()) {
                Some(node) => {
                    let raw = members.next_value::<&RawValue>()?;
                    if !self.walk.seen.is_first(node) {
                        return Err(twice());
                    }
                    self.walk.take(raw.get(), node).map_err(A::Error::custom)?;
                }
                None => {
                    members.next_value::<IgnoredAny>()?;
                    if !others.is_new(&name) {
                        return Err(twice());
                    }
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let mut at = 0usize;
        while let Some(raw) = values.next_element::<&RawValue>()? {
            if let Some(node) = self.node.children.get(at.to_string().as_str()) {
                self.walk.take(raw.get(), node).map_err(A::Error::custom)?;
            }
            at += 1;
        }
        Ok(())
    }
}

/// The names of an object that are no columns. A few are looked through faster than they are hashed.
#[derive(Default)]
struct Others {
    few: Vec<String>,
    many: HashSet<String>,
}

impl Others {
    fn is_new(&mut self, name: &str) -> bool {
        if self.few.iter().any(|other| other == name) {
            return false;
        }
        if self.few.len() < 32 {
            self.few.push(name.to_owned());
            return true;
        }
        self.many.insert(name.to_owned())
    }
}

/// A name, borrowed where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// The pointer to the first array of objects, the nearest to the top, in a document that may be cut off.
pub fn pointer_of(document: &str) -> Option<String> {
    let bytes = document.as_bytes();
    let mut best: Option<Vec<String>> = None;
    // The names of the objects that are open, and the one that a value follows.
    let (mut path, mut name, mut at) = (Vec::new(), None, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let end = string_end(bytes, at).unwrap_or(bytes.len());
                if name.is_none() && !path.is_empty() {
                    name = document.get(at..end).and_then(|text| serde_json::from_str(text).ok());
                }
                at = end;
                continue;
            }
            b'{' => path.push(name.take().unwrap_or_default()),
            b'}' => drop(path.pop()),
            b',' => name = None,
            b'[' => {
                let here: Vec<String> = path.iter().skip(1).cloned().chain(name.take()).collect();
                let is_records = bytes[at + 1..].trim_ascii_start().first() == Some(&b'{');
                if is_records && best.as_ref().is_none_or(|best| here.len() < best.len()) {
                    best = Some(here);
                }
                at += value_end(&bytes[at..]).unwrap_or(bytes.len());
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    let escaped = |name: String| format!("/{}", name.replace('~', "~0").replace('/', "~1"));
    best.filter(|path| !path.is_empty()).map(|path| path.into_iter().map(escaped).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_of_a_large_object_is_there_once() {
        let mut others = Others::default();
        assert!((0..5_000).all(|number| others.is_new(&number.to_string())));
        assert!((0..5_000).all(|number| !others.is_new(&number.to_string())));
    }

    #[test]
    fn the_nearest_array_of_objects_has_the_records() {
        for (document, pointer) in [
            (r#"{ "a": [1], "b": { "c/d": [{}] } }"#, Some("/b/c~1d")),
            (r#"{ "a": { "x": [{}] }, "b": [{}] }"#, Some("/b")),
            (r#"{ "a": 1, "b": "[{", "c": {"d": "e", "f": [[{}]]} }"#, None),
            (r#"{"meta": {"n": 1}, "data": {"orders": [ {"id": 1}, {"id"#, Some("/data/orders")),
            (r#"[{"a": [{}]}]"#, None),
        ] {
            assert_eq!(pointer_of(document).as_deref(), pointer, "{document}");
        }
    }
}
