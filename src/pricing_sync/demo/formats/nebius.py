"""Nebius: strings per token, for those who ask for `verbose`."""

from __future__ import annotations

from collections.abc import Sequence

from pricing_sync.demo.facts import Model
from pricing_sync.demo.formats.format import Asked, Format, Json, Row, key_required, named, per_one
from pricing_sync.prices.rates import Meter

_PROMPT = {
    "prompt": Meter.INPUT,
    "completion": Meter.OUTPUT,
}


_ZEROS: Row = dict.fromkeys(
    ("completion", "image", "request", "price_per_minute", "price_per_video_second"), "0"
)


def _answer(models: Sequence[Model], asked: Asked) -> Json:
    """Without `verbose` there is no price, and no error either."""
    verbose = asked.parameters.get("verbose") == "true"
    return {"object": "list", "data": [_row(model, verbose=verbose) for model in models]}


def _row(model: Model, *, verbose: bool) -> Row:
    row: Row = {"id": model.id, "object": "model"}
    if not verbose:
        return row
    told = {key: per_one(amount) for key, amount in named(model.prices, _PROMPT)}
    return row | {
        "context_length": model.context,
        "architecture": {"modality": model.kind.replace("chat", "text->text")},
        "pricing": {**_ZEROS, **told},
    }


FORMAT = Format(
    {"/v1/models": _answer}, "prompt", key_required({"detail": "Authentication required"})
)
