-- The queries of the ledger: cards, and the models that they are of.

-- name: known_models
-- Every model of a provider with its card in force, or with its last card when it is retired. Each
-- part is found by an index, so that a long history costs nothing.
SELECT m.model, m.missing_since, m.retired_at, m.unreadable, m.state, l.since, {card}
FROM pricing_models m
LEFT JOIN pricing_ledger l
    ON l.provider = m.provider AND l.model = m.model AND (
        (l.superseded_at IS NULL AND l.until IS NULL AND m.retired_at IS NULL AND {in_force})
        OR (l.superseded_at IS NULL AND l.until > :at AND m.retired_at IS NULL AND {in_force})
        OR (l.superseded_at IS NULL AND l.until = m.retired_at)
    )
WHERE m.provider = :provider;

-- name: known_models [postgres]
SELECT m.model, m.missing_since, m.retired_at, m.unreadable, m.state, l.since, {card}
FROM pricing_models m
LEFT JOIN LATERAL (
    SELECT * FROM pricing_ledger c
    WHERE c.provider = m.provider AND c.model = m.model AND m.retired_at IS NULL
        AND c.superseded_at IS NULL AND c.until IS NULL AND {in_force}
    UNION ALL
    SELECT * FROM pricing_ledger c
    WHERE c.provider = m.provider AND c.model = m.model AND m.retired_at IS NULL
        AND c.superseded_at IS NULL AND c.until > :at AND {in_force}
    UNION ALL
    SELECT * FROM pricing_ledger c
    WHERE c.provider = m.provider AND c.model = m.model
        AND c.superseded_at IS NULL AND c.until = m.retired_at
) l ON TRUE
WHERE m.provider = :provider;

-- name: timelines
-- The cards that begin after an instant, the next one first. `|| ''` makes SQLite search by the
-- instant, after which little begins, and not by the provider.
SELECT l.model, l.since, {card} FROM pricing_ledger l
WHERE l.superseded_at IS NULL AND l.since > :at AND NOT (l.since > :now AND l.since <= l.recorded_at)
    AND l.provider || '' = :provider
ORDER BY l.since;

-- name: missing_models
SELECT model FROM pricing_models
WHERE provider = :provider AND missing_since IS NOT NULL AND retired_at IS NULL
ORDER BY model;

-- name: anchors
-- The card in force at an instant, or the first card of a younger model, of each model of a JSON
-- list. The cross join makes SQLite search model by model: a long history costs nothing.
SELECT l.model, {card} FROM json_each(:models) m
CROSS JOIN pricing_ledger l
WHERE l.provider = :provider AND l.model = m.value
    AND l.superseded_at IS NULL AND l.until = (
        SELECT MIN(n.until) FROM pricing_ledger n
        WHERE n.provider = :provider AND n.model = m.value
            AND n.superseded_at IS NULL AND n.until > :at
    )
    AND {not_younger}
    AND {not_accepted};

-- name: anchors [postgres]
SELECT l.model, {card} FROM jsonb_array_elements_text(CAST(:models AS jsonb)) AS m (value)
CROSS JOIN LATERAL (
    SELECT * FROM pricing_ledger n
    WHERE n.provider = :provider AND n.model = m.value
        AND n.superseded_at IS NULL AND n.until > :at
    ORDER BY n.until LIMIT 1
) l
WHERE {not_younger}
    AND {not_accepted};

-- name: recent_cards
-- The closed cards of each model of a JSON list that were in force after an instant, and for
-- :seconds or somewhat less, each with its dates. Models of which a person has accepted a change
-- since then are left out.
SELECT l.model, l.since, l.until, {card} FROM json_each(:models) m
CROSS JOIN pricing_ledger l
WHERE l.provider = :provider AND l.model = m.value
    AND l.superseded_at IS NULL AND l.until > :at
    AND (julianday(l.until) - julianday(l.since)) * 86400 > :seconds - 1
    AND {not_accepted};

-- name: recent_cards [postgres]
SELECT l.model, l.since, l.until, {card}
FROM jsonb_array_elements_text(CAST(:models AS jsonb)) AS m (value)
JOIN pricing_ledger l ON l.provider = :provider AND l.model = m.value
WHERE l.superseded_at IS NULL AND l.until > :at
    AND EXTRACT(EPOCH FROM l.until - l.since) > :seconds - 1
    AND {not_accepted};

-- name: clear_touched
DELETE FROM pricing_touched;

-- name: clear_touched [postgres]
-- The table is one of this transaction: a pooler gives the next one another session.
CREATE TEMP TABLE IF NOT EXISTS pricing_touched (
    provider text COLLATE "C", model text COLLATE "C", at timestamptz,
    PRIMARY KEY (provider, model)
) ON COMMIT DROP;
DELETE FROM pricing_touched;

