//! The review of differences by people. Each command is one transaction of the domain's rule, the change and
//! its audit rows; or it is a [`Refusal`], and nothing has changed.
//!
//! Server, page and command line call [`Review`], with an [`Actor`] whom they have authenticated. Nothing here
//! knows HTTP or SQL: the tables are `store::review`'s.

mod actor;
mod bulk;
mod by_hand;
mod decide;
mod detail;
mod facets;
mod filter;
mod forecast;
mod groups;
mod inbox;
mod listing;
mod notes;
mod page;
pub mod people;
mod policy;
mod proposal;
mod proposals;
mod propose;
mod queue;
mod reasons;
mod refusal;
mod requests;
mod responses;
mod sample;
mod saved;
mod search;
mod security;
mod summary;
mod teaching;
mod trace;
mod trail;
mod views;
mod visibility;
mod work;

use crate::diagnostic::Problem;
use crate::domain::Instant;
use crate::store::Store;
pub use crate::store::audit;

pub use actor::{Actor, CredentialsGiven, Directory, Idempotency};
pub use facets::Facets;
pub use filter::*;
pub use listing::{Listed, ListedRows};
pub use refusal::{Detail, Refusal, RefusalKind};
pub use requests::*;
pub use responses::*;
pub use trace::{SideTrace, Step, Trace, TracedField};

/// Traces a record of a run, by its number, to its sources, as JSON like `recon explain --json`; null if there is
/// nothing to trace.
pub type Tracer =
    Box<dyn Fn(&dyn Store, &str, u64) -> Result<serde_json::Value, Problem> + Send + Sync>;

/// Gives the purpose of a run's rule by the name of its function.
pub type RuleWords = Box<dyn Fn(&dyn Store, &str, &str) -> Option<String> + Send + Sync>;

/// The clock, the directory of people, and whether one person decides alone.
pub struct ReviewSettings {
    clock: Box<dyn Fn() -> Instant + Send + Sync>,
    directory: Box<dyn Directory>,
    solo: bool,
    tracer: Option<Tracer>,
    rule_words: Option<RuleWords>,
}

impl ReviewSettings {
    /// With `solo` one person decides alone, and every audit row says so.
    pub fn new(
        directory: impl Directory + 'static,
        clock: impl Fn() -> Instant + Send + Sync + 'static,
        solo: bool,
    ) -> Self {
        Self {
            clock: Box::new(clock),
            directory: Box::new(directory),
            solo,
            tracer: None,
            rule_words: None,
        }
    }

    /// With traces of items to their sources, and the words of the rules.
    #[must_use]
    pub fn tracing(self, tracer: Tracer, rule_words: RuleWords) -> Self {
        Self { tracer: Some(tracer), rule_words: Some(rule_words), ..self }
    }

    /// True if one user decides alone; every page says so.
    pub const fn solo(&self) -> bool {
        self.solo
    }
}

/// Result of adopting the configuration's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyAdopted {
    /// It is in force, as this version.
    InForce(i64),
    /// Another is in force; this one waits for approval (checker and authorizer) in this proposal.
    Proposed(String),
}

#[derive(Clone, Copy)]
pub struct Review<'a> {
    store: &'a dyn Store,
    settings: &'a ReviewSettings,
}

pub type CommandResult<T> = Result<Done<T>, Refusal>;

pub type QueryResult<T> = Result<T, Refusal>;

impl<'a> Review<'a> {
    pub const fn new(store: &'a dyn Store, settings: &'a ReviewSettings) -> Self {
        Self { store, settings }
    }
}
