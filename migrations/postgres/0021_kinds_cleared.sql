-- The forecast counts episodes by type without looking up the difference of each.
ALTER TABLE cleared_breaks ADD COLUMN diff_type smallint;
UPDATE cleared_breaks c SET diff_type = d.diff_type
FROM difference_rows d WHERE d.run_no = c.run_no AND d.number = c.number;
