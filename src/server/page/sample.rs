//! Renders every screen with sample data: empty, full and hostile. Writes the pages to
//! `target/pages`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use askama::Template;

use crate::domain::Instant;
use crate::domain::review::{
    Action, ContentHash, Eyes, Fired, ProposalKind, ProposalState, Role, Roles, Trigger,
};
use crate::report::statement::{Bar, Waterfall};
use crate::review::{self, *};

use super::address::Listing;
use super::check::proposal;
use super::frame::{Frame, Message, Person, Screen, Theme, Tone, Undo};
use super::login::form as login_form;
use super::overview::breaks::{self, BreaksPage};
use super::overview::statement::{Part, Row, StatementPage};
use super::queue::bulk;
use super::{
    assets, audit, check, item, overview, problem, profile, queue, reasons, reports, work,
};

const HOSTILE: &str = "\"><img src=x onerror=alert(1)>{{7*7}}</textarea><script>alert(2)</script>";

fn now() -> Instant {
    Instant::parse_rfc3339_utc("2026-11-23T15:00:00Z").unwrap()
}

fn frame(place: Screen) -> Frame {
    Frame {
        place,
        person: Some(Person { name: "Ann Miller".into(), roles: "senior analyst".into() }),
        to_check: 3,
        reports: true,
        work: true,
        light: (place == Screen::Check)
            .then_some("No authorizer: six-eye items cannot be settled."),
        theme: Theme::Auto,
        shortcuts: true,
        session_seconds: 1800,
        ..Frame::default()
    }
}

fn reason(code: &str, description: &str, functional: bool, used: u64) -> ReasonEntry {
    ReasonEntry {
        reason: ReasonView {
            reason_id: 1,
            code: code.into(),
            description: description.into(),
            is_functional: functional,
        },
        is_active: true,
        origin: "file".into(),
        closes: code == "WRITE_OFF",
        used,
    }
}

fn catalogue() -> Vec<ReasonEntry> {
    let mut all = vec![
        reason("ROUNDING_DIFF", "Immaterial difference caused by decimal precision", true, 8_120),
        reason("TIMING_LAG", "Booked on the next business day", true, 2_204),
        reason("FX_VARIANCE", "Different exchange rate on the two sides", true, 980),
        reason("MISSING_SOURCE_B", "Record exists in A but not in B", false, 211),
        reason("TRUNCATION_ERR", "Text cut off by a field that is too short", false, 57),
        reason("MANUAL_ENTRY_ERR", "Typed wrongly by a person", false, 12),
        reason("UNKNOWN", "No cause could be determined with enough confidence", false, 0),
    ];
    all.push(ReasonEntry {
        is_active: false,
        ..reason("OLD_FEED", "The feed before 2024", true, 4)
    });
    all
}

#[derive(Clone, Copy)]
struct SampleItem<'a> {
    reference: &'a str,
    field: &'a str,
    kind: &'a str,
    a: Option<&'a str>,
    b: Option<&'a str>,
    guesses: &'a [(&'a str, f64)],
    label: &'a str,
    size: u64,
}

const SAMPLE_ITEMS: [SampleItem<'static>; 8] = [
    SampleItem {
        reference: "T-100233",
        field: "amount",
        kind: "NUMERIC_MISMATCH",
        a: Some("1250300.25"),
        b: Some("1250300"),
        guesses: &[("ROUNDING_DIFF", 0.82), ("FX_VARIANCE", 0.11), ("MANUAL_ENTRY_ERR", 0.04)],
        label: "amount: B = round(A, 0)",
        size: 1_204,
    },
    SampleItem {
        reference: "T-100871",
        field: "trade_date",
        kind: "DATE_MISMATCH",
        a: Some("2026-01-15"),
        b: Some("2026-01-16"),
        guesses: &[("TIMING_LAG", 0.71), ("MANUAL_ENTRY_ERR", 0.2)],
        label: "trade_date: B is the next business day",
        size: 340,
    },
    SampleItem {
        reference: "T-101442",
        field: "counterparty",
        kind: "STRING_MISMATCH",
        a: Some("DEUTSCHE BANK AKTIENGESELLSCHAFT"),
        b: Some("DEUTSCHE BANK AKTIENGESE"),
        guesses: &[("TRUNCATION_ERR", 0.88)],
        label: "counterparty: B is A cut to 24 characters",
        size: 58,
    },
    SampleItem {
        reference: "T-102001",
        field: "ENTIRE_RECORD",
        kind: "MISSING_IN_SOURCE_B",
        a: Some("EXISTS"),
        b: None,
        guesses: &[("MISSING_SOURCE_B", 0.64), ("TIMING_LAG", 0.31)],
        label: "missing in B",
        size: 47,
    },
    SampleItem {
        reference: "T-102877",
        field: "currency",
        kind: "NULL_MISMATCH",
        a: Some("USD"),
        b: None,
        guesses: &[],
        label: "currency: B is null",
        size: 12,
    },
    SampleItem {
        reference: "T-103310",
        field: "counterparty",
        kind: "STRING_MISMATCH",
        a: Some("BNP  Paribas\u{a0}SA"),
        b: Some("BNP Pаribas SA \u{202e}"),
        guesses: &[("MANUAL_ENTRY_ERR", 0.41)],
        label: "counterparty: other characters that look alike",
        size: 4,
    },
    SampleItem {
        reference: HOSTILE,
        field: "</script><b>field",
        kind: "STRING_MISMATCH",
        a: Some(HOSTILE),
        b: Some("javascript:alert(3)//\u{202e}\u{200b}\u{0}"),
        guesses: &[("MANUAL_ENTRY_ERR", 0.33)],
        label: "<svg onload=alert(4)>",
        size: 2,
    },
    SampleItem {
        reference: "T-104000",
        field: "amount",
        kind: "TYPE_MISMATCH",
        a: Some("1.234,56 EUR"),
        b: Some("1234.56"),
        guesses: &[("MANUAL_ENTRY_ERR", 0.52)],
        label: "amount: A is not a number",
        size: 1,
    },
];

