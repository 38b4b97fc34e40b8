-- Of side B of a pair that differs, an entry has only what differs: an object with the values by their positions,
-- instead of the array of all. Entries of earlier runs stay as they are.
CREATE FUNCTION evidence_changed(evidence jsonb, changes jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT jsonb_agg(coalesce(changes -> (e.at - 1)::text, e.value) ORDER BY e.at)
    FROM jsonb_array_elements(evidence) WITH ORDINALITY e (value, at));

-- A side that is not written as a whole has no reference of its own here.
CREATE OR REPLACE FUNCTION evidence_reference(key_length integer, evidence jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT string_agg(
        replace(replace(e.value #>> '{}', '\', '\\'), '|', '\|'), '|' ORDER BY e.at)
    FROM jsonb_array_elements(
        CASE WHEN jsonb_typeof(evidence) = 'array' THEN evidence END) WITH ORDINALITY e (value, at)
    WHERE e.at <= key_length);

CREATE OR REPLACE VIEW recon_records
    (record_id, run_id, source_a_ref_id, source_b_ref_id, ingested_at,
     normalized_data_a, normalized_data_b, line_a, offset_a, line_b, offset_b, gate_status,
     kind, partner_rejected, is_break, record_number, is_current, file_a, file_b,
     match_pass, match_shape, match_certificate, match_alternatives, members_a, members_b,
     carried_from_a, carried_from_b) AS
SELECT
    (r.record_prefix || lpad(to_hex(x.number), 12, '0'))::uuid,
    r.run_id,
    coalesce(x.matched ->> 'ref_a', evidence_reference(r.key_length, x.a)),
    coalesce(x.matched ->> 'ref_b', evidence_reference(r.key_length, x.b)),
    r.ingested_at,
    evidence_object(r.layout, x.a),
    evidence_object(r.layout, x.b),
    x.line_a, x.offset_a & 1099511627775, x.line_b, x.offset_b & 1099511627775,
    CASE
        WHEN r.stage <> 'ATTRIBUTED' THEN NULL
        WHEN x.is_blocked THEN 'BLOCKED'
        ELSE 'PASSED'
    END,
    CASE x.kind & 7
        WHEN 1 THEN 'PAIR' WHEN 2 THEN 'ONLY_A' WHEN 3 THEN 'ONLY_B'
        WHEN 4 THEN 'SURPLUS_A' WHEN 5 THEN 'SURPLUS_B' WHEN 6 THEN 'GROUP'
    END,
    x.kind >= 8,
    CASE WHEN r.stage <> 'INGESTED' THEN x.is_blocked IS NOT NULL END,
    x.number,
    r.stage = 'ATTRIBUTED' AND r.superseded_by IS NULL,
    CASE WHEN x.line_a IS NOT NULL THEN coalesce(
        x.matched #>> '{carried_a,file}',
        r.metadata #>> ARRAY['sources', 'a', 'files', (x.offset_a >> 40)::text, 'path'],
        r.metadata #>> '{sources,a,path}')
    END,
    CASE WHEN x.line_b IS NOT NULL THEN coalesce(
        x.matched #>> '{carried_b,file}',
        r.metadata #>> ARRAY['sources', 'b', 'files', (x.offset_b >> 40)::text, 'path'],
        r.metadata #>> '{sources,b,path}')
    END,
    CASE x.kind & 7
        WHEN 1 THEN coalesce(x.matched ->> 'pass', 'key') WHEN 6 THEN x.matched ->> 'pass'
    END,
    CASE x.kind & 7
        WHEN 1 THEN coalesce(x.matched ->> 'shape', 'one_to_one') WHEN 6 THEN x.matched ->> 'shape'
    END,
    CASE x.kind & 7
        WHEN 1 THEN coalesce(x.matched ->> 'certificate', 'UNIQUE')
        WHEN 6 THEN x.matched ->> 'certificate'
    END,
    CASE WHEN x.kind & 7 IN (1, 6) THEN coalesce((x.matched ->> 'alternatives')::integer, 0) END,
    CASE x.kind & 7
        WHEN 3 THEN 0 WHEN 5 THEN 0 WHEN 6 THEN jsonb_array_length(x.matched -> 'a') ELSE 1
    END,
    CASE x.kind & 7
        WHEN 2 THEN 0 WHEN 4 THEN 0 WHEN 6 THEN jsonb_array_length(x.matched -> 'b') ELSE 1
    END,
    (x.matched #>> '{carried_a,from}')::date, (x.matched #>> '{carried_b,from}')::date
FROM recon_runs r
CROSS JOIN LATERAL (
    SELECT x.number * 64 + e.at AS number,
           (p.entry ->> 0)::integer AS kind,
           nullif(p.entry -> 1, 'null') AS a,
           CASE WHEN jsonb_typeof(p.entry -> 2) = 'object'
                THEN evidence_changed(p.entry -> 1, p.entry -> 2)
                WHEN (p.entry ->> 0)::integer & 7 = 1 AND p.entry ->> 2 IS NULL
                THEN p.entry -> 1 ELSE nullif(p.entry -> 2, 'null') END AS b,
           (p.entry ->> 3)::bigint AS line_a, (p.entry ->> 4)::bigint AS offset_a,
           (p.entry ->> 5)::bigint AS line_b, (p.entry ->> 6)::bigint AS offset_b,
           p.entry -> 7 AS matched,
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

-- Entries of breaks are packed: 1 is that of earlier versions, 28 bytes for each.
ALTER TABLE break_states ADD COLUMN form integer NOT NULL DEFAULT 1;
