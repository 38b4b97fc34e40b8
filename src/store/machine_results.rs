//! Digests of a run's automatic results, as one row of the audit trail with counts.
//!
//! Each command that publishes a run adds one row: INGEST, COMPARE or ATTRIBUTE. It holds a digest
//! ([`super::digest`]) of everything that the command wrote, taken while it was written:
//!
//! - `run`: the run's own row, without columns that change later ([`run_digest`]);
//! - `records`, `rejected`: the rows of these tables;
//! - `differences`: each difference's type, severity, values and amount, which never change;
//! - `explanations`: each difference's explanation and signature, which only the machine changes;
//! - `sha256`: the machine's decisions. A decision is the machine's while no user holds it: not locked,
//!   UNKNOWN or ACCEPTED, and given by a rule, by a model or by neither. With the trail one can take the
//!   machine's decision about an item from the first `previous_value` after this row.
//!
//! `digest` is the version of the format. Rows without it were written by earlier versions of recon; their `sha256`
//! is over one line for each decision: `number status reason confidence assigned_by`, separated by spaces and ended
//! by a line feed, the confidence as the shortest decimal that reads back as the same double.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crossbeam_channel::Sender;
use foldhash::HashMap;
use serde_json::{Value as Json, json};

use super::audit::Entry;
use super::chunk::Chunks;
use super::digest::{RowDigest, canonical, digits};
use super::rows::parameters;
use super::transact::{SqlRow, Transaction};
use super::{Batch, chunk, difference_number, publication, stored};
use crate::diagnostic::{Code, Problem};
use crate::domain::{AssignedBy, Stage, Status};

/// The present version of digests.
pub(super) const VERSION: u64 = 2;

/// A decision about an item.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Decision<'a> {
    pub number: u64,
    pub status: &'a str,
    pub reason: &'a str,
    pub confidence: f64,
    pub by: &'a str,
    pub functional: Option<bool>,
    pub version: i64,
    pub assigned_at: Option<&'a str>,
}

impl Decision<'_> {
    /// The bytes that it is among the machine's decisions, in this version of digests.
    pub fn bytes(&self, version: u64, out: &mut Vec<u8>) {
        let mut text = String::new();
        if version < 2 {
            let Self { number, status, reason, confidence, by, .. } = self;
            // Writing to a string never fails.
            let _ = writeln!(text, "{number} {status} {reason} {confidence} {by}");
            out.extend_from_slice(text.as_bytes());
            return;
        }
        let mut field = |field: Option<&[u8]>| {
            let length = field.map_or(u64::MAX, |field| field.len() as u64);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(field.unwrap_or_default());
        };
        let buffer = &mut [0; 20];
        field(Some(digits(self.number, buffer)));
        field(Some(self.status.as_bytes()));
        field(Some(self.reason.as_bytes()));
        if self.confidence == 1.0 {
            field(Some(b"1"));
        } else {
            let _ = write!(text, "{}", self.confidence);
            field(Some(text.as_bytes()));
        }
        field(Some(self.by.as_bytes()));
        match u64::try_from(self.version) {
            Ok(version) => field(Some(digits(version, buffer))),
            Err(_) => field(Some(self.version.to_string().as_bytes())),
        }
        field(self.functional.map(|functional| if functional { b"1" } else { b"0" }.as_slice()));
        field(self.assigned_at.map(str::as_bytes));
    }
}

/// True if the state of an item is the machine's, not people's.
pub(super) fn is_machines(status: Status, locked: bool, by: &str) -> bool {
    matches!(status, Status::Unknown | Status::Accepted)
        && !locked
        && !matches!(AssignedBy::parse(by), AssignedBy::Person(_))
}

/// Items that must come in the order of their numbers.
#[derive(Clone, Default)]
struct Ordered {
    digest: RowDigest,
    last: Option<u64>,
    is_disordered: bool,
}

impl Ordered {
    fn next(&mut self, number: u64) -> &mut RowDigest {
        self.is_disordered |= self.last.is_some_and(|last| last >= number);
        self.last = Some(number);
        &mut self.digest
    }
}

/// How often each of a few names occurs.
#[derive(Clone, Default)]
struct Counts(Vec<(&'static str, u64)>);

impl Counts {
    fn add(&mut self, name: &'static str) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => self.0.push((name, 1)),
        }
    }

    fn sorted(&self) -> BTreeMap<&'static str, u64> {
        self.0.iter().copied().collect()
    }
}

