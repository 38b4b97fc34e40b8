-- Views that answer quickly when they are joined on ids alone, and views of current runs only.
--
-- A column of a view costs only where it is used: sides, references and lines are taken out of their
-- entry by the column itself. So a join that needs ids and verdicts reads no evidence.
DROP VIEW recon_records;
DROP VIEW data_differences;
DROP VIEW attributions;

-- The last arm has no rows. An arm without FROM keeps SQLite from flattening the view into the query
-- around it, so that a join on an id builds an index once instead of comparing every row with every
-- row; conditions on run_id and is_current still reach into the view. The same arm in a side's
-- subquery keeps the side from being taken out of its entry again for each of its fields. An element
-- is taken as JSON text (->) where it goes into the object, so that long integers keep every digit.
CREATE VIEW recon_records
    (record_id, run_id, source_a_ref_id, source_b_ref_id, ingested_at,
     normalized_data_a, normalized_data_b, line_a, offset_a, line_b, offset_b, gate_status,
     kind, partner_rejected, is_break, record_number, is_current) AS
SELECT
    r.record_prefix || printf('%012x', (x.id & 1099511627775) * 64 + e.key + 1),
    r.run_id,
    CASE
        WHEN r.key_length = 1 THEN replace(replace(
            CASE json_type(e.value, '$[1][0]')
                WHEN 'text' THEN e.value ->> '$[1][0]' ELSE e.value -> '$[1][0]' END,
            '\', '\\'), '|', '\|')
        WHEN e.value ->> 1 IS NOT NULL THEN (
            SELECT group_concat(replace(replace(
                CASE json_type(s.side, '$[' || f.key || ']')
                    WHEN 'text' THEN s.side ->> f.key ELSE s.side -> f.key END,
                '\', '\\'), '|', '\|'), '|')
            FROM (SELECT e.value -> 1 AS side UNION ALL SELECT NULL WHERE 0) s
            CROSS JOIN json_each(r.layout) f
            WHERE f.key < r.key_length)
    END,
    CASE
        WHEN e.value ->> 2 IS NULL AND (e.value ->> 0) & 7 <> 1 THEN NULL
        WHEN r.key_length = 1 AND e.value ->> 2 IS NULL THEN replace(replace(
            CASE json_type(e.value, '$[1][0]')
                WHEN 'text' THEN e.value ->> '$[1][0]' ELSE e.value -> '$[1][0]' END,
            '\', '\\'), '|', '\|')
        WHEN r.key_length = 1 THEN replace(replace(
            CASE json_type(e.value, '$[2][0]')
                WHEN 'text' THEN e.value ->> '$[2][0]' ELSE e.value -> '$[2][0]' END,
            '\', '\\'), '|', '\|')
        ELSE (
            SELECT group_concat(replace(replace(
                CASE json_type(s.side, '$[' || f.key || ']')
                    WHEN 'text' THEN s.side ->> f.key ELSE s.side -> f.key END,
                '\', '\\'), '|', '\|'), '|')
            FROM (
                SELECT CASE WHEN e.value ->> 2 IS NULL THEN e.value -> 1 ELSE e.value -> 2 END
                    AS side
                UNION ALL SELECT NULL WHERE 0) s
            CROSS JOIN json_each(r.layout) f
            WHERE f.key < r.key_length)
    END,
    r.ingested_at,
    CASE WHEN e.value ->> 1 IS NOT NULL THEN (
        SELECT json_group_object(f.value ->> 'name', s.side -> f.key)
        FROM (SELECT e.value -> 1 AS side UNION ALL SELECT NULL WHERE 0) s
        CROSS JOIN json_each(r.layout) f)
    END,
    CASE WHEN e.value ->> 2 IS NOT NULL OR (e.value ->> 0) & 7 = 1 THEN (
        SELECT json_group_object(f.value ->> 'name', s.side -> f.key)
        FROM (
            SELECT CASE WHEN e.value ->> 2 IS NULL THEN e.value -> 1 ELSE e.value -> 2 END
                AS side
            UNION ALL SELECT NULL WHERE 0) s
        CROSS JOIN json_each(r.layout) f)
    END,
    e.value ->> 3, e.value ->> 4, e.value ->> 5, e.value ->> 6,
    CASE
        WHEN r.stage <> 'ATTRIBUTED' THEN NULL
        WHEN EXISTS (
            SELECT 1 FROM difference_rows d
            WHERE d.id BETWEEN
                ((r.run_no << 40) | (((x.id & 1099511627775) * 64 + e.key + 1) << 10))
                AND ((r.run_no << 40) | (((x.id & 1099511627775) * 64 + e.key + 1) << 10)) + 1023
              AND (d.status IS NOT 3 OR d.functional IS NOT 1)) THEN 'BLOCKED'
        ELSE 'PASSED'
    END,
    CASE (e.value ->> 0) & 7
        WHEN 1 THEN 'PAIR' WHEN 2 THEN 'ONLY_A' WHEN 3 THEN 'ONLY_B'
        WHEN 4 THEN 'SURPLUS_A' WHEN 5 THEN 'SURPLUS_B'
    END,
    (e.value ->> 0) >> 3,
    CASE WHEN r.stage <> 'INGESTED' THEN EXISTS (
        SELECT 1 FROM difference_rows d
        WHERE d.id BETWEEN
            ((r.run_no << 40) | (((x.id & 1099511627775) * 64 + e.key + 1) << 10))
            AND ((r.run_no << 40) | (((x.id & 1099511627775) * 64 + e.key + 1) << 10)) + 1023)
    END,
    (x.id & 1099511627775) * 64 + e.key + 1,
    r.stage = 'ATTRIBUTED' AND r.superseded_by IS NULL
FROM recon_runs r
CROSS JOIN record_rows x ON x.id BETWEEN r.run_no << 40 AND (r.run_no << 40) + 1099511627775
CROSS JOIN json_each(x.records) e
WHERE r.stage IS NOT NULL AND e.type <> 'null'
  AND (r.keep_all = 1 OR r.stage = 'INGESTED' OR EXISTS (
    SELECT 1 FROM difference_rows d
    WHERE d.id BETWEEN
        ((r.run_no << 40) | (((x.id & 1099511627775) * 64 + e.key + 1) << 10))
        AND ((r.run_no << 40) | (((x.id & 1099511627775) * 64 + e.key + 1) << 10)) + 1023))
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL, NULL
WHERE 0;

CREATE VIEW data_differences
    (diff_id, run_id, record_id, field_name, value_a, value_b, diff_type, severity, created_at,
     difference_number, record_number, is_current) AS
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
    (d.id & 1099511627775) >> 10,
    r.stage = 'ATTRIBUTED' AND r.superseded_by IS NULL
FROM recon_runs r
CROSS JOIN difference_rows d ON d.id BETWEEN r.run_no << 40 AND (r.run_no << 40) + 1099511627775
WHERE r.stage IN ('COMPARED', 'ATTRIBUTED')
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE 0;

CREATE VIEW attributions
    (attribution_id, run_id, diff_id, reason_id, confidence_score, status, assigned_by,
     assigned_at, is_locked, version, explanation, difference_number, signature, amount_abs,
     is_current) AS
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
    d.amount_abs,
    r.stage = 'ATTRIBUTED' AND r.superseded_by IS NULL
FROM recon_runs r
CROSS JOIN difference_rows d ON d.id BETWEEN r.run_no << 40 AND (r.run_no << 40) + 1099511627775
LEFT JOIN assigners w ON w.assigner_id = d.assigner_id
LEFT JOIN signatures s ON s.signature_id = d.signature_id
WHERE r.stage = 'ATTRIBUTED'
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL
WHERE 0;

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
