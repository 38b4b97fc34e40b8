//! Open items: rows without a partner take part again on the next business date, through the real program and on
//! both stores.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use recon::database::StoreUrl;
use serde_json::{Value as Json, json};

use crate::postgres;
use crate::program::Project;
use crate::review::fixture::{decide_all, team};

const SQLITE: &str = "sqlite:recon.db";

fn stores() -> [String; 2] {
    [SQLITE.to_owned(), postgres::new_database()]
}

/// A job with one folder of files for each date.
struct Job {
    project: Project,
    store: String,
}

const CONFIGURATION: &str = r#"version: 1
job: days
sources:
  a:
    system: BANK
    read: { csv: { path: "${BATCH_DATE}/a.csv" } }
    map: { id: id, amount: amount, text: text }
  b:
    system: LEDGER
    read: { csv: { path: "${BATCH_DATE}/b.csv" } }
    map: { id: id, amount: amount, text: text }
OPEN
key: [id]
fields:
  id: { type: text }
  amount: { type: decimal }
  text: { type: text, compare: false }
reason_codes:
  WRITE_OFF: { functional: true, closes: true, description: "Written off" }
  TIMING: { functional: true, description: "Booked later" }
  UNKNOWN: { functional: false, description: "No cause found" }
"#;

const HEADER: &str = "id,amount,text\n";
const BOTH: &str = "open_items: { a: movements, b: movements }";
const MIXED: &str = "open_items: { a: movements, b: snapshot }";

impl Job {
    fn new(store: &str, open: &str) -> Self {
        let project = Project::new();
        project.write("recon.yaml", CONFIGURATION.replace("OPEN", open));
        Self { project, store: store.to_owned() }
    }

    fn files(&self, day: u32, a: &str, b: &str) -> &Self {
        let date = date(day);
        self.project.write(&format!("{date}/a.csv"), format!("{HEADER}{a}"));
        self.project.write(&format!("{date}/b.csv"), format!("{HEADER}{b}"));
        self
    }

    fn json(&self, day: u32, arguments: &[&str]) -> Json {
        let date = date(day);
        let all = [&["--store", &self.store, "--batch-date", &date, "--json"], arguments].concat();
        self.project.json(&all)
    }

    fn run(&self, day: u32, a: &str, b: &str) -> Json {
        self.files(day, a, b).json(day, &["run"])
    }

    fn sql(&self, statement: &str) -> Vec<Json> {
        let said =
            self.project.json(&["--store", &self.store, "sql", statement, "--format", "json"]);
        said.as_array().unwrap().clone()
    }

    /// The records of a date's current run: kind, key, and since when each side is open.
    fn records(&self, day: u32) -> Vec<String> {
        let rows = self.sql(&format!(
            "SELECT r.kind || ' ' || coalesce(r.source_a_ref_id, r.source_b_ref_id) || ' ' || \
             coalesce(CAST(r.carried_from_a AS text), '-') || ' ' || \
             coalesce(CAST(r.carried_from_b AS text), '-') AS line \
             FROM recon.current_records r JOIN recon.recon_runs u ON u.run_id = r.run_id \
             WHERE u.batch_date = '{}' ORDER BY 1",
            date(day)
        ));
        rows.iter().map(|row| row["line"].as_str().unwrap().to_owned()).collect()
    }

    /// Has a person give a reason to the differences of a key on a date's current run.
    fn decide(&self, day: u32, key: &str, reason: &str) {
        let found = self.sql(&format!(
            "SELECT a.attribution_id FROM recon.current_attributions a \
             JOIN recon.data_differences d ON d.diff_id = a.diff_id \
             JOIN recon.recon_records r ON r.record_id = d.record_id \
             JOIN recon.recon_runs u ON u.run_id = r.run_id \
             WHERE coalesce(r.source_a_ref_id, r.source_b_ref_id) = '{key}' \
             AND u.batch_date = '{}'",
            date(day)
        ));
        assert!(!found.is_empty(), "{key}");
        decide_all(&self.project, &self.store, &found, reason);
    }
}

fn date(day: u32) -> String {
    format!("2026-01-{day:02}")
}

