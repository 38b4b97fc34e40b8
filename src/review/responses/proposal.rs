//! Proposals: the decision, its approvals, and common properties of its items.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::ToSchema;

use crate::domain::review::{Action, ContentHash, Eyes, Fired, ProposalKind, ProposalState};

use super::{AmountSum, MatchSum, Prediction, ReasonView, ReviewItem};

/// The result of changing a proposal.
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

/// An approval: who approved which version.
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
    /// Time of the approval.
    pub at: String,
    /// Whether it counts: for this version, by a person who may still approve.
    pub counts: bool,
}

/// A proposal.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ProposalView {
    /// The id of the proposal.
    pub proposal_id: String,
    /// Kind of proposal.
    pub kind: ProposalKind,
    /// State: `OPEN`, `CHECKED`, or closed.
    pub state: ProposalState,
    /// Its version.
    pub version: i64,
    /// The hash of its content. An approval names it, so that nobody approves other words or items than they read.
    pub content_hash: ContentHash,
    /// Version and hash, for `If-Match`.
    pub tag: String,
    /// The decision.
    pub action: Option<Action>,
    /// The reason.
    pub reason: Option<ReasonView>,
    /// The new content, for reason codes and policies; `match` or `unmatch` for matches by hand.
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
    /// The label of the items' group, or the number of groups.
    pub label: String,
    /// The predictions, by code, with their highest confidence.
    pub predicted: Vec<Prediction>,
    /// Time of the proposal.
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
    /// When it expires.
    pub expires_at: String,
    /// When it was closed.
    pub closed_at: Option<String>,
    /// Changes from the version before.
    pub changed: Vec<Changed>,
    /// Why you may not approve it; null if you may.
    pub may_not_approve: Option<String>,
    /// Whether you may take it back.
    pub may_withdraw: bool,
}

/// A change made by an amendment.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Changed {
    /// The name of the changed part.
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
    /// Its items, a page of them, with the predictions that were known when it was made: cause, confidence and evidence.
    /// Proposals of versions that did not keep the evidence tell it while the item is still as it was then.
    pub items: Vec<ReviewItem>,
    /// Common properties of its items, if there are many.
    pub digest: Option<ProposalDigest>,
    /// Both sides' sums of a match by hand; empty for other proposals.
    pub match_sums: Vec<MatchSum>,
    /// The history of the proposal, oldest first: one entry for each step.
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
    /// Kind of proposal.
    pub kind: ProposalKind,
    /// State of the proposal.
    pub state: ProposalState,
    /// The eyes that it needs.
    pub eyes: Eyes,
    /// How many items it has.
    pub item_count: i64,
    /// The maker.
    pub maker_id: String,
    /// When it was made.
    pub created_at: String,
}

/// A step of a proposal: one person's action on all of its items.
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
    /// Time of the step.
    pub at: String,
}
