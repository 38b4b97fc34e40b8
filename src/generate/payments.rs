//! The payments scenario: a bank's lines against a ledger that no common key joins, with the true matches.
//!
//! Most lines are one entry with its document number. Some lost the number, some pay several entries at once, some are a
//! processor's payout of many orders less its fees, and on both sides there are rows that nothing belongs to.

use super::block::{Block, RowsInAnyOrder};
use super::random::Draw;
use super::write::{push_day_first, push_iso, push_number};
use crate::domain::Date;

pub const CONFIGURATION: &str = include_str!("pair/payments.yaml");

pub const HEADER_A: &str = "line_id,value_date,amount,currency,counterparty,reference\n";
pub const HEADER_B: &str = "entry_id;posted;amount;currency;customer;document;payout_id\n";
pub const HEADER_OF_LABELS: &str = "match,side,ref,kind\n";

const CURRENCIES: [&str; 3] = ["EUR", "USD", "GBP"];
const PROCESSORS: [&str; 3] = ["Payflow Ltd", "Cardhub SA", "Quickpay GmbH"];
/// How many customers share the lines of a block.
const CUSTOMERS: u32 = 60;
const FIRST_DAY: i32 = 20_458;

/// The true nature of a bank line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One entry, whose document number the line gives.
    Reference,
    /// One entry, whose number got lost.
    LostReference,
    /// Several entries of a customer.
    Split,
    /// All orders, refunds and fees of a processor's payout.
    Payout,
    BankOnly,
    LedgerOnly,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::LostReference => "lost_reference",
            Self::Split => "split",
            Self::Payout => "payout",
            Self::BankOnly => "bank_only",
            Self::LedgerOnly => "ledger_only",
        }
    }

    fn draw(draw: &mut Draw) -> Self {
        match draw.below(100) {
            0..55 => Self::Reference,
            55..68 => Self::LostReference,
            68..81 => Self::Split,
            81..87 => Self::Payout,
            87..92 => Self::BankOnly,
            _ => Self::LedgerOnly,
        }
    }
}

/// Values that all rows of a match share.
struct Deal {
    day: i32,
    currency: &'static str,
    customer: String,
}

/// The rows of a block on their way.
struct Maker<'d> {
    number: u64,
    draw: &'d mut Draw,
    block: Block,
    rows_of_b: RowsInAnyOrder,
    entries: u64,
}

/// The bank lines `number` × a block's and the entries that belong to them.
pub fn block(seed: u64, number: u64, lines: u64) -> Block {
    let mut draw = Draw::of_block(seed, number);
    let block = Block { trades: lines, ..Block::default() };
    let mut maker =
        Maker { number, draw: &mut draw, block, rows_of_b: RowsInAnyOrder::default(), entries: 0 };
    for line in 1..=lines {
        maker.add(line);
    }
    let Maker { mut block, rows_of_b, entries, .. } = maker;
    block.rows.b = entries;
    block.bytes.b = rows_of_b.shuffled(&mut draw);
    block
}

