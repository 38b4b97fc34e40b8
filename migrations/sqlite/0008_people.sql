-- Who may review, and how they prove who they are. Secrets are kept as hashes only: whoever reads
-- these tables can't log in with what is found there.

-- A person is what four eyes compare; a login is one of the names by which a person comes in.
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
);

CREATE INDEX logins_of_person ON logins (person_id);

CREATE TABLE person_roles (
    person_id TEXT NOT NULL REFERENCES people (person_id) ON DELETE RESTRICT,
    role TEXT NOT NULL
        CHECK (role IN ('analyst', 'senior', 'supervisor', 'manager', 'auditor', 'admin')),
    granted_at TEXT NOT NULL,
    granted_by TEXT NOT NULL,
    PRIMARY KEY (person_id, role)
);

-- Who watches takes no part; who makes people must not be one of the persons a decision needs.
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

-- Which masked fields a person may see; no role implies that.
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

-- Links that work once: the first admin, and people who choose their own password.
CREATE TABLE invitations (
    invitation_id TEXT PRIMARY KEY,
    secret_hash BLOB NOT NULL,
    -- Null: whoever opens it becomes the first admin.
    login_key TEXT REFERENCES logins (login_key) ON DELETE RESTRICT,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
);

-- How often somebody tried to log in lately, by account and by address.
CREATE TABLE login_attempts (
    -- SHA-256 of what is counted: people type passwords where their name belongs.
    subject TEXT PRIMARY KEY,
    since TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    strikes INTEGER NOT NULL
);

CREATE INDEX login_attempts_by_age ON login_attempts (since);
