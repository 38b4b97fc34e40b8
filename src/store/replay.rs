//! The tables against what the audit trail tells.
//!
//! What people decided about an item is read from the trail and compared with its row. What the machine
//! wrote is compared run by run: the trail has digests of it ([`super::machine_results`]), and the
//! machine's state of an item that people touched since is the first `previous_value` after that. What
//! the review keeps beside the items is compared with its seals ([`super::seal`]) or with the rows of the
//! trail that tell it, and what can be computed from other tables is computed once more. So nothing can
//! be changed by another hand without being found, be it an item that nobody ever looked at.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value as Json;

use super::breaks;
use super::digest::{RowDigest, canonical};
use super::machine_results::{
    self, COLUMNS, Decision, ItemRow, JOINS, ReadItems, is_machines, records_digest,
    rejected_digest, run_digest,
};
use super::rows::parameters;
use super::seal;
use super::transact::{SqlRow, Transaction};
use crate::diagnostic::Problem;
use crate::domain::{AssignedBy, Status};

/// The most differences that are named.
const NAMED: usize = 50;

#[derive(Debug, Default)]
pub(super) struct Replay {
    pub differs: Vec<String>,
    /// Runs that were pruned, so that the machine's results can't be compared.
    pub pruned: u64,
}

/// A run as its row has it.
struct Run {
    run_no: i64,
    run_id: String,
    job: String,
    batch_date: String,
    start_time: String,
    stage: String,
    status: String,
    end_time: Option<String>,
    superseded_by: Option<String>,
    keep_all: bool,
    trim_pending: bool,
    pruned: bool,
    failure: Option<String>,
    known: Known,
}

impl Run {
    fn is_attributed(&self) -> bool {
        self.stage == "ATTRIBUTED"
    }

    /// The number of the last row about what the machine decided.
    fn since(&self) -> i64 {
        self.known.decisions.as_ref().map_or(0, |(seq, ..)| *seq)
    }
}

/// A run as the trail knows it.
#[derive(Default)]
struct Known {
    /// The row, the version and the digest of what the machine decided.
    decisions: Option<(i64, u64, String)>,
    /// The other digests by name, each with its row.
    digests: BTreeMap<&'static str, (i64, String)>,
    /// How the run stands: the row, and stage, status, end and failure as the columns should have them.
    stands: Option<Stands>,
    /// A row tells that the run was pruned.
    pruned: bool,
}

struct Stands {
    seq: i64,
    stage: String,
    status: String,
    end_time: Option<String>,
    failure: Option<String>,
}

/// The digests but that of decisions.
const DIGESTS: [&str; 5] = ["run", "records", "rejected", "differences", "explanations"];

impl Known {
    fn take(&mut self, seq: i64, action: &str, told: &Json) {
        let text = |name: &str| told.get(name).and_then(Json::as_str).map(str::to_owned);
        let version = told.get("digest").and_then(Json::as_u64).unwrap_or(1);
        if action == "FAIL" {
            if let Some(stands) = &mut self.stands {
                stands.seq = seq;
                stands.status = text("status").unwrap_or_default();
                stands.end_time = text("end_time");
                stands.failure = text("failure");
            }
            return;
        }
        if action == "PRUNE" {
            self.pruned = true;
            // Only what the row tells is there to be compared from here on.
            self.digests.retain(|name, _| *name == "run");
            if let Some((_, _, digest)) = &mut self.decisions {
                digest.clear();
            }
        }
        for name in DIGESTS {
            if let Some(digest) = text(name) {
                self.digests.insert(name, (seq, digest));
            }
        }
        if let Some(digest) = text("sha256") {
            self.decisions = Some((seq, version, digest));
        }
        if let (Some(stage), Some(status)) = (text("stage"), text("status")) {
            let (end_time, failure) = (text("end_time"), text("failure"));
            self.stands = Some(Stands { seq, stage, status, end_time, failure });
        }
    }
}