fn codes(summary: &Json) -> Vec<&str> {
    summary["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["code"].as_str().unwrap())
        .collect()
}

/// Rows of a side that were taken over, expired and closed.
fn items(summary: &Json) -> [u64; 6] {
    ["carried_a", "carried_b", "expired_a", "expired_b", "closed_a", "closed_b"]
        .map(|key| summary["open_items"][key].as_u64().unwrap())
}

#[test]
fn the_lesson_of_three_days_has_its_expected_figures() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/three_days/expected.json");
    let expected: Json = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    for store in stores() {
        let job = Job { project: Project::of("examples/three_days"), store };
        for day in [14, 15, 16] {
            let summary = job.json(day, &["run"]);
            for part in ["records", "open_items"] {
                for (key, value) in expected[date(day)][part].as_object().unwrap() {
                    assert_eq!(&summary[part][key], value, "{} {part}.{key}", date(day));
                }
            }
            if day == 14 {
                job.decide(14, "P-1004", "WRITE_OFF");
            }
        }
        let explain = |day: u32, key: &str| {
            let run = job.sql(&format!(
                "SELECT run_id FROM recon.recon_runs WHERE batch_date = '{}'",
                date(day)
            ));
            let run = run[0]["run_id"].as_str().unwrap();
            let arguments = ["--store", &job.store, "explain", key, "--run", run];
            job.project.recon(&arguments).out
        };
        let csv = job.project.recon(&["--store", &job.store, "report", "--format", "csv"]).out;
        let mut lines = csv.lines();
        assert!(lines.next().unwrap().ends_with(",open_since,_escaped"), "{csv}");
        assert!(lines.next().unwrap().contains(",2026-01-16,"), "{csv}");
        let late = explain(16, "P-1003");
        assert!(late.contains("open since 2026-01-14"), "{late}");
        let first = explain(14, "P-1003");
        assert!(first.contains("cleared on 2026-01-16 by P-1003"), "{first}");
        assert!(explain(15, "P-1002").contains("open since 2026-01-14"));
    }
}

#[test]
fn an_open_row_waits_until_it_matches_and_says_since_when() {
    for store in stores() {
        for keep in ["all", "breaks"] {
            let store = if store == SQLITE { store.clone() } else { postgres::new_database() };
            let job = Job::new(&store, BOTH);
            job.project.replace(
                "recon.yaml",
                "key:",
                &format!("options: {{ keep: {keep} }}\nkey:"),
            );
            job.run(5, "K1,10,x\nK2,20,x\n", "K2,20,x\n");
            let second = job.run(6, "", "K3,30,y\n");
            assert_eq!(items(&second), [1, 0, 0, 0, 0, 0]);
            assert_eq!((&second["records"]["a"], &second["records"]["b"]), (&json!(1), &json!(1)));
            assert_eq!(job.records(6), ["ONLY_A K1 2026-01-05 -", "ONLY_B K3 - -"]);
            // The 7th is left out.
            let last = job.run(8, "K3,30,y\n", "K1,10,late\n");
            assert_eq!(items(&last), [1, 1, 0, 0, 0, 0]);
            assert_eq!(last["records"]["matched"], 2);
            let pairs = ["PAIR K1 2026-01-05 -", "PAIR K3 - 2026-01-06"];
            assert_eq!(job.records(8), if keep == "all" { &pairs[..] } else { &[] });
            assert_eq!(items(&job.run(9, "", "")), [0; 6]);
        }
    }
}

#[test]
fn rows_that_todays_file_delivers_again_are_not_carried() {
    let job = Job::new(SQLITE, BOTH);
    // Two genuine payments that are alike, and one that will be corrected.
    job.run(5, "K1,10,x\nK1,10,x\nK2,20,x\n", "");
    let again = job.run(6, "K1,10,x\nK2,25,x\n", "");
    assert_eq!(items(&again), [1, 0, 0, 0, 0, 0]);
    assert_eq!(again["records"]["a"], 3);
    let amounts = job.sql(
        "SELECT normalized_data_a ->> 'amount' AS amount FROM recon.current_records r \
         JOIN recon.recon_runs u ON u.run_id = r.run_id WHERE u.batch_date = '2026-01-06' ORDER BY 1",
    );
    assert_eq!(
        amounts,
        [json!({"amount": "10"}), json!({"amount": "10"}), json!({"amount": "25"})]
    );
}

