//! Proposals as people see them: lists, details, and why a person may not approve.

use serde_json::Value as Json;

use crate::diagnostic::Problem;
use crate::domain::review::{Permission, ProposalState, Stage};
use crate::store::review::{ItemKey, Proposal, ProposalQuery};

use super::actor::Actor;
use super::proposal::permission_of;
use super::requests::{PageAsk, ProposalFilter, ProposalsFor};
use super::responses::{
    AmountSum, ApprovalView, Changed, Page, Prediction, ProposalDetail, ProposalStep, ProposalView,
    ReasonView,
};
use super::work::Work;
use super::{QueryResult, Refusal, Review, page};

impl Review<'_> {
    /// Proposals, oldest first while they are open, else newest first.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn proposals(
        &self,
        actor: &Actor,
        filter: &ProposalFilter,
        ask: &PageAsk,
    ) -> QueryResult<Page<ProposalView>> {
        actor.must(Permission::View)?;
        self.read(|work| {
            let limit = page::limit(ask)?;
            let list = format!("proposals:{}", serde_json::to_string(filter).unwrap_or_default());
            let at: Option<(String, String)> = page::position(ask, &list, actor)?;
            let Some(query) = query(actor, filter) else {
                return Ok(Page { items: Vec::new(), next: None, total: ask.count.then_some(0) });
            };
            let behind = at.as_ref().map(|(created, id)| (created.as_str(), id.as_str()));
            let mut found = work.tables.proposals(&query, behind, limit + 1)?;
            let more = found.len() > limit;
            found.truncate(limit);
            let next = found
                .last()
                .filter(|_| more)
                .map(|last| page::cursor(&(&last.created_at, &last.proposal_id), &list, actor));
            let total = if ask.count { Some(work.tables.count_proposals(&query)?) } else { None };
            let mut items = Vec::with_capacity(found.len());
            for proposal in found {
                items.push(work.proposal_view(actor, proposal)?);
            }
            Ok(Page { items, next, total })
        })
    }

    /// One proposal with a page of its items.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn proposal(
        &self,
        actor: &Actor,
        proposal_id: &str,
        ask: &PageAsk,
    ) -> QueryResult<ProposalDetail> {
        actor.must(Permission::View)?;
        self.read(|work| {
            let limit = page::limit(ask)?;
            let list = format!("proposal:{proposal_id}");
            let at: Option<(i64, i64)> = page::position(ask, &list, actor)?;
            let (run_no, number) = at.unwrap_or_default();
            let behind = ItemKey { run_no, number };
            let proposal = work.proposal(proposal_id, false)?;
            let mut keys = work.tables.keys_of_proposal(proposal_id, behind, limit + 1)?;
            let more = keys.len() > limit;
            keys.truncate(limit);
            let next = keys
                .last()
                .filter(|_| more)
                .map(|key| page::cursor(&(key.run_no, key.number), &list, actor));
            let joint = proposal.joint();
            let digest = work.digest(actor, &proposal)?;
            let mut view = work.proposal_view(actor, proposal)?;
            view.changed = work.changed(proposal_id)?;
            let steps = work.steps_of(proposal_id)?;
            let items = work.known_items(actor, proposal_id, &keys)?;
            let match_sums = match joint {
                Some(_) => {
                    let members = work.tables.proposal_items(proposal_id)?;
                    let keys: Vec<ItemKey> = members.iter().map(|member| member.key).collect();
                    let rows = work.tables.items(&keys, false)?;
                    work.match_sums(actor, &rows)?
                }
                None => Vec::new(),
            };
            Ok(ProposalDetail { proposal: view, items, digest, match_sums, steps, next })
        })
    }
}

/// The proposals that a filter selects for a person; `None` if none.
pub(super) fn query(actor: &Actor, filter: &ProposalFilter) -> Option<ProposalQuery> {
    let me = || Some(actor.person_id.clone());
    let mut query = ProposalQuery {
        state: filter.state,
        kind: filter.kind,
        open: filter.open,
        maker: filter.maker.as_ref().and_then(|maker| match maker.as_str() {
            "me" => me(),
            other => Some(other.to_owned()),
        }),
        oldest_first: filter.stage.is_some_and(|stage| stage != ProposalsFor::Mine)
            || filter.open == Some(true)
            || filter.state.is_some_and(ProposalState::is_open),
        ..ProposalQuery::default()
    };
    let (state, permission) = match filter.stage {
        None => return Some(query),
        Some(ProposalsFor::Mine) => {
            query.contributor = me();
            return Some(query);
        }
        Some(ProposalsFor::ToAuthorize) => (ProposalState::Checked, Permission::Authorize),
        Some(ProposalsFor::ToCheck) => (ProposalState::Open, Permission::Check),
    };
    query.open_to = me();
    let other = query.state.replace(state).is_some_and(|asked| asked != state);
    (actor.may(permission) && !other).then_some(query)
}

