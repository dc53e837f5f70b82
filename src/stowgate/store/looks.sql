-- Every query about what was seen in clean objects, by name and with a sentence.

-- name: unseen -- what is here and nobody has looked at, the latest first
SELECT items.id, cleans.id, items.source, items.study, cleans.series, cleans.size
FROM items INDEXED BY items_unseen
JOIN cleans ON cleans.number = (
    SELECT max(number) FROM cleans WHERE item = items.number AND stands = 1
)
WHERE items.state = 'waiting' AND items.has_clean = 1 AND items.looked = 0
ORDER BY items.number DESC LIMIT :most;

-- name: note -- what was seen of an item
INSERT INTO looks (item, frames, codes, features)
SELECT number, :frames, :codes, :features FROM items WHERE id = :item
ON CONFLICT (item) DO UPDATE SET frames = excluded.frames, codes = excluded.codes, features = excluded.features;

-- name: looked -- nobody has to look at an item again
UPDATE items SET looked = 1 WHERE id = :item;

-- name: to_judge -- something was seen of a study
INSERT INTO study_looks (study) SELECT study FROM items WHERE id = :item AND study <> ''
ON CONFLICT (study) DO UPDATE SET open = 1;

-- name: unjudged -- studies of which something was seen since they were judged
SELECT study FROM study_looks WHERE open = 1 ORDER BY study;

-- name: seen_of_study -- how many items of a study were looked at
SELECT count(*) FROM items CROSS JOIN looks ON looks.item = items.number
WHERE items.study = :study AND items.study <> '';

-- name: judged -- what is amiss with a study
UPDATE study_looks SET open = 0, codes = :codes WHERE study = :study;

-- name: codes_of_study -- what is amiss with a study, nothing while it was not judged
SELECT codes FROM study_looks WHERE study = :study AND codes IS NOT NULL;

-- name: of_items -- what was seen of these items
SELECT items.id, frames, codes, features FROM items JOIN looks ON looks.item = items.number
WHERE items.id IN (SELECT value FROM json_each(:ids));

-- name: of_study -- what was seen of a study
SELECT id, frames, codes, features, source, study, scanner, protocol, arrived, clock
FROM items CROSS JOIN looks ON looks.item = items.number
WHERE study = :study AND study <> '' ORDER BY items.number;

-- name: recent -- what was seen of those that came last
SELECT id, frames, codes, features, source, study, scanner, protocol, arrived, clock
FROM looks JOIN items ON items.number = looks.item ORDER BY looks.item DESC LIMIT :most;

-- name: alarms -- scanners that somebody should see to
SELECT scanner, codes FROM scanner_alarms ORDER BY scanner;

-- name: silence -- nobody has to see to any scanner
DELETE FROM scanner_alarms;

-- name: alarm -- somebody should see to a scanner
INSERT INTO scanner_alarms (scanner, codes) VALUES (:scanner, :codes);
