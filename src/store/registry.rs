//! The registry: models with their champions, the evidence on which the machine accepts, and the
//! accepted differences that people check blind.
//!
//! A model is stored once and never changed; what changes is which one is the champion of its job,
//! and every such change is kept.

use crate::diagnostic::{Code, Problem};
use crate::domain::{Instant, RunId};

use super::stored::{damaged, read_time};

/// A model to be kept.
#[derive(Clone, Debug, PartialEq)]
pub struct NewModel {
    /// The job it was trained for.
    pub job: String,
    /// When.
    pub created: Instant,
    /// By whom.
    pub created_by: String,
    /// SHA-256 of the training set, in hexadecimal.
    pub training_hash: String,
    /// The runs that the training set came from.
    pub trained_on: Vec<RunId>,
    /// The names of its features, in order.
    pub features: serde_json::Value,
    /// How it was grown.
    pub parameters: serde_json::Value,
    /// How good it is.
    pub metrics: serde_json::Value,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
    /// The model itself.
    pub bytes: Vec<u8>,
}

/// A model as the registry lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelRow {
    /// Its version, the same number in no other job of the store.
    pub version: u64,
    /// The job it was trained for.
    pub job: String,
    /// When.
    pub created: Instant,
    /// By whom.
    pub created_by: String,
    /// SHA-256 of the training set.
    pub training_hash: String,
    /// The runs that the training set came from.
    pub trained_on: Vec<RunId>,
    /// The names of its features, in order.
    pub features: serde_json::Value,
    /// How it was grown.
    pub parameters: serde_json::Value,
    /// How good it was when it was trained.
    pub metrics: serde_json::Value,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// How many bytes it has.
    pub size: u64,
    /// Whether it is its job's champion.
    pub champion: bool,
    /// When it became champion last, and by whom.
    pub promoted: Option<(Instant, String)>,
}

/// A change of champion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// The new champion.
    pub version: u64,
    /// The one before.
    pub replaced: Option<u64>,
    /// Back to an earlier champion.
    pub rollback: bool,
    /// When.
    pub at: Instant,
    /// By whom.
    pub by: String,
    /// Why, in a sentence.
    pub why: String,
}

/// What was measured of the machine's guesses.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// When.
    pub measured: Instant,
    /// The rules and the model that it speaks about.
    pub basis: String,
    /// Groups, confidences, how many were decided and how many of them wrong.
    pub evidence: serde_json::Value,
}

/// What the store keeps of learning.
pub trait Registry {
    /// Keeps a model and gives its version.
    fn add_model(&self, model: &NewModel) -> Result<u64, Problem>;

    /// The models of a job, or all, newest first.
    fn models(&self, job: Option<&str>) -> Result<Vec<ModelRow>, Problem>;

    /// One model.
    fn model(&self, version: u64) -> Result<Option<ModelRow>, Problem>;

    /// A model's bytes.
    fn model_bytes(&self, version: u64) -> Result<Option<Vec<u8>>, Problem>;

    /// The champion of a job.
    fn champion(&self, job: &str) -> Result<Option<ModelRow>, Problem>;

    /// Makes a model the champion of its job, in one transaction with the row that tells so.
    /// `replaced` is found by the store.
    fn promote(&self, promotion: &Promotion) -> Result<(), Problem>;

    /// Every change of champion of a job, newest first.
    fn promotions(&self, job: &str) -> Result<Vec<Promotion>, Problem>;

    /// Keeps what was measured of a job.
    fn add_evidence(&self, job: &str, evidence: &Evidence) -> Result<(), Problem>;

    /// What was measured last.
    fn evidence(&self, job: &str) -> Result<Option<Evidence>, Problem>;

    /// Sends these accepted differences of a run to people as blind checks, instead of those of the
    /// run that nobody has checked yet.
    fn sample_for_audit(&self, run: RunId, basis: &str, numbers: &[u64]) -> Result<(), Problem>;

    /// How many blind checks of a job there were on this basis, and how many disagreed.
    fn audit_outcomes(&self, job: &str, basis: &str) -> Result<(u64, u64), Problem>;
}

/// A model as its columns hold it.
pub(super) struct ModelFields {
    pub version: i64,
    pub job: String,
    pub created: String,
    pub created_by: String,
    pub training_hash: String,
    pub trained_on: String,
    pub features: String,
    pub parameters: String,
    pub metrics: String,
    pub sha256: String,
    pub size: i64,
    pub champion: bool,
    pub promoted_at: Option<String>,
    pub promoted_by: Option<String>,
}

impl ModelFields {
    pub(super) fn read(self) -> Result<ModelRow, Problem> {
        let json = |column: &str, text: &str| {
            serde_json::from_str(text).map_err(|error| damaged(column, &error.to_string()))
        };
        let runs: Vec<String> = serde_json::from_str(&self.trained_on)
            .map_err(|error| damaged("trained_on", &error.to_string()))?;
        Ok(ModelRow {
            version: self.version.cast_unsigned(),
            job: self.job,
            created: read_time(&self.created)?,
            created_by: self.created_by,
            training_hash: self.training_hash,
            trained_on: runs
                .iter()
                .map(|id| id.parse().map_err(|_| damaged("run_id", id)))
                .collect::<Result<_, _>>()?,
            features: json("features", &self.features)?,
            parameters: json("parameters", &self.parameters)?,
            metrics: json("metrics", &self.metrics)?,
            sha256: self.sha256,
            size: self.size.cast_unsigned(),
            champion: self.champion,
            promoted: match (self.promoted_at, self.promoted_by) {
                (Some(at), Some(by)) => Some((read_time(&at)?, by)),
                _ => None,
            },
        })
    }
}

/// A change of champion as its columns hold it.
pub(super) struct PromotionFields {
    pub version: i64,
    pub replaced: Option<i64>,
    pub action: String,
    pub at: String,
    pub by: String,
    pub why: String,
}

impl PromotionFields {
    pub(super) fn read(self) -> Result<Promotion, Problem> {
        Ok(Promotion {
            version: self.version.cast_unsigned(),
            replaced: self.replaced.map(i64::cast_unsigned),
            rollback: self.action == ROLLBACK,
            at: read_time(&self.at)?,
            by: self.by,
            why: self.why,
        })
    }
}

/// The action of a row that makes an earlier champion the champion again.
const ROLLBACK: &str = "ROLLBACK";

impl Promotion {
    pub(super) const fn action(&self) -> &'static str {
        if self.rollback { ROLLBACK } else { "PROMOTE" }
    }
}

/// The runs as the JSON array that `trained_on` holds.
pub(super) fn runs_json(runs: &[RunId]) -> serde_json::Value {
    runs.iter().map(|run| serde_json::Value::from(run.to_string())).collect()
}

/// Evidence as its columns hold it.
pub(super) fn read_evidence(
    measured: &str,
    basis: String,
    evidence: &str,
) -> Result<Evidence, Problem> {
    Ok(Evidence {
        measured: read_time(measured)?,
        basis,
        evidence: serde_json::from_str(evidence)
            .map_err(|error| damaged("evidence", &error.to_string()))?,
    })
}

/// A model that is not there.
pub(super) fn no_such_model(version: u64) -> Problem {
    Problem::new(Code::NoSuchModel, format!("there is no model {version} in the store"))
        .help("`recon model list` shows the models")
}
