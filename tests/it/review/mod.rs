//! People deciding, on both stores.

mod carry;
pub(crate) mod fixture;
mod labels;
mod sample;
mod story;
mod workflow;
