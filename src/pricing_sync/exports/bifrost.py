"""Bifrost's datasheet: rows keyed `provider/model`, with the price keys of LiteLLM's map.

The shape is that of its documentation (2026-10); its source was not read, confidence medium.
"""

from __future__ import annotations

import msgspec

from pricing_sync.exports.amounts import json_object
from pricing_sync.exports.cost_keys import price_keys
from pricing_sync.exports.document import Export, Source
from pricing_sync.prices.book import Price
from pricing_sync.prices.rates import Meter

#: Bifrost's own names of our providers, where they differ.
PROVIDERS = {"amazon-bedrock": "bedrock", "google-vertex": "vertex", "google": "gemini"}


def write(source: Source) -> Export:
    """A row for each model."""
    rows = []
    for price in source.prices:
        written = price_keys(source, price)
        if written is not None:
            row = _head(price) | written
            rows.append((f"{row['provider']}/{price.model}", msgspec.json.encode(row)))
    return source.export(json_object(rows), len(rows))


def _head(price: Price) -> dict[str, object]:
    named = getattr(price.listing, "rates", {})
    mode = {"mode": "chat"} if Meter.OUTPUT in named else {}
    provider = PROVIDERS.get(price.provider, price.provider)
    return {"provider": provider, "base_model": price.model, **mode}
