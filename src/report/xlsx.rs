//! The result as a workbook: figures, breaks, differences with their reasons, rejected rows.
//!
//! Text stays text and never becomes a formula. A number is written as a number only if a
//! spreadsheet can hold it exactly, else as text: spreadsheets keep 15 digits and silently drop the
//! rest.

use std::collections::BTreeMap;
use std::io::Write;

use rust_xlsxwriter::{Format, FormatAlign, Formula, Workbook, Worksheet, XlsxError};

use crate::diagnostic::{Code, Problem};
use crate::domain::metadata::Source;
use crate::domain::{Date, FieldRef, Instant, Kind, Layout, PerSide};
use crate::store::{RunRow, Store, StoredDifference, StoredRecord};

use super::deciders::Deciders;
use super::details::{FieldDetails, delta};
use super::differences::References;
use super::findings::{rates, verdict};
use super::reasoning::Reasoning;
use super::statement::Statements;
use super::{ReportData, Summary, field_name, unwritable};

/// Spreadsheets open at most 2^20 rows, header included.
const MOST_ROWS: u32 = (1 << 20) - 1;
/// Maximum characters in a cell.
const LONGEST: usize = 32_767;
/// Digits that a spreadsheet keeps.
const EXACT_DIGITS: usize = 15;

const SUMMARY: usize = 0;
const BREAKS: usize = 1;
const DIFFERENCES: usize = 2;
const REJECTED: usize = 3;
const FIELDS: usize = 4;
const STATEMENT: usize = 5;

pub fn write_xlsx(
    store: &dyn Store,
    run: &RunRow,
    data: &ReportData,
    out: &mut dyn Write,
) -> Result<(), Problem> {
    let mut book = Book::new(run).map_err(|error| failed(&error))?;
    book.functional = store
        .attribution_counts(run.id)?
        .into_iter()
        .map(|count| (count.reason, count.functional))
        .collect();
    book.deciders = Deciders::read(store, run)?;
    let mut wrong = None;
    let read = store.each_difference(run.id, &mut |difference, record| {
        book.difference(difference, record).map_err(|error| {
            let problem = failed(&error);
            wrong = Some(problem.clone());
            problem
        })
    });
    if let Some(problem) = wrong {
        return Err(problem);
    }
    read?;
    let rejected = store.rejected(run.id, MOST_ROWS as usize)?;
    let bytes = book
        .end_record()
        .and_then(|()| book.rejected(&rejected, &data.summary.sources))
        .and_then(|()| book.summary(&data.summary))
        .and_then(|()| book.fields(&data.details))
        .and_then(|()| book.statements(&data.statements, &data.summary))
        .and_then(|()| book.filters())
        .and_then(|()| book.workbook.save_to_buffer().map_err(Wrong::Sheet))
        .map_err(|error| failed(&error))?;
    out.write_all(&bytes).map_err(|error| unwritable(&error))
}

enum Wrong {
    Sheet(XlsxError),
    Ours(Problem),
}

impl From<XlsxError> for Wrong {
    fn from(error: XlsxError) -> Self {
        Self::Sheet(error)
    }
}

fn failed(error: &Wrong) -> Problem {
    match error {
        Wrong::Ours(problem) => problem.clone(),
        Wrong::Sheet(error) => {
            Problem::new(Code::OutputFailed, format!("can't write the workbook: {error}"))
        }
    }
}

/// How a typed cell is displayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    Decimals(usize),
    Date,
    Moment,
}

/// The differences of one record, for the sheet of breaks.
#[derive(Default)]
struct Break {
    number: u64,
    differences: u64,
    awaiting: u64,
    a: String,
    b: String,
    fields: Vec<String>,
    reasons: Vec<String>,
}

