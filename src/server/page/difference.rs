//! One difference for display: marked sides and measures.

use crate::domain::{Date, Decimal, DiffType, Instant};
use crate::review::{DifferenceView, Prediction, ReviewItem};

use super::diff::{self, Shown, Signs};
use super::fragment::{Bar, Value};
use super::labels;
use super::queue::{Due, Guess};

pub fn sides(difference: &DifferenceView, signs: Signs) -> (Value, Value) {
    shown(difference, signs, &diff::pair)
}

/// Like [`sides`], for a list.
pub fn brief(difference: &DifferenceView) -> (Value, Value) {
    shown(difference, Signs::Deceiving, &diff::brief)
}

type Comparison = dyn Fn(Option<&str>, Option<&str>, Signs) -> (Shown, Shown);

fn shown(difference: &DifferenceView, signs: Signs, comparison: &Comparison) -> (Value, Value) {
    let (a, b) = (difference.value_a.as_deref(), difference.value_b.as_deref());
    let whole = DiffType::from_name(&difference.diff_type).is_some_and(DiffType::is_entire_record);
    let (a, b) = if whole {
        let side = |value: Option<&str>| {
            if value.is_some() { Shown::Record } else { Shown::NoRecord }
        };
        (side(a), side(b))
    } else {
        comparison(a, b, signs)
    };
    (a.into(), b.into())
}

/// Longest reference, in characters.
const REFERENCE: usize = 120;

/// The record's reference, from the side that has it.
pub fn reference(item: &ReviewItem) -> String {
    let text = item.source_a_ref_id.as_deref().or(item.source_b_ref_id.as_deref());
    let text = text.unwrap_or("(no reference)");
    let mut shown: String = text.chars().take(REFERENCE).collect();
    if text.chars().nth(REFERENCE).is_some() {
        shown.push('…');
    }
    shown
}

enum Typed {
    Numbers(Decimal, Decimal),
    Days(Date, Date),
    Moments(Instant, Instant),
    Texts,
}

fn typed(difference: &DifferenceView) -> Option<Typed> {
    let (a, b) = (difference.value_a.as_deref()?, difference.value_b.as_deref()?);
    match DiffType::from_name(&difference.diff_type)? {
        DiffType::NumericMismatch => Some(Typed::Numbers(a.parse().ok()?, b.parse().ok()?)),
        DiffType::DateMismatch => {
            if let (Ok(a), Ok(b)) = (a.parse(), b.parse()) {
                return Some(Typed::Days(a, b));
            }
            Some(Typed::Moments(Instant::parse_rfc3339_utc(a)?, Instant::parse_rfc3339_utc(b)?))
        }
        DiffType::StringMismatch => Some(Typed::Texts),
        _ => None,
    }
}

/// Padding after two numbers that aligns their decimal points.
pub fn padding(difference: &DifferenceView) -> Option<(String, String)> {
    let Typed::Numbers(..) = typed(difference)? else { return None };
    let behind = |value: &Option<String>| {
        let text = value.as_deref().unwrap_or_default();
        text.find('.').map_or(0, |point| text.len() - point)
    };
    let (a, b) = (behind(&difference.value_a), behind(&difference.value_b));
    let spaces = |own: usize| "\u{2007}".repeat(a.max(b) - own);
    Some((spaces(a), spaces(b)))
}

/// B − A; empty where that is meaningless.
pub fn delta(difference: &DifferenceView) -> String {
    match typed(difference) {
        Some(Typed::Numbers(a, b)) => b
            .checked_sub(a)
            .map(|delta| signed(&delta.normalized().to_string()))
            .unwrap_or_default(),
        Some(Typed::Days(a, b)) => days(i64::from(b.days()) - i64::from(a.days())),
        Some(Typed::Moments(a, b)) => span(b.seconds() - a.seconds()),
        Some(Typed::Texts) | None => String::new(),
    }
}

fn signed(number: &str) -> String {
    let shown = labels::amount(number);
    if shown.starts_with(['−', '0']) && !shown.starts_with("0.") {
        shown
    } else {
        format!("+{shown}")
    }
}

fn days(number: i64) -> String {
    let sign = if number < 0 { "−" } else { "+" };
    let plural = if number.abs() == 1 { "" } else { "s" };
    format!("{sign}{} day{plural}", number.abs())
}

