//! The queue: items and groups that await a decision.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::Severity;
use crate::domain::difference::DiffType;
use crate::review::{
    Assigned, CommentView, Group, GroupBy, HistoryEntry, ItemDetail, QueueFilter, ReviewItem,
    SimilarDecision, Summary,
};

use super::call::Call;
use super::error::Denied;
use super::http::Response;
use super::parameter::{Kind, Parameter};
use super::route::{Content, Route};

pub fn describe(route: Route) -> Route {
    match route.operation {
        "queue" => route
            .about("List the differences of the queue, lowest confidence first")
            .description(
                "An item is one difference together with its reason and status. Without \
                 filters, these are the undecided differences of all current runs. The body \
                 is a bare list; the header `Link` names the next page. Filters have the same \
                 names on the pages of the review.",
            )
            .takes(filters())
            .takes(paging())
            .takes([Parameter::query(
                "sort",
                "Sort order: lowest confidence first (`confidence`, the default; lists that are not of undecided \
                 items come by run and record then). A search (`q`) and blind samples always come by run and \
                 record. `teaches` gives one page: the undecided items whose decision would teach a model most",
                Kind::One(SORTS.into_iter().chain(["teaches"]).collect()),
            )])
            .list::<ReviewItem>(200, "Items, as a bare list. `Link` names the next page")
            .paged(),
        "queue_export" => route
            .about("Download the list of this filter, all pages of it")
            .description(
                "Safe cells put an apostrophe before what a spreadsheet would execute and name such columns \
                 in `_escaped`; in a workbook text is never a formula. Raw cells and JSON lines stay as they are.",
            )
            .takes(filters())
            .takes([sort()])
            .takes(super::runs::list_parameters())
            .answers(200, "The file", Content::Media("*/*")),
        "groups" => route
            .about("List the queue in groups of similar items, largest first")
            .description(
                "Similar items have the same job, field, type of difference, likely reason \
                 and pattern, such as `amount: B = round(A, 0)`. Take the `signature` of a \
                 group to list its items (`GET /workflow/queue`) or to decide all of them at \
                 once (`POST /v1/workflow/bulk/preview`).",
            )
            .takes(filters())
            .takes(paging())
            .takes([Parameter::query(
                "by",
                "What to group by",
                Kind::One(vec!["signature", "field", "reason"]),
            )])
            .takes([Parameter::query(
                "sort",
                "Sort order: the largest groups (the default), the surest, the oldest, the gravest, or the \
                 largest amounts, where all are in one currency",
                Kind::One(vec!["count", "-confidence", "age", "severity", "amount"]),
            )])
            .page_of::<Group>("Groups"),
        "summary" => route
            .about("Count items to decide, and proposals to check and to authorize")
            .description(
                "The pages of the review ask for it every ten seconds. Send the `ETag` of the \
                 last answer as `If-None-Match`: as long as nothing has changed, the answer \
                 is 304 without a body.",
            )
            .takes([Parameter::if_none_match()])
            .json::<Summary>(200, "Counters")
            .answers(304, "Not modified", Content::None)
            .tagged(),
        "item" => route
            .about("Show an item with both records, its history and similar items")
            .description(
                "Has everything needed for a decision: both records field by field, the \
                 likely reasons with the evidence for and against them, how similar items \
                 were decided, the life of the break, and how many eyes a decision would \
                 need. The `ETag` is the item's version, for `If-Match`.",
            )
            .takes([item_id(), Parameter::if_none_match()])
            .json::<ItemDetail>(200, "The item")
            .answers(304, "Not modified", Content::None)
            .tagged(),
        "item_history" => route
            .about("List what happened to an item, newest first")
            .description(
                "The rows of the audit trail about this item. Those of one decision about \
                 many items are the rows of each item.",
            )
            .takes([item_id(), Parameter::limit(), Parameter::cursor()])
            .page_of::<HistoryEntry>("Audit rows"),
        "item_similar" => route
            .about("List decisions about similar items, newest first")
            .description(
                "Decisions of people about items of the same group, to see what was done \
                 before.",
            )
            .takes([item_id(), Parameter::limit(), Parameter::cursor()])
            .page_of::<SimilarDecision>("Decisions"),
        "item_comment" => route
            .about("Comment on an item")
            .description(
                "A comment decides nothing and changes no version: decisions that others are \
                 about to send stay valid.",
            )
            .takes([item_id(), Parameter::idempotency_key()])
            .body::<NewComment>()
            .json::<CommentView>(201, "The comment"),
        "item_assign" => route
            .about("Assign an item to a user, or to nobody")
            .description(
                "Says who takes care of an item. Others can decide it all the same. It \
                 changes no version.",
            )
            .takes([item_id(), Parameter::idempotency_key()])
            .body::<Assignment>()
            .json::<Assigned>(200, "The assignment"),
        _ => route,
    }
}

pub fn item_id() -> Parameter {
    Parameter::id("id", "The item, by its attribution_id")
        .example("0190b5a0-0000-7000-8000-00000000000a")
}