struct Book<'r> {
    workbook: Workbook,
    run: &'r RunRow,
    functional: BTreeMap<String, bool>,
    /// For each reason the row of its first difference.
    first_of: BTreeMap<String, u32>,
    deciders: Deciders,
    references: References,
    present: Break,
    breaks: u32,
    differences: u32,
    rejected_rows: u32,
    field_rows: u32,
    left_out: u64,
    head: Format,
    numbers: BTreeMap<Shape, Format>,
}

impl<'r> Book<'r> {
    fn new(run: &'r RunRow) -> Result<Self, Wrong> {
        let mut book = Self {
            workbook: Workbook::new(),
            run,
            functional: BTreeMap::new(),
            first_of: BTreeMap::new(),
            deciders: Deciders::default(),
            references: References::of_run(run),
            present: Break::default(),
            breaks: 0,
            differences: 0,
            rejected_rows: 0,
            field_rows: 0,
            left_out: 0,
            head: Format::new().set_bold().set_align(FormatAlign::Left),
            numbers: BTreeMap::new(),
        };
        book.workbook.add_worksheet().set_name("summary")?;
        book.begin("breaks", &BREAK_COLUMNS)?;
        book.begin("differences", &DIFFERENCE_COLUMNS)?;
        book.begin("rejected", &REJECTED_COLUMNS)?;
        Ok(book)
    }

    /// Starts a sheet that keeps no rows in memory, and writes its header.
    fn begin(&mut self, name: &str, columns: &[(&str, f64)]) -> Result<(), Wrong> {
        let sheet = self.workbook.add_worksheet_with_constant_memory()?;
        sheet.set_name(name)?;
        sheet.set_freeze_panes(1, 0)?;
        for (at, (column, width)) in (0u16..).zip(columns) {
            sheet.set_column_width(at, *width)?;
            sheet.write_string_with_format(0, at, *column, &self.head)?;
        }
        Ok(())
    }

    fn sheet(&mut self, at: usize) -> Result<&mut Worksheet, Wrong> {
        Ok(self.workbook.worksheet_from_index(at)?)
    }

    fn difference(
        &mut self,
        difference: &StoredDifference<'_>,
        record: &StoredRecord<'_>,
    ) -> Result<(), Wrong> {
        if self.present.number != record.number {
            self.end_record()?;
            self.references.of(record, &self.run.layout).map_err(Wrong::Ours)?;
            self.present = Break {
                number: record.number,
                a: self.references.a.clone(),
                b: self.references.b.clone(),
                ..Break::default()
            };
        }
        let layout = &self.run.layout;
        let field = field_name(layout, difference.field).to_owned();
        let decided = difference.attribution;
        let reason = decided.map_or("", |decided| decided.reason);
        self.present.differences += 1;
        if decided.is_some_and(|decided| decided.status == crate::domain::Status::Unknown) {
            self.present.awaiting += 1;
        }
        for (all, one) in
            [(&mut self.present.fields, field.as_str()), (&mut self.present.reasons, reason)]
        {
            if !one.is_empty() && !all.iter().any(|known| known == one) {
                all.push(one.to_owned());
            }
        }
        if self.differences == MOST_ROWS {
            self.left_out += 1;
            return Ok(());
        }
        self.differences += 1;
        let row = self.differences;
        if !self.first_of.contains_key(reason) {
            self.first_of.insert(reason.to_owned(), row);
        }
        let functional = match self.functional.get(reason) {
            Some(true) => "functional",
            Some(false) => "non-functional",
            None => "",
        };
        let confidence = decided.map(|decided| decided.confidence.to_string()).unwrap_or_default();
        let note = Reasoning::read(decided.and_then(|decided| decided.explanation)).line();
        let values = [difference.value_a, difference.value_b];
        let [a, b] = values.map(|value| typed(layout, difference.field, value.unwrap_or_default()));
        let layout = &self.run.layout;
        let delta = delta(layout, difference).map(|delta| delta.to_string()).unwrap_or_default();
        let [amount, currency, date] = self.references.worth.clone();
        let decision = self.deciders.decision(difference.number).cloned().unwrap_or_default();
        let assigned_by = decided.map_or("", |decided| decided.assigned_by);
        let assigned_by = self.deciders.name(assigned_by).to_owned();
        let (reference_a, reference_b) = (self.present.a.clone(), self.present.b.clone());
        for (at, text) in [
            (0, reference_a.as_str()),
            (1, reference_b.as_str()),
            (2, &field),
            (3, difference.diff_type.name()),
            (4, difference.severity.name()),
            (5, difference.value_a.unwrap_or_default()),
            (6, difference.value_b.unwrap_or_default()),
            (7, reason),
            (8, functional),
            (9, &confidence),
            (10, decided.map_or("", |decided| decided.status.name())),
            (11, &assigned_by),
            (12, &note),
            (13, &delta),
            (14, &amount),
            (15, &currency),
            (16, &date),
            (17, &decision.checker),
            (18, &decision.authorizer),
            (19, &decision.comment),
        ] {
            let figure = match at {
                5 => a,
                6 => b,
                9 => confidence.parse().ok().map(|value| (value, Shape::Decimals(2))),
                13 | 14 => exact(text),
                16 => moment(text),
                _ => None,
            };
            self.cell(DIFFERENCES, row, at, text, figure)?;
        }
        Ok(())
    }

