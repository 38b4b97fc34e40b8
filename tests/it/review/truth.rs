//! Proposals and lists stay true: prior knowledge, history, and sums in one currency.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use recon::domain::Side;
use recon::domain::review::policy::Amount;
use recon::domain::review::{Action, Policy, Trigger};
use recon::review::{
    AuditFilter, BulkCommit, BulkPreviewAsk, Close, GroupBy, PageAsk, Prediction, QueueFilter,
    QueueSort, ReviewItem, Sla,
};
use recon::store::{LEAST_IN_MEMORY, LEAST_WALKED, MOST_LISTED, chain, transact};
use serde_json::json;

use super::fixture::{
    CLUELESS, GUESS, Given, SETTLED, agree, alone_id, code, item_id, override_, settings_of_lists,
    stock, stock_alone, stock_keyed, stock_on, team,
};
use crate::store::{Place, on_both_stores};

on_both_stores! {
    a_settled_proposal_keeps_its_predictions,
    proposals_of_several_items_keep_the_evidence_of_each,
    history_is_one_line_for_each_step,
    amounts_without_a_threshold_need_six_eyes,
    amounts_in_two_currencies_are_not_added,
    groups_come_in_the_order_that_is_asked_for,
    views_are_ones_own,
    what_waits_is_found_behind_many_settled_ones,
    lists_of_a_currency_or_amount_have_every_item_in_every_order,
    lists_of_a_run_in_no_index_have_every_item_in_every_order,
    few_decided_ones_of_a_run_that_left_the_queue_are_listed,
}

fn strict() -> Policy {
    let threshold = Amount(recon::domain::Decimal::parse(b"1000").unwrap());
    Policy {
        currency_field: Some("currency".to_owned()),
        thresholds: BTreeMap::from([("USD".to_owned(), threshold)]),
        ..Policy::default()
    }
}

fn a_settled_proposal_keeps_its_predictions(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock(&*store, "fx", &[GUESS]);
    let (ann, sue) = (stage.actor("ann"), stage.actor("sue"));
    let id = item_id(run, 1);
    let before = review.item(&ann, &id).unwrap().item.predictions;
    let resolved = review.resolve(&ann, &override_(&id, "TIMING")).unwrap().value;
    review.approve(&sue, &agree(&resolved, review, &sue)).unwrap();
    let settled = review.item(&ann, &id).unwrap().item;
    assert_eq!(settled.current_reason.unwrap().code, "TIMING");
    let proposal_id = resolved.proposal_id.unwrap();
    let detail = review.proposal(&sue, &proposal_id, &PageAsk::default()).unwrap();
    assert_eq!(detail.items[0].predictions, before);
    assert_eq!((before[0].code.as_str(), before[0].confidence), ("ROUNDING", 0.8));
    assert_eq!(detail.proposal.predicted[0].code, "ROUNDING");
}

fn proposals_of_several_items_keep_the_evidence_of_each(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock(&*store, "fx", &[GUESS; 3]);
    let (ann, sue) = (stage.actor("ann"), stage.actor("sue"));
    let write = |sql: &str| {
        transact::write(&*store, |tx| tx.execute(sql, &[]).map(drop)).unwrap();
    };
    let says = |note: &str, moved: f64| {
        let feature = json!({ "name": "abs_delta", "value": 0.05, "moved": moved });
        let reason = |code: &str| json!({ "code": code, "probability": 0.8 });
        let reasons = ["ROUNDING", "TIMING", "TYPO", "OTHER"].map(reason);
        let model = json!({ "version": "7", "base": 0.1, "features": vec![feature; 5],
                            "reasons": reasons });
        let explanation = json!({ "notes": [note], "model": model }).to_string();
        write(&format!("UPDATE recon.difference_rows SET explanation = '{explanation}'"));
    };
    says("within a cent", 0.3);
    let ids: Vec<String> = (1..=3).map(|record| item_id(run, record)).collect();
    let known = |id: &String| review.item(&ann, id).unwrap().item.predictions;
    let before: Vec<_> = ids.iter().map(known).collect();
    assert!(before[0][0].why.contains(&"within a cent".to_owned()), "{:?}", before[0]);
    let ask = BulkPreviewAsk {
        ids: ids.clone(),
        action: Some(Action::Approve),
        ..BulkPreviewAsk::default()
    };
    let token = review.bulk_preview(&ann, &ask).unwrap().token;
    let made = review.bulk_commit(&ann, &BulkCommit { token, ..BulkCommit::default() }).unwrap();
    let proposal_id = made.value.proposal.proposal_id;
    let detail = || review.proposal(&sue, &proposal_id, &PageAsk::default()).unwrap();
    let told = || -> Vec<_> { detail().items.into_iter().map(|one| one.predictions).collect() };
    assert_eq!(told(), before);
    let back = Close {
        proposal_id: proposal_id.clone(),
        if_match: detail().proposal.tag.parse().ok(),
        comments: Some("look again".to_owned()),
    };
    review.send_back(&sue, &back).unwrap();
    // The machine finds something else, now that the items are free.
    says("two days apart", -0.2);
    assert_ne!(known(&ids[0]), before[0]);
    assert_eq!(told(), before);
    // The trail knows what the run explained, and what each proposal did.
    let replayed = || transact::read(&*store, |tx| chain::replay(tx)).unwrap();
    let before = replayed();
    // A proposal from an earlier version has none, and shows nothing of the present one.
    write("UPDATE recon.proposal_items SET prior_explanation = NULL");
    let (bare, code) = (told(), |one: &Prediction| (one.code.clone(), one.confidence));
    assert_eq!(code(&bare[0][0]), ("ROUNDING".to_owned(), 0.8));
    assert!(bare[0][0].why.iter().all(|why| why.starts_with("RULE")), "{bare:?}");
    assert_eq!(replayed().len(), before.len() + 1, "{:?}", replayed());
}

