//! CSV cells that are safe to open in a spreadsheet.
//!
//! A spreadsheet runs a cell such as `=HYPERLINK(…)` as a formula. Such cells are prefixed with `'`,
//! and the last column, [`ESCAPED`], names them so that a program can undo the escaping. Plain
//! numbers are never escaped.

use std::io::Write;

use crate::diagnostic::Problem;

use super::unwritable;

/// The column that names the escaped cells of its row, separated by spaces.
const ESCAPED: &str = "_escaped";

pub struct CellWriter<W: Write> {
    writer: csv::Writer<W>,
    columns: Vec<String>,
    escaped: String,
}

impl<W: Write> CellWriter<W> {
    /// Writes the header: `columns`, then [`ESCAPED`].
    pub fn new(out: W, columns: &[&str]) -> Result<Self, Problem> {
        let mut writer = csv::Writer::from_writer(out);
        for column in columns {
            writer.write_field(column).map_err(failed)?;
        }
        writer.write_field(ESCAPED).map_err(failed)?;
        writer.write_record(None::<&[u8]>).map_err(failed)?;
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        Ok(Self { writer, columns, escaped: String::new() })
    }

    pub fn row(&mut self, cells: &[&str]) -> Result<(), Problem> {
        self.escaped.clear();
        for (cell, column) in cells.iter().zip(&self.columns) {
            if is_formula(cell) {
                self.writer.write_field(format!("'{cell}")).map_err(failed)?;
                if !self.escaped.is_empty() {
                    self.escaped.push(' ');
                }
                self.escaped.push_str(column);
            } else {
                self.writer.write_field(cell).map_err(failed)?;
            }
        }
        self.writer.write_field(&self.escaped).map_err(failed)?;
        self.writer.write_record(None::<&[u8]>).map_err(failed)
    }

    pub fn flush(&mut self) -> Result<(), Problem> {
        self.writer.flush().map_err(|error| unwritable(&error))
    }
}

/// Whether a spreadsheet might run this text as a formula: it starts with a tab or a carriage return, or
/// with `=`, `+`, `-` or `@` (full-width and small forms included) after characters that a spreadsheet strips,
/// and is not a plain number.
pub fn is_formula(text: &str) -> bool {
    if text.starts_with(['\t', '\r']) {
        return true;
    }
    let stripped = text.trim_start_matches(is_invisible);
    stripped.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '﹦', '﹢', '﹣', '﹫'])
        && !is_number(text)
}

/// Spaces, controls, format characters, combining marks (variation selectors included), and the few
/// letters that are blank by design.
fn is_invisible(character: char) -> bool {
    use unicode_properties::{GeneralCategory as Category, UnicodeGeneralCategory as _};
    character.is_whitespace()
        || matches!(
            character.general_category(),
            Category::Control
                | Category::Format
                | Category::NonspacingMark
                | Category::EnclosingMark
                | Category::LineSeparator
                | Category::ParagraphSeparator
                | Category::SpaceSeparator
                | Category::Unassigned
                | Category::PrivateUse
        )
        // Hangul fillers and the Braille blank.
        || matches!(character, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{2800}')
}

/// Whether the whole text is a number: `-1`, `+100.50`, `1e5`.
fn is_number(text: &str) -> bool {
    fn digits(text: &str) -> &str {
        text.trim_start_matches(|character: char| character.is_ascii_digit())
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut rest = digits(unsigned);
    let mut seen = unsigned.len() - rest.len();
    if let Some(decimals) = rest.strip_prefix('.') {
        rest = digits(decimals);
        seen += decimals.len() - rest.len();
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        rest = digits(exponent);
        if exponent.len() == rest.len() {
            return false;
        }
    }
    seen > 0 && rest.is_empty()
}

fn failed(error: csv::Error) -> Problem {
    unwritable(&error.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn formulas_are_escaped_and_named() {
        let written = || {
            let mut out = Vec::new();
            let mut cells = CellWriter::new(&mut out, &["a", "b", "c"]).unwrap();
            cells.row(&["=1+1", "-1.50", "@x"]).unwrap();
            cells.row(&["plain", "", "two\nlines"]).unwrap();
            cells.flush().unwrap();
            drop(cells);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(), "a,b,c,_escaped\n'=1+1,-1.50,'@x,a c\nplain,,\"two\nlines\",\n");
    }

    #[test]
    fn text_that_a_spreadsheet_would_run_is_a_formula() {
        for text in [
            "=cmd|' /C calc'!A0",
            "+1-800",
            "-",
            "-1+1",
            "@SUM(A1)",
            "\tx",
            "\rx",
            "\t1",
            " =1",
            "\u{a0}=1",
            "\u{feff}=1",
            "＝1",
            "\u{fe66}1",
            "\n=1",
            "+.",
            "-1e",
            "- 1",
            "\u{202a}=1",
            "\u{2066}+1",
            "\u{61c}@x",
            "\u{180e}-x",
            "\u{ad}=1",
            "\u{34f}=1",
            "\u{e0041}=1",
            "\u{fe0f}=1",
            "\u{e0100}=1",
            "\u{3164}=1",
            "\u{2065}\u{fff0} =1",
        ] {
            assert!(is_formula(text), "{text:?}");
        }
        for text in ["", "a=b", "1", "-1", "+100.50", "1e5", "-1E-5", "-.5", "'=1", "2026-01-15"] {
            assert!(!is_formula(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_never_escaped(text in "[+-]?([0-9]{1,40}(\\.[0-9]{0,40})?|\\.[0-9]{1,9})([eE][+-]?[0-9]{1,3})?") {
            prop_assert!(!is_formula(&text));
        }

        #[test]
        fn decimals_are_never_escaped(coefficient: i64, scale in 0u8..=28) {
            let text = crate::domain::Decimal::new(coefficient.into(), scale).unwrap().to_string();
            prop_assert!(!is_formula(&text));
        }

        #[test]
        fn invisible_characters_do_not_hide_a_formula(text in "[\\p{Cf}\\p{Mn}\\p{Z}\\p{Cc}]{0,5}[=@]x") {
            prop_assert!(is_formula(&text));
        }

        #[test]
        fn an_escaped_cell_is_safe(text in "[ \t\r\n=+@-]{1,3}.*") {
            let marked = format!("'{text}");
            prop_assert!(!is_formula(&marked));
        }
    }
}
