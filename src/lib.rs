//! recon: see ARCHITECTURE.md.

pub mod diagnostic;
pub mod domain;