fn made(at: usize) -> ReviewItem {
    let made = SAMPLE_ITEMS[at % SAMPLE_ITEMS.len()];
    ReviewItem {
        attribution_id: format!("0190b5a0-0000-7000-8000-{at:012x}"),
        confidence_score: made.guesses.first().map_or(0.0, |guess| guess.1),
        status: "UNKNOWN".into(),
        difference: DifferenceView {
            diff_id: format!("0190b5a0-0000-7000-9000-{at:012x}"),
            field_name: made.field.into(),
            value_a: made.a.map(Into::into),
            value_b: made.b.map(Into::into),
            diff_type: made.kind.into(),
        },
        current_reason: made.guesses.first().map(|guess| ReasonView {
            reason_id: 3,
            code: guess.0.into(),
            description: String::new(),
            is_functional: true,
        }),
        source_a_ref_id: Some(made.reference.into()),
        source_b_ref_id: Some(made.reference.into()),
        version: 1,
        kind: ItemKind::Item,
        run_id: "0190b5a0-0000-7000-8000-0000000000aa".into(),
        job: "fx_trades_eod".into(),
        batch_date: "2026-11-23".into(),
        systems: vec!["FRONT_OFFICE".into(), "RISK".into()],
        record_id: format!("0190b5a0-0000-7000-a000-{at:012x}"),
        severity: if at == 3 { "HIGH".into() } else { "MEDIUM".into() },
        signature: Some(format!("{at:016x}")),
        signature_label: Some(made.label.into()),
        group_size: Some(made.size),
        predictions: made
            .guesses
            .iter()
            .map(|(code, confidence)| Prediction {
                code: (*code).into(),
                confidence: *confidence,
                why: vec![
                    "B has no decimals, A has two".into(),
                    "the difference is below one unit".into(),
                    "- the amount is above a million".into(),
                ],
            })
            .collect(),
        amount_abs: Some("0.25".into()),
        currency: Some("USD".into()),
        counterparty: Some("Müller & Söhne".into()),
        age_seconds: 7_200 + 40_000 * at as i64,
        first_seen: "2026-11-20".into(),
        age_days: 3,
        due_at: if at == 1 { "2026-11-23T12:00:00Z" } else { "2026-11-24T12:00:00Z" }.into(),
        sla: if at == 1 { Sla::Overdue } else { Sla::Ok },
        eyes_if_override: Eyes::Six,
        eyes_if_approve: Eyes::Four,
        triggers_if_override: vec![Fired {
            trigger: Trigger::ConfidentOverride,
            value: "0.97 > 0.9".into(),
        }],
        triggers_if_approve: vec![],
        sent_back: (at == 2).then(|| SentBack {
            by: "Bob Stone".into(),
            comment: "The feed was repaired yesterday; is it still cut?".into(),
            at: "2026-11-23T13:20:00Z".into(),
        }),
        assignee: (at == 0).then(|| "ann".into()),
        assignee_name: (at == 0).then(|| "Ann Miller".into()),
        claimed_by: (at == 0).then(|| "Bob Stone".into()),
        assigned_by: Some("RULE:attribute_rounding".into()),
        is_locked: false,
        proposal_id: None,
    }
}

fn summary(full: bool) -> Summary {
    let by_status = if full {
        [("UNKNOWN", 1_668), ("PENDING", 31), ("ACCEPTED", 48_210), ("REJECTED", 9)]
            .map(|(name, number)| (name.to_owned(), number))
            .into()
    } else {
        BTreeMap::new()
    };
    let some = |number: u64| if full { number } else { 0 };
    Summary {
        data_version: "1".into(),
        by_status,
        overdue: some(340),
        sent_back: some(1),
        assigned_to_me: some(12),
        mine: some(4),
        to_check: some(3),
        to_authorize: some(1),
        samples: 0,
        decisions_per_minute: 6.4,
        decided_today: some(212),
        sent_back_rate: 0.031,
        solo: false,
    }
}

