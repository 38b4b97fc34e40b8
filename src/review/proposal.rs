//! Proposals as the store keeps them: reading, locking, opening, moving.

use serde_json::{Value as Json, json};

use crate::diagnostic::{Code, Problem};
use crate::domain::review::content::Content;
use crate::domain::review::trigger::{self, Decided, ItemFacts, Recent};
use crate::domain::review::{
    Action, ContentHash, Control, Eyes, Fired, Permission, ProposalKind, ProposalState, Stage,
    state,
};
use crate::domain::{Decimal, Instant, Status};
use crate::store::rows::{self, parameters};
use crate::store::transact::Answer;
use crate::store::{SqlValue, time_text};

use super::actor::Actor;
use super::answer::ProposalMoved;
use super::ask::ProposalTag;
use super::items::{Item, Key, Reason};
use super::refusal::Refusal;
use super::sight::Sight;
use super::work::{Moment, Work, triggers_json};

/// A proposal.
#[derive(Clone, Debug)]
pub(super) struct Proposal {
    pub proposal_id: String,
    pub kind: ProposalKind,
    pub state: ProposalState,
    pub eyes: Eyes,
    pub control: Control,
    pub triggers: Vec<Fired>,
    pub maker_id: String,
    pub version: i64,
    pub hash: ContentHash,
    pub action: Option<Action>,
    pub reason_id: Option<i64>,
    pub payload: Option<String>,
    pub comments: Option<String>,
    pub item_count: i64,
    pub label: String,
    pub figures: Json,
    pub created_at: String,
    pub updated_at: String,
    pub expires_at: String,
    pub closed_at: Option<String>,
}

pub(super) const PROPOSAL: &str = "p.proposal_id, p.kind, p.state, p.eyes, p.control, p.triggers, \
     p.maker_id, p.version, p.content_hash, p.action, p.reason_id, p.payload, p.comments, \
     p.item_count, p.label, p.figures, p.created_at, p.updated_at, p.expires_at, p.closed_at";

pub(super) fn read(row: &Answer) -> Result<Proposal, Problem> {
    let damaged =
        |what: &str| Problem::new(Code::StoreDamaged, format!("a proposal's {what} can't be read"));
    let json = |column: usize| -> Result<Json, Problem> {
        let text = row.text(column)?.unwrap_or_else(|| "null".to_owned());
        serde_json::from_str(&text).map_err(|_| damaged("document"))
    };
    let hash: [u8; 32] =
        row.blob(8)?.unwrap_or_default().try_into().map_err(|_| damaged("hash"))?;
    Ok(Proposal {
        proposal_id: row.required(0)?,
        kind: ProposalKind::from_name(&row.required(1)?).ok_or_else(|| damaged("kind"))?,
        state: ProposalState::from_name(&row.required(2)?).ok_or_else(|| damaged("state"))?,
        eyes: u8::try_from(row.count(3)?)
            .ok()
            .and_then(Eyes::from_code)
            .ok_or_else(|| damaged("eyes"))?,
        control: Control::from_name(&row.required(4)?).ok_or_else(|| damaged("control"))?,
        triggers: serde_json::from_value(json(5)?).map_err(|_| damaged("triggers"))?,
        maker_id: row.required(6)?,
        version: row.count(7)?,
        hash: ContentHash(hash),
        action: row.text(9)?.and_then(|name| Action::from_name(&name)),
        reason_id: row.integer(10)?,
        payload: row.text(11)?,
        comments: row.text(12)?,
        item_count: row.count(13)?,
        label: row.required(14)?,
        figures: json(15)?,
        created_at: row.required(16)?,
        updated_at: row.required(17)?,
        expires_at: row.required(18)?,
        closed_at: row.text(19)?,
    })
}

impl Proposal {
    pub fn tag(&self) -> ProposalTag {
        ProposalTag { version: self.version, hash8: self.hash.short() }
    }

