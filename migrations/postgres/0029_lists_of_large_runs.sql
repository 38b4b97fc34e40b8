-- The differences of a run with many of them are in no index but that of their numbers: indexes took as long as writing
-- the rows. The review keeps the items of such a run in memory. So each run's part has indexes of its own, and the table
-- that they are parts of has none, which it would give to every part.
ALTER TABLE recon_runs ADD COLUMN unlisted boolean NOT NULL DEFAULT false;

CREATE INDEX recon_runs_unlisted ON recon_runs (run_no) WHERE unlisted;

DROP INDEX difference_rows_queue, difference_rows_groups, difference_rows_amounts,
    difference_rows_ages, difference_rows_signature_id_status_run_no_number_idx;

DO $$
DECLARE
    part text;
BEGIN
    FOR part IN SELECT inhrelid::regclass::text FROM pg_inherits
                WHERE inhparent = 'difference_rows'::regclass
    LOOP
        EXECUTE format('CREATE INDEX ON %s (confidence, run_no, number)
            WHERE status = 1 AND later IS NULL', part);
        EXECUTE format('CREATE INDEX ON %s (signature_id, confidence, run_no, number)
            WHERE status = 1 AND later IS NULL', part);
        EXECUTE format('CREATE INDEX ON %s (amount_abs, run_no, number)
            WHERE status = 1 AND later IS NULL AND amount_abs IS NOT NULL', part);
        EXECUTE format('CREATE INDEX ON %s (severity, since, run_no, number, signature_id)
            WHERE status = 1 AND later IS NULL', part);
        EXECUTE format('CREATE INDEX ON %s (signature_id, status, run_no, number)', part);
    END LOOP;
END
$$;
