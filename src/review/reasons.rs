//! The catalogue of reasons, and how people add to it.

use serde_json::{Value as Json, json};

use crate::diagnostic::Code;
use crate::domain::review::{Permission, ProposalKind, Stage};
use crate::store::audit::Entry;
use crate::store::review::{Proposal, Reason};

use super::actor::Actor;
use super::proposal::Draft;
use super::refusal::Refusal;
use super::requests::ProposeReason;
use super::responses::{ReasonEntry, ReasonProposed, ReasonView, Share, Simulation};
use super::work::{Work, checked_comment};
use super::{CommandResult, QueryResult, Review};

impl From<&Reason> for ReasonView {
    fn from(reason: &Reason) -> Self {
        Self {
            reason_id: reason.reason_id,
            code: reason.code.clone(),
            description: reason.description.clone(),
            is_functional: reason.functional,
        }
    }
}

impl Review<'_> {
    /// The codes that decisions may give, or may have given; their uses are not counted.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn reason_codes(
        &self,
        actor: &Actor,
        active: Option<bool>,
    ) -> QueryResult<Vec<ReasonEntry>> {
        self.reasons_of(actor, active, None, false)
    }

    /// The catalogue of reasons.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn reasons(
        &self,
        actor: &Actor,
        active: Option<bool>,
        q: Option<&str>,
    ) -> QueryResult<Vec<ReasonEntry>> {
        self.reasons_of(actor, active, q, true)
    }

    fn reasons_of(
        &self,
        actor: &Actor,
        active: Option<bool>,
        q: Option<&str>,
        count: bool,
    ) -> QueryResult<Vec<ReasonEntry>> {
        actor.must(Permission::View)?;
        let q = q.map(str::to_lowercase);
        self.read(|work| {
            let mut used: std::collections::HashMap<i64, u64> = std::collections::HashMap::new();
            if count {
                used.extend(work.tables.uses_of_reasons()?);
            }
            let wanted = |reason: &&Reason| {
                active.is_none_or(|active| reason.active == active)
                    && q.as_deref().is_none_or(|q| {
                        reason.code.to_lowercase().contains(q)
                            || reason.description.to_lowercase().contains(q)
                    })
            };
            let reasons = work.tables.reasons()?;
            Ok(reasons
                .iter()
                .filter(wanted)
                .map(|reason| ReasonEntry {
                    reason: reason.into(),
                    is_active: reason.active,
                    origin: reason.origin.clone(),
                    closes: reason.closes,
                    used: used.get(&reason.reason_id).copied().unwrap_or_default(),
                })
                .collect())
        })
    }

    /// Proposes a reason code (six eyes), with a simulation.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed.
    pub fn propose_reason(
        &self,
        actor: &Actor,
        ask: &ProposeReason,
    ) -> CommandResult<ReasonProposed> {
        self.write(actor, |work| {
            actor.must(Permission::ProposeReason)?;
            work.refuse_lasting()?;
            let comments = checked_comment(ask.comments.as_deref(), false)?;
            let description = ask.description.trim();
            if !is_code(&ask.code) {
                return Err(Refusal::new(Code::InvalidCode, "that is no reason code")
                    .with("code", "2 to 50 of A to Z, 0 to 9 and _, a letter first"));
            }
            if description.chars().count() < 5 || description.chars().count() > 500 {
                return Err(Refusal::new(Code::InvalidDescription, "describe the reason")
                    .with("description", "5 to 500 characters"));
            }
            if ask.examples.len() > 20 {
                return Err(Refusal::new(Code::TooManyExamples, "20 examples are enough")
                    .with("examples", "at most 20"));
            }
            if work.tables.reason_by_code(&ask.code)?.is_some() {
                return Err(Refusal::new(Code::Exists, "there is a reason of this code already"));
            }
            let label = format!("{}: {description}", ask.code);
            let open = work.tables.open_proposals(ProposalKind::ReasonCode)?;
            if let Some(same) = open.into_iter().find(|proposal| proposal.label == label) {
                return Err(Refusal::new(Code::Exists, "this reason is proposed already")
                    .blocked_by(same.proposal_id));
            }
            let simulation = work.simulate(&ask.examples)?;
            let payload = json!({
                "code": ask.code,
                "description": description,
                "is_functional": ask.is_functional,
                "closes": ask.closes,
                "examples": ask.examples,
                "simulation": simulation,
            });
            let (proposal, _) = work.open(
                actor,
                Draft {
                    kind: ProposalKind::ReasonCode,
                    action: None,
                    reason: None,
                    payload: Some(payload.to_string()),
                    comments,
                    items: Vec::new(),
                    label: Some(label),
                },
            )?;
            Ok(ReasonProposed { proposal: work.moved(actor, &proposal)?, simulation })
        })
    }
}

