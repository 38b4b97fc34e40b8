//! The rules of the review: roles, state transitions, six-eye triggers and content hashes.
//!
//! Everything here is a pure function of its arguments. The services in `review` apply these rules
//! inside their transactions.

mod blind;
pub mod comment;
pub mod content;
pub mod label;
pub mod policy;
pub mod proxy;
pub mod role;
pub mod server;
pub mod state;
pub mod trigger;

pub use blind::is_blind;
pub use content::ContentHash;
pub use policy::Policy;
pub use role::{Permission, Permissions, Role, Roles};
pub use state::{Action, Control, Eyes, Move, ProposalKind, ProposalState, Stage};
pub use trigger::{Fired, Trigger};
