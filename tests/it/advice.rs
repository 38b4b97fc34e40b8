//! Following the help of a failed run gets the run further.

mod around;
mod catalogue;
mod server;
mod settings;

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

/// Runs a job that fails with this code and help, applies the help, and runs it again.
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
    // Spaces around names hide them whatever the delimiter.
    let project = job("id, amount\n1, x\n2, y\n");
    project.replace("recon.yaml", "v: v }\n  b", "v: amount }\n  b");
    let help = "did you mean ` amount`?";
    follow(&project, "missing-column", help, "v: amount", "v: \" amount\"");
    // A name missing for another reason keeps its own help.
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

/// The remedies in the help of commands are followed, step by step; then the command that failed succeeds.
#[test]
fn following_the_help_of_a_command_gets_further() {
    type Step = &'static [&'static str];
    struct Case {
        before: &'static [Step],
        failing: Step,
        code: &'static str,
        help: &'static str,
        remedy: &'static [Step],
        then: Step,
    }
    const RUN: Step = &["run"];
    const MADE: Step = &["generate", "--rows", "1000", "--output", "made"];
    const MADE_RUN: Step = &["run", "-c", "made/recon.yaml"];
    const TRAIN: Step = &["train", "-c", "made/recon.yaml", "--labels", "made/labels.csv"];
    let cases = [
        Case {
            before: &[],
            failing: &["report"],
            code: "store-missing",
            help: "recon run",
            remedy: &[RUN],
            then: &["report"],
        },
        Case {
            before: &[&["migrate"]],
            failing: &["report"],
            code: "no-run",
            help: "recon run",
            remedy: &[RUN],
            then: &["report"],
        },
        Case {
            before: &[RUN, &["run", "--batch-date", "2026-01-02"]],
            failing: &["report", "--run", "0"],
            code: "run-ambiguous",
            help: "give a longer prefix",
            remedy: &[],
            then: &["report", "--run", "latest"],
        },
        Case {
            before: &[&["ingest"]],
            failing: &["ingest", "--fail-on", "breaks"],
            code: "fail-on-stage",
            help: "give it to `recon run`",
            remedy: &[],
            then: &["run", "--fail-on", "rejected"],
        },
        Case {
            before: &[],
            failing: &["init", "a.csv", "b.csv"],
            code: "file-exists",
            help: "--force",
            remedy: &[],
            then: &["init", "a.csv", "b.csv", "--force"],
        },
        Case {
            before: &[MADE],
            failing: MADE,
            code: "file-exists",
            help: "--force",
            remedy: &[],
            then: &["generate", "--rows", "1000", "--output", "made", "--force"],
        },
        Case {
            before: &[RUN],
            failing: &["report", "--format", "text", "--bom"],
            code: "not-csv",
            help: "--format csv",
            remedy: &[],
            then: &["report", "--format", "csv", "--bom"],
        },
        Case {
            before: &[RUN],
            failing: &["sql", "SELECT * FROM recon.tokens"],
            code: "sql-secret",
            help: "recon sql --tables",
            remedy: &[&["sql", "--tables"]],
            then: &["sql", "SELECT token_id FROM recon.tokens"],
        },
        Case {
            before: &[RUN],
            failing: &["sql", "SELECT 1 UNION ALL SELECT 2", "--limit", "1"],
            code: "sql-too-many-rows",
            help: "add a LIMIT",
            remedy: &[],
            then: &["sql", "SELECT 1 UNION ALL SELECT 2 LIMIT 1", "--limit", "1"],
        },
        Case {
            before: &[RUN],
            failing: &["sql", "DELETE FROM recon.recon_runs"],
            code: "sql-refused",
            help: "SELECT",
            remedy: &[],
            then: &["sql", "SELECT count(*) FROM recon.recon_runs"],
        },
        Case {
            before: &[RUN],
            failing: &["report", "--run", "0123456"],
            code: "no-run",
            help: "recon runs list",
            remedy: &[&["runs", "list"]],
            then: &["report", "--run", "latest"],
        },
        Case {
            before: &[&["ingest"]],
            failing: &["attribute"],
            code: "not-compared",
            help: "recon diff",
            remedy: &[&["diff"]],
            then: &["attribute"],
        },
        Case {
            before: &[RUN],
            failing: &["breaks", "show", "3"],
            code: "no-such-break",
            help: "recon breaks list --json",
            remedy: &[&["breaks", "list", "--json"]],
            then: &["breaks", "show", "2"],
        },
        Case {
            before: &[RUN],
            failing: &["report", "--format", "csv", "--statement"],
            code: "statement-format",
            help: "`html` and `xlsx` contain the statement",
            remedy: &[&["report", "--format", "html", "--output", "report.html"]],
            then: &["report", "--format", "md", "--statement"],
        },
        Case {
            before: &[],
            failing: &["init", "other.csv", "a.csv", "--force"],
            code: "nothing-in-common",
            help: "`recon init` without files",
            remedy: &[],
            then: &["init", "--force"],
        },
        Case {
            before: &[],
            failing: &["runs", "list", "--store", "mysql://server/database"],
            code: "store-url",
            help: "sqlite:PATH",
            remedy: &[&["run", "--store", "sqlite:recon.db"]],
            then: &["runs", "list", "--store", "sqlite:recon.db"],
        },
        Case {
            before: &[],
            failing: &["run", "--store", "sqlite:a.csv"],
            code: "store-corrupt",
            help: "name another file with --store",
            remedy: &[],
            then: &["run", "--store", "sqlite:recon.db"],
        },
        Case {
            before: &[RUN],
            failing: &["serve", "--bind", "0.0.0.0:0"],
            code: "server-exposed",
            help: "127.0.0.1",
            remedy: &[],
            then: &["check"],
        },
        Case {
            before: &[MADE, MADE_RUN],
            failing: &["train", "-c", "made/recon.yaml"],
            code: "training-empty",
            help: "--labels FILE",
            remedy: &[],
            then: TRAIN,
        },
        Case {
            before: &[MADE, MADE_RUN],
            failing: &["train", "-c", "made/recon.yaml", "--labels", "a.csv"],
            code: "labels-columns",
            help: "(transaction_id), `field` and `reason`",
            remedy: &[],
            then: TRAIN,
        },
        Case {
            before: &[MADE, MADE_RUN],
            failing: &["evaluate", "-c", "made/recon.yaml"],
            code: "evaluate-empty",
            help: "--labels FILE",
            remedy: &[],
            then: &["evaluate", "-c", "made/recon.yaml", "--labels", "made/labels.csv"],
        },
        Case {
            before: &[MADE, MADE_RUN],
            failing: &["model", "promote", "1", "-c", "made/recon.yaml"],
            code: "no-such-model",
            help: "recon model list",
            // The list without a model names the command that trains one.
            remedy: &[&["model", "list", "-c", "made/recon.yaml"], TRAIN],
            then: &["model", "promote", "1", "-c", "made/recon.yaml"],
        },
        Case {
            before: &[MADE, MADE_RUN],
            failing: &["model", "rollback", "-c", "made/recon.yaml"],
            code: "no-model",
            help: "recon train",
            remedy: &[TRAIN],
            then: &["model", "list", "-c", "made/recon.yaml"],
        },
        Case {
            before: &[RUN],
            failing: &["audit", "verify", "--checkpoint", "password"],
            code: "checkpoint-damaged",
            help: "compare with another copy",
            remedy: &[&["audit", "checkpoint", "--out", "copy"]],
            then: &["audit", "verify", "--checkpoint", "copy"],
        },
        Case {
            before: &[RUN],
            failing: &["audit", "verify", "--checkpoint", "empty"],
            code: "no-checkpoint",
            help: "recon audit checkpoint --out FILE",
            remedy: &[&["audit", "checkpoint", "--out", "empty"]],
            then: &["audit", "verify", "--checkpoint", "empty"],
        },
        Case {
            before: &[RUN],
            failing: &["audit", "verify", "--export", "a.csv"],
            code: "no-export",
            help: "recon audit export --out FILE",
            remedy: &[&["audit", "export", "--out", "trail.csv"]],
            then: &["audit", "verify", "--export", "trail.csv"],
        },
        Case {
            before: &[RUN],
            failing: &["user", "add", "ann", "--role", "analyst", "--password-file", "short"],
            code: "password-short",
            help: "12 characters or more",
            remedy: &[],
            then: &["user", "add", "ann", "--role", "analyst", "--password-file", "password"],
        },
        Case {
            before: &[RUN],
            failing: &["explain", "99"],
            code: "no-such-record",
            help: "recon sql",
            remedy: &[&["report"]],
            then: &["explain", "2"],
        },
        Case {
            before: &[RUN],
            failing: &["runs", "list", "-c", "none.yaml"],
            code: "no-store",
            help: "--store",
            remedy: &[],
            then: &["runs", "list", "-c", "none.yaml", "--store", "sqlite:recon.db"],
        },
        Case {
            before: &[MADE, MADE_RUN],
            failing: &["evaluate", "-c", "made/recon.yaml", "--labels", "none.csv"],
            code: "labels-unreadable",
            help: "",
            remedy: &[],
            then: &["evaluate", "-c", "made/recon.yaml", "--labels", "made/labels.csv"],
        },
        Case {
            before: &[RUN],
            failing: &["report", "--output", "no/such/report.md"],
            code: "output-failed",
            help: "",
            remedy: &[],
            then: &["report", "--output", "report.md"],
        },
        Case {
            before: &[],
            failing: &["generate", "--rows", "100", "--output", "a.csv/made"],
            code: "cannot-write",
            help: "",
            remedy: &[],
            then: &["generate", "--rows", "100", "--output", "made"],
        },
        Case {
            before: &[RUN],
            failing: &["audit", "verify", "--export", "none.csv"],
            code: "unreadable",
            help: "",
            remedy: &[&["audit", "export", "--out", "trail.csv"]],
            then: &["audit", "verify", "--export", "trail.csv"],
        },
        Case {
            before: &[RUN],
            failing: &["migrate", "--owner-url", "postgres://owner@host/db"],
            code: "owner-url",
            help: "",
            remedy: &[],
            then: &["migrate"],
        },
        Case {
            before: &[],
            failing: &["test"],
            code: "no-fixtures",
            help: "",
            // `recon init` writes rules and their fixtures.
            remedy: &[&["init", "a.csv", "b.csv", "--force"]],
            then: &["test"],
        },
        Case {
            before: &[RUN],
            failing: &["runs", "prune", "--keep", "9d", "-c", "no", "--store", "sqlite:recon.db"],
            code: "no-job",
            help: "",
            remedy: &[],
            then: &[
                "runs",
                "prune",
                "--keep",
                "9d",
                "-c",
                "no",
                "--store",
                "sqlite:recon.db",
                "--all-jobs",
            ],
        },
        Case {
            before: &[&["ingest"], &["diff"]],
            failing: &["discover"],
            code: "not-attributed",
            help: "recon attribute",
            remedy: &[&["attribute"]],
            then: &["discover"],
        },
        Case {
            before: &[&["migrate"]],
            failing: &["audit", "checkpoint", "--out", "checkpoints"],
            code: "empty-trail",
            help: "",
            remedy: &[RUN],
            then: &["audit", "checkpoint", "--out", "checkpoints"],
        },
        Case {
            before: &[],
            failing: &["init", "page.html", "b.csv", "--force"],
            code: "source-not-delimited",
            help: "",
            remedy: &[],
            then: &["init", "a.csv", "b.csv", "--force"],
        },
        Case {
            before: &[RUN],
            failing: &["sql", "SELEC"],
            code: "sql",
            help: "",
            remedy: &[&["sql", "--tables"]],
            then: &["sql", "SELECT 1"],
        },
        Case {
            before: &[],
            failing: &["check", "-c", "latin.yaml"],
            code: "config-unreadable",
            help: "",
            remedy: &[],
            then: &["check"],
        },
        Case {
            before: &[],
            failing: &["generate", "--rows", "100", "--output", "more", "--noise", "much.yaml"],
            code: "noise-sum",
            help: "",
            remedy: &[],
            then: &["generate", "--rows", "100", "--output", "more", "--noise", "less.yaml"],
        },
        Case {
            before: &[RUN],
            failing: &["user", "add", "ann", "--role", "analyst"],
            code: "no-password",
            help: "--password-file",
            remedy: &[],
            then: &["user", "add", "ann", "--role", "analyst", "--password-file", "password"],
        },
    ];
    for Case { before, failing, code, help, remedy, then } in cases {
        let project = job("id,v\n1,x\n2,z\n");
        project
            .write("password", "four words of hers\n")
            .write("short", "a word\n")
            .write("empty", "")
            .write("much.yaml", "fx_variance: 60%\ntiming_lag: 60%\n")
            .write("less.yaml", "fx_variance: 60%\ntiming_lag: 6%\n")
            .write("page.html", "<html><body><table><tr><td>1</td></tr></table></body></html>\n")
            .write("latin.yaml", b"job: M\xfcller\n")
            .write("other.csv", "p;q\n7;8\n");
        let done = |step: Step| {
            let said = project.recon(step);
            assert_eq!(said.code, 0, "{code}: {step:?}: {}", said.err);
        };
        before.iter().for_each(|step| done(step));
        let said = project.recon(failing);
        assert!(said.code > 0, "{failing:?} is no mistake");
        let error = said.err.replace('\n', " ");
        assert!(error.contains(&format!("error[{code}]")), "{failing:?}: {error}");
        assert!(error.contains(help), "{failing:?}: {error}");
        remedy.iter().for_each(|step| done(step));
        done(then);
    }
}

