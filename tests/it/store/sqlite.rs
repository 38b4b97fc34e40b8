//! Cases specific to SQLite.

use std::path::PathBuf;

use recon::database::StoreUrl;
use recon::diagnostic::Code;
use recon::domain::{Cell, Cells, Confidence, Row, Status};
use recon::store::{AttributionRow, Batch, DecisionRow, Opening, RecordKind, RecordRow, open};

use super::Place;
use super::fixture::{codes, new_run, run_in_one_pass};
use crate::program::Stop;

fn path(place: &Place) -> PathBuf {
    match &place.url {
        StoreUrl::Sqlite(path) => path.clone(),
        StoreUrl::Postgres(_) => unreachable!(),
    }
}

/// The steps of a statement's plan, on a plain connection without our extensions.
fn plan(place: &Place, sql: &str) -> String {
    let connection = rusqlite::Connection::open(path(place)).unwrap();
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let steps = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
    steps.collect::<Result<Vec<_>, _>>().unwrap().join("\n")
}

#[test]
fn a_condition_on_the_run_reads_only_that_run() {
    let place = Place::sqlite();
    drop(place.open());
    for view in ["recon_records", "data_differences", "attributions", "rejected_rows"] {
        let plan = plan(&place, &format!("SELECT * FROM {view} WHERE run_id = 'x'"));
        assert!(plan.contains("SEARCH r USING INDEX"), "{view}: {plan}");
        let rows = plan.contains("SEARCH x USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)")
            || plan.contains("SEARCH d USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)");
        assert!(rows, "{view}: {plan}");
    }
}

#[test]
fn views_joined_by_their_ids_get_an_index() {
    let place = Place::sqlite();
    drop(place.open());
    let plan = plan(
        &place,
        "SELECT * FROM data_differences d JOIN recon_records r ON r.record_id = d.record_id \
         JOIN attributions a ON a.diff_id = d.diff_id WHERE d.run_id = 'x'",
    );
    assert_eq!(plan.matches("USING AUTOMATIC").count(), 2, "{plan}");
}

#[test]
fn a_plain_connection_reads_the_views() {
    let place = Place::sqlite();
    run_in_one_pass(&*place.open(), &new_run("job", 0, true));
    let connection = rusqlite::Connection::open(path(&place)).unwrap();
    let amounts: String = connection
        .query_row(
            "SELECT group_concat(normalized_data_b ->> 'amount', ' ') FROM recon_records",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(amounts, "1.00 1.000 1.01 0.01");
    let long: String = connection
        .query_row("SELECT normalized_data_a -> 'account' FROM recon_records", [], |row| row.get(0))
        .unwrap();
    assert_eq!(long, super::fixture::BIG.to_string());
}

#[test]
fn others_write_while_a_run_is_written() {
    let place = Place::sqlite();
    let (store, reviewer) = (place.open(), place.open());
    let run = new_run("job", 0, true);
    store.create_run(&run).unwrap();
    let mut writer = store.writer(run.id).unwrap();
    let stop = Stop::default();
    std::thread::scope(|scope| {
        let end = stop.at_end();
        let others = scope.spawn(|| {
            let mut written = 0;
            while stop.goes_on() {
                reviewer.sync_reason_codes("trades", &codes()).unwrap();
                written += 1;
            }
            written
        });
        for _ in 0..10 {
            writer.write_before_another(&many_records()).unwrap();
        }
        writer.write(&many_records()).unwrap();
        drop(end);
        assert!(others.join().unwrap() > 0);
    });
}

fn many_records() -> Batch {
    let mut batch = Batch::default();
    let row = Row::of([Cell::Text(&"x".repeat(100))]);
    for _ in 0..10_000 {
        batch.record(&RecordRow {
            kind: RecordKind::OnlyA,
            a: Some(Cells::new(&row.cells)),
            b: None,
            partner_rejected: false,
            place_a: None,
            place_b: None,
            matched: None,
        });
    }
    batch
}

#[test]
fn a_batch_that_fails_leaves_the_store_to_others() {
    let place = Place::sqlite();
    let (store, reviewer) = (place.open(), place.open());
    let run = new_run("job", 0, true);
    store.create_run(&run).unwrap();
    let mut writer = store.writer(run.id).unwrap();
    writer.write_before_another(&many_records()).unwrap();
    let mut bad = Batch::default();
    let attribution = AttributionRow {
        reason: bad.push("NEVER_HEARD_OF"),
        confidence: Confidence::new(1.0).unwrap(),
        status: Status::Accepted,
        assigned_by: bad.push("NONE"),
        explanation: None,
        signature: None,
    };
    bad.decisions.push(DecisionRow { number: 1 << 10, attribution });
    writer.write_before_another(&bad).unwrap_err();
    // The writer is still there, and holds no lock.
    reviewer.sync_reason_codes("trades", &codes()).unwrap();
}

#[test]
fn a_file_that_is_not_a_store_is_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let url = StoreUrl::parse("sqlite:x.db", folder.path()).unwrap();
    let file = folder.path().join("x.db");
    let text = "not a database, but long enough to look like a header of one. ".repeat(20);
    std::fs::write(&file, &text).unwrap();
    assert_eq!(open(&url, Opening::Create).err().unwrap().code, Code::StoreCorrupt);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    std::fs::remove_file(&file).unwrap();
    let foreign = rusqlite::Connection::open(&file).unwrap();
    foreign.execute_batch("CREATE TABLE theirs (x)").unwrap();
    let problem = open(&url, Opening::Create).err().unwrap();
    assert_eq!(problem.code, Code::NotAStore);
    assert_eq!(problem.place.unwrap().file, file);
}

#[test]
fn a_missing_folder_is_not_created() {
    let folder = tempfile::tempdir().unwrap();
    let url = StoreUrl::parse("sqlite:no/such/folder/x.db", folder.path()).unwrap();
    let problem = open(&url, Opening::Create).err().unwrap();
    assert_eq!(problem.code, Code::StoreMissing);
    assert!(!folder.path().join("no").exists());
}

#[test]
fn a_damaged_file_is_distinguished_from_a_missing_one() {
    let place = Place::sqlite();
    let run = new_run("job", 0, true);
    run_in_one_pass(&*place.open(), &run);
    let file = path(&place);
    let length = std::fs::metadata(&file).unwrap().len();
    let mut bytes = std::fs::read(&file).unwrap();
    // Everything after the first page, which has the header.
    bytes[8_192..].fill(0xa5);
    assert!(length > 8_192);
    std::fs::write(&file, bytes).unwrap();
    let problem = open(&place.url, Opening::Existing)
        .and_then(|store| store.gate_counts(run.id))
        .err()
        .unwrap();
    assert_eq!(problem.code, Code::StoreCorrupt);
    assert!(problem.help.is_some());
}
