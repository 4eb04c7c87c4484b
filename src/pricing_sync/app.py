"""`PricingSync`, the interface of the library: it opens and closes everything."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, TypeVar, overload

from pricing_sync.background import Guard, result_or_error
from pricing_sync.changes.held import HeldChange, State
from pricing_sync.changes.rollback import ModelRollback
from pricing_sync.changes.run import Reading, Run
from pricing_sync.errors import PricingSyncError, StoreError, UnknownName
from pricing_sync.json_views.changes import AppliedChange
from pricing_sync.json_views.prices import Ending as EndingView
from pricing_sync.json_views.pushes import PushView
from pricing_sync.json_views.usage import Drift as DriftView
from pricing_sync.json_views.usage import UnpricedModel as UnpricedView
from pricing_sync.json_views.webhooks import WebhookView
from pricing_sync.notify.deliverer import Deliverer
from pricing_sync.observe.listener import Listener, report_error
from pricing_sync.observe.logs import LogListener
from pricing_sync.prices.book import Price, PriceBook
from pricing_sync.prices.cost import Cost
from pricing_sync.prices.exchange import ExchangeRate
from pricing_sync.prices.instants import refuse_naive
from pricing_sync.prices.overrides import OverrideState
from pricing_sync.prices.rates import Meter, Rate, When
from pricing_sync.prices.statements import MeterOverride, ModelState, Statement
from pricing_sync.prices.usage import Usage
from pricing_sync.push.pusher import Pusher, PushResult
from pricing_sync.scheduling.runs import OnReading, RunResult, Runs
from pricing_sync.scheduling.scheduler import status_without_database
from pricing_sync.serving.book_cache import BookCache
from pricing_sync.serving.book_snapshots import BookSnapshots, RenderedBook
from pricing_sync.serving.book_watcher import BookWatcher, LearnedBy
from pricing_sync.serving.exports import Exports
from pricing_sync.serving.overrides import Overrides
from pricing_sync.serving.prices import Prices
from pricing_sync.serving.redis_server import RedisServer
from pricing_sync.serving.revision_channel import RevisionChannel
from pricing_sync.serving.shared_documents import SharedDocuments
from pricing_sync.serving.usage import RecordedUsage
from pricing_sync.settings import Settings, load_settings
from pricing_sync.sources.provider import Provider
from pricing_sync.sources.providers import CATALOG
from pricing_sync.store import Store, is_postgres, open_store
from pricing_sync.store.audit_log import AuditEntry
from pricing_sync.store.backup import Backup, OnProgress, back_up
from pricing_sync.store.changes import LedgerChange
from pricing_sync.store.deliveries import Delivery, EndpointStatus
from pricing_sync.store.names import SOON, Ending
from pricing_sync.store.pushes import PushStatus
from pricing_sync.store.upgrade import upgrade
from pricing_sync.sync.access import ProviderAccess
from pricing_sync.sync.recorded import RecordedAnswer

__all__ = ["PricingSync"]

T = TypeVar("T")

#: Between two tries to open the database of a host that runs without it.
RETRY_SECONDS = 5.0


class PricingSync:
    """Reads providers into a database on a schedule, and serves the prices in it.

    Nothing is opened before `open`, `with`, or `lifespan`.

    Args:
        settings: By default those of the environment and `pricing-sync.toml`.
        extra_providers: In addition to the built-in, the installed and the catalog's providers.
        access: The providers, with their keys and URLs; by default those of the settings.
        listeners: Notified of readings, runs and errors, in addition to the log.
        create: Create the database if there is none.
        on_error: What `lifespan` does when the database cannot be opened: raise the error, or let
            the host start without it (`serve_without`) and try again every `RETRY_SECONDS`. Until
            then all that needs the database raises StoreError, and `status` says why.
        is_worker: Where the `engine` of the settings is `procrastinate`: whether this process reads
            what is queued. By default it only queues, and workers read.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        extra_providers: Iterable[Provider] = (),
        access: ProviderAccess | None = None,
        listeners: Sequence[Listener] = (),
        create: bool = True,
        on_error: Literal["raise", "serve_without"] = "raise",
        is_worker: bool = False,
    ) -> None:
        self.settings = settings or load_settings()
        self.access = access or ProviderAccess(self.settings, extra_providers)
        self._listeners = (LogListener(), *listeners)
        self._create, self._on_error, self._is_worker = create, on_error, is_worker
        self._open: _Open | None = None
        #: Why the host runs without the database; None if it does not.
        self._problem: str | None = None

    # Opening and closing

    def open(self) -> PricingSync:
        """Open the database that the settings name. Opening twice is harmless.

        Raises:
            SettingsError, StoreError: it cannot be opened.
        """
        self._open_store(create=self._create, migrate=False)
        return self

    def _open_store(self, *, create: bool, migrate: bool) -> None:
        if self._open is None:
            url, guard = self.settings.redis_url, Guard(partial(report_error, self._listeners))
            redis = RedisServer(url, guard) if url else None
            if migrate:
                upgrade(self.settings.database, create=create)
            store = open_store(self.settings.database, create=create)
            if self.settings.engine == "procrastinate" and self.settings.migrate and create:
                store.migrate_transport()
            self.access.is_in_catalog = store.catalog_has
            self._open = _Open(
                self.settings, store, redis, self.access, self._listeners, self._is_worker
            )
            if self._open.revision_channel is not None:
                store.on_revision(self._open.revision_channel.publish)

    def close(self) -> None:
        """Close the database. Closing twice is harmless."""
        if self._open is not None:
            self._open.deliverer.close()
            self._open.store.close()
            if self._open.redis is not None:
                self._open.redis.close()
        self._open = None

    def __enter__(self) -> PricingSync:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _parts(self) -> _Open:
        if self._open is None and self._problem is not None:
            raise StoreError(self._problem)
        if self._open is None:
            raise RuntimeError("PricingSync is not open: use `with`, or its lifespan")
        return self._open

    @property
    def store(self) -> Store:
        """The database.

        Raises:
            RuntimeError: it is not open.
        """
        return self._parts.store

    def provider_id(self, name: str) -> str:
        """The id of a provider by any of its names: everything of it is stored under that id.

        Raises:
            UnknownName: neither a list of providers nor the ledger has it.
        """
        try:
            return self.access.provider(name).id
        except UnknownName:
            provider_id = _id(name)
            if not self.store.knows(provider_id):
                raise
            return provider_id

    def model_id(self, provider: str, model: str) -> str:
        """The id of a model by any of the names that its list publishes; unknown ones stay."""
        names, provider = self.store.names, _id(provider)
        if self.store.model_states(provider, model):
            return model
        return names.target(provider, model) or model

    def ending(self, within: timedelta = SOON) -> list[Ending]:
        """The models whose lists say that they end within that time, the first first."""
        return self.store.names.ending_soon(within)

    # Running in the background

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """Open the database, run the schedule while the block runs, then stop and close.

        The database is migrated before, unless the setting `migrate` says no.

        Use it as the lifespan of a FastAPI app, or as a part of it:
        `async with pricing.lifespan(app): yield`.

        Raises:
            SettingsError: the settings cannot be used.
            StoreError: the database cannot be opened, and `on_error` is `raise`.
        """
        retries: asyncio.Task[None] | None = None
        self.access.check_scheduled()
        try:
            try:
                await self._open_and_start()
            except StoreError as error:
                if self._on_error == "raise":
                    raise
                self._report_problem(error)
                retries = asyncio.create_task(self._retry_opening())
            yield
        finally:
            if retries is not None:
                retries.cancel()
                await asyncio.wait([retries])
            self._problem = None
            await self.stop()
            await asyncio.to_thread(self.close)

    async def _open_and_start(self) -> None:
        migrate = self.settings.migrate
        await asyncio.to_thread(self._open_store, create=self._create and migrate, migrate=migrate)
        self.start()
        self._problem = None

    async def _retry_opening(self) -> None:
        """Try to open the database until it succeeds."""
        while self._problem is not None:
            await asyncio.sleep(RETRY_SECONDS)
            opened = await result_or_error(self._open_and_start())
            if opened is not None:
                self._report_problem(opened)

    def _report_problem(self, error: Exception) -> None:
        """Notify the listeners, of a repeated problem once."""
        is_ours = isinstance(error, PricingSyncError)
        problem = str(error) if is_ours else f"failed unexpectedly: {type(error).__name__}"
        if problem != self._problem:
            self._problem = problem
            report_error(self._listeners, "database", error)

    def start(self) -> None:
        """Start the engine: it runs what is triggered here, and the schedule if it is enabled.

        Where workers read, it only sends runs to them. Returns at once. Starting twice is harmless.

        Raises:
            SettingsError: the settings name an unknown provider.
        """
        self._parts.runs.start(self.status)
        if self._parts.runs.reads:
            self._parts.pusher.start()
            self._parts.deliverer.start()
        if self._parts.book_watcher is not None and not self._is_worker:
            self._parts.book_watcher.start()

    async def stop(self) -> None:
        """Start nothing more, wait `stop_seconds` for readings in flight, then cancel them.

        Stopping twice is harmless.
        """
        if self._open is not None:
            if self._open.book_watcher is not None:
                await self._open.book_watcher.stop()
            await self._open.pusher.stop()
            await self._open.runs.stop()
            await self._open.deliverer.stop()

    @property
    def is_running(self) -> bool:
        """Whether `start` was called, and not `stop`."""
        return self._open is not None and self._open.runs.is_running

    @property
    def reads(self) -> bool:
        """Whether what is queued is read in this process, and not only by workers."""
        return self._is_worker or self.settings.engine == "local"

    # Runs

    async def trigger(
        self,
        provider_ids: Sequence[str] | None = None,
        *,
        dry_run: bool = False,
        started_by: str = "library",
    ) -> tuple[Run, bool]:
        """Queue a run of these providers (by default those of the settings); do not wait for it.

        Returns the run, and whether it was queued already by an identical trigger.

        Raises:
            UnknownName: there is no such provider.
            StoreError: the database cannot be written.
        """
        names = self.settings.providers if provider_ids is None else provider_ids
        return await self._parts.runs.trigger(names, dry_run=dry_run, started_by=started_by)

    async def wait(self, run_id: str, timeout_seconds: float) -> tuple[Run, list[Reading]]:
        """Wait until a run has ended or the time is up; returns it with its readings.

        When it has ended, its prices are in `book`.

        Raises:
            UnknownName: there is no such run.
        """
        return await self._then_refresh(self._parts.runs.wait(run_id, timeout_seconds))

    async def cancel(self, run_id: str) -> Run:
        """Cancel a run that is queued or in progress.

        Raises:
            UnknownName: there is no such run.
        """
        return await self._parts.runs.cancel(run_id)

    def status(self) -> dict[str, Any]:
        """The state of the schedule, as values for JSON. It is the same after a restart.

        `running` is true if a process that shares the database leads, or if this process schedules.
        `problem` says why the database cannot be opened, if the host runs without it.
        """
        if self._open is None and self._problem is not None:
            return status_without_database(self.settings, self._problem, datetime.now(UTC))
        today = datetime.now(UTC).date()
        return self._parts.runs.status() | {
            "problem": None,
            "ending": [
                EndingView.of(entry, today).model_dump(mode="json") for entry in self.ending()
            ],
            "overrides_ending": self._parts.overrides.ending(),
            "pushes": [
                PushView.of(one, datetime.now(UTC)).model_dump(mode="json")
                for one in self.push_states()
            ],
            "webhooks": [WebhookView.of(one).model_dump(mode="json") for one in self.webhooks()],
            "scheduled": [
                AppliedChange.of(one).model_dump(mode="json") for one in self.scheduled(within=SOON)
            ],
            "drifting": [
                DriftView.model_validate(one).model_dump(mode="json")
                for one in self.usage.drifting()
            ],
            "unpriced": [
                UnpricedView.of(one).model_dump(mode="json") for one in self.usage.unpriced()
            ],
        }

    async def sync(
        self,
        provider_ids: Sequence[str],
        *,
        dry_run: bool = False,
        started_by: str = "library",
        on_reading: OnReading | None = None,
    ) -> RunResult:
        """Read these providers now, in this process, several at once, as one run.

        A provider that is being read already is read again after that.

        Raises:
            UnknownName: there is no such provider.
            StoreError: the database cannot be written.
        """
        started = self._parts.runs.sync(
            provider_ids, dry_run=dry_run, started_by=started_by, on_reading=on_reading
        )
        return await self._then_refresh(started)

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
            SettingsError: an answer is dated in the future; it would be newer than all others.
            StoreError: the database cannot be written.
        """
        started = self._parts.runs.replay(
            provider_id, answers, dry_run=dry_run, started_by=started_by, on_reading=on_reading
        )
        return await self._then_refresh(started)

    async def _then_refresh(self, work: Awaitable[T]) -> T:
        """The result of work that may change prices, once they are in the book."""
        result = await work
        await asyncio.to_thread(self._refresh_book)
        return result

    async def push(self, targets: Sequence[str] = (), *, dry_run: bool = False) -> list[PushResult]:
        """Push the prices in force to these nodes of the settings now, by default to all.

        With *dry_run* they are only asked what they have. While the service runs, one of its
        processes pushes after each change by itself.

        Raises:
            UnknownName: no node has that name.
            StoreError: the database cannot be read or written.
        """
        return await self._parts.pusher.push(targets, dry_run=dry_run)

    def push_states(self) -> list[PushStatus]:
        """What is known of each node that prices are pushed to.

        Raises:
            StoreError: the database cannot be read.
        """
        return self._parts.pusher.states()

    # Webhooks and messages

    def webhooks(self) -> list[EndpointStatus]:
        """The endpoints of the settings: webhooks and messages, with their queues.

        Raises:
            StoreError: the database cannot be read.
        """
        return self._parts.deliverer.states()

    def dead_letters(self, name: str, limit: int = 100) -> list[Delivery]:
        """The newest events that an endpoint did not take for a day.

        Raises:
            UnknownName: no endpoint has that name.
        """
        return self._parts.deliverer.dead(name, limit)

    async def test_webhook(self, name: str) -> None:
        """Send an endpoint an event `webhook.test` now, past its queue.

        Raises:
            UnknownName: no endpoint has that name.
            DeliveryFailed: it did not take it.
        """
        await self._parts.deliverer.test(name)

    def replay_webhook(self, name: str, event_id: str | None = None) -> int:
        """Queue an event of an endpoint again, or all its dead letters; returns how many.

        The service sends them. An endpoint that was disabled is enabled.

        Raises:
            UnknownName: there is no such endpoint, or no such event.
        """
        return self._parts.deliverer.replay(name, event_id)

    # Prices

    def book(self, since: datetime | None = None) -> PriceBook:
        """Every price in force, in memory. Cheap, and safe in any thread.

        With *since* it has every card of the time from then on, as known now, and answers any
        instant of it. Such a book is read from the database at each call: keep it, and use it for
        as many usages as there are.

        Changes of other processes appear within `REFRESH_SECONDS`, what this object has changed at
        once. While the database cannot be read, the last book is returned: see `stale_since`.

        Raises:
            StoreError: the database cannot be read, and there is no earlier book.
            ValueError: the instant has no time zone.
        """
        return self._parts.book_cache.book() if since is None else self.store.book(since)

    def rendered_book(self) -> RenderedBook:
        """The price book as bytes, for a `PriceClient`; rendered again when it has changed.

        Raises:
            StoreError: the database cannot be read.
        """
        return self._parts.book_snapshots.get()

    @property
    def checked_book(self) -> PriceBook | None:
        """What `book` returns if it need not query the database for it; else None."""
        return self._parts.book_cache.checked

    def _refresh_book(self) -> None:
        """Put what this object has changed into the book at once."""
        self._parts.book_cache.refresh()

    @property
    def stale_since(self) -> datetime | None:
        """When the price book was last confirmed, while the database cannot be read; else None."""
        return self._parts.book_cache.stale_since

    @property
    def book_revision(self) -> int | None:
        """The ledger's revision in the last `book`; None before the first call of `book`."""
        last = self._parts.book_cache.last
        return int(last.revision) if last else None

    @property
    def book_learned_by(self) -> LearnedBy | None:
        """How this process learned of that revision.

        PostgreSQL told it (`notify`), Redis did (`redis`), or it asked the database (`poll`).
        None before the first new revision, with SQLite, and where nothing was started.
        """
        watcher = self._parts.book_watcher
        return watcher.learned_by if watcher else None

    @property
    def book_unconfirmed_seconds(self) -> float | None:
        """How long ago `book` was known to be the newest, where PostgreSQL tells of new ones."""
        return self._parts.book_cache.unconfirmed_seconds

    @property
    def unpriced(self) -> Counter[str]:
        """How often `cost` found no price, by `unknown_model`, `unpriced` and `no_rate`."""
        return self._parts.book_cache.unpriced

    @property
    def exports(self) -> Exports:
        """The prices in other tools' formats."""
        return self._parts.exports

    @property
    def usage(self) -> RecordedUsage:
        """The usage that was sent in, as sums, and what it says about our prices."""
        return self._parts.usage

    def cost(self, provider: str, model: str, usage: Usage, at: datetime | None = None) -> Cost:
        """The cost of *usage* of a model: now by the book, or at an instant by the ledger.

        Raises:
            NoPrice: the model is unknown or unpriced, or its card has no rate for a used meter.
            StoreError: the database cannot be read.
            ValueError: the instant has no time zone.
        """
        return self._parts.book_cache.cost(_id(provider), model, usage, at)

    def exchange_rate(self, source: str, target: str, at: datetime | None = None) -> ExchangeRate:
        """The rate that converts an amount of an instant (now) from one currency to another.

        Raises:
            NoPrice: the rates of those days are not stored.
            ValueError: the instant has no time zone.
        """
        at = at or datetime.now(UTC)
        refuse_naive(at)
        return self.store.exchange_rates.between((source, target), at, at).find(source, target, at)

    def prices(
        self,
        provider: str | None = None,
        model: str | None = None,
        *,
        at: datetime | None = None,
        known_at: datetime | None = None,
        after: tuple[str, str] = ("", ""),
        limit: int | None = None,
    ) -> list[Price]:
        """The prices in force at *at*, as known at *known_at*; both are now by default.

        They are sorted by provider and model, and are those *after* a pair of these, up to *limit*.

        Raises:
            ValueError: an instant has no time zone.
        """
        return self._parts.prices.find(_id(provider), model, at, known_at, after=after, limit=limit)

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
            NoPrice: the model has no price at that instant; the message has its state now.
            UnknownName: no provider ever listed the model, or only without a price then.
            ValueError: an instant has no time zone.
        """
        return self._parts.prices.get(_id(provider), model, at, known_at)

    def models_without_card(
        self, provider: str | None = None, model: str | None = None
    ) -> list[tuple[ModelState, str]]:
        """The models without a card in force that a provider lists or has listed, and why."""
        return self._parts.prices.models_without_card(_id(provider), model)

    def history(self, provider: str, model: str, *, everything: bool = False) -> list[Statement]:
        """Every card of a model, oldest first; with *everything*, superseded rows too.

        Raises:
            UnknownName: the model is not in the ledger.
        """
        return self._parts.prices.history(_id(provider), model, everything=everything)

    def changes(
        self,
        since: datetime,
        *,
        provider: str | None = None,
        model: str | None = None,
        include_added: bool = False,
        limit: int = 100,
    ) -> list[LedgerChange]:
        """What providers changed from an instant on, newest first, as known now.

        A model's first price is a change only with *include_added*. Overrides are none.

        Raises:
            ValueError: the instant has no time zone.
        """
        return self._parts.prices.changes(
            since, provider=_id(provider), model=model, include_added=include_added, limit=limit
        )

    def scheduled(
        self,
        provider: str | None = None,
        model: str | None = None,
        *,
        within: timedelta | None = None,
    ) -> list[LedgerChange]:
        """What sources publish for later, the next one first, each with the listing before it.

        It holds from its instant on, without another reading. With *within*, only what begins in
        that time.
        """
        return self._parts.prices.scheduled(_id(provider), model, within)

    def audit_log(self, limit: int, before: str | None = None) -> list[AuditEntry]:
        """Who decided what, when and why, newest first; *before* is the last id already seen.

        Decisions about held changes, refusals, announcements, overrides set and ended, and the
        runs that were not scheduled.
        """
        store = self.store
        found = store.audit_log.entries(limit, before) + store.decisions.entries(limit, before)
        return sorted(found, key=lambda entry: entry.id, reverse=True)[:limit]

    def backup(
        self, file: Path, *, overwrite: bool = False, on_progress: OnProgress | None = None
    ) -> Backup:
        """Copy the database to a file, as of one instant, while it is read and written.

        The copy is checked before it gets its name. *on_progress* is called with the step and the
        share of it that is done.

        Raises:
            SettingsError: the database is not SQLite, or *file* exists and *overwrite* is not set.
            StoreError: the database cannot be read or is damaged, or *file* cannot be written.
        """
        url = self.settings.database
        return back_up(url, file, overwrite=overwrite, on_progress=on_progress)

    # Held changes

    def held(self, provider: str | None = None) -> list[HeldChange]:
        """The changes that wait for a person's decision, by provider, the oldest first."""
        return self.store.review.held(_id(provider))

    def accept(self, shown: Sequence[HeldChange], *, author: str, reason: str) -> list[HeldChange]:
        """Apply held changes as they were shown, all of them or none.

        Each counts from the reading that first contained it, one of later from its day.

        Raises:
            StaleHeldChange: one is not open any more or differs from the one shown, the card that
                it would replace is not in force any more, or its day has come.
            UnknownName: there is no such held change.
            SettingsError: the author or the reason is blank.
        """
        return self._decide(State.ACCEPTED, shown, author, reason)

    def reject(self, shown: Sequence[HeldChange], *, author: str, reason: str) -> list[HeldChange]:
        """Refuse held changes as they were shown: exactly these never count. Errors as `accept`."""
        return self._decide(State.REJECTED, shown, author, reason)

    def _decide(
        self, state: State, shown: Sequence[HeldChange], author: str, reason: str
    ) -> list[HeldChange]:
        now = datetime.now(UTC)
        decided = self.store.review.decide(state, shown, author=author, reason=reason, now=now)
        self._refresh_book()
        return decided

    def rollback(
        self,
        provider: str,
        to: datetime,
        *,
        model: str | None = None,
        author: str,
        reason: str,
        dry_run: bool = False,
    ) -> list[ModelRollback]:
        """Put a provider's cards of an instant in force again, as they were known then.

        They hold from that instant on, as if what came after had been held. That counts as rejected
        (`reconsider` takes it back), and its rows stay in the ledger, as superseded.

        Args:
            provider: The provider.
            to: The instant, which has passed.
            model: Only this model.
            author: Who decides.
            reason: Why.
            dry_run: Only return what would be done.

        Raises:
            SettingsError: the instant is not in the past, or the author or the reason is blank.
            UnknownName: there is no such provider or model, it had no prices at the instant, or
                nothing changed since.
            ValueError: the instant has no time zone.
        """
        provider, now = self.provider_id(provider), datetime.now(UTC)
        model = model and self.model_id(provider, model)
        rollbacks = self.store.rollbacks
        if dry_run:
            return rollbacks.find(provider, model, to, now)
        done = rollbacks.apply(provider, model, to, author=author, reason=reason, now=now)
        self._refresh_book()
        return done

    def reconsider(
        self, provider: str, model: str, *, author: str, reason: str
    ) -> list[HeldChange]:
        """Withdraw the rejections of a model, so that the next reading judges its changes again.

        Raises:
            UnknownName: there is no such provider, or nothing of the model was rejected.
            SettingsError: the author or the reason is blank.
        """
        provider, now = self.provider_id(provider), datetime.now(UTC)
        withdrawn = self.store.review.reconsider(
            provider, model, author=author, reason=reason, now=now
        )
        self._refresh_book()
        return withdrawn

    # Overrides

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
        when: When | None = None,
        flat: bool = False,
    ) -> list[MeterOverride]:
        """Set a person's rates, from now on or from *since*. Meters left out inherit.

        *provider* may be an upstream of one's own: an id that no list has.

        They are the card's base rates, or with *when* those of this condition. The other
        conditional rates stay, unless *flat* is set: then the rates hold under every condition.

        Overrides are layers: the one that was set last counts while it is in force. When it ends,
        the one below it counts again.

        Raises:
            UnknownName: *provider* is no id, or looks like a misspelt one.
            SettingsError: *rates* is empty, the reason is blank, *until* is not after *since*,
                *flat* is set beside a condition, the condition names a service tier that has the
                base rates, or the currency is not that of the model's card and of its other
                overrides.
            ValueError: an instant has no time zone.
        """
        created = self._parts.overrides.set(
            self.access.priced_id(provider),
            self.model_id(provider, model),
            rates,
            author=author,
            reason=reason,
            since=since,
            until=until,
            currency=currency,
            when=when,
            flat=flat,
        )
        self._refresh_book()
        return created

    def end_override(
        self,
        provider: str,
        model: str,
        meters: Sequence[Meter] = (),
        *,
        at: datetime | None = None,
        newest_only: bool = False,
        author: str = "library",
        reason: str = "",
    ) -> list[MeterOverride]:
        """End the overrides of these meters (of all, if none is named), now or at an instant.

        Every layer ends, and the provider's rates hold again. With *newest_only* the newest
        ends, and the one below it holds again.

        Raises:
            UnknownName: there is no such provider, or no override to end.
            ValueError: the instant has no time zone.
        """
        provider, model = self.provider_id(provider), self.model_id(provider, model)
        ended = self._parts.overrides.end(
            provider,
            model,
            meters,
            at,
            newest_only=newest_only,
            author=author,
            reason=reason,
        )
        self._refresh_book()
        return ended

    def override_report(
        self, provider: str | None = None, model: str | None = None, *, ending: bool = False
    ) -> list[tuple[MeterOverride, Rate | None, bool]]:
        """Each override that has not ended, the provider's rate now, and whether it moved since.

        With *ending*, only those that end in the next 30 days, the next one first.
        """
        return self._parts.overrides.report(_id(provider), model, ending=ending)

    def override_states(
        self, provider: str | None = None, model: str | None = None
    ) -> dict[str, OverrideState]:
        """The state of each override that has not ended, by its id: whether it counts now."""
        return self._parts.overrides.states(_id(provider), model)


