-- The queries of the audit.

-- name: open_cards
SELECT {statement} FROM {not_ended} l
WHERE 1 = 1 [provider: AND l.provider = :provider]
ORDER BY l.provider, l.model;

-- name: known_cards
-- Every card as known now, ended ones too, in the order in which they were true.
SELECT {statement} FROM pricing_ledger l
WHERE l.superseded_at IS NULL
    [provider: AND l.provider = :provider]
ORDER BY l.since, l.provider, l.model;

-- name: overlaps
-- Consecutive cards of a model where the second begins before the first ends.
SELECT provider, model, since, until, next_since
FROM (
    SELECT provider, model, since, until,
        LEAD(since) OVER (PARTITION BY provider, model ORDER BY since, until) AS next_since
    FROM pricing_ledger
    WHERE superseded_at IS NULL [provider: AND provider = :provider]
) AS neighbours
WHERE next_since IS NOT NULL AND (until IS NULL OR until > next_since)
ORDER BY provider, model, since;

-- name: open_overrides
SELECT {override} FROM pricing_overrides
WHERE superseded_at IS NULL AND since <= :at AND (until IS NULL OR until > :at)
    [provider: AND provider = :provider]
ORDER BY provider, model, meter;