/// The setting that a source's help names is put into `recon.yaml`, and the run succeeds.
#[test]
fn following_the_help_of_a_source_lets_the_run_go_on() {
    /// The text in place of `csv: { path: a.csv }`, the code and its help, and the setting that the help names.
    type Case = (&'static str, &'static str, &'static str, &'static str);
    let cases: &[Case] = &[
        ("csv: { path: \"a[.csv\" }", "bad-glob", "`[a-z]`", "csv: { path: \"[a].csv\" }"),
        (
            "csv: { path: \"in/*.csv\" }",
            "no-files",
            "`*` never matches `/`",
            "csv: { path: \"in/*/*.csv\" }",
        ),
        (
            "json: { path: a.json }",
            "no-records",
            "set `records: /x/rows`",
            "json: { path: a.json, records: /x/rows }",
        ),
        (
            "json: { path: cut.json }",
            "bad-json",
            "the file is cut off",
            "json: { path: a.json, records: /x/rows }",
        ),
        (
            "excel: { path: a.xlsx, sheet: Sheet9 }",
            "no-sheet",
            "its sheets are summary, breaks",
            "excel: { path: a.xlsx, sheet: breaks }",
        ),
        (
            "sql: { url: \"sqlite:recon.db\", query: \"SELECT nr AS id, v FROM t\" }",
            "bad-query",
            "mend the query",
            "sql: { url: \"sqlite:recon.db\", query: \"SELECT 1 AS id, 'x' AS v\" }",
        ),
        (
            "csv: { path: counted.csv, trailer: { starts_with: T, rows: 2 } }",
            "trailer-mismatch",
            "fetch it again",
            "csv: { path: a.csv }",
        ),
        ("csv: { path: a.pdf }", "source-not-text", "save it as CSV", "csv: { path: a.csv }"),
        ("csv: { path: cut.zip }", "bad-archive", "fetch the file again", "csv: { path: a.csv }"),
        ("parquet: { path: a.csv }", "bad-parquet", "", "csv: { path: a.csv }"),
    ];
    let project = job("id,v\n1,x\n2,y\n");
    project
        .write("in/deep/a.csv", "id,v\n1,x\n2,y\n")
        .write("a.json", r#"{"x":{"rows":[{"id":1,"v":"x"},{"id":2,"v":"y"}]}}"#)
        .write("cut.json", r#"[{"id":1,"v":"x"},{"id":2,"#)
        .write("counted.csv", "id,v\n1,x\n2,y\nT,3\n")
        .write("a.pdf", "%PDF-1.7\n")
        .write("cut.zip", "PK\x03\x04 and no more");
    assert_eq!(project.recon(&["run"]).code, 0);
    let workbook = ["report", "--format", "xlsx", "--output", "a.xlsx"];
    assert_eq!(project.recon(&workbook).code, 0);
    let yaml = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
    let reading = |read: &str| yaml.replacen("csv: { path: a.csv }", read, 1);
    for (wrong, code, help, right) in cases {
        project.write("recon.yaml", reading(wrong));
        let said = project.recon(&["run"]);
        assert!(matches!(said.code, 2 | 3), "{wrong}: {} {}", said.code, said.err);
        assert!(said.err.contains(&format!("error[{code}]")), "{wrong}: {}", said.err);
        assert!(said.err.replace('\n', " ").contains(help), "{wrong}: {}", said.err);
        project.write("recon.yaml", reading(right));
        let said = project.recon(&["check"]);
        // The sheet of a report has other columns, which is the next thing to mend.
        assert!(said.code == 0 || right.contains("xlsx"), "{right}: {}", said.err);
        assert!(!said.err.contains(code), "{right}: {}", said.err);
    }
}

/// Rules that changed are only hinted at, and a store that others can read is only warned of.
#[cfg(unix)]
#[test]
fn following_a_warning_ends_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let project = job("id,v\n1,x\n2,z\n");
    project.write("rules.rhai", "fn attribute(d) { }\n").replace(
        "recon.yaml",
        "key: [id]",
        "rules: { attribute: [rules.rhai] }\nkey: [id]",
    );
    assert_eq!(project.recon(&["run"]).code, 0);
    project.write("rules.rhai", "fn attribute(d) { note(\"seen\"); }\n");
    let said = project.recon(&["attribute"]);
    assert!(said.err.contains("rules-changed"), "{}", said.err);
    assert!(said.err.contains("recon attribute --again"), "{}", said.err);
    assert_eq!(project.recon(&["attribute", "--again"]).code, 0);
    assert!(!project.recon(&["attribute"]).err.contains("rules-changed"));

    let store = project.path("recon.db");
    std::fs::set_permissions(&store, std::fs::Permissions::from_mode(0o666)).unwrap();
    let said = project.recon(&["runs", "list"]);
    assert!(said.err.contains("store-exposed"), "{}", said.err);
    let said = said.err.replace('\n', " ");
    let help = said.split("help: chmod").nth(1).unwrap().split(" (run by").next().unwrap();
    let script = format!("chmod{help}");
    let mended = std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(project.path(""))
        .status();
    assert!(mended.unwrap().success(), "{script}");
    assert!(!project.recon(&["runs", "list"]).err.contains("store-exposed"), "{script}");
}