/// The machine's results, gathered as they are written, or read back.
#[derive(Clone, Default)]
pub(super) struct MachineResults {
    records: RowDigest,
    rejected: RowDigest,
    rejected_rows: u64,
    differences: Ordered,
    explanations: Ordered,
    decisions: Ordered,
    bytes: Vec<u8>,
    items: u64,
    held_by_people: u64,
    by_status: Counts,
    by_reason: HashMap<String, u64>,
    by_source: Counts,
}

/// A difference as its row has it.
struct Facts<'a> {
    number: u64,
    diff_type: u64,
    severity: u64,
    value_a: Option<&'a str>,
    value_b: Option<&'a str>,
    amount: Option<f64>,
    audit_sample: bool,
}

impl MachineResults {
    /// Adds a batch except for its records. `functional` says if a reason is explained by business.
    pub fn take(&mut self, batch: &Batch, functional: impl Fn(&str) -> Option<bool>) {
        for row in &batch.rejected {
            self.rejected_rows += 1;
            let clean = |text: &str| stored::clean(text).into_owned();
            self.rejected.number(self.rejected_rows);
            self.rejected.text(Some(&placed_side(row.side.name(), row.offset)));
            self.rejected.number(row.line);
            for text in [&row.code, &row.message, &row.text] {
                self.rejected.text(Some(&clean(text)));
            }
            self.rejected.text(row.key.as_deref().map(clean).as_deref());
        }
        for row in &batch.differences {
            let number = difference_number(row.record, row.field);
            self.add_facts(&Facts {
                number,
                diff_type: row.diff_type.code().into(),
                severity: row.severity.code().into(),
                value_a: row.value_a.map(|text| batch.text(text)),
                value_b: row.value_b.map(|text| batch.text(text)),
                amount: row.amount_abs,
                audit_sample: false,
            });
        }
        let given = batch
            .differences
            .iter()
            .filter_map(|row| Some((difference_number(row.record, row.field), row.attribution?)));
        let decided = batch.decisions.iter().map(|row| (row.number, row.attribution));
        for (number, given) in given.chain(decided) {
            let reason = batch.text(given.reason);
            let signature = given.signature.map(|(key, _)| batch.text(key));
            self.add_explanation(number, given.explanation.map(|text| batch.text(text)), signature);
            self.add_decision(
                given.status,
                &Decision {
                    number,
                    status: given.status.name(),
                    reason,
                    confidence: given.confidence.get(),
                    by: batch.text(given.assigned_by),
                    functional: functional(reason),
                    version: 1,
                    assigned_at: None,
                },
            );
        }
    }

    /// Makes rows of the records of a batch, which go to `rows`, and takes all of it in: for a thread beside the one that
    /// waits for the store.
    pub fn take_while_stored(
        &mut self,
        batch: &Batch,
        chunks: &mut Chunks,
        rows: Sender<(u64, String)>,
        functional: impl Fn(&str) -> Option<bool>,
    ) {
        let made = chunks.add(&batch.records, |chunk, text| {
            self.take_records(chunk, &text);
            rows.send((chunk, text))
        });
        drop(rows);
        // Otherwise the writer has failed.
        if made.is_ok() {
            self.take(batch, functional);
        }
    }

    /// Takes in a row of records as it is stored.
    pub fn take_records(&mut self, chunk: u64, text: &str) {
        self.records.number(chunk);
        self.records.text(Some(text));
    }

    fn add_facts(&mut self, facts: &Facts<'_>) {
        let digest = self.differences.next(facts.number);
        digest.number(facts.number).number(facts.diff_type).number(facts.severity);
        digest.text(facts.value_a).text(facts.value_b);
        digest.text(facts.amount.map(|amount| amount.to_string()).as_deref());
        digest.number(facts.audit_sample.into());
    }

    fn add_explanation(&mut self, number: u64, explanation: Option<&str>, signature: Option<&str>) {
        self.explanations.next(number).number(number).text(explanation).text(signature);
    }

    fn add_decision(&mut self, status: Status, decision: &Decision<'_>) {
        self.bytes.clear();
        decision.bytes(VERSION, &mut self.bytes);
        self.decisions.next(decision.number).encoded(&self.bytes);
        self.items += 1;
        self.by_status.add(status.name());
        self.by_source.add(AssignedBy::source_of(decision.by));
        match self.by_reason.get_mut(decision.reason) {
            Some(count) => *count += 1,
            None => drop(self.by_reason.insert(decision.reason.to_owned(), 1)),
        }
    }

