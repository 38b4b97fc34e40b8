//! Makers, checkers and authorizers, step by step.

use recon::domain::review::{Action, ProposalState};
use recon::review::{
    Amend, BulkCommit, BulkPreviewAsk, GroupBy, OnConflict, PageAsk, PolicyAdopted, QueueFilter,
    RefusalKind, Reopen,
};
use recon::store::Store;

use super::fixture::{
    CLUELESS, GUESS, SETTLED, agree, approve, back, code, item_id, override_, stock, tag, team,
};
use crate::store::{Place, on_both_stores};

on_both_stores! {
    four_eyes_decide,
    items_that_are_sent_back_have_their_earlier_state,
    amending_voids_and_excludes,
    six_eyes_are_three_people,
    a_decided_item_is_reopened_with_six_eyes,
    unknown_is_never_accepted,
    the_queue_shows_each_item_once,
    groups_add_up,
    one_person_alone_is_stamped_so,
    policies_change_with_six_eyes,
}

fn columns(store: &dyn Store, sql: &str) -> Vec<String> {
    crate::store::fixture::column(store, sql)
}

fn four_eyes_decide(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock(&*store, "fx", &[GUESS, CLUELESS, SETTLED]);
    let id = item_id(run, 1);
    let (ann, sue) = (stage.actor("ann"), stage.actor("sue"));

    let resolved = review.resolve(&ann, &approve(&id)).unwrap().value;
    assert_eq!(resolved.message, "Resolution processed successfully");
    assert_eq!((resolved.status.as_str(), resolved.version), ("PENDING", 2));
    assert_eq!((resolved.eyes_required.code(), resolved.eyes_done), (4, 2));
    // It can't be decided again, and ann can't approve it.
    let again = review.resolve(&stage.actor("bob"), &approve(&id)).unwrap_err();
    assert_eq!(
        (again.code.name(), again.blocking.clone()),
        ("already-pending", resolved.proposal_id.clone())
    );
    let yes = agree(&resolved, review, &sue);
    assert_eq!(code(review.approve(&ann, &yes)), "self-approval");
    assert_eq!(code(review.approve(&stage.actor("bob"), &yes)), "missing-permission");

    let moved = review.approve(&sue, &yes).unwrap().value;
    assert_eq!((moved.state, moved.status.as_deref()), (ProposalState::Applied, Some("ACCEPTED")));
    let item = review.item(&sue, &id).unwrap();
    assert_eq!(item.item.status, "ACCEPTED");
    assert!(item.item.is_locked);
    assert_eq!(item.item.assigned_by.as_deref(), Some("ann"));
    assert_eq!(item.item.source_a_ref_id.as_deref(), Some("T1"));
    assert_eq!(item.item.amount_abs.as_deref(), Some("0.05"));
    assert_eq!(item.history.len(), 2);
    // The tables that users query show it, and the reason.
    assert_eq!(
        columns(&*store, "SELECT status FROM recon.attributions WHERE is_locked = true"),
        ["ACCEPTED"]
    );
    assert_eq!(
        columns(
            &*store,
            "SELECT new_value ->> 'status' FROM recon.audit_trail \
             WHERE attribution_id IS NOT NULL ORDER BY seq"
        ),
        ["PENDING", "ACCEPTED"]
    );
    assert_eq!(code(review.approve(&sue, &yes)), "closed");
}

