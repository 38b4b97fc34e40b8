//! Matching by hand: rows of both sides that people put together, and take apart again.

use recon::domain::review::{Action, ProposalState};
use recon::domain::{RunId, Side};
use recon::review::{Actor, Amend, Approve, MatchRows, PageAsk, ProposalMoved, Reopen, Review};
use recon::store::{Store, chain, transact};

use super::fixture::{
    GUESS, ReviewStage, alone_id, code, item_id, override_, stock, stock_alone, team,
};
use crate::store::fixture::column;
use crate::store::{Place, on_both_stores};

on_both_stores! {
    rows_of_both_sides_are_matched_by_two_people,
    a_match_is_taken_apart_by_three_people,
    matches_go_over_to_the_run_that_takes_its_place,
    only_open_rows_of_both_sides_are_matched,
    a_row_that_is_there_for_days_is_found_once,
}

const ROWS: &[(&str, Side, &str, i128)] = &[
    ("P1", Side::A, "USD", 10_000),
    ("Q1", Side::B, "USD", 6_000),
    ("Q2", Side::B, "USD", 3_990),
    ("P2", Side::A, "EUR", 700),
    ("Q3", Side::B, "EUR", 705),
];

fn ask(run: RunId, records: &[u64]) -> MatchRows {
    MatchRows {
        ids: records.iter().map(|record| alone_id(run, *record)).collect(),
        reason_code: Some("TIMING".to_owned()),
        comments: Some("one payment in two parts".to_owned()),
    }
}

fn approval(review: Review<'_>, moved: &ProposalMoved, by: &Actor) -> Approve {
    let seen = review.proposal(by, &moved.proposal_id, &PageAsk::default()).unwrap().proposal;
    Approve {
        proposal_id: seen.proposal_id,
        if_match: Some(seen.tag.parse().unwrap()),
        content_hash: Some(seen.content_hash),
        comments: None,
    }
}

/// A match of P1 with Q1 and Q2, approved. Gives its id.
fn matched(stage: &ReviewStage, store: &dyn Store, run: RunId) -> String {
    let review = stage.review(store);
    let moved = review.match_rows(&stage.actor("ann"), &ask(run, &[1, 2, 3])).unwrap().value;
    let sue = stage.actor("sue");
    let done = review.approve(&sue, &approval(review, &moved, &sue)).unwrap().value;
    assert_eq!(done.state, ProposalState::Applied);
    moved.proposal_id
}

fn statuses(store: &dyn Store, run: RunId) -> Vec<String> {
    let sql = format!(
        "SELECT a.status || ' ' || c.code || ' ' || a.confidence_score || ' ' || \
         CASE WHEN a.is_locked THEN 'locked' ELSE 'open' END \
         FROM recon.attributions a JOIN recon.reason_codes c ON c.reason_id = a.reason_id \
         WHERE a.run_id = '{run}' ORDER BY a.difference_number"
    );
    column(store, &sql)
}

fn actions(store: &dyn Store) -> Vec<String> {
    let sql = "SELECT stage || ' ' || action_type || ' ' || count(*) FROM recon.audit_trail \
               WHERE attribution_id IS NOT NULL GROUP BY stage, action_type, proposal_id \
               ORDER BY min(seq)";
    column(store, sql)
}

fn assert_sound(store: &dyn Store) {
    let verdict = transact::read(store, |tx| chain::verify(tx, None, None)).unwrap();
    assert!(verdict.ok, "{verdict:?}");
    assert_eq!(transact::read(store, |tx| chain::replay(tx)).unwrap(), [""; 0]);
}

