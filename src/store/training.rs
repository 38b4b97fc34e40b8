//! The labels that a model may learn from, read from the audit trail.

use serde_json::Value as Json;

use super::transact::Transaction;
use crate::diagnostic::{Code, Problem};
use crate::domain::review::label::{AuditedRow, Labels};

/// The labels that the trail tells.
///
/// # Errors
/// Errors of the store; a row that is not JSON.
pub fn labels(tx: &mut dyn Transaction) -> Result<Labels, Problem> {
    let mut labels = Labels::default();
    tx.query_each(
        "SELECT seq, attribution_id, proposal_id, stage, control, previous_value, new_value \
         FROM recon.audit_trail WHERE attribution_id IS NOT NULL AND new_value IS NOT NULL \
         ORDER BY seq",
        &[],
        &mut |row| {
            let json = |text: Option<String>| -> Result<Option<Json>, Problem> {
                text.map(|text| serde_json::from_str(&text)).transpose().map_err(|error| {
                    Problem::new(Code::StoreDamaged, format!("a value of the audit trail: {error}"))
                })
            };
            let stage = row.required(3)?;
            // The state before matters only for proposals.
            let previous = if stage == "MAKER" { json(row.text(5)?)? } else { None };
            labels.read(&AuditedRow {
                seq: row.count(0)?,
                attribution_id: &row.required(1)?,
                proposal_id: row.text(2)?.as_deref(),
                stage: &stage,
                control: row.text(4)?.as_deref(),
                previous: previous.as_ref(),
                new: &json(row.text(6)?)?.unwrap_or_default(),
            });
            Ok(())
        },
    )?;
    Ok(labels)
}
