-- The ledger of a gateway: every arrival one row for ever, what was made of it, where that went, who was turned away.
-- Aliases and codes only. The moves of lifecycle.py are a table here, too, and triggers hold every statement to it.

CREATE TABLE ledger (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    key_id  TEXT NOT NULL
);

-- lifecycle.NEXT
CREATE TABLE moves (
    was      TEXT NOT NULL,
    becomes  TEXT NOT NULL,
    PRIMARY KEY (was, becomes)
) WITHOUT ROWID;

INSERT INTO moves (was, becomes) VALUES
    ('received', 'cleaned'), ('received', 'held'), ('received', 'quarantined'), ('received', 'rejected'),
    ('received', 'duplicate'),
    ('cleaned', 'waiting'), ('cleaned', 'received'), ('cleaned', 'purging'),
    ('waiting', 'cleaned'), ('waiting', 'held'), ('waiting', 'quarantined'), ('waiting', 'purging'),
    ('held', 'received'), ('held', 'dropped'),
    ('quarantined', 'received'), ('quarantined', 'dropped'),
    ('rejected', 'received'), ('rejected', 'dropped'),
    ('duplicate', 'received'), ('duplicate', 'dropped'),
    ('dropped', 'purging'),
    ('purging', 'purged');

-- lifecycle.NEXT_DELIVERY
CREATE TABLE delivery_moves (
    was      TEXT NOT NULL,
    becomes  TEXT NOT NULL,
    PRIMARY KEY (was, becomes)
) WITHOUT ROWID;

INSERT INTO delivery_moves (was, becomes) VALUES
    ('queued', 'sent'), ('queued', 'refused'), ('queued', 'queued'),
    ('sent', 'acknowledged'), ('sent', 'verified'), ('sent', 'queued'), ('sent', 'refused'),
    ('acknowledged', 'verified'), ('acknowledged', 'queued'),
    ('verified', 'queued'),
    ('refused', 'queued');

-- Every arrival, in exactly one state. Numbered in the order of arrival, without gaps, because no row is ever deleted.
CREATE TABLE items (
    number      INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE CHECK (length(id) = 32),
    source      TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (
                    state = 'received' OR state = 'cleaned' OR state = 'waiting' OR state = 'held'
                    OR state = 'quarantined' OR state = 'rejected' OR state = 'duplicate' OR state = 'dropped'
                    OR state = 'purging' OR state = 'purged'
                ),
    code        TEXT NOT NULL DEFAULT '' CHECK (
                    code <> '' OR NOT (state = 'held' OR state = 'quarantined' OR state = 'rejected')
                ),
    place       TEXT NOT NULL DEFAULT '',
    findings    TEXT NOT NULL DEFAULT '',
    size        INTEGER NOT NULL CHECK (size >= 0),
    instance    TEXT NOT NULL DEFAULT '',
    content     TEXT NOT NULL DEFAULT '',
    study       TEXT NOT NULL DEFAULT '',
    modality    TEXT NOT NULL DEFAULT '',
    sop_class   TEXT NOT NULL DEFAULT '',
    scanner     TEXT NOT NULL DEFAULT '',
    protocol    TEXT NOT NULL DEFAULT '',
    peer        TEXT NOT NULL DEFAULT '',
    original    TEXT NOT NULL DEFAULT '',               -- what it is a duplicate of
    given_up    INTEGER NOT NULL DEFAULT 0 CHECK (given_up = 0 OR given_up = 1),
    has_raw     INTEGER NOT NULL CHECK (has_raw = 0 OR has_raw = 1),
    has_clean   INTEGER NOT NULL DEFAULT 0 CHECK (has_clean = 0 OR has_clean = 1),
    attempts    INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    worker      TEXT NOT NULL DEFAULT '' CHECK (worker = '' OR state = 'received'),
    lease_boot  TEXT NOT NULL DEFAULT '',
    leased      REAL NOT NULL DEFAULT 0,                -- monotonic seconds of that boot
    arrived     REAL NOT NULL,
    updated     REAL NOT NULL
);

