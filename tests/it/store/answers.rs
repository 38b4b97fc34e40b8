//! The store besides runs: its schema, its reason codes, and SQL.

use recon::diagnostic::{Class, Code, Problem};
use recon::domain::ReasonCode;
use recon::store::SqlValue::{Integer, Null, Real, Text};
use recon::store::{Opening, RowSink, SqlValue, open};

use super::fixture::{Table, column, new_run, query, run_in_one_pass, visible};
use super::{Place, on_both_stores};

on_both_stores![
    reason_codes_follow_the_file,
    only_reading_statements_are_answered,
    answers_keep_their_types,
    long_values_are_refused,
    an_existing_store_is_not_made,
    the_audit_trail_only_grows,
    a_new_store_is_migrated_once,
];

fn reason_codes_follow_the_file(place: &Place) {
    let store = place.open();
    let shown = || {
        column(
            &*store,
            "SELECT code || ' ' || description FROM recon.reason_codes \
             WHERE is_active ORDER BY code",
        )
    };
    let code = |code: &str, description: &str| ReasonCode {
        code: code.to_owned(),
        functional: true,
        description: description.to_owned(),
        closes: false,
    };
    let unknown = "UNKNOWN No cause could be determined with enough confidence";
    assert_eq!(shown(), [unknown]);
    store.sync_reason_codes("trades", &[code("FX", "one"), code("TIMING", "two")]).unwrap();
    assert_eq!(shown(), ["FX one", "TIMING two", unknown]);
    place.execute("UPDATE reason_codes SET origin = 'people' WHERE code = 'FX'");
    store.sync_reason_codes("trades", &[code("FX", "other"), code("TIMING", "three")]).unwrap();
    assert_eq!(shown(), ["FX one", "TIMING three", unknown]);
    // Another job's file neither deactivates nor activates them.
    store.sync_reason_codes("payments", &[code("FEE", "four")]).unwrap();
    assert_eq!(shown(), ["FEE four", "FX one", "TIMING three", unknown]);
    store.sync_reason_codes("payments", &[]).unwrap();
    assert_eq!(shown(), ["FX one", "TIMING three", unknown]);
    store.sync_reason_codes("trades", &[]).unwrap();
    assert_eq!(shown(), ["FX one", unknown]);
    store.sync_reason_codes("trades", &[code("TIMING", "back"), code("UNKNOWN", "mine")]).unwrap();
    assert_eq!(shown(), ["FX one", "TIMING back", "UNKNOWN mine"]);
}

fn only_reading_statements_are_answered(place: &Place) {
    let store = place.open();
    run_in_one_pass(&*store, &new_run("job", 0, true));
    let refused = |sql: &str| {
        let mut table = Table::default();
        match store.query(sql, &mut table) {
            Err(problem) => {
                assert_eq!(problem.class, Class::Usage, "{sql}: {problem}");
            }
            Ok(()) => panic!("{sql}: {table:?}"),
        }
    };
    for sql in [
        "",
        "-- nothing",
        "SELECT * FROM nowhere",
        "DELETE FROM recon.recon_runs",
        "UPDATE recon.recon_runs SET job = 'x'",
        "INSERT INTO recon.reason_codes (code, description, is_functional) VALUES ('x', 'x', true)",
        "DROP VIEW recon.recon_records",
        "CREATE TABLE x (y integer)",
        "CREATE TEMP TABLE x (y integer)",
        "SELECT 1; SELECT 2",
        "SELECT 1; DELETE FROM recon.recon_runs",
        "WITH x AS (SELECT 1) DELETE FROM recon.recon_runs",
        "EXPLAIN DELETE FROM recon.recon_runs; DELETE FROM recon.recon_runs",
        "PRAGMA recon.journal_mode = DELETE",
        "PRAGMA table_info(recon_runs)",
        "ATTACH 'x.db' AS x",
        "VACUUM",
        "BEGIN",
        "SET search_path = public",
        "COPY recon.recon_runs TO PROGRAM 'true'",
        "SELECT * FROM recon.recon_runs WHERE job = $1",
        "SELECT load_extension('x')",
    ] {
        refused(sql);
    }
    for sql in [
        "SELECT count(*) FROM recon.recon_runs",
        "  -- how many?\n/* really */ SELECT count(*) FROM recon.recon_runs ; ",
        "WITH x AS (SELECT 1 AS y) SELECT count(*) FROM x",
        "VALUES (1)",
        "SELECT 1 AS one -- the end",
    ] {
        assert_eq!(column(&*store, sql), ["1"], "{sql}");
    }
    assert!(!query(&*store, "EXPLAIN SELECT 1").rows.is_empty());
    assert_eq!(visible(&*store), ["7", "6", "6", "3"]);
}

