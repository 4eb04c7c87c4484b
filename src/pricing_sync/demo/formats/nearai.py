"""NEAR AI Cloud: whole amounts with a decimal scale, and tiers in `textPricing`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from pricing_sync.demo.facts import Model, Prices
from pricing_sync.demo.formats.format import (
    Format,
    Json,
    ListRequest,
    Row,
    plain,
    threshold,
    whole,
    written,
)
from pricing_sync.prices.rates import Meter

_AMOUNTS = {
    "inputCostPerToken": Meter.INPUT,
    "outputCostPerToken": Meter.OUTPUT,
    "cacheReadCostPerToken": Meter.CACHE_READ,
}
_TEXT = {
    "uncachedInput": Meter.INPUT,
    "cachedInput": Meter.CACHE_READ,
    "cacheWrite": Meter.CACHE_WRITE,
    "output": Meter.OUTPUT,
}


def _answer(models: Sequence[Model], request: ListRequest) -> Json:
    start = request.number("offset", 0)
    return {
        "models": [_row(model) for model in request.page(models, start)],
        "limit": request.page_size,
        "offset": start,
        "total": len(models),
    }


def _row(model: Model) -> Row:
    row: Row = {"modelId": model.id, "metadata": {"contextLength": model.context}}
    row |= written(model.prices, _AMOUNTS, _nano_dollars)
    return row | ({"textPricing": _text(model)} if model.conditional_prices else {})


def _nano_dollars(per_million: Decimal) -> Row:
    """Nano-dollars per token."""
    return {"amount": whole(per_million.scaleb(3)), "scale": 9, "currency": "USD"}


def _text(model: Model) -> Row:
    tiers: dict[str, dict[str, Row]] = {"default": {"short": _band(model.prices)}}
    text: Row = {"version": 1, "currency": "USD", "unit": "million_tokens", "tiers": tiers}
    for when, prices in model.conditional_prices:
        band = "short" if when.min_input_tokens is None else "long"
        tiers.setdefault(when.service_tier or "default", {})[band] = _band(prices)
        if band == "long":
            text["longContextThreshold"] = threshold(when)
    return text


def _band(prices: Prices) -> Row:
    return written(prices, _TEXT, plain)


FORMAT = Format({"/v1/model/list": _answer}, "inputCostPerToken")
