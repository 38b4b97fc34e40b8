-- Records. A side is one JSON array of values in the layout's order, kept as text, because parsing
-- JSONB is the slowest part of loading; b is null for a pair whose sides are the same text. Rows are
-- written once and never changed: what comparing and attributing add is in break_rows, one small row
-- for each record with differences. Each run's rows are a partition of their own, loaded before it
-- is attached: so nothing shows too early, and forgetting a run is dropping its tables.
CREATE TABLE record_rows (
    run_no integer NOT NULL,
    number bigint NOT NULL,
    -- 1 PAIR, 2 ONLY_A, 3 ONLY_B, 4 SURPLUS_A, 5 SURPLUS_B
    kind smallint NOT NULL,
    a text,
    b text,
    line_a bigint,
    offset_a bigint,
    line_b bigint,
    offset_b bigint,
    partner_rejected boolean NOT NULL,
    PRIMARY KEY (run_no, number)
) PARTITION BY LIST (run_no);

CREATE TABLE break_rows (
    run_no integer NOT NULL,
    -- The number of the record.
    number bigint NOT NULL,
    -- 0 BLOCKED, 1 PASSED, null until attributed.
    gate smallint,
    PRIMARY KEY (run_no, number)
) PARTITION BY LIST (run_no);

-- A side as JSONB. JSONB cannot hold the character U+0000, which a text of a source may hold; it
-- shows as the replacement character, U+FFFD. An even number of backslashes before it means that
-- the characters \u0000 themselves stand in the source.
CREATE FUNCTION evidence_json(evidence text) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN strpos(evidence, '\u0000') = 0 THEN evidence
    ELSE regexp_replace(evidence, '(?<!\\)((?:\\\\)*)\\u0000', '\1\\ufffd', 'g')
END::jsonb;

-- A side as an object with the names of the layout.
CREATE FUNCTION evidence_object(layout jsonb, evidence text) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT jsonb_object_agg(layout -> (e.at - 1)::integer ->> 'name', e.value)
    FROM jsonb_array_elements(evidence_json(evidence)) WITH ORDINALITY e (value, at));

-- The reference of a side: its key parts joined by |, where \ escapes | and \.
CREATE FUNCTION evidence_reference(key_length integer, evidence text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT string_agg(
        replace(replace(e.value #>> '{}', '\', '\\'), '|', '\|'), '|' ORDER BY e.at)
    FROM jsonb_array_elements(evidence_json(evidence)) WITH ORDINALITY e (value, at)
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
        WHEN NOT x.is_break OR x.gate = 1 THEN 'PASSED'
        ELSE 'BLOCKED'
    END,
    CASE x.kind
        WHEN 1 THEN 'PAIR' WHEN 2 THEN 'ONLY_A' WHEN 3 THEN 'ONLY_B'
        WHEN 4 THEN 'SURPLUS_A' WHEN 5 THEN 'SURPLUS_B'
    END,
    x.partner_rejected,
    CASE WHEN r.stage <> 'INGESTED' THEN x.is_break END,
    x.number
FROM recon_runs r
CROSS JOIN LATERAL (
    SELECT x.number, x.kind, x.a,
           CASE x.kind WHEN 1 THEN coalesce(x.b, x.a) ELSE x.b END AS b,
           x.line_a, x.offset_a, x.line_b, x.offset_b, x.partner_rejected,
           k.number IS NOT NULL AS is_break, k.gate
    FROM record_rows x
    LEFT JOIN break_rows k ON k.run_no = r.run_no AND k.number = x.number
    WHERE x.run_no = r.run_no
    OFFSET 0
) x
WHERE r.stage IS NOT NULL AND (r.keep_all OR r.stage = 'INGESTED' OR x.is_break);
