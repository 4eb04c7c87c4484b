"""JSON lines: the whole card of a model on each line, as the HTTP API writes it."""

from __future__ import annotations

import msgspec

from pricing_sync.exports.document import Export, Source, card_of
from pricing_sync.prices.card_json import write_instant, write_listing


def write(source: Source) -> Export:
    """A line for each model. Nothing is left out; rates are the currency per million units."""
    lines = []
    for price in source.prices:
        head = {
            "provider": price.provider,
            "model": price.model,
            "since": write_instant(price.since),
            "source": price.source,
            "card": price.card_id,
        }
        lines.append(msgspec.json.encode(head | write_listing(card_of(price))) + b"\n")
    return source.export(b"".join(lines), len(lines))
