"""What a service does once an hour beside its readings."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from pricing_sync.scheduling.readings import FINAL_FLUSH_SECONDS

#: Between two rounds, which find in the database what is due.
_EVERY_SECONDS = 3600


class Maintenance:
    """Runs *work* in the background, once an hour at most. Its engine says which process does.

    *work* raises no error.
    """

    def __init__(self, work: Callable[[], Awaitable[None]], delay_seconds: float) -> None:
        self._work, self._next_at = work, time.monotonic() + delay_seconds
        self._task: asyncio.Task[None] | None = None

    @property
    def is_due(self) -> bool:
        """Whether the next round can start: the last one has ended, and an hour has passed."""
        is_over = self._task is None or self._task.done()
        return is_over and time.monotonic() >= self._next_at

    def start(self) -> None:
        """Start a round."""
        self._next_at = time.monotonic() + _EVERY_SECONDS
        self._task = asyncio.create_task(self._run(), name="pricing-sync maintenance")

    async def stop(self) -> None:
        """Cancel the round in progress."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=FINAL_FLUSH_SECONDS)

    async def _run(self) -> None:
        await self._work()
