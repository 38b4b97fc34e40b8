//! Facts about two numbers.
//!
//! Yes-or-no questions (equal after rounding, digits transposed, a factor of ten) are answered on
//! exact decimals; only magnitudes become floats.

use super::{ABSENT, flag};
use crate::domain::Decimal;

/// Facts about two numbers; if a side has none, flags are 0 and the rest [`ABSENT`].
#[derive(Clone, Copy, Debug)]
pub(super) struct NumberFacts {
    pub delta: f32,
    pub delta_size: f32,
    pub relative: f32,
    pub last_decimals: f32,
    pub coarse_decimals: f32,
    pub sign: f32,
    pub delta_digits: f32,
    pub equal_rounded: [f32; 7],
    pub rounds_to_other: f32,
    pub truncates_to_other: f32,
    pub transposed: f32,
    pub digits_changed: f32,
    pub same_leading: f32,
    pub power_of_ten: f32,
    pub factor: [f32; 3],
    pub sign_flip: f32,
    pub ratio: f32,
    pub ratio_near_1: f32,
    pub zero_side: f32,
    pub magnitude: f32,
    pub magnitude_gap: f32,
    pub scale_a: f32,
    pub scale_b: f32,
    pub whole: f32,
}

impl NumberFacts {
    pub(super) const NONE: Self = Self {
        delta: ABSENT,
        delta_size: ABSENT,
        relative: ABSENT,
        last_decimals: ABSENT,
        coarse_decimals: ABSENT,
        sign: 0.0,
        delta_digits: ABSENT,
        equal_rounded: [0.0; 7],
        rounds_to_other: 0.0,
        truncates_to_other: 0.0,
        transposed: 0.0,
        digits_changed: ABSENT,
        same_leading: ABSENT,
        power_of_ten: 0.0,
        factor: [0.0; 3],
        sign_flip: 0.0,
        ratio: ABSENT,
        ratio_near_1: 0.0,
        zero_side: 0.0,
        magnitude: ABSENT,
        magnitude_gap: ABSENT,
        scale_a: ABSENT,
        scale_b: ABSENT,
        whole: 0.0,
    };

    /// The facts of a single number.
    pub(super) fn alone(value: Decimal) -> Self {
        Self {
            magnitude: size(value.to_f64()),
            scale_a: f32::from(value.scale()),
            whole: flag(value.normalized().scale() == 0),
            ..Self::NONE
        }
    }

    pub(super) fn of(a: Decimal, b: Decimal) -> Self {
        let (float_a, float_b) = (a.to_f64(), b.to_f64());
        let exact = b.checked_sub(a);
        let delta = exact.map_or(float_b - float_a, Decimal::to_f64);
        let larger = float_a.abs().max(float_b.abs());
        let coarse = a.scale().min(b.scale());
        let fine = a.scale().max(b.scale());
        let units = |scale: u8| (delta.abs() * 10f64.powi(scale.into())).min(1e9) as f32;
        let (digits_a, digits_b) = (Digits::of(a, fine), Digits::of(b, fine));
        let power = power_of_ten(a, b).unwrap_or(0);
        let ratio = if a.is_zero() { f64::NAN } else { float_b / float_a };
        let (finer, coarser) = if a.scale() >= b.scale() { (a, b) } else { (b, a) };
        Self {
            delta: delta.signum() as f32 * (1.0 + delta.abs()).log10().min(40.0) as f32,
            delta_size: size(delta),
            relative: if larger > 0.0 { (delta / larger) as f32 } else { 0.0 },
            last_decimals: units(fine),
            coarse_decimals: units(coarse),
            sign: match delta.partial_cmp(&0.0) {
                Some(std::cmp::Ordering::Greater) => 1.0,
                Some(std::cmp::Ordering::Less) => -1.0,
                _ => 0.0,
            },
            delta_digits: exact.map_or(ABSENT, |delta| significant(delta) as f32),
            equal_rounded: std::array::from_fn(|scale| {
                flag(a.rounded(scale as u8) == b.rounded(scale as u8))
            }),
            rounds_to_other: flag(a.scale() != b.scale() && finer.rounded(coarse) == coarser),
            truncates_to_other: flag(
                a.scale() != b.scale()
                    && finer.rounded(coarse) != coarser
                    && truncated(finer, coarse) == coarser,
            ),
            transposed: flag(digits_a.transposed(&digits_b)),
            digits_changed: digits_a.distance(&digits_b),
            same_leading: digits_a.same_leading(&digits_b),
            power_of_ten: power as f32,
            factor: std::array::from_fn(|at| flag(power.unsigned_abs() as usize == at + 1)),
            sign_flip: flag(!a.is_zero() && a == b.negated()),
            ratio: if ratio.is_finite() { ratio.clamp(-1e6, 1e6) as f32 } else { ABSENT },
            ratio_near_1: flag((ratio - 1.0).abs() <= 0.01),
            zero_side: flag(a.is_zero() != b.is_zero()),
            magnitude: size(larger),
            magnitude_gap: (size(float_a) - size(float_b)).abs(),
            scale_a: f32::from(a.scale()),
            scale_b: f32::from(b.scale()),
            whole: flag(a.normalized().scale() == 0 && b.normalized().scale() == 0),
        }
    }
}

