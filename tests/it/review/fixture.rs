//! A store with undecided differences, and users.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use recon::database::StoreUrl;
use recon::diagnostic::Problem;
use recon::domain::review::{Action, Role, Roles};
use recon::domain::{
    Cell, Cells, Confidence, DiffType, Field, FieldRef, Instant, Kind, Layout, ReasonCode, Row,
    RunId, RunStatus, Severity, Side, Stage, Status, identity,
};
use recon::review::{
    Actor, Approve, Close, Directory, ProposalTag, Refusal, Resolve, Resolved, Review,
    ReviewSettings,
};
use recon::store::transact::Transaction;
use recon::store::{
    AttributionRow, Batch, DifferenceRow, FinishRun, NewRun, RecordKind, RecordRow, Store,
};
use serde_json::Value as Json;

use crate::program::Project;

/// The test users; their roles may change.
#[derive(Default)]
pub struct People(pub Mutex<BTreeMap<String, Roles>>);

impl Directory for &'static People {
    fn roles(&self, _: &mut dyn Transaction, person_id: &str) -> Result<Roles, Problem> {
        Ok(self.0.lock().unwrap().get(person_id).copied().unwrap_or_default())
    }

    fn name(&self, _: &mut dyn Transaction, person_id: &str) -> Result<String, Problem> {
        Ok(person_id.to_owned())
    }

    fn find(&self, _: &mut dyn Transaction, login: &str) -> Result<Option<String>, Problem> {
        Ok(self
            .0
            .lock()
            .unwrap()
            .get(login)
            .filter(|roles| !roles.is_empty())
            .map(|_| login.to_owned()))
    }
}

/// Held by tests that change settings of lists (`MOST_LISTED` and the like), which all tests of this process share.
pub fn settings_of_lists() -> std::sync::MutexGuard<'static, ()> {
    static SETTINGS: Mutex<()> = Mutex::new(());
    SETTINGS.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A review with an adjustable clock, and its users.
pub struct ReviewStage {
    pub review_settings: ReviewSettings,
    pub people: &'static People,
    pub clock: &'static AtomicI64,
}

/// The tests' start time in microseconds.
pub const BEGIN: i64 = 1_768_500_000_000_000;

pub fn team(solo: bool) -> ReviewStage {
    let people: &'static People = Box::leak(Box::default());
    let clock: &'static AtomicI64 = Box::leak(Box::new(AtomicI64::new(BEGIN)));
    for (name, role) in [
        ("ann", Role::Analyst),
        ("bob", Role::Analyst),
        ("sam", Role::Senior),
        ("sue", Role::Supervisor),
        ("sid", Role::Supervisor),
        ("max", Role::Manager),
        ("mia", Role::Manager),
        ("aud", Role::Auditor),
        ("adm", Role::Admin),
    ] {
        people.0.lock().unwrap().insert(name.to_owned(), Roles::of([role]));
    }
    let now = || {
        // Each reading of the clock takes a millisecond.
        let micros = clock.fetch_add(1_000, Ordering::Relaxed);
        Instant::new(micros.div_euclid(1_000_000), (micros.rem_euclid(1_000_000) * 1_000) as u32)
    };
    ReviewStage { review_settings: ReviewSettings::new(people, now, solo), people, clock }
}

impl ReviewStage {
    pub fn actor(&self, name: &str) -> Actor {
        let roles = self.people.0.lock().unwrap().get(name).copied().unwrap_or_default();
        Actor::new(name, name, roles)
    }

    pub fn review<'a>(&'a self, store: &'a dyn Store) -> Review<'a> {
        Review::new(store, &self.review_settings)
    }
}

pub fn layout() -> Layout {
    let field = |name: &str, kind| Field::new(name, kind);
    Layout::new(
        vec![
            field("id", Kind::Text),
            field("currency", Kind::Text),
            field("amount", Kind::Decimal),
        ],
        1,
    )
}

pub fn codes() -> Vec<ReasonCode> {
    let code = |code: &str, functional| ReasonCode {
        code: code.to_owned(),
        functional,
        description: format!("what {code} means"),
        closes: false,
    };
    vec![code("ROUNDING", true), code("TIMING", true), code("TYPO", false), code("UNKNOWN", false)]
}

/// The automatic result of a difference.
#[derive(Clone, Copy)]
pub struct Given {
    pub reason: &'static str,
    pub confidence: f64,
    pub status: Status,
    pub amount: i128,
}

pub const GUESS: Given =
    Given { reason: "ROUNDING", confidence: 0.8, status: Status::Unknown, amount: 5 };
pub const CLUELESS: Given =
    Given { reason: "UNKNOWN", confidence: 0.0, status: Status::Unknown, amount: 5 };
pub const SETTLED: Given =
    Given { reason: "ROUNDING", confidence: 0.97, status: Status::Accepted, amount: 5 };

