//! The results of commands and queries: the documents of the API, with its field names.
//!
//! Moments are RFC 3339 texts in UTC, ids are UUID texts, statuses are the names of the tables. Values
//! of masked fields are [`MASKED`] wherever they would stand.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::ToSchema;

use crate::domain::review::{Action, ContentHash, Eyes, Fired, ProposalKind, ProposalState};

/// What stands for a value that the person may not see.
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

/// A difference, as reviewers see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DifferenceView {
    /// The id of the difference.
    pub diff_id: String,
    /// The field that differs, or `ENTIRE_RECORD`.
    pub field_name: String,
    /// The value on side A, as normalized; null if that side is null or missing.
    pub value_a: Option<String>,
    /// The value on side B, as normalized; null if that side is null or missing.
    pub value_b: Option<String>,
    /// Its type, such as `NUMERIC_MISMATCH`.
    pub diff_type: String,
}

/// A reason code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReasonView {
    /// Its number.
    pub reason_id: i64,
    /// Its code.
    pub code: String,
    /// A sentence for people.
    pub description: String,
    /// Whether business explains it.
    pub is_functional: bool,
}

/// What the machine thinks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Prediction {
    /// The code of the reason.
    pub code: String,
    /// How sure recon is, from 0 to 1.
    pub confidence: f64,
    /// The evidence: `RULE:name`, sentences, and features with `+` or `−` for their direction and their weight.
    pub why: Vec<String>,
}

/// What a checker said when the item came back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SentBack {
    /// The name of the checker or authorizer who sent it back.
    pub by: String,
    /// What they asked for.
    pub comment: String,
    /// When they sent it back.
    pub at: String,
}

/// One item of the queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReviewItem {
    /// The id of the item.
    pub attribution_id: String,
    /// How sure recon is of `current_reason`, from 0 to 1.
    pub confidence_score: f64,
    /// `UNKNOWN`, `PENDING`, `ACCEPTED` or `REJECTED`.
    pub status: String,
    /// The difference.
    pub difference: DifferenceView,
    /// The likeliest or settled reason; null in a blind sample.
    pub current_reason: Option<ReasonView>,
    /// The reference on side A; null if that side is missing.
    pub source_a_ref_id: Option<String>,
    /// The reference on side B; null if that side is missing.
    pub source_b_ref_id: Option<String>,
    /// The item's version: its `ETag`.
    pub version: i64,
    /// `ITEM` or `AUDIT_SAMPLE`.
    pub kind: super::filter::ItemKind,
    /// The id of its run.
    pub run_id: String,
    /// The job of the run.
    pub job: String,
    /// The business date of the run.
    pub batch_date: String,
    /// The names of the systems on side A and side B.
    pub systems: Vec<String>,
    /// The id of the record that has the difference.
    pub record_id: String,
    /// `LOW`, `MEDIUM`, `HIGH` or `CRITICAL`.
    pub severity: String,
    /// The id of its group of similar items.
    pub signature: Option<String>,
    /// The group's label, such as `amount: B = round(A, 0)`.
    pub signature_label: Option<String>,
    /// How many undecided items its group has; null where that would have to be counted.
    pub group_size: Option<u64>,
    /// The machine's three likeliest reasons; empty where they are hidden until the maker has chosen.
    pub predictions: Vec<Prediction>,
    /// What it is worth: the absolute difference of an amount of money, or the amount of a record without a partner.
    pub amount_abs: Option<String>,
    /// The currency of the amount.
    pub currency: Option<String>,
    /// Who is on the other side, from the field whose name says so.
    pub counterparty: Option<String>,
    /// The age of its break in seconds.
    pub age_seconds: i64,
    /// The business date on which its break was first seen.
    pub first_seen: String,
    /// The days from `first_seen` to the business date of the item.
    pub age_days: i64,
    /// Until when it should be decided.
    pub due_at: String,
    /// Whether it is in time (`ok`), nearly due (`due`) or `overdue`.
    pub sla: super::filter::Sla,
    /// How many eyes giving another reason would need.
    pub eyes_if_override: Eyes,
    /// How many eyes accepting the likeliest reason would need.
    pub eyes_if_approve: Eyes,
    /// Why giving another reason would need six eyes.
    pub triggers_if_override: Vec<Fired>,
    /// Why accepting the likeliest reason would need six eyes.
    pub triggers_if_approve: Vec<Fired>,
    /// What a checker said when it came back.
    pub sent_back: Option<SentBack>,
    /// The person it is assigned to.
    pub assignee: Option<String>,
    /// The name of who is to look at it.
    pub assignee_name: Option<String>,
    /// The name of who is viewing it now: a hint, which locks nothing.
    pub claimed_by: Option<String>,
    /// Who gave the reason: `RULE:…`, `MODEL:…`, `NONE` or a person.
    pub assigned_by: Option<String>,
    /// Whether people decided it or a proposal holds it, so that a change needs four eyes.
    pub is_locked: bool,
    /// The open proposal that holds it.
    pub proposal_id: Option<String>,
}

