-- Only SQLite has something to mend here; the numbers stay the same on both stores.
SELECT 1;
