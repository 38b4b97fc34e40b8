//! Ends of an open proposal: approved, sent back, withdrawn, expired, stale.

use serde_json::{Value as Json, json};

use crate::diagnostic::{Code, Problem};
use crate::domain::review::trigger::Decided;
use crate::domain::review::{
    Action, Control, Eyes, Move, Permission, ProposalKind, ProposalState, Stage, state,
};
use crate::domain::{Instant, Status};
use crate::store::audit::Entry;
use crate::store::read_time;
use crate::store::review::{Approval, Item, ItemKey, Proposal, ProposalItem, Settled};

use super::actor::{Actor, CredentialsGiven};
use super::by_hand::{self, Joint};
use super::proposal::{Weighed, permission_of};
use super::refusal::Refusal;
use super::requests::{Approve, Close, ProposalTag};
use super::responses::ProposalMoved;
use super::work::{State, Work, checked_comment};
use super::{CommandResult, QueryResult, Review};

impl Review<'_> {
    /// Approves, as checker or authorizer depending on the proposal's state.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed.
    pub fn approve(&self, actor: &Actor, ask: &Approve) -> CommandResult<ProposalMoved> {
        self.write(actor, |work| work.approve(actor, ask))
    }

    /// Sends back; restores the items.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed.
    pub fn send_back(&self, actor: &Actor, ask: &Close) -> CommandResult<ProposalMoved> {
        self.write(actor, |work| work.send_back(actor, ask))
    }

    /// Withdraws an open proposal; restores its items.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed.
    pub fn withdraw(&self, actor: &Actor, ask: &Close) -> CommandResult<ProposalMoved> {
        self.write(actor, |work| {
            let mut proposal = work.proposal(&ask.proposal_id, true)?;
            work.withdraw(actor, &mut proposal, ask.if_match.as_ref(), ask.comments.as_deref())
        })
    }

    /// Withdraws the person's last open proposal.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed.
    pub fn undo(&self, actor: &Actor) -> CommandResult<ProposalMoved> {
        self.write(actor, |work| {
            let last = work.tables.last_own_open(&actor.person_id)?.ok_or_else(|| {
                Refusal::new(Code::NothingToUndo, "none of your decisions is still open")
            })?;
            let mut proposal = work.proposal(&last, true)?;
            let tag = proposal.tag();
            work.withdraw(actor, &mut proposal, Some(&tag), Some("undone"))
        })
    }

    /// Closes proposals that have expired or are stale, and returns their number. Call it every minute or
    /// so.
    ///
    /// # Errors
    /// Errors of the store.
    pub fn tidy(&self) -> QueryResult<u64> {
        let system = Actor { person_id: "SYSTEM".to_owned(), ..Actor::default() };
        let done = self.write(&system, |work| {
            let mut closed = 0u64;
            let now = work.at();
            for proposal_id in work.tables.outdated_proposals(&now)? {
                let mut proposal = work.proposal(&proposal_id, true)?;
                if work.refuse_solo(&proposal).is_err() {
                    continue;
                }
                let expired = proposal.expires_at <= work.at();
                let (happens, why) = if expired {
                    (Move::Expire, "the deadline passed")
                } else {
                    (Move::Invalidate, "the reason code or the run has changed since")
                };
                if work.close_by_system(&mut proposal, happens, why)? {
                    closed += 1;
                }
            }
            Ok(closed)
        })?;
        Ok(done.value)
    }
}

