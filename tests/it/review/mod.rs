//! People deciding, on both stores.

mod fixture;
mod story;
