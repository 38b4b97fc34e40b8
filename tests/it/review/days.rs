//! Decisions hold on the next business date, and the queue shows a break once.

use recon::domain::review::Action;
use recon::review::{Approve, PageAsk, QueueFilter, QueueSort, Reopen, Resolve, ReviewItem, Sla};
use recon::store::{Store, chain, transact};
use serde_json::{Value as Json, json};

use super::fixture::{
    CLUELESS, GUESS, Given, ReviewStage, SETTLED, agree, approve, back, item_id, override_,
    stock_on, team,
};
use crate::store::fixture::{column, rows};
use crate::store::{Place, on_both_stores};

on_both_stores! {
    a_decision_holds_on_the_next_date_while_both_values_are_the_same,
    an_open_proposal_moves_along_while_both_values_are_the_same,
    money_at_risk_comes_first_and_an_item_shows_the_life_of_its_break,
    a_job_may_ask_for_a_decision_on_each_date,
    late_and_new_breaks_on_an_older_date_are_distinguished,
    the_queue_shows_a_break_once_and_the_oldest_first,
    notes_follow_their_break_which_is_decided_on_its_newest_date,
    pages_and_counts_over_many_dates_miss_nothing,
    a_settled_item_is_decided_anew_on_its_newest_date,
    lists_of_any_status_agree_with_their_counts_on_every_date,
    lists_from_memory_agree_with_their_counts_on_every_date,
}

fn keyed(given: &[(&str, i128)]) -> Vec<(String, Given)> {
    let of = |amount| Given { amount, ..GUESS };
    given.iter().map(|(key, amount)| ((*key).to_owned(), of(*amount))).collect()
}

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

fn states(store: &dyn Store, run: impl std::fmt::Display) -> Vec<String> {
    column(
        store,
        &format!(
            "SELECT a.status || ' ' || a.assigned_by FROM recon.attributions a \
             WHERE a.run_id = '{run}' ORDER BY a.difference_number"
        ),
    )
}

fn assert_sound(store: &dyn Store) {
    let verdict = transact::read(store, |tx| chain::verify(tx, None, None)).unwrap();
    assert!(verdict.ok, "{verdict:?}");
    assert_eq!(transact::read(store, |tx| chain::replay(tx)).unwrap(), [""; 0]);
    crate::store::fixture::assert_kept_days(store);
}

