//! The lists of the queue, the filters of each, and the active ones.

use crate::review::{self, QueueFilter, SearchCounts};
use crate::server::page::address::Listing;
use crate::server::page::{difference, labels};

use super::{Data, teaches, waiting};

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
    /// Highlights urgent items, if there are any.
    pub fn urgent(self) -> Self {
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
    /// It is the text that is searched.
    pub is_search: bool,
    pub without: String,
}

/// Parameter and label.
const FACETS: [(&str, &str); 5] = [
    ("job", "Job"),
    ("field_name", "Field"),
    ("diff_type", "Difference"),
    ("severity", "Severity"),
    ("reason_code", "Likely cause"),
];

/// The lists of the queue. While a text is searched, each shows how many of its items have it.
pub fn tabs(answers: &Data<'_>) -> Vec<Tab> {
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
            let is_more = answers.search.is_some_and(|one| match listing.filter.status {
                Some(_) => one.more,
                None => one.more_to_decide,
            });
            Tab {
                name: name.to_owned(),
                count: Some(found.unwrap_or(count)),
                live: if found.is_some() { "" } else { live },
                href: listing.address("/review/queue"),
                present,
                urgent: false,
                more: found.is_some() && is_more,
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

pub fn facets(answers: &Data<'_>, systems: &[String]) -> Vec<Facet> {
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
    // If a filter is active, only the chosen value is counted.
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
    // Both come in the order of their numbers.
    if listing.filter.q.is_some() || listing.filter.kind.is_some() {
        return facets;
    }
    let mut orders = vec![
        ("-confidence", "surest first"),
        ("age", "oldest first"),
        ("amount", "largest amount first"),
        ("severity", "gravest first"),
    ];
    let by_default = if listing.items {
        orders.insert(3, ("at_risk", "largest amount × chance of staying first"));
        orders.push(("teaches", "what teaches a model most first"));
        if listing.filter.status.is_some() {
            "by run and record"
        } else {
            "lowest confidence first"
        }
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

pub fn chips(answers: &Data<'_>, systems: &[String]) -> Vec<Chip> {
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
                "no_currency" => "without a currency".to_owned(),
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
            Some(Chip { label, is_search: name == "q", without: without.address("/review/queue") })
        })
        .collect()
}
