-- Deliveries get in line. Nothing was ever written to the table of 0001, so it is made anew.

DROP TABLE deliveries;
DROP TABLE delivery_counts;

-- What waits of one study for one destination at one urgency; `turns` keeps it fair, `ready` counts what could go now.
CREATE TABLE lines (
    number       INTEGER PRIMARY KEY,
    destination  TEXT NOT NULL,
    urgency      INTEGER NOT NULL CHECK (urgency BETWEEN 0 AND 2),
    study        TEXT NOT NULL,
    turns        INTEGER NOT NULL DEFAULT 0,
    ready        INTEGER NOT NULL DEFAULT 0 CHECK (ready >= 0),
    UNIQUE (destination, urgency, study)
);

-- outbox.policy.next_line, as an index
CREATE INDEX lines_next ON lines (destination, urgency DESC, turns, number) WHERE ready > 0;

-- How many turns the line had that was served last.
CREATE TABLE pace (
    destination  TEXT NOT NULL,
    urgency      INTEGER NOT NULL,
    turns        INTEGER NOT NULL,
    PRIMARY KEY (destination, urgency)
) WITHOUT ROWID;

-- How far each clean object is on its way to each destination. `stand` says whether something is to be done now.
CREATE TABLE deliveries (
    number       INTEGER PRIMARY KEY,
    clean        INTEGER NOT NULL REFERENCES cleans (number),
    line         INTEGER NOT NULL REFERENCES lines (number),
    destination  TEXT NOT NULL,
    state        TEXT NOT NULL DEFAULT 'queued' CHECK (
                     state = 'queued' OR state = 'sent' OR state = 'acknowledged' OR state = 'verified'
                     OR state = 'refused'
                 ),
    stand        TEXT NOT NULL DEFAULT 'ready' CHECK (
                     stand = 'ready'      -- the next step can be taken
                     OR stand = 'later'   -- not before `due`
                     OR stand = 'out'     -- somebody takes it right now
                     OR stand = 'parked'  -- its item does not wait any more
                     OR stand = 'over'    -- nothing is left to do
                 ),
    code         TEXT NOT NULL DEFAULT '' CHECK (code <> '' OR state <> 'refused'),
    evidence     TEXT NOT NULL DEFAULT '' CHECK (
                     evidence = '' OR evidence = 'status' OR evidence = 'presence' OR evidence = 'content'
                 ),
    attempts     INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    due          REAL NOT NULL DEFAULT 0,   -- monotonic seconds of this boot
    next_try     REAL,                      -- the same by the clock on the wall, for display
    note         TEXT NOT NULL DEFAULT '',  -- the sink's own
    queued       REAL NOT NULL,
    updated      REAL NOT NULL,
    UNIQUE (clean, destination)
);

CREATE INDEX deliveries_listed ON deliveries (destination, state);
CREATE INDEX deliveries_ready ON deliveries (line, number) WHERE stand = 'ready';
CREATE INDEX deliveries_later ON deliveries (destination, due) WHERE stand = 'later';
CREATE INDEX deliveries_out ON deliveries (number) WHERE stand = 'out';

-- Whether somebody has decided where a clean object goes.
ALTER TABLE cleans ADD COLUMN bound INTEGER NOT NULL DEFAULT 0 CHECK (bound = 0 OR bound = 1);

CREATE INDEX cleans_unbound ON cleans (number) WHERE bound = 0 AND stands = 1;

-- Whether every destination of an item gave the evidence that it was asked for.
ALTER TABLE items ADD COLUMN delivered INTEGER NOT NULL DEFAULT 0 CHECK (delivered = 0 OR delivered = 1);

-- The oldest that has not arrived is the first of these.
CREATE INDEX items_on_their_way ON items (number) WHERE state = 'waiting' AND delivered = 0;

-- Names of the descriptions of the configuration that its header fitted.
ALTER TABLE items ADD COLUMN marks TEXT NOT NULL DEFAULT '';

-- How it stands with the way to each destination.
CREATE TABLE destinations (
    name      TEXT NOT NULL PRIMARY KEY,
    paused    TEXT NOT NULL DEFAULT '',     -- why, "" while it is not
    code      TEXT NOT NULL DEFAULT '',     -- why the last try failed, "" while it works
    failures  INTEGER NOT NULL DEFAULT 0,
    next_try  REAL,
    updated   REAL NOT NULL
) WITHOUT ROWID;

-- What is parked is on its way nowhere, and counts nowhere.
CREATE TABLE delivery_counts (
    destination  TEXT NOT NULL,
    state        TEXT NOT NULL,
    n            INTEGER NOT NULL CHECK (n >= 0),
    PRIMARY KEY (destination, state)
) WITHOUT ROWID;

-- Of the items in each state, those that were delivered.
CREATE TABLE delivered_counts (
    source  TEXT NOT NULL,
    state   TEXT NOT NULL,
    n       INTEGER NOT NULL CHECK (n >= 0),
    PRIMARY KEY (source, state)
) WITHOUT ROWID;

