//! The queue: differences that wait for a maker, in groups of look-alikes or one by one.

use askama::Template;

use super::frame::Frame;
use super::part::{Bar, Value};

/// The queue.
#[derive(Template)]
#[template(path = "queue.html")]
pub struct Queue {
    /// The frame.
    pub frame: Frame,
    /// One sentence that says what this list is.
    pub about: String,
    /// Lists with their sizes.
    pub tabs: Vec<Tab>,
    /// Words searched for.
    pub search: String,
    /// The choices of the filter panel.
    pub facets: Vec<Facet>,
    /// Filters that are on, each with the address without it.
    pub chips: Vec<Chip>,
    /// Parameters that the search form keeps.
    pub kept: Vec<(String, String)>,
    /// The other way of looking at the same differences.
    pub groups_href: String,
    /// As above.
    pub items_href: String,
    /// The list.
    pub list: List,
    /// The page before, if there is one.
    pub previous: Option<String>,
    /// The page after, if there is one.
    pub next: Option<String>,
    /// Whether this person makes decisions.
    pub may_decide: bool,
    /// Codes for "override with".
    pub codes: Vec<Code>,
    /// The key that makes posting this page's form twice one step.
    pub key: String,
}

/// A list with its size.
#[derive(Clone, Debug)]
pub struct Tab {
    /// Its name.
    pub name: String,
    /// Its size.
    pub count: Option<u64>,
    /// The name under which the live counter updates it.
    pub live: &'static str,
    /// Its address.
    pub href: String,
    /// Whether it is the one shown.
    pub present: bool,
    /// Whether its number deserves attention.
    pub urgent: bool,
}

/// One choice of the filter panel.
#[derive(Clone, Debug)]
pub struct Facet {
    /// The parameter.
    pub name: &'static str,
    /// Its label.
    pub label: &'static str,
    /// Its values.
    pub options: Vec<FacetOption>,
}

impl Facet {
    /// Whether a value is chosen.
    pub fn chosen(&self) -> bool {
        self.options.iter().any(|option| option.chosen)
    }
}

/// A value of a filter.
#[derive(Clone, Debug)]
pub struct FacetOption {
    /// What the form sends.
    pub value: String,
    /// What people read.
    pub label: String,
    /// Whether it is on.
    pub chosen: bool,
}

/// A filter that is on.
#[derive(Clone, Debug)]
pub struct Chip {
    /// What it is.
    pub label: String,
    /// The address without it.
    pub without: String,
}

/// A reason code to choose.
#[derive(Clone, Debug)]
pub struct Code {
    /// The code.
    pub code: String,
    /// What it means.
    pub description: String,
    /// Whether business explains it.
    pub functional: bool,
}

/// What is listed.
#[derive(Clone, Debug)]
pub enum List {
    /// Look-alikes.
    Groups(Vec<Group>),
    /// One by one.
    Items(Vec<Item>),
    /// Nothing, why, and what next.
    Empty {
        /// What this means.
        title: String,
        /// Why.
        text: String,
        /// Where to go.
        links: Vec<(String, String)>,
    },
}

/// Look-alike differences.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its signature, which is its id.
    pub id: String,
    /// What its members have in common.
    pub label: String,
    /// The field.
    pub field: String,
    /// The kind of difference, in words.
    pub kind: String,
    /// The severity, in words.
    pub severity: String,
    /// A sample's sides.
    pub sample: (Value, Value),
    /// How many.
    pub count: u64,
    /// The sum of their amounts.
    pub amount: Option<String>,
    /// The best guesses.
    pub guesses: Vec<Guess>,
    /// Age of the oldest.
    pub oldest: String,
    /// When it is due.
    pub due: Due,
    /// Its items.
    pub href: String,
    /// A few members.
    pub members: Vec<Member>,
}

impl Group {
    /// The count with separators.
    pub fn counted(&self) -> String {
        super::words::count(&self.count)
    }
}

/// A member shown below its group.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its record.
    pub reference: String,
    /// Its page.
    pub href: String,
    /// Its sides.
    pub sides: (Value, Value),
}

/// What the machine takes for the cause.
#[derive(Clone, Debug)]
pub struct Guess {
    /// The code.
    pub code: String,
    /// How sure.
    pub bar: Bar,
    /// Whether business explains it.
    pub functional: bool,
}

/// When something is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// In words; empty if there is no date.
    pub text: String,
    /// `ok`, `due` or `overdue`.
    pub class: &'static str,
}

/// One difference.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its id.
    pub id: String,
    /// Its page.
    pub href: String,
    /// Its record.
    pub reference: String,
    /// Its field.
    pub field: String,
    /// Its kind.
    pub kind: String,
    /// Its severity.
    pub severity: String,
    /// Its sides.
    pub sides: (Value, Value),
    /// B − A.
    pub delta: String,
    /// The best guesses.
    pub guesses: Vec<Guess>,
    /// The version a decision would be for.
    pub version: u64,
    /// How old.
    pub age: String,
    /// When it is due.
    pub due: Due,
    /// Who sent it back, and why.
    pub sent_back: Option<String>,
    /// Who has taken it.
    pub assignee: Option<String>,
    /// Its status, where the list shows more than one: word and class.
    pub status: Option<(&'static str, &'static str)>,
}
