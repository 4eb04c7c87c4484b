-- The queries of the prices that are published for later.

-- name: changes_later
-- The cards that begin after an instant, in the order in which they do, each with the card before
-- it.
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

-- name: begun_later
-- The cards in force that began between two instants, and were scheduled until then, each with the
-- card before it. A card that is to end has a newer row than the one that was scheduled.
SELECT l.reading_id, l.since, l.provider, l.model, {card}, {before} FROM pricing_ledger l
LEFT JOIN pricing_ledger p
    ON p.provider = l.provider AND p.model = l.model AND p.superseded_at IS NULL
    AND p.until = l.since
WHERE l.superseded_at IS NULL AND l.since > :after AND l.since <= :at
    AND (l.until IS NULL OR l.until > :at)
    AND EXISTS (
        SELECT 1 FROM pricing_ledger s
        WHERE s.provider = l.provider AND s.model = l.model AND s.since = l.since
            AND s.since > s.recorded_at
            AND (s.superseded_at IS NULL OR s.superseded_at >= s.since)
    )
ORDER BY l.since, l.provider, l.model;
