//! The review on both stores.

mod by_hand;
mod carry;
mod commands;
mod days;
pub(crate) mod fixture;
mod labels;
mod sample;
mod story;
mod truth;
mod workflow;
