//! Automatic attribution in one run: besides the rules, the model and the measured thresholds.
//!
//! Everything here is fixed before the first decision of a run, so that a decision depends on the
//! difference, its record and the run as a whole, and never on the order of the work.

use std::collections::BTreeMap;

use super::claims::Claims;
use super::features::RunContext;
use super::model::Model;
use super::risk::Policy;
use crate::domain::{DiffType, DifferenceContext, FieldRef, PerSide, Side};

/// The model that a run uses.
#[derive(Debug)]
pub struct Champion {
    /// Its version in the registry.
    pub version: String,
    pub model: Model,
}

/// Everything that decides besides the rules.
#[derive(Debug, Default)]
pub struct Machine {
    /// Without a model, unclaimed differences stay UNKNOWN.
    pub(crate) champion: Option<Champion>,
    /// The measured precision of the rules' claims, if any.
    pub(crate) claims: Claims,
    /// Frequency of each kind of difference in the run.
    pub(crate) run: RunContext,
    /// Differences that are not accepted in this run, whatever rules and model say.
    pub(crate) held_back: HeldBack,
    /// The thresholds under `accept_risk`; without them nothing is accepted then.
    pub(crate) policy: Option<Policy>,
}

/// Differences excluded from acceptance in this run, with the reason in a sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldBack {
    /// Fields in which nearly all records differ in the same way, by position in the layout.
    pub fields: BTreeMap<u16, String>,
    /// Records missing on this side, and surplus ones on the other.
    pub missing_in: PerSide<Option<String>>,
}

impl HeldBack {
    /// Why this difference is not accepted, if it is held back.
    pub fn why(&self, difference: &DifferenceContext<'_>) -> Option<&str> {
        let lacking = match difference.diff_type {
            DiffType::MissingInSourceA | DiffType::DuplicateInSourceB => Side::A,
            DiffType::MissingInSourceB | DiffType::DuplicateInSourceA => Side::B,
            _ => {
                let FieldRef::Field(at) = difference.field else { return None };
                return self.fields.get(&at).map(String::as_str);
            }
        };
        self.missing_in[lacking].as_deref()
    }
}
