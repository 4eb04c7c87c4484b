"""Alibaba Cloud Model Studio: strings per million by ranges of input, in one of two languages."""

from __future__ import annotations

from collections.abc import Sequence

from pricing_sync.demo.facts import Model, Prices
from pricing_sync.demo.formats.format import (
    Format,
    Json,
    ListRequest,
    Render,
    Row,
    key_required,
    per_one,
    plain,
    threshold,
)
from pricing_sync.prices.rates import Meter

_FIELDS = {
    "input_token": Meter.INPUT,
    "output_token": Meter.OUTPUT,
    "thinking_output_token": Meter.REASONING,
    "input_token_cache": Meter.CACHE_READ,
    "input_token_cache_creation_5m": Meter.CACHE_WRITE,
    "image_number": Meter.IMAGE,
}


def _in(per_million: str, per_image: str) -> Render:
    """The list of one region; the names of the two units are in the language of the region."""

    def price_rows(prices: Prices) -> list[Row]:
        return [
            {
                "type": key,
                "price": (per_one if key == "image_number" else plain)(prices[meter]),
                "price_unit": per_image if key == "image_number" else per_million,
                "time_band": "standard",
            }
            for key, meter in _FIELDS.items()
            if meter in prices
        ]

    def row(model: Model) -> Row:
        long_prices = [prices for _, prices in model.conditional_prices]
        ranges = zip(_ranges(model), (model.prices, *long_prices), strict=True)
        return {
            "model": model.id,
            "model_info": {"context_window": model.context},
            "prices": [
                {"range_name": name, "prices": price_rows(prices)} for name, prices in ranges
            ],
        }

    def render(models: Sequence[Model], request: ListRequest) -> Json:
        number, size = request.number("page_no", 1), request.page_size
        output = {
            "total": len(models),
            "page_no": number,
            "page_size": size,
            "models": [row(model) for model in request.page(models, (number - 1) * size)],
        }
        return {"code": None, "message": None, "success": True, "output": output}

    return render


def _ranges(model: Model) -> list[str]:
    """`Default`, or `Input<=32k` and `32k<Input<=128k` and so on up to the context."""
    if not model.conditional_prices:
        return ["Default"]
    bounds = [f"{threshold(when) // 1000}k" for when, _ in model.conditional_prices]
    upper = [*bounds, f"{(model.context or 0) // 1000}k"]
    lower = ["", *(f"{bound}<" for bound in bounds)]
    return [f"{low}Input<={high}" for low, high in zip(lower, upper, strict=True)]


_KEY = key_required(
    {"code": "InvalidApiKey", "message": "No API-key provided.", "request_id": "demo"}
)
INTERNATIONAL = Format({"/api/v1/models": _in("Per 1M tokens", "Per image")}, "price", _KEY)
BEIJING = Format({"/api/v1/models": _in("每百万tokens", "每张")}, "price", _KEY)
