//! Finds headings of several lines: groups above the names, types below them, rulers around them.
//!
//! A data row must never be taken for a heading, so a heading has no value in any column whose rows are numbers,
//! dates or flags. Mere probabilities are reported and change nothing.

use super::names;
use super::profile::Profiler;
use super::reading::Trial;
use super::records::{Records, filled, is_ruler};
use crate::domain::Kind;

/// How many rows below the first one may be headings too.
const MOST: usize = 3;

/// Words for the types of columns.
const TYPES: [&str; 20] = [
    "text",
    "string",
    "str",
    "char",
    "varchar",
    "nvarchar",
    "int",
    "integer",
    "bigint",
    "number",
    "numeric",
    "decimal",
    "float",
    "double",
    "real",
    "date",
    "datetime",
    "timestamp",
    "time",
    "boolean",
];

/// Whether a text may be a name: those of rows of data are rather numbers and references.
fn may_name(cell: &str) -> bool {
    let digits = cell.chars().filter(|c| c.is_numeric()).count();
    let letters = cell.chars().filter(|c| c.is_alphabetic()).count();
    digits == 0 || (digits <= 2 && letters >= 4)
}

/// The lines above the data, if there are several.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Headings {
    /// Lines between the names and the data.
    pub below: Option<String>,
    pub notes: Vec<String>,
}

/// The nature of the row below a header.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    /// The names; the row above it groups them.
    Names,
    /// The types of the columns above it.
    Types,
    /// A line of dashes.
    Ruler,
    Doubtful,
}

impl Headings {
    /// Finds the line of names, where the table then starts, and removes the lines between it and the data.
    pub fn of(records: &mut Records, profiler: &mut Profiler) -> Self {
        let mut found = Self::default();
        for _ in 0..MOST {
            let rows = records.rows.get(records.start..).unwrap_or_default();
            let [(line, head), (next_line, next), body @ ..] = rows else { break };
            let (line, next_line) = (*line, *next_line);
            let Some(below) = Below::of(head, next, body, records.width, profiler) else { break };
            match below {
                Below::Names if !records.header_differs => {
                    found.notes.push(format!(
                        "lines {line} and {next_line} are both headings: line {next_line} names the columns"
                    ));
                    records.start += 1;
                }
                Below::Types | Below::Ruler => {
                    let what = if below == Below::Ruler { "a ruler" } else { "their types" };
                    found.below = Some(format!("line {next_line}, below the names, is {what}"));
                    records.rows.remove(records.start + 1);
                }
                Below::Names | Below::Doubtful => {
                    found.notes.push(format!(
                        "line {next_line} may be a second heading, and is read as data; if it names the \
                         columns, set `skip_rows: {}`",
                        next_line - 1
                    ));
                    break;
                }
            }
        }
        records.measure();
        found
    }
}

