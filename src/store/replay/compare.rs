//! Compares the tables with the trail, table by table.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::super::breaks;
use super::super::digest::{RowDigest, canonical};
use super::super::machine_results::{
    self, COLUMNS, ItemRow, JOINS, ReadItems, records_digest, rejected_digest, run_digest,
};
use super::super::rows::parameters;
use super::super::seal;
use super::super::transact::Transaction;
use super::{Replay, Run, State, Trail, TrailItem};
use crate::diagnostic::Problem;
use crate::domain::{AssignedBy, Status};

/// Compares the row, records and rejected rows of every run with the trail.
pub(super) fn compare_runs(
    tx: &mut dyn Transaction,
    runs: &HashMap<String, Run>,
    trail: &Trail,
    found: &mut Replay,
) -> Result<(), Problem> {
    for (run_id, gone) in &trail.gone {
        if gone.pruned || gone.is_old {
            found.pruned += 1;
        } else {
            let seq = gone.seq;
            found.differs.push(format!(
                "run {run_id}: row {seq} of the trail names it, but there is no such run"
            ));
        }
    }
    // Runs are numbered as they begin, so after the first with digests all have them.
    let digested = runs.values().filter(|run| run.known.digests.contains_key("run"));
    let first = digested.map(|run| run.run_no).min();
    let mut newest: HashMap<(&str, &str), &Run> = HashMap::new();
    for run in runs.values().filter(|run| run.is_attributed()) {
        let newest = newest.entry((&run.job, &run.batch_date)).or_insert(run);
        if (&newest.start_time, newest.run_no) < (&run.start_time, run.run_no) {
            *newest = run;
        }
    }
    for run in runs.values() {
        let run_id = &run.run_id;
        let mut differs = |what: String| found.differs.push(format!("run {run_id}: {what}"));
        let known = &run.known;
        if run.pruned {
            found.pruned += 1;
        }
        if run.pruned && !known.pruned && known.digests.contains_key("run") {
            differs("it is marked as pruned, but the trail has no such row".to_owned());
        }
        if known.pruned && !run.pruned {
            differs("the trail has its pruning, but it is not marked as pruned".to_owned());
        }
        if run.trim_pending && run.keep_all {
            differs("records are to be deleted from it, though all are kept".to_owned());
        }
        let expected = newest
            .get(&(run.job.as_str(), run.batch_date.as_str()))
            .filter(|newest| run.is_attributed() && newest.run_no != run.run_no)
            .map(|newest| &newest.run_id);
        if run.superseded_by.as_ref() != expected {
            // The run that took its place may have been pruned since.
            let gone = run.superseded_by.as_ref().and_then(|id| trail.gone.get(id));
            let pruned = gone.is_some_and(|gone| {
                (gone.pruned || gone.is_old)
                    && gone.job == run.job
                    && gone.batch_date == run.batch_date
            });
            if !pruned {
                differs(format!(
                    "superseded_by is {}, it should be {}",
                    run.superseded_by.as_deref().unwrap_or("null"),
                    expected.map_or("null", String::as_str)
                ));
            }
        }
        match &known.stands {
            Some(stands) => {
                let seq = stands.seq;
                let mut column = |name: &str, recorded: &str, there: &str| {
                    if recorded != there {
                        differs(format!(
                            "{name} is {there}, row {seq} of the trail has {recorded}"
                        ));
                    }
                };
                column("stage", &stands.stage, &run.stage);
                let text =
                    |text: &Option<String>| text.clone().unwrap_or_else(|| "null".to_owned());
                // A command that is under way sets the status first and the rest at its end.
                if run.status != "RUNNING" {
                    column("status", &stands.status, &run.status);
                    column("end_time", &text(&stands.end_time), &text(&run.end_time));
                }
                column("failure", &text(&stands.failure), &text(&run.failure));
            }
            None if known.decisions.is_none()
                && !run.stage.is_empty()
                && first.is_some_and(|first| first < run.run_no) =>
            {
                differs("the trail has no row about it".to_owned());
            }
            None if known.decisions.is_some() && !run.is_attributed() => {
                differs("the trail has its attribution".to_owned());
            }
            None => {}
        }
        let mut digest =
            |name: &str,
             what: &str,
             digest: &dyn Fn(&mut dyn Transaction) -> Result<String, Problem>| {
                if let Some((seq, known)) = known.digests.get(name)
                    && digest(tx)? != *known
                {
                    differs(format!("{what} not what row {seq} of the trail knows"));
                }
                Ok::<(), Problem>(())
            };
        let run_no = run.run_no;
        digest("run", "its own row is", &|tx| run_digest(tx, run_no))?;
        digest("rejected", "its rejected rows are", &|tx| rejected_digest(tx, run_no))?;
        // The next command trims the rest; until then there are more.
        if !run.trim_pending {
            digest("records", "its records are", &|tx| records_digest(tx, run_no))?;
        }
    }
    Ok(())
}

