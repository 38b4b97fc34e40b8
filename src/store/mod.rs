//! The store: runs, records, differences and attributions; one story, two backends.

pub mod migrate;
pub mod postgres;
pub mod sqlite;
