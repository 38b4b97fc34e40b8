//! The audit trail: intact, or the damage is detected.

mod columns;
mod commands;
mod crash;
mod model;
mod page;
mod races;
mod roles;
mod tamper;

use recon::domain::RunId;
use recon::store::audit::{self, AuditRow, Checkpoint, Verdict};
use recon::store::chain::{self, Examination};
use recon::store::{Store, transact};

use crate::review::fixture::{GUESS, ReviewStage, agree, approve, back, item_id, override_, stock};

/// Makes decisions about the items of a new run, with these audit rows:
///
/// 1: the automatic results; 2, 3: item 1 is accepted; 4 to 6: item 2 with six eyes; 7, 8: item 3
/// is withdrawn; 9, 10: item 4 is sent back; 11: item 5 is pending; 12: a comment on item 6. Item 7
/// is untouched. Each run has its own job, so that nothing is carried.
pub fn decide(store: &dyn Store, stage: &ReviewStage) -> RunId {
    let review = stage.review(store);
    let [ann, bob, sue, max, mia] =
        ["ann", "bob", "sue", "max", "mia"].map(|name| stage.actor(name));
    let job = format!("job {}", rows(store).len());
    let run = stock(store, &job, &[GUESS; 7]);
    let id = |record| item_id(run, record);
    let resolved = review.resolve(&ann, &approve(&id(1))).unwrap().value;
    review.approve(&sue, &agree(&resolved, review, &sue)).unwrap();
    let resolved = review.resolve(&ann, &override_(&id(2), "TYPO")).unwrap().value;
    review.approve(&max, &agree(&resolved, review, &max)).unwrap();
    review.approve(&mia, &agree(&resolved, review, &mia)).unwrap();
    let resolved = review.resolve(&ann, &override_(&id(3), "TIMING")).unwrap().value;
    review.withdraw(&ann, &back(&resolved, "a mistake")).unwrap();
    let resolved = review.resolve(&bob, &approve(&id(4))).unwrap().value;
    review.send_back(&sue, &back(&resolved, "look again, please")).unwrap();
    review.resolve(&ann, &override_(&id(5), "TIMING")).unwrap();
    review.comment(&bob, &id(6), "é, \"quoted\",\nand a second line").unwrap();
    run
}

/// The rows of [`decide`].
pub const ROWS: i64 = 12;

pub fn examined(store: &dyn Store, checkpoints: &[Checkpoint], replay: bool) -> Verdict {
    transact::read(store, |tx| chain::examine(tx, Examination { checkpoints, replay })).unwrap()
}

pub fn checkpoint(store: &dyn Store) -> Checkpoint {
    let now = recon::domain::Instant::new(1_768_600_000, 0);
    transact::read(store, |tx| chain::checkpoint(tx, now)).unwrap()
}

pub fn rows(store: &dyn Store) -> Vec<AuditRow> {
    transact::read(store, |tx| {
        let sql = format!("SELECT {} FROM recon.audit_trail ORDER BY seq", audit::SELECT);
        tx.query(&sql, &[])?.iter().map(audit::row).collect()
    })
    .unwrap()
}

/// Rows about human actions.
pub fn rows_of_people(store: &dyn Store) -> u64 {
    rows(store).iter().filter(|row| row.stage != "SYSTEM").count() as u64
}

/// Asserts the invariants of a store with decisions.
pub fn assert_sound(store: &dyn Store) -> Verdict {
    use crate::store::fixture::{assert_kept_days, column};
    assert_kept_days(store);
    let verdict = examined(store, &[], true);
    assert!(verdict.ok, "{verdict:?}");
    let of = |sql: &str| column(store, sql);
    // PENDING means: in exactly one open proposal, and locked.
    let pending = of("SELECT attribution_id FROM recon.attributions WHERE status = 'PENDING' \
                      AND is_locked = true ORDER BY 1");
    let held = of("SELECT i.attribution_id FROM recon.proposal_items i \
                   JOIN recon.proposals p ON p.proposal_id = i.proposal_id \
                   WHERE i.open = true AND p.state IN ('OPEN', 'CHECKED') ORDER BY 1");
    assert_eq!(pending, held);
    let all = of("SELECT count(*) FROM recon.attributions WHERE status = 'PENDING'");
    assert_eq!(all, [pending.len().to_string()]);
    // Applied proposals have enough approvals by others, in this version.
    let missing = of("SELECT p.proposal_id FROM recon.proposals p WHERE p.state = 'APPLIED' \
         AND p.control NOT IN ('NONE', 'TWO_EYE') AND p.eyes / 2 - 1 <> (SELECT count(DISTINCT a.person_id) FROM recon.approvals a \
           WHERE a.proposal_id = p.proposal_id AND a.proposal_version = p.version \
             AND a.content_hash = p.content_hash AND a.decision = 'APPROVE' AND a.void = false \
             AND a.person_id NOT IN (SELECT c.person_id FROM recon.contributors c \
                                     WHERE c.proposal_id = p.proposal_id))");
    assert_eq!(missing, Vec::<String>::new());
    // The counts in lists add up.
    let counted = of("SELECT status || ' ' || sum(items) FROM recon.item_counts \
                      GROUP BY status HAVING sum(items) <> 0 ORDER BY 1");
    let there = of("SELECT status || ' ' || count(*) FROM recon.difference_rows \
                    GROUP BY status ORDER BY 1");
    assert_eq!(counted, there);
    verdict
}
