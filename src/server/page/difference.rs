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
    } else if let Some(Typed::Numbers(..)) = typed(difference) {
        let (left, right) = if is_slip(a.unwrap_or_default(), b.unwrap_or_default()) {
            comparison(a, b, signs)
        } else {
            (diff::plain(a, signs), diff::plain(b, signs))
        };
        (left.grouped(a.unwrap_or_default()), right.grouped(b.unwrap_or_default()))
    } else {
        comparison(a, b, signs)
    };
    (a.into(), b.into())
}

/// True if digits were exchanged or dropped: if other digits differ, marks on single ones mean nothing.
fn is_slip(a: &str, b: &str) -> bool {
    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).collect::<Vec<_>>();
    let (mut short, mut long) = (digits(a), digits(b));
    if short.len() > long.len() {
        std::mem::swap(&mut short, &mut long);
    }
    if short.len() < long.len() {
        let mut rest = long.iter();
        return short.iter().all(|digit| rest.any(|own| own == digit));
    }
    let is_other = short != long;
    short.sort_unstable();
    long.sort_unstable();
    is_other && short == long
}

/// Most names of a side in the head of a list.
const NAMES: usize = 3;

/// The names of the two systems; where items are of several jobs, all names of each side.
pub fn systems<'a>(items: impl Iterator<Item = &'a ReviewItem>) -> [String; 2] {
    let mut names = [const { Vec::<&str>::new() }; 2];
    for item in items {
        for (side, name) in names.iter_mut().zip(&item.systems) {
            if !side.contains(&name.as_str()) {
                side.push(name);
            }
        }
    }
    let [a, b] = names;
    [head(&a, "A"), head(&b, "B")]
}

fn head(names: &[&str], letter: &str) -> String {
    match names.len() {
        0 => letter.to_owned(),
        1..=NAMES => names.join(" / "),
        _ => format!("{} / …", names.get(..NAMES).unwrap_or(names).join(" / ")),
    }
}

/// The kind of difference, with the names of the systems.
pub fn kind(diff_type: &str, systems: &[String]) -> String {
    use DiffType as T;
    let name = |at: usize| systems.get(at).cloned().unwrap_or_default();
    match DiffType::from_name(diff_type) {
        Some(T::MissingInSourceA) => format!("missing in {}", name(0)),
        Some(T::MissingInSourceB) => format!("missing in {}", name(1)),
        Some(T::DuplicateInSourceA) => format!("surplus in {}", name(0)),
        Some(T::DuplicateInSourceB) => format!("surplus in {}", name(1)),
        _ => labels::kind(diff_type),
    }
}

/// Causes with less confidence are pale in lists.
pub const SURE: f64 = 0.6;
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

/// How far the two sides are apart: a number or a time, its currency, its share of the larger number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Apart {
    /// B − A; of a record without a partner, its amount.
    pub text: String,
    pub currency: String,
    pub share: String,
}

/// `None` where there is nothing to measure.
pub fn apart(item: &ReviewItem) -> Option<Apart> {
    let difference = &item.difference;
    // Only amounts of money are in a currency.
    let amount = item.amount_abs.as_deref();
    let currency = amount.and(item.currency.clone()).unwrap_or_default();
    match typed(difference) {
        Some(Typed::Numbers(a, b)) => {
            // With all its decimals, it aligns with the two numbers.
            let text = signed(&b.checked_sub(a)?.to_string());
            Some(Apart { text, currency, share: share(a, b) })
        }
        Some(Typed::Days(..) | Typed::Moments(..)) => {
            Some(Apart { text: delta(difference), ..Apart::default() })
        }
        Some(Typed::Texts) => None,
        None => Some(Apart { text: labels::amount(amount?), currency, share: String::new() }),
    }
}

fn share(a: Decimal, b: Decimal) -> String {
    let larger = if a.abs() > b.abs() { a.abs() } else { b.abs() };
    let Some(delta) = b.checked_sub(a).filter(|_| !larger.is_zero()) else {
        return String::new();
    };
    let percent = 100.0 * delta.abs().to_f64() / larger.to_f64();
    if percent >= 0.01 {
        format!("{percent:.2}\u{a0}% of the larger")
    } else {
        "below 0.01\u{a0}% of the larger".to_owned()
    }
}

/// The lengths of two texts.
pub fn lengths(difference: &DifferenceView) -> Option<(String, String)> {
    let Some(Typed::Texts) = typed(difference) else { return None };
    let length = |value: &Option<String>| {
        let length = value.as_ref().map_or(0, |text| text.chars().count());
        labels::counted(length as u64, "character")
    };
    Some((length(&difference.value_a), length(&difference.value_b)))
}

