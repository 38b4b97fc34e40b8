-- The catalogue of causes. Codes of recon.yaml have the origin 'file'; what people approved has
-- the origin 'people' and is changed by people only. A code is never deleted.
CREATE TABLE reason_codes (
    reason_id INTEGER PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    is_functional INTEGER NOT NULL CHECK (is_functional IN (0, 1)),
    is_active INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
    origin TEXT NOT NULL DEFAULT 'file' CHECK (origin IN ('file', 'people'))
);

INSERT INTO reason_codes (code, description, is_functional)
VALUES ('UNKNOWN', 'No cause could be determined with enough confidence', 0);

-- The codes of each job's file: a code stays active as long as one of them has it.
CREATE TABLE job_reason_codes (
    job TEXT NOT NULL,
    code TEXT NOT NULL,
    PRIMARY KEY (job, code)
) WITHOUT ROWID;
