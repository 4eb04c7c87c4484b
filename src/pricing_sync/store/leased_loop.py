"""A loop in the background that one of the processes on a database runs, by a lease."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from pricing_sync.background import Guard
from pricing_sync.errors import StoreError
from pricing_sync.store.ids import new_id
from pricing_sync.store.leases import Lease

#: How long a stop waits for what was cancelled.
_STOP_SECONDS = 5.0


class LeasedLoop:
    """Calls *look* every *seconds* while this process has the lease, until it is stopped.

    No error ends it: *guard* reports each. What takes long is a task of its own, see `run`.
    """

    def __init__(
        self,
        name: str,
        lease: Lease,
        look: Callable[[], Awaitable[None]],
        guard: Guard,
        seconds: float,
    ) -> None:
        self._name, self._lease, self._look = name, lease, look
        self._guard, self._seconds = guard, seconds
        self._owner = new_id()
        self._loop: asyncio.Task[None] | None = None
        self._acquiring: asyncio.Task[bool] | None = None
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    @property
    def is_started(self) -> bool:
        """Whether it was started, and not stopped."""
        return self._loop is not None

    def start(self) -> None:
        """Begin. Starting twice is harmless."""
        if self._loop is None:
            self._loop = asyncio.create_task(self._run(), name=f"pricing-sync {self._name}")

    async def stop(self) -> None:
        """Cancel what is in progress, and let another process have the lease."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        await _end([loop, *self._tasks.values()])
        # A thread cannot be cancelled: one that acquires the lease after its release would keep it.
        if self._acquiring is not None:
            await asyncio.wait([self._acquiring], timeout=_STOP_SECONDS)
        with suppress(StoreError):  # the lease ends by itself
            await asyncio.to_thread(self._lease.release, self._owner, datetime.now(UTC))

    def run(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Run *work* as a task of that name, beside others, unless one of that name runs still."""
        if name not in self._tasks:
            self._tasks[name] = task = asyncio.create_task(self._run_task(name, work))
            task.add_done_callback(lambda _: self._tasks.pop(name))

    async def _run_task(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        await self._guard.run(f"{self._name} {name}", work())

    async def _run(self) -> None:
        while True:
            await self._guard.run(self._name, self._look_if_acquired())
            await asyncio.sleep(self._seconds)

    async def _look_if_acquired(self) -> None:
        if await self._acquire():
            await self._look()
        else:
            await _end(self._tasks.values())

    async def _acquire(self) -> bool:
        now = datetime.now(UTC)
        acquiring = asyncio.create_task(asyncio.to_thread(self._lease.acquire, self._owner, now))
        acquiring.add_done_callback(_ignore)
        self._acquiring = acquiring
        return await asyncio.shield(acquiring)


def _ignore(task: asyncio.Task[bool]) -> None:
    """Look at an error that nobody waits for after a stop, so that it is not logged."""
    if not task.cancelled():
        task.exception()


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait for their end."""
    ending = [*tasks]
    for task in ending:
        task.cancel()
    if ending:
        await asyncio.wait(ending, timeout=_STOP_SECONDS)
