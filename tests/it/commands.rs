//! Naming, explaining, listing, pruning and querying runs, on both stores if the store matters.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value as Json, json};

use crate::postgres::new_database;
use crate::program::{Project, Said, ended, output};
use crate::store::Place;

/// A project, and the arguments for its SQLite and PostgreSQL stores.
fn on_both(test: impl Fn(&Project, &str)) {
    let sqlite = Project::of(".");
    test(&sqlite, "sqlite:recon.db");
    let postgres = Project::of(".");
    test(&postgres, &new_database());
}

fn on(project: &Project, store: &str, arguments: &[&str]) -> Said {
    project.recon(&[arguments, &["--store", store]].concat())
}

fn json_on(project: &Project, store: &str, arguments: &[&str]) -> Json {
    project.json(&[arguments, &["--json", "--store", store]].concat())
}

#[test]
fn a_run_is_named_by_an_id_prefix_or_as_latest() {
    on_both(|project, store| {
        let run = |date| json_on(project, store, &["run", "--batch-date", date]);
        let (first, second) = (run("2026-01-15"), run("2026-01-16"));
        let id = first["run_id"].as_str().unwrap();
        let other = second["run_id"].as_str().unwrap();
        let shared = id.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
        for name in [id, &id[..=shared], &id.to_uppercase(), &id.replace('-', "")] {
            let shown = json_on(project, store, &["runs", "show", name]);
            assert_eq!(shown["run_id"], first["run_id"], "{name}");
        }
        let report = json_on(project, store, &["report", "--run", &id[..=shared]]);
        assert_eq!(report["run_id"], first["run_id"]);
        let latest = json_on(project, store, &["report", "--run", "latest"]);
        assert_eq!(latest["run_id"], second["run_id"]);
        let several = on(project, store, &["runs", "show", &id[..shared]]);
        assert_eq!(several.code, 2);
        assert!(several.err.contains(id) && several.err.contains(other), "{}", several.err);
        assert_eq!(on(project, store, &["runs", "show", "ffffffff"]).code, 2);
        assert_eq!(on(project, store, &["runs", "show", "newest"]).code, 2);
        // The prefix shown in the list identifies the run.
        let list = on(project, store, &["runs", "list"]).out;
        assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
        let shown = list.lines().last().unwrap().split(' ').next().unwrap();
        let found = json_on(project, store, &["runs", "show", shown]);
        assert_eq!(found["run_id"], first["run_id"], "{list}");
        let page = on(project, store, &["runs", "show", id]).out;
        assert!(page.contains("state") && page.contains("SHA-256"), "{page}");
        assert!(!page.contains('{'), "{page}");
    });
}

#[test]
fn a_record_is_found_by_the_key_as_either_side_writes_it() {
    const JOB: &str = "version: 1\njob: keys\nsources:\n  \
        a: { system: L, read: { csv: { path: a.csv } }, map: { name: name, no: no, amount: amount } }\n  \
        b: { system: R, read: { csv: { path: b.csv } }, map: { name: name, no: no, amount: amount } }\n\
        key: [name, no]\nfields:\n  name: { type: text }\n  no: { type: decimal }\n  amount: { type: decimal }\n";
    on_both(|project, store| {
        project.write("recon.yaml", JOB);
        project.write("a.csv", "no,name,amount\n1.0,x,5\n2,y,6\n");
        project.write("b.csv", "no,name,amount\n1.00,x,7\n2,y,6\n");
        json_on(project, store, &["run"]);
        let sides = "SELECT source_a_ref_id, source_b_ref_id, normalized_data_b ->> 'no' \
             FROM recon.recon_records ORDER BY record_number";
        let sides = on(project, store, &["sql", sides, "--format", "csv"]).out;
        assert!(sides.ends_with("x|1.0,x|1.00,1.00\ny|2,y|2,2\n"), "{sides}");
        // Side B is stored as what differs from side A, its key's second part among it.
        for reference in ["x|1.0", "x|1.00"] {
            let found = json_on(project, store, &["explain", reference]);
            assert_eq!(found["records"].as_array().unwrap().len(), 1, "{reference}");
        }
    });
}

