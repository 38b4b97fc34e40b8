//! Mistakes in rows, files, stores, limits and models are corrected as the help says; then the command that failed or
//! warned succeeds, and its code is gone.

use super::job;
use crate::api::Served;
use crate::program::{Project, Said, limited, output};
use crate::wire::{Client, Server};

/// The command fails, or warns, with this code.
#[track_caller]
fn shows(project: &Project, arguments: &[&str], code: &str) -> Said {
    let said = project.recon(arguments);
    assert!(said.err.contains(&format!("[{code}]")), "{arguments:?}: {} {}", said.code, said.err);
    said
}

/// The command succeeds without this code.
#[track_caller]
fn goes_on(project: &Project, arguments: &[&str], code: &str) -> Said {
    let said = project.recon(arguments);
    assert_eq!(said.code, 0, "{arguments:?}: {}", said.err);
    assert!(!said.err.contains(&format!("[{code}]")), "{arguments:?}: {}", said.err);
    said
}

const SAME: &str = "id,v\n1,x\n2,y\n";

/// Changes the tables of the store behind its back.
fn damage(project: &Project, store: &str, statement: &str) {
    let store = rusqlite::Connection::open(project.path(store)).unwrap();
    assert!(store.execute(statement, []).unwrap() > 0, "{statement}");
}

#[test]
fn local_times_with_their_offset_or_in_their_zone_are_read() {
    let project = job("id,v\n1,2026-03-29 02:30\n2,2026-10-25 02:30\n");
    project
        .write("b.csv", "id,v\n1,2026-03-29 01:30\n2,2026-10-25 00:30\n")
        .replace(
            "recon.yaml",
            "{ type: text }",
            "{ type: datetime, formats: [\"%Y-%m-%d %H:%M\"] }",
        )
        .replace("recon.yaml", "system: LEFT", "system: LEFT\n    timezone: Europe/Zurich");
    shows(&project, &["run"], "local-time-never");
    shows(&project, &["run"], "local-time-twice");
    let yaml = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
    project.replace("recon.yaml", "Europe/Zurich", "UTC");
    goes_on(&project, &["run"], "local-time-never");
    project
        .write("recon.yaml", yaml)
        .write("a.csv", "id,v\n1,2026-03-29 03:30+02:00\n2,2026-10-25 02:30+02:00\n")
        .replace(
            "recon.yaml",
            "    map: { id: id, v: v }\n  b",
            "    map: { id: id, v: v }\n    formats: { v: [\"%Y-%m-%d %H:%M%:z\"] }\n  b",
        );
    let said = goes_on(&project, &["run"], "local-time-twice");
    assert!(said.out.contains("All 2 records match."), "{}", said.out);
}

