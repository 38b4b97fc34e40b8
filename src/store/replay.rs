//! The tables against what the audit trail tells.
//!
//! What people decided about an item is read from the trail and compared with its row. What the machine
//! decided is compared run by run: the trail has a digest of it, and the machine's state of an item that
//! people touched since is the first `previous_value` after that. So no item can be changed by
//! another hand without being found, be it one that nobody ever looked at.

use std::collections::{HashMap, HashSet};

use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::machine_results::{is_machines, write_line};
use super::migrate::hexadecimal;
use super::transact::{Dialect, Transaction};
use crate::diagnostic::Problem;
use crate::domain::{AssignedBy, Status};

/// The most differences that are named.
const NAMED: usize = 50;

/// What replaying found.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// Items and runs that differ.
    pub differs: Vec<String>,
    /// Runs that were pruned, so that the machine's results can't be compared.
    pub pruned: u64,
}

/// A run, as its row has it and as the trail knows it.
#[derive(Default)]
struct Run {
    run_id: String,
    attributed: bool,
    pruned: bool,
    /// The number and the digest of the last row about what the machine decided in it.
    results: Option<(i64, String)>,
}

/// What the trail tells of an item.
struct Told {
    /// The number of the last row that tells its state.
    seq: i64,
    state: State,
    /// The row about the machine's results after which `machine` was found.
    since: i64,
    /// The machine's line of the item, if it was the machine's before people took it.
    machine: Option<String>,
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
        })
    }

    /// Its line among the machine's results, if it is the machine's.
    fn machine(&self, number: u64) -> Option<String> {
        let status = Status::from_name(&self.status)?;
        is_machines(status, self.locked, &self.by).then(|| {
            let mut line = String::new();
            write_line(&mut line, number, &self.status, &self.reason, self.confidence, &self.by);
            line
        })
    }

    fn is_of_person(&self) -> bool {
        matches!(AssignedBy::parse(&self.by), AssignedBy::Person(_))
    }

    /// Whether people hold it, or decided it.
    fn is_peoples(&self) -> bool {
        self.locked || self.is_of_person() || self.status == "PENDING" || self.status == "REJECTED"
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { status, reason, confidence, version, by, .. } = self;
        let locked = if self.locked { "locked" } else { "not locked" };
        write!(f, "{status} {reason} {confidence} by {by}, {locked}, version {version}")
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

/// Compares the tables with what the trail tells.
///
/// # Errors
/// What the store says.
pub(super) fn replay(tx: &mut dyn Transaction) -> Result<Replay, Problem> {
    let mut runs = runs(tx)?;
    let (mut told, gone) = told(tx, &mut runs)?;
    let mut found = Replay { pruned: gone, ..Replay::default() };
    found.pruned += runs.values().filter(|run| run.pruned).count() as u64;
    compare(tx, &runs, &mut told, &mut found)?;
    // Pruning keeps every item that the trail names. A run under way is not looked at.
    for (id, told) in told {
        let run = id.get(..24).and_then(|prefix| runs.get(prefix));
        if run.is_none_or(|run| run.attributed) {
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
        "SELECT attribution_prefix, run_id, coalesce(stage, ''), metadata ->> 'pruned_at' \
         FROM recon.recon_runs",
        &[],
    )?;
    let run = |row: super::transact::Answer| {
        Ok((
            row.required(0)?,
            Run {
                run_id: row.required(1)?,
                attributed: row.required(2)? == "ATTRIBUTED",
                pruned: row.text(3)?.is_some(),
                results: None,
            },
        ))
    };
    rows.into_iter().map(run).collect()
}

/// What the trail tells of items, and of how many runs that are gone.
fn told(
    tx: &mut dyn Transaction,
    runs: &mut HashMap<String, Run>,
) -> Result<(HashMap<String, Told>, u64), Problem> {
    let mut told: HashMap<String, Told> = HashMap::new();
    let prefixes: HashMap<String, String> =
        runs.iter().map(|(prefix, run)| (run.run_id.clone(), prefix.clone())).collect();
    let mut gone: HashSet<String> = HashSet::new();
    tx.query_each(
        "SELECT seq, attribution_id, previous_value, new_value, entity_id FROM recon.audit_trail \
         WHERE new_value IS NOT NULL AND (attribution_id IS NOT NULL \
           OR (entity_type = 'run' AND action_type = 'ATTRIBUTE')) ORDER BY seq",
        &[],
        &mut |row| {
            let seq = row.count(0)?;
            let value = parsed(&row.required(3)?);
            let Some(id) = row.text(1)? else {
                let run_id = row.required(4)?;
                match prefixes.get(&run_id).and_then(|prefix| runs.get_mut(prefix)) {
                    Some(run) => {
                        let digest = value.get("sha256").and_then(Json::as_str);
                        run.results = digest.map(|digest| (seq, digest.to_owned()));
                    }
                    None => drop(gone.insert(run_id)),
                }
                return Ok(());
            };
            let Some(state) = State::told(&value) else { return Ok(()) };
            let run = id.get(..24).and_then(|prefix| runs.get(prefix));
            let since = run.and_then(|run| run.results.as_ref()).map_or(0, |(seq, _)| *seq);
            match told.get_mut(&id) {
                Some(told) if told.since == since => {
                    told.seq = seq;
                    told.state = state;
                }
                _ => {
                    let before = row.text(2)?.as_deref().map(parsed);
                    let before = before.as_ref().and_then(State::told);
                    let machine = before.and_then(|before| before.machine(number_of(&id)));
                    told.insert(id, Told { seq, state, since, machine });
                }
            }
            Ok(())
        },
    )?;
    Ok((told, gone.len() as u64))
}

/// A run whose items are being read.
struct Reading<'a> {
    prefix: String,
    run: &'a Run,
    hash: Sha256,
}

impl Reading<'_> {
    /// Says so if the machine's results are others than the trail knows.
    fn end(self, found: &mut Replay) {
        let Some((seq, digest)) = &self.run.results else { return };
        if !self.run.pruned && hexadecimal(&self.hash.finalize()) != *digest {
            found.differs.push(format!(
                "run {}: what the machine decided is not what row {seq} of the trail knows; an item \
                 that people had not touched was changed, added or taken out",
                self.run.run_id
            ));
        }
    }
}

