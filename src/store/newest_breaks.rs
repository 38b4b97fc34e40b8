//! The breaks of a job's newest date as a page shows them: the first open ones, the first new ones, and the first that
//! cleared. What their run keeps of each break tells which these are, and only they are looked up; the view
//! `recon_breaks` works out each break of the job.

use std::collections::{BTreeMap, BinaryHeap, HashMap};

use super::SqlValue;
use super::breaks::{self, NewestDate};
use super::layout::ItemKey;
use super::review::ReviewTables;
use super::rows::{self, parameters};
use super::transact::{Dialect, Transaction};
use crate::diagnostic::Problem;
use crate::domain::{Date, DiffType};

/// A break in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestBreak {
    /// The reference of its row.
    pub reference: String,
    /// The attribution of its last difference.
    pub attribution_id: String,
    pub field: String,
    /// The type of its last difference.
    pub diff_type: DiffType,
    /// The first date of the episode.
    pub first_seen: Date,
    /// Days from then until it cleared, or the newest date.
    pub age_days: i64,
    pub cleared_how: Option<&'static str>,
    /// An episode of it ended before.
    pub is_back: bool,
}

/// The breaks of a job's newest date.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewestBreaks {
    /// Open, the oldest first.
    pub open: Vec<NewestBreak>,
    /// New on this date.
    pub new: Vec<NewestBreak>,
    /// Cleared on this date.
    pub cleared: Vec<NewestBreak>,
}

/// Position of a break's last difference, by its age; of a cleared one, also how it cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    since: i32,
    run_no: i64,
    number: i64,
    how: Option<i64>,
}

/// The smallest places of very many.
struct Smallest {
    most: usize,
    places: BinaryHeap<Position>,
}

impl Smallest {
    fn new(most: Option<usize>) -> Self {
        Self { most: most.unwrap_or(usize::MAX), places: BinaryHeap::new() }
    }

    fn take(&mut self, place: Position) {
        if self.places.len() < self.most {
            self.places.push(place);
        } else if let Some(mut last) = self.places.peek_mut()
            && place < *last
        {
            *last = place;
        }
    }
}

/// The first `most` breaks of each list, or all.
pub(super) fn newest(
    tx: &mut dyn Transaction,
    job: &str,
    most: Option<usize>,
) -> Result<NewestBreaks, Problem> {
    let Some(date) = breaks::newest_date(tx, job)? else { return Ok(NewestBreaks::default()) };
    let [open, new] = open(tx, job, &date, most)?;
    let cleared = cleared(tx, job, &date, most)?;
    let mut described = described(tx, job, &date, &[&open, &new, &cleared])?.into_iter();
    let mut list = || described.next().unwrap_or_default();
    Ok(NewestBreaks { open: list(), new: list(), cleared: list() })
}

/// The open ones, and those of them that are new.
fn open(
    tx: &mut dyn Transaction,
    job: &str,
    date: &NewestDate,
    most: Option<usize>,
) -> Result<[Vec<Position>; 2], Problem> {
    let (mut oldest, mut new) = (Smallest::new(most), Smallest::new(most));
    let mut take = |place: Position| {
        oldest.take(place);
        if place.since >= date.day {
            new.take(place);
        }
    };
    breaks::each_of_run(tx, date.run_no, &mut |number, since| {
        take(Position { since, run_no: date.run_no, number, how: None });
    })?;
    // An open item that the newest date did not take over stays open.
    let sql = "SELECT since, run_no, number FROM recon.cleared_breaks \
               WHERE job = $1 AND cleared_how = 6";
    for row in tx.query(sql, &parameters![job])? {
        let since = i32::try_from(row.count(0)?).unwrap_or_default();
        take(Position { since, run_no: row.count(1)?, number: row.count(2)?, how: None });
    }
    Ok([oldest, new].map(|list| list.places.into_sorted_vec()))
}

fn cleared(
    tx: &mut dyn Transaction,
    job: &str,
    date: &NewestDate,
    most: Option<usize>,
) -> Result<Vec<Position>, Problem> {
    let limit = most.map(|most| format!(" LIMIT {most}")).unwrap_or_default();
    let sql = format!(
        "SELECT since, run_no, number, cleared_how FROM recon.cleared_breaks \
         WHERE job = $1 AND period = $2 AND cleared_on = $3 AND cleared_how <> 6 \
         ORDER BY since, run_no, number{limit}"
    );
    tx.list(&sql, &parameters![job, breaks::period(date.day), date.day], |row| {
        Ok(Position {
            since: i32::try_from(row.count(0)?).unwrap_or_default(),
            run_no: row.count(1)?,
            number: row.count(2)?,
            how: Some(row.count(3)?),
        })
    })
}

