//! The rows of the queue: groups and items.

use crate::coding::escape;
use crate::domain::Instant;
use crate::review::{self, ReviewItem};
use crate::server::page::fragment::{Bar, Value};
use crate::server::page::{diff, difference, labels};

use super::Data;

#[derive(Clone, Debug)]
pub struct Group {
    /// The signature.
    pub id: String,
    /// Common properties of its items.
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
    pub fn bulk(&self, choice: &str) -> String {
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

impl Item {
    /// Its record has no partner.
    pub fn is_whole(&self) -> bool {
        self.kind.starts_with("missing") || self.kind.starts_with("surplus")
    }
}

pub fn group(
    answers: &Data<'_>,
    group: &review::Group,
    functional: &dyn Fn(&str) -> bool,
) -> Group {
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
    let accepts = first.is_some_and(difference::accepts_first);
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
        guesses: difference::predictions(&group.predictions, accepts, functional),
        accepts,
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

pub fn item(answers: &Data<'_>, item: &ReviewItem, functional: &dyn Fn(&str) -> bool) -> Item {
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
