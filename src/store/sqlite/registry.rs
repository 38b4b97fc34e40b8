//! The registry in SQLite.

use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};

use super::SqliteStore;
use super::runs::find_key;
use crate::diagnostic::Problem;
use crate::domain::RunId;
use crate::store::registry::{
    Evidence, ModelFields, ModelRow, NewModel, Promotion, PromotionFields, Registry, no_such_model,
    read_evidence, runs_json,
};
use crate::store::stored::time_text;

const COLUMNS: &str = "version, job, created_at, created_by, training_hash, trained_on, features, \
     parameters, metrics, sha256, length(bytes), is_champion, promoted_at, promoted_by";

fn fields(row: &Row<'_>) -> Result<ModelFields, rusqlite::Error> {
    Ok(ModelFields {
        version: row.get(0)?,
        job: row.get(1)?,
        created: row.get(2)?,
        created_by: row.get(3)?,
        training_hash: row.get(4)?,
        trained_on: row.get(5)?,
        features: row.get(6)?,
        parameters: row.get(7)?,
        metrics: row.get(8)?,
        sha256: row.get(9)?,
        size: row.get(10)?,
        champion: row.get(11)?,
        promoted_at: row.get(12)?,
        promoted_by: row.get(13)?,
    })
}

impl SqliteStore {
    /// The models that meet a condition, newest first.
    fn list_models(
        &self,
        condition: &str,
        parameters: &[&dyn rusqlite::ToSql],
    ) -> Result<Vec<ModelRow>, Problem> {
        let connection = self.connection()?;
        let list = || -> Result<Vec<ModelFields>, rusqlite::Error> {
            let sql =
                format!("SELECT {COLUMNS} FROM models WHERE {condition} ORDER BY version DESC");
            connection.prepare(&sql)?.query_map(parameters, fields)?.collect()
        };
        let rows = list().map_err(|error| self.problem(&error))?;
        rows.into_iter().map(ModelFields::read).collect()
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<T, Problem> {
        let mut connection = self.connection()?;
        let work = || {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let changed = change(&transaction)?;
            transaction.commit()?;
            Ok(changed)
        };
        work().map_err(|error| self.problem(&error))
    }
}

impl Registry for SqliteStore {
    fn add_model(&self, model: &NewModel) -> Result<u64, Problem> {
        self.change(|connection| {
            connection.execute(
                "INSERT INTO models (job, created_at, created_by, training_hash, trained_on, \
                 features, parameters, metrics, sha256, bytes) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                params![
                    model.job,
                    time_text(model.created),
                    model.created_by,
                    model.training_hash,
                    runs_json(&model.trained_on).to_string(),
                    model.features.to_string(),
                    model.parameters.to_string(),
                    model.metrics.to_string(),
                    model.sha256,
                    model.bytes,
                ],
            )?;
            Ok(connection.last_insert_rowid().cast_unsigned())
        })
    }

    fn models(&self, job: Option<&str>) -> Result<Vec<ModelRow>, Problem> {
        self.list_models("?1 IS NULL OR job = ?1", &[&job])
    }

    fn model(&self, version: u64) -> Result<Option<ModelRow>, Problem> {
        Ok(self.list_models("version = ?1", &[&version.cast_signed()])?.pop())
    }

    fn model_bytes(&self, version: u64) -> Result<Option<Vec<u8>>, Problem> {
        self.connection()?
            .query_row(
                "SELECT bytes FROM models WHERE version = ?1",
                [version.cast_signed()],
                |row| row.get(0),
            )
            .optional()
            .map_err(|error| self.problem(&error))
    }

    fn champion(&self, job: &str) -> Result<Option<ModelRow>, Problem> {
        Ok(self.list_models("job = ?1 AND is_champion = 1", &[&job])?.pop())
    }

