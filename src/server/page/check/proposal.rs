//! One proposal, for its checker and authorizer.

use askama::Template;

use crate::domain::Instant;
use crate::domain::review::state::is_cause;
use crate::domain::review::{Action, Eyes, Permission, ProposalKind, ProposalState};
use crate::review::{
    self, Actor, Approve, Close, PageAsk, ProposalDetail, ProposalFilter, ProposalStep,
    ProposalView, ProposalsFor, ReasonEntry, Refusal, RefusalKind, ReviewItem,
};
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::server::page::address::with_query;
use crate::server::page::by_hand::Sum;
use crate::server::page::context::{PageContext, html, redirect, sentence};
use crate::server::page::fragment::{Bar, Histogram};
use crate::server::page::frame::{Frame, Screen};
use crate::server::page::item::{self, Event, Guess, Notice};
use crate::server::page::queue::bulk::{self, Sample};
use crate::server::page::queue::{Code, codes};
use crate::server::page::{difference, labels, login};

use super::{is_joint, title};

#[derive(Template)]
#[template(path = "check/proposal.html")]
pub struct Proposal {
    pub frame: Frame,
    pub title: String,
    pub count: u64,
    pub about: String,
    /// Word and class.
    pub state: (&'static str, &'static str),
    pub steps: Vec<Step>,
    pub comment: String,
    pub maker: String,
    pub when: String,
    pub contributors: Vec<String>,
    pub triggers: Vec<String>,
    /// The prediction that the maker overrode.
    pub overridden: Option<String>,
    /// Changes of the last version.
    pub changed: Vec<(String, String, String)>,
    pub notice: Option<Notice>,
    pub samples: Vec<Sample>,
    /// The names of the two systems.
    pub systems: [String; 2],
    /// The five largest differences of many.
    pub largest: Vec<Sample>,
    /// Both sides' sums of a match by hand.
    pub match_sums: Vec<Sum>,
    /// Totals by currency.
    pub amount: Option<String>,
    /// Job and date, items, address.
    pub runs: Vec<(String, u64, String)>,
    pub histogram: Option<Histogram>,
    pub more_href: Option<String>,
    /// Content of a proposal without items: name and value.
    pub payload: Vec<(String, String)>,
    /// The predictions for its only item: the likely causes with their evidence.
    pub guesses: Vec<Guess>,
    /// Simulation of a proposed reason code.
    pub simulation: Option<Simulation>,
    /// The form to amend it, if the user may.
    pub amend: Option<Amend>,
    pub history: Vec<Event>,
    /// Base address of its forms.
    pub base: String,
    pub version: String,
    pub content_hash: String,
    /// Idempotency key.
    pub key: String,
    /// The user may approve and send back.
    pub may_decide: bool,
    pub why_not: Option<String>,
    /// The user may withdraw it.
    pub may_withdraw: bool,
    pub verb: &'static str,
    pub outcome: String,
    pub typed: String,
    pub wrong: Option<String>,
    pub next: Option<String>,
}

/// Simulation of a proposed reason code.
#[derive(Clone, Debug, Default)]
pub struct Simulation {
    /// The maker's examples: address and name.
    pub examples: Vec<(String, String)>,
    /// Number of similar undecided differences.
    pub would_match: u64,
    /// How similar differences were decided: code, number, share.
    pub overlaps: Vec<(String, String, Bar)>,
}

/// The form to amend a proposal.
#[derive(Clone, Debug, Default)]
pub struct Amend {
    /// Present choice: `*`, `code` or `reject`.
    pub chosen: &'static str,
    pub code: String,
    /// The prediction, if it is the same for all items: choosing it is APPROVE.
    pub top: String,
    pub codes: Vec<Code>,
}

#[derive(Clone, Debug)]
pub struct Step {
    pub name: &'static str,
    pub who: String,
    /// `done`, `present` or `to-come`.
    pub class: &'static str,
}

