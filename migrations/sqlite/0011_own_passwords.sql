-- A password that somebody else chose is changed before anything else, and a second login opens nothing
-- until its person has agreed to it.
ALTER TABLE logins ADD COLUMN must_change INTEGER NOT NULL DEFAULT 0 CHECK (must_change IN (0, 1));
ALTER TABLE logins ADD COLUMN agreed_at TEXT;
-- Logins that were in use stay so.
UPDATE logins SET agreed_at = created_at;
