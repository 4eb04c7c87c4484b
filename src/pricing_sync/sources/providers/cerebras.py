"""Cerebras: a short public list, with strings of US dollars per token.

The unit depends on the query parameter `format`: `huggingface` has numbers per million under
`input` and `output`. The list that requires a key has no prices. Neither can be mistaken for this
list. None of the lists has cached input, or the enterprise and code plans. Read 2026-08.
"""

from __future__ import annotations

from collections import Counter

from msgspec import Raw, Struct

from pricing_sync.prices.rates import Listing, Meter, Per, Unpriced, Why
from pricing_sync.sources.notices import notice_of
from pricing_sync.sources.provider import Pin, Provider
from pricing_sync.sources.strict_json import (
    ABSENT,
    Amount,
    BadAmount,
    Fields,
    Page,
    as_listing,
    envelope,
    rates,
    read_rows,
    refuse_priceless,
)

FIELDS: Fields = {
    "prompt": Amount(Meter.INPUT, Per.ONE),
    "completion": Amount(Meter.OUTPUT, Per.ONE),
    # Only in the `openrouter` format, where zero is the default and means "not offered".
    "input_cache_read": Amount(Meter.CACHE_READ, Per.ONE),
    "input_cache_write": Amount(Meter.CACHE_WRITE, Per.ONE),
    "request": Amount(Meter.REQUEST, Per.ONE),
}


_UNSET = frozenset({Meter.CACHE_READ, Meter.CACHE_WRITE})


class Row(Struct):
    id: str
    pricing: dict[str, Raw] | None = None
    # Models marked so are still sold at the listed price.
    deprecated: Raw = ABSENT


class _List(Struct):
    data: list[Raw]


def read(body: bytes) -> Page:
    """The whole list. One without any price is the list that requires a key, and is refused."""
    rows = envelope(body, _List).data
    page = read_rows(rows, Row, listing, notice=lambda row: notice_of(deprecated=row.deprecated))
    return refuse_priceless(page, "no model has a price")


def listing(row: Row, ignored: Counter[str]) -> Listing:
    """The listing of one model. A zero is not a price."""
    if not row.pricing:
        return Unpriced(Why.NOT_PUBLISHED)
    for key in ("prompt", "completion"):
        if not bytes(row.pricing.get(key, ABSENT)).startswith(b'"'):
            raise BadAmount(f"pricing.{key}: missing, or not a string as prices per token are")
    zero = Unpriced(Why.NOT_PER_TOKEN, "listed at zero, with nothing that says it is free")
    return as_listing(rates(row.pricing, FIELDS, ignored), zero, unset=_UNSET)


PROVIDER = Provider(
    id="cerebras",
    name="Cerebras",
    url="https://api.cerebras.ai/public/v1/models",
    decode=read,
    pin=Pin("gpt-oss-120b", Meter.INPUT, rate="0.35", read_on="2026-08-21"),
    page="https://www.cerebras.ai/pricing",
)