fn history_is_one_line_for_each_step(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock(&*store, "fx", &[GUESS; 4]);
    let (ann, sue, aud) = (stage.actor("ann"), stage.actor("sue"), stage.actor("aud"));
    let ids = (1..=4).map(|record| item_id(run, record)).collect();
    let ask = BulkPreviewAsk { ids, action: Some(Action::Approve), ..BulkPreviewAsk::default() };
    let token = review.bulk_preview(&ann, &ask).unwrap().token;
    let made = review.bulk_commit(&ann, &BulkCommit { token, ..BulkCommit::default() }).unwrap();
    let proposal_id = made.value.proposal.proposal_id;
    let seen = review.proposal(&sue, &proposal_id, &PageAsk::default()).unwrap().proposal;
    let yes = recon::review::Approve {
        proposal_id: proposal_id.clone(),
        if_match: Some(seen.tag.parse().unwrap()),
        content_hash: Some(seen.content_hash),
        comments: None,
    };
    review.approve(&sue, &yes).unwrap();
    let detail = review.proposal(&sue, &proposal_id, &PageAsk::default()).unwrap();
    let steps: Vec<(&str, &str, u64)> = detail
        .steps
        .iter()
        .map(|step| (step.actor_name.as_str(), step.stage.as_str(), step.items))
        .collect();
    assert_eq!(steps, [("ann", "MAKER", 4), ("sue", "CHECKER", 4)]);
    // Audit folds the same rows, newest first.
    let filter = AuditFilter { folded: true, ..AuditFilter::default() };
    let rows = review.audit_search(&aud, &filter, &PageAsk::default()).unwrap().items;
    let folded: Vec<Option<u64>> =
        rows.iter().filter(|one| one.row.proposal_id.is_some()).map(|one| one.step_rows).collect();
    assert_eq!(folded, [Some(4), Some(4)]);
}

fn amounts_without_a_threshold_need_six_eyes(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    review.adopt_policy(&strict()).unwrap();
    let rows = [
        ("P1", Side::A, "USD", 10_000),
        ("P2", Side::A, "EUR", 700),
        ("P3", Side::A, "USD", 100_000),
    ];
    let run = stock_alone(&*store, "pay", "2026-01-15", &rows);
    let ann = stage.actor("ann");
    for (record, eyes) in [(1, 4), (2, 6), (3, 6)] {
        let item = review.item(&ann, &alone_id(run, record)).unwrap().item;
        assert_eq!(item.eyes_if_approve.code(), eyes, "{record}");
        let why: Vec<Trigger> = item.triggers_if_approve.iter().map(|one| one.trigger).collect();
        assert_eq!(why, if eyes == 6 { vec![Trigger::Amount] } else { Vec::new() }, "{record}");
    }
}

