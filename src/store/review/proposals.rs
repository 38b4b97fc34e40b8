//! Proposals, their items, who made them and who approved them.

use std::collections::HashMap;

use serde_json::Value as Json;

use crate::diagnostic::{Code, Problem};
use crate::domain::review::trigger::Recent;
use crate::domain::review::{
    Action, ContentHash, Control, Eyes, Fired, ProposalKind, ProposalState, Stage,
};
use crate::store::layout::ItemKey;
use crate::store::rows::{self, parameters};
use crate::store::transact::{Dialect, SqlRow};
use crate::store::{SqlValue, stored};

use super::condition::Where;
use super::items::{Item, keys_in, keys_parameter};
use super::{ReviewTables, read_key};

#[derive(Clone, Debug)]
pub(crate) struct Proposal {
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

const SELECT: &str = "SELECT p.proposal_id, p.kind, p.state, p.eyes, p.control, p.triggers, \
     p.maker_id, p.version, p.content_hash, p.action, p.reason_id, p.payload, p.comments, \
     p.item_count, p.label, p.figures, p.created_at, p.updated_at, p.expires_at, p.closed_at \
     FROM recon.proposals p";

fn read(row: &SqlRow) -> Result<Proposal, Problem> {
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

fn triggers_json(fired: &[Fired]) -> String {
    serde_json::to_string(fired).unwrap_or_else(|_| "[]".to_owned())
}

/// An item of a proposal, with its earlier state.
#[derive(Clone, Debug)]
pub(crate) struct ProposalItem {
    pub key: ItemKey,
    pub attribution_id: String,
    pub base_version: i64,
    pub amount: Option<f64>,
    pub currency: Option<String>,
    pub facts: Json,
}

/// An item's state when a proposal took it.
#[derive(Clone, Debug)]
pub(crate) struct Prior {
    pub reason_id: i64,
    pub confidence: f64,
    pub assigned_by: Option<String>,
    pub by_person: bool,
    /// The machine's evidence, as [`evidence`] keeps it; `None` in proposals from before that was kept.
    pub explanation: Option<String>,
    /// The item's own evidence is still that of then: people hold it, or have settled it so.
    pub is_held: bool,
}

/// The causes and the pieces of evidence that are kept of each item of a proposal: those that people are shown.
const EVIDENCE: usize = 3;

/// The stored part of the machine's explanation of an item.
fn evidence(explanation: Option<&str>) -> String {
    let all: Json =
        explanation.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let mut kept = serde_json::Map::new();
    let first = |list: Option<&Json>| -> Option<Vec<Json>> {
        Some(list?.as_array()?.iter().take(EVIDENCE).cloned().collect())
    };
    if let Some(model) = all.get("model") {
        let parts = ["reasons", "features"].into_iter();
        let parts =
            parts.filter_map(|name| Some((name.to_owned(), first(model.get(name))?.into())));
        kept.insert("model".to_owned(), Json::Object(parts.collect()));
    }
    if let Some(notes) = all.get("notes") {
        kept.insert("notes".to_owned(), notes.clone());
    }
    Json::Object(kept).to_string()
}

/// An item of a proposal that is about to be opened.
#[derive(Clone, Debug)]
pub(crate) struct NewProposalItem<'a> {
    pub item: &'a Item,
    pub amount: Option<f64>,
    pub currency: Option<&'a str>,
    pub facts: Json,
}

/// A checker's or authorizer's comment on a proposal.
#[derive(Clone, Debug)]
pub(crate) struct Approval {
    pub stage: String,
    pub person_id: String,
    pub decision: String,
    pub version: i64,
    pub comments: Option<String>,
    pub at: String,
    pub void: bool,
}

impl Approval {
    /// True if it was given for the present version of the proposal.
    pub const fn stands(&self, proposal: &Proposal) -> bool {
        self.version == proposal.version && !self.void
    }

