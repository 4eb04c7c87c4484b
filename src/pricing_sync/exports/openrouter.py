"""OpenRouter's `GET /api/v1/models`. `sources/formats/openrouter` reads and writes its prices."""

from __future__ import annotations

import msgspec

from pricing_sync.exports.amounts import json_list
from pricing_sync.exports.document import Export, Part, Source
from pricing_sync.exports.fitting import Abilities, fit
from pricing_sync.prices.book import Price
from pricing_sync.prices.rates import Meter, When
from pricing_sync.sources.formats import openrouter

_METERS = frozenset(
    {amount.meter for amount in openrouter.FIELDS.values() if amount is not None} | {Meter.IMAGE}
)


def _says(when: When) -> bool:
    """Long contexts, hours and weekdays in UTC, also together; no service tiers, no regions."""
    if when.service_tier is not None or when.region is not None or when.min_input_tokens == 0:
        return False
    is_timed = when.hours is not None or when.weekdays is not None
    return when.time_zone == "UTC" if is_timed else when.min_input_tokens is not None


_ABILITIES = Abilities(meters=_METERS, says=_says, mixes_hours=True)


#: What OpenRouter's own SDK (1.3.19) insists on, and a ledger of prices does not know.
_UNKNOWN: dict[str, object] = {
    "architecture": {"modality": None, "input_modalities": [], "output_modalities": []},
    "context_length": None,
    "default_parameters": None,
    "per_request_limits": None,
    "supported_parameters": [],
    "supported_voices": None,
    "top_provider": {"is_moderated": False},
}


def write(source: Source) -> Export:
    """A row for each model. Input and output always have a price: without one, there is no row."""
    rows = []
    for price in source.prices:
        card = fit(source, price, _ABILITIES)
        pricing = openrouter.write(card) if card is not None else None
        if pricing is not None:
            rows.append(msgspec.json.encode(_row(source.name(price), price, pricing)))
        elif card is not None:
            source.leave_out(price, Part.MODEL, "an image would be read as an image token")
    end = msgspec.json.encode({"links": {"next": None}, "total_count": len(rows)})
    body = b'{"data":' + json_list(rows).rstrip() + b"," + end[1:] + b"\n"
    return source.export(body, len(rows))


def _row(name: str, price: Price, pricing: object) -> dict[str, object]:
    return {
        "id": name,
        "canonical_slug": name,
        "name": price.model,
        "created": int(price.since.timestamp()),
        "pricing": pricing,
        "links": {"details": f"/v1/prices/{price.provider}/{price.model}"},
        **_UNKNOWN,
    }
