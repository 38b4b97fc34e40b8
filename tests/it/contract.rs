//! Contracts that users' scripts rely on; each test is named after a past regression.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::program::{Project, Said};

/// A job of two small files with the fields `id`, `v` and `w`.
const JOB: &str = "version: 1
job: small
sources:
  a:
    system: LEFT
    read: { csv: { path: a.csv } }
    map: { id: id, v: v, w: w }
  b:
    system: RIGHT
    read: { csv: { path: b.csv } }
    map: { id: id, v: v, w: w }
key: [id]
fields:
  id: { type: text }
  v: { type: decimal }
  w: { type: text }
reason_codes:
  KNOWN: { functional: true, description: known }
";

fn small(more: &str) -> Project {
    let project = Project::new();
    project
        .write("recon.yaml", format!("{JOB}{more}"))
        .write("a.csv", "id,v,w\n1,10,x\n2,20,y\n3,30,z\n")
        .write("b.csv", "id,v,w\n1,11,x\n2,21,y\n3,30,z\n");
    project
}

fn with_rule(rule: &str) -> Project {
    let project = small("rules: { attribute: [rules.rhai] }\n");
    project.write("rules.rhai", rule);
    project
}

#[test]
fn diff_attribute_and_explain_need_no_sources() {
    let project = small("");
    project.json(&["ingest", "--json"]);
    std::fs::remove_file(project.path("a.csv")).unwrap();
    project.write("b.csv", "another,header\n");
    project.json(&["diff", "--json"]);
    let summary = project.json(&["attribute", "--json"]);
    assert_eq!(summary["differences"]["total"], 2);
    let explained = project.json(&["explain", "1", "--json"]);
    let record = &explained["records"][0];
    assert_eq!(record["fields"][1]["value_a"], "10");
    assert!(record["a"]["unreadable"].as_str().unwrap().contains("cannot open"), "{record}");
}

/// A job with an informational field of each kind: `v` on both sides, `trader` only in A.
fn informational() -> Project {
    let project = small("rules: { attribute: [rules.rhai] }\n");
    project
        .replace("recon.yaml", "map: { id: id, v: v, w: w }", "map: { id: id, v: v, w: w, trader: trader }")
        .replace("recon.yaml", "read: { csv: { path: b.csv } }\n    map: { id: id, v: v, w: w, trader: trader }", "read: { csv: { path: b.csv } }\n    map: { id: id, v: v, w: w }")
        .replace("recon.yaml", "v: { type: decimal }", "v: { type: decimal, compare: false }\n  trader: { type: text, compare: false }")
        .write("rules.rhai", "fn attribute_desk(d) { if d.record_a.trader == \"kim\" && d.record_b.v == 21.0 { reason(\"KNOWN\", 0.95) } }")
        .write("a.csv", "id,v,w,trader\n1,10,x,ann\n2,20,y,kim\n3,oops,z,ann\n")
        .write("b.csv", "id,v,w\n1,11,x\n2,21,Y\n3,30,z\n4,40,z\n");
    project
}

#[test]
fn an_informational_field_is_shown_and_used_by_rules_but_never_a_difference() {
    let project = informational();
    for commands in [vec!["run"], vec!["ingest", "diff", "attribute"]] {
        let mut summary = Json::Null;
        for command in commands {
            summary = project.json(&[command, "--json"]);
        }
        assert_eq!(summary["differences"]["by_field"], json!({ "ENTIRE_RECORD": 1, "w": 1 }));
        assert_eq!(summary["records"]["matched"], 2);
        assert_eq!(summary["attributions"]["by_reason"]["KNOWN"], 1);
        let rows = project.sql(
            "SELECT normalized_data_a AS a, normalized_data_b AS b FROM recon.recon_records \
             WHERE source_a_ref_id = '3'",
        );
        let text = rows.to_string();
        assert!(text.contains("unparsed") && text.contains("trader"), "{text}");
    }
    let explained = project.json(&["explain", "2", "--json"]);
    let fields = explained["records"][0]["fields"].as_array().unwrap();
    let field = |name: &str| fields.iter().find(|field| field["field"] == name).unwrap();
    assert_eq!(field("v")["compared"], false);
    assert_eq!(field("v")["comparison"], "not compared");
    assert_eq!(field("v")["difference"], Json::Null);
    assert_eq!(field("trader")["value_a"], "kim");
    assert_eq!(field("trader")["value_b"], Json::Null);
    let said = project.recon(&["explain", "2"]);
    assert!(said.out.contains("· v"), "{}", said.out);
    assert!(said.out.contains("20 | 21  (not compared)"), "{}", said.out);
}

