-- The queries of the pushes to other tools.

-- name: pushes
SELECT target, digest, revision, checked_at, behind_since, failures, error, next_at
FROM pricing_pushes;

-- name: save
INSERT INTO pricing_pushes (
    target, digest, revision, checked_at, behind_since, failures, error, next_at
)
VALUES (
    :target, :digest, :revision, :checked_at, :behind_since, :failures, :error, :next_at
)
ON CONFLICT (target) DO UPDATE
SET digest = excluded.digest, revision = excluded.revision, checked_at = excluded.checked_at,
    behind_since = excluded.behind_since, failures = excluded.failures, error = excluded.error,
    next_at = excluded.next_at;

-- name: lease
SELECT owner, until FROM pricing_leases WHERE name = 'push';

-- name: acquire
-- One process pushes. A time after :horizon was written before the clock was set back.
INSERT INTO pricing_leases (name, owner, term, since, until)
VALUES ('push', :owner, 1, :now, :until)
ON CONFLICT (name) DO UPDATE
SET owner = excluded.owner, term = pricing_leases.term + 1, since = excluded.since,
    until = excluded.until
WHERE pricing_leases.owner = :owner OR pricing_leases.until <= :now
    OR pricing_leases.until > :horizon;

-- name: release
UPDATE pricing_leases SET until = :now WHERE name = 'push' AND owner = :owner;
