//! The forms of the pages: each becomes one request to the services, and leads on to a page.

use crate::diagnostic::Code;
use crate::domain::review::{Action, Permission};
use crate::review::{
    Amend, Approve, BulkCommit, Close, OnConflict, ProposeReason, Refusal, RefusalKind, Reopen,
    Resolve,
};
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;

use super::address::{Listing, with_query};
use super::context::{Here, on, sentence};
use super::prefs::Prefs;
use super::screens::{bulk_page, item_page, profile_page, proposal_page, reasons_page};
use super::{bulk, item, reasons, screens};

/// What the maker chose.
struct Choice {
    action: Option<Action>,
    code: Option<String>,
}

/// Reads the choice. The item's present top cause is APPROVE, any other code OVERRIDE.
fn choice(here: &Here<'_>, top: Option<&str>) -> Choice {
    let chosen = here.field("choice").unwrap_or_default();
    let code = match chosen.as_str() {
        "*" => return Choice { action: Some(Action::Approve), code: None },
        "" => return Choice { action: None, code: None },
        "reject" => return Choice { action: Some(Action::Reject), code: None },
        "code" => here.field("code"),
        code => Some(code.to_owned()),
    };
    if code.is_some() && code.as_deref() == top {
        return Choice { action: Some(Action::Approve), code: None };
    }
    Choice { action: code.as_ref().map(|_| Action::Override), code }
}

/// Decides a difference, or decides it anew.
pub fn decide(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    let id = call.path("id");
    let listing = Listing::parse(here.query());
    let version = here.field("version").and_then(|version| version.parse().ok());
    let comments = here.field("comment");
    // Where to go afterwards must be asked before the item leaves the list.
    let next = following(&here, &listing, id)?;
    let reopens = call.request.path().ends_with("/reopen");
    // What is undecided is compared with the machine's guess as the maker saw it.
    let top = if reopens { None } else { here.field("top") };
    let choice = choice(&here, top.as_deref());
    let attribution_id = id.to_owned();
    let outcome = if reopens {
        here.desk.reopen(
            &here.actor,
            &Reopen {
                attribution_id,
                version,
                action: choice.action,
                new_reason_code: choice.code,
                comments,
            },
        )
    } else {
        here.desk.resolve(
            &here.actor,
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
            let back = || listing.here("/review/queue");
            Ok(on(&next.unwrap_or_else(back), &said))
        }
        Err(refusal) => refused_item(&here, id, refusal),
    }
}

/// A blind sample: what the maker thinks, not knowing what the machine said.
pub fn sample(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    let id = call.path("id");
    let listing = Listing::parse(here.query());
    let next = following(&here, &listing, id)?;
    let choice = choice(&here, None);
    let comments = here.field("comment");
    if choice.action.is_none() {
        let message = "choose a reason, or that it is a confirmed break";
        return refused_item(&here, id, Refusal::new(Code::ActionRequired, message));
    }
    let outcome = here.desk.sample(&here.actor, id, choice.code.as_deref(), comments.as_deref());
    match outcome {
        Ok(_) => Ok(on(&next.unwrap_or_else(|| listing.here("/review/queue")), "sampled")),
        Err(refusal) => refused_item(&here, id, refusal),
    }
}

/// The item after this one in its list.
fn following(here: &Here<'_>, listing: &Listing, id: &str) -> Result<Option<String>, Denied> {
    let around = here.desk.queue(&here.actor, &listing.filter, &screens::around(here, listing))?;
    let at = around.items.iter().position(|item| item.attribution_id == id);
    let next = match at {
        Some(at) => around.items.get(at + 1).or_else(|| around.items.first()),
        None => around.items.first(),
    };
    Ok(next
        .filter(|item| item.attribution_id != id)
        .map(|item| listing.here(&format!("/review/items/{}", item.attribution_id))))
}

/// The item again, with what was typed and why it was not taken.
fn refused_item(here: &Here<'_>, id: &str, refusal: Refusal) -> Result<Response, Denied> {
    let stale = matches!(refusal.kind, RefusalKind::Conflict | RefusalKind::Stale);
    let typed = matches!(refusal.kind, RefusalKind::Malformed | RefusalKind::Invalid);
    if !stale && !typed {
        return Err(refusal.into());
    }
    let status = refusal.kind.status();
    let refused = item::Refused {
        choice: here.field("choice").unwrap_or_default(),
        code: here.field("code").unwrap_or_default(),
        comment: here.field("comment").unwrap_or_default(),
        why: sentence(&refusal.message),
        stale,
    };
    item_page(here, id, Some(refused), status)
}

/// The address of the page that a form of an item was sent from.
fn same_item(here: &Here<'_>, id: &str) -> String {
    Listing::parse(here.query()).here(&format!("/review/items/{id}"))
}

/// Says something about a difference.
pub fn comment(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    let id = call.path("id");
    here.desk.comment(&here.actor, id, &here.field("text").unwrap_or_default())?;
    Ok(on(&same_item(&here, id), "commented"))
}