#[test]
fn a_pair_of_movements_that_differs_stays_until_it_is_decided_or_corrected() {
    for store in stores() {
        let job = Job::new(&store, BOTH);
        job.run(5, "K1,10,x\nK2,20,x\n", "K1,11,x\nK2,21,x\n");
        let second = job.run(6, "", "");
        assert_eq!(items(&second), [2, 2, 0, 0, 0, 0]);
        assert_eq!(second["records"]["breaks"], 2);
        job.decide(6, "K1", "TIMING");
        // K2 is corrected by A, K1 was decided.
        let third = job.run(7, "K2,21,x\n", "");
        assert_eq!(items(&third), [0, 1, 0, 0, 0, 0]);
        assert_eq!(
            (&third["records"]["matched"], &third["records"]["breaks"]),
            (&json!(1), &json!(0))
        );
    }
}

#[test]
fn people_close_rows_and_age_expires_them_once() {
    for store in stores() {
        let job = Job::new(&store, "open_items: { a: movements, b: movements, max_age_days: 2 }");
        job.run(5, "K1,10,x\nK2,20,x\nK3,30,x\n", "");
        job.decide(5, "K1", "WRITE_OFF");
        job.decide(5, "K2", "TIMING");
        assert_eq!(items(&job.run(6, "", "")), [2, 0, 0, 0, 1, 0]);
        assert_eq!(items(&job.run(7, "", "K9,1,x\n")), [2, 0, 0, 0, 0, 0]);
        let expired = job.run(8, "", "");
        assert_eq!(items(&expired), [0, 1, 2, 0, 0, 0]);
        assert!(codes(&expired).contains(&"expired-items"), "{expired}");
        for name in ["K2 (A, 2026-01-05)", "K3 (A, 2026-01-05)"] {
            assert!(expired.to_string().contains(name), "{expired}");
        }
        assert_eq!(items(&job.run(9, "", "")), [0, 1, 0, 0, 0, 0]);
        // The same again.
        assert_eq!(items(&job.run(8, "", "")), [0, 1, 2, 0, 0, 0]);
        // On a day without anything new a source of movements has no rows.
        assert!(!codes(&expired).contains(&"no-rows"), "{expired}");
        let breaks = job.sql(
            "SELECT ref || ' ' || coalesce(cleared_how, 'open') || ' ' || \
             coalesce(CAST(cleared_on AS text), '-') AS line FROM recon.recon_breaks ORDER BY 1",
        );
        let breaks: Vec<&str> = breaks.iter().map(|row| row["line"].as_str().unwrap()).collect();
        let expected =
            ["K1 CLOSED 2026-01-06", "K2 EXPIRED 2026-01-08", "K3 EXPIRED 2026-01-08", "K9 open -"];
        assert_eq!(breaks, expected, "{store}");
    }
}

#[test]
fn the_item_of_a_row_taken_over_names_the_file_that_it_was_read_from() {
    let job = Job::new(SQLITE, MIXED);
    job.run(5, "K1,10,x\n", "K2,1,x\n");
    job.run(6, "", "K2,1,x\n");
    let found = job.sql("SELECT attribution_id FROM recon.recon_breaks WHERE ref = 'K1'");
    let url = StoreUrl::parse(SQLITE, job.project.path("recon.yaml").parent().unwrap()).unwrap();
    let store = recon::store::open(&url, recon::store::Opening::Existing).unwrap();
    let stage = team(true);
    let id = found[0]["attribution_id"].as_str().unwrap();
    let item = stage.review(&*store).item(&stage.actor("ann"), id).unwrap();
    assert_eq!(item.item.batch_date, "2026-01-06");
    assert_eq!(item.record_a.unwrap().place.as_deref(), Some("2026-01-05/a.csv:2"));
}

#[test]
fn a_decision_about_a_missing_row_holds_while_its_compared_values_are_the_same() {
    for store in stores() {
        let job = Job::new(&store, "");
        let status = |day: u32| {
            let found = job.sql(&format!(
                "SELECT a.status FROM recon.current_attributions a \
                 JOIN recon.recon_runs u ON u.run_id = a.run_id WHERE u.batch_date = '{}'",
                date(day)
            ));
            found[0]["status"].as_str().unwrap().to_owned()
        };
        job.run(5, "K1,10,x\n", "");
        job.decide(5, "K1", "TIMING");
        // `text` is not compared, and 10.0 is 10.
        job.run(6, "K1,10.0,y\n", "");
        assert_eq!(status(6), "ACCEPTED", "{store}");
        job.run(7, "K1,900,y\n", "");
        assert_eq!(status(7), "UNKNOWN", "{store}");
    }
}

