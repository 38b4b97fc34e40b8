//! Makers' decisions: about one item, about many, about an item that was already decided.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::diagnostic::Code;
use crate::review::{
    BulkCommit, BulkCommitted, BulkPreview, BulkPreviewAsk, OnConflict, QueueFilter, Reopen,
    Resolve, Resolved, Sampled,
};

use super::call::Call;
use super::error::Denied;
use super::http::Response;
use super::parameter::Parameter;
use super::route::Route;
use super::schema::ActionName;
use super::workflow::item_id;

pub fn describe(route: Route) -> Route {
    match route.operation {
        "resolve" => route
            .about("Decide an item, as its maker")
            .description(
                "This is the maker's step: it makes a proposal, which others approve with \
                 `POST /v1/workflow/proposals/{id}/approve`. APPROVE accepts the likeliest \
                 reason, OVERRIDE gives another one, REJECT confirms a break that no reason \
                 explains. Without `version`, the item must still be undecided. The answer \
                 says how many eyes it needs and why.",
            )
            .takes([Parameter::idempotency_key()])
            .body::<NewDecision>()
            .json::<Resolved>(200, "The decision, or the proposal that awaits approval"),
        "reopen" => route
            .about("Decide an item again")
            .description(
                "For items that are settled or confirmed breaks. It makes a proposal; what \
                 people decided before needs six eyes to be changed. Until it is approved, \
                 the earlier decision holds.",
            )
            .takes([item_id(), Parameter::if_match(), Parameter::idempotency_key()])
            .body::<NewReopening>()
            .json::<Resolved>(201, "The proposal")
            .located(),
        "sample" => route
            .about("Judge a blind sample")
            .description(
                "For items of kind AUDIT_SAMPLE: recon accepted a reason and shows it to nobody. Agreeing \
                 locks the item; disagreeing proposes a new decision.",
            )
            .takes([item_id(), Parameter::idempotency_key()])
            .body::<NewSample>()
            .json::<Sampled>(200, "Whether recon gave the same reason"),
        "bulk_preview" => route
            .about("Preview one decision about many items")
            .description(
                "Takes a filter or up to 10,000 ids, and answers what the decision would \
                 mean: how many items, sums by currency, what does not fit, what is left out \
                 and why, a random sample, and the eyes needed. Nothing is decided yet. The \
                 list is fixed for ten minutes; the `token` commits exactly this list.",
            )
            .body::<NewPreview>()
            .json::<BulkPreview>(200, "The preview, with the token to commit it"),
        "bulk_commit" => route
            .about("Propose what a preview showed")
            .description(
                "One proposal about all items of the preview. If an item has changed since, \
                 nothing is stored and the answer (409) names what changed; with \
                 `on_conflict: skip` such items are left out.",
            )
            .takes([Parameter::idempotency_key()])
            .body::<NewBulk>()
            .json::<BulkCommitted>(201, "The proposal")
            .located(),
        _ => route,
    }
}

/// A decision about an item.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "attribution_id": "0190b5a0-0000-7000-8000-00000000000a",
    "action": "OVERRIDE",
    "new_reason_code": "TIMING_LAG",
    "comments": "booked a day late",
    "version": 1,
}))]
struct NewDecision {
    /// The item.
    #[schema(pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    attribution_id: String,
    /// The decision.
    action: ActionName,
    /// For OVERRIDE: the reason code
    #[schema(max_length = 50, example = "ROUNDING_DIFF")]
    new_reason_code: Option<String>,
    /// The reason for the decision; for OVERRIDE and REJECT at least five visible characters
    #[schema(max_length = 2000)]
    comments: Option<String>,
    /// The version of the item that you saw
    #[schema(minimum = 1, maximum = 9007199254740991_i64)]
    version: Option<i64>,
    /// Ignored if it is you, otherwise refused: the logged-in user decides
    #[schema(max_length = 100, deprecated)]
    actor_id: Option<String>,
}

pub fn resolve(call: &Call<'_>) -> Result<Response, Denied> {
    let body: NewDecision = call.body()?;
    let actor = call.actor()?;
    let names_actor = body.actor_id.is_some();
    if let Some(claimed) = &body.actor_id {
        let person = call.person()?;
        if *claimed != person.person_id && *claimed != person.login {
            let (entity, what) = (Some(body.attribution_id.as_str()), "another user in the body");
            call.review().note_refused(&actor, Code::ActorMismatch, entity, what);
            let detail = "`actor_id` is not the logged-in user; leave it out";
            return Err(Denied::new(Code::ActorMismatch, detail));
        }
    }
    let ask = Resolve {
        attribution_id: body.attribution_id,
        action: Some(body.action.0),
        new_reason_code: body.new_reason_code,
        comments: body.comments,
        version: body.version,
    };
    let response = call.done(200, call.review().resolve(&actor, &ask))?;
    Ok(if names_actor {
        response.header("warning", "299 - \"actor_id is ignored: the logged-in user decides\"")
    } else {
        response
    })
}