pub struct Data<'a> {
    pub detail: &'a ProposalDetail,
    pub actor: &'a Actor,
    pub reasons: &'a [ReasonEntry],
    pub next: Option<String>,
    /// Every item, page by page, instead of a digest.
    pub all: bool,
    pub now: Instant,
    /// Idempotency key.
    pub key: String,
    /// The refused comment, and why.
    pub refused: Option<(String, String)>,
}

impl Proposal {
    pub fn new(frame: Frame, answers: &Data<'_>) -> Self {
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
            Some(view.may_not_approve.as_deref().map_or_else(|| waits_for(view), sentence))
        } else {
            Some(format!("{}.", labels::proposal(view.state).0))
        };
        let (typed, wrong) = answers.refused.clone().unzip();
        let base = format!("/review/proposals/{}", view.proposal_id);
        let digest = answers.detail.digest.as_ref().filter(|_| !answers.all);
        let sample = |item: &ReviewItem| match view.count {
            // What recon knew of a single item stands below it.
            1 => bulk::sample(item),
            _ => bulk::sample(item).knowing(item, answers.reasons),
        };
        Self {
            frame,
            title: title(view),
            count: view.count,
            about: difference::named(
                &view.label,
                &difference::systems(answers.detail.items.iter()),
            ),
            state: labels::proposal(view.state),
            steps: steps(view),
            comment: view.comments.clone().unwrap_or_default(),
            maker: view.maker_name.clone(),
            when: labels::ago(answers.now, &view.created_at),
            contributors: view
                .contributors
                .iter()
                .filter(|name| **name != view.maker_name)
                .cloned()
                .collect(),
            triggers: view
                .triggers
                .iter()
                .map(|fired| labels::trigger(fired.trigger, &fired.value))
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
            samples: match digest {
                Some(digest) => digest.drawn.iter().map(sample).collect(),
                None => answers.detail.items.iter().map(sample).collect(),
            },
            systems: difference::systems(answers.detail.items.iter()),
            largest: digest.iter().flat_map(|one| &one.largest).map(sample).collect(),
            match_sums: answers.detail.match_sums.iter().map(Sum::of).collect(),
            amount: bulk::sums(&view.amount_sum),
            runs: answers
                .detail
                .digest
                .iter()
                .flat_map(|digest| &digest.runs)
                .map(|run| {
                    let href = with_query("/review", [("run", run.run_id.as_str())]);
                    (format!("{} {}", run.job, run.batch_date), run.count, href)
                })
                .collect(),
            histogram: answers.detail.digest.as_ref().and_then(|one| Histogram::new(&one.deltas)),
            more_href: match digest {
                Some(_) => Some(with_query(&base, [("all", "yes")])),
                None => answers
                    .detail
                    .next
                    .as_ref()
                    .map(|cursor| with_query(&base, [("cursor", cursor.as_str())])),
            },
            payload: payload(view),
            simulation: simulation(view),
            guesses: match answers.detail.items.as_slice() {
                [only] if view.count == 1 => item::guesses(only, answers.reasons, None),
                _ => Vec::new(),
            },
            amend: amend(view, answers),
            history: history(answers.detail, answers.now),
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
            base,
        }
    }
}

fn waits_for(view: &ProposalView) -> String {
    format!("{}.", labels::proposal(view.state).0)
}

