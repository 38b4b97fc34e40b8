//! People deciding, on both stores.

mod carry;
mod fixture;
mod sample;
mod story;
