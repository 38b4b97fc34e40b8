//! The queue: differences that await a decision, in groups or one by one.

pub mod bulk;
mod filters;
mod rows;
pub mod views;

use askama::Template;

use crate::domain::Instant;
use crate::domain::review::Permission;
use crate::review::{self, Facets, ListedRows, QueueFilter, ReasonEntry, SearchCounts, Summary};
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::server::route::Route;
use crate::server::routes::{PROPOSE, VIEW, get, post};

pub use self::filters::{Chip, Facet, FacetOption, Tab};
use self::filters::{chips, facets, tabs};
pub use self::rows::{Due, Group, Guess, Item};
use self::rows::{group, item};
use self::views::View;
use super::address::{self, Listing, with_query};
use super::context::{PageContext, html};
use super::frame::{Frame, Screen};
use super::{difference, labels};

#[rustfmt::skip]
pub fn routes() -> Vec<Route> {
    vec![
        get("/review/queue", "page_queue", show, VIEW).takes(address::parameters()),
        get("/review/bulk", "page_bulk", bulk::show, PROPOSE).takes(address::parameters()).takes(bulk::parameters()),
        post("/review/views", "page_save_view", views::save, VIEW).lasting(),
        post("/review/views/delete", "page_delete_view", views::delete, VIEW),
        post("/review/bulk", "page_select", bulk::select, PROPOSE),
        post("/review/bulk/commit", "page_commit", bulk::commit, PROPOSE),
    ]
}

#[derive(Template)]
#[template(path = "queue/queue.html")]
pub struct Queue {
    pub frame: Frame,
    pub title: String,
    /// Describes the list in one sentence.
    pub about: String,
    /// The whole list can be accepted: how many items, and the page with the preview.
    pub accept: Option<(String, String)>,
    /// The names of the two sides.
    pub systems: [String; 2],
    pub tabs: Vec<Tab>,
    /// How many items the list has, if that is known; for the title of the window.
    pub total: Option<String>,
    pub search: String,
    /// Beside the search.
    pub pickers: Vec<Facet>,
    pub facets: Vec<Facet>,
    /// Active filters, each with the address without it.
    pub chips: Vec<Chip>,
    pub views: Vec<View>,
    /// The present list can be given a name.
    pub may_save: bool,
    /// The present list, for the forms of views.
    pub here: String,
    pub kept: Vec<(String, String)>,
    /// Switch between groups and items.
    pub groups_href: String,
    pub items_href: String,
    pub list: List,
    pub previous: Option<String>,
    pub next: Option<String>,
    /// The user may decide.
    pub may_decide: bool,
    /// Its items are settled or confirmed breaks.
    pub decided: bool,
    pub codes: Vec<Code>,
    pub context: String,
    /// Address and name of each file of this list.
    pub exports: Vec<(String, &'static str)>,
}

#[derive(Clone, Debug)]
pub struct Code {
    pub code: String,
    pub description: String,
    pub functional: bool,
}

#[derive(Clone, Debug)]
pub enum List {
    Groups(Vec<Group>),
    Items(Vec<Item>),
    /// An empty list: title, text, next step.
    Empty {
        title: String,
        text: String,
        links: Vec<(String, String)>,
    },
}

pub struct Data<'a> {
    pub listing: &'a Listing,
    pub summary: &'a Summary,
    /// Matches of the search in each list.
    pub search: Option<SearchCounts>,
    pub facets: &'a Facets,
    pub views: &'a [View],
    /// The person may name filters.
    pub may_save: bool,
    /// Runs that the list may be narrowed to.
    pub runs: &'a [review::RunChoice],
    pub reasons: &'a [ReasonEntry],
    pub may_decide: bool,
    pub now: Instant,
}

/// Parameters that the form's own fields send.
const IN_THE_PANEL: [&str; 10] = [
    "q",
    "run_id",
    "job",
    "field_name",
    "diff_type",
    "severity",
    "reason_code",
    "assignee",
    "sla",
    "sort",
];

impl Queue {
    /// How many filters are in force, without the search.
    fn narrowed(&self) -> usize {
        self.chips.len() - usize::from(self.chips.iter().any(|chip| chip.is_search))
    }

    /// Some record names who is on the other side.
    fn has_counterparties(&self) -> bool {
        matches!(&self.list, List::Items(items) if items.iter().any(|one| !one.counterparty.is_empty()))
    }

