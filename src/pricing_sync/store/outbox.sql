-- The queries of the outbox.

-- name: add_event
INSERT INTO pricing_outbox (id, kind, created_at, payload)
VALUES (:id, :kind, :created_at, :payload);

-- name: last_reported
SELECT r.at FROM pricing_readings r
JOIN pricing_outbox o ON o.id = r.id || '-prices'
WHERE r.provider = :provider AND r.status IN ('read', 'unchanged') AND r.dry_run = 0
ORDER BY r.at DESC
LIMIT 1;

-- name: pending_events
SELECT id, kind, payload
FROM pricing_outbox
WHERE delivered_at IS NULL
ORDER BY created_at, id
LIMIT :limit;
