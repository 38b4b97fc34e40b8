//! Query results as a table, CSV or JSON, row by row, in bounded memory.
//!
//! CSV and JSON are for programs and keep values unchanged (`recon report --format csv` escapes
//! formulas). The table escapes control characters, which could steer a terminal.

use std::borrow::Cow;
use std::io::{self, Write};

use clap::ValueEnum;

use crate::diagnostic::Problem;
use crate::domain::{RunStatus, Stage};
use crate::report::figures::{clip, pad, visible, width};
use crate::report::{Paint, unwritable};
use crate::store::{RowSink, RunRow, SqlValue};

/// Rows that decide the column widths of a table.
const MEASURED: usize = 1000;
/// Maximum cell width on a terminal.
const CELL: usize = 60;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ResultFormat {
    /// Aligned columns for people
    #[default]
    Table,
    /// CSV with a header
    Csv,
    /// JSON array of objects
    Json,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableStyle {
    pub paint: Paint,
    /// Shortens long cells, which a terminal would wrap.
    pub clip: bool,
}

/// A sink that must be finished explicitly.
pub trait TableWriter: RowSink {
    /// Writes the buffered rows and returns the number of rows.
    fn finish(self: Box<Self>) -> Result<u64, Problem>;
}

pub fn answer<'w>(
    format: ResultFormat,
    out: &'w mut dyn Write,
    style: TableStyle,
) -> Box<dyn TableWriter + 'w> {
    match format {
        ResultFormat::Table => Box::new(Table {
            out,
            style,
            names: Vec::new(),
            first: Vec::new(),
            columns: None,
            rows: 0,
        }),
        ResultFormat::Csv => Box::new(Csv { writer: csv::Writer::from_writer(out), rows: 0 }),
        ResultFormat::Json => {
            Box::new(Json { out, names: Vec::new(), line: String::new(), rows: 0 })
        }
    }
}

/// A value as text; `None` for null.
fn text(value: &SqlValue) -> Option<Cow<'_, str>> {
    Some(match value {
        SqlValue::Null => return None,
        SqlValue::Integer(number) => number.to_string().into(),
        // The shortest text that reads back; `1e300` instead of three hundred digits.
        SqlValue::Real(number) => format!("{number:?}").into(),
        SqlValue::Boolean(truth) => truth.to_string().into(),
        SqlValue::Text(text) => text.into(),
        SqlValue::Json(json) => json.into(),
        SqlValue::Blob(bytes) => blob(bytes).into(),
    })
}

/// As PostgreSQL writes bytes.
fn blob(bytes: &[u8]) -> String {
    format!("\\x{}", crate::coding::hex(bytes))
}

struct Table<'w> {
    out: &'w mut dyn Write,
    style: TableStyle,
    names: Vec<String>,
    /// Buffered until the column widths are known.
    first: Vec<Vec<Shown>>,
    columns: Option<Vec<Column>>,
    rows: u64,
}

/// A cell as displayed; null has no text.
struct Shown {
    text: Option<String>,
    number: bool,
}

#[derive(Clone, Copy)]
struct Column {
    width: usize,
    right: bool,
}

impl Table<'_> {
    fn shown(&self, value: &SqlValue) -> Shown {
        let number = matches!(value, SqlValue::Integer(_) | SqlValue::Real(_));
        let text = text(value).map(|text| {
            let text = visible(&text);
            if self.style.clip { clip(&text, CELL).into_owned() } else { text.into_owned() }
        });
        Shown { text, number }
    }

    fn begin(&mut self) -> io::Result<()> {
        let rows = std::mem::take(&mut self.first);
        let column = |(at, name): (usize, &String)| {
            let cells = || rows.iter().filter_map(|row| row.get(at));
            let widest = cells().map(|cell| width(cell.text.as_deref().unwrap_or("NULL"))).max();
            let mut texts = cells().filter(|cell| cell.text.is_some()).peekable();
            Column {
                width: widest.unwrap_or(0).max(width(name)),
                right: texts.peek().is_some() && texts.all(|cell| cell.number),
            }
        };
        let columns: Vec<Column> = self.names.iter().enumerate().map(column).collect();
        let heading: Vec<String> = self
            .names
            .iter()
            .zip(&columns)
            .map(|(name, column)| pad(name, column.width, column.right))
            .collect();
        let heading = heading.join("  ");
        writeln!(self.out, "{}", self.style.paint.strong(heading.trim_end()))?;
        let rule: Vec<String> = columns.iter().map(|column| "─".repeat(column.width)).collect();
        writeln!(self.out, "{}", self.style.paint.dim(rule.join("  ")))?;
        for row in &rows {
            self.line(row, &columns)?;
        }
        self.columns = Some(columns);
        Ok(())
    }

    fn line(&mut self, row: &[Shown], columns: &[Column]) -> io::Result<()> {
        let last = row.len().saturating_sub(1);
        for (at, (cell, column)) in row.iter().zip(columns).enumerate() {
            if at > 0 {
                write!(self.out, "  ")?;
            }
            let text = cell.text.as_deref().unwrap_or("NULL");
            let spaces = column.width.saturating_sub(width(text));
            if column.right {
                write!(self.out, "{:spaces$}", "")?;
            }
            match cell.text {
                Some(_) => write!(self.out, "{text}")?,
                None => write!(self.out, "{}", self.style.paint.dim(text))?,
            }
            // No trailing spaces.
            if !column.right && at < last {
                write!(self.out, "{:spaces$}", "")?;
            }
        }
        writeln!(self.out)
    }
}

