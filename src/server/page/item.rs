//! One difference with everything that helps to decide it.

use askama::Template;

use crate::domain::Instant;
use crate::domain::review::state::is_cause;
use crate::domain::review::{Permission, ProposalState};
use crate::review::{
    Actor, HistoryEntry, ItemDetail, ItemKind, ReasonEntry, RecordSide, ReviewItem, SimilarDecision,
};

use super::address::{Listing, with_query};
use super::diff::{self, Shown, Signs};
use super::fragment::{Bar, Value};
use super::frame::{Frame, Tone};
use super::queue::{Code, Due, codes};
use super::{difference, labels};

/// The page of one difference.
#[derive(Template)]
#[template(path = "item.html")]
pub struct Item {
    /// The frame.
    pub frame: Frame,
    /// Its id.
    pub id: String,
    /// Its record.
    pub reference: String,
    /// Its field.
    pub field: String,
    /// Its kind, in words.
    pub kind: String,
    /// Its severity, in words.
    pub severity: String,
    /// Its status: word and class.
    pub status: (&'static str, &'static str),
    /// The run: name and address.
    pub run: (String, String),
    /// When it is due.
    pub due: Due,
    /// Who has taken it.
    pub assignee: Option<String>,
    /// A message on top: sent back, changed by somebody else, refused.
    pub notice: Option<Notice>,
    /// The way back to the list.
    pub list_href: String,
    /// The items around it in the list.
    pub previous: Option<String>,
    /// As above.
    pub next: Option<String>,
    /// The two systems.
    pub systems: (String, String),
    /// Both values.
    pub sides: (Value, Value),
    /// What follows each of two numbers so that their points stand below each other.
    pub padding: Option<(String, String)>,
    /// How the values are shown.
    pub modes: Vec<Mode>,
    /// The way to show or hide invisible characters.
    pub invisible: Mode,
    /// One line with both values, where the mode asks for it.
    pub inline: Option<Value>,
    /// What the difference measures: name and number.
    pub measures: Vec<(String, String)>,
    /// The other fields of the record, differing ones first.
    pub fields: Vec<Field>,
    /// How many other fields agree.
    pub agreeing: usize,
    /// The machine's guesses.
    pub guesses: Vec<Guess>,
    /// What people can do.
    pub decide: Option<Decide>,
    /// Why this person cannot decide.
    pub why_not: Option<String>,
    /// The open proposal's page.
    pub proposal_href: Option<String>,
    /// Decisions about look-alikes.
    pub before: Vec<Before>,
    /// The group it belongs to: how many, address.
    pub alike: Option<(u64, String)>,
    /// Where a new cause for look-alikes is proposed.
    pub new_reason: Option<String>,
    /// What happened to it, newest first.
    pub history: Vec<Event>,
    /// Where comments and claims are posted to.
    pub base: String,
    /// The parameters of the list, kept by every form.
    pub context: String,
    /// What this person may do about whose item it is.
    pub assign: Assign,
    /// The key that makes posting a comment twice one comment.
    pub key: String,
}

/// Who is to look at an item, and who may say so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Assign {
    /// Whether this person may take it.
    pub take: bool,
    /// Whether this person has it, and may give it back.
    pub give_back: bool,
    /// Whether this person may give it to others.
    pub give: bool,
}

/// A message on top.
#[derive(Clone, Debug)]
pub struct Notice {
    /// How bad.
    pub tone: Tone,
    /// One sentence.
    pub title: String,
    /// More, as people wrote it.
    pub text: String,
}

/// A way of showing the values.
#[derive(Clone, Debug)]
pub struct Mode {
    /// Its name.
    pub name: &'static str,
    /// Its address.
    pub href: String,
    /// Whether it is on.
    pub on: bool,
    /// Whether `v` leads to it.
    pub following: bool,
}

/// Another field of the record.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its sides.
    pub sides: (Value, Value),
    /// Whether they differ.
    pub differs: bool,
    /// Whether they are compared.
    pub compared: bool,
    /// Its own page, if it is a difference of its own.
    pub href: Option<String>,
}

