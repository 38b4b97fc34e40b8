//! Matching without a common key, through the real program and on both stores.

use serde_json::{Value as Json, json};

use crate::postgres;
use crate::program::Project;
use crate::review::fixture::decide_all;

/// A job with its passes at `PASSES`.
const JOB: &str = r#"version: 1
job: bank
store: sqlite:recon.db
sources:
  a:
    system: BANK
    read: { csv: { path: a.csv } }
    map: { id: id, amount: amount, currency: currency, day: day }
  b:
    system: LEDGER
    read: { csv: { path: b.csv } }
    map: { id: id, amount: amount, currency: currency, day: day }
KEY
match:
  passes:
PASSES
fields:
  id: { type: text }
  amount: { type: decimal }
  currency: { type: text }
  day: { type: date }
"#;

const HEADER: &str = "id,amount,currency,day\n";

pub fn job(key: &str, passes: &str, a: &str, b: &str) -> Project {
    let project = Project::new();
    project
        .write("recon.yaml", JOB.replace("KEY\n", key).replace("PASSES\n", passes))
        .write("a.csv", format!("{HEADER}{a}"))
        .write("b.csv", format!("{HEADER}{b}"));
    project
}

pub const NEAR: &str = "    - name: near
      equal: [currency]
      near: { amount: { absolute: 0 }, day: { days: 3 } }
";

pub const SPLIT: &str = "    - name: split
      equal: [currency]
      near: { amount: { absolute: 0 }, day: { days: 5 } }
      sum: [amount]
      shape: one_to_many
      max_rows: 4
";

/// Every record as a person would see it, in an order that does not depend on the run.
const RECORDS: &str = "SELECT kind, source_a_ref_id AS ra, source_b_ref_id AS rb, match_pass, match_shape, \
     match_certificate, match_alternatives, members_a, members_b, line_a, line_b, gate_status \
     FROM recon.current_records ORDER BY line_a NULLS FIRST, line_b NULLS FIRST, kind";

/// Rows that make every kind of record: pairs by key, later passes, groups, ties, duplicates and rows alone.
fn many_rows() -> (String, String) {
    let (mut a, mut b) = (String::new(), String::new());
    let mut state = 7u64;
    let mut next = |most: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % most
    };
    for number in 0..400 {
        let currency = ["EUR", "USD", "CHF", "JPY", "SEK", "NOK", "PLN", "GBP"][next(8) as usize];
        let amount = 100 * (1 + next(40));
        let day = 1 + next(20);
        let id = |lost: bool| if lost { String::new() } else { format!("T{number}") };
        a += &format!("{},{amount}.00,{currency},2026-03-{day:02}\n", id(next(2) == 0));
        match next(5) {
            0 => {
                let part = 1 + next(amount - 1);
                b += &format!(",{part}.00,{currency},2026-03-{day:02}\n");
                b += &format!(",{}.00,{currency},2026-03-{:02}\n", amount - part, day + 1);
            }
            1 => {}
            2 => {
                for _ in 0..2 {
                    b += &format!("{},{amount}.00,{currency},2026-03-{day:02}\n", id(false));
                }
            }
            _ => {
                b +=
                    &format!("{},{amount}.00,{currency},2026-03-{:02}\n", id(next(2) == 0), day + 2)
            }
        }
    }
    (a, b)
}

