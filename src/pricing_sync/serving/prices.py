"""The prices of the ledger at any instant, and the models that have none."""

from __future__ import annotations

from datetime import datetime

from pricing_sync.errors import NoPrice, UnknownName
from pricing_sync.prices.book import Price, prices
from pricing_sync.prices.statements import ModelState, Statement
from pricing_sync.store import Store
from pricing_sync.store.changes import LedgerChange


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
    ) -> list[Price]:
        """See `PricingSync.prices`."""
        is_now = at is None and known_at is None
        with self._store.snapshot():
            statements = self._store.statements(provider, model, at=at, known_at=known_at)
            overrides = self._store.overrides(provider, model, at=at, known_at=known_at)
            confirmations = self._store.confirmations(provider, model) if is_now else None
        return prices(statements, overrides, confirmations)

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
    reason = known.reason if known else None
    if reason is None:
        return UnknownName(f"{provider}: {model}: not in the ledger")
    when = f"not in the ledger at {at.isoformat()}; now " if at else ""
    return NoPrice(f"{provider}: {model}: {when}{reason}")