#[test]
fn a_record_is_explained_with_the_configuration_of_its_run() {
    let project = Project::of(".");
    project.json(&["run", "--json"]);
    let difference = project.sql(
        "SELECT r.source_a_ref_id AS ref FROM recon.current_records r \
         JOIN recon.current_differences d ON d.record_id = r.record_id \
         WHERE d.field_name = 'amount' LIMIT 1",
    );
    let reference = difference[0]["ref"].as_str().unwrap().to_owned();
    let explain = || project.json(&["explain", &reference, "--json"]);
    let before = explain();
    assert_eq!(before["configuration_changed"], json!([]));
    let wide = "tolerance: { absolute: 1000000";
    project.replace("recon.yaml", "tolerance: { absolute: 0.005", wide);
    let after = explain();
    assert_eq!(after["records"], before["records"]);
    assert_eq!(
        after["configuration_changed"],
        json!([
            { "path": "fields.amount.tolerance.absolute", "then": "0.005", "now": "1000000" },
            { "path": "fields.accrued_interest.tolerance.absolute", "then": "0.005", "now": "1000000" },
        ])
    );
    let said = project.recon(&["explain", &reference]).out;
    assert!(said.contains("fields.amount.tolerance.absolute: 0.005 then, 1000000 now"), "{said}");
    // A broken configuration does not prevent reading.
    project.replace("recon.yaml", "tolerance:", "tolerence:");
    assert_eq!(explain()["records"], before["records"]);
}

#[test]
fn a_compared_run_is_not_compared_with_another_configuration() {
    let project = Project::of(".");
    for commands in [&["ingest"][..], &["diff"], &["attribute"]] {
        project.json(&[commands, &["--json"]].concat());
        project.replace("recon.yaml", "absolute: 0.005", "absolute: 0.006");
        let said = project.recon(&["diff"]);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{commands:?}");
        assert!(said.err.contains("configuration-changed"), "{}", said.err);
        project.replace("recon.yaml", "absolute: 0.006", "absolute: 0.005");
    }
    assert_eq!(project.recon(&["diff"]).code, 0);
}

#[test]
fn fail_on_is_refused_for_stages_that_cannot_count_it() {
    let project = Project::of(".");
    let code = |arguments: &[&str]| project.recon(arguments).code;
    assert_eq!(code(&["ingest", "--fail-on", "breaks"]), 2);
    assert_eq!(project.recon(&["runs", "list"]).code, 4, "a run was made all the same");
    assert_eq!(code(&["ingest", "--fail-on", "rejected"]), 1);
    assert_eq!(code(&["report", "--fail-on", "breaks"]), 2);
    assert_eq!(code(&["diff", "--fail-on", "unknown"]), 2);
    assert_eq!(code(&["diff", "--fail-on", "breaks"]), 1);
    assert_eq!(code(&["report", "--fail-on", "blocked"]), 2);
    assert_eq!(code(&["attribute", "--fail-on", "rule_errors"]), 0);
    let rules = std::fs::read_to_string(project.path("rules/attribution.rhai")).unwrap();
    let failing = "fn attribute_all(d) { d.nothing.there }\n";
    project.write("rules/attribution.rhai", format!("{failing}{rules}"));
    assert_eq!(code(&["run", "--fail-on", "rule_errors"]), 1);
    assert_eq!(code(&["report", "--fail-on", "rule_errors"]), 1);
}

#[test]
fn stage_times_do_not_exceed_the_total() {
    let project = Project::of(".");
    for command in ["run", "ingest", "diff", "attribute"] {
        let seconds = project.json(&[command, "--json"])["seconds"].clone();
        let part = |name: &str| seconds[name].as_f64().unwrap();
        let parts = part("read") + part("align") + part("compare") + part("store");
        assert!(parts <= part("total") + 1e-9, "{command}: {seconds}");
    }
}

#[test]
fn fixtures_have_the_types_of_the_configuration() {
    let project = Project::of(".");
    project.write(
        "rules/own.tests.yaml",
        "attribute:\n  - name: cents\n    difference: { field: amount, a: \"10.00\", b: \"10.00\" }\n    \
         reason: none\n  - name: days\n    difference: { field: trade_date, a: 2026-01-15, b: x }\n    \
         reason: none\n",
    );
    project.write(
        "rules/attribution.rhai",
        "fn attribute_amount(d) {\n    if d.field == \"amount\" && d.delta != 0.00 { reason(\"UNKNOWN\", 0.1) }\n    \
         if d.diff_type == \"STRING_MISMATCH\" { reason(\"UNKNOWN\", 0.2) }\n}\n",
    );
    let said = project.recon(&["test", "rules/own.tests.yaml"]);
    assert_eq!((said.code, said.out.as_str()), (0, "2 passed, 0 failed\n"), "{}", said.err);
}

