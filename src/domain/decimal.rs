//! Exact decimals: up to 38 significant digits at a scale of 0 to 28.
//!
//! Money never passes through a float and never rounds: values that do not fit are errors, and
//! comparisons widen to 512 bits when 128 are not enough.

use std::cmp::Ordering;
use std::fmt;

use bnum::types::I512;

/// The most significant digits a [`Decimal`] holds.
const MAX_DIGITS: u32 = 38;
/// The most digits a [`Decimal`] holds after its point.
pub const MAX_SCALE: u8 = 28;

/// An exact decimal number, `coefficient / 10^scale`. It remembers the scale it was written
/// with, so `1.50` prints as `1.50`, yet it equals `1.5`.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    coefficient: i128,
    scale: u8,
}

/// Why a text is not a [`Decimal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalError {
    /// Not a number in plain or scientific notation.
    Malformed,
    /// A number, but with more than 38 digits or more than [`MAX_SCALE`] decimals.
    TooManyDigits,
}

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a number",
            Self::TooManyDigits => "too many digits",
        })
    }
}

/// 10^`n` for `n` up to 38.
const fn pow10(n: u32) -> i128 {
    10i128.pow(n)
}

const LIMIT: i128 = pow10(MAX_DIGITS);

impl Decimal {
    /// Zero, written `0`.
    pub const ZERO: Self = Self { coefficient: 0, scale: 0 };

    /// One, written `1`.
    pub const ONE: Self = Self { coefficient: 1, scale: 0 };

    /// The decimal `coefficient / 10^scale`, or `None` beyond 38 digits or a scale of 28.
    pub const fn new(coefficient: i128, scale: u8) -> Option<Self> {
        if scale > MAX_SCALE || coefficient <= -LIMIT || coefficient >= LIMIT {
            return None;
        }
        Some(Self { coefficient, scale })
    }

    /// The digits as an integer; divide by 10^[`scale`](Self::scale) for the value.
    pub const fn coefficient(self) -> i128 {
        self.coefficient
    }

    /// The number of digits after the point, as written.
    pub const fn scale(self) -> u8 {
        self.scale
    }

    /// The text of nearly every amount: digits from the right, without 128-bit divisions. None where that
    /// does not do.
    pub(crate) fn plain(self, buffer: &mut [u8; 24]) -> Option<&[u8]> {
        let mut rest = u64::try_from(self.coefficient.unsigned_abs()).ok()?;
        let width = usize::from(self.scale);
        if width >= 20 {
            return None;
        }
        let mut at = buffer.len();
        let mut written = 0;
        while rest > 0 || written <= width {
            if written == width && width > 0 {
                at -= 1;
                buffer[at] = b'.';
            }
            at -= 1;
            buffer[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            written += 1;
        }
        if self.coefficient < 0 {
            at -= 1;
            buffer[at] = b'-';
        }
        Some(&buffer[at..])
    }

    /// Reads plain (`-12.50`, `.5`, `5.`) and scientific (`3e-1`) notation, strictly: no spaces, no separators (the
    /// normalize stage removes those, by the source's settings).
    pub fn parse(text: &[u8]) -> Result<Self, DecimalError> {
        let (negative, digits) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let mut coefficient: i128 = 0;
        let mut significant = 0u32;
        let mut seen = 0usize;
        let mut decimals: Option<i64> = None;
        let mut exponent: i64 = 0;
        let mut at = 0;
        while at < digits.len() {
            match digits[at] {
                byte @ b'0'..=b'9' => {
                    seen += 1;
                    if let Some(count) = decimals.as_mut() {
                        *count += 1;
                    }
                    if significant > 0 || byte != b'0' {
                        significant += 1;
                    }
                    if significant <= MAX_DIGITS {
                        coefficient = coefficient * 10 + i128::from(byte - b'0');
                    }
                }
                b'.' if decimals.is_none() => decimals = Some(0),
                b'e' | b'E' if seen > 0 => {
                    exponent = parse_exponent(&digits[at + 1..])?;
                    break;
                }
                _ => return Err(DecimalError::Malformed),
            }
            at += 1;
        }
        if seen == 0 {
            return Err(DecimalError::Malformed);
        }
        if significant > MAX_DIGITS {
            return Err(DecimalError::TooManyDigits);
        }
        let mut scale = decimals.unwrap_or(0) - exponent;
        if scale < 0 {
            if coefficient != 0 {
                let shift = u32::try_from(-scale).map_err(|_| DecimalError::TooManyDigits)?;
                if shift >= MAX_DIGITS {
                    return Err(DecimalError::TooManyDigits);
                }
                coefficient =
                    coefficient.checked_mul(pow10(shift)).ok_or(DecimalError::TooManyDigits)?;
            }
            scale = 0;
        }
        let scale = u8::try_from(scale).map_err(|_| DecimalError::TooManyDigits)?;
        Self::new(if negative { -coefficient } else { coefficient }, scale)
            .ok_or(DecimalError::TooManyDigits)
    }

    /// `self − other`, exactly; `None` when the difference needs more than 38 digits.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let left = self.coefficient.checked_mul(pow10(u32::from(scale - self.scale)));
        let right = other.coefficient.checked_mul(pow10(u32::from(scale - other.scale)));
        Self::new(left?.checked_sub(right?)?, scale)
    }

