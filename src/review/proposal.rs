//! Proposals as the store keeps them: reading, locking, opening, moving.

use serde_json::{Value as Json, json};

use crate::diagnostic::Problem;
use crate::domain::review::content::Content;
use crate::domain::review::trigger::{self, Decided, ItemFacts, Recent};
use crate::domain::review::{
    Action, Control, Eyes, Fired, Permission, ProposalKind, ProposalState, Stage, state,
};
use crate::domain::{Decimal, FieldRef, Instant, Layout, Status};
use crate::store::review::{Item, ItemKey, NewProposalItem, Proposal, Reason, Record};
use crate::store::time_text;

use super::actor::Actor;
use super::by_hand::{self, Joint};
use super::refusal::Refusal;
use super::requests::ProposalTag;
use super::responses::ProposalMoved;
use super::visibility::Visibility;
use super::work::{Moment, Work};

impl Proposal {
    pub(super) fn tag(&self) -> ProposalTag {
        ProposalTag { version: self.version, hash8: self.hash.short() }
    }

    pub(super) fn moment(&self) -> Moment<'_> {
        Moment {
            proposal_id: &self.proposal_id,
            version: self.version,
            hash: self.hash,
            control: self.control,
        }
    }

    /// The eyes that have seen it.
    pub(super) const fn eyes_done(&self) -> u8 {
        match self.state {
            ProposalState::Checked => 4,
            ProposalState::Applied => self.eyes.code(),
            _ => 2,
        }
    }

    /// The result of a change, with the measures of all triggers.
    fn moved(&self) -> ProposalMoved {
        let status = match self.state {
            ProposalState::Open | ProposalState::Checked => Some(Status::Pending),
            ProposalState::Applied => self.action.map(Action::outcome),
            _ => None,
        };
        ProposalMoved {
            proposal_id: self.proposal_id.clone(),
            state: self.state,
            status: status.filter(|_| self.kind.has_items()).map(|status| status.name().to_owned()),
            version: self.version,
            content_hash: self.hash,
            tag: self.tag().to_string(),
            eyes_required: self.eyes,
            eyes_done: self.eyes_done(),
            triggers: self.triggers.clone(),
            count: self.item_count.cast_unsigned(),
        }
    }
}

/// The decision and its items.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub kind: ProposalKind,
    pub action: Option<Action>,
    /// For OVERRIDE the reason asked for.
    pub reason: Option<Reason>,
    pub payload: Option<String>,
    pub comments: Option<String>,
    pub items: Vec<Item>,
    pub label: Option<String>,
}

/// An item with its facts for triggers and lists.
#[derive(Clone, Debug)]
pub(super) struct Weighed {
    pub item: Item,
    pub field: String,
    pub monetary: bool,
    pub amount: Option<Decimal>,
    pub currency: Option<String>,
    /// The field that names the counterparty, and its value.
    pub counterparty: Option<(String, String)>,
    /// True for a functional present reason, false for a non-functional one; `None` if it is not a cause.
    pub predicted: Option<bool>,
    pub predicted_code: String,
    pub references: [Option<String>; 2],
}

/// Words of which one stands in the name of the field that says who is on the other side.
const COUNTERPARTY: [&str; 10] = [
    "counterparty",
    "cpty",
    "customer",
    "client",
    "vendor",
    "supplier",
    "merchant",
    "beneficiary",
    "payee",
    "party",
];

fn counterparty_field(layout: &Layout) -> Option<&str> {
    COUNTERPARTY.iter().find_map(|word| {
        let names = layout.fields().iter().map(|field| field.name.as_str());
        names.into_iter().find(|name| name.to_lowercase().contains(word))
    })
}