/// A guess with its reasons.
#[derive(Clone, Debug)]
pub struct Guess {
    /// The code.
    pub code: String,
    /// What it means.
    pub description: String,
    /// Whether business explains it.
    pub functional: bool,
    /// How sure.
    pub bar: Bar,
    /// What speaks for it and against it.
    pub why: Vec<Why>,
}

/// What speaks for a guess, or against it.
#[derive(Clone, Debug)]
pub struct Why {
    /// For or against.
    pub speaks_for: bool,
    /// In words.
    pub text: String,
}

/// The decision form.
#[derive(Clone, Debug, Default)]
pub struct Decide {
    /// Where it is posted to.
    pub action: String,
    /// The version it is for.
    pub version: u64,
    /// The key that makes posting it twice one decision.
    pub key: String,
    /// Every active code.
    pub codes: Vec<Code>,
    /// What was chosen before: an index, `code` or `reject`.
    pub chosen: String,
    /// The code chosen before.
    pub code: String,
    /// What was typed before.
    pub comment: String,
    /// What is wrong with it.
    pub wrong: Option<String>,
    /// What will happen.
    pub outcome: String,
    /// Whether the item had been decided, so that this reopens it.
    pub reopens: bool,
}

/// A decision about a look-alike.
#[derive(Clone, Debug)]
pub struct Before {
    /// What was decided.
    pub what: String,
    /// Whether it was a code that business explains.
    pub functional: bool,
    /// By whom.
    pub who: String,
    /// When.
    pub when: String,
    /// Its page.
    pub href: String,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// Who.
    pub who: String,
    /// Did what.
    pub what: String,
    /// In their words.
    pub comment: String,
    /// When, short.
    pub when: String,
    /// When, in full.
    pub at: String,
}

/// What the services say about the item, and how it is looked at.
pub struct Answers<'a> {
    /// The item.
    pub detail: &'a ItemDetail,
    /// The list that it was opened from.
    pub listing: &'a Listing,
    /// The page of that list, for the way to its neighbors.
    pub around: &'a [ReviewItem],
    /// The catalogue of reasons.
    pub reasons: &'a [ReasonEntry],
    /// Who looks.
    pub actor: &'a Actor,
    /// How the values are shown: `inline`, `bytes` or characters.
    pub mode: &'a str,
    /// Whether every space gets a sign.
    pub invisible: bool,
    /// The time.
    pub now: Instant,
    /// The key of the page's forms.
    pub key: String,
    /// What was sent and refused: choice, code, comment, why.
    pub refused: Option<Refused>,
}

/// A decision that was refused, kept for another try.
#[derive(Clone, Debug, Default)]
pub struct Refused {
    /// What was chosen.
    pub choice: String,
    /// The code chosen.
    pub code: String,
    /// What was typed.
    pub comment: String,
    /// Why it was refused.
    pub why: String,
    /// Whether the item has changed meanwhile.
    pub stale: bool,
}

impl Item {
    /// The item as the services see it.
    pub fn new(frame: Frame, answers: &Answers<'_>) -> Self {
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
        let sides = match answers.mode {
            "bytes" => (diff::bytes(a).into(), diff::bytes(b).into()),
            _ => difference::sides(difference, signs),
        };
        let (fields, agreeing) = fields(detail, listing);
        let (decide, why_not) = decide(answers, &base);
        Self {
            frame,
            id: item.attribution_id.clone(),
            reference: difference::reference(item),
            field: labels::field(&difference.field_name).to_owned(),
            kind: labels::kind(&difference.diff_type),
            severity: labels::severity(&item.severity),
            status: labels::status(&item.status),
            run: (
                format!("{} {}", item.job, item.batch_date),
                with_query("/review", [("run", item.run_id.as_str())]),
            ),
            due: if item.status == "UNKNOWN" {
                difference::due(item, answers.now)
            } else {
                Due::default()
            },
            assignee: item.assignee_name.clone(),
            notice: notice(answers),
            list_href: listing.here("/review/queue"),
            previous,
            next,
            systems: (system(&detail.record_a, "A"), system(&detail.record_b, "B")),
            inline: (answers.mode == "inline").then(|| diff::inline(a, b, signs).into()),
            sides,
            padding: difference::padding(difference).filter(|_| answers.mode.is_empty()),
            modes: modes(answers, &base),
            invisible: Mode {
                name: "invisible",
                href: mode_href(answers, &base, answers.mode, !answers.invisible),
                on: answers.invisible,
                following: false,
            },
            measures: difference::measures(difference),
            fields,
            agreeing,
            guesses: guesses(item, answers.reasons, &functional),
            decide,
            why_not,
            proposal_href: item.proposal_id.as_ref().map(|id| format!("/review/proposals/{id}")),
            before: detail
                .similar
                .iter()
                .map(|one| before(one, answers.now, &functional))
                .collect(),
            alike: alike(item),
            new_reason: (answers.actor.may(Permission::ProposeReason) && item.signature.is_some())
                .then(|| with_query("/review/reasons", [("like", item.attribution_id.as_str())])),
            history: history(detail, answers.now),
            base,
            context: listing.context(),
            assign: assign(item, answers.actor),
            key: answers.key.clone(),
        }
    }
}

