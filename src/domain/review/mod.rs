//! The rules of the review.

pub mod role;

pub use role::{Permission, Permissions, Role, Roles};
