"""The state of each model that a provider has ever listed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from pricing_sync.app import PricingSync
from pricing_sync.changes.held import HeldChange
from pricing_sync.json_views.prices import NO_CARD, price_fields
from pricing_sync.prices.age import age_seconds
from pricing_sync.prices.book import Price
from pricing_sync.prices.rates import RateCard
from pricing_sync.prices.statements import ModelState as StoredState
from pricing_sync.prices.statements import PriceState
from pricing_sync.web.current_prices import prices_now
from pricing_sync.web.schemas import ModelState


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
    known: StoredState | None
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

    def view(self) -> ModelState:
        """The entry as JSON."""
        known, price = self.known, self.price
        confirmed_at = known.confirmed_at if known else None
        return ModelState(
            **price_fields(price) if price else NO_CARD,
            provider=self.provider,
            model=self.model,
            state=self.state,
            reason=(known.reason if known else None) or (price.reason if price else None),
            confirmed_at=confirmed_at,
            age_seconds=age_seconds(confirmed_at, datetime.now(UTC)),
            held=self.held.id if self.held else None,
            first_seen=known.first_seen if known else None,
            missing_since=known.missing_since if known else None,
            retired_at=known.retired_at if known else None,
        )


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
