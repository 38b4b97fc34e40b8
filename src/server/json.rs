//! Strict JSON from clients: no duplicate names, bounded depth, no NUL.

use crate::diagnostic::Code;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::error::Denied;

const DEPTH: usize = 32;

pub fn parse(bytes: &[u8]) -> Result<Value, Denied> {
    let malformed = |detail: String| Denied::new(Code::MalformedJson, detail);
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("the body is not UTF-8".into()))?;
    if too_deep(text) {
        return Err(malformed(format!("the body is nested deeper than {DEPTH} levels")));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Strict.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| malformed(format!("the body is not JSON: {error}")))
}

/// Counted in the text, so that deep nesting never reaches the parser's stack.
fn too_deep(text: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH {
            return true;
        }
    }
    false
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        if value.contains('\0') {
            return Err(E::custom("a NUL character in a text"));
        }
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Strict)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(Strict)?;
            if map.contains_key(&name) {
                return Err(de::Error::custom(format!("the name {name:?} stands twice")));
            }
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_names_depth_and_nul_are_refused() {
        assert_eq!(parse(br#"{"a":[1,-2,1.5,"x",null,true]}"#).unwrap()["a"][3], "x");
        for text in [
            "",
            "{",
            "{}{}",
            "{} x",
            r#"{"a":1,"a":2}"#,
            r#"{"a":{"b":1,"b":1}}"#,
            "NaN",
            "Infinity",
            r#"{"a":NaN}"#,
            r#""\ud800""#,
            "1e400",
            "\"\\u0000\"",
            "'a'",
            "[1,]",
            "// x\n{}",
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap_err().status, 400, "{text}");
        }
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(deep(DEPTH).as_bytes()).is_ok());
        assert!(parse(deep(DEPTH + 1).as_bytes()).is_err());
        assert!(parse("[".repeat(900_000).as_bytes()).is_err());
        assert!(parse(br#""[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[""#).is_ok());
        assert_eq!(parse(b"\xff").unwrap_err().status, 400);
        let huge = format!("{{\"a\":{}}}", "9".repeat(400));
        assert!(parse(huge.as_bytes()).is_err());
    }
}