/// An item's state as the trail has it.
struct Told {
    /// The number of the last row that tells its state.
    seq: i64,
    state: State,
    /// The row about the machine's results after which `machine` was found.
    since: i64,
    /// The machine's decision about the item as bytes, if it was the machine's before people took it.
    machine: Option<Vec<u8>>,
}

/// The state of an item.
#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    status: String,
    reason: String,
    confidence: f64,
    locked: bool,
    version: i64,
    by: String,
    /// Whether the reason is functional, and since when it is given; rows of earlier versions of recon
    /// don't tell.
    more: Option<(Option<bool>, Option<String>)>,
}

impl State {
    /// The state in a value of the trail, if it tells one.
    fn told(value: &Json) -> Option<Self> {
        let text =
            |name: &str| value.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        value.get("status")?;
        Some(Self {
            status: text("status"),
            reason: text("reason_code"),
            confidence: value.get("confidence").and_then(Json::as_f64).unwrap_or_default(),
            locked: value.get("is_locked").and_then(Json::as_bool).unwrap_or_default(),
            version: value.get("version").and_then(Json::as_i64).unwrap_or_default(),
            by: text("assigned_by"),
            more: value.get("functional").map(|functional| {
                let at = value.get("assigned_at").and_then(Json::as_str);
                (functional.as_bool(), at.map(str::to_owned))
            }),
        })
    }

    fn of(row: &ItemRow) -> Self {
        Self {
            status: row.status.map_or("", Status::name).to_owned(),
            reason: row.reason.clone(),
            confidence: row.confidence,
            locked: row.locked,
            version: row.version,
            by: row.by.clone(),
            more: Some((row.functional, row.assigned_at.clone())),
        }
    }

    /// The bytes that it is among the machine's decisions, if it is the machine's.
    fn machine(&self, number: u64, version: u64) -> Option<Vec<u8>> {
        let status = Status::from_name(&self.status)?;
        is_machines(status, self.locked, &self.by).then(|| {
            let (functional, assigned_at) = self.more.clone().unwrap_or_default();
            let mut bytes = Vec::new();
            let decision = Decision {
                number,
                status: &self.status,
                reason: &self.reason,
                confidence: self.confidence,
                by: &self.by,
                functional,
                version: self.version,
                assigned_at: assigned_at.as_deref(),
            };
            decision.bytes(version, &mut bytes);
            bytes
        })
    }

    fn is_of_person(&self) -> bool {
        matches!(AssignedBy::parse(&self.by), AssignedBy::Person(_))
    }

    /// Whether people hold it, or decided it.
    fn is_peoples(&self) -> bool {
        self.locked || self.is_of_person() || self.status == "PENDING" || self.status == "REJECTED"
    }

    /// Whether both are the same, as far as both tell.
    fn agrees(&self, other: &Self) -> bool {
        let more = self.more.is_none() || other.more.is_none() || self.more == other.more;
        more && Self { more: None, ..self.clone() } == Self { more: None, ..other.clone() }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { status, reason, confidence, version, by, .. } = self;
        let locked = if self.locked { "locked" } else { "not locked" };
        write!(f, "{status} {reason} {confidence} by {by}, {locked}, version {version}")?;
        if let Some((functional, assigned_at)) = &self.more {
            match functional {
                Some(true) => write!(f, ", functional")?,
                Some(false) => write!(f, ", not functional")?,
                None => {}
            }
            if let Some(at) = assigned_at {
                write!(f, ", at {at}")?;
            }
        }
        Ok(())
    }
}

fn parsed(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_default()
}

/// The number of an item within its run, which its id ends with.
fn number_of(attribution_id: &str) -> u64 {
    attribution_id
        .get(24..)
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .unwrap_or_default()
}

