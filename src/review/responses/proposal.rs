//! Proposals: what they ask for, who approved them, what their items have in common.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::ToSchema;

use crate::domain::review::{Action, ContentHash, Eyes, Fired, ProposalKind, ProposalState};

use super::{AmountSum, MatchSum, Prediction, ReasonView, ReviewItem};

/// The answer to what changes a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProposalMoved {
    /// The proposal.
    pub proposal_id: String,
    /// Its state now.
    pub state: ProposalState,
    /// The status of its items now, if it has items.
    pub status: Option<String>,
    /// Its version now.
    pub version: i64,
    /// The hash of its content now.
    pub content_hash: ContentHash,
    /// Version and hash, for `If-Match`.
    pub tag: String,
    /// How many eyes it needs.
    pub eyes_required: Eyes,
    /// How many eyes have agreed so far, the maker included.
    pub eyes_done: u8,
    /// Why it needs six eyes.
    pub triggers: Vec<Fired>,
    /// How many items it has.
    pub count: u64,
}

/// Who approved what.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ApprovalView {
    /// `CHECKER` or `AUTHORIZER`.
    pub stage: String,
    /// The id of the person who approved or sent it back.
    pub person_id: String,
    /// The name of that person.
    pub person_name: String,
    /// `APPROVE` or `RETURN`.
    pub decision: String,
    /// The version of the proposal that they saw.
    pub proposal_version: i64,
    /// Their comment.
    pub comments: Option<String>,
    /// When they did.
    pub at: String,
    /// Whether it counts: for this version, by a person who may still approve.
    pub counts: bool,
}

/// A proposal.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ProposalView {
    /// The id of the proposal.
    pub proposal_id: String,
    /// What it is about.
    pub kind: ProposalKind,
    /// Where it is: `OPEN`, `CHECKED`, or closed.
    pub state: ProposalState,
    /// Its version.
    pub version: i64,
    /// The hash of its content: what an approval must name.
    pub content_hash: ContentHash,
    /// Version and hash, for `If-Match`.
    pub tag: String,
    /// The decision.
    pub action: Option<Action>,
    /// The reason.
    pub reason: Option<ReasonView>,
    /// What it would make, for reason codes and policies; `match` or `unmatch` for matches by hand.
    pub payload: Option<Json>,
    /// The comment of the maker.
    pub comments: Option<String>,
    /// The id of the person who made it.
    pub maker_id: String,
    /// The name of who made it.
    pub maker_name: String,
    /// Who made and amended it, by name.
    pub contributors: Vec<String>,
    /// Approvals so far, void ones included.
    pub approvals: Vec<ApprovalView>,
    /// How many eyes it needs.
    pub eyes_required: Eyes,
    /// How many eyes have agreed so far, the maker included.
    pub eyes_done: u8,
    /// Why it needs six eyes.
    pub triggers: Vec<Fired>,
    /// How many items it has.
    pub count: u64,
    /// The sums of the amounts of its items, one for each currency.
    pub amount_sum: Vec<AmountSum>,
    /// What its items share: the label of their signature, or the number of signatures.
    pub label: String,
    /// What the machine had predicted, by code, and how sure at most.
    pub predicted: Vec<Prediction>,
    /// When it was made.
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
    /// When it expires.
    pub expires_at: String,
    /// When it was closed.
    pub closed_at: Option<String>,
    /// What differs from its version before.
    pub changed: Vec<Changed>,
    /// Why you may not approve it; null if you may.
    pub may_not_approve: Option<String>,
    /// Whether you may take it back.
    pub may_withdraw: bool,
}

/// What an amendment changed.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Changed {
    /// The name of what was changed.
    pub what: String,
    /// Its value before.
    pub before: Option<String>,
    /// Its value now.
    pub after: Option<String>,
}

/// A proposal with its items.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ProposalDetail {
    /// The proposal.
    #[serde(flatten)]
    pub proposal: ProposalView,
    /// Its items, a page of them, with the predictions that were known when it was made.
    pub items: Vec<ReviewItem>,
    /// What its items have in common, where it has many.
    pub digest: Option<ProposalDigest>,
    /// Both sides' sums of a match by hand; empty for other proposals.
    pub match_sums: Vec<MatchSum>,
    /// What happened to it, oldest first: one entry for each step.
    pub steps: Vec<ProposalStep>,
    /// The cursor of the next page of items.
    pub next: Option<String>,
}

/// A proposal of many items at a glance.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ProposalDigest {
    /// The runs of its items.
    pub runs: Vec<RunCount>,
    /// How many items have a difference B − A in each of some equal ranges; empty without numbers.
    pub deltas: Vec<DeltaCount>,
    /// The five largest differences; a record without a partner counts with its amount.
    pub largest: Vec<ReviewItem>,
    /// Fifteen others, drawn by the id of the proposal: the same for everybody.
    pub drawn: Vec<ReviewItem>,
}

/// How many items are of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RunCount {
    /// The run.
    pub run_id: String,
    /// Its job.
    pub job: String,
    /// Its business date.
    pub batch_date: String,
    /// How many items are of this run.
    pub count: u64,
}

/// How many differences B − A are in a range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct DeltaCount {
    /// The least difference of the range.
    pub from: f64,
    /// The largest difference of the range.
    pub to: f64,
    /// How many items are in the range.
    pub count: u64,
}

/// A proposal with its item, or the first of several.
#[derive(Clone, Debug, PartialEq)]
pub struct InboxEntry {
    /// The proposal.
    pub proposal: ProposalView,
    /// Its item.
    pub item: Option<ReviewItem>,
}

/// An open proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its id.
    pub proposal_id: String,
    /// Its version.
    pub version: i64,
    /// What it is about.
    pub kind: ProposalKind,
    /// Where it stands.
    pub state: ProposalState,
    /// The eyes that it needs.
    pub eyes: Eyes,
    /// How many items it has.
    pub item_count: i64,
    /// Who made it.
    pub maker_id: String,
    /// When it was made.
    pub created_at: String,
}

/// A step of a proposal: what one person did at once, to all of its items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProposalStep {
    /// The name of who acted.
    pub actor_name: String,
    /// `MAKER`, `CHECKER`, `AUTHORIZER` or `SYSTEM`.
    pub stage: String,
    /// As in the audit trail.
    pub action_type: String,
    /// How many audit rows it has.
    pub items: u64,
    /// The comment.
    pub comments: Option<String>,
    /// When it was done.
    pub at: String,
}
