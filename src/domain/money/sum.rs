//! Exact sums of decimals: they never round and never overflow.

use std::cmp::Ordering;
use std::fmt;

use bnum::types::I512;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::Decimal;
use crate::domain::decimal::MAX_SCALE;

/// An exact sum of any number of decimals, shown with as many digits after the point as the longest of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    /// At `scale`; nearly every sum fits.
    small: i128,
    scale: u8,
    /// At the largest scale: the part that did not fit.
    wide: I512,
}

impl Sum {
    pub fn add(&mut self, value: Decimal) {
        self.add_scaled(value.coefficient(), value.scale());
    }

    pub fn subtract(&mut self, value: Decimal) {
        self.add(value.negated());
    }

    pub fn plus(&mut self, other: &Self) {
        self.add_scaled(other.small, other.scale);
        self.wide += other.wide;
    }

    pub fn minus(&mut self, other: &Self) {
        self.plus(&other.negated());
    }

    /// The sum with the other sign.
    #[must_use]
    pub fn negated(&self) -> Self {
        match self.small.checked_neg() {
            Some(small) => Self { small, scale: self.scale, wide: -self.wide },
            None => Self { small: 0, scale: self.scale, wide: -self.whole() },
        }
    }

    fn add_scaled(&mut self, coefficient: i128, scale: u8) {
        if scale == self.scale
            && let Some(sum) = self.small.checked_add(coefficient)
        {
            self.small = sum;
            return;
        }
        let widest = self.scale.max(scale);
        let scaled =
            |value: i128, from: u8| value.checked_mul(10i128.pow(u32::from(widest - from)));
        let sum = scaled(self.small, self.scale)
            .zip(scaled(coefficient, scale))
            .and_then(|(mine, theirs)| mine.checked_add(theirs));
        match sum {
            Some(sum) => self.small = sum,
            None => {
                self.wide += wide(self.small, self.scale) + wide(coefficient, scale);
                self.small = 0;
            }
        }
        self.scale = widest;
    }

    fn whole(&self) -> I512 {
        self.wide + wide(self.small, self.scale)
    }

    /// The sum without its sign.
    #[must_use]
    pub fn abs(&self) -> Self {
        if self.whole() < I512::ZERO { self.negated() } else { *self }
    }

    /// The nearest float, for charts.
    pub fn to_f64(&self) -> f64 {
        self.to_string().parse().unwrap_or_default()
    }

    /// The same value with at least this many digits after the point.
    #[must_use]
    pub fn at_scale(mut self, scale: u8) -> Self {
        self.add_scaled(0, scale.min(MAX_SCALE));
        self
    }

    /// How many digits after the point are shown.
    pub const fn scale(&self) -> u8 {
        self.scale
    }
}

fn wide(coefficient: i128, scale: u8) -> I512 {
    I512::from(coefficient) * I512::from(10u8).pow(u32::from(MAX_SCALE - scale))
}

impl PartialEq for Sum {
    fn eq(&self, other: &Self) -> bool {
        self.whole() == other.whole()
    }
}

impl Eq for Sum {}

impl PartialOrd for Sum {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sum {
    fn cmp(&self, other: &Self) -> Ordering {
        self.whole().cmp(&other.whole())
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.whole() / I512::from(10u8).pow(u32::from(MAX_SCALE - self.scale));
        let digits = shown.abs().to_string();
        let width = usize::from(self.scale);
        let digits = format!("{digits:0>least$}", least = width + 1);
        let (whole, decimals) = digits.split_at(digits.len() - width);
        let sign = if shown < I512::ZERO { "-" } else { "" };
        write!(f, "{sign}{whole}")?;
        if decimals.is_empty() { Ok(()) } else { write!(f, ".{decimals}") }
    }
}

impl Serialize for Sum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        read(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no amount")))
    }
}

/// A plain decimal of any length.
fn read(text: &str) -> Option<Sum> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let scale = u8::try_from(decimals.len()).ok().filter(|scale| *scale <= MAX_SCALE)?;
    // 512 bits hold 150 digits.
    if whole.is_empty() || whole.len() > 100 {
        return None;
    }
    let mut value = I512::ZERO;
    for byte in whole.bytes().chain(decimals.bytes()) {
        let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
        value = value * I512::from(10u8) + I512::from(digit);
    }
    value *= I512::from(10u8).pow(u32::from(MAX_SCALE - scale));
    Some(Sum { small: 0, scale, wide: if negative { -value } else { value } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(texts: &[&str]) -> Sum {
        let mut sum = Sum::default();
        texts.iter().for_each(|text| sum.add(text.parse().unwrap()));
        sum
    }

    #[test]
    fn sums_have_the_digits_of_their_longest_addend_and_never_overflow() {
        for (addends, shown) in [
            (&["1.5", "2.25"][..], "3.75"),
            (&["1.50", "-1.5"], "0.00"),
            (&[], "0"),
            (&["-0.05", "0.04"], "-0.01"),
            (&["7"], "7"),
        ] {
            assert_eq!(sum(addends).to_string(), shown, "{addends:?}");
        }
        let most = "9".repeat(38);
        let least = "0.0000000000000000000000000001";
        let all = sum(&[&most, &most, &most, least]);
        let text = format!("2{}7.{}1", "9".repeat(37), "0".repeat(27));
        assert_eq!(all.to_string(), text);
        assert_eq!(serde_json::from_value::<Sum>(text.into()).unwrap(), all);
        let mut none = all;
        none.minus(&all);
        assert_eq!(none, Sum::default());
        for text in ["", "-", "1e5", ".5", "+1", "1.2.3", " 1"] {
            assert!(read(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn neither_the_order_nor_the_grouping_of_addends_matters(
            values in proptest::collection::vec((any::<i128>(), 0u8..=28), 0..30),
            cut: prop::sample::Index,
        ) {
            let values: Vec<Decimal> = values
                .into_iter()
                .filter_map(|(coefficient, scale)| Decimal::new(coefficient / 3, scale))
                .collect();
            let of = |values: &[Decimal]| {
                let mut sum = Sum::default();
                values.iter().for_each(|value| sum.add(*value));
                sum
            };
            let whole = of(&values);
            let mut reversed = values.clone();
            reversed.reverse();
            prop_assert_eq!(of(&reversed).to_string(), whole.to_string());
            let (left, right) = values.split_at(if values.is_empty() { 0 } else { cut.index(values.len()) });
            let mut parts = of(left);
            parts.plus(&of(right));
            prop_assert_eq!(parts.to_string(), whole.to_string());
            let back: Sum = serde_json::from_str(&serde_json::to_string(&whole).unwrap()).unwrap();
            prop_assert_eq!(back, whole);
            prop_assert_eq!(whole.negated().negated().to_string(), whole.to_string());
        }
    }
}
