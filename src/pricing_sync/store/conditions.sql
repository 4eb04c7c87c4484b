-- The queries of what lasts and is told once.

-- name: conditions
SELECT subject, since, count, told_at FROM pricing_conditions
WHERE kind = :kind [subject: AND subject = :subject];

-- name: save
INSERT INTO pricing_conditions (kind, subject, since, count, told_at)
VALUES (:kind, :subject, :since, :count, :told_at)
ON CONFLICT (kind, subject) DO UPDATE
SET since = excluded.since, count = excluded.count, told_at = excluded.told_at;

-- name: end
DELETE FROM pricing_conditions WHERE kind = :kind AND subject = :subject;
