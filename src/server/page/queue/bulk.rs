//! Preview of a decision about many differences.

use askama::Template;

use crate::diagnostic;
use crate::domain::review::Action;
use crate::domain::review::state::is_cause;
use crate::review::{
    AmountSum, BulkCommit, BulkPreview, BulkPreviewAsk, Excluded, OnConflict, QueueFilter,
    ReasonEntry, RefusalKind, ReviewItem, Share,
};
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::server::page::address::Listing;
use crate::server::page::context::{PageContext, html, redirect, sentence};
use crate::server::page::fragment::{Bar, Value};
use crate::server::page::frame::{Frame, Screen};
use crate::server::page::{difference, item, labels};
use crate::server::parameter::{Kind, Parameter};
use crate::server::target::pairs;

use super::{Code, codes};

#[derive(Template)]
#[template(path = "queue/bulk.html")]
pub struct Bulk {
    pub frame: Frame,
    pub token: String,
    /// Idempotency key.
    pub key: String,
    /// As `Accept ROUNDING_DIFF`.
    pub title: String,
    pub count: u64,
    pub amount: Option<String>,
    pub outcome: String,
    /// Why six eyes are needed.
    pub triggers: Vec<String>,
    /// Name, number, share.
    pub breakdown: Vec<(String, String, Bar)>,
    /// Values that all items share.
    pub common: Vec<String>,
    /// Items that do not fit the others.
    pub outliers: Vec<Sample>,
    pub samples: Vec<Sample>,
    /// The names of the two sides.
    pub systems: [String; 2],
    pub excluded: Vec<LeftOut>,
    /// The user must confirm having looked at the samples.
    pub must_look: bool,
    pub needs_comment: bool,
    pub comment: String,
    pub wrong: Option<String>,
    pub back: String,
    /// The request, carried to the next form.
    pub asked: Request,
    /// The same items with another cause.
    pub other_href: Option<String>,
}

#[derive(Clone, Debug)]
pub struct LeftOut {
    pub reference: String,
    pub field: String,
    pub href: String,
    pub why: String,
}