/// Everything that the trail tells, by what it is about.
#[derive(Default)]
struct Trail {
    items: HashMap<String, Told>,
    /// Runs that are gone, by their ids: whether a row tells that they were pruned, and their job's date.
    gone: BTreeMap<String, Gone>,
    /// The last seal of each proposal, with its row.
    proposals: BTreeMap<String, Sealed>,
    /// Policies by their versions: the row's number, policy, proposal, and when at the latest and the
    /// earliest.
    policies: BTreeMap<String, Adopted>,
    /// Comments by their ids: item, author and text.
    comments: BTreeMap<String, [String; 3]>,
    /// The latest assignee of an item.
    assignments: BTreeMap<String, Option<String>>,
}

#[derive(Default)]
struct Gone {
    seq: i64,
    pruned: bool,
    /// The trail had no digest of its row when it was written.
    is_old: bool,
    job: String,
    batch_date: String,
}

#[derive(Default)]
struct Sealed {
    seq: i64,
    proposal: Option<String>,
    items: Option<String>,
}

struct Adopted {
    policy: String,
    proposal_id: Option<String>,
    at: String,
    /// The clock may have been set back: then the row has the time of the one before.
    is_exact: bool,
}

/// Compares the tables with what the trail tells.
///
/// # Errors
/// Errors of the store.
pub(super) fn replay(tx: &mut dyn Transaction) -> Result<Replay, Problem> {
    let mut runs = runs(tx)?;
    let mut trail = trail(tx, &mut runs)?;
    let mut found = Replay::default();
    compare_runs(tx, &runs, &trail, &mut found)?;
    let counted = compare_items(tx, &runs, &mut trail.items, &mut found)?;
    compare_counts(tx, &runs, counted, &mut found)?;
    compare_proposals(tx, &trail, &mut found)?;
    compare_policies(tx, &trail, &mut found)?;
    compare_talk(tx, &trail, &mut found)?;
    compare_assigners(tx, &mut found)?;
    // Pruning keeps every item that the trail names. A run under way is not looked at.
    for (id, told) in trail.items {
        let run = id.get(..24).and_then(|prefix| runs.get(prefix));
        if run.is_none_or(Run::is_attributed) {
            let state = told.state;
            found.differs.push(format!("{id}: the trail tells {state}, there is no such item"));
        }
    }
    found.differs.sort_unstable();
    found.differs.truncate(NAMED);
    Ok(found)
}

/// The runs that there are, by how the ids of their attributions begin.
fn runs(tx: &mut dyn Transaction) -> Result<HashMap<String, Run>, Problem> {
    let rows = tx.query(
        "SELECT attribution_prefix, run_no, run_id, job, batch_date, start_time, \
         coalesce(stage, ''), status, end_time, superseded_by, keep_all, trim_pending, \
         metadata ->> 'pruned_at', metadata ->> 'failure' FROM recon.recon_runs",
        &[],
    )?;
    let run = |row: SqlRow| {
        Ok((
            row.required(0)?,
            Run {
                run_no: row.count(1)?,
                run_id: row.required(2)?,
                job: row.required(3)?,
                batch_date: row.required(4)?,
                start_time: row.required(5)?,
                stage: row.required(6)?,
                status: row.required(7)?,
                end_time: row.text(8)?,
                superseded_by: row.text(9)?,
                keep_all: row.boolean(10)?,
                trim_pending: row.boolean(11)?,
                pruned: row.text(12)?.is_some(),
                failure: row.text(13)?,
                known: Known::default(),
            },
        ))
    };
    rows.into_iter().map(run).collect()
}