fn group(at: usize) -> review::Group {
    let item = made(at);
    let made = SAMPLE_ITEMS[at % SAMPLE_ITEMS.len()];
    review::Group {
        signature: item.signature.clone(),
        label: made.label.into(),
        job: Some(item.job.clone()),
        field_name: Some(made.field.into()),
        diff_type: Some(made.kind.into()),
        reason_code: None,
        count: made.size,
        amount_sum: (made.kind == "NUMERIC_MISMATCH").then_some(612.37),
        predictions: item.predictions.clone(),
        oldest: "2026-11-20T10:00:00Z".into(),
        first_seen: (at == 1).then(|| "2026-11-02".into()),
        age_days: (at == 1).then_some(18),
        overdue: if at == 1 { 340 } else { 0 },
        severity: item.severity.clone(),
        sample: vec![item.clone(), item.clone(), item],
    }
}

fn facets() -> review::Facets {
    let shares = [
        ("field_name", "amount", 1_205),
        ("field_name", "trade_date", 340),
        ("field_name", "ENTIRE_RECORD", 47),
        ("diff_type", "NUMERIC_MISMATCH", 1_204),
        ("reason_code", "ROUNDING_DIFF", 1_204),
        ("severity", "HIGH", 47),
        ("confidence", "0.5-0.9", 1_500),
    ]
    .map(|(by, value, count)| Share { by: by.into(), value: value.into(), count });
    review::Facets { shares: shares.into(), are_counted: true }
}

fn side(system: &str, values: &[(&str, &str)]) -> RecordSide {
    RecordSide {
        system: system.into(),
        ref_id: "T-100233".into(),
        line: Some(234),
        place: Some("trades.csv:234".into()),
        fields: values
            .iter()
            .map(|(name, value)| FieldValue {
                compared: true,
                name: (*name).into(),
                kind: "text".into(),
                value: serde_json::json!(value),
                masked: false,
            })
            .collect(),
    }
}

fn actor(role: Role) -> Actor {
    Actor::new("ann", "Ann Miller", Roles::of([role]))
}

fn entry(stage: &str, action: &str, who: &str, comment: Option<&str>) -> HistoryEntry {
    HistoryEntry {
        seq: 12,
        performed_at: "2026-11-23T13:20:00Z".into(),
        actor_id: who.to_lowercase(),
        actor_name: who.into(),
        stage: stage.into(),
        action_type: action.into(),
        previous_value: None,
        new_value: None,
        comments: comment.map(Into::into),
        proposal_id: None,
        control: Some("FOUR_EYE".into()),
    }
}

fn life() -> Vec<LifeEvent> {
    let seen = |at: &str, what: &str, value: &str| LifeEvent {
        at: at.into(),
        what: what.into(),
        value_a: Some("1200.00".into()),
        value_b: Some(value.into()),
        by: None,
        stage: None,
        detail: None,
    };
    let decided = LifeEvent {
        by: Some("Carol Jones".into()),
        stage: Some("MAKER".into()),
        detail: Some(HOSTILE.into()),
        value_a: None,
        value_b: None,
        ..seen("2026-11-21T09:00:00Z", "OVERRIDE", "")
    };
    let cleared = LifeEvent {
        detail: Some("AGREES".into()),
        value_a: None,
        value_b: None,
        ..seen("2026-11-23", "CLEARED", "")
    };
    vec![
        seen("2026-11-20", "SEEN", "1250.00"),
        seen("2026-11-22", "CHANGED", HOSTILE),
        decided,
        cleared,
    ]
}

fn forecast() -> Forecast {
    let share = |share: f64| ForecastShare { share, low: share - 0.04, high: share + 0.05 };
    let within = [("1", 0.41), ("2", 0.6), ("5", 0.83)];
    Forecast {
        cleared: 412,
        within: within.into_iter().map(|(days, one)| (days.to_owned(), share(one))).collect(),
    }
}

fn detail(at: usize) -> ItemDetail {
    let item = made(at);
    let a = item.difference.value_a.clone().unwrap_or_default();
    let b = item.difference.value_b.clone().unwrap_or_default();
    let field = item.difference.field_name.clone();
    let common = [("buy_sell", "BUY"), ("currency", "USD"), ("counterparty", "BNP PARIBAS SA")];
    let mut left = vec![(field.as_str(), a.as_str()), ("trade_date", "2026-01-15")];
    let mut right = vec![(field.as_str(), b.as_str()), ("trade_date", "2026-01-16")];
    left.extend(common);
    right.extend(common);
    ItemDetail {
        matched_by_hand: None,
        goes_on: None,
        record_a: Some(side("FRONT_OFFICE", &left)),
        record_b: (item.difference.diff_type != "MISSING_IN_SOURCE_B")
            .then(|| side("RISK", &right)),
        siblings: vec![Sibling {
            attribution_id: "0190b5a0-0000-7000-8000-0000000000bb".into(),
            difference: DifferenceView {
                diff_id: String::new(),
                field_name: "trade_date".into(),
                value_a: Some("2026-01-15".into()),
                value_b: Some("2026-01-16".into()),
                diff_type: "DATE_MISMATCH".into(),
            },
            status: "UNKNOWN".into(),
            reason_code: None,
        }],
        aggregation: Some(matched(at, &field)),
        notes: vec![],
        life: life(),
        forecast: Some(forecast()),
        history: vec![
            entry("CHECKER", "REJECT", "Bob Stone", Some("Is it still cut? Please look again.")),
            entry("MAKER", "APPROVE", "Carol Jones", None),
            entry("MAKER", "COMMENT", HOSTILE, Some(HOSTILE)),
        ],
        similar: vec![SimilarDecision {
            attribution_id: "0190b5a0-0000-7000-8000-0000000000cc".into(),
            ref_id: Some("T-99871".into()),
            value_a: Some("12.30".into()),
            value_b: Some("12".into()),
            action: Action::Approve,
            reason_code: Some("ROUNDING_DIFF".into()),
            decided_by: "Carol Jones".into(),
            decided_at: "2026-11-21T10:00:00Z".into(),
            comments: None,
        }],
        comments: vec![],
        proposal: None,
        what_next:
            "Needs four eyes: a supervisor or manager other than you. Another cause than the \
                    first needs six."
                .into(),
        item,
    }
}

