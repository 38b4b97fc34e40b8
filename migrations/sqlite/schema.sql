-- The schema that the migrations make, for new files. Produced from them: `RECON_UPDATE_DOCS=1 cargo test`
-- writes it anew.

CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at TEXT NOT NULL, program_version TEXT NOT NULL);

CREATE TABLE recon_runs (
    run_id TEXT NOT NULL UNIQUE,
    job TEXT NOT NULL,
    source_system_a TEXT NOT NULL,
    source_system_b TEXT NOT NULL,
    batch_date TEXT NOT NULL,
    start_time TEXT NOT NULL,
    end_time TEXT,
    status TEXT NOT NULL
        CHECK (status IN ('RUNNING', 'COMPLETED', 'COMPLETED_WITH_ERRORS', 'FAILED')),
    stage TEXT CHECK (stage IN ('INGESTED', 'COMPARED', 'ATTRIBUTED')),
    superseded_by TEXT,
    total_records INTEGER NOT NULL DEFAULT 0,
    total_differences INTEGER NOT NULL DEFAULT 0,
    metadata TEXT NOT NULL,
    run_no INTEGER PRIMARY KEY,
    -- The fields in their order, [{"name": …, "kind": …}], the key's first.
    layout TEXT NOT NULL,
    key_length INTEGER NOT NULL,
    record_prefix TEXT NOT NULL,
    difference_prefix TEXT NOT NULL,
    attribution_prefix TEXT NOT NULL,
    -- When the stages were reached.
    ingested_at TEXT,
    compared_at TEXT,
    attributed_at TEXT,
    -- keep: all; otherwise matched records do not show once the run is compared.
    keep_all INTEGER NOT NULL,
    -- Matched records, which do not show any more, are still to be deleted.
    trim_pending INTEGER NOT NULL DEFAULT 0
, unlisted INTEGER NOT NULL DEFAULT 0 CHECK (unlisted IN (0, 1)));

CREATE INDEX recon_runs_of_job ON recon_runs (job, batch_date);

CREATE TABLE reject_rows (
    id INTEGER PRIMARY KEY,
    side TEXT NOT NULL CHECK (side IN ('A', 'B')),
    line INTEGER NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    text TEXT NOT NULL,
    key TEXT
, place INTEGER NOT NULL DEFAULT 0);

CREATE TABLE reason_codes (
    reason_id INTEGER PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    is_functional INTEGER NOT NULL CHECK (is_functional IN (0, 1)),
    is_active INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
    origin TEXT NOT NULL DEFAULT 'file' CHECK (origin IN ('file', 'people'))
, closes INTEGER NOT NULL DEFAULT 0 CHECK (closes IN (0, 1)));

CREATE TABLE job_reason_codes (
    job TEXT NOT NULL,
    code TEXT NOT NULL,
    PRIMARY KEY (job, code)
) WITHOUT ROWID;

CREATE TABLE record_rows (
    id INTEGER PRIMARY KEY,
    records TEXT NOT NULL
);

CREATE TABLE difference_rows (
    id INTEGER PRIMARY KEY,
    diff_type INTEGER NOT NULL,
    severity INTEGER NOT NULL,
    value_a TEXT,
    value_b TEXT,
    -- Null until somebody gave a reason.
    reason_id INTEGER,
    -- Whether business explained that reason when it was given: with status 3 the difference passes
    -- the gate. Whoever sets reason_id sets this too.
    functional INTEGER,
    confidence REAL,
    -- 1 UNKNOWN, 2 PENDING, 3 ACCEPTED, 4 REJECTED
    status INTEGER,
    assigner_id INTEGER,
    explanation TEXT,
    signature_id INTEGER,
    -- What is at stake: the size of the difference of a monetary field.
    amount_abs REAL,
    -- Null: when the run was attributed.
    assigned_at TEXT,
    is_locked INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL DEFAULT 1,
    -- Drawn for a second look by people.
    audit_sample INTEGER NOT NULL DEFAULT 0, break_key INTEGER, since INTEGER, later INTEGER, unlisted INTEGER,
    CHECK (status IS NOT 2 OR is_locked = 1)
);

CREATE TABLE assigners (
    assigner_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    is_person INTEGER NOT NULL
);

CREATE TABLE signatures (
    signature_id INTEGER PRIMARY KEY,
    signature TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL
);

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
    previous_value TEXT CHECK (previous_value IS NULL OR json_valid(previous_value)),
    new_value TEXT CHECK (new_value IS NULL OR json_valid(new_value)),
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

CREATE UNIQUE INDEX models_champion ON models (job) WHERE is_champion = 1;

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

CREATE TABLE acceptance_evidence (
    evidence_no INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL,
    measured_at TEXT NOT NULL,
    basis TEXT NOT NULL,
    -- [{"group": …, "confidence": …, "decided": …, "wrong": …}]
    evidence TEXT NOT NULL
);

