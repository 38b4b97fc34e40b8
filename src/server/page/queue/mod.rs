//! The queue: differences that await a decision, in groups or one by one.

pub mod bulk;
pub mod views;

use askama::Template;

use crate::coding::escape;
use crate::domain::Instant;
use crate::domain::review::Permission;
use crate::review::{
    self, Facets, GroupBy, Page, QueueFilter, ReasonEntry, ReviewItem, SearchCounts, Summary,
};
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::server::route::Route;
use crate::server::routes::{PROPOSE, VIEW, get, post};

use self::views::View;
use super::address::{self, Listing, with_query};
use super::context::{PageContext, html};
use super::fragment::{Bar, Value};
use super::frame::{Frame, Screen};
use super::{diff, difference, labels};

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
    /// What the two sides are called.
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
    /// The person's named filters.
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
    /// Previous page.
    pub previous: Option<String>,
    /// Next page.
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
pub struct Tab {
    pub name: String,
    pub count: Option<u64>,
    /// Name of the live counter.
    pub live: &'static str,
    pub href: String,
    pub present: bool,
    /// Highlight the number.
    pub urgent: bool,
    /// The number is a lower bound.
    pub more: bool,
}

impl Tab {
    /// What must not wait is highlighted, where there is any.
    fn urgent(self) -> Self {
        Self { urgent: self.count.is_some_and(|count| count > 0), ..self }
    }
}

#[derive(Clone, Debug)]
pub struct Facet {
    pub name: &'static str,
    pub label: &'static str,
    pub options: Vec<FacetOption>,
}

impl Facet {
    pub fn chosen(&self) -> bool {
        self.options.iter().any(|option| option.chosen && !option.value.is_empty())
    }
}

#[derive(Clone, Debug)]
pub struct FacetOption {
    pub value: String,
    pub label: String,
    pub chosen: bool,
}

#[derive(Clone, Debug)]
pub struct Chip {
    pub label: String,
    pub without: String,
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

#[derive(Clone, Debug)]
pub struct Group {
    /// The signature.
    pub id: String,
    /// What its items have in common.
    pub label: String,
    /// The job, if there are several.
    pub job: Option<String>,
    pub field: String,
    pub kind: String,
    pub severity: String,
    pub systems: [String; 2],
    pub sample: (Value, Value),
    pub count: u64,
    pub amount: Option<String>,
    pub guesses: Vec<Guess>,
    /// The first prediction is the automatic cause.
    pub accepts: bool,
    pub oldest: String,
    /// Since when its oldest break is there, if not since its newest date.
    pub since: Option<String>,
    pub due: Due,
    pub href: String,
    /// Address for deciding the whole group.
    pub bulk: String,
    pub members: Vec<Member>,
}

impl Group {
    pub fn counted(&self) -> String {
        labels::count(&self.count)
    }

    /// The page for deciding the whole group.
    fn bulk(&self, choice: &str) -> String {
        format!("{}&choice={}", self.bulk, escape(choice))
    }
}

/// An item shown below its group.
#[derive(Clone, Debug)]
pub struct Member {
    pub reference: String,
    pub href: String,
    pub sides: (Value, Value),
}

/// A prediction.
#[derive(Clone, Debug)]
pub struct Guess {
    pub code: String,
    pub bar: Bar,
    pub functional: bool,
    /// Not sure enough to rely on.
    pub pale: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Empty without a date.
    pub text: String,
    /// `ok`, `due` or `overdue`.
    pub class: &'static str,
}

#[derive(Clone, Debug)]
pub struct Item {
    pub id: String,
    pub href: String,
    pub reference: String,
    pub counterparty: String,
    pub field: String,
    pub kind: String,
    pub sides: (Value, Value),
    /// B − A and its currency.
    pub delta: (String, String),
    pub guesses: Vec<Guess>,
    pub age: String,
    /// Since when its break is there.
    pub since: String,
    pub due: Due,
    /// The person who sent it back, with the reason.
    pub sent_back: Option<String>,
    pub assignee: Option<String>,
    /// Word and class, if the list shows several statuses.
    pub status: Option<(&'static str, &'static str)>,
}

pub struct Data<'a> {
    pub listing: &'a Listing,
    pub summary: &'a Summary,
    /// What the search finds in each list.
    pub search: Option<SearchCounts>,
    pub facets: &'a Facets,
    /// The person's named filters.
    pub views: &'a [View],
    /// The person may name filters.
    pub may_save: bool,
    /// Runs that the list may be narrowed to.
    pub runs: &'a [review::RunChoice],
    pub reasons: &'a [ReasonEntry],
    pub may_decide: bool,
    pub now: Instant,
}

