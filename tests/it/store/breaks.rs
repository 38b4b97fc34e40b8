//! `recon_breaks`, the queue and its counts against a model that computes every episode anew from all current runs,
//! with human decisions, reruns, dates out of order, pruned runs and several jobs.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use recon::domain::ReasonCode;
use recon::domain::{
    Cell, Cells, Confidence, Date, DiffType, Field, FieldRef, Instant, Kind, Layout, Row, RunId,
    RunStatus, Severity, Side, Stage, Status, identity,
};
use recon::review::{Group, GroupBy, PageAsk, QueueFilter, QueueSort, ReviewItem, Sla};
use recon::store::{
    AttributionRow, BREAK_COLUMNS, Batch, BreakFilter, DecisionRow, DifferenceRow, FinishRun,
    LEAST_IN_MEMORY, MOST_LISTED, NewRun, NewestBreak, NewestBreaks, RecordKind, RecordRow,
    SqlValue, Store, chain, difference_number, transact,
};
use serde_json::{Value as Json, json};

use super::Place;
use super::fixture::{all_before, assert_kept_days, codes, column, new_id, rows};
use crate::review::fixture::{ReviewStage, override_, settings_of_lists, team};

const KEYS: usize = 4;
const JOBS: [&str; 2] = ["deposits", "trades"];

/// State of a key in a run.
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

    fn diff_type(self) -> DiffType {
        match self {
            Self::OnlyA => DiffType::MissingInSourceB,
            Self::OnlyB => DiffType::MissingInSourceA,
            Self::Surplus(_) => DiffType::DuplicateInSourceA,
            Self::Absent | Self::Agrees | Self::Differs(_) => DiffType::StringMismatch,
        }
    }
}

/// Delivery of a job's sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sources {
    Undeclared,
    Snapshots,
    /// Which sides are movements.
    Movements(bool, bool),
}

/// After more days than this, an open item expires.
const MAX_AGE: i32 = 2;

impl Sources {
    /// True if a break in this state is about a movement.
    fn moves(self, state: State) -> bool {
        let Self::Movements(a, b) = self else { return false };
        match state {
            State::OnlyA | State::Surplus(_) => a,
            State::OnlyB => b,
            _ => a || b,
        }
    }

    fn metadata(self, previous: Option<RunId>) -> Json {
        let said = |moves: bool| if moves { "movements" } else { "snapshot" };
        match self {
            Self::Undeclared => json!({}),
            Self::Snapshots => json!({ "configuration": { "open_items": { "a": "snapshot" } } }),
            Self::Movements(a, b) => {
                let items = json!({ "a": said(a), "b": said(b), "max_age_days": MAX_AGE });
                let previous = previous.map(|run| json!({ "run": run.to_string() }));
                json!({
                    "identity": { "open_items": items },
                    "configuration": { "open_items": items },
                    "open_items": { "previous": previous },
                })
            }
        }
    }
}

