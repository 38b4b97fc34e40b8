//! The registry: models with their champions, the evidence on which the machine accepts, and the
//! accepted differences that people check blind.
//!
//! A model is stored once and never changed; what changes is which one is the champion of its job,
//! and every such change is kept.

use crate::diagnostic::{Code, Problem};
use crate::domain::{Instant, RunId};

use super::rows::{self, parameters};
use super::stored::{damaged, read_time, time_text};
use super::transact::{self, Dialect, Transact, Transaction};
use super::{SqlValue, runs};

#[derive(Clone, Debug, PartialEq)]
pub struct NewModel {
    /// The job it was trained for.
    pub job: String,
    pub created: Instant,
    pub created_by: String,
    /// SHA-256 of the training set, in hexadecimal.
    pub training_hash: String,
    /// The runs that the training set came from.
    pub trained_on: Vec<RunId>,
    /// The names of its features, in order.
    pub features: serde_json::Value,
    pub parameters: serde_json::Value,
    /// How good it is.
    pub metrics: serde_json::Value,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
    pub bytes: Vec<u8>,
}

/// A model as the registry lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelRow {
    /// Its version, the same number in no other job of the store.
    pub version: u64,
    /// The job it was trained for.
    pub job: String,
    pub created: Instant,
    pub created_by: String,
    /// SHA-256 of the training set.
    pub training_hash: String,
    /// The runs that the training set came from.
    pub trained_on: Vec<RunId>,
    /// The names of its features, in order.
    pub features: serde_json::Value,
    pub parameters: serde_json::Value,
    /// How good it was when it was trained.
    pub metrics: serde_json::Value,
    /// SHA-256 of its bytes.
    pub sha256: String,
    pub size: u64,
    pub champion: bool,
    /// When it became champion last, and by whom.
    pub promoted: Option<(Instant, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promotion {
    pub version: u64,
    /// The one before.
    pub replaced: Option<u64>,
    /// Back to an earlier champion.
    pub rollback: bool,
    pub at: Instant,
    pub by: String,
    pub why: String,
}

/// Measurements of the machine's guesses.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    pub measured: Instant,
    /// The rules and the model that it speaks about.
    pub basis: String,
    /// Groups, confidences, how many were decided and how many of them wrong.
    pub evidence: serde_json::Value,
}

/// Models with their champions, evidence and blind samples.
pub trait Registry: Transact {
    /// Stores a model and returns its version.
    fn add_model(&self, model: &NewModel) -> Result<u64, Problem> {
        let version = transact::write(self, |tx| {
            tx.find(
                "INSERT INTO recon.models (job, created_at, created_by, training_hash, trained_on, \
                 features, parameters, metrics, sha256, bytes) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING version",
                &parameters![
                    &model.job,
                    time_text(model.created),
                    &model.created_by,
                    &model.training_hash,
                    runs_json(&model.trained_on).to_string(),
                    model.features.to_string(),
                    model.parameters.to_string(),
                    model.metrics.to_string(),
                    &model.sha256,
                    model.bytes.as_slice(),
                ],
                |row| row.count(0),
            )
        })?;
        Ok(version.unwrap_or_default().cast_unsigned())
    }

    /// The models of a job, or all, newest first.
    fn models(&self, job: Option<&str>) -> Result<Vec<ModelRow>, Problem> {
        transact::read(self, |tx| match job {
            Some(job) => list_models(tx, "job = $1", &parameters![job]),
            None => list_models(tx, "1 = 1", &[]),
        })
    }

    fn model(&self, version: u64) -> Result<Option<ModelRow>, Problem> {
        let found =
            transact::read(self, |tx| list_models(tx, "version = $1", &parameters![version]));
        Ok(found?.pop())
    }

    fn model_bytes(&self, version: u64) -> Result<Option<Vec<u8>>, Problem> {
        let sql = "SELECT bytes FROM recon.models WHERE version = $1";
        let found =
            transact::read(self, |tx| tx.find(sql, &parameters![version], |row| row.blob(0)));
        Ok(found?.flatten())
    }

