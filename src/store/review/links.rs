//! Differences that people matched by hand, and their proposals.

use serde_json::{Value as Json, json};

use crate::diagnostic::Problem;
use crate::domain::Status;
use crate::store::SqlValue;
use crate::store::layout::ItemKey;
use crate::store::rows::parameters;
use crate::store::transact::{Dialect, Transaction};

use super::items::Item;
use super::{ReviewTables, read_key};

/// An item's state before people matched it.
#[derive(Clone, Debug)]
pub(crate) struct Before {
    pub status: Status,
    pub reason_id: i64,
    pub functional: Option<bool>,
    pub confidence: f64,
    pub assigned_by: Option<String>,
    pub assigned_at: Option<String>,
}

impl ReviewTables<'_> {
    pub fn match_of(&mut self, key: ItemKey) -> Result<Option<String>, Problem> {
        let sql = "SELECT proposal_id FROM recon.matched_by_hand WHERE run_no = $1 AND number = $2";
        self.tx.find(sql, &parameters![key.run_no, key.number], |row| row.required(0))
    }

    /// The items of a match, also those of superseded runs.
    pub fn items_of_match(&mut self, match_id: &str) -> Result<Vec<ItemKey>, Problem> {
        let sql = "SELECT run_no, number FROM recon.matched_by_hand WHERE proposal_id = $1 \
                   ORDER BY run_no, number";
        self.tx.list(sql, &parameters![match_id], read_key)
    }

    pub fn add_match(&mut self, match_id: &str, keys: &[ItemKey]) -> Result<(), Problem> {
        for key in keys {
            self.tx.execute(
                "INSERT INTO recon.matched_by_hand (run_no, number, proposal_id) \
                 VALUES ($1, $2, $3) \
                 ON CONFLICT (run_no, number) DO UPDATE SET proposal_id = excluded.proposal_id",
                &parameters![key.run_no, key.number, match_id],
            )?;
        }
        Ok(())
    }

    pub fn delete_match(&mut self, match_id: &str) -> Result<(), Problem> {
        let sql = "DELETE FROM recon.matched_by_hand WHERE proposal_id = $1";
        self.tx.execute(sql, &parameters![match_id]).map(drop)
    }

    /// Gives an item the state back that it had before it was matched.
    pub fn reinstate(&mut self, item: &Item, before: &Before) -> Result<(), Problem> {
        let assigner_id = match &before.assigned_by {
            Some(name) => {
                let sql = "SELECT assigner_id FROM recon.assigners WHERE name = $1";
                self.tx.find(sql, &parameters![name.as_str()], |row| row.count(0))?
            }
            None => None,
        };
        self.moves(item, before.status);
        self.recount(item, (before.reason_id, before.status, assigner_id));
        let keys = [item.key];
        self.recount_blocked(&keys, -1)?;
        self.update(
            "status = $2, reason_id = $3, functional = $4, confidence = $5, assigner_id = $6, \
             assigned_at = $7, is_locked = $8, version = version + 1",
            &keys,
            &parameters![
                before.status.code(),
                before.reason_id,
                before.functional,
                before.confidence,
                assigner_id,
                before.assigned_at.clone(),
                false,
            ],
        )?;
        self.recount_blocked(&keys, 1)
    }
}

/// Takes matches along to another run: `pairs` are the numbers of differences in the old run and the new one.
pub(in crate::store) fn carry_matches(
    tx: &mut dyn Transaction,
    old: i64,
    new: i64,
    pairs: &[(i64, i64)],
) -> Result<(), Problem> {
    let (number, from) = match tx.dialect() {
        Dialect::Sqlite => (["p.value ->> 0", "p.value ->> 1"], "json_each($1) p"),
        Dialect::Postgres => (
            ["(p.value ->> 0)::bigint", "(p.value ->> 1)::bigint"],
            "json_array_elements($1::json) p (value)",
        ),
    };
    let [before, after] = number;
    let sql = format!(
        "INSERT INTO recon.matched_by_hand (run_no, number, proposal_id) \
         SELECT {new}, {after}, m.proposal_id FROM {from} \
         JOIN recon.matched_by_hand m ON m.run_no = {old} AND m.number = {before} \
         WHERE 1 = 1 \
         ON CONFLICT (run_no, number) DO UPDATE SET proposal_id = excluded.proposal_id"
    );
    let pairs = pairs.iter().map(|(old, new)| json!([old, new])).collect();
    tx.execute(&sql, &[SqlValue::Text(Json::Array(pairs).to_string())]).map(drop)
}
