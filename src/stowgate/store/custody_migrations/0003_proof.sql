-- What may be deleted here: how much of each study was read again at its destination, and found to be the same.

-- Of what is bound there: all of it, what was read again and is the same, what is there with other bytes.
ALTER TABLE lines ADD COLUMN bound INTEGER NOT NULL DEFAULT 0 CHECK (bound >= 0);
ALTER TABLE lines ADD COLUMN same INTEGER NOT NULL DEFAULT 0 CHECK (same >= 0);
ALTER TABLE lines ADD COLUMN other INTEGER NOT NULL DEFAULT 0 CHECK (other >= 0);

UPDATE lines SET (bound, same, other) = (
    SELECT count(*), coalesce(sum(evidence = 'content'), 0), coalesce(sum(code = 'peer_has_other_bytes'), 0)
    FROM deliveries WHERE deliveries.line = lines.number
);

CREATE TRIGGER deliveries_are_bound AFTER INSERT ON deliveries BEGIN
    UPDATE lines SET bound = bound + 1 WHERE number = new.line;
END;

CREATE TRIGGER deliveries_are_compared AFTER UPDATE OF evidence, code ON deliveries
WHEN (new.evidence = 'content') <> (old.evidence = 'content')
    OR (new.code = 'peer_has_other_bytes') <> (old.code = 'peer_has_other_bytes') BEGIN
    UPDATE lines
    SET same = same + (new.evidence = 'content') - (old.evidence = 'content'),
        other = other + (new.code = 'peer_has_other_bytes') - (old.code = 'peer_has_other_bytes')
    WHERE number = new.line;
END;

-- Items that may not be deleted for what stands of them: E3 is enough for one, or E2 where at least one in a hundred of
-- its study at that destination was read again, and none was found to be another.
CREATE VIEW unproved AS
SELECT cleans.item AS item FROM cleans JOIN deliveries ON deliveries.clean = cleans.number
WHERE cleans.stands = 1 AND (
    deliveries.stand <> 'over' OR deliveries.state = 'refused' OR deliveries.evidence NOT IN ('content', 'presence')
    OR (deliveries.evidence = 'presence' AND (
        SELECT sum(other) > 0 OR sum(same) * 100 < sum(bound) FROM lines
        WHERE lines.destination = deliveries.destination AND lines.urgency IN (0, 1, 2) AND lines.study = cleans.study
    ))
);

-- What could be deleted, the oldest first; and what was being deleted when a process died.
CREATE INDEX items_arrived_there ON items (number) WHERE state = 'waiting' AND delivered = 1;
CREATE INDEX items_purging ON items (number) WHERE state = 'purging';

-- A peer that keeps other bytes under a name, and does not let go of them, will not have the object.
INSERT INTO delivery_moves (was, becomes) VALUES ('acknowledged', 'refused'), ('verified', 'refused');
