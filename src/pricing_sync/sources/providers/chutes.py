"""Chutes: numbers of US dollars per million, in fields that elsewhere hold prices per token.

Until some time in 2025 one `price` covered input and output tokens, in dollars and in TAO, which
is another currency. Read 2026-10.
"""

from __future__ import annotations

from collections import Counter

from msgspec import Raw, Struct

from pricing_sync.prices.rates import Listing, Meter, Per, Unpriced, Why
from pricing_sync.sources.provider import Key, Pin, Provider
from pricing_sync.sources.strict_json import (
    ABSENT,
    Amount,
    BadAmount,
    Fields,
    Page,
    as_listing,
    envelope,
    number,
    rates,
    read_rows,
)

FIELDS: Fields = {
    "prompt": Amount(Meter.INPUT, Per.MILLION),
    "completion": Amount(Meter.OUTPUT, Per.MILLION),
    "input_cache_read": Amount(Meter.CACHE_READ, Per.MILLION),
}


class Row(Struct):
    id: str
    pricing: dict[str, Raw] | None = None
    price: dict[str, Raw] | None = None


class _List(Struct):
    data: list[Raw]


def read(body: bytes) -> Page:
    """The whole list."""
    return read_rows(envelope(body, _List).data, Row, listing)


def listing(row: Row, ignored: Counter[str]) -> Listing:
    """The listing of one model. Zero is listed during a trial and is not a price."""
    if not row.pricing:
        return _blended(row)
    for key in FIELDS:
        if bytes(row.pricing.get(key, ABSENT)).startswith(b'"'):
            raise BadAmount(f"pricing.{key}: a string, as prices per token are elsewhere")
    zero = Unpriced(Why.NOT_PUBLISHED, "listed at zero: free or on trial")
    return as_listing(rates(row.pricing, FIELDS, ignored), zero)


def _blended(row: Row) -> Unpriced:
    """No rates: the older `price` does not state whether it is for input or output."""
    usd = number((row.price or {}).get("usd", ABSENT), "price.usd")
    if usd is None:
        return Unpriced(Why.NOT_PUBLISHED)
    if usd == 0:
        return Unpriced(Why.NOT_PUBLISHED, "listed at zero: free or on trial")
    return Unpriced(Why.NOT_PUBLISHED, "one blended price, of no meter in particular")


PROVIDER = Provider(
    id="chutes",
    name="Chutes",
    url="https://llm.chutes.ai/v1/models",
    decode=read,
    key=Key(("CHUTES_API_KEY",), required=False),
    pin=Pin("deepseek-ai/DeepSeek-V3.2-TEE", Meter.INPUT, rate="0.28", read_on="2026-05-14"),
    page="https://chutes.ai/pricing",
)