    fn promote(&self, promotion: &Promotion) -> Result<(), Problem> {
        let version = promotion.version.cast_signed();
        let at = time_text(promotion.at);
        let promoted = self.change(|connection| {
            let job: Option<String> = connection
                .query_row("SELECT job FROM models WHERE version = ?1", [version], |row| row.get(0))
                .optional()?;
            let Some(job) = job else { return Ok(false) };
            let replaced: Option<i64> = connection
                .query_row(
                    "SELECT version FROM models WHERE job = ?1 AND is_champion = 1",
                    [&job],
                    |row| row.get(0),
                )
                .optional()?;
            connection.execute(
                "UPDATE models SET is_champion = 0 WHERE job = ?1 AND is_champion = 1",
                [&job],
            )?;
            connection.execute(
                "UPDATE models SET is_champion = 1, promoted_at = ?2, promoted_by = ?3 \
                 WHERE version = ?1",
                params![version, at, promotion.by],
            )?;
            connection.execute(
                "INSERT INTO model_promotions (job, version, replaced, action, promoted_at, \
                 promoted_by, why) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    job,
                    version,
                    replaced,
                    promotion.action(),
                    at,
                    promotion.by,
                    promotion.why
                ],
            )?;
            Ok(true)
        })?;
        if promoted { Ok(()) } else { Err(no_such_model(promotion.version)) }
    }

    fn promotions(&self, job: &str) -> Result<Vec<Promotion>, Problem> {
        let connection = self.connection()?;
        let list = || -> Result<Vec<PromotionFields>, rusqlite::Error> {
            connection
                .prepare(
                    "SELECT version, replaced, action, promoted_at, promoted_by, why \
                     FROM model_promotions WHERE job = ?1 ORDER BY promotion_no DESC",
                )?
                .query_map([job], |row| {
                    Ok(PromotionFields {
                        version: row.get(0)?,
                        replaced: row.get(1)?,
                        action: row.get(2)?,
                        at: row.get(3)?,
                        by: row.get(4)?,
                        why: row.get(5)?,
                    })
                })?
                .collect()
        };
        let rows = list().map_err(|error| self.problem(&error))?;
        rows.into_iter().map(PromotionFields::read).collect()
    }

    fn add_evidence(&self, job: &str, evidence: &Evidence) -> Result<(), Problem> {
        self.change(|connection| {
            connection.execute(
                "INSERT INTO acceptance_evidence (job, measured_at, basis, evidence) \
                 VALUES (?1, ?2, ?3, ?4)",
                params![
                    job,
                    time_text(evidence.measured),
                    evidence.basis,
                    evidence.evidence.to_string()
                ],
            )?;
            Ok(())
        })
    }

    fn evidence(&self, job: &str) -> Result<Option<Evidence>, Problem> {
        let found: Option<(String, String, String)> = self
            .connection()?
            .query_row(
                "SELECT measured_at, basis, evidence FROM acceptance_evidence WHERE job = ?1 \
                 ORDER BY evidence_no DESC LIMIT 1",
                [job],
                |row| row.try_into(),
            )
            .optional()
            .map_err(|error| self.problem(&error))?;
        found.map(|(at, basis, evidence)| read_evidence(&at, basis, &evidence)).transpose()
    }

    fn sample_for_audit(&self, run: RunId, basis: &str, numbers: &[u64]) -> Result<(), Problem> {
        let run_no = find_key(&*self.connection()?, run)?.run_no;
        self.change(|connection| {
            connection.execute(
                "DELETE FROM audit_samples WHERE run_no = ?1 AND outcome IS NULL",
                [run_no],
            )?;
            let mut insert = connection.prepare(
                "INSERT INTO audit_samples (run_no, number, basis) VALUES (?1, ?2, ?3) \
                 ON CONFLICT DO NOTHING",
            )?;
            for number in numbers {
                insert.execute(params![run_no, number.cast_signed(), basis])?;
            }
            Ok(())
        })
    }

    fn audit_outcomes(&self, job: &str, basis: &str) -> Result<(u64, u64), Problem> {
        self.connection()?
            .query_row(
                "SELECT count(*), coalesce(sum(s.outcome = 'DISAGREED'), 0) \
                 FROM audit_samples s JOIN recon_runs r ON r.run_no = s.run_no \
                 WHERE r.job = ?1 AND s.basis = ?2 AND s.outcome IS NOT NULL",
                [job, basis],
                |row| {
                    let (checked, wrong): (i64, i64) = row.try_into()?;
                    Ok((checked.cast_unsigned(), wrong.cast_unsigned()))
                },
            )
            .map_err(|error| self.problem(&error))
    }
}
