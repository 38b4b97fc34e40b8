//! Automatic acceptance: nothing unproven, nothing that a whole column shows to be a convention,
//! and nothing that rejected rows may explain.

use serde_json::Value as Json;

use crate::postgres;
use crate::program::Project;

/// A job whose only rule claims everything with full confidence.
const JOB: &str = r#"version: 1
job: settled
store: sqlite:recon.db
sources:
  a:
    system: LEFT
    read: { csv: { path: a.csv } }
    map: { id: id, day: day, at: at, amount: amount, name: name }
  b:
    system: RIGHT
    read: { csv: { path: b.csv } }
    map: { id: id, day: day, at: at, amount: amount, name: name }
    # more of b
key: [id]
fields:
  id: { type: text }
  day: { type: date, formats: ["%Y-%m-%d", "%d/%m/%Y"] }
  at: { type: datetime }
  amount: { type: decimal }
  name: { type: text }
rules: { attribute: [rules.rhai] }
reason_codes:
  SURE: { functional: true, description: "Anything" }
  UNKNOWN: { functional: false, description: "No cause found" }
"#;

const HEADER: &str = "id,day,at,amount,name\n";

/// One row: key, day, time, amount, name.
type Row = [String; 5];

fn row(at: u32) -> Row {
    [
        format!("K{at:05}"),
        format!("2026-{:02}-{:02}", at % 12 + 1, at % 27 + 1),
        format!("2026-01-{:02}T{:02}:15:00", at % 27 + 1, at % 24),
        format!("{}.{:02}", 100 + at * 7, at % 100),
        format!("Name {at}"),
    ]
}

/// A project of this many rows; `change` makes the rows of B.
fn job(rows: u32, change: impl Fn(u32, &mut Row)) -> Project {
    let project = Project::new();
    let (mut a, mut b) = (HEADER.to_owned(), HEADER.to_owned());
    for at in 1..=rows {
        let mut row = row(at);
        a += &(row.join(",") + "\n");
        change(at, &mut row);
        b += &(row.join(",") + "\n");
    }
    project.write("recon.yaml", JOB).write("a.csv", a).write("b.csv", b);
    project.write("rules.rhai", "fn attribute_all(d) { reason(\"SURE\", 1.0) }\n");
    project
}

fn negated(row: &mut Row) {
    row[3] = format!("-{}", row[3]);
}

fn accepted(project: &Project, store: &str) -> Json {
    let statement = "SELECT d.field_name AS field, count(*) AS n FROM recon.data_differences d \
                     JOIN recon.attributions a ON a.run_id = d.run_id AND a.diff_id = d.diff_id \
                     WHERE a.status = 'ACCEPTED' GROUP BY d.field_name ORDER BY 1";
    project.json(&["--store", store, "sql", statement, "--format", "json"])
}

fn codes(summary: &Json) -> Vec<&str> {
    summary["warnings"].as_array().unwrap().iter().map(|w| w["code"].as_str().unwrap()).collect()
}

/// One name differs on its own, and all amounts have the opposite sign.
fn turned() -> Project {
    job(30, |at, row| {
        negated(row);
        if at == 7 {
            row[4] = "Nmae 7".to_owned();
        }
    })
}

#[test]
fn a_convention_is_reported_and_none_of_its_differences_accepted() {
    let project = turned();
    let said = project.recon(&["run"]);
    let line = "`amount`: B has the opposite sign of A, in all 30 records";
    let first = said.out.find("Check this first").unwrap_or_else(|| panic!("{}", said.out));
    assert!(first < said.out.find("Rows ").unwrap(), "{}", said.out);
    assert!(said.out.contains(line) && said.err.contains(line), "{}{}", said.out, said.err);
    assert!(said.out.contains("`normalize: { amount: [negate] }`"), "{}", said.out);
    let store = "sqlite:recon.db";
    assert_eq!(accepted(&project, store), serde_json::json!([{ "field": "name", "n": 1 }]));
    let explained = project.recon(&["explain", "K00003"]);
    assert!(explained.out.contains("nearly all records differ this way"), "{}", explained.out);

    project.json(&["attribute", "--again", "--json"]);
    assert_eq!(accepted(&project, store), serde_json::json!([{ "field": "name", "n": 1 }]));
    let report = project.json(&["report", "--format", "json"]);
    assert_eq!(codes(&report), ["same-difference"]);
}

#[test]
fn one_pass_and_three_commands_find_the_same_conventions_on_both_stores() {
    for store in ["sqlite:recon.db".to_owned(), postgres::new_database()] {
        let (pass, steps) = (turned(), turned());
        let store_of_steps =
            if store.starts_with("sqlite") { store.clone() } else { postgres::new_database() };
        let summary = pass.json(&["run", "--json", "--store", &store]);
        for command in ["ingest", "diff", "attribute"] {
            steps.json(&[command, "--json", "--store", &store_of_steps]);
        }
        let stepwise = steps.json(&["report", "--format", "json", "--store", &store_of_steps]);
        for part in ["warnings", "attributions", "gate", "differences"] {
            assert_eq!(summary[part], stepwise[part], "{part}");
        }
        assert_eq!(codes(&summary), ["same-difference"]);
        assert_eq!(accepted(&pass, &store), accepted(&steps, &store_of_steps));
    }
}

