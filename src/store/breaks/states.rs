//! States of a run's breaks for the next date, packed into parts: an entry for each difference, and the identities of
//! the rows that it matched.

use std::collections::{HashMap, HashSet};

use super::super::layout::row_id;
use super::super::rows::parameters;
use super::super::transact::{Dialect, SqlRow, Transaction};
use super::super::{self as store, DifferenceRow, difference_number, field_of, stored};
use super::{BEFORE, Dated, dated, read_day};
use crate::diagnostic::{Code, Problem};
use crate::domain::identity::{StableHash, of_text};
use crate::domain::row::push_varint;
use crate::domain::{FieldRef, Layout};

/// The bytes of a part of a state.
const PART: usize = 60_000;

/// How entries are packed: each says what the one before does not, which takes about 11 bytes.
const PACKED: i64 = 2;

/// The bytes of an entry in parts of earlier versions.
const UNPACKED: usize = 28;

/// A difference as the next date reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// The identity of its row.
    pub row: u64,
    pub number: i64,
    /// The number of the same break's difference in the run before; 0 for none.
    pub before: i64,
    /// Its number among the alike ones of its record.
    pub alike: u32,
    pub since: i32,
}

impl Entry {
    /// Appends what the one before does not say, and becomes the one before.
    fn push(&self, last: &mut Self, out: &mut Vec<u8>) {
        let says =
            [self.row != last.row, self.before != 0, self.alike != 0, self.since != last.since];
        let flags = says.iter().rev().fold(0, |flags, says| flags << 1 | u64::from(*says));
        push_varint(out, folded(self.number - last.number) << says.len() | flags);
        if says[0] {
            out.extend_from_slice(&self.row.to_le_bytes());
        }
        if says[1] {
            push_varint(out, folded(self.before - last.before));
        }
        if says[2] {
            push_varint(out, self.alike.into());
        }
        if says[3] {
            push_varint(out, folded(i64::from(self.since) - i64::from(last.since)));
        }
        last.follow(self);
    }

    fn read(last: &mut Self, bytes: &mut &[u8]) -> Option<Self> {
        let head = take_number(bytes)?;
        let says = |bit: u32| head >> bit & 1 == 1;
        let mut entry = Self { before: 0, alike: 0, ..*last };
        entry.number = last.number.checked_add(unfolded(head >> 4))?;
        if says(0) {
            let (row, rest) = bytes.split_first_chunk()?;
            (entry.row, *bytes) = (u64::from_le_bytes(*row), rest);
        }
        if says(1) {
            entry.before = last.before.checked_add(unfolded(take_number(bytes)?))?;
        }
        if says(2) {
            entry.alike = take_number(bytes)?.try_into().ok()?;
        }
        if says(3) {
            let since = i64::from(last.since).checked_add(unfolded(take_number(bytes)?))?;
            entry.since = since.try_into().ok()?;
        }
        last.follow(&entry);
        Some(entry)
    }

    /// Becomes the one before; of the numbers in the run before the last one counts.
    fn follow(&mut self, entry: &Self) {
        let before = if entry.before == 0 { self.before } else { entry.before };
        *self = Self { before, ..*entry };
    }

    fn read_unpacked(bytes: &[u8; UNPACKED]) -> Self {
        let number = |from: usize, count: usize| {
            let mut eight = [0; 8];
            for (place, byte) in eight.iter_mut().zip(&bytes[from..from + count]) {
                *place = *byte;
            }
            u64::from_le_bytes(eight)
        };
        Self {
            row: number(0, 8),
            number: number(8, 6).cast_signed(),
            before: number(14, 6).cast_signed(),
            alike: number(20, 4) as u32,
            since: (number(24, 4) as u32).cast_signed(),
        }
    }

    pub fn is_of_record(&self) -> bool {
        field_of(self.number.cast_unsigned()) == FieldRef::EntireRecord
    }
}

