-- A password that somebody else chose is changed before anything else, and a second login opens nothing
-- until its person has agreed to it.
ALTER TABLE logins ADD COLUMN must_change boolean NOT NULL DEFAULT false;
ALTER TABLE logins ADD COLUMN agreed_at timestamptz;
-- Logins that were in use stay so.
UPDATE logins SET agreed_at = created_at;
