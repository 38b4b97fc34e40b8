//! The two systems' formats: A in plain CSV; B with other columns, order, delimiter, dates and
//! decimal commas.

use super::cause::Booking;
use super::random::Draw;
use super::trade::{COUNTERPARTIES, CURRENCIES, Column, Trade};
use crate::domain::Date;

pub const HEADER_A: &str = "transaction_id,trade_date,settlement_date,counterparty,buy_sell,\
                            currency,amount,price,accrued_interest,account,trader_id\n";

pub const HEADER_B: &str =
    "txn_ref;cpty;B/S;ccy;notional;px;accrued;trade_dt;settle_dt;acct;trader\n";

/// B's columns, in the order of its header.
const COLUMNS_OF_B: [Column; 11] = [
    Column::TransactionId,
    Column::Counterparty,
    Column::BuySell,
    Column::Currency,
    Column::Amount,
    Column::Price,
    Column::AccruedInterest,
    Column::TradeDate,
    Column::SettlementDate,
    Column::Account,
    Column::TraderId,
];

pub const HEADER_OF_LABELS: &str = "transaction_id,field,reason\n";

pub fn counterparty(trade: &Trade) -> &'static str {
    COUNTERPARTIES.get(trade.counterparty as usize).copied().unwrap_or_default()
}

fn currency(trade: &Trade) -> &'static str {
    CURRENCIES.get(trade.currency as usize).copied().unwrap_or_default()
}

pub fn row_of_a(out: &mut Vec<u8>, trade: &Trade, accrued: i64) {
    push_id(out, trade, false);
    out.push(b',');
    push_iso(out, trade.trade_date);
    out.push(b',');
    push_iso(out, trade.settlement_date);
    out.push(b',');
    let name = counterparty(trade);
    if name.contains(',') {
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(name.as_bytes());
    }
    out.extend_from_slice(if trade.bought { b",BUY," } else { b",SELL," });
    out.extend_from_slice(currency(trade).as_bytes());
    out.push(b',');
    push_number(out, trade.amount, 2, b'.', None);
    out.push(b',');
    push_number(out, trade.price, 5, b'.', None);
    out.push(b',');
    push_number(out, accrued, 2, b'.', None);
    out.push(b',');
    push_padded(out, trade.account, 10);
    out.push(b',');
    push_trader(out, trade);
    out.push(b'\n');
}

/// Appends a row of B. Names are written in B's sloppy style, which normalization corrects.
pub fn row_of_b(out: &mut Vec<u8>, booking: &Booking, draw: &mut Draw) {
    let trade = &booking.trade;
    let careless = draw.below(4);
    for (at, column) in COLUMNS_OF_B.into_iter().enumerate() {
        if at > 0 {
            out.push(b';');
        }
        if let Some(text) = booking.text(column) {
            out.extend_from_slice(text.as_bytes());
            continue;
        }
        match column {
            Column::TransactionId => push_id(out, trade, true),
            Column::Counterparty => {
                let from = out.len();
                for letter in counterparty(trade).bytes() {
                    out.push(letter);
                    if letter == b' ' && careless == 1 {
                        out.push(b' ');
                    }
                }
                if careless == 2 {
                    out[from..].make_ascii_uppercase();
                }
            }
            Column::BuySell => out.push(if trade.bought { b'B' } else { b'S' }),
            Column::Currency => out.extend_from_slice(currency(trade).as_bytes()),
            Column::Amount => push_number(out, trade.amount, 2, b',', Some(b'.')),
            Column::Price => push_number(out, trade.price, 5, b',', Some(b'.')),
            Column::AccruedInterest => push_number(out, booking.accrued, 2, b',', Some(b'.')),
            Column::TradeDate => push_day_first(out, trade.trade_date),
            Column::SettlementDate => push_day_first(out, trade.settlement_date),
            Column::Account => push_padded(out, trade.account, 10),
            Column::TraderId => push_trader(out, trade),
        }
    }
    out.push(b'\n');
}

/// Appends a label. The key is written like recon's normalized key, in upper case.
pub fn label(out: &mut Vec<u8>, trade: &Trade, field: &str, reason: &str) {
    push_id(out, trade, true);
    for text in [",", field, ",", reason, "\n"] {
        out.extend_from_slice(text.as_bytes());
    }
}

pub fn amount_of_b(cents: i64) -> String {
    let mut out = Vec::new();
    push_number(&mut out, cents, 2, b',', Some(b'.'));
    String::from_utf8(out).unwrap_or_default()
}

fn push_id(out: &mut Vec<u8>, trade: &Trade, upper: bool) {
    let mut buffer = uuid::Uuid::encode_buffer();
    let id = trade.id.hyphenated();
    let text = if upper { id.encode_upper(&mut buffer) } else { id.encode_lower(&mut buffer) };
    out.extend_from_slice(text.as_bytes());
}

fn push_trader(out: &mut Vec<u8>, trade: &Trade) {
    if let Some(trader) = trade.trader {
        out.extend_from_slice(b"TR-");
        push_padded(out, trader, 4);
    }
}

pub fn push_iso(out: &mut Vec<u8>, date: Date) {
    let (year, month, day) = date.civil();
    push_padded(out, year.unsigned_abs(), 4);
    out.push(b'-');
    push_padded(out, month, 2);
    out.push(b'-');
    push_padded(out, day, 2);
}

pub fn push_day_first(out: &mut Vec<u8>, date: Date) {
    let (year, month, day) = date.civil();
    push_padded(out, day, 2);
    out.push(b'/');
    push_padded(out, month, 2);
    out.push(b'/');
    push_padded(out, year.unsigned_abs(), 4);
}

/// Appends a number with at least `width` digits.
fn push_padded(out: &mut Vec<u8>, number: u32, width: usize) {
    let from = out.len();
    let mut rest = number;
    while rest > 0 || out.len() < from + width {
        out.push(b'0' + (rest % 10) as u8);
        rest /= 10;
    }
    out[from..].reverse();
}

/// Appends `units` / 10^`scale`.
pub fn push_number(out: &mut Vec<u8>, units: i64, scale: u32, decimal: u8, thousands: Option<u8>) {
    if units < 0 {
        out.push(b'-');
    }
    let from = out.len();
    let mut rest = units.unsigned_abs();
    let mut written = 0;
    while rest > 0 || written <= scale {
        if written == scale && scale > 0 {
            out.push(decimal);
        }
        if let (Some(separator), Some(whole)) = (thousands, written.checked_sub(scale))
            && whole > 0
            && whole % 3 == 0
        {
            out.push(separator);
        }
        out.push(b'0' + (rest % 10) as u8);
        rest /= 10;
        written += 1;
    }
    out[from..].reverse();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_both_ways() {
        for (units, plain, of_b) in [
            (0, "0.00", "0,00"),
            (5, "0.05", "0,05"),
            (99_999, "999.99", "999,99"),
            (100_000, "1000.00", "1.000,00"),
            (-123_456_789, "-1234567.89", "-1.234.567,89"),
        ] {
            let mut out = Vec::new();
            push_number(&mut out, units, 2, b'.', None);
            assert_eq!(String::from_utf8(out).unwrap(), plain);
            assert_eq!(amount_of_b(units), of_b);
        }
    }

    #[test]
    fn the_columns_of_b_are_those_of_its_header() {
        assert_eq!(HEADER_B.trim_end().split(';').count(), COLUMNS_OF_B.len());
        assert_eq!(HEADER_A.trim_end().split(',').count(), COLUMNS_OF_B.len());
    }
}
