//! One difference, with everything needed to decide it.

mod decision;
mod past;
mod record;
pub mod why;

use askama::Template;

use crate::domain::Instant;
use crate::domain::review::state::is_cause;
use crate::domain::review::{Fired, Permission, ProposalState};
use crate::review::{Actor, ItemDetail, ItemKind, PageAsk, QueueFilter, ReasonEntry, ReviewItem};
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::server::parameter::{Kind, Parameter};
use crate::server::route::Route;
use crate::server::routes::{CHECK_OR_PROPOSE, COMMENT, PROPOSE, VIEW, get, post};

pub use self::decision::choice;
use self::decision::{assign_form, comment, decide_form, sample_form};
use self::past::{Before, Lived, before, history, life};
pub use self::past::{Event, forecast};
pub use self::record::distance;
use self::record::{Field, Matching, fields, line, matching};
use super::address::{self, Listing, with_query};
use super::by_hand::Sum;
use super::context::{PageContext, html};
use super::diff::{self, Signs};
use super::difference::{self, Apart};
use super::fragment::{Bar, Value};
use super::frame::{Frame, Screen, Tone};
use super::labels;
use super::queue::{Code, Due, codes};

#[rustfmt::skip]
pub fn routes() -> Vec<Route> {
    vec![
        get("/review/items/{id}", "page_item", show, VIEW).takes(address::parameters()).takes(views()),
        get("/review/items/{id}/why", "page_why", why::show, VIEW).takes(address::parameters()).takes(views()),
        post("/review/items/{id}/decide", "page_decide", decide_form, PROPOSE),
        post("/review/items/{id}/reopen", "page_reopen", decide_form, PROPOSE),
        post("/review/items/{id}/sample", "page_sample", sample_form, PROPOSE),
        post("/review/items/{id}/comment", "page_comment", comment, COMMENT),
        post("/review/items/{id}/assign", "page_assign", assign_form, CHECK_OR_PROPOSE),
    ]
}

/// How values are shown.
fn views() -> [Parameter; 2] {
    [
        Parameter::query("mode", "Both values in one line", Kind::One(vec!["inline"])),
        Parameter::query("signs", "Signs for invisible characters", Kind::One(vec!["all"])),
    ]
}

#[derive(Template)]
#[template(path = "item/item.html")]
pub struct Item {
    pub frame: Frame,
    pub id: String,
    pub reference: String,
    pub field: String,
    pub kind: String,
    pub severity: String,
    /// Word and class.
    pub status: (&'static str, &'static str),
    /// Name and address.
    pub run: (String, String),
    pub due: Due,
    /// Since when its break is there.
    pub since: Option<String>,
    pub assignee: Option<String>,
    /// Sent back, changed by someone else, or refused.
    pub notice: Option<Notice>,
    pub list_href: String,
    /// Neighbors in the list.
    pub previous: Option<String>,
    pub next: Option<String>,
    /// Where it stands in the list: `12 of 985`.
    pub place: Option<String>,
    pub systems: (String, String),
    /// Where the record stands in each source.
    pub lines: (Option<String>, Option<String>),
    pub sides: (Value, Value),
    /// Padding that aligns two decimal points.
    pub padding: Option<(String, String)>,
    /// Other ways to show two texts; none of numbers.
    pub modes: Vec<Mode>,
    /// Both values in one line, in mode `inline`.
    pub inline: Option<Value>,
    /// How far the two sides are apart.
    pub apart: Option<Apart>,
    /// The lengths of two texts.
    pub lengths: Option<(String, String)>,
    /// A value is so long that its box scrolls: the keyboard must come to it.
    pub scrolls: bool,
    /// The fields of the record that differ or are not compared, and those that agree.
    pub fields: Vec<Field>,
    pub equal: Vec<Field>,
    /// The record's match, the rows of its group, and candidates of an open row.
    pub matching: Matching,
    /// Address for a match by hand, if allowed.
    pub match_href: Option<String>,
    /// The rows that people matched it with.
    pub matched: Option<MatchedByHand>,
    pub guesses: Vec<Guess>,
    pub decide: Option<Decide>,
    /// Why the user can't decide.
    pub why_not: Option<String>,
    pub proposal_href: Option<String>,
    /// The page that traces it to its sources.
    pub why_href: String,
    /// Requirements of a decision.
    pub outcome: String,
    /// Why it needs six eyes.
    pub triggers: Vec<String>,
    pub before: Vec<Before>,
    /// Its group: size and address.
    pub alike: Option<(u64, String)>,
    /// Address to propose a new reason code for similar items.
    pub new_reason: Option<String>,
    /// The life of its break, oldest first; empty where it was seen on one date only.
    pub life: Vec<Lived>,
    /// How soon breaks of its kind clear.
    pub forecast: Option<String>,
    /// Newest first.
    pub history: Vec<Event>,
    /// Base address of its forms.
    pub base: String,
    /// The list's parameters, for every form.
    pub context: String,
    pub assign: Assign,
    /// Idempotency key.
    pub key: String,
}

