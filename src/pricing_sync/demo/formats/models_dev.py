"""models.dev: numbers per million, every provider in one document."""

from __future__ import annotations

from collections.abc import Sequence

from pricing_sync.demo.facts import Model, Prices
from pricing_sync.demo.formats.format import Format, Json, ListRequest, Row, threshold, written
from pricing_sync.prices.rates import Meter, Why

_COST = {
    "input": Meter.INPUT,
    "output": Meter.OUTPUT,
    "cache_read": Meter.CACHE_READ,
    "cache_write": Meter.CACHE_WRITE,
    "reasoning": Meter.REASONING,
    "input_audio": Meter.INPUT_AUDIO,
    "output_audio": Meter.OUTPUT_AUDIO,
}


def _answer(_models: Sequence[Model], request: ListRequest) -> Json:
    """The whole document; it is the same for every provider."""
    return {
        provider: {
            "id": provider,
            "name": provider,
            "models": {model.id: _row(model) for model in models},
        }
        for provider, models in request.catalog.items()
    }


def _row(model: Model) -> Row:
    row: Row = {"id": model.id, "limit": {"context": model.context}}
    if model.why is Why.NOT_PUBLISHED:
        return row
    cost: Row = {"input": 0, "output": 0, **_cost(model.prices)}
    if model.conditional_prices:
        cost["context_over_200k"] = _cost(model.conditional_prices[0][1])
        cost["tiers"] = [
            _cost(prices) | {"tier": {"type": "context", "size": threshold(when)}}
            for when, prices in model.conditional_prices
        ]
    return row | {"cost": cost}


def _cost(prices: Prices) -> Row:
    return written(prices, _COST)


FORMAT = Format({"/api.json": _answer}, "input", has_etag=True)
