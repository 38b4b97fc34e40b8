//! Attributing: a reason for every difference, from rules first and a model after them.
//!
//! The model is a random forest over features of a difference ([`features`], [`forest`]), made
//! honest by calibration ([`calibrate`]), judged out of sample ([`metrics`]), accepted within a
//! risk budget ([`risk`]), watched ([`drift`]) and carried as bytes ([`model`]); what stays
//! unknown is grouped for people ([`discover`]). Everything here is a pure function of its
//! arguments: no file, no clock, no SQL.

pub mod calibrate;
pub mod discover;
pub mod drift;
pub mod features;
pub mod forest;
pub mod heuristic;
pub mod metrics;
pub mod model;
pub mod risk;