/// Assignment options of the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Assign {
    pub take: bool,
    pub give_back: bool,
    /// Assign to someone else.
    pub give: bool,
}

#[derive(Clone, Debug)]
pub struct Notice {
    pub tone: Tone,
    pub title: String,
    /// The comment.
    pub text: String,
    /// Text and address of a link.
    pub link: Option<(String, String)>,
}

#[derive(Clone, Debug)]
pub struct Mode {
    pub name: &'static str,
    pub href: String,
    pub on: bool,
    /// The key that leads to it, if one does.
    pub key: &'static str,
}

/// The rows that people matched with this one.
#[derive(Clone, Debug)]
pub struct MatchedByHand {
    /// Reference and address of each.
    pub rows: Vec<(String, String)>,
    pub sums: Vec<Sum>,
    /// The proposal that made it.
    pub href: String,
    /// Address to take the match apart, if allowed.
    pub unmatch: Option<String>,
}

/// A prediction with its explanation.
#[derive(Clone, Debug)]
pub struct Guess {
    pub code: String,
    pub description: String,
    pub functional: bool,
    pub bar: Bar,
    pub why: Vec<Why>,
}

/// Evidence for or against a prediction.
#[derive(Clone, Debug)]
pub struct Why {
    /// `pro`, `con`, or `note`.
    pub class: &'static str,
    pub text: String,
}

#[derive(Clone, Debug, Default)]
pub struct Decide {
    /// Form address.
    pub action: String,
    pub version: u64,
    /// Idempotency key.
    pub key: String,
    pub codes: Vec<Code>,
    /// The refused choice: a code, `code` or `reject`.
    pub chosen: String,
    pub code: String,
    pub comment: String,
    pub wrong: Option<String>,
    /// The item was decided: this reopens it.
    pub reopens: bool,
    /// The first prediction can be accepted without a comment.
    pub accepts: bool,
}

pub struct Data<'a> {
    pub detail: &'a ItemDetail,
    /// The list from which it was opened.
    pub listing: &'a Listing,
    /// The page of that list with its neighbors.
    pub around: &'a [ReviewItem],
    /// How many items the list has, if that is known.
    pub total: Option<u64>,
    /// Rows of a page of the list.
    pub page_size: u16,
    pub reasons: &'a [ReasonEntry],
    pub actor: &'a Actor,
    /// Both values in one line.
    pub inline: bool,
    /// Show every space.
    pub invisible: bool,
    pub now: Instant,
    /// Idempotency key.
    pub key: String,
    /// The refused input, and why.
    pub refused: Option<Refused>,
}

/// A refused decision, kept for another try.
#[derive(Clone, Debug, Default)]
pub struct Refused {
    pub choice: String,
    pub code: String,
    pub comment: String,
    pub why: String,
    /// The item has changed meanwhile.
    pub stale: bool,
}

/// The longest value that fits into its box on a phone, in bytes.
const FITS: usize = 300;

