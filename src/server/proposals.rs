//! Proposals: decisions that need four or six eyes.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::review::{ProposalKind, ProposalState};
use crate::review::{
    Amend, Approve, Close, ProposalDetail, ProposalFilter, ProposalMoved, ProposalView,
    ProposalsFor,
};

use super::call::Call;
use super::error::Denied;
use super::http::Response;
use super::parameter::{Kind, Parameter};
use super::route::{Content, Route};
use super::schema::ActionName;

pub fn describe(route: Route) -> Route {
    let moves = |route: Route| {
        route
            .takes([id(), Parameter::if_match(), Parameter::idempotency_key()])
            .json::<ProposalMoved>(200, "The proposal after the change")
            .tagged()
    };
    match route.operation {
        "proposals" => route
            .about("List proposals, oldest first while open")
            .description(
                "A proposal is a decision that awaits approval, or one that was closed. \
                 Without filters, these are all of them, open ones oldest first.",
            )
            .takes(filters())
            .takes([Parameter::limit(), Parameter::cursor()])
            .page_of::<ProposalView>("Proposals"),
        "proposal" => route
            .about("Show a proposal with one page of its items")
            .description(
                "Has who made and approved it, why it needs six eyes, what changed since its \
                 last version, and why you may not approve it, if so. Of a proposal about \
                 many items, `digest` has the largest and a random sample. The `ETag` is its \
                 tag, for `If-Match`; `content_hash` is what an approval names.",
            )
            .takes([id(), Parameter::limit(), Parameter::cursor(), Parameter::if_none_match()])
            .json::<ProposalDetail>(200, "The proposal")
            .answers(304, "Not modified", Content::None)
            .tagged()
            .paged(),
        "proposal_amend" => moves(
            route
                .about("Change an open proposal; drops its approvals")
                .description(
                    "Changes the decision of an open proposal. Approvals so far become void, and \
                 whoever changes it cannot approve it.",
                )
                .body::<Amendment>(),
        ),
        "proposal_approve" => moves(
            route
                .about("Approve a proposal, as checker or authorizer depending on its state")
                .description(
                    "An open proposal is approved by a checker; if it needs six eyes, an \
                 authorizer approves it after that. The last approval puts the decision into \
                 effect. Nobody approves what they made or changed, and checker and \
                 authorizer are two people. `content_hash` must be that of the proposal you \
                 saw.",
                )
                .body::<Approval>(),
        ),
        "proposal_return" => moves(
            route
                .about("Send a proposal back; restores its items")
                .description(
                    "Refuses a proposal with a comment for its maker. Its items are what they \
                 were before.",
                )
                .body::<Why>(),
        ),
        "proposal_withdraw" => {
            moves(route.about("Withdraw your proposal; restores its items").description(
                "Takes back an open proposal that you made or changed. Its items are what \
                 they were before.",
            ))
        }
        _ => route,
    }
}

fn id() -> Parameter {
    Parameter::id("id", "The proposal").example("0190b5a0-0000-7000-8000-00000000000b")
}

/// Filters of lists of proposals, of the API and of the page.
pub fn filters() -> [Parameter; 5] {
    let query = Parameter::query;
    [
        query(
            "state",
            "The state",
            Kind::One(ProposalState::ALL.iter().map(|one| one.name()).collect()),
        ),
        query(
            "open",
            "`true`: only open ones; `false`: only closed ones",
            Kind::One(vec!["true", "false"]),
        ),
        query(
            "stage",
            "Your own, those you may check, or those you may authorize",
            Kind::One(vec!["mine", "to_check", "to_authorize"]),
        ),
        query(
            "kind",
            "The kind",
            Kind::One(ProposalKind::ALL.iter().map(|one| one.name()).collect()),
        ),
        query("maker", "The maker", Kind::Text(100)),
    ]
}

