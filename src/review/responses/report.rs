//! The audit trail and the reports about decisions and access.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

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

/// One row of the access report: a user's permissions and actions.
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
    /// Time of the event.
    pub at: String,
}