#[test]
fn threads_and_memory_do_not_change_the_findings_of_a_large_run() {
    let found: Vec<(Json, Json)> = [("1", "4GiB"), ("5", "4GiB"), ("2", "1MiB")]
        .into_iter()
        .map(|(threads, memory)| {
            let project = job(12_000, |at, row| {
                // Nearly all.
                if at % 50 != 0 {
                    negated(row);
                }
            });
            let options = format!("options: {{ threads: {threads}, memory_limit: {memory} }}\n");
            project.write("recon.yaml", format!("{JOB}{options}"));
            let summary = project.json(&["run", "--json"]);
            (summary["warnings"].clone(), accepted(&project, "sqlite:recon.db"))
        })
        .collect();
    assert_eq!(found[0], found[1]);
    assert_eq!(found[0], found[2]);
    assert_eq!(found[0].1, serde_json::json!([]));
    let message = found[0].0[0]["message"].as_str().unwrap();
    assert!(message.contains("records of a sample"), "{message}");
    let steps = job(12_000, |at, row| {
        if at % 50 != 0 {
            negated(row);
        }
    });
    for command in ["ingest", "diff", "attribute"] {
        steps.json(&[command, "--json"]);
    }
    assert_eq!(steps.json(&["report", "--format", "json"])["warnings"], found[0].0);
}

/// The change to rows of B, the advice of the run, and where it belongs.
type Advice = (fn(u32, &mut Row), &'static str, &'static str);

#[test]
fn following_the_advice_makes_the_records_match() {
    let cases: [Advice; 6] = [
        (|_, row| negated(row), "normalize: { amount: [negate] }", "b"),
        (
            |_, row| row[3] = row[3].replace('.', ""),
            "normalize: { amount: [{ scale: 0.01 }] }",
            "b",
        ),
        (
            |_, row| {
                let (month, day) = (row[1][5..7].to_owned(), row[1][8..].to_owned());
                row[1] = format!("{month}/{day}/2026");
            },
            "formats: { day: [\"%m/%d/%Y\"] }",
            "b",
        ),
        (
            |_, row| row[4] = format!("X-{}", row[4]),
            "normalize: { name: [{ strip_prefix: \"X-\" }] }",
            "b",
        ),
        (|_, row| row[4] = row[4].to_uppercase(), "normalize: [upper]", "fields.name"),
        (|_, row| row[4] = format!("{} ", row[4]), "normalize: [trim]", "fields.name"),
    ];
    for (change, line, place) in cases {
        let project = job(40, change);
        let summary = project.json(&["run", "--json"]);
        assert_eq!(codes(&summary), ["same-difference"], "{line}");
        let help = summary["warnings"][0]["help"].as_str().unwrap();
        assert!(help.contains(&format!("`{line}`")), "{help}");
        if place == "b" {
            project.replace("recon.yaml", "    # more of b\n", &format!("    {line}\n"));
        } else {
            project.replace(
                "recon.yaml",
                "name: { type: text }",
                &format!("name: {{ type: text, {line} }}"),
            );
        }
        let after = project.json(&["run", "--json"]);
        assert_eq!(after["records"]["matched"], 40, "{line}: {}", after["differences"]);
    }
}

