//! `recon init`: what is guessed from two files passes the check, and reconciles as a hand-written
//! configuration does.

use std::path::Path;

use serde_json::Value as Json;

use crate::program::Project;

/// The two files of an example, alone in a folder, and what the example expects.
fn inputs(example: &str, files: [&str; 2]) -> (Project, Json) {
    let project = Project::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example);
    for file in files {
        project.write(file, std::fs::read(folder.join(file)).unwrap());
    }
    let expected = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    (project, serde_json::from_str(&expected).unwrap())
}

/// Guesses, checks and runs.
fn reconcile(project: &Project, files: [&str; 2]) -> (Json, Json) {
    let guessed = project.json(&["init", files[0], files[1], "--json"]);
    let check = project.recon(&["check"]);
    assert_eq!(check.code, 0, "{}{}", check.out, check.err);
    (guessed["guesses"].clone(), project.json(&["run", "--json"]))
}

/// The columns of B by the canonical field that they are mapped to.
fn mapped(guesses: &Json) -> Vec<(&str, &str)> {
    let fields = guesses["fields"].as_array().unwrap();
    fields
        .iter()
        .map(|field| (field["name"].as_str().unwrap(), field["columns"]["b"].as_str().unwrap()))
        .collect()
}

#[test]
fn fx_trades_reconcile_as_by_hand() {
    let files = ["front_office.csv", "risk.csv"];
    let (project, expected) = inputs("fx_trades", files);
    let (guesses, summary) = reconcile(&project, files);
    assert_eq!(
        mapped(&guesses),
        [
            ("transaction_id", "txn_ref"),
            ("trade_date", "trade_dt"),
            ("counterparty", "cpty"),
            ("buy_sell", "B/S"),
            ("currency", "ccy"),
            ("amount", "notional"),
            ("price", "px"),
            ("accrued_interest", "accrued"),
            ("account", "acct"),
        ]
    );
    for (name, count) in expected["records"].as_object().unwrap() {
        assert_eq!(summary["records"][name], *count, "{name}");
    }
    for (name, figures) in expected["differences"].as_object().unwrap() {
        assert_eq!(summary["differences"][name], *figures, "{name}");
    }
    let fields = guesses["fields"].as_array().unwrap();
    let side = fields.iter().find(|field| field["name"] == "buy_sell").unwrap();
    assert_eq!(side["source_normalize"]["b"], serde_json::json!(["side"]));
}

#[test]
fn awkward_files_are_read_as_by_hand() {
    let files = ["bank.csv", "erp.tsv.gz"];
    let (project, expected) = inputs("awkward_files", files);
    let (guesses, summary) = reconcile(&project, files);
    for (name, count) in expected["records"].as_object().unwrap() {
        assert_eq!(summary["records"][name], *count, "{name}");
    }
    assert_eq!(summary["differences"]["by_type"], expected["differences"]["by_type"]);
    let (bank, erp) = (&guesses["sources"]["a"], &guesses["sources"]["b"]);
    assert_eq!(bank["skip_rows"]["value"], 3);
    assert_eq!(bank["comment"]["value"], "#");
    assert_eq!(bank["encoding"]["value"], "windows-1252");
    assert_eq!(erp["encoding"]["value"], "utf-16le");
    assert_eq!(erp["header"]["value"], false);
}

/// Tolerances are the business's to give: what is within them by hand is a difference here.
#[test]
fn custody_positions_get_their_composite_key_and_agree_but_for_tolerances() {
    let files = ["custodian.csv", "books.csv"];
    let (project, expected) = inputs("custody_positions", files);
    let (guesses, summary) = reconcile(&project, files);
    let keys: Vec<&Json> =
        guesses["fields"].as_array().unwrap().iter().filter(|field| field["key"] == true).collect();
    assert_eq!(keys.len(), 3);
    for name in ["aligned", "missing_in_a", "missing_in_b", "duplicates_a", "rejected_b"] {
        assert_eq!(summary["records"][name], expected["records"][name], "{name}");
    }
    let (by_field, by_hand) =
        (&summary["differences"]["by_field"], &expected["differences"]["by_field"]);
    for name in ["ENTIRE_RECORD", "quantity", "pledged"] {
        assert_eq!(by_field[name], by_hand[name], "{name}");
    }
}

/// Which payments are settled, and that an amount is gross less fee, is in no column.
#[test]
fn payments_are_aligned_as_by_hand() {
    let files = ["processor.csv", "ledger.csv"];
    let (project, expected) = inputs("payments_ledger", files);
    let (guesses, summary) = reconcile(&project, files);
    assert_eq!(
        mapped(&guesses),
        [
            ("id", "external_ref"),
            ("created_at", "posting_date"),
            ("currency", "ccy"),
            ("fee", "charges")
        ]
    );
    for name in ["a", "b", "aligned", "missing_in_a", "duplicates_b"] {
        assert_eq!(summary["records"][name], expected["records"][name], "{name}");
    }
    assert_eq!(summary["differences"]["by_field"]["currency"], 1);
}

