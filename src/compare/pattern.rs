//! Patterns: ways in which nearly all values of a field differ.
//!
//! One amount with the opposite sign is a mistake; a whole column of them is a convention that the
//! configuration lacks. This module finds such patterns in the pairs of one field, as a pure
//! function of the values.

use std::collections::HashMap;
use std::hash::Hash;

use crate::domain::calendar::Calendar;
use crate::domain::{Date, Decimal, PerSide, Side, Value};

/// A field's values on both sides of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct ValuePair {
    pub a: Value,
    pub b: Value,
    pub differs: bool,
}

/// A pattern shared by nearly all pairs of a field.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedPattern {
    pub pattern: Pattern,
    /// The pairs that differ in this way.
    pub alike: usize,
    /// The pairs that could have.
    pub of: usize,
}

/// A way in which values differ.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    /// The values of these sides are not of the field's type.
    Unparsed(PerSide<bool>),
    /// This side has no value where the other one has.
    Absent(Side),
    /// B is −A.
    Sign,
    /// This side has the numbers without their sign.
    Unsigned(Side),
    /// This side's numbers are the other side's times this factor.
    Factor(Side, String),
    /// B − A is always this number.
    Offset(Decimal),
    /// This side's numbers are the other side's, rounded to a multiple of this unit.
    Rounded(Side, Decimal),
    /// The same, without the part beyond a multiple of this unit.
    CutTo(Side, Decimal),
    /// Day and month are exchanged.
    DayAndMonth,
    /// B is this many years after A.
    Years(i32),
    /// B is this many days after A.
    Days(i64),
    /// B is this many business days (Monday to Friday) after A.
    BusinessDays(i64),
    /// B is this many nanoseconds after A.
    Nanoseconds(i128),
    /// B is this many minutes after A, or an hour more: a time zone with daylight-saving time.
    Zone(i64),
    /// The instants of this side are days without a time.
    Midnight(Side),
    /// The instants of this side lack the seconds.
    Minutes(Side),
    /// The instants of this side lack the fractions of a second.
    Seconds(Side),
    /// True on one side is false on the other.
    Opposite,
    /// These steps, named as in `recon.yaml`, make the texts equal.
    Steps(&'static [&'static str]),
    /// This side has a text in front of the other side's.
    Prefix(Side, String),
    /// This side has a text behind the other side's.
    Suffix(Side, String),
    /// This side has only the first characters of the other side's text.
    Cut(Side, usize),
    /// Each text of A is always paired with the same text of B.
    Words(Vec<(String, String)>),
}

/// The fewest pairs that make a pattern.
const LEAST_PAIRS: usize = 5;
/// The fewest values that show that a column has another type.
const LEAST_UNPARSED: usize = 3;
/// The most words of a code list.
const MOST_WORDS: usize = 20;

/// True if `alike` of `of` pairs are nearly all, and enough for a conclusion.
const fn nearly_all(alike: usize, of: usize) -> bool {
    alike >= LEAST_PAIRS && alike * 10 >= of * 9
}

/// True if a pattern that shows only in some pairs (dates whose day may be a month) is common enough in the whole
/// field to be its convention.
const fn common(alike: usize, all: usize) -> bool {
    alike * 5 >= all
}

/// True if enough pairs differ for a pattern. `differ` says it of each pair.
pub fn is_possible(differ: impl Iterator<Item = bool>) -> bool {
    differ.filter(|differs| *differs).nth(LEAST_UNPARSED - 1).is_some()
}

/// The pattern of a field, if nearly all of its pairs follow one.
pub fn find(pairs: &[ValuePair]) -> Option<SharedPattern> {
    if !is_possible(pairs.iter().map(|pair| pair.differs)) {
        return None;
    }
    unparsed(pairs).or_else(|| absent(pairs)).or_else(|| {
        numbers(&of_type(pairs, number))
            .or_else(|| dates(&of_type(pairs, date)))
            .or_else(|| instants(&of_type(pairs, instant)))
            .or_else(|| booleans(&of_type(pairs, boolean)))
            .or_else(|| texts(&of_type(pairs, text)))
    })
}

