//! Human decisions are carried to the superseding run, and one row records the automatic decisions.

use std::sync::Barrier;

use recon::diagnostic::Code;
use recon::domain::review::Action;
use recon::domain::{RunId, Status};
use recon::review::{Actor, Close, PageAsk, Reopen, Resolve};
use recon::store::{Store, chain, transact};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::fixture::{
    CLUELESS, GUESS, Given, ReviewStage, SETTLED, agree, approve, code, item_id, override_, stock,
    stock_keyed, team,
};
use crate::store::fixture::{column, rows};
use crate::store::{Place, on_both_stores};

on_both_stores! {
    decisions_go_over_where_the_difference_is_the_same,
    rows_that_share_a_key_are_carried_once_each,
    open_proposals_follow_to_the_new_run,
    nothing_is_lost_while_people_decide,
    the_machine_results_of_a_run_are_one_row,
}

fn of(amount: i128) -> Given {
    Given { amount, ..GUESS }
}

/// Decides an item with as many eyes as required.
fn decide(stage: &ReviewStage, store: &dyn Store, ask: &Resolve) {
    let review = stage.review(store);
    let resolved = review.resolve(&stage.actor("ann"), ask).unwrap().value;
    let checker = stage.actor("max");
    let moved = review.approve(&checker, &agree(&resolved, review, &checker)).unwrap().value;
    if moved.status.as_deref() == Some("PENDING") {
        let authorizer = stage.actor("mia");
        review.approve(&authorizer, &agree(&resolved, review, &authorizer)).unwrap();
    }
}

fn reject(id: &str) -> Resolve {
    Resolve {
        attribution_id: id.to_owned(),
        action: Some(Action::Reject),
        comments: Some("to be mended".to_owned()),
        ..Resolve::default()
    }
}

/// Status, reason, lock, version and user of each item of a run.
fn items(store: &dyn Store, run: RunId) -> Vec<String> {
    column(
        store,
        &format!(
            "SELECT a.status || ' ' || c.code || ' ' || \
             CASE WHEN a.is_locked THEN 'locked' ELSE 'open' END || ' ' || a.version || ' ' || \
             a.assigned_by FROM recon.attributions a \
             JOIN recon.reason_codes c ON c.reason_id = a.reason_id \
             WHERE a.run_id = '{run}' ORDER BY a.difference_number"
        ),
    )
}

/// The chain is intact, the tables match it, and the counts are right.
fn assert_sound(store: &dyn Store) {
    let verdict = transact::read(store, |tx| chain::verify(tx, None, None)).unwrap();
    assert!(verdict.ok, "{verdict:?}");
    assert_eq!(transact::read(store, |tx| chain::replay(tx)).unwrap(), [""; 0]);
    let counted = "SELECT run_no || ' ' || status || ' ' || sum(items) FROM recon.item_counts \
                   WHERE items <> 0 GROUP BY run_no, status ORDER BY 1";
    let run_no = if store.url().starts_with("sqlite") { "id >> 40" } else { "run_no" };
    let there = format!(
        "SELECT n || ' ' || status || ' ' || count(*) FROM (SELECT {run_no} AS n, status \
         FROM recon.difference_rows) d GROUP BY n, status ORDER BY 1"
    );
    assert_eq!(column(store, counted), column(store, &there));
}

