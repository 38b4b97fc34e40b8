//! Compares the tables with the audit trail.
//!
//! Human decisions about an item are read from the trail and compared with its row. Automatic results are compared
//! run by run: the trail has digests of them ([`super::machine_results`]), and the machine's state of an item that
//! people touched since is the first `previous_value` after that. The review's tables beside the items are compared
//! with their seals ([`super::seal`]) or with the rows of the trail that record them, and values that can be computed
//! from other tables are computed once more. So every change from outside is found, even on items that were never
//! opened.

mod compare;

use std::collections::{BTreeMap, HashMap};

use serde_json::Value as Json;

use super::digest::canonical;
use super::machine_results::{self, Decision, ItemRow, is_machines};
use super::transact::{SqlRow, Transaction};
use crate::diagnostic::Problem;
use crate::domain::{AssignedBy, Status};

use compare::{
    compare_assigners, compare_comments, compare_counts, compare_items, compare_policies,
    compare_proposals, compare_runs,
};

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
    known: TrailRun,
}

impl Run {
    fn is_attributed(&self) -> bool {
        self.stage == "ATTRIBUTED"
    }

    /// The number of the last row about the machine's decisions.
    fn since(&self) -> i64 {
        self.known.decisions.as_ref().map_or(0, |(seq, ..)| *seq)
    }
}

/// A run as the trail knows it.
#[derive(Default)]
struct TrailRun {
    /// The row, the version and the digest of the machine's decisions.
    decisions: Option<(i64, u64, String)>,
    /// The other digests by name, each with its row.
    digests: BTreeMap<&'static str, (i64, String)>,
    /// Expected state of the run: the row, and stage, status, end and failure as the columns should have them.
    stands: Option<TrailRunState>,
    /// The row about the pruning of the run.
    pruned: bool,
}

struct TrailRunState {
    seq: i64,
    stage: String,
    status: String,
    end_time: Option<String>,
    failure: Option<String>,
}

/// The digests but that of decisions.
const DIGESTS: [&str; 5] = ["run", "records", "rejected", "differences", "explanations"];

impl TrailRun {
    fn take(&mut self, seq: i64, action: &str, recorded: &Json) {
        let text = |name: &str| recorded.get(name).and_then(Json::as_str).map(str::to_owned);
        let version = recorded.get("digest").and_then(Json::as_u64).unwrap_or(1);
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
            // From here on, only the row's own contents can be compared.
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
            self.stands = Some(TrailRunState { seq, stage, status, end_time, failure });
        }
    }
}

/// An item's state as the trail has it.
struct TrailItem {
    /// The number of the last row with its state.
    seq: i64,
    state: State,
    /// The row about the machine's results after which `machine` was found.
    since: i64,
    /// The machine's decision about the item as bytes, if it was the machine's before people took it.
    machine: Option<Vec<u8>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    status: String,
    reason: String,
    confidence: f64,
    locked: bool,
    version: i64,
    by: String,
    /// Whether the reason is functional, and the date since which it applies; rows of earlier versions of recon have
    /// neither.
    more: Option<(Option<bool>, Option<String>)>,
}

impl State {
    /// The state in a value of the trail, if it has one.
    fn read(value: &Json) -> Option<Self> {
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

    /// True if people decided it or hold it in a proposal.
    fn is_peoples(&self) -> bool {
        self.locked || self.is_of_person() || self.status == "PENDING" || self.status == "REJECTED"
    }

    /// Compares the parts that both have.
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

/// The contents of the trail, by subject.
#[derive(Default)]
struct Trail {
    items: HashMap<String, TrailItem>,
    /// Deleted runs by id: true if a row records their pruning, and their job's date.
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

/// Compares the tables with the trail.
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
    compare_comments(tx, &trail, &mut found)?;
    compare_assigners(tx, &mut found)?;
    // Pruning keeps every item that the trail names. A run under way is not looked at.
    for (id, recorded) in trail.items {
        let run = id.get(..24).and_then(|prefix| runs.get(prefix));
        if run.is_none_or(Run::is_attributed) {
            let state = recorded.state;
            found.differs.push(format!("{id}: the trail has {state}, there is no such item"));
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
                known: TrailRun::default(),
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
            let Some(state) = State::read(&value) else { return Ok(()) };
            let run = id.get(..24).and_then(|prefix| runs.get(prefix));
            let decisions = run.and_then(|run| run.known.decisions.as_ref());
            let (since, version) = decisions
                .map_or((0, machine_results::VERSION), |(seq, version, _)| (*seq, *version));
            match trail.items.get_mut(&id) {
                Some(recorded) if recorded.since == since => {
                    recorded.seq = seq;
                    recorded.state = state;
                }
                _ => {
                    let before = row.text(2)?.as_deref().map(parsed);
                    let before = before.as_ref().and_then(State::read);
                    let machine = before.and_then(|before| before.machine(number_of(&id), version));
                    trail.items.insert(id, TrailItem { seq, state, since, machine });
                }
            }
            Ok(())
        },
    )?;
    Ok(trail)
}
