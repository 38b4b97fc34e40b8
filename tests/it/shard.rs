//! The steps of `recon shard` and `recon import`, through the real program. The tests play the engine: they move
//! rows by their slots. Whatever the number of tasks, the result is that of `recon run`, ids included.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::process::Stdio;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use recon::exchange::{RowReader, RowWriter};
use serde_json::{Value as Json, json};

use crate::postgres;
use crate::program::{Deadline, Project};

/// Rows of the exchange stream.
type Rows = Vec<(i32, Vec<u8>)>;

/// The output of a step.
struct Step {
    code: i32,
    out: Vec<u8>,
    err: String,
}

fn step(project: &Project, arguments: &[&str], input: Vec<u8>) -> Step {
    let mut command = project.command(arguments);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _deadline = Deadline::of(&child);
    let mut stdin = child.stdin.take().unwrap();
    // A step that refuses its input closes the pipe.
    let writing = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    Step {
        code: output.status.code().unwrap_or(-1),
        out: output.stdout,
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn done(project: &Project, arguments: &[&str], input: Vec<u8>) -> Vec<u8> {
    let step = step(project, arguments, input);
    assert_eq!(step.code, 0, "{arguments:?}: {}", step.err);
    step.out
}

fn stream<'a>(rows: impl IntoIterator<Item = &'a (i32, Vec<u8>)>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = RowWriter::new(&mut out).unwrap();
    rows.into_iter().for_each(|(slot, payload)| writer.push(*slot, payload).unwrap());
    writer.finish().unwrap();
    out
}

fn rows(bytes: Vec<u8>) -> Rows {
    let mut rows = Vec::new();
    RowReader::open(Box::new(Cursor::new(bytes)))
        .unwrap()
        .each(|slot, payload| {
            rows.push((slot, payload.to_vec()));
            Ok(())
        })
        .unwrap();
    rows
}

/// An engine with this many tasks for each step.
struct Engine<'p> {
    project: &'p Project,
    tasks: usize,
    plan: Json,
    decisions: usize,
}

impl<'p> Engine<'p> {
    /// The job of the folder, as the run with this id and start.
    fn new(project: &'p Project, tasks: usize, run: &Run, more: &[&str]) -> Self {
        let plan = ["shard", "plan", "-o", "job", "--run-id", &run.id, "--started", &run.started];
        let plan = done(project, &[&plan, more].concat(), Vec::new());
        let plan = serde_json::from_slice(&plan).unwrap();
        Self { project, tasks, plan, decisions: 0 }
    }

    fn state(&self) -> String {
        format!("state{}", self.decisions)
    }

    /// Gives payloads for the driver to `decide`.
    fn decide(&mut self, driver: &Rows) -> Json {
        let before = self.state();
        let mut arguments = vec!["shard", "decide", "--job", "job"];
        if self.decisions > 0 {
            arguments.extend(["--state", &before]);
        }
        self.decisions += 1;
        let after = self.state();
        arguments.extend(["-o", &after]);
        serde_json::from_slice(&done(self.project, &arguments, stream(driver))).unwrap()
    }

    /// Shuffles rows by their slots, and does a step with each task's rows, the last task's first.
    fn shuffled(&self, rows: &Rows, arguments: &[&str]) -> Vec<Vec<u8>> {
        let state = self.state();
        let fixed = ["shard", arguments[0], "--job", "job", "--state", &state];
        let arguments = [&fixed, &arguments[1..]].concat();
        let of = |task: usize| {
            rows.iter()
                .rev()
                .filter(move |(slot, _)| slot.unsigned_abs() as usize % self.tasks == task)
        };
        let used = (0..self.tasks).rev().filter(|task| of(*task).next().is_some());
        used.map(|task| done(self.project, &arguments, stream(of(task)))).collect()
    }

    /// The step of `prepare` that reads the sources itself.
    fn read(&self) -> Rows {
        let mut all = Vec::new();
        for side in ["a", "b"] {
            for number in 0..self.plan["reads"][side].as_u64().unwrap() {
                let number = number.to_string();
                let arguments =
                    ["shard", "prepare", "--job", "job", "--side", side, "--read", &number];
                all.extend(rows(done(self.project, &arguments, Vec::new())));
            }
        }
        all
    }

