-- The queries of the announcements.

-- name: announce
INSERT INTO pricing_announced ({announcement}) VALUES ({places});

-- name: announcements
SELECT {announcement} FROM pricing_announced
WHERE 1 = 1 [provider: AND provider = :provider]
    [id: AND id = :id]
    [open_only: AND used_at IS NULL AND ended_at IS NULL]
ORDER BY provider, model, not_before, id;

-- name: end_announcement
UPDATE pricing_announced SET ended_at = :at
WHERE id = :id AND used_at IS NULL AND ended_at IS NULL;

-- name: consume_announcement
-- Each move has at most one open row: see the index pricing_announced_open.
UPDATE pricing_announced SET used_at = :at, used_by = :reading_id
WHERE id = :id AND used_at IS NULL AND ended_at IS NULL;
