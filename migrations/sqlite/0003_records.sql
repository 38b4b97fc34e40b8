-- Records, 64 to a row: writing a row costs about as much as writing a record would. `records` is a
-- JSON array of entries [kind, a, b, line_a, offset_a, line_b, offset_b]. A side is one JSON array of
-- values in the layout's order; b is null for a pair whose sides are the same text. Kinds are 1 PAIR,
-- 2 ONLY_A, 3 ONLY_B, 4 SURPLUS_A, 5 SURPLUS_B, and 8 more where a row of the missing side with this
-- key was rejected. An entry is null if its record is no longer kept. The rowid is run_no << 40 |
-- row, and row r holds the records 64 r + 1 to 64 r + 64. What comparing and attributing add to a
-- record is in its differences.
CREATE TABLE record_rows (
    id INTEGER PRIMARY KEY,
    records TEXT NOT NULL
);

-- Differences, each with its attribution in the same row: there is exactly one.
--
-- The rowid is run_no << 40 | record << 10 | field: field is 0 for the entire record, otherwise the
-- position in the layout and 1. So those of a record are found by a range.
CREATE TABLE difference_rows (
    id INTEGER PRIMARY KEY,
    diff_type INTEGER NOT NULL,
    severity INTEGER NOT NULL,
    value_a TEXT,
    value_b TEXT,
    -- Null until somebody gave a reason.
    reason_id INTEGER,
    -- Whether business explained that reason when it was given: with status 3 the difference passes
    -- the gate. Whoever sets reason_id sets this too.
    functional INTEGER,
    confidence REAL,
    -- 1 UNKNOWN, 2 PENDING, 3 ACCEPTED, 4 REJECTED
    status INTEGER,
    assigner_id INTEGER,
    explanation TEXT,
    signature_id INTEGER,
    -- What is at stake: the size of the difference of a monetary field.
    amount_abs REAL,
    -- Null: when the run was attributed.
    assigned_at TEXT,
    is_locked INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL DEFAULT 1,
    -- Drawn for a second look by people.
    audit_sample INTEGER NOT NULL DEFAULT 0,
    CHECK (status IS NOT 2 OR is_locked = 1)
);

-- The queue of what people have to look at, in its orders: as a whole, of one signature, by amount.
CREATE INDEX difference_rows_queue ON difference_rows (confidence, id) WHERE status = 1;
CREATE INDEX difference_rows_groups ON difference_rows (signature_id, confidence, id)
    WHERE status = 1;
CREATE INDEX difference_rows_amounts ON difference_rows (amount_abs, id)
    WHERE status = 1 AND amount_abs IS NOT NULL;

-- An element is taken as JSON text (->) where it goes into the object, so that long integers keep
-- every digit, and as text (->>) only where it is a string in a reference. The inner arm without rows
-- keeps a side from being taken out of its entry anew for each of its fields.
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
        WHEN EXISTS (
            SELECT 1 FROM difference_rows d
            WHERE d.id BETWEEN x.first_difference AND x.first_difference + 1023
              AND (d.status IS NOT 3 OR d.functional IS NOT 1)) THEN 'BLOCKED'
        ELSE 'PASSED'
    END,
    CASE x.kind & 7
        WHEN 1 THEN 'PAIR' WHEN 2 THEN 'ONLY_A' WHEN 3 THEN 'ONLY_B'
        WHEN 4 THEN 'SURPLUS_A' WHEN 5 THEN 'SURPLUS_B'
    END,
    x.kind >> 3,
    CASE WHEN x.stage <> 'INGESTED' THEN EXISTS (
        SELECT 1 FROM difference_rows d
        WHERE d.id BETWEEN x.first_difference AND x.first_difference + 1023)
    END,
    x.number
FROM (
    SELECT r.run_id, r.stage, r.keep_all, r.layout, r.key_length, r.record_prefix, r.ingested_at,
           (x.id & 1099511627775) * 64 + e.key + 1 AS number,
           (r.run_no << 40) | (((x.id & 1099511627775) * 64 + e.key + 1) << 10)
               AS first_difference,
           e.value ->> 0 AS kind,
           nullif(e.value -> 1, 'null') AS a,
           CASE WHEN (e.value ->> 0) & 7 = 1 AND e.value ->> 2 IS NULL THEN e.value -> 1
                ELSE nullif(e.value -> 2, 'null') END AS b,
           e.value ->> 3 AS line_a, e.value ->> 4 AS offset_a,
           e.value ->> 5 AS line_b, e.value ->> 6 AS offset_b
    FROM recon_runs r
    CROSS JOIN record_rows x ON x.id BETWEEN r.run_no << 40 AND (r.run_no << 40) + 1099511627775
    CROSS JOIN json_each(x.records) e
    WHERE r.stage IS NOT NULL AND e.type <> 'null'
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
           NULL
    WHERE 0
) x
WHERE x.keep_all = 1 OR x.stage = 'INGESTED' OR EXISTS (
    SELECT 1 FROM difference_rows d
    WHERE d.id BETWEEN x.first_difference AND x.first_difference + 1023)
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL
WHERE 0;