fn decisions_go_over_where_the_difference_is_the_same(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let first = stock(&*store, "fx", &[of(5), of(6), of(7), of(8), SETTLED, CLUELESS]);
    let other = stock(&*store, "other", &[of(5)]);
    decide(&stage, &*store, &approve(&item_id(first, 1)));
    decide(&stage, &*store, &reject(&item_id(first, 2)));
    decide(&stage, &*store, &override_(&item_id(first, 3), "TIMING"));
    let before = column(
        &*store,
        "SELECT assigned_at FROM recon.attributions WHERE is_locked = true ORDER BY 1",
    );

    // The same except for one amount, one key, and the order; another job's run carries nothing.
    let keyed = |key: &str, given| (key.to_owned(), given);
    let again = [
        keyed("T9", of(5)),
        keyed("T3", of(70)),
        keyed("T2", of(6)),
        keyed("T1", of(5)),
        keyed("T4", of(8)),
    ];
    let second = stock_keyed(&*store, "fx", &again);
    let expected = [
        "UNKNOWN ROUNDING open 1 RULE:near",
        "UNKNOWN ROUNDING open 1 RULE:near",
        "REJECTED UNKNOWN locked 2 ann",
        "ACCEPTED ROUNDING locked 2 ann",
        "UNKNOWN ROUNDING open 1 RULE:near",
    ];
    assert_eq!(items(&*store, second), expected);
    assert_eq!(items(&*store, other), [expected[0]]);
    let carried = "SELECT attribution_id, CAST(previous_value AS text), CAST(new_value AS text), \
                   stage, actor_id, control FROM recon.audit_trail \
                   WHERE action_type = 'CARRY' ORDER BY seq";
    let told = rows(&*store, carried);
    assert_eq!(told.len(), 2);
    let json = |at: &Json| match at {
        Json::String(text) => serde_json::from_str::<Json>(text).unwrap(),
        other => other.clone(),
    };
    let (previous, new) = (json(&told[1][1]), json(&told[1][2]));
    assert_eq!(told[1][0], item_id(second, 4));
    assert_eq!((&told[1][3], &told[1][4]), (&"SYSTEM".into(), &"SYSTEM".into()));
    assert_eq!(told[1][5], "FOUR_EYE");
    assert_eq!((&previous["status"], &new["status"]), (&"UNKNOWN".into(), &"ACCEPTED".into()));
    assert_eq!(new["item"]["source_a_ref_id"], "T1");
    assert_eq!(new["carried_from"]["attribution_id"], item_id(first, 1));
    let proposal = new["carried_from"]["proposal_id"].as_str().unwrap().to_owned();
    let of_item = "SELECT proposal_id FROM recon.audit_trail WHERE action_type = 'APPROVE' \
                   AND stage = 'MAKER' ORDER BY seq LIMIT 1";
    assert_eq!(column(&*store, of_item)[0], proposal);
    // The item's history shows it, and it can't be decided again by accident.
    let review = stage.review(&*store);
    let ann = stage.actor("ann");
    let id = item_id(second, 4);
    assert_eq!(review.item(&ann, &id).unwrap().history[0].action_type, "CARRY");
    assert_eq!(code(review.resolve(&ann, &approve(&id))), "invalid-transition");
    assert_eq!(code(review.resolve(&ann, &approve(&item_id(first, 4)))), "superseded");
    assert_sound(&*store);

    // Again, from the run that carried it; the time of the decision stays.
    let third = stock_keyed(&*store, "fx", &again[2..]);
    assert_eq!(items(&*store, third), &expected[2..]);
    let told = rows(&*store, carried);
    assert_eq!(told.len(), 4);
    assert_eq!(json(&told[3][2])["carried_from"]["proposal_id"], proposal);
    let after = format!(
        "SELECT assigned_at FROM recon.attributions WHERE is_locked = true \
         AND run_id = '{third}' ORDER BY 1"
    );
    assert_eq!(column(&*store, &after), &before[..2]);
    assert_sound(&*store);
}

fn rows_that_share_a_key_are_carried_once_each(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let twins = |count: usize| vec![("T1".to_owned(), of(5)); count];
    let first = stock_keyed(&*store, "fx", &twins(3));
    for record in [1, 3] {
        decide(&stage, &*store, &approve(&item_id(first, record)));
    }
    let count =
        |run| items(&*store, run).iter().filter(|item| item.starts_with("ACCEPTED")).count();
    let second = stock_keyed(&*store, "fx", &twins(4));
    assert_eq!(count(second), 2);
    let third = stock_keyed(&*store, "fx", &twins(1));
    assert_eq!(count(third), 1);
    assert_sound(&*store);
}

fn open_proposals_follow_to_the_new_run(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let first = stock(&*store, "fx", &[of(5), of(6), of(7)]);
    let ann = stage.actor("ann");
    decide(&stage, &*store, &approve(&item_id(first, 1)));
    let again = Reopen {
        attribution_id: item_id(first, 1),
        version: Some(3),
        action: Some(Action::Reject),
        new_reason_code: None,
        comments: Some("it is no rounding".to_owned()),
    };
    let reopened = review.reopen(&ann, &again).unwrap().value;
    review.resolve(&ann, &approve(&item_id(first, 2))).unwrap();
    review.resolve(&ann, &approve(&item_id(first, 3))).unwrap();
    let second = stock(&*store, "fx", &[of(5), of(6), of(70)]);
    assert_eq!(
        items(&*store, second),
        [
            "PENDING ROUNDING locked 3 ann",
            "PENDING ROUNDING locked 2 RULE:near",
            "UNKNOWN ROUNDING open 1 RULE:near"
        ]
    );
    assert_sound(&*store);
    // The third one's amount has changed: that proposal is closed.
    assert_eq!(review.tidy().unwrap(), 1);
    let tag = review.proposal(&ann, reopened.proposal_id.as_deref().unwrap(), &PageAsk::default());
    let withdrawal = Close {
        proposal_id: reopened.proposal_id.clone().unwrap(),
        if_match: Some(tag.unwrap().proposal.tag.parse().unwrap()),
        comments: None,
    };
    review.withdraw(&ann, &withdrawal).unwrap();
    assert_eq!(items(&*store, second)[0], "ACCEPTED ROUNDING locked 4 ann");
    assert_eq!(items(&*store, first)[0], "ACCEPTED ROUNDING locked 5 ann");
    assert_sound(&*store);
}

