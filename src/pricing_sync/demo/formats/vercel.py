"""Vercel AI Gateway: strings per token, with tiers given by their first token."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from pricing_sync.demo.facts import Model
from pricing_sync.demo.formats.format import (
    Format,
    Row,
    data_list,
    per_one,
    plain,
    written,
)
from pricing_sync.prices.rates import Meter, When

_FIELDS = {
    "input": Meter.INPUT,
    "output": Meter.OUTPUT,
    "input_cache_read": Meter.CACHE_READ,
    "input_cache_write": Meter.CACHE_WRITE,
    "image": Meter.IMAGE,
}


def _row(model: Model) -> Row:
    return {
        "id": model.id,
        "object": "model",
        "type": model.kind.replace("chat", "language"),
        "context_window": model.context,
        "pricing": _pricing(model),
    }


def _pricing(model: Model) -> Row:
    pricing: Row = written(model.prices, _FIELDS, per_one)
    if Meter.WEB_SEARCH in model.prices:  # dollars per thousand searches
        pricing["web_search"] = plain(model.prices[Meter.WEB_SEARCH].scaleb(-3))
    for key, meter in _FIELDS.items():
        costs = [
            (when, prices[meter]) for when, prices in model.conditional_prices if meter in prices
        ]
        if costs and meter in model.prices:
            pricing[f"{key}_tiers"] = _tiers(model.prices[meter], costs)
    return pricing


def _tiers(base: Decimal, costs: Sequence[tuple[When, Decimal]]) -> list[Row]:
    """The tiers; each goes from its first token up to the first token of the next."""
    starts = [0, *(when.min_input_tokens for when, _ in costs)]
    tiers: list[Row] = [
        {"cost": per_one(amount), "min": start}
        for start, amount in zip(starts, (base, *(amount for _, amount in costs)), strict=True)
    ]
    for tier, end in zip(tiers, starts[1:], strict=False):
        tier["max"] = end
    return tiers


FORMAT = Format({"/v1/models": data_list(_row)}, "input")
