-- Breaks: what a difference is called from one business date to the next, since when it is there, and how it
-- ended.
ALTER TABLE difference_rows ADD COLUMN break_key bigint;
-- Days since 1970-01-01: the first date of the episode.
ALTER TABLE difference_rows ADD COLUMN since integer;
-- The run of a later date in which the break goes on: the queue shows a break once, there.
ALTER TABLE difference_rows ADD COLUMN later integer;

UPDATE difference_rows d SET since = r.batch_date - DATE '1970-01-01'
FROM recon_runs r WHERE r.run_no = d.run_no;

DROP INDEX difference_rows_queue;
DROP INDEX difference_rows_groups;
DROP INDEX difference_rows_amounts;
CREATE INDEX difference_rows_queue ON difference_rows (confidence, run_no, number)
    WHERE status = 1 AND later IS NULL;
CREATE INDEX difference_rows_groups ON difference_rows (signature_id, confidence, run_no, number)
    WHERE status = 1 AND later IS NULL;
CREATE INDEX difference_rows_amounts ON difference_rows (amount_abs, run_no, number)
    WHERE status = 1 AND later IS NULL AND amount_abs IS NOT NULL;
CREATE INDEX difference_rows_ages ON difference_rows (since, run_no, number)
    WHERE status = 1 AND later IS NULL;

-- The current runs of each job in the order of their dates.
CREATE TABLE break_dates (
    job text NOT NULL,
    -- Days since 1970-01-01.
    day integer NOT NULL,
    run_no integer NOT NULL UNIQUE,
    -- How many dates came before.
    position integer NOT NULL,
    -- Changes whenever what the run's breaks are is worked out anew.
    version bigint NOT NULL,
    PRIMARY KEY (job, day)
);

-- What each run's differences are called, many to a row: see store::breaks.
CREATE TABLE break_states (
    run_no integer NOT NULL,
    number bigint NOT NULL,
    entries bytea NOT NULL,
    PRIMARY KEY (run_no, number)
);

-- What the rows that each run matched are called, so that a break that is gone is known to be matched.
CREATE TABLE break_partners (
    run_no integer NOT NULL,
    number bigint NOT NULL,
    rows bytea NOT NULL,
    PRIMARY KEY (run_no, number)
);

-- Episodes that have ended, with their last difference.
CREATE TABLE cleared_breaks (
    job text NOT NULL,
    break_key bigint NOT NULL,
    since integer NOT NULL,
    run_no integer NOT NULL,
    number bigint NOT NULL,
    cleared_on integer NOT NULL,
    -- 1 MATCHED, 2 AGREES, 3 GONE, 4 CLOSED, 5 EXPIRED
    cleared_how smallint NOT NULL,
    PRIMARY KEY (job, break_key, since)
);

-- The business days of jobs that do not work Monday to Friday: how many of a week's days up to Monday, Tuesday
-- and so on are business days, as a JSON array, and the holidays on such days, as days since 1970-01-01.
CREATE TABLE job_calendars (
    job text PRIMARY KEY,
    week jsonb NOT NULL,
    holidays jsonb NOT NULL
);

-- The id of a break's episode.
CREATE FUNCTION break_id(since integer, break_key bigint) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN (
    lpad(to_hex(since::bigint & 4294967295), 8, '0')
    || lpad(to_hex((break_key >> 48) & 65535), 4, '0')
    || '8' || lpad(to_hex((break_key >> 36) & 4095), 3, '0')
    || '8' || lpad(to_hex((break_key >> 24) & 4095), 3, '0')
    || lpad(to_hex(break_key & 16777215), 12, '0')
)::uuid;

-- The business days up to and including a day, from an arbitrary origin.
CREATE FUNCTION business_day(day integer, week jsonb) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (day + 3) / 7 * coalesce((week ->> 6)::integer, 5)
    + coalesce((week ->> ((day + 3) % 7))::integer, least((day + 3) % 7 + 1, 5));

CREATE VIEW recon_breaks
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
    (SELECT break_id(o.since, o.break_key) FROM cleared_breaks o
     WHERE o.job = x.job AND o.break_key = x.break_key AND o.since < x.since
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
