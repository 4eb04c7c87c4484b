"""Cerebras: strings per token, for input and output only."""

from __future__ import annotations

from collections.abc import Sequence

from pricing_sync.demo.facts import Model
from pricing_sync.demo.formats.format import Format, Json, ListRequest, per_one, price_fields
from pricing_sync.prices.rates import Meter

_PROMPT = {
    "prompt": Meter.INPUT,
    "completion": Meter.OUTPUT,
}


def _answer(models: Sequence[Model], _request: ListRequest) -> Json:
    rows = [
        {
            "id": model.id,
            "object": "model",
            "pricing": {
                key: per_one(amount) for key, amount in price_fields(model.prices, _PROMPT)
            },
            "limits": {"max_context_length": model.context},
            "deprecated": False,
            "preview": False,
        }
        for model in models
    ]
    return {"object": "list", "data": rows}


FORMAT = Format({"/public/v1/models": _answer}, "prompt", has_etag=True)
