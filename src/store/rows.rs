//! Many rows at once, in one statement on PostgreSQL and by a prepared statement on SQLite.

use super::SqlValue;
use super::transact::{Dialect, Transaction};
use crate::coding::hex;
use crate::diagnostic::Problem;

/// A table that takes many rows.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name in the schema `recon`.
    pub name: &'static str,
    /// Its columns, with their types on PostgreSQL.
    pub columns: &'static [(&'static str, &'static str)],
}

/// Rows of a statement on PostgreSQL: enough to make round trips cheap.
const CHUNK: usize = 2_000;

/// Inserts rows, each with one value for every column.
///
/// # Errors
/// Errors of the store.
pub fn insert(
    tx: &mut dyn Transaction,
    table: &Table,
    rows: &[Vec<SqlValue>],
) -> Result<(), Problem> {
    if rows.is_empty() {
        return Ok(());
    }
    let names = table.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    if tx.dialect() == Dialect::Sqlite || rows.len() == 1 {
        let places = (1..=table.columns.len()).map(|at| format!("${at}"));
        let places = places.collect::<Vec<_>>().join(", ");
        let sql = format!("INSERT INTO recon.{} ({names}) VALUES ({places})", table.name);
        for row in rows {
            tx.execute(&sql, row)?;
        }
        return Ok(());
    }
    // One parameter holds all rows, so that the statement is the same for any number of them. A JSON
    // value travels as a string, which keeps its bytes.
    let typed = table.columns.iter().map(|(name, kind)| match *kind {
        "json" | "jsonb" | "bytea" => format!("{name} text"),
        kind => format!("{name} {kind}"),
    });
    let taken = table.columns.iter().map(|(name, kind)| match *kind {
        "json" | "jsonb" | "bytea" => format!("x.{name}::{kind}"),
        _ => format!("x.{name}"),
    });
    let sql = format!(
        "INSERT INTO recon.{} ({names}) SELECT {} FROM json_to_recordset($1::json) AS x ({})",
        table.name,
        taken.collect::<Vec<_>>().join(", "),
        typed.collect::<Vec<_>>().join(", ")
    );
    for chunk in rows.chunks(CHUNK) {
        let mut json = String::from("[");
        for row in chunk {
            json.push_str(if json.len() > 1 { ",{" } else { "{" });
            for (at, ((name, _), value)) in table.columns.iter().zip(row).enumerate() {
                if at > 0 {
                    json.push(',');
                }
                json.push_str(&format!("\"{name}\":{}", as_json(value)));
            }
            json.push('}');
        }
        json.push(']');
        tx.execute(&sql, &[SqlValue::Text(json)])?;
    }
    Ok(())
}

fn as_json(value: &SqlValue) -> serde_json::Value {
    match value {
        SqlValue::Null => serde_json::Value::Null,
        SqlValue::Integer(value) => (*value).into(),
        SqlValue::Real(value) => (*value).into(),
        SqlValue::Boolean(value) => (*value).into(),
        SqlValue::Text(text) => text.as_str().into(),
        SqlValue::Json(json) => json.to_string().into(),
        SqlValue::Blob(bytes) => format!("\\x{}", hex(bytes)).into(),
    }
}

/// Numbers as one parameter: a JSON array, for [`numbers_in`].
pub fn numbers(values: impl IntoIterator<Item = i64>) -> SqlValue {
    let texts: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    SqlValue::Text(format!("[{}]", texts.join(",")))
}

/// A set of the numbers of [`numbers`] at this parameter, for `IN`.
pub fn numbers_in(dialect: Dialect, parameter: &str) -> String {
    match dialect {
        Dialect::Sqlite => format!("(SELECT value FROM json_each({parameter}))"),
        Dialect::Postgres => {
            format!("(SELECT value::bigint FROM json_array_elements_text({parameter}::json))")
        }
    }
}

/// The condition that a column holds one of the numbers of a parameter.
pub fn is_among(dialect: Dialect, column: &str, parameter: &str) -> String {
    let numbers = numbers_in(dialect, parameter);
    match dialect {
        Dialect::Sqlite => format!("{column} IN {numbers}"),
        // The planner overestimates the list's length, and would read the whole table to look each row up in it.
        Dialect::Postgres => format!("{column} = ANY (ARRAY{numbers})"),
    }
}

/// Texts as one parameter: a JSON array.
pub fn texts<'a>(values: impl IntoIterator<Item = &'a str>) -> SqlValue {
    let texts: Vec<serde_json::Value> = values.into_iter().map(Into::into).collect();
    SqlValue::Text(serde_json::Value::Array(texts).to_string())
}

/// A set of the texts of [`texts`] at this parameter, for `IN`.
pub fn texts_in(dialect: Dialect, parameter: &str) -> String {
    match dialect {
        Dialect::Sqlite => format!("(SELECT value FROM json_each({parameter}))"),
        Dialect::Postgres => {
            format!("(SELECT value FROM json_array_elements_text({parameter}::json))")
        }
    }
}

/// A text, escaped for a pattern of `LIKE … ESCAPE '\\'`.
pub(super) fn literal(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// Parameters of a statement, from Rust values.
macro_rules! parameters {
    ($($value:expr),* $(,)?) => { [$($crate::store::SqlValue::from($value)),*] };
}
pub(crate) use parameters;
