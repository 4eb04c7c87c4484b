"""A small list in the format of every reader, with the same prices in each.

The prices are dollars per million tokens. A price of None is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pricing_sync.prices.rates import Meter
from pricing_sync.sources.provider import Provider
from pricing_sync.sources.providers import find

MODEL = "maker/model"
Prices = Mapping[str, int | None]
Extra = Mapping[str, Any]
NONE: Extra = MappingProxyType({})


@dataclass(frozen=True)
class Format:
    """How one reader's list is written."""

    name: str
    provider_id: str
    #: The body of a list with one row for each model id: its prices, the keys beside them in the
    #: object of prices, and the keys beside that object.
    body: Callable[[list[str], Prices, Extra, Extra], bytes]
    #: The keys of the prices that the format has.
    keys: tuple[str, ...] = ("input", "output", "cache_read")
    #: The meters whose zero the provider documents as "no price of its own".
    unset: frozenset[Meter] = frozenset()

    @property
    def provider(self) -> Provider:
        return find(self.provider_id)

    def one(self, prices: Prices, inside: Extra = NONE, beside: Extra = NONE) -> bytes:
        return self.body([MODEL], prices, inside, beside)

    def __str__(self) -> str:
        return self.name


def _data(rows: list[dict[str, Any]], **head: Any) -> bytes:
    return json.dumps({"data": rows, **head}).encode()


def _flat(
    names: Mapping[str, str], write: Callable[[int], Any], head: Extra = NONE
) -> Callable[[list[str], Prices, Extra, Extra], bytes]:
    """A list `{"data": [{"id", "pricing": {…}}]}`, with *names* for the prices."""

    def body(models: list[str], prices: Prices, inside: Extra, beside: Extra) -> bytes:
        pricing = {names[k]: write(price) for k, price in prices.items() if price is not None}
        rows = [{"id": model, "pricing": {**pricing, **inside}, **beside} for model in models]
        return _data(rows, **head)

    return body


def _per_token(dollars: int) -> str:
    return f"{dollars}e-6" if dollars else "0"


_OPENROUTER = {"input": "prompt", "output": "completion", "cache_read": "input_cache_read"}
_UNITS = {"input": "per M input tokens", "output": "per M output tokens"}
_UNITS |= {"cache_read": "per M cached input tokens"}


def _nearai(models: list[str], prices: Prices, inside: Extra, beside: Extra) -> bytes:
    names = {"input": "input", "output": "output", "cache_read": "cacheRead"}
    costs = {
        f"{names[k]}CostPerToken": {"amount": price * 1000, "scale": 9, "currency": "USD", **inside}
        for k, price in prices.items()
        if price is not None
    }
    rows = [{"modelId": model, **costs, **beside} for model in models]
    return json.dumps({"models": rows, "total": len(rows), "limit": 100, "offset": 0}).encode()


def _alibaba(models: list[str], prices: Prices, inside: Extra, beside: Extra) -> bytes:
    types = {"input": "input_token", "output": "output_token", "cache_read": "input_token_cache"}
    items = [
        {"type": types[k], "price": str(price), "price_unit": "Per 1M tokens", **inside}
        for k, price in prices.items()
        if price is not None
    ]
    rows = [
        {"model": m, "prices": [{"range_name": "Default", "prices": items}], **beside}
        for m in models
    ]
    output = {"total": len(rows), "page_no": 1, "page_size": 100, "models": rows}
    return json.dumps({"success": True, "output": output}).encode()


def _together(models: list[str], prices: Prices, inside: Extra, beside: Extra) -> bytes:
    names = {"input": "input", "output": "output", "cache_read": "cached_input"}
    pricing = {names[k]: price for k, price in prices.items() if price is not None}
    rows = [{"id": m, "type": "chat", "pricing": {**pricing, **inside}, **beside} for m in models]
    return json.dumps(rows).encode()


def _fireworks(models: list[str], prices: Prices, inside: Extra, beside: Extra) -> bytes:
    names = {"input": "input tokens (uncached)", "output": "output tokens"}
    names |= {"cache_read": "input tokens (cached)"}
    items = [
        {"sku": f"LLM {names[k]}", "amount": str(price), "unit": "1M tokens", **inside}
        for k, price in prices.items()
        if price is not None
    ]
    return _data(
        [{"id": m, "serverless_mode": "standard", "pricing": items, **beside} for m in models]
    )