fn amounts_in_two_currencies_are_not_added(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    review
        .adopt_policy(&Policy { currency_field: Some("currency".to_owned()), ..Policy::default() })
        .unwrap();
    let rows = [
        ("P1", Side::A, "USD", 10_000),
        ("P2", Side::A, "EUR", 700),
        ("P3", Side::A, "USD", 5_000),
    ];
    let run = stock_alone(&*store, "pay", "2026-01-15", &rows);
    stock(&*store, "fx", &[GUESS]);
    let ann = stage.actor("ann");
    let ids = (1..=3).map(|record| alone_id(run, record)).collect();
    let ask = BulkPreviewAsk { ids, action: Some(Action::Approve), ..BulkPreviewAsk::default() };
    let preview = review.bulk_preview(&ann, &ask).unwrap();
    let mut sums: Vec<String> = preview
        .amount_sum
        .iter()
        .map(|sum| format!("{} {}", sum.sum, sum.currency.as_deref().unwrap()))
        .collect();
    sums.sort_unstable();
    assert_eq!(sums, ["150.00 USD", "7.00 EUR"]);
    let groups = review
        .groups(&ann, &QueueFilter::default(), GroupBy::Signature, &PageAsk::default())
        .unwrap();
    assert!(groups.items.iter().all(|group| group.amount_sum.is_none()), "{groups:?}");
}

fn groups_come_in_the_order_that_is_asked_for(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let large = Given { amount: 90_000, ..GUESS };
    stock(&*store, "fx", &[CLUELESS, CLUELESS, CLUELESS, large, large]);
    let ann = stage.actor("ann");
    let by = |sort: QueueSort| {
        let mut counts = Vec::new();
        let mut ask = PageAsk { sort, limit: Some(1), ..PageAsk::default() };
        loop {
            let page =
                review.groups(&ann, &QueueFilter::default(), GroupBy::Signature, &ask).unwrap();
            counts.extend(page.items.iter().map(|group| group.count));
            match page.next {
                Some(next) => ask.cursor = Some(next),
                None => return counts,
            }
        }
    };
    assert_eq!(by(QueueSort::default()), [3, 2]);
    assert_eq!(by(QueueSort::Amount), [2, 3]);
    assert_eq!(by(QueueSort::Age).len(), 2);
}

fn views_are_ones_own(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let (ann, bob) = (stage.actor("ann"), stage.actor("bob"));
    review.save_view(&ann, "  large  ", "?min_amount=1000").unwrap();
    review.save_view(&ann, "late", "?sla=overdue").unwrap();
    review.save_view(&ann, "large", "?min_amount=5000").unwrap();
    let view = |name: &str, query: &str| (name.to_owned(), query.to_owned());
    let both = [view("large", "?min_amount=5000"), view("late", "?sla=overdue")];
    assert_eq!(review.saved_views(&ann).unwrap(), both);
    assert_eq!(review.saved_views(&bob).unwrap(), []);
    review.delete_view(&bob, "late").unwrap();
    review.delete_view(&ann, "large").unwrap();
    assert_eq!(review.saved_views(&ann).unwrap(), both[1..]);
    for name in ["", "  ", "a\nb", &"x".repeat(61)] {
        assert_eq!(code(review.save_view(&ann, name, "?q=x")), "invalid-filter", "{name}");
    }
    assert_eq!(code(review.save_view(&ann, "long", &"x".repeat(4_001))), "invalid-filter");
    let alone = team(true);
    assert_eq!(code(alone.review(&*store).save_view(&alone.actor("ann"), "x", "?q=x")), "solo");
}

fn what_waits_is_found_behind_many_settled_ones(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let given: Vec<(String, Given)> =
        (0..620).map(|at| (format!("PAY-{at}"), if at < 610 { SETTLED } else { GUESS })).collect();
    stock_keyed(&*store, "fx", &given);
    while review.index_next().unwrap() {}
    let ann = stage.actor("ann");
    let counts = review.search_counts(&ann, "pay-").unwrap();
    assert_eq!((counts.to_decide, counts.more_to_decide), (10, false));
    assert_eq!((counts.accepted, counts.more), (500, true));
    let filter = QueueFilter { q: Some("pay-".to_owned()), ..QueueFilter::default() };
    let groups = review.groups(&ann, &filter, GroupBy::Signature, &PageAsk::default()).unwrap();
    assert_eq!(groups.items.iter().map(|group| group.count).sum::<u64>(), 10);
    assert_eq!(review.queue(&ann, &filter, &PageAsk::default()).unwrap().items.len(), 10);
}

/// Items looked at in the order of a list before all are: only a share of them, or all.
const WALKS: [usize; 2] = [0, usize::MAX];