/// The pairs of which both values are of a type; none if so few of them differ that no pattern is common.
fn of_type<'p, T>(pairs: &'p [ValuePair], typed: fn(&'p Value) -> Option<T>) -> Vec<Typed<T>> {
    let typed = |pair: &'p ValuePair| {
        Some(Typed { a: typed(&pair.a)?, b: typed(&pair.b)?, differs: pair.differs })
    };
    let typed: Vec<Typed<T>> = pairs.iter().filter_map(typed).collect();
    let differing = typed.iter().filter(|pair| pair.differs).count();
    if common(differing, typed.len()) { typed } else { Vec::new() }
}

struct Typed<T> {
    a: T,
    b: T,
    differs: bool,
}

fn number(value: &Value) -> Option<Decimal> {
    value.as_cell().number()
}

const fn date(value: &Value) -> Option<Date> {
    match value {
        Value::Date(date) => Some(*date),
        _ => None,
    }
}

/// Nanoseconds since 1970.
fn instant(value: &Value) -> Option<i128> {
    match value {
        Value::Instant(instant) => {
            Some(i128::from(instant.seconds()) * 1_000_000_000 + i128::from(instant.nanoseconds()))
        }
        _ => None,
    }
}

const fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Boolean(value) => Some(*value),
        _ => None,
    }
}

const fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text.as_str()),
        _ => None,
    }
}

impl<T> Typed<T> {
    const fn side(&self, side: Side) -> &T {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }
}

/// The pattern, if nearly all `relevant` pairs differ and `fits` holds.
fn shared<T>(
    pairs: &[Typed<T>],
    pattern: Pattern,
    relevant: impl Fn(&Typed<T>) -> bool,
    fits: impl Fn(&Typed<T>) -> bool,
) -> Option<SharedPattern> {
    let of = pairs.iter().filter(|pair| relevant(pair)).count();
    let alike = pairs.iter().filter(|pair| relevant(pair) && pair.differs && fits(pair)).count();
    (nearly_all(alike, of) && common(alike, pairs.len())).then_some(SharedPattern {
        pattern,
        alike,
        of,
    })
}

/// The value, such as a distance or a prefix, that nearly all pairs share.
fn majority<T, K: Eq + Hash>(
    pairs: &[Typed<T>],
    of: impl Fn(&Typed<T>) -> Option<K>,
) -> Option<(K, usize)> {
    let mut counts: HashMap<K, usize> = HashMap::new();
    for key in pairs.iter().filter(|pair| pair.differs).filter_map(of) {
        *counts.entry(key).or_default() += 1;
    }
    // Nearly all is more than half, so there is one at most.
    counts.into_iter().find(|(_, alike)| nearly_all(*alike, pairs.len()))
}

fn found<T>(pairs: &[Typed<T>], (pattern, alike): (Pattern, usize)) -> SharedPattern {
    SharedPattern { pattern, alike, of: pairs.len() }
}

// ---- any type --------------------------------------------------------------------------------

fn unparsed(pairs: &[ValuePair]) -> Option<SharedPattern> {
    let count = |side: fn(&ValuePair) -> &Value| {
        let values = pairs.iter().map(side).filter(|value| !matches!(value, Value::Null));
        let (mut of, mut alike) = (0, 0);
        for value in values {
            of += 1;
            alike += usize::from(matches!(value, Value::Unparsed(_)));
        }
        let is_other_type = nearly_all(alike, of) || alike >= LEAST_UNPARSED && alike == of;
        is_other_type.then_some((alike, of))
    };
    let sides = PerSide { a: count(|pair| &pair.a), b: count(|pair| &pair.b) };
    let (alike, of) = sides.a.or(sides.b)?;
    let pattern = Pattern::Unparsed(sides.map(|_, count| count.is_some()));
    Some(SharedPattern { pattern, alike, of })
}

