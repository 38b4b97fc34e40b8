//! Every kind of source, with files made by other software (see data/sources/make.py).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::writer::SerializedFileWriter;
use proptest::prelude::*;
use recon::database::StoreUrl;
use recon::database::postgres::Connector;
use recon::domain::RawCells as _;
use recon::source::ReadSpec;
use serde_json::{Value as Json, json};

use crate::postgres::new_database;
use crate::program::{Deadline, Project, Said, ended, output};

/// A database of PostgreSQL that is read.
struct Database(String);

impl Database {
    fn new() -> Self {
        Self(new_database())
    }

    fn url(&self) -> String {
        self.0.clone()
    }

    fn client(&self) -> ::postgres::Client {
        let Ok(StoreUrl::Postgres(url)) = StoreUrl::parse(&self.0, Path::new("")) else { panic!() };
        let mut client = Connector::new(&url).unwrap().connect().unwrap();
        client.batch_execute("RESET search_path").unwrap();
        client
    }

    fn execute(&self, statements: &str) {
        self.client().batch_execute(statements).unwrap();
    }

    fn scalar(&self, query: &str) -> i64 {
        self.client().query_one(query, &[]).unwrap().get(0)
    }
}

/// Runs a command whose standard input is this.
fn with_input(project: &Project, arguments: &[&str], input: &str) -> Said {
    project.write("input", input);
    let stdin = std::fs::File::open(project.path("input")).unwrap();
    Said::from(output(project.command(arguments).stdin(stdin)))
}

fn data(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/it/data/sources", name].iter().collect()
}

pub fn copied(project: &Project, names: &[&str]) {
    for name in names {
        project.write(name, std::fs::read(data(name)).unwrap());
    }
}

const FIELDS: &str = "  id: { type: text }\n  amount: { type: decimal }\n  quantity: { type: integer }\n  \
    trade_date: { type: date }\n  booked_at: { type: datetime }\n  is_open: { type: boolean }\n  note: { type: text }";
const MAP: &str = "{ id: id, amount: amount, quantity: quantity, trade_date: trade_date, \
    booked_at: booked_at, is_open: is_open, note: note }";

/// The job of the trades: A is read like this, B is the CSV file.
pub fn trades(read: &str) -> Project {
    let project = Project::new();
    project.write(
        "recon.yaml",
        format!(
            "version: 1\njob: trades\nsources:\n  a:\n    system: LEFT\n    read: {read}\n    map: {MAP}\n  b:\n    \
             system: RIGHT\n    read: {{ csv: {{ path: trades.csv }} }}\n    map: {MAP}\nkey: [id]\nfields:\n{FIELDS}\n"
        ),
    );
    copied(&project, &["trades.csv"]);
    project
}

/// A job of one field besides its key: A is read like this, B is `b.csv`.
fn small(read: &str, a_map: &str, b: &str) -> Project {
    let project = Project::new();
    project.write(
        "recon.yaml",
        format!(
            "version: 1\njob: small\nsources:\n  a:\n    system: LEFT\n    read: {read}\n    map: {a_map}\n  b:\n    \
             system: RIGHT\n    read: {{ csv: {{ path: b.csv }} }}\n    map: {{ id: id, value: value }}\nkey: [id]\nfields:\n  \
             id: {{ type: text }}\n  value: {{ type: text }}\n"
        ),
    );
    project.write("b.csv", b);
    project
}

const SAME: &str = "{ id: id, value: value }";

fn run(project: &Project) -> Json {
    let said = project.recon(&["run", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    serde_json::from_str(&said.out).unwrap()
}

/// The exit code, and stderr.
fn refused(project: &Project) -> (i32, String) {
    let said = project.recon(&["run", "--json"]);
    assert_eq!(said.out, "");
    (said.code, said.err)
}

/// The values of A as they are stored, by the key.
fn evidence(project: &Project) -> Json {
    let rows = project
        .sql("SELECT normalized_data_a FROM recon.recon_records ORDER BY source_a_ref_id")
        .as_array()
        .unwrap()
        .iter()
        .map(|row| match &row["normalized_data_a"] {
            Json::String(text) => {
                json!({ "normalized_data_a": serde_json::from_str::<Json>(text).unwrap() })
            }
            _ => row.clone(),
        })
        .collect();
    Json::Array(rows)
}

#[test]
fn the_same_rows_of_every_kind_give_the_same_run() {
    let postgres = Database::new();
    postgres.execute(
        "CREATE TABLE trades (id text, amount numeric, quantity bigint, trade_date date, \
         booked_at timestamp, is_open boolean, note text)",
    );
    let columns = [("id", 2, 6), ("amount", 8, 10), ("quantity", 18, 6), ("trade_date", 24, 10)];
    let columns: Vec<String> = columns
        .iter()
        .chain(&[("booked_at", 34, 19), ("is_open", 53, 5)])
        .map(|(name, start, width)| format!("{{ name: {name}, start: {start}, width: {width} }}"))
        .chain(["{ name: note, start: 58 }".to_owned()])
        .collect();
    let fixed = format!(
        "{{ fixed: {{ path: trades.txt, columns: [{}], where: {{ start: 1, width: 1, equals: D }} }} }}",
        columns.join(", ")
    );
    let url = postgres.url();
    let sql =
        format!("{{ sql: {{ url: \"{url}\", query: \"SELECT * FROM trades ORDER BY id\" }} }}");
    let csv = trades("{ csv: { path: trades.csv } }");
    let summary = run(&csv);
    assert_eq!(summary["records"]["matched"], 40);
    let expected = evidence(&csv);
    let insert: Vec<String> = expected
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let row = &row["normalized_data_a"];
            let text = |name: &str| match &row[name] {
                Json::Null => "NULL".to_owned(),
                Json::String(text) => format!("'{}'", text.replace('\'', "''")),
                other => other.to_string(),
            };
            let names = ["id", "amount", "quantity", "trade_date", "booked_at", "is_open", "note"];
            format!("({})", names.map(text).join(", "))
        })
        .collect();
    postgres.execute(&format!("INSERT INTO trades VALUES {}", insert.join(", ")));
    for (file, read) in [
        ("trades.jsonl", "{ json: { path: trades.jsonl } }"),
        ("trades.json", "{ json: { path: trades.json, records: /data/trades } }"),
        ("trades.xlsx", "{ excel: { path: trades.xlsx } }"),
        ("trades_1904.xlsx", "{ excel: { path: trades_1904.xlsx, sheet: Trades } }"),
        ("trades.xls", "{ excel: { path: trades.xls, sheet: 1 } }"),
        ("trades.ods", "{ excel: { path: trades.ods } }"),
        ("trades_indented.ods", "{ excel: { path: trades_indented.ods } }"),
        ("trades.xlsb", "{ excel: { path: trades.xlsb } }"),
        ("trades_snappy.parquet", "{ parquet: { path: trades_snappy.parquet } }"),
        ("trades_zstd.parquet", "{ parquet: { path: trades_zstd.parquet } }"),
        ("trades_gzip.parquet", "{ parquet: { path: trades_gzip.parquet } }"),
        ("trades_duckdb.parquet", "{ parquet: { path: trades_duckdb.parquet } }"),
        ("trades.txt", &fixed),
        ("trades.db", "{ sql: { url: \"sqlite:trades.db\", query: \"SELECT * FROM trades\" } }"),
        ("trades.csv", &sql),
    ] {
        let project = trades(read);
        copied(&project, &[file]);
        let summary = run(&project);
        assert_eq!(summary["records"]["matched"], 40, "{read}: {summary}");
        assert_eq!(summary["records"]["rejected_a"], 0, "{read}");
        assert_eq!(evidence(&project), expected, "{read}");
        // A record that was read can be shown again, from the same place.
        let said = project.recon(&["explain", "T-017", "--json"]);
        assert_eq!(said.code, 0, "{read}: {}", said.err);
        let explained: Json = serde_json::from_str(&said.out).unwrap();
        let side = &explained["records"][0]["a"];
        assert_eq!(side["unreadable"], Json::Null, "{read}: {side}");
        assert_eq!(side["fields"][0]["raw"], "T-017", "{read}");
    }
}

