//! Pages of lists with few matching items: a small part of an index finds them, and they are sorted here. In the
//! queue's order, such a list would be searched through the whole queue.

use std::collections::HashMap;
use std::rc::Rc;

use crate::diagnostic::Problem;
use crate::domain::Status;
use crate::store::layout::ItemKey;

use super::counts::SignatureCount;
use super::items::Item;
use super::memory::FoundItems;
use super::orders::Rank;
use super::query::{Condition, ItemOrder, ItemQuery, Position};
use super::search::{SearchText, cell_text};
use super::{Record, ReviewTables, read_key};

/// The most items that are sorted here.
const FEW: usize = 2_000;
/// Items that are read at once where many may match.
const STEP: usize = 500;
/// The most of them.
const LARGEST_STEP: usize = 8_000;

/// A page: keys, and where the next begins.
pub(super) type Page = (Vec<ItemKey>, Option<Position>);

impl ItemQuery {
    /// True if no index has its items in this order, so that rows would be read one by one.
    fn is_of_rows(&self, order: ItemOrder) -> bool {
        let is_of_row = |one: &Condition| {
            use Condition::{Functional, Holds, Locked, Moves, Reason};
            matches!(one, Functional(_) | Locked(_) | Reason(_) | Moves(_) | Holds(..))
        };
        let all = self.conditions.iter().filter(|one| **one != Condition::NoSample).count();
        let is_by_row = order.is_by_severity()
            || !self.waits()
            || (order == ItemOrder::Age && self.ages().is_none());
        let is_by_amount = matches!(order, ItemOrder::Amount | ItemOrder::AtRisk);
        self.conditions.iter().any(is_of_row)
            || all > 1
            || (all == 1 && is_by_row)
            || (is_by_amount && self.signatures.is_some())
            || (!self.waits() && order != ItemOrder::Number)
    }
}

/// The first of some items behind `at`, in order.
pub(super) fn ranked(
    items: &FoundItems,
    query: &ItemQuery,
    order: ItemOrder,
    at: Option<Rank>,
    most: usize,
) -> Vec<(Rank, ItemKey)> {
    let compare = |left: &(Rank, ItemKey), right: &(Rank, ItemKey)| left.0.compare(&right.0);
    let mut ranked: Vec<(Rank, ItemKey)> = Vec::new();
    // As many as are wanted come before this one.
    let mut end: Option<Rank> = None;
    items.each(|item| {
        let rank = order.rank(item, &query.chances);
        if end.is_some_and(|end| rank.compare(&end).is_ge())
            || at.is_some_and(|at| rank.compare(&at).is_le())
        {
            return;
        }
        ranked.push((rank, item.key));
        if ranked.len() / 8 > most {
            let (_, last, _) = ranked.select_nth_unstable_by(most, compare);
            end = Some(last.0);
            ranked.truncate(most);
        }
    });
    ranked.sort_by(compare);
    ranked
}