fn paging() -> [Parameter; 3] {
    let count = Parameter::query(
        "count",
        "`exact` also counts all matching items",
        Kind::One(vec!["none", "exact"]),
    );
    [Parameter::limit(), Parameter::cursor(), count]
}

/// The orders of a list with several pages.
const SORTS: [&str; 6] = ["confidence", "-confidence", "age", "amount", "at_risk", "severity"];

fn sort() -> Parameter {
    Parameter::query("sort", "Sort order", Kind::One(SORTS.to_vec()))
}

/// Filters of lists of items.
pub fn filters() -> Vec<Parameter> {
    let query = Parameter::query;
    vec![
        query(
            "status",
            "The status; default UNKNOWN",
            Kind::One(vec!["UNKNOWN", "PENDING", "ACCEPTED", "REJECTED", "ALL"]),
        ),
        query(
            "run_id",
            "The run: its id, the beginning of its id, or `latest`; default all current runs",
            Kind::Run,
        ),
        query("job", "The job", Kind::Text(200)),
        query("signature", "A group of similar items", Kind::Text(200)),
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
        query("reason_code", "The predicted reason", Kind::Text(50)),
        query("min_confidence", "Lowest confidence", Kind::Number(0.0, 1.0)),
        query("max_confidence", "Highest confidence", Kind::Number(0.0, 1.0)),
        query("min_amount", "Lowest amount", Kind::Number(0.0, 1e30)),
        query("max_amount", "Highest amount", Kind::Number(0.0, 1e30)),
        query("assignee", "Assigned to: `me`, `none`, or a user", Kind::Text(100)),
        query("sla", "Time left", Kind::One(vec!["ok", "due", "overdue"])),
        query("q", "Text in reference, value or field", Kind::Text(200)),
        query(
            "sent_back",
            "`true`: only items that were sent back; `false`: only others",
            Kind::One(vec!["true", "false"]),
        ),
        query("present_reason", "The present reason", Kind::Text(50)),
        query(
            "monetary_field",
            "Only differences that move the total of this monetary field",
            Kind::Text(200),
        ),
        query(
            "currency",
            "The currency of the record; with `monetary_field`, that of the total",
            Kind::Text(50),
        ),
        query(
            "no_currency",
            "`true`: only differences that move a total of amounts without a currency",
            Kind::One(vec!["true"]),
        ),
        query(
            "functional",
            "`true`: only items with a functional reason; `false`: only others",
            Kind::One(vec!["true", "false"]),
        ),
        query(
            "by_people",
            "`true`: only items that people decided; `false`: only others",
            Kind::One(vec!["true", "false"]),
        ),
        query(
            "kind",
            "`AUDIT_SAMPLE`: blind samples of automatic acceptances",
            Kind::One(vec!["ITEM", "AUDIT_SAMPLE"]),
        ),
    ]
}

/// The parameters are already validated.
pub fn filter(call: &Call<'_>) -> QueueFilter {
    let mut filter = QueueFilter::default();
    for parameter in filters() {
        filter.set(parameter.name, call.text(parameter.name).unwrap_or_default());
    }
    filter
}

pub fn queue(call: &Call<'_>) -> Result<Response, Denied> {
    let page = call.review().queue(&call.actor()?, &filter(call), &call.page_ask())?;
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
    call.page(call.review().groups(&call.actor()?, &filter(call), by, &call.page_ask()))
}

pub fn summary(call: &Call<'_>) -> Result<Response, Denied> {
    let summary = call.review().summary(&call.actor()?)?;
    Ok(call.tagged(Response::json(200, &summary), &summary.data_version))
}

pub fn item(call: &Call<'_>) -> Result<Response, Denied> {
    let item = call.review().item(&call.actor()?, call.path("id"))?;
    // No 304: the version changes with decisions only, and clients want new comments and claims,
    // too.
    let tag = item.item.version.to_string();
    Ok(Response::json(200, &item).header("etag", format!("\"{tag}\"")))
}

pub fn history(call: &Call<'_>) -> Result<Response, Denied> {
    call.page(call.review().history(&call.actor()?, call.path("id"), &call.page_ask()))
}

pub fn similar(call: &Call<'_>) -> Result<Response, Denied> {
    call.page(call.review().similar(&call.actor()?, call.path("id"), &call.page_ask()))
}

/// A comment on an item.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewComment {
    /// The text
    #[schema(min_length = 1, max_length = 2000, example = "asked the desk")]
    text: String,
}

pub fn comment(call: &Call<'_>) -> Result<Response, Denied> {
    let body: NewComment = call.body()?;
    call.done(201, call.review().comment(&call.actor()?, call.path("id"), &body.text))
}

/// The assignment of an item.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Assignment {
    /// A login or user id; null for nobody
    #[schema(max_length = 100, example = "ann", required)]
    assignee: Option<String>,
}

pub fn assign(call: &Call<'_>) -> Result<Response, Denied> {
    let body: Assignment = call.body()?;
    let assignee = body.assignee.as_deref();
    call.done(200, call.review().assign(&call.actor()?, call.path("id"), assignee))
}
