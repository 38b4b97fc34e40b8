//! One difference, with everything needed to decide it.

pub mod why;

use askama::Template;

use crate::diagnostic;
use crate::domain::review::state::is_cause;
use crate::domain::review::{Action, Fired, Permission, ProposalState};
use crate::domain::{DiffType, Instant};
use crate::review::{
    Actor, Forecast, HistoryEntry, ItemDetail, ItemKind, LifeEvent, PageAsk, QueueFilter,
    ReasonEntry, RecordSide, Refusal, RefusalKind, Reopen, Resolve, ReviewItem, SimilarDecision,
};
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::server::parameter::{Kind, Parameter};
use crate::server::route::Route;
use crate::server::routes::{CHECK_OR_PROPOSE, COMMENT, PROPOSE, VIEW, get, post};

use super::address::{self, Listing, with_query};
use super::by_hand::Sum;
use super::context::{PageContext, html, redirect, sentence};
use super::diff::{self, Shown, Signs};
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
    /// How the record was matched, the rows of its group, and what an open row could have matched.
    pub matching: Matching,
    /// Where it can be matched by hand, if it may be.
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
    /// What a decision needs.
    pub outcome: String,
    /// Why it needs six eyes.
    pub triggers: Vec<String>,
    pub before: Vec<Before>,
    /// Its group: size and address.
    pub alike: Option<(u64, String)>,
    /// Where to propose a new reason code for similar items.
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

/// What the user may do about the assignee.
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
    /// What someone wrote.
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

#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub sides: (Value, Value),
    pub differs: bool,
    pub compared: bool,
    /// The page of its difference, if it has one.
    pub href: Option<String>,
}

impl Field {
    /// Whether both sides show the same, which is then shown once.
    fn is_same(&self) -> bool {
        !self.differs && self.sides.0 == self.sides.1
    }
}

