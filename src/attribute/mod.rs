//! Attribution: a reason for every difference, from rules first and then a model.
//!
//! A decision is a pure function of the difference, its record and the configuration. Automatic
//! decisions are only ACCEPTED or UNKNOWN; every other status comes from users.

mod accept;
mod attributor;
pub(crate) mod calibrate;
pub(crate) mod claims;
pub(crate) mod discover;
pub(crate) mod drift;
pub mod evidence;
mod failures;
pub(crate) mod features;
pub(crate) mod fixture;
pub mod forest;
pub(crate) mod heuristic;
mod machine;
pub(crate) mod metrics;
pub(crate) mod model;
pub mod risk;

use std::collections::BTreeMap;

use crate::domain::{Confidence, ReasonCode};

pub(crate) use accept::{Acceptance, Sure};
pub use attributor::Attributor;
use claims::ClaimRecord;
pub use failures::RuleFailures;
pub use machine::Machine;
pub(crate) use machine::{Champion, HeldBack};

/// Everything that decides about differences, shared by all threads.
#[derive(Clone, Debug)]
pub struct AttributionPlan {
    pub(crate) rules: Option<heuristic::RulesPlan>,
    /// The declared reasons by code; UNKNOWN is always among them.
    pub(crate) reasons: BTreeMap<String, ReasonCode>,
    pub(crate) acceptance: Acceptance,
    pub(crate) model_enabled: bool,
    /// A rule's claim below this is only a hint if there is a model, which then decides. If not set, a
    /// claim yields to a model that is surer than such claims were right where it was no surer than all
    /// of them. Without a model no rule is overruled.
    pub(crate) overrule_below: Option<Confidence>,
    /// The share of accepted differences chosen for blind checks.
    pub(crate) audit_sample: f64,
}

impl AttributionPlan {
    pub(crate) fn is_functional(&self, code: &str) -> bool {
        self.reasons.get(code).is_some_and(|reason| reason.functional)
    }

    /// True if the model may decide instead of a rule, given the claim's confidence and whether its precision was
    /// measured.
    pub(crate) fn may_yield(&self, claimed: Confidence, is_measured: bool) -> bool {
        self.overrule_below.map_or(is_measured, |below| claimed < below)
    }

    /// True if a rule's claim gives way to a prediction of the model with confidence `guess`.
    pub(crate) fn yields(
        &self,
        claimed: Confidence,
        measured: Option<&ClaimRecord>,
        guess: f64,
    ) -> bool {
        match self.overrule_below {
            Some(below) => claimed < below,
            None => measured.is_some_and(|measured| !measured.stands(guess)),
        }
    }
}
