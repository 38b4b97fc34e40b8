//! Measures the review on a queue of a million items: publishing, pages, searches, decisions, bulk decisions,
//! carrying; with the processor time of this process and, of a PostgreSQL server whose process RECON_BENCH_POSTMASTER
//! names, of its sessions.
//!
//!     cargo bench --bench review -- ITEMS STORE…
//!
//! makes a run of ITEMS undecided differences (default 1000000) in each STORE, which must be new,
//! and prints a table in Markdown. `benches/review` creates the stores too.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark talks on stdout and may stop where it can't go on"
)]

use std::path::Path;
use std::time::{Duration, Instant as Clock};

use recon::database::StoreUrl;
use recon::diagnostic::Problem;
use recon::domain::review::{Action, Role, Roles};
use recon::domain::{
    Cell, Cells, Confidence, Decimal, DiffType, Field, FieldRef, Instant, Kind, Layout, ReasonCode,
    Row, RunId, RunStatus, Severity, Stage, Status,
};
use recon::review::{
    Actor, Approve, BulkCommit, BulkPreviewAsk, Directory, PageAsk, ProposalMoved, QueueFilter,
    QueueSort, Resolve, Review, ReviewSettings,
};
use recon::store::transact::Transaction;
use recon::store::{
    AttributionRow, Batch, DifferenceRow, FinishRun, NewRun, Opening, RecordKind, RecordRow, Store,
    open,
};

const BATCH: u64 = 20_000;
const SIGNATURES: u64 = 60;

/// Every name is accepted.
struct AnyUser;

impl Directory for AnyUser {
    fn roles(&self, _: &mut dyn Transaction, person_id: &str) -> Result<Roles, Problem> {
        Ok(roles(person_id))
    }

    fn name(&self, _: &mut dyn Transaction, person_id: &str) -> Result<String, Problem> {
        Ok(person_id.to_owned())
    }

    fn find(&self, _: &mut dyn Transaction, login: &str) -> Result<Option<String>, Problem> {
        Ok(Some(login.to_owned()))
    }
}

fn roles(person: &str) -> Roles {
    Roles::of([if person == "ann" { Role::Analyst } else { Role::Manager }])
}

fn actor(name: &str) -> Actor {
    Actor::new(name, name, roles(name))
}

fn now() -> Instant {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Instant::new(since.as_secs().cast_signed(), since.subsec_nanos())
}

/// Stores a run; returns its id and the seconds of writing and of publishing.
fn stock(store: &dyn Store, items: u64) -> (RunId, f64, f64) {
    let started = now();
    let millis =
        started.seconds().cast_unsigned() * 1000 + u64::from(started.nanoseconds() / 1_000_000);
    let id = RunId::new(millis, [7; 10]);
    let field = |name: &str, kind| Field::new(name, kind);
    let code = |code: &str| ReasonCode {
        code: code.to_owned(),
        functional: true,
        description: "a reason of the benchmark".to_owned(),
        closes: false,
    };
    store.sync_reason_codes("bench", &[code("ROUNDING"), code("TIMING"), code("UNKNOWN")]).unwrap();
    store
        .create_run(&NewRun {
            id,
            job: "bench".to_owned(),
            system_a: "FRONT".to_owned(),
            system_b: "RISK".to_owned(),
            batch_date: "2026-01-15".parse().unwrap(),
            started,
            layout: Layout::new(
                vec![
                    field("id", Kind::Text),
                    field("ccy", Kind::Text),
                    field("amount", Kind::Decimal),
                ],
                1,
            ),
            keep_all: true,
            metadata: serde_json::json!({}),
        })
        .unwrap();
    let begun = Clock::now();
    let mut writer = store.writer(id).unwrap();
    let mut first = 1;
    while first <= items {
        let last = items.min(first + BATCH - 1);
        writer.write(&batch(first, last)).unwrap();
        first = last + 1;
    }
    let written = begun.elapsed().as_secs_f64();
    let begun = Clock::now();
    writer
        .finish(&FinishRun {
            ended: now(),
            status: RunStatus::Completed,
            stage: Stage::Attributed,
            total_records: items,
            total_differences: items,
            metadata: serde_json::json!({}),
        })
        .unwrap();
    (id, written, begun.elapsed().as_secs_f64())
}

