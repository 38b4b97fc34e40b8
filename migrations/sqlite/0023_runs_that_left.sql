-- Where most undecided items of a run leave the queue together, because their breaks go on or have cleared on the next
-- date, that is kept once, here, and no row is touched. `later` of a row then tells where it differs from its run: below
-- 0 (the number of its own run) for an item that stays in the queue; the next run's number for one that left it alone.
ALTER TABLE break_dates ADD COLUMN items_left INTEGER NOT NULL DEFAULT 0;

-- Undecided items by their run, so that a run that has left is not read, and those that stay in it are, as those of a run below 0.
DROP INDEX difference_rows_queue;
DROP INDEX difference_rows_groups;
DROP INDEX difference_rows_amounts;
DROP INDEX difference_rows_ages;
CREATE INDEX difference_rows_queue ON difference_rows (coalesce(later, id >> 40), confidence, id)
    WHERE status = 1 AND coalesce(later, 0) <= 0;
CREATE INDEX difference_rows_groups
    ON difference_rows (coalesce(later, id >> 40), signature_id, confidence, id)
    WHERE status = 1 AND coalesce(later, 0) <= 0;
CREATE INDEX difference_rows_amounts ON difference_rows (coalesce(later, id >> 40), amount_abs, id)
    WHERE status = 1 AND coalesce(later, 0) <= 0 AND amount_abs IS NOT NULL;
CREATE INDEX difference_rows_ages
    ON difference_rows (coalesce(later, id >> 40), severity, since, id, signature_id)
    WHERE status = 1 AND coalesce(later, 0) <= 0;

-- Which runs have something to decide.
CREATE INDEX item_counts_undecided ON item_counts (signature_id, run_no)
    WHERE status = 1 AND items > 0;

-- An open item of a date that was run after the next one was not taken over there: cleared_how 6, which is no end.
DROP VIEW recon_breaks;
CREATE VIEW recon_breaks
    (break_id, job, ref, field_name, diff_type, first_seen, last_seen, cleared_on, cleared_how,
     occurrences, age_days, age_business_days, run_id, diff_id, attribution_id, value_a, value_b,
     amount_abs, severity, reason, status, reopens) AS
