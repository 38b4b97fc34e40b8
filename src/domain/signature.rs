//! Signatures: groups of differences that look alike to a reviewer.
//!
//! A pattern comes from a cheap look at the two values; together with job, field, type, reason and severity it names
//! a group, whose members are mostly decided alike.

use std::fmt;

use super::{Cell, Decimal, DiffType, Severity};

/// Relation between the two values of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// No known pattern.
    Plain,
    /// One is the other with the opposite sign.
    Sign,
    /// B is A rounded to this many decimals.
    RoundedB(u8),
    /// A is B rounded to this many decimals.
    RoundedA(u8),
    /// B is A times ten to this power.
    Scaled(i8),
    /// A hundredth or less apart.
    Cent,
    /// B is larger (or smaller) by at most this percentage of the larger.
    Percent {
        more: bool,
        /// 1, 10, or 100 for any number.
        at_most: u8,
    },
    /// One of them is zero.
    Zero { b: bool },
    /// B is this many days later; at most thirty either way.
    Days(i8),
    /// Further apart in time.
    FarDays { later: bool },
    /// Equal except for case.
    Case,
    /// Equal except for white space.
    Space,
    /// Equal except for punctuation.
    Punctuation,
    /// One is the beginning of the other.
    Cut { b: bool },
    /// One holds the other.
    Part {
        /// True if B's text is the part.
        b: bool,
    },
    /// A side is empty.
    Empty { b: bool },
    /// A side can't be read as its type.
    Unreadable { b: bool },
}

impl Pattern {
    /// Finds the relation from the values only, fast enough for every difference.
    pub fn of(a: Cell<'_>, b: Cell<'_>) -> Self {
        match (a, b) {
            (Cell::Unparsed(_), _) => Self::Unreadable { b: false },
            (_, Cell::Unparsed(_)) => Self::Unreadable { b: true },
            (Cell::Null, Cell::Null) => Self::Plain,
            (Cell::Null, _) => Self::Empty { b: false },
            (_, Cell::Null) => Self::Empty { b: true },
            (Cell::Text(a), Cell::Text(b)) => Self::of_texts(a, b),
            (Cell::Date(a), Cell::Date(b)) => {
                Self::of_days(i64::from(b.days()) - i64::from(a.days()))
            }
            (Cell::Instant(a), Cell::Instant(b)) => {
                Self::of_days((b.seconds() - a.seconds()).div_euclid(86_400))
            }
            (a, b) => match (a.number(), b.number()) {
                (Some(a), Some(b)) => Self::of_numbers(a, b),
                _ => Self::Plain,
            },
        }
    }

    fn of_numbers(a: Decimal, b: Decimal) -> Self {
        let equal =
            |left: Decimal, right: Decimal| left.checked_sub(right).is_some_and(Decimal::is_zero);
        if a.is_zero() || b.is_zero() {
            return Self::Zero { b: b.is_zero() };
        }
        if equal(a, b.negated()) {
            return Self::Sign;
        }
        let (short_a, short_b) = (a.normalized(), b.normalized());
        let delta = b.checked_sub(a);
        let a_cent = delta.is_some_and(|delta| delta.abs().to_f64() <= 0.010_000_000_1);
        // One cent more than a whole amount is a cent, and no rounding.
        if a_cent && short_a.scale().max(short_b.scale()) <= 2 {
            return Self::Cent;
        }
        if short_b.scale() < short_a.scale() && equal(short_a.rounded(short_b.scale()), short_b) {
            return Self::RoundedB(short_b.scale());
        }
        if short_a.scale() < short_b.scale() && equal(short_b.rounded(short_a.scale()), short_a) {
            return Self::RoundedA(short_a.scale());
        }
        if let Some(power) = power_of_ten(short_a, short_b) {
            return Self::Scaled(power);
        }
        let Some(delta) = delta else { return Self::Plain };
        if a_cent {
            return Self::Cent;
        }
        let larger = a.abs().to_f64().max(b.abs().to_f64());
        let share = delta.abs().to_f64() / larger;
        let at_most = match share {
            share if share <= 0.01 => 1,
            share if share <= 0.1 => 10,
            _ => 100,
        };
        Self::Percent { more: delta.coefficient() > 0, at_most }
    }

