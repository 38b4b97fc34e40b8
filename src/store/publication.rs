//! What is written when a run becomes attributed, in the transaction that makes it so: what people
//! decided about the run before it, how many items it has of each kind, and what the machine decided.

use super::audit::{self, By};
use super::carry::Carry;
use super::machine_results::MachineResults;
use super::rows::parameters;
use super::transact::{Dialect, Transaction};
use crate::diagnostic::Problem;
use crate::domain::{Instant, Status};

/// Items of a run by signature and status.
#[derive(Clone, Debug, Default)]
pub(super) struct ItemCounts(Vec<(i64, i64, i64, f64)>);

/// The condition that a difference is of a run.
pub(super) fn of_run(dialect: Dialect, run_no: i64) -> String {
    match dialect {
        Dialect::Sqlite => {
            format!("d.id BETWEEN {} AND {}", run_no << 40, (run_no << 40) + 1_099_511_627_775)
        }
        Dialect::Postgres => format!("d.run_no = {run_no}"),
    }
}

impl ItemCounts {
    /// Counts an item that goes from one status to another.
    pub fn moved(&mut self, signature_id: i64, from: Status, to: Status, amount: f64) {
        for (status, items, amount) in [(from, -1, -amount), (to, 1, amount)] {
            let status = i64::from(status.code());
            let known = self.0.iter_mut().find(|one| one.0 == signature_id && one.1 == status);
            match known {
                Some(one) => {
                    one.2 += items;
                    one.3 += amount;
                }
                None => self.0.push((signature_id, status, items, amount)),
            }
        }
    }
}

/// What goes into the transaction that publishes an attributed run, besides the run itself.
pub(super) struct Publication {
    counts: ItemCounts,
    results: MachineResults,
    carry: Option<Carry>,
}

impl Publication {
    /// Of a run that nobody sees yet, with what was gathered while it was written.
    pub fn first(
        tx: &mut dyn Transaction,
        run_no: i64,
        results: MachineResults,
    ) -> Result<Self, Problem> {
        Ok(Self {
            counts: count_items(tx, run_no)?,
            results: results.or_read(tx, run_no)?,
            carry: Carry::prepare(tx, run_no)?,
        })
    }

    /// Of a run that people decide about. The end of the audit trail is locked first: what they decided
    /// before is counted, and what they decide after this has its rows after ours.
    pub fn again(tx: &mut dyn Transaction, run_no: i64) -> Result<Self, Problem> {
        audit::head(tx, true)?;
        Ok(Self {
            counts: count_items(tx, run_no)?,
            results: MachineResults::read(tx, run_no)?,
            carry: None,
        })
    }

    /// Carries decisions, writes counts, and appends to the audit trail what the machine decided and
    /// what was carried; gives how many decisions that were. It comes last: the end of the trail is
    /// locked until the transaction ends.
    pub fn complete(
        mut self,
        tx: &mut dyn Transaction,
        run_no: i64,
        now: Instant,
    ) -> Result<u64, Problem> {
        let mut entries = vec![self.results.entry(tx, run_no)?];
        if let Some(carry) = self.carry {
            entries.extend(carry.apply(tx, &mut self.counts)?);
        }
        audit::head(tx, true)?;
        write_counts(tx, run_no, &self.counts)?;
        audit::append(tx, now, &By::system(), &entries)?;
        Ok(entries.len() as u64 - 1)
    }
}

/// Counts the items of a run.
fn count_items(tx: &mut dyn Transaction, run_no: i64) -> Result<ItemCounts, Problem> {
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
fn write_counts(tx: &mut dyn Transaction, run_no: i64, counts: &ItemCounts) -> Result<(), Problem> {
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
