//! Whole configurations and their meaning; wrong ones are in `tests/errors/config`.

use std::path::Path;

use super::*;
use crate::config::resolved::Accept;
use crate::database::StoreUrl;
use crate::diagnostic::Code;
use crate::domain::{Confidence, PerSide};

const MINIMAL: &str = "\
version: 1
job: demo
sources:
  a: { system: LEFT, read: { csv: { path: left.csv } }, map: { b: B, id: ID, a: A } }
  b: { system: RIGHT, read: { csv: { path: right.csv } }, map: { b: x, id: y, a: z } }
key: [id]
fields:
  b: { type: text }
  id: { type: text }
  a: { type: decimal }
";

fn load_from(folder: &str, text: &str) -> Result<Loaded, Problems> {
    let batch_date = Date::from_civil(2026, 1, 15).unwrap();
    let environment = |name: &str| (name == "DIR").then(|| "in".to_owned());
    let surroundings = Surroundings { batch_date, environment: &environment };
    load_text(text, &Path::new(folder).join("recon.yaml"), surroundings)
}

fn meant(text: &str) -> Loaded {
    load_from("job", text).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn the_key_comes_first_and_the_file_decides_the_rest() {
    let loaded = meant(MINIMAL);
    assert_eq!(loaded.warnings, []);
    let resolved = &loaded.resolved;
    assert_eq!(resolved.layout.names().collect::<Vec<_>>(), ["id", "b", "a"]);
    assert_eq!(resolved.layout.key_len(), 1);
    let columns: Vec<_> = resolved.sources.b.columns.iter().flatten().collect();
    assert_eq!(columns, ["y", "x", "z"]);
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let Resolved { options, attribution, reason_codes, store, .. } = meant(MINIMAL).resolved;
    assert!(options.keep_all && !options.on_rule_error_stop);
    assert_eq!((options.threads, options.memory_limit), (None, 4 << 30));
    assert_eq!(attribution.accept_at, Accept::At(Confidence::new(0.9).unwrap()));
    assert!(attribution.model_enabled);
    assert_eq!(reason_codes.len(), 1);
    assert_eq!(reason_codes[0].code, "UNKNOWN");
    assert!(matches!(store, StoreUrl::Sqlite(path) if path == Path::new("job/recon.db")));
}

#[test]
fn a_number_is_its_text_with_and_without_quotes() {
    let tolerance = |bound: &str| {
        let field = format!("a: {{ type: decimal, tolerance: {{ absolute: {bound} }} }}");
        let resolved = meant(&MINIMAL.replace("a: { type: decimal }", &field)).resolved;
        resolved.fields[2].compare.describe()
    };
    assert_eq!(tolerance("0.1000000000000000000000001"), "±0.1000000000000000000000001");
    assert_eq!(tolerance("\"0.005\""), tolerance("0.005"));
}

#[test]
fn variables_are_replaced_in_values_and_paths_start_from_the_file() {
    let text = MINIMAL.replace("left.csv", "'${DIR}/left_${BATCH_DATE}.csv'");
    let loaded = meant(&text);
    let path = loaded.resolved.sources.a.read.path();
    assert_eq!(path, Path::new("job/in/left_2026-01-15.csv"));
    let stored = &loaded.resolved.stored["sources"]["a"]["read"]["csv"]["path"];
    assert_eq!(stored, "${DIR}/left_${BATCH_DATE}.csv");
}

#[test]
fn null_is_a_word_in_a_list() {
    let text = MINIMAL.replace("left.csv", "left.csv, null_values: ['', NULL, ~, null]");
    let nulls = meant(&text).resolved.sources.a.read.null_values().to_vec();
    assert_eq!(nulls, ["", "NULL", "~", "null"]);
}

#[test]
fn the_fingerprint_covers_everything_that_a_record_depends_on() {
    let print = |text: &str| meant(text).resolved.fingerprint;
    let base = print(MINIMAL);
    let snapshots = "job: demo\nopen_items: { a: snapshot }";
    let same = [("job: demo", "job: other"), ("left.csv", "copy.csv"), ("job: demo", snapshots)];
    for (same, other) in same {
        assert_eq!(print(&MINIMAL.replace(same, other)), base, "{other}");
    }
    for (one, other) in [
        ("key: [id]", "key: [id, b]"),
        ("id: ID", "id: Id"),
        ("b: { type: text }", "b: { type: text, normalize: [trim] }"),
        ("system: LEFT", "system: LEFT, timezone: Europe/Zurich"),
        ("job: demo", "job: demo\nopen_items: { a: movements }"),
    ] {
        assert_ne!(print(&MINIMAL.replace(one, other)), base, "{other}");
    }
}

#[test]
fn headers_are_held_against_the_map() {
    let loaded = meant(MINIMAL);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let a = names(&["A", "new", "ID", "B"]);
    let columns = check_headers(&loaded, &PerSide { a, b: names(&["x", "y", "z"]) }).unwrap();
    assert_eq!(columns.indices.a, [Some(2), Some(3), Some(0)]);
    assert_eq!(columns.unused.a, ["new"]);
    assert_eq!(columns.unused.b, [""; 0]);

    let headers = PerSide { a: names(&["A", "IDE", "B"]), b: names(&["x", "x", "y"]) };
    let problems = check_headers(&loaded, &headers).unwrap_err();
    let said: Vec<String> = problems.0.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "job/recon.yaml:4:74: source A has no column `ID` (did you mean `IDE`?)",
            "job/recon.yaml:5:69: source B has more than one column `x` (columns 1 and 2 have this name: \
             write `\"x#1\"` or `\"x#2\"` for the first or second of them, or its place, as in `\"#1\"`)",
            "job/recon.yaml:5:82: source B has no column `z` (its columns are `x`, `x` and `y`)",
        ]
    );
}

