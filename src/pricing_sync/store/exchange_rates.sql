-- The queries of exchange rates, by name.

-- name: between
SELECT day, currency, per_euro FROM pricing_exchange_rates
WHERE currency = :currency AND day BETWEEN :first AND :last;

-- name: newest
SELECT currency, MAX(day), per_euro FROM pricing_exchange_rates
GROUP BY currency
ORDER BY currency;

-- name: newest [postgres]
SELECT DISTINCT ON (currency) currency, day, per_euro FROM pricing_exchange_rates
ORDER BY currency, day DESC;

-- name: newest_day
SELECT MAX(day) FROM pricing_exchange_rates WHERE currency = :currency;

-- name: add
INSERT INTO pricing_exchange_rates (currency, day, per_euro, recorded_at)
VALUES (:currency, :day, :per_euro, :recorded_at);
