//! Undecided items by the days on which their breaks began.

use std::collections::{BTreeMap, HashMap};

use crate::diagnostic::Problem;
use crate::domain::Severity;

use super::ReviewTables;
use super::condition::{Where, joined};
use super::memory::FoundItems;
use super::query::{Aged, Days, ItemQuery, OLDEST, Ordered, Position};
use super::queue::{BUDGET, Page, cut};

/// Undecided items of a run and signature whose breaks began on a day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DayCount {
    pub run_no: i64,
    pub signature_id: i64,
    pub since: i32,
    pub items: u64,
}

/// The days of each severity and run.
pub(super) struct Ages(HashMap<(u8, i64), Days>);

impl Ages {
    pub(super) fn new(arms: &[Aged]) -> Self {
        let days = arms
            .iter()
            .flat_map(|arm| arm.runs.iter().map(|run| ((arm.severity.code(), *run), arm.since)));
        Self(days.collect())
    }

    /// The days that all runs of a severity lie within; `None` where there is no such run.
    pub(super) fn days(&self, severity: Severity) -> Option<Days> {
        let own = self.0.iter().filter(|((code, _), _)| *code == severity.code());
        own.map(|(_, days)| *days).reduce(|(first, last), (other_first, other_last)| {
            let least = first.zip(other_first).map(|(one, other)| one.min(other));
            let most = last.zip(other_last).map(|(one, other)| one.max(other));
            (least, most)
        })
    }

    pub(super) fn has(&self, severity: Severity, run_no: i64, since: f64) -> bool {
        self.0.get(&(severity.code(), run_no)).is_some_and(|(first, last)| {
            first.is_none_or(|first| f64::from(first) <= since)
                && last.is_none_or(|last| since <= f64::from(last))
        })
    }
}

/// Items of a severity whose breaks began within some days, by run, signature and first day.
fn counts_by_day(items: &FoundItems, severity: Severity, (first, last): Days) -> Vec<DayCount> {
    let mut counts: BTreeMap<(i64, i64, i32), u64> = BTreeMap::new();
    items.each(|item| {
        if item.severity == i64::from(severity.code())
            && let Some(since) = item.since
            && first.is_none_or(|first| first <= since)
            && last.is_none_or(|last| since <= last)
        {
            let (run_no, signature_id) = item.kind();
            *counts.entry((run_no, signature_id, since)).or_default() += 1;
        }
    });
    let count =
        |((run_no, signature_id, since), items)| DayCount { run_no, signature_id, since, items };
    counts.into_iter().map(count).collect()
}

impl Where {
    /// Of a severity, and of breaks that began within some days.
    pub(super) fn aged(&mut self, severity: Severity, (first, last): Days) {
        self.and(&format!("d.severity = {}", severity.code()));
        for (sign, day) in [(">=", first), ("<=", last)] {
            if let Some(day) = day {
                self.and(&format!("d.since {sign} {day}"));
            }
        }
    }
}