/// `^[A-Z][A-Z0-9_]{1,49}$`
fn is_code(code: &str) -> bool {
    let bytes = code.as_bytes();
    (2..=50).contains(&bytes.len())
        && bytes.first().is_some_and(u8::is_ascii_uppercase)
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_')
}

impl Work<'_> {
    /// How many undecided items are similar to these examples, and how similar ones were decided.
    fn simulate(&mut self, examples: &[String]) -> Result<Simulation, Refusal> {
        let keys = self.keys(examples.iter().map(String::as_str))?;
        let mut signatures: Vec<i64> = Vec::new();
        for item in self.tables.items(&keys, false)? {
            // Their signature would reveal a hidden suggestion.
            if !self.is_hidden(&item)? {
                signatures.extend(item.signature_id);
            }
        }
        signatures.sort_unstable();
        signatures.dedup();
        if signatures.is_empty() {
            return Ok(Simulation { would_match: 0, est_precision: None, overlaps: Vec::new() });
        }
        let would_match = self.tables.count_undecided(&signatures)?;
        let decided = self.tables.decided_with(&signatures)?;
        let all: u64 = decided.iter().map(|(_, count)| count).sum();
        let most = decided.iter().map(|(_, count)| *count).max().unwrap_or_default();
        let overlaps = decided
            .into_iter()
            .map(|(value, count)| Share { by: "reason_code".to_owned(), value, count })
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "a share of counts")]
        let est_precision = (all > 0).then(|| most as f64 / all as f64);
        Ok(Simulation { would_match, est_precision, overlaps })
    }

    /// Adds an approved code to the catalogue.
    pub fn create_reason(
        &mut self,
        proposal: &Proposal,
        payload: &Json,
    ) -> Result<Vec<Entry>, Refusal> {
        let text = |name: &str| payload.get(name).and_then(Json::as_str).unwrap_or_default();
        let functional = payload.get("is_functional").and_then(Json::as_bool).unwrap_or_default();
        let closes = payload.get("closes").and_then(Json::as_bool).unwrap_or_default();
        let code = text("code").to_owned();
        if self.tables.reason_by_code(&code)?.is_some() {
            return Err(Refusal::new(Code::Exists, "there is a reason of this code by now"));
        }
        self.tables.add_reason(&code, text("description"), functional, closes)?;
        Ok(vec![Entry {
            entity_type: "reason_code".to_owned(),
            entity_id: code.clone(),
            stage: Stage::System.name().to_owned(),
            action_type: "CREATE_REASON".to_owned(),
            new_value: Some(
                json!({
                    "code": code,
                    "description": text("description"),
                    "is_functional": functional,
                    "closes": closes,
                    "is_active": true,
                })
                .to_string(),
            ),
            comments: proposal.comments.clone(),
            proposal_id: Some(proposal.proposal_id.clone()),
            proposal_version: Some(proposal.version),
            proposal_hash: Some(proposal.hash.0),
            policy_version: Some(self.policy_version),
            control: Some(proposal.control.name().to_owned()),
            ..Entry::default()
        }])
    }
}
