//! Breaks: differences followed from one business date to the next.
//!
//! A break is known by its job, its row ([`identity`]), its field and, among alike ones, its place. Each run
//! keeps in `break_states` what its differences are called and since when they are there, so that the next run
//! compares itself with this alone; `break_partners` keeps what the rows are called that the run matched, which
//! tells a break that was matched from one that is gone. An episode that ends is a row of `cleared_breaks`.
//! All this follows the current runs of a job in the order of their dates: where a run is not the newest, or
//! takes another's place, everything from its date on is worked out anew.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::layout::row_id;
use super::rows::{self, parameters};
use super::transact::{Dialect, SqlRow, Transaction};
use super::{DifferenceRow, SqlValue, difference_number, field_of};
use crate::diagnostic::{Code, Problem};
use crate::domain::identity::{StableHash, of_text};
use crate::domain::{Date, DiffType, FieldRef, Layout, Status};

/// The bytes of a part of a state.
const PART: usize = 60_000;
/// Items that are changed by one statement.
const ITEMS: usize = 5_000;
/// Episodes that have ended are kept by periods of 2^4 days: keys of breaks are hashes, and where all were in one
/// order, each date would write all over a table that grows.
const PERIOD: u32 = 4;
/// The bytes of an entry.
const ENTRY: usize = 28;

/// How an episode ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// A row that lacked its partner has one.
    Matched = 1,
    /// The sides agree on the field.
    Agrees = 2,
    /// Neither side has the row any more.
    Gone = 3,
    /// People closed the open item.
    Closed = 4,
    /// The open item became older than the job allows.
    Expired = 5,
    /// The open item was not there yet when the next date ran: it is open until that date is run again.
    NotTaken = 6,
}

impl How {
    /// Whether nobody has to explain the break any more. That a row is gone means that only where the job has
    /// `declared` what its sources deliver: without that, a file may have only the rows of its date.
    const fn settles(self, declared: bool) -> bool {
        match self {
            Self::Matched | Self::Agrees | Self::Closed => true,
            Self::Gone => declared,
            Self::Expired | Self::NotTaken => false,
        }
    }

    /// As `recon_breaks` says it.
    const fn name(code: i64) -> &'static str {
        match code {
            1 => "MATCHED",
            2 => "AGREES",
            3 => "GONE",
            4 => "CLOSED",
            _ => "EXPIRED",
        }
    }
}

/// A difference as the next date knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    /// The identity of its row.
    row: u64,
    number: i64,
    /// The number of the same break's difference in the run before; 0 for none.
    before: i64,
    /// Its number among the alike ones of its record.
    alike: u32,
    since: i32,
}

impl Entry {
    fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.row.to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes()[..6]);
        out.extend_from_slice(&self.before.to_le_bytes()[..6]);
        out.extend_from_slice(&self.alike.to_le_bytes());
        out.extend_from_slice(&self.since.to_le_bytes());
    }

    fn read(bytes: &[u8; ENTRY]) -> Self {
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

    fn is_of_record(&self) -> bool {
        field_of(self.number.cast_unsigned()) == FieldRef::EntireRecord
    }
}

/// Names of fields, so that their order may change.
#[derive(Debug, Default)]
struct Names {
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

    fn key_of(&self, entry: &Entry) -> i64 {
        self.key(entry.row, field_of(entry.number.cast_unsigned()), entry.alike)
    }
}

/// The differences of a run in their order, as the next one finds them.
#[derive(Default)]
struct Known {
    entries: Vec<Entry>,
    keys: Vec<i64>,
    /// Whether the next run has them.
    seen: Vec<bool>,
    /// The last one of each key.
    by_key: HashMap<i64, usize, foldhash::fast::FixedState>,
    /// The one after the last that was found.
    next: usize,
}

impl Known {
    fn new(names: &Names, entries: Vec<Entry>) -> Self {
        let keys: Vec<i64> = entries.iter().map(|entry| names.key_of(entry)).collect();
        let mut by_key = HashMap::with_capacity_and_hasher(keys.len(), Default::default());
        by_key.extend(keys.iter().copied().zip(0..));
        Self { seen: vec![false; keys.len()], entries, keys, by_key, next: 0 }
    }

    /// Whether every difference is a break of its own.
    fn is_one_to_one(&self) -> bool {
        self.by_key.len() == self.entries.len()
    }

    /// The break with this key, which the next run has.
    fn see(&mut self, key: i64) -> Option<Entry> {
        // Two dates have most of their differences in one order, and looking where the next one should be takes a
        // fraction of a look anywhere in memory.
        let at = match self.keys.get(self.next) {
            Some(next) if *next == key && self.is_one_to_one() => self.next,
            _ => *self.by_key.get(&key)?,
        };
        self.next = at + 1;
        *self.seen.get_mut(at)? = true;
        self.entries.get(at).copied()
    }

    fn has(&self, key: i64) -> bool {
        self.by_key.contains_key(&key)
    }

    /// Every break: its key, and whether the next run has it.
    fn breaks(&self) -> impl Iterator<Item = (i64, Entry, bool)> {
        let all = self.keys.iter().zip(&self.entries).zip(&self.seen).enumerate();
        let (by_key, one_to_one) = (&self.by_key, self.is_one_to_one());
        all.filter(move |(at, ((key, _), _))| one_to_one || by_key.get(key) == Some(at))
            .map(|(_, ((key, entry), seen))| (*key, *entry, *seen))
    }
}

/// The numbers of a break's differences in two runs.
pub(super) type Pair = (i64, i64);

/// A date of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Dated {
    day: i32,
    run_no: i64,
    position: i64,
    version: i64,
}

/// The breaks of a run, gathered while its differences are written.
pub(super) struct Breaks {
    run_no: i64,
    day: i32,
    names: Names,
    /// The date before, as it was when the run began to write.
    basis: Option<Dated>,
    known: Known,
    /// How often rows of this name and field came so far.
    alike: HashMap<(u64, i64), u32, foldhash::fast::FixedState>,
    /// Rows of one key come one after the other.
    is_keyed: bool,
    last: u64,
    entries: Parts,
    partners: Parts,
}