def _deepinfra(models: list[str], prices: Prices, inside: Extra, beside: Extra) -> bytes:
    pricing: dict[str, Any] = {"type": "tokens"}
    for k in ("input", "output"):
        if (price := prices.get(k)) is not None:
            pricing[f"cents_per_{k}_token"] = price / 10_000
    if (read := prices.get("cache_read")) is not None:
        pricing["rate_per_input_token_cached"] = read / (prices.get("input") or 1)
    rows = [{"model_name": m, "pricing": {**pricing, **inside}, **beside} for m in models]
    return json.dumps(rows).encode()


def _deepinfra_openai(models: list[str], prices: Prices, inside: Extra, beside: Extra) -> bytes:
    pricing = {f"{k}_tokens": price for k, price in prices.items() if price is not None}
    metadata = {"pricing": {**pricing, **inside}, **beside}
    return _data([{"id": m, "metadata": metadata} for m in models])


def _novita(models: list[str], prices: Prices, inside: Extra, beside: Extra) -> bytes:
    names = _OPENROUTER
    pricing = {
        names[k]: {"price_per_m": price * 10_000, **inside}
        for k, price in prices.items()
        if price is not None
    }
    return _data([{"id": m, "status": 1, "pricing": pricing, **beside} for m in models])


def _xai(models: list[str], prices: Prices, inside: Extra, beside: Extra) -> bytes:
    names = {"input": "prompt", "output": "completion", "cache_read": "cached_prompt"}
    fields = {
        f"{names[k]}_text_token_price": price * 10_000
        for k, price in prices.items()
        if price is not None
    }
    return json.dumps(
        {"models": [{"id": m, **fields, **inside, **beside} for m in models]}
    ).encode()


def _cloudflare(models: list[str], prices: Prices, inside: Extra, beside: Extra) -> bytes:
    value = [
        {"unit": _UNITS[k], "price": price, "currency": "USD", **inside}
        for k, price in prices.items()
        if price is not None
    ]
    properties = [
        {"property_id": "price", "value": value},
        *({"property_id": name, "value": extra} for name, extra in beside.items()),
    ]
    rows = [{"name": m, "properties": properties} for m in models]
    return json.dumps({"success": True, "result": rows}).encode()


def _venice(models: list[str], prices: Prices, inside: Extra, beside: Extra) -> bytes:
    names = {"input": "input", "output": "output", "cache_read": "cache_input"}
    pricing = {names[k]: {"usd": price} for k, price in prices.items() if price is not None}
    spec = {"pricing": {**pricing, **inside}, **beside}
    return _data([{"id": m, "type": "text", "model_spec": spec} for m in models])


def _models_dev(models: list[str], prices: Prices, inside: Extra, beside: Extra) -> bytes:
    cost = {k: price for k, price in prices.items() if price is not None}
    rows = {m: {"cost": {**cost, **inside}, **beside} for m in models}
    return json.dumps({"anthropic": {"models": rows}}).encode()


_FEATHERLESS = {"pagination": {"current_page": 1, "total_pages": 1, "total_items": 1}}
_CACHE = frozenset({Meter.CACHE_READ})

FORMATS = (
    Format("openrouter", "openrouter", _flat(_OPENROUTER, _per_token)),
    Format(
        "featherless",
        "featherless",
        _flat(_OPENROUTER, _per_token, _FEATHERLESS),
        keys=("input", "output"),
    ),
    Format("nearai", "nearai", _nearai),
    Format("alibaba-cloud", "alibaba-cloud", _alibaba),
    Format("together", "together", _together, unset=_CACHE),
    Format("fireworks", "fireworks", _fireworks),
    Format("deepinfra", "deepinfra", _deepinfra),
    Format("deepinfra, OpenAI-like", "deepinfra", _deepinfra_openai, keys=("input", "output")),
    Format("cerebras", "cerebras", _flat(_OPENROUTER, _per_token), unset=_CACHE),
    Format("novita", "novita", _novita, unset=_CACHE),
    Format("xai", "xai", _xai),
    Format("cloudflare-workers-ai", "cloudflare-workers-ai", _cloudflare),
    Format("nebius", "nebius", _flat(_OPENROUTER, _per_token), keys=("input", "output")),
    Format("chutes", "chutes", _flat(_OPENROUTER, lambda dollars: dollars)),
    Format(
        "vercel-ai-gateway",
        "vercel-ai-gateway",
        _flat({"input": "input", "output": "output", "cache_read": "input_cache_read"}, _per_token),
    ),
    Format("venice", "venice", _venice),
    Format("models.dev", "anthropic", _models_dev),
)
