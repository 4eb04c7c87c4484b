-- The tables that SQLite has after its migration 0018, with PostgreSQL's own types. Text sorts by
-- its bytes, as in SQLite and in Python, whatever the collation of the database.

-- The ledger: every card ever in force. since/until say when it was true (half open, UTC),
-- recorded_at/superseded_at when we knew it. A row is added and later superseded, never edited:
-- closing a card supersedes its open row and adds a closed one under the same card_id.
-- Rates are nano-units of the currency per million units of the meter.
CREATE TABLE pricing_ledger (
    card_id text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz,
    recorded_at timestamptz NOT NULL,
    superseded_at timestamptz,
    source text COLLATE "C" NOT NULL,
    url text COLLATE "C" NOT NULL,
    reading_id text COLLATE "C" NOT NULL,
    digest text COLLATE "C",
    currency text COLLATE "C",
    unpriced text COLLATE "C",
    note text COLLATE "C",
    conditional_rates jsonb,
    input bigint CHECK (input >= 0),
    output bigint CHECK (output >= 0),
    cache_read bigint CHECK (cache_read >= 0),
    cache_read_audio bigint CHECK (cache_read_audio >= 0),
    cache_write bigint CHECK (cache_write >= 0),
    cache_write_1h bigint CHECK (cache_write_1h >= 0),
    reasoning bigint CHECK (reasoning >= 0),
    input_audio bigint CHECK (input_audio >= 0),
    output_audio bigint CHECK (output_audio >= 0),
    input_image bigint CHECK (input_image >= 0),
    output_image bigint CHECK (output_image >= 0),
    image bigint CHECK (image >= 0),
    request bigint CHECK (request >= 0),
    web_search bigint CHECK (web_search >= 0),
    "character" bigint CHECK ("character" >= 0),
    "second" bigint CHECK (second >= 0),
    page bigint CHECK (page >= 0),
    input_video bigint CHECK (input_video >= 0),
    output_video bigint CHECK (output_video >= 0),
    PRIMARY KEY (card_id, recorded_at),
    CHECK (until IS NULL OR until > since),
    CHECK ((currency IS NULL) <> (unpriced IS NULL))
);

-- Every model a provider ever listed, and what became of it.
CREATE TABLE pricing_models (
    provider text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    first_seen timestamptz NOT NULL,
    missing_since timestamptz,
    retired_at timestamptz,
    -- Why its latest listing cannot be read; its stored card stands.
    unreadable text COLLATE "C",
    -- What the last successful reading says of its price.
    state text COLLATE "C" NOT NULL DEFAULT 'confirmed',
    -- When a price that it does not confirm was last confirmed. NULL while it is confirmed, and for
    -- a model whose price never was.
    confirmed_at timestamptz,
    PRIMARY KEY (provider, model)
);

CREATE TABLE pricing_runs (
    id text COLLATE "C" PRIMARY KEY,
    started_by text COLLATE "C" NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    outcome text COLLATE "C",
    dry_run smallint NOT NULL,
    providers jsonb NOT NULL
);

CREATE TABLE pricing_readings (
    id text COLLATE "C" PRIMARY KEY,
    run_id text COLLATE "C" NOT NULL REFERENCES pricing_runs (id),
    provider text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    status text COLLATE "C" NOT NULL,
    dry_run smallint NOT NULL,
    source text COLLATE "C" NOT NULL,
    url text COLLATE "C" NOT NULL,
    etag text COLLATE "C",
    digest text COLLATE "C",
    decoder text COLLATE "C" NOT NULL,
    size_bytes bigint NOT NULL,
    listings jsonb NOT NULL,
    changes jsonb NOT NULL,
    ignored jsonb NOT NULL,
    error_kind text COLLATE "C",
    error text COLLATE "C"
);

-- Changes that wait, and what became of them.
CREATE TABLE pricing_held (
    id text COLLATE "C" PRIMARY KEY,
    reading_id text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    old jsonb,
    new jsonb,
    reasons jsonb NOT NULL,
    -- When the provider was first seen to say so.
    since timestamptz NOT NULL,
    state text COLLATE "C" NOT NULL
        CHECK (state IN ('open', 'accepted', 'rejected', 'released', 'lapsed')),
    decided_at timestamptz,
    decided_by text COLLATE "C",
    decision text COLLATE "C",
    -- From when a change is published for later. NULL for a change of the price now.
    starts_at timestamptz
);