/// Bytes on their way into parts. The first part has the number 0, every other one that of its first entry.
#[derive(Default)]
struct Parts {
    bytes: Vec<u8>,
    first: i64,
    has_first: bool,
}

impl Parts {
    fn flush(
        &mut self,
        tx: &mut dyn Transaction,
        table: (&str, &str),
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
        Ok(())
    }

    fn push(&mut self, entry: &Entry) {
        if self.has_first && self.bytes.is_empty() {
            self.first = entry.number;
        }
        entry.push(&mut self.bytes);
    }
}

const STATES: (&str, &str) = ("break_states", "entries");
const PARTNERS: (&str, &str) = ("break_partners", "rows");

fn write_part(
    tx: &mut dyn Transaction,
    (table, column): (&str, &str),
    run_no: i64,
    first: i64,
    bytes: &[u8],
) -> Result<(), Problem> {
    let done = match tx.dialect() {
        Dialect::Sqlite => tx.execute(
            &format!("INSERT OR REPLACE INTO recon.{table} (id, {column}) VALUES ($1, $2)"),
            &parameters![row_id(run_no, first), bytes],
        ),
        Dialect::Postgres => tx.execute(
            &format!(
                "INSERT INTO recon.{table} (run_no, number, {column}) VALUES ($1, $2, $3) \
                 ON CONFLICT (run_no, number) DO UPDATE SET {column} = excluded.{column}"
            ),
            &parameters![run_no, first, bytes],
        ),
    };
    done.map(drop)
}

/// Calls `each` with the parts of a run.
fn each_part(
    tx: &mut dyn Transaction,
    (table, column): (&str, &str),
    run_no: i64,
    each: &mut dyn FnMut(&[u8]),
) -> Result<(), Problem> {
    let dialect = tx.dialect();
    let sql = format!(
        "SELECT d.{column} FROM recon.{table} d WHERE {} ORDER BY {}",
        dialect.of_run("d", run_no),
        dialect.order("d", "")
    );
    tx.query_each(&sql, &[], &mut |row| {
        each(&row.blob(0)?.unwrap_or_default());
        Ok(())
    })
}

fn entries(tx: &mut dyn Transaction, run_no: i64) -> Result<Vec<Entry>, Problem> {
    let mut entries = Vec::new();
    each_part(tx, STATES, run_no, &mut |bytes| {
        entries.extend(bytes.as_chunks::<ENTRY>().0.iter().map(Entry::read));
    })?;
    Ok(entries)
}

/// The fields of a run by their names.
fn names(tx: &mut dyn Transaction, job: &str, run_no: i64) -> Result<Names, Problem> {
    let sql = "SELECT layout, key_length FROM recon.recon_runs WHERE run_no = $1";
    let layout = tx.find(sql, &parameters![run_no], |row| {
        super::read_layout(&row.required(0)?, row.count(1)?)
    })?;
    Ok(layout.map_or_else(Names::default, |layout| Names::new(job, &layout)))
}

fn known(tx: &mut dyn Transaction, job: &str, run_no: i64) -> Result<Known, Problem> {
    let names = names(tx, job, run_no)?;
    Ok(Known::new(&names, entries(tx, run_no)?))
}

fn dated(
    tx: &mut dyn Transaction,
    job: &str,
    condition: &str,
    day: i32,
) -> Result<Option<Dated>, Problem> {
    let sql = format!(
        "SELECT day, run_no, position, version FROM recon.break_dates \
         WHERE job = $1 AND day {condition} LIMIT 1"
    );
    tx.find(&sql, &parameters![job, day], |row| {
        Ok(Dated {
            day: i32::try_from(row.count(0)?).unwrap_or_default(),
            run_no: row.count(1)?,
            position: row.count(2)?,
            version: row.count(3)?,
        })
    })
}

const BEFORE: &str = "< $2 ORDER BY day DESC";

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
                super::read_layout(&row.required(2)?, row.count(3)?)?,
                row.text(4)?.is_some(),
            ))
        })?;
        let (job, day, layout, has_passes) = found.ok_or_else(|| {
            Problem::new(Code::StoreDamaged, format!("there is no run with the number {run_no}"))
        })?;
        let basis = dated(tx, &job, BEFORE, day)?;
        let known = match basis {
            Some(basis) => known(tx, &job, basis.run_no)?,
            None => Known::default(),
        };
        Ok(Self {
            names: Names::new(&job, &layout),
            is_keyed: layout.key_len() > 0 && !has_passes,
            run_no,
            day,
            basis,
            known,
            alike: HashMap::default(),
            last: 0,
            entries: Parts::default(),
            partners: Parts::default(),
        })
    }

    /// Takes in a difference; gives its key and the first date of its episode.
    pub fn take(&mut self, row: &DifferenceRow) -> (i64, i32) {
        if self.is_keyed && self.last != row.row {
            self.last = row.row;
            self.alike.clear();
        }
        let number = difference_number(row.record, row.field).cast_signed();
        let field = field_of(number.cast_unsigned());
        let slot = number & super::MAX_FIELDS as i64;
        let alike = self.alike.entry((row.row, slot)).or_default();
        let (key, this) = (self.names.key(row.row, field, *alike), *alike);
        *alike += 1;
        let mut entry = Entry { row: row.row, number, before: 0, alike: this, since: self.day };
        if let Some(before) = self.known.see(key) {
            (entry.before, entry.since) = (before.number, before.since);
        }
        self.entries.push(&entry);
        (key, entry.since)
    }

    /// Takes in what the rows that were matched are called.
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

/// The newest date of a job.
pub(super) struct NewestDate {
    pub day: i32,
    pub run_no: i64,
    /// The job's first date.
    pub first: i32,
}

/// The newest date of a job that breaks are followed to.
pub(super) fn newest_date(
    tx: &mut dyn Transaction,
    job: &str,
) -> Result<Option<NewestDate>, Problem> {
    let Some(newest) = dated(tx, job, ">= $2 ORDER BY day DESC", i32::MIN)? else {
        return Ok(None);
    };
    let first = dated(tx, job, ">= $2 ORDER BY day", i32::MIN)?.map_or(newest.day, |one| one.day);
    Ok(Some(NewestDate { day: newest.day, run_no: newest.run_no, first }))
}