CREATE INDEX acceptance_evidence_of_job ON acceptance_evidence (job, evidence_no);

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
    payload TEXT CHECK (payload IS NULL OR json_valid(payload)),
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
    facts TEXT NOT NULL CHECK (json_valid(facts)), prior_explanation TEXT,
    PRIMARY KEY (proposal_id, run_no, number)
) WITHOUT ROWID;

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

CREATE TABLE claims (
    run_no INTEGER NOT NULL,
    number INTEGER NOT NULL,
    person_id TEXT NOT NULL,
    until TEXT NOT NULL,
    PRIMARY KEY (run_no, number)
) WITHOUT ROWID;

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

CREATE TABLE item_counts (
    run_no INTEGER NOT NULL,
    -- 0 for none.
    signature_id INTEGER NOT NULL,
    status INTEGER NOT NULL,
    items INTEGER NOT NULL,
    amount_sum REAL NOT NULL, least_confidence REAL NOT NULL DEFAULT 0, least_since INTEGER NOT NULL DEFAULT -2147483648, most_since INTEGER NOT NULL DEFAULT 2147483646,
    PRIMARY KEY (run_no, signature_id, status)
) WITHOUT ROWID;

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

CREATE UNIQUE INDEX recon_runs_of_attributions ON recon_runs (attribution_prefix);

CREATE INDEX audit_trail_of_actor ON audit_trail (actor_id, seq);

CREATE INDEX audit_trail_of_entity ON audit_trail (entity_id, seq);

CREATE INDEX audit_trail_of_proposal ON audit_trail (proposal_id, seq);

CREATE TABLE people (
    person_id TEXT PRIMARY KEY,
    display_name TEXT NOT NULL,
    -- A service is no person who could be one of the eyes.
    is_service INTEGER NOT NULL DEFAULT 0,
    is_disabled INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL
);

CREATE TABLE logins (
    -- The name after NFKC and case folding: `Ann` and `ann` are one.
    login_key TEXT PRIMARY KEY,
    login TEXT NOT NULL,
    person_id TEXT NOT NULL REFERENCES people (person_id) ON DELETE RESTRICT,
    -- A PHC string; null where a proxy vouches for the person, or no password was chosen yet.
    password TEXT,
    password_at TEXT,
    created_at TEXT NOT NULL
, must_change INTEGER NOT NULL DEFAULT 0 CHECK (must_change IN (0, 1)), agreed_at TEXT);

CREATE INDEX logins_of_person ON logins (person_id);

CREATE TABLE person_roles (
    person_id TEXT NOT NULL REFERENCES people (person_id) ON DELETE RESTRICT,
    role TEXT NOT NULL
        CHECK (role IN ('analyst', 'senior', 'supervisor', 'manager', 'auditor', 'admin')),
    granted_at TEXT NOT NULL,
    granted_by TEXT NOT NULL,
    PRIMARY KEY (person_id, role)
);

CREATE TRIGGER person_roles_are_separate BEFORE INSERT ON person_roles
WHEN EXISTS (
    SELECT 1 FROM person_roles held
    WHERE held.person_id = NEW.person_id AND held.role <> NEW.role
      AND (held.role IN ('auditor', 'admin') OR NEW.role IN ('auditor', 'admin'))
)
BEGIN
    SELECT RAISE(ABORT, 'person_roles: auditor and admin exclude every other role');
END;

CREATE TRIGGER person_roles_stay_separate BEFORE UPDATE ON person_roles
BEGIN
    SELECT RAISE(ABORT, 'person_roles: roles are granted and taken away, never changed');
END;

CREATE TABLE field_grants (
    person_id TEXT NOT NULL REFERENCES people (person_id) ON DELETE RESTRICT,
    field_name TEXT NOT NULL,
    granted_at TEXT NOT NULL,
    granted_by TEXT NOT NULL,
    PRIMARY KEY (person_id, field_name)
);

CREATE TABLE sessions (
    session_id TEXT PRIMARY KEY,
    secret_hash BLOB NOT NULL,
    login_key TEXT NOT NULL REFERENCES logins (login_key) ON DELETE RESTRICT,
    person_id TEXT NOT NULL REFERENCES people (person_id) ON DELETE RESTRICT,
    created_at TEXT NOT NULL,
    used_at TEXT NOT NULL,
    address TEXT,
    user_agent TEXT
);

CREATE INDEX sessions_of_person ON sessions (person_id);

CREATE TABLE tokens (
    token_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    secret_hash BLOB NOT NULL,
    login_key TEXT NOT NULL REFERENCES logins (login_key) ON DELETE RESTRICT,
    person_id TEXT NOT NULL REFERENCES people (person_id) ON DELETE RESTRICT,
    -- Names of permissions, joined by commas.
    scopes TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    used_at TEXT,
    revoked_at TEXT
);

CREATE INDEX tokens_of_person ON tokens (person_id);

