//! docs/moving.md: its commands and queries run, and its figures match the example.

use std::path::Path;
use std::process::Command;

use crate::program::Project;

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/moving.md");
    std::fs::read_to_string(path).unwrap()
}

/// The fenced blocks of the page with their language, in order.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut fence: Option<(String, String)> = None;
    for line in page.lines().map(str::trim) {
        match (line.strip_prefix("```"), fence.take()) {
            (Some(_), Some(done)) => blocks.push(done),
            (Some(language), None) => fence = Some((language.to_owned(), String::new())),
            (None, Some((language, text))) => fence = Some((language, text + line + "\n")),
            (None, None) => {}
        }
    }
    blocks
}

#[test]
fn the_commands_and_queries_of_docs_moving_run_in_order() {
    let project = Project::of(".");
    let (mut commands, mut queries) = (0, 0);
    for (language, text) in blocks(&page()) {
        if language == "sql" {
            let rows = project.sql(&text);
            assert!(!rows.as_array().unwrap().is_empty(), "no rows: {text}");
            queries += 1;
            continue;
        }
        for line in text.lines().filter(|line| !line.is_empty()) {
            let script = line.replacen("recon ", "\"$RECON\" ", 1);
            let said = Command::new("sh")
                .args(["-c", &script])
                .env("RECON", env!("CARGO_BIN_EXE_recon"))
                .env_remove("RECON_STORE")
                .current_dir(project.path(""))
                .output()
                .unwrap();
            assert!(said.status.success(), "{line}: {}", String::from_utf8_lossy(&said.stderr));
            commands += 1;
        }
    }
    assert!(commands >= 8 && queries >= 4, "{commands} commands, {queries} queries");
    assert!(project.path("differences.csv").exists() && project.path("differences.xlsx").exists());
}

#[test]
fn the_example_has_the_three_rejected_rows_of_docs_moving() {
    let summary = Project::of(".").json(&["run", "--json"]);
    assert_eq!(summary["status"], "COMPLETED_WITH_ERRORS");
    let codes: Vec<_> =
        summary["rejected"].as_array().unwrap().iter().map(|row| row["code"].clone()).collect();
    assert_eq!(codes, ["RAGGED_ROW", "NULL_KEY", "RAGGED_ROW"]);
}

#[test]
fn the_figures_of_docs_moving_match_the_run() {
    let summary = Project::of("examples/from_datacompy").json(&["run", "--json"]);
    let records = &summary["records"];
    let page = page();
    for name in
        ["a", "b", "aligned", "matched", "breaks", "missing_in_b", "duplicates_a", "missing_in_a"]
    {
        let cell = format!("`{name}` {}", records[name]);
        assert!(page.contains(&cell), "{cell}");
    }
    assert!(page.contains(&format!("of them {} within tolerance", records["within_tolerance"])));
    for (field, count) in summary["differences"]["by_field"].as_object().unwrap() {
        if field != "ENTIRE_RECORD" {
            assert!(page.contains(&format!("`{field}` {count}")), "{field}");
        }
    }
}