fn batch(first: u64, last: u64) -> Batch {
    let mut batch = Batch::default();
    for number in first..=last {
        let key = format!("T{number:08}");
        let cents = i128::from(number % 9_973) + 1;
        let amount = |cents| Decimal::new(cents, 2).unwrap();
        let row =
            |cents| Row::of([Cell::Text(&key), Cell::Text("USD"), Cell::Decimal(amount(cents))]);
        let (a, b) = (row(10_000), row(10_000 + cents));
        batch.record(&RecordRow {
            kind: RecordKind::Pair,
            a: Some(Cells::new(&a.cells)),
            b: Some(Cells::new(&b.cells)),
            partner_rejected: false,
            place_a: Some((number + 1, 40 * number)),
            place_b: Some((number + 1, 40 * number)),
            matched: None,
        });
        let kind = number % SIGNATURES;
        let reason = if kind.is_multiple_of(3) { "TIMING" } else { "ROUNDING" };
        let signature = format!(
            "[\"bench\",\"amount\",\"NUMERIC_MISMATCH\",\"{reason}\",\"{kind}\",\"MEDIUM\",\"\"]"
        );
        let attribution = AttributionRow {
            reason: batch.push(reason),
            confidence: Confidence::new((number % 8_999) as f64 / 10_000.0).unwrap(),
            status: Status::Unknown,
            assigned_by: batch.push("RULE:near"),
            explanation: None,
            signature: Some((batch.push(&signature), batch.push("amount: B is a little more"))),
        };
        let row = DifferenceRow {
            row: number,
            record: number,
            field: FieldRef::Field(2),
            diff_type: DiffType::NumericMismatch,
            severity: Severity::Medium,
            value_a: Some(batch.push("100.00")),
            value_b: Some(batch.push(&amount(10_000 + cents).to_string())),
            amount_abs: Some(cents as f64 / 100.0),
            attribution: Some(attribution),
        };
        batch.differences.push(row);
    }
    batch
}

/// Milliseconds, in ascending order; and of processor time for one of them, of this process and of the database.
struct Times(Vec<f64>, [f64; 2]);

/// Milliseconds of processor time of a process, which Linux counts in hundredths of a second.
fn processor(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let ticks = rest.split_whitespace().skip(11).take(2);
    10.0 * ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>()
}

/// The same of this process and of the database.
fn processors() -> [f64; 2] {
    let server = std::env::var("RECON_BENCH_POSTMASTER").unwrap_or_default();
    let children = std::fs::read_to_string(format!("/proc/{server}/task/{server}/children"));
    let children = children.unwrap_or_default();
    [processor("self"), children.split_whitespace().map(processor).sum()]
}

impl Times {
    fn of(count: usize, mut work: impl FnMut(usize)) -> Self {
        let before = processors();
        let mut times: Vec<f64> = (0..count)
            .map(|at| {
                let begun = Clock::now();
                work(at);
                milliseconds(begun.elapsed())
            })
            .collect();
        let share = |at: usize| (processors()[at] - before[at]) / count as f64;
        let shares = [share(0), share(1)];
        times.sort_by(f64::total_cmp);
        Self(times, shares)
    }