/// Calls `each` with the number of each difference of a run, and the first date of its episode.
pub(super) fn each_of_run(
    tx: &mut dyn Transaction,
    run_no: i64,
    each: &mut dyn FnMut(i64, i32),
) -> Result<(), Problem> {
    each_part(tx, STATES, run_no, &mut |bytes| {
        for bytes in bytes.as_chunks::<ENTRY>().0 {
            let entry = Entry::read(bytes);
            each(entry.number, entry.since);
        }
    })
}

/// Calls `each` with the number, the type and the break's key of differences of a run.
pub(super) fn types_and_keys(
    tx: &mut dyn Transaction,
    run_no: i64,
    numbers: Vec<i64>,
    each: &mut dyn FnMut(i64, DiffType, i64),
) -> Result<(), Problem> {
    let columns = "d.diff_type, d.break_key";
    each_difference(tx, run_no, columns, numbers.into_iter(), &mut |row| {
        let code = u8::try_from(row.count(1)?).unwrap_or_default();
        let diff_type = DiffType::from_code(code)
            .ok_or_else(|| super::stored::damaged("diff_type", &code.to_string()))?;
        each(row.count(0)?, diff_type, row.integer(2)?.unwrap_or_default());
        Ok(())
    })
}

/// The period in which an episode that ended on a day is kept.
pub(super) const fn period(day: i32) -> i32 {
    day >> PERIOD
}

/// How an episode with this code ended.
pub(super) const fn ending(code: i64) -> &'static str {
    How::name(code)
}

/// The run of the date before a run.
pub(super) fn before(tx: &mut dyn Transaction, run_no: i64) -> Result<Option<i64>, Problem> {
    let sql = "SELECT job, batch_date FROM recon.recon_runs WHERE run_no = $1";
    let found = tx.find(sql, &parameters![run_no], |row| {
        Ok((row.required(0)?, read_day(&row.required(1)?)?))
    })?;
    let Some((job, day)) = found else { return Ok(None) };
    Ok(dated(tx, &job, BEFORE, day)?.map(|before| before.run_no))
}

fn read_day(date: &str) -> Result<i32, Problem> {
    let date: Date = date.parse().map_err(|_| super::stored::damaged("batch_date", date))?;
    Ok(date.days())
}

/// Changes of breaks by a published run, and work still to do.
#[derive(Debug, Default)]
pub(super) struct Linked {
    links: Vec<Leaving>,
    /// Runs whose items are to be counted anew.
    recount: Vec<i64>,
}

/// Differences of a run that leave the queue when the one of the next date comes, because their breaks go on or have
/// cleared.
#[derive(Debug)]
struct Leaving {
    before: i64,
    now: i64,
    which: Which,
}

#[derive(Debug)]
enum Which {
    These(Vec<i64>),
    /// Kept once for the run: to change every row takes as long as to write it.
    AllBut(Vec<i64>),
}

/// Links a run that is published to the dates before and after it. `gathered`: what was gathered while its
/// differences were written, if that was in this command.
pub(super) fn link(
    tx: &mut dyn Transaction,
    run_no: i64,
    gathered: Option<Breaks>,
) -> Result<Linked, Problem> {
    let sql = "SELECT job, batch_date, superseded_by FROM recon.recon_runs WHERE run_no = $1";
    let found = tx.find(sql, &parameters![run_no], |row| {
        Ok((row.required(0)?, read_day(&row.required(1)?)?, row.text(2)?.is_none()))
    })?;
    let Some((job, day, true)) = found else { return Ok(Linked::default()) };
    let is_last = dated(tx, &job, ">= $2 ORDER BY day", day)?.is_none();
    if dated(tx, &job, "> $2 ORDER BY day", day)?.is_none() {
        keep_calendar(tx, &job, run_no)?;
    }
    let basis = dated(tx, &job, BEFORE, day)?;
    match gathered {
        Some(mut gathered) if is_last && basis == gathered.basis => {
            let known = std::mem::take(&mut gathered.known);
            let which = clear(
                tx,
                &job,
                basis,
                known,
                Dated {
                    day,
                    run_no,
                    position: basis.map_or(0, |basis| basis.position + 1),
                    version: 0,
                },
            )?;
            let leaving = |basis: Dated| Leaving { before: basis.run_no, now: run_no, which };
            let links = basis.map(leaving).into_iter().collect();
            Ok(Linked { links, recount: Vec::new() })
        }
        _ => again(tx, &job, day),
    }
}

/// Keeps the business days of a job's newest run, if they are not Monday to Friday.
fn keep_calendar(tx: &mut dyn Transaction, job: &str, run_no: i64) -> Result<(), Problem> {
    #[derive(serde::Deserialize)]
    struct Calendar {
        week: Vec<u8>,
        holidays: Vec<i32>,
    }
    let calendar = match tx.dialect() {
        Dialect::Sqlite => "metadata -> '$.calendar'",
        Dialect::Postgres => "metadata -> 'calendar'",
    };
    let sql = format!("SELECT {calendar} FROM recon.recon_runs WHERE run_no = $1");
    let text = tx.find(&sql, &parameters![run_no], |row| row.text(0))?.flatten();
    tx.execute("DELETE FROM recon.job_calendars WHERE job = $1", &parameters![job])?;
    if let Some(Ok(calendar)) = text.map(|text| serde_json::from_str::<Calendar>(&text)) {
        let json = |value: &dyn Fn() -> serde_json::Result<String>| value().unwrap_or_default();
        tx.execute(
            "INSERT INTO recon.job_calendars (job, week, holidays) VALUES ($1, $2, $3)",
            &parameters![
                job,
                json(&|| serde_json::to_string(&calendar.week)),
                json(&|| serde_json::to_string(&calendar.holidays))
            ],
        )?;
    }
    Ok(())
}

/// The condition that it is known what the differences of a run `r` are called.
fn has_states(dialect: Dialect) -> String {
    let first = match dialect {
        // The first part is always there.
        Dialect::Sqlite => format!("s.id = r.run_no << {}", super::layout::NUMBER_BITS),
        Dialect::Postgres => "s.run_no = r.run_no AND s.number = 0".to_owned(),
    };
    format!("EXISTS (SELECT 1 FROM recon.break_states s WHERE {first})")
}

