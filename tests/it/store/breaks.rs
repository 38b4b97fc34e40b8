//! `recon_breaks` against a model that works out every episode anew from all current runs.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use recon::domain::{
    Cell, Cells, Confidence, Date, DiffType, Field, FieldRef, Instant, Kind, Layout, Row, RunId,
    RunStatus, Severity, Side, Stage, Status, identity,
};
use recon::store::{
    AttributionRow, Batch, DecisionRow, DifferenceRow, FinishRun, NewRun, RecordKind, RecordRow,
    Store, difference_number,
};
use serde_json::{Value as Json, json};

use super::Place;
use super::fixture::{all_before, codes, column, new_id, rows};

const KEYS: usize = 4;

/// How a key stands in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Absent,
    Agrees,
    /// The fields 1 and 2 differ, or one of them.
    Differs(u8),
    OnlyA,
    OnlyB,
    /// A pair and this many surplus rows of A.
    Surplus(u8),
}

impl State {
    fn is_pair(self) -> bool {
        matches!(self, Self::Agrees | Self::Differs(_) | Self::Surplus(_))
    }

    /// The field (0 for the record) and the place among alike ones of each difference.
    fn breaks(self) -> Vec<(u8, u8)> {
        match self {
            Self::Absent | Self::Agrees => Vec::new(),
            Self::Differs(fields) => {
                (1..3).filter(|at| fields & at != 0).map(|at| (at, 0)).collect()
            }
            Self::OnlyA | Self::OnlyB => vec![(0, 0)],
            Self::Surplus(count) => (0..count).map(|at| (0, at)).collect(),
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// A run of the day `0` with these states.
    Run(i32, [State; KEYS]),
    /// The same, attributed only when the next step is done.
    Later(i32, [State; KEYS]),
    /// Prunes the oldest runs, as many as this.
    Prune(usize),
}

fn states() -> impl Strategy<Value = [State; KEYS]> {
    let state = prop_oneof![
        Just(State::Absent),
        Just(State::Agrees),
        (1u8..4).prop_map(State::Differs),
        Just(State::OnlyA),
        Just(State::OnlyB),
        (1u8..3).prop_map(State::Surplus),
    ];
    proptest::array::uniform4(state)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0i32..6, states()).prop_map(|(day, states)| Step::Run(day, states)),
        1 => (0i32..6, states()).prop_map(|(day, states)| Step::Later(day, states)),
        1 => (1usize..3).prop_map(Step::Prune),
    ];
    proptest::collection::vec(step, 1..9)
}

fn layout() -> Layout {
    let field = |name: &str| Field::new(name, Kind::Text);
    Layout::new(vec![field("id"), field("one"), field("two")], 1)
}

/// The first day, a Thursday.
const FIRST: i32 = 20_468;

fn day(at: i32) -> Date {
    Date::from_days(FIRST + at)
}

fn row(key: usize) -> Row {
    Row::of([Cell::Text(&format!("K{key}")), Cell::Text("x"), Cell::Text("y")])
}

/// What a run stores: records and differences, and the machine's decisions on the differences.
fn batch(states: &[State; KEYS], with_decisions: bool) -> Batch {
    let mut batch = Batch::default();
    for (key, state) in states.iter().enumerate() {
        let row = row(key);
        let name = identity::of_row(&layout(), Side::A, Cells::new(&row.cells));
        let record = |batch: &mut Batch, kind, breaks: Vec<(u8, DiffType)>| {
            let cells = Some(Cells::new(&row.cells));
            let (a, b) = match kind {
                RecordKind::OnlyA | RecordKind::SurplusA => (cells, None),
                RecordKind::OnlyB => (None, cells),
                _ => (cells, cells),
            };
            let number = batch.record(&RecordRow {
                kind,
                a,
                b,
                partner_rejected: false,
                place_a: a.map(|_| (1, 0)),
                place_b: b.map(|_| (1, 0)),
                matched: None,
            });
            if kind == RecordKind::Pair {
                batch.partners.push(name);
            }
            for (field, diff_type) in breaks {
                let field = match field {
                    0 => FieldRef::EntireRecord,
                    at => FieldRef::Field(at.into()),
                };
                let attribution = with_decisions.then(|| decision(batch));
                let value = Some(batch.push("v"));
                batch.differences.push(DifferenceRow {
                    record: number,
                    row: name,
                    field,
                    diff_type,
                    severity: Severity::High,
                    value_a: value,
                    value_b: None,
                    amount_abs: None,
                    attribution,
                });
            }
        };
        match state {
            State::Absent => {}
            State::Agrees => record(&mut batch, RecordKind::Pair, Vec::new()),
            State::Differs(_) => {
                let fields = state.breaks().into_iter();
                let fields = fields.map(|(field, _)| (field, DiffType::StringMismatch)).collect();
                record(&mut batch, RecordKind::Pair, fields);
            }
            State::OnlyA => {
                record(&mut batch, RecordKind::OnlyA, vec![(0, DiffType::MissingInSourceB)]);
            }
            State::OnlyB => {
                record(&mut batch, RecordKind::OnlyB, vec![(0, DiffType::MissingInSourceA)]);
            }
            State::Surplus(count) => {
                record(&mut batch, RecordKind::Pair, Vec::new());
                for _ in 0..*count {
                    let surplus = vec![(0, DiffType::DuplicateInSourceA)];
                    record(&mut batch, RecordKind::SurplusA, surplus);
                }
            }
        }
    }
    batch
}

