"""The schedule and the queue: triggers, leadership, due times, claims and their ends.

All state is in the database. One of the processes that share it is the leader, which enqueues the
providers that are due. Every process accepts triggers and expires the claims of dead processes.
"""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pricing_sync.changes.run import ABANDONED, CANCELLED, SCHEDULE, Reading, Run, Status
from pricing_sync.errors import LostClaim, TransportError
from pricing_sync.prices.age import age_seconds
from pricing_sync.prices.card_json import write_instant
from pricing_sync.settings import Settings
from pricing_sync.sources.provider import Provider
from pricing_sync.store import Store
from pricing_sync.store.ids import new_id
from pricing_sync.store.queue import FAILURES, Claim, Leader, Worker, reading_counts
from pricing_sync.timetable import Due, Plan, first_due, next_due, next_opening, retry_at

#: Added to the priority of triggered readings, so that they are claimed before scheduled ones.
MANUAL_PRIORITY = 1_000_000
#: Under this name the workers of a database lead together.
WORKERS = "workers"
#: For how long the worker that does the maintenance is the only one that does it. The lease is
#: shorter than the longest that counts, so that clocks may differ.
_MAINTENANCE = timedelta(minutes=50)
#: The longest time in which one worker alone reads the catalogs.
_CATALOGS = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class FinishClaim:
    """Finishes a claim in the transaction that stores its reading, here or in a worker process."""

    claim: Claim
    plan: Plan
    #: Random number from 0 to 1, for the jitter of the retry's delay.
    jitter: float

    @classmethod
    def of(cls, claim: Claim, plan: Plan) -> FinishClaim:
        """For *claim*, with a random jitter."""
        return cls(claim, plan, random.random())  # noqa: S311  not a secret

    def __call__(self, store: Store, reading: Reading, error: Exception | None) -> bool:
        """Finish the claim, save the next due time and count; returns whether the run has ended.

        Raises:
            LostClaim: the claim is no longer this process's. The reading must not be stored.
        """
        queue = store.queue
        # The queue knows no skipped readings. Like cancelled ones, they were not carried out.
        queue.finish_claim(self.claim, CANCELLED if reading.is_skipped else reading.state)
        if self.plan.dry_run or not reading.dry_run:
            due = queue.due_times().get(reading.provider)
            if due is not None and reading.error_kind != CANCELLED:
                queue.save_due_times([self._rescheduled(due, reading, error)])
        counts = reading_counts(reading)
        queue.increment(
            {key: count for key, count in counts.items() if key[0] == FAILURES}
            if reading.dry_run
            else counts
        )
        return queue.finish_run_if_done(self.claim.run_id, reading.finished_at)

    def _rescheduled(self, due: Due, reading: Reading, error: Exception | None) -> Due:
        """The provider's due times after this reading."""
        if not reading.is_failed:
            return replace(due, retry_at=None, failures=0)
        retry_after = error.retry_after_seconds if isinstance(error, TransportError) else None
        failures, now = due.failures + 1, reading.finished_at
        # Retry-After delays the regular slots too.
        until = now + timedelta(seconds=retry_after or 0)
        return replace(
            due,
            due_at=max(due.due_at, next_opening(self.plan, until)),
            retry_at=retry_at(self.plan, failures, now, self.jitter, retry_after),
            failures=failures,
        )


