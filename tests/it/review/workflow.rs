//! Reviewing beyond single decisions: bulk decisions, comments, reports, new reasons, and limits
//! for a single user.

use std::sync::atomic::Ordering;

use recon::domain::review::policy::Amount;
use recon::domain::review::{Action, Policy, ProposalState, Trigger};
use recon::review::{
    Actor, Approve, AuditFilter, BulkCommit, BulkPreviewAsk, Idempotency, OnConflict, PageAsk,
    Period, PolicyAdopted, ProposalMoved, ProposeReason, QueueFilter, RefusalKind, Review,
};
use recon::store::{audit, chain, transact};

use super::fixture::{
    CLUELESS, GUESS, Given, SETTLED, agree, approve, code, item_id, override_, stock, team,
};
use crate::store::fixture::{all_before, column};
use crate::store::{Place, on_both_stores};

on_both_stores! {
    a_bulk_decides_the_items_of_its_preview,
    a_repeated_request_gets_the_first_answer,
    people_talk_and_share_the_work,
    the_trail_is_searched_and_exported,
    auditors_get_their_reports,
    a_new_reason_code_needs_six_eyes,
    split_decisions_count_together,
    a_policy_change_takes_no_eyes_away,
    an_inactive_reason_is_not_applied,
    decisions_outlive_their_run,
}

fn of(amount: i128) -> Given {
    Given { amount, ..GUESS }
}

/// Approves a proposal as it stands.
fn yes(review: Review<'_>, actor: &Actor, proposal_id: &str) -> ProposalMoved {
    let seen = review.proposal(actor, proposal_id, &PageAsk::default()).unwrap().proposal;
    let ask = Approve {
        proposal_id: proposal_id.to_owned(),
        if_match: Some(seen.tag.parse().unwrap()),
        content_hash: Some(seen.content_hash),
        comments: None,
    };
    review.approve(actor, &ask).unwrap().value
}

fn all_of(action: Action) -> BulkPreviewAsk {
    BulkPreviewAsk {
        filter: Some(QueueFilter::default()),
        action: Some(action),
        ..BulkPreviewAsk::default()
    }
}

fn commit(token: &str) -> BulkCommit {
    BulkCommit {
        token: token.to_owned(),
        comments: Some("all alike".to_owned()),
        on_conflict: OnConflict::Abort,
    }
}

fn a_bulk_decides_the_items_of_its_preview(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock(&*store, "fx", &[of(5), of(6), of(7), CLUELESS, SETTLED]);
    let [ann, bob, sue] = ["ann", "bob", "sue"].map(|name| stage.actor(name));
    assert_eq!(
        code(review.bulk_preview(&stage.actor("aud"), &all_of(Action::Approve))),
        "missing-permission"
    );
    let preview = review.bulk_preview(&ann, &all_of(Action::Approve)).unwrap();
    // Differences without an automatic reason can't be approved.
    assert_eq!((preview.count, preview.excluded.len()), (3, 1));
    assert_eq!(preview.excluded[0].id, item_id(run, 4));
    assert_eq!(preview.excluded[0].code, "no-reason-to-approve");
    assert_eq!((preview.sample.len(), preview.eyes.code()), (3, 4));
    // Items added later are not included; an item decided meanwhile stops the bulk.
    stock(&*store, "other", &[of(8)]);
    let decided = review.resolve(&bob, &approve(&item_id(run, 2))).unwrap().value;
    assert_eq!(code(review.bulk_commit(&bob, &commit(&preview.token))), "preview-expired");
    let refused = review.bulk_commit(&ann, &commit(&preview.token)).unwrap_err();
    assert_eq!((refused.code.name(), refused.kind), ("membership-changed", RefusalKind::Conflict));
    assert_eq!(refused.errors[0].pointer, item_id(run, 2));
    assert!(refused.message.ends_with(": T2 amount"), "{}", refused.message);
    let waiting = "SELECT count(*) FROM recon.attributions WHERE status = 'PENDING'";
    assert_eq!(column(&*store, waiting), ["1"]);
    let skip = BulkCommit { on_conflict: OnConflict::Skip, ..commit(&preview.token) };
    let done = review.bulk_commit(&ann, &skip).unwrap().value;
    assert_eq!((done.proposal.count, done.skipped.len()), (2, 1));
    // A preview is valid once, and for ten minutes.
    assert_eq!(code(review.bulk_commit(&ann, &skip)), "preview-expired");
    review.withdraw(&bob, &super::fixture::back(&decided, "")).unwrap();
    let late = review.bulk_preview(&ann, &all_of(Action::Reject)).unwrap();
    stage.clock.fetch_add(601_000_000, Ordering::Relaxed);
    assert_eq!(code(review.bulk_commit(&ann, &commit(&late.token))), "preview-expired");

    let moved = yes(review, &sue, &done.proposal.proposal_id);
    assert_eq!((moved.state, moved.count), (ProposalState::Applied, 2));
    let accepted = "SELECT count(*) FROM recon.attributions WHERE is_locked = true";
    assert_eq!(column(&*store, accepted), ["2"]);
    let rows = "SELECT stage || ' ' || count(*) FROM recon.audit_trail WHERE proposal_id = ";
    let rows = format!("{rows}'{}' GROUP BY stage ORDER BY stage", done.proposal.proposal_id);
    assert_eq!(column(&*store, &rows), ["CHECKER 2", "MAKER 2"]);
    assert_eq!(transact::read(&*store, |tx| chain::replay(tx)).unwrap(), [""; 0]);
}

