//! Notes about items: comments, assignments, claims, and returned proposals.

use std::collections::HashMap;

use crate::diagnostic::Problem;
use crate::store::SqlValue;
use crate::store::layout::ItemKey;
use crate::store::rows::parameters;
use crate::store::transact::SqlRow;

use super::condition::{Where, joined};
use super::items::{keys_in, keys_parameter};
use super::{ItemQuery, ReviewTables, read_key};

/// A proposal about an item that was closed without a decision.
#[derive(Clone, Debug)]
pub(crate) struct SentBackRow {
    pub by_id: String,
    pub comments: String,
    pub at: String,
}

/// A comment: its id, who wrote it, its text, and when.
pub(crate) type CommentRow = (String, String, String, String);

impl ReviewTables<'_> {
    /// The rows of a table about these items. A further condition may have the parameter `$2`.
    fn about<T>(
        &mut self,
        (columns, table, condition): (&str, &str, &str),
        keys: &[ItemKey],
        parameter: Option<SqlValue>,
        read: impl Fn(&SqlRow) -> Result<T, Problem>,
    ) -> Result<HashMap<ItemKey, T>, Problem> {
        let within = keys_in(self.dialect());
        let sql = format!(
            "SELECT run_no, number, {columns} FROM recon.{table} \
             WHERE (run_no, number) IN {within}{condition}"
        );
        let values: Vec<_> = std::iter::once(keys_parameter(keys)).chain(parameter).collect();
        let rows = self.tx.list(&sql, &values, |row| Ok((read_key(row)?, read(row)?)))?;
        Ok(rows.into_iter().collect())
    }

    /// Of these items, those that were sent back.
    pub fn sent_back(
        &mut self,
        keys: &[ItemKey],
    ) -> Result<HashMap<ItemKey, SentBackRow>, Problem> {
        self.about(("by_id, comments, at", "sent_back", ""), keys, None, |row| {
            Ok(SentBackRow {
                by_id: row.required(2)?,
                comments: row.required(3)?,
                at: row.required(4)?,
            })
        })
    }

    /// To whom these items are assigned.
    pub fn assignees(&mut self, keys: &[ItemKey]) -> Result<HashMap<ItemKey, String>, Problem> {
        self.about(("assignee", "assignments", ""), keys, None, |row| row.required(2))
    }

    /// How many items of a query are assigned to each person who has any.
    pub fn count_by_assignee(&mut self, query: &ItemQuery) -> Result<Vec<(String, u64)>, Problem> {
        let sql = "SELECT DISTINCT run_no FROM recon.assignments";
        let mut runs = self.tx.list_again(sql, &[], |row| row.count(0))?;
        runs.retain(|run| query.runs.contains(run));
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        // The small table leads: a join may begin with the items of all runs.
        let mut place = Where::new(self.dialect(), self.dialect().located("d", "a"));
        place.of_runs(&self.dialect().run_no("d"), &runs);
        place.matching(query);
        let sql = format!(
            "SELECT a.assignee, count(*) FROM recon.assignments a \
             WHERE a.run_no IN ({}) \
             AND (SELECT 1 FROM recon.difference_rows d WHERE {}) = 1 GROUP BY a.assignee",
            joined(&runs),
            place.sql
        );
        self.tx
            .list(&sql, &place.values, |row| Ok((row.required(0)?, row.count(1)?.cast_unsigned())))
    }

    /// Users who are looking at these items.
    pub fn claims(
        &mut self,
        keys: &[ItemKey],
        now: &str,
    ) -> Result<HashMap<ItemKey, String>, Problem> {
        let lasting = ("person_id", "claims", " AND until > $2");
        self.about(lasting, keys, Some(now.into()), |row| row.required(2))
    }

    /// The open proposals that hold these items.
    pub fn open_proposals_of(
        &mut self,
        keys: &[ItemKey],
    ) -> Result<HashMap<ItemKey, String>, Problem> {
        let open = ("proposal_id", "proposal_items", " AND open = $2");
        self.about(open, keys, Some(true.into()), |row| row.required(2))
    }

    pub fn comments(&mut self, key: ItemKey) -> Result<Vec<CommentRow>, Problem> {
        let sql = "SELECT comment_id, person_id, text, at FROM recon.item_comments \
                   WHERE run_no = $1 AND number = $2 ORDER BY at, comment_id";
        self.tx.list(sql, &parameters![key.run_no, key.number], |row| {
            Ok((row.required(0)?, row.required(1)?, row.required(2)?, row.required(3)?))
        })
    }

    pub fn add_comment(
        &mut self,
        key: ItemKey,
        (id, person_id, text, at): (&str, &str, &str, &str),
    ) -> Result<(), Problem> {
        let sql = "INSERT INTO recon.item_comments (comment_id, run_no, number, person_id, text, at) \
                   VALUES ($1, $2, $3, $4, $5, $6)";
        let values = parameters![id, key.run_no, key.number, person_id, text, at];
        self.tx.execute(sql, &values).map(drop)
    }

    /// Assigns an item to a person or to nobody; gives the former assignee.
    pub fn assign(
        &mut self,
        key: ItemKey,
        person_id: Option<&str>,
        by: &str,
        at: &str,
    ) -> Result<Option<String>, Problem> {
        let before = self.assignees(&[key])?.remove(&key);
        let sql = "DELETE FROM recon.assignments WHERE run_no = $1 AND number = $2";
        self.tx.execute(sql, &parameters![key.run_no, key.number])?;
        if let Some(person_id) = person_id {
            let sql = "INSERT INTO recon.assignments (run_no, number, assignee, assigned_by, at) \
                       VALUES ($1, $2, $3, $4, $5)";
            self.tx.execute(sql, &parameters![key.run_no, key.number, person_id, by, at])?;
        }
        Ok(before)
    }

    /// Notes that a person looks at an item until then; forgets claims that have ended.
    pub fn claim(
        &mut self,
        key: ItemKey,
        person_id: &str,
        now: &str,
        until: &str,
    ) -> Result<(), Problem> {
        let sql = "DELETE FROM recon.claims WHERE until <= $1 OR (run_no = $2 AND number = $3)";
        self.tx.execute(sql, &parameters![now, key.run_no, key.number])?;
        let sql = "INSERT INTO recon.claims (run_no, number, person_id, until) \
                   VALUES ($1, $2, $3, $4)";
        self.tx.execute(sql, &parameters![key.run_no, key.number, person_id, until]).map(drop)
    }

    /// Notes that a proposal's items were sent back.
    pub fn remember_sent_back(
        &mut self,
        proposal_id: &str,
        state: &str,
        by: &str,
        comments: &str,
        at: &str,
    ) -> Result<(), Problem> {
        self.forget_sent_back(proposal_id)?;
        let sql = "INSERT INTO recon.sent_back (run_no, number, proposal_id, state, by_id, comments, \
                   at) SELECT i.run_no, i.number, i.proposal_id, $2, $3, $4, $5 \
                   FROM recon.proposal_items i WHERE i.proposal_id = $1";
        self.tx.execute(sql, &parameters![proposal_id, state, by, comments, at]).map(drop)
    }

    /// Forgets that a proposal's items were sent back before.
    pub fn forget_sent_back(&mut self, proposal_id: &str) -> Result<(), Problem> {
        let sql = "DELETE FROM recon.sent_back WHERE (run_no, number) IN \
                   (SELECT i.run_no, i.number FROM recon.proposal_items i \
                    WHERE i.proposal_id = $1)";
        self.tx.execute(sql, &parameters![proposal_id]).map(drop)
    }
}
