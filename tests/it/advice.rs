//! Help that a run gives is followed, and the run gets further.

use crate::program::Project;

/// A job of two small files whose key is an integer.
fn job(a: impl AsRef<[u8]>) -> Project {
    let project = Project::new();
    project
        .write(
            "recon.yaml",
            "version: 1
job: small
sources:
  a:
    system: LEFT
    read: { csv: { path: a.csv } }
    map: { id: id, v: v }
  b:
    system: RIGHT
    read: { csv: { path: b.csv } }
    map: { id: id, v: v }
key: [id]
fields:
  id: { type: integer }
  v: { type: text }
",
        )
        .write("a.csv", a)
        .write("b.csv", "id,v\n1,x\n2,y\n");
    project
}

/// Runs a job that fails with this code and this help, follows the help, and runs it again.
#[track_caller]
fn follow(project: &Project, code: &str, help: &str, from: &str, to: &str) {
    let said = project.recon(&["run"]);
    assert!(said.code == 2 || said.code == 3, "{} {}", said.code, said.err);
    assert!(said.err.contains(&format!("error[{code}]")), "{}", said.err);
    assert!(said.err.replace("\n", " ").contains(help), "{help}: {}", said.err);
    project.replace("recon.yaml", from, to);
    let said = project.recon(&["run"]);
    assert_eq!(said.code, 0, "{}", said.err);
}

const READ: &str = "path: a.csv }";
const REJECTED: &str = "all-rows-rejected";

#[test]
fn every_cause_of_rejecting_all_rows_has_its_own_help() {
    let project = job(b"id,v\n1,M\xfcller\n");
    follow(&project, REJECTED, "set `encoding`", READ, "path: a.csv, encoding: windows-1252 }");

    let project = job("id,v,w\n1,x\n2,y\n");
    let said = project.recon(&["run"]);
    assert!(said.err.contains("`delimiter` and `quote`"), "{}", said.err);

    let project = job("id,nr,v\n,1,x\n,2,y\n");
    follow(
        &project,
        REJECTED,
        "map another column",
        "map: { id: id, v: v }\n  b",
        "map: { id: nr, v: v }\n  b",
    );

    let project = job("id,v\nT1,x\nT2,y\n");
    follow(
        &project,
        REJECTED,
        "make the field `text`",
        "id: { type: integer }",
        "id: { type: text }",
    );
}

#[test]
fn a_wrong_delimiter_is_reported_once() {
    let project = job("id;v\n1;x\n2;y\n");
    let said = project.recon(&["check"]);
    assert_eq!(said.err.matches("error[").count(), 1, "{}", said.err);
    follow(
        &project,
        "wrong-delimiter",
        "set `delimiter: \";\"`",
        READ,
        "path: a.csv, delimiter: \";\" }",
    );
    let project = job("id\tv\n1\tx\n2\ty\n");
    follow(
        &project,
        "wrong-delimiter",
        "set `delimiter: \"\\t\"`",
        READ,
        "path: a.csv, delimiter: \"\\t\" }",
    );
    // A name that is missing for another reason keeps its own help.
    let project = job("id,w\n1,x\n");
    let said = project.recon(&["check"]);
    assert!(said.err.contains("error[missing-column]"), "{}", said.err);
}

#[test]
fn following_the_help_fills_an_empty_key() {
    let project = job("id,v\n,x\n2,y\n");
    project.write("b.csv", "id,v\n,x\n2,y\n").replace(
        "recon.yaml",
        "id: { type: integer }",
        "id: { type: text, null_equals: \"-\" }",
    );
    let said = project.recon(&["check"]);
    assert!(said.err.contains("error[key-null]"), "{}", said.err);
    assert!(!said.err.contains("default"), "{}", said.err);
    let help = said.err.replace('\n', " ");
    let script = help.split("`fn row").nth(1).unwrap().split('`').next().unwrap();
    project
        .write("rules.rhai", format!("fn row{script}"))
        .replace("recon.yaml", ", null_equals: \"-\"", "")
        .replace("recon.yaml", "key: [id]", "rules: { normalize: rules.rhai }\nkey: [id]");
    let summary = project.json(&["run", "--json"]);
    assert_eq!(summary["records"]["matched"], 2);
}

#[test]
fn columns_read_by_scripts_are_not_reported_as_unmapped() {
    let project = job("id,v,net,status,note\n1,x,5,live,a\n2,y,6,dead,b\n");
    project
        .replace("recon.yaml", "system: LEFT\n", "system: LEFT\n    filter: is_live\n    script: a.rhai\n")
        .write(
            "a.rhai",
            "fn is_live(raw) { raw.status != \"dead\" }\nfn row(raw, r) { if raw[\"net\"] == () { r.v = (); } r }\n",
        );
    let said = project.recon(&["check"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("unmapped columns of source A: note\n"), "{}", said.out);
    let said = project.recon(&["run"]);
    assert!(said.out.contains("Unmapped columns"), "{}", said.out);
    project.replace("a.rhai", "raw.status", "raw.stauts");
    let said = project.recon(&["check"]);
    assert_eq!(said.code, 2, "{}", said.out);
    assert!(
        said.err.contains("error[filter-column]") && said.err.contains("did you mean `status`?"),
        "{}",
        said.err
    );
    project.write("a.rhai", "fn is_live(raw) { true }\n");
    let said = project.recon(&["check"]);
    assert!(said.err.contains("names no column of source A"), "{}", said.err);
}
