-- The queries of the outbox.

-- name: add_event
INSERT INTO pricing_outbox (id, kind, created_at, payload)
VALUES (:id, 'prices.changed', :created_at, :payload);

-- name: last_reported
SELECT MAX(r.at) FROM pricing_readings r
JOIN pricing_outbox o ON o.id = r.id || '-prices'
WHERE r.provider = :provider;

-- name: pending_events
SELECT id, kind, payload
FROM pricing_outbox
WHERE delivered_at IS NULL
ORDER BY created_at, id
LIMIT :limit;