fn absent(pairs: &[ValuePair]) -> Option<SharedPattern> {
    let is_null = |value: &Value| matches!(value, Value::Null);
    let of = pairs.iter().filter(|pair| !is_null(&pair.a) || !is_null(&pair.b)).count();
    [(Side::A, true), (Side::B, false)].into_iter().find_map(|(side, of_a)| {
        let lacks = |pair: &ValuePair| is_null(if of_a { &pair.a } else { &pair.b });
        let alike = pairs.iter().filter(|pair| pair.differs && lacks(pair)).count();
        nearly_all(alike, of).then_some(SharedPattern { pattern: Pattern::Absent(side), alike, of })
    })
}

// ---- numbers ---------------------------------------------------------------------------------

fn numbers(pairs: &[Typed<Decimal>]) -> Option<SharedPattern> {
    let any = |pair: &Typed<Decimal>| !(pair.a.is_zero() && pair.b.is_zero());
    shared(pairs, Pattern::Sign, any, |pair| pair.b == pair.a.negated())
        .or_else(|| Side::BOTH.into_iter().find_map(|side| unsigned(pairs, side)))
        .or_else(|| powers_of_ten(pairs))
        .or_else(|| offset(pairs))
        .or_else(|| factor(pairs))
        .or_else(|| Side::BOTH.into_iter().find_map(|side| rounded(pairs, side)))
}

/// One side has the numbers of the other in fewer digits. Values that have no more digits agree and say nothing, so
/// half of all pairs suffice.
fn rounded(pairs: &[Typed<Decimal>], side: Side) -> Option<SharedPattern> {
    let with_levels: Vec<Typed<Leveled>> = pairs.iter().map(Typed::leveled).collect();
    UNITS.iter().enumerate().find_map(|(level, (coefficient, scale))| {
        let unit = Decimal::new(*coefficient, *scale)?;
        let is_finer = |pair: &Typed<Leveled>| pair.side(side.other()).level <= level;
        let near = |pair: &Typed<Leveled>| {
            let is_multiple = pair.side(side).level > level;
            is_multiple.then(|| Some(pair.b.number.checked_sub(pair.a.number)?.abs())).flatten()
        };
        let is_rounded = |pair: &Typed<Leveled>| {
            let twice = near(pair).and_then(|away| away.checked_mul(Decimal::new(2, 0)?));
            twice.is_some_and(|twice| twice <= unit)
        };
        let is_cut = |pair: &Typed<Leveled>| {
            let is_less = pair.side(side).number.abs() <= pair.side(side.other()).number.abs();
            is_less && near(pair).is_some_and(|away| away < unit)
        };
        let found = shared(&with_levels, Pattern::Rounded(side, unit), is_finer, is_rounded)
            .or_else(|| shared(&with_levels, Pattern::CutTo(side, unit), is_finer, is_cut))?;
        (found.alike * 2 >= pairs.len()).then_some(found)
    })
}

/// A number, and how many of [`UNITS`] from the first it is a multiple of: a multiple of one is a multiple of all before.
struct Leveled {
    number: Decimal,
    level: usize,
}

impl Leveled {
    fn new(number: Decimal) -> Self {
        let is_multiple_of = |(coefficient, scale): &(i128, u8)| {
            Decimal::new(*coefficient, *scale).is_some_and(|unit| is_multiple(number, unit))
        };
        Self { number, level: UNITS.iter().take_while(|unit| is_multiple_of(unit)).count() }
    }
}

impl Typed<Decimal> {
    fn leveled(&self) -> Typed<Leveled> {
        Typed { a: Leveled::new(self.a), b: Leveled::new(self.b), differs: self.differs }
    }
}

/// Units of rounding, from the finest: coefficient and scale.
const UNITS: [(i128, u8); 10] =
    [(1, 4), (1, 3), (1, 2), (5, 2), (1, 1), (5, 1), (1, 0), (10, 0), (100, 0), (1_000, 0)];