#[test]
fn places_are_in_the_words_of_the_kind() {
    for (file, read, place) in [
        ("trades.xlsx", "{ excel: { path: trades.xlsx } }", "trades.xlsx, sheet Trades, row 18"),
        (
            "trades_zstd.parquet",
            "{ parquet: { path: trades_zstd.parquet } }",
            "trades_zstd.parquet, row 17",
        ),
        (
            "trades.db",
            "{ sql: { url: \"sqlite:trades.db\", query: \"SELECT * FROM trades\" } }",
            "trades.db, query row 17",
        ),
        ("trades.jsonl", "{ json: { path: trades.jsonl } }", "trades.jsonl:17"),
    ] {
        let project = trades(read);
        copied(&project, &[file]);
        run(&project);
        let said = project.recon(&["explain", "T-017"]);
        assert!(said.out.contains(place), "{place}: {}", said.out);
    }
}

#[test]
fn several_files_are_one_source_and_each_row_names_its_file() {
    let project = small(
        "{ csv: { path: [in/b*.csv, in/a.csv, in/a.csv] } }",
        SAME,
        "id,value\n1,x\n2,y\n3,z\n4,w\n",
    );
    project
        .write("in/a.csv", "id,value\n1,x\n")
        .write("in/b1.csv", "value,more,id\nDIFFERENT,m,2\n,,\n")
        .write("in/b2.csv", "\nid,value\n3,z\n4,w,ragged\n");
    let summary = run(&project);
    assert_eq!(summary["records"]["a"], 5);
    assert_eq!(summary["sources"]["a"]["files"].as_array().unwrap().len(), 3);
    assert_eq!(summary["sources"]["a"]["files"][1]["rows"], 2);
    let ends = |value: &Json, file: &str| value.as_str().unwrap().ends_with(file);
    let rejected = summary["rejected"].as_array().unwrap();
    assert!(ends(&rejected[0]["file"], "in/b1.csv"), "{rejected:?}");
    assert_eq!((&rejected[0]["line"], &rejected[0]["code"]), (&json!(3), &json!("NULL_KEY")));
    assert!(ends(&rejected[1]["file"], "in/b2.csv"));
    assert_eq!(rejected[1]["line"], 4);
    let stored = project.sql("SELECT line, file FROM recon.rejected_rows ORDER BY file");
    assert!(ends(&stored[0]["file"], "in/b1.csv") && ends(&stored[1]["file"], "in/b2.csv"));
    let stored = project.sql(
        "SELECT source_a_ref_id AS id, file_a, line_a, file_b FROM recon.recon_records \
         WHERE kind = 'PAIR' ORDER BY 1",
    );
    assert!(ends(&stored[0]["file_a"], "in/a.csv") && ends(&stored[1]["file_a"], "in/b1.csv"));
    assert!(ends(&stored[2]["file_a"], "in/b2.csv") && ends(&stored[2]["file_b"], "b.csv"));
    assert_eq!(stored[2]["line_a"], 3);
    let said = project.recon(&["explain", "2"]);
    assert!(said.out.contains("in/b1.csv:2") && said.out.contains("DIFFERENT"), "{}", said.out);
    // The list of digests has the form of sha256sum.
    let files = summary["sources"]["a"]["files"].as_array().unwrap();
    assert!(files.iter().all(|file| file["sha256"].as_str().unwrap().len() == 64));
}

#[test]
fn a_path_that_is_a_file_is_no_glob() {
    let project = small("{ csv: { path: \"in[1].csv\" } }", SAME, "id,value\n1,x\n");
    project.write("in[1].csv", "id,value\n1,x\n").write("in1.csv", "id,value\n2,y\n");
    assert_eq!(run(&project)["records"]["matched"], 1);
}

