//! The machine of one run: besides the rules, the model that is asked and the measured thresholds.
//!
//! Everything in here is fixed before the first difference of a run is decided, so that a decision
//! depends on the difference, its record and the run as a whole, and never on the order of the work.

use super::claims::Claims;
use super::features::RunContext;
use super::model::Model;
use super::risk::Policy;

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
    /// The thresholds under `accept_risk`; without them nothing is accepted there.
    pub policy: Option<Policy>,
}
