"""DeepInfra: cents per token as floats before discount, cache and tiers as multiples of them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from pricing_sync.demo.facts import Model, Prices
from pricing_sync.demo.formats.format import Format, Json, ListRequest, Row, written
from pricing_sync.prices.rates import Meter

_TYPES = {
    "embeddings": ("input_tokens", {"cents_per_input_token": Meter.INPUT}),
    "automatic-speech-recognition": ("time", {"cents_per_sec": Meter.SECOND}),
}
_TOKENS = (
    "tokens",
    {"cents_per_input_token": Meter.INPUT, "cents_per_output_token": Meter.OUTPUT},
)


def _answer(models: Sequence[Model], _request: ListRequest) -> Json:
    return [
        {
            "model_name": model.id,
            "type": model.kind.replace("chat", "text-generation"),
            "max_tokens": model.context,
            "deprecated": None,
            "pricing": _pricing(model),
        }
        for model in models
    ]


def _pricing(model: Model) -> Row:
    if model.why is not None:
        return {"type": "image_units", "cents_per_image_unit": Decimal("0.05")}
    kind, fields = _TYPES.get(model.kind, _TOKENS)
    share = 1 - (model.discount or 0)
    pricing: Row = {"type": kind, "discount": model.discount}
    pricing |= written(model.prices, fields, lambda amount: _cents(amount / share))
    pricing["rate_per_input_token_cached"] = _multiple(model.prices, model.prices, Meter.CACHE_READ)
    for when, prices in model.conditional_prices:
        # A tier is one multiple of every price, so the multiple of the input price is enough.
        multiple = _multiple(prices, model.prices, Meter.INPUT)
        pricing[f"rate_per_service_tier_{when.service_tier}"] = multiple
    return pricing


def _cents(per_million: Decimal) -> Decimal:
    """Cents for one unit, written like a float: 4.5e-05."""
    return Decimal(repr(float(per_million.scaleb(-4))))


def _multiple(prices: Prices, base: Prices, meter: Meter) -> Decimal | None:
    """The price of *meter* as a multiple of the base input price, to eight places."""
    if meter not in prices or not base.get(Meter.INPUT):
        return None
    return (prices[meter] / base[Meter.INPUT]).quantize(Decimal("1e-8"))


FORMAT = Format({"/models/list": _answer}, "cents_per_input_token")
