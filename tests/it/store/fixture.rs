//! A small run with every kind of record and difference, and ways to inspect it.

use std::str::FromStr as _;

use recon::diagnostic::Problem;
use recon::domain::gate::Gate;
use recon::domain::{
    Cell, Cells, Confidence, Date, Decimal, DiffType, Field, FieldRef, Instant, Kind, Layout,
    ReasonCode, Row, RunId, RunStatus, Severity, Side, Stage, Status,
};
use recon::store::{
    AttributionRow, Batch, DecisionRow, DifferenceRow, FinishRun, NewRun, PruneOrder, RecordKind,
    RecordRow, RejectedRow, RowSink, SqlValue, Store, difference_number,
};
use serde_json::{Value as Json, json};

pub fn layout() -> Layout {
    let fields = [
        ("id", Kind::Text),
        ("account", Kind::Integer),
        ("amount", Kind::Decimal),
        ("day", Kind::Date),
        ("at", Kind::Datetime),
        ("live", Kind::Boolean),
        ("note", Kind::Text),
    ];
    let field = |(name, kind): (&str, Kind)| Field::new(name, kind);
    Layout::new(fields.into_iter().map(field).collect(), 2)
}

pub const BIG: i128 = 170_141_183_460_469_231_731_687_303_715_884_105_727;

/// A row whose key is `id` and [`BIG`].
pub fn row(id: &str, amount: Cell<'_>, note: Cell<'_>) -> Row {
    Row::of([
        Cell::Text(id),
        Cell::Integer(BIG),
        amount,
        Cell::Date(Date::from_str("2026-01-15").unwrap()),
        Cell::Instant(Instant::new(1_768_435_200, 500_000_000)),
        Cell::Boolean(true),
        note,
    ])
}

pub fn amount(cents: i128) -> Cell<'static> {
    Cell::Decimal(Decimal::new(cents, 2).unwrap())
}

/// One record of the story: kind, sides, whether a row of the missing side was rejected.
pub struct StoredRecord {
    pub kind: RecordKind,
    pub a: Option<Row>,
    pub b: Option<Row>,
    pub partner_rejected: bool,
    pub gate: Option<Gate>,
}

/// The records, numbered from 1.
pub fn records() -> Vec<StoredRecord> {
    let note = Cell::Text("plain");
    let pair = |a: Row, b: Row, gate: Option<Gate>| StoredRecord {
        kind: RecordKind::Pair,
        a: Some(a),
        b: Some(b),
        partner_rejected: false,
        gate,
    };
    let single = |kind, a, b, partner_rejected| StoredRecord {
        kind,
        a,
        b,
        partner_rejected,
        gate: Some(Gate::Blocked),
    };
    vec![
        pair(row("T1", amount(100), note), row("T1", amount(100), note), None),
        // Odd texts: separator and escape in a key, quotes, control characters, NUL.
        pair(
            row("a|b\\c", amount(100), Cell::Text("\"q\"\u{1}\n ü \\u0000 \0")),
            row("a|b\\c", Cell::Decimal(Decimal::new(1_000, 3).unwrap()), Cell::Null),
            None,
        ),
        pair(row("T3", amount(100), note), row("T3", amount(101), note), Some(Gate::Passed)),
        single(RecordKind::OnlyA, Some(row("T4", amount(1), note)), None, true),
        single(RecordKind::OnlyB, None, Some(row("T5", amount(1), Cell::Null)), false),
        single(RecordKind::SurplusA, Some(row("T3", amount(100), note)), None, false),
        pair(
            row("T7", Cell::Unparsed("1,0,0"), note),
            row("T7", Cell::Null, Cell::Text("other")),
            Some(Gate::Blocked),
        ),
    ]
}

