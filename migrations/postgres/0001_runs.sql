-- Runs, and the rows of their sources that took no part.
--
-- The columns from run_id to metadata are the contract; the others are how the store keeps a run's
-- rows small: every row of a run has a number, and the ids that people see are the run's prefix of
-- 24 characters followed by the number in hexadecimal.
CREATE TABLE recon_runs (
    run_id uuid NOT NULL UNIQUE,
    job text NOT NULL,
    source_system_a text NOT NULL,
    source_system_b text NOT NULL,
    batch_date date NOT NULL,
    start_time timestamptz NOT NULL,
    end_time timestamptz,
    status text NOT NULL
        CHECK (status IN ('RUNNING', 'COMPLETED', 'COMPLETED_WITH_ERRORS', 'FAILED')),
    stage text CHECK (stage IN ('INGESTED', 'COMPARED', 'ATTRIBUTED')),
    superseded_by uuid,
    total_records bigint NOT NULL DEFAULT 0,
    total_differences bigint NOT NULL DEFAULT 0,
    metadata jsonb NOT NULL,
    run_no integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    -- The fields in their order, [{"name": …, "kind": …}], the key's first.
    layout jsonb NOT NULL,
    key_length integer NOT NULL,
    record_prefix text NOT NULL,
    difference_prefix text NOT NULL,
    attribution_prefix text NOT NULL,
    -- When the stages were reached.
    ingested_at timestamptz,
    compared_at timestamptz,
    attributed_at timestamptz,
    -- keep: all; otherwise matched records do not show once the run is compared.
    keep_all boolean NOT NULL,
    -- Matched records, which do not show any more, are still to be deleted.
    trim_pending boolean NOT NULL DEFAULT false
);

CREATE INDEX recon_runs_of_job ON recon_runs (job, batch_date);

CREATE TABLE reject_rows (
    run_no integer NOT NULL,
    number bigint NOT NULL,
    side text NOT NULL CHECK (side IN ('A', 'B')),
    line bigint NOT NULL,
    code text NOT NULL,
    message text NOT NULL,
    text text NOT NULL,
    key text,
    PRIMARY KEY (run_no, number)
);

CREATE VIEW rejected_rows
    (rejected_row_id, run_id, side, line, code, text, message, key) AS
SELECT (left(r.run_id::text, 24) || lpad(to_hex(x.number), 12, '0'))::uuid,
       r.run_id, x.side, x.line, x.code, x.text, x.message, x.key
FROM recon_runs r
JOIN reject_rows x ON x.run_no = r.run_no
WHERE r.stage IS NOT NULL;