/// Takes a difference, gives it back, or gives it to somebody.
pub fn assign(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    let id = call.path("id");
    let to = here.field("to").unwrap_or_else(|| "me".to_owned());
    let (person, said) = match to.as_str() {
        "none" => (None, "given-back"),
        "me" => (Some("me"), "taken"),
        login => (Some(login), "given"),
    };
    match here.desk.assign(&here.actor, id, person) {
        Ok(_) => Ok(on(&same_item(&here, id), said)),
        Err(refusal) if refusal.code == Code::UnknownPerson => {
            Ok(on(&same_item(&here, id), "nobody"))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// The preview of a decision about selected differences.
pub fn bulk(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    let ids: Vec<String> =
        call.form.iter().filter(|(name, _)| name == "id").map(|(_, id)| id.clone()).collect();
    if ids.is_empty() {
        return Err(Denied::invalid("", "select some differences first"));
    }
    let asked = bulk::Asked {
        choice: here.field("choice").unwrap_or_default(),
        code: here.field("code"),
        filter: here.field("filter").unwrap_or_default(),
        ids,
    };
    bulk_page(&here, &asked, None, 200)
}

/// Proposes what a preview showed.
pub fn bulk_commit(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    let asked = bulk::Asked::from_form(&here);
    let comments = here.field("comment");
    let ask = BulkCommit {
        token: here.field("token").unwrap_or_default(),
        comments: comments.clone(),
        on_conflict: OnConflict::Abort,
    };
    match here.desk.bulk_commit(&here.actor, &ask) {
        Ok(done) => {
            let said = format!("proposed.{}", done.value.proposal.proposal_id);
            let mut listing = asked.listing();
            // The group is decided; what is left is the queue.
            listing.filter.signature = None;
            listing.items = false;
            Ok(on(&listing.address("/review/queue"), &said))
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
            let why = format!("{} This is how it is now.", sentence(&refusal.message));
            bulk_page(&here, &asked, Some((comments.unwrap_or_default(), why)), status)
                .or(Err(Denied::from(refusal)))
        }
    }
}

/// Approves, as checker or as authorizer.
pub fn approve(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    let id = call.path("id");
    let ask = Approve {
        proposal_id: id.to_owned(),
        if_match: here.field("version").and_then(|tag| tag.parse().ok()),
        content_hash: here.field("content_hash").and_then(|hash| hash.parse().ok()),
        comments: None,
    };
    match here.desk.approve(&here.actor, &ask) {
        Ok(_) => Ok(on("/review/check", &format!("approved.{id}"))),
        Err(refusal) => refused_proposal(&here, id, refusal, String::new()),
    }
}

/// Sends back.
pub fn send_back(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    let id = call.path("id");
    let ask = close(&here, id);
    match here.desk.send_back(&here.actor, &ask) {
        Ok(_) => Ok(on("/review/check", "returned")),
        Err(refusal) => refused_proposal(&here, id, refusal, ask.comments.unwrap_or_default()),
    }
}

/// Takes a proposal of one's own back.
pub fn withdraw(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    let id = call.path("id");
    match here.desk.withdraw(&here.actor, &close(&here, id)) {
        Ok(_) => Ok(on("/review/work", "withdrawn")),
        Err(refusal) => refused_proposal(&here, id, refusal, String::new()),
    }
}

/// Changes what a proposal says.
pub fn amend(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    let id = call.path("id");
    let choice = choice(&here, here.field("top").as_deref());
    let comments = here.field("comment");
    let ask = Amend {
        proposal_id: id.to_owned(),
        if_match: here.field("version").and_then(|tag| tag.parse().ok()),
        action: choice.action,
        new_reason_code: choice.code,
        comments: comments.clone(),
    };
    match here.desk.amend(&here.actor, &ask) {
        Ok(_) => Ok(on(&format!("/review/proposals/{id}"), "")),
        Err(refusal) => refused_proposal(&here, id, refusal, comments.unwrap_or_default()),
    }
}

fn close(here: &Here<'_>, id: &str) -> Close {
    Close {
        proposal_id: id.to_owned(),
        if_match: here.field("version").and_then(|tag| tag.parse().ok()),
        comments: here.field("comment"),
    }
}

/// The proposal again, as it is now, and why the step was not taken.
fn refused_proposal(
    here: &Here<'_>,
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
    proposal_page(here, id, Some((typed, why)), refusal.kind.status())
        .or(Err(Denied::from(refusal)))
}

/// Proposes a reason code.
pub fn propose_reason(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    let ask = ProposeReason {
        code: here.field("code").unwrap_or_default(),
        description: here.field("description").unwrap_or_default(),
        is_functional: here.field("functional").as_deref() == Some("yes"),
        examples: here.field("like").into_iter().collect(),
        comments: here.field("comment"),
    };
    if !here.may(Permission::ProposeReason) {
        return Err(Refusal::new(Code::MissingPermission, "your roles propose no reasons").into());
    }
    match here.desk.propose_reason(&here.actor, &ask) {
        Ok(done) => {
            let id = done.value.proposal.proposal_id;
            Ok(on(&format!("/review/proposals/{id}"), &format!("proposed.{id}")))
        }
        Err(refusal) => {
            let form = reasons::Form {
                code: ask.code,
                description: ask.description,
                functional: ask.is_functional,
                comment: ask.comments.unwrap_or_default(),
                wrong: Some(sentence(&refusal.message)),
                key: here.key()?,
                like: ask.examples.into_iter().next(),
            };
            match refusal.kind {
                RefusalKind::Invalid | RefusalKind::Malformed | RefusalKind::Conflict => {
                    reasons_page(&here, form, refusal.kind.status())
                }
                _ => Err(refusal.into()),
            }
        }
    }
}

/// Keeps the settings of the page.
pub fn profile(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    let prefs = Prefs::from_form(&call.form);
    if let Some(key) = prefs.clash() {
        let here = Here { prefs, ..here };
        return profile_page(&here, Some(format!("two things can't be on the key {key}")), 422);
    }
    let address = with_query("/review/profile", [("said", "saved")]);
    Ok(Response::see_other(&address).header("set-cookie", prefs.set_cookie()))
}

/// Takes the last decision of one's own back.
pub fn undo(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    here.desk.undo(&here.actor)?;
    Ok(on("/review/work", "withdrawn"))
}
