-- How people decide: proposals with their items, who made and who approved them, what was said and
-- who looks at what. The rules of the review are enforced here once more, so that no program that
-- can write to the store can approve its own proposal by mistake.

CREATE TABLE policies (
    policy_version INTEGER PRIMARY KEY,
    policy TEXT NOT NULL CHECK (json_valid(policy)),
    adopted_at TEXT NOT NULL,
    -- Null where the configuration gave the first one.
    proposal_id TEXT
);

CREATE TABLE proposals (
    proposal_id TEXT PRIMARY KEY,
    kind TEXT NOT NULL
        CHECK (kind IN ('ATTRIBUTION', 'BULK', 'REOPEN', 'REASON_CODE', 'RULE', 'POLICY')),
    state TEXT NOT NULL CHECK (state IN
        ('OPEN', 'CHECKED', 'APPLIED', 'RETURNED', 'WITHDRAWN', 'STALE', 'EXPIRED')),
    eyes INTEGER NOT NULL CHECK (eyes IN (2, 4, 6)),
    -- Under which control it was applied; until then under which it shall be.
    control TEXT NOT NULL CHECK (control IN ('NONE', 'TWO_EYE', 'FOUR_EYE', 'SIX_EYE')),
    triggers TEXT NOT NULL CHECK (json_valid(triggers)),
    maker_id TEXT NOT NULL,
    version INTEGER NOT NULL DEFAULT 1,
    content_hash BLOB NOT NULL,
    action TEXT CHECK (action IN ('APPROVE', 'OVERRIDE', 'REJECT')),
    reason_id INTEGER REFERENCES reason_codes (reason_id),
    payload TEXT CHECK (json_valid(payload)),
    comments TEXT,
    item_count INTEGER NOT NULL DEFAULT 0,
    label TEXT NOT NULL DEFAULT '',
    -- Sums of amounts and what the machine had predicted, for lists.
    figures TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(figures)),
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    closed_at TEXT,
    policy_version INTEGER NOT NULL,
    CHECK ((state IN ('OPEN', 'CHECKED')) = (closed_at IS NULL))
);

CREATE INDEX proposals_open ON proposals (state, created_at, proposal_id)
    WHERE state IN ('OPEN', 'CHECKED');
CREATE INDEX proposals_of_time ON proposals (created_at, proposal_id);
CREATE INDEX proposals_of_maker ON proposals (maker_id, created_at);

CREATE TABLE proposal_items (
    proposal_id TEXT NOT NULL REFERENCES proposals (proposal_id) ON DELETE RESTRICT,
    run_no INTEGER NOT NULL,
    number INTEGER NOT NULL,
    attribution_id TEXT NOT NULL,
    open INTEGER NOT NULL DEFAULT 1 CHECK (open IN (0, 1)),
    -- The version before the proposal took the item.
    base_version INTEGER NOT NULL,
    prior_status INTEGER NOT NULL,
    prior_reason_id INTEGER NOT NULL,
    prior_functional INTEGER,
    prior_locked INTEGER NOT NULL,
    prior_confidence REAL NOT NULL,
    prior_assigner_id INTEGER,
    prior_assigned_at TEXT,
    signature_id INTEGER,
    amount_abs REAL,
    currency TEXT,
    -- What the audit rows say of the item: refs, field, type and both values.
    facts TEXT NOT NULL CHECK (json_valid(facts)),
    PRIMARY KEY (proposal_id, run_no, number)
) WITHOUT ROWID;

-- An item is in one open proposal at most.
CREATE UNIQUE INDEX proposal_items_one_open ON proposal_items (run_no, number) WHERE open = 1;
CREATE INDEX proposal_items_of_item ON proposal_items (run_no, number);
CREATE INDEX proposal_items_of_signature ON proposal_items (signature_id, proposal_id);

CREATE TABLE contributors (
    proposal_id TEXT NOT NULL REFERENCES proposals (proposal_id) ON DELETE RESTRICT,
    person_id TEXT NOT NULL,
    PRIMARY KEY (proposal_id, person_id)
) WITHOUT ROWID;

CREATE INDEX contributors_of_person ON contributors (person_id, proposal_id);

