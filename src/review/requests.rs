//! The arguments of commands and queries.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::review::{Action, ContentHash, ProposalKind, ProposalState};

use super::filter::{QueueFilter, QueueSort};

/// `POST /workflow/resolve`: the maker's decision about one item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolve {
    pub attribution_id: String,
    /// The decision; `None` is refused.
    pub action: Option<Action>,
    /// For OVERRIDE: the code of the reason.
    pub new_reason_code: Option<String>,
    /// Why; needed for OVERRIDE and REJECT.
    pub comments: Option<String>,
    /// The version of the item that the maker saw.
    pub version: Option<i64>,
}

/// `POST /workflow/items/{id}/reopen`: a new decision about a decided item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reopen {
    pub attribution_id: String,
    /// The version that the maker saw (`If-Match`); must be given.
    pub version: Option<i64>,
    /// The decision; `None` is refused.
    pub action: Option<Action>,
    /// For OVERRIDE: the code of the reason.
    pub new_reason_code: Option<String>,
    /// Why; always needed.
    pub comments: Option<String>,
}

/// The version of a proposal that the client saw: the `ETag` of proposals, `p<version>-<hash8>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalTag {
    pub version: i64,
    /// The first eight digits of the content hash.
    pub hash8: String,
}

impl std::fmt::Display for ProposalTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "p{}-{}", self.version, self.hash8)
    }
}

impl std::str::FromStr for ProposalTag {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "not the tag of a proposal";
        let text = text.trim().trim_matches('"');
        let (version, hash8) =
            text.strip_prefix('p').and_then(|rest| rest.split_once('-')).ok_or(wrong)?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
        if hash8.len() != 8 || !digits(hash8) {
            return Err(wrong);
        }
        Ok(Self { version: version.parse().map_err(|_| wrong)?, hash8: hash8.to_owned() })
    }
}

/// `PUT /workflow/proposals/{id}`: another decision in the same proposal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amend {
    pub proposal_id: String,
    /// The version that the maker saw (`If-Match`); must be given.
    pub if_match: Option<ProposalTag>,
    /// The decision; `None` is refused.
    pub action: Option<Action>,
    /// For OVERRIDE: the code of the reason.
    pub new_reason_code: Option<String>,
    /// Why; needed for OVERRIDE and REJECT.
    pub comments: Option<String>,
}

/// `POST /workflow/proposals/{id}/approve`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approve {
    pub proposal_id: String,
    /// The version that the approver saw (`If-Match`); must be given.
    pub if_match: Option<ProposalTag>,
    /// The hash of the content that the approver saw.
    pub content_hash: Option<ContentHash>,
    pub comments: Option<String>,
}

/// `POST /workflow/proposals/{id}/return` and `…/withdraw`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Close {
    pub proposal_id: String,
    /// The version that the person saw (`If-Match`); must be given.
    pub if_match: Option<ProposalTag>,
    /// Why; needed to send back, not to withdraw.
    pub comments: Option<String>,
}

/// `POST /workflow/bulk/preview`: one decision about many items.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BulkPreviewAsk {
    /// The items; or else the filter.
    pub ids: Vec<String>,
    /// Which items, where `ids` is empty.
    pub filter: Option<QueueFilter>,
    /// The decision; `None` is refused.
    pub action: Option<Action>,
    /// For OVERRIDE: the code of the reason.
    pub new_reason_code: Option<String>,
}

/// `POST /workflow/matches`: rows of both sides that belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MatchRows {
    /// The items of the rows.
    pub ids: Vec<String>,
    /// The cause that explains the match.
    pub reason_code: Option<String>,
    /// Why; always needed.
    pub comments: Option<String>,
}

/// Treatment of an item of a bulk that has changed since the preview.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = OnConflictName)]
#[serde(rename_all = "lowercase")]
pub enum OnConflict {
    #[default]
    Abort,
    /// The others are.
    Skip,
}

/// `POST /workflow/bulk`: proposes the decision of a preview.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BulkCommit {
    pub token: String,
    /// Why; needed for OVERRIDE and REJECT.
    pub comments: Option<String>,
    /// Treatment of items that have changed.
    pub on_conflict: OnConflict,
}

/// `POST /reasons/proposals`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProposeReason {
    /// `^[A-Z][A-Z0-9_]{1,49}$`.
    pub code: String,
    /// A sentence for people.
    pub description: String,
    pub is_functional: bool,
    /// `true` if it closes an open item.
    pub closes: bool,
    /// Ids of example items.
    pub examples: Vec<String>,
    pub comments: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct PageAsk {
    /// 1 to 200; default 50.
    pub limit: Option<u32>,
    /// Position where the previous page ended.
    pub cursor: Option<String>,
    pub sort: QueueSort,
    /// Whether all that match are counted, too.
    pub count: bool,
}

/// Grouping of items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupBy {
    /// Similar items.
    #[default]
    Signature,
    Field,
    /// The likeliest reason.
    Reason,
}

/// For whom proposals are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProposalsFor {
    /// Proposals that the user made or amended.
    Mine,
    /// Proposals that the user may check.
    ToCheck,
    /// Proposals that the user may authorize.
    ToAuthorize,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProposalFilter {
    pub state: Option<ProposalState>,
    /// Open ones, or closed ones.
    pub open: Option<bool>,
    /// For whom.
    pub stage: Option<ProposalsFor>,
    pub kind: Option<ProposalKind>,
    pub maker: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditFilter {
    pub actor: Option<String>,
    /// The `action_type`.
    pub action: Option<String>,
    /// Stage of the user.
    pub stage: Option<String>,
    /// The id of an attribution, a proposal or another entity.
    pub entity: Option<String>,
    /// From this moment on (RFC 3339 or a date).
    pub from: Option<String>,
    /// Before this moment (RFC 3339 or a date).
    pub to: Option<String>,
    /// A text that a comment or a value contains.
    pub q: Option<String>,
    /// From this number on.
    pub from_seq: Option<i64>,
    /// Up to this number.
    pub to_seq: Option<i64>,
    /// Only the last row of each step of a proposal.
    pub folded: bool,
}

/// A period of a report; open where absent (RFC 3339 or dates).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Period {
    /// From this moment on.
    pub from: Option<String>,
    /// Before this moment.
    pub to: Option<String>,
}