/// The rows that people matched with this one.
#[derive(Clone, Debug)]
pub struct MatchedByHand {
    /// Reference and address of each.
    pub rows: Vec<(String, String)>,
    pub sums: Vec<Sum>,
    /// The proposal that made it.
    pub href: String,
    /// Where it is taken apart, if the user may.
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
    /// `pro`, `con`, or `note` for what is neither.
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

/// A decision about a similar item.
#[derive(Clone, Debug)]
pub struct Before {
    pub what: String,
    pub reference: String,
    pub values: String,
    pub comment: String,
    pub functional: bool,
    pub who: String,
    pub when: String,
    pub href: String,
}

/// Something that happened to the break.
#[derive(Clone, Debug)]
pub struct Lived {
    pub at: String,
    /// The day.
    pub day: String,
    pub what: String,
    /// Values, or what someone said.
    pub detail: String,
}

#[derive(Clone, Debug)]
pub struct Event {
    pub who: String,
    pub what: String,
    pub comment: String,
    pub when: String,
    pub at: String,
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

/// How the record was matched, or what it could have been matched with.
#[derive(Clone, Debug, Default)]
pub struct Matching {
    /// The pass and how sure it is; empty for an open row.
    pub how: String,
    /// The rows of a group, A's and B's.
    pub sides: Vec<Members>,
    /// The fields of the tied candidates and the values of this row and of theirs.
    pub fields: Vec<(String, Vec<Value>)>,
    /// The tied candidates: what they are called, and a comment that chooses them.
    pub choices: Vec<(String, String)>,
    /// The other candidates, a sentence each.
    pub others: Vec<String>,
}

/// The longest value that fits into its box on a phone, in bytes.
const FITS: usize = 300;

impl Matching {
    pub fn is_empty(&self) -> bool {
        self.how.is_empty() && self.choices.is_empty() && self.others.is_empty()
    }
}

/// The rows of one side of a group.
#[derive(Clone, Debug)]
pub struct Members {
    pub system: String,
    /// The fields in which one of the rows has a value.
    pub fields: Vec<String>,
    /// What each row is called, and its values.
    pub rows: Vec<(String, Vec<Value>)>,
    /// What the rows add up to; empty for a single row.
    pub sums: Vec<Value>,
}

fn plain(value: &serde_json::Value) -> Value {
    diff::plain(text_of(value).as_deref(), Signs::Deceiving).into()
}

fn members(
    matched: &serde_json::Value,
    keys: (&str, &str),
    record: &Option<RecordSide>,
) -> Option<Members> {
    let rows = matched[keys.0].as_array().filter(|rows| !rows.is_empty())?;
    let record = record.as_ref()?;
    let names = record.fields.iter().map(|field| field.name.clone());
    let fields: Vec<String> =
        names.filter(|name| rows.iter().any(|row| !row["fields"][name].is_null())).collect();
    let values = |of: &serde_json::Value| fields.iter().map(|name| plain(&of[name])).collect();
    let sums = &matched[keys.1];
    let blank = || diff::plain(Some(""), Signs::Deceiving).into();
    let is_summed = sums.as_object().is_some_and(|sums| !sums.is_empty());
    Some(Members {
        system: record.system.clone(),
        rows: rows
            .iter()
            .map(|row| (row["ref"].as_str().unwrap_or_default().to_owned(), values(&row["fields"])))
            .collect(),
        sums: fields
            .iter()
            .filter(|_| is_summed)
            .map(|name| if sums[name].is_null() { blank() } else { plain(&sums[name]) })
            .collect(),
        fields,
    })
}

/// The fields of this row and of its tied candidates.
fn compared(detail: &ItemDetail, tied: &[&serde_json::Value]) -> Vec<(String, Vec<Value>)> {
    let own = detail.record_a.as_ref().or(detail.record_b.as_ref());
    let own = own.map_or(&[][..], |side| side.fields.as_slice());
    let row = |name: &str, value: &serde_json::Value| {
        let others = tied.iter().map(|one| {
            let rows = one["rows"].as_array().into_iter().flatten();
            let texts: Vec<String> = rows.filter_map(|row| text_of(&row["fields"][name])).collect();
            (!texts.is_empty()).then(|| texts.join(" + "))
        });
        let texts: Vec<Option<String>> = std::iter::once(text_of(value)).chain(others).collect();
        let shown = |text: &Option<String>| diff::plain(text.as_deref(), Signs::Deceiving).into();
        let values = texts.iter().map(shown).collect();
        texts.iter().any(Option::is_some).then(|| (name.to_owned(), values))
    };
    own.iter().filter_map(|field| row(&field.name, &field.value)).collect()
}

fn matching(detail: &ItemDetail) -> Matching {
    let Some(matched) = &detail.aggregation else { return Matching::default() };
    let text = |value: &serde_json::Value, key: &str| -> String {
        match &value[key] {
            serde_json::Value::String(text) => text.clone(),
            _ => String::new(),
        }
    };
    let mut how = String::new();
    if matched["pass"].is_string() {
        let (pass, sure) = (text(matched, "pass"), text(matched, "certificate").to_lowercase());
        how = format!("Matched by pass {pass}; {sure}");
    }
    let candidates: Vec<_> = matched["candidates"].as_array().into_iter().flatten().collect();
    let (tied, others): (Vec<_>, Vec<_>) = candidates
        .into_iter()
        .partition(|one| one["rows"].as_array().is_some_and(|rows| !rows.is_empty()));
    let sides = [
        members(matched, ("members_a", "sums_a"), &detail.record_a),
        members(matched, ("members_b", "sums_b"), &detail.record_b),
    ];
    Matching {
        how,
        sides: sides.into_iter().flatten().collect(),
        fields: compared(detail, &tied),
        choices: tied
            .iter()
            .map(|one| (text(one, "ref"), format!("Belongs to {}.", text(one, "ref"))))
            .collect(),
        others: others
            .into_iter()
            .map(|one| format!("{} was not taken: {}", text(one, "ref"), text(one, "why")))
            .collect(),
    }
}

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
            guesses: guesses(item, answers.reasons),
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

/// Where the item stands in its list, as far as the pages before it are known.
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

/// File and place; the line alone where the run does not say more.
fn line(side: &Option<RecordSide>) -> Option<String> {
    let side = side.as_ref()?;
    let line = || Some(format!("line {}", labels::count(&side.line?)));
    side.place.clone().or_else(line)
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
                "Its rows are not in the files of that date. It waits until somebody explains it."
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

fn text_of(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Object(object) => match object.get("unparsed") {
            Some(serde_json::Value::String(text)) => Some(text.clone()),
            _ => Some(value.to_string()),
        },
        other => Some(other.to_string()),
    }
}

/// The other fields of the record, differing ones first.
fn fields(detail: &ItemDetail, listing: &Listing) -> Vec<Field> {
    let own = &detail.item.difference.field_name;
    let empty = Vec::new();
    let names = |side: &Option<RecordSide>| -> Vec<String> {
        side.as_ref().map_or(&empty, |side| &side.fields).iter().map(|f| f.name.clone()).collect()
    };
    let value = |side: &Option<RecordSide>, name: &str| -> Option<Option<String>> {
        let side = side.as_ref()?;
        Some(side.fields.iter().find(|field| field.name == name).and_then(|f| text_of(&f.value)))
    };
    let mut all = names(&detail.record_a);
    all.extend(
        names(&detail.record_b).into_iter().filter(|name| !all.contains(name)).collect::<Vec<_>>(),
    );
    let mut rows: Vec<Field> = all
        .into_iter()
        .filter(|name| name != own)
        .map(|name| {
            let (a, b) = (value(&detail.record_a, &name), value(&detail.record_b, &name));
            // Of a record without a partner there is one column.
            let (a, b) = (a.clone().or_else(|| b.clone()), b.or(a));
            let sibling = detail.siblings.iter().find(|one| one.difference.field_name == name);
            let differs = sibling.is_some();
            let compared = [&detail.record_a, &detail.record_b]
                .into_iter()
                .flatten()
                .all(|side| side.fields.iter().all(|field| field.name != name || field.compared));
            let sides = match sibling {
                Some(one) if a.is_some() && b.is_some() => {
                    difference::sides(&one.difference, Signs::Deceiving)
                }
                _ => {
                    let shown = |side: &Option<Option<String>>| -> Value {
                        side.as_ref()
                            .map_or(Shown::NoRecord, |value| {
                                diff::plain(value.as_deref(), Signs::Deceiving)
                            })
                            .into()
                    };
                    (shown(&a), shown(&b))
                }
            };
            let href = sibling
                .map(|one| listing.with_position(&format!("/review/items/{}", one.attribution_id)));
            Field { name, sides, differs, compared, href }
        })
        .collect();
    rows.sort_by_key(|field| !field.differs);
    rows
}

pub fn guesses(item: &ReviewItem, reasons: &[ReasonEntry]) -> Vec<Guess> {
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
            why: prediction.why.iter().take(4).map(|text| why(text)).collect(),
        })
        .collect()
}

