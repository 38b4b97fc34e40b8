//! Totals of money that tie, and the reconciliation statement, on both stores.

use std::collections::BTreeMap;
use std::io::Read as _;

use calamine::{DataType, Reader, Xlsx, open_workbook};
use recon::domain::Decimal;
use recon::domain::money::Sum;
use serde_json::{Value as Json, json};

use crate::postgres;
use crate::program::Project;

const JOB: &str = r#"version: 1
job: money
store: sqlite:recon.db
sources:
  a:
    system: BANK
    read: { csv: { path: a.csv } }
    map: { id: id, currency: currency, amount: amount, fee: fee }
  b:
    system: LEDGER
    read: { csv: { path: b.csv } }
    map: { id: id, currency: currency, amount: amount, fee: fee }
    filter: is_live
key: [id]
currency_field: currency
fields:
  id: { type: text }
  currency: { type: text }
  amount: { type: decimal, monetary: true, tolerance: { absolute: 0.05 } }
  fee: { type: decimal }
rules:
  normalize: rules.rhai
  attribute: [attribute.rhai]
reason_codes:
  ROUNDING: { functional: true, description: "Small" }
  LOST: { functional: false, description: "No partner" }
"#;

const RULES: &str = r#"fn attribute_small(d) { if d.field == "amount" && d.abs_delta != () && d.abs_delta < 1.0 { return reason("ROUNDING", 0.99); } }
fn attribute_lost(d) { if d.field == "ENTIRE_RECORD" { return reason("LOST", 0.95); } }
"#;

const HEADER: &str = "id,currency,amount,fee\n";

fn job(a: &str, b: &str) -> Project {
    let project = Project::new();
    project
        .write("recon.yaml", JOB)
        .write("rules.rhai", "fn is_live(raw) { raw.fee != \"TEST\" }")
        .write("attribute.rhai", RULES)
        .write("a.csv", format!("{HEADER}{a}"))
        .write("b.csv", format!("{HEADER}{b}"));
    project
}

/// A small day: rounding, a tolerance, a missing row, a surplus row, a pair in two currencies, an unreadable and
/// a null amount, and rows that take no part.
fn small() -> Project {
    job(
        "1,EUR,100.00,1\n2,EUR,50.10,1\n3,EUR,7.50,1\n4,EUR,20,1\n4,EUR,20,1\n5,EUR,abc,1\n\
         6,,3,1\n7,USD,1,1\n,EUR,9,1\n",
        "1,EUR,100.50,1\n2,EUR,50.12,1\n4,EUR,20,1\n5,EUR,11,1\n6,,3.5,1\n7,EUR,1,1\n\
         8,EUR,0.25,1\n9,EUR,77,TEST\n",
    )
}

