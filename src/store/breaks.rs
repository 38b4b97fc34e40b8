//! Breaks: differences followed from one business date to the next.
//!
//! A break is known by its job, its row ([`identity`]), its field and, among alike ones, its place. Each run
//! keeps in `break_states` the identities of its differences and the first dates of their episodes, which is all that
//! the next run is compared with; `break_partners` keeps the identities of the rows that the run matched, so that a
//! break that was matched differs from one that is gone. An episode that ends is a row of `cleared_breaks`.
//! All this follows the current runs of a job in the order of their dates: where a run is not the newest, or
//! takes another's place, everything from its date on is worked out anew.

mod cleared;
mod queue;
mod states;

use std::collections::HashMap;

use super::layout::row_id;
use super::rows::{self, parameters};
use super::transact::{Dialect, SqlRow, Transaction};
use super::{SqlValue, stored};
use crate::diagnostic::Problem;
use crate::domain::{Date, DiffType};
use cleared::{clear, ended};
use queue::Leaving;
use states::{
    EarlierBreaks, Entry, PARTNERS, Parts, STATES, earlier_breaks, entries, names, number_before,
    take_entries,
};

pub(super) use cleared::{Ending, period};
pub(super) use queue::{left, left_of_run, runs_that_left};
pub(super) use states::{Breaks, each_of_run};

/// Items that are changed by one statement.
const ITEMS: usize = 5_000;

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

/// Calls `each` with the number, type and break key of differences of a run.
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
            .ok_or_else(|| stored::damaged("diff_type", &code.to_string()))?;
        each(row.count(0)?, diff_type, row.integer(2)?.unwrap_or_default());
        Ok(())
    })
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
    let date: Date = date.parse().map_err(|_| stored::damaged("batch_date", date))?;
    Ok(date.days())
}

/// Changes of breaks by a published run, and work still to do.
#[derive(Debug, Default)]
pub(super) struct Linked {
    links: Vec<Leaving>,
    /// Runs whose items must be counted again.
    recount: Vec<i64>,
}

/// Links a run that is published to the dates before and after it. `gathered`: the states collected while its
/// differences were written, if this command wrote them.
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
            let earlier = std::mem::take(&mut gathered.earlier);
            let which = clear(
                tx,
                &job,
                basis,
                earlier,
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
        _ => recompute(tx, &job, day),
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

/// The SQL condition that a run `r` has states of its breaks.
fn has_states(dialect: Dialect) -> String {
    let first = match dialect {
        // The first part is always there.
        Dialect::Sqlite => format!("s.id = r.run_no << {}", super::layout::NUMBER_BITS),
        Dialect::Postgres => "s.run_no = r.run_no AND s.number = 0".to_owned(),
    };
    format!("EXISTS (SELECT 1 FROM recon.break_states s WHERE {first})")
}

/// Works out the breaks of a job's dates from `day` on.
fn recompute(tx: &mut dyn Transaction, job: &str, day: i32) -> Result<Linked, Problem> {
    let version = tx.count("SELECT max(version) + 1 FROM recon.break_dates", &[])?;
    let sql = "SELECT run_no FROM recon.break_dates WHERE job = $1 AND day >= $2";
    let were = tx.list(sql, &parameters![job, day], |row| row.count(0))?;
    let sql =
        "DELETE FROM recon.cleared_breaks WHERE job = $1 AND period >= $3 AND cleared_on >= $2";
    tx.execute(sql, &parameters![job, day, period(day)])?;
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
        let mut earlier = match before {
            Some(before) => earlier_breaks(tx, job, before.run_no)?,
            None => EarlierBreaks::default(),
        };
        let names = names(tx, job, run_no)?;
        let (mut moved, mut parts) = (Vec::new(), Parts::default());
        for old in take_entries(tx, run_no)? {
            let key = names.key_of(&old);
            let mut entry = Entry { before: 0, since: day, ..old };
            if let Some(last) = earlier.go_on(key) {
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
        let which = clear(tx, job, before, earlier, now)?;
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

/// A break on one date.
pub(super) struct Occurrence {
    pub date: String,
    pub attribution_id: String,
    pub values: [Option<String>; 2],
}

/// The break of an attribution on each date up to its own, oldest first.
pub(super) fn occurrences(
    tx: &mut dyn Transaction,
    attribution_id: &str,
) -> Result<Vec<Occurrence>, Problem> {
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
    let mut occurrences = Vec::new();
    while let Some(run_no) = run {
        let found = tx.find(&sql, &parameters![run_no, number], |row| {
            let attribution_id = format!("{}{number:012x}", row.required(2)?);
            let values = [row.text(3)?, row.text(4)?];
            Ok((Occurrence { date: row.required(1)?, attribution_id, values }, row.integer(5)?))
        })?;
        let Some((occurrence, last)) = found else { break };
        occurrences.push(occurrence);
        number = number_before(tx, run_no, number)?;
        run = last.filter(|_| number != 0);
    }
    occurrences.reverse();
    Ok(occurrences)
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
    let ended = ended(tx, &job, key, since)?.filter(|ended| ended.how != Ending::NotTaken as i64);
    Ok(ended.map(|ended| {
        let on = Date::from_days(i32::try_from(ended.on).unwrap_or_default());
        (on.to_string(), Ending::name(ended.how).to_owned())
    }))
}

/// The last run of a difference's break and its number there, if the break goes on in a later run.
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
         JOIN recon.difference_rows d ON {at} WHERE b.run_no = $1 \
         AND (d.status IN (3, 4) OR coalesce(d.later, b.items_left) > 0)"
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
    let last = by_key(tx, newest, &[key])?.remove(&key).map(|number| (newest, number));
    Ok(last.filter(|last| *last != (run_no, number)))
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

/// Deletes the states of a run that is gone, or of which only human decisions are left.
pub(super) fn forget(tx: &mut dyn Transaction, run_no: i64) -> Result<Linked, Problem> {
    let dialect = tx.dialect();
    for table in [STATES, PARTNERS] {
        let of_run = dialect.of_run("d", run_no);
        let sql = format!("DELETE FROM recon.{} AS d WHERE {of_run}", table.name);
        tx.execute(&sql, &[])?;
    }
    let sql = "SELECT job, day FROM recon.break_dates WHERE run_no = $1";
    let found = tx.find(sql, &parameters![run_no], |row| {
        Ok((row.required(0)?, i32::try_from(row.count(1)?).unwrap_or_default()))
    })?;
    match found {
        Some((job, day)) => recompute(tx, &job, day),
        None => Ok(Linked::default()),
    }
}
