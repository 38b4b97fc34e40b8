//! The result of a run, for users and programs.
//!
//! A report only reads. Its figures come from the run's metadata and the store; contradictory
//! figures are an error and are never shown.

pub mod cells;
pub mod characters;
pub mod deciders;
pub mod details;
pub mod differences;
pub mod figures;
mod findings;
pub mod forecast;
mod html;
mod markdown;
mod paint;
pub mod reasoning;
#[cfg(test)]
pub(crate) mod sample;
pub mod statement;
mod summary;
mod text;
mod xlsx;
pub mod xlsx_table;

use std::fmt;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::str::FromStr;

use crate::diagnostic::{Code, Problem, nearest};
use crate::domain::metadata::{self, Seconds};
use crate::domain::{FieldRef, Layout, Stage, Status};
use crate::store::{Counts, RunRow, Store, StoredDifference, StoredRecord};

use differences::References;

pub use crate::domain::metadata::books_from_json;
pub use differences::write_csv;
pub use html::write_html;
pub use markdown::{write_markdown, write_statement_markdown};
pub use paint::Paint;
pub use summary::{REJECTED_SHOWN, ReasonCount, Records, RejectedSample, Summary};
pub use text::{write_statement, write_text};
pub use xlsx::write_xlsx;

/// Why there is no statement.
const NO_STATEMENT: &str =
    "There is no statement: the run has no amounts of fields with `monetary: true`.";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Md,
    /// The summary as one JSON object.
    Json,
    Csv,
    Html,
    /// A workbook: figures, breaks, differences, rejected rows.
    Xlsx,
}

impl Format {
    /// Every format, in the order of the documentation.
    pub const ALL: [Self; 6] =
        [Self::Text, Self::Md, Self::Json, Self::Csv, Self::Html, Self::Xlsx];

    /// The name for `--format`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Md => "md",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Html => "html",
            Self::Xlsx => "xlsx",
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
                Problem::new(Code::UnknownFormat, format!("there is no report format `{text}`"));
            match nearest(text, names) {
                Some(name) => problem.help(format!("did you mean `{name}`?")),
                None => problem.help(format!("one of {}", names.join(", "))),
            }
        })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ReportData {
    pub summary: Summary,
    /// A difference to start with.
    pub example: Option<Example>,
    /// Amounts per field; empty unless requested.
    pub details: Vec<details::FieldDetails>,
    /// From A's balance to B's; empty unless requested.
    pub statements: statement::Statements,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The record's reference on a side that has it.
    pub reference: String,
    pub field: String,
    pub value_a: Option<String>,
    pub value_b: Option<String>,
}

impl ReportData {
    /// Reads the report on `run`. An unfinished run has no report, and contradictory figures are an
    /// inconsistency.
    pub fn load(store: &dyn Store, run: &RunRow) -> Result<Self, Problem> {
        Self::of(store, run, summary(store, run, None)?)
    }

    /// Also reads the amounts per field, which visits every difference of the run.
    pub fn load_with_details(store: &dyn Store, run: &RunRow) -> Result<Self, Problem> {
        let mut data = Self::load(store, run)?;
        if data.summary.differences.total > 0 {
            data.details = details::read(store, run)?;
        }
        if !data.summary.money.is_empty() {
            data.statements = statement::read(store, run, &data.summary)?;
        }
        Ok(data)
    }

    /// With the statement alone, or the reason why there is none.
    pub fn load_with_statement(store: &dyn Store, run: &RunRow) -> Result<Self, Problem> {
        let mut data = Self::load(store, run)?;
        data.statements = statement::read(store, run, &data.summary)?;
        Ok(data)
    }

    /// Like [`Self::load`], for an existing summary.
    pub fn of(store: &dyn Store, run: &RunRow, summary: Summary) -> Result<Self, Problem> {
        let example = example(store, run, &summary)?;
        let statements = statement::Statements::default();
        Ok(Self { summary, example, details: Vec::new(), statements })
    }
}

/// The summary of a run. `known` has the counts of its stored differences; without it they are
/// counted. An unfinished run has no summary, and contradictory figures are an inconsistency.
pub fn summary(
    store: &dyn Store,
    run: &RunRow,
    known: Option<&Counts>,
) -> Result<Summary, Problem> {
    let counts = run.metadata.get(metadata::COUNTS).ok_or_else(|| {
        Problem::new(
            Code::RunWithoutResult,
            format!("run {} has no result: it is {}", run.id, run.status),
        )
        .help("`recon runs list` lists the runs with a result")
    })?;
    let books = books_from_json(counts).map_err(|error| {
        Problem::new(
            Code::BooksUnreadable,
            format!("can't read the counts of run {}: {error}", run.id),
        )
    })?;
    let attributed = run.stage == Some(Stage::Attributed);
    let counted = match known {
        Some(known) if attributed => known.clone(),
        _ if attributed => Counts {
            attributions: store.attribution_counts(run.id)?,
            gate: store.gate_counts(run.id)?,
        },
        _ => Counts::default(),
    };
    let gate = attributed.then_some(counted.gate);
    let seconds: Seconds = metadata::piece(&run.metadata, metadata::SECONDS).unwrap_or_default();
    let rejected = store.rejected(run.id, REJECTED_SHOWN)?;
    let summary =
        Summary::new(run, &books, &counted.attributions, gate, &seconds).with_rejected(&rejected);
    summary.proved()
}

