//! ISO 20022 statements: camt.053 (end of day), camt.052 (during the day), camt.054 (notifications),
//! of any version.
//!
//! Elements are found by their names, not by a schema, so a version that is not known yet reads if
//! it is built like the others. One entry is in memory at a time, and of its transactions only what
//! becomes a row. A document type is refused: entities are never expanded, and nothing is fetched.

mod reader;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use encoding_rs::Encoding;
use schemars::JsonSchema;
use serde::Deserialize;

use super::pages::{Begin, OpenPages, missing};
use super::source::Common;
use super::{Balances, Format, Proof, Prove, Row, given, malformed, signed};
use crate::diagnostic::{Problem, SpecProblem};
use crate::domain::{Decimal, OneOrMany};
use crate::source::{KindSpec, SourcePlan};

pub(super) use reader::Camt;

/// The unit that becomes a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// An entry, which may stand for many transactions.
    Entry,
    /// A transaction of an entry; an entry that does not give its transactions is one.
    #[default]
    Transaction,
}

/// The options of `read: { camt053: … }`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Camt053Spec {
    /// The file, relative to `recon.yaml`, or a list of files; each may be a glob. `.gz`, `.zst` and
    /// `.zip` are read as they are; `-` is standard input.
    pub path: OneOrMany,
    /// The unit that becomes a row: a transaction (the default), or the entry that the bank booked, which may stand
    /// for many.
    pub level: Option<Level>,
    /// Treatment of a statement whose balances and movements do not add up: it cannot be read (`on`, the default), is
    /// read with a warning (`warn`), or nothing is checked (`off`).
    pub prove: Option<Prove>,
    /// A WHATWG encoding label. Default the declaration of the XML, else UTF-8.
    pub encoding: Option<String>,
    /// Texts that mean null, besides missing values, `NOTPROVIDED` and `NONREF`. Default the empty text; replaces the
    /// default.
    pub null_values: Option<Vec<String>>,
}

impl KindSpec for Camt053Spec {
    fn resolve(&self, base: &Path) -> Result<SourcePlan, Vec<SpecProblem>> {
        let common = Common {
            path: &self.path,
            encoding: self.encoding.as_deref(),
            null_values: self.null_values.as_ref(),
            prove: self.prove,
        };
        common.plan(Format::Camt053(self.level.unwrap_or_default()), base)
    }
}

/// The encoding that an XML file declares, if it is another than UTF-8. `head` is how it begins.
pub fn declared_encoding(head: &[u8]) -> Option<&'static Encoding> {
    match head {
        [b'<', 0, ..] => return Some(encoding_rs::UTF_16LE),
        [0, b'<', ..] => return Some(encoding_rs::UTF_16BE),
        _ => {}
    }
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let declaration = head.strip_prefix(b"<?xml")?;
    let end = memchr::memmem::find(declaration, b"?>")?;
    let declaration = std::str::from_utf8(&declaration[..end]).ok()?;
    let (_, label) = declaration.split_once("encoding")?;
    let label = label.trim_start().strip_prefix('=')?.trim_start();
    let quote = label.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let label = label[1..].split(quote).next()?;
    Encoding::for_label(label.as_bytes())
}

/// The messages, by how their element's name begins, and the element of a statement in them.
const MESSAGES: [(&str, &str); 3] =
    [("BkToCstmrStmt", "Stmt"), ("BkToCstmrAcctRpt", "Rpt"), ("BkToCstmrDbtCdtNtfctn", "Ntfctn")];

/// Deepest nesting of elements, and most elements within one that is kept whole.
const DEEPEST: usize = 64;
const MOST_ELEMENTS: usize = 20_000;
const MOST_TRANSACTIONS: usize = 2_000_000;

#[derive(Debug, Default)]
struct Element {
    name: String,
    currency: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }

    fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first text that is given at one of these paths.
    fn text(&self, paths: &[&[&str]]) -> Option<String> {
        paths.iter().find_map(|path| given(&self.at(path)?.text))
    }

    /// The date at `name`, which may be a date or a time of a day.
    fn date(&self, name: &str) -> Option<String> {
        let text = self.text(&[&[name, "Dt"], &[name, "DtTm"], &[name]])?;
        Some(text.get(..10).unwrap_or(&text).to_owned())
    }
}

