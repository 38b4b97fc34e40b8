//! Deletes old runs, keeps human decisions, and records both in the audit trail.

use std::collections::HashSet;

use serde_json::{Value as Json, json};

use super::audit::{By, Entry};
use super::{Store, runs, transact};
use crate::diagnostic::Problem;
use crate::domain::{Date, Instant, RunId};

/// Selects the runs to prune.
#[derive(Clone, Debug)]
pub struct PruneOrder {
    /// Runs that began before this moment.
    pub before: Instant,
    /// Of this job only; `None` for every job.
    pub job: Option<String>,
    /// Current runs, too: those that queue and reports show.
    pub current: bool,
    /// Changes nothing.
    pub dry_run: bool,
    /// Disk space is given back to the operating system, which may take a while.
    pub vacuum: bool,
    pub by: By,
    pub now: Instant,
}

/// A run that was deleted, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruned {
    pub run: RunId,
    pub job: String,
    pub batch_date: Date,
    pub is_current: bool,
    pub records: u64,
    pub differences: u64,
    /// Its differences that stay; a run without any is gone altogether.
    pub kept: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruneOutcome {
    /// The runs, oldest first.
    pub runs: Vec<Pruned>,
    /// Runs that stay because open items rest on them.
    pub resting: u64,
    /// Bytes of the store's file that are free for later runs and not given back to the operating
    /// system; `None` where the store has no file of its own.
    pub reusable: Option<u64>,
    /// Why the space was not given back, if it was to be.
    pub unshrunk: Option<Problem>,
}

/// The runs among these that stay: current runs in which open items stand, and superseded runs that a current run took
/// its open items over from. Without the latter a break that is open because that run did not have it yet could not be
/// told from one that is gone.
pub(super) fn resting<'a>(
    store: &dyn Store,
    candidates: impl Iterator<Item = &'a Pruned> + Clone,
) -> Result<HashSet<RunId>, Problem> {
    transact::read(store, |tx| {
        let (mut resting, mut going) = (HashSet::new(), HashSet::new());
        for run in candidates.clone().filter(|run| run.is_current) {
            let oldest = runs::oldest_open(tx, &run.job)?;
            let rests = oldest.is_some_and(|oldest| run.batch_date >= oldest);
            if rests { &mut resting } else { &mut going }.insert(run.run);
        }
        for run in candidates.clone().filter(|run| !run.is_current) {
            let heirs = runs::took_over_from(tx, &run.job, run.run)?;
            if heirs.iter().any(|heir| !going.contains(heir)) {
                resting.insert(run.run);
            }
        }
        Ok(resting)
    })
}

/// The user who began to prune a run, kept in its metadata until that is done: the next command finishes an
/// interrupted prune in their name.
pub(super) fn begun(by: &By) -> Json {
    json!({ "actor_id": by.actor_id, "actor_roles": by.actor_roles, "auth_method": by.auth_method })
}

/// The actor that [`begun`] wrote.
pub(super) fn beginner(metadata: &Json) -> By {
    let text = |key: &str| {
        metadata.pointer(&format!("/pruning/{key}")).and_then(Json::as_str).map(str::to_owned)
    };
    By {
        actor_id: text("actor_id").unwrap_or_else(|| By::system().actor_id),
        actor_roles: text("actor_roles"),
        auth_method: text("auth_method"),
        ..By::default()
    }
}

/// The row of the audit trail about a pruned run, without the rest that remains.
pub(super) fn entry(pruned: &Pruned) -> Entry {
    Entry {
        entity_type: "run".to_owned(),
        entity_id: pruned.run.to_string(),
        stage: "ADMIN".to_owned(),
        action_type: "PRUNE".to_owned(),
        previous_value: Some(
            json!({
                "job": pruned.job,
                "batch_date": pruned.batch_date.to_string(),
                "current": pruned.is_current,
                "records": pruned.records,
                "differences": pruned.differences,
            })
            .to_string(),
        ),
        ..Entry::default()
    }
}
