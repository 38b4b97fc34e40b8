-- A row is the next link of the chain, or it is refused.
CREATE OR REPLACE FUNCTION audit_trail_has_no_gaps() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last record;
BEGIN
    SELECT seq, hash INTO last FROM recon.audit_trail ORDER BY seq DESC LIMIT 1;
    IF NEW.seq IS DISTINCT FROM coalesce(last.seq, 0) + 1 THEN
        RAISE EXCEPTION 'audit_trail: seq must be the next number';
    END IF;
    IF last.hash IS NOT NULL AND NEW.prev_hash IS DISTINCT FROM last.hash THEN
        RAISE EXCEPTION 'audit_trail: prev_hash must be the hash of the last row';
    END IF;
    RETURN NEW;
END
$$;
