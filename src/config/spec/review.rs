//! The section `review`: what people may settle, with how many eyes, and by when.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::named::Named;
use crate::config::settings::Share;
use crate::domain::{Decimal, Written};

/// The rules of the review. The first ones are in force at once; later changes of them wait for
/// approval by a checker and an authorizer.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewSpec {
    /// One person may confirm the machine's reason alone where nothing asks for six eyes. Default
    /// `false`: every decision needs two persons.
    pub two_eye_low_risk: Option<Written<bool>>,
    /// The field that holds the currency of a record's amounts.
    #[schemars(example = &"currency")]
    pub currency_field: Option<String>,
    /// Amounts from which on a decision needs six eyes, by currency; nothing is converted. An amount
    /// in another currency, or none, needs six eyes too.
    #[schemars(example = serde_json::json!({ "USD": 1_000_000 }))]
    pub thresholds: Option<Named<Written<Decimal>>>,
    /// The number of items from which on a bulk decision needs six eyes. Default 500.
    #[schemars(range(min = 1))]
    pub bulk_six_eye_items: Option<Written<u64>>,
    /// An override of a prediction surer than this needs six eyes. Default 0.90.
    #[schemars(range(min = 0, max = 1))]
    pub override_confidence: Option<Written<Share>>,
    /// Differences that a regulator looks at: they need six eyes.
    pub regulatory: Option<RegulatorySpec>,
    /// Whether the first decision about differences of a kind needs six eyes. Default `false`.
    pub first_of_signature: Option<Written<bool>>,
    /// Whether what one person proposes about one kind of differences within 24 hours counts together.
    /// Default `false`.
    pub anti_splitting: Option<Written<bool>>,
    /// Hours within which an item is to be decided, by its severity.
    pub sla_hours: Option<SlaHoursSpec>,
    /// Days after which a proposal that nobody decided expires. Default 30.
    #[schemars(range(min = 1))]
    pub expires_after_days: Option<Written<u32>>,
    /// The share of items whose suggestions are hidden until somebody has chosen, which tells how much
    /// suggestions sway people: `0.05`, or `5%`. Default 0.
    pub blind_suggestions: Option<Written<Share>>,
    /// Fields whose values only people with a grant see.
    #[schemars(example = ["counterparty"])]
    pub masked_fields: Option<Vec<String>>,
    /// Hours after an administrator made or reset a login for which it counts as new: two new logins of one
    /// administrator can't take part in one decision of six eyes. `0` turns that off. Default 24.
    pub new_login_hours: Option<Written<u32>>,
    /// Names of the tokens that may check and authorize. Default: none may.
    pub deciding_tokens: Option<Vec<String>>,
}

/// Differences that a regulator looks at.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegulatorySpec {
    /// Names of fields, `ENTIRE_RECORD` for missing and duplicate records.
    pub fields: Option<Vec<String>>,
    /// Types of differences.
    #[schemars(example = ["TYPE_MISMATCH"])]
    pub diff_types: Option<Vec<String>>,
}

/// Hours within which an item is to be decided.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlaHoursSpec {
    /// For severity LOW. Default 240.
    #[schemars(range(min = 1))]
    pub low: Option<Written<u32>>,
    /// For severity MEDIUM. Default 120.
    #[schemars(range(min = 1))]
    pub medium: Option<Written<u32>>,
    /// For severity HIGH. Default 48.
    #[schemars(range(min = 1))]
    pub high: Option<Written<u32>>,
    /// For severity CRITICAL. Default 8.
    #[schemars(range(min = 1))]
    pub critical: Option<Written<u32>>,
}
