//! Statements as banks write them, in memory.

mod bai2;
mod camt;
mod mt940;
mod round_trip;

use super::*;

const CAMT: Format = Format::Camt053(Level::Transaction);
const ENTRIES: Format = Format::Camt053(Level::Entry);
const MT: Format = Format::Mt940;
const BAI: Format = Format::Bai2;

/// The rows, the names of the statements, and the warnings.
fn read_as(format: Format, text: &str, prove: Prove) -> Result<(Vec<Row>, Vec<Problem>), Problem> {
    let mut reader = format.rows(text.as_bytes(), prove);
    let mut rows = Vec::new();
    while let Some(row) = reader.next_row()? {
        rows.push(row);
    }
    let parts = reader.parts();
    assert!(rows.iter().all(|row| row.part < parts.len()), "{parts:?}");
    Ok((rows, reader.warnings()))
}

/// The warnings, or the error, about pages in files that are read one after the other.
fn read_files(format: Format, files: &[String]) -> Result<Vec<Problem>, Problem> {
    let mut open = OpenPages::default();
    for (number, text) in files.iter().enumerate() {
        let mut rows = format.rows(text.as_bytes(), Prove::On);
        *rows.open_pages().unwrap() = open;
        while rows.next_row()?.is_some() {}
        assert_eq!(rows.warnings(), []);
        open = std::mem::take(rows.open_pages().unwrap());
        open.are_in(std::path::Path::new(&format!("{number}.txt")));
    }
    match format {
        Format::Camt053(_) => camt053::prove_rest(open, Prove::On),
        _ => Ok(super::mt940::prove_rest(&open, Prove::On)),
    }
}

fn read(format: Format, text: &str) -> Vec<Row> {
    let (rows, warnings) = read_as(format, text, Prove::On).unwrap();
    assert_eq!(warnings, []);
    rows
}

fn problem(format: Format, text: &str) -> Problem {
    read_as(format, text, Prove::On).unwrap_err()
}

/// The cells of these columns, null as `-`.
fn cells(row: &Row, columns: &[&str]) -> String {
    let cells = row.clone().into_cells();
    let cell = |name: &&str| {
        let at = COLUMNS.iter().position(|column| column == name).unwrap();
        cells[at].clone().unwrap_or_else(|| "-".to_owned())
    };
    columns.iter().map(cell).collect::<Vec<_>>().join(" | ")
}

fn table(rows: &[Row], columns: &[&str]) -> Vec<String> {
    rows.iter().map(|row| cells(row, columns)).collect()
}

#[test]
fn lines_that_are_not_utf_8_name_their_encoding() {
    for (format, bytes) in
        [(MT, &b":20:X\n:86:M\xfcller\n"[..]), (BAI, &b"01,1,2/\n02,M\xfcller\n"[..])]
    {
        let mut reader = format.rows(bytes, Prove::On);
        let problem = reader.next_row().unwrap_err();
        assert_eq!((problem.code, problem.place.unwrap().line), (Code::WrongEncoding, 2));
    }
}
