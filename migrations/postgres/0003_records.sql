-- Records, 64 to a row: writing a row costs about as much as writing a record would. `records` is a
-- JSON array of entries [kind, a, b, line_a, offset_a, line_b, offset_b], kept as text, because
-- parsing JSONB is the slowest part of loading. A side is one JSON array of values in the layout's
-- order; b is null for a pair whose sides are the same text. Kinds are 1 PAIR, 2 ONLY_A, 3 ONLY_B,
-- 4 SURPLUS_A, 5 SURPLUS_B, and 8 more where a row of the missing side with this key was rejected.
-- An entry is null if its record is no longer kept. Row r holds the records 64 r + 1 to 64 r + 64. What
-- comparing and attributing add to a record is in its differences. Each run's rows are a partition of
-- their own, loaded before it is attached: so nothing shows too early, and forgetting a run is
-- dropping its tables.
CREATE TABLE record_rows (
    run_no integer NOT NULL,
    number bigint NOT NULL,
    records text NOT NULL,
    PRIMARY KEY (run_no, number)
) PARTITION BY LIST (run_no);

-- Differences, each with its attribution in the same row: there is exactly one.
CREATE TABLE difference_rows (
    run_no integer NOT NULL,
    -- record << 10 | field: field is 0 for the entire record, otherwise the position in the layout
    -- and 1. So those of a record are found by a range.
    number bigint NOT NULL,
    diff_type smallint NOT NULL,
    severity smallint NOT NULL,
    value_a text,
    value_b text,
    -- Null until somebody gave a reason.
    reason_id integer,
    -- Whether business explained that reason when it was given: with status 3 the difference passes
    -- the gate. Whoever sets reason_id sets this too.
    functional boolean,
    confidence double precision,
    -- 1 UNKNOWN, 2 PENDING, 3 ACCEPTED, 4 REJECTED
    status smallint,
    assigner_id integer,
    explanation text,
    signature_id integer,
    -- What is at stake: the size of the difference of a monetary field.
    amount_abs double precision,
    -- Null: when the run was attributed.
    assigned_at timestamptz,
    is_locked boolean NOT NULL DEFAULT false,
    version integer NOT NULL DEFAULT 1,
    -- Drawn for a second look by people.
    audit_sample boolean NOT NULL DEFAULT false,
    PRIMARY KEY (run_no, number),
    CHECK (status IS DISTINCT FROM 2 OR is_locked)
) PARTITION BY LIST (run_no);

-- The queue of what people have to look at, in its orders: as a whole, of one signature, by amount.
CREATE INDEX difference_rows_queue ON difference_rows (confidence, run_no, number)
    WHERE status = 1;
CREATE INDEX difference_rows_groups ON difference_rows (signature_id, confidence, run_no, number)
    WHERE status = 1;
CREATE INDEX difference_rows_amounts ON difference_rows (amount_abs, run_no, number)
    WHERE status = 1 AND amount_abs IS NOT NULL;

-- A row of records as JSONB. JSONB cannot hold the character U+0000, which a text of a source may
-- hold; it shows as the replacement character, U+FFFD. An even number of backslashes before it means
-- that the characters \u0000 themselves stand in the source.
CREATE FUNCTION evidence_entries(records text) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN strpos(records, '\u0000') = 0 THEN records
    ELSE regexp_replace(records, '(?<!\\)((?:\\\\)*)\\u0000', '\1\\ufffd', 'g')
END::jsonb;

-- A side as an object with the names of the layout.
CREATE FUNCTION evidence_object(layout jsonb, evidence jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT jsonb_object_agg(layout -> (e.at - 1)::integer ->> 'name', e.value)
    FROM jsonb_array_elements(evidence) WITH ORDINALITY e (value, at));

-- The reference of a side: its key parts joined by |, where \ escapes | and \.
CREATE FUNCTION evidence_reference(key_length integer, evidence jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT string_agg(
        replace(replace(e.value #>> '{}', '\', '\\'), '|', '\|'), '|' ORDER BY e.at)
    FROM jsonb_array_elements(evidence) WITH ORDINALITY e (value, at)
    WHERE e.at <= key_length);

-- OFFSET 0 keeps the rows' query apart from the runs', so that it is planned as a loop over runs,
-- which looks into the partitions of those runs only; a hash join would read every partition.
CREATE VIEW recon_records
    (record_id, run_id, source_a_ref_id, source_b_ref_id, ingested_at,
     normalized_data_a, normalized_data_b, line_a, offset_a, line_b, offset_b, gate_status,
     kind, partner_rejected, is_break, record_number) AS
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
    CASE WHEN r.stage <> 'INGESTED' THEN x.is_break END,
    x.number
FROM recon_runs r
CROSS JOIN LATERAL (
    SELECT x.number * 64 + e.at AS number,
           (e.value ->> 0)::integer AS kind,
           nullif(e.value -> 1, 'null') AS a,
           CASE WHEN (e.value ->> 0)::integer & 7 = 1 AND e.value ->> 2 IS NULL
                THEN e.value -> 1 ELSE nullif(e.value -> 2, 'null') END AS b,
           (e.value ->> 3)::bigint AS line_a, (e.value ->> 4)::bigint AS offset_a,
           (e.value ->> 5)::bigint AS line_b, (e.value ->> 6)::bigint AS offset_b,
           k.is_blocked IS NOT NULL AS is_break, k.is_blocked
    FROM record_rows x
    CROSS JOIN jsonb_array_elements(evidence_entries(x.records)) WITH ORDINALITY e (value, at)
    LEFT JOIN (
        SELECT d.number >> 10 AS record,
               bool_or(d.status IS DISTINCT FROM 3 OR d.functional IS NOT TRUE) AS is_blocked
        FROM difference_rows d
        WHERE d.run_no = r.run_no GROUP BY 1
    ) k ON k.record = x.number * 64 + e.at
    WHERE x.run_no = r.run_no AND jsonb_typeof(e.value) <> 'null'
    OFFSET 0
) x
WHERE r.stage IS NOT NULL AND (r.keep_all OR r.stage = 'INGESTED' OR x.is_break);