#[test]
fn pruning_deletes_old_runs_and_keeps_current_ones() {
    on_both(|project, store| {
        let run = || json_on(project, store, &["run", "--batch-date", "2026-01-15"]);
        let (first, second) = (run(), run());
        project.write(
            "other.yaml",
            std::fs::read_to_string(project.path("recon.yaml"))
                .unwrap()
                .replace("job: fx_trades_eod", "job: another"),
        );
        for _ in 0..2 {
            let other = ["run", "-c", "other.yaml", "--batch-date", "2026-01-15"];
            json_on(project, store, &other);
        }
        let prune = |more: &[&str]| {
            let arguments = [&["runs", "prune", "--keep", "0d"][..], more].concat();
            json_on(project, store, &arguments)["pruned"].clone()
        };
        let dry = prune(&["--dry-run"]);
        assert_eq!(dry.as_array().unwrap().len(), 1, "{dry}");
        assert_eq!(dry[0]["run_id"], first["run_id"]);
        assert_eq!((&dry[0]["job"], &dry[0]["current"]), (&json!("fx_trades_eod"), &json!(false)));
        assert_eq!(prune(&[]), dry);
        let told = json_on(
            project,
            store,
            &[
                "sql",
                "SELECT actor_id, entity_id, previous_value, new_value FROM recon.audit_trail \
               WHERE action_type = 'PRUNE'",
            ],
        );
        assert_eq!(told.as_array().unwrap().len(), 1, "{told}");
        assert_eq!(told[0]["entity_id"], first["run_id"]);
        assert!(told[0]["actor_id"].as_str().unwrap().starts_with("cli:"), "{told}");
        assert!(told[0]["previous_value"].to_string().contains("fx_trades_eod"), "{told}");
        assert_eq!(on(project, store, &["audit", "verify", "--replay"]).code, 0);
        assert_eq!(prune(&["--all-jobs"]).as_array().unwrap().len(), 1);
        let shown = prune(&["--current", "--vacuum"]);
        assert_eq!(shown[0]["run_id"], second["run_id"]);
        assert_eq!(shown[0]["current"], true);
        let left = json_on(project, store, &["runs", "list"]);
        assert_eq!(left["runs"].as_array().unwrap().len(), 1, "{left}");
    });
}

#[test]
fn the_next_command_finishes_a_killed_prune() {
    let project = Project::of(".");
    let first = project.json(&["run", "--json"]);
    project.json(&["run", "--json"]);
    // The state of `prune` killed halfway through deleting.
    let store = rusqlite::Connection::open(project.path("recon.db")).unwrap();
    store
        .execute_batch(
            "UPDATE recon_runs SET trim_pending = 2, stage = NULL, status = 'FAILED', metadata = \
             json_set(metadata, '$.pruning', json('{\"actor_id\": \"cli:7:ann\"}')) \
             WHERE superseded_by IS NOT NULL; \
             DELETE FROM difference_rows WHERE id >> 40 = 1;",
        )
        .unwrap();
    drop(store);
    let runs = project.json(&["runs", "list", "--json"]);
    assert_eq!(runs["runs"].as_array().unwrap().len(), 1, "{runs}");
    let told = project
        .sql("SELECT actor_id, entity_id FROM recon.audit_trail WHERE action_type = 'PRUNE'");
    assert_eq!(told, json!([{ "actor_id": "cli:7:ann", "entity_id": first["run_id"] }]));
    let rows = project.sql("SELECT count(*) AS n FROM recon.record_rows WHERE id >> 40 = 1");
    assert_eq!(rows[0]["n"], 0);
}

/// Leaves the newest unfinished run as a command does whose process is killed.
fn interrupt(project: &Project, store: &str) {
    let sql = "UPDATE recon_runs SET status = 'RUNNING' WHERE run_no = \
               (SELECT max(run_no) FROM recon_runs WHERE stage <> 'ATTRIBUTED')";
    match store.strip_prefix("sqlite:") {
        Some(file) => {
            let connection = rusqlite::Connection::open(project.path(file)).unwrap();
            connection.execute_batch(sql).unwrap();
        }
        None => Place::at(store).execute(sql),
    }
}

#[test]
fn a_command_that_succeeds_ends_what_an_interrupted_one_left() {
    on_both(|project, store| {
        for (command, stage) in [("diff", "INGESTED"), ("attribute", "COMPARED")] {
            json_on(project, store, &["ingest", "--batch-date", "2026-01-15"]);
            if command == "attribute" {
                json_on(project, store, &["diff"]);
            }
            // As a command leaves it whose process was killed.
            interrupt(project, store);
            let listed = json_on(project, store, &["runs", "list"]);
            let run = &listed["runs"][0];
            assert_eq!((&run["status"], &run["stage"]), (&json!("FAILED"), &json!(stage)));
            let ended = json_on(project, store, &[command]);
            assert_eq!(ended["status"], "COMPLETED_WITH_ERRORS", "{command}");
            let shown =
                json_on(project, store, &["runs", "show", ended["run_id"].as_str().unwrap()]);
            assert_eq!(shown["status"], "COMPLETED_WITH_ERRORS", "{shown}");
            assert!(!shown.to_string().contains("without finishing"), "{shown}");
            let verified = json_on(project, store, &["audit", "verify", "--replay"]);
            assert_eq!(verified["ok"], true, "{verified}");
        }
    });
}

