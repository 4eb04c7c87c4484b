-- Events have names in one spelling, and say whom they are about. `queued_at` is when an event was
-- put into the queues of the endpoints that want it. Nobody was told of the events so far.
ALTER TABLE pricing_outbox RENAME COLUMN delivered_at TO queued_at;
ALTER TABLE pricing_outbox ADD COLUMN provider TEXT;
UPDATE pricing_outbox SET queued_at = created_at WHERE queued_at IS NULL;
UPDATE pricing_outbox SET kind = 'price.changed' WHERE kind = 'prices.changed';
UPDATE pricing_outbox SET kind = 'price.scheduled' WHERE kind = 'prices.scheduled';
CREATE INDEX pricing_outbox_created ON pricing_outbox (created_at);

-- What is told once, until it is over: a provider that fails, and what else stays as it is.
CREATE TABLE pricing_conditions (
    -- `failing`, `stale`, `unpriced`, `dead_letters`.
    kind TEXT NOT NULL,
    -- A provider, a model, an endpoint.
    subject TEXT NOT NULL,
    since TEXT NOT NULL,
    -- How often in a row it was seen.
    count INTEGER NOT NULL,
    -- When it was told; NULL while it may still pass by itself.
    told_at TEXT,
    PRIMARY KEY (kind, subject)
);

-- The receivers of events, by their name in the settings.
CREATE TABLE pricing_endpoints (
    name TEXT PRIMARY KEY,
    -- When it was first seen. It gets the events from then on.
    since TEXT NOT NULL,
    -- What names its settings: with others, an endpoint that was disabled is enabled again.
    settings TEXT NOT NULL,
    -- When it said that it is gone; NULL while it gets events.
    disabled_at TEXT,
    delivered BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    last_delivered_at TEXT,
    -- Failed attempts in a row, the last error, and until when nothing is sent.
    failures INTEGER NOT NULL,
    error TEXT,
    paused_until TEXT
);

-- One event for one endpoint.
CREATE TABLE pricing_deliveries (
    endpoint TEXT NOT NULL,
    event_id TEXT NOT NULL REFERENCES pricing_outbox (id),
    state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead')),
    -- The order of the queue.
    queued_at TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_at TEXT NOT NULL,
    ended_at TEXT,
    error TEXT,
    PRIMARY KEY (endpoint, event_id)
);

CREATE INDEX pricing_deliveries_waiting ON pricing_deliveries (endpoint, next_at)
    WHERE state = 'waiting';
CREATE INDEX pricing_deliveries_dead ON pricing_deliveries (endpoint, ended_at)
    WHERE state = 'dead';
CREATE INDEX pricing_deliveries_event ON pricing_deliveries (event_id);
CREATE INDEX pricing_deliveries_queued ON pricing_deliveries (queued_at);