/// What a model measured begins with its sign; a rule speaks for its cause; all else is a note.
fn why(text: &str) -> Why {
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
        Some(("RULE", rule)) => Why { class: "pro", text: format!("rule {rule}") },
        Some(("MODEL", version)) => Why { class: "note", text: format!("model {version}") },
        _ => Why { class: "note", text: text.to_owned() },
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

/// Why a decision needs six eyes; what concerns only another cause than the predicted one says so.
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

fn before(one: &SimilarDecision, now: Instant, functional: &dyn Fn(&str) -> bool) -> Before {
    let value = |value: &Option<String>| match value.as_deref() {
        None => "null".to_owned(),
        Some("EXISTS") => "a record".to_owned(),
        Some(text) => {
            let amount = labels::amount(text);
            let short: String = amount.chars().take(24).collect();
            if short.len() < amount.len() { format!("{short}…") } else { short }
        }
    };
    Before {
        reference: one.ref_id.clone().unwrap_or_default(),
        values: format!("{} → {}", value(&one.value_a), value(&one.value_b)),
        comment: one.comments.clone().unwrap_or_default(),
        what: one.reason_code.clone().unwrap_or_else(|| "Confirmed break".to_owned()),
        functional: one.reason_code.as_deref().is_none_or(functional),
        who: one.decided_by.clone(),
        when: labels::ago(now, &one.decided_at),
        href: format!("/review/items/{}", one.attribution_id),
    }
}

fn alike(item: &ReviewItem) -> Option<(u64, String)> {
    let (count, signature) = (item.group_size?, item.signature.as_deref()?);
    let href = with_query("/review/queue", [("signature", signature), ("view", "items")]);
    (count > 1).then_some((count, href))
}

/// The life of a break: when it was seen and changed, what people did, how it cleared.
fn life(detail: &ItemDetail) -> Vec<Lived> {
    let kind = DiffType::from_name(&detail.item.difference.diff_type);
    let whole = kind.is_some_and(DiffType::is_entire_record);
    let lived = |event: &LifeEvent| {
        let said = event.detail.clone().unwrap_or_default();
        let by = event.by.as_deref().unwrap_or_default();
        let side = |at, value: &Option<String>| {
            let value = match value.as_deref() {
                None if whole => "no record".to_owned(),
                None => "null".to_owned(),
                Some(_) if whole => "has the record".to_owned(),
                Some(text) => labels::amount(text),
            };
            format!("{}: {value}", system(detail, at))
        };
        let values = format!("{}; {}", side(0, &event.value_a), side(1, &event.value_b));
        let (what, detail) = match event.what.as_str() {
            "SEEN" => ("first seen".to_owned(), values),
            "CHANGED" => ("changed".to_owned(), values),
            "CLEARED" => (format!("cleared: {}", labels::cleared(&said)), String::new()),
            action => {
                let stage = event.stage.as_deref().unwrap_or_default();
                (format!("{by} {}", labels::did(action, stage)), said)
            }
        };
        let day = event.at.get(..10).unwrap_or(&event.at).to_owned();
        Lived { at: event.at.clone(), day, what, detail }
    };
    let mut life: Vec<Lived> = detail.life.iter().map(lived).collect();
    // Business dates come before the decisions of their day.
    life.sort_by(|left, right| left.at.cmp(&right.at));
    if life.len() > 1 { life } else { Vec::new() }
}

/// How soon breaks of a kind clear, as a sentence.
pub fn forecast(one: &Forecast) -> String {
    let percent = labels::percent;
    let shares: Vec<String> = one
        .within
        .iter()
        .map(|(days, one)| {
            let (share, low, high) = (percent(one.share), percent(one.low), percent(one.high));
            let unit = if days == "1" { "business day" } else { "business days" };
            format!("{share} clear within {days} {unit} ({low} to {high})")
        })
        .collect();
    format!("{}; {} have cleared so far", shares.join(", "), labels::count(&one.cleared))
}

/// Audit rows and comments, newest first.
fn history(detail: &ItemDetail, now: Instant) -> Vec<Event> {
    detail.history.iter().map(|entry| event(entry, now)).collect()
}

pub fn event(entry: &HistoryEntry, now: Instant) -> Event {
    Event {
        who: entry.actor_name.clone(),
        what: labels::did(&entry.action_type, &entry.stage),
        comment: entry.comments.clone().unwrap_or_default(),
        when: labels::ago(now, &entry.performed_at),
        at: entry.performed_at.clone(),
    }
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
    let detail = context.desk.item(&context.actor, id)?;
    let listing = Listing::of(context.query())?;
    let around = context.desk.queue(&context.actor, &listing.filter, &around(context, &listing))?;
    let reasons = context.desk.reason_codes(&context.actor, None)?;
    let ahead = context.call.request.headers.has("x-recon-ahead");
    if detail.item.status == "UNKNOWN" && context.may(Permission::Propose) && !ahead {
        // A claim is a hint: show the page even if it fails.
        let _ = context.desk.claim(&context.actor, id);
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
        context.desk.sample(&context.actor, id, choice.code.as_deref(), comments.as_deref());
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
    let around = context.desk.queue(&context.actor, &listing.filter, &around(context, listing))?;
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
    // Only then was somebody else quicker.
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
    context.desk.comment(&context.actor, id, &context.field("text").unwrap_or_default())?;
    Ok(redirect(&same_item(&context, id), "commented"))
}

/// Assigns a difference to the user, to someone else or to nobody.
pub fn assign_form(call: &Call<'_>) -> Result<Response, Denied> {
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
        Err(refusal) if refusal.code == diagnostic::Code::UnknownPerson => {
            Ok(redirect(&same_item(&context, id), "nobody"))
        }
        Err(refusal) => Err(refusal.into()),
    }
}
