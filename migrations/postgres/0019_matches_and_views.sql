-- Which differences people matched by hand. The proposal that settled them names the match.
CREATE TABLE matched_by_hand (
    run_no integer NOT NULL,
    number bigint NOT NULL,
    proposal_id text NOT NULL REFERENCES proposals (proposal_id) ON DELETE RESTRICT,
    PRIMARY KEY (run_no, number)
);

CREATE INDEX matched_by_hand_of_match ON matched_by_hand (proposal_id);

-- Filters of the queue that people gave a name.
CREATE TABLE saved_views (
    person_id text NOT NULL,
    name text NOT NULL,
    -- The query of the page's address.
    query text NOT NULL,
    saved_at timestamptz NOT NULL,
    PRIMARY KEY (person_id, name)
);