fn a_repeated_request_gets_the_first_answer(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock(&*store, "fx", &[of(5), of(6)]);
    let with_key = |key: &str, body: &str| Actor {
        idempotency: Some(Idempotency {
            key: key.to_owned(),
            route: "POST /workflow/resolve".to_owned(),
            body_hash: body.to_owned(),
        }),
        ..stage.actor("ann")
    };
    let ask = approve(&item_id(run, 1));
    let first = review.resolve(&with_key("k", "b"), &ask).unwrap();
    assert!(!first.replayed);
    for _ in 0..3 {
        let again = review.resolve(&with_key("k", "b"), &ask).unwrap();
        assert!(again.replayed);
        assert_eq!(again.value, first.value);
    }
    assert_eq!(code(review.resolve(&with_key("k", "c"), &ask)), "idempotency-key-reused");
    assert_eq!(code(review.resolve(&with_key("", "b"), &ask)), "invalid-idempotency-key");
    // Concurrently, one wins and the others get its response.
    let ask = approve(&item_id(run, 2));
    let answers: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| review.resolve(&with_key("m", "b"), &ask).unwrap()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
    assert!(answers.iter().all(|answer| answer.value == answers[0].value));
    let made = "SELECT count(*) FROM recon.audit_trail WHERE stage = 'MAKER'";
    assert_eq!(column(&*store, made), ["2"]);
    // After a day the key is forgotten.
    stage.clock.fetch_add(90_000_000_000, Ordering::Relaxed);
    let later = review.resolve(&with_key("k", "c"), &approve(&item_id(run, 1)));
    assert_eq!(code(later), "idempotency-key-reused");
    review.undo(&stage.actor("ann")).unwrap();
    review.resolve(&with_key("n", "b"), &approve(&item_id(run, 2))).unwrap();
    assert_eq!(column(&*store, "SELECT count(*) FROM recon.idempotency"), ["1"]);
}