#[test]
fn a_movement_takes_part_as_long_as_the_snapshot_delivers_its_partner() {
    for store in stores() {
        let job = Job::new(&store, MIXED);
        job.project.replace("recon.yaml", "key:", "options: { keep: breaks }\nkey:");
        job.run(5, "K1,10,x\nK2,20,x\n", "K1,10,x\nK2,20,x\n");
        let second = job.run(6, "", "K1,10,x\nK2,22,x\n");
        assert_eq!(items(&second), [2, 0, 0, 0, 0, 0]);
        assert_eq!(
            (&second["records"]["matched"], &second["records"]["breaks"]),
            (&json!(1), &json!(1))
        );
        let third = job.run(7, "", "K2,20,x\n");
        assert_eq!(items(&third), [1, 0, 0, 0, 0, 0]);
        assert_eq!(third["records"]["matched"], 1);
        assert_eq!(items(&job.run(8, "", "")), [0; 6]);
    }
}

#[test]
fn a_rerun_names_the_later_dates_and_they_follow_it() {
    let job = Job::new(SQLITE, BOTH);
    job.run(5, "K1,10,x\n", "");
    assert!(!codes(&job.run(6, "K2,20,x\n", "")).contains(&"later-runs"));
    let again = job.run(5, "K1,10,x\nK4,40,x\n", "");
    assert!(codes(&again).contains(&"later-runs"), "{again}");
    let second = job.run(6, "K2,20,x\n", "");
    assert_eq!(items(&second), [2, 0, 0, 0, 0, 0]);
    // A date in between that was left out.
    job.run(9, "", "K2,20,x\n");
    let between = job.run(8, "", "K1,10,x\n");
    assert!(codes(&between).contains(&"later-runs"), "{between}");
    assert_eq!(job.run(9, "", "K2,20,x\n")["records"]["matched"], 1);
    assert_eq!(job.records(9), ["ONLY_A K4 2026-01-05 -", "PAIR K2 2026-01-06 -"]);
}

#[test]
fn one_pass_and_three_commands_take_over_the_same() {
    for store in stores() {
        let other = if store == SQLITE { store.clone() } else { postgres::new_database() };
        let (pass, steps) = (Job::new(&store, MIXED), Job::new(&other, MIXED));
        let days = [(5, "K1,10,x\nK2,20,x\n", "K2,21,x\n"), (6, "K3,30,x\n", "K2,20,x\nK1,10,x\n")];
        for (day, a, b) in days {
            let whole = pass.run(day, a, b);
            steps.files(day, a, b);
            steps.json(day, &["ingest"]);
            steps.json(day, &["diff"]);
            let stepwise = steps.json(day, &["attribute"]);
            for part in ["records", "open_items", "differences", "gate"] {
                assert_eq!(whole[part], stepwise[part], "{part}");
            }
            assert_eq!(pass.records(day), steps.records(day));
        }
    }
}

#[test]
fn pruning_keeps_the_runs_that_open_items_stand_in() {
    for store in stores() {
        let job = Job::new(&store, BOTH);
        job.run(4, "K0,1,x\n", "K0,1,x\n");
        job.run(5, "K1,10,x\n", "");
        job.run(6, "K2,20,x\n", "");
        job.run(7, "", "K2,20,x\n");
        let pruned = job.json(7, &["runs", "prune", "--keep", "0d", "--current"]);
        let dates: Vec<_> =
            pruned["pruned"].as_array().unwrap().iter().map(|run| &run["batch_date"]).collect();
        assert_eq!(dates, ["2026-01-04"]);
        assert_eq!(pruned["kept_for_open_items"], 3);
        assert_eq!(items(&job.run(7, "", "K2,20,x\n")), [2, 0, 0, 0, 0, 0]);
        // The run that the 5th took its open items from is gone.
        let said = job.project.recon(&["--store", &job.store, "--batch-date", "2026-01-05", "run"]);
        assert_eq!(said.code, 4, "{}", said.err);
        assert!(said.err.contains("open-items-pruned"), "{}", said.err);
        // From the pruned date on, the dates are run again.
        job.run(4, "K0,1,x\n", "K0,1,x\n");
        assert_eq!(job.run(5, "K1,10,x\n", "")["stage"], "ATTRIBUTED");
    }
}