/// A pair of files of which no names are alike.
fn nameless(rows: u32) -> (String, String) {
    let (mut a, mut b) = (String::from("u,v,w,x\n"), String::from("k;l;m;n\n"));
    let states = [("OPEN", "1"), ("SETTLED", "9"), ("CANCELLED", "4")];
    for row in 0..rows {
        let (word, code) = states[(row * row % 7) as usize % 3];
        let (day, month) = (row % 11 + 1, row % 5 + 1);
        a += &format!("{word},T-{row:05},2026-{month:02}-{day:02},{}.25\n", row * 37);
        b += &format!("{}.25;{day:02}/{month:02}/2026;t {row:05};X{code}\n", row * 37);
    }
    (a, b)
}

#[test]
fn columns_are_found_by_their_values_alone() {
    let project = Project::new();
    let (a, b) = nameless(200);
    project.write("in/a.csv", a).write("in/b.csv", b);
    let (guesses, summary) = reconcile(&project, ["in/a.csv", "in/b.csv"]);
    assert_eq!(mapped(&guesses), [("v", "m"), ("u", "n"), ("w", "l"), ("x", "k")]);
    // No day is above the twelfth: the rows tell what the column alone does not.
    let fields = guesses["fields"].as_array().unwrap();
    let day = fields.iter().find(|field| field["name"] == "w").unwrap();
    assert_eq!(day["formats"]["b"], serde_json::json!(["%d/%m/%Y"]));
    assert_eq!(day["notes"], serde_json::json!([]));
    assert_eq!(summary["records"]["matched"], 200);
    let rules = std::fs::read_to_string(project.path("rules/normalize.rhai")).unwrap();
    assert!(rules.contains("fn u_of_b(v)") && rules.contains("\"X9\" => \"SETTLED\""));
    assert_eq!(project.recon(&["test"]).code, 0);
}

#[test]
fn nothing_is_overwritten_without_force() {
    let project = Project::new();
    let (a, b) = nameless(20);
    project.write("a.csv", a).write("b.csv", b).write("recon.yaml", "mine");
    let refused = project.recon(&["init", "a.csv", "b.csv"]);
    assert_eq!((refused.code, refused.out.as_str()), (2, ""));
    assert!(refused.err.contains("recon.yaml exists"), "{}", refused.err);
    assert_eq!(std::fs::read_to_string(project.path("recon.yaml")).unwrap(), "mine");
    assert!(!project.path("rules").exists());
    let forced = project.recon(&["init", "a.csv", "b.csv", "--force"]);
    assert_eq!(forced.code, 0, "{}", forced.err);
    // The same again changes nothing, so it needs no force.
    assert_eq!(project.recon(&["init", "a.csv", "b.csv"]).code, 0);
}

#[test]
fn sources_are_named_from_the_configuration() {
    let project = Project::new();
    let (a, b) = nameless(20);
    project.write("data/a.csv", a).write("data/b.csv", b);
    let said = project.recon(&["init", "data/a.csv", "data/b.csv", "-c", "jobs/x/recon.yaml"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let text = std::fs::read_to_string(project.path("jobs/x/recon.yaml")).unwrap();
    assert!(text.contains("path: \"../../data/a.csv\""), "{text}");
    assert_eq!(project.recon(&["check", "-c", "jobs/x/recon.yaml"]).code, 0);
}

#[test]
fn without_files_there_is_a_start() {
    let project = Project::new();
    let said = project.recon(&["init"]);
    assert_eq!(said.code, 0, "{}", said.err);
    // The configuration is in order; the files it names are still to come.
    assert_eq!(project.recon(&["check"]).code, 3);
    project.write("a.csv", "id,date,amount\n1,2026-01-15,5.00\n");
    project.write("b.csv", "reference;booked_on;value\n1;15/01/2026;5,00\n");
    let check = project.recon(&["check"]);
    assert_eq!(check.code, 0, "{}", check.err);
    assert_eq!(project.json(&["run", "--json"])["records"]["matched"], 1);
}

#[test]
fn one_file_is_not_enough_and_two_must_have_something_in_common() {
    let project = Project::new();
    project.write("a.csv", "id,name\n1,x\n2,y\n").write("b.csv", "2026-01-01\n2026-01-02\n");
    assert_eq!(project.recon(&["init", "a.csv"]).code, 2);
    let said = project.recon(&["init", "a.csv", "b.csv"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("no column of the first file"), "{}", said.err);
    assert_eq!(project.recon(&["init", "a.csv", "missing.csv"]).code, 3);
    assert!(!project.path("recon.yaml").exists());
}
