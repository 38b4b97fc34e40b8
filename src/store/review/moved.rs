//! Which differences of a run move which total of money. Records and differences never change, so this is read once
//! and kept in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::diagnostic::Problem;
use crate::domain::money::{name_of, with_rows};
use crate::domain::{Cells, FieldRef, PerSide, evidence};
use crate::store::batch::{MAX_FIELDS, difference_number, difference_range, record_of};
use crate::store::layout::items_of_chunks;
use crate::store::{RecordKind, StoredRecord, chunk, stored};

use super::bits::Bits;
use super::items::{at_numbers, place_parameters};
use super::{ReviewTables, Run};

/// Rows of records that are read by one statement.
const STEP: i64 = 1_000;
/// The most runs that are kept.
const MOST_KNOWN: usize = 50;

/// By the run's id.
static CACHE: Mutex<BTreeMap<String, Arc<Totals>>> = Mutex::new(BTreeMap::new());
/// Held while a run is read, so that it is read once.
static READING: Mutex<()> = Mutex::new(());

/// Some differences of a run: by the slot of their field, their records.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Moved(Vec<(i64, Bits)>);

impl Moved {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn has(&self, number: i64) -> bool {
        let own = self.0.iter().find(|(slot, _)| *slot == number & MAX_FIELDS as i64);
        own.is_some_and(|(_, records)| records.has(record_at(number)))
    }

    pub(super) fn numbers(&self) -> Vec<i64> {
        let mut numbers = Vec::new();
        for (slot, records) in &self.0 {
            records.each(|record| {
                let (first, _) = difference_range(record.cast_unsigned());
                numbers.push(first.cast_signed() + slot);
            });
        }
        numbers.sort_unstable();
        numbers
    }

