//! Concurrent actions: one wins, the others get a conflict, and the trail has one row.

use std::sync::Barrier;

use recon::domain::review::{Action, ProposalState};
use recon::review::{
    Actor, BulkCommit, BulkPreviewAsk, Idempotency, PageAsk, QueueFilter, Refusal, RefusalKind,
    Resolve,
};
use recon::store::Store;

use super::{assert_sound, rows_of_people};
use crate::review::fixture::{
    GUESS, ReviewStage, agree, approve, back, item_id, override_, stock, team,
};
use crate::store::fixture::column;
use crate::store::{Place, on_both_stores};

on_both_stores! {
    one_of_many_decides,
    sixty_four_reasons_for_one_item,
    a_request_with_a_key_has_one_effect,
    an_approval_repeated_has_one_effect,
    a_proposal_ends_in_one_way,
    bulks_that_overlap_are_all_or_nothing,
    no_item_is_shown_twice_while_others_decide,
}

/// Runs `work` on this many threads, started together.
fn together<T: Send>(threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let started: Vec<_> = (0..threads)
            .map(|at| {
                let (barrier, work) = (&barrier, &work);
                scope.spawn(move || {
                    barrier.wait();
                    work(at)
                })
            })
            .collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Asserts that one succeeded and the others got a conflict, never a failure.
fn one_winner<T: std::fmt::Debug>(done: Vec<Result<T, Refusal>>) -> T {
    let mut won = None;
    for one in done {
        match one {
            Ok(value) => {
                assert!(won.is_none(), "two won: {won:?} and {value:?}");
                won = Some(value);
            }
            Err(refusal) => assert!(
                matches!(refusal.kind, RefusalKind::Conflict | RefusalKind::Stale),
                "{refusal:?}"
            ),
        }
    }
    won.unwrap()
}

fn makers(stage: &ReviewStage) -> Vec<Actor> {
    ["ann", "bob", "sam", "sue", "sid", "max", "mia"].map(|name| stage.actor(name)).to_vec()
}

fn one_of_many_decides(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let makers = makers(&stage);
    const ROUNDS: u64 = 20;
    let run = stock(&*store, "fx", &[GUESS; ROUNDS as usize]);
    for round in 1..=ROUNDS {
        let id = item_id(run, round);
        let done = together(8, |at| {
            let ask = Resolve { version: Some(1), ..override_(&id, "TIMING") };
            stage.review(&*store).resolve(&makers[at % makers.len()], &ask)
        });
        let won = one_winner(done);
        assert_eq!(won.value.version, 2);
        assert_eq!(rows_of_people(&*store), round);
    }
    assert_sound(&*store);
}

fn sixty_four_reasons_for_one_item(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let makers = makers(&stage);
    let id = item_id(stock(&*store, "fx", &[GUESS]), 1);
    let done = together(64, |at| {
        let ask = match at % 4 {
            0 => approve(&id),
            1 => override_(&id, "TIMING"),
            2 => override_(&id, "TYPO"),
            _ => Resolve {
                action: Some(Action::Reject),
                comments: Some("a break".to_owned()),
                ..approve(&id)
            },
        };
        stage.review(&*store).resolve(&makers[at % makers.len()], &ask)
    });
    let won = one_winner(done).value;
    let held = column(&*store, "SELECT proposal_id FROM recon.proposals");
    assert_eq!(held, [won.proposal_id.unwrap()]);
    assert_eq!(rows_of_people(&*store), 1);
    assert_sound(&*store);
}

fn with_key(actor: &Actor, key: &str) -> Actor {
    let asked = Idempotency {
        key: key.to_owned(),
        route: "POST /workflow/resolve".to_owned(),
        body_hash: "00".to_owned(),
    };
    Actor { idempotency: Some(asked), ..actor.clone() }
}

fn a_request_with_a_key_has_one_effect(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let run = stock(&*store, "fx", &[GUESS; 3]);
    for round in 1..=3 {
        let ann = with_key(&stage.actor("ann"), &format!("key-{round}"));
        let ask = approve(&item_id(run, round));
        let done = together(32, |_| stage.review(&*store).resolve(&ann, &ask).unwrap());
        assert_eq!(done.iter().filter(|done| !done.replayed).count(), 1);
        assert!(done.iter().all(|other| other.value == done[0].value));
        for _ in 0..20 {
            let again = stage.review(&*store).resolve(&ann, &ask).unwrap();
            assert!(again.replayed && again.value == done[0].value);
        }
        assert_eq!(rows_of_people(&*store), round);
    }
    assert_sound(&*store);
}

fn an_approval_repeated_has_one_effect(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock(&*store, "fx", &[GUESS; 2]);
    let [ann, sue] = ["ann", "sue"].map(|name| stage.actor(name));
    for (round, keyed) in [(1, false), (2, true)] {
        let resolved = review.resolve(&ann, &approve(&item_id(run, round))).unwrap().value;
        let yes = agree(&resolved, review, &sue);
        let sue = if keyed { with_key(&sue, "yes") } else { sue.clone() };
        let done = together(32, |_| stage.review(&*store).approve(&sue, &yes));
        if keyed {
            assert!(done.iter().all(Result::is_ok));
        } else {
            one_winner(done);
        }
        for _ in 0..100 {
            let again = review.approve(&sue, &yes);
            assert_eq!(again.is_ok(), keyed, "{again:?}");
        }
        let approvals = column(&*store, "SELECT count(*) FROM recon.approvals");
        assert_eq!(approvals, [round.to_string()]);
        assert_eq!(rows_of_people(&*store), 2 * round);
    }
    assert_sound(&*store);
}

fn a_proposal_ends_in_one_way(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    const ROUNDS: u64 = 12;
    let run = stock(&*store, "fx", &[GUESS; ROUNDS as usize]);
    let [ann, bob, sue, sid, max] =
        ["ann", "bob", "sue", "sid", "max"].map(|name| stage.actor(name));
    for round in 1..=ROUNDS {
        let resolved = review.resolve(&ann, &approve(&item_id(run, round))).unwrap().value;
        let yes = agree(&resolved, review, &sue);
        let no = back(&resolved, "look again");
        let done = together(5, |at| {
            let review = stage.review(&*store);
            match at {
                0 => review.approve(&sue, &yes),
                1 => review.approve(&max, &yes),
                2 => review.send_back(&sid, &no),
                3 => review.withdraw(&ann, &no),
                _ => review.amend(
                    &bob,
                    &recon::review::Amend {
                        proposal_id: yes.proposal_id.clone(),
                        if_match: yes.if_match.clone(),
                        action: Some(Action::Reject),
                        new_reason_code: None,
                        comments: Some("a break".to_owned()),
                    },
                ),
            }
        });
        let won = one_winner(done).value;
        let amended = won.state == ProposalState::Open;
        assert_eq!(won.version, if amended { 2 } else { 1 });
        // One row of the maker, one of the first checker.
        assert_eq!(rows_of_people(&*store), 2 * round);
    }
    assert_sound(&*store);
}

fn bulks_that_overlap_are_all_or_nothing(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let makers = makers(&stage);
    const ITEMS: u64 = 24;
    for round in 0..4 {
        let run = stock(&*store, &format!("job {round}"), &[GUESS; ITEMS as usize]);
        // Each takes the items from its own position on: every two overlap.
        let previews: Vec<_> = (0..6)
            .map(|at| {
                let ids: Vec<String> =
                    (1 + at..=18 + at).map(|record| item_id(run, record)).collect();
                let ask = BulkPreviewAsk {
                    ids: ids.clone(),
                    action: Some(Action::Override),
                    new_reason_code: Some("TIMING".to_owned()),
                    ..BulkPreviewAsk::default()
                };
                let maker = &makers[at as usize];
                (ids, stage.review(&*store).bulk_preview(maker, &ask).unwrap())
            })
            .collect();
        let done = together(6, |at| {
            let ask = BulkCommit {
                token: previews[at].1.token.clone(),
                comments: Some("all late".to_owned()),
                ..BulkCommit::default()
            };
            stage.review(&*store).bulk_commit(&makers[at], &ask).map(|done| (at, done.value))
        });
        let (winner, committed) = one_winner(done);
        let taken = column(
            &*store,
            &format!(
                "SELECT attribution_id FROM recon.proposal_items WHERE proposal_id = '{}' \
                 ORDER BY attribution_id",
                committed.proposal.proposal_id
            ),
        );
        assert_eq!(taken, previews[winner].0, "what was previewed, and nothing else");
    }
    assert_eq!(rows_of_people(&*store), 4 * 18);
    assert_sound(&*store);
}

fn no_item_is_shown_twice_while_others_decide(place: &Place) {
    let store: Box<dyn Store> = place.open();
    let stage = team(false);
    const ITEMS: u64 = 120;
    let given: Vec<_> = (0..ITEMS)
        .map(|at| crate::review::fixture::Given { confidence: (at % 9) as f64 / 10.0, ..GUESS })
        .collect();
    let run = stock(&*store, "fx", &given);
    let [ann, bob] = ["ann", "bob"].map(|name| stage.actor(name));
    // Every fourth item is decided while the other pages through the queue, in its own order.
    let decided: Vec<String> = (1..=ITEMS / 4).map(|at| item_id(run, at * 4)).collect();
    let shown = together(2, |at| {
        let review = stage.review(&*store);
        let mut ids = Vec::new();
        if at == 0 {
            for id in decided.iter().rev() {
                review.resolve(&bob, &approve(id)).unwrap();
            }
            return ids;
        }
        let mut ask = PageAsk { limit: Some(5), ..PageAsk::default() };
        loop {
            let page = review.queue(&ann, &QueueFilter::default(), &ask).unwrap();
            ids.extend(page.items.into_iter().map(|item| item.attribution_id));
            match page.next {
                Some(next) => ask.cursor = Some(next),
                None => return ids,
            }
        }
    });
    let mut seen = shown[1].clone();
    seen.sort();
    let all = seen.len();
    seen.dedup();
    assert_eq!(seen.len(), all, "an item was shown twice");
    for record in (1..=ITEMS).filter(|record| record % 4 != 0) {
        assert!(seen.binary_search(&item_id(run, record)).is_ok(), "item {record} was not shown");
    }
    assert_sound(&*store);
}
