//! Runs from the outside: one pass against three commands, any number of threads, repeated and
//! killed runs, and `--fail-on`.

use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::program::Project;

/// Records, differences and attributions without ids and times, in a fixed order.
fn content(project: &Project) -> Vec<Json> {
    [
        "SELECT source_a_ref_id, source_b_ref_id, normalized_data_a, normalized_data_b, line_a, \
         line_b, gate_status FROM recon.recon_records r JOIN recon.recon_runs USING (run_id) \
         WHERE superseded_by IS NULL AND stage = 'ATTRIBUTED' ORDER BY 1, 2, 5, 6",
        "SELECT r.source_a_ref_id, r.source_b_ref_id, r.line_a, r.line_b, d.field_name, d.value_a, \
         d.value_b, d.diff_type, d.severity, c.code, a.confidence_score, a.status, a.assigned_by \
         FROM recon.recon_runs u \
         JOIN recon.data_differences d ON d.run_id = u.run_id \
         JOIN recon.recon_records r ON r.run_id = u.run_id AND r.record_id = d.record_id \
         JOIN recon.attributions a ON a.run_id = u.run_id AND a.diff_id = d.diff_id \
         JOIN recon.reason_codes c ON c.reason_id = a.reason_id \
         WHERE u.superseded_by IS NULL AND u.stage = 'ATTRIBUTED' ORDER BY 1, 2, 3, 4, 5",
        "SELECT side, line, code, message FROM recon.rejected_rows ORDER BY 1, 2",
    ]
    .into_iter()
    .map(|statement| project.sql(statement))
    .collect()
}

#[test]
fn one_pass_stores_what_the_three_commands_store() {
    for keep in ["all", "breaks"] {
        let option = format!("keep: {keep}");
        let (pass, steps) = (Project::of("."), Project::of("."));
        for project in [&pass, &steps] {
            project.replace("recon.yaml", "keep: all", &option);
        }
        let summary = pass.json(&["run", "--json"]);
        steps.json(&["ingest", "--json"]);
        steps.json(&["diff", "--json"]);
        let stepwise = steps.json(&["attribute", "--json"]);
        for part in ["records", "differences", "attributions", "gate", "status"] {
            assert_eq!(summary[part], stepwise[part], "{keep}: {part}");
        }
        assert_eq!(content(&pass), content(&steps), "{keep}");
        let stored = pass.sql("SELECT count(*) AS n FROM recon.recon_records");
        let all = summary["gate"]["passed"].as_u64().unwrap()
            + summary["gate"]["blocked"].as_u64().unwrap();
        let expected =
            if keep == "all" { all } else { summary["records"]["breaks"].as_u64().unwrap() };
        assert_eq!(stored[0]["n"], expected);
    }
}

#[test]
fn diff_and_attribute_again_change_nothing() {
    let project = Project::of(".");
    project.json(&["run", "--json"]);
    let before = content(&project);
    project.json(&["diff", "--json"]);
    project.json(&["attribute", "--json"]);
    project.json(&["attribute", "--again", "--json"]);
    assert_eq!(content(&project), before);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let one = Project::of(".");
    one.replace("recon.yaml", "  keep: all", "  threads: 1\n  keep: all").json(&["run", "--json"]);
    for threads in ["2", "7"] {
        let many = Project::of(".");
        many.replace("recon.yaml", "  keep: all", &format!("  threads: {threads}\n  keep: all"));
        many.json(&["run", "--json"]);
        assert_eq!(content(&one), content(&many), "{threads} threads");
    }
}

#[test]
fn a_repeated_run_supersedes_the_previous_one() {
    let project = Project::of(".");
    let first = project.json(&["run", "--json", "--batch-date", "2026-01-15"]);
    let second = project.json(&["run", "--json", "--batch-date", "2026-01-15"]);
    let other = project.json(&["run", "--json", "--batch-date", "2026-01-16"]);
    let runs = project
        .sql("SELECT run_id, superseded_by FROM recon.recon_runs ORDER BY start_time, run_id");
    assert_eq!(runs[0]["run_id"], first["run_id"]);
    assert_eq!(runs[0]["superseded_by"], second["run_id"]);
    assert_eq!(runs[1]["superseded_by"], Json::Null);
    assert_eq!(runs[2]["superseded_by"], Json::Null);
    assert_eq!(project.json(&["report", "--json"])["run_id"], other["run_id"]);
}