/// How the record was matched: a group, or a tie between two.
fn matched(at: usize, field: &str) -> serde_json::Value {
    let row = |name: &str, amount: &str| serde_json::json!({ "ref": name, "line": 3, "fields": { field: amount, "trade_date": HOSTILE } });
    if at.is_multiple_of(2) {
        return serde_json::json!({
            "pass": "split", "shape": "one_to_many", "certificate": "UNIQUE", "alternatives": 0,
            "members_a": [row("A:7", "1200.00")],
            "members_b": [row(HOSTILE, "700.00"), row("B:9", "500.00")],
            "sums_a": {}, "sums_b": { field: "1200.00" },
            "candidates": [],
        });
    }
    let candidate = |name: &str, rows: Vec<serde_json::Value>| serde_json::json!({ "ref": name, "why": HOSTILE, "field": null, "by": null, "taken_by": null, "rows": rows });
    serde_json::json!({
        "pass": null, "shape": null, "certificate": null, "alternatives": 0,
        "members_a": [], "members_b": [], "sums_a": {}, "sums_b": {},
        "candidates": [
            candidate("B:3", vec![row("B:3", "100.00")]),
            candidate(HOSTILE, vec![row(HOSTILE, "100.00")]),
            candidate("B:5", Vec::new()),
        ],
    })
}

fn view(at: usize, state: ProposalState, eyes: Eyes) -> ProposalView {
    let many = at == 0;
    ProposalView {
        proposal_id: format!("0190b5a0-0000-7000-b000-{at:012x}"),
        kind: if many { ProposalKind::Bulk } else { ProposalKind::Attribution },
        state,
        version: 2,
        content_hash: ContentHash([171; 32]),
        tag: "p2-abababab".into(),
        action: Some(if at == 2 { Action::Reject } else { Action::Override }),
        reason: Some(ReasonView {
            reason_id: 3,
            code: "TIMING_LAG".into(),
            description: String::new(),
            is_functional: true,
        }),
        payload: None,
        comments: Some(if at == 2 {
            HOSTILE.into()
        } else {
            "Value date convention of the branch in Singapore; confirmed by mail with operations there.".into()
        }),
        maker_id: "carol".into(),
        maker_name: "Carol Jones".into(),
        contributors: vec!["Carol Jones".into(), "Dan Wu".into()],
        approvals: (state == ProposalState::Checked)
            .then(|| ApprovalView {
                stage: "CHECKER".into(),
                person_id: "bob".into(),
                person_name: "Bob Stone".into(),
                decision: "APPROVE".into(),
                proposal_version: 2,
                comments: None,
                at: "2026-11-23T14:20:00Z".into(),
                counts: true,
            })
            .into_iter()
            .collect(),
        eyes_required: eyes,
        eyes_done: if state == ProposalState::Checked { 4 } else { 2 },
        triggers: if eyes == Eyes::Six {
            vec![
                Fired { trigger: Trigger::Bulk, value: "1,204 items".into() },
                Fired { trigger: Trigger::ConfidentOverride, value: "0.93".into() },
            ]
        } else {
            vec![]
        },
        count: if many { 1_204 } else { 1 },
        amount_sum: vec![],
        label: SAMPLE_ITEMS[(at + 1) % SAMPLE_ITEMS.len()].label.into(),
        predicted: vec![Prediction { code: "ROUNDING_DIFF".into(), confidence: 0.93, why: vec![] }],
        created_at: "2026-11-23T11:00:00Z".into(),
        updated_at: "2026-11-23T12:00:00Z".into(),
        expires_at: "2026-12-23T12:00:00Z".into(),
        closed_at: None,
        changed: vec![Changed {
            what: "reason".into(),
            before: Some("FX_VARIANCE".into()),
            after: Some("TIMING_LAG".into()),
        }],
        may_not_approve: (at == 1).then(|| "You proposed it yourself.".into()),
        may_withdraw: at == 1,
    }
}

