-- A run with many differences has only the first of them in the indexes: their entries took as long to write as the
-- rows. The review keeps the items of such a run in memory (recon_runs.unlisted); an item that stays when its run leaves
-- the queue is put into the indexes.
ALTER TABLE recon_runs ADD COLUMN unlisted INTEGER NOT NULL DEFAULT 0 CHECK (unlisted IN (0, 1));

CREATE INDEX recon_runs_unlisted ON recon_runs (run_no) WHERE unlisted;

-- 1 for a difference that is in no index.
ALTER TABLE difference_rows ADD COLUMN unlisted INTEGER;

DROP INDEX difference_rows_kinds;
CREATE INDEX difference_rows_kinds ON difference_rows (signature_id, status, id)
    WHERE unlisted IS NULL;

DROP INDEX difference_rows_queue;
CREATE INDEX difference_rows_queue ON difference_rows (coalesce(later, id >> 40), confidence, id)
    WHERE status = 1 AND coalesce(later, 0) <= 0 AND unlisted IS NULL;

DROP INDEX difference_rows_groups;
CREATE INDEX difference_rows_groups
    ON difference_rows (coalesce(later, id >> 40), signature_id, confidence, id)
    WHERE status = 1 AND coalesce(later, 0) <= 0 AND unlisted IS NULL;

DROP INDEX difference_rows_amounts;
CREATE INDEX difference_rows_amounts ON difference_rows (coalesce(later, id >> 40), amount_abs, id)
    WHERE status = 1 AND coalesce(later, 0) <= 0 AND amount_abs IS NOT NULL AND unlisted IS NULL;

DROP INDEX difference_rows_ages;
CREATE INDEX difference_rows_ages
    ON difference_rows (coalesce(later, id >> 40), severity, since, id, signature_id)
    WHERE status = 1 AND coalesce(later, 0) <= 0 AND unlisted IS NULL;
