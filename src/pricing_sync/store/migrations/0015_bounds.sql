-- What a query of what is in force, new or waiting needs, however many rows came before.
CREATE INDEX pricing_readings_success ON pricing_readings (provider, at, id)
    WHERE status IN ('read', 'unchanged') AND dry_run = 0;

CREATE INDEX pricing_readings_attempt ON pricing_readings (provider, started_at)
    WHERE status <> 'skipped';

CREATE INDEX pricing_runs_status ON pricing_runs ((COALESCE(outcome, 'running')), id);

CREATE INDEX pricing_queue_provider ON pricing_queue (provider, run_id);

CREATE INDEX pricing_aliases_now ON pricing_aliases (provider, alias) WHERE until IS NULL;

CREATE INDEX pricing_overrides_known ON pricing_overrides (provider, model, meter)
    WHERE superseded_at IS NULL;

-- What pruning looks for.
CREATE INDEX pricing_held_decided ON pricing_held (decided_at) WHERE decided_at IS NOT NULL;

CREATE INDEX pricing_held_reading ON pricing_held (reading_id);

CREATE INDEX pricing_outbox_delivered ON pricing_outbox (delivered_at)
    WHERE delivered_at IS NOT NULL;

CREATE INDEX pricing_evidence_used ON pricing_evidence (last_used_at);
