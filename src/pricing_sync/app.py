"""Everything built once: the settings, the store, the providers, the scheduler and its engine."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeAlias

import httpx

from pricing_sync.changes.run import Outcome, Reading, Run
from pricing_sync.errors import SettingsError, UnknownName
from pricing_sync.observe.listener import Listener
from pricing_sync.observe.logs import LogListener
from pricing_sync.prices.book import Price, PriceBook, prices
from pricing_sync.prices.cost import Cost
from pricing_sync.prices.rates import Meter, Rate, RateCard
from pricing_sync.prices.statements import MeterOverride, ModelState, Statement
from pricing_sync.prices.usage import Usage
from pricing_sync.scheduling.local_engine import LocalEngine, MaintenanceTask
from pricing_sync.scheduling.scheduler import FinishClaim, Scheduler
from pricing_sync.serving.book_cache import BookCache
from pricing_sync.settings import Settings, load_settings
from pricing_sync.sources.http import Fetched, http_client
from pricing_sync.sources.provider import PAGE_SEPARATOR, Provider
from pricing_sync.sources.strict_json import is_model_id
from pricing_sync.store import Store, open_store
from pricing_sync.store.queue import Claim
from pricing_sync.sync.access import Fetch, ProviderAccess
from pricing_sync.sync.catalogs import read_due_catalogs
from pricing_sync.sync.reading import (
    PendingAnswer,
    ReadingOptions,
    ReadingResult,
    process_in_thread,
    read_provider,
)
from pricing_sync.sync.worker_process import process_in_worker, run_in_worker

#: Told of each reading as it ends, with what it decided.
OnReading: TypeAlias = Callable[[ReadingResult], None]
_ReadClaim: TypeAlias = Callable[[Claim], Awaitable[ReadingResult]]

_CURRENCY = re.compile("[A-Z]{3}")
#: How often a run that others take is looked at by who waits for it.
_POLL_SECONDS = 0.25
_NOTIFY_SECONDS = 5
#: Each process that settles an answer takes some 70 MB while it does.
_MAX_WORKERS = 2


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """A recorded answer."""

    body: bytes
    #: When it was recorded; None for just now.
    at: datetime | None = None
    #: What it is called, for the ledger.
    name: str = "answer"


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run that has ended, with its readings in the order of the providers."""

    id: str
    outcome: Outcome
    results: Sequence[ReadingResult]
    duration_seconds: float


