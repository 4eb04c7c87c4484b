-- The queries of usage, by name.

-- name: since
SELECT {columns} FROM pricing_usage
WHERE hour >= :since
    [provider: AND provider = :provider]
    [model: AND model = :model]
    [unpriced_only: AND reason <> '']
    [reported_only: AND reported_currency <> ''];

-- name: unpriced_models
-- In the order of the hours: sorted by provider, all hours would be read.
SELECT provider, model FROM pricing_usage WHERE hour >= :since AND reason <> '';

-- name: reported_costs
SELECT provider, model, currency, cost, reported_cost FROM pricing_usage
WHERE hour >= :since AND reported_currency <> '' AND currency = reported_currency;

-- name: one
SELECT {columns} FROM pricing_usage WHERE {is_key};

-- name: put
INSERT INTO pricing_usage ({columns}) VALUES ({places})
ON CONFLICT ({key}) DO UPDATE
SET requests = excluded.requests, quantities = excluded.quantities, cost = excluded.cost,
    reported_cost = excluded.reported_cost, detail = excluded.detail;

-- name: batch
SELECT digest, receipt FROM pricing_usage_batches WHERE key = :key;

-- name: add_batch
INSERT INTO pricing_usage_batches (key, digest, received_at, receipt)
VALUES (:key, :digest, :received_at, :receipt);
