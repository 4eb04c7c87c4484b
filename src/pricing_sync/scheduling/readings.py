"""The readings that this process has in progress, each a task of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TypeAlias, TypeVar

from pricing_sync.background import Guard, result_or_error
from pricing_sync.changes.run import CANCELLED, INTERNAL, STORE, Reading
from pricing_sync.errors import LostClaim, PricingSyncError, StoreError
from pricing_sync.observe.listener import Listener, report_error
from pricing_sync.scheduling.scheduler import Scheduler
from pricing_sync.store import Store
from pricing_sync.store.queue import Claim
from pricing_sync.sync.reading import ReadingResult

#: Reads the provider of a claim.
ReadClaim: TypeAlias = Callable[[Claim], Awaitable[ReadingResult]]
_T = TypeVar("_T")

#: How long a stop may wait for cancelled readings to be stored.
FINAL_FLUSH_SECONDS = 5.0
#: Where an error is from, when the file of the price book could not be written.
BOOK_FILE = "book file"


class Readings:
    """Runs the readings of claims, keeps their leases, and tells the listeners how they ended.

    *write_book* is called in a thread after each run.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        store: Store,
        read_claim: ReadClaim,
        listeners: Sequence[Listener] = (),
        *,
        lease_seconds: float,
        write_book: Callable[[], None] | None = None,
    ) -> None:
        self._scheduler, self._store, self._read_claim = scheduler, store, read_claim
        self._listeners, self._write_book = listeners, write_book
        self._renew_seconds = lease_seconds / 3
        self._renewed_at = time.monotonic()
        self._tasks: dict[Claim, asyncio.Task[None]] = {}
        self._guard = Guard(partial(report_error, listeners))
        self._next_finished = asyncio.Event()

    @property
    def claims(self) -> Sequence[Claim]:
        """The claims whose readings are in progress here."""
        return list(self._tasks)

    @property
    def next_finished(self) -> asyncio.Event:
        """Set when the next reading has ended and the listeners were notified."""
        return self._next_finished

    def start(self, claim: Claim, on_end: Callable[[Claim], None]) -> asyncio.Task[None]:
        """Start the reading of a claim. *on_end* is called when it has ended."""
        task = asyncio.create_task(self._run_claim(claim), name=f"pricing-sync {claim.provider}")
        self._tasks[claim] = task
        task.add_done_callback(partial(self._task_done, claim, on_end))
        return task

    def _task_done(
        self, claim: Claim, on_end: Callable[[Claim], None], _task: asyncio.Task[None]
    ) -> None:
        del self._tasks[claim]
        on_end(claim)
        self._next_finished.set()
        self._next_finished = asyncio.Event()

    def renew(self, claims: Sequence[Claim], now: datetime) -> Sequence[Claim]:
        """Renew the leases of these claims; returns those that were cancelled.

        Raises:
            StoreError: the database cannot be read or written.
        """
        if not claims:
            return ()
        clock = time.monotonic()
        if clock - self._renewed_at >= self._renew_seconds:
            self._scheduler.renew(claims, now)
            self._renewed_at = clock
        return self._scheduler.cancelled(claims)

    def cancel(self, claims: Sequence[Claim]) -> None:
        """Cancel the readings of these claims, each once.

        A second time it would cancel what stores that the reading was cancelled.
        """
        for claim in claims:
            task = self._tasks.get(claim)
            if task is not None and not task.cancelling():
                task.cancel()

    async def stop(self, grace_seconds: float) -> None:
        """Wait for the readings in progress, then cancel them and store that."""
        await self._wait(grace_seconds)
        self.cancel(self.claims)
        await self._wait(FINAL_FLUSH_SECONDS)

    async def _wait(self, seconds: float) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=seconds)

    async def _run_claim(self, claim: Claim) -> None:
        """Read the provider of one claim; store any failure and notify the listeners."""
        try:
            result = await result_or_error(self._read_claim(claim))
        except asyncio.CancelledError:
            await self.refuse(claim)
            raise
        if isinstance(result, ReadingResult):
            await self._notify(result.reading, result.error, finished_run=result.finished_run)
        elif isinstance(result, LostClaim):
            pass  # the process that took the claim away has stored the reason
        else:
            self._guard.report(claim.provider, result)
            kind = STORE if isinstance(result, StoreError) else INTERNAL
            is_ours = isinstance(result, PricingSyncError)
            why = str(result) if is_ours else f"failed unexpectedly: {type(result).__name__}"
            await self._fail(claim, kind, why, result)

    async def refuse(self, claim: Claim) -> None:
        """Store that the reading of a claim was cancelled."""
        await self._fail(claim, CANCELLED, "cancelled before its end", None)

    async def _fail(self, claim: Claim, kind: str, why: str, error: Exception | None) -> None:
        recorded = await self.guard(
            claim.provider, asyncio.to_thread(self._scheduler.fail, claim, kind, why)
        )
        if recorded is not None:
            reading, finished_run = recorded
            await self._notify(reading, error, finished_run=finished_run)

    async def notify(self, readings: Sequence[tuple[Reading, bool]]) -> None:
        """Notify the listeners of readings that ended without an answer, and of finished runs."""
        for reading, finished_run in readings:
            await self._notify(reading, None, finished_run=finished_run)

    async def _notify(
        self, reading: Reading, error: Exception | None, *, finished_run: bool
    ) -> None:
        await self._notify_all(lambda listener: listener.on_reading(reading, error))
        if finished_run:
            found = await self.guard("run", asyncio.to_thread(self._store.run, reading.run_id))
            if found is not None:
                run, readings = found
                await self._notify_all(lambda listener: listener.on_run(run, readings))
            if self._write_book is not None:
                await self.guard(BOOK_FILE, asyncio.to_thread(self._write_book))

    async def _notify_all(self, call: Callable[[Listener], None]) -> None:
        for listener in self._listeners:
            await self.guard(type(listener).__name__, _call(call, listener))

    async def guard(self, where: str, work: Awaitable[_T]) -> _T | None:
        """The result of *work*; None if it fails, after the listeners got the error."""
        return await self._guard.run(where, work)


async def _call(call: Callable[[Listener], None], listener: Listener) -> None:
    call(listener)
