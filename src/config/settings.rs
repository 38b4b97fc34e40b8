//! Settings that are read from their text: thread counts, sizes and limits.

use std::num::NonZeroUsize;

use crate::domain::Decimal;
use crate::domain::written::Setting;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Threads {
    /// One for each core.
    #[default]
    Auto,
    Count(NonZeroUsize),
}

impl Setting for Threads {
    const EXPECTED: &'static str = "`auto` or a whole number from 1 on";
    const JSON_TYPES: &'static [&'static str] = &["integer", "string"];

    fn read(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            _ => text.parse().ok().map(Self::Count),
        }
    }
}

/// A share of something: `0.005`, or `0.5%`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(pub Decimal);

impl Setting for Share {
    const EXPECTED: &'static str = "a share such as `0.005` or `0.5%`";
    const JSON_TYPES: &'static [&'static str] = &["number", "string"];

    fn read(text: &str) -> Option<Self> {
        let Some(percent) = text.strip_suffix('%') else { return text.parse().ok().map(Self) };
        let percent: Decimal = percent.trim_end().parse().ok()?;
        Decimal::new(percent.coefficient(), percent.scale().checked_add(2)?).map(Self)
    }
}

/// An amount of memory in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySize(pub u64);

impl Setting for MemorySize {
    const EXPECTED: &'static str = "a size such as `4GiB` or `512MB`";
    const JSON_TYPES: &'static [&'static str] = &["integer", "string"];

    fn read(text: &str) -> Option<Self> {
        let digits = text.find(|character: char| !character.is_ascii_digit() && character != '.');
        let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
        let unit: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "tb" => 1_000_000_000_000,
            "kib" | "k" => 1 << 10,
            "mib" | "m" => 1 << 20,
            "gib" | "g" => 1 << 30,
            "tib" | "t" => 1 << 40,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let whole: u64 = whole.parse().ok()?;
        let scale = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let fraction: u128 = fraction.parse().ok()?;
        let part = u64::try_from(u128::from(unit).checked_mul(fraction)? / scale).ok()?;
        whole.checked_mul(unit)?.checked_add(part).filter(|bytes| *bytes > 0).map(Self)
    }
}

/// From how many rejected rows of a source on it counts as unreadable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RejectedLimit {
    /// More than this many.
    Count(u64),
    /// More than this percentage, 0 to 100, of the rows.
    Percent(Decimal),
}

impl Setting for RejectedLimit {
    const EXPECTED: &'static str = "a count or a percentage such as `5%`";
    const JSON_TYPES: &'static [&'static str] = &["integer", "string"];

    fn read(text: &str) -> Option<Self> {
        let Some(percent) = text.strip_suffix('%') else {
            return text.parse().ok().map(Self::Count);
        };
        let percent: Decimal = percent.trim_end().parse().ok()?;
        let hundred = Decimal::new(100, 0)?;
        (percent >= Decimal::ZERO && percent <= hundred).then_some(Self::Percent(percent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_and_decimal_units() {
        for (text, bytes) in [
            ("4GiB", Some(4 << 30)),
            ("1.5 GiB", Some(3 << 29)),
            ("512MB", Some(512_000_000)),
            ("100", Some(100)),
            ("64m", Some(64 << 20)),
            ("0", None),
            ("GiB", None),
            ("-1GiB", None),
            ("1.2.3GiB", None),
            ("4 gigs", None),
            ("99999999999TiB", None),
        ] {
            assert_eq!(MemorySize::read(text).map(|size| size.0), bytes, "{text}");
        }
    }

    #[test]
    fn limits_and_threads_are_counts_or_words() {
        assert_eq!(RejectedLimit::read("10"), Some(RejectedLimit::Count(10)));
        let half = RejectedLimit::Percent("0.5".parse().unwrap());
        assert_eq!(RejectedLimit::read("0.5%"), Some(half));
        for text in ["101%", "-1%", "%", "x", "-1", "1.5"] {
            assert_eq!(RejectedLimit::read(text), None, "{text}");
        }
        assert_eq!(Threads::read("auto"), Some(Threads::Auto));
        assert_eq!(Threads::read("0"), None);
    }
}