#[test]
fn rejected_rows_of_every_kind_are_read_once_the_source_is_mended() {
    /// The code, how the rows are read, the wrong rows, a script for them, and the right rows.
    type Case = (&'static str, &'static str, &'static [u8], &'static str, &'static [u8]);
    let cases: &[Case] = &[
        (
            "BAD_JSON",
            "json: { path: rows }",
            b"{\"id\":1,\"v\":\"x\"}\n{\"id\":2,\"v\":\n",
            "",
            b"{\"id\":1,\"v\":\"x\"}\n{\"id\":2,\"v\":\"y\"}\n",
        ),
        (
            "SHORT_LINE",
            "fixed: { path: rows, columns: [{ name: id, start: 1, width: 2 }, { name: v, start: 3, width: 3 }] }",
            b"1 x  \n2 y\n",
            "",
            b"1 x  \n2 y  \n",
        ),
        ("NUL_BYTE", "csv: { path: rows }", b"id,v\n1,x\n2,y\0\n", "", SAME.as_bytes()),
        (
            "SCRIPT_ERROR",
            "csv: { path: rows }",
            SAME.as_bytes(),
            "fn row(raw, r) { if raw.v == \"y\" { throw \"what is y?\"; } r }\n",
            SAME.as_bytes(),
        ),
    ];
    for (code, read, wrong, script, right) in cases {
        let project = job("");
        project.write("rows", wrong).replace("recon.yaml", "csv: { path: a.csv }", read);
        if !script.is_empty() {
            project.write("row.rhai", script);
            project.replace("recon.yaml", "system: LEFT", "system: LEFT\n    script: row.rhai");
        }
        let rejected = |project: &Project| {
            let summary = project.json(&["run", "--json"]);
            summary["rejected"][0]["code"].as_str().map(str::to_owned)
        };
        assert_eq!(rejected(&project).as_deref(), Some(*code));
        project.write("rows", right);
        if !script.is_empty() {
            project.write("row.rhai", "fn row(raw, r) { r }\n");
        }
        assert_eq!(rejected(&project), None, "{code}");
    }
}

#[test]
fn a_key_that_distinguishes_its_rows_is_paired_exactly() {
    let rows = |text: &str| {
        let rows: String = (0..70).map(|n| format!("1,{text}{n},{n}\n")).collect();
        format!("id,v,n\n{rows}")
    };
    let project = job(rows("a"));
    project
        .write("b.csv", rows("b"))
        .replace("recon.yaml", "map: { id: id, v: v }", "map: { id: id, v: v, n: n }")
        .replace(
            "recon.yaml",
            "  v: { type: text }",
            "  v: { type: text }\n  n: { type: integer }",
        );
    shows(&project, &["run"], "greedy-pairing");
    project.replace("recon.yaml", "key: [id]", "key: [id, n]");
    goes_on(&project, &["run"], "greedy-pairing");
}

#[test]
fn a_source_that_is_fetched_again_is_read() {
    let camt = |head: &str| {
        format!(
            "{head}<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.02\"><BkToCstmrStmt><Stmt><Id>S</Id>\
             <Acct><Id><IBAN>DE02120300000000202051</IBAN></Id></Acct><Ntry><Amt Ccy=\"EUR\">5.00</Amt>\
             <CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-01-15</Dt></BookgDt></Ntry>\
             </Stmt></BkToCstmrStmt></Document>\n"
        )
    };
    let whole = camt("");
    let project = job("");
    project
        .replace("recon.yaml", "csv: { path: a.csv }", "camt053: { path: a.xml, prove: off }")
        .replace(
            "recon.yaml",
            "map: { id: id, v: v }\n  b",
            "map: { id: statement, v: currency }\n  b",
        )
        .replace("recon.yaml", "type: integer", "type: text")
        .write("b.csv", "id,v\nS,EUR\n");
    for (code, wrong) in [
        ("xml-doctype", camt("<!DOCTYPE d [<!ENTITY a \"b\">]>")),
        ("statement-malformed", whole[..whole.len() / 2].to_owned()),
    ] {
        project.write("a.xml", wrong);
        shows(&project, &["run"], code);
        project.write("a.xml", &whole);
        goes_on(&project, &["run"], code);
    }
    // A quote that is never closed swallows the file.
    let project = job("");
    let file = std::fs::File::create(project.path("a.csv")).unwrap();
    std::io::Write::write_all(&mut &file, b"id,v\n1,\"x\n").unwrap();
    file.set_len(65 << 20).unwrap();
    shows(&project, &["run"], "record-too-long");
    project.write("a.csv", SAME);
    goes_on(&project, &["run"], "record-too-long");
}

#[test]
fn a_script_is_split_and_mended_where_the_message_says() {
    let project = job("id,v\n1,x\n2,z\n");
    project
        .write("rules.rhai", format!("fn attribute(d) {{ }}\n{}", "// a table\n".repeat(60_001)))
        .replace("recon.yaml", "key: [id]", "rules: { attribute: [rules.rhai] }\nkey: [id]");
    shows(&project, &["check"], "script-too-long");
    project.write("rules.rhai", "fn attribute(d) { d.a.strange() }\n");
    let said = shows(&project, &["run"], "script-error");
    assert!(said.err.contains("rules.rhai:1:") && said.err.contains("`2`"), "{}", said.err);
    assert_eq!(project.recon(&["explain", "2"]).code, 0);
    project.write("rules.rhai", "fn attribute(d) { d.a == \"x\" }\n");
    let said = goes_on(&project, &["check"], "script-too-long");
    assert!(!said.err.contains("error"), "{}", said.err);
    project.write("rules.rhai", "fn attribute(d) { }\n");
    goes_on(&project, &["run"], "script-error");
}

#[test]
fn a_job_of_the_fields_that_matter_is_accepted() {
    let many = recon::store::MAX_FIELDS;
    let list = |item: &dyn Fn(usize) -> String, between: &str| {
        (0..many).map(item).collect::<Vec<_>>().join(between)
    };
    let header = list(&|n| format!("c{n}"), ",");
    let project = job(format!("id,{header}\n1{}\n", ",x".repeat(many)));
    project.write("b.csv", format!("id,{header}\n1{}\n", ",x".repeat(many)));
    let yaml = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
    let map = format!("{{ id: id, {} }}", list(&|n| format!("c{n}: c{n}"), ", "));
    let fields = list(&|n| format!("  c{n}: {{ type: text }}"), "\n");
    let yaml = yaml.replace("{ id: id, v: v }", &map).replace("  v: { type: text }", &fields);
    project.write("recon.yaml", &yaml);
    shows(&project, &["check"], "too-many-fields");
    let yaml = yaml.replace("c0: c0, ", "").replace("  c0: { type: text }\n", "");
    project.write("recon.yaml", yaml);
    goes_on(&project, &["check"], "too-many-fields");
    goes_on(&project, &["run"], "too-many-fields");
}

#[test]
fn restoring_the_inputs_of_a_run_helps() {
    // Of several files, one that is gone is not the one that is left.
    let project = job("");
    project.write("in/a1.csv", SAME).write("in/a2.csv", "id,v\n3,z\n").replace(
        "recon.yaml",
        "path: a.csv",
        "path: \"in/*.csv\"",
    );
    goes_on(&project, &["run"], "file-gone");
    std::fs::rename(project.path("in/a2.csv"), project.path("a2.csv")).unwrap();
    let said = project.recon(&["explain", "3"]);
    assert!(
        said.out.contains("in/a2.csv is not one of the source's files any more"),
        "{}",
        said.out
    );
    assert!(!said.out.contains("[id] 1"), "{}", said.out);
    std::fs::rename(project.path("a2.csv"), project.path("in/a2.csv")).unwrap();
    let said = project.recon(&["explain", "3"]);
    assert!(said.out.contains("[id] 3") && !said.out.contains("any more"), "{}", said.out);

    let project = job(SAME);
    project
        .write("step.rhai", "fn same(v) { v }\n")
        .replace("recon.yaml", "{ type: text }", "{ type: text, normalize: [same] }")
        .replace("recon.yaml", "key: [id]", "rules: { normalize: step.rhai }\nkey: [id]");
    goes_on(&project, &["run"], "configuration-gone");
    let yaml = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
    // Secrets are not stored with a run, and explaining it needs none.
    let hook = "server: { notify: { url: \"http://127.0.0.1:1/\", secret: hidden } }\n";
    project.write("recon.yaml", format!("{yaml}{hook}"));
    goes_on(&project, &["run"], "configuration-gone");
    goes_on(&project, &["explain", "1"], "configuration-gone");
    project.write("recon.yaml", format!("{yaml}mistake: 1\n"));
    shows(&project, &["explain", "1"], "configuration-broken");
    assert!(project.recon(&["check"]).err.contains("`mistake`"));
    project
        .write("recon.yaml", &yaml)
        .replace("recon.yaml", "rules: { normalize: step.rhai }\n", "")
        .replace("recon.yaml", ", normalize: [same]", "");
    goes_on(&project, &["explain", "1"], "configuration-broken");
    std::fs::rename(project.path("step.rhai"), project.path("aside")).unwrap();
    shows(&project, &["explain", "1"], "configuration-gone");
    std::fs::rename(project.path("aside"), project.path("step.rhai")).unwrap();
    goes_on(&project, &["explain", "1"], "configuration-gone");
}

#[test]
fn a_run_that_failed_is_made_again() {
    let project = job("id,v\n1,x\nz,y\n");
    project.replace("recon.yaml", "key: [id]", "options: { max_rejected: 0 }\nkey: [id]");
    assert_eq!(project.recon(&["run"]).code, 3);
    let run = project.json(&["runs", "list", "--json"])["runs"][0]["run_id"].clone();
    let run = run.as_str().unwrap();
    shows(&project, &["diff", "--run", run], "not-ingested");
    shows(&project, &["report", "--run", run], "run-without-result");
    project.write("a.csv", SAME);
    goes_on(&project, &["ingest"], "not-ingested");
    goes_on(&project, &["diff"], "not-ingested");
    goes_on(&project, &["attribute"], "not-ingested");
    let runs = project.json(&["runs", "list", "--json"]);
    let runs = runs["runs"].as_array().unwrap();
    let whole = runs.iter().find(|run| run["stage"] == "ATTRIBUTED").unwrap();
    let whole = whole["run_id"].as_str().unwrap();
    goes_on(&project, &["report", "--run", whole], "run-without-result");
}

#[test]
fn rows_that_were_taken_over_are_stored_anew() {
    let project = job("id,v\n1,x\n3,q\n");
    project.replace("recon.yaml", "key: [id]", "open_items: { a: movements }\nkey: [id]");
    let (before, today) =
        (["run", "--batch-date", "2026-01-05"], ["run", "--batch-date", "2026-01-06"]);
    goes_on(&project, &before, "carried-fields");
    project.replace("recon.yaml", "map: { id: id, v: v }", "map: { id: id, v: v, w: v }").replace(
        "recon.yaml",
        "  v: { type: text }",
        "  v: { type: text }\n  w: { type: text }",
    );
    shows(&project, &today, "carried-fields");
    goes_on(&project, &before, "carried-fields");
    goes_on(&project, &today, "carried-fields");
}

/// Output of `openssl genpkey -algorithm ed25519`.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";

#[test]
fn a_file_of_the_right_kind_is_taken() {
    let project = job(SAME);
    project.write("audit.key", KEY);
    goes_on(&project, &["run"], "key-unreadable");
    shows(&project, &["audit", "checkpoint", "--sign", "a.csv", "--out", "c"], "key-unreadable");
    let sign = ["audit", "checkpoint", "--sign", "audit.key", "--out", "c"];
    goes_on(&project, &sign, "key-unreadable");

    let other = rusqlite::Connection::open(project.path("other.db")).unwrap();
    other.execute("CREATE TABLE notes (text TEXT)", []).unwrap();
    drop(other);
    shows(&project, &["run", "--store", "sqlite:other.db"], "not-a-store");
    goes_on(&project, &["run", "--store", "sqlite:recon.db"], "not-a-store");

    shows(&project, &["init", "a.csv", "b.csv", "-c", "a.csv/recon.yaml"], "unwritable");
    goes_on(&project, &["init", "a.csv", "b.csv", "-c", "new/recon.yaml"], "unwritable");
}

#[test]
fn a_damaged_result_is_restored_or_made_again() {
    let project = job("id,v\n1,x\n2,z\n");
    let cell = "UPDATE record_rows SET records = replace(records, '\"z\"', '{}')";
    for (code, damaged, command) in [
        ("evidence", cell, &["explain", "2"][..]),
        ("evidence-unreadable", cell, &["report", "--format", "csv"]),
        (
            "books-unreadable",
            "UPDATE recon_runs SET metadata = json_set(metadata, '$.counts', 1)",
            &["report"],
        ),
        ("store-damaged", "UPDATE record_rows SET records = '[['", &["report", "--format", "csv"]),
        ("store-damaged", "UPDATE record_rows SET records = '[['", &["explain", "2"]),
    ] {
        goes_on(&project, &["run"], code);
        std::fs::copy(project.path("recon.db"), project.path("backup.db")).unwrap();
        damage(&project, "recon.db", damaged);
        shows(&project, command, code);
        if code == "store-damaged" {
            std::fs::copy(project.path("backup.db"), project.path("recon.db")).unwrap();
        } else {
            goes_on(&project, &["run"], code);
        }
        goes_on(&project, command, code);
    }
}

/// A small generated job, its run, and the labels of its first differences of two causes.
fn labelled() -> Project {
    let project = Project::new();
    goes_on(&project, &["generate", "--rows", "300", "--output", "made"], "");
    goes_on(&project, &["run", "-c", "made/recon.yaml"], "");
    let labels = std::fs::read_to_string(project.path("made/labels.csv")).unwrap();
    let of = |reasons: &[(&str, usize)]| {
        let lines = |(reason, most): &(&str, usize)| -> String {
            let is_of = |line: &&str| line.ends_with(&format!(",{reason}"));
            labels.lines().filter(is_of).take(*most).map(|line| format!("{line}\n")).collect()
        };
        let lines = reasons.iter().map(lines).collect::<String>();
        format!("{}\n{lines}", labels.lines().next().unwrap())
    };
    project
        .write("one.csv", of(&[("TIMING_LAG", 9)]))
        .write("rare.csv", of(&[("TIMING_LAG", 9), ("ROUNDING_DIFF", 2)]))
        .write("few.csv", of(&[("TIMING_LAG", 9), ("ROUNDING_DIFF", 9), ("FX_VARIANCE", 4)]))
        .write("enough.csv", of(&[("TIMING_LAG", 9), ("ROUNDING_DIFF", 9)]));
    project
}

const RUN: [&str; 3] = ["run", "-c", "made/recon.yaml"];

fn train(file: &str) -> [&str; 7] {
    ["train", "-c", "made/recon.yaml", "--labels", file, "--promote", "always"]
}

#[test]
fn a_damaged_model_is_trained_again() {
    let project = labelled();
    let train = train("enough.csv");
    goes_on(&project, &train, "model-damaged");
    // The second statement also sets the digest of the new bytes.
    let digest = "6e0dcf0f015a965d2cfb74bc1837354200b43498c60c68f85b39bdf33bbaace5";
    for (code, damaged) in [
        (
            "model-damaged",
            "UPDATE models SET bytes = substr(bytes, 1, length(bytes) / 2)".to_owned(),
        ),
        ("model-format", format!("UPDATE models SET bytes = x'5050', sha256 = '{digest}'")),
    ] {
        damage(&project, "made/recon.db", &damaged);
        shows(&project, &RUN, "model-left-aside");
        shows(&project, &train, code);
        goes_on(&project, &RUN, "model-left-aside");
    }
    goes_on(&project, &train, "model-format");
}

#[test]
fn labels_and_models_that_suffice_are_taken() {
    let project = labelled();
    for (code, wrong) in [
        ("training-one-class", "one.csv"),
        ("training-too-few", "rare.csv"),
        ("training-few-labels", "few.csv"),
    ] {
        shows(&project, &train(wrong), code);
    }
    let rollback = ["model", "rollback", "-c", "made/recon.yaml"];
    shows(&project, &rollback, "no-earlier-champion");
    let trained = goes_on(&project, &train("enough.csv"), "training-few-labels");
    assert!(!trained.err.contains("[training-"), "{}", trained.err);
    goes_on(&project, &rollback, "no-earlier-champion");
    goes_on(&project, &["model", "promote", "2", "-c", "made/recon.yaml"], "");
    shows(&project, &["attribute", "-c", "made/recon.yaml"], "model-changed");
    goes_on(&project, &["attribute", "--again", "-c", "made/recon.yaml"], "model-changed");
    goes_on(&project, &["attribute", "-c", "made/recon.yaml"], "model-changed");
    // Most of the labels were trained on; a fifth is held out.
    let labels = std::fs::read_to_string(project.path("enough.csv")).unwrap();
    let (head, labels) = labels.split_once('\n').unwrap();
    let evaluate = |file: &'static str| ["evaluate", "-c", "made/recon.yaml", "--labels", file];
    let trained_on = labels.lines().find(|line| {
        project.write("seen.csv", format!("{head}\n{line}\n"));
        project.recon(&evaluate("seen.csv")).err.contains("[evaluate-trained-on]")
    });
    assert!(trained_on.is_some());
    goes_on(&project, &evaluate("made/labels.csv"), "evaluate-trained-on");
    // Another job's model.
    let yaml = std::fs::read_to_string(project.path("made/recon.yaml")).unwrap();
    let job = yaml.lines().find(|line| line.starts_with("job:")).unwrap();
    project.write("made/other.yaml", yaml.replace(job, "job: other"));
    goes_on(&project, &["run", "-c", "made/other.yaml"], "");
    let other = ["train", "-c", "made/other.yaml", "--labels", "enough.csv"];
    goes_on(&project, &other, "");
    let to = |version: &'static str| ["model", "rollback", version, "-c", "made/other.yaml"];
    shows(&project, &to("1"), "other-job");
    let said = goes_on(&project, &["model", "list", "-c", "made/other.yaml"], "other-job");
    assert!(said.out.contains('3'), "{}", said.out);
    goes_on(&project, &to("3"), "other-job");
}

/// Limits of the process simulate a full disk and missing permissions, which do not bind an administrator.
#[cfg(target_os = "linux")]
#[test]
fn room_and_folders_are_made_as_the_help_says() {
    let rows: String = (0..60_000).map(|n| format!("{n},value {n}\n")).collect();
    let project = job(format!("id,v\n{rows}"));
    project.write("b.csv", format!("id,v\n{rows}"));
    let said = limited(&project, "ulimit -f 300", &["run"]);
    assert_eq!(said.code, 4, "{}", said.err);
    assert!(said.err.contains("[store-failed]") && said.err.contains("isn't full"), "{}", said.err);
    goes_on(&project, &["run"], "store-failed");

    project
        .replace(
            "recon.yaml",
            "key: [id]",
            "options: { temp_dir: temp, memory_limit: 1MiB }\nkey: [id]",
        )
        .write("temp", "no folder");
    shows(&project, &["run"], "temp-files");
    std::fs::remove_file(project.path("temp")).unwrap();
    goes_on(&project, &["run"], "temp-files");
    let said = limited(&project, "ulimit -f 100", &["run"]);
    assert!(said.err.contains("[temp-disk-full]"), "{}", said.err);
    goes_on(&project, &["run"], "temp-disk-full");
}

#[cfg(unix)]
#[test]
fn a_password_file_of_its_owner_alone_is_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let project = job(SAME);
    project.write(".pgpass", "*:*:*:*:secret\n");
    let mode = |mode: u32| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(project.path(".pgpass"), permissions).unwrap();
        let arguments = ["run", "--store", "postgres://recon@127.0.0.1:1/recon"];
        Said::from(output(project.command(&arguments).env("HOME", project.path(""))))
    };
    let said = mode(0o644);
    assert!(said.err.contains("[password-file]") && said.err.contains("chmod 600"), "{}", said.err);
    // The next obstacle: nothing listens at port 1.
    let said = mode(0o600);
    assert!(said.err.contains("[store-unreachable]"), "{}", said.err);
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_starts_once_its_surroundings_allow_it() {
    let serve = ["serve", "--bind", "127.0.0.1:0", "--store", "sqlite:recon.db"];
    let project = job(SAME);
    goes_on(&project, &["run"], "");
    let said = limited(&project, "ulimit -n 30", &serve);
    assert!(said.err.contains("[too-few-files]") && said.err.contains("ulimit -n"), "{}", said.err);
    assert!(said.err.contains("[too-few-people]"), "{}", said.err);
    for (name, role) in [("ann", "analyst"), ("bob", "supervisor"), ("mia", "manager")] {
        goes_on(&project, &["user", "add", name, "--role", role, "--no-password"], "");
    }
    let said = limited(&project, "ulimit -n 30", &serve);
    assert!(!said.err.contains("[too-few-people]"), "{}", said.err);
    let said = Said::from(output(project.command(&serve).env("TMPDIR", project.path("none"))));
    assert!(said.err.contains("[server-failed]") && said.err.contains("TMPDIR"), "{}", said.err);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    shows(&project, &["serve", "--bind", &address, "--store", "sqlite:recon.db"], "bind-failed");
    // With 64 open files and a folder for its socket, it takes any free port.
    Server::serving(project, Some(64), &[]).assert_well();
}

