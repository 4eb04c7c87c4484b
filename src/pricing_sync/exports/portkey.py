"""Portkey's pricing files: one per provider, cents per unit. Source: its README, read 2026-11."""

from __future__ import annotations

import msgspec

from pricing_sync.exports.amounts import json_object, number
from pricing_sync.exports.cells import cells
from pricing_sync.exports.document import Export, Source
from pricing_sync.exports.fitting import Abilities, fit
from pricing_sync.prices.rates import CurrencyUnit, Meter, Per, RateCard, Rates, When

_KEYS = {
    Meter.INPUT: "request_token",
    Meter.OUTPUT: "response_token",
    Meter.CACHE_WRITE: "cache_write_input_token",
    Meter.CACHE_READ: "cache_read_input_token",
    Meter.INPUT_AUDIO: "request_audio_token",
    Meter.OUTPUT_AUDIO: "response_audio_token",
}
_UNITS = {Meter.WEB_SEARCH: "web_search", Meter.REASONING: "thinking_token"}
_BATCH = When(service_tier="batch")
_ABILITIES = Abilities(
    meters=frozenset({*_KEYS, *_UNITS}), says=lambda when: when == _BATCH, needs=frozenset()
)


def write(source: Source) -> Export:
    """The file of one provider; of several, an object with the file of each."""
    files: dict[str, list[tuple[str, bytes]]] = {}
    for price in source.prices:
        card = fit(source, price, _ABILITIES)
        if card is not None:
            row = msgspec.json.encode({"pricing_config": _config(card)})
            files.setdefault(price.provider, []).append((price.model, row))
    count = sum(map(len, files.values()))
    if source.is_of_one_provider:
        rows = [row for of_provider in files.values() for row in of_provider]
    else:
        rows = [(name, json_object(models).rstrip()) for name, models in files.items()]
    return source.export(json_object(rows), count)


def _config(card: RateCard) -> dict[str, object]:
    base, *batch = cells(card)
    config: dict[str, object] = {"pay_as_you_go": _prices(base.rates), "currency": "USD"}
    return config | ({"batch_config": _prices(batch[0].rates)} if batch else {})


def _prices(rates: Rates) -> dict[str, object]:
    units = _amounts(rates, _UNITS)
    return _amounts(rates, _KEYS) | ({"additional_units": units} if units else {})


def _amounts(rates: Rates, keys: dict[Meter, str]) -> dict[str, object]:
    return {
        key: {"price": number(rates[meter], Per.ONE, CurrencyUnit.CENT)}
        for meter, key in keys.items()
        if meter in rates
    }
