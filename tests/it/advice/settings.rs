//! A wrong setting is reported with its code; with the setting that the help asks for, nothing is.

use super::job;
use crate::program::Project;

const TOP: &str = "key: [id]";
const KEY: &str = TOP;
const READ: &str = "csv: { path: a.csv }";
const V: &str = "v: { type: text }";
const MAP: &str = "map: { id: id, v: v }\n  b";

/// A text of the configuration, its replacement, the resulting code, and the correction from the help. The
/// replacement of `TOP` is added above it.
type Setting = (&'static str, &'static str, &'static str, &'static str);

/// Problems that `recon check` finds.
#[rustfmt::skip]
pub const CHECKED: &[Setting] = &[
    (TOP, "server: { trusted_proxy: { networks: [127.0.0.1], user_header: Host } }", "proxy-header", "server: { trusted_proxy: { networks: [127.0.0.1], user_header: X-Forwarded-User } }"),
    (TOP, "server: { trusted_proxy: { networks: [proxy] } }", "trusted-proxy", "server: { trusted_proxy: { networks: [127.0.0.1] } }"),
    (TOP, "options: { threads: 100000 }", "threads", "options: { threads: auto }"),
    (READ, r#"csv: { path: a.csv, trailer: { starts_with: "", rows: 2 } }"#, "empty-prefix", r#"csv: { path: a.csv, trailer: { starts_with: "T", rows: 2 } }"#),
    (READ, "parquet: { path: a.csv, encoding: utf-8 }", "encoding-unused", "csv: { path: a.csv, encoding: utf-8 }"),
    (READ, r#"sql: { url: "sqlite:recon.db", query: "DELETE FROM t" }"#, "not-one-select", r#"sql: { url: "sqlite:recon.db", query: "SELECT 1 AS id, 2 AS v" }"#),
    ("path: ", r#"path: "-" } } # "#, "stdin-twice", "path: "),
    (READ, "fixed: { path: a.txt, columns: [{ name: id, start: 0, width: 2 }, { name: v, start: 3 }] }", "bad-extent", "fixed: { path: a.txt, columns: [{ name: id, start: 1, width: 2 }, { name: v, start: 3 }] }"),
    (READ, "fixed: { path: a.txt, columns: [{ name: id, start: 1 }, { name: v, start: 3 }] }", "no-width", "fixed: { path: a.txt, columns: [{ name: id, start: 1, width: 2 }, { name: v, start: 3 }] }"),
    (READ, "fixed: { path: a.txt, columns: [{ name: id, start: 1, width: 2 }, { name: v, start: 3 }], where: { start: 1, width: 1, equals: D1 } }", "never-met", "fixed: { path: a.txt, columns: [{ name: id, start: 1, width: 2 }, { name: v, start: 3 }], where: { start: 1, width: 2, equals: D1 } }"),
    (READ, "json: { path: a.json, records: x }", "bad-pointer", "json: { path: a.json, records: /x }"),
    (READ, r#"csv: { path: ["-", a.csv] }"#, "stdin-in-list", r#"csv: { path: "-" }"#),
    (READ, "csv: { path: twice.csv }", "ambiguous-column", "csv: { path: twice.csv, header: false, skip_rows: 1, columns: [id, v, w] }"),
    (READ, "csv: { path: a.csv, header: false, columns: [id, id] }", "duplicate-column", "csv: { path: a.csv, header: false, columns: [id, v] }"),
    (READ, "csv: { path: a.csv, header: false, columns: [] }", "no-columns", READ),
    (READ, r#"csv: { path: "" }"#, "empty-path", READ),
    (READ, r#"csv: { path: a.csv, delimiter: ";", quote: ";" }"#, "same-character", r#"csv: { path: a.csv, delimiter: ",", quote: ";" }"#),
    (READ, "csv: { path: none.csv }", "source-unreadable", READ),
    ("version: 1", "version: 1\nversion: 1", "duplicate-key", "version: 1"),
    (KEY, "key: [id, id]", "duplicate-key-field", KEY),
    (MAP, "map: { id: id, v: \"\" }\n  b", "empty-column", MAP),
    (MAP, "map: { id: id, v: w }\n  b", "missing-column", MAP),
    (V, "v: { type: text, normalize: [{ lookup: { file: none.csv } }] }", "lookup-file", "v: { type: text, normalize: [{ lookup: { file: l.csv } }] }"),
    (V, "v: { type: text, normalize: [{ lookup: { file: l2.csv } }] }", "lookup-header", "v: { type: text, normalize: [{ lookup: { file: l2.csv, header: false } }] }"),
    (TOP, r#"reason_codes: { GONE: { functional: true, description: "" } }"#, "no-description", "reason_codes: { GONE: { functional: true, description: a cause } }"),
    ("fields:\n  id: { type: integer }\n  v: { type: text }\n", "fields: {}\n", "no-fields", "fields:\n  id: { type: integer }\n  v: { type: text }\n"),
    (V, "v: { type: date, formats: [] }", "no-formats", "v: { type: date }"),
    (V, "v: { type: decimal, tolerance: { absolute: -1 } }", "tolerance", "v: { type: decimal, tolerance: { absolute: 1 } }"),
    (MAP, "map: { id: id, v: v }\n    numbers: { id: { decimal: \",\", thousands: \",\" } }\n  b", "number-format", "map: { id: id, v: v }\n    numbers: { id: { decimal: \",\", thousands: \".\" } }\n  b"),
    (TOP, "match: { passes: [] }", "no-passes", "match: { passes: [{ name: p, equal: [v] }] }"),
    (TOP, "match: { passes: [{ name: key, equal: [v] }] }", "pass-name", "match: { passes: [{ name: p, equal: [v] }] }"),
    (TOP, "match: { passes: [{ name: p, equal: [id], sum: [v], near: { v: { similarity: 0.9 } }, shape: one_to_many }] }", "pass-field", "match: { passes: [{ name: p, equal: [v] }] }"),
    (TOP, "match: { passes: [{ name: p, equal: [v], shape: one_to_many }] }", "pass-shape", "match: { passes: [{ name: p, equal: [v] }] }"),
    (TOP, "match: { passes: [{ name: p, equal: [v], max_rows: 0 }] }", "pass-bound", "match: { passes: [{ name: p, equal: [v] }] }"),
    (TOP, "match: { passes: [{ name: p, near: { id: { absolute: 1 } } }] }", "pass-without-equal", "match: { passes: [{ name: p, equal: [v], near: { id: { absolute: 1 } } }] }"),
    (TOP, "ref: [v]", "ref-unused", ""),
    (TOP, r#"server: { notify: { events: [ended], url: "http://127.0.0.1/x", secret: "${SECRET:-abcdefghijklmnopqrstuvwxyz012345}" } }"#, "notify-event", r#"server: { notify: { events: [run_finished], url: "http://127.0.0.1/x", secret: "${SECRET:-abcdefghijklmnopqrstuvwxyz012345}" } }"#),
    (TOP, r#"server: { notify: { events: [run_finished], url: "ftp://127.0.0.1/x", secret: "${SECRET:-abcdefghijklmnopqrstuvwxyz012345}" } }"#, "notify-url", r#"server: { notify: { events: [run_finished], url: "http://127.0.0.1/x", secret: "${SECRET:-abcdefghijklmnopqrstuvwxyz012345}" } }"#),
    (TOP, r#"server: { notify: { events: [run_finished], url: "http://127.0.0.1/x", secret: "" } }"#, "notify-secret", r#"server: { notify: { events: [run_finished], url: "http://127.0.0.1/x", secret: "${SECRET:-abcdefghijklmnopqrstuvwxyz012345}" } }"#),
    (TOP, "server: { public_url: recon }", "origin", r#"server: { public_url: "https://recon.example.com" }"#),
    (TOP, "server: { bind: here }", "bind", r#"server: { bind: "127.0.0.1:8765" }"#),
    (TOP, "server: { requests_per_second: -1 }", "rate-negative", "server: { requests_per_second: 0 }"),
    (TOP, "rules: { attribute: [good.rhai, good.rhai] }", "duplicate-script", "rules: { attribute: [good.rhai] }"),
    (TOP, "rules: { attribute: [property.rhai] }", "unknown-property", "rules: { attribute: [good.rhai] }"),
    (TOP, "rules: { attribute: [helper.rhai] }", "no-rules", "rules: { attribute: [good.rhai] }"),
    (TOP, "rules: { attribute: [statement.rhai] }", "script-statement", "rules: { attribute: [good.rhai] }"),
    (TOP, "rules: { attribute: [good.rhai, twin.rhai] }", "rule-name-twice", "rules: { attribute: [good.rhai, other.rhai] }"),
    (TOP, "rules: { normalize: a.csv }", "no-script", "rules: { normalize: fill.rhai }"),
    (TOP, "rules: { attribute: [none.rhai] }", "script-unreadable", "rules: { attribute: [good.rhai] }"),
];

/// Problems that `recon run` finds.
#[rustfmt::skip]
pub const RUN: &[Setting] = &[
    (READ, "excel: { path: a.csv }", "bad-workbook", READ),
    (READ, "csv: { path: a.csv, trailer: { starts_with: T, rows: 2 } }", "trailer-missing", READ),
    (READ, "csv: { path: empty.csv }", "no-header", READ),
    (READ, "csv: { path: open.csv }", "bad-header", r#"csv: { path: open.csv, header: false, skip_rows: 1, columns: [id, v], quote: "|" }"#),
    (READ, "csv: { path: wide.csv, encoding: utf-8 }", "wrong-encoding", "csv: { path: wide.csv, encoding: utf-16le }"),
    (READ, "csv: { path: header.csv }", "no-rows", READ),
    (READ, "csv: { path: other.csv }", "no-pairs", READ),
    (V, "v: { type: text, compare: false }", "nothing-compared", V),
];

/// Bank statements: the file, its options, the code, and the options after following the help.
pub const STATEMENTS: &[Setting] = &[
    ("gap.sta", "", "statement-unproven", ", prove: warn"),
    ("gap.sta", ", prove: warn", "statement-gap", ", prove: off"),
    ("bare.sta", "", "statement-without-balances", ", prove: off"),
];

/// Rejected rows: source A, the replaced text, the code, and the text that follows the remedy.
pub const REJECTED: &[(&[u8], &str, &str, &str)] = &[
    (b"1,M\xfcller\n2,y\n", READ, "BAD_ENCODING", "csv: { path: a.csv, encoding: windows-1252 }"),
    (b"1,x\n2,y,\n", READ, "RAGGED_ROW", "csv: { path: a.csv, ignore_empty_extras: true }"),
    (b"1,x\n2,\"y\" z\n", READ, "STRAY_QUOTE", "csv: { path: a.csv, quote: \"|\" }"),
    (b"1,x\n2,\"y\n", READ, "UNCLOSED_QUOTE", "csv: { path: a.csv, quote: \"|\" }"),
    (
        b"1,x\n\"2,000\",y\n",
        MAP,
        "UNPARSABLE_KEY",
        "map: { id: id, v: v }\n    numbers: { id: { thousands: \",\" } }\n  b",
    ),
    (b"1,x\n,y\n", TOP, "NULL_KEY", "rules: { normalize: fill.rhai }\nkey: [id]"),
];

fn project() -> Project {
    let project = job("id,v\n1,x\n2,y\n");
    for (name, text) in [
        ("a.txt", "1 x\n2 y\n"),
        ("a.json", r#"{"x":[{"id":1,"v":"x"}]}"#),
        ("twice.csv", "id,v,v\n1,x,z\n"),
        ("l.csv", "from,to\nx,y\n"),
        ("l2.csv", "x,1\ny,2\n"),
        ("good.rhai", "fn attribute(d) { }\n"),
        ("twin.rhai", "fn attribute(d) { }\n"),
        ("other.rhai", "fn attribute_other(d) { }\n"),
        ("property.rhai", "fn attribute(d) { if d.amout == 1 { } }\n"),
        ("helper.rhai", "private fn helper(d) { }\n"),
        ("statement.rhai", "let x = 1;\nfn attribute(d) { }\n"),
        ("fill.rhai", "fn row(raw, r) { if r.id == () { r.id = \"2\"; } r }\n"),
        ("empty.csv", ""),
        ("header.csv", "id,v\n"),
        ("open.csv", "\"id,v\n1,x\n"),
        ("other.csv", "id,v\n7,x\n8,y\n"),
        (
            "gap.sta",
            ":20:S1\n:25:ACC\n:28C:1/1\n:60F:C260101EUR100,00\n:61:2601020102C50,00NTRFNONREF\n:62F:C260102EUR175,00\n-\n",
        ),
        ("bare.sta", ":20:S1\n:25:ACC\n:28C:1/1\n:61:2601020102C50,00NTRFNONREF\n-\n"),
    ] {
        project.write(name, text);
    }
    let wide: Vec<u8> =
        "\u{feff}id,v\n1,x\n2,y\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    project.write("wide.csv", wide);
    assert_eq!(project.recon(&["run"]).code, 0);
    project
}

/// Runs the command with the wrong setting and with the right one.
#[track_caller]
fn follow(project: &Project, command: &str, base: &str, (at, wrong, code, right): Setting) {
    let with = |text: &str| match (at == TOP, text) {
        (true, "") => base.to_owned(),
        (true, text) if !text.starts_with("key: ") => base.replace(at, &format!("{text}\n{at}")),
        _ => base.replace(at, text),
    };
    assert!(base.contains(at), "{at}");
    let shown = format!("[{code}]");
    let said = project.write("recon.yaml", with(wrong)).recon(&[command]);
    assert!(said.err.contains(&shown), "{wrong}: {} {}", said.code, said.err);
    let said = project.write("recon.yaml", with(right)).recon(&[command]);
    assert_eq!(said.code, 0, "{right}: {}", said.err);
    assert!(!said.err.contains(&shown), "{right}: {}", said.err);
}

#[test]
fn a_setting_that_follows_the_help_is_accepted() {
    let project = project();
    let base = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
    for (command, settings) in [("check", CHECKED), ("run", RUN)] {
        for setting in settings {
            follow(&project, command, &base, *setting);
        }
    }
    let statement = base
        .replace("map: { id: id, v: v }\n  b", "map: { id: statement, v: currency }\n  b")
        .replace("id: { type: integer }", "id: { type: text }");
    for (file, wrong, code, right) in STATEMENTS {
        let read = |options: &str| format!("mt940: {{ path: {file}{options} }}");
        let (wrong, right) = (read(wrong), read(right));
        let base = statement.replace(READ, &wrong);
        let said = project.write("recon.yaml", &base).recon(&["run"]);
        assert!(said.err.contains(&format!("[{code}]")), "{wrong}: {}", said.err);
        let said = project.write("recon.yaml", statement.replace(READ, &right)).recon(&["run"]);
        assert_eq!(said.code, 0, "{right}: {}", said.err);
        assert!(!said.err.contains(&format!("[{code}]")), "{right}: {}", said.err);
    }
}

#[test]
fn a_row_is_read_once_the_remedy_is_followed() {
    let project = project();
    let base = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
    for (rows, at, code, right) in REJECTED {
        project.write("a.csv", [b"id,v\n", *rows].concat()).write("recon.yaml", &base);
        let rejected = |summary: serde_json::Value| summary["records"]["rejected_a"].as_u64();
        assert_eq!(rejected(project.json(&["run", "--json"])), Some(1), "{code}");
        let known =
            project.sql("SELECT code FROM recon.rejected_rows ORDER BY rejected_row_id DESC");
        assert_eq!(known[0]["code"], *code);
        project.replace("recon.yaml", at, right);
        assert_eq!(rejected(project.json(&["run", "--json"])), Some(0), "{code}");
    }
}
