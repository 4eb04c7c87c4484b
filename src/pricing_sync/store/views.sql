-- Views for people who query in SQL, under the names of the reference system. Prices are exact
-- decimals in the currency per single unit; NULL means that the price is not known. The braces
-- are replaced: each database has its own SQL for decimals and for the current time.
DROP VIEW IF EXISTS model_pricing;

CREATE VIEW model_pricing AS
WITH overridden AS (
    SELECT provider, model, MAX(currency) AS currency, MAX(since) AS since,
        MAX(recorded_at) AS recorded_at,
        {overridden}
    FROM pricing_overrides
    WHERE superseded_at IS NULL
        -- A clock that was ahead may have dated what was set or ended already.
        AND (since <= {now} OR since <= recorded_at)
        AND (until IS NULL OR (until > {now} AND until > recorded_at))
    GROUP BY provider, model
), listed AS (
    SELECT * FROM pricing_ledger WHERE superseded_at IS NULL AND until IS NULL
), names AS (
    SELECT provider, model FROM listed UNION SELECT provider, model FROM overridden
), effective AS (
    SELECT n.provider, n.model, COALESCE(o.currency, l.currency) AS currency,
        CASE WHEN o.model IS NULL THEN l.unpriced END AS unpriced,
        CASE WHEN o.model IS NULL THEN l.source ELSE 'override' END AS source,
        COALESCE(o.since, l.since) AS since,
        COALESCE(o.recorded_at, l.recorded_at) AS recorded_at,
        l.overrides AS overrides,
        {effective}
    FROM names n
    LEFT JOIN listed l ON l.provider = n.provider AND l.model = n.model
    LEFT JOIN overridden o ON o.provider = n.provider AND o.model = n.model
)
SELECT provider, model, currency,
    {prices},
    overrides AS conditional_prices, unpriced, source, since, recorded_at
FROM effective;

DROP VIEW IF EXISTS model_pricing_history;

CREATE VIEW model_pricing_history AS
SELECT provider, model, currency, since, until, recorded_at, superseded_at,
    {prices},
    overrides AS conditional_prices, unpriced, source, url, reading_id, digest
FROM pricing_ledger;

DROP VIEW IF EXISTS pricing_sync_log;

CREATE VIEW pricing_sync_log AS
SELECT r.id, r.run_id, r.provider, u.started_by, r.started_at, r.finished_at, r.status,
    r.dry_run, r.listings, r.changes, r.error_kind, r.error, r.url, r.digest
FROM pricing_readings r
JOIN pricing_runs u ON u.id = r.run_id;
