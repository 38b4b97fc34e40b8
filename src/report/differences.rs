//! Every difference as a row of CSV, streamed from the store.
//!
//! People open this file in a spreadsheet, and a spreadsheet takes a cell such as `=HYPERLINK(…)` for
//! a formula. Such cells begin with `'` here, and the last column names them, so that a program can
//! take the mark away again. Plain numbers are never touched.

use std::collections::BTreeMap;
use std::io::Write;

use crate::diagnostic::Problem;
use crate::domain::{Cells, Layout, evidence, key};
use crate::store::{RunRow, Store, StoredDifference, StoredRecord};

use super::reasoning::Reasoning;
use super::{field_name, unwritable};

/// The columns, named like those of the tables. The last one names the columns whose cell in this
/// row was marked, separated by spaces.
pub const COLUMNS: [&str; 15] = [
    "run_id",
    "source_a_ref_id",
    "source_b_ref_id",
    "field_name",
    "diff_type",
    "severity",
    "value_a",
    "value_b",
    "reason",
    "is_functional",
    "confidence_score",
    "status",
    "assigned_by",
    "note",
    "_escaped",
];

/// Writes every difference of the run, one row each, in the order of records.
pub fn write_csv(store: &dyn Store, run: &RunRow, out: &mut dyn Write) -> Result<(), Problem> {
    let functional: BTreeMap<String, bool> = store
        .attribution_counts(run.id)?
        .into_iter()
        .map(|count| (count.reason, count.functional))
        .collect();
    let mut rows = Rows::new(run, functional, out)?;
    store.each_difference(run.id, &mut |difference, record| rows.write(difference, record))?;
    rows.writer.flush().map_err(|error| unwritable(&error))
}

/// Writes rows; the buffers live as long as the file.
struct Rows<'a> {
    writer: csv::Writer<&'a mut dyn Write>,
    run: String,
    layout: &'a Layout,
    functional: BTreeMap<String, bool>,
    references: References,
    escaped: String,
}

impl<'a> Rows<'a> {
    fn new(
        run: &'a RunRow,
        functional: BTreeMap<String, bool>,
        out: &'a mut dyn Write,
    ) -> Result<Self, Problem> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(COLUMNS).map_err(failed)?;
        Ok(Self {
            writer,
            run: run.id.to_string(),
            layout: &run.layout,
            functional,
            references: References::default(),
            escaped: String::new(),
        })
    }

    fn write(
        &mut self,
        difference: &StoredDifference<'_>,
        record: &StoredRecord<'_>,
    ) -> Result<(), Problem> {
        self.references.of(record, self.layout)?;
        let field = field_name(self.layout, difference.field);
        let decided = difference.attribution;
        let reason = decided.map_or("", |decided| decided.reason);
        let functional = match self.functional.get(reason) {
            Some(true) => "true",
            Some(false) => "false",
            None => "",
        };
        let confidence = decided.map(|decided| decided.confidence.to_string()).unwrap_or_default();
        let note = decided.and_then(|decided| decided.explanation);
        let note = Reasoning::read(note).line();
        let cells: [&str; COLUMNS.len() - 1] = [
            &self.run,
            &self.references.a,
            &self.references.b,
            field,
            difference.diff_type.name(),
            difference.severity.name(),
            difference.value_a.unwrap_or_default(),
            difference.value_b.unwrap_or_default(),
            reason,
            functional,
            &confidence,
            decided.map_or("", |decided| decided.status.name()),
            decided.map_or("", |decided| decided.assigned_by),
            &note,
        ];
        self.escaped.clear();
        for (cell, name) in cells.iter().zip(COLUMNS) {
            if is_formula(cell) {
                self.writer.write_field(format!("'{cell}")).map_err(failed)?;
                if !self.escaped.is_empty() {
                    self.escaped.push(' ');
                }
                self.escaped.push_str(name);
            } else {
                self.writer.write_field(cell).map_err(failed)?;
            }
        }
        self.writer.write_field(&self.escaped).map_err(failed)?;
        self.writer.write_record(None::<&[u8]>).map_err(failed)
    }
}

/// The references of one record's sides; differences of one record come one after the other.
#[derive(Default)]
pub(super) struct References {
    record: Option<u64>,
    pub(super) a: String,
    pub(super) b: String,
    cells: Vec<u8>,
}

impl References {
    pub(super) fn of(&mut self, record: &StoredRecord<'_>, layout: &Layout) -> Result<(), Problem> {
        if self.record == Some(record.number) {
            return Ok(());
        }
        self.a = self.read(record, record.a, layout)?;
        self.b = self.read(record, record.b, layout)?;
        self.record = Some(record.number);
        Ok(())
    }

    fn read(
        &mut self,
        record: &StoredRecord<'_>,
        side: Option<&str>,
        layout: &Layout,
    ) -> Result<String, Problem> {
        let Some(json) = side else { return Ok(String::new()) };
        self.cells.clear();
        evidence::read(layout, json, &mut self.cells).map_err(|error| {
            Problem::inconsistent(
                "evidence-unreadable",
                format!("the evidence of record {} can't be read: {error}", record.number),
            )
        })?;
        Ok(key::reference(Cells::new(&self.cells), layout.key_len()))
    }
}