/// Whether a number is a multiple of one of [`UNITS`].
fn is_multiple(number: Decimal, unit: Decimal) -> bool {
    let (written, coefficient) = (number.coefficient(), unit.coefficient());
    let Some(zeros) = number.scale().checked_sub(unit.scale()) else {
        // Remainders are less than the unit, so that nothing overflows.
        let shift = 10i128.pow(u32::from(unit.scale() - number.scale()));
        return coefficient == 1 || written % coefficient * shift % coefficient == 0;
    };
    // At most 28 zeros and three digits.
    let unit = coefficient * 10i128.pow(zeros.into());
    // Division of 128 bits takes ten times as long.
    match (i64::try_from(written), i64::try_from(unit)) {
        (Ok(written), Ok(unit)) => written % unit == 0,
        _ => written % unit == 0,
    }
}

/// One side has only positive numbers where the other has both.
fn unsigned(pairs: &[Typed<Decimal>], side: Side) -> Option<SharedPattern> {
    let negative = |pair: &Typed<Decimal>| pair.side(side.other()).coefficient() < 0;
    let positive = pairs.iter().filter(|pair| !negative(pair));
    let (mut others, mut equal) = (0, 0);
    for pair in positive {
        others += 1;
        equal += usize::from(!pair.differs);
    }
    if equal * 10 < others * 9 {
        return None;
    }
    shared(pairs, Pattern::Unsigned(side), negative, |pair| {
        *pair.side(side) == pair.side(side.other()).negated()
    })
}

fn powers_of_ten(pairs: &[Typed<Decimal>]) -> Option<SharedPattern> {
    let any = |pair: &Typed<Decimal>| !(pair.a.is_zero() && pair.b.is_zero());
    (1..=9).find_map(|power| {
        Side::BOTH.into_iter().find_map(|larger| {
            let pattern = Pattern::Factor(larger, format!("1{}", "0".repeat(power)));
            shared(pairs, pattern, any, |pair| {
                times_ten(*pair.side(larger.other()), power) == Some(*pair.side(larger))
            })
        })
    })
}

/// The number times 10^`power`.
fn times_ten(number: Decimal, power: usize) -> Option<Decimal> {
    let scale = usize::from(number.scale());
    if scale >= power {
        return Decimal::new(number.coefficient(), u8::try_from(scale - power).ok()?);
    }
    let zeros = 10i128.checked_pow(u32::try_from(power - scale).ok()?)?;
    Decimal::new(number.coefficient().checked_mul(zeros)?, 0)
}

fn offset(pairs: &[Typed<Decimal>]) -> Option<SharedPattern> {
    let delta = |pair: &Typed<Decimal>| {
        let delta = pair.b.checked_sub(pair.a)?.normalized();
        Some((delta.coefficient(), delta.scale()))
    };
    let ((coefficient, scale), alike) = majority(pairs, delta)?;
    Some(found(pairs, (Pattern::Offset(Decimal::new(coefficient, scale)?), alike)))
}

/// A ratio B / A and the share of it by which rounding may have moved it.
#[derive(Clone, Copy)]
struct Ratio {
    of: f64,
    give: f64,
}

impl Ratio {
    fn new(pair: &Typed<Decimal>) -> Option<Self> {
        let (a, b) = (pair.a.to_f64(), pair.b.to_f64());
        let half = |number: Decimal| 0.5 * 10f64.powi(-i32::from(number.scale()));
        let give = half(pair.a) / a.abs() + half(pair.b) / b.abs() + 1e-12;
        let ratio = Self { of: b / a, give };
        // Numbers of few digits, or nearly equal ones, do not determine a factor.
        let is_far = (ratio.of - 1.0).abs() > 2.0 * give;
        (ratio.of.is_finite() && ratio.of > 0.0 && give < 0.05 && is_far).then_some(ratio)
    }

