//! The section `review`: approvals, thresholds and deadlines.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::named::Named;
use crate::config::settings::Share;
use crate::domain::{Decimal, Written};

/// The review policy. The first one is in force at once; later changes need approval by a checker
/// and an authorizer.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewSpec {
    /// One user may confirm a suggested reason alone unless six eyes are needed. Default `false`:
    /// every decision needs two users.
    pub two_eye_low_risk: Option<Written<bool>>,
    /// Another place for the top-level `currency_field`.
    #[schemars(example = &"currency")]
    pub currency_field: Option<String>,
    /// Minimum amounts that need six eyes, by currency, without conversion. Amounts in other
    /// currencies, or without one, need six eyes too.
    #[schemars(example = serde_json::json!({ "USD": 1_000_000 }))]
    pub thresholds: Option<Named<Written<Decimal>>>,
    /// Minimum size of a bulk decision that needs six eyes. Default 500.
    #[schemars(range(min = 1))]
    pub bulk_six_eye_items: Option<Written<u64>>,
    /// Overriding a prediction with a higher confidence needs six eyes. Default 0.90.
    #[schemars(range(min = 0, max = 1))]
    pub override_confidence: Option<Written<Share>>,
    /// Regulatory differences: they need six eyes.
    pub regulatory: Option<RegulatorySpec>,
    /// Whether the first decision about a group of look-alikes needs six eyes. Default `false`.
    pub first_of_signature: Option<Written<bool>>,
    /// Whether one user's proposals about a group of look-alikes within 24 hours are added up.
    /// Default `false`.
    pub anti_splitting: Option<Written<bool>>,
    /// Hours to decide an item, by its severity.
    pub sla_hours: Option<SlaHoursSpec>,
    /// Days after which an open proposal expires. Default 30.
    #[schemars(range(min = 1))]
    pub expires_after_days: Option<Written<u32>>,
    /// Human decisions hold on the next date while both values are the same. Default `true`.
    pub carry_across_dates: Option<Written<bool>>,
    /// Share of items whose suggestions are hidden until the maker has chosen, to measure how much
    /// suggestions influence decisions: `0.05`, or `5%`. Default 0.
    pub blind_suggestions: Option<Written<Share>>,
    /// Masked fields: only users with a grant see their values.
    #[schemars(example = ["counterparty"])]
    pub masked_fields: Option<Vec<String>>,
    /// Hours for which a login counts as new after an administrator created or reset it: two new
    /// logins of one administrator cannot take part in one six-eye decision. `0` turns this off.
    /// Default 24.
    pub new_login_hours: Option<Written<u32>>,
    /// Names of the tokens that may check and authorize. Default: none.
    pub deciding_tokens: Option<Vec<String>>,
}

/// Regulatory differences.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegulatorySpec {
    /// Names of fields, `ENTIRE_RECORD` for missing and duplicate records.
    pub fields: Option<Vec<String>>,
    /// Types of differences.
    #[schemars(example = ["TYPE_MISMATCH"])]
    pub diff_types: Option<Vec<String>>,
}

/// Hours to decide an item.
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