CREATE INDEX items_listed ON items (source, state);
CREATE INDEX items_same ON items (instance, content) WHERE instance <> '';
CREATE INDEX items_of_study ON items (study) WHERE study <> '';
CREATE INDEX items_ready ON items (number) WHERE state = 'received' AND worker = '';
CREATE INDEX items_leased ON items (number) WHERE worker <> '';

-- What people and scripts may see of an item.
CREATE VIEW listed AS
SELECT number, id, source, state, code, place, size, study, modality, sop_class, attempts, arrived, updated, has_raw,
       has_clean
FROM items;

-- Every clean object ever made, as the gate passed it; at most one of a policy stands for an instance.
CREATE TABLE cleans (
    number           INTEGER PRIMARY KEY,
    id               TEXT NOT NULL UNIQUE CHECK (length(id) = 32),
    item             INTEGER NOT NULL REFERENCES items (number),
    instance         TEXT NOT NULL,
    study            TEXT NOT NULL,
    series           TEXT NOT NULL,
    size             INTEGER NOT NULL CHECK (size >= 0),
    digest           TEXT NOT NULL,
    policy           TEXT NOT NULL,
    key_id           TEXT NOT NULL,
    sop_class        TEXT NOT NULL,
    transfer_syntax  TEXT NOT NULL,
    names            TEXT NOT NULL,
    stands           INTEGER NOT NULL DEFAULT 1 CHECK (stands = 0 OR stands = 1),
    made             REAL NOT NULL
);

CREATE UNIQUE INDEX cleans_standing ON cleans (instance, policy) WHERE stands = 1;
CREATE INDEX cleans_of_item ON cleans (item);

-- How far each clean object is on its way to each destination.
CREATE TABLE deliveries (
    number       INTEGER PRIMARY KEY,
    clean        INTEGER NOT NULL REFERENCES cleans (number),
    destination  TEXT NOT NULL,
    state        TEXT NOT NULL DEFAULT 'queued' CHECK (
                     state = 'queued' OR state = 'sent' OR state = 'acknowledged' OR state = 'verified'
                     OR state = 'refused'
                 ),
    code         TEXT NOT NULL DEFAULT '' CHECK (code <> '' OR state <> 'refused'),
    attempts     INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_try     REAL,
    updated      REAL NOT NULL,
    UNIQUE (clean, destination)
);

CREATE INDEX deliveries_listed ON deliveries (destination, state);

-- One study of one source. Its last arrival is kept in the time of its boot, because trucks start with wrong clocks.
CREATE TABLE studies (
    alias     TEXT NOT NULL,
    source    TEXT NOT NULL,
    modality  TEXT NOT NULL,
    first     REAL NOT NULL,
    last      REAL NOT NULL,
    boot      TEXT NOT NULL,
    touched   REAL NOT NULL,
    complete  INTEGER NOT NULL DEFAULT 0 CHECK (complete = 0 OR complete = 1),
    expected  INTEGER,
    PRIMARY KEY (alias, source)
) WITHOUT ROWID;

CREATE INDEX studies_open ON studies (source) WHERE complete = 0;

CREATE TABLE events (
    number  INTEGER PRIMARY KEY,
    at      REAL NOT NULL,
    kind    TEXT NOT NULL,
    item    TEXT NOT NULL,
    source  TEXT NOT NULL,
    code    TEXT NOT NULL
);

CREATE INDEX events_of_item ON events (item) WHERE item <> '';

-- Those turned away; `seen` orders them without a clock.
CREATE TABLE callers (
    source   TEXT NOT NULL,
    calling  TEXT NOT NULL,
    address  TEXT NOT NULL,
    first    REAL NOT NULL,
    last     REAL NOT NULL,
    count    INTEGER NOT NULL,
    seen     INTEGER NOT NULL UNIQUE,
    PRIMARY KEY (source, calling, address)
) WITHOUT ROWID;

-- The conservation line, kept by the triggers below so that nobody ever has to count.
CREATE TABLE counts (
    source  TEXT NOT NULL,
    state   TEXT NOT NULL,
    n       INTEGER NOT NULL CHECK (n >= 0),
    PRIMARY KEY (source, state)
) WITHOUT ROWID;