    fn of(&mut self, slot: i64) -> &mut Bits {
        let at = self.0.iter().position(|(own, _)| *own == slot).unwrap_or_else(|| {
            self.0.push((slot, Bits::default()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }

    fn add(&mut self, number: i64) {
        self.of(number & MAX_FIELDS as i64).add(record_at(number));
    }

    fn add_all(&mut self, other: &Self) {
        for (slot, records) in &other.0 {
            self.of(*slot).add_all(records);
        }
    }
}

/// The record of a difference of this number.
const fn record_at(number: i64) -> i64 {
    record_of(number.cast_unsigned()).cast_signed()
}

/// The row of records that has it.
const fn chunk_at(number: i64) -> i64 {
    chunk::chunk_of(record_of(number.cast_unsigned())).cast_signed()
}

/// By the position of the monetary field and the currency, the differences that move its total.
#[derive(Debug, Default)]
struct Totals(BTreeMap<(usize, Option<String>), Moved>);

/// Which currencies of the totals are meant.
#[derive(Clone, Copy, Debug)]
pub(crate) enum InCurrency<'c> {
    Any,
    None,
    This(&'c str),
}

impl ReviewTables<'_> {
    /// The differences of a run that move the total of a field, or of any monetary field, in these currencies.
    pub fn moved(
        &mut self,
        run: &Run,
        field: Option<&str>,
        currency: InCurrency<'_>,
    ) -> Result<Moved, Problem> {
        let at = field.map(|name| run.layout.position(name));
        if run.money.is_empty() || at == Some(None) {
            return Ok(Moved::default());
        }
        let totals = self.totals(run)?;
        let mut all = Moved::default();
        for ((own, of), moved) in &totals.0 {
            let is_wanted = match currency {
                InCurrency::Any => true,
                InCurrency::None => of.is_none(),
                InCurrency::This(currency) => of.as_deref() == Some(currency),
            };
            if is_wanted && at.is_none_or(|at| at == Some(*own)) {
                all.add_all(moved);
            }
        }
        Ok(all)
    }

    fn totals(&mut self, run: &Run) -> Result<Arc<Totals>, Problem> {
        let known = || CACHE.lock().ok().and_then(|known| known.get(&run.run_id).cloned());
        if let Some(known) = known() {
            return Ok(known);
        }
        let _guard = READING.lock();
        if let Some(known) = known() {
            return Ok(known);
        }
        let totals = Arc::new(self.read_totals(run)?);
        if let Ok(mut known) = CACHE.lock() {
            if known.len() >= MOST_KNOWN {
                known.clear();
            }
            known.insert(run.run_id.clone(), Arc::clone(&totals));
        }
        Ok(totals)
    }

    fn read_totals(&mut self, run: &Run) -> Result<Totals, Problem> {
        let dialect = self.dialect();
        let sql = format!(
            "SELECT {} FROM recon.difference_rows d WHERE {} ORDER BY {}",
            dialect.number("d"),
            dialect.of_run("d", run.run_no),
            dialect.order("d", "")
        );
        let numbers = self.tx.list(&sql, &[], |row| row.count(0))?;
        let sql = format!(
            "SELECT {}, d.records FROM recon.record_rows d WHERE {} ORDER BY {}",
            dialect.number("d"),
            at_numbers(dialect),
            dialect.order("d", "")
        );
        let mut totals = Totals::default();
        let mut rest = numbers.as_slice();
        while let Some(first) = rest.first() {
            let from = chunk_at(*first);
            let (_, end) = items_of_chunks(from, from + STEP - 1);
            let (mut some, later) = rest.split_at(rest.partition_point(|number| *number <= end));
            rest = later;
            let mut chunks: Vec<i64> = some.iter().map(|number| chunk_at(*number)).collect();
            chunks.dedup();
            let places = place_parameters(dialect, run.run_no, &chunks);
            self.tx.query_each(&sql, &places, &mut |row| {
                let text = row.str(1)?.unwrap_or_default();
                chunk::read(row.count(0)?.cast_unsigned(), text, |record| {
                    let last = record.number.cast_signed();
                    let own = some.partition_point(|number| record_at(*number) <= last);
                    let (own, later) = some.split_at(own);
                    some = later;
                    if own.is_empty() { Ok(()) } else { totals.take(run, record, own) }
                })
            })?;
        }
        Ok(totals)
    }
}

impl Totals {
    /// Takes a record and the numbers of its differences.
    fn take(&mut self, run: &Run, record: &StoredRecord<'_>, own: &[i64]) -> Result<(), Problem> {
        let unreadable = |_: String| {
            stored::damaged("row of records", &format!("record {} can't be read", record.number))
        };
        let side = |text: Option<&str>| {
            let read = |text| {
                let mut cells = Vec::new();
                evidence::read(&run.layout, text, &mut cells).map(|()| cells)
            };
            text.map(read).transpose().map_err(unreadable)
        };
        let (a, b) = (side(record.a)?, side(record.b)?);
        let sides = PerSide { a: a.as_deref().map(Cells::new), b: b.as_deref().map(Cells::new) };
        let matched = record.matched.filter(|_| record.kind == RecordKind::Group);
        let matched = matched.map(serde_json::from_str).transpose();
        let matched = matched.map_err(|error: serde_json::Error| unreadable(error.to_string()))?;
        let number = |field| difference_number(record.number, field).cast_signed();
        let is_different = |position: usize| {
            let field = FieldRef::Field(u16::try_from(position).unwrap_or(u16::MAX));
            own.contains(&number(field))
        };
        with_rows(&run.layout, sides, matched.as_ref(), |rows| {
            run.money.steps(record.kind.fate(), rows, &is_different, |step| {
                let moving = step.cause.difference().map(number).filter(|it| own.contains(it));
                let Some(moving) = moving else { return };
                let Some(at) = run.money.amounts.get(step.amount) else { return };
                self.0.entry((*at, name_of(step.currency))).or_default().add(moving);
            });
        });
        Ok(())
    }
}