    fn end_record(&mut self) -> Result<(), Wrong> {
        let present = std::mem::take(&mut self.present);
        if present.differences == 0 || self.breaks == MOST_ROWS {
            return Ok(());
        }
        self.breaks += 1;
        let row = self.breaks;
        let figures = [present.differences, present.awaiting];
        self.cell(BREAKS, row, 0, &present.a, None)?;
        self.cell(BREAKS, row, 1, &present.b, None)?;
        for (at, figure) in (2u16..).zip(figures) {
            // A record has no more differences than fields.
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
            self.cell(BREAKS, row, at, "", Some((figure as f64, Shape::Decimals(0))))?;
        }
        self.cell(BREAKS, row, 4, &present.fields.join(", "), None)?;
        self.cell(BREAKS, row, 5, &present.reasons.join(", "), None)
    }

    /// Sums, largest differences and examples of each field.
    fn fields(&mut self, details: &[FieldDetails]) -> Result<(), Wrong> {
        self.begin("fields", &FIELD_COLUMNS)?;
        let mut at = 0;
        for field in details {
            for (currency, sums) in &field.sums {
                at += 1;
                self.cell(FIELDS, at, 0, &field.name, None)?;
                self.cell(FIELDS, at, 1, "sum", None)?;
                self.cell(FIELDS, at, 2, "", Some((counted(sums.count), Shape::Decimals(0))))?;
                let sum = sums.sum.as_deref().unwrap_or_default();
                self.cell(FIELDS, at, 5, sum, exact(sum))?;
                let size = sums.size.as_deref().unwrap_or_default();
                self.cell(FIELDS, at, 6, size, exact(size))?;
                self.cell(FIELDS, at, 7, currency, None)?;
            }
            let kinds = [("largest", &field.largest), ("first", &field.sample)];
            for (kind, row) in
                kinds.into_iter().flat_map(|(kind, rows)| rows.iter().map(move |row| (kind, row)))
            {
                at += 1;
                self.cell(FIELDS, at, 0, &field.name, None)?;
                self.cell(FIELDS, at, 1, kind, None)?;
                self.cell(FIELDS, at, 9, &row.reference, None)?;
                for (column, value) in [(3, &row.a), (4, &row.b), (5, &row.delta)] {
                    let text = value.as_deref().unwrap_or_default();
                    let number = field.entire || row.delta.is_some();
                    self.cell(FIELDS, at, column, text, exact(text).filter(|_| number))?;
                }
                self.cell(FIELDS, at, 7, &row.currency, None)?;
                self.cell(FIELDS, at, 8, &row.date, moment(&row.date))?;
            }
        }
        self.field_rows = at;
        Ok(())
    }