#[test]
fn threads_memory_and_the_way_through_the_store_change_nothing() {
    let (a, b) = many_rows();
    let passes = format!("{NEAR}{SPLIT}");
    let of = |options: &str, commands: &[&[&str]]| {
        let project = job("key: [id]\n", &passes, &a, &b);
        project.replace("recon.yaml", "fields:\n", &format!("options: {options}\nfields:\n"));
        let mut summary = Json::Null;
        for command in commands {
            summary = project.json(command);
        }
        (project.sql(RECORDS), summary["records"].clone(), summary["matches"].clone())
    };
    let run: &[&[&str]] = &[&["run", "--json"]];
    let one = of("{ threads: 1 }", run);
    assert!(one.2["by_pass"]["split"].as_u64() > Some(0), "{}", one.2);
    assert!(one.2["by_pass"]["near"].as_u64() > Some(0), "{}", one.2);
    assert!(one.2["by_pass"]["key"].as_u64() > Some(0), "{}", one.2);
    assert!(one.2["left_ambiguous"].as_u64() > Some(0), "{}", one.2);
    assert!(one.1["duplicates_b"].as_u64() > Some(0), "{}", one.1);
    assert_eq!(one, of("{ threads: 4 }", run));
    assert_eq!(one, of("{ threads: 2, memory_limit: 1MiB }", run));
    let steps: &[&[&str]] = &[&["ingest", "--json"], &["diff", "--json"], &["attribute", "--json"]];
    assert_eq!(one, of("{ threads: 2 }", steps));
}

#[test]
fn splitting_the_rows_into_files_changes_only_the_places() {
    let (a, b) = many_rows();
    let by_value = "SELECT kind, match_pass, match_certificate, match_alternatives, \
         normalized_data_a AS a, normalized_data_b AS b FROM recon.current_records \
         ORDER BY 1, 2, 3, 4, 5, 6";
    let passes = format!("{NEAR}{SPLIT}");
    let of = |lines: usize| {
        let project = job("key: [id]\n", &passes, "", "");
        for (side, text) in [("a", &a), ("b", &b)] {
            project.replace(
                "recon.yaml",
                &format!("path: {side}.csv"),
                &format!("path: \"{side}/*.csv\""),
            );
            let all: Vec<&str> = text.lines().collect();
            for (at, some) in all.chunks(lines).enumerate() {
                let some: String = some.iter().map(|line| format!("{line}\n")).collect();
                project.write(&format!("{side}/{at:04}.csv"), format!("{HEADER}{some}"));
            }
        }
        let summary = project.json(&["run", "--json"]);
        (project.sql(by_value), summary["records"].clone(), summary["matches"].clone())
    };
    let whole = of(usize::MAX);
    assert!(whole.2["by_pass"]["split"].as_u64() > Some(0), "{}", whole.2);
    for lines in [1, 7, 64] {
        assert_eq!(of(lines), whole, "{lines}");
    }
}

#[test]
fn the_order_of_the_lines_changes_nothing_but_the_lines() {
    let (a, b) = many_rows();
    let by_value = "SELECT match_pass, match_certificate, normalized_data_a AS a, normalized_data_b AS b \
         FROM recon.current_records ORDER BY 1, 2, 3, 4";
    let reversed =
        |text: &str| text.lines().rev().map(|line| format!("{line}\n")).collect::<String>();
    let passes = format!("{NEAR}{SPLIT}");
    let straight = job("", &passes, &a, &b);
    let backwards = job("", &passes, &reversed(&a), &reversed(&b));
    assert_eq!(
        straight.json(&["run", "--json"])["matches"],
        backwards.json(&["run", "--json"])["matches"]
    );
    assert_eq!(straight.sql(by_value), backwards.sql(by_value));
}