fn people_talk_and_share_the_work(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock(&*store, "fx", &[of(5), of(6), SETTLED]);
    let [ann, sue, adm, aud] = ["ann", "sue", "adm", "aud"].map(|name| stage.actor(name));
    let id = item_id(run, 1);
    let said = review.comment(&adm, &id, "  see the ticket ").unwrap().value;
    assert_eq!(said.text, "see the ticket");
    assert_eq!(code(review.comment(&aud, &id, "x")), "missing-permission");
    for nothing in ["", " \u{200b} ", &"x".repeat(2_001)] {
        assert_eq!(code(review.comment(&ann, &id, nothing)), "invalid-comment");
    }
    assert_eq!(
        review.assign(&sue, &id, Some("ann")).unwrap().value.assignee.as_deref(),
        Some("ann")
    );
    assert_eq!(code(review.assign(&sue, &id, Some("nobody"))), "unknown-person");
    assert_eq!(code(review.assign(&aud, &id, Some("ann"))), "missing-permission");
    let claimed = review.claim(&sue, &id).unwrap().value;
    assert_eq!(claimed.claimed_by, "sue");
    let seen = review.item(&ann, &id).unwrap();
    assert_eq!((seen.comments.len(), seen.comments[0].by.as_str()), (1, "adm"));
    assert_eq!(seen.item.assignee.as_deref(), Some("ann"));
    assert_eq!(seen.item.claimed_by.as_deref(), Some("sue"));
    // The version does not change, so open pages stay valid; and a claim is not a lock.
    assert_eq!(seen.item.version, 1);
    let mine = QueueFilter { assignee: Some("me".to_owned()), ..QueueFilter::default() };
    assert_eq!(review.queue(&ann, &mine, &PageAsk::default()).unwrap().items.len(), 1);
    let resolved = review.resolve(&ann, &approve(&id)).unwrap().value;
    let summary = review.summary(&ann).unwrap();
    let status = |name: &str| summary.by_status[name];
    assert_eq!((status("UNKNOWN"), status("PENDING"), status("ACCEPTED")), (1, 1, 1));
    assert_eq!((summary.mine, summary.to_check, summary.assigned_to_me), (1, 0, 0));
    assert_eq!(review.summary(&sue).unwrap().to_check, 1);
    assert_eq!(review.summary(&ann).unwrap(), summary, "nothing happened in between");
    yes(review, &sue, resolved.proposal_id.as_deref().unwrap());
    assert_ne!(review.summary(&ann).unwrap().data_version, summary.data_version);
    stage.clock.fetch_add(301_000_000, Ordering::Relaxed);
    assert_eq!(review.item(&ann, &id).unwrap().item.claimed_by, None);
    review.assign(&ann, &item_id(run, 2), Some("me")).unwrap();
    assert_eq!(review.summary(&ann).unwrap().assigned_to_me, 1);
    review.assign(&ann, &item_id(run, 2), None).unwrap();
    assert_eq!(review.summary(&ann).unwrap().assigned_to_me, 0);
    // Everything overdue is marked.
    stage.clock.fetch_add(400 * 3_600_000_000, Ordering::Relaxed);
    assert_eq!(review.summary(&ann).unwrap().overdue, 1);
}

fn the_trail_is_searched_and_exported(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock(&*store, "fx", &[of(5), of(6), of(7)]);
    let [ann, sue, aud] = ["ann", "sue", "aud"].map(|name| stage.actor(name));
    let mut last = None;
    for record in 1..=3 {
        let mut ask = override_(&item_id(run, record), "TIMING");
        ask.comments = Some(format!("100%_{record} of it"));
        let resolved = review.resolve(&ann, &ask).unwrap().value;
        yes(review, &sue, resolved.proposal_id.as_deref().unwrap());
        last = resolved.proposal_id;
    }
    let found = |actor: &Actor, filter: &AuditFilter| {
        let mut ask = PageAsk { limit: Some(2), ..PageAsk::default() };
        let mut seqs = Vec::new();
        loop {
            let page = review.audit_search(actor, filter, &ask).unwrap();
            seqs.extend(page.items.iter().map(|row| row.row.seq));
            match page.next {
                Some(next) => ask.cursor = Some(next),
                None => return seqs,
            }
        }
    };
    let any = AuditFilter::default();
    assert_eq!(found(&aud, &any), [7, 6, 5, 4, 3, 2, 1]);
    // Makers see their own rows.
    assert_eq!(found(&ann, &any), [6, 4, 2]);
    let filters = [
        (AuditFilter { actor: Some("sue".to_owned()), ..any.clone() }, vec![7, 5, 3]),
        (AuditFilter { action: Some("OVERRIDE".to_owned()), ..any.clone() }, vec![6, 4, 2]),
        (AuditFilter { stage: Some("SYSTEM".to_owned()), ..any.clone() }, vec![1]),
        (AuditFilter { entity: Some(item_id(run, 2)), ..any.clone() }, vec![5, 4]),
        (AuditFilter { entity: last.clone(), ..any.clone() }, vec![7, 6]),
        (AuditFilter { q: Some("100%_2".to_owned()), ..any.clone() }, vec![4]),
        (AuditFilter { q: Some("%".to_owned()), ..any.clone() }, vec![6, 4, 2]),
        (AuditFilter { q: Some("' OR 1=1 --".to_owned()), ..any.clone() }, vec![]),
        (AuditFilter { from: Some("2026-01-16".to_owned()), ..any.clone() }, vec![]),
        (AuditFilter { to: Some("2026-01-15".to_owned()), ..any.clone() }, vec![]),
        (AuditFilter { from_seq: Some(3), to_seq: Some(4), ..any.clone() }, vec![4, 3]),
    ];
    for (filter, expected) in filters {
        assert_eq!(found(&aud, &filter), expected, "{filter:?}");
    }
    let wrong = AuditFilter { from: Some("yesterday".to_owned()), ..any.clone() };
    assert_eq!(code(review.audit_search(&aud, &wrong, &PageAsk::default())), "invalid-filter");

    // An export can be verified without recon.
    let mut exported = Vec::new();
    review
        .audit_export(&aud, &any, &mut |row| {
            exported.push(row.clone());
            Ok(())
        })
        .unwrap();
    let mut previous = audit::GENESIS;
    for row in &exported {
        let texts = row.texts();
        let fields: [Option<&[u8]>; 24] =
            std::array::from_fn(|at| texts[at].as_deref().map(str::as_bytes));
        previous = audit::hash(row.hash_version, &previous, &fields);
        let hex: String = previous.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(row.hash, hex, "row {}", row.seq);
    }
    let checkpoint = review.checkpoint(&aud).unwrap();
    assert_eq!((checkpoint.n, &checkpoint.head_hash), (7, &exported[6].hash));
    assert!(review.verify(&aud, Some(3), None).unwrap().ok);
    let nothing = &mut |_: &audit::AuditRow| Ok(());
    assert_eq!(code(review.audit_export(&ann, &any, nothing)), "missing-permission");
    // Values hidden from the user are not exported.
    let masked = ["amount".to_owned()].into();
    review.adopt_policy(&Policy { masked_fields: masked, ..Policy::default() }).unwrap();
    assert_eq!(code(review.audit_export(&aud, &any, nothing)), "masked-fields");
    let page = review.audit_search(&aud, &any, &PageAsk::default()).unwrap();
    assert!(page.items.iter().all(|row| {
        !row.row.new_value.as_ref().is_some_and(|value| value.get().contains("100.00"))
    }));
    let granted = Actor { grants: ["amount".to_owned()].into(), ..aud };
    assert!(review.audit_export(&granted, &any, nothing).is_ok());
}

