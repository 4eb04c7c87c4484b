-- What people did that has no row in pricing_audit. One SQL for SQLite and PostgreSQL.

-- name: overrides_set
-- Each override as it was set. When it ends, its row is replaced by one with an end.
SELECT o.id, o.recorded_at, o.author, o.provider, o.model, o.reason, o.meter, o.rate, o.currency,
    o.condition, o.flat
FROM pricing_overrides o
WHERE o.recorded_at = (SELECT MIN(f.recorded_at) FROM pricing_overrides f WHERE f.id = o.id)
    [before: AND o.id < :before]
ORDER BY o.id DESC
LIMIT :limit;

-- name: triggered_runs
SELECT id, started_at, started_by, providers, dry_run
FROM pricing_runs
WHERE started_by <> :schedule [before: AND id < :before]
ORDER BY id DESC
LIMIT :limit;
