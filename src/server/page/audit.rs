//! The audit trail, to search and to read.

use askama::Template;

use super::frame::Frame;
use super::queue::{Chip, Facet};

/// The trail.
#[derive(Template)]
#[template(path = "audit.html")]
pub struct Audit {
    /// The frame.
    pub frame: Frame,
    /// Words searched for.
    pub search: String,
    /// The first day.
    pub from: String,
    /// The last day.
    pub to: String,
    /// The choices of the filter panel.
    pub facets: Vec<Facet>,
    /// Filters that are on.
    pub chips: Vec<Chip>,
    /// The state of the chain, if this person may see it.
    pub chain: Option<Chain>,
    /// Rows, newest first.
    pub rows: Vec<Row>,
    /// The page after.
    pub next: Option<String>,
    /// Files to download: address and name.
    pub exports: Vec<(String, String)>,
    /// Whether only this person's own rows are listed.
    pub own_only: bool,
}

/// The chain's state.
#[derive(Clone, Debug)]
pub struct Chain {
    /// `good`, `bad` or `note`.
    pub class: &'static str,
    /// One sentence.
    pub text: String,
    /// What an auditor notes down.
    pub checkpoint: String,
}

/// A row of the trail.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its number.
    pub seq: u64,
    /// When, in full.
    pub at: String,
    /// When, short.
    pub when: String,
    /// Who.
    pub actor: String,
    /// With which roles.
    pub roles: String,
    /// As maker, checker, authorizer or system.
    pub stage: String,
    /// What was done.
    pub action: String,
    /// To what: name and address.
    pub entity: (String, Option<String>),
    /// What changed: name, before, after.
    pub changes: Vec<(String, String, String)>,
    /// In their words.
    pub comment: String,
    /// How many eyes.
    pub control: String,
    /// The hash of the row.
    pub hash: String,
    /// How, from where, under which request: name and value.
    pub details: Vec<(String, String)>,
}