/// Works out the breaks of a job's dates from `day` on.
pub(super) fn again(tx: &mut dyn Transaction, job: &str, day: i32) -> Result<Linked, Problem> {
    let version = tx.count("SELECT max(version) + 1 FROM recon.break_dates", &[])?;
    let sql = "SELECT run_no FROM recon.break_dates WHERE job = $1 AND day >= $2";
    let were = tx.list(sql, &parameters![job, day], |row| row.count(0))?;
    let sql =
        "DELETE FROM recon.cleared_breaks WHERE job = $1 AND period >= $3 AND cleared_on >= $2";
    tx.execute(sql, &parameters![job, day, day >> PERIOD])?;
    let sql = "DELETE FROM recon.break_dates WHERE job = $1 AND day >= $2";
    tx.execute(sql, &parameters![job, day])?;
    let sql = format!(
        "SELECT r.run_no, r.batch_date FROM recon.recon_runs r WHERE r.job = $1 \
         AND r.stage = 'ATTRIBUTED' AND r.superseded_by IS NULL AND r.batch_date >= $2 \
         AND {} ORDER BY r.batch_date",
        has_states(tx.dialect())
    );
    let from = Date::from_days(day).to_string();
    let runs = tx.list(&sql, &parameters![job, from], |row| {
        Ok((row.count(0)?, read_day(&row.required(1)?)?))
    })?;
    let mut before = dated(tx, job, BEFORE, day)?;
    // Runs that are no longer among them go on nowhere.
    let gone = were.into_iter().filter(|run_no| !runs.iter().any(|(run, _)| run == run_no));
    let mut linked = Linked { recount: gone.collect(), ..Linked::default() };
    linked.recount.extend(before.map(|before| before.run_no));
    for (run_no, day) in runs {
        linked.recount.push(run_no);
        let mut known = match before {
            Some(before) => known(tx, job, before.run_no)?,
            None => Known::default(),
        };
        let names = names(tx, job, run_no)?;
        let (mut moved, mut parts) = (Vec::new(), Parts::default());
        for old in entries(tx, run_no)? {
            let key = names.key_of(&old);
            let mut entry = Entry { before: 0, since: day, ..old };
            if let Some(last) = known.see(key) {
                (entry.before, entry.since) = (last.number, last.since);
            }
            if entry.since != old.since {
                moved.push((entry.number, entry.since));
            }
            parts.push(&entry);
            parts.flush(tx, STATES, run_no, false)?;
        }
        parts.flush(tx, STATES, run_no, true)?;
        move_since(tx, run_no, &moved)?;
        let position = before.map_or(0, |before| before.position + 1);
        let now = Dated { day, run_no, position, version };
        let which = clear(tx, job, before, known, now)?;
        if let Some(before) = before {
            linked.links.push(Leaving { before: before.run_no, now: run_no, which });
        }
        before = Some(now);
    }
    Ok(linked)
}

/// Gives differences of a run the first dates of their episodes.
fn move_since(tx: &mut dyn Transaction, run_no: i64, moved: &[(i64, i32)]) -> Result<(), Problem> {
    let dialect = tx.dialect();
    let sql = match dialect {
        Dialect::Sqlite => "UPDATE recon.difference_rows AS d SET since = p.value ->> 1 \
             FROM json_each($1) p WHERE d.id = p.value ->> 0"
            .to_owned(),
        Dialect::Postgres => format!(
            "UPDATE recon.difference_rows d SET since = (p.value ->> 1)::integer \
             FROM json_array_elements($1::json) p (value) \
             WHERE d.run_no = {run_no} AND d.number = (p.value ->> 0)::bigint"
        ),
    };
    for some in moved.chunks(ITEMS) {
        let some: Vec<(i64, i32)> =
            some.iter().map(|(number, day)| (place(dialect, run_no, *number), *day)).collect();
        tx.execute(&sql, &[SqlValue::Text(serde_json::to_string(&some).unwrap_or_default())])?;
    }
    Ok(())
}

fn place(dialect: Dialect, run_no: i64, number: i64) -> i64 {
    match dialect {
        Dialect::Sqlite => row_id(run_no, number),
        Dialect::Postgres => number,
    }
}

const CLEARED: rows::Table = rows::Table {
    name: "cleared_breaks",
    columns: &[
        ("job", "text"),
        ("period", "integer"),
        ("break_key", "bigint"),
        ("since", "integer"),
        ("run_no", "integer"),
        ("number", "bigint"),
        ("cleared_on", "integer"),
        ("cleared_how", "smallint"),
        ("diff_type", "smallint"),
    ],
};