#[test]
fn the_shipped_configurations_have_no_mistakes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let examples = root.join("examples").read_dir().unwrap();
    let files = examples.map(|entry| entry.unwrap().path().join("recon.yaml"));
    for file in files.chain([root.join("recon.yaml")]).filter(|file| file.exists()) {
        let batch_date = Date::from_civil(2026, 1, 15).unwrap();
        let surroundings = Surroundings { batch_date, environment: &|_| None };
        match load(&file, surroundings) {
            Ok(loaded) => assert_eq!(loaded.warnings, [], "{}", file.display()),
            Err(problems) => panic!("{problems}"),
        }
    }
}

#[test]
fn the_store_is_known_while_the_rest_is_being_edited() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recon.yaml");
    let surroundings = Surroundings { batch_date: Date::from_days(0), environment: &|_| None };
    let store = |text: &str| {
        std::fs::write(&file, text).unwrap();
        store_url(&file, surroundings)
    };
    let beside = |name: &str| StoreUrl::Sqlite(folder.path().join(name));
    assert!(store("store: sqlite:x.db\njob: ${NONE}\nfeilds: 1\n").unwrap() == beside("x.db"));
    assert!(store("job: demo\n").unwrap() == beside("recon.db"));
    for (text, code) in [
        ("store: ${NONE}\n", Code::UndefinedVariable),
        ("store: x.db\n", Code::StoreUrl),
        ("store: [x]\n", Code::WrongType),
        ("store: [x\n", Code::YamlSyntax),
    ] {
        let Err(problems) = store(text) else { panic!("{text}") };
        assert_eq!(problems.0[0].code, code);
        assert_eq!(problems.0[0].place.as_ref().map(|place| place.line), Some(1));
    }
}

#[test]
fn invalid_text_is_an_error_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recon.yaml");
    let surroundings = Surroundings { batch_date: Date::from_days(0), environment: &|_| None };
    assert_eq!(load(&file, surroundings).unwrap_err().0[0].code, Code::ConfigUnreadable);
    std::fs::write(&file, b"version: 1\njob: caf\xe9\n").unwrap();
    let problems = load(&file, surroundings).unwrap_err();
    assert!(problems.to_string().contains("line 2"), "{problems}");
}
