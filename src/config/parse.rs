//! From the text of the file to its tree: YAML without its surprises.
//!
//! Duplicate keys, merge keys, tags and second documents are problems with a place: the last of two
//! values never wins silently.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::Path;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};

use super::tree::{Content, Entry, Node, Scalar, Spot};
use crate::diagnostic::{Code, Problem};

/// How deep lists and maps may nest: deeper than any setting, shallow enough to walk recursively.
const MAX_DEPTH: usize = 64;

/// Most parts of a file once its aliases are replaced by their targets.
const MAX_NODES: usize = 100_000;

/// How many bytes of text these parts may have together.
const MAX_BYTES: usize = 16 << 20;

/// How many keys one map may have.
const MAX_KEYS: usize = 5_000;
/// Mistakes after which checking ends.
const MAX_PROBLEMS: usize = 500;

/// How many characters are counted to find the places of parts in lines that are not ASCII.
const MAX_COUNTED: usize = 500_000_000;

/// How much of a line is kept with a part, in characters, to be shown with a complaint.
const MAX_SHOWN: usize = 400;

/// The tree of `text` and every complaint about its form. Without a tree there is a complaint.
pub fn parse(text: &str, file: &Path) -> (Option<Node>, Vec<Problem>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder::new(text, file);
    for event in Parser::new_from_str(text) {
        let step = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => Err(builder.syntax_problem(&error)),
        };
        if let Err(problem) = step {
            builder.problems.push(problem);
            return (None, builder.problems);
        }
    }
    if builder.root.is_none() || builder.root.as_ref().is_some_and(Node::is_null) {
        let help = "`recon init` writes a commented one";
        builder.problems.push(
            Problem::new(Code::EmptyFile, "the configuration is empty").help(help).in_file(file),
        );
        return (None, builder.problems);
    }
    (builder.root, builder.problems)
}

/// A finished part with the cost of repeating it.
#[derive(Clone)]
struct Measured {
    node: Node,
    nodes: usize,
    bytes: usize,
    height: usize,
}

/// A map or list whose end has not been read.
struct Frame {
    start: Marker,
    anchor: usize,
    nodes: usize,
    bytes: usize,
    height: usize,
    open: Open,
}

enum Open {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        /// The key that waits for its value; `None` inside when it can't be a key.
        key: Option<Option<(String, Spot)>>,
    },
}

