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