CREATE TABLE invitations (
    invitation_id TEXT PRIMARY KEY,
    secret_hash BLOB NOT NULL,
    -- Null: whoever opens it becomes the first admin.
    login_key TEXT REFERENCES logins (login_key) ON DELETE RESTRICT,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
);

CREATE TABLE login_attempts (
    -- SHA-256 of what is counted: people type passwords where their name belongs.
    subject TEXT PRIMARY KEY,
    since TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    strikes INTEGER NOT NULL
);

CREATE INDEX login_attempts_by_age ON login_attempts (since);

CREATE TRIGGER audit_trail_has_no_gaps BEFORE INSERT ON audit_trail
BEGIN
    SELECT RAISE(ABORT, 'audit_trail: seq must be the next number')
    WHERE NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM audit_trail);
    SELECT RAISE(ABORT, 'audit_trail: prev_hash must be the hash of the last row')
    WHERE EXISTS (SELECT 1 FROM audit_trail WHERE seq = NEW.seq - 1 AND hash IS NOT NEW.prev_hash);
    SELECT RAISE(ABORT, 'audit_trail: rows are never replaced')
    WHERE EXISTS (SELECT 1 FROM audit_trail WHERE audit_id = NEW.audit_id)
       OR EXISTS (SELECT 1 FROM audit_trail WHERE hash = NEW.hash);
END;

CREATE VIEW data_differences
    (diff_id, run_id, record_id, field_name, value_a, value_b, diff_type, severity, created_at,
     difference_number, record_number, is_current) AS
SELECT
    r.difference_prefix || printf('%012x', d.id & 1099511627775),
    r.run_id,
    r.record_prefix || printf('%012x', (d.id & 1099511627775) >> 10),
    CASE d.id & 1023 WHEN 0 THEN 'ENTIRE_RECORD'
        ELSE r.layout -> ((d.id & 1023) - 1) ->> 'name' END,
    d.value_a,
    d.value_b,
    CASE d.diff_type
        WHEN 1 THEN 'MISSING_IN_SOURCE_A' WHEN 2 THEN 'MISSING_IN_SOURCE_B'
        WHEN 3 THEN 'DUPLICATE_IN_SOURCE_A' WHEN 4 THEN 'DUPLICATE_IN_SOURCE_B'
        WHEN 5 THEN 'NULL_MISMATCH' WHEN 6 THEN 'NUMERIC_MISMATCH' WHEN 7 THEN 'DATE_MISMATCH'
        WHEN 8 THEN 'STRING_MISMATCH' WHEN 9 THEN 'BOOLEAN_MISMATCH' WHEN 10 THEN 'TYPE_MISMATCH'
    END,
    CASE d.severity
        WHEN 1 THEN 'LOW' WHEN 2 THEN 'MEDIUM' WHEN 3 THEN 'HIGH' WHEN 4 THEN 'CRITICAL'
    END,
    r.compared_at,
    d.id & 1099511627775,
    (d.id & 1099511627775) >> 10,
    r.stage = 'ATTRIBUTED' AND r.superseded_by IS NULL
FROM recon_runs r
CROSS JOIN difference_rows d ON d.id BETWEEN r.run_no << 40 AND (r.run_no << 40) + 1099511627775
WHERE r.stage IN ('COMPARED', 'ATTRIBUTED')
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE 0;

CREATE VIEW attributions
    (attribution_id, run_id, diff_id, reason_id, confidence_score, status, assigned_by,
     assigned_at, is_locked, version, explanation, difference_number, signature, amount_abs,
     is_current) AS
SELECT
    r.attribution_prefix || printf('%012x', d.id & 1099511627775),
    r.run_id,
    r.difference_prefix || printf('%012x', d.id & 1099511627775),
    d.reason_id,
    d.confidence,
    CASE d.status
        WHEN 1 THEN 'UNKNOWN' WHEN 2 THEN 'PENDING' WHEN 3 THEN 'ACCEPTED' WHEN 4 THEN 'REJECTED'
    END,
    w.name,
    coalesce(d.assigned_at, r.attributed_at),
    d.is_locked,
    d.version,
    d.explanation,
    d.id & 1099511627775,
    s.signature,
    d.amount_abs,
    r.stage = 'ATTRIBUTED' AND r.superseded_by IS NULL
FROM recon_runs r
CROSS JOIN difference_rows d ON d.id BETWEEN r.run_no << 40 AND (r.run_no << 40) + 1099511627775
LEFT JOIN assigners w ON w.assigner_id = d.assigner_id
LEFT JOIN signatures s ON s.signature_id = d.signature_id
WHERE r.stage = 'ATTRIBUTED'
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL
WHERE 0;

CREATE VIEW current_runs AS
SELECT run_id, job, source_system_a, source_system_b, batch_date, start_time, end_time, status,
       total_records, total_differences, metadata
FROM recon_runs WHERE stage = 'ATTRIBUTED' AND superseded_by IS NULL;

