//! Forgetting old runs in PostgreSQL: a run that people left alone is dropped with its partitions, at
//! once; of others what people decided stays.

use ::postgres::{Client, Error};

use super::{PostgresStore, lock};
use crate::diagnostic::Problem;
use crate::domain::run::IdClass;
use crate::domain::{Instant, RunId};
use crate::store::{Pruned, publication, stored, transact};

impl PostgresStore {
    pub(super) fn prune_runs(
        &self,
        before: Instant,
        dry_run: bool,
    ) -> Result<Vec<Pruned>, Problem> {
        let problem = |error: Error| self.problem(&error);
        // A connection of its own: a lock on a session of the pool would outlive a failure.
        let mut client = self.connector.connect()?;
        let candidates = client
            .query(
                "SELECT run_no, run_id, job, batch_date::text FROM recon_runs \
                 WHERE start_time < $1::text::timestamptz AND metadata ->> 'pruned_at' IS NULL \
                 ORDER BY run_no",
                &[&stored::time_text(before)],
            )
            .map_err(problem)?;
        let mut pruned = Vec::new();
        for row in candidates {
            let read = || Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?));
            let (run_no, id, job, date): (i32, uuid::Uuid, String, String) =
                read().map_err(problem)?;
            let run = RunId(id);
            let key =
                lock::key(&job, date.parse().map_err(|_| stored::damaged("batch_date", &date))?);
            let taken: bool = client
                .query_one("SELECT pg_try_advisory_lock($1)", &[&key])
                .and_then(|row| row.try_get(0))
                .map_err(problem)?;
            if taken {
                let kept = prune(&mut client, run, run_no, dry_run).map_err(problem)?;
                if !dry_run {
                    transact::write(self, |tx| {
                        let rows = tx.query("SELECT now()", &[])?;
                        let now = rows.first().map(|row| row.required(0)).transpose()?;
                        let now = stored::read_time(&now.unwrap_or_default())?;
                        let run = (run.to_string(), i64::from(run_no));
                        publication::append_pruned(tx, (&run.0, run.1), kept, now)
                    })?;
                }
                client.execute("SELECT pg_advisory_unlock($1)", &[&key]).map_err(problem)?;
                pruned.push(Pruned { run, kept });
            }
        }
        Ok(pruned)
    }
}

/// Prunes one run and says how many differences stay.
fn prune(client: &mut Client, run: RunId, run_no: i32, dry_run: bool) -> Result<u64, Error> {
    let prefix = run.prefix(IdClass::Attribution);
    let touched = format!(
        "(d.is_locked OR d.status IN (2, 4) \
         OR EXISTS (SELECT FROM audit_samples s WHERE s.run_no = d.run_no \
             AND s.number = d.number AND s.outcome IS NOT NULL) \
         OR EXISTS (SELECT FROM assigners w WHERE w.assigner_id = d.assigner_id AND w.is_person) \
         OR EXISTS (SELECT FROM audit_trail t WHERE t.attribution_id = \
             ('{prefix}' || lpad(to_hex(d.number), 12, '0'))::uuid))"
    );
    let kept: i64 = client
        .query_one(
            &format!(
                "SELECT count(*) FROM difference_rows d WHERE d.run_no = {run_no} AND {touched}"
            ),
            &[],
        )?
        .try_get(0)?;
    if dry_run {
        return Ok(kept.cast_unsigned());
    }
    let mut transaction = client.transaction()?;
    transaction.batch_execute(&format!("DELETE FROM reject_rows WHERE run_no = {run_no}"))?;
    if kept == 0 {
        transaction.batch_execute(&format!(
            "DROP TABLE IF EXISTS record_rows_{run_no}, difference_rows_{run_no}; \
             DELETE FROM recon_runs WHERE run_no = {run_no}; \
             DELETE FROM item_counts WHERE run_no = {run_no}; \
             DELETE FROM audit_samples WHERE run_no = {run_no}; \
             DELETE FROM claims WHERE run_no = {run_no}"
        ))?;
        transaction.commit()?;
        return Ok(0);
    }
    transaction.batch_execute(&format!(
        "DELETE FROM difference_rows d WHERE d.run_no = {run_no} AND NOT {touched}"
    ))?;
    super::runs::keep_broken(&mut transaction, run_no)?;
    // What the review keeps beside the differences goes with those that are gone.
    let gone = "NOT EXISTS (SELECT FROM difference_rows d \
                WHERE d.run_no = x.run_no AND d.number = x.number)";
    transaction.batch_execute(&format!(
        "DELETE FROM item_counts WHERE run_no = {run_no}; \
         INSERT INTO item_counts (run_no, signature_id, status, items, amount_sum) \
         SELECT run_no, coalesce(signature_id, 0), status, count(*), coalesce(sum(amount_abs), 0) \
         FROM difference_rows WHERE run_no = {run_no} AND status IS NOT NULL GROUP BY 1, 2, 3; \
         DELETE FROM audit_samples x WHERE x.run_no = {run_no} AND {gone}; \
         DELETE FROM claims x WHERE x.run_no = {run_no} AND {gone}"
    ))?;
    transaction.batch_execute(&format!(
        "UPDATE recon_runs SET trim_pending = false, \
         metadata = metadata || jsonb_build_object('pruned_at', to_char(now() AT TIME ZONE 'UTC', \
             'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')) WHERE run_no = {run_no}"
    ))?;
    transaction.commit()?;
    client.batch_execute(&format!(
        "VACUUM (ANALYZE) record_rows_{run_no}, difference_rows_{run_no}"
    ))?;
    Ok(kept.cast_unsigned())
}
