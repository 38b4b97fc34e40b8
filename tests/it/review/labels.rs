//! Labels are a function of the audit trail, and they match the tables.

use std::collections::BTreeMap;

use recon::domain::review::Action;
use recon::review::{
    BulkCommit, BulkPreviewAsk, CommandResult, PageAsk, ProposalFilter, QueueFilter, QueueSort,
    Refusal, RefusalKind, Reopen, Resolve, Review,
};
use recon::store::{Store, training, transact};

use super::fixture::{CLUELESS, GUESS, Given, ReviewStage, SETTLED, item_id, stock, team};
use crate::store::fixture::rows;
use crate::store::{Place, on_both_stores};

on_both_stores! {
    labels_agree_with_the_tables,
    one_person_alone_teaches_only_if_asked,
    the_queue_lists_the_most_informative_items,
}

fn the_queue_lists_the_most_informative_items(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let ann = stage.actor("ann");
    let guess = |reason, confidence| Given { reason, confidence, ..GUESS };
    // Many with a high confidence, one with less, and two without a prediction.
    let mut given = vec![guess("ROUNDING", 0.9); 30];
    given[20].confidence = 0.6;
    given.extend([CLUELESS, CLUELESS, SETTLED]);
    let run = stock(&*store, "fx", &given);
    let named = |limit| -> Vec<String> {
        let ask = PageAsk { limit: Some(limit), sort: QueueSort::Teaches, ..PageAsk::default() };
        let page = review.queue(&ann, &QueueFilter::default(), &ask).unwrap();
        assert!(page.next.is_none(), "one page");
        page.items.into_iter().map(|item| item.attribution_id).collect()
    };
    let id = |record| item_id(run, record);
    // The largest doubt comes first, the least sure of each group first, and no group gets every place.
    assert_eq!(named(3), [id(21), id(31), id(1)]);
    assert_eq!(named(200).len(), 18, "sixteen of a group are enough");
    review.resolve(&ann, &super::fixture::override_(&id(31), "ROUNDING")).unwrap();
    let next = named(200);
    assert_eq!(next[..2], [id(21), id(1)], "a group is asked about less if some of it is decided");
    assert!(next.contains(&id(32)) && !next.contains(&id(31)), "decided ones are not asked for");
    // Another list keeps its own order.
    let settled = QueueFilter { status: Some("ACCEPTED".to_owned()), ..QueueFilter::default() };
    let ask = PageAsk { sort: QueueSort::Teaches, ..PageAsk::default() };
    assert_eq!(review.queue(&ann, &settled, &ask).unwrap().items.len(), 1);
}

/// Pseudorandom numbers, the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Decisions about items of the current run according to the tables; pending items are omitted.
fn stored(store: &dyn Store) -> BTreeMap<String, Option<String>> {
    let sql = "SELECT a.attribution_id, a.status, a.is_locked, c.code, a.assigned_by \
               FROM recon.attributions a JOIN recon.recon_runs r ON r.run_id = a.run_id \
               JOIN recon.reason_codes c ON c.reason_id = a.reason_id \
               WHERE r.superseded_by IS NULL AND a.status <> 'PENDING'";
    let text = |json: &serde_json::Value| json.as_str().unwrap().to_owned();
    rows(store, sql)
        .into_iter()
        .map(|row| {
            let locked = row[2] == true || row[2] == 1;
            let person = !row[4].as_str().unwrap().starts_with("RULE:");
            let label = match row[1].as_str().unwrap() {
                "ACCEPTED" if locked && person => Some(text(&row[3])),
                "REJECTED" => Some("NONE".to_owned()),
                _ => None,
            };
            (text(&row[0]), label)
        })
        .collect()
}

fn assert_derived(store: &dyn Store) {
    let labels = transact::read(store, |tx| training::labels(tx)).unwrap();
    for (id, expected) in stored(store) {
        assert_eq!(labels.of(&id).map(|label| label.reason.clone()), expected, "{id}");
    }
    // Deriving again gives the same.
    let again = transact::read(store, |tx| training::labels(tx)).unwrap();
    assert_eq!(again.events, labels.events);
    let mut ids: Vec<_> = labels.live().map(|label| &label.attribution_id).collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all, "an item has two live labels");
}

/// A refusal is fine, a failure is not.
fn tolerate<T>(outcome: CommandResult<T>) -> Option<T> {
    match outcome {
        Ok(done) => Some(done.value),
        Err(Refusal { kind: RefusalKind::Unavailable, message, .. }) => panic!("{message}"),
        Err(_) => None,
    }
}

