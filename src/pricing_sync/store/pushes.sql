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
