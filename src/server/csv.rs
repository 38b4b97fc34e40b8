//! CSV for spreadsheets, which execute cells that begin with `=`.
//!
//! Safe exports put an apostrophe before such a cell and name its column in the last column,
//! `_escaped`, so that programs can undo it. Numbers stay numbers.

use std::io::Write;

use crate::report::cells::is_formula;

pub struct Table<'a> {
    writer: csv::Writer<&'a mut dyn Write>,
    columns: Vec<String>,
    safe: bool,
}

impl<'a> Table<'a> {
    pub fn new(out: &'a mut dyn Write, columns: &[&str], safe: bool) -> std::io::Result<Self> {
        let mut table = Self {
            writer: csv::Writer::from_writer(out),
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            safe,
        };
        let header = columns.iter().copied().chain(safe.then_some("_escaped"));
        table.writer.write_record(header)?;
        Ok(table)
    }

    pub fn row(&mut self, cells: &[String]) -> std::io::Result<()> {
        if !self.safe {
            return Ok(self.writer.write_record(cells)?);
        }
        let mut escaped = Vec::new();
        let mut shown = Vec::with_capacity(cells.len() + 1);
        for (column, cell) in self.columns.iter().zip(cells) {
            if is_formula(cell) {
                escaped.push(column.as_str());
                shown.push(format!("'{cell}"));
            } else {
                shown.push(cell.clone());
            }
        }
        shown.push(escaped.join(" "));
        Ok(self.writer.write_record(&shown)?)
    }

    pub fn finish(mut self) -> std::io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_columns_are_named_and_raw_cells_unchanged() {
        let written = |safe: bool| {
            let mut out: Vec<u8> = Vec::new();
            let mut table = Table::new(&mut out, &["a", "b", "c"], safe).unwrap();
            table.row(&["\u{2066}=1".into(), "-2".into(), "@x,\"y\"".into()]).unwrap();
            table.finish().unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(true), "a,b,c,_escaped\n'\u{2066}=1,-2,\"'@x,\"\"y\"\"\",a c\n");
        assert_eq!(written(false), "a,b,c\n\u{2066}=1,-2,\"@x,\"\"y\"\"\"\n");
    }
}
