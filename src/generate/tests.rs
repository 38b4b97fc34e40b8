//! Properties of the generated pair, checked by an independent, naive reader and differ.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::diagnostic::Code;
use crate::domain::{Date, Decimal, Quiet};

fn bytes_of(options: &GenerateOptions, threads: usize) -> [Vec<u8>; 3] {
    let mut files = [Vec::new(), Vec::new(), Vec::new()];
    for_each_block(options, threads, |block| {
        for (file, bytes) in files.iter_mut().zip([block.bytes.a, block.bytes.b, block.labels]) {
            file.extend_from_slice(&bytes);
        }
        Ok(())
    })
    .unwrap();
    files
}

type Rows = BTreeMap<String, Vec<BTreeMap<String, String>>>;

/// The rows by key, cells by canonical field.
fn read(header: &str, bytes: &[u8], delimiter: u8, names: &[(&str, &str)]) -> Rows {
    let text = [header.as_bytes(), bytes].concat();
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_slice());
    let columns = reader.headers().unwrap().clone();
    let mut rows = Rows::new();
    for row in reader.records() {
        let row = row.unwrap();
        let cells: BTreeMap<String, String> = columns
            .iter()
            .zip(&row)
            .map(|(column, cell)| {
                let field = names.iter().find(|(_, of_b)| *of_b == column);
                (field.map_or(column, |(field, _)| field).to_owned(), cell.to_owned())
            })
            .collect();
        rows.entry(cells["transaction_id"].to_uppercase()).or_default().push(cells);
    }
    rows
}

const NAMES_IN_B: [(&str, &str); 11] = [
    ("transaction_id", "txn_ref"),
    ("trade_date", "trade_dt"),
    ("settlement_date", "settle_dt"),
    ("counterparty", "cpty"),
    ("buy_sell", "B/S"),
    ("currency", "ccy"),
    ("amount", "notional"),
    ("price", "px"),
    ("accrued_interest", "accrued"),
    ("account", "acct"),
    ("trader_id", "trader"),
];

/// Whether the written recon.yaml tolerates the difference of two cells, decided independently.
fn agree(field: &str, a: &str, b: &str) -> bool {
    if a.is_empty() || b.is_empty() {
        return a == b;
    }
    match field {
        "amount" | "price" | "accrued_interest" => {
            let tolerance = if field == "price" { "0.00001" } else { "0.005" };
            let a: Decimal = a.parse().unwrap();
            match b.replace('.', "").replace(',', ".").parse::<Decimal>() {
                Ok(b) => Decimal::within_absolute(a, b, tolerance.parse().unwrap()),
                Err(_) => false,
            }
        }
        "trade_date" | "settlement_date" => {
            let a: Date = a.parse().unwrap();
            let parts: Vec<_> = b.split('/').collect();
            let [day, month, year] = parts[..] else { return false };
            Some(a) == format!("{year}-{month}-{day}").parse().ok()
        }
        "buy_sell" => a.starts_with(b),
        _ => {
            let plain =
                |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_uppercase();
            plain(a) == plain(b)
        }
    }
}

/// Every difference as (key, field), by a naive diff.
fn differences(a: &Rows, b: &Rows) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
        let (of_a, of_b) = (a.get(key), b.get(key));
        let counts = (of_a.map_or(0, Vec::len), of_b.map_or(0, Vec::len));
        for _ in 0..counts.0.abs_diff(counts.1) {
            found.push((key.clone(), "ENTIRE_RECORD".to_owned()));
        }
        let (Some(of_a), Some(of_b)) = (of_a, of_b) else { continue };
        for (field, cell) in &of_a[0] {
            // Surplus copies are identical, so any pair will do.
            assert!(of_a.iter().all(|row| row[field] == *cell));
            let verdicts: BTreeSet<bool> =
                of_b.iter().map(|row| agree(field, cell, &row[field])).collect();
            assert_eq!(verdicts.len(), 1);
            if verdicts.contains(&false) {
                found.push((key.clone(), field.clone()));
            }
        }
    }
    found.sort();
    found
}

