//! Runs as the store knows them, and the data read back from them.

use crate::domain::gate::Gate;
use crate::domain::{
    Date, DiffType, FieldRef, Instant, Layout, RunId, RunStatus, Severity, Stage, Status,
};

use super::{OwnedRecord, RecordKind};

/// A run that begins.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRun {
    pub id: RunId,
    pub job: String,
    /// The system behind source A.
    pub system_a: String,
    /// The system behind source B.
    pub system_b: String,
    pub batch_date: Date,
    pub started: Instant,
    pub layout: Layout,
    pub keep_all: bool,
    /// Configuration, rules, program version, known at the start.
    pub metadata: serde_json::Value,
}

/// End of a command on a run.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishRun {
    pub ended: Instant,
    /// COMPLETED or COMPLETED_WITH_ERRORS.
    pub status: RunStatus,
    /// Stage that the run has reached.
    pub stage: Stage,
    /// All records of the run, stored or not.
    pub total_records: u64,
    /// All differences, 0 before comparing.
    pub total_differences: u64,
    /// The run's present metadata (replaces the stored ones).
    pub metadata: serde_json::Value,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    pub id: RunId,
    pub job: String,
    /// The system behind source A.
    pub system_a: String,
    /// The system behind source B.
    pub system_b: String,
    pub batch_date: Date,
    /// When its first command began.
    pub started: Instant,
    /// When its last command ended.
    pub ended: Option<Instant>,
    /// How its last command ended.
    pub status: RunStatus,
    /// Stage that it reached; `None` before its records are stored.
    pub stage: Option<Stage>,
    /// The newer run that took its place.
    pub superseded_by: Option<RunId>,
    pub total_records: u64,
    pub total_differences: u64,
    pub layout: Layout,
    pub keep_all: bool,
    /// Configuration, rules, sources, counts.
    pub metadata: serde_json::Value,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only runs whose id, written without hyphens, begins with this.
    pub id_prefix: Option<String>,
    pub job: Option<String>,
    pub batch_date: Option<Date>,
    pub not_failed: bool,
    /// Maximum number of runs.
    pub limit: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StoredRecord<'a> {
    /// Its number within the run.
    pub number: u64,
    pub kind: RecordKind,
    /// The evidence array of side A.
    pub a: Option<&'a str>,
    /// The evidence array of side B (for a pair always there, also when it equals side A's).
    pub b: Option<&'a str>,
    /// Line and byte offset on side A.
    pub place_a: Option<(u64, u64)>,
    /// Line and byte offset on side B.
    pub place_b: Option<(u64, u64)>,
    /// A row of the missing side with this key was rejected.
    pub partner_rejected: bool,
    /// How it was matched, or could have been, as the JSON of a [`Matched`](crate::domain::Matched).
    pub matched: Option<&'a str>,
}

impl StoredRecord<'_> {
    /// An owned copy with the other facts about the record.
    pub(super) fn to_owned_with(
        self,
        gate: Option<Gate>,
        differences: Vec<OwnedDifference>,
    ) -> OwnedRecord {
        OwnedRecord {
            number: self.number,
            kind: self.kind,
            a: self.a.map(str::to_owned),
            b: self.b.map(str::to_owned),
            place_a: self.place_a,
            place_b: self.place_b,
            matched: self.matched.map(str::to_owned),
            gate,
            differences,
        }
    }
}

/// A stored difference with its decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StoredDifference<'a> {
    /// Its number within the run.
    pub number: u64,
    pub field: FieldRef,
    pub diff_type: DiffType,
    pub severity: Severity,
    /// The canonical text of side A.
    pub value_a: Option<&'a str>,
    /// The canonical text of side B.
    pub value_b: Option<&'a str>,
    /// The decision; `None` before attributing.
    pub attribution: Option<StoredAttribution<'a>>,
}

impl StoredDifference<'_> {
    /// An owned copy.
    pub(super) fn to_owned(self) -> OwnedDifference {
        OwnedDifference {
            number: self.number,
            field: self.field,
            diff_type: self.diff_type,
            severity: self.severity,
            value_a: self.value_a.map(str::to_owned),
            value_b: self.value_b.map(str::to_owned),
            attribution: self.attribution.map(|attribution| OwnedAttribution {
                reason: attribution.reason.to_owned(),
                confidence: attribution.confidence,
                status: attribution.status,
                assigned_by: attribution.assigned_by.to_owned(),
                explanation: attribution.explanation.map(str::to_owned),
            }),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StoredAttribution<'a> {
    pub reason: &'a str,
    pub confidence: f64,
    pub status: Status,
    pub assigned_by: &'a str,
    /// A person has decided it or holds it in a proposal: the machine keeps its hands off.
    pub held_by_people: bool,
    /// The explanation as a JSON document.
    pub explanation: Option<&'a str>,
}

/// A stored difference, owned.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedDifference {
    /// Its number within the run.
    pub number: u64,
    pub field: FieldRef,
    pub diff_type: DiffType,
    pub severity: Severity,
    /// The canonical text of side A.
    pub value_a: Option<String>,
    /// The canonical text of side B.
    pub value_b: Option<String>,
    /// Reason, confidence, status, assigned by, explanation; `None` before attributing.
    pub attribution: Option<OwnedAttribution>,
}

/// A stored attribution, owned.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedAttribution {
    pub reason: String,
    pub confidence: f64,
    pub status: Status,
    pub assigned_by: String,
    /// The explanation as a JSON document.
    pub explanation: Option<String>,
}

/// The decisions about all differences of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// Each is accepted, by people or with a functional reason.
    pub settled: bool,
    /// People have given one of them a reason that closes.
    pub closed: bool,
}

/// Results of a run, as from [`Store::attribution_counts`](super::Store::attribution_counts) and
/// [`Store::gate_counts`](super::Store::gate_counts).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By reason, status and source.
    pub attributions: Vec<AttributionCount>,
    /// Records that passed and that are blocked.
    pub gate: (u64, u64),
}

/// The figures of a published run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// How the differences stand, where the writer wrote all of them and nothing was carried.
    pub counts: Option<Counts>,
    /// How many decisions and open proposals of people came from the run before.
    pub carried: u64,
}

/// How many attributions of one kind a run has.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AttributionCount {
    pub reason: String,
    pub functional: bool,
    pub status: Status,
    /// The origin: `RULE:…`, `MODEL:…`, `NONE` or a person.
    pub assigned_by: String,
    pub count: u64,
}
