//! The items of a run in memory: as few bytes for each as lists, counts and conditions need.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::Problem;
use crate::domain::Status;
use crate::store::audit;
use crate::store::layout::ItemKey;
use crate::store::transact::SqlRow;

use super::super::few::HeldItem;
use super::super::orders::Orders;

/// Changed items after which they are put among the others.
const MOST_APART: usize = 2_000;

/// An item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Row {
    pub number: i64,
    pub confidence: f64,
    /// Not a number where it has none.
    pub amount: f64,
    /// [`i32::MIN`] where it has none.
    pub since: i32,
    /// 0 for none.
    pub signature: u32,
    pub reason: u32,
    pub severity: u8,
    pub status: u8,
    pub locked: bool,
    /// Its break goes on at a later date, or has cleared.
    pub has_left: bool,
}

impl Row {
    pub fn of(key: ItemKey, row: &SqlRow) -> Result<Self, Problem> {
        let small =
            |column| Ok::<_, Problem>(u32::try_from(row.count(column)?).unwrap_or(u32::MAX));
        Ok(Self {
            number: key.number,
            signature: small(2)?,
            confidence: row.real(3)?.unwrap_or_default(),
            amount: row.real(4)?.unwrap_or(f64::NAN),
            severity: u8::try_from(row.integer(5)?.unwrap_or_default()).unwrap_or_default(),
            since: row.integer(6)?.and_then(|day| i32::try_from(day).ok()).unwrap_or(i32::MIN),
            reason: small(7)?,
            locked: row.boolean(8)?,
            status: u8::try_from(row.count(9)?).unwrap_or_default(),
            has_left: row.integer(10)?.unwrap_or_default() > 0,
        })
    }

    pub const fn record(&self) -> i64 {
        ItemKey { run_no: 0, number: self.number }.record()
    }

    /// The kind that counts it; `None` for an undecided item that has left the queue.
    fn kind(&self) -> Option<Kind> {
        (!self.is_gone()).then_some((self.signature, self.status))
    }

    pub fn is_gone(&self) -> bool {
        self.has_left && self.status == Status::Unknown.code()
    }

    /// What lists are ordered by; decisions do not change it.
    fn is_ordered_as(&self, other: &Self) -> bool {
        let of = |row: &Self| {
            let bits = (row.confidence.to_bits(), row.amount.to_bits());
            (bits, row.since, row.signature, row.severity)
        };
        of(self) == of(other)
    }

    pub fn item(&self, run_no: i64) -> HeldItem {
        HeldItem {
            key: ItemKey { run_no, number: self.number },
            signature_id: self.signature.into(),
            confidence: self.confidence,
            amount: Some(self.amount).filter(|amount| !amount.is_nan()),
            severity: self.severity.into(),
            since: Some(self.since).filter(|day| *day != i32::MIN),
        }
    }
}

/// Signature and status.
pub(super) type Kind = (u32, u8);

/// The items of a run at a row of the audit trail.
#[derive(Clone)]
pub(crate) struct RunItems {
    pub(super) state: String,
    pub(super) seq: i64,
    pub(super) hash: [u8; 32],
    /// By their numbers.
    pub(super) rows: Arc<Vec<Row>>,
    pub(super) orders: Arc<Orders>,
    /// Items changed since, in their present state; their places in the orders are the same.
    pub(super) changed: BTreeMap<i64, Row>,
    pub(super) counts: BTreeMap<Kind, u64>,
}

impl RunItems {
    pub(super) fn new(state: String, head: &audit::Head, mut rows: Vec<Row>) -> Self {
        rows.sort_unstable_by_key(|row| row.number);
        let mut counts = BTreeMap::new();
        for kind in rows.iter().filter_map(Row::kind) {
            *counts.entry(kind).or_default() += 1;
        }
        let (rows, changed, orders) = (Arc::new(rows), BTreeMap::new(), Arc::default());
        Self { state, seq: head.seq, hash: head.hash, rows, orders, changed, counts }
    }

