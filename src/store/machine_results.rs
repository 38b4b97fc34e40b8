//! T0 of the audit trail: what the machine decided in a run, as one row with counts and a digest.
//!
//! The digest is the SHA-256 of one line for each item whose state is the machine's, in the order of the
//! items' numbers: `number status reason confidence assigned_by`, parted by spaces and ended by a line
//! feed, the confidence as the shortest decimal that reads back as the same double. An item's state is
//! the machine's while nobody holds it: not locked, UNKNOWN or ACCEPTED, and given by a rule, a model or
//! nobody. So whoever knows the trail can take the machine's state of an item from the first
//! `previous_value` after this row, and check that nobody changed the others.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::audit::Entry;
use super::migrate::hexadecimal;
use super::rows::parameters;
use super::transact::{Dialect, Transaction};
use super::{Batch, difference_number, publication};
use crate::diagnostic::Problem;
use crate::domain::{AssignedBy, Status};

/// Writes the line of an item.
pub(super) fn write_line(
    line: &mut String,
    number: u64,
    status: &str,
    reason: &str,
    confidence: f64,
    by: &str,
) {
    // Writing to a string never fails.
    let _ = writeln!(line, "{number} {status} {reason} {confidence} {by}");
}

/// Whether the state of an item is the machine's, not people's.
pub(super) fn is_machines(status: Status, locked: bool, by: &str) -> bool {
    matches!(status, Status::Unknown | Status::Accepted)
        && !locked
        && !matches!(AssignedBy::parse(by), AssignedBy::Person(_))
}

/// The machine's results, gathered as they are written, or read back.
#[derive(Clone)]
pub(super) struct MachineResults {
    hash: Sha256,
    line: String,
    last: Option<u64>,
    /// They came in the order of their numbers.
    in_order: bool,
    items: u64,
    held_by_people: u64,
    by_status: BTreeMap<&'static str, u64>,
    by_reason: BTreeMap<String, u64>,
    by_source: BTreeMap<&'static str, u64>,
}

impl Default for MachineResults {
    fn default() -> Self {
        Self {
            hash: Sha256::new(),
            line: String::new(),
            last: None,
            in_order: true,
            items: 0,
            held_by_people: 0,
            by_status: BTreeMap::new(),
            by_reason: BTreeMap::new(),
            by_source: BTreeMap::new(),
        }
    }
}

impl MachineResults {
    /// Takes in what a batch decides.
    pub fn take(&mut self, batch: &Batch) {
        for row in &batch.differences {
            if let Some(given) = row.attribution {
                self.add(
                    difference_number(row.record, row.field),
                    given.status,
                    batch.text(given.reason),
                    given.confidence.get(),
                    batch.text(given.assigned_by),
                );
            }
        }
        for row in &batch.decisions {
            let given = row.attribution;
            self.add(
                row.number,
                given.status,
                batch.text(given.reason),
                given.confidence.get(),
                batch.text(given.assigned_by),
            );
        }
    }

    fn add(&mut self, number: u64, status: Status, reason: &str, confidence: f64, by: &str) {
        self.in_order &= self.last.is_none_or(|last| last < number);
        self.last = Some(number);
        self.line.clear();
        write_line(&mut self.line, number, status.name(), reason, confidence, by);
        self.hash.update(self.line.as_bytes());
        self.items += 1;
        *self.by_status.entry(status.name()).or_default() += 1;
        *self.by_source.entry(AssignedBy::source_of(by)).or_default() += 1;
        match self.by_reason.get_mut(reason) {
            Some(count) => *count += 1,
            None => drop(self.by_reason.insert(reason.to_owned(), 1)),
        }
    }

    /// The machine's results as they are in the store's table of items.
    pub fn read(tx: &mut dyn Transaction, table: &str, run_no: i64) -> Result<Self, Problem> {
        let number = match tx.dialect() {
            Dialect::Sqlite => "d.id & 1099511627775",
            Dialect::Postgres => "d.number",
        };
        let sql = format!(
            "SELECT {number}, d.status, c.code, d.confidence, w.name, d.is_locked \
             FROM recon.{table} d \
             LEFT JOIN recon.reason_codes c ON c.reason_id = d.reason_id \
             LEFT JOIN recon.assigners w ON w.assigner_id = d.assigner_id \
             WHERE {} AND d.status IS NOT NULL ORDER BY 1",
            publication::of_run(tx.dialect(), run_no)
        );
        let mut results = Self::default();
        tx.query_each(&sql, &[], &mut |row| {
            let status = u8::try_from(row.count(1)?).ok().and_then(Status::from_code);
            let by = row.required(4)?;
            match status {
                Some(status) if is_machines(status, row.boolean(5)?, &by) => {
                    results.add(
                        row.count(0)?.cast_unsigned(),
                        status,
                        &row.required(2)?,
                        row.real(3)?.unwrap_or_default(),
                        &by,
                    );
                }
                _ => results.held_by_people += 1,
            }
            Ok(())
        })?;
        Ok(results)
    }

    /// These, if they came in their order; else those in the store's table of items.
    pub fn or_read(
        self,
        tx: &mut dyn Transaction,
        table: &str,
        run_no: i64,
    ) -> Result<Self, Problem> {
        if self.in_order { Ok(self) } else { Self::read(tx, table, run_no) }
    }

    /// The row of the audit trail.
    pub fn entry(self, tx: &mut dyn Transaction, run_no: i64) -> Result<Entry, Problem> {
        let rows = tx.query(
            "SELECT run_id, job, batch_date, (SELECT max(policy_version) FROM recon.policies) \
             FROM recon.recon_runs WHERE run_no = $1",
            &parameters![run_no],
        )?;
        let run = rows.first().ok_or_else(|| {
            Problem::inconsistent("run-gone", "a run vanished while it was published")
        })?;
        let run_id = run.required(0)?;
        Ok(Entry {
            entity_type: "run".to_owned(),
            entity_id: run_id.clone(),
            stage: "SYSTEM".to_owned(),
            action_type: "ATTRIBUTE".to_owned(),
            new_value: Some(
                json!({
                    "run_id": run_id,
                    "job": run.required(1)?,
                    "batch_date": run.required(2)?,
                    "items": self.items,
                    "held_by_people": self.held_by_people,
                    "by_status": self.by_status,
                    "by_reason": self.by_reason,
                    "by_source": self.by_source,
                    "sha256": hexadecimal(&self.hash.finalize()),
                })
                .to_string(),
            ),
            policy_version: run.integer(3)?,
            ..Entry::default()
        })
    }
}