/// A run whose items are being read.
struct Reading<'a> {
    prefix: String,
    run: &'a Run,
    decisions: RowDigest,
    items: ReadItems,
}

impl<'a> Reading<'a> {
    fn new(prefix: &str, run: &'a Run) -> Self {
        Self {
            prefix: prefix.to_owned(),
            run,
            decisions: RowDigest::default(),
            items: ReadItems::default(),
        }
    }

    /// Reports automatic results that differ from the trail.
    fn end(self, found: &mut Replay) {
        let run_id = &self.run.run_id;
        let known = &self.run.known;
        if let Some((seq, _, digest)) = &known.decisions
            && self.run.is_attributed()
            && !digest.is_empty()
            && !(self.run.pruned && known.digests.is_empty())
            && self.decisions.finish() != *digest
        {
            found.differs.push(format!(
                "run {run_id}: what the machine decided is not what row {seq} of the trail knows; an \
                 item that people had not touched was changed, added or taken out"
            ));
        }
        let (differences, explanations) = self.items.finish();
        let mut compare = |name: &str, there: String| {
            if let Some((seq, digest)) = known.digests.get(name)
                && there != *digest
            {
                found.differs.push(format!(
                    "run {run_id}: its {name} are not what row {seq} of the trail knows"
                ));
            }
        };
        compare("differences", differences);
        if self.run.is_attributed() {
            compare("explanations", explanations);
        }
    }
}

/// How many items of each run, signature and status there are: their number, the sum of their amounts,
/// and the sum of these without their signs.
type Counted = BTreeMap<(i64, i64, u8), (i64, f64, f64)>;

/// Compares every item with the trail, and every run with its digests. Items that are found are removed from the
/// trail's.
pub(super) fn compare_items(
    tx: &mut dyn Transaction,
    runs: &HashMap<String, Run>,
    recorded: &mut HashMap<String, TrailItem>,
    found: &mut Replay,
) -> Result<Counted, Problem> {
    let dialect = tx.dialect();
    let sql = format!(
        "SELECT {COLUMNS}, r.attribution_prefix, d.later FROM recon.difference_rows d \
         JOIN recon.recon_runs r ON r.run_no = {} {JOINS} \
         WHERE r.stage IN ('COMPARED', 'ATTRIBUTED') ORDER BY {}",
        dialect.run_no("d"),
        dialect.order("d", "")
    )
    .replace("NUMBER", &tx.dialect().number("d"));
    let (next_runs, left) = (breaks::next_runs(tx)?, breaks::runs_that_left(tx)?);
    let mut counted = Counted::new();
    // Runs without any difference have digests as well, which are those of nothing.
    let mut unread: BTreeSet<&str> = runs
        .iter()
        .filter(|(_, run)| matches!(run.stage.as_str(), "COMPARED" | "ATTRIBUTED"))
        .map(|(prefix, _)| prefix.as_str())
        .collect();
    let mut reading: Option<Reading<'_>> = None;
    tx.query_each(&sql, &[], &mut |row| {
        let prefix = row.required(18)?;
        let later = row.integer(19)?;
        let row = ItemRow::read(&row)?;
        if reading.as_ref().is_none_or(|reading| reading.prefix != prefix) {
            if let Some(read) = reading.take() {
                read.end(found);
            }
            if let Some(run) = runs.get(&prefix) {
                unread.remove(prefix.as_str());
                reading = Some(Reading::new(&prefix, run));
            }
        }
        let Some(reading) = &mut reading else { return Ok(()) };
        reading.items.take(&row);
        if !reading.run.is_attributed() {
            return Ok(());
        }
        let id = format!("{prefix}{:012x}", row.number);
        let Some(status) = row.status else {
            found.differs.push(format!("{id}: it has no status"));
            return Ok(());
        };
        let key = (reading.run.run_no, row.signature_id, status.code());
        let next = next_runs.get(&reading.run.run_no).copied();
        let has_left = later.map_or(left.contains(&reading.run.run_no), |later| later > 0);
        if later.is_some_and(|later| later > 0) && later != next {
            found
                .differs
                .push(format!("{id}: a run that does not follow took it out of the queue"));
        }
        // An undecided item counts where its break was seen last.
        if !has_left || status != Status::Unknown {
            let (items, sum, size) = counted.entry(key).or_default();
            *items += 1;
            *sum += row.amount.unwrap_or_default();
            *size += row.amount.unwrap_or_default().abs();
        }
        let now = State::of(&row);
        let recorded = recorded.remove(&id);
        let since = reading.run.since();
        let version = reading
            .run
            .known
            .decisions
            .as_ref()
            .map_or(machine_results::VERSION, |(_, version, _)| *version);
        let machine = match &recorded {
            Some(recorded) if recorded.since == since => recorded.machine.clone(),
            _ => now.machine(row.number, version),
        };
        if let Some(bytes) = machine {
            reading.decisions.encoded(&bytes);
        }
        match recorded {
            Some(recorded) if !recorded.state.agrees(&now) => {
                // The machine may have decided anew after people gave it back: then it is the machine's.
                let given_back =
                    recorded.state.machine(row.number, version).is_some() && recorded.seq < since;
                if !given_back || now.is_peoples() {
                    let state = recorded.state;
                    found.differs.push(format!("{id}: the trail has {state}; the table has {now}"));
                }
            }
            None if now.is_peoples() => {
                found.differs.push(format!("{id}: the trail has nothing; the table has {now}"));
            }
            _ => {}
        }
        Ok(())
    })?;
    if let Some(read) = reading {
        read.end(found);
    }
    for prefix in unread {
        if let Some(run) = runs.get(prefix) {
            Reading::new(prefix, run).end(found);
        }
    }
    Ok(counted)
}