impl ReviewTables<'_> {
    /// A page of items that are in memory, or of which an index knows that few can match; else `None`.
    pub(super) fn few(
        &mut self,
        query: &ItemQuery,
        order: ItemOrder,
        at: Option<Position>,
        limit: usize,
    ) -> Result<Option<Page>, Problem> {
        let is_elsewhere = query.samples || query.status == Some(Status::Pending);
        if is_elsewhere || query.without_blind.is_some() || query.is_kept_by_item() {
            return Ok(None);
        }
        let order = match query.ages() {
            Some(_) if query.waits() => ItemOrder::Age,
            _ => order,
        };
        if query.waits()
            && let Some(page) = self.with_unlisted(query, order, at, limit)?
        {
            return Ok(Some(page));
        }
        if !query.waits() && order == ItemOrder::Number && self.are_unlisted(&query.runs)? {
            return Ok(None);
        }
        if query.is_of_rows(order)
            && let Some(page) = self.sorted_in_memory(query, order, at, limit)?
        {
            return Ok(Some(page));
        }
        if !query.waits() {
            return Ok(None);
        }
        if query.conditions.iter().any(|one| matches!(one, Condition::Holds(..))) {
            return self.holding(query, order, at, limit);
        }
        let is_amount =
            |one: &Condition| matches!(one, Condition::MinAmount(_) | Condition::MaxAmount(_));
        if matches!(order, ItemOrder::Amount) || !query.conditions.iter().any(is_amount) {
            return Ok(None);
        }
        let Some(keys) = self.few_amounts(query, &is_amount)? else { return Ok(None) };
        let items = self.matching(query, &keys)?;
        self.sorted(&items, query, order, at, limit, None).map(Some)
    }

    /// A page of the items of a query, if all of them can be had from memory.
    pub(super) fn sorted_in_memory(
        &mut self,
        query: &ItemQuery,
        order: ItemOrder,
        at: Option<Position>,
        limit: usize,
    ) -> Result<Option<Page>, Problem> {
        let Some(items) = self.in_memory(query)? else { return Ok(None) };
        self.sorted(&items, query, order, at, limit, None).map(Some)
    }

    /// The items whose amounts lie within the bounds of a query, unless they are many.
    fn few_amounts(
        &mut self,
        query: &ItemQuery,
        is_amount: &dyn Fn(&Condition) -> bool,
    ) -> Result<Option<Vec<ItemKey>>, Problem> {
        let mut bounds = ItemQuery { runs: query.runs.clone(), ..ItemQuery::default() };
        bounds.conditions = query.conditions.iter().filter(|one| is_amount(one)).cloned().collect();
        bounds.status = query.status;
        let mut keys = Vec::new();
        for mut condition in self.row_conditions(&bounds)? {
            condition.and("d.amount_abs IS NOT NULL");
            let sql = format!(
                "SELECT {} FROM recon.difference_rows d WHERE {} LIMIT {}",
                self.dialect().key("d"),
                condition.sql,
                FEW + 1
            );
            keys.extend(self.tx.list_again(&sql, &condition.values, read_key)?);
            if keys.len() > FEW {
                return Ok(None);
            }
        }
        Ok(Some(keys))
    }

    /// Of these items, those that match a query.
    fn matching(&mut self, query: &ItemQuery, keys: &[ItemKey]) -> Result<FoundItems, Problem> {
        let mut records: Vec<ItemKey> =
            keys.iter().map(|key| ItemKey { run_no: key.run_no, number: key.record() }).collect();
        records.sort_unstable();
        records.dedup();
        let runs: std::collections::HashSet<i64> = query.runs.iter().copied().collect();
        records.retain(|record| runs.contains(&record.run_no));
        let found = self.items_of_records(query, &records, ItemKey::default())?;
        Ok(FoundItems::of(self.items(&found, false)?.iter().map(HeldItem::of).collect()))
    }

    /// Sorts items, and gives a page of those that hold a text, if one is given.
    fn sorted(
        &mut self,
        items: &FoundItems,
        query: &ItemQuery,
        order: ItemOrder,
        at: Option<Position>,
        limit: usize,
        holds: Option<&Holds<'_>>,
    ) -> Result<Page, Problem> {
        let most = if holds.is_none() { limit + 1 } else { usize::MAX };
        let ranked = ranked(items, query, order, at.map(|at| order.rank_of(at)), most);
        let mut page = Vec::new();
        for some in ranked.chunks(2 * limit + 1) {
            let keys: Vec<ItemKey> = some.iter().map(|(_, key)| *key).collect();
            let kept = self.that_hold(&keys, holds)?;
            page.extend(some.iter().zip(kept).filter(|(_, kept)| *kept).map(|(one, _)| *one));
            if page.len() > limit {
                page.truncate(limit);
                let next = page.last().map(|(rank, key)| order.position(rank, *key));
                return Ok((page.into_iter().map(|(_, key)| key).collect(), next));
            }
        }
        Ok((page.into_iter().map(|(_, key)| key).collect(), None))
    }

    /// The items among these whose record contains a text.
    fn that_hold(
        &mut self,
        keys: &[ItemKey],
        holds: Option<&Holds<'_>>,
    ) -> Result<Vec<bool>, Problem> {
        let Some(holds) = holds else { return Ok(vec![true; keys.len()]) };
        let records = self.records(keys)?;
        let has = |key: &ItemKey| {
            records.get(&(key.run_no, key.record())).is_some_and(|record| holds.has(*key, record))
        };
        Ok(keys.iter().map(has).collect())
    }

    /// A page of items whose record contains a text in a field, from the search index. Few are sorted here; for many,
    /// the queue is read in its order. `None` while a run is not indexed.
    fn holding(
        &mut self,
        query: &ItemQuery,
        order: ItemOrder,
        at: Option<Position>,
        limit: usize,
    ) -> Result<Option<Page>, Problem> {
        let Some(Held { plain, holds, records }) = self.held(query)? else { return Ok(None) };
        if records.len() <= FEW {
            let found = self.items_of_records(&plain, &records, ItemKey::default())?;
            let items = self.items(&found, false)?;
            let items = FoundItems::of(items.iter().map(HeldItem::of).collect());
            return self.sorted(&items, query, order, at, limit, Some(&holds)).map(Some);
        }
        let (mut page, mut from, mut step) = (Vec::new(), at, STEP);
        loop {
            let (keys, next) = self.page(&plain, order, from, step)?;
            let may: Vec<(usize, ItemKey)> = keys
                .iter()
                .enumerate()
                .filter(|(_, key)| is_among(&records, **key))
                .map(|(place, key)| (place, *key))
                .collect();
            for some in may.chunks(limit + 1) {
                let keys: Vec<ItemKey> = some.iter().map(|(_, key)| *key).collect();
                let kept = self.that_hold(&keys, Some(&holds))?;
                for ((place, key), _) in some.iter().zip(kept).filter(|(_, kept)| *kept) {
                    if page.len() == limit {
                        // The page ends before this item.
                        let end = match place {
                            0 => from,
                            place => self.page(&plain, order, from, *place)?.1,
                        };
                        return Ok(Some((page, end)));
                    }
                    page.push(*key);
                }
            }
            let Some(next) = next else { return Ok(Some((page, None))) };
            (from, step) = (Some(next), (4 * step).min(LARGEST_STEP));
        }
    }
}

