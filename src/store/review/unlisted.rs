//! Items of runs that are in no index, beside those of the others: memory has them in the order of each list. Of runs
//! that have left the queue, memory has them only where few of many rows are wanted.

use crate::diagnostic::Problem;
use crate::domain::Status;
use crate::store::layout::{ItemKey, MAX_NUMBER};
use crate::store::rows::parameters;

use super::ReviewTables;
use super::condition::Where;
use super::few::{HeldItem, Page};
use super::memory::{FoundItems, MOST_RUNS};
use super::orders::Rank;
use super::query::{ItemOrder, ItemQuery, Ordered, Position};
use super::queue::BUDGET;

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
            let list = (*run_no, order);
            let first = match own.conditions.is_empty() {
                true => self.first_in_memory(&own, list, behind, limit + 1)?,
                false => self.walked(&own, list, behind, limit + 1)?,
            };
            let Some(first) = first else {
                // What fulfils conditions is kept: the page may also show how many there are.
                return self.sorted_in_memory(query, order, at, limit);
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
        let items = self.until_in_memory(query, &unlisted, day)?;
        Ok(items.map(|items| (items, query.without_runs(&unlisted))))
    }

    /// The first items behind `from` of a run that is in no index, in the order of their numbers: from memory if it is in
    /// the queue, or if these are decided ones and there are so few `items` that its rows would be read for long.
    pub(super) fn of_all_rows(
        &mut self,
        query: &ItemQuery,
        (run_no, items): (i64, u64),
        from: i64,
        most: usize,
    ) -> Result<Vec<Ordered>, Problem> {
        let is_settled = query.status.is_some_and(|status| status != Status::Unknown);
        if !self.left()?.contains(&run_no)
            || (is_settled && query.runs.len() <= MOST_RUNS && self.is_rare(run_no, items, most)?)
        {
            let order = ItemOrder::Number;
            let at = order.rank_of(Position::after(ItemKey { run_no, number: from }));
            if let Some(first) = self.first_in_memory(query, (run_no, order), Some(at), most)? {
                return Ok(first.into_iter().map(|(_, key)| (key, 0.0)).collect());
            }
        }
        let dialect = self.dialect();
        let place = dialect.between("d", run_no, from + 1, MAX_NUMBER);
        let mut condition = Where::new(dialect, place);
        condition.matching(query);
        let sql = format!(
            "SELECT {}, 0 FROM recon.difference_rows d WHERE {} ORDER BY {} LIMIT {most}",
            dialect.key("d"),
            condition.sql,
            dialect.order("d", "")
        );
        self.ordered_keys(&sql, &condition.values)
    }

    /// Whether very many rows of a run are read until so many of some items are found.
    fn is_rare(&mut self, run_no: i64, items: u64, most: usize) -> Result<bool, Problem> {
        let sql = "SELECT coalesce(total_differences, 0) FROM recon.recon_runs WHERE run_no = $1";
        let all = self.tx.count(sql, &parameters![run_no])?.cast_unsigned();
        Ok(all / items.max(1) * most as u64 > BUDGET as u64)
    }
}
