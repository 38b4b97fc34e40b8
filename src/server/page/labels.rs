//! Numbers, shares, ages and codes as text.

use crate::domain::review::{Action, ProposalState, Trigger};
use crate::domain::{DiffType, Instant, Status};

/// `1,234,567`.
pub fn count(number: &u64) -> String {
    group(&number.to_string())
}

/// Adds separators to a plain decimal; leaves anything else unchanged.
pub fn amount(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("−", rest));
    let (whole, fraction) = rest.split_once('.').map_or((rest, None), |(w, f)| (w, Some(f)));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !fraction.is_none_or(digits) {
        return text.to_owned();
    }
    let whole = group(whole);
    fraction
        .map_or_else(|| format!("{sign}{whole}"), |fraction| format!("{sign}{whole}.{fraction}"))
}

fn group(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `97 %` with a no-break space; never rounds to 0 % or 100 %.
pub fn percent(share: f64) -> String {
    let whole = (share * 100.0).round();
    if share < 1.0 && whole >= 100.0 {
        return ">99\u{a0}%".to_owned();
    }
    if share > 0.0 && whole <= 0.0 {
        return "<1\u{a0}%".to_owned();
    }
    format!("{whole:.0}\u{a0}%")
}

/// `1 item`, `12 items`.
pub fn counted(number: u64, unit: &str) -> String {
    if number == 1 { format!("1 {unit}") } else { format!("{} {unit}s", count(&number)) }
}

pub fn items(number: &u64) -> String {
    counted(*number, "item")
}

/// A duration in the largest unit that fits.
pub fn age(seconds: u64) -> String {
    match seconds {
        0..60 => "now".to_owned(),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        86_400..5_184_000 => format!("{} d", seconds / 86_400),
        _ => format!("{} mo", seconds / 2_592_000),
    }
}

/// `NUMERIC_MISMATCH` as `Numeric mismatch`.
pub fn sentence(code: &str) -> String {
    let lower = code.replace('_', " ").to_lowercase();
    let mut characters = lower.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

pub fn field(name: &str) -> &str {
    if name == "ENTIRE_RECORD" { "whole record" } else { name }
}

pub fn kind(diff_type: &str) -> String {
    let words = match DiffType::from_name(diff_type) {
        Some(DiffType::MissingInSourceA) => "missing in A",
        Some(DiffType::MissingInSourceB) => "missing in B",
        Some(DiffType::DuplicateInSourceA) => "surplus in A",
        Some(DiffType::DuplicateInSourceB) => "surplus in B",
        Some(DiffType::NullMismatch) => "one side is null",
        Some(DiffType::NumericMismatch) => "numbers differ",
        Some(DiffType::DateMismatch) => "dates differ",
        Some(DiffType::StringMismatch) => "texts differ",
        Some(DiffType::BooleanMismatch) => "booleans differ",
        Some(DiffType::TypeMismatch) => "unreadable as its type",
        None => return sentence(diff_type),
    };
    words.to_owned()
}

/// Empty for the usual severity.
pub fn severity(name: &str) -> String {
    if name == "MEDIUM" { String::new() } else { name.to_lowercase() }
}

/// 0 if `then` is unreadable or in the future.
pub fn seconds_since(now: Instant, then: &str) -> u64 {
    let Some(then) = moment(then) else { return 0 };
    u64::try_from(now.seconds() - then.seconds()).unwrap_or_default()
}

fn moment(text: &str) -> Option<Instant> {
    Instant::parse_rfc3339_utc(text)
}

/// `3 h ago`.
pub fn ago(now: Instant, then: &str) -> String {
    match age(seconds_since(now, then)).as_str() {
        "now" => "just now".to_owned(),
        age => format!("{age} ago"),
    }
}

/// Text and CSS class.
pub fn due(now: Instant, at: &str) -> (String, &'static str) {
    let Some(then) = moment(at) else { return (String::new(), "") };
    let left = then.seconds() - now.seconds();
    let length = age(left.unsigned_abs());
    match left {
        _ if length == "now" => ("due now".to_owned(), "due"),
        ..0 => (format!("{length} late"), "overdue"),
        _ => (format!("due in {length}"), "ok"),
    }
}

/// `2026-11-23T14:03:22.5Z` as `23 Nov 14:03`.
pub fn short_moment(at: &str) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let Some(then) = moment(at) else { return at.to_owned() };
    let (_, month, day) = then.date().civil();
    let month = usize::try_from(month).ok().and_then(|month| MONTHS.get(month.wrapping_sub(1)));
    let time = at.get(11..16).unwrap_or_default();
    format!("{day} {} {time}", month.unwrap_or(&""))
}

pub fn decision(action: Action, code: Option<&str>) -> String {
    match (action, code) {
        (Action::Approve, Some(code)) => format!("Accept {code}"),
        (Action::Approve, None) => "Accept the predicted cause".to_owned(),
        (Action::Override, code) => format!("Settle as {}", code.unwrap_or("another cause")),
        (Action::Reject, _) => "Confirm as break".to_owned(),
    }
}

/// Text and CSS class.
pub const fn proposal(state: ProposalState) -> (&'static str, &'static str) {
    match state {
        ProposalState::Open => ("Awaits a checker", "pending"),
        ProposalState::Checked => ("Awaits an authorizer", "pending"),
        ProposalState::Applied => ("Done", "settled"),
        ProposalState::Returned => ("Sent back", "open"),
        ProposalState::Withdrawn => ("Withdrawn", "closed"),
        ProposalState::Stale => ("Overtaken by a change", "closed"),
        ProposalState::Expired => ("Expired", "closed"),
    }
}

/// A text with its whole and decimal numbers grouped by thousands.
fn counts_grouped(text: &str) -> String {
    let grouped = |word: &str| {
        let is_number = !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
            && word.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
        if is_number { amount(word) } else { word.to_owned() }
    };
    text.split(' ').map(grouped).collect::<Vec<_>>().join(" ")
}

/// `0.99997 > 0.9` as `>99 %, more than 90 %`.
fn confident(value: &str) -> String {
    let (own, rest) = value.split_once(" > ").unwrap_or((value, ""));
    let (limit, note) = rest.split_once(' ').unwrap_or((rest, ""));
    match (own.parse(), limit.parse()) {
        (Ok(own), Ok(limit)) => {
            let text = format!("{}, more than {} {note}", percent(own), percent(limit));
            text.trim_end().to_owned()
        }
        _ => value.to_owned(),
    }
}

pub fn trigger(trigger: Trigger, value: &str) -> String {
    let words = match trigger {
        Trigger::ReasonCode => "New or changed reason code",
        Trigger::ConfidentOverride => "Another cause was predicted with high confidence",
        Trigger::Amount => "Amount",
        Trigger::Regulatory => "Regulated field",
        Trigger::FirstOfSignature => "First decision about this kind of difference",
        Trigger::FunctionalChange => "Changes between functional and error",
        Trigger::Policy => "Changes the policy",
        Trigger::Reopen => "Reopens a decision of people",
        Trigger::Bulk => "Many items, or a large sum, in one decision",
        Trigger::Splitting => "One maker's proposals about it add up to a large sum",
    };
    let value = match trigger {
        Trigger::ConfidentOverride => confident(value),
        _ => counts_grouped(value),
    };
    if value.is_empty() { words.to_owned() } else { format!("{words}: {value}") }
}

/// A step of a proposal as the verb of a sentence: `proposed 1,423 items`.
pub fn step(action_type: &str, stage: &str, count: u64) -> String {
    let many = if count > 1 { format!(" {}", items(&count)) } else { " it".to_owned() };
    match (action_type, stage) {
        ("APPROVE" | "OVERRIDE" | "REJECT" | "REOPEN" | "PROPOSE" | "PROPOSE_REASON", "MAKER") => {
            format!("proposed{many}")
        }
        ("MATCH", "MAKER") => format!("proposed to match{many}"),
        ("UNMATCH", "MAKER") => format!("proposed to take apart{many}"),
        ("APPROVE", "CHECKER") => format!("checked{many}"),
        ("APPROVE", "AUTHORIZER") => format!("authorized{many}"),
        _ => did(action_type, stage),
    }
}

/// An audit row's action as the verb of a sentence.
pub fn did(action_type: &str, stage: &str) -> String {
    let words = match (action_type, stage) {
        ("APPROVE", "CHECKER") => "checked and approved",
        ("APPROVE", "AUTHORIZER") => "authorized",
        ("APPROVE", _) => "accepted the predicted cause",
        ("OVERRIDE", _) => "chose another cause",
        ("REJECT", "CHECKER" | "AUTHORIZER") => "sent it back",
        ("REJECT", _) => "confirmed the break",
        ("REOPEN", _) => "decided it again",
        ("MATCH", _) => "proposed to match it by hand",
        ("UNMATCH", _) => "proposed to take the match apart",
        ("AMEND", _) => "changed the proposal",
        ("WITHDRAW", _) => "withdrew the proposal",
        ("STALE", _) => "closed the proposal: its items have changed",
        ("EXPIRE", _) => "closed the proposal: it expired",
        ("COMMENT", _) => "said",
        ("ASSIGN", _) => "assigned it",
        ("CARRY", _) => "carried the decision over from an earlier run",
        ("MOVE", _) => "moved the proposal to the newest run",
        ("SAMPLE", _) => "judged a sample",
        ("INGEST", _) => "ingested the run",
        ("COMPARE", _) => "compared the run",
        ("ATTRIBUTE", _) => "attributed the run",
        ("FAIL", _) => "marked the run as failed",
        _ => return sentence(action_type).to_lowercase(),
    };
    words.to_owned()
}

/// How many eyes a decision had.
pub fn control(name: &str) -> String {
    match name {
        "SIX_EYE" => "Six eyes".to_owned(),
        "FOUR_EYE" => "Four eyes".to_owned(),
        "TWO_EYE" => "Two eyes".to_owned(),
        "NONE" => "One user alone".to_owned(),
        other => sentence(other),
    }
}

/// How a break cleared.
pub fn cleared(how: &str) -> &'static str {
    match how {
        "MATCHED" => "matched",
        "AGREES" => "the sides agree",
        "GONE" => "gone",
        "CLOSED" => "closed",
        "EXPIRED" => "expired",
        _ => "",
    }
}

/// Text and CSS class.
pub fn status(name: &str) -> (&'static str, &'static str) {
    match Status::from_name(name) {
        Some(Status::Unknown) | None => ("To decide", "open"),
        Some(Status::Pending) => ("Proposed", "pending"),
        Some(Status::Accepted) => ("Settled", "settled"),
        Some(Status::Rejected) => ("Confirmed break", "rejected"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_shares_never_round_to_0_or_100() {
        assert_eq!(count(&1_234_567), "1,234,567");
        assert_eq!(count(&999), "999");
        assert_eq!(amount("-1234567.050"), "−1,234,567.050");
        assert_eq!(amount("12e4"), "12e4");
        assert_eq!(percent(0.999), ">99\u{a0}%");
        assert_eq!(percent(0.001), "<1\u{a0}%");
        assert_eq!(percent(1.0), "100\u{a0}%");
        assert_eq!(age(90_000), "1 d");
        assert_eq!(sentence("NUMERIC_MISMATCH"), "Numeric mismatch");
        assert_eq!(confident("0.9999953 > 0.9"), ">99\u{a0}%, more than 90\u{a0}%");
        assert_eq!(confident("something else"), "something else");
    }
}
