-- The records of recon_records come first in a join.
DROP VIEW recon_records;

-- The last arm has no rows. An arm without FROM keeps SQLite from flattening the view into the query
-- around it, so that a join on an id builds an index once instead of comparing every row with every
-- row; conditions on run_id and is_current still reach into the view. The same arm in a side's
-- subquery keeps the side from being taken out of its entry again for each of its fields. An element
-- is taken as JSON text (->) where it goes into the object, so that long integers keep every digit.
--
-- A store has few runs, which SQLite does not know: it takes a table without statistics for a million rows. The
-- likelihood says so, and a join of this view with differences then begins with the records, one after another,
-- instead of making an index of all records first.
CREATE VIEW recon_records
    (record_id, run_id, source_a_ref_id, source_b_ref_id, ingested_at,
     normalized_data_a, normalized_data_b, line_a, offset_a, line_b, offset_b, gate_status,
     kind, partner_rejected, is_break, record_number, is_current, file_a, file_b,
     match_pass, match_shape, match_certificate, match_alternatives, members_a, members_b,
     carried_from_a, carried_from_b) AS
SELECT
    r.record_prefix || printf('%012x', (x.id & 1099511627775) * 64 + e.key + 1),
    r.run_id,
    coalesce(e.value ->> '$[7].ref_a', CASE
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
    END),
    coalesce(e.value ->> '$[7].ref_b', CASE
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
    END),
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
    e.value ->> 3, (e.value ->> 4) & 1099511627775, e.value ->> 5, (e.value ->> 6) & 1099511627775,
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
        WHEN 4 THEN 'SURPLUS_A' WHEN 5 THEN 'SURPLUS_B' WHEN 6 THEN 'GROUP'
    END,
    (e.value ->> 0) >> 3,
    CASE WHEN r.stage <> 'INGESTED' THEN EXISTS (
        SELECT 1 FROM difference_rows d
        WHERE d.id BETWEEN
            ((r.run_no << 40) | (((x.id & 1099511627775) * 64 + e.key + 1) << 10))
            AND ((r.run_no << 40) | (((x.id & 1099511627775) * 64 + e.key + 1) << 10)) + 1023)
    END,
    (x.id & 1099511627775) * 64 + e.key + 1,
    r.stage = 'ATTRIBUTED' AND r.superseded_by IS NULL,
    CASE WHEN e.value ->> 3 IS NOT NULL THEN coalesce(
        e.value ->> '$[7].carried_a.file',
        r.metadata ->> ('$.sources.a.files[' || ((e.value ->> 4) >> 40) || '].path'),
        r.metadata ->> '$.sources.a.path')
    END,
    CASE WHEN e.value ->> 5 IS NOT NULL THEN coalesce(
        e.value ->> '$[7].carried_b.file',
        r.metadata ->> ('$.sources.b.files[' || ((e.value ->> 6) >> 40) || '].path'),
        r.metadata ->> '$.sources.b.path')
    END,
    CASE (e.value ->> 0) & 7
        WHEN 1 THEN coalesce(e.value ->> '$[7].pass', 'key')
        WHEN 6 THEN e.value ->> '$[7].pass'
    END,
    CASE (e.value ->> 0) & 7
        WHEN 1 THEN coalesce(e.value ->> '$[7].shape', 'one_to_one')
        WHEN 6 THEN e.value ->> '$[7].shape'
    END,
    CASE (e.value ->> 0) & 7
        WHEN 1 THEN coalesce(e.value ->> '$[7].certificate', 'UNIQUE')
        WHEN 6 THEN e.value ->> '$[7].certificate'
    END,
    CASE WHEN (e.value ->> 0) & 7 IN (1, 6) THEN coalesce(e.value ->> '$[7].alternatives', 0) END,
    CASE (e.value ->> 0) & 7
        WHEN 3 THEN 0 WHEN 5 THEN 0 WHEN 6 THEN json_array_length(e.value, '$[7].a') ELSE 1
    END,
    CASE (e.value ->> 0) & 7
        WHEN 2 THEN 0 WHEN 4 THEN 0 WHEN 6 THEN json_array_length(e.value, '$[7].b') ELSE 1
    END,
    e.value ->> '$[7].carried_a.from', e.value ->> '$[7].carried_b.from'
FROM recon_runs r
CROSS JOIN record_rows x ON x.id BETWEEN r.run_no << 40 AND (r.run_no << 40) + 1099511627775
CROSS JOIN json_each(x.records) e
WHERE likelihood(r.stage IS NOT NULL, 0.0000001) AND e.type <> 'null'
  AND (r.keep_all = 1 OR r.stage = 'INGESTED' OR EXISTS (
    SELECT 1 FROM difference_rows d
    WHERE d.id BETWEEN
        ((r.run_no << 40) | (((x.id & 1099511627775) * 64 + e.key + 1) << 10))
        AND ((r.run_no << 40) | (((x.id & 1099511627775) * 64 + e.key + 1) << 10)) + 1023))
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
WHERE 0;
