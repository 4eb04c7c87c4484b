"""The engine that reads providers inside this process, on its event loop.

A loop polls the database once a second, or when it is woken: it becomes the leader if there is
none, renews leases, claims readings and starts them. Each reading is a task of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias, TypeVar

from pricing_sync.changes.run import CANCELLED, INTERNAL, STORE, Reading
from pricing_sync.errors import LostClaim, PricingSyncError, StoreError
from pricing_sync.observe.listener import Listener
from pricing_sync.scheduling.scheduler import Scheduler
from pricing_sync.store import Store
from pricing_sync.store.queue import Claim
from pricing_sync.sync.reading import ReadingResult

#: Reads the provider of a claim.
ReadClaim: TypeAlias = Callable[[Claim], Awaitable[ReadingResult]]
#: Work that is done regularly in addition to the readings: by the leader, or by a process that does
#: not schedule.
MaintenanceTask: TypeAlias = Callable[[], Awaitable[None]]
_T = TypeVar("_T")

_TICK_SECONDS = 1.0
#: Between two runs of the maintenance task, which finds in the database what is due.
_MAINTENANCE_SECONDS = 3600
#: How long a stop may wait for cancelled readings to be stored.
_FINAL_FLUSH_SECONDS = 5.0


#: Where an error is from, when the file of the price book could not be written.
BOOK_FILE = "book file"


@dataclass(frozen=True, slots=True)
class _PollResult:
    """What the engine found and claimed in one poll of the database."""

    is_leader: bool = False
    #: Claims of this process whose readings must be cancelled.
    cancelled_claims: Sequence[Claim] = ()
    #: New claims of this process, to be started.
    new_claims: Sequence[Claim] = ()
    #: Readings of processes that died, and whether their run ended with them.
    expired_readings: Sequence[tuple[Reading, bool]] = ()
    #: Runs with a reading that is queued or in progress.
    open_runs: Set[str] = frozenset()


class LocalEngine:
    """Runs readings in this process: all queued ones while it leads, else those of requested runs.

    With *schedules* it can become the leader. *write_book* is called in a thread after each run. An
    engine is started and stopped once.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        store: Store,
        read_claim: ReadClaim,
        listeners: Sequence[Listener] = (),
        *,
        schedules: bool,
        at_once: int,
        lease_seconds: float,
        maintenance: MaintenanceTask | None = None,
        maintenance_delay_seconds: float = 0,
        write_book: Callable[[], None] | None = None,
    ) -> None:
        self._scheduler, self._store, self._read_claim = scheduler, store, read_claim
        self._listeners, self._write_book = listeners, write_book
        self._schedules = schedules
        self._at_once = at_once
        self._renew_seconds = lease_seconds / 3
        self._renewed_at = 0.0
        self._tasks: dict[Claim, asyncio.Task[None]] = {}
        self._requested_runs: set[str] = set()
        self._wake_event = asyncio.Event()
        self._stopping = self._closed = False
        self._loop: asyncio.Task[None] | None = None
        self._maintenance = maintenance
        self._maintenance_at = time.monotonic() + maintenance_delay_seconds
        self._maintenance_task: asyncio.Task[None] | None = None
        self._last_error = ""
        self._next_finished = asyncio.Event()

    @property
    def is_running(self) -> bool:
        """Whether the engine can start a reading."""
        return self._loop is not None and not self._loop.done() and not self._stopping

    def start(self, claims: Sequence[Claim] = ()) -> None:
        """Start the readings of *claims* and the polling loop. Returns at once."""
        self._renewed_at = time.monotonic()
        for claim in claims:
            self._start_claim(claim)
        self._loop = asyncio.create_task(self._run_loop(), name="pricing-sync")

    def wake(self, run_id: str) -> None:
        """Add a run that was requested in this process, and poll at once."""
        self._requested_runs.add(run_id)
        self._wake_event.set()

    @property
    def next_finished(self) -> asyncio.Event:
        """Set when the next reading of this process has ended and the listeners were notified."""
        return self._next_finished

    async def notify(self, readings: Sequence[tuple[Reading, bool]]) -> None:
        """Notify the listeners of readings that ended without an answer, and of finished runs."""
        for reading, finished_run in readings:
            await self._notify(reading, None, finished_run=finished_run)

    async def stop(self, grace_seconds: float) -> None:
        """Start no more readings, wait for those in progress, then cancel them and store that.

        Stopping twice, or before the start, is harmless.
        """
        is_first_stop, self._stopping = not self._stopping, True
        await self._wait_for_tasks(grace_seconds)
        for task in self._tasks.values():
            task.cancel()
        await self._wait_for_tasks(_FINAL_FLUSH_SECONDS)
        if self._maintenance_task is not None:
            self._maintenance_task.cancel()
            await asyncio.wait([self._maintenance_task], timeout=_FINAL_FLUSH_SECONDS)
        if self._loop is not None:
            self._closed = True
            self._wake_event.set()
            await asyncio.wait([self._loop], timeout=_FINAL_FLUSH_SECONDS)
            self._loop.cancel()
        if is_first_stop and self._schedules:
            await self._guard("release leadership", self._release_leadership())

    async def _wait_for_tasks(self, seconds: float) -> None:
        """Wait for the readings in progress."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=seconds)

    async def _release_leadership(self) -> None:
        async with asyncio.timeout(_FINAL_FLUSH_SECONDS):
            await asyncio.to_thread(self._scheduler.release_leadership, datetime.now(UTC))

    async def _run_loop(self) -> None:
        while not self._closed:
            self._wake_event.clear()
            await self._guard("tick", self._tick())
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._wake_event.wait()

    async def _tick(self) -> None:
        requested_runs = set(self._requested_runs)
        polled = await asyncio.to_thread(self._poll, list(self._tasks), requested_runs)
        self._requested_runs -= requested_runs - polled.open_runs
        for claim in polled.cancelled_claims:
            if task := self._tasks.get(claim):
                task.cancel()
        for claim in polled.new_claims:
            if self._stopping:
                await self._fail(claim, CANCELLED, "cancelled before its end", None)
                continue
            self._start_claim(claim)
        if (
            (polled.is_leader or not self._schedules)
            and self._maintenance is not None
            and time.monotonic() >= self._maintenance_at
        ):
            self._maintenance_at = time.monotonic() + _MAINTENANCE_SECONDS
            self._maintenance_task = asyncio.create_task(self._run_maintenance(self._maintenance))
        await self.notify(polled.expired_readings)

    def _start_claim(self, claim: Claim) -> None:
        task = asyncio.create_task(self._run_claim(claim), name=f"pricing-sync {claim.provider}")
        self._tasks[claim] = task
        task.add_done_callback(partial(self._task_done, claim))

    async def _run_maintenance(self, maintenance: MaintenanceTask) -> None:
        await self._guard("maintenance", maintenance())

    def _task_done(self, claim: Claim, _task: asyncio.Task[None]) -> None:
        del self._tasks[claim]
        # A reading can wait for a free slot, or for the end of this reading of its provider.
        self._wake_event.set()
        self._next_finished.set()
        self._next_finished = asyncio.Event()

    def _poll(self, claims: Sequence[Claim], requested_runs: set[str]) -> _PollResult:
        """Renew leases, expire dead claims, enqueue due providers and claim readings."""
        now = datetime.now(UTC)
        cancelled = self._renew_claims(claims, now)
        if self._stopping or not (self._schedules or requested_runs):
            return _PollResult(cancelled_claims=cancelled)
        if self._scheduler.is_idle(now):
            is_leader = self._schedules and self._scheduler.acquire_leadership(now)
            return _PollResult(is_leader=is_leader, cancelled_claims=cancelled)
        # Before the tick, because an expired reading changes when its provider is due.
        expired = self._scheduler.expire(now)
        is_leader = self._schedules and self._scheduler.tick(now)
        runs = None if is_leader else requested_runs
        return _PollResult(
            is_leader=is_leader,
            cancelled_claims=cancelled,
            new_claims=self._scheduler.claim(now, most=self._at_once - len(claims), runs=runs),
            expired_readings=expired,
            open_runs=self._scheduler.open_runs() if requested_runs else set(),
        )

    def _renew_claims(self, claims: Sequence[Claim], now: datetime) -> Sequence[Claim]:
        """Renew the leases of the claims; returns the claims that were cancelled."""
        if not claims:
            return ()
        clock = time.monotonic()
        if clock - self._renewed_at >= self._renew_seconds:
            self._scheduler.renew(claims, now)
            self._renewed_at = clock
        return self._scheduler.cancelled(claims)

    async def _run_claim(self, claim: Claim) -> None:
        """Read the provider of one claim; store any failure and notify the listeners."""
        try:
            result = await _result_or_error(self._read_claim(claim))
        except asyncio.CancelledError:
            await self._fail(claim, CANCELLED, "cancelled before its end", None)
            raise
        if isinstance(result, ReadingResult):
            await self._notify(result.reading, result.error, finished_run=result.finished_run)
        elif isinstance(result, LostClaim):
            pass  # the process that took the claim away has stored the reason
        else:
            await self._report_error(claim.provider, result)
            kind = STORE if isinstance(result, StoreError) else INTERNAL
            is_ours = isinstance(result, PricingSyncError)
            why = str(result) if is_ours else f"failed unexpectedly: {type(result).__name__}"
            await self._fail(claim, kind, why, result)

    async def _fail(self, claim: Claim, kind: str, why: str, error: Exception | None) -> None:
        recorded = await self._guard(
            claim.provider, asyncio.to_thread(self._scheduler.fail, claim, kind, why)
        )
        if recorded is not None:
            reading, finished_run = recorded
            await self._notify(reading, error, finished_run=finished_run)

    async def _notify(
        self, reading: Reading, error: Exception | None, *, finished_run: bool
    ) -> None:
        await self._notify_all(lambda listener: listener.on_reading(reading, error))
        if finished_run:
            found = await self._guard("run", asyncio.to_thread(self._store.run, reading.run_id))
            if found is not None:
                run, readings = found
                await self._notify_all(lambda listener: listener.on_run(run, readings))
            if self._write_book is not None:
                await self._guard(BOOK_FILE, asyncio.to_thread(self._write_book))

    async def _notify_all(self, call: Callable[[Listener], None]) -> None:
        for listener in self._listeners:
            await self._guard(type(listener).__name__, _call(call, listener))

    async def _guard(self, where: str, work: Awaitable[_T]) -> _T | None:
        """The result of *work*; None if it fails, after the listeners got the error."""
        result = await _result_or_error(work)
        if isinstance(result, Exception):
            await self._report_error(where, result)
            return None
        self._last_error = ""
        return result

    async def _report_error(self, where: str, error: Exception) -> None:
        """Report an error to the listeners; a repeated StoreError only once."""
        report = f"{where}: {error!r}"
        if isinstance(error, StoreError) and report == self._last_error:
            return
        self._last_error = report
        for listener in self._listeners:
            await _result_or_error(_call(lambda each: each.on_error(where, error), listener))


async def _result_or_error(work: Awaitable[_T]) -> _T | Exception:
    """The result of *work*, or the exception that it raises.

    This is the only place that catches every exception: a bug in one reading or one listener must
    not end the loop that runs all the others.
    """
    try:
        return await work
    except Exception as error:  # noqa: BLE001
        return error


async def _call(call: Callable[[Listener], None], listener: Listener) -> None:
    call(listener)
