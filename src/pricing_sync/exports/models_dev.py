"""The models.dev catalog, `api.json`. Read by `sources/formats/models_dev`.

Over an upstream catalog, only the prices of a model are replaced. Without one, a model has its
names and its price: a reader such as opencode also needs what a model can do, which no price list
says, and which is not made up here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Raw

from pricing_sync.errors import SettingsError
from pricing_sync.exports.amounts import json_object, number
from pricing_sync.exports.cells import Cell, cells
from pricing_sync.exports.document import Export, Source
from pricing_sync.exports.fitting import Abilities, fit
from pricing_sync.prices.book import Price
from pricing_sync.prices.rates import Per, Rate, RateCard, When
from pricing_sync.sources.formats import models_dev

#: The ids that models.dev has for our providers, where they differ.
PROVIDERS: Mapping[str, str] = {
    "alibaba-cloud": "alibaba",
    "alibaba-cloud-cn": "alibaba-cn",
    "fireworks": "fireworks-ai",
    "novita": "novita-ai",
    "together": "togetherai",
    "vercel-ai-gateway": "vercel",
}
_KEYS = {amount.meter: key for key, amount in models_dev.FIELDS.items() if amount is not None}
# The request of a mode names its tier by this value of `service_tier`, which OpenAI defines. Other
# tiers are asked for in other ways, and a batch is no request.
_MODES = frozenset({"flex", "priority"})
_LEGACY_SIZE = 200_000


def _says(when: When) -> bool:
    """Long contexts, or one of the service tiers that are modes; not both together."""
    if when.hours is not None or when.weekdays is not None or when.region is not None:
        return False
    if when.service_tier is not None:
        return when.service_tier in _MODES and when.min_input_tokens is None
    return when.min_input_tokens not in (None, 0, 1)


_ABILITIES = Abilities(meters=frozenset(_KEYS), says=_says)


def write(source: Source) -> Export:
    """Every provider with its models.

    Raises:
        SettingsError: the upstream catalog is not one.
    """
    providers = _upstream(source.upstream)
    count = 0
    for provider, prices in _by_provider(source.prices).items():
        name = PROVIDERS.get(provider, provider)
        name = provider if provider in providers or name in _by_provider(source.prices) else name
        head = providers.get(name, {"id": name, "name": provider, "models": Raw(b"{}")})
        models = _decode(head["models"])
        for price in prices:
            card = fit(source, price, _ABILITIES)
            if card is not None:
                models[price.model] = _model(price, card, models.get(price.model))
                count += 1
        if models:
            providers[name] = {**head, "models": models}
    rows = [(name, msgspec.json.encode(row)) for name, row in providers.items()]
    return source.export(json_object(rows), count)


def _by_provider(prices: Iterable[Price]) -> dict[str, list[Price]]:
    found: dict[str, list[Price]] = {}
    for price in prices:
        found.setdefault(price.provider, []).append(price)
    return found


def _upstream(body: bytes | None) -> dict[str, dict[str, object]]:
    if body is None:
        return {}
    try:
        return {**msgspec.json.decode(body, type=dict[str, dict[str, Raw]])}
    except msgspec.MsgspecError as error:
        raise SettingsError(f"models.dev: upstream catalog: {error}") from None


def _decode(models: object) -> dict[str, object]:
    if not isinstance(models, Raw):
        raise SettingsError("models.dev: upstream catalog: a provider without models")
    return {**msgspec.json.decode(models, type=dict[str, Raw])}


def _model(price: Price, card: RateCard, known: object) -> dict[str, object]:
    """The model with the cost and the modes of our card, and all else as upstream has it."""
    row: dict[str, object] = {"id": price.model, "name": price.model}
    if isinstance(known, Raw):
        row = {**msgspec.json.decode(known, type=dict[str, Raw])}
        row.pop("experimental", None)
    found = cells(card)
    tiers = [
        _cost(cell) | {"tier": {"type": "context", "size": cell.when.min_input_tokens - 1}}
        for cell in found
        if cell.when.min_input_tokens is not None and cell.when.service_tier is None
    ]
    cost = _cost(found[0])
    if tiers:
        cost["tiers"] = tiers
        legacy = [c for c in found if c.when == When(min_input_tokens=_LEGACY_SIZE + 1)]
        cost |= {"context_over_200k": _cost(legacy[0])} if legacy else {}
    modes = {
        cell.when.service_tier: {
            "cost": _cost(cell),
            "provider": {"body": {"service_tier": cell.when.service_tier}},
        }
        for cell in found
        if cell.when.service_tier is not None and cell.when.min_input_tokens is None
    }
    return row | {"cost": cost} | ({"experimental": {"modes": modes}} if modes else {})


def _cost(cell: Cell) -> dict[str, object]:
    return {key: _amount(cell.rates[m]) for m, key in _KEYS.items() if m in cell.rates}


def _amount(rate: Rate) -> Raw:
    return number(rate, Per.MILLION)