/// A label without its values: the field before the colon.
fn words_of(label: &str) -> String {
    label.split_once(':').map_or(label, |(field, _)| field).to_owned()
}

impl Work<'_> {
    /// A proposal as the actor sees it.
    pub fn proposal_view(
        &mut self,
        actor: &Actor,
        proposal: Proposal,
    ) -> Result<ProposalView, Problem> {
        let contributors = self.tables.contributors(&proposal.proposal_id)?;
        let is_contributor = contributors.contains(&actor.person_id);
        let mut names = Vec::with_capacity(contributors.len());
        for person in &contributors {
            names.push(self.name(person)?);
        }
        let reason = match proposal.reason_id {
            Some(id) => self.tables.reason(id)?,
            None => None,
        };
        let why_not: Option<Refusal> = self.why_not(actor, &proposal)?;
        let figure = |name: &str| proposal.figures.get(name).cloned().unwrap_or(Json::Null);
        let amount_sum: Vec<AmountSum> =
            serde_json::from_value(figure("amount_sum")).unwrap_or_default();
        let predicted: Vec<Prediction> =
            serde_json::from_value(figure("predicted")).unwrap_or_default();
        let approvals = self.approvals(&proposal)?;
        let visible = self.visibility(actor);
        let hidden = self.hides_of(&visible, &proposal)?;
        let may_withdraw = is_contributor && proposal.state.is_open();
        Ok(ProposalView {
            kind: proposal.kind,
            state: proposal.state,
            version: proposal.version,
            content_hash: proposal.hash,
            tag: proposal.tag().to_string(),
            action: proposal.action,
            reason: reason.as_ref().map(ReasonView::from),
            payload: proposal.payload.as_deref().and_then(|text| serde_json::from_str(text).ok()),
            comments: proposal.comments.clone(),
            maker_name: self.name(&proposal.maker_id)?,
            maker_id: proposal.maker_id.clone(),
            contributors: names,
            approvals,
            eyes_required: proposal.eyes,
            eyes_done: proposal.eyes_done(),
            triggers: visible.triggers(hidden, proposal.triggers.clone()),
            count: proposal.item_count.cast_unsigned(),
            amount_sum: visible.sums(hidden, amount_sum),
            label: if hidden { words_of(&proposal.label) } else { proposal.label.clone() },
            predicted,
            created_at: proposal.created_at.clone(),
            updated_at: proposal.updated_at.clone(),
            expires_at: proposal.expires_at.clone(),
            closed_at: proposal.closed_at.clone(),
            changed: Vec::new(),
            may_not_approve: why_not.map(|refusal| refusal.message),
            may_withdraw,
            proposal_id: proposal.proposal_id,
        })
    }

    /// A proposal's history, oldest first, one entry for each step.
    fn steps_of(&mut self, proposal_id: &str) -> Result<Vec<ProposalStep>, Problem> {
        let mut steps = Vec::new();
        for row in self.tables.steps_of(proposal_id)? {
            steps.push(ProposalStep {
                actor_name: self.name(&row.actor_id)?,
                stage: row.stage,
                action_type: row.action_type,
                items: row.rows,
                comments: row.comments,
                at: row.at,
            });
        }
        Ok(steps)
    }

    fn approvals(&mut self, proposal: &Proposal) -> Result<Vec<ApprovalView>, Problem> {
        let mut approvals = Vec::new();
        for one in self.tables.approvals(&proposal.proposal_id)? {
            let mut counts = one.stands(proposal);
            if counts && proposal.state.is_open() {
                let asked = Stage::from_name(&one.stage).unwrap_or(Stage::Checker);
                let since = crate::store::read_time(&one.at)?;
                let roles = self.directory.roles_since(self.tables.tx, &one.person_id, since)?;
                counts = roles.permissions().contains(permission_of(asked));
            }
            approvals.push(ApprovalView {
                person_name: self.name(&one.person_id)?,
                stage: one.stage,
                person_id: one.person_id,
                decision: one.decision,
                proposal_version: one.version,
                comments: one.comments,
                at: one.at,
                counts,
            });
        }
        Ok(approvals)
    }

    /// The changes of the last amendment.
    fn changed(&mut self, proposal_id: &str) -> Result<Vec<Changed>, Problem> {
        let Some(value) = self.tables.last_amendment(proposal_id)? else { return Ok(Vec::new()) };
        let amended = value.get("amended").cloned().unwrap_or(Json::Null);
        let text = |when: &str, what: &str| {
            amended
                .get(when)
                .and_then(|side| side.get(what))
                .and_then(Json::as_str)
                .map(str::to_owned)
        };
        Ok(["action", "new_reason_code", "comments"]
            .into_iter()
            .map(|what| Changed {
                what: what.to_owned(),
                before: text("before", what),
                after: text("after", what),
            })
            .filter(|changed| changed.before != changed.after)
            .collect())
    }
}
