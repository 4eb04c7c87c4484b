"""Starts runs, waits for them and cancels them, in one process that shares a database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeAlias

from pricing_sync.background import Guard
from pricing_sync.changes.run import Outcome, Reading, Run
from pricing_sync.errors import SettingsError
from pricing_sync.observe.listener import Listener, report_error
from pricing_sync.scheduling.catalog_reads import CatalogReads, catalog_status
from pricing_sync.scheduling.claim_reader import ClaimReader
from pricing_sync.scheduling.engine import Engine
from pricing_sync.scheduling.local_engine import LocalEngine
from pricing_sync.scheduling.maintenance import Maintenance
from pricing_sync.scheduling.pruning import prune_if_due
from pricing_sync.scheduling.readings import BOOK_FILE, ReadClaim, Readings
from pricing_sync.scheduling.scheduler import WORKERS, Scheduler
from pricing_sync.settings import Settings
from pricing_sync.sources.http import http_client
from pricing_sync.store import Store
from pricing_sync.store.queue import Claim
from pricing_sync.sync.access import ProviderAccess
from pricing_sync.sync.exchange import is_due, read_exchange_rates
from pricing_sync.sync.reading import ReadingResult
from pricing_sync.sync.recorded import RecordedAnswer

#: Called with each reading as it ends.
OnReading: TypeAlias = Callable[[ReadingResult], None]
#: Reads a claim and returns its last reading. The callback gets the readings before it.
_ReadAll: TypeAlias = Callable[[ClaimReader, Claim, OnReading], Awaitable[ReadingResult]]

#: How often to look up a run that other processes read.
_POLL_SECONDS = 0.25
#: How long to wait until the listeners were notified of the last reading.
_NOTIFY_SECONDS = 5
#: How long a run without a service may prune. The rest is left to the next day.
_PRUNE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run that has ended, with its readings in the order of the providers."""

    id: str
    outcome: Outcome
    results: Sequence[ReadingResult]
    duration_seconds: float