    /// All steps after `prepare`; writes run.json and a file of result lines for each task.
    fn finish(&mut self, prepared: Rows) -> Json {
        let parted =
            |rows: Rows| -> (Rows, Rows) { rows.into_iter().partition(|(slot, _)| *slot < 0) };
        let (driver, mut finished) = parted(prepared);
        let mut decision = self.decide(&driver);
        let passes = self.plan["passes"].as_u64().unwrap();
        let mut open = if passes > 0 { std::mem::take(&mut finished) } else { Vec::new() };
        for pass in 0..passes {
            let made = self.shuffled(&open, &["match", "--pass", &pass.to_string()]);
            let (driver, data) = parted(made.into_iter().flat_map(rows).collect());
            let (done, still_open): (Rows, Rows) =
                data.into_iter().partition(|(slot, _)| *slot < 8192);
            finished.extend(done);
            open = still_open;
            decision = self.decide(&driver);
        }
        assert!(open.is_empty());
        assert_eq!(decision["survey"]["needed"], true);
        let last = decision["survey"]["max_slot"].as_i64().unwrap();
        let all = self.plan["survey"] == "all";
        let sampled = finished
            .iter()
            .filter(|(slot, _)| all || i64::from(*slot) <= last || *slot >= 4096)
            .cloned()
            .collect();
        let surveyed = self.shuffled(&sampled, &["survey"]);
        self.decide(&surveyed.into_iter().flat_map(rows).collect());
        let mut lines = Vec::new();
        let results = self.shuffled(&finished, &["join", "--format", "jsonl"]);
        for (task, result) in results.into_iter().enumerate() {
            self.project.write(&format!("result/{task:02}.jsonl"), &result);
            lines.extend(result);
        }
        let state = self.state();
        let close = ["shard", "close", "--job", "job", "--state", &state, "--format", "jsonl"];
        let close = [&close[..], &["-o", "result/run.json"]].concat();
        serde_json::from_slice(&done(self.project, &close, lines)).unwrap()
    }
}

/// A run on one machine.
struct Run {
    id: String,
    started: String,
    summary: Json,
}

fn run(project: &Project) -> Run {
    let summary = project.json(&["run", "--json", "--batch-date", "2026-01-15"]);
    let id = summary["run_id"].as_str().unwrap().to_owned();
    let sql = format!("SELECT start_time FROM recon.recon_runs WHERE run_id = '{id}'");
    let started = project.sql(&sql)[0]["start_time"].as_str().unwrap().to_owned();
    Run { id, started, summary }
}

const DATE: [&str; 2] = ["--batch-date", "2026-01-15"];

/// Everything that a store says of its runs, but for times.
const TABLES: [&str; 6] = [
    "SELECT record_id, source_a_ref_id, source_b_ref_id, normalized_data_a, normalized_data_b, \
     line_a, offset_a, line_b, offset_b, gate_status, kind, partner_rejected, is_break, \
     record_number, file_a, file_b, match_pass, match_shape, match_certificate, \
     match_alternatives, members_a, members_b FROM recon.recon_records ORDER BY record_number",
    "SELECT diff_id, record_id, field_name, value_a, value_b, diff_type, severity, \
     difference_number FROM recon.data_differences ORDER BY difference_number",
    "SELECT attribution_id, diff_id, c.code, confidence_score, status, assigned_by, explanation, \
     signature, amount_abs, version, is_locked FROM recon.attributions a \
     JOIN recon.reason_codes c ON c.reason_id = a.reason_id ORDER BY difference_number",
    "SELECT side, line, code, text, message, key, file FROM recon.rejected_rows \
     ORDER BY side, file, line, code",
    "SELECT record_id, side, file, line, ref_id, normalized_data FROM recon.recon_members \
     ORDER BY record_id, side, file, line",
    "SELECT break_id, ref, field_name, diff_type, first_seen, occurrences, reason, status \
     FROM recon.recon_breaks ORDER BY break_id",
];

fn tables(project: &Project, store: &str) -> Vec<Json> {
    let table = |sql: &&str| project.json(&["--store", store, "sql", sql, "--format", "json"]);
    TABLES.iter().map(table).collect()
}