    fn champion(&self, job: &str) -> Result<Option<ModelRow>, Problem> {
        let found = transact::read(self, |tx| {
            list_models(tx, "job = $1 AND is_champion = $2", &parameters![job, true])
        });
        Ok(found?.pop())
    }

    /// Makes a model the champion of its job, together with the row that says so. `replaced` is found by the
    /// store.
    fn promote(&self, promotion: &Promotion) -> Result<(), Problem> {
        let (version, at) = (promotion.version, time_text(promotion.at));
        transact::write(self, |tx| {
            if tx.dialect() == Dialect::Postgres {
                // Two promotions at once wait for each other.
                tx.execute("LOCK TABLE recon.models IN SHARE ROW EXCLUSIVE MODE", &[])?;
            }
            let sql = "SELECT job FROM recon.models WHERE version = $1";
            let job = tx.find(sql, &parameters![version], |row| row.required(0))?;
            let job = job.ok_or_else(|| no_such_model(version))?;
            let replaced = tx.find(
                "SELECT version FROM recon.models WHERE job = $1 AND is_champion = $2",
                &parameters![&job, true],
                |row| row.count(0),
            )?;
            tx.execute(
                "UPDATE recon.models SET is_champion = $2 WHERE job = $1 AND is_champion = $3",
                &parameters![&job, false, true],
            )?;
            tx.execute(
                "UPDATE recon.models SET is_champion = $2, promoted_at = $3, promoted_by = $4 \
                 WHERE version = $1",
                &parameters![version, true, &at, &promotion.by],
            )?;
            tx.execute(
                "INSERT INTO recon.model_promotions (job, version, replaced, action, promoted_at, \
                 promoted_by, why) VALUES ($1, $2, $3, $4, $5, $6, $7)",
                &parameters![
                    &job,
                    version,
                    replaced,
                    promotion.action(),
                    &at,
                    &promotion.by,
                    &promotion.why
                ],
            )
            .map(drop)
        })
    }

    /// Every change of champion of a job, newest first.
    fn promotions(&self, job: &str) -> Result<Vec<Promotion>, Problem> {
        let sql = "SELECT version, replaced, action, promoted_at, promoted_by, why \
                   FROM recon.model_promotions WHERE job = $1 ORDER BY promotion_no DESC";
        transact::read(self, |tx| {
            tx.list(sql, &parameters![job], |row| {
                Ok(Promotion {
                    version: row.count(0)?.cast_unsigned(),
                    replaced: row.integer(1)?.map(i64::cast_unsigned),
                    rollback: row.required(2)? == ROLLBACK,
                    at: read_time(&row.required(3)?)?,
                    by: row.required(4)?,
                    why: row.required(5)?,
                })
            })
        })
    }

    /// Stores measured counts of a job.
    fn add_evidence(&self, job: &str, evidence: &Evidence) -> Result<(), Problem> {
        let sql = "INSERT INTO recon.acceptance_evidence (job, measured_at, basis, evidence) \
                   VALUES ($1, $2, $3, $4)";
        let at = time_text(evidence.measured);
        let json = evidence.evidence.to_string();
        transact::write(self, |tx| {
            tx.execute(sql, &parameters![job, &at, &evidence.basis, &json]).map(drop)
        })
    }

    /// The latest measurement.
    fn evidence(&self, job: &str) -> Result<Option<Evidence>, Problem> {
        let sql = "SELECT measured_at, basis, evidence FROM recon.acceptance_evidence \
                   WHERE job = $1 ORDER BY evidence_no DESC LIMIT 1";
        transact::read(self, |tx| {
            tx.find(sql, &parameters![job], |row| {
                Ok(Evidence {
                    measured: read_time(&row.required(0)?)?,
                    basis: row.required(1)?,
                    evidence: read_json("evidence", &row.required(2)?)?,
                })
            })
        })
    }