impl RowSink for Table<'_> {
    fn columns(&mut self, names: &[String]) -> Result<(), Problem> {
        self.names = names.iter().map(|name| visible(name).into_owned()).collect();
        Ok(())
    }

    fn row(&mut self, values: &[SqlValue]) -> Result<(), Problem> {
        self.rows += 1;
        let row: Vec<Shown> = values.iter().map(|value| self.shown(value)).collect();
        let written = match self.columns.take() {
            Some(columns) => {
                let written = self.line(&row, &columns);
                self.columns = Some(columns);
                written
            }
            None => {
                self.first.push(row);
                if self.first.len() >= MEASURED { self.begin() } else { Ok(()) }
            }
        };
        written.map_err(|error| unwritable(&error))
    }
}

impl TableWriter for Table<'_> {
    fn finish(mut self: Box<Self>) -> Result<u64, Problem> {
        if self.columns.is_none() && !self.names.is_empty() {
            self.begin().map_err(|error| unwritable(&error))?;
        }
        Ok(self.rows)
    }
}

struct Csv<'w> {
    writer: csv::Writer<&'w mut dyn Write>,
    rows: u64,
}

fn failed(error: csv::Error) -> Problem {
    unwritable(&error.into())
}

impl RowSink for Csv<'_> {
    fn columns(&mut self, names: &[String]) -> Result<(), Problem> {
        self.writer.write_record(names).map_err(failed)
    }

    fn row(&mut self, values: &[SqlValue]) -> Result<(), Problem> {
        self.rows += 1;
        for value in values {
            let text = text(value).unwrap_or_default();
            self.writer.write_field(text.as_bytes()).map_err(failed)?;
        }
        self.writer.write_record(None::<&[u8]>).map_err(failed)
    }
}

impl TableWriter for Csv<'_> {
    fn finish(mut self: Box<Self>) -> Result<u64, Problem> {
        self.writer.flush().map_err(|error| unwritable(&error))?;
        Ok(self.rows)
    }
}

struct Json<'w> {
    out: &'w mut dyn Write,
    /// The names as unique JSON strings.
    names: Vec<String>,
    line: String,
    rows: u64,
}

/// Makes names unique: the second `n` becomes `n_2`, because a JSON object can't repeat a name.
fn distinct(names: &[String]) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        let mut candidate = name.clone();
        let mut number = 2;
        // A later column may already have the generated name.
        while distinct.contains(&candidate) || (number > 2 && names.contains(&candidate)) {
            candidate = format!("{name}_{number}");
            number += 1;
        }
        distinct.push(candidate);
    }
    distinct
}

/// The value as JSON; a JSON document from the store is passed on unchanged, with all its digits.
fn json(value: &SqlValue) -> Cow<'_, str> {
    let value: serde_json::Value = match value {
        SqlValue::Json(json) => return json.into(),
        SqlValue::Null => serde_json::Value::Null,
        SqlValue::Integer(number) => (*number).into(),
        // JSON has no infinity; its name says more than null.
        SqlValue::Real(number) if !number.is_finite() => number.to_string().into(),
        SqlValue::Real(number) => (*number).into(),
        SqlValue::Boolean(truth) => (*truth).into(),
        SqlValue::Text(text) => text.as_str().into(),
        SqlValue::Blob(bytes) => blob(bytes).into(),
    };
    value.to_string().into()
}

