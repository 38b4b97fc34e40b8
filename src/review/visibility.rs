//! Masking: every value of a record that leaves the review passes through here.
//!
//! A field that the policy masks is hidden from everybody without a grant, and with it everything derived from its
//! values: texts, amounts and their sums, references, labels, texts of rules and models, measures of triggers, audit
//! rows. Values not known to be harmless are hidden. No other module decides what is shown.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Map, Value as Json};

use crate::domain::review::{Fired, Policy, Trigger};
use crate::domain::{FieldRef, Kind, Layout};

use super::actor::Actor;
use super::responses::{AmountSum, MASKED};
use crate::store::review::Run;

/// The values hidden from one person.
#[derive(Clone, Debug, Default)]
pub(super) struct Visibility {
    hidden: BTreeSet<String>,
    currency_field: Option<String>,
}

impl Visibility {
    /// Fields that the policy hides from this person.
    pub fn of(policy: &Policy, actor: &Actor) -> Self {
        Self {
            hidden: policy.masked_fields.difference(&actor.grants).cloned().collect(),
            currency_field: policy.currency_field.clone(),
        }
    }

    pub fn is_whole(&self) -> bool {
        self.hidden.is_empty()
    }

    pub fn hides(&self, field: &str) -> bool {
        self.hidden.contains(field)
    }

    /// True if a part of the key, and so the references, are hidden.
    pub fn hides_key(&self, layout: &Layout) -> bool {
        layout.naming().any(|field| self.hides(&field.name))
    }

    /// True if any field of the records is hidden. Rules and models see all fields of a record, so their texts about
    /// any difference may quote it.
    pub fn hides_some(&self, layout: &Layout) -> bool {
        layout.fields().iter().any(|field| self.hides(&field.name))
    }

    /// True if the amounts of a difference of this field are hidden. An amount of a whole record may be that of any
    /// of its fields.
    pub fn hides_amount(&self, run: &Run, field: FieldRef) -> bool {
        match field {
            FieldRef::EntireRecord => hidden_numbers(self, &run.layout).next().is_some(),
            FieldRef::Field(_) => self.hides(run.field_name(field)),
        }
    }

    /// True if amounts of any difference of these records are hidden.
    pub fn hides_amounts(&self, layout: &Layout) -> bool {
        hidden_numbers(self, layout).next().is_some()
    }

    /// A value of a difference. Null stays null: that a value is missing is the difference. Of a whole
    /// record there is no value, only that it exists.
    pub fn value(&self, run: &Run, field: FieldRef, value: Option<String>) -> Option<String> {
        let hidden = field != FieldRef::EntireRecord && self.hides(run.field_name(field));
        masked_if(hidden, value)
    }

    /// A reference, which is made of the key.
    pub fn reference(&self, layout: &Layout, reference: Option<String>) -> Option<String> {
        masked_if(self.hides_key(layout), reference)
    }

    /// A field of a record.
    pub fn cell(&self, field: &str, value: &Json) -> Json {
        match value {
            Json::Null => Json::Null,
            _ if self.hides(field) => MASKED.into(),
            shown => shown.clone(),
        }
    }

    /// The currency of an amount.
    pub fn currency(&self, currency: Option<String>) -> Option<String> {
        let hidden = self.currency_field.as_deref().is_some_and(|field| self.hides(field));
        masked_if(hidden, currency)
    }

    /// The label of a group, without parts that reveal values.
    pub fn label(&self, field: &str, diff_type: &str, label: &str) -> String {
        if self.hides(field) { format!("{field}: {diff_type}") } else { label.to_owned() }
    }

    /// Explanations of rules and models, hidden if any field of the record is: they may quote it.
    pub fn said(&self, layout: &Layout, said: Vec<String>) -> Vec<String> {
        if self.hides_some(layout) && !said.is_empty() { vec![MASKED.to_owned()] } else { said }
    }

    /// Sums of amounts, some of which are hidden.
    pub fn sums(&self, hidden: bool, sums: Vec<AmountSum>) -> Vec<AmountSum> {
        if hidden {
            return Vec::new();
        }
        let shown = |sum: AmountSum| AmountSum { currency: self.currency(sum.currency), ..sum };
        sums.into_iter().map(shown).collect()
    }

