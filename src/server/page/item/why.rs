//! Why an item has its values and its cause: the rows it comes from, the steps that changed them, the comparison, and
//! the rule or model that named the cause.

use askama::Template;

use crate::review::{ItemDetail, SideTrace, Trace, TracedField};
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::server::page::address::Listing;
use crate::server::page::context::{PageContext, html, sentence};
use crate::server::page::diff::{self, Signs};
use crate::server::page::fragment::Value;
use crate::server::page::frame::{Frame, Screen};
use crate::server::page::{difference, labels};

use super::{Guess, guesses};

#[derive(Template)]
#[template(path = "item/why.html")]
pub struct Why {
    pub frame: Frame,
    pub reference: String,
    pub field: String,
    pub back: String,
    pub sides: Vec<Side>,
    /// Facts about the comparison: name and text.
    pub comparison: Vec<(&'static str, String)>,
    /// The rule's place and purpose.
    pub rule: Option<(String, String)>,
    pub guesses: Vec<Guess>,
    /// Why nothing could be traced.
    pub failed: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Side {
    pub system: String,
    pub place: String,
    pub unreadable: Option<String>,
    /// The field of the difference; of a whole record all fields.
    pub own: Vec<Row>,
    pub others: Vec<Row>,
}

#[derive(Clone, Debug)]
pub struct Row {
    pub field: String,
    pub column: Option<String>,
    pub raw: Option<Value>,
    pub null_value: bool,
    /// The steps that changed it, each with its result.
    pub steps: Vec<(String, Value)>,
    pub value: Value,
    /// Why the value is not of its type.
    pub broken: Option<String>,
}

pub fn show(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let (frame, _) = context.frame(Screen::Queue)?;
    let id = call.path("id");
    let detail = context.review.item(&context.actor, id)?;
    let trace = context.review.trace(&context.actor, id)?;
    let reasons = context.review.reason_codes(&context.actor, None)?;
    let listing = Listing::of(context.query())?;
    let back = listing.with_position(&format!("/review/items/{id}"));
    html(
        200,
        &Why::new(
            frame,
            &detail,
            trace,
            guesses(&detail.item, &reasons, detail.rule_words.as_deref()),
            back,
        ),
    )
}

impl Why {
    pub fn new(
        frame: Frame,
        detail: &ItemDetail,
        trace: Trace,
        guesses: Vec<Guess>,
        back: String,
    ) -> Self {
        let name = detail.item.difference.field_name.as_str();
        let known = [
            ("Tolerance", Some(trace.comparison).filter(|text| !text.is_empty())),
            ("Missed by", trace.missed_by.as_deref().map(labels::amount)),
            ("Would clear it", trace.cleared_by),
        ];
        Self {
            frame,
            reference: difference::reference(&detail.item),
            field: labels::field(name).to_owned(),
            back,
            sides: trace.sides.into_iter().flatten().map(|one| side(one, name)).collect(),
            comparison: known.into_iter().filter_map(|(name, text)| Some((name, text?))).collect(),
            rule: trace.rule.map(|place| (place, trace.rule_words.unwrap_or_default())),
            guesses,
            failed: trace.failed.as_deref().map(sentence),
        }
    }
}

fn side(side: SideTrace, name: &str) -> Side {
    let is_whole = !side.fields.iter().any(|one| one.field == name);
    let (own, others) =
        side.fields.into_iter().map(row).partition(|row| is_whole || row.field == name);
    Side {
        system: side.system,
        place: side.place,
        unreadable: side.unreadable.as_deref().map(sentence),
        own,
        others,
    }
}

fn row(traced: TracedField) -> Row {
    let shown = |text: Option<&str>| Value::from(diff::plain(text, Signs::Deceiving));
    let mut last = traced.raw.clone().filter(|_| !traced.null_value);
    let mut steps = Vec::new();
    for step in traced.steps {
        // A step that changes nothing is not shown.
        if step.result != last {
            steps.push((step.step, shown(step.result.as_deref())));
            last = step.result;
        }
    }
    Row {
        raw: traced.column.as_ref().map(|_| shown(traced.raw.as_deref())),
        column: traced.column,
        null_value: traced.null_value,
        value: shown(traced.value.as_deref()),
        broken: traced.error.or(traced.unparsed),
        field: traced.field,
        steps,
    }
}
