//! Objects as rows: a walk along the paths of the columns.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
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
use super::super::unreadable::{unreadable, unreadable_cell};
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
    columns: Vec<String>,
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
            columns: columns.to_vec(),
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

    /// Takes the cells of an object apart. The object may be fine and one of its texts not: then the fault of that
    /// cell is given, and the others are known.
    ///
    /// # Errors
    /// The text is no object.
    fn object(
        &self,
        text: &str,
        fields: &mut Fields,
        seen: &mut SeenNames,
    ) -> Result<Option<Fault>, Fault> {
        fields.spans.clear();
        fields.spans.resize(self.columns.len(), Span::NULL);
        fields.scratch.clear();
        seen.next();
        let (columns, had) = (&self.columns, &self.had);
        let mut walk = Walk { text, fields, seen, had, columns, wrong: None, unreadable: None };
        let wrong = |message: String| Fault { code: Code::BadJsonRow, message, known: 0 };
        if text.trim_start().starts_with('{') {
            match walk.read(text, &self.root) {
                Ok(()) => Ok(walk.unreadable),
                Err(error) => Err(wrong(walk.wrong.unwrap_or_else(|| error.to_string()))),
            }
        } else {
            match serde_json::from_str::<IgnoredAny>(text) {
                Err(error) => Err(wrong(in_words(&error, text, text))),
                Ok(_) => Err(Fault {
                    code: Code::BadJsonRow,
                    message: "this is no object, so it has no columns".into(),
                    known: 0,
                }),
            }
        }
    }

    fn row(&self, line: &Line<'_>, fields: &mut Fields, seen: &mut SeenNames, each: &mut Sink<'_>) {
        let found = match text_of(line, self.encoding) {
            Ok(text) => self.object(text, fields, seen),
            Err(damage) if self.is_lines => self.damaged(line, damage, fields, seen),
            Err(damage) => Err(damage),
        };
        let is_good = matches!(found, Ok(None));
        let fault = found.unwrap_or_else(|fault| {
            fields.spans.clear();
            if !self.is_lines {
                self.complain(line.number, &fault);
            }
            Some(fault)
        });
        let seen = if is_good { &self.has_good } else { &self.has_bad };
        if !seen.load(Ordering::Relaxed) {
            seen.store(true, Ordering::Relaxed);
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

    /// The cells of a line with bytes that are no text, if it is an object apart from them, and the fault that names
    /// the column of the first.
    ///
    /// # Errors
    /// It is no object: the damage.
    #[cold]
    fn damaged(
        &self,
        line: &Line<'_>,
        damage: Fault,
        fields: &mut Fields,
        seen: &mut SeenNames,
    ) -> Result<Option<Fault>, Fault> {
        if line.bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(damage);
        }
        let Some((text, meant)) = with_stand_ins(line.bytes) else { return Err(damage) };
        let Ok(of_cell) = self.object(&text, fields, seen) else { return Err(damage) };
        let Fields { spans, scratch, .. } = fields;
        let walked = std::mem::take(scratch);
        for span in spans.iter_mut().filter(|span| !span.is_null()) {
            let start = scratch.len();
            for character in String::from_utf8_lossy(span.of(text.as_bytes(), &walked)).chars() {
                match meant.get(&character) {
                    Some(bytes) => scratch.extend_from_slice(bytes),
                    None => {
                        let mut room = [0; 4];
                        scratch.extend_from_slice(character.encode_utf8(&mut room).as_bytes());
                    }
                }
            }
            *span = Span::scratch(start, scratch.len());
        }
        let (number, offset) = (line.number, line.offset);
        let row = RawRow { line: number, offset, written: line.bytes, scratch, spans };
        let named = unreadable_cell(&self.columns, &row, Some(self.encoding)).or(of_cell);
        Ok(Some(named.unwrap_or(Fault { known: spans.len(), ..damage })))
    }
}

/// Characters, and the bytes that they stand for.
type StandIns<'b> = HashMap<char, &'b [u8]>;

/// The text with a character that it does not have in the place of each sequence of bytes that is none, and of NUL.
/// None if there are too many.
fn with_stand_ins(bytes: &[u8]) -> Option<(String, StandIns<'_>)> {
    const PRIVATE: std::ops::RangeInclusive<char> = '\u{e000}'..='\u{f8ff}';
    let valid = || bytes.utf8_chunks().flat_map(|chunk| chunk.valid().chars());
    let used: HashSet<char> = valid().filter(|character| PRIVATE.contains(character)).collect();
    let mut free = PRIVATE.filter(|character| !used.contains(character));
    let mut given: HashMap<&[u8], char> = HashMap::new();
    let mut stand_in = |bytes| match given.entry(bytes) {
        Entry::Occupied(given) => Some(*given.get()),
        Entry::Vacant(new) => Some(*new.insert(free.next()?)),
    };
    let mut text = String::with_capacity(bytes.len() * 2);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            text.push(if character == '\0' { stand_in(b"\0")? } else { character });
        }
        if !chunk.invalid().is_empty() {
            text.push(stand_in(chunk.invalid())?);
        }
    }
    Some((text, given.into_iter().map(|(bytes, character)| (character, bytes)).collect()))
}

