//! `recon report --format xlsx`, read back like a spreadsheet does.

use calamine::{Data, DataType, Range, Reader, Xlsx, open_workbook};

use crate::program::Project;

const JOB: &str = r#"version: 1
job: workbook
store: sqlite:recon.db
sources:
  a: { system: A, read: { csv: { path: a.csv } }, map: { id: id, amount: amount, text: text } }
  b: { system: B, read: { csv: { path: b.csv } }, map: { id: id, amount: amount, text: text } }
key: [id]
fields:
  id: { type: text }
  amount: { type: decimal }
  text: { type: text }
"#;

/// Texts that a spreadsheet would misinterpret if allowed.
const TEXTS: [&str; 10] = [
    "=HYPERLINK(\"https://evil.example\",\"click\")",
    "+1+2",
    "-2+3",
    "@SUM(A1:A9)",
    "\t=1+1",
    "007",
    "1e5",
    "_x0041_ & <b> \u{1}\u{202e}",
    "2026-01-15",
    "TRUE",
];

/// Amounts on side A, and whether a spreadsheet can hold them.
const AMOUNTS: [(&str, bool); 6] = [
    ("100.00", true),
    ("-0.5", true),
    ("123456789012345", true),
    ("1234567890123456", false),
    ("0.1234567890123456", false),
    ("99999999999999999999999999999999999.99", false),
];

fn project() -> Project {
    let project = Project::new();
    let (mut a, mut b) = ("id,amount,text\n".to_owned(), "id,amount,text\n".to_owned());
    for (at, text) in TEXTS.iter().enumerate() {
        let cell = text.replace('"', "\"\"");
        a.push_str(&format!("\"={at}\",1,\"{cell}\"\n"));
        b.push_str(&format!("\"={at}\",1,other\n"));
    }
    for (at, (amount, _)) in AMOUNTS.iter().enumerate() {
        a.push_str(&format!("N{at},{amount},same\n"));
        b.push_str(&format!("N{at},7,same\n"));
    }
    a.push_str("lonely,1,x\nragged,1\n");
    project.write("a.csv", a).write("b.csv", b).write("recon.yaml", JOB);
    assert_eq!(project.recon(&["run", "-q"]).code, 0);
    let said = project.recon(&["report", "--format", "xlsx", "-o", "report.xlsx"]);
    assert_eq!(said.code, 0, "{}", said.err);
    project
}

fn column(sheet: &Range<Data>, name: &str) -> u32 {
    let head = sheet.rows().next().unwrap();
    let at = head.iter().position(|cell| cell.get_string() == Some(name));
    u32::try_from(at.unwrap_or_else(|| panic!("no column {name}: {head:?}"))).unwrap()
}

#[test]
fn a_workbook_keeps_texts_as_text_and_numbers_exact() {
    let project = project();
    let mut book: Xlsx<_> = open_workbook(project.path("report.xlsx")).unwrap();
    let names = book.sheet_names();
    assert_eq!(names, ["summary", "breaks", "differences", "rejected", "fields"]);
    for name in &names {
        let formulas = book.worksheet_formula(name).unwrap();
        assert!(formulas.cells().all(|(.., text)| text.is_empty()), "{name} has formulas");
    }
    let sheet = book.worksheet_range("differences").unwrap();
    let [field, value, reference] =
        ["field", "value A", "reference A"].map(|name| column(&sheet, name));
    let rows = u32::try_from(sheet.height()).unwrap();
    let cell = |row, at| sheet.get_value((row, at)).unwrap();
    let of = |wanted: &str| {
        (1..rows)
            .filter(|row| cell(*row, field).get_string() == Some(wanted))
            .map(|row| (cell(row, reference).to_string(), cell(row, value).clone()))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    let texts = of("text");
    for (at, text) in TEXTS.iter().enumerate() {
        assert_eq!(texts[&format!("={at}")], Data::String((*text).to_owned()));
    }
    let amounts = of("amount");
    for (at, (amount, holds)) in AMOUNTS.iter().enumerate() {
        let written = &amounts[&format!("N{at}")];
        match written {
            Data::Float(number) => {
                assert!(*holds, "{amount} became {number}");
                assert_eq!(*number, amount.parse::<f64>().unwrap());
            }
            Data::String(text) => assert!(!holds && text == amount, "{amount} became {text}"),
            other => panic!("{amount} became {other:?}"),
        }
    }
    let breaks = book.worksheet_range("breaks").unwrap();
    assert_eq!(breaks.height() - 1, TEXTS.len() + AMOUNTS.len() + 1);
    let rejected = book.worksheet_range("rejected").unwrap();
    assert_eq!(rejected.height() - 1, 1);
    assert_eq!(rejected.get_value((1, column(&rejected, "side"))).unwrap().to_string(), "a");
}

#[test]
fn the_figures_of_a_workbook_match_the_run() {
    let project = project();
    let figures = project.json(&["report", "--format", "json"]);
    let mut book: Xlsx<_> = open_workbook(project.path("report.xlsx")).unwrap();
    let sheet = book.worksheet_range("summary").unwrap();
    let row = |name: &str| {
        let found = sheet.rows().find(|row| row[0].get_string() == Some(name));
        found.unwrap_or_else(|| panic!("no row {name}"))
    };
    let number = |cell: &Data| cell.get_float().unwrap();
    assert_eq!(row("Job")[1].get_string(), Some("workbook"));
    let records = &figures["records"];
    assert_eq!(number(&row("read")[1]), records["a"].as_f64().unwrap());
    assert_eq!(number(&row("read")[2]), records["b"].as_f64().unwrap());
    assert_eq!(number(&row("rejected")[1]), records["rejected_a"].as_f64().unwrap());
    assert_eq!(number(&row("breaks")[1]), records["breaks"].as_f64().unwrap());
    let total = figures["differences"]["total"].as_f64().unwrap();
    assert_eq!(number(&row("Differences")[1]), total);
    assert_eq!(number(&row("Gate: blocked")[1]), figures["gate"]["blocked"].as_f64().unwrap());
}
