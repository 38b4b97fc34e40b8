//! Causes of differences, and their effect on a true trade.
//!
//! A cause that strikes makes exactly one field of B differ beyond the tolerance of the written
//! `recon.yaml`, or adds or removes a whole row. That makes `labels.csv` exact.

use super::noise::Noise;
use super::random::Draw;
use super::trade::{
    COUNTERPARTIES, CURRENCIES, Column, FIRST_LONG_COUNTERPARTY, Trade, add_business_days,
};
use super::write;
use crate::domain::Date;

/// A true cause: one for each shipped reason code except UNKNOWN and PENDING_INVESTIGATION. The names
/// are those of the codes; [`NoiseSpec`](super::NoiseSpec) explains them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    FxVariance,
    TimingLag,
    RoundingDiff,
    PriceFluctuation,
    AccrualDiff,
    SystemConversion,
    ManualEntryErr,
    DataTypeMismatch,
    MissingSourceA,
    MissingSourceB,
    DuplicateEntry,
    TruncationErr,
}

impl Cause {
    pub const ALL: [Self; 12] = [
        Self::FxVariance,
        Self::TimingLag,
        Self::RoundingDiff,
        Self::PriceFluctuation,
        Self::AccrualDiff,
        Self::SystemConversion,
        Self::ManualEntryErr,
        Self::DataTypeMismatch,
        Self::MissingSourceA,
        Self::MissingSourceB,
        Self::DuplicateEntry,
        Self::TruncationErr,
    ];

    /// Causes that make a field differ.
    const OF_A_FIELD: [Self; 9] = [
        Self::FxVariance,
        Self::TimingLag,
        Self::RoundingDiff,
        Self::PriceFluctuation,
        Self::AccrualDiff,
        Self::SystemConversion,
        Self::ManualEntryErr,
        Self::DataTypeMismatch,
        Self::TruncationErr,
    ];

    pub const fn code(self) -> &'static str {
        match self {
            Self::FxVariance => "FX_VARIANCE",
            Self::TimingLag => "TIMING_LAG",
            Self::RoundingDiff => "ROUNDING_DIFF",
            Self::PriceFluctuation => "PRICE_FLUCTUATION",
            Self::AccrualDiff => "ACCRUAL_DIFF",
            Self::SystemConversion => "SYSTEM_CONVERSION",
            Self::ManualEntryErr => "MANUAL_ENTRY_ERR",
            Self::DataTypeMismatch => "DATA_TYPE_MISMATCH",
            Self::MissingSourceA => "MISSING_SOURCE_A",
            Self::MissingSourceB => "MISSING_SOURCE_B",
            Self::DuplicateEntry => "DUPLICATE_ENTRY",
            Self::TruncationErr => "TRUNCATION_ERR",
        }
    }

    pub const fn is_of_the_record(self) -> bool {
        matches!(self, Self::MissingSourceA | Self::MissingSourceB | Self::DuplicateEntry)
    }

    /// Makes the trade suitable for this cause: only an amount in a foreign currency is converted,
    /// only a long name is cut.
    pub fn prepare(self, trade: &mut Trade, draw: &mut Draw) {
        match self {
            Self::FxVariance => trade.currency = draw.between(1, CURRENCIES.len() as u32 - 1),
            Self::TruncationErr => {
                trade.counterparty =
                    draw.between(FIRST_LONG_COUNTERPARTY, COUNTERPARTIES.len() as u32 - 1);
            }
            _ => {}
        }
    }

    /// A cause of a second difference, by the causes' rates.
    pub fn second(noise: &Noise, draw: &mut Draw) -> Option<Self> {
        let sum = Self::OF_A_FIELD.iter().map(|cause| noise.rate(*cause).millionths()).sum();
        let mut lot = i64::from(draw.below(sum));
        Self::OF_A_FIELD.into_iter().find(|cause| {
            lot -= i64::from(noise.rate(*cause).millionths());
            lot < 0
        })
    }
}

/// A trade as one system holds it.
#[derive(Clone, Debug)]
pub struct Booking {
    pub trade: Trade,
    /// Accrued interest in cents.
    pub accrued: i64,
    /// Columns whose text replaces the value.
    pub texts: Vec<(Column, String)>,
}