#[test]
fn rows_keep_their_values_when_the_fields_change() {
    let job = Job::new(SQLITE, BOTH);
    job.run(5, "K1,10,x\nK2,20,x\n", "");
    job.project
        .replace(
            "recon.yaml",
            "amount: { type: decimal }",
            "amount: { type: integer }\n  day: { type: date }",
        )
        .replace("recon.yaml", "text: text }\n  b:", "text: text, day: text }\n  b:");
    job.project.replace("recon.yaml", "text: text }\nopen", "text: text, day: text }\nopen");
    let second = job.run(6, "", "K1,10,2026-01-06\n");
    assert_eq!(items(&second), [2, 0, 0, 0, 0, 0]);
    assert!(codes(&second).contains(&"carried-fields"), "{second}");
    assert_eq!(second["records"]["aligned"], 1);
}

#[test]
fn rows_without_a_key_are_taken_over_and_named_by_their_date() {
    for store in stores() {
        let job = Job::new(&store, BOTH);
        job.project.replace(
            "recon.yaml",
            "key: [id]\n",
            "match:\n  passes:\n    - { name: near, equal: [id], near: { amount: { absolute: 0 } } }\n    \
             - { name: split, equal: [id], near: { amount: { absolute: 0 } }, sum: [amount], \
             shape: one_to_many }\n",
        );
        job.run(5, "K1,10,x\nK1,10,x\nK2,50,x\n", "");
        let second = job.run(6, "K1,10,x\n", "K1,10,y\nK2,20,y\n");
        assert_eq!(items(&second), [2, 0, 0, 0, 0, 0]);
        // Today's line 2 is one of the two that were alike; the other, older one matches first.
        assert_eq!(
            job.records(6),
            [
                "ONLY_A A:2 - -",
                "ONLY_A A:4@2026-01-05 2026-01-05 -",
                "ONLY_B B:3 - -",
                "PAIR A:3@2026-01-05 2026-01-05 -"
            ],
        );
        let third = job.run(7, "", "K2,30,z\n");
        assert_eq!(third["records"]["groups"], 1, "{third}");
        let members = job.sql(
            "SELECT side || ' ' || ref_id || ' ' || coalesce(CAST(carried_from AS text), '-') AS line \
             FROM recon.recon_members ORDER BY 1",
        );
        let lines: Vec<_> = members.iter().map(|row| row["line"].as_str().unwrap()).collect();
        assert_eq!(
            lines,
            ["A A:4@2026-01-05 2026-01-05", "B B:2 -", "B B:3@2026-01-06 2026-01-06"]
        );
    }
}

#[test]
fn the_rows_of_a_group_take_part_as_long_as_the_snapshot_delivers_the_other_side() {
    for store in stores() {
        let job = Job::new(&store, MIXED);
        job.project.replace(
            "recon.yaml",
            "key: [id]\n",
            "ref: [id]\nmatch:\n  passes:\n    - { name: parts, equal: [text], sum: [amount], \
             near: { amount: { absolute: 0 } }, shape: many_to_one }\n",
        );
        let first = job.run(5, "P1,10,x\nP2,20,x\n", "I1,30,x\n");
        assert_eq!(first["records"]["groups"], 1);
        // The snapshot's row is identified by `ref`: with another amount it is still delivered.
        let second = job.run(6, "", "I1,31,x\n");
        assert!(!codes(&second).contains(&"no-rows"), "{second}");
        assert_eq!(items(&second), [2, 0, 0, 0, 0, 0]);
        assert_eq!(second["records"]["missing_in_b"], 2);
        let third = job.run(7, "", "I1,30,x\n");
        assert_eq!((items(&third), &third["records"]["groups"]), ([2, 0, 0, 0, 0, 0], &json!(1)));
        assert_eq!(items(&job.run(8, "", "I1,30,x\n")), [2, 0, 0, 0, 0, 0]);
        assert_eq!(job.records(8), ["GROUP P1+1 2026-01-05 -"]);
        assert_eq!(items(&job.run(9, "", "I2,30,x\n")), [0; 6]);
    }
}