/// How round two numbers are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Roundness {
    /// The largest power of ten that each side's number is a multiple of.
    pub sides: [f32; 2],
    /// The largest power of ten to which one number is the other, rounded.
    pub rounded: f32,
}

impl Roundness {
    pub(super) const NONE: Self = Self { sides: [ABSENT; 2], rounded: ABSENT };

    pub(super) fn of(sides: [Option<Decimal>; 2]) -> Self {
        let powers = sides.map(|side| {
            let (digits, exponent) = mantissa(side?);
            (digits != 0).then_some(exponent)
        });
        let mut rounded = None;
        if let [Some(a), Some(b)] = sides {
            let is_half =
                |power: &i32| half(*power).is_some_and(|half| Decimal::within_absolute(a, b, half));
            rounded = powers.into_iter().flatten().filter(is_half).max();
        }
        let number = |power: Option<i32>| power.map_or(ABSENT, |power| power as f32);
        Self { sides: powers.map(number), rounded: number(rounded) }
    }
}

/// Half of a power of ten.
fn half(power: i32) -> Option<Decimal> {
    let places = power.unsigned_abs();
    if power > 0 {
        Decimal::new(5i128.checked_mul(10i128.checked_pow(places - 1)?)?, 0)
    } else {
        Decimal::new(5, u8::try_from(places + 1).ok()?)
    }
}

/// The power of ten; -30 for zero.
fn size(value: f64) -> f32 {
    if value == 0.0 { -30.0 } else { value.abs().log10() as f32 }
}

fn truncated(value: Decimal, scale: u8) -> Decimal {
    let unit = 10i128.pow(u32::from(value.scale().saturating_sub(scale)));
    Decimal::new(value.coefficient() / unit, scale.min(value.scale())).unwrap_or(value)
}

/// The significant digits and their power of ten.
pub(in crate::attribute) fn mantissa(value: Decimal) -> (i128, i32) {
    let (mut coefficient, mut exponent) = (value.coefficient(), -i32::from(value.scale()));
    while coefficient != 0 && coefficient % 10 == 0 {
        coefficient /= 10;
        exponent += 1;
    }
    (coefficient, exponent)
}

fn significant(value: Decimal) -> u32 {
    mantissa(value).0.unsigned_abs().checked_ilog10().map_or(0, |digits| digits + 1)
}

/// The `k` (not 0) with b = a × 10^k, if there is one.
pub(in crate::attribute) fn power_of_ten(a: Decimal, b: Decimal) -> Option<i32> {
    let ((digits_a, exponent_a), (digits_b, exponent_b)) = (mantissa(a), mantissa(b));
    (digits_a == digits_b && digits_a != 0 && exponent_a != exponent_b)
        .then_some(exponent_b - exponent_a)
}

/// Whether two neighboring digits are swapped.
pub(in crate::attribute) fn transposed(a: Decimal, b: Decimal) -> bool {
    let scale = a.scale().max(b.scale());
    Digits::of(a, scale).transposed(&Digits::of(b, scale))
}

/// The decimal digits of a number without sign and point, at a scale.
struct Digits {
    digits: [u8; 72],
    length: usize,
    negative: bool,
}

impl Digits {
    fn of(value: Decimal, scale: u8) -> Self {
        let mut digits = [0; 72];
        let zeros = usize::from(scale.saturating_sub(value.scale()));
        let mut rest = value.coefficient().unsigned_abs();
        let mut length = zeros;
        while rest > 0 || length == 0 {
            digits[length] = (rest % 10) as u8;
            rest /= 10;
            length += 1;
        }
        digits[..length].reverse();
        Self { digits, length, negative: value.coefficient() < 0 }
    }

    fn get(&self) -> &[u8] {
        &self.digits[..self.length]
    }

    fn transposed(&self, other: &Self) -> bool {
        if self.length != other.length || self.negative != other.negative {
            return false;
        }
        let (a, b) = (self.get(), other.get());
        let Some(first) = a.iter().zip(b).position(|(a, b)| a != b) else { return false };
        let next = first + 1;
        next < a.len()
            && a[first] == b[next]
            && a[next] == b[first]
            && a[next + 1..] == b[next + 1..]
    }