    /// Replaces the unchecked blind samples of a run by these accepted differences.
    fn sample_for_audit(&self, run: RunId, basis: &str, numbers: &[u64]) -> Result<(), Problem> {
        transact::write(self, |tx| {
            let run_no = runs::key(tx, run)?.run_no;
            tx.execute(
                "DELETE FROM recon.audit_samples WHERE run_no = $1 AND outcome IS NULL",
                &parameters![run_no],
            )?;
            let sql = format!(
                "INSERT INTO recon.audit_samples (run_no, number, basis) \
                 SELECT CAST($1 AS integer), x.value, CAST($3 AS text) FROM {} x \
                 WHERE 1 = 1 ON CONFLICT DO NOTHING",
                rows::numbers_in(tx.dialect(), "$2")
            );
            let numbers = rows::numbers(numbers.iter().map(|number| number.cast_signed()));
            tx.execute(&sql, &parameters![run_no, numbers, basis]).map(drop)
        })
    }

    /// How many blind samples of a job were checked on this basis, and how many disagreed.
    fn audit_outcomes(&self, job: &str, basis: &str) -> Result<(u64, u64), Problem> {
        let sql = "SELECT count(*), \
                     coalesce(sum(CASE WHEN s.outcome = 'DISAGREED' THEN 1 ELSE 0 END), 0) \
                   FROM recon.audit_samples s JOIN recon.recon_runs r ON r.run_no = s.run_no \
                   WHERE r.job = $1 AND s.basis = $2 AND s.outcome IS NOT NULL";
        let counts = transact::read(self, |tx| {
            tx.find(sql, &parameters![job, basis], |row| {
                Ok((row.count(0)?.cast_unsigned(), row.count(1)?.cast_unsigned()))
            })
        });
        Ok(counts?.unwrap_or_default())
    }
}

/// The models that meet a condition, newest first.
fn list_models(
    tx: &mut dyn Transaction,
    condition: &str,
    values: &[SqlValue],
) -> Result<Vec<ModelRow>, Problem> {
    let sql = format!(
        "SELECT version, job, created_at, created_by, training_hash, trained_on, features, \
         parameters, metrics, sha256, length(bytes), is_champion, promoted_at, promoted_by \
         FROM recon.models WHERE {condition} ORDER BY version DESC"
    );
    tx.list(&sql, values, |row| {
        let runs: Vec<String> = read_json("trained_on", &row.required(5)?)?;
        let promoted = row.text(12)?.zip(row.text(13)?);
        Ok(ModelRow {
            version: row.count(0)?.cast_unsigned(),
            job: row.required(1)?,
            created: read_time(&row.required(2)?)?,
            created_by: row.required(3)?,
            training_hash: row.required(4)?,
            trained_on: runs
                .iter()
                .map(|id| id.parse().map_err(|_| damaged("run_id", id)))
                .collect::<Result<_, _>>()?,
            features: read_json("features", &row.required(6)?)?,
            parameters: read_json("parameters", &row.required(7)?)?,
            metrics: read_json("metrics", &row.required(8)?)?,
            sha256: row.required(9)?,
            size: row.count(10)?.cast_unsigned(),
            champion: row.boolean(11)?,
            promoted: match promoted {
                Some((at, by)) => Some((read_time(&at)?, by)),
                None => None,
            },
        })
    })
}

fn read_json<T: serde::de::DeserializeOwned>(column: &str, text: &str) -> Result<T, Problem> {
    serde_json::from_str(text).map_err(|error| damaged(column, &error.to_string()))
}

/// The action of a row that makes an earlier champion the champion again.
const ROLLBACK: &str = "ROLLBACK";

impl Promotion {
    const fn action(&self) -> &'static str {
        if self.rollback { ROLLBACK } else { "PROMOTE" }
    }
}

/// The runs as the JSON array that `trained_on` holds.
fn runs_json(runs: &[RunId]) -> serde_json::Value {
    runs.iter().map(|run| serde_json::Value::from(run.to_string())).collect()
}

fn no_such_model(version: u64) -> Problem {
    Problem::new(Code::NoSuchModel, format!("there is no model {version} in the store"))
        .help("`recon model list` shows the models")
}
