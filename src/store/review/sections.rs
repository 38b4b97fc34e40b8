//! Sections of the undecided items of runs, and the order in which to read them.
//!
//! Runs with many differences are in no index: their items come from memory (`memory`), and only where these can't be
//! had, a section reads all rows of a run.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::diagnostic::Problem;
use crate::store::breaks;
use crate::store::layout::{ItemKey, PLACE, UNDECIDED};
use crate::store::rows::{self, parameters};
use crate::store::transact::{Dialect, SqlRow};

use super::condition::Where;
use super::counts::whole;
use super::query::{Column, LOWEST_CONFIDENCE, Ordered};
use super::{ReviewTables, read_key};

/// Runs of PostgreSQL that are read together, where those that come first are looked for.
pub(super) const TOGETHER: usize = 8;

/// Undecided items that are read in the same way.
pub(super) struct Section {
    pub(super) dialect: Dialect,
    /// On PostgreSQL the numbers of the runs.
    pub(super) places: Vec<i64>,
    how: How,
}

/// How the items of a section are read.
#[derive(Clone, Copy, PartialEq)]
enum How {
    /// Through indexes.
    Listed,
    /// On PostgreSQL: the items that stay though these runs have left the queue, through an index of their own.
    Staying,
    /// All rows of a run that is in no index.
    Unlisted,
}

impl Section {
    /// Of runs that are in the queue as a whole, of some that have left it but for some items, and of some that are in
    /// no index.
    fn all(dialect: Dialect, whole: Vec<i64>, staying: Vec<i64>, unlisted: Vec<i64>) -> Vec<Self> {
        let section = |places, how| Self { dialect, places, how };
        let mut sections = match dialect {
            Dialect::Postgres => vec![section(whole, How::Listed), section(staying, How::Staying)],
            Dialect::Sqlite => {
                let staying = staying.into_iter().map(|run| -run);
                vec![section(whole.into_iter().chain(staying).collect(), How::Listed)]
            }
        };
        sections.retain(|section| !section.places.is_empty());
        sections.extend(unlisted.into_iter().map(|run| section(vec![run], How::Unlisted)));
        sections
    }

    /// The items at some of the places.
    pub(super) fn rows(&self, places: &[i64]) -> Where {
        let mut rows = Where::new(
            self.dialect,
            match (self.how, self.dialect) {
                (How::Unlisted, _) => "d.status = 1 AND coalesce(d.later, 0) <= 0",
                (_, Dialect::Sqlite) => UNDECIDED,
                (How::Listed, Dialect::Postgres) => "d.status = 1 AND d.later IS NULL",
                (How::Staying, Dialect::Postgres) => "d.status = 1 AND d.later < 0",
            },
        );
        if self.how == How::Unlisted {
            places.iter().for_each(|run| rows.and(&self.dialect.of_run("d", *run)));
            return rows;
        }
        match (self.dialect, places) {
            // One text for all places is prepared once.
            (Dialect::Sqlite, [one]) => {
                let one = rows.bind(*one);
                rows.and(&format!("{PLACE} = {one}"));
            }
            (Dialect::Sqlite, places) => rows.of_runs(PLACE, places),
            (Dialect::Postgres, places) => rows.of_runs("d.run_no", places),
        }
        rows
    }

    pub(super) fn all_rows(&self) -> Where {
        self.rows(&self.places)
    }
}

/// A place, and the first item that it has or may have.
#[derive(Clone, Copy)]
pub(super) struct Bound {
    pub(super) first: Ordered,
    pub(super) place: i64,
    /// Number of items, if known.
    pub(super) items: u64,
}

pub(super) fn bound(row: &SqlRow) -> Result<Bound, Problem> {
    let items = row.real(4)?.map(whole).unwrap_or_default();
    Ok(Bound { first: ordered(row)?, place: row.count(3)?, items })
}

pub(super) fn ordered(row: &SqlRow) -> Result<Ordered, Problem> {
    Ok((read_key(row)?, row.real(2)?.unwrap_or_default()))
}

/// Number of sections to read first for so many items.
fn with_enough(bounds: &[Bound], most: usize) -> usize {
    let mut items = 0;
    let before = bounds.iter().take(TOGETHER).take_while(|bound| {
        let is_short = items < most as u64;
        items += bound.items;
        is_short
    });
    before.count().max(1)
}