    /// The way from A's totals to B's, with formulas that add it up.
    fn statements(&mut self, all: &Statements, summary: &Summary) -> Result<(), Wrong> {
        if all.is_empty() {
            return Ok(());
        }
        self.begin("statement", &STATEMENT_COLUMNS)?;
        let mut row = 0;
        for one in &all.statement {
            let amounts = std::iter::once(&one.a).chain(one.lines.iter().map(|line| &line.amount));
            // A sum of texts, or of numbers that lost digits, would be wrong.
            let adds_up = amounts.chain([&one.b]).all(|sum| exact(&one.plain(sum)).is_some());
            let first = row + 1;
            let from = (format!("{} (A)", summary.sources.a.system), one.plain(&one.a));
            let lines = one.lines.iter().map(|line| {
                let counted = Some((counted(line.count), Shape::Decimals(0)));
                ((line.name(), one.plain(&line.amount)), line.nature(), counted)
            });
            let links: Vec<Option<u32>> = std::iter::once(None)
                .chain(one.lines.iter().map(|line| self.first_of.get(&line.reason).copied()))
                .collect();
            let written = std::iter::once((from, "", None)).chain(lines).zip(links);
            for (((name, amount), nature, number), link) in written {
                row += 1;
                self.cell(STATEMENT, row, 0, &one.field, None)?;
                self.cell(STATEMENT, row, 1, one.currency.as_deref().unwrap_or_default(), None)?;
                match link {
                    Some(first) => {
                        let place = format!("internal:differences!H{}", first + 1);
                        self.sheet(STATEMENT)?.write_url_with_text(
                            row,
                            2,
                            place.as_str(),
                            &name,
                        )?;
                    }
                    None => self.cell(STATEMENT, row, 2, &name, None)?,
                }
                self.cell(STATEMENT, row, 3, nature, None)?;
                self.cell(STATEMENT, row, 4, &amount, exact(&amount).filter(|_| adds_up))?;
                self.cell(STATEMENT, row, 5, "", number)?;
            }
            // Rows count from 1 in formulas.
            let end = one.plain(&one.b);
            let decimals = end.split_once('.').map_or(0, |(_, decimals)| decimals.len());
            let sum = format!("=SUM(E{}:E{})", first + 1, row + 1);
            let gap = format!("=ROUND(E{}-E{},{decimals})", row + 3, row + 2);
            let to = format!("{} (B)", summary.sources.b.system);
            for (name, formula, value) in [
                ("sum", Some(sum), end.as_str()),
                (&to, None, &end),
                ("left unexplained", Some(gap), "0"),
            ] {
                row += 1;
                self.cell(STATEMENT, row, 0, &one.field, None)?;
                self.cell(STATEMENT, row, 1, one.currency.as_deref().unwrap_or_default(), None)?;
                self.cell(STATEMENT, row, 2, name, None)?;
                let Some(formula) = formula.filter(|_| adds_up) else {
                    self.cell(STATEMENT, row, 4, value, exact(value).filter(|_| adds_up))?;
                    continue;
                };
                let format = self.shape(Shape::Decimals(decimals));
                let formula = Formula::new(formula).set_result(value);
                self.sheet(STATEMENT)?.write_formula_with_format(row, 4, formula, &format)?;
            }
            row += 1;
        }
        for sentence in &all.not_added {
            row += 1;
            self.cell(STATEMENT, row, 2, sentence, None)?;
        }
        Ok(())
    }

    /// Adds a filter to the header of every list.
    fn filters(&mut self) -> Result<(), Wrong> {
        let lists = [
            (BREAKS, self.breaks, BREAK_COLUMNS.len()),
            (DIFFERENCES, self.differences, DIFFERENCE_COLUMNS.len()),
            (REJECTED, self.rejected_rows, REJECTED_COLUMNS.len()),
            (FIELDS, self.field_rows, FIELD_COLUMNS.len()),
        ];
        for (sheet, rows, columns) in lists {
            let last = u16::try_from(columns.saturating_sub(1)).unwrap_or(u16::MAX);
            self.sheet(sheet)?.autofilter(0, 0, rows, last)?;
        }
        Ok(())
    }