fn lists_of_a_run_in_no_index_have_every_item_in_every_order(place: &Place) {
    let _alone = settings_of_lists();
    MOST_LISTED.store(500, Ordering::Relaxed);
    assert_lists(place, &WALKS);
    let unlisted = "SELECT 1 FROM recon.recon_runs WHERE unlisted";
    assert_eq!(transact::read(&*place.open(), |tx| tx.query(unlisted, &[])).unwrap().len(), 1);
    MOST_LISTED.store(10_000, Ordering::Relaxed);
}

fn lists_of_a_currency_or_amount_have_every_item_in_every_order(place: &Place) {
    let _alone = settings_of_lists();
    assert_lists(place, &WALKS[..1]);
}

fn assert_lists(place: &Place, walks: &[usize]) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    // So that the values of one record occur in the references of others.
    review
        .adopt_policy(&Policy { currency_field: Some("id".to_owned()), ..Policy::default() })
        .unwrap();
    let name = |at: usize| match at {
        at if at.is_multiple_of(20) => "CHF",
        at if at.is_multiple_of(7) => "EURO",
        _ => "EUR",
    };
    let given: Vec<(String, Given)> = (0_usize..2_600)
        .map(|at| {
            let confidence = (at % 97) as f64 / 100.0;
            let amount = (at * 7_919 % 1_000) as i128 + 1;
            let reason = match at {
                at if at.is_multiple_of(40) => "UNKNOWN",
                at if at.is_multiple_of(3) => "TIMING",
                _ => "ROUNDING",
            };
            (name(at).to_owned(), Given { reason, confidence, amount, ..GUESS })
        })
        .collect();
    stock_keyed(&*store, "fx", &given);
    let ann = stage.actor("ann");
    let all = |filter: &QueueFilter, sort, limit| {
        let (mut found, mut ask) =
            (Vec::new(), PageAsk { limit: Some(limit), sort, ..PageAsk::default() });
        loop {
            let page = review.queue(&ann, filter, &ask).unwrap();
            found.extend(page.items);
            ask.cursor = page.next;
            if ask.cursor.is_none() {
                return found;
            }
        }
    };
    let of = |currency: Option<&str>, min_amount, min_confidence| QueueFilter {
        currency: currency.map(str::to_owned),
        min_amount,
        min_confidence,
        ..QueueFilter::default()
    };
    let of_reason = |reason: &str, assignee: Option<&str>| QueueFilter {
        reason_code: Some(reason.to_owned()),
        assignee: assignee.map(str::to_owned),
        ..QueueFilter::default()
    };
    let record = |item: &ReviewItem| {
        let number = &item.attribution_id[item.attribution_id.len() - 12..];
        &given[(i64::from_str_radix(number, 16).unwrap() >> 10) as usize - 1].1
    };
    // Few and many of them, before the index of searches is there and behind it.
    let filters = [
        of(Some("CHF"), None, None),
        of(Some("EUR"), None, None),
        of(Some("JPY"), None, None),
        of(None, Some(9.9), None),
        of(None, Some(1.5), None),
        of(None, Some(100.0), None),
        of(Some("EUR"), Some(9.5), Some(0.5)),
        of(None, None, Some(0.9)),
        of_reason("UNKNOWN", None),
        of_reason("TIMING", None),
        of_reason("TIMING", Some("none")),
        of_reason("ROUNDING", Some("me")),
    ];
    // In memory, too, after some of the items were decided.
    let looks = [(&filters[..1], false, false), (&filters, true, false), (&filters, true, true)];
    for (filters, is_indexed, in_memory) in looks {
        if in_memory {
            let first = all(&QueueFilter::default(), QueueSort::Age, 200);
            LEAST_IN_MEMORY.store(0, Ordering::Relaxed);
            assert!(!all(&filters[0], QueueSort::Age, 70).is_empty());
            for item in first.iter().step_by(100) {
                let ask = override_(&item.attribution_id, "TYPO");
                review.resolve(&ann, &ask).unwrap();
            }
            for item in first.iter().skip(1).step_by(100) {
                review.assign(&ann, &item.attribution_id, Some("me")).unwrap();
            }
        }
        while is_indexed && review.index_next().unwrap() {}
        for sort in [
            QueueSort::Confidence,
            QueueSort::ConfidenceDescending,
            QueueSort::Amount,
            QueueSort::AtRisk,
            QueueSort::Severity,
            QueueSort::Age,
        ] {
            let every = all(&QueueFilter::default(), sort, 200);
            assert_eq!(every.len(), given.len() - if in_memory { 26 } else { 0 });
            for filter in filters {
                let fits = |item: &&ReviewItem| {
                    let amount: f64 = item.amount_abs.as_ref().unwrap().parse().unwrap();
                    let currency = filter.currency.as_ref();
                    currency.is_none_or(|one| item.source_a_ref_id.as_ref() == Some(one))
                        && filter.min_amount.is_none_or(|least| least <= amount)
                        && filter.min_confidence.is_none_or(|least| least <= item.confidence_score)
                        && filter.reason_code.as_ref().is_none_or(|it| it == record(item).reason)
                        && filter
                            .assignee
                            .as_ref()
                            .is_none_or(|one| item.assignee.is_none() == (one == "none"))
                };
                let ids = |items: &mut dyn Iterator<Item = &ReviewItem>| -> Vec<String> {
                    items.map(|item| item.attribution_id.clone()).collect()
                };
                let expected = ids(&mut every.iter().filter(fits));
                let is_kept = filter.assignee.as_deref() == Some("me");
                let mut found = Vec::new();
                for walk in if in_memory { walks } else { &WALKS[..1] } {
                    LEAST_WALKED.store(*walk, Ordering::Relaxed);
                    found = all(filter, sort, 70);
                    let mut told = ids(&mut found.iter());
                    if is_kept {
                        // Those come in the order of their ids.
                        told.sort_by_key(|id| expected.iter().position(|one| one == id));
                    }
                    assert_eq!(told, expected, "{sort:?} {filter:?} {walk}");
                }
                let groups =
                    review.groups(&ann, filter, GroupBy::Field, &PageAsk::default()).unwrap();
                let count: u64 = groups.items.iter().map(|group| group.count).sum();
                assert_eq!(count, expected.len() as u64, "{filter:?}");
                let first = found.iter().map(|item| item.first_seen.clone()).min();
                let shown = groups.items.iter().filter_map(|group| group.first_seen.clone()).min();
                assert_eq!(shown, first, "{filter:?}");
                let overdue = found.iter().filter(|item| item.sla == Sla::Overdue).count();
                let late: u64 = groups.items.iter().map(|group| group.overdue).sum();
                assert_eq!(late, overdue as u64, "{filter:?}");
            }
        }
    }
    LEAST_IN_MEMORY.store(10_000, Ordering::Relaxed);
    LEAST_WALKED.store(4_096, Ordering::Relaxed);
}

