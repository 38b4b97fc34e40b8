//! The queue: which items a filter means for a person, and pages of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use serde::Serialize;

use crate::diagnostic::{Code, Problem};
use crate::domain::review::Permission;
use crate::domain::{Date, Severity, Status};
use crate::store::review::{
    Aged, ByKind, Condition, FoundItems, HeldItem, InCurrency, Item, ItemKey, ItemOrder, ItemQuery,
    Position, Run, Signature, SignatureCount,
};

use super::actor::Actor;
use super::filter::{ItemKind, QueueFilter, QueueSort, Sla};
use super::groups::Examples;
use super::refusal::Refusal;
use super::requests::PageAsk;
use super::responses::{Page, ReviewItem, RunChoice};
use super::visibility::Visibility;
use super::work::Work;
use super::{QueryResult, Review, page};

const DAY: i64 = 86_400;

/// A filter resolved for a person.
pub(super) struct Wanted {
    pub query: ItemQuery,
    /// The runs of the query.
    pub runs: Vec<Rc<Run>>,
    /// A text in values, references or the field's name.
    pub text: Option<String>,
    /// The filter narrows by the machine's suggestion. Items whose suggestion is hidden are then left out: a match
    /// would reveal it.
    pub by_suggestion: bool,
    /// The share of undecided items whose suggestions are hidden. If there are any, undecided items come in
    /// the order of their ids: the order of confidence would reveal how sure the machine is.
    pub blind: f64,
    /// The values that the person may see: a text is searched nowhere else.
    pub visible: Visibility,
}

/// For the code of a severity and a run, the newest first days of breaks that are overdue, and that are overdue or
/// nearly due.
pub(super) struct Deadlines {
    days: HashMap<(u8, i64), (i32, i32), foldhash::fast::FixedState>,
}

impl Deadlines {
    pub fn new(work: &Work<'_>, runs: &[Rc<Run>]) -> Result<Self, Problem> {
        let mut deadlines = HashMap::default();
        for run in runs {
            let came = crate::store::read_time(&run.attributed_at)?.seconds();
            let date: Date = run.batch_date.parse().unwrap_or(Date::from_days(0));
            for severity in Severity::ALL {
                let seconds = i64::from(work.policy.sla_hours.of(*severity)) * 3_600;
                let left = seconds - (work.now.seconds() - came);
                // A break that is this many days older than its run has no time left.
                let day = |left: i64| {
                    let days = (left.max(0) + DAY - 1).div_euclid(DAY);
                    i32::try_from(i64::from(date.days()) - days).unwrap_or(i32::MIN)
                };
                let days = (day(left), day(left - seconds / 4));
                deadlines.insert((severity.code(), run.run_no), days);
            }
        }
        Ok(Self { days: deadlines })
    }

    /// Computes the time left for many items; `None` if the begin of a break is unknown. Consecutive items of a run
    /// share one look-up of its days.
    pub fn of_items(&self) -> impl FnMut(&HeldItem) -> Option<Sla> {
        let (mut at, mut days) = (None, [None; 5]);
        move |item| {
            let run_no = item.key.run_no;
            if at != Some(run_no) {
                at = Some(run_no);
                days = [0, 1, 2, 3, 4].map(|code| self.days.get(&(code, run_no)));
            }
            let (overdue, due) = days.get(usize::try_from(item.severity).ok()?).copied()??;
            let since = item.since?;
            Some(match since {
                since if since <= *overdue => Sla::Overdue,
                since if since <= *due => Sla::Due,
                _ => Sla::Ok,
            })
        }
    }

    /// Time left for a break of this severity in this run that began on this day.
    pub fn of(&self, severity: Severity, run_no: i64, since: i32) -> Sla {
        match self.days.get(&(severity.code(), run_no)) {
            Some((overdue, _)) if since <= *overdue => Sla::Overdue,
            Some((_, due)) if since <= *due => Sla::Due,
            _ => Sla::Ok,
        }
    }
}

/// How many items are in time, nearly due and overdue.
pub(super) type TimeLeft = [u64; 3];