/// The predictions, without those that name no cause.
pub fn guesses(item: &ReviewItem, functional: &dyn Fn(&str) -> bool) -> Vec<Guess> {
    predictions(&item.predictions, accepts_first(item), functional)
}

/// True if choosing the first prediction accepts the automatic cause. Where recon abstained, the choice is like any
/// other and needs a comment.
pub fn accepts_first(item: &ReviewItem) -> bool {
    let first =
        item.predictions.iter().find(|one| crate::domain::review::state::is_cause(&one.code));
    let own = item.current_reason.as_ref().map(|reason| reason.code.as_str());
    first.is_some_and(|first| own == Some(first.code.as_str()))
}

/// The amount in lists: B − A, or the amount of a record without a partner, and the currency.
pub fn brief_delta(item: &ReviewItem) -> (String, String) {
    let apart = apart(item).unwrap_or_default();
    (apart.text, apart.currency)
}

/// The label of a group, with the names of the systems for A and B.
pub fn named(label: &str, systems: &[String; 2]) -> String {
    // The field's own name comes first.
    let from = label.find(": ").unwrap_or_default();
    let (field, rest) = label.split_at(from);
    let mut text = field.to_owned();
    let mut before = ' ';
    let mut characters = rest.chars().peekable();
    while let Some(one) = characters.next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let alone = !is_word(before) && !characters.peek().copied().is_some_and(is_word);
        match one {
            'A' if alone => text.push_str(&systems[0]),
            'B' if alone => text.push_str(&systems[1]),
            _ => text.push(one),
        }
        before = one;
    }
    text
}

/// Like [`guesses`], for a group.
/// The likely causes. Where recon abstained, it relies on none.
pub fn predictions(
    predictions: &[Prediction],
    relies: bool,
    functional: &dyn Fn(&str) -> bool,
) -> Vec<Guess> {
    predictions
        .iter()
        .filter(|prediction| crate::domain::review::state::is_cause(&prediction.code))
        .take(3)
        .map(|prediction| Guess {
            code: prediction.code.clone(),
            bar: Bar::share(prediction.confidence),
            functional: functional(&prediction.code),
            pale: !relies || prediction.confidence < SURE,
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

/// When an undecided item is due.
pub fn deadline(item: &ReviewItem, now: Instant) -> Due {
    if item.status != "UNKNOWN" {
        return Due::default();
    }
    let (text, class) = labels::due(now, &item.due_at);
    let class = match item.sla {
        crate::review::Sla::Ok => class,
        crate::review::Sla::Due => "due",
        crate::review::Sla::Overdue => "overdue",
    };
    Due { text, class }
}

/// The same; empty while there is plenty of time.
pub fn due(item: &ReviewItem, now: Instant) -> Due {
    Some(deadline(item, now)).filter(|due| due.class != "ok").unwrap_or_default()
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

    #[test]
    fn heads_name_the_systems_of_all_jobs() {
        assert_eq!(head(&[], "A"), "A");
        assert_eq!(head(&["FRONT"], "A"), "FRONT");
        assert_eq!(head(&["FRONT", "BANK"], "A"), "FRONT / BANK");
        assert_eq!(head(&["P", "Q", "R", "S"], "A"), "P / Q / R / …");
    }

    #[test]
    fn labels_name_the_systems() {
        let systems = ["FRONT".to_owned(), "RISK".to_owned()];
        for (label, want) in [
            ("amount: B = round(A, 0)", "amount: RISK = round(FRONT, 0)"),
            ("missing in A", "missing in FRONT"),
            ("A: B is cut off", "A: RISK is cut off"),
            ("name: BANK A_B", "name: BANK A_B"),
        ] {
            assert_eq!(named(label, &systems), want);
        }
    }

    #[test]
    fn numbers_are_grouped_and_marked_where_digits_were_exchanged_or_dropped() {
        let text = |value: &Value| value.to_string();
        let both = |a: &str, b: &str| {
            let (a, b) = sides(&of("NUMERIC_MISMATCH", a, b), Signs::Deceiving);
            (text(&a), text(&b))
        };
        let (a, b) = both("1250300.25", "-1250299.75");
        assert!(a.contains(">1,250,300.25<") && b.contains(">−1,250,299.75<"), "{a} {b}");
        let (a, b) = both("12345.00", "12354.00");
        assert!(
            a.contains("12,3<del>45</del>.00") && b.contains("12,3<ins>54</ins>.00"),
            "{a} {b}"
        );
        let (a, b) = both("12345.10", "1234.10");
        assert!(a.contains("<del>"), "{a} {b}");
        assert!(!b.contains("<ins>") && b.contains("1,234.10"), "{b}");
        assert!(is_slip("100.00", "1000.00"));
        assert!(!is_slip("1250.30", "1250.35") && !is_slip("5", "-5") && !is_slip("10.5", "105"));
    }
}