/// Ends the episodes that a run does not go on with; the run is from now on the newest of the job's dates. Gives the
/// differences of the run before that nobody has to decide there any more.
fn clear(
    tx: &mut dyn Transaction,
    job: &str,
    before: Option<Dated>,
    known: Known,
    now: Dated,
) -> Result<Which, Problem> {
    tx.execute(
        "INSERT INTO recon.break_dates (job, day, run_no, position, version) \
         VALUES ($1, $2, $3, $4, $5)",
        &parameters![job, now.day, now.run_no, now.position, now.version],
    )?;
    let Some(before) = before else { return Ok(Which::These(Vec::new())) };
    let mut ended: Vec<(i64, Entry)> =
        known.breaks().filter(|(.., seen)| !seen).map(|(key, entry, _)| (key, entry)).collect();
    ended.sort_unstable_by_key(|(key, _)| *key);
    let partners = partners(tx, now.run_no, ended.iter().map(|(_, entry)| entry.row).collect())?;
    let gone = ended.iter().map(|(_, entry)| entry);
    let gone = gone.filter(|entry| entry.is_of_record() && !partners.contains(&entry.row));
    let declared = declared(tx, now.run_no)?;
    let ages = gone.map(|entry| (entry.number, now.day - entry.since)).collect();
    let given_up = given_up(tx, before.run_no, declared.as_ref(), &ages)?;
    let rested_on = match &declared {
        Some(declared) if !ended.is_empty() && (declared.a_moves || declared.b_moves) => {
            rested_on(tx, job, declared, before.run_no)?
        }
        _ => None,
    };
    let types = types(tx, before.run_no, ended.iter().map(|(_, entry)| entry.number))?;
    let (mut settled, mut stay) = (Vec::new(), Vec::new());
    let ended: Vec<Vec<SqlValue>> = ended
        .into_iter()
        .map(|(key, entry)| {
            let how = match (partners.contains(&entry.row), entry.is_of_record()) {
                (true, true) => How::Matched,
                (true, false) => How::Agrees,
                (false, _) => given_up.get(&entry.number).copied().unwrap_or_else(|| {
                    let moves = declared.as_ref().is_some_and(|declared| {
                        declared.moves(types.get(&entry.number).copied().unwrap_or_default())
                    });
                    match &rested_on {
                        Some(known) if moves && !known.has(key) => How::NotTaken,
                        _ => How::Gone,
                    }
                }),
            };
            let leaves = how.settles(declared.is_some());
            if leaves { &mut settled } else { &mut stay }.push(entry.number);
            let mut row = parameters![
                job,
                now.day >> PERIOD,
                key,
                entry.since,
                before.run_no,
                entry.number,
                now.day,
                how as i64
            ]
            .to_vec();
            row.push(types.get(&entry.number).copied().into());
            row
        })
        .collect();
    rows::insert(tx, &CLEARED, &ended)?;
    if known.is_one_to_one() && 2 * stay.len() < known.entries.len() {
        stay.sort_unstable();
        return Ok(Which::AllBut(stay));
    }
    settled.extend(known.breaks().filter(|(.., seen)| *seen).map(|(_, entry, _)| entry.number));
    settled.sort_unstable();
    Ok(Which::These(settled))
}

/// A job's settings for open items.
struct Declared {
    a_moves: bool,
    b_moves: bool,
    max_age_days: Option<i32>,
    /// The run that the open items were taken over from.
    previous: Option<String>,
}

impl Declared {
    /// Whether a break with this code of a type is about a movement.
    fn moves(&self, diff_type: i64) -> bool {
        match u8::try_from(diff_type).ok().and_then(DiffType::from_code) {
            Some(DiffType::MissingInSourceB | DiffType::DuplicateInSourceA) => self.a_moves,
            Some(DiffType::MissingInSourceA | DiffType::DuplicateInSourceB) => self.b_moves,
            _ => self.a_moves || self.b_moves,
        }
    }
}

/// The breaks of the run that a run took its open items over from, if that is not the current one of the date before:
/// an earlier date was run after it.
fn rested_on(
    tx: &mut dyn Transaction,
    job: &str,
    declared: &Declared,
    before: i64,
) -> Result<Option<Known>, Problem> {
    let Some(previous) = &declared.previous else { return Ok(Some(Known::default())) };
    let sql = format!(
        "SELECT r.run_no FROM recon.recon_runs r WHERE r.run_id = $1 AND {}",
        has_states(tx.dialect())
    );
    match tx.find(&sql, &parameters![previous], |row| row.count(0))? {
        Some(run_no) if run_no == before => Ok(None),
        Some(run_no) => known(tx, job, run_no).map(Some),
        // Of a run that was pruned nobody knows what it left open.
        None => Ok(None),
    }
}

fn declared(tx: &mut dyn Transaction, run_no: i64) -> Result<Option<Declared>, Problem> {
    let setting = |path: &str| match tx.dialect() {
        Dialect::Sqlite => format!("metadata ->> '$.{}'", path.replace('/', ".")),
        Dialect::Postgres => format!("metadata #>> '{{{}}}'", path.replace('/', ",")),
    };
    let sql = format!(
        "SELECT {}, {}, CAST({} AS text), {}, {} FROM recon.recon_runs WHERE run_no = $1",
        setting("identity/open_items/a"),
        setting("identity/open_items/b"),
        setting("identity/open_items/max_age_days"),
        setting("configuration/open_items"),
        setting("open_items/previous/run")
    );
    let found = tx.find(&sql, &parameters![run_no], |row| {
        let moves = |column| Ok::<_, Problem>(row.str(column)? == Some("movements"));
        let max_age_days = row.str(2)?.and_then(|days| days.parse().ok());
        let (a_moves, b_moves, previous) = (moves(0)?, moves(1)?, row.text(4)?);
        let declared = Declared { a_moves, b_moves, max_age_days, previous };
        Ok(row.str(3)?.map(|_| declared))
    })?;
    Ok(found.flatten())
}

/// Which open items of a run the next one did not take over, and why, by the ages of those that are gone. The absence
/// of a movement alone ends nothing.
fn given_up(
    tx: &mut dyn Transaction,
    before: i64,
    declared: Option<&Declared>,
    ages: &HashMap<i64, i32>,
) -> Result<HashMap<i64, How>, Problem> {
    let Some(declared) = declared.filter(|it| it.a_moves || it.b_moves) else {
        return Ok(HashMap::new());
    };
    let is_too_old = |number: i64| {
        let age = ages.get(&number).copied().unwrap_or_default();
        declared.max_age_days.is_some_and(|most| age > most)
    };
    let mut why = HashMap::new();
    let columns = "d.diff_type, d.status, d.is_locked, \
                   (SELECT c.closes FROM recon.reason_codes c WHERE c.reason_id = d.reason_id)";
    each_difference(tx, before, columns, ages.keys().copied(), &mut |row| {
        let moves = declared.moves(row.count(1)?);
        let accepted = row.integer(2)? == Some(Status::Accepted.code().into());
        let number = row.count(0)?;
        if moves && accepted && row.boolean(3)? && row.boolean(4)? {
            why.insert(number, How::Closed);
        } else if moves && is_too_old(number) {
            why.insert(number, How::Expired);
        }
        Ok(())
    })?;
    Ok(why)
}