/// Compares the counts that lists show with the items.
pub(super) fn compare_counts(
    tx: &mut dyn Transaction,
    runs: &HashMap<String, Run>,
    mut counted: Counted,
    found: &mut Replay,
) -> Result<(), Problem> {
    let attributed: HashMap<i64, &Run> =
        runs.values().filter(|run| run.is_attributed()).map(|run| (run.run_no, run)).collect();
    let mut wrong: BTreeSet<i64> = BTreeSet::new();
    tx.query_each(
        "SELECT run_no, signature_id, status, items, amount_sum FROM recon.item_counts",
        &[],
        &mut |row| {
            let run_no = row.count(0)?;
            let status = u8::try_from(row.count(2)?).unwrap_or_default();
            let (items, sum, size) =
                counted.remove(&(run_no, row.count(1)?, status)).unwrap_or_default();
            let there = row.real(4)?.unwrap_or_default();
            // Amounts come and go as decisions are made; rounding errors are far below a cent.
            let close = (there - sum).abs() <= 1e-6 * (1.0 + size);
            if row.count(3)? != items || !close {
                wrong.insert(run_no);
            }
            Ok(())
        },
    )?;
    wrong.extend(counted.keys().map(|(run_no, ..)| *run_no));
    for run_no in wrong {
        let run = attributed.get(&run_no).map_or("that is gone", |run| run.run_id.as_str());
        found
            .differs
            .push(format!("run {run}: the counts of its items are not those of its items"));
    }
    Ok(())
}

/// Compares proposals, who took part and who approved, and their items, with their seals.
pub(super) fn compare_proposals(
    tx: &mut dyn Transaction,
    trail: &Trail,
    found: &mut Replay,
) -> Result<(), Problem> {
    for (id, sealed) in &trail.proposals {
        let seq = sealed.seq;
        match seal::proposal(tx, id)? {
            None => found
                .differs
                .push(format!("proposal {id}: the trail names it, but there is no such proposal")),
            Some(there) => {
                if sealed.proposal.as_ref().is_some_and(|known| *known != there) {
                    found.differs.push(format!(
                        "proposal {id}: it, its contributors or its approvals are not as row {seq} \
                         of the trail left them"
                    ));
                }
                if let Some(known) = &sealed.items
                    && seal::items(tx, id)? != *known
                {
                    found.differs.push(format!("proposal {id}: its items were changed"));
                }
            }
        }
    }
    let rows = tx.query("SELECT proposal_id FROM recon.proposals", &[])?;
    for row in rows {
        let id = row.required(0)?;
        if !trail.proposals.contains_key(&id) {
            found.differs.push(format!("proposal {id}: the trail has no row about it"));
        }
    }
    let rows = tx.query(
        "SELECT DISTINCT i.proposal_id FROM recon.proposal_items i \
         JOIN recon.proposals p ON p.proposal_id = i.proposal_id \
         WHERE (i.open = $1) <> (p.closed_at IS NULL)",
        &parameters![true],
    )?;
    for row in rows {
        let id = row.required(0)?;
        found
            .differs
            .push(format!("proposal {id}: its items are open and it is not, or the other way"));
    }
    Ok(())
}

