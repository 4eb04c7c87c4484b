-- The queries of the leases.

-- name: lease
SELECT owner, until FROM pricing_leases WHERE name = :name;

-- name: acquire
-- One process has it. A time after :horizon was written before the clock was set back.
INSERT INTO pricing_leases (name, owner, term, since, until)
VALUES (:name, :owner, 1, :now, :until)
ON CONFLICT (name) DO UPDATE
SET owner = excluded.owner, term = pricing_leases.term + 1, since = excluded.since,
    until = excluded.until
WHERE pricing_leases.owner = :owner OR pricing_leases.until <= :now
    OR pricing_leases.until > :horizon;

-- name: release
UPDATE pricing_leases SET until = :now WHERE name = :name AND owner = :owner;
