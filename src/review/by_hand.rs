//! Matching by hand: rows without a partner that belong together, as people say. A match is a proposal about the
//! missing and surplus records of both sides; once it is settled, its items name it. Taking a match apart is a
//! proposal, too.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::diagnostic::{Code, Problem};
use crate::domain::review::trigger::{self, Decided};
use crate::domain::review::{Action, Eyes, Permission, ProposalKind, ProposalState, Stage, state};
use crate::domain::{Decimal, DiffType, Kind, Side, Status};
use crate::store::audit::Entry;
use crate::store::review::{Before, Item, ItemKey, Proposal, ProposalItem, Reason, Record, Run};

use super::actor::Actor;
use super::filter::{QueueFilter, QueueSort};
use super::proposal::{Draft, Weighed};
use super::propose::{refused, superseded};
use super::queue::Wanted;
use super::refusal::Refusal;
use super::requests::MatchRows;
use super::responses::{
    MASKED, MatchCandidate, MatchCandidates, MatchPreview, MatchSum, MatchView, ProposalMoved,
};
use super::work::{State, Work, checked_comment};
use super::{CommandResult, QueryResult, Review};

/// The most rows of a match.
const MOST: usize = 200;
/// Open rows among which the nearest are looked for.
const NEAR: usize = 200;

/// The payload of a proposal about a match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Joint {
    /// Its items belong together.
    Match { rows_a: usize, rows_b: usize },
    /// The items of this match do not.
    Unmatch { match_id: String },
}

impl Joint {
    fn payload(&self) -> Result<String, Problem> {
        serde_json::to_string(self).map_err(|error| {
            Problem::new(Code::AnswerUnwritable, format!("a match is no JSON: {error}"))
        })
    }

    pub fn of(kind: ProposalKind, payload: Option<&str>) -> Option<Self> {
        kind.has_items().then(|| serde_json::from_str(payload?).ok()).flatten()
    }

    /// As `action_type` of the maker's audit rows.
    pub const fn action_type(&self) -> &'static str {
        match self {
            Self::Match { .. } => "MATCH",
            Self::Unmatch { .. } => "UNMATCH",
        }
    }
}

impl Proposal {
    pub(super) fn joint(&self) -> Option<Joint> {
        Joint::of(self.kind, self.payload.as_deref())
    }
}

/// The side that has the row of a missing or surplus record.
fn side_of(item: &Item) -> Option<Side> {
    match item.diff_type {
        DiffType::MissingInSourceB | DiffType::DuplicateInSourceA => Some(Side::A),
        DiffType::MissingInSourceA | DiffType::DuplicateInSourceB => Some(Side::B),
        _ => None,
    }
}

fn unmatchable(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::UnmatchableRows, message)
}

/// True if only the machine has settled the item: users may still match it.
fn is_machines(item: &Item) -> bool {
    item.status == Status::Accepted && !item.locked && !item.by_person && !item.is_sample()
}

impl Review<'_> {
    /// Open rows of the other side that an open row may be matched with, the likeliest first.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn match_candidates(
        &self,
        actor: &Actor,
        attribution_id: &str,
        q: Option<&str>,
        limit: Option<u32>,
    ) -> QueryResult<MatchCandidates> {
        actor.must(Permission::View)?;
        let q = q.map(str::trim).filter(|q| !q.is_empty());
        let ready = self.prepare(&QueueFilter {
            q: Some(q.unwrap_or("any").to_owned()),
            ..QueueFilter::default()
        });
        if q.is_some() {
            ready?;
        }
        let limit = usize::try_from(limit.unwrap_or(50).clamp(1, 200)).unwrap_or(50);
        self.read(|work| work.match_candidates(actor, attribution_id, q, limit))
    }

    /// Previews a match of these rows: both sums and their difference for each currency.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn match_preview(&self, actor: &Actor, ids: &[String]) -> QueryResult<MatchPreview> {
        actor.must(Permission::View)?;
        self.read(|work| work.match_preview(actor, ids))
    }

    /// The amounts of each of these rows.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn match_amounts(
        &self,
        actor: &Actor,
        ids: &[&str],
    ) -> QueryResult<BTreeMap<String, Vec<MatchSum>>> {
        actor.must(Permission::View)?;
        self.read(|work| {
            let mut amounts = BTreeMap::new();
            for id in ids {
                let item = work.item(id, false)?;
                amounts.insert((*id).to_owned(), work.match_sums(actor, &[item])?);
            }
            Ok(amounts)
        })
    }

    /// Proposes that rows of both sides belong together.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed.
    pub fn match_rows(&self, actor: &Actor, ask: &MatchRows) -> CommandResult<ProposalMoved> {
        self.write(actor, |work| work.match_rows(actor, ask))
    }

    /// Proposes that the rows of a match do not belong together.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed.
    pub fn unmatch(
        &self,
        actor: &Actor,
        match_id: &str,
        comments: Option<&str>,
    ) -> CommandResult<ProposalMoved> {
        self.write(actor, |work| work.unmatch(actor, match_id, comments))
    }
}

