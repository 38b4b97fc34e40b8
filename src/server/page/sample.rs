//! Renders every screen with sample data: empty, full and hostile. Writes the pages to
//! `target/pages`.

mod data;

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

use data::*;

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
        &queue::Queue::new(shown, &answers(&listing, &full), &ListedRows::Groups(groups.clone())),
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
            &ListedRows::Items(items.clone()),
        ),
    );
    let wider = review::Facets { are_counted: false, ..facets.clone() };
    let uncounted = queue::Data { facets: &wider, ..answers(&narrowed, &full) };
    pages.add(
        "items-uncounted",
        &queue::Queue::new(frame(Screen::Queue), &uncounted, &ListedRows::Items(items.clone())),
    );
    let none = Page { items: Vec::new(), next: None, total: None };
    let mut solo = frame(Screen::Queue);
    solo.banner = Some("One person decides alone here: nothing is checked by a second one.".into());
    pages.add(
        "queue-empty",
        &queue::Queue::new(solo, &answers(&listing, &summary(false)), &ListedRows::Groups(none)),
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
            field_name: made(9).difference.field_name,
            code: "already-pending".into(),
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
