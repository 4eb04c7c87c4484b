-- The queries of the held changes. One SQL for SQLite (3.38 and later) and PostgreSQL.

-- name: held_changes
-- Held changes with the reading that first contained them.
SELECT h.id, h.reading_id, h.provider, h.model, h.kind, h.old, h.new, h.reasons, h.since, h.state,
    h.decided_at, h.decided_by, h.decision, COALESCE(r.source, 'api'), COALESCE(r.url, ''),
    r.digest, COALESCE(r.listings, '{}')
FROM pricing_held h
LEFT JOIN pricing_readings r ON r.id = h.reading_id
WHERE (CAST(:provider AS TEXT) IS NULL OR h.provider = :provider)
    AND (CAST(:state AS TEXT) IS NULL OR h.state = :state)
    AND (CAST(:id AS TEXT) IS NULL OR h.id = :id)
ORDER BY h.provider, h.since, h.reading_id, h.model;

-- name: held_counts
-- The number of held changes of each provider, and the start of the oldest.
SELECT provider, COUNT(*), MIN(since) FROM pricing_held WHERE state = 'open' GROUP BY provider;

-- name: hold
INSERT INTO pricing_held (id, reading_id, provider, model, kind, old, new, reasons, since, state)
VALUES (:id, :reading_id, :provider, :model, :kind, :old, :new, :reasons, :since, 'open');

-- name: close
UPDATE pricing_held
SET state = :state, decided_at = :at, decided_by = :author, decision = :reason
WHERE id = :id AND state = 'open';

-- name: reconsider
UPDATE pricing_held SET state = 'lapsed'
WHERE provider = :provider AND model = :model AND state = 'rejected';
