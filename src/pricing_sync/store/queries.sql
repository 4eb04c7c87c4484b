-- The queries of the store, by name. One SQL for SQLite (3.38 and later) and PostgreSQL.

-- name: last_reading
-- The newest successful reading, without dry runs.
SELECT {reading} FROM pricing_readings
WHERE provider = :provider AND status IN ('read', 'unchanged') AND dry_run = 0
ORDER BY at DESC, id DESC
LIMIT 1;

-- name: add_evidence
INSERT INTO pricing_evidence (digest, body, size_bytes, first_used_at, last_used_at)
VALUES (:digest, :body, :size_bytes, :at, :at)
ON CONFLICT (digest) DO UPDATE SET last_used_at = excluded.last_used_at;

-- name: touch_evidence
UPDATE pricing_evidence SET last_used_at = :at WHERE digest = :digest;

-- name: evidence
SELECT body FROM pricing_evidence WHERE digest = :digest;

-- name: add_reading
INSERT INTO pricing_readings ({reading}) VALUES ({reading_places});

-- name: runs
SELECT {run} FROM pricing_runs r
WHERE 1 = 1 [before: AND r.id < :before] [status: AND COALESCE(r.outcome, 'running') = :status]
ORDER BY r.id DESC
LIMIT :limit;

-- name: runs_of_provider
-- The cross join makes SQLite walk the runs of the provider from the newest on.
SELECT {run} FROM pricing_queue q
CROSS JOIN pricing_runs r
WHERE q.provider = :provider AND r.id = q.run_id
    [before: AND q.run_id < :before] [status: AND COALESCE(r.outcome, 'running') = :status]
ORDER BY q.run_id DESC
LIMIT :limit;

-- name: readings_of_runs
SELECT {reading} FROM pricing_readings
WHERE run_id >= :first AND run_id <= :last
    [status: AND run_id IN (
        SELECT r.id FROM pricing_runs r
        WHERE COALESCE(r.outcome, 'running') = :status AND r.id >= :first AND r.id <= :last
    )]
    [provider: AND run_id IN (
        SELECT q.run_id FROM pricing_queue q
        WHERE q.provider = :provider AND q.run_id >= :first AND q.run_id <= :last
    )]
ORDER BY run_id, started_at, id;

-- name: failing
-- The newest failed reading of each provider, unless a newer one is a success and no dry run.
-- Cancelled and skipped readings are ignored.
SELECT {failing_reading} FROM {providers} p
JOIN pricing_readings f ON f.id = (
    SELECT n.id FROM pricing_readings n
    WHERE n.provider = p.provider
        AND ((n.status = 'failed' AND n.error_kind <> 'cancelled')
            OR (n.status IN ('read', 'unchanged') AND n.dry_run = 0))
    ORDER BY n.at DESC, n.id DESC
    LIMIT 1
)
WHERE f.status = 'failed';

-- name: failing [postgres]
-- A lateral join seeks; another one would read all readings.
SELECT {failing_reading} FROM {providers} p
CROSS JOIN LATERAL (
    SELECT * FROM pricing_readings n
    WHERE n.provider = p.provider
        AND ((n.status = 'failed' AND n.error_kind <> 'cancelled')
            OR (n.status IN ('read', 'unchanged') AND n.dry_run = 0))
    ORDER BY n.at DESC, n.id DESC
    LIMIT 1
) f
WHERE f.status = 'failed';

-- name: latest_successes
-- The newest successful reading of each provider: when it ended, when its answer was given, and
-- the price keys that it did not read.
SELECT r.provider, r.finished_at, r.at, r.ignored
FROM {providers} p
JOIN pricing_readings r ON r.id = (
    SELECT n.id FROM pricing_readings n
    WHERE n.provider = p.provider AND n.status IN ('read', 'unchanged') AND n.dry_run = 0
    ORDER BY n.at DESC, n.id DESC
    LIMIT 1
);