@overload
def _id(name: str) -> str: ...
@overload
def _id(name: str | None) -> str | None: ...
def _id(name: str | None) -> str | None:
    """The id by which a provider of that name is looked up, known or not; None stays None."""
    return name and name.removeprefix(CATALOG)


@dataclass(frozen=True)
class _Open:
    """The parts that need an open database, each created on first use."""

    settings: Settings
    store: Store
    redis: RedisServer | None
    access: ProviderAccess
    listeners: Sequence[Listener]
    is_worker: bool

    @cached_property
    def runs(self) -> Runs:
        path = self.settings.book_file
        write_book = partial(self.book_snapshots.write, path) if path else None
        return Runs(
            self.settings,
            self.store,
            self.access,
            self.listeners,
            write_book,
            is_worker=self.is_worker,
        )

    @cached_property
    def book_snapshots(self) -> BookSnapshots:
        return BookSnapshots(self.store, self.settings.book_days)

    @cached_property
    def book_cache(self) -> BookCache:
        return BookCache(self.store)

    @cached_property
    def book_watcher(self) -> BookWatcher | None:
        """What keeps the book up to date; None where each reader does, as with SQLite."""
        url = self.settings.database
        if not is_postgres(url):
            return None
        guard = Guard(partial(report_error, self.listeners))
        if self.revision_channel is not None:
            return BookWatcher(self.book_cache, self.revision_channel.listen, guard, "redis")
        # Its driver is an optional extra.
        from pricing_sync.store.notifications import revision_notifications

        listen = partial(revision_notifications, url)
        return BookWatcher(self.book_cache, listen, guard, "notify")

    @cached_property
    def revision_channel(self) -> RevisionChannel | None:
        return RevisionChannel(self.redis) if self.redis else None

    @cached_property
    def exports(self) -> Exports:
        settings, redis = self.settings, self.redis
        return Exports(
            self.store,
            self.book_cache,
            settings.export_upstream,
            settings.export_currency,
            None if redis is None else SharedDocuments(redis),
        )

    @cached_property
    def pusher(self) -> Pusher:
        return Pusher(
            self.settings, self.store, self.exports, self.listeners, self.access.environment
        )

    @cached_property
    def deliverer(self) -> Deliverer:
        return Deliverer(self.settings, self.store, self.listeners, self.access.environment)

    @cached_property
    def usage(self) -> RecordedUsage:
        keep = timedelta(days=self.settings.keep_days)
        drift = Fraction(str(self.settings.usage_drift))
        return RecordedUsage(self.store, self.book_cache.book, keep, drift)

    @cached_property
    def prices(self) -> Prices:
        return Prices(self.store)

    @cached_property
    def overrides(self) -> Overrides:
        return Overrides(self.store)