#[test]
fn repeated_keys_are_paired_by_what_is_compared() {
    // The third column is informational, and a number may be written with more zeros.
    let project = small("");
    project.replace("recon.yaml", "w: { type: text }", "w: { type: text, compare: false }");
    let paired = |a: &str, b: &str| {
        project.write("a.csv", format!("id,v,w\n{a}")).write("b.csv", format!("id,v,w\n{b}"));
        let summary = project.json(&["run", "--json"]);
        let pairs = project.sql(
            "SELECT line_a AS a, line_b AS b FROM recon.current_records WHERE kind = 'PAIR' ORDER BY 1",
        );
        (summary["records"]["breaks"].clone(), pairs)
    };
    let first = json!([{ "a": 2, "b": 2 }]);
    assert_eq!(paired("1,1,5\n1,1,6\n", "1,1,6\n"), (json!(1), first));
    let both = json!([{ "a": 2, "b": 3 }, { "a": 3, "b": 2 }]);
    for (a, b) in [("1,1,p\n1,2,p\n", "1,2,q\n1,1,r\n"), ("1,1.00,p\n1,2,p\n", "1,2.0,p\n1,1,p\n")]
    {
        assert_eq!(paired(a, b), (json!(0), both.clone()), "{a} {b}");
    }
}

#[test]
fn a_stored_run_keeps_its_business_date() {
    let project = small("");
    project.replace("recon.yaml", "path: a.csv", "path: \"a-${BATCH_DATE}.csv\"");
    project.write("a-2026-01-15.csv", "id,v,w\n1,10,x\n");
    project.json(&["ingest", "--json", "--batch-date", "2026-01-15"]);
    let summary = project.json(&["diff", "--json"]);
    assert_eq!(summary["batch_date"], "2026-01-15");
    let explained = project.json(&["explain", "1", "--json"]);
    assert_eq!(explained["records"][0]["a"]["file"], "a-2026-01-15.csv");
    assert_eq!(explained["records"][0]["a"]["unreadable"], Json::Null);
}

#[test]
fn a_business_date_chooses_among_stored_runs() {
    let project = small("");
    let first = project.json(&["run", "--json", "--batch-date", "2026-01-15"]);
    project.json(&["run", "--json", "--batch-date", "2026-01-16"]);
    let found = project.json(&["report", "--json", "--batch-date", "2026-01-15"]);
    assert_eq!(found["run_id"], first["run_id"]);
    let said = project.recon(&["report", "--json", "--batch-date", "2026-01-17"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("2026-01-17"), "{}", said.err);
}

#[test]
fn a_report_needs_only_the_job_of_the_configuration() {
    let project = small("");
    let run = project.json(&["run", "--json"]);
    project.replace("recon.yaml", "type: decimal", "type: dezimal");
    assert_eq!(project.json(&["report", "--json"])["run_id"], run["run_id"]);
}

#[test]
fn any_later_command_cleans_up_after_a_killed_run() {
    let project = Project::new();
    project.json(&["generate", "--rows", "60000", "-o", ".", "--json"]);
    let mut child = project.command(&["run"]).stdout(std::process::Stdio::null()).spawn().unwrap();
    let running =
        ["sql", "--format", "json", "SELECT status FROM recon.recon_runs WHERE status = 'RUNNING'"];
    let begun = Instant::now();
    let mut seen = false;
    while !seen && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
        seen = project.path("recon.db").exists() && project.recon(&running).out.contains("RUNNING");
    }
    assert!(seen, "the run was never seen at work");
    child.kill().unwrap();
    assert!(child.wait().unwrap().code().is_none(), "the run ended before it was killed");
    let statuses = project.sql("SELECT status FROM recon.recon_runs");
    assert_eq!(statuses, json!([{ "status": "FAILED" }]));
}

