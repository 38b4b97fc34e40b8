//! What makers decide: one item, many at once, a decided one anew.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::diagnostic::Code;
use crate::domain::review::Action;
use crate::review::{
    BulkCommit, BulkCommitted, BulkPreview, BulkPreviewAsk, OnConflict, QueueFilter, Reopen,
    Resolve, Resolved, Sampled,
};

use super::call::Call;
use super::error::Denied;
use super::http::Response;
use super::parameter::Parameter;
use super::route::Route;
use super::workflow::item_id;

/// Adds what the OpenAPI document says about a route of this file.
pub fn describe(route: Route) -> Route {
    match route.operation {
        "resolve" => route
            .about("Decide an item, as its maker")
            .description(
                "APPROVE accepts the predicted reason, OVERRIDE gives another one, REJECT confirms a break. \
                 Without `version`, the item must still be undecided.",
            )
            .takes([Parameter::idempotency_key()])
            .body::<NewDecision>()
            .json::<Resolved>(200, "The decision, or the proposal that awaits approval")
            .denies(409, "An open proposal holds the item, or its status does not allow this")
            .denies(412, "The item has changed"),
        "reopen" => route
            .about("Decide an item again")
            .takes([item_id(), Parameter::if_match(), Parameter::idempotency_key()])
            .body::<NewReopening>()
            .json::<Resolved>(201, "The proposal")
            .denies(409, "The item is not decided")
            .denies(412, "The item has changed")
            .denies(428, "`If-Match` is missing"),
        "sample" => route
            .about("Judge a blind sample")
            .description(
                "For items of kind AUDIT_SAMPLE: recon accepted a reason and shows it to nobody. Agreeing \
                 locks the item; disagreeing proposes a new decision.",
            )
            .takes([item_id(), Parameter::idempotency_key()])
            .body::<NewSample>()
            .json::<Sampled>(200, "Whether recon gave the same reason")
            .denies(409, "The item is not a sample, or has already been judged"),
        "bulk_preview" => route
            .about("Preview one decision about many items")
            .description("Fixes the list of items for ten minutes.")
            .body::<NewPreview>()
            .json::<BulkPreview>(200, "The preview, with the token to commit it"),
        "bulk_commit" => route
            .about("Propose what a preview showed")
            .takes([Parameter::idempotency_key()])
            .body::<NewBulk>()
            .json::<BulkCommitted>(201, "The proposal")
            .denies(409, "Items have changed since the preview")
            .denies(410, "The token has expired"),
        _ => route,
    }
}

/// A decision about an item.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewDecision {
    /// The item.
    #[schema(pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    attribution_id: String,
    /// The decision.
    action: ActionName,
    /// For OVERRIDE: the code of the reason.
    #[schema(max_length = 50, example = "ROUNDING_DIFF")]
    new_reason_code: Option<String>,
    /// Why; for OVERRIDE and REJECT at least five visible characters.
    #[schema(max_length = 2000)]
    comments: Option<String>,
    /// The version of the item that was seen.
    #[schema(minimum = 1, maximum = 9007199254740991_i64)]
    version: Option<i64>,
    /// Who asks. Whoever is logged in does; another name is refused.
    #[schema(max_length = 100, deprecated)]
    actor_id: Option<String>,
}

/// What a maker decides.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ActionName {
    /// The machine's top reason is right.
    Approve,
    /// Another reason is.
    Override,
    /// A confirmed break, which no reason explains.
    Reject,
}

impl From<ActionName> for Action {
    fn from(name: ActionName) -> Self {
        match name {
            ActionName::Approve => Self::Approve,
            ActionName::Override => Self::Override,
            ActionName::Reject => Self::Reject,
        }
    }
}

pub fn resolve(call: &Call<'_>) -> Result<Response, Denied> {
    let body: NewDecision = call.body()?;
    let actor = call.actor()?;
    if let Some(claimed) = &body.actor_id {
        let person = call.person()?;
        if *claimed != person.person_id && *claimed != person.login {
            let (entity, what) = (Some(body.attribution_id.as_str()), "another name in the body");
            call.desk().note_refused(&actor, Code::ActorMismatch, entity, what);
            let detail = "`actor_id` is not who is logged in; leave it out";
            return Err(Denied::new(Code::ActorMismatch, detail));
        }
    }
    let ask = Resolve {
        attribution_id: body.attribution_id,
        action: Some(body.action.into()),
        new_reason_code: body.new_reason_code,
        comments: body.comments,
        version: body.version,
    };
    call.done(200, call.desk().resolve(&actor, &ask))
}

