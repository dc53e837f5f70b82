-- The ledger of batches: what was asked for, every input, every clean object, every run.

CREATE TABLE ledger (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    key_id  TEXT NOT NULL
);

-- What was asked for and where it goes; aliases only.
CREATE TABLE targets (
    number  INTEGER PRIMARY KEY,
    policy  TEXT NOT NULL,
    key_id  TEXT NOT NULL,
    out     TEXT NOT NULL,
    UNIQUE (out, policy, key_id)
);

-- Every input ever seen, in exactly one state of lifecycle.State. Rows are never deleted.
-- Numbered, so that new rows go to the end; the states are a chain of ORs because IN builds a table for every row.
CREATE TABLE items (
    number      INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE CHECK (length(id) = 32),
    state       TEXT NOT NULL CHECK (
                    state = 'received' OR state = 'cleaned' OR state = 'waiting' OR state = 'held'
                    OR state = 'quarantined' OR state = 'rejected' OR state = 'duplicate' OR state = 'dropped'
                    OR state = 'purging' OR state = 'purged'
                ),
    code        TEXT CHECK (
                    code IS NOT NULL OR NOT (state = 'held' OR state = 'quarantined' OR state = 'rejected')
                ),
    place       TEXT NOT NULL DEFAULT '',
    attempts    INTEGER NOT NULL CHECK (attempts >= 0),
    path        BLOB NOT NULL,
    size        INTEGER NOT NULL,
    study       TEXT,
    modality    TEXT,
    sop_class   TEXT,
    findings    TEXT NOT NULL DEFAULT '',
    first_seen  REAL NOT NULL,
    updated     REAL NOT NULL
);

-- Every clean object: one instance of one target, and the input it was made of. Nothing in here names a person.
CREATE TABLE cleans (
    number    INTEGER PRIMARY KEY,
    target    INTEGER NOT NULL REFERENCES targets (number),
    instance  TEXT NOT NULL,
    item      INTEGER NOT NULL REFERENCES items (number),
    relative  TEXT NOT NULL,
    size      INTEGER NOT NULL,
    made      REAL NOT NULL,
    UNIQUE (target, instance)
);

CREATE INDEX cleans_of_item ON cleans (item, target);

-- Every batch; one without an end is running or was killed.
CREATE TABLE runs (
    number   INTEGER PRIMARY KEY,
    target   INTEGER NOT NULL REFERENCES targets (number),
    started  REAL NOT NULL,
    ended    REAL,
    counted  TEXT NOT NULL DEFAULT '{}'
);
