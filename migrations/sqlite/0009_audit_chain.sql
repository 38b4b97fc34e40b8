-- A row is the next link of the chain, or it is refused. INSERT OR REPLACE deletes whatever has the same
-- audit_id or hash, without firing the trigger on deletes: so a row that repeats one is refused too.
DROP TRIGGER audit_trail_has_no_gaps;

CREATE TRIGGER audit_trail_has_no_gaps BEFORE INSERT ON audit_trail
BEGIN
    SELECT RAISE(ABORT, 'audit_trail: seq must be the next number')
    WHERE NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM audit_trail);
    SELECT RAISE(ABORT, 'audit_trail: prev_hash must be the hash of the last row')
    WHERE EXISTS (SELECT 1 FROM audit_trail WHERE seq = NEW.seq - 1 AND hash IS NOT NEW.prev_hash);
    SELECT RAISE(ABORT, 'audit_trail: rows are never replaced')
    WHERE EXISTS (SELECT 1 FROM audit_trail WHERE audit_id = NEW.audit_id)
       OR EXISTS (SELECT 1 FROM audit_trail WHERE hash = NEW.hash);
END;
