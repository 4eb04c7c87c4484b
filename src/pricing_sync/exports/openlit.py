"""OpenLIT's `pricing_json`: dollars per thousand tokens, for input, output and caches.

OpenLIT bills a model that it does not find at zero. It looks for the whole name, then for the part
after the first slash. Source: its reader, read 2026-11.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from pricing_sync.exports.amounts import json_object, number
from pricing_sync.exports.document import Export, Source
from pricing_sync.exports.fitting import Abilities, fit, never
from pricing_sync.prices.rates import Meter, Per

_KEYS = {
    Meter.INPUT: "promptPrice",
    Meter.OUTPUT: "completionPrice",
    Meter.CACHE_READ: "cacheReadPrice",
    Meter.CACHE_WRITE: "cacheCreationPrice",
}
_CHAT = Abilities(meters=frozenset(_KEYS), says=never)
_EMBEDDING = Abilities(meters=frozenset({Meter.INPUT}), says=never, needs=frozenset({Meter.INPUT}))


def write(source: Source) -> Export:
    """The chat models; those with input alone are embeddings."""
    chat, embeddings = [], []
    for price in source.prices:
        rates = getattr(price.listing, "rates", {})
        is_embedding = Meter.OUTPUT not in rates and Meter.INPUT in rates
        card = fit(source, price, _EMBEDDING if is_embedding else _CHAT)
        if card is None:
            continue
        amounts = {
            key: number(card.rates[meter], Per.THOUSAND)
            for meter, key in _KEYS.items()
            if meter in card.rates
        }
        name = source.name(price)
        if is_embedding:
            embeddings.append((name, bytes(amounts["promptPrice"])))
        else:
            chat.append((name, msgspec.json.encode(amounts)))
    document = {"chat": Raw(json_object(chat)), "embeddings": Raw(json_object(embeddings))}
    rows = [(name, bytes(rows).rstrip()) for name, rows in document.items()]
    return source.export(json_object(rows), len(chat) + len(embeddings))