impl Item {
    pub fn new(frame: Frame, answers: &Data<'_>) -> Self {
        let detail = answers.detail;
        let item = &detail.item;
        let listing = answers.listing;
        let functional = |code: &str| {
            answers
                .reasons
                .iter()
                .find(|entry| entry.reason.code == code)
                .is_none_or(|entry| entry.reason.is_functional)
        };
        let (previous, next) = neighbors(answers);
        let signs = if answers.invisible { Signs::All } else { Signs::Deceiving };
        let difference = &item.difference;
        let base = format!("/review/items/{}", item.attribution_id);
        let (a, b) = (difference.value_a.as_deref(), difference.value_b.as_deref());
        let (equal, fields) = fields(detail, listing).into_iter().partition(Field::is_same);
        let (decide, why_not) = decide(answers, &base);
        Self {
            frame,
            id: item.attribution_id.clone(),
            reference: difference::reference(item),
            field: labels::field(&difference.field_name).to_owned(),
            kind: difference::kind(&difference.diff_type, &item.systems),
            severity: labels::severity(&item.severity),
            status: labels::status(&item.status),
            run: (
                format!("{} {}", item.job, item.batch_date),
                with_query("/review", [("run", item.run_id.as_str())]),
            ),
            since: difference::since(item),
            due: if item.status == "UNKNOWN" {
                difference::due(item, answers.now)
            } else {
                Due::default()
            },
            assignee: item.assignee_name.clone(),
            notice: notice(answers),
            list_href: listing.with_position("/review/queue"),
            previous,
            next,
            place: place(answers),
            systems: (system(detail, 0), system(detail, 1)),
            lines: (line(&detail.record_a), line(&detail.record_b)),
            inline: answers.inline.then(|| diff::inline(a, b, signs).into()),
            sides: difference::sides(difference, signs),
            padding: difference::padding(difference),
            modes: modes(answers, &base),
            apart: difference::apart(item),
            lengths: difference::lengths(difference),
            scrolls: [a, b].into_iter().flatten().any(|text| text.len() > FITS),
            fields,
            equal,
            matching: matching(detail),
            match_href: match_href(item, answers.actor),
            matched: matched_by_hand(detail, answers.actor),
            guesses: guesses(item, answers.reasons, detail.rule_words.as_deref()),
            decide,
            why_not,
            why_href: listing.with_position(&format!("{base}/why")),
            outcome: if item.status == "PENDING" {
                String::new()
            } else {
                detail.what_next.clone()
            },
            triggers: if item.status == "PENDING" { Vec::new() } else { triggers(item) },
            proposal_href: item.proposal_id.as_ref().map(|id| format!("/review/proposals/{id}")),
            before: detail
                .similar
                .iter()
                .filter(|one| one.attribution_id != item.attribution_id)
                .map(|one| before(one, answers.now, &functional))
                .collect(),
            alike: alike(item),
            new_reason: (answers.actor.may(Permission::ProposeReason) && item.signature.is_some())
                .then(|| with_query("/review/reasons", [("like", item.attribution_id.as_str())])),
            life: life(detail),
            forecast: detail.forecast.as_ref().map(forecast),
            history: history(detail, answers.now),
            base,
            context: listing.context(),
            assign: assign(item, answers.actor),
            key: answers.key.clone(),
        }
    }
}

/// Rows without a partner that people have not decided may be matched.
fn match_href(item: &ReviewItem, actor: &Actor) -> Option<String> {
    let kind = item.difference.diff_type.as_str();
    let is_alone = kind.starts_with("MISSING_") || kind.starts_with("DUPLICATE_");
    let is_open = item.status == "UNKNOWN" || (item.status == "ACCEPTED" && !item.is_locked);
    let may = actor.may(Permission::Propose) && item.kind == ItemKind::Item;
    (is_alone && is_open && may)
        .then(|| with_query("/review/match", [("id", item.attribution_id.as_str())]))
}

fn matched_by_hand(detail: &ItemDetail, actor: &Actor) -> Option<MatchedByHand> {
    let matched = detail.matched_by_hand.as_ref()?;
    let others = matched.rows.iter().filter(|row| row.attribution_id != detail.item.attribution_id);
    let may = actor.may(Permission::Propose) && detail.item.proposal_id.is_none();
    Some(MatchedByHand {
        rows: others
            .map(|row| {
                (difference::reference(row), format!("/review/items/{}", row.attribution_id))
            })
            .collect(),
        sums: matched.sums.iter().map(Sum::of).collect(),
        href: format!("/review/proposals/{}", matched.match_id),
        unmatch: may.then(|| format!("/review/matches/{}/unmatch", matched.match_id)),
    })
}

/// Position of the item in its list, if the pages before it are known.
fn place(answers: &Data<'_>) -> Option<String> {
    let id = &answers.detail.item.attribution_id;
    let at = answers.around.iter().position(|item| item.attribution_id == *id)?;
    let before = answers.listing.pages_before()? * usize::from(answers.page_size);
    let place = labels::count(&((before + at + 1) as u64));
    Some(match answers.total {
        Some(total) => format!("{place} of {}", labels::count(&total)),
        None => place,
    })
}

