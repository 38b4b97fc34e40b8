//! One table as a workbook. Text stays text and never becomes a formula; a number is written as a number only if a
//! spreadsheet can hold it exactly.

use rust_xlsxwriter::{Format, Workbook, XlsxError};

use crate::diagnostic::{Code, Problem};

/// Spreadsheets open at most 2^20 rows, header included.
pub const MOST_ROWS: u32 = (1 << 20) - 1;
/// Maximum characters in a cell.
const LONGEST: usize = 32_767;
/// Digits that a spreadsheet keeps.
const EXACT_DIGITS: usize = 15;

/// A workbook with one sheet.
pub struct TableBook {
    workbook: Workbook,
    rows: u32,
}

impl TableBook {
    /// A sheet of this name with a frozen head of columns.
    ///
    /// # Errors
    /// A name that no sheet can have.
    pub fn new(name: &str, columns: &[&str]) -> Result<Self, Problem> {
        let mut workbook = Workbook::new();
        let begin = |workbook: &mut Workbook| -> Result<(), XlsxError> {
            let sheet = workbook.add_worksheet();
            sheet.set_name(name)?;
            sheet.set_freeze_panes(1, 0)?;
            let head = Format::new().set_bold();
            for (at, column) in (0_u16..).zip(columns) {
                sheet.write_string_with_format(0, at, *column, &head)?;
            }
            Ok(())
        };
        begin(&mut workbook).map_err(|error| failed(&error))?;
        Ok(Self { workbook, rows: 0 })
    }

    /// Adds a row; false where the sheet is full.
    ///
    /// # Errors
    /// The workbook's error.
    pub fn row(&mut self, cells: &[String]) -> Result<bool, Problem> {
        if self.rows >= MOST_ROWS {
            return Ok(false);
        }
        self.rows += 1;
        let row = self.rows;
        let mut write = || -> Result<(), XlsxError> {
            let sheet = self.workbook.worksheet_from_index(0)?;
            for (at, cell) in (0_u16..).zip(cells).filter(|(_, cell)| !cell.is_empty()) {
                match exact(cell) {
                    Some(number) => sheet.write_number(row, at, number)?,
                    None => {
                        let text: String = cell.chars().take(LONGEST).collect();
                        sheet.write_string(row, at, text)?
                    }
                };
            }
            Ok(())
        };
        write().map_err(|error| failed(&error))?;
        Ok(true)
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// The workbook's error.
    pub fn finish(mut self) -> Result<Vec<u8>, Problem> {
        self.workbook.save_to_buffer().map_err(|error| failed(&error))
    }
}

/// A plain decimal that a spreadsheet holds exactly. A leading zero makes it a reference, not a number.
fn exact(cell: &str) -> Option<f64> {
    let unsigned = cell.strip_prefix('-').unwrap_or(cell);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = digits(whole)
        && digits(fraction)
        && (whole == "0" || !whole.starts_with('0'))
        && unsigned.len() <= EXACT_DIGITS;
    is_number.then(|| cell.parse().ok()).flatten()
}

fn failed(error: &XlsxError) -> Problem {
    Problem::new(Code::OutputFailed, format!("can't write the workbook: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_numbers_are_numbers() {
        assert_eq!(exact("-12.50"), Some(-12.5));
        for text in ["007", "1e5", "+1", "=1+1", "1234567890123456", ".5", "5.", "", "1,5"] {
            assert_eq!(exact(text), None, "{text}");
        }
    }
}