fn span(seconds: i64) -> String {
    let sign = if seconds < 0 { "−" } else { "+" };
    let size = seconds.unsigned_abs();
    match size {
        0..120 => format!("{sign}{size} s"),
        _ => format!("{sign}{}", labels::age(size)),
    }
}

/// Names and numbers.
pub fn measures(difference: &DifferenceView) -> Vec<(String, String)> {
    let mut measures = Vec::new();
    let mut add = |name: &str, value: String| measures.push((name.to_owned(), value));
    match typed(difference) {
        Some(Typed::Numbers(a, b)) => {
            add("B − A", delta(difference));
            let larger = if a.abs() > b.abs() { a.abs() } else { b.abs() };
            if let Some(delta) = b.checked_sub(a).filter(|_| !larger.is_zero()) {
                let percent = 100.0 * delta.abs().to_f64() / larger.to_f64();
                let text = if percent >= 0.01 {
                    format!("{percent:.2} %")
                } else {
                    "below 0.01 %".to_owned()
                };
                add("of the larger", text);
            }
        }
        Some(Typed::Days(..) | Typed::Moments(..)) => add("B − A", delta(difference)),
        Some(Typed::Texts) => {
            let length = |value: &Option<String>| {
                let length = value.as_ref().map_or(0, |text| text.chars().count());
                labels::count(&(length as u64))
            };
            add("Characters in A", length(&difference.value_a));
            add("Characters in B", length(&difference.value_b));
        }
        None => {}
    }
    measures
}

/// The predictions, without those that name no cause.
pub fn guesses(item: &ReviewItem, functional: &dyn Fn(&str) -> bool) -> Vec<Guess> {
    predictions(&item.predictions, functional)
}

/// Whether choosing the first prediction takes the automatic cause. Where recon abstained, that is a choice like
/// any other, with a comment.
pub fn accepts_first(item: &ReviewItem) -> bool {
    let first =
        item.predictions.iter().find(|one| crate::domain::review::state::is_cause(&one.code));
    let own = item.current_reason.as_ref().map(|reason| reason.code.as_str());
    first.is_some_and(|first| own == Some(first.code.as_str()))
}

/// Like [`guesses`], for a group.
pub fn predictions(predictions: &[Prediction], functional: &dyn Fn(&str) -> bool) -> Vec<Guess> {
    predictions
        .iter()
        .filter(|prediction| crate::domain::review::state::is_cause(&prediction.code))
        .take(3)
        .map(|prediction| Guess {
            code: prediction.code.clone(),
            bar: Bar::share(prediction.confidence),
            functional: functional(&prediction.code),
        })
        .collect()
}

/// Since when a break is there, if that is longer than its date.
pub fn since(item: &ReviewItem) -> Option<String> {
    since_day(&item.first_seen, item.age_days)
}

/// Since when a break is there; `None` on its first date.
pub fn since_day(first_seen: &str, age_days: i64) -> Option<String> {
    (age_days > 0).then(|| format!("since {first_seen}, day {}", age_days + 1))
}

pub fn due(item: &ReviewItem, now: Instant) -> Due {
    let (text, class) = labels::due(now, &item.due_at);
    let class = match item.sla {
        crate::review::Sla::Ok => class,
        crate::review::Sla::Due => "due",
        crate::review::Sla::Overdue => "overdue",
    };
    // Not shown while there is plenty of time.
    if class == "ok" { Due::default() } else { Due { text, class } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(diff_type: &str, a: &str, b: &str) -> DifferenceView {
        DifferenceView {
            diff_id: String::new(),
            field_name: "x".into(),
            value_a: Some(a.into()),
            value_b: Some(b.into()),
            diff_type: diff_type.into(),
        }
    }

    #[test]
    fn differences_are_measured() {
        let delta = |kind: &str, a: &str, b: &str| delta(&of(kind, a, b));
        assert_eq!(delta("NUMERIC_MISMATCH", "1250.30", "1250.35"), "+0.05");
        assert_eq!(delta("NUMERIC_MISMATCH", "5000", "1.5"), "−4,998.5");
        assert_eq!(delta("DATE_MISMATCH", "2026-01-15", "2026-01-16"), "+1 day");
        assert_eq!(delta("DATE_MISMATCH", "2026-01-15T10:00:00Z", "2026-01-15T08:00:00Z"), "−2 h");
        assert_eq!(delta("STRING_MISMATCH", "a", "b"), "");
        assert_eq!(delta("NUMERIC_MISMATCH", "x", "2"), "", "what can't be read is not measured");
    }
}