-- name: last_success
SELECT provider, finished_at, at, ignored FROM pricing_readings
WHERE provider = :provider AND status IN ('read', 'unchanged') AND dry_run = 0
ORDER BY at DESC, id DESC
LIMIT 1;

-- name: latest_successes [postgres]
SELECT r.provider, r.finished_at, r.at, r.ignored
FROM {providers} p
CROSS JOIN LATERAL (
    SELECT * FROM pricing_readings n
    WHERE n.provider = p.provider AND n.status IN ('read', 'unchanged') AND n.dry_run = 0
    ORDER BY n.at DESC, n.id DESC
    LIMIT 1
) r;

-- name: skipped
-- The reason of each provider whose newest reading was skipped.
SELECT s.provider, s.error FROM {providers} p
JOIN pricing_readings s ON s.id = (
    SELECT n.id FROM pricing_readings n
    WHERE n.provider = p.provider
    ORDER BY n.at DESC, n.id DESC
    LIMIT 1
)
WHERE s.status = 'skipped';

-- name: skipped [postgres]
SELECT s.provider, s.error FROM {providers} p
CROSS JOIN LATERAL (
    SELECT * FROM pricing_readings n
    WHERE n.provider = p.provider
    ORDER BY n.at DESC, n.id DESC
    LIMIT 1
) s
WHERE s.status = 'skipped';

-- name: model_counts
-- The number of models of each provider and state, and how many of them are priced, unpriced,
-- unreadable or missing, or end between two days.
SELECT m.provider, m.state, COUNT(*),
    SUM(CASE WHEN l.currency IS NOT NULL THEN 1 ELSE 0 END),
    SUM(CASE WHEN l.unpriced IS NOT NULL THEN 1 ELSE 0 END),
    SUM(CASE WHEN m.unreadable IS NOT NULL THEN 1 ELSE 0 END),
    SUM(CASE WHEN m.missing_since IS NOT NULL AND m.retired_at IS NULL THEN 1 ELSE 0 END),
    SUM(CASE WHEN n.ends_on BETWEEN :first AND :last AND m.retired_at IS NULL THEN 1 ELSE 0 END)
FROM pricing_models m
LEFT JOIN pricing_ledger l
    ON l.provider = m.provider AND l.model = m.model AND {current}
LEFT JOIN pricing_notices n ON n.provider = m.provider AND n.model = m.model
GROUP BY m.provider, m.state;

-- name: cards_at
-- The cards in force at an instant, as known at another, in a seek for each model: see `as_of.py`.
-- The one that begins last is sought among the cards that a clock dated which was ahead, then among
-- those that were scheduled when they were known, then among all others. The cross join makes SQLite
-- search model by model. With :limit, only so many models after another one are looked at.
SELECT {statement} FROM (
    SELECT provider, model FROM pricing_models
    WHERE 1 = 1 [provider: AND provider = :provider] [model: AND model = :model]
        [limit: AND (provider, model) > (:after_provider, :after_model)
    ORDER BY provider, model
    LIMIT :limit]
) m
CROSS JOIN pricing_ledger l
WHERE l.provider = m.provider AND l.model = m.model
    AND l.since = COALESCE(
        (
            SELECT n.since FROM pricing_ledger n
            WHERE n.provider = m.provider AND n.model = m.model
                AND n.since > :ahead AND n.since <= n.recorded_at AND :lately <= :at {known_n}
            ORDER BY n.since DESC LIMIT 1
        ),
        (
            SELECT n.since FROM pricing_ledger n
            WHERE n.provider = m.provider AND n.model = m.model
                AND n.since > :latest AND n.since <= :at AND n.since > n.recorded_at {known_n}
            ORDER BY n.since DESC LIMIT 1
        ),
        (
            SELECT n.since FROM pricing_ledger n
            WHERE n.provider = m.provider AND n.model = m.model AND n.since <= :latest {known_n}
            ORDER BY n.since DESC LIMIT 1
        )
    ) {known_l}
    AND (
        l.until IS NULL
        OR (l.until > :at AND NOT (l.until > :now AND l.until <= l.recorded_at AND :lately <= :at))
    )
