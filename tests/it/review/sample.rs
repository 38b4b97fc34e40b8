//! Decisions without seeing the automatic reason: blind samples, and hidden suggestions.

use recon::domain::review::{Policy, ProposalState};
use recon::domain::{RunId, Status};
use recon::review::{BulkPreviewAsk, GroupBy, ItemKind, PageAsk, QueueFilter, RefusalKind, Reopen};
use recon::store::{Store, chain, transact};

use super::fixture::{
    CLUELESS, GUESS, SETTLED, agree, approve, back, code, item_id, override_, stock, team,
};
use crate::store::fixture::column;
use crate::store::{Place, on_both_stores};

on_both_stores! {
    agreeing_locks_and_disagreeing_proposes,
    blind_samples_are_a_list_of_their_own,
    a_hidden_suggestion_is_chosen_unseen,
}

fn draw(store: &dyn Store, run: RunId, records: &[u64]) {
    let numbers: Vec<u64> = records.iter().map(|record| record << 10 | 3).collect();
    store.sample_for_audit(run, "basis", &numbers).unwrap();
}

fn outcomes(store: &dyn Store) -> Vec<String> {
    column(
        store,
        "SELECT (number / 1024) || ' ' || coalesce(outcome, '-') || ' ' || \
         coalesce(checked_by, '-') FROM recon.audit_samples ORDER BY run_no, number",
    )
}

fn samples() -> QueueFilter {
    QueueFilter { kind: Some(ItemKind::AuditSample), ..QueueFilter::default() }
}

