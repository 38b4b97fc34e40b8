//! Finds totals, trailers and lines of text at the end of a file.
//!
//! A data row must never be taken for a footer, so a footer needs two signs: it reads as a total or
//! text, and it differs from every data row. With only one sign, the row is kept and a note says
//! so.

use super::records::is_ruler;

/// A row and the line where it starts.
pub type Line = (u64, Vec<String>);

/// The rows after the data.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Footer {
    pub rows: u64,
    pub first_line: u64,
    pub why: String,
    /// The preceding row, if it may belong to the footer.
    pub doubt: Option<Doubt>,
}

/// A row that may be a footer but is kept.
#[derive(Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Its only sign is that it lacks fields.
    pub is_short: bool,
    pub note: String,
}

/// How many rows at the end are checked.
pub const LONGEST: usize = 1_000;

/// Words that start a total or a trailer.
const WORDS: &[&str] = &[
    "total",
    "totals",
    "grand",
    "subtotal",
    "subtotals",
    "sub",
    "sum",
    "sums",
    "overall",
    "count",
    "summe",
    "summen",
    "gesamt",
    "gesamtsumme",
    "gesamtbetrag",
    "saldo",
    "endsaldo",
    "totaal",
    "totale",
    "totali",
    "totais",
    "totales",
    "totaux",
    "suma",
    "sumar",
    "summa",
    "soma",
    "somme",
    "összesen",
    "mindösszesen",
    "celkem",
    "spolu",
    "skupaj",
    "ukupno",
    "samtals",
    "cộng",
    "jumlah",
    "razem",
    "ogółem",
    "toplam",
    "yhteensä",
    "итого",
    "всего",
    "合計",
    "合计",
    "总计",
    "総計",
    "eof",
    "trailer",
    "trl",
    "tlr",
    "end",
    "ende",
    "closing",
    "endbestand",
    "schlusssaldo",
    "kontostand",
    "podsumowanie",
    "обороты",
    "остаток",
    "残高",
    "余额",
];

/// Common properties of the data rows.
struct Body<'r> {
    rows: Vec<&'r [String]>,
    width: usize,
    /// Columns with a value in every row.
    always: Vec<usize>,
    /// How many cells of a row usually have a value.
    usual: usize,
}

impl Footer {
    /// The footer of a table. `tail` has its last rows, `rows` the whole sample; `head` is its
    /// header, or its first row.
    pub fn of(tail: &[Line], rows: &[Line], head: &Line, width: usize) -> Self {
        let is_row = |(line, row): &&Line| *line > head.0 && *row != head.1;
        let usual = usual(rows.iter().filter(is_row).map(|(_, row)| row), width);
        let tail: Vec<&Line> = tail.iter().filter(|(line, _)| *line > head.0).collect();
        let is_weak = |row: &Vec<String>| {
            *row != head.1
                && (row.len() != width
                    || is_ruler(row)
                    || filled(row) * 2 <= usual
                    || row.iter().any(|cell| begins(cell)))
        };
        let weak = tail.iter().rev().take_while(|(_, row)| is_weak(row)).take(LONGEST).count();
        let (before, last) = tail.split_at(tail.len() - weak);
        let Some((first_weak, _)) = last.first() else { return Self::default() };
        let body: Vec<&[String]> = rows
            .iter()
            .chain(before.iter().copied())
            .filter(is_row)
            .filter(|(line, row)| line < first_weak && row.len() == width)
            .map(|(_, row)| row.as_slice())
            .collect();
        if body.is_empty() {
            return Self::default();
        }
        let body = Body::of(body, width, usual);
        let mut whys: Vec<String> = Vec::new();
        let mut footer = Self::default();
        let mut empty = 0;
        for (at, (line, row)) in last.iter().enumerate().rev() {
            let above = at.checked_sub(1).and_then(|at| last.get(at));
            let is_closed = above.is_some_and(|(_, row)| is_ruler(row)) && row.len() < width;
            let why = match is_closed && filled(row) > 0 && !is_ruler(row) {
                true => Some("stands below a ruler".to_owned()),
                false => body.is_footer(row, footer.rows > 0),
            };
            let Some(why) = why else {
                footer.doubt = body.doubt(*line, row, footer.rows + 1);
                break;
            };
            footer.rows += 1;
            footer.first_line = *line;
            match filled(row) {
                0 if !is_ruler(row) => empty += 1,
                _ => whys.push(format!("line {line} {why}")),
            }
        }
        whys.reverse();
        if empty > 0 {
            whys.push(counted(empty, "row is empty", "rows are empty"));
        }
        footer.why = whys.join("; ");
        footer
    }
}

