//! Bank statements: the columns that every kind gives, and the balances that prove a statement.
//!
//! A reader of a kind turns text into rows, one after the other, and keeps no more than one entry in
//! memory. It takes the text as UTF-8 (bytes that are not are an error with their line) and never
//! fetches or expands anything. Amounts are exact and signed: a credit is positive.

mod bai2;
mod camt053;
mod input;
mod mt940;
mod narrative;
mod pages;
mod source;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::io::Read;

use schemars::JsonSchema;
use serde::Deserialize;

pub use bai2::Bai2Spec;
pub use camt053::{Camt053Spec, Level};
pub use mt940::Mt940Spec;
pub use pages::OpenPages;

use crate::diagnostic::{Code, Place, Problem};
use crate::domain::Decimal;

/// The columns of every kind, in their order.
pub const COLUMNS: [&str; 15] = [
    "account",
    "statement",
    "booking_date",
    "value_date",
    "amount",
    "currency",
    "status",
    "bank_reference",
    "end_to_end_id",
    "customer_reference",
    "counterparty",
    "counterparty_account",
    "remittance",
    "transaction_code",
    "reversal",
];

/// Whether statements must prove themselves: opening balance + movements = closing balance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Prove {
    /// A statement whose figures do not add up cannot be read (exit 3).
    #[default]
    On,
    /// It is read all the same, with a warning.
    Warn,
    /// Nothing is checked.
    Off,
}

/// A format of bank statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// ISO 20022: camt.052, camt.053 and camt.054.
    Camt053(Level),
    Mt940,
    Bai2,
}

impl Format {
    /// Reads statements from `text`, which is UTF-8.
    pub fn rows<'r>(self, text: impl Read + Send + 'r, prove: Prove) -> Box<dyn Rows + 'r> {
        let proof = Proof::new(prove);
        match self {
            Self::Camt053(level) => Box::new(camt053::Camt::new(text, level, proof)),
            Self::Mt940 => Box::new(mt940::Mt940::new(text, proof)),
            Self::Bai2 => Box::new(bai2::Bai2::new(text, proof)),
        }
    }
}

/// The rows of a file with statements.
pub trait Rows: Send {
    /// The next row; none at the end of the file.
    ///
    /// # Errors
    /// The text is not of the format, or a statement does not prove itself. The place has no file.
    fn next_row(&mut self) -> Result<Option<Row>, Problem>;

    /// The names of the statements, in their order, once the last row has been read.
    fn parts(&mut self) -> Vec<String>;

    /// Warnings, once the last row has been read.
    fn warnings(&mut self) -> Vec<Problem>;

    /// Statements of which pages are missing: those of earlier files before the first row is read, those that
    /// are left once the last has been.
    fn open_pages(&mut self) -> Option<&mut OpenPages> {
        None
    }
}

/// One movement of a statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The line on which it begins, from 1.
    pub line: u64,
    /// The number of its statement in the file, from 0.
    pub part: usize,
    /// Its number among the rows of the statement, from 1.
    pub entry: u64,
    /// The account, as the bank writes it.
    pub account: Option<String>,
    /// The statement's number or name.
    pub statement: Option<String>,
    /// When the bank booked it, `YYYY-MM-DD`.
    pub booking_date: Option<String>,
    /// The day from which it bears interest, `YYYY-MM-DD`.
    pub value_date: Option<String>,
    pub amount: Option<Decimal>,
    pub currency: Option<String>,
    /// `BOOK` for a booked entry, else the bank's word for it.
    pub status: Option<String>,
    pub bank_reference: Option<String>,
    /// The reference that goes from end to end.
    pub end_to_end_id: Option<String>,
    /// The account owner's reference.
    pub customer_reference: Option<String>,
    pub counterparty: Option<String>,
    pub counterparty_account: Option<String>,
    /// The purpose of the payment.
    pub remittance: Option<String>,
    /// The bank's code for the kind of movement.
    pub transaction_code: Option<String>,
    /// Whether it reverses an earlier movement; none where the format does not say.
    pub reversal: Option<bool>,
}