    /// The machine's decisions and explanations as they are in the store's table of items.
    pub fn read(tx: &mut dyn Transaction, table: &str, run_no: i64) -> Result<Self, Problem> {
        let sql = format!(
            "SELECT {COLUMNS} FROM recon.{table} d {JOINS} WHERE {} ORDER BY 1",
            tx.dialect().of_run("d", run_no)
        )
        .replace("NUMBER", &tx.dialect().number("d"));
        let mut results = Self::default();
        tx.query_each(&sql, &[], &mut |row| {
            let row = ItemRow::read(&row)?;
            results.add_facts(&row.facts());
            let Some(status) = row.status else { return Ok(()) };
            let signature = row.signature.as_deref();
            results.add_explanation(row.number, row.explanation.as_deref(), signature);
            if is_machines(status, row.locked, &row.by) {
                results.add_decision(status, &row.decision());
            } else {
                results.held_by_people += 1;
            }
            Ok(())
        })?;
        Ok(results)
    }

    /// These, if they came in their order; else those in the store's table of items.
    pub fn or_read(
        mut self,
        tx: &mut dyn Transaction,
        table: &str,
        run_no: i64,
    ) -> Result<Self, Problem> {
        let all = [&self.differences, &self.explanations, &self.decisions];
        if all.iter().any(|ordered| ordered.is_disordered) {
            let read = Self::read(tx, table, run_no)?;
            self = Self {
                records: self.records,
                rejected: self.rejected,
                rejected_rows: self.rejected_rows,
                ..read
            };
        }
        Ok(self)
    }

    /// Takes the run's records as they will be when those without a difference are gone.
    pub fn read_broken_records(
        &mut self,
        tx: &mut dyn Transaction,
        run_no: i64,
    ) -> Result<(), Problem> {
        self.records = RowDigest::default();
        let of_run = tx.dialect().of_run("d", run_no);
        let number = tx.dialect().number("d");
        let mut broken = std::collections::HashSet::new();
        tx.query_each(
            &format!(
                "SELECT DISTINCT ({number}) >> 10 FROM recon.difference_rows d WHERE {of_run}"
            ),
            &[],
            &mut |row| {
                broken.insert(row.count(0)?.cast_unsigned());
                Ok(())
            },
        )?;
        let sql = format!(
            "SELECT {number}, d.records FROM recon.record_rows d WHERE {of_run} ORDER BY 1"
        );
        tx.query_each(&sql, &[], &mut |row| {
            let at = row.count(0)?.cast_unsigned();
            let kept = chunk::only(at, &row.required(1)?, |record| broken.contains(&record))?;
            if let Some(text) = kept {
                self.take_records(at, &text);
            }
            Ok(())
        })
    }

    /// The row of the audit trail for a command that brought the run to this stage from `before`.
    /// `trimmed`: the records were read as they will be when the matched ones are gone.
    pub fn entry(
        self,
        tx: &mut dyn Transaction,
        run_no: i64,
        before: Option<Stage>,
        trimmed: bool,
    ) -> Result<Entry, Problem> {
        let rows = tx.query(
            "SELECT run_id, job, batch_date, (SELECT max(policy_version) FROM recon.policies), \
             status, stage, end_time, metadata ->> 'failure' \
             FROM recon.recon_runs WHERE run_no = $1",
            &parameters![run_no],
        )?;
        let run = rows
            .first()
            .ok_or_else(|| Problem::new(Code::RunGone, "a run vanished while it was published"))?;
        let run_id = run.required(0)?;
        let stage = run.text(5)?.and_then(|name| Stage::from_name(&name));
        let mut told = json!({
            "run_id": run_id,
            "job": run.required(1)?,
            "batch_date": run.required(2)?,
            "digest": VERSION,
            "stage": stage.map(Stage::name),
            "status": run.required(4)?,
            "end_time": run.text(6)?,
            "run": run_digest(tx, run_no)?,
        });
        let mut more = |name: &str, value: Json| {
            if let Json::Object(told) = &mut told {
                told.insert(name.to_owned(), value);
            }
        };
        let compares = before < Some(Stage::Compared) && stage >= Some(Stage::Compared);
        if let Some(failure) = run.text(7)? {
            // Of an earlier command; the run's row keeps it.
            more("failure", failure.into());
        }
        if before.is_none() {
            more("rejected", self.rejected.finish().into());
        }
        if before.is_none() || trimmed {
            more("records", self.records.finish().into());
        }
        if compares {
            more("differences", self.differences.digest.finish().into());
        }
        if stage == Some(Stage::Attributed) {
            more("explanations", self.explanations.digest.finish().into());
            more("items", self.items.into());
            more("held_by_people", self.held_by_people.into());
            more("by_status", json!(self.by_status.sorted()));
            more("by_reason", json!(BTreeMap::from_iter(self.by_reason)));
            more("by_source", json!(self.by_source.sorted()));
            more("sha256", self.decisions.digest.finish().into());
        }
        Ok(Entry {
            entity_type: "run".to_owned(),
            entity_id: run_id,
            stage: "SYSTEM".to_owned(),
            action_type: action_of(stage).to_owned(),
            new_value: Some(told.to_string()),
            policy_version: run.integer(3)?,
            ..Entry::default()
        })
    }
}

