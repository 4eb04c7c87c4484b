-- The queries of the queue and the schedule. One SQL for SQLite (3.38 and later) and PostgreSQL.

-- name: insert_run
INSERT INTO pricing_runs (id, started_by, started_at, dry_run, providers)
VALUES (:id, :started_by, :started_at, :dry_run, :providers);

-- name: enqueue
INSERT INTO pricing_queue (run_id, provider, state, priority, queued_at)
VALUES (:run_id, :provider, 'queued', :priority, :at);

-- name: queued_runs
-- Runs that are queued and have not begun.
SELECT {run} FROM pricing_runs r
WHERE r.finished_at IS NULL AND r.dry_run = :dry_run AND NOT EXISTS (
    SELECT 1 FROM pricing_queue q WHERE q.run_id = r.id AND q.state <> 'queued'
)
ORDER BY r.id;

-- name: raise_priority
UPDATE pricing_queue SET priority = :priority
WHERE run_id = :run_id AND provider = :provider AND priority < :priority;

-- name: run
SELECT {run} FROM pricing_runs r WHERE r.id = :id;

-- name: steps
-- The state of each provider of a run, in the order in which they are read.
SELECT provider, state FROM pricing_queue
WHERE run_id = :run_id
ORDER BY priority DESC, provider;

-- name: active
-- The readings that are queued or in progress, highest priority first.
SELECT q.provider, q.run_id, q.state, r.dry_run FROM pricing_queue q
JOIN pricing_runs r ON r.id = q.run_id
WHERE q.state IN ('queued', 'reading')
ORDER BY q.priority DESC, q.queued_at, q.run_id, q.provider;

-- name: claimable
-- The queued readings that can begin, highest priority first. A run that has not begun waits until
-- all its providers are free, so that later triggers of the same providers can share it. A run that
-- was queued before :queued_before does not wait.
SELECT q.run_id, q.provider, r.dry_run, r.started_by, q.priority FROM pricing_queue q
JOIN pricing_runs r ON r.id = q.run_id
WHERE q.state IN ('queued', 'reading')  -- as in the index of the open readings
AND q.state = 'queued' [run_id: AND q.run_id = :run_id] AND NOT EXISTS (
    SELECT 1 FROM pricing_queue a WHERE a.provider = q.provider AND a.state = 'reading'
) AND (
    q.queued_at <= :queued_before
    OR EXISTS (SELECT 1 FROM pricing_queue b WHERE b.run_id = q.run_id AND b.state <> 'queued')
    OR NOT EXISTS (
        SELECT 1 FROM pricing_queue mine
        JOIN pricing_queue busy ON busy.provider = mine.provider AND busy.state = 'reading'
        WHERE mine.run_id = q.run_id
    )
)
ORDER BY q.priority DESC, q.queued_at, q.run_id, q.provider;

-- name: waiting_runs
-- The runs with a queued reading of a provider.
SELECT DISTINCT run_id FROM pricing_queue
WHERE state IN ('queued', 'reading') AND state = 'queued' AND provider = :provider;

-- name: claim
UPDATE pricing_queue SET state = 'reading', owner = :owner, lease_until = :until
WHERE run_id = :run_id AND provider = :provider AND state = 'queued';

-- name: renew
UPDATE pricing_queue SET lease_until = :until
WHERE run_id = :run_id AND provider = :provider AND owner = :owner AND state = 'reading';

-- name: owned_claims
SELECT run_id, provider, cancel_asked FROM pricing_queue
WHERE owner = :owner AND state = 'reading';

-- name: finish_claim
UPDATE pricing_queue SET state = :state, lease_until = NULL
WHERE run_id = :run_id AND provider = :provider AND owner = :owner AND state = 'reading';

-- name: dequeue
UPDATE pricing_queue SET state = 'cancelled'
WHERE run_id = :run_id AND provider = :provider AND state = 'queued';

-- name: request_cancel
UPDATE pricing_queue SET cancel_asked = 1 WHERE run_id = :run_id AND state = 'reading';

-- name: expired_claims
-- The claims whose lease has expired. A lease that ends after :horizon was written before the clock
-- was set back.
SELECT q.run_id, q.provider, r.dry_run, r.started_by, q.owner FROM pricing_queue q
JOIN pricing_runs r ON r.id = q.run_id
WHERE q.state = 'reading' AND (q.lease_until <= :now OR q.lease_until > :horizon);