/// The items before and after this one in its list. One that is gone from the list, because it has just
/// been decided, is followed by the list's first.
fn neighbors(answers: &Answers<'_>) -> (Option<String>, Option<String>) {
    let id = &answers.detail.item.attribution_id;
    let href =
        |item: &ReviewItem| answers.listing.here(&format!("/review/items/{}", item.attribution_id));
    match answers.around.iter().position(|item| item.attribution_id == *id) {
        Some(at) => {
            let before = at.checked_sub(1).and_then(|at| answers.around.get(at));
            (before.map(href), answers.around.get(at + 1).map(href))
        }
        None => (None, answers.around.first().map(href)),
    }
}

fn system(side: &Option<RecordSide>, letter: &str) -> String {
    side.as_ref().map_or_else(|| format!("side {letter}"), |side| side.system.clone())
}

fn mode_href(answers: &Answers<'_>, base: &str, mode: &str, invisible: bool) -> String {
    let mut address = answers.listing.here(base);
    let words = [("mode", mode), ("signs", if invisible { "all" } else { "" })];
    for (name, value) in words.into_iter().filter(|(_, value)| !value.is_empty()) {
        address.push(if address.contains('?') { '&' } else { '?' });
        address.push_str(&format!("{name}={value}"));
    }
    address
}

fn modes(answers: &Answers<'_>, base: &str) -> Vec<Mode> {
    let names = [("side by side", ""), ("one line", "inline"), ("bytes", "bytes")];
    let present = names.iter().position(|(_, mode)| *mode == answers.mode).unwrap_or(0);
    names
        .into_iter()
        .enumerate()
        .map(|(at, (name, mode))| Mode {
            name,
            href: mode_href(answers, base, mode, answers.invisible),
            on: at == present,
            following: at == (present + 1) % names.len(),
        })
        .collect()
}

