//! The results of commands and queries: the documents of the API, with its field names.
//!
//! Moments are RFC 3339 texts in UTC, ids are UUID texts, statuses are the names of the tables. Values
//! of masked fields are [`MASKED`] wherever they would stand.

mod item;
mod proposal;
mod report;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::review::{Action, Eyes, Fired};

pub use item::*;
pub use proposal::*;
pub use report::*;

/// Replaces a value that the user may not see.
pub const MASKED: &str = "•••";

/// An answer, and whether it is that of an earlier request with the same key.
#[derive(Clone, Debug, PartialEq)]
pub struct Done<T> {
    /// The answer.
    pub value: T,
    /// `Idempotency-Replayed: true`.
    pub replayed: bool,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
    /// How many match in all, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// The answer to `resolve` and `reopen`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Resolved {
    /// `Resolution processed successfully`.
    pub message: String,
    /// The item.
    pub attribution_id: String,
    /// The status of the item now.
    pub status: String,
    /// The version of the item now.
    pub version: i64,
    /// The proposal.
    pub proposal_id: Option<String>,
    /// The proposal's version and hash, for `If-Match`.
    pub proposal_tag: Option<String>,
    /// How many eyes the decision needs.
    pub eyes_required: Eyes,
    /// How many eyes have agreed so far, the maker included.
    pub eyes_done: u8,
    /// Why it needs six eyes.
    pub triggers: Vec<Fired>,
}

/// An item that a bulk leaves out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Excluded {
    /// The item.
    pub id: String,
    /// The reference of its record; only of the first hundred.
    pub reference: Option<String>,
    /// The field that differs, or `ENTIRE_RECORD`.
    pub field_name: String,
    /// The code of the reason, such as `no-reason-to-approve`.
    pub code: String,
    /// Why it is left out.
    pub why: String,
}

/// How many items of a bulk share something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Share {
    /// The grouping: a field, a type, a reason, a severity.
    pub by: String,
    /// The shared value, such as the name of the field.
    pub value: String,
    /// How many items share it.
    pub count: u64,
}

/// A sum of amounts in one currency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AmountSum {
    /// The currency; null if the policy names no field for it.
    pub currency: Option<String>,
    /// The sum in this currency, as a decimal.
    pub sum: String,
}

/// Preview of a bulk decision.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct BulkPreview {
    /// The token for the commit, good for ten minutes.
    pub token: String,
    /// Until when the token can be used.
    pub expires_at: String,
    /// How many items would be decided.
    pub count: u64,
    /// The sums of their amounts.
    pub amount_sum: Vec<AmountSum>,
    /// How many eyes the decision would need.
    pub eyes: Eyes,
    /// Why it would need six eyes.
    pub triggers: Vec<Fired>,
    /// Items that are left out, each with the reason.
    pub excluded: Vec<Excluded>,
    /// Items by shared properties.
    pub breakdown: Vec<Share>,
    /// Items that do not fit the others, the rarest first.
    pub outliers: Vec<ReviewItem>,
    /// Twenty of the items, drawn at random.
    pub sample: Vec<ReviewItem>,
    /// The decision.
    pub action: Action,
    /// The reason.
    pub new_reason_code: Option<String>,
    /// A sentence about the consequences.
    pub what_next: String,
}

/// The answer to a bulk's commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkCommitted {
    /// The proposal.
    #[serde(flatten)]
    pub proposal: ProposalMoved,
    /// Items that had changed and were left out.
    pub skipped: Vec<Excluded>,
}

/// A group of similar items.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Group {
    /// The group's id, for the filter `signature`; null for other kinds of groups.
    pub signature: Option<String>,
    /// Label of the group.
    pub label: String,
    /// The job.
    pub job: Option<String>,
    /// The field.
    pub field_name: Option<String>,
    /// The type.
    pub diff_type: Option<String>,
    /// The likeliest reason.
    pub reason_code: Option<String>,
    /// How many items the group has.
    pub count: u64,
    /// The sum of their amounts; null where a field says the currency, as amounts in several have no sum.
    pub amount_sum: Option<f64>,
    /// Three items of the group.
    pub sample: Vec<ReviewItem>,
    /// The machine's likeliest reasons.
    pub predictions: Vec<Prediction>,
    /// When the run of its oldest item came.
    pub oldest: String,
    /// The first date of the oldest break among its undecided items; null where too many wait to look for it.
    pub first_seen: Option<String>,
    /// The days from then to the newest date of its items.
    pub age_days: Option<i64>,
    /// How many are overdue.
    pub overdue: u64,
    /// The gravest severity.
    pub severity: String,
}

/// A row that an open row may be matched with.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct MatchCandidate {
    /// The row's item.
    #[serde(flatten)]
    pub item: ReviewItem,
    /// Why the run did not match them, if it considered them; null otherwise.
    pub why: Option<String>,
}

/// Rows that an open row may be matched with.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct MatchCandidates {
    /// The rows, likeliest first.
    pub items: Vec<MatchCandidate>,
    /// There are more: search for them.
    pub more: bool,
}