/// The types of these differences of a run.
fn types(
    tx: &mut dyn Transaction,
    run_no: i64,
    numbers: impl Iterator<Item = i64>,
) -> Result<HashMap<i64, i64>, Problem> {
    let mut types = HashMap::new();
    each_difference(tx, run_no, "d.diff_type", numbers, &mut |row| {
        types.insert(row.count(0)?, row.count(1)?);
        Ok(())
    })?;
    Ok(types)
}

/// Calls `each` with the number and these columns of differences of a run.
fn each_difference(
    tx: &mut dyn Transaction,
    run_no: i64,
    columns: &str,
    numbers: impl Iterator<Item = i64>,
    each: &mut dyn FnMut(SqlRow) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let dialect = tx.dialect();
    let sql = format!(
        "SELECT {}, {columns} FROM recon.difference_rows d WHERE {}",
        dialect.number("d"),
        at_numbers(dialect, run_no)
    );
    let numbers: Vec<i64> = numbers.collect();
    for some in numbers.chunks(ITEMS) {
        let places = some.iter().map(|number| place(dialect, run_no, *number));
        tx.query_each(&sql, &[rows::numbers(places)], each)?;
    }
    Ok(())
}

/// The rows among these that a run matched.
fn partners(
    tx: &mut dyn Transaction,
    run_no: i64,
    wanted: HashSet<u64>,
) -> Result<HashSet<u64>, Problem> {
    let mut found = HashSet::new();
    if !wanted.is_empty() {
        each_part(tx, PARTNERS, run_no, &mut |bytes| {
            let rows = bytes.as_chunks::<8>().0.iter().map(|row| u64::from_le_bytes(*row));
            found.extend(rows.filter(|row| wanted.contains(row)));
        })?;
    }
    Ok(found)
}

impl Linked {
    /// The run of the date before a run.
    pub fn before(&self, run_no: i64) -> Option<i64> {
        self.links.iter().find(|leaving| leaving.now == run_no).map(|leaving| leaving.before)
    }

    /// The runs that are followed by another.
    pub fn old(&self) -> Vec<i64> {
        self.links.iter().map(|leaving| leaving.before).collect()
    }

    /// The breaks of the date before that a run goes on with: their numbers in both.
    pub fn pairs(&self, tx: &mut dyn Transaction, run_no: i64) -> Result<Vec<Pair>, Problem> {
        let entries = entries(tx, run_no)?;
        let kept = entries.iter().filter(|entry| entry.before != 0);
        Ok(kept.map(|entry| (entry.before, entry.number)).collect())
    }

    /// Takes differences whose breaks go on or have cleared out of the queue, and gives the runs whose items must be
    /// counted anew.
    pub fn mark(self, tx: &mut dyn Transaction) -> Result<Vec<i64>, Problem> {
        let dialect = tx.dialect();
        for run_no in &self.recount {
            let sql = format!(
                "UPDATE recon.difference_rows AS d SET later = NULL WHERE {} \
                 AND d.later IS NOT NULL",
                dialect.of_run("d", *run_no)
            );
            tx.execute(&sql, &[])?;
            let sql = "UPDATE recon.break_dates SET items_left = 0 WHERE run_no = $1";
            tx.execute(sql, &parameters![*run_no])?;
        }
        for leaving in &self.links {
            leaving.mark(tx, self.recount.is_empty())?;
        }
        Ok(self.recount)
    }
}

/// Undecided items by their signatures: how many, and the sum of their amounts.
type BySignature = BTreeMap<i64, (i64, f64)>;

impl Leaving {
    /// Takes the items out of the queue, and out of the counts unless these are made anew.
    fn mark(&self, tx: &mut dyn Transaction, counts: bool) -> Result<(), Problem> {
        let Self { before, now, which } = self;
        let (Which::These(numbers) | Which::AllBut(numbers), own) = (which, *before);
        let undecided = if counts { undecided(tx, own, numbers)? } else { BySignature::new() };
        let change = match which {
            Which::These(_) => {
                set_later(tx, own, numbers, *now)?;
                "items = items - $3, amount_sum = amount_sum - $4"
            }
            Which::AllBut(_) => {
                let sql = "UPDATE recon.break_dates SET items_left = 1 WHERE run_no = $1";
                tx.execute(sql, &parameters![own])?;
                // Below 0: these stay, although their run has left the queue.
                set_later(tx, own, numbers, -own)?;
                if counts {
                    let sql = "UPDATE recon.item_counts SET items = 0, amount_sum = 0 \
                               WHERE run_no = $1 AND status = 1";
                    tx.execute(sql, &parameters![own])?;
                }
                "items = $3, amount_sum = $4"
            }
        };
        let sql = format!(
            "UPDATE recon.item_counts SET {change} \
             WHERE run_no = $1 AND signature_id = $2 AND status = 1"
        );
        for (signature, (items, sum)) in undecided {
            tx.execute(&sql, &parameters![own, signature, items, sum])?;
        }
        Ok(())
    }
}

/// The condition that a difference `d` of a run is one of the numbers at `$1`.
fn at_numbers(dialect: Dialect, run_no: i64) -> String {
    match dialect {
        Dialect::Sqlite => "d.id IN (SELECT value FROM json_each($1))".to_owned(),
        Dialect::Postgres => format!(
            "d.run_no = {run_no} AND d.number = ANY (ARRAY(\
             SELECT value::bigint FROM json_array_elements_text($1::json)))"
        ),
    }
}

fn undecided(
    tx: &mut dyn Transaction,
    run_no: i64,
    numbers: &[i64],
) -> Result<BySignature, Problem> {
    let dialect = tx.dialect();
    let sql = format!(
        "SELECT coalesce(d.signature_id, 0), count(*), coalesce(sum(d.amount_abs), 0.0) \
         FROM recon.difference_rows d WHERE {} AND d.status = 1 AND d.later IS NULL GROUP BY 1",
        at_numbers(dialect, run_no)
    );
    let mut found = BySignature::new();
    for some in numbers.chunks(ITEMS) {
        let places = some.iter().map(|number| place(dialect, run_no, *number));
        for row in tx.query(&sql, &[rows::numbers(places)])? {
            let sum = found.entry(row.count(0)?).or_default();
            sum.0 += row.count(1)?;
            sum.1 += row.real(2)?.unwrap_or_default();
        }
    }
    Ok(found)
}

