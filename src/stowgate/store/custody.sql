-- Every query of the gateway's ledger, by name and with a sentence. The states in a WHERE are tested against
-- lifecycle.NEXT, and triggers hold every move to the same table.

-- name: claim -- note once which project key this ledger belongs to
INSERT INTO ledger (one, key_id) VALUES (1, :key_id) ON CONFLICT (one) DO NOTHING;

-- name: owner -- the id of the project key this ledger belongs to
SELECT key_id FROM ledger;

-- name: claim_profile -- note once which key a profile has
INSERT INTO profiles (name, key_id) VALUES (:name, :key_id) ON CONFLICT (name) DO NOTHING;

-- name: key_of_profile -- the id of the key that a profile has
SELECT key_id FROM profiles WHERE name = :name;

-- name: known -- what became of an arrival that has a row already
SELECT state, original FROM items WHERE id = :id;

-- name: original -- the first item of the same instance and content that is safe here or was verified elsewhere
SELECT id FROM items
WHERE instance = :instance AND instance <> '' AND content = :content
    AND state NOT IN ('rejected', 'duplicate', 'dropped') AND given_up = 0
    AND (has_raw = 1 OR has_clean = 1 OR state IN ('purging', 'purged'))
    AND NOT (state = 'purged' AND EXISTS (
        SELECT 1 FROM cleans CROSS JOIN deliveries ON deliveries.clean = cleans.number
        WHERE cleans.item = items.number AND deliveries.stand <> 'parked'
            AND deliveries.code IN ('peer_lost_purged', 'peer_has_other_bytes')
    ))
ORDER BY number LIMIT 1;

-- name: arrive -- give an arrival its row
INSERT INTO items (id, source, state, size, instance, content, study, modality, sop_class, scanner, protocol, peer,
                   marks, priority, triage, clock, has_raw, arrived, updated)
VALUES (:id, :source, 'received', :size, :instance, :content, :study, :modality, :sop_class, :scanner, :protocol, :peer,
        :marks, :priority, :triage, :clock, :has_raw, :now, :now);

-- name: turn_back -- take an arrival on from received at once: a rejected one, or a duplicate of another
UPDATE items SET state = :state, code = :code, original = :original WHERE id = :id AND state = 'received';

-- name: meet_study -- note a study that was not seen before
INSERT INTO studies (alias, source, modality, first, last, boot, touched)
VALUES (:study, :source, :modality, :now, :now, :boot, :monotonic)
ON CONFLICT (alias, source) DO NOTHING;

-- name: touch_study -- note that something new came to a study
UPDATE studies SET last = :now, boot = :boot, touched = :monotonic, complete = 0
WHERE alias = :study AND source = :source;

-- name: name_modality -- note the modality of a study that has none yet
UPDATE studies SET modality = :modality WHERE alias = :study AND source = :source AND modality = '';

-- name: lapse -- end the leases of another boot and those that are too old
UPDATE items SET worker = ''
WHERE worker <> '' AND (lease_boot <> :boot OR leased > :monotonic OR leased + :longest <= :monotonic);

-- name: at_work -- how many items are being worked on, and the most starts one of them has
SELECT count(*), coalesce(max(attempts), 0) FROM items WHERE worker <> '';

-- name: ready -- the oldest items that nobody works on, and behind them those that lack something
SELECT id, source, attempts, modality, sop_class, marks, priority, adds FROM items
WHERE state = 'received' AND worker = '' ORDER BY adds, number LIMIT :most;

-- name: lease -- give an item to a worker, and count the start
UPDATE items SET worker = :worker, lease_boot = :boot, leased = :monotonic, attempts = attempts + 1, updated = :now
WHERE id = :id AND state = 'received' AND worker = '';

-- name: give_back -- end a lease and take back its counted start
UPDATE items SET worker = '', attempts = attempts - 1, updated = :now
WHERE id = :id AND state = 'received' AND worker <> '' AND attempts > 0;

-- name: release_all -- end every lease, keeping the counted starts
UPDATE items SET worker = '' WHERE worker <> '';

-- name: worked_on -- an item that is leased
SELECT number, source, study FROM items WHERE id = :id AND state = 'received' AND worker <> '';