    fn of_days(days: i64) -> Self {
        match i8::try_from(days) {
            Ok(few @ -30..=30) => Self::Days(few),
            _ => Self::FarDays { later: days > 0 },
        }
    }

    fn of_texts(a: &str, b: &str) -> Self {
        if !b.is_empty() && a.starts_with(b) {
            return Self::Cut { b: true };
        }
        if !a.is_empty() && b.starts_with(a) {
            return Self::Cut { b: false };
        }
        let same = |keep: fn(&char) -> bool, fold: bool| {
            let shape = |text: &str| {
                text.chars()
                    .filter(keep)
                    .flat_map(
                        move |c| {
                            if fold { c.to_lowercase().collect::<Vec<_>>() } else { vec![c] }
                        },
                    )
                    .collect::<String>()
            };
            shape(a) == shape(b)
        };
        // Texts of very different lengths are not compared letter by letter.
        if a.len().abs_diff(b.len()) <= a.len().min(b.len()) / 2 + 2 && a.len() < 200 {
            if a.eq_ignore_ascii_case(b) {
                return Self::Case;
            }
            if same(|c| !c.is_whitespace(), false) {
                return Self::Space;
            }
            if same(|_| true, true) {
                return Self::Case;
            }
            if same(|c| c.is_alphanumeric(), true) {
                return Self::Punctuation;
            }
        }
        if !b.is_empty() && a.contains(b) {
            Self::Part { b: true }
        } else if !a.is_empty() && b.contains(a) {
            Self::Part { b: false }
        } else {
            Self::Plain
        }
    }
}

/// `Some(k)` where `b` is `a` times ten to the `k`, `k` not 0.
fn power_of_ten(a: Decimal, b: Decimal) -> Option<i8> {
    // Both are normalized: powers of ten show in the scale, or in trailing zeros.
    let (mut left, mut right) = (a.coefficient(), b.coefficient());
    let mut power = i32::from(a.scale()) - i32::from(b.scale());
    while left % 10 == 0 {
        left /= 10;
        power -= 1;
    }
    while right % 10 == 0 {
        right /= 10;
        power += 1;
    }
    (left == right && power != 0).then(|| i8::try_from(power).ok()).flatten()
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |b: &bool| if *b { "B" } else { "A" };
        match self {
            Self::Plain => f.write_str("other"),
            Self::Sign => f.write_str("B = −A"),
            Self::RoundedB(scale) => write!(f, "B = round(A, {scale})"),
            Self::RoundedA(scale) => write!(f, "A = round(B, {scale})"),
            Self::Scaled(power @ 1..) => write!(f, "B = A × 10^{power}"),
            Self::Scaled(power) => write!(f, "A = B × 10^{}", power.unsigned_abs()),
            Self::Cent => f.write_str("0.01 or less apart"),
            Self::Percent { more, at_most } => {
                let word = if *more { "more" } else { "less" };
                match at_most {
                    100 => write!(f, "B is {word} by over 10 %"),
                    at_most => write!(f, "B is {word} by up to {at_most} %"),
                }
            }
            Self::Zero { b } => write!(f, "{} is zero", side(b)),
            Self::Days(0) => f.write_str("same day, another time"),
            Self::Days(days @ 1..) => {
                write!(f, "B is {days} day{} later", if *days == 1 { "" } else { "s" })
            }
            Self::Days(days) => {
                let days = days.unsigned_abs();
                write!(f, "B is {days} day{} earlier", if days == 1 { "" } else { "s" })
            }
            Self::FarDays { later } => {
                write!(f, "B is over 30 days {}", if *later { "later" } else { "earlier" })
            }
            Self::Case => f.write_str("upper and lower case"),
            Self::Space => f.write_str("white space"),
            Self::Punctuation => f.write_str("punctuation"),
            Self::Cut { b } => write!(f, "{} is cut off", side(b)),
            Self::Part { b } => write!(f, "{} is a part", side(b)),
            Self::Empty { b } => write!(f, "{} is empty", side(b)),
            Self::Unreadable { b } => write!(f, "{} can't be read", side(b)),
        }
    }
}

