//! BAI2 files: cash management reports of banks in North America.
//!
//! A file (01 … 99) has groups (02 … 98) of accounts (03 … 49), whose movements are records 16; a record 88
//! goes on with the one before. Each level ends with the sum of its amounts and the number of its
//! records, which are proven as the balances are.

use std::io::Read;
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

use super::input::Lines;
use super::source::StatementSpec;
use super::{Balances, Format, Proof, Row, Rows, Waiting, add, given, malformed, signed};
use crate::diagnostic::{Problem, SpecProblem};
use crate::domain::Decimal;
use crate::source::{KindSpec, SourcePlan};

/// The options of `read: { bai2: … }`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Bai2Spec(StatementSpec);

impl KindSpec for Bai2Spec {
    fn resolve(&self, base: &Path) -> Result<SourcePlan, Vec<SpecProblem>> {
        self.0.plan(Format::Bai2, base)
    }
}

/// The most bytes of a record with its continuations.
const LONGEST_RECORD: usize = 256 * 1024;

pub(super) struct Bai2<'r> {
    lines: Lines<'r>,
    /// The rest of the current line, where several records share it.
    rest: String,
    record: Option<Record>,
    /// The file at hand, up to its record 99.
    file: Option<Level>,
    group: Option<Group>,
    account: Option<Account>,
    has_file: bool,
    is_done: bool,
    proof: Proof,
    parts: Vec<String>,
    waiting: Waiting,
}

/// A record with its continuations. It is split into fields later, because where its text begins
/// depends on the record.
struct Record {
    code: String,
    line: u64,
    pieces: Vec<String>,
    bytes: usize,
}

/// Sums of a file, a group or an account, to compare with the totals of its last record.
#[derive(Clone, Copy)]
struct Level {
    total: Decimal,
    parts: u64,
    records: u64,
}

struct Group {
    level: Level,
    currency: Option<String>,
    as_of: Option<String>,
    status: &'static str,
}

struct Account {
    level: Level,
    balances: Balances,
    part: usize,
    currency: String,
    decimals: u8,
}

/// The decimals of a currency's amounts, by ISO 4217.
fn decimals(currency: &str) -> u8 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX"
        | "UYI" | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

/// `YYMMDD`, or `YYYYMMDD` as some banks write it.
fn date(text: &str) -> Option<String> {
    let text = text.trim();
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match text.len() {
        6 if &text[..2] < "80" => Some(format!("20{}-{}-{}", &text[..2], &text[2..4], &text[4..])),
        6 => Some(format!("19{}-{}-{}", &text[..2], &text[2..4], &text[4..])),
        8 => Some(format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..])),
        _ => None,
    }
}

impl Record {
    /// The pieces as at most `count` fields; the rest is text.
    fn fields(&self, count: usize) -> (Vec<&str>, String) {
        let mut fields = Vec::new();
        let mut text: Vec<&str> = Vec::new();
        for piece in &self.pieces {
            // A record ends with `/`; a text need not.
            let piece = piece.trim_end();
            let mut rest = Some(piece.strip_suffix('/').unwrap_or(piece));
            while let Some(left) = rest {
                if fields.len() == count {
                    text.push(left.trim());
                    break;
                }
                let (field, after) = match left.split_once(',') {
                    Some((field, after)) => (field, Some(after)),
                    None => (left, None),
                };
                fields.push(field.trim());
                rest = after;
            }
        }
        text.retain(|line| !line.is_empty());
        (fields, text.join(" "))
    }

    fn all_fields(&self) -> Vec<&str> {
        self.fields(usize::MAX).0
    }
}

/// How many fields a funds type has after itself; `fields` are those after it.
fn funds_fields(kind: &str, fields: &[&str]) -> usize {
    match kind {
        "S" => 3,
        "V" => 2,
        "D" => {
            let count = fields.first().and_then(|count| count.parse::<usize>().ok()).unwrap_or(0);
            count.saturating_mul(2).saturating_add(1)
        }
        _ => 0,
    }
}

/// Whether a type code is a credit; `None` if it is neither a credit nor a debit.
fn is_credit(code: &str) -> Option<bool> {
    match code.parse::<u16>().ok()? {
        100..=399 | 920..=959 => Some(true),
        400..=699 | 960..=999 => Some(false),
        _ => None,
    }
}