fn but_for_times(mut summary: Json) -> Json {
    summary["seconds"] = Json::Null;
    summary
}

/// Compares a run on one machine with the same run in steps, at some numbers of tasks.
fn the_steps_give_the_run(project: &Project, counts: &[usize]) {
    let run = run(project);
    let expected = tables(project, "sqlite:recon.db");
    for tasks in counts {
        let mut engine = Engine::new(project, *tasks, &run, &DATE);
        let prepared = engine.read();
        let closed = engine.finish(prepared);
        assert_eq!(
            but_for_times(closed["run"].clone()),
            but_for_times(run.summary.clone()),
            "{tasks} tasks"
        );
        let store = format!("sqlite:imported{tasks}.db");
        let imported = project.json(&["import", "result", "--store", &store, "--json"]);
        assert_eq!(but_for_times(imported), but_for_times(run.summary.clone()), "{tasks} tasks");
        for (found, expected) in tables(project, &store).iter().zip(&expected) {
            assert_eq!(found, expected, "{tasks} tasks");
        }
        std::fs::remove_dir_all(project.path("result")).unwrap();
    }
}

#[test]
fn every_example_is_the_same_in_steps_at_1_7_and_64_tasks() {
    the_steps_give_the_run(&Project::of("."), &[1, 7, 64]);
    for example in [
        "examples/payments_ledger",
        "examples/custody_positions",
        "examples/awkward_files",
        "examples/from_datacompy",
        "examples/orders_api",
        "examples/bank_statement",
    ] {
        the_steps_give_the_run(&Project::of(example), &[7]);
    }
}

#[test]
fn matching_passes_are_the_same_in_steps() {
    the_steps_give_the_run(&Project::of("examples/payouts"), &[1, 7]);
    the_steps_give_the_run(&Project::of("examples/bank_to_ledger"), &[7]);
}

const JOB: &str = r#"version: 1
job: steps
sources:
  a:
    system: LEFT
    read: { csv: { path: "a/*.csv" } }
    map: { id: id, currency: ccy, amount: amount, day: day }
  b:
    system: RIGHT
    read: { csv: { path: "b/*.csv" } }
    map: { id: id, currency: ccy, amount: amount, day: day }
key: [id]
currency_field: currency
fields:
  id: { type: text }
  currency: { type: text }
  amount: { type: decimal, monetary: true, tolerance: { absolute: 0.005 } }
  day: { type: date }
rules: { attribute: [rules.rhai] }
reason_codes:
  SMALL: { functional: true, description: "A small difference" }
  LATE: { functional: true, description: "A day apart" }
  UNKNOWN: { functional: false, description: "No cause" }
"#;

const RULES: &str = r#"// Reasons for the tests: a small difference is accepted.
fn attribute_small(d) { if d.field == "amount" && d.diff_type == "NUMERIC_MISMATCH" { return reason("SMALL", 0.95); } }
fn attribute_late(d) { if d.field == "day" { return reason("LATE", 0.5); } }
"#;

const HEADER: &str = "id,ccy,amount,day\n";

/// A job whose sources are several files each.
fn job(match_section: &str, a: &[String], b: &[String]) -> Project {
    let project = Project::new();
    project.write("recon.yaml", format!("{JOB}{match_section}")).write("rules.rhai", RULES);
    for (folder, files) in [("a", a), ("b", b)] {
        for (number, rows) in files.iter().enumerate() {
            project.write(&format!("{folder}/{number}.csv"), format!("{HEADER}{rows}"));
        }
    }
    project
}

const PASSES: &str = r#"match:
  passes:
    - { name: same_day, equal: [currency, day], near: { amount: { absolute: 1 } } }
    - { name: sums, equal: [currency], near: { amount: { absolute: 0 }, day: { days: 30 } }, sum: [amount], shape: many_to_many, max_rows: 3 }
"#;

