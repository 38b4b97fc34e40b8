//! Items as reviewers see them, without hidden values.

use std::collections::HashMap;

use serde_json::Value as Json;

use crate::attribute::features::{self, Scale};
use crate::diagnostic::Problem;
use crate::domain::review::state::is_cause;
use crate::domain::review::trigger::{self, Decided, ItemFacts, Recent};
use crate::domain::review::{Action, Eyes, Fired, ProposalKind, is_blind};
use crate::domain::{Date, Instant, Status};
use crate::store::review::{Item, ItemKey, Prior, Run};
use crate::store::{read_time, time_text};

use super::actor::Actor;
use super::filter::{ItemKind, Sla};
use super::proposal::Weighed;
use super::responses::{DifferenceView, MASKED, Prediction, ReasonView, ReviewItem, SentBack};
use super::work::Work;

/// Notes about items, by item.
#[derive(Default)]
struct Beside {
    sent_back: HashMap<ItemKey, SentBack>,
    assignees: HashMap<ItemKey, String>,
    claims: HashMap<ItemKey, String>,
    proposals: HashMap<ItemKey, String>,
}

impl Work<'_> {
    /// Items as the actor may see them, in the same order.
    pub fn views(&mut self, actor: &Actor, items: Vec<Item>) -> Result<Vec<ReviewItem>, Problem> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let beside = self.beside(&items)?;
        let weighed = self.weigh(items)?;
        let known = self.signatures_known(&weighed)?;
        let mut views = Vec::with_capacity(weighed.len());
        for one in &weighed {
            views.push(self.view(actor, one, &beside, &known)?);
        }
        Ok(views)
    }

    /// Items of a proposal, with the predictions that were known when it took them.
    pub fn views_as_known(
        &mut self,
        actor: &Actor,
        items: Vec<Item>,
        priors: &HashMap<ItemKey, Prior>,
    ) -> Result<Vec<ReviewItem>, Problem> {
        let mut views = self.views(actor, items.clone())?;
        let visible = self.visibility(actor);
        for (view, item) in views.iter_mut().zip(items) {
            let Some(prior) = priors.get(&item.key) else { continue };
            if self.is_hidden(&item)? {
                continue;
            }
            let code =
                self.tables.reason(prior.reason_id)?.map_or_else(String::new, |one| one.code);
            let run = self.tables.run(item.key.run_no)?;
            let before = Item {
                reason_id: prior.reason_id,
                confidence: prior.confidence,
                assigned_by: prior.assigned_by.clone(),
                by_person: prior.by_person,
                explanation: match prior.is_held {
                    true => prior.explanation.clone().or(item.explanation),
                    false => prior.explanation.clone(),
                },
                ..item
            };
            view.predictions = predictions(&before, &code);
            for one in &mut view.predictions {
                one.why = visible.said(&run.layout, std::mem::take(&mut one.why));
            }
        }
        Ok(views)
    }

    fn signatures_known(&mut self, items: &[Weighed]) -> Result<Vec<i64>, Problem> {
        if !self.policy.first_of_signature {
            return Ok(Vec::new());
        }
        let mut ids: Vec<i64> = items.iter().filter_map(|one| one.item.signature_id).collect();
        ids.sort_unstable();
        ids.dedup();
        self.tables.known_signatures(&ids)
    }

    fn beside(&mut self, items: &[Item]) -> Result<Beside, Problem> {
        let keys: Vec<ItemKey> = items.iter().map(|item| item.key).collect();
        let mut beside = Beside { assignees: self.tables.assignees(&keys)?, ..Beside::default() };
        for (key, row) in self.tables.sent_back(&keys)? {
            let by = self.name(&row.by_id)?;
            let sent = SentBack { by, comment: row.comments, at: row.at };
            beside.sent_back.insert(key, sent);
        }
        let now = self.at();
        for (key, person_id) in self.tables.claims(&keys, &now)? {
            let name = self.name(&person_id)?;
            beside.claims.insert(key, name);
        }
        if items.iter().any(|item| item.status == Status::Pending) {
            beside.proposals = self.tables.open_proposals_of(&keys)?;
        }
        Ok(beside)
    }

    pub fn name(&mut self, person_id: &str) -> Result<String, Problem> {
        if person_id.starts_with("SYSTEM") {
            return Ok(person_id.to_owned());
        }
        self.directory.name(self.tables.tx, person_id)
    }

    fn view(
        &mut self,
        actor: &Actor,
        one: &Weighed,
        beside: &Beside,
        known: &[i64],
    ) -> Result<ReviewItem, Problem> {
        let item = &one.item;
        let run = self.tables.run(item.key.run_no)?;
        let reason = self.tables.reason(item.reason_id)?;
        let signature = match item.signature_id {
            Some(id) => self.tables.signature(id)?,
            None => None,
        };
        let is_sample = item.is_sample();
        let hidden = self.is_hidden(item)?;
        let visible = self.visibility(actor);
        let field = item.key.field();
        let hours = i64::from(self.policy.sla_hours.of(item.severity));
        let (first_seen, age_days) = since(&run, item);
        // As old as the break, counted back from when its newest date came.
        let came = read_time(&run.attributed_at)?;
        let began = Instant::new(came.seconds() - age_days * 86_400, came.nanoseconds());
        let due = Instant::new(began.seconds() + hours * 3_600, began.nanoseconds());
        let age_seconds = self.now.seconds() - began.seconds();
        let [ref_a, ref_b] = one.references.clone();
        let amount = one.amount.map(|amount| amount.to_string());
        let assignee = beside.assignees.get(&item.key).cloned();
        let assignee_name = assignee.as_deref().map(|id| self.name(id)).transpose()?;
        let overriding = self.eyes_if(one, Action::Override, known, hidden);
        let approving = self.eyes_if(one, Action::Approve, known, hidden);
        let amount_hidden = visible.hides_amount(&run, field);
        Ok(ReviewItem {
            attribution_id: run.attribution_id(item.key),
            confidence_score: if hidden { 0.0 } else { item.confidence },
            status: item.status.name().to_owned(),
            difference: DifferenceView {
                diff_id: run.difference_id(item.key),
                field_name: one.field.clone(),
                value_a: visible.value(&run, field, item.value_a.clone()),
                value_b: visible.value(&run, field, item.value_b.clone()),
                diff_type: item.diff_type.name().to_owned(),
            },
            predictions: if hidden {
                Vec::new()
            } else {
                let code = reason.as_ref().map_or("", |reason| reason.code.as_str());
                let mut all = predictions(item, code);
                for one in &mut all {
                    one.why = visible.said(&run.layout, std::mem::take(&mut one.why));
                }
                all
            },
            current_reason: reason.as_ref().filter(|_| !hidden).map(ReasonView::from),
            source_a_ref_id: visible.reference(&run.layout, ref_a),
            source_b_ref_id: visible.reference(&run.layout, ref_b),
            version: item.version,
            kind: if is_sample { ItemKind::AuditSample } else { ItemKind::Item },
            run_id: run.run_id.clone(),
            job: run.job.clone(),
            batch_date: run.batch_date.clone(),
            systems: run.systems.to_vec(),
            record_id: run.record_id(item.key),
            severity: item.severity.name().to_owned(),
            signature: item.signature_id.filter(|_| !hidden).map(|id| id.to_string()),
            signature_label: signature.filter(|_| !hidden).map(|signature| {
                visible.label(&one.field, item.diff_type.name(), &signature.label)
            }),
            group_size: None,
            amount_abs: amount.filter(|_| !amount_hidden),
            currency: visible.currency(one.currency.clone()),
            counterparty: one.counterparty.as_ref().map(|(field, value)| {
                if visible.hides(field) { MASKED.to_owned() } else { value.clone() }
            }),
            age_seconds,
            first_seen,
            age_days,
            due_at: time_text(due),
            sla: sla(self.now, began, due),
            eyes_if_override: overriding.0,
            eyes_if_approve: approving.0,
            triggers_if_override: visible.triggers(amount_hidden, overriding.1),
            triggers_if_approve: visible.triggers(amount_hidden, approving.1),
            sent_back: beside.sent_back.get(&item.key).cloned(),
            assignee,
            assignee_name,
            claimed_by: beside.claims.get(&item.key).cloned(),
            assigned_by: if hidden { None } else { item.assigned_by.clone() },
            is_locked: item.locked,
            proposal_id: beside.proposals.get(&item.key).cloned(),
        })
    }

    /// The eyes that a decision would need and why, regardless of a hidden suggestion: its confidence would
    /// show.
    fn eyes_if(
        &self,
        one: &Weighed,
        action: Action,
        known: &[i64],
        hidden: bool,
    ) -> (Eyes, Vec<Fired>) {
        let kind = match one.item.status {
            Status::Accepted | Status::Rejected => ProposalKind::Reopen,
            Status::Unknown | Status::Pending => ProposalKind::Attribution,
        };
        let decided = Decided { kind, action: Some(action), functional: None };
        let facts = ItemFacts {
            field: &one.field,
            diff_type: one.item.diff_type,
            monetary: one.monetary,
            amount: one.amount,
            currency: one.currency.as_deref(),
            confidence: if hidden { 0.0 } else { one.item.confidence },
            predicted: one.predicted.filter(|_| !hidden),
            decided_by_people: one.item.by_person,
            signature_known: hidden || one.item.signature_id.is_some_and(|id| known.contains(&id)),
        };
        let fired = trigger::evaluate(&self.policy, decided, &[facts], &Recent::default());
        (trigger::eyes(&self.policy, decided, &fired, one.item.locked), fired)
    }
}