/// The sums of one amount of the rows of a match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MatchSum {
    /// The field.
    pub field: String,
    /// The currency; null where no field says it.
    pub currency: Option<String>,
    /// The sum of A's rows.
    pub a: String,
    /// The sum of B's rows.
    pub b: String,
    /// B − A.
    pub difference: String,
}

/// Preview of a match by hand.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct MatchPreview {
    /// The rows of A.
    pub rows_a: Vec<ReviewItem>,
    /// The rows of B.
    pub rows_b: Vec<ReviewItem>,
    /// Both sums and their difference, for each field and currency.
    pub sums: Vec<MatchSum>,
    /// How many eyes the match would need.
    pub eyes: Eyes,
    /// Why it would need six eyes.
    pub triggers: Vec<Fired>,
    /// Why these rows can't be proposed yet, if so.
    pub may_not_propose: Option<String>,
    /// A sentence about the consequences.
    pub what_next: String,
}

/// A match that people made.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct MatchView {
    /// Its id: that of the proposal.
    pub match_id: String,
    /// Its rows, of both sides.
    pub rows: Vec<ReviewItem>,
    /// Both sums and their difference, for each field and currency.
    pub sums: Vec<MatchSum>,
}

/// How many items contain a text, in each list of the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchCounts {
    /// Undecided.
    pub to_decide: u64,
    /// Undecided and sent back by a checker.
    pub sent_back: u64,
    /// Undecided and assigned to the person.
    pub mine: u64,
    /// Undecided and overdue.
    pub overdue: u64,
    /// In an open proposal.
    pub proposed: u64,
    /// Accepted.
    pub accepted: u64,
    /// Confirmed breaks.
    pub rejected: u64,
    /// More records match than were counted: the numbers are lower bounds.
    pub more: bool,
    /// The same of the numbers of undecided ones.
    pub more_to_decide: bool,
}

/// A run that a list may be narrowed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunChoice {
    /// The run.
    pub run_id: String,
    /// Its job.
    pub job: String,
    /// Its business date.
    pub batch_date: String,
}

/// `GET /workflow/summary`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Summary {
    /// Changes whenever something of it may have changed: the `ETag`.
    pub data_version: String,
    /// Items of current runs by status.
    pub by_status: std::collections::BTreeMap<String, u64>,
    /// Undecided items whose time is over.
    pub overdue: u64,
    /// Undecided items that were sent back.
    pub sent_back: u64,
    /// Undecided items that are this person's.
    pub assigned_to_me: u64,
    /// Open proposals that the person made or amended.
    pub mine: u64,
    /// Open proposals that the person may check.
    pub to_check: u64,
    /// Proposals that the person may authorize.
    pub to_authorize: u64,
    /// Blind samples that wait.
    pub samples: u64,
    /// The person's decisions within the last hour, per minute of it with a decision.
    pub decisions_per_minute: f64,
    /// The person's decisions today (UTC).
    pub decided_today: u64,
    /// The person's proposals of the last 30 days that were sent back ÷ all of them.
    pub sent_back_rate: f64,
    /// Whether one person alone may decide here.
    pub solo: bool,
}

/// A reason of the catalogue.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ReasonEntry {
    /// The reason.
    #[serde(flatten)]
    pub reason: ReasonView,
    /// Whether it may be given.
    pub is_active: bool,
    /// `file` or `people`.
    pub origin: String,
    /// Whether people close an open item with it, so that it does not take part again.
    pub closes: bool,
    /// How many decisions of people took it.
    pub used: u64,
}

/// Past items that a proposed reason code would have matched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Simulation {
    /// How many undecided items look like the examples.
    pub would_match: u64,
    /// The share of decisions about such items that agreed with one another; null without any.
    pub est_precision: Option<f64>,
    /// Codes that people gave such items before, with their numbers.
    pub overlaps: Vec<Share>,
}

/// The answer to a proposed reason code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReasonProposed {
    /// The proposal.
    #[serde(flatten)]
    pub proposal: ProposalMoved,
    /// Past items that the code would have matched.
    pub simulation: Simulation,
}

/// An assignment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Assigned {
    /// The item.
    pub attribution_id: String,
    /// The person, if any.
    pub assignee: Option<String>,
}

/// A claim: a hint to others with a life of five minutes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Claimed {
    /// The item.
    pub attribution_id: String,
    /// User who is looking at it.
    pub claimed_by: String,
    /// Until when.
    pub until: String,
}

/// Result of a blind sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sampled {
    /// The item.
    pub attribution_id: String,
    /// Whether the maker chose what the machine had settled.
    pub agrees: bool,
    /// The proposal that waits for a checker.
    pub proposal: Option<ProposalMoved>,
}

/// `GET /audit/checkpoint`.
pub use crate::store::audit::Checkpoint;
/// `GET /audit/verify`.
pub use crate::store::audit::Verdict;
