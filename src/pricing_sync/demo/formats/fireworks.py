"""Fireworks: one row for each serving mode of a model, with prices by SKU name."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence

from pricing_sync.demo.facts import Model, Prices
from pricing_sync.demo.formats.format import (
    Format,
    Json,
    ListRequest,
    Row,
    key_required,
    plain,
    written,
)
from pricing_sync.prices.rates import Meter

_FIELDS = {
    "LLM input tokens (cached)": Meter.CACHE_READ,
    "LLM output tokens": Meter.OUTPUT,
    "LLM input tokens (uncached)": Meter.INPUT,
}
_EMBEDDING = {"Embedding input tokens": Meter.INPUT}


def _answer(models: Sequence[Model], request: ListRequest) -> Json:
    """A page; it has all rows of a model, and the token of the next page is opaque."""
    token = request.parameters.get("pageToken")
    start = int(urlsafe_b64decode(token)) if token else 0
    rows = [row for model in request.page(models, start) for row in _rows(model)]
    end = start + request.page_size
    if end >= len(models) or request.ends_early:
        return {"object": "list", "data": rows}
    next_token = urlsafe_b64encode(b"%d" % end).decode()
    return {"object": "list", "data": rows, "nextPageToken": next_token}


def _rows(model: Model) -> list[Row]:
    row: Row = {"id": model.id, "context_length": model.context}
    if model.why is not None:
        return [row]
    skus = _EMBEDDING if model.kind == "embedding" else _FIELDS
    priced = row | {"serverless_mode": "standard", "pricing": _skus(model.prices, skus)}
    if model.id.endswith("-fast"):
        name = model.id.replace("/routers/", "/models/").removesuffix("-fast")
        fast = {"id": name, "serverless_mode": "fast", "usage_identifier": model.id}
        return [priced | fast]
    tiers = [
        row | {"serverless_mode": when.service_tier, "pricing": _skus(prices, skus)}
        for when, prices in model.conditional_prices
    ]
    return [priced, *tiers]


def _skus(prices: Prices, skus: Mapping[str, Meter]) -> list[Row]:
    return [
        {"sku": sku, "amount": amount, "unit": "1M tokens"}
        for sku, amount in written(prices, skus, plain).items()
    ]


FORMAT = Format(
    {"/v1/serverless/models": _answer},
    "amount",
    key_required({"error": {"code": "unauthorized", "message": "Missing API key."}}),
)
