-- Differences and attributions as people query them; their rows are in difference_rows.

-- Who gives reasons: RULE:function, MODEL:version, NONE or a person.
CREATE TABLE assigners (
    assigner_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    is_person INTEGER NOT NULL
);

-- What differences that are alike in all that matters to a decision have in common: a key, and what
-- people call it.
CREATE TABLE signatures (
    signature_id INTEGER PRIMARY KEY,
    signature TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL
);

CREATE VIEW data_differences
    (diff_id, run_id, record_id, field_name, value_a, value_b, diff_type, severity, created_at,
     difference_number, record_number) AS
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
    (d.id & 1099511627775) >> 10
FROM recon_runs r
CROSS JOIN difference_rows d ON d.id BETWEEN r.run_no << 40 AND (r.run_no << 40) + 1099511627775
WHERE r.stage IN ('COMPARED', 'ATTRIBUTED')
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE 0;

CREATE VIEW attributions
    (attribution_id, run_id, diff_id, reason_id, confidence_score, status, assigned_by,
     assigned_at, is_locked, version, explanation, difference_number, signature, amount_abs) AS
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
    d.amount_abs
FROM recon_runs r
CROSS JOIN difference_rows d ON d.id BETWEEN r.run_no << 40 AND (r.run_no << 40) + 1099511627775
LEFT JOIN assigners w ON w.assigner_id = d.assigner_id
LEFT JOIN signatures s ON s.signature_id = d.signature_id
WHERE r.stage = 'ATTRIBUTED'
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
WHERE 0;