/// Small numbers of either sign as small ones without.
const fn folded(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

const fn unfolded(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// Takes a number as [`push_varint`] writes it; none if it does not end.
fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// Hashes of the fields' names: breaks stay the same when the fields change their order.
#[derive(Debug, Default)]
pub(super) struct Names {
    job: u64,
    fields: Vec<u64>,
}

impl Names {
    fn new(job: &str, layout: &Layout) -> Self {
        Self { job: of_text(job), fields: layout.names().map(of_text).collect() }
    }

    fn key(&self, row: u64, field: FieldRef, alike: u32) -> i64 {
        let field = match field {
            FieldRef::EntireRecord => 0,
            FieldRef::Field(at) => self.fields.get(usize::from(at)).copied().unwrap_or(1),
        };
        let hash = StableHash::new(self.job).number(row).number(field).number(alike.into());
        hash.finish().cast_signed()
    }

    pub fn key_of(&self, entry: &Entry) -> i64 {
        self.key(entry.row, field_of(entry.number.cast_unsigned()), entry.alike)
    }
}

/// The differences of the date before, in their order.
#[derive(Default)]
pub(super) struct EarlierBreaks {
    pub entries: Vec<Entry>,
    keys: Vec<i64>,
    /// True where the break goes on in the next run.
    goes_on: Vec<bool>,
    /// The last one of each key.
    by_key: HashMap<i64, usize, foldhash::fast::FixedState>,
    /// The one after the last that was found.
    next: usize,
}

impl EarlierBreaks {
    fn new(names: &Names, entries: Vec<Entry>) -> Self {
        let keys: Vec<i64> = entries.iter().map(|entry| names.key_of(entry)).collect();
        let mut by_key = HashMap::with_capacity_and_hasher(keys.len(), Default::default());
        by_key.extend(keys.iter().copied().zip(0..));
        Self { goes_on: vec![false; keys.len()], entries, keys, by_key, next: 0 }
    }

    /// Whether every difference is a break of its own.
    pub fn is_one_to_one(&self) -> bool {
        self.by_key.len() == self.entries.len()
    }

    /// Marks the break with this key as one that goes on.
    pub fn go_on(&mut self, key: i64) -> Option<Entry> {
        // Two dates have most of their differences in one order, and checking the next place takes a fraction of a
        // random access to memory.
        let at = match self.keys.get(self.next) {
            Some(next) if *next == key && self.is_one_to_one() => self.next,
            _ => *self.by_key.get(&key)?,
        };
        self.next = at + 1;
        *self.goes_on.get_mut(at)? = true;
        self.entries.get(at).copied()
    }

    pub fn has(&self, key: i64) -> bool {
        self.by_key.contains_key(&key)
    }

    /// Every break with its key; true if it goes on in the next run.
    pub fn breaks(&self) -> impl Iterator<Item = (i64, Entry, bool)> {
        let all = self.keys.iter().zip(&self.entries).zip(&self.goes_on).enumerate();
        let (by_key, one_to_one) = (&self.by_key, self.is_one_to_one());
        all.filter(move |(at, ((key, _), _))| one_to_one || by_key.get(key) == Some(at))
            .map(|(_, ((key, entry), goes_on))| (*key, *entry, *goes_on))
    }
}

/// The breaks of a run, gathered while its differences are written.
pub(in super::super) struct Breaks {
    run_no: i64,
    day: i32,
    names: Names,
    /// The date before, as it was when the run began to write.
    pub(super) basis: Option<Dated>,
    pub(super) earlier: EarlierBreaks,
    /// How many differences of this row and field came so far.
    alike: HashMap<(u64, i64), u32, foldhash::fast::FixedState>,
    /// Rows of one key come one after the other.
    is_keyed: bool,
    last: u64,
    entries: Parts,
    partners: Parts,
}

/// Bytes on their way into parts. The first part has the number 0, every other one that of its first entry.
#[derive(Default)]
pub(super) struct Parts {
    bytes: Vec<u8>,
    first: i64,
    has_first: bool,
    /// The entry before, in this part.
    last: Entry,
}

impl Parts {
    pub fn flush(
        &mut self,
        tx: &mut dyn Transaction,
        table: Table,
        run_no: i64,
        all: bool,
    ) -> Result<(), Problem> {
        if self.bytes.len() < PART && !(all && (!self.has_first || !self.bytes.is_empty())) {
            return Ok(());
        }
        write_part(tx, table, run_no, self.first, &self.bytes)?;
        self.has_first = true;
        self.first += 1;
        self.bytes.clear();
        self.last = Entry::default();
        Ok(())
    }

    pub fn push(&mut self, entry: &Entry) {
        if self.has_first && self.bytes.is_empty() {
            self.first = entry.number;
        }
        entry.push(&mut self.last, &mut self.bytes);
    }
}

/// A table of parts.
#[derive(Clone, Copy)]
pub(super) struct Table {
    pub name: &'static str,
    /// The column of the bytes.
    bytes: &'static str,
    /// The columns that say how they are packed, with values.
    form: &'static [(&'static str, i64)],
}

