-- Moves that a person has approved beforehand, to the digit. Each passes once.
CREATE TABLE pricing_announced (
    id TEXT PRIMARY KEY,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    meter TEXT NOT NULL,
    -- JSON; NULL for the card's base rate.
    condition TEXT,
    -- NULL for a rate that is not there yet.
    old BIGINT CHECK (old >= 0),
    new BIGINT NOT NULL CHECK (new >= 0),
    not_before TEXT NOT NULL,
    author TEXT NOT NULL,
    reason TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    -- When, and the reading that it let through.
    used_at TEXT,
    used_by TEXT,
    ended_at TEXT,
    CHECK (old IS NULL OR old <> new),
    CHECK ((used_at IS NULL) = (used_by IS NULL)),
    CHECK (used_at IS NULL OR ended_at IS NULL)
);

-- Announced twice, a move would pass twice.
CREATE UNIQUE INDEX pricing_announced_open
    ON pricing_announced (provider, model, meter, COALESCE(condition, ''), COALESCE(old, -1), new)
    WHERE used_at IS NULL AND ended_at IS NULL;

-- What people decided and what they were refused. Rows are added, never changed.
CREATE TABLE pricing_audit (
    id TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    provider TEXT,
    model TEXT,
    -- The id of the held change or the announcement.
    subject TEXT,
    -- JSON.
    what TEXT NOT NULL,
    reason TEXT NOT NULL
);

CREATE INDEX pricing_held_provider ON pricing_held (provider, state);
