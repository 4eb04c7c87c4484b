-- name: cards
-- The cards that were in force since an instant, as known at another.
SELECT {statement} FROM pricing_ledger l
WHERE (l.until IS NULL OR l.until > :since) {known_l};

-- name: overrides
-- The overrides that were in force since an instant, as known at another.
SELECT {override} FROM pricing_overrides o
WHERE (o.until IS NULL OR o.until > :since) {known_o};
