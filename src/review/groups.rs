//! The queue in groups of similar items, from stored counts where the filter allows it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::diagnostic::Problem;
use crate::domain::review::{Permission, is_blind};
use crate::domain::{Date, DiffType, Severity, Status};
use crate::store::review::{
    ByKind, FoundItems, Item, ItemKey, ItemQuery, RowCount, Run, Signature,
};

use super::actor::Actor;
use super::filter::{QueueFilter, QueueSort, Sla};
use super::queue::{Deadlines, Rank, Wanted, keep_first, list_name, may_sort};
use super::refusal::Refusal;
use super::requests::{GroupBy, PageAsk};
use super::responses::{Group, Page};
use super::work::Work;
use super::{QueryResult, Review, page};

/// Items of each signature, to show.
pub(super) type Examples = HashMap<i64, Vec<ItemKey>>;

/// The most undecided items among which the oldest of each group are looked for: the queue should open at once.
const MOST_DATED: u64 = 100_000;
/// Items shown of a group.
const EXAMPLES: usize = 3;
/// Shown instead of a hidden reason.
const HIDDEN: &str = "suggestion hidden";

/// The grouping of counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alike {
    /// Items of one signature (0: of none).
    Signature(i64),
    /// Items whose suggestion is hidden, by field, type and severity: their signature would reveal it.
    Hidden(ItemKey, Option<&'static str>, Option<&'static str>),
}

/// Number of overdue items, and the begin of the oldest break among them all.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Waits {
    /// Those of which it is known since when they are there, and of these the nearly due ones.
    pub dated: u64,
    pub due: u64,
    pub overdue: u64,
    since: Option<i32>,
}

/// Items of one run that are counted together.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    pub run_no: i64,
    alike: Alike,
    pub items: u64,
    amount: f64,
    pub waits: Waits,
}

/// Items by run and signature with their ages, and three items of each signature.
pub(super) struct CountedItems {
    counted: Vec<Counted>,
    examples: Examples,
}

/// End of a page of groups: a group of this rank and name.
#[derive(Serialize, Deserialize)]
struct At {
    rank: i64,
    name: String,
}

/// Counts items one by one, without telling hidden suggestions.
struct Counter {
    samples: HashSet<ItemKey>,
    runs: HashMap<i64, Rc<Run>>,
    blind: f64,
    by_suggestion: bool,
    deadlines: Deadlines,
    counts: BTreeMap<(i64, Alike), (u64, f64, Waits)>,
}

impl Counter {
    fn new(work: &mut Work<'_>, wanted: &Wanted) -> Result<Self, Problem> {
        Ok(Self {
            samples: work.tables.open_samples()?,
            deadlines: Deadlines::new(work, &wanted.runs)?,
            runs: wanted.runs.iter().map(|run| (run.run_no, Rc::clone(run))).collect(),
            blind: wanted.blind,
            by_suggestion: wanted.by_suggestion,
            counts: BTreeMap::new(),
        })
    }

    fn add(&mut self, row: &RowCount) {
        let hidden = match row.status {
            Some(Status::Unknown) => self
                .runs
                .get(&row.key.run_no)
                .is_some_and(|run| is_blind(&run.attribution_id(row.key), self.blind)),
            Some(Status::Accepted) => !row.locked && self.samples.contains(&row.key),
            _ => false,
        };
        if hidden && self.by_suggestion {
            return;
        }
        let alike = if hidden {
            let (diff_type, severity) = (row.diff_type, row.severity);
            Alike::Hidden(
                row.of_field(),
                diff_type.map(DiffType::name),
                severity.map(Severity::name),
            )
        } else {
            Alike::Signature(row.signature_id)
        };
        let (items, amount, waits) = self.counts.entry((row.key.run_no, alike)).or_default();
        *items += 1;
        *amount += row.amount;
        if let (Some(severity), Some(since), Some(Status::Unknown)) =
            (row.severity, row.since, row.status)
        {
            let sla = self.deadlines.of(severity, row.key.run_no, since);
            waits.dated += 1;
            waits.due += u64::from(sla == Sla::Due);
            waits.overdue += u64::from(sla == Sla::Overdue);
            waits.since = Some(waits.since.map_or(since, |known| known.min(since)));
        }
    }

