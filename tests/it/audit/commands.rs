//! `recon audit` through the real program.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use recon::database::StoreUrl;
use recon::domain::Instant;
use recon::store::audit::{self, By, Entry};
use recon::store::{Opening, Store, open, transact};
use serde_json::Value as Json;

use super::{ROWS, decide};
use crate::program::{Project, Said};
use crate::review::fixture::team;

const STORE: [&str; 2] = ["--store", "sqlite:recon.db"];

fn store_of(project: &Project) -> Box<dyn Store> {
    let url = StoreUrl::parse("sqlite:recon.db", &project.path("")).unwrap();
    open(&url, Opening::Create).unwrap_or_else(|problem| panic!("{problem}"))
}

fn decided() -> Project {
    let project = Project::new();
    decide(&*store_of(&project), &team(false));
    project
}

fn audit(project: &Project, arguments: &[&str]) -> Said {
    project.recon(&[&["audit"], arguments, &STORE].concat())
}

fn json(said: &Said) -> Json {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}", said.out))
}

/// Tampers with full access to the file.
fn tamper(project: &Project, sql: &str) {
    let connection = rusqlite::Connection::open(project.path("recon.db")).unwrap();
    let guards: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for guard in guards {
        connection.execute_batch(&format!("DROP TRIGGER {guard}")).unwrap();
    }
    connection.execute_batch(sql).unwrap();
}

#[test]
fn an_intact_trail_is_reported_as_intact() {
    let project = decided();
    let said = audit(&project, &["verify", "--replay"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.starts_with("intact: 12 rows; hash of the last row: "), "{}", said.out);
    assert!(said.out.ends_with("the tables match the trail\n"), "{}", said.out);
    let verdict = json(&audit(&project, &["verify", "--replay", "--json"]));
    assert_eq!((&verdict["ok"], &verdict["checked"]), (&true.into(), &ROWS.into()));
    assert_eq!((&verdict["replayed"], &verdict["checkpoints"]), (&true.into(), &0.into()));
    let empty = Project::new();
    assert_eq!(empty.recon(&["migrate", "--store", "sqlite:recon.db"]).code, 0);
    assert_eq!(audit(&empty, &["verify"]).out, "the trail is empty\n");
}

#[test]
fn each_finding_has_its_exit_code_and_message() {
    let cases = [
        (
            "UPDATE audit_trail SET comments = 'x' WHERE seq = 10",
            10,
            "broken at row 10: its content",
        ),
        ("DELETE FROM audit_trail WHERE seq = 4", 10, "broken at row 4: the row is missing"),
        (
            "DELETE FROM audit_trail WHERE seq > 6",
            11,
            "knows 12 rows, the trail has 6: its end was cut off",
        ),
        ("UPDATE difference_rows SET confidence = 0.1 WHERE status = 4", 0, "intact"),
        (
            "UPDATE difference_rows SET confidence = 0.1 WHERE status = 3",
            12,
            "the tables disagree with the trail:\n  ",
        ),
        // An item without decisions.
        (
            "UPDATE difference_rows SET confidence = 0.1 WHERE id & 1099511627775 = (7 << 10) + 3",
            12,
            ": what the machine decided is not what row 1 of the trail knows",
        ),
        // Both: the graver one counts.
        (
            "UPDATE audit_trail SET comments = 'x' WHERE seq = 2; \
             DELETE FROM audit_trail WHERE seq > 6",
            10,
            "not replayed",
        ),
    ];
    for (sql, code, sentence) in cases {
        let project = decided();
        assert_eq!(audit(&project, &["checkpoint", "--out", "kept"]).code, 0);
        tamper(&project, sql);
        let verify = ["verify", "--checkpoint", "kept", "--replay"];
        let said = audit(&project, &verify);
        assert_eq!(said.code, code, "{sql}: {}{}", said.out, said.err);
        assert!(said.out.contains(sentence), "{sql}: {}", said.out);
        let quiet = audit(&project, &[&verify[..], &["--json", "-q"]].concat());
        assert_eq!(quiet.code, code);
        assert_eq!(json(&quiet)["ok"], code == 0, "{}", quiet.out);
        // A broken trail can't be the start of new checkpoints.
        let again = audit(&project, &["checkpoint", "--out", "kept"]);
        assert_eq!(again.code, if code == 12 { 0 } else { code }, "{}", again.out);
        let lines = std::fs::read_to_string(project.path("kept")).unwrap().lines().count();
        assert_eq!(lines, if again.code == 0 { 2 } else { 1 });
    }
}

#[test]
fn checkpoints_written_at_the_same_time_follow_each_other() {
    let project = decided();
    let arguments = [&["audit", "checkpoint", "--out", "kept", "-q"][..], &STORE].concat();
    let begun: Vec<_> = (0..6)
        .map(|_| project.command(&arguments).stdout(Stdio::null()).spawn().unwrap())
        .collect();
    for mut child in begun {
        assert!(child.wait().unwrap().success());
    }
    let verify = ["verify", "--checkpoint", "kept"];
    let said = audit(&project, &verify);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains("matches 6 checkpoints"), "{}", said.out);
}

