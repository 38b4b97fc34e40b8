-- Search and lists of the review.

-- For each run how far its search index has come: from which item the next part begins.
CREATE TABLE search_runs (
    run_no integer PRIMARY KEY,
    next_number bigint NOT NULL,
    parts integer NOT NULL,
    complete boolean NOT NULL
);

CREATE TABLE search_parts (
    run_no integer NOT NULL,
    part integer NOT NULL,
    PRIMARY KEY (run_no, part)
);

-- Which records of a part contain three characters in a row: each record's number as the difference to
-- the one before, in groups of seven bits. A character has 21 bits of `gram`.
CREATE TABLE search_grams (
    run_no integer NOT NULL,
    part integer NOT NULL,
    gram bigint NOT NULL,
    records bytea NOT NULL,
    PRIMARY KEY (run_no, part, gram)
);

-- Lists of every status and signature, in the order of ids. New runs get the index when they are written.
CREATE INDEX ON difference_rows (signature_id, status, run_no, number);

-- The figures of current runs, so that the overview need not count: blocked records, and items by reason, status
-- and assigner (0: none). Who changes an attribution changes these in the same transaction; a run without a row
-- here is counted by the server.
CREATE TABLE run_figures (
    run_no integer PRIMARY KEY,
    blocked bigint NOT NULL
);

CREATE TABLE reason_counts (
    run_no integer NOT NULL,
    reason_id integer NOT NULL,
    status integer NOT NULL,
    assigner_id integer NOT NULL,
    items bigint NOT NULL,
    PRIMARY KEY (run_no, reason_id, status, assigner_id)
);