fn run(at: usize) -> overview::RunFigures {
    use crate::report::sample;
    let mut summary = sample::summary();
    summary.run_id = format!("0190b5a0-0000-7000-8000-{at:012x}");
    summary.batch_date = format!("2026-11-{:02}", 23 - at);
    summary.attributions.stp_rate = 0.71 - 0.02 * at as f64 + 0.013 * (at % 3) as f64;
    summary.attributions.unknown_rate = 0.03 + 0.006 * at as f64;
    let total = summary.differences.total;
    summary.differences.total = total + (at * at * 3) as u64 % 40;
    overview::RunFigures {
        started: Instant::new(now().seconds() - 86_400 * at as i64 - 4_000, 0),
        standing: overview::Standing {
            machine_functional: total / 2,
            machine_error: total / 6,
            people: total / 12,
            rejected: 2,
            pending: 3,
            unknown: total - total / 2 - total / 6 - total / 12 - 5,
        },
        summary,
    }
}

struct Pages<'a>(&'a Path, Vec<(String, String)>);

impl Pages<'_> {
    fn add(&mut self, name: &str, page: &impl Template) {
        let html = page.render().unwrap();
        fs::write(self.0.join(format!("{name}.html")), &html).unwrap();
        self.1.push((name.to_owned(), html));
    }
}

#[test]
fn every_screen_is_whole_and_harmless() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pages");
    fs::create_dir_all(folder.join("assets")).unwrap();
    for asset in assets::ALL {
        fs::write(folder.join("assets").join(asset.file_name()), asset.bytes).unwrap();
    }
    let mut pages = Pages(&folder, Vec::new());
    queues(&mut pages);
    items(&mut pages);
    proposals(&mut pages);
    others(&mut pages);
    let page = |name: &str| &pages.1.iter().find(|(known, _)| known == name).unwrap().1;
    assert!(page("items").contains("amount (1,205)"));
    assert!(!page("items-uncounted").contains("amount (1,205)"));
    let group = page("item");
    assert!(group.contains("<tfoot><tr><th scope=\"row\">Sum</th>") && group.contains(">A:7<"));
    let tie = page("item-missing");
    for part in
        ["Which one belongs to this row?", "data-phrase=\"Belongs to B:3.\"", "B:5 was not taken"]
    {
        assert!(tie.contains(part), "{part}");
    }
    for (name, html) in &pages.1 {
        for bad in
            ["<script>alert", "<img src=x", "<svg onload", "<b>field", " style=", "</script><b>"]
        {
            assert!(!html.contains(bad), "{name} has {bad}");
        }
        assert_eq!(html.matches("<h1").count(), 1, "{name} has one heading of the first level");
        assert!(html.len() < 100_000, "{name} has {} bytes", html.len());
    }
}

fn queues(pages: &mut Pages<'_>) {
    let catalogue = catalogue();
    let (listing, facets) = (Listing::default(), facets());
    let full = summary(true);
    let views = [queue::views::View {
        name: "Large amounts".into(),
        href: "/review/queue?min_amount=1000".into(),
        present: false,
    }];
    let answers = |listing, summary| queue::Data {
        listing,
        summary,
        search: None,
        facets: &facets,
        runs: &[],
        views: &views,
        may_save: true,
        reasons: &catalogue,
        may_decide: true,
        now: now(),
    };
    let groups = Page {
        items: (0..SAMPLE_ITEMS.len()).map(group).collect(),
        next: Some("x".into()),
        total: None,
    };
    let mut shown = frame(Screen::Queue);
    shown.said = Some(Message {
        tone: Tone::Good,
        text: "Proposed for T-100233. A checker decides.".into(),
        link: None,
        undo: Some(Undo {
            action: "/x".into(),
            version: "p1-x".into(),
            key: "k".into(),
            back: "/review/queue".into(),
        }),
    });
    pages.add(
        "queue",
        &queue::Queue::new(shown, &answers(&listing, &full), &queue::Rows::Groups(&groups)),
    );
    let mut narrowed = Listing { items: true, ..Listing::default() };
    narrowed.filter.field_name = Some("amount".into());
    narrowed.filter.q = Some(HOSTILE.into());
    let items = Page { items: (0..24).map(made).collect(), next: Some("x".into()), total: None };
    pages.add(
        "items",
        &queue::Queue::new(
            frame(Screen::Queue),
            &answers(&narrowed, &full),
            &queue::Rows::Items(&items),
        ),
    );
    let wider = review::Facets { are_counted: false, ..facets.clone() };
    let uncounted = queue::Data { facets: &wider, ..answers(&narrowed, &full) };
    pages.add(
        "items-uncounted",
        &queue::Queue::new(frame(Screen::Queue), &uncounted, &queue::Rows::Items(&items)),
    );
    let none = Page { items: Vec::new(), next: None, total: None };
    let mut solo = frame(Screen::Queue);
    solo.banner = Some("One person decides alone here: nothing is checked by a second one.".into());
    pages.add(
        "queue-empty",
        &queue::Queue::new(solo, &answers(&listing, &summary(false)), &queue::Rows::Groups(&none)),
    );
}