impl Row {
    /// The cells in the order of [`COLUMNS`]; none is null.
    pub fn into_cells(self) -> [Option<String>; 15] {
        [
            self.account,
            self.statement,
            self.booking_date,
            self.value_date,
            self.amount.map(|amount| amount.to_string()),
            self.currency,
            self.status,
            self.bank_reference,
            self.end_to_end_id,
            self.customer_reference,
            self.counterparty,
            self.counterparty_account,
            self.remittance,
            self.transaction_code,
            self.reversal.map(|reversal| reversal.to_string()),
        ]
    }
}

/// The trimmed text; none if it is empty or says that there is nothing: `NOTPROVIDED`, `NONREF`.
fn given(text: &str) -> Option<String> {
    let text = text.trim();
    let says_nothing = text.is_empty()
        || text.eq_ignore_ascii_case("NOTPROVIDED")
        || text.eq_ignore_ascii_case("NONREF");
    (!says_nothing).then(|| text.to_owned())
}

fn add(left: Decimal, right: Decimal, line: u64) -> Result<Decimal, Problem> {
    left.checked_sub(right.negated())
        .ok_or_else(|| malformed(line, "the amounts add up to more than 38 digits"))
}

fn signed(amount: Decimal, is_credit: bool) -> Decimal {
    if is_credit { amount } else { amount.negated() }
}

/// A text that is not of the format.
fn malformed(line: u64, message: impl Into<String>) -> Problem {
    Problem::new(Code::StatementMalformed, message).at(Place { line, ..Place::default() })
}

/// The balances and movements of a statement in one currency.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    opening: Option<Decimal>,
    movements: Option<Decimal>,
    closing: Option<Decimal>,
}

/// A statement's balances and booked movements, by currency.
#[derive(Clone, Debug, Default)]
struct Balances {
    line: u64,
    account: Option<String>,
    statement: Option<String>,
    currencies: BTreeMap<String, Sums>,
    rows: u64,
}

impl Balances {
    /// A row of this statement, which is the file's number `part`.
    fn row(&mut self, part: usize, line: u64) -> Row {
        self.rows += 1;
        Row {
            line,
            part,
            entry: self.rows,
            account: self.account.clone(),
            statement: self.statement.clone(),
            ..Row::default()
        }
    }

    fn book(&mut self, currency: &str, amount: Decimal, line: u64) -> Result<(), Problem> {
        let sums = self.currencies.entry(currency.to_owned()).or_default();
        sums.movements = Some(add(sums.movements.unwrap_or(Decimal::ZERO), amount, line)?);
        Ok(())
    }

    fn open(&mut self, currency: &str, balance: Decimal) {
        self.currencies.entry(currency.to_owned()).or_default().opening = Some(balance);
    }

    fn close(&mut self, currency: &str, balance: Decimal) {
        self.currencies.entry(currency.to_owned()).or_default().closing = Some(balance);
    }

    fn has_opening(&self, currency: &str) -> bool {
        self.currencies.get(currency).is_some_and(|sums| sums.opening.is_some())
    }

    fn has_closing(&self, currency: &str) -> bool {
        self.currencies.get(currency).is_some_and(|sums| sums.closing.is_some())
    }

    /// Goes on with the next page of the same statement.
    fn go_on_with(&mut self, next: Self) -> Result<(), Problem> {
        self.line = next.line;
        for (currency, sums) in next.currencies {
            let own = self.currencies.entry(currency).or_default();
            own.opening = own.opening.or(sums.opening);
            own.closing = sums.closing.or(own.closing);
            if let Some(movements) = sums.movements {
                let before = own.movements.unwrap_or(Decimal::ZERO);
                own.movements = Some(add(before, movements, next.line)?);
            }
        }
        Ok(())
    }

    /// Name of a part in places.
    fn part_name(&self) -> String {
        format!("statement {}", self.statement.as_deref().unwrap_or("?"))
    }

    fn name(&self) -> String {
        let statement = self.statement.as_deref().unwrap_or("without a number");
        match &self.account {
            Some(account) => format!("statement {statement} of account {account}"),
            None => format!("statement {statement}"),
        }
    }