    pub fn approves(&self) -> bool {
        self.decision == "APPROVE"
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct ProposalQuery {
    pub state: Option<ProposalState>,
    pub kind: Option<ProposalKind>,
    pub maker: Option<String>,
    /// Made or amended by this person.
    pub contributor: Option<String>,
    /// Neither made, amended nor approved in its present version by this person.
    pub open_to: Option<String>,
    /// Open ones or closed ones.
    pub open: Option<bool>,
    /// Oldest first, else newest first.
    pub oldest_first: bool,
}

const CONTRIBUTED: &str = "EXISTS (SELECT 1 FROM recon.contributors c \
     WHERE c.proposal_id = p.proposal_id AND c.person_id = $?)";

impl ProposalQuery {
    fn condition(&self, tables: &ReviewTables<'_>) -> Where {
        let mut condition = Where::new(tables.dialect(), "1 = 1");
        let mut and = |sql: &str, value: Option<&str>| {
            if let Some(value) = value {
                let place = condition.bind(value);
                condition.and(&sql.replace("$?", &place));
            }
        };
        and("p.state = $?", self.state.map(ProposalState::name));
        and("p.kind = $?", self.kind.map(ProposalKind::name));
        if let Some(open) = self.open {
            let not = if open { "" } else { "NOT " };
            condition.and(&format!("p.state {not}IN ('OPEN', 'CHECKED')"));
        }
        let mut and = |sql: &str, value: Option<&str>| {
            if let Some(value) = value {
                let place = condition.bind(value);
                condition.and(&sql.replace("$?", &place));
            }
        };
        and("p.maker_id = $?", self.maker.as_deref());
        and(CONTRIBUTED, self.contributor.as_deref());
        let person = self.open_to.as_deref();
        and(&format!("NOT {CONTRIBUTED}"), person);
        // Only a checked proposal has approvals of its present version.
        if self.state == Some(ProposalState::Checked) {
            and(
                "NOT EXISTS (SELECT 1 FROM recon.approvals a \
                 WHERE a.proposal_id = p.proposal_id AND a.proposal_version = p.version \
                   AND a.person_id = $?)",
                person,
            );
        }
        condition
    }
}

impl ReviewTables<'_> {
    /// The open proposal of this id, unless another transaction is about to change it.
    pub fn open_proposal_if_free(
        &mut self,
        proposal_id: &str,
    ) -> Result<Option<Proposal>, Problem> {
        let lock = match self.dialect() {
            Dialect::Sqlite => "",
            Dialect::Postgres => " FOR UPDATE SKIP LOCKED",
        };
        let sql =
            format!("{SELECT} WHERE p.proposal_id = $1 AND p.state IN ('OPEN', 'CHECKED'){lock}");
        self.tx.find(&sql, &parameters![proposal_id], read)
    }

    /// The proposal of this id, locked if it is to be changed.
    pub fn proposal(&mut self, proposal_id: &str, lock: bool) -> Result<Option<Proposal>, Problem> {
        let lock = if lock { self.dialect().for_update() } else { "" };
        let sql = format!("{SELECT} WHERE p.proposal_id = $1{lock}");
        self.tx.find(&sql, &parameters![proposal_id], read)
    }

    /// Proposals behind one of this time and id.
    pub fn proposals(
        &mut self,
        query: &ProposalQuery,
        behind: Option<(&str, &str)>,
        most: usize,
    ) -> Result<Vec<Proposal>, Problem> {
        let mut condition = query.condition(self);
        let (sign, down) = if query.oldest_first { (">", "") } else { ("<", " DESC") };
        if let Some((created_at, id)) = behind {
            let (created_at, id) = (condition.bind(created_at), condition.bind(id));
            condition.and(&format!("(p.created_at, p.proposal_id) {sign} ({created_at}, {id})"));
        }
        let sql = format!(
            "{SELECT} WHERE {} ORDER BY p.created_at{down}, p.proposal_id{down} LIMIT {most}",
            condition.sql
        );
        self.tx.list(&sql, &condition.values, read)
    }

    /// The state of these items when the proposal took them.
    pub fn priors(
        &mut self,
        proposal_id: &str,
        keys: &[ItemKey],
    ) -> Result<HashMap<ItemKey, Prior>, Problem> {
        let sql = format!(
            "SELECT p.run_no, p.number, p.prior_reason_id, p.prior_confidence, w.name, w.is_person, \
             p.prior_explanation, q.state IN ('OPEN', 'CHECKED', 'APPLIED') \
             FROM recon.proposal_items p \
             JOIN recon.proposals q ON q.proposal_id = p.proposal_id \
             LEFT JOIN recon.assigners w ON w.assigner_id = p.prior_assigner_id \
             WHERE (p.run_no, p.number) IN {} AND p.proposal_id = $2",
            keys_in(self.dialect())
        );
        let values = [keys_parameter(keys), proposal_id.into()];
        let rows = self.tx.list(&sql, &values, |row| {
            let prior = Prior {
                reason_id: row.count(2)?,
                confidence: row.real(3)?.unwrap_or_default(),
                assigned_by: row.text(4)?,
                by_person: row.boolean(5)?,
                explanation: row.text(6)?,
                is_held: row.boolean(7)?,
            };
            Ok((read_key(row)?, prior))
        })?;
        Ok(rows.into_iter().collect())
    }

    pub fn count_proposals(&mut self, query: &ProposalQuery) -> Result<u64, Problem> {
        let condition = query.condition(self);
        let sql = format!("SELECT count(*) FROM recon.proposals p WHERE {}", condition.sql);
        Ok(self.tx.count(&sql, &condition.values)?.cast_unsigned())
    }

    /// The open proposals of a kind, oldest first.
    pub fn open_proposals(&mut self, kind: ProposalKind) -> Result<Vec<Proposal>, Problem> {
        let sql = format!(
            "{SELECT} WHERE p.kind = $1 AND p.state IN ('OPEN', 'CHECKED') ORDER BY p.proposal_id"
        );
        self.tx.list(&sql, &parameters![kind.name()], read)
    }

    /// Open proposals, newest first.
    pub fn waiting_proposals(&mut self, most: usize) -> Result<Vec<Proposal>, Problem> {
        let sql = format!(
            "{SELECT} WHERE p.state IN ('OPEN', 'CHECKED') \
             ORDER BY p.updated_at DESC, p.proposal_id LIMIT {most}"
        );
        self.tx.list(&sql, &[], read)
    }

    /// How many open proposals a person made or amended.
    pub fn count_own_open(&mut self, person_id: &str) -> Result<u64, Problem> {
        let sql = format!(
            "SELECT count(*) FROM recon.proposals p \
             WHERE p.state IN ('OPEN', 'CHECKED') AND {}",
            CONTRIBUTED.replace("$?", "$1")
        );
        Ok(self.tx.count(&sql, &parameters![person_id])?.cast_unsigned())
    }

    /// The open proposal that a person made or amended last.
    pub fn last_own_open(&mut self, person_id: &str) -> Result<Option<String>, Problem> {
        let sql = "SELECT p.proposal_id FROM recon.proposals p \
                   JOIN recon.contributors c ON c.proposal_id = p.proposal_id \
                   WHERE c.person_id = $1 AND p.state IN ('OPEN', 'CHECKED') \
                   ORDER BY p.updated_at DESC, p.proposal_id DESC LIMIT 1";
        self.tx.find(sql, &parameters![person_id], |row| row.required(0))
    }

    /// Open proposals that have expired, or whose reason or run is no longer valid; at most 100.
    pub fn outdated_proposals(&mut self, now: &str) -> Result<Vec<String>, Problem> {
        let sql = "SELECT p.proposal_id FROM recon.proposals p \
                   WHERE p.state IN ('OPEN', 'CHECKED') AND (p.expires_at <= $1 \
                     OR EXISTS (SELECT 1 FROM recon.reason_codes c \
                                WHERE c.reason_id = p.reason_id AND c.is_active = $2) \
                     OR EXISTS (SELECT 1 FROM recon.proposal_items i \
                                JOIN recon.recon_runs r ON r.run_no = i.run_no \
                                WHERE i.proposal_id = p.proposal_id AND i.open = $3 \
                                  AND r.superseded_by IS NOT NULL)) \
                   ORDER BY p.proposal_id LIMIT 100";
        self.tx.list(sql, &parameters![now, false, true], |row| row.required(0))
    }

    /// The items of a proposal, in the order of their ids.
    pub fn proposal_items(&mut self, proposal_id: &str) -> Result<Vec<ProposalItem>, Problem> {
        let sql = "SELECT run_no, number, attribution_id, base_version, facts, amount_abs, \
                   currency FROM recon.proposal_items WHERE proposal_id = $1 ORDER BY run_no, number";
        self.tx.list(sql, &parameters![proposal_id], |row| {
            Ok(ProposalItem {
                key: read_key(row)?,
                attribution_id: row.required(2)?,
                base_version: row.count(3)?,
                facts: serde_json::from_str(&row.required(4)?).unwrap_or(Json::Null),
                amount: row.real(5)?,
                currency: row.text(6)?,
            })
        })
    }

    /// The items of a run that open proposals hold, except blind samples: they are about the run.
    pub fn waiting_in(&mut self, run_no: i64) -> Result<Vec<(String, i64)>, Problem> {
        let sql = "SELECT i.proposal_id, i.number FROM recon.proposal_items i \
                   WHERE i.run_no = $1 AND i.open = $2 AND NOT EXISTS ( \
                       SELECT 1 FROM recon.audit_samples s WHERE s.run_no = i.run_no \
                       AND s.number = i.number AND s.outcome IS NULL) ORDER BY 1, 2";
        let read = |row: &SqlRow| Ok((row.required(0)?, row.count(1)?));
        self.tx.list(sql, &parameters![run_no, true], read)
    }

    /// Puts other items in the place of these items of a proposal.
    pub fn replace_proposal_items(
        &mut self,
        proposal: &Proposal,
        keys: &[ItemKey],
        items: &[NewProposalItem<'_>],
    ) -> Result<(), Problem> {
        let sql = format!(
            "DELETE FROM recon.proposal_items WHERE (run_no, number) IN {} AND proposal_id = $2",
            keys_in(self.dialect())
        );
        self.tx.execute(&sql, &[keys_parameter(keys), (&proposal.proposal_id).into()])?;
        self.add_proposal_items(proposal, items)
    }

    /// Where the items of a proposal are, behind one of them.
    pub fn keys_of_proposal(
        &mut self,
        proposal_id: &str,
        behind: ItemKey,
        most: usize,
    ) -> Result<Vec<ItemKey>, Problem> {
        let sql = format!(
            "SELECT run_no, number FROM recon.proposal_items WHERE proposal_id = $1 \
             AND (run_no, number) > ($2, $3) ORDER BY run_no, number LIMIT {most}"
        );
        self.tx.list(&sql, &parameters![proposal_id, behind.run_no, behind.number], read_key)
    }

    /// The runs and fields that a proposal is about: one key for each.
    pub fn fields_of_proposal(&mut self, proposal_id: &str) -> Result<Vec<ItemKey>, Problem> {
        let sql = format!(
            "SELECT DISTINCT run_no, number & {} FROM recon.proposal_items WHERE proposal_id = $1",
            crate::store::MAX_FIELDS
        );
        self.tx.list(&sql, &parameters![proposal_id], read_key)
    }

    pub fn runs_of_proposal(&mut self, proposal_id: &str) -> Result<Vec<i64>, Problem> {
        let sql = "SELECT DISTINCT i.run_no FROM recon.proposal_items i \
                   WHERE i.proposal_id = $1 ORDER BY i.run_no";
        self.tx.list(sql, &parameters![proposal_id], |row| row.count(0))
    }

    /// The open proposal that holds an item.
    pub fn open_proposal_of(&mut self, key: ItemKey) -> Result<Option<String>, Problem> {
        let sql = "SELECT proposal_id FROM recon.proposal_items \
                   WHERE run_no = $1 AND number = $2 AND open = $3";
        self.tx.find(sql, &parameters![key.run_no, key.number, true], |row| row.required(0))
    }

    /// Under which control an item was decided last.
    pub fn last_control_of(&mut self, key: ItemKey) -> Result<Option<String>, Problem> {
        let sql = "SELECT p.control FROM recon.proposal_items i \
                   JOIN recon.proposals p ON p.proposal_id = i.proposal_id \
                   WHERE i.run_no = $1 AND i.number = $2 AND p.state = 'APPLIED' \
                   ORDER BY p.closed_at DESC, p.proposal_id DESC LIMIT 1";
        self.tx.find(sql, &parameters![key.run_no, key.number], |row| row.required(0))
    }

    /// The reason that an item had before a proposal took it.
    pub fn prior_reason(
        &mut self,
        proposal_id: &str,
        key: ItemKey,
    ) -> Result<Option<i64>, Problem> {
        let sql = "SELECT prior_reason_id FROM recon.proposal_items \
                   WHERE proposal_id = $1 AND run_no = $2 AND number = $3";
        self.tx.find(sql, &parameters![proposal_id, key.run_no, key.number], |row| row.count(0))
    }

    /// The people who made and amended a proposal.
    pub fn contributors(&mut self, proposal_id: &str) -> Result<Vec<String>, Problem> {
        let sql = "SELECT person_id FROM recon.contributors WHERE proposal_id = $1 \
                   ORDER BY person_id";
        self.tx.list(sql, &parameters![proposal_id], |row| row.required(0))
    }

    /// Adds a person to those who made or amended a proposal.
    pub fn contribute(&mut self, proposal_id: &str, person_id: &str) -> Result<(), Problem> {
        let sql = "INSERT INTO recon.contributors (proposal_id, person_id) VALUES ($1, $2) \
                   ON CONFLICT DO NOTHING";
        self.tx.execute(sql, &parameters![proposal_id, person_id]).map(drop)
    }

    /// Comments on a proposal, oldest first.
    pub fn approvals(&mut self, proposal_id: &str) -> Result<Vec<Approval>, Problem> {
        let sql = "SELECT stage, person_id, decision, proposal_version, comments, at, void \
                   FROM recon.approvals WHERE proposal_id = $1 ORDER BY at, stage";
        self.tx.list(sql, &parameters![proposal_id], |row| {
            Ok(Approval {
                stage: row.required(0)?,
                person_id: row.required(1)?,
                decision: row.required(2)?,
                version: row.count(3)?,
                comments: row.text(4)?,
                at: row.required(5)?,
                void: row.boolean(6)?,
            })
        })
    }

    pub fn add_approval(
        &mut self,
        proposal: &Proposal,
        stage: Stage,
        person_id: &str,
        decision: &str,
        comments: Option<&str>,
        at: &str,
    ) -> Result<(), Problem> {
        let sql = "INSERT INTO recon.approvals (proposal_id, proposal_version, content_hash, stage, \
                   person_id, decision, comments, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let values = parameters![
            &proposal.proposal_id,
            proposal.version,
            proposal.hash.0.to_vec(),
            stage.name(),
            person_id,
            decision,
            comments,
            at,
        ];
        self.tx.execute(sql, &values).map(drop)
    }

    /// Makes the approvals of a proposal's present version void.
    pub fn void_approvals(&mut self, proposal: &Proposal) -> Result<(), Problem> {
        let sql = "UPDATE recon.approvals SET void = $3 \
                   WHERE proposal_id = $1 AND proposal_version = $2 AND void = $4";
        let values = parameters![&proposal.proposal_id, proposal.version, true, false];
        self.tx.execute(sql, &values).map(drop)
    }

    /// Of these signatures, those that people have decided about before.
    pub fn known_signatures(&mut self, signatures: &[i64]) -> Result<Vec<i64>, Problem> {
        let within = rows::numbers_in(self.dialect(), "$1");
        let sql = format!(
            "SELECT DISTINCT i.signature_id FROM recon.proposal_items i \
             JOIN recon.proposals p ON p.proposal_id = i.proposal_id \
             WHERE p.state = 'APPLIED' AND i.signature_id IN {within}"
        );
        self.tx.list(&sql, &[rows::numbers(signatures.iter().copied())], |row| row.count(0))
    }

    /// A maker's proposals since then about these signatures, except for one.
    pub fn recent(
        &mut self,
        signatures: &[i64],
        maker_id: &str,
        since: &str,
        except: Option<&str>,
    ) -> Result<Recent, Problem> {
        let within = rows::numbers_in(self.dialect(), "$4");
        let sql = format!(
            "SELECT i.currency, count(*), sum(i.amount_abs) FROM recon.proposals p \
             JOIN recon.proposal_items i ON i.proposal_id = p.proposal_id \
             WHERE p.maker_id = $1 AND p.created_at >= $2 AND p.proposal_id <> $3 \
               AND p.state IN ('OPEN', 'CHECKED', 'APPLIED') AND i.signature_id IN {within} \
             GROUP BY i.currency"
        );
        let signatures = rows::numbers(signatures.iter().copied());
        let values = parameters![maker_id, since, except.unwrap_or_default(), signatures];
        let mut recent = Recent::default();
        for row in self.tx.query(&sql, &values)? {
            recent.items += row.count(1)?.cast_unsigned();
            if let (Some(currency), Some(sum)) = (row.text(0)?, row.real(2)?) {
                recent.sums.push((currency, sum));
            }
        }
        Ok(recent)
    }

    /// How often each reason, or action without one, was chosen for these signatures; the most frequent first.
    pub fn decided_with(&mut self, signatures: &[i64]) -> Result<Vec<(String, u64)>, Problem> {
        let within = rows::numbers_in(self.dialect(), "$1");
        let sql = format!(
            "SELECT coalesce(c.code, p.action), count(*) FROM recon.proposal_items i \
             JOIN recon.proposals p ON p.proposal_id = i.proposal_id \
             LEFT JOIN recon.reason_codes c \
               ON c.reason_id = coalesce(p.reason_id, CASE p.action WHEN 'APPROVE' \
                  THEN i.prior_reason_id END) \
             WHERE p.state = 'APPLIED' AND i.signature_id IN {within} \
             GROUP BY 1 ORDER BY 2 DESC, 1"
        );
        self.tx.list(&sql, &[rows::numbers(signatures.iter().copied())], |row| {
            Ok((row.required(0)?, row.count(1)?.cast_unsigned()))
        })
    }

    /// How many items were decided with each reason.
    pub fn uses_of_reasons(&mut self) -> Result<Vec<(i64, u64)>, Problem> {
        // A decision that accepts the predicted cause names none: each item keeps its own.
        let sql = "SELECT u.reason_id, sum(u.items) FROM ( \
                     SELECT p.reason_id, p.item_count AS items FROM recon.proposals p \
                     WHERE p.state = 'APPLIED' AND p.reason_id IS NOT NULL \
                     UNION ALL \
                     SELECT i.prior_reason_id, 1 FROM recon.proposals p \
                     JOIN recon.proposal_items i ON i.proposal_id = p.proposal_id \
                     WHERE p.state = 'APPLIED' AND p.action = 'APPROVE' AND p.reason_id IS NULL \
                   ) u GROUP BY u.reason_id";
        self.tx.list(sql, &[], |row| {
            Ok((row.count(0)?, super::counts::whole(row.real(1)?.unwrap_or_default())))
        })
    }

    /// When a person's proposals since then were made, and how many items each has; oldest first.
    pub fn made_since(&mut self, person_id: &str, since: &str) -> Result<Vec<String>, Problem> {
        let sql = "SELECT created_at FROM recon.proposals \
                   WHERE maker_id = $1 AND created_at > $2 ORDER BY created_at LIMIT 5000";
        self.tx.list(sql, &parameters![person_id, since], |row| row.required(0))
    }

    /// How many items a person's proposals since then have.
    pub fn items_made_since(&mut self, person_id: &str, since: &str) -> Result<u64, Problem> {
        let sql = "SELECT coalesce(sum(item_count), 0) FROM recon.proposals \
                   WHERE maker_id = $1 AND created_at >= $2";
        Ok(self.tx.count(sql, &parameters![person_id, since])?.cast_unsigned())
    }

    /// The share of a person's proposals since then that were sent back.
    pub fn share_sent_back(&mut self, person_id: &str, since: &str) -> Result<f64, Problem> {
        let sql = "SELECT count(*), sum(CASE WHEN state = 'RETURNED' THEN 1 ELSE 0 END) \
                   FROM recon.proposals WHERE maker_id = $1 AND created_at > $2";
        let share = self.tx.find(sql, &parameters![person_id, since], |row| {
            let all = row.real(0)?.filter(|all| *all > 0.0);
            Ok(all.zip(row.real(1)?).map(|(all, back)| back / all))
        })?;
        Ok(share.flatten().unwrap_or_default())
    }

    /// Stores a new proposal with its maker.
    pub fn add_proposal(
        &mut self,
        proposal: &Proposal,
        policy_version: i64,
    ) -> Result<(), Problem> {
        self.tx.execute(
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
                policy_version,
            ],
        )?;
        self.contribute(&proposal.proposal_id, &proposal.maker_id)
    }