fn auditors_get_their_reports(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock(&*store, "fx", &[of(5), of(6), of(7)]);
    let [ann, sue, aud] = ["ann", "sue", "aud"].map(|name| stage.actor(name));
    let overridden = review.resolve(&ann, &override_(&item_id(run, 1), "TIMING")).unwrap().value;
    let confirm = agree(&overridden, review, &sue);
    assert_eq!(code(review.approve(&ann, &confirm)), "self-approval");
    yes(review, &sue, &confirm.proposal_id);
    let agreed = review.resolve(&ann, &approve(&item_id(run, 2))).unwrap().value;
    yes(review, &sue, agreed.proposal_id.as_deref().unwrap());
    let alone = team(true);
    let solo = alone.review(&*store);
    solo.resolve(&alone.actor("bob"), &approve(&item_id(run, 3))).unwrap();

    let always = Period::default();
    assert_eq!(code(review.report_overrides(&ann, &always)), "missing-permission");
    let overrides = review.report_overrides(&aud, &always).unwrap();
    let told: Vec<_> = overrides
        .iter()
        .map(|row| (row.action.as_str(), row.maker.as_str(), row.control.as_str()))
        .collect();
    assert!(told.contains(&("OVERRIDE", "ann", "FOUR_EYE")), "{told:?}");
    assert!(told.contains(&("APPROVE", "bob", "NONE")), "{told:?}");
    assert_eq!(told.len(), 2);
    let row = overrides.iter().find(|row| row.action == "OVERRIDE").unwrap();
    assert_eq!(
        (row.predicted.as_deref(), row.reason_code.as_deref()),
        (Some("ROUNDING"), Some("TIMING"))
    );
    assert_eq!((row.approvers.as_slice(), row.items), (&["sue".to_owned()][..], 1));
    let before = Period { to: Some("2026-01-15".to_owned()), ..Period::default() };
    assert_eq!(review.report_overrides(&aud, &before).unwrap(), []);

    let access = review.report_access(&aud, &always).unwrap();
    let ann_did = access.iter().find(|row| row.person_id == "ann").unwrap();
    assert_eq!((ann_did.roles.as_str(), ann_did.actions["MAKER"]), ("analyst", 2));
    assert!(access.iter().any(|row| row.person_id == "SYSTEM" && row.actions["SYSTEM"] == 1));
    let findings = review.report_sod(&aud, &always).unwrap();
    let kinds: Vec<_> =
        findings.iter().map(|one| (one.kind.as_str(), one.person_id.as_str())).collect();
    assert_eq!(kinds, [("self-approval", "ann"), ("solo", "bob")]);
    assert_eq!(review.report_sod(&aud, &before).unwrap(), []);
}

