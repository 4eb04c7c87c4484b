-- The queries of the held changes. One SQL for SQLite (3.38 and later) and PostgreSQL.

-- name: held_changes
-- Held changes with the reading that first contained them.
SELECT h.id, h.reading_id, h.provider, h.model, h.kind, h.old, h.new, h.reasons, h.since, h.state,
    h.decided_at, h.decided_by, h.decision, COALESCE(r.source, 'api'), COALESCE(r.url, ''),
    r.digest, COALESCE(r.listings, '{}'), h.starts_at,
    COALESCE(h.waits_since, h.since)
FROM pricing_held h
LEFT JOIN pricing_readings r ON r.id = h.reading_id
WHERE 1 = 1 [provider: AND h.provider = :provider]
    [state: AND h.state = :state]
    [id: AND h.id = :id]
ORDER BY h.provider, h.since, h.reading_id, h.model;

-- name: reconsider
UPDATE pricing_held SET state = 'lapsed'
WHERE provider = :provider AND model = :model AND state = 'rejected';

-- name: held_counts
-- The number of held changes of each provider, and since when the first of their models waits.
SELECT provider, COUNT(*), MIN(COALESCE(waits_since, since)) FROM pricing_held
WHERE state = 'open'
GROUP BY provider;

-- name: begun_unseen
-- Whether a held or rejected change is for an instant that has come since another.
SELECT 1 FROM pricing_held
WHERE provider = :provider AND starts_at > :since AND starts_at <= :at LIMIT 1;

-- name: hold
INSERT INTO pricing_held (
    id, reading_id, provider, model, kind, old, new, reasons, since, waits_since, starts_at, state
)
VALUES (
    :id, :reading_id, :provider, :model, :kind, :old, :new, :reasons, :since, :waits_since,
    :starts_at, 'open'
);

-- name: close
UPDATE pricing_held
SET state = :state, decided_at = :at, decided_by = :author, decision = :reason
WHERE id = :id AND state = 'open';
