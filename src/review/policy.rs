//! The review's policy: the one in force, and proposals of another.

use serde_json::Value as Json;

use crate::diagnostic::{Code, Problem};
use crate::domain::review::{Control, Move, Permission, Policy, ProposalKind, Stage};
use crate::store::audit::{By, Entry};
use crate::store::review::Proposal;

use super::actor::Actor;
use super::proposal::Draft;
use super::refusal::Refusal;
use super::responses::ProposalMoved;
use super::work::{Work, checked_comment};
use super::{CommandResult, PolicyAdopted, QueryResult, Review};

/// The author of proposals that come from the configuration.
pub(super) const CONFIGURATION: &str = "SYSTEM:recon.yaml";

impl Review<'_> {
    /// Makes the policy of the configuration the one in force, if there is none yet; otherwise, if it
    /// differs, proposes it. To be called once at the start, before any other.
    ///
    /// # Errors
    /// Errors of the store.
    pub fn adopt_policy(&self, policy: &Policy) -> QueryResult<PolicyAdopted> {
        let actor = Actor { person_id: CONFIGURATION.to_owned(), ..Actor::default() };
        // Policies are compared as stored, in JSON.
        let done = self.write(&actor, |work| {
            let text = json_of(policy)?;
            if work.policy_version == 0 {
                let entries = work.enact(&text, None, Control::None)?;
                work.audit(&By::system(), &entries)?;
                return Ok((1, None));
            }
            if work.solo {
                // Another policy would outlive the session.
                return Ok((work.policy_version, None));
            }
            let in_force = json_of(&work.policy)? == text;
            let mut waiting = None;
            for proposal in work.tables.open_proposals(ProposalKind::Policy)? {
                if proposal.payload.as_deref() == Some(&*text) && !in_force {
                    waiting = Some(proposal.proposal_id);
                } else if proposal.maker_id == CONFIGURATION {
                    // Otherwise an outdated proposal could be approved by mistake.
                    let mut proposal = work.proposal(&proposal.proposal_id, true)?;
                    let why = "recon.yaml has changed again";
                    work.close_by_system(&mut proposal, Move::Invalidate, why)?;
                }
            }
            if in_force || waiting.is_some() {
                return Ok((work.policy_version, waiting));
            }
            let proposal = work.propose_policy(&actor, text, Some("recon.yaml has changed"))?;
            Ok((work.policy_version, Some(proposal.proposal_id)))
        })?;
        let (version, proposed) = done.value;
        Ok(match proposed {
            Some(proposal_id) if !self.settings.solo => PolicyAdopted::Proposed(proposal_id),
            _ => PolicyAdopted::InForce(version),
        })
    }

    /// Proposes a policy (six eyes).
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed.
    pub fn propose_policy(
        &self,
        actor: &Actor,
        policy: &Policy,
        comments: Option<&str>,
    ) -> CommandResult<ProposalMoved> {
        self.write(actor, |work| {
            actor.must(Permission::ProposePolicy)?;
            work.refuse_lasting()?;
            let comments = checked_comment(comments, true)?;
            let text = json_of(policy)?;
            if text == json_of(&work.policy)? {
                return Err(Refusal::new(Code::SamePolicy, "that is the policy in force"));
            }
            let proposal = work.propose_policy(actor, text, comments.as_deref())?;
            Ok(work.moved(actor, &proposal)?)
        })
    }

    /// The policy in force and its version.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn policy(&self, actor: &Actor) -> QueryResult<(i64, Policy)> {
        actor.must(Permission::View)?;
        self.read(|work| Ok((work.policy_version, work.policy.clone())))
    }
}

fn json_of(policy: &Policy) -> Result<String, Problem> {
    serde_json::to_string(policy).map_err(|error| {
        Problem::new(Code::PolicyUnwritable, format!("a policy is no JSON: {error}"))
    })
}

impl Work<'_> {
    fn propose_policy(
        &mut self,
        actor: &Actor,
        text: String,
        comments: Option<&str>,
    ) -> Result<Proposal, Refusal> {
        let (proposal, _) = self.open(
            actor,
            Draft {
                kind: ProposalKind::Policy,
                action: None,
                reason: None,
                payload: Some(text),
                comments: comments.map(str::to_owned),
                items: Vec::new(),
                label: Some(format!("policy {}", self.policy_version + 1)),
            },
        )?;
        Ok(proposal)
    }

    /// Puts an approved policy in force.
    pub fn enact_policy(
        &mut self,
        proposal: &Proposal,
        payload: &Json,
    ) -> Result<Vec<Entry>, Refusal> {
        let policy: Policy = serde_json::from_value(payload.clone()).map_err(|error| {
            Refusal::new(Code::PolicyUnreadable, format!("the policy can't be read: {error}"))
        })?;
        Ok(self.enact(&json_of(&policy)?, Some(&proposal.proposal_id), proposal.control)?)
    }

    fn enact(
        &mut self,
        text: &str,
        proposal_id: Option<&str>,
        control: Control,
    ) -> Result<Vec<Entry>, Problem> {
        let version = self.policy_version + 1;
        let at = self.at();
        self.tables.add_policy(version, text, &at, proposal_id)?;
        let before = (self.policy_version > 0).then(|| json_of(&self.policy)).transpose()?;
        self.policy_version = version;
        Ok(vec![Entry {
            entity_type: "policy".to_owned(),
            entity_id: version.to_string(),
            stage: Stage::System.name().to_owned(),
            action_type: "ADOPT_POLICY".to_owned(),
            previous_value: before,
            new_value: Some(text.to_owned()),
            proposal_id: proposal_id.map(str::to_owned),
            policy_version: Some(version),
            control: Some(control.name().to_owned()),
            ..Entry::default()
        }])
    }
}
