"""Novita AI: whole numbers of 10⁻⁴ dollars per million."""

from __future__ import annotations

from collections.abc import Sequence

from pricing_sync.demo.facts import Model
from pricing_sync.demo.formats.format import (
    Format,
    Json,
    ListRequest,
    key_required,
    price_fields,
    ten_thousandths,
)
from pricing_sync.prices.rates import Meter

_FIELDS = {"input_token_price_per_m": Meter.INPUT, "output_token_price_per_m": Meter.OUTPUT}


def _answer(models: Sequence[Model], _request: ListRequest) -> Json:
    rows = [
        {
            "id": model.id,
            "object": "model",
            **dict.fromkeys(_FIELDS, 0),
            # In units of 10⁻⁴ dollars.
            **{key: ten_thousandths(amount) for key, amount in price_fields(model.prices, _FIELDS)},
            "context_size": model.context,
            "model_type": model.kind,
            "status": 1,
        }
        for model in models
    ]
    return {"data": rows}


FORMAT = Format(
    {"/openai/v1/models": _answer, "/v3/openai/models": _answer},
    "input_token_price_per_m",
    key_required({"code": 401, "reason": "UNAUTHORIZED", "message": "missing api key"}),
)