/// Rows with repeated and skewed keys, rejected rows, unreadable amounts.
fn lines() -> impl Strategy<Value = String> {
    let line = (0..14usize, 0..3usize, 0..6i32, 1..4u32, 0..24usize).prop_map(
        |(id, currency, amount, day, odd)| {
            // Half of the rows have one key.
            let id = if id < 7 { "K".to_owned() } else { format!("k{id}") };
            let currency = ["EUR", "USD", ""][currency];
            match odd {
                0 => format!("{id},{currency}\n"),
                1 => format!("{id},{currency},n/a,2026-01-0{day}\n"),
                2 => format!(",{currency},{amount}.5,2026-01-0{day}\n"),
                _ => format!("{id},{currency},{amount}.5,2026-01-0{day}\n"),
            }
        },
    );
    proptest::collection::vec(line, 1..14).prop_map(|lines| lines.concat())
}

#[test]
fn any_small_job_is_the_same_in_steps() {
    let mut runner = TestRunner::new(Config::with_cases(4));
    let side = || proptest::collection::vec(lines(), 1..3);
    runner
        .run(&(side(), side(), any::<bool>()), |(a, b, passes)| {
            // A source of which every row is rejected can't be read, in steps or not.
            let good = "good,EUR,1.5,2026-01-02\n".to_owned();
            let with = |files: Vec<String>| [files, vec![good.clone()]].concat();
            let project = job(if passes { PASSES } else { "" }, &with(a), &with(b));
            the_steps_give_the_run(&project, &[5]);
            Ok(())
        })
        .unwrap();
}

#[test]
fn only_breaks_are_kept_if_configured() {
    let a = ["x1,EUR,1,2026-01-01\nx2,EUR,2,2026-01-01\nx3,EUR,3,2026-01-01\n".to_owned()];
    let b = ["x1,EUR,1,2026-01-01\nx2,EUR,9,2026-01-01\nx4,EUR,3,2026-01-01\n".to_owned()];
    the_steps_give_the_run(&job("options: { keep: breaks }\n", &a, &b), &[1, 3]);
}

/// The rows of a file as a CSV stream that says where each stands.
fn placed(rows: &str) -> String {
    let numbered = rows.lines().zip(2..).map(|(row, line)| format!("{row},{line},a/0.csv\n"));
    format!("id,ccy,amount,day,_recon_line,_recon_file\n{}", numbered.collect::<String>())
}

#[test]
fn rows_on_a_stream_have_the_places_that_they_say() {
    let a = "x1,EUR,1.50,2026-01-01\nx2,EUR,2,2026-01-01\nx3,EUR,3,\n";
    let b = "x1,EUR,1.5,2026-01-01\nx2,EUR,9,2026-01-01\n";
    let project = job("", &[a.to_owned()], &[b.to_owned()]);
    let run = run(&project);
    let sources = json!({
        "a": { "columns": ["id", "ccy", "amount", "day"], "name": "a/0.csv", "files": ["a/0.csv"] },
    });
    project.write("sources.json", sources.to_string());
    let mut engine =
        Engine::new(&project, 3, &run, &[&DATE[..], &["--sources", "sources.json"]].concat());
    assert_eq!(engine.plan["reads"], json!({ "a": 0, "b": 1 }));
    let prepare = ["shard", "prepare", "--job", "job", "--side"];
    let csv = [&prepare[..], &["a", "--format", "csv"]].concat();
    let read = [&prepare[..], &["b", "--read", "0"]].concat();
    let mut prepared = rows(done(&project, &csv, placed(a).into_bytes()));
    prepared.extend(rows(done(&project, &read, Vec::new())));
    let closed = engine.finish(prepared);
    assert_eq!(closed["run"]["records"], run.summary["records"]);
    assert_eq!(closed["run"]["sources"]["a"]["path"], "a/0.csv");
    project.json(&["import", "result", "--store", "sqlite:imported.db", "--json"]);
    let lines = "SELECT record_id, line_a, file_a, line_b, kind, normalized_data_a \
                 FROM recon.recon_records ORDER BY record_number";
    let imported = ["--store", "sqlite:imported.db", "sql", lines, "--format", "json"];
    assert_eq!(project.json(&imported), project.sql(lines));
}

/// A folder with the result of an example in steps, and the run on one machine.
fn result(tasks: usize) -> (Project, Run) {
    let project = Project::of(".");
    let run = run(&project);
    let mut engine = Engine::new(&project, tasks, &run, &DATE);
    let prepared = engine.read();
    engine.finish(prepared);
    (project, run)
}