/// The first date of an item's break, and how many days its date is after that.
pub(super) fn since(run: &Run, item: &Item) -> (String, i64) {
    let date = run.batch_date.parse::<Date>();
    let first = item.since.and_then(|days| i32::try_from(days).ok()).map(Date::from_days);
    match (first, date) {
        (Some(first), Ok(date)) => {
            (first.to_string(), i64::from(date.days()) - i64::from(first.days()))
        }
        _ => (run.batch_date.clone(), 0),
    }
}

/// Time left of an item.
fn sla(now: Instant, began: Instant, due: Instant) -> Sla {
    let left = due.seconds() - now.seconds();
    let whole = due.seconds() - began.seconds();
    if left <= 0 {
        Sla::Overdue
    } else if left * 4 <= whole {
        Sla::Due
    } else {
        Sla::Ok
    }
}

impl Work<'_> {
    /// True if the item's reason is hidden: it is a blind sample, or its suggestion is hidden until the maker has
    /// chosen.
    pub fn is_hidden(&mut self, item: &Item) -> Result<bool, Problem> {
        Ok(item.is_sample() || (item.status == Status::Unknown && self.is_blind(item)?))
    }

    /// True if the suggestion for an undecided item is hidden until the maker has chosen.
    pub fn is_blind(&mut self, item: &Item) -> Result<bool, Problem> {
        let share = self.policy.blind_suggestions;
        let run = self.tables.run(item.key.run_no)?;
        Ok(is_blind(&run.attribution_id(item.key), share))
    }
}

