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

-- Lists of every status, in the order of ids. New runs get the index when they are written.
CREATE INDEX ON difference_rows (status, signature_id, run_no, number);