/// Stores a run of `job` with one amount difference for each of these.
pub fn stock(store: &dyn Store, job: &str, given: &[Given]) -> RunId {
    let keyed: Vec<(String, Given)> =
        given.iter().enumerate().map(|(at, given)| (format!("T{}", at + 1), *given)).collect();
    stock_keyed(store, job, &keyed)
}

/// The same with the keys of the records.
pub fn stock_keyed(store: &dyn Store, job: &str, given: &[(String, Given)]) -> RunId {
    stock_on(store, job, "2026-01-15", given, serde_json::json!({}))
}

/// The same of this date, with this metadata.
pub fn stock_on(
    store: &dyn Store,
    job: &str,
    date: &str,
    given: &[(String, Given)],
    metadata: serde_json::Value,
) -> RunId {
    use std::sync::atomic::AtomicU64;
    static NEXT: AtomicU64 = AtomicU64::new(1_768_435_300_000);
    let millis = NEXT.fetch_add(1, Ordering::Relaxed);
    let id = RunId::new(millis, [0x21; 10]);
    store.sync_reason_codes("trades", &codes()).unwrap();
    store
        .create_run(&NewRun {
            id,
            job: job.to_owned(),
            system_a: "FRONT".to_owned(),
            system_b: "RISK".to_owned(),
            batch_date: date.parse().unwrap(),
            started: Instant::new((millis / 1000) as i64, (millis % 1000) as u32 * 1_000_000),
            layout: layout(),
            keep_all: true,
            metadata: metadata.clone(),
        })
        .unwrap();
    let mut writer = store.writer(id).unwrap();
    let mut batch = Batch::default();
    for (at, (key, given)) in given.iter().enumerate() {
        let number = at as u64 + 1;
        let amount = |cents: i128| Cell::Decimal(recon::domain::Decimal::new(cents, 2).unwrap());
        let row = |cents| Row::of([Cell::Text(key), Cell::Text("USD"), amount(cents)]);
        let (a, b) = (row(10_000), row(10_000 + given.amount));
        batch.record(&RecordRow {
            kind: RecordKind::Pair,
            a: Some(Cells::new(&a.cells)),
            b: Some(Cells::new(&b.cells)),
            partner_rejected: false,
            place_a: Some((number + 1, 10 * number)),
            place_b: Some((number + 1, 10 * number)),
            matched: None,
        });
        let attribution = AttributionRow {
            reason: batch.push(given.reason),
            confidence: Confidence::new(given.confidence).unwrap(),
            status: given.status,
            assigned_by: batch.push(if given.reason == "UNKNOWN" { "NONE" } else { "RULE:near" }),
            explanation: None,
            signature: Some((
                batch.push(&format!(
                    "[\"{job}\",\"amount\",\"NUMERIC_MISMATCH\",\"{}\",\"plain\",\"MEDIUM\",\"monetary\"]",
                    given.reason
                )),
                batch.push("amount: B is a little more"),
            )),
        };
        let row =
            DifferenceRow {
                row: identity::of_row(&layout(), Side::A, Cells::new(&a.cells)),
                record: number,
                field: FieldRef::Field(2),
                diff_type: DiffType::NumericMismatch,
                severity: Severity::Medium,
                value_a: Some(batch.push("100.00")),
                value_b: Some(batch.push(
                    &recon::domain::Decimal::new(10_000 + given.amount, 2).unwrap().to_string(),
                )),
                amount_abs: Some(given.amount as f64 / 100.0),
                attribution: Some(attribution),
            };
        batch.differences.push(row);
    }
    writer.write(&batch).unwrap();
    writer
        .finish(&FinishRun {
            ended: Instant::new((millis / 1000) as i64, 999_000_000),
            status: RunStatus::Completed,
            stage: Stage::Attributed,
            total_records: given.len() as u64,
            total_differences: given.len() as u64,
            metadata,
        })
        .unwrap();
    id
}

/// The id of the item of the record with this number (from 1).
pub fn item_id(run: RunId, record: u64) -> String {
    let number = record << 10 | 3;
    format!("{}{number:012x}", run.prefix(recon::domain::run::IdClass::Attribution))
}

pub fn approve(id: &str) -> Resolve {
    Resolve { attribution_id: id.to_owned(), action: Some(Action::Approve), ..Resolve::default() }
}

/// Has ann give these attributions a reason, as rows that have an `attribution_id`.
pub fn decide_all(project: &Project, store: &str, attributions: &[Json], reason: &str) {
    let configuration = project.path("recon.yaml");
    let url = StoreUrl::parse(store, configuration.parent().unwrap()).unwrap();
    let store = recon::store::open(&url, recon::store::Opening::Existing).unwrap();
    let stage = team(true);
    for row in attributions {
        let ask = override_(row["attribution_id"].as_str().unwrap(), reason);
        stage.review(&*store).resolve(&stage.actor("ann"), &ask).unwrap();
    }
}