fn items(pages: &mut Pages<'_>) {
    let catalogue = catalogue();
    let around: Vec<ReviewItem> = (0..8).map(made).collect();
    let listing = Listing::default();
    let mut page = |name: &str, at: usize, mode: &str, refused: Option<item::Refused>| {
        let detail = detail(at);
        let mut frame = frame(Screen::Queue);
        frame.theme = if at == 5 { Theme::Dark } else { Theme::Auto };
        pages.add(
            name,
            &item::Item::new(
                frame,
                &item::Data {
                    detail: &detail,
                    listing: &listing,
                    around: &around,
                    total: Some(985),
                    page_size: 25,
                    reasons: &catalogue,
                    actor: &actor(Role::Senior),
                    inline: mode == "inline",
                    invisible: at == 5,
                    now: now(),
                    key: "k".into(),
                    refused,
                },
            ),
        );
    };
    page("item", 0, "", None);
    page("item-text", 2, "", None);
    page("item-missing", 3, "", None);
    page("item-odd", 5, "", None);
    page("item-hostile", 6, "inline", None);
    page("item-date", 1, "", None);
    let refused = |stale| item::Refused {
        choice: "code".into(),
        code: "FX_VARIANCE".into(),
        comment: HOSTILE.into(),
        why: "A comment needs at least five characters.".into(),
        stale,
    };
    page("item-refused", 0, "", Some(refused(false)));
    page("item-stale", 0, "", Some(refused(true)));
}

fn proposals(pages: &mut Pages<'_>) {
    let boss = actor(Role::Manager);
    let states = [
        (ProposalState::Open, Eyes::Six),
        (ProposalState::Open, Eyes::Four),
        (ProposalState::Checked, Eyes::Six),
        (ProposalState::Returned, Eyes::Four),
    ];
    let list = Page {
        items: states
            .iter()
            .enumerate()
            .map(|(at, (s, e))| InboxEntry { proposal: view(at, *s, *e), item: Some(made(at)) })
            .collect(),
        next: None,
        total: None,
    };
    let (full, empty) = (summary(true), summary(false));
    let none = Page { items: vec![], next: None, total: None };
    let to_check =
        ProposalFilter { stage: Some(ProposalsFor::ToCheck), ..ProposalFilter::default() };
    for (name, page, summary) in [("check", &list, &full), ("check-empty", &none, &empty)] {
        let answers = check::Data { filter: &to_check, page, summary, actor: &boss, now: now() };
        pages.add(name, &check::Check::new(frame(Screen::Check), &answers));
    }
    for (name, at) in [("proposal", 0), ("proposal-own", 1), ("proposal-authorize", 2)] {
        let detail = ProposalDetail {
            match_sums: Vec::new(),
            proposal: view(at, states[at].0, states[at].1),
            items: if at == 0 { (0..8).map(made).collect() } else { vec![made(at)] },
            digest: (at == 0).then(|| ProposalDigest {
                runs: vec![RunCount {
                    run_id: "0190b5a0-0000-7000-8000-0000000000aa".into(),
                    job: "fx_trades_eod".into(),
                    batch_date: "2026-11-23".into(),
                    count: 1_204,
                }],
                deltas: (0..24_u32)
                    .map(|at| DeltaCount {
                        from: f64::from(at) - 12.0,
                        to: f64::from(at) - 11.0,
                        count: u64::from(12 - at.abs_diff(12)) * 9,
                    })
                    .collect(),
                largest: (0..5).map(made).collect(),
                drawn: (0..15).map(made).collect(),
            }),
            steps: vec![ProposalStep {
                actor_name: "Ann Miller".into(),
                stage: "MAKER".into(),
                action_type: "OVERRIDE".into(),
                items: 1_423,
                comments: Some(HOSTILE.to_owned()),
                at: "2026-11-23T14:20:11.123456Z".into(),
            }],
            next: (at == 0).then(|| "x".into()),
        };
        let refused =
            (at == 2).then(|| ("no".to_owned(), "Say why, in five characters.".to_owned()));
        let catalogue = catalogue();
        let answers = proposal::Data {
            detail: &detail,
            actor: &boss,
            reasons: &catalogue,
            next: None,
            all: false,
            now: now(),
            key: "k".into(),
            refused,
        };
        pages.add(name, &proposal::Proposal::new(frame(Screen::Check), &answers));
    }
    let preview = BulkPreview {
        token: "t".into(),
        expires_at: "2026-11-23T15:10:00Z".into(),
        count: 1_204,
        amount_sum: vec![AmountSum { currency: Some("USD".into()), sum: "612.37".into() }],
        eyes: Eyes::Six,
        triggers: vec![Fired { trigger: Trigger::Bulk, value: "1,204 items".into() }],
        excluded: vec![Excluded {
            id: made(9).attribution_id,
            reference: made(9).source_a_ref_id,
            why: "already in a proposal".into(),
        }],
        breakdown: facets().shares.into_iter().take(4).collect(),
        outliers: vec![made(6)],
        sample: (0..8).map(made).collect(),
        action: Action::Approve,
        new_reason_code: Some("ROUNDING_DIFF".into()),
        what_next: "Needs six eyes: a checker and then an authorizer, both other than you.".into(),
    };
    let asked =
        bulk::Request { choice: "*".into(), filter: "?signature=1".into(), ..Default::default() };
    let answers = bulk::Data {
        preview: &preview,
        asked: &asked,
        back: "/review/queue".into(),
        key: "k".into(),
        refused: None,
    };
    pages.add("bulk", &bulk::Bulk::new(frame(Screen::Queue), &answers));
    let choose =
        bulk::Choose::new(frame(Screen::Queue), &asked, "/review/queue".into(), &catalogue());
    pages.add("choose", &choose);
    pages.add("work", &work::Work::new(frame(Screen::Work), &full, &list, now(), "k"));
    pages.add("work-empty", &work::Work::new(frame(Screen::Work), &empty, &none, now(), "k"));
}