#[test]
fn an_imported_run_is_reported_and_audited_like_any_other_on_both_stores() {
    let (project, run) = result(3);
    for store in ["sqlite:imported.db".to_owned(), postgres::new_database()] {
        let imported = project.json(&["import", "result", "--store", &store, "--json"]);
        assert_eq!(but_for_times(imported), but_for_times(run.summary.clone()));
        let report = project.json(&["report", "--format", "json", "--store", &store]);
        assert_eq!(report["run_id"], run.id.as_str());
        assert_eq!(report["differences"], run.summary["differences"]);
        let verified = project.recon(&["audit", "verify", "--replay", "--store", &store]);
        assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
        let again = project.recon(&["import", "result", "--store", &store]);
        assert_eq!(again.code, 2, "{}", again.err);
        assert!(again.err.contains("run-exists"), "{}", again.err);
    }
    let found = tables(&project, "sqlite:imported.db");
    assert_eq!(found, tables(&project, "sqlite:recon.db"));
}

#[test]
fn a_result_that_lacks_rows_or_has_them_twice_is_not_imported() {
    let (project, _) = result(2);
    let file = project.path("result/00.jsonl");
    let whole = std::fs::read_to_string(&file).unwrap();
    let without = |table: &str| {
        let mut left_out = false;
        let lines = whole.lines().filter(|line| {
            let is_it = !left_out && line.contains(&format!("\"{table}\":"));
            left_out |= is_it;
            !is_it
        });
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let last = whole.lines().rfind(|line| line.contains("\"record\":")).unwrap();
    for text in
        [without("record"), without("difference"), format!("{whole}{last}\n"), String::new()]
    {
        std::fs::write(&file, text).unwrap();
        let said = project.recon(&["import", "result", "--store", "sqlite:imported.db"]);
        assert_eq!(said.code, 5, "{}", said.err);
        assert!(said.err.contains("result-incomplete"), "{}", said.err);
        let runs = "SELECT count(*) AS n FROM recon.recon_records";
        let runs = ["--store", "sqlite:imported.db", "sql", runs, "--format", "json"];
        assert_eq!(project.json(&runs)[0]["n"], 0, "nothing of it shows");
    }
    std::fs::write(&file, &whole).unwrap();
    project.json(&["import", "result", "--store", "sqlite:imported.db", "--json"]);
    let file_of_run = std::fs::read(project.path("result/run.json")).unwrap();
    std::fs::remove_file(project.path("result/run.json")).unwrap();
    let said = project.recon(&["import", "result", "--store", "sqlite:other.db"]);
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.err.contains("result-unreadable"), "{}", said.err);
    project.write("result/run.json", file_of_run);
    project.json(&["import", "result", "--store", "sqlite:other.db", "--json"]);
}

#[test]
fn a_stream_that_is_not_of_this_job_is_refused() {
    let project = Project::of(".");
    let run = run(&project);
    let mut engine = Engine::new(&project, 1, &run, &DATE);
    let prepared = engine.read();
    let counts: Rows = prepared.iter().filter(|(slot, _)| *slot < 0).cloned().collect();
    engine.decide(&counts);
    let refused = |arguments: &[&str], input: Vec<u8>| {
        let json = ["--log-format", "json"];
        let step = step(&project, &[&json, arguments].concat(), input);
        assert_eq!(step.code, 2, "{arguments:?}: {}", step.err);
        let line = step.err.lines().find(|line| line.contains("\"error\"")).unwrap().to_owned();
        let problem: Json = serde_json::from_str(&line).unwrap();
        problem["code"].as_str().unwrap().to_owned()
    };
    let join = ["shard", "join", "--job", "job", "--state", "state1"];
    let whole = stream(&prepared);
    assert_eq!(refused(&join, b"id,amount\n1,2\n".to_vec()), "shard-stream");
    assert_eq!(refused(&join, whole[..whole.len() - 8].to_vec()), "shard-stream");
    assert_eq!(refused(&join, whole[..whole.len() / 2].to_vec()), "shard-stream");
    assert_eq!(refused(&join, whole.clone()), "shard-stream", "counts are not for a task");
    let mut other = prepared.clone();
    other.iter_mut().for_each(|(_, payload)| payload[2] += 1);
    assert_eq!(refused(&join, stream(&other)), "shard-stream", "another version");
    // The same configuration at another time is another job.
    let plan = ["shard", "plan", "-o", "job2", "--batch-date", "2026-01-16"];
    done(&project, &plan, Vec::new());
    let join_other = ["shard", "join", "--job", "job2", "--state", "state1"];
    assert_eq!(refused(&join_other, stream(&[])), "shard-job");
    let text = std::fs::read_to_string(project.path("job")).unwrap();
    let version = concat!("\"version\":\"", env!("CARGO_PKG_VERSION"));
    project.write("job3", text.replace(version, "\"version\":\"9.9.9"));
    let join_newer = ["shard", "join", "--job", "job3", "--state", "state1"];
    assert_eq!(refused(&join_newer, stream(&[])), "shard-job");
    let prepare = ["shard", "prepare", "--job", "job", "--side", "a"];
    assert_eq!(refused(&prepare, stream(&[])), "missing-column");
    // Rows written by earlier steps of this job are accepted.
    let tasks: Rows = prepared.into_iter().filter(|(slot, _)| *slot >= 0).collect();
    done(&project, &join, stream(&tasks));
}