fn agreeing_locks_and_disagreeing_proposes(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock(&*store, "fx", &[SETTLED, SETTLED, SETTLED, GUESS]);
    draw(&*store, run, &[1, 2, 3]);
    let [ann, sue, max, mia] = ["ann", "sue", "max", "mia"].map(|name| stage.actor(name));
    let id = |record| item_id(run, record);
    let why = Some("it looks like that");

    // The automatic reason is hidden, and the question does not reveal it.
    let seen = review.item(&ann, &id(1)).unwrap();
    assert_eq!(seen.item.kind, ItemKind::AuditSample);
    assert!(seen.item.current_reason.is_none() && seen.item.predictions.is_empty());
    assert!(seen.item.assigned_by.is_none() && seen.item.signature.is_none());
    for chosen in [Some("ROUNDING"), Some("TIMING"), None] {
        assert_eq!(code(review.sample(&ann, &id(1), chosen, Some(" "))), "comment-required");
    }
    assert_eq!(code(review.sample(&ann, &id(1), Some("UNKNOWN"), why)), "invalid-reason-code");
    assert_eq!(code(review.sample(&ann, &id(1), Some("NOWHERE"), why)), "invalid-reason-code");
    assert_eq!(
        code(review.sample(&stage.actor("aud"), &id(1), Some("TIMING"), why)),
        "missing-permission"
    );
    assert_eq!(code(review.sample(&ann, &id(4), Some("TIMING"), why)), "not-a-sample");

    // Agreement locks the item.
    let agreed = review.sample(&ann, &id(1), Some("ROUNDING"), why).unwrap().value;
    assert!(agreed.agrees && agreed.proposal.is_none());
    let item = review.item(&ann, &id(1)).unwrap().item;
    assert_eq!((item.status.as_str(), item.is_locked, item.version), ("ACCEPTED", true, 2));
    assert_eq!(item.assigned_by.as_deref(), Some("RULE:near"));
    assert_eq!(code(review.sample(&ann, &id(1), Some("ROUNDING"), why)), "not-a-sample");

    // Disagreement proposes a new decision by others. An item that is sent back is a sample again.
    let told = review.sample(&ann, &id(2), Some("TIMING"), why).unwrap().value;
    assert!(!told.agrees);
    let proposal = told.proposal.unwrap();
    assert_eq!(proposal.state, ProposalState::Open);
    assert_eq!(code(review.sample(&sue, &id(2), Some("ROUNDING"), why)), "not-a-sample");
    let resolved = recon::review::Resolved {
        message: String::new(),
        attribution_id: id(2),
        status: String::new(),
        version: 0,
        proposal_id: Some(proposal.proposal_id.clone()),
        proposal_tag: Some(proposal.tag.clone()),
        eyes_required: proposal.eyes_required,
        eyes_done: proposal.eyes_done,
        triggers: Vec::new(),
    };
    review.send_back(&sue, &back(&resolved, "look again")).unwrap();
    assert_eq!(outcomes(&*store), ["1 AGREED ann", "2 - -", "3 - -"]);
    let told = review.sample(&ann, &id(2), None, why).unwrap().value;
    let proposal = told.proposal.unwrap();
    let resolved = recon::review::Resolved {
        proposal_id: Some(proposal.proposal_id),
        proposal_tag: Some(proposal.tag),
        ..resolved
    };
    let mut moved = review.approve(&max, &agree(&resolved, review, &max)).unwrap().value;
    if moved.state == ProposalState::Checked {
        moved = review.approve(&mia, &agree(&resolved, review, &mia)).unwrap().value;
    }
    assert_eq!(moved.status.as_deref(), Some("REJECTED"));
    assert_eq!(outcomes(&*store), ["1 AGREED ann", "2 DISAGREED ann", "3 - -"]);
    assert_eq!(store.audit_outcomes("fx", "basis").unwrap(), (2, 1));
    assert_eq!(review.summary(&ann).unwrap().samples, 1);

    // Reopening a hidden one would reveal something too.
    let reopen = Reopen {
        attribution_id: id(3),
        version: Some(1),
        action: Some(recon::domain::review::Action::Override),
        new_reason_code: Some("TIMING".to_owned()),
        comments: why.map(str::to_owned),
    };
    let resolved = review.reopen(&ann, &reopen).unwrap().value;
    let mut moved = review.approve(&max, &agree(&resolved, review, &max)).unwrap().value;
    if moved.state == ProposalState::Checked {
        moved = review.approve(&mia, &agree(&resolved, review, &mia)).unwrap().value;
    }
    assert_eq!(moved.state, ProposalState::Applied);
    assert_eq!(outcomes(&*store)[2], "3 DISAGREED ann");
    let trail = column(
        &*store,
        "SELECT action_type FROM recon.audit_trail WHERE action_type IN ('SAMPLE', 'REOPEN') \
         ORDER BY seq",
    );
    assert_eq!(trail, ["SAMPLE", "REOPEN", "SAMPLE", "REOPEN", "SAMPLE", "REOPEN"]);
    assert_eq!(transact::read(&*store, |tx| chain::replay(tx)).unwrap(), [""; 0]);

    // A new run carries the confirmation and does not ask again.
    let again = stock(&*store, "fx", &[SETTLED, SETTLED, SETTLED, GUESS]);
    let item = review.item(&ann, &item_id(again, 1)).unwrap().item;
    assert_eq!((item.status.as_str(), item.is_locked), ("ACCEPTED", true));
    assert_eq!(transact::read(&*store, |tx| chain::replay(tx)).unwrap(), [""; 0]);
}

