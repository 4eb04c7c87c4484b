-- What a database holds, by which a copy of it is compared with the original.

-- name: contents
SELECT
    (SELECT MAX(version) FROM pricing_migrations),
    (SELECT COUNT(*) FROM pricing_ledger),
    (SELECT COUNT(*) FROM pricing_ledger WHERE superseded_at IS NULL AND until IS NULL),
    (SELECT COUNT(*) FROM pricing_overrides),
    (SELECT COUNT(*) FROM pricing_readings),
    (SELECT finished_at FROM pricing_readings ORDER BY id DESC LIMIT 1);

-- name: revision
SELECT value FROM pricing_counters WHERE name = 'revision' AND labels = '{}';

-- name: set_revision
INSERT INTO pricing_counters (name, labels, value) VALUES ('revision', '{}', :revision)
ON CONFLICT (name, labels) DO UPDATE SET value = :revision;
