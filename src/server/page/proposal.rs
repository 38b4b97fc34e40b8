//! One proposal, as its checker and its authorizer see it.

use askama::Template;

use super::bulk::Sample;
use super::frame::Frame;
use super::item::{Event, Notice};

/// The page of a proposal.
#[derive(Template)]
#[template(path = "proposal.html")]
pub struct Proposal {
    /// The frame.
    pub frame: Frame,
    /// Its id.
    pub id: String,
    /// What it would do.
    pub title: String,
    /// How many differences.
    pub count: u64,
    /// What it is about.
    pub about: String,
    /// Where it stands: word and class.
    pub state: (&'static str, &'static str),
    /// The steps: name, who, whether done, whether it is the present one.
    pub steps: Vec<Step>,
    /// The maker's words.
    pub comment: String,
    /// Who made it and when.
    pub maker: String,
    /// When, short.
    pub when: String,
    /// Others who changed it.
    pub contributors: Vec<String>,
    /// Why six eyes.
    pub triggers: Vec<String>,
    /// What the maker decided against.
    pub overridden: Option<String>,
    /// What the last version changed.
    pub changed: Vec<(String, String, String)>,
    /// A message on top.
    pub notice: Option<Notice>,
    /// Its differences.
    pub samples: Vec<Sample>,
    /// The rest of them.
    pub more_href: Option<String>,
    /// What a new reason code would do: name and number.
    pub simulation: Vec<(String, String)>,
    /// What happened to it.
    pub history: Vec<Event>,
    /// Where its forms are posted to.
    pub base: String,
    /// The version shown.
    pub version: String,
    /// The hash of the content shown.
    pub content_hash: String,
    /// The key that makes posting it twice one step.
    pub key: String,
    /// Whether this person may approve and send back.
    pub may_decide: bool,
    /// Why not.
    pub why_not: Option<String>,
    /// Whether this person may withdraw it.
    pub may_withdraw: bool,
    /// Approve, or authorize.
    pub verb: &'static str,
    /// What approving leads to.
    pub outcome: String,
    /// What was typed before.
    pub typed: String,
    /// What is wrong with it.
    pub wrong: Option<String>,
    /// The next proposal of the list.
    pub next: Option<String>,
}

/// A step on the way.
#[derive(Clone, Debug)]
pub struct Step {
    /// Maker, checker, authorizer.
    pub name: &'static str,
    /// Who, or who is awaited.
    pub who: String,
    /// `done`, `present`, `to-come`.
    pub class: &'static str,
}
