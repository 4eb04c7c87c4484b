"""Nebius: strings per token, only in answers to requests with `verbose`."""

from __future__ import annotations

from collections.abc import Sequence

from pricing_sync.demo.facts import Model
from pricing_sync.demo.formats.format import (
    Format,
    Json,
    ListRequest,
    Row,
    key_required,
    per_one,
    price_fields,
)
from pricing_sync.prices.rates import Meter

_PROMPT = {
    "prompt": Meter.INPUT,
    "completion": Meter.OUTPUT,
}


_ZEROS: Row = dict.fromkeys(
    ("completion", "image", "request", "price_per_minute", "price_per_video_second"), "0"
)


def _answer(models: Sequence[Model], request: ListRequest) -> Json:
    """The list; without `verbose` its rows have no prices, and the status is still 200."""
    verbose = request.parameters.get("verbose") == "true"
    return {"object": "list", "data": [_row(model, verbose=verbose) for model in models]}


def _row(model: Model, *, verbose: bool) -> Row:
    row: Row = {"id": model.id, "object": "model"}
    if not verbose:
        return row
    prices = {key: per_one(amount) for key, amount in price_fields(model.prices, _PROMPT)}
    return row | {
        "context_length": model.context,
        "architecture": {"modality": model.kind.replace("chat", "text->text")},
        "pricing": {**_ZEROS, **prices},
    }


FORMAT = Format(
    {"/v1/models": _answer}, "prompt", key_required({"detail": "Authentication required"})
)
