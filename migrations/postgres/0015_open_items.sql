-- Open items: since when a row is open, and reasons that close one.
--
-- A row taken over from an earlier date has in the eighth element of its entry `carried_a` or `carried_b`: the date
-- it was read, its record in the run before, and the file it was read from.
ALTER TABLE reason_codes ADD COLUMN closes boolean NOT NULL DEFAULT false;

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
           CASE WHEN (p.entry ->> 0)::integer & 7 = 1 AND p.entry ->> 2 IS NULL
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

-- The rows of matches that have several on a side.
CREATE OR REPLACE VIEW recon_members
    (run_id, record_id, side, file, line, ref_id, normalized_data, carried_from) AS
SELECT r.run_id,
       (r.record_prefix || lpad(to_hex(x.number), 12, '0'))::uuid,
       x.side,
       coalesce(
           x.file,
           r.metadata #>> ARRAY['sources', lower(x.side), 'files', (x.place >> 40)::text, 'path'],
           r.metadata #>> ARRAY['sources', lower(x.side), 'path']),
       x.line, x.ref, evidence_object(r.layout, x.evidence), x.carried_from
FROM recon_runs r
CROSS JOIN LATERAL (
    SELECT x.number * 64 + e.at AS number, s.side,
           (m.member ->> 'line')::bigint AS line, (m.member ->> 'offset')::bigint AS place,
           m.member ->> 'ref' AS ref, m.member -> 'values' AS evidence,
           m.member #>> '{carried,file}' AS file,
           (m.member #>> '{carried,from}')::date AS carried_from,
           EXISTS (
               SELECT 1 FROM difference_rows d
               WHERE d.run_no = r.run_no AND d.number >> 10 = x.number * 64 + e.at) AS is_break
    FROM record_rows x
    CROSS JOIN json_array_elements(x.records::json) WITH ORDINALITY e (entry, at)
    CROSS JOIN LATERAL (SELECT evidence_entries(e.entry::text) AS entry OFFSET 0) p
    CROSS JOIN (VALUES ('A', 'a'), ('B', 'b')) s (side, key)
    CROSS JOIN LATERAL jsonb_array_elements(p.entry -> 7 -> s.key) WITH ORDINALITY m (member, at)
    WHERE x.run_no = r.run_no AND json_typeof(e.entry) <> 'null'
      AND (p.entry ->> 0)::integer & 7 = 6
    OFFSET 0
) x
WHERE r.stage IS NOT NULL AND (r.keep_all OR r.stage = 'INGESTED' OR x.is_break);

-- Records of current runs.
CREATE OR REPLACE VIEW current_records AS
SELECT record_id, run_id, source_a_ref_id, source_b_ref_id, ingested_at,
       normalized_data_a, normalized_data_b, line_a, offset_a, line_b, offset_b, gate_status,
       kind, partner_rejected, is_break, record_number, file_a, file_b,
       match_pass, match_shape, match_certificate, match_alternatives, members_a, members_b,
       carried_from_a, carried_from_b
FROM recon_records WHERE is_current;