pub(super) const STATES: Table =
    Table { name: "break_states", bytes: "entries", form: &[("form", PACKED)] };
pub(super) const PARTNERS: Table = Table { name: "break_partners", bytes: "rows", form: &[] };

fn write_part(
    tx: &mut dyn Transaction,
    Table { name, bytes: column, form }: Table,
    run_no: i64,
    first: i64,
    bytes: &[u8],
) -> Result<(), Problem> {
    let more: String = form.iter().map(|(column, _)| format!(", {column}")).collect();
    let values: String = form.iter().map(|(_, value)| format!(", {value}")).collect();
    let done = match tx.dialect() {
        Dialect::Sqlite => tx.execute(
            &format!(
                "INSERT OR REPLACE INTO recon.{name} (id, {column}{more}) VALUES ($1, $2{values})"
            ),
            &parameters![row_id(run_no, first), bytes],
        ),
        Dialect::Postgres => {
            let set: String =
                form.iter().map(|(column, value)| format!(", {column} = {value}")).collect();
            tx.execute(
                &format!(
                    "INSERT INTO recon.{name} (run_no, number, {column}{more}) \
                     VALUES ($1, $2, $3{values}) \
                     ON CONFLICT (run_no, number) DO UPDATE SET {column} = excluded.{column}{set}"
                ),
                &parameters![run_no, first, bytes],
            )
        }
    };
    done.map(drop)
}

/// Calls `each` with the columns of the parts of a run.
fn each_part(
    tx: &mut dyn Transaction,
    (table, columns): (&str, &str),
    run_no: i64,
    each: &mut dyn FnMut(&SqlRow) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let dialect = tx.dialect();
    let sql = format!(
        "SELECT {columns} FROM recon.{table} d WHERE {} ORDER BY {}",
        dialect.of_run("d", run_no),
        dialect.order("d", "")
    );
    tx.query_each(&sql, &[], &mut |row| each(&row))
}

/// Calls `each` with the entries of a part: its bytes, and how they are packed.
fn each_entry(row: &SqlRow, each: &mut dyn FnMut(Entry)) -> Result<(), Problem> {
    let (bytes, form) = (row.blob(0)?.unwrap_or_default(), row.count(1)?);
    if form != PACKED {
        bytes.as_chunks().0.iter().map(Entry::read_unpacked).for_each(each);
        return Ok(());
    }
    let (mut left, mut last) = (bytes.as_slice(), Entry::default());
    while !left.is_empty() {
        let entry = Entry::read(&mut last, &mut left);
        each(entry.ok_or_else(|| stored::damaged("break_states", "a part ends too early"))?);
    }
    Ok(())
}

const ENTRIES: (&str, &str) = ("break_states", "d.entries, d.form");

pub(super) fn entries(tx: &mut dyn Transaction, run_no: i64) -> Result<Vec<Entry>, Problem> {
    let mut entries = Vec::new();
    each_part(tx, ENTRIES, run_no, &mut |row| each_entry(row, &mut |entry| entries.push(entry)))?;
    Ok(entries)
}