/// What a maker thinks of a blind sample.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSample {
    /// The code of the reason; none for a confirmed break that no reason explains.
    #[schema(max_length = 50, example = "ROUNDING_DIFF")]
    reason_code: Option<String>,
    /// Why; at least five visible characters.
    #[schema(min_length = 1, max_length = 2000, example = "the price came late")]
    comments: String,
}

pub fn sample(call: &Call<'_>) -> Result<Response, Denied> {
    let body: NewSample = call.body()?;
    let (id, code) = (call.path("id"), body.reason_code.as_deref());
    call.done(200, call.desk().sample(&call.actor()?, id, code, Some(&body.comments)))
}

/// A new decision about a decided item.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewReopening {
    /// The decision.
    action: ActionName,
    /// For OVERRIDE: the code of the reason.
    #[schema(max_length = 50, example = "ROUNDING_DIFF")]
    new_reason_code: Option<String>,
    /// Why; at least five visible characters.
    #[schema(min_length = 1, max_length = 2000, example = "the price came late")]
    comments: String,
}

pub fn reopen(call: &Call<'_>) -> Result<Response, Denied> {
    let body: NewReopening = call.body()?;
    let ask = Reopen {
        attribution_id: call.path("id").to_owned(),
        version: call.if_match()?,
        action: Some(body.action.into()),
        new_reason_code: body.new_reason_code,
        comments: Some(body.comments),
    };
    let done = call.desk().reopen(&call.actor()?, &ask);
    let location = done.as_ref().ok().and_then(|done| done.value.proposal_id.clone());
    Ok(located(call.done(201, done)?, location.as_deref()))
}

/// The answer with the place of its proposal.
pub fn located(response: Response, proposal: Option<&str>) -> Response {
    match proposal {
        Some(id) => response.header("location", format!("/workflow/proposals/{id}")),
        None => response,
    }
}

/// One decision about many items, to be looked at first.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPreview {
    /// The items; or else `filter`.
    #[schema(max_items = 10000)]
    ids: Option<Vec<String>>,
    /// Which items, as in the queue.
    filter: Option<QueueFilter>,
    /// The decision.
    action: ActionName,
    /// For OVERRIDE: the code of the reason.
    #[schema(max_length = 50, example = "ROUNDING_DIFF")]
    new_reason_code: Option<String>,
}

pub fn preview(call: &Call<'_>) -> Result<Response, Denied> {
    let body: NewPreview = call.body()?;
    if body.ids.is_some() == body.filter.is_some() {
        return Err(Denied::invalid("ids", "name the items, or a filter: one of the two"));
    }
    let ask = BulkPreviewAsk {
        ids: body.ids.unwrap_or_default(),
        filter: body.filter,
        action: Some(body.action.into()),
        new_reason_code: body.new_reason_code,
    };
    Ok(Response::json(200, &call.desk().bulk_preview(&call.actor()?, &ask)?))
}

/// What a preview showed.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewBulk {
    /// The preview's token.
    #[schema(min_length = 1, max_length = 200)]
    token: String,
    /// Why; for OVERRIDE and REJECT at least five visible characters.
    #[schema(max_length = 2000)]
    comments: Option<String>,
    /// What happens where an item has changed since: nothing at all, or the others go on.
    on_conflict: Option<OnConflictName>,
}

/// What happens where an item of a bulk has changed since the preview.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum OnConflictName {
    /// Nothing is proposed.
    Abort,
    /// The others are.
    Skip,
}

pub fn commit(call: &Call<'_>) -> Result<Response, Denied> {
    let body: NewBulk = call.body()?;
    let ask = BulkCommit {
        token: body.token,
        comments: body.comments,
        on_conflict: match body.on_conflict {
            Some(OnConflictName::Skip) => OnConflict::Skip,
            Some(OnConflictName::Abort) | None => OnConflict::Abort,
        },
    };
    let done = call.desk().bulk_commit(&call.actor()?, &ask);
    let location = done.as_ref().ok().map(|done| done.value.proposal.proposal_id.clone());
    Ok(located(call.done(201, done)?, location.as_deref()))
}
