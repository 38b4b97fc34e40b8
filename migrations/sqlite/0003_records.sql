-- Records. A side is one JSON array of values in the layout's order; b is null for a pair whose
-- sides are the same text. Rows are written once and never changed: what comparing and attributing
-- add is in break_rows, one small row for each record with differences.
CREATE TABLE record_rows (
    id INTEGER PRIMARY KEY,
    -- 1 PAIR, 2 ONLY_A, 3 ONLY_B, 4 SURPLUS_A, 5 SURPLUS_B
    kind INTEGER NOT NULL,
    a TEXT,
    b TEXT,
    line_a INTEGER,
    offset_a INTEGER,
    line_b INTEGER,
    offset_b INTEGER,
    partner_rejected INTEGER NOT NULL
);

CREATE TABLE break_rows (
    -- The id of the record.
    id INTEGER PRIMARY KEY,
    -- 0 BLOCKED, 1 PASSED, null until attributed.
    gate INTEGER
);

-- An element is taken as JSON text (->) where it goes into the object, so that long integers keep
-- every digit, and as text (->>) only where it is a string in a reference.
CREATE VIEW recon_records
    (record_id, run_id, source_a_ref_id, source_b_ref_id, ingested_at,
     normalized_data_a, normalized_data_b, line_a, offset_a, line_b, offset_b, gate_status,
     kind, partner_rejected, is_break, record_number) AS
SELECT
    x.record_prefix || printf('%012x', x.number),
    x.run_id,
    CASE
        WHEN x.a IS NULL THEN NULL
        WHEN x.key_length = 1 THEN replace(replace(
            CASE json_type(x.a, '$[0]') WHEN 'text' THEN x.a ->> 0 ELSE x.a -> 0 END,
            '\', '\\'), '|', '\|')
        ELSE (
            SELECT group_concat(replace(replace(
                CASE json_type(x.a, '$[' || f.key || ']')
                    WHEN 'text' THEN x.a ->> f.key ELSE x.a -> f.key END,
                '\', '\\'), '|', '\|'), '|')
            FROM json_each(x.layout) f
            WHERE f.key < x.key_length)
    END,
    CASE
        WHEN x.b IS NULL THEN NULL
        WHEN x.key_length = 1 THEN replace(replace(
            CASE json_type(x.b, '$[0]') WHEN 'text' THEN x.b ->> 0 ELSE x.b -> 0 END,
            '\', '\\'), '|', '\|')
        ELSE (
            SELECT group_concat(replace(replace(
                CASE json_type(x.b, '$[' || f.key || ']')
                    WHEN 'text' THEN x.b ->> f.key ELSE x.b -> f.key END,
                '\', '\\'), '|', '\|'), '|')
            FROM json_each(x.layout) f
            WHERE f.key < x.key_length)
    END,
    x.ingested_at,
    CASE WHEN x.a IS NOT NULL THEN
        (SELECT json_group_object(f.value ->> 'name', x.a -> f.key) FROM json_each(x.layout) f)
    END,
    CASE WHEN x.b IS NOT NULL THEN
        (SELECT json_group_object(f.value ->> 'name', x.b -> f.key) FROM json_each(x.layout) f)
    END,
    x.line_a, x.offset_a, x.line_b, x.offset_b,
    CASE
        WHEN x.stage <> 'ATTRIBUTED' THEN NULL
        WHEN x.is_break = 0 OR x.gate = 1 THEN 'PASSED'
        ELSE 'BLOCKED'
    END,
    CASE x.kind
        WHEN 1 THEN 'PAIR' WHEN 2 THEN 'ONLY_A' WHEN 3 THEN 'ONLY_B'
        WHEN 4 THEN 'SURPLUS_A' WHEN 5 THEN 'SURPLUS_B'
    END,
    x.partner_rejected,
    CASE WHEN x.stage <> 'INGESTED' THEN x.is_break END,
    x.number
FROM (
    SELECT r.run_id, r.stage, r.layout, r.key_length, r.record_prefix, r.ingested_at,
           x.id & 68719476735 AS number, x.kind, x.a,
           CASE x.kind WHEN 1 THEN coalesce(x.b, x.a) ELSE x.b END AS b,
           x.line_a, x.offset_a, x.line_b, x.offset_b, x.partner_rejected,
           k.id IS NOT NULL AS is_break, k.gate
    FROM recon_runs r
    CROSS JOIN record_rows x ON x.id BETWEEN r.run_no << 36 AND (r.run_no << 36) + 68719476735
    LEFT JOIN break_rows k ON k.id = x.id
    WHERE r.stage IS NOT NULL
      AND (r.keep_all = 1 OR r.stage = 'INGESTED' OR k.id IS NOT NULL)
) x
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL
WHERE 0;
