-- The queries of the review. One SQL for SQLite (3.38 and later) and PostgreSQL.

-- name: held_changes
-- Held changes with the reading that first contained them.
SELECT h.id, h.reading_id, h.provider, h.model, h.kind, h.old, h.new, h.reasons, h.since, h.state,
    h.decided_at, h.decided_by, h.decision, COALESCE(r.source, 'api'), COALESCE(r.url, ''),
    r.digest, COALESCE(r.listings, '{}'), h.starts_at
FROM pricing_held h
LEFT JOIN pricing_readings r ON r.id = h.reading_id
WHERE 1 = 1 [provider: AND h.provider = :provider]
    [state: AND h.state = :state]
    [id: AND h.id = :id]
ORDER BY h.provider, h.since, h.reading_id, h.model;

-- name: current_cards
-- Every model of a provider with its card in force, or with its last card when it is retired.
SELECT m.model, l.since, l.until, m.retired_at, {card}
FROM pricing_models m
LEFT JOIN pricing_ledger l
    ON l.provider = m.provider AND l.model = m.model AND (
        (l.superseded_at IS NULL AND l.until IS NULL AND m.retired_at IS NULL AND {in_force})
        OR (l.superseded_at IS NULL AND l.until > :at AND m.retired_at IS NULL AND {in_force})
        OR (l.superseded_at IS NULL AND l.until = m.retired_at)
    )
WHERE m.provider = :provider;

-- name: supersede_open_card
UPDATE pricing_ledger SET superseded_at = :recorded_at
WHERE provider = :provider AND model = :model AND superseded_at IS NULL AND until IS NULL;

-- name: close_card
-- The card just superseded gets a closed row, which ends when the accepted change was first read.
INSERT INTO pricing_ledger (
    card_id, provider, model, since, until, recorded_at, source, url, reading_id, digest, {values}
)
SELECT card_id, provider, model, since, :since, :recorded_at, source, url, reading_id, digest,
    {values}
FROM pricing_ledger
WHERE provider = :provider AND model = :model AND superseded_at = :recorded_at;

-- name: add_card
INSERT INTO pricing_ledger (
    card_id, provider, model, since, recorded_at, source, url, reading_id, digest, {values}
)
VALUES (
    :card_id, :provider, :model, :since, :recorded_at, :source, :url, :reading_id, :digest, {places}
);

-- name: mark_listed
-- The last reading lists the accepted change: otherwise it would not be open any more.
UPDATE pricing_models
SET missing_since = NULL, retired_at = NULL, state = 'confirmed', confirmed_at = NULL
WHERE provider = :provider AND model = :model;

-- name: mark_retired
UPDATE pricing_models
SET missing_since = COALESCE(missing_since, :since), retired_at = :since, state = 'retired'
WHERE provider = :provider AND model = :model;

-- name: mark_rejected
UPDATE pricing_models SET state = 'rejected' WHERE provider = :provider AND model = :model;

-- name: decide
UPDATE pricing_held
SET state = :state, decided_at = :at, decided_by = :author, decision = :reason
WHERE id = :id AND state = 'open';

-- name: add_event
INSERT INTO pricing_outbox (id, kind, created_at, payload)
VALUES (:id, :kind, :created_at, :payload);

-- name: announce
INSERT INTO pricing_announced (
    id, provider, model, meter, condition, old, new, not_before, author, reason, recorded_at
)
VALUES (
    :id, :provider, :model, :meter, :condition, :old, :new, :not_before, :author, :reason,
    :recorded_at
);

-- name: announcements
SELECT {announcement} FROM pricing_announced
WHERE 1 = 1 [provider: AND provider = :provider]
    [id: AND id = :id]
    [open_only: AND used_at IS NULL AND ended_at IS NULL]
ORDER BY provider, model, not_before, id;

-- name: end_announcement
UPDATE pricing_announced SET ended_at = :at
WHERE id = :id AND used_at IS NULL AND ended_at IS NULL;

-- name: consume_announcement
-- Each move has at most one open row: see the index pricing_announced_open.
UPDATE pricing_announced SET used_at = :at, used_by = :reading_id
WHERE id = :id AND used_at IS NULL AND ended_at IS NULL;

-- name: add_audit_entry
INSERT INTO pricing_audit (id, at, who, action, provider, model, subject, what, reason)
VALUES (:id, :at, :who, :action, :provider, :model, :subject, :what, :reason);

-- name: decisions_since
-- The number of decisions of people about a provider since an instant.
SELECT COUNT(*) FROM pricing_audit WHERE provider = :provider AND at > :at AND who <> 'reading';

-- name: decision_count
-- The number of entries in the audit log about a provider.
SELECT COUNT(*) FROM pricing_audit WHERE provider = :provider;

-- name: reconsider
UPDATE pricing_held SET state = 'lapsed'
WHERE provider = :provider AND model = :model AND state = 'rejected';

-- name: audit_log
SELECT id, at, who, action, provider, model, subject, what, reason
FROM pricing_audit
WHERE 1 = 1 [before: AND id < :before]
ORDER BY id DESC
LIMIT :limit;
