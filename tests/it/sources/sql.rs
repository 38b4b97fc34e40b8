//! Queries.

use super::*;

#[test]
fn a_query_that_writes_or_fails_is_refused_and_changes_nothing() {
    let postgres = Database::new();
    postgres.execute(
        "CREATE TABLE t (id text, value text); INSERT INTO t VALUES ('1', 'x'); CREATE SEQUENCE s; \
         CREATE FUNCTION writes() RETURNS text LANGUAGE sql AS $$ DELETE FROM t RETURNING value $$",
    );
    let url = postgres.url();
    let missing = format!("{}_gone", url.split('?').next().unwrap());
    let sqlite = "sqlite:trades.db";
    for (url, query, code, says) in [
        (url.as_str(), "DELETE FROM t RETURNING *", 2, "not one SELECT"),
        (&url, "SELECT id, writes() AS value FROM t", 3, "read-only"),
        (&url, "SELECT id, writes() AS value FROM t", 3, "never changed: write one SELECT"),
        (&url, "SELECT id, value INTO other FROM t", 2, "gives no columns"),
        (&missing, "SELECT 1 AS id", 3, "check the name of the database in `url`"),
        (&url, "SELECT nextval('s')::text AS id, '' AS value", 3, "read-only"),
        (&url, "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", 3, "read-only"),
        (&url, "SELECT 1) TO PROGRAM 'true' --", 3, "syntax error"),
        (&url, "SELECT 1 AS id; DELETE FROM t", 3, "multiple commands"),
        (&url, "SELECT id, value FROM nothing", 3, "nothing"),
        (&url, "SELECT id FROM t", 2, "no column `value`"),
        (&url, "SELECT id, (1 / (length(id) - 1))::text AS value FROM t", 3, "division by zero"),
        (sqlite, "DELETE FROM trades", 2, "not one SELECT"),
        (sqlite, "SELECT id, note AS value FROM trades; DELETE FROM trades", 2, "more than one"),
        (sqlite, "WITH x AS (SELECT 1) DELETE FROM trades", 3, "more than read"),
        (sqlite, "SELECT id FROM nothing", 3, "nothing"),
        ("sqlite:gone.db", "SELECT 1 AS id", 3, "can't be opened"),
        ("postgres://localhost:1/x", "SELECT 1 AS id", 3, "can't be reached"),
    ] {
        let read = format!("{{ sql: {{ url: \"{url}\", query: \"{query}\" }} }}");
        let project = small(&read, SAME, "id,value\n1,x\n");
        copied(&project, &["trades.db"]);
        let (exit, said) = refused(&project);
        assert_eq!(exit, code, "{query}: {said}");
        assert!(said.contains(says), "{query}: {said}");
        assert!(!project.path("gone.db").exists());
        let whole = std::fs::read(data("trades.db")).unwrap();
        assert_eq!(std::fs::read(project.path("trades.db")).unwrap(), whole);
    }
    assert_eq!(postgres.scalar("SELECT count(*) FROM t"), 1);
}

