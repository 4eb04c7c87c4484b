"""Cerebras: a short public list, strings per token.

The unit depends on the `format` that is asked for: `huggingface` has numbers per million under
`input` and `output`, and the list that takes a key has no prices. Neither can be read as this one.
Cached input, and the enterprise and code plans, are not in any of them. Read 2026-08.
"""

from __future__ import annotations

from collections import Counter

from msgspec import Raw, Struct

from pricing_sync.prices.rates import Listing, Meter, Per, RateCard, Unpriced, Why
from pricing_sync.sources.provider import Pin, Provider
from pricing_sync.sources.strict_json import (
    ABSENT,
    Amount,
    BadAmount,
    Fields,
    Page,
    envelope,
    rates,
    read_rows,
    refuse_priceless,
    without_zeros,
)

FIELDS: Fields = {
    "prompt": Amount(Meter.INPUT, Per.ONE),
    "completion": Amount(Meter.OUTPUT, Per.ONE),
    # Only in the `openrouter` format, where a zero is its default and means "not offered".
    "input_cache_read": Amount(Meter.CACHE_READ, Per.ONE),
    "input_cache_write": Amount(Meter.CACHE_WRITE, Per.ONE),
    "request": Amount(Meter.REQUEST, Per.ONE),
}


class Row(Struct):
    id: str
    # Rows marked `deprecated` are still sold at the price they name.
    pricing: dict[str, Raw] | None = None


class _List(Struct):
    data: list[Raw]


def read(body: bytes) -> Page:
    """The whole list; without any price it is the list for holders of a key, and not this one."""
    page = read_rows(envelope(body, _List).data, Row, listing)
    return refuse_priceless(page, "no model has a price")


def listing(row: Row, ignored: Counter[str]) -> Listing:
    """What Cerebras says of one model: a zero quotes nothing."""
    if not row.pricing:
        return Unpriced(Why.NOT_PUBLISHED)
    for key in ("prompt", "completion"):
        if not bytes(row.pricing.get(key, ABSENT)).startswith(b'"'):
            raise BadAmount(f"pricing.{key}: missing, or not a string as prices per token are")
    named = without_zeros(rates(row.pricing, FIELDS, ignored))
    if not named:
        return Unpriced(Why.NOT_PER_TOKEN, "listed at zero, with nothing that says it is free")
    return RateCard(named)


PROVIDER = Provider(
    id="cerebras",
    name="Cerebras",
    url="https://api.cerebras.ai/public/v1/models",
    decode=read,
    pin=Pin("gpt-oss-120b", Meter.INPUT, rate="0.35", read_on="2026-08-21"),
    page="https://www.cerebras.ai/pricing",
)
