//! The review: what people ask, decide and see. Each command is one transaction: the domain's rule, the
//! change, and its audit rows; or a [`Refusal`], and nothing has changed.
//!
//! [`Desk`] is the whole of it, for the server, the pages and the command line alike. Who acts is
//! an [`Actor`], whom the caller has authenticated. Nothing here knows HTTP.

pub mod actor;
pub mod answer;
pub mod ask;
pub mod people;
pub mod refusal;

use std::sync::RwLock;

use crate::domain::Instant;
use crate::domain::review::Policy;
use crate::store::Store;
pub use crate::store::audit;

pub use actor::{Actor, Directory, Idempotency};
pub use answer::*;
pub use ask::*;
pub use refusal::{Detail, Refusal, RefusalKind};

/// What all desks of a process share: the policy in force, the clock, who the people are.
pub struct Office {
    /// The policy in force and its version; `None` until [`Desk::adopt_policy`] has been called.
    policy: RwLock<Option<(i64, Policy)>>,
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
        Self {
            policy: RwLock::new(None),
            clock: Box::new(clock),
            directory: Box::new(directory),
            solo,
        }
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

    /// Makes the policy of the configuration the one in force, if there is none yet; otherwise, if it
    /// differs, proposes it. To be called once at the start, before any other.
    pub fn adopt_policy(&self, _policy: &Policy) -> Found<PolicyAdopted> {
        not_yet()
    }

    /// Expires proposals whose time is over and makes those stale whose items have changed; gives
    /// their number. To be called now and then (a minute is fine).
    pub fn tidy(&self) -> Found<u64> {
        not_yet()
    }

    /// Remembers an attempt that was refused (a forged actor, a role that is missing) in the security
    /// log, which is kept apart from the audit trail and takes only so much of one person. The desk
    /// does so itself for what it refuses; this is for callers who refuse before they ask it.
    pub fn note_refused(&self, _actor: &Actor, _code: &str, _entity: Option<&str>, _what: &str) {}

    // Makers.

    /// T1, T12: decides an undecided item. Always the maker's step.
    pub fn resolve(&self, _actor: &Actor, _ask: &Resolve) -> Outcome<Resolved> {
        not_yet()
    }

    /// T2: decides a decided item anew.
    pub fn reopen(&self, _actor: &Actor, _ask: &Reopen) -> Outcome<Resolved> {
        not_yet()
    }

    /// T3: changes an open proposal. Approvals so far are void.
    pub fn amend(&self, _actor: &Actor, _ask: &Amend) -> Outcome<ProposalMoved> {
        not_yet()
    }

    /// T4: takes an open proposal back; its items are as they were.
    pub fn withdraw(&self, _actor: &Actor, _ask: &Close) -> Outcome<ProposalMoved> {
        not_yet()
    }

    /// Undoes the person's last decision that is still open, by withdrawing it.
    pub fn undo(&self, _actor: &Actor) -> Outcome<ProposalMoved> {
        not_yet()
    }

    /// What one decision about many items would do. Freezes which items, for ten minutes.
    pub fn bulk_preview(&self, _actor: &Actor, _ask: &BulkPreviewAsk) -> Found<BulkPreview> {
        not_yet()
    }

    /// Proposes what a preview showed.
    pub fn bulk_commit(&self, _actor: &Actor, _ask: &BulkCommit) -> Outcome<BulkCommitted> {
        not_yet()
    }

    /// Proposes a reason code (six eyes), with a simulation.
    pub fn propose_reason(&self, _actor: &Actor, _ask: &ProposeReason) -> Outcome<ReasonProposed> {
        not_yet()
    }

    /// Proposes a policy (six eyes).
    pub fn propose_policy(
        &self,
        _actor: &Actor,
        _policy: &Policy,
        _comments: Option<&str>,
    ) -> Outcome<ProposalMoved> {
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

    /// T5, T7: approves, as checker or authorizer by the proposal's state.
    pub fn approve(&self, _actor: &Actor, _ask: &Approve) -> Outcome<ProposalMoved> {
        not_yet()
    }

    /// T6, T8: sends back; items are as they were.
    pub fn send_back(&self, _actor: &Actor, _ask: &Close) -> Outcome<ProposalMoved> {
        not_yet()
    }

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

    /// The queue: items of current runs.
    pub fn queue(
        &self,
        _actor: &Actor,
        _filter: &QueueFilter,
        _page: &PageAsk,
    ) -> Found<Page<ReviewItem>> {
        not_yet()
    }

    /// The queue in groups of look-alikes, the largest first.
    pub fn groups(
        &self,
        _actor: &Actor,
        _filter: &QueueFilter,
        _by: GroupBy,
        _page: &PageAsk,
    ) -> Found<Page<Group>> {
        not_yet()
    }

    /// How many items of the filter have each value of `field_name`, `diff_type`, `severity`,
    /// `reason_code`, `job` and confidence band, for the filter bar.
    pub fn facets(&self, _actor: &Actor, _filter: &QueueFilter) -> Found<Vec<Share>> {
        not_yet()
    }

    /// One item with all that is known about it.
    pub fn item(&self, _actor: &Actor, _attribution_id: &str) -> Found<ItemDetail> {
        not_yet()
    }

    /// What happened to an item, newest first.
    pub fn history(
        &self,
        _actor: &Actor,
        _attribution_id: &str,
        _page: &PageAsk,
    ) -> Found<Page<HistoryEntry>> {
        not_yet()
    }

    /// How look-alikes were decided, newest first.
    pub fn similar(
        &self,
        _actor: &Actor,
        _attribution_id: &str,
        _page: &PageAsk,
    ) -> Found<Page<SimilarDecision>> {
        not_yet()
    }

    /// Proposals, oldest first while they are open, else newest first.
    pub fn proposals(
        &self,
        _actor: &Actor,
        _filter: &ProposalFilter,
        _page: &PageAsk,
    ) -> Found<Page<ProposalView>> {
        not_yet()
    }

    /// One proposal with a page of its items.
    pub fn proposal(
        &self,
        _actor: &Actor,
        _proposal_id: &str,
        _page: &PageAsk,
    ) -> Found<ProposalDetail> {
        not_yet()
    }

    /// Counts for the page's head.
    pub fn summary(&self, _actor: &Actor) -> Found<Summary> {
        not_yet()
    }

    /// The catalogue of reasons.
    pub fn reasons(
        &self,
        _actor: &Actor,
        _active: Option<bool>,
        _q: Option<&str>,
    ) -> Found<Vec<ReasonEntry>> {
        not_yet()
    }

    /// Items of a run by any status, in the order of their ids: `/runs/{id}/differences` and exports.
    pub fn run_differences(
        &self,
        _actor: &Actor,
        _run_id: &str,
        _filter: &QueueFilter,
        _page: &PageAsk,
    ) -> Found<Page<ReviewItem>> {
        not_yet()
    }

    /// The policy in force and its version.
    pub fn policy(&self, _actor: &Actor) -> Found<(i64, Policy)> {
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