impl ReviewTables<'_> {
    /// Undecided items, the oldest break first: those of each severity come from the index, and are merged.
    pub(super) fn by_age(
        &mut self,
        query: &ItemQuery,
        at: Option<Position>,
        limit: usize,
    ) -> Result<Page, Problem> {
        let (all, ages) = (query.of_any_age(), query.ages().map(Ages::new));
        let mut found: Vec<Ordered> = Vec::new();
        for severity in Severity::ALL {
            let Some(since) = ages.as_ref().map_or(Some((None, None)), |ages| ages.days(*severity))
            else {
                continue;
            };
            let runs = self.runs_of_severity(&all, *severity)?;
            for section in self.sections(&runs)? {
                let fits = |(key, since): &Ordered| {
                    ages.as_ref().is_none_or(|ages| ages.has(*severity, key.run_no, *since))
                };
                let (mut at, mut own) = (at, 0);
                // Few are left out where the days of most runs are those of all.
                let mut most = (2 * limit).max(100);
                loop {
                    let aged = |rows: &mut Where| {
                        rows.aged(*severity, since);
                        if let Some(at) = at {
                            rows.behind(OLDEST, at);
                        }
                    };
                    let bounds = self.bounds(OLDEST, &section, None, &aged)?;
                    let read = self.first(OLDEST, &section, &bounds, most, &|rows| {
                        aged(rows);
                        rows.narrow(&all, "d");
                    })?;
                    at = read.last().copied().map(Position::of);
                    let is_all = read.len() < most;
                    let before = found.len();
                    found.extend(read.into_iter().filter(fits));
                    own += found.len() - before;
                    if is_all || own > limit {
                        break;
                    }
                    most = (4 * most).min(BUDGET);
                }
            }
        }
        found.sort_by(|left, right| OLDEST.compare(left, right));
        Ok(cut(found, limit).unwrap_or_else(|found| (found, None)))
    }

    /// How many undecided items of the query there are by run, signature and first day.
    pub fn by_first_day(
        &mut self,
        query: &ItemQuery,
        severity: Severity,
        since: Days,
    ) -> Result<Vec<DayCount>, Problem> {
        if let Some(items) = self.found_items(query)? {
            return Ok(counts_by_day(&items, severity, since));
        }
        let (mut counts, mut query) = (Vec::new(), query.clone());
        if let Some((items, rest)) = self.unlisted_items(&query, since.1)? {
            counts = counts_by_day(&items, severity, since);
            query = rest;
        }
        if query.waits() {
            query.runs = self.runs_of_severity(&query, severity)?;
        }
        for mut condition in self.row_conditions(&query)? {
            condition.aged(severity, since);
            let sql = format!(
                "SELECT {}, coalesce(d.signature_id, 0), d.since, count(*) \
                 FROM recon.difference_rows d WHERE {} AND d.since IS NOT NULL GROUP BY 1, 2, 3",
                self.dialect().run_no("d"),
                condition.sql
            );
            counts.extend(self.tx.list_again(&sql, &condition.values, |row| {
                Ok(DayCount {
                    run_no: row.count(0)?,
                    signature_id: row.count(1)?,
                    since: i32::try_from(row.count(2)?).unwrap_or_default(),
                    items: row.count(3)?.cast_unsigned(),
                })
            })?);
        }
        Ok(counts)
    }

    /// The day on which the first break of the undecided items of a query began, by run and signature; only of those that
    /// began before a day.
    pub fn first_days(
        &mut self,
        query: &ItemQuery,
        before: Option<i32>,
    ) -> Result<HashMap<(i64, i64), i32>, Problem> {
        let mut days = HashMap::new();
        let mut take = |items: &FoundItems| {
            items.each(|item| {
                if let Some(since) = item.since
                    && before.is_none_or(|day| since < day)
                {
                    let first = days.entry(item.kind()).or_insert(since);
                    *first = since.min(*first);
                }
            });
        };
        if let Some(items) = self.found_items(query)? {
            take(&items);
            return Ok(days);
        }
        let mut query = query.clone();
        if let Some((items, rest)) = self.unlisted_items(&query, before)? {
            take(&items);
            query = rest;
        }
        for mut condition in self.row_conditions(&query)? {
            // For the index of ages.
            condition.and("d.severity IN (1, 2, 3, 4)");
            condition.and(&match before {
                Some(day) => format!("d.since < {day}"),
                None => "d.since IS NOT NULL".to_owned(),
            });
            let sql = format!(
                "SELECT {}, coalesce(d.signature_id, 0), min(d.since) \
                 FROM recon.difference_rows d WHERE {} GROUP BY 1, 2",
                self.dialect().run_no("d"),
                condition.sql
            );
            days.extend(self.tx.list(&sql, &condition.values, |row| {
                let day = i32::try_from(row.count(2)?).unwrap_or_default();
                Ok(((row.count(0)?, row.count(1)?), day))
            })?);
        }
        Ok(days)
    }

    /// Number of undecided items with these ages.
    pub(super) fn count_aged(&mut self, query: &ItemQuery, ages: &Ages) -> Result<u64, Problem> {
        let (all, mut items) = (query.of_any_age(), 0);
        for severity in Severity::ALL {
            let Some(since) = ages.days(*severity) else { continue };
            for count in self.by_first_day(&all, *severity, since)? {
                if ages.has(*severity, count.run_no, count.since.into()) {
                    items += count.items;
                }
            }
        }
        Ok(items)
    }

    /// The runs of a query that may have undecided items of a severity.
    pub(super) fn runs_of_severity(
        &mut self,
        query: &ItemQuery,
        severity: Severity,
    ) -> Result<Vec<i64>, Problem> {
        let mut counts = Where::new(self.dialect(), "n.status = 1 AND n.items > 0");
        counts.of_runs("n.run_no", &query.runs);
        if let Some(mut ids) = self.signatures_of_severity(query, severity)? {
            // Items without a group.
            ids.push(0);
            counts.and(&format!("n.signature_id IN ({})", joined(&ids)));
        }
        let sql = format!(
            "SELECT DISTINCT n.run_no FROM recon.item_counts n WHERE {} ORDER BY 1",
            counts.sql
        );
        self.tx.list(&sql, &[], |row| row.count(0))
    }
}
