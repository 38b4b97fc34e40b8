//! The queue: what waits for a decision, in items and in groups of look-alikes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Severity;
use crate::domain::difference::DiffType;
use crate::review::{
    Assigned, Claimed, CommentView, Group, GroupBy, HistoryEntry, ItemDetail, QueueFilter,
    ReviewItem, Share, SimilarDecision, Summary,
};

use super::call::Call;
use super::error::Denied;
use super::http::Response;
use super::parameter::{Kind, Parameter};
use super::route::{Content, Route};

/// Adds what the OpenAPI document says about a route of this file.
pub fn describe(route: Route) -> Route {
    match route.operation {
        "queue" => route
            .about("List items that await a decision, lowest confidence first")
            .takes(filters())
            .takes(paging())
            .takes([sort()])
            .list::<ReviewItem>(200, "Items, as a bare list. `Link` names the next page")
            .paged(),
        "groups" => route
            .about("List the queue in groups of similar items, largest first")
            .takes(filters())
            .takes(paging())
            .takes([Parameter::query(
                "by",
                "What to group by",
                Kind::One(vec!["signature", "field", "reason"]),
            )])
            .page_of::<Group>("Groups"),
        "facets" => route
            .about("Count the queue's items by value of each property")
            .takes(filters())
            .list::<Share>(200, "Values and counts"),
        "summary" => route
            .about("Show the counters that the page polls")
            .takes([Parameter::if_none_match()])
            .json::<Summary>(200, "Counters")
            .answers(304, "Not modified", Content::None)
            .tagged(),
        "item" => route
            .about("Show an item with both records, its history and similar items")
            .takes([item_id(), Parameter::if_none_match()])
            .json::<ItemDetail>(200, "The item")
            .answers(304, "Not modified", Content::None)
            .tagged(),
        "item_history" => route
            .about("List what happened to an item, newest first")
            .takes([item_id(), Parameter::limit(), Parameter::cursor()])
            .page_of::<HistoryEntry>("Audit rows"),
        "item_similar" => route
            .about("List decisions about similar items, newest first")
            .takes([item_id(), Parameter::limit(), Parameter::cursor()])
            .page_of::<SimilarDecision>("Decisions"),
        "item_comment" => route
            .about("Comment on an item")
            .takes([item_id(), Parameter::idempotency_key()])
            .body::<NewComment>()
            .json::<CommentView>(201, "The comment"),
        "item_assign" => route
            .about("Assign an item to a user, or to nobody")
            .takes([item_id(), Parameter::idempotency_key()])
            .body::<Assignment>()
            .json::<Assigned>(200, "The assignment")
            .denies(409, "There is no such user"),
        "item_claim" => route
            .about("Tell others for five minutes that you are looking at an item")
            .takes([item_id(), Parameter::idempotency_key()])
            .json::<Claimed>(200, "The claim: a hint, not a lock"),
        _ => route,
    }
}

/// The id of an item.
pub fn item_id() -> Parameter {
    Parameter::id("id", "The item, by its attribution_id")
        .example("0190b5a0-0000-7000-8000-00000000000a")
}

/// Limit, cursor and whether to count.
pub fn paging() -> [Parameter; 3] {
    let count = Parameter::query(
        "count",
        "Whether all that match are counted, too",
        Kind::One(vec!["none", "exact"]),
    );
    [Parameter::limit(), Parameter::cursor(), count]
}

fn sort() -> Parameter {
    Parameter::query(
        "sort",
        "The order",
        Kind::One(vec!["confidence", "-confidence", "age", "amount", "severity"]),
    )
}