/// Sets `later` of the differences that nobody has decided.
fn set_later(
    tx: &mut dyn Transaction,
    run_no: i64,
    numbers: &[i64],
    later: i64,
) -> Result<(), Problem> {
    let dialect = tx.dialect();
    let sql = format!(
        "UPDATE recon.difference_rows AS d SET later = {later} \
         WHERE {} AND d.status IN (1, 2) AND d.later IS NULL",
        at_numbers(dialect, run_no)
    );
    for some in numbers.chunks(ITEMS) {
        let places = some.iter().map(|number| place(dialect, run_no, *number));
        tx.execute(&sql, &[rows::numbers(places)])?;
    }
    Ok(())
}

/// The number that is above 0 if a difference `alias` leaves the queue and the counts while nobody has decided it: its
/// break goes on at a later date, or has cleared.
pub(super) fn left(dialect: Dialect, alias: &str) -> String {
    format!(
        "coalesce({alias}.later, \
         (SELECT q.items_left FROM recon.break_dates q WHERE q.run_no = {}), 0)",
        dialect.run_no(alias)
    )
}

/// The same for the differences of one run.
pub(super) fn left_of_run(
    tx: &mut dyn Transaction,
    alias: &str,
    run_no: i64,
) -> Result<String, Problem> {
    let sql = "SELECT items_left FROM recon.break_dates WHERE run_no = $1";
    let left = tx.find(sql, &parameters![run_no], |row| row.count(0))?.unwrap_or_default();
    Ok(format!("coalesce({alias}.later, {left})"))
}

/// The runs that have left the queue, but for some items.
pub(super) fn runs_that_left(tx: &mut dyn Transaction) -> Result<HashSet<i64>, Problem> {
    let sql = "SELECT run_no FROM recon.break_dates WHERE items_left = 1";
    Ok(tx.list_again(sql, &[], |row| row.count(0))?.into_iter().collect())
}

/// A break as it was at a date.
pub(super) struct Seen {
    pub date: String,
    pub attribution_id: String,
    pub values: [Option<String>; 2],
}

/// The dates on which the break of an attribution was seen until then, the first one first.
pub(super) fn chain(tx: &mut dyn Transaction, attribution_id: &str) -> Result<Vec<Seen>, Problem> {
    let dialect = tx.dialect();
    let (prefix, number) = attribution_id.split_at_checked(24).unwrap_or_default();
    let mut number = i64::from_str_radix(number, 16).unwrap_or_default();
    let at = match dialect {
        Dialect::Sqlite => format!("d.id = r.run_no << {} | $2", super::layout::NUMBER_BITS),
        Dialect::Postgres => "d.run_no = r.run_no AND d.number = $2".to_owned(),
    };
    let sql = format!(
        "SELECT b.run_no, r.batch_date, r.attribution_prefix, d.value_a, d.value_b, \
         (SELECT l.run_no FROM recon.break_dates l \
          WHERE l.job = b.job AND l.day < b.day ORDER BY l.day DESC LIMIT 1) \
         FROM recon.break_dates b JOIN recon.recon_runs r ON r.run_no = b.run_no \
         JOIN recon.difference_rows d ON {at} WHERE b.run_no = $1"
    );
    let first = "SELECT run_no FROM recon.recon_runs WHERE attribution_prefix = $1";
    let mut run = tx.find(first, &parameters![prefix], |row| row.count(0))?;
    let mut chain = Vec::new();
    while let Some(run_no) = run {
        let found = tx.find(&sql, &parameters![run_no, number], |row| {
            let attribution_id = format!("{}{number:012x}", row.required(2)?);
            let values = [row.text(3)?, row.text(4)?];
            Ok((Seen { date: row.required(1)?, attribution_id, values }, row.integer(5)?))
        })?;
        let Some((seen, last)) = found else { break };
        chain.push(seen);
        number = number_before(tx, run_no, number)?;
        run = last.filter(|_| number != 0);
    }
    chain.reverse();
    Ok(chain)
}

/// When and how the episode of an attribution's difference ended.
pub(super) fn cleared(
    tx: &mut dyn Transaction,
    attribution_id: &str,
) -> Result<Option<(String, String)>, Problem> {
    let (prefix, number) = attribution_id.split_at_checked(24).unwrap_or_default();
    let number = i64::from_str_radix(number, 16).unwrap_or_default();
    let at = match tx.dialect() {
        Dialect::Sqlite => format!("d.id = r.run_no << {} | $2", super::layout::NUMBER_BITS),
        Dialect::Postgres => "d.run_no = r.run_no AND d.number = $2".to_owned(),
    };
    let sql = format!(
        "SELECT r.job, d.break_key, d.since FROM recon.recon_runs r \
         JOIN recon.difference_rows d ON r.attribution_prefix = $1 AND {at}"
    );
    let found = tx.find(&sql, &parameters![prefix, number], |row| {
        Ok((row.required(0)?, row.integer(1)?, row.integer(2)?))
    })?;
    let Some((job, Some(key), Some(since))) = found else { return Ok(None) };
    let ended = ended(tx, &job, key, since)?.filter(|ended| ended.how != How::NotTaken as i64);
    Ok(ended.map(|ended| {
        let on = Date::from_days(i32::try_from(ended.on).unwrap_or_default());
        (on.to_string(), How::name(ended.how).to_owned())
    }))
}

/// How an episode ended: its last difference, the day and the way.
struct Ended {
    last: (i64, i64),
    on: i64,
    how: i64,
}