CREATE TABLE approvals (
    proposal_id TEXT NOT NULL REFERENCES proposals (proposal_id) ON DELETE RESTRICT,
    proposal_version INTEGER NOT NULL,
    content_hash BLOB NOT NULL,
    stage TEXT NOT NULL CHECK (stage IN ('CHECKER', 'AUTHORIZER')),
    person_id TEXT NOT NULL,
    decision TEXT NOT NULL CHECK (decision IN ('APPROVE', 'RETURN')),
    comments TEXT,
    at TEXT NOT NULL,
    -- An approval by a person who lost the right to it before the proposal was applied.
    void INTEGER NOT NULL DEFAULT 0 CHECK (void IN (0, 1))
);

CREATE UNIQUE INDEX approvals_one_of_stage
    ON approvals (proposal_id, proposal_version, stage) WHERE void = 0;
CREATE UNIQUE INDEX approvals_one_of_person
    ON approvals (proposal_id, proposal_version, person_id) WHERE void = 0;
CREATE INDEX approvals_of_person ON approvals (person_id, at);

CREATE TRIGGER approvals_are_by_others BEFORE INSERT ON approvals
WHEN EXISTS (SELECT 1 FROM contributors c
             WHERE c.proposal_id = NEW.proposal_id AND c.person_id = NEW.person_id)
BEGIN
    SELECT RAISE(ABORT, 'approvals: nobody approves a proposal they took part in');
END;

CREATE TRIGGER approvals_are_of_this_version BEFORE INSERT ON approvals
WHEN NOT EXISTS (SELECT 1 FROM proposals p
                 WHERE p.proposal_id = NEW.proposal_id AND p.version = NEW.proposal_version
                   AND p.content_hash = NEW.content_hash AND p.closed_at IS NULL)
BEGIN
    SELECT RAISE(ABORT, 'approvals: the proposal is closed or says something else by now');
END;

CREATE TRIGGER approvals_keep_values
BEFORE UPDATE OF proposal_id, proposal_version, content_hash, stage, person_id, decision, at
ON approvals
BEGIN
    SELECT RAISE(ABORT, 'approvals: rows are never changed');
END;

CREATE TRIGGER approvals_stay_void BEFORE UPDATE OF void ON approvals WHEN OLD.void = 1
BEGIN
    SELECT RAISE(ABORT, 'approvals: what is void stays void');
END;

CREATE TRIGGER approvals_keep_rows BEFORE DELETE ON approvals
BEGIN
    SELECT RAISE(ABORT, 'approvals: rows are never deleted');
END;

CREATE TRIGGER contributors_keep_rows BEFORE DELETE ON contributors
BEGIN
    SELECT RAISE(ABORT, 'contributors: rows are never deleted');
END;

CREATE TRIGGER contributors_keep_values BEFORE UPDATE ON contributors
BEGIN
    SELECT RAISE(ABORT, 'contributors: rows are never changed');
END;

CREATE TRIGGER proposals_keep_rows BEFORE DELETE ON proposals
BEGIN
    SELECT RAISE(ABORT, 'proposals: rows are never deleted');
END;

CREATE TRIGGER proposals_stay_closed BEFORE UPDATE ON proposals
WHEN OLD.state NOT IN ('OPEN', 'CHECKED')
BEGIN
    SELECT RAISE(ABORT, 'proposals: a closed proposal stays as it is');
END;

CREATE TRIGGER proposals_keep_eyes BEFORE UPDATE OF eyes ON proposals WHEN NEW.eyes < OLD.eyes
BEGIN
    SELECT RAISE(ABORT, 'proposals: the eyes that a proposal needs never fall');
END;

-- What two or three persons shall decide is applied when they have, and not before. What one person
-- may decide alone is marked so from its first moment.
CREATE TRIGGER proposals_need_their_eyes BEFORE UPDATE OF state ON proposals
WHEN NEW.state = 'APPLIED' AND OLD.control NOT IN ('NONE', 'TWO_EYE') AND NEW.eyes / 2 - 1 > (
    SELECT count(DISTINCT a.person_id) FROM approvals a
    WHERE a.proposal_id = NEW.proposal_id AND a.proposal_version = NEW.version
      AND a.content_hash = NEW.content_hash AND a.decision = 'APPROVE' AND a.void = 0
      AND NOT EXISTS (SELECT 1 FROM contributors c
                      WHERE c.proposal_id = a.proposal_id AND c.person_id = a.person_id))