-- name: open_readings
SELECT COUNT(*) FROM pricing_queue
WHERE run_id = :run_id AND state IN ('queued', 'reading');

-- name: count_results
-- The number of readings of a run that were not skipped, and the number that succeeded.
SELECT COUNT(*), COALESCE(SUM(CASE WHEN status <> 'failed' THEN 1 ELSE 0 END), 0)
FROM pricing_readings WHERE run_id = :run_id AND status <> 'skipped';

-- name: readings
SELECT {reading} FROM pricing_readings WHERE run_id = :run_id ORDER BY id;

-- name: finish_run
UPDATE pricing_runs SET finished_at = :at, outcome = :outcome
WHERE id = :id AND finished_at IS NULL;

-- name: lease
SELECT owner, term, since, until FROM pricing_leases WHERE name = :name;

-- name: acquire_lease
INSERT INTO pricing_leases (name, owner, term, since, until)
VALUES (:name, :owner, 1, :now, :until)
ON CONFLICT (name) DO UPDATE
SET owner = excluded.owner, term = pricing_leases.term + 1, since = excluded.since,
    until = excluded.until
WHERE pricing_leases.until <= :now OR pricing_leases.until > :horizon;

-- name: renew_lease
UPDATE pricing_leases SET until = :until WHERE name = :name AND owner = :owner;

-- name: release_lease
UPDATE pricing_leases SET until = :now WHERE name = :name AND owner = :owner;

-- name: workers
-- The processes that read for others. Theirs is no lease: `until` is when each was last seen.
SELECT SUBSTR(name, 8), owner, since, until FROM pricing_leases
WHERE name LIKE 'worker %'
ORDER BY since, name;

-- name: save_worker
INSERT INTO pricing_leases (name, owner, term, since, until)
VALUES (:name, :owner, 1, :now, :now)
ON CONFLICT (name) DO UPDATE SET until = excluded.until;

-- name: delete_worker
DELETE FROM pricing_leases WHERE name = :name;

-- name: delete_old_workers
DELETE FROM pricing_leases WHERE name LIKE 'worker %' AND until < :before;

-- name: pending_work
-- When the next provider is due, and the number of open readings: the query of every idle poll.
SELECT
    (SELECT MIN(CASE WHEN retry_at < due_at THEN retry_at ELSE due_at END) FROM pricing_schedule),
    (SELECT COUNT(*) FROM pricing_queue WHERE state IN ('queued', 'reading'));

-- name: due_times
SELECT provider, plan, anchor_at, due_at, retry_at, failures FROM pricing_schedule;

-- name: save_due_time
INSERT INTO pricing_schedule (provider, plan, anchor_at, due_at, retry_at, failures)
VALUES (:provider, :plan, :anchor_at, :due_at, :retry_at, :failures)
ON CONFLICT (provider) DO UPDATE
SET plan = excluded.plan, anchor_at = excluded.anchor_at, due_at = excluded.due_at,
    retry_at = excluded.retry_at, failures = excluded.failures;

-- name: delete_due_time
DELETE FROM pricing_schedule WHERE provider = :provider;

-- name: last_attempts
-- When the last attempt at each provider began, whether it succeeded, failed or is in progress.
-- A skipped reading is none, and neither is a person's dry run: it must not delay the first reading
-- of the service that is started next.
SELECT provider, MAX(at) FROM (
    SELECT p.provider, (
        SELECT r.started_at FROM pricing_readings r
        WHERE r.provider = p.provider AND r.status <> 'skipped'
            AND (r.dry_run = 0 OR EXISTS (
                SELECT 1 FROM pricing_runs n WHERE n.id = r.run_id AND n.started_by = 'schedule'
            ))
        ORDER BY r.started_at DESC
        LIMIT 1
    ) AS at
    FROM {providers} p
    UNION ALL
    SELECT provider, queued_at AS at FROM pricing_queue WHERE state = 'reading'
) attempts
WHERE at IS NOT NULL
GROUP BY provider;

-- name: increment
INSERT INTO pricing_counters (name, labels, value) VALUES (:name, :labels, :value)
ON CONFLICT (name, labels) DO UPDATE SET value = pricing_counters.value + excluded.value;

-- name: counters
SELECT name, labels, value FROM pricing_counters ORDER BY name, labels;
