-- The ledger: every card ever in force. since/until say when it was true (half open, UTC),
-- recorded_at/superseded_at when we knew it. A row is added and later superseded, never edited:
-- closing a card supersedes its open row and adds a closed one under the same card_id.
-- Rates are nano-units of the currency per million units of the meter.
CREATE TABLE pricing_ledger (
    card_id TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    since TEXT NOT NULL,
    until TEXT,
    recorded_at TEXT NOT NULL,
    superseded_at TEXT,
    source TEXT NOT NULL,
    url TEXT NOT NULL,
    reading_id TEXT NOT NULL,
    digest TEXT,
    currency TEXT,
    unpriced TEXT,
    note TEXT,
    overrides TEXT,
    input BIGINT CHECK (input >= 0),
    output BIGINT CHECK (output >= 0),
    cache_read BIGINT CHECK (cache_read >= 0),
    cache_read_audio BIGINT CHECK (cache_read_audio >= 0),
    cache_write BIGINT CHECK (cache_write >= 0),
    cache_write_1h BIGINT CHECK (cache_write_1h >= 0),
    reasoning BIGINT CHECK (reasoning >= 0),
    input_audio BIGINT CHECK (input_audio >= 0),
    output_audio BIGINT CHECK (output_audio >= 0),
    input_image BIGINT CHECK (input_image >= 0),
    output_image BIGINT CHECK (output_image >= 0),
    image BIGINT CHECK (image >= 0),
    request BIGINT CHECK (request >= 0),
    web_search BIGINT CHECK (web_search >= 0),
    "character" BIGINT CHECK ("character" >= 0),
    second BIGINT CHECK (second >= 0),
    page BIGINT CHECK (page >= 0),
    PRIMARY KEY (card_id, recorded_at),
    CHECK (until IS NULL OR until > since),
    CHECK ((currency IS NULL) <> (unpriced IS NULL))
);

-- Two cards of one model are never both open and known.
CREATE UNIQUE INDEX pricing_ledger_current ON pricing_ledger (provider, model)
    WHERE superseded_at IS NULL AND until IS NULL;

CREATE INDEX pricing_ledger_history ON pricing_ledger (provider, model, since);

CREATE INDEX pricing_ledger_recorded ON pricing_ledger (recorded_at);

-- Every model a provider ever listed, and what became of it.
CREATE TABLE pricing_models (
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    missing_since TEXT,
    retired_at TEXT,
    -- Why its latest listing cannot be read; its stored card stands.
    unreadable TEXT,
    PRIMARY KEY (provider, model)
);

CREATE TABLE pricing_runs (
    id TEXT PRIMARY KEY,
    started_by TEXT NOT NULL,
    started_at TEXT NOT NULL,
    finished_at TEXT,
    outcome TEXT,
    dry_run INTEGER NOT NULL,
    providers TEXT NOT NULL
);

CREATE INDEX pricing_runs_started ON pricing_runs (started_at);

CREATE TABLE pricing_readings (
    id TEXT PRIMARY KEY,
    run_id TEXT NOT NULL REFERENCES pricing_runs (id),
    provider TEXT NOT NULL,
    at TEXT NOT NULL,
    started_at TEXT NOT NULL,
    finished_at TEXT NOT NULL,
    status TEXT NOT NULL,
    dry_run INTEGER NOT NULL,
    source TEXT NOT NULL,
    url TEXT NOT NULL,
    etag TEXT,
    digest TEXT,
    decoder TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    listings TEXT NOT NULL,
    changes TEXT NOT NULL,
    ignored TEXT NOT NULL,
    error_kind TEXT,
    error TEXT
);

CREATE INDEX pricing_readings_provider ON pricing_readings (provider, at);
CREATE INDEX pricing_readings_run ON pricing_readings (run_id);

-- Changes that wait, and what became of them.
CREATE TABLE pricing_held (
    id TEXT PRIMARY KEY,
    reading_id TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    kind TEXT NOT NULL,
    old TEXT,
    new TEXT,
    reasons TEXT NOT NULL,
    -- When the provider was first seen to say so.
    since TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'accepted', 'rejected', 'released', 'lapsed')),
    decided_at TEXT,
    decided_by TEXT,
    decision TEXT
);

CREATE UNIQUE INDEX pricing_held_open ON pricing_held (provider, model) WHERE state = 'open';

-- A person's rate for one meter of one model. It wins over whatever the provider says, and no
-- reading touches it. Bitemporal like the ledger.
CREATE TABLE pricing_overrides (
    id TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    meter TEXT NOT NULL,
    rate BIGINT NOT NULL CHECK (rate >= 0),
    currency TEXT NOT NULL,
    since TEXT NOT NULL,
    until TEXT,
    recorded_at TEXT NOT NULL,
    superseded_at TEXT,
    author TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- What the provider said when the override was set, to tell when it has since moved.
    upstream_rate BIGINT,
    PRIMARY KEY (id, recorded_at),
    CHECK (until IS NULL OR until > since)
);

CREATE INDEX pricing_overrides_model ON pricing_overrides (provider, model, meter, since);

-- The bytes that cards were decoded from, once per digest (SHA-256), compressed with zlib.
CREATE TABLE pricing_evidence (
    digest TEXT PRIMARY KEY,
    body BLOB NOT NULL,
    size_bytes BIGINT NOT NULL,
    first_used_at TEXT NOT NULL,
    last_used_at TEXT NOT NULL
);

-- What is to be told to others, written in the transaction that made it true.
CREATE TABLE pricing_outbox (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    created_at TEXT NOT NULL,
    payload TEXT NOT NULL,
    delivered_at TEXT
);

CREATE INDEX pricing_outbox_waiting ON pricing_outbox (created_at) WHERE delivered_at IS NULL;
