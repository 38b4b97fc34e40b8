//! Items of runs that are in no index, beside those of the others: memory has them in the order of each list.

use crate::diagnostic::Problem;
use crate::store::layout::ItemKey;

use super::ReviewTables;
use super::few::{HeldItem, Page};
use super::memory::FoundItems;
use super::orders::Rank;
use super::query::{ItemOrder, ItemQuery, Position};

impl ItemQuery {
    /// The same query of some runs.
    pub(super) fn of_runs(&self, runs: Vec<i64>) -> Self {
        Self { runs, some_runs: true, ..self.clone() }
    }

    /// The same query without some runs.
    pub(super) fn without_runs(&self, runs: &[i64]) -> Self {
        self.of_runs(self.runs.iter().copied().filter(|run| !runs.contains(run)).collect())
    }
}

impl ReviewTables<'_> {
    /// A page of undecided items, where some of the runs are in no index: theirs from memory, merged with those of the
    /// others. `None` where there is no such run, or memory does not have them.
    pub(super) fn with_unlisted(
        &mut self,
        query: &ItemQuery,
        order: ItemOrder,
        at: Option<Position>,
        limit: usize,
    ) -> Result<Option<Page>, Problem> {
        let unlisted = self.unlisted_of(&query.runs)?;
        if unlisted.is_empty() {
            return Ok(None);
        }
        let own = query.of_runs(unlisted.clone());
        let behind = at.map(|at| order.rank_of(at));
        let mut found: Vec<(Rank, ItemKey)> = Vec::new();
        for run_no in &unlisted {
            let Some(first) = self.first_in_memory(&own, (*run_no, order), behind, limit + 1)?
            else {
                return Ok(None);
            };
            found.extend(first);
        }
        let rest = query.without_runs(&unlisted);
        let (keys, next) = self.page(&rest, order, at, limit)?;
        let listed = self.items(&keys, false)?;
        let ranks = listed.iter().map(|item| order.rank(&HeldItem::of(item), &query.chances));
        found.extend(ranks.zip(listed.iter().map(|item| item.key)));
        found.sort_by(|(left, _), (right, _)| left.compare(right));
        // What lies behind the end of the others' page may come after items that are not on it.
        if let Some(end) = next.map(|next| order.rank_of(next)) {
            found.retain(|(rank, _)| rank.compare(&end).is_le());
        }
        let next = if found.len() > limit {
            found.truncate(limit);
            found.last().map(|(rank, key)| order.position(rank, *key))
        } else {
            next
        };
        Ok(Some((found.into_iter().map(|(_, key)| key).collect(), next)))
    }

    /// The undecided items of a query that are in no index, but for breaks that began after a day; and the query without
    /// their runs. `None` where there are none, or memory does not have them.
    pub(super) fn unlisted_items(
        &mut self,
        query: &ItemQuery,
        day: Option<i32>,
    ) -> Result<Option<(FoundItems, ItemQuery)>, Problem> {
        let unlisted = if query.waits() { self.unlisted_of(&query.runs)? } else { Vec::new() };
        if unlisted.is_empty() {
            return Ok(None);
        }
        let items = self.until_in_memory(query, &unlisted, day.unwrap_or(i32::MAX))?;
        Ok(items.map(|items| (items, query.without_runs(&unlisted))))
    }
}
