//! Form posts: each becomes one call of a service and redirects to a page.

use crate::diagnostic::Code;
use crate::domain::review::{Action, Permission};
use crate::review::{
    Actor, Amend, Approve, BulkCommit, Close, OnConflict, PageAsk, ProposeReason, Refusal,
    RefusalKind, Reopen, Resolve,
};
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;

use super::address::{Listing, with_query};
use super::check::{Chosen, address};
use super::context::{PageContext, redirect, sentence};
use super::prefs::Prefs;
use super::screens::{bulk_page, item_page, proposal_page, reasons_page};
use super::{bulk, item, login, reasons, screens};

struct Choice {
    action: Option<Action>,
    code: Option<String>,
}

/// Choosing the item's top prediction is APPROVE, any other code OVERRIDE.
fn choice(context: &PageContext<'_>, top: Option<&str>) -> Choice {
    let chosen = context.field("choice").unwrap_or_default();
    let code = match chosen.as_str() {
        "*" => return Choice { action: Some(Action::Approve), code: None },
        "" => return Choice { action: None, code: None },
        "reject" => return Choice { action: Some(Action::Reject), code: None },
        "code" => context.field("code"),
        code => Some(code.to_owned()),
    };
    if code.is_some() && code.as_deref() == top {
        return Choice { action: Some(Action::Approve), code: None };
    }
    Choice { action: code.as_ref().map(|_| Action::Override), code }
}

/// Decides a difference, or reopens it.
pub fn decide(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let id = call.path("id");
    let listing = Listing::parse(context.query());
    let version = context.field("version").and_then(|version| version.parse().ok());
    let comments = context.field("comment");
    // Determine the next item before this one leaves the list.
    let next = following(&context, &listing, id)?;
    let reopens = call.request.path().ends_with("/reopen");
    // The choice is compared with the prediction that the maker saw.
    let top = if reopens { None } else { context.field("top") };
    let choice = choice(&context, top.as_deref());
    let attribution_id = id.to_owned();
    let outcome = if reopens {
        context.desk.reopen(
            &context.actor,
            &Reopen {
                attribution_id,
                version,
                action: choice.action,
                new_reason_code: choice.code,
                comments,
            },
        )
    } else {
        context.desk.resolve(
            &context.actor,
            &Resolve {
                attribution_id,
                version,
                action: choice.action,
                new_reason_code: choice.code,
                comments,
            },
        )
    };
    match outcome {
        Ok(done) => {
            let said = match done.value.proposal_id {
                Some(proposal) => format!("proposed.{proposal}"),
                None => "done".to_owned(),
            };
            let back = || listing.with_position("/review/queue");
            Ok(redirect(&next.unwrap_or_else(back), &said))
        }
        Err(refusal) => refused_item(&context, id, refusal),
    }
}

/// The maker's judgment of a blind sample.
pub fn sample(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let id = call.path("id");
    let listing = Listing::parse(context.query());
    let next = following(&context, &listing, id)?;
    let choice = choice(&context, None);
    let comments = context.field("comment");
    if choice.action.is_none() {
        let message = "choose a cause or “Confirmed break”";
        return refused_item(&context, id, Refusal::new(Code::ActionRequired, message));
    }
    let outcome =
        context.desk.sample(&context.actor, id, choice.code.as_deref(), comments.as_deref());
    match outcome {
        Ok(_) => {
            Ok(redirect(&next.unwrap_or_else(|| listing.with_position("/review/queue")), "sampled"))
        }
        Err(refusal) => refused_item(&context, id, refusal),
    }
}

fn following(
    context: &PageContext<'_>,
    listing: &Listing,
    id: &str,
) -> Result<Option<String>, Denied> {
    let around =
        context.desk.queue(&context.actor, &listing.filter, &screens::around(context, listing))?;
    let at = around.items.iter().position(|item| item.attribution_id == id);
    let next = match at {
        Some(at) => around.items.get(at + 1).or_else(|| around.items.first()),
        None => around.items.first(),
    };
    Ok(next
        .filter(|item| item.attribution_id != id)
        .map(|item| listing.with_position(&format!("/review/items/{}", item.attribution_id))))
}

/// The item again, with the input and the reason for the refusal.
fn refused_item(context: &PageContext<'_>, id: &str, refusal: Refusal) -> Result<Response, Denied> {
    // Only then was somebody else quicker.
    let stale =
        matches!(refusal.code, Code::Stale | Code::AlreadyPending | Code::InvalidTransition);
    let typed = matches!(
        refusal.kind,
        RefusalKind::Malformed | RefusalKind::Invalid | RefusalKind::Conflict | RefusalKind::Stale
    );
    if !typed {
        return Err(refusal.into());
    }
    let status = refusal.kind.status();
    let refused = item::Refused {
        choice: context.field("choice").unwrap_or_default(),
        code: context.field("code").unwrap_or_default(),
        comment: context.field("comment").unwrap_or_default(),
        why: sentence(&refusal.message),
        stale,
    };
    item_page(context, id, Some(refused), status)
}

