-- On which days the breaks of a run's undecided items began, at the earliest (least_since) and at the latest: where all of
-- them are overdue, or none, no item has to be looked at. The default is later than any day
-- (and below the largest number, so that a test can add 1 to it).
ALTER TABLE item_counts ADD COLUMN most_since INTEGER NOT NULL DEFAULT 2147483646;

-- For runs of older dates, what only PostgreSQL kept so far, too. An item that stays in a run that has left has a number
-- below 0 for its run.
UPDATE item_counts AS n
SET least_confidence = g.confidence, least_since = g.least, most_since = g.most
FROM (
    SELECT b.run_no, coalesce(d.signature_id, 0) AS signature_id, coalesce(min(d.confidence), 0) AS confidence,
           min(d.since) AS least, max(d.since) AS most
    FROM break_dates b
    JOIN difference_rows d ON coalesce(d.later, d.id >> 40)
        = CASE b.items_left WHEN 1 THEN -b.run_no ELSE b.run_no END
    WHERE d.status = 1 AND coalesce(d.later, 0) <= 0
      AND EXISTS (SELECT 1 FROM break_dates l WHERE l.job = b.job AND l.day > b.day)
    GROUP BY 1, 2
) g
WHERE n.run_no = g.run_no AND n.signature_id = g.signature_id AND n.status = 1
  AND g.least IS NOT NULL;
