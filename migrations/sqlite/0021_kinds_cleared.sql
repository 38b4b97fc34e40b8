-- The forecast counts episodes by type without looking up the difference of each.
ALTER TABLE cleared_breaks ADD COLUMN diff_type INTEGER;
UPDATE cleared_breaks AS c SET diff_type = (
    SELECT d.diff_type FROM difference_rows d WHERE d.id = c.run_no << 40 | c.number);
