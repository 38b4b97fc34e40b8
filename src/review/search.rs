//! Searching: the items that contain a text, within the user's permissions.

use std::collections::HashMap;
use std::rc::Rc;

use crate::diagnostic::{Code, Problem};
use crate::domain::Status;
use crate::domain::review::Permission;
use crate::store::review::{
    Item, ItemKey, Position, Record, ReviewTables, Run, SearchText, cell_text,
};
use crate::store::transact;

use super::actor::Actor;
use super::filter::{QueueFilter, Sla};
use super::queue::Deadlines;
use super::queue::Wanted;
use super::refusal::Refusal;
use super::responses::SearchCounts;
use super::visibility::Visibility;
use super::work::Work;
use super::{QueryResult, Review};

/// Records whose evidence is read at once.
const STEP: usize = 100;
/// Records with items of a filter that are looked at to count them; beyond, counts are lower bounds.
const COUNTED: usize = 500;
/// Records that are looked up for each item of the page: most may have no items of the filter.
const LOOKED_UP: usize = 20;
/// The most records that are looked up at once.
const LARGEST_STEP: usize = 1_000;
/// Parts of the index that are read first: where very many records have a text, a few of them have enough.
const AT_ONCE: usize = 8;
/// Parts of the index that one search adds, where they are missing.
const PARTS: usize = 4;

/// What a search has looked at within a transaction: its text, and the items with their records. Several lists of a page
/// are about the same text.
#[derive(Default)]
pub(super) struct Looked {
    text: String,
    items: HashMap<ItemKey, LookedAt>,
}

struct LookedAt {
    item: Item,
    record: Option<Rc<Record>>,
    /// The text is there, where the person may see it.
    has: bool,
}

pub(super) struct Hits {
    pub items: Vec<Item>,
    /// More records may match.
    pub more: bool,
}

impl Review<'_> {
    /// Does the next piece of work that runs leave to the server: counting their figures, indexing them for searches.
    /// False if nothing was left.
    ///
    /// # Errors
    /// Errors of the store.
    pub fn index_next(&self) -> QueryResult<bool> {
        let uncounted = self.read(|work| {
            let runs: Vec<i64> = work.tables.current_runs()?.iter().map(|run| run.run_no).collect();
            Ok(work.tables.first_uncounted(&runs)?)
        })?;
        if let Some(run_no) = uncounted {
            transact::write(self.store, |tx| -> Result<(), Problem> {
                ReviewTables::new(tx).count_figures(run_no)
            })?;
            return Ok(true);
        }
        self.index_next_of(&QueueFilter::default())
    }

    /// Reads ahead the data behind lists and counts of large runs, as far as it has changed.
    ///
    /// # Errors
    /// Errors of the store.
    pub fn read_ahead(&self) -> QueryResult<()> {
        self.read(|work| {
            let runs: Vec<i64> = work.tables.current_runs()?.iter().map(|run| run.run_no).collect();
            let currency = work.policy.currency_field.clone();
            work.tables.read_ahead(&runs, currency.as_deref())?;
            work.kinds()?;
            Ok(())
        })
    }

    fn index_next_of(&self, filter: &QueueFilter) -> QueryResult<bool> {
        let part = self.read(|work| {
            let (runs, _) = work.runs_of(filter)?;
            let runs: Vec<i64> = runs.iter().map(|run| run.run_no).collect();
            let Some(run_no) = work.tables.first_unindexed(&runs)? else { return Ok(None) };
            Ok(Some(work.tables.next_part(run_no)?))
        })?;
        let Some(part) = part else { return Ok(false) };
        transact::write(self.store, |tx| -> Result<(), Problem> {
            ReviewTables::new(tx).add_part(&part)
        })?;
        Ok(true)
    }

    /// Makes sure that the runs of a filter with a text can be searched.
    pub(super) fn prepare(&self, filter: &QueueFilter) -> QueryResult<()> {
        if filter.q.as_deref().is_none_or(|q| q.trim().is_empty()) {
            return Ok(());
        }
        for _ in 0..PARTS {
            if !self.index_next_of(filter)? {
                return Ok(());
            }
        }
        if self.index_next_of(filter)? {
            return Err(Refusal::new(
                Code::SearchNotReady,
                "a run is new and still being indexed: search again in a moment",
            ));
        }
        Ok(())
    }

    /// How many items contain a text, in each list of the queue.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn search_counts(&self, actor: &Actor, text: &str) -> QueryResult<SearchCounts> {
        actor.must(Permission::View)?;
        self.prepare(&anywhere(text))?;
        self.read(|work| work.search_counts(actor, text))
    }
}