#[cfg(target_os = "linux")]
#[test]
fn globs_read_each_file_once_whatever_characters_names_have() {
    use std::os::unix::ffi::OsStrExt as _;
    let text = |id: &str| format!("id,value\n{id},x\n");
    let project = small(
        "{ csv: { path: [\"in/*.csv\", \"./in/a.csv\", \"in/../in/[ab].csv\", \"deep/**/*.csv\"] } }",
        SAME,
        "id,value\n1,x\n2,x\n3,x\n4,x\n",
    );
    project.write("in/a.csv", text("1")).write("in/.hidden.csv", text("9")).write("in/b.txt", "?");
    project.write("deep/c.csv", text("2")).write("deep/x/y/[d] *.csv", text("3"));
    let odd = project.path("in").join(std::ffi::OsStr::from_bytes(b"\xff\xe9.csv"));
    std::fs::write(odd, text("4")).unwrap();
    std::os::unix::fs::symlink("a.csv", project.path("in/link.csv")).unwrap();
    std::os::unix::fs::symlink("..", project.path("deep/x/up")).unwrap();
    let summary = run(&project);
    assert_eq!(
        (&summary["records"]["a"], &summary["records"]["matched"]),
        (&json!(4), &json!(4)),
        "{summary}"
    );
    // The folder of the job may have such characters too.
    let odd = project.path("[job] *");
    std::fs::create_dir(&odd).unwrap();
    for name in ["recon.yaml", "b.csv", "in", "deep"] {
        std::fs::rename(project.path(name), odd.join(name)).unwrap();
    }
    let said = project.recon(&["-c", "[job] */recon.yaml", "run", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let summary: Json = serde_json::from_str(&said.out).unwrap();
    assert_eq!(summary["records"]["matched"], 4);
}

#[test]
fn a_file_without_the_columns_is_named() {
    let project = small("{ csv: { path: in/*.csv } }", SAME, "id,value\n1,x\n");
    let (code, said) = refused(&project);
    assert_eq!(code, 3);
    assert!(said.contains("no file matches this glob"), "{said}");
    project.write("in/a.csv", "id,value\n1,x\n").write("in/b.csv", "id,valeu\n2,x\n");
    let (code, said) = refused(&project);
    assert_eq!(code, 2);
    assert!(said.contains("in/b.csv") && said.contains("did you mean `valeu`"), "{said}");
    project.write("in/b.csv", "");
    let (code, said) = refused(&project);
    assert_eq!(code, 3);
    assert!(said.contains("in/b.csv") && said.contains("no header row"), "{said}");
    assert_eq!(project.recon(&["check"]).code, 3);
}

#[test]
fn standard_input_is_a_source() {
    let project = small("{ csv: { path: \"-\" } }", SAME, "id,value\n1,x\n2,y\n");
    let said = with_input(&project, &["run", "--json"], "id,value\n1,x\n2,z\n");
    assert_eq!(said.code, 0, "{}", said.err);
    let summary: Json = serde_json::from_str(&said.out).unwrap();
    assert_eq!(summary["sources"]["a"]["path"], "standard input");
    assert_eq!(summary["records"]["breaks"], 1);
    // Checking the job reads nothing from it, and explaining says why the row is gone.
    assert_eq!(with_input(&project, &["check"], "").code, 0);
    let said = project.recon(&["explain", "2"]);
    assert!(said.out.contains("standard input, which is gone"), "{}", said.out);
    project.write(
        "recon.yaml",
        std::fs::read_to_string(project.path("recon.yaml")).unwrap().replace("b.csv", "\"-\""),
    );
    let (code, said) = refused(&project);
    assert_eq!(code, 2);
    assert!(said.contains("both sources are standard input"), "{said}");
}

#[test]
fn json_is_exact_and_bad_lines_are_rejected_with_their_place() {
    let b = "id,value\n1,12345678901234567890.1230\n2,\n4,\"{\"\"k\"\":[1,2]}\"\n";
    let project = small("{ json: { path: a.jsonl } }", "{ id: \"a\\\\.b.id\", value: value }", b);
    project.write(
        "a.jsonl",
        "{\"a.b\":{\"id\":1},\"value\":12345678901234567890.1230}\n\
         {\"a.b\":{\"id\":2},\"value\":null}\n\
         {\"a.b\":{\"id\":3},\"value\":}\n\
         {\"a.b\":{\"id\":4},\"value\":{ \"k\" : [1, 2] }}\n\
         [1]\n\
         {\"value\":1,\"value\":2,\"a.b\":{\"id\":6}}\n\
         {\"a.b\":{\"id\":\"\\ud800\"}}\n",
    );
    let summary = run(&project);
    assert_eq!(
        (&summary["records"]["matched"], &summary["records"]["rejected_a"]),
        (&json!(3), &json!(4))
    );
    let rows = project.sql("SELECT line, code, message FROM recon.rejected_rows ORDER BY line");
    let lines: Vec<u64> =
        rows.as_array().unwrap().iter().map(|row| row["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [3, 5, 6, 7]);
    assert!(rows[2]["message"].as_str().unwrap().contains("`value` is there twice"), "{rows}");
}

#[test]
fn rows_that_are_all_rejected_lack_no_column() {
    let project = small("{ json: { path: a.json } }", SAME, "id,value\n1,x\n");
    project.write("a.json", "{\"id\":1,\"id\":2,\"value\":\"x\"}\n");
    let (code, said) = refused(&project);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("the name `id` is there twice"), "{said}");
}

#[test]
fn json_arrays_are_whole_or_refused() {
    let b = "id,value\n1,x\n2,y\n";
    let project =
        small("{ json: { path: a.json, records: /data } }", "{ id: id, value: items.1.sku }", b);
    let whole = "{\"n\":2,\n\"data\":[\n{\"id\":1,\"items\":[{},{\"sku\":\"x\"}]},\n{\"id\":2,\"items\":[{},{\"sku\":\"y\"}]}],\"end\":{}}";
    project.write("a.json", whole);
    assert_eq!(run(&project)["records"]["matched"], 2);
    for (text, code, says) in [
        (&whole[..whole.len() - 12], 3, "a.json"),
        (&whole.replace("{\"id\":2", "{\"id\":2,"), 3, "a.json:4"),
        (&whole.replace("}]},\n", "}]}\n"), 3, "comma"),
        (&format!("{whole}x"), 3, "something follows"),
        (&whole.replace("\"data\"", "\"date\""), 2, "did you mean `date`"),
        (&whole.replace("sku", "skew"), 2, "did you mean `items.1.skew`"),
        ("{\"data\":{\"a\":[]}}", 2, "`/a`"),
        ("{\"data\":7}", 2, "`/data` is no array of records"),
    ] as [(&str, i32, &str); 8]
    {
        project.write("a.json", text);
        let (exit, said) = refused(&project);
        assert_eq!(exit, code, "{text}: {said}");
        assert!(said.contains(says), "{text}: {said}");
    }
}

#[test]
fn records_within_the_only_object_are_pointed_out() {
    let project = small("{ json: { path: a.json } }", SAME, "id,value\n1,x\n");
    project.write("a.json", "{\"data\":{\"orders\":[{\"id\":1,\"value\":\"x\"}]}}\n");
    let (code, said) = refused(&project);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("set `records: /data/orders`"), "{said}");
}

#[test]
fn no_records_are_a_source_without_rows() {
    for text in ["[]", "", "\n"] {
        let project = small("{ json: { path: a.json } }", SAME, "id,value\n1,x\n");
        project.write("a.json", text);
        let summary = run(&project);
        assert_eq!(
            (&summary["records"]["a"], &summary["records"]["missing_in_a"]),
            (&json!(0), &json!(1))
        );
    }
}

#[test]
fn fixed_width_counts_characters_and_rejects_lines_that_end_within_a_cell() {
    let read = "{ fixed: { path: a.txt, columns: [{ name: id, start: 1, width: 3 }, { name: value, start: 4, width: 4 }] } }";
    let project = small(read, SAME, "id,value\n1,äöü\n2,\n3,\n");
    project.write("a.txt", "1  äöü \r\n2  \r\n3      \r\n4  xy\r\n");
    let summary = run(&project);
    assert_eq!(
        (&summary["records"]["matched"], &summary["records"]["rejected_a"]),
        (&json!(3), &json!(1))
    );
    let rows = project.sql("SELECT line, code FROM recon.rejected_rows");
    assert_eq!(rows, json!([{ "line": 4, "code": "SHORT_LINE" }]));
}

#[test]
fn the_padding_of_a_cell_does_not_decide_which_lines_are_data() {
    let read = "{ fixed: { path: a.txt, where: { start: 1, width: 3, equals: D }, \
        columns: [{ name: id, start: 4, width: 1 }, { name: value, start: 5 }] } }";
    let project = small(read, SAME, "id,value\n1,x\n2,y\n");
    project.write("a.txt", "H  3z\nD  1x\n D 2y\nDX 4z\n\n");
    let summary = run(&project);
    assert_eq!((&summary["records"]["a"], &summary["records"]["matched"]), (&json!(2), &json!(2)));
}

#[test]
fn errors_of_a_workbook_name_the_cause() {
    let b = "id,value\nsum,0.3\nlong,1234567890.12346\nerror,#N/A\nempty,\n";
    let read = "{ excel: { path: odd.xlsx, sheet: Odd, header_row: 2 } }";
    let project = small(read, SAME, b);
    copied(&project, &["odd.xlsx", "password.xlsx", "password.xls", "password.ods"]);
    let summary = run(&project);
    assert_eq!(
        (&summary["records"]["matched"], &summary["records"]["rejected_a"]),
        (&json!(4), &json!(1)),
        "{summary}"
    );
    let rows = project.sql("SELECT line, code FROM recon.rejected_rows");
    assert_eq!(rows, json!([{ "line": 6, "code": "NO_RESULT" }]));
    let configuration = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
    for (from, to, code, says) in [
        ("sheet: Odd", "sheet: Note", 2, "did you mean `Notes`"),
        ("sheet: Odd", "sheet: 3", 2, "its sheets are Notes, Odd"),
        ("header_row: 2", "header_row: 4", 3, "row 4 of sheet Odd is empty"),
        ("odd.xlsx", "password.xlsx", 3, "has a password"),
        ("odd.xlsx", "password.xls", 3, "has a password"),
        ("odd.xlsx", "password.ods", 3, "has a password"),
        ("odd.xlsx", "b.csv", 3, "no workbook"),
        ("odd.xlsx", "cut.xlsx", 3, "cut off or damaged"),
        ("sheet: Odd", "sheet: Odd, encoding: utf-8", 2, "`encoding` means nothing for a workbook"),
    ] {
        let workbook = std::fs::read(data("odd.xlsx")).unwrap();
        project.write("cut.xlsx", &workbook[..workbook.len() / 2]);
        project.write("recon.yaml", configuration.replace(from, to));
        let (exit, said) = refused(&project);
        assert_eq!(exit, code, "{to}: {said}");
        assert!(said.contains(says), "{to}: {said}");
    }
}

/// An xlsx workbook with these rows, as XML.
fn workbook(rows: &str) -> Vec<u8> {
    let mut from = zip::ZipArchive::new(std::fs::File::open(data("odd.xlsx")).unwrap()).unwrap();
    let mut to = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for index in 0..from.len() {
        let member = from.by_index(index).unwrap();
        let name = member.name().unwrap().into_owned();
        if name != "xl/worksheets/sheet1.xml" {
            to.raw_copy_file(member).unwrap();
            continue;
        }
        to.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        let sheet = format!(
            "<worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\">\
             <sheetData>{rows}</sheetData></worksheet>"
        );
        std::io::Write::write_all(&mut to, sheet.as_bytes()).unwrap();
    }
    to.finish().unwrap().into_inner()
}

#[test]
fn an_error_that_the_reader_does_not_know_is_its_text() {
    let b = "id,value\n1,#SPILL!\n2,#N/A\n3,\"say t=\"\"e\"\" \"\n4,0.3\n";
    let project = small("{ excel: { path: a.xlsx } }", SAME, b);
    let text = |text: &str| {
        format!("<c t=\"inlineStr\"><is><t xml:space=\"preserve\">{text}</t></is></c>")
    };
    let row = |id: &str, value: &str| format!("<row>{}{value}</row>", text(id));
    let rows = [
        row("id", &text("value")),
        row("1", "<c t=\"e\"><f>X1</f><v>#SPILL!</v></c>"),
        row("2", "<c t=\"e\"><v>#N/A</v></c>"),
        row("3", &text("say t=\"e\" ")),
        row("4", "<c><v>0.30000000000000004</v></c>"),
        row("5", "<c t=\"e\"><f>X1</f></c>"),
    ];
    project.write("a.xlsx", workbook(&rows.concat()));
    let summary = run(&project);
    assert_eq!(
        (&summary["records"]["matched"], &summary["rejected"][0]["code"]),
        (&json!(4), &json!("NO_RESULT")),
        "{summary}"
    );
}

#[test]
fn formulas_of_an_older_workbook_that_was_never_calculated_are_rejected() {
    let project = small("{ excel: { path: uncalculated.xls } }", SAME, "id,value\n1,x\n");
    copied(&project, &["uncalculated.xls"]);
    let summary = run(&project);
    assert_eq!(summary["records"]["matched"], 1, "{summary}");
    assert_eq!(summary["rejected"][0]["place"], "sheet Sums, row 3");
    assert_eq!(summary["rejected"][0]["code"], "NO_RESULT");
}

#[test]
fn a_column_of_a_workbook_is_not_looked_for_by_delimiters() {
    let project = small("{ excel: { path: a.xlsx } }", SAME, "id,value\n");
    project.write("a.xlsx", workbook("<row><c t=\"inlineStr\"><is><t>id:value</t></is></c></row>"));
    let (code, said) = refused(&project);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("did you mean `id:value`"), "{said}");
}

#[test]
fn times_of_a_workbook_follow_the_format_of_their_cells() {
    let read = "{ excel: { path: odd.xlsx, sheet: Odd, header_row: 2 } }";
    let b =
        "id,value\nsum,2026-01-15T00:00:00\nlong,2026-01-15T18:30:00\nerror,\nempty,\nformula,\n";
    let project = small(read, "{ id: id, value: day }", b);
    copied(&project, &["odd.xlsx"]);
    assert_eq!(run(&project)["records"]["matched"], 4);
}

#[test]
fn times_of_older_workbooks_follow_the_format_of_their_cells_too() {
    let b =
        "id,value\nmidnight,2026-01-15T00:00:00\nday,2026-01-15\nclock,18:00:00\nnumber,46037.5\n";
    for file in ["times.xls", "times.ods"] {
        let project = small(&format!("{{ excel: {{ path: {file} }} }}"), SAME, b);
        copied(&project, &[file]);
        assert_eq!(run(&project)["records"]["matched"], 4, "{file}");
    }
}

#[test]
fn parquet_is_exact_and_its_nested_fields_are_paths() {
    for (column, a, b, c) in [
        ("big", "9223372036854775807", "", "-9223372036854775808"),
        ("wide", "12345678901234567890123456789.0123456789", "-0.0000000001", ""),
        ("unsigned", "18446744073709551615", "0", "1"),
        ("instant", "2026-01-15T09:00:00.000001Z", "", "1969-12-31T23:59:59Z"),
        ("naive", "2026-01-15T10:00:00.123456789", "", "1970-01-01T00:00:00"),
        ("float", "0.1", "1e300", ""),
        ("customer.name", "Ann", "", ""),
        ("customer.address.city", "Bern", "", ""),
        ("items.1.sku", "y", "", ""),
        ("items.0.n", "1", "", ""),
        ("tags.2", "q", "", ""),
        ("tags.0", "p", "r", ""),
        ("tags", "\"[\"\"p\"\",null,\"\"q\"\"]\"", "\"[\"\"r\"\"]\"", ""),
        ("items.1", "\"{\"\"sku\"\":\"\"y\"\",\"\"n\"\":2}\"", "", ""),
        (
            "items",
            "\"[{\"\"sku\"\":\"\"x\"\",\"\"n\"\":1},{\"\"sku\"\":\"\"y\"\",\"\"n\"\":2}]\"",
            "[]",
            "",
        ),
        (
            "customer",
            "\"{\"\"name\"\":\"\"Ann\"\",\"\"address\"\":{\"\"city\"\":\"\"Bern\"\"}}\"",
            "\"{\"\"name\"\":null,\"\"address\"\":null}\"",
            "",
        ),
    ] {
        let map = format!("{{ id: id, value: {column} }}");
        let rows = format!("id,value\na,{a}\nb,{b}\nc,{c}\n");
        let project = small("{ parquet: { path: odd.parquet } }", &map, &rows);
        copied(&project, &["odd.parquet"]);
        let summary = run(&project);
        let found = project.sql("SELECT value_a, value_b FROM recon.data_differences");
        assert_eq!(summary["records"]["matched"], 3, "{column}: {found}");
    }
}

#[test]
fn a_damaged_parquet_file_is_refused() {
    let project = trades("{ parquet: { path: x.parquet } }");
    let whole = std::fs::read(data("trades_snappy.parquet")).unwrap();
    let brotli = std::fs::read(data("trades_brotli.parquet")).unwrap();
    let mut broken = whole.clone();
    broken[100..400].fill(0xff);
    for (bytes, says) in [
        (whole[..whole.len() / 2].to_vec(), "can't be read"),
        (broken, "can't be read"),
        (brotli, "compressed with Brotli, which is not read"),
        (b"id,value\n".to_vec(), "does not begin with `PAR1`"),
    ] {
        project.write("x.parquet", bytes);
        let (code, said) = refused(&project);
        assert_eq!(code, 3, "{said}");
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn all_files_of_an_archive_are_read() {
    let zip = |entries: &[(&str, &str)]| {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, text) in entries {
            let options = zip::write::SimpleFileOptions::default()
                .compression_method(zip::CompressionMethod::Deflated);
            writer.start_file(*name, options).unwrap();
            std::io::Write::write_all(&mut writer, text.as_bytes()).unwrap();
        }
        writer.finish().unwrap().into_inner()
    };
    let b = "id,value\n1,x\n2,y\n";
    let project = small("{ csv: { path: a.zip } }", SAME, b);
    let archive = zip(&[
        ("sub/b.csv", "id,value\n2,y\n3\n"),
        ("a.csv", "id,value\n1,x\n"),
        (".hidden", "?"),
        ("__MACOSX/a.csv", "?"),
    ]);
    project.write("a.zip", &archive);
    let summary = run(&project);
    assert_eq!(
        (&summary["records"]["matched"], &summary["records"]["rejected_a"]),
        (&json!(2), &json!(1))
    );
    assert!(summary["rejected"][0]["file"].as_str().unwrap().ends_with("a.zip/sub/b.csv"));
    let mut wrong = archive.clone();
    wrong[45] ^= 0xff;
    // The flags of a member, where it lies and in the directory.
    let mut encrypted = archive.clone();
    for (signature, flags) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let at = encrypted.windows(4).position(|four| four == signature).unwrap();
        encrypted[at + flags] |= 1;
    }
    project.write("a.zip", &encrypted);
    let (code, said) = refused(&project);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("`sub/b.csv` in this zip archive is encrypted"), "{said}");
    for bytes in [&archive[..archive.len() - 10], &wrong[..], &zip(&[(".x", "")])[..]] {
        project.write("a.zip", bytes);
        let (code, said) = refused(&project);
        assert_eq!(code, 3, "{said}");
    }
}