fn items_that_are_sent_back_have_their_earlier_state(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock(&*store, "fx", &[GUESS, CLUELESS]);
    let (ann, sue) = (stage.actor("ann"), stage.actor("sue"));
    let rows = "SELECT status || ' ' || reason_id || ' ' || confidence || ' ' || is_locked \
                FROM recon.difference_rows ORDER BY confidence DESC";
    let before = columns(&*store, rows);
    for record in [1, 2] {
        let id = item_id(run, record);
        let ask = override_(&id, "TIMING");
        let resolved = review.resolve(&ann, &ask).unwrap().value;
        assert_eq!(
            code(review.send_back(&sue, &back(&resolved, "  \u{200b}a "))),
            "comment-required"
        );
        review.send_back(&sue, &back(&resolved, "look again")).unwrap();
        assert_eq!(columns(&*store, rows), before);
        let item = review.item(&ann, &id).unwrap().item;
        assert_eq!(item.sent_back.unwrap().comment, "look again");

        let resolved = review.resolve(&ann, &ask).unwrap().value;
        assert_eq!(
            code(review.withdraw(&stage.actor("bob"), &back(&resolved, ""))),
            "not-contributor"
        );
        review.withdraw(&ann, &back(&resolved, "")).unwrap();
        assert_eq!(columns(&*store, rows), before);

        review.resolve(&ann, &ask).unwrap();
        review.undo(&ann).unwrap();
        assert_eq!(columns(&*store, rows), before);
        assert_eq!(code(review.undo(&ann)), "nothing-to-undo");
    }
    // Time passes without a decision.
    review.resolve(&ann, &approve(&item_id(run, 1))).unwrap();
    assert_eq!(review.tidy().unwrap(), 0);
    stage.clock.fetch_add(31 * 86_400_000_000, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(review.tidy().unwrap(), 1);
    assert_eq!(columns(&*store, rows), before);
}

fn amending_voids_and_excludes(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock(&*store, "fx", &[GUESS]);
    let (ann, sue, sid) = (stage.actor("ann"), stage.actor("sue"), stage.actor("sid"));
    let resolved = review.resolve(&ann, &override_(&item_id(run, 1), "TIMING")).unwrap().value;
    let seen = agree(&resolved, review, &sid);
    let amend = Amend {
        proposal_id: resolved.proposal_id.clone().unwrap(),
        if_match: tag(&resolved),
        action: Some(Action::Reject),
        new_reason_code: None,
        comments: Some("no, it is a break".to_owned()),
    };
    assert_eq!(
        review.amend(&sue, &Amend { if_match: None, ..amend.clone() }).unwrap_err().kind,
        RefusalKind::PreconditionRequired
    );
    let moved = review.amend(&sue, &amend).unwrap().value;
    assert_eq!((moved.version, moved.state), (2, ProposalState::Open));
    // Sid's version is gone; sue is a contributor.
    assert_eq!(code(review.approve(&sid, &seen)), "stale");
    let now = agree(&resolved, review, &sid);
    assert_eq!(code(review.approve(&sue, &now)), "self-approval");
    let other = recon::review::Approve { content_hash: seen.content_hash, ..now.clone() };
    assert_eq!(code(review.approve(&sid, &other)), "content-differs");
    let changed = review.proposal(&sid, &now.proposal_id, &PageAsk::default()).unwrap();
    assert_eq!(changed.proposal.changed[0].after.as_deref(), Some("REJECT"));
    review.approve(&sid, &now).unwrap();
    let item = review.item(&sid, &item_id(run, 1)).unwrap().item;
    assert_eq!((item.status.as_str(), item.is_locked), ("REJECTED", true));
    // The refused attempt is logged, outside the audit trail.
    let noted = columns(&*store, "SELECT DISTINCT code FROM recon.security_log ORDER BY code");
    assert_eq!(noted, ["content-differs", "self-approval", "stale"]);
}

fn six_eyes_are_three_people(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock(&*store, "fx", &[GUESS, GUESS]);
    let [ann, sue, max, mia] = ["ann", "sue", "max", "mia"].map(|name| stage.actor(name));
    // From functional to non-functional.
    let resolved = review.resolve(&ann, &override_(&item_id(run, 1), "TYPO")).unwrap().value;
    assert_eq!(resolved.eyes_required.code(), 6);
    let yes = agree(&resolved, review, &max);
    let checked = review.approve(&max, &yes).unwrap().value;
    assert_eq!((checked.state, checked.eyes_done), (ProposalState::Checked, 4));
    assert_eq!(code(review.approve(&max, &yes)), "same-approver");
    assert_eq!(code(review.approve(&sue, &yes)), "missing-permission");
    let applied = review.approve(&mia, &yes).unwrap().value;
    assert_eq!(applied.state, ProposalState::Applied);

    // A checker who lost the role by then does not count.
    let resolved = review.resolve(&ann, &override_(&item_id(run, 2), "TYPO")).unwrap().value;
    let yes = agree(&resolved, review, &sue);
    review.approve(&sue, &yes).unwrap();
    stage.people.0.lock().unwrap().remove("sue");
    let moved = review.approve(&max, &yes).unwrap().value;
    assert_eq!(moved.state, ProposalState::Checked);
    let view = review.proposal(&mia, &yes.proposal_id, &PageAsk::default()).unwrap().proposal;
    let counts: Vec<_> =
        view.approvals.iter().map(|one| (one.person_id.as_str(), one.counts)).collect();
    assert_eq!(counts, [("sue", false), ("max", true)]);
    assert_eq!(review.approve(&mia, &yes).unwrap().value.state, ProposalState::Applied);
}

fn a_decided_item_is_reopened_with_six_eyes(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock(&*store, "fx", &[SETTLED, GUESS]);
    let [ann, bob, max, mia] = ["ann", "bob", "max", "mia"].map(|name| stage.actor(name));
    let id = item_id(run, 1);
    assert_eq!(code(review.resolve(&ann, &approve(&id))), "invalid-transition");
    let reopen = |version| Reopen {
        attribution_id: id.clone(),
        version,
        action: Some(Action::Override),
        new_reason_code: Some("TIMING".to_owned()),
        comments: Some("it was late".to_owned()),
    };
    assert_eq!(code(review.reopen(&ann, &reopen(None))), "if-match-required");
    assert_eq!(code(review.reopen(&ann, &reopen(Some(7)))), "stale");
    let resolved = review.reopen(&ann, &reopen(Some(1))).unwrap().value;
    // The automatic confidence was 0.97.
    assert_eq!(resolved.eyes_required.code(), 6);
    let yes = agree(&resolved, review, &max);
    review.approve(&max, &yes).unwrap();
    review.approve(&mia, &yes).unwrap();
    let item = review.item(&ann, &id).unwrap().item;
    assert_eq!((item.status.as_str(), item.version), ("ACCEPTED", 3));
    let again = Reopen {
        action: Some(Action::Reject),
        new_reason_code: None,
        version: Some(3),
        ..reopen(None)
    };
    let resolved = review.reopen(&bob, &again).unwrap().value;
    assert_eq!(resolved.triggers[0].trigger, recon::domain::review::Trigger::Reopen);
    review.send_back(&max, &back(&resolved, "it stays as it is")).unwrap();
    let item = review.item(&ann, &id).unwrap().item;
    assert_eq!((item.status.as_str(), item.assigned_by.as_deref()), ("ACCEPTED", Some("ann")));
}

fn unknown_is_never_accepted(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock(&*store, "fx", &[CLUELESS, GUESS]);
    let ann = stage.actor("ann");
    let (clueless, guess) = (item_id(run, 1), item_id(run, 2));
    assert_eq!(code(review.resolve(&ann, &approve(&clueless))), "no-reason-to-approve");
    for code_ in ["UNKNOWN", "NOWHERE", "rounding"] {
        let refused = review.resolve(&ann, &override_(&clueless, code_)).unwrap_err();
        assert_eq!((refused.code.name(), refused.kind.status()), ("invalid-reason-code", 400));
        assert_eq!(refused.message, "Invalid Reason Code provided");
    }
    let mut silent = override_(&guess, "TIMING");
    silent.comments = Some("\u{a0}\u{200b}ab\u{301}\u{301}\u{301}".to_owned());
    assert_eq!(code(review.resolve(&ann, &silent)), "comment-required");
    assert_eq!(code(review.resolve(&ann, &override_(&guess, "ROUNDING"))), "same-reason-code");
    assert_eq!(code(review.resolve(&stage.actor("aud"), &approve(&guess))), "missing-permission");
    assert_eq!(code(review.resolve(&stage.actor("adm"), &approve(&guess))), "missing-permission");
    let nowhere = approve("01990000-0000-7000-b000-000000000403");
    assert_eq!(review.resolve(&ann, &nowhere).unwrap_err().message, "Attribution record not found");
    let stale = recon::review::Resolve { version: Some(9), ..approve(&guess) };
    assert_eq!(code(review.resolve(&ann, &stale)), "stale");
    // Only the run's own row exists.
    assert_eq!(columns(&*store, "SELECT action_type FROM recon.audit_trail"), ["ATTRIBUTE"]);
}

fn the_queue_shows_each_item_once(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let mut given = Vec::new();
    for at in 0..40 {
        given.push(super::fixture::Given {
            confidence: f64::from(at % 7) / 10.0,
            reason: ["ROUNDING", "TIMING", "UNKNOWN"][at as usize % 3],
            amount: i128::from(at) + 1,
            ..GUESS
        });
    }
    stock(&*store, "fx", &given);
    stock(&*store, "pay", &given[..9]);
    stock(&*store, "pay", &given[..10]);
    let ann = stage.actor("ann");
    let all = |filter: &QueueFilter, sort| {
        let mut ids = Vec::new();
        let mut ask = PageAsk { limit: Some(7), sort, ..PageAsk::default() };
        loop {
            let page = review.queue(&ann, filter, &ask).unwrap();
            ids.extend(
                page.items.into_iter().map(|item| (item.attribution_id, item.confidence_score)),
            );
            match page.next {
                Some(next) => ask.cursor = Some(next),
                None => return ids,
            }
        }
    };
    use recon::review::QueueSort as Sort;
    for sort in
        [Sort::Confidence, Sort::ConfidenceDescending, Sort::Age, Sort::Amount, Sort::Severity]
    {
        let found = all(&QueueFilter::default(), sort);
        let mut ids: Vec<_> = found.iter().map(|(id, _)| id).collect();
        ids.sort();
        ids.dedup();
        // The nine of the superseded run are not among them.
        assert_eq!((found.len(), ids.len()), (50, 50), "{sort:?}");
        let mut sure: Vec<f64> = found.iter().map(|(_, confidence)| *confidence).collect();
        match sort {
            Sort::Confidence => assert!(sure.is_sorted()),
            Sort::ConfidenceDescending => {
                sure.reverse();
                assert!(sure.is_sorted());
            }
            _ => {}
        }
    }
    let filters = [
        (QueueFilter { job: Some("pay".to_owned()), ..QueueFilter::default() }, 10),
        (QueueFilter { reason_code: Some("TIMING".to_owned()), ..QueueFilter::default() }, 16),
        (QueueFilter { field_name: Some("amount".to_owned()), ..QueueFilter::default() }, 50),
        (QueueFilter { field_name: Some("none".to_owned()), ..QueueFilter::default() }, 0),
        (QueueFilter { min_confidence: Some(0.5), ..QueueFilter::default() }, 12),
        (QueueFilter { severity: Some("HIGH".to_owned()), ..QueueFilter::default() }, 0),
        (QueueFilter { max_amount: Some(0.1), ..QueueFilter::default() }, 20),
        (
            QueueFilter {
                job: Some("fx".to_owned()),
                min_amount: Some(0.2),
                max_confidence: Some(0.3),
                ..QueueFilter::default()
            },
            12,
        ),
        (QueueFilter { q: Some("T4".to_owned()), ..QueueFilter::default() }, 3),
        (QueueFilter { q: Some("100.07".to_owned()), ..QueueFilter::default() }, 2),
        (QueueFilter { status: Some("ALL".to_owned()), ..QueueFilter::default() }, 50),
        (QueueFilter { assignee: Some("none".to_owned()), ..QueueFilter::default() }, 50),
        (QueueFilter { sla: Some(recon::review::Sla::Overdue), ..QueueFilter::default() }, 0),
    ];
    for (filter, count) in filters {
        for sort in [Sort::Confidence, Sort::Amount, Sort::Severity] {
            assert_eq!(all(&filter, sort).len(), count, "{filter:?} {sort:?}");
        }
        let ask = PageAsk { count: true, ..PageAsk::default() };
        if filter.q.is_none() {
            assert_eq!(
                review.queue(&ann, &filter, &ask).unwrap().total,
                Some(count as u64),
                "{filter:?}"
            );
        }
    }
    // A cursor is valid only for its list and user.
    let ask = PageAsk { limit: Some(3), ..PageAsk::default() };
    let next = review.queue(&ann, &QueueFilter::default(), &ask).unwrap().next;
    let ask = PageAsk { cursor: next.clone(), ..ask };
    assert!(review.queue(&ann, &QueueFilter::default(), &ask).is_ok());
    let fx = QueueFilter { job: Some("fx".to_owned()), ..QueueFilter::default() };
    assert_eq!(code(review.queue(&ann, &fx, &ask)), "invalid-cursor");
    assert_eq!(
        code(review.queue(&stage.actor("bob"), &QueueFilter::default(), &ask)),
        "invalid-cursor"
    );
    let ask = PageAsk { cursor: next.map(|text| text.replace('7', "6")), ..ask };
    assert_eq!(code(review.queue(&ann, &QueueFilter::default(), &ask)), "invalid-cursor");
    let ask = PageAsk { limit: Some(0), ..PageAsk::default() };
    assert_eq!(code(review.queue(&ann, &QueueFilter::default(), &ask)), "invalid-limit");
    // Decisions are made meanwhile.
    let first = review
        .queue(&ann, &QueueFilter::default(), &PageAsk::default())
        .unwrap()
        .items
        .pop()
        .unwrap();
    review.resolve(&ann, &override_(&first.attribution_id, "TYPO")).unwrap();
    let pending = QueueFilter { status: Some("PENDING".to_owned()), ..QueueFilter::default() };
    let pending = review.queue(&ann, &pending, &PageAsk::default()).unwrap().items;
    assert_eq!(pending[0].attribution_id, first.attribution_id);
    assert!(pending[0].proposal_id.is_some());
}

fn groups_add_up(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock(&*store, "fx", &[GUESS, GUESS, GUESS, CLUELESS, SETTLED]);
    let ann = stage.actor("ann");
    let groups = |filter: &QueueFilter| {
        let page = review.groups(&ann, filter, GroupBy::Signature, &PageAsk::default()).unwrap();
        page.items
            .into_iter()
            .map(|group| (group.reason_code.unwrap(), group.count))
            .collect::<Vec<_>>()
    };
    let named = |list: &[(&str, u64)]| {
        list.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect::<Vec<_>>()
    };
    let open = QueueFilter::default();
    assert_eq!(groups(&open), named(&[("ROUNDING", 3), ("UNKNOWN", 1)]));
    let resolved = review.resolve(&ann, &approve(&item_id(run, 2))).unwrap().value;
    assert_eq!(groups(&open), named(&[("ROUNDING", 2), ("UNKNOWN", 1)]));
    let pending = QueueFilter { status: Some("PENDING".to_owned()), ..QueueFilter::default() };
    assert_eq!(groups(&pending), named(&[("ROUNDING", 1)]));
    review.withdraw(&ann, &back(&resolved, "")).unwrap();
    assert_eq!(groups(&open), named(&[("ROUNDING", 3), ("UNKNOWN", 1)]));
    let sure = QueueFilter { min_confidence: Some(0.1), ..QueueFilter::default() };
    assert_eq!(groups(&sure), named(&[("ROUNDING", 3)]));
    let page = review.groups(&ann, &open, GroupBy::Signature, &PageAsk::default()).unwrap();
    let group = &page.items[0];
    assert_eq!((group.sample.len(), group.label.as_str()), (3, "amount: B is a little more"));
    assert_eq!(group.predictions[0].code, "ROUNDING");
    assert!((group.amount_sum.unwrap() - 0.15).abs() < 1e-9);
    let facets = review.facets(&ann, &open).unwrap();
    assert!(facets.are_counted);
    let jobs = facets.shares.iter().find(|share| share.by == "job").unwrap();
    assert_eq!((jobs.value.as_str(), jobs.count), ("fx", 4));
}

fn one_person_alone_is_stamped_so(place: &Place) {
    let store = place.open();
    let stage = team(true);
    let review = stage.review(&*store);
    let run = stock(&*store, "fx", &[GUESS]);
    let ann = stage.actor("ann");
    let resolved = review.resolve(&ann, &approve(&item_id(run, 1))).unwrap().value;
    assert_eq!(resolved.status, "ACCEPTED");
    let controls = "SELECT DISTINCT control FROM recon.audit_trail WHERE stage = 'MAKER'";
    assert_eq!(columns(&*store, controls), ["NONE"]);
}

fn policies_change_with_six_eyes(place: &Place) {
    use recon::domain::review::Policy;
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock(&*store, "fx", &[GUESS, GUESS]);
    let [ann, sue, max] = ["ann", "sue", "max"].map(|name| stage.actor(name));
    assert_eq!(review.adopt_policy(&Policy::default()).unwrap(), PolicyAdopted::InForce(1));
    assert_eq!(review.adopt_policy(&Policy::default()).unwrap(), PolicyAdopted::InForce(1));
    let loose = Policy { two_eye_low_risk: true, ..Policy::default() };
    let PolicyAdopted::Proposed(proposal_id) = review.adopt_policy(&loose).unwrap() else {
        panic!()
    };
    assert_eq!(review.adopt_policy(&loose).unwrap(), PolicyAdopted::Proposed(proposal_id.clone()));
    let resolved = review.resolve(&ann, &approve(&item_id(run, 1))).unwrap().value;
    assert_eq!(resolved.eyes_required.code(), 4);
    let page = PageAsk::default();
    for approver in [&sue, &max] {
        let seen = review.proposal(approver, &proposal_id, &page).unwrap().proposal;
        let yes = recon::review::Approve {
            proposal_id: proposal_id.clone(),
            if_match: Some(seen.tag.parse().unwrap()),
            content_hash: Some(seen.content_hash),
            comments: None,
        };
        review.approve(approver, &yes).unwrap();
    }
    assert_eq!(review.adopt_policy(&loose).unwrap(), PolicyAdopted::InForce(2));
    let resolved = review.resolve(&ann, &approve(&item_id(run, 2))).unwrap().value;
    assert_eq!((resolved.status.as_str(), resolved.eyes_required.code()), ("ACCEPTED", 2));
    assert_eq!(
        columns(&*store, "SELECT control FROM recon.audit_trail ORDER BY seq DESC LIMIT 1"),
        ["TWO_EYE"]
    );
    let _ = (BulkCommit::default(), BulkPreviewAsk::default(), OnConflict::Abort);
}
