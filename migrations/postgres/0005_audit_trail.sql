-- Who decided what, when and why. Rows are only ever added, each chained to the one before by its
-- hash; the review server fills the table.
CREATE TABLE audit_trail (
    -- Without gaps, from 1.
    seq bigint PRIMARY KEY,
    audit_id uuid NOT NULL UNIQUE,
    -- Null for what is not about an attribution, such as a new reason code.
    attribution_id uuid,
    entity_type text NOT NULL,
    entity_id text NOT NULL,
    actor_id text NOT NULL,
    actor_roles text,
    auth_method text,
    stage text NOT NULL,
    action_type text NOT NULL,
    -- json, not jsonb, keeps the bytes that the hash was taken over.
    previous_value json,
    new_value json,
    comments text,
    performed_at timestamptz NOT NULL,
    request_id text,
    ip text,
    user_agent text,
    proposal_id text,
    proposal_version integer,
    proposal_hash bytea,
    policy_version integer,
    model_version text,
    rule_version text,
    control text,
    prev_hash bytea NOT NULL,
    hash bytea NOT NULL UNIQUE,
    hash_version integer NOT NULL
);

CREATE INDEX audit_trail_of_attribution ON audit_trail (attribution_id, seq);

CREATE FUNCTION audit_trail_keeps_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_trail: rows are never changed or deleted';
END
$$;

CREATE TRIGGER audit_trail_keeps_rows BEFORE UPDATE OR DELETE ON audit_trail
    FOR EACH ROW EXECUTE FUNCTION audit_trail_keeps_rows();
CREATE TRIGGER audit_trail_keeps_all BEFORE TRUNCATE ON audit_trail
    FOR EACH STATEMENT EXECUTE FUNCTION audit_trail_keeps_rows();

CREATE FUNCTION audit_trail_has_no_gaps() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.seq IS DISTINCT FROM (SELECT coalesce(max(seq), 0) + 1 FROM recon.audit_trail) THEN
        RAISE EXCEPTION 'audit_trail: seq must be the next number';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER audit_trail_has_no_gaps BEFORE INSERT ON audit_trail
    FOR EACH ROW EXECUTE FUNCTION audit_trail_has_no_gaps();

-- Also where session_replication_role would skip triggers.
ALTER TABLE audit_trail ENABLE ALWAYS TRIGGER audit_trail_keeps_rows;
ALTER TABLE audit_trail ENABLE ALWAYS TRIGGER audit_trail_keeps_all;
ALTER TABLE audit_trail ENABLE ALWAYS TRIGGER audit_trail_has_no_gaps;