impl ReviewTables<'_> {
    /// The runs that have left the queue, but for some items.
    pub(super) fn left(&mut self) -> Result<Rc<HashSet<i64>>, Problem> {
        if let Some(left) = &self.left {
            return Ok(Rc::clone(left));
        }
        let left = Rc::new(breaks::runs_that_left(self.tx)?);
        self.left = Some(Rc::clone(&left));
        Ok(left)
    }

    /// Whether a run is the one of its job's newest date, so that no item of it has left the queue.
    pub fn is_newest(&mut self, run_no: i64) -> Result<bool, Problem> {
        let sql = "SELECT 1 FROM recon.break_dates b WHERE b.run_no = $1 AND NOT EXISTS \
                   (SELECT 1 FROM recon.break_dates l WHERE l.job = b.job AND l.day > b.day)";
        self.tx.exists(sql, &parameters![run_no])
    }

    /// Sections of the undecided items of these runs.
    pub(super) fn sections(&mut self, runs: &[i64]) -> Result<Vec<Section>, Problem> {
        let left = self.left()?;
        let unlisted = self.unlisted_of(runs)?;
        let (staying, mut whole): (Vec<i64>, Vec<i64>) =
            runs.iter().partition(|run| left.contains(run));
        whole.retain(|run| !unlisted.contains(run));
        Ok(Section::all(self.dialect(), whole, staying, unlisted))
    }

    /// The runs that are in no index.
    pub(super) fn unlisted(&mut self) -> Result<Rc<HashSet<i64>>, Problem> {
        if let Some(unlisted) = &self.unlisted {
            return Ok(Rc::clone(unlisted));
        }
        let sql = "SELECT run_no FROM recon.recon_runs WHERE unlisted";
        let runs = self.tx.list_again(sql, &[], |row| row.count(0))?;
        let unlisted: Rc<HashSet<i64>> = Rc::new(runs.into_iter().collect());
        self.unlisted = Some(Rc::clone(&unlisted));
        Ok(unlisted)
    }

    /// Those of these runs that have undecided items in no index.
    pub(super) fn unlisted_of(&mut self, runs: &[i64]) -> Result<Vec<i64>, Problem> {
        let unlisted = self.unlisted()?;
        if unlisted.is_empty() {
            return Ok(Vec::new());
        }
        let left = self.left()?;
        let waiting: HashSet<i64> =
            self.undecided()?.iter().map(|kind| kind.count.run_no).collect();
        let is_own =
            |run: &i64| unlisted.contains(run) && !left.contains(run) && waiting.contains(run);
        Ok(runs.iter().copied().filter(is_own).collect())
    }

    /// Whether all of these runs are in no index, and in the queue: memory has their items in the order of their numbers.
    pub(super) fn are_unlisted(&mut self, runs: &[i64]) -> Result<bool, Problem> {
        let (unlisted, left) = (self.unlisted()?, self.left()?);
        Ok(runs.iter().all(|run| unlisted.contains(run) && !left.contains(run)))
    }

    /// The places of a section that are read one after the other, each with the first value that it may have in a
    /// column, in that order.
    pub(super) fn bounds(
        &mut self,
        column: Column,
        section: &Section,
        signature: Option<i64>,
        narrow: &dyn Fn(&mut Where),
    ) -> Result<Vec<Bound>, Problem> {
        if section.how == How::Unlisted {
            let least = if column.descending { f64::INFINITY } else { f64::NEG_INFINITY };
            let bound = |run: &i64| Bound {
                first: (ItemKey { run_no: *run, number: 0 }, least),
                place: *run,
                items: 0,
            };
            return Ok(section.places.iter().map(bound).collect());
        }
        match section.dialect {
            Dialect::Postgres => {
                let mut counts = Where::new(section.dialect, "n.status = 1 AND n.items > 0");
                counts.of_runs("n.run_no", &section.places);
                let sql = format!(
                    "SELECT n.run_no, 0, min(n.least_{}), n.run_no, \
                     CAST(sum(n.items) AS double precision) FROM recon.item_counts n \
                     WHERE {} GROUP BY 1 ORDER BY 3, 1",
                    column.name, counts.sql
                );
                self.tx.list_again(&sql, &counts.values, bound)
            }
            Dialect::Sqlite => {
                let mut places = section.places.clone();
                if let Some(id) = signature {
                    let all = self.undecided()?;
                    let own = all.iter().filter(|kind| kind.count.signature_id == id);
                    let runs: HashSet<i64> = own.map(|kind| kind.count.run_no).collect();
                    places.retain(|place| runs.contains(&place.abs()));
                }
                let mut rows = Where::new(section.dialect, "");
                let values = rows.bind(rows::numbers(places.iter().copied()));
                rows.sql = format!("{UNDECIDED} AND {PLACE} = s.value");
                narrow(&mut rows);
                let down = if column.descending { " DESC" } else { "" };
                let sql = format!(
                    "SELECT {}, d.{}, x.place FROM (SELECT s.value AS place, \
                     (SELECT d.id FROM recon.difference_rows d WHERE {} ORDER BY {} LIMIT 1) AS id \
                     FROM json_each({values}) s) x CROSS JOIN recon.difference_rows d ON d.id = x.id \
                     ORDER BY d.{}{down}, d.id{down}",
                    section.dialect.key("d"),
                    column.name,
                    rows.sql,
                    column.order(section.dialect),
                    column.name,
                );
                self.tx.list_again(&sql, &rows.values, bound)
            }
        }
    }

    /// The same of a signature, lowest confidence first, as it is kept.
    pub(super) fn kept_bounds(
        &mut self,
        section: &Section,
        signature: i64,
    ) -> Result<Vec<Bound>, Problem> {
        let places: HashMap<i64, i64> =
            section.places.iter().map(|place| (place.abs(), *place)).collect();
        let all = self.undecided()?;
        let mut bounds: Vec<Bound> = all
            .iter()
            .filter(|kind| kind.count.signature_id == signature)
            .filter_map(|kind| {
                let run_no = kind.count.run_no;
                Some(Bound {
                    first: (ItemKey { run_no, number: 0 }, kind.least_confidence),
                    place: *places.get(&run_no)?,
                    items: kind.count.items,
                })
            })
            .collect();
        bounds.sort_by(|left, right| LOWEST_CONFIDENCE.compare(&left.first, &right.first));
        Ok(bounds)
    }

    /// The first items of a section in the order of a column. On PostgreSQL, to plan a statement over all partitions
    /// takes longer than to read from those that come first; on SQLite each place is in that order in the index.
    pub(super) fn first(
        &mut self,
        column: Column,
        section: &Section,
        bounds: &[Bound],
        most: usize,
        narrow: &dyn Fn(&mut Where),
    ) -> Result<Vec<Ordered>, Problem> {
        let dialect = section.dialect;
        let (mut found, mut done): (Vec<Ordered>, _) = (Vec::new(), 0);
        let mut together = match dialect {
            Dialect::Sqlite => 1,
            Dialect::Postgres => with_enough(bounds, most),
        };
        while let Some(next) = bounds.get(done) {
            if found.len() == most
                && found.last().is_some_and(|last| column.compare(last, &next.first).is_lt())
            {
                break;
            }
            let some = &bounds[done..bounds.len().min(done + together)];
            let places: Vec<i64> = some.iter().map(|bound| bound.place).collect();
            let mut rows = section.rows(&places);
            narrow(&mut rows);
            let sql = format!(
                "SELECT {}, d.{} FROM recon.difference_rows d WHERE {} ORDER BY {} LIMIT {most}",
                dialect.key("d"),
                column.name,
                rows.sql,
                column.order(dialect)
            );
            // A plan on few runs is made sooner than another would be missed.
            found.extend(match places.len() <= TOGETHER {
                true => self.tx.list(&sql, &rows.values, ordered)?,
                false => self.ordered_keys(&sql, &rows.values)?,
            });
            found.sort_by(|left, right| column.compare(left, right));
            found.truncate(most);
            done += some.len();
            if dialect == Dialect::Postgres {
                together *= 4;
            }
        }
        Ok(found)
    }
}
