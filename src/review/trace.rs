//! The sources of an item's values, as in `recon explain`, without values hidden from the user.

use serde::Deserialize;
use serde_json::Value as Json;

use crate::domain::review::Permission;
use crate::domain::{FieldRef, Layout};

use super::actor::Actor;
use super::responses::MASKED;
use super::visibility::Visibility;
use super::{QueryResult, Review};

/// An item, traced to its sources.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// The rows of both sides.
    pub sides: [Option<SideTrace>; 2],
    /// The tolerance in words.
    pub comparison: String,
    /// By how much it was missed, if that is one number.
    pub missed_by: Option<String>,
    /// The smallest tolerance that would clear the difference.
    pub cleared_by: Option<String>,
    /// File and line of the rule that decided.
    pub rule: Option<String>,
    /// The rule's comment in its script.
    pub rule_words: Option<String>,
    /// Why nothing could be traced.
    pub failed: Option<String>,
}

/// The row of one side.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SideTrace {
    pub system: String,
    /// File and place in it.
    pub place: String,
    /// Why the row can't be read again, or that it has changed since.
    pub unreadable: Option<String>,
    pub fields: Vec<TracedField>,
}

/// A field from its cell to its value.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TracedField {
    pub field: String,
    /// The source's column, if the field is mapped.
    pub column: Option<String>,
    pub raw: Option<String>,
    /// The cell is one of the source's null values.
    pub null_value: bool,
    /// In order, as far as they were called.
    pub steps: Vec<Step>,
    pub value: Option<String>,
    /// Why the value is not of its type.
    pub unparsed: Option<String>,
    /// The step that failed, and how.
    pub error: Option<String>,
}

/// A step and its result.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Step {
    pub step: String,
    pub result: Option<String>,
}

impl Review<'_> {
    /// An item with the rows and steps behind its values.
    ///
    /// # Errors
    /// A [`super::Refusal`].
    pub fn trace(&self, actor: &Actor, attribution_id: &str) -> QueryResult<Trace> {
        actor.must(Permission::View)?;
        let (key, run, visible, hidden) = self.read(|work| {
            let item = work.item(attribution_id, false)?;
            let run = work.tables.run(item.key.run_no)?;
            let hidden = work.is_hidden(&item)?;
            Ok((item.key, run, work.visibility(actor), hidden))
        })?;
        let Some(tracer) = &self.settings.tracer else { return Ok(Trace::default()) };
        let field = match key.field() {
            FieldRef::EntireRecord => None,
            field @ FieldRef::Field(_) => Some(run.field_name(field)),
        };
        Ok(match tracer(self.store, &run.run_id, key.record().cast_unsigned()) {
            Ok(told) => visible.trace(&run.layout, field, read(&told, field, hidden)),
            Err(problem) => {
                let said = if visible.hides_some(&run.layout) { MASKED } else { &problem.message };
                Trace { failed: Some(said.to_owned()), ..Trace::default() }
            }
        })
    }
}

/// Reads one difference from the explanation of a record; without the cause if it is `hidden`.
fn read(told: &Json, field: Option<&str>, hidden: bool) -> Trace {
    let side = |name: &str| SideTrace::deserialize(&told[name]).ok();
    let text = |value: &Json| value.as_str().map(str::to_owned);
    let own = match field {
        None => None,
        Some(name) => {
            told["fields"].as_array().and_then(|all| all.iter().find(|one| one["field"] == name))
        }
    };
    let difference = own.map_or(&told["difference"], |own| &own["difference"]);
    let cause = |name: &str| text(&difference["attribution"][name]).filter(|_| !hidden);
    Trace {
        sides: [side("a"), side("b")],
        comparison: own.and_then(|own| text(&own["comparison"])).unwrap_or_default(),
        missed_by: text(&difference["missed_by"]),
        cleared_by: text(&difference["cleared_by"]),
        rule: cause("rule"),
        rule_words: cause("rule_words"),
        failed: None,
    }
}

impl Visibility {
    /// A trace without the values of hidden fields.
    fn trace(&self, layout: &Layout, field: Option<&str>, mut trace: Trace) -> Trace {
        fn mask(text: &mut Option<String>) {
            if let Some(text) = text {
                *text = MASKED.to_owned();
            }
        }
        if field.is_some_and(|field| self.hides(field)) {
            mask(&mut trace.missed_by);
            mask(&mut trace.cleared_by);
        }
        let hides_some = self.hides_some(layout);
        for side in trace.sides.iter_mut().flatten() {
            if hides_some {
                mask(&mut side.unreadable);
            }
            for one in side.fields.iter_mut().filter(|one| self.hides(&one.field)) {
                for text in [&mut one.raw, &mut one.value, &mut one.unparsed, &mut one.error] {
                    mask(text);
                }
                one.steps.iter_mut().for_each(|step| mask(&mut step.result));
            }
        }
        trace
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::review::Policy;
    use crate::domain::{Field, Kind};

    #[test]
    fn a_trace_has_steps_and_tolerance_but_no_hidden_value() {
        let told = json!({
            "a": { "system": "FRONT", "place": "a.csv:2", "unreadable": "the row `7312.56` is broken", "fields": [
                { "field": "amount", "column": "AMT", "raw": " 7312.56", "steps": [
                    { "step": "trim", "result": "7312.56" } ], "value": "7312.56" },
                { "field": "name", "column": "NAME", "raw": "Ann", "steps": [], "value": "Ann" },
            ] },
            "b": null,
            "fields": [{ "field": "amount", "comparison": "±0.01", "difference": {
                "cleared_by": "absolute: 7312.55", "missed_by": "7312.54",
                "attribution": { "rule": "r.rhai:3", "rule_words": "One is the other rounded." } } }],
        });
        let trace = read(&told, Some("amount"), false);
        assert_eq!(
            (trace.comparison.as_str(), trace.missed_by.as_deref()),
            ("±0.01", Some("7312.54"))
        );
        assert_eq!(trace.rule_words.as_deref(), Some("One is the other rounded."));
        assert_eq!(trace.sides[0].as_ref().unwrap().fields[0].steps[0].step, "trim");
        assert_eq!(
            read(&told, Some("amount"), true).rule,
            None,
            "a hidden suggestion stays hidden"
        );
        let policy =
            Policy { masked_fields: ["amount"].map(str::to_owned).into(), ..Policy::default() };
        let visible = Visibility::of(&policy, &Actor::default());
        let layout = Layout::new(vec![Field::new("amount", Kind::Decimal)], 0);
        let shown = format!("{:?}", visible.trace(&layout, Some("amount"), trace));
        assert!(!shown.contains("7312") && shown.contains("Ann"), "{shown}");
    }
}