/// A maker's judgment of a blind sample.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSample {
    /// The reason code; none for a confirmed break
    #[schema(max_length = 50, example = "ROUNDING_DIFF")]
    reason_code: Option<String>,
    /// The reason for the decision; at least five visible characters
    #[schema(min_length = 1, max_length = 2000, example = "the price came late")]
    comments: String,
}

pub fn sample(call: &Call<'_>) -> Result<Response, Denied> {
    let body: NewSample = call.body()?;
    let (id, code) = (call.path("id"), body.reason_code.as_deref());
    call.done(200, call.review().sample(&call.actor()?, id, code, Some(&body.comments)))
}

/// A new decision about an item that was already decided.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "action": "OVERRIDE",
    "new_reason_code": "TIMING_LAG",
    "comments": "the price came late",
}))]
struct NewReopening {
    /// The decision.
    action: ActionName,
    /// For OVERRIDE: the reason code
    #[schema(max_length = 50, example = "ROUNDING_DIFF")]
    new_reason_code: Option<String>,
    /// The reason for the decision; at least five visible characters
    #[schema(min_length = 1, max_length = 2000, example = "the price came late")]
    comments: String,
}

pub fn reopen(call: &Call<'_>) -> Result<Response, Denied> {
    let body: NewReopening = call.body()?;
    let ask = Reopen {
        attribution_id: call.path("id").to_owned(),
        version: call.if_match()?,
        action: Some(body.action.0),
        new_reason_code: body.new_reason_code,
        comments: Some(body.comments),
    };
    let done = call.review().reopen(&call.actor()?, &ask);
    let location = done.as_ref().ok().and_then(|done| done.value.proposal_id.clone());
    Ok(located(call.done(201, done)?, location.as_deref()))
}

/// Adds the proposal's address.
pub fn located(response: Response, proposal: Option<&str>) -> Response {
    match proposal {
        Some(id) => response.header("location", format!("/workflow/proposals/{id}")),
        None => response,
    }
}

/// One decision about many items, to be previewed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "filter": { "field_name": "amount", "reason_code": "ROUNDING_DIFF" },
    "action": "APPROVE",
}))]
struct NewPreview {
    /// The items, unless there is a `filter`
    #[schema(max_items = 10000)]
    ids: Option<Vec<String>>,
    /// Which items, as in the queue
    filter: Option<QueueFilter>,
    /// The decision.
    action: ActionName,
    /// For OVERRIDE: the reason code
    #[schema(max_length = 50, example = "ROUNDING_DIFF")]
    new_reason_code: Option<String>,
}

pub fn preview(call: &Call<'_>) -> Result<Response, Denied> {
    let body: NewPreview = call.body()?;
    if body.ids.is_some() == body.filter.is_some() {
        return Err(Denied::invalid("ids", "give either `ids` or `filter`"));
    }
    let ask = BulkPreviewAsk {
        ids: body.ids.unwrap_or_default(),
        filter: body.filter,
        action: Some(body.action.0),
        new_reason_code: body.new_reason_code,
    };
    Ok(Response::json(200, &call.review().bulk_preview(&call.actor()?, &ask)?))
}

/// Commits a preview.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "token": "the preview's token",
    "comments": "known from earlier runs",
    "on_conflict": "abort",
}))]
struct NewBulk {
    /// The preview's token
    #[schema(min_length = 1, max_length = 200)]
    token: String,
    /// The reason for the decision; for OVERRIDE and REJECT at least five visible characters
    #[schema(max_length = 2000)]
    comments: Option<String>,
    /// `abort` or `skip` if an item has changed since the preview
    on_conflict: Option<OnConflict>,
}

pub fn commit(call: &Call<'_>) -> Result<Response, Denied> {
    let body: NewBulk = call.body()?;
    let ask = BulkCommit {
        token: body.token,
        comments: body.comments,
        on_conflict: body.on_conflict.unwrap_or_default(),
    };
    let done = call.review().bulk_commit(&call.actor()?, &ask);
    let location = done.as_ref().ok().map(|done| done.value.proposal.proposal_id.clone());
    Ok(located(call.done(201, done)?, location.as_deref()))
}
