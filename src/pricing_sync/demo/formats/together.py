"""Together AI: a plain array of numbers per million, with the rounding errors of floats."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import inf, nextafter

from pricing_sync.demo.facts import Model
from pricing_sync.demo.formats.format import Format, Json, ListRequest, Row, key_required
from pricing_sync.prices.rates import Meter


def _answer(models: Sequence[Model], _request: ListRequest) -> Json:
    return [
        {
            "id": model.id,
            "object": "model",
            "type": model.kind,
            "context_length": model.context,
            "pricing": _pricing(model),
        }
        for model in models
    ]


# `input` of the types that are not sold per token: dollars per million characters for speech, and
# for transcription a number that is not billed.
_OTHER_INPUT = {"audio": Decimal(65), "transcribe": Decimal("0.27")}


def _pricing(model: Model) -> Row:
    zero = Decimal(0)
    return {
        "hourly": 0,
        "input": _noisy(model.prices.get(Meter.INPUT, _OTHER_INPUT.get(model.kind, zero))),
        "output": _noisy(model.prices.get(Meter.OUTPUT, zero)),
        "base": 0,
        "finetune": 0,
    }


def _noisy(amount: Decimal) -> Decimal:
    """The amount with the rounding error of a float: 0.18 becomes 0.18000000000000002."""
    return amount if amount == int(amount) else Decimal(repr(nextafter(float(amount), inf)))


FORMAT = Format(
    {"/v1/models": _answer},
    "input",
    key_required({"error": {"message": "Missing API key.", "type": "invalid_request_error"}}),
)
