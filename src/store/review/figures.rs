//! The figures of a run: blocked records, and items by reason, status and assigner. They are counted once, after
//! the run, and kept up to date by every decision.

use std::collections::BTreeMap;

use crate::diagnostic::Problem;
use crate::domain::Status;
use crate::store::audit;
use crate::store::batch::FIELD_BITS;
use crate::store::layout::ItemKey;
use crate::store::rows::parameters;
use crate::store::transact::Transaction;

use super::ReviewTables;
use super::condition::joined;
use super::items::Item;

/// The condition that a difference `d` keeps its record from passing the gate.
const BLOCKS: &str = "(d.status <> 3 OR d.functional IS NOT TRUE)";

/// Changes of the figures within a transaction.
#[derive(Default)]
pub(super) struct Moved {
    /// Runs with stored figures.
    kept: BTreeMap<i64, bool>,
    /// By run, reason, status and assigner.
    items: BTreeMap<(i64, i64, u8, i64), i64>,
    blocked: BTreeMap<i64, i64>,
}

/// Forgets the figures of a run, which the server then counts again.
pub(in crate::store) fn forget(tx: &mut dyn Transaction, run_no: i64) -> Result<(), Problem> {
    for table in ["reason_counts", "run_figures"] {
        let sql = format!("DELETE FROM recon.{table} WHERE run_no = $1");
        tx.execute(&sql, &parameters![run_no])?;
    }
    Ok(())
}

impl ReviewTables<'_> {
    /// The first of these runs without stored figures.
    pub fn first_uncounted(&mut self, runs: &[i64]) -> Result<Option<i64>, Problem> {
        if runs.is_empty() {
            return Ok(None);
        }
        let sql = format!(
            "SELECT r.run_no FROM recon.recon_runs r \
             LEFT JOIN recon.run_figures f ON f.run_no = r.run_no \
             WHERE r.run_no IN ({}) AND f.run_no IS NULL ORDER BY r.run_no DESC LIMIT 1",
            joined(runs)
        );
        self.tx.find(&sql, &[], |row| row.count(0))
    }

    /// Counts a run's figures; decisions wait meanwhile.
    pub fn count_figures(&mut self, run_no: i64) -> Result<(), Problem> {
        audit::head(self.tx, true)?;
        forget(self.tx, run_no)?;
        let dialect = self.dialect();
        let of_run = dialect.of_run("d", run_no);
        self.tx.execute(
            &format!(
                "INSERT INTO recon.reason_counts (run_no, reason_id, status, assigner_id, items) \
                 SELECT {run_no}, d.reason_id, d.status, coalesce(d.assigner_id, 0), count(*) \
                 FROM recon.difference_rows d \
                 WHERE {of_run} AND d.status IS NOT NULL AND d.reason_id IS NOT NULL \
                 GROUP BY 2, 3, 4"
            ),
            &[],
        )?;
        let sql = format!(
            "SELECT count(DISTINCT {} >> {FIELD_BITS}) FROM recon.difference_rows d \
             WHERE {of_run} AND {BLOCKS}",
            dialect.number("d")
        );
        let blocked = self.tx.count(&sql, &[])?;
        self.tx
            .execute(
                "INSERT INTO recon.run_figures (run_no, blocked) VALUES ($1, $2)",
                &parameters![run_no, blocked],
            )
            .map(drop)
    }

    /// Counts an item that gets another reason, status or assigner.
    pub(super) fn recount(&mut self, item: &Item, to: (i64, Status, Option<i64>)) {
        let from = (item.reason_id, item.status, item.assigner_id);
        for ((reason_id, status, assigner_id), by) in [(from, -1), (to, 1)] {
            let at = (item.key.run_no, reason_id, status.code(), assigner_id.unwrap_or_default());
            *self.figures.items.entry(at).or_default() += by;
        }
    }

    /// Adds the blocked records among these `sign` times, for runs with stored figures.
    pub(super) fn recount_blocked(&mut self, keys: &[ItemKey], sign: i64) -> Result<(), Problem> {
        let mut runs: BTreeMap<i64, Vec<ItemKey>> = BTreeMap::new();
        for key in keys {
            let record = ItemKey { run_no: key.run_no, number: key.record() };
            runs.entry(key.run_no).or_default().push(record);
        }
        for (run_no, mut records) in runs {
            if !self.keeps_figures(run_no)? {
                continue;
            }
            records.sort_unstable();
            records.dedup();
            let blocked = self.count_in_records(run_no, &records, BLOCKS)?;
            *self.figures.blocked.entry(run_no).or_default() += sign * blocked;
        }
        Ok(())
    }

    fn keeps_figures(&mut self, run_no: i64) -> Result<bool, Problem> {
        if let Some(kept) = self.figures.kept.get(&run_no) {
            return Ok(*kept);
        }
        let sql = "SELECT 1 FROM recon.run_figures WHERE run_no = $1";
        let kept = self.tx.exists(sql, &parameters![run_no])?;
        self.figures.kept.insert(run_no, kept);
        Ok(kept)
    }

    /// Brings the kept figures up to date. The end of the audit trail is locked before.
    pub(super) fn write_figures(&mut self) -> Result<(), Problem> {
        let Moved { items, blocked, .. } = std::mem::take(&mut self.figures);
        for ((run_no, reason_id, status, assigner_id), by) in items {
            if by == 0 {
                continue;
            }
            // Only where the figures of the run are kept.
            self.tx.execute(
                "INSERT INTO recon.reason_counts (run_no, reason_id, status, assigner_id, items) \
                 SELECT f.run_no, $2, $3, $4, $5 FROM recon.run_figures f WHERE f.run_no = $1 \
                 ON CONFLICT (run_no, reason_id, status, assigner_id) \
                 DO UPDATE SET items = reason_counts.items + excluded.items",
                &parameters![run_no, reason_id, status, assigner_id, by],
            )?;
        }
        for (run_no, by) in blocked {
            self.tx.execute(
                "UPDATE recon.run_figures SET blocked = blocked + $2 WHERE run_no = $1",
                &parameters![run_no, by],
            )?;
        }
        Ok(())
    }
}
