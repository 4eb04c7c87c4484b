"""What an engine is: it brings the runs of the queue to the process that reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from pricing_sync.changes.run import Reading
from pricing_sync.store.queue import Claim


class Engine(Protocol):
    """Carries out the runs of one queue, in this process or in others.

    It decides nothing: what is due, who may read it and what counts is in the queue. An engine
    that loses what it was told finds it there again. It is started and stopped once.
    """

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not stopped."""

    @property
    def next_finished(self) -> asyncio.Event:
        """Set when the next reading of this process has ended and the listeners were notified."""

    def start(self, claims: Sequence[Claim] = ()) -> None:
        """Start the readings of *claims*, then those of the queue. Returns at once."""

    def wake(self, run_id: str) -> None:
        """Let a run that was queued or cancelled in this process be looked at, soon."""

    async def notify(self, readings: Sequence[tuple[Reading, bool]]) -> None:
        """Notify the listeners of readings that ended without an answer, and of finished runs."""

    async def stop(self, grace_seconds: float) -> None:
        """Start no more readings, wait for those in progress, then cancel them and store that.

        Stopping twice, or before the start, is harmless.
        """