impl Work<'_> {
    /// How many of counted undecided items of a query are in time, nearly due and overdue, by run and signature. Items
    /// are looked at only where some breaks of a kind began on a day that is overdue (or nearly due), and some did not.
    pub fn time_left(
        &mut self,
        query: &ItemQuery,
        runs: &[Rc<Run>],
        counts: &[SignatureCount],
    ) -> Result<BTreeMap<(i64, i64), TimeLeft>, Problem> {
        let deadlines = Deadlines::new(self, runs)?;
        let dates: HashMap<i64, i32> = runs
            .iter()
            .map(|run| (run.run_no, run.batch_date.parse().map_or(i32::MAX, Date::days)))
            .collect();
        let kept = self.tables.undecided()?;
        // What is kept is about items that have not left the queue.
        let kept = kept.iter().filter(|_| !query.with_later);
        let days: HashMap<(i64, i64), (i32, i32)> =
            kept.map(|kind| ((kind.count.run_no, kind.count.signature_id), kind.days)).collect();
        let mut left: BTreeMap<(i64, i64), TimeLeft> = BTreeMap::new();
        // By severity, the runs to look at and the last day of interest.
        let mut looks: BTreeMap<u8, (BTreeSet<i64>, i32)> = BTreeMap::new();
        let mut mixed: BTreeMap<(i64, i64), (Sla, u64)> = BTreeMap::new();
        for one in counts {
            let (run_no, kind) = (one.run_no, (one.run_no, one.signature_id));
            let (first, last) = days.get(&kind).copied().unwrap_or((i32::MIN, i32::MAX));
            let last = last.min(dates.get(&run_no).copied().unwrap_or(i32::MAX));
            let signature = self.tables.signature(one.signature_id)?;
            let severity = signature.and_then(|one| Severity::from_name(&one.severity));
            let newest = severity.map_or(Sla::Ok, |known| deadlines.of(known, run_no, last));
            if severity.is_some_and(|known| deadlines.of(known, run_no, first) == newest) {
                left.entry(kind).or_default()[newest as usize] += one.items;
                continue;
            }
            mixed.insert(kind, (newest, one.items));
            let severities = severity.as_ref().map_or(Severity::ALL, std::slice::from_ref);
            for severity in severities {
                let until = match deadlines.days.get(&(severity.code(), run_no)) {
                    Some((overdue, _)) if newest == Sla::Due => *overdue,
                    Some((_, due)) => *due,
                    None => i32::MAX,
                };
                let (runs, day) = looks.entry(severity.code()).or_insert((BTreeSet::new(), until));
                runs.insert(run_no);
                *day = until.max(*day);
            }
        }
        let mut found: BTreeMap<(i64, i64), TimeLeft> = BTreeMap::new();
        for (code, (runs, day)) in looks {
            let Some(severity) = Severity::from_code(code) else { continue };
            let runs = runs.into_iter().collect();
            let query = ItemQuery { runs, some_runs: true, ..query.clone() };
            for count in self.tables.by_first_day(&query, severity, (None, Some(day)))? {
                let sla = deadlines.of(severity, count.run_no, count.since);
                let own = found.entry((count.run_no, count.signature_id)).or_default();
                own[sla as usize] += count.items;
            }
        }
        for (kind, (newest, items)) in mixed {
            let mut own = found.remove(&kind).unwrap_or_default();
            own[newest as usize] += items.saturating_sub(own.iter().sum());
            left.insert(kind, own);
        }
        Ok(left)
    }

    /// How many undecided items of a query are in time, nearly due and overdue.
    pub fn ages(&mut self, query: &ItemQuery, runs: &[Rc<Run>]) -> Result<TimeLeft, Problem> {
        let counts = self.tables.counts(query)?;
        let mut ages = TimeLeft::default();
        for own in self.time_left(query, runs, &counts)?.into_values() {
            ages.iter_mut().zip(own).for_each(|(sum, items)| *sum += items);
        }
        Ok(ages)
    }
}

impl Review<'_> {
    /// The queue: items of current runs.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn queue(
        &self,
        actor: &Actor,
        filter: &QueueFilter,
        ask: &PageAsk,
    ) -> QueryResult<Page<ReviewItem>> {
        actor.must(Permission::View)?;
        self.prepare(filter)?;
        self.read(|work| work.queue_page(actor, "queue", filter, ask, Some(ask.sort)))
    }

    /// Items of a run with any status, in the order of their ids: `/runs/{id}/differences` and exports.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn run_differences(
        &self,
        actor: &Actor,
        run_id: &str,
        filter: &QueueFilter,
        ask: &PageAsk,
    ) -> QueryResult<Page<ReviewItem>> {
        actor.must(Permission::View)?;
        let filter = QueueFilter {
            run_id: Some(run_id.to_owned()),
            status: Some(filter.status.clone().unwrap_or_else(|| "ALL".to_owned())),
            ..filter.clone()
        };
        self.prepare(&filter)?;
        self.read(|work| work.queue_page(actor, "run", &filter, ask, None))
    }
}