impl Below {
    fn of(
        head: &[String],
        next: &[String],
        body: &[(u64, Vec<String>)],
        width: usize,
        profiler: &mut Profiler,
    ) -> Option<Self> {
        if is_ruler(next) {
            return Some(Self::Ruler);
        }
        let of_table = |row: &[String]| row.len() == width && filled(row) > 0;
        if next == head
            || !of_table(head)
            || !of_table(next)
            || !next.iter().all(|cell| may_name(cell))
        {
            return None;
        }
        let body: Vec<&[String]> = body
            .iter()
            .map(|(_, row)| row.as_slice())
            .filter(|row| row.len() == width && *row != head && *row != next)
            .collect();
        if body.len() < 2 {
            return None;
        }
        // Enough columns to decide; a file may have thousands.
        let (mut unlike, mut repeated) = (0usize, false);
        for at in 0..width.min(100) {
            let cell = |row: &[String]| row.get(at).map_or("", |cell| cell.trim()).to_owned();
            let (above, text) = (cell(head), cell(next));
            let cells: Vec<String> = body.iter().map(|row| cell(row)).collect();
            repeated |= !text.is_empty() && cells.contains(&text);
            let profile = profiler.profile(cells.iter().map(String::as_str));
            if profile.reading.kind == Kind::Text || text.is_empty() {
                continue;
            }
            let mut trial = Trial::of_one(std::slice::from_ref(&profile.reading));
            let mut is_value = |text: &str| {
                let mut is_value = false;
                trial.text(text, |_, cell| is_value = !cell.is_unparsed());
                is_value
            };
            let is_marker = Profiler::is_null_marker(&text);
            if is_marker || is_value(&text) || (!above.is_empty() && is_value(&above)) {
                return None;
            }
            unlike += 1;
        }
        if unlike == 0 || repeated {
            return None;
        }
        let distinct = |row: &[String]| {
            let mut cells: Vec<&str> = row.iter().map(|cell| cell.trim()).collect();
            cells.retain(|cell| !cell.is_empty());
            cells.sort_unstable();
            cells.dedup();
            cells.len()
        };
        let usual = |row: &[String]| row.iter().filter(|cell| names::is_usual(cell)).count();
        let is_full = |row: &[String]| {
            let is_used = |at: usize| body.iter().any(|row| !row[at].trim().is_empty());
            (0..width).all(|at| !row[at].trim().is_empty() || !is_used(at))
        };
        // Group headings have gaps where spreadsheets merge cells, or repeat themselves.
        let is_grouped = distinct(head) < distinct(next);
        let is_type = |cell: &String| TYPES.contains(&cell.trim().to_lowercase().as_str());
        let are_usual = usual(next) * 2 >= filled(next) && usual(next) > usual(head);
        Some(if next.iter().all(is_type) {
            Self::Types
        } else if is_full(next)
            && ((is_grouped && usual(next) >= usual(head)) || (unlike > 1 && are_usual))
        {
            Self::Names
        } else {
            Self::Doubtful
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headings(text: &str) -> (u64, Headings) {
        let rows = text.lines().zip(1..);
        let rows = rows
            .map(|(line, number)| (number, line.split(',').map(str::to_owned).collect::<Vec<_>>()));
        let mut records = Records::of(rows.collect()).unwrap();
        let found = Headings::of(&mut records, &mut Profiler::new());
        (records.rows[records.start].0, found)
    }

    const ROWS: &str = "T1,2026-01-02,10.50,EUR\nT2,2026-01-03,7.00,EUR\nT3,2026-01-04,8.20,EUR\n";

    #[test]
    fn the_line_of_names_is_found_among_several_headings() {
        let many: String = (1..=30).map(|n| format!("T{n},2026-01-02,{n}.50,EUR\n")).collect();
        for rows in [ROWS, &many] {
            for (above, names) in [
                ("Trade,,Money,\nid,date,amount,ccy\n", 2),
                ("Trade,Trade,Money,Money\nid,date,amount,ccy\n", 2),
                ("Identification,When,How much,In\nid,date,amount,ccy\n", 2),
                ("All,,,\nTrade,,Money,\nid,date,amount,ccy\n", 3),
                ("Trade,,Money,\nField 1,Field 2,Field 3,Field 4\n", 2),
                ("id,date,amount,ccy\ntext,date,decimal,text\n", 1),
                ("id,date,amount,ccy\n--,----,------,---\n", 1),
                ("id,date,amount,ccy\n", 1),
            ] {
                let (line, found) = headings(&format!("{above}{rows}"));
                assert_eq!(line, names, "{above}{found:?}");
                let is_said = !found.notes.is_empty() || found.below.is_some();
                assert_eq!(is_said, above.lines().count() > 1, "{above}{found:?}");
            }
        }
    }

    #[test]
    fn rows_of_data_are_no_headings() {
        for first in [
            "T0,2026-01-01,n/a,EUR",
            "T0,Pending,Pending,EUR",
            "TX,2026-01-01,1.00,EUR",
            "id,date,amount,ccy",
            "INV-17,open,open,EUR",
        ] {
            let (line, found) = headings(&format!("id,date,amount,ccy\n{first}\n{ROWS}"));
            assert_eq!((line, found), (1, Headings::default()), "{first}");
        }
        // Where names are repeated, a row of words is not the header.
        let text =
            format!("id,date,amount,amount\nnew,open,pending,tbd\n{}", ROWS.replace("EUR", "1.00"));
        let (line, found) = headings(&text);
        assert_eq!((line, found.below.is_none(), found.notes.len()), (1, true, 1));
        // One text among numbers says too little.
        let (line, found) = headings("name,amount\nShell,pending\nBP,1.00\nEni,2.00\n");
        assert_eq!((line, found.below.is_none(), found.notes.len()), (1, true, 1));
    }
}