impl Work<'_> {
    /// The result of a change of a proposal, as the person may see it.
    pub fn moved(&mut self, actor: &Actor, proposal: &Proposal) -> Result<ProposalMoved, Problem> {
        let mut moved = proposal.moved();
        let visible = self.visibility(actor);
        let hidden = self.hides_of(&visible, proposal)?;
        moved.triggers = visible.triggers(hidden, moved.triggers);
        Ok(moved)
    }

    /// True if values of any field of the proposal's items are hidden.
    pub fn hides_of(&mut self, visible: &Visibility, proposal: &Proposal) -> Result<bool, Problem> {
        if visible.is_whole() || !proposal.kind.has_items() {
            return Ok(false);
        }
        for key in self.tables.fields_of_proposal(&proposal.proposal_id)? {
            let run = self.tables.run(key.run_no)?;
            if visible.hides_amount(&run, key.field()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Items with their facts for triggers and audit rows.
    pub fn weigh(&mut self, items: Vec<Item>) -> Result<Vec<Weighed>, Problem> {
        let keys: Vec<ItemKey> = items.iter().map(|item| item.key).collect();
        let records = self.tables.records(&keys)?;
        let nothing = Record::default();
        let currency_field = self.policy.currency_field.clone();
        let mut weighed = Vec::with_capacity(items.len());
        for item in items {
            let run = self.tables.run(item.key.run_no)?;
            let record = records.get(&(item.key.run_no, item.key.record())).unwrap_or(&nothing);
            let signature = match item.signature_id {
                Some(id) => self.tables.signature(id)?,
                None => None,
            };
            // The money of a missing or surplus record is the record's.
            let (monetary, amount) = if item.key.field() == FieldRef::EntireRecord {
                (!run.monetary.is_empty(), record.largest_amount(&run.monetary))
            } else {
                let monetary = item.amount_abs.is_some()
                    || signature.is_some_and(|signature| signature.monetary);
                (monetary, if monetary { item.amount() } else { None })
            };
            let reason = self.tables.reason(item.reason_id)?;
            let code = reason.as_ref().map_or("", |reason| reason.code.as_str()).to_owned();
            weighed.push(Weighed {
                field: run.field_name(item.key.field()).to_owned(),
                monetary,
                amount,
                currency: currency_field
                    .as_deref()
                    .and_then(|field| record.text(&run.layout, field)),
                counterparty: counterparty_field(&run.layout)
                    .and_then(|name| Some((name.to_owned(), record.text(&run.layout, name)?))),
                predicted: reason
                    .filter(|reason| state::is_cause(&reason.code))
                    .map(|reason| reason.functional),
                predicted_code: code,
                references: [record.reference(0, &run.layout), record.reference(1, &run.layout)],
                item,
            });
        }
        Ok(weighed)
    }

    /// The triggers that a decision about these items fires.
    pub fn triggers(
        &mut self,
        decided: Decided,
        items: &[Weighed],
        maker_id: &str,
        except: Option<&str>,
    ) -> Result<Vec<Fired>, Problem> {
        let mut signatures: Vec<i64> =
            items.iter().filter_map(|item| item.item.signature_id).collect();
        signatures.sort_unstable();
        signatures.dedup();
        let known = if self.policy.first_of_signature {
            self.tables.known_signatures(&signatures)?
        } else {
            Vec::new()
        };
        let recent = if self.policy.anti_splitting {
            {
                let since = time_text(Instant::new(self.now.seconds() - 86_400, 0));
                self.tables.recent(&signatures, maker_id, &since, except)?
            }
        } else {
            Recent::default()
        };
        let facts: Vec<ItemFacts<'_>> = items
            .iter()
            .map(|weighed| ItemFacts {
                field: &weighed.field,
                diff_type: weighed.item.diff_type,
                monetary: weighed.monetary,
                amount: weighed.amount,
                currency: weighed.currency.as_deref(),
                confidence: weighed.item.confidence,
                predicted: weighed.predicted,
                decided_by_people: weighed.item.by_person,
                signature_known: weighed.item.signature_id.is_some_and(|id| known.contains(&id)),
            })
            .collect();
        Ok(trigger::evaluate(&self.policy, decided, &facts, &recent))
    }

    /// Opens a proposal: its items are taken, its triggers evaluated, its audit rows written. Where one
    /// person may decide alone it is applied at once.
    pub fn open(
        &mut self,
        actor: &Actor,
        draft: Draft,
    ) -> Result<(Proposal, Vec<Weighed>), Refusal> {
        let items = self.weigh(draft.items)?;
        let joint = Joint::of(draft.kind, draft.payload.as_deref());
        let decided = match joint {
            Some(_) => by_hand::DECIDED,
            None => Decided {
                kind: draft.kind,
                action: draft.action,
                functional: draft.reason.as_ref().map(|reason| reason.functional),
            },
        };
        let triggers = self.triggers(decided, &items, &actor.person_id, None)?;
        let locked = items.iter().any(|weighed| weighed.item.locked);
        let eyes = trigger::eyes(&self.policy, decided, &triggers, locked);
        let control = self.control(eyes);
        let mut ids = Vec::with_capacity(items.len());
        for weighed in &items {
            let run = self.tables.run(weighed.item.key.run_no)?;
            ids.push((run.attribution_id(weighed.item.key), weighed.item.version));
        }
        ids.sort_unstable();
        let hash = Content {
            kind: draft.kind,
            action: draft.action,
            reason: draft.reason.as_ref().map(|reason| reason.code.as_str()),
            comments: draft.comments.as_deref(),
            payload: draft.payload.as_deref(),
            items: &ids,
        }
        .hash();
        let at = self.at();
        let days = i64::from(self.policy.expires_after_days);
        let expires_at =
            time_text(Instant::new(self.now.seconds() + days * 86_400, self.now.nanoseconds()));
        let label = match draft.label {
            Some(label) => label,
            None => self.label_of(&items)?,
        };
        let proposal = Proposal {
            proposal_id: self.new_id(),
            kind: draft.kind,
            state: ProposalState::Open,
            eyes,
            control,
            triggers,
            maker_id: actor.person_id.clone(),
            version: 1,
            hash,
            action: draft.action,
            reason_id: draft.reason.as_ref().map(|reason| reason.reason_id),
            payload: draft.payload,
            comments: draft.comments,
            item_count: i64::try_from(items.len()).unwrap_or(i64::MAX),
            label,
            figures: figures(&items),
            created_at: at.clone(),
            updated_at: at,
            expires_at,
            closed_at: None,
        };
        self.tables.add_proposal(&proposal, self.policy_version)?;
        self.add_items(&proposal, &items)?;
        let taken: Vec<&Item> = items.iter().map(|weighed| &weighed.item).collect();
        self.tables.take(&taken)?;
        let mut entries = Vec::with_capacity(items.len());
        let action_type = match (&joint, proposal.kind, proposal.action) {
            (Some(joint), _, _) => joint.action_type(),
            (None, ProposalKind::Reopen, _) => "REOPEN",
            (None, _, Some(action)) => action.name(),
            (None, ProposalKind::ReasonCode, None) => "PROPOSE_REASON",
            (None, _, None) => "PROPOSE",
        };
        for weighed in &items {
            let run = self.tables.run(weighed.item.key.run_no)?;
            let before = self.state(&weighed.item)?;
            let mut after = before.clone();
            after.status = Status::Pending.name();
            after.locked = true;
            after.version += 1;
            let facts = weighed.item.facts(&run, &weighed.references);
            // Decisions without a visible suggestion measure the suggestions' influence.
            let blind = weighed.item.is_sample()
                || (weighed.item.status == Status::Unknown && self.is_blind(&weighed.item)?);
            entries.push(self.entry(
                Stage::Maker,
                action_type,
                &run.attribution_id(weighed.item.key),
                &proposal.moment(),
                &before,
                &after,
                proposal.comments.as_deref(),
                json!({
                    "action": proposal.action.map(Action::name),
                    "new_reason_code": draft.reason.as_ref().map(|reason| reason.code.as_str()),
                    "blind": blind,
                    "item": facts,
                }),
            ));
        }
        if !proposal.kind.has_items() {
            entries.push(self.proposal_entry(Stage::Maker, action_type, &proposal, None, None));
        }
        let applied_alone = matches!(control, Control::None | Control::TwoEye);
        if applied_alone {
            let mut proposal = proposal;
            let (done, more) = self.applied(Stage::Maker, &mut proposal)?;
            entries.extend(more);
            self.audit(&actor.by(), &entries)?;
            let _ = done;
            return Ok((proposal, items));
        }
        self.audit(&actor.by(), &entries)?;
        Ok((proposal, items))
    }

    /// An audit row about a proposal that has no items.
    pub fn proposal_entry(
        &self,
        stage: Stage,
        action_type: &str,
        proposal: &Proposal,
        before: Option<Json>,
        comments: Option<&str>,
    ) -> crate::store::audit::Entry {
        crate::store::audit::Entry {
            entity_type: "proposal".to_owned(),
            entity_id: proposal.proposal_id.clone(),
            stage: stage.name().to_owned(),
            action_type: action_type.to_owned(),
            previous_value: before.map(|json| json.to_string()),
            new_value: Some(
                json!({
                    "kind": proposal.kind.name(),
                    "state": proposal.state.name(),
                    "payload": proposal.payload.as_deref().and_then(|text| {
                        serde_json::from_str::<Json>(text).ok()
                    }),
                })
                .to_string(),
            ),
            comments: comments.map(str::to_owned).or_else(|| proposal.comments.clone()),
            proposal_id: Some(proposal.proposal_id.clone()),
            proposal_version: Some(proposal.version),
            proposal_hash: Some(proposal.hash.0),
            policy_version: Some(self.policy_version),
            control: Some(proposal.control.name().to_owned()),
            ..crate::store::audit::Entry::default()
        }
    }

    fn label_of(&mut self, items: &[Weighed]) -> Result<String, Problem> {
        let mut ids: Vec<Option<i64>> =
            items.iter().map(|weighed| weighed.item.signature_id).collect();
        ids.sort_unstable();
        ids.dedup();
        Ok(match ids.as_slice() {
            [Some(id)] => {
                self.tables.signature(*id)?.map_or_else(String::new, |found| found.label.clone())
            }
            [] | [None] => items.first().map_or_else(String::new, |weighed| {
                format!("{}: {}", weighed.field, weighed.item.diff_type)
            }),
            several => format!("{} kinds of differences", several.len()),
        })
    }

    fn add_items(&mut self, proposal: &Proposal, items: &[Weighed]) -> Result<(), Problem> {
        let mut new = Vec::with_capacity(items.len());
        for weighed in items {
            let run = self.tables.run(weighed.item.key.run_no)?;
            new.push(NewProposalItem {
                item: &weighed.item,
                amount: weighed.amount.map(Decimal::to_f64),
                currency: weighed.currency.as_deref(),
                facts: weighed.item.facts(&run, &weighed.references),
            });
        }
        self.tables.add_proposal_items(proposal, &new)
    }

    /// Writes the changes of an open proposal.
    pub fn update_proposal(&mut self, proposal: &mut Proposal) -> Result<(), Problem> {
        let at = self.at();
        self.tables.update_proposal(proposal, self.policy_version, &at)
    }

    /// Raises the eyes and triggers of a proposal to those that fire now; they never fall.
    pub fn ratchet(&mut self, proposal: &mut Proposal, fired: Vec<Fired>) {
        for one in fired {
            if !proposal.triggers.iter().any(|known| known.trigger == one.trigger) {
                proposal.triggers.push(one);
            }
        }
        proposal.triggers.sort_by_key(|one| one.trigger);
        if !proposal.triggers.is_empty() && proposal.eyes < Eyes::Six {
            proposal.eyes = Eyes::Six;
            if proposal.control != Control::None {
                proposal.control = Control::SixEye;
            }
        }
    }
}

/// A proposal as lists show it, without its items.
fn figures(items: &[Weighed]) -> Json {
    let mut predicted: Vec<(String, f64)> = Vec::new();
    for weighed in items {
        let code = &weighed.predicted_code;
        match predicted.iter_mut().find(|(known, _)| known == code) {
            Some((_, confidence)) => *confidence = confidence.max(weighed.item.confidence),
            None => predicted.push((code.clone(), weighed.item.confidence)),
        }
    }
    let predicted: Vec<Json> = predicted
        .into_iter()
        .map(|(code, confidence)| json!({ "code": code, "confidence": confidence, "why": [] }))
        .collect();
    json!({ "amount_sum": sums(items), "predicted": predicted })
}

/// Sums of amounts by currency.
pub(super) fn sums(items: &[Weighed]) -> Vec<super::responses::AmountSum> {
    let mut sums: Vec<(Option<&str>, Option<Decimal>)> = Vec::new();
    for weighed in items {
        let Some(amount) = weighed.amount else { continue };
        let currency = weighed.currency.as_deref();
        match sums.iter_mut().find(|(known, _)| *known == currency) {
            Some((_, sum)) => *sum = sum.and_then(|sum| sum.checked_sub(amount.negated())),
            None => sums.push((currency, Some(amount))),
        }
    }
    sums.into_iter()
        .map(|(currency, sum)| super::responses::AmountSum {
            currency: currency.map(str::to_owned),
            sum: sum.map_or_else(|| "beyond 38 digits".to_owned(), |sum| sum.to_string()),
        })
        .collect()
}

/// The permission needed to approve or send back at this stage.
pub(super) const fn permission_of(stage: Stage) -> Permission {
    match stage {
        Stage::Authorizer => Permission::Authorize,
        _ => Permission::Check,
    }
}
