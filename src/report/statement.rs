//! The reconciliation statement: from A's balance to B's by currency, a line for each reason.
//!
//! Every line is made of differences, but for that of amounts within tolerance. A statement that does not lead
//! from one total to the other is an error and is never shown.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use crate::coding::escape;
use crate::diagnostic::{Code, Problem};
use crate::domain::money::{Sum, name_of, with_rows};
use crate::domain::{
    Cells, FieldRef, Kind, Layout, Matched, Money, MoneyFields, PerSide, evidence,
};
use crate::store::{
    RecordKind, RunRow, Seen, Store, StoredDifference, StoredRecord, differences_of_reason,
    each_difference_since,
};

use super::Summary;
use super::figures::{count, counted, visible};

/// The line of amounts that agree within tolerance: it has no differences.
const WITHIN_TOLERANCE: &str = "WITHIN_TOLERANCE";
/// The line of amounts of a field that is not compared.
const NOT_COMPARED: &str = "NOT_COMPARED";
/// The reason of differences before attribution.
const NOT_ATTRIBUTED: &str = "NOT_ATTRIBUTED";

/// The way from A's total to B's in one field and currency: `a` and the lines add up to `b`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Statement {
    pub field: String,
    /// Null for amounts without a currency.
    pub currency: Option<String>,
    pub a: Sum,
    pub b: Sum,
    pub lines: Vec<Line>,
    #[serde(skip)]
    scale: u8,
}

/// The amounts that one reason moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    pub reason: String,
    pub functional: bool,
    pub amount: Sum,
    /// Differences; within tolerance, records.
    pub count: u64,
}

impl Line {
    /// The reason as people read it.
    pub fn name(&self) -> String {
        match self.reason.as_str() {
            WITHIN_TOLERANCE => "within tolerance".to_owned(),
            NOT_COMPARED => "not compared".to_owned(),
            NOT_ATTRIBUTED => "not attributed yet".to_owned(),
            code => visible(code).into_owned(),
        }
    }

    /// True if the line is made of differences.
    fn has_differences(&self) -> bool {
        ![WITHIN_TOLERANCE, NOT_COMPARED].contains(&self.reason.as_str())
    }

    pub const fn nature(&self) -> &'static str {
        if self.functional { "functional" } else { "non-functional" }
    }

    pub fn counted(&self) -> String {
        match self.has_differences() {
            true => counted(self.count, "difference", "differences"),
            false => counted(self.count, "record", "records"),
        }
    }
}

impl Statement {
    /// Field and currency.
    pub fn title(&self) -> String {
        title(&self.field, self.currency.as_deref())
    }

    /// A sum with as many decimals as the others of the statement, in groups of three digits.
    pub fn shown(&self, sum: &Sum) -> String {
        grouped(&sum.at_scale(self.scale).to_string())
    }

    /// A sum for a cell, with the same decimals.
    pub(super) fn plain(&self, sum: &Sum) -> String {
        sum.at_scale(self.scale).to_string()
    }
}

/// The list of a line's differences on the review page: exactly those that it counts. `None` where no list has them.
pub fn differences(run_id: &str, one: &Statement, line: &Line) -> Option<String> {
    if !line.has_differences() {
        return None;
    }
    let currency = match one.currency.as_deref() {
        None => "&no_currency=true".to_owned(),
        // Without a currency, the list would have those of all currencies.
        Some("") => return None,
        Some(currency) => format!("&currency={}", escape(currency)),
    };
    Some(format!(
        "/review/queue?run={}&view=items&status=ALL&as={}&monetary_field={}{currency}",
        escape(run_id),
        escape(&line.reason),
        escape(&one.field),
    ))
}

/// Field and currency, as a heading.
pub fn title(field: &str, currency: Option<&str>) -> String {
    format!("{}, {}", visible(field), visible(currency.unwrap_or("no currency")))
}

/// Commas between groups of three digits before the point.
pub fn grouped(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, decimals) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
    let mut shown = String::with_capacity(text.len() + whole.len() / 3);
    shown.push_str(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown + decimals
}

/// The statements of a run, and amounts that no statement contains.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Statements {
    pub statement: Vec<Statement>,
    /// Amounts that are not added, or not by their currency, in sentences.
    pub not_added: Vec<String>,
    /// The address of the review page in browsers, if it is known: lines lead there.
    #[serde(skip)]
    pub page: Option<String>,
}

