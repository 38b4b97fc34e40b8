//! Counts for the filter bar of the queue: how many items have each value. They come from stored counts where the filter
//! allows it.

use std::collections::BTreeMap;

use crate::diagnostic::Problem;
use crate::domain::Status;
use crate::domain::review::Permission;
use crate::store::review::ItemKey;

use super::actor::Actor;
use super::filter::QueueFilter;
use super::groups::Waits;
use super::queue::{Deadlines, TimeLeft, Wanted};
use super::refusal::Refusal;
use super::responses::Share;
use super::work::Work;
use super::{QueryResult, Review};

/// The most items that are counted one by one, by how much of their time is left or by conditions without kept counts.
const MOST_COUNTED: u64 = 50_000;
/// The same where each record has to be read for it.
const MOST_READ: u64 = 10_000;

impl Review<'_> {
    /// What the items of a filter may be narrowed to, with counts.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn facets(&self, actor: &Actor, filter: &QueueFilter) -> QueryResult<Facets> {
        actor.must(Permission::View)?;
        self.prepare(filter)?;
        self.read(|work| work.facets(actor, filter))
    }
}

/// The values that a list may be narrowed to.
#[derive(Clone, Debug)]
pub struct Facets {
    /// How many items have each value.
    pub shares: Vec<Share>,
    /// Whether the numbers are those of the filter: counting very many items one by one takes too long, so then they
    /// are those without the conditions that have no kept counts.
    pub are_counted: bool,
}

/// Items by the order of the facet, its name and its value.
type Shares = BTreeMap<(u8, &'static str, String), u64>;

impl Facets {
    fn list(shares: Shares) -> Vec<Share> {
        let share = |((_, by, value), count): ((u8, &str, String), u64)| Share {
            by: by.to_owned(),
            value,
            count,
        };
        shares.into_iter().map(share).collect()
    }
}

impl Work<'_> {
    /// How many items of the filter have each value of `job`, `field_name`, `diff_type`, `severity`, `reason_code` and
    /// `run_id`, for the filter bar; of undecided items also of `assignee` and, unless there are very many, `sla`.
    pub(super) fn facets(
        &mut self,
        actor: &Actor,
        filter: &QueueFilter,
    ) -> Result<Facets, Refusal> {
        let wanted = self.wanted(actor, filter)?;
        let is_plain = wanted.text.is_none() && !wanted.query.samples;
        if !filter.is_counted() && is_plain && self.found_items(&wanted)?.is_none() {
            let wider = self.wanted(actor, &filter.counted_part())?;
            let items = self.tables.counts(&wider.query)?.iter().map(|one| one.items).sum();
            let most = if filter.currency.is_some() { MOST_READ } else { MOST_COUNTED };
            if most < items {
                let shares = self.shares(&wider)?.0;
                return Ok(Facets { shares: Facets::list(shares), are_counted: false });
            }
        }
        let (mut shares, items, known) = self.shares(&wanted)?;
        if wanted.query.status == Some(Status::Unknown) {
            let [mine, others] = self.assigned(actor, &wanted)?;
            shares.insert((6, "assignee", "me".to_owned()), mine);
            let none = items.saturating_sub(mine + others);
            shares.insert((6, "assignee", "none".to_owned()), none);
            let ages = self.ages_of(&wanted, items, known)?;
            for (sla, count) in ["ok", "due", "overdue"].into_iter().zip(ages.into_iter().flatten())
            {
                shares.insert((7, "sla", sla.to_owned()), count);
            }
        }
        Ok(Facets { shares: Facets::list(shares), are_counted: true })
    }

    /// How many items have each value, how many there are, and how much of their time is left, where that is known.
    fn shares(&mut self, wanted: &Wanted) -> Result<(Shares, u64, TimeLeft), Problem> {
        let mut shares = Shares::new();
        let (mut items, mut left) = (0, TimeLeft::default());
        for one in self.counted(wanted, false)? {
            items += one.items;
            let Waits { dated, due, overdue, .. } = one.waits;
            for (sum, items) in
                left.iter_mut().zip([dated.saturating_sub(due + overdue), due, overdue])
            {
                *sum += items;
            }
            let run_id = self.tables.run(one.run_no)?.run_id.clone();
            *shares.entry((5, "run_id", run_id)).or_default() += one.items;
            let Some(said) = self.said_of(&one)? else { continue };
            for (at, by, value) in [
                (0, "job", said.job),
                (1, "field_name", said.field),
                (2, "diff_type", said.diff_type),
                (3, "severity", said.severity),
                (4, "reason_code", said.reason),
            ] {
                // Hidden reasons are omitted.
                if at < 4 || !value.is_empty() {
                    *shares.entry((at, by, value)).or_default() += one.items;
                }
            }
        }
        Ok((shares, items, left))
    }

    /// How many of the items are assigned to the person, and to others.
    fn assigned(&mut self, actor: &Actor, wanted: &Wanted) -> Result<[u64; 2], Problem> {
        let people: Vec<(String, u64)> = if wanted.text.is_some() {
            let hits = self.hits(wanted)?;
            let keys: Vec<ItemKey> = hits.items.iter().map(|item| item.key).collect();
            self.tables.assignees(&keys)?.into_values().map(|person| (person, 1)).collect()
        } else {
            self.tables.count_by_assignee(&wanted.query)?
        };
        let mut counts = [0; 2];
        for (person, items) in people {
            counts[usize::from(person != actor.person_id)] += items;
        }
        Ok(counts)
    }

    /// How many of the items are in time, nearly due and overdue; `None` where counting would take too long, or tell
    /// which items have a hidden suggestion.
    fn ages_of(
        &mut self,
        wanted: &Wanted,
        items: u64,
        known: TimeLeft,
    ) -> Result<Option<TimeLeft>, Problem> {
        if wanted.query.without_blind.is_some() || wanted.query.samples {
            return Ok(None);
        }
        if wanted.text.is_none() {
            if self.found_items(wanted)?.is_some() {
                return Ok(Some(known));
            }
            let is_kept = wanted.query.conditions.is_empty();
            return match is_kept || items <= MOST_COUNTED {
                true => self.ages(&wanted.query, &wanted.runs).map(Some),
                false => Ok(None),
            };
        }
        let deadlines = Deadlines::new(self, &wanted.runs)?;
        let mut ages = TimeLeft::default();
        for item in &self.hits(wanted)?.items {
            if let Some(since) = item.since.and_then(|day| i32::try_from(day).ok()) {
                ages[deadlines.of(item.severity, item.key.run_no, since) as usize] += 1;
            }
        }
        Ok(Some(ages))
    }
}
