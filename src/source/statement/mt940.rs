//! SWIFT MT940 statements, and MT942 reports of the day, as many banks write them.
//!
//! A message is a list of fields, `:61:` and so on, each on one line or several. What stands outside of
//! fields (envelopes, separators) and fields without use here are passed over; only what decides
//! about money must be understood: the lines of a statement and its balances.

use std::io::Read;
use std::ops::Range;
use std::path::Path;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Deserialize;

use super::input::Lines;
use super::narrative::Narrative;
use super::pages::{Link, LinkedPages, OpenPages};
use super::source::StatementSpec;
use super::{Balances, Format, Proof, Prove, Row, Rows, Waiting, given, malformed, signed};
use crate::diagnostic::{Problem, SpecProblem};
use crate::domain::Decimal;
use crate::source::{KindSpec, SourcePlan};

/// The options of `read: { mt940: … }`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Mt940Spec(StatementSpec);

impl KindSpec for Mt940Spec {
    fn resolve(&self, base: &Path) -> Result<SourcePlan, Vec<SpecProblem>> {
        self.0.plan(Format::Mt940, base)
    }
}

/// The most bytes of a field.
const LONGEST_FIELD: usize = 64 * 1024;

pub(super) struct Mt940<'r> {
    lines: Lines<'r>,
    /// The field at hand: its tag, its text with line breaks, and its first line.
    field: Option<Field>,
    statement: Statement,
    has_field: bool,
    is_done: bool,
    proof: Proof,
    parts: Vec<String>,
    /// The last `:61:`, whose `:86:` may still follow.
    movement: Option<Movement>,
    waiting: Waiting,
    pages: OpenPages,
}

struct Field {
    tag: String,
    text: String,
    line: u64,
}

/// A statement, or a page of one.
#[derive(Default)]
struct Statement {
    balances: Balances,
    /// The number of its part in the file; none before its first row.
    part: Option<usize>,
    reference: Option<String>,
    currency: Option<String>,
    is_closed: bool,
    is_open: bool,
    /// The numbers of statement and page, where `:28C:` has both.
    number: Option<(String, u64)>,
    /// The balances of the page at hand.
    opening: Option<Link>,
    closing: Option<Link>,
}

impl Statement {
    /// A statement without a number goes by the message's reference.
    fn take_reference(&mut self) {
        if self.balances.statement.is_none() {
            self.balances.statement.clone_from(&self.reference);
        }
    }
}

/// A `:61:` as it is written.
struct Movement {
    line: u64,
    value_date: String,
    booking_date: String,
    amount: Decimal,
    is_reversal: bool,
    is_expected: bool,
    code: Option<String>,
    reference: Option<String>,
    bank_reference: Option<String>,
    supplement: Option<String>,
}

impl<'r> Mt940<'r> {
    pub fn new(text: impl Read + Send + 'r, proof: Proof) -> Self {
        Self {
            lines: Lines::new(text),
            field: None,
            statement: Statement::default(),
            has_field: false,
            is_done: false,
            proof,
            parts: Vec::new(),
            movement: None,
            waiting: Waiting::new(),
            pages: OpenPages::default(),
        }
    }

    /// Takes the next line; a field ends where another begins, or the message ends.
    fn step(&mut self) -> Result<(), Problem> {
        let Some(line) = self.lines.next()?.map(str::to_owned) else {
            self.is_done = true;
            self.end_field()?;
            self.end_message()?;
            if !self.has_field {
                return Err(malformed(
                    0,
                    "no field of an MT940 message, such as `:61:`, in this file",
                )
                .help("`mt940` reads the SWIFT text files of banks"));
            }
            return Ok(());
        };
        let line = line.as_str().trim_start_matches(['\u{1}', '\u{feff}']);
        let is_end = line == "-" || ["-}", "-XXX", "{1:"].iter().any(|end| line.starts_with(end));
        // The envelope may share a line with the first field.
        let line = line.rfind("{4:").map_or(line, |at| &line[at + 3..]);
        let next = tagged(line).map(|(tag, text)| Field {
            tag: tag.to_owned(),
            text: text.to_owned(),
            line: self.lines.number(),
        });
        if is_end {
            self.end_field()?;
            self.end_message()?;
        }
        if let Some(next) = next {
            self.has_field = true;
            self.end_field()?;
            self.field = Some(next);
        } else if let Some(field) = &mut self.field {
            if field.text.len() + line.len() > LONGEST_FIELD {
                return Err(malformed(
                    field.line,
                    format!("the field `:{}:` is longer than 64 KiB", field.tag),
                ));
            }
            field.text.push('\n');
            field.text.push_str(line);
        }
        Ok(())
    }