/// The previous and next item. If this one has left the list, the next is the list's first.
fn neighbors(answers: &Data<'_>) -> (Option<String>, Option<String>) {
    let id = &answers.detail.item.attribution_id;
    let href = |item: &ReviewItem| {
        answers.listing.with_position(&format!("/review/items/{}", item.attribution_id))
    };
    match answers.around.iter().position(|item| item.attribution_id == *id) {
        Some(at) => {
            let before = at.checked_sub(1).and_then(|at| answers.around.get(at));
            (before.map(href), answers.around.get(at + 1).map(href))
        }
        None => (None, answers.around.first().map(href)),
    }
}

fn system(detail: &ItemDetail, side: usize) -> String {
    detail.item.systems.get(side).cloned().unwrap_or_default()
}

fn mode_href(answers: &Data<'_>, base: &str, inline: bool, invisible: bool) -> String {
    let mut address = answers.listing.with_position(base);
    let words = [("mode=inline", inline), ("signs=all", invisible)];
    for (word, _) in words.into_iter().filter(|(_, on)| *on) {
        address.push(if address.contains('?') { '&' } else { '?' });
        address.push_str(word);
    }
    address
}

fn modes(answers: &Data<'_>, base: &str) -> Vec<Mode> {
    let difference = &answers.detail.item.difference;
    if difference::lengths(difference).is_none() {
        return Vec::new();
    }
    let mode = |name, key, inline, invisible, on| Mode {
        name,
        href: mode_href(answers, base, inline, invisible),
        on,
        key,
    };
    let (inline, invisible) = (answers.inline, answers.invisible);
    vec![
        mode("side by side", if inline { "v" } else { "" }, false, invisible, !inline),
        mode("one line", if inline { "" } else { "v" }, true, invisible, inline),
        mode("invisible", "w", inline, !invisible, invisible),
    ]
}

fn notice(answers: &Data<'_>) -> Option<Notice> {
    let item = &answers.detail.item;
    if let Some(last) = &answers.detail.goes_on {
        let address = format!("/review/items/{}", last.attribution_id);
        let refused = answers.refused.is_some();
        return Some(Notice {
            tone: if refused { Tone::Bad } else { Tone::Note },
            title: if refused {
                "Your decision was not saved: this break goes on.".to_owned()
            } else {
                "This break goes on.".to_owned()
            },
            text: String::new(),
            link: Some((
                format!("Decide it on {}", last.batch_date),
                answers.listing.with_position(&address),
            )),
        });
    }
    if let Some(refused) = answers.refused.as_ref().filter(|refused| refused.stale) {
        let last = answers.detail.history.first();
        let who = match last {
            Some(entry) if entry.actor_id == answers.actor.person_id => {
                format!("You {} already.", labels::did(&entry.action_type, &entry.stage))
            }
            Some(entry) => {
                let did = labels::did(&entry.action_type, &entry.stage);
                format!("{} was faster and {did}.", entry.actor_name)
            }
            None => "It has changed since you looked.".to_owned(),
        };
        let kept = if refused.comment.is_empty() { "" } else { " Your comment is kept below." };
        let text = if item.status == "UNKNOWN" {
            format!("Your decision was not saved. Look again and decide.{kept}")
        } else if refused.comment.is_empty() {
            "Your decision was not saved.".to_owned()
        } else {
            format!("Your decision was not saved. Your comment was: {}", refused.comment)
        };
        return Some(Notice { tone: Tone::Bad, title: who, text, link: None });
    }
    if let Some(back) = &item.sent_back {
        return Some(Notice {
            tone: Tone::Bad,
            title: format!("Sent back by {}, {}.", back.by, labels::ago(answers.now, &back.at)),
            text: back.comment.clone(),
            link: None,
        });
    }
    let last = answers.detail.life.last().filter(|event| event.what == "CLEARED");
    if let Some(cleared) = last.filter(|_| item.status == "UNKNOWN") {
        return Some(Notice {
            tone: Tone::Note,
            title: format!("This break cleared on {}.", cleared.at),
            text: if cleared.detail.as_deref() == Some("GONE") {
                "Its rows are not in the files of that date. It waits for an explanation."
                    .to_owned()
            } else {
                String::new()
            },
            link: None,
        });
    }
    item.claimed_by
        .as_ref()
        .filter(|who| **who != answers.actor.name && **who != answers.actor.person_id)
        .map(|who| Notice {
            tone: Tone::Note,
            title: format!("{who} is looking at it, too."),
            text: String::new(),
            link: None,
        })
}