#[test]
fn a_query_that_writes_or_fails_is_refused_and_changes_nothing() {
    let postgres = Database::new();
    postgres.execute(
        "CREATE TABLE t (id text, value text); INSERT INTO t VALUES ('1', 'x'); CREATE SEQUENCE s; \
         CREATE FUNCTION writes() RETURNS text LANGUAGE sql AS $$ DELETE FROM t RETURNING value $$",
    );
    let url = postgres.url();
    let missing = format!("{}_gone", url.split('?').next().unwrap());
    let sqlite = "sqlite:trades.db";
    for (url, query, code, says) in [
        (url.as_str(), "DELETE FROM t RETURNING *", 2, "not one SELECT"),
        (&url, "SELECT id, writes() AS value FROM t", 3, "read-only"),
        (&url, "SELECT id, writes() AS value FROM t", 3, "never changed: write one SELECT"),
        (&url, "SELECT id, value INTO other FROM t", 2, "gives no columns"),
        (&missing, "SELECT 1 AS id", 3, "check the name of the database in `url`"),
        (&url, "SELECT nextval('s')::text AS id, '' AS value", 3, "read-only"),
        (&url, "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", 3, "read-only"),
        (&url, "SELECT 1) TO PROGRAM 'true' --", 3, "syntax error"),
        (&url, "SELECT 1 AS id; DELETE FROM t", 3, "multiple commands"),
        (&url, "SELECT id, value FROM nothing", 3, "nothing"),
        (&url, "SELECT id FROM t", 2, "no column `value`"),
        (&url, "SELECT id, (1 / (length(id) - 1))::text AS value FROM t", 3, "division by zero"),
        (sqlite, "DELETE FROM trades", 2, "not one SELECT"),
        (sqlite, "SELECT id, note AS value FROM trades; DELETE FROM trades", 2, "more than one"),
        (sqlite, "WITH x AS (SELECT 1) DELETE FROM trades", 3, "more than read"),
        (sqlite, "SELECT id FROM nothing", 3, "nothing"),
        ("sqlite:gone.db", "SELECT 1 AS id", 3, "can't be opened"),
        ("postgres://localhost:1/x", "SELECT 1 AS id", 3, "can't be reached"),
    ] {
        let read = format!("{{ sql: {{ url: \"{url}\", query: \"{query}\" }} }}");
        let project = small(&read, SAME, "id,value\n1,x\n");
        copied(&project, &["trades.db"]);
        let (exit, said) = refused(&project);
        assert_eq!(exit, code, "{query}: {said}");
        assert!(said.contains(says), "{query}: {said}");
        assert!(!project.path("gone.db").exists());
        let whole = std::fs::read(data("trades.db")).unwrap();
        assert_eq!(std::fs::read(project.path("trades.db")).unwrap(), whole);
    }
    assert_eq!(postgres.scalar("SELECT count(*) FROM t"), 1);
}

