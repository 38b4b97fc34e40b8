//! Reason codes.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::review::{ProposeReason, ReasonEntry, ReasonProposed};

use super::call::Call;
use super::decisions::located;
use super::error::Denied;
use super::http::Response;
use super::parameter::{Kind, Parameter};
use super::route::Route;

pub fn describe(route: Route) -> Route {
    match route.operation {
        "reasons" => route
            .about("List reason codes")
            .description(
                "The codes that explain differences: those of the configuration and those \
                 that people added.",
            )
            .takes([
                Parameter::query(
                    "active",
                    "`true`: only codes in use; `false`: only retired ones",
                    Kind::One(vec!["true", "false"]),
                ),
                Parameter::query("q", "Text in code or description", Kind::Text(200)),
            ])
            .list::<ReasonEntry>(200, "Reason codes"),
        "reason_propose" => route
            .about("Propose a reason code and simulate it; needs six eyes")
            .description(
                "The answer says how many undecided items look like the examples, and how \
                 people decided such items so far.",
            )
            .takes([Parameter::idempotency_key()])
            .body::<NewReason>()
            .json::<ReasonProposed>(201, "The proposal, and what the code would have matched")
            .located(),
        _ => route,
    }
}

pub fn list(call: &Call<'_>) -> Result<Response, Denied> {
    let active = call.text("active").map(|text| text == "true");
    Ok(Response::json(200, &call.review().reasons(&call.actor()?, active, call.text("q"))?))
}

/// A proposed reason code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "code": "LATE_FIXING",
    "description": "The rate was fixed after the cut-off",
    "is_functional": true,
    "examples": ["0190b5a0-0000-7000-8000-00000000000a"],
    "comments": "seen every month end",
}))]
struct NewReason {
    /// The code.
    #[schema(pattern = "^[A-Z][A-Z0-9_]{1,49}$", example = "LATE_FIXING")]
    code: String,
    /// An explanation
    #[schema(min_length = 1, max_length = 500, example = "The rate was fixed after the cut-off")]
    description: String,
    /// Whether the reason is functional: explained by business, not an error
    is_functional: bool,
    /// Whether people close an open item with it, so that it does not take part again; false unless given
    closes: Option<bool>,
    /// Items that show what the code means
    #[schema(max_items = 100)]
    examples: Option<Vec<String>>,
    /// Why.
    #[schema(max_length = 2000)]
    comments: Option<String>,
}

pub fn propose(call: &Call<'_>) -> Result<Response, Denied> {
    let body: NewReason = call.body()?;
    let ask = ProposeReason {
        code: body.code,
        description: body.description,
        is_functional: body.is_functional,
        closes: body.closes.unwrap_or_default(),
        examples: body.examples.unwrap_or_default(),
        comments: body.comments,
    };
    let done = call.review().propose_reason(&call.actor()?, &ask);
    let location = done.as_ref().ok().map(|done| done.value.proposal.proposal_id.clone());
    Ok(located(call.done(201, done)?, location.as_deref()))
}
