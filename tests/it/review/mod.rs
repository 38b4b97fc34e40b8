//! People deciding, on both stores.

mod carry;
pub(crate) mod fixture;
mod sample;
mod story;