#[test]
fn no_shipped_rule_accepts_amount_differences_in_one_currency() {
    let project = Project::new();
    let (mut a, mut b) = (
        "id,currency,amount,value_date\n".to_owned(),
        "id,currency,amount,value_date\n".to_owned(),
    );
    for at in 1..=40 {
        let amount = 1_000 + at * 37;
        a += &format!("T{at},EUR,{amount}.00,2026-01-{:02}\n", at % 28 + 1);
        // Occasionally three percent or a day apart.
        let other = if at % 5 == 0 {
            f64::from(amount) * (0.97 + f64::from(at) / 10_000.0)
        } else {
            f64::from(amount)
        };
        let day = if at % 7 == 0 { at % 28 + 2 } else { at % 28 + 1 };
        b += &format!("T{at},EUR,{other:.2},2026-01-{day:02}\n");
    }
    project.write("a.csv", a).write("b.csv", b);
    let said = project.recon(&["init", "a.csv", "b.csv"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let summary = project.json(&["run", "--json"]);
    assert_eq!(summary["differences"]["by_field"]["amount"], 8, "{summary}");
    assert!(summary["attributions"]["by_status"].get("ACCEPTED").is_none(), "{summary}");
    assert!(summary["attributions"]["by_reason"].get("FX_VARIANCE").is_none(), "{summary}");
    assert_eq!(summary["attributions"]["stp_rate"], 0.0);
}

#[test]
fn rows_with_unknown_keys_keep_missing_records_of_the_other_side_open() {
    let project = job(12, |_, _| {});
    let bytes = |name: &str| std::fs::read(project.path(name)).unwrap();
    // A's second row has an unreadable key: it may be any of those that A seems to lack.
    let mut a: Vec<u8> = bytes("a.csv");
    let at = a.windows(6).position(|part| part == b"K00002").unwrap();
    a[at] = 0xff;
    let text = String::from_utf8_lossy(&bytes("b.csv")).into_owned();
    let b = text.replace("K00005", "K00099");
    project.write("a.csv", &a).write("b.csv", b);
    let summary = project.json(&["run", "--json"]);
    assert_eq!(summary["records"]["rejected_a"], 1);
    assert_eq!(summary["records"]["missing_in_a"], 2);
    assert_eq!(summary["records"]["missing_in_b"], 1);
    // Records missing in B are as certain as before.
    assert_eq!(
        accepted(&project, "sqlite:recon.db"),
        serde_json::json!([{ "field": "ENTIRE_RECORD", "n": 1 }])
    );
    let explained = project.recon(&["explain", "K00002"]);
    assert!(explained.out.contains("rejected rows with unknown keys"), "{}", explained.out);
    for command in ["ingest", "diff", "attribute"] {
        project.json(&[command, "--json"]);
    }
    assert_eq!(
        project.json(&["report", "--format", "json"])["attributions"],
        summary["attributions"]
    );
}

#[test]
fn a_surplus_row_is_not_accepted_if_its_key_was_rejected_on_the_other_side() {
    let project = job(12, |_, _| {});
    let read = |name: &str| std::fs::read_to_string(project.path(name)).unwrap();
    let third = row(3).join(",");
    let a = format!("{}{third}\n", read("a.csv"));
    let b = format!("{}{third},one field too many\n", read("b.csv"));
    project.write("a.csv", a).write("b.csv", b);
    let summary = project.json(&["run", "--json"]);
    assert_eq!(summary["records"]["duplicates_a"], 1);
    assert!(summary["attributions"]["by_status"].get("ACCEPTED").is_none(), "{summary}");
    let explained = project.recon(&["explain", "K00003"]);
    assert!(explained.out.contains("b.csv") && explained.out.contains("14"), "{}", explained.out);
}

#[test]
fn warnings_about_the_whole_result_come_first() {
    // No pairs.
    let project = job(8, |at, row| row[0] = format!("{at}"));
    let said = project.recon(&["run"]);
    let first = said.out.find("[no-pairs]").unwrap_or_else(|| panic!("{}", said.out));
    assert!(first < said.out.find("Rows ").unwrap(), "{}", said.out);
    assert_eq!(accepted(&project, "sqlite:recon.db"), serde_json::json!([]));
    assert_eq!(codes(&project.json(&["report", "--format", "json"])), ["no-pairs"]);
    // A source without rows.
    project.write("b.csv", HEADER);
    let summary = project.json(&["run", "--json"]);
    assert_eq!(codes(&summary), ["no-rows"]);
    assert_eq!(accepted(&project, "sqlite:recon.db"), serde_json::json!([]));
    // A column of another type.
    let project = job(8, |_, row| row[3] = row[3].replace('.', "'"));
    let summary = project.json(&["run", "--json"]);
    assert_eq!(codes(&summary), ["same-difference"]);
    let message = summary["warnings"][0]["message"].as_str().unwrap();
    assert!(message.contains("`amount`: the values of B can't be read as decimal"), "{message}");
    // Only the key.
    let project = job(8, |_, _| {});
    let map = "map: { id: id, day: day, at: at, amount: amount, name: name }";
    project.replace("recon.yaml", map, "map: { id: id }");
    for field in [
        "day: { type: date, formats: [\"%Y-%m-%d\", \"%d/%m/%Y\"] }",
        "at: { type: datetime }",
        "amount: { type: decimal }",
        "name: { type: text }",
    ] {
        project.replace("recon.yaml", &format!("  {field}\n"), "");
    }
    let said = project.recon(&["run"]);
    assert!(
        said.out.contains("8 records have the same key; no field is compared."),
        "{}",
        said.out
    );
    assert!(said.out.contains("[nothing-compared]"), "{}", said.out);
    for format in ["md", "html"] {
        let said = project.recon(&["report", "--format", format]);
        assert!(said.out.contains("no field is compared"), "{format}: {}", said.out);
        let first = said.out.find("Check this first").unwrap();
        assert!(first < said.out.find("paired").unwrap(), "{format}");
    }
}