    /// The sentences about currencies that do not add up, and whether one lacks a balance.
    fn verdict(&self) -> Result<(Vec<String>, bool), Problem> {
        let mut wrong = Vec::new();
        let mut unknown = self.currencies.is_empty();
        for (currency, sums) in &self.currencies {
            let (Some(opening), Some(closing)) = (sums.opening, sums.closing) else {
                unknown = true;
                continue;
            };
            let movements = sums.movements.unwrap_or(Decimal::ZERO);
            let expected = add(opening, movements, self.line)?;
            let gap = add(closing, expected.negated(), self.line)?;
            if !gap.is_zero() {
                wrong.push(format!(
                    "{}: opening balance {opening} and booked movements of {movements} give {expected} \
                     {currency}, but the closing balance is {closing}: a gap of {gap} {currency}",
                    self.name()
                ));
            }
        }
        Ok((wrong, unknown))
    }
}

/// Checks statements as they end, and collects warnings.
struct Proof {
    prove: Prove,
    warnings: Vec<Problem>,
    more: u64,
    without_balances: u64,
    first_without: Option<(String, u64)>,
    without_pages: u64,
    /// Its name, what it lacks, and the place of its first page.
    first_without_pages: Option<(String, String, Place)>,
}

impl Proof {
    /// How many statements that do not add up are named one by one.
    const NAMED: usize = 20;

    fn new(prove: Prove) -> Self {
        Self {
            prove,
            warnings: Vec::new(),
            more: 0,
            without_balances: 0,
            first_without: None,
            without_pages: 0,
            first_without_pages: None,
        }
    }

    fn is_on(&self) -> bool {
        self.prove != Prove::Off
    }

    fn check(&mut self, balances: &Balances) -> Result<(), Problem> {
        if !self.is_on() {
            return Ok(());
        }
        let (wrong, unknown) = balances.verdict()?;
        for sentence in wrong {
            self.fails(balances.line, sentence)?;
        }
        if unknown {
            self.lacks(balances);
        }
        Ok(())
    }

    /// A statement of which pages are missing.
    fn lacks_pages(&mut self, name: &str, missing: String, place: Place) {
        if self.is_on() {
            self.without_pages += 1;
            self.first_without_pages.get_or_insert_with(|| (name.to_owned(), missing, place));
        }
    }

    /// A statement that lacks a balance.
    fn lacks(&mut self, balances: &Balances) {
        if self.is_on() {
            self.without_balances += 1;
            self.first_without.get_or_insert_with(|| (balances.name(), balances.line));
        }
    }

    /// Figures that do not agree: an error, or a warning where that was asked for.
    fn fails(&mut self, line: u64, sentence: String) -> Result<(), Problem> {
        self.fails_at(Place { line, ..Place::default() }, sentence)
    }

    fn fails_at(&mut self, place: Place, sentence: String) -> Result<(), Problem> {
        match self.prove {
            Prove::Off => {}
            Prove::On => {
                return Err(Problem::new(Code::StatementUnproven, sentence)
                    .at(place)
                    .help("ask the bank for the complete file; `prove: warn` reads it anyway"));
            }
            Prove::Warn if self.warnings.len() < Self::NAMED => {
                self.warnings.push(Problem::new(Code::StatementGap, sentence).at(place));
            }
            Prove::Warn => self.more += 1,
        }
        Ok(())
    }

    fn take_warnings(&mut self) -> Vec<Problem> {
        let mut warnings = std::mem::take(&mut self.warnings);
        if self.more > 0 {
            let sentence = format!("{} more balances or totals do not add up", self.more);
            warnings.push(Problem::new(Code::StatementGap, sentence));
        }
        if let Some((first, line)) = self.first_without.take() {
            let sentence = match self.without_balances {
                1 => format!("{first} lacks an opening or closing balance, so it cannot be proven"),
                many => format!(
                    "{many} statements lack an opening or closing balance, so they cannot be proven; \
                     the first is {first}"
                ),
            };
            let place = Place { line, ..Place::default() };
            warnings.push(
                Problem::new(Code::StatementWithoutBalances, sentence)
                    .at(place)
                    .help("set `prove: off` if the bank sends none"),
            );
        }
        if let Some((first, missing, place)) = self.first_without_pages.take() {
            let sentence = match self.without_pages {
                1 => format!("{first} lacks {missing}, so nothing proves that it is whole"),
                many => format!(
                    "{many} statements lack pages, so nothing proves that they are whole; the first, {first}, \
                     lacks {missing}"
                ),
            };
            warnings.push(Problem::new(Code::StatementWithoutBalances, sentence).at(place).help(
                "ask the bank for the missing pages, and read all files of a statement at once",
            ));
        }
        warnings
    }
}

type Waiting = VecDeque<Row>;
