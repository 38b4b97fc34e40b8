//! True trades: the records of both systems without any mistakes.

use uuid::{Builder, Uuid};

use super::random::Draw;
use crate::domain::Date;

/// A column of the pair, in A's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    TransactionId,
    TradeDate,
    SettlementDate,
    Counterparty,
    BuySell,
    Currency,
    Amount,
    Price,
    AccruedInterest,
    Account,
    TraderId,
}

impl Column {
    pub const fn field(self) -> &'static str {
        match self {
            Self::TransactionId => "transaction_id",
            Self::TradeDate => "trade_date",
            Self::SettlementDate => "settlement_date",
            Self::Counterparty => "counterparty",
            Self::BuySell => "buy_sell",
            Self::Currency => "currency",
            Self::Amount => "amount",
            Self::Price => "price",
            Self::AccruedInterest => "accrued_interest",
            Self::Account => "account",
            Self::TraderId => "trader_id",
        }
    }
}

/// The trades' counterparties, in ASCII.
pub const COUNTERPARTIES: [&str; 24] = [
    "Barclays Bank PLC",
    "UBS AG",
    "BNP Paribas SA",
    "Nordea Bank Abp",
    "Danske Bank A/S",
    "ING Bank N.V.",
    "Rabobank",
    "Lloyds Bank PLC",
    "Westpac Banking Corp",
    "Julius Baer & Co",
    "Erste Group Bank AG",
    "KBC Bank NV",
    // From here on longer than a field of 20 characters.
    "Deutsche Bank Aktiengesellschaft",
    "Commerzbank Aktiengesellschaft Frankfurt",
    "Goldman Sachs International",
    "Morgan Stanley & Co. International plc",
    "JPMorgan Chase Bank, National Association",
    "Citibank Europe Public Limited Company",
    "Mizuho Bank, Ltd., London Branch",
    "Credit Agricole Corporate and Investment Bank",
    "Standard Chartered Bank Singapore Limited",
    "Landesbank Hessen-Thueringen Girozentrale",
    "Skandinaviska Enskilda Banken AB",
    "Banco Bilbao Vizcaya Argentaria, S.A.",
];

/// The index of the first counterparty with more than 20 characters.
pub const FIRST_LONG_COUNTERPARTY: u32 = 12;

/// The base currency, which needs no conversion, and the others.
pub const CURRENCIES: [&str; 8] = ["USD", "EUR", "GBP", "JPY", "CHF", "SEK", "NOK", "AUD"];

/// Days per year for interest.
const ACCRUAL_YEAR: i64 = 360;

/// One trade. Numbers are whole units of their column's last decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    pub id: Uuid,
    pub trade_date: Date,
    /// Two business days later.
    pub settlement_date: Date,
    /// An index into [`COUNTERPARTIES`].
    pub counterparty: u32,
    pub bought: bool,
    /// An index into [`CURRENCIES`].
    pub currency: u32,
    /// In cents.
    pub amount: i64,
    /// In hundred-thousandths.
    pub price: i64,
    /// The yearly rate in hundredths of a percent, at least 100.
    pub interest_rate: i64,
    /// Days of accrued interest, at least 1.
    pub interest_days: i64,
    /// The account number, at most eight digits (written with ten).
    pub account: u32,
    pub trader: Option<u32>,
}

impl Trade {
    pub fn draw(draw: &mut Draw) -> Self {
        let id = Builder::from_random_bytes(draw.bytes()).into_uuid();
        // A year of trade dates that does not depend on the clock.
        let new_year = Date::from_civil(2025, 1, 1).map_or(0, Date::days);
        let day = Date::from_days(new_year + draw.below(365) as i32);
        let trade_date = add_business_days(day, 1);
        // Amounts from 1 000 to 10 000 000, small ones more often.
        let ceiling = draw.one_of(&[&1_000_000, &10_000_000, &100_000_000, &1_000_000_000], &0);
        Self {
            id,
            trade_date,
            settlement_date: add_business_days(trade_date, 2),
            counterparty: draw.below(COUNTERPARTIES.len() as u32),
            bought: draw.below(2) == 0,
            currency: draw.below(CURRENCIES.len() as u32),
            amount: i64::from(draw.between(100_000, *ceiling)),
            price: i64::from(draw.between(60_000, 15_000_000)),
            interest_rate: i64::from(draw.between(100, 650)),
            interest_days: i64::from(draw.between(1, 180)),
            account: draw.between(100_000, 99_999_999),
            trader: (!draw.percent(2)).then(|| draw.between(100, 999)),
        }
    }

    /// The interest accrued over `days` on an amount, in cents.
    pub const fn accrued(&self, days: i64) -> i64 {
        self.amount * self.interest_rate * days / (10_000 * ACCRUAL_YEAR)
    }
}

/// The day `count` business days (Monday to Friday) after `date`.
pub fn add_business_days(date: Date, count: u32) -> Date {
    let mut day = date;
    for _ in 0..count {
        day = Date::from_days(day.days() + 1);
        while day.weekday() > 4 {
            day = Date::from_days(day.days() + 1);
        }
    }
    day
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_those_that_a_cut_at_20_changes() {
        for (at, name) in COUNTERPARTIES.iter().enumerate() {
            assert_eq!(name.len() > 20, at >= FIRST_LONG_COUNTERPARTY as usize, "{name}");
            assert!(name.is_ascii(), "{name}");
        }
    }

    #[test]
    fn a_weekend_is_not_counted() {
        let friday: Date = "2026-01-16".parse().unwrap();
        assert_eq!(add_business_days(friday, 1).to_string(), "2026-01-19");
        assert_eq!(add_business_days(friday, 5).to_string(), "2026-01-23");
    }

    #[test]
    fn a_day_of_interest_is_at_least_a_cent_on_the_smallest_trade() {
        let mut trade = Trade::draw(&mut Draw::of_block(1, 0));
        (trade.amount, trade.interest_rate) = (100_000, 100);
        for days in 1..=180 {
            assert!(trade.accrued(days + 1) > trade.accrued(days));
        }
    }
}