    fn row(&self, number: i64) -> Option<Row> {
        let at = || self.rows.binary_search_by_key(&number, |row| row.number).ok();
        self.changed.get(&number).or_else(|| self.rows.get(at()?)).copied()
    }

    /// Takes in how some items are now; `None` where one was not there before.
    pub(super) fn change(&mut self, now: Vec<Row>) -> Option<()> {
        let mut is_ordered = true;
        for now in now {
            let before = self.row(now.number)?;
            is_ordered &= now.is_ordered_as(&before);
            if let Some(count) = before.kind().and_then(|kind| self.counts.get_mut(&kind)) {
                *count -= 1;
            }
            if let Some(kind) = now.kind() {
                *self.counts.entry(kind).or_default() += 1;
            }
            self.changed.insert(now.number, now);
        }
        if self.changed.len() > MOST_APART || !is_ordered {
            self.rows = Arc::new(self.each().collect());
            self.changed.clear();
        }
        if !is_ordered {
            self.orders = Arc::default();
        }
        Some(())
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Of the items whose reason is another than before, the numbers and the reasons that they had. `None` where these
    /// are more than `most`, or the items are others.
    pub fn other_reasons(&self, before: &Self, most: usize) -> Option<BTreeMap<i64, i64>> {
        if self.len() != before.len() {
            return None;
        }
        let mut other = BTreeMap::new();
        if Arc::ptr_eq(&self.rows, &before.rows) {
            for number in self.changed.keys().chain(before.changed.keys()) {
                let (now, then) = (self.row(*number)?, before.row(*number)?);
                if now.reason != then.reason {
                    other.insert(*number, then.reason.into());
                }
            }
            return (other.len() <= most).then_some(other);
        }
        for (now, then) in self.each().zip(before.each()) {
            if now.number != then.number || other.len() > most {
                return None;
            }
            if now.reason != then.reason {
                other.insert(then.number, then.reason.into());
            }
        }
        Some(other)
    }

    /// The numbers of all items of the records of these items, in order.
    pub fn of_records(&self, items: &BTreeMap<i64, i64>) -> Vec<i64> {
        let mut numbers = Vec::new();
        let mut last = None;
        for number in items.keys() {
            let record = ItemKey { run_no: 0, number: *number }.record();
            if last.replace(record) != Some(record) {
                let own = self.places_of(record);
                numbers.extend(own.map(|place| self.rows[place as usize].number));
            }
        }
        numbers
    }

    /// The places of the items of a record.
    pub(super) fn places_of(&self, record: i64) -> Range<u32> {
        let before = |most| {
            let count = self.rows.partition_point(|row| row.record() < most);
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        before(record)..before(record + 1)
    }

    /// These rows as they are now, for which there is `room`.
    pub(super) fn present<'r>(&self, rows: &'r [Row], room: &'r mut Vec<Row>) -> &'r [Row] {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return rows };
        let mut changed = self.changed.range(first.number..=last.number).peekable();
        if changed.peek().is_none() {
            return rows;
        }
        room.clear();
        room.extend_from_slice(rows);
        for (number, now) in changed {
            if let Ok(at) = room.binary_search_by_key(number, |row| row.number) {
                room[at] = *now;
            }
        }
        room
    }

    /// Calls `each` with the rows at these places, which are in order.
    pub(super) fn each_of(&self, places: &[u32], mut each: impl FnMut(&Row)) {
        let mut changed = self.changed.values().peekable();
        for row in places.iter().filter_map(|place| self.rows.get(*place as usize)) {
            while changed.next_if(|now| now.number < row.number).is_some() {}
            each(changed.next_if(|now| now.number == row.number).unwrap_or(row));
        }
    }

    /// All of them, by their numbers.
    fn each(&self) -> impl Iterator<Item = Row> {
        let mut changed = self.changed.values().copied().peekable();
        self.rows.iter().map(move |row| match changed.next_if(|next| next.number == row.number) {
            Some(now) => now,
            None => *row,
        })
    }
}
