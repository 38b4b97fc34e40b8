//! Common properties of differences: conditions that a rule can test exactly, in words, as Rhai and
//! as a predicate; and remarks in words only.

use crate::attribute::features::{
    accents_only, case_only, characters_transposed, digits_transposed, power_of_ten,
    punctuation_only, spaces_only, swapped,
};
use crate::domain::words::jaro_winkler;
use crate::domain::{Cell, Decimal, DiffType, DifferenceContext};
use crate::script::MAX_COMPARED;

/// A common property of a group's values that a rule can test exactly. Other properties are
/// described in words only ([`Observed::remarks`]).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Condition {
    /// Only field and kind.
    Any,
    PartnerRejected(bool),
    NullA(bool),
    SignFlip,
    PowerOfTen(i32),
    /// The exact delta, as written.
    Delta(String),
    /// Sign of B − A, and the power of ten of its size (from 10^k to below 10^(k+1)).
    Band {
        positive: bool,
        power: i32,
    },
    Days(i64),
    /// More than 31 days apart; whether B is later.
    FarDays(bool),
    CaseOnly,
    /// Whether side B's text is a prefix of side A's, or the reverse.
    CutOff(bool),
    /// Similarity from this tenth to below the next.
    Similarity(u8),
}

/// A difference as seen by conditions.
pub(super) struct Observed<'a> {
    diff_type: DiffType,
    pub(super) a: Cell<'a>,
    pub(super) b: Cell<'a>,
    partner_rejected: bool,
}

impl Observed<'_> {
    fn texts(&self) -> Option<(&str, &str)> {
        match (self.a, self.b) {
            (Cell::Text(a) | Cell::Unparsed(a), Cell::Text(b) | Cell::Unparsed(b)) => Some((a, b)),
            _ => None,
        }
    }

    pub(super) fn delta(&self) -> Option<Decimal> {
        self.b.number()?.checked_sub(self.a.number()?)
    }

    fn days(&self) -> Option<i64> {
        match (self.a, self.b) {
            (Cell::Date(a), Cell::Date(b)) => Some(i64::from(b.days()) - i64::from(a.days())),
            _ => None,
        }
    }

    /// The power of ten of a delta's size, exactly: 0.01 is -2.
    fn power(delta: Decimal) -> i32 {
        let digits = delta.coefficient().unsigned_abs().checked_ilog10().unwrap_or(0);
        digits.cast_signed() - i32::from(delta.scale())
    }

    /// The most specific condition that holds.
    pub(super) fn condition(&self) -> Condition {
        if self.diff_type.is_entire_record() {
            return Condition::PartnerRejected(self.partner_rejected);
        }
        if self.diff_type == DiffType::NullMismatch {
            return Condition::NullA(self.a.is_null());
        }
        if let (Some(a), Some(b), Some(delta)) = (self.a.number(), self.b.number(), self.delta()) {
            if !a.is_zero() && a == b.negated() {
                return Condition::SignFlip;
            }
            if let Some(power) = power_of_ten(a, b).filter(|power| power.abs() <= 6) {
                return Condition::PowerOfTen(power);
            }
            return Condition::Band {
                positive: delta.coefficient() > 0,
                power: Self::power(delta),
            };
        }
        if let Some(days) = self.days() {
            return if days.abs() <= 31 {
                Condition::Days(days)
            } else {
                Condition::FarDays(days > 0)
            };
        }
        match self.texts() {
            Some((a, b)) if self.diff_type == DiffType::StringMismatch => {
                if upper_equal(a, b) {
                    Condition::CaseOnly
                } else if !b.is_empty() && a.starts_with(b) {
                    Condition::CutOff(true)
                } else if !a.is_empty() && b.starts_with(a) {
                    Condition::CutOff(false)
                } else {
                    likeness(a, b).map_or(Condition::Any, Condition::Similarity)
                }
            }
            _ => Condition::Any,
        }
    }

    /// Properties that a rule can't test.
    pub(super) fn remarks(&self) -> Vec<&'static str> {
        let mut remarks = Vec::new();
        let mut say = |holds: bool, remark| {
            if holds {
                remarks.push(remark);
            }
        };
        if let (Some(a), Some(b)) = (self.a.number(), self.b.number()) {
            say(digits_transposed(a, b), "two neighboring digits are swapped");
            let coarse = a.scale().min(b.scale());
            say(
                a.scale() != b.scale() && a.rounded(coarse) == b.rounded(coarse),
                "one side is the other rounded",
            );
            say(a.is_zero() != b.is_zero(), "one side is zero");
        }
        if let (Cell::Date(a), Cell::Date(b)) = (self.a, self.b) {
            say(swapped(a, b), "day and month are swapped");
            say(a.is_month_end() || b.is_month_end(), "one side is a month end");
            say(a.weekday() >= 5 || b.weekday() >= 5, "one side is on a weekend");
        }
        if let Some((a, b)) = self.texts() {
            say(punctuation_only(a, b), "only punctuation differs");
            say(spaces_only(a, b), "only white space differs");
            say(accents_only(a, b), "only accents differ");
            say(case_only(a, b), "only case differs");
            say(characters_transposed(a, b), "two neighboring characters are swapped");
        }
        remarks
    }
}