#[test]
fn views_of_current_runs_exclude_superseded_runs() {
    on_both(|project, store| {
        let run = || json_on(project, store, &["run", "--batch-date", "2026-01-15"]);
        run();
        let summary = run();
        let one = |statement: &str| {
            json_on(project, store, &["sql", statement])[0]["n"].as_u64().unwrap()
        };
        let total = summary["differences"]["total"].as_u64().unwrap();
        let gate = &summary["gate"];
        let records = gate["passed"].as_u64().unwrap() + gate["blocked"].as_u64().unwrap();
        assert_eq!(one("SELECT count(*) AS n FROM recon.current_runs"), 1);
        assert_eq!(one("SELECT count(*) AS n FROM recon.current_records"), records);
        assert_eq!(one("SELECT count(*) AS n FROM recon.current_differences"), total);
        assert_eq!(one("SELECT count(*) AS n FROM recon.current_attributions"), total);
        assert_eq!(one("SELECT count(*) AS n FROM recon.data_differences"), 2 * total);
        // Joined on ids alone.
        let joined = "SELECT count(*) AS n FROM recon.current_records r \
                      JOIN recon.current_differences d ON d.record_id = r.record_id \
                      JOIN recon.current_attributions a ON a.diff_id = d.diff_id \
                      JOIN recon.reason_codes c ON c.reason_id = a.reason_id";
        assert_eq!(one(joined), total);
        assert_eq!(one(&joined.replace("current_records", "recon_records")), total);
        let blocked =
            "SELECT count(*) AS n FROM recon.current_records WHERE gate_status = 'BLOCKED'";
        assert_eq!(one(blocked), gate["blocked"].as_u64().unwrap());
    });
}

#[test]
fn a_statement_comes_from_standard_input_and_tables_are_listed() {
    on_both(|project, store| {
        json_on(project, store, &["run"]);
        let mut child = project
            .command(&["sql", "--json", "--store", store])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(b"SELECT count(*) AS n\nFROM recon.current_runs\n")
            .unwrap();
        let output = ended(child);
        assert_eq!(serde_json::from_slice::<Json>(&output.stdout).unwrap(), json!([{ "n": 1 }]));
        let tables = json_on(project, store, &["sql", "--tables"]);
        let has = |table: &str, column: &str| {
            let all = tables.as_array().unwrap();
            all.iter().any(|one| one["table"] == table && one["column"] == column)
        };
        assert!(has("current_records", "gate_status") && has("logins", "login"), "{tables}");
        assert!(!has("logins", "password") && !has("tokens", "secret_hash"), "{tables}");
    });
}

#[test]
fn a_statement_sees_no_secrets_and_has_limits() {
    on_both(|project, store| {
        json_on(project, store, &["run"]);
        let refused = |code: &str, arguments: &[&str]| {
            let said = on(project, store, &[&["sql"], arguments].concat());
            assert_eq!(said.code, 2, "{arguments:?}: {}", said.out);
            assert!(said.err.contains(code), "{arguments:?}: {}", said.err);
        };
        for statement in [
            "SELECT password FROM recon.logins",
            "SELECT * FROM recon.logins",
            "SELECT count(*) FROM recon.tokens WHERE secret_hash IS NOT NULL",
            "SELECT login FROM recon.logins ORDER BY password",
            "WITH x AS (SELECT secret_hash AS y FROM recon.sessions) SELECT y FROM x",
            "SELECT subject FROM recon.login_attempts",
        ] {
            refused("sql-secret", &[statement]);
        }
        assert_eq!(
            on(project, store, &["sql", "SELECT login, person_id FROM recon.logins"]).code,
            0
        );
        refused("sql", &["SELECT"]);
        let many =
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
        refused("sql-too-many-rows", &[many, "--limit", "1000", "--format", "csv"]);
        let endless = format!("SELECT count(*) FROM ({many}) x");
        refused("sql-timeout", &[&endless, "--timeout", "1"]);
    });
}