pub enum Rows<'a> {
    Groups(&'a Page<review::Group>),
    Items(&'a Page<ReviewItem>),
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

/// Parameter and label.
const FACETS: [(&str, &str); 5] = [
    ("job", "Job"),
    ("field_name", "Field"),
    ("diff_type", "Difference"),
    ("severity", "Severity"),
    ("reason_code", "Likely cause"),
];

impl Item {
    /// Its record has no partner.
    fn is_whole(&self) -> bool {
        self.kind.starts_with("missing") || self.kind.starts_with("surplus")
    }
}

impl Queue {
    /// Some record names who is on the other side.
    fn has_counterparties(&self) -> bool {
        matches!(&self.list, List::Items(items) if items.iter().any(|one| !one.counterparty.is_empty()))
    }

    /// What the column of causes has: guesses, or what was decided.
    fn cause(&self) -> &'static str {
        if self.decided { "Cause" } else { "Likely cause" }
    }

    /// Any group has an amount; an empty column would be noise.
    fn has_amounts(&self) -> bool {
        matches!(&self.list, List::Groups(groups) if groups.iter().any(|one| one.amount.is_some()))
    }

    pub fn new(frame: Frame, answers: &Data<'_>, found: &Rows<'_>) -> Self {
        let listing = answers.listing;
        let systems = systems(found);
        let list = list(answers, found);
        let (pickers, facets) = facets(answers, &systems)
            .into_iter()
            .partition(|facet| ["run_id", "job"].contains(&facet.name));
        let next = match found {
            Rows::Groups(page) => page.next.as_deref(),
            Rows::Items(page) => page.next.as_deref(),
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
                let more = answers.search.is_some_and(|search| search.more);
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

fn systems(found: &Rows<'_>) -> [String; 2] {
    match found {
        Rows::Groups(page) => difference::systems(page.items.iter().flat_map(|one| &one.sample)),
        Rows::Items(page) => difference::systems(page.items.iter()),
    }
}

/// A group has its own title.
fn title(answers: &Data<'_>, found: &Rows<'_>) -> String {
    match found {
        Rows::Items(page) if answers.listing.filter.signature.is_some() => {
            let label = page.items.iter().find_map(|item| item.signature_label.clone());
            label.map(|label| difference::named(&label, &systems(found)))
        }
        _ => None,
    }
    .unwrap_or_else(|| "Queue".to_owned())
}

/// A group whose cause was found can be accepted as a whole.
fn accept(answers: &Data<'_>, found: &Rows<'_>) -> Option<(String, String)> {
    let Rows::Items(page) = found else { return None };
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

/// How many items the list has. Blind samples are in no count of what they share.
fn total(answers: &Data<'_>) -> Option<u64> {
    if answers.listing.filter.kind == Some(review::ItemKind::AuditSample) {
        return Some(answers.summary.samples);
    }
    let jobs = answers.facets.shares.iter().filter(|share| share.by == "job");
    answers.facets.are_counted.then(|| jobs.map(|share| share.count).sum())
}

fn about(answers: &Data<'_>) -> String {
    if answers.search.is_some_and(|search| search.more) {
        return "Many records match; the numbers are lower bounds. Search for more of the text."
            .to_owned();
    }
    let said = match answers.listing.filter.status.as_deref() {
        Some("PENDING") => "Proposed by makers; checkers decide.",
        Some("ACCEPTED") => "Settled by recon or by people. Each can be decided again.",
        Some("REJECTED") => {
            "To be corrected at the source. The files below are the action list, with owner and due date."
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

/// The list of what to decide next so that a model learns.
fn teaches(listing: &Listing) -> bool {
    listing.items && listing.sort == review::QueueSort::Teaches
}

fn waiting(summary: &Summary) -> u64 {
    summary.by_status.get("UNKNOWN").copied().unwrap_or_default()
}

/// The lists of the queue. While a text is searched, each shows how many of its items have it.
fn tabs(answers: &Data<'_>) -> Vec<Tab> {
    let (summary, filter) = (answers.summary, &answers.listing.filter);
    let status = filter.status.as_deref().unwrap_or("UNKNOWN");
    let mine = filter.assignee.as_deref() == Some("me");
    let overdue = filter.sla == Some(review::Sla::Overdue);
    let back = filter.sent_back == Some(true);
    let samples = filter.kind == Some(review::ItemKind::AuditSample);
    let by_status = |name: &str| summary.by_status.get(name).copied().unwrap_or_default();
    let tab =
        |name: &str, live, counts: (u64, Option<u64>), present, change: &dyn Fn(&mut Listing)| {
            let mut listing = Listing::default();
            listing.filter.q.clone_from(&filter.q);
            change(&mut listing);
            let (count, found) = counts;
            Tab {
                name: name.to_owned(),
                count: Some(found.unwrap_or(count)),
                live: if found.is_some() { "" } else { live },
                href: listing.address("/review/queue"),
                present,
                urgent: false,
                more: found.is_some_and(|found| found > 0)
                    && answers.search.is_some_and(|one| one.more),
            }
        };
    let found = |of: fn(&SearchCounts) -> u64| answers.search.as_ref().map(of);
    let items = |change: fn(&mut QueueFilter)| {
        move |listing: &mut Listing| {
            listing.items = true;
            change(&mut listing.filter);
        }
    };
    let teaches = teaches(answers.listing);
    let to_decide = status == "UNKNOWN" && !mine && !overdue && !back && !samples && !teaches;
    let mut tabs = vec![
        tab(
            "To decide",
            "unknown",
            (waiting(summary), found(|one| one.to_decide)),
            to_decide,
            &|listing| listing.items = answers.listing.items && to_decide,
        ),
        tab(
            "Sent back",
            "sent_back",
            (summary.sent_back, found(|one| one.sent_back)),
            back,
            &items(|filter| filter.sent_back = Some(true)),
        )
        .urgent(),
        tab(
            "Mine",
            "assigned_to_me",
            (summary.assigned_to_me, found(|one| one.mine)),
            mine,
            &items(|filter| filter.assignee = Some("me".into())),
        ),
        tab(
            "Overdue",
            "overdue",
            (summary.overdue, found(|one| one.overdue)),
            overdue,
            &|listing| listing.filter.sla = Some(review::Sla::Overdue),
        )
        .urgent(),
        tab(
            "Proposed",
            "",
            (by_status("PENDING"), found(|one| one.proposed)),
            status == "PENDING",
            &items(|filter| filter.status = Some("PENDING".into())),
        ),
        tab(
            "Settled",
            "",
            (by_status("ACCEPTED"), found(|one| one.accepted)),
            status == "ACCEPTED",
            &items(|filter| filter.status = Some("ACCEPTED".into())),
        ),
        tab(
            "Confirmed breaks",
            "",
            (by_status("REJECTED"), found(|one| one.rejected)),
            status == "REJECTED",
            &items(|filter| filter.status = Some("REJECTED".into())),
        ),
    ];
    if answers.search.is_none() && (answers.may_decide && waiting(summary) > 0 || teaches) {
        let list = tab("Teaches most", "", (0, None), teaches, &|listing| {
            listing.items = true;
            listing.sort = review::QueueSort::Teaches;
        });
        tabs.insert(1, Tab { count: None, ..list });
    }
    // Only makers take items.
    tabs.retain(|tab| tab.name != "Mine" || answers.may_decide || mine);
    if (samples || summary.samples > 0) && answers.search.is_none() {
        tabs.push(tab(
            "Blind samples",
            "samples",
            (summary.samples, None),
            samples,
            &items(|filter| filter.kind = Some(review::ItemKind::AuditSample)),
        ));
    }
    tabs
}

fn facets(answers: &Data<'_>, systems: &[String]) -> Vec<Facet> {
    let listing = answers.listing;
    let pairs = listing.pairs();
    let present = |name: &str| {
        pairs.iter().find(|(own, _)| *own == name).map_or("", |(_, value)| value.as_str())
    };
    let option = |value: &str, label: String, chosen: bool| FacetOption {
        value: value.to_owned(),
        label,
        chosen,
    };
    let any = |name: &str| option("", "any".to_owned(), present(name).is_empty());
    let mut facets: Vec<Facet> = FACETS
        .into_iter()
        .filter_map(|(name, label)| {
            let chosen = present(name);
            let mut options = vec![any(name)];
            for share in answers.facets.shares.iter().filter(|share| share.by == name) {
                let value = match name {
                    "field_name" => labels::field(&share.value).to_owned(),
                    "diff_type" => difference::kind(&share.value, systems),
                    "severity" => share.value.to_lowercase(),
                    _ => share.value.clone(),
                };
                let label = match answers.facets.are_counted {
                    true => format!("{value} ({})", labels::count(&share.count)),
                    false => value,
                };
                options.push(option(&share.value, label, share.value == chosen));
            }
            if !chosen.is_empty() && !options.iter().any(|option| option.chosen) {
                options.push(option(chosen, chosen.to_owned(), true));
            }
            (options.len() > 1 && !(name == "job" && options.len() == 2)).then_some(Facet {
                name,
                label,
                options,
            })
        })
        .collect();
    // Of a filter that is in force, only the chosen value is counted.
    let counted = |name: &str, value: &str, words: &str| {
        let share = answers.facets.shares.iter().find(|one| one.by == name && one.value == value);
        let share =
            share.filter(|_| answers.facets.are_counted && [value, ""].contains(&present(name)));
        share.map_or_else(
            || words.to_owned(),
            |share| format!("{words} ({})", labels::count(&share.count)),
        )
    };
    let fixed = |name: &'static str, label: &'static str, values: &[(&str, &str)]| {
        let mut options = vec![any(name)];
        for (value, words) in values {
            options.push(option(value, counted(name, value, words), present(name) == *value));
        }
        Facet { name, label, options }
    };
    let mut runs = vec![any("run_id")];
    for run in answers.runs {
        let label = format!("{} {}", run.batch_date, run.job);
        let label = counted("run_id", &run.run_id, &label);
        runs.push(option(&run.run_id, label, present("run_id") == run.run_id));
    }
    if !runs.iter().any(|run| run.chosen) {
        runs.push(option(present("run_id"), present("run_id").to_owned(), true));
    }
    if runs.len() > 2 {
        facets.insert(0, Facet { name: "run_id", label: "Date", options: runs });
    }
    facets.push(fixed("assignee", "Taken by", &[("me", "me"), ("none", "nobody")]));
    facets.push(fixed(
        "sla",
        "Time",
        &[("ok", "in time"), ("due", "nearly due"), ("overdue", "overdue")],
    ));
    let mut orders = vec![
        ("-confidence", "surest first"),
        ("age", "oldest first"),
        ("amount", "largest amount first"),
        ("severity", "gravest first"),
    ];
    let by_default = if listing.items {
        orders.insert(3, ("at_risk", "largest amount × chance of staying first"));
        orders.push(("teaches", "what teaches a model most first"));
        "lowest confidence first"
    } else {
        "largest first"
    };
    let mut sort = fixed("sort", "Order", &orders);
    if let Some(first) = sort.options.first_mut() {
        first.label = by_default.to_owned();
    }
    facets.push(sort);
    facets
}

fn chips(answers: &Data<'_>, systems: &[String]) -> Vec<Chip> {
    let listing = answers.listing;
    listing
        .pairs()
        .into_iter()
        .filter_map(|(name, value)| {
            let label = match name {
                "q" => format!("“{value}”"),
                "field_name" => labels::field(&value).to_owned(),
                "diff_type" => difference::kind(&value, systems),
                "severity" => format!("{} severity", value.to_lowercase()),
                "reason_code" | "job" => value,
                "present_reason" => format!("reason {value}"),
                "monetary_field" => format!("total of {value}"),
                "currency" => format!("currency {value}"),
                "run_id" => "one run".to_owned(),
                "signature" => "one group".to_owned(),
                "functional" if value == "true" => "functional".to_owned(),
                "functional" => "errors".to_owned(),
                "by_people" if value == "true" => "settled by people".to_owned(),
                "by_people" => "settled by recon".to_owned(),
                "min_confidence" => format!("confidence from {value}"),
                "max_confidence" => format!("confidence up to {value}"),
                "min_amount" => format!("from {value}"),
                "max_amount" => format!("up to {value}"),
                _ => return None,
            };
            let without = listing.changed(|listing| {
                listing.remove(name);
                listing.items &= name != "signature";
            });
            Some(Chip { label, without: without.address("/review/queue") })
        })
        .collect()
}

fn list(answers: &Data<'_>, found: &Rows<'_>) -> List {
    let empty = match found {
        Rows::Groups(page) => page.items.is_empty(),
        Rows::Items(page) => page.items.is_empty(),
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
        Rows::Groups(page) => {
            List::Groups(page.items.iter().map(|one| group(answers, one, &functional)).collect())
        }
        Rows::Items(page) => {
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

fn group(answers: &Data<'_>, group: &review::Group, functional: &dyn Fn(&str) -> bool) -> Group {
    let id = group.signature.clone().unwrap_or_default();
    let members = answers.listing.changed(|listing| {
        listing.filter.signature = group.signature.clone();
        listing.items = true;
    });
    let first = group.sample.first();
    let empty = || Value::from(diff::Shown::Null);
    let sample =
        first.map_or_else(|| (empty(), empty()), |item| difference::brief(&item.difference));
    let overdue = if group.overdue > 0 {
        Due { text: format!("{} overdue", labels::count(&group.overdue)), class: "overdue" }
    } else {
        Due::default()
    };
    Group {
        label: difference::named(&group.label, &difference::systems(group.sample.iter())),
        job: group.job.clone().filter(|_| {
            answers.facets.shares.iter().filter(|share| share.by == "job").nth(1).is_some()
        }),
        field: labels::field(group.field_name.as_deref().unwrap_or_default()).to_owned(),
        kind: difference::kind(
            group.diff_type.as_deref().unwrap_or_default(),
            first.map_or(&[][..], |item| &item.systems),
        ),
        severity: labels::severity(&group.severity),
        systems: difference::systems(group.sample.iter()),
        sample,
        count: group.count,
        amount: group.amount_sum.map(|sum| labels::amount(&format!("{sum:.2}"))),
        guesses: difference::predictions(&group.predictions, functional),
        accepts: first.is_some_and(difference::accepts_first),
        oldest: labels::age(oldest(group, answers.now)),
        since: group
            .first_seen
            .as_deref()
            .zip(group.age_days)
            .and_then(|(first_seen, days)| difference::since_day(first_seen, days)),
        due: overdue,
        href: members.address("/review/queue"),
        bulk: members.address("/review/bulk"),
        members: group
            .sample
            .iter()
            .map(|item| Member {
                reference: difference::reference(item),
                href: members.address(&format!("/review/items/{}", item.attribution_id)),
                sides: difference::brief(&item.difference),
            })
            .collect(),
        id,
    }
}

/// The age of its oldest break in seconds: since its first date, not since its run.
fn oldest(group: &review::Group, now: Instant) -> u64 {
    let days = group.age_days.and_then(|days| u64::try_from(days).ok()).unwrap_or_default();
    labels::seconds_since(now, &group.oldest).max(days * 86_400)
}

fn item(answers: &Data<'_>, item: &ReviewItem, functional: &dyn Fn(&str) -> bool) -> Item {
    let status = answers.listing.filter.status.as_deref().unwrap_or("UNKNOWN");
    Item {
        id: item.attribution_id.clone(),
        href: answers.listing.with_position(&format!("/review/items/{}", item.attribution_id)),
        reference: difference::reference(item),
        field: labels::field(&item.difference.field_name).to_owned(),
        counterparty: item.counterparty.clone().unwrap_or_default(),
        kind: difference::kind(&item.difference.diff_type, &item.systems),
        sides: difference::brief(&item.difference),
        delta: difference::brief_delta(item),
        guesses: if status == "UNKNOWN" {
            difference::guesses(item, functional)
        } else {
            settled(item)
        },
        age: labels::age(u64::try_from(item.age_seconds).unwrap_or_default()),
        since: difference::since(item).unwrap_or_default(),
        due: Due {
            text: difference::deadline(item, answers.now).text.replace("due in ", "in "),
            ..difference::deadline(item, answers.now)
        },
        sent_back: item.sent_back.as_ref().map(|back| format!("sent back by {}", back.by)),
        assignee: item.assignee_name.clone(),
        status: (status != item.status || status == "ALL").then(|| labels::status(&item.status)),
    }
}

/// The decision about an item.
fn settled(item: &ReviewItem) -> Vec<Guess> {
    item.current_reason
        .iter()
        .filter(|_| item.status != "REJECTED")
        .map(|reason| Guess {
            code: reason.code.clone(),
            bar: Bar::share(item.confidence_score),
            functional: reason.is_functional,
            pale: item.confidence_score < difference::SURE,
        })
        .collect()
}

pub fn show(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let (frame, summary) = context.frame(Screen::Queue)?;
    let mut listing = Listing::of(context.query())?;
    // Only undecided items are grouped.
    listing.items |= listing.filter.status.as_deref().is_some_and(|status| status != "UNKNOWN");
    listing.items |= listing.filter.signature.is_some();
    let reasons = context.desk.reason_codes(&context.actor, None)?;
    let facets = context.desk.facets(&context.actor, &listing.filter)?;
    let mut ask = context.page(listing.cursor.clone());
    ask.sort = listing.sort;
    let runs = context.desk.current_runs(&context.actor)?;
    let views = views::of(&context, &listing)?;
    let text = listing.filter.q.as_deref().filter(|q| !q.trim().is_empty());
    let search = text.map(|q| context.desk.search_counts(&context.actor, q)).transpose()?;
    let answers = Data {
        listing: &listing,
        summary: &summary,
        search,
        facets: &facets,
        runs: &runs,
        views: &views,
        may_save: !context.call.app.office.solo(),
        reasons: &reasons,
        may_decide: context.may(Permission::Propose),
        now: context.now,
    };
    let page = if listing.items {
        let items = context.desk.queue(&context.actor, &listing.filter, &ask)?;
        Queue::new(frame, &answers, &Rows::Items(&items))
    } else {
        let groups =
            context.desk.groups(&context.actor, &listing.filter, GroupBy::Signature, &ask)?;
        Queue::new(frame, &answers, &Rows::Groups(&groups))
    };
    html(200, &page)
}
