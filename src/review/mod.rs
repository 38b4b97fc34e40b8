//! The review: what people ask, decide and see. Each command is one transaction: the domain's rule, the
//! change, and its audit rows; or a [`Refusal`], and nothing has changed.
//!
//! [`Desk`] is the whole of it, for the server, the pages and the command line alike. Who acts is
//! an [`Actor`], whom the caller has authenticated. Nothing here knows HTTP.

pub mod actor;
pub mod answer;
pub mod ask;
mod bulk;
mod decide;
mod detail;
mod filter;
mod groups;
mod page;
pub mod people;
mod policy;
mod proposal;
mod proposals;
mod propose;
mod queue;
mod reasons;
pub mod refusal;
mod sample;
mod security;
mod sight;
mod summary;
mod talk;
mod trail;
mod views;
mod work;

use crate::domain::Instant;
use crate::store::Store;
pub use crate::store::audit;

pub use actor::{Actor, Directory, Idempotency};
pub use answer::*;
pub use ask::*;
pub use filter::*;
pub use refusal::{Detail, Refusal, RefusalKind};

/// What all desks of a process share: the clock, who the people are, whether one decides alone.
pub struct Office {
    /// The time, UTC.
    clock: Box<dyn Fn() -> Instant + Send + Sync>,
    /// Who the people are.
    directory: Box<dyn Directory>,
    /// One person may decide alone.
    solo: bool,
}

impl Office {
    /// An office. With `solo` one person decides alone, and every audit row says so.
    pub fn new(
        directory: impl Directory + 'static,
        clock: impl Fn() -> Instant + Send + Sync + 'static,
        solo: bool,
    ) -> Self {
        Self { clock: Box::new(clock), directory: Box::new(directory), solo }
    }

    /// Whether one person decides alone: every page says so.
    pub const fn solo(&self) -> bool {
        self.solo
    }
}

/// What became of the policy of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyAdopted {
    /// It is in force, as this version.
    InForce(i64),
    /// Another is in force; this one waits for approval (checker and authorizer) in this proposal.
    Proposed(String),
}

/// Where reviewers work: one store, under the rules of one office.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    store: &'a dyn Store,
    office: &'a Office,
}

/// What a command gives.
pub type Outcome<T> = Result<Done<T>, Refusal>;

/// What a query gives.
pub type Found<T> = Result<T, Refusal>;

impl<'a> Desk<'a> {
    /// A desk.
    pub const fn new(store: &'a dyn Store, office: &'a Office) -> Self {
        Self { store, office }
    }
}