fn upper_equal(a: &str, b: &str) -> bool {
    a.chars().flat_map(char::to_uppercase).eq(b.chars().flat_map(char::to_uppercase))
}

fn tenth(similarity: f64) -> u8 {
    // Similarities are within 0..=1.
    ((similarity * 10.0) as u8).min(9)
}

/// The tenth below the similarity of two texts; `None` for those that rules refuse to compare.
fn likeness(a: &str, b: &str) -> Option<u8> {
    (a.len().max(b.len()) <= MAX_COMPARED).then(|| tenth(jaro_winkler(a, b)))
}

impl Condition {
    pub(super) fn holds(&self, seen: &Observed<'_>) -> bool {
        match self {
            Self::Delta(delta) => seen
                .delta()
                .is_some_and(|other| delta.parse().is_ok_and(|delta: Decimal| delta == other)),
            Self::Any => true,
            Self::CutOff(true) => seen.texts().is_some_and(|(a, b)| a.starts_with(b)),
            Self::CutOff(false) => seen.texts().is_some_and(|(a, b)| b.starts_with(a)),
            Self::CaseOnly => seen.texts().is_some_and(|(a, b)| upper_equal(a, b)),
            Self::Similarity(at) => {
                seen.texts().is_some_and(|(a, b)| likeness(a, b).is_some_and(|tenth| tenth == *at))
            }
            Self::Band { positive, power } => seen.delta().is_some_and(|delta| {
                !delta.is_zero()
                    && (delta.coefficient() > 0) == *positive
                    && Observed::power(delta) == *power
            }),
            Self::SignFlip => match (seen.a.number(), seen.b.number()) {
                (Some(a), Some(b)) => a == b.negated(),
                _ => false,
            },
            Self::PowerOfTen(power) => match (seen.a.number(), seen.b.number()) {
                (Some(a), Some(b)) => power_of_ten(a, b) == Some(*power),
                _ => false,
            },
            Self::Days(days) => seen.days() == Some(*days),
            Self::FarDays(later) => {
                seen.days().is_some_and(|days| if *later { days > 31 } else { days < -31 })
            }
            Self::NullA(null) => seen.a.is_null() == *null,
            Self::PartnerRejected(rejected) => seen.partner_rejected == *rejected,
        }
    }