/// Compares every item with what is told of it, and every run with its digest. What is told of items
/// that are there is taken out.
fn compare(
    tx: &mut dyn Transaction,
    runs: &HashMap<String, Run>,
    told: &mut HashMap<String, Told>,
    found: &mut Replay,
) -> Result<(), Problem> {
    let (number, from, order) = match tx.dialect() {
        Dialect::Sqlite => (
            "d.id & 1099511627775",
            "recon.difference_rows d JOIN recon.recon_runs r ON r.run_no = d.id >> 40",
            "d.id",
        ),
        Dialect::Postgres => (
            "d.number",
            "recon.difference_rows d JOIN recon.recon_runs r ON r.run_no = d.run_no",
            "d.run_no, d.number",
        ),
    };
    let sql = format!(
        "SELECT r.attribution_prefix, {number}, d.status, c.code, d.confidence, d.is_locked, d.version, w.name \
         FROM {from} LEFT JOIN recon.reason_codes c ON c.reason_id = d.reason_id \
         LEFT JOIN recon.assigners w ON w.assigner_id = d.assigner_id \
         WHERE r.stage = 'ATTRIBUTED' AND d.status IS NOT NULL ORDER BY {order}"
    );
    // Runs without any difference have a digest as well, which is that of nothing.
    let mut unread: HashSet<&str> =
        runs.iter().filter(|(_, run)| run.attributed).map(|(prefix, _)| prefix.as_str()).collect();
    let mut reading: Option<Reading<'_>> = None;
    tx.query_each(&sql, &[], &mut |row| {
        let prefix = row.required(0)?;
        let number = row.count(1)?.cast_unsigned();
        let status = u8::try_from(row.count(2)?).ok().and_then(Status::from_code);
        let now = State {
            status: status.map_or("", Status::name).to_owned(),
            reason: row.text(3)?.unwrap_or_default(),
            confidence: row.real(4)?.unwrap_or_default(),
            locked: row.boolean(5)?,
            version: row.count(6)?,
            by: row.text(7)?.unwrap_or_default(),
        };
        if reading.as_ref().is_none_or(|reading| reading.prefix != prefix) {
            if let Some(read) = reading.take() {
                read.end(found);
            }
            if let Some(run) = runs.get(&prefix) {
                unread.remove(prefix.as_str());
                reading = Some(Reading { prefix: prefix.clone(), run, hash: Sha256::new() });
            }
        }
        let Some(reading) = &mut reading else { return Ok(()) };
        let id = format!("{prefix}{number:012x}");
        let told = told.remove(&id);
        let since = reading.run.results.as_ref().map_or(0, |(seq, _)| *seq);
        let machine = match &told {
            Some(told) if told.since == since => told.machine.clone(),
            _ => now.machine(number),
        };
        if let Some(line) = machine {
            reading.hash.update(line.as_bytes());
        }
        match told {
            Some(told) if told.state != now => {
                // The machine may have decided anew what people gave back: then it is the machine's.
                let given_back = told.state.machine(number).is_some() && told.seq < since;
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
            Reading { prefix: prefix.to_owned(), run, hash: Sha256::new() }.end(found);
        }
    }
    Ok(())
}
