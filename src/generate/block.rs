//! Blocks of trades: each a pure function of the seed, its number and the noise, so that any number
//! of threads writes the same files.

use std::collections::BTreeMap;

use super::cause::{Booking, Cause, strike};
use super::noise::{Noise, Rate};
use super::random::Draw;
use super::trade::Trade;
use super::write;
use crate::domain::FieldRef;
use crate::domain::PerSide;

/// Trades per block, except for the last.
pub const TRADES_PER_BLOCK: u64 = 1_024;

#[derive(Default)]
pub struct Block {
    pub bytes: PerSide<Vec<u8>>,
    pub rows: PerSide<u64>,
    pub labels: Vec<u8>,
    /// Labels by reason, or lines by kind.
    pub by_reason: BTreeMap<&'static str, u64>,
    /// True matches; only of payments.
    pub matches: u64,
    pub trades: u64,
}

impl Block {
    pub fn make(seed: u64, number: u64, trades: u64, noise: &Noise) -> Self {
        let mut draw = Draw::of_block(seed, number);
        let mut block = Self { trades, ..Self::default() };
        let mut rows_of_b = RowsInAnyOrder::default();
        for _ in 0..trades {
            block.add_trade(&mut rows_of_b, noise, &mut draw);
        }
        block.rows.b = rows_of_b.ends.len() as u64;
        block.bytes.b = rows_of_b.shuffled(&mut draw);
        block
    }

    fn add_trade(&mut self, rows_of_b: &mut RowsInAnyOrder, noise: &Noise, draw: &mut Draw) {
        let cause = noise.cause_at(draw.below(Rate::WHOLE));
        let mut trade = Trade::draw(draw);
        let mut booking = match cause {
            None => {
                let mut booking = Booking::of(&trade);
                if draw.at(noise.within_tolerance) {
                    booking.trade.price += draw.sign();
                }
                booking
            }
            Some(cause) => {
                cause.prepare(&mut trade, draw);
                Booking::of(&trade)
            }
        };
        if let Some(cause) = cause.filter(|cause| !cause.is_of_the_record()) {
            self.disagree(cause, &trade, &mut booking, noise, draw);
        }
        let (copies_in_a, copies_in_b) = match cause {
            Some(Cause::MissingSourceA) => (0, 1),
            Some(Cause::MissingSourceB) => (1, 0),
            Some(Cause::DuplicateEntry) if draw.percent(50) => (2, 1),
            Some(Cause::DuplicateEntry) => (1, 2),
            _ => (1, 1),
        };
        if let Some(cause) = cause.filter(|cause| cause.is_of_the_record()) {
            self.add_label(&trade, FieldRef::ENTIRE_RECORD, cause);
        }
        for _ in 0..copies_in_a {
            let accrued = trade.accrued(trade.interest_days);
            write::row_of_a(&mut self.bytes.a, &trade, accrued);
            self.rows.a += 1;
        }
        for _ in 0..copies_in_b {
            write::row_of_b(&mut rows_of_b.bytes, &booking, draw);
            rows_of_b.ends.push(rows_of_b.bytes.len());
        }
    }

    /// Makes B's booking differ by `cause` and perhaps by a second one.
    fn disagree(
        &mut self,
        cause: Cause,
        trade: &Trade,
        booking: &mut Booking,
        noise: &Noise,
        draw: &mut Draw,
    ) {
        let Some(column) = strike(cause, booking, None, noise.hard, draw) else { return };
        self.add_label(trade, column.field(), cause);
        if draw.at(noise.second_difference)
            && let Some(second) = Cause::second(noise, draw).filter(|second| *second != cause)
            && let Some(column) = strike(second, booking, Some(column), noise.hard, draw)
        {
            self.add_label(trade, column.field(), second);
        }
    }

    fn add_label(&mut self, trade: &Trade, field: &str, cause: Cause) {
        write::label(&mut self.labels, trade, field, cause.code());
        *self.by_reason.entry(cause.code()).or_default() += 1;
    }
}

/// Rows that are shuffled at the end: two systems rarely agree on an order.
#[derive(Default)]
pub struct RowsInAnyOrder {
    pub bytes: Vec<u8>,
    pub ends: Vec<usize>,
}

impl RowsInAnyOrder {
    pub fn shuffled(&self, draw: &mut Draw) -> Vec<u8> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let mut rows: Vec<_> = starts.zip(self.ends.iter().copied()).collect();
        draw.shuffle(&mut rows);
        let mut shuffled = Vec::with_capacity(self.bytes.len());
        for (start, end) in rows {
            shuffled.extend_from_slice(self.bytes.get(start..end).unwrap_or_default());
        }
        shuffled
    }
}