impl Statements {
    pub fn is_empty(&self) -> bool {
        self.statement.is_empty()
    }

    /// The address of the list of a line's differences.
    pub(super) fn link(&self, run_id: &str, one: &Statement, line: &Line) -> Option<String> {
        Some(format!("{}{}", self.page.as_deref()?, differences(run_id, one, line)?))
    }

    /// A reason with differences, and a command that lists them.
    pub(super) fn command(&self, run_id: &str) -> Option<(String, String)> {
        let mut lines = self.statement.iter().flat_map(|one| &one.lines);
        // Of other codes the shell might take something for its own.
        let is_plain =
            |code: &str| code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let line = lines.find(|line| {
            line.has_differences() && line.reason != NOT_ATTRIBUTED && is_plain(&line.reason)
        })?;
        let sql = differences_of_reason(run_id, &line.reason);
        Some((line.name(), format!("recon sql \"{sql}\"")))
    }
}

/// Reads the statements of a compared run, which visits every difference.
pub fn read(store: &dyn Store, run: &RunRow, summary: &Summary) -> Result<Statements, Problem> {
    let fields = MoneyFields::of(&run.metadata);
    let mut lines = Lines::default();
    if !summary.money.is_empty() {
        let mut walk = Walk::new(run, &fields);
        store.each_difference(run.id, &mut |difference, record| {
            walk.visit(difference, record, reason_of(difference))
        })?;
        lines = walk.end();
    }
    of_lines(store, run, summary, &fields, &lines)
}

/// The state of reading a run's statements, to continue from.
#[derive(Clone, Default)]
pub struct StatementState {
    lines: Lines,
    seen: Seen,
    /// Differences read.
    pub visited: u64,
}

impl StatementState {
    /// Items that it keeps in memory.
    pub fn items(&self) -> usize {
        self.seen.items()
    }
}

/// Reads the statements of a compared run again: of a large run only what got another reason is looked at, and its amounts
/// go from one line to the other.
pub fn read_again(
    store: &dyn Store,
    run: &RunRow,
    summary: &Summary,
    known: StatementState,
) -> Result<(Statements, StatementState), Problem> {
    let fields = MoneyFields::of(&run.metadata);
    let mut next = StatementState::default();
    if !summary.money.is_empty() {
        let (mut then, mut now) = (Walk::new(run, &fields), Walk::new(run, &fields));
        let (seen, is_change) =
            each_difference_since(store, run.id, &known.seen, &mut |difference, record, had| {
                next.visited += 1;
                if let Some(had) = had {
                    then.visit(difference, record, had)?;
                }
                now.visit(difference, record, reason_of(difference))
            })?;
        next.seen = seen;
        next.lines = if is_change { known.lines } else { Lines::default() };
        for (line, (amount, count)) in now.end() {
            let (sum, items) = next.lines.entry(line).or_default();
            sum.plus(&amount);
            *items += count;
        }
        for (line, (amount, count)) in then.end() {
            let (sum, items) = next.lines.entry(line).or_default();
            sum.minus(&amount);
            *items = items.saturating_sub(count);
        }
        next.lines.retain(|_, (_, count)| *count > 0);
    }
    Ok((of_lines(store, run, summary, &fields, &next.lines)?, next))
}

fn reason_of<'d>(difference: &StoredDifference<'d>) -> &'d str {
    difference.attribution.map_or(NOT_ATTRIBUTED, |decided| decided.reason)
}

/// The statements that these lines make.
fn of_lines(
    store: &dyn Store,
    run: &RunRow,
    summary: &Summary,
    fields: &MoneyFields,
    lines: &Lines,
) -> Result<Statements, Problem> {
    let not_added = not_added(&run.layout, fields, summary);
    if summary.money.is_empty() {
        return Ok(Statements { not_added, ..Statements::default() });
    }
    let functional: BTreeMap<String, bool> = store
        .attribution_counts(run.id)?
        .into_iter()
        .map(|count| (count.reason, count.functional))
        .collect();
    let of = |money: &Money| {
        let mine = lines.iter().filter(|((field, currency, _), _)| {
            *field == money.field && *currency == money.currency
        });
        let lines = mine.map(|((_, _, reason), (amount, count))| Line {
            reason: reason.clone(),
            functional: functional.get(reason).copied().unwrap_or_default(),
            amount: *amount,
            count: *count,
        });
        let field = run.layout.fields().iter().find(|field| field.name == money.field);
        let is_compared = field.is_none_or(|field| field.compared);
        let quiet = if is_compared { WITHIN_TOLERANCE } else { NOT_COMPARED };
        statement(money, quiet, lines.collect())
    };
    let statement = summary.money.iter().map(of).collect::<Result<_, _>>()?;
    Ok(Statements { statement, not_added, page: None })
}