#[test]
fn both_stores_hold_the_same_records_and_members() {
    let (a, b) = many_rows();
    let passes = format!("{NEAR}{SPLIT}");
    let project = job("key: [id]\n", &passes, &a, &b);
    let url = postgres::new_database();
    let summary = project.json(&["run", "--json"]);
    let other = project.json(&["run", "--json", "--store", &url]);
    assert_eq!(summary["matches"], other["matches"]);
    let members = "SELECT m.side, m.line, m.ref_id, m.normalized_data AS data \
         FROM recon.recon_members m ORDER BY 1, 2";
    for statement in [RECORDS, members] {
        let text = project.json(&["--store", &url, "sql", statement, "--format", "json"]);
        let here = project.sql(statement);
        assert_eq!(here.as_array().unwrap().len(), text.as_array().unwrap().len());
        // A JSON document is text in one store and an object in the other.
        let plain = |rows: &Json| {
            let mut rows = rows.clone();
            for row in rows.as_array_mut().unwrap() {
                if let Some(text) = row["data"].as_str() {
                    row["data"] = serde_json::from_str(text).unwrap();
                }
            }
            rows
        };
        assert_eq!(plain(&here), plain(&text));
    }
    let grouped = summary["records"]["grouped_a"].as_u64().unwrap()
        + summary["records"]["grouped_b"].as_u64().unwrap();
    let count = project.sql("SELECT count(*) AS n FROM recon.recon_members");
    assert_eq!(count[0]["n"], json!(grouped));
}

#[test]
fn a_group_has_exact_sums_common_values_and_null_where_rows_disagree() {
    let project = job(
        "",
        SPLIT,
        ",100.00,EUR,2026-03-02\n",
        ",33.33,EUR,2026-03-02\n,66.670,EUR,2026-03-04\n",
    );
    let summary = project.json(&["run", "--json"]);
    assert_eq!(summary["records"]["groups"], 1, "{summary}");
    // The days disagree within the group, so they are not compared.
    assert_eq!(summary["records"]["matched"], 1, "{summary}");
    let row = &project.sql(
        "SELECT normalized_data_b AS b, source_a_ref_id AS ra, source_b_ref_id AS rb, \
         match_shape, members_a, members_b FROM recon.recon_records",
    )[0];
    let data: Json = match &row["b"] {
        Json::String(text) => serde_json::from_str(text).unwrap(),
        other => other.clone(),
    };
    assert_eq!(data, json!({"id": null, "amount": "100.000", "currency": "EUR", "day": null}));
    assert_eq!(
        (row["ra"].as_str(), row["rb"].as_str(), row["match_shape"].as_str()),
        (Some("A:2"), Some("B:2+1"), Some("one_to_many"))
    );
    let said = project.recon(&["explain", "B:3"]);
    assert!(said.out.contains("A:2 100.00 matches B:2 33.33 + B:3 66.670; unique"), "{}", said.out);
    assert!(said.out.contains("· day       2026-03-02 | null  (not compared)"), "{}", said.out);
}

#[test]
fn a_tie_stays_open_and_explain_shows_both() {
    let project = job(
        "",
        NEAR,
        ",100.00,EUR,2026-03-02\n",
        "x,100.00,EUR,2026-03-02\ny,100.00,EUR,2026-03-02\n",
    );
    let summary = project.json(&["run", "--json"]);
    assert_eq!(summary["matches"]["left_ambiguous"], 1, "{summary}");
    assert_eq!(summary["records"]["missing_in_b"], 1, "{summary}");
    let said = project.recon(&["explain", "A:2"]);
    for line in ["B:2 is tied", "B:3 is tied"] {
        assert!(said.out.contains(line), "{}", said.out);
    }
    project.replace("recon.yaml", "match:\n", "match:\n  ambiguous: take\n");
    let taken = project.json(&["run", "--json"]);
    assert_eq!(taken["matches"]["by_certificate"], json!({"TIED": 1}), "{taken}");
    // Rows of B alone come first.
    let rows = project.sql(RECORDS);
    let taken = &rows[1];
    assert_eq!(
        (taken["match_alternatives"].as_u64(), taken["rb"].as_str()),
        (Some(1), Some("B:2"))
    );
}

