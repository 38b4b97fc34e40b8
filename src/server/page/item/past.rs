//! The past of an item: the life of its break, its history, and decisions about similar ones.

use crate::domain::{DiffType, Instant};
use crate::review::{Forecast, HistoryEntry, ItemDetail, LifeEvent, SimilarDecision};
use crate::server::page::labels;

use super::system;

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
    pub day: String,
    pub what: String,
    /// Values, or a comment.
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

pub fn before(one: &SimilarDecision, now: Instant, functional: &dyn Fn(&str) -> bool) -> Before {
    let value = |value: &Option<String>| match value.as_deref() {
        None if one.value_a.as_deref() == Some("EXISTS")
            || one.value_b.as_deref() == Some("EXISTS") =>
        {
            "no record".to_owned()
        }
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

/// The life of a break: its dates, changes, human actions, and how it cleared.
pub fn life(detail: &ItemDetail) -> Vec<Lived> {
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
pub fn history(detail: &ItemDetail, now: Instant) -> Vec<Event> {
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
