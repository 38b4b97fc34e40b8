-- Episodes that have ended are kept by the sixteen days in which they did. Keys of breaks are hashes: where all of
-- them were in one order, each date wrote all over a table that grew with every date.
ALTER TABLE cleared_breaks ADD COLUMN period integer;
-- cleared_on >> 4
UPDATE cleared_breaks SET period = cleared_on >> 4;
ALTER TABLE cleared_breaks ALTER COLUMN period SET NOT NULL;
ALTER TABLE cleared_breaks DROP CONSTRAINT cleared_breaks_pkey;
ALTER TABLE cleared_breaks ADD PRIMARY KEY (job, period, break_key, since);

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
    SELECT c.job, b.position, c.cleared_on, d.run_no, d.number, c.break_key, c.since,
           d.diff_type, d.severity, d.value_a, d.value_b, d.amount_abs, d.reason_id, d.status,
           c.cleared_on, c.cleared_how
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

-- Undecided items whose break has cleared leave the queue: `later` is then the run on whose date it cleared. That a
-- row is gone clears only what the job has declared in `open_items`.
WITH leaving AS MATERIALIZED (
    SELECT d.run_no, d.number, d.status, coalesce(d.signature_id, 0) AS signature_id,
           coalesce(d.amount_abs, 0.0) AS amount, b.run_no AS later
    FROM cleared_breaks c
    JOIN break_dates b ON b.job = c.job AND b.day = c.cleared_on
    JOIN recon_runs r ON r.run_no = b.run_no
    JOIN difference_rows d ON d.run_no = c.run_no AND d.number = c.number
    WHERE d.status IN (1, 2) AND d.later IS NULL
      AND (c.cleared_how IN (1, 2, 4)
           OR c.cleared_how = 3 AND r.metadata #>> '{configuration,open_items}' IS NOT NULL)
), counted AS (
    UPDATE item_counts n SET items = n.items - g.items, amount_sum = n.amount_sum - g.amount
    FROM (
        SELECT run_no, signature_id, count(*) AS items, sum(amount) AS amount
        FROM leaving WHERE status = 1 GROUP BY 1, 2
    ) g
    WHERE n.run_no = g.run_no AND n.signature_id = g.signature_id AND n.status = 1
)
UPDATE difference_rows d SET later = l.later
FROM leaving l WHERE d.run_no = l.run_no AND d.number = l.number;

-- What the undecided items of a run of an older date have at least: a page of the queue is read from the runs that come
-- first. The defaults are less than any.
ALTER TABLE item_counts ADD COLUMN least_confidence double precision NOT NULL DEFAULT 0;
ALTER TABLE item_counts ADD COLUMN least_since integer NOT NULL DEFAULT -2147483648;

UPDATE item_counts n SET least_confidence = g.confidence, least_since = g.since
FROM (
    SELECT d.run_no, coalesce(d.signature_id, 0) AS signature_id, coalesce(min(d.confidence), 0) AS confidence,
           coalesce(min(d.since), -2147483648) AS since
    FROM difference_rows d
    WHERE d.status = 1 AND d.later IS NULL AND EXISTS (
        SELECT FROM break_dates b JOIN break_dates l ON l.job = b.job AND l.day > b.day
        WHERE b.run_no = d.run_no)
    GROUP BY 1, 2
) g
WHERE n.run_no = g.run_no AND n.signature_id = g.signature_id AND n.status = 1;