/// The entries of a run, whose parts are deleted: parts that are written anew may begin at other entries, and one of the
/// old ones between them would repeat entries.
pub(super) fn take_entries(tx: &mut dyn Transaction, run_no: i64) -> Result<Vec<Entry>, Problem> {
    let mut entries = entries(tx, run_no)?;
    let sql = format!(
        "DELETE FROM recon.{} AS d WHERE {}",
        STATES.name,
        tx.dialect().of_run("d", run_no)
    );
    tx.execute(&sql, &[])?;
    // Stores of earlier versions have repeated ones.
    entries.sort_by_key(|entry| entry.number);
    entries.dedup_by_key(|entry| entry.number);
    Ok(entries)
}

/// Hashes of the names of a run's fields.
pub(super) fn names(tx: &mut dyn Transaction, job: &str, run_no: i64) -> Result<Names, Problem> {
    let sql = "SELECT layout, key_length FROM recon.recon_runs WHERE run_no = $1";
    let layout = tx.find(sql, &parameters![run_no], |row| {
        store::read_layout(&row.required(0)?, row.count(1)?)
    })?;
    Ok(layout.map_or_else(Names::default, |layout| Names::new(job, &layout)))
}

pub(super) fn earlier_breaks(
    tx: &mut dyn Transaction,
    job: &str,
    run_no: i64,
) -> Result<EarlierBreaks, Problem> {
    let names = names(tx, job, run_no)?;
    Ok(EarlierBreaks::new(&names, entries(tx, run_no)?))
}

impl Breaks {
    /// Begins to gather the breaks of a run.
    pub fn open(tx: &mut dyn Transaction, run_no: i64) -> Result<Self, Problem> {
        let passes = match tx.dialect() {
            Dialect::Sqlite => "metadata ->> '$.configuration.match'",
            Dialect::Postgres => "metadata #>> '{configuration,match}'",
        };
        let sql = format!(
            "SELECT job, batch_date, layout, key_length, {passes} FROM recon.recon_runs \
             WHERE run_no = $1"
        );
        let found = tx.find(&sql, &parameters![run_no], |row| {
            Ok((
                row.required(0)?,
                read_day(&row.required(1)?)?,
                store::read_layout(&row.required(2)?, row.count(3)?)?,
                row.text(4)?.is_some(),
            ))
        })?;
        let (job, day, layout, has_passes) = found.ok_or_else(|| {
            Problem::new(Code::StoreDamaged, format!("there is no run with the number {run_no}"))
        })?;
        let basis = dated(tx, &job, BEFORE, day)?;
        let earlier = match basis {
            Some(basis) => earlier_breaks(tx, &job, basis.run_no)?,
            None => EarlierBreaks::default(),
        };
        Ok(Self {
            names: Names::new(&job, &layout),
            is_keyed: layout.key_len() > 0 && !has_passes,
            run_no,
            day,
            basis,
            earlier,
            alike: HashMap::default(),
            last: 0,
            entries: Parts::default(),
            partners: Parts::default(),
        })
    }

    /// Adds a difference; gives its key and the first date of its episode.
    pub fn take(&mut self, row: &DifferenceRow) -> (i64, i32) {
        if self.is_keyed && self.last != row.row {
            self.last = row.row;
            self.alike.clear();
        }
        let number = difference_number(row.record, row.field).cast_signed();
        let field = field_of(number.cast_unsigned());
        let slot = number & store::MAX_FIELDS as i64;
        let alike = self.alike.entry((row.row, slot)).or_default();
        let (key, this) = (self.names.key(row.row, field, *alike), *alike);
        *alike += 1;
        let mut entry = Entry { row: row.row, number, before: 0, alike: this, since: self.day };
        if let Some(before) = self.earlier.go_on(key) {
            (entry.before, entry.since) = (before.number, before.since);
        }
        self.entries.push(&entry);
        (key, entry.since)
    }

    /// Adds the identities of rows that were matched.
    pub fn take_partners(&mut self, rows: &[u64]) {
        for row in rows {
            self.partners.bytes.extend_from_slice(&row.to_le_bytes());
        }
    }

    /// Writes the parts that are full, or all.
    pub fn flush(&mut self, tx: &mut dyn Transaction, all: bool) -> Result<(), Problem> {
        self.entries.flush(tx, STATES, self.run_no, all)?;
        self.partners.flush(tx, PARTNERS, self.run_no, all)
    }
}

