-- Differences, each with its attribution in the same row: there is exactly one.
CREATE TABLE difference_rows (
    run_no integer NOT NULL,
    number bigint NOT NULL,
    -- The number of its record.
    record bigint NOT NULL,
    -- The position in the layout; null for the entire record.
    field smallint,
    diff_type smallint NOT NULL,
    severity smallint NOT NULL,
    value_a text,
    value_b text,
    -- Null until somebody gave a reason.
    reason_id integer,
    confidence double precision,
    -- 1 UNKNOWN, 2 PENDING, 3 ACCEPTED, 4 REJECTED
    status smallint,
    assigner_id integer,
    -- Null: when the run was attributed.
    assigned_at timestamptz,
    is_locked boolean NOT NULL DEFAULT false,
    version integer NOT NULL DEFAULT 1,
    explanation text,
    PRIMARY KEY (run_no, number),
    CHECK (status IS DISTINCT FROM 2 OR is_locked)
) PARTITION BY LIST (run_no);

CREATE INDEX difference_rows_of_record ON difference_rows (run_no, record);

-- Who gives reasons: RULE:function, MODEL:version, NONE or a person.
CREATE TABLE assigners (
    assigner_id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL UNIQUE,
    is_person boolean NOT NULL
);

CREATE VIEW data_differences
    (diff_id, run_id, record_id, field_name, value_a, value_b, diff_type, severity, created_at,
     difference_number, record_number) AS
SELECT
    (r.difference_prefix || lpad(to_hex(d.number), 12, '0'))::uuid,
    r.run_id,
    (r.record_prefix || lpad(to_hex(d.record), 12, '0'))::uuid,
    CASE WHEN d.field IS NULL THEN 'ENTIRE_RECORD' ELSE r.layout -> d.field::integer ->> 'name' END,
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
    d.record
FROM recon_runs r
CROSS JOIN LATERAL (
    SELECT d.number, d.record, d.field, d.value_a, d.value_b, d.diff_type, d.severity
    FROM difference_rows d WHERE d.run_no = r.run_no OFFSET 0
) d
WHERE r.stage IN ('COMPARED', 'ATTRIBUTED');

CREATE VIEW attributions
    (attribution_id, run_id, diff_id, reason_id, confidence_score, status, assigned_by,
     assigned_at, is_locked, version, explanation, difference_number) AS
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
    d.number
FROM recon_runs r
CROSS JOIN LATERAL (
    SELECT d.number, d.reason_id, d.confidence, d.status, d.assigner_id, d.assigned_at,
           d.is_locked, d.version, d.explanation
    FROM difference_rows d WHERE d.run_no = r.run_no OFFSET 0
) d
LEFT JOIN assigners w ON w.assigner_id = d.assigner_id
WHERE r.stage = 'ATTRIBUTED';