/// `quiet` is the line of amounts that are apart without a difference.
fn statement(money: &Money, quiet: &str, mut lines: Vec<Line>) -> Result<Statement, Problem> {
    if money.within_tolerance_records > 0 {
        lines.push(Line {
            reason: quiet.to_owned(),
            functional: true,
            amount: money.within_tolerance,
            count: money.within_tolerance_records,
        });
    }
    // Lines come in the order of their codes, which stays among equals.
    lines.sort_by_key(|line| (!line.functional, std::cmp::Reverse(line.amount.abs())));
    let mut end = money.a;
    lines.iter().for_each(|line| end.plus(&line.amount));
    if end != money.b {
        let message = format!(
            "the statement of `{}` in {} leads from {} to {end}, but B's total is {}",
            money.field,
            money.currency_name(),
            money.a,
            money.b
        );
        let help = "the store was changed from outside, or this is a bug in recon";
        return Err(Problem::new(Code::BooksDoNotClose, message).help(help));
    }
    Ok(Statement {
        field: money.field.clone(),
        currency: money.currency.clone(),
        a: money.a,
        b: money.b,
        scale: end.scale().max(money.b.scale()),
        lines,
    })
}

/// The record whose differences are being read.
#[derive(Default)]
struct Present {
    number: u64,
    kind: Option<RecordKind>,
    a: Option<Vec<u8>>,
    b: Option<Vec<u8>>,
    matched: Option<Matched>,
    differences: Vec<(FieldRef, String)>,
}

/// By field, currency and reason.
type Lines = BTreeMap<(String, Option<String>, String), (Sum, u64)>;

struct Walk<'r> {
    layout: &'r Layout,
    fields: &'r MoneyFields,
    present: Present,
    lines: Lines,
}

impl<'r> Walk<'r> {
    fn new(run: &'r RunRow, fields: &'r MoneyFields) -> Self {
        Self { layout: &run.layout, fields, present: Present::default(), lines: Lines::default() }
    }

    fn end(mut self) -> Lines {
        self.end_record();
        self.lines
    }

    /// Takes a difference, with a reason that it has or had.
    fn visit(
        &mut self,
        difference: &StoredDifference<'_>,
        record: &StoredRecord<'_>,
        reason: &str,
    ) -> Result<(), Problem> {
        if self.present.number != record.number {
            self.end_record();
            let unreadable = |reason: String| {
                let message =
                    format!("record {} of the store can't be read: {reason}", record.number);
                Problem::new(Code::Evidence, message)
                    .help("the store was changed from outside; ingest again")
            };
            let side = |text: Option<&str>| {
                text.map(|text| {
                    let mut cells = Vec::new();
                    evidence::read(self.layout, text, &mut cells).map(|()| cells)
                })
                .transpose()
                .map_err(unreadable)
            };
            let matched = record.matched.filter(|_| record.kind == RecordKind::Group);
            let matched = matched.map(serde_json::from_str).transpose();
            self.present = Present {
                number: record.number,
                kind: Some(record.kind),
                a: side(record.a)?,
                b: side(record.b)?,
                matched: matched.map_err(|error| unreadable(error.to_string()))?,
                differences: Vec::new(),
            };
        }
        self.present.differences.push((difference.field, reason.to_owned()));
        Ok(())
    }