ORDER BY l.provider, l.model;

-- name: last_of_models
-- The last of so many models after another one. There is none if there are fewer.
SELECT provider, model FROM pricing_models
WHERE (provider, model) > (:after_provider, :after_model)
    [provider: AND provider = :provider] [model: AND model = :model]
ORDER BY provider, model
LIMIT 1 OFFSET :before;

-- name: current_cards
-- The cards in force, as known now.
SELECT {statement} FROM {not_ended} l
WHERE {begun}
    [provider: AND l.provider = :provider]
    [model: AND l.model = :model]
ORDER BY l.provider, l.model;

-- name: history
-- Every card of a model, oldest first.
SELECT {statement} FROM pricing_ledger l
WHERE l.provider = :provider AND l.model = :model
    [known_only: AND l.superseded_at IS NULL]
ORDER BY l.since, l.recorded_at;

-- name: model_states
SELECT {model_state} FROM pricing_models m
LEFT JOIN pricing_held h ON {held_or_rejected}
WHERE 1 = 1 [provider: AND m.provider = :provider]
    [model: AND m.model = :model]
    [unconfirmed_only: AND m.state <> 'confirmed']
ORDER BY m.provider, m.model;

-- name: overrides_at
SELECT {override} FROM pricing_overrides
WHERE {in_force}
    [provider: AND provider = :provider]
    [model: AND model = :model]
ORDER BY provider, model, meter, layer;

-- name: overrides_not_ended
-- Overrides that are in force or begin later.
SELECT {override} FROM pricing_overrides
WHERE superseded_at IS NULL AND (until IS NULL OR until > :at)
    [provider: AND provider = :provider]
    [model: AND model = :model]
ORDER BY provider, model, meter, since, layer;

-- name: overrides_ending
-- Overrides that end between two instants, the next one first.
SELECT {override} FROM pricing_overrides
WHERE superseded_at IS NULL AND until > :at AND until <= :before
    [provider: AND provider = :provider]
    [model: AND model = :model]
ORDER BY until, provider, model, meter, layer;

-- name: knows_provider
-- Whether anything of a provider is stored: a model that it listed, or a person's rate.
SELECT 1 WHERE EXISTS (SELECT 1 FROM pricing_models WHERE provider = :provider)
    OR EXISTS (SELECT 1 FROM pricing_overrides WHERE provider = :provider);

-- name: catalog_has
-- Whether the models.dev catalog has a provider: by its last reading, or by a price from there.
SELECT 1 WHERE
    EXISTS (
        SELECT 1 FROM pricing_references WHERE catalog = 'models.dev' AND provider = :provider
    )
    OR EXISTS (
        SELECT 1 FROM pricing_ledger WHERE provider = :provider AND source = 'catalog'
    );

-- name: overridden_providers
-- The providers with a person's rates in force or to come.
SELECT DISTINCT provider FROM pricing_overrides
WHERE superseded_at IS NULL AND (until IS NULL OR until > :at)
ORDER BY provider;

-- name: revision
SELECT value FROM pricing_counters WHERE name = 'revision' AND labels = '{}';

-- name: cards_ahead
-- Cards in force that a clock that was ahead has dated: how many, and the latest.
SELECT provider, COUNT(*), MAX(since) FROM pricing_ledger
WHERE superseded_at IS NULL AND until IS NULL AND since > :now AND since <= recorded_at
GROUP BY provider;

-- name: last_override_layer
SELECT COALESCE(MAX(layer), 0) FROM pricing_overrides
WHERE provider = :provider AND model = :model;

-- name: supersede_override
UPDATE pricing_overrides SET superseded_at = :recorded_at
WHERE id = :id AND superseded_at IS NULL;

-- name: add_override
INSERT INTO pricing_overrides ({override}) VALUES ({override_places});