/// Most differences that are searched for one that awaits review.
const MOST_CONSIDERED: u64 = 10_000;

/// An example: one of the first differences that awaits review, else the first.
fn example(store: &dyn Store, run: &RunRow, summary: &Summary) -> Result<Option<Example>, Problem> {
    if summary.differences.total == 0 {
        return Ok(None);
    }
    let mut choice = Choice::new(summary.awaiting() > 0);
    store.differences_until(run.id, &mut |difference, record| {
        choice.consider(&run.layout, difference, record)
    })?;
    Ok(choice.example)
}

struct Choice {
    want_awaiting: bool,
    considered: u64,
    example: Option<Example>,
}

impl Choice {
    const fn new(want_awaiting: bool) -> Self {
        Self { want_awaiting, considered: 0, example: None }
    }

    /// Breaks once a better example is unlikely.
    fn consider(
        &mut self,
        layout: &Layout,
        difference: &StoredDifference<'_>,
        record: &StoredRecord<'_>,
    ) -> Result<ControlFlow<()>, Problem> {
        self.considered += 1;
        let awaiting =
            difference.attribution.is_some_and(|decided| decided.status == Status::Unknown);
        if self.example.is_none() || awaiting {
            let mut references = References::default();
            references.of(record, layout)?;
            let reference = if references.a.is_empty() { references.b } else { references.a };
            self.example = Some(Example {
                reference,
                field: field_name(layout, difference.field).to_owned(),
                value_a: difference.value_a.map(str::to_owned),
                value_b: difference.value_b.map(str::to_owned),
            });
        }
        let is_settled = !self.want_awaiting || awaiting || self.considered >= MOST_CONSIDERED;
        Ok(if is_settled { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

fn field_name(layout: &Layout, field: FieldRef) -> &str {
    match field {
        FieldRef::EntireRecord => FieldRef::ENTIRE_RECORD,
        FieldRef::Field(at) => {
            layout.fields().get(usize::from(at)).map_or("", |field| field.name.as_str())
        }
    }
}

/// Writes the summary as one line of JSON.
pub fn write_json(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, summary)?;
    out.write_all(b"\n")
}

/// Writes the summary and the details as one line of JSON.
pub fn write_json_with_details(data: &ReportData, out: &mut dyn Write) -> io::Result<()> {
    let mut whole = serde_json::to_value(&data.summary)?;
    whole["details"] = serde_json::to_value(&data.details)?;
    whole["statement"] = serde_json::to_value(&data.statements.statement)?;
    whole["not_added"] = serde_json::to_value(&data.statements.not_added)?;
    serde_json::to_writer(&mut *out, &whole)?;
    out.write_all(b"\n")
}

pub fn unwritable(error: &io::Error) -> Problem {
    Problem::new(Code::OutputFailed, format!("can't write the result: {error}"))
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
        let problem = "tex2".parse::<Format>().unwrap_err();
        assert_eq!(problem.help.as_deref(), Some("did you mean `text`?"));
        let problem = "pdf".parse::<Format>().unwrap_err();
        assert_eq!(problem.help.as_deref(), Some("one of text, md, json, csv, html, xlsx"));
    }

    #[test]
    fn json_is_one_line() {
        let mut out = Vec::new();
        write_json(&sample::summary(), &mut out).unwrap();
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert!(out.ends_with(b"}\n"));
    }

    #[test]
    fn the_example_awaits_review_if_possible() {
        let run = sample::run();
        let record = StoredRecord {
            number: 1,
            kind: crate::store::RecordKind::OnlyB,
            a: None,
            b: Some(r#"["TX-1","ACME","1.00"]"#),
            place_a: None,
            place_b: None,
            partner_rejected: false,
            matched: None,
        };
        let decided = |status| crate::store::run::StoredAttribution {
            reason: "X",
            confidence: 0.5,
            status,
            assigned_by: "NONE",
            held_by_people: false,
            explanation: None,
        };
        let accepted = StoredDifference {
            number: 1,
            field: FieldRef::EntireRecord,
            diff_type: crate::domain::DiffType::MissingInSourceA,
            severity: crate::domain::Severity::High,
            value_a: None,
            value_b: Some("EXISTS"),
            attribution: Some(decided(Status::Accepted)),
        };
        let awaiting = StoredDifference {
            field: FieldRef::Field(2),
            attribution: Some(decided(Status::Unknown)),
            ..accepted
        };
        let mut any = Choice::new(false);
        assert!(any.consider(&run.layout, &accepted, &record).unwrap().is_break());
        assert_eq!(any.example.unwrap().field, "ENTIRE_RECORD");

        let mut waiting = Choice::new(true);
        assert!(waiting.consider(&run.layout, &accepted, &record).unwrap().is_continue());
        assert!(waiting.example.is_some());
        assert!(waiting.consider(&run.layout, &awaiting, &record).unwrap().is_break());
        let example = waiting.example.unwrap();
        assert_eq!((example.field.as_str(), example.reference.as_str()), ("amount", "TX-1"));
    }
}