impl<'r> Body<'r> {
    fn of(rows: Vec<&'r [String]>, width: usize, usual: usize) -> Self {
        let is_filled = |row: &&[String], at: usize| !cell(row, at).is_empty();
        let always = (0..width).filter(|at| rows.iter().all(|row| is_filled(row, *at))).collect();
        Self { rows, width, always, usual }
    }

    /// Why a row is certainly not data; `above` a footer, a title or an empty row belongs to it.
    fn is_footer(&self, row: &[String], above: bool) -> Option<String> {
        // A row that spans lines can't be skipped.
        if row.is_empty() || row.iter().any(|cell| cell.contains(['\n', '\r'])) {
            return None;
        }
        if is_ruler(row) {
            return Some("is a ruler".to_owned());
        }
        if row.iter().all(|cell| cell == "\u{1a}") {
            return Some("is an end-of-file mark (Ctrl-Z)".to_owned());
        }
        if filled(row) == 0 && !self.always.is_empty() {
            return Some(String::new());
        }
        let at = row.iter().position(|cell| !cell.trim().is_empty())?;
        let first = cell(row, at);
        let empty = self.lacks(row);
        let others = || self.rows.iter().map(|row| cell(row, at)).filter(|cell| !cell.is_empty());
        let is_unlike = self.is_unlike(at, first);
        let shown = shown(first);
        if begins(first) {
            let is_certain = !others().any(begins)
                && match (is_bare(first), empty) {
                    (true, 0) => is_unlike && self.rows.len() > 1,
                    (true, _) => true,
                    (false, 0) => false,
                    (false, _) => is_unlike,
                };
            return is_certain.then(|| match empty {
                0 => format!("begins with `{shown}`, where every other row has digits"),
                _ => format!(
                    "begins with `{shown}` and lacks {}",
                    counted(
                        empty,
                        "value that every other row has",
                        "values that every other row has"
                    )
                ),
            });
        }
        let is_title = above && filled(row) == 1 && row.len() < self.width;
        let is_text = (is_title || first.contains(char::is_whitespace))
            && is_unlike
            && empty > 0
            && filled(row) * 2 <= self.usual;
        is_text.then(|| format!("is text (`{shown}`)"))
    }

    /// Number of values that a row lacks and every other row has.
    fn lacks(&self, row: &[String]) -> usize {
        self.always.iter().filter(|at| cell(row, **at).is_empty()).count()
    }

    /// Whether a first cell lacks the digits of all others, or has spaces that none has.
    fn is_unlike(&self, at: usize, first: &str) -> bool {
        let others = || self.rows.iter().map(|row| cell(row, at)).filter(|cell| !cell.is_empty());
        let has_digit = |text: &str| text.contains(|c: char| c.is_numeric());
        let has_space = |text: &str| text.contains(char::is_whitespace);
        at == 0
            && others().next().is_some()
            && ((!has_digit(first) && others().all(has_digit))
                || (has_space(first) && !others().any(has_space)))
    }

    /// The note on a row that may be a footer.
    fn doubt(&self, line: u64, row: &[String], rows: u64) -> Option<Doubt> {
        let advice = format!("if it is not data, set `skip_footer: {rows}`");
        let at = row.iter().position(|cell| !cell.trim().is_empty());
        let is_total = |column: usize| {
            let text = cell(row, column);
            begins(text)
                && (Some(column) == at || is_bare(text))
                && !self.rows.iter().any(|row| begins(cell(row, column)))
        };
        if let Some(column) = (0..row.len()).find(|column| is_total(*column)) {
            let total = shown(cell(row, column));
            let note = format!("line {line} has `{total}` and is read as data; {advice}");
            return Some(Doubt { is_short: false, note });
        }
        if let Some(at) = at
            && row.len() == self.width
            && self.is_unlike(at, cell(row, at))
            && self.lacks(row) > 0
        {
            let values = counted(
                self.lacks(row),
                "value that every other row has",
                "values that every other row has",
            );
            let note = format!(
                "line {line}, at the end of the file, begins with `{}` and lacks {values}, and is read as data; {advice}",
                shown(cell(row, at))
            );
            return Some(Doubt { is_short: false, note });
        }
        let extras = row.get(self.width..).unwrap_or_default();
        if row.is_empty() || row.len() == self.width || (!extras.is_empty() && filled(extras) == 0)
        {
            return None;
        }
        let note = format!(
            "line {line}, at the end of the file, has {} instead of {}, so it is rejected; {advice}, \
             otherwise check whether the file is complete",
            counted(row.len(), "field", "fields"),
            self.width
        );
        Some(Doubt { is_short: row.len() < self.width, note })
    }
}

