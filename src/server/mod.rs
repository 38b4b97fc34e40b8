//! The review server.

pub mod page;
