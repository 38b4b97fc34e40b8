-- Reading records of SQLite's view in two thirds of the time. What comes out of a run's metadata is taken out once for the
-- run instead of twice for each record; what a record without `match` does not have is not looked for; and each value of
-- an entry is taken with one call.
DROP VIEW recon_records;

-- The arms without rows keep SQLite from flattening a level into the one around it: of the innermost level a run's facts
-- are taken once, on the next an entry is taken out of its row once, then its parts out of the entry, and on the last they
-- are used by several columns. So a join on an id builds an index once instead of comparing every row with every row;
-- conditions on run_id and is_current still reach into the view. What is not a text is taken as JSON (->), so that long
-- integers keep every digit: whether it is one, its first character says.
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
    CASE
        WHEN more ->> 'ref_a' IS NOT NULL THEN more ->> 'ref_a'
        WHEN key_length = 1 THEN replace(replace(
            CASE substr(side_a, 2, 1) WHEN '"' THEN side_a ->> 0 ELSE side_a -> 0 END,
            '\', '\\'), '|', '\|')
        WHEN side_a IS NOT NULL THEN (
            SELECT group_concat(replace(replace(
                CASE s.type WHEN 'text' THEN s.value ELSE side_a -> s.key END,
                '\', '\\'), '|', '\|'), '|')
            FROM json_each(side_a) s
            WHERE s.key < key_length)
    END,
    CASE
        WHEN more ->> 'ref_b' IS NOT NULL THEN more ->> 'ref_b'
        WHEN key_length = 1 THEN replace(replace(
            CASE substr(side_b, 2, 1) WHEN '"' THEN side_b ->> 0 ELSE side_b -> 0 END,
            '\', '\\'), '|', '\|')
        WHEN side_b IS NOT NULL THEN (
            SELECT group_concat(replace(replace(
                CASE s.type WHEN 'text' THEN s.value ELSE side_b -> s.key END,
                '\', '\\'), '|', '\|'), '|')
            FROM json_each(side_b) s
            WHERE s.key < key_length)
    END,
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
    CASE WHEN line_a IS NULL THEN NULL WHEN more IS NULL AND files_a IS NULL THEN path_a
        ELSE coalesce(more ->> '$.carried_a.file',
            files_a ->> ('$[' || (place_a >> 40) || '].path'), path_a)
    END,
    CASE WHEN line_b IS NULL THEN NULL WHEN more IS NULL AND files_b IS NULL THEN path_b
        ELSE coalesce(more ->> '$.carried_b.file',
            files_b ->> ('$[' || (place_b >> 40) || '].path'), path_b)
    END,
    CASE
        WHEN more IS NULL THEN CASE kind & 7 WHEN 1 THEN 'key' END
        WHEN kind & 7 = 1 THEN coalesce(more ->> 'pass', 'key')
        WHEN kind & 7 = 6 THEN more ->> 'pass'
    END,
    CASE
        WHEN more IS NULL THEN CASE kind & 7 WHEN 1 THEN 'one_to_one' END
        WHEN kind & 7 = 1 THEN coalesce(more ->> 'shape', 'one_to_one')
        WHEN kind & 7 = 6 THEN more ->> 'shape'
    END,
    CASE
        WHEN more IS NULL THEN CASE kind & 7 WHEN 1 THEN 'UNIQUE' END
        WHEN kind & 7 = 1 THEN coalesce(more ->> 'certificate', 'UNIQUE')
        WHEN kind & 7 = 6 THEN more ->> 'certificate'
    END,
    CASE
        WHEN kind & 7 NOT IN (1, 6) THEN NULL
        WHEN more IS NULL THEN 0
        ELSE coalesce(more ->> 'alternatives', 0)
    END,
    CASE kind & 7
        WHEN 3 THEN 0 WHEN 5 THEN 0 WHEN 6 THEN json_array_length(more, '$.a') ELSE 1
    END,
    CASE kind & 7
        WHEN 2 THEN 0 WHEN 4 THEN 0 WHEN 6 THEN json_array_length(more, '$.b') ELSE 1
    END,
    CASE WHEN more IS NOT NULL THEN more ->> '$.carried_a.from' END,
    CASE WHEN more IS NOT NULL THEN more ->> '$.carried_b.from' END
FROM (
    SELECT run_no, run_id, stage, keep_all, key_length, record_prefix, ingested_at, is_current,
        files_a, path_a, files_b, path_b, number,
        (run_no << 40) | (number << 10) AS first_difference,
        v ->> 0 AS kind, v ->> 1 AS side_a,
        CASE substr(v ->> 2, 1, 1)
            WHEN '[' THEN v ->> 2
            WHEN '{' THEN (
                SELECT json_group_array(json(coalesce(
                    v -> ('$[2].' || s.key), v -> ('$[1][' || s.key || ']'))))
                FROM json_each(v, '$[1]') s)
            ELSE CASE WHEN (v ->> 0) & 7 = 1 THEN v ->> 1 END
        END AS side_b,
        v ->> 3 AS line_a, v ->> 4 AS place_a, v ->> 5 AS line_b, v ->> 6 AS place_b,
        v -> 7 AS more
    FROM (
        SELECT run.run_no, run.run_id, run.stage, run.keep_all, run.key_length, run.record_prefix,
            run.ingested_at, run.is_current, run.files_a, run.path_a, run.files_b, run.path_b,
            (x.id & 1099511627775) * 64 + e.key + 1 AS number, e.value AS v
        FROM (
            SELECT run_no, run_id, stage, keep_all, key_length, record_prefix, ingested_at,
                stage = 'ATTRIBUTED' AND superseded_by IS NULL AS is_current,
                metadata -> '$.sources.a.files' AS files_a,
                metadata ->> '$.sources.a.path' AS path_a,
                metadata -> '$.sources.b.files' AS files_b,
                metadata ->> '$.sources.b.path' AS path_b
            FROM recon_runs r
            WHERE likelihood(stage IS NOT NULL, 0.0000001)
            UNION ALL
            SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
            WHERE 0) run
        CROSS JOIN record_rows x
            ON x.id BETWEEN run.run_no << 40 AND (run.run_no << 40) + 1099511627775
        CROSS JOIN json_each(x.records) e
        WHERE e.type <> 'null'
        UNION ALL
        SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
        WHERE 0)
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
           NULL, NULL, NULL, NULL, NULL, NULL, NULL
    WHERE 0) entry
WHERE keep_all = 1 OR stage = 'INGESTED' OR EXISTS (
    SELECT 1 FROM difference_rows d
    WHERE d.id BETWEEN first_difference AND first_difference + 1023)
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
WHERE 0;