#[test]
fn rows_without_a_key_take_part_in_the_passes() {
    let project = job(
        "key: [id]\n",
        NEAR,
        "1,10.00,EUR,2026-03-02\n,20.00,EUR,2026-03-02\n3,30.00,EUR,2026-03-02\n",
        "1,10.00,EUR,2026-03-02\n2,20.00,EUR,2026-03-02\n,40.00,EUR,2026-03-02\n",
    );
    let summary = project.json(&["run", "--json"]);
    let records = &summary["records"];
    assert_eq!(records["rejected_a"], 0, "{summary}");
    assert_eq!(
        (&records["aligned"], &records["missing_in_a"]),
        (&json!(2), &json!(1)),
        "{summary}"
    );
    assert_eq!(summary["matches"]["by_pass"], json!({"key": 1, "near": 1}));
}

#[test]
fn a_surplus_row_of_a_key_goes_on_to_the_passes() {
    let project = job(
        "key: [id]\n",
        NEAR,
        "1,10.00,EUR,2026-03-02\n1,20.00,EUR,2026-03-02\n1,99.00,EUR,2026-03-02\n",
        "1,10.00,EUR,2026-03-02\n,20.00,EUR,2026-03-03\n",
    );
    let summary = project.json(&["run", "--json"]);
    let records = &summary["records"];
    assert_eq!(
        (&records["aligned"], &records["duplicates_a"]),
        (&json!(2), &json!(1)),
        "{summary}"
    );
    assert_eq!(summary["differences"]["by_type"]["DATE_MISMATCH"], 1, "{summary}");
}

#[test]
fn rules_see_pass_members_and_candidates() {
    let project = job(
        "",
        NEAR,
        ",100.00,EUR,2026-03-02\n,7.00,EUR,2026-03-02\n",
        ",100.00,EUR,2026-03-06\n,7.00,EUR,2026-03-03\n",
    );
    project
        .replace(
            "recon.yaml",
            "fields:\n",
            "rules: { attribute: [rules.rhai] }\nreason_codes:\n  LATE: { functional: true, description: late }\nfields:\n",
        )
        .write(
            "rules.rhai",
            "fn attribute_open(d) {\n  if d.match_pass == () && d.candidates.len() > 0 {\n    \
             let c = d.candidates[0];\n    note(`${c.ref} ${c.why} ${c.field} ${c.by}`);\n    \
             return reason(\"LATE\", 0.95);\n  }\n  \
             if d.match_pass == \"near\" && d.members_a == 1 && d.members_b == 1 { return reason(\"LATE\", 0.5); }\n}\n",
        );
    let commands: [&[&[&str]]; 2] = [&[&["run"]], &[&["ingest"], &["diff"], &["attribute"]]];
    for commands in commands {
        for command in commands {
            let said = project.recon(command);
            assert_eq!(said.code, 0, "{}", said.err);
        }
        let notes = project.sql(
            "SELECT explanation AS e FROM recon.current_attributions WHERE confidence_score > 0.9 ORDER BY 1",
        );
        let said = notes.to_string();
        assert!(said.contains("B:2 4 days away, 3 allowed day 1"), "{said}");
        let paired = project.sql(
            "SELECT count(*) AS n FROM recon.current_attributions WHERE confidence_score = 0.5",
        );
        assert_eq!(paired[0]["n"], 1);
    }
}