/// The features that look-alikes share: they are reviewed together.
#[derive(Clone, Copy, Debug)]
pub struct Signature<'a> {
    pub job: &'a str,
    /// The field, or `ENTIRE_RECORD`.
    pub field: &'a str,
    pub diff_type: DiffType,
    /// The suggested reason.
    pub reason: &'a str,
    pub pattern: Pattern,
    /// The severity, which the configuration ties to field and type.
    pub severity: Severity,
    pub monetary: bool,
}

impl Signature<'_> {
    /// The identity as a JSON array of texts.
    pub fn key(&self) -> String {
        serde_json::json!([
            self.job,
            self.field,
            self.diff_type.name(),
            self.reason,
            self.pattern.to_string(),
            self.severity.name(),
            if self.monetary { "monetary" } else { "" },
        ])
        .to_string()
    }

    /// The label for display.
    pub fn label(&self) -> String {
        match self.diff_type {
            DiffType::MissingInSourceA => "missing in A".to_owned(),
            DiffType::MissingInSourceB => "missing in B".to_owned(),
            DiffType::DuplicateInSourceA => "duplicate in A".to_owned(),
            DiffType::DuplicateInSourceB => "duplicate in B".to_owned(),
            _ => match self.pattern {
                Pattern::Plain => format!("{}: A and B differ", self.field),
                pattern => format!("{}: {pattern}", self.field),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(a: Cell<'_>, b: Cell<'_>) -> String {
        Pattern::of(a, b).to_string()
    }

    fn number(text: &str) -> Cell<'static> {
        Cell::Decimal(Decimal::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn numbers_show_how_they_relate() {
        for (a, b, pattern) in [
            ("123.46", "123", "B = round(A, 0)"),
            ("123.5", "123.456", "A = round(B, 1)"),
            ("-5", "5.00", "B = −A"),
            ("12.5", "1250", "B = A × 10^2"),
            ("1250", "12.5", "A = B × 10^2"),
            ("100.00", "100.01", "0.01 or less apart"),
            ("100.2", "101.1", "B is more by up to 1 %"),
            ("100.2", "92.1", "B is less by up to 10 %"),
            ("100.2", "12.1", "B is less by over 10 %"),
            ("0", "12.1", "A is zero"),
        ] {
            assert_eq!(of(number(a), number(b)), pattern, "{a} {b}");
        }
    }

    #[test]
    fn texts_and_days_show_how_they_relate() {
        for (a, b, pattern) in [
            ("ACME Ltd", "acme ltd", "upper and lower case"),
            ("ACME Ltd", "ACMELtd", "white space"),
            ("ACME, Ltd.", "ACME Ltd", "punctuation"),
            ("International", "Internat", "B is cut off"),
            ("Bank", "The Bank of", "A is a part"),
            ("Bank", "Shop", "other"),
        ] {
            assert_eq!(of(Cell::Text(a), Cell::Text(b)), pattern, "{a} {b}");
        }
        let day = |days| Cell::Date(super::super::Date::from_days(days));
        assert_eq!(of(day(10), day(12)), "B is 2 days later");
        assert_eq!(of(day(10), day(9)), "B is 1 day earlier");
        assert_eq!(of(day(10), day(900)), "B is over 30 days later");
        assert_eq!(of(Cell::Null, Cell::Text("x")), "A is empty");
        assert_eq!(of(Cell::Unparsed("?"), Cell::Null), "A can't be read");
    }
}