-- The rates that people set, as layers of each meter. Bitemporal like the ledger.
CREATE TABLE pricing_overrides (
    id text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    meter text COLLATE "C" NOT NULL,
    rate bigint NOT NULL CHECK (rate >= 0),
    currency text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz,
    recorded_at timestamptz NOT NULL,
    superseded_at timestamptz,
    author text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    -- What the provider said when the override was set, to tell when it has since moved.
    upstream_rate bigint,
    -- Of the overrides of one meter that are in force, the one with the highest number counts.
    layer bigint NOT NULL DEFAULT 0,
    -- The condition of the rate that an override replaces; NULL for the base rate. A flat override
    -- also removes the conditional rates of its meter.
    condition jsonb,
    flat smallint NOT NULL DEFAULT 1,
    PRIMARY KEY (id, recorded_at),
    CHECK (until IS NULL OR until > since)
);

-- The bytes that cards were decoded from, once per digest (SHA-256), compressed with zlib.
CREATE TABLE pricing_evidence (
    digest text COLLATE "C" PRIMARY KEY,
    body bytea NOT NULL,
    size_bytes bigint NOT NULL,
    first_used_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL
);

-- What is to be told to others, written in the transaction that made it true.
CREATE TABLE pricing_outbox (
    id text COLLATE "C" PRIMARY KEY,
    kind text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    payload jsonb NOT NULL,
    delivered_at timestamptz
);

-- Moves that a person has approved beforehand, to the digit. Each passes once.
CREATE TABLE pricing_announced (
    id text COLLATE "C" PRIMARY KEY,
    provider text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    meter text COLLATE "C" NOT NULL,
    -- NULL for the card's base rate.
    condition jsonb,
    -- NULL for a rate that is not there yet.
    old bigint CHECK (old >= 0),
    new bigint NOT NULL CHECK (new >= 0),
    not_before timestamptz NOT NULL,
    author text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    recorded_at timestamptz NOT NULL,
    -- When, and the reading that it let through.
    used_at timestamptz,
    used_by text COLLATE "C",
    ended_at timestamptz,
    CHECK (old IS NULL OR old <> new),
    CHECK ((used_at IS NULL) = (used_by IS NULL)),
    CHECK (used_at IS NULL OR ended_at IS NULL)
);

-- What people decided and what they were refused. Rows are added, never changed.
CREATE TABLE pricing_audit (
    id text COLLATE "C" PRIMARY KEY,
    at timestamptz NOT NULL,
    who text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    provider text COLLATE "C",
    model text COLLATE "C",
    -- The id of the held change or the announcement.
    subject text COLLATE "C",
    what jsonb NOT NULL,
    reason text COLLATE "C" NOT NULL
);

-- What the reference catalogs say of models that have the same name elsewhere: base rates of text,
-- as judged against and never billed by. Each catalog's rows are replaced together.
CREATE TABLE pricing_references (
    catalog text COLLATE "C" NOT NULL,
    -- Who sells and what, as the catalog spells it.
    provider text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    -- What the model is called everywhere, and whose word the price is in the end.
    peer_key text COLLATE "C" NOT NULL,
    lineage text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    input bigint CHECK (input > 0),
    output bigint CHECK (output > 0),
    cache_read bigint CHECK (cache_read > 0),
    cache_write bigint CHECK (cache_write > 0),
    cache_write_1h bigint CHECK (cache_write_1h > 0),
    reasoning bigint CHECK (reasoning > 0),
    read_at timestamptz NOT NULL,
    PRIMARY KEY (catalog, provider, model)
);

-- Every time a catalog was asked, and what became of it.
CREATE TABLE pricing_reference_reads (
    catalog text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    status text COLLATE "C" NOT NULL CHECK (status IN ('read', 'unchanged', 'failed')),
    etag text COLLATE "C",
    digest text COLLATE "C",
    decoder text COLLATE "C" NOT NULL,
    -- Rows that can be peers, and listings that could not be read. Of a failed read, none.
    models bigint NOT NULL,
    unreadable bigint NOT NULL,
    error text COLLATE "C",
    -- How many prices were read, and how often each price key was not.
    prices bigint NOT NULL DEFAULT 0,
    ignored jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (catalog, at)
);

