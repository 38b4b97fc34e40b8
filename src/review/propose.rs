//! The maker's steps: deciding an item, deciding it anew, changing a proposal.

use serde_json::json;

use crate::diagnostic::{Code, Problem};
use crate::domain::Status;
use crate::domain::review::content::Content;
use crate::domain::review::{
    Action, Control, Permission, ProposalKind, ProposalState, Stage, state,
};
use crate::store::review::{Item, ItemKey, Proposal, Reason};

use super::actor::Actor;
use super::by_hand::Joint;
use super::decide::{closed, expected};
use super::proposal::Draft;
use super::refusal::Refusal;
use super::requests::{Amend, Reopen, Resolve};
use super::responses::{ProposalMoved, Resolved};
use super::work::{Work, checked_comment};
use super::{CommandResult, Review};

impl Review<'_> {
    /// Proposes a decision about an undecided item.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed.
    pub fn resolve(&self, actor: &Actor, ask: &Resolve) -> CommandResult<Resolved> {
        self.write(actor, |work| {
            actor.must(Permission::Propose)?;
            let action = required_action(ask.action)?;
            let comments = checked_comment(ask.comments.as_deref(), action.needs_comment())?;
            let item = work.item(&ask.attribution_id, true)?;
            if let Some(version) = ask.version
                && version != item.version
            {
                return Err(stale(&item));
            }
            work.undecided(&item)?;
            let code = ask.new_reason_code.as_deref();
            let (action, code) = work.blindly(action, &item, code)?;
            let reason = work.choice(action, &item, code)?;
            work.resolved(actor, ProposalKind::Attribution, action, reason, comments, item)
        })
    }

    /// Proposes another decision about a decided item.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed.
    pub fn reopen(&self, actor: &Actor, ask: &Reopen) -> CommandResult<Resolved> {
        self.write(actor, |work| {
            actor.must(Permission::Propose)?;
            let action = required_action(ask.action)?;
            let comments = checked_comment(ask.comments.as_deref(), true)?;
            let Some(version) = ask.version else {
                return Err(Refusal::new(
                    Code::IfMatchRequired,
                    "say which version of the item you saw (If-Match)",
                ));
            };
            let item = work.item(&ask.attribution_id, true)?;
            if version != item.version {
                return Err(stale(&item));
            }
            match item.status {
                Status::Accepted | Status::Rejected => {}
                Status::Pending => return Err(work.already_pending(&item)?),
                Status::Unknown => {
                    return Err(Refusal::new(
                        Code::InvalidTransition,
                        "nobody has decided this item yet: there is nothing to reopen",
                    ));
                }
            }
            work.is_current(&item)?;
            work.is_last(&item)?;
            if work.tables.match_of(item.key)?.is_some() {
                return Err(Refusal::new(
                    Code::MatchedByHand,
                    "it is matched by hand: take the match apart to decide it again",
                ));
            }
            work.refuse_solo_reopen(&item)?;
            let reason = if action == Action::Reject && item.status == Status::Rejected {
                return Err(Refusal::new(Code::InvalidTransition, "it is rejected already"));
            } else {
                work.choice(action, &item, ask.new_reason_code.as_deref())?
            };
            work.resolved(actor, ProposalKind::Reopen, action, reason, comments, item)
        })
    }

    /// Changes an open proposal. Approvals so far are void.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed.
    pub fn amend(&self, actor: &Actor, ask: &Amend) -> CommandResult<ProposalMoved> {
        self.write(actor, |work| work.amend(actor, ask))
    }
}

/// The decision that the maker asked for.
pub(super) fn required_action(action: Option<Action>) -> Result<Action, Refusal> {
    action.ok_or_else(|| {
        Refusal::new(Code::ActionRequired, "say APPROVE, OVERRIDE or REJECT")
            .with("action", "is missing")
    })
}

/// The item has changed since the person read it.
pub(super) fn stale(item: &Item) -> Refusal {
    Refusal::new(
        Code::Stale,
        format!("the item has changed: it is at version {} now", item.version),
    )
}

/// The item's run has been superseded.
pub(super) fn superseded() -> Refusal {
    Refusal::new(
        Code::Superseded,
        "a newer run has taken the place of the one that this item is of",
    )
}

/// Why a decision is refused. The first two sentences are those of the predecessor's API.
pub(super) fn refused(code: Code) -> Refusal {
    match code {
        Code::ReasonCodeRequired => Refusal::new(code, "New reason code required for OVERRIDE"),
        Code::InvalidReasonCode => Refusal::new(code, "Invalid Reason Code provided"),
        Code::NoReasonToApprove => Refusal::new(
            code,
            "no cause was found that could be accepted: choose one, or confirm the break",
        ),
        Code::SameReasonCode => {
            Refusal::new(code, "that is the predicted cause: accept it instead of choosing it")
        }
        Code::ApproveTakesNoCode => Refusal::new(
            code,
            "accepting takes the predicted cause: another is a choice of its own",
        ),
        _ => Refusal::new(code, "a confirmed break has no cause"),
    }
}