fn a_new_reason_code_needs_six_eyes(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock(&*store, "fx", &[of(5), of(6), of(7), CLUELESS]);
    let [ann, sam, sue, max] = ["ann", "sam", "sue", "max"].map(|name| stage.actor(name));
    for record in [1, 2] {
        let asked = if record == 1 {
            approve(&item_id(run, 1))
        } else {
            override_(&item_id(run, 2), "TIMING")
        };
        let made = review.resolve(&ann, &asked).unwrap().value;
        yes(review, &sue, made.proposal_id.as_deref().unwrap());
    }
    let ask = ProposeReason {
        code: "FX_CUTOFF".to_owned(),
        description: "The rate was fixed at another hour".to_owned(),
        is_functional: true,
        closes: true,
        examples: vec![item_id(run, 3)],
        comments: Some("seen since January".to_owned()),
    };
    assert_eq!(code(review.propose_reason(&ann, &ask)), "missing-permission");
    for wrong in ["fx", "F", "FX-1", "1FX", "FX\u{c4}"] {
        let asked = ProposeReason { code: wrong.to_owned(), ..ask.clone() };
        assert_eq!(code(review.propose_reason(&sam, &asked)), "invalid-code", "{wrong}");
    }
    let known = ProposeReason { code: "TIMING".to_owned(), ..ask.clone() };
    assert_eq!(code(review.propose_reason(&sam, &known)), "exists");
    let made = review.propose_reason(&sam, &ask).unwrap().value;
    assert_eq!(made.proposal.eyes_required.code(), 6);
    assert_eq!(made.simulation.would_match, 1);
    assert_eq!(made.simulation.est_precision, Some(0.5));
    let overlaps: Vec<_> =
        made.simulation.overlaps.iter().map(|one| (one.value.as_str(), one.count)).collect();
    assert_eq!(overlaps, [("ROUNDING", 1), ("TIMING", 1)]);
    assert_eq!(code(review.propose_reason(&stage.actor("max"), &ask)), "exists");
    // It can't be used until two others agree.
    let id = item_id(run, 4);
    assert_eq!(code(review.resolve(&ann, &override_(&id, "FX_CUTOFF"))), "invalid-reason-code");
    let proposal_id = made.proposal.proposal_id;
    assert_eq!(yes(review, &sue, &proposal_id).state, ProposalState::Checked);
    assert_eq!(yes(review, &max, &proposal_id).state, ProposalState::Applied);
    review.resolve(&ann, &override_(&id, "FX_CUTOFF")).unwrap();
    let entry = review.reasons(&ann, Some(true), Some("cutoff")).unwrap();
    assert_eq!((entry.len(), entry[0].origin.as_str()), (1, "people"));
    assert!(entry[0].closes, "as it was proposed");
    // The file does not revert what users approved.
    stock(&*store, "other", &[of(5)]);
    assert_eq!(review.reasons(&ann, Some(true), Some("cutoff")).unwrap().len(), 1);
    let created = "SELECT entity_id FROM recon.audit_trail WHERE action_type = 'CREATE_REASON'";
    assert_eq!(column(&*store, created), ["FX_CUTOFF"]);
}

fn strict() -> Policy {
    let threshold = Amount(recon::domain::Decimal::parse(b"1000").unwrap());
    Policy {
        currency_field: Some("currency".to_owned()),
        thresholds: [("USD".to_owned(), threshold)].into(),
        anti_splitting: true,
        ..Policy::default()
    }
}