#[test]
fn the_fixture_of_a_matched_record_passes() {
    let passes = format!("{NEAR}{SPLIT}");
    // A pair a day apart, one row for two, a row that stays open beside a candidate, and one that has none.
    let project = job(
        "",
        &passes,
        "1,100.00,EUR,2026-03-02\n,9.00,USD,2026-03-02\n3,7.00,SEK,2026-03-02\n4,50.00,CHF,2026-03-02\n",
        "1,100.00,EUR,2026-03-03\n,4.00,USD,2026-03-03\n,5.00,USD,2026-03-03\n,7.00,SEK,2026-03-09\n",
    );
    project
        .replace("recon.yaml", "fields:\n", "rules: { attribute: [rules.rhai] }\nreason_codes:\n  LATE: { functional: true, description: late }\nfields:\n")
        .replace("recon.yaml", "day: { type: date }", "day: { type: date, severity: low }\n  note: { type: text, compare: false }")
        .replace("recon.yaml", "map: { id: id, amount: amount, currency: currency, day: day }\n  b:", "map: { id: id, amount: amount, currency: currency, day: day, note: day }\n  b:")
        .write(
            "rules.rhai",
            r#"
fn attribute_group(d) {
  if d.match_pass == "split" && d.members_a == 1 && d.members_b == 2 && d.record_b.note == () && d.record_b.id == () {
    return reason("LATE", 0.4);
  }
}
fn attribute_pair(d) {
  if d.match_pass == "near" && d.members_a == 1 && d.members_b == 1 && d.severity == "LOW" && d.differing == ["day", "note"] {
    return reason("LATE", 0.5);
  }
}
fn attribute_candidate(d) {
  if d.match_pass == () && d.candidates.len() == 1 && d.members_a + d.members_b == 1 {
    let c = d.candidates[0];
    if c.field == "day" && c.by == 2 && c.why.contains("away") && c.ref.contains(":") { return reason("LATE", 0.6); }
  }
}
fn attribute_alone(d) {
  if d.match_pass == () && d.candidates.is_empty() { return reason("LATE", 0.7); }
}
"#,
        );
    project.json(&["run", "--json"]);
    let rules = project.sql(
        "SELECT assigned_by AS rule, count(*) AS n FROM recon.current_attributions GROUP BY 1 ORDER BY 1",
    );
    assert_eq!(
        rules,
        json!([
            { "rule": "RULE:attribute_alone", "n": 1 },
            { "rule": "RULE:attribute_candidate", "n": 2 },
            { "rule": "RULE:attribute_group", "n": 1 },
            { "rule": "RULE:attribute_pair", "n": 1 },
        ])
    );
    for reference in ["A:2", "A:3", "A:4", "A:5", "B:5"] {
        let said = project.recon(&["explain", reference, "--fixture"]);
        assert_eq!(said.code, 0, "{reference}: {}", said.err);
        project.write("real.tests.yaml", &said.out);
        let result = project.recon(&["test", "real.tests.yaml"]);
        assert!(result.out.starts_with("1 passed, 0 failed"), "{}\n{}", result.out, said.out);
    }
}

#[test]
fn a_changed_pass_makes_diff_ask_for_another_ingest() {
    let project = job("", NEAR, ",1.00,EUR,2026-03-02\n", ",1.00,EUR,2026-03-02\n");
    assert_eq!(project.recon(&["ingest"]).code, 0);
    project.replace("recon.yaml", "days: 3", "days: 4");
    let said = project.recon(&["diff"]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("ingest again"), "{}", said.err);
}

#[test]
fn decisions_are_carried_to_the_same_rows_and_no_others() {
    let project =
        job("", NEAR, ",1.00,EUR,2026-03-02\n,2.00,EUR,2026-03-02\n", ",9.00,EUR,2026-03-02\n");
    project.replace(
        "recon.yaml",
        "fields:\n",
        "reason_codes:\n  LATE: { functional: true, description: \"Booked later\" }\n  \
         UNKNOWN: { functional: false, description: \"No cause found\" }\nfields:\n",
    );
    let summary = project.json(&["run", "--json"]);
    assert_eq!(summary["records"]["missing_in_b"], 2);
    let open = "SELECT a.attribution_id, r.source_a_ref_id AS ra, a.assigned_by, a.status \
                FROM recon.current_attributions a \
                JOIN recon.current_differences d ON d.diff_id = a.diff_id \
                JOIN recon.current_records r ON r.record_id = d.record_id \
                WHERE d.diff_type = 'MISSING_IN_SOURCE_B' ORDER BY r.line_a";
    decide_all(&project, "sqlite:recon.db", &project.sql(open).as_array().unwrap()[..1], "LATE");
    let again = project.json(&["run", "--json"]);
    assert_eq!(again["records"], summary["records"]);
    let rows = project.sql(open);
    let told = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| [&row["ra"], &row["assigned_by"], &row["status"]]);
    let told: Vec<_> = told.map(|row| row.map(|cell| cell.as_str().unwrap())).collect();
    assert_eq!(told, [["A:2", "ann", "ACCEPTED"], ["A:3", "NONE", "UNKNOWN"]]);
}

