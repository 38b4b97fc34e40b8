//! Attributing: a reason for every difference, from rules first and a model after them.
//!
//! A decision is a pure function of the difference, its record and the configuration. The machine
//! writes ACCEPTED and UNKNOWN only; everything else is people's.

mod accept;
mod attributor;
pub mod calibrate;
pub mod claims;
pub mod discover;
pub mod drift;
pub mod evidence;
pub mod features;
pub mod fixture;
pub mod forest;
pub mod heuristic;
mod machine;
pub mod metrics;
pub mod model;
pub mod risk;

use std::collections::BTreeMap;

use crate::domain::{Confidence, ReasonCode};

pub use accept::{Acceptance, Sure};
pub use attributor::Attributor;
pub use machine::{Champion, HeldBack, Machine};

/// Everything that decides about differences. Shared by all threads.
#[derive(Clone, Debug)]
pub struct AttributionPlan {
    /// The rules, if there are any.
    pub rules: Option<heuristic::RulesPlan>,
    /// The declared reasons by code; UNKNOWN is always among them.
    pub reasons: BTreeMap<String, ReasonCode>,
    /// What the machine may settle.
    pub acceptance: Acceptance,
    /// Whether the model is asked, where there is one.
    pub model_enabled: bool,
    /// A claim of a rule below this is only a hint: where there is a model, the model decides. Without
    /// it no rule is overruled.
    pub overrule_below: Option<Confidence>,
    /// The share of what the machine settled that people check blind.
    pub audit_sample: f64,
}

impl AttributionPlan {
    /// Whether business explains this reason.
    pub fn is_functional(&self, code: &str) -> bool {
        self.reasons.get(code).is_some_and(|reason| reason.functional)
    }

    /// Whether a rule's claim of this confidence is only a hint to the model.
    pub fn is_hint(&self, claimed: Confidence) -> bool {
        self.overrule_below.is_some_and(|below| claimed < below)
    }
}