fn split_decisions_count_together(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    review.adopt_policy(&strict()).unwrap();
    // Fifteen times 100 instead of once 1,500.
    let given = vec![of(10_000); 30];
    let run = stock(&*store, "fx", &given);
    let (ann, bob) = (stage.actor("ann"), stage.actor("bob"));
    let mut six_from = None;
    for record in 1..=15u64 {
        let made = review.resolve(&ann, &approve(&item_id(run, record))).unwrap().value;
        if made.eyes_required.code() == 6 {
            assert_eq!(made.triggers[0].trigger, Trigger::Splitting);
            six_from.get_or_insert(record);
        }
    }
    assert_eq!(six_from, Some(10));
    // Other users' decisions count separately, and the window is one day.
    let other = review.resolve(&bob, &approve(&item_id(run, 20))).unwrap().value;
    assert_eq!(other.eyes_required.code(), 4);
    stage.clock.fetch_add(86_401_000_000, Ordering::Relaxed);
    let next = review.resolve(&ann, &approve(&item_id(run, 21))).unwrap().value;
    assert_eq!(next.eyes_required.code(), 4);
    // In one bulk the sum counts.
    let ids = (22..=30).chain(16..=19).map(|record| item_id(run, record)).collect();
    let bulk = BulkPreviewAsk { ids, action: Some(Action::Approve), ..BulkPreviewAsk::default() };
    let preview = review.bulk_preview(&bob, &bulk).unwrap();
    assert_eq!((preview.count, preview.eyes.code()), (13, 6));
    assert!(preview.triggers.iter().any(|fired| fired.trigger == Trigger::Bulk));
}

fn a_policy_change_takes_no_eyes_away(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let [ann, sue, max, mia] = ["ann", "sue", "max", "mia"].map(|name| stage.actor(name));
    let strict = Policy { anti_splitting: false, ..strict() };
    assert_eq!(review.adopt_policy(&strict).unwrap(), PolicyAdopted::InForce(1));
    let run = stock(&*store, "fx", &[of(200_000), of(5)]);
    let large = review.resolve(&ann, &approve(&item_id(run, 1))).unwrap().value;
    let small = review.resolve(&ann, &approve(&item_id(run, 2))).unwrap().value;
    assert_eq!((large.eyes_required.code(), small.eyes_required.code()), (6, 4));
    // The new policy needs six eyes itself, and open proposals keep theirs.
    let PolicyAdopted::Proposed(proposal_id) = review.adopt_policy(&Policy::default()).unwrap()
    else {
        panic!("a policy came into force without anybody");
    };
    assert_eq!(yes(review, &sue, &proposal_id).state, ProposalState::Checked);
    assert_eq!(yes(review, &max, &proposal_id).state, ProposalState::Applied);
    assert_eq!(review.policy(&ann).unwrap(), (2, Policy::default()));
    let large_id = large.proposal_id.unwrap();
    assert_eq!(yes(review, &sue, &large_id).state, ProposalState::Checked);
    assert_eq!(yes(review, &mia, &large_id).state, ProposalState::Applied);
    // A stricter policy raises the requirement, at the latest on approval.
    let stricter = Policy {
        regulatory: recon::domain::review::policy::Regulatory {
            fields: ["amount".to_owned()].into(),
            ..Default::default()
        },
        ..Policy::default()
    };
    assert!(matches!(review.adopt_policy(&stricter).unwrap(), PolicyAdopted::Proposed(_)));
    // Another change of the file withdraws the earlier proposal.
    let loose = Policy { two_eye_low_risk: true, ..Policy::default() };
    let PolicyAdopted::Proposed(other) = review.adopt_policy(&loose).unwrap() else {
        panic!("a policy came into force without anybody");
    };
    let open = || {
        column(
            &*store,
            "SELECT proposal_id FROM recon.proposals \
                                   WHERE kind = 'POLICY' AND closed_at IS NULL",
        )
    };
    assert_eq!(open(), [other]);
    assert_eq!(review.adopt_policy(&Policy::default()).unwrap(), PolicyAdopted::InForce(2));
    assert_eq!(open(), [""; 0]);
    let PolicyAdopted::Proposed(proposal_id) = review.adopt_policy(&stricter).unwrap() else {
        panic!("a policy came into force without anybody");
    };
    yes(review, &sue, &proposal_id);
    yes(review, &max, &proposal_id);
    let small_id = small.proposal_id.unwrap();
    assert_eq!(yes(review, &sue, &small_id).state, ProposalState::Checked);
    let versions = "SELECT CAST(policy_version AS text) FROM recon.policies ORDER BY 1";
    assert_eq!(column(&*store, versions), ["1", "2", "3"]);
}