BEGIN
    SELECT RAISE(ABORT, 'proposals: approvals are missing');
END;

CREATE TRIGGER proposals_begin_open BEFORE INSERT ON proposals
WHEN NEW.state <> 'OPEN'
BEGIN
    SELECT RAISE(ABORT, 'proposals: a proposal begins open');
END;

-- The answer to a request, kept for those that repeat it.
CREATE TABLE idempotency (
    actor_id TEXT NOT NULL,
    route TEXT NOT NULL,
    key TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    response TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (actor_id, route, key)
) WITHOUT ROWID;

CREATE INDEX idempotency_of_time ON idempotency (at);

CREATE TABLE bulk_previews (
    token TEXT PRIMARY KEY,
    person_id TEXT NOT NULL,
    action TEXT NOT NULL,
    reason_code TEXT,
    -- [[run_no, number, version], …]
    items TEXT NOT NULL CHECK (json_valid(items)),
    hash BLOB NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE item_comments (
    comment_id TEXT PRIMARY KEY,
    run_no INTEGER NOT NULL,
    number INTEGER NOT NULL,
    person_id TEXT NOT NULL,
    text TEXT NOT NULL,
    at TEXT NOT NULL
);

CREATE INDEX item_comments_of_item ON item_comments (run_no, number, at);

CREATE TABLE assignments (
    run_no INTEGER NOT NULL,
    number INTEGER NOT NULL,
    assignee TEXT NOT NULL,
    assigned_by TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (run_no, number)
) WITHOUT ROWID;

CREATE INDEX assignments_of_person ON assignments (assignee);

-- Hints that somebody looks at an item, never locks.
CREATE TABLE claims (
    run_no INTEGER NOT NULL,
    number INTEGER NOT NULL,
    person_id TEXT NOT NULL,
    until TEXT NOT NULL,
    PRIMARY KEY (run_no, number)
) WITHOUT ROWID;

-- Undecided items that came back, and why.
CREATE TABLE sent_back (
    run_no INTEGER NOT NULL,
    number INTEGER NOT NULL,
    proposal_id TEXT NOT NULL,
    -- RETURNED, STALE or EXPIRED
    state TEXT NOT NULL,
    by_id TEXT NOT NULL,
    comments TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (run_no, number)
) WITHOUT ROWID;

-- How many items of each run, signature and status there are, so that lists need not count them. Who
-- changes the status of an attribution changes this in the same transaction.
CREATE TABLE item_counts (
    run_no INTEGER NOT NULL,
    -- 0 for none.
    signature_id INTEGER NOT NULL,
    status INTEGER NOT NULL,
    items INTEGER NOT NULL,
    amount_sum REAL NOT NULL,
    PRIMARY KEY (run_no, signature_id, status)
) WITHOUT ROWID;

-- Attempts that were refused. Kept apart from the audit trail, so that nobody can flood that.
CREATE TABLE security_log (
    entry_no INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    person_id TEXT NOT NULL,
    code TEXT NOT NULL,
    entity TEXT,
    what TEXT NOT NULL,
    auth_method TEXT,
    request_id TEXT,
    ip TEXT,
    user_agent TEXT
);

CREATE INDEX security_log_of_person ON security_log (person_id, at);
CREATE INDEX security_log_of_time ON security_log (at);

-- Attributions are found by the prefix of their ids.
CREATE UNIQUE INDEX recon_runs_of_attributions ON recon_runs (attribution_prefix);

-- An item's history, newest first, and the audit's search.
CREATE INDEX audit_trail_of_actor ON audit_trail (actor_id, seq);
CREATE INDEX audit_trail_of_entity ON audit_trail (entity_id, seq);
CREATE INDEX audit_trail_of_proposal ON audit_trail (proposal_id, seq);