/// Descriptions of these breaks for a list.
fn described(
    tx: &mut dyn Transaction,
    job: &str,
    date: &NewestDate,
    lists: &[&[Position]],
) -> Result<Vec<Vec<NewestBreak>>, Problem> {
    let mut keys: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for place in lists.iter().copied().flatten() {
        keys.entry(place.run_no).or_default().push(place.number);
    }
    let mut found: HashMap<(i64, i64), (DiffType, i64)> = HashMap::new();
    for (run_no, mut numbers) in keys {
        numbers.sort_unstable();
        numbers.dedup();
        breaks::types_and_keys(tx, run_no, numbers, &mut |number, diff_type, key| {
            found.insert((run_no, number), (diff_type, key));
        })?;
    }
    let earlier = earlier(tx, job, date, found.values().map(|(_, key)| *key))?;
    let items: Vec<ItemKey> =
        found.keys().map(|(run_no, number)| ItemKey { run_no: *run_no, number: *number }).collect();
    let mut tables = ReviewTables::new(tx);
    let records = tables.records(&items)?;
    let mut described = Vec::new();
    for list in lists {
        let mut rows = Vec::with_capacity(list.len());
        for place in *list {
            let key = ItemKey { run_no: place.run_no, number: place.number };
            let Some((diff_type, break_key)) = found.get(&(key.run_no, key.number)) else {
                continue;
            };
            let run = tables.run(key.run_no)?;
            let record = records.get(&(key.run_no, key.record()));
            rows.push(NewestBreak {
                reference: record.and_then(|one| one.name(&run.layout)).unwrap_or_default(),
                attribution_id: run.attribution_id(key),
                field: run.field_name(key.field()).to_owned(),
                diff_type: *diff_type,
                first_seen: Date::from_days(place.since),
                age_days: i64::from(date.day) - i64::from(place.since),
                cleared_how: place.how.map(breaks::Ending::name),
                is_back: earlier.get(break_key).is_some_and(|first| *first < place.since),
            });
        }
        described.push(rows);
    }
    Ok(described)
}

/// The first date of the first episode that has ended, of each of these breaks.
fn earlier(
    tx: &mut dyn Transaction,
    job: &str,
    date: &NewestDate,
    keys: impl Iterator<Item = i64>,
) -> Result<HashMap<i64, i32>, Problem> {
    let keys: Vec<i64> = keys.collect();
    // Each break is looked up in each period.
    let (periods, wanted) = match tx.dialect() {
        Dialect::Sqlite => ("json_each($2) p", "json_each($3) k"),
        Dialect::Postgres => (
            "(SELECT value::integer FROM json_array_elements_text($2::json)) p",
            "(SELECT value::bigint FROM json_array_elements_text($3::json)) k",
        ),
    };
    let sql = format!(
        "SELECT c.break_key, min(c.since) FROM {periods} CROSS JOIN {wanted} \
         CROSS JOIN recon.cleared_breaks c WHERE c.job = $1 AND c.period = p.value \
         AND c.break_key = k.value GROUP BY 1"
    );
    let all = breaks::period(date.first)..=breaks::period(date.day);
    let mut found = HashMap::new();
    for some in keys.chunks(500) {
        let values: [SqlValue; 3] = [
            job.into(),
            rows::numbers(all.clone().map(i64::from)),
            rows::numbers(some.iter().copied()),
        ];
        for row in tx.query(&sql, &values)? {
            let since = i32::try_from(row.count(1)?).unwrap_or_default();
            found.insert(row.integer(0)?.unwrap_or_default(), since);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_smallest_of_many_are_those_of_a_sorted_list(
            ages in prop::collection::vec(0..20, 0..50),
            most in 0..30_usize,
        ) {
            let places: Vec<Position> = (0..)
                .zip(ages)
                .map(|(number, since)| Position { since, run_no: 1, number, how: None })
                .collect();
            let mut smallest = Smallest::new(Some(most));
            places.iter().for_each(|place| smallest.take(*place));
            let mut sorted = places;
            sorted.sort_unstable();
            sorted.truncate(most);
            prop_assert_eq!(smallest.places.into_sorted_vec(), sorted);
        }
    }
}