    fn rejected(
        &mut self,
        rows: &[crate::store::RejectedRow],
        sources: &PerSide<Source>,
    ) -> Result<(), Wrong> {
        for (at, rejected) in (1u32..).zip(rows) {
            self.rejected_rows = at;
            #[expect(clippy::cast_precision_loss, reason = "a line's number is below 2^53")]
            let line = Some((rejected.line as f64, Shape::Decimals(0)));
            self.cell(REJECTED, at, 0, rejected.side.letter(), None)?;
            self.cell(REJECTED, at, 1, "", line)?;
            self.cell(REJECTED, at, 2, &rejected.code, None)?;
            self.cell(REJECTED, at, 3, &rejected.message, None)?;
            self.cell(REJECTED, at, 4, rejected.key.as_deref().unwrap_or_default(), None)?;
            self.cell(REJECTED, at, 5, &rejected.text, None)?;
            self.cell(REJECTED, at, 6, sources[rejected.side].file(rejected.offset), None)?;
        }
        Ok(())
    }

    fn summary(&mut self, summary: &Summary) -> Result<(), Wrong> {
        let left_out = self.left_out;
        let head = self.head.clone();
        let percent = Format::new().set_num_format("0.0 %");
        let thousands = Format::new().set_num_format("#,##0");
        let sheet = self.sheet(SUMMARY)?;
        sheet.set_column_width(0, 34)?;
        sheet.set_column_width(1, 18)?;
        sheet.set_column_width(2, 18)?;
        let mut row = 0;
        for (name, text) in [
            ("Job", summary.job.as_str()),
            ("Business date", &summary.batch_date),
            ("Result", &verdict(summary)),
            ("Source A", &summary.sources.a.system),
            ("Source B", &summary.sources.b.system),
            ("Run", &summary.run_id),
            ("Status", summary.status),
            ("SHA-256 of A", &summary.sources.a.sha256),
            ("SHA-256 of B", &summary.sources.b.sha256),
        ] {
            sheet.write_string_with_format(row, 0, name, &head)?;
            sheet.write_string(row, 1, fitting(text))?;
            row += 1;
        }
        if left_out > 0 {
            let note = format!(
                "{left_out} differences did not fit into the sheet; --format csv has all of them"
            );
            sheet.write_string_with_format(row, 0, "Omitted", &head)?;
            sheet.write_string(row, 1, note)?;
            row += 1;
        }
        let records = &summary.records;
        row += 1;
        for (at, name) in (0u16..).zip(["Rows", "A", "B"]) {
            sheet.write_string_with_format(row, at, name, &head)?;
        }
        for (name, a, b) in records.rows().into_iter().chain(summary.open_rows()) {
            row += 1;
            sheet.write_string(row, 0, name)?;
            sheet.write_number_with_format(row, 1, counted(a), &thousands)?;
            sheet.write_number_with_format(row, 2, counted(b), &thousands)?;
        }
        let mut figures = vec![("Records", records.total())];
        if summary.is_compared() {
            figures.push(("matched", records.matched));
            figures.push(("of which within tolerance", records.within_tolerance));
            figures.push(("breaks", records.breaks));
            figures.push(("Differences", summary.differences.total));
        }
        if let Some(gate) = summary.gate {
            figures.push(("Gate: passed", gate.passed));
            figures.push(("Gate: blocked", gate.blocked));
        }
        row += 1;
        for (name, figure) in figures {
            row += 1;
            sheet.write_string(row, 0, name)?;
            sheet.write_number_with_format(row, 1, counted(figure), &thousands)?;
        }
        let matches = summary.match_figures();
        if !matches.is_empty() {
            row += 2;
            sheet.write_string_with_format(row, 0, "Matches", &head)?;
            let total = counted(summary.match_total());
            sheet.write_number_with_format(row, 1, total, &thousands)?;
        }
        for (name, figure) in matches {
            row += 1;
            sheet.write_string(row, 0, fitting(&name))?;
            sheet.write_number_with_format(row, 1, counted(figure), &thousands)?;
        }
        if summary.is_attributed() && summary.differences.total > 0 {
            for (name, rate, _) in rates(summary) {
                row += 1;
                sheet.write_string(row, 0, name)?;
                sheet.write_number_with_format(row, 1, rate, &percent)?;
            }
            row += 2;
            for (at, name) in (0u16..).zip(["Reason", "differences", "accepted", "nature"]) {
                sheet.write_string_with_format(row, at, name, &head)?;
            }
            for reason in &summary.attributions.reasons {
                row += 1;
                let nature = if reason.functional { "functional" } else { "non-functional" };
                sheet.write_string(row, 0, fitting(&reason.code))?;
                sheet.write_number_with_format(row, 1, counted(reason.count), &thousands)?;
                sheet.write_number_with_format(row, 2, counted(reason.accepted), &thousands)?;
                sheet.write_string(row, 3, nature)?;
            }
        }
        Ok(())
    }