CREATE VIEW current_differences AS
SELECT diff_id, run_id, record_id, field_name, value_a, value_b, diff_type, severity, created_at,
       difference_number, record_number
FROM data_differences WHERE is_current;

CREATE VIEW current_attributions AS
SELECT attribution_id, run_id, diff_id, reason_id, confidence_score, status, assigned_by,
       assigned_at, is_locked, version, explanation, difference_number, signature, amount_abs
FROM attributions WHERE is_current;

CREATE VIEW rejected_rows
    (rejected_row_id, run_id, side, line, code, text, message, key, file) AS
SELECT substr(r.run_id, 1, 24) || printf('%012x', x.id & 1099511627775),
       r.run_id, x.side, x.line, x.code, x.text, x.message, x.key,
       coalesce(
           r.metadata ->> ('$.sources.' || lower(x.side) || '.files[' || (x.place >> 40) || '].path'),
           r.metadata ->> ('$.sources.' || lower(x.side) || '.path'))
FROM recon_runs r
CROSS JOIN reject_rows x ON x.id BETWEEN r.run_no << 40 AND (r.run_no << 40) + 1099511627775
WHERE r.stage IS NOT NULL
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE 0;

CREATE VIEW recon_members 
    (run_id, record_id, side, file, line, ref_id, normalized_data, carried_from) AS
SELECT r.run_id, r.record_prefix || printf('%012x', (x.id & 1099511627775) * 64 + e.key + 1),
       'A',
       coalesce(
           m.value ->> '$.carried.file',
           r.metadata ->> ('$.sources.a.files[' || ((m.value ->> 'offset') >> 40) || '].path'),
           r.metadata ->> '$.sources.a.path'),
       m.value ->> 'line', m.value ->> 'ref',
       (SELECT json_group_object(f.value ->> 'name', s.side -> f.key)
        FROM (SELECT m.value -> 'values' AS side UNION ALL SELECT NULL WHERE 0) s
        CROSS JOIN json_each(r.layout) f),
       m.value ->> '$.carried.from'
FROM recon_runs r
CROSS JOIN record_rows x ON x.id BETWEEN r.run_no << 40 AND (r.run_no << 40) + 1099511627775
CROSS JOIN json_each(x.records) e
CROSS JOIN json_each(e.value, '$[7].a') m
WHERE r.stage IS NOT NULL AND e.type <> 'null' AND (e.value ->> 0) & 7 = 6
  AND (r.keep_all = 1 OR r.stage = 'INGESTED' OR EXISTS (
    SELECT 1 FROM difference_rows d
    WHERE d.id BETWEEN
        ((r.run_no << 40) | (((x.id & 1099511627775) * 64 + e.key + 1) << 10))
        AND ((r.run_no << 40) | (((x.id & 1099511627775) * 64 + e.key + 1) << 10)) + 1023))
UNION ALL
SELECT r.run_id, r.record_prefix || printf('%012x', (x.id & 1099511627775) * 64 + e.key + 1),
       'B',
       coalesce(
           m.value ->> '$.carried.file',
           r.metadata ->> ('$.sources.b.files[' || ((m.value ->> 'offset') >> 40) || '].path'),
           r.metadata ->> '$.sources.b.path'),
       m.value ->> 'line', m.value ->> 'ref',
       (SELECT json_group_object(f.value ->> 'name', s.side -> f.key)
        FROM (SELECT m.value -> 'values' AS side UNION ALL SELECT NULL WHERE 0) s
        CROSS JOIN json_each(r.layout) f),
       m.value ->> '$.carried.from'
FROM recon_runs r
CROSS JOIN record_rows x ON x.id BETWEEN r.run_no << 40 AND (r.run_no << 40) + 1099511627775
CROSS JOIN json_each(x.records) e
CROSS JOIN json_each(e.value, '$[7].b') m
WHERE r.stage IS NOT NULL AND e.type <> 'null' AND (e.value ->> 0) & 7 = 6
  AND (r.keep_all = 1 OR r.stage = 'INGESTED' OR EXISTS (
    SELECT 1 FROM difference_rows d
    WHERE d.id BETWEEN
        ((r.run_no << 40) | (((x.id & 1099511627775) * 64 + e.key + 1) << 10))
        AND ((r.run_no << 40) | (((x.id & 1099511627775) * 64 + e.key + 1) << 10)) + 1023))
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE 0;

CREATE VIEW current_records AS
SELECT record_id, run_id, source_a_ref_id, source_b_ref_id, ingested_at,
       normalized_data_a, normalized_data_b, line_a, offset_a, line_b, offset_b, gate_status,
       kind, partner_rejected, is_break, record_number, file_a, file_b,
       match_pass, match_shape, match_certificate, match_alternatives, members_a, members_b,
       carried_from_a, carried_from_b
FROM recon_records WHERE is_current;

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

CREATE TABLE search_grams (
    run_no INTEGER NOT NULL,
    part INTEGER NOT NULL,
    gram INTEGER NOT NULL,
    records BLOB NOT NULL,
    PRIMARY KEY (run_no, part, gram)
) WITHOUT ROWID;

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

