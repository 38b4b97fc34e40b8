//! How the items of a run come into memory, and how the copy stays true.
//!
//! The copy belongs to one row of the audit trail, which every decision appends to: items that the trail names since
//! then are read again. The number and the hash of that row identify the store's history, the state of the run shows
//! if a run changed its items, and the store's counts must agree; else all is read anew.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::diagnostic::Problem;
use crate::store::rows::parameters;
use crate::store::{audit, breaks};

use super::super::items::{at_numbers, place_parameters};
use super::super::{ReviewTables, read_key};
use super::rows::{Kind, Row, RunItems};

/// The most items that are kept, of all runs; an item takes 40 bytes, and 4 more for
/// each order in which it is listed, and as much where a group is.
const MOST: usize = 16_000_000;
/// Rows of the audit trail after which a run is read anew.
const MOST_CHANGES: i64 = 50_000;
/// Items that are read by one statement.
const STEP: usize = 5_000;

/// The items in memory, by run id.
static CACHE: Mutex<BTreeMap<String, Arc<RunItems>>> = Mutex::new(BTreeMap::new());
/// Held while a run is read, so that it is read once.
static READING: Mutex<()> = Mutex::new(());

impl ReviewTables<'_> {
    /// The kept counts of a run.
    pub(super) fn counts_of_run(&mut self, run_no: i64) -> Result<Vec<(Kind, u64)>, Problem> {
        let sql = "SELECT signature_id, status, items FROM recon.item_counts \
                   WHERE run_no = $1 AND items > 0 ORDER BY signature_id, status";
        self.tx.list(sql, &parameters![run_no], |row| {
            let signature = u32::try_from(row.count(0)?).unwrap_or(u32::MAX);
            let status = u8::try_from(row.count(1)?).unwrap_or_default();
            Ok(((signature, status), row.count(2)?.cast_unsigned()))
        })
    }

    /// The present items of a run; `None` if they can't be had from memory.
    pub(super) fn kept(&mut self, run_no: i64) -> Result<Option<Arc<RunItems>>, Problem> {
        if let Some(kept) = self.kept_runs.get(&run_no) {
            return Ok(kept.clone());
        }
        if self.least_in_memory == u64::MAX {
            return Ok(None);
        }
        let run_id = self.run(run_no)?.run_id.clone();
        let state = self.state_of_items(run_no)?;
        let head = audit::head(self.tx, false)?;
        let mut kept = self.caught_up(&run_id, run_no, &state, &head)?;
        if kept.is_none() {
            let guard = READING.lock();
            // Another thread may have read it meanwhile.
            kept = self.caught_up(&run_id, run_no, &state, &head)?;
            if kept.is_none() {
                kept = self.read_run(&run_id, run_no, &state, &head)?;
            }
            drop(guard);
        }
        self.kept_runs.insert(run_no, kept.clone());
        Ok(kept)
    }

    /// A text that changes whenever a run's items change otherwise than by decisions.
    fn state_of_items(&mut self, run_no: i64) -> Result<String, Problem> {
        let sql = "SELECT r.attributed_at, b.version, b.items_left, \
                   (SELECT max(l.run_no) FROM recon.break_dates l WHERE l.job = b.job AND l.day > b.day) \
                   FROM recon.recon_runs r LEFT JOIN recon.break_dates b ON b.run_no = r.run_no \
                   WHERE r.run_no = $1";
        let found = self.tx.find(sql, &parameters![run_no], |row| {
            let number = |column| Ok::<_, Problem>(row.integer(column)?.unwrap_or(-1));
            Ok(format!("{:?} {} {} {}", row.text(0)?, number(1)?, number(2)?, number(3)?))
        })?;
        Ok(found.unwrap_or_default())
    }

    /// The items of a run in memory, if they can be brought up to date.
    fn caught_up(
        &mut self,
        run_id: &str,
        run_no: i64,
        state: &str,
        head: &audit::Head,
    ) -> Result<Option<Arc<RunItems>>, Problem> {
        let known = CACHE.lock().ok().and_then(|known| known.get(run_id).cloned());
        let Some(known) = known.filter(|known| known.state == *state) else { return Ok(None) };
        if known.seq == head.seq {
            let agrees = known.hash == head.hash && self.agrees(run_no, &known)?;
            return Ok(agrees.then_some(known));
        }
        if known.seq > head.seq || head.seq - known.seq > MOST_CHANGES {
            return Ok(None);
        }
        let sql = "SELECT hash FROM recon.audit_trail WHERE seq = $1";
        let hash = self.tx.find(sql, &parameters![known.seq], |row| row.blob(0))?.flatten();
        if known.seq > 0 && hash.map(audit::digest).transpose()? != Some(known.hash) {
            return Ok(None);
        }
        let numbers = self.changed_since(run_no, known.seq)?;
        let mut now = Vec::new();
        for some in numbers.chunks(STEP) {
            self.read_rows(run_no, Some(some), &mut |row| now.push(row))?;
        }
        let mut next = RunItems { seq: head.seq, hash: head.hash, ..(*known).clone() };
        let agrees = next.change(now).is_some() && self.agrees(run_no, &next)?;
        Ok(agrees.then(|| keep(run_id, next)))
    }

    /// The numbers of the items of a run that the audit trail names behind a row, directly or through their proposals.
    fn changed_since(&mut self, run_no: i64, seq: i64) -> Result<Vec<i64>, Problem> {
        let run = self.run(run_no)?;
        let sql = "SELECT CAST(t.attribution_id AS text) FROM recon.audit_trail t \
                   WHERE t.seq > $1 AND t.attribution_id IS NOT NULL";
        let ids = self.tx.list(sql, &parameters![seq], |row| row.required(0))?;
        let own = ids.iter().filter_map(|id| id.strip_prefix(run.attribution_prefix.as_str()));
        let mut numbers: Vec<i64> =
            own.filter_map(|number| i64::from_str_radix(number, 16).ok()).collect();
        let sql = "SELECT i.number FROM recon.proposal_items i WHERE i.run_no = $1 \
                   AND i.proposal_id IN (SELECT t.proposal_id FROM recon.audit_trail t \
                                         WHERE t.seq > $2 AND t.proposal_id IS NOT NULL)";
        numbers.extend(self.tx.list(sql, &parameters![run_no, seq], |row| row.count(0))?);
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    /// Checks that the store counts as many items of each kind.
    fn agrees(&mut self, run_no: i64, kept: &RunItems) -> Result<bool, Problem> {
        let own = kept.counts.iter().filter(|(_, items)| **items > 0);
        Ok(own.map(|(kind, items)| (*kind, *items)).eq(self.counts_of_run(run_no)?))
    }

    fn read_run(
        &mut self,
        run_id: &str,
        run_no: i64,
        state: &str,
        head: &audit::Head,
    ) -> Result<Option<Arc<RunItems>>, Problem> {
        let mut rows = Vec::new();
        self.read_rows(run_no, None, &mut |row| rows.push(row))?;
        let kept = RunItems::new(state.to_owned(), head, rows);
        let agrees = self.agrees(run_no, &kept)?;
        Ok(agrees.then(|| keep(run_id, kept)))
    }

    /// Reads the items of a run, or those with these numbers.
    fn read_rows(
        &mut self,
        run_no: i64,
        numbers: Option<&[i64]>,
        each: &mut dyn FnMut(Row),
    ) -> Result<(), Problem> {
        let dialect = self.dialect();
        let left = breaks::left_of_run(self.tx, "d", run_no)?;
        let (place, values) = match numbers {
            Some(numbers) => {
                (at_numbers(dialect).to_owned(), place_parameters(dialect, run_no, numbers))
            }
            None => (dialect.of_run("d", run_no), Vec::new()),
        };
        let sql = format!(
            "SELECT {}, coalesce(d.signature_id, 0), d.confidence, d.amount_abs, d.severity, \
             d.since, d.reason_id, d.is_locked, d.status, {left} \
             FROM recon.difference_rows d WHERE {place} AND d.status IS NOT NULL",
            dialect.key("d")
        );
        self.tx.query_each(&sql, &values, &mut |row| {
            each(Row::of(read_key(&row)?, &row)?);
            Ok(())
        })
    }
}

/// Keeps the items of a run for the next time.
fn keep(run_id: &str, kept: RunItems) -> Arc<RunItems> {
    let kept = Arc::new(kept);
    if let Ok(mut known) = CACHE.lock() {
        let others = known.iter().filter(|(id, _)| *id != run_id);
        let items: usize = others.map(|(_, one)| one.rows.len()).sum();
        if items + kept.rows.len() > MOST {
            known.clear();
        }
        known.insert(run_id.to_owned(), Arc::clone(&kept));
    }
    kept
}