    /// The heading of the causes' column: guesses, or decided causes.
    fn cause(&self) -> &'static str {
        if self.decided { "Cause" } else { "Likely cause" }
    }

    /// Any group has an amount; an empty column would be noise.
    fn has_amounts(&self) -> bool {
        matches!(&self.list, List::Groups(groups) if groups.iter().any(|one| one.amount.is_some()))
    }

    pub fn new(frame: Frame, answers: &Data<'_>, found: &ListedRows) -> Self {
        let listing = answers.listing;
        let systems = systems(found);
        let list = list(answers, found);
        let (pickers, facets) = facets(answers, &systems)
            .into_iter()
            .partition(|facet| ["run_id", "job"].contains(&facet.name));
        let next = match found {
            ListedRows::Groups(page) => page.next.as_deref(),
            ListedRows::Items(page) => page.next.as_deref(),
        };
        let other =
            |items: bool| listing.changed(|listing| listing.items = items).address("/review/queue");
        Self {
            frame,
            title: title(answers, found),
            about: about(answers),
            accept: accept(answers, found),
            tabs: tabs(answers),
            total: total(answers).map(|total| {
                let more = answers.search.is_some_and(|search| match listing.filter.status {
                    Some(_) => search.more,
                    None => search.more_to_decide,
                });
                format!("{}{}", labels::count(&total), if more { "+" } else { "" })
            }),
            search: listing.filter.q.clone().unwrap_or_default(),
            pickers,
            facets,
            chips: chips(answers, &systems),
            systems,
            views: answers.views.to_vec(),
            may_save: answers.may_save && listing != &Listing::default(),
            here: listing.address(""),
            kept: listing
                .pairs()
                .into_iter()
                .filter(|(name, _)| !IN_THE_PANEL.contains(name))
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            groups_href: other(false),
            items_href: other(true),
            list,
            previous: listing.preceding().map(|page| page.with_position("/review/queue")),
            next: next.map(|cursor| listing.following(cursor).with_position("/review/queue")),
            may_decide: answers.may_decide,
            decided: matches!(listing.filter.status.as_deref(), Some("ACCEPTED" | "REJECTED")),
            codes: codes(answers.reasons),
            context: listing.context(),
            exports: exports(listing),
        }
    }
}

fn exports(listing: &Listing) -> Vec<(String, &'static str)> {
    let texts = listing.filter.texts();
    let files = [("csv", "CSV"), ("xlsx", "XLSX"), ("jsonl", "JSON lines")];
    let address = |format: &str| {
        let mut pairs: Vec<(&str, &str)> =
            texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let is_of_all = listing.sort != review::QueueSort::Teaches;
        if is_of_all && listing.sort != review::QueueSort::default() {
            pairs.push(("sort", listing.sort_word()));
        }
        pairs.push(("format", format));
        with_query("/v1/workflow/export", pairs)
    };
    files.into_iter().map(|(format, name)| (address(format), name)).collect()
}

/// Codes that may be given.
pub fn codes(reasons: &[ReasonEntry]) -> Vec<Code> {
    reasons
        .iter()
        .filter(|entry| {
            entry.is_active && crate::domain::review::state::is_cause(&entry.reason.code)
        })
        .map(|entry| Code {
            code: entry.reason.code.clone(),
            description: entry.reason.description.clone(),
            functional: entry.reason.is_functional,
        })
        .collect()
}

fn systems(found: &ListedRows) -> [String; 2] {
    match found {
        ListedRows::Groups(page) => {
            difference::systems(page.items.iter().flat_map(|one| &one.sample))
        }
        ListedRows::Items(page) => difference::systems(page.items.iter()),
    }
}

/// A group has its own title.
fn title(answers: &Data<'_>, found: &ListedRows) -> String {
    match found {
        ListedRows::Items(page) if answers.listing.filter.signature.is_some() => {
            let label = page.items.iter().find_map(|item| item.signature_label.clone());
            label.map(|label| difference::named(&label, &systems(found)))
        }
        _ => None,
    }
    .unwrap_or_else(|| "Queue".to_owned())
}

/// A group whose cause was found can be accepted as a whole.
fn accept(answers: &Data<'_>, found: &ListedRows) -> Option<(String, String)> {
    let ListedRows::Items(page) = found else { return None };
    let first = page.items.first().filter(|one| one.status == "UNKNOWN")?;
    let filter = &answers.listing.filter;
    if !answers.may_decide || filter.signature.is_none() || !difference::accepts_first(first) {
        return None;
    }
    let code = &first.predictions.first()?.code;
    let count = labels::count(&total(answers)?);
    let href = answers.listing.address("/review/bulk");
    Some((format!("Accept all {count} as {code}"), format!("{href}&choice=*")))
}

/// Number of items in the list. Blind samples are in no count by common properties.
fn total(answers: &Data<'_>) -> Option<u64> {
    if answers.listing.filter.kind == Some(review::ItemKind::AuditSample) {
        return Some(answers.summary.samples);
    }
    let jobs = answers.facets.shares.iter().filter(|share| share.by == "job");
    answers.facets.are_counted.then(|| jobs.map(|share| share.count).sum())
}

