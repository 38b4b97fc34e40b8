//! Evidence: a row's cells as the JSON array that the store keeps, and back, without loss.
//!
//! The array has one element per field of the layout: text, decimals, dates and instants are JSON
//! strings, integers are numbers, booleans `true`/`false`, null is `null`, and an unparsable value
//! is `{"unparsed":"text"}`. The views of the store turn it into an object with field names.

use super::row::push_cell;
use super::{Cell, Cells, Date, Decimal, Instant, Kind, Layout};

/// Appends the cells as a JSON array.
pub fn write(cells: Cells<'_>, out: &mut String) {
    use std::fmt::Write as _;
    out.push('[');
    for (at, raw) in cells.enumerate() {
        if at > 0 {
            out.push(',');
        }
        // Writing into a String can't fail.
        let _ = match raw.decode(&mut [0; 36]) {
            Cell::Null => out.write_str("null"),
            Cell::Boolean(value) => write!(out, "{value}"),
            Cell::Integer(value) => write!(out, "{value}"),
            Cell::Text(text) => {
                write_json_string(text, out);
                Ok(())
            }
            Cell::Unparsed(text) => {
                out.push_str("{\"unparsed\":");
                write_json_string(text, out);
                out.write_str("}")
            }
            plain => write!(out, "\"{plain}\""),
        };
    }
    out.push(']');
}

/// Appends a whole number.
pub fn write_number(mut number: u64, out: &mut String) {
    let mut text = [0; 20];
    let mut at = text.len();
    loop {
        at -= 1;
        text[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.push_str(std::str::from_utf8(&text[at..]).unwrap_or_default());
}

/// Appends `text` as a JSON string literal.
pub fn write_json_string(text: &str, out: &mut String) {
    use std::fmt::Write as _;
    out.push('"');
    // One look at each byte without a branch: nearly no text needs an escape.
    let plain = |byte: u8| (byte >= 0x20) & (byte != b'"') & (byte != b'\\');
    if text.bytes().fold(true, |all, byte| all & plain(byte)) {
        out.push_str(text);
        out.push('"');
        return;
    }
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\')) {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            control => {
                let _ = write!(out, "\\u{control:04x}");
            }
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

/// Appends the cells of the JSON array `text` to `out`, typed by `layout`. The error says which
/// element does not fit: the store has been changed by another hand.
pub fn read(layout: &Layout, text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    let elements: Vec<&serde_json::value::RawValue> =
        serde_json::from_str(text).map_err(|error| format!("not a JSON array: {error}"))?;
    if elements.len() != layout.len() {
        return Err(format!("{} values for {} fields", elements.len(), layout.len()));
    }
    for (element, field) in elements.into_iter().zip(layout.fields()) {
        let json = element.get();
        let wrong = || format!("{json} is not a stored {} (field {})", field.kind, field.name);
        let string: String;
        let cell = match (json.as_bytes().first(), field.kind) {
            (Some(b'n'), _) => Cell::Null,
            (Some(b'{'), _) => {
                #[derive(serde::Deserialize)]
                struct Unparsed {
                    unparsed: String,
                }
                let value: Unparsed = serde_json::from_str(json).map_err(|_| wrong())?;
                string = value.unparsed;
                Cell::Unparsed(&string)
            }
            (Some(b't' | b'f'), Kind::Boolean) => Cell::Boolean(json == "true"),
            (_, Kind::Integer) => Cell::Integer(json.parse().map_err(|_| wrong())?),
            (Some(b'"'), kind) => {
                string = serde_json::from_str(json).map_err(|_| wrong())?;
                match kind {
                    Kind::Text => Cell::Text(&string),
                    Kind::Decimal => {
                        Cell::Decimal(Decimal::parse(string.as_bytes()).map_err(|_| wrong())?)
                    }
                    Kind::Date => Cell::Date(Date::parse_iso(string.as_bytes()).ok_or_else(wrong)?),
                    Kind::Datetime => {
                        Cell::Instant(Instant::parse_rfc3339_utc(&string).ok_or_else(wrong)?)
                    }
                    Kind::Integer | Kind::Boolean => return Err(wrong()),
                }
            }
            _ => return Err(wrong()),
        };
        push_cell(out, cell);
    }
    Ok(())
}

/// A record's side as the JSON object of `normalized_data_a`: field names from the layout.
pub fn object(layout: &Layout, cells: Cells<'_>) -> serde_json::Value {
    use serde_json::Value as Json;
    let entry = |(field, raw): (&super::Field, super::RawCell<'_>)| {
        let json = match raw.decode(&mut [0; 36]) {
            Cell::Null => Json::Null,
            Cell::Boolean(value) => Json::Bool(value),
            Cell::Integer(value) => serde_json::from_str(&value.to_string()).unwrap_or(Json::Null),
            Cell::Unparsed(text) => serde_json::json!({ "unparsed": text }),
            plain => Json::String(plain.to_string()),
        };
        (field.name.clone(), json)
    };
    Json::Object(layout.fields().iter().zip(cells).map(entry).collect())
}

#[cfg(test)]
mod tests {
    use super::super::{Field, Row};
    use super::*;
    use proptest::prelude::*;

    fn layout() -> Layout {
        let field = |kind: Kind| Field { name: kind.name().into(), kind };
        Layout::new(Kind::ALL.into_iter().map(field).collect(), 1)
    }

    fn round_trip(row: &Row) -> (String, Row) {
        let mut text = String::new();
        write(Cells::new(&row.cells), &mut text);
        let mut cells = Vec::new();
        read(&layout(), &text, &mut cells).unwrap();
        (text, Row { cells, ..Row::default() })
    }

    #[test]
    fn is_readable_json() {
        let row = Row::of([
            Cell::Text("a\"\u{1}ü"),
            Cell::Decimal(Decimal::new(150, 2).unwrap()),
            Cell::Integer(i128::MAX),
            Cell::Unparsed("31/31/2026"),
            Cell::Instant(Instant::new(0, 1_000)),
            Cell::Null,
        ]);
        let (text, back) = round_trip(&row);
        assert_eq!(
            text,
            r#"["a\"\u0001ü","1.50",170141183460469231731687303715884105727,{"unparsed":"31/31/2026"},"1970-01-01T00:00:00.000001Z",null]"#
        );
        assert_eq!(back, row);
    }

    #[test]
    fn a_foreign_hand_is_noticed() {
        for text in ["", "[]", "[1,2,3,4,5,6]", r#"["a","x",1,"2026-01-01",null,true]"#] {
            assert!(read(&layout(), text, &mut Vec::new()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn reads_back_exactly(text: String, coefficient: i64, scale in 0u8..=28, days in 0i32..2_900_000, truth: bool) {
            let row = Row::of([
                Cell::Text(&text),
                Cell::Decimal(Decimal::new(coefficient.into(), scale).unwrap()),
                Cell::Unparsed(&text),
                Cell::Date(Date::from_days(days)),
                Cell::Null,
                Cell::Boolean(truth),
            ]);
            prop_assert_eq!(round_trip(&row).1, row);
        }
    }
}
