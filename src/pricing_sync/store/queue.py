"""The queue of runs, the claims of readings, the leader's lease, and the schedule.

All of it is in the database, so that several processes share it and a restart loses nothing. A run
has a row for each of its providers. One owner claims a row, once. When the owner loses its claim,
its result is refused.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pricing_sync.changes.events import EventKind
from pricing_sync.changes.run import SCHEDULE, Outcome, Reading, Run, outcome
from pricing_sync.errors import LostClaim, UnknownName
from pricing_sync.store.connection import Connection, NamedQueries, Row, load_queries
from pricing_sync.store.events import run_finished
from pricing_sync.store.ids import new_id
from pricing_sync.store.outbox import Outbox
from pricing_sync.store.rows import (
    READING_COLUMNS,
    RUN_COLUMNS,
    read_instant,
    read_optional_instant,
    read_reading,
    read_row,
    read_run,
    write_instant,
    write_json,
    write_row,
)
from pricing_sync.timetable import Due

_DUE_COLUMNS = ("provider", "plan", "anchor_at", "due_at", "retry_at", "failures")
_QUERIES = load_queries(
    {
        "run": ", ".join(f"r.{column}" for column in RUN_COLUMNS),
        "reading": ", ".join(READING_COLUMNS),
    },
    "queue.sql",
)
#: A lease that ends later than this from now was written before the clock was set back.
_LATEST_LEASE = timedelta(hours=1)
#: How long a run waits until all its providers are free, before it begins with some of them.
_MAX_WAIT = timedelta(seconds=30)
#: For how long a worker that was killed is shown.
_FORGET_WORKERS = timedelta(days=1)
_SCHEDULER = "scheduler"

#: The labels of a counter, such as `(("provider", "xai"), ("status", "held"))`.
Labels = tuple[tuple[str, str], ...]

RUNS = "pricing_scheduled_sync_runs_total"
DURATION_BUCKET = "pricing_scheduled_sync_duration_seconds_bucket"
DURATION_SUM = "pricing_scheduled_sync_duration_microseconds_sum"
MODELS = "pricing_models_synced_total"
FAILURES = "pricing_reading_failures_total"
#: Not a metric of that name: the revision of the ledger (`Store.revision`).
REVISION = "revision"
#: The upper bounds of the histogram of run durations, in seconds.
BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right of one owner to make one reading of a run."""

    run_id: str
    provider: str
    owner: str
    dry_run: bool
    started_by: str


@dataclass(frozen=True, slots=True)
class Step:
    """The state of one provider in a run."""

    provider: str
    #: `queued`, `reading`, `read`, `unchanged`, `failed`, `cancelled`.
    state: str


