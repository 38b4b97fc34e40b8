//! The conditions of a query as tests of the items in memory.

use std::cmp::Ordering;

use crate::diagnostic::Problem;
use crate::domain::Status;
use crate::store::rows::parameters;

use super::super::bits::Bits;
use super::super::moved::Moved;
use super::super::orders::Groups;
use super::super::query::{Aged, Condition, Days, ItemOrder, ItemQuery};
use super::super::{Reason, ReviewTables};
use super::rows::Row;

/// A condition on the items of one run.
#[derive(Clone, Debug)]
pub(super) enum Test {
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
    /// One of these, which move a total of money.
    Moves(Moved),
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

/// The first and the last of some days.
fn within_days((first, last): Days) -> (i32, i32) {
    // A break without a first day is there only where any day is asked for.
    let least = first.unwrap_or(if last.is_some() { i32::MIN + 1 } else { i32::MIN });
    (least, last.unwrap_or(i32::MAX))
}

/// Whether a value lies before or behind two bounds.
fn side<T: PartialOrd>(value: T, least: T, most: T) -> Ordering {
    match value {
        value if value < least => Ordering::Less,
        value if value > most => Ordering::Greater,
        _ => Ordering::Equal,
    }
}

impl Test {
    pub fn aged(arms: impl Iterator<Item = Aged>) -> Self {
        let mut days: [Vec<(i32, i32)>; 5] = Default::default();
        for arm in arms {
            if let Some(own) = days.get_mut(usize::from(arm.severity.code())) {
                own.push(within_days(arm.since));
            }
        }
        Self::Aged(days)
    }

    /// Of breaks of any severity that began within some days.
    pub fn any_within(since: Days) -> Self {
        Self::Aged(std::array::from_fn(|_| vec![within_days(since)]))
    }

    pub const fn is_of_groups(&self) -> bool {
        matches!(self, Self::Signatures(_) | Self::NoSignature)
    }

    /// The items of the groups that it wants.
    pub fn groups<'g>(&self, groups: &'g Groups) -> Vec<&'g [u32]> {
        let is_wanted = |id: i64| match self {
            Self::Signatures(ids) => ids.has(id),
            _ => id == 0,
        };
        groups.iter().filter(|(id, _)| is_wanted(**id)).map(|(_, own)| own.as_slice()).collect()
    }

    /// The numbers of the only items that may fulfil it.
    pub fn numbers(&self) -> Option<&[i64]> {
        match self {
            Self::Among(numbers, true) => Some(numbers),
            _ => None,
        }
    }

    /// The records of the only items that may fulfil it.
    pub fn records(&self) -> Option<&Bits> {
        match self {
            Self::Holds(records) => Some(records),
            _ => None,
        }
    }

    /// Whether those that may fulfil it lie together in an order.
    pub const fn bounds(&self, order: ItemOrder) -> bool {
        match order {
            ItemOrder::Confidence | ItemOrder::HighestConfidence => {
                matches!(self, Self::Confidence(..))
            }
            ItemOrder::Amount | ItemOrder::AtRisk => {
                matches!(self, Self::Amount(..) | Self::NoAmount)
            }
            ItemOrder::Age => matches!(self, Self::Aged(_)),
            ItemOrder::Severity | ItemOrder::SeverityAndNumber => matches!(self, Self::Severity(_)),
            ItemOrder::Number => false,
        }
    }

    /// Whether a row comes before or behind all in an order that may fulfil it.
    pub fn side(&self, order: ItemOrder, row: &Row) -> Ordering {
        use ItemOrder::{
            Age, Amount, AtRisk, Confidence, HighestConfidence, Severity, SeverityAndNumber,
        };
        match (self, order) {
            (Self::Confidence(least, most), Confidence) => side(row.confidence, *least, *most),
            (Self::Confidence(least, most), HighestConfidence) => {
                side(row.confidence, *least, *most).reverse()
            }
            (Self::Amount(..), Amount | AtRisk) if row.amount.is_nan() => Ordering::Greater,
            (Self::Amount(least, most), Amount | AtRisk) => {
                side(row.amount, *least, *most).reverse()
            }
            (Self::NoAmount, Amount | AtRisk) if !row.amount.is_nan() => Ordering::Less,
            (Self::Aged(days), Age) => {
                let all = || days.iter().flatten();
                let first = all().map(|(first, _)| *first).min().unwrap_or(i32::MAX);
                let last = all().map(|(_, last)| *last).max().unwrap_or(i32::MIN);
                // As in that order.
                let day = if row.since == i32::MIN { 0 } else { row.since };
                side(day, first, last)
            }
            (Self::Severity(severity), Severity | SeverityAndNumber) => severity.cmp(&row.severity),
            _ => Ordering::Equal,
        }
    }

    /// Leaves the places of the rows that fulfil it.
    pub fn narrow(&self, rows: &[Row], places: &mut Vec<u16>) {
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
            Self::Moves(moved) => keep_places(rows, places, |row| moved.has(row.number)),
            Self::Holds(records) => keep_places(rows, places, |row| records.has(row.record())),
            Self::Never => places.clear(),
        }
    }
}

impl ReviewTables<'_> {
    /// The tests that a query makes on items of a run; `None` if memory cannot answer one of them.
    pub(super) fn tests(
        &mut self,
        query: &ItemQuery,
        run_no: i64,
    ) -> Result<Option<Vec<Test>>, Problem> {
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
                Condition::Moves(arms) => arms
                    .iter()
                    .find(|(run, _)| *run == run_no)
                    .map_or(Test::Never, |(_, moved)| Test::Moves(moved.clone())),
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

    fn reasons_that(&mut self, fits: impl Fn(&Reason) -> bool) -> Result<Test, Problem> {
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
