//! One difference with everything that helps to decide it.

use askama::Template;

use super::frame::{Frame, Tone};
use super::part::{Bar, Value};
use super::queue::{Code, Due};

/// The page of one difference.
#[derive(Template)]
#[template(path = "item.html")]
pub struct Item {
    /// The frame.
    pub frame: Frame,
    /// Its id.
    pub id: String,
    /// Its record.
    pub reference: String,
    /// Its field.
    pub field: String,
    /// Its kind, in words.
    pub kind: String,
    /// Its severity, in words.
    pub severity: String,
    /// Its status: word and class.
    pub status: (&'static str, &'static str),
    /// The run: name and address.
    pub run: (String, String),
    /// When it is due.
    pub due: Due,
    /// Who has taken it.
    pub assignee: Option<String>,
    /// A message on top: sent back, changed by somebody else, refused.
    pub notice: Option<Notice>,
    /// The way back to the list.
    pub list_href: String,
    /// The items around it in the list.
    pub previous: Option<String>,
    /// As above.
    pub next: Option<String>,
    /// The two systems.
    pub systems: (String, String),
    /// Both values.
    pub sides: (Value, Value),
    /// How the values are shown.
    pub modes: Vec<Mode>,
    /// The way to show or hide invisible characters.
    pub invisible: Mode,
    /// One line with both values, where the mode asks for it.
    pub inline: Option<Value>,
    /// What the difference measures: name and number.
    pub measures: Vec<(String, String)>,
    /// The other fields of the record, differing ones first.
    pub fields: Vec<Field>,
    /// How many other fields agree.
    pub agreeing: usize,
    /// The machine's guesses.
    pub guesses: Vec<Guess>,
    /// What people can do.
    pub decide: Option<Decide>,
    /// Why this person cannot decide.
    pub why_not: Option<String>,
    /// The open proposal's page.
    pub proposal_href: Option<String>,
    /// Decisions about look-alikes.
    pub before: Vec<Before>,
    /// The group it belongs to: how many, address.
    pub alike: Option<(u64, String)>,
    /// What happened to it, newest first.
    pub history: Vec<Event>,
    /// Where comments and claims are posted to.
    pub base: String,
    /// The parameters of the list, kept by every form.
    pub context: String,
    /// Whether this person may take it.
    pub may_assign: bool,
    /// The key that makes posting a comment twice one comment.
    pub key: String,
}

/// A message on top.
#[derive(Clone, Debug)]
pub struct Notice {
    /// How bad.
    pub tone: Tone,
    /// One sentence.
    pub title: String,
    /// More, as people wrote it.
    pub text: String,
}

/// A way of showing the values.
#[derive(Clone, Debug)]
pub struct Mode {
    /// Its name.
    pub name: &'static str,
    /// Its address.
    pub href: String,
    /// Whether it is on.
    pub on: bool,
    /// Whether `v` leads to it.
    pub following: bool,
}

/// Another field of the record.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its sides.
    pub sides: (Value, Value),
    /// Whether they differ.
    pub differs: bool,
    /// Its own page, if it is a difference of its own.
    pub href: Option<String>,
}

/// A guess with its reasons.
#[derive(Clone, Debug)]
pub struct Guess {
    /// The code.
    pub code: String,
    /// What it means.
    pub description: String,
    /// Whether business explains it.
    pub functional: bool,
    /// How sure.
    pub bar: Bar,
    /// What speaks for it and against it.
    pub why: Vec<Why>,
}

/// What speaks for a guess, or against it.
#[derive(Clone, Debug)]
pub struct Why {
    /// For or against.
    pub speaks_for: bool,
    /// In words.
    pub text: String,
}

/// The decision form.
#[derive(Clone, Debug, Default)]
pub struct Decide {
    /// Where it is posted to.
    pub action: String,
    /// The version it is for.
    pub version: u64,
    /// The key that makes posting it twice one decision.
    pub key: String,
    /// Every active code.
    pub codes: Vec<Code>,
    /// What was chosen before: an index, `code` or `reject`.
    pub chosen: String,
    /// The code chosen before.
    pub code: String,
    /// What was typed before.
    pub comment: String,
    /// What is wrong with it.
    pub wrong: Option<String>,
    /// What will happen.
    pub outcome: String,
    /// Whether the item had been decided, so that this reopens it.
    pub reopens: bool,
}

/// A decision about a look-alike.
#[derive(Clone, Debug)]
pub struct Before {
    /// What was decided.
    pub what: String,
    /// Whether it was a code that business explains.
    pub functional: bool,
    /// By whom.
    pub who: String,
    /// When.
    pub when: String,
    /// Its page.
    pub href: String,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// Who.
    pub who: String,
    /// Did what.
    pub what: String,
    /// In their words.
    pub comment: String,
    /// When, short.
    pub when: String,
    /// When, in full.
    pub at: String,
}