#[test]
fn a_checkpoint_exposes_an_older_copy_of_the_store() {
    let project = decided();
    assert_eq!(audit(&project, &["checkpoint", "--out", "kept"]).code, 0);
    std::fs::copy(project.path("recon.db"), project.path("older.db")).unwrap();
    decide(&*store_of(&project), &team(false));
    let said = audit(&project, &["checkpoint", "--out", "kept"]);
    assert!(said.out.starts_with("checkpoint 2 in kept: 24 rows, hash "), "{}", said.out);
    let said = audit(&project, &["verify", "--checkpoint", "kept"]);
    assert_eq!(said.code, 0);
    assert!(said.out.contains("matches 2 checkpoints, the last taken at "), "{}", said.out);
    std::fs::copy(project.path("older.db"), project.path("recon.db")).unwrap();
    let said = audit(&project, &["verify", "--checkpoint", "kept"]);
    assert_eq!(said.code, 11, "{}", said.out);
    assert!(said.out.contains("knows 24 rows, the trail has 12"), "{}", said.out);
    assert_eq!(audit(&project, &["verify"]).code, 0, "without a checkpoint nobody can tell");
    // Continue: the trail is as long as before, but different.
    decide(&*store_of(&project), &team(false));
    let said = audit(&project, &["verify", "--checkpoint", "kept"]);
    assert_eq!(said.code, 11, "{}", said.out);
    assert!(said.out.contains("row 24 is not the one"), "{}", said.out);
}

#[test]
fn checkpoint_signatures_are_verified() {
    let project = decided();
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        command.current_dir(project.path("")).args(arguments.split_whitespace());
        assert!(command.stderr(Stdio::null()).status().unwrap().success(), "{arguments}");
    };
    for name in ["audit", "other"] {
        openssl(&format!("genpkey -algorithm ed25519 -out {name}.key"));
        openssl(&format!("pkey -in {name}.key -pubout -out {name}.pub"));
    }
    openssl("genpkey -algorithm rsa -out rsa.key");
    openssl("pkey -in rsa.key -pubout -out rsa.pub");
    let sign = ["checkpoint", "--out", "kept", "--sign", "audit.key"];
    for _ in 0..2 {
        let said = audit(&project, &sign);
        assert_eq!(said.code, 0, "{}", said.err);
    }
    let verify =
        |key: &str| audit(&project, &["verify", "--checkpoint", "kept", "--signed-by", key]);
    assert_eq!(verify("audit.pub").code, 0);
    let said = verify("other.pub");
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(
        said.err.contains("line 1: the checkpoint is not signed with this key"),
        "{}",
        said.err
    );
    assert_eq!(verify("audit.key").code, 2);
    assert_eq!(verify("rsa.pub").code, 2);
    assert_eq!(audit(&project, &["checkpoint", "--sign", "rsa.key"]).code, 2);
    assert_eq!(audit(&project, &["checkpoint", "--sign", "missing.key"]).code, 2);
    // An unsigned line among signed ones, and a changed line.
    let kept = std::fs::read_to_string(project.path("kept")).unwrap();
    assert_eq!(audit(&project, &["checkpoint", "--out", "kept"]).code, 0);
    let said = verify("audit.pub");
    assert!(said.code == 2 && said.err.contains("line 3"), "{}", said.err);
    project.write("kept", kept.replacen("\"n\":12", "\"n\":11", 1));
    let said = audit(&project, &["verify", "--checkpoint", "kept"]);
    assert!(said.code == 2 && said.err.contains("the signature is not that"), "{}", said.err);
}

