-- Every query about the ways out as links, by name and with a sentence.

-- name: outage_begins -- a way out that worked works no more
INSERT INTO outages (destination, began, code) VALUES (:destination, :now, :code)
ON CONFLICT DO NOTHING;

-- name: outage_ends -- a way out works again
UPDATE outages SET ended = :now WHERE destination = :destination AND ended IS NULL;

-- name: forget_outages -- only the latest are kept
DELETE FROM outages WHERE destination = :destination AND number <= (
    SELECT number FROM outages WHERE destination = :destination ORDER BY number DESC LIMIT 1 OFFSET :most
);

-- name: outages -- the latest of a destination, the latest first
SELECT destination, began, ended, code FROM outages WHERE destination = :destination ORDER BY number DESC LIMIT :most;

-- name: measured -- what a way out carries
INSERT INTO destinations (name, rate, updated) VALUES (:destination, :rate, :now)
ON CONFLICT (name) DO UPDATE SET rate = excluded.rate;

-- name: bytes_left -- what is queued for each destination
SELECT destination, sum(bytes) FROM lines WHERE bytes > 0 GROUP BY destination;

-- name: bytes_left_of -- what is queued of these studies for each destination
SELECT items.study, deliveries.destination, sum(cleans.size)
FROM json_each(:studies) AS wanted
CROSS JOIN items ON items.study = wanted.value AND items.study <> ''
CROSS JOIN cleans ON cleans.item = items.number AND cleans.stands = 1
CROSS JOIN deliveries ON deliveries.clean = cleans.number
WHERE items.state = 'waiting' AND deliveries.state = 'queued' AND deliveries.stand <> 'parked'
GROUP BY items.study, deliveries.destination;
