//! The review on both stores.

mod carry;
mod commands;
mod days;
pub(crate) mod fixture;
mod labels;
mod sample;
mod story;
mod workflow;