-- A row for each provider of a run, from when it was wanted until it ended. A row is claimed once.
CREATE TABLE pricing_queue (
    run_id text COLLATE "C" NOT NULL REFERENCES pricing_runs (id),
    provider text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL
        CHECK (state IN ('queued', 'reading', 'read', 'unchanged', 'failed', 'cancelled')),
    -- Higher goes first.
    priority bigint NOT NULL,
    queued_at timestamptz NOT NULL,
    -- The process that reads it, and until when it is believed to be alive.
    owner text COLLATE "C",
    lease_until timestamptz,
    -- 1 when somebody wants it ended.
    cancel_asked smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, provider)
);

-- When each scheduled provider is read next, and how often in a row it could not be.
CREATE TABLE pricing_schedule (
    provider text COLLATE "C" PRIMARY KEY,
    -- The rule by which due_at was worked out.
    plan text COLLATE "C" NOT NULL,
    anchor_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    retry_at timestamptz,
    failures bigint NOT NULL
);

-- Which process schedules, pushes or prunes. The term counts the processes that ever did.
CREATE TABLE pricing_leases (
    name text COLLATE "C" PRIMARY KEY,
    owner text COLLATE "C" NOT NULL,
    term bigint NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL
);

-- Counters of events, kept where the events are, so that they survive a restart.
CREATE TABLE pricing_counters (
    name text COLLATE "C" NOT NULL,
    labels jsonb NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (name, labels)
);

-- The other names of models, as their lists publish them. A name can move to another model.
CREATE TABLE pricing_aliases (
    provider text COLLATE "C" NOT NULL,
    alias text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL,
    -- NULL while it is published.
    until timestamptz,
    PRIMARY KEY (provider, alias, since)
);

-- What lists say about the end of a model: as of the last reading that listed it.
CREATE TABLE pricing_notices (
    provider text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    ends_on date,
    deprecated smallint NOT NULL CHECK (deprecated IN (0, 1)),
    replaced_by text COLLATE "C",
    PRIMARY KEY (provider, model)
);

-- The reference rates of the European Central Bank: units of a currency per euro.
CREATE TABLE pricing_exchange_rates (
    currency text COLLATE "C" NOT NULL,
    -- The day of publication.
    day date NOT NULL,
    per_euro numeric NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (currency, day)
);

-- What was used, as sums: no request has a row of its own.
CREATE TABLE pricing_usage (
    -- The beginning of the hour, UTC.
    hour timestamptz NOT NULL,
    provider text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    -- The card of the ledger; '' for a model without one.
    card_id text COLLATE "C" NOT NULL,
    -- '' for the base rates, and for no region.
    service_tier text COLLATE "C" NOT NULL,
    region text COLLATE "C" NOT NULL,
    -- The long-context threshold of the card that each of the requests reached; 0 for none.
    min_input_tokens bigint NOT NULL,
    -- Of our cost; '' for requests without a price, and then there is a reason.
    currency text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    -- Of the cost that the provider reported; '' if it reported none.
    reported_currency text COLLATE "C" NOT NULL,
    requests bigint NOT NULL,
    -- By meter, the quantity without that of its subset meters.
    quantities jsonb NOT NULL,
    -- Exact decimals. NULL is unknown, and never zero.
    cost numeric,
    reported_cost numeric,
    -- Why the newest of these requests has no price, in words.
    detail text COLLATE "C",
    PRIMARY KEY (
        hour, provider, model, card_id, service_tier, region, min_input_tokens, currency, reason,
        reported_currency
    )
);

-- The batches that were sent with a key, so that one that is sent again counts once.
CREATE TABLE pricing_usage_batches (
    key text COLLATE "C" PRIMARY KEY,
    -- SHA-256 of its rows.
    digest text COLLATE "C" NOT NULL,
    received_at timestamptz NOT NULL,
    -- The answer to it.
    receipt jsonb NOT NULL
);

-- What the nodes of other tools hold that prices are pushed to, by their names in the settings.
CREATE TABLE pricing_pushes (
    target text COLLATE "C" PRIMARY KEY,
    -- The digest of the document that it is known to hold, and the ledger's revision of that.
    digest text COLLATE "C",
    revision text COLLATE "C",
    checked_at timestamptz,
    -- Since when it is known not to hold the current document; NULL while it does.
    behind_since timestamptz,
    -- Failed pushes in a row, the last error, and when the next push or check is due.
    failures bigint NOT NULL,
    error text COLLATE "C",
    next_at timestamptz NOT NULL
);