class Scheduler:
    """The schedule and the queue of one database, for one process.

    *find* returns the provider of an id, or raises UnknownName. Schedulers that share *leads_as*
    lead together: something else sees to it that one of them ticks.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        find: Callable[[str], Provider],
        started_at: datetime,
        *,
        leads_as: str | None = None,
    ) -> None:
        self.owner = new_id(started_at)
        self._leads_as = leads_as or self.owner
        #: Whether the due times are those of the plans of this process.
        self._has_led = False
        self._settings = settings
        self._store = store
        self._queue = store.queue
        self._find_provider = find
        self._started_at = started_at
        self._lease = timedelta(seconds=settings.lease_seconds)
        self._delay = timedelta(seconds=settings.first_delay_seconds)
        self._plans = {name: settings.plan(name) for name in settings.providers}

    # Triggers

    def trigger(
        self,
        providers: Iterable[str],
        *,
        started_by: str,
        dry_run: bool = False,
        now: datetime | None = None,
    ) -> tuple[Run, bool]:
        """Queue a run of these providers; returns it, and whether it was queued already.

        Raises:
            UnknownName: there is no such provider.
        """
        return self._queue.trigger(
            self._manual_priorities(providers),
            started_by=started_by,
            dry_run=dry_run or self._settings.dry_run,
            now=now or datetime.now(UTC),
        )

    def start_local_run(
        self, providers: Iterable[str], *, started_by: str, dry_run: bool, all_or_none: bool
    ) -> tuple[Run, list[Claim]] | None:
        """Create a run; returns it with claims for its providers that are not being read now.

        The other providers are queued, for any process to claim. With *all_or_none* no run is
        created (None) while one of the providers is being read.

        Raises:
            UnknownName: there is no such provider.
        """
        priorities, now = self._manual_priorities(providers), datetime.now(UTC)
        with self._queue.transaction():
            busy = {item.provider for item in self._queue.active() if item.state == "reading"}
            if all_or_none and busy & priorities.keys():
                return None
            run = self._queue.enqueue(
                priorities,
                started_by=started_by,
                dry_run=dry_run or self._settings.dry_run,
                now=now,
            )
            claims = [
                Claim(run.id, name, self.owner, run.dry_run, started_by)
                for name in priorities
                if name not in busy
            ]
            self._queue.assign(claims, now + self._lease)
        return run, claims

    def _manual_priorities(self, providers: Iterable[str]) -> dict[str, int]:
        wanted = [self._find_provider(name).id for name in dict.fromkeys(providers)]
        return {name: MANUAL_PRIORITY + self._settings.plan(name).priority for name in wanted}

    def cancel(self, run_id: str, now: datetime | None = None) -> list[tuple[Reading, bool]]:
        """Cancel a run: dequeue its queued readings; the processes that run the others cancel them.

        Returns the stored reading of each dequeued provider, and whether the run ended with it.

        Raises:
            UnknownName: there is no such run.
        """
        at, cancelled = now or datetime.now(UTC), []
        with self._queue.transaction():
            run = self._queue.run(run_id)
            self._queue.request_cancel(run_id)
            for step in self._queue.steps(run_id):
                if self._queue.dequeue(run_id, step.provider):
                    why = "taken out of the queue"
                    reading = _unfinished_reading(run, step.provider, at, CANCELLED, why)
                    self._store.add_reading(reading)
                    cancelled.append((reading, self._queue.finish_run_if_done(run_id, at)))
        return cancelled

    # Leadership

    def is_idle(self, now: datetime) -> bool:
        """Whether nothing is queued, in progress or due."""
        pending = self._queue.pending_work()
        return not pending.open_readings and (pending.due_at is None or pending.due_at > now)

    def tick(self, now: datetime) -> bool:
        """Enqueue the providers that are due, if this process is the leader; returns whether it is.

        Raises:
            StoreError: the database cannot be read or written.
        """
        if not self.acquire_leadership(now):
            return False
        self._start_due(now)
        return True

    def release_leadership(self, now: datetime) -> None:
        """Release the leader's lease, so that another process can lead at once."""
        self._queue.release_leadership(self._leads_as, now)

    def acquire_leadership(self, now: datetime) -> bool:
        """Acquire or renew the leader's lease; returns whether this process is the leader.

        Raises:
            StoreError: the database cannot be read or written.
        """
        owner, until = self._leads_as, now + self._lease
        if self._has_led and self._leads_freshly(now):
            return True
        # In one transaction: another worker that leads too would start what is due again, if it
        # planned by due times of before.
        with self._queue.transaction():
            if self._queue.renew_leadership(owner, until):
                if not self._has_led:  # others lead with it, maybe by older plans
                    self._update_due_times(now, is_start=False)
            elif self._queue.acquire_leadership(owner, now, until):
                is_start = now - self._started_at <= self._delay + self._lease
                self._update_due_times(now, is_start=is_start)
            else:
                return False
        return True

    def _leads_freshly(self, now: datetime) -> bool:
        """Whether the lease need not be renewed: that is done three times in a lease."""
        leader = self._queue.leader()
        return (
            leader is not None
            and leader.owner == self._leads_as
            and now + self._lease * 2 / 3 < leader.until <= now + self._lease
        )

    def _update_due_times(self, now: datetime, *, is_start: bool) -> None:
        """Save due times: of all providers after a start, else of new or changed plans only."""
        self._has_led = True
        stored, attempts = self._queue.due_times(), self._queue.last_attempts()
        successes = self._store.latest_successes()
        dues = []
        for name, plan in self._plans.items():
            known = stored.get(name)
            if known is not None and known.plan == plan.fingerprint() and not is_start:
                continue
            start = self._started_at if is_start else now
            dues.append(self._initial_due(name, plan, start, known, successes, attempts))
        self._queue.save_due_times(dues)
        self._queue.delete_due_times(stored.keys() - self._plans.keys())

    def _initial_due(
        self,
        name: str,
        plan: Plan,
        start: datetime,
        known: Due | None,
        successes: Mapping[str, datetime],
        attempts: Mapping[str, datetime],
    ) -> Due:
        last = successes.get(name)
        due_at = first_due(
            plan,
            name,
            started_at=start,
            delay=self._delay,
            last_success=last,
            last_attempt=attempts.get(name),
            stored=known,
        )
        anchor_at = known.anchor_at if known else last or start
        return Due(
            provider=name,
            plan=plan.fingerprint(),
            # A reading at the start begins a new series of intervals.
            anchor_at=due_at if due_at == start + self._delay else anchor_at,
            due_at=due_at,
            retry_at=known.retry_at if known and known.retry_at == due_at else None,
            failures=known.failures if known else 0,
        )

    def _start_due(self, now: datetime) -> None:
        if not self._due_providers(now):
            return
        with self._queue.transaction():
            leader = self._queue.leader()
            if leader is None or leader.owner != self._leads_as:
                return
            due = self._due_providers(now)
            # A provider that is queued or being read needs no other run, unless that one is dry.
            active = {item.provider for item in self._queue.active() if not item.dry_run}
            priorities = {
                item.provider: self._plans[item.provider].priority
                for item in due
                if item.provider not in active
            }
            self._queue.save_due_times([self._next_due(item, now) for item in due])
            if priorities:
                self._queue.enqueue(
                    priorities, started_by=SCHEDULE, dry_run=self._settings.dry_run, now=now
                )

    def _due_providers(self, now: datetime) -> list[Due]:
        return [
            due
            for due in self._queue.due_times().values()
            if due.at <= now and due.provider in self._plans
        ]

    def _next_due(self, due: Due, now: datetime) -> Due:
        """The due time after the current slot. One reading serves all slots up to *now*."""
        if due.due_at > now:
            return replace(due, retry_at=None)
        # The later of the two, so that no slot is served twice after the clock was set back.
        after = max(now, due.due_at)
        due_at = next_due(self._plans[due.provider], due.provider, after, due.anchor_at)
        return replace(due, due_at=due_at, retry_at=None)

    # Claims

    def expire(self, now: datetime) -> list[tuple[Reading, bool]]:
        """Fail the claims whose lease has ended because their process died, each as `fail`."""
        why = "the process that claimed it stopped renewing its lease"
        failed = [
            self.fail(claim, ABANDONED, why, now) for claim in self._queue.expired_claims(now)
        ]
        return [entry for entry in failed if entry is not None]

    def claimable(self, now: datetime, run_id: str | None = None) -> dict[str, list[int]]:
        """The priorities of the readings that could be claimed, by run, the highest first."""
        return self._queue.claimable(now, run_id)

    def waiting_runs(self, provider: str) -> list[str]:
        """The runs in which a reading of this provider is queued."""
        return self._queue.waiting_runs(provider)

    def claim(self, now: datetime, *, most: int, runs: set[str] | None) -> list[Claim]:
        """Claim up to *most* queued readings for this process, of these *runs* (None: of any)."""
        return self._queue.claim(self.owner, now, now + self._lease, most=most, runs=runs)

    def open_runs(self) -> set[str]:
        """The runs with a reading that is queued or in progress."""
        return {item.run_id for item in self._queue.active()}

    def renew(self, claims: Sequence[Claim], now: datetime) -> None:
        """Renew the leases of these claims."""
        self._queue.renew(claims, now + self._lease)

    def cancelled(self, claims: Sequence[Claim]) -> list[Claim]:
        """The claims of this process whose cancellation was requested.

        An expired claim is not among them: its reading goes on until the store refuses it.
        """
        owned = self._queue.owned_claims(self.owner)
        return [claim for claim in claims if owned.get((claim.run_id, claim.provider))]

    def fail(
        self, claim: Claim, kind: str, why: str, now: datetime | None = None
    ) -> tuple[Reading, bool] | None:
        """Store a failed reading for a claim; returns it, and whether its run ended with it.

        None if the claim was finished or taken away already.
        """
        at = now or datetime.now(UTC)
        finish = FinishClaim.of(claim, self._settings.plan(claim.provider))
        try:
            with self._queue.transaction():
                reading = _unfinished_reading(
                    self._queue.run(claim.run_id), claim.provider, at, kind, why
                )
                self._store.add_reading(reading)
                return reading, finish(self._store, reading, None)
        except LostClaim:
            return None

    # Workers

    def acquire_maintenance(self, now: datetime) -> bool:
        """Whether this process shall do the maintenance. For most of an hour no other will."""
        return self._queue.acquire_maintenance(self.owner, now, now + _MAINTENANCE)

    def acquire_catalogs(self) -> bool:
        """Whether this process shall read the catalogs: until it releases them, no other will."""
        now = datetime.now(UTC)
        return self._queue.acquire_catalogs(self.owner, now, now + _CATALOGS)

    def release_catalogs(self) -> None:
        """Let another process read the catalogs."""
        self._queue.release_catalogs(self.owner, datetime.now(UTC))

    def worker_seen(self, now: datetime) -> None:
        """Note that this process is alive and reads for others."""
        self._queue.worker_seen(self.owner, f"{socket.gethostname()}:{os.getpid()}", now)

    def worker_gone(self) -> None:
        """Forget this process."""
        self._queue.worker_gone(self.owner)

    # Status

    def status(self, now: datetime) -> dict[str, Any]:
        """The state of the schedule: the keys of the reference, and more."""
        queue, settings = self._queue, self._settings
        leader, dues = queue.leader(), queue.due_times()
        successes = self._store.latest_successes()
        return {
            "enabled": settings.enabled,
            "interval_hours": settings.interval_hours,
            "running": leader is not None and leader.until > now,
            "providers": list(settings.providers),
            "last_syncs": {
                name: {"timestamp": _second(at), "seconds_ago": age_seconds(at, now)}
                for name, at in successes.items()
                if name in settings.providers
            },
            "next_syncs": {
                name: {
                    "timestamp": _second(due.at),
                    "seconds_until": _seconds(now, due.at),
                    "is_retry": due.at == due.retry_at,
                    "failures": due.failures,
                    "plan": due.plan,
                }
                for name, due in dues.items()
                if name in settings.providers
            },
            "skipped": {
                name: why
                for name, why in self._store.skipped().items()
                if name in settings.providers
            },
            "active": [
                {"provider": item.provider, "run_id": item.run_id, "state": item.state}
                for item in queue.active()
            ],
            "unread_price_keys": self._store.unread_keys(),
            "leader": None if leader is None else _leader(leader, self.owner),
            "workers": [_worker(one, now, self._lease) for one in queue.workers()],
            "dry_run": settings.dry_run,
            "at": write_instant(now),
        }


