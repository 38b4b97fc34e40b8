//! JSON text taken apart where it lies, without building anything of it.
//!
//! Only for JSON that the program itself has written: it finds the parts and leaves checking them
//! to their readers.

use std::borrow::Cow;

use memchr::memchr2;

/// A place in a JSON text.
#[derive(Clone, Copy, Debug)]
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// At the beginning of `text`.
    pub const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte that is not white space; it is not consumed.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    /// Consumes this byte, if it is next.
    #[inline]
    pub fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Consumes the next value, whatever it is, and gives its text.
    pub fn value(&mut self) -> Option<&'a str> {
        let first = self.peek()?;
        let start = self.at;
        match first {
            b'"' => self.skip_string()?,
            b'[' | b'{' => self.skip_nested()?,
            _ => {
                let rest = &self.text.as_bytes()[start..];
                let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b':') || *byte <= b' ';
                self.at += rest.iter().position(ends).unwrap_or(rest.len());
            }
        }
        self.text.get(start..self.at).filter(|value| !value.is_empty())
    }

    /// Consumes the next value if it is a string, and gives its contents.
    pub fn string(&mut self) -> Option<Cow<'a, str>> {
        if self.peek()? != b'"' {
            return None;
        }
        let start = self.at;
        self.skip_string()?;
        let inner = self.text.get(start + 1..self.at - 1)?;
        if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
            return Some(Cow::Borrowed(inner));
        }
        serde_json::from_str(self.text.get(start..self.at)?).ok().map(Cow::Owned)
    }

    /// Consumes the next value if it is a whole number that is not negative, or null.
    pub fn count(&mut self) -> Option<Option<u64>> {
        match self.value()? {
            "null" => Some(None),
            number => number.parse().ok().map(Some),
        }
    }

    pub fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Moves behind the string that begins here.
    #[inline]
    fn skip_string(&mut self) -> Option<()> {
        let bytes = self.text.as_bytes();
        let mut at = self.at + 1;
        loop {
            at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
            if bytes[at] == b'"' {
                self.at = at + 1;
                return Some(());
            }
            at += 2;
        }
    }

    /// Moves behind the array or the object that begins here.
    fn skip_nested(&mut self) -> Option<()> {
        let mut depth = 0usize;
        loop {
            match *self.text.as_bytes().get(self.at)? {
                b'"' => {
                    self.skip_string()?;
                    continue;
                }
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    #[test]
    fn values_are_separated() {
        let mut scan = Scanner::new(r#" [ 12 ,null,"a\"]",{"x":["}"]} ] "#);
        assert!(scan.take(b'['));
        assert_eq!(scan.count(), Some(Some(12)));
        assert!(scan.take(b','));
        assert_eq!(scan.count(), Some(None));
        assert!(scan.take(b','));
        assert_eq!(scan.string().unwrap(), "a\"]");
        assert!(scan.take(b','));
        assert_eq!(scan.value(), Some(r#"{"x":["}"]}"#));
        assert!(!scan.take(b','));
        assert!(scan.take(b']'));
        assert!(scan.is_at_end());
    }

    #[test]
    fn a_truncated_value_is_none() {
        for text in ["", "[", "[1", "\"a", "\"a\\", "{\"a\":[}", ","] {
            assert_eq!(Scanner::new(text).value(), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_value_comes_back(texts in proptest::collection::vec(".*", 0..4), number: i64) {
            let value = json!({ "texts": texts, "number": number, "none": null });
            let written = format!("{value},{value}");
            let mut scan = Scanner::new(&written);
            for _ in 0..2 {
                let json: Json = serde_json::from_str(scan.value().unwrap()).unwrap();
                prop_assert_eq!(&json, &value);
                scan.take(b',');
            }
            for text in &texts {
                let written = json!(text).to_string();
                prop_assert_eq!(Scanner::new(&written).string().unwrap(), text.as_str());
            }
        }
    }
}