impl<'r> Bai2<'r> {
    pub fn new(text: impl Read + Send + 'r, proof: Proof) -> Self {
        Self {
            lines: Lines::new(text),
            rest: String::new(),
            record: None,
            file: None,
            group: None,
            account: None,
            has_file: false,
            is_done: false,
            proof,
            parts: Vec::new(),
            waiting: Waiting::new(),
        }
    }

    /// Takes the next record, which ends the one before.
    fn step(&mut self) -> Result<(), Problem> {
        if self.rest.trim().is_empty() {
            match self.lines.next()? {
                Some(line) => line.trim().clone_into(&mut self.rest),
                None => return self.end_file(),
            }
        }
        let next = next_record(&self.rest);
        let text = self.rest[..next].trim().to_owned();
        self.rest.drain(..next);
        if text.is_empty() {
            return Ok(());
        }
        let line = self.lines.number();
        let (code, fields) = match text.split_once([',', '/', ':']) {
            Some((code, fields)) if is_record(code) => (code, fields),
            // Some banks break the lines of a text.
            _ if self.record.is_some() => ("", text.as_str()),
            _ => return Err(not_bai2(line, &text)),
        };
        if code == "88" || code.is_empty() {
            let Some(record) = &mut self.record else {
                return Err(malformed(line, "a record 88 continues no record"));
            };
            record.bytes += fields.len();
            if record.bytes > LONGEST_RECORD {
                return Err(malformed(record.line, "this record is longer than 256 KiB"));
            }
            record.pieces.push(fields.to_owned());
            if code == "88" {
                self.count_record();
            }
            return Ok(());
        }
        let bytes = fields.len();
        let next = Record { code: code.to_owned(), line, pieces: vec![fields.to_owned()], bytes };
        if let Some(record) = self.record.replace(next) {
            self.take(&record)?;
        }
        // A record is counted where it stands, and the counts of 49, 98 and 99 include these records themselves.
        match code {
            "01" => self.begin_file(line)?,
            _ if self.file.is_none() => return Err(not_bai2(line, &text)),
            "02" => self.begin_group(line)?,
            _ => {}
        }
        if code == "03" {
            self.begin_account(line)?;
        }
        self.count_record();
        Ok(())
    }

    fn count_record(&mut self) {
        if let Some(account) = &mut self.account {
            account.level.records += 1;
        } else if let Some(group) = &mut self.group {
            group.level.records += 1;
        } else if let Some(file) = &mut self.file {
            file.records += 1;
        }
    }

    fn begin_file(&mut self, line: u64) -> Result<(), Problem> {
        if self.file.is_some() {
            return Err(malformed(line, "a file begins (01) before the one before has ended (99)"));
        }
        self.has_file = true;
        self.file = Some(Level::EMPTY);
        Ok(())
    }

    fn begin_group(&mut self, line: u64) -> Result<(), Problem> {
        if self.group.is_some() {
            return Err(malformed(
                line,
                "a group begins (02) before the one before has ended (98)",
            ));
        }
        self.group =
            Some(Group { level: Level::EMPTY, currency: None, as_of: None, status: "BOOK" });
        Ok(())
    }

    fn begin_account(&mut self, line: u64) -> Result<(), Problem> {
        if self.group.is_none() || self.account.is_some() {
            let message = "an account begins (03) outside of a group, or before the one before has ended (49)";
            return Err(malformed(line, message));
        }
        self.account = Some(Account {
            level: Level::EMPTY,
            balances: Balances { line, ..Balances::default() },
            part: self.parts.len(),
            currency: String::new(),
            decimals: 2,
        });
        Ok(())
    }

    /// Takes a record that is complete.
    fn take(&mut self, record: &Record) -> Result<(), Problem> {
        match record.code.as_str() {
            "01" => Ok(()),
            "02" => {
                self.group(record);
                Ok(())
            }
            "03" => self.account(record),
            "16" => self.movement(record),
            "49" => self.end_account(record),
            "98" => self.end_group(record),
            "99" => self.end_of_file_record(record),
            code => Err(malformed(record.line, format!("`{code}` is no record of BAI2"))),
        }
    }

    fn group(&mut self, record: &Record) {
        let Some(group) = &mut self.group else { return };
        let fields = record.all_fields();
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        group.status = match field(2) {
            "2" => "DELETED",
            "4" => "TEST",
            _ => "BOOK",
        };
        group.as_of = date(field(3));
        group.currency = given(field(5));
    }