#[test]
fn changed_rules_print_a_hint_and_again_applies_them() {
    let project = Project::of(".");
    let before = project.json(&["run", "--json"]);
    let rules = std::fs::read_to_string(project.path("rules/attribution.rhai")).unwrap();
    let all = "fn attribute_all(d) { reason(\"SYSTEM_CONVERSION\", 1.0) }\n";
    project.write("rules/attribution.rhai", format!("{all}{rules}"));
    let hinted = project.recon(&["attribute", "--json"]);
    assert!(hinted.err.contains("rules-changed"), "{}", hinted.err);
    assert_eq!(
        serde_json::from_str::<Json>(&hinted.out).unwrap()["attributions"],
        before["attributions"]
    );
    let after = project.json(&["attribute", "--again", "--json"]);
    let total = before["differences"]["total"].clone();
    assert_eq!(after["attributions"]["by_reason"]["SYSTEM_CONVERSION"], total);
    let stored = project.sql(
        "SELECT count(*) AS n FROM recon.attributions WHERE assigned_by = 'RULE:attribute_all'",
    );
    assert_eq!(stored[0]["n"], total);
}

#[test]
fn a_stored_run_must_be_compared_as_it_was_ingested() {
    let project = Project::of(".");
    project.json(&["ingest", "--json"]);
    project.replace("recon.yaml", "absolute: 0.005", "absolute: 0.006");
    let said = project.recon(&["diff", "--json"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("ingest again"), "{}", said.err);
}

#[test]
fn fail_on_turns_findings_into_an_exit_code() {
    let project = Project::of(".");
    for what in ["breaks", "unknown", "blocked", "rejected"] {
        let said = project.recon(&["run", "--json", "--fail-on", what]);
        assert_eq!(said.code, 1, "{what}");
        assert!(said.out.starts_with('{'), "{what}");
    }
    assert_eq!(project.recon(&["report", "--fail-on", "breaks"]).code, 1);
    assert_eq!(project.recon(&["run"]).code, 0);
}

#[test]
fn the_next_command_repairs_the_store_after_a_killed_run() {
    let project = Project::of(".");
    let first = project.json(&["run", "--json"]);
    // A larger job of the same kind, so that there is time to kill it.
    project.json(&["generate", "--rows", "60000", "-o", "big", "--json"]);
    let store = format!("sqlite:{}", project.path("recon.db").display());
    let runs = ["-c", "big/recon.yaml", "--store", &store, "run", "--json"];
    let count = || project.sql("SELECT count(*) AS n FROM recon.recon_runs")[0]["n"].clone();
    for delay in [0, 20, 60, 120, 200] {
        let before = count();
        let mut child = project.command(&runs).stdout(std::process::Stdio::null()).spawn().unwrap();
        let began = Instant::now();
        while count() == before {
            assert!(began.elapsed() < Duration::from_secs(60), "the run never began");
        }
        // At different moments of the run.
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let list = project.json(&["runs", "list", "--json"]);
    let statuses: Vec<_> = list["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["status"].as_str().unwrap())
        .collect();
    assert!(!statuses.contains(&"RUNNING"), "{statuses:?}");
    assert!(statuses.contains(&"FAILED"), "no run was killed at work: {statuses:?}");
    let visible = project.sql(
        "SELECT count(*) AS n FROM recon.recon_records r JOIN recon.recon_runs u USING (run_id) \
         WHERE u.status = 'FAILED'",
    );
    assert_eq!(visible[0]["n"], 0);
    let last = project.json(&runs);
    assert_eq!(last["status"], "COMPLETED");
    let kept = project.json(&["report", "--json", "--run", first["run_id"].as_str().unwrap()]);
    assert_eq!(kept["records"], first["records"]);
}

/// Waits until the store says that a run is at work.
fn wait_until_running(project: &Project) {
    let running =
        ["sql", "--format", "json", "SELECT status FROM recon.recon_runs WHERE status = 'RUNNING'"];
    let began = Instant::now();
    while !project.path("recon.db").exists() || !project.recon(&running).out.contains("RUNNING") {
        assert!(began.elapsed() < Duration::from_secs(60), "the run was never seen at work");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_interrupted_run_exits_130_and_is_failed() {
    let project = Project::new();
    project.json(&["generate", "--rows", "200000", "-o", ".", "--json"]);
    let child = project
        .command(&["run", "--json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    wait_until_running(&project);
    let killed =
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.unwrap().success());
    let said = crate::program::Said::from(crate::program::ended(child));
    assert_eq!((said.code, said.out.as_str()), (130, ""), "{}", said.err);
    let runs = project.json(&["runs", "list", "--json"]);
    assert_eq!(runs["runs"][0]["status"], "FAILED");
    assert!(said.err.contains("interrupted"), "{}", said.err);
    assert_eq!(project.json(&["run", "--json"])["status"], "COMPLETED");
}

#[test]
fn a_second_run_of_the_same_job_waits_and_then_names_the_holder() {
    let project = Project::new();
    project.json(&["generate", "--rows", "200000", "-o", ".", "--json"]);
    let mut child =
        project.command(&["run", "--json"]).stdout(std::process::Stdio::null()).spawn().unwrap();
    wait_until_running(&project);
    let said = project.recon(&["run", "--json", "--lock-timeout", "0"]);
    assert!(child.wait().unwrap().success());
    assert_eq!(said.code, 4, "{}", said.err);
    assert!(said.err.contains(&child.id().to_string()), "{}", said.err);
}
