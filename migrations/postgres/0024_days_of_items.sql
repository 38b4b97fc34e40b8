-- On which days the breaks of a run's undecided items began, at the earliest (least_since) and at the latest: where all of
-- them are overdue, or none, no item has to be looked at. The default is later than any day
-- (and below the largest number, so that a test can add 1 to it).
ALTER TABLE item_counts ADD COLUMN most_since integer NOT NULL DEFAULT 2147483646;

-- For runs of older dates. That of the newest date is the latest day of its own.
UPDATE item_counts n SET most_since = g.since
FROM (
    SELECT d.run_no, coalesce(d.signature_id, 0) AS signature_id, max(d.since) AS since
    FROM break_dates b JOIN difference_rows d ON d.run_no = b.run_no
    WHERE d.status = 1 AND (d.later < 0 OR d.later IS NULL AND b.items_left = 0)
      AND EXISTS (SELECT FROM break_dates l WHERE l.job = b.job AND l.day > b.day)
    GROUP BY 1, 2
) g
WHERE n.run_no = g.run_no AND n.signature_id = g.signature_id AND n.status = 1
  AND g.since IS NOT NULL;
