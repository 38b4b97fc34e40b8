//! The review policy: approvals, thresholds and deadlines.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::{Decimal, DiffType, Severity};

/// The section `review` of `recon.yaml`, resolved. It is stored in versions, and every decision
/// names the version in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// One user may confirm a suggested reason alone if no six-eye trigger applies.
    pub two_eye_low_risk: bool,
    /// The field that holds the currency of a record's amounts.
    pub currency_field: Option<String>,
    /// Minimum amount, by currency, that needs six eyes.
    pub thresholds: BTreeMap<String, Amount>,
    /// Minimum size of a bulk decision that needs six eyes.
    pub bulk_six_eye_items: u64,
    /// Overriding a prediction with a higher confidence needs six eyes.
    pub override_confidence: f64,
    /// Fields and types whose differences need six eyes.
    pub regulatory: Regulatory,
    /// The first decision about a group of look-alikes needs six eyes.
    pub first_of_signature: bool,
    /// A maker's proposals about one group of look-alikes within 24 hours are added up.
    pub anti_splitting: bool,
    /// Hours within which an item is to be decided, by severity.
    pub sla_hours: SlaHours,
    /// Days after which an open proposal expires.
    pub expires_after_days: u32,
    /// Share of items whose suggestions are hidden until the maker has chosen.
    pub blind_suggestions: f64,
    /// Masked fields: only users with a grant see their values.
    pub masked_fields: BTreeSet<String>,
    /// Hours for which a login counts as new after an administrator set its password. Two new
    /// logins of one administrator cannot take part in one six-eye decision. 0 turns this off.
    pub new_login_hours: u32,
    /// Names of tokens that may check and authorize.
    pub deciding_tokens: BTreeSet<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            two_eye_low_risk: false,
            currency_field: None,
            thresholds: BTreeMap::new(),
            bulk_six_eye_items: 500,
            override_confidence: 0.90,
            regulatory: Regulatory::default(),
            first_of_signature: false,
            anti_splitting: false,
            sla_hours: SlaHours::default(),
            expires_after_days: 30,
            blind_suggestions: 0.0,
            masked_fields: BTreeSet::new(),
            new_login_hours: 24,
            deciding_tokens: BTreeSet::new(),
        }
    }
}

/// Regulatory differences.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Regulatory {
    pub fields: BTreeSet<String>,
    /// Names of types of differences.
    pub diff_types: BTreeSet<String>,
}

impl Regulatory {
    pub fn covers(&self, field: &str, diff_type: DiffType) -> bool {
        self.fields.contains(field) || self.diff_types.contains(diff_type.name())
    }
}

/// Hours to decide an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlaHours {
    pub low: u32,
    pub medium: u32,
    pub high: u32,
    pub critical: u32,
}

impl Default for SlaHours {
    fn default() -> Self {
        Self { low: 240, medium: 120, high: 48, critical: 8 }
    }
}

impl SlaHours {
    pub const fn of(self, severity: Severity) -> u32 {
        match severity {
            Severity::Low => self.low,
            Severity::Medium => self.medium,
            Severity::High => self.high,
            Severity::Critical => self.critical,
        }
    }
}

/// An exact amount, written as text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Amount(pub Decimal);

impl Serialize for Amount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Decimal::parse(text.as_bytes()).map(Self).map_err(serde::de::Error::custom)
    }
}