fn labels(bytes: &[u8]) -> Vec<(String, String, String)> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes);
    reader.deserialize().map(Result::unwrap).collect()
}

fn noise(json: serde_json::Value) -> Noise {
    serde_json::from_value::<NoiseSpec>(json).unwrap().resolve().unwrap()
}

fn options(rows: u64, seed: u64, noise: Noise) -> GenerateOptions {
    GenerateOptions { rows, seed, noise, ..GenerateOptions::default() }
}

fn loud(hard: bool) -> Noise {
    let mut written = serde_json::json!({ "second_difference": "60%", "hard": hard.to_string() });
    for key in [
        "fx_variance",
        "timing_lag",
        "rounding",
        "price_fluctuation",
        "accrual",
        "system_conversion",
        "manual_entry",
        "data_type",
        "missing_a",
        "missing_b",
        "duplicate",
        "truncation",
    ] {
        written[key] = "8%".into();
    }
    noise(written)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_labels_are_the_differences(
        rows in 0u64..2_500,
        seed in any::<u64>(),
        hard in any::<bool>(),
        quiet in any::<bool>(),
    ) {
        let noise = if quiet { noise(serde_json::json!({ "hard": hard.to_string() })) } else { loud(hard) };
        let [a, b, written] = bytes_of(&options(rows, seed, noise), 2);
        let a = read(write::HEADER_A, &a, b',', &[]);
        let b = read(write::HEADER_B, &b, b';', &NAMES_IN_B);
        let mut labeled: Vec<_> =
            labels(&written).into_iter().map(|(key, field, _)| (key, field)).collect();
        labeled.sort();
        prop_assert_eq!(labeled, differences(&a, &b));
    }
}

#[test]
fn every_cause_occurs_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let generated = generate(&options(3_000, 1, Noise::default()), folder.path(), &Quiet).unwrap();
    let codes: BTreeSet<_> = Cause::ALL.into_iter().map(Cause::code).collect();
    assert_eq!(generated.by_reason.keys().copied().collect::<BTreeSet<_>>(), codes);
    let written = std::fs::read(folder.path().join("labels.csv")).unwrap();
    let body = &written[write::HEADER_OF_LABELS.len()..];
    assert_eq!(labels(body).len() as u64, generated.differences);
    for (code, count) in &generated.by_reason {
        let labeled = labels(body).iter().filter(|(_, _, reason)| reason == code).count();
        assert_eq!(labeled as u64, *count, "{code}");
    }
    for (name, rows) in [("source_a.csv", generated.rows_a), ("source_b.csv", generated.rows_b)] {
        let lines = std::fs::read_to_string(folder.path().join(name)).unwrap().lines().count();
        assert_eq!(lines as u64, rows + 1, "{name}");
    }
}

#[test]
fn the_configuration_has_every_reason_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let rules = "// nothing\n".to_owned();
    let options =
        GenerateOptions { attribution_rules: Some(rules), ..options(1, 1, Noise::default()) };
    let generated = generate(&options, folder.path(), &Quiet).unwrap();
    for file in &generated.files {
        assert!(folder.path().join(file).exists(), "{file}");
    }
    let text = std::fs::read_to_string(folder.path().join("recon.yaml")).unwrap();
    let yaml: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    for cause in Cause::ALL {
        assert!(yaml["reason_codes"][cause.code()].is_mapping(), "{}", cause.code());
    }
    for (field, of_b) in NAMES_IN_B {
        assert_eq!(yaml["sources"]["a"]["map"][field], field);
        assert_eq!(yaml["sources"]["b"]["map"][field], of_b);
        assert!(yaml["fields"][field].is_mapping(), "{field}");
    }
    assert_eq!(yaml["rules"]["attribute"][0], "rules/attribution.rhai");
}