/// Starts a run that asks for something long, and waits until the database works on it.
fn long_run(project: &Project, is_working: impl Fn() -> bool) -> std::process::Child {
    let mut command = project.command(&["run", "--json"]);
    let piped = std::process::Stdio::piped;
    let mut child = command.stdout(piped()).stderr(piped()).spawn().unwrap();
    let _deadline = Deadline::of(&child);
    while !is_working() {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child
}

#[test]
fn an_interrupted_query_is_cancelled() {
    let postgres = Database::new();
    let read = format!(
        "{{ sql: {{ url: \"{}\", query: \"SELECT '1' AS id, pg_sleep(600)::text AS value\" }} }}",
        postgres.url()
    );
    let project = small(&read, SAME, "id,value\n1,x\n");
    let working = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND datname = current_database() \
        AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()";
    let child = long_run(&project, || postgres.scalar(working) == 1);
    interrupt(&child);
    assert_eq!(Said::from(ended(child)).code, 130);
    let began = std::time::Instant::now();
    while postgres.scalar(working) > 0 {
        assert!(began.elapsed().as_secs() < 60, "the server still works on the query");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let read = "{ sql: { url: \"sqlite:trades.db\", query: \"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 \
        FROM c) SELECT count(*) AS id, '' AS value FROM c\" } }";
    let project = small(read, SAME, "id,value\n1,x\n");
    copied(&project, &["trades.db"]);
    let child = long_run(&project, || project.path("recon.db").exists());
    interrupt(&child);
    assert_eq!(Said::from(ended(child)).code, 130);
}

fn interrupt(child: &std::process::Child) {
    let arguments = ["-INT", &child.id().to_string()];
    assert!(std::process::Command::new("kill").args(arguments).status().unwrap().success());
}

#[test]
fn a_server_that_goes_away_while_it_is_read_stops_the_run() {
    let postgres = Database::new();
    let read = format!(
        "{{ sql: {{ url: \"{}\", query: \"SELECT i AS id, repeat('x', 200) AS value FROM generate_series(1, 100000000) i\" }} }}",
        postgres.url()
    );
    let project = small(&read, SAME, "id,value\n1,x\n");
    let reading = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%'";
    let child = long_run(&project, || postgres.scalar(reading) == 1);
    postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%'",
    );
    let said = Said::from(ended(child));
    assert_eq!((said.code, said.out.as_str()), (3, ""), "{}", said.err);
    assert!(said.err.contains("nothing was stored"), "{}", said.err);
    assert_eq!(project.sql("SELECT count(*) AS n FROM recon.recon_records"), json!([{ "n": 0 }]));
}

#[test]
fn the_password_of_a_query_is_not_stored() {
    let postgres = Database::new();
    let url = postgres.url().replacen("://", "://postgres:hidden-secret@", 1);
    let read =
        format!("{{ sql: {{ url: \"{url}\", query: \"SELECT '1' AS id, 'x' AS value\" }} }}");
    let project = small(&read, SAME, "id,value\n1,x\n");
    let said = project.recon(&["run", "--json", "-v"]);
    assert!(!said.out.contains("hidden-secret") && !said.err.contains("hidden-secret"));
    if said.code == 0 {
        let stored = project.sql("SELECT metadata FROM recon.recon_runs").to_string();
        assert!(!stored.contains("hidden-secret"));
    }
}

#[test]
fn a_trailer_proves_its_file() {
    let read = "{ csv: { path: a.csv, delimiter: \";\", trailer: { starts_with: TRL, rows: 2, sums: { value: 3 } } } }";
    let project = small(read, SAME, "id,value\n1,\"1.234,50\"\n2,\"-0,25\"\n");
    project.replace(
        "recon.yaml",
        "value: { type: text }",
        "value: { type: decimal, numbers: { decimal: \",\", thousands: \".\" } }",
    );
    let rows = "id;value\n1;1.234,50\n2;-0,25\n3;9,00;ragged\n";
    for (file, code, says) in [
        (format!("{rows}TRL;0003;1.243,25\n"), 0, ""),
        (format!("{rows}TRL;2;1.243,25\n"), 3, "counts `2` rows, the file has 3"),
        (
            format!("{rows}TRL;3;1.243,24\n"),
            3,
            "`value` sums up to `1.243,24`, its rows sum up to 1243.25",
        ),
        (rows.to_owned(), 3, "the trailer is missing"),
        (format!("{rows}TRL;3;1.243,25\n4;0,00\n"), 3, "rows follow the trailer"),
        (format!("{rows}TRL;3;1.243,25\nTRL;3;1.243,25\n"), 3, "2 lines begin with `TRL`"),
    ] {
        project.write("a.csv", &file);
        let said = project.recon(&["run", "--json"]);
        assert_eq!(said.code, code, "{file}: {}", said.err);
        assert!(said.err.contains(says), "{file}: {}", said.err);
    }
    project.write("a.csv", format!("{rows}TRL;0003;1.243,25\n"));
    let summary = run(&project);
    assert_eq!(
        (&summary["records"]["a"], &summary["records"]["rejected_a"]),
        (&json!(3), &json!(1))
    );
    assert_eq!(summary["records"]["matched"], 2);
}

#[test]
fn a_trailer_sums_columns_that_there_are() {
    let read = "{ csv: { path: a.csv, trailer: { starts_with: TRL, sums: { valeu: 2 } } } }";
    let project = small(read, SAME, "id,value\n1,x\n");
    project.write("a.csv", "id,value\n1,x\nTRL,0\n");
    let (code, said) = refused(&project);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("did you mean `value`"), "{said}");
}