/// Rows of one key on one side: the dates they were first read, the oldest first.
type Rows = Vec<u32>;

/// Rows that a date's run leaves: open ones, and rows of A that B's snapshot matched.
#[derive(Clone, Debug, Default, PartialEq)]
struct Left {
    open: BTreeMap<(char, usize), Rows>,
    paired: BTreeMap<usize, Rows>,
}

/// How many rows of each key each side delivers on a date.
type Files = [[usize; 2]; 3];

/// Expected carried and remaining rows, worked out independently: rows of one key are all alike.
fn model(before: Option<&Left>, day: u32, files: Files, mixed: bool) -> ([u64; 2], Left) {
    let mut left = Left::default();
    let mut carried = [0, 0];
    for (key, delivered) in files.into_iter().enumerate() {
        let rows = [0, 1].map(|side| {
            let name = ['a', 'b'][side];
            let mut waiting: Rows = match before {
                Some(before) if !(mixed && side == 1) => {
                    let mut rows = before.open.get(&(name, key)).cloned().unwrap_or_default();
                    if mixed {
                        let paired = before.paired.get(&key).cloned().unwrap_or_default();
                        rows.extend(paired.into_iter().take(delivered[1]));
                    }
                    rows
                }
                _ => Rows::new(),
            };
            waiting.sort_unstable();
            let waiting = waiting.split_off(delivered[side].min(waiting.len()));
            carried[side] += waiting.len() as u64;
            waiting.into_iter().chain(vec![day; delivered[side]]).collect::<Rows>()
        });
        let pairs = rows[0].len().min(rows[1].len());
        left.paired.insert(key, rows[0][..pairs].to_vec());
        for (side, rows) in ['a', 'b'].into_iter().zip(rows) {
            if rows.len() > pairs {
                left.open.insert((side, key), rows[pairs..].to_vec());
            }
        }
    }
    (carried, left)
}

/// The open rows of a date's current run, as the store has them.
fn stored(job: &Job, day: u32) -> BTreeMap<(char, usize), Rows> {
    let mut open: BTreeMap<(char, usize), Rows> = BTreeMap::new();
    for line in job.records(day) {
        let words: Vec<&str> = line.split(' ').collect();
        let (side, from) = match words[0] {
            "ONLY_A" | "SURPLUS_A" => ('a', words[2]),
            "ONLY_B" | "SURPLUS_B" => ('b', words[3]),
            _ => continue,
        };
        let from = if from == "-" { day } else { from[8..].parse().unwrap() };
        open.entry((side, words[1][1..].parse().unwrap())).or_default().push(from);
    }
    open.values_mut().for_each(|rows| rows.sort_unstable());
    open
}

#[test]
fn any_sequence_of_dates_and_reruns_takes_over_each_row_exactly_once() {
    let files = proptest::array::uniform3(proptest::array::uniform2(0usize..3));
    let steps = proptest::collection::vec((5u32..9, files), 1..7);
    let mut runner =
        TestRunner::new(Config { cases: 6, failure_persistence: None, ..Config::default() });
    let told = runner.run(&(steps, any::<bool>()), |(steps, mixed)| {
        let job = Job::new(SQLITE, if mixed { MIXED } else { BOTH });
        let mut dates: BTreeMap<u32, Left> = BTreeMap::new();
        for (day, files) in steps {
            let text = |side: usize| -> String {
                let rows = files.iter().enumerate();
                rows.map(|(key, counts)| format!("K{key},{key},x\n").repeat(counts[side])).collect()
            };
            let (carried, left) =
                model(dates.range(..day).next_back().map(|(_, left)| left), day, files, mixed);
            let summary = job.run(day, &text(0), &text(1));
            let found = items(&summary);
            prop_assert_eq!([found[0], found[1]], carried, "{} {:?}", day, files);
            prop_assert_eq!(stored(&job, day), left.open.clone(), "{} {:?}", day, files);
            let has_later = dates.range(day + 1..).next().is_some();
            prop_assert_eq!(codes(&summary).contains(&"later-runs"), has_later);
            dates.insert(day, left);
        }
        Ok(())
    });
    told.unwrap();
}
