//! Publication of an attributed run, in one transaction: human decisions from the run before it, counts of its items
//! by kind, and the digest of its automatic decisions.

use std::collections::BTreeMap;

use super::audit::{self, By};
use super::breaks::{self, Breaks, Linked};
use super::carry::{Carried, Carry, replaced};
use super::follow;
use super::layout::{PLACE, UNDECIDED};
use super::machine_results::{self, MachineResults};
use super::prune::{self, Pruned};
use super::review::figures;
use super::rows::parameters;
use super::run::{AttributionCount, Counts};
use super::transact::{Dialect, Transaction};
use crate::diagnostic::Problem;
use crate::domain::{Instant, Stage, Status};

/// Items of a run by signature and status.
#[derive(Clone, Debug, Default)]
pub(super) struct ItemCounts(BTreeMap<(i64, i64), Items>);

/// Counts of a run that this writer created, so that nothing need be read back.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub items: ItemCounts,
    /// By reason, status and assigner.
    kinds: BTreeMap<(i64, u8, i64), u64>,
    blocked: u64,
    last_blocked: u64,
}

/// An attribution in numbers, as it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct CodedAttribution {
    pub reason: i64,
    pub functional: bool,
    pub status: Status,
    pub assigner: i64,
    pub signature: Option<i64>,
}

impl Written {
    /// Counts a difference of this record; those of a record come one after the other.
    pub fn add(&mut self, record: u64, given: CodedAttribution, amount: Option<f64>) {
        let status = given.status.code();
        self.items.add(given.signature, status, amount);
        *self.kinds.entry((given.reason, status, given.assigner)).or_default() += 1;
        let passes = given.status == Status::Accepted && given.functional;
        if !passes && self.last_blocked != record {
            self.blocked += 1;
            self.last_blocked = record;
        }
    }

    /// The counts for a run with this many records.
    pub fn counts<'a, N: Copy + Into<i64> + 'a>(
        &self,
        records: u64,
        reasons: impl IntoIterator<Item = (&'a String, &'a (N, bool))>,
        assigners: impl IntoIterator<Item = (&'a String, &'a N)>,
    ) -> Counts {
        let reasons: BTreeMap<i64, (&String, bool)> = reasons
            .into_iter()
            .map(|(code, (id, functional))| ((*id).into(), (code, *functional)))
            .collect();
        let assigners: BTreeMap<i64, &String> =
            assigners.into_iter().map(|(name, id)| ((*id).into(), name)).collect();
        let named = self.kinds.iter().filter_map(|((reason, status, assigner), count)| {
            let (code, functional) = reasons.get(reason)?;
            Some(AttributionCount {
                reason: (*code).clone(),
                functional: *functional,
                status: Status::from_code(*status)?,
                assigned_by: (*assigners.get(assigner)?).clone(),
                count: *count,
            })
        });
        let mut attributions: Vec<AttributionCount> = named.collect();
        attributions.sort_by(|a, b| {
            let key = |count: &AttributionCount| count.status.code();
            (&a.reason, key(a), &a.assigned_by).cmp(&(&b.reason, key(b), &b.assigned_by))
        });
        Counts { attributions, gate: (records.saturating_sub(self.blocked), self.blocked) }
    }
}

/// Number of items, and the amount at stake: a sum and its rounding error.
#[derive(Clone, Copy, Debug, Default)]
struct Items {
    count: i64,
    sum: f64,
    lost: f64,
}

impl ItemCounts {
    /// Counts an item that is about to be written.
    fn add(&mut self, signature: Option<i64>, status: u8, amount: Option<f64>) {
        let items = self.0.entry((signature.unwrap_or_default(), status.into())).or_default();
        items.take(1, amount.unwrap_or_default());
    }

    /// Counts an item that goes from one status to another.
    pub fn moved(&mut self, signature_id: i64, from: Status, to: Status, amount: f64) {
        for (status, count, amount) in [(from, -1, -amount), (to, 1, amount)] {
            let items = self.0.entry((signature_id, status.code().into())).or_default();
            items.take(count, amount);
        }
    }
}