#[test]
fn a_fixed_trailer_stands_at_characters() {
    let read = "{ fixed: { path: a.txt, columns: [{ name: id, start: 2, width: 2 }, { name: value, start: 4, width: 6 }], \
        where: { start: 1, width: 1, equals: D }, \
        trailer: { starts_with: T, rows: { start: 2, width: 2 }, sums: { value: { start: 4, width: 6 } } } } }";
    let project = small(read, SAME, "id,value\n1,1.50\n2,2.25\n");
    project.replace("recon.yaml", "value: { type: text }", "value: { type: decimal }");
    project.write("a.txt", "HEAD\nD1   1.50\nD2   2.25\nT 2  3.75\n");
    assert_eq!(run(&project)["records"]["matched"], 2);
    project.write("a.txt", "HEAD\nD1   1.50\nT 2  3.75\n");
    let (code, said) = refused(&project);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("counts `2` rows, the file has 1"), "{said}");
}

#[test]
fn init_recognises_kinds_by_their_content() {
    for (file, name, kind) in [
        ("trades.jsonl", "x.dat", "json:"),
        ("trades.json", "x.dat", "records: \"/data/trades\""),
        ("trades.xlsx", "x.dat", "header_row: \"1\""),
        ("trades.ods", "x.bin", "excel:"),
        ("trades_zstd.parquet", "x", "parquet:"),
    ] {
        let project = Project::new();
        copied(&project, &["trades.csv"]);
        project.write(name, std::fs::read(data(file)).unwrap());
        let said = project.recon(&["init", name, "trades.csv"]);
        assert_eq!(said.code, 0, "{file}: {}", said.err);
        let written = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
        assert!(written.contains(kind), "{file}: {written}");
        let summary = run(&project);
        assert_eq!(summary["records"]["matched"], 40, "{file}: {summary}");
    }
}