/// `words`: the purpose of the rule behind the suggestion.
pub fn guesses(item: &ReviewItem, reasons: &[ReasonEntry], words: Option<&str>) -> Vec<Guess> {
    let of = |code: &str| reasons.iter().find(|entry| entry.reason.code == code);
    item.predictions
        .iter()
        .filter(|prediction| is_cause(&prediction.code))
        .take(3)
        .map(|prediction| Guess {
            code: prediction.code.clone(),
            description: of(&prediction.code)
                .map(|entry| entry.reason.description.clone())
                .unwrap_or_default(),
            functional: of(&prediction.code).is_none_or(|entry| entry.reason.is_functional),
            bar: Bar::share(prediction.confidence),
            why: prediction
                .why
                .iter()
                .take(4)
                .map(|text| why(text, &prediction.code, words))
                .collect(),
        })
        .collect()
}

/// A text that begins with a sign is a measure of the model, one of a rule is support for its cause; all else is a
/// note.
fn why(text: &str, code: &str, words: Option<&str>) -> Why {
    let against = text.strip_prefix('-').or_else(|| text.strip_prefix('−'));
    if let Some(said) = against.or_else(|| text.strip_prefix('+')) {
        let class = if against.is_some() { "con" } else { "pro" };
        // The words first: the weight only orders them.
        let said = said.trim();
        let weight = said.split_once(' ').filter(|(weight, _)| weight.parse::<f64>().is_ok());
        let text =
            weight.map_or_else(|| said.to_owned(), |(weight, words)| format!("{words} · {weight}"));
        return Why { class, text };
    }
    match text.split_once(':') {
        Some(("RULE", rule)) => rule_said(rule, code, words),
        Some(("MODEL", version)) => Why { class: "note", text: format!("model {version}") },
        _ => Why { class: "note", text: text.to_owned() },
    }
}

/// The claim of a rule. It supports the cause that it named, not one that a model found instead.
fn rule_said(rule: &str, code: &str, words: Option<&str>) -> Why {
    let (function, said) = rule.split_once(' ').unwrap_or((rule, ""));
    let name = function.trim_start_matches("attribute_").replace('_', " ");
    let other = ["claims ", "hinted at "].iter().find_map(|verb| said.strip_prefix(verb));
    let named = other.and_then(|rest| rest.split([';', ' ']).next());
    let class = if named.is_none_or(|named| named == code) { "pro" } else { "note" };
    let mut text = format!("rule “{name}”");
    if !said.is_empty() {
        text.push(' ');
        text.push_str(&in_percent(said));
    }
    if let Some(words) = words {
        text.push_str(": ");
        text.push_str(words);
    }
    Why { class, text }
}

/// `right in 0.9963 of cases` as a percentage.
fn in_percent(said: &str) -> String {
    let share = said.split_once("right in ").and_then(|(_, rest)| rest.split_once(" of cases"));
    match share.and_then(|(share, _)| Some((share, share.parse().ok()?))) {
        Some((share, number)) => said.replacen(share, &labels::percent(number), 1),
        None => said.to_owned(),
    }
}

fn decide(answers: &Data<'_>, base: &str) -> (Option<Decide>, Option<String>) {
    let detail = answers.detail;
    let item = &detail.item;
    if !answers.actor.may(Permission::Propose) {
        let why = if answers.actor.may(Permission::AuditAll) {
            "You can look, but not decide."
        } else {
            "Your roles don't allow decisions."
        };
        return (None, Some(why.to_owned()));
    }
    if item.status == "PENDING" {
        let who = detail.proposal.as_ref().map_or_else(String::new, |proposal| {
            let asked = match proposal.state {
                ProposalState::Checked => "an authorizer",
                _ => "a checker",
            };
            format!("Proposed by {}; {asked} decides.", proposal.maker_name)
        });
        return (None, Some(who));
    }
    if let Some(last) = &detail.goes_on {
        return (None, Some(format!("This break goes on: it is decided on {}.", last.batch_date)));
    }
    let blind = item.kind == ItemKind::AuditSample;
    let reopens = item.status != "UNKNOWN" && !blind;
    let refused = answers.refused.clone().unwrap_or_default();
    let action = if blind {
        "sample"
    } else if reopens {
        "reopen"
    } else {
        "decide"
    };
    let decide = Decide {
        action: format!("{base}/{action}"),
        version: u64::try_from(item.version).unwrap_or_default(),
        key: format!("{}d", answers.key),
        codes: codes(answers.reasons),
        chosen: refused.choice,
        code: refused.code,
        comment: refused.comment,
        wrong: (!refused.why.is_empty() && !refused.stale).then_some(refused.why),
        reopens,
        accepts: !reopens && difference::accepts_first(item),
    };
    (Some(decide), None)
}