/// Comparing each record with each difference takes minutes at 200,000 records, and an index of all of them
/// seconds.
#[test]
fn a_join_with_records_begins_with_the_records_or_is_done_by_hash() {
    let joined = "SELECT rr.source_a_ref_id, d.field_name, c.code FROM recon.recon_records rr \
         JOIN recon.data_differences d ON d.record_id = rr.record_id \
         JOIN recon.attributions a ON a.diff_id = d.diff_id \
         JOIN recon.reason_codes c ON c.reason_id = a.reason_id \
         WHERE a.status = 'UNKNOWN' LIMIT 50";
    on_both(|project, store| {
        json_on(project, store, &["run"]);
        let is_sqlite = store.starts_with("sqlite");
        let explain = if is_sqlite { "EXPLAIN QUERY PLAN" } else { "EXPLAIN" };
        let explained = format!("{explain} {joined}");
        let plan = on(project, store, &["sql", &explained, "--format", "csv"]).out;
        if is_sqlite {
            assert!(plan.contains("SCAN rr") && !plan.contains("SEARCH rr"), "{plan}");
        } else {
            let is_joined_well = plan.contains("Hash Cond") || plan.contains("Merge Cond");
            assert!(is_joined_well && !plan.contains("Join Filter"), "{plan}");
        }
        let said = on(project, store, &["sql", joined, "--format", "csv"]);
        assert_eq!(said.out.lines().count(), 51, "{}", said.err);
    });
}

#[test]
fn a_statement_on_postgres_cannot_call_functions_with_side_effects() {
    let project = Project::of(".");
    let store = new_database();
    json_on(&project, &store, &["run"]);
    for statement in [
        "SELECT pg_terminate_backend(pg_backend_pid())",
        "SELECT pg_catalog . \"pg_terminate_backend\" (1)",
        "SELECT * FROM pg_terminate_backend(1) t",
        "SELECT 1 WHERE pg_sleep(0) IS NOT NULL",
        "WITH x AS (SELECT set_config('role', 'none', false)) SELECT * FROM x",
        "SELECT query_to_xml('SELECT 1', true, true, '')",
        "SELECT pg_read_file('PG_VERSION')",
        "EXPLAIN ANALYZE SELECT pg_advisory_lock(1)",
        "SELECT U&\"pg_\\0074erminate_backend\"(1)",
        "SELECT 1 ORDER BY pg_cancel_backend(1)",
        "VALUES (lo_create(0))",
        "SELECT txid_current(), 1 LIMIT (SELECT pg_current_xact_id()::text::int)",
        "SELECT nextval('recon.recon_runs_run_no_seq')",
    ] {
        let said = on(&project, &store, &["sql", statement]);
        assert_eq!(said.code, 2, "{statement}: {}", said.out);
        assert!(said.err.contains("sql-function-refused"), "{statement}: {}", said.err);
    }
    for statement in [
        "SELECT l FROM recon.logins l",
        "SELECT to_json(l) FROM recon.logins l",
        "SELECT most_common_vals::text FROM pg_catalog.pg_stats",
        "SELECT rolpassword FROM pg_authid",
        "TABLE recon.sessions",
        "EXPLAIN ANALYZE SELECT password FROM recon.logins",
    ] {
        let said = on(&project, &store, &["sql", statement]);
        assert_eq!(said.code, 2, "{statement}: {}", said.out);
        assert!(said.err.contains("sql-secret"), "{statement}: {}", said.err);
    }
    for statement in [
        "SELECT now(), upper('a'), random(), jsonb_build_object('a', 1), pg_size_pretty(1::bigint)",
        "SELECT relname FROM pg_catalog.pg_class LIMIT 1",
        "SELECT table_name FROM information_schema.tables LIMIT 1",
        "EXPLAIN SELECT * FROM recon.current_records",
        "SELECT normalized_data_a ->> 'amount' FROM recon.current_records LIMIT 1;",
    ] {
        let said = on(&project, &store, &["sql", statement]);
        assert_eq!(said.code, 0, "{statement}: {}", said.err);
    }
}

fn set_mode(project: &Project, name: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(project.path(name), permissions).unwrap();
}

/// Runs a command as a user who must obey permissions: root need not.
fn not_as_root(project: &Project, arguments: &[&str]) -> Said {
    let id = std::process::Command::new("id").arg("-u").output().unwrap().stdout;
    let mut command = project.command(arguments);
    if String::from_utf8(id).unwrap().trim() == "0" {
        let mut other = std::process::Command::new("setpriv");
        other.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        other.arg(command.get_program()).args(command.get_args());
        other.current_dir(project.path(""));
        command = other;
    }
    output(&mut command).into()
}