    fn end_field(&mut self) -> Result<(), Problem> {
        let Some(Field { tag, text, line }) = self.field.take() else { return Ok(()) };
        if tag != "86" && tag != "NS" {
            self.end_movement("")?;
        }
        let first = text.lines().next().unwrap_or_default();
        match tag.as_str() {
            "20" => {
                self.end_message()?;
                self.statement.reference = given(first);
                self.statement.balances.line = line;
            }
            "25" | "25P" => {
                if self.statement.is_closed {
                    self.end_message()?;
                }
                self.statement.balances.account = given(first);
            }
            "28" | "28C" => {
                self.statement.balances.statement = given(first);
                self.statement.number = first.split_once('/').and_then(|(statement, page)| {
                    Some((given(statement)?, page.trim().parse().ok()?))
                });
            }
            "60" | "60F" | "60M" => {
                // Another page of the same statement, in the same message.
                if self.statement.is_open {
                    self.end_page()?;
                }
                self.balance(&tag, first, line)?;
            }
            "62" | "62F" | "62M" => self.balance(&tag, first, line)?,
            "34F" if self.statement.currency.is_none() => {
                self.statement.currency = first.get(..3).and_then(given);
            }
            "61" => {
                self.statement.is_open = true;
                // Some banks break the line before the amount.
                let read = movement(&text, line).or_else(|problem| {
                    movement(&text.replacen('\n', "", 1), line).map_err(|_| problem)
                });
                self.movement = Some(read?);
            }
            "86" => self.end_movement(&text)?,
            _ => {}
        }
        Ok(())
    }

    fn balance(&mut self, tag: &str, text: &str, line: u64) -> Result<(), Problem> {
        let wrong =
            || malformed(line, format!("`{text}` is no balance: mark, date, currency, amount"));
        let balance = text.trim();
        let is_credit = match balance.get(..1).ok_or_else(wrong)? {
            "C" => true,
            "D" => false,
            _ => return Err(wrong()),
        };
        let currency = balance.get(7..10).and_then(given).ok_or_else(wrong)?;
        let unsigned = amount(balance.get(10..).ok_or_else(wrong)?.trim()).ok_or_else(wrong)?;
        let value = signed(unsigned, is_credit);
        let statement = &mut self.statement;
        if !statement.is_open {
            statement.balances.line = line;
        }
        statement.is_open = true;
        let is_between = tag.ends_with('M');
        let link = Some(Link { is_between, currency: currency.clone(), balance: value });
        if tag.starts_with("60") {
            statement.opening = link;
            statement.balances.open(&currency, value);
            statement.currency = Some(currency);
        } else {
            statement.is_closed = true;
            statement.closing = link;
            statement.balances.close(&currency, value);
        }
        Ok(())
    }

    /// Makes a row of the movement at hand; its `:86:` says `information`.
    fn end_movement(&mut self, information: &str) -> Result<(), Problem> {
        let Some(movement) = self.movement.take() else { return Ok(()) };
        let narrative = Narrative::read(information);
        let statement = &mut self.statement;
        statement.take_reference();
        let currency = statement.currency.clone();
        if !movement.is_expected {
            let code = currency.as_deref().unwrap_or_default();
            statement.balances.book(code, movement.amount, movement.line)?;
        }
        let parts = &mut self.parts;
        let part = *statement.part.get_or_insert_with(|| {
            parts.push(statement.balances.part_name());
            parts.len() - 1
        });
        let mut row = statement.balances.row(part, movement.line);
        row.value_date = Some(movement.value_date);
        row.booking_date = Some(movement.booking_date);
        row.amount = Some(movement.amount);
        row.currency = currency;
        row.status = Some(if movement.is_expected { "PDNG" } else { "BOOK" }.to_owned());
        row.bank_reference = movement.bank_reference;
        // `EREF` says that the reference is the one of this name in `:86:`.
        row.customer_reference = movement
            .reference
            .and_then(|own| narrative.reference(&own).map_or(Some(own), |other| given(&other)));
        row.transaction_code = movement.code;
        row.reversal = Some(movement.is_reversal);
        row.end_to_end_id = narrative.end_to_end_id.as_deref().and_then(given);
        row.counterparty = narrative.name.as_deref().and_then(given);
        let supplement = movement.supplement.as_deref();
        row.counterparty_account = narrative
            .account
            .as_deref()
            .and_then(given)
            .or_else(|| supplement.filter(|text| is_account(text)).map(str::to_owned));
        row.remittance = narrative.remittance.as_deref().and_then(given);
        if information.is_empty() {
            row.remittance = supplement.and_then(given);
        }
        self.waiting.push_back(row);
        Ok(())
    }

