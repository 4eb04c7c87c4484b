"""Together AI: a bare list of numbers per million, with the noise of floats."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import inf, nextafter

from pricing_sync.demo.facts import Model
from pricing_sync.demo.formats.format import Asked, Format, Json, Row, key_required
from pricing_sync.prices.rates import Meter


def _answer(models: Sequence[Model], _asked: Asked) -> Json:
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


# What stands in `input` of a type that is not sold per token: dollars per million characters for
# speech, and for transcription a number that nobody is billed.
_OTHERWISE = {"audio": Decimal(65), "transcribe": Decimal("0.27")}


def _pricing(model: Model) -> Row:
    zero = Decimal(0)
    return {
        "hourly": 0,
        "input": _noisy(model.prices.get(Meter.INPUT, _OTHERWISE.get(model.kind, zero))),
        "output": _noisy(model.prices.get(Meter.OUTPUT, zero)),
        "base": 0,
        "finetune": 0,
    }


def _noisy(amount: Decimal) -> Decimal:
    """The amount as a float that was multiplied once too often: 0.18 is 0.18000000000000002."""
    return amount if amount == int(amount) else Decimal(repr(nextafter(float(amount), inf)))


FORMAT = Format(
    {"/v1/models": _answer},
    "input",
    key_required({"error": {"message": "Missing API key.", "type": "invalid_request_error"}}),
)
