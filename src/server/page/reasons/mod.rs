//! Reason codes, and the form to propose one.

use askama::Template;

use crate::diagnostic::Code;
use crate::domain::Instant;
use crate::domain::review::{Permission, ProposalKind};
use crate::review::{
    ProposalFilter, ProposalView, ProposeReason, ReasonEntry, Refusal, RefusalKind, ReviewItem,
};
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::server::parameter::{Kind, Parameter};
use crate::server::route::Access::OneOf;
use crate::server::route::Route;
use crate::server::routes::{VIEW, get, post};

use super::context::{PageContext, html, redirect, sentence};
use super::frame::{Frame, Screen};
use super::{difference, file, labels};

#[rustfmt::skip]
pub fn routes() -> Vec<Route> {
    vec![
        get("/review/reasons", "page_reasons", show, VIEW).takes([file::parameter(), Parameter::query("like", "An item, as the example of a new code", Kind::Text(100))]),
        post("/review/reasons", "page_propose_reason", propose, OneOf(&[Permission::ProposeReason])),
    ]
}

#[derive(Template)]
#[template(path = "reasons/reasons.html")]
pub struct Reasons {
    pub frame: Frame,
    pub reasons: Vec<Reason>,
    pub proposed: Vec<Proposed>,
    /// The user may propose one.
    pub may_propose: bool,
    /// The example of the proposed code.
    pub like: Option<Like>,
    pub form: Form,
    /// Address and name of each file of this list.
    pub exports: Vec<(String, &'static str)>,
}

pub struct Data<'a> {
    pub entries: &'a [ReasonEntry],
    pub proposed: &'a [ProposalView],
    /// The user may propose one.
    pub may_propose: bool,
    /// The example of the proposed code.
    pub like: Option<&'a ReviewItem>,
    pub now: Instant,
}

#[derive(Clone, Debug)]
pub struct Reason {
    pub code: String,
    pub description: String,
    pub functional: bool,
    /// Closes open items.
    pub closes: bool,
    /// In use.
    pub active: bool,
    pub origin: String,
    /// Differences for which users chose it over the prediction.
    pub used: u64,
}

#[derive(Clone, Debug)]
pub struct Proposed {
    pub title: String,
    pub by: String,
    pub href: String,
    /// Word and class.
    pub state: (&'static str, &'static str),
}

/// The example of a proposed code.
#[derive(Clone, Debug, Default)]
pub struct Like {
    pub id: String,
    pub name: String,
    pub href: String,
    /// The signature of similar items, and how many are undecided.
    pub label: String,
}

/// The form to propose a code.
#[derive(Clone, Debug, Default)]
pub struct Form {
    pub code: String,
    pub description: String,
    pub functional: bool,
    pub closes: bool,
    pub comment: String,
    pub wrong: Option<String>,
    /// The id of the example.
    pub like: Option<String>,
    /// Idempotency key.
    pub key: String,
}

impl Reasons {
    pub fn new(frame: Frame, answers: &Data<'_>, form: Form) -> Self {
        let (entries, may_propose) = (answers.entries, answers.may_propose);
        let mut reasons: Vec<Reason> = entries
            .iter()
            .map(|entry| Reason {
                code: entry.reason.code.clone(),
                description: entry.reason.description.clone(),
                functional: entry.reason.is_functional,
                closes: entry.closes,
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
            let label = difference::named(&label, &difference::systems(std::iter::once(item)));
            let many = item.group_size.filter(|size| *size > 1).map(|size| labels::items(&size));
            Like {
                id: item.attribution_id.clone(),
                name: format!(
                    "{}, {}",
                    difference::reference(item),
                    labels::field(&item.difference.field_name)
                ),
                href: format!("/review/items/{}", item.attribution_id),
                label: many
                    .map_or_else(|| label.clone(), |many| format!("{label} ({many} undecided)")),
            }
        });
        let exports = file::links("/review/reasons");
        Self { frame, reasons, proposed, may_propose, like, form, exports }
    }
}

pub fn show(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let like = Some(context.asked("like").to_owned()).filter(|like| !like.is_empty());
    let form = Form { key: context.key()?, like, ..Form::default() };
    page(&context, form, 200)
}

/// `form` may hold a refused proposal.
pub fn page(context: &PageContext<'_>, form: Form, status: u16) -> Result<Response, Denied> {
    let (frame, _) = context.frame(Screen::Reasons)?;
    let entries = context.review.reasons(&context.actor, None, None)?;
    if let Some(format) = file::asked(context) {
        return file::response(format, "recon-reasons", &entries);
    }
    let filter =
        ProposalFilter { kind: Some(ProposalKind::ReasonCode), ..ProposalFilter::default() };
    let proposed = context.review.proposals(&context.actor, &filter, &context.page(None))?;
    let like = match form.like.as_deref() {
        Some(id) => Some(context.review.item(&context.actor, id)?.item),
        None => None,
    };
    let answers = Data {
        entries: &entries,
        proposed: &proposed.items,
        may_propose: context.may(Permission::ProposeReason),
        like: like.as_ref(),
        now: context.now,
    };
    html(status, &Reasons::new(frame, &answers, form))
}

pub fn propose(call: &Call<'_>) -> Result<Response, Denied> {
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
    match context.review.propose_reason(&context.actor, &ask) {
        Ok(done) => {
            let id = done.value.proposal.proposal_id;
            Ok(redirect(&format!("/review/proposals/{id}"), &format!("proposed.{id}")))
        }
        Err(refusal) => {
            let form = Form {
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
                    page(&context, form, refusal.kind.status())
                }
                _ => Err(refusal.into()),
            }
        }
    }
}