CREATE INDEX pricing_aliases_now ON pricing_aliases (provider, alias) WHERE until IS NULL;

-- Announced twice, a move would pass twice.
CREATE UNIQUE INDEX pricing_announced_open
    ON pricing_announced (
        provider, model, meter, COALESCE(condition, 'null'), COALESCE(old, -1), new
    )
    WHERE used_at IS NULL AND ended_at IS NULL;

CREATE INDEX pricing_audit_provider ON pricing_audit (provider, at);

CREATE INDEX pricing_evidence_used ON pricing_evidence (last_used_at);

CREATE INDEX pricing_held_decided ON pricing_held (decided_at) WHERE decided_at IS NOT NULL;

CREATE INDEX pricing_held_model ON pricing_held (provider, model, state, decided_at);

CREATE UNIQUE INDEX pricing_held_open
    ON pricing_held (provider, model, COALESCE(starts_at, '-infinity'))
    WHERE state = 'open';

CREATE INDEX pricing_held_reading ON pricing_held (reading_id);

CREATE INDEX pricing_held_state ON pricing_held (state, provider, since);

-- Two cards of one model are never both open and known.
CREATE UNIQUE INDEX pricing_ledger_current ON pricing_ledger (provider, model)
    WHERE superseded_at IS NULL AND until IS NULL;

CREATE INDEX pricing_ledger_ending ON pricing_ledger (provider, model, until)
    WHERE superseded_at IS NULL AND until > recorded_at;

CREATE INDEX pricing_ledger_history ON pricing_ledger (provider, model, since);

CREATE INDEX pricing_ledger_known ON pricing_ledger (provider, model, superseded_at, until);

CREATE INDEX pricing_ledger_recorded ON pricing_ledger (recorded_at);

CREATE INDEX pricing_ledger_scheduled ON pricing_ledger (provider, model, since)
    WHERE since > recorded_at;

CREATE INDEX pricing_ledger_since ON pricing_ledger (since, provider, model)
    WHERE superseded_at IS NULL;

CREATE INDEX pricing_ledger_until ON pricing_ledger (until, provider, model)
    WHERE superseded_at IS NULL AND until IS NOT NULL;

CREATE INDEX pricing_outbox_delivered ON pricing_outbox (delivered_at)
    WHERE delivered_at IS NOT NULL;

CREATE INDEX pricing_outbox_waiting ON pricing_outbox (created_at) WHERE delivered_at IS NULL;

CREATE INDEX pricing_overrides_known ON pricing_overrides (provider, model, meter)
    WHERE superseded_at IS NULL;

CREATE INDEX pricing_overrides_model ON pricing_overrides (provider, model, meter, since);

CREATE INDEX pricing_queue_open ON pricing_queue (priority, queued_at)
    WHERE state IN ('queued', 'reading');

CREATE INDEX pricing_queue_provider ON pricing_queue (provider, run_id);

-- One reading of a provider at a time, whatever started it.
CREATE UNIQUE INDEX pricing_queue_reading ON pricing_queue (provider) WHERE state = 'reading';

CREATE INDEX pricing_readings_attempt ON pricing_readings (provider, started_at)
    WHERE status <> 'skipped';

CREATE INDEX pricing_readings_provider ON pricing_readings (provider, at);

CREATE INDEX pricing_readings_run ON pricing_readings (run_id);

CREATE INDEX pricing_readings_success ON pricing_readings (provider, at, id)
    WHERE status IN ('read', 'unchanged') AND dry_run = 0;

CREATE INDEX pricing_runs_open ON pricing_runs (id) WHERE finished_at IS NULL;

CREATE INDEX pricing_runs_started ON pricing_runs (started_at);

CREATE INDEX pricing_runs_status ON pricing_runs ((COALESCE(outcome, 'running')), id);

CREATE INDEX pricing_usage_model ON pricing_usage (provider, model, hour);

CREATE INDEX pricing_usage_reported ON pricing_usage (hour) WHERE reported_currency <> '';

CREATE INDEX pricing_usage_unpriced ON pricing_usage (hour, provider, model) WHERE reason <> '';

CREATE INDEX pricing_usage_batches_received ON pricing_usage_batches (received_at);

