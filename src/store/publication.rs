//! What is written when a run becomes attributed, in the transaction that makes it so: how many items it
//! has of each kind.

use super::rows::parameters;
use super::transact::{Dialect, Transaction};
use crate::diagnostic::Problem;

/// Items of a run by signature and status.
#[derive(Clone, Debug, Default)]
pub(super) struct ItemCounts(Vec<(i64, i64, i64, f64)>);

/// The condition that a difference is of a run.
fn of_run(dialect: Dialect, run_no: i64) -> String {
    match dialect {
        Dialect::Sqlite => {
            format!("d.id BETWEEN {} AND {}", run_no << 40, (run_no << 40) + 1_099_511_627_775)
        }
        Dialect::Postgres => format!("d.run_no = {run_no}"),
    }
}

/// Counts the items of a run.
pub(super) fn count_items(tx: &mut dyn Transaction, run_no: i64) -> Result<ItemCounts, Problem> {
    let sql = format!(
        "SELECT coalesce(d.signature_id, 0), d.status, count(*), \
         coalesce(sum(d.amount_abs), 0.0) FROM recon.difference_rows d \
         WHERE {} AND d.status IS NOT NULL GROUP BY 1, 2",
        of_run(tx.dialect(), run_no)
    );
    let mut counts = Vec::new();
    for row in tx.query(&sql, &[])? {
        counts.push((
            row.count(0)?,
            row.count(1)?,
            row.count(2)?,
            row.real(3)?.unwrap_or_default(),
        ));
    }
    Ok(ItemCounts(counts))
}

/// Writes the counts of a run in place of those that it had.
pub(super) fn write_counts(
    tx: &mut dyn Transaction,
    run_no: i64,
    counts: &ItemCounts,
) -> Result<(), Problem> {
    tx.execute("DELETE FROM recon.item_counts WHERE run_no = $1", &parameters![run_no])?;
    for (signature_id, status, items, amount) in &counts.0 {
        tx.execute(
            "INSERT INTO recon.item_counts (run_no, signature_id, status, items, amount_sum) \
             VALUES ($1, $2, $3, $4, $5)",
            &parameters![run_no, *signature_id, *status, *items, *amount],
        )?;
    }
    Ok(())
}
