//! Objects as rows: a walk along the paths of the columns.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use encoding_rs::Encoding;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::super::dialect::{Fields, Span, count_lines};
use super::super::input::Input;
use super::super::kind::{Fault, Piece, RawRow, RowParser, Sink};
use super::super::lines::{Line, lines, text_of};
use super::cut::{string_end, value_end};
use super::parts;
use crate::diagnostic::{Code, Place, Problem};

/// The columns as a tree of names.
#[derive(Debug, Default)]
struct Node {
    number: usize,
    column: Option<usize>,
    /// In the order in which the file first has them.
    children: Vec<(String, Node)>,
    positions: HashMap<String, usize>,
}

impl Node {
    fn add(&mut self, path: &str, column: usize, nodes: &mut usize) {
        let mut node = self;
        for name in parts(path) {
            let at = *node.positions.entry(name.clone()).or_insert_with(|| {
                *nodes += 1;
                node.children.push((name, Node { number: *nodes, ..Node::default() }));
                node.children.len() - 1
            });
            node = &mut node.children[at].1;
        }
        node.column = Some(column);
    }

    /// The child of this name, and its position. Objects mostly have their members in the same order, and comparing
    /// with the `expected` child takes less time than hashing the name.
    #[inline]
    fn child(&self, name: &str, expected: usize) -> Option<(usize, &Self)> {
        if let Some((own, node)) = self.children.get(expected)
            && own == name
        {
            return Some((expected, node));
        }
        let at = *self.positions.get(name)?;
        Some((at, &self.children.get(at)?.1))
    }
}

pub(super) struct JsonParser {
    encoding: &'static Encoding,
    is_lines: bool,
    file: std::path::PathBuf,
    columns: usize,
    nodes: usize,
    root: Node,
    /// The columns that are wanted.
    wanted: Vec<(usize, String)>,
    /// Columns that a row had.
    had: Vec<AtomicBool>,
    has_bad: AtomicBool,
    has_good: AtomicBool,
    /// The first problem of an element of an array, by its line.
    wrong: Mutex<Option<Problem>>,
}

impl JsonParser {
    pub(super) fn new(
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
                Some((at, name.clone()))
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
            had: columns.iter().map(|_| AtomicBool::new(false)).collect(),
            has_bad: AtomicBool::new(false),
            has_good: AtomicBool::new(false),
            wrong: Mutex::new(None),
        }
    }

    pub(super) fn wrong(&self) -> Option<Problem> {
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
    fn object(&self, text: &str, fields: &mut Fields, seen: &mut SeenNames) -> Result<(), Fault> {
        fields.spans.clear();
        fields.spans.resize(self.columns, Span::NULL);
        fields.scratch.clear();
        seen.next();
        let mut walk = Walk { text, fields, seen, had: &self.had };
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

    fn row(&self, line: &Line<'_>, fields: &mut Fields, seen: &mut SeenNames, each: &mut Sink<'_>) {
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
        let mut seen = SeenNames { row: 0, rows: vec![0; self.nodes] };
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
                let had =
                    |at: usize| self.had.get(at).is_some_and(|had| had.load(Ordering::Relaxed));
                let missing = self.wanted.iter().filter(|(at, _)| !had(*at));
                Ok(missing.map(|(_, name)| name.clone()).collect())
            }
        }
    }
}

/// Names of the tree that the present object already had.
struct SeenNames {
    row: u32,
    rows: Vec<u32>,
}

impl SeenNames {
    fn next(&mut self) {
        self.row += 1;
    }

    fn is_first(&mut self, node: &Node) -> bool {
        let row = self.row;
        self.rows.get_mut(node.number).is_none_or(|seen| std::mem::replace(seen, row) != row)
    }
}

/// A walk through an object along the tree of columns.
struct Walk<'w> {
    text: &'w str,
    fields: &'w mut Fields,
    seen: &'w mut SeenNames,
    had: &'w [AtomicBool],
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
        if let Some(had) = self.had.get(column)
            && !had.load(Ordering::Relaxed)
        {
            had.store(true, Ordering::Relaxed);
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
        let (mut others, mut expected) = (Others::default(), 0);
        while let Some(name) = members.next_key::<Name<'de>>()? {
            let name = name.0;
            let twice = || A::Error::custom(format!("the name `{name}` is there twice"));
            match self.node.child(name.as_ref(), expected) {
                Some((at, node)) => {
                    expected = at + 1;
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
            if let Some((_, node)) = self.node.child(at.to_string().as_str(), at) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_of_a_large_object_is_there_once() {
        let mut others = Others::default();
        assert!((0..5_000).all(|number| others.is_new(&number.to_string())));
        assert!((0..5_000).all(|number| !others.is_new(&number.to_string())));
    }
}
