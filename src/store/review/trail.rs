//! The audit trail as people search it.

use crate::diagnostic::Problem;
use crate::store::audit::{self, AuditRow};
use crate::store::rows::{self, parameters};

use super::ReviewTables;
use super::condition::Where;

/// Rows that a text is looked for in, for one page.
const SEARCHED: usize = 5_000;

/// Selects the rows of the audit trail for which every condition holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditQuery {
    /// Done by all of these persons: two different ones have no row in common.
    pub actors: Vec<String>,
    pub action: Option<String>,
    pub stage: Option<String>,
    pub entity: Option<String>,
    /// About this entity, or part of the proposal of this id.
    pub entity_or_proposal: Option<String>,
    pub from: Option<String>,
    pub to: Option<String>,
    pub from_seq: Option<i64>,
    pub to_seq: Option<i64>,
    /// A text in comments and entity ids.
    pub text: Option<String>,
    /// The new values are searched as well.
    pub in_values: bool,
    /// Only the last row of each step of a proposal.
    pub folded: bool,
}

/// Rows that one person wrote at once about a proposal.
#[derive(Clone, Debug)]
pub(crate) struct StepRow {
    pub actor_id: String,
    pub stage: String,
    pub action_type: String,
    pub at: String,
    pub rows: u64,
    pub comments: Option<String>,
}

/// The condition that two rows are of one step.
const SAME_STEP: &str = "n.proposal_id = audit_trail.proposal_id AND n.stage = audit_trail.stage \
     AND n.action_type = audit_trail.action_type AND n.actor_id = audit_trail.actor_id \
     AND n.performed_at = audit_trail.performed_at";

impl AuditQuery {
    /// The condition without the text.
    fn condition(&self, tables: &ReviewTables<'_>) -> Where {
        let mut condition = Where::new(tables.dialect(), "1 = 1");
        let texts = self.actors.iter().map(|actor| ("actor_id = $?", Some(actor)));
        let texts = texts.chain([
            ("action_type = $?", self.action.as_ref()),
            ("stage = $?", self.stage.as_ref()),
            ("entity_id = $?", self.entity.as_ref()),
            ("(entity_id = $? OR proposal_id = $?)", self.entity_or_proposal.as_ref()),
            ("performed_at >= $?", self.from.as_ref()),
            ("performed_at < $?", self.to.as_ref()),
        ]);
        for (sql, value) in texts {
            if let Some(value) = value {
                let place = condition.bind(value);
                condition.and(&sql.replace("$?", &place));
            }
        }
        for (sql, value) in [("seq >= $?", self.from_seq), ("seq <= $?", self.to_seq)] {
            if let Some(value) = value {
                let place = condition.bind(value);
                condition.and(&sql.replace("$?", &place));
            }
        }
        if self.folded {
            condition.and(&format!(
                "NOT EXISTS (SELECT 1 FROM recon.audit_trail n \
                 WHERE n.seq = audit_trail.seq + 1 AND {SAME_STEP})"
            ));
        }
        condition
    }

    /// Adds the condition on the text.
    fn search(&self, condition: &mut Where) {
        let Some(text) = &self.text else { return };
        let at = condition.bind(format!("%{}%", rows::literal(text)));
        let like = format!("LIKE {at} ESCAPE '\\'");
        let values = if self.in_values {
            format!(" OR CAST(new_value AS text) {like}")
        } else {
            String::new()
        };
        condition.and(&format!("(comments {like}{values} OR entity_id {like})"));
    }
}

impl ReviewTables<'_> {
    /// The steps of a proposal, oldest first.
    pub fn steps_of(&mut self, proposal_id: &str) -> Result<Vec<StepRow>, Problem> {
        let sql = "SELECT min(seq), actor_id, stage, action_type, performed_at, count(*), \
                   max(comments) FROM recon.audit_trail WHERE proposal_id = $1 \
                   GROUP BY actor_id, stage, action_type, performed_at ORDER BY 1";
        self.tx.list(sql, &parameters![proposal_id], |row| {
            Ok(StepRow {
                actor_id: row.required(1)?,
                stage: row.required(2)?,
                action_type: row.required(3)?,
                at: row.required(4)?,
                rows: row.count(5)?.cast_unsigned(),
                comments: row.text(6)?,
            })
        })
    }

    /// How many rows the step of a row has.
    pub fn rows_of_step(&mut self, seq: i64) -> Result<u64, Problem> {
        let sql = format!(
            "SELECT count(*) FROM recon.audit_trail \
             JOIN recon.audit_trail n ON {SAME_STEP} WHERE audit_trail.seq = $1"
        );
        Ok(self.tx.count(&sql, &parameters![seq])?.cast_unsigned())
    }

    /// A page of rows before this one, newest first, and the start of the next page. At most this many rows are
    /// searched for a text; then the page ends early.
    pub fn audit_rows(
        &mut self,
        query: &AuditQuery,
        before: Option<i64>,
        limit: usize,
    ) -> Result<(Vec<AuditRow>, Option<i64>), Problem> {
        let mut inner = query.condition(self);
        if let Some(before) = before {
            let place = inner.bind(before);
            inner.and(&format!("seq < {place}"));
        }
        let wanted = limit + 1;
        let mut outer = Where { sql: String::new(), ..inner.clone() };
        query.search(&mut outer);
        let columns = audit::SELECT;
        let from = format!("FROM recon.audit_trail WHERE {} ORDER BY seq DESC", inner.sql);
        let sql = if query.text.is_none() {
            format!("SELECT {columns} {from} LIMIT {wanted}")
        } else {
            format!(
                "SELECT {columns} FROM (SELECT * {from} LIMIT {SEARCHED}) t WHERE 1 = 1{} \
                 ORDER BY seq DESC LIMIT {wanted}",
                outer.sql
            )
        };
        let mut rows = self.tx.list(&sql, &outer.values, audit::row)?;
        if rows.len() > limit {
            rows.truncate(limit);
            let next = rows.last().map(|row| row.seq);
            return Ok((rows, next));
        }
        if query.text.is_none() {
            return Ok((rows, None));
        }
        let sql = format!("SELECT seq {from} LIMIT 1 OFFSET {}", SEARCHED - 1);
        let last = self.tx.find(&sql, &inner.values, |row| row.count(0))?;
        Ok((rows, last))
    }

    /// Calls `each` for every row of a query in the order of their numbers.
    pub fn each_audit_row(
        &mut self,
        query: &AuditQuery,
        each: &mut dyn FnMut(&AuditRow) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let mut condition = query.condition(self);
        query.search(&mut condition);
        let sql = format!(
            "SELECT {} FROM recon.audit_trail WHERE {} ORDER BY seq",
            audit::SELECT,
            condition.sql
        );
        self.tx.query_each(&sql, &condition.values, &mut |row| each(&audit::row(&row)?))
    }
}
