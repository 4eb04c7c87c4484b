-- The queries of the prices that are published for later.

-- name: later
-- The cards that begin after an instant, the next one first. `|| ''` makes SQLite search by the
-- instant, after which little begins, and not by the provider.
SELECT l.model, l.since, {card} FROM pricing_ledger l
WHERE l.superseded_at IS NULL AND l.since > :at AND NOT (l.since > :now AND l.since <= l.recorded_at)
    AND l.provider || '' = :provider
ORDER BY l.since;

-- name: changes_later
-- The same, in the order in which they begin, each with the card before it.
SELECT l.since, l.provider, l.model, {card}, {before} FROM pricing_ledger l
LEFT JOIN pricing_ledger p
    ON p.provider = l.provider AND p.model = l.model AND p.superseded_at IS NULL
    AND p.until = l.since
WHERE l.superseded_at IS NULL AND l.since > :at AND l.since > l.recorded_at
    [before: AND l.since <= :before]
    [provider: AND l.provider = :provider]
    [model: AND l.model = :model]
ORDER BY l.since, l.provider, l.model
LIMIT :limit;

-- name: clear_touched
DELETE FROM pricing_touched;

-- name: add_touched
INSERT INTO pricing_touched (model) VALUES (:model);

-- name: not_ended_at
-- The cards of the touched models that have not ended at an instant, the first one first.
SELECT {statement} FROM pricing_ledger l
WHERE l.provider = :provider AND l.superseded_at IS NULL AND (l.until IS NULL OR l.until > :at)
    AND l.model IN (SELECT model FROM pricing_touched)
ORDER BY l.model, l.since;

-- name: supersede
UPDATE pricing_ledger SET superseded_at = :recorded_at
WHERE card_id = :card_id AND superseded_at IS NULL;

-- name: add_card
INSERT INTO pricing_ledger ({columns}) VALUES ({places});

-- name: begun_unseen
-- Whether a held or rejected change is for an instant that has come since another.
SELECT 1 FROM pricing_held
WHERE provider = :provider AND starts_at > :since AND starts_at <= :at LIMIT 1;

-- name: lapse_later
UPDATE pricing_held SET state = 'lapsed', decided_at = :at, decided_by = 'reading', decision = :why
WHERE provider = :provider AND model = :model AND starts_at = :starts_at AND state = 'open';

-- name: release_later
UPDATE pricing_held
SET state = 'released', decided_at = :at, decided_by = 'gate',
    decision = 'unchanged since it was held, and supported by peers'
WHERE provider = :provider AND model = :model AND starts_at = :starts_at AND state = 'open';