fn sources() -> impl Strategy<Value = Sources> {
    prop_oneof![
        Just(Sources::Undeclared),
        Just(Sources::Snapshots),
        (any::<bool>(), any::<bool>()).prop_map(|(a, b)| Sources::Movements(a, b || !a)),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    /// A run of a job and day with these states.
    Run(usize, i32, [State; KEYS]),
    /// The same, attributed only when the next step is done.
    Later(usize, i32, [State; KEYS]),
    /// People decide about a key on the newest date of a job, or close it.
    Decide(usize, usize, bool),
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
    let job = || 0..JOBS.len();
    let step = prop_oneof![
        8 => (job(), 0i32..6, states()).prop_map(|(job, day, states)| Step::Run(job, day, states)),
        1 => (job(), 0i32..6, states()).prop_map(|(job, day, states)| Step::Later(job, day, states)),
        4 => (job(), 0..KEYS, any::<bool>()).prop_map(|(job, key, closes)| Step::Decide(job, key, closes)),
        1 => (1usize..4).prop_map(Step::Prune),
    ];
    proptest::collection::vec(step, 1..16)
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

/// A run's batch: records and differences, and the machine's decisions on the differences.
fn batch(job: usize, states: &[State; KEYS], with_decisions: bool) -> Batch {
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
            for (at, diff_type) in breaks {
                // So that no order of the queue is that of the numbers.
                let weight = (key * 7 + usize::from(at) * 3) % 5;
                let field = match at {
                    0 => FieldRef::EntireRecord,
                    at => FieldRef::Field(at.into()),
                };
                let attribution =
                    with_decisions.then(|| decision(batch, job, (field, diff_type), weight));
                let value = Some(batch.push("v"));
                batch.differences.push(DifferenceRow {
                    record: number,
                    row: name,
                    field,
                    diff_type,
                    severity: severity(weight),
                    value_a: value,
                    value_b: None,
                    amount_abs: (weight > 0).then_some(weight as f64),
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

const fn severity(weight: usize) -> Severity {
    if weight < 2 { Severity::High } else { Severity::Low }
}

/// A job, field and type without a suggested cause.
fn decision(
    batch: &mut Batch,
    job: usize,
    (field, diff_type): (FieldRef, DiffType),
    weight: usize,
) -> AttributionRow {
    let name = match field {
        FieldRef::EntireRecord => "ENTIRE_RECORD",
        FieldRef::Field(1) => "one",
        FieldRef::Field(_) => "two",
    };
    let signature = json!([
        JOBS[job],
        name,
        diff_type.name(),
        "UNKNOWN",
        "plain",
        severity(weight).name(),
        "other"
    ]);
    AttributionRow {
        reason: batch.push("UNKNOWN"),
        confidence: Confidence::new((4 - weight) as f64 / 8.0).unwrap(),
        status: Status::Unknown,
        assigned_by: batch.push("NONE"),
        explanation: None,
        signature: Some((batch.push(&signature.to_string()), batch.push(name))),
    }
}

fn create(store: &dyn Store, job: usize, at: i32, minute: i64, metadata: Json) -> RunId {
    let id = new_id();
    store
        .create_run(&NewRun {
            id,
            job: JOBS[job].to_owned(),
            system_a: "A".to_owned(),
            system_b: "B".to_owned(),
            batch_date: day(at),
            started: started(minute),
            layout: layout(),
            keep_all: true,
            metadata,
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
fn compare(store: &dyn Store, run: RunId, job: usize, states: &[State; KEYS]) {
    let mut records = batch(job, states, false);
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
fn attribute(store: &dyn Store, run: RunId, job: usize, states: &[State; KEYS]) {
    let mut decisions = Batch::default();
    for row in batch(job, states, false).differences {
        let weight = row.amount_abs.unwrap_or_default() as usize;
        let attribution = decision(&mut decisions, job, (row.field, row.diff_type), weight);
        let number = difference_number(row.record, row.field);
        decisions.decisions.push(DecisionRow { number, attribution });
    }
    store.resume_run(run).unwrap();
    finish(store, run, &decisions, Stage::Attributed);
}

/// A break of a run: its key, field and place among alike ones.
type Break = (usize, u8, u8);

/// A run as the model knows it.
#[derive(Clone, Debug)]
struct ModelRun {
    run: RunId,
    job: usize,
    day: i32,
    states: [State; KEYS],
    /// The minute of the run of the date before, when this one began.
    previous: Option<i64>,
    /// Human decisions, and whether they close the break.
    decided: BTreeMap<Break, bool>,
    superseded: bool,
    pruned: bool,
}

impl ModelRun {
    fn breaks(&self) -> impl Iterator<Item = Break> {
        let states = self.states.into_iter().enumerate();
        states.flat_map(|(key, state)| state.breaks().into_iter().map(move |(f, n)| (key, f, n)))
    }

    fn has(&self, one: Break) -> bool {
        self.states[one.0].breaks().contains(&(one.1, one.2))
    }

    /// Carries human decisions about the same differences of another run.
    fn carry(&mut self, from: &Self) {
        for (one, closes) in &from.decided {
            let (old, new) = (from.states[one.0], self.states[one.0]);
            if self.has(*one) && old.diff_type() == new.diff_type() {
                self.decided.entry(*one).or_insert(*closes);
            }
        }
    }
}

/// All runs, by the minute they began.
#[derive(Default)]
struct Model {
    runs: BTreeMap<i64, ModelRun>,
    sources: Option<Sources>,
}

/// An episode: where it was seen last, and how it ended.
struct Episode {
    first: i32,
    last: i64,
    seen: i32,
    count: i32,
    ended: Option<(i32, Option<&'static str>)>,
}

impl Model {
    /// The runs of a job that count, in the order of their dates.
    fn current(&self, job: usize) -> Vec<(i64, &ModelRun)> {
        let all = self.runs.iter();
        let mut own: Vec<_> = all
            .filter(|(_, run)| run.job == job && !run.superseded && !run.pruned)
            .map(|(minute, run)| (*minute, run))
            .collect();
        own.sort_by_key(|(_, run)| run.day);
        own
    }

    fn before(&self, job: usize, day: i32) -> Option<i64> {
        let all = self.current(job).into_iter();
        all.filter(|(_, run)| run.day < day).map(|(minute, _)| minute).next_back()
    }

    fn publish(&mut self, minute: i64, mut new: ModelRun) {
        let at = (new.job, new.day);
        let same = |run: &ModelRun| (run.job, run.day) == at;
        let older = self.runs.range(..minute).rev().find(|(_, run)| same(run) && !run.superseded);
        if let Some((_, older)) = older {
            new.carry(&older.clone());
        }
        // The newest run of a date is current, whenever it was attributed.
        new.superseded = self.runs.range(minute..).any(|(_, run)| same(run));
        if !new.superseded
            && let Some(before) = self.before(new.job, new.day)
        {
            new.carry(&self.runs[&before].clone());
        }
        if !new.superseded {
            for run in self.runs.values_mut().filter(|run| same(run)) {
                run.superseded = true;
            }
        }
        self.runs.insert(minute, new);
    }

    fn prune(&mut self, before: i64) {
        // A superseded run stays as long as a later one rests on it.
        let moves = matches!(self.sources, Some(Sources::Movements(..)));
        let heirs = self.runs.range(before..).map(|(_, run)| run);
        let rested_on: Vec<i64> = heirs
            .filter(|heir| moves && !heir.superseded && !heir.pruned)
            .filter_map(|heir| heir.previous)
            .filter(|minute| self.runs.get(minute).is_some_and(|run| run.superseded))
            .collect();
        let stays = |minute: &i64| *minute >= before || rested_on.contains(minute);
        self.runs.retain(|minute, run| stays(minute) || !run.decided.is_empty());
        for (minute, run) in self.runs.range_mut(..before) {
            run.pruned |= !stays(minute);
        }
    }

    /// Why a break of a run is not in the next one; `None` if it goes on being open.
    fn why(
        &self,
        one: Break,
        since: i32,
        last: (i64, &ModelRun),
        (now_minute, now): (i64, &ModelRun),
    ) -> Option<&'static str> {
        let (key, field, _) = one;
        let (minute, before) = last;
        let sources = self.sources.unwrap();
        let moves = sources.moves(before.states[key]);
        match (now.states[key].is_pair(), field) {
            (true, 0) => return Some("MATCHED"),
            (true, _) => return Some("AGREES"),
            (false, 0) if moves => {
                if before.decided.get(&one) == Some(&true) {
                    return Some("CLOSED");
                }
                if now.day - since > MAX_AGE {
                    return Some("EXPIRED");
                }
            }
            (false, _) => {}
        }
        let rested_on = now.previous.map(|minute| (minute, self.runs.get(&minute)));
        let could_take_over = match rested_on {
            None => false,
            Some((rested_on, _)) if rested_on == minute => true,
            Some((_, Some(run))) if !run.pruned => run.has(one),
            // The open rows of a pruned run are not known, but what was run later was not among them.
            Some(_) => minute < now_minute,
        };
        (could_take_over || !moves).then_some("GONE")
    }

    /// Every episode of a job.
    fn episodes(&self, job: usize) -> Vec<(Break, Episode)> {
        let runs = self.current(job);
        let mut breaks: Vec<Break> = runs.iter().flat_map(|(_, run)| run.breaks()).collect();
        breaks.sort_unstable();
        breaks.dedup();
        let mut all = Vec::new();
        for one in breaks {
            let mut open: Option<Episode> = None;
            for (minute, run) in &runs {
                if run.has(one) {
                    let episode = open.get_or_insert(Episode {
                        first: run.day,
                        last: *minute,
                        seen: run.day,
                        count: 0,
                        ended: None,
                    });
                    (episode.last, episode.seen) = (*minute, run.day);
                    episode.count += 1;
                } else if let Some(mut episode) = open.take() {
                    let last = (episode.last, &self.runs[&episode.last]);
                    let why = self.why(one, episode.first, last, (*minute, run));
                    episode.ended = Some((run.day, why));
                    all.push((one, episode));
                }
            }
            all.extend(open.map(|episode| (one, episode)));
        }
        all
    }

    /// As the view shows them.
    fn shown(&self) -> Vec<Json> {
        let mut shown = Vec::new();
        for (job, name) in JOBS.iter().enumerate() {
            let Some((_, newest)) = self.current(job).last().copied() else { continue };
            let mut before: Option<(Break, i32)> = None;
            for (one, episode) in self.episodes(job) {
                let cleared = episode.ended.and_then(|(day, why)| Some((day, why?)));
                let until = cleared.map_or(newest.day, |(day, _)| day);
                let first = episode.first;
                let business = (first + 1..=until).filter(|at| day(*at).weekday() < 5).count();
                let decided = self.runs[&episode.last].decided.contains_key(&one);
                shown.push(json!([
                    name,
                    format!("K{}", one.0),
                    (["ENTIRE_RECORD", "one", "two"][usize::from(one.1)]),
                    day(first).to_string(),
                    day(episode.seen).to_string(),
                    cleared.map(|(at, _)| day(at).to_string()),
                    cleared.map(|(_, how)| how),
                    episode.count,
                    until - first,
                    business,
                    before.filter(|(of, _)| *of == one).map(|(_, first)| day(first).to_string()),
                    if decided { "ACCEPTED" } else { "UNKNOWN" },
                ]));
                before = Some((one, first));
            }
        }
        shown.sort_by_key(ToString::to_string);
        shown
    }

    /// Items that wait for a decision: job, date, key and field.
    fn queue(&self) -> Vec<String> {
        let declared = self.sources != Some(Sources::Undeclared);
        let mut waits = Vec::new();
        for (job, name) in JOBS.iter().enumerate() {
            for (one, episode) in self.episodes(job) {
                let stays = match episode.ended {
                    None | Some((_, None | Some("EXPIRED"))) => true,
                    Some((_, how)) => how == Some("GONE") && !declared,
                };
                if stays && !self.runs[&episode.last].decided.contains_key(&one) {
                    waits.push(format!("{name} {} K{} {}", day(episode.seen), one.0, one.1));
                }
            }
        }
        waits.sort();
        waits
    }
}

const SORTS: [QueueSort; 6] = [
    QueueSort::Confidence,
    QueueSort::ConfidenceDescending,
    QueueSort::Amount,
    QueueSort::AtRisk,
    QueueSort::Severity,
    QueueSort::Age,
];

/// The items of a filter in an order, read page by page.
fn listed(
    stage: &ReviewStage,
    store: &dyn Store,
    filter: &QueueFilter,
    sort: QueueSort,
) -> Vec<ReviewItem> {
    let (review, ann) = (stage.review(store), stage.actor("ann"));
    let mut ask = PageAsk { limit: Some(3), count: true, sort, ..PageAsk::default() };
    let (mut items, mut total) = (Vec::new(), 0);
    loop {
        let page = review.queue(&ann, filter, &ask).unwrap();
        total = page.total.unwrap_or(total);
        items.extend(page.items);
        ask.cursor = page.next;
        if ask.cursor.is_none() {
            assert_eq!(total, items.len() as u64, "{sort:?}");
            return items;
        }
    }
}

fn names(items: &[ReviewItem]) -> Vec<String> {
    let name = |item: &ReviewItem| {
        let reference = item.source_a_ref_id.as_ref().or(item.source_b_ref_id.as_ref()).unwrap();
        let field = match item.difference.field_name.as_str() {
            "one" => 1,
            "two" => 2,
            _ => 0,
        };
        format!("{} {} {reference} {field}", item.job, item.batch_date)
    };
    let mut names: Vec<String> = items.iter().map(name).collect();
    names.sort();
    names
}

fn check(store: &dyn Store, stage: &ReviewStage, model: &Model) {
    let found = rows(
        store,
        "SELECT b.job, b.ref, b.field_name, b.first_seen, b.last_seen, b.cleared_on, b.cleared_how, \
         b.occurrences, b.age_days, b.age_business_days, o.first_seen, b.status \
         FROM recon.recon_breaks b LEFT JOIN recon.recon_breaks o ON o.break_id = b.reopens",
    );
    let mut found: Vec<Json> = found.into_iter().map(Json::Array).collect();
    found.sort_by_key(ToString::to_string);
    assert_eq!(found, model.shown());
    let queue = model.queue();
    for sort in SORTS {
        let items = listed(stage, store, &QueueFilter::default(), sort);
        assert_eq!(names(&items), queue, "{sort:?}");
        let keys: Vec<f64> = items
            .iter()
            .map(|item| match sort {
                QueueSort::Confidence => item.confidence_score,
                QueueSort::ConfidenceDescending => -item.confidence_score,
                QueueSort::Amount | QueueSort::AtRisk => {
                    -item.amount_abs.as_ref().map_or(0.0, |text| text.parse().unwrap())
                }
                QueueSort::Severity => -f64::from(u8::from(item.severity == "HIGH")),
                QueueSort::Age | QueueSort::Teaches => 0.0,
            })
            .collect();
        assert!(keys.is_sorted(), "{sort:?} {keys:?}");
    }
    let (review, ann) = (stage.review(store), stage.actor("ann"));
    let of = |filter: &QueueFilter, what: &str| {
        let items = listed(stage, store, filter, QueueSort::Confidence);
        let expected: Vec<&String> = queue.iter().filter(|name| name.contains(what)).collect();
        assert_eq!(names(&items).iter().collect::<Vec<_>>(), expected, "{what}");
    };
    let all = QueueFilter::default;
    of(&QueueFilter { job: Some("trades".to_owned()), ..all() }, "trades ");
    of(&QueueFilter { field_name: Some("one".to_owned()), ..all() }, " 1");
    of(&QueueFilter { min_confidence: Some(0.0), ..all() }, "");
    let ask = PageAsk::default();
    let groups = review.groups(&ann, &all(), GroupBy::Signature, &ask).unwrap();
    assert_eq!(groups.items.iter().map(|group| group.count).sum::<u64>(), queue.len() as u64);
    // Every figure about days agrees with the lists, when some breaks of a run are late, and later.
    for hours in [0, 36] {
        let moved = hours * 3_600_000_000;
        stage.clock.fetch_add(moved, Ordering::Relaxed);
        check_days(store, stage, queue.len());
        stage.clock.fetch_sub(moved, Ordering::Relaxed);
    }
    check_newest(store, model);
    check_memory(store, stage, model.runs.len());
    // The next run has all of its differences in the indexes, or none, or some.
    MOST_LISTED.store([10_000, 0, 2][model.runs.len() % 3], Ordering::Relaxed);
    assert_kept_days(store);
    assert_eq!(transact::read(store, |tx| chain::replay(tx)).unwrap(), [""; 0]);
}

/// Items in memory equal those in the store, for large runs and for those that no index has.
fn check_memory(store: &dyn Store, stage: &ReviewStage, which: usize) {
    let (review, ann) = (stage.review(store), stage.actor("ann"));
    let all = QueueFilter::default;
    let filters = [
        QueueFilter { by_people: Some(false), ..all() },
        QueueFilter { functional: Some(true), ..all() },
        QueueFilter { sla: Some(Sla::Overdue), min_confidence: Some(0.0), ..all() },
        QueueFilter { min_amount: Some(0.5), assignee: Some("none".to_owned()), ..all() },
        QueueFilter { max_confidence: Some(0.9), job: Some("trades".to_owned()), ..all() },
    ];
    let filter = &filters[which % filters.len()];
    let sort = SORTS[which % SORTS.len()];
    let ids = |items: &[ReviewItem]| -> Vec<String> {
        items.iter().map(|item| item.attribution_id.clone()).collect()
    };
    let told = [u64::MAX, 0].map(|least| {
        LEAST_IN_MEMORY.store(least, Ordering::Relaxed);
        let groups = review.groups(&ann, filter, GroupBy::Signature, &PageAsk::default()).unwrap();
        let of = |group: &Group| {
            let days = (group.first_seen.clone(), group.overdue);
            (group.signature.clone(), group.count, group.amount_sum, days, ids(&group.sample))
        };
        let groups: Vec<_> = groups.items.iter().map(of).collect();
        let list = ids(&listed(stage, store, filter, sort));
        let list = (list, ids(&listed(stage, store, &all(), sort)));
        (list, groups, review.facets(&ann, filter).unwrap().shares)
    });
    assert_eq!(told[0], told[1], "{filter:?}");
}

/// The lists of the page of breaks agree with the view.
fn check_newest(store: &dyn Store, model: &Model) {
    for (at, job) in JOBS.iter().enumerate() {
        let found = store.newest_breaks(job, None).unwrap();
        let Some((_, newest)) = model.current(at).last().copied() else {
            assert_eq!(found, NewestBreaks::default());
            continue;
        };
        let viewed = |open, since| {
            let job = Some((*job).to_owned());
            let filter = BreakFilter { job, open: Some(open), since, ..BreakFilter::default() };
            let of = |row: &Vec<SqlValue>| {
                let text =
                    |name| match &row[BREAK_COLUMNS.iter().position(|it| *it == name).unwrap()] {
                        SqlValue::Text(text) => text.clone(),
                        SqlValue::Integer(number) => number.to_string(),
                        SqlValue::Null => String::new(),
                        other => panic!("{other:?}"),
                    };
                let is_back = !text("reopens").is_empty();
                let names =
                    ["ref", "attribution_id", "field_name", "diff_type", "first_seen", "age_days"];
                format!("{:?} {} {is_back}", names.map(text), text("cleared_how"))
            };
            let mut rows: Vec<String> = store.breaks(&filter).unwrap().iter().map(of).collect();
            rows.sort();
            rows
        };
        let listed = |list: &[NewestBreak]| {
            let of = |one: &NewestBreak| {
                let names = [
                    one.reference.clone(),
                    one.attribution_id.clone(),
                    one.field.clone(),
                    one.diff_type.name().to_owned(),
                    one.first_seen.to_string(),
                    one.age_days.to_string(),
                ];
                format!("{names:?} {} {}", one.cleared_how.unwrap_or_default(), one.is_back)
            };
            let mut rows: Vec<String> = list.iter().map(of).collect();
            rows.sort();
            rows
        };
        let date = Some(day(newest.day));
        assert_eq!(listed(&found.open), viewed(true, None), "open");
        assert_eq!(listed(&found.new), viewed(true, date), "new");
        assert_eq!(listed(&found.cleared), viewed(false, date), "cleared");
        assert!(found.open.is_sorted_by_key(|one| one.first_seen));
        let first = store.newest_breaks(job, Some(2)).unwrap();
        for (few, all) in
            [(first.open, found.open), (first.new, found.new), (first.cleared, found.cleared)]
        {
            assert_eq!(few, all[..all.len().min(2)]);
        }
    }
}

fn check_days(store: &dyn Store, stage: &ReviewStage, waiting: usize) {
    let (review, ann) = (stage.review(store), stage.actor("ann"));
    let items = listed(stage, store, &QueueFilter::default(), QueueSort::Age);
    let list = |sla| {
        let filter = QueueFilter { sla: Some(sla), ..QueueFilter::default() };
        listed(stage, store, &filter, QueueSort::Age)
    };
    let [ok, due, overdue] = [Sla::Ok, Sla::Due, Sla::Overdue].map(list);
    assert!(overdue.iter().all(|item| item.sla == Sla::Overdue));
    let groups = review.groups(&ann, &QueueFilter::default(), GroupBy::Field, &PageAsk::default());
    for group in groups.unwrap().items {
        let is_own =
            |item: &&ReviewItem| Some(&item.difference.field_name) == group.field_name.as_ref();
        let first = items.iter().filter(is_own).map(|item| item.first_seen.clone()).min();
        assert_eq!(group.first_seen, first);
        assert_eq!(group.overdue, overdue.iter().filter(is_own).count() as u64);
    }
    let counts = [ok, due, overdue].map(|items| items.len() as u64);
    assert_eq!(counts.iter().sum::<u64>(), waiting as u64);
    let summary = review.summary(&ann).unwrap();
    let unknown = summary.by_status.get("UNKNOWN").copied().unwrap_or_default();
    assert_eq!((unknown, summary.overdue), (waiting as u64, counts[2]));
    let facets = review.facets(&ann, &QueueFilter::default()).unwrap().shares;
    let of = |sla: &str| facets.iter().find(|share| share.by == "sla" && share.value == sla);
    let told = ["ok", "due", "overdue"].map(|sla| of(sla).map_or(0, |share| share.count));
    assert_eq!(told, counts);
}

/// Decides about a key on the newest date of a job.
fn decide(
    store: &dyn Store,
    stage: &ReviewStage,
    model: &mut Model,
    at: (usize, usize),
    closes: bool,
) {
    let (job, key) = at;
    let Some((minute, newest)) = model.current(job).last().copied() else { return };
    let (run, states) = (newest.run.to_string(), newest.states);
    let filter = QueueFilter { run_id: Some(run), ..QueueFilter::default() };
    let key_of = |item: &ReviewItem| {
        let reference = item.source_a_ref_id.as_ref().or(item.source_b_ref_id.as_ref());
        reference == Some(&format!("K{key}"))
    };
    let code = if closes { "WRITE_OFF" } else { "ROUNDING" };
    for item in listed(stage, store, &filter, QueueSort::Confidence).iter().filter(|it| key_of(it))
    {
        let ask = override_(&item.attribution_id, code);
        stage.review(store).resolve(&stage.actor("ann"), &ask).unwrap();
    }
    let decided = &mut model.runs.get_mut(&minute).unwrap().decided;
    for (field, alike) in states[key].breaks() {
        decided.entry((key, field, alike)).or_insert(closes);
    }
}

fn tell(place: &Place, steps: &[Step], sources: Sources) {
    let _alone = settings_of_lists();
    let store = place.open();
    let store = &*store;
    let closing = ReasonCode {
        code: "WRITE_OFF".to_owned(),
        functional: true,
        description: "Written off".to_owned(),
        closes: true,
    };
    for job in JOBS {
        store.sync_reason_codes(job, &[codes(), vec![closing.clone()]].concat()).unwrap();
    }
    let stage = team(true);
    let mut model = Model { sources: Some(sources), ..Model::default() };
    let mut waiting: Option<(i64, ModelRun)> = None;
    for (minute, step) in (1..).zip(steps) {
        let minute: i64 = minute;
        let done = waiting.take();
        match step {
            Step::Run(job, day, states) | Step::Later(job, day, states) => {
                let previous = model.before(*job, *day);
                let metadata = sources.metadata(previous.map(|minute| model.runs[&minute].run));
                let told = ModelRun {
                    run: create(store, *job, *day, minute, metadata),
                    job: *job,
                    day: *day,
                    states: *states,
                    previous,
                    decided: BTreeMap::new(),
                    superseded: false,
                    pruned: false,
                };
                if matches!(step, Step::Later(..)) {
                    compare(store, told.run, *job, states);
                    waiting = Some((minute, told));
                } else {
                    finish(store, told.run, &batch(*job, states, true), Stage::Attributed);
                    model.publish(minute, told);
                }
            }
            Step::Decide(job, key, closes) => {
                decide(store, &stage, &mut model, (*job, *key), *closes);
            }
            Step::Prune(count) => {
                let Some((last, _)) = model.runs.iter().nth(count - 1) else { continue };
                let before = last + 1;
                if done.as_ref().is_some_and(|(minute, _)| *minute < before) {
                    continue;
                }
                store.prune(&all_before(started(before), false)).unwrap();
                model.prune(before);
            }
        }
        if let Some((minute, told)) = done {
            attribute(store, told.run, told.job, &told.states);
            model.publish(minute, told);
        }
        check(store, &stage, &model);
    }
}

fn told(cases: u32, place: impl Fn() -> Place) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&(steps(), sources()), |(steps, sources)| {
            tell(&place(), &steps, sources);
            Ok(())
        })
        .unwrap();
}

#[test]
fn pruning_a_superseded_run_ends_no_break_of_the_run_that_replaced_it() {
    use State::{Absent, Differs};
    let none = [Absent; KEYS];
    let late = [Absent, Absent, Absent, Differs(1)];
    let rerun_after_the_next_date = [
        Step::Run(1, 0, none),
        Step::Run(1, 1, none),
        Step::Run(1, 0, late),
        Step::Prune(1),
        // Everything from here on is worked out anew.
        Step::Run(1, 0, late),
    ];
    for place in [Place::quick(), Place::postgres()] {
        tell(&place, &rerun_after_the_next_date, Sources::Movements(false, true));
    }
}

#[test]
fn breaks_on_sqlite_agree_with_all_current_runs() {
    told(32, Place::quick);
}

#[test]
fn breaks_on_postgres_agree_with_all_current_runs() {
    told(4, Place::postgres);
}