    /// Adds the record's amounts to the lines of its reasons.
    fn end_record(&mut self) {
        let present = std::mem::take(&mut self.present);
        let Some(kind) = present.kind else { return };
        let at = |position: usize| FieldRef::Field(u16::try_from(position).unwrap_or(u16::MAX));
        let reason_of = |field: FieldRef| {
            present
                .differences
                .iter()
                .find(|(of, _)| *of == field)
                .map(|(_, reason)| reason.as_str())
        };
        let is_different = |position: usize| reason_of(at(position)).is_some();
        let sides = PerSide {
            a: present.a.as_deref().map(Cells::new),
            b: present.b.as_deref().map(Cells::new),
        };
        let mut seen: Vec<(usize, Option<String>)> = Vec::new();
        with_rows(self.layout, sides, present.matched.as_ref(), |rows| {
            self.fields.steps(kind.fate(), rows, &is_different, |step| {
                let Some(reason) = step.cause.difference().and_then(reason_of) else { return };
                let position = self.fields.amounts.get(step.amount).copied().unwrap_or_default();
                let field = self.layout.fields().get(position).map_or("", |field| &field.name);
                let currency = name_of(step.currency);
                let key = (field.to_owned(), currency.clone(), reason.to_owned());
                let (sum, count) = self.lines.entry(key).or_default();
                sum.add(step.value);
                let one = (step.amount, currency);
                if !seen.contains(&one) {
                    *count += 1;
                    seen.push(one);
                }
            });
        });
    }
}

/// Describes amounts that can't be added, or not by currency.
fn not_added(layout: &Layout, fields: &MoneyFields, summary: &Summary) -> Vec<String> {
    let mut sentences = Vec::new();
    for one in &summary.money {
        let field = visible(&one.field);
        if fields.currency.is_none() {
            sentences.push(format!(
                "`{field}`: no `currency_field` is set, so all amounts are in one total"
            ));
        } else if one.currency.is_none() {
            sentences.push(format!("`{field}`: amounts without a currency have their own total"));
        }
        for (side, number) in [("a", one.unreadable_a), ("b", one.unreadable_b)] {
            if number > 0 {
                sentences.push(unreadable(one, side, number));
            }
        }
    }
    if let Some(one) = summary.money.first() {
        for (side, filtered, rejected) in
            [("A", one.filtered_a, one.rejected_a), ("B", one.filtered_b, one.rejected_b)]
        {
            for (number, what) in [(filtered, "left out by the filter"), (rejected, "rejected")] {
                if number > 0 {
                    let rows = counted(number, "row", "rows");
                    sentences.push(format!("source {side}: {rows} {what}, in no total"));
                }
            }
        }
    }
    let plain = layout.fields().iter().enumerate().filter(|(at, field)| {
        field.kind == Kind::Decimal && *at >= layout.key_len() && !fields.amounts.contains(at)
    });
    let plain: Vec<String> =
        plain.map(|(_, field)| format!("`{}`", visible(&field.name))).collect();
    if !plain.is_empty() {
        sentences.push(format!("not marked `monetary`: {}", plain.join(", ")));
    }
    sentences
}

fn unreadable(money: &Money, side: &str, number: u64) -> String {
    let listed = money.unreadable.iter().filter(|one| one.side == side);
    let mut places: Vec<String> = listed
        .map(|one| format!("{}:{} `{}`", visible(&one.file), one.line, visible(&one.text)))
        .collect();
    let more = number.saturating_sub(places.len() as u64);
    if more > 0 {
        places.push(format!("and {} more", count(more)));
    }
    format!(
        "`{}` in {}: {} of {} can't be read, counted as 0: {}",
        visible(&money.field),
        visible(money.currency_name()),
        counted(number, "amount", "amounts"),
        side.to_uppercase(),
        places.join(", ")
    )
}

/// Writes the statements as one line of JSON.
pub fn write_json(statements: &Statements, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, statements)?;
    out.write_all(b"\n")
}

/// The statement as a chart: bars from one total to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waterfall {
    pub height: usize,
    pub bars: Vec<Bar>,
    /// The chart in a sentence.
    pub about: String,
}

/// One bar of the chart, in units of its view box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    pub tone: &'static str,
    pub name: String,
    pub amount: String,
    pub x: String,
    pub y: usize,
    pub width: String,
    /// Vertical position of names and amounts.
    pub base: usize,
}

impl Waterfall {
    /// The height of a row.
    const ROW: usize = 28;
    /// Ends of the bars.
    const FROM: f64 = 330.0;
    const TO: f64 = 780.0;
    /// The most characters of a name.
    const NAME: usize = 34;

