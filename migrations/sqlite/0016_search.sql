-- Search and lists of the review.

-- For each run how far its search index has come: from which item the next part begins.
CREATE TABLE search_runs (
    run_no INTEGER PRIMARY KEY,
    next_number INTEGER NOT NULL,
    parts INTEGER NOT NULL,
    complete INTEGER NOT NULL CHECK (complete IN (0, 1))
);

CREATE TABLE search_parts (
    run_no INTEGER NOT NULL,
    part INTEGER NOT NULL,
    PRIMARY KEY (run_no, part)
) WITHOUT ROWID;

-- Which records of a part contain three characters in a row: each record's number as the difference to
-- the one before, in groups of seven bits. A character has 21 bits of `gram`.
CREATE TABLE search_grams (
    run_no INTEGER NOT NULL,
    part INTEGER NOT NULL,
    gram INTEGER NOT NULL,
    records BLOB NOT NULL,
    PRIMARY KEY (run_no, part, gram)
) WITHOUT ROWID;

-- Lists of every status and signature, in the order of ids. The signature comes first, so that other queries keep their
-- own indexes.
CREATE INDEX difference_rows_kinds ON difference_rows (signature_id, status, id);

-- The figures of current runs, so that the overview need not count: blocked records, and items by reason, status
-- and assigner (0: none). Who changes an attribution changes these in the same transaction; a run without a row
-- here is counted by the server.
CREATE TABLE run_figures (
    run_no INTEGER PRIMARY KEY,
    blocked INTEGER NOT NULL
);

CREATE TABLE reason_counts (
    run_no INTEGER NOT NULL,
    reason_id INTEGER NOT NULL,
    status INTEGER NOT NULL,
    assigner_id INTEGER NOT NULL,
    items INTEGER NOT NULL,
    PRIMARY KEY (run_no, reason_id, status, assigner_id)
) WITHOUT ROWID;