/// Calls `each` with the number of each difference of a run, and the first date of its episode.
pub(in super::super) fn each_of_run(
    tx: &mut dyn Transaction,
    run_no: i64,
    each: &mut dyn FnMut(i64, i32),
) -> Result<(), Problem> {
    each_part(tx, ENTRIES, run_no, &mut |row| {
        each_entry(row, &mut |entry| each(entry.number, entry.since))
    })
}

/// The rows among these that a run matched.
pub(super) fn partners(
    tx: &mut dyn Transaction,
    run_no: i64,
    wanted: HashSet<u64>,
) -> Result<HashSet<u64>, Problem> {
    let mut found = HashSet::new();
    if !wanted.is_empty() {
        each_part(tx, (PARTNERS.name, PARTNERS.bytes), run_no, &mut |row| {
            let bytes = row.blob(0)?.unwrap_or_default();
            let rows = bytes.as_chunks::<8>().0.iter().map(|row| u64::from_le_bytes(*row));
            found.extend(rows.filter(|row| wanted.contains(row)));
            Ok(())
        })?;
    }
    Ok(found)
}

/// The number that the break of a difference had in the run before; 0 if it was not there.
pub(super) fn number_before(
    tx: &mut dyn Transaction,
    run_no: i64,
    number: i64,
) -> Result<i64, Problem> {
    let dialect = tx.dialect();
    let sql = format!(
        "SELECT d.entries, d.form FROM recon.break_states d WHERE {} ORDER BY {} LIMIT 1",
        dialect.between("d", run_no, 0, number),
        dialect.order("d", " DESC")
    );
    let mut before = 0;
    for row in tx.query(&sql, &[])? {
        each_entry(&row, &mut |entry| {
            if entry.number == number {
                before = entry.before;
            }
        })?;
    }
    Ok(before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::SqlValue;
    use crate::store::layout::MAX_NUMBER;
    use proptest::prelude::*;

    fn read(bytes: Vec<u8>, form: i64) -> Result<Vec<Entry>, Problem> {
        let mut entries = Vec::new();
        let row = SqlRow(vec![SqlValue::Blob(bytes), SqlValue::Integer(form)]);
        each_entry(&row, &mut |entry| entries.push(entry)).map(|()| entries)
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let before = prop_oneof![Just(0), 0..MAX_NUMBER];
        let (row, alike) = (prop_oneof![0u64..3, any::<u64>()], prop_oneof![Just(0), any::<u32>()]);
        let since = prop_oneof![20_000..20_003, any::<i32>()];
        (row, 0..MAX_NUMBER, before, alike, since).prop_map(
            |(row, number, before, alike, since)| Entry { row, number, before, alike, since },
        )
    }

    proptest! {
        #[test]
        fn entries_read_back(entries in proptest::collection::vec(entry(), 0..50)) {
            let mut parts = Parts::default();
            entries.iter().for_each(|entry| parts.push(entry));
            prop_assert_eq!(read(parts.bytes, PACKED).unwrap(), entries);
        }
    }

    #[test]
    fn an_entry_takes_few_bytes_and_a_cut_one_is_damage() {
        let mut parts = Parts::default();
        let day = 20_000;
        for record in 1..=100 {
            let number = difference_number(record, FieldRef::EntireRecord).cast_signed();
            let (row, before) = (record << 40, if record > 50 { number } else { 0 });
            parts.push(&Entry { row, number, before, alike: 0, since: day });
        }
        assert!(parts.bytes.len() <= 100 * 13, "{}", parts.bytes.len());
        parts.bytes.pop();
        read(parts.bytes, PACKED).unwrap_err();
    }

    #[test]
    fn entries_of_earlier_versions_are_read() {
        let mut bytes = 7u64.to_le_bytes().to_vec();
        bytes.extend([1, 4, 0, 0, 0, 0, 2, 4, 0, 0, 0, 0, 3, 0, 0, 0, 0x20, 0x4e, 0, 0]);
        let entry = Entry { row: 7, number: 1025, before: 1026, alike: 3, since: 20_000 };
        assert_eq!(read(bytes, 1).unwrap(), [entry]);
    }
}