    /// Proves the page, and goes on with the next page of the statement.
    fn end_page(&mut self) -> Result<(), Problem> {
        let statement = &mut self.statement;
        statement.take_reference();
        if std::mem::take(&mut statement.is_open) {
            self.proof.check(&statement.balances)?;
            let (opening, closing) = (statement.opening.take(), statement.closing.take());
            let is_between =
                |link: &Option<Link>| link.as_ref().is_some_and(|link| link.is_between);
            if is_between(&opening) || is_between(&closing) {
                let Balances { account, statement: name, line, .. } = &statement.balances;
                let (number, page) = statement.number.clone().unzip();
                let of_all = Balances {
                    account: account.clone(),
                    statement: number.clone().or_else(|| name.clone()),
                    ..Balances::default()
                };
                let pages = self.pages.linked.entry((account.clone(), number));
                pages
                    .or_insert_with(|| LinkedPages::new(of_all.name(), *line))
                    .add(page, opening, closing);
            }
        }
        statement.balances.currencies.clear();
        statement.is_closed = false;
        Ok(())
    }

    fn end_message(&mut self) -> Result<(), Problem> {
        self.end_movement("")?;
        self.end_page()?;
        self.statement = Statement::default();
        Ok(())
    }
}

/// The tag of a line and the rest, if a field begins on it.
fn tagged(line: &str) -> Option<(&str, &str)> {
    let (tag, text) = line.strip_prefix(':')?.split_once(':')?;
    let is_number = tag.len() >= 2 && tag.as_bytes()[..2].iter().all(u8::is_ascii_digit);
    let is_tag = match tag.len() {
        2 => is_number || tag == "NS",
        3 => is_number && tag.as_bytes()[2].is_ascii_alphanumeric(),
        _ => false,
    };
    is_tag.then_some((tag, text))
}

/// `1234,5`, as banks write it: a comma before the decimals, none or many, zeros in front.
fn amount(text: &str) -> Option<Decimal> {
    let text = text.trim_end().replace(',', ".");
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !is_plain { None } else { Decimal::parse(text.as_bytes()).ok() }
}

/// The supplementary line of some banks is the other party's account.
fn is_account(text: &str) -> bool {
    let bytes = text.trim().as_bytes();
    (15..=34).contains(&bytes.len())
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..4].iter().all(u8::is_ascii_digit)
        && bytes[4..].iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

fn year_of(two_digits: i16) -> i16 {
    if two_digits < 80 { 2000 + two_digits } else { 1900 + two_digits }
}

/// A day, or the last one of its month: some banks pay interest on 30 February.
fn day(year: i16, month: i8, day: i8) -> Option<Date> {
    let first = Date::new(year, month, 1).ok()?;
    Date::new(year, month, day).ok().or_else(|| (day <= 31).then(|| first.last_of_month()))
}

/// The date `YYMMDD`, as text, and as a day to compare with.
fn value_date(text: &str) -> Option<(String, Date)> {
    let number = |range: Range<usize>| text.get(range)?.parse::<i8>().ok();
    let (year, month, number) = (number(0..2)?, number(2..4)?, number(4..6)?);
    let year = year_of(i16::from(year));
    Some((format!("{year:04}-{month:02}-{number:02}"), day(year, month, number)?))
}

/// The date `MMDD` in the year that brings it nearest to the value date.
fn entry_date(text: &str, value: Date) -> Option<String> {
    let number = |range: Range<usize>| text.get(range)?.parse::<i8>().ok();
    let (month, number) = (number(0..2)?, number(2..4)?);
    (-1..=1)
        .filter_map(|shift| {
            let year = value.year() + shift;
            let date = day(year, month, number)?;
            // 29 February is a day of leap years only.
            let is_real = date.day() == number;
            let distance = value.until(date).ok()?.get_days().abs();
            Some((!is_real, distance, year))
        })
        .min()
        .map(|(_, _, year)| format!("{year:04}-{month:02}-{number:02}"))
}