#[test]
fn an_export_verifies_without_a_store() {
    let project = decided();
    assert_eq!(audit(&project, &["checkpoint", "--out", "kept"]).code, 0);
    let of_store = json(&audit(&project, &["verify", "--json"]));
    for (format, file) in [("jsonl", "trail.jsonl"), ("csv", "trail.csv")] {
        let said = audit(&project, &["export", "--format", format, "--out", file]);
        assert_eq!((said.code, said.out.as_str()), (0, ""), "{}", said.err);
        let to_stdout = audit(&project, &["export", "--format", format]);
        assert_eq!(to_stdout.out, std::fs::read_to_string(project.path(file)).unwrap());
        // In a folder without a store or a configuration.
        let elsewhere = Project::new();
        elsewhere.write("trail", &to_stdout.out);
        std::fs::copy(project.path("kept"), elsewhere.path("kept")).unwrap();
        let verify = |more: &[&str]| {
            elsewhere.recon(&[&["audit", "verify", "--export", "trail"], more].concat())
        };
        let said = verify(&["--checkpoint", "kept", "--json"]);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        let verdict = json(&said);
        assert_eq!(verdict["head_hash"], of_store["head_hash"]);
        assert_eq!(verdict["checked"], of_store["checked"]);

        let spoil = |from: &str, to: &str| {
            assert!(to_stdout.out.contains(from), "{from}");
            elsewhere.write("trail", to_stdout.out.replacen(from, to, 1));
        };
        let found = |sentence: &str, code: i32| {
            let said = verify(&["--checkpoint", "kept"]);
            assert_eq!(said.code, code, "{format}: {}{}", said.out, said.err);
            assert!(said.out.contains(sentence), "{format}: {}", said.out);
        };
        spoil("look again, please", "look again, pleas");
        found("broken at row 10: its content was changed", 10);
        spoil("max", "mia");
        found("broken at row 5: its content was changed", 10);
        // Rows start at their number; the last comment has two lines.
        let begin = if format == "csv" { "\n" } else { "\n{\"seq\":" };
        let row = |seq: i64| to_stdout.out.find(&format!("{begin}{seq},")).unwrap() + 1;
        let without = |from: usize, to: usize| {
            elsewhere.write("trail", [&to_stdout.out[..from], &to_stdout.out[to..]].concat());
        };
        without(row(3), row(4));
        found("broken at row 3: the row is missing", 10);
        without(row(9), to_stdout.out.len());
        found("knows 12 rows, the trail has 8: its end was cut off", 11);
        without(row(9) - 30, to_stdout.out.len());
        found("broken at row 8: what stands there is no row", 10);
        let (three, four, five) = (row(3), row(4), row(5));
        let text = &to_stdout.out;
        let swapped = [&text[..three], &text[four..five], &text[three..four], &text[five..]];
        elsewhere.write("trail", swapped.concat());
        found("broken at row 3: the row is missing", 10);
        let twice = [&text[..four], &text[three..]];
        elsewhere.write("trail", twice.concat());
        found("broken at row 4: another row comes where it should be", 10);
        let first = if format == "csv" { text.find('\n').unwrap() + 1 } else { 0 };
        without(first, row(5));
        found("broken at row 1: the row is missing: an export of a part", 10);
        // NULL and the empty text are distinct.
        if format == "jsonl" {
            spoil("\"comments\":null", "\"comments\":\"\"");
        } else {
            spoil("Z,,,,", "Z,\"\",,,");
        }
        found("broken at row 1: its content was changed", 10);
    }
    let said = project.recon(&["audit", "verify", "--export", "kept"]);
    assert_eq!(said.code, 10, "a file of JSON lines that are no rows");
    project.write("x.csv", "a,b\n1,2\n");
    let said = project.recon(&["audit", "verify", "--export", "x.csv"]);
    assert!(said.code == 2 && said.err.contains("names other columns"), "{}", said.err);
    assert_eq!(project.recon(&["audit", "verify", "--export", "missing"]).code, 2);
    let with_replay = ["audit", "verify", "--export", "trail.csv", "--replay"];
    assert_eq!(project.recon(&with_replay).code, 2, "there are no tables to compare");
}

