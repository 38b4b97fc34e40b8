//! People deciding, on both stores.

mod carry;
pub mod fixture;
mod labels;
mod sample;
mod story;
mod workflow;
