"""Vercel AI Gateway: strings per token, with tiers that name their first token."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from pricing_sync.demo.facts import Model
from pricing_sync.demo.formats.format import Asked, Format, Json, Row, named, per_one, plain
from pricing_sync.prices.rates import Meter, When

_FIELDS = {
    "input": Meter.INPUT,
    "output": Meter.OUTPUT,
    "input_cache_read": Meter.CACHE_READ,
    "input_cache_write": Meter.CACHE_WRITE,
    "image": Meter.IMAGE,
}


def _answer(models: Sequence[Model], _asked: Asked) -> Json:
    rows = [
        {
            "id": model.id,
            "object": "model",
            "type": model.kind.replace("chat", "language"),
            "context_window": model.context,
            "pricing": _pricing(model),
        }
        for model in models
    ]
    return {"object": "list", "data": rows}


def _pricing(model: Model) -> Row:
    pricing: Row = {key: per_one(amount) for key, amount in named(model.prices, _FIELDS)}
    if Meter.WEB_SEARCH in model.prices:  # for a thousand
        pricing["web_search"] = plain(model.prices[Meter.WEB_SEARCH].scaleb(-3))
    for key, meter in _FIELDS.items():
        costs = [(when, prices[meter]) for when, prices in model.overrides if meter in prices]
        if costs and meter in model.prices:
            pricing[f"{key}_tiers"] = _tiers(model.prices[meter], costs)
    return pricing


def _tiers(base: Decimal, costs: Sequence[tuple[When, Decimal]]) -> list[Row]:
    """From the first token of a tier up to the first of the next."""
    begins = [0, *(when.min_input_tokens for when, _ in costs)]
    tiers: list[Row] = [
        {"cost": per_one(amount), "min": begin}
        for begin, amount in zip(begins, (base, *(amount for _, amount in costs)), strict=True)
    ]
    for tier, end in zip(tiers, begins[1:], strict=False):
        tier["max"] = end
    return tiers


FORMAT = Format({"/v1/models": _answer}, "input")