    fn agrees(self, other: Self) -> bool {
        (self.of / other.of - 1.0).abs() <= self.give + other.give
    }
}

/// A constant factor that is no power of ten, up to the rounding of both sides.
fn factor(pairs: &[Typed<Decimal>]) -> Option<SharedPattern> {
    let of = pairs.iter().filter(|pair| !(pair.a.is_zero() && pair.b.is_zero())).count();
    let ratios: Vec<Ratio> = pairs.iter().filter_map(Ratio::new).collect();
    // The median of the most exact ratios: one outlier must not set the standard for the others.
    let mut exact = ratios.clone();
    exact.sort_by(|one, other| one.give.total_cmp(&other.give));
    exact.truncate(exact.len().div_ceil(4).max(3));
    exact.sort_by(|one, other| one.of.total_cmp(&other.of));
    let middle = *exact.get(exact.len() / 2)?;
    let alike: Vec<Ratio> = ratios.into_iter().filter(|ratio| ratio.agrees(middle)).collect();
    let mut amounts: Vec<Decimal> = pairs.iter().map(|pair| pair.a).collect();
    amounts.sort_unstable();
    amounts.dedup();
    let is_shared = nearly_all(alike.len(), of) && common(alike.len(), pairs.len());
    if !is_shared || amounts.len() < LEAST_PAIRS {
        return None;
    }
    let low = alike.iter().map(|ratio| ratio.of * (1.0 - ratio.give)).fold(0.0, f64::max);
    let high = alike.iter().map(|ratio| ratio.of * (1.0 + ratio.give)).fold(f64::MAX, f64::min);
    let (larger, low, high) =
        if middle.of > 1.0 { (Side::B, low, high) } else { (Side::A, 1.0 / high, 1.0 / low) };
    let factor = shortest_between(low, high);
    (factor != "1").then_some(SharedPattern {
        pattern: Pattern::Factor(larger, factor),
        alike: alike.len(),
        of,
    })
}

/// The decimal with the fewest digits within these bounds, or one in their middle.
fn shortest_between(low: f64, high: f64) -> String {
    let middle = f64::midpoint(low, high);
    let texts = (0..=8).map(|digits| format!("{middle:.digits$}"));
    let within = |text: &String| text.parse::<f64>().is_ok_and(|it| it >= low && it <= high);
    texts.into_iter().find(within).unwrap_or_else(|| format!("{middle:.6}"))
}

// ---- dates and times -------------------------------------------------------------------------

fn dates(pairs: &[Typed<Date>]) -> Option<SharedPattern> {
    let exchangeable = |pair: &Typed<Date>| {
        let (_, month, day) = pair.a.civil();
        day <= 12 && day != month
    };
    let exchanged = |pair: &Typed<Date>| {
        let (year, month, day) = pair.a.civil();
        Date::from_civil(year, day, month) == Some(pair.b)
    };
    shared(pairs, Pattern::DayAndMonth, exchangeable, exchanged)
        .or_else(|| {
            let years = |pair: &Typed<Date>| {
                let ((a, month_a, day_a), (b, month_b, day_b)) = (pair.a.civil(), pair.b.civil());
                ((month_a, day_a) == (month_b, day_b)).then_some(b - a)
            };
            majority(pairs, years)
                .map(|(years, alike)| found(pairs, (Pattern::Years(years), alike)))
        })
        .or_else(|| {
            let days =
                |pair: &Typed<Date>| Some(i64::from(pair.b.days()) - i64::from(pair.a.days()));
            majority(pairs, days).map(|(days, alike)| found(pairs, (Pattern::Days(days), alike)))
        })
        .or_else(|| {
            let calendar = Calendar::default();
            let days = |pair: &Typed<Date>| Some(calendar.business_days_between(pair.a, pair.b));
            majority(pairs, days)
                .filter(|(days, _)| *days != 0)
                .map(|(days, alike)| found(pairs, (Pattern::BusinessDays(days), alike)))
        })
}