impl RowSink for Json<'_> {
    fn columns(&mut self, names: &[String]) -> Result<(), Problem> {
        let names = distinct(names);
        self.names =
            names.into_iter().map(|name| serde_json::Value::from(name).to_string()).collect();
        Ok(())
    }

    fn row(&mut self, values: &[SqlValue]) -> Result<(), Problem> {
        use std::fmt::Write as _;
        self.line.clear();
        self.line.push_str(if self.rows == 0 { "[\n{" } else { ",\n{" });
        for (at, (name, value)) in self.names.iter().zip(values).enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let _ = write!(self.line, "{comma}{name}:{}", json(value));
        }
        self.line.push('}');
        self.rows += 1;
        self.out.write_all(self.line.as_bytes()).map_err(|error| unwritable(&error))
    }
}

impl TableWriter for Json<'_> {
    fn finish(self: Box<Self>) -> Result<u64, Problem> {
        let end: &[u8] = if self.rows == 0 { b"[]\n" } else { b"\n]\n" };
        self.out.write_all(end).map_err(|error| unwritable(&error))?;
        Ok(self.rows)
    }
}

/// Writes runs into a sink, one row each, to fit a terminal of 80 columns (`recon runs list`).
/// `short` has the run ids' unique prefixes.
pub fn runs(runs: &[RunRow], short: &[String], sink: &mut dyn RowSink) -> Result<(), Problem> {
    let names = ["run", "date", "state", "records", "differences", "job"];
    sink.columns(&names.map(str::to_owned))?;
    let whole = |count: u64| SqlValue::Integer(i64::try_from(count).unwrap_or(i64::MAX));
    // The space that the other columns leave.
    let widest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or_default();
    let others = widest(&mut short.iter().map(String::len))
        + "2026-01-15".len()
        + widest(&mut runs.iter().map(|run| state(run).len()).chain([names[2].len()]))
        + widest(
            &mut runs.iter().map(|run| run.total_records.to_string().len()).chain([names[3].len()]),
        )
        + names[4].len()
        + 2 * (names.len() - 1);
    let job = TERMINAL.saturating_sub(others).max(8);
    for (run, short) in runs.iter().zip(short) {
        sink.row(&[
            SqlValue::Text(short.clone()),
            SqlValue::Text(run.batch_date.to_string()),
            SqlValue::Text(state(run)),
            whole(run.total_records),
            whole(run.total_differences),
            SqlValue::Text(clip(&run.job, job).into_owned()),
        ])?;
    }
    Ok(())
}

const TERMINAL: usize = 80;

