//! Proposals: decisions on their way through four or six eyes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::review::{Permission, ProposalKind, ProposalState};
use crate::review::{
    Amend, Approve, Close, ProposalDetail, ProposalFilter, ProposalMoved, ProposalView,
    ProposalsFor,
};

use super::call::Call;
use super::decisions::ActionName;
use super::error::Denied;
use super::http::Response;
use super::parameter::{Kind, Parameter};
use super::routes::{Content, Route};

/// The routes.
pub fn routes() -> Vec<Route> {
    let moves = |route: Route| {
        route
            .takes([id(), Parameter::if_match(), Parameter::idempotency_key()])
            .json::<ProposalMoved>(200, "The proposal as it is now")
            .denies(409, "The proposal is closed, or needs more eyes than it did")
            .denies(412, "The proposal has changed")
            .denies(428, "`If-Match` is missing")
            .tagged()
    };
    let view = &[Permission::View];
    let decide = &[Permission::Check, Permission::Authorize];
    vec![
        Route::get("/workflow/proposals", "proposals", list)
            .about("proposals", "Proposals, the oldest first while they are open")
            .needs(view)
            .takes([
                Parameter::query(
                    "state",
                    "Where they stand",
                    Kind::One(ProposalState::ALL.iter().map(|one| one.name()).collect()),
                ),
                Parameter::query(
                    "stage",
                    "For whom: one's own, to check, to authorize",
                    Kind::One(vec!["mine", "to_check", "to_authorize"]),
                ),
                Parameter::query(
                    "kind",
                    "What they are about",
                    Kind::One(ProposalKind::ALL.iter().map(|one| one.name()).collect()),
                ),
                Parameter::query("maker", "Who made them", Kind::Text(100)),
                Parameter::limit(),
                Parameter::cursor(),
            ])
            .page_of::<ProposalView>("Proposals"),
        Route::get("/workflow/proposals/{id}", "proposal", show)
            .about("proposals", "One proposal with a page of its items")
            .needs(view)
            .takes([id(), Parameter::limit(), Parameter::cursor(), Parameter::if_none_match()])
            .json::<ProposalDetail>(200, "The proposal")
            .answers(304, "Nothing has changed", Content::None)
            .tagged()
            .paged(),
        moves(
            Route::put("/workflow/proposals/{id}", "proposal_amend", amend)
                .about("proposals", "Changes an open proposal; approvals so far are void")
                .needs(&[Permission::Propose])
                .body::<Amendment>(),
        ),
        moves(
            Route::post("/workflow/proposals/{id}/approve", "proposal_approve", approve)
                .about("proposals", "Approves, as checker or authorizer by the proposal's state")
                .needs(decide)
                .body::<Approval>(),
        ),
        moves(
            Route::post("/workflow/proposals/{id}/return", "proposal_return", send_back)
                .about("proposals", "Sends back; items are as they were")
                .needs(decide)
                .body::<Why>(),
        ),
        moves(
            Route::post("/workflow/proposals/{id}/withdraw", "proposal_withdraw", withdraw)
                .about("proposals", "Takes an own proposal back; items are as they were")
                .needs(&[Permission::Propose, Permission::ProposePolicy]),
        ),
    ]
}

fn id() -> Parameter {
    Parameter::id("id", "The proposal").example("0190b5a0-0000-7000-8000-00000000000b")
}

fn list(call: &Call<'_>) -> Result<Response, Denied> {
    let filter = ProposalFilter {
        state: call.text("state").and_then(ProposalState::from_name),
        stage: match call.text("stage") {
            Some("mine") => Some(ProposalsFor::Mine),
            Some("to_check") => Some(ProposalsFor::ToCheck),
            Some("to_authorize") => Some(ProposalsFor::ToAuthorize),
            _ => None,
        },
        kind: call.text("kind").and_then(ProposalKind::from_name),
        maker: call.text("maker").map(str::to_owned),
    };
    call.page(call.desk().proposals(&call.actor()?, &filter, &call.page_ask()))
}

fn show(call: &Call<'_>) -> Result<Response, Denied> {
    let found = call.desk().proposal(&call.actor()?, call.path("id"), &call.page_ask())?;
    let response = call.linked(Response::json(200, &found), found.next.as_deref());
    // What one may do about it depends on who asks and on who is there, not on the version alone.
    Ok(response.header("etag", format!("\"{}\"", found.proposal.tag)))
}

/// Another decision in the same proposal.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Amendment {
    /// The decision.
    action: ActionName,
    /// For OVERRIDE: the code of the reason.
    #[schema(max_length = 50, example = "ROUNDING_DIFF")]
    new_reason_code: Option<String>,
    /// Why; for OVERRIDE and REJECT at least five visible characters.
    #[schema(max_length = 2000)]
    comments: Option<String>,
}

fn amend(call: &Call<'_>) -> Result<Response, Denied> {
    let body: Amendment = call.body()?;
    let ask = Amend {
        proposal_id: call.path("id").to_owned(),
        if_match: call.if_match()?,
        action: Some(body.action.into()),
        new_reason_code: body.new_reason_code,
        comments: body.comments,
    };
    moved(call, call.desk().amend(&call.actor()?, &ask))
}

/// What somebody approves.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Approval {
    /// The hash of what was seen.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    content_hash: String,
    /// What there is to say.
    #[schema(max_length = 2000)]
    comments: Option<String>,
}

fn approve(call: &Call<'_>) -> Result<Response, Denied> {
    let body: Approval = call.body()?;
    let ask = Approve {
        proposal_id: call.path("id").to_owned(),
        if_match: call.if_match()?,
        content_hash: body.content_hash.parse().ok(),
        comments: body.comments,
    };
    moved(call, call.desk().approve(&call.actor()?, &ask))
}

/// Why something goes back.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Why {
    /// At least five visible characters.
    #[schema(min_length = 1, max_length = 2000, example = "the rate is not that day's")]
    comments: String,
}

fn send_back(call: &Call<'_>) -> Result<Response, Denied> {
    let body: Why = call.body()?;
    let ask = close(call, Some(body.comments))?;
    moved(call, call.desk().send_back(&call.actor()?, &ask))
}

fn withdraw(call: &Call<'_>) -> Result<Response, Denied> {
    let ask = close(call, None)?;
    moved(call, call.desk().withdraw(&call.actor()?, &ask))
}

fn close(call: &Call<'_>, comments: Option<String>) -> Result<Close, Denied> {
    let proposal_id = call.path("id").to_owned();
    Ok(Close { proposal_id, if_match: call.if_match()?, comments })
}

fn moved(call: &Call<'_>, done: crate::review::Outcome<ProposalMoved>) -> Result<Response, Denied> {
    let tag = done.as_ref().ok().map(|done| done.value.tag.clone()).unwrap_or_default();
    Ok(call.done(200, done)?.header("etag", format!("\"{tag}\"")))
}
