-- Where most undecided items of a run leave the queue together, because their breaks go on or have cleared on the next
-- date, that is kept once, here, and no row is touched. `later` of a row then tells where it differs from its run: below
-- 0 (the number of its own run) for an item that stays in the queue; the next run's number for one that left it alone.
ALTER TABLE break_dates ADD COLUMN items_left smallint NOT NULL DEFAULT 0;

-- Those that stay, which are few: in any order, all of a run's are read.
CREATE INDEX difference_rows_staying ON difference_rows (run_no, number)
    WHERE status = 1 AND later < 0;

-- Which runs have something to decide.
CREATE INDEX item_counts_undecided ON item_counts (signature_id, run_no)
    WHERE status = 1 AND items > 0;

-- An open item of a date that was run after the next one was not taken over there: cleared_how 6, which is no end.
CREATE OR REPLACE VIEW recon_breaks
    (break_id, job, ref, field_name, diff_type, first_seen, last_seen, cleared_on, cleared_how,
     occurrences, age_days, age_business_days, run_id, diff_id, attribution_id, value_a, value_b,
     amount_abs, severity, reason, status, reopens) AS
SELECT
    break_id(x.since, x.break_key),
    x.job,
    (SELECT CASE
         -- A group goes by its one side.
         WHEN (p.entry ->> 0)::integer & 7 = 6 AND jsonb_array_length(p.entry -> 7 -> 'b') = 1
         THEN coalesce(p.entry -> 7 ->> 'ref_b', evidence_reference(r.key_length, p.entry -> 2),
                       p.entry -> 7 ->> 'ref_a', evidence_reference(r.key_length, p.entry -> 1))
         ELSE coalesce(
             p.entry -> 7 ->> 'ref_a',
             evidence_reference(r.key_length, nullif(p.entry -> 1, 'null')),
             p.entry -> 7 ->> 'ref_b',
             evidence_reference(r.key_length, nullif(p.entry -> 2, 'null'))) END
     FROM record_rows k
     CROSS JOIN LATERAL (
         SELECT evidence_entries(
             (k.records::json -> (((x.number >> 10) - 1) % 64)::integer)::text) AS entry
         OFFSET 0) p
     WHERE k.run_no = x.run_no AND k.number = ((x.number >> 10) - 1) / 64),
    CASE x.number & 1023 WHEN 0 THEN 'ENTIRE_RECORD'
        ELSE r.layout -> ((x.number & 1023)::integer - 1) ->> 'name' END,
    CASE x.diff_type
        WHEN 1 THEN 'MISSING_IN_SOURCE_A' WHEN 2 THEN 'MISSING_IN_SOURCE_B'
        WHEN 3 THEN 'DUPLICATE_IN_SOURCE_A' WHEN 4 THEN 'DUPLICATE_IN_SOURCE_B'
        WHEN 5 THEN 'NULL_MISMATCH' WHEN 6 THEN 'NUMERIC_MISMATCH' WHEN 7 THEN 'DATE_MISMATCH'
        WHEN 8 THEN 'STRING_MISMATCH' WHEN 9 THEN 'BOOLEAN_MISMATCH' WHEN 10 THEN 'TYPE_MISMATCH'
    END,
    DATE '1970-01-01' + x.since,
    r.batch_date,
    DATE '1970-01-01' + x.cleared_on,
    CASE x.cleared_how WHEN 1 THEN 'MATCHED' WHEN 2 THEN 'AGREES' WHEN 3 THEN 'GONE'
        WHEN 4 THEN 'CLOSED' WHEN 5 THEN 'EXPIRED' END,
    x.position - (SELECT f.position FROM break_dates f WHERE f.job = x.job AND f.day = x.since) + 1,
    x.until - x.since,
    business_day(x.until, c.week) - business_day(x.since, c.week)
        - (SELECT count(*) FROM jsonb_array_elements_text(c.holidays) h (day)
           WHERE h.day::integer > x.since AND h.day::integer <= x.until)::integer,
    r.run_id,
    (r.difference_prefix || lpad(to_hex(x.number), 12, '0'))::uuid,
    (r.attribution_prefix || lpad(to_hex(x.number), 12, '0'))::uuid,
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
    (SELECT break_id(o.since, o.break_key)
     FROM generate_series(
         (SELECT min(f.day) >> 4 FROM break_dates f WHERE f.job = x.job), x.since >> 4) p (period)
     CROSS JOIN LATERAL (
         SELECT o.since, o.break_key FROM cleared_breaks o
         WHERE o.job = x.job AND o.period = p.period AND o.break_key = x.break_key
           AND o.since < x.since
         ORDER BY o.since DESC LIMIT 1) o
     ORDER BY o.since DESC LIMIT 1)
FROM (
    SELECT b.job, b.position, b.day AS until, d.run_no, d.number, d.break_key, d.since,
           d.diff_type, d.severity, d.value_a, d.value_b, d.amount_abs, d.reason_id, d.status,
           NULL::integer AS cleared_on, NULL::smallint AS cleared_how
    FROM break_dates b
    CROSS JOIN LATERAL (
        SELECT d.* FROM difference_rows d WHERE d.run_no = b.run_no OFFSET 0
    ) d
    WHERE NOT EXISTS (SELECT FROM break_dates n WHERE n.job = b.job AND n.day > b.day)
    UNION ALL
    SELECT c.job, b.position,
           -- Not taken over: it is open until that date is run again.
           CASE c.cleared_how WHEN 6 THEN (SELECT max(n.day) FROM break_dates n WHERE n.job = c.job)
               ELSE c.cleared_on END,
           d.run_no, d.number, c.break_key, c.since,
           d.diff_type, d.severity, d.value_a, d.value_b, d.amount_abs, d.reason_id, d.status,
           CASE c.cleared_how WHEN 6 THEN NULL ELSE c.cleared_on END, c.cleared_how
    FROM cleared_breaks c
    JOIN break_dates b ON b.run_no = c.run_no
    CROSS JOIN LATERAL (
        SELECT d.* FROM difference_rows d
        WHERE d.run_no = c.run_no AND d.number = c.number OFFSET 0
    ) d
) x
JOIN recon_runs r ON r.run_no = x.run_no
LEFT JOIN reason_codes q ON q.reason_id = x.reason_id
LEFT JOIN job_calendars c ON c.job = x.job;