#[test]
fn references_name_rows_where_they_have_one() {
    let project =
        job("", NEAR, "x,1.00,EUR,2026-03-02\n,2.00,EUR,2026-03-02\n", "y,1.00,EUR,2026-03-02\n");
    project.replace("recon.yaml", "match:\n", "ref: [id]\nmatch:\n");
    project.json(&["run", "--json"]);
    let rows = project.sql(RECORDS);
    assert_eq!((rows[0]["ra"].as_str(), rows[0]["rb"].as_str()), (Some("x"), Some("y")));
    assert_eq!(rows[1]["ra"].as_str(), Some("A:3"));
}

#[test]
fn fixtures_check_the_matches_of_the_passes() {
    let project = Project::of("examples/bank_to_ledger");
    let said = project.recon(&["test"]);
    assert_eq!((said.code, said.out.as_str()), (0, "3 passed, 0 failed\n"), "{}", said.err);
    project.replace("recon.tests.yaml", "b: [1, 3], pass: split", "b: [1, 2], pass: split");
    let said = project.recon(&["test"]);
    assert_eq!(said.code, 1);
    assert!(
        said.out
            .contains("expected A1 = B1 + B2 by split, UNIQUE, got A1 = B1 + B3 by split, UNIQUE"),
        "{}",
        said.out
    );
}

#[test]
fn a_group_with_a_row_that_lacks_a_value_takes_no_part_as_a_whole() {
    const GROUPED: &str = "    - name: payout
      equal: [currency]
      group: { b: [id] }
      sum: [amount]
      near: { amount: { absolute: 0 }, day: { days: 9 } }
";
    // Without its third row, which has no currency, no amount or no day, the group p would be 100.00.
    for lacking in ["p,5.00,,2026-03-02", "p,,EUR,2026-03-02", "p,x,EUR,2026-03-02", "p,5.00,EUR,"]
    {
        let b = format!(
            "p,40.00,EUR,2026-03-02\np,60.00,EUR,2026-03-02\n{lacking}\nq,70.00,EUR,2026-03-02\n"
        );
        let project = job("", GROUPED, ",100.00,EUR,2026-03-02\n,70.00,EUR,2026-03-02\n", &b);
        let summary = project.json(&["run", "--json"]);
        assert_eq!(summary["records"]["groups"], 0, "{lacking}: {summary}");
        assert_eq!(summary["records"]["aligned"], 1, "{lacking}: {summary}");
        assert_eq!(summary["records"]["missing_in_a"], 3, "{lacking}: {summary}");
        // Fixtures say the same.
        let rows = b.lines().map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let named = ["id", "amount", "currency", "day"].into_iter().zip(cells);
            let named = named.filter(|(_, cell)| !cell.is_empty() && *cell != "x");
            let cells: Vec<String> = named.map(|(name, cell)| format!("{name}: {cell}")).collect();
            format!("      - {{ {} }}\n", cells.join(", "))
        });
        project.write(
            "recon.tests.yaml",
            format!(
                "match:\n  - name: the group is not whole\n    a:\n      \
                 - {{ amount: 100.00, currency: EUR, day: 2026-03-02 }}\n    b:\n{}",
                rows.collect::<String>()
            ),
        );
        let said = project.recon(&["test"]);
        assert_eq!(said.code, 0, "{lacking}: {}", said.out);
    }
}

