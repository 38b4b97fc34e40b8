//! The history of one item, from the audit trail and decided proposals.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::diagnostic::Problem;
use crate::domain::forecast::Watched;
use crate::store::break_list::{self, Event, Kind as BreakKind};
use crate::store::layout::ItemKey;
use crate::store::rows::parameters;

use super::ReviewTables;

/// A row of the audit trail about one item.
#[derive(Clone, Debug)]
pub(crate) struct AuditRowOfItem {
    pub seq: i64,
    pub performed_at: String,
    pub actor_id: String,
    pub stage: String,
    pub action_type: String,
    pub previous_value: Option<Json>,
    pub new_value: Option<Json>,
    pub comments: Option<String>,
    pub proposal_id: Option<String>,
    pub control: Option<String>,
}

/// How a similar item was decided.
#[derive(Clone, Debug)]
pub(crate) struct PastDecision {
    pub attribution_id: String,
    pub facts: Json,
    pub action: Option<String>,
    pub reason_code: Option<String>,
    pub maker_id: String,
    pub closed_at: Option<String>,
    pub comments: Option<String>,
}

impl ReviewTables<'_> {
    /// An item's history before this row of the trail, newest first.
    pub fn history(
        &mut self,
        key: ItemKey,
        before: Option<i64>,
        most: usize,
    ) -> Result<Vec<AuditRowOfItem>, Problem> {
        let id = self.run(key.run_no)?.attribution_id(key);
        let sql = format!(
            "SELECT seq, performed_at, actor_id, stage, action_type, previous_value, new_value, \
             comments, proposal_id, control FROM recon.audit_trail \
             WHERE attribution_id = $1 AND seq < $2 ORDER BY seq DESC LIMIT {most}"
        );
        let json = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        self.tx.list(&sql, &parameters![id, before.unwrap_or(i64::MAX)], |row| {
            Ok(AuditRowOfItem {
                seq: row.count(0)?,
                performed_at: row.required(1)?,
                actor_id: row.required(2)?,
                stage: row.required(3)?,
                action_type: row.required(4)?,
                previous_value: json(row.text(5)?),
                new_value: json(row.text(6)?),
                comments: row.text(7)?,
                proposal_id: row.text(8)?,
                control: row.text(9)?,
            })
        })
    }

    /// How items with this signature were decided: the newest proposals first, of each its first items.
    pub fn past_decisions(
        &mut self,
        signature_id: i64,
        offset: usize,
        most: usize,
    ) -> Result<Vec<PastDecision>, Problem> {
        let sql = format!(
            "SELECT i.attribution_id, i.facts, p.action, coalesce(c.code, k.code), \
             p.maker_id, p.closed_at, p.comments FROM recon.proposal_items i \
             JOIN recon.proposals p ON p.proposal_id = i.proposal_id \
             LEFT JOIN recon.reason_codes c ON c.reason_id = p.reason_id \
             LEFT JOIN recon.reason_codes k \
               ON k.reason_id = i.prior_reason_id AND p.action = 'APPROVE' \
             WHERE i.signature_id = $1 AND p.state = 'APPLIED' \
             ORDER BY i.proposal_id DESC, i.run_no, i.number LIMIT {most} OFFSET {offset}"
        );
        self.tx.list(&sql, &parameters![signature_id], |row| {
            Ok(PastDecision {
                attribution_id: row.required(0)?,
                facts: serde_json::from_str(&row.required(1)?).unwrap_or(Json::Null),
                action: row.text(2)?,
                reason_code: row.text(3)?,
                maker_id: row.required(4)?,
                closed_at: row.text(5)?,
                comments: row.text(6)?,
            })
        })
    }

    /// The history of an attribution's break.
    pub fn life_of_break(&mut self, attribution_id: &str) -> Result<Vec<Event>, Problem> {
        break_list::life(self.tx, attribution_id)
    }

    /// Observed durations of each kind's episodes.
    pub fn watched_breaks(&mut self) -> Result<BTreeMap<BreakKind, Vec<Watched>>, Problem> {
        break_list::watched(self.tx, None)
    }

    /// A text that changes whenever the episodes may have changed. It differs from store to store.
    pub fn state_of_breaks(&mut self) -> Result<String, Problem> {
        let sql = "SELECT count(*), coalesce(max(b.version), 0), CAST(max(CAST(r.run_id AS text)) AS text) \
                   FROM recon.break_dates b JOIN recon.recon_runs r ON r.run_no = b.run_no";
        let state = self.tx.find(sql, &[], |row| {
            let run = row.text(2)?.unwrap_or_default();
            Ok(format!("{}-{}-{run}", row.count(0)?, row.count(1)?))
        })?;
        Ok(state.unwrap_or_default())
    }

    /// A proposal's last amendment, from the audit trail.
    pub fn last_amendment(&mut self, proposal_id: &str) -> Result<Option<Json>, Problem> {
        let sql = "SELECT new_value FROM recon.audit_trail WHERE proposal_id = $1 \
                   AND action_type = 'AMEND' ORDER BY seq DESC LIMIT 1";
        let found = self.tx.find(sql, &parameters![proposal_id], |row| row.required(0))?;
        Ok(found.map(|text| serde_json::from_str(&text).unwrap_or(Json::Null)))
    }
}
