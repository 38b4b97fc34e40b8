//! Workbooks and Parquet files.

use super::*;

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