fn same_item(context: &PageContext<'_>, id: &str) -> String {
    Listing::parse(context.query()).with_position(&format!("/review/items/{id}"))
}

pub fn comment(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let id = call.path("id");
    context.desk.comment(&context.actor, id, &context.field("text").unwrap_or_default())?;
    Ok(redirect(&same_item(&context, id), "commented"))
}

/// Assigns a difference to the user, to someone else or to nobody.
pub fn assign(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let id = call.path("id");
    let to = context.field("to").unwrap_or_else(|| "me".to_owned());
    let (person, said) = match to.as_str() {
        "none" => (None, "given-back"),
        "me" => (Some("me"), "taken"),
        login => (Some(login), "given"),
    };
    match context.desk.assign(&context.actor, id, person) {
        Ok(_) => Ok(redirect(&same_item(&context, id), said)),
        Err(refusal) if refusal.code == Code::UnknownPerson => {
            Ok(redirect(&same_item(&context, id), "nobody"))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

pub fn bulk(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let ids: Vec<String> =
        call.form.iter().filter(|(name, _)| name == "id").map(|(_, id)| id.clone()).collect();
    if ids.is_empty() {
        return Err(Denied::invalid("", "select some differences first"));
    }
    let asked = bulk::Request {
        choice: context.field("choice").unwrap_or_default(),
        code: context.field("code"),
        filter: context.field("filter").unwrap_or_default(),
        ids,
    };
    bulk_page(&context, &asked, None, 200)
}

pub fn bulk_commit(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let asked = bulk::Request::from_form(&context);
    let comments = context.field("comment");
    let ask = BulkCommit {
        token: context.field("token").unwrap_or_default(),
        comments: comments.clone(),
        on_conflict: OnConflict::Abort,
    };
    match context.desk.bulk_commit(&context.actor, &ask) {
        Ok(done) => {
            let said = format!("proposed.{}", done.value.proposal.proposal_id);
            let mut listing = asked.listing();
            // The group is decided, so return to the whole queue.
            listing.filter.signature = None;
            listing.items = false;
            Ok(redirect(&listing.address("/review/queue"), &said))
        }
        Err(refusal) => {
            let again = matches!(
                refusal.kind,
                RefusalKind::Conflict
                    | RefusalKind::Stale
                    | RefusalKind::Gone
                    | RefusalKind::Invalid
            );
            if !again {
                return Err(refusal.into());
            }
            let status = refusal.kind.status();
            let why = format!("{} This is the present state.", sentence(&refusal.message));
            bulk_page(&context, &asked, Some((comments.unwrap_or_default(), why)), status)
                .or(Err(Denied::from(refusal)))
        }
    }
}

/// Proposals that were ticked in the list: one is approved at once, several after a preview.
pub fn check(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let which = list_of(&context);
    let values = |name: &'static str| {
        let fields = call.form.iter().filter(move |(own, _)| own == name);
        fields.map(|(_, value)| value.as_str())
    };
    let only = Chosen::parse(values("only"));
    let chosen = if only.is_empty() { Chosen::parse(values("id")) } else { only };
    let [one] = chosen.as_slice() else {
        if chosen.is_empty() {
            return Err(Denied::invalid("", "select some proposals first"));
        }
        return screens::several_page(&context, &chosen, &which, None, 200);
    };
    let ask = PageAsk { limit: Some(1), ..PageAsk::default() };
    let detail = context.desk.proposal(&context.actor, &one.proposal_id, &ask)?;
    if detail.proposal.count != 1 {
        return Ok(Response::see_other(&format!("/review/proposals/{}", one.proposal_id)));
    }
    match context.desk.approve(&context.actor, &approval(one)) {
        Ok(_) => {
            Ok(redirect(&address(&which), &format!("approved.{}", one.proposal_id)))
        }
        Err(refusal) => refused_proposal(&context, &one.proposal_id, refusal, String::new()),
    }
}

/// Approves the previewed proposals, each by itself; those that can't be are shown again.
pub fn check_commit(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let which = list_of(&context);
    let sent = call.form.iter().filter(|(name, _)| name == "id").map(|(_, id)| id.as_str());
    let chosen = Chosen::parse(sent);
    // Each approval is a request of its own.
    let actor = Actor { idempotency: None, ..context.actor.clone() };
    let (mut left, mut why) = (Vec::new(), None);
    for one in &chosen {
        if let Err(refusal) = context.desk.approve(&actor, &approval(one)) {
            why.get_or_insert(sentence(&refusal.message));
            left.push(one.clone());
        }
    }
    let Some(why) = why else {
        return Ok(redirect(&address(&which), &format!("several.{}", chosen.len())));
    };
    let (done, all) = (chosen.len() - left.len(), chosen.len());
    let wrong = format!("{done} of {all} were approved. The others were not: {why}");
    screens::several_page(&context, &left, &which, Some(wrong), 409)
}

fn list_of(context: &PageContext<'_>) -> String {
    let list = context.field("list").unwrap_or_default();
    if list == "to_authorize" { list } else { "to_check".to_owned() }
}

fn approval(chosen: &Chosen) -> Approve {
    Approve {
        proposal_id: chosen.proposal_id.clone(),
        if_match: chosen.tag.parse().ok(),
        content_hash: chosen.hash.parse().ok(),
        comments: None,
    }
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
    let next = screens::next_proposal(&context, id)?;
    let next = next.unwrap_or_else(|| "/review/check".to_owned());
    match context.desk.approve(&context.actor, &ask) {
        Ok(_) => Ok(redirect(&next, &format!("approved.{id}"))),
        Err(refusal) => refused_proposal(&context, id, refusal, String::new()),
    }
}

pub fn send_back(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let id = call.path("id");
    let ask = close(&context, id);
    match context.desk.send_back(&context.actor, &ask) {
        Ok(_) => Ok(redirect("/review/check", "returned")),
        Err(refusal) => refused_proposal(&context, id, refusal, ask.comments.unwrap_or_default()),
    }
}

pub fn withdraw(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let id = call.path("id");
    match context.desk.withdraw(&context.actor, &close(&context, id)) {
        Ok(_) => {
            let back = context.field("back").unwrap_or_else(|| "/review/work".to_owned());
            Ok(redirect(login::safe(&back), "withdrawn"))
        }
        Err(refusal) => refused_proposal(&context, id, refusal, String::new()),
    }
}

pub fn amend(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let id = call.path("id");
    let choice = choice(&context, context.field("top").as_deref());
    let comments = context.field("comment");
    let ask = Amend {
        proposal_id: id.to_owned(),
        if_match: context.field("version").and_then(|tag| tag.parse().ok()),
        action: choice.action,
        new_reason_code: choice.code,
        comments: comments.clone(),
    };
    match context.desk.amend(&context.actor, &ask) {
        Ok(_) => Ok(redirect(&format!("/review/proposals/{id}"), "")),
        Err(refusal) => refused_proposal(&context, id, refusal, comments.unwrap_or_default()),
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
fn refused_proposal(
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
    proposal_page(context, id, Some((typed, why)), refusal.kind.status())
        .or(Err(Denied::from(refusal)))
}

pub fn propose_reason(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let ask = ProposeReason {
        code: context.field("code").unwrap_or_default(),
        description: context.field("description").unwrap_or_default(),
        is_functional: context.field("functional").as_deref() == Some("yes"),
        closes: context.field("closes").as_deref() == Some("yes"),
        examples: context.field("like").into_iter().collect(),
        comments: context.field("comment"),
    };
    if !context.may(Permission::ProposeReason) {
        return Err(Refusal::new(
            Code::MissingPermission,
            "your roles don't allow proposing reason codes",
        )
        .into());
    }
    match context.desk.propose_reason(&context.actor, &ask) {
        Ok(done) => {
            let id = done.value.proposal.proposal_id;
            Ok(redirect(&format!("/review/proposals/{id}"), &format!("proposed.{id}")))
        }
        Err(refusal) => {
            let form = reasons::Form {
                code: ask.code,
                description: ask.description,
                functional: ask.is_functional,
                closes: ask.closes,
                comment: ask.comments.unwrap_or_default(),
                wrong: Some(sentence(&refusal.message)),
                key: context.key()?,
                like: ask.examples.into_iter().next(),
            };
            match refusal.kind {
                RefusalKind::Invalid | RefusalKind::Malformed | RefusalKind::Conflict => {
                    reasons_page(&context, form, refusal.kind.status())
                }
                _ => Err(refusal.into()),
            }
        }
    }
}

/// Saves the settings in a cookie.
pub fn profile(call: &Call<'_>) -> Result<Response, Denied> {
    let prefs = Prefs::from_form(&call.form);
    let address = with_query("/review/profile", [("said", "saved")]);
    Ok(Response::see_other(&address).header("set-cookie", prefs.set_cookie()))
}

/// Withdraws the user's last proposal.
pub fn undo(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    context.desk.undo(&context.actor)?;
    Ok(redirect("/review/work", "withdrawn"))
}