    /// Triggers with their values; those that measured hidden amounts without them.
    pub fn triggers(&self, hidden: bool, fired: Vec<Fired>) -> Vec<Fired> {
        let currency = self.currency(Some(String::new())).as_deref() == Some(MASKED);
        let measures = |one: &Fired| {
            matches!(one.trigger, Trigger::Amount | Trigger::Bulk | Trigger::Splitting)
        };
        let shown = |one: Fired| {
            if (hidden || currency) && measures(&one) {
                Fired { value: MASKED.to_owned(), ..one }
            } else {
                one
            }
        };
        fired.into_iter().map(shown).collect()
    }

    /// The figures of a run: without sentences, which may quote rows, and without sums of hidden fields.
    pub fn figures(&self, layout: &Layout, mut summary: Json) -> Json {
        if !self.hides_some(layout) {
            return summary;
        }
        let Some(members) = summary.as_object_mut() else { return Json::Null };
        members.retain(|name, _| FIGURES.contains(&name.as_str()));
        for name in ["rejected", "warnings"] {
            for one in members.get_mut(name).and_then(Json::as_array_mut).into_iter().flatten() {
                for name in ["message", "text", "help"] {
                    if let Some(sentence) = one.get_mut(name) {
                        *sentence = MASKED.into();
                    }
                }
            }
        }
        if let Some(differences) = members.get_mut("differences").and_then(Json::as_object_mut) {
            differences.retain(|name, _| ["total", "by_type", "by_field"].contains(&name.as_str()));
        }
        summary
    }

    /// An audit row's value about an item. `run_of` finds a run by its id.
    pub fn audit_value(
        &self,
        value: Json,
        run_of: &mut dyn FnMut(&str) -> Option<Rc<Run>>,
    ) -> Json {
        if self.is_whole() {
            return value;
        }
        self.within(value, run_of)
    }

    fn within(&self, value: Json, run_of: &mut dyn FnMut(&str) -> Option<Rc<Run>>) -> Json {
        let Json::Object(members) = value else {
            return match value {
                Json::Array(all) => {
                    Json::Array(all.into_iter().map(|one| self.within(one, run_of)).collect())
                }
                Json::Null | Json::Bool(_) => value,
                _ => MASKED.into(),
            };
        };
        let text = |name: &str| members.get(name).and_then(Json::as_str);
        let hides_values = text("field_name").is_none_or(|field| self.hides(field));
        let run = text("run_id").and_then(&mut *run_of);
        let hides_key = run.is_none_or(|run| self.hides_key(&run.layout));
        let mut shown = Map::new();
        for (name, value) in members {
            let value = match name.as_str() {
                _ if HARMLESS.contains(&name.as_str()) => value,
                "value_a" | "value_b" if !hides_values => value,
                "value_a" | "value_b" if value == "EXISTS" => value,
                "source_a_ref_id" | "source_b_ref_id" | "ref" if !hides_key => value,
                _ => self.within(value, run_of),
            };
            shown.insert(name, value);
        }
        Json::Object(shown)
    }
}

fn masked_if(hidden: bool, value: Option<String>) -> Option<String> {
    value.map(|value| if hidden { MASKED.to_owned() } else { value })
}

fn hidden_numbers<'l>(
    visible: &'l Visibility,
    layout: &'l Layout,
) -> impl Iterator<Item = &'l str> {
    let number = |kind: Kind| matches!(kind, Kind::Decimal | Kind::Integer);
    let fields = layout.fields().iter().filter(move |field| number(field.kind));
    fields.map(|field| field.name.as_str()).filter(|name| visible.hides(name))
}

/// Members of audit rows that tell nothing of a record's values: states, names, codes and ids. Whatever
/// else a row may tell one day is hidden until it is listed here.
const HARMLESS: &[&str] = &[
    "status",
    "reason_code",
    "confidence",
    "is_locked",
    "version",
    "assigned_by",
    "action",
    "new_reason_code",
    "blind",
    "proposal_state",
    "unmatched",
    "agrees",
    "chosen",
    "kind",
    "state",
    "eyes",
    "control",
    "comment_id",
    "assignee",
    "run_id",
    "job",
    "batch_date",
    "decided_at",
    "field_name",
    "diff_type",
    "attribution_id",
    "proposal_id",
    "comments",
    "payload",
];