impl Booking {
    pub fn of(trade: &Trade) -> Self {
        Self { trade: *trade, accrued: trade.accrued(trade.interest_days), texts: Vec::new() }
    }

    pub fn text(&self, column: Column) -> Option<&str> {
        self.texts.iter().find(|(at, _)| *at == column).map(|(_, text)| text.as_str())
    }

    fn set_text(&mut self, column: Column, text: impl Into<String>) -> Column {
        self.texts.push((column, text.into()));
        column
    }
}

/// Applies `cause` to B's booking in a field other than `taken`; returns the field, or `None` if
/// the trade has nothing to change. A prepared trade with nothing taken is always changed.
pub fn strike(
    cause: Cause,
    booking: &mut Booking,
    taken: Option<Column>,
    hard: bool,
    draw: &mut Draw,
) -> Option<Column> {
    let mut stroke = Stroke { booking, taken, hard, draw };
    match cause {
        Cause::FxVariance => stroke.convert_at_another_rate(),
        Cause::TimingLag => stroke.book_later(),
        Cause::RoundingDiff => stroke.round(),
        Cause::PriceFluctuation => stroke.price_at_another_moment(),
        Cause::AccrualDiff => stroke.accrue_other_days(),
        Cause::SystemConversion => stroke.convert_text(),
        Cause::ManualEntryErr => stroke.mistype(),
        Cause::DataTypeMismatch => stroke.spoil_type(),
        Cause::TruncationErr => stroke.cut_name(),
        Cause::MissingSourceA | Cause::MissingSourceB | Cause::DuplicateEntry => None,
    }
}

/// One cause about to change one booking.
struct Stroke<'a> {
    booking: &'a mut Booking,
    taken: Option<Column>,
    hard: bool,
    draw: &'a mut Draw,
}

