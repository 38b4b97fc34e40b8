//! Comparing: the typed cells of two rows, field by field, with three outcomes each.
//!
//! Comparing is a pure function of two rows and the configuration. Money is compared exactly.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::{Decimal, Written};

/// How far two values of a field may be apart. Bounds are inclusive.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToleranceSpec {
    /// Decimals and integers: the largest |a − b|.
    pub absolute: Option<Written<Decimal>>,
    /// Decimals and integers: the largest |a − b| in percent of the base.
    pub percent: Option<Written<Decimal>>,
    /// What `percent` is of. Default `larger`.
    pub base: Option<BaseSpec>,
    /// With both `absolute` and `percent`: whether one of them suffices. There is no default.
    pub combine: Option<CombineSpec>,
    /// Dates: the largest distance in calendar days.
    pub days: Option<Written<u32>>,
    /// Dates: the largest distance in business days.
    pub business_days: Option<Written<u32>>,
    /// The days that are no business days besides weekends.
    pub calendar: Option<CalendarSpec>,
    /// Datetimes: the largest distance in seconds.
    pub seconds: Option<Written<Decimal>>,
    /// Text: the smallest Jaro–Winkler similarity, 0 to 1.
    pub similarity: Option<Written<Decimal>>,
}

/// What a percentage is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BaseSpec {
    /// The larger of |a| and |b|: A against B gives what B against A gives.
    #[default]
    Larger,
    /// The smaller of |a| and |b|.
    Smaller,
    /// |a|.
    A,
    /// |b|.
    B,
}

/// How an absolute and a percentage bound join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CombineSpec {
    /// One bound suffices.
    Either,
    /// Both bounds must hold.
    Both,
}

/// A business calendar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CalendarSpec {
    /// The weekly days off. Default Saturday and Sunday.
    pub weekend: Option<Vec<WeekdaySpec>>,
    /// Single days off, `YYYY-MM-DD`.
    pub holidays: Option<Vec<String>>,
    /// A file with one such day a line, relative to `recon.yaml`; `#` begins a comment.
    pub file: Option<String>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum WeekdaySpec {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}