/// The reason must be active when proposed and when applied.
fn an_inactive_reason_is_not_applied(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock(&*store, "fx", &[of(5), of(6), of(7)]);
    let [ann, sue] = ["ann", "sue"].map(|name| stage.actor(name));
    let chosen = review.resolve(&ann, &override_(&item_id(run, 1), "TIMING")).unwrap().value;
    let agreed = review.resolve(&ann, &approve(&item_id(run, 2))).unwrap().value;
    place.execute("UPDATE reason_codes SET is_active = false WHERE code IN ('TIMING', 'ROUNDING')");
    for made in [&chosen, &agreed] {
        assert_eq!(code(review.approve(&sue, &agree(made, review, &sue))), "reason-inactive");
    }
    assert_eq!(code(review.resolve(&ann, &approve(&item_id(run, 3)))), "reason-inactive");
    assert_eq!(
        code(review.resolve(&ann, &override_(&item_id(run, 3), "TIMING"))),
        "invalid-reason-code"
    );
    // A proposal that can no longer be applied returns to its maker.
    assert_eq!(review.tidy().unwrap(), 1);
    let item = review.item(&ann, &item_id(run, 1)).unwrap().item;
    assert_eq!((item.status.as_str(), item.is_locked), ("UNKNOWN", false));
    assert!(item.sent_back.is_some());
    let stale = "SELECT count(*) FROM recon.audit_trail WHERE action_type = 'STALE'";
    assert_eq!(column(&*store, stale), ["1"]);
    // After two months undecided proposals have expired, each once.
    stage.clock.fetch_add(60 * 86_400_000_000, Ordering::Relaxed);
    assert_eq!(review.tidy().unwrap(), 1);
    assert_eq!(review.tidy().unwrap(), 0);
    assert_eq!(transact::read(&*store, |tx| chain::replay(tx)).unwrap(), [""; 0]);
}

fn decisions_outlive_their_run(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let [ann, sue] = ["ann", "sue"].map(|name| stage.actor(name));
    let left_alone = stock(&*store, "quiet", &[of(5), SETTLED]);
    store.sample_for_audit(left_alone, "basis", &[2 << 10 | 3]).unwrap();
    let run = stock(&*store, "fx", &[of(5), of(6), of(7), SETTLED, SETTLED, of(8)]);
    store.sample_for_audit(run, "basis", &[4 << 10 | 3, 5 << 10 | 3]).unwrap();
    let id = |record| item_id(run, record);
    let decided = review.resolve(&ann, &approve(&id(1))).unwrap().value;
    yes(review, &sue, decided.proposal_id.as_deref().unwrap());
    review.comment(&ann, &id(2), "what is this?").unwrap();
    review.claim(&ann, &id(3)).unwrap();
    review.sample(&ann, &id(4), Some("ROUNDING"), Some("a cent, it seems")).unwrap();
    let before = recon::domain::Instant::new(1_768_600_000, 0);
    let kept: Vec<u64> =
        store.prune(&all_before(before, false)).unwrap().runs.iter().map(|run| run.kept).collect();
    assert_eq!(kept, [0, 3]);
    assert!(store.run(left_alone).unwrap().is_none());
    let there = "SELECT difference_number / 1024 FROM recon.attributions ORDER BY 1";
    assert_eq!(column(&*store, there), ["1", "2", "4"]);
    // Samples that were answered are kept; that is their purpose.
    let samples = "SELECT number / 1024 FROM recon.audit_samples ORDER BY 1";
    assert_eq!(column(&*store, samples), ["4"]);
    assert_eq!(column(&*store, "SELECT count(*) FROM recon.claims"), ["0"]);
    let counted = review.summary(&ann).unwrap();
    assert_eq!((counted.by_status["UNKNOWN"], counted.by_status["ACCEPTED"]), (1, 2));
    assert_eq!(counted.samples, 0);
    assert_eq!(review.item(&ann, &id(2)).unwrap().comments.len(), 1);
    assert_eq!(review.item(&ann, &id(1)).unwrap().history.len(), 2);
    let verdict = transact::read(&*store, |tx| chain::verify(tx, None, None)).unwrap();
    assert!(verdict.ok, "{verdict:?}");
    assert_eq!(transact::read(&*store, |tx| chain::replay(tx)).unwrap(), [""; 0]);
    // The job's next run carries the rest.
    let next = stock(&*store, "fx", &[of(5), of(6)]);
    assert!(review.item(&ann, &item_id(next, 1)).unwrap().item.is_locked);
    assert!(!review.item(&ann, &item_id(next, 2)).unwrap().item.is_locked);
}