#[test]
fn invalid_stores_and_checkpoints_are_reported() {
    let project = Project::new();
    assert_eq!(audit(&project, &["verify"]).code, 4);
    assert_eq!(project.recon(&["audit", "verify"]).code, 2, "no configuration and no store");
    project
        .write("recon.db", "this is no database, however long it may be, and so it can't be read");
    assert_eq!(audit(&project, &["verify"]).code, 4);
    let project = decided();
    let verify = |file: &str| audit(&project, &["verify", "--checkpoint", file]);
    assert_eq!(verify("missing").code, 2);
    project.write("empty", "\n").write("garbage", "{}\n");
    let said = verify("empty");
    assert!(said.code == 2 && said.err.contains("contains no checkpoint"), "{}", said.err);
    let said = verify("garbage");
    assert!(said.code == 2 && said.err.contains("line 1: this is no checkpoint"), "{}", said.err);
}

#[test]
fn the_same_on_postgres() {
    let project = Project::new();
    let url = crate::postgres::new_database();
    let place = crate::store::Place::at(&url);
    let store = place.open();
    decide(&*store, &team(false));
    let audit =
        |arguments: &[&str]| project.recon(&[&["audit"], arguments, &["--store", &url]].concat());
    assert_eq!(audit(&["checkpoint", "--out", "kept"]).code, 0);
    let said = audit(&["verify", "--checkpoint", "kept", "--replay"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(audit(&["export", "--out", "trail.jsonl"]).code, 0);
    let verify = ["audit", "verify", "--export", "trail.jsonl", "--checkpoint", "kept"];
    assert_eq!(project.recon(&verify).code, 0);
    place.execute("ALTER TABLE audit_trail DISABLE TRIGGER ALL; TRUNCATE audit_trail");
    let said = audit(&["verify", "--checkpoint", "kept"]);
    assert_eq!(said.code, 11, "{}", said.out);
}

#[test]
fn the_server_keeps_checkpoints_in_its_log() {
    let project = decided();
    let mut child = project
        .command(&[&["serve", "--bind", "127.0.0.1:0", "--json"], &STORE[..]].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let first = log.by_ref().find(|line| line.contains("the audit trail has")).unwrap();
    // A thousand more rows while it runs.
    let store = store_of(&project);
    let entry = Entry {
        entity_type: "person".to_owned(),
        entity_id: "ann".to_owned(),
        stage: "ADMIN".to_owned(),
        action_type: "GRANT_ROLES".to_owned(),
        ..Entry::default()
    };
    let entries = vec![entry; 1_000];
    let head = transact::write(&*store, |tx| {
        audit::append(tx, Instant::new(1_900_000_000, 0), &By::system(), &entries)
    });
    let head: audit::Head =
        head.unwrap_or_else(|problem: recon::diagnostic::Problem| panic!("{problem}"));
    let hash: String = head.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let next = log.by_ref().find(|line| line.contains("the audit trail has")).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let last = log.find(|line| line.contains("the audit trail has")).unwrap();
    assert!(child.wait().unwrap().success());
    let rows = |line: &str| -> i64 {
        let count = line.split("trail has ").nth(1).unwrap();
        count.split_whitespace().next().unwrap().parse().unwrap()
    };
    assert_eq!(rows(&first), ROWS, "{first}");
    assert_eq!(rows(&next), head.seq, "{next}");
    assert!(next.contains(&hash) && last.contains(&hash), "{next}\n{last}");
}
