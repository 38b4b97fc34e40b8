-- Differences and attributions as people query them; their rows are in difference_rows.

-- Who gives reasons: RULE:function, MODEL:version, NONE or a person.
CREATE TABLE assigners (
    assigner_id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL UNIQUE,
    is_person boolean NOT NULL
);

-- What differences that are alike in all that matters to a decision have in common: a key, and what
-- people call it.
CREATE TABLE signatures (
    signature_id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    signature text NOT NULL UNIQUE,
    label text NOT NULL
);

CREATE VIEW data_differences
    (diff_id, run_id, record_id, field_name, value_a, value_b, diff_type, severity, created_at,
     difference_number, record_number) AS
SELECT
    (r.difference_prefix || lpad(to_hex(d.number), 12, '0'))::uuid,
    r.run_id,
    (r.record_prefix || lpad(to_hex(d.number >> 10), 12, '0'))::uuid,
    CASE d.number & 1023 WHEN 0 THEN 'ENTIRE_RECORD'
        ELSE r.layout -> ((d.number & 1023)::integer - 1) ->> 'name' END,
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
    d.number,
    d.number >> 10
FROM recon_runs r
CROSS JOIN LATERAL (
    SELECT d.number, d.value_a, d.value_b, d.diff_type, d.severity
    FROM difference_rows d WHERE d.run_no = r.run_no OFFSET 0
) d
WHERE r.stage IN ('COMPARED', 'ATTRIBUTED');

CREATE VIEW attributions
    (attribution_id, run_id, diff_id, reason_id, confidence_score, status, assigned_by,
     assigned_at, is_locked, version, explanation, difference_number, signature, amount_abs) AS
SELECT
    (r.attribution_prefix || lpad(to_hex(d.number), 12, '0'))::uuid,
    r.run_id,
    (r.difference_prefix || lpad(to_hex(d.number), 12, '0'))::uuid,
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
    d.number,
    s.signature,
    d.amount_abs
FROM recon_runs r
CROSS JOIN LATERAL (
    SELECT d.number, d.reason_id, d.confidence, d.status, d.assigner_id, d.assigned_at,
           d.is_locked, d.version, d.explanation, d.signature_id, d.amount_abs
    FROM difference_rows d WHERE d.run_no = r.run_no OFFSET 0
) d
LEFT JOIN assigners w ON w.assigner_id = d.assigner_id
LEFT JOIN signatures s ON s.signature_id = d.signature_id
WHERE r.stage = 'ATTRIBUTED';
