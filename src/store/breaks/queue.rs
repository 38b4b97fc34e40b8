//! Differences whose breaks go on at a later date, or have ended, leave the review queue and its counts.

use std::collections::{BTreeMap, HashSet};

use super::super::rows::{self, parameters};
use super::super::transact::{Dialect, Transaction};
use super::{ITEMS, Linked, at_numbers, place};
use crate::diagnostic::Problem;

/// Differences of a run that leave the queue when the one of the next date comes, because their breaks go on or have
/// cleared.
#[derive(Debug)]
pub(super) struct Leaving {
    pub before: i64,
    pub now: i64,
    pub which: Which,
}

#[derive(Debug)]
pub(super) enum Which {
    These(Vec<i64>),
    /// Kept once for the run: to change every row takes as long as to write it.
    AllBut(Vec<i64>),
}

impl Linked {
    /// Takes differences whose breaks go on or have cleared out of the queue, and gives the runs whose items must be
    /// counted again.
    pub fn mark(self, tx: &mut dyn Transaction) -> Result<Vec<i64>, Problem> {
        let dialect = tx.dialect();
        for run_no in &self.recount {
            let sql = format!(
                "UPDATE recon.difference_rows AS d SET later = NULL WHERE {} \
                 AND d.later IS NOT NULL",
                dialect.of_run("d", *run_no)
            );
            tx.execute(&sql, &[])?;
            let sql = "UPDATE recon.break_dates SET items_left = 0 WHERE run_no = $1";
            tx.execute(sql, &parameters![*run_no])?;
        }
        for leaving in &self.links {
            leaving.mark(tx, self.recount.is_empty())?;
        }
        Ok(self.recount)
    }
}

/// Undecided items by their groups: how many, and the sum of their amounts.
type BySignature = BTreeMap<i64, (i64, f64)>;

impl Leaving {
    /// Takes the items out of the queue, and out of the counts unless these are made anew.
    fn mark(&self, tx: &mut dyn Transaction, counts: bool) -> Result<(), Problem> {
        let Self { before, now, which } = self;
        let (Which::These(numbers) | Which::AllBut(numbers), own) = (which, *before);
        let undecided = if counts { undecided(tx, own, numbers)? } else { BySignature::new() };
        let change = match which {
            Which::These(_) => {
                set_later(tx, own, numbers, *now)?;
                "items = items - $3, amount_sum = amount_sum - $4"
            }
            Which::AllBut(_) => {
                let sql = "UPDATE recon.break_dates SET items_left = 1 WHERE run_no = $1";
                tx.execute(sql, &parameters![own])?;
                // Below 0: these stay, although their run has left the queue.
                set_later(tx, own, numbers, -own)?;
                if counts {
                    let sql = "UPDATE recon.item_counts SET items = 0, amount_sum = 0 \
                               WHERE run_no = $1 AND status = 1";
                    tx.execute(sql, &parameters![own])?;
                }
                "items = $3, amount_sum = $4"
            }
        };
        let sql = format!(
            "UPDATE recon.item_counts SET {change} \
             WHERE run_no = $1 AND signature_id = $2 AND status = 1"
        );
        for (signature, (items, sum)) in undecided {
            tx.execute(&sql, &parameters![own, signature, items, sum])?;
        }
        Ok(())
    }
}

fn undecided(
    tx: &mut dyn Transaction,
    run_no: i64,
    numbers: &[i64],
) -> Result<BySignature, Problem> {
    let dialect = tx.dialect();
    let sql = format!(
        "SELECT coalesce(d.signature_id, 0), count(*), coalesce(sum(d.amount_abs), 0.0) \
         FROM recon.difference_rows d WHERE {} AND d.status = 1 AND d.later IS NULL GROUP BY 1",
        at_numbers(dialect, run_no)
    );
    let mut found = BySignature::new();
    for some in numbers.chunks(ITEMS) {
        let places = some.iter().map(|number| place(dialect, run_no, *number));
        for row in tx.query(&sql, &[rows::numbers(places)])? {
            let sum = found.entry(row.count(0)?).or_default();
            sum.0 += row.count(1)?;
            sum.1 += row.real(2)?.unwrap_or_default();
        }
    }
    Ok(found)
}

/// Sets `later` of undecided differences.
fn set_later(
    tx: &mut dyn Transaction,
    run_no: i64,
    numbers: &[i64],
    later: i64,
) -> Result<(), Problem> {
    let dialect = tx.dialect();
    // What stays though its run leaves is found through the indexes.
    let listed = match dialect {
        Dialect::Sqlite if later < 0 => ", unlisted = NULL",
        _ => "",
    };
    let sql = format!(
        "UPDATE recon.difference_rows AS d SET later = {later}{listed} \
         WHERE {} AND d.status IN (1, 2) AND d.later IS NULL",
        at_numbers(dialect, run_no)
    );
    for some in numbers.chunks(ITEMS) {
        let places = some.iter().map(|number| place(dialect, run_no, *number));
        tx.execute(&sql, &[rows::numbers(places)])?;
    }
    Ok(())
}

/// The number that is above 0 if a difference `alias` leaves the queue and the counts while it is undecided: its
/// break goes on at a later date, or has cleared.
pub(in super::super) fn left(dialect: Dialect, alias: &str) -> String {
    format!(
        "coalesce({alias}.later, \
         (SELECT q.items_left FROM recon.break_dates q WHERE q.run_no = {}), 0)",
        dialect.run_no(alias)
    )
}

/// The same for the differences of one run.
pub(in super::super) fn left_of_run(
    tx: &mut dyn Transaction,
    alias: &str,
    run_no: i64,
) -> Result<String, Problem> {
    let sql = "SELECT items_left FROM recon.break_dates WHERE run_no = $1";
    let left = tx.find(sql, &parameters![run_no], |row| row.count(0))?.unwrap_or_default();
    Ok(format!("coalesce({alias}.later, {left})"))
}

/// The runs that have left the queue, but for some items.
pub(in super::super) fn runs_that_left(tx: &mut dyn Transaction) -> Result<HashSet<i64>, Problem> {
    let sql = "SELECT run_no FROM recon.break_dates WHERE items_left = 1";
    Ok(tx.list_again(sql, &[], |row| row.count(0))?.into_iter().collect())
}
