//! Digests of rows, in the encoding of the audit trail's own hash.
//!
//! Each field is the length of its text in bytes, as eight bytes with the highest first, and the text in
//! UTF-8; a null is eight bytes `ff`. Rows follow each other without anything between them, so a digest
//! is only comparable with one of the same columns in the same order (docs/audit.md names them).

use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use super::SqlValue;
use super::transact::SqlRow;
use crate::coding::hex;

/// SHA-256 over rows.
#[derive(Clone, Default)]
pub(super) struct RowDigest {
    hash: Sha256,
    /// Fields that wait to be hashed: many small updates cost more than one.
    waiting: Vec<u8>,
}

/// From this size on waiting fields are hashed.
const PIECE: usize = 8 << 10;

impl RowDigest {
    pub fn text(&mut self, field: Option<&str>) -> &mut Self {
        match field {
            None => self.waiting.extend_from_slice(&u64::MAX.to_be_bytes()),
            Some(text) => {
                self.waiting.extend_from_slice(&(text.len() as u64).to_be_bytes());
                if text.len() < PIECE {
                    self.waiting.extend_from_slice(text.as_bytes());
                } else {
                    self.hash.update(&self.waiting);
                    self.waiting.clear();
                    self.hash.update(text.as_bytes());
                }
            }
        }
        self.hash_waiting();
        self
    }

    pub fn number(&mut self, number: u64) -> &mut Self {
        let mut buffer = [0; 20];
        let digits = digits(number, &mut buffer);
        self.waiting.extend_from_slice(&(digits.len() as u64).to_be_bytes());
        self.waiting.extend_from_slice(digits);
        self.hash_waiting();
        self
    }

    /// Adds a field that is already encoded.
    pub fn encoded(&mut self, fields: &[u8]) {
        self.waiting.extend_from_slice(fields);
        self.hash_waiting();
    }

    #[inline]
    fn hash_waiting(&mut self) {
        if self.waiting.len() >= PIECE {
            self.hash.update(&self.waiting);
            self.waiting.clear();
        }
    }

    /// Adds a row of an answer, from this column on. Values that are equal have equal texts on one
    /// store; JSON goes in without its order of keys, which a database may change.
    pub fn answer(&mut self, row: &SqlRow, json: &[usize], from: usize) {
        for (at, value) in row.0.iter().enumerate().skip(from) {
            let text = match value {
                SqlValue::Null => None,
                SqlValue::Integer(value) => Some(value.to_string()),
                SqlValue::Real(value) => Some(value.to_string()),
                // SQLite has 0 and 1.
                SqlValue::Boolean(value) => Some(i64::from(*value).to_string()),
                SqlValue::Text(text) | SqlValue::Json(text) if json.contains(&at) => {
                    Some(canonical(text))
                }
                SqlValue::Text(text) | SqlValue::Json(text) => Some(text.clone()),
                SqlValue::Blob(bytes) => Some(hex(bytes)),
            };
            self.text(text.as_deref());
        }
    }

    /// The digest, in hexadecimal.
    pub fn finish(mut self) -> String {
        self.hash.update(&self.waiting);
        hex(self.hash.finalize())
    }
}

/// The decimal digits of a number.
pub(super) fn digits(mut number: u64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut at = buffer.len();
    loop {
        at -= 1;
        // A remainder of ten is one digit, and no number has more than twenty.
        buffer[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &buffer[at..];
        }
    }
}

/// A JSON text with sorted keys and no spaces; a text that is no JSON stays as it is.
pub(super) fn canonical(text: &str) -> String {
    fn sorted(value: Json) -> Json {
        match value {
            Json::Object(map) => {
                let mut entries: Vec<(String, Json)> =
                    map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                Json::Object(entries.into_iter().collect())
            }
            Json::Array(values) => Json::Array(values.into_iter().map(sorted).collect()),
            other => other,
        }
    }
    serde_json::from_str(text).map_or_else(|_| text.to_owned(), |json| sorted(json).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_parted_by_their_lengths() {
        let digest = |fields: &[Option<&str>]| {
            let mut digest = RowDigest::default();
            for field in fields {
                digest.text(*field);
            }
            digest.finish()
        };
        let long = "x".repeat(3 * PIECE);
        let all = [
            digest(&[Some("ab"), Some("c")]),
            digest(&[Some("a"), Some("bc")]),
            digest(&[Some("abc")]),
            digest(&[Some(""), None]),
            digest(&[None, Some("")]),
            digest(&[Some(&long)]),
            digest(&[Some(&long), None]),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one), "{at}");
        }
    }

    #[test]
    fn numbers_are_their_digits() {
        for number in [0, 7, 10, 1_099_511_627_775, u64::MAX] {
            let (mut a, mut b) = (RowDigest::default(), RowDigest::default());
            a.number(number);
            b.text(Some(&number.to_string()));
            assert_eq!(a.finish(), b.finish());
        }
    }

    #[test]
    fn json_is_hashed_whatever_the_order_of_its_keys() {
        assert_eq!(
            canonical(r#"{"b": [1, {"d":1,"c":2}], "a":"x"}"#),
            r#"{"a":"x","b":[1,{"c":2,"d":1}]}"#
        );
        assert_eq!(canonical("no json"), "no json");
    }
}
