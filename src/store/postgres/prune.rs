//! Deletes old runs from PostgreSQL: a run without human decisions is dropped with its partitions, at once; otherwise
//! the decisions stay. Each run goes in one transaction, with its row of the audit trail.

use ::postgres::{Client, Error, Row};

use super::transact::PostgresTransaction;
use super::{PostgresStore, lock};
use crate::diagnostic::Problem;
use crate::domain::RunId;
use crate::domain::run::IdClass;
use crate::store::transact::Dialect;
use crate::store::{PruneOrder, PruneOutcome, Pruned, breaks, prune, publication, stored};

impl PostgresStore {
    pub(super) fn prune_runs(&self, order: &PruneOrder) -> Result<PruneOutcome, Problem> {
        let problem = |error: Error| self.problem(&error);
        // A connection of its own: a lock on a session of the pool would outlive a failure.
        let mut client = self.connector.connect()?;
        // All of them, or the one of this number if it is still among them.
        let chosen = |client: &mut Client, run_no: Option<i32>| {
            let found = client.query(
                "SELECT run_no, run_id, job, batch_date::text, \
                 coalesce(stage = 'ATTRIBUTED' AND superseded_by IS NULL, false) AS is_current, \
                 total_records, total_differences FROM recon_runs \
                 WHERE start_time < $1::text::timestamptz AND metadata ->> 'pruned_at' IS NULL \
                 AND ($2::text IS NULL OR job = $2) \
                 AND ($3 OR stage IS DISTINCT FROM 'ATTRIBUTED' OR superseded_by IS NOT NULL) \
                 AND ($4::integer IS NULL OR run_no = $4) ORDER BY run_no",
                &[&stored::time_text(order.before), &order.job, &order.current, &run_no],
            );
            let found = found.map_err(problem)?;
            found.iter().map(|row| self.candidate(row)).collect::<Result<Vec<_>, Problem>>()
        };
        let candidates = chosen(&mut client, None)?;
        let resting = prune::resting(self, candidates.iter().map(|(_, run)| run))?;
        let mut runs = Vec::new();
        for (run_no, mut pruned) in candidates {
            if resting.contains(&pruned.run) {
                continue;
            }
            let key = lock::key(&pruned.job, pruned.batch_date);
            let taken: bool = client
                .query_one("SELECT pg_try_advisory_lock($1)", &[&key])
                .and_then(|row| row.try_get(0))
                .map_err(problem)?;
            if !taken {
                continue;
            }
            // A command may have ended on it meanwhile, and made it current.
            if chosen(&mut client, Some(run_no))? == [(run_no, pruned.clone())] {
                self.prune_run(&mut client, run_no, &mut pruned, order)?;
                runs.push(pruned);
            }
            client.execute("SELECT pg_advisory_unlock($1)", &[&key]).map_err(problem)?;
        }
        let resting = resting.len() as u64;
        Ok(PruneOutcome { runs, resting, ..PruneOutcome::default() })
    }

    /// A run as it is found, and its number.
    fn candidate(&self, row: &Row) -> Result<(i32, Pruned), Problem> {
        let problem = |error: Error| self.problem(&error);
        let date: String = row.try_get(3).map_err(problem)?;
        let batch_date = date.parse().map_err(|_| stored::damaged("batch_date", &date))?;
        let count = |column| row.try_get(column).map(i64::cast_unsigned);
        let read = || {
            let run = Pruned {
                run: RunId(row.try_get(1)?),
                job: row.try_get(2)?,
                batch_date,
                is_current: row.try_get(4)?,
                records: count(5)?,
                differences: count(6)?,
                kept: 0,
            };
            Ok((row.try_get(0)?, run))
        };
        read().map_err(problem)
    }