impl LeftOut {
    fn new(one: &Excluded) -> Self {
        Self {
            reference: one.reference.clone().unwrap_or_else(|| "(no reference)".to_owned()),
            field: labels::field(&one.field_name).to_owned(),
            href: format!("/review/items/{}", one.id),
            why: sentence(&one.why),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Sample {
    pub reference: String,
    pub field: String,
    pub href: String,
    pub sides: (Value, Value),
    pub guess: String,
    pub note: String,
    /// What recon knew: the likely causes with their evidence.
    pub known: Vec<item::Guess>,
}

impl Sample {
    /// With what recon knew of it.
    pub fn knowing(self, item: &ReviewItem, reasons: &[ReasonEntry]) -> Self {
        Self { known: item::guesses(item, reasons, None), ..self }
    }
}

/// The request, carried from the list to the preview to the commit.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `*` accepts the predictions, `-` confirms breaks; else `code`, or a reason code.
    pub choice: String,
    pub code: Option<String>,
    pub filter: String,
    /// Empty for the whole list.
    pub ids: Vec<String>,
}

impl Request {
    pub fn from_form(context: &PageContext<'_>) -> Self {
        Self {
            choice: context.field("choice").unwrap_or_default(),
            code: context.field("code"),
            filter: context.field("filter").unwrap_or_default(),
            ids: context
                .field("ids")
                .map(|ids| ids.split(',').map(str::to_owned).collect())
                .unwrap_or_default(),
        }
    }

    pub fn listing(&self) -> Listing {
        let query = self.filter.strip_prefix('?').unwrap_or(&self.filter);
        Listing::parse(&pairs(query).unwrap_or_default())
    }
}

#[derive(Template)]
#[template(path = "queue/choose.html")]
pub struct Choose {
    pub frame: Frame,
    /// The form carries ids and must be posted.
    pub ids: Vec<String>,
    /// The likely causes can't be accepted: there are none.
    pub abstained: bool,
    pub kept: Vec<(String, String)>,
    pub codes: Vec<Code>,
    pub filter: String,
    pub back: String,
}

impl Choose {
    pub fn new(frame: Frame, asked: &Request, back: String, reasons: &[ReasonEntry]) -> Self {
        let kept = asked.listing().pairs();
        Self {
            frame,
            ids: asked.ids.clone(),
            abstained: false,
            kept: kept.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            codes: codes(reasons),
            filter: asked.filter.clone(),
            back,
        }
    }
}

pub struct Data<'a> {
    pub preview: &'a BulkPreview,
    pub asked: &'a Request,
    pub back: String,
    /// Idempotency key.
    pub key: String,
    /// The refused comment, and why.
    pub refused: Option<(String, String)>,
}

/// Above this many items the user must look at the samples.
const LOOK_ABOVE: u64 = 100;
/// Most excluded items that are listed.
const EXCLUDED_SHOWN: usize = 20;

impl Bulk {
    pub fn new(frame: Frame, answers: &Data<'_>) -> Self {
        let preview = answers.preview;
        let systems = difference::systems(preview.sample.iter());
        let shared = |share: &Share| shared(share, &systems);
        let (comment, wrong) = answers.refused.clone().unzip();
        Self {
            frame,
            token: preview.token.clone(),
            key: answers.key.clone(),
            title: labels::decision(
                preview.action,
                preview.new_reason_code.as_deref().or_else(|| common(preview)),
            ),
            count: preview.count,
            amount: sums(&preview.amount_sum),
            outcome: preview.what_next.clone(),
            triggers: preview
                .triggers
                .iter()
                .map(|fired| labels::trigger(fired.trigger, &fired.value))
                .collect(),
            breakdown: preview
                .breakdown
                .iter()
                .filter(|share| share.count < preview.count)
                .map(|share| {
                    let part = share.count as f64 / preview.count.max(1) as f64;
                    (shared(share), labels::count(&share.count), Bar::share(part))
                })
                .collect(),
            common: preview
                .breakdown
                .iter()
                .filter(|share| share.count == preview.count)
                .map(&shared)
                .collect(),
            outliers: preview.outliers.iter().map(sample).collect(),
            samples: preview.sample.iter().map(sample).collect(),
            excluded: preview.excluded.iter().take(EXCLUDED_SHOWN).map(LeftOut::new).collect(),
            must_look: preview.count > LOOK_ABOVE,
            needs_comment: preview.action.needs_comment(),
            comment: comment.unwrap_or_default(),
            wrong,
            back: answers.back.clone(),
            other_href: answers.asked.ids.is_empty().then(|| {
                let address = answers.asked.listing().address("/review/bulk");
                format!("{address}&choice=code")
            }),
            asked: answers.asked.clone(),
            systems,
        }
    }
}

fn shared(share: &Share, systems: &[String]) -> String {
    match share.by.as_str() {
        "field" | "field_name" => labels::field(&share.value).to_owned(),
        "diff_type" | "type" => difference::kind(&share.value, systems),
        "severity" => format!("{} severity", share.value.to_lowercase()),
        _ => share.value.clone(),
    }
}

/// The common code, if predictions are accepted.
fn common(preview: &BulkPreview) -> Option<&str> {
    let mut codes =
        preview.sample.iter().map(|item| item.predictions.first().map(|guess| guess.code.as_str()));
    let first = codes.next()??;
    codes.all(|code| code == Some(first)).then_some(first)
}

pub fn sums(sums: &[AmountSum]) -> Option<String> {
    let text: Vec<String> = sums
        .iter()
        .map(|one| {
            let currency = one.currency.as_deref().unwrap_or_default();
            format!("{} {currency}", labels::amount(&one.sum)).trim_end().to_owned()
        })
        .collect();
    (!text.is_empty()).then(|| text.join(", "))
}

/// The same in a narrow column: more than two currencies are only counted.
pub fn few_sums(all: &[AmountSum]) -> String {
    match all {
        [first, second, _, ..] => {
            let shown = sums(&[first.clone(), second.clone()]).unwrap_or_default();
            match all.len() - 2 {
                1 => format!("{shown} and one other currency"),
                others => format!("{shown} and {others} other currencies"),
            }
        }
        few => sums(few).unwrap_or_default(),
    }
}

pub fn sample(item: &ReviewItem) -> Sample {
    let (text, currency) = difference::brief_delta(item);
    let guess = item
        .predictions
        .first()
        .filter(|guess| is_cause(&guess.code))
        .map(|guess| format!("{} {}", guess.code, labels::percent(guess.confidence)));
    Sample {
        reference: difference::reference(item),
        field: labels::field(&item.difference.field_name).to_owned(),
        href: format!("/review/items/{}", item.attribution_id),
        sides: difference::brief(&item.difference),
        guess: guess.unwrap_or_else(|| "no cause found".to_owned()),
        note: format!("{text} {currency}").trim_end().to_owned(),
        known: Vec::new(),
    }
}

/// The page's choice as an action.
fn bulk_action(choice: &str, code: Option<&str>) -> Option<(Action, Option<String>)> {
    match (choice, code) {
        ("*", _) => Some((Action::Approve, None)),
        ("-", _) => Some((Action::Reject, None)),
        ("code", code) => code.map(|code| (Action::Override, Some(code.to_owned()))),
        ("", _) => None,
        (code, _) => Some((Action::Override, Some(code.to_owned()))),
    }
}

/// True if the machine found no cause for any of the items.
fn abstained(preview: &BulkPreview) -> bool {
    let no_reason = diagnostic::Code::NoReasonToApprove.name();
    preview.count == 0
        && !preview.excluded.is_empty()
        && preview.excluded.iter().all(|one| one.code == no_reason)
}

/// Beside those of the list.
pub fn parameters() -> [Parameter; 2] {
    [
        Parameter::query("choice", "The decision", Kind::Text(100)),
        Parameter::query("code", "The code, for the choice `code`", Kind::Text(100)),
    ]
}

pub fn show(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let listing = Listing::of(context.query())?;
    if listing.filter == QueueFilter::default() {
        return Err(Denied::invalid("signature", "which differences?"));
    }
    let code = Some(context.asked("code")).filter(|code| !code.is_empty());
    let asked = Request {
        choice: context.asked("choice").to_owned(),
        code: code.map(str::to_owned),
        filter: listing.context(),
        ids: Vec::new(),
    };
    page(&context, &asked, None, 200)
}

/// `refused`: a commit that was refused.
pub fn page(
    context: &PageContext<'_>,
    asked: &Request,
    refused: Option<(String, String)>,
    status: u16,
) -> Result<Response, Denied> {
    let (frame, _) = context.frame(Screen::Queue)?;
    let listing = asked.listing();
    let back = listing.address("/review/queue");
    let reasons = || context.review.reason_codes(&context.actor, Some(true));
    let Some((action, code)) = bulk_action(&asked.choice, asked.code.as_deref()) else {
        return html(status, &Choose::new(frame, asked, back, &reasons()?));
    };
    let filter = asked.ids.is_empty().then(|| listing.filter.clone());
    let ask = BulkPreviewAsk {
        ids: asked.ids.clone(),
        filter,
        action: Some(action),
        new_reason_code: code,
    };
    let preview = context.review.bulk_preview(&context.actor, &ask)?;
    if abstained(&preview) {
        let choose = Choose::new(frame, asked, back, &reasons()?);
        return html(status, &Choose { abstained: true, ..choose });
    }
    let answers = Data { preview: &preview, asked, back, key: context.key()?, refused };
    html(status, &Bulk::new(frame, &answers))
}

pub fn select(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let ids: Vec<String> =
        call.form.iter().filter(|(name, _)| name == "id").map(|(_, id)| id.clone()).collect();
    if ids.is_empty() {
        return Err(Denied::invalid("", "select some differences first"));
    }
    let asked = Request {
        choice: context.field("choice").unwrap_or_default(),
        code: context.field("code"),
        filter: context.field("filter").unwrap_or_default(),
        ids,
    };
    page(&context, &asked, None, 200)
}

pub fn commit(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let asked = Request::from_form(&context);
    let comments = context.field("comment");
    let ask = BulkCommit {
        token: context.field("token").unwrap_or_default(),
        comments: comments.clone(),
        on_conflict: OnConflict::Abort,
    };
    match context.review.bulk_commit(&context.actor, &ask) {
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
            page(&context, &asked, Some((comments.unwrap_or_default(), why)), status)
                .or(Err(Denied::from(refusal)))
        }
    }
}