#[test]
fn nothing_but_the_job_file_is_needed() {
    let project = Project::of(".");
    let run = run(&project);
    let mut engine = Engine::new(&project, 2, &run, &DATE);
    for name in ["recon.yaml", "rules"] {
        std::fs::rename(project.path(name), project.path(&format!("{name}.gone"))).unwrap();
    }
    let prepared = engine.read();
    let closed = engine.finish(prepared);
    assert_eq!(but_for_times(closed["run"].clone()), but_for_times(run.summary));
}

#[test]
fn failures_have_the_exit_codes_of_a_run() {
    let rows = |text: &str| vec![text.to_owned()];
    // Too many rejected rows.
    let bad = "x1,EUR\nx2,EUR,1,2026-01-01\n";
    let project = job("options: { max_rejected: 0 }\n", &rows(bad), &rows("x1,EUR,1,2026-01-01\n"));
    let local = project.recon(&["run", "--batch-date", "2026-01-15"]);
    assert_eq!(local.code, 3);
    let plan = ["shard", "plan", "-o", "job", "--batch-date", "2026-01-15"];
    done(&project, &plan, Vec::new());
    let mut driver = Vec::new();
    for side in ["a", "b"] {
        let prepare = ["shard", "prepare", "--job", "job", "--side", side, "--read", "0"];
        driver.extend(self::rows(done(&project, &prepare, Vec::new())));
    }
    driver.retain(|(slot, _)| *slot < 0);
    let decide = ["shard", "decide", "--job", "job", "-o", "state"];
    let decided = step(&project, &decide, stream(&driver));
    assert_eq!(decided.code, 3);
    assert_eq!(decided.err, local.err, "the same words");
    // Lost rows.
    let good = rows("x1,EUR,1,2026-01-01\n");
    let project = job("", &good, &good);
    let run = run(&project);
    let mut engine = Engine::new(&project, 1, &run, &DATE);
    let mut prepared = engine.read();
    prepared.retain(|(slot, _)| *slot < 0);
    engine.decide(&prepared);
    let close = ["shard", "close", "--job", "job", "--state", "state1", "-o", "run.json"];
    assert_eq!(step(&project, &close, stream(&[])).code, 5);
    // Jobs that cannot be spread.
    let open = job("open_items: { a: movements, b: movements }\n", &good, &good);
    let said = open.recon(&["shard", "plan", "-o", "job"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("shard-unsupported"), "{}", said.err);
    assert!(said.err.contains("recon run"), "{}", said.err);
    assert_eq!(open.recon(&["run"]).code, 0);
}

#[test]
fn a_rule_beyond_its_limits_ends_the_step_as_it_ends_a_run() {
    let good = vec!["x1,EUR,1,2026-01-01\n".to_owned()];
    let other = vec!["x1,EUR,7,2026-01-01\n".to_owned()];
    let project = job("", &good, &other);
    project.write("rules.rhai", "// Never ends.\nfn attribute_endless(d) { loop { } }\n");
    let local = project.recon(&["run", "--batch-date", "2026-01-15"]);
    assert_ne!(local.code, 0);
    done(&project, &["shard", "plan", "-o", "job", "--batch-date", "2026-01-15"], Vec::new());
    let mut prepared = Vec::new();
    for side in ["a", "b"] {
        let prepare = ["shard", "prepare", "--job", "job", "--side", side, "--read", "0"];
        prepared.extend(rows(done(&project, &prepare, Vec::new())));
    }
    let (driver, data): (Rows, Rows) = prepared.into_iter().partition(|(slot, _)| *slot < 0);
    done(&project, &["shard", "decide", "--job", "job", "-o", "state"], stream(&driver));
    let join =
        step(&project, &["shard", "join", "--job", "job", "--state", "state"], stream(&data));
    assert_eq!(join.code, local.code, "{}", join.err);
    assert_eq!(join.err.lines().next(), local.err.lines().next());
}

#[test]
fn a_model_decides_the_same_in_steps() {
    let project = Project::new();
    let generate = ["generate", "--rows", "500", "--seed", "5", "-o", "."];
    assert_eq!(project.recon(&generate).code, 0);
    assert_eq!(project.recon(&["run", "--batch-date", "2026-01-14"]).code, 0);
    let train = project.recon(&["train", "--labels", "labels.csv", "--promote", "always"]);
    assert_eq!(train.code, 0, "{}", train.err);
    let run = run(&project);
    assert!(run.summary["model"].is_string(), "the model is used");
    let by_model = run.summary["attributions"]["by_source"]["model"].as_u64();
    assert!(by_model > Some(0), "{}", run.summary["attributions"]);
    let mut engine = Engine::new(&project, 7, &run, &DATE);
    assert_eq!(engine.plan["survey"], "all");
    let prepared = engine.read();
    let closed = engine.finish(prepared);
    assert_eq!(but_for_times(closed["run"].clone()), but_for_times(run.summary.clone()));
    project.json(&["import", "result", "--store", "sqlite:imported.db", "--json"]);
    let decided = format!(
        "SELECT attribution_id, assigned_by, confidence_score, status, explanation \
         FROM recon.attributions WHERE run_id = '{}' ORDER BY difference_number",
        run.id
    );
    let imported = ["--store", "sqlite:imported.db", "sql", &decided, "--format", "json"];
    assert_eq!(project.json(&imported), project.sql(&decided));
}

#[test]
fn ids_follow_from_slots_and_indices() {
    let (project, run) = result(5);
    let text = std::fs::read_to_string(project.path("result/run.json")).unwrap();
    let closed: Json = serde_json::from_str(&text).unwrap();
    let mut lines: BTreeMap<u64, Json> = BTreeMap::new();
    for task in 0..5 {
        let Ok(text) = std::fs::read_to_string(project.path(&format!("result/{task:02}.jsonl")))
        else {
            continue;
        };
        for line in text.lines() {
            let line: Json = serde_json::from_str(line).unwrap();
            if line["record"].is_object() {
                let slot = line["slot"].as_u64().unwrap() as usize;
                let number =
                    closed["first"][slot].as_u64().unwrap() + line["index"].as_u64().unwrap();
                assert!(lines.insert(number, line["record"].clone()).is_none());
            }
        }
    }
    let records = project.sql(&format!(
        "SELECT record_number, source_a_ref_id, source_b_ref_id, kind, gate_status, line_a, \
         line_b, file_a, file_b FROM recon.recon_records WHERE run_id = '{}' \
         ORDER BY record_number",
        run.id
    ));
    let records = records.as_array().unwrap();
    assert_eq!(records.len(), lines.len());
    for (record, (number, line)) in records.iter().zip(&lines) {
        assert_eq!(record["record_number"].as_u64(), Some(*number));
        for name in
            ["source_a_ref_id", "source_b_ref_id", "kind", "gate_status", "line_a", "file_b"]
        {
            assert_eq!(&record[name], line.get(name).unwrap_or(&Json::Null), "{name} of {number}");
        }
    }
}
