//! The forms of a difference: decide, reopen, judge a sample, comment, assign.

use crate::diagnostic;
use crate::domain::review::Action;
use crate::review::{Refusal, RefusalKind, Reopen, Resolve};
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::server::page::address::Listing;
use crate::server::page::context::{PageContext, redirect, sentence};

use super::{Refused, around, page};

pub struct Choice {
    pub action: Option<Action>,
    pub code: Option<String>,
}

/// Choosing the item's top prediction is APPROVE, any other code OVERRIDE.
pub fn choice(context: &PageContext<'_>, top: Option<&str>) -> Choice {
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

fn no_choice() -> Refusal {
    let message = "choose a cause or “Confirmed break”";
    Refusal::new(diagnostic::Code::ActionRequired, message)
}

/// Decides a difference, or reopens it.
pub fn decide_form(call: &Call<'_>) -> Result<Response, Denied> {
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
    if choice.action.is_none() {
        return refused(&context, id, no_choice());
    }
    let attribution_id = id.to_owned();
    let outcome = if reopens {
        context.review.reopen(
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
        context.review.resolve(
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
        Err(refusal) => refused(&context, id, refusal),
    }
}

/// The maker's judgment of a blind sample.
pub fn sample_form(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let id = call.path("id");
    let listing = Listing::parse(context.query());
    let next = following(&context, &listing, id)?;
    let choice = choice(&context, None);
    let comments = context.field("comment");
    if choice.action.is_none() {
        return refused(&context, id, no_choice());
    }
    let outcome =
        context.review.sample(&context.actor, id, choice.code.as_deref(), comments.as_deref());
    match outcome {
        Ok(_) => {
            Ok(redirect(&next.unwrap_or_else(|| listing.with_position("/review/queue")), "sampled"))
        }
        Err(refusal) => refused(&context, id, refusal),
    }
}

fn following(
    context: &PageContext<'_>,
    listing: &Listing,
    id: &str,
) -> Result<Option<String>, Denied> {
    let around =
        context.review.queue(&context.actor, &listing.filter, &around(context, listing))?;
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
fn refused(context: &PageContext<'_>, id: &str, refusal: Refusal) -> Result<Response, Denied> {
    // Only then was another user quicker.
    let stale = matches!(
        refusal.code,
        diagnostic::Code::Stale
            | diagnostic::Code::AlreadyPending
            | diagnostic::Code::InvalidTransition
    );
    let typed = matches!(
        refusal.kind,
        RefusalKind::Malformed | RefusalKind::Invalid | RefusalKind::Conflict | RefusalKind::Stale
    );
    if !typed {
        return Err(refusal.into());
    }
    let status = refusal.kind.status();
    let refused = Refused {
        choice: context.field("choice").unwrap_or_default(),
        code: context.field("code").unwrap_or_default(),
        comment: context.field("comment").unwrap_or_default(),
        why: sentence(&refusal.message),
        stale,
    };
    page(context, id, Some(refused), status)
}

fn same_item(context: &PageContext<'_>, id: &str) -> String {
    Listing::parse(context.query()).with_position(&format!("/review/items/{id}"))
}

pub fn comment(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let id = call.path("id");
    context.review.comment(&context.actor, id, &context.field("text").unwrap_or_default())?;
    Ok(redirect(&same_item(&context, id), "commented"))
}

/// Assigns a difference to the user or someone else, or removes the assignee.
pub fn assign_form(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let id = call.path("id");
    let to = context.field("to").unwrap_or_else(|| "me".to_owned());
    let (person, said) = match to.as_str() {
        "none" => (None, "given-back"),
        "me" => (Some("me"), "taken"),
        login => (Some(login), "given"),
    };
    match context.review.assign(&context.actor, id, person) {
        Ok(_) => Ok(redirect(&same_item(&context, id), said)),
        Err(refusal) if refusal.code == diagnostic::Code::UnknownPerson => {
            Ok(redirect(&same_item(&context, id), "nobody"))
        }
        Err(refusal) => Err(refusal.into()),
    }
}