#[test]
fn lookup_files_are_part_of_a_runs_configuration() {
    let project = small("");
    project
        .replace(
            "recon.yaml",
            "w: { type: text }",
            "w: { type: text, normalize: [{lookup: {file: l.csv}}] }",
        )
        .write("l.csv", "from,to\nx,X\n");
    project.json(&["ingest", "--json"]);
    project.write("l.csv", "from,to\nx,Y\n");
    let said = project.recon(&["diff"]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("ingest again") && said.err.contains("lookup"), "{}", said.err);
    project.write("l.csv", "from,to\nx,X\n");
    assert_eq!(project.recon(&["diff"]).code, 0);
}

#[test]
fn a_source_can_have_its_own_script() {
    let project = small("rules: { normalize: job.rhai }\n");
    project
        .replace(
            "recon.yaml",
            "    system: RIGHT\n",
            "    system: RIGHT\n    script: right.rhai\n    filter: is_live\n",
        )
        .replace("recon.yaml", "w: { type: text }", "w: { type: text, normalize: [mark, both] }")
        .write("job.rhai", "fn mark(v) { v + \"-job\" }\nfn both(v) { v + \"!\" }\n")
        .write(
            "right.rhai",
            "fn mark(v) { v + \"-right\" }\nfn is_live(raw) { raw.id != \"3\" }\n\
             fn row(raw, r) { r.v = parse_decimal(raw.v) - 1; r }\n",
        );
    let summary = project.json(&["run", "--json"]);
    assert_eq!(summary["records"]["filtered_b"], 1);
    assert_eq!(summary["differences"]["by_field"], json!({"ENTIRE_RECORD": 1, "w": 2}));
    let values = project.sql(
        "SELECT value_a, value_b FROM recon.data_differences WHERE field_name = 'w' ORDER BY value_a",
    );
    assert_eq!(values[0], json!({"value_a": "x-job!", "value_b": "x-right!"}));
    // The rules are stored with the run, and the script is part of its identity.
    let shown = project.json(&["runs", "show", "--json"]);
    assert_eq!(shown["metadata"]["rules"][1]["path"], "right.rhai");
    project.json(&["ingest", "--json"]);
    project.write("right.rhai", "fn mark(v) { v }\nfn is_live(raw) { true }\n");
    assert_eq!(project.recon(&["diff"]).code, 2);
    project.replace("right.rhai", "is_live", "is_alive");
    let said = project.recon(&["check"]);
    assert!(said.code == 2 && said.err.contains("did you mean `is_alive`"), "{}", said.err);
}