    fn account(&mut self, record: &Record) -> Result<(), Problem> {
        let (Some(group), Some(account)) = (&self.group, &mut self.account) else { return Ok(()) };
        let fields = record.all_fields();
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        account.balances.account = given(field(0));
        account.balances.statement.clone_from(&group.as_of);
        let currency = given(field(1)).or_else(|| group.currency.clone());
        account.currency = currency.unwrap_or_else(|| "USD".to_owned());
        account.decimals = decimals(&account.currency);
        let name = match &account.balances.account {
            Some(number) => format!("account {number}, {}", account.balances.part_name()),
            None => account.balances.part_name(),
        };
        self.parts.push(name);
        let mut at = 2;
        while at < fields.len() {
            let (code, amount_text) = (field(at), field(at + 1));
            if let Some(value) = amount(amount_text, record.line)? {
                account.level.total = add(account.level.total, value, record.line)?;
                let value = in_currency(value, account.decimals);
                match code {
                    "010" => account.balances.open(&account.currency, value),
                    "015" => account.balances.close(&account.currency, value),
                    _ => {}
                }
            }
            at += 4 + funds_fields(field(at + 3), fields.get(at + 4..).unwrap_or_default());
        }
        Ok(())
    }

    fn movement(&mut self, record: &Record) -> Result<(), Problem> {
        let (Some(group), Some(account)) = (&self.group, &mut self.account) else {
            return Err(malformed(record.line, "a movement (16) outside of an account"));
        };
        // Code, amount, funds type; its additional fields; two references; the text.
        let (first, _) = record.fields(4);
        let kind = first.get(2).copied().unwrap_or_default();
        let extra = funds_fields(kind, first.get(3..).unwrap_or_default());
        let (fields, text) = record.fields(extra.saturating_add(5));
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        let code = field(0);
        let unsigned = amount(field(1), record.line)?;
        if let Some(value) = unsigned {
            account.level.total = add(account.level.total, value, record.line)?;
        }
        let mark = is_credit(code);
        let value = unsigned
            .map(|value| signed(in_currency(value, account.decimals), mark.unwrap_or(true)));
        if let (Some(value), true) = (value, mark.is_some()) {
            account.balances.book(&account.currency, value, record.line)?;
        }
        let mut row = account.balances.row(account.part, record.line);
        row.booking_date.clone_from(&group.as_of);
        row.value_date = if kind == "V" { date(field(3)) } else { None };
        row.amount = value;
        row.currency = given(&account.currency);
        row.status = Some(if mark.is_some() { group.status } else { "INFO" }.to_owned());
        row.bank_reference = given(field(3 + extra));
        row.customer_reference = given(field(4 + extra));
        row.remittance = given(&text);
        row.transaction_code = given(code);
        self.waiting.push_back(row);
        Ok(())
    }

    fn end_account(&mut self, record: &Record) -> Result<(), Problem> {
        let Some(account) = self.account.take() else {
            return Err(malformed(record.line, "an account ends (49) that has not begun (03)"));
        };
        let name = account.balances.name();
        let total =
            self.agree(record, &name, &account.level, &[("records", account.level.records)])?;
        self.proof.check(&account.balances)?;
        if let Some(group) = &mut self.group {
            group.level.add(total, account.level.records, record.line)?;
        }
        Ok(())
    }

    fn end_group(&mut self, record: &Record) -> Result<(), Problem> {
        if self.account.is_some() {
            return Err(malformed(
                record.line,
                "a group ends (98) before its account has ended (49)",
            ));
        }
        let Some(group) = self.group.take() else {
            return Err(malformed(record.line, "a group ends (98) that has not begun (02)"));
        };
        let name = format!("the group of {}", group.as_of.as_deref().unwrap_or("no date"));
        let counts = [("accounts", group.level.parts), ("records", group.level.records)];
        let total = self.agree(record, &name, &group.level, &counts)?;
        if let Some(file) = &mut self.file {
            file.add(total, group.level.records, record.line)?;
        }
        Ok(())
    }

    fn end_of_file_record(&mut self, record: &Record) -> Result<(), Problem> {
        if self.group.is_some() {
            return Err(malformed(
                record.line,
                "the file ends (99) before its group has ended (98)",
            ));
        }
        let Some(file) = self.file.take() else { return Ok(()) };
        let counts = [("groups", file.parts), ("records", file.records)];
        self.agree(record, "the file", &file, &counts).map(|_| ())
    }

