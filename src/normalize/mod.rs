//! Normalizing: from the bytes of a row to its typed cells.
//!
//! A cell goes through: null markers, the source's own steps, the field's steps, the type. It never
//! guesses: what a type can't parse is kept as written and marked unparsed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// How a source writes its numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NumberSpec {
    /// The decimal separator. Default `.`.
    pub decimal: Option<String>,
    /// The separator between groups of three digits; its places are checked. Default none.
    pub thousands: Option<String>,
    /// How negative numbers are written besides a leading minus.
    pub negative: Option<Vec<NegativeSpec>>,
}

/// A way to write negative numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NegativeSpec {
    /// `(1,234.50)`
    Parentheses,
    /// `1,234.50-`
    TrailingMinus,
}

/// The parts of a source that say how its cells are normalized.
#[derive(Clone, Debug, Default)]
pub struct SideSpec {
    /// Formats per canonical field; they override the field's own.
    pub formats: BTreeMap<String, Vec<String>>,
    /// Number formats per canonical field; they override the field's own.
    pub numbers: BTreeMap<String, NumberSpec>,
}