#[test]
fn a_store_that_cannot_be_written_is_said_to_be_read_only() {
    let project = Project::of(".");
    project.json(&["run", "--json"]);
    std::fs::create_dir_all(project.path("copy/b.db-locks")).unwrap();
    for name in ["a.db", "b.db"] {
        std::fs::copy(project.path("recon.db"), project.path("copy").join(name)).unwrap();
        set_mode(&project, &format!("copy/{name}"), 0o644);
    }
    set_mode(&project, "copy/b.db", 0o666);
    for (name, mode) in [("", 0o755), ("copy/b.db-locks", 0o555), ("copy", 0o555)] {
        set_mode(&project, name, mode);
    }
    for store in ["sqlite:copy/a.db", "sqlite:copy/b.db", "sqlite:copy/new.db"] {
        for arguments in [
            &["run"][..],
            &["ingest"],
            &["attribute", "--again"],
            &["runs", "prune", "--keep", "0d"],
        ] {
            if store.ends_with("new.db") && !matches!(arguments, ["run" | "ingest"]) {
                continue;
            }
            let said = not_as_root(&project, &[arguments, &["--store", store]].concat());
            assert_eq!(said.code, 4, "{store} {arguments:?}: {}", said.err);
            let is_said = said.err.contains("error[store-read-only]");
            assert!(is_said, "{store} {arguments:?}: {}", said.err);
        }
    }
    set_mode(&project, "copy", 0o755);
    let said = project.recon(&["report", "--store", "sqlite:gone/new.db"]);
    assert!(said.err.contains("error[store-missing]"), "{}", said.err);
}

#[test]
fn a_store_on_a_read_only_medium_can_be_listed_and_verified() {
    let project = Project::of(".");
    project.json(&["run", "--json"]);
    std::fs::create_dir(project.path("copy")).unwrap();
    std::fs::copy(project.path("recon.db"), project.path("copy/recon.db")).unwrap();
    let mode = |name: &str, mode: u32| set_mode(&project, name, mode);
    mode("", 0o755);
    mode("copy/recon.db", 0o444);
    mode("copy", 0o555);
    for arguments in [
        &["runs", "list"][..],
        &["audit", "verify", "--replay"],
        &["report"],
        &["sql", "SELECT count(*) FROM recon.current_records"],
    ] {
        let all = [arguments, &["--store", "sqlite:copy/recon.db"]].concat();
        let said = not_as_root(&project, &all);
        assert_eq!(said.code, 0, "{arguments:?}: {}", said.err);
        assert!(!said.err.contains("warning"), "{arguments:?}: {}", said.err);
    }
    let files = std::fs::read_dir(project.path("copy")).unwrap().count();
    assert_eq!(files, 1);
    mode("copy", 0o755);
}

/// The line that docs/tables.md gives for SQLite's shell.
#[test]
fn the_sqlite_shell_runs_the_same_statements() {
    let project = Project::of(".");
    project.json(&["run", "--json"]);
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/tables.md")).unwrap();
    let line = page.lines().find(|line| line.starts_with("ATTACH")).unwrap();
    let store = rusqlite::Connection::open(project.path("recon.db")).unwrap();
    let path = project.path("recon.db").display().to_string();
    store.execute_batch(&line.replace("recon.db", &path)).unwrap();
    let statement = "SELECT count(*) FROM recon.current_records r \
                     JOIN recon.current_differences d ON d.record_id = r.record_id";
    let count: u64 = store.query_row(statement, [], |row| row.get(0)).unwrap();
    let shown = project.sql(&statement.replace("count(*)", "count(*) AS n"));
    assert_eq!(shown[0]["n"], count);
}

/// A job of 3,000 rows in which nine of ten amounts differ.
fn many_rows(rules: &str, settings: &str) -> Project {
    let project = Project::new();
    let rows = |side: u32| {
        let row = |at| format!("{at},{}\n", if at % 10 == 0 { 5 } else { at + side });
        format!("id,amount\n{}", (1..=3_000).map(row).collect::<String>())
    };
    project.write("a.csv", rows(0)).write("b.csv", rows(1)).write("rules.rhai", rules);
    let source = |side: &str| {
        format!(
            "  {side}: {{ system: S{side}, read: {{ csv: {{ path: {side}.csv }} }}, map: {{ id: id, \
             amount: amount }} }}\n"
        )
    };
    let job = format!(
        "version: 1\njob: loops\nstore: sqlite:recon.db\nsources:\n{}{}key: [id]\nfields:\n  id: {{ type: \
         text }}\n  amount: {{ type: decimal }}\n",
        source("a"),
        source("b")
    );
    project.write("recon.yaml", format!("{job}{settings}"));
    project
}

