//! The items of large runs, in memory, so that conditions without an index are a pass over memory and not over rows.
//!
//! The copy belongs to one row of the audit trail, which every decision appends to: items that the trail names since
//! then are read again. The number and the hash of that row identify the store's history, the state of the run shows
//! if a run changed its items, and the store's counts must agree; else all is read anew.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use crate::diagnostic::Problem;
use crate::domain::Status;
use crate::store::audit;
use crate::store::layout::ItemKey;
use crate::store::rows::parameters;
use crate::store::transact::SqlRow;
use crate::store::{MAX_FIELDS, breaks};

use super::bits::Bits;
use super::few::{self, HeldItem};
use super::items::{at_numbers, place_parameters};
use super::orders::{Orders, Rank};
use super::query::{Aged, Condition, ItemOrder, ItemQuery};
use super::queue::STREAMS;
use super::{ReviewTables, read_key};

/// Runs with fewer items are read from the store, and with [`u64::MAX`] all. Tests set it.
#[doc(hidden)]
pub static LEAST_IN_MEMORY: AtomicU64 = AtomicU64::new(10_000);
/// The most items that are kept, of all runs; an item takes 40 bytes, and 4 more for each order in which it is listed.
const MOST: usize = 16_000_000;
/// The most items of a run, and the most runs of a list of decided ones.
const MOST_OF_RUN: u64 = 16_000_000;
const MOST_RUNS: usize = 8;
/// Rows of the audit trail after which a run is read anew, and changed items after which they are put among the others.
const MOST_CHANGES: i64 = 50_000;
const MOST_APART: usize = 2_000;
/// Items that are read by one statement.
const STEP: usize = 5_000;

/// The items in memory, by run id.
static CACHE: Mutex<BTreeMap<String, Arc<RunItems>>> = Mutex::new(BTreeMap::new());
/// Held while a run is read, so that it is read once.
static READING: Mutex<()> = Mutex::new(());

/// An item.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    number: i64,
    confidence: f64,
    /// Not a number where it has none.
    amount: f64,
    /// [`i32::MIN`] where it has none.
    since: i32,
    /// 0 for none.
    signature: u32,
    reason: u32,
    severity: u8,
    status: u8,
    locked: bool,
    /// Its break goes on at a later date, or has cleared.
    has_left: bool,
}