-- name: add_touched
-- A model whose cards end where others begin. One statement then ends those of all models.
INSERT INTO pricing_touched (provider, model, at) VALUES (:provider, :model, :at);

-- name: supersede_open_cards
UPDATE pricing_ledger SET superseded_at = :recorded_at
WHERE superseded_at IS NULL AND until IS NULL
    AND (provider, model) IN (SELECT provider, model FROM pricing_touched);

-- name: close_cards
-- The cards just superseded get a closed row. The cross join makes SQLite search card by card.
INSERT INTO pricing_ledger (
    card_id, provider, model, since, until, recorded_at, source, url, reading_id, digest, {values}
)
SELECT l.card_id, l.provider, l.model, l.since, t.at, :recorded_at, l.source, l.url, l.reading_id,
    l.digest, {card}
FROM pricing_touched t
CROSS JOIN pricing_ledger l
WHERE l.provider = t.provider AND l.model = t.model
    AND l.superseded_at = :recorded_at AND l.since < t.at;

-- name: touched_cards
-- The cards of the touched models that have not ended when they are touched, the first one first.
SELECT {statement} FROM pricing_touched t
CROSS JOIN pricing_ledger l
WHERE l.provider = t.provider AND l.model = t.model
    AND l.superseded_at IS NULL AND (l.until IS NULL OR l.until > t.at)
ORDER BY l.provider, l.model, l.since;

-- name: supersede_card
UPDATE pricing_ledger SET superseded_at = :recorded_at
WHERE card_id = :card_id AND superseded_at IS NULL;

-- name: supersede_card [postgres]
UPDATE pricing_ledger l SET superseded_at = r.recorded_at
FROM {rows} AS r (card_id text, recorded_at timestamptz)
WHERE l.card_id = r.card_id AND l.superseded_at IS NULL;

-- name: add_card
INSERT INTO pricing_ledger ({columns}) VALUES ({places});

-- name: upsert_model
-- A model that is listed for the first time, or that became readable or unreadable.
INSERT INTO pricing_models (provider, model, first_seen, unreadable)
VALUES (:provider, :model, :at, :unreadable)
ON CONFLICT (provider, model)
DO UPDATE SET unreadable = excluded.unreadable;

-- name: upsert_model [postgres]
INSERT INTO pricing_models (provider, model, first_seen, unreadable)
SELECT r.provider, r.model, r.at, r.unreadable
FROM {rows} AS r (provider text, model text, at timestamptz, unreadable text)
ON CONFLICT (provider, model)
DO UPDATE SET unreadable = excluded.unreadable;

-- name: mark_listed
UPDATE pricing_models SET missing_since = NULL, retired_at = NULL
WHERE provider = :provider AND model = :model;

-- name: mark_listed [postgres]
UPDATE pricing_models m SET missing_since = NULL, retired_at = NULL
FROM {rows} AS r (provider text, model text)
WHERE m.provider = r.provider AND m.model = r.model;

-- name: mark_missing
UPDATE pricing_models SET missing_since = :at WHERE provider = :provider AND model = :model;

-- name: mark_missing [postgres]
UPDATE pricing_models m SET missing_since = r.at
FROM {rows} AS r (provider text, model text, at timestamptz)
WHERE m.provider = r.provider AND m.model = r.model;

-- name: mark_retired
UPDATE pricing_models SET missing_since = COALESCE(missing_since, :at), retired_at = :at
WHERE provider = :provider AND model = :model;

-- name: mark_retired [postgres]
UPDATE pricing_models m SET missing_since = COALESCE(m.missing_since, r.at), retired_at = r.at
FROM {rows} AS r (provider text, model text, at timestamptz)
WHERE m.provider = r.provider AND m.model = r.model;

-- name: set_state
-- :confirmed_at is when the provider was last read before this reading.
UPDATE pricing_models SET
    state = :state,
    confirmed_at = CASE
        WHEN :state = 'confirmed' THEN NULL
        WHEN state = 'confirmed' AND first_seen < :at THEN :confirmed_at
        ELSE confirmed_at
    END
WHERE provider = :provider AND model = :model;

-- name: set_state [postgres]
UPDATE pricing_models m SET
    state = r.state,
    confirmed_at = CASE
        WHEN r.state = 'confirmed' THEN NULL
        WHEN m.state = 'confirmed' AND m.first_seen < r.at THEN r.confirmed_at
        ELSE m.confirmed_at
    END
FROM {rows} AS r (
    provider text, model text, at timestamptz, state text, confirmed_at timestamptz
)
WHERE m.provider = r.provider AND m.model = r.model;