impl ReviewTables<'_> {
    /// The records that may hold the text of a query; `None` where it has none, and while a run is not indexed.
    fn held<'q>(&mut self, query: &'q ItemQuery) -> Result<Option<Held<'q>>, Problem> {
        let Some(holds) = query.holds() else { return Ok(None) };
        let mut plain = ItemQuery { some_runs: true, ..query.without_holds() };
        plain.runs.retain(|run| holds.arms.iter().any(|(runs, _)| runs.contains(run)));
        let at = (holds.text.to_owned(), plain.runs.clone());
        if let Some(records) = self.held.get(&at) {
            return Ok(Some(Held { plain, holds, records: Rc::clone(records) }));
        }
        if self.first_unindexed(&plain.runs)?.is_some() {
            return Ok(None);
        }
        let parts = self.parts(&plain.runs)?;
        let records = Rc::new(self.candidates(&parts, &SearchText::new(holds.text))?);
        self.held.insert(at, Rc::clone(&records));
        Ok(Some(Held { plain, holds, records }))
    }

    /// The items of a query with conditions, if they need not be read row by row: large runs are in memory, and the
    /// search index finds the values of records. Their order is undefined.
    pub fn found_items(&mut self, query: &ItemQuery) -> Result<Option<Rc<FoundItems>>, Problem> {
        if query.conditions.is_empty() {
            return Ok(None);
        }
        if let Some(items) = self.in_memory(query)? {
            return Ok(Some(items));
        }
        if !query.waits() || self.held(query)?.is_none() {
            return Ok(None);
        }
        Ok(Some(Rc::new(FoundItems::of(self.read_items(query)?))))
    }

    /// Reads the undecided items of a query.
    pub(super) fn read_items(&mut self, query: &ItemQuery) -> Result<Vec<HeldItem>, Problem> {
        let held = self.held(query)?;
        let mut may: Vec<HeldItem> = Vec::new();
        let records = held.as_ref().map(|held| Rc::clone(&held.records));
        if records.as_ref().is_none_or(|records| !records.is_empty()) {
            let plain = held.as_ref().map_or(query, |held| &held.plain);
            for condition in self.row_conditions(plain)? {
                let sql = format!(
                    "SELECT {}, coalesce(d.signature_id, 0), d.confidence, d.amount_abs, d.severity, \
                     d.since FROM recon.difference_rows d WHERE {}",
                    self.dialect().key("d"),
                    condition.sql
                );
                self.tx.query_each(&sql, &condition.values, &mut |row| {
                    let key = read_key(&row)?;
                    if records.as_ref().is_none_or(|records| is_among(records, key)) {
                        may.push(HeldItem {
                            key,
                            signature_id: row.count(2)?,
                            confidence: row.real(3)?.unwrap_or_default(),
                            amount: row.real(4)?,
                            severity: row.integer(5)?.unwrap_or_default(),
                            since: row.integer(6)?.and_then(|day| i32::try_from(day).ok()),
                        });
                    }
                    Ok(())
                })?;
            }
        }
        let Some(Held { holds, .. }) = held else { return Ok(may) };
        may.sort_unstable_by_key(|item| item.key);
        let mut items = Vec::new();
        for some in may.chunks(FEW) {
            let keys: Vec<ItemKey> = some.iter().map(|item| item.key).collect();
            let kept = self.that_hold(&keys, Some(&holds))?;
            items.extend(some.iter().zip(kept).filter(|(_, kept)| *kept).map(|(item, _)| *item));
        }
        Ok(items)
    }
}

