-- What was used, as sums: no request has a row of its own.
CREATE TABLE pricing_usage (
    -- The beginning of the hour, UTC.
    hour TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    -- The card of the ledger; '' for a model without one.
    card_id TEXT NOT NULL,
    -- '' for the base rates, and for no region.
    service_tier TEXT NOT NULL,
    region TEXT NOT NULL,
    -- The long-context threshold of the card that each of the requests reached; 0 for none.
    min_input_tokens BIGINT NOT NULL,
    -- Of our cost; '' for requests without a price, and then there is a reason.
    currency TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- Of the cost that the provider reported; '' if it reported none.
    reported_currency TEXT NOT NULL,
    requests BIGINT NOT NULL,
    -- By meter, the quantity without that of its subset meters, as JSON.
    quantities TEXT NOT NULL,
    -- Exact decimals. NULL is unknown, and never zero.
    cost TEXT,
    reported_cost TEXT,
    -- Why the newest of these requests has no price, in words.
    detail TEXT,
    PRIMARY KEY (
        hour, provider, model, card_id, service_tier, region, min_input_tokens, currency, reason,
        reported_currency
    )
);

CREATE INDEX pricing_usage_model ON pricing_usage (provider, model, hour);

CREATE INDEX pricing_usage_unpriced ON pricing_usage (hour, provider, model) WHERE reason <> '';

CREATE INDEX pricing_usage_reported ON pricing_usage (hour) WHERE reported_currency <> '';

-- The batches that were sent with a key, so that one that is sent again counts once.
CREATE TABLE pricing_usage_batches (
    key TEXT PRIMARY KEY,
    -- SHA-256 of its rows.
    digest TEXT NOT NULL,
    received_at TEXT NOT NULL,
    -- The answer to it, as JSON.
    receipt TEXT NOT NULL
);

CREATE INDEX pricing_usage_batches_received ON pricing_usage_batches (received_at);