/// The data of a transaction; also those that an entry gives for all of its transactions.
#[derive(Clone, Debug, Default)]
struct Details {
    line: u64,
    /// Amounts by currency, the likeliest first.
    amounts: Vec<(String, Decimal)>,
    is_credit: Option<bool>,
    bank_reference: Option<String>,
    end_to_end_id: Option<String>,
    customer_reference: Option<String>,
    debtor: Party,
    creditor: Party,
    remittance: Option<String>,
    transaction_code: Option<String>,
}

#[derive(Clone, Debug, Default)]
struct Party {
    name: Option<String>,
    account: Option<String>,
}

impl Party {
    fn of(parties: &Element, role: &str) -> Self {
        let account = format!("{role}Acct");
        let name = parties.text(&[
            &[role, "Nm"],
            &[role, "Pty", "Nm"],
            &[role, "Agt", "FinInstnId", "Nm"],
        ]);
        Self { name, account: parties.child(&account).and_then(account_number) }
    }
}

fn account_number(account: &Element) -> Option<String> {
    account.text(&[
        &["Id", "IBAN"],
        &["Id", "Othr", "Id"],
        &["Id", "BBAN"],
        &["Id", "PrtryAcct", "Id"],
        &["Id", "UPIC"],
    ])
}

/// `PMNT-RCDT-ESCT`, else the bank's own code.
fn transaction_code(parent: &Element) -> Option<String> {
    let code = parent.child("BkTxCd")?;
    let Some(domain) = code.child("Domn") else { return code.text(&[&["Prtry", "Cd"]]) };
    let parts: [&[&str]; 3] = [&["Cd"], &["Fmly", "Cd"], &["Fmly", "SubFmlyCd"]];
    let parts: Vec<String> = parts.iter().filter_map(|path| domain.text(&[path])).collect();
    (!parts.is_empty()).then(|| parts.join("-"))
}

fn remittance(parent: &Element) -> Option<String> {
    let information = parent.child("RmtInf")?;
    let joined = |texts: Vec<String>| (!texts.is_empty()).then(|| texts.join(" "));
    let lines = information.all("Ustrd").filter_map(|line| given(&line.text)).collect();
    joined(lines).or_else(|| {
        let references = information.all("Strd").filter_map(|structured| {
            structured.text(&[&["CdtrRefInf", "Ref"], &["CdtrRefInf", "CdtrRef"]])
        });
        joined(references.collect())
    })
}

fn is_credit(parent: &Element, line: u64) -> Result<Option<bool>, Problem> {
    match parent.child("CdtDbtInd").map(|mark| mark.text.trim()) {
        None => Ok(None),
        Some("CRDT") => Ok(Some(true)),
        Some("DBIT") => Ok(Some(false)),
        Some(other) => Err(malformed(line, format!("`{other}` is neither CRDT nor DBIT"))),
    }
}

fn amount(element: &Element, line: u64) -> Result<(String, Decimal), Problem> {
    let text = element.text.trim();
    let amount = Decimal::parse(text.as_bytes())
        .map_err(|error| malformed(line, format!("the amount `{text}`: {error}")))?;
    Ok((element.currency.clone(), amount))
}

impl Details {
    fn of(transaction: &Element, line: u64) -> Result<Self, Problem> {
        let amounts: [&[&str]; 4] = [
            &["Amt"],
            &["AmtDtls", "TxAmt", "Amt"],
            &["AmtDtls", "InstdAmt", "Amt"],
            &["AmtDtls", "CntrValAmt", "Amt"],
        ];
        let amounts = amounts
            .iter()
            .filter_map(|path| transaction.at(path))
            .map(|element| amount(element, line))
            .collect::<Result<_, _>>()?;
        let empty = Element::default();
        let references = transaction.child("Refs").unwrap_or(&empty);
        let parties = transaction.child("RltdPties").unwrap_or(&empty);
        Ok(Self {
            line,
            amounts,
            is_credit: is_credit(transaction, line)?,
            bank_reference: references.text(&[&["AcctSvcrRef"]]),
            end_to_end_id: references.text(&[&["EndToEndId"]]),
            customer_reference: references.text(&[&["InstrId"], &["PmtInfId"]]),
            debtor: Party::of(parties, "Dbtr"),
            creditor: Party::of(parties, "Cdtr"),
            remittance: remittance(transaction),
            transaction_code: transaction_code(transaction),
        })
    }

