-- The query of rollbacks.

-- name: read_before
-- When a provider was last read at or before an instant.
SELECT at FROM pricing_readings
WHERE provider = :provider AND at <= :to AND dry_run = 0 AND status IN ('read', 'unchanged')
ORDER BY at DESC
LIMIT 1;