/// Why a decision needs six eyes; reasons that apply only to other causes than the predicted one are marked.
fn triggers(item: &ReviewItem) -> Vec<String> {
    let all = item.triggers_if_override.iter();
    let both = &item.triggers_if_approve;
    let said = |one: &Fired| {
        let text = labels::trigger(one.trigger, &one.value);
        if both.contains(one) { text } else { format!("{text} (another cause only)") }
    };
    let more = both.iter().filter(|one| !item.triggers_if_override.contains(one));
    all.chain(more).map(said).collect()
}

fn assign(item: &ReviewItem, actor: &Actor) -> Assign {
    if item.status != "UNKNOWN" {
        return Assign::default();
    }
    let mine = item.assignee.as_deref() == Some(actor.person_id.as_str());
    Assign {
        take: actor.may(Permission::Propose) && item.assignee.is_none(),
        give_back: mine,
        give: actor.may(Permission::Propose) || actor.may(Permission::Check),
    }
}

fn alike(item: &ReviewItem) -> Option<(u64, String)> {
    let (count, signature) = (item.group_size?, item.signature.as_deref()?);
    let href = with_query("/review/queue", [("signature", signature), ("view", "items")]);
    (count > 1).then_some((count, href))
}

pub fn show(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    page(&context, call.path("id"), None, 200)
}

/// `refused`: a decision that was refused.
pub fn page(
    context: &PageContext<'_>,
    id: &str,
    refused: Option<Refused>,
    status: u16,
) -> Result<Response, Denied> {
    let (frame, summary) = context.frame(Screen::Queue)?;
    let detail = context.review.item(&context.actor, id)?;
    let listing = Listing::of(context.query())?;
    let around =
        context.review.queue(&context.actor, &listing.filter, &around(context, &listing))?;
    let reasons = context.review.reason_codes(&context.actor, None)?;
    let ahead = context.call.request.headers.has("x-recon-ahead");
    if detail.item.status == "UNKNOWN" && context.may(Permission::Propose) && !ahead {
        // A claim is a hint: show the page even if it fails.
        let _ = context.review.claim(&context.actor, id);
    }
    let total = if listing.filter == QueueFilter::default() {
        summary.by_status.get("UNKNOWN").copied()
    } else {
        around.total
    };
    let answers = Data {
        detail: &detail,
        listing: &listing,
        around: &around.items,
        total,
        page_size: context.prefs.size,
        reasons: &reasons,
        actor: &context.actor,
        inline: context.asked("mode") == "inline",
        invisible: context.asked("signs") == "all",
        now: context.now,
        key: context.key()?,
        refused,
    };
    html(status, &Item::new(frame, &answers))
}

/// The page of the list from which an item was opened.
pub fn around(context: &PageContext<'_>, listing: &Listing) -> PageAsk {
    let mut ask = context.page(listing.cursor.clone());
    ask.sort = listing.sort;
    // The place in the list is shown only where counting it costs nothing.
    ask.count = listing.filter.is_counted();
    ask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_speaks_in_words_and_only_for_the_cause_it_named() {
        let said = |text: &str, code: &str, words| {
            let why = why(text, code, words);
            (why.class, why.text)
        };
        let words = Some("Booked later.");
        assert_eq!(
            said("RULE:attribute_timing_lag", "LATE", words),
            ("pro", "rule “timing lag”: Booked later.".to_owned())
        );
        let claim = "RULE:attribute_cent claims ROUND; such claims were right in 0.995 of cases, \
                     and the model is surer";
        let text = "rule “cent” claims ROUND; such claims were right in >99\u{a0}% of cases, \
                    and the model is surer";
        assert_eq!(said(claim, "ROUND", None), ("pro", text.to_owned()));
        assert_eq!(said(claim, "TYPO", None), ("note", text.to_owned()));
        let hint = "RULE:attribute_cent hinted at ROUND (0.6)";
        assert_eq!(said(hint, "TYPO", None).0, "note");
    }
}
