//! Lists of proposals: to check, to authorize, your own.

use askama::Template;

use crate::domain::Instant;
use crate::domain::review::{Permission, ProposalKind};
use crate::review::{Actor, Page, ProposalView, Summary};

use super::address::with_query;
use super::context::sentence;
use super::frame::Frame;
use super::labels;
use super::queue::Tab;

#[derive(Template)]
#[template(path = "check.html")]
pub struct Check {
    pub frame: Frame,
    pub about: String,
    pub tabs: Vec<Tab>,
    pub proposals: Vec<Row>,
    /// Text of the empty list.
    pub nothing: (String, String),
    pub next: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Row {
    pub id: String,
    pub href: String,
    pub title: String,
    pub about: String,
    pub count: u64,
    pub maker: String,
    pub age: String,
    /// Required (2, 4 or 6) and done.
    pub eyes: (u8, u8),
    pub trigger: String,
    /// Word and class.
    pub state: (&'static str, &'static str),
    /// Why the user may not approve it.
    pub why_not: Option<String>,
}

pub struct Data<'a> {
    /// `to_check`, `to_authorize`, `mine` or `all`.
    pub which: &'a str,
    pub page: &'a Page<ProposalView>,
    pub summary: &'a Summary,
    pub actor: &'a Actor,
    pub now: Instant,
}

impl Check {
    pub fn new(frame: Frame, answers: &Data<'_>) -> Self {
        let (summary, which) = (answers.summary, answers.which);
        let tab = |name: &str, count, live, word: &str| Tab {
            name: name.to_owned(),
            count: Some(count),
            live,
            href: format!("/review/check?list={word}"),
            present: which == word,
            urgent: false,
            more: false,
        };
        let mut tabs = Vec::new();
        if answers.actor.may(Permission::Check) {
            tabs.push(tab("To check", summary.to_check, "to_check", "to_check"));
        }
        if answers.actor.may(Permission::Authorize) {
            tabs.push(tab("To authorize", summary.to_authorize, "to_authorize", "to_authorize"));
        }
        if answers.actor.may(Permission::Propose) {
            tabs.push(tab("Mine", summary.mine, "mine", "mine"));
        }
        tabs.push(Tab { count: None, ..tab("All open", 0, "", "open") });
        tabs.push(Tab { count: None, ..tab("Sent back", 0, "", "returned") });
        tabs.push(Tab { count: None, ..tab("Closed", 0, "", "closed") });
        let nothing = match which {
            "to_check" => ("Nothing to check", "No proposal awaits you."),
            "to_authorize" => ("Nothing to authorize", "No proposal awaits you."),
            "mine" => ("Nothing open", "None of your proposals is open."),
            "returned" => ("Nothing sent back", "No proposal was sent back."),
            _ => ("No proposal", "Proposals appear here."),
        };
        Self {
            frame,
            about: "Proposals of others, oldest first. You can't approve your own.".to_owned(),
            tabs,
            proposals: answers.page.items.iter().map(|one| row(one, answers.now)).collect(),
            nothing: (nothing.0.to_owned(), nothing.1.to_owned()),
            next: answers.page.next.as_ref().map(|cursor| {
                with_query("/review/check", [("list", which), ("cursor", cursor.as_str())])
            }),
        }
    }
}

pub fn title(proposal: &ProposalView) -> String {
    let payload = |name: &str| {
        proposal
            .payload
            .as_ref()
            .and_then(|payload| payload.get(name))
            .and_then(|value| value.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    match proposal.kind {
        ProposalKind::ReasonCode => format!("New reason {}", payload("code")).trim().to_owned(),
        ProposalKind::Rule => "Change of a rule".to_owned(),
        ProposalKind::Policy => "Change of the policy".to_owned(),
        ProposalKind::Attribution | ProposalKind::Bulk | ProposalKind::Reopen => {
            let code = proposal.reason.as_ref().map(|reason| reason.code.as_str());
            proposal
                .action
                .map_or_else(|| "Decision".to_owned(), |action| labels::decision(action, code))
        }
    }
}

fn row(proposal: &ProposalView, now: Instant) -> Row {
    Row {
        id: proposal.proposal_id.clone(),
        href: format!("/review/proposals/{}", proposal.proposal_id),
        title: title(proposal),
        about: proposal.label.clone(),
        count: proposal.count,
        maker: proposal.maker_name.clone(),
        age: labels::age(labels::seconds_since(now, &proposal.created_at)),
        eyes: (proposal.eyes_required.code(), proposal.eyes_done),
        trigger: proposal
            .triggers
            .first()
            .map(|fired| labels::trigger(fired.trigger, ""))
            .unwrap_or_default(),
        state: labels::proposal(proposal.state),
        why_not: proposal
            .may_not_approve
            .as_deref()
            .filter(|_| proposal.state.is_open())
            .map(sentence),
    }
}
