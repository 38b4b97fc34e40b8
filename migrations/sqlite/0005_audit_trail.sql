-- Who decided what, when and why. Rows are only ever added, each chained to the one before by its
-- hash; the review server fills the table.
CREATE TABLE audit_trail (
    -- Without gaps, from 1.
    seq INTEGER PRIMARY KEY,
    audit_id TEXT NOT NULL UNIQUE,
    -- Null for what is not about an attribution, such as a new reason code.
    attribution_id TEXT,
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_roles TEXT,
    auth_method TEXT,
    stage TEXT NOT NULL,
    action_type TEXT NOT NULL,
    previous_value TEXT CHECK (json_valid(previous_value)),
    new_value TEXT CHECK (json_valid(new_value)),
    comments TEXT,
    performed_at TEXT NOT NULL,
    request_id TEXT,
    ip TEXT,
    user_agent TEXT,
    proposal_id TEXT,
    proposal_version INTEGER,
    proposal_hash BLOB,
    policy_version INTEGER,
    model_version TEXT,
    rule_version TEXT,
    control TEXT,
    prev_hash BLOB NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    hash_version INTEGER NOT NULL
);

CREATE INDEX audit_trail_of_attribution ON audit_trail (attribution_id, seq);

CREATE TRIGGER audit_trail_keeps_rows BEFORE DELETE ON audit_trail
BEGIN
    SELECT RAISE(ABORT, 'audit_trail: rows are never deleted');
END;

CREATE TRIGGER audit_trail_keeps_values BEFORE UPDATE ON audit_trail
BEGIN
    SELECT RAISE(ABORT, 'audit_trail: rows are never changed');
END;

-- INSERT OR REPLACE deletes without firing the trigger above unless recursive triggers are on; a
-- number that is not the next one is refused in any case.
CREATE TRIGGER audit_trail_has_no_gaps BEFORE INSERT ON audit_trail
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM audit_trail)
BEGIN
    SELECT RAISE(ABORT, 'audit_trail: seq must be the next number');
END;