/// The message of serde_json about a part of the row, with the place within the row.
fn in_words(error: &serde_json::Error, part: &str, row: &str) -> String {
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    // Of a row on several lines, a place would have to be counted.
    if error.line() > 1 || error.column() == 0 {
        return said.to_owned();
    }
    let place = at_character(row, offset_of(part, row) + error.column() - 1);
    format!("{said}{place}")
}

/// Where a part of a text begins in it.
fn offset_of(part: &str, text: &str) -> usize {
    part.as_ptr().addr() - text.as_ptr().addr()
}

/// The place of a byte in the row, in characters; none if it is on a later line.
fn at_character(row: &str, byte: usize) -> String {
    match row.get(..byte) {
        Some(before) if !before.trim_start().contains(['\n', '\r']) => {
            format!(", at character {}", before.chars().count() + 1)
        }
        _ => String::new(),
    }
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
    columns: &'w [String],
    /// Why it is no row, with the place in it: errors of serde_json count from the value that it reads.
    wrong: Option<String>,
    /// The first cell that is no text.
    unreadable: Option<Fault>,
}

impl Walk<'_> {
    fn read(&mut self, text: &str, node: &Node) -> Result<(), serde_json::Error> {
        let mut json = serde_json::Deserializer::from_str(text);
        let read = Members { walk: self, node }.deserialize(&mut json).and_then(|()| json.end());
        read.inspect_err(|error| {
            let row = self.text;
            self.wrong.get_or_insert_with(|| in_words(error, text, row));
        })
    }

    /// The name is there for the second time.
    #[cold]
    fn twice<E: serde::de::Error>(&mut self, name: &Name<'_>) -> E {
        let place = match &name.0 {
            Cow::Borrowed(name) => at_character(self.text, offset_of(name, self.text) - 1),
            Cow::Owned(_) => String::new(),
        };
        let message = format!("the name `{}` is there twice", name.0);
        self.wrong.get_or_insert_with(|| format!("{message}{place}"));
        E::custom(message)
    }

    /// Takes note of a cell that is no text.
    #[cold]
    fn not_text(&mut self, column: usize, why: impl FnOnce(&str) -> (Code, String)) {
        let known = self.columns.len();
        let name = self.columns.get(column).map_or("", String::as_str);
        self.unreadable.get_or_insert_with(|| {
            let (code, message) = why(name);
            Fault { code, message, known }
        });
    }

    /// Takes a value that a column or a deeper path means.
    fn take(&mut self, raw: &str, node: &Node) -> Result<(), serde_json::Error> {
        if let Some(column) = node.column {
            self.cell(raw, column);
        }
        if !node.children.is_empty() && matches!(raw.as_bytes().first(), Some(b'{' | b'[')) {
            self.read(raw, node)?;
        }
        Ok(())
    }

    fn cell(&mut self, raw: &str, column: usize) {
        if let Some(had) = self.had.get(column)
            && !had.load(Ordering::Relaxed)
        {
            had.store(true, Ordering::Relaxed);
        }
        let within = |part: &str| {
            let start = offset_of(part, self.text);
            Span::new(start, start + part.len())
        };
        let span = match raw.as_bytes() {
            b"null" => Span::NULL,
            [b'"', inner @ .., b'"'] if memchr::memchr(b'\\', inner).is_none() => {
                within(&raw[1..raw.len() - 1])
            }
            [b'"', ..] => match serde_json::from_str::<Cow<'_, str>>(raw) {
                Ok(text) => {
                    if text.contains('\0') {
                        let message = "a text has a NUL, which no cell can hold".to_owned();
                        let unknown = (Code::NulByte, message);
                        let why = |name: &str| unreadable(name, text.as_bytes(), None);
                        self.not_text(column, |name| why(name).unwrap_or(unknown));
                    }
                    self.push(text.as_bytes())
                }
                // Its syntax was read before: only the other half of a surrogate pair can be missing.
                Err(_) => {
                    let place = at_character(self.text, offset_of(raw, self.text));
                    self.not_text(column, |name| {
                        let half = "an escape is half of a surrogate pair, which is no character";
                        (Code::BadJsonRow, format!("column `{name}`: {half}{place}"))
                    });
                    Span::NULL
                }
            },
            [b'{' | b'[', ..] => {
                let compact = compact(raw);
                self.push(compact.as_bytes())
            }
            _ => within(raw),
        };
        if let Some(slot) = self.fields.spans.get_mut(column) {
            *slot = span;
        }
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
            match self.node.child(name.0.as_ref(), expected) {
                Some((at, node)) => {
                    expected = at + 1;
                    let raw = members.next_value::<&RawValue>()?;
                    if !self.walk.seen.is_first(node) {
                        return Err(self.walk.twice(&name));
                    }
                    self.walk.take(raw.get(), node).map_err(A::Error::custom)?;
                }
                None => {
                    members.next_value::<IgnoredAny>()?;
                    if !others.is_new(&name.0) {
                        return Err(self.walk.twice(&name));
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
