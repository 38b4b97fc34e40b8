//! Matching by hand: rows of both sides that belong together, as people say.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::review::{MatchCandidates, MatchPreview, MatchRows, ProposalMoved};

use super::call::Call;
use super::decisions::located;
use super::error::Denied;
use super::http::Response;
use super::parameter::{Kind, Parameter};
use super::route::Route;
use super::workflow::item_id;

pub fn describe(route: Route) -> Route {
    match route.operation {
        "match_candidates" => route
            .about("List open rows of the other side that an open row may be matched with")
            .description(
                "The rows that the run itself considered come first, each with why it was not taken; then \
                 those with the nearest amounts. With `q`, the rows that contain the text.",
            )
            .takes([
                item_id(),
                Parameter::query("q", "Text in a reference or value of the row", Kind::Text(200)),
                Parameter::limit(),
            ])
            .json::<MatchCandidates>(200, "The rows, likeliest first"),
        "match_preview" => route
            .about("Add up both sides of a match before proposing it")
            .description(
                "Takes the ids of missing and surplus records of both sides. Nothing is \
                 stored.",
            )
            .body::<Rows>()
            .json::<MatchPreview>(200, "Both sums and their difference, for each field and currency"),
        "match" => route
            .about("Propose that rows of both sides belong together")
            .description(
                "Missing and surplus records of one job, at least one of each side. Once approved, their \
                 differences are settled with the reason and name the match (`matched_by_hand`).",
            )
            .takes([Parameter::idempotency_key()])
            .body::<NewMatch>()
            .json::<ProposalMoved>(201, "The proposal")
            .located(),
        "unmatch" => route
            .about("Propose that the rows of a match do not belong together")
            .description("Once approved, each row is what it was before the match.")
            .takes([
                Parameter::id("id", "The match, by its match_id")
                    .example("0190b5a0-0000-7000-8000-00000000000b"),
                Parameter::idempotency_key(),
            ])
            .body::<Unmatch>()
            .json::<ProposalMoved>(201, "The proposal")
            .located(),
        _ => route,
    }
}

/// Rows that may belong together.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "ids": ["0190b5a0-0000-7000-8000-00000000000a", "0190b5a0-0000-7000-8000-00000000000b"],
}))]
struct Rows {
    /// Their items, of both sides
    #[schema(min_items = 1, max_items = 200)]
    ids: Vec<String>,
}

/// Rows that belong together.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "ids": ["0190b5a0-0000-7000-8000-00000000000a", "0190b5a0-0000-7000-8000-00000000000b"],
    "reason_code": "TIMING_LAG",
    "comments": "one payment, booked in two parts",
}))]
struct NewMatch {
    /// Their items, of both sides
    #[schema(min_items = 2, max_items = 200)]
    ids: Vec<String>,
    /// The reason code that explains the match
    #[schema(max_length = 50, example = "TIMING_LAG")]
    reason_code: String,
    /// The reason for the match; at least five visible characters
    #[schema(min_length = 1, max_length = 2000, example = "one payment, booked in two parts")]
    comments: String,
}

/// Why rows do not belong together.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Unmatch {
    /// At least five visible characters
    #[schema(min_length = 1, max_length = 2000, example = "the second part is of another payment")]
    comments: String,
}

pub fn candidates(call: &Call<'_>) -> Result<Response, Denied> {
    let (id, q) = (call.path("id"), call.text("q"));
    let found = call.review().match_candidates(&call.actor()?, id, q, call.number("limit"))?;
    Ok(Response::json(200, &found))
}

pub fn preview(call: &Call<'_>) -> Result<Response, Denied> {
    let body: Rows = call.body()?;
    Ok(Response::json(200, &call.review().match_preview(&call.actor()?, &body.ids)?))
}

pub fn propose(call: &Call<'_>) -> Result<Response, Denied> {
    let body: NewMatch = call.body()?;
    let ask = MatchRows {
        ids: body.ids,
        reason_code: Some(body.reason_code),
        comments: Some(body.comments),
    };
    proposed(call, call.review().match_rows(&call.actor()?, &ask))
}

pub fn unmatch(call: &Call<'_>) -> Result<Response, Denied> {
    let body: Unmatch = call.body()?;
    proposed(call, call.review().unmatch(&call.actor()?, call.path("id"), Some(&body.comments)))
}

fn proposed(
    call: &Call<'_>,
    done: crate::review::CommandResult<ProposalMoved>,
) -> Result<Response, Denied> {
    let location = done.as_ref().ok().map(|done| done.value.proposal_id.clone());
    Ok(located(call.done(201, done)?, location.as_deref()))
}