CREATE TABLE break_dates (
    job TEXT NOT NULL,
    -- Days since 1970-01-01.
    day INTEGER NOT NULL,
    run_no INTEGER NOT NULL,
    -- How many dates came before.
    position INTEGER NOT NULL,
    -- Changes whenever what the run's breaks are is worked out anew.
    version INTEGER NOT NULL, items_left INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (job, day)
) WITHOUT ROWID;

CREATE UNIQUE INDEX break_dates_of_run ON break_dates (run_no);

CREATE TABLE break_states (
    id INTEGER PRIMARY KEY,
    entries BLOB NOT NULL
, form INTEGER NOT NULL DEFAULT 1);

CREATE TABLE break_partners (
    id INTEGER PRIMARY KEY,
    rows BLOB NOT NULL
);

CREATE TABLE job_calendars (
    job TEXT PRIMARY KEY,
    week TEXT NOT NULL,
    holidays TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE matched_by_hand (
    run_no INTEGER NOT NULL,
    number INTEGER NOT NULL,
    proposal_id TEXT NOT NULL REFERENCES proposals (proposal_id) ON DELETE RESTRICT,
    PRIMARY KEY (run_no, number)
) WITHOUT ROWID;

CREATE INDEX matched_by_hand_of_match ON matched_by_hand (proposal_id);

CREATE TABLE saved_views (
    person_id TEXT NOT NULL,
    name TEXT NOT NULL,
    -- The query of the page's address.
    query TEXT NOT NULL,
    saved_at TEXT NOT NULL,
    PRIMARY KEY (person_id, name)
) WITHOUT ROWID;

CREATE TABLE cleared_breaks (
    job TEXT NOT NULL,
    -- The sixteen days in which it ended: cleared_on >> 4.
    period INTEGER NOT NULL,
    break_key INTEGER NOT NULL,
    since INTEGER NOT NULL,
    run_no INTEGER NOT NULL,
    number INTEGER NOT NULL,
    cleared_on INTEGER NOT NULL,
    -- 1 MATCHED, 2 AGREES, 3 GONE, 4 CLOSED, 5 EXPIRED
    cleared_how INTEGER NOT NULL,
    diff_type INTEGER,
    PRIMARY KEY (job, period, break_key, since)
) WITHOUT ROWID;

CREATE INDEX item_counts_undecided ON item_counts (signature_id, run_no)
    WHERE status = 1 AND items > 0;

CREATE VIEW recon_breaks
    (break_id, job, ref, field_name, diff_type, first_seen, last_seen, cleared_on, cleared_how,
     occurrences, age_days, age_business_days, run_id, diff_id, attribution_id, value_a, value_b,
     amount_abs, severity, reason, status, reopens) AS
SELECT
    printf('%08x-%04x-8%03x-8%03x-%012x', x.since & 4294967295, (x.break_key >> 48) & 65535,
           (x.break_key >> 36) & 4095, (x.break_key >> 24) & 4095, x.break_key & 16777215),
    x.job,
    (SELECT CASE WHEN n.b_leads THEN coalesce(n.b, n.a) ELSE coalesce(n.a, n.b) END FROM (
        SELECT
            -- A group goes by its one side.
            (e.entry ->> 0) & 7 = 6 AND json_array_length(e.entry, '$[7].b') = 1 AS b_leads,
            coalesce(e.entry ->> '$[7].ref_a', (
                SELECT group_concat(replace(replace(
                    CASE f.type WHEN 'text' THEN f.value ELSE e.entry -> ('$[1][' || f.key || ']')
                    END, '\', '\\'), '|', '\|'), '|')
                FROM json_each(e.entry, '$[1]') f WHERE f.key < r.key_length)) AS a,
            coalesce(e.entry ->> '$[7].ref_b', (
                SELECT group_concat(replace(replace(
                    CASE f.type WHEN 'text' THEN f.value ELSE e.entry -> ('$[2][' || f.key || ']')
                    END, '\', '\\'), '|', '\|'), '|')
                FROM json_each(e.entry, '$[2]') f WHERE f.key < r.key_length)) AS b
        FROM (
            SELECT json_extract(k.records,
                       '$[' || ((((x.id & 1099511627775) >> 10) - 1) % 64) || ']') AS entry
            FROM record_rows k
            WHERE k.id = (x.id >> 40) << 40 | (((x.id & 1099511627775) >> 10) - 1) / 64
        ) e) n),
    CASE x.id & 1023 WHEN 0 THEN 'ENTIRE_RECORD'
        ELSE r.layout -> ((x.id & 1023) - 1) ->> 'name' END,
    CASE x.diff_type
        WHEN 1 THEN 'MISSING_IN_SOURCE_A' WHEN 2 THEN 'MISSING_IN_SOURCE_B'
        WHEN 3 THEN 'DUPLICATE_IN_SOURCE_A' WHEN 4 THEN 'DUPLICATE_IN_SOURCE_B'
        WHEN 5 THEN 'NULL_MISMATCH' WHEN 6 THEN 'NUMERIC_MISMATCH' WHEN 7 THEN 'DATE_MISMATCH'
        WHEN 8 THEN 'STRING_MISMATCH' WHEN 9 THEN 'BOOLEAN_MISMATCH' WHEN 10 THEN 'TYPE_MISMATCH'
    END,
    date(x.since * 86400, 'unixepoch'),
    r.batch_date,
    date(x.cleared_on * 86400, 'unixepoch'),
    CASE x.cleared_how WHEN 1 THEN 'MATCHED' WHEN 2 THEN 'AGREES' WHEN 3 THEN 'GONE'
        WHEN 4 THEN 'CLOSED' WHEN 5 THEN 'EXPIRED' END,
    x.position - (SELECT f.position FROM break_dates f WHERE f.job = x.job AND f.day = x.since) + 1,
    x.until - x.since,
    ((x.until + 3) / 7 - (x.since + 3) / 7) * coalesce(c.week ->> 6, 5)
        + coalesce(c.week ->> ((x.until + 3) % 7), min((x.until + 3) % 7 + 1, 5))
        - coalesce(c.week ->> ((x.since + 3) % 7), min((x.since + 3) % 7 + 1, 5))
        - CASE WHEN c.holidays IS NULL THEN 0 ELSE (
            SELECT count(*) FROM json_each(c.holidays) h
            WHERE h.value > x.since AND h.value <= x.until) END,
    r.run_id,
    r.difference_prefix || printf('%012x', x.id & 1099511627775),
    r.attribution_prefix || printf('%012x', x.id & 1099511627775),
    x.value_a,
    x.value_b,
    x.amount_abs,
    CASE x.severity
        WHEN 1 THEN 'LOW' WHEN 2 THEN 'MEDIUM' WHEN 3 THEN 'HIGH' WHEN 4 THEN 'CRITICAL'
    END,
    q.code,
    CASE x.status
        WHEN 1 THEN 'UNKNOWN' WHEN 2 THEN 'PENDING' WHEN 3 THEN 'ACCEPTED' WHEN 4 THEN 'REJECTED'
    END,
    -- The episode before, if the break is back.
    (WITH RECURSIVE periods (period) AS (
        SELECT min(f.day) >> 4 FROM break_dates f WHERE f.job = x.job
        UNION ALL SELECT period + 1 FROM periods WHERE period < x.since >> 4)
     SELECT printf('%08x-%04x-8%03x-8%03x-%012x', o.since & 4294967295, (o.break_key >> 48) & 65535,
                   (o.break_key >> 36) & 4095, (o.break_key >> 24) & 4095, o.break_key & 16777215)
     FROM periods p CROSS JOIN cleared_breaks o
       ON o.job = x.job AND o.period = p.period AND o.break_key = x.break_key AND o.since < x.since
     ORDER BY o.since DESC LIMIT 1)
FROM (
    SELECT b.job, b.position, b.day AS until, d.id, d.break_key, d.since, d.diff_type,
           d.severity, d.value_a, d.value_b, d.amount_abs, d.reason_id, d.status,
           NULL AS cleared_on, NULL AS cleared_how
    FROM break_dates b
    CROSS JOIN difference_rows d ON d.id BETWEEN b.run_no << 40 AND (b.run_no << 40) + 1099511627775
    WHERE NOT EXISTS (SELECT 1 FROM break_dates n WHERE n.job = b.job AND n.day > b.day)
    UNION ALL
    SELECT c.job, b.position,
           -- Not taken over: it is open until that date is run again.
           CASE c.cleared_how WHEN 6 THEN (SELECT max(n.day) FROM break_dates n WHERE n.job = c.job)
               ELSE c.cleared_on END,
           d.id, c.break_key, c.since, d.diff_type,
           d.severity, d.value_a, d.value_b, d.amount_abs, d.reason_id, d.status,
           CASE c.cleared_how WHEN 6 THEN NULL ELSE c.cleared_on END, c.cleared_how
    FROM cleared_breaks c
    CROSS JOIN difference_rows d ON d.id = c.run_no << 40 | c.number
    CROSS JOIN break_dates b ON b.run_no = c.run_no
) x
CROSS JOIN recon_runs r ON r.run_no = x.id >> 40
LEFT JOIN reason_codes q ON q.reason_id = x.reason_id
LEFT JOIN job_calendars c ON c.job = x.job;

CREATE INDEX cleared_breaks_not_taken ON cleared_breaks (job, since) WHERE cleared_how = 6;

CREATE TABLE run_fields (
    run_no INTEGER NOT NULL,
    place INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (run_no, place)
) WITHOUT ROWID;

CREATE TRIGGER runs_have_fields AFTER INSERT ON recon_runs
BEGIN
    INSERT INTO run_fields
    SELECT NEW.run_no, f.key, f.value ->> 'name' FROM json_each(NEW.layout) f;
END;

CREATE TRIGGER fields_leave_with_runs AFTER DELETE ON recon_runs
BEGIN
    DELETE FROM run_fields WHERE run_no = OLD.run_no;
END;

CREATE INDEX recon_runs_unlisted ON recon_runs (run_no) WHERE unlisted;

CREATE INDEX difference_rows_kinds ON difference_rows (signature_id, status, id)
    WHERE unlisted IS NULL;

CREATE INDEX difference_rows_queue ON difference_rows (coalesce(later, id >> 40), confidence, id)
    WHERE status = 1 AND coalesce(later, 0) <= 0 AND unlisted IS NULL;

CREATE INDEX difference_rows_groups
    ON difference_rows (coalesce(later, id >> 40), signature_id, confidence, id)
    WHERE status = 1 AND coalesce(later, 0) <= 0 AND unlisted IS NULL;

CREATE INDEX difference_rows_amounts ON difference_rows (coalesce(later, id >> 40), amount_abs, id)
    WHERE status = 1 AND coalesce(later, 0) <= 0 AND amount_abs IS NOT NULL AND unlisted IS NULL;

CREATE INDEX difference_rows_ages
    ON difference_rows (coalesce(later, id >> 40), severity, since, id, signature_id)
    WHERE status = 1 AND coalesce(later, 0) <= 0 AND unlisted IS NULL;

CREATE VIEW recon_records
    (record_id, run_id, source_a_ref_id, source_b_ref_id, ingested_at,
     normalized_data_a, normalized_data_b, line_a, offset_a, line_b, offset_b, gate_status,
     kind, partner_rejected, is_break, record_number, is_current, file_a, file_b,
     match_pass, match_shape, match_certificate, match_alternatives, members_a, members_b,
     carried_from_a, carried_from_b) AS
SELECT
    record_prefix || printf('%012x', number),
    run_id,
    CASE
        WHEN more ->> 'ref_a' IS NOT NULL THEN more ->> 'ref_a'
        WHEN key_length = 1 THEN replace(replace(
            CASE substr(side_a, 2, 1) WHEN '"' THEN side_a ->> 0 ELSE side_a -> 0 END,
            '\', '\\'), '|', '\|')
        WHEN side_a IS NOT NULL THEN (
            SELECT group_concat(replace(replace(
                CASE s.type WHEN 'text' THEN s.value ELSE side_a -> s.key END,
                '\', '\\'), '|', '\|'), '|')
            FROM json_each(side_a) s
            WHERE s.key < key_length)
    END,
    CASE
        WHEN more ->> 'ref_b' IS NOT NULL THEN more ->> 'ref_b'
        WHEN key_length = 1 THEN replace(replace(
            CASE substr(side_b, 2, 1) WHEN '"' THEN side_b ->> 0 ELSE side_b -> 0 END,
            '\', '\\'), '|', '\|')
        WHEN side_b IS NOT NULL THEN (
            SELECT group_concat(replace(replace(
                CASE s.type WHEN 'text' THEN s.value ELSE side_b -> s.key END,
                '\', '\\'), '|', '\|'), '|')
            FROM json_each(side_b) s
            WHERE s.key < key_length)
    END,
    ingested_at,
    CASE WHEN side_a IS NOT NULL THEN (
        SELECT json_group_object(
            f.name, CASE s.type WHEN 'text' THEN s.value ELSE json(side_a -> s.key) END)
        FROM json_each(side_a) s
        CROSS JOIN run_fields f
        WHERE f.run_no = entry.run_no AND f.place = s.key)
    END,
    CASE WHEN side_b IS NOT NULL THEN (
        SELECT json_group_object(
            f.name, CASE s.type WHEN 'text' THEN s.value ELSE json(side_b -> s.key) END)
        FROM json_each(side_b) s
        CROSS JOIN run_fields f
        WHERE f.run_no = entry.run_no AND f.place = s.key)
    END,
    line_a, place_a & 1099511627775, line_b, place_b & 1099511627775,
    CASE
        WHEN stage <> 'ATTRIBUTED' THEN NULL
        WHEN EXISTS (
            SELECT 1 FROM difference_rows d
            WHERE d.id BETWEEN first_difference AND first_difference + 1023
              AND (d.status IS NOT 3 OR d.functional IS NOT 1)) THEN 'BLOCKED'
        ELSE 'PASSED'
    END,
    CASE kind & 7
        WHEN 1 THEN 'PAIR' WHEN 2 THEN 'ONLY_A' WHEN 3 THEN 'ONLY_B'
        WHEN 4 THEN 'SURPLUS_A' WHEN 5 THEN 'SURPLUS_B' WHEN 6 THEN 'GROUP'
    END,
    kind >> 3,
    CASE WHEN stage <> 'INGESTED' THEN EXISTS (
        SELECT 1 FROM difference_rows d
        WHERE d.id BETWEEN first_difference AND first_difference + 1023)
    END,
    number,
    is_current,
    CASE WHEN line_a IS NULL THEN NULL WHEN more IS NULL AND files_a IS NULL THEN path_a
        ELSE coalesce(more ->> '$.carried_a.file',
            files_a ->> ('$[' || (place_a >> 40) || '].path'), path_a)
    END,
    CASE WHEN line_b IS NULL THEN NULL WHEN more IS NULL AND files_b IS NULL THEN path_b
        ELSE coalesce(more ->> '$.carried_b.file',
            files_b ->> ('$[' || (place_b >> 40) || '].path'), path_b)
    END,
    CASE
        WHEN more IS NULL THEN CASE kind & 7 WHEN 1 THEN 'key' END
        WHEN kind & 7 = 1 THEN coalesce(more ->> 'pass', 'key')
        WHEN kind & 7 = 6 THEN more ->> 'pass'
    END,
    CASE
        WHEN more IS NULL THEN CASE kind & 7 WHEN 1 THEN 'one_to_one' END
        WHEN kind & 7 = 1 THEN coalesce(more ->> 'shape', 'one_to_one')
        WHEN kind & 7 = 6 THEN more ->> 'shape'
    END,
    CASE
        WHEN more IS NULL THEN CASE kind & 7 WHEN 1 THEN 'UNIQUE' END
        WHEN kind & 7 = 1 THEN coalesce(more ->> 'certificate', 'UNIQUE')
        WHEN kind & 7 = 6 THEN more ->> 'certificate'
    END,
    CASE
        WHEN kind & 7 NOT IN (1, 6) THEN NULL
        WHEN more IS NULL THEN 0
        ELSE coalesce(more ->> 'alternatives', 0)
    END,
    CASE kind & 7
        WHEN 3 THEN 0 WHEN 5 THEN 0 WHEN 6 THEN json_array_length(more, '$.a') ELSE 1
    END,
    CASE kind & 7
        WHEN 2 THEN 0 WHEN 4 THEN 0 WHEN 6 THEN json_array_length(more, '$.b') ELSE 1
    END,
    CASE WHEN more IS NOT NULL THEN more ->> '$.carried_a.from' END,
    CASE WHEN more IS NOT NULL THEN more ->> '$.carried_b.from' END
FROM (
    SELECT run_no, run_id, stage, keep_all, key_length, record_prefix, ingested_at, is_current,
        files_a, path_a, files_b, path_b, number,
        (run_no << 40) | (number << 10) AS first_difference,
        v ->> 0 AS kind, v ->> 1 AS side_a,
        CASE substr(v ->> 2, 1, 1)
            WHEN '[' THEN v ->> 2
            WHEN '{' THEN (
                SELECT json_group_array(json(coalesce(
                    v -> ('$[2].' || s.key), v -> ('$[1][' || s.key || ']'))))
                FROM json_each(v, '$[1]') s)
            ELSE CASE WHEN (v ->> 0) & 7 = 1 THEN v ->> 1 END
        END AS side_b,
        v ->> 3 AS line_a, v ->> 4 AS place_a, v ->> 5 AS line_b, v ->> 6 AS place_b,
        v -> 7 AS more
    FROM (
        SELECT run.run_no, run.run_id, run.stage, run.keep_all, run.key_length, run.record_prefix,
            run.ingested_at, run.is_current, run.files_a, run.path_a, run.files_b, run.path_b,
            (x.id & 1099511627775) * 64 + e.key + 1 AS number, e.value AS v
        FROM (
            SELECT run_no, run_id, stage, keep_all, key_length, record_prefix, ingested_at,
                stage = 'ATTRIBUTED' AND superseded_by IS NULL AS is_current,
                metadata -> '$.sources.a.files' AS files_a,
                metadata ->> '$.sources.a.path' AS path_a,
                metadata -> '$.sources.b.files' AS files_b,
                metadata ->> '$.sources.b.path' AS path_b
            FROM recon_runs r
            WHERE likelihood(stage IS NOT NULL, 0.0000001)
            UNION ALL
            SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
            WHERE 0) run
        CROSS JOIN record_rows x
            ON x.id BETWEEN run.run_no << 40 AND (run.run_no << 40) + 1099511627775
        CROSS JOIN json_each(x.records) e
        WHERE e.type <> 'null'
        UNION ALL
        SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
        WHERE 0)
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
           NULL, NULL, NULL, NULL, NULL, NULL, NULL
    WHERE 0) entry
WHERE keep_all = 1 OR stage = 'INGESTED' OR EXISTS (
    SELECT 1 FROM difference_rows d
    WHERE d.id BETWEEN first_difference AND first_difference + 1023)
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
WHERE 0;

INSERT INTO reason_codes VALUES (1, 'UNKNOWN', 'No cause could be determined with enough confidence', 0, 1, 'file', 0);