    fn amount_in(&self, currency: &str) -> Option<Decimal> {
        self.amounts.iter().find(|(code, _)| code == currency).map(|(_, amount)| *amount)
    }
}

/// An entry, without its transactions.
#[derive(Debug)]
struct Entry {
    line: u64,
    currency: String,
    /// Signed.
    amount: Decimal,
    is_credit: bool,
    is_reversal: bool,
    status: Option<String>,
    booking_date: Option<String>,
    value_date: Option<String>,
    bank_reference: Option<String>,
    batch_reference: Option<String>,
    transaction_code: Option<String>,
}

impl Entry {
    fn of(entry: &Element, line: u64) -> Result<Self, Problem> {
        let lacks = |what| malformed(line, format!("this entry (XML `Ntry`) has no `{what}`"));
        let (currency, unsigned) = amount(entry.child("Amt").ok_or_else(|| lacks("Amt"))?, line)?;
        let is_credit = is_credit(entry, line)?.ok_or_else(|| lacks("CdtDbtInd"))?;
        let reversal = entry.text(&[&["RvslInd"]]);
        Ok(Self {
            line,
            currency,
            amount: signed(unsigned, is_credit),
            is_credit,
            is_reversal: matches!(reversal.as_deref(), Some("true" | "1")),
            status: entry.text(&[&["Sts", "Cd"], &["Sts", "Prtry"], &["Sts"]]),
            booking_date: entry.date("BookgDt"),
            value_date: entry.date("ValDt"),
            bank_reference: entry.text(&[&["AcctSvcrRef"]]),
            batch_reference: None,
            transaction_code: transaction_code(entry),
        })
    }

    /// Without a status, as some banks notify, it is booked.
    fn is_booked(&self) -> bool {
        self.status.as_deref().is_none_or(|status| status == "BOOK")
    }

    fn fill(&self, row: &mut Row, details: &Details, amount: Decimal) {
        row.booking_date.clone_from(&self.booking_date);
        row.value_date.clone_from(&self.value_date);
        row.amount = Some(amount);
        row.currency = given(&self.currency);
        row.status.clone_from(&self.status);
        row.bank_reference = details.bank_reference.clone().or_else(|| self.bank_reference.clone());
        row.end_to_end_id.clone_from(&details.end_to_end_id);
        row.customer_reference =
            details.customer_reference.clone().or_else(|| self.batch_reference.clone());
        row.remittance.clone_from(&details.remittance);
        row.transaction_code =
            details.transaction_code.clone().or_else(|| self.transaction_code.clone());
        row.reversal = Some(self.is_reversal);
        // Debtor and creditor keep their roles when a payment is reversed.
        let is_incoming = details.is_credit.unwrap_or(self.is_credit) != self.is_reversal;
        let (other, own) = match is_incoming {
            true => (&details.debtor, &details.creditor),
            false => (&details.creditor, &details.debtor),
        };
        let nameless = other.name.is_none() && other.account.is_none();
        let is_ours = own.account.is_some() && own.account == row.account;
        let other = if nameless && !is_ours { own } else { other };
        row.counterparty.clone_from(&other.name);
        row.counterparty_account.clone_from(&other.account);
    }
}

#[derive(Debug, Default)]
struct Statement {
    part: usize,
    balances: Balances,
    /// By currency: the balance at the end of the period before.
    previous: BTreeMap<String, Decimal>,
    /// By currency: the first and the last balance in between, and whether they are two.
    between: BTreeMap<String, (Decimal, Decimal, bool)>,
    page: Option<Page>,
    /// It has a page of its own, and not only its message.
    has_own_page: bool,
    /// It has a closing balance, and not only one in between.
    is_closed: bool,
}