impl Work<'_> {
    /// Refuses items that are decided, or that people are deciding.
    pub fn undecided(&mut self, item: &Item) -> Result<(), Refusal> {
        match item.status {
            Status::Unknown => {
                self.is_current(item)?;
                self.is_last(item)
            }
            Status::Pending => Err(self.already_pending(item)?),
            Status::Accepted | Status::Rejected => Err(Refusal::new(
                Code::InvalidTransition,
                match item.status {
                    Status::Rejected => "it is a confirmed break: reopen it to decide it again",
                    _ => "it is settled: reopen it to decide it again",
                },
            )),
        }
    }

    /// Refuses items of a run that a newer one has superseded.
    pub fn is_current(&mut self, item: &Item) -> Result<(), Refusal> {
        if self.tables.stays_current(item.key.run_no)? { Ok(()) } else { Err(superseded()) }
    }

    /// Refuses items whose break goes on at a later date: it is decided there.
    pub fn is_last(&mut self, item: &Item) -> Result<(), Refusal> {
        let Some(last) = self.tables.goes_on_at(item)? else { return Ok(()) };
        let run = self.tables.run(last.run_no)?;
        let id = run.attribution_id(last);
        let message = format!(
            "this break goes on: it was seen again on {} and is decided there",
            run.batch_date
        );
        Err(Refusal::new(Code::Superseded, message).instead(id))
    }

    /// Refuses to reopen, under `--solo`, a decision that several people made. A decision carried from an older
    /// run counts as such: the run does not say.
    pub fn refuse_solo_reopen(&mut self, item: &Item) -> Result<(), Refusal> {
        if !self.solo || !(item.locked || item.by_person) {
            return Ok(());
        }
        if self.tables.last_control_of(item.key)?.as_deref() == Some(Control::None.name()) {
            return Ok(());
        }
        Err(Refusal::new(
            Code::Solo,
            "more eyes than one decided this: one person alone (`--solo`) can't decide it anew",
        ))
    }

    /// The refusal that names the open proposal.
    pub fn already_pending(&mut self, item: &Item) -> Result<Refusal, Problem> {
        let refusal =
            Refusal::new(Code::AlreadyPending, "it is proposed already and awaits approval");
        Ok(match self.tables.open_proposal_of(item.key)? {
            Some(proposal_id) => refusal.blocked_by(proposal_id),
            None => refusal,
        })
    }

    /// Translates the decision of a maker who does not see the suggestion: choosing the suggested reason is an
    /// APPROVE, and APPROVE itself is refused.
    fn blindly<'c>(
        &mut self,
        action: Action,
        item: &Item,
        code: Option<&'c str>,
    ) -> Result<(Action, Option<&'c str>), Refusal> {
        if !self.is_blind(item)? {
            return Ok((action, code));
        }
        let machine = self.tables.reason(item.reason_id)?;
        let same = code.is_some() && machine.as_ref().map(|one| one.code.as_str()) == code;
        match action {
            Action::Override if same && code.is_some_and(state::is_cause) => {
                Ok((Action::Approve, None))
            }
            Action::Approve if item.status == Status::Unknown => Err(Refusal::new(
                Code::SuggestionHidden,
                "the prediction is hidden until you have chosen: choose a cause, or confirm the break",
            )),
            _ => Ok((action, code)),
        }
    }

    /// The reason that an override asks for, if the decision is allowed about the item.
    pub fn choice(
        &mut self,
        action: Action,
        item: &Item,
        code: Option<&str>,
    ) -> Result<Option<Reason>, Refusal> {
        let code = code.filter(|code| !code.is_empty());
        let current = self.tables.reason(item.reason_id)?;
        let new = match code {
            Some(code) => self.tables.reason_by_code(code)?,
            None => None,
        };
        let asked = code.map(|code| (code, new.as_ref().is_some_and(|reason| reason.active)));
        if action == Action::Approve && current.as_ref().is_some_and(|reason| !reason.active) {
            return Err(Refusal::new(
                Code::ReasonInactive,
                "the predicted cause is no longer in use: choose another",
            ));
        }
        let current = current.as_ref().map(|reason| reason.code.as_str());
        if let Some(code) = state::refuse_decision(action, current, asked) {
            return Err(refused(code));
        }
        Ok(if action == Action::Override { new } else { None })
    }

    fn resolved(
        &mut self,
        actor: &Actor,
        kind: ProposalKind,
        action: Action,
        reason: Option<Reason>,
        comments: Option<String>,
        item: Item,
    ) -> Result<Resolved, Refusal> {
        let key = item.key;
        let (proposal, _) = self.open(
            actor,
            Draft {
                kind,
                action: Some(action),
                reason,
                payload: None,
                comments,
                items: vec![item],
                label: None,
            },
        )?;
        let run = self.tables.run(key.run_no)?;
        let moved = self.moved(actor, &proposal)?;
        let now = self.tables.items(&[key], false)?.pop().ok_or_else(|| {
            Problem::new(Code::ItemLost, "an item has vanished while it was decided")
        })?;
        Ok(Resolved {
            message: "Resolution processed successfully".to_owned(),
            attribution_id: run.attribution_id(key),
            status: now.status.name().to_owned(),
            version: now.version,
            proposal_id: Some(moved.proposal_id),
            proposal_tag: Some(moved.tag),
            eyes_required: moved.eyes_required,
            eyes_done: moved.eyes_done,
            triggers: moved.triggers,
        })
    }

    fn amend(&mut self, actor: &Actor, ask: &Amend) -> Result<ProposalMoved, Refusal> {
        actor.must(Permission::Propose)?;
        let mut proposal = self.proposal(&ask.proposal_id, true)?;
        self.refuse_solo(&proposal)?;
        if !proposal.state.is_open() {
            return Err(closed(&proposal));
        }
        let joint = proposal.joint();
        if !proposal.kind.has_items() || matches!(joint, Some(Joint::Unmatch { .. })) {
            return Err(Refusal::new(
                Code::InvalidTransition,
                "such a proposal is withdrawn and made anew, not amended",
            ));
        }
        expected(&proposal, ask.if_match.as_ref())?;
        let action = required_action(ask.action)?;
        let needed = action.needs_comment() || proposal.kind == ProposalKind::Reopen;
        let comments = checked_comment(ask.comments.as_deref(), needed)?;
        let members = self.tables.proposal_items(&proposal.proposal_id)?;
        let keys: Vec<ItemKey> = members.iter().map(|member| member.key).collect();
        let items = self.tables.items(&keys, true)?;
        let mut reason = None;
        let (mut action, mut code) = (action, ask.new_reason_code.as_deref());
        if let [item] = items.as_slice()
            && proposal.kind == ProposalKind::Attribution
        {
            (action, code) = self.blindly(action, item, code)?;
        }
        if joint.is_some() {
            if action != Action::Override {
                return Err(refused(Code::ReasonCodeRequired));
            }
            reason = Some(self.cause(code)?);
        } else {
            for item in &items {
                reason = self.choice(action, item, code)?;
            }
        }
        let before = amended(&mut *self, &proposal)?;
        proposal.action = Some(action);
        proposal.reason_id = reason.as_ref().map(|reason| reason.reason_id);
        proposal.comments = comments;
        proposal.version += 1;
        proposal.state = state::next(proposal.state, proposal.eyes, state::Move::Amend)
            .unwrap_or(ProposalState::Open);
        let mut ids: Vec<(String, i64)> = members
            .iter()
            .map(|member| (member.attribution_id.clone(), member.base_version))
            .collect();
        ids.sort_unstable();
        proposal.hash = Content {
            kind: proposal.kind,
            action: proposal.action,
            reason: reason.as_ref().map(|reason| reason.code.as_str()),
            comments: proposal.comments.as_deref(),
            payload: proposal.payload.as_deref(),
            items: &ids,
        }
        .hash();
        let weighed = self.weigh(items)?;
        let decided = self.decided(&proposal)?;
        let maker = proposal.maker_id.clone();
        let fired = self.triggers(decided, &weighed, &maker, Some(&proposal.proposal_id))?;
        self.ratchet(&mut proposal, fired);
        self.tables.contribute(&proposal.proposal_id, &actor.person_id)?;
        self.update_proposal(&mut proposal)?;
        let after = amended(&mut *self, &proposal)?;
        let mut entries = Vec::with_capacity(members.len());
        for (member, weighed) in members.iter().zip(&weighed) {
            let state = self.state(&weighed.item)?;
            entries.push(self.entry(
                Stage::Maker,
                "AMEND",
                &member.attribution_id,
                &proposal.moment(),
                &state,
                &state,
                proposal.comments.as_deref(),
                json!({
                    "action": action.name(),
                    "new_reason_code": reason.as_ref().map(|reason| reason.code.as_str()),
                    "amended": { "before": before, "after": after },
                    "item": member.facts,
                }),
            ));
        }
        self.audit(&actor.by(), &entries)?;
        Ok(self.moved(actor, &proposal)?)
    }
}

/// The parts of a proposal that an amendment may change, for the audit trail and the checker.
fn amended(work: &mut Work<'_>, proposal: &Proposal) -> Result<serde_json::Value, Problem> {
    let reason = match proposal.reason_id {
        Some(id) => work.tables.reason(id)?.map(|reason| reason.code),
        None => None,
    };
    Ok(json!({
        "action": proposal.action.map(Action::name),
        "new_reason_code": reason,
        "comments": proposal.comments,
    }))
}