impl Items {
    fn take(&mut self, count: i64, amount: f64) {
        self.count += count;
        // Neumaier's sum, as SQLite has it: millions of amounts lose nothing.
        let sum = self.sum + amount;
        self.lost += if self.sum.abs() >= amount.abs() {
            self.sum - sum + amount
        } else {
            amount - sum + self.sum
        };
        self.sum = sum;
    }
}

/// Where the items are.
pub(super) const ITEMS: &str = "difference_rows";

/// The part of the publishing transaction besides the run itself.
pub(super) struct Publication {
    counts: ItemCounts,
    results: MachineResults,
    carry: Option<Carry>,
    before: Option<Stage>,
    trimmed: bool,
}

/// Facts collected while a run was written; only of a run at a new stage.
pub(super) struct Gathered {
    pub results: MachineResults,
    /// How far the run had got.
    pub before: Option<Stage>,
    /// Its matched records are about to be deleted.
    pub trims: bool,
}

impl Gathered {
    /// Reads the facts that could not be collected; the items are in `table`.
    pub fn complete(
        mut self,
        tx: &mut dyn Transaction,
        table: &str,
        run_no: i64,
    ) -> Result<Self, Problem> {
        self.results = self.results.or_read(tx, table, run_no)?;
        if self.trims {
            self.results.read_broken_records(tx, run_no)?;
        }
        Ok(self)
    }

    /// Appends the results of a command that did not attribute to the audit trail.
    pub fn append(
        self,
        tx: &mut dyn Transaction,
        run_no: i64,
        now: Instant,
    ) -> Result<(), Problem> {
        let entry = self.results.entry(tx, run_no, self.before, self.trims)?;
        audit::append(tx, now, &By::system(), &[entry]).map(drop)
    }
}

impl Publication {
    /// Of a run that is not visible yet, with counts gathered while it was written. Its items are
    /// in `table`; with `counts` they were counted too.
    pub fn first(
        tx: &mut dyn Transaction,
        table: &str,
        run_no: i64,
        gathered: Gathered,
        counts: Option<ItemCounts>,
    ) -> Result<Self, Problem> {
        let counts = match counts {
            Some(counts) => counts,
            None => count_items(tx, table, run_no)?,
        };
        let Gathered { results, before, trims } = gathered.complete(tx, table, run_no)?;
        Ok(Self { counts, results, carry: Carry::prepare(tx, run_no)?, before, trimmed: trims })
    }

    /// For a run that users may be deciding on. The end of the audit trail is locked first: earlier decisions are
    /// counted, and later ones have their rows after ours.
    pub fn again(tx: &mut dyn Transaction, run_no: i64) -> Result<Self, Problem> {
        hold_before(tx, run_no)?;
        audit::head(tx, true)?;
        Ok(Self {
            counts: count_items(tx, ITEMS, run_no)?,
            results: MachineResults::read(tx, ITEMS, run_no)?,
            carry: None,
            before: Some(Stage::Attributed),
            trimmed: false,
        })
    }

    /// Carries decisions, moves open proposals, writes counts, and appends automatic, carried and moved decisions to
    /// the audit trail; gives the number of carried decisions and moved proposals. It comes last: the end of the
    /// trail is locked until the transaction ends.
    pub fn complete(
        mut self,
        tx: &mut dyn Transaction,
        run_no: i64,
        breaks: Option<Breaks>,
        now: Instant,
    ) -> Result<u64, Problem> {
        hold_before(tx, run_no)?;
        let mut entries = vec![self.results.entry(tx, run_no, self.before, self.trimmed)?];
        let mut twins = Vec::new();
        let mut take = |carried: Carried| {
            entries.extend(carried.entries);
            twins.push(carried.twins);
        };
        if let Some(carry) = self.carry {
            take(carry.apply(tx, &mut self.counts)?);
        }
        audit::head(tx, true)?;
        figures::forget(tx, run_no)?;
        let linked = breaks::link(tx, run_no, breaks)?;
        if let Some(carried) = carry_across(tx, run_no, &linked, &mut self.counts)? {
            take(carried);
        }
        write_counts(tx, run_no, &self.counts)?;
        let mut done = entries.len() as u64 - 1;
        for twins in twins {
            let (moved, proposals) = follow::follow(tx, &twins, now)?;
            entries.extend(moved);
            done += proposals;
        }
        settle(tx, linked)?;
        if self.before != Some(Stage::Attributed) {
            entries.extend(notes(tx, run_no)?);
        }
        audit::append(tx, now, &By::system(), &entries)?;
        Ok(done)
    }
}