fn few_decided_ones_of_a_run_that_left_the_queue_are_listed(place: &Place) {
    let _alone = settings_of_lists();
    MOST_LISTED.store(500, Ordering::Relaxed);
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let settled = [7, 1_200, 2_599];
    let given: Vec<(String, Given)> = (0..2_600)
        .map(|at| (format!("P{at}"), if settled.contains(&at) { SETTLED } else { GUESS }))
        .collect();
    let [run, _] =
        ["2026-01-15", "2026-01-16"].map(|date| stock_on(&*store, "fx", date, &given, json!({})));
    MOST_LISTED.store(10_000, Ordering::Relaxed);
    let left = "SELECT 1 FROM recon.recon_runs r JOIN recon.break_dates b ON b.run_no = r.run_no \
                WHERE r.unlisted AND b.items_left = 1";
    assert_eq!(transact::read(&*store, |tx| tx.query(left, &[])).unwrap().len(), 1);
    let ann = stage.actor("ann");
    let expected = settled.map(|at| item_id(run, at as u64 + 1));
    let ids = |items: Vec<ReviewItem>| {
        items.into_iter().map(|item| item.attribution_id).collect::<Vec<_>>()
    };
    for least in [u64::MAX, 0] {
        LEAST_IN_MEMORY.store(least, Ordering::Relaxed);
        let filter = QueueFilter { status: Some("ACCEPTED".to_owned()), ..QueueFilter::default() };
        let ask = PageAsk { limit: Some(2), ..PageAsk::default() };
        let first = review.run_differences(&ann, &run.to_string(), &filter, &ask).unwrap();
        let ask = PageAsk { cursor: first.next, ..ask };
        let next = review.run_differences(&ann, &run.to_string(), &filter, &ask).unwrap();
        assert_eq!(
            (ids(first.items), ids(next.items)),
            (expected[..2].to_vec(), expected[2..].to_vec())
        );
        assert_eq!(next.next, None);
    }
    LEAST_IN_MEMORY.store(10_000, Ordering::Relaxed);
}