const MINUTE: i128 = 60 * 1_000_000_000;
const DAY: i128 = 24 * 60 * MINUTE;

fn instants(pairs: &[Typed<i128>]) -> Option<SharedPattern> {
    let away = majority(pairs, |pair| Some(pair.b - pair.a))
        .map(|(away, alike)| found(pairs, (Pattern::Nanoseconds(away), alike)));
    let cut = |side: Side, pattern: Pattern, unit: i128| {
        let is_finer = |pair: &Typed<i128>| pair.side(side.other()).rem_euclid(unit) != 0;
        shared(pairs, pattern, is_finer, |pair| {
            let other = pair.side(side.other());
            *pair.side(side) == other - other.rem_euclid(unit)
        })
    };
    away.or_else(|| zone(pairs)).or_else(|| {
        Side::BOTH.into_iter().find_map(|side| {
            cut(side, Pattern::Seconds(side), MINUTE / 60)
                .or_else(|| cut(side, Pattern::Minutes(side), MINUTE))
                .or_else(|| cut(side, Pattern::Midnight(side), DAY))
        })
    })
}

/// Nearly all are apart by one of two distances, which are an hour apart: winter and summer.
fn zone(pairs: &[Typed<i128>]) -> Option<SharedPattern> {
    let mut counts: HashMap<i128, usize> = HashMap::new();
    for pair in pairs {
        let away = pair.b - pair.a;
        if away % (15 * MINUTE) == 0 && away.abs() <= 14 * 60 * MINUTE {
            *counts.entry(away).or_default() += 1;
        }
    }
    let both = |away: &i128| counts.get(&(away + 60 * MINUTE)).map(|more| counts[away] + more);
    let (away, alike) = counts.keys().filter_map(|away| Some((*away, both(away)?))).max_by_key(
        // Of two that are as common, the earlier one: the order of a hash map must not matter.
        |(away, alike)| (*alike, std::cmp::Reverse(*away)),
    )?;
    let differing = pairs.iter().filter(|pair| pair.differs).count();
    let minutes = i64::try_from(away / MINUTE).ok()?;
    (nearly_all(alike, pairs.len()) && differing >= LEAST_PAIRS && common(differing, pairs.len()))
        .then(|| found(pairs, (Pattern::Zone(minutes), alike)))
}

fn booleans(pairs: &[Typed<bool>]) -> Option<SharedPattern> {
    shared(pairs, Pattern::Opposite, |_| true, |pair| pair.a != pair.b)
}

// ---- texts -----------------------------------------------------------------------------------

/// Steps that make texts equal, and the same as a function.
type Cleaning = (&'static [&'static str], fn(&str) -> String);

/// From the most harmless on.
const CLEANINGS: [Cleaning; 9] = [
    (&["trim"], |text| text.trim().to_owned()),
    (&["trim", "collapse_spaces"], single_spaced),
    (&["remove_spaces"], |text| text.split_whitespace().collect()),
    (&["upper"], str::to_uppercase),
    (&["trim", "upper"], |text| text.trim().to_uppercase()),
    (&["trim", "collapse_spaces", "upper"], |text| single_spaced(text).to_uppercase()),
    (&["strip_leading_zeros"], |text| text.trim_start_matches('0').to_owned()),
    (&["alphanumeric_only"], alphanumeric),
    (&["alphanumeric_only", "upper"], |text| alphanumeric(text).to_uppercase()),
];

fn single_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn alphanumeric(text: &str) -> String {
    text.chars().filter(|letter| letter.is_alphanumeric()).collect()
}

