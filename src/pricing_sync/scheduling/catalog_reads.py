"""Reads the reference catalogs in this process. Readings wait for those that are due."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from pricing_sync.background import Guard
from pricing_sync.observe.listener import Listener, report_error
from pricing_sync.prices.age import age_seconds
from pricing_sync.prices.card_json import write_instant
from pricing_sync.scheduling.scheduler import Scheduler
from pricing_sync.settings import Settings
from pricing_sync.store.peers import PeerTable
from pricing_sync.sync.catalogs import catalogs, due_catalogs, read_due_catalogs
from pricing_sync.sync.worker_process import run_in_worker

#: Between two looks whether another process has read the catalogs.
_TURN_SECONDS = 0.5


class CatalogReads:
    """Reads the catalogs that are due, one read at a time.

    The first list of a provider has no older prices to be compared with, only those of other
    sellers. So nothing is judged before the catalogs that are due have been read, or have failed,
    or `reference_wait_seconds` have passed since their read began. Where several processes read
    for others, *scheduler* says which one reads the catalogs; the others wait for it.
    """

    def __init__(
        self,
        settings: Settings,
        peers: PeerTable,
        listeners: Sequence[Listener],
        scheduler: Scheduler | None = None,
    ) -> None:
        self._settings, self._peers, self._listeners = settings, peers, listeners
        self._guard = Guard(partial(report_error, listeners))
        self._scheduler = scheduler
        self._task: asyncio.Task[None] | None = None
        self._deadline = 0.0
        self._is_late = False

    async def read(self) -> None:
        """Read the catalogs that are due, or wait for the end of the read in progress."""
        # The caller may be cancelled while readings wait for the same read.
        await asyncio.shield(self._started())

    async def wait(self) -> None:
        """Wait until the catalogs that are due were read or failed, or the time is up.

        Raises:
            StoreError: the database cannot be read.
        """
        if not self._settings.reference_wait_seconds or not self._settings.reference_hours:
            return
        if not await asyncio.to_thread(self._are_due):
            return
        task = self._started()
        seconds_left = self._deadline - asyncio.get_running_loop().time()
        await asyncio.wait([task], timeout=max(seconds_left, 0))
        if not task.done() and not self._is_late:
            self._is_late = True
            for listener in self._listeners:
                listener.on_catalogs_late(self._settings.reference_wait_seconds)

    async def stop(self) -> None:
        """End the read in progress. A catalog that was not read stays due."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def _are_due(self) -> bool:
        max_age = timedelta(hours=self._settings.reference_hours)
        return bool(due_catalogs(self._peers, max_age, datetime.now(UTC)))

    def _started(self) -> asyncio.Task[None]:
        """The read in progress, or a new one."""
        if self._task is None or self._task.done():
            clock = asyncio.get_running_loop().time
            self._deadline = clock() + self._settings.reference_wait_seconds
            self._is_late = False
            self._task = asyncio.create_task(self._read(), name="pricing-sync catalogs")
        return self._task

    async def _read(self) -> None:
        """Read what is due, here or in another process."""
        scheduler = self._scheduler
        read = self._read_here() if scheduler is None else self._read_in_turn(scheduler)
        await self._guard.run("catalogs", read)

    async def _read_in_turn(self, scheduler: Scheduler) -> None:
        while await asyncio.to_thread(self._are_due):
            if await asyncio.to_thread(scheduler.acquire_catalogs):
                try:
                    await self._read_here()
                finally:
                    await asyncio.to_thread(scheduler.release_catalogs)
                return
            await asyncio.sleep(_TURN_SECONDS)

    async def _read_here(self) -> None:
        # In a worker process: the catalogs are large.
        reads = await run_in_worker(read_due_catalogs, self._settings)
        for listener in self._listeners:
            listener.on_catalogs(reads)


def catalog_status(settings: Settings, peers: PeerTable, now: datetime) -> dict[str, Any]:
    """The age of each catalog in the database, as values for JSON, and its last error.

    `waits` is true while readings wait for it, in whatever process they are.
    """
    if not settings.reference_hours:
        return {}
    good, last = peers.last_good_reads(), peers.last_reads()
    max_age = timedelta(hours=settings.reference_hours)
    due = {provider.name for provider in due_catalogs(peers, max_age, now)}
    return {
        name: {
            "last_good": write_instant(good[name].at) if name in good else None,
            "age_seconds": age_seconds(good[name].at, now) if name in good else None,
            "error": last[name].error if name in last else None,
            "unread_price_keys": dict(good[name].ignored) if name in good else {},
            "waits": name in due and bool(settings.reference_wait_seconds),
        }
        for name in catalogs()
    }
