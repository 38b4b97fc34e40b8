//! The first records of a file as one form reads them, and how much of a table they make.

use std::collections::HashMap;

use super::sketch::ratio;
use crate::domain::RawCells as _;
use crate::source::RawRow;

/// The first records of a file as one form reads them.
pub struct Records {
    /// Line number and cells of each record.
    pub rows: Vec<(u64, Vec<String>)>,
    /// The most common number of fields.
    pub width: usize,
    /// The share of records, from the header on, with that many fields.
    pub consistency: f64,
    /// Start of the table: its header, or its first row.
    pub start: usize,
    /// Whether header and rows differ in width by empty fields only.
    pub header_differs: bool,
    /// Lines of rows that are unreadable for another reason than width.
    pub broken: Vec<u64>,
}

pub fn cells(row: &RawRow<'_>) -> Vec<String> {
    (0..row.len()).map(|at| String::from_utf8_lossy(row.cell(at)).into_owned()).collect()
}

/// Whether a cell is a value rather than a name: names contain few digits, a truncated row of values contains some.
fn has_value(row: &[String]) -> bool {
    row.iter().any(|cell| {
        cell.contains(|c: char| c.is_ascii_digit()) && !cell.contains(char::is_alphabetic)
    })
}

pub fn filled(row: &[String]) -> usize {
    row.iter().filter(|cell| !cell.trim().is_empty()).count()
}

/// Whether a row is a line drawn around a table: `---,---`, or `|-----|`.
pub fn is_ruler(row: &[String]) -> bool {
    let is_drawn = |cell: &&String| cell.trim().chars().all(|c| "-=_+".contains(c));
    row.iter().all(|cell| is_drawn(&cell)) && row.iter().any(|cell| cell.trim().len() > 1)
}

impl Records {
    pub fn of(mut rows: Vec<(u64, Vec<String>)>) -> Option<Self> {
        let is_said = rows.first().is_some_and(|(line, row)| {
            *line == 1 && row.first().is_some_and(|cell| cell.to_lowercase().starts_with("sep="))
        });
        if is_said {
            rows.remove(0);
        }
        // The table is where most cells are: five lines of two cells are not a table before three
        // of twelve.
        let mut widths: HashMap<usize, usize> = HashMap::new();
        for (_, row) in rows.iter().filter(|(_, row)| !row.is_empty()) {
            *widths.entry(row.len()).or_default() += 1;
        }
        let (width, _) = widths.into_iter().max_by_key(|(width, count)| (count * width, *width))?;
        let is_of_table = |at: usize| rows.get(at).is_some_and(|(_, row)| row.len() == width);
        let mut counts: Vec<usize> =
            rows.iter().filter(|(_, row)| row.len() == width).map(|(_, row)| filled(row)).collect();
        counts.sort_unstable();
        let usual = counts.get(counts.len() / 2).copied().unwrap_or(0);
        // A preamble line may have as many fields, but mostly empty ones, or no similar line
        // follows.
        let is_full =
            |at: usize| rows.get(at).is_some_and(|(_, row)| filled(row) * 2 >= usual.min(width));
        // The next row may end early or in empty fields.
        let is_like_table = |at: usize| {
            let at = at + usize::from(rows.get(at).is_some_and(|(_, row)| is_ruler(row)));
            rows.get(at).is_some_and(|(_, row)| match row.get(width..) {
                Some(extras) => filled(extras) == 0,
                None => row.len() * 2 > width && filled(row) == row.len(),
            })
        };
        let first = (0..rows.len())
            .find(|at| {
                is_of_table(*at) && is_full(*at) && (*at + 1 == rows.len() || is_like_table(at + 1))
            })
            .or_else(|| (0..rows.len()).find(|at| is_of_table(*at)))
            .unwrap_or(0);
        let header_differs = first > 0 && Self::is_header_of_another_width(&rows, first - 1, width);
        let start = first - usize::from(header_differs);
        let mut records =
            Self { rows, width, consistency: 0.0, start, header_differs, broken: Vec::new() };
        records.measure();
        Some(records)
    }

    /// Finds the most common width.
    pub fn measure(&mut self) {
        let first = self.start + usize::from(self.header_differs);
        let rows = self.rows.get(first..).unwrap_or_default();
        let fitting = rows.iter().filter(|(_, row)| row.len() == self.width).count();
        self.consistency = ratio(fitting as u64, rows.len() as u64);
    }

    /// Whether the record before the rows is their header despite its different width: either ends
    /// in empty fields that the other lacks.
    fn is_header_of_another_width(rows: &[(u64, Vec<String>)], at: usize, width: usize) -> bool {
        let Some((_, head)) = rows.get(at) else { return false };
        let is_blank = |cells: &[String]| cells.iter().all(|cell| cell.trim().is_empty());
        let body = rows.get(at + 1..).unwrap_or_default().iter().map(|(_, row)| row);
        let fits = if head.len() > width {
            head.get(width..).is_some_and(is_blank)
                && filled(head) * 10 >= width * 6
                && filled(head) >= 2
        } else {
            let mut of_table = body.filter(|row| row.len() == width);
            head.len() >= 2
                && head.len() + 3 >= width
                && filled(head) == head.len()
                && of_table.all(|row| row.get(head.len()..).is_some_and(is_blank))
        };
        fits && !has_value(head)
            && !Self::begins_with_names(rows.get(at + 1..).unwrap_or_default(), width)
    }

    /// Whether the first record of the table holds names itself: it has no value where the others have some.
    fn begins_with_names(rows: &[(u64, Vec<String>)], width: usize) -> bool {
        let mut of_table = rows.iter().map(|(_, row)| row).filter(|row| row.len() == width);
        let Some(first) = of_table.next() else { return false };
        filled(first) >= 2 && !has_value(first) && of_table.any(|row| has_value(row))
    }

    /// Score of the records as a table.
    pub fn score(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a row has few fields")]
        let width = self.width as f64;
        let fitting = self.consistency * (1.0 - 1.0 / width) + 0.01 * self.consistency;
        // A decimal comma, or the commas of 12,34,567.00, also splits rows evenly.
        let doubt = if self.has_another_delimiter() { 0.5 } else { 1.0 };
        doubt * fitting - 0.02 * ratio(self.start as u64, self.rows.len() as u64)
    }

    /// Whether every record, header included, contains another delimiter within its cells, equally
    /// often.
    fn has_another_delimiter(&self) -> bool {
        let rows = self.rows.get(self.start.saturating_sub(1)..).unwrap_or_default();
        let count = |row: &[String], mark: char| {
            row.iter().map(|cell| cell.matches(mark).count()).sum::<usize>()
        };
        [';', '\t', '|'].into_iter().any(|mark| {
            let mut counts = rows.iter().map(|(_, row)| count(row, mark));
            rows.len() > 1
                && counts
                    .next()
                    .is_some_and(|first| first > 0 && counts.all(|other| other == first))
        })
    }
}