fn a_decision_holds_on_the_next_date_while_both_values_are_the_same(place: &Place) {
    let store = place.open();
    let store = &*store;
    let stage = team(false);
    let first = keyed(&[("T1", 5), ("T2", 6), ("T3", 7)]);
    let first = stock_on(store, "fx", "2026-01-15", &first, json!({}));
    decide(&stage, store, &approve(&item_id(first, 1)));
    let reject = Resolve {
        attribution_id: item_id(first, 2),
        action: Some(Action::Reject),
        comments: Some("to be mended".to_owned()),
        ..Resolve::default()
    };
    decide(&stage, store, &reject);
    // T2 has another amount; T3 was not decided.
    let second = keyed(&[("T3", 7), ("T1", 5), ("T2", 60)]);
    let second = stock_on(store, "fx", "2026-01-16", &second, json!({}));
    assert_eq!(states(store, second), ["UNKNOWN RULE:near", "ACCEPTED ann", "UNKNOWN RULE:near"]);
    let third = stock_on(store, "fx", "2026-01-19", &keyed(&[("T1", 5)]), json!({}));
    assert_eq!(states(store, third), ["ACCEPTED ann"]);
    // Running a date again carries from its own earlier run, and once.
    let again = stock_on(store, "fx", "2026-01-19", &keyed(&[("T1", 5)]), json!({}));
    assert_eq!(states(store, again), ["ACCEPTED ann"]);
    let carried = "SELECT CAST(new_value AS text) FROM recon.audit_trail \
                   WHERE action_type = 'CARRY' ORDER BY seq";
    let origins: Vec<String> = rows(store, carried)
        .into_iter()
        .map(|row| match &row[0] {
            Json::String(text) => serde_json::from_str(text).unwrap(),
            other => other.clone(),
        })
        .map(|told: Json| told["carried_from"]["run_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(origins, [first, second, third].map(|run| run.to_string()));
    let decided = "SELECT status FROM recon.recon_breaks WHERE ref = 'T1'";
    assert_eq!(column(store, decided), ["ACCEPTED"]);
    assert_sound(store);
}

fn an_open_proposal_moves_along_while_both_values_are_the_same(place: &Place) {
    let store = place.open();
    let store = &*store;
    let stage = team(false);
    let review = stage.review(store);
    let [ann, sue, mia] = ["ann", "sue", "mia"].map(|name| stage.actor(name));
    let first = keyed(&[("T1", 5), ("T2", 6), ("T3", 7), ("T4", 8)]);
    let first = stock_on(store, "fx", "2026-01-15", &first, json!({}));
    let one = review.resolve(&ann, &approve(&item_id(first, 1))).unwrap().value;
    let choice = |record| override_(&item_id(first, record), "TIMING");
    let all: Vec<_> =
        (2..=4).map(|record| review.resolve(&ann, &choice(record)).unwrap().value).collect();
    // T2 has another amount, T3 is gone, and the machine is sure about T4 by now.
    let sure = Given { amount: 8, ..SETTLED };
    let second = vec![
        ("T4".to_owned(), sure),
        ("T2".to_owned(), Given { amount: 60, ..GUESS }),
        ("T1".to_owned(), Given { amount: 5, ..GUESS }),
    ];
    let second = stock_on(store, "fx", "2026-01-16", &second, json!({}));
    assert_eq!(
        states(store, second),
        ["PENDING RULE:near", "UNKNOWN RULE:near", "PENDING RULE:near"]
    );
    assert_eq!(
        states(store, first),
        ["UNKNOWN RULE:near", "PENDING RULE:near", "PENDING RULE:near", "UNKNOWN RULE:near"]
    );
    assert_sound(store);
    let seen = |resolved: &recon::review::Resolved| {
        let id = resolved.proposal_id.as_deref().unwrap();
        review.proposal(&sue, id, &PageAsk::default()).unwrap()
    };
    let moved = seen(&one);
    let items = &moved.items;
    assert_eq!(items.len(), 1);
    assert_eq!((items[0].batch_date.as_str(), items[0].age_days), ("2026-01-16", 1));
    assert_eq!(moved.proposal.version, 2);
    assert_eq!(seen(&all[0]).items[0].batch_date, "2026-01-15");
    let told = "SELECT count(*) FROM recon.audit_trail WHERE action_type = 'MOVE' \
                AND actor_id = 'SYSTEM' AND proposal_version = 2";
    assert_eq!(column(store, told), ["4"]);
    // The proposal has changed since the checker read it.
    let late = Approve {
        proposal_id: one.proposal_id.clone().unwrap(),
        if_match: super::fixture::tag(&one),
        content_hash: Some(moved.proposal.content_hash),
        comments: None,
    };
    assert_eq!(super::fixture::code(review.approve(&sue, &late)), "stale");
    review.approve(&sue, &agree(&one, review, &sue)).unwrap();
    assert_eq!(states(store, second)[2], "ACCEPTED ann");
    // Once more, half checked: six eyes approve the same items, so the checker looks again.
    let bold = &all[2];
    let checked = review.approve(&sue, &agree(bold, review, &sue)).unwrap().value;
    let third =
        stock_on(store, "fx", "2026-01-19", &keyed(&[("T1", 5), ("T2", 60), ("T4", 8)]), json!({}));
    let there = states(store, third);
    assert_eq!(there[0], "ACCEPTED ann");
    if checked.status.as_deref() == Some("PENDING") {
        assert_eq!(there[2], "PENDING RULE:near");
        review.approve(&sue, &agree(bold, review, &sue)).unwrap();
        review.approve(&mia, &agree(bold, review, &mia)).unwrap();
    }
    assert_eq!(states(store, third)[2], "ACCEPTED ann");
    // An item that stayed is not in the queue twice when it comes back.
    review.send_back(&sue, &super::fixture::back(&all[0], "the amount has changed")).unwrap();
    let queue = review.queue(&ann, &QueueFilter::default(), &PageAsk::default()).unwrap();
    let dates: Vec<_> = queue.items.iter().map(|item| item.batch_date.as_str()).collect();
    assert_eq!(dates, ["2026-01-19"]);
    assert_sound(store);
    let labels = transact::read(store, recon::store::training::labels).unwrap();
    assert_eq!(labels.live().filter(|label| label.predicted.is_some()).count(), 2);
}

fn notes_follow_their_break_which_is_decided_on_its_newest_date(place: &Place) {
    let store = place.open();
    let store = &*store;
    let stage = team(false);
    let review = stage.review(store);
    let [ann, max] = ["ann", "max"].map(|name| stage.actor(name));
    let days = keyed(&[("T1", 5), ("T2", 6), ("T3", 7)]);
    let first = stock_on(store, "fx", "2026-01-15", &days, json!({}));
    review.assign(&ann, &item_id(first, 1), Some("ann")).unwrap();
    let asked = review.resolve(&ann, &override_(&item_id(first, 2), "TIMING")).unwrap().value;
    review.send_back(&max, &back(&asked, "look again")).unwrap();
    // T1 is the same, T2 has another amount, and T3 is gone.
    let days = keyed(&[("T4", 9), ("T2", 60), ("T1", 5)]);
    let second = stock_on(store, "fx", "2026-01-16", &days, json!({}));
    let again = stock_on(store, "fx", "2026-01-16", &days, json!({}));
    for run in [second, again] {
        let item = |record| review.item(&ann, &item_id(run, record)).unwrap().item;
        assert_eq!(item(3).assignee, review.item(&ann, &item_id(first, 1)).unwrap().item.assignee);
        assert!(item(3).assignee.is_some() && item(2).assignee.is_none());
        assert_eq!(item(2).sent_back.unwrap().comment, "look again");
        assert_eq!((item(1).assignee, item(1).sent_back), (None, None));
    }
    let waits = review.summary(&ann).unwrap();
    assert_eq!((waits.assigned_to_me, waits.sent_back), (1, 1));
    assert_sound(store);
    // The item of the date before says where the break is now, and can't be decided.
    for (old, new) in [(1, 3), (2, 2)] {
        let (old, new) = (item_id(first, old), item_id(again, new));
        let refusal = review.resolve(&ann, &override_(&old, "TIMING")).unwrap_err();
        assert_eq!(refusal.code.name(), "superseded");
        assert!(refusal.message.contains("2026-01-16") && !refusal.message.contains(&new));
        assert_eq!(refusal.instead.as_deref(), Some(new.as_str()));
        let last = review.item(&ann, &old).unwrap();
        assert!(last.what_next.contains("2026-01-16"), "{}", last.what_next);
        assert_eq!(last.goes_on.unwrap().attribution_id, new);
    }
    // T3 was seen last on the first date.
    assert_eq!(review.item(&ann, &item_id(first, 3)).unwrap().goes_on, None);
    review.resolve(&ann, &override_(&item_id(first, 3), "TIMING")).unwrap();
    // A break that has cleared is decided where it was seen last.
    stock_on(store, "fx", "2026-01-19", &keyed(&[("T9", 5)]), json!({}));
    let last = review.item(&ann, &item_id(first, 1)).unwrap().goes_on.unwrap();
    assert_eq!((last.attribution_id, last.batch_date.as_str()), (item_id(again, 3), "2026-01-16"));
    review.resolve(&ann, &override_(&item_id(again, 3), "TIMING")).unwrap();
    assert_sound(store);
}

fn pages_and_counts_over_many_dates_miss_nothing(place: &Place) {
    let store = place.open();
    let store = &*store;
    let stage = team(false);
    let review = stage.review(store);
    let ann = stage.actor("ann");
    let mut last = None;
    for day in 1..=9 {
        // Each break is there for two days; amounts and order change from day to day.
        let keys = [day, day + 1].map(|key| (format!("T{key}"), 10 + (key * 7) % 5));
        let given: Vec<(&str, i128)> =
            keys.iter().map(|(key, amount)| (key.as_str(), *amount)).collect();
        last = Some(stock_on(store, "fx", &format!("2026-01-{day:02}"), &keyed(&given), json!({})));
    }
    let all = |sort, filter: &QueueFilter| {
        let mut found = Vec::new();
        let mut ask = PageAsk { limit: Some(2), sort, count: true, ..PageAsk::default() };
        loop {
            let page = review.queue(&ann, filter, &ask).unwrap();
            assert!(page.next.is_none() || page.items.len() == 2);
            found.extend(page.items.into_iter().map(|item| item.source_a_ref_id.unwrap()));
            ask.cursor = page.next;
            if ask.cursor.is_none() {
                assert_eq!(page.total, Some(found.len() as u64));
                return found;
            }
        }
    };
    let every = |most: u32| (1..=most).map(|key| format!("T{key}")).collect::<Vec<_>>();
    let everything = QueueFilter::default();
    assert_eq!(all(QueueSort::Age, &everything), every(10));
    for sort in [QueueSort::Confidence, QueueSort::Amount, QueueSort::Severity] {
        let mut found = all(sort, &everything);
        found.sort_by_key(|name| name[1..].parse::<u32>().unwrap());
        assert_eq!(found, every(10), "{sort:?}");
    }
    stage.clock.fetch_add(30 * 86_400_000_000, std::sync::atomic::Ordering::Relaxed);
    let late = QueueFilter { sla: Some(Sla::Overdue), ..QueueFilter::default() };
    let overdue = all(QueueSort::Age, &late);
    assert_eq!(overdue.len() as u64, review.summary(&ann).unwrap().overdue);
    // Items that leave the queue or return to it are counted.
    let item = item_id(last.unwrap(), 1);
    let asked = review.resolve(&ann, &override_(&item, "TIMING")).unwrap().value;
    assert_eq!(all(QueueSort::Age, &everything).len(), 9);
    review.send_back(&stage.actor("max"), &back(&asked, "look again")).unwrap();
    for sort in [QueueSort::Age, QueueSort::Confidence, QueueSort::Amount] {
        assert_eq!(all(sort, &everything).len(), 10);
    }
    assert_eq!(all(QueueSort::Age, &late), overdue);
}

fn a_settled_item_is_decided_anew_on_its_newest_date(place: &Place) {
    let store = place.open();
    let store = &*store;
    let stage = team(false);
    let review = stage.review(store);
    let ann = stage.actor("ann");
    // Settled by the machine, decided by people, and settled but gone on the second date.
    let given = |keys: &[(&str, Given)]| -> Vec<(String, Given)> {
        keys.iter().map(|(key, given)| ((*key).to_owned(), *given)).collect()
    };
    let days = given(&[("T1", SETTLED), ("T2", GUESS), ("T3", SETTLED)]);
    let first = stock_on(store, "fx", "2026-01-15", &days, json!({}));
    decide(&stage, store, &approve(&item_id(first, 2)));
    let days = given(&[("T2", GUESS), ("T1", SETTLED)]);
    let second = stock_on(store, "fx", "2026-01-16", &days, json!({}));
    let reopen = |run, record| {
        let id = item_id(run, record);
        let version = review.item(&ann, &id).unwrap().item.version;
        let ask = Reopen {
            attribution_id: id,
            action: Some(Action::Reject),
            comments: Some("look again".to_owned()),
            version: Some(version),
            ..Reopen::default()
        };
        review.reopen(&ann, &ask)
    };
    for (old, new) in [(1, 2), (2, 1)] {
        let newest = item_id(second, new);
        let refusal = reopen(first, old).unwrap_err();
        assert_eq!(
            (refusal.code.name(), refusal.instead.as_deref()),
            ("superseded", Some(newest.as_str()))
        );
        let seen = review.item(&ann, &item_id(first, old)).unwrap();
        assert_eq!(seen.goes_on.unwrap().attribution_id, newest);
        assert!(seen.what_next.contains("2026-01-16"), "{}", seen.what_next);
        assert_eq!(review.item(&ann, &newest).unwrap().goes_on, None);
        reopen(second, new).unwrap();
    }
    assert_eq!(review.item(&ann, &item_id(first, 3)).unwrap().goes_on, None);
    reopen(first, 3).unwrap();
    assert_sound(store);
}

fn lists_of_any_status_agree_with_their_counts_on_every_date(place: &Place) {
    assert_lists_of_dates(place, 4);
}

fn lists_from_memory_agree_with_their_counts_on_every_date(place: &Place) {
    use std::sync::atomic::Ordering::Relaxed;
    let _alone = super::fixture::settings_of_lists();
    recon::store::MOST_LISTED.store(20, Relaxed);
    recon::store::LEAST_IN_MEMORY.store(0, Relaxed);
    assert_lists_of_dates(place, 16);
    recon::store::MOST_LISTED.store(10_000, Relaxed);
    recon::store::LEAST_IN_MEMORY.store(10_000, Relaxed);
}

/// Every list has the items that its filter means, in its order, and all counts of it say how many these are.
fn assert_lists_of_dates(place: &Place, times: usize) {
    let store = place.open();
    let store = &*store;
    let stage = team(false);
    let review = stage.review(store);
    let ann = stage.actor("ann");
    // Of each kind some go on with the same values, some with others, and some are gone.
    let day = |other: i128, gone: usize| -> Vec<(String, Given)> {
        let kinds = [GUESS, SETTLED, CLUELESS];
        (0..6 * times)
            .filter(|at| *at % 6 != gone)
            .map(|at| {
                let kind = kinds[at % 3];
                let amount = (at * 7 % 11) as i128 + if at % 2 == 0 { 1 } else { other };
                (
                    format!("T{at}"),
                    Given { amount, confidence: kind.confidence + at as f64 / 1e4, ..kind },
                )
            })
            .collect()
    };
    let dates = ["2026-01-15", "2026-01-16", "2026-01-19"];
    let runs: Vec<_> = dates
        .iter()
        .zip([(1, 9), (2, 0), (3, 4)])
        .map(|(date, (other, gone))| {
            let run = stock_on(store, "fx", date, &day(other, gone), json!({}));
            let open =
                |at: &&(usize, (String, Given))| at.1.1.status == recon::domain::Status::Unknown;
            let items: Vec<_> = day(other, gone).into_iter().enumerate().collect();
            let mut undecided =
                items.iter().filter(open).map(|(at, _)| item_id(run, *at as u64 + 1));
            decide(&stage, store, &override_(&undecided.next().unwrap(), "TYPO"));
            for id in undecided.by_ref().take(2) {
                review.assign(&ann, &id, Some("me")).unwrap();
            }
            review.resolve(&ann, &override_(&undecided.next().unwrap(), "TIMING")).unwrap();
            (run, items.len() as u64)
        })
        .collect();
    let every: Vec<recon::review::ItemDetail> = runs
        .iter()
        .flat_map(|(run, count)| (1..=*count).map(|record| item_id(*run, record)))
        .map(|id| review.item(&ann, &id).unwrap())
        .collect();
    let amount =
        |item: &ReviewItem| item.amount_abs.as_deref().map_or(0.0, |text| text.parse().unwrap());
    let filters = [
        QueueFilter::default(),
        QueueFilter { max_amount: Some(0.08), ..QueueFilter::default() },
        QueueFilter { field_name: Some("amount".to_owned()), ..QueueFilter::default() },
        QueueFilter { assignee: Some("me".to_owned()), ..QueueFilter::default() },
        QueueFilter { assignee: Some("none".to_owned()), ..QueueFilter::default() },
        QueueFilter { by_people: Some(false), ..QueueFilter::default() },
    ];
    let sorts = [
        QueueSort::Confidence,
        QueueSort::ConfidenceDescending,
        QueueSort::Amount,
        QueueSort::AtRisk,
        QueueSort::Age,
        QueueSort::Severity,
    ];
    let mut lists = 0;
    for filter in &filters {
        for status in [None, Some("ALL"), Some("ACCEPTED"), Some("PENDING"), Some("REJECTED")] {
            for run in [None, Some(runs[0].0), Some(runs[1].0), Some(runs[2].0)] {
                let filter = QueueFilter {
                    status: status.map(str::to_owned),
                    run_id: run.map(|run| run.to_string()),
                    ..filter.clone()
                };
                let fits = |detail: &&recon::review::ItemDetail| {
                    let item = &detail.item;
                    let date = run.map(|run| runs.iter().position(|one| one.0 == run).unwrap());
                    // Without a run, a break is there once while it is undecided.
                    let is_shown = match date {
                        Some(at) => item.batch_date == dates[at],
                        None => item.status != "UNKNOWN" || detail.goes_on.is_none(),
                    };
                    is_shown
                        && status.is_none_or(|status| status == "ALL" || status == item.status)
                        && (status.is_some() || item.status == "UNKNOWN")
                        && filter.max_amount.is_none_or(|most| amount(item) <= most)
                        && match filter.assignee.as_deref() {
                            Some("me") => item.assignee.is_some(),
                            Some(_) => item.assignee.is_none(),
                            None => true,
                        }
                        && (filter.by_people.is_none() || !item.is_locked)
                };
                let mut expected: Vec<&str> =
                    every.iter().filter(fits).map(|one| one.item.attribution_id.as_str()).collect();
                expected.sort_unstable();
                for sort in sorts {
                    let mut found: Vec<ReviewItem> = Vec::new();
                    let mut ask =
                        PageAsk { limit: Some(3), sort, count: true, ..PageAsk::default() };
                    loop {
                        let page = review.queue(&ann, &filter, &ask).unwrap();
                        assert_eq!(page.total, Some(expected.len() as u64), "{filter:?}");
                        found.extend(page.items);
                        ask.cursor = page.next;
                        if ask.cursor.is_none() {
                            break;
                        }
                    }
                    let mut ids: Vec<&str> =
                        found.iter().map(|item| item.attribution_id.as_str()).collect();
                    ids.sort_unstable();
                    assert_eq!(ids, expected, "{sort:?} {filter:?}");
                    let place = |item: &ReviewItem| match sort {
                        QueueSort::Confidence if status.is_none() => item.confidence_score,
                        QueueSort::ConfidenceDescending => -item.confidence_score,
                        QueueSort::Amount => -amount(item),
                        QueueSort::Age => {
                            let day: recon::domain::Date = item.first_seen.parse().unwrap();
                            f64::from(day.days())
                        }
                        _ => 0.0,
                    };
                    assert!(found.is_sorted_by_key(place), "{sort:?} {filter:?}");
                    lists += usize::from(found.len() > 3);
                }
                let groups = review
                    .groups(&ann, &filter, recon::review::GroupBy::Field, &PageAsk::default())
                    .unwrap();
                let count: u64 = groups.items.iter().map(|group| group.count).sum();
                assert_eq!(count, expected.len() as u64, "{filter:?}");
            }
        }
    }
    assert!(lists > 200, "{lists}");
    for ((run, _), date) in runs.iter().zip(dates) {
        let open =
            every.iter().filter(|one| one.item.batch_date == date && one.item.status == "UNKNOWN");
        let ages = review.ages(&ann, &run.to_string()).unwrap();
        assert_eq!(ages.iter().sum::<u64>(), open.count() as u64, "{date}");
    }
    assert_sound(store);
}

fn money_at_risk_comes_first_and_an_item_shows_the_life_of_its_break(place: &Place) {
    let store = place.open();
    let store = &*store;
    let stage = team(false);
    let review = stage.review(store);
    let ann = stage.actor("ann");
    // Breaks of one job clear within a day; of the other none is known.
    let names: Vec<String> = (0..40).map(|at| format!("C{at}")).collect();
    let many: Vec<(&str, i128)> = names.iter().map(|name| (name.as_str(), 900)).collect();
    stock_on(store, "quick", "2026-01-13", &keyed(&many), json!({}));
    stock_on(store, "quick", "2026-01-14", &keyed(&[("T1", 7)]), json!({}));
    let quick = keyed(&[("T1", 800), ("T2", 700)]);
    let quick = stock_on(store, "quick", "2026-01-15", &quick, json!({}));
    stock_on(store, "slow", "2026-01-15", &keyed(&[("S1", 500), ("S2", 600)]), json!({}));
    let list = |sort, limit, cursor: Option<String>| {
        let filter = QueueFilter { min_amount: None, ..QueueFilter::default() };
        let ask = PageAsk { sort, limit: Some(limit), cursor, ..PageAsk::default() };
        review.queue(&ann, &filter, &ask).unwrap()
    };
    let names = |page: &recon::review::Page<recon::review::ReviewItem>| -> Vec<String> {
        page.items.iter().map(|item| item.source_a_ref_id.clone().unwrap()).collect()
    };
    assert!(names(&list(QueueSort::Amount, 4, None))[0].starts_with('C'));
    let first = list(QueueSort::AtRisk, 1, None);
    let second = list(QueueSort::AtRisk, 1, first.next.clone());
    assert_eq!([names(&first), names(&second)].concat(), ["S2", "S1"]);
    let item = review.item(&ann, &item_id(quick, 1)).unwrap();
    let forecast = item.forecast.unwrap();
    assert_eq!(forecast.cleared, 40);
    assert!(forecast.within["1"].share > 0.9, "{forecast:?}");
    assert!(forecast.within["5"].low <= forecast.within["5"].share, "{forecast:?}");
    let life: Vec<_> = item
        .life
        .iter()
        .map(|event| (event.at.as_str(), event.what.as_str(), event.value_b.as_deref()))
        .collect();
    let (seen, changed) = (Some("100.07"), Some("108.00"));
    assert_eq!(life, [("2026-01-14", "SEEN", seen), ("2026-01-15", "CHANGED", changed)]);
    decide(&stage, store, &approve(&item_id(quick, 2)));
    stock_on(store, "quick", "2026-01-16", &keyed(&[("T1", 800)]), json!({}));
    let item = review.item(&ann, &item_id(quick, 2)).unwrap();
    let life: Vec<_> = item.life.iter().map(|event| event.what.as_str()).collect();
    assert_eq!(life, ["SEEN", "APPROVE", "APPROVE", "CLEARED"]);
    assert_eq!(item.life[3].detail.as_deref(), Some("GONE"));
    assert_eq!(item.life[1].by.as_deref(), Some("ann"));
}

fn a_job_may_ask_for_a_decision_on_each_date(place: &Place) {
    let store = place.open();
    let store = &*store;
    let stage = team(false);
    let given = keyed(&[("T1", 5)]);
    let first = stock_on(store, "fx", "2026-01-15", &given, json!({}));
    decide(&stage, store, &approve(&item_id(first, 1)));
    let off = json!({ "carry_across_dates": false });
    let second = stock_on(store, "fx", "2026-01-16", &given, off);
    assert_eq!(states(store, second), ["UNKNOWN RULE:near"]);
    assert_sound(store);
}

fn late_and_new_breaks_on_an_older_date_are_distinguished(place: &Place) {
    let store = place.open();
    let store = &*store;
    let stage = team(false);
    stock_on(store, "fx", "2026-01-02", &keyed(&[("T1", 5)]), json!({}));
    let old = stock_on(store, "fx", "2026-01-13", &keyed(&[("T1", 5), ("T2", 6)]), json!({}));
    // Both are gone on the next date, which explains nothing.
    stock_on(store, "fx", "2026-01-15", &keyed(&[("T9", 7)]), json!({}));
    let review = stage.review(store);
    let ann = stage.actor("ann");
    let told = || {
        let by = recon::review::GroupBy::Signature;
        let groups = review.groups(&ann, &QueueFilter::default(), by, &PageAsk::default()).unwrap();
        let told = groups.items.iter().map(|group| (group.count, group.overdue));
        let first = groups.items.iter().filter_map(|group| group.first_seen.clone()).min();
        let sums = told.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        (
            sums,
            first,
            review.summary(&ann).unwrap().overdue,
            review.ages(&ann, &old.to_string()).unwrap(),
        )
    };
    assert_eq!(told(), ((3, 1), Some("2026-01-02".to_owned()), 1, [1, 0, 1]));
    review.resolve(&ann, &override_(&item_id(old, 1), "TIMING")).unwrap();
    assert_eq!(told(), ((2, 0), Some("2026-01-13".to_owned()), 0, [1, 0, 0]));
    assert_sound(store);
}

fn the_queue_shows_a_break_once_and_the_oldest_first(place: &Place) {
    let store = place.open();
    let store = &*store;
    let stage = team(false);
    let first = keyed(&[("T1", 5), ("T2", 6), ("T3", 7)]);
    let first = stock_on(store, "fx", "2026-01-02", &first, json!({}));
    let second = keyed(&[("T9", 8), ("T1", 5), ("T2", 60)]);
    let second = stock_on(store, "fx", "2026-01-15", &second, json!({}));
    let review = stage.review(store);
    let queue = |filter: QueueFilter, sort| {
        let ask = PageAsk { sort, count: true, ..PageAsk::default() };
        let page = review.queue(&stage.actor("ann"), &filter, &ask).unwrap();
        let found = page.items.iter().map(|item| {
            let name = item.source_a_ref_id.clone().unwrap();
            format!("{name} {} {} {}", item.batch_date, item.first_seen, item.age_days)
        });
        let found: Vec<String> = found.collect();
        assert_eq!(page.total, Some(found.len() as u64));
        found
    };
    // T3 has gone without an explanation.
    let all = [
        "T3 2026-01-02 2026-01-02 0",
        "T1 2026-01-15 2026-01-02 13",
        "T2 2026-01-15 2026-01-02 13",
        "T9 2026-01-15 2026-01-15 0",
    ];
    assert_eq!(queue(QueueFilter::default(), QueueSort::Age), all);
    let mut by_confidence = queue(QueueFilter::default(), QueueSort::Confidence);
    by_confidence.sort();
    let mut sorted = all.to_vec();
    sorted.sort_unstable();
    assert_eq!(by_confidence, sorted);
    let late = |sla| QueueFilter { sla: Some(sla), ..QueueFilter::default() };
    assert_eq!(queue(late(Sla::Overdue), QueueSort::Age), all[1..3]);
    assert_eq!(queue(late(Sla::Ok), QueueSort::Age), [all[0], all[3]]);
    let groups = review
        .groups(
            &stage.actor("ann"),
            &QueueFilter::default(),
            recon::review::GroupBy::Field,
            &PageAsk::default(),
        )
        .unwrap();
    let group = &groups.items[0];
    assert_eq!((group.count, group.overdue), (4, 2));
    assert_eq!((group.first_seen.as_deref(), group.age_days), (Some("2026-01-02"), Some(13)));
    // Every count goes by the age of the breaks, as the list does.
    let ann = stage.actor("ann");
    assert_eq!(review.summary(&ann).unwrap().overdue, 2);
    assert_eq!(review.ages(&ann, &second.to_string()).unwrap(), [1, 0, 2]);
    // Of a run, as its list.
    assert_eq!(review.ages(&ann, &first.to_string()).unwrap(), [3, 0, 0]);
    // Pages of the overdue ones follow each other.
    let filter = late(Sla::Overdue);
    let mut ask = PageAsk { limit: Some(1), ..PageAsk::default() };
    let one = review.queue(&ann, &filter, &ask).unwrap();
    ask.cursor = one.next;
    let two = review.queue(&ann, &filter, &ask).unwrap();
    let names = [&one.items[0], &two.items[0]].map(|item| item.source_a_ref_id.clone().unwrap());
    assert_eq!((names, two.next), (["T1".to_owned(), "T2".to_owned()], None));
    // After four more days T9 is nearly due, and after another one it is late.
    for (days, ages) in [(4, [0, 1, 2]), (1, [0, 0, 3])] {
        stage.clock.fetch_add(days * 86_400_000_000, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(review.ages(&ann, &second.to_string()).unwrap(), ages);
        let overdue = review.summary(&ann).unwrap().overdue;
        let listed = queue(late(Sla::Overdue), QueueSort::Age).len() as u64;
        assert_eq!(overdue, listed);
    }
    // A run's own list has all its differences.
    let filter = QueueFilter { status: Some("UNKNOWN".to_owned()), ..QueueFilter::default() };
    let of_run = |run: recon::domain::RunId| {
        let ask = PageAsk::default();
        let page = review.run_differences(&stage.actor("ann"), &run.to_string(), &filter, &ask);
        page.unwrap().items.len()
    };
    assert_eq!((of_run(first), of_run(second)), (3, 3));
}
