"""What is due, who asked for it, and what follows from how a reading ends.

Everything lives in the database. Of the processes that share one, a single one leads: it starts
what is due and cleans up after those that died. Any of them takes triggers.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pricing_sync.changes.run import ABANDONED, CANCELLED, SCHEDULE, Reading, Run, Status
from pricing_sync.errors import LostClaim, TransportError
from pricing_sync.prices.card_json import write_instant
from pricing_sync.settings import Settings
from pricing_sync.sources.provider import Provider
from pricing_sync.store import Store
from pricing_sync.store.ids import new_id
from pricing_sync.store.queue import FAILURES, Claim, Leader, reading_counts
from pricing_sync.timetable import Due, Plan, first_due, next_due, next_opening, retry_at

#: What a person asks for goes before whatever the schedule wants.
MANUAL_PRIORITY = 1_000_000


@dataclass(frozen=True, slots=True)
class FinishClaim:
    """Ends a claimed reading, in the transaction that stores it, here or in another process."""

    claim: Claim
    plan: Plan
    #: Drawn beforehand: the part of a retry's wait that is left to chance, 0 to 1.
    jitter: float

    @classmethod
    def of(cls, claim: Claim, plan: Plan) -> FinishClaim:
        """The ending of a reading by this plan."""
        return cls(claim, plan, random.random())  # noqa: S311  nobody gains by guessing it

    def __call__(self, store: Store, reading: Reading, error: Exception | None) -> bool:
        """Whether the run has ended with it.

        Raises:
            LostClaim: the reading is no longer this process's, and must not be stored.
        """
        queue = store.queue
        queue.finish_claim(self.claim, reading.state)
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
        """When the provider is due after this."""
        if not reading.is_failed:
            return replace(due, retry_at=None, failures=0)
        retry_after = error.retry_after_seconds if isinstance(error, TransportError) else None
        failures, now = due.failures + 1, reading.finished_at
        # Whoever asks to be left alone is left alone by the regular slots too.
        until = now + timedelta(seconds=retry_after or 0)
        return replace(
            due,
            due_at=max(due.due_at, next_opening(self.plan, until)),
            retry_at=retry_at(self.plan, failures, now, self.jitter, retry_after),
            failures=failures,
        )


class Scheduler:
    """The schedule and the queue of one database, as one process sees them.

    *find* gives the provider of an id, or raises UnknownName.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        find: Callable[[str], Provider],
        started_at: datetime,
    ) -> None:
        self.owner = new_id(started_at)
        self._settings = settings
        self._store = store
        self._queue = store.queue
        self._find_provider = find
        self._started_at = started_at
        self._lease = timedelta(seconds=settings.lease_seconds)
        self._delay = timedelta(seconds=settings.first_delay_seconds)
        self._plans = {name: settings.plan(name) for name in settings.providers}

    # Asking

    def trigger(
        self,
        providers: Iterable[str],
        *,
        started_by: str,
        dry_run: bool = False,
        now: datetime | None = None,
    ) -> tuple[Run, bool]:
        """A run of these providers, as soon as may be; whether it is one that waited already.

        Raises:
            UnknownName: a provider that there is not.
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
        """A run that this process takes itself, with its readings as far as they can begin now.

        The others are queued, for whoever comes first; with *whole* there are no others, but there
        is no run (None) while one of the providers is being read.

        Raises:
            UnknownName: a provider that there is not.
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
        """End a run: what waits is not read, and what is being read is left off by whoever reads.

        What is written down of each that waited, and whether the run has ended with it.

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

    # Leading

    def is_idle(self, now: datetime) -> bool:
        """Whether nothing is queued, going on or due."""
        pending_work = self._queue.pending_work()
        return not pending_work.open_readings and (
            pending_work.due_at is None or pending_work.due_at > now
        )

    def tick(self, now: datetime) -> bool:
        """Start what is due, if this process leads; whether it does.

        Raises:
            StoreError: the database cannot be read or written.
        """
        if not self.acquire_leadership(now):
            return False
        self._start_due(now)
        return True

    def release_leadership(self, now: datetime) -> None:
        """Leave the lead to another process."""
        self._queue.release_leadership(self.owner, now)

    def acquire_leadership(self, now: datetime) -> bool:
        """Whether this process leads, from now on if nobody else does.

        Raises:
            StoreError: the database cannot be read or written.
        """
        leader = self._queue.leader()
        until = now + self._lease
        if leader is not None and leader.owner == self.owner:
            # Written down three times in a lease, and not at every tick.
            fresh = now < leader.until and leader.until - now > self._lease * 2 / 3
            if (fresh and leader.until <= until) or self._queue.renew_leadership(self.owner, until):
                return True
        elif not self._queue.acquire_leadership(self.owner, now, until):
            return False
        self._update_due_times(now)
        return True

    def _update_due_times(self, now: datetime) -> None:
        """Say when each provider is due: of what is known already, only what has changed."""
        is_start = now - self._started_at <= self._delay + self._lease
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
            # A start begins a new row of intervals.
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
            if leader is None or leader.owner != self.owner:
                return
            due = self._due_providers(now)
            # What is wanted already serves the slot too, unless it is to change nothing.
            wanted = {item.provider for item in self._queue.active() if not item.dry_run}
            priorities = {
                item.provider: self._plans[item.provider].priority
                for item in due
                if item.provider not in wanted
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
        """The slots up to now are served by one reading, however many they are."""
        if due.due_at > now:
            return replace(due, retry_at=None)
        # The later of the two, so that a clock that was set back serves no slot twice.
        after = max(now, due.due_at)
        due_at = next_due(self._plans[due.provider], due.provider, after, due.anchor_at)
        return replace(due, due_at=due_at, retry_at=None)

    # Taking

    def expire(self, now: datetime) -> list[tuple[Reading, bool]]:
        """End the readings of processes that died, each as `fail` does."""
        why = "the process that took it has not been heard of"
        ended = [self.fail(claim, ABANDONED, why, now) for claim in self._queue.expired_claims(now)]
        return [entry for entry in ended if entry is not None]

    def claim(self, now: datetime, *, most: int, runs: set[str] | None) -> list[Claim]:
        """Readings for this process to take, of these *runs* or of any."""
        return self._queue.claim(self.owner, now, now + self._lease, most=most, runs=runs)

    def open_runs(self) -> set[str]:
        """The runs of which something is queued or going on."""
        return {item.run_id for item in self._queue.active()}

    def renew(self, claims: Sequence[Claim], now: datetime) -> None:
        """Say that this process is alive and at these."""
        self._queue.renew(claims, now + self._lease)

    def cancelled(self, claims: Sequence[Claim]) -> list[Claim]:
        """Which of its readings this process should leave off, because somebody asked for it.

        One that was given up for dead goes on until it is refused.
        """
        owned = self._queue.owned_claims(self.owner)
        return [claim for claim in claims if owned.get((claim.run_id, claim.provider))]

    def fail(
        self, claim: Claim, kind: str, why: str, now: datetime | None = None
    ) -> tuple[Reading, bool] | None:
        """End a reading that was not taken to its end; None when it has ended otherwise already.

        What is written down of it, and whether its run has ended with it.
        """
        at = now or datetime.now(UTC)
        ending = FinishClaim.of(claim, self._settings.plan(claim.provider))
        try:
            with self._queue.transaction():
                reading = _unfinished_reading(
                    self._queue.run(claim.run_id), claim.provider, at, kind, why
                )
                self._store.add_reading(reading)
                return reading, ending(self._store, reading, None)
        except LostClaim:
            return None

    # Status

    def status(self, now: datetime) -> dict[str, Any]:
        """The state of the schedule in the words of the reference, and a few more."""
        queue, settings = self._queue, self._settings
        leader, dues = queue.leader(), queue.due_times()
        successes = self._store.latest_successes()
        return {
            "enabled": settings.enabled,
            "interval_hours": settings.interval_hours,
            "running": leader is not None and leader.until > now,
            "providers": list(settings.providers),
            "last_syncs": {
                name: {"timestamp": _second(at), "seconds_ago": _seconds(at, now)}
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
            "active": [
                {"provider": item.provider, "run_id": item.run_id, "state": item.state}
                for item in queue.active()
            ],
            "leader": None if leader is None else _leader(leader, self.owner),
            "dry_run": settings.dry_run,
            "at": write_instant(now),
        }


def _leader(leader: Leader, owner: str) -> dict[str, Any]:
    return {
        "is_this_process": leader.owner == owner,
        "term": leader.term,
        "since": write_instant(leader.since),
        "lease_until": write_instant(leader.until),
    }


def _second(at: datetime) -> str:
    """To the second, as the reference wrote instants."""
    return write_instant(at.replace(microsecond=0))


def _seconds(earlier: datetime, later: datetime) -> int:
    """Whole seconds between; none where the clock has gone back."""
    return max(int((later - earlier).total_seconds()), 0)


def _unfinished_reading(run: Run, provider: str, at: datetime, kind: str, why: str) -> Reading:
    """What is written down of a reading that came to no answer and to no error of its provider."""
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
