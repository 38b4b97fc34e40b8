-- How people decide: proposals with their items, who made and who approved them, what was said and
-- who looks at what. The rules of the review are enforced here once more, so that no program that
-- can write to the store can approve its own proposal by mistake.

CREATE TABLE policies (
    policy_version integer PRIMARY KEY,
    policy json NOT NULL,
    adopted_at timestamptz NOT NULL,
    -- Null where the configuration gave the first one.
    proposal_id text
);

CREATE TABLE proposals (
    proposal_id text PRIMARY KEY,
    kind text NOT NULL
        CHECK (kind IN ('ATTRIBUTION', 'BULK', 'REOPEN', 'REASON_CODE', 'RULE', 'POLICY')),
    state text NOT NULL CHECK (state IN
        ('OPEN', 'CHECKED', 'APPLIED', 'RETURNED', 'WITHDRAWN', 'STALE', 'EXPIRED')),
    eyes integer NOT NULL CHECK (eyes IN (2, 4, 6)),
    -- Under which control it was applied; until then under which it shall be.
    control text NOT NULL CHECK (control IN ('NONE', 'TWO_EYE', 'FOUR_EYE', 'SIX_EYE')),
    triggers json NOT NULL,
    maker_id text NOT NULL,
    version integer NOT NULL DEFAULT 1,
    content_hash bytea NOT NULL,
    action text CHECK (action IN ('APPROVE', 'OVERRIDE', 'REJECT')),
    reason_id integer REFERENCES reason_codes (reason_id),
    payload json,
    comments text,
    item_count integer NOT NULL DEFAULT 0,
    label text NOT NULL DEFAULT '',
    -- Sums of amounts and what the machine had predicted, for lists.
    figures json NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    closed_at timestamptz,
    policy_version integer NOT NULL,
    CHECK ((state IN ('OPEN', 'CHECKED')) = (closed_at IS NULL))
);

CREATE INDEX proposals_open ON proposals (state, created_at, proposal_id)
    WHERE state IN ('OPEN', 'CHECKED');
CREATE INDEX proposals_of_time ON proposals (created_at, proposal_id);
CREATE INDEX proposals_of_maker ON proposals (maker_id, created_at);

CREATE TABLE proposal_items (
    proposal_id text NOT NULL REFERENCES proposals (proposal_id) ON DELETE RESTRICT,
    run_no integer NOT NULL,
    number bigint NOT NULL,
    attribution_id uuid NOT NULL,
    open boolean NOT NULL DEFAULT true,
    -- The version before the proposal took the item.
    base_version integer NOT NULL,
    prior_status integer NOT NULL,
    prior_reason_id integer NOT NULL,
    prior_functional boolean,
    prior_locked boolean NOT NULL,
    prior_confidence double precision NOT NULL,
    prior_assigner_id integer,
    prior_assigned_at timestamptz,
    signature_id integer,
    amount_abs double precision,
    currency text,
    -- What the audit rows say of the item: refs, field, type and both values.
    facts json NOT NULL,
    PRIMARY KEY (proposal_id, run_no, number)
);

-- An item is in one open proposal at most.
CREATE UNIQUE INDEX proposal_items_one_open ON proposal_items (run_no, number) WHERE open;
CREATE INDEX proposal_items_of_item ON proposal_items (run_no, number);
CREATE INDEX proposal_items_of_signature ON proposal_items (signature_id, proposal_id);

CREATE TABLE contributors (
    proposal_id text NOT NULL REFERENCES proposals (proposal_id) ON DELETE RESTRICT,
    person_id text NOT NULL,
    PRIMARY KEY (proposal_id, person_id)
);

CREATE INDEX contributors_of_person ON contributors (person_id, proposal_id);

CREATE TABLE approvals (
    proposal_id text NOT NULL REFERENCES proposals (proposal_id) ON DELETE RESTRICT,
    proposal_version integer NOT NULL,
    content_hash bytea NOT NULL,
    stage text NOT NULL CHECK (stage IN ('CHECKER', 'AUTHORIZER')),
    person_id text NOT NULL,
    decision text NOT NULL CHECK (decision IN ('APPROVE', 'RETURN')),
    comments text,
    at timestamptz NOT NULL,
    -- An approval by a person who lost the right to it before the proposal was applied.
    void boolean NOT NULL DEFAULT false
);

