-- Episodes that have ended are kept by the sixteen days in which they did. Keys of breaks are hashes: where all of
-- them were in one order, each date wrote all over a table that grew with every date.
DROP VIEW recon_breaks;
ALTER TABLE cleared_breaks RENAME TO all_cleared_breaks;

-- Episodes that have ended, with their last difference.
CREATE TABLE cleared_breaks (
    job TEXT NOT NULL,
    -- The sixteen days in which it ended: cleared_on >> 4.
    period INTEGER NOT NULL,
    break_key INTEGER NOT NULL,
    since INTEGER NOT NULL,
    run_no INTEGER NOT NULL,
    number INTEGER NOT NULL,
    cleared_on INTEGER NOT NULL,
    -- 1 MATCHED, 2 AGREES, 3 GONE, 4 CLOSED, 5 EXPIRED
    cleared_how INTEGER NOT NULL,
    diff_type INTEGER,
    PRIMARY KEY (job, period, break_key, since)
) WITHOUT ROWID;

INSERT INTO cleared_breaks
SELECT job, cleared_on >> 4, break_key, since, run_no, number, cleared_on, cleared_how, diff_type
FROM all_cleared_breaks ORDER BY 1, 2, 3, 4;
DROP TABLE all_cleared_breaks;

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
    SELECT c.job, b.position, c.cleared_on, d.id, c.break_key, c.since, d.diff_type,
           d.severity, d.value_a, d.value_b, d.amount_abs, d.reason_id, d.status,
           c.cleared_on, c.cleared_how
    FROM cleared_breaks c
    CROSS JOIN difference_rows d ON d.id = c.run_no << 40 | c.number
    CROSS JOIN break_dates b ON b.run_no = c.run_no
) x
CROSS JOIN recon_runs r ON r.run_no = x.id >> 40
LEFT JOIN reason_codes q ON q.reason_id = x.reason_id
LEFT JOIN job_calendars c ON c.job = x.job;

-- Undecided items whose break has cleared leave the queue: `later` is then the run on whose date it cleared. That a
-- row is gone clears only what the job has declared in `open_items`.
CREATE TEMP TABLE leaving AS
SELECT d.id, b.run_no AS later
FROM cleared_breaks c
JOIN break_dates b ON b.job = c.job AND b.day = c.cleared_on
JOIN recon_runs r ON r.run_no = b.run_no
JOIN difference_rows d ON d.id = c.run_no << 40 | c.number
WHERE d.status IN (1, 2) AND d.later IS NULL
  AND (c.cleared_how IN (1, 2, 4)
       OR c.cleared_how = 3 AND r.metadata ->> '$.configuration.open_items' IS NOT NULL);

UPDATE item_counts AS n SET items = n.items - g.items, amount_sum = n.amount_sum - g.amount
FROM (
    SELECT d.id >> 40 AS run_no, coalesce(d.signature_id, 0) AS signature_id,
           count(*) AS items, coalesce(sum(d.amount_abs), 0.0) AS amount
    FROM leaving l JOIN difference_rows d ON d.id = l.id
    WHERE d.status = 1 GROUP BY 1, 2
) g
WHERE n.run_no = g.run_no AND n.signature_id = g.signature_id AND n.status = 1;

UPDATE difference_rows AS d SET later = l.later FROM leaving l WHERE d.id = l.id;
DROP TABLE leaving;

-- Only PostgreSQL keeps these: see there.
ALTER TABLE item_counts ADD COLUMN least_confidence REAL NOT NULL DEFAULT 0;
ALTER TABLE item_counts ADD COLUMN least_since INTEGER NOT NULL DEFAULT -2147483648;
