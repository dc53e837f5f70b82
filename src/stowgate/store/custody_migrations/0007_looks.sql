-- What was seen in the pictures of clean objects: measured numbers and codes, and what is amiss with a study or a scanner.

-- Whether somebody looked at what was made of it.
ALTER TABLE items ADD COLUMN looked INTEGER NOT NULL DEFAULT 0 CHECK (looked = 0 OR looked = 1);

-- Seconds from the time that its header names to its arrival; NULL where it names none.
ALTER TABLE items ADD COLUMN clock INTEGER;

CREATE INDEX items_unseen ON items (number) WHERE state = 'waiting' AND has_clean = 1 AND looked = 0;

CREATE TABLE looks (
    item      INTEGER PRIMARY KEY REFERENCES items (number),
    frames    INTEGER NOT NULL CHECK (frames >= 0),
    codes     TEXT NOT NULL,
    features  TEXT NOT NULL
);

-- `codes` is NULL while nobody has judged it; `open`: something was seen since.
CREATE TABLE study_looks (
    study  TEXT NOT NULL PRIMARY KEY,
    open   INTEGER NOT NULL DEFAULT 1 CHECK (open = 0 OR open = 1),
    codes  TEXT
) WITHOUT ROWID;

CREATE INDEX study_looks_open ON study_looks (study) WHERE open = 1;

CREATE TABLE scanner_alarms (
    scanner  TEXT NOT NULL PRIMARY KEY,
    codes    TEXT NOT NULL
) WITHOUT ROWID;