/// The action of a command that brings a run to this stage.
const fn action_of(stage: Option<Stage>) -> &'static str {
    match stage {
        Some(Stage::Attributed) => "ATTRIBUTE",
        Some(Stage::Compared) => "COMPARE",
        Some(Stage::Ingested) | None => "INGEST",
    }
}

/// The columns of [`ItemRow`], where `d` is the table of items; NUMBER stands for its number within the run.
pub(super) const COLUMNS: &str = "NUMBER, d.diff_type, d.severity, d.value_a, d.value_b, \
     d.amount_abs, d.audit_sample, d.explanation, s.signature, d.status, c.code, d.confidence, \
     d.is_locked, d.version, w.name, d.functional, d.assigned_at, d.signature_id";
/// The joins that [`COLUMNS`] needs.
pub(super) const JOINS: &str = "LEFT JOIN recon.reason_codes c ON c.reason_id = d.reason_id \
     LEFT JOIN recon.assigners w ON w.assigner_id = d.assigner_id \
     LEFT JOIN recon.signatures s ON s.signature_id = d.signature_id";

/// An item with everything that its row has.
#[derive(Clone, Debug, Default)]
pub(super) struct ItemRow {
    pub number: u64,
    diff_type: u64,
    severity: u64,
    value_a: Option<String>,
    value_b: Option<String>,
    pub amount: Option<f64>,
    audit_sample: bool,
    explanation: Option<String>,
    signature: Option<String>,
    pub status: Option<Status>,
    pub reason: String,
    pub confidence: f64,
    pub locked: bool,
    pub version: i64,
    pub by: String,
    pub functional: Option<bool>,
    pub assigned_at: Option<String>,
    pub signature_id: i64,
}

impl ItemRow {
    /// Reads [`COLUMNS`].
    pub fn read(row: &SqlRow) -> Result<Self, Problem> {
        let count = |at: usize| row.count(at).map(i64::cast_unsigned);
        Ok(Self {
            number: count(0)?,
            diff_type: count(1)?,
            severity: count(2)?,
            value_a: row.text(3)?,
            value_b: row.text(4)?,
            amount: row.real(5)?,
            audit_sample: row.boolean(6)?,
            explanation: row.text(7)?,
            signature: row.text(8)?,
            status: row
                .integer(9)?
                .and_then(|code| u8::try_from(code).ok())
                .and_then(Status::from_code),
            reason: row.text(10)?.unwrap_or_default(),
            confidence: row.real(11)?.unwrap_or_default(),
            locked: row.boolean(12)?,
            version: row.count(13)?,
            by: row.text(14)?.unwrap_or_default(),
            functional: row.integer(15)?.map(|value| value != 0),
            assigned_at: row.text(16)?,
            signature_id: row.integer(17)?.unwrap_or_default(),
        })
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            number: self.number,
            diff_type: self.diff_type,
            severity: self.severity,
            value_a: self.value_a.as_deref(),
            value_b: self.value_b.as_deref(),
            amount: self.amount,
            audit_sample: self.audit_sample,
        }
    }

    fn decision(&self) -> Decision<'_> {
        Decision {
            number: self.number,
            status: self.status.map_or("", Status::name),
            reason: &self.reason,
            confidence: self.confidence,
            by: &self.by,
            functional: self.functional,
            version: self.version,
            assigned_at: self.assigned_at.as_deref(),
        }
    }
}