class PricingSync:
    """Reads providers into a database on a schedule, and answers for the prices in it.

    Nothing is opened before `open`, `with`, or `lifespan`.

    Args:
        settings: By default those of the environment and `pricing-sync.toml`.
        extra_providers: Beside those that are built in, installed or in the catalog.
        reach: How providers are reached, in the place of what the settings say.
        listeners: Told of what happens, beside the log.
        create: Make the database if there is none.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        extra_providers: Iterable[Provider] = (),
        access: ProviderAccess | None = None,
        listeners: Sequence[Listener] = (),
        create: bool = True,
    ) -> None:
        self.settings = settings or load_settings()
        self.access = access or ProviderAccess(self.settings, extra_providers)
        self._listeners = (LogListener(), *listeners)
        self._create = create
        self._store: Store | None = None
        self._scheduler: Scheduler | None = None
        self._engine: LocalEngine | None = None
        self._worker_slots = asyncio.Semaphore(_MAX_WORKERS)
        self._client: asyncio.Task[httpx.AsyncClient] | None = None
        #: The price book of this process, how far it is behind, and what it had no price for.
        self.book_cache = BookCache()

    # Opening and closing

    def open(self) -> PricingSync:
        """Open the database that the settings name. Opening twice is harmless.

        Raises:
            SettingsError, StoreError: it cannot be opened.
        """
        if self._store is None:
            self._store = open_store(self.settings.database, create=self._create)
        return self

    def close(self) -> None:
        """Let go of the database. Closing twice is harmless."""
        if self._store is not None:
            self._store.close()
        self._store = self._scheduler = None

    def __enter__(self) -> PricingSync:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def store(self) -> Store:
        """The database.

        Raises:
            RuntimeError: it is not open.
        """
        if self._store is None:
            raise RuntimeError("PricingSync is not open: use `with`, or its lifespan")
        return self._store

    @property
    def scheduler(self) -> Scheduler:
        """The schedule and the queue in the database, as this process sees them."""
        if self._scheduler is None:
            self._scheduler = Scheduler(
                self.settings, self.store, self.access.provider, datetime.now(UTC)
            )
        return self._scheduler

    @property
    def is_running(self) -> bool:
        """Whether this process takes readings."""
        return self._engine is not None and self._engine.is_running

    # Running in the background

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """Open everything, schedule while the block runs, then stop and close.

        It is the lifespan of a FastAPI app, or a part of it:
        `async with pricing.lifespan(app): yield`.

        Raises:
            SettingsError, StoreError: the database cannot be opened.
        """
        try:
            await asyncio.to_thread(self.open)
            self.start()
            yield
        finally:
            await self.stop()
            await asyncio.to_thread(self.close)

    def start(self) -> None:
        """Begin to schedule, if the settings say so, and to take what is triggered here.

        Returns at once. Starting what runs is harmless.

        Raises:
            SettingsError: the settings name a provider that there is not.
        """
        for name in self.settings.providers:
            try:
                self.access.provider(name)
            except UnknownName as error:
                raise SettingsError(f"PRICING_SYNC_PROVIDERS: {error}") from None
        if self._engine is None or not self._engine.is_running:
            self._worker_slots = asyncio.Semaphore(_MAX_WORKERS)
            self._engine = self._new_engine(
                self.scheduler,
                self._read_claim,
                schedules=self.settings.enabled,
                maintenance=self._read_catalogs if self.settings.reference_hours else None,
            )
            for listener in self._listeners:
                listener.on_start(self.status)
            self._engine.start()

    async def stop(self) -> None:
        """Begin nothing more, give what goes on the time of `stop_seconds`, then cancel it.

        Stopping twice is harmless.
        """
        if self._engine is not None:
            await self._engine.stop(self.settings.stop_seconds)
        client, self._client = self._client, None
        if client is not None:
            await (await client).aclose()

    def _new_engine(
        self,
        scheduler: Scheduler,
        read_claim: _ReadClaim,
        listeners: Sequence[Listener] | None = None,
        *,
        schedules: bool,
        maintenance: MaintenanceTask | None = None,
    ) -> LocalEngine:
        return LocalEngine(
            scheduler,
            self.store,
            read_claim,
            self._listeners if listeners is None else listeners,
            schedules=schedules,
            at_once=self.settings.at_once,
            lease_seconds=self.settings.lease_seconds,
            maintenance=maintenance,
            maintenance_delay_seconds=self.settings.first_delay_seconds,
        )

    async def _read_catalogs(self) -> None:
        """The catalogs that are due. They are large, and nothing of them is wanted here."""
        reads = await run_in_worker(read_due_catalogs, self.settings)
        for listener in self._listeners:
            listener.on_catalogs(reads)

    # Asking for a run

    async def trigger(
        self,
        provider_ids: Sequence[str] | None = None,
        *,
        dry_run: bool = False,
        started_by: str = "library",
    ) -> tuple[Run, bool]:
        """Ask for a run of these providers (those of the settings), and do not wait for it.

        The run, and whether it is one that others had asked for already.

        Raises:
            UnknownName: a provider that there is not.
            StoreError: the database cannot be written.
        """
        names = self.settings.providers if provider_ids is None else provider_ids
        run, merged = await asyncio.to_thread(
            self.scheduler.trigger, names, started_by=started_by, dry_run=dry_run
        )
        if self._engine is not None:
            self._engine.wake(run.id)
        return run, merged

    async def wait(self, run_id: str, timeout_seconds: float) -> tuple[Run, list[Reading]]:
        """A run with its readings, when it has ended or the time is up.

        Raises:
            UnknownName: there is no such run.
        """
        return await self._wait(run_id, timeout_seconds, self._engine)

    async def _wait(
        self, run_id: str, timeout_seconds: float, engine: LocalEngine | None
    ) -> tuple[Run, list[Reading]]:
        """Look when a reading of this process ends, and now and then for those of others."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout_seconds
        while True:
            # What ends while the database is asked is not missed.
            ended = engine.next_finished if engine else asyncio.Event()
            run, readings = await asyncio.to_thread(self.store.run, run_id)
            left = deadline - clock()
            if run.finished_at is not None or left <= 0:
                return run, readings
            with suppress(TimeoutError):
                async with asyncio.timeout(min(_POLL_SECONDS, left)):
                    await ended.wait()

    async def cancel(self, run_id: str) -> Run:
        """End a run that waits or goes on.

        Raises:
            UnknownName: there is no such run.
        """
        cancelled = await asyncio.to_thread(self.scheduler.cancel, run_id)
        if self._engine is not None:
            await self._engine.notify(cancelled)
            self._engine.wake(run_id)
        return await asyncio.to_thread(self.store.queue.run, run_id)

    def status(self) -> dict[str, Any]:
        """The state of the schedule, as JSON can hold it. It survives a restart.

        `running`: some process that shares the database schedules, or this one is about to.
        """
        status = self.scheduler.status(datetime.now(UTC))
        is_ours = self.settings.enabled and self.is_running
        return status | {"running": status["running"] or is_ours}

    # Reading at once, without the schedule

    async def sync(
        self,
        provider_ids: Sequence[str],
        *,
        dry_run: bool = False,
        started_by: str = "library",
        on_reading: OnReading | None = None,
    ) -> RunResult:
        """Read these providers now, in this process, several at once, as one run.

        A provider that is being read already is waited for, then read.

        Raises:
            UnknownName: a provider that there is not.
            StoreError: the database cannot be written.
        """

        async def read_claim(claim: Claim, _note: OnReading) -> ReadingResult:
            return await self._read_claim(claim, here=True)

        return await self._run_here(
            provider_ids, read_claim, dry_run=dry_run, started_by=started_by, on_reading=on_reading
        )

    async def replay(
        self,
        provider_id: str,
        answers: Sequence[RecordedAnswer],
        *,
        dry_run: bool = False,
        started_by: str = "library",
        on_reading: OnReading | None = None,
    ) -> RunResult:
        """Read recorded answers of one provider, one after the other, as one run.

        Raises:
            UnknownName: there is no such provider.
            SettingsError: an answer claims to be from the future, and would outrank all others.
            StoreError: the database cannot be written.
        """
        for answer in answers:
            if answer.at is not None and answer.at > datetime.now(UTC):
                raise SettingsError(f"{answer.name}: {answer.at.isoformat()} is in the future")

        async def read_claim(claim: Claim, note: OnReading) -> ReadingResult:
            for answer in answers[:-1]:
                note(await self._read_recorded(claim, answer, last=False))
            return await self._read_recorded(claim, answers[-1], last=True)

        return await self._run_here(
            [provider_id],
            read_claim,
            dry_run=dry_run,
            started_by=started_by,
            on_reading=on_reading,
            all_or_none=True,
        )

    async def _run_here(
        self,
        provider_ids: Sequence[str],
        read_claim: Callable[[Claim, OnReading], Awaitable[ReadingResult]],
        *,
        dry_run: bool,
        started_by: str,
        on_reading: OnReading | None,
        all_or_none: bool = False,
    ) -> RunResult:
        """A run that an engine of its own takes to its end; with *whole*, all of it."""
        results: dict[str, ReadingResult] = {}
        at_once = asyncio.Semaphore(self.settings.at_once)

        def note(one: ReadingResult) -> None:
            results[one.reading.id] = one
            if on_reading is not None:
                on_reading(one)

        async def noted(claim: Claim) -> ReadingResult:
            async with at_once:
                one = await read_claim(claim, note)
            note(one)
            return one

        failures = _FirstError()
        now = datetime.now(UTC)
        scheduler = Scheduler(self.settings, self.store, self.access.provider, now)
        engine = self._new_engine(scheduler, noted, (*self._listeners, failures), schedules=False)
        begin = partial(
            scheduler.start_local_run,
            provider_ids,
            started_by=started_by,
            dry_run=dry_run,
            all_or_none=all_or_none,
        )
        while (begun := await asyncio.to_thread(begin)) is None:
            # It is being read, or whoever read it has died.
            await asyncio.to_thread(scheduler.expire, datetime.now(UTC))
            await asyncio.sleep(_POLL_SECONDS)
        run, claims = begun
        engine.start(claims)
        engine.wake(run.id)
        grace_seconds = 0
        try:
            ended, readings = await self._wait_until_finished(run.id, engine, failures)
            # What has ended is yet to be told.
            grace_seconds = _NOTIFY_SECONDS
        finally:
            await engine.stop(grace_seconds)
            if self._engine is None:
                await self.stop()
        assert ended.outcome is not None and ended.duration_seconds is not None  # noqa: PT018, S101
        # What another process has read of it is here as it was written down.
        every = [results.get(one.id) or ReadingResult(reading=one) for one in readings]
        every.sort(key=lambda one: ended.providers.index(one.reading.provider))
        return RunResult(run.id, ended.outcome, every, ended.duration_seconds)

    async def _wait_until_finished(
        self, run_id: str, engine: LocalEngine, failures: _FirstError
    ) -> tuple[Run, list[Reading]]:
        """The run when it has ended, and its readings.

        Raises:
            Exception: the first thing that failed and is no reading.
        """
        while True:
            run, readings = await self._wait(run_id, _POLL_SECONDS, engine)
            if failures.first is not None:
                raise failures.first
            if run.finished_at is not None:
                return run, readings

    # One reading

    async def _read_claim(self, claim: Claim, *, here: bool = False) -> ReadingResult:
        provider = self.access.provider(claim.provider)
        plan = self.settings.plan(claim.provider)
        return await read_provider(
            provider,
            self.access.fetcher(provider, await self._http()),
            self.store,
            run_id=claim.run_id,
            dry_run=claim.dry_run or plan.dry_run,
            options=self._options(provider.id),
            finish=FinishClaim.of(claim, plan),
            process=process_in_thread if here else self._process_in_worker,
        )

    async def _process_in_worker(self, answer: PendingAnswer, store: Store) -> ReadingResult:
        return await process_in_worker(
            answer, store, database=self.settings.database, at_once=self._worker_slots
        )

    async def _read_recorded(
        self, claim: Claim, answer: RecordedAnswer, *, last: bool
    ) -> ReadingResult:
        return await read_provider(
            self.access.provider(claim.provider),
            _fetch_recorded(answer),
            self.store,
            run_id=claim.run_id,
            observed_at=answer.at,
            dry_run=claim.dry_run,
            options=self._options(claim.provider),
            finish=FinishRecordedClaim(claim, last=last),
        )

    async def _http(self) -> httpx.AsyncClient:
        """The client that all readings share. Certificates take long to load, so in a thread."""
        if self._client is None:
            self._client = asyncio.create_task(asyncio.to_thread(http_client))
        # Whoever is cancelled while it waits does not take the client away from the others.
        return await asyncio.shield(self._client)

    def _options(self, provider_id: str) -> ReadingOptions:
        table = self.settings.provider.get(provider_id)
        return ReadingOptions(
            thresholds=self.settings.thresholds(provider_id),
            free=table.free if table else (),
            evidence_days=self.settings.evidence_days,
        )

    # Prices

    def book(self) -> PriceBook:
        """Every price that counts, in memory. Cheap, and for any thread.

        Within `REFRESH_SECONDS` it has what other processes change, and at once what is overridden
        here. While the database cannot be read the last book serves on: see `stale_since`.

        Raises:
            StoreError: the database cannot be read, and never could.
        """
        return self.book_cache.book(self.store)

    def refresh_book(self) -> None:
        """Let what was just written to the store count in this process at once."""
        self.book_cache.refresh(self.store)

    @property
    def stale_since(self) -> datetime | None:
        """While the database cannot be read: when the price book was last known to hold."""
        return self.book_cache.stale_since

    @property
    def book_revision(self) -> int | None:
        """Which state of the ledger the last `book` was; None before the first."""
        return int(self.book_cache.last.revision) if self.book_cache.last else None

    @property
    def unpriced(self) -> Counter[str]:
        """How often `cost` knew no price, by `unknown_model`, `unpriced` and `no_rate`."""
        return self.book_cache.unpriced

    def cost(self, provider: str, model: str, usage: Usage, at: datetime | None = None) -> Cost:
        """What *usage* of a model costs now, by the book, or at an instant, by the ledger.

        Raises:
            NoPrice: the model is unknown or unpriced, or its card names no rate for what was used.
            StoreError: the database cannot be read.
            ValueError: the instant has no time zone.
        """
        return self.book_cache.cost(self.store, provider, model, usage, at)

    def prices(
        self,
        provider: str | None = None,
        model: str | None = None,
        *,
        at: datetime | None = None,
        known_at: datetime | None = None,
    ) -> list[Price]:
        """The prices that count at an instant (now), as known at another (now)."""
        statements = self.store.statements(provider, model, at=at, known_at=known_at)
        overrides = self.store.overrides(provider, model, at=at, known_at=known_at)
        return prices(statements, overrides)

    def models_without_card(
        self, provider: str | None = None, model: str | None = None
    ) -> list[tuple[ModelState, str]]:
        """The models that are listed and have never had a card that counts, and why."""
        held = {
            (item.provider, item.change.model): f"held: {', '.join(item.reasons)}"
            for item in self.store.held(provider)
        }
        return [
            (state, held.get((state.provider, state.model)) or f"unreadable: {state.unreadable}")
            for state in self.store.models_without_card(provider, model)
        ]

    def price(
        self,
        provider: str,
        model: str,
        *,
        at: datetime | None = None,
        known_at: datetime | None = None,
    ) -> Price:
        """The price of one model.

        Raises:
            UnknownName: the model has no price in the ledger at that instant.
        """
        found = self.prices(provider, model, at=at, known_at=known_at)
        if not found:
            raise UnknownName(f"{provider}: {model}: not in the ledger")
        return found[0]

    def history(self, provider: str, model: str, *, everything: bool = False) -> list[Statement]:
        """Every card of a model, oldest first.

        Raises:
            UnknownName: the model is not in the ledger.
        """
        found = self.store.history(provider, model, everything=everything)
        if not found:
            raise UnknownName(f"{provider}: {model}: not in the ledger")
        return found

    def set_override(
        self,
        provider: str,
        model: str,
        rates: Mapping[Meter, Rate],
        *,
        author: str,
        reason: str,
        since: datetime | None = None,
        until: datetime | None = None,
        currency: str | None = None,
    ) -> list[MeterOverride]:
        """Set a person's rates, from now on or from *since*. Meters left out inherit.

        Raises:
            UnknownName: there is no such provider.
            SettingsError: no rate is given, the reason is blank, the end is not after the
                beginning, or the currency is not that of the provider's card.
        """
        self.access.provider(provider)
        if not rates:
            raise SettingsError("override: it needs a rate")
        now = datetime.now(UTC)
        begin = since or now
        card = next((s.listing for s in self.store.statements(provider, model)), None)
        listed = card.currency if isinstance(card, RateCard) else None
        if not reason.strip() or not author.strip():
            raise SettingsError("override: it needs an author and a reason")
        if until is not None and until <= begin:
            raise SettingsError(f"override: {until.isoformat()} is not after its beginning")
        if not is_model_id(model):
            raise SettingsError(f"override: {model!r} is not a model id")
        if currency is not None and not _CURRENCY.fullmatch(currency):
            raise SettingsError(f"override: {currency!r} is not a currency code such as USD")
        if currency and listed and currency != listed:
            raise SettingsError(f"override: the card of {model} is in {listed}, not {currency}")
        made = self.store.set_overrides(
            provider,
            model,
            rates,
            currency=currency or listed or "USD",
            author=author,
            reason=reason,
            since=begin,
            until=until,
            now=now,
        )
        self.refresh_book()
        return made

    def end_override(
        self, provider: str, model: str, meters: Sequence[Meter] = (), *, at: datetime | None = None
    ) -> list[MeterOverride]:
        """End the overrides of these meters (of all, if none is named), now or at an instant.

        Raises:
            UnknownName: there is nothing to end.
        """
        self.access.provider(provider)
        now = datetime.now(UTC)
        ended = self.store.end_overrides(provider, model, meters or tuple(Meter), at or now, now)
        if not ended:
            raise UnknownName(f"{provider}: {model}: no such override")
        self.refresh_book()
        return ended

    def override_report(
        self, provider: str | None = None, model: str | None = None
    ) -> list[tuple[MeterOverride, Rate | None, bool]]:
        """Each override not ended, the provider's own rate now, and whether it has moved since."""
        listed = {
            (statement.provider, statement.model): statement.listing
            for statement in self.store.statements(provider, model)
        }
        report = []
        for override in self.store.overrides_not_ended(provider, model, at=datetime.now(UTC)):
            card = listed.get((override.provider, override.model))
            rate = card.rates.get(override.meter) if isinstance(card, RateCard) else None
            report.append((override, rate, rate != override.upstream_rate))
        return report


@dataclass(frozen=True, slots=True)
class FinishRecordedClaim:
    """Ends the reading of a recorded answer: it says nothing of how the provider is now."""

    claim: Claim
    #: Whether no other answer follows in the run.
    last: bool

    def __call__(self, store: Store, reading: Reading, _error: Exception | None) -> bool:
        if not self.last:
            store.queue.check_claim(self.claim)
            return False
        store.queue.finish_claim(self.claim, reading.state)
        return store.queue.finish_run_if_done(self.claim.run_id, reading.finished_at)


class _FirstError(Listener):
    """Keeps the first thing that failed and is no reading."""

    def __init__(self) -> None:
        self.first: Exception | None = None

    def on_error(self, _where: str, error: Exception) -> None:
        self.first = self.first or error


def _fetch_recorded(answer: RecordedAnswer) -> Fetch:
    async def ask(_: str | None) -> Fetched:
        return Fetched(f"file:{answer.name}", tuple(answer.body.split(PAGE_SEPARATOR)), None)

    return ask
