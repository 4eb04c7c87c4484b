"""Lists with a row for each model, and one object of prices in it: the simplest format."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import inf, nextafter

from pricing_sync.demo.facts import Model
from pricing_sync.demo.formats.format import (
    Format,
    Json,
    ListRequest,
    Row,
    data_list,
    key_required,
    per_one,
    ten_thousandths,
    written,
)
from pricing_sync.prices.rates import Meter

_PROMPT = {"prompt": Meter.INPUT, "completion": Meter.OUTPUT}


def _cerebras(model: Model) -> Row:
    """Strings per token, for input and output only."""
    return {
        "id": model.id,
        "object": "model",
        "pricing": written(model.prices, _PROMPT, per_one),
        "limits": {"max_context_length": model.context},
        "deprecated": False,
        "preview": False,
    }


def _chutes(model: Model) -> Row:
    """The field names of OpenRouter with another unit, numbers per million."""
    return {
        "id": model.id,
        "object": "model",
        "context_length": model.context,
        "pricing": written(model.prices, {**_PROMPT, "input_cache_read": Meter.CACHE_READ}),
        "confidential_compute": model.id.endswith("-TEE"),
    }


_NEBIUS_ZEROS: Row = dict.fromkeys(
    ("completion", "image", "request", "price_per_minute", "price_per_video_second"), "0"
)


def _nebius(models: Sequence[Model], request: ListRequest) -> Json:
    """Strings per token; without `verbose` the rows have no prices, and the status is still 200."""
    row = _nebius_row if request.parameters.get("verbose") == "true" else _bare_row
    return data_list(row)(models, request)


def _bare_row(model: Model) -> Row:
    return {"id": model.id, "object": "model"}


def _nebius_row(model: Model) -> Row:
    return _bare_row(model) | {
        "context_length": model.context,
        "architecture": {"modality": model.kind.replace("chat", "text->text")},
        "pricing": _NEBIUS_ZEROS | written(model.prices, _PROMPT, per_one),
    }


_NOVITA = {"input_token_price_per_m": Meter.INPUT, "output_token_price_per_m": Meter.OUTPUT}


def _novita(models: Sequence[Model], _request: ListRequest) -> Json:
    """Whole numbers of 10⁻⁴ dollars per million."""
    rows = [
        {
            "id": model.id,
            "object": "model",
            **dict.fromkeys(_NOVITA, 0),
            **written(model.prices, _NOVITA, ten_thousandths),
            "context_size": model.context,
            "model_type": model.kind,
            "status": 1,
        }
        for model in models
    ]
    return {"data": rows}


# `input` of the types that are not sold per token: dollars per million characters for speech, and
# for transcription a number that is not billed.
_TOGETHER_OTHERS = {"audio": Decimal(65), "transcribe": Decimal("0.27")}


def _together(models: Sequence[Model], _request: ListRequest) -> Json:
    """A plain array of numbers per million, with the rounding errors of floats."""
    return [
        {
            "id": model.id,
            "object": "model",
            "type": model.kind,
            "context_length": model.context,
            "pricing": {
                "hourly": 0,
                "input": _noisy(
                    model.prices.get(Meter.INPUT, _TOGETHER_OTHERS.get(model.kind, Decimal(0)))
                ),
                "output": _noisy(model.prices.get(Meter.OUTPUT, Decimal(0))),
                "base": 0,
                "finetune": 0,
            },
        }
        for model in models
    ]


def _noisy(amount: Decimal) -> Decimal:
    """The amount with the rounding error of a float: 0.18 becomes 0.18000000000000002."""
    return amount if amount == int(amount) else Decimal(repr(nextafter(float(amount), inf)))


CEREBRAS = Format({"/public/v1/models": data_list(_cerebras)}, "prompt", has_etag=True)
CHUTES = Format({"/v1/models": data_list(_chutes)}, "prompt")
NEBIUS = Format(
    {"/v1/models": _nebius}, "prompt", key_required({"detail": "Authentication required"})
)
NOVITA = Format(
    {"/openai/v1/models": _novita, "/v3/openai/models": _novita},
    "input_token_price_per_m",
    key_required({"code": 401, "reason": "UNAUTHORIZED", "message": "missing api key"}),
)
TOGETHER = Format(
    {"/v1/models": _together},
    "input",
    key_required({"error": {"message": "Missing API key.", "type": "invalid_request_error"}}),
)