impl Stroke<'_> {
    fn free(&self, column: Column) -> Option<Column> {
        (self.taken != Some(column)).then_some(column)
    }

    /// The usual column of a cause, or in `percent` of the hard cases one that is more typical of
    /// another cause.
    fn usual_or(&mut self, usual: Column, unusual: Column, percent: u32) -> Option<Column> {
        let chosen = if self.hard && self.draw.percent(percent) { unusual } else { usual };
        self.free(chosen)
    }

    /// Changes a number column by `delta`, but at least by `least` units.
    fn move_number(&mut self, column: Column, delta: i64, least: i64) -> Option<Column> {
        let delta = match delta {
            far if far.abs() >= least => far,
            down if down < 0 => -least,
            _ => least,
        };
        let number = match column {
            Column::Amount => &mut self.booking.trade.amount,
            Column::Price => &mut self.booking.trade.price,
            Column::AccruedInterest => &mut self.booking.accrued,
            _ => return None,
        };
        *number += delta;
        Some(column)
    }

    fn number(&self, column: Column) -> i64 {
        match column {
            Column::Price => self.booking.trade.price,
            Column::AccruedInterest => self.booking.accrued,
            _ => self.booking.trade.amount,
        }
    }

    /// The smallest change of a column that exceeds its tolerance.
    const fn least_move(column: Column) -> i64 {
        if matches!(column, Column::Price) { 2 } else { 1 }
    }

    fn convert_at_another_rate(&mut self) -> Option<Column> {
        if self.booking.trade.currency == 0 {
            return None;
        }
        let column = self.usual_or(Column::Amount, Column::Price, 30)?;
        let (low, high) = if self.hard { (20, 600) } else { (500, 3_000) };
        let variance = i64::from(self.draw.between(low, high)) * self.draw.sign();
        let delta = self.number(column) * variance / 100_000;
        self.move_number(column, delta, Self::least_move(column))
    }

    fn price_at_another_moment(&mut self) -> Option<Column> {
        let column = self.usual_or(Column::Price, Column::Amount, 30)?;
        let (low, high) = if self.hard { (20, 2_000) } else { (50, 500) };
        let move_of_price = i64::from(self.draw.between(low, high)) * self.draw.sign();
        let delta = self.number(column) * move_of_price / 100_000;
        self.move_number(column, delta, Self::least_move(column))
    }

    fn accrue_other_days(&mut self) -> Option<Column> {
        let column = self.usual_or(Column::AccruedInterest, Column::Amount, 30)?;
        let trade = &self.booking.trade;
        let days = if self.hard { i64::from(self.draw.between(1, 3)) } else { 1 };
        let later = trade.accrued(trade.interest_days + days) - trade.accrued(trade.interest_days);
        let fits = trade.interest_days > days;
        let delta = if fits && self.draw.sign() < 0 { -later } else { later };
        self.move_number(column, delta, 1)
    }

    fn round(&mut self) -> Option<Column> {
        let column = self.usual_or(Column::Amount, Column::AccruedInterest, 20)?;
        let step = match self.draw.below(if self.hard { 5 } else { 3 }) {
            0 => 100,
            1 => 10,
            2 => 1,
            3 => 1_000,
            _ => 10_000,
        };
        let number = self.number(column);
        let delta = (number + step / 2) / step * step - number;
        // A value that is already round, or was already cut to cents, changes by a cent.
        let delta = if delta == 0 { self.draw.sign() } else { delta };
        self.move_number(column, delta, 1)
    }

    fn book_later(&mut self) -> Option<Column> {
        let column = if self.draw.percent(80) { Column::TradeDate } else { Column::SettlementDate };
        let column = self.free(column)?;
        let days = self.draw.between(1, if self.hard { 5 } else { 3 });
        self.move_date(column, |date| add_business_days(date, days))
    }

    fn move_date(&mut self, column: Column, to: impl FnOnce(Date) -> Date) -> Option<Column> {
        let date = if column == Column::TradeDate {
            &mut self.booking.trade.trade_date
        } else {
            &mut self.booking.trade.settlement_date
        };
        *date = to(*date);
        Some(column)
    }

    fn convert_text(&mut self) -> Option<Column> {
        let account = self.booking.trade.account;
        let kind = self.draw.below(4);
        let column = if kind == 3 { Column::Counterparty } else { Column::Account };
        let column = self.free(column)?;
        let text = match kind {
            0 => account.to_string(),
            1 => format!("GL-{account:010}"),
            2 => {
                let (head, tail) = (account / 10_000, account % 10_000);
                format!("{:02}-{:04}-{tail:04}", head / 10_000, head % 10_000)
            }
            _ => format!("CP{:04}", 1_000 + self.booking.trade.counterparty * 7),
        };
        Some(self.booking.set_text(column, text))
    }

    fn spoil_type(&mut self) -> Option<Column> {
        let column = match self.draw.below(8) {
            0..4 => Column::Amount,
            4 | 5 => Column::Price,
            6 => Column::AccruedInterest,
            _ => Column::TradeDate,
        };
        let column = self.free(column)?;
        let text = match column {
            Column::TradeDate => "TBC".to_owned(),
            Column::Price => self.draw.one_of(&["#REF!", "N.A.", "MKT"], "N.A.").to_owned(),
            Column::AccruedInterest => "#VALUE!".to_owned(),
            _ => {
                // The letter O for a zero, a typical typing mistake.
                let written = write::amount_of_b(self.booking.trade.amount);
                match written.rfind('0') {
                    Some(at) => format!("{}O{}", &written[..at], &written[at + 1..]),
                    None => "N.A.".to_owned(),
                }
            }
        };
        Some(self.booking.set_text(column, text))
    }

    fn cut_name(&mut self) -> Option<Column> {
        let column = self.free(Column::Counterparty)?;
        let name = write::counterparty(&self.booking.trade);
        let longest = u32::try_from(name.len()).ok()?.checked_sub(1)?;
        if longest < 20 {
            return None;
        }
        let length = if self.hard { self.draw.between(10, longest.min(24)) } else { 20 };
        Some(self.booking.set_text(column, name.get(..length as usize)?))
    }

    /// One of several typing mistakes, whichever this booking allows first.
    fn mistype(&mut self) -> Option<Column> {
        const KINDS: u32 = 7;
        let first = self.draw.below(KINDS);
        (first..first + KINDS).find_map(|kind| match kind % KINDS {
            0 | 1 => self.mistype_name(),
            2 => self.swap_digits_of_amount(),
            3 => self.swap_digits_of_account(),
            4 => self.mistype_trader(),
            5 => self.mistype_date(),
            _ => {
                let column = self.free(Column::BuySell)?;
                self.booking.trade.bought ^= true;
                Some(column)
            }
        })
    }

    fn mistype_name(&mut self) -> Option<Column> {
        let column = self.free(Column::Counterparty)?;
        let mut name = write::counterparty(&self.booking.trade).to_owned().into_bytes();
        let at = self.draw.below(u32::try_from(name.len()).ok()? - 1) as usize;
        let (Some(&this), Some(&next)) = (name.get(at), name.get(at + 1)) else { return None };
        if !this.is_ascii_alphabetic() {
            return None;
        }
        match self.draw.below(3) {
            0 if next.is_ascii_alphabetic() && !this.eq_ignore_ascii_case(&next) => {
                name.swap(at, at + 1);
            }
            1 => {
                name.remove(at);
            }
            _ => name.insert(at, this),
        }
        Some(self.booking.set_text(column, String::from_utf8(name).ok()?))
    }

    fn swap_digits_of_amount(&mut self) -> Option<Column> {
        let column = self.free(Column::Amount)?;
        let swapped = self.swap_digits(&self.booking.trade.amount.to_string())?;
        self.booking.trade.amount = swapped.parse().ok()?;
        Some(column)
    }

    fn swap_digits_of_account(&mut self) -> Option<Column> {
        let column = self.free(Column::Account)?;
        let swapped = self.swap_digits(&self.booking.trade.account.to_string())?;
        self.booking.trade.account = swapped.parse().ok()?;
        Some(column)
    }

    /// `digits` with two different neighbors swapped, except the first digit.
    fn swap_digits(&mut self, digits: &str) -> Option<String> {
        let mut digits = digits.as_bytes().to_vec();
        let at = 1 + self.draw.below(u32::try_from(digits.len()).ok()?.checked_sub(2)?) as usize;
        if digits.get(at)? == digits.get(at + 1)? {
            return None;
        }
        digits.swap(at, at + 1);
        String::from_utf8(digits).ok()
    }

    fn mistype_trader(&mut self) -> Option<Column> {
        let column = self.free(Column::TraderId)?;
        let trader = self.booking.trade.trader?;
        if self.draw.percent(40) {
            self.booking.trade.trader = None;
        } else {
            // Another last digit.
            let last = (trader % 10 + self.draw.between(1, 9)) % 10;
            self.booking.trade.trader = Some(trader / 10 * 10 + last);
        }
        Some(column)
    }

    fn mistype_date(&mut self) -> Option<Column> {
        let column = if self.hard { Column::TradeDate } else { Column::SettlementDate };
        let column = self.free(column)?;
        // A wrong tens digit or, if causes overlap, a wrong ones digit.
        let days = if self.hard { self.draw.between(1, 9) } else { 10 * self.draw.between(1, 2) };
        let days = days as i32 * if self.draw.sign() < 0 { -1 } else { 1 };
        self.move_date(column, |date| Date::from_days(date.days() + days))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_of_a_field_strikes_a_trade_prepared_for_it() {
        let mut draw = Draw::of_block(3, 0);
        for round in 0..2_000 {
            for cause in Cause::OF_A_FIELD {
                let mut trade = Trade::draw(&mut draw);
                cause.prepare(&mut trade, &mut draw);
                let mut booking = Booking::of(&trade);
                let struck = strike(cause, &mut booking, None, round % 2 == 0, &mut draw);
                assert!(struck.is_some(), "{cause:?} on {trade:?}");
            }
        }
    }

    #[test]
    fn a_cause_does_not_change_the_taken_field() {
        let mut draw = Draw::of_block(4, 0);
        let mut seen = 0;
        for _ in 0..2_000 {
            let trade = Trade::draw(&mut draw);
            let mut booking = Booking::of(&trade);
            let taken = Some(Column::Amount);
            for cause in [Cause::ManualEntryErr, Cause::DataTypeMismatch, Cause::FxVariance] {
                let struck = strike(cause, &mut booking.clone(), taken, false, &mut draw);
                assert_ne!(struck, taken);
                seen += u32::from(struck.is_some());
            }
            booking.texts.clear();
        }
        assert!(seen > 1_000);
    }

    #[test]
    fn every_cause_is_of_a_field_or_of_a_record() {
        for cause in Cause::ALL {
            assert_ne!(Cause::OF_A_FIELD.contains(&cause), cause.is_of_the_record(), "{cause:?}");
        }
    }
}
