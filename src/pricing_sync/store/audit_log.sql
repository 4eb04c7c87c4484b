-- The queries of the audit log.

-- name: entries
SELECT {entry} FROM pricing_audit
WHERE 1 = 1 [before: AND id < :before]
ORDER BY id DESC
LIMIT :limit;

-- name: add
INSERT INTO pricing_audit ({entry}) VALUES ({places});

-- name: decisions
-- The number of decisions of people about a provider since an instant.
SELECT COUNT(*) FROM pricing_audit WHERE provider = :provider AND at > :at AND who <> 'reading';

-- name: count
SELECT COUNT(*) FROM pricing_audit WHERE provider = :provider;