    fn counted(self) -> Vec<Counted> {
        let counted = |((run_no, alike), (items, amount, waits))| Counted {
            run_no,
            alike,
            items,
            amount,
            waits,
        };
        self.counts.into_iter().map(counted).collect()
    }
}

#[derive(Default)]
struct Together {
    count: u64,
    amount: f64,
    waits: Waits,
    oldest: String,
    /// The newest date of its runs.
    newest: Option<Date>,
    amount_hidden: bool,
    /// Confidence in its cause, if requested.
    confidence: f64,
    /// The signature with most items, whose items are shown.
    largest: (u64, Option<i64>),
    /// Its runs and signatures.
    kinds: Vec<(i64, i64)>,
    severity: u8,
}

impl Together {
    /// The sort key of groups, smallest first: by default, the largest group.
    fn rank(&self, sort: QueueSort) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "saturates; an order needs no more")]
        let cents = |amount: f64| (amount * 100.0) as i64;
        match sort {
            QueueSort::Amount => cents(self.amount).saturating_neg(),
            QueueSort::Age => crate::store::read_time(&self.oldest).map_or(0, |at| at.seconds()),
            QueueSort::Severity => -i64::from(self.severity),
            QueueSort::ConfidenceDescending => cents(self.confidence * 100.0).saturating_neg(),
            QueueSort::Confidence | QueueSort::AtRisk | QueueSort::Teaches => {
                i64::try_from(self.count).unwrap_or(i64::MAX).saturating_neg()
            }
        }
    }
}

impl Review<'_> {
    /// The queue in groups of similar items, the largest first.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn groups(
        &self,
        actor: &Actor,
        filter: &QueueFilter,
        by: GroupBy,
        ask: &PageAsk,
    ) -> QueryResult<Page<Group>> {
        actor.must(Permission::View)?;
        self.prepare(filter)?;
        self.read(|work| work.groups_page(actor, filter, by, ask))
    }
}

impl Work<'_> {
    pub fn groups_page(
        &mut self,
        actor: &Actor,
        filter: &QueueFilter,
        by: GroupBy,
        ask: &PageAsk,
    ) -> Result<Page<Group>, Refusal> {
        let limit = page::limit(ask)?;
        let list = format!("groups:{by:?}:{}", list_name("", filter, ask));
        let at: Option<At> = page::position(ask, &list, actor)?;
        let wanted = self.wanted(actor, filter)?;
        let (counted, examples) = match wanted.text {
            Some(_) => self.found(&wanted)?,
            None => match self.counted_found(&wanted)? {
                Some(known) => (known.counted.clone(), Some(known.examples.clone())),
                None => (self.counted(&wanted, true)?, None),
            },
        };
        let mut groups: Vec<(String, Together)> =
            self.together(&wanted, counted, by)?.into_iter().collect();
        may_sort(&wanted, filter, ask.sort)?;
        if ask.sort == QueueSort::ConfidenceDescending {
            self.assess(&wanted, &mut groups, examples.as_ref())?;
        }
        // Amounts in several currencies have no sum, and no order.
        let sort = match ask.sort {
            QueueSort::Amount if self.policy.currency_field.is_some() => QueueSort::default(),
            sort => sort,
        };
        groups.sort_by(|(left_name, left), (right_name, right)| {
            let order = left.rank(sort).cmp(&right.rank(sort));
            order.then_with(|| left_name.cmp(right_name))
        });
        let total = ask.count.then_some(groups.len() as u64);
        if let Some(at) = at {
            groups.retain(|(name, group)| (group.rank(sort), name) > (at.rank, &at.name));
        }
        let more = groups.len() > limit;
        groups.truncate(limit);
        let next = groups
            .last()
            .filter(|_| more)
            .map(|(name, group)| At { rank: group.rank(sort), name: name.clone() })
            .map(|at| page::cursor(&at, &list, actor));
        if wanted.text.is_none() {
            self.date(&wanted, &mut groups)?;
        }
        let items = self.described(actor, &wanted, groups, by, examples)?;
        Ok(Page { items, next, total })
    }
}

