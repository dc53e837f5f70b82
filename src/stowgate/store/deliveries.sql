-- Every query about deliveries, by name and with a sentence. Triggers hold every move to lifecycle.NEXT_DELIVERY.

-- name: begin_line -- the line of a study to a destination, made on first use
INSERT INTO lines (destination, urgency, study) VALUES (:destination, :urgency, :study)
ON CONFLICT (destination, urgency, study) DO NOTHING;

-- name: bind -- queue a clean object for a destination, once
INSERT INTO deliveries (clean, line, destination, queued, updated)
SELECT :clean, number, destination, :now, :now FROM lines
WHERE destination = :destination AND urgency = :urgency AND study = :study AND NOT EXISTS (
    SELECT 1 FROM cleans CROSS JOIN deliveries ON deliveries.clean = cleans.number
    WHERE cleans.item = (SELECT item FROM cleans AS this WHERE this.number = :clean) AND cleans.stands = 1
        AND deliveries.destination = :destination AND deliveries.code <> 'destination_forgotten'
)
ON CONFLICT (clean, destination) DO NOTHING;

-- name: bind_again -- what was given up with its destination is queued again, because that is there again
UPDATE deliveries SET state = 'queued', stand = 'ready', code = '', evidence = '', updated = :now
WHERE clean = :clean AND destination = :destination AND state = 'refused' AND code = 'destination_forgotten';

-- name: counts_again -- it is one of those of its line that proof is asked of
UPDATE lines SET bound = bound + 1
WHERE number = (SELECT line FROM deliveries WHERE clean = :clean AND destination = :destination);

-- name: wish -- a person wants an item to go there, whatever is made of it later
UPDATE items SET marks = trim(marks || ' ' || :mark)
WHERE number = :item AND instr(' ' || marks || ' ', ' ' || :mark || ' ') = 0;

-- name: bound -- note that it was decided where a clean object goes
UPDATE cleans SET bound = 1 WHERE number = :clean;

-- name: clean_number -- the number and the study of a clean object that waits, and what its study was raised to
SELECT cleans.number, cleans.item, cleans.study, coalesce(raised.urgency, 0)
FROM cleans JOIN items ON items.number = cleans.item LEFT JOIN raised ON raised.study = items.study
WHERE cleans.id = :id AND cleans.stands = 1 AND items.state = 'waiting' AND items.has_clean = 1;

-- name: raised -- what a study was raised to, and why
SELECT urgency, because FROM raised WHERE study = :study;

-- name: raise -- a study that is known is more urgent than its headers say
INSERT INTO raised (study, urgency, because)
SELECT study, :urgency, :because FROM items WHERE study = :study AND study <> '' LIMIT 1
ON CONFLICT (study) DO UPDATE SET urgency = excluded.urgency, because = excluded.because;

-- name: less_urgent -- what of a study is queued in lines less urgent than that
SELECT deliveries.number, lines.destination, lines.study
FROM items
JOIN cleans ON cleans.item = items.number
JOIN deliveries ON deliveries.clean = cleans.number
JOIN lines ON lines.number = deliveries.line
WHERE items.study = :study AND items.study <> '' AND deliveries.state = 'queued' AND lines.urgency < :urgency;

-- name: hurry -- a queued delivery gets into a more urgent line
UPDATE deliveries SET line = (
    SELECT number FROM lines
    WHERE lines.destination = :destination AND lines.urgency = :urgency AND lines.study = :study
)
WHERE number = :number;

-- name: unbound -- a page of the clean objects that wait and that nobody has sent anywhere
SELECT cleans.number, cleans.id, items.source, items.modality, items.sop_class, items.marks, items.id, policy, key_id,
       priority, triage
FROM cleans JOIN items ON items.number = cleans.item
WHERE cleans.bound = 0 AND cleans.stands = 1 AND cleans.number > :after
    AND items.state = 'waiting' AND items.has_clean = 1
ORDER BY cleans.number LIMIT :most;