/// A `:61:`: value date, entry date, mark, amount, kind, references, and a line more.
fn movement(text: &str, line: u64) -> Result<Movement, Problem> {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let wrong = |what: &str| malformed(line, format!("`:61:{first}`: {what}"));
    let (value_text, value) =
        value_date(first).ok_or_else(|| wrong("it does not begin with a date, YYMMDD"))?;
    let after = first.get(6..).unwrap_or_default();
    let has_entry_date = after.bytes().take(4).filter(u8::is_ascii_digit).count() == 4;
    let booking_date = match after.get(..4).filter(|_| has_entry_date) {
        Some(text) => entry_date(text, value).ok_or_else(|| wrong("its entry date is no MMDD"))?,
        None => value_text.clone(),
    };
    let after = if has_entry_date { after.get(4..).unwrap_or_default() } else { after };
    let after = after.trim_start();
    let marks =
        [("RC", false), ("RD", true), ("EC", true), ("ED", false), ("C", true), ("D", false)];
    let (mark, is_credit) = marks
        .into_iter()
        .find(|(mark, _)| after.starts_with(mark))
        .ok_or_else(|| wrong("no mark C, D, RC or RD follows the dates"))?;
    let after = &after[mark.len()..];
    // The third letter of the currency may stand between mark and amount.
    let after = after.strip_prefix(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(after);
    let end = after.find(|one: char| !one.is_ascii_digit() && one != ',' && one != '.');
    let (digits, after) = after.split_at(end.unwrap_or(after.len()));
    let unsigned = amount(digits).ok_or_else(|| wrong("no amount follows the mark"))?;
    let is_code = |code: &str| {
        code.starts_with(|letter: char| letter.is_ascii_uppercase())
            && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let code = after.get(..4).filter(|code| is_code(code));
    let references = if code.is_some() { after.get(4..).unwrap_or_default() } else { after };
    let (reference, bank_reference) = references.split_once("//").unwrap_or((references, ""));
    Ok(Movement {
        line,
        value_date: value_text,
        booking_date,
        amount: signed(unsigned, is_credit),
        is_reversal: mark.starts_with('R'),
        is_expected: mark.starts_with('E'),
        code: code.map(str::to_owned),
        reference: given(reference),
        bank_reference: given(bank_reference),
        supplement: given(&rest.replace('\n', " ")),
    })
}

impl Rows for Mt940<'_> {
    fn next_row(&mut self) -> Result<Option<Row>, Problem> {
        loop {
            if let Some(row) = self.waiting.pop_front() {
                return Ok(Some(row));
            }
            if self.is_done {
                return Ok(None);
            }
            self.step()?;
        }
    }

    fn parts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.parts)
    }

    fn warnings(&mut self) -> Vec<Problem> {
        self.proof.take_warnings()
    }

    fn open_pages(&mut self) -> Option<&mut OpenPages> {
        Some(&mut self.pages)
    }
}

/// Warns about statements of which pages are missing when all files have been read.
pub(super) fn prove_rest(pages: &OpenPages, prove: Prove) -> Vec<Problem> {
    let mut proof = Proof::new(prove);
    for pages in pages.linked.values() {
        if let Some(missing) = pages.missing() {
            proof.lacks_pages(&pages.name, missing, pages.begin.place());
        }
    }
    proof.take_warnings()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_missing_year_is_the_one_nearest_to_the_value_date() {
        let entry = |value, entry| {
            let (_, value) = value_date(value).unwrap();
            entry_date(entry, value).unwrap()
        };
        assert_eq!(entry("250102", "1231"), "2024-12-31");
        assert_eq!(entry("241231", "0102"), "2025-01-02");
        assert_eq!(entry("240630", "0701"), "2024-07-01");
        assert_eq!(entry("240301", "0229"), "2024-02-29");
        assert_eq!(entry("250301", "0229"), "2024-02-29");
        assert_eq!(entry("991231", "0101"), "2000-01-01");
    }

    #[test]
    fn tags_and_text_are_distinguished() {
        assert_eq!(tagged(":61:x"), Some(("61", "x")));
        assert_eq!(tagged(":60F:C"), Some(("60F", "C")));
        assert_eq!(tagged(":NS:22x"), Some(("NS", "22x")));
        assert_eq!(tagged(":940:"), Some(("940", "")));
        for text in ["61:x", ":6:x", ":x:", ":abc:x", ": 61:x", ":61"] {
            assert_eq!(tagged(text), None, "{text}");
        }
    }
}