impl Work<'_> {
    /// Items of the filter by run and signature; with their `ages`.
    pub(super) fn counted(&mut self, wanted: &Wanted, ages: bool) -> Result<Vec<Counted>, Problem> {
        if wanted.query.samples {
            // The common values would reveal the machine's reason.
            return Ok(Vec::new());
        }
        if wanted.text.is_some() {
            let hits = self.hits(wanted)?;
            return self.counted_items(wanted, &hits.items);
        }
        if self.may_be_hidden(wanted)? {
            return self.counted_one_by_one(wanted);
        }
        if let Some(known) = self.counted_found(wanted)? {
            return Ok(known.counted.clone());
        }
        let counts = self.tables.counts(&wanted.query)?;
        let mut left = if ages && wanted.query.status == Some(Status::Unknown) {
            self.time_left(&wanted.query, &wanted.runs, &counts)?
        } else {
            BTreeMap::new()
        };
        let counted = counts.into_iter().map(|one| {
            let [_, _, overdue] = left.remove(&(one.run_no, one.signature_id)).unwrap_or_default();
            Counted {
                run_no: one.run_no,
                alike: Alike::Signature(one.signature_id),
                items: one.items,
                amount: one.amount,
                waits: Waits { overdue, ..Waits::default() },
            }
        });
        Ok(counted.collect())
    }

    /// True if suggestions of some items may be hidden.
    fn may_be_hidden(&mut self, wanted: &Wanted) -> Result<bool, Problem> {
        let accepted = wanted.query.status.is_none_or(|status| status == Status::Accepted);
        Ok((wanted.has_undecided() && wanted.blind > 0.0)
            || (accepted && self.tables.has_samples()?))
    }

    /// The items of a filter with conditions, where they need not be read for it.
    pub(super) fn found_items(
        &mut self,
        wanted: &Wanted,
    ) -> Result<Option<Rc<FoundItems>>, Problem> {
        match wanted.query.conditions.is_empty() || wanted.query.samples {
            true => Ok(None),
            false => self.tables.found_items(&wanted.query),
        }
    }

    /// Counts the items of a filter, where they need not be read for it.
    fn counted_found(&mut self, wanted: &Wanted) -> Result<Option<Rc<CountedItems>>, Problem> {
        if self.may_be_hidden(wanted)? {
            return Ok(None);
        }
        if let Some((of, known)) = &self.counted
            && *of == wanted.query
        {
            return Ok(Some(Rc::clone(known)));
        }
        let Some(items) = self.found_items(wanted)? else { return Ok(None) };
        let deadlines = Deadlines::new(self, &wanted.runs)?;
        let mut sla_of = deadlines.of_items();
        let has_ages = wanted.query.status == Some(Status::Unknown);
        let mut counts: ByKind<(u64, f64, Waits, Vec<Rank>)> = ByKind::default();
        items.each(|item| {
            let (items, amount, waits, first) = counts.of(item.kind());
            *items += 1;
            *amount += item.amount.unwrap_or_default();
            keep_first(first, wanted.place(item), EXAMPLES);
            if let Some(since) = item.since.filter(|_| has_ages) {
                let sla = sla_of(item);
                waits.dated += u64::from(sla.is_some());
                waits.due += u64::from(sla == Some(Sla::Due));
                waits.overdue += u64::from(sla == Some(Sla::Overdue));
                waits.since = Some(waits.since.map_or(since, |known| known.min(since)));
            }
        });
        let (mut counted, mut places) = (Vec::new(), BTreeMap::<i64, Vec<Rank>>::new());
        for ((run_no, signature), (items, amount, waits, first)) in counts.sorted() {
            let alike = Alike::Signature(signature);
            counted.push(Counted { run_no, alike, items, amount, waits });
            let own = places.entry(signature).or_default();
            first.into_iter().for_each(|place| keep_first(own, place, EXAMPLES));
        }
        let keys = |own: Vec<Rank>| own.into_iter().map(|(_, key)| key).collect();
        let examples = places.into_iter().map(|(signature, own)| (signature, keys(own)));
        let known = Rc::new(CountedItems { counted, examples: examples.collect() });
        self.counted = Some((wanted.query.clone(), Rc::clone(&known)));
        Ok(Some(known))
    }

    /// The same where some suggestions are hidden: the kept counts don't tell which.
    fn counted_one_by_one(&mut self, wanted: &Wanted) -> Result<Vec<Counted>, Problem> {
        let mut counter = Counter::new(self, wanted)?;
        self.tables.each_count(&wanted.query, &mut |row| {
            counter.add(&row);
            Ok(())
        })?;
        Ok(counter.counted())
    }

    /// Matches of a search, by run and signature, with three items of each signature.
    fn found(&mut self, wanted: &Wanted) -> Result<(Vec<Counted>, Option<Examples>), Problem> {
        if wanted.query.samples {
            return Ok((Vec::new(), None));
        }
        let hits = self.hits(wanted)?;
        let counted = self.counted_items(wanted, &hits.items)?;
        let mut examples = Examples::new();
        for item in &hits.items {
            let hidden = self.is_hidden(item)?;
            let own = examples.entry(item.signature_id.unwrap_or_default()).or_default();
            if !hidden && own.len() < EXAMPLES {
                own.push(item.key);
            }
        }
        Ok((counted, Some(examples)))
    }

    /// The same of items that were read.
    fn counted_items(&mut self, wanted: &Wanted, items: &[Item]) -> Result<Vec<Counted>, Problem> {
        let mut counter = Counter::new(self, wanted)?;
        for item in items {
            counter.add(&RowCount {
                key: item.key,
                status: Some(item.status),
                locked: item.locked,
                signature_id: item.signature_id.unwrap_or_default(),
                diff_type: Some(item.diff_type),
                severity: Some(item.severity),
                amount: item.amount_abs.unwrap_or_default(),
                since: item.since.and_then(|day| i32::try_from(day).ok()),
            });
        }
        Ok(counter.counted())
    }

    /// The signature of counted items; `None` for items without one.
    pub(super) fn said_of(&mut self, one: &Counted) -> Result<Option<Signature>, Problem> {
        Ok(match one.alike {
            Alike::Signature(id) => self.tables.signature(id)?.map(|found| (*found).clone()),
            Alike::Hidden(key, diff_type, severity) => {
                let run = self.tables.run(one.run_no)?;
                Some(Signature {
                    job: run.job.clone(),
                    field: run.field_name(key.field()).to_owned(),
                    diff_type: diff_type.unwrap_or_default().to_owned(),
                    severity: severity.unwrap_or_default().to_owned(),
                    ..Signature::default()
                })
            }
        })
    }

    /// Counts added up by group.
    fn together(
        &mut self,
        wanted: &Wanted,
        counted: Vec<Counted>,
        by: GroupBy,
    ) -> Result<BTreeMap<String, Together>, Problem> {
        let mut groups: BTreeMap<String, Together> = BTreeMap::new();
        for one in counted {
            let said = self.said_of(&one)?;
            let field = said.as_ref().map_or_else(String::new, |said| said.field.clone());
            let name = match (by, one.alike) {
                (GroupBy::Field, _) => field.clone(),
                (GroupBy::Signature, Alike::Signature(id)) => id.to_string(),
                (GroupBy::Signature, Alike::Hidden(..)) => format!("{HIDDEN}: {field}"),
                (GroupBy::Reason, Alike::Signature(_)) => {
                    said.as_ref().map_or_else(String::new, |said| said.reason.clone())
                }
                (GroupBy::Reason, Alike::Hidden(..)) => HIDDEN.to_owned(),
            };
            let severity = said.as_ref().and_then(|said| Severity::from_name(&said.severity));
            let run = self.tables.run(one.run_no)?;
            let group = groups.entry(name).or_default();
            group.count += one.items;
            group.amount += one.amount;
            if let Alike::Signature(id) = one.alike {
                group.kinds.push((one.run_no, id));
            }
            group.amount_hidden |= match run.layout.position(&field) {
                Some(_) => wanted.visible.hides(&field),
                None => wanted.visible.hides_amounts(&run.layout),
            };
            if one.items > group.largest.0 {
                let shown = match one.alike {
                    Alike::Signature(id) => Some(id),
                    Alike::Hidden(..) => None,
                };
                group.largest = (one.items, shown);
            }
            group.severity = group.severity.max(severity.map_or(0, Severity::code));
            if group.oldest.is_empty() || run.attributed_at < group.oldest {
                group.oldest.clone_from(&run.attributed_at);
            }
            group.waits.overdue += one.waits.overdue;
            let dates = [group.waits.since, one.waits.since];
            group.waits.since = dates.into_iter().flatten().min();
            let date = run.batch_date.parse::<Date>().ok();
            group.newest = group.newest.max(date);
        }
        Ok(groups)
    }

    /// Looks up when the oldest break of each group began. Only the runs that may have it are looked at, and where that
    /// would be very many items, the groups have no such date.
    fn date(&mut self, wanted: &Wanted, groups: &mut [(String, Together)]) -> Result<(), Problem> {
        let is_known = groups.iter().all(|(_, group)| group.waits.since.is_some());
        if wanted.query.status != Some(Status::Unknown) || wanted.blind > 0.0 || is_known {
            return Ok(());
        }
        let kept = self.tables.undecided()?;
        let mut items: HashMap<i64, u64> = HashMap::new();
        let mut least: HashMap<(i64, i64), i32> = HashMap::new();
        for kind in kept.iter() {
            *items.entry(kind.count.run_no).or_default() += kind.count.items;
            least.insert((kind.count.run_no, kind.count.signature_id), kind.days.0);
        }
        let least = |kind: &(i64, i64)| least.get(kind).copied().unwrap_or(i32::MIN);
        for (_, group) in groups.iter_mut() {
            // Kinds without data come last: by then, few of theirs can be older.
            group.kinds.sort_by_key(|kind| (least(kind) == i32::MIN, least(kind), *kind));
        }
        let mut days = HashMap::new();
        let (mut seen, mut looked, mut most) = (BTreeSet::new(), 0, 1);
        loop {
            let mut next = BTreeSet::new();
            let mut newest = Some(i32::MIN);
            for (_, group) in groups.iter_mut() {
                let known = group.kinds.iter().filter_map(|kind| days.get(kind)).min().copied();
                let open = group.kinds.iter().filter(|kind| !seen.contains(&kind.0));
                let older = open.filter(|kind| known.is_none_or(|day| least(kind) < day));
                next.extend(older.map(|kind| kind.0).take(most));
                group.waits.since = known;
                newest = newest.zip(known).map(|(one, other)| one.max(other));
            }
            looked += next.iter().filter_map(|run| items.get(run)).sum::<u64>();
            if next.is_empty() {
                return Ok(());
            }
            if looked > MOST_DATED {
                groups.iter_mut().for_each(|(_, group)| group.waits.since = None);
                return Ok(());
            }
            let runs = next.iter().copied().collect();
            let query = ItemQuery { runs, some_runs: true, ..wanted.query.clone() };
            days.extend(self.tables.first_days(&query, newest)?);
            seen.extend(next);
            most *= 2;
        }
    }

    /// Looks up how sure the cause of each group is, which is that of its first item.
    fn assess(
        &mut self,
        wanted: &Wanted,
        groups: &mut [(String, Together)],
        examples: Option<&Examples>,
    ) -> Result<(), Refusal> {
        for (_, group) in groups {
            let Some(signature) = group.largest.1 else { continue };
            let first: Vec<ItemKey> = match examples {
                Some(known) => {
                    known.get(&signature).into_iter().flatten().take(1).copied().collect()
                }
                None => self.first_of(wanted, signature, 1)?,
            };
            let items = self.tables.items(&first, false)?;
            group.confidence = items.first().map_or(0.0, |item| item.confidence);
        }
        Ok(())
    }

    /// Groups as reviewers see them, each with three of its items.
    fn described(
        &mut self,
        actor: &Actor,
        wanted: &Wanted,
        groups: Vec<(String, Together)>,
        by: GroupBy,
        mut examples: Option<Examples>,
    ) -> Result<Vec<Group>, Refusal> {
        let mut keys: Vec<Vec<ItemKey>> = Vec::with_capacity(groups.len());
        for (_, group) in &groups {
            keys.push(match (group.largest.1, &mut examples) {
                (Some(signature), Some(known)) => known.remove(&signature).unwrap_or_default(),
                (Some(signature), None) => self.first_of(wanted, signature, EXAMPLES)?,
                (None, _) => Vec::new(),
            });
        }
        let all: Vec<ItemKey> = keys.iter().flatten().copied().collect();
        let items: Vec<Item> = self.tables.items(&all, false)?;
        let places: Vec<ItemKey> = items.iter().map(|item| item.key).collect();
        let views: BTreeMap<ItemKey, _> =
            places.into_iter().zip(self.views(actor, items)?).collect();
        let mut described = Vec::with_capacity(groups.len());
        for ((name, group), keys) in groups.into_iter().zip(keys) {
            let sample: Vec<_> = keys.iter().filter_map(|key| views.get(key).cloned()).collect();
            let signature = match group.largest.1 {
                Some(id) => self.tables.signature(id)?,
                None => None,
            };
            let one = by == GroupBy::Signature;
            let label = match (&signature, one) {
                (Some(signature), true) => {
                    wanted.visible.label(&signature.field, &signature.diff_type, &signature.label)
                }
                _ if name.starts_with(HIDDEN) => name.clone(),
                _ if name.is_empty() => "other".to_owned(),
                _ if one => "other".to_owned(),
                _ => name.clone(),
            };
            let part = |text: fn(&Signature) -> &String, shown: bool| {
                signature.as_ref().filter(|_| shown).map(|found| text(found).clone())
            };
            let severity = Severity::from_code(group.severity).unwrap_or(Severity::Medium);
            described.push(Group {
                signature: group.largest.1.filter(|id| one && *id != 0).map(|id| id.to_string()),
                label,
                job: part(|found| &found.job, one),
                field_name: part(|found| &found.field, one || by == GroupBy::Field),
                diff_type: part(|found| &found.diff_type, one),
                reason_code: part(|found| &found.reason, one || by == GroupBy::Reason),
                count: group.count,
                // Amounts in several currencies have no sum.
                amount_sum: (group.amount > 0.0
                    && !group.amount_hidden
                    && self.policy.currency_field.is_none())
                .then_some(group.amount),
                predictions: sample
                    .iter()
                    .find(|item| !item.predictions.is_empty())
                    .map(|item| item.predictions.clone())
                    .unwrap_or_default(),
                sample,
                oldest: group.oldest,
                first_seen: group.waits.since.map(|day| Date::from_days(day).to_string()),
                age_days: group
                    .waits
                    .since
                    .zip(group.newest)
                    .map(|(since, date)| i64::from(date.days()) - i64::from(since)),
                overdue: group.waits.overdue,
                severity: severity.name().to_owned(),
            });
        }
        Ok(described)
    }
}
