//! The machine of one run: besides the rules, the model that is asked and the measured thresholds.
//!
//! Everything in here is fixed before the first difference of a run is decided, so that a decision
//! depends on the difference, its record and the run as a whole, and never on the order of the work.

use std::collections::BTreeMap;

use super::claims::Claims;
use super::features::RunContext;
use super::model::Model;
use super::risk::Policy;
use crate::domain::{DiffType, DifferenceContext, FieldRef, PerSide, Side};

/// The model that a run asks.
#[derive(Debug)]
pub struct Champion {
    /// Its version in the registry.
    pub version: String,
    /// The model.
    pub model: Model,
}

/// What decides besides the rules.
#[derive(Debug, Default)]
pub struct Machine {
    /// The model; without one what no rule claims stays UNKNOWN.
    pub champion: Option<Champion>,
    /// What the claims of the rules are worth, where that was measured.
    pub claims: Claims,
    /// The run: how common each kind of difference is in it.
    pub run: RunContext,
    /// What is not accepted in this run, whatever rules and model say.
    pub held_back: HeldBack,
    /// The thresholds under `accept_risk`; without them nothing is accepted there.
    pub policy: Option<Policy>,
}

/// Differences of which the machine accepts none in this run, each kind with the reason in a sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldBack {
    /// Fields in which nearly all records differ in the same way, by their position in the layout.
    pub fields: BTreeMap<u16, String>,
    /// Records that are missing on this side, or are on the other side once too often.
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
