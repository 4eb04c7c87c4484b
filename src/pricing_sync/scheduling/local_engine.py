"""The engine that reads providers inside this process, on its event loop.

A loop polls the database once a second, or when it is woken: it becomes the leader if there is
none, renews leases, claims readings and starts them. Each reading is a task of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from pricing_sync.changes.run import Reading
from pricing_sync.scheduling.maintenance import Maintenance
from pricing_sync.scheduling.readings import FINAL_FLUSH_SECONDS, Readings
from pricing_sync.scheduling.scheduler import Scheduler
from pricing_sync.store.queue import Claim

_TICK_SECONDS = 1.0


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

    With *schedules* it can become the leader. The *maintenance* is the leader's, or that of a
    process that does not schedule. An engine is started and stopped once.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        readings: Readings,
        *,
        schedules: bool,
        at_once: int,
        maintenance: Maintenance | None = None,
    ) -> None:
        self._scheduler, self._readings = scheduler, readings
        self._schedules = schedules
        self._at_once = at_once
        self._requested_runs: set[str] = set()
        self._wake_event = asyncio.Event()
        self._stopping = self._closed = False
        self._loop: asyncio.Task[None] | None = None
        self._maintenance = maintenance

    @property
    def is_running(self) -> bool:
        """Whether the engine can start a reading."""
        return self._loop is not None and not self._loop.done() and not self._stopping

    @property
    def next_finished(self) -> asyncio.Event:
        """Set when the next reading of this process has ended and the listeners were notified."""
        return self._readings.next_finished

    def start(self, claims: Sequence[Claim] = ()) -> None:
        """Start the readings of *claims* and the polling loop. Returns at once."""
        for claim in claims:
            self._readings.start(claim, self._reading_ended)
        self._loop = asyncio.create_task(self._run_loop(), name="pricing-sync")

    def wake(self, run_id: str) -> None:
        """Add a run that was requested in this process, and poll at once."""
        self._requested_runs.add(run_id)
        self._wake_event.set()

    async def notify(self, readings: Sequence[tuple[Reading, bool]]) -> None:
        """Notify the listeners of readings that ended without an answer, and of finished runs."""
        await self._readings.notify(readings)

    async def stop(self, grace_seconds: float) -> None:
        """Start no more readings, wait for those in progress, then cancel them and store that.

        Stopping twice, or before the start, is harmless.
        """
        is_first_stop, self._stopping = not self._stopping, True
        await self._readings.stop(grace_seconds)
        if self._maintenance is not None:
            await self._maintenance.stop()
        if self._loop is not None:
            self._closed = True
            self._wake_event.set()
            await asyncio.wait([self._loop], timeout=FINAL_FLUSH_SECONDS)
            self._loop.cancel()
        if is_first_stop and self._schedules:
            await self._readings.guard("release leadership", self._release_leadership())

    async def _release_leadership(self) -> None:
        async with asyncio.timeout(FINAL_FLUSH_SECONDS):
            await asyncio.to_thread(self._scheduler.release_leadership, datetime.now(UTC))

    async def _run_loop(self) -> None:
        while not self._closed:
            self._wake_event.clear()
            await self._readings.guard("tick", self._tick())
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._wake_event.wait()

    async def _tick(self) -> None:
        requested_runs = set(self._requested_runs)
        polled = await asyncio.to_thread(self._poll, self._readings.claims, requested_runs)
        self._requested_runs -= requested_runs - polled.open_runs
        self._readings.cancel(polled.cancelled_claims)
        for claim in polled.new_claims:
            if self._stopping:
                await self._readings.refuse(claim)
                continue
            self._readings.start(claim, self._reading_ended)
        maintenance, is_ours = self._maintenance, polled.is_leader or not self._schedules
        if maintenance is not None and is_ours and maintenance.is_due:
            maintenance.start()
        await self._readings.notify(polled.expired_readings)

    def _reading_ended(self, _claim: Claim) -> None:
        # A reading can wait for a free slot, or for the end of this reading of its provider.
        self._wake_event.set()

    def _poll(self, claims: Sequence[Claim], requested_runs: set[str]) -> _PollResult:
        """Renew leases, expire dead claims, enqueue due providers and claim readings."""
        now = datetime.now(UTC)
        cancelled = self._readings.renew(claims, now)
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