-- name: never_to -- a page of what stands for items that wait and never were on their way to a destination
SELECT cleans.number, cleans.id, items.source, items.modality, items.sop_class, items.marks, items.id, policy, key_id,
       priority, triage
FROM cleans JOIN items ON items.number = cleans.item
WHERE cleans.number > :after AND cleans.stands = 1 AND items.state = 'waiting' AND items.has_clean = 1
    AND NOT EXISTS (
        SELECT 1 FROM cleans AS other CROSS JOIN deliveries ON deliveries.clean = other.number
        WHERE other.item = cleans.item AND other.stands = 1 AND deliveries.destination = :destination
            AND deliveries.code <> 'destination_forgotten'
    )
ORDER BY cleans.number LIMIT :most;

-- name: wake -- what is due by now is ready again
UPDATE deliveries SET stand = 'ready', due = 0, next_try = NULL
WHERE number IN (
    SELECT number FROM deliveries
    WHERE destination = :destination AND stand = 'later' AND due <= :monotonic
    ORDER BY due LIMIT :most
);

-- name: next_line -- the line whose turn it is (outbox.policy.next_line)
SELECT number, urgency, turns FROM lines
WHERE destination = :destination AND ready > 0
ORDER BY urgency DESC, turns, number LIMIT 1;

-- name: next_line_from_below -- the same of the least urgent ones
SELECT number, urgency, turns FROM lines
WHERE destination = :destination AND ready > 0
    AND urgency = (SELECT min(urgency) FROM lines WHERE destination = :destination AND ready > 0)
ORDER BY turns, number LIMIT 1;

-- name: ready_in_line -- the oldest deliveries of a line that are ready
SELECT deliveries.number, items.id, deliveries.state, deliveries.attempts, deliveries.note,
       items.state = 'purged', cleans.id, cleans.instance, cleans.study, series, cleans.size, digest, policy, key_id,
       cleans.sop_class, transfer_syntax, names
FROM deliveries
JOIN cleans ON cleans.number = deliveries.clean
JOIN items ON items.number = cleans.item
WHERE deliveries.line = :line AND deliveries.stand = 'ready'
ORDER BY deliveries.number LIMIT :most;

-- name: take -- give a delivery out, and count the try
UPDATE deliveries SET stand = 'out', attempts = attempts + 1, updated = :now WHERE number = :number AND stand = 'ready';

-- name: had_turn -- count the turn of a line
UPDATE lines SET turns = turns + 1 WHERE number = :line;

-- name: set_pace -- note which turn it was
INSERT INTO pace (destination, urgency, turns) VALUES (:destination, :urgency, :turns)
ON CONFLICT (destination, urgency) DO UPDATE SET turns = excluded.turns;

-- name: given_out -- a delivery that somebody took, or that was parked since
SELECT deliveries.state, deliveries.evidence, deliveries.code, cleans.item, items.id, cleans.stands
FROM deliveries JOIN cleans ON cleans.number = deliveries.clean JOIN items ON items.number = cleans.item
WHERE deliveries.number = :number AND deliveries.stand IN ('out', 'parked');

-- name: pass_on -- a delivery goes on to another state
UPDATE deliveries SET state = :state, code = :code WHERE number = :number;

-- name: put_down -- how a delivery that was given out stands now; what was parked stays so
UPDATE deliveries
SET stand = CASE WHEN stand = 'parked' THEN stand ELSE :stand END, code = :code, evidence = :evidence, due = :due,
    next_try = :next_try, updated = :now
WHERE number = :number AND stand IN ('out', 'parked');

-- name: untried -- a delivery was not tried after all
UPDATE deliveries SET stand = 'ready', attempts = attempts - 1, updated = :now
WHERE number = :number AND stand = 'out' AND attempts > 0;

-- name: release_out -- end everything that somebody took; the counted tries stay
UPDATE deliveries SET stand = 'ready' WHERE stand = 'out';