/// One side of a record, field by field, in the layout's order.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RecordSide {
    /// The system's name.
    pub system: String,
    /// The reference.
    pub ref_id: String,
    /// Line in the source.
    pub line: Option<u64>,
    /// File and place in it, such as `trades.csv:5` or `book.xlsx, sheet Trades, row 17`.
    pub place: Option<String>,
    /// Names and values.
    pub fields: Vec<FieldValue>,
}

/// A field of a record's side.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FieldValue {
    /// The canonical name.
    pub name: String,
    /// The type.
    pub kind: String,
    /// Whether its two sides are compared; informational fields (`compare: false`) are not.
    pub compared: bool,
    /// The canonical value; `{"unparsed": "text"}` for what its type can't hold.
    pub value: Json,
    /// Whether the value is hidden from this person.
    pub masked: bool,
}

/// Another difference of the same record.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Sibling {
    /// Its attribution.
    pub attribution_id: String,
    /// The difference.
    pub difference: DifferenceView,
    /// The attribution's status.
    pub status: String,
    /// Its reason.
    pub reason_code: Option<String>,
}

/// An item with all that is known about it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ItemDetail {
    /// The item.
    #[serde(flatten)]
    pub item: ReviewItem,
    /// Side A; null if missing.
    pub record_a: Option<RecordSide>,
    /// Side B; null if missing.
    pub record_b: Option<RecordSide>,
    /// The other differences of the record.
    pub siblings: Vec<Sibling>,
    /// How the record was matched: pass, certificate, a group's rows with their sums, and the candidates of an open row; null without `match`.
    pub aggregation: Option<Json>,
    /// The machine's notes.
    pub notes: Vec<String>,
    /// The life of its break over the business dates, oldest first: `SEEN`, `CHANGED`, what people did, `CLEARED`.
    pub life: Vec<LifeEvent>,
    /// Where its break was seen last, if that is a later date: it is decided there.
    pub goes_on: Option<GoesOn>,
    /// How soon breaks of its kind clear; null where too few have cleared.
    pub forecast: Option<Forecast>,
    /// The rows that people matched it with; null unless they did.
    pub matched_by_hand: Option<MatchView>,
    /// What happened to it, newest first (the first page).
    pub history: Vec<HistoryEntry>,
    /// Decisions about similar items, newest first.
    pub similar: Vec<SimilarDecision>,
    /// What people said about it, oldest first.
    pub comments: Vec<CommentView>,
    /// The open proposal that holds it.
    pub proposal: Option<ProposalView>,
    /// A sentence that tells what a decision would need.
    pub what_next: String,
}

/// A comment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CommentView {
    /// The id of the comment.
    pub comment_id: String,
    /// The id of the person who wrote it.
    pub by: String,
    /// The name of the person who wrote it.
    pub by_name: String,
    /// The text of the comment.
    pub text: String,
    /// When it was written.
    pub at: String,
}

/// The last item of a break.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct GoesOn {
    /// Its id.
    pub attribution_id: String,
    /// The business date of its run.
    pub batch_date: String,
}

/// Something that happened to a break.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LifeEvent {
    /// The business date, or the time of a decision.
    pub at: String,
    /// `SEEN`, `CHANGED`, `CLEARED`, or the action of a decision.
    pub what: String,
    /// Side A, where values were seen.
    pub value_a: Option<String>,
    /// Side B, where values were seen.
    pub value_b: Option<String>,
    /// The name of who acted.
    pub by: Option<String>,
    /// The stage in which they acted.
    pub stage: Option<String>,
    /// What they said, or how the break cleared.
    pub detail: Option<String>,
}

/// How soon breaks of a kind clear.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Forecast {
    /// How many of the kind have cleared.
    pub cleared: u64,
    /// By business days: `1`, `2` and `5`.
    pub within: std::collections::BTreeMap<String, ForecastShare>,
}

/// A share, and the interval that holds it with 95 %.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct ForecastShare {
    /// The estimate.
    pub share: f64,
    /// The least.
    pub low: f64,
    /// The most.
    pub high: f64,
}

/// One line of an item's history: an audit row.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct HistoryEntry {
    /// The number of the audit row.
    pub seq: i64,
    /// When it was done.
    pub performed_at: String,
    /// The id of the person who did it.
    pub actor_id: String,
    /// The name of the person who did it.
    pub actor_name: String,
    /// As what the person acted: `MAKER`, `CHECKER`, `AUTHORIZER`, `ADMIN` or `SYSTEM`.
    pub stage: String,
    /// What was done.
    pub action_type: String,
    /// The values before, as JSON.
    pub previous_value: Option<Json>,
    /// The values after, as JSON.
    pub new_value: Option<Json>,
    /// The comment, if one was given.
    pub comments: Option<String>,
    /// The proposal.
    pub proposal_id: Option<String>,
    /// How many eyes the decision had: `SIX_EYE`, `FOUR_EYE`, `TWO_EYE` or `NONE`.
    pub control: Option<String>,
}