/// The name of a list, for which its cursors are valid.
pub(super) fn list_name(name: &str, filter: &impl Serialize, ask: &PageAsk) -> String {
    let filter = serde_json::to_string(filter).unwrap_or_default();
    format!("{name}:{filter}:{:?}", ask.sort)
}

/// Refuses filters that would reveal the machine's reason for blind samples.
fn refuse_to_narrow_samples(filter: &QueueFilter) -> Result<(), Refusal> {
    let revealing = [
        ("status", filter.status.is_some()),
        ("signature", filter.signature.is_some()),
        ("reason_code", filter.reason_code.is_some()),
        ("min_confidence", filter.min_confidence.is_some()),
        ("max_confidence", filter.max_confidence.is_some()),
        ("q", filter.q.is_some()),
        ("present_reason", filter.present_reason.is_some()),
        ("functional", filter.functional.is_some()),
        ("by_people", filter.by_people.is_some()),
        ("monetary_field", filter.monetary_field.is_some()),
        ("currency", filter.currency.is_some()),
        ("no_currency", filter.no_currency.is_some()),
    ];
    match revealing.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(invalid(name, "can't narrow blind samples")),
        None => Ok(()),
    }
}

const fn is_by_suggestion(filter: &QueueFilter) -> bool {
    filter.signature.is_some()
        || filter.reason_code.is_some()
        || filter.min_confidence.is_some()
        || filter.max_confidence.is_some()
        || filter.present_reason.is_some()
        || filter.functional.is_some()
}

/// Refuses an order that would reveal hidden values.
pub(super) fn may_sort(
    wanted: &Wanted,
    filter: &QueueFilter,
    sort: QueueSort,
) -> Result<(), Refusal> {
    let amounts = matches!(sort, QueueSort::Amount | QueueSort::AtRisk);
    if amounts {
        refuse_amounts(wanted, filter, "sort")?;
    }
    let by_confidence = sort == QueueSort::ConfidenceDescending;
    let by_amount = amounts && wanted.by_suggestion;
    if wanted.blind > 0.0 && wanted.has_undecided() && (by_confidence || by_amount) {
        return Err(Refusal::new(
            Code::SuggestionsHidden,
            "some suggestions are hidden until the maker has chosen: this order would tell them",
        )
        .with("sort", "would tell hidden suggestions"));
    }
    Ok(())
}

/// Refuses to filter or order by amounts some of which the person may not see.
fn refuse_amounts(wanted: &Wanted, filter: &QueueFilter, name: &str) -> Result<(), Refusal> {
    let hidden = wanted.runs.iter().any(|run| match filter.field_name.as_deref() {
        Some(field) if run.layout.position(field).is_some() => wanted.visible.hides(field),
        _ => wanted.visible.hides_amounts(&run.layout),
    });
    if hidden {
        return Err(Refusal::new(
            Code::MaskedField,
            "the amounts are those of a masked field, which needs a grant",
        )
        .with(name, "asks for what you may not see"));
    }
    Ok(())
}

fn invalid(field: &str, detail: &str) -> Refusal {
    Refusal::new(Code::InvalidFilter, format!("{field}: {detail}")).with(field, detail)
}

/// Position of an item in an order: a value, then its key.
pub(super) type Rank = (f64, ItemKey);

/// Puts a place among the first ones, if it is one of them.
pub(super) fn keep_first(first: &mut Vec<Rank>, place: Rank, most: usize) {
    let compare = |left: &Rank, right: &Rank| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1));
    if first.len() < most || first.last().is_some_and(|last| compare(last, &place).is_gt()) {
        let at = first.partition_point(|other| compare(other, &place).is_lt());
        first.insert(at, place);
        first.truncate(most);
    }
}