    /// Compares the total and the counts in the last record of a level with those read. Returns the stated total.
    fn agree(
        &mut self,
        record: &Record,
        name: &str,
        level: &Level,
        counts: &[(&str, u64)],
    ) -> Result<Decimal, Problem> {
        let fields = record.all_fields();
        let stated = amount(fields.first().copied().unwrap_or_default(), record.line)?;
        let total = stated.unwrap_or(level.total);
        if total != level.total {
            let gap = add(total, level.total.negated(), record.line)?;
            let sentence = format!(
                "{name}: record {} states a total of {total}, but the amounts read add up to {}: a gap of \
                 {gap}",
                record.code, level.total
            );
            self.proof.fails(record.line, sentence)?;
        }
        for ((what, counted), stated) in counts.iter().zip(fields.get(1..).unwrap_or_default()) {
            if !stated.is_empty() && stated.parse::<u64>() != Ok(*counted) {
                let sentence = format!(
                    "{name}: record {} states {stated} {what}, but {counted} were read",
                    record.code
                );
                self.proof.fails(record.line, sentence)?;
            }
        }
        Ok(total)
    }

    fn end_file(&mut self) -> Result<(), Problem> {
        self.is_done = true;
        let line = self.lines.number();
        if let Some(record) = self.record.take() {
            self.take(&record)?;
        }
        if self.file.is_some() {
            return Err(malformed(line, "the file ends before its last record, 99")
                .help("fetch the whole file again"));
        }
        if !self.has_file {
            return Err(malformed(line, "no record of BAI2 in this file")
                .help("`bai2` reads files that begin with a record 01"));
        }
        Ok(())
    }
}

impl Level {
    const EMPTY: Self = Self { total: Decimal::ZERO, parts: 0, records: 0 };

    fn add(&mut self, total: Decimal, records: u64, line: u64) -> Result<(), Problem> {
        self.total = add(self.total, total, line)?;
        self.parts += 1;
        self.records += records;
        Ok(())
    }
}

/// An amount as it is written, without a point; none where nothing is.
fn amount(text: &str, line: u64) -> Result<Option<Decimal>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
    let amount = if plain { Decimal::parse(text.as_bytes()).ok() } else { None };
    amount.map(Some).ok_or_else(|| malformed(line, format!("`{text}` is no amount")))
}

/// The amount in its currency: `208500` of US dollars is 2085.00. One with a point is taken as written.
fn in_currency(amount: Decimal, decimals: u8) -> Decimal {
    if amount.scale() > 0 {
        amount
    } else {
        Decimal::new(amount.coefficient(), decimals).unwrap_or(amount)
    }
}

fn is_record(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_digit())
}

/// Where the next record begins on a line, if several share it: after `/` and a space.
fn next_record(line: &str) -> usize {
    line.match_indices('/')
        .find_map(|(at, _)| {
            let after = &line[at + 1..];
            let next = after.trim_start();
            let code = next.get(..3)?.strip_suffix(',')?;
            let is_known = matches!(code, "01" | "02" | "03" | "16" | "49" | "88" | "98" | "99");
            (is_known && next.len() < after.len()).then_some(at + 1)
        })
        .unwrap_or(line.len())
}

fn not_bai2(line: u64, text: &str) -> Problem {
    let shown: String = text.chars().take(40).collect();
    malformed(line, format!("`{shown}` is no record of BAI2"))
        .help("`bai2` reads files that begin with a record 01")
}

impl Rows for Bai2<'_> {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_those_of_the_currency() {
        let written = |amount: &str, currency| {
            in_currency(super::amount(amount, 1).unwrap().unwrap(), decimals(currency)).to_string()
        };
        assert_eq!(written("208500", "USD"), "2085.00");
        assert_eq!(written("+000000000000", "EUR"), "0.00");
        assert_eq!(written("208500", "JPY"), "208500");
        assert_eq!(written("-208500", "BHD"), "-208.500");
        assert_eq!(written("2085.5", "USD"), "2085.5");
    }

    #[test]
    fn records_that_share_a_line_are_separated() {
        let line = "16,142,2500,Z,,,PAYPAL 01/16 PPD/ 16,142,500,Z,,,X/  49,00,2/";
        let first = next_record(line);
        assert_eq!(&line[..first], "16,142,2500,Z,,,PAYPAL 01/16 PPD/");
        assert_eq!(
            next_record("16,142,2500,Z,,,DUE 01/16,99"),
            "16,142,2500,Z,,,DUE 01/16,99".len()
        );
    }
}
