//! The access log: one JSON object per line, and nothing in it that a client could forge or that
//! should not be read: no bodies, no tokens, no queries, no values of cells.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// One line.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Line<'a> {
    /// When the request ended.
    pub time: String,
    /// Its id.
    pub id: &'a str,
    /// Where it came from.
    pub client: String,
    /// Who sent it.
    pub person: Option<&'a str>,
    /// The method.
    pub method: &'a str,
    /// The path without the query.
    pub path: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// How long it took, in milliseconds.
    pub ms: f64,
    /// The client as it names itself.
    pub agent: Option<&'a str>,
    /// Why it was denied.
    pub code: Option<&'a str>,
    /// What the client is not told.
    pub cause: Option<&'a str>,
}

/// Where lines go.
pub struct AccessLog(Mutex<Option<Box<dyn Write + Send>>>);

impl AccessLog {
    /// A log that goes there, or nowhere.
    pub fn to(out: Option<Box<dyn Write + Send>>) -> Self {
        Self(Mutex::new(out))
    }

    /// Writes a line. A log that can't be written stops nobody.
    pub fn write(&self, line: &Line<'_>) {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(out) = out.as_mut() {
            let _ = out.write_all(text(line).as_bytes());
            let _ = out.flush();
        }
    }
}

/// The line with its end. What a terminal could take for more than text is escaped.
pub fn text(line: &impl Serialize) -> String {
    let json = serde_json::to_string(line).unwrap_or_default();
    let mut text = String::with_capacity(json.len() + 1);
    for character in json.chars() {
        let hidden = character.is_control()
            || matches!(character,
                '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if hidden {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                // Writing into a String can't fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(character);
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_a_line() {
        let evil = "a\n{\"status\":200}\r\u{1b}[2J\u{7f}\u{9b}\u{2028}\u{202e}\0";
        let line = Line { id: "1", person: Some(evil), agent: Some(evil), ..Line::default() };
        let text = text(&line);
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text.trim_end().chars().all(|c| !c.is_control() && c.is_ascii()), "{text:?}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["person"], evil);
    }
}
