-- Views for people who query in SQL, under the names of the reference system. Prices are exact
-- decimals in the currency per single unit; NULL means that the price is not known. The braces
-- are replaced: each database has its own SQL for decimals, for JSON and for the current time.

-- name: entries_of_card
JOIN json_each(l.conditional_rates) e

-- name: entries_of_card [postgres]
CROSS JOIN LATERAL
        jsonb_array_elements(l.conditional_rates) WITH ORDINALITY AS e (value, key)

-- name: rates_of_entry
JOIN json_each(c.rates) r

-- name: rates_of_entry [postgres]
CROSS JOIN LATERAL jsonb_each_text(c.rates) AS r (key, value)

-- name: rate_text
RTRIM(RTRIM(printf('%d.%09d', u.rate / 1000000000, u.rate % 1000000000), '0'), '.')

-- name: rate_text [postgres]
CAST(trim_scale(u.rate * 0.000000001) AS text)

-- name: object_of
json_group_object

-- name: object_of [postgres]
jsonb_object_agg

-- name: list_of_entries
json_group_array(json_object('rates', json(rates), 'when', json(condition)))

-- name: list_of_entries [postgres]
jsonb_agg(jsonb_build_object('rates', rates, 'when', condition) ORDER BY place)

-- name: views
DROP VIEW IF EXISTS model_pricing;