/// The figures of a run that count records and differences and tell no values.
const FIGURES: &[&str] = &[
    "run_id",
    "job",
    "batch_date",
    "status",
    "stage",
    "records",
    "differences",
    "attributions",
    "gate",
    "seconds",
    "sources",
    "rejected",
    "warnings",
    "top_rules",
    "model",
    "acceptance",
    "superseded_by",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Field;
    use serde_json::json;

    fn run() -> Run {
        let field = |name: &str, kind| Field::new(name, kind);
        let fields = vec![
            field("id", Kind::Text),
            field("currency", Kind::Text),
            field("amount", Kind::Decimal),
            field("name", Kind::Text),
        ];
        Run::for_tests(Layout::new(fields, 1))
    }

    fn sight(hidden: &[&str]) -> Visibility {
        Visibility {
            hidden: hidden.iter().map(|name| (*name).to_owned()).collect(),
            currency_field: Some("currency".to_owned()),
        }
    }

    #[test]
    fn null_stays_null_and_grants_show() {
        let policy = Policy {
            masked_fields: ["amount", "name"].map(str::to_owned).into(),
            ..Policy::default()
        };
        let mut actor = Actor { grants: ["name"].map(str::to_owned).into(), ..Actor::default() };
        let run = run();
        let visible = Visibility::of(&policy, &actor);
        let amount = FieldRef::Field(2);
        assert_eq!(visible.value(&run, amount, Some("7".into())).as_deref(), Some(MASKED));
        assert_eq!(visible.value(&run, amount, None), None);
        let name = FieldRef::Field(3);
        assert_eq!(visible.value(&run, name, Some("Ann".into())).as_deref(), Some("Ann"));
        assert!(visible.hides_amount(&run, FieldRef::EntireRecord));
        assert_eq!(visible.said(&run.layout, vec!["7.01 was cut off".into()]), [MASKED]);
        actor.grants.insert("amount".to_owned());
        assert!(Visibility::of(&policy, &actor).is_whole());
    }

    #[test]
    fn a_hidden_key_hides_references_and_a_hidden_currency_the_currency() {
        let run = run();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(sight(&["id"]).reference(&run.layout, text("T1")).as_deref(), Some(MASKED));
        assert_eq!(sight(&["name"]).reference(&run.layout, text("T1")).as_deref(), Some("T1"));
        assert_eq!(sight(&["currency"]).currency(text("USD")).as_deref(), Some(MASKED));
        let fired =
            || vec![Fired { trigger: Trigger::Amount, value: "7312.56 USD ≥ 1000".to_owned() }];
        assert_eq!(sight(&["name"]).triggers(true, fired())[0].value, MASKED);
        assert_eq!(sight(&["name"]).triggers(false, fired()), fired());
        assert_eq!(sight(&["currency"]).triggers(false, fired())[0].value, MASKED);
    }

    #[test]
    fn an_audit_row_shows_only_harmless_values() {
        let row = json!({
            "status": "PENDING", "version": 2, "blind": false, "new_thing": "7312.56",
            "triggers": [{ "trigger": "AMOUNT", "value": "7312.56 USD" }],
            "item": {
                "run_id": "r", "field_name": "amount", "value_a": "7312.56", "value_b": null,
                "source_a_ref_id": "T1", "source_b_ref_id": "T1",
            },
        });
        let mut known = |id: &str| (id == "r").then(|| Rc::new(run()));
        assert_eq!(sight(&[]).audit_value(row.clone(), &mut known), row);
        let shown = sight(&["amount"]).audit_value(row.clone(), &mut known);
        assert!(!shown.to_string().contains("7312"), "{shown}");
        assert_eq!(shown["item"]["source_a_ref_id"], "T1");
        assert_eq!((&shown["status"], &shown["version"]), (&row["status"], &row["version"]));
        // The run is not known any more: its key may have been hidden.
        let shown = sight(&["amount"]).audit_value(row.clone(), &mut |_| None);
        assert_eq!(shown["item"]["source_a_ref_id"], MASKED);
        let shown = sight(&["name"]).audit_value(row, &mut known);
        assert_eq!(shown["item"]["value_a"], "7312.56");
        assert_eq!(shown["triggers"][0]["value"], MASKED);
    }
}
