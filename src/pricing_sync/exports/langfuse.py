"""Langfuse's models: the bodies of `PUT /api/public/models/{id}`, in a list, dollars per unit.

Langfuse prices each usage key by itself, and matches its name exactly, so a rate stands under every
name that the SDKs report its tokens by. A tier of prices is tried by its number, lowest first.
Source: its API reference, read 2026-10.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import msgspec

from pricing_sync.exports.amounts import json_list, number
from pricing_sync.exports.cells import Cell, cells
from pricing_sync.exports.document import Export, Source
from pricing_sync.exports.fitting import Abilities, fit
from pricing_sync.prices.book import Price
from pricing_sync.prices.card_json import write_instant
from pricing_sync.prices.rates import Meter, Per, RateCard, When

_KEYS: dict[Meter, tuple[str, ...]] = {
    Meter.INPUT: ("input",),
    Meter.OUTPUT: ("output",),
    Meter.CACHE_READ: ("input_cached_tokens", "input_cache_read", "cache_read_input_tokens"),
    Meter.CACHE_WRITE: (
        "input_cache_creation",
        "cache_creation_input_tokens",
        "cache_write_tokens",
        "input_cache_creation_5m",
    ),
    Meter.CACHE_WRITE_1H: ("input_cache_creation_1h",),
    Meter.REASONING: ("output_reasoning_tokens", "output_reasoning", "reasoning_tokens"),
    Meter.INPUT_AUDIO: ("input_audio_tokens",),
    Meter.OUTPUT_AUDIO: ("output_audio_tokens",),
    Meter.INPUT_IMAGE: ("input_image_tokens",),
    Meter.OUTPUT_IMAGE: ("output_image_tokens",),
}
#: Every usage key of a request's input: their sum is the length of its context.
_INPUT_PATTERN = "^(input|cache_)"


def _says(when: When) -> bool:
    """Long contexts and service tiers together; no hours, no regions."""
    if when.hours is not None or when.weekdays is not None or when.region is not None:
        return False
    return when.min_input_tokens is None or when.min_input_tokens > 0


_ABILITIES = Abilities(meters=frozenset(_KEYS), says=_says, needs=frozenset())
# Reported by themselves, and without a price of their own they would cost nothing.
_SPELLED_OUT = (Meter.CACHE_READ, Meter.CACHE_WRITE_1H, Meter.REASONING, Meter.INPUT_IMAGE)


def write(source: Source) -> Export:
    """A body for each model, with an id that stays the same when its price changes.

    A project of Langfuse has one model of a name, so a new price replaces the last one.
    """
    rows = []
    for price in source.prices:
        card = fit(source, price, _ABILITIES)
        if card is not None:
            rows.append(msgspec.json.encode(_body(source.name(price), price, card)))
    return source.export(json_list(rows), len(rows))


def _body(name: str, price: Price, card: RateCard) -> dict[str, object]:
    since = write_instant(price.since)
    identity = f"{price.provider}/{price.model}".encode()
    return {
        "id": "pricing-sync-" + hashlib.sha256(identity).hexdigest()[:32],
        "modelName": name,
        "matchPattern": f"(?i)^({re.escape(name)})$",
        "startDate": since,
        "unit": "TOKENS",
        "pricingTiers": list(_tiers(cells(card, _SPELLED_OUT))),
    }


def _tiers(found: list[Cell]) -> Iterable[dict[str, object]]:
    """The default first. A lower number is tried first, so special conditions have low ones."""
    base, *others = found
    yield _tier("Standard", 0, base, [])
    special = sorted(others, key=_generality)
    for number_, cell in enumerate(special, 1):
        conditions = [*_conditions(cell.when)]
        name = " ".join(str(part) for part in _name(cell.when))
        yield _tier(name, number_, cell, conditions)


def _generality(cell: Cell) -> tuple[bool, int]:
    return cell.when.service_tier is None, -(cell.when.min_input_tokens or 0)


def _name(when: When) -> Iterable[str]:
    if when.service_tier is not None:
        yield when.service_tier
    if when.min_input_tokens is not None:
        yield f"from {when.min_input_tokens}"


def _conditions(when: When) -> Iterable[dict[str, object]]:
    if when.service_tier is not None:
        yield {
            "source": "model_parameters",
            "key": "service_tier",
            "operator": "in",
            "values": [when.service_tier],
        }
    if when.min_input_tokens is not None:
        yield {
            "usageDetailPattern": _INPUT_PATTERN,
            "operator": "gte",
            "value": when.min_input_tokens,
            "caseSensitive": False,
        }


def _tier(
    name: str, priority: int, cell: Cell, conditions: list[dict[str, object]]
) -> dict[str, object]:
    return {
        "name": name,
        "isDefault": not conditions,
        "priority": priority,
        "conditions": conditions,
        "prices": {
            key: number(cell.rates[meter], Per.ONE)
            for meter, keys in _KEYS.items()
            if meter in cell.rates
            for key in keys
        },
    }
