//! Matching by hand: the chosen rows of both sides, their totals, and rows to add.

use std::collections::BTreeMap;

use askama::Template;

use crate::coding::escape;
use crate::diagnostic::Code as Problem;
use crate::review::{MatchPreview, MatchRows, MatchSum, Refusal, RefusalKind, ReviewItem};
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::server::parameter::{Kind, Parameter};
use crate::server::route::Route;
use crate::server::routes::{PROPOSE, get, post};

use super::address::with_query;
use super::context::{PageContext, html, redirect, sentence};
use super::frame::{Frame, Screen};
use super::item::distance;
use super::queue::{Code, codes};
use super::{difference, labels};

#[rustfmt::skip]
pub fn routes() -> Vec<Route> {
    vec![
        get("/review/match", "page_match", show, PROPOSE).takes(parameters()),
        post("/review/match", "page_propose_match", propose, PROPOSE),
        post("/review/matches/{id}/unmatch", "page_unmatch", unmatch, PROPOSE),
    ]
}

/// The queue sends its list and the code along.
fn parameters() -> [Parameter; 5] {
    let query = |name, description| Parameter::query(name, description, Kind::Text(4000));
    [
        query("id", "A chosen row").many(),
        query("around", "The row whose candidates are shown"),
        query("q", "Text to search the other side for"),
        query("filter", "The list of the queue"),
        query("code", "A code of the queue"),
    ]
}

#[derive(Template)]
#[template(path = "by_hand/by_hand.html")]
pub struct ByHand {
    pub frame: Frame,
    /// The chosen rows of A, and of B.
    pub sides: [Side; 2],
    pub sums: Vec<Sum>,
    /// Rows of the other side that may be added, and its name.
    pub others: Vec<Row>,
    pub other_system: String,
    /// There are more than these.
    pub more: bool,
    /// The chosen row around which others are listed.
    pub around: String,
    pub q: String,
    pub ids: Vec<String>,
    pub codes: Vec<Code>,
    pub code: String,
    pub comment: String,
    pub may_not_propose: Option<String>,
    pub outcome: String,
    pub triggers: Vec<String>,
    pub wrong: Option<String>,
    /// Idempotency key.
    pub key: String,
    pub back: String,
}

/// The chosen rows of one system.
pub struct Side {
    pub system: String,
    pub rows: Vec<Row>,
    /// Where rows of the other side are listed.
    pub others_href: Option<String>,
}

/// A row of a side.
pub struct Row {
    pub id: String,
    pub reference: String,
    pub counterparty: String,
    pub amount: String,
    pub date: String,
    /// Why the run did not match it.
    pub why: String,
    pub href: String,
}

/// Both sides' sums of an amount.
#[derive(Clone, Debug)]
pub struct Sum {
    pub name: String,
    pub a: String,
    pub b: String,
    pub difference: String,
}

impl Sum {
    pub fn of(sum: &MatchSum) -> Self {
        let currency = sum.currency.as_deref().unwrap_or_default();
        Self {
            name: format!("{} {currency}", labels::field(&sum.field)).trim_end().to_owned(),
            a: labels::amount(&sum.a),
            b: labels::amount(&sum.b),
            difference: labels::amount(&sum.difference),
        }
    }
}

impl Row {
    fn of(item: &ReviewItem, why: Option<&str>, amounts: &Amounts) -> Self {
        let own = amounts.get(&item.attribution_id).into_iter().flatten();
        let texts: Vec<String> = own
            .map(|sum| {
                // The other side of a single row has nothing.
                let amount = labels::amount(if sum.b == "0" { &sum.a } else { &sum.b });
                format!("{amount} {}", sum.currency.as_deref().unwrap_or_default())
            })
            .map(|text| text.trim_end().to_owned())
            .collect();
        Self {
            id: item.attribution_id.clone(),
            reference: difference::reference(item),
            counterparty: item.counterparty.clone().unwrap_or_default(),
            amount: texts.join(", "),
            date: item.batch_date.clone(),
            why: why.map(distance).unwrap_or_default(),
            href: format!("/review/items/{}", item.attribution_id),
        }
    }
}

/// The amounts of rows, by their ids.
type Amounts = BTreeMap<String, Vec<MatchSum>>;

/// A refused proposal: code, comment and why.
type Refused = (String, String, String);

pub fn show(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let of_query = context.query().iter().filter(|(name, _)| name == "id");
    let ids: Vec<String> = of_query.map(|(_, id)| id.clone()).collect();
    screen(&context, ids, None, 200)
}