/// Starts a run that asks for something long, and waits until the database works on it.
fn long_run(project: &Project, is_working: impl Fn() -> bool) -> std::process::Child {
    let mut command = project.command(&["run", "--json"]);
    let piped = std::process::Stdio::piped;
    let mut child = command.stdout(piped()).stderr(piped()).spawn().unwrap();
    let _deadline = Deadline::of(&child);
    while !is_working() {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child
}

#[test]
fn an_interrupted_query_is_cancelled() {
    let postgres = Database::new();
    let read = format!(
        "{{ sql: {{ url: \"{}\", query: \"SELECT '1' AS id, pg_sleep(600)::text AS value\" }} }}",
        postgres.url()
    );
    let project = small(&read, SAME, "id,value\n1,x\n");
    let working = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND datname = current_database() \
        AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()";
    let child = long_run(&project, || postgres.scalar(working) == 1);
    interrupt(&child);
    assert_eq!(Said::from(ended(child)).code, 130);
    let began = std::time::Instant::now();
    while postgres.scalar(working) > 0 {
        assert!(began.elapsed().as_secs() < 60, "the server still works on the query");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let read = "{ sql: { url: \"sqlite:trades.db\", query: \"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 \
        FROM c) SELECT count(*) AS id, '' AS value FROM c\" } }";
    let project = small(read, SAME, "id,value\n1,x\n");
    copied(&project, &["trades.db"]);
    let child = long_run(&project, || project.path("recon.db").exists());
    interrupt(&child);
    assert_eq!(Said::from(ended(child)).code, 130);
}

fn interrupt(child: &std::process::Child) {
    let arguments = ["-INT", &child.id().to_string()];
    assert!(std::process::Command::new("kill").args(arguments).status().unwrap().success());
}

#[test]
fn a_server_that_goes_away_while_it_is_read_stops_the_run() {
    let postgres = Database::new();
    let read = format!(
        "{{ sql: {{ url: \"{}\", query: \"SELECT i AS id, repeat('x', 200) AS value FROM generate_series(1, 100000000) i\" }} }}",
        postgres.url()
    );
    let project = small(&read, SAME, "id,value\n1,x\n");
    let reading = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%'";
    let child = long_run(&project, || postgres.scalar(reading) == 1);
    postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%'",
    );
    let said = Said::from(ended(child));
    assert_eq!((said.code, said.out.as_str()), (3, ""), "{}", said.err);
    assert!(said.err.contains("nothing was stored"), "{}", said.err);
    assert_eq!(project.sql("SELECT count(*) AS n FROM recon.recon_records"), json!([{ "n": 0 }]));
}

#[test]
fn the_password_of_a_query_is_not_stored() {
    let postgres = Database::new();
    let url = postgres.url().replacen("://", "://postgres:hidden-secret@", 1);
    let read =
        format!("{{ sql: {{ url: \"{url}\", query: \"SELECT '1' AS id, 'x' AS value\" }} }}");
    let project = small(&read, SAME, "id,value\n1,x\n");
    let said = project.recon(&["run", "--json", "-v"]);
    assert!(!said.out.contains("hidden-secret") && !said.err.contains("hidden-secret"));
    if said.code == 0 {
        let stored = project.sql("SELECT metadata FROM recon.recon_runs").to_string();
        assert!(!stored.contains("hidden-secret"));
    }
}

#[test]
fn a_text_of_sqlite_that_is_none_names_its_column_and_leaves_the_key() {
    let read = "{ sql: { url: \"sqlite:a.db\", query: \"SELECT id, value FROM t\" } }";
    let project = small(read, SAME, "id,value\n1,x\n3,a\n4,b\n");
    let database = rusqlite::Connection::open(project.path("a.db")).unwrap();
    database
        .execute_batch(
            "CREATE TABLE t (id, value); INSERT INTO t VALUES ('1', 'x'), ('3', 'a' || char(0) || 'b'), \
             ('4', 'b\t' || CAST(x'e9' AS TEXT))",
        )
        .unwrap();
    assert_eq!(run(&project)["records"]["matched"], 1);
    let rows =
        project.sql("SELECT line, code, key, message FROM recon.rejected_rows ORDER BY line");
    let expected = |line: u64, code: &str, key: &str, message: &str| json!({ "line": line, "code": code, "key": key, "message": format!("column `value`: {message} at the source") });
    assert_eq!(
        rows,
        json!([
            expected(2, "NUL_BYTE", "3", "byte 2 is NUL, which a text cannot hold; remove it"),
            expected(3, "BAD_ENCODING", "4", "byte 3 (0xE9) is not UTF-8; mend it"),
        ])
    );
    let explained = project.json(&["explain", "3", "--json"]);
    assert!(explained["records"][0]["rejected_partner_line"].is_u64(), "{explained}");
    // There is no encoding to set; the query can be changed.
    database.execute_batch("DELETE FROM t WHERE id <> '4'").unwrap();
    let (code, said) = refused(&project);
    assert!(code == 3 && said.contains("hex(…)") && !said.contains("`encoding`"), "{said}");
    project.replace("recon.yaml", "SELECT id, value", "SELECT id, hex(value) AS value");
    assert_eq!(run(&project)["records"]["aligned"], 1);
}

#[test]
fn init_says_that_a_source_is_out_of_reach() {
    let project = Project::new();
    project.write("ok.csv", "id,value\n1,x\n");
    let said = project.recon(&["init", "ok.csv", "postgres://localhost:1/x"]);
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.err.contains("error[bad-query]") && !said.err.contains("store"), "{}", said.err);
}
