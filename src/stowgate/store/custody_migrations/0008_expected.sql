-- How many instances a study has, by what headers say: numbers, never a word. It is counted from its first arrival on,
-- so studies that were there before have no row and wait for their idle time.

-- Whether it was the first arrival of its instance: one that comes again, changed, is no further instance of its study.
ALTER TABLE items ADD COLUMN counted INTEGER NOT NULL DEFAULT 0 CHECK (counted = 0 OR counted = 1);

-- `there`: instances that came from any source; `instances`, `series`: the highest numbers that headers gave. What
-- follows of them is `least`, NULL while that is nothing; `whole`: when so many are there, that is all of it.
CREATE TABLE announced (
    study      TEXT NOT NULL PRIMARY KEY CHECK (study <> ''),
    there      INTEGER NOT NULL DEFAULT 0 CHECK (there >= 0),
    instances  INTEGER CHECK (instances > 0),
    series     INTEGER CHECK (series > 0),
    least      INTEGER CHECK (least > 0),
    whole      INTEGER NOT NULL DEFAULT 0 CHECK (whole = 0 OR (whole = 1 AND least IS NOT NULL))
) WITHOUT ROWID;

-- Of objects that name no series, `series` is empty.
CREATE TABLE announced_series (
    study      TEXT NOT NULL CHECK (study <> ''),
    series     TEXT NOT NULL,
    there      INTEGER NOT NULL CHECK (there > 0),
    instances  INTEGER CHECK (instances > 0),
    PRIMARY KEY (study, series)
) WITHOUT ROWID;

-- Nothing was ever written to it.
ALTER TABLE studies DROP COLUMN expected;
