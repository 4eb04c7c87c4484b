-- The queries of the pruning. Each deletes at most :limit rows, or what belongs to :limit runs.

-- name: delete_evidence
DELETE FROM pricing_evidence WHERE digest IN (
    SELECT digest FROM pricing_evidence WHERE last_used_at < :before LIMIT :limit
);

-- name: delete_deliveries
DELETE FROM pricing_deliveries WHERE (endpoint, event_id) IN (
    SELECT endpoint, event_id FROM pricing_deliveries WHERE queued_at < :before LIMIT :limit
);

-- name: delete_events
-- A replayed event stays while it is in a queue.
DELETE FROM pricing_outbox WHERE id IN (
    SELECT o.id FROM pricing_outbox o
    WHERE o.created_at < :before
        AND NOT EXISTS (SELECT 1 FROM pricing_deliveries d WHERE d.event_id = o.id)
    LIMIT :limit
);

-- name: delete_held
-- A rejection stays: it is why the same change is not held again.
DELETE FROM pricing_held WHERE id IN (
    SELECT id FROM pricing_held
    WHERE decided_at < :before AND state IN ('accepted', 'released', 'lapsed')
    LIMIT :limit
);

-- name: delete_reference_reads
-- The newest read of a catalog stays, and the newest that did not fail.
DELETE FROM pricing_reference_reads WHERE at < :before AND EXISTS (
    SELECT 1 FROM pricing_reference_reads n
    WHERE n.catalog = pricing_reference_reads.catalog AND n.at > pricing_reference_reads.at
        AND (n.status <> 'failed' OR pricing_reference_reads.status = 'failed')
);

-- name: old_runs
SELECT id FROM pricing_runs
WHERE id > :after AND id < :before AND finished_at IS NOT NULL
ORDER BY id
LIMIT :limit;

-- name: delete_readings
-- The readings of finished runs. The newest success of a provider stays, as does its newest reading
-- if that is no success, and what a held change was read in.
DELETE FROM pricing_readings
WHERE run_id > :after AND run_id <= :last
    AND run_id IN (
        SELECT id FROM pricing_runs
        WHERE id > :after AND id <= :last AND finished_at IS NOT NULL
    )
    AND NOT EXISTS (SELECT 1 FROM pricing_held h WHERE h.reading_id = pricing_readings.id)
    AND EXISTS (
        SELECT 1 FROM pricing_readings n
        WHERE n.provider = pricing_readings.provider AND n.at > pricing_readings.at AND (
            (n.status IN ('read', 'unchanged') AND n.dry_run = 0)
            OR (
                NOT (
                    pricing_readings.status IN ('read', 'unchanged')
                    AND pricing_readings.dry_run = 0
                )
                AND (n.status <> 'failed' OR n.error_kind <> 'cancelled')
            )
        )
    );

-- name: delete_steps
DELETE FROM pricing_queue
WHERE run_id > :after AND run_id <= :last AND run_id IN (
    SELECT r.id FROM pricing_runs r
    WHERE r.id > :after AND r.id <= :last AND r.finished_at IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM pricing_readings d WHERE d.run_id = r.id)
);

-- name: delete_runs
DELETE FROM pricing_runs
WHERE id > :after AND id <= :last AND finished_at IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM pricing_readings d WHERE d.run_id = pricing_runs.id);

-- name: delete_usage
-- The sums of the oldest hour.
DELETE FROM pricing_usage WHERE hour = (
    SELECT MIN(hour) FROM pricing_usage WHERE hour < :before
);

-- name: delete_usage_batches
DELETE FROM pricing_usage_batches WHERE key IN (
    SELECT key FROM pricing_usage_batches WHERE received_at < :before LIMIT :limit
);

-- name: delete_revisions
-- All but the newest thousands. Who has an older book reads all of it.
DELETE FROM pricing_revisions WHERE revision < (
    SELECT MAX(value) FROM pricing_counters WHERE name = 'revision' AND labels = '{}'
) - 10000;
