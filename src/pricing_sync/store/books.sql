-- The queries of the price book.

-- name: revision_id
-- The newest revision, and its token if this version of the program made it.
SELECT c.value, (SELECT MAX(r.token) FROM pricing_revisions r WHERE r.revision = c.value)
FROM pricing_counters c WHERE c.name = 'revision' AND c.labels = '{}';

-- name: revisions_from
SELECT revision, provider, token FROM pricing_revisions WHERE revision >= :first
ORDER BY revision LIMIT :limit;

-- name: cards_of_book
-- The cards in force, and those that are scheduled.
SELECT {statement} FROM {not_ended} l
WHERE 1 = 1 [provider: AND l.provider = :provider]
ORDER BY l.provider, l.model;

-- name: cards_since
-- The cards that were in force since an instant, as known now.
SELECT {statement} FROM pricing_ledger l
WHERE l.superseded_at IS NULL AND l.until IS NULL
UNION ALL
SELECT {statement} FROM pricing_ledger l
WHERE l.superseded_at IS NULL AND l.until IS NOT NULL AND l.until > :since;

-- name: overrides_since
-- The overrides that were in force since an instant, or begin later.
SELECT {override} FROM pricing_overrides
WHERE superseded_at IS NULL AND (until IS NULL OR until > :since)
ORDER BY provider, model, meter, since, layer;

-- name: overrides_of_book
-- Overrides that end after the card in force began or, without such a card, after :at.
SELECT {override} FROM pricing_overrides o
WHERE superseded_at IS NULL AND (
    until IS NULL OR until > COALESCE(
        (
            SELECT CASE WHEN MIN(l.since) < :at THEN MIN(l.since) ELSE :at END
            FROM pricing_ledger l
            WHERE l.provider = o.provider AND l.model = o.model
                AND l.superseded_at IS NULL AND (l.until IS NULL OR l.until > :at)
        ),
        :at
    )
) [provider: AND o.provider = :provider]
ORDER BY provider, model, meter, since, layer;

