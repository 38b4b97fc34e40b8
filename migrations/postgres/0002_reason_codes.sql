-- The catalogue of causes. Codes of recon.yaml have the origin 'file'; what people approved has
-- the origin 'people' and is changed by people only. A code is never deleted.
CREATE TABLE reason_codes (
    reason_id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    code text NOT NULL UNIQUE,
    description text NOT NULL,
    is_functional boolean NOT NULL,
    is_active boolean NOT NULL DEFAULT true,
    origin text NOT NULL DEFAULT 'file' CHECK (origin IN ('file', 'people'))
);

INSERT INTO reason_codes (code, description, is_functional)
VALUES ('UNKNOWN', 'No cause could be determined with enough confidence', false);

-- The codes of each job's file: a code stays active as long as one of them has it.
CREATE TABLE job_reason_codes (
    job TEXT NOT NULL,
    code TEXT NOT NULL,
    PRIMARY KEY (job, code)
);