fn nothing_is_lost_while_people_decide(place: &Place) {
    const ITEMS: u64 = 48;
    let store = place.open();
    let stage = team(false);
    let given: Vec<Given> = (0..ITEMS).map(|at| of(i128::from(at) + 1)).collect();
    let first = stock(&*store, "fx", &given);
    let start = Barrier::new(4);
    let decide = |maker: &Actor, checker: &Actor, at: u64| {
        let review = stage.review(&*store);
        let resolved = review.resolve(maker, &approve(&item_id(first, at)))?.value;
        let page = PageAsk::default();
        let proposal_id = resolved.proposal_id.clone().unwrap_or_default();
        review.proposal(checker, &proposal_id, &page)?;
        review.approve(checker, &agree(&resolved, review, checker)).map(|done| done.value.status)
    };
    let mut decided = Vec::new();
    let second = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|thread| {
                let (start, decide, stage) = (&start, &decide, &stage);
                scope.spawn(move || {
                    let (maker, checker) = (stage.actor("bob"), stage.actor("sue"));
                    start.wait();
                    let mut done = Vec::new();
                    for at in (1..=ITEMS).filter(|at| at % 3 == thread) {
                        match decide(&maker, &checker, at) {
                            Ok(status) => {
                                assert_eq!(status.as_deref(), Some("ACCEPTED"));
                                done.push(at);
                            }
                            Err(refusal) => {
                                // Its proposal may have moved while the checker looked at it.
                                let known = [Code::Superseded, Code::Stale];
                                assert!(known.contains(&refusal.code), "{refusal:?}");
                            }
                        }
                    }
                    done
                })
            })
            .collect();
        start.wait();
        let second = stock(&*store, "fx", &given);
        for thread in threads {
            decided.extend(thread.join().unwrap());
        }
        second
    });
    decided.sort_unstable();
    let there = items(&*store, second);
    let carried: Vec<u64> =
        (1..=ITEMS).filter(|at| there[*at as usize - 1].starts_with("ACCEPTED")).collect();
    assert_eq!(carried, decided);
    assert_sound(&*store);
}

fn the_machine_results_of_a_run_are_one_row(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let first =
        stock(&*store, "fx", &[of(5), CLUELESS, SETTLED, Given { confidence: 0.1, ..GUESS }]);
    let told = |run: RunId| {
        let sql = format!(
            "SELECT CAST(new_value AS text) FROM recon.audit_trail \
             WHERE entity_type = 'run' AND entity_id = '{run}' AND action_type = 'ATTRIBUTE'"
        );
        let found = column(&*store, &sql);
        assert_eq!(found.len(), 1);
        serde_json::from_str::<Json>(&found[0]).unwrap()
    };
    // Recomputed from the tables that users query.
    let lines = |run: RunId| {
        let sql = format!(
            "SELECT a.difference_number, a.status, c.code, a.confidence_score, a.assigned_by, \
             a.version, c.is_functional FROM recon.attributions a JOIN recon.reason_codes c ON c.reason_id = a.reason_id \
             WHERE a.run_id = '{run}' ORDER BY 1"
        );
        rows(&*store, &sql)
    };
    let digest = |rows: &[Vec<Json>]| {
        let mut hash = Sha256::new();
        for row in rows {
            let text = |at: usize| row[at].as_str().unwrap().to_owned();
            let confidence = row[3].as_f64().unwrap();
            let number = |at: usize| row[at].to_string();
            let fields = [
                number(0),
                text(1),
                text(2),
                confidence.to_string(),
                text(4),
                number(5),
                number(6),
            ];
            for field in fields {
                hash.update((field.len() as u64).to_be_bytes());
                hash.update(field);
            }
            // Decided when the run was attributed: no separate time.
            hash.update(u64::MAX.to_be_bytes());
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let row = told(first);
    assert_eq!(row["items"], 4);
    assert_eq!(row["by_status"], serde_json::json!({ "ACCEPTED": 1, "UNKNOWN": 3 }));
    assert_eq!(row["by_source"], serde_json::json!({ "rule": 3, "none": 1 }));
    assert_eq!(row["sha256"], digest(&lines(first)));

    // A run with carried decisions records the automatic result before them.
    let machine = lines(first);
    decide(&stage, &*store, &reject(&item_id(first, 1)));
    let second =
        stock(&*store, "fx", &[of(5), CLUELESS, SETTLED, Given { confidence: 0.1, ..GUESS }]);
    assert_eq!(told(second)["sha256"], digest(&machine));
    assert_ne!(lines(second), machine);
    assert_eq!(lines(second)[0][1], Status::Rejected.name());
}
