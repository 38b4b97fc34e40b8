//! One item with all that is known about it: both records, history, how look-alikes were decided.

use serde_json::Value as Json;

use crate::diagnostic::{Code, Problem};
use crate::domain::Status;
use crate::domain::review::{Action, Eyes, Permission};
use crate::store::rows::parameters;
use crate::store::transact::{Answer, Dialect};

use super::actor::Actor;
use super::answer::{
    CommentView, DifferenceView, FieldValue, HistoryEntry, ItemDetail, Page, RecordSide,
    ReviewItem, Sibling, SimilarDecision,
};
use super::ask::PageAsk;
use super::filter::ItemKind;
use super::items::{FROM, Item, Key, Record, columns, item};
use super::views::notes;
use super::work::Work;
use super::{Desk, Found, page};

impl Desk<'_> {
    /// One item with all that is known about it.
    ///
    /// # Errors
    /// A [`super::Refusal`].
    pub fn item(&self, actor: &Actor, attribution_id: &str) -> Found<ItemDetail> {
        actor.must(Permission::View)?;
        self.look(|work| work.detail(actor, attribution_id))
    }

    /// The figures of a run, as the person may see them.
    ///
    /// # Errors
    /// A [`super::Refusal`].
    pub fn figures(&self, actor: &Actor, run_id: &str, summary: Json) -> Found<Json> {
        actor.must(Permission::View)?;
        self.look(|work| {
            let sight = work.sight(actor);
            Ok(match work.shelf.run_by_id(run_id)? {
                Some(run) => sight.figures(&run.layout, summary.clone()),
                // A run that was not attributed: which fields its records have is not looked up.
                None if !sight.is_whole() => Json::Null,
                None => summary.clone(),
            })
        })
    }

    /// What happened to an item, newest first.
    ///
    /// # Errors
    /// A [`super::Refusal`].
    pub fn history(
        &self,
        actor: &Actor,
        attribution_id: &str,
        ask: &PageAsk,
    ) -> Found<Page<HistoryEntry>> {
        actor.must(Permission::View)?;
        self.look(|work| {
            let limit = page::limit(ask)?;
            let item = work.shelf.one(attribution_id, false)?;
            let run = work.shelf.run(item.key.run_no)?;
            let id = run.attribution_id(item.key.number);
            let list = format!("history:{id}");
            let before: Option<i64> = page::position(ask, &list, actor)?;
            let mut entries = work.history(actor, &item, before, limit + 1)?;
            let more = entries.len() > limit;
            entries.truncate(limit);
            let next =
                entries.last().filter(|_| more).map(|entry| page::cursor(&entry.seq, &list, actor));
            Ok(Page { items: entries, next, total: None })
        })
    }

    /// How look-alikes were decided, newest first.
    ///
    /// # Errors
    /// A [`super::Refusal`].
    pub fn similar(
        &self,
        actor: &Actor,
        attribution_id: &str,
        ask: &PageAsk,
    ) -> Found<Page<SimilarDecision>> {
        actor.must(Permission::View)?;
        self.look(|work| {
            let limit = page::limit(ask)?;
            let item = work.shelf.one(attribution_id, false)?;
            let list = format!("similar:{attribution_id}");
            let offset: Option<usize> = page::position(ask, &list, actor)?;
            let offset = offset.unwrap_or_default();
            let mut items = work.similar(actor, &item, offset, limit + 1)?;
            let more = items.len() > limit;
            items.truncate(limit);
            let next = more.then(|| page::cursor(&(offset + limit), &list, actor));
            Ok(Page { items, next, total: None })
        })
    }
}