/// An undecided item, as far as lists and counts are about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct HeldItem {
    pub key: ItemKey,
    /// 0 for none.
    pub signature_id: i64,
    pub confidence: f64,
    pub amount: Option<f64>,
    pub severity: i64,
    /// The first date of its break, as days since 1970-01-01.
    pub since: Option<i32>,
}

impl HeldItem {
    pub(super) fn of(item: &Item) -> Self {
        Self {
            key: item.key,
            signature_id: item.signature_id.unwrap_or_default(),
            confidence: item.confidence,
            amount: item.amount_abs,
            severity: item.severity.code().into(),
            since: item.since.and_then(|day| i32::try_from(day).ok()),
        }
    }

    pub const fn kind(&self) -> (i64, i64) {
        (self.key.run_no, self.signature_id)
    }
}

/// What belongs to each run and signature. Most items are of few kinds, the last of which are found without a search.
pub(crate) struct ByKind<T> {
    places: HashMap<(i64, i64), usize, foldhash::fast::FixedState>,
    last: [Option<((i64, i64), usize)>; LAST],
    all: Vec<((i64, i64), T)>,
}

/// A power of two.
const LAST: usize = 64;

impl<T> Default for ByKind<T> {
    fn default() -> Self {
        Self { places: HashMap::default(), last: [None; LAST], all: Vec::new() }
    }
}

impl<T: Default> ByKind<T> {
    pub fn of(&mut self, kind: (i64, i64)) -> &mut T {
        let last = &mut self.last[kind.1.cast_unsigned() as usize % LAST];
        let place = match last {
            Some((known, place)) if *known == kind => *place,
            _ => {
                let next = self.all.len();
                let place = *self.places.entry(kind).or_insert(next);
                if place == next {
                    self.all.push((kind, T::default()));
                }
                *last = Some((kind, place));
                place
            }
        };
        &mut self.all[place].1
    }

    /// In the order of runs and signatures.
    pub fn sorted(mut self) -> Vec<((i64, i64), T)> {
        self.all.sort_unstable_by_key(|(kind, _)| *kind);
        self.all
    }
}

/// The counts of items by run and signature.
pub(super) fn counts_of(items: &FoundItems) -> Vec<SignatureCount> {
    let mut counts: ByKind<(u64, f64)> = ByKind::default();
    items.each(|item| {
        let (items, sum) = counts.of(item.kind());
        *items += 1;
        *sum += item.amount.unwrap_or_default();
    });
    let count = |((run_no, signature_id), (items, amount))| SignatureCount {
        run_no,
        signature_id,
        items,
        amount,
    };
    counts.sorted().into_iter().map(count).collect()
}

fn is_among(records: &[ItemKey], key: ItemKey) -> bool {
    records.binary_search(&ItemKey { run_no: key.run_no, number: key.record() }).is_ok()
}

/// A query about values of records: the query without them, the condition, and the records that may fulfil it.
struct Held<'q> {
    plain: ItemQuery,
    holds: Holds<'q>,
    records: Rc<Vec<ItemKey>>,
}

/// Records that have a text in a field on either side: by runs, the field's position.
struct Holds<'q> {
    text: &'q str,
    arms: &'q [(Vec<i64>, usize)],
}

impl ItemQuery {
    fn holds(&self) -> Option<Holds<'_>> {
        self.conditions.iter().find_map(|one| match one {
            Condition::Holds(text, arms) => Some(Holds { text, arms }),
            _ => None,
        })
    }

    /// The same query, whatever a record holds in a field.
    pub fn without_holds(&self) -> Self {
        let mut query = self.clone();
        query.conditions.retain(|one| !matches!(one, Condition::Holds(..)));
        query
    }

    /// Whether the record of an item holds what the query asks for, if it asks for that.
    pub fn is_held(&self, key: ItemKey, record: Option<&Record>) -> bool {
        self.holds().is_none_or(|holds| record.is_some_and(|record| holds.has(key, record)))
    }
}

impl Holds<'_> {
    fn has(&self, key: ItemKey, record: &Record) -> bool {
        let place = self.arms.iter().find(|(runs, _)| runs.contains(&key.run_no));
        let Some((_, at)) = place else { return false };
        let values = record.sides.iter().flatten().filter_map(|values| values.get(*at));
        values.filter_map(cell_text).any(|value| value == self.text)
    }
}