pub fn propose(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let of_form = call.form.iter().filter(|(name, _)| name == "id");
    let ids: Vec<String> = of_form.map(|(_, id)| id.clone()).collect();
    let ask = MatchRows {
        ids: ids.clone(),
        reason_code: context.field("code"),
        comments: context.field("comment"),
    };
    match context.review.match_rows(&context.actor, &ask) {
        Ok(done) => {
            let said = format!("proposed.{}", done.value.proposal_id);
            Ok(redirect("/review/queue", &said))
        }
        Err(refusal) if typed(&refusal) => {
            let status = refusal.kind.status();
            let why = sentence(&refusal.message);
            let refused =
                (ask.reason_code.unwrap_or_default(), ask.comments.unwrap_or_default(), why);
            screen(&context, ids, Some(refused), status).or(Err(Denied::from(refusal)))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

fn typed(refusal: &Refusal) -> bool {
    matches!(
        refusal.kind,
        RefusalKind::Malformed | RefusalKind::Invalid | RefusalKind::Conflict | RefusalKind::Stale
    )
}

pub fn unmatch(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let comments = context.field("comment");
    let done = context.review.unmatch(&context.actor, call.path("id"), comments.as_deref())?;
    let id = done.value.proposal_id;
    Ok(redirect(&format!("/review/proposals/{id}"), &format!("proposed.{id}")))
}

fn screen(
    context: &PageContext<'_>,
    ids: Vec<String>,
    refused: Option<Refused>,
    status: u16,
) -> Result<Response, Denied> {
    if ids.is_empty() {
        return Err(Denied::new(Problem::Invalid, "select a row without a partner first"));
    }
    let (frame, _) = context.frame(Screen::Queue)?;
    let preview = context.review.match_preview(&context.actor, &ids)?;
    let chosen = || preview.rows_a.iter().chain(&preview.rows_b);
    let asked = context.asked("around");
    let around = chosen()
        .find(|item| item.attribution_id == asked)
        .or_else(|| chosen().find(|item| ids.first() == Some(&item.attribution_id)))
        .map(|item| item.attribution_id.clone())
        .unwrap_or_default();
    let q = context.asked("q").trim();
    let found = context.review.match_candidates(&context.actor, &around, Some(q), None)?;
    let systems = context.review.item(&context.actor, &around)?.item.systems;
    let system = |at: usize| systems.get(at).cloned().unwrap_or_default();
    let is_of_a = preview.rows_a.iter().any(|item| item.attribution_id == around);
    let shown = chosen().chain(found.items.iter().map(|one| &one.item));
    let shown: Vec<&str> = shown.map(|item| item.attribution_id.as_str()).collect();
    let amounts = context.review.match_amounts(&context.actor, &shown)?;
    let (code, comment, wrong) = match refused {
        Some((code, comment, why)) => (code, comment, Some(why)),
        None => Default::default(),
    };
    let page = ByHand {
        frame,
        sides: [
            side(&system(0), &preview.rows_a, &ids, &amounts),
            side(&system(1), &preview.rows_b, &ids, &amounts),
        ],
        sums: preview.sums.iter().map(Sum::of).collect(),
        others: found
            .items
            .iter()
            .filter(|one| !ids.contains(&one.item.attribution_id))
            .map(|one| Row::of(&one.item, one.why.as_deref(), &amounts))
            .collect(),
        other_system: system(usize::from(is_of_a)),
        more: found.more,
        back: format!("/review/items/{around}"),
        around,
        q: q.to_owned(),
        codes: codes(&context.review.reason_codes(&context.actor, None)?),
        code,
        comment,
        may_not_propose: preview.may_not_propose.as_deref().map(sentence),
        outcome: preview.what_next.clone(),
        triggers: triggers(&preview),
        wrong,
        key: context.key()?,
        ids,
    };
    html(status, &page)
}

fn triggers(preview: &MatchPreview) -> Vec<String> {
    preview.triggers.iter().map(|fired| labels::trigger(fired.trigger, &fired.value)).collect()
}

fn side(system: &str, rows: &[ReviewItem], ids: &[String], amounts: &Amounts) -> Side {
    let others_href = rows.first().map(|item| {
        let mut address = with_query("/review/match", [("around", item.attribution_id.as_str())]);
        for id in ids {
            address.push_str("&id=");
            address.push_str(&escape(id));
        }
        address
    });
    Side {
        system: system.to_owned(),
        rows: rows.iter().map(|item| Row::of(item, None, amounts)).collect(),
        others_href,
    }
}