    pub fn moment(&self) -> Moment<'_> {
        Moment {
            proposal_id: &self.proposal_id,
            version: self.version,
            hash: self.hash,
            control: self.control,
        }
    }

    /// The eyes that have seen it.
    pub const fn eyes_done(&self) -> u8 {
        match self.state {
            ProposalState::Checked => 4,
            ProposalState::Applied => self.eyes.code(),
            _ => 2,
        }
    }

    /// The answer to what changed it, with all that triggers measured.
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

/// An item of a proposal, with what it had before.
#[derive(Clone, Debug)]
pub(super) struct ProposalItem {
    pub key: Key,
    pub attribution_id: String,
    pub base_version: i64,
    pub facts: Json,
}

/// What is decided, and about which items.
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

/// An item with what triggers and lists need besides.
#[derive(Clone, Debug)]
pub(super) struct Weighed {
    pub item: Item,
    pub field: String,
    pub monetary: bool,
    pub amount: Option<Decimal>,
    pub currency: Option<String>,
    /// Whether the present reason is a cause, and then whether it is functional.
    pub predicted: Option<bool>,
    pub predicted_code: String,
    pub references: [Option<String>; 2],
}

impl Work<'_> {
    /// The answer to what changed a proposal, as the person may see it.
    pub fn moved(&mut self, actor: &Actor, proposal: &Proposal) -> Result<ProposalMoved, Problem> {
        let mut moved = proposal.moved();
        let sight = self.sight(actor);
        let hidden = self.hides_of(&sight, proposal)?;
        moved.triggers = sight.triggers(hidden, moved.triggers);
        Ok(moved)
    }

    /// Whether the values of some field that a proposal is about are hidden.
    pub fn hides_of(&mut self, sight: &Sight, proposal: &Proposal) -> Result<bool, Problem> {
        if sight.is_whole() || !proposal.kind.has_items() {
            return Ok(false);
        }
        let rows = self.shelf.tx.query(
            "SELECT DISTINCT run_no, number & 1023 FROM recon.proposal_items \
             WHERE proposal_id = $1",
            &parameters![&proposal.proposal_id],
        )?;
        for row in rows {
            let key = Key { run_no: row.count(0)?, number: row.count(1)? };
            let run = self.shelf.run(key.run_no)?;
            if sight.hides_amount(&run, key.field()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The proposal of this id, locked if it is to be changed.
    pub fn proposal(&mut self, proposal_id: &str, lock: bool) -> Result<Proposal, Refusal> {
        let lock = if lock { self.shelf.dialect().for_update() } else { "" };
        let sql =
            format!("SELECT {PROPOSAL} FROM recon.proposals p WHERE p.proposal_id = $1{lock}");
        let rows = self.shelf.tx.query(&sql, &parameters![proposal_id])?;
        let row = rows
            .first()
            .ok_or_else(|| Refusal::new(Code::NoSuchProposal, "there is no such proposal"))?;
        Ok(read(row)?)
    }

    /// The items of a proposal, in the order of their ids.
    pub fn proposal_items(&mut self, proposal_id: &str) -> Result<Vec<ProposalItem>, Problem> {
        let rows = self.shelf.tx.query(
            "SELECT run_no, number, attribution_id, base_version, facts \
             FROM recon.proposal_items WHERE proposal_id = $1 ORDER BY run_no, number",
            &parameters![proposal_id],
        )?;
        let item = |row: &Answer| {
            Ok(ProposalItem {
                key: Key { run_no: row.count(0)?, number: row.count(1)? },
                attribution_id: row.required(2)?,
                base_version: row.count(3)?,
                facts: serde_json::from_str(&row.required(4)?).unwrap_or(Json::Null),
            })
        };
        rows.iter().map(item).collect()
    }

    /// Who made and amended a proposal.
    pub fn contributors(&mut self, proposal_id: &str) -> Result<Vec<String>, Problem> {
        let rows = self.shelf.tx.query(
            "SELECT person_id FROM recon.contributors WHERE proposal_id = $1 ORDER BY person_id",
            &parameters![proposal_id],
        )?;
        rows.iter().map(|row| row.required(0)).collect()
    }

    /// Items with what triggers and audit rows need besides.
    pub fn weigh(&mut self, items: Vec<Item>) -> Result<Vec<Weighed>, Problem> {
        let keys: Vec<Key> = items.iter().map(|item| item.key).collect();
        let records = self.shelf.records(&keys)?;
        let nothing = super::items::Record::default();
        let currency_field = self.policy.currency_field.clone();
        let mut weighed = Vec::with_capacity(items.len());
        for item in items {
            let run = self.shelf.run(item.key.run_no)?;
            let record = records.get(&(item.key.run_no, item.key.record())).unwrap_or(&nothing);
            let signature = match item.signature_id {
                Some(id) => self.shelf.signature(id)?,
                None => None,
            };
            let monetary =
                item.amount_abs.is_some() || signature.is_some_and(|signature| signature.monetary);
            let reason = self.shelf.reason(item.reason_id)?;
            let code = reason.as_ref().map_or("", |reason| reason.code.as_str()).to_owned();
            weighed.push(Weighed {
                field: run.field_name(item.key.field()).to_owned(),
                monetary,
                amount: if monetary { item.amount() } else { None },
                currency: currency_field
                    .as_deref()
                    .and_then(|field| record.text(&run.layout, field)),
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
            self.known_signatures(&signatures)?
        } else {
            Vec::new()
        };
        let recent = if self.policy.anti_splitting {
            self.recent(&signatures, maker_id, except)?
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

    pub fn known_signatures(&mut self, signatures: &[i64]) -> Result<Vec<i64>, Problem> {
        let within = rows::numbers_in(self.shelf.dialect(), "$1");
        let rows = self.shelf.tx.query(
            &format!(
                "SELECT DISTINCT i.signature_id FROM recon.proposal_items i \
                 JOIN recon.proposals p ON p.proposal_id = i.proposal_id \
                 WHERE p.state = 'APPLIED' AND i.signature_id IN {within}"
            ),
            &[rows::numbers(signatures.iter().copied())],
        )?;
        rows.iter().map(|row| row.count(0)).collect()
    }

    fn recent(
        &mut self,
        signatures: &[i64],
        maker_id: &str,
        except: Option<&str>,
    ) -> Result<Recent, Problem> {
        let since = time_text(Instant::new(self.now.seconds() - 86_400, 0));
        let within = rows::numbers_in(self.shelf.dialect(), "$4");
        let rows = self.shelf.tx.query(
            &format!(
                "SELECT i.currency, count(*), sum(i.amount_abs) FROM recon.proposals p \
                 JOIN recon.proposal_items i ON i.proposal_id = p.proposal_id \
                 WHERE p.maker_id = $1 AND p.created_at >= $2 AND p.proposal_id <> $3 \
                   AND p.state IN ('OPEN', 'CHECKED', 'APPLIED') AND i.signature_id IN {within} \
                 GROUP BY i.currency"
            ),
            &[
                maker_id.into(),
                since.into(),
                except.unwrap_or_default().into(),
                rows::numbers(signatures.iter().copied()),
            ],
        )?;
        let mut recent = Recent::default();
        for row in rows {
            recent.items += row.count(1)?.cast_unsigned();
            if let (Some(currency), Some(sum)) = (row.text(0)?, row.real(2)?) {
                recent.sums.push((currency, sum));
            }
        }
        Ok(recent)
    }

    /// Opens a proposal: its items are taken, its triggers evaluated, its audit rows written. Where one
    /// person may decide alone it is applied at once.
    pub fn open(
        &mut self,
        actor: &Actor,
        draft: Draft,
    ) -> Result<(Proposal, Vec<Weighed>), Refusal> {
        let items = self.weigh(draft.items)?;
        let decided = Decided {
            kind: draft.kind,
            action: draft.action,
            functional: draft.reason.as_ref().map(|reason| reason.functional),
        };
        let triggers = self.triggers(decided, &items, &actor.person_id, None)?;
        let locked = items.iter().any(|weighed| weighed.item.locked);
        let eyes = trigger::eyes(&self.policy, decided, &triggers, locked);
        let control = self.control(eyes);
        let mut ids = Vec::with_capacity(items.len());
        for weighed in &items {
            let run = self.shelf.run(weighed.item.key.run_no)?;
            ids.push((run.attribution_id(weighed.item.key.number), weighed.item.version));
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
        self.insert(&proposal)?;
        self.contribute(&proposal.proposal_id, &actor.person_id)?;
        self.insert_items(&proposal, &items)?;
        let taken: Vec<&Item> = items.iter().map(|weighed| &weighed.item).collect();
        self.shelf.take(&taken)?;
        let mut entries = Vec::with_capacity(items.len());
        let action_type = match (proposal.kind, proposal.action) {
            (ProposalKind::Reopen, _) => "REOPEN",
            (_, Some(action)) => action.name(),
            (ProposalKind::ReasonCode, None) => "PROPOSE_REASON",
            (_, None) => "PROPOSE",
        };
        for weighed in &items {
            let run = self.shelf.run(weighed.item.key.run_no)?;
            let before = self.state(&weighed.item)?;
            let mut after = before.clone();
            after.status = Status::Pending.name();
            after.locked = true;
            after.version += 1;
            let facts = self.facts(&run, &weighed.item, weighed.references.clone());
            // How people decide who don't see a suggestion tells how much suggestions sway them.
            let blind = weighed.item.is_sample()
                || (weighed.item.status == Status::Unknown && self.is_blind(&weighed.item)?);
            entries.push(self.entry(
                Stage::Maker,
                action_type,
                &run.attribution_id(weighed.item.key.number),
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
                self.shelf.signature(*id)?.map_or_else(String::new, |found| found.label.clone())
            }
            [] | [None] => items.first().map_or_else(String::new, |weighed| {
                format!("{}: {}", weighed.field, weighed.item.diff_type)
            }),
            several => format!("{} kinds of differences", several.len()),
        })
    }

    fn insert(&mut self, proposal: &Proposal) -> Result<(), Problem> {
        self.shelf.tx.execute(
            "INSERT INTO recon.proposals (proposal_id, kind, state, eyes, control, triggers, \
             maker_id, version, content_hash, action, reason_id, payload, comments, item_count, \
             label, figures, created_at, updated_at, expires_at, policy_version) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
             $18, $19, $20)",
            &parameters![
                &proposal.proposal_id,
                proposal.kind.name(),
                proposal.state.name(),
                proposal.eyes.code(),
                proposal.control.name(),
                triggers_json(&proposal.triggers),
                &proposal.maker_id,
                proposal.version,
                proposal.hash.0.to_vec(),
                proposal.action.map(Action::name),
                proposal.reason_id,
                proposal.payload.clone(),
                proposal.comments.clone(),
                proposal.item_count,
                &proposal.label,
                proposal.figures.to_string(),
                &proposal.created_at,
                &proposal.updated_at,
                &proposal.expires_at,
                self.policy_version,
            ],
        )?;
        Ok(())
    }

    /// Remembers that a person took part in making a proposal.
    pub fn contribute(&mut self, proposal_id: &str, person_id: &str) -> Result<(), Problem> {
        self.shelf.tx.execute(
            "INSERT INTO recon.contributors (proposal_id, person_id) VALUES ($1, $2) \
             ON CONFLICT DO NOTHING",
            &parameters![proposal_id, person_id],
        )?;
        Ok(())
    }

    fn insert_items(&mut self, proposal: &Proposal, items: &[Weighed]) -> Result<(), Problem> {
        let mut rows: Vec<Vec<SqlValue>> = Vec::with_capacity(items.len());
        for weighed in items {
            let item = &weighed.item;
            let run = self.shelf.run(item.key.run_no)?;
            let facts = self.facts(&run, item, weighed.references.clone());
            rows.push(
                parameters![
                    &proposal.proposal_id,
                    item.key.run_no,
                    item.key.number,
                    run.attribution_id(item.key.number),
                    true,
                    item.version,
                    item.status.code(),
                    item.reason_id,
                    item.functional,
                    item.locked,
                    item.confidence,
                    item.assigner_id,
                    item.assigned_at.clone(),
                    item.signature_id,
                    weighed.amount.map(Decimal::to_f64),
                    weighed.currency.clone(),
                    super::work::clean(&facts.to_string()),
                ]
                .to_vec(),
            );
        }
        rows::insert(self.shelf.tx, &ITEMS, &rows)
    }

    /// Writes what moved: state, version, eyes, content.
    pub fn update_proposal(&mut self, proposal: &mut Proposal) -> Result<(), Problem> {
        proposal.updated_at = self.at();
        if !proposal.state.is_open() {
            proposal.closed_at = Some(proposal.updated_at.clone());
        }
        let changed = self.shelf.tx.execute(
            "UPDATE recon.proposals SET state = $2, eyes = $3, control = $4, triggers = $5, \
             version = $6, content_hash = $7, action = $8, reason_id = $9, comments = $10, \
             updated_at = $11, closed_at = $12, policy_version = $13 \
             WHERE proposal_id = $1 AND closed_at IS NULL",
            &parameters![
                &proposal.proposal_id,
                proposal.state.name(),
                proposal.eyes.code(),
                proposal.control.name(),
                triggers_json(&proposal.triggers),
                proposal.version,
                proposal.hash.0.to_vec(),
                proposal.action.map(Action::name),
                proposal.reason_id,
                proposal.comments.clone(),
                &proposal.updated_at,
                proposal.closed_at.clone(),
                self.policy_version,
            ],
        )?;
        if changed != 1 {
            return Err(Problem::new(Code::ProposalLost, "a proposal was closed meanwhile"));
        }
        if !proposal.state.is_open() {
            self.shelf.tx.execute(
                "UPDATE recon.proposal_items SET open = $2 WHERE proposal_id = $1",
                &parameters![&proposal.proposal_id, false],
            )?;
        }
        Ok(())
    }

    /// Raises the eyes and triggers of a proposal to what fires now; they never fall.
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

/// What lists show of a proposal without looking at its items.
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
pub(super) fn sums(items: &[Weighed]) -> Vec<super::answer::AmountSum> {
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
        .map(|(currency, sum)| super::answer::AmountSum {
            currency: currency.map(str::to_owned),
            sum: sum.map_or_else(|| "beyond 38 digits".to_owned(), |sum| sum.to_string()),
        })
        .collect()
}

/// Who may move a proposal at its present stage, besides the contributors' exclusion.
pub(super) const fn permission_of(stage: Stage) -> Permission {
    match stage {
        Stage::Authorizer => Permission::Authorize,
        _ => Permission::Check,
    }
}

const ITEMS: rows::Table = rows::Table {
    name: "proposal_items",
    columns: &[
        ("proposal_id", "text"),
        ("run_no", "integer"),
        ("number", "bigint"),
        ("attribution_id", "uuid"),
        ("open", "boolean"),
        ("base_version", "integer"),
        ("prior_status", "integer"),
        ("prior_reason_id", "integer"),
        ("prior_functional", "boolean"),
        ("prior_locked", "boolean"),
        ("prior_confidence", "double precision"),
        ("prior_assigner_id", "integer"),
        ("prior_assigned_at", "timestamptz"),
        ("signature_id", "integer"),
        ("amount_abs", "double precision"),
        ("currency", "text"),
        ("facts", "json"),
    ],
};
