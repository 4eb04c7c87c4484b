-- What is asked of whom: a row for each provider of a run, from when it was wanted until it ended.
-- A row is claimed once, so its key and its owner fence off whoever comes too late.
CREATE TABLE pricing_queue (
    run_id TEXT NOT NULL REFERENCES pricing_runs (id),
    provider TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('queued', 'reading', 'read', 'unchanged', 'failed', 'cancelled')),
    -- Higher goes first.
    priority INTEGER NOT NULL,
    queued_at TEXT NOT NULL,
    -- The process that reads it, and until when it is believed to be alive.
    owner TEXT,
    lease_until TEXT,
    -- 1 when somebody wants it ended.
    cancel_asked INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, provider)
);

-- One reading of a provider at a time, whatever started it.
CREATE UNIQUE INDEX pricing_queue_reading ON pricing_queue (provider) WHERE state = 'reading';

CREATE INDEX pricing_queue_open ON pricing_queue (priority, queued_at)
    WHERE state IN ('queued', 'reading');

-- When each scheduled provider is read next, and how often in a row it could not be.
CREATE TABLE pricing_schedule (
    provider TEXT PRIMARY KEY,
    -- The rule by which due_at was worked out.
    plan TEXT NOT NULL,
    anchor_at TEXT NOT NULL,
    due_at TEXT NOT NULL,
    retry_at TEXT,
    failures INTEGER NOT NULL
);

-- Which process schedules. The term counts the processes that ever did.
CREATE TABLE pricing_leases (
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    term INTEGER NOT NULL,
    since TEXT NOT NULL,
    until TEXT NOT NULL
);

-- Counters of events, kept where the events are, so that they survive a restart and every process
-- tells the same.
CREATE TABLE pricing_counters (
    name TEXT NOT NULL,
    -- JSON of the labels, in one spelling.
    labels TEXT NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (name, labels)
);

CREATE INDEX pricing_runs_open ON pricing_runs (id) WHERE finished_at IS NULL;

-- Until now a run whose process was killed stayed without an end.
UPDATE pricing_runs SET finished_at = started_at, outcome = 'failed' WHERE finished_at IS NULL;

-- What of a model is known now, and what came after an instant: however long its history grows.
CREATE INDEX pricing_ledger_known ON pricing_ledger (provider, model, superseded_at, until);
