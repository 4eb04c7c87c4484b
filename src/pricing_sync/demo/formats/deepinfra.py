"""DeepInfra: cents per token as floats, caches and tiers as multiples, discounts to take off."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from pricing_sync.demo.facts import Model, Prices
from pricing_sync.demo.formats.format import Asked, Format, Json, Row, named
from pricing_sync.prices.rates import Meter

_TYPES = {
    "embeddings": ("input_tokens", {"cents_per_input_token": Meter.INPUT}),
    "automatic-speech-recognition": ("time", {"cents_per_sec": Meter.SECOND}),
}
_TOKENS = (
    "tokens",
    {"cents_per_input_token": Meter.INPUT, "cents_per_output_token": Meter.OUTPUT},
)


def _answer(models: Sequence[Model], _asked: Asked) -> Json:
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
    paid = 1 - (model.discount or 0)
    pricing: Row = {"type": kind, "discount": model.discount}
    pricing |= {key: _cents(amount / paid) for key, amount in named(model.prices, fields)}
    pricing["rate_per_input_token_cached"] = _multiple(model.prices, model.prices, Meter.CACHE_READ)
    for when, prices in model.overrides:
        # One multiple of every price, so the input's is all that is looked at.
        multiple = _multiple(prices, model.prices, Meter.INPUT)
        pricing[f"rate_per_service_tier_{when.service_tier}"] = multiple
    return pricing


def _cents(per_million: Decimal) -> Decimal:
    """Cents for one, as a float would be written: 4.5e-05."""
    return Decimal(repr(float(per_million.scaleb(-4))))


def _multiple(prices: Prices, base: Prices, meter: Meter) -> Decimal | None:
    """How many times the base's input price, to eight places."""
    if meter not in prices or not base.get(Meter.INPUT):
        return None
    return (prices[meter] / base[Meter.INPUT]).quantize(Decimal("1e-8"))


FORMAT = Format({"/models/list": _answer}, "cents_per_input_token")
