//! The catalogue of reason codes, and proposing a new one.

use askama::Template;

use crate::review::ReasonEntry;

use super::address::with_query;
use super::frame::Frame;

/// The catalogue.
#[derive(Template)]
#[template(path = "reasons.html")]
pub struct Reasons {
    /// The frame.
    pub frame: Frame,
    /// The codes.
    pub reasons: Vec<Reason>,
    /// Whether this person may propose one.
    pub may_propose: bool,
    /// The form.
    pub form: Form,
}

/// A code and its use.
#[derive(Clone, Debug)]
pub struct Reason {
    /// The code.
    pub code: String,
    /// What it means.
    pub description: String,
    /// Whether business explains it.
    pub functional: bool,
    /// Whether it can be given.
    pub active: bool,
    /// Where it comes from.
    pub origin: String,
    /// How often it is given now.
    pub used: u64,
    /// Those differences.
    pub href: String,
}

/// The proposal of a code.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// The code.
    pub code: String,
    /// What it means.
    pub description: String,
    /// Whether business explains it.
    pub functional: bool,
    /// Why it is needed.
    pub comment: String,
    /// What is wrong.
    pub wrong: Option<String>,
    /// What it would do: name and number.
    pub simulation: Vec<(String, String)>,
    /// The key that makes posting it twice one proposal.
    pub key: String,
}

impl Reasons {
    /// The catalogue as the services see it.
    pub fn new(frame: Frame, entries: &[ReasonEntry], may_propose: bool, form: Form) -> Self {
        let mut reasons: Vec<Reason> = entries
            .iter()
            .map(|entry| Reason {
                code: entry.reason.code.clone(),
                description: entry.reason.description.clone(),
                functional: entry.reason.is_functional,
                active: entry.is_active,
                origin: match entry.origin.as_str() {
                    "file" => "the configuration".to_owned(),
                    "people" => "people".to_owned(),
                    other => other.to_owned(),
                },
                used: entry.used,
                href: with_query(
                    "/review/queue",
                    [
                        ("status", "ACCEPTED"),
                        ("reason", entry.reason.code.as_str()),
                        ("view", "items"),
                    ],
                ),
            })
            .collect();
        reasons.sort_by_key(|reason| (!reason.active, std::cmp::Reverse(reason.used)));
        Self { frame, reasons, may_propose, form }
    }
}