impl Maker<'_> {
    fn add(&mut self, line: u64) {
        let kind = Kind::draw(self.draw);
        *self.block.by_reason.entry(kind.name()).or_default() += 1;
        let customer = match kind {
            Kind::Payout => self.draw.one_of(&PROCESSORS, "").to_owned(),
            _ => {
                let number = self.number * u64::from(CUSTOMERS);
                format!("Customer {:05}", number + u64::from(self.draw.below(CUSTOMERS)))
            }
        };
        let deal = Deal {
            day: FIRST_DAY + self.draw.below(28) as i32,
            currency: self.draw.one_of(&CURRENCIES, ""),
            customer,
        };
        let id = format!("{}-{line}", self.number + 1);
        let label = match kind {
            Kind::BankOnly | Kind::LedgerOnly => String::new(),
            _ => {
                self.block.matches += 1;
                format!("M{id}")
            }
        };
        let amount = self.amount();
        let document = format!("INV-{id}");
        match kind {
            Kind::BankOnly => self.line(&deal, &id, amount, "", (&label, kind)),
            Kind::LedgerOnly => self.entry(&deal, amount, 0, (&document, ""), (&label, kind)),
            Kind::Reference | Kind::LostReference => {
                let reference = if kind == Kind::Reference { document.as_str() } else { "" };
                self.line(&deal, &id, amount, reference, (&label, kind));
                self.entry(&deal, amount, 3, (&document, ""), (&label, kind));
            }
            Kind::Split => {
                let parts: Vec<i64> = (0..self.draw.between(2, 5)).map(|_| self.amount()).collect();
                self.line(&deal, &id, parts.iter().sum(), "", (&label, kind));
                for (part, amount) in parts.into_iter().enumerate() {
                    let document = format!("{document}-{}", part + 1);
                    self.entry(&deal, amount, 5, (&document, ""), (&label, kind));
                }
            }
            Kind::Payout => {
                let mut orders: Vec<(String, i64)> = (1..=self.draw.between(3, 30))
                    .map(|order| (format!("ORD-{id}-{order}"), self.amount() / 10 + 1))
                    .collect();
                let total: i64 = orders.iter().map(|(_, amount)| amount).sum();
                if self.draw.percent(40) {
                    orders.push((format!("REF-{id}"), -orders[0].1));
                }
                orders.push((format!("FEE-{id}"), -(total * 29 / 1_000 + 30)));
                let sum = orders.iter().map(|(_, amount)| amount).sum();
                self.line(&deal, &id, sum, "", (&label, kind));
                let payout = format!("PO-{id}");
                for (document, amount) in orders {
                    self.entry(&deal, amount, 2, (&document, &payout), (&label, kind));
                }
            }
        }
    }

    /// In cents; every tenth is a round amount, of which there are several.
    fn amount(&mut self) -> i64 {
        if self.draw.percent(10) {
            return i64::from(self.draw.between(1, 40)) * 5_000;
        }
        i64::from(self.draw.between(500, 500_000))
    }

    fn line(&mut self, deal: &Deal, id: &str, cents: i64, reference: &str, label: (&str, Kind)) {
        let name = format!("L{id}");
        let out = &mut self.block.bytes.a;
        out.extend_from_slice(name.as_bytes());
        out.push(b',');
        push_iso(out, Date::from_days(deal.day));
        out.push(b',');
        push_number(out, cents, 2, b'.', None);
        let customer = deal.customer.to_uppercase();
        for text in [deal.currency, &customer, reference] {
            out.push(b',');
            out.extend_from_slice(text.as_bytes());
        }
        out.push(b'\n');
        self.block.rows.a += 1;
        self.label("A", &name, label);
    }

    /// An entry posted up to this many days before the bank's value date.
    fn entry(
        &mut self,
        deal: &Deal,
        cents: i64,
        days: u32,
        (document, payout): (&str, &str),
        label: (&str, Kind),
    ) {
        self.entries += 1;
        let name = format!("E{}-{}", self.number + 1, self.entries);
        let day = deal.day - self.draw.between(0, days) as i32;
        let out = &mut self.rows_of_b.bytes;
        out.extend_from_slice(name.as_bytes());
        out.push(b';');
        push_day_first(out, Date::from_days(day));
        out.push(b';');
        push_number(out, cents, 2, b',', Some(b'.'));
        for text in [deal.currency, &deal.customer, document, payout] {
            out.push(b';');
            out.extend_from_slice(text.as_bytes());
        }
        out.push(b'\n');
        self.rows_of_b.ends.push(self.rows_of_b.bytes.len());
        self.label("B", &name, label);
    }

    fn label(&mut self, side: &str, name: &str, (label, kind): (&str, Kind)) {
        let line = format!("{label},{side},{name},{}\n", kind.name());
        self.block.labels.extend_from_slice(line.as_bytes());
    }
}