/// A decision about a similar item.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SimilarDecision {
    /// The item.
    pub attribution_id: String,
    /// Its reference.
    pub ref_id: Option<String>,
    /// The value on side A.
    pub value_a: Option<String>,
    /// The value on side B.
    pub value_b: Option<String>,
    /// The decision.
    pub action: Action,
    /// The reason, unless rejected.
    pub reason_code: Option<String>,
    /// Who proposed it.
    pub decided_by: String,
    /// When the decision came into effect.
    pub decided_at: String,
    /// The comment of the maker.
    pub comments: Option<String>,
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

/// An item that a bulk leaves out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Excluded {
    /// The item.
    pub id: String,
    /// The reference of its record; only of the first hundred.
    pub reference: Option<String>,
    /// Why it is left out.
    pub why: String,
}

/// How many items of a bulk share something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Share {
    /// What they share: a field, a type, a reason, a severity.
    pub by: String,
    /// What they share, such as the name of the field.
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

/// What a bulk would do.
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
    /// What the items share.
    pub breakdown: Vec<Share>,
    /// Items that do not fit the others, the rarest first.
    pub outliers: Vec<ReviewItem>,
    /// Twenty of the items, drawn at random.
    pub sample: Vec<ReviewItem>,
    /// The decision.
    pub action: Action,
    /// The reason.
    pub new_reason_code: Option<String>,
    /// A sentence that tells what will happen.
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
    /// What its items share, for people.
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

/// What a match by hand would mean.
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
    /// A sentence that tells what will happen.
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

/// What a proposed reason code would have matched.
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
    /// What the code would have matched.
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
    /// Who looks at it.
    pub claimed_by: String,
    /// Until when.
    pub until: String,
}

/// What came of a blind sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sampled {
    /// The item.
    pub attribution_id: String,
    /// Whether the maker chose what the machine had settled.
    pub agrees: bool,
    /// The proposal that waits for a checker.
    pub proposal: Option<ProposalMoved>,
}

/// One row of the audit trail, all of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditView {
    /// The row.
    #[serde(flatten)]
    pub row: crate::store::audit::AuditRow,
    /// The name of who acted.
    pub actor_name: String,
    /// How many rows its step has; only in a folded list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_rows: Option<u64>,
    /// The names of the persons it was assigned to, before and after, for the page.
    #[serde(skip)]
    pub assignees: BTreeMap<String, String>,
}

/// One row of the overrides report: decisions against the machine, and those without a second person.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct OverrideRow {
    /// The proposal.
    pub proposal_id: String,
    /// How many items the decision is about.
    pub items: u64,
    /// One of the items.
    pub attribution_id: Option<String>,
    /// The decision.
    pub action: String,
    /// The reason that recon had predicted; null if none.
    pub predicted: Option<String>,
    /// How sure recon was of it.
    pub confidence: Option<f64>,
    /// The reason that people gave.
    pub reason_code: Option<String>,
    /// Who proposed it.
    pub maker: String,
    /// Who approved it.
    pub approvers: Vec<String>,
    /// The comment of the maker.
    pub comments: Option<String>,
    /// How many eyes it had: `SIX_EYE`, `FOUR_EYE`, `TWO_EYE` or `NONE`.
    pub control: String,
    /// When it was proposed.
    pub proposed_at: String,
    /// When it was applied.
    pub applied_at: Option<String>,
}

/// One row of the access report: who could do what, and what of it they did.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AccessRow {
    /// The id of the person.
    pub person_id: String,
    /// The name of the person.
    pub name: String,
    /// The roles the person has now.
    pub roles: String,
    /// How many audit rows of the period the person has, by stage.
    pub actions: std::collections::BTreeMap<String, u64>,
    /// When the last of them was written.
    pub last_action_at: Option<String>,
}

/// One finding of the separation-of-duties report.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SodFinding {
    /// `self-approval`, `same-approver`, `one-administrator`, `solo`, `two-eye`, `role-conflict`,
    /// `refused-attempt`.
    pub kind: String,
    /// The id of the person.
    pub person_id: String,
    /// The name of the person.
    pub name: String,
    /// About what.
    pub entity: String,
    /// A sentence.
    pub what: String,
    /// When it happened.
    pub at: String,
}

/// `GET /audit/checkpoint`.
pub use crate::store::audit::Checkpoint;
/// `GET /audit/verify`.
pub use crate::store::audit::Verdict;