impl Statement {
    fn balance(&mut self, balance: &Element, line: u64) -> Result<(), Problem> {
        let kind = balance.text(&[&["Tp", "CdOrPrtry", "Cd"], &["Tp", "Cd"]]).unwrap_or_default();
        if !matches!(kind.as_str(), "OPBD" | "PRCD" | "ITBD" | "CLBD") {
            return Ok(());
        }
        let lacks = |what| malformed(line, format!("this balance (XML `Bal`) has no `{what}`"));
        let (currency, unsigned) = amount(balance.child("Amt").ok_or_else(|| lacks("Amt"))?, line)?;
        let is_credit = is_credit(balance, line)?.ok_or_else(|| lacks("CdtDbtInd"))?;
        let value = signed(unsigned, is_credit);
        match kind.as_str() {
            // A statement of several days may have those of each day.
            "OPBD" if self.balances.has_opening(&currency) => {}
            "OPBD" => self.balances.open(&currency, value),
            "CLBD" => {
                self.is_closed = true;
                self.balances.close(&currency, value);
            }
            "PRCD" => {
                self.previous.entry(currency).or_insert(value);
            }
            _ => {
                self.between
                    .entry(currency)
                    .and_modify(|(_, last, are_two)| (*last, *are_two) = (value, true))
                    .or_insert((value, value, false));
            }
        }
        Ok(())
    }

    /// Uses other balances in place of a missing opening or closing one.
    fn settle(&mut self, is_statement: bool) {
        for (currency, value) in std::mem::take(&mut self.previous) {
            if !self.balances.has_opening(&currency) {
                self.balances.open(&currency, value);
            }
        }
        // A report of the day shows how things stand, which no movements of its own need explain.
        for (currency, (first, last, are_two)) in std::mem::take(&mut self.between) {
            let has_opening = self.balances.has_opening(&currency);
            let has_closing = self.balances.has_closing(&currency);
            if !is_statement || (!has_opening && !has_closing && !are_two) {
                continue;
            }
            if !has_opening {
                self.balances.open(&currency, first);
            }
            if !has_closing {
                self.balances.close(&currency, last);
            }
        }
    }
}

/// The page of a statement.
#[derive(Clone, Copy, Debug)]
struct Page {
    /// From 1, where pages have numbers.
    number: Option<u64>,
    is_last: bool,
}

impl Page {
    fn of(pagination: &Element) -> Self {
        let text = |name| pagination.text(&[&[name]]);
        Self {
            number: text("PgNb").and_then(|number| number.parse().ok()),
            is_last: matches!(text("LastPgInd").as_deref(), Some("true" | "1")),
        }
    }

    fn is_whole(self) -> bool {
        self.is_last && self.number.is_none_or(|number| number <= 1)
    }
}

/// Pages of one statement: some banks repeat the balances on every page.
#[derive(Clone, Debug)]
pub struct Pages {
    pub(super) begin: Begin,
    merged: Balances,
    each_proven: bool,
    /// One of them may be a whole statement: the pages are those of a message, and it closes as a statement does.
    may_be_whole: bool,
    numbers: BTreeSet<Option<u64>>,
    last: Option<Page>,
}

impl Pages {
    fn are_complete(&self) -> bool {
        self.last.is_some_and(|last| {
            last.number.is_none_or(|number| self.numbers.len() as u64 >= number)
        })
    }
}

/// Checks statements of which pages are missing when all files have been read.
///
/// # Errors
/// The pages that are there do not add up.
pub(super) fn prove_rest(pages: OpenPages, prove: Prove) -> Result<Vec<Problem>, Problem> {
    let mut proof = Proof::new(prove);
    for pages in pages.camt.into_values() {
        if pages.each_proven && pages.may_be_whole {
            continue;
        }
        let place = pages.begin.place();
        if !pages.each_proven && pages.last.is_some() && proof.is_on() {
            let (wrong, _) = pages.merged.verdict()?;
            for sentence in wrong {
                proof.fails_at(place.clone(), sentence)?;
            }
        }
        let numbers = pages.numbers.iter().flatten().copied().collect();
        // A last page without a number follows those that have one.
        let last = pages.last.map(|last| last.number.unwrap_or_default());
        if let Some(missing) = missing(&numbers, Some(1), last) {
            proof.lacks_pages(&pages.merged.name(), missing, place);
        }
    }
    Ok(proof.take_warnings())
}