fn about(answers: &Data<'_>) -> String {
    if answers.search.is_some_and(|search| search.more || search.more_to_decide) {
        return "Many records match; the numbers are lower bounds. Search for more of the text."
            .to_owned();
    }
    let said = match answers.listing.filter.status.as_deref() {
        Some("PENDING") => "Proposed by makers; checkers decide.",
        Some("ACCEPTED") => "Settled by recon or by people. Each can be decided again.",
        Some("REJECTED") => {
            "To be corrected at the source. The files below are the action list, with owner and due date."
        }
        Some("ALL") => "Undecided and decided differences.",
        _ if is_of_earlier(answers) => {
            "The undecided differences of an earlier date. A break that goes on is decided on its newest date."
        }
        _ if teaches(answers.listing) => {
            "The decisions that would teach a model most: recon is unsure of them, and many others look alike."
        }
        _ => "",
    };
    if !said.is_empty() {
        return said.to_owned();
    }
    let unknown = waiting(answers.summary);
    if unknown == 0 {
        return "Nothing awaits a decision.".to_owned();
    }
    let verb = if unknown == 1 { "difference awaits" } else { "differences await" };
    let all = labels::count(&unknown);
    if !answers.facets.are_counted {
        return format!("Some of the {all} differences that await a decision.");
    }
    match total(answers).filter(|total| *total != unknown) {
        Some(total) => {
            format!("{} of the {all} differences that await a decision.", labels::count(&total))
        }
        None => format!("{all} {verb} a decision. Similar ones can be decided together."),
    }
}

/// True for the list of a run that is not the one of its job's newest date.
fn is_of_earlier(answers: &Data<'_>) -> bool {
    let Some(run_id) = &answers.listing.filter.run_id else { return false };
    let Some(own) = answers.runs.iter().find(|run| run.run_id == *run_id) else { return true };
    answers.runs.iter().any(|run| run.job == own.job && run.batch_date > own.batch_date)
}

/// True for the active learning list.
fn teaches(listing: &Listing) -> bool {
    listing.items && listing.sort == review::QueueSort::Teaches
}

fn waiting(summary: &Summary) -> u64 {
    summary.by_status.get("UNKNOWN").copied().unwrap_or_default()
}

fn list(answers: &Data<'_>, found: &ListedRows) -> List {
    let empty = match found {
        ListedRows::Groups(page) => page.items.is_empty(),
        ListedRows::Items(page) => page.items.is_empty(),
    };
    if empty {
        return nothing(answers);
    }
    let functional = |code: &str| {
        answers
            .reasons
            .iter()
            .find(|entry| entry.reason.code == code)
            .is_none_or(|entry| entry.reason.is_functional)
    };
    match found {
        ListedRows::Groups(page) => {
            List::Groups(page.items.iter().map(|one| group(answers, one, &functional)).collect())
        }
        ListedRows::Items(page) => {
            List::Items(page.items.iter().map(|one| item(answers, one, &functional)).collect())
        }
    }
}

fn nothing(answers: &Data<'_>) -> List {
    let (filter, summary) = (&answers.listing.filter, answers.summary);
    let narrowed = *filter != QueueFilter::default();
    if narrowed && waiting(summary) > 0 {
        return List::Empty {
            title: "Nothing here".to_owned(),
            text: "No difference matches. Others await a decision.".to_owned(),
            links: vec![("/review/queue".to_owned(), "The whole queue".to_owned())],
        };
    }
    if teaches(answers.listing) && waiting(summary) > 0 {
        return List::Empty {
            title: "Nothing to name".to_owned(),
            text: "Suggestions are hidden until the maker has chosen, and this order would tell how sure they are."
                .to_owned(),
            links: vec![("/review/queue".to_owned(), "The whole queue".to_owned())],
        };
    }
    let mut links = vec![("/review".to_owned(), "Overview of the runs".to_owned())];
    let waiting = summary.to_check + summary.to_authorize;
    let text = if waiting > 0 {
        links.insert(0, ("/review/check".to_owned(), "Go and check".to_owned()));
        format!("Nothing is undecided. {} for you to check.", one_or_many(waiting))
    } else if summary.mine > 0 {
        format!("Nothing is undecided. Of yours, {} for a checker.", one_or_many(summary.mine))
    } else {
        "Nothing is undecided in the current runs.".to_owned()
    };
    List::Empty { title: "All done".to_owned(), text, links }
}

fn one_or_many(number: u64) -> String {
    if number == 1 {
        "one proposal waits".to_owned()
    } else {
        format!("{} proposals wait", labels::count(&number))
    }
}

pub fn show(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let (frame, summary) = context.frame(Screen::Queue)?;
    let mut listing = Listing::of(context.query())?;
    // Only undecided items are grouped.
    listing.items |= listing.filter.status.as_deref().is_some_and(|status| status != "UNKNOWN");
    listing.items |= listing.filter.signature.is_some();
    let reasons = context.review.reason_codes(&context.actor, None)?;
    let mut ask = context.page(listing.cursor.clone());
    ask.sort = listing.sort;
    let views = views::of(&context, &listing)?;
    let found = context.review.listing(&context.actor, &listing.filter, &ask, !listing.items)?;
    let answers = Data {
        listing: &listing,
        summary: &summary,
        search: found.search,
        facets: &found.facets,
        runs: &found.runs,
        views: &views,
        may_save: !context.call.app.review_settings.solo(),
        reasons: &reasons,
        may_decide: context.may(Permission::Propose),
        now: context.now,
    };
    let page = Queue::new(frame, &answers, &found.rows);
    html(200, &page)
}