pub(super) fn compare_policies(
    tx: &mut dyn Transaction,
    trail: &Trail,
    found: &mut Replay,
) -> Result<(), Problem> {
    let rows = tx
        .query("SELECT policy_version, policy, adopted_at, proposal_id FROM recon.policies", &[])?;
    let mut there = HashSet::new();
    for row in rows {
        let version = row.count(0)?.to_string();
        let (policy, adopted_at) = (canonical(&row.required(1)?), row.required(2)?);
        let agrees = trail.policies.get(&version).is_some_and(|adopted| {
            let in_time =
                if adopted.is_exact { adopted_at == adopted.at } else { adopted_at <= adopted.at };
            adopted.policy == policy && in_time
        }) && trail.policies.get(&version).map(|adopted| &adopted.proposal_id)
            == Some(&row.text(3)?);
        if !agrees {
            found
                .differs
                .push(format!("policy {version}: it differs from the one adopted in the trail"));
        }
        there.insert(version);
    }
    for version in trail.policies.keys().filter(|version| !there.contains(*version)) {
        found
            .differs
            .push(format!("policy {version}: the trail names it, but there is no such policy"));
    }
    Ok(())
}

/// Compares comments, and who items were given to.
pub(super) fn compare_comments(
    tx: &mut dyn Transaction,
    trail: &Trail,
    found: &mut Replay,
) -> Result<(), Problem> {
    let mut there = HashSet::new();
    let mut differs = Vec::new();
    tx.query_each(
        "SELECT c.comment_id, r.attribution_prefix, c.number, c.person_id, c.text \
         FROM recon.item_comments c LEFT JOIN recon.recon_runs r ON r.run_no = c.run_no",
        &[],
        &mut |row| {
            let id = row.required(0)?;
            let item = format!("{}{:012x}", row.text(1)?.unwrap_or_default(), row.count(2)?);
            let comment = [item, row.required(3)?, row.required(4)?];
            if trail.comments.get(&id) != Some(&comment) {
                differs.push(format!("comment {id}: it differs from the trail"));
            }
            there.insert(id);
            Ok(())
        },
    )?;
    for id in trail.comments.keys().filter(|id| !there.contains(*id)) {
        differs.push(format!("comment {id}: the trail names it, but there is no such comment"));
    }
    let mut given: BTreeMap<&String, &String> = trail
        .assignments
        .iter()
        .filter_map(|(item, given)| Some((item, given.as_ref()?)))
        .collect();
    tx.query_each(
        "SELECT r.attribution_prefix, a.number, a.assignee \
         FROM recon.assignments a LEFT JOIN recon.recon_runs r ON r.run_no = a.run_no",
        &[],
        &mut |row| {
            let item = format!("{}{:012x}", row.text(0)?.unwrap_or_default(), row.count(1)?);
            let assignee = row.required(2)?;
            if given.remove(&item).is_none_or(|recorded| *recorded != assignee) {
                differs.push(format!("{item}: the trail does not tell that {assignee} has it"));
            }
            Ok(())
        },
    )?;
    for (item, assignee) in given {
        differs.push(format!("{item}: in the trail it is assigned to {assignee}"));
    }
    found.differs.append(&mut differs);
    Ok(())
}

/// Compares who gave reasons with the rule that a name decides if it is a person.
pub(super) fn compare_assigners(
    tx: &mut dyn Transaction,
    found: &mut Replay,
) -> Result<(), Problem> {
    for row in tx.query("SELECT name, is_person FROM recon.assigners", &[])? {
        let name = row.required(0)?;
        let is_person = matches!(AssignedBy::parse(&name), AssignedBy::Person(_));
        if row.boolean(1)? != is_person {
            found.differs.push(format!("assigner {name}: whether it is a person was changed"));
        }
    }
    Ok(())
}
