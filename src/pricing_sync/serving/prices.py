"""The prices of the ledger at any instant, and the models that have none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pricing_sync.errors import NoPrice, UnknownName
from pricing_sync.prices.book import Price, prices, renamed
from pricing_sync.prices.statements import ModelState, Statement
from pricing_sync.store import Store
from pricing_sync.store.changes import LedgerChange


def ledger_prices(
    store: Store,
    provider: str | None,
    model: str | None,
    at: datetime | None,
    known_at: datetime | None = None,
    *,
    after: tuple[str, str] = ("", ""),
    limit: int | None = None,
) -> list[Price]:
    """The prices in force at *at*, as known at *known_at*, read from the database.

    Another name of a model has the price of the model that it stood for at *at*. They are the
    first *limit* ones after a provider and model.
    """
    found = _ledger_prices(store, provider, model, at, known_at, after, limit)
    return [one for one in found if (one.provider, one.model) > after][:limit]


def _ledger_prices(
    store: Store,
    provider: str | None,
    model: str | None,
    at: datetime | None,
    known_at: datetime | None,
    after: tuple[str, str],
    limit: int | None,
) -> list[Price]:
    """The prices, without some of those that are not among the first *limit* ones after *after*."""
    is_now, is_one = at is None and known_at is None, provider is not None and model is not None
    part: dict[str, Any] = {} if is_now or is_one else {"after": after, "limit": limit}
    with store.snapshot():

        def of(name: str | None) -> list[Price]:
            aliases = store.names.aliases(provider, name)
            notices = store.names.notices(provider, name)
            statements = store.statements(provider, name, at=at, known_at=known_at, **part)
            overrides = store.overrides(provider, name, at=at, known_at=known_at)
            confirmations = store.confirmations(provider, name) if is_now else None
            found = prices(statements, overrides, confirmations, aliases, notices)
            return with_scheduled(found, store) if is_now else found

        found = of(model)
        if found or provider is None or model is None:
            return found
        target = store.names.target(provider, model, at)
        return [one for price in of(target) if (one := renamed(price, model))] if target else []


def with_scheduled(found: list[Price], store: Store) -> list[Price]:
    """The prices in force now, each with what its source publishes for later."""
    now = datetime.now(UTC)
    later = {
        (name, model): timeline
        for name in {price.provider for price in found}
        for model, timeline in store.ledger.timelines(name, now).items()
    }
    return [
        replace(price, scheduled=later[key])
        if (key := (price.provider, price.model)) in later
        else price
        for price in found
    ]


class Prices:
    """The prices of one ledger, read from the database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(
        self,
        provider: str | None,
        model: str | None,
        at: datetime | None,
        known_at: datetime | None,
        *,
        after: tuple[str, str] = ("", ""),
        limit: int | None = None,
    ) -> list[Price]:
        """See `PricingSync.prices`."""
        return ledger_prices(self._store, provider, model, at, known_at, after=after, limit=limit)

    def get(
        self, provider: str, model: str, at: datetime | None, known_at: datetime | None
    ) -> Price:
        """See `PricingSync.price`."""
        found = self.find(provider, model, at, known_at)
        if not found:
            raise no_price_error(self._store, provider, model, at or known_at)
        return found[0]

    def history(self, provider: str, model: str, *, everything: bool) -> list[Statement]:
        """See `PricingSync.history`."""
        found = self._store.history(provider, model, everything=everything)
        if not found and (target := self._store.names.target(provider, model)):
            found = self._store.history(provider, target, everything=everything)
        if not found:
            raise UnknownName(f"{provider}: {model}: not in the ledger")
        return found

    def changes(
        self,
        since: datetime,
        *,
        provider: str | None,
        model: str | None,
        include_added: bool,
        limit: int,
    ) -> list[LedgerChange]:
        """See `PricingSync.changes`."""
        return self._store.changes.since(
            since, provider=provider, model=model, include_added=include_added, limit=limit
        )

    def scheduled(
        self, provider: str | None, model: str | None, within: timedelta | None = None
    ) -> list[LedgerChange]:
        """See `PricingSync.scheduled`."""
        now = datetime.now(UTC)
        if provider is not None and model is not None:
            model = self._store.names.target(provider, model) or model
        before = None if within is None else now + within
        return self._store.scheduled.changes(now, before=before, provider=provider, model=model)

    def models_without_card(
        self, provider: str | None, model: str | None
    ) -> list[tuple[ModelState, str]]:
        """See `PricingSync.models_without_card`."""
        with self._store.snapshot():
            unconfirmed = self._store.confirmations(provider, model).unconfirmed
            cards = self._store.statements(provider, model)
        priced = {(card.provider, card.model) for card in cards}
        return [
            (state, state.reason or "")
            for key, state in sorted(unconfirmed.items())
            if key not in priced
        ]


def no_price_error(
    store: Store, provider: str, model: str, at: datetime | None
) -> NoPrice | UnknownName:
    """The error for a model without a price at an instant, or now: the reason, if it is known."""
    known = store.model_states(provider, model).get((provider, model))
    if known is None and (target := store.names.target(provider, model)):
        known = store.model_states(provider, target).get((provider, target))
    reason = known.reason if known else None
    if reason is None:
        return UnknownName(f"{provider}: {model}: not in the ledger")
    when = f"not in the ledger at {at.isoformat()}; now " if at else ""
    return NoPrice(f"{provider}: {model}: {when}{reason}")