fn decision(batch: &mut Batch) -> AttributionRow {
    AttributionRow {
        reason: batch.push("UNKNOWN"),
        confidence: Confidence::new(0.0).unwrap(),
        status: Status::Unknown,
        assigned_by: batch.push("NONE"),
        explanation: None,
        signature: Some((batch.push("[\"trades\"]"), batch.push("some"))),
    }
}

fn create(store: &dyn Store, at: i32, minute: i64, declared: bool) -> RunId {
    let id = new_id();
    store
        .create_run(&NewRun {
            id,
            job: "trades".to_owned(),
            system_a: "A".to_owned(),
            system_b: "B".to_owned(),
            batch_date: day(at),
            started: started(minute),
            layout: layout(),
            keep_all: true,
            metadata: match declared {
                true => json!({ "configuration": { "open_items": { "a": "snapshot" } } }),
                false => json!({}),
            },
        })
        .unwrap();
    id
}

fn started(minute: i64) -> Instant {
    Instant::new(1_768_435_200 + 60 * minute, 0)
}

fn finish(store: &dyn Store, run: RunId, batch: &Batch, stage: Stage) {
    let statement =
        format!("SELECT CAST(metadata AS text) FROM recon.recon_runs WHERE run_id = '{run}'");
    let metadata = serde_json::from_str(&column(store, &statement)[0]).unwrap();
    let mut writer = store.writer(run).unwrap();
    writer.write(batch).unwrap();
    writer
        .finish(&FinishRun {
            ended: started(10_000),
            status: RunStatus::Completed,
            stage,
            total_records: batch.record_count(),
            total_differences: batch.differences.len() as u64,
            metadata,
        })
        .unwrap();
}

/// `recon ingest` and `recon diff`.
fn compare(store: &dyn Store, run: RunId, states: &[State; KEYS]) {
    let mut records = batch(states, false);
    let mut differences = Batch::default();
    std::mem::swap(&mut records.partners, &mut differences.partners);
    for row in std::mem::take(&mut records.differences) {
        let value = Some(differences.push("v"));
        differences.differences.push(DifferenceRow { value_a: value, ..row });
    }
    finish(store, run, &records, Stage::Ingested);
    store.resume_run(run).unwrap();
    finish(store, run, &differences, Stage::Compared);
}

/// `recon attribute`.
fn attribute(store: &dyn Store, run: RunId, states: &[State; KEYS]) {
    let mut decisions = Batch::default();
    for row in batch(states, false).differences {
        let attribution = decision(&mut decisions);
        let number = difference_number(row.record, row.field);
        decisions.decisions.push(DecisionRow { number, attribution });
    }
    store.resume_run(run).unwrap();
    finish(store, run, &decisions, Stage::Attributed);
}

/// What is in the store, as the model knows it: day and states by the minute a run began.
type Runs = BTreeMap<i64, (i32, [State; KEYS])>;

/// The current runs in the order of their dates.
fn current(runs: &Runs, superseded: &[i64]) -> Vec<(i32, [State; KEYS])> {
    let mut by_day = BTreeMap::new();
    for (minute, (day, states)) in runs {
        if !superseded.contains(minute) {
            by_day.insert(*day, *states);
        }
    }
    by_day.into_iter().collect()
}