@dataclass(frozen=True, slots=True)
class Active:
    """A reading that is queued or in progress."""

    provider: str
    run_id: str
    state: str
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Leader:
    """The process that runs the schedule."""

    owner: str
    #: How many times leadership was acquired so far.
    term: int
    since: datetime
    #: When the lease expires.
    until: datetime


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that reads for others."""

    id: str
    #: Its host and the number of its process.
    process: str
    since: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class PendingWork:
    """Whether there is anything to do."""

    #: When the next provider is due; None when no provider is scheduled.
    due_at: datetime | None
    #: How many readings are queued or in progress.
    open_readings: int


class Queue(NamedQueries):
    """The runs and the schedule, in the database of a `Store`."""

    def __init__(self, connection: Connection, outbox: Outbox) -> None:
        super().__init__(connection, _QUERIES)
        self._outbox = outbox

    def transaction(self) -> AbstractContextManager[None]:
        """A transaction: everything inside is committed, or nothing."""
        return self._connection.transaction()

    # Runs

    def insert_run(self, run: Run) -> None:
        """Add a run without queueing any reading of it."""
        self._execute("insert_run", **write_row(run, RUN_COLUMNS))

    def enqueue(
        self, priorities: Mapping[str, int], *, started_by: str, dry_run: bool, now: datetime
    ) -> Run:
        """Queue a new run of these providers, with a priority each. Call it in a transaction."""
        run = Run(new_id(now), started_by, now, None, None, dry_run, tuple(priorities))
        self.insert_run(run)
        at = write_instant(now)
        self._execute_many(
            "enqueue",
            [
                {"run_id": run.id, "provider": provider, "priority": priority, "at": at}
                for provider, priority in priorities.items()
            ],
        )
        return run

    def trigger(
        self, priorities: Mapping[str, int], *, started_by: str, dry_run: bool, now: datetime
    ) -> tuple[Run, bool]:
        """A run of these providers, and whether it was queued already.

        An identical run that has not begun is shared, at the higher priority of the two requests.
        """
        with self.transaction():
            for row in self._fetch("queued_runs", dry_run=int(dry_run)):
                run = read_run(row)
                if set(run.providers) == set(priorities):
                    self._raise_priority(run.id, priorities)
                    return run, True
            added = self.enqueue(priorities, started_by=started_by, dry_run=dry_run, now=now)
            return added, False

    def _raise_priority(self, run_id: str, priorities: Mapping[str, int]) -> None:
        self._execute_many(
            "raise_priority",
            [
                {"run_id": run_id, "provider": provider, "priority": priority}
                for provider, priority in priorities.items()
            ],
        )

    def run(self, run_id: str) -> Run:
        """One run.

        Raises:
            UnknownName: no run has this id.
        """
        found = self._fetch("run", id=run_id)
        if not found:
            raise UnknownName(f"run: {run_id[:80]!a}: no such run")
        return read_run(found[0])

    def steps(self, run_id: str) -> list[Step]:
        """The state of each provider of a run, in the order of reading."""
        found = self._fetch("steps", run_id=run_id)
        return [Step(provider, state) for provider, state in found]

    def active(self) -> list[Active]:
        """The readings that are queued or in progress, highest priority first."""
        found = self._fetch("active")
        return [
            Active(provider, run_id, state, bool(dry)) for provider, run_id, state, dry in found
        ]

    # Claims

    def claim(
        self,
        owner: str,
        now: datetime,
        until: datetime,
        *,
        most: int,
        runs: Collection[str] | None = None,
    ) -> list[Claim]:
        """Claim up to *most* queued readings for *owner*, highest priority first, until *until*.

        *runs* limits them to these run ids. A provider has at most one reading in progress.
        """
        if most <= 0 or not self._claimable(owner, now, runs):
            return []
        with self.transaction():
            first: dict[str, Claim] = {}
            for claim in self._claimable(owner, now, runs):
                first.setdefault(claim.provider, claim)
            claims = list(first.values())[:most]
            self.assign(claims, until)
        return claims

    def assign(self, claims: Sequence[Claim], until: datetime) -> None:
        """Store claims of queued readings, in the transaction that found the providers free."""
        self._execute_many(
            "claim", [_key(claim) | {"until": write_instant(until)} for claim in claims]
        )

    def _claimable(self, owner: str, now: datetime, runs: Collection[str] | None) -> list[Claim]:
        (only,) = runs if runs is not None and len(runs) == 1 else (None,)
        return [
            Claim(run_id, provider, owner, bool(dry_run), started_by)
            for run_id, provider, dry_run, started_by, _ in self._fetch_claimable(now, only)
            if runs is None or run_id in runs
        ]

    def _fetch_claimable(self, now: datetime, run_id: str | None) -> list[Row]:
        queued_before = write_instant(now - _MAX_WAIT)
        return self._fetch("claimable", queued_before=queued_before, run_id=run_id)

    def claimable(self, now: datetime, run_id: str | None = None) -> dict[str, list[int]]:
        """The priorities of the readings that could be claimed, by run, the highest first.

        With *run_id*, those of this run only.
        """
        found: dict[str, list[int]] = {}
        for claimable_run, *_, priority in self._fetch_claimable(now, run_id):
            found.setdefault(claimable_run, []).append(priority)
        return found

    def waiting_runs(self, provider: str) -> list[str]:
        """The runs in which a reading of this provider is queued."""
        return [run_id for (run_id,) in self._fetch("waiting_runs", provider=provider)]

    def renew(self, claims: Sequence[Claim], until: datetime) -> None:
        """Extend the leases of these claims."""
        self._execute_many(
            "renew", [_key(claim) | {"until": write_instant(until)} for claim in claims]
        )

    def owned_claims(self, owner: str) -> dict[tuple[str, str], bool]:
        """The run id and provider of each claim of *owner*; whether it shall be cancelled."""
        return {(row[0], row[1]): bool(row[2]) for row in self._fetch("owned_claims", owner=owner)}

    def check_claim(self, claim: Claim) -> None:
        """Check that the owner still has the claim. Call it in a transaction.

        Raises:
            LostClaim: the claim was cancelled or has expired.
        """
        if (claim.run_id, claim.provider) not in self.owned_claims(claim.owner):
            raise _lost(claim)

    def finish_claim(self, claim: Claim, state: str) -> None:
        """Set the final state of a claimed reading, in the transaction that stores the reading.

        Raises:
            LostClaim: the owner has lost the claim. Its reading must not be stored.
        """
        if not self._execute("finish_claim", **_key(claim), state=state):
            raise _lost(claim)

    def expired_claims(self, now: datetime) -> list[Claim]:
        """The claims whose lease has expired."""
        found = self._fetch("expired_claims", **_lease_bounds(now))
        return [Claim(row[0], row[1], row[4], bool(row[2]), row[3]) for row in found]

    def dequeue(self, run_id: str, provider: str) -> bool:
        """Cancel a reading if it is still queued; return whether. Call it in a transaction."""
        return bool(self._execute("dequeue", run_id=run_id, provider=provider))

    def request_cancel(self, run_id: str) -> None:
        """Request the cancellation of the readings of a run that are in progress."""
        self._execute("request_cancel", run_id=run_id)

    def finish_run_if_done(self, run_id: str, now: datetime) -> bool:
        """Finish the run if it has no open reading; return whether. Call it in a transaction."""
        if self._fetch("open_readings", run_id=run_id)[0][0]:
            return False
        total, successful = self._fetch("count_results", run_id=run_id)[0]
        result = outcome(successful, total)
        self._execute("finish_run", id=run_id, at=write_instant(now), outcome=result.value)
        run = self.run(run_id)
        if run.started_by == SCHEDULE:
            self.increment(_run_counts(result, run.duration_seconds or 0))
        readings = [read_reading(row) for row in self._fetch("readings", run_id=run_id)]
        payload = run_finished(run, readings)
        # The id sorts after those of the readings.
        self._outbox.add(f"{new_id(now)}-run", EventKind.RUN_FINISHED, now, payload)
        return True

    # Leases

    def leader(self) -> Leader | None:
        """The last leader, even when its lease has expired; None when there never was one."""
        found = self._fetch("lease", name=_SCHEDULER)
        if not found:
            return None
        owner, term, since, until = found[0]
        return Leader(owner, term, read_instant(since), read_instant(until))

    def acquire_leadership(self, owner: str, now: datetime, until: datetime) -> bool:
        """Become the leader unless the lease of another has time left; return whether."""
        return self._acquire(_SCHEDULER, owner, now, until)

    def renew_leadership(self, owner: str, until: datetime) -> bool:
        """Extend the leader's lease; return False when *owner* is not the leader any more."""
        return bool(
            self._execute("renew_lease", name=_SCHEDULER, owner=owner, until=write_instant(until))
        )

    def release_leadership(self, owner: str, now: datetime) -> None:
        """End the leader's lease now, so that another process can become the leader."""
        self._execute("release_lease", name=_SCHEDULER, owner=owner, now=write_instant(now))

    def acquire_maintenance(self, owner: str, now: datetime, until: datetime) -> bool:
        """Whether *owner* shall do the maintenance: until *until*, nobody else will."""
        return self._acquire("maintenance", owner, now, until)

    def acquire_catalogs(self, owner: str, now: datetime, until: datetime) -> bool:
        """Whether *owner* shall read the catalogs: until *until*, nobody else will."""
        return self._acquire("catalogs", owner, now, until)

    def release_catalogs(self, owner: str, now: datetime) -> None:
        """End that lease now."""
        self._execute("release_lease", name="catalogs", owner=owner, now=write_instant(now))

    def _acquire(self, name: str, owner: str, now: datetime, until: datetime) -> bool:
        return bool(
            self._execute(
                "acquire_lease",
                name=name,
                owner=owner,
                until=write_instant(until),
                **_lease_bounds(now),
            )
        )

    # Workers

    def workers(self) -> list[Worker]:
        """The processes that read for others, the oldest first."""
        return [
            Worker(worker_id, process, read_instant(since), read_instant(seen))
            for worker_id, process, since, seen in self._fetch("workers")
        ]

    def worker_seen(self, worker_id: str, process: str, now: datetime) -> None:
        """Note that a worker is alive, and forget those that were last seen long ago."""
        self._execute(
            "save_worker", name=f"worker {worker_id}", owner=process, now=write_instant(now)
        )
        self._execute("delete_old_workers", before=write_instant(now - _FORGET_WORKERS))

    def worker_gone(self, worker_id: str) -> None:
        """Forget a worker that has stopped."""
        self._execute("delete_worker", name=f"worker {worker_id}")

    # The schedule

    def pending_work(self) -> PendingWork:
        """What there is to do, in one small query."""
        due_at, open_readings = self._fetch("pending_work")[0]
        return PendingWork(read_optional_instant(due_at), open_readings)

    def due_times(self) -> dict[str, Due]:
        """When each scheduled provider is due, by provider."""
        found = [read_row(Due, _DUE_COLUMNS, row) for row in self._fetch("due_times")]
        return {due.provider: due for due in found}

    def save_due_times(self, dues: Iterable[Due]) -> None:
        """Store when providers are due, in place of their earlier due times."""
        self._execute_many(
            "save_due_time",
            [write_row(due, _DUE_COLUMNS) for due in dues],
        )

    def delete_due_times(self, providers: Iterable[str]) -> None:
        """Remove providers from the schedule."""
        self._execute_many("delete_due_time", [{"provider": provider} for provider in providers])

    def last_attempts(self) -> dict[str, datetime]:
        """When the last attempt at each provider began, whatever its outcome."""
        return {row[0]: read_instant(row[1]) for row in self._fetch("last_attempts")}

    # Counters

    def increment(self, counts: Mapping[tuple[str, Labels], int]) -> None:
        """Add to counters, in the transaction that stores the counted facts."""
        self._execute_many(
            "increment",
            [
                {"name": name, "labels": write_json(dict(labels)), "value": value}
                for (name, labels), value in counts.items()
                if value
            ],
        )

    def counters(self) -> dict[str, dict[Labels, int]]:
        """Every counter, by name and labels."""
        found: dict[str, dict[Labels, int]] = {}
        for name, labels, value in self._fetch("counters"):
            found.setdefault(name, {})[tuple(sorted(json.loads(labels).items()))] = value
        return found


