//! The user's decisions, and those that can still be withdrawn.

use askama::Template;

use crate::domain::Instant;
use crate::review::{InboxEntry, Page, ProposalFilter, Summary};
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::server::parameter::Parameter;
use crate::server::route::Route;
use crate::server::routes::{PROPOSE, VIEW, get, post};

use super::address::with_query;
use super::context::{PageContext, html, redirect};
use super::frame::{Frame, Screen, Undo};
use super::{check, difference, file, labels};

#[rustfmt::skip]
pub fn routes() -> Vec<Route> {
    vec![
        get("/review/work", "page_work", show, VIEW).takes([Parameter::cursor(), file::parameter()]),
        post("/review/undo", "page_undo", undo, PROPOSE),
    ]
}

#[derive(Template)]
#[template(path = "work/work.html")]
pub struct Work {
    pub frame: Frame,
    pub figures: Vec<(String, String, String)>,
    pub rows: Vec<Row>,
    pub next: Option<String>,
    /// Address and name of each file of this list.
    pub exports: Vec<(String, &'static str)>,
}

#[derive(Clone, Debug)]
pub struct Row {
    pub href: String,
    pub title: String,
    /// The record of a proposal about one.
    pub reference: String,
    pub about: String,
    pub count: u64,
    /// Word and class.
    pub state: (&'static str, &'static str),
    /// Comment of the checker who sent it back.
    pub answer: String,
    pub when: String,
    /// Present while it can be withdrawn.
    pub undo: Option<Undo>,
}

impl Work {
    pub fn new(
        frame: Frame,
        summary: &Summary,
        page: &Page<InboxEntry>,
        now: Instant,
        key: &str,
    ) -> Self {
        let figure =
            |name: &str, value: String, meaning: &str| (name.to_owned(), value, meaning.to_owned());
        Self {
            frame,
            figures: vec![
                figure(
                    "Today",
                    labels::count(&summary.decided_today),
                    "items decided since midnight UTC",
                ),
                figure(
                    "Pace",
                    format!("{:.1} / min", summary.decisions_per_minute),
                    "in the minutes of the last hour with a decision",
                ),
                figure(
                    "Sent back",
                    labels::percent(summary.sent_back_rate),
                    "of my proposals of the last 30 days",
                ),
                figure("Open", labels::count(&summary.mine), "my proposals that await others"),
            ],
            rows: page.items.iter().map(|entry| row(entry, now, key)).collect(),
            exports: file::links("/review/work"),
            next: page
                .next
                .as_ref()
                .map(|cursor| with_query("/review/work", [("cursor", cursor.as_str())])),
        }
    }
}

fn row(entry: &InboxEntry, now: Instant, key: &str) -> Row {
    let proposal = &entry.proposal;
    let about = difference::named(&proposal.label, &difference::systems(entry.item.iter()));
    let reference = entry.item.as_ref().filter(|_| proposal.count == 1).map(difference::reference);
    let href = format!("/review/proposals/{}", proposal.proposal_id);
    let answer =
        proposal.approvals.iter().rev().find(|one| one.decision != "APPROVE").and_then(|one| {
            one.comments.as_ref().map(|text| format!("{}: {text}", one.person_name))
        });
    Row {
        title: check::title(proposal),
        reference: reference.unwrap_or_default(),
        about,
        count: proposal.count,
        state: labels::proposal(proposal.state),
        answer: answer.unwrap_or_default(),
        when: labels::ago(now, &proposal.created_at),
        undo: (proposal.state.is_open() && proposal.may_withdraw).then(|| Undo {
            action: format!("{href}/withdraw"),
            version: proposal.tag.clone(),
            key: format!("{key}-{}", proposal.proposal_id),
            back: "/review/work".to_owned(),
        }),
        href,
    }
}

pub fn show(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let (frame, summary) = context.frame(Screen::Work)?;
    let filter = ProposalFilter {
        maker: Some(context.actor.person_id.clone()),
        ..ProposalFilter::default()
    };
    if let Some(format) = file::asked(&context) {
        return check::proposals_file(&context, &filter, format);
    }
    let page = context.review.inbox(&context.actor, &filter, &context.page_asked())?;
    html(200, &Work::new(frame, &summary, &page, context.now, &context.key()?))
}

/// Withdraws the user's last proposal.
pub fn undo(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    context.review.undo(&context.actor)?;
    Ok(redirect("/review/work", "withdrawn"))
}