pub fn override_(id: &str, code: &str) -> Resolve {
    Resolve {
        attribution_id: id.to_owned(),
        action: Some(Action::Override),
        new_reason_code: Some(code.to_owned()),
        comments: Some("it is so".to_owned()),
        version: None,
    }
}

/// The approval of a resolution's proposal.
pub fn agree(resolved: &Resolved, review: Review<'_>, as_seen_by: &Actor) -> Approve {
    let proposal_id = resolved.proposal_id.clone().unwrap();
    let page = recon::review::PageAsk::default();
    let seen = review.proposal(as_seen_by, &proposal_id, &page).unwrap().proposal;
    Approve {
        proposal_id,
        if_match: Some(seen.tag.parse().unwrap()),
        content_hash: Some(seen.content_hash),
        comments: None,
    }
}

pub fn tag(resolved: &Resolved) -> Option<ProposalTag> {
    resolved.proposal_tag.as_deref().and_then(|tag| tag.parse().ok())
}

pub fn back(resolved: &Resolved, why: &str) -> Close {
    Close {
        proposal_id: resolved.proposal_id.clone().unwrap(),
        if_match: tag(resolved),
        comments: Some(why.to_owned()),
    }
}

pub fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> &'static str {
    match result {
        Ok(done) => panic!("was not refused: {done:?}"),
        Err(refusal) => refusal.code.name(),
    }
}

/// Stores a run of `job` with records that one side lacks: key, side that has the row, currency and cents.
pub fn stock_alone(
    store: &dyn Store,
    job: &str,
    date: &str,
    rows: &[(&str, Side, &str, i128)],
) -> RunId {
    let metadata = serde_json::json!({
        "configuration": { "fields": { "amount": { "monetary": true } } },
    });
    use std::sync::atomic::AtomicU64;
    static NEXT: AtomicU64 = AtomicU64::new(1_768_435_400_000);
    store.sync_reason_codes("trades", &codes()).unwrap();
    let millis = NEXT.fetch_add(1, Ordering::Relaxed);
    let id = RunId::new(millis, [0x22; 10]);
    let started = Instant::new((millis / 1000) as i64, (millis % 1000) as u32 * 1_000_000);
    store
        .create_run(&NewRun {
            id,
            job: job.to_owned(),
            system_a: "FRONT".to_owned(),
            system_b: "RISK".to_owned(),
            batch_date: date.parse().unwrap(),
            started,
            layout: layout(),
            keep_all: true,
            metadata: metadata.clone(),
        })
        .unwrap();
    let mut writer = store.writer(id).unwrap();
    let mut batch = Batch::default();
    for (at, (key, side, currency, cents)) in rows.iter().enumerate() {
        let number = at as u64 + 1;
        let amount = Cell::Decimal(recon::domain::Decimal::new(*cents, 2).unwrap());
        let row = Row::of([Cell::Text(key), Cell::Text(currency), amount]);
        let cells = || Some(Cells::new(&row.cells));
        let is_a = *side == Side::A;
        let place = Some((number + 1, 10 * number));
        batch.record(&RecordRow {
            kind: if is_a { RecordKind::OnlyA } else { RecordKind::OnlyB },
            a: cells().filter(|_| is_a),
            b: cells().filter(|_| !is_a),
            partner_rejected: false,
            place_a: place.filter(|_| is_a),
            place_b: place.filter(|_| !is_a),
            matched: None,
        });
        let kind = if is_a { DiffType::MissingInSourceB } else { DiffType::MissingInSourceA };
        let attribution = AttributionRow {
            reason: batch.push("TYPO"),
            confidence: Confidence::new(0.95).unwrap(),
            status: Status::Unknown,
            assigned_by: batch.push("RULE:missing"),
            explanation: None,
            signature: Some((
                batch.push(&format!(
                    "[\"{job}\",\"ENTIRE_RECORD\",\"{}\",\"TYPO\",\"plain\",\"HIGH\",\"\"]",
                    kind.name()
                )),
                batch.push("a record is missing"),
            )),
        };
        let exists = batch.push("EXISTS");
        let row = DifferenceRow {
            row: identity::of_row(&layout(), *side, Cells::new(&row.cells)),
            record: number,
            field: FieldRef::EntireRecord,
            diff_type: kind,
            severity: Severity::High,
            value_a: is_a.then_some(exists),
            value_b: (!is_a).then_some(exists),
            amount_abs: None,
            attribution: Some(attribution),
        };
        batch.differences.push(row);
    }
    writer.write(&batch).unwrap();
    writer
        .finish(&FinishRun {
            ended: Instant::new(started.seconds(), 999_000_000),
            status: RunStatus::Completed,
            stage: Stage::Attributed,
            total_records: rows.len() as u64,
            total_differences: rows.len() as u64,
            metadata,
        })
        .unwrap();
    id
}

/// The id of the item of a record that one side lacks.
pub fn alone_id(run: RunId, record: u64) -> String {
    let number = record << 10;
    format!("{}{number:012x}", run.prefix(recon::domain::run::IdClass::Attribution))
}