class Runs:
    """Starts runs, waits for them, and runs readings in this process."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        access: ProviderAccess,
        listeners: Sequence[Listener],
        write_book: Callable[[], None] | None = None,
        *,
        is_worker: bool = False,
    ) -> None:
        self._settings, self._store, self._access = settings, store, access
        self._listeners, self._write_book = listeners, write_book
        self._guard = Guard(partial(report_error, listeners))
        #: Whether the runs of the queue are read in this process.
        self.reads = is_worker or settings.engine == "local"
        self._engine: Engine | None = None
        #: The reader of the engine; None while there is no engine.
        self._reader: ClaimReader | None = None
        self.scheduler = self._new_scheduler(leads_as=self._leads_as)

    @property
    def _leads_as(self) -> str | None:
        return None if self._settings.engine == "local" else WORKERS

    @property
    def is_running(self) -> bool:
        """Whether the engine was started, and not stopped."""
        return self._engine is not None and self._engine.is_running

    def start(self, status: Callable[[], dict[str, Any]]) -> None:
        """Start the engine: it runs what is triggered here, and the schedule if it is enabled.

        Listeners get *status*, which they can call at any time. Returns at once. Starting twice is
        harmless.

        Raises:
            SettingsError: the settings name an unknown provider.
        """
        self._access.check_scheduled()
        if not self.is_running:
            self._reader = self._new_reader()
            self._engine = self._new_service_engine(self._reader)
            for listener in self._listeners:
                listener.on_start(status)
            self._engine.start()

    async def stop(self) -> None:
        """Start nothing more, wait `stop_seconds` for readings in flight, then cancel them.

        Stopping twice is harmless.
        """
        engine, reader = self._engine, self._reader
        self._engine = self._reader = None
        if engine is not None and reader is not None:
            try:
                await engine.stop(self._settings.stop_seconds)
            finally:
                await reader.close()

    async def trigger(
        self, provider_ids: Sequence[str], *, dry_run: bool, started_by: str
    ) -> tuple[Run, bool]:
        """See `PricingSync.trigger`."""
        run, merged = await asyncio.to_thread(
            self.scheduler.trigger, provider_ids, started_by=started_by, dry_run=dry_run
        )
        if self._engine is not None:
            self._engine.wake(run.id)
        return run, merged

    async def wait(self, run_id: str, timeout_seconds: float) -> tuple[Run, list[Reading]]:
        """See `PricingSync.wait`."""
        return await self._wait(run_id, timeout_seconds, self._engine)

    async def _wait(
        self, run_id: str, timeout_seconds: float, engine: Engine | None
    ) -> tuple[Run, list[Reading]]:
        """Look the run up whenever a reading ends here, and regularly for other processes."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout_seconds
        while True:
            # Before the database is read, so that a reading that ends in between is not missed.
            finished = engine.next_finished if engine else asyncio.Event()
            run, readings = await asyncio.to_thread(self._store.run, run_id)
            remaining = deadline - clock()
            if run.finished_at is not None or remaining <= 0:
                return run, readings
            with suppress(TimeoutError):
                async with asyncio.timeout(min(_POLL_SECONDS, remaining)):
                    await finished.wait()

    async def cancel(self, run_id: str) -> Run:
        """See `PricingSync.cancel`."""
        cancelled = await asyncio.to_thread(self.scheduler.cancel, run_id)
        if self._engine is not None:
            await self._engine.notify(cancelled)
            self._engine.wake(run_id)
        return await asyncio.to_thread(self._store.queue.run, run_id)

    def status(self) -> dict[str, Any]:
        """See `PricingSync.status`."""
        now = datetime.now(UTC)
        status = self.scheduler.status(now)
        is_ours = self._settings.enabled and self.is_running and self.reads
        return status | {
            "running": status["running"] or is_ours,
            "catalogs": catalog_status(self._settings, self._store.peers, now),
        }

    async def sync(
        self,
        provider_ids: Sequence[str],
        *,
        dry_run: bool,
        started_by: str,
        on_reading: OnReading | None,
    ) -> RunResult:
        """See `PricingSync.sync`."""

        async def read(reader: ClaimReader, claim: Claim, _: OnReading) -> ReadingResult:
            return await reader.read(claim, here=True)

        return await self._run_here(
            provider_ids, read, dry_run=dry_run, started_by=started_by, on_reading=on_reading
        )

    async def replay(
        self,
        provider_id: str,
        answers: Sequence[RecordedAnswer],
        *,
        dry_run: bool,
        started_by: str,
        on_reading: OnReading | None,
    ) -> RunResult:
        """See `PricingSync.replay`."""
        for answer in answers:
            if answer.at is not None and answer.at > datetime.now(UTC):
                raise SettingsError(f"{answer.name}: {answer.at.isoformat()} is in the future")

        async def read(reader: ClaimReader, claim: Claim, note: OnReading) -> ReadingResult:
            for answer in answers[:-1]:
                note(await reader.read_recorded(claim, answer, last=False))
            return await reader.read_recorded(claim, answers[-1], last=True)

        return await self._run_here(
            [provider_id],
            read,
            dry_run=dry_run,
            started_by=started_by,
            on_reading=on_reading,
            all_or_none=True,
        )

    async def _run_here(
        self,
        provider_ids: Sequence[str],
        read_all: _ReadAll,
        *,
        dry_run: bool,
        started_by: str,
        on_reading: OnReading | None,
        all_or_none: bool = False,
    ) -> RunResult:
        """Start a run in this process, with an engine and a client of its own; wait for its end."""
        results: dict[str, ReadingResult] = {}
        slots, reader = asyncio.Semaphore(self._settings.at_once), self._new_reader()

        def note(result: ReadingResult) -> None:
            results[result.reading.id] = result
            if on_reading is not None:
                on_reading(result)

        async def read(claim: Claim) -> ReadingResult:
            async with slots:
                result = await read_all(reader, claim, note)
            note(result)
            return result

        first_error, scheduler = _FirstError(), self._new_scheduler()
        listeners = (*self._listeners, first_error)
        engine = LocalEngine(
            scheduler,
            self._new_readings(scheduler, read, listeners),
            schedules=False,
            at_once=self._settings.at_once,
        )
        start_run = partial(
            scheduler.start_local_run,
            provider_ids,
            started_by=started_by,
            dry_run=dry_run,
            all_or_none=all_or_none,
        )
        while (started := await asyncio.to_thread(start_run)) is None:
            # Another process is reading the provider, or died during a reading of it.
            await asyncio.to_thread(scheduler.expire, datetime.now(UTC))
            await asyncio.sleep(_POLL_SECONDS)
        run, claims = started
        engine.start(claims)
        engine.wake(run.id)
        grace_seconds = 0
        try:
            finished, readings = await self._wait_until_finished(run.id, engine, first_error)
            # The engine may not have notified the listeners of the last reading yet.
            grace_seconds = _NOTIFY_SECONDS
        finally:
            await engine.stop(grace_seconds)
            await reader.close()
        await self._prune_after_run()
        return _run_result(finished, readings, results)

    async def _wait_until_finished(
        self, run_id: str, engine: Engine, first_error: _FirstError
    ) -> tuple[Run, list[Reading]]:
        """Wait until the run has ended; returns it with its readings.

        Raises:
            Exception: the first error that is not a failed reading.
        """
        while True:
            run, readings = await self._wait(run_id, _POLL_SECONDS, engine)
            if first_error.error is not None:
                raise first_error.error
            if run.finished_at is not None:
                return run, readings

    def _new_reader(self) -> ClaimReader:
        # Several workers begin to read at the same time.
        scheduler = None if self._leads_as is None else self.scheduler
        catalogs = CatalogReads(self._settings, self._store.peers, self._listeners, scheduler)
        return ClaimReader(self._settings, self._store, self._access, catalogs)

    def _new_scheduler(self, leads_as: str | None = None) -> Scheduler:
        find, now = self._access.provider, datetime.now(UTC)
        return Scheduler(self._settings, self._store, find, now, leads_as=leads_as)

    def _new_service_engine(self, reader: ClaimReader) -> Engine:
        """The engine of the settings.

        Raises:
            SettingsError: the database or this installation cannot have it.
        """
        settings = self._settings
        readings = self._new_readings(self.scheduler, reader.read, self._listeners)
        maintenance = Maintenance(self._maintain, settings.first_delay_seconds)
        if settings.engine == "local":
            return LocalEngine(
                self.scheduler,
                readings,
                schedules=settings.enabled,
                at_once=settings.at_once,
                maintenance=maintenance,
            )
        # Its libraries are an optional extra.
        from pricing_sync.scheduling.procrastinate_engine import ProcrastinateEngine, transport_to

        return ProcrastinateEngine(
            self.scheduler,
            readings,
            transport_to(settings.database, settings.lease_seconds),
            reads=self.reads,
            schedules=settings.enabled,
            at_once=settings.at_once,
            lease_seconds=settings.lease_seconds,
            maintenance=maintenance,
        )

    def _new_readings(
        self, scheduler: Scheduler, read_claim: ReadClaim, listeners: Sequence[Listener]
    ) -> Readings:
        return Readings(
            scheduler,
            self._store,
            read_claim,
            listeners,
            lease_seconds=self._settings.lease_seconds,
            write_book=self._write_book,
        )

    async def _maintain(self) -> None:
        """Read the exchange rates and the catalogs that are due, and prune: each whatever fails."""
        if self._settings.enabled and self._settings.exchange_rates:
            await self._guard.run("exchange rates", self._read_exchange_rates())
        if self._settings.enabled and self._settings.reference_hours and self._reader is not None:
            await self._reader.catalogs.read()
        await self._guard.run("pruning", prune_if_due(self._settings, self._store))

    async def _prune_after_run(self) -> None:
        """Prune for a few seconds. An error fails no run: the listeners are notified of it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PRUNE_SECONDS):
                await self._guard.run("pruning", prune_if_due(self._settings, self._store))

    async def _read_exchange_rates(self) -> None:
        table, now = self._store.exchange_rates, datetime.now(UTC)
        if not await asyncio.to_thread(is_due, table, now):
            return
        async with http_client() as client:
            await read_exchange_rates(client, self._access, table, now)


class _FirstError(Listener):
    """Keeps the first error that is neither a failed reading nor a file that was not written."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def on_error(self, where: str, error: Exception) -> None:
        if where != BOOK_FILE:
            self.error = self.error or error


def _run_result(
    run: Run, readings: Sequence[Reading], results: dict[str, ReadingResult]
) -> RunResult:
    """Readings of other processes have neither plan nor error, only what the database has."""
    assert run.outcome is not None and run.duration_seconds is not None  # noqa: PT018, S101
    every = [results.get(reading.id) or ReadingResult(reading=reading) for reading in readings]
    every.sort(key=lambda result: run.providers.index(result.reading.provider))
    return RunResult(run.id, run.outcome, every, run.duration_seconds)