impl Wanted {
    pub fn has_undecided(&self) -> bool {
        self.query.status.is_none_or(|status| status == Status::Unknown)
    }

    /// Position of an item in its group: undecided ones are listed by rising confidence.
    pub fn place(&self, item: &HeldItem) -> Rank {
        (if self.query.waits() { item.confidence } else { 0.0 }, item.key)
    }

    /// Of these items of the filter, the first ones of each signature.
    pub fn first_of_each(&self, items: &FoundItems, most: usize) -> Examples {
        let mut first: ByKind<Vec<Rank>> = ByKind::default();
        items.each(|item| {
            keep_first(first.of((0, item.signature_id)), self.place(item), most);
        });
        let keys = |own: Vec<Rank>| own.into_iter().map(|(_, key)| key).collect();
        first.sorted().into_iter().map(|((_, signature), own)| (signature, keys(own))).collect()
    }

    fn push(&mut self, condition: Condition) {
        self.query.conditions.push(condition);
    }

    /// The runs grouped by a property.
    fn by_runs<T: Ord>(&self, of: impl Fn(&Run) -> Option<T>) -> Vec<(Vec<i64>, T)> {
        let mut all: BTreeMap<T, Vec<i64>> = BTreeMap::new();
        for run in &self.runs {
            if let Some(same) = of(run) {
                all.entry(same).or_default().push(run.run_no);
            }
        }
        all.into_iter().map(|(same, runs)| (runs, same)).collect()
    }

    fn order(&self, sort: QueueSort) -> ItemOrder {
        let blind = self.blind > 0.0;
        match sort {
            QueueSort::Confidence | QueueSort::ConfidenceDescending if blind => ItemOrder::Number,
            // The default of lists that are not of undecided items.
            QueueSort::Confidence if self.query.status != Some(Status::Unknown) => {
                ItemOrder::Number
            }
            QueueSort::Confidence => ItemOrder::Confidence,
            QueueSort::ConfidenceDescending => ItemOrder::HighestConfidence,
            QueueSort::Amount => ItemOrder::Amount,
            QueueSort::AtRisk => ItemOrder::AtRisk,
            QueueSort::Severity if blind => ItemOrder::SeverityAndNumber,
            QueueSort::Severity => ItemOrder::Severity,
            QueueSort::Age => ItemOrder::Age,
            // `teaches` ranks undecided items, and is not used in searches.
            QueueSort::Teaches => ItemOrder::Number,
        }
    }
}