/// The run is FAILED, and nothing of it is stored.
fn nothing_is_stored(project: &Project) {
    let count = |table: &str| {
        project.sql(&format!("SELECT count(*) AS n FROM recon.{table}"))[0]["n"].clone()
    };
    for table in ["recon_records", "data_differences", "attributions", "rejected_rows"] {
        assert_eq!(count(table), 0, "{table}");
    }
    let runs = project.sql("SELECT status FROM recon.recon_runs");
    assert_eq!(runs, json!([{ "status": "FAILED" }]));
}

#[test]
fn an_endless_loop_in_a_normalize_function_ends_the_run_at_once() {
    let normalize = "rules: { normalize: rules.rhai }\noptions: { threads: 1 }\n";
    let loops = "fn clean(v) {\n    let n = 0;\n    while n < 10 { if v == \"5\" { n = 0; } else { n += 1; } }\n    v\n}\n";
    // Reported once, not once per value; excluded rows don't avoid it.
    let all = "fn clean(v) {\n    v\n}\nfn is_live(raw) {\n    loop { }\n}\n";
    let row = "fn clean(v) {\n    v\n}\nfn row(raw, r) {\n    loop { }\n}\n";
    for (script, function, line, filter, subject) in [
        (loops, "clean", 3, "", "`5` on line 6 of "),
        (all, "is_live", 5, "filter: is_live, ", "line "),
        (row, "row", 5, "", "line "),
    ] {
        let project = many_rows(script, normalize);
        project.replace("recon.yaml", "{ type: decimal }", "{ type: decimal, normalize: [clean] }");
        for side in ["a", "b"] {
            project.replace(
                "recon.yaml",
                &format!("{{ system: S{side}"),
                &format!("{{ {filter}system: S{side}"),
            );
        }
        for command in ["run", "ingest"] {
            let _ = std::fs::remove_file(project.path("recon.db"));
            let said = project.recon(&[command]);
            assert_eq!((said.code, said.out.as_str()), (2, ""), "{}", said.err);
            for part in [
                "script-limit",
                &format!("rules.rhai:{line}:"),
                &format!("in `{function}`, asked about {subject}"),
                "200000 operations",
                "end the loop",
            ] {
                assert!(said.err.contains(part), "{part}: {}", said.err);
            }
            assert_eq!(said.err.matches("200000 operations").count(), 1, "{}", said.err);
            nothing_is_stored(&project);
        }
    }
}

