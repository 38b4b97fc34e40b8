//! Amounts in reports, as spreadsheets read them.

use calamine::{Data, DataType, Reader, Xlsx, open_workbook};
use serde_json::json;

use crate::program::Project;

fn project() -> Project {
    let project = Project::new();
    project
        .write(
            "recon.yaml",
            "version: 1
job: money
sources:
  a:
    system: LEFT
    read: { csv: { path: a.csv } }
    map: { id: id, day: day, booked: booked, ccy: ccy, amount: amount, name: name }
  b:
    system: RIGHT
    read: { csv: { path: b.csv } }
    map: { id: id, day: day, booked: booked, ccy: ccy, amount: amount, name: name }
key: [id]
fields:
  id: { type: text }
  day: { type: date }
  booked: { type: datetime }
  ccy: { type: text }
  amount: { type: decimal, monetary: true }
  name: { type: text }
review: { currency_field: ccy }
",
        )
        .write(
            "a.csv",
            "id,day,booked,ccy,amount,name
1,2026-01-15,2026-01-15T08:00:00Z,EUR,100.00,Zo\u{eb}
2,2026-01-15,2026-01-15T08:00:00Z,EUR,50.10,x
3,2026-01-15,2026-01-15T08:00:00Z,USD,12345678901234567.01,x
4,2026-01-16,2026-01-15T08:00:00Z,EUR,7.77,x
5,2026-01-15,2026-01-15T08:00:00Z,EUR,1.00,x
",
        )
        .write(
            "b.csv",
            "id,day,booked,ccy,amount,name
1,2026-01-15,2026-01-15T08:00:00Z,EUR,90.50,Zo\u{eb}\u{200b}
2,2026-01-15,2026-01-15T08:00:00Z,EUR,50.15,x
3,2026-01-15,2026-01-15T08:00:00Z,USD,12345678901234567.00,x
5,2026-01-17,2026-01-15T08:00:01Z,EUR,1.00,x
6,2026-01-18,2026-01-15T08:00:00Z,USD,-3,x
",
        );
    assert_eq!(project.recon(&["run", "-q"]).code, 0);
    project
}

fn rows(text: &[u8]) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text);
    reader.deserialize().map(|row| row.unwrap()).collect()
}

#[test]
fn csv_has_the_amount_of_every_difference() {
    let project = project();
    let said = project.recon(&["report", "--format", "csv"]);
    let rows = rows(said.out.as_bytes());
    let row = |id: &str, field: &str| {
        let found = rows.iter().find(|row| {
            (row["source_a_ref_id"] == id || row["source_b_ref_id"] == id)
                && row["field_name"] == field
        });
        found.unwrap_or_else(|| panic!("{id} {field}"))
    };
    let worth = |row: &std::collections::BTreeMap<String, String>| {
        ["delta", "amount", "currency", "date"].map(|name| row[name].clone())
    };
    assert_eq!(worth(row("1", "amount")), ["-9.50", "100.00", "EUR", "2026-01-15"]);
    assert_eq!(worth(row("3", "amount")), ["-0.01", "12345678901234567.01", "USD", "2026-01-15"]);
    assert_eq!(worth(row("4", "ENTIRE_RECORD")), ["", "7.77", "EUR", "2026-01-16"]);
    assert_eq!(worth(row("6", "ENTIRE_RECORD")), ["", "-3", "USD", "2026-01-18"]);
    assert_eq!(row("1", "name")["value_b"], "Zo\u{eb}\u{200b}", "programs get the exact bytes");
}

#[test]
fn bom_adds_a_byte_order_mark() {
    let project = project();
    let said = project.recon(&["report", "--format", "csv", "--bom", "-o", "out.csv"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let bytes = std::fs::read(project.path("out.csv")).unwrap();
    assert!(bytes.starts_with(b"\xef\xbb\xbfrun_id,"));
    let said = project.recon(&["report", "--format", "json", "--bom"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("error[not-csv]"), "{}", said.err);
}

#[test]
fn sums_and_examples_are_exact_and_by_currency() {
    let project = project();
    let report = project.json(&["report", "--format", "json"]);
    let details = report["details"].as_array().unwrap();
    let of = |name: &str| details.iter().find(|one| one["name"] == name).unwrap();
    assert_eq!(
        of("amount")["sums"],
        json!({
            "EUR": { "count": 2, "sum": "-9.45", "size": "9.55" },
            "USD": { "count": 1, "sum": "-0.01", "size": "0.01" },
        })
    );
    let largest = &of("amount")["largest"][0];
    assert_eq!((&largest["reference"], &largest["delta"]), (&json!("1"), &json!("-9.50")));
    assert_eq!(of("MISSING_IN_SOURCE_B")["sums"]["EUR"]["sum"], "7.77");
    assert_eq!(of("MISSING_IN_SOURCE_A")["sums"]["USD"]["sum"], "-3");
    for format in ["text", "md", "html"] {
        let said = project.recon(&["report", "--format", format]);
        assert!(said.out.contains("Amounts and examples"), "{format}");
        assert!(said.out.contains("-9.45 EUR"), "{format}: {}", said.out);
        assert!(said.out.contains("u{200b}") && !said.out.contains('\u{200b}'), "{format}");
    }
}

#[test]
fn a_workbook_has_typed_cells_and_filters() {
    let project = project();
    let said = project.recon(&["report", "--format", "xlsx", "-o", "out.xlsx"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let mut book: Xlsx<_> = open_workbook(project.path("out.xlsx")).unwrap();
    let sheet = book.worksheet_range("differences").unwrap();
    let head: Vec<String> = sheet.rows().next().unwrap().iter().map(ToString::to_string).collect();
    let at = |name: &str| head.iter().position(|known| known == name).unwrap();
    let row = |id: &str, field: &str| {
        let found = sheet.rows().find(|row| {
            row[at("field")].get_string() == Some(field)
                && row[..2].iter().any(|cell| cell.get_string() == Some(id))
        });
        found.unwrap_or_else(|| panic!("{id} {field}"))
    };
    assert_eq!(row("1", "amount")[at("B − A")].get_float(), Some(-9.5));
    assert_eq!(row("3", "amount")[at("value A")].get_string(), Some("12345678901234567.01"));
    assert_eq!(row("4", "ENTIRE_RECORD")[at("amount")].get_float(), Some(7.77));
    let day = &row("5", "day")[at("value B")];
    let serial = |cell: &Data| match cell {
        Data::DateTime(moment) => moment.as_f64(),
        other => panic!("{other:?} is no date"),
    };
    assert_eq!(serial(day), 46_039.0);
    let moment = serial(&row("5", "booked")[at("value B")]);
    assert!((moment - 46_037.333_344_9).abs() < 1e-6, "{moment}");
    assert!(book.worksheet_range("fields").unwrap().height() > 6);
}
