//! Deciding many differences in one step: what exactly, before it happens.

use askama::Template;

use crate::domain::review::state::is_cause;
use crate::review::{AmountSum, BulkPreview, ReasonEntry, ReviewItem, Share};
use crate::server::target::pairs;

use super::address::Listing;
use super::context::Here;
use super::fragment::{Bar, Value};
use super::frame::Frame;
use super::queue::{Code, codes};
use super::{difference, labels};

/// The confirmation of a bulk decision.
#[derive(Template)]
#[template(path = "bulk.html")]
pub struct Bulk {
    /// The frame.
    pub frame: Frame,
    /// The frozen membership.
    pub token: String,
    /// The key that makes posting it twice one decision.
    pub key: String,
    /// What will be decided, in words: `Accept ROUNDING_DIFF`.
    pub title: String,
    /// How many.
    pub count: u64,
    /// The sum of their amounts.
    pub amount: Option<String>,
    /// What will happen.
    pub outcome: String,
    /// Why more eyes are needed.
    pub triggers: Vec<String>,
    /// How the members divide: name, number, share.
    pub breakdown: Vec<(String, String, Bar)>,
    /// What all members have in common.
    pub common: Vec<String>,
    /// Members that do not fit the others.
    pub outliers: Vec<Sample>,
    /// Members taken at random.
    pub samples: Vec<Sample>,
    /// Differences that were left out: reference, address, why.
    pub excluded: Vec<(String, String, String)>,
    /// Whether the samples must have been looked at.
    pub must_look: bool,
    /// Whether words are needed.
    pub needs_comment: bool,
    /// What was typed before.
    pub comment: String,
    /// What went wrong.
    pub wrong: Option<String>,
    /// The way back.
    pub back: String,
    /// What was asked for, carried on.
    pub asked: Asked,
    /// The same differences with another cause.
    pub other_href: Option<String>,
}

/// A member.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its record.
    pub reference: String,
    /// Its field.
    pub field: String,
    /// Its page.
    pub href: String,
    /// Its sides.
    pub sides: (Value, Value),
    /// The guess, how sure.
    pub guess: String,
    /// Why it stands out.
    pub note: String,
}

/// What is to be decided: carried from the list to the preview to the commit.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// `*` for the machine's causes, `-` for confirmed breaks, `code`, or a code.
    pub choice: String,
    /// The code.
    pub code: Option<String>,
    /// The list, as a query.
    pub filter: String,
    /// The items; empty for all of the list.
    pub ids: Vec<String>,
}

impl Asked {
    /// What a form carries.
    pub fn from_form(here: &Here<'_>) -> Self {
        Self {
            choice: here.field("choice").unwrap_or_default(),
            code: here.field("code"),
            filter: here.field("filter").unwrap_or_default(),
            ids: here
                .field("ids")
                .map(|ids| ids.split(',').map(str::to_owned).collect())
                .unwrap_or_default(),
        }
    }

    /// The list.
    pub fn listing(&self) -> Listing {
        let query = self.filter.strip_prefix('?').unwrap_or(&self.filter);
        Listing::parse(&pairs(query).unwrap_or_default())
    }
}

/// The choice of a code for many differences.
#[derive(Template)]
#[template(path = "choose.html")]
pub struct Choose {
    /// The frame.
    pub frame: Frame,
    /// Whether the form must be posted: it carries ids.
    pub ids: Vec<String>,
    /// The list, as names and values.
    pub kept: Vec<(String, String)>,
    /// The codes.
    pub codes: Vec<Code>,
    /// The list, as a query.
    pub filter: String,
    /// The way back.
    pub back: String,
}

impl Choose {
    /// The choice.
    pub fn new(frame: Frame, asked: &Asked, back: String, reasons: &[ReasonEntry]) -> Self {
        let kept = asked.listing().pairs();
        Self {
            frame,
            ids: asked.ids.clone(),
            kept: kept.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            codes: codes(reasons),
            filter: asked.filter.clone(),
            back,
        }
    }
}

/// What the services say, and what was asked.
pub struct Answers<'a> {
    /// The preview.
    pub preview: &'a BulkPreview,
    /// What was asked for.
    pub asked: &'a Asked,
    /// The way back to the list.
    pub back: String,
    /// The key of the page's form.
    pub key: String,
    /// What was typed and refused, and why.
    pub refused: Option<(String, String)>,
}

/// Above this many members the samples must have been looked at.
const LOOK_ABOVE: u64 = 100;
/// Members that were left out and are named.
const EXCLUDED_SHOWN: usize = 20;

impl Bulk {
    /// The confirmation as the services see it.
    pub fn new(frame: Frame, answers: &Answers<'_>) -> Self {
        let preview = answers.preview;
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
                .map(shared)
                .collect(),
            outliers: preview.outliers.iter().map(sample).collect(),
            samples: preview.sample.iter().map(sample).collect(),
            excluded: preview
                .excluded
                .iter()
                .take(EXCLUDED_SHOWN)
                .map(|one| (short(&one.id), format!("/review/items/{}", one.id), one.why.clone()))
                .collect(),
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
        }
    }
}

/// What some members share, in words.
fn shared(share: &Share) -> String {
    match share.by.as_str() {
        "field" | "field_name" => labels::field(&share.value).to_owned(),
        "diff_type" | "type" => labels::kind(&share.value),
        "severity" => format!("{} severity", share.value.to_lowercase()),
        _ => share.value.clone(),
    }
}

/// The code that the members have in common, where the machine's own cause is accepted.
fn common(preview: &BulkPreview) -> Option<&str> {
    let mut codes =
        preview.sample.iter().map(|item| item.predictions.first().map(|guess| guess.code.as_str()));
    let first = codes.next()??;
    codes.all(|code| code == Some(first)).then_some(first)
}

fn short(id: &str) -> String {
    id.rsplit('-').next().unwrap_or(id).to_owned()
}

/// Sums of amounts, each with its currency.
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

/// A member as it is listed.
pub fn sample(item: &ReviewItem) -> Sample {
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
        guess: guess.unwrap_or_else(|| "no idea".to_owned()),
        note: difference::delta(&item.difference),
    }
}
