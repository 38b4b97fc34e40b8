//! The items of large runs, in memory, so that conditions without an index are a pass over memory and not over rows, and
//! lists of runs in no index are walked in their orders.

mod cache;
mod conditions;
mod rows;
mod walk;

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::diagnostic::Problem;
use crate::store::layout::ItemKey;

use super::ReviewTables;
use super::few::{self, HeldItem};
use super::orders::Rank;
use super::query::{ItemOrder, ItemQuery};
use conditions::Test;
pub(crate) use rows::RunItems;
pub use walk::LEAST_WALKED;
use walk::Look;

/// Runs with fewer items are read from the store, and with [`u64::MAX`] all. Tests set it.
#[doc(hidden)]
pub static LEAST_IN_MEMORY: AtomicU64 = AtomicU64::new(10_000);
/// The most items of a run, and the most runs of a list of decided ones.
const MOST_OF_RUN: u64 = 16_000_000;
pub(super) const MOST_RUNS: usize = 8;

/// The items of a run, and what a query asks of them.
type Kept = (Arc<RunItems>, Vec<Test>);

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
            let Some((kept, tests)) = self.kept_with_tests(query, *run_no)? else {
                return Ok(None);
            };
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

    /// The first items of a run in an order, where no more than a part of its items are looked at; else `None`.
    pub(super) fn walked(
        &mut self,
        query: &ItemQuery,
        (run_no, order): (i64, ItemOrder),
        at: Option<Rank>,
        most: usize,
    ) -> Result<Option<Vec<(Rank, ItemKey)>>, Problem> {
        let Some((kept, tests)) = self.kept_with_tests(query, run_no)? else { return Ok(None) };
        let (chances, tests) = (query.chances.as_slice(), tests.as_slice());
        let (budget, few) = (walk::budget(kept.len()), walk::FEWEST);
        Ok(kept.first(&Look { run_no, order, chances, at, tests, most, budget, few }))
    }

    /// The same wherever these items are; `None` where they can't be had from memory.
    pub(super) fn first_in_memory(
        &mut self,
        query: &ItemQuery,
        (run_no, order): (i64, ItemOrder),
        at: Option<Rank>,
        most: usize,
    ) -> Result<Option<Vec<(Rank, ItemKey)>>, Problem> {
        if let Some(first) = self.walked(query, (run_no, order), at, most)? {
            return Ok(Some(first));
        }
        let found = self.until_in_memory(query, &[run_no], None)?;
        Ok(found.map(|found| few::ranked(&found, query, order, at, most)))
    }

    /// The items of some runs; with a day only those of breaks that began until then. `None` where they can't be had
    /// from memory.
    pub(super) fn until_in_memory(
        &mut self,
        query: &ItemQuery,
        runs: &[i64],
        day: Option<i32>,
    ) -> Result<Option<FoundItems>, Problem> {
        let mut found = FoundItems::default();
        for run_no in runs {
            let Some((kept, mut tests)) = self.kept_with_tests(query, *run_no)? else {
                return Ok(None);
            };
            tests.extend(day.map(|day| Test::any_within((None, Some(day)))));
            let places = kept.places(&tests);
            found.kept.push((*run_no, kept, places));
        }
        Ok(Some(found))
    }

    fn kept_with_tests(&mut self, query: &ItemQuery, run_no: i64) -> Result<Option<Kept>, Problem> {
        let kept = if self.has_written { None } else { self.kept(run_no)? };
        // To make a test may read the values of a field of the whole run.
        let Some(kept) = kept else { return Ok(None) };
        Ok(self.tests(query, run_no)?.map(|tests| (kept, tests)))
    }
}
