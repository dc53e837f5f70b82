-- What was to go to a destination that a person gave up does not keep its item here.

DROP VIEW unproved;

CREATE VIEW unproved AS
SELECT cleans.item AS item FROM cleans JOIN deliveries ON deliveries.clean = cleans.number
WHERE cleans.stands = 1 AND deliveries.code <> 'destination_forgotten' AND (
    deliveries.stand <> 'over' OR deliveries.state = 'refused' OR deliveries.evidence NOT IN ('content', 'presence')
    OR (deliveries.evidence = 'presence' AND (
        SELECT sum(other) > 0 OR sum(same) * 100 < sum(bound) FROM lines
        WHERE lines.destination = deliveries.destination AND lines.urgency IN (0, 1, 2) AND lines.study = cleans.study
    ))
);
