-- What the last successful reading says of each model's price, and when a price that it does not
-- confirm was last confirmed. Written when the state changes, so a confirmed model costs no write:
-- it was last confirmed by the last successful reading of its provider.
ALTER TABLE pricing_models ADD COLUMN state TEXT NOT NULL DEFAULT 'confirmed';
-- NULL while the price is confirmed, and for a model whose price never was.
ALTER TABLE pricing_models ADD COLUMN confirmed_at TEXT;

UPDATE pricing_models SET state = 'unreadable' WHERE unreadable IS NOT NULL;

UPDATE pricing_models SET state = 'held', confirmed_at = (
    SELECT MAX(r.at) FROM pricing_readings r
    JOIN pricing_held h ON h.provider = r.provider
    WHERE r.provider = pricing_models.provider AND h.model = pricing_models.model
        AND h.state = 'open' AND r.status <> 'failed' AND r.dry_run = 0
        AND r.at < h.since AND r.at >= pricing_models.first_seen
)
WHERE EXISTS (
    SELECT 1 FROM pricing_held h
    WHERE h.provider = pricing_models.provider AND h.model = pricing_models.model
        AND h.state = 'open'
);

UPDATE pricing_models SET
    state = CASE WHEN retired_at IS NULL THEN 'missing' ELSE 'retired' END,
    confirmed_at = (
        SELECT MAX(r.at) FROM pricing_readings r
        WHERE r.provider = pricing_models.provider AND r.status <> 'failed' AND r.dry_run = 0
            AND r.at < COALESCE(pricing_models.missing_since, pricing_models.retired_at)
            AND r.at >= pricing_models.first_seen
    )
WHERE (missing_since IS NOT NULL OR retired_at IS NOT NULL) AND state = 'confirmed';
