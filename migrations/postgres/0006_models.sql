-- What was learned: models with where they come from and how good they are, who made which one the
-- champion, on what evidence the machine may accept, and which accepted differences go to people as
-- blind checks.
CREATE TABLE models (
    version bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    job text NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    -- SHA-256 of the rows and reasons it was trained on.
    training_hash text NOT NULL,
    -- The ids of the runs that these came from, a JSON array.
    trained_on jsonb NOT NULL,
    features jsonb NOT NULL,
    parameters jsonb NOT NULL,
    metrics jsonb NOT NULL,
    sha256 text NOT NULL,
    bytes bytea NOT NULL,
    is_champion boolean NOT NULL DEFAULT false,
    promoted_at timestamptz,
    promoted_by text,
    CHECK (NOT is_champion OR promoted_by IS NOT NULL)
);

-- A job has at most one champion.
CREATE UNIQUE INDEX models_champion ON models (job) WHERE is_champion;

-- Every change of champion; rows are only ever added.
CREATE TABLE model_promotions (
    promotion_no bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    job text NOT NULL,
    version bigint NOT NULL REFERENCES models (version),
    -- The champion before.
    replaced bigint REFERENCES models (version),
    action text NOT NULL CHECK (action IN ('PROMOTE', 'ROLLBACK')),
    promoted_at timestamptz NOT NULL,
    promoted_by text NOT NULL,
    why text NOT NULL
);

-- What was measured of the machine's guesses: the newest row of a job counts, as long as its basis
-- (rules and model) is the present one.
CREATE TABLE acceptance_evidence (
    evidence_no bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    job text NOT NULL,
    measured_at timestamptz NOT NULL,
    basis text NOT NULL,
    -- [{"group": …, "confidence": …, "decided": …, "wrong": …}]
    evidence jsonb NOT NULL
);

CREATE INDEX acceptance_evidence_of_job ON acceptance_evidence (job, evidence_no);

-- Accepted differences that people check blind. Whoever reviews them sets outcome.
CREATE TABLE audit_samples (
    run_no integer NOT NULL,
    -- The number of the difference within its run, as attributions.difference_number.
    number bigint NOT NULL,
    -- What accepted it: outcomes speak about this basis only.
    basis text NOT NULL,
    outcome text CHECK (outcome IN ('AGREED', 'DISAGREED')),
    checked_by text,
    checked_at timestamptz,
    PRIMARY KEY (run_no, number),
    CHECK (outcome IS NULL OR (checked_by IS NOT NULL AND checked_at IS NOT NULL))
);