/// Carries human decisions from the date before, unless the job's settings exclude it.
fn carry_across(
    tx: &mut dyn Transaction,
    run_no: i64,
    linked: &Linked,
    counts: &mut ItemCounts,
) -> Result<Option<Carried>, Problem> {
    let Some(before) = linked.before(run_no) else { return Ok(None) };
    let setting = match tx.dialect() {
        Dialect::Sqlite => "metadata ->> '$.carry_across_dates'",
        Dialect::Postgres => "metadata ->> 'carry_across_dates'",
    };
    let sql = format!(
        "SELECT CAST({setting} AS text) FROM recon.recon_runs WHERE run_no = $1 \
         AND EXISTS (SELECT 1 FROM recon.proposal_items)"
    );
    let setting = tx.find(&sql, &parameters![run_no], |row| row.text(0))?;
    if setting.is_none_or(|setting| matches!(setting.as_deref(), Some("false" | "0"))) {
        return Ok(None);
    }
    hold(tx, before)?;
    let pairs = linked.pairs(tx, run_no)?;
    let carry = Carry::across(tx, before, run_no, &pairs)?;
    carry.map(|carry| carry.carry_all(tx, counts)).transpose()
}

/// Notes about items move along with their breaks: from the superseded run, else from the run of the previous date.
fn notes(tx: &mut dyn Transaction, run_no: i64) -> Result<Vec<audit::Entry>, Problem> {
    let from = match replaced(tx, run_no)? {
        Some(replaced) => Some(replaced),
        None => breaks::before(tx, run_no)?,
    };
    from.map_or_else(|| Ok(Vec::new()), |from| follow::notes(tx, from, run_no))
}

/// Blocks decisions about the run of the date before until the transaction ends. This comes before the end of the
/// audit trail is locked, as it does in the review.
fn hold_before(tx: &mut dyn Transaction, run_no: i64) -> Result<(), Problem> {
    match breaks::before(tx, run_no)? {
        Some(before) => hold(tx, before),
        None => Ok(()),
    }
}

fn hold(tx: &mut dyn Transaction, run_no: i64) -> Result<(), Problem> {
    let lock = tx.dialect().for_update();
    let sql = format!("SELECT 1 FROM recon.recon_runs WHERE run_no = $1{lock}");
    tx.query(&sql, &parameters![run_no]).map(drop)
}

/// Takes differences whose breaks go on in a later run, or have cleared there, out of the queue and its counts.
fn settle(tx: &mut dyn Transaction, linked: Linked) -> Result<(), Problem> {
    let old = linked.old();
    for run_no in linked.mark(tx)? {
        let counts = count_items(tx, ITEMS, run_no)?;
        write_counts(tx, run_no, &counts)?;
    }
    old.into_iter().try_for_each(|run_no| bound(tx, run_no))
}

/// Stores lower bounds of the undecided items of a run of an older date, and the days on which their breaks began, so
/// that a page of the queue reads only from the runs that come first, and overdue items are counted without reading
/// each.
fn bound(tx: &mut dyn Transaction, run_no: i64) -> Result<(), Problem> {
    let has_left = breaks::runs_that_left(tx)?.contains(&run_no);
    let sql = "SELECT 1 FROM recon.recon_runs WHERE run_no = $1 AND unlisted";
    let is_listed = has_left || !tx.exists(sql, &parameters![run_no])?;
    // As the indexes have them. On SQLite none has both columns.
    let (rows, columns, confidence) = match tx.dialect() {
        dialect if dialect == Dialect::Postgres || !is_listed => (
            format!(
                "{} AND d.status = 1 AND d.later {}",
                dialect.of_run("d", run_no),
                if has_left { "< 0" } else { "IS NULL" }
            ),
            "coalesce(min(d.confidence), 0) AS confidence, ",
            "g.confidence".to_owned(),
        ),
        _ => {
            let place = if has_left { -run_no } else { run_no };
            let rows = format!("{UNDECIDED} AND {PLACE} = {place}");
            let least = format!(
                "(SELECT coalesce(min(d.confidence), 0) FROM recon.difference_rows d \
                 WHERE {rows} AND d.signature_id IS nullif(n.signature_id, 0))"
            );
            (format!("{rows} AND d.severity IN (1, 2, 3, 4)"), "", least)
        }
    };
    let sql = format!(
        "UPDATE recon.item_counts AS n \
         SET least_confidence = {confidence}, least_since = g.least, most_since = g.most \
         FROM (SELECT coalesce(d.signature_id, 0) AS signature_id, {columns}\
               coalesce(min(d.since), -2147483648) AS least, \
               coalesce(max(d.since), 2147483646) AS most \
               FROM recon.difference_rows d WHERE {rows} GROUP BY 1) g \
         WHERE n.run_no = {run_no} AND n.status = 1 AND n.signature_id = g.signature_id"
    );
    tx.execute(&sql, &[]).map(drop)
}

