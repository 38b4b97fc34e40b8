//! Evidence: a row's cells as the JSON array that the store keeps, and back, without loss.
//!
//! The array has one element per field of the layout: text, decimals, dates and instants are JSON
//! strings, integers are numbers, booleans `true`/`false`, null is `null`, and an unparsable value
//! is `{"unparsed":"text"}`. The views of the store turn it into an object with field names.

use super::row::{Piece, push_cell};
use super::scan::Scanner;
use super::{Cell, Cells, Date, Decimal, Field, Instant, Kind, Layout, RawCell};

/// Appends the cells as a JSON array.
pub fn write(mut cells: Cells<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    while let Some(piece) = cells.next_piece() {
        out.push(b',');
        match piece {
            Piece::Cell(cell) => write_cell(cell, out),
            Piece::Code(code) => out.extend_from_slice(cells.codes().json(code)),
        }
    }
    match out.get_mut(start) {
        Some(first) => *first = b'[',
        None => out.push(b'['),
    }
    out.push(b']');
}

/// Appends a cell as an element of the array.
pub fn write_cell(raw: RawCell<'_>, out: &mut Vec<u8>) {
    use std::io::Write as _;
    let mut buffer = [0; 36];
    if let Some(text) = raw.text_bytes(&mut buffer) {
        return push_json_string(text, out);
    }
    // Writing into a vector can't fail.
    let _ = match raw.decode(&mut buffer) {
        Cell::Null => out.write_all(b"null"),
        Cell::Boolean(value) => write!(out, "{value}"),
        Cell::Integer(value) => write!(out, "{value}"),
        Cell::Unparsed(text) => {
            out.extend_from_slice(b"{\"unparsed\":");
            push_json_string(text.as_bytes(), out);
            out.write_all(b"}")
        }
        plain => {
            out.push(b'"');
            let (mut digits, mut day) = ([0; 24], [0; 10]);
            let text = match plain {
                Cell::Decimal(value) => value.plain(&mut digits),
                Cell::Date(date) => date.iso().map(|text| {
                    day = text;
                    day.as_slice()
                }),
                _ => None,
            };
            let _ = match text {
                Some(text) => out.write_all(text),
                None => write!(out, "{plain}"),
            };
            out.write_all(b"\"")
        }
    };
}

pub fn write_number(mut number: u64, out: &mut Vec<u8>) {
    let mut text = [0; 20];
    let count = number.checked_ilog10().unwrap_or_default() as usize + 1;
    let mut at = count;
    while at >= 2 {
        at -= 2;
        let two = (number % 100) as u8;
        number /= 100;
        (text[at], text[at + 1]) = (b'0' + two / 10, b'0' + two % 10);
    }
    if at > 0 {
        text[0] = b'0' + number as u8;
    }
    // Copied as a whole, and then cut: no call for a few bytes.
    let end = out.len() + count;
    out.extend_from_slice(&text);
    out.truncate(end);
}

/// Appends `text` as a JSON string literal.
pub fn write_json_string(text: &str, out: &mut String) {
    let mut bytes = Vec::with_capacity(text.len() + 2);
    push_json_string(text.as_bytes(), &mut bytes);
    out.push_str(&String::from_utf8_lossy(&bytes));
}

/// The same for UTF-8 bytes: only ASCII characters are escaped.
fn push_json_string(text: &[u8], out: &mut Vec<u8>) {
    use std::io::Write as _;
    out.push(b'"');
    // One look at each byte without a branch: nearly no text needs an escape.
    let plain = |byte: u8| (byte >= 0x20) & (byte != b'"') & (byte != b'\\');
    if text.iter().fold(true, |all, byte| all & plain(*byte)) {
        out.extend_from_slice(text);
        out.push(b'"');
        return;
    }
    for byte in text {
        let _ = match byte {
            b'"' => out.write_all(b"\\\""),
            b'\\' => out.write_all(b"\\\\"),
            b'\n' => out.write_all(b"\\n"),
            b'\r' => out.write_all(b"\\r"),
            b'\t' => out.write_all(b"\\t"),
            control @ ..0x20 => write!(out, "\\u{control:04x}"),
            plain => {
                out.push(*plain);
                Ok(())
            }
        };
    }
    out.push(b'"');
}

