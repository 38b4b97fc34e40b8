-- Before version 3.42 SQLite called json_valid(NULL) false, and its integrity_check complained of columns
-- that may be null. A check cannot be changed by ALTER TABLE; this is the way that SQLite's
-- documentation gives for one that does not change what is stored. The rows stay as they are.
PRAGMA writable_schema = ON;

UPDATE sqlite_schema SET sql = replace(replace(sql,
    'CHECK (json_valid(previous_value))',
    'CHECK (previous_value IS NULL OR json_valid(previous_value))'),
    'CHECK (json_valid(new_value))',
    'CHECK (new_value IS NULL OR json_valid(new_value))')
WHERE type = 'table' AND name = 'audit_trail';

UPDATE sqlite_schema SET sql = replace(sql,
    'CHECK (json_valid(payload))',
    'CHECK (payload IS NULL OR json_valid(payload))')
WHERE type = 'table' AND name = 'proposals';

-- Any change of the schema makes every connection read it again.
CREATE TABLE schema_was_changed (number INTEGER);
DROP TABLE schema_was_changed;

PRAGMA writable_schema = RESET;
