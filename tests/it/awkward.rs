//! Bad input is normal input: it is reported with its place, nothing is lost, and nothing panics.

use crate::program::Project;

const JOB: &str = r#"version: 1
job: awkward
sources:
  a:
    system: LEFT
    read: { csv: { path: a.csv } }
    map: { id: id, day: day, amount: amount, name: name }
  b:
    system: RIGHT
    read: { csv: { path: b.csv } }
    map: { id: id, day: day, amount: amount, name: name }
key: [id]
fields:
  id: { type: text, normalize: [trim] }
  day: { type: date }
  amount: { type: decimal, tolerance: { absolute: 0.005 } }
  name: { type: text }
"#;

fn job(a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> Project {
    let project = Project::new();
    project.write("recon.yaml", JOB).write("a.csv", a).write("b.csv", b);
    project
}

#[test]
fn malformed_rows_are_counted_named_and_kept() {
    let a =
        b"id,day,amount,name\r\n1,2026-01-02,1.00,x\r\n2,2026-01-02,1.00\r\n,2026-01-02,3,x\r\n\
              4,2026-01-02,1.00,\xff\xfe\r\n5,2026-01-02,1.00,x\r\n";
    let b = "\u{feff}id,day,amount,name\n1,2026-01-02,1.00,x\n2,2026-01-02,1.00,x\n5,2026-01-02,1.00,x\n";
    let project = job(a, b);
    let summary = project.json(&["run", "--json"]);
    assert_eq!(summary["status"], "COMPLETED_WITH_ERRORS");
    let records = &summary["records"];
    assert_eq!((records["a"].as_u64(), records["rejected_a"].as_u64()), (Some(5), Some(3)));
    assert_eq!((records["aligned"].as_u64(), records["missing_in_a"].as_u64()), (Some(2), Some(1)));
    let rejected =
        project.sql("SELECT line, code, text, key FROM recon.rejected_rows ORDER BY line");
    let codes: Vec<_> = (0..3)
        .map(|at| (rejected[at]["line"].as_u64().unwrap(), rejected[at]["code"].as_str().unwrap()))
        .collect();
    assert_eq!(codes, [(3, "RAGGED_ROW"), (4, "NULL_KEY"), (5, "BAD_ENCODING")]);
    assert_eq!(rejected[0]["text"], "2,2026-01-02,1.00");
    assert_eq!(rejected[0]["key"], "2");
}

#[test]
fn the_partner_of_a_rejected_row_is_never_accepted_automatically() {
    let project = job(
        "id,day,amount,name\n1,2026-01-02,1\n2,2026-01-02,1,x\n",
        "id,day,amount,name\n1,2026-01-02,1,x\n3,2026-01-02,1,x\n",
    );
    project.write(
        "rules.rhai",
        "fn attribute_missing(d) { if d.partner_rejected { note(\"rejected\"); } reason(\"GONE\", 1.0) }\n",
    );
    let rules = "rules: { attribute: [rules.rhai] }\nreason_codes: { GONE: { functional: false, description: gone } }\n";
    project.write("recon.yaml", format!("{JOB}{rules}"));
    let summary = project.json(&["run", "--json"]);
    assert_eq!(summary["attributions"]["by_status"]["ACCEPTED"], 2);
    assert_eq!(summary["attributions"]["by_status"]["UNKNOWN"], 1);
    let explained = project.json(&["explain", "1", "--json"]);
    assert_eq!(explained["records"][0]["rejected_partner_line"], 2);
    let notes = explained["records"][0]["difference"]["attribution"]["notes"].to_string();
    assert!(notes.contains("rejected"), "{notes}");
}

#[test]
fn unparsable_values_are_differences_and_nothing_is_coerced() {
    let project = job(
        "id,day,amount,name\n1,31/12/2026,1.00,x\n2,2026-01-02,1O.0,x\n3,2026-01-02,,x\n4,2026-01-02,0.1,x\n",
        "id,day,amount,name\n1,31/12/2026,1.00,x\n2,2026-01-02,,x\n3,2026-01-02,0.00,x\n4,2026-01-02,0.105,x\n",
    );
    let summary = project.json(&["run", "--json"]);
    assert_eq!(summary["differences"]["by_type"]["TYPE_MISMATCH"], 2);
    assert_eq!(summary["differences"]["by_type"]["NULL_MISMATCH"], 1);
    assert_eq!(summary["records"]["within_tolerance"], 1);
    let stored = project
        .sql("SELECT normalized_data_a AS a FROM recon.recon_records WHERE source_a_ref_id = '1'");
    assert!(stored[0]["a"].as_str().unwrap().contains(r#"{"unparsed":"31/12/2026"}"#), "{stored}");
}

#[test]
fn unreadable_sources_are_exit_3() {
    let header = "id,day,amount,name\n";
    let cases: [(&str, &[u8], &str); 3] = [
        ("empty file", b"", "no-header"),
        ("only rejected rows", b"id,day,amount,name\n,,,\n,,,\n", "all-rows-rejected"),
        ("no utf-8 at all", b"\xff\xfei\0d\0", ""),
    ];
    for (name, bytes, code) in cases {
        let said = job(bytes, header).recon(&["run", "--json"]);
        assert_eq!((said.code, said.out.as_str()), (3, ""), "{name}: {}", said.err);
        assert!(said.err.contains(code), "{name}: {}", said.err);
    }
    let project = job(header, header);
    std::fs::remove_file(project.path("b.csv")).unwrap();
    let said = project.recon(&["run"]);
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.err.contains("b.csv") && said.err.contains("help"), "{}", said.err);
}

#[test]
fn a_header_without_rows_is_an_empty_source() {
    let header = "id,day,amount,name\n";
    let summary = job(header, header).json(&["run", "--json"]);
    assert_eq!(summary["records"]["a"], 0);
    assert_eq!(summary["attributions"]["stp_rate"], 0.0);
}

#[test]
fn a_mapped_column_missing_from_the_header_is_exit_2_with_its_place() {
    let project = job("id,day,amnt,name\n", "id,day,amount,name\n");
    let said = project.recon(&["check"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("recon.yaml:7:") && said.err.contains("amnt"), "{}", said.err);
}

#[test]
fn too_many_rejected_rows_are_exit_3() {
    let rows = "id,day,amount,name\n1,2026-01-02,1,x\n,2026-01-02,1,x\n";
    let project = job(rows, rows);
    for (limit, code) in [("0", 3), ("49%", 3), ("50%", 0), ("1", 0)] {
        project.write("recon.yaml", format!("{JOB}options: {{ max_rejected: \"{limit}\" }}\n"));
        let said = project.recon(&["run"]);
        assert_eq!(said.code, code, "{limit}");
        assert_eq!(said.err.contains("too-many-rejected"), code == 3, "{limit}: {}", said.err);
    }
}

#[test]
fn a_failing_rule_is_reported_and_the_run_continues() {
    for (body, word) in [("d.nothing.more", "nothing"), ("attribute_bad(d)", "levels deep")] {
        let rows = |amount: &str| format!("id,day,amount,name\n1,2026-01-02,{amount},x\n");
        let project = job(rows("1"), rows("2"));
        project.write("rules.rhai", format!("// a rule\nfn attribute_bad(d) {{\n    {body}\n}}\n"));
        let rules = "rules: { attribute: [rules.rhai] }\n";
        project.write("recon.yaml", format!("{JOB}{rules}"));
        let said = project.recon(&["run", "--json"]);
        assert_eq!(said.code, 0, "{}", said.err);
        let place = "rules.rhai:3:";
        assert!(said.err.contains(place) && said.err.contains(word), "{}", said.err);
        assert!(said.out.contains("COMPLETED_WITH_ERRORS"), "{}", said.out);
        project.write("recon.yaml", format!("{JOB}{rules}options: {{ on_rule_error: stop }}\n"));
        assert_eq!(project.recon(&["run"]).code, 2);
    }
}

#[test]
fn a_huge_line_and_quoted_line_breaks_are_read_as_they_are() {
    let name = "x".repeat(3 << 20);
    let row = format!("1,2026-01-02,1,\"a \"\"quoted\"\"\nname, {name}\"\n");
    let project = job(format!("id,day,amount,name\n{row}"), format!("id,day,amount,name\n{row}"));
    let summary = project.json(&["run", "--json"]);
    assert_eq!(summary["records"]["matched"], 1);
}

#[test]
fn wrong_usage_is_exit_2_and_a_store_that_fails_exit_4() {
    let project = Project::new();
    assert_eq!(project.recon(&["rnu"]).code, 2);
    assert_eq!(project.recon(&["run"]).code, 2);
    assert_eq!(project.recon(&["runs", "list", "--store", "sqlite:none.db"]).code, 4);
    assert_eq!(
        project.recon(&["runs", "list", "--store", "postgres://nobody@127.0.0.1:1/x"]).code,
        4
    );
    project.write("not.db", "this is a text, not a database, however long it may be made");
    assert_eq!(project.recon(&["runs", "list", "--store", "sqlite:not.db"]).code, 4);
    assert_eq!(project.recon(&["run", "--batch-date", "2026-02-30"]).code, 2);
}

#[test]
fn sql_only_reads() {
    let project = Project::of(".");
    project.json(&["run", "--json"]);
    for statement in [
        "DELETE FROM recon.recon_runs",
        "PRAGMA user_version",
        "ATTACH 'x.db' AS x",
        "SELECT 1; DELETE FROM recon.recon_runs",
        "WITH x AS (SELECT 1) INSERT INTO recon.reason_codes (code, description, is_functional) SELECT 'X', 'x', 1",
        "this is no sql",
    ] {
        let said = project.recon(&["sql", statement]);
        assert!(matches!(said.code, 2 | 4), "{statement}: {} {}", said.code, said.out);
        assert_eq!(said.out, "", "{statement}");
    }
    let said = project.recon(&["sql", "SELECT job FROM recon.recon_runs", "--format", "csv"]);
    assert_eq!(said.out, "job\nfx_trades_eod\n");
    assert_eq!(project.recon(&["sql", "SELECT 1 AS x WHERE 0", "--json"]).out, "[]\n");
}