#[test]
fn generated_payments_are_matched_precisely_and_nearly_all() {
    let project = Project::new();
    let generated = project.json(&[
        "generate",
        "--scenario",
        "payments",
        "--rows",
        "3000",
        "--json",
        "-o",
        ".",
    ]);
    project.json(&["run", "--json"]);
    let labels = std::fs::read_to_string(project.path("labels.csv")).unwrap();
    // The rows of each true match, by the names of their rows.
    let mut truth: std::collections::BTreeMap<&str, Vec<String>> = Default::default();
    for label in labels.lines().skip(1) {
        let cells: Vec<&str> = label.split(',').collect();
        if !cells[0].is_empty() {
            truth.entry(cells[0]).or_default().push(cells[2].to_owned());
        }
    }
    assert_eq!(generated["matches"], json!(truth.len()));
    let mut truth: Vec<Vec<String>> = truth.into_values().collect();
    truth.iter_mut().for_each(|rows| rows.sort());
    truth.sort();
    let mut found: std::collections::BTreeMap<String, Vec<String>> = Default::default();
    for statement in [
        "SELECT record_id, source_a_ref_id AS a, source_b_ref_id AS b FROM recon.recon_records WHERE match_shape = 'one_to_one'",
        "SELECT record_id, ref_id AS a, NULL AS b FROM recon.recon_members",
    ] {
        for row in project.sql(statement).as_array().unwrap() {
            let rows = found.entry(row["record_id"].to_string()).or_default();
            rows.extend(
                [&row["a"], &row["b"]].iter().filter_map(|name| name.as_str()).map(str::to_owned),
            );
        }
    }
    let right = found.values().filter(|rows| {
        let mut rows = (*rows).clone();
        rows.sort();
        truth.binary_search(&rows).is_ok()
    });
    let right = right.count() as f64;
    let (precision, recall) = (right / found.len() as f64, right / truth.len() as f64);
    assert!(precision >= 0.99, "{precision}");
    // Without the passes, init proposes some, dates included, and shows the run's result for them.
    let said =
        project.recon(&["init", "source_a.csv", "source_b.csv", "-c", "proposed/recon.yaml"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("value_date { days: 5 }"), "{}", said.out);
    let summary = project.json(&["run", "--json", "-c", "proposed/recon.yaml"]);
    for pass in ["by_reference", "split"] {
        let made = summary["matches"]["by_pass"][pass].as_u64().unwrap();
        assert!(said.out.contains(&format!("matches {made} of ")), "{pass} {made}: {}", said.out);
    }
    assert!(recall >= 0.95, "{recall}");
}

#[test]
fn every_report_counts_matches_by_pass_shape_and_certificate() {
    let (a, b) = many_rows();
    let project = job("", &format!("{NEAR}{SPLIT}"), &a, &b);
    let summary = project.json(&["run", "--json"]);
    let near = summary["matches"]["by_pass"]["near"].as_u64().unwrap();
    let left = summary["matches"]["left_ambiguous"].as_u64().unwrap();
    for format in ["text", "md", "html"] {
        let said = project.recon(&["report", "--format", format]);
        assert_eq!(said.code, 0, "{}", said.err);
        let plain = said.out.replace(['|', '\\'], " ").replace("</th><td>", " ");
        for (name, number) in [("pass near", near), ("left ambiguous", left)] {
            let words = plain.lines().any(|line| {
                line.contains(name)
                    && line.split([' ', '<', '>']).any(|word| word == number.to_string())
            });
            assert!(words, "{format}: {name} {number}\n{}", said.out);
        }
        for name in ["shape one_to_many", "certificate UNIQUE"] {
            assert!(plain.contains(name), "{format}: {name}");
        }
    }
    let file = project.path("report.xlsx");
    let file = file.to_str().unwrap();
    assert_eq!(project.recon(&["report", "--format", "xlsx", "-o", file]).code, 0);
    let mut workbook: calamine::Xlsx<_> = calamine::open_workbook(file).unwrap();
    let name = calamine::Reader::sheet_names(&workbook)[0].clone();
    let sheet = calamine::Reader::worksheet_range(&mut workbook, &name).unwrap();
    let row = sheet.rows().find(|row| row[0] == "pass near").unwrap();
    assert_eq!(row[1].to_string(), near.to_string());
}

#[test]
fn a_key_may_say_that_it_is_never_a_difference() {
    let project = job("key: [id]\n", NEAR, "1,10.00,EUR,2026-03-02\n", "2,10.00,EUR,2026-03-02\n");
    project.replace("recon.yaml", "id: { type: text }", "id: { type: text, compare: false }");
    let summary = project.json(&["run", "--json"]);
    assert_eq!(summary["records"]["matched"], 1, "{summary}");
    let said = project.recon(&["explain", "1"]);
    assert!(said.out.contains("1 | 2  (not compared)"), "{}", said.out);
}

#[test]
fn swapping_the_sources_mirrors_the_result() {
    let (a, b) = many_rows();
    const MATCHES: &str = "SELECT match_pass, match_certificate, line_a, line_b, members_a, members_b \
         FROM recon.current_records WHERE match_pass IS NOT NULL";
    let told = |passes: String, a: &str, b: &str, swap: bool| {
        let project = job("key: [id]\n", &passes, a, b);
        let summary = project.json(&["run", "--json"]);
        let rows = project.sql(MATCHES);
        let mut rows: Vec<String> = rows
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                let sides = |a: &str, b: &str| {
                    if swap {
                        (row[b].clone(), row[a].clone())
                    } else {
                        (row[a].clone(), row[b].clone())
                    }
                };
                let (lines, members) = (sides("line_a", "line_b"), sides("members_a", "members_b"));
                json!([
                    row["match_pass"],
                    row["match_certificate"],
                    lines.0,
                    lines.1,
                    members.0,
                    members.1
                ])
                .to_string()
            })
            .collect();
        rows.sort();
        (rows, summary["matches"]["left_ambiguous"].clone())
    };
    let straight = told(format!("{NEAR}{SPLIT}"), &a, &b, false);
    let mirrored = format!("{NEAR}{}", SPLIT.replace("one_to_many", "many_to_one"));
    assert!(straight.0.len() > 100, "{}", straight.0.len());
    assert_eq!(straight, told(mirrored, &b, &a, true));
}