CREATE UNIQUE INDEX approvals_one_of_stage
    ON approvals (proposal_id, proposal_version, stage) WHERE NOT void;
CREATE UNIQUE INDEX approvals_one_of_person
    ON approvals (proposal_id, proposal_version, person_id) WHERE NOT void;
CREATE INDEX approvals_of_person ON approvals (person_id, at);

CREATE FUNCTION approvals_are_sound() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM recon.contributors c
               WHERE c.proposal_id = NEW.proposal_id AND c.person_id = NEW.person_id) THEN
        RAISE EXCEPTION 'approvals: nobody approves a proposal they took part in';
    END IF;
    IF NOT EXISTS (SELECT FROM recon.proposals p
                   WHERE p.proposal_id = NEW.proposal_id AND p.version = NEW.proposal_version
                     AND p.content_hash = NEW.content_hash AND p.closed_at IS NULL) THEN
        RAISE EXCEPTION 'approvals: the proposal is closed or says something else by now';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER approvals_are_sound BEFORE INSERT ON approvals
    FOR EACH ROW EXECUTE FUNCTION approvals_are_sound();

CREATE FUNCTION approvals_keep_values() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.void OR (NEW.proposal_id, NEW.proposal_version, NEW.content_hash, NEW.stage,
                    NEW.person_id, NEW.decision, NEW.comments, NEW.at)
        IS DISTINCT FROM (OLD.proposal_id, OLD.proposal_version, OLD.content_hash, OLD.stage,
                          OLD.person_id, OLD.decision, OLD.comments, OLD.at) THEN
        RAISE EXCEPTION 'approvals: rows are never changed, what is void stays void';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER approvals_keep_values BEFORE UPDATE ON approvals
    FOR EACH ROW EXECUTE FUNCTION approvals_keep_values();

CREATE FUNCTION workflow_keeps_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: rows are never deleted', TG_TABLE_NAME;
END
$$;

CREATE TRIGGER approvals_keep_rows BEFORE DELETE ON approvals
    FOR EACH ROW EXECUTE FUNCTION workflow_keeps_rows();
CREATE TRIGGER contributors_keep_rows BEFORE UPDATE OR DELETE ON contributors
    FOR EACH ROW EXECUTE FUNCTION workflow_keeps_rows();
CREATE TRIGGER proposals_keep_rows BEFORE DELETE ON proposals
    FOR EACH ROW EXECUTE FUNCTION workflow_keeps_rows();
CREATE TRIGGER approvals_keep_all BEFORE TRUNCATE ON approvals
    FOR EACH STATEMENT EXECUTE FUNCTION workflow_keeps_rows();
CREATE TRIGGER contributors_keep_all BEFORE TRUNCATE ON contributors
    FOR EACH STATEMENT EXECUTE FUNCTION workflow_keeps_rows();
CREATE TRIGGER proposals_keep_all BEFORE TRUNCATE ON proposals
    FOR EACH STATEMENT EXECUTE FUNCTION workflow_keeps_rows();

-- What two or three persons shall decide is applied when they have, and not before. What one person
-- may decide alone is marked so from its first moment.
CREATE FUNCTION proposals_are_sound() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state NOT IN ('OPEN', 'CHECKED') THEN
        RAISE EXCEPTION 'proposals: a closed proposal stays as it is';
    END IF;
    IF NEW.eyes < OLD.eyes THEN
        RAISE EXCEPTION 'proposals: the eyes that a proposal needs never fall';
    END IF;
    IF NEW.state = 'APPLIED' AND OLD.control NOT IN ('NONE', 'TWO_EYE') AND NEW.eyes / 2 - 1 > (
        SELECT count(DISTINCT a.person_id) FROM recon.approvals a
        WHERE a.proposal_id = NEW.proposal_id AND a.proposal_version = NEW.version
          AND a.content_hash = NEW.content_hash AND a.decision = 'APPROVE' AND NOT a.void
          AND NOT EXISTS (SELECT FROM recon.contributors c
                          WHERE c.proposal_id = a.proposal_id AND c.person_id = a.person_id)) THEN
        RAISE EXCEPTION 'proposals: approvals are missing';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER proposals_are_sound BEFORE UPDATE ON proposals
    FOR EACH ROW EXECUTE FUNCTION proposals_are_sound();