def status_without_database(settings: Settings, problem: str, now: datetime) -> dict[str, Any]:
    """`Scheduler.status` while the database cannot be opened."""
    return {
        "enabled": settings.enabled,
        "interval_hours": settings.interval_hours,
        "running": False,
        "providers": list(settings.providers),
        "last_syncs": {},
        "next_syncs": {},
        "skipped": {},
        "active": [],
        "catalogs": {},
        "leader": None,
        "workers": [],
        "dry_run": settings.dry_run,
        "at": write_instant(now),
        "problem": problem,
        "overrides_ending": [],
        "pushes": [],
        "webhooks": [],
        "ending": [],
        "scheduled": [],
        "unpriced": [],
        "drifting": [],
    }


def _leader(leader: Leader, owner: str) -> dict[str, Any]:
    return {
        "is_this_process": leader.owner == owner,
        "term": leader.term,
        "since": write_instant(leader.since),
        "lease_until": write_instant(leader.until),
    }


def _worker(worker: Worker, now: datetime, lease: timedelta) -> dict[str, Any]:
    return {
        "process": worker.process,
        "since": write_instant(worker.since),
        "last_seen": write_instant(worker.last_seen),
        "is_alive": now - worker.last_seen < lease,
    }


def _second(at: datetime) -> str:
    """*at* as JSON, to the second, as in the reference."""
    return write_instant(at.replace(microsecond=0))


def _seconds(earlier: datetime, later: datetime) -> int:
    """Whole seconds between two instants; 0 if the clock was set back."""
    return max(int((later - earlier).total_seconds()), 0)


def _unfinished_reading(run: Run, provider: str, at: datetime, kind: str, why: str) -> Reading:
    """A failed reading that ended without an answer and without an error of its provider."""
    return Reading(
        id=new_id(at),
        run_id=run.id,
        provider=provider,
        at=at,
        started_at=at,
        finished_at=at,
        status=Status.FAILED,
        dry_run=run.dry_run,
        error_kind=kind,
        error=f"{provider}: reading: {why}",
    )