/// What a list of items can be narrowed by.
pub fn filters() -> Vec<Parameter> {
    let query = Parameter::query;
    vec![
        query(
            "status",
            "The status; UNKNOWN unless given",
            Kind::One(vec!["UNKNOWN", "PENDING", "ACCEPTED", "REJECTED", "ALL"]),
        ),
        query(
            "run_id",
            "The run: its id, the beginning of its id, or `latest`; all current ones unless given",
            Kind::Run,
        ),
        query("job", "The job", Kind::Text(200)),
        query("signature", "A group of look-alikes", Kind::Text(200)),
        query("field_name", "The field", Kind::Text(200)),
        query(
            "diff_type",
            "The type of difference",
            Kind::One(DiffType::ALL.iter().map(|one| one.name()).collect()),
        ),
        query(
            "severity",
            "The severity",
            Kind::One(Severity::ALL.iter().map(|one| one.name()).collect()),
        ),
        query("reason_code", "The likeliest reason", Kind::Text(50)),
        query("min_confidence", "The least confidence", Kind::Number(0.0, 1.0)),
        query("max_confidence", "The most confidence", Kind::Number(0.0, 1.0)),
        query("min_amount", "The least amount", Kind::Number(0.0, 1e30)),
        query("max_amount", "The largest amount", Kind::Number(0.0, 1e30)),
        query("assignee", "Whose item: `me`, `none`, or a person", Kind::Text(100)),
        query("sla", "How much of its time is left", Kind::One(vec!["ok", "due", "overdue"])),
        query("q", "A text in reference, value or field", Kind::Text(200)),
        query(
            "sent_back",
            "Only what a checker sent back, or only the rest",
            Kind::One(vec!["true", "false"]),
        ),
        query(
            "kind",
            "AUDIT_SAMPLE: what the machine settled, for people to say blindly what they think",
            Kind::One(vec!["ITEM", "AUDIT_SAMPLE"]),
        ),
    ]
}

/// The filter that a request asks for. Its parameters were checked before.
pub fn filter(call: &Call<'_>) -> QueueFilter {
    let mut filter = QueueFilter::default();
    for parameter in filters() {
        filter.set(parameter.name, call.text(parameter.name).unwrap_or_default());
    }
    filter
}

pub fn queue(call: &Call<'_>) -> Result<Response, Denied> {
    let page = call.desk().queue(&call.actor()?, &filter(call), &call.page_ask())?;
    let mut response = Response::json(200, &page.items);
    if let Some(total) = page.total {
        response.set("x-total-count", &total.to_string());
    }
    Ok(call.linked(response, page.next.as_deref()))
}

pub fn groups(call: &Call<'_>) -> Result<Response, Denied> {
    let by = match call.text("by") {
        Some("field") => GroupBy::Field,
        Some("reason") => GroupBy::Reason,
        _ => GroupBy::Signature,
    };
    call.page(call.desk().groups(&call.actor()?, &filter(call), by, &call.page_ask()))
}

pub fn facets(call: &Call<'_>) -> Result<Response, Denied> {
    Ok(Response::json(200, &call.desk().facets(&call.actor()?, &filter(call))?))
}

pub fn summary(call: &Call<'_>) -> Result<Response, Denied> {
    let summary = call.desk().summary(&call.actor()?)?;
    Ok(call.tagged(Response::json(200, &summary), &summary.data_version))
}

pub fn item(call: &Call<'_>) -> Result<Response, Denied> {
    let item = call.desk().item(&call.actor()?, call.path("id"))?;
    // The version changes with decisions only; comments and claims do not touch it, so that a
    // client that asks with it sees the newest of them, too.
    let tag = item.item.version.to_string();
    Ok(Response::json(200, &item).header("etag", format!("\"{tag}\"")))
}

pub fn history(call: &Call<'_>) -> Result<Response, Denied> {
    call.page(call.desk().history(&call.actor()?, call.path("id"), &call.page_ask()))
}

pub fn similar(call: &Call<'_>) -> Result<Response, Denied> {
    call.page(call.desk().similar(&call.actor()?, call.path("id"), &call.page_ask()))
}

/// Something to say about an item.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewComment {
    /// What.
    #[schema(min_length = 1, max_length = 2000, example = "asked the desk")]
    text: String,
}

pub fn comment(call: &Call<'_>) -> Result<Response, Denied> {
    let body: NewComment = call.body()?;
    call.done(201, call.desk().comment(&call.actor()?, call.path("id"), &body.text))
}

/// To whom an item is given.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Assignment {
    /// A log-in name or a person's id; null for nobody.
    #[schema(max_length = 100, example = "ann", required)]
    assignee: Option<String>,
}

pub fn assign(call: &Call<'_>) -> Result<Response, Denied> {
    let body: Assignment = call.body()?;
    let assignee = body.assignee.as_deref();
    call.done(200, call.desk().assign(&call.actor()?, call.path("id"), assignee))
}

pub fn claim(call: &Call<'_>) -> Result<Response, Denied> {
    call.done(200, call.desk().claim(&call.actor()?, call.path("id")))
}
