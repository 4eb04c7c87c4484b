"""Everything built once: the settings, the store, the providers, and the runs over them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from pricing_sync.errors import SettingsError, UnknownName
from pricing_sync.fetch import Fetched, http_client
from pricing_sync.ledger import MeterOverride, ModelState, Statement
from pricing_sync.price import Meter, Rate, RateCard
from pricing_sync.price_book import Price, prices
from pricing_sync.providers.provider import PAGE_SEPARATOR, Provider
from pricing_sync.reach import Ask, Reach
from pricing_sync.run import Outcome, outcome
from pricing_sync.settings import Settings
from pricing_sync.store import Store, open_store
from pricing_sync.store.ids import new_id
from pricing_sync.store.store import Run
from pricing_sync.sync import Rules, Taken, take_reading
from pricing_sync.wire import is_model_id

#: Told of each reading as it ends.
Listener: TypeAlias = Callable[[Taken], None]

_CURRENCY = re.compile("[A-Z]{3}")
#: Providers asked at once. Each is asked once at a time, so this is politeness to ourselves.
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Answered:
    """A recorded answer."""

    body: bytes
    #: When it was recorded; None for just now.
    at: datetime | None = None
    #: What it is called, for the ledger.
    name: str = "answer"


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that has ended, with its readings in the order of the providers."""

    id: str
    outcome: Outcome
    taken: Sequence[Taken]
    duration_seconds: float


class PricingSync:
    """Reads providers into a store, and answers for the prices in it."""

    def __init__(self, settings: Settings, store: Store, reach: Reach | None = None) -> None:
        self.settings = settings
        self.store = store
        self.reach = reach or Reach(settings)

    @classmethod
    def open(
        cls, settings: Settings, reach: Reach | None = None, *, create: bool = True
    ) -> PricingSync:
        """Open the database that the settings name; with *create*, make one if there is none.

        *reach* is given by who brings providers or keys of their own.

        Raises:
            SettingsError, StoreError: it cannot be opened.
        """
        return cls(settings, open_store(settings.database, create=create), reach)

    def close(self) -> None:
        """Let go of the database."""
        self.store.close()

    def __enter__(self) -> PricingSync:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def sync(
        self,
        provider_ids: Sequence[str],
        *,
        dry_run: bool = False,
        started_by: str = "library",
        listener: Listener | None = None,
    ) -> Finished:
        """Read these providers, several at once, as one run.

        Raises:
            UnknownName: a provider that there is not.
            StoreError: the database cannot be read or written.
        """
        wanted = [self.reach.provider(provider_id) for provider_id in dict.fromkeys(provider_ids)]
        at_once = asyncio.Semaphore(_AT_ONCE)
        async with http_client() as client:

            async def one(provider: Provider, run_id: str) -> Taken:
                async with at_once:
                    return await self._take(
                        provider, self.reach.ask(provider, client), run_id, dry_run
                    )

            return await self._run(wanted, one, dry_run, started_by, listener)

    async def replay(
        self,
        provider_id: str,
        answers: Sequence[Answered],
        *,
        dry_run: bool = False,
        started_by: str = "library",
        listener: Listener | None = None,
    ) -> Finished:
        """Read recorded answers of one provider, one after the other, as one run.

        Raises:
            UnknownName: there is no such provider.
            SettingsError: an answer claims to be from the future, and would outrank all others.
            StoreError: the database cannot be read or written.
        """
        provider = self.reach.provider(provider_id)
        for answer in answers:
            if answer.at is not None and answer.at > datetime.now(UTC):
                raise SettingsError(f"{answer.name}: {answer.at.isoformat()} is in the future")
        waiting = iter(answers)

        async def one(provider: Provider, run_id: str) -> Taken:
            answer = next(waiting)
            return await self._take(provider, _recorded(answer), run_id, dry_run, answer.at)

        return await self._run(
            [provider] * len(answers), one, dry_run, started_by, listener, in_turn=True
        )

    async def _run(
        self,
        wanted: Sequence[Provider],
        one: Callable[[Provider, str], Awaitable[Taken]],
        dry_run: bool,  # noqa: FBT001  private
        started_by: str,
        listener: Listener | None,
        *,
        in_turn: bool = False,
    ) -> Finished:
        started = datetime.now(UTC)
        ids = tuple(dict.fromkeys(provider.id for provider in wanted))
        run = Run(new_id(started), started_by, started, None, None, dry_run, ids)
        await asyncio.to_thread(self.store.begin_run, run)

        async def told(provider: Provider) -> Taken:
            taken = await one(provider, run.id)
            if listener is not None:
                listener(taken)
            return taken

        if in_turn:
            taken = [await told(provider) for provider in wanted]
        else:
            taken = await _all([told(provider) for provider in wanted])
        finished = datetime.now(UTC)
        result = outcome([item.reading for item in taken])
        await asyncio.to_thread(self.store.finish_run, run.id, finished, result)
        return Finished(run.id, result, taken, (finished - started).total_seconds())

    async def _take(
        self,
        provider: Provider,
        ask: Ask,
        run_id: str,
        dry_run: bool,  # noqa: FBT001  private
        observed_at: datetime | None = None,
    ) -> Taken:
        return await take_reading(
            provider,
            ask,
            self.store,
            run_id=run_id,
            dry_run=dry_run,
            observed_at=observed_at,
            rules=self._rules(provider.id),
        )

    def _rules(self, provider_id: str) -> Rules:
        table = self.settings.provider.get(provider_id)
        return Rules(
            thresholds=self.settings.thresholds(provider_id),
            free=table.free if table else (),
            evidence_days=self.settings.evidence_days,
        )

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

    def without_card(
        self, provider: str | None = None, model: str | None = None
    ) -> list[tuple[ModelState, str]]:
        """The models that are listed and have never had a card that counts, and why."""
        held = {
            (item.provider, item.change.model): f"held: {', '.join(item.reasons)}"
            for item in self.store.held(provider)
        }
        carded = {(s.provider, s.model) for s in self.store.statements(provider, model)}
        return [
            (state, held.get(key) or f"unreadable: {state.unreadable}")
            for key, state in self.store.model_states(provider, model).items()
            if key not in carded and state.retired_at is None
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
            SettingsError: the reason is blank, the end is not after the beginning, or the currency
                is not that of the provider's card.
        """
        self.reach.provider(provider)
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
        return self.store.set_overrides(
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

    def end_override(
        self, provider: str, model: str, meters: Sequence[Meter] = (), *, at: datetime | None = None
    ) -> list[MeterOverride]:
        """End the overrides of these meters (of all, if none is named), now or at an instant.

        Raises:
            UnknownName: there is nothing to end.
        """
        self.reach.provider(provider)
        now = datetime.now(UTC)
        ended = self.store.end_overrides(provider, model, meters or tuple(Meter), at or now, now)
        if not ended:
            raise UnknownName(f"{provider}: {model}: no such override")
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


async def _all(readings: Sequence[Coroutine[None, None, Taken]]) -> list[Taken]:
    """The results of all; the first error there is cancels the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(reading) for reading in readings]
    except BaseExceptionGroup as group_error:
        raise group_error.exceptions[0] from None
    return [task.result() for task in tasks]


def _recorded(answer: Answered) -> Ask:
    async def ask(_: str | None) -> Fetched:
        return Fetched(f"file:{answer.name}", tuple(answer.body.split(PAGE_SEPARATOR)), None)

    return ask
