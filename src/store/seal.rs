//! Seals: digests in the audit trail of the review's own tables.
//!
//! A row of the trail about a proposal records one action. The last one that a command appends about a proposal also
//! has the digest of the whole proposal as the command leaves it, as `sealed`: of its row, its contributors and its
//! approvals. The items of a proposal change only when it moves to another run, so their digest is in the first row
//! and after each move. Replaying compares the tables with the last seal.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::audit::Entry;
use super::digest::RowDigest;
use super::rows::parameters;
use super::transact::Transaction;
use crate::diagnostic::Problem;

pub(super) const VERSION: u64 = 1;

/// The action of a proposal that goes to another run.
pub(super) const MOVE: &str = "MOVE";

const PROPOSAL: &str = "SELECT proposal_id, kind, state, eyes, control, triggers, maker_id, version, \
     content_hash, action, reason_id, payload, comments, item_count, label, figures, created_at, \
     updated_at, expires_at, closed_at, policy_version FROM recon.proposals WHERE proposal_id = $1";
/// The columns of [`PROPOSAL`] that hold JSON.
const PROPOSAL_JSON: &[usize] = &[5, 11, 15];
const CONTRIBUTORS: &str =
    "SELECT person_id FROM recon.contributors WHERE proposal_id = $1 ORDER BY person_id";
const APPROVALS: &str = "SELECT proposal_version, content_hash, stage, person_id, decision, comments, \
     at, void FROM recon.approvals WHERE proposal_id = $1 \
     ORDER BY proposal_version, at, stage, person_id, void";
const ITEMS: &str = "SELECT run_no, number, attribution_id, base_version, prior_status, \
     prior_reason_id, prior_functional, prior_locked, prior_confidence, prior_assigner_id, \
     prior_assigned_at, signature_id, amount_abs, currency, facts FROM recon.proposal_items \
     WHERE proposal_id = $1 ORDER BY run_no, number";
const ITEMS_JSON: &[usize] = &[14];
/// Proposals from before have none, and the digest that they always had.
const EVIDENCE: &str = "SELECT run_no, number, prior_explanation FROM recon.proposal_items \
     WHERE proposal_id = $1 AND prior_explanation IS NOT NULL ORDER BY run_no, number";

/// The digest of a proposal without its items; `None` if there is none.
pub(super) fn proposal(
    tx: &mut dyn Transaction,
    proposal_id: &str,
) -> Result<Option<String>, Problem> {
    let rows = tx.query(PROPOSAL, &parameters![proposal_id])?;
    let Some(row) = rows.first() else { return Ok(None) };
    let mut digest = RowDigest::default();
    digest.answer(row, PROPOSAL_JSON, 0);
    for sql in [CONTRIBUTORS, APPROVALS] {
        let rows = tx.query(sql, &parameters![proposal_id])?;
        digest.number(rows.len() as u64);
        rows.iter().for_each(|row| digest.answer(row, &[], 0));
    }
    Ok(Some(digest.finish()))
}

/// The digest of a proposal's items.
pub(super) fn items(tx: &mut dyn Transaction, proposal_id: &str) -> Result<String, Problem> {
    let mut digest = RowDigest::default();
    tx.query_each(ITEMS, &parameters![proposal_id], &mut |row| {
        digest.answer(&row, ITEMS_JSON, 0);
        Ok(())
    })?;
    tx.query_each(EVIDENCE, &parameters![proposal_id], &mut |row| {
        digest.answer(&row, &[], 0);
        Ok(())
    })?;
    Ok(digest.finish())
}

/// Adds to the last of these entries about each proposal the digest of the proposal as it is.
///
/// # Errors
/// Errors of the store.
pub(crate) fn seal(tx: &mut dyn Transaction, entries: &mut [Entry]) -> Result<(), Problem> {
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    for (at, entry) in entries.iter().enumerate() {
        // A policy's row is nothing but the policy.
        if let Some(proposal_id) = &entry.proposal_id
            && entry.entity_type != "policy"
        {
            last.insert(proposal_id.clone(), at);
        }
    }
    for (proposal_id, at) in last {
        let Some(digest) = proposal(tx, &proposal_id)? else { continue };
        let known = tx.query(
            "SELECT 1 FROM recon.audit_trail WHERE proposal_id = $1 LIMIT 1",
            &parameters![&proposal_id],
        )?;
        let mut sealed = json!({ "version": VERSION, "proposal": digest });
        let moved = entries.get(at).is_some_and(|entry| entry.action_type == MOVE);
        if (known.is_empty() || moved)
            && let Json::Object(sealed) = &mut sealed
        {
            sealed.insert("items".to_owned(), items(tx, &proposal_id)?.into());
        }
        if let Some(entry) = entries.get_mut(at) {
            let told = entry.new_value.as_deref().map(serde_json::from_str);
            let mut told: Json = told.transpose().unwrap_or_default().unwrap_or_else(|| json!({}));
            if let Json::Object(told) = &mut told {
                told.insert("sealed".to_owned(), sealed);
                entry.new_value = Some(Json::Object(std::mem::take(told)).to_string());
            }
        }
    }
    Ok(())
}
