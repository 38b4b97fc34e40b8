-- Views that answer quickly when they are joined on ids alone, and views of current runs only.
--
-- A row of records is split as text, which is about twice as fast as parsing it to JSONB, and an entry
-- is parsed only for a query that uses its contents. So a join that needs ids and verdicts parses no
-- evidence. OFFSET 0 keeps the rows' query apart from the runs', so that it is planned as a loop over
-- runs, which looks into the partitions of those runs only; a second one keeps an entry from being
-- parsed again for each column.
CREATE OR REPLACE VIEW recon_records
    (record_id, run_id, source_a_ref_id, source_b_ref_id, ingested_at,
     normalized_data_a, normalized_data_b, line_a, offset_a, line_b, offset_b, gate_status,
     kind, partner_rejected, is_break, record_number, is_current) AS
SELECT
    (r.record_prefix || lpad(to_hex(x.number), 12, '0'))::uuid,
    r.run_id,
    evidence_reference(r.key_length, x.a),
    evidence_reference(r.key_length, x.b),
    r.ingested_at,
    evidence_object(r.layout, x.a),
    evidence_object(r.layout, x.b),
    x.line_a, x.offset_a, x.line_b, x.offset_b,
    CASE
        WHEN r.stage <> 'ATTRIBUTED' THEN NULL
        WHEN x.is_blocked THEN 'BLOCKED'
        ELSE 'PASSED'
    END,
    CASE x.kind & 7
        WHEN 1 THEN 'PAIR' WHEN 2 THEN 'ONLY_A' WHEN 3 THEN 'ONLY_B'
        WHEN 4 THEN 'SURPLUS_A' WHEN 5 THEN 'SURPLUS_B'
    END,
    x.kind >= 8,
    CASE WHEN r.stage <> 'INGESTED' THEN x.is_blocked IS NOT NULL END,
    x.number,
    r.stage = 'ATTRIBUTED' AND r.superseded_by IS NULL
FROM recon_runs r
CROSS JOIN LATERAL (
    SELECT x.number * 64 + e.at AS number,
           (p.entry ->> 0)::integer AS kind,
           nullif(p.entry -> 1, 'null') AS a,
           CASE WHEN (p.entry ->> 0)::integer & 7 = 1 AND p.entry ->> 2 IS NULL
                THEN p.entry -> 1 ELSE nullif(p.entry -> 2, 'null') END AS b,
           (p.entry ->> 3)::bigint AS line_a, (p.entry ->> 4)::bigint AS offset_a,
           (p.entry ->> 5)::bigint AS line_b, (p.entry ->> 6)::bigint AS offset_b,
           k.is_blocked
    FROM record_rows x
    CROSS JOIN json_array_elements(x.records::json) WITH ORDINALITY e (entry, at)
    CROSS JOIN LATERAL (SELECT evidence_entries(e.entry::text) AS entry OFFSET 0) p
    LEFT JOIN (
        SELECT d.number >> 10 AS record,
               bool_or(d.status IS DISTINCT FROM 3 OR d.functional IS NOT TRUE) AS is_blocked
        FROM difference_rows d
        WHERE d.run_no = r.run_no GROUP BY 1
    ) k ON k.record = x.number * 64 + e.at
    WHERE x.run_no = r.run_no AND json_typeof(e.entry) <> 'null'
    OFFSET 0
) x
WHERE r.stage IS NOT NULL AND (r.keep_all OR r.stage = 'INGESTED' OR x.is_blocked IS NOT NULL);

CREATE OR REPLACE VIEW data_differences
    (diff_id, run_id, record_id, field_name, value_a, value_b, diff_type, severity, created_at,
     difference_number, record_number, is_current) AS
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
    d.number >> 10,
    r.stage = 'ATTRIBUTED' AND r.superseded_by IS NULL
FROM recon_runs r
CROSS JOIN LATERAL (
    SELECT d.number, d.value_a, d.value_b, d.diff_type, d.severity
    FROM difference_rows d WHERE d.run_no = r.run_no OFFSET 0
) d
WHERE r.stage IN ('COMPARED', 'ATTRIBUTED');

CREATE OR REPLACE VIEW attributions
    (attribution_id, run_id, diff_id, reason_id, confidence_score, status, assigned_by,
     assigned_at, is_locked, version, explanation, difference_number, signature, amount_abs,
     is_current) AS
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
    d.amount_abs,
    r.stage = 'ATTRIBUTED' AND r.superseded_by IS NULL
FROM recon_runs r
CROSS JOIN LATERAL (
    SELECT d.number, d.reason_id, d.confidence, d.status, d.assigner_id, d.assigned_at,
           d.is_locked, d.version, d.explanation, d.signature_id, d.amount_abs
    FROM difference_rows d WHERE d.run_no = r.run_no OFFSET 0
) d
LEFT JOIN assigners w ON w.assigner_id = d.assigner_id
LEFT JOIN signatures s ON s.signature_id = d.signature_id
WHERE r.stage = 'ATTRIBUTED';

-- The runs that count: the newest attributed run of each job and business date.
CREATE VIEW current_runs AS
SELECT run_id, job, source_system_a, source_system_b, batch_date, start_time, end_time, status,
       total_records, total_differences, metadata
FROM recon_runs WHERE stage = 'ATTRIBUTED' AND superseded_by IS NULL;

-- Records of current runs.
CREATE VIEW current_records AS
SELECT record_id, run_id, source_a_ref_id, source_b_ref_id, ingested_at,
       normalized_data_a, normalized_data_b, line_a, offset_a, line_b, offset_b, gate_status,
       kind, partner_rejected, is_break, record_number
FROM recon_records WHERE is_current;

-- Differences of current runs.
CREATE VIEW current_differences AS
SELECT diff_id, run_id, record_id, field_name, value_a, value_b, diff_type, severity, created_at,
       difference_number, record_number
FROM data_differences WHERE is_current;

-- Attributions of current runs.
CREATE VIEW current_attributions AS
SELECT attribution_id, run_id, diff_id, reason_id, confidence_score, status, assigned_by,
       assigned_at, is_locked, version, explanation, difference_number, signature, amount_abs
FROM attributions WHERE is_current;