    /// Prunes one run, and counts the differences that stay.
    fn prune_run(
        &self,
        client: &mut Client,
        run_no: i32,
        pruned: &mut Pruned,
        order: &PruneOrder,
    ) -> Result<(), Problem> {
        let problem = |error: Error| self.problem(&error);
        let prefix = pruned.run.prefix(IdClass::Attribution);
        let touched = format!(
            "(d.is_locked OR d.status IN (2, 4) \
             OR EXISTS (SELECT FROM audit_samples s WHERE s.run_no = d.run_no \
                 AND s.number = d.number AND s.outcome IS NOT NULL) \
             OR EXISTS (SELECT FROM assigners w \
                 WHERE w.assigner_id = d.assigner_id AND w.is_person) \
             OR EXISTS (SELECT FROM audit_trail t WHERE t.attribution_id = \
                 ('{prefix}' || lpad(to_hex(d.number), 12, '0'))::uuid))"
        );
        let kept: i64 = client
            .query_one(
                &format!(
                    "SELECT count(*) FROM difference_rows d WHERE d.run_no = {run_no} AND {touched}"
                ),
                &[],
            )
            .and_then(|row| row.try_get(0))
            .map_err(problem)?;
        pruned.kept = kept.cast_unsigned();
        if order.dry_run {
            return Ok(());
        }
        let mut transaction = client.transaction().map_err(problem)?;
        let gone = pruned.kept == 0;
        let deleted = if gone {
            delete_run(&mut transaction, run_no)
        } else {
            delete_untouched(&mut transaction, run_no, &touched)
        };
        deleted.map_err(problem)?;
        let mut tx = PostgresTransaction {
            problem: &|error| self.problem(error),
            client: &mut transaction,
            plans: None,
        };
        publication::append_pruned(&mut tx, pruned, run_no.into(), &order.by, order.now)?;
        transaction.commit().map_err(problem)?;
        if !gone {
            // Partitions of a run that is gone give their space back by themselves.
            let full = if order.vacuum { "FULL, ANALYZE" } else { "ANALYZE" };
            client
                .batch_execute(&format!(
                    "VACUUM ({full}) record_rows_{run_no}, difference_rows_{run_no}"
                ))
                .map_err(problem)?;
        }
        Ok(())
    }
}

/// Deletes a run altogether.
fn delete_run(transaction: &mut ::postgres::Transaction<'_>, run_no: i32) -> Result<(), Error> {
    transaction.batch_execute(&format!(
        "DELETE FROM reject_rows WHERE run_no = {run_no}; \
         DROP TABLE IF EXISTS record_rows_{run_no}, difference_rows_{run_no}; \
         DELETE FROM recon_runs WHERE run_no = {run_no}; \
         DELETE FROM item_counts WHERE run_no = {run_no}; \
         DELETE FROM audit_samples WHERE run_no = {run_no}; \
         DELETE FROM claims WHERE run_no = {run_no}; \
         DELETE FROM run_figures WHERE run_no = {run_no}; \
         DELETE FROM reason_counts WHERE run_no = {run_no}; \
         DELETE FROM search_grams WHERE run_no = {run_no}; \
         DELETE FROM search_parts WHERE run_no = {run_no}; \
         DELETE FROM search_runs WHERE run_no = {run_no}"
    ))
}

/// Deletes the part of a run that people have not touched.
fn delete_untouched(
    transaction: &mut ::postgres::Transaction<'_>,
    run_no: i32,
    touched: &str,
) -> Result<(), Error> {
    transaction.batch_execute(&format!(
        "DELETE FROM reject_rows WHERE run_no = {run_no}; \
         DELETE FROM difference_rows d WHERE d.run_no = {run_no} AND NOT {touched}"
    ))?;
    super::runs::keep_broken(transaction, run_no)?;
    // The review's rows about deleted differences go too.
    let gone = "NOT EXISTS (SELECT FROM difference_rows d \
                WHERE d.run_no = x.run_no AND d.number = x.number)";
    let left = breaks::left(Dialect::Postgres, "d");
    transaction.batch_execute(&format!(
        "DELETE FROM item_counts WHERE run_no = {run_no}; \
         INSERT INTO item_counts (run_no, signature_id, status, items, amount_sum) \
         SELECT run_no, coalesce(signature_id, 0), status, count(*), coalesce(sum(amount_abs), 0) \
         FROM difference_rows d WHERE run_no = {run_no} AND status IS NOT NULL \
         AND (status <> 1 OR {left} <= 0) GROUP BY 1, 2, 3; \
         DELETE FROM audit_samples x WHERE x.run_no = {run_no} AND {gone}; \
         DELETE FROM claims x WHERE x.run_no = {run_no} AND {gone}; \
         DELETE FROM run_figures WHERE run_no = {run_no}; \
         DELETE FROM reason_counts WHERE run_no = {run_no}; \
         DELETE FROM search_grams WHERE run_no = {run_no}; \
         DELETE FROM search_parts WHERE run_no = {run_no}; \
         DELETE FROM search_runs WHERE run_no = {run_no}; \
         UPDATE recon_runs SET trim_pending = false, \
         metadata = metadata || jsonb_build_object('pruned_at', to_char(now() AT TIME ZONE 'UTC', \
             'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')) WHERE run_no = {run_no}"
    ))
}