CREATE TABLE study_delivered (
    alias   TEXT NOT NULL,
    source  TEXT NOT NULL,
    state   TEXT NOT NULL,
    n       INTEGER NOT NULL CHECK (n >= 0),
    PRIMARY KEY (alias, source, state)
) WITHOUT ROWID;

CREATE TRIGGER items_delivered AFTER UPDATE OF state, delivered ON items WHEN old.delivered = 1 OR new.delivered = 1
BEGIN
    UPDATE delivered_counts SET n = n - 1 WHERE old.delivered = 1 AND source = old.source AND state = old.state;
    UPDATE study_delivered SET n = n - 1
    WHERE old.delivered = 1 AND alias = old.study AND source = old.source AND state = old.state;
    INSERT INTO delivered_counts (source, state, n) SELECT new.source, new.state, 1 WHERE new.delivered = 1
    ON CONFLICT (source, state) DO UPDATE SET n = n + 1;
    INSERT INTO study_delivered (alias, source, state, n)
    SELECT new.study, new.source, new.state, 1 WHERE new.delivered = 1 AND new.study <> ''
    ON CONFLICT (alias, source, state) DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER items_leave_the_outbox AFTER UPDATE OF state ON items WHEN old.state = 'waiting' AND new.state <> 'waiting'
BEGIN
    UPDATE deliveries SET stand = 'parked'
    WHERE stand IN ('ready', 'later', 'out') AND clean IN (SELECT number FROM cleans WHERE item = new.number);
END;

CREATE TRIGGER items_return_to_the_outbox AFTER UPDATE OF state ON items
WHEN old.state <> 'waiting' AND new.state = 'waiting' BEGIN
    UPDATE deliveries SET stand = 'ready'
    WHERE stand = 'parked' AND clean IN (SELECT number FROM cleans WHERE item = new.number AND stands = 1);
END;

CREATE TRIGGER deliveries_begin BEFORE INSERT ON deliveries WHEN new.state <> 'queued' OR new.stand <> 'ready' BEGIN
    SELECT RAISE(ABORT, 'a delivery begins in queued');
END;

CREATE TRIGGER deliveries_came AFTER INSERT ON deliveries BEGIN
    INSERT INTO delivery_counts (destination, state, n) VALUES (new.destination, new.state, 1)
    ON CONFLICT (destination, state) DO UPDATE SET n = n + 1;
    UPDATE lines SET ready = ready + 1, turns = CASE WHEN ready > 0 THEN turns ELSE max(turns, coalesce((
        SELECT turns FROM pace WHERE pace.destination = lines.destination AND pace.urgency = lines.urgency
    ), 0)) END
    WHERE number = new.line;
    UPDATE items SET delivered = 0
    WHERE delivered = 1 AND number = (SELECT item FROM cleans WHERE cleans.number = new.clean);
END;

CREATE TRIGGER deliveries_move BEFORE UPDATE OF state ON deliveries
WHEN NOT EXISTS (SELECT 1 FROM delivery_moves WHERE was = old.state AND becomes = new.state) BEGIN
    SELECT RAISE(ABORT, 'a move that the lifecycle does not know');
END;

CREATE TRIGGER deliveries_moved AFTER UPDATE OF state, stand ON deliveries
WHEN new.state <> old.state OR (new.stand = 'parked') <> (old.stand = 'parked') BEGIN
    UPDATE delivery_counts SET n = n - 1
    WHERE old.stand <> 'parked' AND destination = old.destination AND state = old.state;
    INSERT INTO delivery_counts (destination, state, n)
    SELECT new.destination, new.state, 1 WHERE new.stand <> 'parked'
    ON CONFLICT (destination, state) DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER deliveries_get_ready AFTER UPDATE OF stand ON deliveries WHEN old.stand <> 'ready' AND new.stand = 'ready'
BEGIN
    UPDATE lines SET ready = ready + 1, turns = CASE WHEN ready > 0 THEN turns ELSE max(turns, coalesce((
        SELECT turns FROM pace WHERE pace.destination = lines.destination AND pace.urgency = lines.urgency
    ), 0)) END
    WHERE number = new.line;
END;

CREATE TRIGGER deliveries_step_forward AFTER UPDATE OF stand ON deliveries
WHEN old.stand = 'ready' AND new.stand <> 'ready' BEGIN
    UPDATE lines SET ready = ready - 1 WHERE number = new.line;
END;

CREATE TRIGGER deliveries_are_what_they_are BEFORE UPDATE OF number, clean, line, destination ON deliveries BEGIN
    SELECT RAISE(ABORT, 'a delivery stays what it is');
END;

CREATE TRIGGER deliveries_stay BEFORE DELETE ON deliveries BEGIN
    SELECT RAISE(ABORT, 'a row is never deleted');
END;

DROP VIEW listed;

CREATE VIEW listed AS
SELECT number, id, source, state, code, place, size, study, modality, sop_class, attempts, arrived, updated, has_raw,
       has_clean, delivered
FROM items;