impl Work<'_> {
    /// The reason of this code, if it is a cause that may be given.
    pub fn cause(&mut self, code: Option<&str>) -> Result<Reason, Refusal> {
        let code = code.map(str::trim).filter(|code| !code.is_empty());
        let code = code.ok_or_else(|| {
            Refusal::new(Code::ReasonCodeRequired, "say which cause explains the match")
                .with("reason_code", "is missing")
        })?;
        let reason = self.tables.reason_by_code(code)?;
        reason
            .filter(|reason| reason.active && state::is_cause(&reason.code))
            .ok_or_else(|| refused(Code::InvalidReasonCode))
    }

    /// The rows of these ids, each of which may be matched, and the side of each.
    fn rows(&mut self, ids: &[String], lock: bool) -> Result<Vec<(Side, Item)>, Refusal> {
        if ids.len() > MOST {
            return Err(Refusal::new(
                Code::TooManyItems,
                format!("a match has at most {MOST} rows"),
            ));
        }
        let keys = self.keys(ids.iter().map(String::as_str))?;
        let wanted = keys.iter().collect::<BTreeSet<_>>().len();
        let items = self.tables.items(&keys, lock)?;
        if items.len() != wanted {
            return Err(Refusal::new(Code::NoSuchItem, "Attribution record not found"));
        }
        let mut rows = Vec::with_capacity(items.len());
        let mut job: Option<String> = None;
        for item in items {
            let run = self.tables.run(item.key.run_no)?;
            let id = run.attribution_id(item.key);
            let side = side_of(&item).ok_or_else(|| {
                unmatchable("only rows without a partner can be matched by hand")
                    .with(id.as_str(), "has a partner")
            })?;
            if *job.get_or_insert_with(|| run.job.clone()) != run.job {
                return Err(unmatchable("rows of two jobs can't be matched"));
            }
            if is_machines(&item) || item.status == Status::Unknown {
                // A preview locks nothing.
                let current = match lock {
                    true => self.tables.stays_current(item.key.run_no)?,
                    false => self.tables.is_current_run(item.key.run_no)?,
                };
                if !current {
                    return Err(superseded());
                }
                self.is_last(&item)?;
            } else {
                self.undecided(&item).map_err(|refusal| {
                    let why = refusal.message.clone();
                    refusal.with(id, why)
                })?;
            }
            rows.push((side, item));
        }
        Ok(rows)
    }

    fn match_preview(&mut self, actor: &Actor, ids: &[String]) -> Result<MatchPreview, Refusal> {
        let rows = self.rows(ids, false)?;
        let items: Vec<Item> = rows.iter().map(|(_, item)| item.clone()).collect();
        let weighed = self.weigh(items.clone())?;
        let triggers = self.triggers(DECIDED, &weighed, &actor.person_id, None)?;
        let eyes = trigger::eyes(&self.policy, DECIDED, &triggers, false);
        let visible = self.visibility(actor);
        let mut hidden = false;
        for (_, item) in &rows {
            let run = self.tables.run(item.key.run_no)?;
            hidden |= visible.hides_amount(&run, item.key.field());
        }
        let may_not_propose = both_sides(&rows).err().map(|refusal| refusal.message);
        let sums = self.match_sums(actor, &items)?;
        let views = self.views(actor, items)?;
        let (mut rows_a, mut rows_b) = (Vec::new(), Vec::new());
        for ((side, _), view) in rows.iter().zip(views) {
            match side {
                Side::A => rows_a.push(view),
                Side::B => rows_b.push(view),
            }
        }
        Ok(MatchPreview {
            rows_a,
            rows_b,
            sums,
            eyes,
            triggers: visible.triggers(hidden, triggers),
            may_not_propose,
            what_next: match eyes {
                _ if self.solo => "It takes effect at once: one person decides alone here.",
                Eyes::Six => "It needs 6 eyes: a checker and an authorizer other than you.",
                Eyes::Four | Eyes::Two => "It needs 4 eyes: a checker other than you.",
            }
            .to_owned(),
        })
    }

    fn match_rows(&mut self, actor: &Actor, ask: &MatchRows) -> Result<ProposalMoved, Refusal> {
        actor.must(Permission::Propose)?;
        let reason = self.cause(ask.reason_code.as_deref())?;
        let comments = checked_comment(ask.comments.as_deref(), true)?;
        let rows = self.rows(&ask.ids, true)?;
        let (rows_a, rows_b) = both_sides(&rows)?;
        let systems = match rows.first() {
            Some((_, item)) => self.tables.run(item.key.run_no)?.systems.clone(),
            None => Default::default(),
        };
        let [a, b] = &systems;
        let count =
            |rows: usize| if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
        let draft = Draft {
            kind: ProposalKind::Bulk,
            action: Some(Action::Override),
            reason: Some(reason),
            payload: Some(Joint::Match { rows_a, rows_b }.payload()?),
            comments,
            items: rows.into_iter().map(|(_, item)| item).collect(),
            label: Some(format!("{} of {a} with {} of {b}", count(rows_a), count(rows_b))),
        };
        let (proposal, _) = self.open(actor, draft)?;
        Ok(self.moved(actor, &proposal)?)
    }

    fn unmatch(
        &mut self,
        actor: &Actor,
        match_id: &str,
        comments: Option<&str>,
    ) -> Result<ProposalMoved, Refusal> {
        actor.must(Permission::Propose)?;
        let comments = checked_comment(comments, true)?;
        let matched = self.proposal(match_id, false)?;
        let is_match = matches!(matched.joint(), Some(Joint::Match { .. }));
        if !is_match || matched.state != ProposalState::Applied {
            return Err(Refusal::new(Code::NoSuchProposal, "there is no such match"));
        }
        let keys = self.rows_of_match(match_id, true)?;
        let items = self.tables.items(&keys, true)?;
        if items.is_empty() {
            return Err(Refusal::new(
                Code::InvalidTransition,
                "the match is no longer in force: no row of a current run is matched by it",
            ));
        }
        for item in &items {
            match item.status {
                Status::Pending => return Err(self.already_pending(item)?),
                _ => self.refuse_solo_reopen(item)?,
            }
        }
        let draft = Draft {
            kind: ProposalKind::Reopen,
            action: None,
            reason: None,
            payload: Some(Joint::Unmatch { match_id: match_id.to_owned() }.payload()?),
            comments,
            items,
            label: Some(matched.label),
        };
        let (proposal, _) = self.open(actor, draft)?;
        Ok(self.moved(actor, &proposal)?)
    }

    /// The items of a match that belong to current runs.
    fn rows_of_match(&mut self, match_id: &str, lock: bool) -> Result<Vec<ItemKey>, Problem> {
        let mut keys = Vec::new();
        for key in self.tables.items_of_match(match_id)? {
            let current = match lock {
                true => self.tables.stays_current(key.run_no)?,
                false => self.tables.is_current_run(key.run_no)?,
            };
            if current {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    /// The match that an item is of, with its rows.
    pub fn match_view(&mut self, actor: &Actor, item: &Item) -> Result<Option<MatchView>, Problem> {
        let Some(match_id) = self.tables.match_of(item.key)? else { return Ok(None) };
        let keys = self.rows_of_match(&match_id, false)?;
        let mut items = Vec::new();
        for one in self.tables.items(&keys, false)? {
            // A row that is still there on a later date is shown once.
            if one.key.run_no == item.key.run_no || self.tables.goes_on_at(&one)?.is_none() {
                items.push(one);
            }
        }
        Ok(Some(MatchView {
            sums: self.match_sums(actor, &items)?,
            rows: self.views(actor, items)?,
            match_id,
        }))
    }

    /// Takes a match apart: each item gets its earlier state back.
    pub fn take_apart(
        &mut self,
        stage: Stage,
        proposal: &Proposal,
        match_id: &str,
        members: &[ProposalItem],
        weighed: &[Weighed],
        comments: Option<&str>,
    ) -> Result<Vec<Entry>, Refusal> {
        let mut entries = Vec::with_capacity(members.len());
        for (member, one) in members.iter().zip(weighed) {
            let before = self.state(&one.item)?;
            let had = self.before_match(one.item.key, match_id)?;
            self.tables.reinstate(&one.item, &had)?;
            let after = State {
                status: had.status.name(),
                reason_code: self
                    .tables
                    .reason(had.reason_id)?
                    .map_or_else(String::new, |reason| reason.code),
                confidence: had.confidence,
                locked: false,
                version: before.version + 1,
                assigned_by: had.assigned_by,
                functional: had.functional,
                assigned_at: had.assigned_at,
            };
            let action_type = if stage == Stage::Maker { "APPLY" } else { "APPROVE" };
            entries.push(self.entry(
                stage,
                action_type,
                &member.attribution_id,
                &proposal.moment(),
                &before,
                &after,
                comments,
                serde_json::json!({
                    "proposal_state": proposal.state.name(),
                    "unmatched": match_id,
                    "item": member.facts,
                }),
            ));
        }
        self.tables.delete_match(match_id)?;
        self.tables.forget_sent_back(&proposal.proposal_id)?;
        Ok(entries)
    }

    /// An item's state before a match settled it, or before that decision was carried to its run.
    fn before_match(&mut self, key: ItemKey, match_id: &str) -> Result<Before, Problem> {
        let text =
            |value: &Json, at: &str| value.pointer(at).and_then(Json::as_str).map(str::to_owned);
        for row in self.tables.history(key, None, 1_000)? {
            let (Some(before), Some(after)) = (row.previous_value, row.new_value) else { continue };
            let carried = text(&after, "/carried_from/proposal_id");
            let is_it = carried.as_deref() == Some(match_id)
                || (row.proposal_id.as_deref() == Some(match_id)
                    && text(&before, "/status").as_deref() != Some(Status::Pending.name()));
            let status = text(&before, "/status").and_then(|name| Status::from_name(&name));
            let reason = match text(&before, "/reason_code") {
                Some(code) => self.tables.reason_by_code(&code)?,
                None => None,
            };
            if let (true, Some(status), Some(reason)) = (is_it, status, reason) {
                return Ok(Before {
                    status,
                    reason_id: reason.reason_id,
                    functional: before.pointer("/functional").and_then(Json::as_bool),
                    confidence: before
                        .pointer("/confidence")
                        .and_then(Json::as_f64)
                        .unwrap_or_default(),
                    assigned_by: text(&before, "/assigned_by"),
                    assigned_at: text(&before, "/assigned_at"),
                });
            }
        }
        Err(Problem::new(
            Code::StoreDamaged,
            format!("the audit trail does not say what an item was before the match {match_id}"),
        ))
    }

    /// Both sides' sums of the amounts of rows, and how far apart they are, for each field and currency.
    pub fn match_sums(&mut self, actor: &Actor, items: &[Item]) -> Result<Vec<MatchSum>, Problem> {
        type Sum = Option<Decimal>;
        type FieldAndCurrency = (String, Option<String>);
        let keys: Vec<ItemKey> = items.iter().map(|item| item.key).collect();
        let records = self.tables.records(&keys)?;
        let visible = self.visibility(actor);
        let mut sums: Vec<(FieldAndCurrency, [Sum; 2])> = Vec::new();
        for item in items {
            let (Some(side), Some(record)) =
                (side_of(item), records.get(&(item.key.run_no, item.key.record())))
            else {
                continue;
            };
            let run = self.tables.run(item.key.run_no)?;
            let currency = self.currency_of(&run, record);
            for (field, amount) in amounts(&run, record, side) {
                let at = (field, currency.clone());
                let place = match sums.iter().position(|(known, _)| *known == at) {
                    Some(place) => place,
                    None => {
                        sums.push((at, [Some(Decimal::ZERO); 2]));
                        sums.len() - 1
                    }
                };
                let own = usize::from(side == Side::B);
                if let Some(sum) = sums.get_mut(place).and_then(|(_, sides)| sides.get_mut(own)) {
                    *sum = sum.and_then(|sum| sum.checked_sub(amount.negated()));
                }
            }
        }
        Ok(sums
            .into_iter()
            .map(|((field, currency), [a, b])| {
                let shown = |sum: Sum| match sum {
                    _ if visible.hides(&field) => MASKED.to_owned(),
                    Some(sum) => sum.to_string(),
                    None => "beyond 38 digits".to_owned(),
                };
                let difference = a.zip(b).and_then(|(a, b)| b.checked_sub(a));
                MatchSum {
                    a: shown(a),
                    b: shown(b),
                    difference: shown(difference),
                    currency: visible.currency(currency),
                    field,
                }
            })
            .collect())
    }

    /// The currency of a record's amounts: from the policy's field, else from a field with such a name.
    fn currency_of(&self, run: &Run, record: &Record) -> Option<String> {
        let named = self.policy.currency_field.clone().or_else(|| {
            let names = run.layout.fields().iter().map(|field| field.name.as_str());
            let is_currency =
                |name: &&str| ["currency", "ccy"].contains(&name.to_lowercase().as_str());
            names.into_iter().find(is_currency).map(str::to_owned)
        })?;
        record.text(&run.layout, &named)
    }

    fn match_candidates(
        &mut self,
        actor: &Actor,
        attribution_id: &str,
        q: Option<&str>,
        limit: usize,
    ) -> Result<MatchCandidates, Refusal> {
        let item = self.item(attribution_id, false)?;
        let side = side_of(&item)
            .ok_or_else(|| unmatchable("only rows without a partner can be matched by hand"))?;
        let run = self.tables.run(item.key.run_no)?;
        let records = self.tables.records(&[item.key])?;
        let nothing = Record::default();
        let record = records.get(&(item.key.run_no, item.key.record())).unwrap_or(&nothing);
        let mut found: Vec<(Item, Option<String>)> = Vec::new();
        let mut more = false;
        if q.is_none() {
            found.extend(self.known_candidates(actor, &run, record, side)?);
        }
        let undecided =
            QueueFilter { status: q.map(|_| "ALL".to_owned()), ..QueueFilter::default() };
        // If the other side has no undecided items, those that the machine settled in this run are offered.
        let settled = QueueFilter {
            status: Some("ALL".to_owned()),
            run_id: Some(run.run_id.clone()),
            ..QueueFilter::default()
        };
        for filter in [undecided, settled] {
            let wanted = self.other_side(actor, &run, side, filter, q)?;
            let most = if q.is_some() { limit } else { NEAR };
            let (keys, next) = self.page_of(&wanted, QueueSort::Age, None, most)?;
            more |= next.is_some();
            let mut rest = self.in_order(&keys)?;
            let known: Vec<ItemKey> = found.iter().map(|(item, _)| item.key).collect();
            // A break that goes on is matched at its newest date.
            let left = self.tables.have_left(&keys)?;
            rest.retain(|one| !known.contains(&one.key) && !left.contains(&one.key));
            if q.is_none() && !self.visibility(actor).hides_amounts(&run.layout) {
                rest = self.nearest_first(&run, record, side, rest)?;
            }
            found.extend(rest.into_iter().map(|item| (item, None)));
            if !found.is_empty() || q.is_some() {
                break;
            }
        }
        more |= found.len() > limit;
        found.truncate(limit);
        let (items, why): (Vec<Item>, Vec<Option<String>>) = found.into_iter().unzip();
        let views = self.views(actor, items)?;
        let items = views.into_iter().zip(why).map(|(item, why)| MatchCandidate { item, why });
        Ok(MatchCandidates { items: items.collect(), more })
    }

    /// The rows of the other side that may be matched: a filter of the queue, narrowed to them.
    fn other_side(
        &mut self,
        actor: &Actor,
        run: &Run,
        side: Side,
        filter: QueueFilter,
        q: Option<&str>,
    ) -> Result<Wanted, Refusal> {
        let filter = QueueFilter {
            job: Some(run.job.clone()),
            q: q.map(str::to_owned),
            // Items that people decided are not open.
            by_people: filter.status.is_some().then_some(false),
            ..filter
        };
        let mut wanted = self.wanted(actor, &filter)?;
        if filter.status.is_some() {
            wanted.query.keep_samples_out();
        }
        let types = match side {
            Side::A => [DiffType::MissingInSourceA, DiffType::DuplicateInSourceB],
            Side::B => [DiffType::MissingInSourceB, DiffType::DuplicateInSourceA],
        };
        let all = self.tables.signatures()?;
        let of_other = all.iter().filter(|one| {
            one.job == run.job && types.iter().any(|kind| kind.name() == one.diff_type)
        });
        wanted.query.signatures = Some(of_other.map(|one| one.signature_id).collect());
        Ok(wanted)
    }

    /// The open rows that the run's matching knew as candidates, and why each was not taken.
    fn known_candidates(
        &mut self,
        actor: &Actor,
        run: &Run,
        record: &Record,
        side: Side,
    ) -> Result<Vec<(Item, Option<String>)>, Refusal> {
        let candidates =
            record.matched.as_ref().map(|one| one.candidates.clone()).unwrap_or_default();
        if candidates.is_empty() || self.visibility(actor).hides_some(&run.layout) {
            return Ok(Vec::new());
        }
        let mut found: Vec<(Item, Option<String>)> = Vec::new();
        for candidate in candidates {
            for name in candidate.reference.split(" + ") {
                let filter = QueueFilter {
                    status: Some("ALL".to_owned()),
                    run_id: Some(run.run_id.clone()),
                    ..QueueFilter::default()
                };
                let wanted = self.other_side(actor, run, side, filter, Some(name))?;
                let (keys, _) = self.page_of(&wanted, QueueSort::Age, None, 20)?;
                let records = self.tables.records(&keys)?;
                for item in self.in_order(&keys)? {
                    let record = records.get(&(item.key.run_no, item.key.record()));
                    let is_it = record.is_some_and(|record| {
                        [0, 1]
                            .iter()
                            .any(|at| record.reference(*at, &run.layout).as_deref() == Some(name))
                    });
                    let known = found.iter().any(|(known, _)| known.key == item.key);
                    if is_it && !known {
                        found.push((item, Some(candidate.why.clone())));
                    }
                }
            }
        }
        Ok(found)
    }

    /// Rows of the other side, those first whose amounts are nearest to the row's.
    fn nearest_first(
        &mut self,
        run: &Run,
        record: &Record,
        side: Side,
        items: Vec<Item>,
    ) -> Result<Vec<Item>, Problem> {
        let own: HashMap<String, Decimal> = amounts(run, record, side).into_iter().collect();
        let currency = self.currency_of(run, record);
        let keys: Vec<ItemKey> = items.iter().map(|item| item.key).collect();
        let records = self.tables.records(&keys)?;
        let mut apart = Vec::with_capacity(items.len());
        for item in items {
            let other = self.tables.run(item.key.run_no)?;
            let distance = records.get(&(item.key.run_no, item.key.record())).and_then(|record| {
                if self.currency_of(&other, record) != currency {
                    return None;
                }
                let (field, amount) = amounts(&other, record, side.other()).into_iter().next()?;
                Some(amount.checked_sub(*own.get(&field)?)?.abs())
            });
            apart.push((distance, item));
        }
        apart.sort_by(|(left, _), (right, _)| match (left, right) {
            (Some(left), Some(right)) => left.cmp(right),
            (left, right) => right.is_some().cmp(&left.is_some()),
        });
        Ok(apart.into_iter().map(|(_, item)| item).collect())
    }
}

/// A match as triggers see it: it overrides no prediction of a cause.
pub(super) const DECIDED: Decided =
    Decided { kind: ProposalKind::Bulk, action: None, functional: None };

/// Number of rows of each side: a match needs both.
fn both_sides(rows: &[(Side, Item)]) -> Result<(usize, usize), Refusal> {
    let of = |side: Side| rows.iter().filter(|(own, _)| *own == side).count();
    match (of(Side::A), of(Side::B)) {
        (0, _) | (_, 0) => {
            Err(unmatchable("a match needs a row of each side: choose one of the other"))
        }
        both => Ok(both),
    }
}

/// The amounts of a side's row, by field: those of money, or else all decimals that are compared.
fn amounts(run: &Run, record: &Record, side: Side) -> Vec<(String, Decimal)> {
    let at = usize::from(side == Side::B);
    let Some(values) = record.sides.get(at).and_then(Option::as_ref) else { return Vec::new() };
    let fields = run.layout.fields().iter().enumerate();
    let is_amount = |at: usize, kind: Kind, compared: bool| {
        if run.monetary.is_empty() {
            compared && kind == Kind::Decimal && at >= run.layout.key_len()
        } else {
            run.monetary.contains(&at)
        }
    };
    fields
        .filter(|(at, field)| is_amount(*at, field.kind, field.compared))
        .filter_map(|(at, field)| {
            let text = match values.get(at)? {
                Json::String(text) => text.clone(),
                Json::Number(number) => number.to_string(),
                _ => return None,
            };
            Some((field.name.clone(), Decimal::parse(text.as_bytes()).ok()?))
        })
        .collect()
}
