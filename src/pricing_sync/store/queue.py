"""Runs that wait, go on and end; who may take which reading; when each provider is due.

All of it is in the database, so that several processes agree on it and a restart forgets nothing.
A run has a row for each of its providers. A row is claimed by one owner, once; what that owner
writes is refused from the moment the row is no longer its own.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pricing_sync.changes.run import SCHEDULE, Outcome, Reading, Run, outcome
from pricing_sync.errors import LostClaim, UnknownName
from pricing_sync.store.connection import Connection, NamedQueries, load_queries
from pricing_sync.store.ids import new_id
from pricing_sync.store.rows import (
    RUN_COLUMNS,
    read_instant,
    read_optional_instant,
    read_run,
    write_instant,
    write_json,
    write_optional_instant,
)
from pricing_sync.timetable import Due

_QUERIES = load_queries({"run": ", ".join(f"r.{column}" for column in RUN_COLUMNS)}, "queue.sql")
#: A lease that ends later than this from now was taken before the clock was set back.
_LATEST_LEASE = timedelta(hours=1)
#: How long a run waits for the last of its providers before it begins with the others.
_MAX_WAIT = timedelta(seconds=30)

#: Counters: how many of each set of labels, such as `(("provider", "xai"), ("status", "held"))`.
Labels = tuple[tuple[str, str], ...]

RUNS = "pricing_scheduled_sync_runs_total"
DURATION_BUCKET = "pricing_scheduled_sync_duration_seconds_bucket"
DURATION_SUM = "pricing_scheduled_sync_duration_microseconds_sum"
MODELS = "pricing_models_synced_total"
FAILURES = "pricing_reading_failures_total"
#: Seconds: the upper bounds of the histogram of how long runs take.
BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900)


@dataclass(frozen=True, slots=True)
class Claim:
    """A reading that is somebody's to take, and nobody else's."""

    run_id: str
    provider: str
    owner: str
    dry_run: bool
    started_by: str


@dataclass(frozen=True, slots=True)
class Step:
    """What has become so far of one provider of a run."""

    provider: str
    #: `queued`, `reading`, `read`, `unchanged`, `failed`, `cancelled`.
    state: str


@dataclass(frozen=True, slots=True)
class Active:
    """A reading that is queued or going on."""

    provider: str
    run_id: str
    state: str
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Leader:
    """The process that schedules."""

    owner: str
    #: How many processes have scheduled so far.
    term: int
    since: datetime
    #: Until when it is believed to be alive.
    until: datetime


@dataclass(frozen=True, slots=True)
class PendingWork:
    """Whether there is anything to do."""

    #: When the first of the scheduled providers is due; None where none is scheduled.
    due_at: datetime | None
    #: How many readings are queued or going on.
    open_readings: int


class Queue(NamedQueries):
    """The runs and the schedule, in the database of a `Store`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, _QUERIES)

    def transaction(self) -> AbstractContextManager[None]:
        """Everything inside counts, or nothing does."""
        return self._connection.transaction()

    # Asking

    def insert_run(self, run: Run) -> None:
        """Write down a run, without anything that is to be read for it."""
        self._execute(
            "insert_run",
            id=run.id,
            started_by=run.started_by,
            started_at=write_instant(run.started_at),
            dry_run=int(run.dry_run),
            providers=write_json(run.providers),
        )

    def enqueue(
        self, priorities: Mapping[str, int], *, started_by: str, dry_run: bool, now: datetime
    ) -> Run:
        """A new run of these providers, with the priority of each. Inside a transaction."""
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
        """A run of these providers; whether it is one that was waiting already.

        An identical run of which nothing has begun serves both who asked, at the higher priority.
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
            UnknownName: there is none of that id.
        """
        found = self._fetch("run", id=run_id)
        if not found:
            raise UnknownName(f"run: {run_id[:80]!a}: no such run")
        return read_run(found[0])

    def steps(self, run_id: str) -> list[Step]:
        """What has become so far of each provider of a run, in the order of reading."""
        found = self._fetch("steps", run_id=run_id)
        return [Step(provider, state) for provider, state in found]

    def active(self) -> list[Active]:
        """What is queued or going on, the most wanted first."""
        found = self._fetch("active")
        return [
            Active(provider, run_id, state, bool(dry)) for provider, run_id, state, dry in found
        ]

    # Taking

    def claim(
        self,
        owner: str,
        now: datetime,
        until: datetime,
        *,
        most: int,
        runs: Collection[str] | None = None,
    ) -> list[Claim]:
        """Up to *most* readings that are now the owner's to take, the most wanted first.

        *runs* limits them to those of these runs. No provider is read twice at once.
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
        """Make queued readings their owner's. Inside a transaction that saw the providers free."""
        self._execute_many(
            "claim", [_key(claim) | {"until": write_instant(until)} for claim in claims]
        )

    def _claimable(self, owner: str, now: datetime, runs: Collection[str] | None) -> list[Claim]:
        return [
            Claim(run_id, provider, owner, bool(dry_run), started_by)
            for run_id, provider, dry_run, started_by in self._fetch(
                "claimable", patient_until=write_instant(now - _MAX_WAIT)
            )
            if runs is None or run_id in runs
        ]

    def renew(self, claims: Sequence[Claim], until: datetime) -> None:
        """Say that the owner of these is alive."""
        self._execute_many(
            "renew", [_key(claim) | {"until": write_instant(until)} for claim in claims]
        )

    def owned_claims(self, owner: str) -> dict[tuple[str, str], bool]:
        """The run and provider of each reading that is still the owner's, and whether somebody
        wants it ended."""
        return {(row[0], row[1]): bool(row[2]) for row in self._fetch("owned_claims", owner=owner)}

    def check_claim(self, claim: Claim) -> None:
        """Refuse to go on unless the reading is still its owner's. Inside a transaction.

        Raises:
            LostClaim: it was cancelled, or given up for dead.
        """
        if (claim.run_id, claim.provider) not in self.owned_claims(claim.owner):
            raise LostClaim(f"{claim.provider}: reading: run {claim.run_id} goes on without it")

    def finish_claim(self, claim: Claim, state: str) -> None:
        """Write down what became of a reading. Inside the transaction that stores it.

        Raises:
            LostClaim: it is no longer the owner's. What it would store must not count.
        """
        if not self._execute("finish_claim", **_key(claim), state=state):
            raise LostClaim(f"{claim.provider}: reading: run {claim.run_id} goes on without it")

    def expired_claims(self, now: datetime) -> list[Claim]:
        """The readings whose owner has not been heard of."""
        found = self._fetch("expired_claims", **_lease_bounds(now))
        return [Claim(row[0], row[1], row[4], bool(row[2]), row[3]) for row in found]

    def dequeue(self, run_id: str, provider: str) -> bool:
        """Take a reading out of the queue, if it has not begun. Inside a transaction."""
        return bool(self._execute("dequeue", run_id=run_id, provider=provider))

    def request_cancel(self, run_id: str) -> None:
        """Ask whoever takes readings of the run to end them."""
        self._execute("request_cancel", run_id=run_id)

    def finish_run_if_done(self, run_id: str, now: datetime) -> bool:
        """End the run if nothing of it is left; whether that was so. Inside a transaction."""
        if self._fetch("open_readings", run_id=run_id)[0][0]:
            return False
        wanted, read = self._fetch("count_results", run_id=run_id)[0]
        ended = outcome(read, wanted)
        self._execute("finish_run", id=run_id, at=write_instant(now), outcome=ended.value)
        run = self.run(run_id)
        if run.started_by == SCHEDULE:
            self.increment(_run_counts(ended, run.duration_seconds or 0))
        return True

    # Leading

    def leader(self) -> Leader | None:
        """Who schedules, dead or alive; None before the first."""
        found = self._fetch("leader")
        if not found:
            return None
        owner, term, since, until = found[0]
        return Leader(owner, term, read_instant(since), read_instant(until))

    def acquire_leadership(self, owner: str, now: datetime, until: datetime) -> bool:
        """Take the lead if nobody alive has it; whether it was free."""
        return bool(
            self._execute(
                "acquire_leadership", owner=owner, until=write_instant(until), **_lease_bounds(now)
            )
        )

    def renew_leadership(self, owner: str, until: datetime) -> bool:
        """Stay in the lead; False for who has it no longer."""
        return bool(self._execute("renew_leadership", owner=owner, until=write_instant(until)))

    def release_leadership(self, owner: str, now: datetime) -> None:
        """Leave the lead to whoever comes next."""
        self._execute("release_leadership", owner=owner, now=write_instant(now))

    # The schedule

    def pending_work(self) -> PendingWork:
        """What there is to do, at the price of one small question."""
        due_at, open_readings = self._fetch("pending_work")[0]
        return PendingWork(read_optional_instant(due_at), open_readings)

    def due_times(self) -> dict[str, Due]:
        """When each scheduled provider is due."""
        return {
            row[0]: Due(
                provider=row[0],
                plan=row[1],
                anchor_at=read_instant(row[2]),
                due_at=read_instant(row[3]),
                retry_at=read_optional_instant(row[4]),
                failures=row[5],
            )
            for row in self._fetch("due_times")
        }

    def save_due_times(self, dues: Iterable[Due]) -> None:
        """Write down when providers are due, in place of what was said of them before."""
        self._execute_many(
            "save_due_time",
            [
                {
                    "provider": due.provider,
                    "plan": due.plan,
                    "anchor_at": write_instant(due.anchor_at),
                    "due_at": write_instant(due.due_at),
                    "retry_at": write_optional_instant(due.retry_at),
                    "failures": due.failures,
                }
                for due in dues
            ],
        )

    def delete_due_times(self, providers: Iterable[str]) -> None:
        """Schedule these no longer."""
        self._execute_many("delete_due_time", [{"provider": provider} for provider in providers])

    def last_attempts(self) -> dict[str, datetime]:
        """When each provider was last asked, whatever came of it."""
        return {row[0]: read_instant(row[1]) for row in self._fetch("last_attempts")}

    # Counters

    def increment(self, counts: Mapping[tuple[str, Labels], int]) -> None:
        """Add to counters. Inside the transaction that makes it true."""
        self._execute_many(
            "increment",
            [
                {"name": name, "labels": write_json(dict(labels)), "value": value}
                for (name, labels), value in counts.items()
                if value
            ],
        )

    def counters(self) -> dict[str, dict[Labels, int]]:
        """Every counter by its name and labels."""
        found: dict[str, dict[Labels, int]] = {}
        for name, labels, value in self._fetch("counters"):
            found.setdefault(name, {})[tuple(sorted(json.loads(labels).items()))] = value
        return found