CREATE TABLE study_counts (
    alias   TEXT NOT NULL,
    source  TEXT NOT NULL,
    state   TEXT NOT NULL,
    n       INTEGER NOT NULL CHECK (n >= 0),
    PRIMARY KEY (alias, source, state)
) WITHOUT ROWID;

CREATE TABLE delivery_counts (
    destination  TEXT NOT NULL,
    state        TEXT NOT NULL,
    n            INTEGER NOT NULL CHECK (n >= 0),
    PRIMARY KEY (destination, state)
) WITHOUT ROWID;

CREATE TRIGGER items_begin BEFORE INSERT ON items WHEN new.state <> 'received' BEGIN
    SELECT RAISE(ABORT, 'an item begins in received');
END;

CREATE TRIGGER items_came AFTER INSERT ON items BEGIN
    INSERT INTO counts (source, state, n) VALUES (new.source, new.state, 1)
    ON CONFLICT (source, state) DO UPDATE SET n = n + 1;
    INSERT INTO study_counts (alias, source, state, n)
    SELECT new.study, new.source, new.state, 1 WHERE new.study <> ''
    ON CONFLICT (alias, source, state) DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER items_move BEFORE UPDATE OF state ON items
WHEN new.state <> old.state
    AND NOT EXISTS (SELECT 1 FROM moves WHERE was = old.state AND becomes = new.state) BEGIN
    SELECT RAISE(ABORT, 'a move that the lifecycle does not know');
END;

CREATE TRIGGER items_moved AFTER UPDATE OF state ON items WHEN new.state <> old.state BEGIN
    UPDATE counts SET n = n - 1 WHERE source = old.source AND state = old.state;
    INSERT INTO counts (source, state, n) VALUES (new.source, new.state, 1)
    ON CONFLICT (source, state) DO UPDATE SET n = n + 1;
    UPDATE study_counts SET n = n - 1 WHERE alias = old.study AND source = old.source AND state = old.state;
    INSERT INTO study_counts (alias, source, state, n)
    SELECT new.study, new.source, new.state, 1 WHERE new.study <> ''
    ON CONFLICT (alias, source, state) DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER items_are_who_they_are BEFORE UPDATE OF number, id, source, study, instance, content ON items BEGIN
    SELECT RAISE(ABORT, 'an item stays who it is');
END;

CREATE TRIGGER items_stay BEFORE DELETE ON items BEGIN
    SELECT RAISE(ABORT, 'a row is never deleted');
END;

CREATE TRIGGER cleans_stay BEFORE DELETE ON cleans BEGIN
    SELECT RAISE(ABORT, 'a row is never deleted');
END;

CREATE TRIGGER deliveries_begin BEFORE INSERT ON deliveries WHEN new.state <> 'queued' BEGIN
    SELECT RAISE(ABORT, 'a delivery begins in queued');
END;

CREATE TRIGGER deliveries_came AFTER INSERT ON deliveries BEGIN
    INSERT INTO delivery_counts (destination, state, n) VALUES (new.destination, new.state, 1)
    ON CONFLICT (destination, state) DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER deliveries_move BEFORE UPDATE OF state ON deliveries
WHEN NOT EXISTS (SELECT 1 FROM delivery_moves WHERE was = old.state AND becomes = new.state) BEGIN
    SELECT RAISE(ABORT, 'a move that the lifecycle does not know');
END;

CREATE TRIGGER deliveries_moved AFTER UPDATE OF state ON deliveries WHEN new.state <> old.state BEGIN
    UPDATE delivery_counts SET n = n - 1 WHERE destination = old.destination AND state = old.state;
    INSERT INTO delivery_counts (destination, state, n) VALUES (new.destination, new.state, 1)
    ON CONFLICT (destination, state) DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER deliveries_stay BEFORE DELETE ON deliveries BEGIN
    SELECT RAISE(ABORT, 'a row is never deleted');
END;
