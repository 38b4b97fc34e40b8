//! The registry in PostgreSQL.

use ::postgres::types::{Json, ToSql};
use ::postgres::{Error, Row, Transaction};

use super::runs::find_key;
use super::{PostgresStore, time_text};
use crate::diagnostic::Problem;
use crate::domain::RunId;
use crate::store::registry::{
    Evidence, ModelFields, ModelRow, NewModel, Promotion, PromotionFields, Registry, no_such_model,
    read_evidence, runs_json,
};
use crate::store::stored;

const COLUMNS: &str = concat!(
    "version, job, ",
    time_text!("created_at"),
    ", created_by, training_hash, trained_on::text, features::text, parameters::text, \
     metrics::text, sha256, length(bytes)::bigint, is_champion, ",
    time_text!("promoted_at"),
    ", promoted_by"
);

fn fields(row: &Row) -> Result<ModelFields, Error> {
    Ok(ModelFields {
        version: row.try_get(0)?,
        job: row.try_get(1)?,
        created: row.try_get(2)?,
        created_by: row.try_get(3)?,
        training_hash: row.try_get(4)?,
        trained_on: row.try_get(5)?,
        features: row.try_get(6)?,
        parameters: row.try_get(7)?,
        metrics: row.try_get(8)?,
        sha256: row.try_get(9)?,
        size: row.try_get(10)?,
        champion: row.try_get(11)?,
        promoted_at: row.try_get(12)?,
        promoted_by: row.try_get(13)?,
    })
}

impl PostgresStore {
    /// The models that meet a condition, newest first.
    fn list_models(
        &self,
        condition: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<ModelRow>, Problem> {
        let sql = format!("SELECT {COLUMNS} FROM models WHERE {condition} ORDER BY version DESC");
        let problem = |error: Error| self.problem(&error);
        let rows = self.connection()?.query(&sql, parameters).map_err(problem)?;
        rows.iter().map(|row| fields(row).map_err(problem)?.read()).collect()
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&mut Transaction<'_>) -> Result<T, Error>,
    ) -> Result<T, Problem> {
        let mut connection = self.connection()?;
        let work = || {
            let mut transaction = connection.transaction()?;
            let changed = change(&mut transaction)?;
            transaction.commit()?;
            Ok(changed)
        };
        work().map_err(|error| self.problem(&error))
    }
}

impl Registry for PostgresStore {
    fn add_model(&self, model: &NewModel) -> Result<u64, Problem> {
        self.change(|transaction| {
            let row = transaction.query_one(
                "INSERT INTO models (job, created_at, created_by, training_hash, trained_on, \
                 features, parameters, metrics, sha256, bytes) \
                 VALUES ($1, $2::text::timestamptz, $3, $4, $5, $6, $7, $8, $9, $10) \
                 RETURNING version",
                &[
                    &model.job,
                    &stored::time_text(model.created),
                    &model.created_by,
                    &model.training_hash,
                    &Json(runs_json(&model.trained_on)),
                    &Json(&model.features),
                    &Json(&model.parameters),
                    &Json(&model.metrics),
                    &model.sha256,
                    &model.bytes,
                ],
            )?;
            Ok(row.try_get::<_, i64>(0)?.cast_unsigned())
        })
    }

    fn models(&self, job: Option<&str>) -> Result<Vec<ModelRow>, Problem> {
        self.list_models("$1::text IS NULL OR job = $1", &[&job])
    }

    fn model(&self, version: u64) -> Result<Option<ModelRow>, Problem> {
        Ok(self.list_models("version = $1", &[&version.cast_signed()])?.pop())
    }

    fn model_bytes(&self, version: u64) -> Result<Option<Vec<u8>>, Problem> {
        self.connection()?
            .query_opt("SELECT bytes FROM models WHERE version = $1", &[&version.cast_signed()])
            .and_then(|row| row.map(|row| row.try_get(0)).transpose())
            .map_err(|error| self.problem(&error))
    }

    fn champion(&self, job: &str) -> Result<Option<ModelRow>, Problem> {
        Ok(self.list_models("job = $1 AND is_champion", &[&job])?.pop())
    }