/// The state of a run in a few words.
pub fn state(run: &RunRow) -> String {
    let word = match (run.status, run.stage) {
        (RunStatus::Running, _) => "running",
        (RunStatus::Failed, None) => "failed",
        (_, Some(Stage::Attributed)) if run.superseded_by.is_some() => "superseded",
        (_, Some(Stage::Attributed)) => "current",
        (_, Some(Stage::Compared)) => "compared",
        (_, Some(Stage::Ingested)) => "ingested",
        (_, None) => "empty",
    };
    match run.status {
        RunStatus::CompletedWithErrors => format!("{word} + errors"),
        RunStatus::Failed if run.stage.is_some() => format!("{word}, then failed"),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn written(
        format: ResultFormat,
        style: TableStyle,
        names: &[&str],
        rows: &[&[SqlValue]],
    ) -> String {
        let mut out = Vec::new();
        let mut sink = answer(format, &mut out, style);
        sink.columns(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        for row in rows {
            sink.row(row).unwrap();
        }
        assert_eq!(sink.finish().unwrap(), rows.len() as u64);
        String::from_utf8(out).unwrap()
    }

    fn text(text: &str) -> SqlValue {
        SqlValue::Text(text.into())
    }

    const PLAIN: TableStyle = TableStyle { paint: Paint::Plain, clip: false };

    #[test]
    fn a_table_is_aligned_and_shows_null() {
        let rows: &[&[SqlValue]] = &[
            &[text("amount"), SqlValue::Integer(90), text("a\n漢")],
            &[text("é"), SqlValue::Null, SqlValue::Boolean(true)],
            &[SqlValue::Null, SqlValue::Real(1.5), SqlValue::Null],
        ];
        assert_eq!(
            written(ResultFormat::Table, PLAIN, &["field", "n", "x"], rows),
            "\
field      n  x
──────  ────  ─────
amount    90  a\\n漢
é       NULL  true
NULL     1.5  NULL
"
        );
        let colored = TableStyle { paint: Paint::Colored, clip: false };
        let shown = written(ResultFormat::Table, colored, &["n"], &[&[SqlValue::Null]]);
        assert!(shown.contains("\u{1b}[2mNULL\u{1b}[0m"), "{shown:?}");
    }

    #[test]
    fn long_cells_are_cut_only_on_a_terminal() {
        let long = text(&"x".repeat(200));
        let rows: &[&[SqlValue]] = &[&[long]];
        let cut = written(ResultFormat::Table, TableStyle { clip: true, ..PLAIN }, &["c"], rows);
        assert_eq!(cut.lines().last().unwrap(), format!("{}…", "x".repeat(CELL - 1)));
        let whole = written(ResultFormat::Table, PLAIN, &["c"], rows);
        assert_eq!(whole.lines().last().unwrap(), "x".repeat(200));
    }

    #[test]
    fn rows_after_the_measured_ones_are_written() {
        let row: &[SqlValue] = &[SqlValue::Integer(1), text("x")];
        let mut rows = vec![row; MEASURED + 1];
        let wide: &[SqlValue] = &[SqlValue::Integer(7_654_321), text("y")];
        rows.push(wide);
        let shown = written(ResultFormat::Table, PLAIN, &["n", "c"], &rows);
        assert_eq!(shown.lines().count(), MEASURED + 4);
        assert!(shown.ends_with("1  x\n1  x\n7654321  y\n"), "the last rows are missing");
    }

    #[test]
    fn csv_and_json_keep_values_as_they_are() {
        let values: &[SqlValue] = &[
            text("=a,\"b\"\u{1b}"),
            SqlValue::Null,
            SqlValue::Real(0.5),
            SqlValue::Json("{\"k\":[99999999999999999999999999999999999999]}".to_owned()),
            SqlValue::Blob(vec![0, 255]),
            SqlValue::Real(f64::INFINITY),
        ];
        let names = ["t", "n", "n", "j", "b", "r"];
        assert_eq!(
            written(ResultFormat::Csv, PLAIN, &names, &[values]),
            "t,n,n,j,b,r\n\"=a,\"\"b\"\"\u{1b}\",,0.5,\"{\"\"k\"\":[99999999999999999999999999999999999999]}\",\\x00ff,inf\n"
        );
        assert_eq!(
            written(ResultFormat::Json, PLAIN, &names, &[values, values]),
            "[\n{\"t\":\"=a,\\\"b\\\"\\u001b\",\"n\":null,\"n_2\":0.5,\"j\":{\"k\":[99999999999999999999999999999999999999]},\
             \"b\":\"\\\\x00ff\",\"r\":\"inf\"},\n{\"t\":\"=a,\\\"b\\\"\\u001b\",\"n\":null,\
             \"n_2\":0.5,\"j\":{\"k\":[99999999999999999999999999999999999999]},\"b\":\"\\\\x00ff\",\"r\":\"inf\"}\n]\n"
        );
    }

    #[test]
    fn an_empty_result_is_valid_in_every_format() {
        assert_eq!(written(ResultFormat::Json, PLAIN, &["n"], &[]), "[]\n");
        assert_eq!(written(ResultFormat::Csv, PLAIN, &["n"], &[]), "n\n");
        assert_eq!(written(ResultFormat::Table, PLAIN, &["name"], &[]), "name\n────\n");
    }

    #[test]
    fn repeated_column_names_become_unique() {
        let names = ["n", "n", "n_2", "n"].map(str::to_owned);
        assert_eq!(distinct(&names), ["n", "n_3", "n_2", "n_4"]);
    }

    #[test]
    fn runs_are_rows() {
        let mut out = Vec::new();
        let mut sink = answer(ResultFormat::Csv, &mut out, PLAIN);
        runs(&[sample::run()], &["019a7f3e-0000".to_owned()], sink.as_mut()).unwrap();
        sink.finish().unwrap();
        let shown = String::from_utf8(out).unwrap();
        let line = shown.lines().nth(1).unwrap();
        assert_eq!(line, "019a7f3e-0000,2026-01-15,current + errors,993,240,fx_trades_eod");
    }
}
