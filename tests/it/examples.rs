//! Every example has its documented result, on both stores.

use std::path::Path;

use serde_json::Value as Json;

use crate::postgres;
use crate::program::Project;

const EXAMPLES: [&str; 9] = [
    ".",
    "examples/payments_ledger",
    "examples/custody_positions",
    "examples/awkward_files",
    "examples/from_datacompy",
    "examples/bank_statement",
    "examples/orders_api",
    "examples/bank_to_ledger",
    "examples/payouts",
];

fn expected(example: &str) -> Json {
    let folder = if example == "." { "examples/fx_trades" } else { example };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("expected.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// Asserts that `whole` contains everything in `part`.
fn assert_contains(whole: &Json, part: &Json, path: &str) {
    match part {
        Json::Object(entries) => {
            for (key, value) in entries {
                assert_contains(&whole[key], value, &format!("{path}.{key}"));
            }
        }
        other => assert_eq!(whole, other, "{path}"),
    }
}

#[test]
fn every_example_has_its_expected_figures() {
    for example in EXAMPLES {
        let project = Project::of(example);
        let summary = project.json(&["run", "--json"]);
        assert_contains(&summary, &expected(example), example);
    }
}

#[test]
fn every_example_gives_the_same_result_on_postgresql() {
    for example in EXAMPLES {
        let project = Project::of(example);
        let url = postgres::new_database();
        let summary = project.json(&["run", "--json", "--store", &url]);
        assert_contains(&summary, &expected(example), example);
        let gate = "SELECT gate_status, count(*) AS n FROM recon.recon_records \
                    WHERE gate_status = 'PASSED' GROUP BY gate_status";
        let passed = project.json(&["--store", &url, "sql", gate, "--format", "json"]);
        assert_eq!(passed[0]["n"], summary["gate"]["passed"], "{example}");
    }
}

#[test]
fn the_shipped_fixtures_pass() {
    let said = Project::of(".").recon(&["test"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains(" 0 failed"), "{}", said.out);
}

#[test]
fn the_shipped_files_pass_the_check() {
    for example in EXAMPLES {
        let said = Project::of(example).recon(&["check"]);
        assert_eq!(said.code, 0, "{example}: {}", said.err);
    }
}