impl Work<'_> {
    fn approve(&mut self, actor: &Actor, ask: &Approve) -> Result<ProposalMoved, Refusal> {
        let mut proposal = self.proposal(&ask.proposal_id, true)?;
        self.refuse_solo(&proposal)?;
        let mut stage = self.approver(actor, &proposal)?;
        expected(&proposal, ask.if_match.as_ref())?;
        match ask.content_hash {
            None => {
                return Err(Refusal::new(
                    Code::ContentHashRequired,
                    "an approval names the hash of what it approves",
                )
                .with("content_hash", "is missing"));
            }
            Some(hash) if hash != proposal.hash => {
                return Err(Refusal::new(
                    Code::ContentDiffers,
                    "the proposal has changed since you read it",
                ));
            }
            Some(_) => {}
        }
        let comments = checked_comment(ask.comments.as_deref(), false)?;
        self.still_sound(&proposal)?;
        let members = self.tables.proposal_items(&proposal.proposal_id)?;
        let keys: Vec<ItemKey> = members.iter().map(|member| member.key).collect();
        let items = self.tables.items(&keys, true)?;
        if items.len() != members.len() || items.iter().any(|item| item.status != Status::Pending) {
            return Err(Problem::new(
                Code::ItemsChanged,
                format!("items of the proposal {} are not pending", proposal.proposal_id),
            )
            .into());
        }
        // The present policy decides, on top of the earlier requirements.
        let weighed = self.weigh(items)?;
        if proposal.action == Some(Action::Approve) {
            self.reasons_active(&weighed)?;
        }
        let decided = self.decided(&proposal)?;
        let fired =
            self.triggers(decided, &weighed, &proposal.maker_id, Some(&proposal.proposal_id))?;
        self.ratchet(&mut proposal, fired);
        if stage == Stage::Authorizer && !self.checker_stands(&proposal)? {
            // The checker may no longer check: that approval is void, and this one takes its place.
            self.tables.void_approvals(&proposal)?;
            proposal.state = ProposalState::Open;
            stage = Stage::Checker;
            actor.must(Permission::Check)?;
        }
        if proposal.eyes == Eyes::Six {
            self.refuse_one_administrator(actor, &proposal)?;
        }
        self.insert_approval(actor, &proposal, stage, "APPROVE", comments.as_deref())?;
        let next = state::next(proposal.state, proposal.eyes, Move::Approve)
            .ok_or_else(|| closed(&proposal))?;
        let mut entries = Vec::new();
        if next == ProposalState::Applied {
            let (_, more) =
                self.applied_to(stage, &mut proposal, members, &weighed, comments.as_deref())?;
            entries.extend(more);
        } else {
            proposal.state = next;
            self.update_proposal(&mut proposal)?;
            for (member, weighed) in members.iter().zip(&weighed) {
                let state = self.state(&weighed.item)?;
                entries.push(self.entry(
                    stage,
                    "APPROVE",
                    &member.attribution_id,
                    &proposal.moment(),
                    &state,
                    &state,
                    comments.as_deref(),
                    json!({
                        "action": proposal.action.map(Action::name),
                        "proposal_state": next.name(),
                        "item": member.facts,
                    }),
                ));
            }
            if !proposal.kind.has_items() {
                entries.push(self.proposal_entry(
                    stage,
                    "APPROVE",
                    &proposal,
                    None,
                    comments.as_deref(),
                ));
            }
        }
        self.audit(&actor.by(), &entries)?;
        Ok(self.moved(actor, &proposal)?)
    }

    /// Refuses to move, under `--solo`, a proposal that needs several people.
    pub fn refuse_solo(&self, proposal: &Proposal) -> Result<(), Refusal> {
        if self.solo && proposal.control != Control::None {
            return Err(Refusal::new(
                Code::Solo,
                "this proposal waits for other people: one person alone (`--solo`) can't move it",
            ));
        }
        Ok(())
    }

    /// As which stage the actor may move the proposal now, or why not.
    fn approver(&mut self, actor: &Actor, proposal: &Proposal) -> Result<Stage, Refusal> {
        if let Some(refusal) = self.why_not(actor, proposal)? {
            return Err(refusal);
        }
        proposal.state.asks().ok_or_else(|| closed(proposal))
    }

    /// Why the actor may not approve or send back a proposal, if so.
    pub fn why_not(
        &mut self,
        actor: &Actor,
        proposal: &Proposal,
    ) -> Result<Option<Refusal>, Problem> {
        if self.tables.contributors(&proposal.proposal_id)?.contains(&actor.person_id) {
            return Ok(Some(Refusal::new(
                Code::SelfApproval,
                "nobody approves a proposal they made or amended",
            )));
        }
        let Some(stage) = proposal.state.asks() else {
            let may = actor.may(Permission::Check) || actor.may(Permission::Authorize);
            return Ok(Some(if may {
                closed(proposal)
            } else {
                Refusal::new(Code::MissingPermission, "only checkers and authorizers approve")
            }));
        };
        if !actor.may(permission_of(stage)) {
            let who = if stage == Stage::Authorizer { "an authorizer" } else { "a checker" };
            let why = format!("{who} approves it next");
            return Ok(Some(Refusal::new(Code::MissingPermission, why)));
        }
        let approvals = self.tables.approvals(&proposal.proposal_id)?;
        if approvals.iter().any(|one| one.stands(proposal) && one.person_id == actor.person_id) {
            return Ok(Some(Refusal::new(
                Code::SameApprover,
                "checker and authorizer are two persons",
            )));
        }
        Ok(None)
    }

    /// True if the checker has had the permission without interruption since approving.
    fn checker_stands(&mut self, proposal: &Proposal) -> Result<bool, Problem> {
        let approvals = self.tables.approvals(&proposal.proposal_id)?;
        let checked = approvals.into_iter().find(|one| {
            one.stands(proposal) && one.approves() && one.stage == Stage::Checker.name()
        });
        let Some(Approval { person_id: person, at, .. }) = checked else { return Ok(false) };
        let at = read_time(&at)?;
        // A permission lost in between does not count, even if it was granted again.
        let roles = self.directory.roles_since(self.tables.tx, &person, at)?;
        Ok(roles.permissions().contains(Permission::Check))
    }

    /// Refuses a six-eye decision if one administrator recently made or reset the logins of two of its people:
    /// they could be one person.
    fn refuse_one_administrator(
        &mut self,
        actor: &Actor,
        proposal: &Proposal,
    ) -> Result<(), Refusal> {
        let hours = i64::from(self.policy.new_login_hours);
        let since = Instant::new(self.now.seconds() - hours * 3_600, self.now.nanoseconds());
        let mut people = self.tables.contributors(&proposal.proposal_id)?;
        let approvals = self.tables.approvals(&proposal.proposal_id)?;
        let approvals = approvals.into_iter().filter(|one| one.stands(proposal));
        people.extend(approvals.map(|one| one.person_id));
        people.push(actor.person_id.clone());
        let mut given: Vec<CredentialsGiven> = Vec::new();
        for person in people {
            let lately = self.directory.credentials_given(self.tables.tx, &person)?;
            let lately = lately.into_iter().filter(|one| hours > 0 && one.at > since);
            for one in lately {
                let other = given
                    .iter()
                    .find(|other| other.by == one.by && other.person_id != one.person_id);
                if let Some(other) = other {
                    let (first, second) = (other.person_id.clone(), one.person_id.clone());
                    let by = match self.name(&one.by)? {
                        shell if shell.starts_with("cli:") => format!("the command line ({shell})"),
                        name => name,
                    };
                    return Err(Refusal::new(
                        Code::OneAdministrator,
                        format!(
                            "{by} made or reset the logins of {} and {} within the last {hours} \
                             hours: six eyes need people who can't be one person; wait, or ask others",
                            self.name(&first)?,
                            self.name(&second)?
                        ),
                    ));
                }
                given.push(one);
            }
        }
        Ok(())
    }

    fn insert_approval(
        &mut self,
        actor: &Actor,
        proposal: &Proposal,
        stage: Stage,
        decision: &str,
        comments: Option<&str>,
    ) -> Result<(), Problem> {
        let at = self.at();
        let by = &actor.person_id;
        self.tables.add_approval(proposal, stage, by, decision, comments, &at)
    }

    /// Refuses proposals whose reason is inactive by now, or whose run was superseded.
    fn still_sound(&mut self, proposal: &Proposal) -> Result<(), Refusal> {
        if let Some(reason_id) = proposal.reason_id {
            let reason = self.tables.reason(reason_id)?;
            if !reason.is_some_and(|reason| reason.active) {
                return Err(Refusal::new(
                    Code::ReasonInactive,
                    "the reason code is no longer active: send the proposal back or amend it",
                ));
            }
        }
        for run_no in self.tables.runs_of_proposal(&proposal.proposal_id)? {
            if !self.tables.stays_current(run_no)? {
                return Err(Refusal::new(
                    Code::Superseded,
                    "a newer run has taken the place of the one that these items are of",
                ));
            }
        }
        Ok(())
    }

    /// Refuses to accept reasons that are inactive by now.
    fn reasons_active(&mut self, items: &[Weighed]) -> Result<(), Refusal> {
        for one in items {
            if !self.tables.reason(one.item.reason_id)?.is_some_and(|reason| reason.active) {
                return Err(Refusal::new(
                    Code::ReasonInactive,
                    format!("the reason code {} is no longer active", one.predicted_code),
                ));
            }
        }
        Ok(())
    }

    pub fn decided(&mut self, proposal: &Proposal) -> Result<Decided, Problem> {
        if proposal.joint().is_some() {
            return Ok(by_hand::DECIDED);
        }
        let reason = match proposal.reason_id {
            Some(id) => self.tables.reason(id)?,
            None => None,
        };
        Ok(Decided {
            kind: proposal.kind,
            action: proposal.action,
            functional: reason.map(|reason| reason.functional),
        })
    }

    /// Applies a proposal that was just opened.
    pub fn applied(
        &mut self,
        stage: Stage,
        proposal: &mut Proposal,
    ) -> Result<(usize, Vec<Entry>), Refusal> {
        let members = self.tables.proposal_items(&proposal.proposal_id)?;
        let keys: Vec<ItemKey> = members.iter().map(|member| member.key).collect();
        let items = self.tables.items(&keys, true)?;
        let weighed = self.weigh(items)?;
        self.applied_to(stage, proposal, members, &weighed, None)
    }

    /// Applies a proposal: its items are settled, or its change takes effect.
    fn applied_to(
        &mut self,
        stage: Stage,
        proposal: &mut Proposal,
        members: Vec<ProposalItem>,
        weighed: &[Weighed],
        comments: Option<&str>,
    ) -> Result<(usize, Vec<Entry>), Refusal> {
        proposal.state = ProposalState::Applied;
        self.update_proposal(proposal)?;
        let joint = proposal.joint();
        if let Some(Joint::Unmatch { match_id }) = &joint {
            let entries =
                self.take_apart(stage, proposal, match_id, &members, weighed, comments)?;
            return Ok((entries.len(), entries));
        }
        let Some(action) = proposal.action else {
            let mut entries = self.take_effect(proposal)?;
            entries.insert(0, self.proposal_entry(stage, "APPROVE", proposal, None, comments));
            return Ok((0, entries));
        };
        let at = self.at();
        let assigner_id = self.tables.assigner(&proposal.maker_id)?;
        let unknown = self.tables.unknown_reason()?;
        // Items of an APPROVE keep the reason that each has; those of a reason are settled together.
        let mut groups: std::collections::BTreeMap<i64, Vec<&Item>> =
            std::collections::BTreeMap::new();
        for one in weighed {
            let reason_id = match action {
                Action::Approve => one.item.reason_id,
                Action::Override => proposal.reason_id.unwrap_or(unknown.reason_id),
                Action::Reject => unknown.reason_id,
            };
            groups.entry(reason_id).or_default().push(&one.item);
        }
        let confidence = if action == Action::Reject { 0.0 } else { 1.0 };
        let mut codes = std::collections::HashMap::new();
        let mut functional = std::collections::HashMap::new();
        for (reason_id, items) in &groups {
            let reason = self.tables.reason(*reason_id)?.unwrap_or_else(|| unknown.clone());
            let explains = reason.functional && action != Action::Reject;
            self.tables.settle(
                items,
                &Settled {
                    status: action.outcome(),
                    reason_id: *reason_id,
                    functional: explains,
                    confidence,
                    assigner_id,
                    at: &at,
                },
            )?;
            self.sample_outcome(proposal, items, *reason_id, action.outcome())?;
            for item in items {
                codes.insert(item.key, reason.code.clone());
                functional.insert(item.key, explains);
            }
        }
        if joint.is_some() {
            let keys: Vec<ItemKey> = members.iter().map(|member| member.key).collect();
            self.tables.add_match(&proposal.proposal_id, &keys)?;
        }
        self.tables.forget_sent_back(&proposal.proposal_id)?;
        let mut entries = Vec::with_capacity(members.len());
        for (member, one) in members.iter().zip(weighed) {
            let before = self.state(&one.item)?;
            let after = State {
                status: action.outcome().name(),
                reason_code: codes.get(&one.item.key).cloned().unwrap_or_default(),
                confidence,
                locked: true,
                version: before.version + 1,
                assigned_by: Some(proposal.maker_id.clone()),
                functional: functional.get(&one.item.key).copied(),
                assigned_at: Some(at.clone()),
            };
            // A checker's or authorizer's agreement is an APPROVE; who decides alone speaks as maker.
            let action_type = if stage == Stage::Maker { "APPLY" } else { "APPROVE" };
            entries.push(self.entry(
                stage,
                action_type,
                &member.attribution_id,
                &proposal.moment(),
                &before,
                &after,
                comments,
                json!({
                    "action": action.name(),
                    "proposal_state": proposal.state.name(),
                    "item": member.facts,
                }),
            ));
        }
        Ok((entries.len(), entries))
    }

    fn send_back(&mut self, actor: &Actor, ask: &Close) -> Result<ProposalMoved, Refusal> {
        let mut proposal = self.proposal(&ask.proposal_id, true)?;
        self.refuse_solo(&proposal)?;
        let stage = self.approver(actor, &proposal)?;
        expected(&proposal, ask.if_match.as_ref())?;
        let comments = checked_comment(ask.comments.as_deref(), true)?;
        self.insert_approval(actor, &proposal, stage, "RETURN", comments.as_deref())?;
        let entries = self.close(
            &mut proposal,
            Move::Return,
            stage,
            "REJECT",
            &actor.person_id,
            comments.as_deref(),
        )?;
        self.audit(&actor.by(), &entries)?;
        Ok(self.moved(actor, &proposal)?)
    }

    fn withdraw(
        &mut self,
        actor: &Actor,
        proposal: &mut Proposal,
        if_match: Option<&ProposalTag>,
        comments: Option<&str>,
    ) -> Result<ProposalMoved, Refusal> {
        if proposal.kind == ProposalKind::Policy {
            actor.must(Permission::ProposePolicy)?;
        } else {
            actor.must(Permission::Propose)?;
        }
        self.refuse_solo(proposal)?;
        if !self.tables.contributors(&proposal.proposal_id)?.contains(&actor.person_id) {
            return Err(Refusal::new(
                Code::NotContributor,
                "only who made or amended a proposal takes it back",
            ));
        }
        if !proposal.state.is_open() {
            return Err(closed(proposal));
        }
        expected(proposal, if_match)?;
        let comments = checked_comment(comments, false)?;
        let entries = self.close(
            proposal,
            Move::Withdraw,
            Stage::Maker,
            "WITHDRAW",
            &actor.person_id,
            comments.as_deref(),
        )?;
        self.audit(&actor.by(), &entries)?;
        Ok(self.moved(actor, proposal)?)
    }

    /// Closes a proposal that is stale or has expired.
    pub fn close_by_system(
        &mut self,
        proposal: &mut Proposal,
        happens: Move,
        why: &str,
    ) -> Result<bool, Refusal> {
        if !proposal.state.is_open() {
            return Ok(false);
        }
        let action_type = if happens == Move::Expire { "EXPIRE" } else { "STALE" };
        let entries =
            self.close(proposal, happens, Stage::System, action_type, "SYSTEM", Some(why))?;
        self.audit(&crate::store::audit::By::system(), &entries)?;
        Ok(true)
    }

    /// Closes a proposal without a decision: its items get their earlier states back.
    fn close(
        &mut self,
        proposal: &mut Proposal,
        happens: Move,
        stage: Stage,
        action_type: &str,
        by: &str,
        comments: Option<&str>,
    ) -> Result<Vec<Entry>, Refusal> {
        let next =
            state::next(proposal.state, proposal.eyes, happens).ok_or_else(|| closed(proposal))?;
        let members = self.tables.proposal_items(&proposal.proposal_id)?;
        let keys: Vec<ItemKey> = members.iter().map(|member| member.key).collect();
        let before = self.tables.items(&keys, true)?;
        proposal.state = next;
        self.update_proposal(proposal)?;
        let after = self.tables.restore(&proposal.proposal_id, &before)?;
        if next != ProposalState::Withdrawn {
            let (state, at) = (proposal.state.name(), self.at());
            let comments = comments.unwrap_or_default();
            self.tables.remember_sent_back(&proposal.proposal_id, state, by, comments, &at)?;
        }
        let mut entries = Vec::with_capacity(members.len());
        for ((member, before), after) in members.iter().zip(&before).zip(&after) {
            let (before, after) = (self.state(before)?, self.state(after)?);
            entries.push(self.entry(
                stage,
                action_type,
                &member.attribution_id,
                &proposal.moment(),
                &before,
                &after,
                comments,
                json!({ "proposal_state": next.name(), "item": member.facts }),
            ));
        }
        if !proposal.kind.has_items() {
            entries.push(self.proposal_entry(stage, action_type, proposal, None, comments));
        }
        Ok(entries)
    }

    /// Puts a reason code or a policy into effect.
    fn take_effect(&mut self, proposal: &Proposal) -> Result<Vec<Entry>, Refusal> {
        let payload: Json = proposal
            .payload
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or(Json::Null);
        match proposal.kind {
            ProposalKind::ReasonCode => self.create_reason(proposal, &payload),
            ProposalKind::Policy => self.enact_policy(proposal, &payload),
            _ => Err(Refusal::new(Code::InvalidTransition, "such a proposal has no effect")),
        }
    }
}

pub(super) fn closed(proposal: &Proposal) -> Refusal {
    Refusal::new(Code::Closed, format!("the proposal is {}", proposal.state))
}

/// Refuses requests about another version than the present one.
pub(super) fn expected(proposal: &Proposal, seen: Option<&ProposalTag>) -> Result<(), Refusal> {
    match seen {
        None => Err(Refusal::new(
            Code::IfMatchRequired,
            "say which version of the proposal you saw (If-Match)",
        )),
        Some(tag) if *tag != proposal.tag() => Err(Refusal::new(
            Code::Stale,
            format!("the proposal has changed: it is at {} now", proposal.tag()),
        )),
        Some(_) => Ok(()),
    }
}
