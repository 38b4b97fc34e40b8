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

-- Lists of every status, in the order of ids.
CREATE INDEX difference_rows_status ON difference_rows (status, signature_id, id);