impl Row {
    fn of(key: ItemKey, row: &SqlRow) -> Result<Self, Problem> {
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

    const fn record(&self) -> i64 {
        ItemKey { run_no: 0, number: self.number }.record()
    }

    /// The kind that counts it; `None` for an undecided item that has left the queue.
    fn kind(&self) -> Option<Kind> {
        (!self.is_gone()).then_some((self.signature, self.status))
    }

    fn is_gone(&self) -> bool {
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

    fn item(&self, run_no: i64) -> HeldItem {
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
type Kind = (u32, u8);

/// The items of a run at a row of the audit trail.
#[derive(Clone)]
pub(crate) struct RunItems {
    state: String,
    seq: i64,
    hash: [u8; 32],
    /// By their numbers.
    rows: Arc<Vec<Row>>,
    orders: Arc<Orders>,
    /// Items changed since, in their present state; their places in the orders are the same.
    changed: BTreeMap<i64, Row>,
    counts: BTreeMap<Kind, u64>,
}

impl RunItems {
    fn new(state: String, head: &audit::Head, mut rows: Vec<Row>) -> Self {
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
    fn change(&mut self, now: Vec<Row>) -> Option<()> {
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
                let from = self.rows.partition_point(|row| row.record() < record);
                let own = self.rows.iter().skip(from).take_while(|row| row.record() == record);
                numbers.extend(own.map(|row| row.number));
            }
        }
        numbers
    }

    /// The places of the rows that fulfil all of these.
    fn places(&self, tests: &[Test]) -> Vec<u32> {
        let (mut found, mut block, mut now) = (Vec::new(), Vec::new(), Vec::new());
        for (count, rows) in self.rows.chunks(BLOCK).enumerate() {
            let rows = self.present(rows, &mut now);
            block.clear();
            block.extend(0..u16::try_from(rows.len()).unwrap_or(u16::MAX));
            for test in tests {
                test.narrow(rows, &mut block);
            }
            let first = u32::try_from(count * BLOCK).unwrap_or(u32::MAX);
            found.extend(block.iter().map(|place| first + u32::from(*place)));
        }
        found
    }

    /// The first items behind `at` that fulfil all of the tests, in an order that depends on nothing else; in that of
    /// [`ItemOrder::Confidence`] also those of some signatures.
    fn first(
        &self,
        (run_no, order): (i64, ItemOrder),
        signatures: Option<&[i64]>,
        at: Option<Rank>,
        tests: &[Test],
        most: usize,
    ) -> Vec<(Rank, ItemKey)> {
        let item = |place: u32| self.rows[place as usize].item(run_no);
        let rank = |place: u32| order.rank(&item(place), &[]);
        let first_of = |places: &[u32]| {
            let behind = |at: Rank| places.partition_point(|one| rank(*one).compare(&at).is_le());
            let behind = &places[at.map_or(0, behind)..];
            let wanted = behind.iter().filter(|place| self.fulfils(**place, tests)).take(most);
            wanted.map(|place| (rank(*place), item(*place).key)).collect()
        };
        let Some(ids) = signatures else {
            return first_of(self.orders.list(order, self.rows.len(), item));
        };
        let groups = self.orders.groups(self.rows.len(), item);
        let before = |id: i64| groups.partition_point(|place| item(*place).signature_id < id);
        let mut found: Vec<_> =
            ids.iter().flat_map(|id| first_of(&groups[before(*id)..before(id + 1)])).collect();
        found.sort_unstable_by(|(left, _), (right, _)| left.compare(right));
        found.truncate(most);
        found
    }

    /// Whether the row at a place is as all tests want it.
    fn fulfils(&self, place: u32, tests: &[Test]) -> bool {
        let row = &self.rows[place as usize];
        let now = std::slice::from_ref(self.changed.get(&row.number).unwrap_or(row));
        let mut own = vec![0];
        tests.iter().for_each(|test| test.narrow(now, &mut own));
        !own.is_empty()
    }

    /// The places of the rows that fulfil all of these, but for breaks that began after a day.
    fn places_until(&self, day: i32, tests: &[Test]) -> Vec<u32> {
        let item = |place: u32| self.rows[place as usize].item(0);
        let by_age = self.orders.list(ItemOrder::Age, self.rows.len(), item);
        let until = by_age.partition_point(|at| item(*at).since.unwrap_or_default() <= day);
        if until > by_age.len() / 4 {
            return self.places(tests);
        }
        let until = by_age[..until].iter().copied();
        let mut places: Vec<u32> = until.filter(|place| self.fulfils(*place, tests)).collect();
        places.sort_unstable();
        places
    }

    /// Makes the orders in which the queue and its groups are listed first, and by which the overdue ones are counted.
    fn put_in_order(&self) {
        let item = |place: u32| self.rows[place as usize].item(0);
        for order in [ItemOrder::Confidence, ItemOrder::Age] {
            self.orders.list(order, self.rows.len(), item);
        }
        self.orders.groups(self.rows.len(), item);
    }

    /// These rows as they are now, for which there is `room`.
    fn present<'r>(&self, rows: &'r [Row], room: &'r mut Vec<Row>) -> &'r [Row] {
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
    fn each_of(&self, places: &[u32], mut each: impl FnMut(&Row)) {
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

/// Rows that are looked at together, so that all conditions on them cost one pass over memory.
const BLOCK: usize = 1_024;

/// A condition on the items of one run.
enum Test {
    Status(u8),
    /// Is not gone from the queue.
    Present,
    Severity(u8),
    Confidence(f64, f64),
    Amount(f64, f64),
    NoAmount,
    Reasons(Bits),
    Locked(bool),
    /// One of these numbers, which are in order; or none of them.
    Among(Vec<i64>, bool),
    /// Is none of these, unless a person has decided it.
    NoSample(Vec<i64>),
    NoSignature,
    Signatures(Bits),
    /// By the code of a severity, the first and last days of some breaks.
    Aged([Vec<(i32, i32)>; 5]),
    /// At one of these slots: the whole record or a field.
    Slots(Vec<i64>),
    /// Of a record that holds a text.
    Holds(Bits),
    Never,
}

/// Leaves the places of the rows that fulfil a condition.
fn keep_places(rows: &[Row], places: &mut Vec<u16>, fulfils: impl Fn(&Row) -> bool) {
    let mut kept = 0;
    for at in 0..places.len() {
        let place = places[at];
        places[kept] = place;
        kept += usize::from(fulfils(&rows[usize::from(place)]));
    }
    places.truncate(kept);
}

/// Those of some numbers in order that rows in order may have.
fn within<'n>(numbers: &'n [i64], rows: &[Row]) -> &'n [i64] {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return &[] };
    let from = numbers.partition_point(|number| *number < first.number);
    let to = numbers.partition_point(|number| *number <= last.number);
    &numbers[from..to]
}

impl Test {
    fn aged(arms: impl Iterator<Item = Aged>) -> Self {
        let mut days: [Vec<(i32, i32)>; 5] = Default::default();
        for arm in arms {
            let (first, last) = arm.since;
            // A break without a first day is there only where any day is asked for.
            let least = first.unwrap_or(if last.is_some() { i32::MIN + 1 } else { i32::MIN });
            if let Some(own) = days.get_mut(usize::from(arm.severity.code())) {
                own.push((least, last.unwrap_or(i32::MAX)));
            }
        }
        Self::Aged(days)
    }

    /// Leaves the places of the rows that fulfil it.
    fn narrow(&self, rows: &[Row], places: &mut Vec<u16>) {
        match self {
            Self::Status(status) => keep_places(rows, places, |row| row.status == *status),
            Self::Present => keep_places(rows, places, |row| !row.is_gone()),
            Self::Severity(severity) => keep_places(rows, places, |row| row.severity == *severity),
            Self::Confidence(least, most) => {
                keep_places(rows, places, |row| (*least..=*most).contains(&row.confidence));
            }
            Self::Amount(least, most) => {
                keep_places(rows, places, |row| (*least..=*most).contains(&row.amount));
            }
            Self::NoAmount => keep_places(rows, places, |row| row.amount.is_nan()),
            Self::Reasons(ids) => keep_places(rows, places, |row| ids.has(row.reason.into())),
            Self::Locked(locked) => keep_places(rows, places, |row| row.locked == *locked),
            Self::Among(numbers, yes) => match (within(numbers, rows), yes) {
                ([], true) => places.clear(),
                ([], false) => {}
                (own, yes) => {
                    keep_places(rows, places, |row| own.binary_search(&row.number).is_ok() == *yes)
                }
            },
            Self::NoSample(samples) => {
                let (own, accepted) = (within(samples, rows), Status::Accepted.code());
                if !own.is_empty() {
                    keep_places(rows, places, |row| {
                        row.locked
                            || row.status != accepted
                            || own.binary_search(&row.number).is_err()
                    });
                }
            }
            Self::NoSignature => keep_places(rows, places, |row| row.signature == 0),
            Self::Signatures(ids) => keep_places(rows, places, |row| ids.has(row.signature.into())),
            Self::Aged(days) => keep_places(rows, places, |row| {
                let own = days.get(usize::from(row.severity)).map_or(&[][..], Vec::as_slice);
                own.iter().any(|(first, last)| (*first..=*last).contains(&row.since))
            }),
            Self::Slots(slots) => {
                keep_places(rows, places, |row| slots.contains(&(row.number & MAX_FIELDS as i64)))
            }
            Self::Holds(records) => keep_places(rows, places, |row| records.has(row.record())),
            Self::Never => places.clear(),
        }
    }
}

/// The items of a query.
#[derive(Default)]
pub(crate) struct FoundItems {
    /// Those of large runs: which of the rows.
    kept: Vec<(i64, Arc<RunItems>, Vec<u32>)>,
    /// Those that were read.
    read: Vec<HeldItem>,
}

impl FoundItems {
    pub(super) fn of(read: Vec<HeldItem>) -> Self {
        Self { kept: Vec::new(), read }
    }

    /// Calls `each` with every item, those of a run one after the other.
    pub fn each(&self, mut each: impl FnMut(&HeldItem)) {
        for (run_no, kept, places) in &self.kept {
            kept.each_of(places, |row| each(&row.item(*run_no)));
        }
        self.read.iter().for_each(each);
    }

    pub fn count(&self) -> u64 {
        let kept: usize = self.kept.iter().map(|(_, _, places)| places.len()).sum();
        (kept + self.read.len()) as u64
    }
}

impl ReviewTables<'_> {
    /// The items of a query, where those of some of its runs are kept in memory. `None` where all are looked up in the
    /// store.
    pub(super) fn in_memory(
        &mut self,
        query: &ItemQuery,
    ) -> Result<Option<Rc<FoundItems>>, Problem> {
        if query.samples || self.has_written {
            return Ok(None);
        }
        if let Some((of, items)) = &self.in_memory
            && of == query
        {
            return Ok(Some(Rc::clone(items)));
        }
        let large = self.large_runs(&query.runs, query.waits())?;
        if large.is_empty() || (large.len() < query.runs.len() && !query.waits()) {
            return Ok(None);
        }
        let mut found = FoundItems::default();
        for run_no in &large {
            let Some(kept) = self.kept(*run_no)? else { return Ok(None) };
            let Some(tests) = self.tests(query, *run_no)? else { return Ok(None) };
            let places = kept.places(&tests);
            found.kept.push((*run_no, kept, places));
        }
        let rest = query.without_runs(&large);
        if !rest.runs.is_empty() {
            found.read = self.read_items(&rest)?;
        }
        let found = Rc::new(found);
        self.in_memory = Some((query.clone(), Rc::clone(&found)));
        Ok(Some(found))
    }

    /// Reads the large ones of the current runs into memory, with the values of a field.
    pub fn read_ahead(&mut self, runs: &[i64], field: Option<&str>) -> Result<(), Problem> {
        let unlisted = self.unlisted_of(runs)?;
        for run_no in self.large_runs(runs, true)? {
            let kept = self.kept(run_no)?;
            if unlisted.contains(&run_no) {
                kept.inspect(|kept| kept.put_in_order());
            }
            let run = self.run(run_no)?;
            if let Some(at) = field.and_then(|name| run.layout.position(name)) {
                self.holders(run_no, at)?;
            }
        }
        Ok(())
    }

    /// The items of a run, if they are many; `None` also where it can't be told how they are now.
    pub fn items_in_memory(&mut self, run_no: i64) -> Result<Option<Arc<RunItems>>, Problem> {
        if self.large_runs(&[run_no], false)?.is_empty() {
            return Ok(None);
        }
        self.kept(run_no)
    }

    /// Which of these runs have many items: undecided ones, or all where decided ones are asked for, too.
    fn large_runs(&mut self, runs: &[i64], undecided: bool) -> Result<Vec<i64>, Problem> {
        let mut items: BTreeMap<i64, u64> = BTreeMap::new();
        if undecided {
            for kind in self.undecided()?.iter() {
                *items.entry(kind.count.run_no).or_default() += kind.count.items;
            }
            let runs: HashSet<i64> = runs.iter().copied().collect();
            items.retain(|run, _| runs.contains(run));
        } else if runs.len() <= MOST_RUNS {
            for run_no in runs {
                let counts = self.counts_of_run(*run_no)?;
                items.insert(*run_no, counts.into_iter().map(|(_, items)| items).sum());
            }
        }
        let least = self.least_in_memory;
        let unlisted = if undecided { self.unlisted_of(runs)? } else { Vec::new() };
        let is_many = |(run, items): &(&i64, &u64)| {
            **items <= MOST_OF_RUN && (**items >= least || unlisted.contains(run))
        };
        Ok(items.iter().filter(is_many).map(|(run, _)| *run).collect())
    }

    /// The first items of a run in an order, as [`RunItems::first`] gives them; `None` where they can't be had from memory.
    pub(super) fn first_in_memory(
        &mut self,
        query: &ItemQuery,
        (run_no, order): (i64, ItemOrder),
        at: Option<Rank>,
        most: usize,
    ) -> Result<Option<Vec<(Rank, ItemKey)>>, Problem> {
        if self.has_written {
            return Ok(None);
        }
        let Some(kept) = self.kept(run_no)? else { return Ok(None) };
        let Some(tests) = self.tests(query, run_no)? else { return Ok(None) };
        let signatures = query.signatures.as_deref();
        let is_ordered =
            signatures.is_none_or(|ids| order == ItemOrder::Confidence && ids.len() <= STREAMS);
        if is_ordered && query.conditions.is_empty() && order != ItemOrder::AtRisk {
            return Ok(Some(kept.first((run_no, order), signatures, at, &tests, most)));
        }
        let places = kept.places(&tests);
        let found = FoundItems { kept: vec![(run_no, kept, places)], read: Vec::new() };
        Ok(Some(few::ranked(&found, query, order, at, most)))
    }

    /// The items of some runs, but for breaks that began after a day. `None` where they can't be had from memory.
    pub(super) fn until_in_memory(
        &mut self,
        query: &ItemQuery,
        runs: &[i64],
        day: i32,
    ) -> Result<Option<FoundItems>, Problem> {
        let mut found = FoundItems::default();
        for run_no in runs {
            let kept = if self.has_written { None } else { self.kept(*run_no)? };
            let Some(kept) = kept else { return Ok(None) };
            let Some(tests) = self.tests(query, *run_no)? else { return Ok(None) };
            let places = kept.places_until(day, &tests);
            found.kept.push((*run_no, kept, places));
        }
        Ok(Some(found))
    }

    /// The kept counts of a run.
    fn counts_of_run(&mut self, run_no: i64) -> Result<Vec<(Kind, u64)>, Problem> {
        let sql = "SELECT signature_id, status, items FROM recon.item_counts \
                   WHERE run_no = $1 AND items > 0 ORDER BY signature_id, status";
        self.tx.list(sql, &parameters![run_no], |row| {
            let signature = u32::try_from(row.count(0)?).unwrap_or(u32::MAX);
            let status = u8::try_from(row.count(1)?).unwrap_or_default();
            Ok(((signature, status), row.count(2)?.cast_unsigned()))
        })
    }

    /// The present items of a run; `None` if they can't be had from memory.
    fn kept(&mut self, run_no: i64) -> Result<Option<Arc<RunItems>>, Problem> {
        if let Some(kept) = self.kept_runs.get(&run_no) {
            return Ok(kept.clone());
        }
        if self.least_in_memory == u64::MAX {
            return Ok(None);
        }
        let run_id = self.run(run_no)?.run_id.clone();
        let state = self.state_of_items(run_no)?;
        let head = audit::head(self.tx, false)?;
        let mut kept = self.caught_up(&run_id, run_no, &state, &head)?;
        if kept.is_none() {
            let guard = READING.lock();
            // Another thread may have read it meanwhile.
            kept = self.caught_up(&run_id, run_no, &state, &head)?;
            if kept.is_none() {
                kept = self.read_run(&run_id, run_no, &state, &head)?;
            }
            drop(guard);
        }
        self.kept_runs.insert(run_no, kept.clone());
        Ok(kept)
    }

    /// A text that changes whenever a run's items change otherwise than by decisions.
    fn state_of_items(&mut self, run_no: i64) -> Result<String, Problem> {
        let sql = "SELECT r.attributed_at, b.version, b.items_left, \
                   (SELECT max(l.run_no) FROM recon.break_dates l WHERE l.job = b.job AND l.day > b.day) \
                   FROM recon.recon_runs r LEFT JOIN recon.break_dates b ON b.run_no = r.run_no \
                   WHERE r.run_no = $1";
        let found = self.tx.find(sql, &parameters![run_no], |row| {
            let number = |column| Ok::<_, Problem>(row.integer(column)?.unwrap_or(-1));
            Ok(format!("{:?} {} {} {}", row.text(0)?, number(1)?, number(2)?, number(3)?))
        })?;
        Ok(found.unwrap_or_default())
    }

    /// The items of a run in memory, if they can be brought up to date.
    fn caught_up(
        &mut self,
        run_id: &str,
        run_no: i64,
        state: &str,
        head: &audit::Head,
    ) -> Result<Option<Arc<RunItems>>, Problem> {
        let known = CACHE.lock().ok().and_then(|known| known.get(run_id).cloned());
        let Some(known) = known.filter(|known| known.state == *state) else { return Ok(None) };
        if known.seq == head.seq {
            let agrees = known.hash == head.hash && self.agrees(run_no, &known)?;
            return Ok(agrees.then_some(known));
        }
        if known.seq > head.seq || head.seq - known.seq > MOST_CHANGES {
            return Ok(None);
        }
        let sql = "SELECT hash FROM recon.audit_trail WHERE seq = $1";
        let hash = self.tx.find(sql, &parameters![known.seq], |row| row.blob(0))?.flatten();
        if known.seq > 0 && hash.map(audit::digest).transpose()? != Some(known.hash) {
            return Ok(None);
        }
        let numbers = self.changed_since(run_no, known.seq)?;
        let mut now = Vec::new();
        for some in numbers.chunks(STEP) {
            self.read_rows(run_no, Some(some), &mut |row| now.push(row))?;
        }
        let mut next = RunItems { seq: head.seq, hash: head.hash, ..(*known).clone() };
        let agrees = next.change(now).is_some() && self.agrees(run_no, &next)?;
        Ok(agrees.then(|| keep(run_id, next)))
    }

    /// The numbers of the items of a run that the audit trail names behind a row, directly or through their proposals.
    fn changed_since(&mut self, run_no: i64, seq: i64) -> Result<Vec<i64>, Problem> {
        let run = self.run(run_no)?;
        let sql = "SELECT CAST(t.attribution_id AS text) FROM recon.audit_trail t \
                   WHERE t.seq > $1 AND t.attribution_id IS NOT NULL";
        let ids = self.tx.list(sql, &parameters![seq], |row| row.required(0))?;
        let own = ids.iter().filter_map(|id| id.strip_prefix(run.attribution_prefix.as_str()));
        let mut numbers: Vec<i64> =
            own.filter_map(|number| i64::from_str_radix(number, 16).ok()).collect();
        let sql = "SELECT i.number FROM recon.proposal_items i WHERE i.run_no = $1 \
                   AND i.proposal_id IN (SELECT t.proposal_id FROM recon.audit_trail t \
                                         WHERE t.seq > $2 AND t.proposal_id IS NOT NULL)";
        numbers.extend(self.tx.list(sql, &parameters![run_no, seq], |row| row.count(0))?);
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    /// Checks that the store counts as many items of each kind.
    fn agrees(&mut self, run_no: i64, kept: &RunItems) -> Result<bool, Problem> {
        let own = kept.counts.iter().filter(|(_, items)| **items > 0);
        Ok(own.map(|(kind, items)| (*kind, *items)).eq(self.counts_of_run(run_no)?))
    }

    fn read_run(
        &mut self,
        run_id: &str,
        run_no: i64,
        state: &str,
        head: &audit::Head,
    ) -> Result<Option<Arc<RunItems>>, Problem> {
        let mut rows = Vec::new();
        self.read_rows(run_no, None, &mut |row| rows.push(row))?;
        let kept = RunItems::new(state.to_owned(), head, rows);
        let agrees = self.agrees(run_no, &kept)?;
        Ok(agrees.then(|| keep(run_id, kept)))
    }

    /// Reads the items of a run, or those with these numbers.
    fn read_rows(
        &mut self,
        run_no: i64,
        numbers: Option<&[i64]>,
        each: &mut dyn FnMut(Row),
    ) -> Result<(), Problem> {
        let dialect = self.dialect();
        let left = breaks::left_of_run(self.tx, "d", run_no)?;
        let (place, values) = match numbers {
            Some(numbers) => {
                (at_numbers(dialect).to_owned(), place_parameters(dialect, run_no, numbers))
            }
            None => (dialect.of_run("d", run_no), Vec::new()),
        };
        let sql = format!(
            "SELECT {}, coalesce(d.signature_id, 0), d.confidence, d.amount_abs, d.severity, \
             d.since, d.reason_id, d.is_locked, d.status, {left} \
             FROM recon.difference_rows d WHERE {place} AND d.status IS NOT NULL",
            dialect.key("d")
        );
        self.tx.query_each(&sql, &values, &mut |row| {
            each(Row::of(read_key(&row)?, &row)?);
            Ok(())
        })
    }

    /// The tests that a query makes on items of a run; `None` if memory cannot answer one of them.
    fn tests(&mut self, query: &ItemQuery, run_no: i64) -> Result<Option<Vec<Test>>, Problem> {
        let mut tests = Vec::new();
        if let Some(status) = query.status {
            tests.push(Test::Status(status.code()));
        }
        if !query.with_later {
            tests.push(Test::Present);
        }
        if let Some(ids) = &query.signatures {
            tests.push(Test::Signatures(ids.iter().copied().filter(|id| *id != 0).collect()));
        }
        for condition in &query.conditions {
            tests.push(match condition {
                Condition::Severity(severity) => Test::Severity(severity.code()),
                Condition::MinConfidence(least) => Test::Confidence(*least, f64::INFINITY),
                Condition::MaxConfidence(most) => Test::Confidence(f64::NEG_INFINITY, *most),
                Condition::MinAmount(least) => Test::Amount(*least, f64::INFINITY),
                Condition::MaxAmount(most) => Test::Amount(f64::NEG_INFINITY, *most),
                Condition::NoAmount => Test::NoAmount,
                Condition::Reason(code) => self.reasons_that(|one| one.code == *code)?,
                Condition::Functional(yes) => self.reasons_that(|one| one.functional == *yes)?,
                Condition::Locked(locked) => Test::Locked(*locked),
                Condition::AssignedTo(person) => {
                    Test::Among(self.noted_of(run_no, "assignments", Some(person))?, true)
                }
                Condition::Unassigned => {
                    Test::Among(self.noted_of(run_no, "assignments", None)?, false)
                }
                Condition::SentBack(yes) => {
                    Test::Among(self.noted_of(run_no, "sent_back", None)?, *yes)
                }
                Condition::NoSample => {
                    let open = self.open_samples()?.into_iter().filter(|key| key.run_no == run_no);
                    let mut numbers: Vec<i64> = open.map(|key| key.number).collect();
                    numbers.sort_unstable();
                    Test::NoSample(numbers)
                }
                Condition::NoSignature => Test::NoSignature,
                Condition::Aged(arms) => {
                    Test::aged(arms.iter().filter(|arm| arm.runs.contains(&run_no)).cloned())
                }
                Condition::Fields(arms) => arms
                    .iter()
                    .find(|(runs, _)| runs.contains(&run_no))
                    .map_or(Test::Never, |(_, slots)| Test::Slots(slots.clone())),
                Condition::Holds(text, arms) => {
                    match arms.iter().find(|(runs, _)| runs.contains(&run_no)) {
                        None => Test::Never,
                        Some((_, at)) => {
                            let Some(holders) = self.holders(run_no, *at)? else { return Ok(None) };
                            Test::Holds(holders.of(text))
                        }
                    }
                }
            });
        }
        Ok(Some(tests))
    }

    fn reasons_that(&mut self, fits: impl Fn(&super::Reason) -> bool) -> Result<Test, Problem> {
        let all = self.reasons()?;
        let ids = all.iter().filter(|one| fits(one)).map(|one| one.reason_id);
        Ok(Test::Reasons(ids.collect()))
    }

    /// The numbers of the items of a run that a small table has something about, in order.
    fn noted_of(
        &mut self,
        run_no: i64,
        table: &str,
        person: Option<&str>,
    ) -> Result<Vec<i64>, Problem> {
        let mut values = parameters![run_no].to_vec();
        let of = match person {
            Some(person) => {
                values.push(person.into());
                " AND assignee = $2"
            }
            None => "",
        };
        let sql = format!("SELECT number FROM recon.{table} WHERE run_no = $1{of} ORDER BY number");
        self.tx.list(&sql, &values, |row| row.count(0))
    }
}

/// Keeps the items of a run for the next time.
fn keep(run_id: &str, kept: RunItems) -> Arc<RunItems> {
    let kept = Arc::new(kept);
    if let Ok(mut known) = CACHE.lock() {
        let others = known.iter().filter(|(id, _)| *id != run_id);
        let items: usize = others.map(|(_, one)| one.rows.len()).sum();
        if items + kept.rows.len() > MOST {
            known.clear();
        }
        known.insert(run_id.to_owned(), Arc::clone(&kept));
    }
    kept
}
