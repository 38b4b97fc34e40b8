-- Of side B of a pair that differs, an entry has only what differs: an object with the values by their positions,
-- instead of the array of all. Entries of earlier runs stay as they are.
DROP VIEW recon_records;

-- The arms without rows keep SQLite from flattening a level into the one around it: on the first level an entry is
-- taken out of its row once, on the second its parts out of the entry, and on the third they are used by several
-- columns. So a join on an id builds an index once instead of comparing every row with every row; conditions on run_id
-- and is_current still reach into the view. What is not a text is taken as JSON (->), so that long integers keep every
-- digit.
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
    record_prefix || printf('%012x', number),
    run_id,
    coalesce(more ->> 'ref_a', CASE
        WHEN key_length = 1 THEN replace(replace(key_a, '\', '\\'), '|', '\|')
        WHEN side_a IS NOT NULL THEN (
            SELECT group_concat(replace(replace(
                CASE s.type WHEN 'text' THEN s.value ELSE side_a -> s.key END,
                '\', '\\'), '|', '\|'), '|')
            FROM json_each(side_a) s
            WHERE s.key < key_length)
    END),
    coalesce(more ->> 'ref_b', CASE
        WHEN key_length = 1 THEN replace(replace(key_b, '\', '\\'), '|', '\|')
        WHEN side_b IS NOT NULL THEN (
            SELECT group_concat(replace(replace(
                CASE s.type WHEN 'text' THEN s.value ELSE side_b -> s.key END,
                '\', '\\'), '|', '\|'), '|')
            FROM json_each(side_b) s
            WHERE s.key < key_length)
    END),
    ingested_at,
    CASE WHEN side_a IS NOT NULL THEN (
        SELECT json_group_object(
            f.name, CASE s.type WHEN 'text' THEN s.value ELSE json(side_a -> s.key) END)
        FROM json_each(side_a) s
        CROSS JOIN run_fields f
        WHERE f.run_no = entry.run_no AND f.place = s.key)
    END,
    CASE WHEN side_b IS NOT NULL THEN (
        SELECT json_group_object(
            f.name, CASE s.type WHEN 'text' THEN s.value ELSE json(side_b -> s.key) END)
        FROM json_each(side_b) s
        CROSS JOIN run_fields f
        WHERE f.run_no = entry.run_no AND f.place = s.key)
    END,
    line_a, place_a & 1099511627775, line_b, place_b & 1099511627775,
    CASE
        WHEN stage <> 'ATTRIBUTED' THEN NULL
        WHEN EXISTS (
            SELECT 1 FROM difference_rows d
            WHERE d.id BETWEEN first_difference AND first_difference + 1023
              AND (d.status IS NOT 3 OR d.functional IS NOT 1)) THEN 'BLOCKED'
        ELSE 'PASSED'
    END,
    CASE kind & 7
        WHEN 1 THEN 'PAIR' WHEN 2 THEN 'ONLY_A' WHEN 3 THEN 'ONLY_B'
        WHEN 4 THEN 'SURPLUS_A' WHEN 5 THEN 'SURPLUS_B' WHEN 6 THEN 'GROUP'
    END,
    kind >> 3,
    CASE WHEN stage <> 'INGESTED' THEN EXISTS (
        SELECT 1 FROM difference_rows d
        WHERE d.id BETWEEN first_difference AND first_difference + 1023)
    END,
    number,
    is_current,
    CASE WHEN line_a IS NOT NULL THEN coalesce(
        more ->> '$.carried_a.file',
        metadata ->> ('$.sources.a.files[' || (place_a >> 40) || '].path'),
        metadata ->> '$.sources.a.path')
    END,
    CASE WHEN line_b IS NOT NULL THEN coalesce(
        more ->> '$.carried_b.file',
        metadata ->> ('$.sources.b.files[' || (place_b >> 40) || '].path'),
        metadata ->> '$.sources.b.path')
    END,
    CASE kind & 7 WHEN 1 THEN coalesce(more ->> 'pass', 'key') WHEN 6 THEN more ->> 'pass' END,
    CASE kind & 7
        WHEN 1 THEN coalesce(more ->> 'shape', 'one_to_one')
        WHEN 6 THEN more ->> 'shape'
    END,
    CASE kind & 7
        WHEN 1 THEN coalesce(more ->> 'certificate', 'UNIQUE')
        WHEN 6 THEN more ->> 'certificate'
    END,
    CASE WHEN kind & 7 IN (1, 6) THEN coalesce(more ->> 'alternatives', 0) END,
    CASE kind & 7
        WHEN 3 THEN 0 WHEN 5 THEN 0 WHEN 6 THEN json_array_length(more, '$.a') ELSE 1
    END,
    CASE kind & 7
        WHEN 2 THEN 0 WHEN 4 THEN 0 WHEN 6 THEN json_array_length(more, '$.b') ELSE 1
    END,
    more ->> '$.carried_a.from', more ->> '$.carried_b.from'
FROM (
    SELECT run_no, run_id, stage, keep_all, key_length, record_prefix, ingested_at, metadata,
        is_current, number, (run_no << 40) | (number << 10) AS first_difference,
        v ->> 0 AS kind,
        CASE WHEN v ->> 1 IS NOT NULL THEN v -> 1 END AS side_a,
        CASE json_type(v, '$[2]')
            WHEN 'null' THEN CASE WHEN (v ->> 0) & 7 = 1 THEN v -> 1 END
            WHEN 'array' THEN v -> 2
            ELSE (
                SELECT json_group_array(json(coalesce(
                    v -> ('$[2].' || s.key), v -> ('$[1][' || s.key || ']'))))
                FROM json_each(v, '$[1]') s)
        END AS side_b,
        CASE json_type(v, '$[1][0]')
            WHEN 'text' THEN v ->> '$[1][0]' ELSE v -> '$[1][0]'
        END AS key_a,
        CASE json_type(v, '$[2]')
            WHEN 'null' THEN
                CASE WHEN (v ->> 0) & 7 <> 1 THEN NULL
                    WHEN json_type(v, '$[1][0]') = 'text' THEN v ->> '$[1][0]'
                    ELSE v -> '$[1][0]'
                END
            WHEN 'array' THEN
                CASE json_type(v, '$[2][0]')
                    WHEN 'text' THEN v ->> '$[2][0]' ELSE v -> '$[2][0]'
                END
            ELSE
                CASE coalesce(json_type(v, '$[2].0'), json_type(v, '$[1][0]'))
                    WHEN 'text' THEN coalesce(v ->> '$[2].0', v ->> '$[1][0]')
                    ELSE coalesce(v -> '$[2].0', v -> '$[1][0]')
                END
        END AS key_b,
        v ->> 3 AS line_a, v ->> 4 AS place_a, v ->> 5 AS line_b, v ->> 6 AS place_b,
        v -> 7 AS more
    FROM (
        SELECT r.run_no, r.run_id, r.stage, r.keep_all, r.key_length, r.record_prefix,
            r.ingested_at, r.metadata,
            r.stage = 'ATTRIBUTED' AND r.superseded_by IS NULL AS is_current,
            (x.id & 1099511627775) * 64 + e.key + 1 AS number, e.value AS v
        FROM recon_runs r
        CROSS JOIN record_rows x
            ON x.id BETWEEN r.run_no << 40 AND (r.run_no << 40) + 1099511627775
        CROSS JOIN json_each(x.records) e
        WHERE likelihood(r.stage IS NOT NULL, 0.0000001) AND e.type <> 'null'
        UNION ALL
        SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
        WHERE 0)
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
           NULL, NULL, NULL, NULL, NULL, NULL
    WHERE 0) entry
WHERE keep_all = 1 OR stage = 'INGESTED' OR EXISTS (
    SELECT 1 FROM difference_rows d
    WHERE d.id BETWEEN first_difference AND first_difference + 1023)
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
WHERE 0;

-- Entries of breaks are packed: 1 is that of earlier versions, 28 bytes for each.
ALTER TABLE break_states ADD COLUMN form INTEGER NOT NULL DEFAULT 1;