    /// `self × other`, exactly; `None` when the product needs more than 38 digits or 28 decimals.
    pub fn checked_mul(self, other: Self) -> Option<Self> {
        let product = |left: Self, right: Self| {
            let coefficient = left.coefficient.checked_mul(right.coefficient)?;
            Self::new(coefficient, left.scale.checked_add(right.scale)?)
        };
        product(self, other).or_else(|| product(self.normalized(), other.normalized()))
    }

    /// The value without its sign.
    pub const fn abs(self) -> Self {
        Self { coefficient: self.coefficient.abs(), scale: self.scale }
    }

    /// The value with the other sign.
    pub const fn negated(self) -> Self {
        Self { coefficient: -self.coefficient, scale: self.scale }
    }

    pub const fn is_zero(self) -> bool {
        self.coefficient == 0
    }

    /// The same value at the smallest scale that holds it: `1.50` becomes `1.5`. Equal decimals have equal normal
    /// forms, as a hash needs.
    pub const fn normalized(self) -> Self {
        let Self { mut coefficient, mut scale } = self;
        if coefficient == 0 {
            return Self::ZERO;
        }
        while scale > 0 && coefficient % 10 == 0 {
            coefficient /= 10;
            scale -= 1;
        }
        Self { coefficient, scale }
    }