#[test]
fn decisions_refused_under_solo_are_made_without_it() {
    let asked = r#"{"code":"BANK_FEE","description":"A fee of the bank","is_functional":true,"examples":[]}"#;
    let project = Project::of(".");
    goes_on(&project, &["run"], "");
    let server = Server::serving(project, None, &["--solo"]);
    let json = ("Content-Type", "application/json");
    let answer = Client::to(&server).ask("POST", "/reasons/proposals", &[json], asked).unwrap();
    assert_eq!(crate::api::verdict(&answer).1, "solo", "{}", answer.text());
    let served = Served::new();
    let answer = served.person("sue").ask("POST", "/reasons/proposals", &[], asked);
    assert!(answer.status < 400, "{}", answer.text());
}

#[test]
fn a_client_that_mends_its_request_is_answered() {
    let server = Server::start(&[]);
    let head = format!("POST /auth/login HTTP/1.1\r\nHost: {}\r\n", server.address);
    let json = "Content-Type: application/json\r\n";
    for (code, request) in [
        ("malformed", "POST /auth/login\r\n\r\n".to_owned()),
        ("too-large", format!("{head}{json}Content-Length: 99999999\r\n\r\n")),
        ("timeout", format!("{head}{json}Content-Length: 9\r\n\r\n{{")),
    ] {
        let mut client = Client::to(&server);
        client.send(request).unwrap();
        let answer = client.answer(false).unwrap();
        assert!(answer.text().contains(&format!("\"{code}\"")), "{code}: {}", answer.text());
    }
    let body = r#"{"username":"ann","password":"four words of hers"}"#;
    let answer = Client::to(&server).ask(
        "POST",
        "/auth/login",
        &[("Content-Type", "application/json")],
        body,
    );
    // Whole, small and in time: it is read, and there is no such user.
    assert_eq!(answer.unwrap().status, 401);
    server.assert_well();
}

