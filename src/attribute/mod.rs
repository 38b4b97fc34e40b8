//! Attributing: a reason for every difference, from rules first and a model after them.

pub mod fixture;
pub mod heuristic;
