"""Venice: numbers per million, each in dollars and in diem, by the type of the model."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from pricing_sync.demo.facts import Model, Prices
from pricing_sync.demo.formats.format import Asked, Format, Json, Row, above, named
from pricing_sync.prices.rates import Meter

_TOKENS = {
    "input": Meter.INPUT,
    "output": Meter.OUTPUT,
    "cache_input": Meter.CACHE_READ,
    "cache_write": Meter.CACHE_WRITE,
}
_FIELDS = {"tts": {"input": Meter.CHARACTER}, "image": {"generation": Meter.IMAGE}}


def _answer(models: Sequence[Model], asked: Asked) -> Json:
    """The list; only of models that write text unless all are asked for."""
    everything = asked.parameters.get("type") == "all"
    rows = [_row(model) for model in models if everything or model.kind == "chat"]
    return {"object": "list", "data": rows}


def _row(model: Model) -> Row:
    pricing = _pricing(model.prices, model.kind)
    for when, prices in model.overrides:
        long = {"context_token_threshold": above(when), **_pricing(prices, model.kind)}
        pricing["extended"] = long
    return {
        "id": model.id,
        "object": "model",
        "type": model.kind.replace("chat", "text"),
        "model_spec": {"availableContextTokens": model.context, "pricing": pricing},
    }


def _pricing(prices: Prices, kind: str) -> Row:
    fields = _FIELDS.get(kind, _TOKENS)
    # A whole image has its price for one.
    share = Decimal("0.000001") if kind == "image" else Decimal(1)
    told = {key: amount * share for key, amount in named(prices, fields)}
    return {key: {"usd": amount, "diem": amount} for key, amount in told.items()}


FORMAT = Format({"/api/v1/models": _answer}, "usd")