fn notice(answers: &Answers<'_>) -> Option<Notice> {
    let item = &answers.detail.item;
    if let Some(refused) = answers.refused.as_ref().filter(|refused| refused.stale) {
        let last = answers.detail.history.first();
        let who = last.map_or_else(
            || "Somebody else was quicker.".to_owned(),
            |entry| {
                let did = labels::did(&entry.action_type, &entry.stage);
                format!("{} was quicker and {did}.", entry.actor_name)
            },
        );
        let kept = if refused.comment.is_empty() { "" } else { " Your words are kept below." };
        let text = if item.status == "UNKNOWN" {
            format!("Nothing of your decision was stored. Look again and decide.{kept}")
        } else if refused.comment.is_empty() {
            "Nothing of your decision was stored.".to_owned()
        } else {
            format!("Nothing of your decision was stored. You had written: {}", refused.comment)
        };
        return Some(Notice { tone: Tone::Bad, title: who, text });
    }
    if let Some(back) = &item.sent_back {
        return Some(Notice {
            tone: Tone::Bad,
            title: format!("Sent back by {}, {}.", back.by, labels::ago(answers.now, &back.at)),
            text: back.comment.clone(),
        });
    }
    item.claimed_by
        .as_ref()
        .filter(|who| **who != answers.actor.name && **who != answers.actor.person_id)
        .map(|who| Notice {
            tone: Tone::Note,
            title: format!("{who} is looking at it, too."),
            text: String::new(),
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

fn fields(detail: &ItemDetail, listing: &Listing) -> (Vec<Field>, usize) {
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
    let both = detail.record_a.is_some() && detail.record_b.is_some();
    let mut agreeing = 0;
    let mut rows: Vec<Field> = all
        .into_iter()
        .filter(|name| name != own)
        .map(|name| {
            let (a, b) = (value(&detail.record_a, &name), value(&detail.record_b, &name));
            let sibling = detail.siblings.iter().find(|one| one.difference.field_name == name);
            let differs = sibling.is_some();
            let compared = [&detail.record_a, &detail.record_b]
                .into_iter()
                .flatten()
                .all(|side| side.fields.iter().all(|field| field.name != name || field.compared));
            if both && compared && !differs {
                agreeing += 1;
            }
            let sides = match (&a, &b) {
                (Some(a), Some(b)) if differs => {
                    let (a, b) = diff::pair(a.as_deref(), b.as_deref(), Signs::Deceiving);
                    (a.into(), b.into())
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
            let href =
                sibling.map(|one| listing.here(&format!("/review/items/{}", one.attribution_id)));
            Field { name, sides, differs, compared, href }
        })
        .collect();
    rows.sort_by_key(|field| !field.differs);
    (rows, agreeing)
}

fn guesses(
    item: &ReviewItem,
    reasons: &[ReasonEntry],
    functional: &dyn Fn(&str) -> bool,
) -> Vec<Guess> {
    item.predictions
        .iter()
        .filter(|prediction| is_cause(&prediction.code))
        .take(3)
        .map(|prediction| Guess {
            code: prediction.code.clone(),
            description: reasons
                .iter()
                .find(|entry| entry.reason.code == prediction.code)
                .map(|entry| entry.reason.description.clone())
                .unwrap_or_default(),
            functional: functional(&prediction.code),
            bar: Bar::share(prediction.confidence),
            why: prediction.why.iter().take(4).map(|text| why(text)).collect(),
        })
        .collect()
}

/// A reason for a guess; one that begins with a minus speaks against it.
fn why(text: &str) -> Why {
    let against = text.strip_prefix('-').or_else(|| text.strip_prefix('−'));
    let said = against.unwrap_or(text.strip_prefix('+').unwrap_or(text)).trim();
    let text = match said.split_once(':') {
        Some(("RULE", rule)) => format!("so says the rule {rule}"),
        Some(("MODEL", version)) => format!("so says the model {version}"),
        _ => said.to_owned(),
    };
    Why { speaks_for: against.is_none(), text }
}

fn decide(answers: &Answers<'_>, base: &str) -> (Option<Decide>, Option<String>) {
    let detail = answers.detail;
    let item = &detail.item;
    if !answers.actor.may(Permission::Propose) {
        let why = if answers.actor.may(Permission::AuditAll) {
            "You look, and do not decide."
        } else {
            "Your roles do not make decisions."
        };
        return (None, Some(why.to_owned()));
    }
    if item.status == "PENDING" {
        let who = detail.proposal.as_ref().map_or_else(String::new, |proposal| {
            let asked = match proposal.state {
                ProposalState::Checked => "an authorizer",
                _ => "a checker",
            };
            format!("{} proposed something; {asked} decides.", proposal.maker_name)
        });
        return (None, Some(who));
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
        outcome: detail.what_next.clone(),
        reopens,
    };
    (Some(decide), None)
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
    Before {
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

/// What happened, newest first, with what people said among it.
fn history(detail: &ItemDetail, now: Instant) -> Vec<Event> {
    detail.history.iter().map(|entry| event(entry, now)).collect()
}

/// A line of a history.
pub fn event(entry: &HistoryEntry, now: Instant) -> Event {
    Event {
        who: entry.actor_name.clone(),
        what: labels::did(&entry.action_type, &entry.stage),
        comment: entry.comments.clone().unwrap_or_default(),
        when: labels::ago(now, &entry.performed_at),
        at: entry.performed_at.clone(),
    }
}
