"""OpenRouter: strings per token, -1 where the price varies, and overrides that inherit."""

from __future__ import annotations

from collections.abc import Sequence

from pricing_sync.demo.facts import Model
from pricing_sync.demo.formats.format import (
    Format,
    Json,
    ListRequest,
    Row,
    per_one,
    threshold,
    written,
)
from pricing_sync.prices.rates import Meter, When, Why

_FIELDS = {
    "prompt": Meter.INPUT,
    "completion": Meter.OUTPUT,
    "image": Meter.INPUT_IMAGE,
    "image_output": Meter.OUTPUT_IMAGE,
    "audio": Meter.INPUT_AUDIO,
    "input_audio_cache": Meter.CACHE_READ_AUDIO,
    "web_search": Meter.WEB_SEARCH,
    "internal_reasoning": Meter.REASONING,
    "input_cache_read": Meter.CACHE_READ,
    "input_cache_write": Meter.CACHE_WRITE,
    "input_cache_write_1h": Meter.CACHE_WRITE_1H,
}
_UNPRICED = {Why.VARIES: "-1", Why.NOT_PER_TOKEN: "0"}


def _answer(models: Sequence[Model], request: ListRequest) -> Json:
    all_kinds = request.parameters.get("output_modalities") == "all"
    return {"data": [_row(m) for m in models if all_kinds or m.kind == "chat"]}


def _row(model: Model) -> Row:
    return {
        "id": model.id,
        "canonical_slug": model.id,
        "context_length": model.context,
        "architecture": {"output_modalities": [model.kind.replace("chat", "text")]},
        "pricing": _pricing(model),
        "expiration_date": "2098-12-31",
    }


def _pricing(model: Model) -> Row:
    if model.why is not None:
        price = _UNPRICED.get(model.why)
        return dict.fromkeys(("prompt", "completion"), price) if price else {}
    overrides = [
        _condition(when) | written(prices, _FIELDS, per_one)
        for when, prices in model.conditional_prices
    ]
    pricing: Row = {"prompt": "0", "completion": "0"}
    pricing |= written(model.prices, _FIELDS, per_one)
    return pricing | ({"overrides": overrides} if overrides else {})


def _condition(when: When) -> Row:
    if when.hours is None:
        return {"min_prompt_tokens": threshold(when)}
    start, end = (minute // 60 * 100 + minute % 60 for minute in when.hours)
    return {"utc_start": start, "utc_end": end}


FORMAT = Format({"/api/v1/models": _answer}, "prompt")
