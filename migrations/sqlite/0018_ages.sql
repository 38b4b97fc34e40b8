-- Undecided items by severity and age: what is overdue is the oldest part of each severity.
DROP INDEX difference_rows_ages;
CREATE INDEX difference_rows_ages ON difference_rows (severity, since, id, signature_id)
    WHERE status = 1 AND later IS NULL;
