-- Only SQLite's view needs it; the numbers stay the same on both stores.
SELECT 1;