/// All items that contain a text.
pub(super) fn anywhere(text: &str) -> QueueFilter {
    QueueFilter {
        q: Some(text.to_owned()),
        status: Some("ALL".to_owned()),
        ..QueueFilter::default()
    }
}

impl Work<'_> {
    /// Undecided items are counted as their list finds them: very many records may have the text, and those that are looked
    /// at of all lists may be settled.
    pub fn search_counts(&mut self, actor: &Actor, text: &str) -> Result<SearchCounts, Refusal> {
        let everywhere = self.wanted(actor, &anywhere(text))?;
        let undecided = QueueFilter { status: None, ..anywhere(text) };
        let undecided = self.wanted(actor, &undecided)?;
        let (all, open) = (self.hits(&everywhere)?, self.hits(&undecided)?);
        let mut counts = SearchCounts {
            to_decide: open.items.len() as u64,
            more: all.more,
            more_to_decide: open.more,
            ..SearchCounts::default()
        };
        for item in &all.items {
            match item.status {
                Status::Unknown => {}
                Status::Pending => counts.proposed += 1,
                Status::Accepted => counts.accepted += 1,
                Status::Rejected => counts.rejected += 1,
            }
        }
        let keys: Vec<ItemKey> = open.items.iter().map(|item| item.key).collect();
        counts.sent_back = self.tables.sent_back(&keys)?.len() as u64;
        let assignees = self.tables.assignees(&keys)?;
        counts.mine = assignees.values().filter(|who| **who == actor.person_id).count() as u64;
        let deadlines = Deadlines::new(self, &undecided.runs)?;
        let is_overdue = |item: &&Item| {
            let since = item.since.and_then(|day| i32::try_from(day).ok());
            since.is_some_and(|since| {
                deadlines.of(item.severity, item.key.run_no, since) == Sla::Overdue
            })
        };
        counts.overdue = open.items.iter().filter(is_overdue).count() as u64;
        Ok(counts)
    }

    /// The records that a search finds, up to a limit.
    pub fn hits(&mut self, wanted: &Wanted) -> Result<Rc<Hits>, Problem> {
        let sought = format!("{:?} {:?}", wanted.text, wanted.query);
        if let Some(hits) = self.hits.get(&sought) {
            return Ok(Rc::clone(hits));
        }
        let (items, more) = self.find(wanted, ItemKey::default(), usize::MAX, COUNTED)?;
        let hits = Rc::new(Hits { items, more });
        self.hits.insert(sought, Rc::clone(&hits));
        Ok(hits)
    }

    /// A page of found items, in the order of ids.
    pub fn searched(
        &mut self,
        wanted: &Wanted,
        at: Option<Position>,
        limit: usize,
    ) -> Result<(Vec<ItemKey>, Option<Position>), Problem> {
        let from = at.map_or(ItemKey::default(), Position::key);
        let (items, _) = self.find(wanted, from, limit + 1, usize::MAX)?;
        let mut found: Vec<ItemKey> = items.iter().map(|item| item.key).collect();
        let follows = found.len() > limit;
        found.truncate(limit);
        let next = found.last().copied().filter(|_| follows).map(Position::after);
        Ok((found, next))
    }

    /// Items after `from` that contain the text where the user may see it, limited in items and in records; true if
    /// records were left out.
    fn find(
        &mut self,
        wanted: &Wanted,
        from: ItemKey,
        most: usize,
        records: usize,
    ) -> Result<(Vec<Item>, bool), Problem> {
        let query = &wanted.query;
        let nothing = query.signatures.as_ref().is_some_and(Vec::is_empty);
        let Some(text) = wanted.text.as_deref().filter(|_| !nothing).map(SearchText::new) else {
            return Ok((Vec::new(), false));
        };
        // What records hold is looked up in the record that is read anyway.
        let plain = query.without_holds();
        let first = ItemKey { run_no: from.run_no, number: from.record() };
        let mut parts = self.tables.parts(&query.runs)?;
        parts.retain(|(run_no, _)| first.run_no <= *run_no);
        let (mut parts, mut at_once) = (parts.as_slice(), AT_ONCE);
        let mut found = Vec::new();
        // Records that have items of the query, and all that were looked up.
        let (mut own, mut looked_up, mut step) = (0, 0, STEP);
        while !parts.is_empty() {
            let (now, later) = parts.split_at(at_once.min(parts.len()));
            (parts, at_once) = (later, 4 * at_once);
            let mut candidates = self.tables.candidates(now, &text)?;
            candidates.drain(..candidates.partition_point(|record| *record < first));
            let mut rest = candidates.as_slice();
            while !rest.is_empty() {
                if own >= records || looked_up >= records.saturating_mul(LOOKED_UP) {
                    return Ok((found, true));
                }
                let (now, later) = rest.split_at(step.min(records - own).min(rest.len()));
                let keys = self.tables.items_of_records(&plain, now, from)?;
                (rest, looked_up) = (later, looked_up + now.len());
                step = if keys.is_empty() { (2 * step).min(LARGEST_STEP) } else { STEP };
                own += keys.chunk_by(|one, next| one.record() == next.record()).count();
                self.look_at(&keys, wanted, &text)?;
                for key in keys {
                    let Some(one) = self.looked.items.get(&key) else { continue };
                    if !one.has || !query.is_held(key, one.record.as_deref()) {
                        continue;
                    }
                    let item = one.item.clone();
                    if self.may_be_told(query.without_blind.is_some(), &item)? {
                        found.push(item);
                    }
                    if found.len() >= most {
                        return Ok((found, true));
                    }
                }
            }
        }
        Ok((found, false))
    }

    /// Reads those of these items that the search has not looked at yet.
    fn look_at(
        &mut self,
        keys: &[ItemKey],
        wanted: &Wanted,
        text: &SearchText,
    ) -> Result<(), Problem> {
        let own = wanted.text.as_deref().unwrap_or_default();
        if self.looked.text != own {
            self.looked = Looked { text: own.to_owned(), ..Looked::default() };
        }
        let is_new = |key: &&ItemKey| !self.looked.items.contains_key(*key);
        let new: Vec<ItemKey> = keys.iter().filter(is_new).copied().collect();
        if new.is_empty() {
            return Ok(());
        }
        let evidence = self.tables.records(&new)?;
        let evidence: HashMap<(i64, i64), Rc<Record>> =
            evidence.into_iter().map(|(at, record)| (at, Rc::new(record))).collect();
        for item in self.tables.items(&new, false)? {
            let run = self.tables.run(item.key.run_no)?;
            let record = evidence.get(&(item.key.run_no, item.key.record())).cloned();
            let has = contains(&run, &item, record.as_deref(), &wanted.visible, text);
            self.looked.items.insert(item.key, LookedAt { item, record, has });
        }
        Ok(())
    }

    /// Whether a list that would reveal suggestions may have the item.
    fn may_be_told(&mut self, reveals: bool, item: &Item) -> Result<bool, Problem> {
        Ok(!(reveals && item.status == Status::Unknown && self.is_blind(item)?))
    }
}

/// Searches the references of the record, the values of either side and the field's name.
fn contains(
    run: &Run,
    item: &Item,
    record: Option<&Record>,
    visible: &Visibility,
    text: &SearchText,
) -> bool {
    let field = run.field_name(item.key.field());
    let own = [&item.value_a, &item.value_b];
    let in_own = || own.into_iter().flatten().any(|value| text.is_in(value));
    if text.is_in(field) || (!visible.hides(field) && in_own()) {
        return true;
    }
    let Some(record) = record else { return false };
    let layout = &run.layout;
    if !visible.hides_key(layout)
        && record.references(layout).iter().any(|one| text.is_in_reference(one))
    {
        return true;
    }
    let shown = |(at, value): (usize, &serde_json::Value)| {
        let field = layout.fields().get(at)?;
        if visible.hides(&field.name) { None } else { cell_text(value) }
    };
    record
        .sides
        .iter()
        .flatten()
        .flat_map(|values| values.iter().enumerate().filter_map(shown))
        .any(|value| text.is_in(&value))
}