fn answers_keep_their_types(place: &Place) {
    let store = place.open();
    let text = |text: &str| Text(text.to_owned());
    let table = query(
        &*store,
        "SELECT 1 AS one, NULL AS empty, 'ü' AS letter, 0.5e0 * 1 AS half, 1 AS one",
    );
    assert_eq!(table.columns, ["one", "empty", "letter", "half", "one"]);
    let half = if store.url().starts_with("postgres") {
        SqlValue::Json("0.5".to_owned())
    } else {
        Real(0.5)
    };
    assert_eq!(table.rows, [[Integer(1), Null, text("ü"), half, Integer(1)]]);
    run_in_one_pass(&*store, &new_run("job", 0, true));
    let run = query(&*store, "SELECT run_id, batch_date, start_time FROM recon.recon_runs");
    assert_eq!(run.rows[0][1..], [text("2026-01-15"), text("2026-01-15T00:00:00.250000Z")]);
    // A sink that stops ends the query.
    struct Enough;
    impl RowSink for Enough {
        fn columns(&mut self, _: &[String]) -> Result<(), Problem> {
            Ok(())
        }
        fn row(&mut self, _: &[SqlValue]) -> Result<(), Problem> {
            Err(Problem::interrupted())
        }
    }
    let problem = store.query("SELECT 1 UNION ALL SELECT 2", &mut Enough).unwrap_err();
    assert_eq!(problem.code, Code::Interrupted);
}

/// One row of any length, and long rows behind short ones.
fn long_values_are_refused(place: &Place) {
    let store = place.open();
    let long = |length: u64| {
        if place.is_sqlite() {
            format!("SELECT 'x' AS name, hex(zeroblob({length} / 2)) AS long")
        } else {
            format!("SELECT 'x' AS name, repeat('x', {length}) AS long")
        }
    };
    let table = query(&*store, &format!("{} -- the end", long(3_000_000)));
    assert_eq!(table.columns, ["name", "long"]);
    let mut sink = Table::default();
    let problem = store.query(&long(100_000_000), &mut sink).unwrap_err();
    assert_eq!(problem.class, Class::Usage, "{problem}");
    assert!(sink.rows.is_empty());
    if !place.is_sqlite() {
        let later = "SELECT CASE WHEN i < 500 THEN 'x' ELSE repeat('x', 5000000) END \
                     FROM generate_series(1, 1000) AS s(i) ORDER BY i;";
        let mut sink = Table::default();
        let problem = store.query(later, &mut sink).unwrap_err();
        assert_eq!(problem.code, Code::SqlTooLong, "{problem}");
        assert!(problem.to_string().contains("4 MiB"), "{problem}");
        // In the order that was asked for, as far as they were short.
        assert_eq!(sink.rows.len(), 499);
        // Types of their own stay, also where a cast would change them.
        let odd = "SELECT 'a '::char(3), true, NULL::json, ARRAY[1, 2], 1.50, 'x'::\"char\"";
        let table = query(&*store, odd);
        let text = |text: &str| Text(text.to_owned());
        assert_eq!(
            table.rows,
            [[
                text("a  "),
                SqlValue::Boolean(true),
                Null,
                text("{1,2}"),
                SqlValue::Json("1.50".to_owned()),
                text("x")
            ]]
        );
        let problem = store.query("SELECT 1; -- done", &mut Table::default()).unwrap_err();
        assert!(problem.to_string().contains("semicolon"), "{problem}");
    }
}

