//! The catalogue of reason codes, and proposing a new one.

use askama::Template;

use crate::domain::Instant;
use crate::review::{ProposalView, ReasonEntry, ReviewItem};

use super::frame::Frame;
use super::{difference, labels};

/// The catalogue.
#[derive(Template)]
#[template(path = "reasons.html")]
pub struct Reasons {
    /// The frame.
    pub frame: Frame,
    /// The codes.
    pub reasons: Vec<Reason>,
    /// Codes that are proposed: name, meaning, address, state.
    pub proposed: Vec<Proposed>,
    /// Whether this person may propose one.
    pub may_propose: bool,
    /// What the new one is shown by.
    pub like: Option<Like>,
    /// The form.
    pub form: Form,
}

/// What the services say.
pub struct Answers<'a> {
    /// The catalogue.
    pub entries: &'a [ReasonEntry],
    /// Proposals of codes.
    pub proposed: &'a [ProposalView],
    /// Whether this person may propose one.
    pub may_propose: bool,
    /// The difference that a new one is shown by.
    pub like: Option<&'a ReviewItem>,
    /// The time.
    pub now: Instant,
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
    /// Differences for which people chose it instead of the machine's cause.
    pub used: u64,
}

/// A code that waits for its checkers.
#[derive(Clone, Debug)]
pub struct Proposed {
    /// What it would be.
    pub title: String,
    /// Who proposed it, and when.
    pub by: String,
    /// Its page.
    pub href: String,
    /// Where it stands: word and class.
    pub state: (&'static str, &'static str),
}

/// What a new code is shown by.
#[derive(Clone, Debug, Default)]
pub struct Like {
    /// The difference.
    pub id: String,
    /// Its record and field.
    pub name: String,
    /// Its page.
    pub href: String,
    /// What it has in common with its look-alikes, and how many of them wait.
    pub label: String,
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
    /// The id of the difference that shows why it is needed.
    pub like: Option<String>,
    /// The key that makes posting it twice one proposal.
    pub key: String,
}

impl Reasons {
    /// The catalogue as the services see it.
    pub fn new(frame: Frame, answers: &Answers<'_>, form: Form) -> Self {
        let (entries, may_propose) = (answers.entries, answers.may_propose);
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
            })
            .collect();
        reasons.sort_by_key(|reason| (!reason.active, std::cmp::Reverse(reason.used)));
        let proposed = answers.proposed.iter().filter(|one| one.state.is_open());
        let proposed = proposed
            .map(|one| Proposed {
                title: one.label.clone(),
                by: format!("{}, {}", one.maker_name, labels::ago(answers.now, &one.created_at)),
                href: format!("/review/proposals/{}", one.proposal_id),
                state: labels::proposal(one.state),
            })
            .collect();
        let like = answers.like.map(|item| {
            let label = item.signature_label.clone().unwrap_or_default();
            let many = item.group_size.filter(|size| *size > 1).map(|size| labels::items(&size));
            Like {
                id: item.attribution_id.clone(),
                name: format!(
                    "{}, {}",
                    difference::reference(item),
                    labels::field(&item.difference.field_name)
                ),
                href: format!("/review/items/{}", item.attribution_id),
                label: many.map_or_else(|| label.clone(), |many| format!("{label} ({many} wait)")),
            }
        });
        Self { frame, reasons, proposed, may_propose, like, form }
    }
}
