//! The access log: one JSON object per line. Never contains bodies, tokens, queries or values of
//! records; clients can't forge lines.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

#[derive(Clone, Debug, Default, Serialize)]
pub struct Line<'a> {
    pub time: String,
    pub id: &'a str,
    pub client: String,
    pub person: Option<&'a str>,
    pub method: &'a str,
    /// Without the query.
    pub path: &'a str,
    pub status: u16,
    /// Duration in milliseconds.
    pub ms: f64,
    pub agent: Option<&'a str>,
    pub code: Option<&'a str>,
    /// Details hidden from the client.
    pub cause: Option<&'a str>,
}

pub struct AccessLog(Mutex<Option<Box<dyn Write + Send>>>);

impl AccessLog {
    pub fn to(out: Option<Box<dyn Write + Send>>) -> Self {
        Self(Mutex::new(out))
    }

    /// Write errors are ignored.
    pub fn write(&self, line: &Line<'_>) {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(out) = out.as_mut() {
            let _ = out.write_all(text(line).as_bytes());
            let _ = out.flush();
        }
    }
}

/// Escapes characters that a terminal could interpret.
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
    fn log_lines_can_not_be_forged() {
        let evil = "a\n{\"status\":200}\r\u{1b}[2J\u{7f}\u{9b}\u{2028}\u{202e}\0";
        let line = Line { id: "1", person: Some(evil), agent: Some(evil), ..Line::default() };
        let text = text(&line);
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text.trim_end().chars().all(|c| !c.is_control() && c.is_ascii()), "{text:?}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["person"], evil);
    }
}