fn trail(tx: &mut dyn Transaction, runs: &mut HashMap<String, Run>) -> Result<Trail, Problem> {
    let mut trail = Trail::default();
    let prefixes: HashMap<String, String> =
        runs.iter().map(|(prefix, run)| (run.run_id.clone(), prefix.clone())).collect();
    let mut last_time = String::new();
    tx.query_each(
        "SELECT seq, attribution_id, previous_value, new_value, entity_id, entity_type, \
         action_type, proposal_id, actor_id, comments, performed_at FROM recon.audit_trail \
         WHERE new_value IS NOT NULL ORDER BY seq",
        &[],
        &mut |row| {
            let seq = row.count(0)?;
            let text = row.required(3)?;
            let (entity, action) = (row.required(5)?, row.required(6)?);
            let performed_at = row.required(10)?;
            let is_exact = performed_at != last_time;
            last_time.clone_from(&performed_at);
            let proposal_id = row.text(7)?;
            if entity == "policy" {
                let at = performed_at;
                let adopted = Adopted { policy: canonical(&text), proposal_id, at, is_exact };
                trail.policies.insert(row.required(4)?, adopted);
                return Ok(());
            }
            let value = parsed(&text);
            if let Some(proposal_id) = proposal_id {
                let sealed = trail.proposals.entry(proposal_id).or_default();
                let digest = |name: &str| {
                    let digest = value.get("sealed").and_then(|sealed| sealed.get(name));
                    digest.and_then(Json::as_str).map(str::to_owned)
                };
                if let Some(proposal) = digest("proposal") {
                    sealed.seq = seq;
                    sealed.proposal = Some(proposal);
                }
                if let Some(items) = digest("items") {
                    sealed.items = Some(items);
                }
            }
            let Some(id) = row.text(1)? else {
                if entity == "run" {
                    let run_id = row.required(4)?;
                    match prefixes.get(&run_id).and_then(|prefix| runs.get_mut(prefix)) {
                        Some(run) => run.known.take(seq, &action, &value),
                        None => {
                            let gone = trail.gone.entry(run_id).or_default();
                            let text = |name: &str| value.get(name).and_then(Json::as_str);
                            gone.pruned |= action == "PRUNE";
                            if matches!(action.as_str(), "INGEST" | "COMPARE" | "ATTRIBUTE") {
                                gone.seq = seq;
                                gone.is_old = value.get("digest").is_none();
                                gone.job = text("job").unwrap_or_default().to_owned();
                                gone.batch_date = text("batch_date").unwrap_or_default().to_owned();
                            }
                        }
                    }
                }
                return Ok(());
            };
            let member = |name: &str| value.get(name).and_then(Json::as_str).map(str::to_owned);
            match action.as_str() {
                "COMMENT" => {
                    if let Some(comment_id) = member("comment_id") {
                        let said = row.text(9)?.unwrap_or_default();
                        trail.comments.insert(comment_id, [id, row.required(8)?, said]);
                    }
                    return Ok(());
                }
                "ASSIGN" => {
                    trail.assignments.insert(id, member("assignee"));
                    return Ok(());
                }
                _ => {}
            }
            let Some(state) = State::told(&value) else { return Ok(()) };
            let run = id.get(..24).and_then(|prefix| runs.get(prefix));
            let decisions = run.and_then(|run| run.known.decisions.as_ref());
            let (since, version) = decisions
                .map_or((0, machine_results::VERSION), |(seq, version, _)| (*seq, *version));
            match trail.items.get_mut(&id) {
                Some(told) if told.since == since => {
                    told.seq = seq;
                    told.state = state;
                }
                _ => {
                    let before = row.text(2)?.as_deref().map(parsed);
                    let before = before.as_ref().and_then(State::told);
                    let machine = before.and_then(|before| before.machine(number_of(&id), version));
                    trail.items.insert(id, Told { seq, state, since, machine });
                }
            }
            Ok(())
        },
    )?;
    Ok(trail)
}

