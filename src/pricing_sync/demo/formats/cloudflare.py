"""Cloudflare Workers AI: prices by the name of their unit, and a total that is too high."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from pricing_sync.demo.facts import Model
from pricing_sync.demo.formats.format import Format, Json, ListRequest, Row, key_required, plain
from pricing_sync.prices.rates import Meter

# By unit: the meter, and the factor from the price per million to the price per unit.
_UNITS = {
    "per M input tokens": (Meter.INPUT, Decimal(1)),
    "per M output tokens": (Meter.OUTPUT, Decimal(1)),
    "per M cached input tokens": (Meter.CACHE_READ, Decimal(1)),
    "per audio minute": (Meter.SECOND, Decimal("0.00006")),
    "per 1k characters": (Meter.CHARACTER, Decimal("0.001")),
    "per inference request": (Meter.REQUEST, Decimal("0.000001")),
}
_OTHER_PRICES = {
    "Text-to-Image": {"per 512 by 512 tile": Decimal("0.0058"), "per step": Decimal("0.00011")},
    "Summarization": {"per M input tokens": Decimal(0)},
}


def _answer(models: Sequence[Model], request: ListRequest) -> Json:
    """The list. Its total is too high: 245 for a list of 91 models."""
    number, size = request.number("page", 1), request.page_size
    rows = [_row(model) for model in request.page(models, (number - 1) * size)]
    return {
        "success": True,
        "result": rows,
        "errors": [],
        "messages": [],
        "result_info": {
            "count": len(rows),
            "page": number,
            "per_page": size,
            "total_count": len(models) * 245 // 91,
        },
    }


def _row(model: Model) -> Row:
    amounts = {
        unit: Decimal(plain(model.prices[meter] * factor))
        for unit, (meter, factor) in _UNITS.items()
        if meter in model.prices
    } or _OTHER_PRICES.get(model.kind, {})
    prices = [{"unit": unit, "price": price, "currency": "USD"} for unit, price in amounts.items()]
    properties: list[Row] = [{"property_id": "price", "value": prices}] if prices else []
    if model.context is not None:
        properties.append({"property_id": "context_window", "value": str(model.context)})
    task = model.kind.replace("chat", "Text Generation")
    return {"name": model.id, "task": {"name": task}, "properties": properties}


FORMAT = Format(
    {"/client/v4/accounts/[^/]+/ai/models/search": _answer},
    "price",
    key_required(
        {
            "success": False,
            "result": None,
            "errors": [{"code": 10000, "message": "Authentication error"}],
            "messages": [],
        }
    ),
)