#[test]
fn a_filter_that_leaves_fewer_items_makes_a_bulk() {
    let rows: String = (0..10_001).map(|n| format!("{n},x\n")).collect();
    let project = job(format!("id,v\n-1,z\n{rows}"));
    project.write("b.csv", "id,v\n-1,y\n");
    goes_on(&project, &["run"], "too-many-items");
    let served = Served::of(project, &[]);
    let ask = |filter: &str| {
        let body = format!(r#"{{"filter":{filter},"action":"REJECT"}}"#);
        let json = ("Content-Type", "application/json");
        served.person("ann").ask("POST", "/workflow/bulk/preview", &[json], &body)
    };
    assert_eq!(crate::api::verdict(&ask("{}")), (422, "too-many-items".to_owned()));
    let narrow = ask(r#"{"field_name":"v"}"#);
    assert!(narrow.status < 400, "{}", narrow.text());
}

#[test]
fn a_form_is_taken_if_it_is_sent_as_the_page_does() {
    let served = Served::new();
    let ann = served.person("ann");
    let item = served.queue("ann", "limit=1&status=UNKNOWN").remove(0);
    let decide = format!("/review/items/{}/decide", item["attribution_id"].as_str().unwrap());
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    for (code, says, path, wrong, right) in [
        (
            "malformed-form",
            "malformed percent escape",
            "/review/views",
            "name=%zz&filter=",
            "name=late&filter=%3Fsla%3Doverdue",
        ),
        (
            "action-required",
            "choose a cause",
            &decide,
            "comment=why",
            "choice=reject&comment=nobody+knows",
        ),
    ] {
        let refused = ann.ask("POST", path, &[form], wrong);
        let mut known = recon::diagnostic::Code::SECTIONS.iter().flat_map(|(_, codes)| *codes);
        let known = known.find(|known| known.name() == code).unwrap();
        assert!(known.shows().contains(&recon::diagnostic::Shows::Http(refused.status)), "{code}");
        assert!(refused.text().to_lowercase().contains(says), "{}", refused.text());
        let taken = ann.ask("POST", path, &[form], right);
        assert_eq!(taken.status, 303, "{code}: {}", taken.text());
    }
    // A decision can be undone, once.
    let undo = || ann.ask("POST", "/review/undo", &[form], "");
    assert_eq!(undo().status, 303);
    let again = undo();
    assert!(
        again.status == 409 && again.text().contains("None of your decisions"),
        "{}",
        again.text()
    );
    served.server.assert_well();
}

#[test]
fn another_owner_of_the_tables_keeps_the_trail_append_only() {
    let url = crate::postgres::new_database();
    let name = url.rsplit('/').next().unwrap();
    let server = format!("{name}_server");
    crate::store::Place::at(&url).execute(&format!(
        "CREATE ROLE {server} LOGIN; GRANT CREATE ON DATABASE {name} TO {server}"
    ));
    let server = url.replacen("postgres@", &format!("{server}@"), 1);
    let project = Project::new();
    shows(&project, &["migrate", "--store", &url], "audit-one-role");
    goes_on(&project, &["migrate", "--store", &server, "--owner-url", &url], "audit-one-role");
    goes_on(&project, &["migrate", "--store", &server], "audit-one-role");
}

#[test]
fn a_file_of_certificates_is_taken() {
    let Some(authority) = crate::postgres::authority() else {
        let why = "RECON_TEST_DATABASE_URL names a server whose authority is not known";
        return crate::program::skipped(why);
    };
    let project = job(SAME);
    let url = crate::postgres::new_database().replace("127.0.0.1", "localhost");
    let store = |file: &str| format!("{url}?sslmode=verify-full&sslrootcert={file}");
    shows(&project, &["run", "--store", &store("a.csv")], "sslrootcert");
    goes_on(&project, &["run", "--store", &store(&authority.display().to_string())], "sslrootcert");
}

/// A workbook is a zip of XML; a spreadsheet that calculates writes the result beside the formula.
#[test]
fn a_formula_is_read_once_its_workbook_was_calculated() {
    let sheet = |cell: &str| {
        format!(
            "<worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetData>\
             <row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>id</t></is></c>\
             <c r=\"B1\" t=\"inlineStr\"><is><t>v</t></is></c></row>\
             <row r=\"2\"><c r=\"A2\"><v>1</v></c><c r=\"B2\"><f>40+2</f>{cell}</c></row>\
             <row r=\"3\"><c r=\"A3\"><v>2</v></c><c r=\"B3\"><v>5</v></c></row></sheetData></worksheet>"
        )
    };
    let project = job("");
    project
        .replace("recon.yaml", "csv: { path: a.csv }", "excel: { path: a.xlsx }")
        .write("b.csv", "id,v\n1,42\n2,5\n");
    let rejected = |cell: &str| {
        let file = std::fs::File::create(project.path("a.xlsx")).unwrap();
        let mut workbook = zip::ZipWriter::new(file);
        let relation = |id: u8, kind: &str, target: &str| {
            format!(
                "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship \
                 Id=\"rId{id}\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}\" \
                 Target=\"{target}\"/></Relationships>"
            )
        };
        let types =
            "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"/>";
        let parts = [
            ("[Content_Types].xml", types.to_owned()),
            ("_rels/.rels", relation(1, "officeDocument", "xl/workbook.xml")),
            ("xl/_rels/workbook.xml.rels", relation(1, "worksheet", "worksheets/sheet1.xml")),
            (
                "xl/workbook.xml",
                "<workbook xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" \
                 xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"><sheets>\
                 <sheet name=\"S\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>"
                    .to_owned(),
            ),
            ("xl/worksheets/sheet1.xml", sheet(cell)),
        ];
        for (name, text) in parts {
            workbook.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            std::io::Write::write_all(&mut workbook, text.as_bytes()).unwrap();
        }
        workbook.finish().unwrap();
        project.json(&["run", "--json"])["rejected"][0]["code"].as_str().map(str::to_owned)
    };
    assert_eq!(rejected("").as_deref(), Some("NO_RESULT"));
    assert_eq!(rejected("<v>42</v>"), None);
}