/// Whether a spreadsheet might take this text for a formula: it begins with `=`, `+`, `-`, `@` (or
/// their full-width forms), also behind what a spreadsheet strips, or with a tab or a carriage
/// return; and it is no plain number.
pub fn is_formula(text: &str) -> bool {
    if text.starts_with(['\t', '\r']) {
        return true;
    }
    let stripped = text.trim_start_matches(|character: char| {
        character.is_whitespace()
            || character.is_control()
            || matches!(character, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}')
    });
    stripped.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) && !is_number(text)
}

/// Whether the text is a number and nothing else: `-1`, `+100.50`, `1e5`.
fn is_number(text: &str) -> bool {
    fn digits(text: &str) -> &str {
        text.trim_start_matches(|character: char| character.is_ascii_digit())
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut rest = digits(unsigned);
    let mut seen = unsigned.len() - rest.len();
    if let Some(decimals) = rest.strip_prefix('.') {
        rest = digits(decimals);
        seen += decimals.len() - rest.len();
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        rest = digits(exponent);
        if exponent.len() == rest.len() {
            return false;
        }
    }
    seen > 0 && rest.is_empty()
}

fn failed(error: csv::Error) -> Problem {
    unwritable(&error.into())
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::domain::{DiffType, FieldRef, Severity, Status};
    use crate::store::RecordKind;
    use crate::store::run::StoredAttribution;
    use proptest::prelude::*;

    #[test]
    fn a_difference_is_a_row_and_formulas_are_marked() {
        let run = sample::run();
        let functional = [("ROUNDING_DIFF".to_owned(), true)].into();
        let record = StoredRecord {
            number: 1,
            kind: RecordKind::Pair,
            a: Some(r#"["=TX|1","ACME","1.00"]"#),
            b: Some(r#"["=TX|1","ACME","-1.005"]"#),
            place_a: None,
            place_b: None,
            partner_rejected: false,
        };
        let amount = StoredDifference {
            number: 1,
            field: FieldRef::Field(2),
            diff_type: DiffType::NumericMismatch,
            severity: Severity::Medium,
            value_a: Some("1.00"),
            value_b: Some("-1.005"),
            attribution: Some(StoredAttribution {
                reason: "ROUNDING_DIFF",
                confidence: 0.95,
                status: Status::Accepted,
                assigned_by: "RULE:attribute_rounding",
                held_by_people: false,
                explanation: Some(r#"{"notes":["half a cent,","rounded"]}"#),
            }),
        };
        let missing = StoredRecord { number: 2, kind: RecordKind::OnlyB, a: None, ..record };
        let entire = StoredDifference {
            number: 2,
            field: FieldRef::EntireRecord,
            diff_type: DiffType::MissingInSourceA,
            severity: Severity::High,
            value_a: None,
            value_b: Some("EXISTS"),
            attribution: None,
        };
        let mut out = Vec::new();
        let mut rows = Rows::new(&run, functional, &mut out).unwrap();
        rows.write(&amount, &record).unwrap();
        rows.write(&entire, &missing).unwrap();
        drop(rows);
        let id = run.id;
        let expected = [
            COLUMNS.join(","),
            format!(
                "{id},'=TX\\|1,'=TX\\|1,amount,NUMERIC_MISMATCH,MEDIUM,1.00,-1.005,ROUNDING_DIFF,\
                 true,0.95,ACCEPTED,RULE:attribute_rounding,\"half a cent, rounded\",\
                 source_a_ref_id source_b_ref_id"
            ),
            format!(
                "{id},,'=TX\\|1,ENTIRE_RECORD,MISSING_IN_SOURCE_A,HIGH,,EXISTS,,,,,,,source_b_ref_id"
            ),
        ];
        assert_eq!(String::from_utf8(out).unwrap(), expected.join("\n") + "\n");
    }

    #[test]
    fn foreign_evidence_is_an_inconsistency() {
        let run = sample::run();
        let record = StoredRecord {
            number: 7,
            kind: RecordKind::OnlyA,
            a: Some("[]"),
            b: None,
            place_a: None,
            place_b: None,
            partner_rejected: false,
        };
        let problem = References::default().of(&record, &run.layout).unwrap_err();
        assert_eq!(problem.class, crate::diagnostic::Class::Inconsistent);
        assert!(problem.message.contains("record 7"));
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_a_formula() {
        for text in [
            "=cmd|' /C calc'!A0",
            "+1-800",
            "-",
            "-1+1",
            "@SUM(A1)",
            "\tx",
            "\rx",
            "\t1",
            " =1",
            "\u{a0}=1",
            "\u{feff}=1",
            "＝1",
            "\n=1",
            "+.",
            "-1e",
            "- 1",
        ] {
            assert!(is_formula(text), "{text:?}");
        }
        for text in ["", "a=b", "1", "-1", "+100.50", "1e5", "-1E-5", "-.5", "'=1", "2026-01-15"] {
            assert!(!is_formula(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_never_touched(text in "[+-]?([0-9]{1,40}(\\.[0-9]{0,40})?|\\.[0-9]{1,9})([eE][+-]?[0-9]{1,3})?") {
            prop_assert!(!is_formula(&text));
        }

        #[test]
        fn every_number_of_ours_is_a_number(coefficient: i64, scale in 0u8..=28) {
            let text = crate::domain::Decimal::new(coefficient.into(), scale).unwrap().to_string();
            prop_assert!(!is_formula(&text));
        }

        #[test]
        fn a_marked_cell_is_safe(text in "[ \t\r\n=+@-]{1,3}.*") {
            let marked = format!("'{text}");
            prop_assert!(!is_formula(&marked));
        }
    }
}
