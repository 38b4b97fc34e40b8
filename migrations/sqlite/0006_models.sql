-- What was learned: models with where they come from and how good they are, who made which one the
-- champion, on what evidence the machine may accept, and which accepted differences go to people as
-- blind checks.
CREATE TABLE models (
    version INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL,
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    -- SHA-256 of the rows and reasons it was trained on.
    training_hash TEXT NOT NULL,
    -- The ids of the runs that these came from, a JSON array.
    trained_on TEXT NOT NULL,
    features TEXT NOT NULL,
    parameters TEXT NOT NULL,
    metrics TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes BLOB NOT NULL,
    is_champion INTEGER NOT NULL DEFAULT 0 CHECK (is_champion IN (0, 1)),
    promoted_at TEXT,
    promoted_by TEXT,
    CHECK (is_champion = 0 OR promoted_by IS NOT NULL)
);

-- A job has at most one champion.
CREATE UNIQUE INDEX models_champion ON models (job) WHERE is_champion = 1;

-- Every change of champion; rows are only ever added.
CREATE TABLE model_promotions (
    promotion_no INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL,
    version INTEGER NOT NULL REFERENCES models (version),
    -- The champion before.
    replaced INTEGER REFERENCES models (version),
    action TEXT NOT NULL CHECK (action IN ('PROMOTE', 'ROLLBACK')),
    promoted_at TEXT NOT NULL,
    promoted_by TEXT NOT NULL,
    why TEXT NOT NULL
);

-- What was measured of the machine's guesses: the newest row of a job counts, as long as its basis
-- (rules and model) is the present one.
CREATE TABLE acceptance_evidence (
    evidence_no INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL,
    measured_at TEXT NOT NULL,
    basis TEXT NOT NULL,
    -- [{"group": …, "confidence": …, "decided": …, "wrong": …}]
    evidence TEXT NOT NULL
);

CREATE INDEX acceptance_evidence_of_job ON acceptance_evidence (job, evidence_no);

-- Accepted differences that people check blind. Whoever reviews them sets outcome.
CREATE TABLE audit_samples (
    run_no INTEGER NOT NULL,
    -- The number of the difference within its run, as attributions.difference_number.
    number INTEGER NOT NULL,
    -- What accepted it: outcomes speak about this basis only.
    basis TEXT NOT NULL,
    outcome TEXT CHECK (outcome IN ('AGREED', 'DISAGREED')),
    checked_by TEXT,
    checked_at TEXT,
    PRIMARY KEY (run_no, number),
    CHECK (outcome IS NULL OR (checked_by IS NOT NULL AND checked_at IS NOT NULL))
) WITHOUT ROWID;