#[test]
fn a_sum_is_exact_or_a_difference() {
    let pass = |percent: &str| {
        format!(
            "    - {{ name: sums, equal: [currency], group: {{ b: [currency] }}, sum: [amount],\n        \
             near: {{ amount: {{ percent: {percent} }} }} }}\n"
        )
    };
    let row = |amount: &str| format!(",{amount},EUR,2026-03-01\n");
    let value_b = |a: &str, b: &[&str], percent: &str| {
        let b: String = b.iter().map(|amount| row(amount)).collect();
        let job = job("", &pass(percent), &row(a), &b);
        let summary = job.json(&["run", "--json"]);
        let found = job.sql("SELECT diff_type, value_b FROM recon.current_differences");
        assert_eq!(summary["records"]["breaks"], json!(u8::from(found != json!([]))), "{found}");
        found
    };
    // Twice this has 39 digits, more than a number has.
    let long = "60000000000000000000.000000000000000001";
    assert_eq!(
        value_b(long, &[long, long], "100"),
        json!([{ "diff_type": "TYPE_MISMATCH", "value_b": "120000000000000000000.000000000000000002" }])
    );
    // The sum fits, though a part of it does not.
    let large = format!("6{}", "0".repeat(37));
    let (more, less) = (format!("{}1", &large[..37]), format!("-{large}"));
    assert_eq!(
        value_b(&large, &[&large, &more, &less], "1"),
        json!([{ "diff_type": "NUMERIC_MISMATCH", "value_b": more }])
    );
    assert_eq!(value_b(&large, &[&large, &large, &less], "1"), json!([]));
}
