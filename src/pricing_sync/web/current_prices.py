"""The current prices."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pricing_sync.app import PricingSync
from pricing_sync.prices.book import Price


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


def age_seconds(success: datetime | None, now: datetime) -> int | None:
    """Whole seconds since a provider was last read; None if it was never read."""
    return None if success is None else max(int((now - success).total_seconds()), 0)