-- name: clean_exists -- whether a clean object of this id was recorded before
SELECT 1 FROM cleans WHERE id = :id;

-- name: taken -- whether the clean object of another item stands for an instance, and not the same one that was purged
SELECT 1 FROM cleans JOIN items ON items.number = cleans.item
WHERE cleans.instance = :instance AND policy = :policy AND key_id = :key_id AND stands = 1 AND item <> :item
    AND NOT (items.state = 'purged' AND digest = :digest);

-- name: succeed -- what was purged of another item stands for an instance no more, because the same is here again
UPDATE cleans SET stands = 0
WHERE instance = :instance AND policy = :policy AND key_id = :key_id AND stands = 1 AND item <> :item;

-- name: stands -- whether a clean object stands for an item
SELECT 1 FROM cleans JOIN items ON items.number = cleans.item
WHERE cleans.id = :id AND cleans.item = :item AND cleans.stands = 1 AND items.has_clean = 1;

-- name: retire -- what was made of an item stands for nothing any more, but for what is kept
UPDATE cleans SET stands = 0
WHERE item = :item AND stands = 1 AND id NOT IN (SELECT value FROM json_each(:kept));

-- name: finish -- record how the work on an item ended, if it is still leased; no start is left open
UPDATE items
SET state = :state, code = :code, place = :place, findings = :findings, has_clean = :has_clean, attempts = 0,
    adds = 0, worker = '', modality = CASE WHEN :modality = '' THEN modality ELSE :modality END,
    original = :original, updated = :now
WHERE id = :id AND state = 'received' AND worker <> '';

-- name: keep -- record a clean object
INSERT INTO cleans (id, item, instance, study, series, size, digest, policy, key_id, sop_class, transfer_syntax, names,
                    made)
VALUES (:id, :item, :instance, :study, :series, :size, :digest, :policy, :key_id, :sop_class, :transfer_syntax, :names,
        :now);

-- name: queue -- what was cleaned waits for delivery
UPDATE items SET state = 'waiting' WHERE id = :id AND state = 'cleaned';

-- name: standing -- how an item stands, before a decision about it
SELECT state, code, source, updated FROM items WHERE id = :id;

-- name: move -- a decision about an item, where the lifecycle and its payload allow it
UPDATE items
SET state = :state, code = :code, place = '', attempts = 0, adds = 0, worker = '', updated = :now,
    given_up = max(given_up, :state = 'dropped'),
    delivered = CASE WHEN :state IN ('purging', 'purged') THEN delivered ELSE 0 END, original = CASE WHEN :state = 'received' THEN '' ELSE original END
WHERE id = :id AND EXISTS (SELECT 1 FROM moves WHERE was = state AND becomes = :state)
    AND (:state <> 'received' OR has_raw = 1) AND (:state NOT IN ('cleaned', 'waiting') OR has_clean = 1)
    AND (:state <> 'purging' OR given_up = 1 OR (
        delivered = 1 AND NOT EXISTS (SELECT 1 FROM unproved WHERE unproved.item = items.number)
    ));

-- name: may_add -- whether something can be added to what stands of an item
SELECT 1 FROM items WHERE id = :id AND state = 'waiting' AND has_raw = 1 AND has_clean = 1;

-- name: add -- an item that was received again keeps what stands of it
UPDATE items SET adds = 1 WHERE id = :id AND state = 'received';

-- name: adding -- how many items wait for what they lack
SELECT count(*) FROM items WHERE adds = 1;

-- name: retire_of -- what was made of an item that was given up stands for nothing any more
UPDATE cleans SET stands = 0 WHERE stands = 1 AND item = (SELECT number FROM items WHERE id = :id);

-- name: forget -- note that files of an item are gone
UPDATE items SET has_raw = CASE WHEN adds = 1 THEN has_raw ELSE min(has_raw, :keep_raw) END,
    has_clean = min(has_clean, :keep_clean), updated = :now
WHERE id = :id;