def reading_counts(reading: Reading) -> dict[tuple[str, Labels], int]:
    """The counter increments of a reading. One that was skipped counts nothing."""
    if reading.is_skipped:
        return {}
    provider = ("provider", reading.provider)
    if reading.error_kind is not None:
        return {(FAILURES, (provider, ("kind", reading.error_kind))): 1}
    return {
        (MODELS, (provider, ("status", status))): count
        for status, count in reading.model_counts().items()
    }


def _run_counts(result: Outcome, seconds: float) -> Counter[tuple[str, Labels]]:
    """The counter increments of a scheduled run.

    The buckets are cumulative, as in Prometheus. The sum is in microseconds, because counters are
    whole numbers.
    """
    counts: Counter[tuple[str, Labels]] = Counter()
    counts[RUNS, (("status", result.value),)] = 1
    counts[DURATION_SUM, ()] = round(seconds * 1_000_000)
    for bound in BUCKETS:
        counts[DURATION_BUCKET, (("le", f"{bound:g}"),)] = int(seconds <= bound)
    counts[DURATION_BUCKET, (("le", "+Inf"),)] = 1
    return counts


def _lost(claim: Claim) -> LostClaim:
    return LostClaim(
        f"{claim.provider}: reading: its claim in run {claim.run_id} was cancelled or has expired"
    )


def _key(claim: Claim) -> dict[str, Any]:
    return {"run_id": claim.run_id, "provider": claim.provider, "owner": claim.owner}


def _lease_bounds(now: datetime) -> dict[str, str]:
    return {"now": write_instant(now), "horizon": write_instant(now + _LATEST_LEASE)}
