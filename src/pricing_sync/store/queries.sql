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

-- name: delete_evidence
DELETE FROM pricing_evidence WHERE last_used_at < :before;

-- name: evidence
SELECT body FROM pricing_evidence WHERE digest = :digest;

-- name: add_reading
INSERT INTO pricing_readings ({reading}) VALUES ({reading_places});

-- name: runs
SELECT {run} FROM pricing_runs r
WHERE (CAST(:before AS TEXT) IS NULL OR r.id < :before) AND {run_filter}
ORDER BY r.id DESC
LIMIT :limit;

-- name: readings_of_runs
SELECT {reading} FROM pricing_readings
WHERE run_id >= :first AND run_id <= :last AND run_id IN (
    SELECT r.id FROM pricing_runs r WHERE r.id >= :first AND r.id <= :last AND {run_filter}
)
ORDER BY run_id, started_at, id;

-- name: failing
-- The newest failed reading of each provider, unless a newer one replaces it: another failure, or
-- one that was skipped or a success, and is not a dry run. Cancelled readings are ignored.
SELECT {reading} FROM pricing_readings f
WHERE f.status = 'failed' AND f.error_kind <> 'cancelled' AND NOT EXISTS (
    SELECT 1 FROM pricing_readings n
    WHERE n.provider = f.provider AND n.at > f.at
        AND ((n.status = 'failed' AND n.error_kind <> 'cancelled')
            OR (n.status IN ('read', 'unchanged') AND n.dry_run = 0))
);

-- name: latest_successes
-- The newest successful reading of each provider: when it ended, and when its answer was given.
SELECT r.provider, r.finished_at, r.at
FROM (SELECT DISTINCT provider FROM pricing_readings) p
JOIN pricing_readings r ON r.id = (
    SELECT n.id FROM pricing_readings n
    WHERE n.provider = p.provider AND n.status IN ('read', 'unchanged') AND n.dry_run = 0
    ORDER BY n.at DESC, n.id DESC
    LIMIT 1
);

-- name: skipped
-- The reason of each provider whose newest reading was skipped.
SELECT s.provider, s.error FROM pricing_readings s
WHERE s.status = 'skipped' AND NOT EXISTS (
    SELECT 1 FROM pricing_readings n WHERE n.provider = s.provider AND n.at > s.at
);

-- name: unread_keys
-- The price keys that the newest success of each provider did not read.
SELECT r.provider, r.ignored FROM pricing_readings r
JOIN (
    SELECT provider, MAX(at) AS at FROM pricing_readings
    WHERE status IN ('read', 'unchanged') AND dry_run = 0
    GROUP BY provider
) newest ON newest.provider = r.provider AND newest.at = r.at
WHERE r.status IN ('read', 'unchanged') AND r.dry_run = 0
ORDER BY r.provider, r.id;

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
    ON l.provider = m.provider AND l.model = m.model
    AND l.superseded_at IS NULL AND l.until IS NULL
LEFT JOIN pricing_notices n ON n.provider = m.provider AND n.model = m.model
GROUP BY m.provider, m.state;

-- name: cards_at
-- The cards in force at an instant, as known at another.
SELECT {statement} FROM pricing_ledger l
WHERE {in_force}
    AND (CAST(:provider AS TEXT) IS NULL OR l.provider = :provider)
    AND (CAST(:model AS TEXT) IS NULL OR l.model = :model)
ORDER BY l.provider, l.model;

-- name: current_cards
-- The cards in force, as known now.
SELECT {statement} FROM pricing_ledger l
WHERE l.superseded_at IS NULL AND l.until IS NULL
    AND (CAST(:provider AS TEXT) IS NULL OR l.provider = :provider)
    AND (CAST(:model AS TEXT) IS NULL OR l.model = :model)
ORDER BY l.provider, l.model;

-- name: history
-- Every card of a model as known now, oldest first; with :all, superseded rows too.
SELECT {statement} FROM pricing_ledger l
WHERE l.provider = :provider AND l.model = :model
    AND (:all = 1 OR l.superseded_at IS NULL)
ORDER BY l.since, l.recorded_at;

-- name: model_states
SELECT {model_state} FROM pricing_models m
LEFT JOIN pricing_held h ON {held_or_rejected}
WHERE (CAST(:provider AS TEXT) IS NULL OR m.provider = :provider)
    AND (CAST(:model AS TEXT) IS NULL OR m.model = :model)
    AND (:all = 1 OR m.state <> 'confirmed')
ORDER BY m.provider, m.model;

-- name: overrides_at
SELECT {override} FROM pricing_overrides
WHERE {in_force}
    AND (CAST(:provider AS TEXT) IS NULL OR provider = :provider)
    AND (CAST(:model AS TEXT) IS NULL OR model = :model)
ORDER BY provider, model, meter, layer;

-- name: overrides_not_ended
-- Overrides that are in force or begin later.
SELECT {override} FROM pricing_overrides
WHERE superseded_at IS NULL AND (until IS NULL OR until > :at)
    AND (CAST(:provider AS TEXT) IS NULL OR provider = :provider)
    AND (CAST(:model AS TEXT) IS NULL OR model = :model)
ORDER BY provider, model, meter, since, layer;

-- name: overrides_ending
-- Overrides that end between two instants, the next one first.
SELECT {override} FROM pricing_overrides
WHERE superseded_at IS NULL AND until > :at AND until <= :before
    AND (CAST(:provider AS TEXT) IS NULL OR provider = :provider)
    AND (CAST(:model AS TEXT) IS NULL OR model = :model)
ORDER BY until, provider, model, meter, layer;

-- name: overrides_of_book
-- Overrides that end after the card in force began or, without such a card, after :at.
SELECT {override} FROM pricing_overrides o
WHERE superseded_at IS NULL AND (
    until IS NULL OR until > COALESCE(
        (
            SELECT CASE WHEN l.since < :at THEN l.since ELSE :at END FROM pricing_ledger l
            WHERE l.provider = o.provider AND l.model = o.model
                AND l.superseded_at IS NULL AND l.until IS NULL
        ),
        :at
    )
)
ORDER BY provider, model, meter, since, layer;

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