-- name: release_later -- times of another boot mean nothing
UPDATE deliveries SET stand = 'ready', due = 0, next_try = NULL WHERE stand = 'later';

-- name: arrived -- an item has come everywhere it goes; what nobody has sent anywhere yet still goes somewhere
UPDATE items SET delivered = 1
WHERE number = :item AND state = 'waiting' AND delivered = 0 AND NOT EXISTS (
    SELECT 1 FROM cleans LEFT JOIN deliveries ON deliveries.clean = cleans.number
    WHERE cleans.item = :item AND cleans.stands = 1
        AND (
            cleans.bound = 0 OR deliveries.stand <> 'over'
            OR deliveries.state = 'refused' AND deliveries.code <> 'destination_forgotten'
        )
);

-- name: not_arrived -- an item is on its way again
UPDATE items SET delivered = 0 WHERE number = :item AND delivered = 1 AND state = 'waiting';

-- name: stuck -- whether an item was refused somewhere and is on its way nowhere else
SELECT 1 FROM items
WHERE number = :item AND state = 'waiting' AND delivered = 0 AND NOT EXISTS (
    SELECT 1 FROM cleans LEFT JOIN deliveries ON deliveries.clean = cleans.number
    WHERE cleans.item = :item AND cleans.stands = 1 AND (cleans.bound = 0 OR deliveries.stand <> 'over')
);

-- name: retry -- what waits of an item is ready now, but for what was refused
UPDATE deliveries SET stand = 'ready', due = 0, next_try = NULL, updated = :now
WHERE stand IN ('ready', 'later') AND clean IN (
    SELECT cleans.number FROM cleans JOIN items ON items.number = cleans.item
    WHERE items.id = :id AND (cleans.stands = 1 OR items.state = 'purged')
);

-- name: recheck -- what was verified of an item is asked for again; what was lost there is so until the answer
UPDATE deliveries
SET stand = 'ready', note = '', code = iif(code IN ('peer_lost_purged', 'peer_has_other_bytes'), code, '')
WHERE stand = 'over' AND state = 'verified' AND +destination IN (SELECT value FROM json_each(:there)) AND clean IN (
    SELECT cleans.number FROM cleans JOIN items ON items.number = cleans.item
    WHERE items.id = :id
        AND (items.state = 'waiting' AND items.has_clean = 1 AND cleans.stands = 1 OR items.state = 'purged')
);

-- name: refused_of -- deliveries of an item that waits, refused by their destination
SELECT deliveries.number FROM items
JOIN cleans ON cleans.item = items.number AND cleans.stands = 1
JOIN deliveries ON deliveries.clean = cleans.number
WHERE items.id = :id AND items.state = 'waiting' AND deliveries.state = 'refused' AND deliveries.stand = 'over'
    AND deliveries.code <> 'destination_forgotten';

-- name: still_to_go -- a page of what is still to go to a destination, or to be asked for there
SELECT deliveries.number, cleans.number, cleans.item, items.id, cleans.stands, items.state
FROM (
    SELECT number, clean FROM deliveries
    WHERE destination = :destination AND state IN ('queued', 'sent', 'acknowledged') AND stand <> 'over'
    UNION ALL
    SELECT number, clean FROM deliveries INDEXED BY deliveries_asked_again
    WHERE destination = :destination AND state = 'verified' AND stand <> 'over'
) AS deliveries JOIN cleans ON cleans.number = deliveries.clean JOIN items ON items.number = cleans.item
LIMIT :most;

-- name: rest -- what was verified is not asked for any more
UPDATE deliveries SET stand = 'over', due = 0, next_try = NULL WHERE number = :number AND state = 'verified';

-- name: give_up -- nothing is sent or asked for any more
UPDATE deliveries
SET state = 'refused', stand = 'over', code = 'destination_forgotten', evidence = '', due = 0, next_try = NULL,
    updated = :now
WHERE number = :number;

-- name: counts_no_more -- nothing of it is proved or to be proved there
UPDATE lines SET bound = bound - 1 WHERE number = (SELECT line FROM deliveries WHERE number = :number);

