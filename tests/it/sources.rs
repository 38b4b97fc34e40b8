//! Every kind of source, with files made by other software (see data/sources/make.py).

mod binary;
mod sql;
mod text;

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