#[test]
fn an_endless_loop_in_a_rule_ends_the_run_at_once() {
    let rule =
        "fn attribute_odd(d) {\n    if d.field == \"amount\" && d.a == 7 { loop { } }\n    ()\n}\n";
    let attribute = "rules: { attribute: [rules.rhai] }\noptions: { on_rule_error: continue }\n";
    let project = many_rows(rule, attribute);
    let ends = |command: &str| {
        let said = project.recon(&[command]);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{}", said.err);
        for part in [
            "script-limit",
            "rules.rhai:2:",
            "in `attribute_odd`, asked about `amount` of record `7`",
            "200000 operations",
            "end the loop",
        ] {
            assert!(said.err.contains(part), "{part}: {}", said.err);
        }
    };
    ends("run");
    nothing_is_stored(&project);
    std::fs::remove_file(project.path("recon.db")).unwrap();
    assert_eq!(project.recon(&["ingest"]).code, 0);
    assert_eq!(project.recon(&["diff"]).code, 0);
    ends("attribute");
    let attributions = project.sql("SELECT count(*) AS n FROM recon.attributions");
    assert_eq!(attributions[0]["n"], 0);
    // Without the loop, the compared run is attributed.
    project.replace("rules.rhai", "loop { }", "return ();");
    let run = project.sql("SELECT run_id, status FROM recon.recon_runs");
    assert_eq!(run[0]["status"], "FAILED");
    assert_eq!(project.recon(&["attribute", "--run", run[0]["run_id"].as_str().unwrap()]).code, 0);
    // The fixtures report the same.
    project.replace("rules.rhai", "return ();", "loop { }");
    let case = "attribute:\n  - name: seven\n    difference: { field: amount, a: 7, b: 8 }\n    reason: UNKNOWN\n";
    project.write("rules.tests.yaml", case);
    let said = project.recon(&["test"]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert!(format!("{}{}", said.out, said.err).contains("200000 operations"), "{}", said.out);
}

#[test]
fn an_endless_loop_for_one_of_many_records_ends_all_threads() {
    let rule = "fn attribute_odd(d) {\n    if d.a == 777 { loop { } }\n    ()\n}\n";
    let project = many_rows(rule, "rules: { attribute: [rules.rhai] }\noptions: { threads: 4 }\n");
    for (side, more) in [("a", 0), ("b", 1)] {
        let rows: String = (1..=200_000).map(|at| format!("{at},{}\n", at + more)).collect();
        project.write(&format!("{side}.csv"), format!("id,amount\n{rows}"));
    }
    let said = project.recon(&["run"]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("`amount` of record `777`"), "{}", said.err);
    nothing_is_stored(&project);
}

#[test]
fn attributing_goes_on_with_the_run_on_which_it_failed() {
    let project = Project::of(".");
    project.json(&["run", "--batch-date", "2026-01-14", "--json"]);
    let ingested = project.json(&["ingest", "--batch-date", "2026-01-15", "--json"]);
    assert_eq!(project.recon(&["diff"]).code, 0);
    let rules = std::fs::read_to_string(project.path("rules/attribution.rhai")).unwrap();
    project.write(
        "rules/attribution.rhai",
        format!("fn attribute_never(d) {{ loop {{ }} }}\n{rules}"),
    );
    let said = project.recon(&["attribute"]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("script-limit"), "{}", said.err);
    project.write("rules/attribution.rhai", rules);
    // Reports keep to the run before, whose commands have all succeeded.
    let report = project.json(&["report", "--format", "json"]);
    assert_eq!(report["batch_date"], "2026-01-14");
    let attributed = project.json(&["attribute", "--json"]);
    assert_eq!(attributed["run_id"], ingested["run_id"]);
    assert_eq!(attributed["stage"], "ATTRIBUTED");
}

#[test]
fn the_resolved_configuration_runs_like_the_written_one() {
    let project = Project::of(".");
    let written = project.recon(&["check", "--resolved"]);
    assert_eq!(written.code, 0, "{}", written.err);
    assert!(written.out.contains("memory_limit: 4GiB"), "{}", written.out);
    let before = project.json(&["run", "--json"])["records"].clone();
    project.write("recon.yaml", &written.out);
    assert_eq!(project.json(&["run", "--json"])["records"], before);
    assert_eq!(project.recon(&["check", "--resolved"]).out, written.out);
}

#[test]
fn the_report_fits_80_and_100_columns() {
    let project = Project::of(".");
    project.json(&["run", "--json"]);
    for columns in [80, 100] {
        let output = project.command(&["report"]).env("COLUMNS", columns.to_string()).output();
        let said = Said::from(output.unwrap());
        assert_eq!(said.code, 0, "{}", said.err);
        let command = |line: &str| line.contains("recon ") || line.contains('`');
        let long: Vec<&str> = said
            .out
            .lines()
            .filter(|line| line.chars().count() > columns && !command(line))
            .collect();
        assert!(long.is_empty(), "{columns}: {long:#?}");
    }
}

#[test]
fn the_fixture_of_a_real_record_passes() {
    let project = Project::of(".");
    project.json(&["run", "--json"]);
    let references = project.sql(
        "SELECT DISTINCT coalesce(r.source_a_ref_id, r.source_b_ref_id) AS reference \
         FROM recon.current_records r JOIN recon.current_differences d USING (record_id) \
         ORDER BY 1 LIMIT 60",
    );
    let mut cases = 0;
    for (at, row) in references.as_array().unwrap().iter().enumerate() {
        let reference = row["reference"].as_str().unwrap();
        let said = project.recon(&["explain", reference, "--fixture"]);
        assert_eq!(said.code, 0, "{reference}: {}", said.err);
        let file = format!("rules/real{at}.tests.yaml");
        project.write(&file, &said.out);
        let result = project.recon(&["test", &file, "--json"]);
        assert_eq!(result.code, 0, "{reference}: {}\n{}", result.out, said.out);
        let result: Json = serde_json::from_str(&result.out).unwrap();
        cases += result["passed"].as_u64().unwrap();
    }
    assert!(cases >= 60, "{cases}");
    let all = project.json(&["explain", "FX-20260115-0013", "--fixture", "--json"]);
    let case = &all["attribute"][0];
    assert!(case["by"].as_str().unwrap().starts_with("attribute_"), "{case}");
    // A rule that says something else is noticed.
    let wrong =
        serde_json::to_string(&all).unwrap().replace(case["reason"].as_str().unwrap(), "UNKNOWN");
    project.write("rules/wrong.tests.yaml", wrong);
    assert_eq!(project.recon(&["test", "rules/wrong.tests.yaml"]).code, 1);
}