-- name: unbind -- about what goes nowhere any more is decided anew
UPDATE cleans SET bound = 0 WHERE number = :clean AND NOT EXISTS (
    SELECT 1 FROM deliveries WHERE deliveries.clean = cleans.number AND deliveries.code <> 'destination_forgotten'
);

-- name: requeue -- a refused delivery is tried again
UPDATE deliveries SET state = 'queued', stand = 'ready', code = '', evidence = '', updated = :now
WHERE number = :number AND state = 'refused' AND stand = 'over';

-- name: keep_note -- the sink's own note about a delivery
UPDATE deliveries SET note = :note WHERE number = :number;

-- name: pause -- nothing is sent to a destination until it is resumed; "" resumes it
INSERT INTO destinations (name, paused, updated) VALUES (:destination, :code, :now)
ON CONFLICT (name) DO UPDATE SET paused = excluded.paused, updated = excluded.updated;

-- name: link -- how the last try to reach a destination went
INSERT INTO destinations (name, code, failures, next_try, updated)
VALUES (:destination, :code, :failures, :next_try, :now)
ON CONFLICT (name) DO UPDATE
SET code = excluded.code, failures = excluded.failures, next_try = excluded.next_try, updated = excluded.updated;

-- name: destinations -- how it stands with each destination that something was noted of
SELECT name, paused, code, failures, next_try, updated, rate FROM destinations;

-- name: next_due -- when something for a destination is due next
SELECT due FROM deliveries WHERE destination = :destination AND stand = 'later' ORDER BY due LIMIT 1;

-- name: delivery_counts -- how many clean objects are how far on their way to each destination
SELECT destination, state, n FROM delivery_counts;

-- name: delivered_counts -- of the items of each source in each state, how many were delivered
SELECT source, state, n FROM delivered_counts;

-- name: of_items -- how far these items are on their way, or the originals of those that are copies
SELECT items.id, deliveries.number, deliveries.destination, deliveries.state, stand, deliveries.code, evidence, urgency,
       deliveries.attempts, queued, deliveries.updated, deliveries.next_try, cleans.id
FROM json_each(:ids) AS wanted
CROSS JOIN items ON items.id = wanted.value
JOIN items AS original ON original.id = iif(items.original = '', items.id, items.original)
JOIN cleans ON cleans.item = original.number
JOIN deliveries ON deliveries.clean = cleans.number
    AND (cleans.stands = 1 OR original.state = 'purged' AND deliveries.stand <> 'parked')
JOIN lines ON lines.number = deliveries.line;

-- name: purgeable -- a page of what may be purged, and that nothing became of since a moment
SELECT number, id FROM items
WHERE state = 'waiting' AND delivered = 1 AND number > :after AND (:original = 0 OR has_raw = 1)
    AND NOT EXISTS (SELECT 1 FROM unproved WHERE unproved.item = items.number)
    AND :before >= (
        SELECT max(deliveries.updated) FROM cleans JOIN deliveries ON deliveries.clean = cleans.number
        WHERE cleans.item = items.number AND cleans.stands = 1
    )
ORDER BY number LIMIT :most;

-- name: purging -- a page of what is being purged
SELECT number, id FROM items WHERE state = 'purging' AND number > :after ORDER BY number LIMIT :most;

-- name: made_of -- the clean objects that stand for these items, whether their files are still here or not
SELECT items.id, cleans.id, cleans.instance, cleans.study, series, cleans.size, digest, policy, key_id,
       cleans.sop_class, transfer_syntax, names
FROM json_each(:ids) AS wanted
CROSS JOIN items ON items.id = wanted.value
JOIN cleans ON cleans.item = items.number AND (cleans.stands = 1 OR items.state = 'purged' AND EXISTS (
    SELECT 1 FROM deliveries WHERE deliveries.clean = cleans.number AND deliveries.stand <> 'parked'
));