impl Work<'_> {
    fn detail(
        &mut self,
        actor: &Actor,
        attribution_id: &str,
    ) -> Result<ItemDetail, super::Refusal> {
        let item = self.shelf.one(attribution_id, false)?;
        let run = self.shelf.run(item.key.run_no)?;
        let records = self.shelf.records(&[item.key])?;
        let nothing = Record::default();
        let record = records.get(&(item.key.run_no, item.key.record())).unwrap_or(&nothing);
        let explanation: Json = item
            .explanation
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or(Json::Null);
        let mut view = self
            .views(actor, vec![item.clone()])?
            .pop()
            .ok_or_else(|| Problem::new(Code::ItemLost, "an item has vanished"))?;
        let hidden = self.is_hidden(&item)?;
        let sight = self.sight(actor);
        // Which group it is of tells the machine's reason.
        view.group_size = if hidden { None } else { self.group_size(&item)? };
        let proposal = match &view.proposal_id {
            Some(proposal_id) => {
                let proposal = self.proposal(proposal_id, false)?;
                Some(self.proposal_view(actor, proposal)?)
            }
            None => None,
        };
        let what_next = self.what_next(actor, &view, proposal.as_ref())?;
        Ok(ItemDetail {
            record_a: self.side(actor, &run, record, 0),
            record_b: self.side(actor, &run, record, 1),
            siblings: self.siblings(actor, &item)?,
            aggregation: None,
            notes: if hidden { Vec::new() } else { sight.said(&run.layout, notes(&explanation)) },
            history: self.history(actor, &item, None, 20)?,
            similar: self.similar(actor, &item, 0, 5)?,
            comments: self.comments(item.key)?,
            proposal,
            what_next,
            item: view,
        })
    }

    /// How many undecided items look like this one.
    fn group_size(&mut self, item: &Item) -> Result<Option<u64>, Problem> {
        let Some(signature_id) = item.signature_id else { return Ok(None) };
        let rows = self.shelf.tx.query(
            "SELECT CAST(sum(n.items) AS double precision) FROM recon.item_counts n \
             JOIN recon.recon_runs r ON r.run_no = n.run_no \
             WHERE n.signature_id = $1 AND n.status = 1 AND r.superseded_by IS NULL",
            &parameters![signature_id],
        )?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let size = rows.first().map_or(Ok(None), |row| row.real(0))?.map(|sum| sum as u64);
        Ok(size)
    }

    fn side(
        &self,
        actor: &Actor,
        run: &super::items::Run,
        record: &Record,
        side: usize,
    ) -> Option<RecordSide> {
        let values = record.sides.get(side)?.as_ref()?;
        let sight = self.sight(actor);
        let fields: Vec<FieldValue> = run
            .layout
            .fields()
            .iter()
            .zip(values)
            .map(|(field, value)| FieldValue {
                name: field.name.clone(),
                kind: field.kind.name().to_owned(),
                compared: field.compared,
                value: sight.cell(&field.name, value),
                masked: sight.hides(&field.name),
            })
            .collect();
        let reference = sight.reference(&run.layout, record.reference(side, &run.layout));
        Some(RecordSide {
            system: run.systems.get(side).cloned().unwrap_or_default(),
            ref_id: reference.unwrap_or_default(),
            line: record.lines.get(side).copied().flatten(),
            fields,
        })
    }

    fn siblings(&mut self, actor: &Actor, of: &Item) -> Result<Vec<Sibling>, Problem> {
        let dialect = self.shelf.dialect();
        let (low, high) = (of.key.record() << 10, of.key.record() << 10 | 1023);
        let condition = match dialect {
            Dialect::Sqlite => format!(
                "d.id BETWEEN {} AND {} ORDER BY d.id",
                Key { number: low, ..of.key }.row_id(),
                Key { number: high, ..of.key }.row_id()
            ),
            Dialect::Postgres => format!(
                "d.run_no = {} AND d.number BETWEEN {low} AND {high} ORDER BY d.number",
                of.key.run_no
            ),
        };
        let rows = self
            .shelf
            .tx
            .query(&format!("SELECT {} FROM {FROM} WHERE {condition}", columns(dialect)), &[])?;
        let run = self.shelf.run(of.key.run_no)?;
        let sight = self.sight(actor);
        let mut siblings = Vec::new();
        for row in &rows {
            let other = item(row)?;
            if other.key == of.key {
                continue;
            }
            let field = other.key.field();
            let hidden = self.is_hidden(&other)?;
            siblings.push(Sibling {
                attribution_id: run.attribution_id(other.key.number),
                status: other.status.name().to_owned(),
                reason_code: self
                    .shelf
                    .reason(other.reason_id)?
                    .filter(|_| !hidden)
                    .map(|reason| reason.code),
                difference: DifferenceView {
                    diff_id: run.difference_id(other.key.number),
                    field_name: run.field_name(field).to_owned(),
                    value_a: sight.value(&run, field, other.value_a),
                    value_b: sight.value(&run, field, other.value_b),
                    diff_type: other.diff_type.name().to_owned(),
                },
            });
        }
        Ok(siblings)
    }

    fn history(
        &mut self,
        actor: &Actor,
        item: &Item,
        before: Option<i64>,
        most: usize,
    ) -> Result<Vec<HistoryEntry>, Problem> {
        let run = self.shelf.run(item.key.run_no)?;
        let hidden = self.is_hidden(item)?;
        let rows = self.shelf.tx.query(
            &format!(
                "SELECT seq, performed_at, actor_id, stage, action_type, previous_value, \
                 new_value, comments, proposal_id, control FROM recon.audit_trail \
                 WHERE attribution_id = $1 AND seq < $2 ORDER BY seq DESC LIMIT {most}"
            ),
            &parameters![run.attribution_id(item.key.number), before.unwrap_or(i64::MAX)],
        )?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            let mut json = |column: usize| -> Result<Option<Json>, Problem> {
                let value = row.text(column)?.and_then(|text| serde_json::from_str(&text).ok());
                Ok(value.map(|value| self.told(actor, value, hidden)))
            };
            let (before, after) = (json(5)?, json(6)?);
            let actor_id = row.required(2)?;
            entries.push(HistoryEntry {
                seq: row.count(0)?,
                performed_at: row.required(1)?,
                actor_name: self.name(&actor_id)?,
                actor_id,
                stage: row.required(3)?,
                action_type: row.required(4)?,
                previous_value: before,
                new_value: after,
                comments: row.text(7)?,
                proposal_id: row.text(8)?,
                control: row.text(9)?,
            });
        }
        Ok(entries)
    }

    fn similar(
        &mut self,
        actor: &Actor,
        item: &Item,
        offset: usize,
        most: usize,
    ) -> Result<Vec<SimilarDecision>, Problem> {
        // Look-alikes have the machine's reason in common.
        let hidden = self.is_hidden(item)?;
        let Some(signature_id) = item.signature_id.filter(|_| !hidden) else {
            return Ok(Vec::new());
        };
        // The newest proposals first; of each, its first items.
        let rows = self.shelf.tx.query(
            &format!(
                "SELECT i.attribution_id, i.facts, p.action, coalesce(c.code, k.code), \
                 p.maker_id, p.closed_at, p.comments FROM recon.proposal_items i \
                 JOIN recon.proposals p ON p.proposal_id = i.proposal_id \
                 LEFT JOIN recon.reason_codes c ON c.reason_id = p.reason_id \
                 LEFT JOIN recon.reason_codes k \
                   ON k.reason_id = i.prior_reason_id AND p.action = 'APPROVE' \
                 WHERE i.signature_id = $1 AND p.state = 'APPLIED' \
                 ORDER BY i.proposal_id DESC, i.run_no, i.number LIMIT {most} OFFSET {offset}"
            ),
            &parameters![signature_id],
        )?;
        let mut decisions = Vec::with_capacity(rows.len());
        for row in rows {
            let facts: Json = serde_json::from_str(&row.required(1)?).unwrap_or(Json::Null);
            let facts = self.told(actor, facts, false);
            let text = |name: &str| facts.get(name).and_then(Json::as_str).map(str::to_owned);
            let maker = row.required(4)?;
            decisions.push(SimilarDecision {
                attribution_id: row.required(0)?,
                ref_id: text("source_a_ref_id").or_else(|| text("source_b_ref_id")),
                value_a: text("value_a"),
                value_b: text("value_b"),
                action: row
                    .text(2)?
                    .and_then(|name| Action::from_name(&name))
                    .unwrap_or(Action::Approve),
                reason_code: row.text(3)?,
                decided_by: self.name(&maker)?,
                decided_at: row.text(5)?.unwrap_or_default(),
                comments: row.text(6)?,
            });
        }
        Ok(decisions)
    }

    /// What an audit row tells, as the person may see it; without the machine's reason where that is
    /// `hidden`.
    pub fn told(&mut self, actor: &Actor, value: Json, hidden: bool) -> Json {
        let sight = self.sight(actor);
        let shelf = &mut self.shelf;
        let mut shown = sight.told(value, &mut |run_id| shelf.run_by_id(run_id).ok().flatten());
        if hidden && let Some(members) = shown.as_object_mut() {
            for name in ["reason_code", "confidence", "assigned_by"] {
                if let Some(value) = members.get_mut(name) {
                    *value = Json::Null;
                }
            }
        }
        shown
    }

    /// What people said about an item, oldest first.
    pub fn comments(&mut self, key: Key) -> Result<Vec<CommentView>, Problem> {
        let rows = self.shelf.tx.query(
            "SELECT comment_id, person_id, text, at FROM recon.item_comments \
             WHERE run_no = $1 AND number = $2 ORDER BY at, comment_id",
            &parameters![key.run_no, key.number],
        )?;
        let read = |row: &Answer| -> Result<CommentView, Problem> {
            let by = row.required(1)?;
            Ok(CommentView {
                comment_id: row.required(0)?,
                by_name: self.name(&by)?,
                by,
                text: row.required(2)?,
                at: row.required(3)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// A sentence that tells what a decision would need.
    fn what_next(
        &mut self,
        actor: &Actor,
        view: &ReviewItem,
        proposal: Option<&super::answer::ProposalView>,
    ) -> Result<String, Problem> {
        if view.kind == ItemKind::AuditSample {
            return Ok("A blind sample: choose a reason without seeing the machine's.".to_owned());
        }
        if let Some(proposal) = proposal {
            return Ok(match &proposal.may_not_approve {
                None => "It waits for you: approve or send back.".to_owned(),
                Some(why) => format!("It waits for approval. You can't give it: {why}."),
            });
        }
        if self.solo {
            return Ok("One person decides alone here; the audit trail says so.".to_owned());
        }
        if !actor.may(Permission::Propose) {
            return Ok("You may look, not decide.".to_owned());
        }
        let needs = |eyes: Eyes| match eyes {
            Eyes::Two => "is yours alone",
            Eyes::Four => "needs 4 eyes: a checker other than you",
            Eyes::Six => "needs 6 eyes: a checker and an authorizer other than you",
        };
        Ok(if view.status != Status::Unknown.name() {
            format!("It is decided. To decide it anew {}.", needs(view.eyes_if_override))
        } else if view.eyes_if_approve == view.eyes_if_override {
            format!("Your decision {}.", needs(view.eyes_if_approve))
        } else {
            format!(
                "To accept the machine's reason {}; to override it {}.",
                needs(view.eyes_if_approve),
                needs(view.eyes_if_override)
            )
        })
    }
}