/// The items of a run while they are read to be compared with the trail.
#[derive(Default)]
pub(super) struct ReadItems {
    results: MachineResults,
}

impl ReadItems {
    /// The next item, in the order of numbers.
    pub fn take(&mut self, row: &ItemRow) {
        self.results.add_facts(&row.facts());
        if row.status.is_some() {
            let signature = row.signature.as_deref();
            self.results.add_explanation(row.number, row.explanation.as_deref(), signature);
        }
    }

    /// The digests `differences` and `explanations`.
    pub fn finish(self) -> (String, String) {
        (self.results.differences.digest.finish(), self.results.explanations.digest.finish())
    }
}

/// The digest of a run's own row, without columns that change after a command has published it: the run that
/// superseded it (found again from the other runs), the end of a later command (`status`, `end_time`, the failure:
/// these are in the trail), pending trims, and the time of pruning.
pub(super) fn run_digest(tx: &mut dyn Transaction, run_no: i64) -> Result<String, Problem> {
    let rows = tx.query(
        "SELECT run_no, run_id, job, source_system_a, source_system_b, batch_date, start_time, \
         stage, total_records, total_differences, layout, key_length, record_prefix, \
         difference_prefix, attribution_prefix, ingested_at, compared_at, attributed_at, keep_all, \
         metadata FROM recon.recon_runs WHERE run_no = $1",
        &parameters![run_no],
    )?;
    let mut digest = RowDigest::default();
    if let Some(mut row) = rows.into_iter().next() {
        let metadata = row.0.pop();
        digest.answer(&row, &[10], 0);
        let text = match metadata {
            Some(super::SqlValue::Text(text) | super::SqlValue::Json(text)) => text,
            _ => String::new(),
        };
        let mut metadata: Json = serde_json::from_str(&text).unwrap_or_default();
        if let Json::Object(map) = &mut metadata {
            map.remove("pruned_at");
            map.remove("failure");
            map.remove("pruning");
        }
        digest.text(Some(&canonical(&metadata.to_string())));
    }
    Ok(digest.finish())
}

/// The digest `records` of a run as it is.
pub(super) fn records_digest(tx: &mut dyn Transaction, run_no: i64) -> Result<String, Problem> {
    let sql = format!(
        "SELECT {}, d.records FROM recon.record_rows d WHERE {} ORDER BY 1",
        tx.dialect().number("d"),
        tx.dialect().of_run("d", run_no)
    );
    let mut results = MachineResults::default();
    tx.query_each(&sql, &[], &mut |row| {
        results.take_records(row.count(0)?.cast_unsigned(), &row.required(1)?);
        Ok(())
    })?;
    Ok(results.records.finish())
}

/// The side of a rejected row and its place. Rows of earlier versions have no place: their digests stay.
fn placed_side(side: &str, place: u64) -> String {
    if place == 0 { side.to_owned() } else { format!("{side} {place}") }
}

/// The digest `rejected` of a run as it is.
pub(super) fn rejected_digest(tx: &mut dyn Transaction, run_no: i64) -> Result<String, Problem> {
    let sql = format!(
        "SELECT {}, CASE WHEN d.place = 0 THEN d.side ELSE d.side || ' ' || d.place END, d.line, d.code, d.message, d.text, d.key FROM recon.reject_rows d \
         WHERE {} ORDER BY 1",
        tx.dialect().number("d"),
        tx.dialect().of_run("d", run_no)
    );
    let mut digest = RowDigest::default();
    tx.query_each(&sql, &[], &mut |row| {
        digest.answer(&row, &[], 0);
        Ok(())
    })?;
    Ok(digest.finish())
}

/// Contents of the audit row about a pruned run: the number of differences kept, and the digests of the rest.
pub(super) fn pruned(tx: &mut dyn Transaction, run_no: i64, kept: u64) -> Result<Json, Problem> {
    if kept == 0 {
        return Ok(json!({ "kept_differences": 0 }));
    }
    let items = MachineResults::read(tx, publication::ITEMS, run_no)?;
    Ok(json!({
        "kept_differences": kept,
        "digest": VERSION,
        "records": records_digest(tx, run_no)?,
        "rejected": rejected_digest(tx, run_no)?,
        "differences": items.differences.digest.finish(),
        "explanations": items.explanations.digest.finish(),
    }))
}