/// The parameters are already validated.
pub fn filter(call: &Call<'_>) -> ProposalFilter {
    ProposalFilter {
        open: call.text("open").map(|open| open == "true"),
        state: call.text("state").and_then(ProposalState::from_name),
        stage: match call.text("stage") {
            Some("mine") => Some(ProposalsFor::Mine),
            Some("to_check") => Some(ProposalsFor::ToCheck),
            Some("to_authorize") => Some(ProposalsFor::ToAuthorize),
            _ => None,
        },
        kind: call.text("kind").and_then(ProposalKind::from_name),
        maker: call.text("maker").map(str::to_owned),
    }
}

pub fn list(call: &Call<'_>) -> Result<Response, Denied> {
    call.page(call.review().proposals(&call.actor()?, &filter(call), &call.page_ask()))
}

pub fn show(call: &Call<'_>) -> Result<Response, Denied> {
    let found = call.review().proposal(&call.actor()?, call.path("id"), &call.page_ask())?;
    let response = call.linked(Response::json(200, &found), found.next.as_deref());
    // No 304: the user's permissions depend on more than the version.
    Ok(response.header("etag", format!("\"{}\"", found.proposal.tag)))
}

/// A change of a proposal.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "action": "OVERRIDE",
    "new_reason_code": "FX_VARIANCE",
    "comments": "another rate, not another day",
}))]
struct Amendment {
    /// The decision.
    action: ActionName,
    /// For OVERRIDE: the reason code
    #[schema(max_length = 50, example = "ROUNDING_DIFF")]
    new_reason_code: Option<String>,
    /// The reason for the decision; for OVERRIDE and REJECT at least five visible characters
    #[schema(max_length = 2000)]
    comments: Option<String>,
}

pub fn amend(call: &Call<'_>) -> Result<Response, Denied> {
    let body: Amendment = call.body()?;
    let ask = Amend {
        proposal_id: call.path("id").to_owned(),
        if_match: call.if_match()?,
        action: Some(body.action.0),
        new_reason_code: body.new_reason_code,
        comments: body.comments,
    };
    moved(call, call.review().amend(&call.actor()?, &ask))
}

/// An approval.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Approval {
    /// The hash of the content that you saw
    #[schema(pattern = "^[0-9a-f]{64}$")]
    content_hash: String,
    /// A comment
    #[schema(max_length = 2000)]
    comments: Option<String>,
}

pub fn approve(call: &Call<'_>) -> Result<Response, Denied> {
    let body: Approval = call.body()?;
    let ask = Approve {
        proposal_id: call.path("id").to_owned(),
        if_match: call.if_match()?,
        content_hash: body.content_hash.parse().ok(),
        comments: body.comments,
    };
    moved(call, call.review().approve(&call.actor()?, &ask))
}

/// The reason for sending a proposal back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Why {
    /// At least five visible characters
    #[schema(min_length = 1, max_length = 2000, example = "the rate is not that day's")]
    comments: String,
}

pub fn send_back(call: &Call<'_>) -> Result<Response, Denied> {
    let body: Why = call.body()?;
    let ask = close(call, Some(body.comments))?;
    moved(call, call.review().send_back(&call.actor()?, &ask))
}

pub fn withdraw(call: &Call<'_>) -> Result<Response, Denied> {
    let ask = close(call, None)?;
    moved(call, call.review().withdraw(&call.actor()?, &ask))
}

fn close(call: &Call<'_>, comments: Option<String>) -> Result<Close, Denied> {
    let proposal_id = call.path("id").to_owned();
    Ok(Close { proposal_id, if_match: call.if_match()?, comments })
}

fn moved(
    call: &Call<'_>,
    done: crate::review::CommandResult<ProposalMoved>,
) -> Result<Response, Denied> {
    let tag = done.as_ref().ok().map(|done| done.value.tag.clone()).unwrap_or_default();
    Ok(call.done(200, done)?.header("etag", format!("\"{tag}\"")))
}