CREATE FUNCTION proposals_begin_open() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'OPEN' THEN
        RAISE EXCEPTION 'proposals: a proposal begins open';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER proposals_begin_open BEFORE INSERT ON proposals
    FOR EACH ROW EXECUTE FUNCTION proposals_begin_open();

-- Also where session_replication_role would skip triggers.
ALTER TABLE approvals ENABLE ALWAYS TRIGGER approvals_are_sound;
ALTER TABLE approvals ENABLE ALWAYS TRIGGER approvals_keep_values;
ALTER TABLE approvals ENABLE ALWAYS TRIGGER approvals_keep_rows;
ALTER TABLE approvals ENABLE ALWAYS TRIGGER approvals_keep_all;
ALTER TABLE contributors ENABLE ALWAYS TRIGGER contributors_keep_rows;
ALTER TABLE contributors ENABLE ALWAYS TRIGGER contributors_keep_all;
ALTER TABLE proposals ENABLE ALWAYS TRIGGER proposals_keep_rows;
ALTER TABLE proposals ENABLE ALWAYS TRIGGER proposals_keep_all;
ALTER TABLE proposals ENABLE ALWAYS TRIGGER proposals_are_sound;
ALTER TABLE proposals ENABLE ALWAYS TRIGGER proposals_begin_open;

-- The answer to a request, kept for those that repeat it.
CREATE TABLE idempotency (
    actor_id text NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    body_hash text NOT NULL,
    response text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (actor_id, route, key)
);

CREATE INDEX idempotency_of_time ON idempotency (at);

CREATE TABLE bulk_previews (
    token text PRIMARY KEY,
    person_id text NOT NULL,
    action text NOT NULL,
    reason_code text,
    -- [[run_no, number, version], …]
    items json NOT NULL,
    hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE item_comments (
    comment_id text PRIMARY KEY,
    run_no integer NOT NULL,
    number bigint NOT NULL,
    person_id text NOT NULL,
    text text NOT NULL,
    at timestamptz NOT NULL
);

CREATE INDEX item_comments_of_item ON item_comments (run_no, number, at);

CREATE TABLE assignments (
    run_no integer NOT NULL,
    number bigint NOT NULL,
    assignee text NOT NULL,
    assigned_by text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (run_no, number)
);

CREATE INDEX assignments_of_person ON assignments (assignee);

-- Hints that somebody looks at an item, never locks.
CREATE TABLE claims (
    run_no integer NOT NULL,
    number bigint NOT NULL,
    person_id text NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (run_no, number)
);

-- Undecided items that came back, and why.
CREATE TABLE sent_back (
    run_no integer NOT NULL,
    number bigint NOT NULL,
    proposal_id text NOT NULL,
    -- RETURNED, STALE or EXPIRED
    state text NOT NULL,
    by_id text NOT NULL,
    comments text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (run_no, number)
);

-- How many items of each run, signature and status there are, so that lists need not count them. Who
-- changes the status of an attribution changes this in the same transaction.
CREATE TABLE item_counts (
    run_no integer NOT NULL,
    -- 0 for none.
    signature_id integer NOT NULL,
    status smallint NOT NULL,
    items bigint NOT NULL,
    amount_sum double precision NOT NULL,
    PRIMARY KEY (run_no, signature_id, status)
);

-- Attempts that were refused. Kept apart from the audit trail, so that nobody can flood that.
CREATE TABLE security_log (
    entry_no bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL,
    person_id text NOT NULL,
    code text NOT NULL,
    entity text,
    what text NOT NULL,
    auth_method text,
    request_id text,
    ip text,
    user_agent text
);

CREATE INDEX security_log_of_person ON security_log (person_id, at);
CREATE INDEX security_log_of_time ON security_log (at);

-- Attributions are found by the prefix of their ids.
CREATE UNIQUE INDEX recon_runs_of_attributions ON recon_runs (attribution_prefix);

-- An item's history, newest first, and the audit's search.
CREATE INDEX audit_trail_of_actor ON audit_trail (actor_id, seq);
CREATE INDEX audit_trail_of_entity ON audit_trail (entity_id, seq);
CREATE INDEX audit_trail_of_proposal ON audit_trail (proposal_id, seq);