    pub(super) fn words(&self) -> String {
        let side = |a: bool| if a { "A" } else { "B" };
        match self {
            Self::Any => "no pattern beyond the field and the kind".into(),
            Self::PartnerRejected(true) => "the partner was rejected".into(),
            Self::PartnerRejected(false) => "the partner was not rejected".into(),
            Self::NullA(null) => format!("side {} is null", side(*null)),
            Self::SignFlip => "B is A with the opposite sign".into(),
            Self::PowerOfTen(power) => format!("B is A × 10^{power}"),
            Self::Delta(delta) => format!("B − A is always {delta}"),
            Self::Band { positive, power } => format!(
                "B is {} than A by {} to {}",
                if *positive { "more" } else { "less" },
                power_text(*power),
                power_text(power + 1)
            ),
            Self::Days(days) => {
                format!("B is {} days {} A", days.abs(), if *days < 0 { "before" } else { "after" })
            }
            Self::FarDays(later) => {
                format!("B is more than 31 days {} A", if *later { "after" } else { "before" })
            }
            Self::CaseOnly => "only upper and lower case differ".into(),
            Self::CutOff(b_shorter) => {
                format!("side {} is a prefix of the other side's text", side(!b_shorter))
            }
            Self::Similarity(at) => {
                format!("the texts are {} % to {} % similar", at * 10, at * 10 + 10)
            }
        }
    }

    pub(super) fn rhai(&self) -> Option<String> {
        let same = |a: bool| if a { ("d.text_a", "d.text_b") } else { ("d.text_b", "d.text_a") };
        Some(match self {
            Self::Any => return None,
            Self::PartnerRejected(rejected) => {
                format!("{}d.partner_rejected", if *rejected { "" } else { "!" })
            }
            Self::NullA(null) => format!("d.{} == ()", if *null { "a" } else { "b" }),
            Self::SignFlip => "d.b == -d.a".into(),
            Self::PowerOfTen(power) => {
                let (product, factor) = if *power > 0 { ("b", "a") } else { ("a", "b") };
                let size = 10u64.pow(power.unsigned_abs());
                format!("d.{product} == d.{factor} * {size} && d.a != 0")
            }
            Self::Delta(delta) => format!("d.delta == {}", pointed(delta)),
            // Scripts hold 28 digits.
            Self::Band { positive, power } if !(-27..27).contains(power) => {
                format!("d.delta {} 0.0", if *positive { ">" } else { "<" })
            }
            Self::Band { positive, power } => format!(
                "d.delta {} 0.0 && d.abs_delta >= {} && d.abs_delta < {}",
                if *positive { ">" } else { "<" },
                pointed(&power_text(*power)),
                pointed(&power_text(power + 1))
            ),
            Self::Days(days) => format!("d.days == {days}"),
            Self::FarDays(later) => {
                format!("d.days {} 31", if *later { ">" } else { "< -" }).replace("< - ", "< -")
            }
            Self::CaseOnly => "d.text_a.to_upper() == d.text_b.to_upper()".into(),
            Self::CutOff(b_shorter) => {
                let (longer, shorter) = same(*b_shorter);
                format!("{longer}.starts_with({shorter})")
            }
            Self::Similarity(9) => "d.similarity >= 0.9".into(),
            Self::Similarity(at) => {
                format!("d.similarity >= 0.{at} && d.similarity < 0.{}", at + 1)
            }
        })
    }
}

/// 10^power in plain notation.
fn power_text(power: i32) -> String {
    if power >= 0 {
        format!("1{}", "0".repeat(power.unsigned_abs() as usize))
    } else {
        format!("0.{}1", "0".repeat(power.unsigned_abs() as usize - 1))
    }
}

/// A number with a decimal point: scripts read it as an exact decimal.
fn pointed(number: &str) -> String {
    if number.contains('.') { number.to_owned() } else { format!("{number}.0") }
}

pub(super) fn observed<'b>(
    difference: &DifferenceContext<'b>,
    buffer_a: &'b mut crate::domain::row::TextBuffer,
    buffer_b: &'b mut crate::domain::row::TextBuffer,
) -> Observed<'b> {
    Observed {
        diff_type: difference.diff_type,
        a: difference.cell(difference.a, buffer_a),
        b: difference.cell(difference.b, buffer_b),
        partner_rejected: difference.partner_rejected,
    }
}