fn texts(pairs: &[Typed<&str>]) -> Option<SharedPattern> {
    let cleaned = CLEANINGS.iter().find_map(|(steps, clean)| {
        // Steps that drop punctuation would make -5.00 agree with 5.00, and 1.23 with 123.
        let drops = clean("-1.5") == "15";
        shared(
            pairs,
            Pattern::Steps(steps),
            |_| true,
            |pair| {
                let (a, b) = (clean(pair.a), clean(pair.b));
                // Signs such as `€` and `£` agree once nothing is left of them.
                a == b && !a.is_empty() && (!drops || punctuated_alike(pair.a, pair.b))
            },
        )
    });
    cleaned
        .or_else(|| Side::BOTH.into_iter().find_map(|side| affix(pairs, side)))
        .or_else(|| words(pairs))
        .or_else(|| Side::BOTH.into_iter().find_map(|side| cut(pairs, side)))
}

/// Whether two texts without letters have the same sign and the same decimals.
fn punctuated_alike(a: &str, b: &str) -> bool {
    let number = |text: &str| {
        let text = text.trim();
        let is_negative =
            text.starts_with(['-', '(', '\u{2212}']) || text.ends_with(['-', '\u{2212}']);
        let decimals = text.rsplit_once(['.', ',']).map(|(_, rest)| rest.chars().count());
        (is_negative, decimals.filter(|count| (1..=2).contains(count)))
    };
    let has_letters = |text: &str| text.contains(char::is_alphabetic);
    has_letters(a) || has_letters(b) || number(a) == number(b)
}

fn affix(pairs: &[Typed<&str>], side: Side) -> Option<SharedPattern> {
    let texts = |pair: &Typed<&str>| {
        let (long, short) = match side {
            Side::A => (pair.a, pair.b),
            Side::B => (pair.b, pair.a),
        };
        (long.to_owned(), short.to_owned())
    };
    let prefix = |pair: &Typed<&str>| {
        let (long, short) = texts(pair);
        Some(long.strip_suffix(&short)?.to_owned())
            .filter(|prefix| !short.is_empty() && !prefix.is_empty())
    };
    let suffix = |pair: &Typed<&str>| {
        let (long, short) = texts(pair);
        Some(long.strip_prefix(&short)?.to_owned())
            .filter(|suffix| !short.is_empty() && !suffix.is_empty())
    };
    let prefix = majority(pairs, prefix).map(|(text, alike)| (Pattern::Prefix(side, text), alike));
    let affix = prefix.or_else(|| {
        majority(pairs, suffix).map(|(text, alike)| (Pattern::Suffix(side, text), alike))
    });
    affix.map(|affix| found(pairs, affix))
}

fn cut(pairs: &[Typed<&str>], side: Side) -> Option<SharedPattern> {
    let length = |pair: &Typed<&str>| {
        let (short, long) = match side {
            Side::A => (pair.a, pair.b),
            Side::B => (pair.b, pair.a),
        };
        long.starts_with(short).then(|| short.chars().count())
    };
    let (length, alike) = majority(pairs, length).filter(|(length, _)| *length > 0)?;
    Some(found(pairs, (Pattern::Cut(side, length), alike)))
}

/// Two lists of codes for the same things: few distinct texts, each repeatedly paired with the same
/// text of the other side.
fn words(pairs: &[Typed<&str>]) -> Option<SharedPattern> {
    let mut known: HashMap<&str, HashMap<&str, usize>> = HashMap::new();
    for pair in pairs {
        *known.entry(pair.a).or_default().entry(pair.b).or_default() += usize::from(pair.differs);
        if known.len() > MOST_WORDS {
            return None;
        }
    }
    let mut words = Vec::new();
    let mut alike = 0;
    for (a, against) in known {
        let most = against.into_iter().max_by_key(|(b, count)| (*count, std::cmp::Reverse(*b)));
        if let Some((b, count)) = most.filter(|(_, count)| *count >= 2) {
            alike += count;
            words.push((a.to_owned(), b.to_owned()));
        }
    }
    words.sort();
    (nearly_all(alike, pairs.len()) && alike >= 4 * words.len())
        .then(|| found(pairs, (Pattern::Words(words), alike)))
}

#[cfg(test)]
mod tests;
