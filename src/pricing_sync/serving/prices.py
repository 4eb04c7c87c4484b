"""The prices of the ledger at any instant, and the models that have none."""

from __future__ import annotations

from datetime import datetime

from pricing_sync.errors import UnknownName
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
        statements = self._store.statements(provider, model, at=at, known_at=known_at)
        overrides = self._store.overrides(provider, model, at=at, known_at=known_at)
        return prices(statements, overrides)

    def get(
        self, provider: str, model: str, at: datetime | None, known_at: datetime | None
    ) -> Price:
        """See `PricingSync.price`."""
        found = self.find(provider, model, at, known_at)
        if not found:
            raise UnknownName(f"{provider}: {model}: not in the ledger")
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
        held = {
            (item.provider, item.change.model): f"held: {', '.join(item.reasons)}"
            for item in self._store.review.held(provider)
        }
        return [
            (state, held.get((state.provider, state.model)) or f"unreadable: {state.unreadable}")
            for state in self._store.models_without_card(provider, model)
        ]
