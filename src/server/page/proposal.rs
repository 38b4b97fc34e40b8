//! One proposal, as its checker and its authorizer see it.

use askama::Template;

use crate::domain::Instant;
use crate::domain::review::state::is_cause;
use crate::domain::review::{Action, Eyes, Permission, ProposalKind, ProposalState};
use crate::review::{Actor, ProposalDetail, ProposalView};

use super::address::with_query;
use super::bulk::{self, Sample};
use super::frame::Frame;
use super::item::{Event, Notice};
use super::{check, words};

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

/// What the services say, and how far one got.
pub struct Answers<'a> {
    /// The proposal and a page of its items.
    pub detail: &'a ProposalDetail,
    /// Who looks.
    pub actor: &'a Actor,
    /// The proposal that comes after it.
    pub next: Option<String>,
    /// What happened to it, if the person may see that.
    pub trail: Vec<Event>,
    /// The time.
    pub now: Instant,
    /// The key of the page's forms.
    pub key: String,
    /// What was typed and refused: the comment, and why.
    pub refused: Option<(String, String)>,
}

impl Proposal {
    /// The proposal as the services see it.
    pub fn new(frame: Frame, answers: &Answers<'_>) -> Self {
        let view = &answers.detail.proposal;
        let open = view.state.is_open();
        let permission = match view.state {
            ProposalState::Checked => Permission::Authorize,
            _ => Permission::Check,
        };
        let may_decide = open && answers.actor.may(permission) && view.may_not_approve.is_none();
        let verb = if view.state == ProposalState::Checked { "Authorize" } else { "Approve" };
        let why_not = if may_decide {
            None
        } else if open {
            Some(view.may_not_approve.clone().unwrap_or_else(|| waits_for(view)))
        } else {
            Some(format!("{}.", words::proposal(view.state).0))
        };
        let (typed, wrong) = answers.refused.clone().unzip();
        let base = format!("/review/proposals/{}", view.proposal_id);
        Self {
            frame,
            title: check::title(view),
            count: view.count,
            about: view.label.clone(),
            state: words::proposal(view.state),
            steps: steps(view),
            comment: view.comments.clone().unwrap_or_default(),
            maker: view.maker_name.clone(),
            when: words::ago(answers.now, &view.created_at),
            contributors: view
                .contributors
                .iter()
                .filter(|name| **name != view.maker_name)
                .cloned()
                .collect(),
            triggers: view
                .triggers
                .iter()
                .map(|fired| words::trigger(fired.trigger, &fired.value))
                .collect(),
            overridden: overridden(view),
            changed: view
                .changed
                .iter()
                .map(|one| {
                    let text = |side: &Option<String>| side.clone().unwrap_or_default();
                    (one.what.clone(), text(&one.before), text(&one.after))
                })
                .collect(),
            notice: None,
            samples: answers.detail.items.iter().map(bulk::sample).collect(),
            more_href: answers
                .detail
                .next
                .as_ref()
                .map(|cursor| with_query(&base, [("cursor", cursor.as_str())])),
            simulation: payload(view),
            history: if answers.trail.is_empty() {
                approvals(view, answers.now)
            } else {
                answers.trail.clone()
            },
            version: view.tag.clone(),
            content_hash: view.content_hash.to_string(),
            key: answers.key.clone(),
            may_decide,
            why_not,
            may_withdraw: open && view.may_withdraw,
            verb,
            outcome: outcome(view),
            typed: typed.unwrap_or_default(),
            wrong,
            next: answers.next.clone(),
            id: view.proposal_id.clone(),
            base,
        }
    }
}

fn waits_for(view: &ProposalView) -> String {
    format!("{}.", words::proposal(view.state).0)
}

/// What approving leads to.
fn outcome(view: &ProposalView) -> String {
    let items = words::items(&view.count);
    match (view.state, view.eyes_required) {
        (ProposalState::Open, Eyes::Six) => {
            "After you, an authorizer decides: a third person.".to_owned()
        }
        _ if view.kind == ProposalKind::ReasonCode => {
            "The code can be given from then on.".to_owned()
        }
        _ if !view.kind.has_items() => "It is in force at once.".to_owned(),
        _ => match view.action {
            Some(Action::Reject) => format!("{items} become confirmed breaks."),
            _ => format!("{items} settled at once."),
        },
    }
}

fn steps(view: &ProposalView) -> Vec<Step> {
    let approved = |stage: &str| {
        view.approvals
            .iter()
            .rev()
            .find(|one| one.stage == stage && one.counts && one.decision == "APPROVE")
    };
    let mut steps = vec![Step { name: "Maker", who: view.maker_name.clone(), class: "done" }];
    let mut add = |name, stage, present| {
        let (who, class) = match approved(stage) {
            Some(one) => (one.person_name.clone(), "done"),
            None if present => ("waiting".to_owned(), "present"),
            None if view.state.is_open() => ("to come".to_owned(), "to-come"),
            None => ("–".to_owned(), "to-come"),
        };
        steps.push(Step { name, who, class });
    };
    if view.eyes_required != Eyes::Two {
        add("Checker", "CHECKER", view.state == ProposalState::Open);
    }
    if view.eyes_required == Eyes::Six {
        add("Authorizer", "AUTHORIZER", view.state == ProposalState::Checked);
    }
    steps
}

fn overridden(view: &ProposalView) -> Option<String> {
    if view.action == Some(Action::Approve) {
        return None;
    }
    let guess = view.predicted.iter().find(|guess| is_cause(&guess.code))?;
    let sure = words::percent(guess.confidence);
    Some(format!("The machine took it for {}, {sure} sure.", guess.code))
}

/// What a proposal without items would make, and what its simulation says.
fn payload(view: &ProposalView) -> Vec<(String, String)> {
    let Some(serde_json::Value::Object(payload)) = &view.payload else { return Vec::new() };
    let mut lines = Vec::new();
    for (name, value) in payload {
        let text = match value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
            serde_json::Value::Number(number) => number.to_string(),
            serde_json::Value::Object(inner) => {
                for (name, value) in inner {
                    if let Some(text) = value
                        .as_u64()
                        .map(|n| words::count(&n))
                        .or_else(|| value.as_f64().map(words::percent))
                    {
                        lines.push((words::sentence(name), text));
                    }
                }
                continue;
            }
            _ => continue,
        };
        lines.push((words::sentence(name), text));
    }
    lines
}

/// The approvals as a history, where the trail itself is not to be seen.
fn approvals(view: &ProposalView, now: Instant) -> Vec<Event> {
    let mut events: Vec<Event> = view
        .approvals
        .iter()
        .rev()
        .map(|one| {
            let action = if one.decision == "APPROVE" { "APPROVE" } else { "REJECT" };
            let void = if one.counts { "" } else { " (void)" };
            Event {
                who: one.person_name.clone(),
                what: format!("{}{void}", words::did(action, &one.stage)),
                comment: one.comments.clone().unwrap_or_default(),
                when: words::ago(now, &one.at),
                at: one.at.clone(),
            }
        })
        .collect();
    events.push(Event {
        who: view.maker_name.clone(),
        what: "proposed it".to_owned(),
        comment: String::new(),
        when: words::ago(now, &view.created_at),
        at: view.created_at.clone(),
    });
    events
}
