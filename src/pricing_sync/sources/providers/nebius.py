"""Nebius Token Factory: strings of US dollars per unit, only in the answer to `verbose=true`.

Cached input is billed at a price that is not in the list. Read 2026-09-23.
"""

from __future__ import annotations

from collections import Counter

from msgspec import Raw, Struct

from pricing_sync.prices.rates import Listing, Meter, Per, Rate, Unpriced, Why
from pricing_sync.sources.provider import Key, Pin, Provider
from pricing_sync.sources.strict_json import (
    Amount,
    Fields,
    Page,
    as_listing,
    envelope,
    joined,
    rates,
    read_rows,
    refuse_priceless,
    without_zeros,
)

FIELDS: Fields = {
    "prompt": Amount(Meter.INPUT, Per.ONE),
    "completion": Amount(Meter.OUTPUT, Per.ONE),
    "request": Amount(Meter.REQUEST, Per.ONE),
    # Zero in every row seen. Per image in the format that this one copies (confidence medium).
    "image": Amount(Meter.IMAGE, Per.ONE),
    "price_per_minute": Amount(Meter.SECOND, Per.MINUTE),
    "price_per_video_second": Amount(Meter.SECOND, Per.ONE),
}


class Row(Struct):
    id: str
    pricing: dict[str, Raw] | None = None


class _List(Struct):
    data: list[Raw]


def read(body: bytes) -> Page:
    """The whole list. One without any price is not the verbose one, and is refused."""
    page = read_rows(envelope(body, _List).data, Row, listing)
    return refuse_priceless(page, "no model has a price, as when the list is not verbose")


def listing(row: Row, ignored: Counter[str]) -> Listing:
    """The listing of one model. A zero means that the model is not sold by that unit."""
    if not row.pricing:
        return Unpriced(Why.NOT_PUBLISHED)
    zero = Unpriced(Why.NOT_PER_TOKEN, "listed at zero, with nothing that says it is free")
    # Two fields count seconds, and one of them may be zero.
    by_field = [rates({key: raw}, FIELDS, ignored) for key, raw in row.pricing.items()]
    priced = joined(*map(without_zeros, by_field))
    zeros = {meter: Rate(0) for one in by_field for meter in one}
    return as_listing({**zeros, **priced}, zero)


PROVIDER = Provider(
    id="nebius",
    name="Nebius Token Factory",
    url="https://api.tokenfactory.nebius.com/v1/models?verbose=true",
    decode=read,
    key=Key(("NEBIUS_API_KEY",)),
    pin=Pin("nvidia/Nemotron-3_5-Lightning", Meter.INPUT, rate="0.06", read_on="2026-09-23"),
    page="https://tokenfactory.nebius.com/",
)
