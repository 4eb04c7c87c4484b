-- The queries of other names and of the ends of models, by name.

-- name: aliases
-- The names that are published now.
SELECT provider, alias, model FROM pricing_aliases
WHERE until IS NULL
    [provider: AND provider = :provider]
    [alias: AND alias = :alias];

-- name: aliases_at
-- The names that were published at an instant.
SELECT provider, alias, model FROM pricing_aliases
WHERE since <= :at AND (until IS NULL OR until > :at);

-- name: target_at
SELECT model FROM pricing_aliases
WHERE provider = :provider AND alias = :alias
    AND since <= :at AND (until IS NULL OR until > :at);

-- name: end_alias
UPDATE pricing_aliases SET until = :at
WHERE provider = :provider AND alias = :alias AND until IS NULL;

-- name: add_alias
INSERT INTO pricing_aliases (provider, alias, model, since)
VALUES (:provider, :alias, :model, :at)
ON CONFLICT (provider, alias, since) DO UPDATE SET model = excluded.model, until = NULL;

-- name: notices
SELECT provider, model, ends_on, deprecated, replaced_by FROM pricing_notices
WHERE 1 = 1 [provider: AND provider = :provider]
    [model: AND model = :model];

-- name: ending
-- What ends between two days, the first first, without the models that are retired.
SELECT n.provider, n.model, n.ends_on, n.deprecated, n.replaced_by
FROM pricing_notices n
JOIN pricing_models m ON m.provider = n.provider AND m.model = n.model AND m.retired_at IS NULL
WHERE n.ends_on BETWEEN :first AND :last
ORDER BY n.ends_on, n.provider, n.model;

-- name: delete_notice
DELETE FROM pricing_notices WHERE provider = :provider AND model = :model;

-- name: add_notice
INSERT INTO pricing_notices (provider, model, ends_on, deprecated, replaced_by)
VALUES (:provider, :model, :ends_on, :deprecated, :replaced_by);