fn outcome(view: &ProposalView) -> String {
    let items = labels::items(&view.count);
    match (view.state, view.eyes_required) {
        (ProposalState::Open, Eyes::Six) => {
            "After you, an authorizer (a third person) decides.".to_owned()
        }
        _ if view.kind == ProposalKind::ReasonCode => "The code can then be given.".to_owned(),
        _ if !view.kind.has_items() => "It takes effect at once.".to_owned(),
        _ => match view.action {
            None => "Its rows are open again.".to_owned(),
            Some(Action::Reject) if view.count == 1 => "It becomes a confirmed break.".to_owned(),
            Some(Action::Reject) => format!("{items} become confirmed breaks."),
            _ if view.count == 1 => "It is settled at once.".to_owned(),
            _ => format!("{items} are settled at once."),
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
    if view.action == Some(Action::Approve) || is_joint(view) {
        return None;
    }
    let guess = view.predicted.iter().find(|guess| is_cause(&guess.code))?;
    let sure = labels::percent(guess.confidence);
    Some(format!("Predicted: {}, confidence {sure}.", guess.code))
}

/// Content of a proposal without items.
fn payload(view: &ProposalView) -> Vec<(String, String)> {
    let Some(serde_json::Value::Object(payload)) = &view.payload else { return Vec::new() };
    if view.kind.has_items() {
        return Vec::new();
    }
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Bool(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
        serde_json::Value::Array(list) if !list.is_empty() => {
            let texts: Vec<&str> = list.iter().filter_map(|one| one.as_str()).collect();
            (texts.len() == list.len()).then(|| texts.join(", "))
        }
        serde_json::Value::Object(object) if !object.is_empty() => {
            let pairs: Vec<String> =
                object.iter().map(|(name, value)| format!("{name} {value}")).collect();
            Some(pairs.join(", "))
        }
        _ => None,
    };
    payload
        .iter()
        .filter(|(name, _)| !["simulation", "examples"].contains(&name.as_str()))
        .filter_map(|(name, value)| Some((labels::sentence(name), text(value)?)))
        .collect()
}

/// Simulation of a proposed reason code.
fn simulation(view: &ProposalView) -> Option<Simulation> {
    if view.kind != ProposalKind::ReasonCode {
        return None;
    }
    let payload = view.payload.as_ref()?;
    let found = payload.get("simulation")?;
    let examples = payload.get("examples").and_then(|list| list.as_array());
    let number = |value: &serde_json::Value, name: &str| {
        value.get(name).and_then(serde_json::Value::as_u64).unwrap_or_default()
    };
    let overlaps = found.get("overlaps").and_then(|list| list.as_array());
    let overlaps = overlaps.map(Vec::as_slice).unwrap_or_default();
    let all: u64 = overlaps.iter().map(|one| number(one, "count")).sum();
    Some(Simulation {
        examples: examples
            .map(Vec::as_slice)
            .unwrap_or_default()
            .iter()
            .filter_map(|id| id.as_str())
            .map(|id| (with_query(&format!("/review/items/{id}"), []), "The example".to_owned()))
            .collect(),
        would_match: number(found, "would_match"),
        overlaps: overlaps
            .iter()
            .filter_map(|one| {
                let code = one.get("value")?.as_str()?.to_owned();
                let count = number(one, "count");
                let share = count as f64 / all.max(1) as f64;
                Some((code, labels::count(&count), Bar::share(share)))
            })
            .collect(),
    })
}

/// For makers, while the proposal is open and about differences.
fn amend(view: &ProposalView, answers: &Data<'_>) -> Option<Amend> {
    let may = answers.actor.may(Permission::Propose);
    if !may || !view.state.is_open() || !view.kind.has_items() || view.action.is_none() {
        return None;
    }
    let code = view.reason.as_ref().map(|reason| reason.code.clone()).unwrap_or_default();
    let (chosen, code) = match view.action {
        Some(Action::Override) => ("code", code),
        Some(Action::Reject) => ("reject", String::new()),
        Some(Action::Approve) | None => ("*", String::new()),
    };
    let top = match view.predicted.as_slice() {
        [first, others @ ..] if view.count == 1 || others.is_empty() => first.code.clone(),
        _ => String::new(),
    };
    Some(Amend { chosen, code, top, codes: codes(answers.reasons) })
}

/// The history, newest first: one line for each step.
fn history(detail: &ProposalDetail, now: Instant) -> Vec<Event> {
    let event = |step: &ProposalStep| Event {
        who: step.actor_name.clone(),
        what: labels::step(&step.action_type, &step.stage, step.items),
        comment: step.comments.clone().unwrap_or_default(),
        when: labels::ago(now, &step.at),
        at: step.at.clone(),
    };
    detail.steps.iter().rev().map(event).collect()
}

pub fn show(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    page(&context, call.path("id"), None, 200)
}

/// The page of the oldest other proposal that awaits the user.
pub fn following(context: &PageContext<'_>, id: &str) -> Result<Option<String>, Denied> {
    let ask = PageAsk { limit: Some(2), ..PageAsk::default() };
    for stage in [ProposalsFor::ToCheck, ProposalsFor::ToAuthorize] {
        let filter = ProposalFilter { stage: Some(stage), ..ProposalFilter::default() };
        let found = context.review.proposals(&context.actor, &filter, &ask)?;
        if let Some(next) = found.items.iter().find(|one| one.proposal_id != id) {
            return Ok(Some(format!("/review/proposals/{}", next.proposal_id)));
        }
    }
    Ok(None)
}

/// `refused`: a step that was refused.
pub fn page(
    context: &PageContext<'_>,
    id: &str,
    refused: Option<(String, String)>,
    status: u16,
) -> Result<Response, Denied> {
    let (frame, _) = context.frame(Screen::Check)?;
    let detail = context.review.proposal(&context.actor, id, &context.page_asked())?;
    let reasons = context.review.reason_codes(&context.actor, Some(true))?;
    let answers = Data {
        detail: &detail,
        actor: &context.actor,
        reasons: &reasons,
        next: following(context, id)?,
        all: context.asked("all") == "yes" || !context.asked("cursor").is_empty(),
        now: context.now,
        key: context.key()?,
        refused,
    };
    html(status, &Proposal::new(frame, &answers))
}

pub fn approve(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let id = call.path("id");
    let ask = Approve {
        proposal_id: id.to_owned(),
        if_match: context.field("version").and_then(|tag| tag.parse().ok()),
        content_hash: context.field("content_hash").and_then(|hash| hash.parse().ok()),
        comments: None,
    };
    let next = following(&context, id)?;
    let next = next.unwrap_or_else(|| "/review/check".to_owned());
    match context.review.approve(&context.actor, &ask) {
        Ok(_) => Ok(redirect(&next, &format!("approved.{id}"))),
        Err(refusal) => refused(&context, id, refusal, String::new()),
    }
}

pub fn send_back(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let id = call.path("id");
    let ask = close(&context, id);
    match context.review.send_back(&context.actor, &ask) {
        Ok(_) => Ok(redirect("/review/check", "returned")),
        Err(refusal) => refused(&context, id, refusal, ask.comments.unwrap_or_default()),
    }
}

pub fn withdraw(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let id = call.path("id");
    match context.review.withdraw(&context.actor, &close(&context, id)) {
        Ok(_) => {
            let back = context.field("back").unwrap_or_else(|| "/review/work".to_owned());
            Ok(redirect(login::safe(&back), "withdrawn"))
        }
        Err(refusal) => refused(&context, id, refusal, String::new()),
    }
}

pub fn amend_form(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let id = call.path("id");
    let choice = item::choice(&context, context.field("top").as_deref());
    let comments = context.field("comment");
    let ask = review::Amend {
        proposal_id: id.to_owned(),
        if_match: context.field("version").and_then(|tag| tag.parse().ok()),
        action: choice.action,
        new_reason_code: choice.code,
        comments: comments.clone(),
    };
    match context.review.amend(&context.actor, &ask) {
        Ok(_) => Ok(redirect(&format!("/review/proposals/{id}"), "")),
        Err(refusal) => refused(&context, id, refusal, comments.unwrap_or_default()),
    }
}

fn close(context: &PageContext<'_>, id: &str) -> Close {
    Close {
        proposal_id: id.to_owned(),
        if_match: context.field("version").and_then(|tag| tag.parse().ok()),
        comments: context.field("comment"),
    }
}

/// The proposal in its present state, with the reason for the refusal.
pub fn refused(
    context: &PageContext<'_>,
    id: &str,
    refusal: Refusal,
    typed: String,
) -> Result<Response, Denied> {
    let shown = matches!(
        refusal.kind,
        RefusalKind::Conflict
            | RefusalKind::Stale
            | RefusalKind::Invalid
            | RefusalKind::Forbidden
            | RefusalKind::PreconditionRequired
    );
    if !shown {
        return Err(refusal.into());
    }
    let why = sentence(&refusal.message);
    page(context, id, Some((typed, why)), refusal.kind.status()).or(Err(Denied::from(refusal)))
}