#[test]
fn the_bytes_depend_on_the_seed_and_not_on_the_threads() {
    let few = options(2_500, 42, Noise::default());
    let one = bytes_of(&few, 1);
    assert_eq!(one, bytes_of(&few, 3));
    assert_ne!(one, bytes_of(&options(2_500, 43, Noise::default()), 1));
}

/// Saved labels must keep matching the pair of their seed. If this fails because the noise was
/// changed on purpose, mention it in the changelog.
#[test]
fn the_files_of_a_seed_never_change() {
    let mut digest = Sha256::new();
    for noise in [Noise::default(), loud(true)] {
        for bytes in bytes_of(&options(1_500, 1, noise), 1) {
            digest.update(bytes);
        }
    }
    let hex: String = digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "353b8afda9ed1988");
}

#[test]
fn causes_overlap_only_if_requested() {
    let fields_of = |hard: bool, reason: &str| -> BTreeSet<String> {
        let [_, _, written] = bytes_of(&options(5_000, 5, loud(hard)), 1);
        labels(&written)
            .into_iter()
            .filter(|(_, _, of)| of == reason)
            .map(|(_, field, _)| field)
            .collect()
    };
    assert_eq!(fields_of(false, "FX_VARIANCE").len(), 1);
    assert!(fields_of(true, "FX_VARIANCE").contains("price"));
}

#[test]
fn an_existing_file_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("recon.yaml"), "mine").unwrap();
    let mut options = options(10, 1, Noise::default());
    let problem = generate(&options, folder.path(), &Quiet).unwrap_err();
    assert_eq!(problem.code, Code::FileExists);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    options.force = true;
    generate(&options, folder.path(), &Quiet).unwrap();
    assert_ne!(std::fs::read_to_string(folder.path().join("recon.yaml")).unwrap(), "mine");
}

#[test]
fn an_interruption_leaves_no_file() {
    struct Stop;
    impl Progress for Stop {
        fn start(&self, _: &'static str, _: u64, _: Unit) {}
        fn advance(&self, _: u64) {}
        fn finish(&self) {}
        fn interrupted(&self) -> bool {
            true
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let problem =
        generate(&options(10_000, 1, Noise::default()), folder.path(), &Stop).unwrap_err();
    assert_eq!(problem.code, Code::Interrupted);
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn payments_depend_on_the_seed_alone_and_their_matches_tie_to_the_cent() {
    let payments = |seed, threads| {
        let scenario = Scenario::Payments;
        bytes_of(&GenerateOptions { scenario, ..options(2_500, seed, Noise::default()) }, threads)
    };
    let files = payments(42, 1);
    assert_eq!(files, payments(42, 3));
    assert_ne!(files, payments(43, 1));
    let table = |at: usize, delimiter: u8| -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .delimiter(delimiter)
            .from_reader(&*files[at]);
        let row = |row: csv::StringRecord| row.iter().map(str::to_owned).collect();
        reader.records().map(|record| row(record.unwrap())).collect()
    };
    let cents = |text: &str| text.replace(['.', ','], "").parse::<i64>().unwrap();
    let mut amounts: BTreeMap<String, i64> = BTreeMap::new();
    for (at, delimiter) in [(0, b','), (1, b';')] {
        amounts.extend(table(at, delimiter).iter().map(|row| (row[0].clone(), cents(&row[2]))));
    }
    let labels = table(2, b',');
    assert_eq!(labels.len(), amounts.len(), "each row has one label");
    let mut sums: BTreeMap<&str, [i64; 2]> = BTreeMap::new();
    let mut kinds = BTreeSet::new();
    for label in &labels {
        kinds.insert(label[3].as_str());
        assert_eq!(label[0].is_empty(), label[3].ends_with("_only"), "{label:?}");
        if !label[0].is_empty() {
            sums.entry(&label[0]).or_default()[usize::from(label[1] == "B")] += amounts[&label[2]];
        }
    }
    assert!(sums.values().all(|[a, b]| a == b));
    assert_eq!(kinds.len(), 6);
}