/// Every episode, worked out from all current runs, as the view shows it.
fn episodes(runs: &[(i32, [State; KEYS])]) -> Vec<Json> {
    let mut all = Vec::new();
    let Some((newest, _)) = runs.last() else { return all };
    let mut keys: Vec<(usize, u8, u8)> = runs
        .iter()
        .flat_map(|(_, states)| states.iter().enumerate())
        .flat_map(|(key, state)| state.breaks().into_iter().map(move |(f, n)| (key, f, n)))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    for (key, field, alike) in keys {
        let mut last: Option<i32> = None;
        let mut since: Option<(i32, i32, i32)> = None;
        let mut end = |since: (i32, i32, i32), cleared: Option<(i32, State)>| {
            let (first, seen, count) = since;
            let until = cleared.map_or(*newest, |(day, _)| day);
            let how = cleared.map(|(_, state)| match (state.is_pair(), field) {
                (true, 0) => "MATCHED",
                (true, _) => "AGREES",
                (false, _) => "GONE",
            });
            let business = (first + 1..=until).filter(|at| day(*at).weekday() < 5).count();
            all.push(json!([
                format!("K{key}"),
                (["ENTIRE_RECORD", "one", "two"][usize::from(field)]),
                day(first).to_string(),
                day(seen).to_string(),
                cleared.map(|(at, _)| day(at).to_string()),
                how,
                count,
                until - first,
                business,
                last.map(|last| day(last).to_string()),
            ]));
            last = Some(first);
        };
        for (day, states) in runs {
            let is_broken = states[key].breaks().contains(&(field, alike));
            since = match (since, is_broken) {
                (None, true) => Some((*day, *day, 1)),
                (Some((first, _, count)), true) => Some((first, *day, count + 1)),
                (Some(since), false) => {
                    end(since, Some((*day, states[key])));
                    None
                }
                (None, false) => None,
            };
        }
        if let Some(since) = since {
            end(since, None);
        }
    }
    all.sort_by_key(ToString::to_string);
    all
}

fn check(store: &dyn Store, runs: &Runs, superseded: &[i64], declared: bool) {
    let runs = current(runs, superseded);
    let found = rows(
        store,
        "SELECT b.ref, b.field_name, b.first_seen, b.last_seen, b.cleared_on, b.cleared_how, \
         b.occurrences, b.age_days, b.age_business_days, o.first_seen \
         FROM recon.recon_breaks b LEFT JOIN recon.recon_breaks o ON o.break_id = b.reopens",
    );
    let mut found: Vec<Json> = found.into_iter().map(Json::Array).collect();
    found.sort_by_key(ToString::to_string);
    assert_eq!(found, episodes(&runs));
    // Nobody has to explain what has cleared; that a row is gone clears only what the job has declared.
    let waits = |row: &&Json| match row[5].as_str() {
        None => true,
        Some(how) => how == "GONE" && !declared,
    };
    let counted = rows(
        store,
        "SELECT coalesce(sum(c.items), 0) FROM recon.item_counts c \
         JOIN recon.current_runs r ON r.run_id = (SELECT u.run_id FROM recon.recon_runs u \
         WHERE u.run_no = c.run_no) WHERE c.status = 1",
    );
    assert_eq!(counted[0][0].as_f64().unwrap() as usize, found.iter().filter(waits).count());
}

fn tell(place: &Place, steps: &[Step], declared: bool) {
    let store = place.open();
    let store = &*store;
    store.sync_reason_codes("trades", &codes()).unwrap();
    let mut runs = Runs::new();
    let mut superseded: Vec<i64> = Vec::new();
    let mut waiting: Option<(RunId, i64, i32, [State; KEYS])> = None;
    for (minute, step) in (1..).zip(steps) {
        let minute: i64 = minute;
        let done = waiting.take();
        match step {
            Step::Run(day, states) => {
                let run = create(store, *day, minute, declared);
                finish(store, run, &batch(states, true), Stage::Attributed);
                superseded.extend(runs.iter().filter(|(_, (d, _))| d == day).map(|(m, _)| *m));
                runs.insert(minute, (*day, *states));
            }
            Step::Later(day, states) => {
                let run = create(store, *day, minute, declared);
                compare(store, run, states);
                waiting = Some((run, minute, *day, *states));
            }
            Step::Prune(count) => {
                let Some((last, _)) = runs.iter().nth(count - 1) else { continue };
                let before = last + 1;
                if done.is_some_and(|(_, minute, ..)| minute < before) {
                    continue;
                }
                store.prune(&all_before(started(before), false)).unwrap();
                runs.retain(|minute, _| *minute >= before);
            }
        }
        if let Some((run, minute, day, states)) = done {
            attribute(store, run, &states);
            // The newest run of a date is current, whenever it was attributed.
            let newer = runs.iter().any(|(other, (d, _))| *d == day && *other > minute);
            if newer {
                superseded.push(minute);
            }
            let older = runs.iter().filter(|(other, (d, _))| *d == day && **other < minute);
            superseded.extend(older.map(|(other, _)| *other));
            runs.insert(minute, (day, states));
        }
        check(store, &runs, &superseded, declared);
    }
}

fn told(cases: u32, place: impl Fn() -> Place) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&(steps(), any::<bool>()), |(steps, declared)| {
            tell(&place(), &steps, declared);
            Ok(())
        })
        .unwrap();
}

#[test]
fn breaks_on_sqlite_are_what_all_current_runs_say() {
    told(48, Place::quick);
}

#[test]
fn breaks_on_postgres_are_what_all_current_runs_say() {
    told(6, Place::postgres);
}