SELECT
    printf('%08x-%04x-8%03x-8%03x-%012x', x.since & 4294967295, (x.break_key >> 48) & 65535,
           (x.break_key >> 36) & 4095, (x.break_key >> 24) & 4095, x.break_key & 16777215),
    x.job,
    (SELECT CASE WHEN n.b_leads THEN coalesce(n.b, n.a) ELSE coalesce(n.a, n.b) END FROM (
        SELECT
            -- A group goes by its one side.
            (e.entry ->> 0) & 7 = 6 AND json_array_length(e.entry, '$[7].b') = 1 AS b_leads,
            coalesce(e.entry ->> '$[7].ref_a', (
                SELECT group_concat(replace(replace(
                    CASE f.type WHEN 'text' THEN f.value ELSE e.entry -> ('$[1][' || f.key || ']')
                    END, '\', '\\'), '|', '\|'), '|')
                FROM json_each(e.entry, '$[1]') f WHERE f.key < r.key_length)) AS a,
            coalesce(e.entry ->> '$[7].ref_b', (
                SELECT group_concat(replace(replace(
                    CASE f.type WHEN 'text' THEN f.value ELSE e.entry -> ('$[2][' || f.key || ']')
                    END, '\', '\\'), '|', '\|'), '|')
                FROM json_each(e.entry, '$[2]') f WHERE f.key < r.key_length)) AS b
        FROM (
            SELECT json_extract(k.records,
                       '$[' || ((((x.id & 1099511627775) >> 10) - 1) % 64) || ']') AS entry
            FROM record_rows k
            WHERE k.id = (x.id >> 40) << 40 | (((x.id & 1099511627775) >> 10) - 1) / 64
        ) e) n),
    CASE x.id & 1023 WHEN 0 THEN 'ENTIRE_RECORD'
        ELSE r.layout -> ((x.id & 1023) - 1) ->> 'name' END,
    CASE x.diff_type
        WHEN 1 THEN 'MISSING_IN_SOURCE_A' WHEN 2 THEN 'MISSING_IN_SOURCE_B'
        WHEN 3 THEN 'DUPLICATE_IN_SOURCE_A' WHEN 4 THEN 'DUPLICATE_IN_SOURCE_B'
        WHEN 5 THEN 'NULL_MISMATCH' WHEN 6 THEN 'NUMERIC_MISMATCH' WHEN 7 THEN 'DATE_MISMATCH'
        WHEN 8 THEN 'STRING_MISMATCH' WHEN 9 THEN 'BOOLEAN_MISMATCH' WHEN 10 THEN 'TYPE_MISMATCH'
    END,
    date(x.since * 86400, 'unixepoch'),
    r.batch_date,
    date(x.cleared_on * 86400, 'unixepoch'),
    CASE x.cleared_how WHEN 1 THEN 'MATCHED' WHEN 2 THEN 'AGREES' WHEN 3 THEN 'GONE'
        WHEN 4 THEN 'CLOSED' WHEN 5 THEN 'EXPIRED' END,
    x.position - (SELECT f.position FROM break_dates f WHERE f.job = x.job AND f.day = x.since) + 1,
    x.until - x.since,
    ((x.until + 3) / 7 - (x.since + 3) / 7) * coalesce(c.week ->> 6, 5)
        + coalesce(c.week ->> ((x.until + 3) % 7), min((x.until + 3) % 7 + 1, 5))
        - coalesce(c.week ->> ((x.since + 3) % 7), min((x.since + 3) % 7 + 1, 5))
        - CASE WHEN c.holidays IS NULL THEN 0 ELSE (
            SELECT count(*) FROM json_each(c.holidays) h
            WHERE h.value > x.since AND h.value <= x.until) END,
    r.run_id,
    r.difference_prefix || printf('%012x', x.id & 1099511627775),
    r.attribution_prefix || printf('%012x', x.id & 1099511627775),
    x.value_a,
    x.value_b,
    x.amount_abs,
    CASE x.severity
        WHEN 1 THEN 'LOW' WHEN 2 THEN 'MEDIUM' WHEN 3 THEN 'HIGH' WHEN 4 THEN 'CRITICAL'
    END,
    q.code,
    CASE x.status
        WHEN 1 THEN 'UNKNOWN' WHEN 2 THEN 'PENDING' WHEN 3 THEN 'ACCEPTED' WHEN 4 THEN 'REJECTED'
    END,
    -- The episode before, if the break is back.
    (WITH RECURSIVE periods (period) AS (
        SELECT min(f.day) >> 4 FROM break_dates f WHERE f.job = x.job
        UNION ALL SELECT period + 1 FROM periods WHERE period < x.since >> 4)
     SELECT printf('%08x-%04x-8%03x-8%03x-%012x', o.since & 4294967295, (o.break_key >> 48) & 65535,
                   (o.break_key >> 36) & 4095, (o.break_key >> 24) & 4095, o.break_key & 16777215)
     FROM periods p CROSS JOIN cleared_breaks o
       ON o.job = x.job AND o.period = p.period AND o.break_key = x.break_key AND o.since < x.since
     ORDER BY o.since DESC LIMIT 1)
FROM (
    SELECT b.job, b.position, b.day AS until, d.id, d.break_key, d.since, d.diff_type,
           d.severity, d.value_a, d.value_b, d.amount_abs, d.reason_id, d.status,
           NULL AS cleared_on, NULL AS cleared_how
    FROM break_dates b
    CROSS JOIN difference_rows d ON d.id BETWEEN b.run_no << 40 AND (b.run_no << 40) + 1099511627775
    WHERE NOT EXISTS (SELECT 1 FROM break_dates n WHERE n.job = b.job AND n.day > b.day)
    UNION ALL
    SELECT c.job, b.position,
           -- Not taken over: it is open until that date is run again.
           CASE c.cleared_how WHEN 6 THEN (SELECT max(n.day) FROM break_dates n WHERE n.job = c.job)
               ELSE c.cleared_on END,
           d.id, c.break_key, c.since, d.diff_type,
           d.severity, d.value_a, d.value_b, d.amount_abs, d.reason_id, d.status,
           CASE c.cleared_how WHEN 6 THEN NULL ELSE c.cleared_on END, c.cleared_how
    FROM cleared_breaks c
    CROSS JOIN difference_rows d ON d.id = c.run_no << 40 | c.number
    CROSS JOIN break_dates b ON b.run_no = c.run_no
) x
CROSS JOIN recon_runs r ON r.run_no = x.id >> 40
LEFT JOIN reason_codes q ON q.reason_id = x.reason_id
LEFT JOIN job_calendars c ON c.job = x.job;
