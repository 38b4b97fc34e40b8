//! The result of a run, for people and for programs.
//!
//! A report only reads: figures come from the run's metadata and the store, and a report whose
//! figures contradict each other is an error, never a page.

pub mod differences;
pub mod figures;
mod markdown;
mod paint;
#[cfg(test)]
pub(crate) mod sample;
mod summary;
mod text;

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use crate::diagnostic::{Problem, nearest};
use crate::domain::metadata::{self, Seconds};
use crate::store::{RowSink, RunRow, SqlValue, Store};

pub use crate::domain::metadata::{books_from_json, books_to_json};
pub use differences::write_csv;
pub use markdown::write_markdown;
pub use paint::{Paint, Painted};
pub use summary::{
    Attributions, BySource, Differences, GateCounts, REJECTED_SHOWN, ReasonCount, Records,
    RejectedSample, RuleCount, Summary,
};
pub use text::write_text;

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For a terminal.
    Text,
    /// Markdown with tables, as GitHub reads it.
    Md,
    /// The summary as one JSON object.
    Json,
    /// One row for each difference.
    Csv,
}

impl Format {
    /// Every format, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Text, Self::Md, Self::Json, Self::Csv];

    /// The name after `--format`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Md => "md",
            Self::Json => "json",
            Self::Csv => "csv",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let names = Self::ALL.map(Self::name);
        Self::ALL.into_iter().find(|format| format.name() == text).ok_or_else(|| {
            let problem =
                Problem::usage("unknown-format", format!("there is no report format `{text}`"));
            match nearest(text, names) {
                Some(name) => problem.help(format!("did you mean `{name}`?")),
                None => problem.help(format!("one of {}", names.join(", "))),
            }
        })
    }
}

/// What the pages for people show.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportData {
    /// The figures.
    pub summary: Summary,
    /// A difference to begin with.
    pub example: Option<Example>,
}

/// One difference of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The record's reference on a side that has it.
    pub reference: String,
    /// The field.
    pub field: String,
    /// The canonical text of side A.
    pub value_a: Option<String>,
    /// The canonical text of side B.
    pub value_b: Option<String>,
}

impl ReportData {
    /// Reads what a report on `run` shows. A run that did not get to its end has no report, and
    /// figures that contradict each other are an inconsistency.
    pub fn load(store: &dyn Store, run: &RunRow) -> Result<Self, Problem> {
        let counts = run.metadata.get(metadata::COUNTS).ok_or_else(|| {
            Problem::usage(
                "run-without-result",
                format!("run {} has no result: it is {}", run.id, run.status),
            )
            .help("`recon runs list` shows the runs that have one")
        })?;
        let books = books_from_json(counts).map_err(|error| {
            Problem::inconsistent(
                "books-unreadable",
                format!("the counts of run {} can't be read: {error}", run.id),
            )
        })?;
        let attributed = run.stage == Some(crate::domain::Stage::Attributed);
        let attributions =
            if attributed { store.attribution_counts(run.id)? } else { Vec::default() };
        let gate = if attributed { Some(store.gate_counts(run.id)?) } else { None };
        let seconds: Seconds =
            metadata::piece(&run.metadata, metadata::SECONDS).unwrap_or_default();
        let rejected = store.rejected(run.id, REJECTED_SHOWN)?;
        let summary =
            Summary::new(run, &books, &attributions, gate, &seconds).with_rejected(&rejected);
        let summary = summary.proved()?;
        let example = example(store, &summary)?;
        Ok(Self { summary, example })
    }
}

/// A difference that is worth a look: one that waits for people, else any.
fn example(store: &dyn Store, summary: &Summary) -> Result<Option<Example>, Problem> {
    if summary.differences.total == 0 {
        return Ok(None);
    }
    let run = &summary.run_id;
    let select = "SELECT r.source_a_ref_id, r.source_b_ref_id, d.field_name, d.value_a, d.value_b \
                  FROM recon.data_differences d JOIN recon.recon_records r \
                  ON r.run_id = d.run_id AND r.record_id = d.record_id";
    let mut first = First::default();
    if summary.awaiting() > 0 {
        store.query(
            &format!(
                "{select} JOIN recon.attributions t ON t.run_id = d.run_id AND t.diff_id = d.diff_id \
                 WHERE d.run_id = '{run}' AND t.run_id = '{run}' AND t.status = 'UNKNOWN' LIMIT 1"
            ),
            &mut first,
        )?;
    }
    if first.0.is_none() {
        store.query(&format!("{select} WHERE d.run_id = '{run}' LIMIT 1"), &mut first)?;
    }
    Ok(first.0)
}

/// Keeps the first row of an answer as an example.
#[derive(Default)]
struct First(Option<Example>);

impl RowSink for First {
    fn columns(&mut self, _: &[String]) -> Result<(), Problem> {
        Ok(())
    }

    fn row(&mut self, values: &[SqlValue]) -> Result<(), Problem> {
        let text = |at: usize| match values.get(at) {
            Some(SqlValue::Text(text)) => Some(text.clone()),
            _ => None,
        };
        if let (Some(reference), Some(field)) = (text(0).or_else(|| text(1)), text(2)) {
            self.0 = Some(Example { reference, field, value_a: text(3), value_b: text(4) });
        }
        Ok(())
    }
}

/// Writes the summary as one line of JSON.
pub fn write_json(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, summary)?;
    out.write_all(b"\n")
}

/// The problem of a result that could not be written.
pub fn unwritable(error: &io::Error) -> Problem {
    Problem::usage("output-failed", format!("the result could not be written: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_format_gets_a_suggestion() {
        for format in Format::ALL {
            assert_eq!(format.name().parse::<Format>().unwrap(), format);
        }
        let problem = "jsno".parse::<Format>().unwrap_err();
        assert_eq!(problem.to_string(), "there is no report format `jsno` (did you mean `json`?)");
        let problem = "html".parse::<Format>().unwrap_err();
        assert_eq!(problem.help.as_deref(), Some("one of text, md, json, csv"));
    }

    #[test]
    fn json_is_one_line() {
        let mut out = Vec::new();
        write_json(&sample::summary(), &mut out).unwrap();
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert!(out.ends_with(b"}\n"));
    }

    #[test]
    fn an_example_is_the_first_row_of_an_answer() {
        let text = |text: &str| SqlValue::Text(text.into());
        let mut first = First::default();
        first.columns(&[]).unwrap();
        first
            .row(&[SqlValue::Null, text("TX-1"), text("amount"), text("1"), SqlValue::Null])
            .unwrap();
        let example = first.0.unwrap();
        assert_eq!((example.reference.as_str(), example.value_b), ("TX-1", None));
    }
}
