-- Why something goes sooner than others: ids of rules, never a word of a header.

ALTER TABLE items ADD COLUMN triage TEXT NOT NULL DEFAULT '';

-- Studies, by alias, in which something was seen that makes all of them urgent, also what comes later.
CREATE TABLE raised (
    study    TEXT NOT NULL PRIMARY KEY CHECK (study <> ''),
    urgency  INTEGER NOT NULL CHECK (urgency BETWEEN 0 AND 2),
    because  TEXT NOT NULL
) WITHOUT ROWID;

DROP VIEW listed;

CREATE VIEW listed AS
SELECT number, id, source, state, code, place, size, study, modality, sop_class, attempts, arrived, updated, has_raw,
       has_clean, delivered,
       triage || ' ' || coalesce((SELECT because FROM raised WHERE raised.study = items.study), '') AS triage
FROM items;

-- A delivery that is queued may get into a more urgent line of its study and destination, and into no other.
DROP TRIGGER deliveries_are_what_they_are;

CREATE TRIGGER deliveries_are_what_they_are BEFORE UPDATE OF number, clean, destination ON deliveries BEGIN
    SELECT RAISE(ABORT, 'a delivery stays what it is');
END;

CREATE TRIGGER deliveries_get_more_urgent BEFORE UPDATE OF line ON deliveries
WHEN old.state <> 'queued' OR NOT EXISTS (
    SELECT 1 FROM lines AS before JOIN lines AS after USING (destination, study)
    WHERE before.number = old.line AND after.number = new.line AND after.urgency > before.urgency
) BEGIN
    SELECT RAISE(ABORT, 'a delivery stays in its line, or gets into a more urgent one');
END;

CREATE TRIGGER deliveries_change_lines AFTER UPDATE OF line ON deliveries BEGIN
    UPDATE lines
    SET ready = ready - (new.stand = 'ready'), bound = bound - 1, other = other - (new.code = 'peer_has_other_bytes'),
        bytes = bytes - (new.stand <> 'parked') * (SELECT size FROM cleans WHERE number = new.clean)
    WHERE number = old.line;
    UPDATE lines SET turns = max(turns, coalesce((
        SELECT turns FROM pace WHERE pace.destination = lines.destination AND pace.urgency = lines.urgency
    ), 0))
    WHERE number = new.line AND ready = 0 AND new.stand = 'ready';
    UPDATE lines
    SET ready = ready + (new.stand = 'ready'), bound = bound + 1, other = other + (new.code = 'peer_has_other_bytes'),
        bytes = bytes + (new.stand <> 'parked') * (SELECT size FROM cleans WHERE number = new.clean)
    WHERE number = new.line;
END;
