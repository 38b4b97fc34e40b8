-- Which differences people matched by hand. The proposal that settled them names the match.
CREATE TABLE matched_by_hand (
    run_no INTEGER NOT NULL,
    number INTEGER NOT NULL,
    proposal_id TEXT NOT NULL REFERENCES proposals (proposal_id) ON DELETE RESTRICT,
    PRIMARY KEY (run_no, number)
) WITHOUT ROWID;

CREATE INDEX matched_by_hand_of_match ON matched_by_hand (proposal_id);

-- Filters of the queue that people gave a name.
CREATE TABLE saved_views (
    person_id TEXT NOT NULL,
    name TEXT NOT NULL,
    -- The query of the page's address.
    query TEXT NOT NULL,
    saved_at TEXT NOT NULL,
    PRIMARY KEY (person_id, name)
) WITHOUT ROWID;
