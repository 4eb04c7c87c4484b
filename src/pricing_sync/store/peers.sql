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
-- The prices of the catalogs under each key of a JSON list.
SELECT r.peer_key, r.lineage, r.catalog, r.currency, {rates}
FROM json_each(:keys) k
CROSS JOIN pricing_references r
WHERE r.peer_key = k.value AND r.lineage <> :lineage
ORDER BY r.catalog, r.provider, r.model;

-- name: references [postgres]
SELECT r.peer_key, r.lineage, r.catalog, r.currency, {rates}
FROM jsonb_array_elements_text(CAST(:keys AS jsonb)) AS k (value)
JOIN pricing_references r ON r.peer_key = k.value
WHERE r.lineage <> :lineage
ORDER BY r.catalog, r.provider, r.model;

-- name: cards_of_others
-- The cards in force of every other provider for models with a name of a JSON list: the last part
-- of an id, in lower case, by the index of that. A card without a text price is no peer.
SELECT l.provider, l.model, l.currency, {rates}
FROM json_each(:names) n
CROSS JOIN pricing_models m
CROSS JOIN pricing_ledger l
WHERE lower(replace(m.model, rtrim(m.model, replace(m.model, '/', '')), '')) = n.value
    AND m.provider <> :provider
    AND l.provider = m.provider AND l.model = m.model AND {current}
    AND (l.input > 0 OR l.output > 0)
ORDER BY l.provider, l.model;

-- name: cards_of_others [postgres]
SELECT l.provider, l.model, l.currency, {rates}
FROM jsonb_array_elements_text(CAST(:names AS jsonb)) AS n (value)
JOIN pricing_models m ON lower(split_part(m.model, '/', -1)) = n.value
CROSS JOIN LATERAL (
    SELECT * FROM pricing_ledger c
    WHERE c.provider = m.provider AND c.model = m.model
        AND c.superseded_at IS NULL AND c.until IS NULL
    UNION ALL
    SELECT * FROM pricing_ledger c
    WHERE c.provider = m.provider AND c.model = m.model
        AND c.superseded_at IS NULL AND c.until > :now AND c.until > c.recorded_at
) l
WHERE m.provider <> :provider AND {begun} AND (l.input > 0 OR l.output > 0)
ORDER BY l.provider, l.model;
