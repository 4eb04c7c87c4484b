-- A held change that is published for later: from when. NULL for a change of the price now. A model
-- can have one of each instant.
ALTER TABLE pricing_held ADD COLUMN starts_at TEXT;

DROP INDEX pricing_held_open;

CREATE UNIQUE INDEX pricing_held_open ON pricing_held (provider, model, COALESCE(starts_at, ''))
    WHERE state = 'open';

-- The cards that end where a scheduled one begins: very few of a long history.
CREATE INDEX pricing_ledger_ending ON pricing_ledger (provider, model, until)
    WHERE superseded_at IS NULL AND until > recorded_at;
