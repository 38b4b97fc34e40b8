//! A list of a page as a file: CSV, a workbook, or JSON lines. Cells are escaped as in every export.

use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::report::xlsx_table::TableBook;
use crate::server::csv::Table;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::server::parameter::{Kind, Parameter};
use crate::server::runs::attachment;

use super::context::PageContext;

const FORMATS: [(&str, &str); 3] = [("csv", "CSV"), ("xlsx", "XLSX"), ("jsonl", "JSON lines")];

pub fn parameter() -> Parameter {
    let formats = FORMATS.iter().map(|(format, _)| *format).collect();
    Parameter::query("format", "The list as a file instead", Kind::One(formats))
}

/// Address and name of each file of the list at this address.
pub fn links(address: &str) -> Vec<(String, &'static str)> {
    let separator = if address.contains('?') { '&' } else { '?' };
    FORMATS.map(|(format, name)| (format!("{address}{separator}format={format}"), name)).to_vec()
}

/// The format of the file that was asked for instead of the page.
pub fn asked(context: &PageContext<'_>) -> Option<&'static str> {
    let asked = context.asked("format");
    FORMATS.iter().find(|(format, _)| *format == asked).map(|(format, _)| *format)
}

/// The rows as a file. `name` must be plain ASCII that no client chose.
pub fn response<T: Serialize>(format: &str, name: &str, rows: &[T]) -> Result<Response, Denied> {
    let failed = |error: &dyn std::fmt::Display| Denied::internal(format!("no file: {error}"));
    let rows: Vec<Map<String, Json>> = rows
        .iter()
        .filter_map(|row| match serde_json::to_value(row) {
            Ok(Json::Object(members)) => Some(members),
            _ => None,
        })
        .collect();
    let columns: Vec<&str> =
        rows.first().map_or_else(Vec::new, |row| row.keys().map(String::as_str).collect());
    let cells = |row: &Map<String, Json>| -> Vec<String> {
        columns.iter().map(|name| row.get(*name).map_or_else(String::new, cell)).collect()
    };
    let (media, bytes) = match format {
        "jsonl" => {
            let lines: Vec<String> =
                rows.iter().map(|row| format!("{}\n", Json::Object(row.clone()))).collect();
            ("application/x-ndjson", lines.concat().into_bytes())
        }
        "xlsx" => {
            let mut book = TableBook::new("List", &columns).map_err(|error| failed(&error))?;
            for row in &rows {
                book.row(&cells(row)).map_err(|error| failed(&error))?;
            }
            let media = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
            (media, book.finish().map_err(|error| failed(&error))?)
        }
        _ => {
            let mut bytes = Vec::new();
            let mut table =
                Table::new(&mut bytes, &columns, true).map_err(|error| failed(&error))?;
            for row in &rows {
                table.row(&cells(row)).map_err(|error| failed(&error))?;
            }
            table.finish().map_err(|error| failed(&error))?;
            ("text/csv; charset=utf-8", bytes)
        }
    };
    Ok(attachment(Response::with_body(200, media, bytes), &format!("{name}.{format}")))
}

fn cell(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Array(all) => all.iter().map(cell).collect::<Vec<_>>().join(", "),
        Json::Object(members) => {
            let pairs = members.iter().map(|(name, value)| format!("{name} {}", cell(value)));
            pairs.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}