impl Work<'_> {
    /// The runs whose items the queue has, newest date first.
    pub fn run_choices(&mut self) -> Result<Vec<RunChoice>, Problem> {
        let choice = |run: &Rc<Run>| RunChoice {
            run_id: run.run_id.clone(),
            job: run.job.clone(),
            batch_date: run.batch_date.clone(),
        };
        let mut runs: Vec<RunChoice> = self.tables.current_runs()?.iter().map(choice).collect();
        runs.sort_by(|left, right| {
            (&right.batch_date, &left.job).cmp(&(&left.batch_date, &right.job))
        });
        Ok(runs)
    }

    /// A page of a list; without `sort` in the order of numbers.
    pub fn queue_page(
        &mut self,
        actor: &Actor,
        name: &str,
        filter: &QueueFilter,
        ask: &PageAsk,
        sort: Option<QueueSort>,
    ) -> Result<Page<ReviewItem>, Refusal> {
        let limit = page::limit(ask)?;
        let list = list_name(name, filter, ask);
        let at: Option<Position> = page::position(ask, &list, actor)?;
        let mut wanted = self.wanted(actor, filter)?;
        if sort == Some(QueueSort::AtRisk) {
            wanted.query.chances = self.chances()?;
        }
        let (keys, next) = match sort {
            Some(sort) => {
                may_sort(&wanted, filter, sort)?;
                self.page_of(&wanted, sort, at, limit)?
            }
            None => self.page_in_order(&wanted, ItemOrder::Number, at, limit)?,
        };
        let total = if ask.count { self.count(&wanted)? } else { None };
        let items = self.in_order(&keys)?;
        let mut items = self.views(actor, items)?;
        if sort == Some(QueueSort::Teaches) {
            self.count_alike(&mut items)?;
        }
        Ok(Page { items, next: next.map(|at| page::cursor(&at, &list, actor)), total })
    }

    /// Resolves a filter; refuses contradictory ones.
    pub fn wanted(&mut self, actor: &Actor, filter: &QueueFilter) -> Result<Wanted, Refusal> {
        let status = match filter.status.as_deref() {
            None => Some(Status::Unknown),
            Some("ALL") => None,
            Some(name) => Some(Status::from_name(name).ok_or_else(|| {
                invalid("status", "is UNKNOWN, PENDING, ACCEPTED, REJECTED or ALL")
            })?),
        };
        let (mut runs, some_runs) = self.runs_of(filter)?;
        let samples = filter.kind == Some(ItemKind::AuditSample);
        // A list of one run has all its differences.
        let with_later = match (&filter.run_id, runs.as_slice()) {
            (Some(_), [run]) => !self.tables.is_newest(run.run_no)?,
            _ => false,
        };
        if status == Some(Status::Unknown) && !samples && filter.run_id.is_none() {
            // Most dates of a long history have nothing to decide any more.
            let undecided = self.tables.undecided_runs()?;
            runs.retain(|run| undecided.contains(&run.run_no));
        }
        let by_suggestion = is_by_suggestion(filter);
        let blind = self.policy.blind_suggestions;
        let mut wanted = Wanted {
            query: ItemQuery {
                status,
                runs: runs.iter().map(|run| run.run_no).collect(),
                some_runs,
                signatures: self.signatures_of(filter)?,
                samples,
                with_later,
                without_blind: (by_suggestion && blind > 0.0).then_some(blind),
                ..ItemQuery::default()
            },
            runs,
            text: filter.q.as_deref().map(str::trim).filter(|q| !q.is_empty()).map(str::to_owned),
            by_suggestion,
            blind,
            visible: self.visibility(actor),
        };
        if wanted.query.samples {
            refuse_to_narrow_samples(filter)?;
            wanted.query.status = Some(Status::Accepted);
        }
        if wanted.text.as_deref().is_some_and(|text| text.chars().count() > 200) {
            return Err(invalid("q", "has at most 200 characters"));
        }
        if let Some(name) = &filter.severity {
            // The signatures that were chosen have it, and their items are counted.
            Severity::from_name(name)
                .ok_or_else(|| invalid("severity", "is LOW, MEDIUM, HIGH or CRITICAL"))?;
        }
        let bounds = [
            (
                "min_confidence",
                filter.min_confidence,
                1.0,
                Condition::MinConfidence as fn(f64) -> _,
            ),
            ("max_confidence", filter.max_confidence, 1.0, Condition::MaxConfidence),
            ("min_amount", filter.min_amount, f64::MAX, Condition::MinAmount),
            ("max_amount", filter.max_amount, f64::MAX, Condition::MaxAmount),
        ];
        for (name, bound, most, condition) in bounds {
            let Some(bound) = bound else { continue };
            if !(0.0..=most).contains(&bound) {
                return Err(invalid(name, "is out of range"));
            }
            if name.ends_with("amount") {
                refuse_amounts(&wanted, filter, name)?;
            }
            wanted.push(condition(bound));
        }
        let assignee = filter.assignee.as_deref().map(|assignee| match assignee {
            "none" => Condition::Unassigned,
            "me" => Condition::AssignedTo(actor.person_id.clone()),
            person => Condition::AssignedTo(person.to_owned()),
        });
        let more = [
            filter.present_reason.clone().map(Condition::Reason),
            filter.functional.map(Condition::Functional),
            // People's decisions are locked, automatic acceptances are not.
            filter.by_people.map(Condition::Locked),
            assignee,
            filter.sent_back.map(Condition::SentBack),
        ];
        wanted.query.conditions.extend(more.into_iter().flatten());
        if by_suggestion {
            wanted.query.keep_samples_out();
        }
        self.narrow_by_money(&mut wanted, filter)?;
        if let Some(which) = filter.sla {
            let condition = self.in_time(&wanted.runs, which)?;
            wanted.push(condition);
        }
        Ok(wanted)
    }

    /// Narrows by the monetary field and the currency.
    fn narrow_by_money(
        &mut self,
        wanted: &mut Wanted,
        filter: &QueueFilter,
    ) -> Result<(), Refusal> {
        let currency_field = self.policy.currency_field.as_deref();
        let hides = |name: Option<&str>| name.is_some_and(|name| wanted.visible.hides(name));
        let no_currency = filter.no_currency == Some(true);
        if no_currency && filter.currency.is_some() {
            return Err(invalid("no_currency", "contradicts `currency`"));
        }
        if filter.currency.is_some() || no_currency {
            let is_hidden = hides(currency_field)
                || wanted.runs.iter().any(|run| {
                    let at = run.money.currency;
                    hides(at.and_then(|at| run.layout.fields().get(at)).map(|field| &*field.name))
                });
            if is_hidden {
                let name = if no_currency { "no_currency" } else { "currency" };
                return Err(Refusal::new(
                    Code::MaskedField,
                    "the currency is a masked field, which needs a grant",
                )
                .with(name, "asks for what you may not see"));
            }
        }
        if filter.monetary_field.is_some() || no_currency {
            // The list tells which records have an amount.
            let is_hidden = match filter.monetary_field.as_deref() {
                Some(field) => wanted.visible.hides(field),
                None => wanted.runs.iter().any(|run| wanted.visible.hides_amounts(&run.layout)),
            };
            if is_hidden {
                let name =
                    filter.monetary_field.as_ref().map_or("no_currency", |_| "monetary_field");
                return Err(Refusal::new(
                    Code::MaskedField,
                    "the amounts are those of a masked field, which needs a grant",
                )
                .with(name, "asks for what you may not see"));
            }
            let currency = match filter.currency.as_deref() {
                Some(currency) => InCurrency::This(currency),
                None if no_currency => InCurrency::None,
                None => InCurrency::Any,
            };
            let field = filter.monetary_field.as_deref();
            let mut moved = Vec::with_capacity(wanted.runs.len());
            for run in &wanted.runs {
                moved.push((run.run_no, self.tables.moved(run, field, currency)?));
            }
            wanted.push(Condition::Moves(moved));
        } else if let Some(currency) = &filter.currency {
            let name =
                currency_field.ok_or_else(|| invalid("currency", "no field says the currency"))?;
            let places = wanted.by_runs(|run| run.layout.position(name));
            wanted.push(Condition::Holds(currency.clone(), places));
        }
        Ok(())
    }

    /// The runs that a filter chooses, and whether there are others with items.
    pub fn runs_of(&mut self, filter: &QueueFilter) -> Result<(Vec<Rc<Run>>, bool), Refusal> {
        let mut runs = match filter.run_id.as_deref() {
            None => self.tables.current_runs()?,
            Some(run_id) => {
                let run = self.tables.run_by_id(run_id)?;
                vec![run.ok_or_else(|| Refusal::new(Code::NoSuchRun, "there is no such run"))?]
            }
        };
        if let Some(job) = &filter.job {
            runs.retain(|run| run.job == *job);
        }
        let some_runs = filter.run_id.is_some()
            || filter.job.is_some()
            || usize::try_from(self.tables.count_attributed_runs()?) != Ok(runs.len());
        Ok((runs, some_runs))
    }

    /// The runs, severities and ages whose items are in time, nearly due, or overdue now.
    fn in_time(&self, runs: &[Rc<Run>], which: Sla) -> Result<Condition, Problem> {
        let deadlines = Deadlines::new(self, runs)?;
        type Since = (Option<i32>, Option<i32>);
        let mut arms: BTreeMap<(u8, Since), Vec<i64>> = BTreeMap::new();
        for ((severity, run_no), (overdue, due)) in deadlines.days {
            let since = match which {
                Sla::Overdue => (None, Some(overdue)),
                Sla::Due => (Some(overdue.saturating_add(1)), Some(due)),
                Sla::Ok => (Some(due.saturating_add(1)), None),
            };
            arms.entry((severity, since)).or_default().push(run_no);
        }
        let arms = arms.into_iter().filter_map(|((severity, since), runs)| {
            Some(Aged { severity: Severity::from_code(severity)?, runs, since })
        });
        Ok(Condition::Aged(arms.collect()))
    }

    /// The signatures that a filter selects; `None` if it does not narrow by their properties.
    fn signatures_of(&mut self, filter: &QueueFilter) -> Result<Option<Vec<i64>>, Refusal> {
        let chosen = match filter.signature.as_deref() {
            None => None,
            Some(id) => {
                Some(id.parse::<i64>().map_err(|_| invalid("signature", "is the id of a group"))?)
            }
        };
        if chosen.is_none()
            && filter.field_name.is_none()
            && filter.diff_type.is_none()
            && filter.reason_code.is_none()
            && filter.severity.is_none()
            && filter.job.is_none()
        {
            return Ok(None);
        }
        let fits = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        let all = self.tables.signatures()?;
        let fits = |signature: &&Rc<Signature>| {
            chosen.is_none_or(|chosen| signature.signature_id == chosen)
                && fits(&filter.field_name, &signature.field)
                && fits(&filter.diff_type, &signature.diff_type)
                && fits(&filter.reason_code, &signature.reason)
                && fits(&filter.severity, &signature.severity)
                && fits(&filter.job, &signature.job)
        };
        Ok(Some(all.iter().filter(fits).map(|signature| signature.signature_id).collect()))
    }

    /// The items of these keys, in this order.
    pub fn in_order(&mut self, keys: &[ItemKey]) -> Result<Vec<Item>, Problem> {
        let items = self.tables.items(keys, false)?;
        let mut items: std::collections::HashMap<ItemKey, Item> =
            items.into_iter().map(|item| (item.key, item)).collect();
        Ok(keys.iter().filter_map(|key| items.remove(key)).collect())
    }

    pub fn page_of(
        &mut self,
        wanted: &Wanted,
        sort: QueueSort,
        at: Option<Position>,
        limit: usize,
    ) -> Result<(Vec<ItemKey>, Option<Position>), Problem> {
        if sort == QueueSort::Teaches
            && wanted.text.is_none()
            && wanted.query.waits()
            && !wanted.query.samples
        {
            return Ok((self.teaching(wanted, limit)?, None));
        }
        self.page_in_order(wanted, wanted.order(sort), at, limit)
    }

    fn page_in_order(
        &mut self,
        wanted: &Wanted,
        order: ItemOrder,
        at: Option<Position>,
        limit: usize,
    ) -> Result<(Vec<ItemKey>, Option<Position>), Problem> {
        if wanted.text.is_some() && !wanted.query.samples {
            return self.searched(wanted, at, limit);
        }
        self.tables.page(&wanted.query, order, at, limit)
    }

    /// Number of matching items; `None` if it would reveal hidden suggestions, or if a search finds too many records
    /// to count.
    fn count(&mut self, wanted: &Wanted) -> Result<Option<u64>, Problem> {
        if wanted.query.without_blind.is_some() && wanted.has_undecided() {
            return Ok(None);
        }
        if wanted.text.is_some() {
            let hits = self.hits(wanted)?;
            return Ok((!hits.more).then_some(hits.items.len() as u64));
        }
        let query = &wanted.query;
        if query.conditions.is_empty() && !query.samples && !query.with_later {
            return Ok(Some(self.tables.counts(query)?.iter().map(|one| one.items).sum()));
        }
        self.tables.count(query).map(Some)
    }

    /// The first items of a group.
    pub fn first_of(
        &mut self,
        wanted: &Wanted,
        signature_id: i64,
        most: usize,
    ) -> Result<Vec<ItemKey>, Problem> {
        let query = ItemQuery {
            without_blind: (wanted.blind > 0.0).then_some(wanted.blind),
            ..wanted.query.of_signature(signature_id)
        };
        let (text, visible) = (wanted.text.clone(), wanted.visible.clone());
        let group =
            Wanted { query, runs: Vec::new(), text, by_suggestion: true, visible, ..*wanted };
        Ok(self.page_of(&group, QueueSort::Confidence, None, most)?.0)
    }

    /// Every item that matches; more than `most` are refused.
    pub fn all_of(&mut self, wanted: &Wanted, most: usize) -> Result<Vec<ItemKey>, Refusal> {
        let mut keys = Vec::new();
        let mut at = None;
        loop {
            let (found, next) = self.page_of(wanted, QueueSort::Confidence, at, 2_000)?;
            keys.extend(found);
            if keys.len() > most {
                return Err(Refusal::new(
                    Code::TooManyItems,
                    format!("a bulk has at most {most} items: narrow the filter"),
                ));
            }
            let Some(next) = next else { return Ok(keys) };
            at = Some(next);
        }
    }
}
