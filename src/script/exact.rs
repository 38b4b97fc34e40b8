//! Exact arithmetic on scripts' decimals.
//!
//! `rust_decimal` holds 96 bits and rounds in silence when the digits of a sum or a product do not
//! fit. Money must not, so `+ - * %` and `**` are exact here or an error; only division and
//! the functions that are named for it (`round` …) round.

use rhai::{Engine, EvalAltResult, INT, Identifier, Position};
use rust_decimal::Decimal;

use super::engine::CallResult;
use crate::domain;

/// The largest coefficient that fits 96 bits.
const MAX_COEFFICIENT: i128 = (1 << 96) - 1;

/// An arithmetic error with this sentence.
pub(super) fn failure<T>(message: impl Into<String>) -> CallResult<T> {
    Err(EvalAltResult::ErrorArithmetic(message.into(), Position::NONE).into())
}

/// The decimal `coefficient / 10^scale`, exactly, if a script's decimal can hold it.
fn fit(mut coefficient: i128, mut scale: u32) -> Option<Decimal> {
    while coefficient.unsigned_abs() > MAX_COEFFICIENT.unsigned_abs() || scale > Decimal::MAX_SCALE
    {
        if scale == 0 || coefficient % 10 != 0 {
            return None;
        }
        coefficient /= 10;
        scale -= 1;
    }
    Decimal::try_from_i128_with_scale(coefficient, scale).ok()
}

/// The coefficients of two numbers at the larger of their scales.
fn align(x: Decimal, y: Decimal) -> Option<(i128, i128, u32)> {
    let scale = x.scale().max(y.scale());
    let at_scale = |value: Decimal| {
        let factor = 10i128.checked_pow(scale - value.scale())?;
        value.mantissa().checked_mul(factor)
    };
    Some((at_scale(x)?, at_scale(y)?, scale))
}

/// As [`align`], also for numbers that carry needless zeros.
fn align_any(x: Decimal, y: Decimal) -> Option<(i128, i128, u32)> {
    align(x, y).or_else(|| align(x.normalize(), y.normalize()))
}

fn too_long<T>(x: Decimal, operator: &str, y: Decimal) -> CallResult<T> {
    failure(format!("{x} {operator} {y} has more digits than the 28 that a script can hold"))
}

pub(super) fn add(x: Decimal, y: Decimal) -> CallResult<Decimal> {
    align_any(x, y)
        .and_then(|(x, y, scale)| fit(x.checked_add(y)?, scale))
        .map_or_else(|| too_long(x, "+", y), Ok)
}

pub(super) fn subtract(x: Decimal, y: Decimal) -> CallResult<Decimal> {
    align_any(x, y)
        .and_then(|(x, y, scale)| fit(x.checked_sub(y)?, scale))
        .map_or_else(|| too_long(x, "-", y), Ok)
}

fn product(x: Decimal, y: Decimal) -> Option<Decimal> {
    let scale = x.scale() + y.scale();
    if let Some(coefficient) = x.mantissa().checked_mul(y.mantissa()) {
        return fit(coefficient, scale);
    }
    // Take out every factor of ten, also those made of a two here and a five there.
    let (mut left, mut right, mut scale) = (x.mantissa(), y.mantissa(), scale);
    while scale > 0 {
        if left % 2 == 0 && right % 5 == 0 {
            (left, right) = (left / 2, right / 5);
        } else if left % 5 == 0 && right % 2 == 0 {
            (left, right) = (left / 5, right / 2);
        } else if left % 10 == 0 {
            left /= 10;
        } else if right % 10 == 0 {
            right /= 10;
        } else {
            break;
        }
        scale -= 1;
    }
    fit(left.checked_mul(right)?, scale)
}

pub(super) fn multiply(x: Decimal, y: Decimal) -> CallResult<Decimal> {
    product(x, y).map_or_else(|| too_long(x, "*", y), Ok)
}

fn remainder(x: Decimal, y: Decimal) -> CallResult<Decimal> {
    if y.is_zero() {
        return failure(format!("division by zero: {x} % {y}"));
    }
    align_any(x, y)
        .and_then(|(x, y, scale)| fit(x % y, scale))
        .map_or_else(|| too_long(x, "%", y), Ok)
}

pub(super) fn divide(x: Decimal, y: Decimal) -> CallResult<Decimal> {
    if y.is_zero() {
        return failure(format!("division by zero: {x} / {y}"));
    }
    x.checked_div(y).map_or_else(|| too_long(x, "/", y), Ok)
}

fn power(x: Decimal, exponent: INT) -> CallResult<Decimal> {
    if !(0..=256).contains(&exponent) {
        return failure(format!("{x} ** {exponent}: the exponent must be within 0..=256"));
    }
    let mut result = Decimal::ONE;
    for _ in 0..exponent {
        result = multiply(result, x)?;
    }
    Ok(result)
}

fn power_of_decimal(exponent: Decimal) -> CallResult<Decimal> {
    failure(format!("** {exponent}: the exponent must be an integer"))
}