    /// The nearest float: for features and percentages on a page, never for a decision on money.
    pub fn to_f64(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "an approximation is what is asked for")]
        let coefficient = self.coefficient as f64;
        coefficient / 10f64.powi(i32::from(self.scale))
    }

    /// Whether |a − b| ≤ `bound`, exactly and inclusively.
    pub fn within_absolute(a: Self, b: Self, bound: Self) -> bool {
        let scale = a.scale.max(b.scale).max(bound.scale);
        if let (Some(x), Some(y), Some(limit)) =
            (a.scaled(scale), b.scaled(scale), bound.scaled(scale))
            && let Some(delta) = x.checked_sub(y)
        {
            return delta.abs() <= limit;
        }
        let delta = (a.wide(scale) - b.wide(scale)).abs();
        delta <= bound.wide(scale)
    }

    /// Whether |a − b| ≤ `percent` / 100 × |`base`|, exactly and inclusively.
    pub fn within_percent(a: Self, b: Self, percent: Self, base: Self) -> bool {
        let scale = a.scale.max(b.scale);
        // |a-b| / 10^scale <= p / 10^sp / 100 * base / 10^sb
        // |a-b| * 100 * 10^(sp+sb) <= p * base * 10^scale
        let left_shift = u32::from(percent.scale) + u32::from(base.scale) + 2;
        let narrow = || {
            let delta = a.scaled(scale)?.checked_sub(b.scaled(scale)?)?.checked_abs()?;
            let left = (left_shift < MAX_DIGITS)
                .then(|| delta.checked_mul(pow10(left_shift)))
                .flatten()?;
            let right = percent
                .coefficient
                .checked_mul(base.coefficient.checked_abs()?)?
                .checked_mul(pow10(u32::from(scale)))?;
            Some(left <= right)
        };
        narrow().unwrap_or_else(|| {
            let ten = I512::from(10u8);
            let delta = (a.wide(scale) - b.wide(scale)).abs();
            let left = delta * ten.pow(left_shift);
            let right = I512::from(percent.coefficient)
                * I512::from(base.coefficient).abs()
                * ten.pow(u32::from(scale));
            left <= right
        })
    }

    /// `self` / `divisor` × 100, rounded half away from zero to `scale` decimals: a figure to show
    /// or to compare with a coarse bound in a rule. `None` if the divisor is zero or it won't fit.
    pub fn percent_of(self, divisor: Self, scale: u8) -> Option<Self> {
        if divisor.is_zero() {
            return None;
        }
        let ten = I512::from(10u8);
        let numerator =
            I512::from(self.coefficient) * ten.pow(2 + u32::from(scale) + u32::from(divisor.scale));
        let denominator = I512::from(divisor.coefficient) * ten.pow(u32::from(self.scale));
        let two = I512::from(2u8);
        let negative = numerator.is_negative() != denominator.is_negative();
        let (numerator, denominator) = (numerator.abs(), denominator.abs());
        let quotient = (numerator * two + denominator) / (denominator * two);
        let quotient = i128::try_from(quotient).ok()?;
        Self::new(if negative { -quotient } else { quotient }, scale)
    }

    /// The value rounded half away from zero to `scale` decimals (used by features and by
    /// the explanation of rounding differences, never when comparing).
    pub fn rounded(self, scale: u8) -> Self {
        if scale >= self.scale {
            return self;
        }
        let unit = pow10(u32::from(self.scale - scale));
        let half = unit / 2;
        let away = if self.coefficient < 0 { -half } else { half };
        Self { coefficient: (self.coefficient + away) / unit, scale }
    }

    /// How many whole units of 10^−`scale` the value has, towards zero; as many as fit in 128 bits.
    pub const fn whole_units(self, scale: u8) -> i128 {
        match scale.checked_sub(self.scale) {
            Some(more) => self.coefficient.saturating_mul(pow10(more as u32)),
            None => self.coefficient / pow10((self.scale - scale) as u32),
        }
    }

    fn scaled(self, scale: u8) -> Option<i128> {
        self.coefficient.checked_mul(pow10(u32::from(scale - self.scale)))
    }

    fn wide(self, scale: u8) -> I512 {
        I512::from(self.coefficient) * I512::from(10u8).pow(u32::from(scale - self.scale))
    }
}

fn parse_exponent(text: &[u8]) -> Result<i64, DecimalError> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(DecimalError::Malformed);
    }
    let value = digits
        .iter()
        .fold(0i64, |sum, digit| sum.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    // Beyond this no coefficient that we hold could be brought back into range.
    let value = value.min(1_000_000);
    Ok(if negative { -value } else { value })
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.scale == other.scale {
            return self.coefficient.cmp(&other.coefficient);
        }
        let scale = self.scale.max(other.scale);
        match (self.scaled(scale), other.scaled(scale)) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => self.wide(scale).cmp(&other.wide(scale)),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = self.plain(&mut [0; 24]) {
            return f.write_str(std::str::from_utf8(text).unwrap_or_default());
        }
        let sign = if self.coefficient < 0 { "-" } else { "" };
        let digits = self.coefficient.unsigned_abs();
        if self.scale == 0 {
            return write!(f, "{sign}{digits}");
        }
        let width = usize::from(self.scale);
        let unit = pow10(u32::from(self.scale)).unsigned_abs();
        write!(f, "{sign}{}.{:0width$}", digits / unit, digits % unit)
    }
}