    /// Stores the items of a new proposal, with their earlier states.
    pub fn add_proposal_items(
        &mut self,
        proposal: &Proposal,
        items: &[NewProposalItem<'_>],
    ) -> Result<(), Problem> {
        let mut rows: Vec<Vec<SqlValue>> = Vec::with_capacity(items.len());
        for new in items {
            let item = new.item;
            let run = self.run(item.key.run_no)?;
            rows.push(
                parameters![
                    &proposal.proposal_id,
                    item.key.run_no,
                    item.key.number,
                    run.attribution_id(item.key),
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
                    new.amount,
                    new.currency,
                    stored::clean_json(&new.facts).to_string(),
                    evidence(item.explanation.as_deref()),
                ]
                .to_vec(),
            );
        }
        rows::insert(self.tx, &ITEMS, &rows)
    }

    /// Writes the changes of an open proposal: state, version, eyes, content.
    pub fn update_proposal(
        &mut self,
        proposal: &mut Proposal,
        policy_version: i64,
        at: &str,
    ) -> Result<(), Problem> {
        at.clone_into(&mut proposal.updated_at);
        if !proposal.state.is_open() {
            proposal.closed_at = Some(at.to_owned());
        }
        let changed = self.tx.execute(
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
                policy_version,
            ],
        )?;
        if changed != 1 {
            return Err(Problem::new(Code::ProposalLost, "a proposal was closed meanwhile"));
        }
        if proposal.state.is_open() {
            return Ok(());
        }
        let sql = "UPDATE recon.proposal_items SET open = $2 WHERE proposal_id = $1";
        self.tx.execute(sql, &parameters![&proposal.proposal_id, false]).map(drop)
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
        ("prior_explanation", "text"),
    ],
};