pub(super) fn is_literal_exact((value, text): &(Decimal, Identifier)) -> bool {
    let written: String = text.chars().filter(|character| *character != '_').collect();
    written.parse::<domain::Decimal>().ok() == to_domain(*value)
}

/// A script's decimal as ours; every one fits.
pub(super) fn to_domain(value: Decimal) -> Option<domain::Decimal> {
    domain::Decimal::new(value.mantissa(), u8::try_from(value.scale()).ok()?)
}

/// Our decimal as a script's, if it fits.
pub(super) fn from_domain(value: domain::Decimal) -> Option<Decimal> {
    fit(value.coefficient(), u32::from(value.scale()))
}

pub(super) fn register(engine: &mut Engine) {
    macro_rules! operator {
        ($($sign:literal, $assign:literal, $function:ident;)+) => {$(
            engine.register_fn($sign, |x: Decimal, y: Decimal| $function(x, y));
            engine.register_fn($sign, |x: Decimal, y: INT| $function(x, Decimal::from(y)));
            engine.register_fn($sign, |x: INT, y: Decimal| $function(Decimal::from(x), y));
            engine.register_fn($assign, |x: &mut Decimal, y: Decimal| -> CallResult<()> {
                *x = $function(*x, y)?;
                Ok(())
            });
            engine.register_fn($assign, |x: &mut Decimal, y: INT| -> CallResult<()> {
                *x = $function(*x, Decimal::from(y))?;
                Ok(())
            });
        )+};
    }
    operator! {
        "+", "+=", add;
        "-", "-=", subtract;
        "*", "*=", multiply;
        "/", "/=", divide;
        "%", "%=", remainder;
    }
    engine.register_fn("**", power);
    engine.register_fn("**", |_: Decimal, exponent: Decimal| power_of_decimal(exponent));
    engine.register_fn("**", |_: INT, exponent: Decimal| power_of_decimal(exponent));
    engine.register_fn("**=", |x: &mut Decimal, exponent: INT| -> CallResult<()> {
        *x = power(*x, exponent)?;
        Ok(())
    });
    engine.register_fn("**=", |_: &mut Decimal, exponent: Decimal| -> CallResult<()> {
        power_of_decimal(exponent).map(|_| ())
    });
    engine.register_fn("-", |x: Decimal| -x);
    engine.register_fn("+", |x: Decimal| x);
    engine.register_fn("+", |x: INT| x);
    engine.register_fn("-", |x: INT| {
        x.checked_neg().map_or_else(|| failure(format!("integer overflow: -({x})")), Ok)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::from_str_exact(text).unwrap()
    }

    fn number() -> impl Strategy<Value = Decimal> {
        (-MAX_COEFFICIENT..=MAX_COEFFICIENT, 0u32..100, 0u32..=28).prop_map(
            |(coefficient, shift, scale)| {
                Decimal::from_i128_with_scale(coefficient >> shift.min(96), scale)
            },
        )
    }

    #[test]
    fn values_that_do_not_fit_are_errors() {
        let tiny = decimal("0.0000000000000000000000000001");
        let big = decimal("7922816251426433759354395033.5");
        assert!(add(big, tiny).is_err());
        assert!(subtract(big, tiny).is_err());
        assert!(multiply(tiny, decimal("0.1")).is_err());
        assert_eq!(
            multiply(tiny, decimal("10")).unwrap().to_string(),
            "0.0000000000000000000000000010"
        );
        // rust_decimal gives an answer that is not the sum.
        assert!(big.checked_add(tiny).is_some());
    }

    #[test]
    fn factors_of_ten_do_not_stand_in_the_way_of_a_product() {
        let twos = Decimal::from_i128_with_scale(1 << 80, 24);
        let fives = Decimal::from_i128_with_scale(5i128.pow(41), 28);
        assert_eq!(multiply(twos, fives).unwrap(), Decimal::from_i128_with_scale(1 << 39, 11));
    }

    proptest! {
        #[test]
        fn sums_and_differences_are_exact(x in number(), y in number()) {
            if let Ok(sum) = add(x, y) {
                prop_assert_eq!(subtract(sum, y).unwrap(), x);
            }
        }

        #[test]
        fn a_product_agrees_with_long_multiplication(x in -1_000_000_000_000i64..1_000_000_000_000, y in -1_000_000_000_000i64..1_000_000_000_000, a in 0u32..10, b in 0u32..10) {
            let product = multiply(Decimal::new(x, a), Decimal::new(y, b)).unwrap();
            let expected = domain::Decimal::new(i128::from(x) * i128::from(y), (a + b) as u8).unwrap();
            prop_assert_eq!(to_domain(product).unwrap(), expected);
        }

        #[test]
        fn ours_comes_back_or_is_refused(coefficient in any::<i128>(), scale in 0u8..=28) {
            if let Some(ours) = domain::Decimal::new(coefficient, scale)
                && let Some(theirs) = from_domain(ours)
            {
                prop_assert_eq!(to_domain(theirs).unwrap(), ours);
            }
        }
    }
}
