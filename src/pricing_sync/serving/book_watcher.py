"""Keeps the price book of a process up to date, so that nobody who reads it waits.

PostgreSQL tells of each new revision when it is committed, or Redis does. As a notification can be
lost, and PostgreSQL's do not pass every pooler, the revision is also queried every
`REFRESH_SECONDS`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Literal, Protocol, TypeAlias

from pricing_sync.background import Guard
from pricing_sync.errors import StoreError
from pricing_sync.serving.book_cache import REFRESH_SECONDS, BookCache

#: Between two cancellations of what watches.
_CANCEL_SECONDS = 0.5
#: How a process learned of the revision that it serves.
LearnedBy: TypeAlias = Literal["notify", "redis", "poll"]


class Notifications(Protocol):
    """Tells of new revisions."""

    async def wait(self, seconds: float) -> bool:
        """Wait for a new revision, so long at most; returns whether there is one."""


#: Opens notifications for as long as a block runs.
Listen: TypeAlias = Callable[[], AbstractAsyncContextManager[Notifications]]


class BookWatcher:
    """Reads and refreshes the book of one database from its start to its stop."""

    def __init__(
        self, book_cache: BookCache, listen: Listen, guard: Guard, listens_by: LearnedBy
    ) -> None:
        self._book_cache, self._listen, self._guard = book_cache, listen, guard
        self._listens_by = listens_by
        self._task: asyncio.Task[None] | None = None
        #: How it learned of the last new revision; None before the first one.
        self.learned_by: LearnedBy | None = None

    def start(self) -> None:
        """Watch from now on. Starting twice is harmless."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="pricing-sync book")

    async def stop(self) -> None:
        """Watch no more; readers query again. Stopping twice is harmless."""
        task, self._task = self._task, None
        while task is not None and not task.done():
            # Again and again: the client of Redis may take a cancellation for a timeout.
            task.cancel()
            await asyncio.wait([task], timeout=_CANCEL_SECONDS)

    async def _run(self) -> None:
        try:
            while True:
                await self._guard.run("book", self._watch())
                await asyncio.sleep(REFRESH_SECONDS)
        finally:
            self._book_cache.is_watched = False

    async def _watch(self) -> None:
        with suppress(StoreError):  # the database is away: the book says since when it is stale
            await asyncio.to_thread(self._book_cache.book)
            self._book_cache.is_watched = True
            async with self._listen() as notifications:
                await self._follow(notifications)

    async def _follow(self, notifications: Notifications) -> None:
        # What was committed before it listened had no notification.
        await self._refresh("poll")
        while True:
            is_notified = await notifications.wait(REFRESH_SECONDS)
            await self._refresh(self._listens_by if is_notified else "poll")

    async def _refresh(self, how: LearnedBy) -> None:
        before = self._book_cache.last
        await asyncio.to_thread(self._book_cache.refresh)
        after = self._book_cache.last
        if before is not None and after is not None and before.revision != after.revision:
            self.learned_by = how