/// Looks for the end of an episode in the periods since it began.
fn ended(
    tx: &mut dyn Transaction,
    job: &str,
    key: i64,
    since: i64,
) -> Result<Option<Ended>, Problem> {
    let newest = "SELECT max(day) FROM recon.break_dates WHERE job = $1";
    let newest = tx.find(newest, &parameters![job], |row| row.integer(0))?.flatten();
    let sql = "SELECT run_no, number, cleared_on, cleared_how FROM recon.cleared_breaks \
               WHERE job = $1 AND period = $2 AND break_key = $3 AND since = $4";
    for period in since >> PERIOD..=newest.unwrap_or(since) >> PERIOD {
        let found = tx.find(sql, &parameters![job, period, key, since], |row| {
            Ok(Ended {
                last: (row.count(0)?, row.count(1)?),
                on: row.count(2)?,
                how: row.count(3)?,
            })
        })?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Where the break of a difference was seen last, if it goes on in a later run: the run and the number there.
pub(super) fn last_seen(
    tx: &mut dyn Transaction,
    run_no: i64,
    number: i64,
) -> Result<Option<(i64, i64)>, Problem> {
    let dialect = tx.dialect();
    let at = match dialect {
        Dialect::Sqlite => "d.id = $2",
        Dialect::Postgres => "d.run_no = $1 AND d.number = $2",
    };
    let sql = format!(
        "SELECT b.job, d.break_key, d.since FROM recon.break_dates b \
         JOIN recon.difference_rows d ON {at} WHERE b.run_no = $1 AND coalesce(d.later, b.items_left) > 0"
    );
    let found = tx.find(&sql, &parameters![run_no, place(dialect, run_no, number)], |row| {
        Ok((row.required(0)?, row.integer(1)?, row.integer(2)?))
    })?;
    let Some((job, Some(key), Some(since))) = found else { return Ok(None) };
    if let Some(ended) = ended(tx, &job, key, since)? {
        return Ok(Some(ended.last).filter(|last| *last != (run_no, number)));
    }
    let sql = "SELECT run_no FROM recon.break_dates WHERE job = $1 ORDER BY day DESC LIMIT 1";
    let Some(newest) = tx.find(sql, &parameters![&job], |row| row.count(0))? else {
        return Ok(None);
    };
    Ok(by_key(tx, newest, &[key])?.remove(&key).map(|number| (newest, number)))
}

/// The differences of a run that have these keys, by the key.
fn by_key(
    tx: &mut dyn Transaction,
    run_no: i64,
    keys: &[i64],
) -> Result<HashMap<i64, i64>, Problem> {
    let dialect = tx.dialect();
    let among = match dialect {
        Dialect::Sqlite => "IN (SELECT value FROM json_each($1))",
        Dialect::Postgres => {
            "= ANY (ARRAY(SELECT value::bigint FROM json_array_elements_text($1::json)))"
        }
    };
    let sql = format!(
        "SELECT d.break_key, {} FROM recon.difference_rows d WHERE {} AND d.break_key {among}",
        dialect.number("d"),
        dialect.of_run("d", run_no)
    );
    let mut found = HashMap::new();
    for some in keys.chunks(ITEMS) {
        for row in tx.query(&sql, &[rows::numbers(some.iter().copied())])? {
            found.insert(row.integer(0)?.unwrap_or_default(), row.count(1)?);
        }
    }
    Ok(found)
}

/// For the differences of a run at `numbers` those of another run that are the same breaks.
pub(super) fn same_breaks(
    tx: &mut dyn Transaction,
    (old, numbers): (i64, &[i64]),
    new: i64,
) -> Result<HashMap<i64, i64>, Problem> {
    let mut keys: HashMap<i64, i64> = HashMap::new();
    each_difference(tx, old, "d.break_key", numbers.iter().copied(), &mut |row| {
        if let Some(key) = row.integer(1)? {
            keys.insert(row.count(0)?, key);
        }
        Ok(())
    })?;
    let wanted: Vec<i64> = keys.values().copied().collect();
    let found = by_key(tx, new, &wanted)?;
    let twin = |(old, key): (i64, i64)| Some((old, *found.get(&key)?));
    Ok(keys.into_iter().filter_map(twin).collect())
}

/// The number that the break of a difference had in the run before; 0 if it was not there.
fn number_before(tx: &mut dyn Transaction, run_no: i64, number: i64) -> Result<i64, Problem> {
    let dialect = tx.dialect();
    let sql = format!(
        "SELECT d.entries FROM recon.break_states d WHERE {} ORDER BY {} LIMIT 1",
        dialect.between("d", run_no, 0, number),
        dialect.order("d", " DESC")
    );
    let bytes = tx.find(&sql, &[], |row| row.blob(0))?.flatten().unwrap_or_default();
    let mut entries = bytes.as_chunks::<ENTRY>().0.iter().map(Entry::read);
    Ok(entries.find(|entry| entry.number == number).map_or(0, |entry| entry.before))
}

/// For each run the one of the next date.
pub(super) fn next_runs(tx: &mut dyn Transaction) -> Result<HashMap<i64, i64>, Problem> {
    let sql = "SELECT job, run_no FROM recon.break_dates ORDER BY job, day";
    let all = tx.list(sql, &[], |row| Ok((row.required(0)?, row.count(1)?)))?;
    let pairs = all.windows(2).filter_map(|pair| match pair {
        [(job, run), (next_job, next)] if job == next_job => Some((*run, *next)),
        _ => None,
    });
    Ok(pairs.collect())
}

/// Forgets what is known of a run that is gone, or of which only what people decided is left.
pub(super) fn forget(tx: &mut dyn Transaction, run_no: i64) -> Result<Linked, Problem> {
    let dialect = tx.dialect();
    for (table, _) in [STATES, PARTNERS] {
        let sql = format!("DELETE FROM recon.{table} AS d WHERE {}", dialect.of_run("d", run_no));
        tx.execute(&sql, &[])?;
    }
    let sql = "SELECT job, day FROM recon.break_dates WHERE run_no = $1";
    let found = tx.find(sql, &parameters![run_no], |row| {
        Ok((row.required(0)?, i32::try_from(row.count(1)?).unwrap_or_default()))
    })?;
    match found {
        Some((job, day)) => again(tx, &job, day),
        None => Ok(Linked::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::layout::MAX_NUMBER;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_entry_reads_back(row: u64, number in 0..MAX_NUMBER, before in 0..MAX_NUMBER, alike: u32, since: i32) {
            let entry = Entry { row, number, before, alike, since };
            let mut bytes = Vec::new();
            entry.push(&mut bytes);
            prop_assert_eq!(Entry::read(bytes.as_slice().try_into().unwrap()), entry);
        }
    }
}