-- name: meet_alias -- count a study from its first arrival on, from whichever source; one that was there before is not
INSERT INTO announced (study)
SELECT alias FROM studies
WHERE alias = :study AND source = :source
    AND NOT EXISTS (SELECT 1 FROM studies WHERE alias = :study AND source <> :source)
ON CONFLICT (study) DO NOTHING;

-- name: is_counted -- whether an instance came before to a study
SELECT 1 FROM items WHERE instance = :instance AND instance <> '' AND study = :study AND counted = 1 LIMIT 1;

-- name: count_item -- an arrival is the first of its instance
UPDATE items SET counted = 1 WHERE id = :id;

-- name: count_study -- one more instance of a study, and the highest numbers that headers gave for it
UPDATE announced
SET there = there + 1, short_at = '',
    instances = max(coalesce(instances, :instances), coalesce(:instances, instances)),
    series = max(coalesce(series, :series), coalesce(:series, series))
WHERE study = :study
RETURNING there, instances, series, least;

-- name: count_series -- one more instance of a series, and the highest number that headers gave for it
INSERT INTO announced_series (study, series, there, instances) VALUES (:study, :series, 1, :instances)
ON CONFLICT (study, series) DO UPDATE
SET there = there + 1,
    instances = max(coalesce(instances, excluded.instances), coalesce(excluded.instances, instances));

-- name: each_series -- how many instances of each series of a study came, and how many headers tell of
SELECT there, instances FROM announced_series WHERE study = :study LIMIT :most;

-- name: expect -- note what follows of all that headers said
UPDATE announced SET least = :least, whole = :whole WHERE study = :study;

-- name: missing -- how many instances a study lacks that is complete for each of its sources that has an idle time
SELECT least - there FROM announced
WHERE study = :study AND least > there AND NOT EXISTS (
    SELECT 1 FROM studies JOIN json_each(:idle) AS idle ON idle.key = studies.source
    WHERE studies.alias = :study AND complete = 0
);

-- name: note_short -- a study came to rest at a source with less than headers tell of, and nobody was told yet
UPDATE announced SET short_at = :source WHERE study = :study;

-- name: shortages -- the studies that came to rest with less, of which nobody was told yet
SELECT study, short_at, least - there FROM announced WHERE short_at <> '' ORDER BY study;

-- name: shortage_told -- somebody was told of it
UPDATE announced SET short_at = '' WHERE study = :study AND short_at <> '';

-- name: complete -- mark the studies that nothing came to for their source's idle time, or that are all there
UPDATE studies SET complete = 1
WHERE complete = 0 AND (
    EXISTS (
        SELECT 1 FROM json_each(:idle) AS idle
        WHERE idle.key = studies.source
            AND CASE WHEN boot = :boot THEN :monotonic - touched ELSE :monotonic END >= idle.value
    )
    OR EXISTS (SELECT 1 FROM announced WHERE announced.study = studies.alias AND whole = 1 AND there >= least)
)
RETURNING alias, source;

-- name: turn_away -- count a caller that is not allowed
INSERT INTO callers (source, calling, address, first, last, count, seen)
VALUES (:source, :calling, :address, :now, :now, 1, (SELECT coalesce(max(seen), 0) + 1 FROM callers))
ON CONFLICT (source, calling, address) DO UPDATE SET last = excluded.last, count = count + 1, seen = excluded.seen;

-- name: forget_callers -- forget those not seen for the longest
DELETE FROM callers WHERE seen <= (SELECT seen FROM callers ORDER BY seen DESC LIMIT 1 OFFSET :most);

-- name: note -- append to the events
INSERT INTO events (at, kind, item, source, code) VALUES (:at, :kind, :item, :source, :code);

-- name: row -- the items whose id begins so, two at most
SELECT * FROM listed WHERE id >= :first AND id < :behind ORDER BY id LIMIT 2;

-- name: rows -- a page of all items
SELECT * FROM listed WHERE number > :after ORDER BY number LIMIT :most;

-- name: rows_listed -- a page of the items of one source in one state
SELECT * FROM listed WHERE source = :source AND state = :state AND number > :after ORDER BY number LIMIT :most;

-- name: rows_of_study -- a page of the items of one study
SELECT * FROM listed
WHERE study = :study AND study <> '' AND number > :after
    AND (:source = '' OR source = :source)
    AND (:states = '[]' OR state IN (SELECT value FROM json_each(:states)))
