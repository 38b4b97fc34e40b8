//! Blind samples of automatic acceptances. A maker chooses a reason without seeing the accepted one. If both
//! agree, the item is locked; if not, a proposal to reopen it goes to a checker. The outcomes measure the
//! precision of automatic acceptance.

use serde_json::json;

use crate::diagnostic::{Code, Problem};
use crate::domain::Status;
use crate::domain::review::{Action, Permission, ProposalKind, Stage, state};
use crate::store::audit::Entry;
use crate::store::review::{Item, Proposal};

use super::actor::Actor;
use super::proposal::Draft;
use super::propose::refused;
use super::refusal::Refusal;
use super::responses::Sampled;
use super::work::{Work, checked_comment};
use super::{CommandResult, Review};

impl Review<'_> {
    /// A maker's choice about a blind sample: the code of a reason, or `None` for a confirmed break. A comment
    /// is always required: required only on disagreement, it would reveal the accepted reason.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed.
    pub fn sample(
        &self,
        actor: &Actor,
        attribution_id: &str,
        code: Option<&str>,
        comments: Option<&str>,
    ) -> CommandResult<Sampled> {
        self.write(actor, |work| {
            actor.must(Permission::Propose)?;
            let comments = checked_comment(comments, true)?;
            let item = work.item(attribution_id, true)?;
            if !item.is_sample() {
                return Err(Refusal::new(
                    Code::NotASample,
                    "this item awaits no blind check, or has had one",
                ));
            }
            work.is_current(&item)?;
            let reason = match code.filter(|code| !code.is_empty()) {
                None => None,
                Some(code) => {
                    let reason = work.tables.reason_by_code(code)?;
                    let fits = reason.filter(|reason| reason.active && state::is_cause(code));
                    Some(fits.ok_or_else(|| refused(Code::InvalidReasonCode))?)
                }
            };
            let agrees = reason.as_ref().is_some_and(|reason| reason.reason_id == item.reason_id);
            let chosen = reason.as_ref().map(|reason| reason.code.clone());
            let proposal = if agrees {
                work.confirm(actor, &item, chosen.as_deref(), comments.as_deref())?;
                None
            } else {
                let action = if reason.is_some() { Action::Override } else { Action::Reject };
                let draft = Draft {
                    kind: ProposalKind::Reopen,
                    action: Some(action),
                    reason,
                    payload: None,
                    comments: comments.clone(),
                    items: vec![item.clone()],
                    label: None,
                };
                let (proposal, _) = work.open(actor, draft)?;
                // The proposal's row tells its effect on the item.
                let told = json!({ "sample": { "agrees": false, "chosen": chosen } });
                let mut entry = work.sampled(attribution_id, comments.as_deref());
                entry.new_value = Some(told.to_string());
                entry.proposal_id = Some(proposal.proposal_id.clone());
                work.audit(&actor.by(), &[entry])?;
                Some(work.moved(actor, &proposal)?)
            };
            Ok(Sampled { attribution_id: attribution_id.to_owned(), agrees, proposal })
        })
    }
}

impl Work<'_> {
    /// The choice agrees with the accepted reason: locks the item.
    fn confirm(
        &mut self,
        actor: &Actor,
        item: &Item,
        chosen: Option<&str>,
        comments: Option<&str>,
    ) -> Result<(), Refusal> {
        let records = self.tables.records(&[item.key])?;
        let record =
            records.get(&(item.key.run_no, item.key.record())).cloned().unwrap_or_default();
        let run = self.tables.run(item.key.run_no)?;
        let references = [record.reference(0, &run.layout), record.reference(1, &run.layout)];
        self.tables.hold(&[item])?;
        let at = self.at();
        self.tables.close_sample(item.key, true, &actor.person_id, &at)?;
        let before = self.state(item)?;
        let mut after = before.clone();
        after.locked = true;
        after.version += 1;
        let more = json!({
            "sample": { "agrees": true, "chosen": chosen },
            "item": item.facts(&run, &references),
        });
        let id = run.attribution_id(item.key);
        let mut entry = self.sampled(&id, comments);
        entry.previous_value = Some(before.json().to_string());
        entry.new_value = Some(after.with(more).to_string());
        let by = before.assigned_by.as_deref().unwrap_or_default();
        entry.rule_version = by.starts_with("RULE:").then(|| by.to_owned());
        entry.model_version = by.starts_with("MODEL:").then(|| by.to_owned());
        self.audit(&actor.by(), &[entry])?;
        Ok(())
    }

    fn sampled(&self, attribution_id: &str, comments: Option<&str>) -> Entry {
        Entry {
            attribution_id: Some(attribution_id.to_owned()),
            entity_type: "attribution".to_owned(),
            entity_id: attribution_id.to_owned(),
            stage: Stage::Maker.name().to_owned(),
            action_type: "SAMPLE".to_owned(),
            comments: comments.map(str::to_owned),
            policy_version: Some(self.policy_version),
            ..Entry::default()
        }
    }

    /// Records the outcome of blind samples among items whose decision was applied.
    pub fn sample_outcome(
        &mut self,
        proposal: &Proposal,
        items: &[&Item],
        reason_id: i64,
        status: Status,
    ) -> Result<(), Problem> {
        for item in items {
            if !item.audit_sample {
                continue;
            }
            let machine = self.tables.prior_reason(&proposal.proposal_id, item.key)?;
            let agrees = status == Status::Accepted && machine == Some(reason_id);
            let at = self.at();
            self.tables.close_sample(item.key, agrees, &proposal.maker_id, &at)?;
        }
        Ok(())
    }
}
