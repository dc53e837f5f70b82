-- What is known of each way out: when it failed and came back, what it was measured to carry, how much is left for it.

CREATE TABLE outages (
    number       INTEGER PRIMARY KEY,
    destination  TEXT NOT NULL,
    began        REAL NOT NULL,
    ended        REAL,
    code         TEXT NOT NULL CHECK (code <> '')
);

CREATE INDEX outages_listed ON outages (destination, number);
CREATE UNIQUE INDEX outages_open ON outages (destination) WHERE ended IS NULL;

-- Bytes each second; NULL while it was never measured.
ALTER TABLE destinations ADD COLUMN rate REAL;

-- Bytes of what is queued and not parked.
ALTER TABLE lines ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;

UPDATE lines SET bytes = coalesce((
    SELECT sum(cleans.size) FROM deliveries JOIN cleans ON cleans.number = deliveries.clean
    WHERE deliveries.line = lines.number AND deliveries.state = 'queued' AND deliveries.stand <> 'parked'
), 0);

CREATE INDEX lines_with_bytes ON lines (destination, bytes) WHERE bytes > 0;

CREATE TRIGGER deliveries_bring_bytes AFTER INSERT ON deliveries BEGIN
    UPDATE lines SET bytes = bytes + (SELECT size FROM cleans WHERE number = new.clean) WHERE number = new.line;
END;

CREATE TRIGGER deliveries_take_bytes AFTER UPDATE OF state, stand ON deliveries
WHEN (old.state = 'queued' AND old.stand <> 'parked') <> (new.state = 'queued' AND new.stand <> 'parked') BEGIN
    UPDATE lines
    SET bytes = bytes + (SELECT size FROM cleans WHERE number = new.clean)
                * CASE WHEN new.state = 'queued' AND new.stand <> 'parked' THEN 1 ELSE -1 END
    WHERE number = new.line;
END;