fn rows_of_both_sides_are_matched_by_two_people(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock_alone(&*store, "pay", "2026-01-15", ROWS);
    let (ann, sue) = (stage.actor("ann"), stage.actor("sue"));

    // The nearest amounts in its currency come first; a text finds the others.
    let found = review.match_candidates(&ann, &alone_id(run, 1), None, None).unwrap();
    let names: Vec<&str> =
        found.items.iter().filter_map(|one| one.item.source_b_ref_id.as_deref()).collect();
    assert_eq!(names, ["Q1", "Q2", "Q3"]);
    let found = review.match_candidates(&ann, &alone_id(run, 1), Some("q3"), None).unwrap();
    assert_eq!(found.items.len(), 1);
    let found = review.match_candidates(&ann, &alone_id(run, 2), None, None).unwrap();
    assert_eq!(found.items.len(), 2, "rows of A for a row of B");

    // Amounts are added up for each currency, never across.
    let all = ask(run, &[1, 2, 3, 4, 5]);
    let preview = review.match_preview(&ann, &all.ids).unwrap();
    let sums: Vec<[&str; 4]> = preview
        .sums
        .iter()
        .map(|sum| {
            [
                sum.currency.as_deref().unwrap(),
                sum.a.as_str(),
                sum.b.as_str(),
                sum.difference.as_str(),
            ]
        })
        .collect();
    assert_eq!(sums, [["USD", "100.00", "99.90", "-0.10"], ["EUR", "7.00", "7.05", "0.05"]]);
    assert_eq!((preview.eyes.code(), preview.may_not_propose), (4, None));

    let moved = review.match_rows(&ann, &ask(run, &[1, 2, 3])).unwrap().value;
    assert_eq!((moved.eyes_required.code(), moved.count), (4, 3));
    assert_eq!(moved.status.as_deref(), Some("PENDING"));
    let detail = review.proposal(&sue, &moved.proposal_id, &PageAsk::default()).unwrap();
    assert_eq!(detail.match_sums[0].difference, "-0.10");
    assert_eq!(detail.proposal.payload.unwrap()["match"]["rows_b"], 2);
    assert_eq!(code(review.approve(&ann, &approval(review, &moved, &ann))), "self-approval");
    // Another cause, with a new version.
    let amend = Amend {
        proposal_id: moved.proposal_id.clone(),
        if_match: moved.tag.parse().ok(),
        action: Some(Action::Reject),
        new_reason_code: None,
        comments: Some("no, a break".to_owned()),
    };
    assert_eq!(code(review.amend(&ann, &amend)), "reason-code-required");
    let amend = Amend {
        action: Some(Action::Override),
        new_reason_code: Some("ROUNDING".to_owned()),
        ..amend
    };
    let moved = review.amend(&ann, &amend).unwrap().value;
    let done = review.approve(&sue, &approval(review, &moved, &sue)).unwrap().value;
    assert_eq!((done.state, done.status.as_deref()), (ProposalState::Applied, Some("ACCEPTED")));

    let settled = "ACCEPTED ROUNDING 1 locked".to_owned();
    let now = statuses(&*store, run);
    assert_eq!(
        now[..3].iter().map(|row| row.replace("1.0", "1")).collect::<Vec<_>>(),
        vec![settled; 3]
    );
    let item = review.item(&ann, &alone_id(run, 2)).unwrap();
    let link = item.matched_by_hand.unwrap();
    assert_eq!((link.match_id.as_str(), link.rows.len()), (moved.proposal_id.as_str(), 3));
    assert_eq!(link.sums[0].difference, "-0.10");
    assert!(review.item(&ann, &alone_id(run, 4)).unwrap().matched_by_hand.is_none());
    assert_eq!(
        actions(&*store),
        ["MAKER MATCH 3", "MAKER AMEND 3", "CHECKER APPROVE 3"].map(str::to_owned).to_vec()
    );
    assert_sound(&*store);
}

fn a_match_is_taken_apart_by_three_people(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock_alone(&*store, "pay", "2026-01-15", ROWS);
    let before = statuses(&*store, run);
    let match_id = matched(&stage, &*store, run);
    let (bob, sue, max) = (stage.actor("bob"), stage.actor("sue"), stage.actor("max"));

    // A row of a match is not decided alone.
    let item = review.item(&bob, &alone_id(run, 1)).unwrap().item;
    let reopen = Reopen {
        attribution_id: item.attribution_id,
        version: Some(item.version),
        action: Some(Action::Reject),
        new_reason_code: None,
        comments: Some("not this one".to_owned()),
    };
    assert_eq!(code(review.reopen(&bob, &reopen)), "matched-by-hand");

    assert_eq!(code(review.unmatch(&bob, &match_id, Some("no"))), "comment-required");
    let why = Some("Q2 is of another payment");
    let moved = review.unmatch(&bob, &match_id, why).unwrap().value;
    assert_eq!(moved.eyes_required.code(), 6, "it reopens what people decided");
    assert_eq!(code(review.unmatch(&bob, &match_id, why)), "already-pending");
    let checked = review.approve(&sue, &approval(review, &moved, &sue)).unwrap().value;
    assert_eq!(checked.state, ProposalState::Checked);
    assert_eq!(statuses(&*store, run)[0].split(' ').next(), Some("PENDING"));
    let done = review.approve(&max, &approval(review, &moved, &max)).unwrap().value;
    assert_eq!(done.state, ProposalState::Applied);
    assert_eq!(statuses(&*store, run), before);
    assert!(review.item(&bob, &alone_id(run, 1)).unwrap().matched_by_hand.is_none());
    assert_eq!(code(review.unmatch(&bob, &match_id, why)), "invalid-transition");
    assert_eq!(
        actions(&*store)[2..],
        ["MAKER UNMATCH 3", "CHECKER APPROVE 3", "AUTHORIZER APPROVE 3"].map(str::to_owned)
    );
    // They can be matched anew.
    review.match_rows(&bob, &ask(run, &[1, 3])).unwrap();
    assert_sound(&*store);
}

