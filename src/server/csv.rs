//! CSV for spreadsheets, which execute cells that begin with `=`.
//!
//! Safe exports put an apostrophe before such a cell and name its column in the last column,
//! `_escaped`, so that programs can undo it. Numbers stay numbers.

use std::io::Write;

/// Whether a spreadsheet could execute this cell.
pub fn is_dangerous(cell: &str) -> bool {
    if is_number(cell) {
        return false;
    }
    if cell.starts_with(['\t', '\r']) {
        return true;
    }
    let visible = cell.trim_start_matches(|c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}')
    });
    visible.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
}

fn is_number(cell: &str) -> bool {
    let unsigned = cell.strip_prefix(['+', '-']).unwrap_or(cell);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_fits = exponent.is_none_or(|text| {
        let text = text.strip_prefix(['+', '-']).unwrap_or(text);
        !text.is_empty() && digits(text)
    });
    whole.len() + fraction.len() > 0 && digits(whole) && digits(fraction) && exponent_fits
}

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
            if is_dangerous(cell) {
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
    fn formulas_are_escaped_and_numbers_are_not() {
        for cell in [
            "=cmd|' /C calc'!A0",
            "+cmd",
            "-cmd",
            "@SUM(A1)",
            "\tx",
            "\rx",
            " =x",
            "\u{a0}=x",
            "\u{feff}=x",
            "\u{ff1d}x",
            "\n=x",
            "-1+cmd|x",
            "+",
            "-",
            "--1",
            "=1",
            "\u{200b}@x",
            "-1e",
        ] {
            assert!(is_dangerous(cell), "{cell:?}");
        }
        for cell in ["", "-1", "+100.50", "1e5", "-1.5E-3", ".5", "-.5", "5.", "a=b", "x-1", "'=x"]
        {
            assert!(!is_dangerous(cell), "{cell:?}");
        }
    }

    #[test]
    fn escaped_columns_are_named_and_raw_cells_unchanged() {
        let written = |safe: bool| {
            let mut out: Vec<u8> = Vec::new();
            let mut table = Table::new(&mut out, &["a", "b", "c"], safe).unwrap();
            table.row(&["=1".into(), "-2".into(), "@x,\"y\"".into()]).unwrap();
            table.finish().unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(true), "a,b,c,_escaped\n'=1,-2,\"'@x,\"\"y\"\"\",a c\n");
        assert_eq!(written(false), "a,b,c\n=1,-2,\"@x,\"\"y\"\"\"\n");
    }
}
