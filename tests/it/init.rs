//! `recon init`: what is guessed from two files works as it stands.

use serde_json::Value as Json;

use crate::program::Project;

#[test]
fn the_guessed_job_finds_what_the_hand_written_one_finds() {
    let project = Project::of("examples/fx_trades");
    let guesses = project.json(&["init", "front_office.csv", "risk.csv", "--json"]);
    assert!(guesses.is_object(), "{guesses}");
    assert_eq!(project.recon(&["check"]).code, 0);
    let summary = project.json(&["run", "--json"]);
    let file = project.path("expected.json");
    let expected: Json = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(summary["records"], expected["records"]);
    assert_eq!(summary["differences"]["by_type"], expected["differences"]["by_type"]);
}

#[test]
fn nothing_is_overwritten_without_force() {
    let project = Project::of(".");
    let before = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
    let said = project.recon(&["init"]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("--force"), "{}", said.err);
    assert_eq!(std::fs::read_to_string(project.path("recon.yaml")).unwrap(), before);
    assert_eq!(project.recon(&["init", "--force"]).code, 0);
}
