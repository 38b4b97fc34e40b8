//! Episodes that have ended, and how.

use std::collections::HashMap;

use super::super::SqlValue;
use super::super::rows::{self, parameters};
use super::super::transact::{Dialect, Transaction};
use super::queue::Which;
use super::states::{EarlierBreaks, Entry, earlier_breaks, partners};
use super::{Dated, each_difference, has_states};
use crate::diagnostic::Problem;
use crate::domain::{DiffType, Status};

/// Episodes that have ended are kept by periods of 2^4 days: keys of breaks are hashes, and where all were in one
/// order, each date would write all over a table that grows.
const PERIOD: u32 = 4;

/// How an episode ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Ending {
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

impl Ending {
    /// True if the break needs no explanation any more. For a row that is gone this holds only where the job
    /// has `declared` what its sources deliver: otherwise a file may contain only the rows of its date.
    const fn settles(self, declared: bool) -> bool {
        match self {
            Self::Matched | Self::Agrees | Self::Closed => true,
            Self::Gone => declared,
            Self::Expired | Self::NotTaken => false,
        }
    }

    /// The code's name in `recon_breaks`.
    pub const fn name(code: i64) -> &'static str {
        match code {
            1 => "MATCHED",
            2 => "AGREES",
            3 => "GONE",
            4 => "CLOSED",
            _ => "EXPIRED",
        }
    }
}

/// The period in which an episode that ended on a day is kept.
pub(in super::super) const fn period(day: i32) -> i32 {
    day >> PERIOD
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
/// differences of the run before that no longer need a decision there.
pub(super) fn clear(
    tx: &mut dyn Transaction,
    job: &str,
    before: Option<Dated>,
    earlier: EarlierBreaks,
    now: Dated,
) -> Result<Which, Problem> {
    tx.execute(
        "INSERT INTO recon.break_dates (job, day, run_no, position, version) \
         VALUES ($1, $2, $3, $4, $5)",
        &parameters![job, now.day, now.run_no, now.position, now.version],
    )?;
    let Some(before) = before else { return Ok(Which::These(Vec::new())) };
    let mut ended: Vec<(i64, Entry)> = earlier
        .breaks()
        .filter(|(.., goes_on)| !goes_on)
        .map(|(key, entry, _)| (key, entry))
        .collect();
    ended.sort_unstable_by_key(|(key, _)| *key);
    let partners = partners(tx, now.run_no, ended.iter().map(|(_, entry)| entry.row).collect())?;
    let gone = ended.iter().map(|(_, entry)| entry);
    let gone = gone.filter(|entry| entry.is_of_record() && !partners.contains(&entry.row));
    let declared = declared(tx, now.run_no)?;
    let ages = gone.map(|entry| (entry.number, now.day - entry.since)).collect();
    let given_up = given_up(tx, before.run_no, declared.as_ref(), &ages)?;
    let rested_on = match &declared {
        Some(declared) if !ended.is_empty() && (declared.a_moves || declared.b_moves) => {
            rested_on(tx, job, declared, (before.run_no, now.run_no))?
        }
        _ => None,
    };
    let types = types(tx, before.run_no, ended.iter().map(|(_, entry)| entry.number))?;
    let (mut settled, mut stay) = (Vec::new(), Vec::new());
    let ended: Vec<Vec<SqlValue>> = ended
        .into_iter()
        .map(|(key, entry)| {
            let how = match (partners.contains(&entry.row), entry.is_of_record()) {
                (true, true) => Ending::Matched,
                (true, false) => Ending::Agrees,
                (false, _) => given_up.get(&entry.number).copied().unwrap_or_else(|| {
                    let moves = declared.as_ref().is_some_and(|declared| {
                        declared.moves(types.get(&entry.number).copied().unwrap_or_default())
                    });
                    match &rested_on {
                        Some(earlier) if moves && !earlier.has(key) => Ending::NotTaken,
                        _ => Ending::Gone,
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
    if earlier.is_one_to_one() && 2 * stay.len() < earlier.entries.len() {
        stay.sort_unstable();
        return Ok(Which::AllBut(stay));
    }
    settled.extend(
        earlier.breaks().filter(|(.., goes_on)| *goes_on).map(|(_, entry, _)| entry.number),
    );
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
    /// True if a break with this code of a type is about a movement.
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
    (before, now): (i64, i64),
) -> Result<Option<EarlierBreaks>, Problem> {
    let Some(previous) = &declared.previous else { return Ok(Some(EarlierBreaks::default())) };
    let sql = format!(
        "SELECT r.run_no FROM recon.recon_runs r WHERE r.run_id = $1 AND {}",
        has_states(tx.dialect())
    );
    match tx.find(&sql, &parameters![previous], |row| row.count(0))? {
        Some(run_no) if run_no == before => Ok(None),
        Some(run_no) => earlier_breaks(tx, job, run_no).map(Some),
        // The open items of a pruned run are not known, but none of them stood in a run that came later.
        None if before > now => Ok(Some(EarlierBreaks::default())),
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

/// The open items of a run that the next one did not take over, and why, by the ages of those that are gone. The absence
/// of a movement alone ends nothing.
fn given_up(
    tx: &mut dyn Transaction,
    before: i64,
    declared: Option<&Declared>,
    ages: &HashMap<i64, i32>,
) -> Result<HashMap<i64, Ending>, Problem> {
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
            why.insert(number, Ending::Closed);
        } else if moves && is_too_old(number) {
            why.insert(number, Ending::Expired);
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

/// The end of an episode.
pub(super) struct Ended {
    /// The run and number of its last difference.
    pub last: (i64, i64),
    pub on: i64,
    pub how: i64,
}

/// Looks for the end of an episode in the periods since it began.
pub(super) fn ended(
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
