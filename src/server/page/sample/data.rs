//! Sample data of the screens.

use super::*;

pub(super) const HOSTILE: &str =
    "\"><img src=x onerror=alert(1)>{{7*7}}</textarea><script>alert(2)</script>";

pub(super) fn now() -> Instant {
    Instant::parse_rfc3339_utc("2026-11-23T15:00:00Z").unwrap()
}

pub(super) fn frame(place: Screen) -> Frame {
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

pub(super) fn reason(code: &str, description: &str, functional: bool, used: u64) -> ReasonEntry {
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

pub(super) fn catalogue() -> Vec<ReasonEntry> {
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
pub(super) struct SampleItem<'a> {
    reference: &'a str,
    field: &'a str,
    kind: &'a str,
    a: Option<&'a str>,
    b: Option<&'a str>,
    guesses: &'a [(&'a str, f64)],
    label: &'a str,
    size: u64,
}

pub(super) const SAMPLE_ITEMS: [SampleItem<'static>; 8] = [
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

pub(super) fn made(at: usize) -> ReviewItem {
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

pub(super) fn summary(full: bool) -> Summary {
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

pub(super) fn group(at: usize) -> review::Group {
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

pub(super) fn facets() -> review::Facets {
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

pub(super) fn side(system: &str, values: &[(&str, &str)]) -> RecordSide {
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

pub(super) fn actor(role: Role) -> Actor {
    Actor::new("ann", "Ann Miller", Roles::of([role]))
}

pub(super) fn entry(stage: &str, action: &str, who: &str, comment: Option<&str>) -> HistoryEntry {
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

pub(super) fn life() -> Vec<LifeEvent> {
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

pub(super) fn forecast() -> Forecast {
    let share = |share: f64| ForecastShare { share, low: share - 0.04, high: share + 0.05 };
    let within = [("1", 0.41), ("2", 0.6), ("5", 0.83)];
    Forecast {
        cleared: 412,
        within: within.into_iter().map(|(days, one)| (days.to_owned(), share(one))).collect(),
    }
}

pub(super) fn detail(at: usize) -> ItemDetail {
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
        rule_words: Some("One is the other rounded.".into()),
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

/// The record's match: a group, or a tie between two.
pub(super) fn matched(at: usize, field: &str) -> serde_json::Value {
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

pub(super) fn view(at: usize, state: ProposalState, eyes: Eyes) -> ProposalView {
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

pub(super) fn run(at: usize) -> overview::RunFigures {
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