/// Record, field, type, severity, values, reason, confidence, status, assigned by.
type DifferenceFacts = (
    u64,
    FieldRef,
    DiffType,
    Severity,
    Option<&'static str>,
    Option<&'static str>,
    (&'static str, f64, Status, &'static str, Option<&'static str>),
);

/// The differences in the order of their numbers.
pub fn differences() -> Vec<DifferenceFacts> {
    let rounding = ("ROUNDING", 0.95, Status::Accepted, "RULE:attribute_rounding", None);
    let missing = ("MISSING_SOURCE_B", 1.0, Status::Accepted, "RULE:attribute_missing", None);
    let unknown = ("UNKNOWN", 0.0, Status::Unknown, "NONE", Some(r#"{"notes":["no rule"]}"#));
    let whole = FieldRef::EntireRecord;
    let exists = Some(FieldRef::EXISTS);
    vec![
        (
            3,
            FieldRef::Field(2),
            DiffType::NumericMismatch,
            Severity::Medium,
            Some("1.00"),
            Some("1.01"),
            rounding,
        ),
        (4, whole, DiffType::MissingInSourceB, Severity::High, exists, None, missing),
        (5, whole, DiffType::MissingInSourceA, Severity::High, None, exists, unknown),
        (6, whole, DiffType::DuplicateInSourceA, Severity::High, exists, None, unknown),
        (
            7,
            FieldRef::Field(2),
            DiffType::TypeMismatch,
            Severity::Critical,
            Some("1,0,0"),
            None,
            unknown,
        ),
        (
            7,
            FieldRef::Field(6),
            DiffType::StringMismatch,
            Severity::Low,
            Some("plain"),
            Some("other"),
            rounding,
        ),
    ]
}

pub fn rejected() -> Vec<RejectedRow> {
    let row = |side, line, key: Option<&str>| RejectedRow {
        side,
        line,
        offset: 0,
        code: "FIELD_COUNT".to_owned(),
        message: "5 fields, 7 in the header".to_owned(),
        text: "T4,\"x\",1".to_owned(),
        key: key.map(str::to_owned),
    };
    vec![row(Side::B, 9, Some("T4|7")), row(Side::A, 12, None), row(Side::A, 3, None)]
}

pub fn codes() -> Vec<ReasonCode> {
    let code = |code: &str, functional| ReasonCode {
        code: code.to_owned(),
        functional,
        description: format!("what {code} means"),
        closes: false,
    };
    vec![code("ROUNDING", true), code("MISSING_SOURCE_B", false), code("UNKNOWN", false)]
}

/// A new run's id: later calls give later ids.
pub fn new_id() -> RunId {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1_768_435_200_000);
    let millis = NEXT.fetch_add(1, Ordering::Relaxed);
    RunId::new(millis, [0x5a; 10])
}

pub fn date() -> Date {
    Date::from_str("2026-01-15").unwrap()
}

/// A run of `job` that starts `minute` minutes after the story.
pub fn new_run(job: &str, minute: i64, keep_all: bool) -> NewRun {
    NewRun {
        id: new_id(),
        job: job.to_owned(),
        system_a: "FRONT".to_owned(),
        system_b: "RISK".to_owned(),
        batch_date: date(),
        started: Instant::new(1_768_435_200 + 60 * minute, 250_000_000),
        layout: layout(),
        keep_all,
        metadata: json!({ "program": "recon", "sources": { "a": 1 } }),
    }
}

pub fn outcome(stage: Stage) -> FinishRun {
    FinishRun {
        ended: Instant::new(1_768_439_000, 123_456_000),
        status: RunStatus::CompletedWithErrors,
        stage,
        total_records: records().len() as u64,
        total_differences: if stage == Stage::Ingested { 0 } else { differences().len() as u64 },
        metadata: json!({ "counts": { "records": 7 } }),
    }
}

fn attribution(batch: &mut Batch, told: &DifferenceFacts) -> AttributionRow {
    let (reason, confidence, status, assigned_by, explanation) = told.6;
    AttributionRow {
        reason: batch.push(reason),
        confidence: Confidence::new(confidence).unwrap(),
        status,
        assigned_by: batch.push(assigned_by),
        explanation: explanation.map(|text| batch.push(text)),
        signature: (status == Status::Unknown)
            .then(|| (batch.push(&format!("{}:{reason}", told.2)), batch.push("some like it"))),
    }
}

/// The content of a batch.
#[derive(Clone, Copy, Default)]
pub struct Content {
    pub records: bool,
    pub compared: bool,
    pub attributed: bool,
}

/// The story's rows, one record or difference per batch, as a pipeline's threads might split them.
pub fn batches(content: Content) -> Vec<Batch> {
    let mut batches = Vec::new();
    for (at, told) in records().iter().enumerate().filter(|_| content.records) {
        let mut batch = Batch::default();
        let number = at as u64 + 1;
        batch.record(&RecordRow {
            kind: told.kind,
            a: told.a.as_ref().map(|row| Cells::new(&row.cells)),
            b: told.b.as_ref().map(|row| Cells::new(&row.cells)),
            partner_rejected: told.partner_rejected,
            place_a: told.a.as_ref().map(|_| (number + 1, 100 * number)),
            place_b: told.b.as_ref().map(|_| (number + 2, 99 * number)),
            matched: None,
        });
        batches.push(batch);
    }
    for told in differences().iter().filter(|_| content.compared) {
        let mut batch = Batch::default();
        let row = DifferenceRow {
            row: told.0,
            record: told.0,
            field: told.1,
            diff_type: told.2,
            severity: told.3,
            value_a: told.4.map(|text| batch.push(text)),
            value_b: told.5.map(|text| batch.push(text)),
            amount_abs: (told.2 == DiffType::NumericMismatch).then_some(0.01),
            attribution: content.attributed.then(|| attribution(&mut batch, told)),
        };
        batch.differences.push(row);
        batches.push(batch);
    }
    if content.attributed && !content.records {
        let mut batch = Batch::default();
        for told in &differences() {
            let attribution = attribution(&mut batch, told);
            let number = difference_number(told.0, told.1);
            batch.decisions.push(DecisionRow { number, attribution });
        }
        batches.push(batch);
    }
    if content.records {
        let mut batch = Batch::default();
        batch.rejected.extend(rejected());
        batches.push(batch);
    }
    batches
}

pub fn write(store: &dyn Store, run: RunId, content: Content, stage: Stage) -> Result<(), Problem> {
    let mut writer = store.writer(run)?;
    for batch in batches(content) {
        writer.write(&batch)?;
    }
    writer.finish(&outcome(stage)).map(drop)
}

/// `recon run`: everything in one pass.
pub fn run_in_one_pass(store: &dyn Store, run: &NewRun) {
    store.sync_reason_codes("trades", &codes()).unwrap();
    store.create_run(run).unwrap();
    let content = Content { records: true, compared: true, attributed: true };
    write(store, run.id, content, Stage::Attributed).unwrap();
}

/// `recon ingest`.
pub fn ingest(store: &dyn Store, run: &NewRun) {
    store.sync_reason_codes("trades", &codes()).unwrap();
    store.create_run(run).unwrap();
    let content = Content { records: true, ..Content::default() };
    write(store, run.id, content, Stage::Ingested).unwrap();
}

/// `recon diff`.
pub fn diff(store: &dyn Store, run: &NewRun) {
    store.resume_run(run.id).unwrap();
    let content = Content { compared: true, ..Content::default() };
    write(store, run.id, content, Stage::Compared).unwrap();
}

/// `recon attribute`.
pub fn attribute(store: &dyn Store, run: &NewRun) {
    store.resume_run(run.id).unwrap();
    let content = Content { attributed: true, ..Content::default() };
    write(store, run.id, content, Stage::Attributed).unwrap();
}

#[derive(Debug, Default, PartialEq)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<SqlValue>>,
}

impl RowSink for Table {
    fn columns(&mut self, names: &[String]) -> Result<(), Problem> {
        self.columns = names.to_vec();
        Ok(())
    }

    fn row(&mut self, values: &[SqlValue]) -> Result<(), Problem> {
        self.rows.push(values.to_vec());
        Ok(())
    }
}

pub fn query(store: &dyn Store, sql: &str) -> Table {
    let mut table = Table::default();
    store.query(sql, &mut table).unwrap_or_else(|problem| panic!("{problem}\n{sql}"));
    table
}

/// The result as JSON rows that are the same on both backends: flags are numbers, JSON is JSON.
pub fn rows(store: &dyn Store, sql: &str) -> Vec<Vec<Json>> {
    let plain = |value: &SqlValue| match value {
        SqlValue::Null => Json::Null,
        SqlValue::Integer(value) => json!(value),
        SqlValue::Real(value) => json!(value),
        SqlValue::Boolean(value) => json!(i64::from(*value)),
        SqlValue::Text(text) if text.starts_with('{') => serde_json::from_str(text).unwrap(),
        SqlValue::Text(text) => json!(text),
        SqlValue::Json(text) => serde_json::from_str(text).unwrap(),
        SqlValue::Blob(bytes) => json!(bytes),
    };
    query(store, sql).rows.iter().map(|row| row.iter().map(plain).collect()).collect()
}

/// The first column of the answer as texts.
pub fn column(store: &dyn Store, sql: &str) -> Vec<String> {
    let text = |row: Vec<Json>| match row.into_iter().next() {
        Some(Json::String(text)) => text,
        other => other.unwrap_or_default().to_string(),
    };
    rows(store, sql).into_iter().map(text).collect()
}

/// Asserts that no undecided item lies outside the kept totals of its run and signature.
pub fn assert_kept_days(store: &dyn Store) {
    let run_no = if store.url().starts_with("sqlite") { "d.id >> 40" } else { "d.run_no" };
    let outside = format!(
        "SELECT n.run_no || ' ' || n.signature_id FROM recon.item_counts n \
         JOIN recon.difference_rows d \
         ON {run_no} = n.run_no AND coalesce(d.signature_id, 0) = n.signature_id \
         WHERE n.status = 1 AND d.status = 1 AND coalesce(d.later, \
         (SELECT q.items_left FROM recon.break_dates q WHERE q.run_no = n.run_no), 0) <= 0 \
         AND (d.confidence < n.least_confidence OR d.since < n.least_since \
              OR d.since > n.most_since)"
    );
    assert_eq!(column(store, &outside), Vec::<String>::new());
}

/// How many rows each view shows.
pub fn visible(store: &dyn Store) -> Vec<String> {
    ["recon_records", "data_differences", "attributions", "rejected_rows"]
        .iter()
        .flat_map(|view| column(store, &format!("SELECT count(*) FROM recon.{view}")))
        .collect()
}

/// A request to prune every run that started before this moment, current ones included.
pub fn all_before(before: Instant, dry_run: bool) -> PruneOrder {
    PruneOrder {
        before,
        job: None,
        current: true,
        dry_run,
        vacuum: false,
        by: recon::store::audit::By::system(),
        now: before,
    }
}
