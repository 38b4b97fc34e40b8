//! Where the values of a document begin and end.

use std::sync::Arc;

use memchr::memchr2;

use super::super::blocks::{TextBlock, Window};
use super::super::kind::{InputRead, Piece, Pieces};
use super::walk::JsonParser;
use crate::diagnostic::{Code, Place, Problem, nearest};

/// The length of the JSON value at the beginning of `bytes`, by its brackets and quotes; none if its end
/// is not there.
pub(super) fn value_end(bytes: &[u8]) -> Option<usize> {
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
pub(super) fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The whole elements of an array; `text` begins after its bracket.
pub(super) fn elements(text: &[u8]) -> impl Iterator<Item = &[u8]> {
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

pub(super) fn broken(window: &mut Window, message: impl Into<String>) -> Problem {
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
pub(super) fn enter(window: &mut Window, pointer: &[String]) -> Result<(), Problem> {
    let shown = |depth: usize| -> String {
        pointer[..depth].iter().map(|part| format!("/{}", escaped(part))).collect()
    };
    for (depth, part) in pointer.iter().enumerate() {
        let opening = next_byte(window)?;
        if !matches!(opening, Some(b'{' | b'[')) {
            return Err(match opening {
                None => broken(window, "the JSON ends before the records"),
                Some(_) => not_there(window, &shown(depth), part, &[]),
            });
        }
        window.consume(1);
        let mut names: Vec<String> = Vec::new();
        loop {
            match next_byte(window)? {
                Some(b'}' | b']') => {
                    return Err(not_there(window, &shown(depth), part, &names));
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
            // Of a document that fits into the window, the end can be seen.
            window.look()?;
            if window.is_whole() && value_end(window.text()).is_none() {
                return Err(broken(window, "the JSON ends within an object"));
            }
            let place = Place { file: window.path().to_owned(), ..Place::default() };
            let what = if pointer.is_empty() {
                "the file".into()
            } else {
                format!("`{}`", shown(pointer.len()))
            };
            let names = names_of(window, &shown(pointer.len()));
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
fn names_of(window: &Window, within: &str) -> String {
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
            names.push(format!("`{within}/{}`", escaped(&name)));
        }
        at = skip(at + end);
        let rest = text.get(at..).unwrap_or_default();
        let Some(end) = value_end(rest) else { break };
        at += end;
    }
    if names.is_empty() { "no names".into() } else { names.join(", ") }
}

/// Nothing has this name at the place that `within` points to, but others have.
fn not_there(window: &mut Window, within: &str, part: &str, names: &[String]) -> Problem {
    const SHOWN: usize = 20;
    let file = window.path().to_owned();
    let pointer = |name: &str| format!("`{within}/{}`", escaped(name));
    let message = format!("the file has nothing at {}", pointer(part));
    let problem = Problem::new(Code::NoRecords, message).in_file(file);
    match nearest(part, names.iter().map(String::as_str)) {
        Some(meant) => problem.help(format!("did you mean {}?", pointer(meant))),
        None if names.is_empty() => problem.help("there is no object at this place"),
        None => {
            let shown = names.iter().take(SHOWN).map(|name| pointer(name));
            let mut all = shown.collect::<Vec<_>>().join(", ");
            if names.len() > SHOWN {
                all.push_str(", …");
            }
            problem.help(format!("there are {all}"))
        }
    }
}

/// A name as a part of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The elements of an array, in pieces.
pub(super) struct Elements {
    pub(super) window: Window,
    pub(super) parser: Arc<JsonParser>,
    /// How many objects the array is within.
    pub(super) depth: usize,
    pub(super) is_done: bool,
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
    /// Checks that the text after the array closes everything opened before it.
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
    let parts = |path: Vec<String>| path.iter().map(|name| format!("/{}", escaped(name))).collect();
    best.filter(|path| !path.is_empty()).map(parts)
}
#[cfg(test)]
mod tests {
    use super::*;

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
