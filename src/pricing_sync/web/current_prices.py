"""The current prices."""

from __future__ import annotations

from collections.abc import Iterable

from pricing_sync.app import PricingSync
from pricing_sync.prices.book import Price
from pricing_sync.prices.statements import ModelState


def prices_now(pricing: PricingSync, provider: str | None, model: str | None) -> Iterable[Price]:
    """The current prices, sorted by provider and model.

    They are in memory, so the database may be down.
    """
    book = pricing.book()
    if provider is not None and model is not None:
        found = book.find(provider, model)
        return [found] if found else []
    return [
        price
        for price in book
        if provider in (None, price.provider) and model in (None, price.model)
    ]


def without_price_now(
    pricing: PricingSync, provider: str | None, model: str | None
) -> Iterable[ModelState]:
    """The models without a price now, sorted by provider and model; in memory as well."""
    return [
        state
        for state in pricing.book().models_without_price()
        if provider in (None, state.provider) and model in (None, state.model)
    ]