    fn shape(&mut self, shape: Shape) -> Format {
        let format = self.numbers.entry(shape).or_insert_with(|| {
            Format::new().set_num_format(match shape {
                Shape::Decimals(0) => "0".to_owned(),
                Shape::Decimals(decimals) => format!("0.{}", "0".repeat(decimals)),
                Shape::Date => "yyyy-mm-dd".to_owned(),
                // Instants are UTC; spreadsheets have no time zones.
                Shape::Moment => "yyyy-mm-dd hh:mm:ss\"Z\"".to_owned(),
            })
        });
        format.clone()
    }

    /// Writes the figure with its decimals if there is one, else the text.
    fn cell(
        &mut self,
        sheet: usize,
        row: u32,
        column: u16,
        text: &str,
        figure: Option<(f64, Shape)>,
    ) -> Result<(), Wrong> {
        if let Some((value, shape)) = figure {
            let format = self.shape(shape);
            self.sheet(sheet)?.write_number_with_format(row, column, value, &format)?;
        } else if !text.is_empty() {
            self.sheet(sheet)?.write_string(row, column, fitting(text))?;
        }
        Ok(())
    }
}

const BREAK_COLUMNS: [(&str, f64); 6] = [
    ("reference A", 24.0),
    ("reference B", 24.0),
    ("differences", 11.0),
    ("to review", 11.0),
    ("fields", 40.0),
    ("reasons", 40.0),
];

const STATEMENT_COLUMNS: [(&str, f64); 6] = [
    ("field", 18.0),
    ("currency", 9.0),
    ("line", 34.0),
    ("nature", 15.0),
    ("amount", 22.0),
    ("differences", 11.0),
];

const FIELD_COLUMNS: [(&str, f64); 10] = [
    ("field", 22.0),
    ("what", 10.0),
    ("differences", 11.0),
    ("value A", 20.0),
    ("value B", 20.0),
    ("B − A", 20.0),
    ("sizes", 20.0),
    ("currency", 9.0),
    ("date", 12.0),
    ("reference", 24.0),
];

const DIFFERENCE_COLUMNS: [(&str, f64); 20] = [
    ("reference A", 24.0),
    ("reference B", 24.0),
    ("field", 18.0),
    ("type", 22.0),
    ("severity", 10.0),
    ("value A", 20.0),
    ("value B", 20.0),
    ("reason", 24.0),
    ("nature", 15.0),
    ("confidence", 11.0),
    ("status", 12.0),
    ("assigned by", 26.0),
    ("note", 60.0),
    ("B − A", 16.0),
    ("amount", 16.0),
    ("currency", 9.0),
    ("date", 12.0),
    ("checker", 20.0),
    ("authorizer", 20.0),
    ("comment", 40.0),
];