struct Builder<'a> {
    file: &'a Path,
    lines: Vec<&'a str>,
    is_ascii: bool,
    /// Characters that were counted to find columns in lines that are not ASCII.
    counted: Cell<usize>,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Measured>,
    /// All parts so far, those repeated by aliases included.
    nodes: usize,
    /// The bytes of all their texts.
    bytes: usize,
    documents: usize,
    root: Option<Node>,
    problems: Vec<Problem>,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str, file: &'a Path) -> Self {
        Self {
            file,
            lines: text.lines().collect(),
            is_ascii: text.is_ascii(),
            counted: Cell::new(0),
            stack: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            bytes: 0,
            documents: 0,
            root: None,
            problems: Vec::new(),
        }
    }

    /// Takes one event; an error ends the reading.
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents == 1 {
                    return Ok(());
                }
                let message = "a second document begins here; the configuration is one document";
                Err(self.problem(Code::YamlSyntax, message, span).help("remove this `---`"))
            }
            Event::Alias(id) => {
                let Some(measured) = self.anchors.get(&id) else {
                    let message = "this alias is inside the part that it names";
                    return Err(self.problem(Code::YamlSyntax, message, span));
                };
                self.nodes += measured.nodes;
                self.bytes += measured.bytes;
                // Before it is copied.
                self.bounded(span)?;
                let measured = self.anchors.get(&id).cloned();
                measured.map_or(Ok(()), |measured| self.finish(measured, 0, span))
            }
            Event::Scalar(text, style, anchor, tag) => {
                let text_wanted = self.allow_tag(tag.as_deref(), span);
                if text.contains('\0') {
                    let message = "this text contains the character NUL, which no store can keep";
                    let problem = self.problem(Code::YamlSyntax, message, span);
                    self.problems.push(problem.help("remove `\\0`"));
                }
                let scalar = Scalar {
                    written: text.clone().into_owned(),
                    value: text.into_owned(),
                    plain: style == ScalarStyle::Plain && !text_wanted,
                };
                let node = Node {
                    content: Content::Scalar(scalar),
                    spot: self.spot(span.start, span.end),
                };
                let bytes = bytes_of(&node);
                self.nodes += 1;
                self.bytes += bytes;
                self.finish(Measured { node, nodes: 1, bytes, height: 1 }, anchor, span)
            }
            Event::SequenceStart(anchor, tag) => {
                self.allow_tag(tag.as_deref(), span);
                self.open(Open::List(Vec::new()), anchor, span)
            }
            Event::MappingStart(anchor, tag) => {
                self.allow_tag(tag.as_deref(), span);
                self.open(Open::Map { entries: Vec::new(), key: None }, anchor, span)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(frame) = self.stack.pop() else { return Ok(()) };
                let spot = self.spot(frame.start, span.end);
                let anchor = frame.anchor;
                let content = match frame.open {
                    Open::List(items) => Content::List(items),
                    Open::Map { entries, .. } => Content::Map(entries),
                };
                let node = Node { content, spot };
                let Frame { nodes, bytes, height, .. } = frame;
                let measured = Measured { node, nodes, bytes, height };
                self.finish(measured, anchor, span)
            }
        }
    }

    fn open(&mut self, open: Open, anchor: usize, span: Span) -> Result<(), Problem> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(self.problem(Code::YamlSyntax, "this is nested too deeply", span));
        }
        self.nodes += 1;
        self.stack.push(Frame { start: span.start, anchor, nodes: 1, bytes: 0, height: 1, open });
        Ok(())
    }

    /// Puts a finished part where it belongs.
    fn finish(&mut self, part: Measured, anchor: usize, span: Span) -> Result<(), Problem> {
        self.bounded(span)?;
        if self.stack.len() + part.height > MAX_DEPTH + 1 {
            return Err(self.problem(Code::YamlSyntax, TOO_LARGE, span));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, part.clone());
        }
        let Measured { mut node, nodes, bytes, height } = part;
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.nodes += nodes;
        frame.bytes += bytes;
        frame.height = frame.height.max(height + 1);
        match &mut frame.open {
            Open::List(items) => items.push(node),
            Open::Map { entries, key } => match key.take() {
                Some(Some((key, key_spot))) => {
                    if node.spot.text.is_empty() && node.is_null() {
                        node.spot = key_spot.clone();
                    }
                    entries.push(Entry { key, key_spot, value: node });
                    if entries.len() > MAX_KEYS {
                        let message = format!("one map has more than {MAX_KEYS} keys");
                        return Err(self.problem(Code::YamlSyntax, message, span));
                    }
                }
                Some(None) => {}
                None => {
                    let (usable, problem) = as_key(&node, entries);
                    *key = Some(usable);
                    if let Some(problem) = problem {
                        self.problems.push(problem.at(node.spot.place(self.file)));
                    }
                }
            },
        }
        Ok(())
    }

    /// Refuses an oversized file before it takes much time and memory.
    fn bounded(&self, span: Span) -> Result<(), Problem> {
        if self.nodes > MAX_NODES || self.bytes > MAX_BYTES || self.counted.get() > MAX_COUNTED {
            return Err(self.problem(Code::YamlSyntax, TOO_LARGE, span));
        }
        if self.problems.len() > MAX_PROBLEMS {
            let message = format!("more than {MAX_PROBLEMS} mistakes; the rest is not looked at");
            return Err(self.problem(Code::YamlSyntax, message, span));
        }
        Ok(())
    }

    /// Reports a tag other than `!!str`, which makes the value a text.
    fn allow_tag(&mut self, tag: Option<&Tag>, span: Span) -> bool {
        let Some(tag) = tag else { return false };
        if tag.is_yaml_core_schema() && tag.suffix == "str" {
            return true;
        }
        let shown = if tag.is_yaml_core_schema() {
            format!("!!{}", tag.suffix)
        } else {
            format!("{}{}", tag.handle, tag.suffix)
        };
        let message = format!("the tag `{shown}` has no meaning here");
        let help = "put the value in quotes if it begins with `!`";
        let problem = self.problem(Code::YamlSyntax, message, span).help(help);
        self.problems.push(problem);
        false
    }

    fn problem(&self, code: Code, message: impl Into<String>, span: Span) -> Problem {
        Problem::new(code, message).at(self.spot(span.start, span.end).place(self.file))
    }

    fn spot(&self, start: Marker, end: Marker) -> Spot {
        let line = self.line(start.line());
        let last = if end.line() == start.line() { end.col() } else { usize::MAX };
        let shown = last.saturating_sub(start.col()).min(MAX_SHOWN);
        // Characters are counted from the start of the line, unless a byte is one.
        let text: String = match line.get(start.col()..) {
            Some(rest) if self.is_ascii => rest.chars().take(shown).collect(),
            _ => {
                self.counted.set(self.counted.get() + start.col());
                line.chars().skip(start.col()).take(shown).collect()
            }
        };
        Spot {
            line: start.line() as u64,
            column: start.col() as u64 + 1,
            text: text.trim_end().to_owned(),
        }
    }

    fn line(&self, number: usize) -> &'a str {
        number.checked_sub(1).and_then(|at| self.lines.get(at)).copied().unwrap_or_default()
    }

    /// The innermost `[` or `{` that is still open from an earlier line, if it may cause this
    /// error: the parser notices it only at a later line.
    fn unclosed(&self, line: usize, column: usize, info: &str) -> Option<(char, Spot)> {
        let about_brackets =
            ["flow", "':'", "simple key", "mapping values", "block", "indent", "stream"];
        if !about_brackets.iter().any(|words| info.contains(words)) || info.contains("quoted") {
            return None;
        }
        let mut open: Vec<(char, usize, usize)> = Vec::new();
        let mut quote = None;
        for number in 1..=line {
            let text: Vec<char> = self.line(number).chars().collect();
            let end = if number == line { column.min(text.len()) } else { text.len() };
            let mut before = ' ';
            let mut at = 0;
            while at < end {
                let character = text[at];
                let spaced = at == 0 || text[at - 1].is_whitespace();
                match quote {
                    // `''` in single quotes and `\\"` in double quotes are a part of the text.
                    Some('"') if character == '\\' => at += 1,
                    Some(one) if character == one => quote = None,
                    Some(_) => {}
                    None if character == '#' && spaced => break,
                    None => {
                        let begins = matches!(before, ' ' | ':' | '-' | ',' | '[' | '{');
                        match character {
                            '"' | '\'' if begins => quote = Some(character),
                            // `${NAME}` in a plain text is no map.
                            '[' | '{' if before != '$' && (!open.is_empty() || begins) => {
                                open.push((character, number, at));
                            }
                            ']' | '}' if !open.is_empty() => {
                                let pair = if character == ']' { '[' } else { '{' };
                                if open.last().is_some_and(|(one, ..)| *one == pair) {
                                    open.pop();
                                }
                            }
                            _ => {}
                        }
                    }
                }
                if !character.is_whitespace() {
                    before = character;
                }
                at += 1;
            }
        }
        let (bracket, number, at) = open.into_iter().rev().find(|(_, number, _)| *number < line)?;
        let spot = Spot { line: number as u64, column: at as u64 + 1, text: bracket.to_string() };
        Some((bracket, spot))
    }

    /// Explains a syntax error without terms of YAML's grammar.
    fn syntax_problem(&self, error: &ScanError) -> Problem {
        let marker = error.marker();
        let line = self.line(marker.line());
        let (message, help) = in_plain_words(error.info(), line);
        let spot = Spot {
            line: marker.line() as u64,
            column: marker.col() as u64 + 1,
            text: line.trim().chars().take(MAX_SHOWN).collect(),
        };
        if let Some((bracket, opened)) = self.unclosed(marker.line(), marker.col(), error.info()) {
            let closing = if bracket == '[' { ']' } else { '}' };
            let message = format!("this `{bracket}` is not closed, or a comma is missing in it");
            let help = format!(
                "add `{closing}` or the comma before line {}; put the text in quotes if `{bracket}` is part of it",
                marker.line()
            );
            return Problem::new(Code::YamlSyntax, message).at(opened.place(self.file)).help(help);
        }
        let problem = Problem::new(Code::YamlSyntax, message).at(spot.place(self.file));
        match help {
            Some(help) => problem.help(help),
            None => problem,
        }
    }
}

