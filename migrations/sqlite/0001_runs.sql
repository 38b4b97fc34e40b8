-- Runs, and the rows of their sources that took no part.
--
-- The columns from run_id to metadata are the contract; the others are how the store keeps a run's
-- rows small: every row of a run has a number, its rowid is run_no << 40 | number, and the ids that
-- people see are the run's prefix of 24 characters followed by the number in hexadecimal.
CREATE TABLE recon_runs (
    run_id TEXT NOT NULL UNIQUE,
    job TEXT NOT NULL,
    source_system_a TEXT NOT NULL,
    source_system_b TEXT NOT NULL,
    batch_date TEXT NOT NULL,
    start_time TEXT NOT NULL,
    end_time TEXT,
    status TEXT NOT NULL
        CHECK (status IN ('RUNNING', 'COMPLETED', 'COMPLETED_WITH_ERRORS', 'FAILED')),
    stage TEXT CHECK (stage IN ('INGESTED', 'COMPARED', 'ATTRIBUTED')),
    superseded_by TEXT,
    total_records INTEGER NOT NULL DEFAULT 0,
    total_differences INTEGER NOT NULL DEFAULT 0,
    metadata TEXT NOT NULL,
    run_no INTEGER PRIMARY KEY,
    -- The fields in their order, [{"name": …, "kind": …}], the key's first.
    layout TEXT NOT NULL,
    key_length INTEGER NOT NULL,
    record_prefix TEXT NOT NULL,
    difference_prefix TEXT NOT NULL,
    attribution_prefix TEXT NOT NULL,
    -- When the stages were reached.
    ingested_at TEXT,
    compared_at TEXT,
    attributed_at TEXT,
    -- keep: all; otherwise matched records do not show once the run is compared.
    keep_all INTEGER NOT NULL,
    -- Matched records, which do not show any more, are still to be deleted.
    trim_pending INTEGER NOT NULL DEFAULT 0
);

CREATE INDEX recon_runs_of_job ON recon_runs (job, batch_date);

CREATE TABLE reject_rows (
    id INTEGER PRIMARY KEY,
    side TEXT NOT NULL CHECK (side IN ('A', 'B')),
    line INTEGER NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    text TEXT NOT NULL,
    key TEXT
);

-- Every view over compact rows ends in an arm without rows. An arm without FROM keeps SQLite from
-- flattening the view into the query around it, so that a join on an id, which no index knows,
-- builds an index once instead of comparing every row with every row; conditions on run_id still
-- reach into the view. CROSS JOIN keeps the runs outside and their rows, found by a range, inside.
CREATE VIEW rejected_rows
    (rejected_row_id, run_id, side, line, code, text, message, key) AS
SELECT substr(r.run_id, 1, 24) || printf('%012x', x.id & 1099511627775),
       r.run_id, x.side, x.line, x.code, x.text, x.message, x.key
FROM recon_runs r
CROSS JOIN reject_rows x ON x.id BETWEEN r.run_no << 40 AND (r.run_no << 40) + 1099511627775
WHERE r.stage IS NOT NULL
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE 0;
