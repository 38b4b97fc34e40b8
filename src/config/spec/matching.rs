//! Matching without a common key, as written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::compare::{BaseSpec, CalendarSpec, CombineSpec};
use crate::config::named::Named;
use crate::domain::{Decimal, Written};
use crate::matching::Shape;

/// How rows that share no key are matched: passes, each over the rows that no earlier pass matched.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MatchSpec {
    /// The passes in their order. Where the job has a `key`, it is the first pass, named `key`.
    #[schemars(with = "Vec<PassSpec>", length(min = 1))]
    pub passes: Option<Vec<PassSpec>>,
    /// Treatment of a match that is not certain: `leave` leaves its rows open (default), `take` makes it.
    pub ambiguous: Option<AmbiguousSpec>,
    /// The steps of search for each group of rows that compete; a count, never a time. Default 10000000.
    #[schemars(range(min = 1))]
    pub effort: Option<Written<u64>>,
}

/// One pass.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PassSpec {
    /// Its name in tables and reports.
    #[schemars(with = "String", example = &"by_reference")]
    pub name: Option<String>,
    /// The fields that are equal on both sides of a match, without tolerance. Null equals nothing.
    #[schemars(example = ["currency", "reference"])]
    pub equal: Option<Vec<String>>,
    /// How far apart both sides of a match may be, by field. The first field counts most when matches compete.
    pub near: Option<Named<NearSpec>>,
    /// Number fields whose sums are compared instead of each row's value.
    #[schemars(example = ["amount"])]
    pub sum: Option<Vec<String>>,
    /// Fields by which rows of one side are put together before they are matched.
    pub group: Option<GroupSpec>,
    /// How many rows a match may have on each side. Default `one_to_one`.
    pub shape: Option<ShapeSpec>,
    /// The most rows on a many side. Default 8.
    #[schemars(range(min = 1))]
    pub max_rows: Option<Written<u32>>,
}

/// Fields by which rows of one side are put together.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupSpec {
    /// Fields of source A.
    #[schemars(example = ["batch_id"])]
    pub a: Option<Vec<String>>,
    /// Fields of source B.
    #[schemars(example = ["payout_id"])]
    pub b: Option<Vec<String>>,
}

/// How many rows a match may have on each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShapeSpec {
    /// One row of A and one of B.
    #[default]
    OneToOne,
    /// One row of A, several of B.
    OneToMany,
    /// Several rows of A, one of B.
    ManyToOne,
    /// Several rows of both.
    ManyToMany,
}

impl From<ShapeSpec> for Shape {
    fn from(spec: ShapeSpec) -> Self {
        match spec {
            ShapeSpec::OneToOne => Self::OneToOne,
            ShapeSpec::OneToMany => Self::OneToMany,
            ShapeSpec::ManyToOne => Self::ManyToOne,
            ShapeSpec::ManyToMany => Self::ManyToMany,
        }
    }
}

/// Treatment of a match that is not certain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AmbiguousSpec {
    /// Its rows stay open; later passes may match them.
    #[default]
    Leave,
    /// It is made.
    Take,
}

/// How far apart the two sides of a match may be in a field. Bounds are inclusive.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NearSpec {
    /// Numbers: |B − A| at most this.
    #[schemars(range(min = 0))]
    pub absolute: Option<Written<Decimal>>,
    /// Numbers: |B − A| at most this percentage of `base`.
    #[schemars(range(min = 0))]
    pub percent: Option<Written<Decimal>>,
    /// Base of `percent`; default the larger of both amounts.
    pub base: Option<BaseSpec>,
    /// How `absolute` and `percent` join; required where both are given.
    pub combine: Option<CombineSpec>,
    /// Dates: at most N days apart, in either direction.
    #[schemars(range(min = 0))]
    pub days: Option<Written<u32>>,
    /// Dates: the least of B − A in days; negative where B may be earlier.
    pub from: Option<Written<i32>>,
    /// Dates: the most of B − A in days.
    pub to: Option<Written<i32>>,
    /// Dates: at most N business days apart.
    #[schemars(range(min = 0))]
    pub business_days: Option<Written<u32>>,
    /// Which days are business days. Default Monday to Friday.
    pub calendar: Option<CalendarSpec>,
    /// Datetimes: at most N seconds apart.
    #[schemars(range(min = 0))]
    pub seconds: Option<Written<Decimal>>,
    /// Texts: at least this Jaro–Winkler similarity, 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub similarity: Option<Written<Decimal>>,
    /// Texts: at least this similarity of the words, whatever their order, 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub token_set: Option<Written<Decimal>>,
}