    /// The chart of a statement between these systems. Bars only show proportions, so floats do.
    pub fn new(statement: &Statement, systems: (&str, &str)) -> Self {
        let mut level = statement.a;
        let mut levels = vec![level.to_f64()];
        for line in &statement.lines {
            level.plus(&line.amount);
            levels.push(level.to_f64());
        }
        let least = levels.iter().copied().fold(f64::INFINITY, f64::min);
        let most = levels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let span = if most > least { most - least } else { most.abs().max(1.0) };
        // The totals' bars begin left of the least level, so that small differences of large totals show.
        let start = least - span / 4.0;
        let scale = (Self::TO - Self::FROM) / (most - start).max(f64::MIN_POSITIVE);
        let place = |value: f64| Self::FROM + (value - start) * scale;
        let bar = |row: usize, tone, name: String, sum: &Sum, from: f64, to: f64| Bar {
            tone,
            name: super::figures::clip(&name, Self::NAME).into_owned(),
            amount: statement.shown(sum),
            x: format!("{:.2}", from.min(to)),
            y: row * Self::ROW + 5,
            width: format!("{:.2}", (to - from).abs().max(1.0)),
            base: row * Self::ROW + 19,
        };
        let first = levels.first().copied().unwrap_or_default();
        let last = levels.last().copied().unwrap_or_default();
        let mut bars = vec![bar(
            0,
            "matched",
            visible(systems.0).into_owned(),
            &statement.a,
            Self::FROM,
            place(first),
        )];
        for (at, (line, step)) in statement.lines.iter().zip(levels.windows(2)).enumerate() {
            let tone = if line.functional { "near" } else { "broken" };
            bars.push(bar(at + 1, tone, line.name(), &line.amount, place(step[0]), place(step[1])));
        }
        let row = bars.len();
        bars.push(bar(
            row,
            "matched",
            visible(systems.1).into_owned(),
            &statement.b,
            Self::FROM,
            place(last),
        ));
        let about = format!(
            "{}: from {} in {} to {} in {}",
            statement.title(),
            statement.shown(&statement.a),
            visible(systems.0),
            statement.shown(&statement.b),
            visible(systems.1)
        );
        Self { height: bars.len() * Self::ROW, bars, about }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(text: &str) -> Sum {
        let mut sum = Sum::default();
        sum.add(text.parse().unwrap());
        sum
    }

    fn money() -> Money {
        Money {
            field: "amount".into(),
            currency: Some("EUR".into()),
            a: sum("1234567.5"),
            b: sum("1234000.00"),
            within_tolerance: sum("0.5"),
            within_tolerance_records: 1,
            ..Money::default()
        }
    }

    fn line(reason: &str, functional: bool, amount: &str) -> Line {
        Line { reason: reason.into(), functional, amount: sum(amount), count: 1 }
    }

    #[test]
    fn lines_lead_from_one_total_to_the_other() {
        let lines = vec![line("TYPO", false, "-600"), line("FX", true, "32")];
        let statement = statement(&money(), WITHIN_TOLERANCE, lines).unwrap();
        let names: Vec<_> = statement.lines.iter().map(|line| line.name()).collect();
        assert_eq!(names, ["FX", "within tolerance", "TYPO"]);
        assert_eq!(statement.shown(&statement.a), "1,234,567.50");
        assert_eq!(statement.shown(&sum("-600")), "-600.00");
        let wrong = super::statement(&money(), WITHIN_TOLERANCE, Vec::new()).unwrap_err();
        assert!(wrong.message.contains("leads from 1234567.5 to 1234568.0"), "{}", wrong.message);
    }

    #[test]
    fn the_bars_of_the_waterfall_join() {
        let lines = vec![line("TYPO", false, "-600"), line("FX", true, "32")];
        let statement = statement(&money(), WITHIN_TOLERANCE, lines).unwrap();
        let chart = Waterfall::new(&statement, ("BANK", "LEDGER"));
        let number = |text: &str| text.parse::<f64>().unwrap();
        let right = |bar: &Bar| number(&bar.x) + number(&bar.width);
        let [a, fx, _, typo, b] = chart.bars.as_slice() else { panic!("{:?}", chart.bars) };
        assert!((right(a) - number(&fx.x)).abs() < 0.05, "{chart:?}");
        assert!((number(&typo.x) - right(b)).abs() < 0.05, "{chart:?}");
        assert_eq!((a.name.as_str(), b.name.as_str()), ("BANK", "LEDGER"));
    }
}
