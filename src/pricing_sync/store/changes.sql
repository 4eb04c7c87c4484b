-- What moved in the ledger, newest first.

-- name: begun
-- Each card that began, the card that it replaced at once, and whether the model ever had one.
SELECT l.since, l.provider, l.model, p.card_id IS NOT NULL, {new}, {old}
FROM pricing_ledger l
LEFT JOIN pricing_ledger p
    ON p.provider = l.provider AND p.model = l.model AND p.superseded_at IS NULL
    AND p.until = l.since AND p.since < p.until
WHERE l.superseded_at IS NULL AND l.since >= :since AND (l.until IS NULL OR l.until > l.since)
    AND {begun} AND EXISTS (
        SELECT 1 FROM pricing_ledger e
        WHERE e.provider = l.provider AND e.model = l.model AND e.superseded_at IS NULL
            AND e.since < l.since
    ) [provider: AND l.provider = :provider] [model: AND l.model = :model]
ORDER BY l.since DESC, l.provider DESC, l.model DESC
LIMIT :limit;

-- name: added
-- Each first card of a model. The cross join makes SQLite search model by model.
SELECT l.since, l.provider, l.model, {new}
FROM pricing_models m
CROSS JOIN pricing_ledger l
WHERE l.provider = m.provider AND l.model = m.model AND l.superseded_at IS NULL
    AND l.since >= :since AND (l.until IS NULL OR l.until > l.since) AND {begun} AND l.since = (
        SELECT e.since FROM pricing_ledger e
        WHERE e.provider = m.provider AND e.model = m.model AND e.superseded_at IS NULL
        ORDER BY e.since
        LIMIT 1
    ) [provider: AND l.provider = :provider] [model: AND l.model = :model]
ORDER BY l.since DESC, l.provider DESC, l.model DESC
LIMIT :limit;

-- name: ended
-- Each card that ended without another one in its place.
SELECT l.until, l.provider, l.model, {new}
FROM pricing_ledger l
WHERE l.superseded_at IS NULL AND l.until >= :since AND l.until > l.since
    AND NOT EXISTS (
        SELECT 1 FROM pricing_ledger n
        WHERE n.provider = l.provider AND n.model = l.model AND n.superseded_at IS NULL
            AND n.since = l.until
    ) [provider: AND l.provider = :provider] [model: AND l.model = :model]
ORDER BY l.until DESC, l.provider DESC, l.model DESC
LIMIT :limit;
