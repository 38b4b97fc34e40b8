-- Differences, each with its attribution in the same row: there is exactly one.
CREATE TABLE difference_rows (
    id INTEGER PRIMARY KEY,
    -- The id of its record.
    record INTEGER NOT NULL,
    -- The position in the layout; null for the entire record.
    field INTEGER,
    diff_type INTEGER NOT NULL,
    severity INTEGER NOT NULL,
    value_a TEXT,
    value_b TEXT,
    -- Null until somebody gave a reason.
    reason_id INTEGER,
    confidence REAL,
    -- 1 UNKNOWN, 2 PENDING, 3 ACCEPTED, 4 REJECTED
    status INTEGER,
    assigner_id INTEGER,
    -- Null: when the run was attributed.
    assigned_at TEXT,
    is_locked INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL DEFAULT 1,
    explanation TEXT,
    CHECK (status IS NOT 2 OR is_locked = 1)
);

CREATE INDEX difference_rows_of_record ON difference_rows (record);

-- Who gives reasons: RULE:function, MODEL:version, NONE or a person.
CREATE TABLE assigners (
    assigner_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    is_person INTEGER NOT NULL
);

CREATE VIEW data_differences
    (diff_id, run_id, record_id, field_name, value_a, value_b, diff_type, severity, created_at,
     difference_number, record_number) AS
SELECT
    r.difference_prefix || printf('%012x', d.id & 68719476735),
    r.run_id,
    r.record_prefix || printf('%012x', d.record & 68719476735),
    CASE WHEN d.field IS NULL THEN 'ENTIRE_RECORD' ELSE r.layout -> d.field ->> 'name' END,
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
    d.id & 68719476735,
    d.record & 68719476735
FROM recon_runs r
CROSS JOIN difference_rows d ON d.id BETWEEN r.run_no << 36 AND (r.run_no << 36) + 68719476735
WHERE r.stage IN ('COMPARED', 'ATTRIBUTED')
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE 0;

CREATE VIEW attributions
    (attribution_id, run_id, diff_id, reason_id, confidence_score, status, assigned_by,
     assigned_at, is_locked, version, explanation, difference_number) AS
SELECT
    r.attribution_prefix || printf('%012x', d.id & 68719476735),
    r.run_id,
    r.difference_prefix || printf('%012x', d.id & 68719476735),
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
    d.id & 68719476735
FROM recon_runs r
CROSS JOIN difference_rows d ON d.id BETWEEN r.run_no << 36 AND (r.run_no << 36) + 68719476735
LEFT JOIN assigners w ON w.assigner_id = d.assigner_id
WHERE r.stage = 'ATTRIBUTED'
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE 0;
