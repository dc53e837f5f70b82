-- Every query of the ledger, by name and with a sentence. The states in a WHERE are tested against lifecycle.NEXT;
-- CROSS JOIN keeps SQLite from reading the large table first.

-- name: claim -- note once which project key this ledger belongs to
INSERT INTO ledger (one, key_id) VALUES (1, :key_id) ON CONFLICT (one) DO NOTHING;

-- name: owner -- the id of the project key this ledger belongs to
SELECT key_id FROM ledger;

-- name: add_target -- note a target that was not asked for before
INSERT INTO targets (policy, key_id, out) VALUES (:policy, :key_id, :out)
ON CONFLICT (out, policy, key_id) DO NOTHING;

-- name: find_target -- the number of a target
SELECT number FROM targets WHERE policy = :policy AND key_id = :key_id AND out = :out;

-- name: lookup -- what is known of these inputs, with the newest clean object each has in this target
SELECT items.id, items.state, items.code, items.attempts, cleans.relative, cleans.size
FROM json_each(:ids) AS wanted
CROSS JOIN items ON items.id = wanted.value
LEFT JOIN cleans ON cleans.item = items.number AND cleans.target = :target AND cleans.size >= 0
ORDER BY cleans.made, cleans.number;

-- name: begin -- count a start before the work, and take the item to received if a batch may judge it (again)
INSERT INTO items (id, state, attempts, path, size, first_seen, updated)
VALUES (:id, 'received', 1, :path, :size, :now, :now)
ON CONFLICT (id) DO UPDATE
SET state = 'received', code = NULL, place = '', attempts = attempts + 1, updated = excluded.updated
WHERE items.state IN ('received', 'cleaned', 'held', 'quarantined', 'rejected', 'duplicate');

-- name: settle -- record how the work on an item ended, if it is still ours; no start is left open
UPDATE items
SET state = :state, code = :code, place = :place, study = :study, modality = :modality, sop_class = :sop_class,
    findings = :findings, attempts = 0, updated = :now
WHERE id = :id AND state = 'received';

-- name: keep -- record the clean object of an instance; made again, it takes the place of the earlier one
INSERT INTO cleans (target, instance, item, relative, size, made)
SELECT :target, :instance, number, :relative, :size, :now FROM items WHERE id = :item
ON CONFLICT (target, instance) DO UPDATE
SET item = excluded.item, relative = excluded.relative, size = excluded.size, made = excluded.made;

-- name: cover -- mark what other policies made of these instances in the same place: something else lies there now
UPDATE cleans SET size = -1
WHERE instance IN (SELECT value FROM json_each(:instances)) AND target IN (
    SELECT other.number FROM targets AS mine
    CROSS JOIN targets AS other ON other.out = mine.out AND other.number <> mine.number
    WHERE mine.number = :target
);

-- name: release -- take back one counted start of an item
UPDATE items SET attempts = attempts - 1, updated = :now WHERE id = :id AND state = 'received' AND attempts > 0;

-- name: by_instance -- the clean objects that stand for these instances in this target
SELECT cleans.instance, items.id, cleans.relative, cleans.size
FROM json_each(:instances) AS wanted
CROSS JOIN cleans ON cleans.target = :target AND cleans.instance = wanted.value AND cleans.size >= 0
JOIN items ON items.number = cleans.item;

-- name: counts -- how many items are in each state
SELECT state, count(*) FROM items GROUP BY state;

-- name: path_of -- the sealed path of an input
SELECT path FROM items WHERE id = :id;

-- name: start_run -- note that a batch began
INSERT INTO runs (target, started) VALUES (:target, :now);

-- name: last_run -- the number of the newest batch
SELECT max(number) FROM runs;

-- name: end_run -- note that a batch ended, with its summary
UPDATE runs SET ended = :now, counted = :counted WHERE number = :run AND ended IS NULL;

-- name: runs -- all batches, oldest first
SELECT runs.number, targets.policy, targets.key_id, targets.out, runs.started, runs.ended, runs.counted
FROM runs JOIN targets ON targets.number = runs.target
ORDER BY runs.number;