/// How many cells of a row usually have a value.
fn usual<'r>(rows: impl Iterator<Item = &'r Vec<String>>, width: usize) -> usize {
    let mut counts: Vec<usize> =
        rows.filter(|row| row.len() == width).map(|row| filled(row)).collect();
    counts.sort_unstable();
    counts.get(counts.len() / 2).copied().unwrap_or(0)
}

fn cell(row: &[String], at: usize) -> &str {
    row.get(at).map_or("", |cell| cell.trim())
}

fn filled(row: &[String]) -> usize {
    row.iter().filter(|cell| !cell.trim().is_empty()).count()
}

fn words(cell: &str) -> impl Iterator<Item = String> {
    cell.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

/// Whether the cell starts with a word for totals or trailers, or is the mark of a total: `*`, `**`.
fn begins(cell: &str) -> bool {
    let cell = cell.trim();
    let is_mark = matches!(cell, "*" | "**" | "***");
    is_mark || words(cell).next().is_some_and(|word| WORDS.contains(&word.as_str()))
}

/// True if the cell is only such a word.
fn is_bare(cell: &str) -> bool {
    words(cell).all(|word| WORDS.contains(&word.as_str()))
}

/// The start of a cell, on one line.
fn shown(cell: &str) -> String {
    const LENGTH: usize = 40;
    let text = cell.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: String = text.chars().take(LENGTH).collect();
    if shown.len() < text.len() { format!("{shown}…") } else { shown }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn footer(text: &str) -> Footer {
        let lines: Vec<Line> = text
            .lines()
            .zip(1..)
            .map(|(line, number)| (number, line.split(',').map(str::to_owned).collect()))
            .collect();
        let width = lines[0].1.len();
        Footer::of(&lines, &lines, &lines[0], width)
    }

    #[test]
    fn totals_and_texts_after_the_data_are_footers() {
        for (text, rows) in [
            ("id,day,amount\nR1,x,1\nR2,y,2\nTOTAL,,3\n", 1),
            ("id,amount\nR1,1\nR2,2\nGrand total:,3\n", 1),
            ("id,day,amount\nR1,x,1\nR2,y,2\nTotal EUR,,3\nMade by me on Monday\n", 2),
            ("id,day,text,amount\nR1,x,a,1\nR2,y,b,2\n,,Summe,3\n", 1),
            ("id,day,amount\nR1,x,1\nR2,y,2\n(2 rows)\n", 1),
            ("id,day,amount\nR1,x,1\nR2,y,2\nTRL,2\n", 1),
            ("id,day,amount\nR1,x,1\nTOTAL,,3\nEOF\n", 2),
            ("id,day,amount\nR1,x,1\nR2,y,2\n,,\n,Podsumowanie,\n", 2),
            ("id,day,amount\nR1,x,1\nR2,y,2\n,,\n,,\n", 2),
            ("id,day,amount\nR1,x,1\nR2,y,2\nDisclaimer:\nMade by me on Monday\n", 2),
            ("id,day,amount\nR1,x,1\nR2,y,2\n--,--,--\n*,,3\n---\n", 3),
            ("day,text,amount\n01.02.,x,1\n02.02.,y,2\nClosing Balance,,3\n", 1),
        ] {
            let found = footer(text);
            assert_eq!((found.rows, &found.doubt), (rows, &None), "{text}");
        }
    }

    #[test]
    fn possible_data_rows_are_kept() {
        for (text, is_said) in [
            // A company may be called Total.
            ("name,day,amount\nShell plc,x,1\nBP plc,y,2\nTotal Energies,,3\n", true),
            ("name,amount\nShell,1\nBP,2\nTotal,3\n", true),
            ("id,name,amount\nR1,Total SA,1\nR2,BP,2\nR3,Total SA,3\n", false),
            // A truncated file.
            ("id,day,amount\nR1,x,1\nR2,y,2\nR3,z\n", true),
            ("id,day,amount\nR1,x,1\nR2,y,2\nR\n", true),
            // A continuation of the previous row.
            ("id,day,text\nR1,x,a\nR2,y,b\n,,two words\n", false),
            ("id,day,text\nR1,x,a\nR2,y,b\nR3,,\n", false),
            ("id,day,amount\nR1,x,1\nR2,y,2,\n", false),
        ] {
            let found = footer(text);
            assert_eq!((found.rows, found.doubt.is_some()), (0, is_said), "{text}{found:?}");
        }
    }
}