    /// Levenshtein distance of the digits.
    fn distance(&self, other: &Self) -> f32 {
        let (a, b) = (self.get(), other.get());
        let mut costs: [u8; 73] = std::array::from_fn(|at| at as u8);
        for (row, left) in (1u8..).zip(a) {
            let mut diagonal = costs[0];
            costs[0] = row;
            for (column, right) in b.iter().enumerate() {
                let change = diagonal + u8::from(left != right);
                diagonal = costs[column + 1];
                costs[column + 1] = change.min(diagonal + 1).min(costs[column] + 1);
            }
        }
        f32::from(costs[b.len()])
    }

    fn same_leading(&self, other: &Self) -> f32 {
        self.get().iter().zip(other.get()).take_while(|(a, b)| a == b).count() as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn facts(a: &str, b: &str) -> NumberFacts {
        NumberFacts::of(a.parse().unwrap(), b.parse().unwrap())
    }

    #[test]
    fn exact_patterns_are_recognized() {
        assert_eq!(facts("1234.50", "1243.50").transposed, 1.0);
        assert_eq!(facts("1234.50", "1324.60").transposed, 0.0);
        assert_eq!(facts("12.5", "1250").factor, [0.0, 1.0, 0.0]);
        assert_eq!(facts("1250", "12.50").power_of_ten, -2.0);
        assert_eq!(facts("100", "100.00").power_of_ten, 0.0);
        assert_eq!(facts("-7.10", "7.1").sign_flip, 1.0);
        let rounded = facts("10.126", "10.13");
        assert_eq!((rounded.rounds_to_other, rounded.truncates_to_other), (1.0, 0.0));
        let cut = facts("10.126", "10.12");
        assert_eq!((cut.rounds_to_other, cut.truncates_to_other), (0.0, 1.0));
        assert_eq!(rounded.equal_rounded, [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        // Floats could not distinguish these.
        let close = facts("100000000000000000000.01", "100000000000000000000.02");
        assert_eq!((close.last_decimals, close.sign), (1.0, 1.0));
        assert_eq!(facts("0", "5").zero_side, 1.0);
        assert_eq!(facts("1999", "2999").digits_changed, 1.0);
    }

    #[test]
    fn a_number_is_seen_to_be_the_other_rounded_to_any_power_of_ten() {
        let of = |a: &str, b: &str| Roundness::of([a, b].map(|side| side.parse().ok()));
        for (a, b, power) in [
            ("1234567.89", "1234600", 2.0),
            ("1234567.89", "1234567.9", -1.0),
            ("-1234600.00", "-1234567.89", 2.0),
            ("1250", "1300", 2.0),
            ("5", "10", 1.0),
            ("4.99", "10", ABSENT),
            ("1234567.89", "1234700", ABSENT),
            ("1234567.89", "1234567.90", -1.0),
            ("12", "13", ABSENT),
            // Floats could not tell these apart.
            ("100000000000000000000.05", "100000000000000000000.1", -1.0),
            ("100000000000000000000.04", "100000000000000000000.1", ABSENT),
        ] {
            assert_eq!(of(a, b).rounded, power, "{a} and {b}");
            assert_eq!(of(b, a).rounded, power, "{b} and {a}");
        }
        assert_eq!(of("1200.50", "-0.003").sides, [-1.0, -3.0]);
        assert_eq!(of("0", "x"), Roundness::NONE);
    }

    proptest! {
        #[test]
        fn swapping_the_sides_mirrors_the_facts(a: i64, b: i64, scale_a in 0u8..9, scale_b in 0u8..9) {
            let a = Decimal::new(a.into(), scale_a).unwrap();
            let b = Decimal::new(b.into(), scale_b).unwrap();
            let (ab, ba) = (NumberFacts::of(a, b), NumberFacts::of(b, a));
            prop_assert_eq!(ab.delta, -ba.delta);
            prop_assert_eq!(ab.power_of_ten, -ba.power_of_ten);
            prop_assert_eq!(ab.equal_rounded, ba.equal_rounded);
            prop_assert_eq!(ab.digits_changed, ba.digits_changed);
            prop_assert_eq!((ab.transposed, ab.sign_flip), (ba.transposed, ba.sign_flip));
            prop_assert!(ab.ratio.is_finite() && ab.delta_size.is_finite());
        }

        #[test]
        fn shifting_the_point_is_a_power_of_ten(value in 1i64.., shift in 1u8..10) {
            let a = Decimal::new(value.into(), 0).unwrap();
            let b = Decimal::new(value.into(), shift).unwrap();
            prop_assert_eq!(power_of_ten(a, b), Some(-i32::from(shift)));
        }
    }
}