impl std::str::FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    proptest! {
        #[test]
        fn small_and_large_numbers_are_written_alike(coefficient: u64, scale in 0u8..=28) {
            let small = Decimal::new(coefficient.into(), scale).unwrap();
            let mut digits = format!("{coefficient:0>width$}", width = usize::from(scale) + 1);
            if scale > 0 {
                digits.insert(digits.len() - usize::from(scale), '.');
            }
            prop_assert_eq!(small.to_string(), digits);
        }
    }

    #[test]
    fn reads_plain_and_scientific_notation_and_keeps_the_written_scale() {
        for (text, shown) in [
            ("1.50", "1.50"),
            ("-0.005", "-0.005"),
            ("3e-1", "0.3"),
            ("3E2", "300"),
            ("+.5", "0.5"),
            ("5.", "5"),
            ("0e99999", "0"),
            ("1.25e1", "12.5"),
            ("00012.0", "12.0"),
        ] {
            assert_eq!(decimal(text).to_string(), shown, "{text}");
        }
    }

    #[test]
    fn whole_units_are_rounded_towards_zero() {
        let units = |text: &str| decimal(text).whole_units(9);
        assert_eq!(units("1.5"), 1_500_000_000);
        assert_eq!(units("0.0000000005"), 0);
        assert_eq!(units("0.0000000019999"), 1);
        assert_eq!(units("-0.0000000019999"), -1);
        assert_eq!(units(&"9".repeat(38)), i128::MAX);
    }

    #[test]
    fn products_are_exact_or_none() {
        let product = |a: &str, b: &str| decimal(a).checked_mul(decimal(b)).map(|p| p.to_string());
        assert_eq!(product("12345", "0.01").as_deref(), Some("123.45"));
        assert_eq!(product("-1.50", "100").as_deref(), Some("-150.00"));
        assert_eq!(product("0.5", "0").as_deref(), Some("0.0"));
        // Zeros at the end are given up before digits are.
        let small = "0.0000000000000000000000000010";
        assert_eq!(product(small, "0.1").as_deref(), Some("0.0000000000000000000000000001"));
        assert_eq!(product(small, "0.01"), None);
        assert_eq!(product(&"9".repeat(38), "10"), None);
    }

    #[test]
    fn refuses_numbers_that_it_cannot_hold_exactly() {
        let malformed = ["", "-", ".", "1,5", " 1", "1 ", "1e", "e5", "1.2.3", "--1", "0x1", "NaN"];
        for text in malformed {
            assert_eq!(Decimal::parse(text.as_bytes()), Err(DecimalError::Malformed), "{text}");
        }
        let nines = "9".repeat(38);
        assert_eq!(decimal(&nines).to_string(), nines);
        for text in
            ["1".repeat(39), format!("0.{}1", "0".repeat(28)), "1e38".into(), "1e-29".into()]
        {
            assert_eq!(Decimal::parse(text.as_bytes()), Err(DecimalError::TooManyDigits), "{text}");
        }
    }

    #[test]
    fn tolerance_is_inclusive_and_does_not_round() {
        let (a, b) = (decimal("100.000"), decimal("100.005"));
        assert!(Decimal::within_absolute(a, b, decimal("0.005")));
        assert!(!Decimal::within_absolute(a, b, decimal("0.0049999999999999999999999999")));
        assert!(Decimal::within_percent(
            decimal("100"),
            decimal("101"),
            decimal("1"),
            decimal("100")
        ));
        assert!(!Decimal::within_percent(
            decimal("100"),
            decimal("101.0000000000000000000000001"),
            decimal("1"),
            decimal("100")
        ));
        // Wider than 128 bits on the way.
        let big = decimal("99999999999999999999999999999999999999");
        let tiny = decimal("0.0000000000000000000000000001");
        assert!(!Decimal::within_absolute(big, tiny, decimal("1")));
        assert!(Decimal::within_percent(big, big, tiny, big));
    }

    #[test]
    fn percentages_and_roundings_are_half_away_from_zero() {
        assert_eq!(decimal("1").percent_of(decimal("3"), 4).unwrap().to_string(), "33.3333");
        assert_eq!(decimal("-1").percent_of(decimal("8"), 1).unwrap().to_string(), "-12.5");
        assert!(decimal("1").percent_of(Decimal::ZERO, 1).is_none());
        assert_eq!(decimal("-2.345").rounded(2).to_string(), "-2.35");
    }

    proptest! {
        #[test]
        fn printed_numbers_read_back(coefficient in -LIMIT + 1..LIMIT, scale in 0..=MAX_SCALE) {
            let value = Decimal::new(coefficient, scale).unwrap();
            let back = decimal(&value.to_string());
            prop_assert_eq!(back.coefficient(), value.coefficient());
            prop_assert_eq!(back.scale(), value.scale());
        }

        #[test]
        fn order_does_not_depend_on_the_written_scale(a in -1_000_000i128..1_000_000, s in 0u8..10, extra in 0u32..10) {
            let short = Decimal::new(a, s).unwrap();
            let long = Decimal::new(a * pow10(extra), s + u8::try_from(extra).unwrap()).unwrap();
            prop_assert_eq!(short, long);
            prop_assert_eq!(short.normalized().to_string(), long.normalized().to_string());
        }
    }
}