const REJECTED_COLUMNS: [(&str, f64); 7] = [
    ("side", 6.0),
    ("line", 10.0),
    ("code", 18.0),
    ("problem", 50.0),
    ("key", 24.0),
    ("row", 80.0),
    ("file", 30.0),
];

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
const fn counted(number: u64) -> f64 {
    number as f64
}

/// A text that fits into a cell.
fn fitting(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    let kept: String = text.chars().take(LONGEST - 1).collect();
    format!("{kept}…")
}

/// A value as a number or date, if its field has such a type and the conversion is exact.
fn typed(layout: &Layout, field: FieldRef, text: &str) -> Option<(f64, Shape)> {
    let FieldRef::Field(at) = field else { return None };
    match layout.fields().get(usize::from(at))?.kind {
        Kind::Decimal | Kind::Integer => exact(text),
        Kind::Date | Kind::Datetime => moment(text),
        Kind::Text | Kind::Boolean => None,
    }
}

/// A date or an instant in whole seconds, as days since the spreadsheet epoch. Spreadsheets
/// disagree about the calendar before March 1900, so older dates stay text.
fn moment(text: &str) -> Option<(f64, Shape)> {
    /// 1970-01-01, counted from 1899-12-30.
    const EPOCH: i64 = 25_569;
    let (day, seconds) = match text.parse::<Date>() {
        Ok(date) => (i64::from(date.days()), None),
        Err(_) => {
            let instant = Instant::parse_rfc3339_utc(text).filter(|one| one.nanoseconds() == 0)?;
            let seconds = instant.seconds();
            (seconds.div_euclid(86_400), Some(seconds.rem_euclid(86_400)))
        }
    };
    let day = day + EPOCH;
    if !(61..2_958_466).contains(&day) {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "days of the calendar are far below 2^53")]
    Some(match seconds {
        None => (day as f64, Shape::Date),
        Some(seconds) => (day as f64 + seconds as f64 / 86_400.0, Shape::Moment),
    })
}

/// A plain decimal of at most 15 digits.
fn exact(text: &str) -> Option<(f64, Shape)> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let plain = !whole.is_empty() && digits(whole) && digits(decimals);
    let point = unsigned.contains('.') != decimals.is_empty();
    if !plain || !point || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    let significant = format!("{whole}{decimals}");
    if significant.trim_start_matches('0').len() > EXACT_DIGITS {
        return None;
    }
    text.parse().ok().map(|value| (value, Shape::Decimals(decimals.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_numbers_become_numbers() {
        assert_eq!(exact("100.00"), Some((100.0, Shape::Decimals(2))));
        assert_eq!(exact("-0.5"), Some((-0.5, Shape::Decimals(1))));
        assert_eq!(exact("0.000000000000001"), Some((0.000_000_000_000_001, Shape::Decimals(15))));
        assert_eq!(exact("123456789012345"), Some((123_456_789_012_345.0, Shape::Decimals(0))));
        for text in [
            "",
            "-",
            "007",
            "1e5",
            "+1",
            "1.",
            ".5",
            "=1",
            "1,0",
            "1234567890123456",
            "0.1234567890123456",
        ] {
            assert_eq!(exact(text), None, "{text}");
        }
    }

    #[test]
    fn dates_are_days_and_instants_keep_their_seconds() {
        assert_eq!(moment("2026-01-15"), Some((46_037.0, Shape::Date)));
        assert_eq!(moment("2026-01-15T12:00:00Z"), Some((46_037.5, Shape::Moment)));
        for text in ["", "1899-12-31", "2026-01-15T12:00:00.5Z", "15.01.2026", "46037"] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn long_text_is_cut_to_the_size_of_a_cell() {
        assert_eq!(fitting("x"), "x");
        let long = fitting(&"ä".repeat(40_000));
        assert_eq!(long.chars().count(), LONGEST);
        assert!(long.ends_with('…'));
    }
}
