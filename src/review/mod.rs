//! The review: what people ask, decide and see. Each command is one transaction: the domain's rule, the
//! change, and its audit rows; or a [`Refusal`], and nothing has changed.
//!
//! [`Desk`] is the whole of it, for the server, the pages and the command line alike. Who acts is
//! an [`Actor`], whom the caller has authenticated. Nothing here knows HTTP.

pub mod actor;
pub mod answer;
pub mod ask;
mod decide;
mod detail;
mod groups;
mod items;
mod page;
mod policy;
mod proposal;
mod proposals;
mod propose;
mod queue;
mod reasons;
pub mod refusal;
mod security;
mod views;
mod work;

use crate::domain::Instant;
use crate::store::Store;
pub use crate::store::audit;

pub use actor::{Actor, Directory, Idempotency};
pub use answer::*;
pub use ask::*;
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

fn not_yet<T>() -> Result<T, Refusal> {
    Err(Refusal::unavailable("not-yet", "this is still to be built"))
}

impl<'a> Desk<'a> {
    /// A desk.
    pub const fn new(store: &'a dyn Store, office: &'a Office) -> Self {
        Self { store, office }
    }


    // Makers.

    /// What one decision about many items would do. Freezes which items, for ten minutes.
    pub fn bulk_preview(&self, _actor: &Actor, _ask: &BulkPreviewAsk) -> Found<BulkPreview> {
        not_yet()
    }

    /// Proposes what a preview showed.
    pub fn bulk_commit(&self, _actor: &Actor, _ask: &BulkCommit) -> Outcome<BulkCommitted> {
        not_yet()
    }

    /// T13: a maker's choice about a blind sample, made without seeing the machine's reason.
    /// `code` is the reason chosen; `None` is a confirmed break.
    pub fn sample(
        &self,
        _actor: &Actor,
        _attribution_id: &str,
        _code: Option<&str>,
        _comments: Option<&str>,
    ) -> Outcome<Sampled> {
        not_yet()
    }

    // Checkers and authorizers.

    // Anybody who reviews.

    /// T11: says something about an item (1 to 2,000 characters).
    pub fn comment(
        &self,
        _actor: &Actor,
        _attribution_id: &str,
        _text: &str,
    ) -> Outcome<CommentView> {
        not_yet()
    }

    /// T11: gives an item to a person (log-in name or id), or to nobody.
    pub fn assign(
        &self,
        _actor: &Actor,
        _attribution_id: &str,
        _assignee: Option<&str>,
    ) -> Outcome<Assigned> {
        not_yet()
    }

    /// T11: tells others that the person looks at an item, for five minutes.
    pub fn claim(&self, _actor: &Actor, _attribution_id: &str) -> Outcome<Claimed> {
        not_yet()
    }

    // Queries.

    /// Counts for the page's head.
    pub fn summary(&self, _actor: &Actor) -> Found<Summary> {
        not_yet()
    }

    /// Audit rows, newest first. Who may see only their own sees only their own.
    pub fn audit_search(
        &self,
        _actor: &Actor,
        _filter: &AuditFilter,
        _page: &PageAsk,
    ) -> Found<Page<AuditView>> {
        not_yet()
    }

    /// Calls `each` for audit rows in the order of their numbers, however many there are.
    pub fn audit_export(
        &self,
        _actor: &Actor,
        _filter: &AuditFilter,
        _each: &mut dyn FnMut(&audit::AuditRow) -> Result<(), crate::diagnostic::Problem>,
    ) -> Found<()> {
        not_yet()
    }

    /// The end of the chain, for an auditor to note down.
    pub fn checkpoint(&self, _actor: &Actor) -> Found<Checkpoint> {
        not_yet()
    }

    /// Checks the chain from row `from` to row `to` (all of it where absent).
    pub fn verify(&self, _actor: &Actor, _from: Option<i64>, _to: Option<i64>) -> Found<Verdict> {
        not_yet()
    }

    /// Decisions against the machine, and those without a second person.
    pub fn report_overrides(&self, _actor: &Actor, _period: &Period) -> Found<Vec<OverrideRow>> {
        not_yet()
    }

    /// Who could do what, and what of it they did.
    pub fn report_access(&self, _actor: &Actor, _period: &Period) -> Found<Vec<AccessRow>> {
        not_yet()
    }

    /// Where duties were not separate, or somebody tried.
    pub fn report_sod(&self, _actor: &Actor, _period: &Period) -> Found<Vec<SodFinding>> {
        not_yet()
    }
}