    fn promote(&self, promotion: &Promotion) -> Result<(), Problem> {
        let version = promotion.version.cast_signed();
        let at = stored::time_text(promotion.at);
        let promoted = self.change(|transaction| {
            // Two promotions at once take turns.
            transaction.batch_execute("LOCK TABLE models IN SHARE ROW EXCLUSIVE MODE")?;
            let Some(row) =
                transaction.query_opt("SELECT job FROM models WHERE version = $1", &[&version])?
            else {
                return Ok(false);
            };
            let job: String = row.try_get(0)?;
            let replaced: Option<i64> = transaction
                .query_opt("SELECT version FROM models WHERE job = $1 AND is_champion", &[&job])?
                .map(|row| row.try_get(0))
                .transpose()?;
            transaction.execute(
                "UPDATE models SET is_champion = false WHERE job = $1 AND is_champion",
                &[&job],
            )?;
            transaction.execute(
                "UPDATE models SET is_champion = true, promoted_at = $2::text::timestamptz, \
                 promoted_by = $3 WHERE version = $1",
                &[&version, &at, &promotion.by],
            )?;
            transaction.execute(
                "INSERT INTO model_promotions (job, version, replaced, action, promoted_at, \
                 promoted_by, why) VALUES ($1, $2, $3, $4, $5::text::timestamptz, $6, $7)",
                &[
                    &job,
                    &version,
                    &replaced,
                    &promotion.action(),
                    &at,
                    &promotion.by,
                    &promotion.why,
                ],
            )?;
            Ok(true)
        })?;
        if promoted { Ok(()) } else { Err(no_such_model(promotion.version)) }
    }

    fn promotions(&self, job: &str) -> Result<Vec<Promotion>, Problem> {
        const SQL: &str = concat!(
            "SELECT version, replaced, action, ",
            time_text!("promoted_at"),
            ", promoted_by, why FROM model_promotions WHERE job = $1 ORDER BY promotion_no DESC"
        );
        let problem = |error: Error| self.problem(&error);
        let rows = self.connection()?.query(SQL, &[&job]).map_err(problem)?;
        let read = |row: &Row| {
            Ok(PromotionFields {
                version: row.try_get(0)?,
                replaced: row.try_get(1)?,
                action: row.try_get(2)?,
                at: row.try_get(3)?,
                by: row.try_get(4)?,
                why: row.try_get(5)?,
            })
        };
        rows.iter().map(|row| read(row).map_err(problem)?.read()).collect()
    }

    fn add_evidence(&self, job: &str, evidence: &Evidence) -> Result<(), Problem> {
        self.connection()?
            .execute(
                "INSERT INTO acceptance_evidence (job, measured_at, basis, evidence) \
                 VALUES ($1, $2::text::timestamptz, $3, $4)",
                &[
                    &job,
                    &stored::time_text(evidence.measured),
                    &evidence.basis,
                    &Json(&evidence.evidence),
                ],
            )
            .map_err(|error| self.problem(&error))?;
        Ok(())
    }

    fn evidence(&self, job: &str) -> Result<Option<Evidence>, Problem> {
        const SQL: &str = concat!(
            "SELECT ",
            time_text!("measured_at"),
            ", basis, evidence::text FROM acceptance_evidence WHERE job = $1 \
             ORDER BY evidence_no DESC LIMIT 1"
        );
        let problem = |error: Error| self.problem(&error);
        let Some(row) = self.connection()?.query_opt(SQL, &[&job]).map_err(problem)? else {
            return Ok(None);
        };
        let read = || Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
        let (at, basis, evidence): (String, String, String) = read().map_err(problem)?;
        read_evidence(&at, basis, &evidence).map(Some)
    }

    fn sample_for_audit(&self, run: RunId, basis: &str, numbers: &[u64]) -> Result<(), Problem> {
        let key = find_key(&mut *self.connection()?, run, |error| self.problem(error))?;
        let numbers: Vec<i64> = numbers.iter().map(|number| number.cast_signed()).collect();
        self.change(|transaction| {
            transaction.execute(
                "DELETE FROM audit_samples WHERE run_no = $1 AND outcome IS NULL",
                &[&key.run_no],
            )?;
            transaction.execute(
                "INSERT INTO audit_samples (run_no, number, basis) \
                 SELECT $1, number, $3 FROM unnest($2::bigint[]) AS number \
                 ON CONFLICT DO NOTHING",
                &[&key.run_no, &numbers, &basis],
            )?;
            Ok(())
        })
    }

    fn audit_outcomes(&self, job: &str, basis: &str) -> Result<(u64, u64), Problem> {
        let read = |row: Row| Ok((row.try_get(0)?, row.try_get(1)?));
        let (checked, wrong): (i64, i64) = self
            .connection()?
            .query_one(
                "SELECT count(*), count(*) FILTER (WHERE s.outcome = 'DISAGREED') \
                 FROM audit_samples s JOIN recon_runs r ON r.run_no = s.run_no \
                 WHERE r.job = $1 AND s.basis = $2 AND s.outcome IS NOT NULL",
                &[&job, &basis],
            )
            .and_then(read)
            .map_err(|error| self.problem(&error))?;
        Ok((checked.cast_unsigned(), wrong.cast_unsigned()))
    }
}