/// Appends the cells of the JSON array `text` to `out`, typed by `layout`. An element that does not
/// fit is an error: the store was changed by another program.
pub fn read(layout: &Layout, text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    let mut scan = Scanner::new(text);
    let cut = |at: usize| format!("not an array of {} values: {at} can be told", layout.len());
    for (at, field) in layout.fields().iter().enumerate() {
        if !scan.take(if at == 0 { b'[' } else { b',' }) {
            return Err(cut(at));
        }
        let first = scan.peek().ok_or_else(|| cut(at))?;
        if first == b'"' {
            let here = scan;
            let string = scan.string().ok_or_else(|| cut(at))?;
            match stored(&string, field.kind) {
                Some(cell) => push_cell(out, cell),
                None => return Err(misfit(here, field)),
            }
            continue;
        }
        let here = scan;
        let json = scan.value().ok_or_else(|| cut(at))?;
        match (first, field.kind) {
            (b'n', _) if json == "null" => push_cell(out, Cell::Null),
            (b't' | b'f', Kind::Boolean) => match json.parse() {
                Ok(value) => push_cell(out, Cell::Boolean(value)),
                Err(_) => return Err(misfit(here, field)),
            },
            (b'-' | b'0'..=b'9', Kind::Integer) => match json.parse() {
                Ok(value) => push_cell(out, Cell::Integer(value)),
                Err(_) => return Err(misfit(here, field)),
            },
            (b'{', _) => {
                #[derive(serde::Deserialize)]
                struct Unparsed {
                    unparsed: String,
                }
                match serde_json::from_str::<Unparsed>(json) {
                    Ok(value) => push_cell(out, Cell::Unparsed(&value.unparsed)),
                    Err(_) => return Err(misfit(here, field)),
                }
            }
            _ => return Err(misfit(here, field)),
        }
    }
    if (layout.is_empty() && !scan.take(b'[')) || !scan.take(b']') || !scan.is_at_end() {
        return Err(format!("more than {} values", layout.len()));
    }
    Ok(())
}

/// Decodes a stored string of a field of this kind.
fn stored(string: &str, kind: Kind) -> Option<Cell<'_>> {
    match kind {
        Kind::Text => Some(Cell::Text(string)),
        Kind::Decimal => Decimal::parse(string.as_bytes()).ok().map(Cell::Decimal),
        Kind::Date => Date::parse_iso(string.as_bytes()).map(Cell::Date),
        Kind::Datetime => Instant::parse_rfc3339_utc(string).map(Cell::Instant),
        Kind::Integer | Kind::Boolean => None,
    }
}

#[cold]
fn misfit(mut here: Scanner<'_>, field: &Field) -> String {
    let json = here.value().unwrap_or_default();
    format!("{json} is not a stored {} (field {})", field.kind, field.name)
}

/// A record's side as the JSON object of `normalized_data_a`: field names from the layout.
pub fn object(layout: &Layout, cells: Cells<'_>) -> serde_json::Value {
    use serde_json::Value as Json;
    let entry = |(field, raw): (&Field, RawCell<'_>)| {
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
    use super::super::Row;
    use super::*;
    use proptest::prelude::*;

    fn layout() -> Layout {
        let field = |kind: Kind| Field::new(kind.name(), kind);
        Layout::new(Kind::ALL.into_iter().map(field).collect(), 1)
    }

    fn round_trip(row: &Row) -> (String, Row) {
        let mut text = Vec::new();
        write(Cells::new(&row.cells), &mut text);
        let text = String::from_utf8(text).unwrap();
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

    #[test]
    fn a_number_is_its_digits() {
        for number in [0, 7, 10, 99, 100, 1_099_511_627_775, u64::MAX] {
            let mut out = b"a".to_vec();
            write_number(number, &mut out);
            assert_eq!(out, format!("a{number}").into_bytes());
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