def reading_counts(reading: Reading) -> dict[tuple[str, Labels], int]:
    """What a reading adds to the counters."""
    provider = ("provider", reading.provider)
    if reading.error_kind is not None:
        return {(FAILURES, (provider, ("kind", reading.error_kind))): 1}
    return {
        (MODELS, (provider, ("status", status))): count
        for status, count in reading.model_counts().items()
    }


def _run_counts(ended: Outcome, seconds: float) -> Counter[tuple[str, Labels]]:
    """What a run of the schedule adds to the counters. The buckets are cumulative, as Prometheus
    has them; the sum is in microseconds because counters are whole numbers."""
    counts: Counter[tuple[str, Labels]] = Counter()
    counts[RUNS, (("status", ended.value),)] = 1
    counts[DURATION_SUM, ()] = round(seconds * 1_000_000)
    for bound in BUCKETS:
        counts[DURATION_BUCKET, (("le", f"{bound:g}"),)] = int(seconds <= bound)
    counts[DURATION_BUCKET, (("le", "+Inf"),)] = 1
    return counts


def _key(claim: Claim) -> dict[str, Any]:
    return {"run_id": claim.run_id, "provider": claim.provider, "owner": claim.owner}


def _lease_bounds(now: datetime) -> dict[str, str]:
    return {"now": write_instant(now), "horizon": write_instant(now + _LATEST_LEASE)}
