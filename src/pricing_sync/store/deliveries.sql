-- The queries of the endpoints and their queues.

-- name: note_endpoint
INSERT INTO pricing_endpoints (name, since, settings, delivered, failed, failures)
VALUES (:name, :now, :settings, 0, 0, 0)
ON CONFLICT (name) DO UPDATE
SET settings = excluded.settings, disabled_at = NULL, paused_until = NULL
WHERE pricing_endpoints.settings <> excluded.settings;

-- name: endpoints
SELECT name, since, disabled_at, delivered, failed, last_delivered_at, failures, error,
    paused_until
FROM pricing_endpoints;

-- name: fingerprints
SELECT name, settings FROM pricing_endpoints;

-- name: count_waiting
SELECT endpoint, COUNT(*), MIN(queued_at) FROM pricing_deliveries
WHERE state = 'waiting'
GROUP BY endpoint;

-- name: count_dead
SELECT endpoint, COUNT(*) FROM pricing_deliveries WHERE state = 'dead' GROUP BY endpoint;

-- name: new_events
SELECT id, kind, provider, created_at, payload FROM pricing_outbox
WHERE queued_at IS NULL
ORDER BY created_at, id
LIMIT :limit;

-- name: mark_queued
UPDATE pricing_outbox SET queued_at = :now WHERE id = :id;

-- name: queue
INSERT INTO pricing_deliveries (endpoint, event_id, state, queued_at, attempts, next_at)
VALUES (:endpoint, :event_id, 'waiting', :now, 0, :now)
ON CONFLICT (endpoint, event_id) DO NOTHING;

-- name: due
-- A time after :horizon was written before the clock was set back.
SELECT DISTINCT d.endpoint FROM pricing_deliveries d
JOIN pricing_endpoints e ON e.name = d.endpoint
WHERE d.state = 'waiting' AND (d.next_at <= :now OR d.next_at > :horizon)
    AND (e.paused_until IS NULL OR e.paused_until <= :now OR e.paused_until > :horizon);

-- name: next
SELECT d.endpoint, d.state, d.queued_at, d.attempts, d.next_at, d.ended_at, d.error,
    o.id, o.kind, o.provider, o.created_at, o.payload
FROM pricing_deliveries d
JOIN pricing_outbox o ON o.id = d.event_id
WHERE d.endpoint = :endpoint AND d.state = 'waiting'
    AND (d.next_at <= :now OR d.next_at > :horizon)
ORDER BY d.next_at, o.created_at, o.id
LIMIT 1;

-- name: end
UPDATE pricing_deliveries
SET state = :state, attempts = attempts + 1, ended_at = :now, error = :error
WHERE endpoint = :endpoint AND event_id = :event_id;

-- name: retry
UPDATE pricing_deliveries SET attempts = attempts + 1, next_at = :next_at, error = :error
WHERE endpoint = :endpoint AND event_id = :event_id AND state = 'waiting';

-- name: expire
UPDATE pricing_deliveries SET state = 'dead', ended_at = :now, error = :error
WHERE endpoint = :endpoint AND state = 'waiting' AND queued_at <= :before;

-- name: endpoint_delivered
UPDATE pricing_endpoints
SET delivered = delivered + 1, last_delivered_at = :now, failures = 0, error = NULL,
    paused_until = NULL
WHERE name = :name;

-- name: endpoint_failed
UPDATE pricing_endpoints
SET failed = failed + 1, failures = failures + 1, error = :error, paused_until = :paused_until
WHERE name = :name;

-- name: hurry
UPDATE pricing_deliveries SET next_at = :now
WHERE endpoint = :endpoint AND state = 'waiting' AND next_at > :now;

-- name: disable
UPDATE pricing_endpoints SET disabled_at = :now WHERE name = :name;

-- name: enable
UPDATE pricing_endpoints SET disabled_at = NULL, paused_until = NULL WHERE name = :name;

-- name: dead
SELECT d.endpoint, d.state, d.queued_at, d.attempts, d.next_at, d.ended_at, d.error,
    o.id, o.kind, o.provider, o.created_at, o.payload
FROM pricing_deliveries d
JOIN pricing_outbox o ON o.id = d.event_id
WHERE d.endpoint = :endpoint AND d.state = 'dead'
ORDER BY d.ended_at DESC
LIMIT :limit;

-- name: event
SELECT 1 FROM pricing_outbox WHERE id = :id;

-- name: replay_dead
UPDATE pricing_deliveries
SET state = 'waiting', queued_at = :now, attempts = 0, next_at = :now, ended_at = NULL
WHERE endpoint = :endpoint AND state = 'dead';

-- name: replay
INSERT INTO pricing_deliveries (endpoint, event_id, state, queued_at, attempts, next_at)
VALUES (:endpoint, :event_id, 'waiting', :now, 0, :now)
ON CONFLICT (endpoint, event_id) DO UPDATE
SET state = 'waiting', queued_at = excluded.queued_at, attempts = 0, next_at = excluded.next_at,
    ended_at = NULL;