const TOO_LARGE: &str = "the configuration is too large once its aliases are replaced";

/// The bytes of a single value and of the line that is kept with it.
fn bytes_of(node: &Node) -> usize {
    let value = match &node.content {
        Content::Scalar(scalar) => scalar.written.len() + scalar.value.len(),
        Content::Map(_) | Content::List(_) => 0,
    };
    value + node.spot.text.len()
}

/// A usable key and a complaint about an unusable one.
fn as_key(node: &Node, entries: &[Entry]) -> (Option<(String, Spot)>, Option<Problem>) {
    let Content::Scalar(scalar) = &node.content else {
        let message = "a list or a map can't be a key";
        let help = "put the key in quotes if it begins with `[` or `{`";
        return (None, Some(Problem::new(Code::YamlSyntax, message).help(help)));
    };
    if scalar.plain && scalar.written == "<<" {
        let message = "merge keys (`<<`) are not supported";
        let help = "repeat the keys, or use an alias for the whole value";
        return (None, Some(Problem::new(Code::YamlSyntax, message).help(help)));
    }
    if let Some(first) = entries.iter().find(|entry| entry.key == scalar.written) {
        let key = &scalar.written;
        let message =
            format!("the key `{key}` is given twice; the first is in line {}", first.key_spot.line);
        return (None, Some(Problem::new(Code::DuplicateKey, message)));
    }
    (Some((scalar.written.clone(), node.spot.clone())), None)
}