/// Compares every run with what the trail knows of its row, its records and its rejected rows.
fn compare_runs(
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
                "run {run_id}: row {seq} of the trail tells of it, there is no such run"
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
            differs("it is marked as pruned, the trail tells nothing of that".to_owned());
        }
        if known.pruned && !run.pruned {
            differs("the trail tells that it was pruned, it is not marked so".to_owned());
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
                let mut column = |name: &str, told: &str, there: &str| {
                    if told != there {
                        differs(format!("{name} is {there}, row {seq} of the trail tells {told}"));
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
                differs("the trail tells nothing of it".to_owned());
            }
            None if known.decisions.is_some() && !run.is_attributed() => {
                differs("the trail tells that it was attributed".to_owned());
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

    /// Says so if the machine's results are others than the trail knows.
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

/// Compares every item with what is told of it, and every run with its digests. What is told of items
/// that are there is taken out.
fn compare_items(
    tx: &mut dyn Transaction,
    runs: &HashMap<String, Run>,
    told: &mut HashMap<String, Told>,
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
        let told = told.remove(&id);
        let since = reading.run.since();
        let version = reading
            .run
            .known
            .decisions
            .as_ref()
            .map_or(machine_results::VERSION, |(_, version, _)| *version);
        let machine = match &told {
            Some(told) if told.since == since => told.machine.clone(),
            _ => now.machine(row.number, version),
        };
        if let Some(bytes) = machine {
            reading.decisions.encoded(&bytes);
        }
        match told {
            Some(told) if !told.state.agrees(&now) => {
                // The machine may have decided anew what people gave back: then it is the machine's.
                let given_back =
                    told.state.machine(row.number, version).is_some() && told.seq < since;
                if !given_back || now.is_peoples() {
                    let state = told.state;
                    found
                        .differs
                        .push(format!("{id}: the trail tells {state}; the table has {now}"));
                }
            }
            None if now.is_peoples() => {
                found.differs.push(format!("{id}: the trail tells nothing; the table has {now}"));
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
fn compare_counts(
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
            // Amounts come and go as decisions are made; what rounding leaves is far below a cent.
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
fn compare_proposals(
    tx: &mut dyn Transaction,
    trail: &Trail,
    found: &mut Replay,
) -> Result<(), Problem> {
    for (id, sealed) in &trail.proposals {
        let seq = sealed.seq;
        match seal::proposal(tx, id)? {
            None => found
                .differs
                .push(format!("proposal {id}: the trail tells of it, there is no such proposal")),
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
            found.differs.push(format!("proposal {id}: the trail tells nothing of it"));
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

fn compare_policies(
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
                .push(format!("policy {version}: it is not what the trail tells was adopted"));
        }
        there.insert(version);
    }
    for version in trail.policies.keys().filter(|version| !there.contains(*version)) {
        found
            .differs
            .push(format!("policy {version}: the trail tells of it, there is no such policy"));
    }
    Ok(())
}

/// Compares comments, and who items were given to.
fn compare_talk(
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
                differs.push(format!("comment {id}: it is not what the trail tells"));
            }
            there.insert(id);
            Ok(())
        },
    )?;
    for id in trail.comments.keys().filter(|id| !there.contains(*id)) {
        differs.push(format!("comment {id}: the trail tells of it, there is no such comment"));
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
            if given.remove(&item).is_none_or(|told| *told != assignee) {
                differs.push(format!("{item}: the trail does not tell that {assignee} has it"));
            }
            Ok(())
        },
    )?;
    for (item, assignee) in given {
        differs.push(format!("{item}: the trail tells that {assignee} has it"));
    }
    found.differs.append(&mut differs);
    Ok(())
}

/// Who gives reasons is a person or not by their name.
fn compare_assigners(tx: &mut dyn Transaction, found: &mut Replay) -> Result<(), Problem> {
    for row in tx.query("SELECT name, is_person FROM recon.assigners", &[])? {
        let name = row.required(0)?;
        let is_person = matches!(AssignedBy::parse(&name), AssignedBy::Person(_));
        if row.boolean(1)? != is_person {
            found.differs.push(format!("assigner {name}: whether it is a person was changed"));
        }
    }
    Ok(())
}
