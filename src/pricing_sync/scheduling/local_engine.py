"""Readings taken inside this process, on its event loop.

A loop looks into the database once a second, or when it is woken: it leads if nobody else does,
says that this process is alive, and begins what it may. Each reading is a task of its own.
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
from pricing_sync.sync.reading import Taken

#: How a reading that was claimed is taken.
Take: TypeAlias = Callable[[Claim], Awaitable[Taken]]
#: What the leader does now and then, beside the readings.
Errand: TypeAlias = Callable[[], Awaitable[None]]
_T = TypeVar("_T")

_TICK_SECONDS = 1.0
#: Between two errands. What is due then is told by the database.
_ERRAND_SECONDS = 3600
#: How long the recording of what was cancelled may hold up a stop.
_LAST_WORDS_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one look into the database found."""

    leads: bool = False
    #: Readings of ours to leave off.
    unwanted: Sequence[Claim] = ()
    #: Readings to begin.
    claims: Sequence[Claim] = ()
    #: Readings of processes that died, and whether their run has ended with them.
    buried: Sequence[tuple[Reading, bool]] = ()
    #: Runs of which something is left.
    open_runs: Set[str] = frozenset()


class LocalEngine:
    """Takes readings in this process: all that are due while it leads, else those it was told of.

    With *schedules* it takes part in leading. An engine is started and stopped once.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        store: Store,
        take: Take,
        listeners: Sequence[Listener] = (),
        *,
        schedules: bool,
        at_once: int,
        lease_seconds: float,
        errand: Errand | None = None,
        errand_delay_seconds: float = 0,
    ) -> None:
        self._scheduler, self._store, self._take = scheduler, store, take
        self._listeners = listeners
        self._schedules = schedules
        self._at_once = at_once
        self._renew_seconds = lease_seconds / 3
        self._renewed_at = 0.0
        self._tasks: dict[Claim, asyncio.Task[None]] = {}
        self._told_of: set[str] = set()
        self._woken = asyncio.Event()
        self._stopping = self._ended = False
        self._loop: asyncio.Task[None] | None = None
        self._errand = errand
        self._errand_at = time.monotonic() + errand_delay_seconds
        self._on_errand: asyncio.Task[None] | None = None
        self._complaint = ""
        self._next_end = asyncio.Event()

    @property
    def is_running(self) -> bool:
        """Whether it may begin a reading."""
        return self._loop is not None and not self._loop.done() and not self._stopping

    def start(self, claims: Sequence[Claim] = ()) -> None:
        """Begin with what is claimed already, and to look for what is due. Returns at once."""
        self._renewed_at = time.monotonic()
        for claim in claims:
            self._begin(claim)
        self._loop = asyncio.create_task(self._go_on(), name="pricing-sync")

    def wake(self, run_id: str) -> None:
        """A run has been asked for in this process."""
        self._told_of.add(run_id)
        self._woken.set()

    @property
    def next_end(self) -> asyncio.Event:
        """Set when the next reading of this process has ended and was told."""
        return self._next_end

    async def tell(self, ended: Sequence[tuple[Reading, bool]]) -> None:
        """Tell the listeners of readings that ended without being taken, and of their runs."""
        for reading, ended_run in ended:
            await self._tell(reading, None, ended_run=ended_run)

    async def stop(self, grace_seconds: float) -> None:
        """Begin nothing more, wait for what goes on, then cancel it and write that down.

        Stopping twice, or before the start, is harmless.
        """
        first, self._stopping = not self._stopping, True
        await self._end(grace_seconds)
        for task in self._tasks.values():
            task.cancel()
        await self._end(_LAST_WORDS_SECONDS)
        if self._on_errand is not None:
            self._on_errand.cancel()
            await asyncio.wait([self._on_errand], timeout=_LAST_WORDS_SECONDS)
        if self._loop is not None:
            self._ended = True
            self._woken.set()
            await asyncio.wait([self._loop], timeout=_LAST_WORDS_SECONDS)
            self._loop.cancel()
        if first and self._schedules:
            await self._survive("resign", self._resign())

    async def _end(self, seconds: float) -> None:
        """Wait for the readings that go on."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=seconds)

    async def _resign(self) -> None:
        async with asyncio.timeout(_LAST_WORDS_SECONDS):
            await asyncio.to_thread(self._scheduler.resign, datetime.now(UTC))

    async def _go_on(self) -> None:
        while not self._ended:
            self._woken.clear()
            await self._survive("tick", self._turn())
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._woken.wait()

    async def _turn(self) -> None:
        told_of = set(self._told_of)
        seen = await asyncio.to_thread(self._look, list(self._tasks), told_of)
        self._told_of -= told_of - seen.open_runs
        for claim in seen.unwanted:
            if task := self._tasks.get(claim):
                task.cancel()
        for claim in seen.claims:
            if self._stopping:
                await self._give_up(claim, CANCELLED, "cancelled before its end", None)
                continue
            self._begin(claim)
        if seen.leads and self._errand is not None and time.monotonic() >= self._errand_at:
            self._errand_at = time.monotonic() + _ERRAND_SECONDS
            self._on_errand = asyncio.create_task(self._run_errand(self._errand))
        await self.tell(seen.buried)

    def _begin(self, claim: Claim) -> None:
        task = asyncio.create_task(self._read(claim), name=f"pricing-sync {claim.provider}")
        self._tasks[claim] = task
        task.add_done_callback(partial(self._forget, claim))

    async def _run_errand(self, errand: Errand) -> None:
        await self._survive("errand", errand())

    def _forget(self, claim: Claim, _task: asyncio.Task[None]) -> None:
        del self._tasks[claim]
        # There may be room now, or another reading of the same provider waits.
        self._woken.set()
        self._next_end.set()
        self._next_end = asyncio.Event()

    def _look(self, held: Sequence[Claim], told_of: set[str]) -> _Seen:
        """What to leave off and what to begin, by what the database says now."""
        now = datetime.now(UTC)
        unwanted = self._keep(held, now)
        if self._stopping or not (self._schedules or told_of):
            return _Seen(unwanted=unwanted)
        if self._scheduler.is_idle(now):
            return _Seen(self._schedules and self._scheduler.leads(now), unwanted)
        # First, so that what a dead process did to a provider counts in when that is due.
        buried = self._scheduler.bury(now)
        leads = self._schedules and self._scheduler.tick(now)
        runs = None if leads else told_of
        claims = self._scheduler.claim(now, most=self._at_once - len(held), runs=runs)
        open_runs = self._scheduler.open_runs() if told_of else set()
        return _Seen(leads, unwanted, claims, buried, open_runs)

    def _keep(self, held: Sequence[Claim], now: datetime) -> Sequence[Claim]:
        """Say that this process is alive at what it holds; what of it is unwanted."""
        if not held:
            return ()
        moment = time.monotonic()
        if moment - self._renewed_at >= self._renew_seconds:
            self._scheduler.renew(held, now)
            self._renewed_at = moment
        return self._scheduler.unwanted(held)

    async def _read(self, claim: Claim) -> None:
        """Take one reading to some end, and write that end down."""
        try:
            taken = await _outcome(self._take(claim))
        except asyncio.CancelledError:
            await self._give_up(claim, CANCELLED, "cancelled before its end", None)
            raise
        if isinstance(taken, Taken):
            await self._tell(taken.reading, taken.error, ended_run=taken.ended_run)
        elif isinstance(taken, LostClaim):
            pass  # whoever took it away has written down why
        else:
            await self._complain(claim.provider, taken)
            kind = STORE if isinstance(taken, StoreError) else INTERNAL
            is_ours = isinstance(taken, PricingSyncError)
            why = str(taken) if is_ours else f"failed unexpectedly: {type(taken).__name__}"
            await self._give_up(claim, kind, why, taken)

    async def _give_up(self, claim: Claim, kind: str, why: str, error: Exception | None) -> None:
        recorded = await self._survive(
            claim.provider, asyncio.to_thread(self._scheduler.give_up, claim, kind, why)
        )
        if recorded is not None:
            reading, ended_run = recorded
            await self._tell(reading, error, ended_run=ended_run)

    async def _tell(self, reading: Reading, error: Exception | None, *, ended_run: bool) -> None:
        await self._to_all(lambda listener: listener.reading_ended(reading, error))
        if ended_run:
            found = await self._survive("run", asyncio.to_thread(self._store.run, reading.run_id))
            if found is not None:
                run, readings = found
                await self._to_all(lambda listener: listener.run_ended(run, readings))

    async def _to_all(self, tell: Callable[[Listener], None]) -> None:
        for listener in self._listeners:
            await self._survive(type(listener).__name__, _called(tell, listener))

    async def _survive(self, where: str, work: Awaitable[_T]) -> _T | None:
        """What *work* gives; None, and a complaint, when it fails."""
        given = await _outcome(work)
        if isinstance(given, Exception):
            await self._complain(where, given)
            return None
        self._complaint = ""
        return given

    async def _complain(self, where: str, error: Exception) -> None:
        """Say that something is wrong; the same thing once, while it goes on."""
        complaint = f"{where}: {error!r}"
        if isinstance(error, StoreError) and complaint == self._complaint:
            return
        self._complaint = complaint
        for listener in self._listeners:
            await _outcome(_called(lambda to: to.broke(where, error), listener))


async def _outcome(work: Awaitable[_T]) -> _T | Exception:
    """What *work* gives or raises. Here alone everything is caught: a bug in one reading, or in a
    listener, must not end the loop in which all the others are taken."""
    try:
        return await work
    except Exception as error:  # noqa: BLE001
        return error


async def _called(tell: Callable[[Listener], None], listener: Listener) -> None:
    tell(listener)
