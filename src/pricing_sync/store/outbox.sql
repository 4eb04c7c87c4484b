-- The queries of the outbox.

-- name: revision
SELECT value FROM pricing_counters WHERE name = 'revision' AND labels = '{}';

-- name: add_event
INSERT INTO pricing_outbox (id, kind, provider, created_at, payload)
VALUES (:id, :kind, :provider, :created_at, :payload);

-- name: event
SELECT 1 FROM pricing_outbox WHERE id = :id;

-- name: last_reported
SELECT r.at FROM pricing_readings r
JOIN pricing_outbox o ON o.id = r.id || '-prices'
WHERE r.provider = :provider AND r.status IN ('read', 'unchanged') AND r.dry_run = 0
ORDER BY r.at DESC
LIMIT 1;

-- name: pending_events
SELECT id, kind, payload
FROM pricing_outbox
WHERE queued_at IS NULL
ORDER BY created_at, id
LIMIT :limit;

-- name: events_since
SELECT id, kind, payload
FROM pricing_outbox
WHERE created_at >= :since AND kind = :kind
ORDER BY created_at, id;