fn sum(value: &Json) -> Sum {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn the_summary_has_exact_totals_by_currency() {
    let project = small();
    let summary = project.json(&["run", "--json"]);
    let money = summary["money"].as_array().unwrap();
    assert_eq!(
        money[0],
        json!({
            "field": "amount", "currency": "EUR",
            "a": "197.60", "missing_in_b": "7.50", "duplicates_a": "20",
            "differences": "12.50", "within_tolerance": "0.02",
            "missing_in_a": "0.25", "duplicates_b": "0", "b": "182.87",
            "unreadable_a": 1, "unreadable_b": 0,
            "unreadable": [{ "side": "a", "file": "a.csv", "line": 7, "text": "abc" }],
            "filtered_a": 0, "filtered_b": 1, "rejected_a": 1, "rejected_b": 0,
            "within_tolerance_records": 1,
        })
    );
    let short =
        |at: usize| ["currency", "a", "differences", "b"].map(|name| money[at][name].clone());
    // The pair in two currencies leaves the one and enters the other.
    assert_eq!(short(1), [json!("USD"), json!("1"), json!("-1"), json!("0")]);
    assert_eq!(short(2), [Json::Null, json!("3"), json!("0.5"), json!("3.5")]);
    assert_eq!(money.len(), 3);
    let later = project.json(&["report", "--format", "json"]);
    assert_eq!(later["money"], summary["money"]);
    assert_eq!(project.json(&["runs", "show", "--json"])["money"], summary["money"]);
}

#[test]
fn totals_that_do_not_tie_are_never_shown() {
    let project = small();
    project.json(&["run", "--json"]);
    let store = rusqlite::Connection::open(project.path("recon.db")).unwrap();
    let changed = store.execute(
        "UPDATE recon_runs SET metadata = replace(metadata, '\"a\":\"197.60\"', '\"a\":\"197.61\"')",
        [],
    );
    assert_eq!(changed.unwrap(), 1);
    drop(store);
    let said = project.recon(&["report"]);
    assert_eq!(said.code, 5, "{}", said.out);
    let sentence = "the totals of `amount` in EUR do not tie: A's total 197.61 leads to 182.88";
    assert!(said.err.contains(sentence), "{}", said.err);
}

#[test]
fn every_report_has_the_statement() {
    let project = small();
    project.json(&["run", "--json"]);
    let report = project.json(&["report", "--format", "json"]);
    assert_eq!(
        report["statement"][0],
        json!({
            "field": "amount", "currency": "EUR", "a": "197.60", "b": "182.87",
            "lines": [
                { "reason": "ROUNDING", "functional": true, "amount": "0.50", "count": 1 },
                { "reason": "WITHIN_TOLERANCE", "functional": true, "amount": "0.02", "count": 1 },
                { "reason": "LOST", "functional": false, "amount": "-27.25", "count": 3 },
                { "reason": "UNKNOWN", "functional": false, "amount": "12", "count": 2 },
            ],
        })
    );
    let only = project.json(&["report", "--statement", "--format", "json"]);
    assert_eq!(only["statement"], report["statement"]);
    let said: Vec<&str> =
        only["not_added"].as_array().unwrap().iter().filter_map(Json::as_str).collect();
    for sentence in [
        "`amount` in EUR: 1 amount of A can't be read, counted as 0: a.csv:7 `abc`",
        "`amount`: amounts without a currency have their own total",
        "source A: 1 row rejected, in no total",
        "source B: 1 row left out by the filter, in no total",
        "not marked `monetary`: `fee`",
    ] {
        assert!(said.contains(&sentence), "{sentence}: {said:?}");
    }
    for format in ["text", "md", "html"] {
        let whole = project.recon(&["report", "--format", format]).out;
        for part in
            ["Reconciliation statement", "amount, EUR", "197.60", "-27.25", "182.87", "`fee`"]
        {
            let part = if format == "md" { part.replace("`fee`", "fee") } else { part.to_owned() };
            assert!(whole.contains(&part), "{format}: {part}: {whole}");
        }
    }
    let text = project.recon(&["report", "--statement"]);
    assert!(text.out.contains("-27.25  3 differences"), "{}", text.out);
    assert!(!text.out.contains("Amounts and examples"), "{}", text.out);
    let html = project.recon(&["report", "--format", "html"]).out;
    assert!(html.contains("class=\"waterfall\""), "{html}");
    for reason in ["ROUNDING", "LOST", "UNKNOWN"] {
        assert!(html.contains(&format!("<a href=\"#reason-{reason}\">")), "{html}");
        assert!(html.contains(&format!("id=\"reason-{reason}\"")), "{html}");
    }
    let refused = project.recon(&["report", "--statement", "--format", "xlsx", "-o", "x.xlsx"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("error[statement-format]"), "{}", refused.err);
}

#[test]
fn each_line_of_the_statement_leads_to_its_differences() {
    let project = small();
    let summary = project.json(&["run", "--json"]);
    let run = summary["run_id"].as_str().unwrap();
    // Without an address of the page, a command lists them.
    for format in ["text", "md"] {
        let said = project.recon(&["report", "--statement", "--format", format]).out;
        let command = said.lines().find_map(|line| line.split("recon sql \"").nth(1)).unwrap();
        let sql = command.trim_end_matches(['`', '"']);
        let rows = project.json(&["sql", sql, "--json"]);
        assert_eq!(rows.as_array().map(Vec::len), Some(2), "{said}");
    }
    project.write("recon.yaml", format!("{JOB}server: {{ public_url: \"https://r.example\" }}\n"));
    let list = format!("https://r.example/review/queue?run={run}&view=items&status=ALL");
    let link = |code: &str| format!("{list}&as={code}&monetary_field=amount&currency=EUR");
    let only = project.recon(&["report", "--statement", "--format", "md"]).out;
    for code in ["ROUNDING", "LOST", "UNKNOWN"] {
        assert!(only.contains(&format!("| [{code}]({}) |", link(code))), "{only}");
    }
    assert!(only.contains("| within tolerance |"), "{only}");
    let text = project.recon(&["report"]).out;
    for code in ["ROUNDING", "LOST", "UNKNOWN"] {
        assert!(text.contains(&format!("\n        {}\n", link(code))), "{text}");
    }
    assert!(!text.contains("differences with the reason"), "{text}");
}

#[test]
fn the_workbook_adds_the_statement_up_by_formulas() {
    let project = small();
    project.json(&["run", "--json"]);
    assert_eq!(project.recon(&["report", "--format", "xlsx", "-o", "out.xlsx"]).code, 0);
    let mut book: Xlsx<_> = open_workbook(project.path("out.xlsx")).unwrap();
    let values = book.worksheet_range("statement").unwrap();
    let formulas = book.worksheet_formula("statement").unwrap();
    let number = |row: u32| values.get_value((row, 4)).and_then(DataType::get_float).unwrap();
    let formula = |row: u32| formulas.get_value((row, 4)).cloned().unwrap_or_default();
    // A's total, four lines, their sum, B's total, the remainder.
    assert_eq!(formula(6), "SUM(E2:E6)");
    assert_eq!(formula(8), "ROUND(E8-E7,2)");
    let lines: f64 = (1..=5).map(number).sum();
    assert!((lines - number(6)).abs() < 1e-9 && (number(6) - number(7)).abs() < 1e-9);
    assert_eq!((number(1), number(7), number(8)), (197.6, 182.87, 0.0));
    // Each line of a reason leads to its first difference.
    let differences = book.worksheet_range("differences").unwrap();
    let reason = |row: usize| differences.get((row, 7)).unwrap().to_string();
    let file = std::fs::File::open(project.path("out.xlsx")).unwrap();
    let mut parts = zip::ZipArchive::new(file).unwrap();
    let mut sheet = String::new();
    parts.by_name("xl/worksheets/sheet6.xml").unwrap().read_to_string(&mut sheet).unwrap();
    for (line, code) in [(3, "ROUNDING"), (5, "LOST"), (6, "UNKNOWN")] {
        let link = format!("<hyperlink ref=\"C{line}\" location=\"differences!H");
        let (_, rest) = sheet.split_once(&link).unwrap_or_else(|| panic!("{line}: {sheet}"));
        let row: usize = rest.split('"').next().unwrap().parse().unwrap();
        assert_eq!(reason(row - 1), code);
        assert!((1..row - 1).all(|before| reason(before) != code), "{code}");
    }
    assert!(!sheet.contains("<hyperlink ref=\"C4\""), "within tolerance has no differences");
}

#[test]
fn two_places_of_the_currency_field_must_agree_and_each_is_enough() {
    let project = small();
    let whole = project.json(&["run", "--json"])["money"].clone();
    project.replace("recon.yaml", "key: [id]", "review: { currency_field: fee }\nkey: [id]");
    let said = project.recon(&["check"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("error[two-currency-fields]"), "{}", said.err);
    project.replace("recon.yaml", "\ncurrency_field: currency", "");
    project.replace("recon.yaml", "currency_field: fee", "currency_field: currency");
    assert_eq!(project.json(&["run", "--json"])["money"], whole);
    project.replace(
        "recon.yaml",
        "review: { currency_field: currency }\n",
        "currency_field: ccy\n",
    );
    let said = project.recon(&["check"]);
    assert!(said.err.contains("`ccy` is not in `fields`"), "{}", said.err);
}

#[test]
fn without_a_currency_field_all_amounts_are_one_total_with_a_note() {
    let project = small();
    project.replace("recon.yaml", "\ncurrency_field: currency", "");
    let summary = project.json(&["run", "--json"]);
    assert_eq!(summary["money"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&summary["money"][0]["currency"], &summary["money"][0]["a"]),
        (&Json::Null, &json!("201.60"))
    );
    let only = project.json(&["report", "--statement", "--format", "json"]);
    assert!(only["not_added"].to_string().contains("no `currency_field` is set"), "{only}");
}

#[test]
fn a_job_without_monetary_fields_has_no_money() {
    let project = small();
    project.replace("recon.yaml", "monetary: true, ", "");
    let summary = project.json(&["run", "--json"]);
    assert_eq!(summary.get("money"), None);
    let said = project.recon(&["report", "--statement"]);
    assert!(said.out.contains("There is no statement"), "{}", said.out);
    assert!(said.out.contains("not marked `monetary`: `amount`, `fee`"), "{}", said.out);
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn up_to(&mut self, most: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }

    fn amount(&mut self) -> String {
        match self.up_to(40) {
            0 => "n/a".to_owned(),
            1 => String::new(),
            // Sums of these do not fit into 38 digits.
            2 => format!("{}.{:02}", "9".repeat(36), self.up_to(100)),
            3 => format!("-0.{:028}", self.up_to(1_000_000)),
            _ => format!(
                "{}{}.{:02}",
                ["", "-"][self.up_to(2) as usize],
                self.up_to(90),
                self.up_to(100)
            ),
        }
    }

    fn currency(&mut self) -> &'static str {
        ["EUR", "USD", "CHF", ""][self.up_to(4) as usize]
    }
}

/// Rows with repeated keys, missing partners, other currencies and amounts.
fn random(seed: u64, with_key: bool) -> (String, String) {
    let mut dice = Dice(seed);
    let (mut a, mut b) = (String::new(), String::new());
    for number in 0..300 {
        let (currency, amount) = (dice.currency(), dice.amount());
        let id = if with_key { format!("T{number}") } else { String::new() };
        let repeats = 1 + dice.up_to(8) / 7;
        if dice.up_to(9) > 0 {
            (0..repeats).for_each(|_| a += &format!("{id},{currency},{amount},0\n"));
        }
        let (currency, amount) = match dice.up_to(6) {
            0 => continue,
            1 => (dice.currency(), amount),
            2 => (currency, dice.amount()),
            _ => (currency, amount),
        };
        let repeats = 1 + dice.up_to(8) / 7;
        (0..repeats).for_each(|_| b += &format!("{id},{currency},{amount},0\n"));
    }
    (a, b)
}

/// The totals of a side by currency, without recon.
fn totals(rows: &str) -> BTreeMap<Option<String>, Sum> {
    let mut totals: BTreeMap<Option<String>, Sum> = BTreeMap::new();
    for row in rows.lines() {
        let cells: Vec<&str> = row.split(',').collect();
        let currency = (!cells[1].is_empty()).then(|| cells[1].to_owned());
        if let Ok(amount) = cells[2].parse::<Decimal>() {
            totals.entry(currency).or_default().add(amount);
        }
    }
    totals
}

fn assert_ties(summary: &Json, report: &Json, a: &str, b: &str) {
    let (totals_a, totals_b) = (totals(a), totals(b));
    let money = summary["money"].as_array().unwrap();
    assert!(money.len() >= 4, "{summary}");
    for (one, statement) in money.iter().zip(report["statement"].as_array().unwrap()) {
        let currency = one["currency"].as_str().map(str::to_owned);
        let of = |totals: &BTreeMap<Option<String>, Sum>| {
            totals.get(&currency).copied().unwrap_or_default()
        };
        assert_eq!((sum(&one["a"]), sum(&one["b"])), (of(&totals_a), of(&totals_b)), "{one}");
        let mut end = sum(&one["a"]);
        for name in ["missing_in_b", "duplicates_a"] {
            end.minus(&sum(&one[name]));
        }
        for name in ["differences", "within_tolerance", "missing_in_a", "duplicates_b"] {
            end.plus(&sum(&one[name]));
        }
        assert_eq!(end, sum(&one["b"]), "{one}");
        let mut end = sum(&statement["a"]);
        statement["lines"]
            .as_array()
            .unwrap()
            .iter()
            .for_each(|line| end.plus(&sum(&line["amount"])));
        assert_eq!(
            (&statement["currency"], end),
            (&one["currency"], sum(&one["b"])),
            "{statement}"
        );
    }
}

const PASSES: &str = "match:
  passes:
    - name: near
      equal: [currency]
      near: { amount: { absolute: 2 } }
      sum: [amount]
      shape: many_to_many
      max_rows: 3
";

#[test]
fn random_rows_tie_with_and_without_a_key_whatever_the_way() {
    for seed in 1..4 {
        for with_key in [true, false] {
            let (a, b) = random(seed, with_key);
            let project = job(&a, &b);
            let tolerance = ["0", "2.5", "500"][usize::try_from(seed).unwrap() - 1];
            project.replace("recon.yaml", "absolute: 0.05", &format!("absolute: {tolerance}"));
            if !with_key {
                project.replace(
                    "recon.yaml",
                    "key: [id]\n",
                    &format!("{PASSES}  ambiguous: take\n  effort: 20000\n"),
                );
            }
            let summary = project.json(&["run", "--json"]);
            let report = project.json(&["report", "--format", "json"]);
            assert_ties(&summary, &report, &a, &b);
            project.replace(
                "recon.yaml",
                "fields:\n",
                "options: { keep: breaks, threads: 1, memory_limit: 1MiB }\nfields:\n",
            );
            for step in ["ingest", "diff", "attribute"] {
                project.json(&[step, "--json"]);
            }
            let other = project.json(&["report", "--format", "json"]);
            assert_eq!(other["money"], summary["money"], "{seed} {with_key}");
            assert_eq!(other["statement"], report["statement"], "{seed} {with_key}");
        }
    }
}

#[test]
fn both_stores_have_the_same_money_and_statement() {
    let (a, b) = random(9, true);
    let project = job(&a, &b);
    let url = postgres::new_database();
    let summary = project.json(&["run", "--json"]);
    assert_eq!(project.json(&["run", "--json", "--store", &url])["money"], summary["money"]);
    let report = ["report", "--statement", "--format", "json"];
    let here = project.json(&report);
    assert_eq!(project.json(&[&report[..], &["--store", &url]].concat()), here);
    assert!(here["statement"].as_array().unwrap().len() >= 4, "{here}");
}

#[test]
fn unreadable_amounts_are_listed_to_twenty_and_counted_whole() {
    let rows: String = (0..50).map(|n| format!("{n},EUR,x{n},0\n")).collect();
    let summary = job(&rows, &rows).json(&["run", "--json"]);
    let money = &summary["money"][0];
    assert_eq!((&money["unreadable_a"], &money["unreadable_b"]), (&json!(50), &json!(50)));
    let listed = money["unreadable"].as_array().unwrap();
    assert_eq!(listed.len(), 20);
    assert_eq!((&listed[0]["line"], &listed[19]["line"]), (&json!(2), &json!(21)));
}

#[test]
fn a_many_side_never_mixes_currencies() {
    let project = job(",EUR,10,0\n", ",EUR,4,0\n,USD,6,0\n");
    project.replace("recon.yaml", "key: [id]\n", &PASSES.replace("      equal: [currency]\n", ""));
    let summary = project.json(&["run", "--json"]);
    assert_eq!(summary["records"]["groups"], 0, "{summary}");
    project.replace("recon.yaml", "\ncurrency_field: currency", "");
    assert_eq!(project.json(&["run", "--json"])["records"]["groups"], 1);
}

#[test]
fn rows_that_take_part_again_count_in_the_totals() {
    let project = job("1,EUR,100,0\n2,EUR,50,0\n4,EUR,x,0\n", "1,EUR,100,0\n");
    project.replace(
        "recon.yaml",
        "key: [id]\n",
        "key: [id]\nopen_items: { a: movements, b: movements }\n",
    );
    project.json(&["run", "--json", "--batch-date", "2026-03-02"]);
    project
        .write("next.csv", format!("{HEADER}3,EUR,7,0\n"))
        .write("b.csv", format!("{HEADER}2,EUR,50,0\n3,EUR,7,0\n"))
        .replace("recon.yaml", "path: a.csv", "path: next.csv");
    let money = project.json(&["run", "--json", "--batch-date", "2026-03-03"])["money"].clone();
    assert_eq!((&money[0]["a"], &money[0]["b"]), (&json!("57"), &json!("57")));
    assert_eq!(
        money[0]["unreadable"],
        json!([{ "side": "a", "file": "a.csv", "line": 4, "text": "x" }])
    );
}

#[test]
fn decisions_move_money_to_another_line_of_the_statement() {
    let project = small();
    project.json(&["run", "--json"]);
    project.replace("attribute.rhai", "\"ROUNDING\", 0.99", "\"LOST\", 0.99");
    project.json(&["attribute", "--again", "--json"]);
    let report = project.json(&["report", "--statement", "--format", "json"]);
    let lines = report["statement"][0]["lines"].as_array().unwrap();
    assert_eq!(
        lines[1],
        json!({ "reason": "LOST", "functional": false, "amount": "-26.75", "count": 4 })
    );
}