/// Suggested reasons, most likely first.
fn predictions(item: &Item, code: &str) -> Vec<Prediction> {
    let explanation: Json = item
        .explanation
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or(Json::Null);
    if let Some(model) = explanation.get("model") {
        let list = |name: &str| model.get(name).and_then(Json::as_array).into_iter().flatten();
        let moved = |one: &Json| {
            let moved = one.get("moved")?.as_f64()?;
            let sign = if moved < 0.0 { '−' } else { '+' };
            let name = one.get("name")?.as_str()?;
            let value = one.get("value").and_then(Json::as_f64);
            Some(format!("{sign}{:.2} {}", moved.abs(), feature(name, value)))
        };
        let mut why: Vec<String> = list("features").filter_map(moved).take(3).collect();
        why.extend(notes(&explanation));
        let read = |one: &Json| {
            Some(Prediction {
                code: one.get("code")?.as_str()?.to_owned(),
                confidence: one.get("probability")?.as_f64()?,
                why: Vec::new(),
            })
        };
        let mut listed: Vec<Prediction> = list("reasons").filter_map(read).take(3).collect();
        if let Some(first) = listed.first_mut() {
            first.why = why;
            return listed;
        }
    }
    if !is_cause(code) || item.by_person {
        return Vec::new();
    }
    let mut why = Vec::new();
    why.extend(item.assigned_by.clone());
    why.extend(notes(&explanation));
    vec![Prediction { code: code.to_owned(), confidence: item.confidence, why }]
}

/// A feature and its value in words.
fn feature(name: &str, value: Option<f64>) -> String {
    let known = features::catalogue().iter().find(|one| one.name == name);
    let Some(feature) = known else { return name.to_owned() };
    match (feature.scale, value) {
        (Scale::Category, Some(_)) => feature.meaning.to_owned(),
        (_, None) => format!("{}: does not apply", feature.meaning),
        (Scale::Flag, Some(value)) => {
            format!("{}: {}", feature.meaning, if value > 0.5 { "yes" } else { "no" })
        }
        (Scale::Number, Some(value)) => {
            format!("{}: {}", feature.meaning, measured(value, feature.unit, feature.meaning))
        }
    }
}

/// A measure as people write it: shares in percent, and no logarithms.
fn measured(value: f64, unit: &str, meaning: &str) -> String {
    let plain = |number: f64, decimals: usize| {
        let text = format!("{number:.decimals$}");
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        }
    };
    let percent = |share: f64| match share * 100.0 {
        small if small > 0.0 && small < 0.01 => "below 0.01 %".to_owned(),
        share => format!("{} %", plain(share, 2)),
    };
    // Three digits are enough for the size of a number.
    let size = |number: f64| {
        let decimals = (2.0 - number.abs().max(1e-9).log10().floor()).clamp(0.0, 6.0);
        plain(number, decimals as usize)
    };
    match unit {
        "share" => percent(value),
        "log10" if meaning.starts_with("share ") => percent(10f64.powf(value)),
        "log10" => format!("about {}", size(10f64.powf(value))),
        _ if unit.contains("log10(1 +") => {
            format!("about {}", size(value.signum() * (10f64.powf(value.abs()) - 1.0)))
        }
        _ => format!("{} ({unit})", plain(value, 3)),
    }
}

pub(super) fn notes(explanation: &Json) -> Vec<String> {
    texts(explanation.get("notes"))
}

fn texts(json: Option<&Json>) -> Vec<String> {
    let all = json.and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    all.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_are_written_as_people_write_them() {
        assert_eq!(measured(0.304, "share", "digits in the shorter text"), "30.4 %");
        assert_eq!(measured(-3.525, "log10", "share of the run's records"), "0.03 %");
        assert_eq!(measured(-30.0, "log10", "share of the run's records"), "below 0.01 %");
        assert_eq!(measured(3.0, "log10", "size of B − A"), "about 1000");
        assert_eq!(measured(-0.301, "signed log10(1 + |delta|)", "B − A"), "about -1");
        assert_eq!(measured(2.0, "digits", "edit distance"), "2 (digits)");
    }
}
