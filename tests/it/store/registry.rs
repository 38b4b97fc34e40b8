//! The registry: models, champions, evidence and blind checks.

use recon::diagnostic::Code;
use recon::domain::Instant;
use recon::store::{Evidence, NewModel, Promotion, Store};
use serde_json::json;

use super::fixture::{new_run, rows, run_in_one_pass};
use super::{Place, on_both_stores};

on_both_stores![
    a_model_is_stored_unchanged,
    a_job_has_one_champion_and_every_change_is_kept,
    the_newest_evidence_of_a_job_counts,
    blind_checks_are_counted_by_their_basis,
];

fn at(seconds: i64) -> Instant {
    Instant::new(1_768_464_000 + seconds, 0)
}

fn add(store: &dyn Store, job: &str, bytes: &[u8]) -> u64 {
    let run = new_run(job, 0, true).id;
    store
        .add_model(&NewModel {
            job: job.to_owned(),
            created: at(0),
            created_by: "cli:ann".to_owned(),
            training_hash: "ab".repeat(32),
            trained_on: vec![run],
            features: json!(["delta", "days"]),
            parameters: json!({ "trees": 80 }),
            metrics: json!({ "accuracy": 0.9 }),
            sha256: "cd".repeat(32),
            bytes: bytes.to_vec(),
        })
        .unwrap()
}

fn promote(store: &dyn Store, version: u64, rollback: bool, seconds: i64) {
    let promotion = Promotion {
        version,
        replaced: None,
        rollback,
        at: at(seconds),
        by: "cli:bob".to_owned(),
        why: "better".to_owned(),
    };
    store.promote(&promotion).unwrap();
}

fn a_model_is_stored_unchanged(place: &Place) {
    let store = place.open();
    let bytes: Vec<u8> = (0..=255).collect();
    let version = add(&*store, "job", &bytes);
    let model = store.model(version).unwrap().unwrap();
    assert_eq!(store.model_bytes(version).unwrap(), Some(bytes));
    assert_eq!((model.job.as_str(), model.size, model.champion), ("job", 256, false));
    assert_eq!((model.created, model.created_by.as_str()), (at(0), "cli:ann"));
    assert_eq!(model.trained_on.len(), 1);
    assert_eq!(model.features, json!(["delta", "days"]));
    assert_eq!(model.metrics, json!({ "accuracy": 0.9 }));
    let other = add(&*store, "other", b"x");
    assert!(other > version);
    let versions = |job| -> Vec<u64> {
        store.models(job).unwrap().iter().map(|model| model.version).collect()
    };
    assert_eq!((versions(None), versions(Some("job"))), (vec![other, version], vec![version]));
    assert_eq!(store.model(other + 7).unwrap(), None);
    assert_eq!(store.model_bytes(other + 7).unwrap(), None);
}

fn a_job_has_one_champion_and_every_change_is_kept(place: &Place) {
    let store = place.open();
    let (first, second) = (add(&*store, "job", b"1"), add(&*store, "job", b"2"));
    let other = add(&*store, "other", b"3");
    assert_eq!(store.champion("job").unwrap(), None);
    promote(&*store, first, false, 1);
    promote(&*store, other, false, 2);
    promote(&*store, second, false, 3);
    promote(&*store, first, true, 4);
    let champion = store.champion("job").unwrap().unwrap();
    assert_eq!((champion.version, champion.promoted), (first, Some((at(4), "cli:bob".to_owned()))));
    assert_eq!(store.champion("other").unwrap().unwrap().version, other);
    let changes: Vec<_> = store
        .promotions("job")
        .unwrap()
        .iter()
        .map(|change| (change.version, change.replaced, change.rollback))
        .collect();
    assert_eq!(
        changes,
        [(first, Some(second), true), (second, Some(first), false), (first, None, false)]
    );
    let nobody = Promotion { version: 99, ..store.promotions("job").unwrap()[0].clone() };
    assert_eq!(store.promote(&nobody).unwrap_err().code, Code::NoSuchModel);
    assert_eq!(store.champion("job").unwrap().unwrap().version, first);
    // The tables forbid two champions of a job.
    let truth = if store.url().starts_with("sqlite") { "1" } else { "true" };
    let schema = if store.url().starts_with("sqlite") { "" } else { "recon." };
    let both = format!("UPDATE {schema}models SET is_champion = {truth}");
    assert!(place.try_execute(&both).is_err());
}

fn the_newest_evidence_of_a_job_counts(place: &Place) {
    let store = place.open();
    assert_eq!(store.evidence("job").unwrap(), None);
    for seconds in [1, 2] {
        let evidence = Evidence {
            measured: at(seconds),
            basis: format!("rules:{seconds}"),
            evidence: json!([{ "group": "FX", "confidence": 0.9, "decided": 7, "wrong": 0 }]),
        };
        store.add_evidence("job", &evidence).unwrap();
        assert_eq!(store.evidence("job").unwrap(), Some(evidence));
    }
    assert_eq!(store.evidence("other").unwrap(), None);
}

fn blind_checks_are_counted_by_their_basis(place: &Place) {
    let store = place.open();
    let run = new_run("job", 0, true);
    run_in_one_pass(&*store, &run);
    store.sample_for_audit(run.id, "basis", &[1, 2, 3]).unwrap();
    assert_eq!(store.audit_outcomes("job", "basis").unwrap(), (0, 0));
    let schema = if store.url().starts_with("sqlite") { "" } else { "recon." };
    place.execute(&format!(
        "UPDATE {schema}audit_samples SET outcome = CASE number WHEN 1 THEN 'AGREED' \
         ELSE 'DISAGREED' END, checked_by = 'ann', checked_at = '2026-01-15T00:00:00Z' \
         WHERE number < 3"
    ));
    assert_eq!(store.audit_outcomes("job", "basis").unwrap(), (2, 1));
    assert_eq!(store.audit_outcomes("job", "another").unwrap(), (0, 0));
    assert_eq!(store.audit_outcomes("other", "basis").unwrap(), (0, 0));
    // Attributed again: checked samples stay, the rest is drawn anew.
    store.sample_for_audit(run.id, "new", &[2, 4]).unwrap();
    let left =
        rows(&*store, "SELECT number, basis, outcome FROM recon.audit_samples ORDER BY number");
    assert_eq!(
        json!(left),
        json!([[1, "basis", "AGREED"], [2, "basis", "DISAGREED"], [4, "new", null]])
    );
    let nobody = format!("UPDATE {schema}audit_samples SET outcome = 'AGREED' WHERE number = 4");
    assert!(place.try_execute(&nobody).is_err(), "an outcome has an author");
}