fn blind_samples_are_a_list_of_their_own(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let run = stock(&*store, "fx", &[SETTLED; 30]);
    draw(&*store, run, &(1..=25).collect::<Vec<_>>());
    let ann = stage.actor("ann");
    let mut ask = PageAsk { limit: Some(10), count: true, ..PageAsk::default() };
    let mut found = Vec::new();
    loop {
        let page = review.queue(&ann, &samples(), &ask).unwrap();
        assert_eq!(page.total, Some(25));
        assert!(page.items.iter().all(|item| item.kind == ItemKind::AuditSample));
        found.extend(page.items.into_iter().map(|item| item.attribution_id));
        // Another user looks at one meanwhile.
        if found.len() == 10 {
            ask.count = false;
            review.sample(&ann, &item_id(run, 5), Some("ROUNDING"), Some("it is so")).unwrap();
        }
        match page.next {
            Some(next) => ask = PageAsk { cursor: Some(next), count: false, ..ask },
            None => break,
        }
        if found.len() > 10 {
            continue;
        }
        let rest = review.queue(&ann, &samples(), &ask).unwrap();
        found.extend(rest.items.into_iter().map(|item| item.attribution_id));
        match rest.next {
            Some(next) => ask.cursor = Some(next),
            None => break,
        }
        let last = review.queue(&ann, &samples(), &ask).unwrap();
        found.extend(last.items.into_iter().map(|item| item.attribution_id));
        assert!(last.next.is_none());
        break;
    }
    let expected: Vec<String> = (1..=25).map(|record| item_id(run, record)).collect();
    assert_eq!(found, expected);
    // Lists of undecided items omit them, and no filter depends on the automatic reason.
    assert!(
        review.queue(&ann, &QueueFilter::default(), &PageAsk::default()).unwrap().items.is_empty()
    );
    let telling = [
        QueueFilter { reason_code: Some("ROUNDING".to_owned()), ..samples() },
        QueueFilter { min_confidence: Some(0.5), ..samples() },
        QueueFilter { signature: Some("1".to_owned()), ..samples() },
        QueueFilter { status: Some("UNKNOWN".to_owned()), ..samples() },
        QueueFilter { q: Some("T1".to_owned()), ..samples() },
    ];
    for filter in telling {
        let refused = review.queue(&ann, &filter, &PageAsk::default()).unwrap_err();
        assert_eq!((refused.code.name(), refused.kind), ("invalid-filter", RefusalKind::Invalid));
    }
    let other = QueueFilter { job: Some("other".to_owned()), ..samples() };
    assert!(review.queue(&ann, &other, &PageAsk::default()).unwrap().items.is_empty());
    let groups = review.groups(&ann, &samples(), GroupBy::Signature, &PageAsk::default()).unwrap();
    assert!(groups.items.is_empty());
}

fn a_hidden_suggestion_is_chosen_unseen(place: &Place) {
    let store = place.open();
    let stage = team(false);
    let review = stage.review(&*store);
    let [ann, sue] = ["ann", "sue"].map(|name| stage.actor(name));
    review.adopt_policy(&Policy { blind_suggestions: 1.0, ..Policy::default() }).unwrap();
    let run = stock(&*store, "fx", &[GUESS, GUESS, CLUELESS, GUESS]);
    let id = |record| item_id(run, record);
    let item = review.item(&ann, &id(1)).unwrap().item;
    assert!(item.current_reason.is_none() && item.predictions.is_empty());
    assert_eq!(code(review.resolve(&ann, &approve(&id(1)))), "suggestion-hidden");

    // Choosing the automatic reason counts as agreement and needs no more eyes.
    let resolved = review.resolve(&ann, &override_(&id(1), "ROUNDING")).unwrap().value;
    assert_eq!(resolved.eyes_required.code(), 4);
    let seen = review.proposal(&sue, resolved.proposal_id.as_deref().unwrap(), &PageAsk::default());
    assert_eq!(seen.unwrap().proposal.action, Some(recon::domain::review::Action::Approve));
    review.approve(&sue, &agree(&resolved, review, &sue)).unwrap();
    let item = review.item(&ann, &id(1)).unwrap().item;
    assert_eq!(item.status, Status::Accepted.name());
    assert_eq!(item.current_reason.unwrap().code, "ROUNDING");

    // Another reason is an override, and the automatic one shows from then on.
    review.resolve(&ann, &override_(&id(2), "TIMING")).unwrap();
    assert_eq!(review.item(&ann, &id(2)).unwrap().item.current_reason.unwrap().code, "ROUNDING");
    assert_eq!(code(review.resolve(&ann, &override_(&id(3), "UNKNOWN"))), "invalid-reason-code");
    // The trail records how it was decided.
    let told = column(
        &*store,
        "SELECT action_type || ' ' || (new_value ->> 'blind') FROM recon.audit_trail \
         WHERE stage = 'MAKER' ORDER BY seq",
    );
    let yes = if place.is_sqlite() { "1" } else { "true" };
    assert_eq!(told, [format!("APPROVE {yes}"), format!("OVERRIDE {yes}")]);
    // Each is decided separately.
    let ask = BulkPreviewAsk {
        ids: vec![id(4)],
        action: Some(recon::domain::review::Action::Approve),
        ..BulkPreviewAsk::default()
    };
    let refused = review.bulk_preview(&ann, &ask);
    match refused {
        Ok(preview) => assert_eq!((preview.count, preview.excluded.len()), (0, 1)),
        Err(refusal) => assert_eq!(refusal.kind, RefusalKind::Invalid),
    }
}
