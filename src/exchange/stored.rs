//! Reads the tables of a stored result: Parquet, as an engine writes it, or JSON lines, as `recon shard join`
//! does.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};

use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::record::Field;
use parquet::record::reader::RowIter;
use serde_json::value::RawValue;

use super::guarded::guarded;
use super::tables::Table;
use crate::diagnostic::{Code, Problem};

/// Columns that say which record a row is of, besides those of its table.
const PLACES: [&str; 4] = ["slot", "index", "record_number", "difference_number"];

#[derive(Clone, Debug, PartialEq)]
pub struct StoredRow {
    table: Table,
    places: [Option<i64>; PLACES.len()],
    values: Vec<Value>,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Null,
    Text(String),
    Whole(i64),
    Real(f64),
    Flag(bool),
}

impl StoredRow {
    fn new(table: Table) -> Self {
        let values = vec![Value::Null; table.columns().len()];
        Self { table, places: [None; PLACES.len()], values }
    }

    /// Keeps a value, if its column is one of the table's.
    fn set(&mut self, name: &str, value: Value) {
        let place = PLACES.iter().position(|place| *place == name);
        if let (Some(place), Value::Whole(number)) = (place, &value) {
            self.places[place] = Some(*number);
        }
        let mut columns = self.table.columns().iter();
        let slot = columns.position(|(column, _)| *column == name);
        if let Some(slot) = slot.and_then(|at| self.values.get_mut(at)) {
            *slot = value;
        }
    }

    /// Slot, and index in it.
    pub fn slot(&self) -> Option<(u32, u64)> {
        let [slot, index, ..] = self.places;
        Some((u32::try_from(slot?).ok()?, u64::try_from(index?).ok()?))
    }

    /// The number of its record, if it says one.
    pub fn record_number(&self) -> Option<u64> {
        let [.., record, difference] = self.places;
        u64::try_from(record.or(difference.map(|number| number >> 10))?).ok()
    }

    fn value(&self, name: &str) -> &Value {
        let at = self.table.columns().iter().position(|(column, _)| *column == name);
        at.and_then(|at| self.values.get(at)).unwrap_or(&Value::Null)
    }

    /// A text; none if it is null.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.value(name) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number that is not negative; none if it is null.
    pub fn count(&self, name: &str) -> Option<u64> {
        match self.value(name) {
            Value::Whole(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// A number; none if it is null.
    pub fn real(&self, name: &str) -> Option<f64> {
        match self.value(name) {
            Value::Real(number) => Some(*number),
            Value::Whole(number) => Some(*number as f64),
            _ => None,
        }
    }

    pub fn flag(&self, name: &str) -> bool {
        *self.value(name) == Value::Flag(true)
    }
}

/// The message for a panic of the library.
const SENSELESS: &str = "a length or a position in it makes no sense";

fn unreadable(path: &Path, error: impl std::fmt::Display) -> Problem {
    Problem::new(Code::ResultUnreadable, format!("the result can't be read: {error}")).in_file(path)
}

/// The rows of one file, in its order.
pub type Rows = Box<dyn Iterator<Item = Result<StoredRow, Problem>>>;

/// The rows that a file has of a table. Lines of JSON may hold rows of other tables too.
///
/// # Errors
/// The file can't be opened.
pub fn stored_rows(table: Table, path: &Path) -> Result<Rows, Problem> {
    let file = File::open(path).map_err(|error| unreadable(path, error))?;
    if path.extension().is_some_and(|extension| extension == "parquet") {
        let reader = guarded(|| SerializedFileReader::new(file))
            .ok_or_else(|| unreadable(path, SENSELESS))?
            .map_err(|error| unreadable(path, error))?;
        let schema = reader.metadata().file_metadata().schema();
        let has = |name: &str| schema.get_fields().iter().any(|field| field.name() == name);
        if let Some((lacks, _)) = table.columns().iter().find(|(name, _)| !has(name)) {
            return Err(unreadable(path, format!("it has no column `{lacks}`")));
        }
        let reader: Box<dyn FileReader> = Box::new(reader);
        let rows = RowIter::from_file_into(reader);
        return Ok(Box::new(ParquetRows { table, path: path.to_owned(), rows }));
    }
    let lines = BufReader::with_capacity(1 << 18, file).lines();
    Ok(Box::new(JsonRows { table, path: path.to_owned(), lines, line: 0 }))
}

struct ParquetRows {
    table: Table,
    path: PathBuf,
    rows: RowIter<'static>,
}

impl Iterator for ParquetRows {
    type Item = Result<StoredRow, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = match guarded(|| self.rows.next()) {
            Some(row) => match row? {
                Ok(row) => row,
                Err(error) => return Some(Err(unreadable(&self.path, error))),
            },
            None => return Some(Err(unreadable(&self.path, SENSELESS))),
        };
        let mut stored = StoredRow::new(self.table);
        for (name, field) in row.get_column_iter() {
            let value = match field {
                Field::Str(text) => Value::Text(text.clone()),
                Field::Bool(flag) => Value::Flag(*flag),
                Field::Int(number) => Value::Whole((*number).into()),
                Field::Long(number) => Value::Whole(*number),
                Field::Double(number) => Value::Real(*number),
                _ => Value::Null,
            };
            stored.set(name, value);
        }
        Some(Ok(stored))
    }
}

struct JsonRows {
    table: Table,
    path: PathBuf,
    lines: Lines<BufReader<File>>,
    line: u64,
}

impl JsonRows {
    fn read(&self, line: &str) -> Result<Option<StoredRow>, Problem> {
        let wrong = |error: String| {
            unreadable(&self.path, format!("line {} is no row of it: {error}", self.line))
        };
        type Object<'a> = HashMap<Cow<'a, str>, &'a RawValue>;
        let read = |text| serde_json::from_str::<Object<'_>>(text);
        let object = read(line).map_err(|error| wrong(error.to_string()))?;
        let is_nested = Table::ALL.iter().any(|table| {
            let value = object.get(table.name());
            value.is_some_and(|value| value.get().starts_with('{') || *table == Table::Counts)
        });
        let mut row = StoredRow::new(self.table);
        if is_nested {
            let Some(own) = object.get(self.table.name()) else { return Ok(None) };
            let own = read(own.get()).map_err(|error| wrong(error.to_string()))?;
            own.iter().for_each(|(name, value)| row.set(name, value_of(value.get())));
        }
        for (name, value) in &object {
            if !is_nested || PLACES.contains(&&**name) {
                row.set(name, value_of(value.get()));
            }
        }
        Ok(Some(row))
    }
}

/// A value from its JSON. Numbers are read here, because serde_json may miss the last bit of a float.
fn value_of(json: &str) -> Value {
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(json).map_or(Value::Null, Value::Text),
        Some(b't') => Value::Flag(true),
        Some(b'f') => Value::Flag(false),
        _ => match json.parse::<i64>() {
            Ok(number) => Value::Whole(number),
            Err(_) => json.parse().map_or(Value::Null, Value::Real),
        },
    }
}

impl Iterator for JsonRows {
    type Item = Result<StoredRow, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = match self.lines.next()? {
                Ok(line) => line,
                Err(error) => return Some(Err(unreadable(&self.path, error))),
            };
            self.line += 1;
            if line.trim().is_empty() {
                continue;
            }
            match self.read(&line) {
                Ok(Some(row)) => return Some(Ok(row)),
                Ok(None) => {}
                Err(problem) => return Some(Err(problem)),
            }
        }
    }
}