/// Counts the items of a run of which not every row is at hand; they are in this table.
fn count_items(tx: &mut dyn Transaction, table: &str, run_no: i64) -> Result<ItemCounts, Problem> {
    // An undecided item counts while its break is open, where that was seen last; that there are such items stays known.
    let has_left = format!("d.status = 1 AND {} > 0", breaks::left_of_run(tx, "d", run_no)?);
    let sql = format!(
        "SELECT coalesce(d.signature_id, 0), d.status, \
         sum(CASE WHEN {has_left} THEN 0 ELSE 1 END), \
         coalesce(sum(CASE WHEN {has_left} THEN 0.0 ELSE d.amount_abs END), 0.0) \
         FROM recon.{table} d WHERE {} AND d.status IS NOT NULL GROUP BY 1, 2",
        tx.dialect().of_run("d", run_no)
    );
    let mut counts = BTreeMap::new();
    for row in tx.query(&sql, &[])? {
        let sum = row.real(3)?.unwrap_or_default();
        let items = Items { count: row.count(2)?, sum, lost: 0.0 };
        counts.insert((row.count(0)?, row.count(1)?), items);
    }
    Ok(ItemCounts(counts))
}

/// Appends to the audit trail that a later command on a published run failed, as its row tells.
pub(super) fn append_failure(
    tx: &mut dyn Transaction,
    run_no: i64,
    reason: &str,
    now: Instant,
) -> Result<(), Problem> {
    let rows = tx.query(
        "SELECT run_id, status, end_time FROM recon.recon_runs WHERE run_no = $1",
        &parameters![run_no],
    )?;
    let Some(run) = rows.first() else { return Ok(()) };
    let run_id = run.required(0)?;
    let told = serde_json::json!({
        "run_id": run_id,
        "status": run.required(1)?,
        "end_time": run.text(2)?,
        "failure": reason,
    });
    let entry = audit::Entry {
        entity_type: "run".to_owned(),
        entity_id: run_id,
        stage: "SYSTEM".to_owned(),
        action_type: "FAIL".to_owned(),
        new_value: Some(told.to_string()),
        ..audit::Entry::default()
    };
    audit::append(tx, now, &By::system(), &[entry]).map(drop)
}

/// Appends the pruning of a run to the audit trail, with the remaining rows.
pub(super) fn append_pruned(
    tx: &mut dyn Transaction,
    pruned: &Pruned,
    run_no: i64,
    by: &By,
    now: Instant,
) -> Result<(), Problem> {
    let linked = breaks::forget(tx, run_no)?;
    settle(tx, linked)?;
    let left = machine_results::pruned(tx, run_no, pruned.kept)?;
    let entry = audit::Entry { new_value: Some(left.to_string()), ..prune::entry(pruned) };
    audit::append(tx, now, by, &[entry]).map(drop)
}

/// Writes the counts of a run in place of those that it had.
fn write_counts(tx: &mut dyn Transaction, run_no: i64, counts: &ItemCounts) -> Result<(), Problem> {
    tx.execute("DELETE FROM recon.item_counts WHERE run_no = $1", &parameters![run_no])?;
    for ((signature_id, status), items) in &counts.0 {
        tx.execute(
            "INSERT INTO recon.item_counts (run_no, signature_id, status, items, amount_sum) \
             VALUES ($1, $2, $3, $4, $5)",
            &parameters![run_no, *signature_id, *status, items.count, items.sum + items.lost],
        )?;
    }
    Ok(())
}
