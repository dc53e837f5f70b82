-- An item may have several clean objects, each made by a profile and a key of its own.

-- With UIDs retained two recipients get the same instance, each under its own key.
DROP INDEX cleans_standing;

CREATE UNIQUE INDEX cleans_standing ON cleans (instance, policy, key_id) WHERE stands = 1;

-- Whether it was given back to the workers for what it lacks, and keeps what stands of it.
ALTER TABLE items ADD COLUMN adds INTEGER NOT NULL DEFAULT 0 CHECK (adds = 0 OR (adds = 1 AND state = 'received'));

CREATE INDEX items_adding ON items (number) WHERE adds = 1;

-- What comes now goes before what came long ago and lacks something.
DROP INDEX items_ready;

CREATE INDEX items_ready ON items (adds, number) WHERE state = 'received' AND worker = '';

-- How urgent its header says that it is.
ALTER TABLE items ADD COLUMN priority TEXT NOT NULL DEFAULT '' CHECK (
    priority = '' OR priority = 'low' OR priority = 'medium' OR priority = 'high'
);

-- The key of each profile but the unit's own: for ever, or pseudonyms of one recipient would not fit together.
CREATE TABLE profiles (
    name    TEXT NOT NULL PRIMARY KEY,
    key_id  TEXT NOT NULL
) WITHOUT ROWID;
