"""Featherless: the same prices twice, as strings per token and as numbers per million."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

from pricing_sync.demo.facts import Model
from pricing_sync.demo.formats.format import Format, Json, ListRequest, Row, per_one, written
from pricing_sync.prices.rates import Meter

_PER_TOKEN = {"prompt": Meter.INPUT, "completion": Meter.OUTPUT}
_PER_MILLION = {"input": Meter.INPUT, "output": Meter.OUTPUT}


def _answer(models: Sequence[Model], request: ListRequest) -> Json:
    number, size = request.number("page", 1), request.page_size
    return {
        "data": [_row(model) for model in request.page(models, (number - 1) * size)],
        "pagination": {
            "current_page": number,
            "total_pages": ceil(len(models) / size),
            "total_items": len(models),
        },
    }


def _row(model: Model) -> Row:
    row: Row = {"id": model.id, "context_length": model.context, "status": "active"}
    if model.why is not None:
        return row
    per_token = written(model.prices, _PER_TOKEN, per_one)
    per_million = written(model.prices, _PER_MILLION)
    return row | {"pricing": {**per_token, "image": "0", "request": "0", **per_million}}


def _refuse_scripts(headers: Mapping[str, str]) -> tuple[int, Json] | None:
    agent = headers.get("user-agent", "").lower()
    return (404, "Gone.") if not agent or agent.startswith("python") else None


FORMAT = Format({"/v1/models": _answer}, "prompt", _refuse_scripts)
