-- The queries of the peer table, by name.

-- name: delete_references
DELETE FROM pricing_references WHERE catalog = :catalog;

-- name: add_reference
INSERT INTO pricing_references (
    catalog, provider, model, peer_key, lineage, currency, {rates}, read_at
)
VALUES (:catalog, :provider, :model, :peer_key, :lineage, :currency, {places}, :read_at);

-- name: add_read
INSERT INTO pricing_reference_reads ({read}) VALUES ({read_places});

-- name: last_reads
-- The newest read of each catalog, and before it the newest that did not fail.
SELECT {read}
FROM pricing_reference_reads r
WHERE at = (SELECT MAX(at) FROM pricing_reference_reads n WHERE n.catalog = r.catalog)
    OR at = (
        SELECT MAX(at) FROM pricing_reference_reads n
        WHERE n.catalog = r.catalog AND n.status <> 'failed'
    )
ORDER BY catalog, at;

-- name: references
SELECT peer_key, lineage, catalog, currency, {rates}
FROM pricing_references
WHERE lineage <> :lineage
ORDER BY catalog, provider, model;

-- name: cards_of_others
-- The cards in force of every other provider. A card without a text price is no peer.
SELECT provider, model, currency, {rates}
FROM pricing_ledger
WHERE superseded_at IS NULL AND until IS NULL AND provider <> :provider
    AND (input > 0 OR output > 0)
ORDER BY provider, model;
