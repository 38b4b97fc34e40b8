//! Every difference as a CSV row, streamed from the store.

use std::collections::BTreeMap;
use std::io::Write;

use crate::diagnostic::{Code, Problem};
use crate::domain::{Cells, Layout, Matched, Side, evidence, key, metadata};
use crate::store::{RunRow, Store, StoredDifference, StoredRecord};

use super::cells::CellWriter;
use super::deciders::{Deciders, Decision};
use super::details::{AmountFields, delta};
use super::reasoning::Reasoning;
use super::{field_name, unwritable};

/// Named like the columns of the tables; [`super::cells::ESCAPED`] follows.
pub const COLUMNS: [&str; 21] = [
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
    "delta",
    "amount",
    "currency",
    "date",
    "checker",
    "authorizer",
    "comment",
];

/// With open items: the date since when the record is open.
const OPEN_SINCE: &str = "open_since";

/// Writes one row per difference, in record order. `bom` adds a byte order mark, without which
/// Excel assumes the system's encoding.
pub fn write_csv(
    store: &dyn Store,
    run: &RunRow,
    bom: bool,
    out: &mut dyn Write,
) -> Result<(), Problem> {
    if bom {
        out.write_all("\u{feff}".as_bytes()).map_err(|error| unwritable(&error))?;
    }
    let deciders = Deciders::read(store, run)?;
    let functional: BTreeMap<String, bool> = store
        .attribution_counts(run.id)?
        .into_iter()
        .map(|count| (count.reason, count.functional))
        .collect();
    let mut rows = Rows::new(run, functional, deciders, out)?;
    store.each_difference(run.id, &mut |difference, record| rows.write(difference, record))?;
    rows.writer.flush()
}

struct Rows<'a> {
    writer: CellWriter<&'a mut dyn Write>,
    has_since: bool,
    date: String,
    run: String,
    layout: &'a Layout,
    functional: BTreeMap<String, bool>,
    deciders: Deciders,
    references: References,
}

impl<'a> Rows<'a> {
    fn new(
        run: &'a RunRow,
        functional: BTreeMap<String, bool>,
        deciders: Deciders,
        out: &'a mut dyn Write,
    ) -> Result<Self, Problem> {
        Ok(Self {
            writer: match run.metadata.get(metadata::OPEN_ITEMS) {
                Some(_) => CellWriter::new(out, &[&COLUMNS[..], &[OPEN_SINCE]].concat())?,
                None => CellWriter::new(out, &COLUMNS)?,
            },
            has_since: run.metadata.get(metadata::OPEN_ITEMS).is_some(),
            date: run.batch_date.to_string(),
            run: run.id.to_string(),
            layout: &run.layout,
            functional,
            deciders,
            references: References::of_run(run),
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
        let delta = delta(self.layout, difference).map(|delta| delta.to_string());
        let [amount, currency, date] = &self.references.worth;
        let nobody = Decision::default();
        let decision = self.deciders.decision(difference.number).unwrap_or(&nobody);
        let mut cells: Vec<&str> = vec![
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
            decided.map_or("", |decided| self.deciders.name(decided.assigned_by)),
            &note,
            delta.as_deref().unwrap_or_default(),
            amount,
            currency,
            date,
            &decision.checker,
            &decision.authorizer,
            &decision.comment,
        ];
        if self.has_since {
            cells.push(self.references.open_since.as_deref().unwrap_or(&self.date));
        }
        self.writer.row(&cells)
    }
}

/// A record's references and worth, shared by its consecutive differences.
#[derive(Default)]
pub(super) struct References {
    from: AmountFields,
    /// Amount, currency and date of side A, else of B.
    pub(super) worth: [String; 3],
    record: Option<u64>,
    pub(super) a: String,
    pub(super) b: String,
    /// The date since when it is open, if that is an earlier one.
    pub(super) open_since: Option<String>,
    cells: Vec<u8>,
}

impl References {
    pub(super) fn of_run(run: &RunRow) -> Self {
        Self { from: AmountFields::of(run), ..Self::default() }
    }

    pub(super) fn of(&mut self, record: &StoredRecord<'_>, layout: &Layout) -> Result<(), Problem> {
        if self.record == Some(record.number) {
            return Ok(());
        }
        let matched: Option<Matched> =
            record.matched.and_then(|matched| serde_json::from_str(matched).ok());
        let name = |side: Side| matched.as_ref()?.reference(side).map(str::to_owned);
        let (name_a, name_b) = (name(Side::A), name(Side::B));
        self.b = self.read(record, record.b, layout)?;
        self.worth = self.from.read(&self.cells);
        self.a = self.read(record, record.a, layout)?;
        if record.a.is_some() {
            self.worth = self.from.read(&self.cells);
        }
        self.a = name_a.unwrap_or_else(|| std::mem::take(&mut self.a));
        self.b = name_b.unwrap_or_else(|| std::mem::take(&mut self.b));
        self.open_since = matched.as_ref().and_then(Matched::open_since).map(str::to_owned);
        self.record = Some(record.number);
        Ok(())
    }

    fn read(
        &mut self,
        record: &StoredRecord<'_>,
        side: Option<&str>,
        layout: &Layout,
    ) -> Result<String, Problem> {
        self.cells.clear();
        let Some(json) = side else { return Ok(String::new()) };
        evidence::read(layout, json, &mut self.cells).map_err(|error| {
            Problem::new(
                Code::EvidenceUnreadable,
                format!("can't read the evidence of record {}: {error}", record.number),
            )
        })?;
        Ok(key::reference(Cells::new(&self.cells), layout.key_len()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::domain::{DiffType, FieldRef, Severity, Status};
    use crate::store::RecordKind;
    use crate::store::run::StoredAttribution;

    #[test]
    fn a_difference_is_a_row_and_formulas_are_escaped() {
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
            matched: None,
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
        let mut rows = Rows::new(&run, functional, Deciders::default(), &mut out).unwrap();
        rows.write(&amount, &record).unwrap();
        rows.write(&entire, &missing).unwrap();
        drop(rows);
        let id = run.id;
        let expected = [
            format!("{},_escaped", COLUMNS.join(",")),
            format!(
                "{id},'=TX\\|1,'=TX\\|1,amount,NUMERIC_MISMATCH,MEDIUM,1.00,-1.005,ROUNDING_DIFF,\
                 true,0.95,ACCEPTED,RULE:attribute_rounding,\"half a cent, rounded\",\
                 -2.005,1.00,,,,,,source_a_ref_id source_b_ref_id"
            ),
            format!(
                "{id},,'=TX\\|1,ENTIRE_RECORD,MISSING_IN_SOURCE_A,HIGH,,EXISTS,,,,,,,,-1.005,,,,,,source_b_ref_id"
            ),
        ];
        assert_eq!(String::from_utf8(out).unwrap(), expected.join("\n") + "\n");
    }

    #[test]
    fn undecodable_evidence_is_an_inconsistency() {
        let run = sample::run();
        let record = StoredRecord {
            number: 7,
            kind: RecordKind::OnlyA,
            a: Some("[]"),
            b: None,
            place_a: None,
            place_b: None,
            partner_rejected: false,
            matched: None,
        };
        let problem = References::default().of(&record, &run.layout).unwrap_err();
        assert_eq!(problem.class, crate::diagnostic::Class::Inconsistent);
        assert!(problem.message.contains("record 7"));
    }
}