fn matches_go_over_to_the_run_that_takes_its_place(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let first = stock_alone(&*store, "pay", "2026-01-15", ROWS);
    let before = statuses(&*store, first);
    let match_id = matched(&stage, &*store, first);
    let second = stock_alone(&*store, "pay", "2026-01-15", ROWS);
    let (ann, sue, max) = (stage.actor("ann"), stage.actor("sue"), stage.actor("max"));
    let link = review.item(&ann, &alone_id(second, 3)).unwrap().matched_by_hand.unwrap();
    assert_eq!((link.match_id.as_str(), link.rows.len()), (match_id.as_str(), 3));
    assert!(link.rows.iter().all(|row| row.run_id == second.to_string()));
    let moved = review.unmatch(&ann, &match_id, Some("they do not belong together")).unwrap().value;
    assert_eq!(moved.count, 3);
    review.approve(&sue, &approval(review, &moved, &sue)).unwrap();
    review.approve(&max, &approval(review, &moved, &max)).unwrap();
    assert_eq!(statuses(&*store, second), before);
    assert_sound(&*store);
}

fn only_open_rows_of_both_sides_are_matched(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock_alone(&*store, "pay", "2026-01-15", ROWS);
    let other = stock_alone(&*store, "other", "2026-01-15", ROWS);
    let paired = stock(&*store, "fx", &[GUESS]);
    let ann = stage.actor("ann");
    let ids = |ids: Vec<String>| MatchRows { ids, ..ask(run, &[]) };
    let [a, b] = [alone_id(run, 1), alone_id(run, 2)];
    for (rows, expected) in [
        (ids(vec![a.clone(), alone_id(run, 4)]), "unmatchable-rows"),
        (ids(vec![a.clone(), alone_id(other, 2)]), "unmatchable-rows"),
        (ids(vec![a.clone(), item_id(paired, 1)]), "unmatchable-rows"),
        (ids(vec![a.clone(), alone_id(run, 9)]), "no-such-item"),
        (
            MatchRows { reason_code: Some("UNKNOWN".into()), ..ask(run, &[1, 2]) },
            "invalid-reason-code",
        ),
        (MatchRows { reason_code: None, ..ask(run, &[1, 2]) }, "reason-code-required"),
        (MatchRows { comments: Some("  x ".into()), ..ask(run, &[1, 2]) }, "comment-required"),
    ] {
        assert_eq!(code(review.match_rows(&ann, &rows)), expected, "{rows:?}");
    }
    assert_eq!(
        code(review.match_rows(&stage.actor("aud"), &ask(run, &[1, 2]))),
        "missing-permission"
    );
    assert_eq!(code(review.unmatch(&ann, &a, Some("there is none"))), "no-such-proposal");
    review.resolve(&ann, &override_(&b, "TIMING")).unwrap();
    assert_eq!(code(review.match_rows(&ann, &ask(run, &[1, 2]))), "already-pending");
    let preview = review.match_preview(&ann, std::slice::from_ref(&a)).unwrap();
    assert!(preview.may_not_propose.unwrap().contains("each side"));
    assert_eq!(actions(&*store), ["MAKER OVERRIDE 1"].map(str::to_owned).to_vec());
}

fn a_row_that_is_there_for_days_is_found_once(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    stock_alone(&*store, "pay", "2026-01-15", ROWS);
    let run = stock_alone(&*store, "pay", "2026-01-16", ROWS);
    let ann = stage.actor("ann");
    let found = |q| {
        let found = review.match_candidates(&ann, &alone_id(run, 1), q, None).unwrap().items;
        found.into_iter().map(|one| one.item.attribution_id).collect::<Vec<_>>()
    };
    assert_eq!(found(Some("q3")), [alone_id(run, 5)]);
    assert_eq!(found(None), [2, 3, 5].map(|record| alone_id(run, record)));
    // Each of them can be chosen.
    let ids = [&[alone_id(run, 1)], found(Some("q")).as_slice()].concat();
    assert_eq!(review.match_preview(&ann, &ids).unwrap().rows_b.len(), 3);
}