CREATE VIEW model_pricing AS
WITH listed AS (
    -- What is scheduled is in force from its instant on, until the next one.
    SELECT * FROM pricing_ledger
    WHERE superseded_at IS NULL AND until IS NULL
        AND (since <= {now} OR since <= recorded_at)
    UNION ALL
    SELECT * FROM pricing_ledger
    WHERE superseded_at IS NULL AND until > {now} AND until > recorded_at
        AND (since <= {now} OR since <= recorded_at)
), in_force AS (
    -- With the one currency of the model: its card's or, without a card, its newest override's.
    SELECT o.*, COALESCE(
        l.currency,
        FIRST_VALUE(o.currency) OVER (PARTITION BY o.provider, o.model ORDER BY o.layer DESC)
    ) AS card_currency
    FROM pricing_overrides o
    LEFT JOIN listed l ON l.provider = o.provider AND l.model = o.model
    WHERE o.superseded_at IS NULL
        -- A clock that was ahead may have dated what was set or ended already.
        AND (o.since <= {now} OR o.since <= o.recorded_at)
        AND (o.until IS NULL OR (o.until > {now} AND o.until > o.recorded_at))
), matching AS (
    SELECT * FROM in_force WHERE currency = card_currency
), uncovered AS (
    SELECT o.*, MAX(CASE WHEN condition IS NULL THEN layer END) OVER (
        PARTITION BY provider, model, meter
    ) AS base_layer
    FROM matching o
    WHERE NOT EXISTS (
        SELECT 1 FROM matching n
        WHERE n.provider = o.provider AND n.model = o.model AND n.meter = o.meter
            AND n.layer > o.layer AND (
                n.flat = 1 OR (
                    o.flat = 0
                    AND COALESCE(CAST(n.condition AS text), '')
                        = COALESCE(CAST(o.condition AS text), '')
                )
            )
    )
), overridden AS (
    SELECT provider, model, MAX(currency) AS currency, MAX(since) AS since,
        MAX(recorded_at) AS recorded_at,
        {overridden}
    FROM uncovered
    GROUP BY provider, model
), conditions AS (
    -- The provider's conditional rates of models with overrides.
    SELECT l.provider, l.model, CAST(e.key AS INTEGER) AS place,
        e.value -> 'when' AS condition, e.value -> 'rates' AS rates
    FROM listed l
    JOIN overridden o ON o.provider = l.provider AND o.model = l.model
    {entries_of_card}
), entries AS (
    SELECT provider, model, place, condition FROM conditions
    UNION ALL
    -- A condition that the provider does not name comes after its own.
    SELECT u.provider, u.model, 1000000 + MIN(u.layer), u.condition
    FROM uncovered u
    WHERE u.condition IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM conditions c
        WHERE c.provider = u.provider AND c.model = u.model AND c.condition = u.condition
    )
    GROUP BY u.provider, u.model, u.condition
), named_rates AS (
    SELECT c.provider, c.model, c.place, r.key AS meter, r.value AS rate
    FROM conditions c
    {rates_of_entry}
    WHERE NOT EXISTS (
        SELECT 1 FROM uncovered u
        WHERE u.provider = c.provider AND u.model = c.model AND u.meter = r.key
            AND (u.flat = 1 OR u.condition = c.condition)
    )
    UNION ALL
    -- As a decimal per million units, which is how the provider's are stored.
    SELECT u.provider, u.model, MAX(e.place), u.meter,
        {rate_text}
    FROM uncovered u
    JOIN entries e
        ON e.provider = u.provider AND e.model = u.model AND e.condition = u.condition
    GROUP BY u.provider, u.model, u.meter, u.condition, u.rate
), tiers AS (
    SELECT provider, model, place, condition ->> 'service_tier' AS tier FROM entries
), entry_rates AS (
    SELECT provider, model, place, meter, rate FROM named_rates
    UNION ALL
    -- A person's base rates in the service tiers that have rates, and none of these meters. A rate
    -- of an entry before that also matches requests of the tier stays.
    SELECT t.provider, t.model, t.place, u.meter,
        {rate_text}
    FROM tiers t
    JOIN uncovered u ON u.provider = t.provider AND u.model = t.model AND u.layer = u.base_layer
    WHERE u.condition IS NULL AND t.tier IS NOT NULL
        AND EXISTS (
            SELECT 1 FROM named_rates r
            WHERE r.provider = t.provider AND r.model = t.model AND r.place = t.place
        )
        AND NOT EXISTS (
            SELECT 1 FROM named_rates r
            JOIN tiers b
                ON b.provider = r.provider AND b.model = r.model AND b.place = r.place
            WHERE r.provider = t.provider AND r.model = t.model AND r.meter = u.meter
                AND r.place <= t.place AND COALESCE(b.tier, t.tier) = t.tier
        )
), conditional AS (
    SELECT provider, model, {list_of_entries} AS conditional_rates
    FROM (
        SELECT e.provider, e.model, e.place, e.condition, COALESCE(
            {object_of}(r.meter, r.rate) FILTER (WHERE r.meter IS NOT NULL), '{}'
        ) AS rates
        FROM entries e
        LEFT JOIN entry_rates r
            ON r.provider = e.provider AND r.model = e.model AND r.place = e.place
        GROUP BY e.provider, e.model, e.place, e.condition
        ORDER BY e.provider, e.model, e.place
    ) AS ordered
    GROUP BY provider, model
), names AS (
    SELECT provider, model FROM listed UNION SELECT provider, model FROM overridden
), effective AS (
    SELECT n.provider, n.model, COALESCE(o.currency, l.currency) AS currency,
        CASE WHEN o.model IS NULL THEN l.unpriced END AS unpriced,
        CASE WHEN o.model IS NULL THEN l.source ELSE 'override' END AS source,
        CASE WHEN l.since IS NULL OR o.since > l.since THEN o.since ELSE l.since END AS since,
        CASE WHEN l.recorded_at IS NULL OR o.recorded_at > l.recorded_at
            THEN o.recorded_at ELSE l.recorded_at END AS recorded_at,
        COALESCE(c.conditional_rates, l.conditional_rates) AS conditional_rates,
        {effective}
    FROM names n
    LEFT JOIN listed l ON l.provider = n.provider AND l.model = n.model
    LEFT JOIN overridden o ON o.provider = n.provider AND o.model = n.model
    LEFT JOIN conditional c ON c.provider = n.provider AND c.model = n.model
)
SELECT provider, model, currency,
    {prices},
    conditional_rates AS conditional_prices, unpriced, source, since, recorded_at
FROM effective;

DROP VIEW IF EXISTS model_pricing_history;

CREATE VIEW model_pricing_history AS
SELECT provider, model, currency, since, until, recorded_at, superseded_at,
    {prices},
    conditional_rates AS conditional_prices, unpriced, source, url, reading_id, digest
FROM pricing_ledger;

DROP VIEW IF EXISTS pricing_sync_log;

CREATE VIEW pricing_sync_log AS
SELECT r.id, r.run_id, r.provider, u.started_by, r.started_at, r.finished_at, r.status,
    r.dry_run = 1 AS dry_run, r.listings, r.changes, r.error_kind, r.error, r.url, r.digest
FROM pricing_readings r
JOIN pricing_runs u ON u.id = r.run_id;