/// The parser's complaint in plain words, and help where the cause is a known one.
fn in_plain_words(info: &str, line: &str) -> (String, Option<&'static str>) {
    let indentation = line.chars().take_while(|character| character.is_whitespace());
    if info.contains("tab") || indentation.into_iter().any(|character| character == '\t') {
        let message = "YAML needs spaces here, not a tab".to_owned();
        return (message, Some("indent with spaces"));
    }
    let quote_variable =
        line.contains("${").then_some("inside `{ }` and `[ ]`, put `${NAME}` in quotes");
    let (message, help) = if info.contains("escape") {
        let message = "an unknown escape in a text in double quotes";
        (message.to_owned(), Some("use single quotes, or write `\\\\` for a backslash"))
    } else if info.contains("quoted scalar") {
        ("a text in quotes does not end".to_owned(), Some("close the quote"))
    } else if info.contains("unknown anchor") {
        let help = "put the value in quotes if it begins with `*`";
        ("an alias names an anchor that does not exist".to_owned(), Some(help))
    } else if info.contains("anchor or alias") {
        let message = "`*` and `&` at the beginning of a value have a meaning in YAML";
        (message.to_owned(), Some("put the value in quotes"))
    } else if let Some(character) = info.strip_prefix("unexpected character: `") {
        let character = character.trim_end_matches('\'');
        let message = format!("a value can't begin with `{character}`");
        (message, Some("put the value in quotes"))
    } else if info.contains("flow mapping") {
        ("this `{` is not closed, or a comma is missing".to_owned(), None)
    } else if info.contains("flow sequence") {
        ("this `[` is not closed, or a comma is missing".to_owned(), None)
    } else if info.contains("illegal placement of ':'") {
        let message = "a `:` is not possible here";
        (message.to_owned(), Some("is a `[`, a `{` or a quote in the lines above not closed?"))
    } else if info.contains("mapping values are not allowed") && line.matches(": ").count() > 1 {
        let message = "a `: ` is not possible here";
        (message.to_owned(), Some("put a value that contains `: ` in quotes"))
    } else if info.contains("simple key") {
        let help = "write `key: value`, with a space after the colon, indented like its neighbors";
        ("a `:` after the key is missing, or the indentation is wrong".to_owned(), Some(help))
    } else if info.contains("block mapping")
        || info.contains("block collection")
        || info.contains("indent")
        || info.contains("mapping values are not allowed")
        || info.contains("document start")
        || info.contains("document-start")
    {
        let help = "keys of one map begin in the same column";
        ("the indentation does not fit the lines above".to_owned(), Some(help))
    } else {
        (format!("this is not valid YAML: {info}"), None)
    };
    (message, quote_variable.or(help))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::tree::{Document, path};

    fn document(text: &str) -> Document {
        let file = Path::new("recon.yaml");
        let (root, problems) = parse(text, file);
        assert_eq!(problems, []);
        Document { file: file.to_owned(), root: root.unwrap() }
    }

    #[test]
    fn keys_and_values_know_where_they_stand() {
        let document =
            document("\u{feff}# ä\r\nfélds: {é: 'ü x', n: }\r\nlist:\r\n  - |\r\n    text\r\n");
        let place = document.place(&path(["félds", "é"]));
        assert_eq!((place.line, place.column, place.text.as_str()), (2, 12, "'ü x'"));
        let key = document.key_place(&path(["félds", "é"]));
        assert_eq!((key.line, key.column, key.text.as_str()), (2, 9, "é"));
        // A missing key has the place of its map.
        let missing = document.place(&path(["félds", "other"]));
        assert_eq!((missing.line, missing.column), (2, 1));
        let empty = document.place(&path(["félds", "n"]));
        assert_eq!((empty.line, empty.column, empty.text.as_str()), (2, 19, "n"));
        let block = document.place(&["list".into(), 0.into()]);
        assert_eq!((block.line, block.column, block.text.as_str()), (5, 5, "text"));
    }

    #[test]
    fn an_alias_repeats_the_part_that_it_names() {
        let document = document("a: &x {k: [1, 2]}\nb: *x\n");
        let (a, b) = (document.find(&path(["a"])), document.find(&path(["b"])));
        assert_eq!(a, b);
        assert!(a.is_some_and(|node| node.entry("k").is_some()));
    }

    #[test]
    fn only_plain_words_and_nothing_are_null() {
        let document = document("a: null\nb: 'null'\nc: !!str null\nd:\ne: ''\nf: ~\n");
        let null: Vec<bool> =
            document.root.entries().iter().map(|entry| entry.value.is_null()).collect();
        assert_eq!(null, [true, false, false, true, false, true]);
    }

    #[test]
    fn a_file_of_mistakes_is_not_read_to_its_end() {
        for mistake in ["job: x\n", "<<: x\n", "[1]: x\n"] {
            let text = mistake.repeat(50_000);
            let (tree, problems) = parse(&text, Path::new("recon.yaml"));
            assert!(tree.is_none() && problems.len() < 510, "{mistake}: {}", problems.len());
            let last = problems.last().unwrap();
            assert!(last.message.contains("more than 500 mistakes"), "{last}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |levels: usize| format!("a: {}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(&deep(MAX_DEPTH - 1), Path::new("f")).0.is_some());
        assert!(parse(&deep(MAX_DEPTH), Path::new("f")).0.is_none());
        assert!(parse(&deep(100_000), Path::new("f")).0.is_none());
    }

    proptest! {
        #[test]
        fn any_text_has_a_tree_or_a_complaint(text in "[a-z0-9:{}\\[\\],&*!|>'\"%@`#\\- \t\n\r~$é]{0,60}") {
            let (root, problems) = parse(&text, Path::new("f"));
            prop_assert!(root.is_some() || !problems.is_empty());
        }
    }
}
