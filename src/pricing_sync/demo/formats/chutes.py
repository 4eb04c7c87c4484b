"""Chutes: the field names of OpenRouter with another unit, numbers per million."""

from __future__ import annotations

from collections.abc import Sequence

from pricing_sync.demo.facts import Model
from pricing_sync.demo.formats.format import Format, Json, ListRequest, price_fields
from pricing_sync.prices.rates import Meter

_PROMPT = {
    "prompt": Meter.INPUT,
    "completion": Meter.OUTPUT,
    "input_cache_read": Meter.CACHE_READ,
}


def _answer(models: Sequence[Model], _request: ListRequest) -> Json:
    rows = [
        {
            "id": model.id,
            "object": "model",
            "context_length": model.context,
            "pricing": dict(price_fields(model.prices, _PROMPT)),
            "confidential_compute": model.id.endswith("-TEE"),
        }
        for model in models
    ]
    return {"object": "list", "data": rows}


FORMAT = Format({"/v1/models": _answer}, "prompt")
