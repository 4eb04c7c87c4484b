"""Venice: numbers per million, in dollars and in diem; the fields depend on the model type."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from pricing_sync.demo.facts import Model, Prices
from pricing_sync.demo.formats.format import Format, Json, ListRequest, Row, threshold, written
from pricing_sync.prices.rates import Meter

_TOKENS = {
    "input": Meter.INPUT,
    "output": Meter.OUTPUT,
    "cache_input": Meter.CACHE_READ,
    "cache_write": Meter.CACHE_WRITE,
}
_FIELDS = {"tts": {"input": Meter.CHARACTER}, "image": {"generation": Meter.IMAGE}}


def _answer(models: Sequence[Model], request: ListRequest) -> Json:
    """The list; without `type=all` it has only the text models."""
    all_types = request.parameters.get("type") == "all"
    rows = [_row(model) for model in models if all_types or model.kind == "chat"]
    return {"object": "list", "data": rows}


def _row(model: Model) -> Row:
    pricing = _pricing(model.prices, model.kind)
    for when, prices in model.conditional_prices:
        long = {"context_token_threshold": threshold(when), **_pricing(prices, model.kind)}
        pricing["extended"] = long
    return {
        "id": model.id,
        "object": "model",
        "type": model.kind.replace("chat", "text"),
        "model_spec": {"availableContextTokens": model.context, "pricing": pricing},
    }


def _pricing(prices: Prices, kind: str) -> Row:
    fields = _FIELDS.get(kind, _TOKENS)
    # The price of images is per image, not per million.
    factor = Decimal("0.000001") if kind == "image" else Decimal(1)
    return written(prices, fields, lambda amount: {"usd": amount * factor, "diem": amount * factor})


FORMAT = Format({"/api/v1/models": _answer}, "usd")
