//! One difference: as a row of a list, and in full.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::ToSchema;

use crate::domain::review::{Action, Eyes, Fired};
use crate::review::filter::{ItemKind, Sla};

use super::{MatchView, ProposalView};

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

/// A prediction of the rules or the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Prediction {
    /// The code of the reason.
    pub code: String,
    /// How sure recon is, from 0 to 1.
    pub confidence: f64,
    /// The evidence: `RULE:name`, sentences, and features with `+` or `−` for their direction and their weight.
    pub why: Vec<String>,
}

/// A checker's comment when the item was sent back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SentBack {
    /// The name of the checker or authorizer who sent it back.
    pub by: String,
    /// The comment.
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
    pub kind: ItemKind,
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
    /// Amount at stake: the absolute difference of an amount of money, or the amount of an unmatched record.
    pub amount_abs: Option<String>,
    /// The currency of the amount.
    pub currency: Option<String>,
    /// The counterparty, from a field with such a name.
    pub counterparty: Option<String>,
    /// The age of its break in seconds.
    pub age_seconds: i64,
    /// The business date on which its break was first seen.
    pub first_seen: String,
    /// The days from `first_seen` to the business date of the item.
    pub age_days: i64,
    /// Until when it should be decided.
    pub due_at: String,
    /// `ok`, `due` (soon) or `overdue`.
    pub sla: Sla,
    /// How many eyes giving another reason would need.
    pub eyes_if_override: Eyes,
    /// How many eyes accepting the likeliest reason would need.
    pub eyes_if_approve: Eyes,
    /// Why giving another reason would need six eyes.
    pub triggers_if_override: Vec<Fired>,
    /// Why accepting the likeliest reason would need six eyes.
    pub triggers_if_approve: Vec<Fired>,
    /// The checker's comment when it was sent back.
    pub sent_back: Option<SentBack>,
    /// The person it is assigned to.
    pub assignee: Option<String>,
    /// The assignee's name.
    pub assignee_name: Option<String>,
    /// The name of who is viewing it now: a hint, which locks nothing.
    pub claimed_by: Option<String>,
    /// Who gave the reason: `RULE:…`, `MODEL:…`, `NONE` or a person.
    pub assigned_by: Option<String>,
    /// People decided it or a proposal holds it, so a change needs four eyes.
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
    /// The canonical value; `{"unparsed": "text"}` if its type can't hold it.
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

/// An item in full.
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
    /// Purpose of the rule that suggested a cause: the comment above it; null without one.
    pub rule_words: Option<String>,
    /// The life of its break over the business dates, oldest first: `SEEN`, `CHANGED`, human actions, `CLEARED`.
    pub life: Vec<LifeEvent>,
    /// Where its break was seen last, if that is a later date: it is decided there.
    pub goes_on: Option<GoesOn>,
    /// How soon breaks of its kind clear; null where too few have cleared.
    pub forecast: Option<Forecast>,
    /// The rows that people matched it with; null unless they did.
    pub matched_by_hand: Option<MatchView>,
    /// The item's history, newest first (the first page).
    pub history: Vec<HistoryEntry>,
    /// Decisions about similar items, newest first.
    pub similar: Vec<SimilarDecision>,
    /// Comments, oldest first.
    pub comments: Vec<CommentView>,
    /// The open proposal that holds it.
    pub proposal: Option<ProposalView>,
    /// A sentence about the approvals that a decision would need.
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
    /// Time of the comment.
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
    /// The comment, or how the break cleared.
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
    /// Time of the action.
    pub performed_at: String,
    /// The id of the person who did it.
    pub actor_id: String,
    /// The name of the person who did it.
    pub actor_name: String,
    /// Stage of the action: `MAKER`, `CHECKER`, `AUTHORIZER`, `ADMIN` or `SYSTEM`.
    pub stage: String,
    /// The action.
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