ORDER BY number LIMIT :most;

-- name: counts -- how many items of each source are in each state
SELECT source, state, n FROM counts;

-- name: studies -- a page of studies; it ends behind all sources of its last alias
SELECT alias, source, modality, first, last, complete, (
    SELECT json_group_object(state, n) FROM study_counts
    WHERE study_counts.alias = studies.alias AND study_counts.source = studies.source
), (
    SELECT json_group_object(state, n) FROM study_delivered
    WHERE study_delivered.alias = studies.alias AND study_delivered.source = studies.source
), announced.least, announced.there
FROM studies LEFT JOIN announced ON announced.study = studies.alias
WHERE alias > :after AND alias <= coalesce(
    (SELECT alias FROM studies WHERE alias > :after ORDER BY alias, source LIMIT 1 OFFSET :most - 1), x''
)
ORDER BY alias, source;

-- name: callers -- those turned away, the latest first
SELECT source, calling, address, first, last, count FROM callers ORDER BY seen DESC;

-- name: events -- the newest events
SELECT at, kind, item, source, code FROM events ORDER BY number DESC LIMIT :most;

-- name: events_of_item -- the newest events of one item
SELECT at, kind, item, source, code FROM events WHERE item = :item AND item <> '' ORDER BY number DESC LIMIT :most;

-- name: oldest_waiting -- when the oldest item arrived that waits and was not delivered
SELECT arrived FROM items WHERE state = 'waiting' AND delivered = 0 ORDER BY number LIMIT 1;

-- name: clean_of_item -- the newest clean object of an item
SELECT cleans.id, cleans.instance, cleans.study, series, cleans.size, digest, policy, key_id, cleans.sop_class,
       transfer_syntax, names
FROM cleans JOIN items ON items.number = cleans.item
WHERE cleans.item = (SELECT number FROM items WHERE id = :id AND has_clean = 1)
ORDER BY cleans.number DESC LIMIT 1;

-- name: cleans_of_item -- the clean objects that stand for an item
SELECT cleans.id, cleans.instance, cleans.study, series, cleans.size, digest, policy, key_id, cleans.sop_class,
       transfer_syntax, names
FROM cleans JOIN items ON items.number = cleans.item
WHERE cleans.item = (SELECT number FROM items WHERE id = :id AND has_clean = 1) AND cleans.stands = 1
ORDER BY cleans.number;

-- name: made_of_item -- everything that was ever made of an item, whether it still lies there or not
SELECT cleans.id FROM cleans WHERE cleans.item = (SELECT number FROM items WHERE id = :id);

-- name: clean_of_instance -- the clean objects that stand for these instances
SELECT items.id, cleans.id, cleans.instance, cleans.study, series, cleans.size, digest, policy, key_id,
       cleans.sop_class, transfer_syntax, names
FROM json_each(:instances) AS wanted
CROSS JOIN cleans ON cleans.instance = wanted.value AND cleans.policy = :policy
    AND cleans.key_id = :key_id AND cleans.stands = 1
JOIN items ON items.number = cleans.item;

-- name: payloads -- what has to be on the shelves
SELECT number, CASE WHEN has_raw = 1 THEN id ELSE '' END, CASE WHEN has_clean = 1 THEN (
    SELECT group_concat(id, ' ') FROM cleans WHERE cleans.item = items.number AND cleans.stands = 1
) END
FROM items
WHERE number > :after AND (has_raw = 1 OR has_clean = 1) AND state NOT IN ('purging', 'purged')
ORDER BY number LIMIT :most;

-- name: unpayloaded -- those of these items whose raw object is not needed any more
SELECT items.id FROM json_each(:ids) AS wanted
CROSS JOIN items ON items.id = wanted.value
WHERE has_raw = 0 OR state IN ('purging', 'purged');

-- name: highest -- the number of the newest item, which is how many there are
SELECT coalesce(max(number), 0) FROM items;

-- name: counted -- how many items the conservation line speaks of
SELECT coalesce(sum(n), 0) FROM counts;
