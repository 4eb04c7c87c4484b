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
-- The newest read of each catalog, and before it the newest that did not fail: a seek for each.
WITH RECURSIVE catalogs (name) AS (
    SELECT MIN(catalog) FROM pricing_reference_reads
    UNION ALL
    SELECT (SELECT MIN(r.catalog) FROM pricing_reference_reads r WHERE r.catalog > catalogs.name)
    FROM catalogs
    WHERE catalogs.name IS NOT NULL
)
SELECT {read}
FROM catalogs
JOIN pricing_reference_reads r ON r.catalog = catalogs.name AND r.at IN (
    (
        SELECT n.at FROM pricing_reference_reads n
        WHERE n.catalog = catalogs.name
        ORDER BY n.at DESC LIMIT 1
    ),
    (
        SELECT n.at FROM pricing_reference_reads n
        WHERE n.catalog = catalogs.name AND n.status <> 'failed'
        ORDER BY n.at DESC LIMIT 1
    )
)
ORDER BY catalog, at;

-- name: references
SELECT peer_key, lineage, catalog, currency, {rates}
FROM pricing_references
WHERE lineage <> :lineage
    [key: AND peer_key = :key]
ORDER BY catalog, provider, model;

-- name: cards_of_others
-- The cards in force of every other provider. A card without a text price is no peer.
SELECT provider, model, currency, {rates}
FROM {not_ended} l
WHERE {begun} AND provider <> :provider
    AND (input > 0 OR output > 0)
ORDER BY provider, model;