fn resolve(id: String, dice: &mut Dice) -> Resolve {
    let (action, code) = match dice.roll(4) {
        0 | 1 => (Action::Approve, None),
        2 => (Action::Override, Some(["TIMING", "TYPO"][dice.roll(2) as usize])),
        _ => (Action::Reject, None),
    };
    Resolve {
        attribution_id: id,
        action: Some(action),
        new_reason_code: code.map(str::to_owned),
        comments: Some("because it is so".to_owned()),
        version: None,
    }
}

fn act(stage: &ReviewStage, review: Review<'_>, ids: &[String], dice: &mut Dice) {
    let makers = ["ann", "bob", "sam"];
    let maker = stage.actor(makers[dice.roll(3) as usize]);
    let checker = stage.actor(["max", "mia", "sue"][dice.roll(3) as usize]);
    let id = ids[dice.roll(ids.len() as u64) as usize].clone();
    let open = || {
        let filter = ProposalFilter::default();
        let ask = PageAsk { limit: Some(200), ..PageAsk::default() };
        let mut found = review.proposals(&checker, &filter, &ask).unwrap().items;
        found.retain(|one| one.state.is_open());
        found
    };
    match dice.roll(10) {
        0..=2 => drop(tolerate(review.resolve(&maker, &resolve(id, dice)))),
        3 => {
            let ask = BulkPreviewAsk {
                ids: ids.iter().skip(dice.roll(6) as usize).take(5).cloned().collect(),
                action: Some(if dice.roll(2) == 0 { Action::Approve } else { Action::Reject }),
                ..BulkPreviewAsk::default()
            };
            if let Ok(preview) = review.bulk_preview(&maker, &ask) {
                let commit = BulkCommit {
                    token: preview.token,
                    comments: Some("all of them".to_owned()),
                    ..BulkCommit::default()
                };
                tolerate(review.bulk_commit(&maker, &commit));
            }
        }
        4 => {
            let decision = resolve(id.clone(), dice);
            let version = review.item(&maker, &id).unwrap().item.version;
            let ask = Reopen {
                attribution_id: id,
                version: Some(version),
                action: decision.action,
                new_reason_code: decision.new_reason_code,
                comments: decision.comments,
            };
            tolerate(review.reopen(&maker, &ask));
        }
        5 => drop(tolerate(review.undo(&maker))),
        which => {
            for one in open() {
                let close = recon::review::Close {
                    proposal_id: one.proposal_id.clone(),
                    if_match: Some(one.tag.parse().unwrap()),
                    comments: Some("look again please".to_owned()),
                };
                if which == 6 {
                    tolerate(review.send_back(&checker, &close));
                } else {
                    let yes = recon::review::Approve {
                        proposal_id: one.proposal_id,
                        if_match: close.if_match,
                        content_hash: Some(one.content_hash),
                        comments: None,
                    };
                    tolerate(review.approve(&checker, &yes));
                }
                if dice.roll(2) == 0 {
                    break;
                }
            }
        }
    }
}

fn labels_agree_with_the_tables(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let mut dice = Dice(place.is_sqlite().into());
    let mut given: Vec<Given> =
        (0..12).map(|at| Given { amount: i128::from(at) + 1, ..GUESS }).collect();
    given[3] = CLUELESS;
    given[7] = SETTLED;
    for _ in 0..4 {
        let run = stock(&*store, "fx", &given);
        assert_derived(&*store);
        let ids: Vec<String> = (1..=12).map(|record| item_id(run, record)).collect();
        for _ in 0..30 {
            act(&stage, review, &ids, &mut dice);
        }
        assert_derived(&*store);
        review.tidy().unwrap();
        // Next time other differences occur.
        let changed = dice.roll(12) as usize;
        given[changed].amount += 100;
    }
    let labels = transact::read(&*store, |tx| training::labels(tx)).unwrap();
    assert!(labels.live().count() > 3 && labels.events.len() > labels.live().count());
    assert!(labels.live().all(|label| labels.weight(label) <= 1.0 && !label.solo));
}

fn one_person_alone_teaches_only_if_asked(place: &Place) {
    let store = place.open();
    let stage = team(true);
    let review = stage.review(&*store);
    let run = stock(&*store, "fx", &[GUESS, GUESS]);
    review.resolve(&stage.actor("ann"), &super::fixture::approve(&item_id(run, 1))).unwrap();
    let labels = transact::read(&*store, |tx| training::labels(tx)).unwrap();
    let label = labels.of(&item_id(run, 1)).unwrap();
    assert!(label.solo);
    assert_eq!(label.predicted.as_ref().map(|(code, _)| code.as_str()), Some("ROUNDING"));
}