#[test]
fn init_names_the_system_of_a_glob_by_its_folder() {
    let project = Project::new();
    let rows = std::fs::read_to_string(data("trades.csv")).unwrap();
    project.write("front/1.csv", &rows).write("risk_2026.csv", &rows);
    let said = project.recon(&["init", "front/*.csv", "risk_*.csv"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let written = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
    assert!(written.contains("system: FRONT\n") && written.contains("system: RISK\n"), "{written}");
}

#[test]
fn init_recognises_columns_of_fixed_width_and_tables() {
    let postgres = Database::new();
    postgres.execute(
        "CREATE TABLE trades (id text, amount numeric, quantity int, trade_date date, booked_at timestamp, is_open boolean, note text); \
         CREATE TABLE other (x int)",
    );
    let csv = std::fs::read_to_string(data("trades.csv")).unwrap();
    let mut client = postgres.client();
    let mut copy = client.copy_in("COPY trades FROM STDIN (FORMAT csv, HEADER)").unwrap();
    std::io::Write::write_all(&mut copy, csv.as_bytes()).unwrap();
    copy.finish().unwrap();
    let url = postgres.url();
    for (source, written) in [
        ("trades.txt", "fixed:"),
        ("trades.db", "url: \"sqlite:trades.db\""),
        ("sqlite:trades.db", "query: \"SELECT * FROM trades\""),
        (url.as_str(), "query: \"SELECT * FROM trades\""),
    ] {
        let project = Project::new();
        copied(&project, &["trades.csv", "trades.txt", "trades.db"]);
        let said = project.recon(&["init", source, "trades.csv"]);
        assert_eq!(said.code, 0, "{source}: {}", said.err);
        let configuration = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
        assert!(configuration.contains(written), "{source}: {configuration}");
        let summary = run(&project);
        assert_eq!(summary["records"]["matched"], 40, "{source}: {summary}\n{configuration}");
    }
}

/// A source's rows as texts, null as the empty text.
fn read_rows(folder: &Path, read: Json) -> Vec<Vec<String>> {
    let spec: ReadSpec = serde_json::from_value(read).unwrap();
    let plan = spec.resolve(folder).map_err(|problems| format!("{problems:?}")).unwrap();
    let wanted = ["id", "note", "amount"].map(str::to_owned);
    let (mut blocks, mut parser) = plan.open(&wanted).unwrap().blocks();
    let mut rows = Vec::new();
    while let Some(block) = blocks.next_block().unwrap() {
        parser.parse(&block, &mut |row| {
            let row = row.unwrap();
            let text = |at| String::from_utf8(row.cell(at).to_vec()).unwrap();
            rows.push((0..3).map(text).collect());
        });
    }
    blocks.finish().unwrap();
    rows
}

fn write_parquet(path: &Path, rows: &[(i64, String, i64)]) {
    let schema = parquet::schema::parser::parse_message_type(
        "message rows { required int64 id; optional binary note (UTF8); required int64 amount (DECIMAL(18,2)); }",
    );
    let file = std::fs::File::create(path).unwrap();
    let mut writer =
        SerializedFileWriter::new(file, Arc::new(schema.unwrap()), Arc::default()).unwrap();
    for part in rows.chunks(7) {
        let mut group = writer.next_row_group().unwrap();
        let numbers = |of: fn(&(i64, String, i64)) -> i64| part.iter().map(of).collect::<Vec<_>>();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&numbers(|row| row.0), None, None).unwrap();
        column.close().unwrap();
        let levels: Vec<i16> = part.iter().map(|row| i16::from(!row.1.is_empty())).collect();
        let notes: Vec<ByteArray> = part
            .iter()
            .filter(|row| !row.1.is_empty())
            .map(|row| ByteArray::from(row.1.as_str()))
            .collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&notes, Some(&levels), None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&numbers(|row| row.2), None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_rows_are_the_same_by_every_kind(
        rows in proptest::collection::vec(
            (0..1_000_000_000_000i64, "([!-~äöüßé€日本][ -~äöü]{0,8}[!-~é])?", -99_999_999..99_999_999i64),
            1..60,
        ),
    ) {
        // A number that ends in 0 is written shorter in a workbook.
        let rows: Vec<(i64, String, i64)> =
            rows.into_iter().map(|(id, note, n)| (id, note, if n % 10 == 0 { n + 1 } else { n })).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let amount = |cents: i64| {
            let sign = if cents < 0 { "-" } else { "" };
            format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100)
        };
        let expected: Vec<Vec<String>> = rows
            .iter()
            .map(|(id, note, n)| vec![id.to_string(), note.clone(), amount(*n)])
            .collect();
        let mut csv = String::from("id,note,amount\n");
        let (mut lines, mut fixed, mut array) = (String::new(), String::new(), String::from("[\n"));
        let mut book = rust_xlsxwriter::Workbook::new();
        let sheet = book.add_worksheet();
        for (at, name) in (0..).zip(["id", "note", "amount"]) {
            sheet.write_string(0, at, name).unwrap();
        }
        let database = rusqlite::Connection::open(path("rows.db")).unwrap();
        database.execute_batch("CREATE TABLE t (id INTEGER, note TEXT, amount TEXT); BEGIN").unwrap();
        for (at, ((id, note, n), cells)) in (1u32..).zip(rows.iter().zip(&expected)) {
            let quoted = note.replace('"', "\"\"");
            csv += &format!("{id},\"{quoted}\",{}\n", cells[2]);
            let text = if note.is_empty() { Json::Null } else { json!(note) };
            let object = format!("{{\"id\":{id},\"note\":{text},\"amount\":{}}}", cells[2]);
            lines += &format!("{object}\n");
            array += &format!("{object}{}\n", if at as usize == rows.len() { "]" } else { "," });
            fixed += &format!("{id:<13}{:>12}{note}\n", cells[2]);
            sheet.write_number(at, 0, *id as f64).unwrap();
            if !note.is_empty() {
                sheet.write_string(at, 1, note).unwrap();
            }
            sheet.write_number(at, 2, *n as f64 / 100.0).unwrap();
            let note = (!note.is_empty()).then_some(note);
            database.execute("INSERT INTO t VALUES (?1, ?2, ?3)", (id, note, &cells[2])).unwrap();
        }
        database.execute_batch("COMMIT").unwrap();
        std::fs::write(path("rows.csv"), csv).unwrap();
        std::fs::write(path("rows.jsonl"), lines).unwrap();
        std::fs::write(path("rows.json"), array).unwrap();
        std::fs::write(path("rows.txt"), fixed).unwrap();
        book.save(path("rows.xlsx")).unwrap();
        write_parquet(&path("rows.parquet"), &rows);
        let columns = json!([
            { "name": "id", "start": "1", "width": "13" },
            { "name": "amount", "start": "14", "width": "12" },
            { "name": "note", "start": "26" },
        ]);
        for read in [
            json!({ "csv": { "path": "rows.csv" } }),
            json!({ "json": { "path": "rows.jsonl" } }),
            json!({ "json": { "path": "rows.json" } }),
            json!({ "excel": { "path": "rows.xlsx" } }),
            json!({ "parquet": { "path": "rows.parquet" } }),
            json!({ "sql": { "url": "sqlite:rows.db", "query": "SELECT id, note, amount FROM t ORDER BY rowid" } }),
        ] {
            let found = read_rows(folder.path(), read.clone());
            prop_assert_eq!(&found, &expected, "{}", read);
        }
        let fixed = read_rows(folder.path(), json!({ "fixed": { "path": "rows.txt", "columns": columns } }));
        let fixed: Vec<Vec<String>> =
            fixed.into_iter().map(|row| vec![row[0].clone(), row[2].clone(), row[1].clone()]).collect();
        prop_assert_eq!(&fixed, &expected);
    }
}
