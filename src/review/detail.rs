//! One item with its records, history, comments and decisions about similar items.

use serde_json::{Value as Json, json};

use crate::diagnostic::{Code, Problem};
use crate::domain::metadata::Source;
use crate::domain::review::{Action, Eyes, Permission};
use crate::domain::{CandidateRow, Decimal, Layout, Member, Side, Status};
use crate::store::review::{Item, ItemKey, Record, Run};

use super::actor::Actor;
use super::filter::ItemKind;
use super::requests::PageAsk;
use super::responses::{
    CommentView, DifferenceView, FieldValue, GoesOn, HistoryEntry, ItemDetail, LifeEvent, Page,
    RecordSide, ReviewItem, Sibling, SimilarDecision,
};
use super::views::notes;
use super::visibility::Visibility;
use super::work::Work;
use super::{QueryResult, Review, page};

impl Review<'_> {
    /// One item in full.
    ///
    /// # Errors
    /// A [`super::Refusal`].
    pub fn item(&self, actor: &Actor, attribution_id: &str) -> QueryResult<ItemDetail> {
        actor.must(Permission::View)?;
        let mut detail = self.read(|work| work.detail(actor, attribution_id))?;
        detail.rule_words = self.rule_words(&detail.item);
        Ok(detail)
    }

    /// Purpose of the rule behind one of the item's likely causes.
    fn rule_words(&self, item: &ReviewItem) -> Option<String> {
        let mut all = item.predictions.iter().flat_map(|one| &one.why);
        let rule = all.find_map(|why| why.strip_prefix("RULE:"))?;
        let function = rule.split(' ').next()?;
        self.settings.rule_words.as_ref()?(self.store, &item.run_id, function)
    }

    /// The figures of a run, as the person may see them.
    ///
    /// # Errors
    /// A [`super::Refusal`].
    pub fn figures(&self, actor: &Actor, run_id: &str, summary: Json) -> QueryResult<Json> {
        actor.must(Permission::View)?;
        self.read(|work| {
            let visible = work.visibility(actor);
            Ok(match work.tables.run_by_id(run_id)? {
                Some(run) => visible.figures(&run.layout, summary.clone()),
                // A run that was not attributed: which fields its records have is not looked up.
                None if !visible.is_whole() => Json::Null,
                None => summary.clone(),
            })
        })
    }

    /// An item's history, newest first.
    ///
    /// # Errors
    /// A [`super::Refusal`].
    pub fn history(
        &self,
        actor: &Actor,
        attribution_id: &str,
        ask: &PageAsk,
    ) -> QueryResult<Page<HistoryEntry>> {
        actor.must(Permission::View)?;
        self.read(|work| {
            let limit = page::limit(ask)?;
            let item = work.item(attribution_id, false)?;
            let run = work.tables.run(item.key.run_no)?;
            let id = run.attribution_id(item.key);
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

    /// Decisions about similar items, newest first.
    ///
    /// # Errors
    /// A [`super::Refusal`].
    pub fn similar(
        &self,
        actor: &Actor,
        attribution_id: &str,
        ask: &PageAsk,
    ) -> QueryResult<Page<SimilarDecision>> {
        actor.must(Permission::View)?;
        self.read(|work| {
            let limit = page::limit(ask)?;
            let item = work.item(attribution_id, false)?;
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
        let item = self.item(attribution_id, false)?;
        let run = self.tables.run(item.key.run_no)?;
        let records = self.tables.records(&[item.key])?;
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
        let visible = self.visibility(actor);
        let history = self.history(actor, &item, None, 20)?;
        if view.predictions.is_empty() && item.by_person && !hidden {
            // After a human decision, the prediction from before it is shown.
            let first = history.iter().rev().find_map(|entry| entry.proposal_id.as_deref());
            let known = first.map(|id| self.known_items(actor, id, &[item.key])).transpose()?;
            view.predictions =
                known.and_then(|mut all| all.pop()).map_or_else(Vec::new, |one| one.predictions);
        }
        // The group would reveal the machine's reason.
        view.group_size = if hidden { None } else { self.group_size(&item)? };
        let proposal = match &view.proposal_id {
            Some(proposal_id) => {
                let proposal = self.proposal(proposal_id, false)?;
                Some(self.proposal_view(actor, proposal)?)
            }
            None => None,
        };
        let goes_on = self.goes_on(&item)?;
        let what_next = match &goes_on {
            Some(last) => format!("This break goes on: it is decided on {}.", last.batch_date),
            None => self.what_next(actor, &view, proposal.as_ref())?,
        };
        let sources = self.tables.sources(run.run_no)?;
        Ok(ItemDetail {
            record_a: self.side(actor, &run, record, &sources.a, 0),
            record_b: self.side(actor, &run, record, &sources.b, 1),
            siblings: self.siblings(actor, &item)?,
            aggregation: aggregation(&visible, &run.layout, record),
            notes: if hidden { Vec::new() } else { visible.said(&run.layout, notes(&explanation)) },
            rule_words: None,
            life: self.life(actor, &run, &item)?,
            goes_on,
            forecast: self
                .kinds()?
                .of(&run.job, run.field_name(item.key.field()), item.diff_type.name())
                .cloned(),
            matched_by_hand: self.match_view(actor, &item)?,
            history,
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
        self.tables.group_size(signature_id)
    }

    fn side(
        &self,
        actor: &Actor,
        run: &Run,
        record: &Record,
        source: &Source,
        side: usize,
    ) -> Option<RecordSide> {
        let values = record.sides.get(side)?.as_ref()?;
        let visible = self.visibility(actor);
        let fields: Vec<FieldValue> = run
            .layout
            .fields()
            .iter()
            .zip(values)
            .map(|(field, value)| FieldValue {
                name: field.name.clone(),
                kind: field.kind.name().to_owned(),
                compared: field.compared,
                value: visible.cell(&field.name, value),
                masked: visible.hides(&field.name),
            })
            .collect();
        let reference = visible.reference(&run.layout, record.reference(side, &run.layout));
        let place = record.places.get(side).copied().flatten();
        // A row taken over from an earlier date stands in a file of that date.
        let carried = Side::BOTH.get(side).and_then(|side| record.matched.as_ref()?.carried(*side));
        Some(RecordSide {
            system: run.systems.get(side).cloned().unwrap_or_default(),
            ref_id: reference.unwrap_or_default(),
            line: place.map(|(line, _)| line),
            place: place.map(|(line, offset)| match carried {
                Some(carried) => format!("{}:{line}", carried.file),
                None => source.place(line, offset),
            }),
            fields,
        })
    }

    fn siblings(&mut self, actor: &Actor, of: &Item) -> Result<Vec<Sibling>, Problem> {
        let run = self.tables.run(of.key.run_no)?;
        let visible = self.visibility(actor);
        let mut siblings = Vec::new();
        for other in self.tables.items_of_record(of.key)? {
            if other.key == of.key {
                continue;
            }
            let field = other.key.field();
            let hidden = self.is_hidden(&other)?;
            siblings.push(Sibling {
                attribution_id: run.attribution_id(other.key),
                status: other.status.name().to_owned(),
                reason_code: self
                    .tables
                    .reason(other.reason_id)?
                    .filter(|_| !hidden)
                    .map(|reason| reason.code),
                difference: DifferenceView {
                    diff_id: run.difference_id(other.key),
                    field_name: run.field_name(field).to_owned(),
                    value_a: visible.value(&run, field, other.value_a),
                    value_b: visible.value(&run, field, other.value_b),
                    diff_type: other.diff_type.name().to_owned(),
                },
            });
        }
        Ok(siblings)
    }

    /// The later date on which an item's break is decided, if any. An open proposal moves there.
    fn goes_on(&mut self, item: &Item) -> Result<Option<GoesOn>, Problem> {
        if item.status == Status::Pending {
            return Ok(None);
        }
        let Some(last) = self.tables.goes_on_at(item)? else { return Ok(None) };
        let run = self.tables.run(last.run_no)?;
        Ok(Some(GoesOn {
            attribution_id: run.attribution_id(last),
            batch_date: run.batch_date.clone(),
        }))
    }

    /// The life of the item's break.
    fn life(&mut self, actor: &Actor, run: &Run, item: &Item) -> Result<Vec<LifeEvent>, Problem> {
        let visible = self.visibility(actor);
        let mut life = Vec::new();
        for event in self.tables.life_of_break(&run.attribution_id(item.key))? {
            let value = |value| visible.value(run, item.key.field(), value);
            let [value_a, value_b] = event.values.unwrap_or_default().map(value);
            let (by, stage) = match event.by {
                Some((by, stage)) => (Some(self.name(&by)?), Some(stage)),
                None => (None, None),
            };
            let (at, what, detail) = (event.at, event.what, event.said);
            life.push(LifeEvent { at, what, value_a, value_b, by, stage, detail });
        }
        Ok(life)
    }

    fn history(
        &mut self,
        actor: &Actor,
        item: &Item,
        before: Option<i64>,
        most: usize,
    ) -> Result<Vec<HistoryEntry>, Problem> {
        let hidden = self.is_hidden(item)?;
        let mut entries = Vec::new();
        for row in self.tables.history(item.key, before, most)? {
            entries.push(HistoryEntry {
                seq: row.seq,
                performed_at: row.performed_at,
                actor_name: self.name(&row.actor_id)?,
                actor_id: row.actor_id,
                stage: row.stage,
                action_type: row.action_type,
                previous_value: row
                    .previous_value
                    .map(|value| self.audit_value(actor, value, hidden)),
                new_value: row.new_value.map(|value| self.audit_value(actor, value, hidden)),
                comments: row.comments,
                proposal_id: row.proposal_id,
                control: row.control,
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
        // Similar items share the suggestion, which is hidden.
        let hidden = self.is_hidden(item)?;
        let Some(signature_id) = item.signature_id.filter(|_| !hidden) else {
            return Ok(Vec::new());
        };
        let mut decisions = Vec::new();
        for past in self.tables.past_decisions(signature_id, offset, most)? {
            let facts = self.audit_value(actor, past.facts, false);
            let text = |name: &str| facts.get(name).and_then(Json::as_str).map(str::to_owned);
            decisions.push(SimilarDecision {
                attribution_id: past.attribution_id,
                ref_id: text("source_a_ref_id").or_else(|| text("source_b_ref_id")),
                value_a: text("value_a"),
                value_b: text("value_b"),
                action: past
                    .action
                    .and_then(|name| Action::from_name(&name))
                    .unwrap_or(Action::Approve),
                reason_code: past.reason_code,
                decided_by: self.name(&past.maker_id)?,
                decided_at: past.closed_at.unwrap_or_default(),
                comments: past.comments,
            });
        }
        Ok(decisions)
    }

    /// An audit row's value as the person may see it; without the machine's reason where that is `hidden`.
    pub fn audit_value(&mut self, actor: &Actor, value: Json, hidden: bool) -> Json {
        let visible = self.visibility(actor);
        let tables = &mut self.tables;
        let mut shown =
            visible.audit_value(value, &mut |run_id| tables.run_by_id(run_id).ok().flatten());
        if hidden && let Some(members) = shown.as_object_mut() {
            for name in ["reason_code", "confidence", "assigned_by"] {
                if let Some(value) = members.get_mut(name) {
                    *value = Json::Null;
                }
            }
        }
        shown
    }

    /// Comments on an item, oldest first.
    pub fn comments(&mut self, key: ItemKey) -> Result<Vec<CommentView>, Problem> {
        let mut comments = Vec::new();
        for (comment_id, by, text, at) in self.tables.comments(key)? {
            let by_name = self.name(&by)?;
            comments.push(CommentView { comment_id, by, by_name, text, at });
        }
        Ok(comments)
    }

    /// The requirements of a decision about the item, as a sentence.
    fn what_next(
        &mut self,
        actor: &Actor,
        view: &ReviewItem,
        proposal: Option<&super::responses::ProposalView>,
    ) -> Result<String, Problem> {
        if view.kind == ItemKind::AuditSample {
            return Ok(
                "A blind sample: choose a cause without seeing the predicted one.".to_owned()
            );
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
            format!("It is decided. Deciding it again {}.", needs(view.eyes_if_override))
        } else if view.eyes_if_approve == view.eyes_if_override {
            format!("Your decision {}.", needs(view.eyes_if_approve))
        } else {
            format!(
                "Accepting the predicted cause {}; another cause {}.",
                needs(view.eyes_if_approve),
                needs(view.eyes_if_override)
            )
        })
    }
}

/// Match and rows of the record's group, or the candidates of an open row. Distances and references of candidates may
/// reveal hidden values, so they are shown only to users who may see all fields.
fn aggregation(visible: &Visibility, layout: &Layout, record: &Record) -> Option<Json> {
    let matched = record.matched.as_ref()?;
    if matched.pass.is_none() && matched.candidates.is_empty() {
        return None;
    }
    let member = |member: &Member| {
        let values: Vec<Json> = serde_json::from_str(member.values.get()).unwrap_or_default();
        let fields = layout.fields().iter().zip(&values);
        let fields: serde_json::Map<String, Json> = fields
            .map(|(field, value)| (field.name.clone(), visible.cell(&field.name, value)))
            .collect();
        let reference = visible.reference(layout, Some(member.reference.clone()));
        json!({ "ref": reference, "line": member.line, "fields": fields })
    };
    let candidates =
        if visible.hides_some(layout) { &[][..] } else { matched.candidates.as_slice() };
    let candidate = |row: &CandidateRow| {
        json!({
            "ref": row.reference,
            "why": row.why,
            "field": row.field,
            "by": row.by,
            "taken_by": row.taken_by,
            "rows": row.rows.iter().map(member).collect::<Vec<_>>(),
        })
    };
    let sums = |members: &[Member], side: usize| {
        let own = record.sides[side].as_deref().unwrap_or_default();
        let fields = layout.fields().iter().zip(own).enumerate();
        let summed =
            fields.filter(|(at, (_, value))| members.len() > 1 && is_sum(members, *at, value));
        summed
            .map(|(_, (field, value))| (field.name.clone(), visible.cell(&field.name, value)))
            .collect::<serde_json::Map<String, Json>>()
    };
    Some(json!({
        "pass": matched.pass,
        "shape": matched.shape,
        "certificate": matched.certificate,
        "alternatives": matched.alternatives.unwrap_or_default(),
        "members_a": matched.a.iter().map(member).collect::<Vec<_>>(),
        "members_b": matched.b.iter().map(member).collect::<Vec<_>>(),
        "sums_a": sums(&matched.a, 0),
        "sums_b": sums(&matched.b, 1),
        "candidates": candidates.iter().map(candidate).collect::<Vec<_>>(),
    }))
}

/// Whether a value of a record is the sum of its members' values.
fn is_sum(members: &[Member], field: usize, value: &Json) -> bool {
    let number = |value: &Json| match value {
        Json::String(text) => text.parse::<Decimal>().ok(),
        Json::Number(number) => number.to_string().parse().ok(),
        _ => None,
    };
    let of_member = |member: &Member| {
        let values: Vec<Json> = serde_json::from_str(member.values.get()).ok()?;
        number(values.get(field)?)
    };
    let sum = members
        .iter()
        .try_fold(Decimal::ZERO, |sum, member| sum.checked_sub(of_member(member)?.negated()));
    sum.is_some() && sum == number(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_and_a_common_value_are_distinguished() {
        let member = |values: &str| Member {
            values: serde_json::value::RawValue::from_string(values.to_owned()).unwrap(),
            line: 2,
            offset: 0,
            reference: "B:2".to_owned(),
            carried: None,
        };
        let members = [member(r#"["33.33",7,null,"x"]"#), member(r#"["66.670",7,"1","x"]"#)];
        let is_sum = |at: usize, value: Json| is_sum(&members, at, &value);
        assert!(is_sum(0, json!("100.000")));
        assert!(is_sum(1, json!(14)));
        assert!(!is_sum(1, json!(7)), "all have it");
        assert!(!is_sum(2, json!("1")) && !is_sum(3, json!("x")));
    }
}