    fn row(&self, what: &str) {
        let at = |share: f64| self.0[((self.0.len() - 1) as f64 * share).round() as usize];
        println!(
            "| {what} | {} | {:.2} | {:.2} | {:.2} | {:.1} | {:.1} |",
            self.0.len(),
            at(0.5),
            at(0.95),
            at(1.0),
            self.1[0],
            self.1[1]
        );
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn yes(review: Review<'_>, person: &Actor, moved: &ProposalMoved) -> ProposalMoved {
    let ask = Approve {
        proposal_id: moved.proposal_id.clone(),
        if_match: Some(moved.tag.parse().unwrap()),
        content_hash: Some(moved.content_hash),
        comments: None,
    };
    review.approve(person, &ask).unwrap().value
}

fn item_id(run: RunId, record: u64) -> String {
    let number = record << 10 | 3;
    format!("{}{number:012x}", run.prefix(recon::domain::run::IdClass::Attribution))
}

fn measure(store: &dyn Store, items: u64) {
    println!("\n{}: {items} undecided items\n", store.url());
    println!("| what | n | p50 ms | p95 ms | max ms | CPU ms | database CPU ms |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let (run, written, published) = stock(store, items);
    println!("| write the run | 1 | {:.0} | | | | |", written * 1_000.0);
    println!("| publish it | 1 | {:.0} | | | | |", published * 1_000.0);
    let review_settings = ReviewSettings::new(AnyUser, now, false);
    let review = Review::new(store, &review_settings);
    let [ann, max, mia] = ["ann", "max", "mia"].map(actor);
    Times::of(1, |_| while review.index_next().unwrap() {}).row("index it for searches");
    pages(review, &ann);
    searches(review, &ann, items);
    Times::of(20, |_| drop(review.summary(&ann).unwrap())).row("summary");

    let mut made = Vec::new();
    Times::of(300, |at| {
        let ask = Resolve {
            attribution_id: item_id(run, 1 + at as u64 * (items / 300).max(1)),
            action: Some(Action::Approve),
            ..Resolve::default()
        };
        made.push(review.resolve(&ann, &ask).unwrap().value);
    })
    .row("one decision");
    Times::of(made.len(), |at| {
        let (id, tag) =
            (made[at].proposal_id.clone().unwrap(), made[at].proposal_tag.clone().unwrap());
        let seen = review.proposal(&max, &id, &PageAsk::default()).unwrap().proposal;
        let ask = Approve {
            proposal_id: id,
            if_match: Some(tag.parse().unwrap()),
            content_hash: Some(seen.content_hash),
            comments: None,
        };
        review.approve(&max, &ask).unwrap();
    })
    .row("looking at a proposal and approving it");
    bulks(review, &ann, &max, &mia);

    let (_, _, again) = stock(store, items);
    println!(
        "| publish the next run, 5,300 decisions carried | 1 | {:.0} | | | | |",
        again * 1_000.0
    );
}

fn pages(review: Review<'_>, ann: &Actor) {
    let text = |text: &str| Some(text.to_owned());
    let any = QueueFilter::default();
    let queues = [
        ("page, least sure first", any.clone(), QueueSort::Confidence),
        ("page, surest first", any.clone(), QueueSort::ConfidenceDescending),
        ("page, largest first", any.clone(), QueueSort::Amount),
        ("page, gravest first", any.clone(), QueueSort::Severity),
        (
            "page of a field",
            QueueFilter { field_name: text("amount"), ..any.clone() },
            QueueSort::Confidence,
        ),
        (
            "page of a reason",
            QueueFilter { reason_code: text("TIMING"), ..any.clone() },
            QueueSort::Confidence,
        ),
        (
            "page from 0.85 on",
            QueueFilter { min_confidence: Some(0.85), ..any.clone() },
            QueueSort::Confidence,
        ),
        (
            "page of nobody's",
            QueueFilter { assignee: text("none"), ..any.clone() },
            QueueSort::Confidence,
        ),
        ("page by age", any, QueueSort::Age),
    ];
    for (what, filter, sort) in queues {
        let mut ask = PageAsk { sort, ..PageAsk::default() };
        Times::of(100, |_| {
            let page = review.queue(ann, &filter, &ask).unwrap();
            ask.cursor = page.next;
        })
        .row(what);
    }
    let groups = |by| {
        drop(review.groups(ann, &QueueFilter::default(), by, &PageAsk::default()).unwrap());
    };
    Times::of(20, |_| groups(recon::review::GroupBy::Signature)).row("groups of look-alikes");
}

fn searches(review: Review<'_>, ann: &Actor, items: u64) {
    let one = format!("T{:08}", items / 2);
    for (what, text) in [
        ("search for a reference", one.as_str()),
        ("search for what all have", "usd"),
        ("search without a hit", "nothing-has-this"),
    ] {
        let filter = QueueFilter { q: Some(text.to_owned()), ..QueueFilter::default() };
        let by = recon::review::GroupBy::Signature;
        Times::of(20, |_| drop(review.queue(ann, &filter, &PageAsk::default()).unwrap())).row(what);
        Times::of(20, |_| drop(review.groups(ann, &filter, by, &PageAsk::default()).unwrap()))
            .row(&format!("{what}, in groups"));
        Times::of(20, |_| assert!(review.search_counts(ann, text).unwrap().to_decide <= items))
            .row(&format!("{what}, its counts"));
    }
}

fn bulks(review: Review<'_>, ann: &Actor, max: &Actor, mia: &Actor) {
    let (mut found, mut previews) = (Vec::new(), Vec::new());
    let mut after = None;
    Times::of(5, |_| {
        // A thousand items without a proposal.
        let mut ids = Vec::new();
        let mut ask = PageAsk { limit: Some(200), cursor: after.clone(), ..PageAsk::default() };
        while ids.len() < 1_000 {
            let page = review.queue(ann, &QueueFilter::default(), &ask).unwrap();
            ids.extend(page.items.into_iter().map(|item| item.attribution_id));
            ask.cursor = page.next;
        }
        after = ask.cursor;
        found.push(ids);
    })
    .row("finding 1,000 items");
    Times::of(found.len(), |at| {
        let ids = found[at].clone();
        let ask =
            BulkPreviewAsk { ids, action: Some(Action::Approve), ..BulkPreviewAsk::default() };
        previews.push(review.bulk_preview(ann, &ask).unwrap());
    })
    .row("bulk of 1,000, preview");
    let mut moved = Vec::new();
    Times::of(previews.len(), |at| {
        let commit = BulkCommit { token: previews[at].token.clone(), ..BulkCommit::default() };
        moved.push(review.bulk_commit(ann, &commit).unwrap().value.proposal);
    })
    .row("bulk of 1,000 proposed");
    let mut checked = Vec::new();
    Times::of(moved.len(), |at| checked.push(yes(review, max, &moved[at])))
        .row("bulk of 1,000 checked");
    Times::of(checked.len(), |at| {
        let done = yes(review, mia, &checked[at]);
        assert_eq!(done.status.as_deref(), Some("ACCEPTED"));
    })
    .row("bulk of 1,000 authorized");
}

fn main() {
    // Cargo adds its own argument.
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let items = arguments.iter().find_map(|one| one.parse().ok()).unwrap_or(1_000_000);
    for url in arguments.iter().filter(|one| one.contains(':')) {
        let url = StoreUrl::parse(url, Path::new("")).unwrap();
        let store = open(&url, Opening::Create).unwrap();
        measure(&*store, items);
    }
}
