"""The engine of many processes: some queue runs, others read them. PostgreSQL is between them.

Every reading that could be claimed has a job with the id of its run. A worker takes a job, and
claims a reading of that run as any process does. Every few seconds one of the workers ticks: it
expires the claims of workers that died, queues the providers that are due, and sends the jobs that
are missing. So a lost job costs a few seconds, and a job too many finds nothing to claim.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence, Set
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias

from pricing_sync.changes.run import Reading
from pricing_sync.scheduling.maintenance import Maintenance
from pricing_sync.scheduling.readings import FINAL_FLUSH_SECONDS, Readings
from pricing_sync.scheduling.run_transport import RunTransport
from pricing_sync.scheduling.scheduler import Scheduler
from pricing_sync.store.queue import Claim

#: Makes a transport that calls these two.
NewTransport: TypeAlias = Callable[
    [Callable[[str], Awaitable[None]], Callable[[], Awaitable[None]]], RunTransport
]
#: Between two looks at the leases of this process.
_LEASE_CHECK_SECONDS = 1.0
#: Between two tries to connect.
_RECONNECT_SECONDS = 1.0
#: The longest time between two ticks.
_TICK_SECONDS = 5


class ProcrastinateEngine:
    """Sends runs to workers; with *reads*, it is one of them.

    With *schedules*, its ticks queue what is due. An engine is started and stopped once.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        readings: Readings,
        new_transport: NewTransport,
        *,
        reads: bool,
        schedules: bool,
        at_once: int,
        lease_seconds: float,
        maintenance: Maintenance,
    ) -> None:
        self._scheduler, self._readings = scheduler, readings
        self._new_transport = new_transport
        self._transport: RunTransport | None = None
        self._connecting = asyncio.Lock()
        self._reads, self._schedules, self._at_once = reads, schedules, at_once
        self._seen_seconds, self._seen_at = lease_seconds / 3, -lease_seconds
        self._loops: list[asyncio.Task[None]] = []
        #: Claims that are being made.
        self._claiming: set[asyncio.Task[asyncio.Task[None] | None]] = set()
        #: What happened here: runs that were queued, and providers whose reading has ended.
        self._woken: set[str] = set()
        self._freed: set[str] = set()
        self._wake_event = asyncio.Event()
        self._stopping = False
        self._maintenance = maintenance

    @property
    def is_running(self) -> bool:
        """Whether the engine was started, and not stopped."""
        return bool(self._loops) and not self._stopping

    @property
    def next_finished(self) -> asyncio.Event:
        """Set when the next reading of this process has ended and the listeners were notified."""
        return self._readings.next_finished

    def start(self, claims: Sequence[Claim] = ()) -> None:
        """Start the readings of *claims*, then those of the queue. Returns at once."""
        for claim in claims:
            self._readings.start(claim, self._reading_ended)
        loops = [self._send_woken()]
        if self._reads:
            loops += [self._work(), self._keep_leases()]
        self._loops = [asyncio.create_task(loop, name="pricing-sync") for loop in loops]

    def wake(self, run_id: str) -> None:
        """Send a run that was queued here to the workers."""
        self._woken.add(run_id)
        self._wake_event.set()

    async def notify(self, readings: Sequence[tuple[Reading, bool]]) -> None:
        """Notify the listeners of readings that ended without an answer, and of finished runs."""
        await self._readings.notify(readings)

    async def stop(self, grace_seconds: float) -> None:
        """Start no more readings, wait for those in progress, then cancel them and store that.

        Stopping twice, or before the start, is harmless.
        """
        is_first_stop, self._stopping = not self._stopping, True
        if self._claiming:
            await asyncio.wait(self._claiming, timeout=FINAL_FLUSH_SECONDS)
        await self._readings.stop(grace_seconds)
        await self._maintenance.stop()
        for loop in self._loops:
            loop.cancel()
        if self._loops:
            await asyncio.wait(self._loops, timeout=FINAL_FLUSH_SECONDS)
        if self._transport is not None:
            await self._readings.guard("jobs", self._transport.close())
        if is_first_stop and self._reads and self._loops:
            gone = asyncio.to_thread(self._scheduler.worker_gone)
            await self._readings.guard("workers", asyncio.wait_for(gone, FINAL_FLUSH_SECONDS))

    # Jobs

    async def _work(self) -> None:
        """Take jobs until the engine stops, also after the database was away."""
        while True:
            await self._readings.guard("jobs", self._work_once())
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _work_once(self) -> None:
        transport = await self._connected()
        await transport.work(self._at_once)

    async def _send_woken(self) -> None:
        """Send what was queued or can begin now. What cannot be sent is left to the next tick."""
        while True:
            await self._wake_event.wait()
            self._wake_event.clear()
            runs, providers = self._woken, self._freed
            self._woken, self._freed = set(), set()
            await self._readings.guard("jobs", self._send_runs(runs, providers))

    async def _send_runs(self, runs: Set[str], freed_providers: Set[str]) -> None:
        for provider in freed_providers:
            runs |= {*await asyncio.to_thread(self._scheduler.waiting_runs, provider)}
        for run_id in runs:
            await self._send(run_id)

    async def _send(self, run_id: str | None = None) -> None:
        """Send the jobs that are missing, of one run or of all."""
        now = datetime.now(UTC)
        claimable = await asyncio.to_thread(self._scheduler.claimable, now, run_id)
        if not claimable:
            return
        transport = await self._connected()
        waiting = await transport.waiting()
        for claimable_run, priorities in claimable.items():
            missing = priorities[: max(len(priorities) - waiting[claimable_run], 0)]
            await transport.send(claimable_run, missing)

    async def _connected(self) -> RunTransport:
        """The transport. It is opened once; afterwards it connects again by itself."""
        async with self._connecting:
            if self._transport is None:
                transport = self._new_transport(self._read, self._tick)
                try:
                    await transport.open()
                except BaseException:
                    await transport.close()
                    raise
                self._transport = transport
            return self._transport

    async def _read(self, run_id: str) -> None:
        """One job: claim a reading of the run, and wait for its end."""
        if self._stopping or len(self._readings.claims) + len(self._claiming) >= self._at_once:
            return  # the next tick sends another job
        # Not a part of the job, which ends early when the connection is lost.
        claiming = asyncio.create_task(self._claim(run_id))
        self._claiming.add(claiming)
        claiming.add_done_callback(self._claiming.discard)
        await asyncio.wait([claiming])
        if (reading := claiming.result()) is not None:
            await asyncio.wait([reading])

    async def _claim(self, run_id: str) -> asyncio.Task[None] | None:
        """The reading of a new claim, started; None if there is nothing to claim."""
        now = datetime.now(UTC)
        claim = asyncio.to_thread(self._scheduler.claim, now, most=1, runs={run_id})
        for claimed in await self._readings.guard("claim", claim) or ():
            if not self._stopping:
                return self._readings.start(claimed, self._reading_ended)
            await self._readings.refuse(claimed)
        return None

    def _reading_ended(self, claim: Claim) -> None:
        # Another run may wait until this provider is free.
        self._freed.add(claim.provider)
        self._wake_event.set()

    # Ticks

    async def _tick(self) -> None:
        """One tick of all workers."""
        await self._readings.guard("tick", self._tick_once())

    async def _tick_once(self) -> None:
        expired = await asyncio.to_thread(self._start_due)
        await self._readings.notify(expired)
        await self._send()
        if self._transport is not None:
            await self._transport.delete_stalled()
        if self._maintenance.is_due:
            now = datetime.now(UTC)
            if await asyncio.to_thread(self._scheduler.acquire_maintenance, now):
                self._maintenance.start()

    def _start_due(self) -> Sequence[tuple[Reading, bool]]:
        """Expire dead claims and queue the providers that are due; returns what has expired."""
        now = datetime.now(UTC)
        if self._scheduler.is_idle(now):
            if self._schedules:
                self._scheduler.acquire_leadership(now)
            return ()
        # Before the tick, because an expired reading changes when its provider is due.
        expired = self._scheduler.expire(now)
        if self._schedules:
            self._scheduler.tick(now)
        return expired

    # Leases

    async def _keep_leases(self) -> None:
        """Renew the leases of this process, and cancel what was cancelled elsewhere."""
        while True:
            await self._readings.guard("leases", self._renew())
            await asyncio.sleep(_LEASE_CHECK_SECONDS)

    async def _renew(self) -> None:
        claims, now = self._readings.claims, datetime.now(UTC)
        self._readings.cancel(await asyncio.to_thread(self._readings.renew, claims, now))
        if time.monotonic() - self._seen_at >= self._seen_seconds:
            await asyncio.to_thread(self._scheduler.worker_seen, now)
            self._seen_at = time.monotonic()


def transport_to(url: str, lease_seconds: float) -> NewTransport:
    """Makes transports to a database, for leases of that length."""
    return partial(RunTransport, url, tick_seconds=tick_seconds(lease_seconds))


def tick_seconds(lease_seconds: float) -> int:
    """The time between two ticks: a third of a lease at most, and a divisor of a minute."""
    return max(
        (seconds for seconds in range(1, _TICK_SECONDS + 1) if seconds <= lease_seconds / 3),
        default=1,
    )