fn audit_row(seq: i64) -> AuditView {
    let raw = |text: &str| serde_json::value::RawValue::from_string(text.to_owned()).ok();
    let (stage, action) =
        [("MAKER", "OVERRIDE"), ("CHECKER", "APPROVE"), ("SYSTEM", "ATTRIBUTE")][seq as usize % 3];
    AuditView {
        row: audit_rows::AuditRow {
            seq,
            audit_id: "a".into(),
            attribution_id: Some(made(1).attribution_id),
            entity_type: "attribution".into(),
            entity_id: made(1).attribution_id,
            actor_id: "ann".into(),
            actor_roles: Some("senior".into()),
            auth_method: Some("session".into()),
            stage: stage.into(),
            action_type: action.into(),
            previous_value: raw(
                r#"{"status":"UNKNOWN","reason_code":"ROUNDING_DIFF","version":1}"#,
            ),
            new_value: raw(r#"{"status":"PENDING","reason_code":"TIMING_LAG","version":2}"#),
            comments: (seq % 3 == 0).then(|| HOSTILE.to_owned()),
            performed_at: "2026-11-23T14:20:11.123456Z".into(),
            request_id: Some("r-1".into()),
            ip: Some("127.0.0.1".into()),
            user_agent: Some("Mozilla/5.0".into()),
            proposal_id: Some("p".into()),
            proposal_version: Some(1),
            proposal_hash: Some("ab".repeat(32)),
            policy_version: Some(1),
            model_version: None,
            rule_version: None,
            control: Some("FOUR_EYE".into()),
            prev_hash: "00".repeat(32),
            hash: "ab".repeat(32),
            hash_version: 1,
        },
        actor_name: "Ann Miller".into(),
        assignees: Default::default(),
        step_rows: (seq % 3 == 1).then_some(1_423),
    }
}

use crate::store::audit as audit_rows;

fn auditors() -> [(&'static str, reports::Report); 4] {
    let decision = OverrideRow {
        proposal_id: "0190b5a0-0000-7000-b000-000000000001".into(),
        items: 1_204,
        attribution_id: None,
        action: "OVERRIDE".into(),
        predicted: Some("ROUNDING_DIFF".into()),
        confidence: Some(0.93),
        reason_code: Some("TIMING_LAG".into()),
        maker: HOSTILE.into(),
        approvers: vec!["Bob Stone".into(), "Carol Jones".into()],
        comments: Some(HOSTILE.into()),
        control: "SIX_EYE".into(),
        proposed_at: "2026-11-23T11:00:00Z".into(),
        applied_at: Some("2026-11-23T14:00:00Z".into()),
    };
    let person = AccessRow {
        person_id: "ann".into(),
        name: HOSTILE.into(),
        roles: "senior".into(),
        actions: [("MAKER".to_owned(), 1_204), ("LOGIN".to_owned(), 12)].into(),
        last_action_at: None,
    };
    let finding = SodFinding {
        kind: "self-approval".into(),
        person_id: HOSTILE.into(),
        name: HOSTILE.into(),
        entity: "proposal".into(),
        what: "Ann Miller tried to approve her own proposal.".into(),
        at: "2026-11-23T11:00:00Z".into(),
    };
    [
        ("reports", reports::Report::Overrides(vec![decision])),
        ("reports-access", reports::Report::Access(vec![person])),
        ("reports-duties", reports::Report::Duties(vec![finding])),
        ("reports-none", reports::Report::Duties(vec![])),
    ]
}

fn broken(frame: Frame, masked: bool) -> BreaksPage {
    let row = |cleared: &'static str| breaks::Row {
        reference: if masked { String::new() } else { HOSTILE.into() },
        href: "/review/items/x".into(),
        field: HOSTILE.into(),
        kind: "missing in B".into(),
        since: "2026-01-15".into(),
        day: 3,
        cleared,
        is_back: masked,
    };
    BreaksPage {
        frame,
        job: HOSTILE.into(),
        date: "2026-01-17".into(),
        back: "/review".into(),
        masked,
        lists: vec![("Open", "None.", vec![row(""), row("")]), ("New", "None.", vec![])],
        exports: Vec::new(),
        forecasts: vec![(HOSTILE.into(), "missing in B".into(), item::forecast(&forecast()))],
    }
}

fn statement(frame: Frame) -> StatementPage {
    let bar = Bar {
        tone: "near",
        name: HOSTILE.into(),
        amount: "-1.00".into(),
        x: "330.00".into(),
        y: 5,
        width: "20.00".into(),
        base: 19,
    };
    let row = |name: &str, href: &str| Row {
        name: name.into(),
        functional: href.is_empty(),
        amount: "-1.00".into(),
        count: "3 differences".into(),
        href: href.into(),
    };
    StatementPage {
        frame,
        job: HOSTILE.into(),
        date: "2026-01-15".into(),
        back: "/review".into(),
        systems: (HOSTILE.into(), "RISK".into()),
        masked: false,
        parts: vec![Part {
            title: HOSTILE.into(),
            chart: Waterfall { height: 28, bars: vec![bar], about: HOSTILE.into() },
            from: "1,000.00".into(),
            to: "999.00".into(),
            lines: vec![row(HOSTILE, "/review/queue?as=X"), row("within tolerance", "")],
        }],
        not_added: vec![HOSTILE.into()],
    }
}

fn others(pages: &mut Pages<'_>) {
    let filter = AuditFilter::default();
    let rows = Page { items: (3..24).rev().map(audit_row).collect(), next: None, total: None };
    let none = Page { items: vec![], next: None, total: None };
    let end = Checkpoint {
        n: 23,
        head_hash: "ab".repeat(32),
        time: "2026-11-23T15:00:00Z".into(),
        ..Checkpoint::default()
    };
    let fine = Verdict { ok: true, checked: 23, ..Verdict::default() };
    let bad = Verdict {
        first_bad: Some(7),
        what: Some("The comment is not the one that was sealed.".into()),
        ..Verdict::default()
    };
    for (name, page, verdict) in [("audit", &rows, &fine), ("audit-broken", &none, &bad)] {
        let answers = audit::Data {
            filter: &filter,
            page,
            chain: Some((&end, Some(verdict))),
            own_only: false,
        };
        pages.add(name, &audit::Audit::new(frame(Screen::Audit), &answers));
    }
    let form = reasons::Form { key: "k".into(), ..reasons::Form::default() };
    let (catalogue, like) = (catalogue(), made(0));
    let answers = reasons::Data {
        entries: &catalogue,
        proposed: &[view(0, ProposalState::Open, Eyes::Six)],
        may_propose: true,
        like: Some(&like),
        now: now(),
    };
    pages.add("reasons", &reasons::Reasons::new(frame(Screen::Reasons), &answers, form));
    for (name, found) in auditors() {
        let period = Period { from: Some("2026-01-01".into()), to: None };
        pages.add(name, &reports::Reports::new(frame(Screen::Reports), &period, &found));
    }
    let runs: Vec<_> = (0..12).map(run).collect();
    let (full, empty) = (summary(true), summary(false));
    let shown = runs[0].summary.run_id.clone();
    let answers = overview::Data {
        runs: &runs,
        shown: &shown,
        jobs: &["fx_trades_eod".into(), "payments_intraday".into()],
        inbox: &full,
        ages: [1_210, 118, 340],
        ageing: [900, 400, 250, 100, 18],
        first: &[(
            "nearly all of 45 records differ in `amount` by their sign".into(),
            "add `normalize: { amount: [negate] }` to source B".into(),
        )],
        steps: &[],
        sees_money: true,
        now: now(),
    };
    pages.add("overview", &overview::Overview::new(frame(Screen::Overview), &answers));
    let answers = overview::Data {
        runs: &[],
        jobs: &[],
        inbox: &empty,
        ages: [0; 3],
        ageing: [0; 5],
        first: &[],
        steps: &[
            ("Invite a maker, a checker and an authorizer".into(), "/review/people".into(), false),
            ("Reconcile two sources: recon run".into(), String::new(), false),
            ("Serve it where others reach it".into(), String::new(), true),
        ],
        ..answers
    };
    pages.add("overview-empty", &overview::Overview::new(frame(Screen::Overview), &answers));
    pages.add("statement", &statement(frame(Screen::Overview)));
    pages.add("breaks", &broken(frame(Screen::Overview), false));
    pages.add("breaks-masked", &broken(frame(Screen::Overview), true));
    let door = || Frame { shortcuts: true, ..Frame::default() };
    pages.add(
        "login",
        &login_form::Login {
            frame: door(),
            username: String::new(),
            wrong: None,
            then: "/review".into(),
        },
    );
    pages.add(
        "login-wrong",
        &login_form::Login {
            frame: door(),
            username: "ann".into(),
            wrong: Some("Name or password is wrong.".into()),
            then: "/review".into(),
        },
    );
    pages.add(
        "password",
        &login_form::Password {
            frame: door(),
            username: "ann".into(),
            forced: true,
            wrong: Some(HOSTILE.into()),
            then: "/review".into(),
        },
    );
    pages.add(
        "first",
        &login_form::FirstAdmin {
            frame: door(),
            token: "t".into(),
            invited: false,
            username: String::new(),
            wrong: None,
        },
    );
    pages.add(
        "profile",
        &profile::Profile {
            waiting: vec!["ann.second".into()],
            has_password: true,
            frame: frame(Screen::Profile),
            page_size: 50,
            account: profile::account::Account::default(),
            wrong: None,
        },
    );
    pages.add("help", &profile::Help { frame: frame(Screen::Help) });
    pages.add(
        "problem",
        &problem::Problem {
            frame: frame(Screen::Elsewhere),
            status: 404,
            title: "There is no such page".into(),
            detail: "Nothing is at this address.".into(),
            next: ("/review".into(), "Overview".into()),
            request_id: "0190b5a0".into(),
        },
    );
}
