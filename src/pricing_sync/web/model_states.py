"""The state of each model that a provider has ever listed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pricing_sync.app import PricingSync
from pricing_sync.changes.held import HeldChange
from pricing_sync.json_views import instant_json, price_json
from pricing_sync.prices.age import age_seconds
from pricing_sync.prices.book import Price
from pricing_sync.prices.rates import RateCard
from pricing_sync.prices.statements import ModelState, PriceState
from pricing_sync.web.current_prices import prices_now


class State(StrEnum):
    """The state of a model: that of its price, or whether a confirmed listing has a price."""

    RETIRED = PriceState.RETIRED.value
    MISSING = PriceState.MISSING.value
    UNREADABLE = PriceState.UNREADABLE.value
    HELD = PriceState.HELD.value
    REJECTED = PriceState.REJECTED.value
    PRICED = "priced"
    UNPRICED = "unpriced"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model with its state in the ledger, its price and its held change."""

    provider: str
    model: str
    #: None for a model that only a person has priced.
    known: ModelState | None
    price: Price | None
    #: That of its price now, otherwise one of later.
    held: HeldChange | None

    @property
    def state(self) -> State:
        known = self.known
        if known is not None and known.state is not PriceState.CONFIRMED:
            return State(known.state.value)
        is_priced = self.price is not None and isinstance(self.price.listing, RateCard)
        return State.PRICED if is_priced else State.UNPRICED

    def record(self) -> dict[str, Any]:
        """The entry as JSON."""
        known, price, now = self.known, self.price, datetime.now(UTC)
        priced = price_json(price, now) if price else _NO_PRICE
        confirmed_at = known.confirmed_at if known else None
        return {
            **priced,
            "provider": self.provider,
            "model": self.model,
            "state": self.state.value,
            "reason": (known.reason if known else None) or priced.get("reason"),
            "confirmed_at": instant_json(confirmed_at),
            "age_seconds": age_seconds(confirmed_at, now),
            "held": self.held.id if self.held else None,
            "first_seen": instant_json(known.first_seen) if known else None,
            "missing_since": instant_json(known.missing_since) if known else None,
            "retired_at": instant_json(known.retired_at) if known else None,
        }


_NO_PRICE: dict[str, Any] = {
    "currency": None,
    "rates": None,
    "conditional_rates": [],
    "since": None,
    "recorded_at": None,
    "source": None,
}


def model_entries(pricing: PricingSync, provider: str) -> list[ModelEntry]:
    """The models of a provider, sorted by id."""
    prices = {price.model: price for price in prices_now(pricing, provider, None)}
    known = {model: state for (_, model), state in pricing.store.model_states(provider).items()}
    found = pricing.held(provider)
    held = {item.change.model: item for item in found if item.change.starts_at}
    held |= {item.change.model: item for item in found if not item.change.starts_at}
    return [
        ModelEntry(provider, model, known.get(model), prices.get(model), held.get(model))
        for model in sorted(known.keys() | prices.keys())
    ]
