-- Who may review, and how they prove who they are. Secrets are kept as hashes only: whoever reads
-- these tables can't log in with what is found there.

-- A person is what four eyes compare; a login is one of the names by which a person comes in.
CREATE TABLE people (
    person_id uuid PRIMARY KEY,
    display_name text NOT NULL,
    -- A service is no person who could be one of the eyes.
    is_service boolean NOT NULL DEFAULT false,
    is_disabled boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL
);

CREATE TABLE logins (
    -- The name after NFKC and case folding: `Ann` and `ann` are one.
    login_key text PRIMARY KEY,
    login text NOT NULL,
    person_id uuid NOT NULL REFERENCES people (person_id) ON DELETE RESTRICT,
    -- A PHC string; null where a proxy vouches for the person, or no password was chosen yet.
    password text,
    password_at timestamptz,
    created_at timestamptz NOT NULL
);

CREATE INDEX logins_of_person ON logins (person_id);

CREATE TABLE person_roles (
    person_id uuid NOT NULL REFERENCES people (person_id) ON DELETE RESTRICT,
    role text NOT NULL
        CHECK (role IN ('analyst', 'senior', 'supervisor', 'manager', 'auditor', 'admin')),
    granted_at timestamptz NOT NULL,
    granted_by text NOT NULL,
    PRIMARY KEY (person_id, role)
);

-- Who watches takes no part; who makes people must not be one of the persons a decision needs.
CREATE FUNCTION person_roles_are_separate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'person_roles: roles are granted and taken away, never changed';
    END IF;
    -- Two grants to one person at the same moment must see each other.
    PERFORM 1 FROM recon.people WHERE person_id = NEW.person_id FOR UPDATE;
    IF EXISTS (
        SELECT 1 FROM recon.person_roles held
        WHERE held.person_id = NEW.person_id AND held.role <> NEW.role
          AND (held.role IN ('auditor', 'admin') OR NEW.role IN ('auditor', 'admin'))
    ) THEN
        RAISE EXCEPTION 'person_roles: auditor and admin exclude every other role';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER person_roles_are_separate BEFORE INSERT OR UPDATE ON person_roles
    FOR EACH ROW EXECUTE FUNCTION person_roles_are_separate();
ALTER TABLE person_roles ENABLE ALWAYS TRIGGER person_roles_are_separate;

-- Which masked fields a person may see; no role implies that.
CREATE TABLE field_grants (
    person_id uuid NOT NULL REFERENCES people (person_id) ON DELETE RESTRICT,
    field_name text NOT NULL,
    granted_at timestamptz NOT NULL,
    granted_by text NOT NULL,
    PRIMARY KEY (person_id, field_name)
);

CREATE TABLE sessions (
    session_id text PRIMARY KEY,
    secret_hash bytea NOT NULL,
    login_key text NOT NULL REFERENCES logins (login_key) ON DELETE RESTRICT,
    person_id uuid NOT NULL REFERENCES people (person_id) ON DELETE RESTRICT,
    created_at timestamptz NOT NULL,
    used_at timestamptz NOT NULL,
    address text,
    user_agent text
);

CREATE INDEX sessions_of_person ON sessions (person_id);

CREATE TABLE tokens (
    token_id text PRIMARY KEY,
    name text NOT NULL,
    secret_hash bytea NOT NULL,
    login_key text NOT NULL REFERENCES logins (login_key) ON DELETE RESTRICT,
    person_id uuid NOT NULL REFERENCES people (person_id) ON DELETE RESTRICT,
    -- Names of permissions, joined by commas.
    scopes text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    revoked_at timestamptz
);

CREATE INDEX tokens_of_person ON tokens (person_id);

-- Links that work once: the first admin, and people who choose their own password.
CREATE TABLE invitations (
    invitation_id text PRIMARY KEY,
    secret_hash bytea NOT NULL,
    -- Null: whoever opens it becomes the first admin.
    login_key text REFERENCES logins (login_key) ON DELETE RESTRICT,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

-- How often somebody tried to log in lately, by account and by address.
CREATE TABLE login_attempts (
    -- SHA-256 of what is counted: people type passwords where their name belongs.
    subject text PRIMARY KEY,
    since timestamptz NOT NULL,
    attempts integer NOT NULL,
    strikes integer NOT NULL
);

CREATE INDEX login_attempts_by_age ON login_attempts (since);