#[test]
fn check_reports_calls_of_unknown_functions() {
    let project = with_rule(
        "fn helper(a, b) { a == b }\n\
         fn attribute_a(d) {\n  \
           if helpr(d.a, d.b) { note(\"x\"); }\n  \
           if helper(d.a) { return; }\n  \
           let f = |x| x + 1;\n  \
           if d.feld == \"v\" && d.record_a.v > 1 && f.call(2) == 3 && \"x\" in d.text_a {\n    \
             reason(\"KNOWN\", d.text_a.frobnicate())\n  }\n}\n",
    );
    let said = project.recon(&["check"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    for part in [
        "rules.rhai:3:6",
        "did you mean `helper`?",
        "rules.rhai:4:6",
        "`helper` takes 2 arguments, here it is given 1",
        "a difference has no property `feld`",
        "did you mean `field`?",
        "there is no function `frobnicate`",
    ] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    assert_eq!(said.err.matches("error[").count(), 4, "{}", said.err);
    // A run continues without the rule, and names one of the records affected, whichever thread found it.
    let said = project.recon(&["run", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("COMPLETED_WITH_ERRORS"), "{}", said.out);
    assert!(said.err.contains("asked about `v` of record `1`"), "{}", said.err);
    assert!(said.err.contains("(and 1 more here)"), "{}", said.err);
}

#[test]
fn all_failures_of_a_rule_are_counted_everywhere() {
    let project = with_rule("fn attribute_a(d) { if d.record_a.missing == 1 { return; } }\n");
    let rows = |first: &str| {
        let rows: String = (100..835).map(|id| format!("{id},{first}{id},x\n")).collect();
        format!("id,v,w\n{rows}")
    };
    project.write("a.csv", rows("1")).write("b.csv", rows("2"));
    project.replace("recon.yaml", "job: small\n", "job: small\noptions: { threads: 1 }\n");
    for (threads, next) in
        [("threads: 1", "threads: 2"), ("threads: 2", "threads: 4"), ("threads: 4", "")]
    {
        let run = project.recon(&["run"]);
        assert_eq!(run.code, 0, "{}", run.err);
        assert!(run.err.contains("(and 734 more here)"), "{}", run.err);
        for format in ["text", "md", "html"] {
            let report = project.recon(&["report", "--format", format]).out;
            assert_eq!(report.matches("and 734 more here").count(), 1, "{format}: {report}");
        }
        let report = project.json(&["report", "--json"]);
        let warnings = report["warnings"].as_array().unwrap();
        let of_rules: Vec<_> =
            warnings.iter().filter(|warning| warning["code"] == "script-error").collect();
        assert_eq!(of_rules.len(), 1, "{report}");
        let message = of_rules[0]["message"].as_str().unwrap();
        assert!(message.contains("`100`") && message.ends_with("(and 734 more here)"), "{message}");
        assert_eq!(report["rule_errors"], 735);
        project.replace("recon.yaml", threads, next);
    }
}

#[test]
fn labels_of_unknown_only_are_said_not_to_count() {
    let project = small("  UNKNOWN: { functional: false, description: unknown }\n");
    project.json(&["run", "--json"]);
    project.write("labels.csv", "id,field,reason\n1,v,UNKNOWN\n2,v,UNKNOWN\n");
    for command in ["train", "evaluate"] {
        let said = project.recon(&[command, "--labels", "labels.csv"]);
        assert_eq!(said.code, 2, "{}", said.err);
        let sentence =
            "all 2 labels that match a difference of the run are UNKNOWN, which is no cause";
        assert!(said.err.contains(sentence), "{}", said.err);
        assert!(said.err.contains("with NONE where no cause fits"), "{}", said.err);
    }
    project.write("labels.csv", "id,field,reason\n7,v,UNKNOWN\n");
    let said = project.recon(&["train", "--labels", "labels.csv"]);
    assert!(said.err.contains("no label matches a difference"), "{}", said.err);
}

#[test]
fn check_finds_nothing_in_the_shipped_rules() {
    for example in [".", "examples/payments_ledger", "examples/custody_positions"] {
        let said = Project::of(example).recon(&["check"]);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{example}");
    }
}

#[test]
fn an_undeclared_reason_is_a_script_error_at_run_time() {
    let project = with_rule("fn attribute_a(d) { reason(\"NOBODY\", 0.95) }\n");
    let said = project.recon(&["check"]);
    assert!(said.code == 2 && said.err.contains("undeclared-reason"), "{}", said.err);
    let summary = project.json(&["run", "--json"]);
    assert_eq!(summary["status"], "COMPLETED_WITH_ERRORS");
    assert_eq!(summary["attributions"]["by_reason"], json!({"UNKNOWN": 2}));
    project.write(
        "recon.yaml",
        format!("{JOB}rules: {{ attribute: [rules.rhai] }}\noptions: {{ on_rule_error: stop }}\n"),
    );
    let said = project.recon(&["run", "--json"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
}

#[test]
fn error_messages_do_not_show_passwords_from_the_file() {
    let project = small("store: 'postgres://me:hunter2@db/recon?pasword=hunter2'\n");
    let said = project.recon(&["check"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("store:") && !said.err.contains("hunter2@"), "{}", said.err);
}

#[test]
fn an_empty_store_variable_counts_as_unset() {
    let project = small("");
    let output = crate::program::output(project.command(&["run", "--json"]).env("RECON_STORE", ""));
    let said = Said::from(output);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(project.path("recon.db").exists());
}

#[test]
fn a_source_with_only_rejected_rows_says_why() {
    let project = small("");
    project.write("a.csv", "id,v,w\n1,2\n");
    let said = project.recon(&["run", "--json"]);
    assert_eq!((said.code, said.out.as_str()), (3, ""));
    assert!(said.err.contains("a.csv:2") && said.err.contains("RAGGED_ROW"), "{}", said.err);
}

#[test]
fn failing_fixtures_are_listed() {
    let project = with_rule("fn attribute_a(d) { reason(\"KNOWN\", 0.95) }\n");
    let case =
        "attribute:\n  - { name: wrong, difference: { field: v, a: x, b: y }, reason: none }\n";
    project.write("rules.tests.yaml", case);
    let said = project.recon(&["test", "--json"]);
    assert_eq!(said.code, 1);
    let said: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let failed = json!({
        "file": "rules.tests.yaml", "line": 2, "name": "wrong",
        "expected": "none", "got": "KNOWN 0.95 by attribute_a",
    });
    assert_eq!(said, json!({"passed": 0, "failed": [failed]}));
    let said = project.recon(&["test"]);
    assert_eq!(said.code, 1);
    assert!(said.out.starts_with("FAILED rules.tests.yaml:2 wrong: expected none"), "{}", said.out);
    project.replace("rules.tests.yaml", "reason: none", "reason: KNOWN");
    assert_eq!(project.json(&["test", "--json"]), json!({"passed": 1, "failed": []}));
}

#[test]
fn numbers_keep_their_digits_in_json() {
    let big = "9".repeat(38);
    let project = small("");
    project
        .replace("recon.yaml", "v: { type: decimal }", "v: { type: integer }")
        .write("a.csv", format!("id,v,w\n1,{big},x\n"))
        .write("b.csv", format!("id,v,w\n1,{big},x\n"));
    let store = crate::postgres::new_database();
    assert_eq!(project.recon(&["run", "--store", &store]).code, 0);
    let said = project.recon(&[
        "sql",
        "SELECT normalized_data_a AS a, sum(total_records) AS n FROM recon.recon_records \
         JOIN recon.recon_runs USING (run_id) GROUP BY 1",
        "--json",
        "--store",
        &store,
    ]);
    assert!(said.out.contains(&format!("\"v\": {big}")), "{}", said.out);
    assert!(said.out.contains("\"n\":1}"), "{}", said.out);
}

#[test]
fn tls_follows_the_sslmode_of_the_url() {
    let Some(authority) = crate::postgres::authority() else {
        let why = "RECON_TEST_DATABASE_URL names a server whose authority is not known";
        return crate::program::skipped(why);
    };
    let project = small("");
    let url = crate::postgres::new_database();
    let named = url.replace("127.0.0.1", "localhost");
    let other = project.path("other.pem");
    std::fs::write(&other, std::fs::read(&authority).unwrap()).unwrap();
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=other"])
        .arg("-keyout")
        .arg(project.path("other.key"))
        .arg("-out")
        .arg(&other)
        .output()
        .unwrap();
    assert!(made.status.success());
    let (authority, other) = (authority.display(), other.display());
    let is_encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(project.recon(&["run", "--store", &named]).code, 0);
    for (url, encrypted) in [
        (format!("{named}?sslmode=disable"), false),
        (format!("{named}?sslmode=prefer"), true),
        (format!("{named}?sslmode=require"), true),
        (format!("{named}?sslmode=require&sslrootcert={authority}"), true),
        (format!("{named}?sslmode=verify-full&sslrootcert={authority}"), true),
    ] {
        let answer = project.json(&["sql", is_encrypted, "--json", "--store", &url]);
        assert_eq!(answer[0]["ssl"], encrypted, "{url}");
    }
    for url in [
        // The certificate names localhost, not an address; it is not signed by another authority,
        // nor by one of the system's.
        format!("{url}?sslmode=verify-full&sslrootcert={authority}"),
        format!("{named}?sslmode=verify-full&sslrootcert={other}"),
        format!("{named}?sslmode=require&sslrootcert={other}"),
        format!("{named}?sslmode=verify-full"),
    ] {
        let said = project.recon(&["sql", is_encrypted, "--json", "--store", &url]);
        assert_eq!((said.code, said.out.as_str()), (4, ""), "{url}");
        assert!(said.err.contains("certificate"), "{url}: {}", said.err);
    }
}