fn an_existing_store_is_not_made(place: &Place) {
    let problem = open(&place.url, Opening::Existing).err().unwrap();
    assert!(["store-missing", "store-outdated"].contains(&problem.code.name()), "{problem}");
    assert!(problem.help.is_some());
    drop(place.open());
    let store = open(&place.url, Opening::Existing).unwrap();
    // A newer recon has used it.
    place.execute(
        "INSERT INTO schema_migrations VALUES (99, 'tomorrow', 'x', '2030-01-01T00:00:00Z', '9')",
    );
    drop(store);
    for opening in [Opening::Create, Opening::Existing, Opening::Unmigrated] {
        let problem = open(&place.url, opening).err().unwrap();
        assert_eq!(problem.code, Code::StoreNewer);
        assert!(problem.message.contains("0099_tomorrow"), "{problem}");
    }
    place.execute("DELETE FROM schema_migrations WHERE version = 99");
    place.execute("UPDATE schema_migrations SET checksum = 'x' WHERE version = 2");
    let problem = open(&place.url, Opening::Create).err().unwrap();
    assert_eq!(problem.code, Code::StoreMigrationsDiffer);
}

fn the_audit_trail_only_grows(place: &Place) {
    drop(place.open());
    let insert = |how: &str, seq: u32| {
        let id = format!("00000000-0000-7000-8000-{seq:012}");
        place.try_execute(&format!(
            "{how} INTO audit_trail (seq, audit_id, entity_type, entity_id, actor_id, stage, \
             action_type, performed_at, prev_hash, hash, hash_version) VALUES ({seq}, '{id}', \
             'REASON', 'x', 'ann', 'MAKER', 'CREATE_REASON', '2026-01-15T00:00:00.000000Z', \
             '{}', '{seq}', 1)",
            seq - 1
        ))
    };
    insert("INSERT", 1).unwrap();
    insert("INSERT", 2).unwrap();
    // With the next number, but the same id, or after another row.
    let how = if place.is_sqlite() { "INSERT OR REPLACE" } else { "INSERT" };
    for (id, prev) in [(1, 2), (3, 1), (3, 0)] {
        let refused = place.try_execute(&format!(
            "{how} INTO audit_trail (seq, audit_id, entity_type, entity_id, actor_id, \
             stage, action_type, performed_at, prev_hash, hash, hash_version) VALUES (3, \
             '00000000-0000-7000-8000-{id:012}', 'REASON', 'x', 'ann', 'MAKER', 'CREATE_REASON', \
             '2026-01-15T00:00:00.000000Z', '{prev}', '9', 1)"
        ));
        assert!(refused.is_err(), "{id} {prev}");
    }
    for seq in [1, 2, 4] {
        assert!(insert("INSERT", seq).is_err(), "{seq}");
        assert!(insert("INSERT OR REPLACE", seq).is_err(), "{seq}");
    }
    for sql in [
        "UPDATE audit_trail SET comments = 'x'",
        "DELETE FROM audit_trail",
        "TRUNCATE audit_trail",
        "SET session_replication_role = replica; DELETE FROM audit_trail",
    ] {
        assert!(place.try_execute(sql).is_err(), "{sql}");
    }
    let store = place.open();
    assert_eq!(column(&*store, "SELECT count(*) FROM recon.audit_trail"), ["2"]);
}

fn a_new_store_is_migrated_once(place: &Place) {
    let store = open(&place.url, Opening::Unmigrated).unwrap();
    let names = store.migrate().unwrap();
    assert_eq!(names.first().map(String::as_str), Some("0001_runs"));
    assert_eq!(store.migrate().unwrap(), Vec::<String>::new());
    let versions = column(&*store, "SELECT name FROM recon.schema_migrations ORDER BY version");
    assert_eq!(versions.len(), names.len());
}
