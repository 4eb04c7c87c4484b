-- See 0019_webhooks.sql.
ALTER TABLE pricing_outbox RENAME COLUMN delivered_at TO queued_at;
ALTER TABLE pricing_outbox ADD COLUMN provider text COLLATE "C";
UPDATE pricing_outbox SET queued_at = created_at WHERE queued_at IS NULL;
UPDATE pricing_outbox SET kind = 'price.changed' WHERE kind = 'prices.changed';
UPDATE pricing_outbox SET kind = 'price.scheduled' WHERE kind = 'prices.scheduled';
CREATE INDEX pricing_outbox_created ON pricing_outbox (created_at);

CREATE TABLE pricing_conditions (
    kind text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL,
    count bigint NOT NULL,
    told_at timestamptz,
    PRIMARY KEY (kind, subject)
);

CREATE TABLE pricing_endpoints (
    name text COLLATE "C" PRIMARY KEY,
    since timestamptz NOT NULL,
    settings text COLLATE "C" NOT NULL,
    disabled_at timestamptz,
    delivered bigint NOT NULL,
    failed bigint NOT NULL,
    last_delivered_at timestamptz,
    failures bigint NOT NULL,
    error text COLLATE "C",
    paused_until timestamptz
);

CREATE TABLE pricing_deliveries (
    endpoint text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL REFERENCES pricing_outbox (id),
    state text COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead')),
    queued_at timestamptz NOT NULL,
    attempts bigint NOT NULL,
    next_at timestamptz NOT NULL,
    ended_at timestamptz,
    error text COLLATE "C",
    PRIMARY KEY (endpoint, event_id)
);

CREATE INDEX pricing_deliveries_waiting ON pricing_deliveries (endpoint, next_at)
    WHERE state = 'waiting';
CREATE INDEX pricing_deliveries_dead ON pricing_deliveries (endpoint, ended_at)
    WHERE state = 'dead';
CREATE INDEX pricing_deliveries_event ON pricing_deliveries (event_id);
CREATE INDEX pricing_deliveries_queued ON pricing_deliveries (queued_at);
