"""Fireworks: a row for each way a model is served, and SKUs with names."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence

from pricing_sync.demo.facts import Model, Prices
from pricing_sync.demo.formats.format import Asked, Format, Json, Row, key_required, named, plain
from pricing_sync.prices.rates import Meter

_FIELDS = {
    "LLM input tokens (cached)": Meter.CACHE_READ,
    "LLM output tokens": Meter.OUTPUT,
    "LLM input tokens (uncached)": Meter.INPUT,
}
_EMBEDDING = {"Embedding input tokens": Meter.INPUT}


def _answer(models: Sequence[Model], asked: Asked) -> Json:
    """The rows of one model are kept on one page; the token is opaque."""
    token = asked.parameters.get("pageToken")
    start = int(urlsafe_b64decode(token)) if token else 0
    rows = [row for model in asked.page(models, start) for row in _rows(model)]
    end = start + asked.page_size
    if end >= len(models) or asked.ends_early:
        return {"object": "list", "data": rows}
    following = urlsafe_b64encode(b"%d" % end).decode()
    return {"object": "list", "data": rows, "nextPageToken": following}


def _rows(model: Model) -> list[Row]:
    row: Row = {"id": model.id, "context_length": model.context}
    if model.why is not None:
        return [row]
    skus = _EMBEDDING if model.kind == "embedding" else _FIELDS
    priced = row | {"serverless_mode": "standard", "pricing": _skus(model.prices, skus)}
    if model.id.endswith("-fast"):
        called = model.id.replace("/routers/", "/models/").removesuffix("-fast")
        fast = {"id": called, "serverless_mode": "fast", "usage_identifier": model.id}
        return [priced | fast]
    tiers = [
        row | {"serverless_mode": when.service_tier, "pricing": _skus(prices, skus)}
        for when, prices in model.overrides
    ]
    return [priced, *tiers]


def _skus(prices: Prices, skus: Mapping[str, Meter]) -> list[Row]:
    return [
        {"sku": sku, "amount": plain(amount), "unit": "1M tokens"}
        for sku, amount in named(prices, skus)
    ]


FORMAT = Format(
    {"/v1/serverless/models": _answer},
    "amount",
    key_required({"error": {"code": "unauthorized", "message": "Missing API key."}}),
)
