-- What is told of a study or a destination stays true: after a death before it was told, and after a person's decision.

-- At which source a study came to rest with less than headers tell of, until somebody was told of it; '' after that.
ALTER TABLE announced ADD COLUMN short_at TEXT NOT NULL DEFAULT '';

CREATE INDEX announced_short ON announced (study) WHERE short_at <> '';

-- A refusal of what stands for nothing any more is in no count of deliveries: what was made instead goes its own way,
-- or nothing does. That a destination holds other bytes stays known of its study.
CREATE TRIGGER cleans_fall AFTER UPDATE OF stands ON cleans WHEN old.stands = 1 AND new.stands = 0 BEGIN
    UPDATE deliveries SET stand = 'parked' WHERE clean = new.number AND state = 'refused';
END;

UPDATE deliveries SET stand = 'parked'
WHERE state = 'refused' AND stand <> 'parked' AND clean IN (SELECT number FROM cleans WHERE stands = 0);

-- What was verified and is asked for again: few at any time, so that giving up a destination finds them at once.
CREATE INDEX deliveries_asked_again ON deliveries (destination, number) WHERE state = 'verified' AND stand <> 'over';
